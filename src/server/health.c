/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Active checks of providers whose targets are ejected: an authenticated request that costs nothing (the
 * models list), so that a provider comes back without a user's request being the test. One check a provider
 * at a time, each interval with +-10 % jitter; never on the path of a request.
 *
 *   IDLE -> (interval, something ejected) -> CONNECTING -> SENT -> answer, error or timeout -> IDLE
 *
 * Any answer below 500 but 429 says that the provider is up: 401 or 404 is about the key or the list.
 */
#include "server/internal.h"

#include <stdlib.h>

struct check {
    struct fl_health_checks *checks;
    unsigned provider;
    struct fl_conn *conn; /* NULL while idle */
    struct fl_upstreams *upstreams; /* referenced while a check runs */
    struct fl_timer timer;  /* idle: the next check; running: its timeout */
    struct fl_buf in;
    size_t scanned;
};

struct fl_health_checks {
    struct fl_worker *worker;
    unsigned count;
    struct check *items;
};

enum { head_bytes = 16 * 1024 };

static void check_due(struct fl_timer *timer);

static const struct fl_config *config_of(const struct fl_health_checks *h)
{
    return h->worker->current->snapshot->config;
}

static void schedule(struct check *c)
{
    struct fl_worker *w = c->checks->worker;
    uint64_t interval = config_of(c->checks)->health_interval_ns;
    uint64_t jitter = fl_rng_below(&w->rng, interval / 5 + 1);
    fl_sys_timer_in(w->sys, &c->timer, interval - interval / 10 + jitter);
}

/* Tells every ejected target of the provider. */
static void report(struct check *c, bool ok)
{
    const struct fl_table *t = &c->upstreams->snapshot->config->table;
    uint64_t now = c->checks->worker->sys->now_ns;
    for (unsigned i = 0; i < t->target_count; i++) {
        struct fl_target_view view;
        if (t->targets[i].provider_index != c->provider) {
            continue;
        }
        fl_target_read(&t->targets[i], now, &view);
        if (view.health == FL_OPEN || view.health == FL_HALF_OPEN) {
            fl_route_probe(t, &t->targets[i], ok, now);
        }
    }
}

static void finish(struct check *c, bool ok)
{
    struct fl_upstreams *u = c->upstreams;
    report(c, ok);
    if (c->conn) { /* the list itself is not read */
        fl_conn_close(c->conn, FL_CLOSE_NOW);
    }
    c->conn = NULL;
    c->upstreams = NULL;
    c->scanned = 0;
    fl_buf_finish(&c->in);
    fl_upstreams_unref(u);
    schedule(c);
}

static bool send_check(struct check *c)
{
    const struct fl_provider *p = fl_pool_provider(c->conn->pool);
    const struct fl_buf *fields = &c->conn->pool->fields[0];
    struct fl_buf *b = &c->checks->worker->out;
    fl_buf_reset(b);
    fl_buf_put_cstr(b, "GET ");
    fl_buf_put(b, p->base_path);
    const char *models = c->conn->pool->dialect->models_path;
    fl_buf_put_cstr(b, models ? models : p->base_path.len > 0 ? "" : "/");
    fl_buf_put_cstr(b, " HTTP/1.1\r\n");
    fl_buf_put(b, fl_buf_slice(fields));
    fl_buf_put_cstr(b, "accept-encoding: identity\r\nuser-agent: fairlead/" FL_VERSION " (health check)\r\n\r\n");
    struct fl_slice piece = fl_buf_slice(b);
    return fl_buf_ok(b) && fl_buf_ok(fields) &&
           fl_stream_write(c->conn->stream, &piece, 1) == FL_OK;
}

static void on_opened(void *user, enum fl_err err)
{
    struct check *c = user;
    if (err || !send_check(c)) {
        finish(c, false);
    }
}

static void on_bytes(void *user, struct fl_slice bytes)
{
    struct check *c = user;
    struct fl_h1_head *head = &c->checks->worker->head;
    size_t len = 0;
    fl_buf_put(&c->in, bytes);
    struct fl_slice in = fl_buf_slice(&c->in);
    enum fl_err err = fl_buf_ok(&c->in) ? fl_h1_head_find(in, head_bytes, false, &c->scanned, &len)
                                        : FL_ERR_BAD_RESPONSE;
    if (!err && len == 0) {
        return;
    }
    if (!err) {
        err = fl_h1_parse_response(fl_slice_first(in, len), false, head);
    }
    bool up = !err && head->status >= 200 && head->status < 500 && head->status != 429;
    finish(c, up);
}

static void on_ended(void *user, enum fl_err err)
{
    (void)err;
    finish(user, false);
}

static void on_drained(void *user)
{
    (void)user;
}

static const struct fl_conn_events conn_events = {on_opened, on_bytes, on_ended, on_drained};

static bool any_ejected(const struct check *c)
{
    const struct fl_table *t = &config_of(c->checks)->table;
    for (unsigned i = 0; i < t->target_count; i++) {
        struct fl_target_view view;
        if (t->targets[i].provider_index == c->provider) {
            fl_target_read(&t->targets[i], c->checks->worker->sys->now_ns, &view);
            if (view.health == FL_OPEN || view.health == FL_HALF_OPEN) {
                return true;
            }
        }
    }
    return false;
}

static void start(struct check *c)
{
    struct fl_worker *w = c->checks->worker;
    c->upstreams = w->current;
    fl_upstreams_ref(c->upstreams);
    fl_buf_init(&c->in, head_bytes + 64 * 1024);
    enum fl_err err = fl_pool_borrow(&c->upstreams->pools[c->provider], true, &conn_events, c, &c->conn);
    if (err) { /* no descriptor or no room in the pool says nothing about the provider */
        fl_upstreams_unref(c->upstreams);
        c->upstreams = NULL;
        schedule(c);
        return;
    }
    fl_sys_timer_in(w->sys, &c->timer, config_of(c->checks)->health_timeout_ns);
}

static void check_due(struct fl_timer *timer)
{
    struct check *c = fl_container_of(timer, struct check, timer);
    if (c->conn) {
        finish(c, false); /* no answer in time */
    } else if (any_ejected(c) && !c->checks->worker->draining) {
        start(c);
    } else {
        schedule(c);
    }
}

static void stop_all(struct fl_health_checks *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        struct check *c = &h->items[i];
        fl_timers_stop(&h->worker->sys->timers, &c->timer);
        if (c->conn) {
            fl_conn_close(c->conn, FL_CLOSE_NOW);
            fl_upstreams_unref(c->upstreams);
            fl_buf_finish(&c->in);
        }
    }
    free(h->items);
    h->items = NULL;
    h->count = 0;
}

void fl_health_checks_adopt(struct fl_health_checks *h)
{
    unsigned count = config_of(h)->provider_count;
    stop_all(h);
    h->items = calloc(count + 1, sizeof(*h->items));
    if (!h->items) {
        return; /* trials by live requests still bring targets back */
    }
    h->count = count;
    for (unsigned i = 0; i < count; i++) {
        h->items[i] = (struct check){.checks = h, .provider = i, .timer.fire = check_due};
        schedule(&h->items[i]);
    }
}

struct fl_health_checks *fl_health_checks_create(struct fl_worker *w)
{
    struct fl_health_checks *h = calloc(1, sizeof(*h));
    if (h) {
        h->worker = w;
        fl_health_checks_adopt(h);
    }
    return h;
}

void fl_health_checks_destroy(struct fl_health_checks *h)
{
    if (h) {
        stop_all(h);
        free(h);
    }
}

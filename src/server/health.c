/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Active checks of providers: an authenticated request that costs nothing (the models list, or what the
 * configuration names), so that a provider that is down is known before a user's request finds out, and comes
 * back without one being the test. One check a provider at a time, all providers at once, each interval with
 * +-10 % jitter; never on the path of a request.
 *
 *   IDLE -> (interval) -> CONNECTING -> SENT -> answer, error or timeout -> IDLE
 *
 * Any answer below 500 says that the provider is up; 429 says nothing. The provider's keys take turns: 401 is
 * about the key, which is then left alone for a while; that a list of models can be read with it (some show it to
 * anybody) does not bring it back.
 */
#include "server/internal.h"

#include <stdlib.h>

struct check {
    struct fl_health_checks *checks;
    unsigned provider;
    unsigned turn, key;   /* checks so far; index of the key of this one */
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
    uint64_t interval = config_of(c->checks)->providers[c->provider].health_interval_ns;
    uint64_t jitter = fl_rng_below(&w->rng, interval / 5 + 1);
    fl_sys_timer_in(w->sys, &c->timer, interval - interval / 10 + jitter);
}

enum verdict { UP, DOWN, NO_VERDICT, KEY_REFUSED };

/* The key of this check, as it is known to route/; NULL: the provider has none, or no target. */
static struct fl_key_state *key_of(const struct check *c)
{
    const struct fl_table *t = &c->upstreams->snapshot->config->table;
    for (unsigned i = 0; i < t->target_count; i++) {
        const struct fl_target *target = &t->targets[i];
        for (unsigned k = 0; target->provider_index == c->provider && k < target->key_count; k++) {
            if (target->keys[k].index == c->key) {
                return target->keys[k].key;
            }
        }
    }
    return NULL;
}

static void report_key(struct check *c, enum verdict verdict)
{
    struct fl_key_state *key = key_of(c);
    uint64_t now = c->checks->worker->sys->now_ns;
    if (key && verdict == KEY_REFUSED) {
        fl_key_refused(key, FL_ERR_UPSTREAM_AUTH, now);
    }
}

/* Tells every target of the provider. */
static void report(struct check *c, bool ok)
{
    const struct fl_table *t = &c->upstreams->snapshot->config->table;
    uint64_t now = c->checks->worker->sys->now_ns;
    for (unsigned i = 0; i < t->target_count; i++) {
        if (t->targets[i].provider_index == c->provider) {
            fl_route_probe(t, &t->targets[i], ok, now);
        }
    }
}

static void finish(struct check *c, enum verdict verdict)
{
    struct fl_upstreams *u = c->upstreams;
    if (verdict != NO_VERDICT) {
        report(c, verdict != DOWN);
        report_key(c, verdict);
    }
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
    const struct fl_buf *fields = &c->conn->pool->fields[c->key];
    struct fl_buf *b = &c->checks->worker->out;
    fl_buf_reset(b);
    fl_buf_put_cstr(b, "GET ");
    fl_buf_put(b, p->base_path);
    if (p->health_path.len > 0) {
        fl_buf_put(b, p->health_path);
    } else {
        const char *models = c->conn->pool->dialect->models_path;
        fl_buf_put_cstr(b, models ? models : p->base_path.len > 0 ? "" : "/");
    }
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
        finish(c, DOWN);
    }
}

static enum verdict verdict_of(int status)
{
    if (status == 401) {
        return KEY_REFUSED;
    }
    if (status == 429) {
        return NO_VERDICT;
    }
    return status >= 200 && status < 500 ? UP : DOWN;
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
    finish(c, err ? DOWN : verdict_of(head->status));
}

static void on_ended(void *user, enum fl_err err)
{
    (void)err;
    finish(user, DOWN);
}

static void on_drained(void *user)
{
    (void)user;
}

static const struct fl_conn_events conn_events = {on_opened, on_bytes, on_ended, on_drained};

/* Is there anything to ask, and anybody whom the answer is about? */
static bool is_checked(const struct fl_health_checks *h, unsigned provider)
{
    const struct fl_config *config = config_of(h);
    const struct fl_provider *p = &config->providers[provider];
    const struct fl_dialect *dialect = fl_dialect_find(p->dialect);
    bool routed = false;
    for (unsigned i = 0; i < config->table.target_count; i++) {
        routed = routed || config->table.targets[i].provider_index == provider;
    }
    return routed && p->checked && dialect && (p->health_path.len > 0 || dialect->models_path);
}

static void start(struct check *c)
{
    struct fl_worker *w = c->checks->worker;
    c->upstreams = w->current;
    fl_upstreams_ref(c->upstreams);
    unsigned keys = c->upstreams->snapshot->config->providers[c->provider].key_count;
    c->key = keys > 0 ? c->turn++ % keys : 0;
    fl_buf_init(&c->in, head_bytes + 64 * 1024);
    enum fl_err err = fl_pool_borrow(&c->upstreams->pools[c->provider], true, &conn_events, c, &c->conn);
    if (err) { /* no descriptor or no room in the pool says nothing about the provider */
        fl_upstreams_unref(c->upstreams);
        c->upstreams = NULL;
        schedule(c);
        return;
    }
    fl_sys_timer_in(w->sys, &c->timer, fl_pool_provider(c->conn->pool)->health_timeout_ns);
}

static void check_due(struct fl_timer *timer)
{
    struct check *c = fl_container_of(timer, struct check, timer);
    if (c->conn) {
        finish(c, DOWN); /* no answer in time */
    } else if (!c->checks->worker->draining) {
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
        if (is_checked(h, i)) {
            schedule(&h->items[i]);
        }
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

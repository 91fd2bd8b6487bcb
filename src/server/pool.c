/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upstream connections of one worker and one snapshot.
 *
 *   dial -> LENT (to an attempt or a check) -> give -> IDLE -> borrow -> LENT ...
 *              |                                |         `-> peer closes, too old -> closed
 *              |-> linger: the answer's last bytes are still to come, nobody waits for them -> IDLE
 *              `-> close
 *
 * The most recently used idle connection is lent first. An idle connection is read, so that it closes
 * as soon as its peer does.
 */
#include "server/internal.h"

#include <stdlib.h>

enum { reap_s = 5, fields_bytes = 32 * 1024 };

static void free_upstreams(struct fl_upstreams *u);

const struct fl_provider *fl_pool_provider(const struct fl_pool *pool)
{
    return &pool->upstreams->snapshot->config->providers[pool->provider];
}

static void close_idle(struct fl_upstreams *u, uint64_t older_than_ns)
{
    for (unsigned i = 0; i < u->snapshot->config->provider_count; i++) {
        struct fl_list *idle = &u->pools[i].idle;
        while (!fl_list_empty(idle)) {
            struct fl_conn *oldest = fl_container_of(idle->prev, struct fl_conn, link);
            if (oldest->idle_since_ns > older_than_ns) {
                break;
            }
            fl_conn_close(oldest, FL_CLOSE_NOW);
        }
    }
}

static void reap(struct fl_timer *timer)
{
    struct fl_upstreams *u = fl_container_of(timer, struct fl_upstreams, reaper);
    const struct fl_config *c = u->snapshot->config;
    uint64_t now = u->worker->sys->now_ns, age = c->limits.upstream_idle_ns;
    unsigned left = 0;
    close_idle(u, now > age ? now - age : 0);
    for (unsigned i = 0; i < c->provider_count; i++) {
        struct fl_list *lent = &u->pools[i].lent, *next;
        for (struct fl_list *at = lent->next; at != lent; at = next) {
            struct fl_conn *conn = fl_container_of(at, struct fl_conn, link);
            next = at->next;
            if (conn->lingering && now - conn->idle_since_ns > FL_NS_S) {
                fl_conn_close(conn, FL_CLOSE_NOW);
            }
        }
        left += u->pools[i].open_count;
    }
    if (left > 0) {
        fl_sys_timer_in(u->worker->sys, &u->reaper, reap_s * FL_NS_S);
    }
}

static const char *key_field(enum fl_auth kind)
{
    switch (kind) {
    case FL_AUTH_BEARER:
        return "authorization: Bearer ";
    case FL_AUTH_X_API_KEY:
        return "x-api-key: ";
    case FL_AUTH_API_KEY:
        return "api-key: ";
    case FL_AUTH_X_GOOG_API_KEY:
        return "x-goog-api-key: ";
    case FL_AUTH_TOKEN: /* credentials.c, for each request */
    case FL_AUTH_SIGV4:
        break;
    }
    return NULL;
}

/* Written and checked once a snapshot; when they do not fit, the buffer says so to each request. */
static void put_fields(const struct fl_provider *p, unsigned key, struct fl_buf *b)
{
    const char *field = key_field(p->auth.kind);
    fl_h1_put_header(b, FL_LIT("host"), p->host_header);
    if (key < p->key_count && field) {
        fl_buf_put_cstr(b, field);
        fl_buf_put(b, p->keys[key].value);
        fl_buf_put(b, FL_LIT("\r\n"));
    }
    for (unsigned i = 0; i < p->header_count; i++) {
        fl_h1_put_header(b, p->headers[i].name, p->headers[i].value);
    }
}

static bool open_pool(struct fl_pool *pool, struct fl_upstreams *u, unsigned provider)
{
    pool->upstreams = u;
    pool->provider = provider;
    const struct fl_provider *p = fl_pool_provider(pool);
    pool->dialect = fl_dialect_find(p->dialect);
    fl_list_init(&pool->idle);
    fl_list_init(&pool->lent);
    fl_list_init(&pool->waiting);
    unsigned count = p->key_count > 0 ? p->key_count : 1;
    pool->fields = calloc(count, sizeof(*pool->fields));
    for (unsigned i = 0; pool->fields && i < count; i++) {
        fl_buf_init(&pool->fields[i], fields_bytes);
        put_fields(p, i, &pool->fields[i]);
    }
    bool fetches = u->snapshot->credentials[provider] != NULL;
    pool->fetcher = fetches ? fl_fetcher_create(pool) : NULL;
    return pool->fields && (pool->fetcher || !fetches);
}

static void close_pool(struct fl_pool *pool)
{
    unsigned count = fl_pool_provider(pool)->key_count;
    fl_fetcher_destroy(pool->fetcher);
    for (unsigned i = 0; pool->fields && i < (count > 0 ? count : 1); i++) {
        fl_buf_finish(&pool->fields[i]);
    }
    free(pool->fields);
}

enum fl_err fl_upstreams_create(struct fl_worker *w, struct fl_snapshot *snapshot, struct fl_upstreams **ret)
{
    unsigned count = snapshot->config->provider_count;
    struct fl_upstreams *u = calloc(1, sizeof(*u) + count * sizeof(struct fl_pool));
    if (!u) {
        return FL_ERR_NOMEM;
    }
    u->refs = 1;
    u->worker = w;
    u->snapshot = fl_snapshot_ref(snapshot);
    u->reaper.fire = reap;
    fl_rooms_init(u);
    fl_list_init(&u->link);
    fl_list_append(&w->upstreams, &u->link);
    bool room = true;
    for (unsigned i = 0; i < count; i++) {
        room = open_pool(&u->pools[i], u, i) && room;
    }
    if (!room) {
        free_upstreams(u);
        return FL_ERR_NOMEM;
    }
    *ret = u;
    return FL_OK;
}

void fl_upstreams_ref(struct fl_upstreams *u)
{
    u->refs++;
}

void fl_upstreams_unref(struct fl_upstreams *u)
{
    fl_assert(u->refs > 0);
    if (--u->refs == 0) {
        free_upstreams(u);
    }
}

void fl_upstreams_retire(struct fl_upstreams *u)
{
    close_idle(u, FL_NEVER);
    fl_upstreams_unref(u);
}

static void free_upstreams(struct fl_upstreams *u)
{
    close_idle(u, FL_NEVER);
    for (unsigned i = 0; i < u->snapshot->config->provider_count; i++) {
        struct fl_pool *pool = &u->pools[i];
        while (!fl_list_empty(&pool->lent)) { /* lingering ones only: borrowers hold references */
            struct fl_conn *conn = fl_container_of(pool->lent.next, struct fl_conn, link);
            fl_assert(conn->lingering);
            fl_conn_close(conn, FL_CLOSE_NOW);
        }
        fl_assert(pool->open_count == 0 && pool->idle_count == 0);
        fl_assert(fl_list_empty(&pool->waiting));
        close_pool(pool);
    }
    fl_timers_stop(&u->worker->sys->timers, &u->reaper);
    fl_rooms_finish(u);
    fl_list_remove(&u->link);
    fl_snapshot_unref(u->snapshot);
    free(u);
}

/* --- events of the stream --- */

static void on_opened(void *owner, enum fl_err err)
{
    struct fl_conn *conn = owner;
    conn->open = !err;
    fl_assert(conn->on);
    conn->on->opened(conn->user, err);
}

/* The rest of an answer nobody waits for: when it ends well, the connection is as good as new. */
static void linger_bytes(struct fl_conn *conn, struct fl_slice in)
{
    struct fl_slice piece;
    while (in.len > 0 && !conn->tail.done) {
        if (fl_h1_body_next(&conn->tail, &in, &piece)) {
            fl_conn_close(conn, FL_CLOSE_NOW);
            return;
        }
    }
    if (in.len > 0) {
        fl_conn_close(conn, FL_CLOSE_NOW);
    } else if (conn->tail.done) {
        fl_conn_give(conn);
    }
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct fl_conn *conn = owner;
    if (conn->lingering) {
        linger_bytes(conn, bytes);
    } else if (conn->on) {
        conn->on->bytes(conn->user, bytes);
    } else { /* an answer without a request */
        fl_conn_close(conn, FL_CLOSE_NOW);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    struct fl_conn *conn = owner;
    if (conn->on) {
        conn->on->ended(conn->user, err);
    } else {
        fl_conn_close(conn, FL_CLOSE_NOW);
    }
}

static void on_drained(void *owner)
{
    struct fl_conn *conn = owner;
    if (conn->on) {
        conn->on->drained(conn->user);
    }
}

/* Asked right before a read. Among thousands of streams nothing of this one is in the cache any more;
 * it comes while the kernel copies. Prefetching a place that is gone does nothing. */
static size_t on_room(void *owner, char **ret_at)
{
    struct fl_conn *conn = owner;
    (void)ret_at;
    for (unsigned i = 0; i < FL_WARM_LINES; i++) {
        __builtin_prefetch(conn->warm[i]);
    }
    return 0;
}

static const struct fl_stream_events stream_events = {on_opened, on_bytes, on_ended, on_drained, on_room, NULL};

/* --- lending --- */

static enum fl_err dial(struct fl_pool *pool, struct fl_conn *conn)
{
    const struct fl_provider *p = fl_pool_provider(pool);
    struct fl_sys *sys = pool->upstreams->worker->sys;
    if (p->tls) {
        struct fl_tls *tls = pool->upstreams->snapshot->provider_tls[pool->provider];
        return fl_tls_dial(tls, sys, p->host, p->port, &stream_events, conn, &conn->stream);
    }
    return sys->ops->dial(sys, p->host, p->port, &stream_events, conn, &conn->stream);
}

static void lend(struct fl_conn *conn, const struct fl_conn_events *on, void *user)
{
    conn->on = on;
    conn->user = user;
    fl_list_append(&conn->pool->lent, &conn->link);
}

enum fl_err fl_pool_borrow(struct fl_pool *pool, bool fresh, const struct fl_conn_events *on, void *user,
                           struct fl_conn **ret_conn)
{
    if (!fresh && !fl_list_empty(&pool->idle)) {
        struct fl_conn *conn = fl_container_of(pool->idle.next, struct fl_conn, link);
        fl_list_remove(&conn->link);
        pool->idle_count--;
        conn->served++;
        lend(conn, on, user);
        *ret_conn = conn;
        return FL_OK;
    }
    if (pool->open_count >= fl_pool_provider(pool)->connections_max) {
        return FL_ERR_OVERLOADED;
    }
    struct fl_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        return FL_ERR_NOMEM;
    }
    conn->pool = pool;
    fl_list_init(&conn->link);
    enum fl_err err = dial(pool, conn);
    if (err) {
        free(conn);
        return err;
    }
    pool->open_count++;
    pool->upstreams->worker->stats.connections_open++;
    lend(conn, on, user);
    *ret_conn = conn;
    return FL_OK;
}

void fl_pool_wait(struct fl_pool *pool, struct fl_conn_wait *wait)
{
    fl_list_init(&wait->link);
    fl_list_append(&pool->waiting, &wait->link);
}

static void wake_one(struct fl_pool *pool)
{
    if (!fl_list_empty(&pool->waiting) && !pool->upstreams->worker->destroying) {
        struct fl_conn_wait *wait = fl_container_of(pool->waiting.next, struct fl_conn_wait, link);
        fl_list_remove(&wait->link);
        wait->ready(wait);
    } else if (pool->upstreams->queued > 0) {
        fl_rooms_wake(pool->upstreams);
    }
}

static void unlend(struct fl_conn *conn)
{
    fl_list_remove(&conn->link);
    conn->on = NULL;
    conn->user = NULL;
    conn->lingering = false;
}

void fl_conn_give(struct fl_conn *conn)
{
    struct fl_pool *pool = conn->pool;
    struct fl_upstreams *u = pool->upstreams;
    if (u != u->worker->current || u->worker->draining || conn->stream->queued > 0) {
        fl_conn_close(conn, FL_CLOSE_NOW);
        return;
    }
    unlend(conn);
    conn->idle_since_ns = u->worker->sys->now_ns;
    fl_list_push(&pool->idle, &conn->link);
    pool->idle_count++;
    if (u->reaper.slot == 0) {
        fl_sys_timer_in(u->worker->sys, &u->reaper, reap_s * FL_NS_S);
    }
    wake_one(pool);
}

void fl_conn_linger(struct fl_conn *conn, const struct fl_h1_body *tail)
{
    struct fl_upstreams *u = conn->pool->upstreams;
    conn->on = NULL;
    conn->user = NULL;
    conn->lingering = true;
    conn->tail = *tail;
    conn->idle_since_ns = u->worker->sys->now_ns;
    if (u->reaper.slot == 0) {
        fl_sys_timer_in(u->worker->sys, &u->reaper, reap_s * FL_NS_S);
    }
}

void fl_conn_close(struct fl_conn *conn, enum fl_close how)
{
    struct fl_pool *pool = conn->pool;
    if (!conn->on && !conn->lingering) {
        pool->idle_count--;
    }
    unlend(conn);
    fl_stream_close(conn->stream, how);
    free(conn);
    fl_assert(pool->open_count > 0);
    pool->open_count--;
    pool->upstreams->worker->stats.connections_open--;
    wake_one(pool);
}

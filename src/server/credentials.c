/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fetch on its worker: IDLE -> connecting -> sent -> answer (-> the next step) -> IDLE, at most 10 s.
 * Waiting requests of this worker are woken when it ends; those of others look every 20 ms.
 */
#include "server/credentials.h"

#include "auth/sigv4.h"
#include "auth/token.h"
#include "route/lock.h"
#include "server/internal.h"
#include "tls/digest.h"

#include <stdlib.h>

enum { fetch_s = 10, look_ms = 20, margin_s = 5, backoff_s_max = 60, request_bytes = 32 * 1024,
       proof_bytes_max = 64 * 1024 };

struct fl_credentials {
    struct fl_token_source source; /* never changes */
    struct fl_arena arena;
    struct fl_tls *tls; /* NULL: plain */
    char host_header[300];
    struct fl_lock lock; /* of all below */
    struct fl_token token;
    bool have, fetching;
    uint64_t refresh_s, retry_s; /* Unix time */
    unsigned failures;           /* in a row */
    enum fl_err err;             /* of the last fetch */
};

struct fl_fetcher {
    struct fl_pool *pool;
    struct fl_list waiting;
    struct fl_timer looks;    /* while requests wait for another worker's fetch */
    struct fl_timer refresh;  /* the fetch to come; while one runs, its deadline */
    struct fl_stream *stream; /* of the fetch that runs; NULL: none */
    struct fl_token_source source; /* the credentials', with what is shown as its file has it now */
    struct fl_buf proof;           /* of that file */
    struct fl_token_fetch fetch;
    struct fl_token token; /* what it brought so far */
    struct fl_buf in, body;
    struct fl_h1_body framing;
    size_t scanned;
    bool head_seen;
    int status;
};

static void fetch_failed(struct fl_fetcher *f, enum fl_err err);
static enum fl_err begin_step(struct fl_fetcher *f);

static struct fl_credentials *credentials_of(const struct fl_pool *pool)
{
    return pool->upstreams->snapshot->credentials[pool->provider];
}

static struct fl_sys *sys_of(const struct fl_fetcher *f)
{
    return f->pool->upstreams->worker->sys;
}

static uint64_t unix_s(struct fl_sys *sys)
{
    return sys->ops->wall_ns(sys) / FL_NS_S;
}

/* --- The snapshot's part --- */

static enum fl_token_kind kind_of(enum fl_auth_source source)
{
    switch (source) {
    case FL_SOURCE_METADATA:
        return FL_TOKEN_GOOGLE_METADATA;
    case FL_SOURCE_ENTRA:
        return FL_TOKEN_ENTRA;
    case FL_SOURCE_WEB_IDENTITY:
        return FL_TOKEN_AWS_WEB_IDENTITY;
    case FL_SOURCE_CONTAINER:
        return FL_TOKEN_AWS_CONTAINER;
    case FL_SOURCE_IMDS:
        return FL_TOKEN_AWS_IMDS;
    case FL_SOURCE_KEYS:
    case FL_SOURCE_SERVICE_ACCOUNT:
    case FL_SOURCE_COUNT:
        break;
    }
    return FL_TOKEN_GOOGLE_ACCOUNT;
}

static void put_host(const struct fl_url *url, struct fl_buf *b)
{
    fl_buf_put_cstr(b, url->host_is_ipv6 ? "[" : "");
    fl_buf_put(b, url->host);
    fl_buf_put_cstr(b, url->host_is_ipv6 ? "]" : "");
    if (url->port != (url->tls ? 443 : 80)) {
        fl_buf_putc(b, ':');
        fl_buf_put_u64(b, url->port);
    }
}

static enum fl_err set_source(struct fl_credentials *c, const struct fl_provider *p,
                              struct fl_reterr *reterr)
{
    const char *lacking = NULL;
    struct fl_buf host;
    c->source = (struct fl_token_source){
        .kind = kind_of(p->auth.source),
        .client_id = p->auth.client_id,
        .client_secret = p->auth.client_secret,
        .role = p->auth.role,
        .proof = p->auth.proof,
        .scope = p->auth.source == FL_SOURCE_ENTRA
                     ? FL_LIT("https://cognitiveservices.azure.com/.default")
                     : FL_LIT("https://www.googleapis.com/auth/cloud-platform"),
    };
    enum fl_err err = fl_url_parse(p->auth.endpoint, &c->source.endpoint, reterr);
    fl_buf_init_in(&host, c->host_header, sizeof(c->host_header));
    put_host(&c->source.endpoint, &host);
    c->source.host_header = fl_buf_slice(&host);
    if (!err && c->source.kind == FL_TOKEN_GOOGLE_ACCOUNT) {
        err = fl_service_account_parse(p->auth.service_account, &c->arena, &c->source.account,
                                       &lacking);
    }
    if (!err && c->source.endpoint.tls) {
        err = fl_tls_client_create(p->ca_file, &c->tls, reterr);
    }
    return err;
}

enum fl_err fl_credentials_create(const struct fl_provider *p, struct fl_credentials **ret,
                                  struct fl_reterr *reterr)
{
    enum { account_bytes_max = 64 * 1024 };
    bool fetched = (p->auth.kind == FL_AUTH_TOKEN || p->auth.kind == FL_AUTH_SIGV4) &&
                   p->auth.source != FL_SOURCE_KEYS && p->auth.endpoint.len > 0;
    *ret = NULL;
    if (!fetched) {
        return FL_OK;
    }
    struct fl_credentials *c = calloc(1, sizeof(*c));
    if (!c) {
        return FL_ERR_NOMEM;
    }
    fl_arena_init(&c->arena, 4096, account_bytes_max);
    fl_token_init(&c->token);
    atomic_flag_clear(&c->lock.held);
    enum fl_err err = set_source(c, p, reterr);
    if (err) {
        fl_credentials_destroy(c);
        return err;
    }
    *ret = c;
    return FL_OK;
}

void fl_credentials_destroy(struct fl_credentials *c)
{
    if (c) {
        fl_token_finish(&c->token);
        fl_arena_finish(&c->arena); /* the key it held is the configuration's to wipe */
        fl_tls_unref(c->tls);
        free(c);
    }
}

/* --- Waking --- */

/* Each is asked to try again; one may end its exchange, and with it all that this worker has of the
 * snapshot, so the caller holds a reference. */
static void wake_all(struct fl_fetcher *f)
{
    struct fl_list woken;
    fl_list_init(&woken);
    while (!fl_list_empty(&f->waiting)) {
        struct fl_list *first = f->waiting.next;
        fl_list_remove(first);
        fl_list_append(&woken, first);
    }
    while (!fl_list_empty(&woken)) {
        struct fl_conn_wait *wait = fl_container_of(woken.next, struct fl_conn_wait, link);
        fl_list_remove(&wait->link);
        wait->ready(wait);
    }
}

static void wake(struct fl_fetcher *f)
{
    struct fl_upstreams *u = f->pool->upstreams;
    fl_upstreams_ref(u);
    wake_all(f);
    fl_upstreams_unref(u);
}

/* --- A fetch --- */

static void close_step(struct fl_fetcher *f)
{
    if (f->stream) {
        fl_stream_close(f->stream, FL_CLOSE_NOW);
    }
    f->stream = NULL;
    f->scanned = 0;
    f->head_seen = false;
    fl_buf_finish(&f->in);
    fl_buf_finish(&f->body);
}

static void forget_fetch(struct fl_fetcher *f)
{
    fl_token_fetch_finish(&f->fetch);
    if (f->proof.ptr) {
        explicit_bzero(f->proof.ptr, f->proof.cap);
    }
    fl_buf_finish(&f->proof);
    f->source.proof = FL_EMPTY;
}

static void end_fetch(struct fl_fetcher *f)
{
    close_step(f);
    forget_fetch(f);
    fl_timers_stop(&sys_of(f)->timers, &f->refresh);
}

static void fetch_done(struct fl_fetcher *f)
{
    struct fl_credentials *c = credentials_of(f->pool);
    struct fl_sys *sys = sys_of(f);
    uint64_t now = unix_s(sys), due = fl_token_refresh_s(&f->token, now);
    struct fl_token old;
    end_fetch(f);
    fl_lock(&c->lock);
    old = c->token;
    c->token = f->token;
    c->have = true;
    c->fetching = false;
    c->failures = 0;
    c->retry_s = now + 1; /* one that is born expired is not asked for again at once */
    c->refresh_s = due;
    c->err = FL_OK;
    fl_unlock(&c->lock);
    fl_token_finish(&old);
    fl_token_init(&f->token);
    fl_sys_timer_in(sys, &f->refresh, (due > now ? due - now : 1) * FL_NS_S);
    wake(f);
}

static void fetch_failed(struct fl_fetcher *f, enum fl_err err)
{
    struct fl_credentials *c = credentials_of(f->pool);
    struct fl_sys *sys = sys_of(f);
    uint64_t now = unix_s(sys), pause_s;
    end_fetch(f);
    fl_token_finish(&f->token);
    fl_lock(&c->lock);
    c->fetching = false;
    c->err = err;
    pause_s = c->failures < 6 ? UINT64_C(1) << c->failures : backoff_s_max;
    c->failures++;
    c->retry_s = now + pause_s;
    fl_unlock(&c->lock);
    fl_sys_timer_in(sys, &f->refresh, pause_s * FL_NS_S);
    wake(f);
}

static void take_answer(struct fl_fetcher *f)
{
    bool done = false;
    enum fl_err err = fl_token_fetch_take(&f->fetch, f->status, fl_buf_slice(&f->body),
                                          unix_s(sys_of(f)), &f->token, &done);
    if (!err && !done) {
        close_step(f);
        err = begin_step(f);
        if (!err) {
            return;
        }
    }
    if (err) {
        fetch_failed(f, err);
    } else {
        fetch_done(f);
    }
}

static void on_opened(void *owner, enum fl_err err)
{
    struct fl_fetcher *f = owner;
    struct fl_buf b;
    fl_buf_init(&b, request_bytes);
    if (!err) {
        err = fl_token_fetch_put(&f->fetch, unix_s(sys_of(f)), &b);
    }
    struct fl_slice piece = fl_buf_slice(&b);
    if (!err) {
        err = fl_stream_write(f->stream, &piece, 1);
    }
    if (b.ptr) {
        explicit_bzero(b.ptr, b.cap);
    }
    fl_buf_finish(&b);
    if (err) {
        fetch_failed(f, err);
    }
}

static enum fl_err take_head(struct fl_fetcher *f, struct fl_slice *in)
{
    struct fl_h1_head *head = &f->pool->upstreams->worker->head;
    struct fl_h1_body_limits limits = {FL_TOKEN_BYTES_MAX, 1024};
    size_t len = 0;
    enum fl_err err = fl_h1_head_find(*in, FL_TOKEN_BYTES_MAX, false, &f->scanned, &len);
    if (err || len == 0) {
        return err;
    }
    err = fl_h1_parse_response(fl_slice_first(*in, len), false, head);
    if (!err && head->status < 200) {
        err = FL_ERR_BAD_RESPONSE;
    }
    if (!err) {
        err = fl_h1_body_init(&f->framing, head, limits);
    }
    f->status = err ? 0 : head->status;
    f->head_seen = !err;
    *in = fl_slice_from(*in, len);
    return err;
}

/* *in*: bytes behind the head. */
static enum fl_err take_body(struct fl_fetcher *f, struct fl_slice in)
{
    enum fl_err err = FL_OK;
    while (!err && in.len > 0 && !f->framing.done) {
        struct fl_slice piece = FL_EMPTY;
        err = fl_h1_body_next(&f->framing, &in, &piece);
        fl_buf_put(&f->body, piece);
    }
    return err ? err : fl_buf_ok(&f->body) ? FL_OK : FL_ERR_BAD_RESPONSE;
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct fl_fetcher *f = owner;
    enum fl_err err = FL_OK;
    if (!f->head_seen) {
        fl_buf_put(&f->in, bytes);
        bytes = fl_buf_slice(&f->in);
        err = fl_buf_ok(&f->in) ? take_head(f, &bytes) : FL_ERR_BAD_RESPONSE;
        if (!err && !f->head_seen) {
            return;
        }
    }
    err = err ? err : take_body(f, bytes);
    if (err) {
        fetch_failed(f, FL_ERR_BAD_RESPONSE);
    } else if (f->framing.done) {
        take_answer(f);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    struct fl_fetcher *f = owner;
    if (!err && f->head_seen && fl_h1_body_end(&f->framing) == FL_OK) {
        take_answer(f);
    } else {
        fetch_failed(f, err ? err : FL_ERR_CLOSED);
    }
}

static void on_drained(void *owner)
{
    (void)owner;
}

static const struct fl_stream_events stream_events = {.opened = on_opened,
                                                      .bytes = on_bytes,
                                                      .ended = on_ended,
                                                      .drained = on_drained};

static enum fl_err begin_step(struct fl_fetcher *f)
{
    const struct fl_credentials *c = credentials_of(f->pool);
    const struct fl_url *to = &c->source.endpoint;
    struct fl_sys *sys = sys_of(f);
    fl_buf_init(&f->in, 2 * FL_TOKEN_BYTES_MAX);
    fl_buf_init(&f->body, FL_TOKEN_BYTES_MAX);
    enum fl_err err =
        c->tls ? fl_tls_dial(c->tls, sys, to->host, to->port, &stream_events, f, &f->stream)
               : sys->ops->dial(sys, to->host, to->port, &stream_events, f, &f->stream);
    if (err) {
        f->stream = NULL;
    }
    return err;
}

/* The caller has set fetching. On failure nobody is woken: the caller tells its own request. */
/* A token in a file is replaced before it expires: it is shown as it is now, or as it was when it cannot be read. */
static void read_proof(struct fl_fetcher *f)
{
    const struct fl_provider *p = fl_pool_provider(f->pool);
    const struct fl_worker_options *o = &f->pool->upstreams->worker->options;
    f->source = credentials_of(f->pool)->source;
    if (p->auth.proof_file.len == 0 || !o->file) {
        return;
    }
    fl_buf_init(&f->proof, proof_bytes_max);
    struct fl_slice now = o->file(p->auth.proof_file, &f->proof) || !fl_buf_ok(&f->proof)
                              ? FL_EMPTY
                              : fl_slice_trim(fl_buf_slice(&f->proof));
    f->source.proof = now.len > 0 ? now : f->source.proof;
}

static void begin_fetch(struct fl_fetcher *f)
{
    struct fl_credentials *c = credentials_of(f->pool);
    read_proof(f);
    fl_token_fetch_begin(&f->fetch, &f->source);
    fl_token_init(&f->token);
    enum fl_err err = begin_step(f);
    if (!err) {
        fl_sys_timer_in(sys_of(f), &f->refresh, fetch_s * FL_NS_S);
        return;
    }
    close_step(f);
    forget_fetch(f);
    fl_lock(&c->lock);
    c->fetching = false;
    c->err = err;
    c->retry_s = unix_s(sys_of(f)) + 1;
    fl_unlock(&c->lock);
}

/* --- Asking --- */

struct look {
    bool have, fetching, begin;
    enum fl_err err;
};

static struct look look(struct fl_credentials *c, uint64_t now_s, bool can_fetch)
{
    struct look l;
    fl_lock(&c->lock);
    uint64_t expires = c->token.expires_s;
    l.have = c->have && (expires == 0 || expires > now_s + margin_s);
    l.begin =
        can_fetch && !c->fetching && now_s >= c->retry_s && (!l.have || now_s >= c->refresh_s);
    c->fetching = c->fetching || l.begin;
    l.fetching = c->fetching;
    l.err = c->err;
    fl_unlock(&c->lock);
    return l;
}

enum fl_err fl_credentials_ready(struct fl_pool *pool)
{
    struct fl_credentials *c = credentials_of(pool);
    if (!c) {
        return FL_OK;
    }
    struct fl_fetcher *f = pool->fetcher;
    uint64_t now = unix_s(sys_of(f));
    struct look l = look(c, now, f->stream == NULL);
    if (l.begin) {
        begin_fetch(f);
        l = look(c, now, false);
    }
    if (l.have) {
        return FL_OK;
    }
    return l.fetching ? FL_ERR_OVERLOADED : l.err ? l.err : FL_ERR_UPSTREAM_AUTH;
}

void fl_credentials_wait(struct fl_pool *pool, struct fl_conn_wait *wait)
{
    struct fl_fetcher *f = pool->fetcher;
    fl_list_append(&f->waiting, &wait->link);
    if (!f->stream) { /* another worker fetches */
        fl_sys_timer_in(sys_of(f), &f->looks, look_ms * FL_NS_MS);
    }
}

static void looks_due(struct fl_timer *timer)
{
    struct fl_fetcher *f = fl_container_of(timer, struct fl_fetcher, looks);
    struct look l = look(credentials_of(f->pool), unix_s(sys_of(f)), false);
    if (fl_list_empty(&f->waiting)) {
        return;
    }
    if (l.have || !l.fetching) {
        wake(f);
    } else {
        fl_sys_timer_in(sys_of(f), &f->looks, look_ms * FL_NS_MS);
    }
}

static void refresh_due(struct fl_timer *timer)
{
    struct fl_fetcher *f = fl_container_of(timer, struct fl_fetcher, refresh);
    struct fl_worker *w = f->pool->upstreams->worker;
    if (f->stream) {
        fetch_failed(f, FL_ERR_UPSTREAM_TIMEOUT);
    } else if (f->pool->upstreams == w->current && !w->draining) {
        struct look l = look(credentials_of(f->pool), unix_s(w->sys), true);
        if (l.begin) {
            begin_fetch(f);
        }
    }
}

struct fl_fetcher *fl_fetcher_create(struct fl_pool *pool)
{
    struct fl_fetcher *f = calloc(1, sizeof(*f));
    if (f) {
        f->pool = pool;
        f->looks.fire = looks_due;
        f->refresh.fire = refresh_due;
        fl_list_init(&f->waiting);
        fl_token_init(&f->token);
    }
    return f;
}

void fl_fetcher_destroy(struct fl_fetcher *f)
{
    if (!f) {
        return;
    }
    fl_assert(fl_list_empty(&f->waiting)); /* who waits holds a reference to the pools */
    if (f->stream) {                       /* others may fetch in its place */
        struct fl_credentials *c = credentials_of(f->pool);
        end_fetch(f);
        fl_lock(&c->lock);
        c->fetching = false;
        fl_unlock(&c->lock);
    }
    fl_token_finish(&f->token);
    fl_timers_stop(&sys_of(f)->timers, &f->looks);
    fl_timers_stop(&sys_of(f)->timers, &f->refresh);
    free(f);
}

/* --- Head fields --- */

static void put_bearer(struct fl_credentials *c, struct fl_buf *b)
{
    fl_lock(&c->lock);
    fl_buf_put(b, FL_LIT("authorization: Bearer "));
    fl_buf_put(b, c->token.bearer);
    fl_buf_put(b, FL_LIT("\r\n"));
    fl_unlock(&c->lock);
}

/* Fetched keys are copied: another worker may replace them while this one signs. */
static enum fl_err copy_keys(struct fl_credentials *c, struct fl_sigv4 *s, struct fl_buf *memory)
{
    fl_lock(&c->lock);
    const struct fl_token *t = &c->token;
    size_t lens[3] = {t->access_key.len, t->secret_key.len, t->session_token.len};
    fl_buf_put(memory, t->access_key);
    fl_buf_put(memory, t->secret_key);
    fl_buf_put(memory, t->session_token);
    fl_unlock(&c->lock);
    if (!fl_buf_ok(memory)) {
        return FL_ERR_NOMEM;
    }
    struct fl_slice all = fl_buf_slice(memory);
    s->access_key = fl_slice_first(all, lens[0]);
    s->secret_key = fl_slice_first(fl_slice_from(all, lens[0]), lens[1]);
    s->session_token = fl_slice_from(all, lens[0] + lens[1]);
    return FL_OK;
}

static enum fl_err put_signature(struct fl_pool *pool, const struct fl_signed_request *r,
                                 struct fl_buf *b)
{
    const struct fl_provider *p = fl_pool_provider(pool);
    struct fl_credentials *c = credentials_of(pool);
    struct fl_buf memory;
    size_t query = fl_slice_find(r->path, '?');
    struct fl_sigv4 s = {.access_key = p->auth.access_key,
                         .secret_key = p->auth.secret_key,
                         .session_token = p->auth.session_token,
                         .region = p->region,
                         .service = FL_LIT("bedrock"),
                         .method = r->method,
                         .host = p->host_header,
                         .path = fl_slice_first(r->path, query),
                         .query = fl_slice_from(r->path, query + 1),
                         .content_type = r->content_type,
                         .unix_s = unix_s(pool->upstreams->worker->sys)};
    fl_buf_init(&memory, FL_TOKEN_BYTES_MAX);
    enum fl_err err = c ? copy_keys(c, &s, &memory) : FL_OK;
    if (!err) {
        fl_sha256_pieces(r->body, r->body_count, s.body_sha256);
        fl_sigv4_put(&s, b);
    }
    if (memory.ptr) {
        explicit_bzero(memory.ptr, memory.cap);
    }
    fl_buf_finish(&memory);
    return err;
}

enum fl_err fl_credentials_put(struct fl_pool *pool, const struct fl_signed_request *request,
                               struct fl_buf *b)
{
    struct fl_credentials *c = credentials_of(pool);
    switch (fl_pool_provider(pool)->auth.kind) {
    case FL_AUTH_TOKEN:
        if (c) {
            put_bearer(c, b);
        }
        break;
    case FL_AUTH_SIGV4:
        return put_signature(pool, request, b);
    case FL_AUTH_BEARER:
    case FL_AUTH_X_API_KEY:
    case FL_AUTH_API_KEY:
    case FL_AUTH_X_GOOG_API_KEY:
        break;
    }
    return FL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a simulated provider and of its connections. */
#include "sim/provider_impl.h"

#include "base/assert.h"
#include "base/hash.h"
#include "sim/dist.h"

#include <stdlib.h>

enum {
    head_bytes_max = 65536,
    body_bytes_max = 64 << 20,
    pipelined_max = 65536, /* beyond it the connection is not read while a request is answered */
};
#define RELISTEN_NS (50 * FL_NS_MS)

static void on_connection_timer(struct fl_timer *timer);
static bool advance(struct sim_conn *c);

/* --- Connections --- */

static void forget_request(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    if (c->busy) {
        c->busy = false;
        p->stats.in_flight--;
    }
    sim_job_end(c, false);
    fl_timers_stop(&p->sys->timers, &c->timer);
    fl_buf_finish(&c->head);
    fl_buf_finish(&c->content);
    fl_buf_finish(&c->prompt);
    fl_buf_finish(&c->beginning);
    fl_buf_finish(&c->text);
    c->ask = (struct sim_ask){.endpoint = SIM_UNKNOWN};
    c->misdeed = FL_SIM_GOOD;
    c->begun = c->held = false;
    c->text_at = 0;
    c->said_bytes = 0;
    c->tokens = c->tokens_total = 0;
}

void sim_drop(struct sim_conn *c, enum fl_close how)
{
    struct fl_simprovider *p = c->provider;
    forget_request(c);
    fl_buf_finish(&c->in);
    fl_stream_close(c->stream, how);
    fl_list_remove(&c->link);
    p->stats.connections_open--;
    free(c);
}

static void cancel(struct sim_conn *c)
{
    c->provider->stats.cancelled += c->busy;
    sim_drop(c, FL_CLOSE_NOW);
}

bool sim_send(struct sim_conn *c, const struct fl_slice *pieces, unsigned count)
{
    if (c->misdeed >= FL_SIM_BYTE_FIN && c->misdeed <= FL_SIM_BYTE_STALL) {
        return sim_send_broken(c, pieces, count);
    }
    if (fl_stream_write(c->stream, pieces, count) == FL_OK) {
        return true;
    }
    cancel(c);
    return false;
}

bool sim_send_out(struct sim_conn *c)
{
    struct fl_buf *out = &c->provider->out;
    struct fl_slice piece = fl_buf_slice(out);
    fl_assert(fl_buf_ok(out));
    bool alive = sim_send(c, &piece, 1);
    fl_buf_reset(out);
    return alive;
}

bool sim_done(struct sim_conn *c)
{
    bool keep = c->keep_alive && c->misdeed != FL_SIM_CLOSE_IDLE;
    sim_job_end(c, true);
    forget_request(c);
    c->phase = SIM_HEAD;
    if (!keep) {
        sim_drop(c, FL_CLOSE_FLUSH);
    } else if (c->paused) {
        c->paused = false;
        c->stream->ops->resume(c->stream);
    }
    return keep;
}

/* --- Requests --- */

static bool authorised(const struct fl_simprovider *p, const struct fl_h1_head *head)
{
    return p->options.key.len == 0 ||
           fl_slice_eq(sim_dialect_key(p->options.dialect, head), p->options.key);
}

/* Where there are more than there is room for, the last place is shared. */
static struct sim_key *key_of(struct fl_simprovider *p, const struct fl_h1_head *head)
{
    const struct fl_h1_header *h = fl_h1_find(head, FL_H_AUTHORIZATION);
    uint64_t hash = h ? fl_hash((struct fl_hash_key){5, 6}, h->value) | 1 : 1;
    unsigned i = 0;
    if (!p->options.limits_by_key) {
        return &p->keys[0];
    }
    while (i < SIM_KEYS_MAX - 1 && p->keys[i].hash != 0 && p->keys[i].hash != hash) {
        i++;
    }
    p->keys[i].hash = hash;
    return &p->keys[i];
}

static bool bad_http(struct sim_conn *c)
{
    static const struct sim_problem problem = {400, "invalid_request_error", "bad_http", NULL,
                                               "This is not an HTTP/1.1 request."};
    c->provider->stats.bad_http++;
    c->keep_alive = false;
    return sim_reply_problem(c, &problem);
}

static const struct refusal_text {
    int status;
    const char *type, *code, *message;
} refusal_texts[] = {
    {400, "invalid_request_error", "simulated_refusal", "The simulated provider refuses this."},
    {401, "invalid_request_error", "invalid_api_key", "The simulated provider lost this key."},
    {402, "insufficient_quota", "insufficient_quota", "The simulated account is empty."},
    {404, "invalid_request_error", "model_not_found", "The simulated model is gone."},
    {429, "requests", "rate_limit_exceeded", "The simulated provider wants fewer requests."},
    {503, "server_error", "overloaded", "The simulated engine is overloaded."},
    {529, "overloaded_error", "overloaded", "The simulated engine is overloaded."},
};

static struct sim_problem refusal_of(int status)
{
    for (unsigned i = 0; i < sizeof(refusal_texts) / sizeof(refusal_texts[0]); i++) {
        const struct refusal_text *r = &refusal_texts[i];
        if (r->status == status) {
            return (struct sim_problem){status, r->type, r->code, NULL, r->message};
        }
    }
    return (struct sim_problem){status, status < 500 ? "invalid_request_error" : "server_error",
                                "simulated_error", NULL, "The simulated provider failed."};
}

static bool draws_refusal(struct fl_simprovider *p)
{
    return p->refusals.permille > 0 && fl_rng_below(&p->rng, 1000) < p->refusals.permille;
}

/* The reasons to refuse that do not need the body. */
static struct sim_problem refusal(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    enum fl_h1_method wanted = c->ask.endpoint >= SIM_MODELS ? FL_H1_GET : FL_H1_POST;
    if (!c->authorised) {
        return (struct sim_problem){401, "invalid_request_error", "invalid_api_key", NULL,
                                    "The simulated provider does not know this key."};
    }
    if (c->ask.endpoint == SIM_UNKNOWN) {
        return (struct sim_problem){404, "invalid_request_error", "unknown_url", NULL,
                                    "The simulated provider has no such endpoint."};
    }
    if (c->ask.method != wanted) {
        return (struct sim_problem){405, "invalid_request_error", "method_not_allowed", NULL,
                                    "This endpoint wants another method."};
    }
    if (p->state == FL_SIM_ERROR) {
        return (struct sim_problem){500, "server_error", "simulated_outage", NULL,
                                    "The simulated provider is in an outage."};
    }
    if (fl_rng_below(&p->rng, 1000) < p->options.error_permille) {
        bool busy = fl_rng_below(&p->rng, 2) == 0;
        return (struct sim_problem){busy ? 503 : 500, "server_error",
                                    busy ? "overloaded" : "internal_error", NULL,
                                    "The simulated provider failed by chance."};
    }
    return (struct sim_problem){.status = 0};
}

static bool on_request(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    c->busy = true;
    c->phase = SIM_WAIT;
    c->serial = ++p->stats.requests;
    c->asked_ns = p->sys->now_ns;
    p->stats.in_flight++;
    if (p->watch) {
        p->watch(p->watch_owner, fl_buf_slice(&c->head), fl_buf_slice(&c->content));
    }
    struct sim_problem problem = refusal(c);
    if (!problem.status && c->ask.endpoint < SIM_MODELS) {
        problem = p->options.dialect == FL_SIM_OPENAI ? sim_read_ask(c) : sim_dialect_read(c);
    }
    if (problem.status) {
        return sim_reply_problem(c, &problem);
    }
    if (c->ask.endpoint >= SIM_MODELS) {
        return sim_reply_models(c);
    }
    uint64_t wait_ns = sim_bucket_take(p, &c->key->requests, p->options.requests_per_min, 1);
    if (wait_ns > 0) {
        return sim_reply_limited(c, wait_ns);
    }
    if (draws_refusal(p)) {
        problem = refusal_of(p->refusals.status);
        return sim_reply_refusal(c, &problem, p->refusals.retry_after_ns);
    }
    bool alive = sim_prepare(c);
    wait_ns = alive ? sim_bucket_take(p, &c->key->tokens, p->options.tokens_per_min,
                                      c->ask.prompt_tokens + c->tokens_total)
                    : 0;
    if (wait_ns > 0) {
        return sim_reply_limited(c, wait_ns);
    }
    if (alive) {
        c->misdeed = sim_draw_misdeed(c);
    }
    return alive;
}

static bool read_head(struct sim_conn *c)
{
    struct fl_h1_head head;
    struct fl_h1_body_limits limits = {.bytes_max = body_bytes_max, .trailer_bytes_max = 8192};
    struct fl_slice in = fl_buf_slice(&c->in);
    size_t len = 0;
    if (fl_h1_head_find(in, head_bytes_max, true, &c->scanned, &len)) {
        return bad_http(c);
    }
    if (len == 0) {
        return true;
    }
    if (fl_h1_parse_request(fl_slice_first(in, len), &head) ||
        fl_h1_body_init(&c->body, &head, limits)) {
        return bad_http(c);
    }
    c->scanned = 0;
    c->phase = SIM_BODY;
    c->keep_alive = head.keep_alive;
    c->chunked = head.minor == 1;
    c->authorised = authorised(c->provider, &head);
    c->key = key_of(c->provider, &head);
    c->ask.method = head.method;
    c->ask.endpoint = sim_dialect_endpoint(c->provider->options.dialect, head.path);
    fl_buf_put(&c->head, fl_slice_first(in, len));
    bool wants_continue = head.expect_continue;
    fl_buf_drop(&c->in, len);
    if (wants_continue && c->in.len == 0) {
        struct fl_slice piece = FL_LIT("HTTP/1.1 100 Continue\r\n\r\n");
        return sim_send(c, &piece, 1);
    }
    return true;
}

static bool read_body(struct sim_conn *c)
{
    struct fl_slice in = fl_buf_slice(&c->in), piece;
    while (!c->body.done && in.len > 0) {
        if (fl_h1_body_next(&c->body, &in, &piece)) {
            return bad_http(c);
        }
        fl_buf_put(&c->content, piece);
    }
    fl_buf_drop(&c->in, c->in.len - in.len);
    return !c->body.done || on_request(c);
}

/* Takes requests from what has been read until one is to be waited for. */
static bool advance(struct sim_conn *c)
{
    for (;;) {
        enum sim_phase phase = c->phase;
        size_t left = c->in.len;
        if (phase == SIM_HEAD ? !read_head(c) : phase == SIM_BODY && !read_body(c)) {
            return false;
        }
        if (c->phase == phase && (c->in.len == left || phase > SIM_BODY)) {
            return true;
        }
    }
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct sim_conn *c = owner;
    fl_buf_put(&c->in, bytes);
    fl_assert(fl_buf_ok(&c->in));
    if (c->phase <= SIM_BODY) {
        (void)advance(c);
    } else if (c->in.len > pipelined_max && !c->paused) {
        c->paused = true;
        c->stream->ops->pause(c->stream);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    (void)err;
    cancel(owner);
}

static void on_drained(void *owner)
{
    struct sim_conn *c = owner;
    if ((c->phase == SIM_STREAM || c->phase == SIM_FLOOD) && c->timer.slot == 0) {
        fl_sys_timer_in(c->provider->sys, &c->timer, 0);
    }
}

static void on_opened(void *owner, enum fl_err err)
{
    (void)owner;
    (void)err;
}

static void on_connection_timer(struct fl_timer *timer)
{
    struct sim_conn *c = fl_container_of(timer, struct sim_conn, timer);
    uint64_t stall_ns = sim_stall_end_ns(c->provider);
    bool alive = true;
    c->held = stall_ns > 0;
    if (c->held) {
        if (stall_ns != FL_NEVER) {
            fl_timers_set(&c->provider->sys->timers, timer, stall_ns);
        }
        return;
    }
    if (c->phase == SIM_WAIT) {
        alive = sim_begin(c);
    } else if (c->phase == SIM_STREAM) {
        alive = sim_go_on(c);
    } else if (c->phase == SIM_FLOOD) {
        alive = sim_flood(c);
    }
    if (alive && c->phase <= SIM_BODY) {
        (void)advance(c);
    }
}

static void on_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    static const struct fl_stream_events events = {on_opened, on_bytes, on_ended, on_drained, NULL, NULL};
    struct fl_simprovider *p = owner;
    struct sim_conn *c = calloc(1, sizeof(*c));
    (void)peer;
    if (!c) {
        fl_stream_close(stream, FL_CLOSE_RESET);
        return;
    }
    c->provider = p;
    c->stream = stream;
    c->timer.fire = on_connection_timer;
    c->misdeed = FL_SIM_GOOD;
    c->key = &p->keys[0];
    fl_buf_init(&c->in, head_bytes_max + body_bytes_max);
    fl_buf_init(&c->head, head_bytes_max);
    fl_buf_init(&c->content, body_bytes_max);
    fl_buf_init(&c->prompt, body_bytes_max);
    fl_buf_init(&c->beginning, body_bytes_max);
    fl_buf_init(&c->text, body_bytes_max);
    fl_list_append(&p->conns, &c->link);
    p->stats.connections++;
    p->stats.connections_open++;
    stream->on = &events;
    stream->owner = c;
}

static void drop_all(struct fl_simprovider *p, enum fl_close how)
{
    while (!fl_list_empty(&p->conns)) {
        sim_drop(fl_container_of(p->conns.next, struct sim_conn, link), how);
    }
}

/* --- Outages --- */

static uint64_t end_of(const struct fl_sim_outage *o)
{
    return o->for_ns > FL_NEVER - o->at_ns ? FL_NEVER : o->at_ns + o->for_ns;
}

static bool goes_on(const struct fl_sim_outage *o, uint64_t at_ns)
{
    return o->kind != FL_SIM_UP && o->at_ns <= at_ns && at_ns < end_of(o);
}

/* The one made by hand counts before those planned. */
static const struct fl_sim_outage *outage_now(const struct fl_simprovider *p)
{
    uint64_t at_ns = p->sys->now_ns - p->start_ns;
    if (goes_on(&p->manual, at_ns)) {
        return &p->manual;
    }
    for (unsigned i = 0; i < p->options.outage_count; i++) {
        if (goes_on(&p->options.outages[i], at_ns)) {
            return &p->options.outages[i];
        }
    }
    return NULL;
}

uint64_t sim_stall_end_ns(const struct fl_simprovider *p)
{
    const struct fl_sim_outage *o = outage_now(p);
    if (!o || o->kind != FL_SIM_STALL) {
        return 0;
    }
    return end_of(o) == FL_NEVER ? FL_NEVER : p->start_ns + end_of(o);
}

static void edge_of(const struct fl_sim_outage *o, uint64_t after_ns, uint64_t *next_ns)
{
    uint64_t edges[2] = {o->at_ns, end_of(o)};
    for (unsigned i = 0; i < 2; i++) {
        if (o->kind != FL_SIM_UP && edges[i] > after_ns && edges[i] < *next_ns) {
            *next_ns = edges[i];
        }
    }
}

static void update_outage(struct fl_simprovider *p)
{
    const struct fl_sim_outage *o = outage_now(p);
    uint64_t next_ns = FL_NEVER, at_ns = p->sys->now_ns - p->start_ns;
    p->state = o ? o->kind : FL_SIM_UP;
    if (p->state == FL_SIM_REFUSE && p->listener) {
        p->sys->ops->unlisten(p->sys, p->listener);
        p->listener = NULL;
        drop_all(p, FL_CLOSE_RESET);
    } else if (p->state != FL_SIM_REFUSE && !p->listener &&
               p->sys->ops->listen(p->sys, &p->addr, on_accepted, p, &p->listener, &p->addr)) {
        p->listener = NULL;
        next_ns = at_ns + RELISTEN_NS; /* somebody holds the port: again soon */
    }
    edge_of(&p->manual, at_ns, &next_ns);
    for (unsigned i = 0; i < p->options.outage_count; i++) {
        edge_of(&p->options.outages[i], at_ns, &next_ns);
    }
    if (next_ns != FL_NEVER) {
        fl_timers_set(&p->sys->timers, &p->edge, p->start_ns + next_ns);
    } else {
        fl_timers_stop(&p->sys->timers, &p->edge);
    }
}

static void on_edge(struct fl_timer *timer)
{
    update_outage(fl_container_of(timer, struct fl_simprovider, edge));
}

/* Answers held back by a stall that has been called off go on. */
static void wake_all(struct fl_simprovider *p)
{
    for (struct fl_list *i = p->conns.next; i != &p->conns; i = i->next) {
        struct sim_conn *c = fl_container_of(i, struct sim_conn, link);
        if (c->held) {
            fl_sys_timer_in(p->sys, &c->timer, 0);
        }
    }
}

void fl_simprovider_outage(struct fl_simprovider *p, enum fl_sim_outage_kind kind, uint64_t for_ns)
{
    bool stalled = sim_stall_end_ns(p) > 0;
    p->manual = (struct fl_sim_outage){kind, p->sys->now_ns - p->start_ns, for_ns};
    update_outage(p);
    if (stalled && sim_stall_end_ns(p) == 0) {
        wake_all(p);
    }
}

enum fl_sim_outage_kind fl_simprovider_state(const struct fl_simprovider *p)
{
    return p->state;
}

/* --- Life --- */

enum fl_err fl_simprovider_create(struct fl_sys *sys, const struct fl_addr *addr,
                                  const struct fl_simprovider_options *options,
                                  struct fl_simprovider **ret_provider)
{
    struct fl_simprovider *p = calloc(1, sizeof(*p));
    if (!p) {
        return FL_ERR_NOMEM;
    }
    p->sys = sys;
    p->options = *options;
    p->misdeeds = options->misdeeds;
    p->start_ns = sys->now_ns;
    p->edge.fire = on_edge;
    p->pace_permille = 1000;
    fl_list_init(&p->conns);
    fl_list_init(&p->waiting);
    fl_list_init(&p->deserted);
    fl_rng_seed(&p->rng, options->seed);
    fl_buf_init(&p->out, SIM_REPLY_BYTES_MAX);
    enum fl_err err = sys->ops->listen(sys, addr, on_accepted, p, &p->listener, &p->addr);
    if (err) {
        free(p);
        return err;
    }
    update_outage(p);
    *ret_provider = p;
    return FL_OK;
}

void fl_simprovider_destroy(struct fl_simprovider *p)
{
    if (!p) {
        return;
    }
    drop_all(p, FL_CLOSE_NOW);
    sim_jobs_finish(p);
    if (p->listener) {
        p->sys->ops->unlisten(p->sys, p->listener);
    }
    fl_timers_stop(&p->sys->timers, &p->edge);
    fl_buf_finish(&p->out);
    free(p);
}

struct fl_addr fl_simprovider_addr(const struct fl_simprovider *p)
{
    return p->addr;
}

const struct fl_simprovider_stats *fl_simprovider_stats(const struct fl_simprovider *p)
{
    return &p->stats;
}

void fl_simprovider_misbehave(struct fl_simprovider *p, struct fl_sim_misdeeds misdeeds)
{
    p->misdeeds = misdeeds;
}

void fl_simprovider_refuse(struct fl_simprovider *p, struct fl_sim_refusals refusals)
{
    p->refusals = refusals;
}

void fl_simprovider_pace(struct fl_simprovider *p, unsigned permille)
{
    p->pace_permille = permille;
}

void fl_simprovider_watch(struct fl_simprovider *p, fl_simprovider_watch_fn *watch, void *owner)
{
    p->watch = watch;
    p->watch_owner = owner;
}

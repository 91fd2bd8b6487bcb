/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One try at one target.
 *
 *   NEW -> [QUEUED ->] CONNECTING -> WAITING -> HOLDING   -> ENDED
 *           `-> (an idle connection) ----^   |-> STREAMING -> ENDED
 *                                            `-> HOLDING -> PASSING -> ENDED
 *
 * A pooled connection that breaks before the first byte of an answer was stale: the request is sent once
 * more on a fresh one, at once, and that does not count as a failure of the target.
 */
#include "dialect/ratelimit.h"
#include "server/internal.h"

enum { interim_max = 8, fields_bytes = 16 * 1024, join_bytes = 4096, preamble_bytes = 2 * FL_PREAMBLE_BYTES,
       hold_spare_bytes = 64 * 1024 };

static enum fl_err connect_to(struct fl_attempt *a);

static void enter(struct fl_attempt *a, enum fl_attempt_state state)
{
    static const bool allowed[FL_ATTEMPT_STATE_COUNT][FL_ATTEMPT_STATE_COUNT] = {
        [FL_ATTEMPT_NEW] = {[FL_ATTEMPT_QUEUED] = true, [FL_ATTEMPT_CONNECTING] = true,
                            [FL_ATTEMPT_WAITING] = true, [FL_ATTEMPT_ENDED] = true},
        [FL_ATTEMPT_QUEUED] = {[FL_ATTEMPT_QUEUED] = true, [FL_ATTEMPT_CONNECTING] = true,
                               [FL_ATTEMPT_WAITING] = true, [FL_ATTEMPT_ENDED] = true},
        [FL_ATTEMPT_CONNECTING] = {[FL_ATTEMPT_WAITING] = true, [FL_ATTEMPT_ENDED] = true},
        [FL_ATTEMPT_WAITING] = {[FL_ATTEMPT_HOLDING] = true, [FL_ATTEMPT_STREAMING] = true,
                                [FL_ATTEMPT_QUEUED] = true, [FL_ATTEMPT_CONNECTING] = true,
                                [FL_ATTEMPT_WAITING] = true, [FL_ATTEMPT_ENDED] = true},
        [FL_ATTEMPT_HOLDING] = {[FL_ATTEMPT_PASSING] = true, [FL_ATTEMPT_ENDED] = true},
        [FL_ATTEMPT_STREAMING] = {[FL_ATTEMPT_ENDED] = true},
        [FL_ATTEMPT_PASSING] = {[FL_ATTEMPT_ENDED] = true},
    };
    fl_assert(allowed[a->state][state]);
    a->state = state;
}

void fl_attempt_enter(struct fl_attempt *a, enum fl_attempt_state state)
{
    enter(a, state);
}

/* --- ending --- */

static void release_conn(struct fl_attempt *a, enum fl_err err)
{
    struct fl_conn *conn = a->conn;
    a->conn = NULL;
    if (!conn) {
        return;
    }
    if (a->paused && a->conn_keep) { /* may still hold unread bytes */
        conn->stream->ops->resume(conn->stream);
    }
    if (a->head_seen && a->conn_keep && a->body.done) {
        fl_conn_give(conn);
    } else if (!err && a->head_seen && a->conn_keep && conn->stream->queued == 0) {
        fl_conn_linger(conn, &a->body);
    } else {
        bool unwanted = err == FL_ERR_CANCELLED || err == FL_ERR_HEDGED; /* what it generates is paid for */
        fl_conn_close(conn, unwanted ? FL_CLOSE_RESET : FL_CLOSE_NOW);
    }
}

static uint64_t since(uint64_t from_ns, uint64_t at_ns)
{
    return at_ns > from_ns ? at_ns - from_ns : 0;
}

/* Off its exchange's list of those alive. */
static void leave(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    unsigned i = 0;
    while (i < x->alive_count && x->attempts[i] != a) {
        i++;
    }
    fl_assert(i < x->alive_count);
    x->alive_count--;
    for (; i < x->alive_count; i++) {
        x->attempts[i] = x->attempts[i + 1];
    }
    x->attempts[x->alive_count] = NULL;
    x->winner = x->winner == a ? NULL : x->winner;
}

void fl_attempt_end(struct fl_attempt *a, enum fl_err err)
{
    struct fl_exchange *x = a->exchange;
    uint64_t now = x->worker->sys->now_ns;
    const struct fl_usage *usage = fl_attempt_usage(a);
    struct fl_outcome outcome = {
        .err = err,
        .first_byte_ns = a->first_byte_ns > 0 ? since(a->begun_ns, a->first_byte_ns) + 1 : 0,
        .total_ns = since(a->begun_ns, now),
        .tokens_out = usage->tokens_out,
        .tokens_in = usage->tokens_in,
        .tokens_cached = usage->tokens_cached,
        .retry_after_ns = a->rates && a->rates->retry_after_given ? a->rates->retry_after_ns : 0,
    };
    struct fl_lease_end lease_end = {.err = err,
                                     .tokens_in = usage->tokens_in,
                                     .tokens_out = usage->tokens_out,
                                     .rates = a->rates};
    if (a->state == FL_ATTEMPT_QUEUED) {
        fl_list_remove(&a->wait.link);
    }
    enter(a, FL_ATTEMPT_ENDED);
    fl_attempt_note(a, err);
    fl_keys_return(&a->lease, &lease_end, now);
    fl_route_end(&x->config->table, a->target, &a->dispatch, &outcome, now);
    x->worker->stats.attempts_open--;
    if (x->winner == a || !x->winner) {
        fl_decide_used(x, usage);
    }
    if (a->usage == &x->worker->usage) {
        *a->usage = (struct fl_usage){0};
    }
    leave(a);
    release_conn(a, err);
    if (x->upstreams->queued > 0) {
        fl_rooms_wake(x->upstreams);
    }
    fl_buf_finish(&a->hold);
    fl_buf_finish(&a->preamble);
    fl_buf_finish(&a->fields);
    fl_unpack_close(a);
    fl_translation_destroy(a->translation);
    fl_shelf_give(&x->worker->attempt_shelf, a);
}

/* --- sending --- */

/* Is the provider asked in another form than the client's? */
static bool speaks_other(const struct fl_attempt *a)
{
    const struct fl_translation *t = a->translation;
    return t && !a->own_form && (t->options.embed || t->options.client != t->options.provider);
}

/* The content type of the provider's streams. */
static const char *stream_type(const struct fl_attempt *a)
{
    static const char *const types[] = {
        [FL_FRAMING_SSE] = "text/event-stream",
        [FL_FRAMING_LINES] = "application/x-ndjson",
        [FL_FRAMING_AMAZON] = "application/vnd.amazon.eventstream",
    };
    const struct fl_wire *form = a->translation ? a->translation->options.provider : NULL;
    return types[form ? form->framing : FL_FRAMING_SSE];
}

static void put_path(struct fl_buf *b, const struct fl_attempt *a)
{
    const struct fl_pass *pass = a->exchange->pass;
    if (pass) {
        fl_buf_put(b, pass->path);
        fl_buf_put(b, pass->query);
        return;
    }
    if (!a->dialect->put_path) {
        fl_buf_put_cstr(b, a->dialect->paths[a->endpoint]);
        fl_buf_put(b, speaks_other(a) ? FL_EMPTY : a->exchange->asking->query);
        return;
    }
    const struct fl_provider *p = fl_pool_provider(a->pool);
    struct fl_ask ask = {.endpoint = a->endpoint,
                         .model = a->model,
                         .stream = a->exchange->stream,
                         .api_version = p->api_version,
                         .region = p->region,
                         .project = p->project};
    a->dialect->put_path(&ask, b);
}

/* The request's line is written: *start* is where its path begins in *b*. */
static enum fl_err put_credentials(struct fl_buf *b, struct fl_slice method, size_t start,
                                   const struct fl_attempt *a, const struct fl_request_body *body)
{
    char memory[4096]; /* what is signed must not move while the fields are appended */
    struct fl_buf path;
    struct fl_slice line = fl_slice_from(fl_buf_slice(b), start);
    fl_buf_init_in(&path, memory, sizeof(memory));
    fl_buf_put(&path, fl_slice_first(line, fl_slice_find(line, ' ')));
    struct fl_signed_request request = {
        .method = method,
        .path = fl_buf_slice(&path),
        .content_type = a->exchange->pass ? a->exchange->pass->content_type : FL_LIT("application/json"),
        .body = body->pieces,
        .body_count = body->count};
    return fl_buf_ok(&path) ? fl_credentials_put(a->pool, &request, b) : FL_ERR_TOO_BIG;
}

static enum fl_err put_head(struct fl_buf *b, const struct fl_attempt *a, const struct fl_request_body *body)
{
    const struct fl_exchange *x = a->exchange;
    const struct fl_provider *p = fl_pool_provider(a->pool);
    if (x->pass) {
        fl_pass_put_method(x->pass, b);
    } else {
        fl_buf_put(b, FL_LIT("POST "));
    }
    size_t start = b->len;
    struct fl_slice method = fl_slice_first(fl_buf_slice(b), start - 1);
    fl_buf_put(b, p->base_path);
    put_path(b, a);
    fl_buf_put(b, FL_LIT(" HTTP/1.1\r\n"));
    fl_buf_put(b, fl_buf_slice(&a->pool->fields[a->key]));
    if (p->auth.kind == FL_AUTH_TOKEN || p->auth.kind == FL_AUTH_SIGV4) {
        enum fl_err err = put_credentials(b, method, start, a, body);
        if (err) {
            return err;
        }
    }
    fl_buf_put_cstr(b, a->dialect->fields ? a->dialect->fields : "");
    fl_buf_put(b, speaks_other(a) ? FL_EMPTY : x->asking->passed);
    fl_h1_put_field(b, FL_LIT("content-type: "), x->pass ? x->pass->content_type : FL_LIT("application/json"));
    fl_buf_put(b, FL_LIT("accept-encoding: identity\r\nuser-agent: fairlead/" FL_VERSION "\r\naccept: "));
    fl_buf_put_cstr(b, x->pass ? "*/*" : x->stream ? stream_type(a) : "application/json");
    fl_buf_put(b, FL_LIT("\r\n"));
    fl_h1_put_field(b, FL_LIT("x-request-id: "), x->request_id);
    fl_buf_put(b, FL_LIT("content-length: "));
    fl_buf_put_u64(b, body->bytes);
    fl_buf_put(b, FL_LIT("\r\n\r\n"));
    return FL_OK;
}

/* The lines that relaying an event goes through. */
static void warm(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    const void *lines[FL_WARM_LINES] = {a, &a->body, &a->hold, x, x->session, x->session->stream};
    memcpy(a->conn->warm, lines, sizeof(lines));
}

static enum fl_err send_request(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    struct fl_worker *w = x->worker;
    struct fl_slice pieces[1 + FL_REQUEST_PIECES];
    struct fl_request_body body = {0};
    char model[600];
    struct fl_buf storage;
    fl_buf_init_in(&storage, model, sizeof(model));
    if (x->pass) {
        fl_pass_write(a, &storage, &body);
    } else if (a->translation && !a->own_form) {
        body.pieces[0] = fl_buf_slice(&a->translation->body);
        body.bytes = body.pieces[0].len;
        body.count = 1;
    } else {
        const struct fl_provider *p = fl_pool_provider(a->pool);
        struct fl_request_wishes wishes = {.ask_usage = p->stream_options,
                                           .keep_extensions = fl_slice_eq(p->type, FL_LIT("openrouter"))};
        a->dialect->write_request(&x->asking->facts, a->model, wishes, &storage, &body);
    }
    fl_buf_reset(&w->out);
    enum fl_err err = put_head(&w->out, a, &body);
    if (err) {
        return err;
    }
    if (!fl_buf_ok(&w->out) || !fl_buf_ok(&a->pool->fields[a->key]) || !fl_buf_ok(&storage)) {
        return FL_ERR_TOO_BIG;
    }
    bool small = w->out.len + body.bytes <= join_bytes; /* a copy costs less than a scattered write */
    for (unsigned i = 0; i < body.count; i++) {
        if (small) {
            fl_buf_put(&w->out, body.pieces[i]);
        }
        pieces[1 + i] = body.pieces[i];
    }
    pieces[0] = fl_buf_slice(&w->out);
    enter(a, FL_ATTEMPT_WAITING);
    warm(a);
    a->sent_ns = w->sys->now_ns;
    fl_exchange_watch(x);
    err = fl_stream_write(a->conn->stream, pieces, small ? 1 : 1 + body.count);
    a->unsent = a->conn->stream->queued;
    return err;
}

/* True when a broken connection is only a stale one from the pool. */
static bool is_stale(const struct fl_attempt *a)
{
    return a->conn && a->conn->served > 0 && !a->fresh && !a->head_seen && a->hold.len == 0 &&
           a->interim == 0;
}

static enum fl_err connect_afresh(struct fl_attempt *a)
{
    fl_conn_close(a->conn, FL_CLOSE_NOW);
    a->conn = NULL;
    a->fresh = true;
    a->wanted_ns = a->exchange->worker->sys->now_ns;
    a->exchange->worker->stats.stale_retries++;
    enum fl_err err = connect_to(a);
    if (!err) {
        fl_exchange_watch(a->exchange);
    }
    return err;
}

static enum fl_err send_or_refresh(struct fl_attempt *a)
{
    enum fl_err err = send_request(a);
    return err && err != FL_ERR_TOO_BIG && is_stale(a) ? connect_afresh(a) : err;
}

/* --- receiving --- */

/* Fields of an answer that a client may see, beside the content type. */
static bool passes(const struct fl_h1_header *h)
{
    static const struct fl_slice prefixes[] = {
        {"x-ratelimit-", 12},    {"openai-", 7},           {"anthropic-ratelimit-", 20},
        {"x-generation-id", 15}, {"x-fairlead-simulated", 20}};
    enum { names_from = 3 }; /* those are whole */
    if (h->id != FL_H_OTHER) {
        return h->id == FL_H_RETRY_AFTER || h->id == FL_H_RETRY_AFTER_MS || h->id == FL_H_X_SHOULD_RETRY;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        bool first = (h->name.ptr[0] | 0x20) == prefixes[i].ptr[0]; /* mostly tells */
        if (first && (i < names_from || h->name.len == prefixes[i].len) &&
            fl_slice_eq_nocase(fl_slice_first(h->name, prefixes[i].len), prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* OpenAI's field, Anthropic's, Amazon's, OpenRouter's. */
static bool names_request(const struct fl_h1_header *h)
{
    return h->id == FL_H_X_REQUEST_ID ||
           (h->id == FL_H_OTHER && (fl_slice_eq_nocase(h->name, FL_LIT("request-id")) ||
                                    fl_slice_eq_nocase(h->name, FL_LIT("x-amzn-requestid")) ||
                                fl_slice_eq_nocase(h->name, FL_LIT("x-generation-id"))));
}

static bool names_error(const struct fl_attempt *a, const struct fl_h1_header *h)
{
    const char *field = a->dialect->error_field;
    return field && a->status >= 400 && fl_slice_eq_nocase(h->name, fl_slice_cstr(field));
}

/* Tokens that the answer's head counts. */
static void take_counts(struct fl_attempt *a, const struct fl_h1_header *h)
{
    struct fl_usage *told = &a->translation->told;
    const char *in = a->dialect->tokens_in_field, *out = a->dialect->tokens_out_field;
    if (in && fl_slice_eq_nocase(h->name, fl_slice_cstr(in)) && fl_slice_u64(h->value, &told->tokens_in)) {
        told->known = true;
        told->requests = 1;
    } else if (out && fl_slice_eq_nocase(h->name, fl_slice_cstr(out))) {
        (void)fl_slice_u64(h->value, &told->tokens_out);
    }
}

static void take_fields(struct fl_attempt *a, const struct fl_h1_head *head)
{
    struct fl_arena *arena = &a->exchange->arena;
    struct fl_rates *rates = &a->exchange->worker->heard;
    uint64_t wall_ns = fl_worker_wall_ns(a->exchange->worker);
    *rates = (struct fl_rates){0};
    for (unsigned i = 0; i < head->header_count; i++) {
        const struct fl_h1_header *h = &head->headers[i];
        fl_ratelimit_field(rates, h->name, h->value, wall_ns);
        if (h->id == FL_H_CONTENT_TYPE) {
            a->content_type = fl_arena_copy(arena, h->value);
        } else if (names_request(h)) {
            a->upstream_request_id = fl_arena_copy(arena, fl_slice_first(h->value, 200));
        } else if (h->value.len <= 1024 && passes(h)) {
            fl_h1_put_parsed(&a->fields, h);
        } else if (names_error(a, h)) {
            a->error_name = fl_arena_copy(arena, fl_slice_first(h->value, 200));
        } else if (a->translation && a->dialect->tokens_in_field) {
            take_counts(a, h);
        }
    }
}

/* They count at once, for those that are dispatched meanwhile. Of a refusal they are asked for again. */
static void keep_rates(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    const struct fl_rates *heard = &x->worker->heard;
    if (heard->given) {
        fl_keys_heard(&a->lease, heard, x->worker->sys->now_ns);
    }
    if (a->status >= 300 || heard->retry_after_given || heard->retry_said) {
        a->rates = fl_arena_take(&x->arena, sizeof(*a->rates));
        if (a->rates) {
            *a->rates = *heard;
        }
    }
}

static bool has_type(const struct fl_attempt *a, const char *name)
{
    const struct fl_slice type = fl_slice_cstr(name);
    return fl_slice_eq_nocase(fl_slice_first(a->content_type, type.len), type);
}

/* Proxies lose or rename the type of a stream: what is to be translated was asked for as one, and is
 * read as one unless it says that it is something else. */
static bool is_stream(const struct fl_attempt *a)
{
    bool asked = a->translation && a->exchange->stream;
    return has_type(a, stream_type(a)) ||
           (asked && !has_type(a, "application/json") && !has_type(a, "text/html"));
}

/* We ask for no coding; gzip is understood all the same. */
static enum fl_err take_coding(struct fl_attempt *a, const struct fl_h1_head *head)
{
    const struct fl_h1_header *coding = fl_h1_find(head, FL_H_CONTENT_ENCODING);
    if (!coding || fl_slice_eq_nocase(coding->value, FL_LIT("identity"))) {
        return FL_OK;
    }
    return fl_slice_eq_nocase(coding->value, FL_LIT("gzip")) ? fl_unpack_open(a) : FL_ERR_BAD_RESPONSE;
}

/* A stream where a whole answer was asked for is collected; a whole answer becomes the events of a stream. */
static enum fl_err take_other_kind(struct fl_attempt *a)
{
    enum fl_err err = a->continues ? FL_ERR_BAD_RESPONSE : fl_cross_answer(a);
    size_t most = fl_attempt_hold_bytes(a) + hold_spare_bytes;
    a->other_kind = true;
    a->hold.max = a->hold.max > most ? a->hold.max : most; /* it is held whole, whatever its size */
    return err;
}

static enum fl_err take_final_head(struct fl_attempt *a, const struct fl_h1_head *head)
{
    struct fl_exchange *x = a->exchange;
    struct fl_h1_body_limits limits = {UINT64_MAX, 8 * 1024};
    a->head_seen = true;
    a->status = head->status;
    a->conn_keep = head->keep_alive && head->framing != FL_H1_UNTIL_CLOSE;
    if (fl_h1_body_init(&a->body, head, limits)) {
        return FL_ERR_BAD_RESPONSE;
    }
    enum fl_err err = take_coding(a, head);
    if (err) {
        return err;
    }
    if (head->status >= 300 && head->status < 400) {
        return FL_ERR_REDIRECT;
    }
    take_fields(a, head);
    keep_rates(a);
    if (x->arena.failed) {
        return FL_ERR_NOMEM;
    }
    bool can_stream = !x->pass && x->endpoint != FL_ENDPOINT_EMBEDDINGS && head->status < 300;
    bool comes_as_stream = can_stream && is_stream(a);
    if (can_stream && comes_as_stream != x->stream) {
        err = take_other_kind(a);
        if (err) {
            return err;
        }
    }
    enter(a, comes_as_stream && x->stream ? FL_ATTEMPT_STREAMING : FL_ATTEMPT_HOLDING);
    return FL_OK;
}

/* Parses heads at the front of *in* (1xx are dropped). FL_OK with head_seen unset: more bytes needed. */
static enum fl_err take_head(struct fl_attempt *a, struct fl_slice *in)
{
    struct fl_worker *w = a->exchange->worker;
    while (!a->head_seen) {
        size_t len = 0;
        enum fl_err err =
            fl_h1_head_find(*in, a->exchange->config->limits.head_bytes, false, &a->scanned, &len);
        if (!err && len == 0) {
            return FL_OK;
        }
        if (!err) {
            err = fl_h1_parse_response(fl_slice_first(*in, len), false, &w->head);
        }
        if (err) {
            return FL_ERR_BAD_RESPONSE;
        }
        *in = fl_slice_from(*in, len);
        a->scanned = 0;
        if (w->head.status >= 200) {
            return take_final_head(a, &w->head);
        }
        if (w->head.status == 101 || ++a->interim > interim_max) {
            return FL_ERR_BAD_RESPONSE;
        }
    }
    return FL_OK;
}

static void on_opened(void *user, enum fl_err err)
{
    struct fl_attempt *a = user;
    if (!err) {
        err = send_or_refresh(a);
    }
    if (err) {
        fl_attempt_fail(a, err);
    }
}

static void on_bytes(void *user, struct fl_slice bytes)
{
    struct fl_attempt *a = user;
    struct fl_slice in = bytes;
    a->last_byte_ns = a->exchange->worker->sys->now_ns;
    if (!a->head_seen) {
        bool stashed = a->hold.len > 0;
        if (stashed) {
            fl_buf_put(&a->hold, bytes);
            in = fl_buf_slice(&a->hold);
        }
        enum fl_err err = fl_buf_ok(&a->hold) ? take_head(a, &in) : FL_ERR_NOMEM; /* a head is bounded */
        if (!err && !a->head_seen) {
            if (stashed) {
                fl_buf_drop(&a->hold, a->hold.len - in.len);
            } else {
                fl_buf_put(&a->hold, in);
            }
            err = fl_buf_ok(&a->hold) ? FL_OK : FL_ERR_NOMEM;
        }
        if (err) {
            fl_attempt_fail(a, err);
            return;
        }
        if (!a->head_seen) {
            return;
        }
        if (stashed) { /* what follows the head is inside the last bytes read */
            fl_assert(in.len <= bytes.len);
            in = fl_slice(bytes.ptr + bytes.len - in.len, in.len);
            fl_buf_finish(&a->hold);
        }
    }
    fl_relay_bytes(a, in);
}

static void on_ended(void *user, enum fl_err err)
{
    struct fl_attempt *a = user;
    if (a->head_seen) {
        fl_relay_ended(a, err);
        return;
    }
    err = err ? err : FL_ERR_CLOSED;
    if (is_stale(a)) {
        err = connect_afresh(a);
        if (!err) {
            return;
        }
    }
    fl_attempt_fail(a, err);
}

/* The request is sent whole: from here on it is the provider's turn. */
static void on_drained(void *user)
{
    struct fl_attempt *a = user;
    a->unsent = 0;
    a->sent_ns = a->exchange->worker->sys->now_ns;
}

static const struct fl_conn_events conn_events = {on_opened, on_bytes, on_ended, on_drained};

/* --- starting --- */

static void on_connection_free(struct fl_conn_wait *wait)
{
    struct fl_attempt *a = fl_container_of(wait, struct fl_attempt, wait);
    enum fl_err err = connect_to(a);
    if (err) {
        fl_attempt_fail(a, err);
    }
}

static enum fl_err connect_to(struct fl_attempt *a)
{
    enum fl_err err = fl_credentials_ready(a->pool);
    if (err == FL_ERR_OVERLOADED) {
        enter(a, FL_ATTEMPT_QUEUED);
        fl_credentials_wait(a->pool, &a->wait);
        return FL_OK;
    }
    if (err) {
        return err;
    }
    err = fl_pool_borrow(a->pool, a->fresh, &conn_events, a, &a->conn);
    if (err == FL_ERR_OVERLOADED) {
        enter(a, FL_ATTEMPT_QUEUED);
        fl_pool_wait(a->pool, &a->wait);
        return FL_OK;
    }
    if (err) { /* no descriptor, no memory: says nothing about the provider */
        return FL_ERR_OVERLOADED;
    }
    if (a->conn->open) {
        return send_or_refresh(a);
    }
    if (a->state == FL_ATTEMPT_QUEUED) { /* its wait in our queue is not the provider's */
        a->wanted_ns = a->exchange->worker->sys->now_ns;
    }
    enter(a, FL_ATTEMPT_CONNECTING);
    return FL_OK;
}

size_t fl_attempt_hold_bytes(const struct fl_attempt *a)
{
    const struct fl_limits *limits = &a->exchange->config->limits;
    return a->translation && a->status < 300 ? limits->body_bytes : limits->response_hold_bytes;
}

/* A key that has room for the request; where none has, the one that is soonest able when there is nothing to lose. */
static enum fl_err take_key(struct fl_exchange *x, struct fl_attempt *a)
{
    const struct fl_target *t = a->target;
    struct fl_key_need need = {x->tokens_in, x->tokens_out};
    uint32_t tried = x->asking->step.kind == FL_STEP_SAME ? 0 : x->asking->failover.keys_tried[a->place];
    if (t->key_count == 0) {
        return FL_OK;
    }
    const struct fl_target_key *key =
        fl_keys_take(t->keys, t->key_count, need, tried, x->worker->key_turn++,
                     x->plan->panic || x->asking->step.at_once, x->worker->sys->now_ns, &a->lease);
    a->key = key ? key->index : 0;
    return key ? FL_OK : FL_ERR_RATE_LIMITED;
}

/* How long it may say nothing: by what is known of the target, where there is somebody else to ask; else as
 * configured. */
static void set_patience(struct fl_attempt *a)
{
    const struct fl_exchange *x = a->exchange;
    const struct fl_timeouts *t = &fl_pool_provider(a->pool)->timeouts;
    const struct fl_spreads *seen = &a->target->state->spreads;
    uint32_t all = (UINT32_C(1) << x->plan->count) - 1;
    bool others = (all & ~(x->asking->failover.tried | x->asking->failover.blocked)) != 0;
    uint64_t now = a->begun_ns, left = x->deadline_ns > now ? x->deadline_ns - now : 1;
    a->first_token_wait_ns = t->first_token_ns;
    a->stall_wait_ns = t->idle_ns;
    if (x->stream && others) {
        a->first_token_wait_ns = fl_first_token_timeout_ns(seen, x->tokens_in, left, t->first_token_ns);
    }
    if (x->stream) {
        a->stall_wait_ns = fl_stall_timeout_ns(seen, t->idle_ns);
    }
}

enum fl_err fl_attempt_start(struct fl_exchange *x, unsigned place)
{
    const struct fl_target *target = &x->config->table.targets[x->plan->targets[place]];
    struct fl_attempt *a = fl_shelf_take(&x->worker->attempt_shelf);
    if (!a) {
        return FL_ERR_NOMEM;
    }
    fl_assert(x->alive_count < FL_ALIVE_MAX && !x->winner);
    *a = (struct fl_attempt){.exchange = x, .target = target, .place = place};
    a->continues = x->state == FL_EXCHANGE_ANSWERING;
    a->pool = &x->upstreams->pools[target->provider_index];
    a->dialect = a->pool->dialect;
    a->model = fl_target_model(target, x->asked ? x->asked[place] : x->asking->facts.model);
    a->begun_ns = a->wanted_ns = a->last_byte_ns = x->worker->sys->now_ns;
    set_patience(a);
    a->wait.ready = on_connection_free;
    fl_list_init(&a->wait.link);
    enum fl_err err = fl_cross(a);
    err = err ? err : take_key(x, a);
    if (err) { /* nobody was asked */
        fl_translation_destroy(a->translation);
        fl_shelf_give(&x->worker->attempt_shelf, a);
        return err;
    }
    size_t hold = fl_attempt_hold_bytes(a), head = x->config->limits.head_bytes;
    size_t event = x->config->limits.event_bytes;
    size_t most = hold > head ? hold : head;
    fl_buf_init(&a->hold, (most > event ? most : event) + hold_spare_bytes);
    fl_buf_init(&a->preamble, preamble_bytes);
    fl_buf_init(&a->fields, fields_bytes);
    x->attempts[x->alive_count++] = a;
    x->served = target;
    x->served_model = a->model;
    x->worker->stats.attempts++;
    x->worker->stats.attempts_open++;
    fl_route_begin(target, x->tokens_in, x->stream, a->begun_ns, &a->dispatch);
    err = connect_to(a);
    if (err) {
        fl_attempt_end(a, err);
    }
    return err;
}

/* --- time --- */

enum fl_err fl_attempt_check_time(struct fl_attempt *a, uint64_t now_ns, uint64_t *ret_next_ns)
{
    const struct fl_timeouts *t = &fl_pool_provider(a->pool)->timeouts;
    uint64_t due = FL_NEVER;
    enum fl_err err = FL_OK;
    switch (a->state) {
    case FL_ATTEMPT_NEW:
    case FL_ATTEMPT_QUEUED:
    case FL_ATTEMPT_CONNECTING:
        due = a->wanted_ns + t->connect_ns;
        err = a->state == FL_ATTEMPT_QUEUED ? FL_ERR_OVERLOADED : FL_ERR_CONNECT_TIMEOUT;
        break;
    case FL_ATTEMPT_WAITING:
        if (a->conn->stream->queued < a->unsent) { /* it reads a long request, slowly */
            a->unsent = a->conn->stream->queued;
            a->sent_ns = now_ns;
        }
        due = a->sent_ns + a->first_token_wait_ns;
        err = FL_ERR_FIRST_TOKEN;
        break;
    case FL_ATTEMPT_HOLDING:
    case FL_ATTEMPT_STREAMING:
    case FL_ATTEMPT_PASSING:
        due = a->alive ? a->last_byte_ns + a->stall_wait_ns : a->sent_ns + a->first_token_wait_ns;
        err = a->alive ? FL_ERR_IDLE : FL_ERR_FIRST_TOKEN;
        if (a->paused) { /* it is the client that is slow */
            due = FL_NEVER;
        }
        break;
    case FL_ATTEMPT_ENDED:
    case FL_ATTEMPT_STATE_COUNT:
        break;
    }
    if (due <= now_ns) {
        return err;
    }
    *ret_next_ns = due;
    return FL_OK;
}

void fl_attempt_pause(struct fl_attempt *a)
{
    if (!a->paused && a->head_seen) { /* before that it has nothing for the client, perhaps not even a connection */
        a->paused = true;
        a->conn->stream->ops->pause(a->conn->stream);
    }
}

void fl_attempt_resume(struct fl_attempt *a)
{
    if (a->paused) {
        a->paused = false;
        a->last_byte_ns = a->exchange->worker->sys->now_ns;
        fl_exchange_watch(a->exchange);
        a->conn->stream->ops->resume(a->conn->stream);
        if (a->unpack) {
            fl_relay_go_on(a);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are sent beside relayed bodies: heads, errors, plain answers, heartbeats. */
#include "server/internal.h"

static void put_start(struct fl_buf *b, struct fl_worker *w, int status, struct fl_slice content_type)
{
    fl_buf_reset(b);
    fl_h1_put_status(b, status);
    fl_h1_put_field(b, FL_LIT("date: "), fl_worker_date(w));
    fl_h1_put_field(b, FL_LIT("content-type: "), content_type);
}

static void put_framing(struct fl_exchange *x, struct fl_buf *b, uint64_t length)
{
    x->chunked = length == UINT64_MAX && !x->http10;
    if (length != UINT64_MAX) {
        fl_buf_put(b, FL_LIT("content-length: "));
        fl_buf_put_u64(b, length);
        fl_buf_put(b, FL_LIT("\r\n"));
    } else if (x->chunked) {
        fl_buf_put(b, FL_LIT("transfer-encoding: chunked\r\n"));
    } else {
        x->keep_alive = false; /* the connection's end is the body's */
    }
    if (!x->keep_alive || x->worker->draining) {
        fl_buf_put(b, FL_LIT("connection: close\r\n"));
    } else if (x->http10) {
        fl_buf_put(b, FL_LIT("connection: keep-alive\r\n"));
    }
}

/* "groq>openai": who answered first, and who was cancelled for it. */
static void put_hedged(const struct fl_exchange *x, struct fl_buf *b)
{
    for (unsigned i = 0; i < x->note_count; i++) {
        if (x->notes[i].err == FL_ERR_HEDGED) {
            fl_buf_put(b, FL_LIT("x-fairlead-hedged: "));
            fl_buf_put(b, x->served->provider);
            fl_buf_putc(b, '>');
            fl_buf_put(b, x->notes[i].target->provider);
            fl_buf_put(b, FL_LIT("\r\n"));
            return;
        }
    }
}

/* "openai>groq;provider_timeout": from the first target that failed to the one that serves. One that was only
 * slower did not fail. */
static void put_failover(const struct fl_exchange *x, struct fl_buf *b)
{
    unsigned i = 0;
    while (i < x->note_count && x->notes[i].err == FL_ERR_HEDGED) {
        i++;
    }
    if (i == x->note_count || !x->winner) {
        return;
    }
    fl_buf_put(b, FL_LIT("x-fairlead-failover: "));
    fl_buf_put(b, x->notes[i].target->provider);
    fl_buf_putc(b, '>');
    fl_buf_put(b, x->served->provider);
    fl_buf_putc(b, ';');
    fl_buf_put_cstr(b, fl_err_name(x->notes[i].err));
    fl_buf_put(b, FL_LIT("\r\n"));
}

/* What this answer cost, where that is known before it is sent: not of a stream. */
static void put_cost(const struct fl_exchange *x, struct fl_buf *b)
{
    uint64_t picousd;
    if (x->winner && !x->stream && fl_exchange_cost(x, fl_attempt_usage(x->winner), &picousd)) {
        fl_buf_put(b, FL_LIT("x-fairlead-cost-usd: "));
        fl_buf_put_scaled(b, picousd, 12, 9);
        fl_buf_put(b, FL_LIT("\r\n"));
    }
}

/* The whole record as one line of JSON, if it was asked for: a body is passed on as it came. */
static void put_explained(struct fl_exchange *x, struct fl_buf *b)
{
    enum { explained_bytes_max = 8 * 1024 };
    struct fl_buf json;
    if (x->wishes.explain != FL_EXPLAIN_HEADER) {
        return;
    }
    fl_buf_init(&json, explained_bytes_max);
    fl_decision_put_json(fl_decide_record(x), &json);
    if (fl_buf_ok(&json)) {
        fl_h1_put_field(b, FL_LIT("x-fairlead-explain: "), fl_buf_slice(&json));
    }
    fl_buf_finish(&json);
}

static void put_decision(struct fl_exchange *x, struct fl_buf *b, int status)
{
    const struct fl_attempt *a = x->winner;
    unsigned attempts = x->note_count + x->alive_count;
    fl_h1_put_field(b, FL_LIT("x-request-id: "), x->request_id);
    if (x->comeback) {
        fl_h1_put_field(b, FL_LIT("x-fairlead-replayed: "), fl_comeback_stream_id(x));
    }
    if (x->dialect == &fl_dialect_anthropic) {
        fl_h1_put_field(b, FL_LIT("request-id: "), x->request_id);
    }
    if (attempts > 1 && status >= 400) { /* tried elsewhere already: the SDK need not */
        fl_buf_put(b, FL_LIT("x-should-retry: false\r\n"));
    }
    if (x->retry_after_s > 0) {
        fl_buf_put(b, FL_LIT("retry-after: "));
        fl_buf_put_u64(b, x->retry_after_s);
        fl_buf_put(b, FL_LIT("\r\n"));
    }
    if (!x->config->expose_decisions || !x->plan || !x->plan->route) {
        return;
    }
    put_explained(x, b);
    put_cost(x, b);
    fl_h1_put_field(b, FL_LIT("x-fairlead-route: "), x->plan->route->name);
    fl_buf_put(b, FL_LIT("x-fairlead-decision: "));
    fl_buf_put_hex(b, x->decision_id, 16);
    fl_buf_put(b, FL_LIT("\r\nx-fairlead-reason: "));
    fl_plan_put_reason(&x->config->table, x->plan, b);
    fl_buf_put(b, FL_LIT("\r\n"));
    if (a) {
        fl_h1_put_field(b, FL_LIT("x-fairlead-provider: "), x->served->provider);
        fl_h1_put_field(b, FL_LIT("x-fairlead-model: "), x->served_model);
        fl_h1_put_field(b, FL_LIT("x-fairlead-upstream-request-id: "), a->upstream_request_id);
    }
    fl_buf_put(b, FL_LIT("x-fairlead-attempts: "));
    fl_buf_put_u64(b, attempts);
    fl_buf_put(b, FL_LIT("\r\n"));
    if (x->winner) {
        put_hedged(x, b);
        put_failover(x, b);
    }
    if (a && a->translation && a->translation->losses.count > 0) {
        fl_buf_put(b, FL_LIT("x-fairlead-dropped: "));
        fl_losses_put(&a->translation->losses, b);
        fl_buf_put(b, FL_LIT("\r\n"));
    }
    if (x->dispatched_ns > 0) { /* from the request's last byte to the first attempt */
        fl_buf_put(b, FL_LIT("x-fairlead-overhead-ms: "));
        fl_buf_put_scaled(b, x->dispatched_ns - x->ready_ns, 6, 3);
        fl_buf_put(b, FL_LIT("\r\n"));
    }
    if (x->queued_ns > 0) {
        fl_buf_put(b, FL_LIT("x-fairlead-queued-ms: "));
        fl_buf_put_scaled(b, x->queued_ns, 6, 3);
        fl_buf_put(b, FL_LIT("\r\n"));
    }
}

void fl_reply_head(struct fl_exchange *x, int status, struct fl_slice content_type, uint64_t length)
{
    struct fl_buf *b = &x->worker->out;
    put_start(b, x->worker, status, content_type);
    put_framing(x, b, length);
    put_decision(x, b, status);
    if (length == UINT64_MAX) { /* no proxy on the way may collect a stream */
        fl_buf_put(b, FL_LIT("cache-control: no-cache\r\nx-accel-buffering: no\r\n"));
    }
    if (x->winner) {
        fl_buf_put(b, fl_buf_slice(&x->winner->fields));
    }
    fl_buf_put(b, FL_LIT("\r\n"));
    fl_assert(fl_buf_ok(b));
    x->status = status;
}

/* --- errors --- */

static void put_attempts_json(const struct fl_exchange *x, struct fl_buf *b)
{
    fl_buf_putc(b, '[');
    for (unsigned i = 0; i < x->note_count; i++) {
        const struct fl_attempt_note *n = &x->notes[i];
        fl_buf_put_cstr(b, i > 0 ? ",{\"target\":" : "{\"target\":");
        fl_buf_put_json(b, n->target->id);
        fl_buf_put_cstr(b, ",\"error\":\"");
        fl_buf_put_cstr(b, fl_err_name(n->err));
        fl_buf_put_cstr(b, "\",\"status\":");
        fl_buf_put_u64(b, (uint64_t)n->status);
        fl_buf_put_cstr(b, ",\"ms\":");
        fl_buf_put_scaled(b, n->took_ns, 6, 1);
        fl_buf_putc(b, '}');
    }
    fl_buf_putc(b, ']');
}

/* The envelope, made in *b*; an empty message becomes the error's own text. Without memory for it: one that says
 * that. */
static struct fl_slice make_envelope(const struct fl_exchange *x, const struct fl_dialect *dialect, struct fl_buf *b,
                                     enum fl_err err, struct fl_slice message, const char *param)
{
    struct fl_buf attempts;
    fl_buf_init(&attempts, 8192);
    if (x && x->note_count > 0 && x->config->expose_decisions) {
        put_attempts_json(x, &attempts);
    }
    const struct fl_envelope envelope = {
        .message = message.len > 0 ? message : fl_slice_cstr(fl_err_text(err)),
        .param = fl_slice_cstr(param),
        .attempts = fl_buf_ok(&attempts) ? fl_buf_slice(&attempts) : FL_EMPTY,
        .request_id = x ? x->request_id : FL_EMPTY,
    };
    dialect->put_error(b, err, &envelope);
    fl_buf_finish(&attempts);
    return fl_buf_ok(b) ? fl_buf_slice(b)
                        : FL_LIT("{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\","
                                 "\"param\":null,\"code\":\"gateway_no_memory\"}}");
}

static void reply_error(struct fl_exchange *x, int status, enum fl_err err, struct fl_slice message,
                        const char *param)
{
    struct fl_buf b;
    fl_buf_init(&b, 64 * 1024);
    struct fl_slice body = make_envelope(x, x->dialect, &b, err, message, param);
    fl_reply_head(x, status, FL_LIT("application/json"), body.len);
    struct fl_slice pieces[2] = {fl_buf_slice(&x->worker->out), body};
    (void)fl_session_write(x->session, pieces, 2);
    fl_buf_finish(&b);
}

void fl_reply_error(struct fl_exchange *x, enum fl_err err, struct fl_slice message, const char *param)
{
    reply_error(x, fl_err_status(err), err, message, param);
}

void fl_reply_refusal(struct fl_exchange *x, int status, enum fl_err err, struct fl_slice message)
{
    reply_error(x, status, err, message, NULL);
}

void fl_reply_no_content(struct fl_exchange *x)
{
    struct fl_buf *b = &x->worker->out;
    fl_buf_reset(b);
    fl_h1_put_status(b, 204);
    fl_h1_put_field(b, FL_LIT("date: "), fl_worker_date(x->worker));
    put_decision(x, b, 204);
    fl_buf_put(b, x->keep_alive && !x->worker->draining ? FL_LIT("\r\n") : FL_LIT("connection: close\r\n\r\n"));
    struct fl_slice head = fl_buf_slice(b);
    (void)fl_session_write(x->session, &head, 1);
    x->status = 204;
    fl_exchange_done(x);
}

/* Parts of whole events, at most three; *kept*: for who comes back, too. */
static void write_events(struct fl_exchange *x, const struct fl_slice *parts, unsigned count, bool kept, bool last)
{
    char line[18];
    size_t len = 0;
    struct fl_slice pieces[5];
    for (unsigned i = 0; i < count; i++) {
        pieces[1 + i] = parts[i];
    }
    if (kept && x->replay) {
        fl_replayed_stamp(x, pieces + 1, &count);
    }
    for (unsigned i = 0; i < count; i++) {
        len += pieces[1 + i].len;
    }
    pieces[0] = fl_slice(line, fl_h1_chunk_line(line, len));
    pieces[1 + count] = last ? FL_LIT("\r\n0\r\n\r\n") : FL_LIT("\r\n");
    (void)fl_session_write(x->session, x->chunked ? pieces : pieces + 1, x->chunked ? count + 2 : count);
}

/* *field* and *text* as one event. */
static void write_event(struct fl_exchange *x, struct fl_slice field, struct fl_slice text, bool kept)
{
    const struct fl_slice parts[3] = {field, text, FL_LIT("\n\n")};
    write_events(x, parts, 3, kept, false);
}

/* As the responses API tells it in a stream. Its number is not known here: 0. */
static void put_responses_error(struct fl_buf *b, enum fl_err err, struct fl_slice message)
{
    fl_buf_put_cstr(b, "{\"type\":\"error\",\"sequence_number\":0,\"code\":\"");
    fl_buf_put_cstr(b, fl_err_name(err));
    fl_buf_put_cstr(b, "\",\"message\":");
    fl_buf_put_json(b, message.len > 0 ? message : fl_slice_cstr(fl_err_text(err)));
    fl_buf_put_cstr(b, ",\"param\":null}");
}

void fl_reply_put_seam(const struct fl_attempt *a, struct fl_buf *b)
{
    const struct fl_exchange *x = a->exchange;
    if (a->first_byte_ns == 0 && x->config->expose_decisions && x->note_count > 0) {
        fl_buf_put_cstr(b, ": x-fairlead-spliced: ");
        fl_buf_put(b, x->notes[x->note_count - 1].target->provider);
        fl_buf_putc(b, '>');
        fl_buf_put(b, a->target->provider);
        fl_buf_put_cstr(b, "\n\n");
    }
}

void fl_reply_last_events(struct fl_exchange *x, struct fl_slice events)
{
    write_events(x, &events, 1, true, true);
}

void fl_reply_error_event(struct fl_exchange *x, enum fl_err err, struct fl_slice message)
{
    struct fl_buf b;
    if (!x->event_stream) {
        return; /* a plain answer cut short: the missing bytes say it */
    }
    fl_buf_init(&b, 64 * 1024);
    if (x->endpoint == FL_ENDPOINT_RESPONSES) {
        put_responses_error(&b, err, message);
        write_event(x, FL_LIT("event: error\ndata: "), fl_buf_slice(&b), true);
    } else {
        struct fl_slice body = make_envelope(x, x->dialect, &b, err, message, NULL);
        write_event(x, x->endpoint == FL_ENDPOINT_MESSAGES ? FL_LIT("event: error\ndata: ") : FL_LIT("data: "),
                    body, true);
    }
    fl_buf_finish(&b);
}

/* A refusal has a head of its own. */
static bool refusal_arrives(const struct fl_exchange *x)
{
    bool arrives = false;
    for (unsigned i = 0; i < x->alive_count; i++) {
        const struct fl_attempt *a = x->attempts[i];
        arrives = arrives || (a->state == FL_ATTEMPT_HOLDING && a->status >= 400);
    }
    return arrives;
}

void fl_reply_heartbeat(struct fl_exchange *x)
{
    if (x->state == FL_EXCHANGE_TRYING && !x->head_by_heartbeat) {
        if (refusal_arrives(x)) {
            return;
        }
        fl_reply_head(x, 200, FL_LIT("text/event-stream; charset=utf-8"), UINT64_MAX);
        struct fl_slice head = fl_buf_slice(&x->worker->out);
        (void)fl_session_write(x->session, &head, 1);
        x->head_by_heartbeat = x->event_stream = true;
    }
    bool blocked = x->session->stream && x->session->stream->queued > 0;
    if (x->event_stream && !blocked && x->endpoint == FL_ENDPOINT_MESSAGES) {
        write_event(x, FL_LIT("event: ping\ndata: "), FL_LIT("{\"type\": \"ping\"}"), false);
    } else if (x->event_stream && !blocked) {
        write_event(x, FL_LIT(": "), FL_LIT("keep-alive"), false);
    }
}

void fl_reply_token_count(struct fl_exchange *x)
{
    char memory[64];
    struct fl_buf body;
    fl_buf_init_in(&body, memory, sizeof(memory));
    fl_buf_put_cstr(&body, "{\"input_tokens\":");
    fl_buf_put_u64(&body, x->tokens_in);
    fl_buf_putc(&body, '}');
    fl_reply_head(x, 200, FL_LIT("application/json"), body.len);
    struct fl_slice pieces[2] = {fl_buf_slice(&x->worker->out), fl_buf_slice(&body)};
    (void)fl_session_write(x->session, pieces, 2);
    fl_exchange_done(x);
}

void fl_reply_decision(struct fl_exchange *x)
{
    struct fl_buf body;
    fl_buf_init(&body, 64 * 1024);
    fl_decision_put_json(fl_decide_record(x), &body);
    fl_buf_putc(&body, '\n');
    fl_reply_head(x, 200, FL_LIT("application/json"), body.len);
    struct fl_slice pieces[2] = {fl_buf_slice(&x->worker->out), fl_buf_slice(&body)};
    (void)fl_session_write(x->session, pieces, 2);
    fl_buf_finish(&body);
    fl_exchange_done(x);
}

/* --- answers without an exchange --- */

void fl_reply_plain(struct fl_session *s, int status, struct fl_slice content_type, struct fl_slice body,
                    bool keep_alive, bool head_only)
{
    struct fl_buf *b = &s->worker->out;
    bool keep = keep_alive && !s->worker->draining;
    char id[40];
    fl_worker_make_id(s->worker, id);
    put_start(b, s->worker, status, content_type);
    fl_buf_put(b, FL_LIT("x-request-id: "));
    fl_buf_put_cstr(b, id);
    fl_buf_put(b, FL_LIT("\r\ncontent-length: "));
    fl_buf_put_u64(b, body.len);
    fl_buf_put(b, keep ? FL_LIT("\r\n\r\n") : FL_LIT("\r\nconnection: close\r\n\r\n"));
    struct fl_slice pieces[2] = {fl_buf_slice(b), body};
    (void)fl_session_write(s, pieces, head_only ? 1 : 2);
    if (!keep) {
        fl_session_close(s, FL_CLOSE_FLUSH);
    }
}

void fl_reply_plain_error(struct fl_session *s, enum fl_err err, struct fl_slice message, bool keep_alive)
{
    struct fl_buf b;
    fl_buf_init(&b, 64 * 1024);
    struct fl_slice body = make_envelope(NULL, s->dialect, &b, err, message, NULL);
    fl_reply_plain(s, fl_err_status(err), FL_LIT("application/json"), body, keep_alive, s->head_only);
    fl_buf_finish(&b);
}

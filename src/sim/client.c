/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: `out` holds what is still to be sent; a timer paces the pieces. Reading: `in` holds what
 * is not yet parsed. Going away: the connection is closed, the record stays.
 */
#include "sim/client.h"

#include "base/assert.h"
#include "codec/http1.h"
#include "codec/json.h"
#include "codec/sse.h"
#include "sim/fifo.h"

#include <stdlib.h>

enum { head_max = 65536, body_max = 256 << 20 };

struct answer {
    struct fl_simanswer pub; /* first */
    bool to_head;
    bool in_body, is_events;
    struct fl_h1_body framing;
    struct fl_sse sse;
    size_t sse_at; /* how much of the body is behind the last event */
};

struct fl_simclient {
    struct fl_sys *sys;
    struct fl_simclient_options options;
    char *host;
    struct fl_stream *stream; /* NULL once gone */
    struct fl_timer send_timer, read_timer, abort_timer;
    struct fl_fifo out;
    struct fl_buf in;
    size_t scanned;
    struct answer **answers;
    unsigned answer_count, current;
    bool opened, ended, aborted, finished;
    enum fl_err open_err, end_err;
    uint64_t sent, received, surplus;
    size_t read_left;
};

struct fl_simclient_options fl_simclient_options(const char *host, uint16_t port)
{
    return (struct fl_simclient_options){.host = fl_slice_cstr(host),
                                         .port = port,
                                         .abort_sent = FL_NEVER,
                                         .abort_received = FL_NEVER,
                                         .abort_ns = FL_NEVER,
                                         .keep_bytes = FL_NEVER,
                                         .abort_how = FL_CLOSE_NOW};
}

/* --- The end --- */

static void fail_rest(struct fl_simclient *c, enum fl_err err)
{
    for (; c->current < c->answer_count; c->current++) {
        struct fl_simanswer *a = &c->answers[c->current]->pub;
        a->err = err;
        a->end_ns = c->sys->now_ns;
    }
}

static void leave(struct fl_simclient *c, enum fl_close how)
{
    if (c->stream) {
        fl_stream_close(c->stream, how);
        c->stream = NULL;
    }
    fl_timers_stop(&c->sys->timers, &c->send_timer);
    fl_timers_stop(&c->sys->timers, &c->read_timer);
    fl_timers_stop(&c->sys->timers, &c->abort_timer);
}

void fl_simclient_abort(struct fl_simclient *c, enum fl_close how)
{
    if (c->stream) {
        c->aborted = true;
        leave(c, how);
        fail_rest(c, FL_ERR_CANCELLED);
    }
}

static void over(struct fl_simclient *c, enum fl_err err)
{
    leave(c, FL_CLOSE_NOW);
    fail_rest(c, err == FL_OK ? FL_ERR_CLOSED : err);
}

/* --- Answers --- */

static struct answer *new_answer(struct fl_simclient *c, bool to_head)
{
    struct answer *a = calloc(1, sizeof(*a));
    struct answer **grown = realloc(c->answers, (c->answer_count + 1) * sizeof(struct answer *));
    fl_assert(a != NULL && grown != NULL);
    c->answers = grown;
    c->answers[c->answer_count++] = a;
    a->to_head = to_head;
    a->pub.asked_ns = c->sys->now_ns;
    fl_buf_init(&a->pub.head, head_max);
    fl_buf_init(&a->pub.body, body_max);
    return a;
}

static void add_event(struct answer *a, uint64_t now_ns, const struct fl_sse_event *event)
{
    struct fl_simanswer *p = &a->pub;
    struct fl_simevent *grown = realloc(p->events, (p->event_count + 1) * sizeof(*grown));
    fl_assert(grown != NULL);
    p->events = grown;
    p->events[p->event_count++] = (struct fl_simevent){
        .at_ns = now_ns,
        .offset = event->data_lines > 0 ? (size_t)(event->data.ptr - p->body.ptr) : 0,
        .len = event->data_lines > 0 ? event->data.len : 0};
    if (event->data_lines > 0) {
        p->done_marker = fl_slice_eq(event->data, FL_LIT("[DONE]"));
    }
}

static void read_events(struct answer *a, uint64_t now_ns, bool at_end)
{
    struct fl_sse_event event;
    for (;;) {
        struct fl_slice rest = fl_slice_from(fl_buf_slice(&a->pub.body), a->sse_at);
        if (fl_sse_next(&a->sse, rest, at_end, body_max, NULL, &event) || event.raw.len == 0) {
            return;
        }
        add_event(a, now_ns, &event);
        a->sse_at += event.raw.len;
    }
}

static void complete(struct fl_simclient *c, struct answer *a)
{
    if (a->is_events) {
        read_events(a, c->sys->now_ns, true);
    }
    a->pub.complete = true;
    a->pub.end_ns = c->sys->now_ns;
    c->current++;
}

static enum fl_err read_head(struct fl_simclient *c, struct answer *a, bool *ret_more)
{
    struct fl_h1_head head;
    struct fl_h1_body_limits limits = {.bytes_max = body_max, .trailer_bytes_max = 8192};
    struct fl_slice in = fl_buf_slice(&c->in);
    size_t len = 0;
    *ret_more = false;
    enum fl_err err = fl_h1_head_find(in, head_max, false, &c->scanned, &len);
    if (err || len == 0) {
        return err;
    }
    err = fl_h1_parse_response(fl_slice_first(in, len), a->to_head, &head);
    if (err) {
        return err;
    }
    c->scanned = 0;
    *ret_more = true;
    if (head.status < 200) {
        a->pub.interim++;
        fl_buf_drop(&c->in, len);
        return FL_OK;
    }
    const struct fl_h1_header *type = fl_h1_find(&head, FL_H_CONTENT_TYPE);
    a->pub.status = head.status;
    a->pub.keep_alive = head.keep_alive;
    a->pub.head_ns = c->sys->now_ns;
    a->is_events = type && fl_slice_starts(type->value, FL_LIT("text/event-stream"));
    a->in_body = true;
    fl_buf_put(&a->pub.head, fl_slice_first(in, len));
    err = fl_h1_body_init(&a->framing, &head, limits);
    fl_buf_drop(&c->in, len);
    if (!err && a->framing.done) {
        complete(c, a);
    }
    return err;
}

static enum fl_err read_body(struct fl_simclient *c, struct answer *a, bool *ret_more)
{
    struct fl_slice in = fl_buf_slice(&c->in), piece = FL_EMPTY;
    enum fl_err err = FL_OK;
    uint64_t keep = c->options.keep_bytes < body_max ? c->options.keep_bytes : body_max;
    while (!err && !a->framing.done && in.len > 0) {
        err = fl_h1_body_next(&a->framing, &in, &piece);
        if (!err && piece.len > 0) {
            a->pub.first_ns = a->pub.first_ns > 0 ? a->pub.first_ns : c->sys->now_ns;
            a->pub.body_bytes += piece.len;
            fl_buf_put(&a->pub.body, fl_slice_first(piece, (size_t)(keep - a->pub.body.len)));
        }
    }
    fl_assert(fl_buf_ok(&a->pub.body));
    if (err) {
        return err;
    }
    fl_buf_drop(&c->in, c->in.len - in.len);
    if (a->is_events) {
        read_events(a, c->sys->now_ns, false);
    }
    *ret_more = a->framing.done;
    if (a->framing.done) {
        complete(c, a);
    }
    return FL_OK;
}

static void read_answers(struct fl_simclient *c)
{
    bool more = true;
    while (more && c->in.len > 0) {
        if (c->current == c->answer_count) {
            c->surplus += c->in.len;
            fl_buf_drop(&c->in, c->in.len);
            return;
        }
        struct answer *a = c->answers[c->current];
        enum fl_err err = a->in_body ? read_body(c, a, &more) : read_head(c, a, &more);
        if (err) {
            over(c, err);
            return;
        }
    }
}

/* --- Sending --- */

static void send_some(struct fl_simclient *c)
{
    const struct fl_simclient_options *o = &c->options;
    while (c->stream && c->out.len > 0) {
        size_t count = c->out.len;
        if (o->piece_bytes > 0 && count > o->piece_bytes) {
            count = o->piece_bytes;
        }
        if (count > o->abort_sent - c->sent) {
            count = (size_t)(o->abort_sent - c->sent);
        }
        struct fl_slice piece = fl_slice_first(fl_fifo_slice(&c->out), count);
        enum fl_err err = count > 0 ? fl_stream_write(c->stream, &piece, 1) : FL_OK;
        if (err) {
            fl_fifo_drop(&c->out, c->out.len); /* ended() follows */
            return;
        }
        fl_fifo_drop(&c->out, count);
        c->sent += count;
        if (c->sent >= o->abort_sent) {
            fl_simclient_abort(c, o->abort_how);
        } else if (o->piece_bytes > 0 && c->out.len > 0) {
            fl_sys_timer_in(c->sys, &c->send_timer, o->piece_gap_ns);
            return;
        }
    }
    if (c->stream && o->finish && !c->finished) {
        c->finished = true;
        c->stream->ops->finish(c->stream);
    }
}

static void on_send_timer(struct fl_timer *timer)
{
    send_some(fl_container_of(timer, struct fl_simclient, send_timer));
}

void fl_simclient_send(struct fl_simclient *c, struct fl_slice bytes, unsigned requests, bool heads)
{
    for (unsigned i = 0; i < requests; i++) {
        (void)new_answer(c, heads);
    }
    fl_fifo_put(&c->out, bytes.ptr, bytes.len);
    if (!c->stream) {
        fail_rest(c, c->aborted ? FL_ERR_CANCELLED : FL_ERR_CLOSED);
    } else if (c->opened && c->send_timer.slot == 0) {
        send_some(c);
    }
}

void fl_simclient_request(struct fl_simclient *c, const char *method, const char *path,
                          const char *headers, struct fl_slice body)
{
    struct fl_buf b;
    fl_buf_init(&b, body_max);
    fl_buf_put_cstr(&b, method);
    fl_buf_putc(&b, ' ');
    fl_buf_put_cstr(&b, path);
    fl_buf_put(&b, FL_LIT(" HTTP/1.1\r\nhost: "));
    fl_buf_put_cstr(&b, c->host);
    fl_buf_put(&b, FL_LIT("\r\n"));
    fl_buf_put_cstr(&b, headers);
    if (body.len > 0) {
        fl_buf_put(&b, FL_LIT("content-type: application/json\r\ncontent-length: "));
        fl_buf_put_u64(&b, body.len);
        fl_buf_put(&b, FL_LIT("\r\n"));
    }
    fl_buf_put(&b, FL_LIT("\r\n"));
    fl_buf_put(&b, body);
    fl_assert(fl_buf_ok(&b));
    fl_simclient_send(c, fl_buf_slice(&b), 1, fl_slice_eq(fl_slice_cstr(method), FL_LIT("HEAD")));
    fl_buf_finish(&b);
}

void fl_simclient_chat(struct fl_simclient *c, const char *model, const char *prompt, bool stream)
{
    struct fl_buf b;
    fl_buf_init(&b, body_max);
    fl_buf_put(&b, FL_LIT("{\"model\":"));
    fl_buf_put_json(&b, fl_slice_cstr(model));
    fl_buf_put(&b, FL_LIT(",\"messages\":[{\"role\":\"user\",\"content\":"));
    fl_buf_put_json(&b, fl_slice_cstr(prompt));
    fl_buf_put(&b, FL_LIT("}]"));
    fl_buf_put(&b, stream ? FL_LIT(",\"stream\":true}") : FL_LIT("}"));
    fl_simclient_request(c, "POST", "/v1/chat/completions", "", fl_buf_slice(&b));
    fl_buf_finish(&b);
}

/* --- Events --- */

static void on_opened(void *owner, enum fl_err err)
{
    struct fl_simclient *c = owner;
    c->opened = true;
    c->open_err = err;
    if (err) {
        over(c, err);
    } else {
        send_some(c);
    }
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct fl_simclient *c = owner;
    const struct fl_simclient_options *o = &c->options;
    bytes = fl_slice_first(bytes, (size_t)(o->abort_received - c->received < bytes.len
                                               ? o->abort_received - c->received
                                               : bytes.len));
    c->received += bytes.len;
    fl_buf_put(&c->in, bytes);
    fl_assert(fl_buf_ok(&c->in));
    read_answers(c);
    if (c->stream && c->received >= o->abort_received) {
        fl_simclient_abort(c, o->abort_how);
    }
    if (!c->stream || o->read_bytes == 0) {
        return;
    }
    c->read_left = bytes.len < c->read_left ? c->read_left - bytes.len : 0;
    if (c->read_left == 0) {
        c->read_left = o->read_bytes;
        c->stream->ops->pause(c->stream);
        fl_sys_timer_in(c->sys, &c->read_timer, o->read_gap_ns);
    }
}

static void on_read_timer(struct fl_timer *timer)
{
    struct fl_simclient *c = fl_container_of(timer, struct fl_simclient, read_timer);
    c->stream->ops->resume(c->stream);
}

static void on_ended(void *owner, enum fl_err err)
{
    struct fl_simclient *c = owner;
    c->ended = true;
    c->end_err = err;
    if (err == FL_OK && c->current < c->answer_count && c->answers[c->current]->in_body &&
        fl_h1_body_end(&c->answers[c->current]->framing) == FL_OK) {
        complete(c, c->answers[c->current]);
    }
    over(c, err);
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_abort_timer(struct fl_timer *timer)
{
    struct fl_simclient *c = fl_container_of(timer, struct fl_simclient, abort_timer);
    fl_simclient_abort(c, c->options.abort_how);
}

/* --- Life --- */

struct fl_simclient *fl_simclient_create(struct fl_sys *sys,
                                         const struct fl_simclient_options *options)
{
    static const struct fl_stream_events events = {on_opened, on_bytes, on_ended, on_drained, NULL, NULL};
    struct fl_simclient *c = calloc(1, sizeof(*c));
    fl_assert(c != NULL);
    c->sys = sys;
    c->options = *options;
    c->host = fl_slice_dup(options->host);
    fl_assert(c->host != NULL);
    c->options.host = fl_slice_cstr(c->host);
    c->send_timer.fire = on_send_timer;
    c->read_timer.fire = on_read_timer;
    c->abort_timer.fire = on_abort_timer;
    c->read_left = options->read_bytes;
    fl_buf_init(&c->in, body_max);
    if (options->abort_ns != FL_NEVER) {
        fl_sys_timer_in(sys, &c->abort_timer, options->abort_ns);
    }
    enum fl_err err = sys->ops->dial(sys, c->options.host, options->port, &events, c, &c->stream);
    if (err) {
        c->opened = true;
        c->open_err = err;
        over(c, err);
    }
    return c;
}

void fl_simclient_destroy(struct fl_simclient *c)
{
    if (!c) {
        return;
    }
    leave(c, FL_CLOSE_NOW);
    for (unsigned i = 0; i < c->answer_count; i++) {
        fl_buf_finish(&c->answers[i]->pub.head);
        fl_buf_finish(&c->answers[i]->pub.body);
        free(c->answers[i]->pub.events);
        free(c->answers[i]);
    }
    free(c->answers);
    fl_fifo_finish(&c->out);
    fl_buf_finish(&c->in);
    free(c->host);
    free(c);
}

/* --- The record --- */

unsigned fl_simclient_answers(const struct fl_simclient *c)
{
    return c->answer_count;
}

const struct fl_simanswer *fl_simclient_answer(const struct fl_simclient *c, unsigned index)
{
    fl_assert(index < c->answer_count);
    return &c->answers[index]->pub;
}

bool fl_simclient_settled(const struct fl_simclient *c)
{
    return c->current == c->answer_count;
}

bool fl_simclient_until(void *client)
{
    return fl_simclient_settled(client);
}

bool fl_simclient_opened(const struct fl_simclient *c, enum fl_err *ret_err)
{
    if (c->opened) {
        *ret_err = c->open_err;
    }
    return c->opened;
}

bool fl_simclient_ended(const struct fl_simclient *c, enum fl_err *ret_err)
{
    if (c->ended) {
        *ret_err = c->end_err;
    }
    return c->ended;
}

bool fl_simclient_aborted(const struct fl_simclient *c)
{
    return c->aborted;
}

uint64_t fl_simclient_surplus(const struct fl_simclient *c)
{
    return c->surplus;
}

uint64_t fl_simclient_received(const struct fl_simclient *c)
{
    return c->received;
}

uint64_t fl_simclient_sent(const struct fl_simclient *c)
{
    return c->sent;
}

struct fl_slice fl_simanswer_header(const struct fl_simanswer *a, const char *name)
{
    struct fl_h1_head head;
    if (a->head.len == 0 || fl_h1_parse_response(fl_buf_slice(&a->head), false, &head)) {
        return FL_EMPTY;
    }
    for (unsigned i = 0; i < head.header_count; i++) {
        if (fl_slice_eq_nocase(head.headers[i].name, fl_slice_cstr(name))) {
            return head.headers[i].value;
        }
    }
    return FL_EMPTY;
}

static void put_text(struct fl_slice json, struct fl_buf *b)
{
    static const char *const paths[3][2] = {
        {"delta", "content"}, {"message", "content"}, {"text", NULL}};
    struct fl_json value, choice;
    struct fl_buf scratch;
    struct fl_slice text;
    if (fl_json_scan(json, FL_JSON_LIMITS, NULL, 0, &value, NULL)) {
        return;
    }
    struct fl_json_iter it = fl_json_iter(fl_json_get(value, FL_LIT("choices")));
    fl_buf_init(&scratch, body_max);
    if (fl_json_next(&it, NULL, &choice)) {
        for (unsigned i = 0; i < 3; i++) {
            struct fl_json at = fl_json_get(choice, fl_slice_cstr(paths[i][0]));
            at = paths[i][1] ? fl_json_get(at, fl_slice_cstr(paths[i][1])) : at;
            if (fl_json_text(at, &scratch, &text)) {
                fl_buf_put(b, text);
                break;
            }
        }
    }
    fl_buf_finish(&scratch);
}

void fl_simanswer_text(const struct fl_simanswer *a, struct fl_buf *b)
{
    struct fl_slice body = fl_buf_slice(&a->body);
    for (unsigned i = 0; i < a->event_count; i++) {
        const struct fl_simevent *e = &a->events[i];
        put_text(fl_slice_first(fl_slice_from(body, e->offset), e->len), b);
    }
    if (a->event_count == 0) {
        put_text(body, b);
    }
}

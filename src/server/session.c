/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's connection.
 *
 *   [HANDSHAKE ->] HEAD -> BODY -> EXCHANGE -> HEAD ...
 *                    |       |        |-> [LAST ->] CLOSED
 *                    |       |        `-> DETACHED -> CLOSED   (its client may come back for the answer's rest)
 *                    `-------`-> CLOSED    (malformed, too slow, too big: answered first where one can)
 *
 * Requests are read one at a time, and none before the answers to those before it are taken; bytes of later
 * ones wait in `in`, and the stream is paused when too many do. The stream is read while an exchange is
 * under way, so that a client that goes away is noticed at once. Timeouts are totals, not gaps: a client
 * that sends or takes a byte now and then gets no more time; one that keeps the minimum rate does.
 */
#include "server/internal.h"

#include <stdlib.h>

enum { in_bytes = 192 * 1024, in_pause_bytes = 64 * 1024, reserve_bytes = 256 * 1024, room_bytes_min = 8 * 1024 };
enum { reserve_from_bytes = 4 * 1024 }; /* a client that drips is given no more room than it fills */

static void session_due(struct fl_timer *timer);
static void read_on(struct fl_session *s, struct fl_slice bytes);

static const struct fl_config *config_of(const struct fl_session *s)
{
    return s->worker->current->snapshot->config;
}

static void enter(struct fl_session *s, enum fl_session_state state)
{
    static const bool allowed[FL_SESSION_STATE_COUNT][FL_SESSION_STATE_COUNT] = {
        [FL_SESSION_HANDSHAKE] = {[FL_SESSION_HEAD] = true, [FL_SESSION_CLOSED] = true},
        [FL_SESSION_HEAD] = {[FL_SESSION_BODY] = true, [FL_SESSION_HEAD] = true, [FL_SESSION_LAST] = true,
                             [FL_SESSION_CLOSED] = true},
        [FL_SESSION_BODY] = {[FL_SESSION_EXCHANGE] = true, [FL_SESSION_HEAD] = true, [FL_SESSION_LAST] = true,
                             [FL_SESSION_CLOSED] = true},
        [FL_SESSION_EXCHANGE] = {[FL_SESSION_HEAD] = true, [FL_SESSION_LAST] = true, [FL_SESSION_CLOSED] = true,
                                 [FL_SESSION_DETACHED] = true},
        [FL_SESSION_DETACHED] = {[FL_SESSION_CLOSED] = true},
        [FL_SESSION_LAST] = {[FL_SESSION_CLOSED] = true},
    };
    fl_assert(allowed[s->state][state]);
    s->state = state;
}

/* --- deadlines --- */

/* The client has not taken all that it was sent. */
static bool is_blocked(const struct fl_session *s)
{
    return s->blocked_since_ns > 0;
}

/* When *bytes* since *since_ns* are too few: *grace_ns*, and a second for each so many. */
static uint64_t too_few_at(const struct fl_session *s, uint64_t since_ns, uint64_t grace_ns, uint64_t bytes)
{
    return since_ns + grace_ns + bytes / (config_of(s)->limits.body_bytes_per_s + 1) * FL_NS_S;
}

static uint64_t taken_too_few_at(const struct fl_session *s)
{
    uint64_t queued = s->stream->queued;
    uint64_t taken = s->blocked_bytes > queued ? s->blocked_bytes - queued : 0;
    return too_few_at(s, s->blocked_since_ns, config_of(s)->timeouts.idle_ns, taken);
}

/* When the state the session is in has lasted too long. */
static uint64_t due_at(const struct fl_session *s)
{
    const struct fl_limits *l = &config_of(s)->limits;
    if (s->mute) {
        return 0;
    }
    switch (s->state) {
    case FL_SESSION_HANDSHAKE:
        return s->since_ns + l->head_ns;
    case FL_SESSION_HEAD:
        if (is_blocked(s)) {
            return taken_too_few_at(s);
        }
        return s->since_ns + (s->in.len == 0 && s->served_any ? l->idle_ns : l->head_ns);
    case FL_SESSION_BODY: {
        uint64_t due = too_few_at(s, s->since_ns, l->body_ns, s->body.total);
        return due < s->exchange->deadline_ns ? due : s->exchange->deadline_ns;
    }
    case FL_SESSION_EXCHANGE:
    case FL_SESSION_LAST:
        return is_blocked(s) ? taken_too_few_at(s) : FL_NEVER;
    case FL_SESSION_DETACHED:
        return fl_replayed_due_ns(s->exchange);
    case FL_SESSION_CLOSED:
    case FL_SESSION_STATE_COUNT:
        break;
    }
    return FL_NEVER;
}

/* The timer is lazy: it may fire early and is then set anew. */
static void arm(struct fl_session *s)
{
    uint64_t due = due_at(s);
    if (due != FL_NEVER && (s->timer.slot == 0 || due < s->timer.at_ns)) {
        fl_timers_set(&s->worker->sys->timers, &s->timer, due);
    }
}

/* The client's connection is gone, or it does not read: its exchange ends with it, unless it may come back. */
static void lose_client(struct fl_session *s, enum fl_close how)
{
    if (s->state == FL_SESSION_EXCHANGE && fl_replayed_may_go_on(s->exchange)) {
        fl_session_detach(s, how);
    } else {
        fl_session_close(s, how);
    }
}

static void too_slow(struct fl_session *s)
{
    if (s->mute) {
        lose_client(s, FL_CLOSE_RESET);
        return;
    }
    switch (s->state) {
    case FL_SESSION_HEAD:
        if (is_blocked(s)) {
            fl_session_close(s, FL_CLOSE_RESET);
        } else if (s->in.len > 0) {
            fl_reply_plain_error(s, FL_ERR_SLOW,
                                 FL_LIT("The request head did not arrive in time (limits.head_timeout)."), false);
        } else {
            fl_session_close(s, FL_CLOSE_NOW);
        }
        break;
    case FL_SESSION_BODY:
        fl_exchange_refuse(s->exchange, FL_ERR_SLOW,
                           FL_LIT("The request body did not arrive in time (limits.body_timeout)."), NULL);
        break;
    case FL_SESSION_HANDSHAKE:
    case FL_SESSION_EXCHANGE: /* does not read what it is sent */
    case FL_SESSION_LAST:
    case FL_SESSION_DETACHED: /* does not come back */
        lose_client(s, FL_CLOSE_RESET);
        break;
    case FL_SESSION_CLOSED:
    case FL_SESSION_STATE_COUNT:
        break;
    }
}

static void session_due(struct fl_timer *timer)
{
    struct fl_session *s = fl_container_of(timer, struct fl_session, timer);
    if (due_at(s) > s->worker->sys->now_ns) {
        arm(s);
    } else {
        too_slow(s);
    }
}

/* --- life --- */

static void on_opened(void *owner, enum fl_err err)
{
    struct fl_session *s = owner;
    if (err) {
        fl_session_close(s, FL_CLOSE_NOW);
        return;
    }
    enter(s, FL_SESSION_HEAD);
    s->since_ns = s->worker->sys->now_ns;
    arm(s);
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct fl_session *s = owner;
    if (s->state != FL_SESSION_LAST) {
        read_on(s, bytes);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    lose_client(owner, err ? FL_CLOSE_NOW : FL_CLOSE_FLUSH);
}

static void on_drained(void *owner)
{
    struct fl_session *s = owner;
    s->blocked_since_ns = 0;
    if (s->exchange) {
        fl_exchange_drained(s->exchange);
    } else if (s->state == FL_SESSION_LAST) {
        fl_session_close(s, FL_CLOSE_FLUSH);
    } else {
        s->since_ns = s->worker->sys->now_ns;
        read_on(s, FL_EMPTY);
    }
}

/* The client is behind from now on, as fl_session_write() finds it otherwise. */
static void note_blocked(struct fl_session *s, size_t queued_before)
{
    if (s->stream->queued > 0 && !is_blocked(s)) {
        s->blocked_since_ns = s->worker->sys->now_ns;
        s->blocked_bytes = queued_before;
        arm(s);
    }
}

static void on_stalled(void *owner)
{
    struct fl_session *s = owner;
    note_blocked(s, s->stream->queued);
    if (s->exchange) {
        fl_exchange_stalled(s->exchange);
    }
}

/* Much of a body is still to come: it is read to where it will stand. */
static size_t on_room(void *owner, char **ret_at)
{
    struct fl_session *s = owner;
    if (s->state != FL_SESSION_BODY || s->body.framing != FL_H1_LENGTH || s->body.left < room_bytes_min ||
        s->in.len > 0 || s->exchange->body.len < reserve_from_bytes) {
        return 0;
    }
    struct fl_buf *body = &s->exchange->body;
    size_t len = s->body.left < reserve_bytes ? (size_t)s->body.left : reserve_bytes;
    char *at = fl_buf_room(body, len);
    if (!at) {
        return 0; /* the body's next bytes find the buffer failed */
    }
    *ret_at = at;
    return len;
}

static const struct fl_stream_events stream_events = {on_opened,  on_bytes, on_ended,
                                                        on_drained, on_room,  on_stalled};

static void refuse_connection(struct fl_stream *stream)
{
    static const struct fl_stream_events deaf;
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n"
                                 "retry-after: 1\r\ncontent-length: 0\r\n\r\n";
    struct fl_slice piece = FL_LIT(answer);
    stream->on = &deaf;
    (void)!fl_stream_write(stream, &piece, 1);
    fl_stream_close(stream, FL_CLOSE_NOW);
}

void fl_session_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct fl_worker *w = owner;
    const struct fl_snapshot *snapshot = w->current->snapshot;
    struct fl_session *s = NULL;
    if (w->stats.sessions_open < snapshot->config->limits.client_connections) {
        s = calloc(1, sizeof(*s));
    }
    if (!s) {
        refuse_connection(stream);
        return;
    }
    s->worker = w;
    s->peer = *peer;
    s->dialect = &fl_dialect_openai;
    s->timer.fire = session_due;
    s->since_ns = w->sys->now_ns;
    fl_buf_init(&s->in, in_bytes);
    fl_list_init(&s->link);
    fl_list_append(&w->sessions, &s->link);
    w->stats.sessions++;
    w->stats.sessions_open++;
    s->stream = stream;
    if (snapshot->listen_tls) {
        s->state = FL_SESSION_HANDSHAKE;
        s->stream = NULL;
        enum fl_err err = fl_tls_accept(snapshot->listen_tls, w->sys, stream, &stream_events, s, &s->stream);
        if (err) {
            fl_session_close(s, FL_CLOSE_NOW);
            return;
        }
    } else {
        s->state = FL_SESSION_HEAD;
        stream->on = &stream_events;
        stream->owner = s;
    }
    arm(s);
}

static void free_session(struct fl_session *s)
{
    fl_buf_finish(&s->in);
    free(s);
}

void fl_session_close(struct fl_session *s, enum fl_close how)
{
    struct fl_worker *w = s->worker;
    if (s->state == FL_SESSION_CLOSED) {
        return;
    }
    enter(s, FL_SESSION_CLOSED);
    if (s->stream) {
        fl_stream_close(s->stream, s->mute ? FL_CLOSE_RESET : how);
        s->stream = NULL;
    }
    if (s->exchange) {
        fl_exchange_cancel(s->exchange);
    }
    fl_assert(!s->exchange);
    fl_timers_stop(&w->sys->timers, &s->timer);
    fl_list_remove(&s->link);
    w->stats.sessions_open--;
    if (!s->in_loop) {
        free_session(s);
    }
    fl_worker_session_gone(w);
}

void fl_session_detach(struct fl_session *s, enum fl_close how)
{
    fl_assert(!s->in_loop);
    enter(s, FL_SESSION_DETACHED);
    fl_stream_close(s->stream, s->mute ? FL_CLOSE_RESET : how);
    s->stream = NULL;
    s->mute = s->paused = false;
    s->blocked_since_ns = 0;
    fl_buf_finish(&s->in);
    fl_replayed_client_left(s->exchange);
    fl_exchange_drained(s->exchange);
    fl_timers_set(&s->worker->sys->timers, &s->timer, fl_replayed_due_ns(s->exchange));
}

bool fl_session_close_if_idle(struct fl_session *s)
{
    if (s->state == FL_SESSION_DETACHED && !fl_replayed_is_read(s->exchange)) {
        fl_session_close(s, FL_CLOSE_NOW);
        return true;
    }
    bool idle = s->state == FL_SESSION_HEAD && s->in.len == 0;
    if (idle && is_blocked(s)) { /* not before the answer is taken */
        enter(s, FL_SESSION_LAST);
        return false;
    }
    if (idle) {
        fl_session_close(s, FL_CLOSE_NOW);
    }
    return idle;
}

bool fl_session_write(struct fl_session *s, const struct fl_slice *pieces, unsigned count)
{
    if (!s->stream || s->state == FL_SESSION_CLOSED) {
        return false;
    }
    size_t before = s->stream->queued;
    if (fl_stream_write(s->stream, pieces, count)) {
        s->mute = true;
        arm(s);
        return false;
    }
    note_blocked(s, before);
    s->blocked_bytes += s->stream->queued > before ? s->stream->queued - before : 0;
    return true;
}

/* --- reading requests --- */

static void want_more_head(struct fl_session *s, size_t kept)
{
    if (kept > 0 && s->in.len == 0) { /* first bytes of a head: its total time starts */
        s->since_ns = s->worker->sys->now_ns;
    }
}

/* Takes one request head from the front of *bytes*. False: more bytes are needed, or the session ended. */
static bool take_head(struct fl_session *s, struct fl_slice *bytes)
{
    struct fl_h1_head *head = &s->worker->head;
    size_t len = 0;
    s->head_only = false;
    enum fl_err err = fl_h1_head_find(*bytes, config_of(s)->limits.head_bytes, true, &s->scanned, &len);
    if (!err && len == 0) {
        return false;
    }
    if (!err) {
        err = fl_h1_parse_request(fl_slice_first(*bytes, len), head);
    }
    if (err) {
        fl_reply_plain_error(s, err, FL_EMPTY, false);
        return false;
    }
    *bytes = fl_slice_from(*bytes, len);
    s->scanned = 0;
    s->since_ns = s->worker->sys->now_ns;
    s->served_any = true;
    s->head_only = head->method == FL_H1_HEAD;
    if (fl_endpoints_open(s, head)) {
        enter(s, FL_SESSION_BODY);
        if (head->expect_continue && bytes->len == 0) {
            struct fl_slice go_on = FL_LIT("HTTP/1.1 100 Continue\r\n\r\n");
            (void)fl_session_write(s, &go_on, 1);
        }
    }
    return s->state != FL_SESSION_CLOSED;
}

/* A piece that was read into the body's own room stands there already. */
static void keep_piece(struct fl_buf *body, struct fl_slice piece)
{
    if (body->ptr && piece.ptr == body->ptr + body->len) {
        fl_buf_grow(body, piece.len);
    } else {
        fl_buf_put(body, piece);
    }
}

static bool take_body(struct fl_session *s, struct fl_slice *bytes)
{
    struct fl_exchange *x = s->exchange;
    if (x->body.cap == 0 && s->body.framing == FL_H1_LENGTH && !s->body.done &&
        (bytes->len >= s->body.left || bytes->len >= reserve_from_bytes)) {
        /* Grow once, not by doubling; but a client that drips is given no more than it has sent. */
        (void)fl_buf_room(&x->body, s->body.left < reserve_bytes ? (size_t)s->body.left : reserve_bytes);
    }
    while (!s->body.done) {
        struct fl_slice piece;
        enum fl_err err = fl_h1_body_next(&s->body, bytes, &piece);
        if (!err) {
            keep_piece(&x->body, piece);
            err = fl_buf_ok(&x->body) ? FL_OK : FL_ERR_NOMEM;
        }
        if (err) {
            fl_exchange_refuse(x, err, FL_EMPTY, NULL);
            return false;
        }
        if (bytes->len == 0 && !s->body.done) {
            return false;
        }
    }
    enter(s, FL_SESSION_EXCHANGE);
    fl_exchange_run(x);
    return s->state == FL_SESSION_HEAD;
}

/* Takes requests from *bytes* as long as there are whole ones; what is left is for later. */
static void take_requests(struct fl_session *s, struct fl_slice *bytes)
{
    bool more = true;
    while (more) {
        if (s->state == FL_SESSION_HEAD) {
            more = bytes->len > 0 && !is_blocked(s) && !s->mute && take_head(s, bytes);
        } else {
            more = s->state == FL_SESSION_BODY && (bytes->len > 0 || s->body.done) && take_body(s, bytes);
        }
    }
}

static void limit_input(struct fl_session *s)
{
    bool full = s->in.len >= in_pause_bytes && (s->state == FL_SESSION_EXCHANGE || is_blocked(s));
    if (full && !s->paused) {
        s->stream->ops->pause(s->stream);
        s->paused = true;
    } else if (!full && s->paused) {
        s->stream->ops->resume(s->stream);
        s->paused = false;
    }
}

static void read_on(struct fl_session *s, struct fl_slice bytes)
{
    struct fl_slice rest = bytes;
    bool stashed = s->in.len > 0;
    fl_assert(!s->in_loop);
    s->in_loop = true;
    if (stashed) {
        fl_buf_put(&s->in, bytes);
        rest = fl_buf_slice(&s->in);
    }
    if (!fl_buf_ok(&s->in)) {
        fl_session_close(s, FL_CLOSE_RESET);
    } else {
        take_requests(s, &rest);
    }
    if (s->state == FL_SESSION_CLOSED) {
        free_session(s);
        return;
    }
    s->in_loop = false;
    if (stashed) {
        fl_buf_drop(&s->in, s->in.len - rest.len);
    } else {
        want_more_head(s, s->state == FL_SESSION_HEAD ? rest.len : 0);
        fl_buf_put(&s->in, rest);
    }
    if (!fl_buf_ok(&s->in)) {
        fl_session_close(s, FL_CLOSE_RESET);
        return;
    }
    limit_input(s);
    arm(s);
}

void fl_session_answered(struct fl_session *s, bool keep_alive)
{
    fl_assert(!s->exchange);
    if (s->state == FL_SESSION_CLOSED) {
        return;
    }
    if (s->state == FL_SESSION_DETACHED) {
        fl_session_close(s, FL_CLOSE_NOW);
        return;
    }
    if (keep_alive && !s->mute && !s->worker->draining) {
        enter(s, FL_SESSION_HEAD);
    } else if (is_blocked(s)) {
        enter(s, FL_SESSION_LAST);
        arm(s);
        return;
    } else {
        fl_session_close(s, FL_CLOSE_FLUSH);
        return;
    }
    s->since_ns = s->worker->sys->now_ns;
    s->scanned = 0;
    if (s->in_loop) {
        return;
    }
    if (s->in.len > 0) {
        read_on(s, FL_EMPTY);
    } else {
        arm(s);
    }
}

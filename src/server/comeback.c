/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that comes back for the rest of its stream: a request at the stream's endpoint with
 * Last-Event-ID, a reader of a replay (replay.h). Its body says nothing new. It reads as fast as its connection
 * takes it:
 *
 *   events from the ring -> its connection -> (not taken at once) -> drained() -> more events
 *                       `-> (no more yet) -> its call is rung -> more events
 */
#include "server/internal.h"

#include "server/replay.h"

enum { number_digits_max = 19 };

struct fl_comeback {
    struct fl_exchange *exchange;
    struct fl_call call;
    struct fl_replay_reader reader;
};

/* --- the id --- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As we wrote it: "<32 hexadecimal digits>.<number>". */
static bool parse_id(struct fl_slice id, uint8_t ret_token[FL_REPLAY_TOKEN_BYTES], uint64_t *ret_number)
{
    const size_t token_len = 2 * FL_REPLAY_TOKEN_BYTES;
    if (id.len < token_len + 2 || id.ptr[token_len] != '.') {
        return false;
    }
    for (size_t i = 0; i < token_len; i += 2) {
        int high = hex_digit(id.ptr[i]), low = hex_digit(id.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_token[i / 2] = (uint8_t)(high * 16 + low);
    }
    struct fl_slice number = fl_slice_from(id, token_len + 1);
    return number.len <= number_digits_max && fl_slice_u64(number, ret_number);
}

/* An EventSource sends the header only when it has had an event: the first time, the URL has to say it. */
static struct fl_slice id_of_query(const struct fl_h1_head *head)
{
    const struct fl_slice name = FL_LIT("last_event_id=");
    struct fl_slice rest = fl_slice_from(head->target, head->path.len + 1);
    while (rest.len > 0) {
        size_t end = fl_slice_find(rest, '&');
        struct fl_slice pair = fl_slice_first(rest, end);
        if (fl_slice_starts(pair, name)) {
            return fl_slice_from(pair, name.len);
        }
        rest = fl_slice_from(rest, end + 1);
    }
    return FL_EMPTY;
}

struct fl_slice fl_comeback_id(const struct fl_worker *w, const struct fl_h1_head *head)
{
    const struct fl_h1_header *h =
        head->seen >> FL_H_LAST_EVENT_ID & 1 ? fl_h1_find(head, FL_H_LAST_EVENT_ID) : NULL;
    bool off = !w->options.replays || w->current->snapshot->config->limits.replay_bytes == 0;
    if (off || (!h && head->method != FL_H1_GET)) {
        return FL_EMPTY;
    }
    return h && h->value.len > 0 ? h->value : head->method == FL_H1_GET ? id_of_query(head) : FL_EMPTY;
}

/* --- refusals --- */

static void refuse(struct fl_exchange *x, enum fl_err err, const char *why)
{
    fl_exchange_refuse(x, err, fl_slice_cstr(why), "Last-Event-ID");
}

static void refuse_found(struct fl_exchange *x, enum fl_replay_found found)
{
    if (found == FL_REPLAY_OVERWRITTEN) {
        refuse(x, FL_ERR_OVERWRITTEN,
               "Events behind this Last-Event-ID are not kept any more (limits.replay). Send the request again, "
               "without the header.");
    } else if (found == FL_REPLAY_AHEAD) {
        refuse(x, FL_ERR_REQUEST, "The stream of this Last-Event-ID has had no such event yet.");
    } else {
        refuse(x, FL_ERR_REPLAY,
               "The stream of this Last-Event-ID is not known here, or not any more: it is kept for "
               "limits.replay_grace, for the key and at the endpoint that it was asked for with. Send the request "
               "again, without the header.");
    }
}

/* --- reading --- */

static void write_piece(struct fl_exchange *x, struct fl_slice events, bool last)
{
    char line[18];
    struct fl_slice pieces[4];
    unsigned n = 0;
    if (x->worker->out.len > 0) { /* the head */
        pieces[n++] = fl_buf_slice(&x->worker->out);
    }
    if (events.len > 0 && x->chunked) {
        pieces[n++] = fl_slice(line, fl_h1_chunk_line(line, events.len));
    }
    if (events.len > 0) {
        pieces[n++] = events;
    }
    if (x->chunked && (events.len > 0 || last)) {
        pieces[n++] = events.len == 0 ? FL_LIT("0\r\n\r\n") : last ? FL_LIT("\r\n0\r\n\r\n") : FL_LIT("\r\n");
    }
    if (n > 0 && fl_session_write(x->session, pieces, n)) {
        x->bytes_out += events.len;
    }
    fl_buf_reset(&x->worker->out);
    x->last_write_ns = x->worker->sys->now_ns;
    if (x->first_byte_ns == 0 && events.len > 0) {
        x->first_byte_ns = x->last_write_ns;
    }
}

/* As the stream itself did. */
static void end_as(struct fl_exchange *x, struct fl_replay_outcome outcome)
{
    if (outcome.state == FL_REPLAY_BROKEN) {
        fl_exchange_cut(x, outcome.err);
    } else if (outcome.state == FL_REPLAY_GONE) {
        fl_exchange_broken(x, outcome.err);
    } else if (outcome.err) {
        fl_exchange_failed(x, outcome.err);
    } else {
        fl_exchange_done(x);
    }
}

/* Writes what there is, as far as the connection takes it. The exchange may be over when it returns. */
static void pump(struct fl_exchange *x)
{
    struct fl_comeback *c = x->comeback;
    struct fl_session *s = x->session;
    struct fl_buf *b = &x->worker->replay_scratch.stamped;
    enum fl_replay_took took = FL_REPLAY_MORE;
    struct fl_replay_outcome outcome = {FL_REPLAY_OPEN, FL_OK};
    while (took == FL_REPLAY_MORE && !s->mute && s->stream->queued == 0) {
        fl_buf_reset(b);
        took = fl_replay_take(&c->reader, fl_replay_piece_bytes(&c->reader), b, &outcome);
        if (!fl_buf_ok(b)) {
            took = FL_REPLAY_REPLACED; /* without memory: it may come back once more */
        } else if (took != FL_REPLAY_REPLACED) {
            write_piece(x, fl_buf_slice(b), took == FL_REPLAY_ENDED && outcome.state == FL_REPLAY_WHOLE);
        }
    }
    if (took == FL_REPLAY_ENDED) {
        end_as(x, outcome);
    } else if (took == FL_REPLAY_REPLACED) {
        fl_session_close(s, FL_CLOSE_RESET);
    }
}

void fl_comeback_go_on(struct fl_exchange *x)
{
    fl_buf_reset(&x->worker->out);
    pump(x);
}

static void called(struct fl_call *call)
{
    struct fl_comeback *c = fl_container_of(call, struct fl_comeback, call);
    if (fl_replay_is_replaced(&c->reader)) { /* also one that does not read */
        fl_session_close(c->exchange->session, FL_CLOSE_RESET);
    } else {
        fl_comeback_go_on(c->exchange);
    }
}

/* An EventSource asks again when a stream has ended, until it is told that there is no more. */
static bool has_all(struct fl_exchange *x)
{
    return x->by_get && fl_replay_has_all(&x->comeback->reader);
}

void fl_comeback_start(struct fl_exchange *x)
{
    uint8_t token[FL_REPLAY_TOKEN_BYTES];
    uint64_t after = 0;
    struct fl_replay_owner owner = fl_replayed_owner(x);
    struct fl_comeback *c = fl_arena_zero(&x->arena, sizeof(*c));
    fl_buf_finish(&x->body);
    if (!c || x->arena.failed) {
        fl_exchange_refuse(x, FL_ERR_NOMEM, FL_EMPTY, NULL);
        return;
    }
    if (!parse_id(x->asking->last_event_id, token, &after)) {
        refuse(x, FL_ERR_REQUEST,
               "The value of the header 'Last-Event-ID' is not the id of an event of a stream from here.");
        return;
    }
    c->exchange = x;
    fl_call_init(&c->call, &x->worker->bell, called);
    enum fl_replay_found found =
        fl_replay_attach(x->worker->options.replays, &owner, token, after, &c->call, &c->reader);
    if (found != FL_REPLAY_FOUND) {
        refuse_found(x, found);
        return;
    }
    x->comeback = c;
    fl_exchange_answer(x);
    if (has_all(x)) {
        fl_reply_no_content(x);
        return;
    }
    fl_reply_head(x, 200, FL_LIT("text/event-stream; charset=utf-8"), UINT64_MAX);
    fl_exchange_watch(x);
    pump(x);
}

struct fl_slice fl_comeback_stream_id(const struct fl_exchange *x)
{
    return fl_replay_request_id(&x->comeback->reader);
}

void fl_comeback_end(struct fl_exchange *x)
{
    struct fl_worker *w = x->worker;
    fl_replay_leave(&x->comeback->reader, w->sys->now_ns);
    x->comeback = NULL;
    fl_replays_tend(w, x->config->limits.replay_grace_ns);
}

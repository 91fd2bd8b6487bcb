/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer on its way from a provider to a client.
 *
 * Plain answers are held until they are whole (when they are not too big): a broken one can then still
 * fail over, and the common case - all of it in one read - is sent on from the read buffer. Streams are sent
 * on in whole events as they come, in place; only an unfinished tail is kept. Our framing is written anew:
 * neither side's chunk sizes reach the other.
 *
 * A stream is committed by its first event with content (or by its end): what comes before - the role, "created",
 * pings - says nothing that another target would not say too, and is held in the attempt until then, so that a
 * provider that fails there is not noticed.
 */
#include "dialect/ratelimit.h"
#include "dialect/refusal.h"
#include "server/feedback.h"
#include "server/gather.h"
#include "server/internal.h"

enum { translated_kept_bytes = 1024 };

/* The end of a whole answer. What is learned of it is learned before: whoever has it may say at once, on another
 * connection, what it was worth. */
static void flush_whole(struct fl_attempt *a, struct fl_gather *g)
{
    fl_decide_teach(a->exchange, fl_attempt_usage(a));
    fl_gather_flush(a, g, true);
}

/* From now on it is the gaps between bytes that are timed. */
static void note_life(struct fl_attempt *a)
{
    if (!a->alive) {
        a->alive = true;
        fl_exchange_watch(a->exchange);
    }
}

static void note_first_byte(struct fl_attempt *a)
{
    if (a->first_byte_ns == 0) {
        a->first_byte_ns = a->exchange->worker->sys->now_ns;
        if (a->state == FL_ATTEMPT_STREAMING && a->dispatch.streaming) {
            fl_route_first_byte(a->target, &a->dispatch, a->first_byte_ns);
        }
    }
}

static void succeed(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    fl_attempt_end(a, FL_OK);
    fl_exchange_done(x);
}

/* --- taking the body apart --- */

static bool more_of(const struct fl_attempt *a, struct fl_slice in)
{
    return (in.len > 0 && !a->body.done) || (a->unpack && a->unpack->more);
}

/* Next piece of the body, unframed and uncompressed; it may be empty. A compressed body's piece lives only
 * until the next call. */
static enum fl_err next_piece(struct fl_attempt *a, struct fl_slice *in, struct fl_slice *ret_piece)
{
    if (a->unpack) {
        return fl_unpack_next(a, in, ret_piece);
    }
    return fl_h1_body_next(&a->body, in, ret_piece) ? FL_ERR_BAD_RESPONSE : FL_OK;
}

/* Is there more, but not now? Then *in* was kept, or the attempt is over. */
static bool must_wait(struct fl_attempt *a, struct fl_slice in)
{
    enum fl_err err = FL_OK;
    if (!a->unpack || !fl_unpack_waits(a, in, &err)) {
        return false;
    }
    if (err) {
        fl_attempt_fail(a, err);
    }
    return true;
}

/* --- plain answers --- */

/* What an answer with an error status means; its body may say when to come again. */
static enum fl_err read_refusal(struct fl_attempt *a, struct fl_slice body)
{
    if (a->rates && (a->status == 429 || a->status == 503)) {
        fl_ratelimit_body(a->rates, body);
    }
    return a->error_name.len > 0 ? a->dialect->read_named_error(a->status, a->error_name, body)
                                 : a->dialect->read_error(a->status, body);
}

/* The same from a provider of another dialect: its message, in the client's envelope. */
static void translate_refusal(struct fl_attempt *a, enum fl_err err, struct fl_slice body)
{
    enum { message_bytes_max = 2048 };
    struct fl_exchange *x = a->exchange;
    char decoded[message_bytes_max];
    struct fl_buf scratch;
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    struct fl_slice message = a->translation->err ? fl_translation_error_text(a->translation)
                                                  : fl_refusal_message(body, &scratch);
    if (message.len == 0 || x->head_by_heartbeat) {
        fl_attempt_end(a, err);
        fl_exchange_give_up(x, err);
        return;
    }
    fl_exchange_commit(a);
    fl_reply_refusal(x, a->status >= 400 ? a->status : fl_err_status(err), err, message);
    fl_attempt_end(a, err);
    fl_exchange_failed(x, err);
}

/* Is a held body in the client's own form, whatever becomes of it? A stream of events is in none that is held. */
static bool is_own_body(const struct fl_attempt *a)
{
    return !a->translation || (a->own_form && a->exchange->stream);
}

/* A refusal that no other target can mend: the provider's own words reach the client, with its status. */
static void pass_refusal(struct fl_attempt *a, enum fl_err err, struct fl_slice body)
{
    struct fl_exchange *x = a->exchange;
    if (!is_own_body(a)) {
        translate_refusal(a, err, body);
        return;
    }
    struct fl_gather g;
    fl_gather_init(&g);
    struct fl_json whole;
    bool refusal = a->status >= 400 || err != FL_ERR_BAD_RESPONSE; /* an error inside a 200 is one too */
    bool json = refusal && body.len > 0 && fl_json_scan(body, FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK &&
                whole.type == FL_JSON_OBJECT;
    if (!json || x->head_by_heartbeat) {
        fl_attempt_end(a, err);
        fl_exchange_give_up(x, err);
        return;
    }
    int status = a->status >= 400 ? a->status : fl_err_status(err);
    fl_exchange_commit(a);
    fl_reply_head(x, status, FL_LIT("application/json"), body.len);
    fl_gather_add(&g, body);
    fl_gather_flush(a, &g, true);
    fl_attempt_end(a, err);
    fl_exchange_failed(x, err);
}

/* Does a stream come where a whole answer was asked for? Then its events are read as they come, and their parts kept. */
static bool collects(const struct fl_attempt *a)
{
    return a->other_kind && !a->exchange->stream;
}

/* What the answer is; a translated one becomes the client's. */
static enum fl_err read_held(struct fl_attempt *a, struct fl_slice *body)
{
    struct fl_translation *t = a->translation;
    if (a->status >= 400) {
        return read_refusal(a, *body);
    }
    if (a->exchange->pass) {
        if (fl_pass_is_json(a->content_type)) {
            a->usage = &a->exchange->worker->usage;
            fl_pass_read_usage(*body, a->usage);
        }
        return FL_OK;
    }
    if (is_own_body(a) && !collects(a)) {
        a->usage = &a->exchange->worker->usage;
        enum fl_err told = a->dialect->read_answer(*body, a->usage);
        told = told == FL_ERR_ERROR_IN_200 ? a->dialect->read_error(a->status, *body) : told;
        if (!t || told) {
            return told;
        }
    }
    bool as_stream = a->exchange->stream;
    enum fl_err err =
        collects(a) ? fl_translation_collect(t, FL_EMPTY, true) : fl_translation_answer(t, *body, as_stream);
    a->usage = t->usage.known ? &t->usage : NULL;
    if (!err) {
        *body = fl_buf_slice(&t->out);
        a->content_type = as_stream ? FL_LIT("text/event-stream; charset=utf-8") : FL_LIT("application/json");
    }
    return err;
}

static void held_answer(struct fl_attempt *a, struct fl_slice body)
{
    struct fl_exchange *x = a->exchange;
    struct fl_gather g;
    fl_gather_init(&g);
    enum fl_err err = read_held(a, &body);
    if (a->continues) { /* the client has a stream */
        fl_attempt_fail(a, err ? err : FL_ERR_BAD_RESPONSE);
        return;
    }
    if (err && fl_exchange_may_retry(a, err)) {
        fl_attempt_fail(a, err);
        return;
    }
    if (err) {
        pass_refusal(a, err, body);
        return;
    }
    if (fl_lessons_curious(x->worker->options.lessons)) {
        fl_signals_read(body, x->length_limited, x->schema_asked, &x->signals);
    }
    if (x->endpoint == FL_ENDPOINT_RESPONSES && !a->translation) {
        fl_recall_note_answer(x, a->target->provider, body);
    }
    fl_exchange_commit(a);
    if (a->translation && x->stream) {
        fl_replayed_begin(x);
    }
    if (!x->head_by_heartbeat) {
        fl_reply_head(x, a->status, a->content_type, x->replay ? UINT64_MAX : body.len);
    }
    fl_gather_add(&g, body);
    flush_whole(a, &g);
    succeed(a);
}

/* From here on the body is sent as it comes. What its head promises is the length as the client gets it: that
 * of a compressed answer is not known. */
static void start_passing(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    struct fl_gather g;
    bool length_known = a->body.framing == FL_H1_LENGTH && !a->unpack;
    fl_gather_init(&g);
    fl_attempt_enter(a, FL_ATTEMPT_PASSING);
    fl_exchange_commit(a);
    fl_reply_head(x, a->status, a->content_type, length_known ? a->body.total + a->body.left : UINT64_MAX);
    fl_gather_add(&g, fl_buf_slice(&a->hold));
    fl_gather_flush(a, &g, false);
    fl_buf_finish(&a->hold);
}

static void pass_bytes(struct fl_attempt *a, struct fl_slice in)
{
    struct fl_gather g;
    fl_gather_init(&g);
    while (more_of(a, in)) {
        struct fl_slice piece;
        if (must_wait(a, in)) {
            return;
        }
        enum fl_err err = next_piece(a, &in, &piece);
        if (err) {
            fl_attempt_fail(a, err);
            return;
        }
        fl_gather_add(&g, piece);
        if (g.count == FL_GATHER_PIECES || a->unpack) {
            fl_gather_flush(a, &g, false);
        }
    }
    a->conn_keep = a->conn_keep && in.len == 0;
    if (a->body.done) {
        flush_whole(a, &g);
        succeed(a);
    } else {
        fl_gather_flush(a, &g, false);
    }
}

/* More than is held: an error's text is judged by its beginning, an answer goes on its way with what is left of
 * this read. */
static void hold_overflows(struct fl_attempt *a, struct fl_slice in)
{
    if (a->status >= 400 || a->translation) {
        enum fl_err long_one = a->other_kind ? FL_ERR_BAD_RESPONSE : FL_ERR_TOO_BIG;
        fl_attempt_fail(a, a->status >= 400 ? read_refusal(a, fl_buf_slice(&a->hold)) : long_one);
        return;
    }
    start_passing(a);
    pass_bytes(a, in);
}

static void collect_bytes(struct fl_attempt *a, struct fl_slice in)
{
    while (more_of(a, in) && !a->translation->done) {
        struct fl_slice piece;
        if (must_wait(a, in)) {
            return;
        }
        enum fl_err err = next_piece(a, &in, &piece);
        if (!err && piece.len > 0) {
            note_life(a);
            note_first_byte(a);
            err = fl_translation_collect(a->translation, piece, false);
        }
        if (err) {
            fl_attempt_fail(a, err);
            return;
        }
    }
    if (a->body.done || a->translation->done) {
        a->conn_keep = a->conn_keep && in.len == 0;
        held_answer(a, FL_EMPTY);
    }
}

static void hold_bytes(struct fl_attempt *a, struct fl_slice in)
{
    struct fl_slice whole = FL_EMPTY, piece;
    size_t most = fl_attempt_hold_bytes(a);
    if (a->exchange->pass && a->status < 300 && !fl_pass_is_json(a->content_type)) { /* sound, perhaps as it is made */
        note_life(a);
        note_first_byte(a);
        start_passing(a);
        pass_bytes(a, in);
        return;
    }
    while (more_of(a, in)) {
        if (must_wait(a, in)) {
            return;
        }
        enum fl_err err = next_piece(a, &in, &piece);
        if (err) {
            fl_attempt_fail(a, err);
            return;
        }
        if (piece.len == 0) {
            continue;
        }
        note_life(a);
        note_first_byte(a);
        if (a->hold.len == 0 && whole.len == 0 && !a->unpack) {
            whole = piece; /* perhaps all of it: not copied yet */
            continue;
        }
        fl_buf_put(&a->hold, whole);
        whole = FL_EMPTY;
        fl_buf_put(&a->hold, piece);
        if (a->hold.len > most) {
            break;
        }
    }
    bool all = a->body.done && !more_of(a, in) && a->hold.len <= most;
    fl_buf_put(&a->hold, all ? FL_EMPTY : whole);
    if (!fl_buf_ok(&a->hold)) {
        fl_attempt_fail(a, FL_ERR_NOMEM);
    } else if (all) {
        a->conn_keep = a->conn_keep && in.len == 0;
        held_answer(a, whole.len > 0 ? whole : fl_buf_slice(&a->hold));
    } else if (a->hold.len > most) {
        hold_overflows(a, in);
    }
}

/* --- streams --- */

/* The head, and what was held back. */
static void commit_stream(struct fl_attempt *a, struct fl_gather *g)
{
    struct fl_exchange *x = a->exchange;
    note_first_byte(a);
    fl_exchange_commit(a);
    fl_replayed_begin(x);
    if (!x->head_by_heartbeat) {
        struct fl_slice type = a->translation ? FL_LIT("text/event-stream; charset=utf-8") : a->content_type;
        fl_reply_head(x, a->status, type, UINT64_MAX);
        fl_buf_finish(&a->fields); /* a stream may last */
        x->event_stream = true;
    }
    if (x->resume && !a->translation) {
        fl_resume_note_all(x->resume, fl_buf_slice(&a->preamble));
    }
    fl_gather_add(g, fl_buf_slice(&a->preamble));
}

/* An event before the commit point. False: the attempt is over. *ret_held*: it waits with those before it. */
static bool take_early(struct fl_attempt *a, const struct fl_sse_event *event, struct fl_event_facts *facts,
                       struct fl_gather *g, bool *ret_held)
{
    bool error = facts->kind == FL_EVENT_ERROR;
    enum fl_err err = error ? a->dialect->read_error(a->status, event->data) : FL_OK;
    *ret_held = false;
    if (error && fl_exchange_may_retry(a, err)) {
        fl_attempt_fail(a, err);
        return false;
    }
    if (!error && !facts->valid && a->preamble.len == 0) { /* a later one may be garbled: it did begin well */
        fl_attempt_fail(a, FL_ERR_BAD_RESPONSE);
        return false;
    }
    bool starts = error /* with no target left it is the client's to see */ || facts->content || facts->finish ||
                  facts->kind == FL_EVENT_DONE;
    if (!starts && a->preamble.len + event->raw.len <= FL_PREAMBLE_BYTES) {
        *ret_held = true;
    } else {
        commit_stream(a, g);
    }
    return true;
}

/* A last event without its empty line was cut off, unless it is whole and says that it is the last one. */
static bool is_cut_off(const struct fl_event_facts *event)
{
    bool last = event->kind == FL_EVENT_DONE || event->kind == FL_EVENT_ERROR || event->finish;
    return !event->valid || !last;
}

/* Sends what a continued stream has ready. */
static void flush_continued(struct fl_attempt *a, struct fl_gather *g)
{
    struct fl_buf *out = &a->exchange->resume->out;
    fl_gather_add(g, fl_buf_slice(out));
    fl_gather_flush(a, g, false);
    fl_buf_reset(out);
}

/* An event of a stream that continues another one. False: the attempt is over. */
static bool take_continued(struct fl_attempt *a, const struct fl_sse_event *event, bool at_end, struct fl_gather *g,
                           bool *ret_pass)
{
    struct fl_exchange *x = a->exchange;
    struct fl_event_facts facts;
    *ret_pass = false;
    a->dialect->read_event(x->endpoint, event, true, &facts, fl_attempt_usage_room(a));
    fl_attempt_keep_usage(a);
    if (at_end && is_cut_off(&facts)) {
        return true;
    }
    if (facts.kind == FL_EVENT_ERROR || (!facts.valid && a->first_byte_ns == 0)) {
        fl_attempt_fail(a, facts.valid ? a->dialect->read_error(a->status, event->data) : FL_ERR_BAD_RESPONSE);
        return false;
    }
    if (facts.content || facts.finish) {
        fl_reply_put_seam(a, &x->resume->out);
        note_first_byte(a);
    }
    a->finish_seen = a->finish_seen || facts.finish;
    a->done_seen = facts.kind == FL_EVENT_DONE;
    if (a->done_seen) {
        fl_resume_end(x->resume);
    } else if (facts.kind != FL_EVENT_USAGE || x->usage_asked || !fl_pool_provider(a->pool)->stream_options) {
        fl_resume_take(x->resume, event);
    }
    if (x->resume->failed) {
        fl_attempt_fail(a, FL_ERR_NOMEM);
        return false;
    }
    flush_continued(a, g);
    *ret_pass = a->done_seen;
    return true;
}

/* One event: *ret_pass, or the attempt is over (false). *at_end*: it has no empty line. */
static bool take_event(struct fl_attempt *a, const struct fl_sse_event *event, bool at_end, struct fl_gather *g,
                       bool *ret_pass)
{
    struct fl_exchange *x = a->exchange;
    struct fl_event_facts facts;
    bool answering = x->state == FL_EXCHANGE_ANSWERING, held = false;
    if (a->continues && event->data_lines > 0) {
        return take_continued(a, event, at_end, g, ret_pass);
    }
    if (event->data_lines == 0) { /* comments keep a stream alive once it has begun */
        *ret_pass = answering;
        return true;
    }
    a->dialect->read_event(x->endpoint, event, !answering || at_end, &facts, fl_attempt_usage_room(a));
    fl_attempt_keep_usage(a);
    if (at_end && is_cut_off(&facts)) {
        *ret_pass = false;
        return true;
    }
    if (!answering && !take_early(a, event, &facts, g, &held)) {
        return false;
    }
    if (answering && x->resume && facts.kind == FL_EVENT_ERROR &&
        fl_resume_judge(x->resume) != FL_RESUME_NEVER) { /* not the last word */
        fl_gather_flush(a, g, false);
        fl_attempt_fail(a, a->dialect->read_error(a->status, event->data));
        return false;
    }
    a->error_seen = a->error_seen || facts.kind == FL_EVENT_ERROR;
    a->finish_seen = a->finish_seen || facts.finish;
    if (x->endpoint == FL_ENDPOINT_RESPONSES) {
        fl_recall_note_event(x, a->target->provider, event);
    }
    if (facts.finish) {
        fl_signals_read_event(event->data, x->length_limited, &x->signals);
    }
    a->done_seen = a->done_seen || facts.kind == FL_EVENT_DONE;
    *ret_pass = facts.kind != FL_EVENT_USAGE || x->usage_asked ||
                !fl_pool_provider(a->pool)->stream_options; /* else it is ours to see only */
    if (x->resume && x->winner == a && *ret_pass && !held) {
        fl_resume_note(x->resume, event);
    }
    if (held) {
        fl_buf_put(&a->preamble, *ret_pass ? event->raw : FL_EMPTY);
        *ret_pass = false;
        if (!fl_buf_ok(&a->preamble)) {
            fl_attempt_fail(a, FL_ERR_NOMEM);
            return false;
        }
    }
    return true;
}

/* Gathers the whole events at the front of *src*; *ret_used* bytes of it are done with. False: over. */
static bool take_events(struct fl_attempt *a, struct fl_slice src, bool at_end, struct fl_gather *g,
                        size_t *ret_used)
{
    struct fl_exchange *x = a->exchange;
    size_t used = 0;
    while (!a->done_seen) {
        struct fl_sse_event event;
        bool pass = false;
        fl_buf_reset(&x->worker->joined);
        enum fl_err err = fl_sse_next(&a->sse, fl_slice_from(src, used), at_end, x->config->limits.event_bytes,
                                      &x->worker->joined, &event);
        if (err) {
            fl_gather_flush(a, g, false);
            fl_attempt_fail(a, err);
            return false;
        }
        if (event.raw.len == 0) {
            break;
        }
        note_life(a);
        used += event.raw.len;
        if (!take_event(a, &event, at_end, g, &pass)) {
            return false;
        }
        if (pass) {
            if (g->count + 1 >= FL_GATHER_PIECES) {
                fl_gather_flush(a, g, false);
            }
            fl_gather_add(g, event.raw);
            fl_gather_add(g, at_end ? FL_LIT("\n\n") : FL_EMPTY);
        }
    }
    *ret_used = used;
    return true;
}

/* A piece of body: events in place when nothing is held, else appended to what is held. */
static bool stream_piece(struct fl_attempt *a, struct fl_slice piece, bool at_end, struct fl_gather *g)
{
    size_t used = 0;
    bool stashed = a->hold.len > 0;
    if (stashed) {
        fl_buf_put(&a->hold, piece);
        if (!fl_buf_ok(&a->hold)) { /* an event too long was refused before */
            fl_gather_flush(a, g, false);
            fl_attempt_fail(a, FL_ERR_NOMEM);
            return false;
        }
    }
    struct fl_slice src = stashed ? fl_buf_slice(&a->hold) : piece;
    if (!take_events(a, src, at_end, g, &used)) {
        return false;
    }
    if (stashed && used > 0) {
        if (a->done_seen && !a->error_seen) {
            flush_whole(a, g);
        } else {
            fl_gather_flush(a, g, a->done_seen);
        }
        fl_buf_drop(&a->hold, used);
        a->flushed_end = a->done_seen;
    } else if (!stashed && !a->done_seen) {
        fl_buf_put(&a->hold, fl_slice_from(src, used));
        if (!fl_buf_ok(&a->hold)) {
            fl_gather_flush(a, g, false);
            fl_attempt_fail(a, FL_ERR_NOMEM);
            return false;
        }
    }
    return true;
}

/* A proper end: the terminal event, a finish reason, or an error that was told in the stream. */
static void stream_over(struct fl_attempt *a, struct fl_gather *g)
{
    struct fl_exchange *x = a->exchange;
    bool told = a->error_seen;
    bool complete = a->done_seen || a->finish_seen || told;
    if (!complete || x->state != FL_EXCHANGE_ANSWERING) {
        fl_gather_flush(a, g, false);
        fl_attempt_fail(a, FL_ERR_CLOSED);
        return;
    }
    if (!a->flushed_end && !told) {
        flush_whole(a, g);
    } else if (!a->flushed_end) {
        fl_gather_flush(a, g, true);
    }
    fl_attempt_end(a, told ? FL_ERR_ERROR_IN_200 : FL_OK);
    if (told) {
        fl_exchange_failed(x, FL_ERR_ERROR_IN_200);
    } else {
        fl_exchange_done(x);
    }
}

/* --- streams of another dialect --- */

static void tell_seam_once(struct fl_attempt *a)
{
    const struct fl_translation *t = a->translation;
    if (t->content || t->done) {
        fl_reply_put_seam(a, &a->exchange->resume->out);
        note_first_byte(a);
    }
}

/* An error told behind the answer's beginning is not the last word, and was not sent on. */
static bool may_go_on(const struct fl_attempt *a)
{
    const struct fl_resume *r = a->exchange->resume;
    return r && (a->continues || fl_resume_judge(r) != FL_RESUME_NEVER);
}

/* What a translation has ready; false: the attempt is over. */
static bool send_translated(struct fl_attempt *a, struct fl_gather *g)
{
    struct fl_exchange *x = a->exchange;
    struct fl_translation *t = a->translation;
    if (x->state != FL_EXCHANGE_ANSWERING) {
        if (t->err && !t->content) { /* an error, and nothing before it */
            if (fl_exchange_may_retry(a, t->err)) {
                fl_attempt_fail(a, t->err);
            } else {
                translate_refusal(a, t->err, FL_EMPTY);
            }
            return false;
        }
        if (!t->content && !t->done && t->out.len <= FL_PREAMBLE_BYTES) {
            return true;
        }
        commit_stream(a, g);
    }
    if (a->continues) {
        tell_seam_once(a);
        fl_resume_dress(x->resume, fl_buf_slice(&t->out));
        if (x->resume->failed) {
            fl_attempt_fail(a, FL_ERR_NOMEM);
            return false;
        }
        fl_gather_add(g, fl_buf_slice(&x->resume->out));
    } else {
        fl_gather_add(g, fl_buf_slice(&t->out));
    }
    if (!t->done || a->error_seen) {
        fl_gather_flush(a, g, false);
    } else {
        flush_whole(a, g);
        a->flushed_end = true;
    }
    if (t->out.cap > translated_kept_bytes) {
        fl_buf_finish(&t->out);
    } else { /* the next event fits as well */
        fl_buf_reset(&t->out);
    }
    if (a->continues) {
        fl_buf_reset(&x->resume->out);
    }
    if (t->err && may_go_on(a)) {
        fl_attempt_fail(a, t->err);
        return false;
    }
    return true;
}

static bool translate_piece(struct fl_attempt *a, struct fl_slice piece, bool at_end, struct fl_gather *g)
{
    struct fl_translation *t = a->translation;
    enum fl_err err = fl_translation_feed(t, piece, at_end);
    if (piece.len > 0) {
        note_life(a);
    }
    a->usage = t->usage.known ? &t->usage : NULL;
    a->finish_seen = t->finish_seen;
    a->done_seen = t->done;
    a->error_seen = t->err != FL_OK;
    if (!send_translated(a, g)) {
        return false;
    }
    if (err) {
        fl_attempt_fail(a, err);
        return false;
    }
    return true;
}

/* --- streams of either kind --- */

/* A piece of body; false: the attempt is over. */
static bool take_piece(struct fl_attempt *a, struct fl_slice piece, bool at_end, struct fl_gather *g)
{
    if (a->done_seen || (a->translation && a->error_seen)) {
        return true; /* nothing that follows an end counts */
    }
    if (a->translation) {
        return translate_piece(a, piece, at_end, g);
    }
    return (at_end ? a->hold.len : piece.len) == 0 || stream_piece(a, piece, at_end, g);
}

static void stream_bytes(struct fl_attempt *a, struct fl_slice in)
{
    struct fl_gather g;
    fl_gather_init(&g);
    while (more_of(a, in)) {
        struct fl_slice piece;
        if (must_wait(a, in)) {
            return;
        }
        enum fl_err err = next_piece(a, &in, &piece);
        if (err) {
            fl_gather_flush(a, &g, false);
            fl_attempt_fail(a, err);
            return;
        }
        if (!take_piece(a, piece, false, &g)) {
            return;
        }
        if (a->unpack && !a->done_seen) {
            fl_gather_flush(a, &g, false);
        }
    }
    a->conn_keep = a->conn_keep && in.len == 0;
    if (a->body.done && !take_piece(a, FL_EMPTY, true, &g)) {
        return;
    }
    bool told = a->translation && a->error_seen;
    if (a->body.done || a->done_seen || told) {
        stream_over(a, &g);
    } else {
        fl_gather_flush(a, &g, false);
    }
}

/* --- both --- */

static void take_bytes(struct fl_attempt *a, struct fl_slice in)
{
    fl_buf_reset(&a->exchange->worker->out);
    if (a->state == FL_ATTEMPT_STREAMING) {
        stream_bytes(a, in);
    } else if (a->state == FL_ATTEMPT_HOLDING && collects(a)) {
        collect_bytes(a, in);
    } else if (a->state == FL_ATTEMPT_HOLDING) {
        hold_bytes(a, in);
    } else {
        pass_bytes(a, in);
    }
}

void fl_relay_bytes(struct fl_attempt *a, struct fl_slice in)
{
    if (a->unpack) {
        fl_unpack_new_read(a->unpack);
    }
    take_bytes(a, in);
}

void fl_relay_go_on(struct fl_attempt *a)
{
    struct fl_slice in;
    if (fl_unpack_go_on(a, &in)) {
        take_bytes(a, in);
    }
}

void fl_relay_ended(struct fl_attempt *a, enum fl_err err)
{
    struct fl_gather g;
    fl_gather_init(&g);
    a->conn_keep = false;
    fl_buf_reset(&a->exchange->worker->out);
    enum fl_err whole = err ? err : fl_h1_body_end(&a->body);
    if (!whole && a->unpack && !fl_unpack_done(a->unpack)) {
        whole = FL_ERR_CLOSED;
    }
    if (whole) {
        fl_attempt_fail(a, whole);
    } else if (a->state == FL_ATTEMPT_STREAMING) {
        if (take_piece(a, FL_EMPTY, true, &g)) {
            stream_over(a, &g);
        }
    } else if (a->state == FL_ATTEMPT_HOLDING) {
        held_answer(a, fl_buf_slice(&a->hold));
    } else {
        flush_whole(a, &g);
        succeed(a);
    }
}

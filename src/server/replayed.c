/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange whose stream its client may come back for: the writer of a replay (replay.h).
 *
 *   with its client -> (the connection ends, or somebody comes back) -> without: the session is DETACHED, what
 *   is written goes into the ring only -> the stream's end, or nobody read it for a grace period: cancelled
 *
 * Each event gets a line "id: <token>.<number>" of ours in front, on whichever way it goes to the client; one of
 * the provider's own is left out, since the client would send it back. Comments have no number and are not kept.
 */
#include "server/internal.h"

#include "server/replay.h"

enum { scratch_kept_bytes = 64 * 1024 };

struct fl_replayed {
    struct fl_exchange *exchange;
    struct fl_replay *replay;
    struct fl_call call;
    struct fl_sse sse;
    uint64_t number; /* of the last event */
    bool left;       /* its client did not stay to the end */
    bool lost;       /* it goes on as without a replay, as long as its client is there */
    char token[2 * FL_REPLAY_TOKEN_BYTES + 1];
};

static void called(struct fl_call *call);

static void put_token(const uint8_t token[FL_REPLAY_TOKEN_BYTES],
                      char ret_text[2 * FL_REPLAY_TOKEN_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < FL_REPLAY_TOKEN_BYTES; i++) {
        ret_text[2 * i] = digits[token[i] >> 4];
        ret_text[2 * i + 1] = digits[token[i] & 15];
    }
    ret_text[2 * FL_REPLAY_TOKEN_BYTES] = '\0';
}

/* --- beginning --- */

struct fl_replay_owner fl_replayed_owner(const struct fl_exchange *x)
{
    return (struct fl_replay_owner){.endpoint = x->endpoint,
                                    .key_sha256 = x->client_key ? x->client_key->sha256 : NULL};
}

static bool wanted(const struct fl_exchange *x)
{
    bool asked = x->wishes.replay || (x->plan->route->replay && !x->wishes.replay_off);
    return asked && x->stream && x->config->limits.replay_bytes > 0 && x->worker->options.replays &&
           !x->worker->draining;
}

void fl_replayed_begin(struct fl_exchange *x)
{
    uint8_t token[FL_REPLAY_TOKEN_BYTES];
    struct fl_sys *sys = x->worker->sys;
    const struct fl_limits *l = &x->config->limits;
    if (x->replay || !wanted(x)) {
        return;
    }
    struct fl_replayed *r = fl_arena_zero(&x->arena, sizeof(*r));
    if (!r) {
        return; /* as one that was not asked for */
    }
    struct fl_replay_owner owner = fl_replayed_owner(x);
    struct fl_replay_limits limits = {.bytes = l->replay_bytes,
                                      .total_bytes = l->replay_total_bytes,
                                      .event_bytes = l->event_bytes,
                                      .grace_ns = l->replay_grace_ns};
    sys->ops->entropy(sys, token, sizeof(token));
    put_token(token, r->token);
    r->exchange = x;
    fl_call_init(&r->call, &x->worker->bell, called);
    r->replay = fl_replay_open(x->worker->options.replays, &owner, &limits, token, x->request_id, &r->call);
    x->replay = r->replay ? r : NULL;
}

/* --- events on their way --- */

/* False: it is not kept. */
static bool stamp_event(struct fl_replayed *r, const struct fl_sse_event *event, bool first,
                        struct fl_buf *out)
{
    struct fl_slice raw = event->raw;
    size_t start = out->len;
    if (first && fl_slice_starts(raw, FL_LIT("\xef\xbb\xbf"))) { /* it means nothing behind our line */
        raw = fl_slice_from(raw, 3);
    }
    if (event->data_lines == 0) {
        fl_sse_put_without_id(raw, out);
        return true;
    }
    fl_buf_put(out, FL_LIT("id: "));
    fl_buf_put(out, fl_slice(r->token, 2 * FL_REPLAY_TOKEN_BYTES));
    fl_buf_putc(out, '.');
    fl_buf_put_u64(out, ++r->number);
    fl_buf_putc(out, '\n');
    fl_sse_put_without_id(raw, out);
    return fl_buf_ok(out) && fl_replay_put(r->replay, fl_slice_from(fl_buf_slice(out), start));
}

/* Nobody can come back any more. If its client has gone too, it is over at the loop's next look. */
static void lose(struct fl_replayed *r)
{
    struct fl_session *s = r->exchange->session;
    r->lost = true;
    fl_replay_lose(r->replay);
    if (s->state == FL_SESSION_DETACHED) {
        fl_timers_set(&s->worker->sys->timers, &s->timer, s->worker->sys->now_ns);
    }
}

static struct fl_slice joined(struct fl_buf *b, const struct fl_slice *pieces, unsigned count)
{
    fl_buf_reset(b);
    for (unsigned i = 0; i < count; i++) {
        fl_buf_put(b, pieces[i]);
    }
    return fl_buf_slice(b);
}

void fl_replayed_stamp(struct fl_exchange *x, struct fl_slice *io_pieces, unsigned *io_count)
{
    struct fl_replayed *r = x->replay;
    struct fl_replay_scratch *scratch = &x->worker->replay_scratch;
    struct fl_buf *out = &scratch->stamped;
    struct fl_sse_event event;
    if (*io_count == 0 || r->lost) {
        return;
    }
    struct fl_slice in = *io_count == 1 ? io_pieces[0] : joined(&scratch->joined, io_pieces, *io_count);
    fl_buf_reset(out);
    bool first = !r->sse.started, kept = *io_count == 1 || fl_buf_ok(&scratch->joined);
    while (kept && fl_sse_next(&r->sse, in, false, SIZE_MAX, NULL, &event) == FL_OK && event.raw.len > 0) {
        kept = stamp_event(r, &event, first, out);
        in = fl_slice_from(in, event.raw.len);
        first = false;
    }
    fl_buf_put(out, in); /* no whole event: it cannot be, and would go on its way */
    if (in.len > 0) {
        r->sse = (struct fl_sse){.started = true};
    }
    if (!kept || !fl_buf_ok(out)) {
        lose(r);
        return;
    }
    io_pieces[0] = fl_buf_slice(out);
    *io_count = 1;
    fl_replay_tell(r->replay);
}

bool fl_replayed_full(const struct fl_exchange *x)
{
    return fl_replay_is_full(x->replay->replay);
}

/* --- without its client --- */

bool fl_replayed_may_go_on(const struct fl_exchange *x)
{
    return x->replay && x->state == FL_EXCHANGE_ANSWERING && !x->worker->draining && !x->replay->lost;
}

bool fl_replayed_is_read(const struct fl_exchange *x)
{
    return fl_replay_look(x->replay->replay).read;
}

void fl_replayed_client_left(struct fl_exchange *x)
{
    x->replay->left = true;
    fl_replay_client_left(x->replay->replay, x->worker->sys->now_ns);
}

uint64_t fl_replayed_due_ns(const struct fl_exchange *x)
{
    struct fl_replay_view view = fl_replay_look(x->replay->replay);
    uint64_t from_ns = view.read ? x->worker->sys->now_ns : view.left_ns;
    return x->replay->lost ? 0 : from_ns + x->config->limits.replay_grace_ns;
}

static void called(struct fl_call *call)
{
    struct fl_exchange *x = fl_container_of(call, struct fl_replayed, call)->exchange;
    struct fl_session *s = x->session;
    bool read = fl_replayed_is_read(x);
    if (s->state == FL_SESSION_DETACHED && !read && s->worker->draining) { /* nobody can come back any more */
        fl_session_close(s, FL_CLOSE_NOW);
        return;
    }
    if (s->state == FL_SESSION_EXCHANGE && read) {
        fl_session_detach(s, FL_CLOSE_RESET);
    } else {
        fl_exchange_drained(x);
    }
}

void fl_replayed_end(struct fl_exchange *x, struct fl_replay_outcome outcome)
{
    struct fl_worker *w = x->worker;
    fl_replay_close(x->replay->replay, outcome, w->sys->now_ns);
    x->replay = NULL;
    fl_replays_tend(w, x->config->limits.replay_grace_ns);
}

void fl_replayed_put_marks(const struct fl_exchange *x, struct fl_buf *b)
{
    struct fl_replay_view view = fl_replay_look(x->replay->replay);
    if (x->replay->left) {
        fl_buf_put_cstr(b, ",\"client_left\":true");
    }
    if (view.comebacks > 0) {
        fl_buf_put_cstr(b, ",\"came_back\":");
        fl_buf_put_u64(b, view.comebacks);
    }
}

/* --- the worker's share of the store --- */

static void tend(struct fl_timer *timer)
{
    struct fl_worker *w = fl_container_of(timer, struct fl_worker, replay_timer);
    uint64_t next_ns = fl_replays_sweep(w->options.replays, w->sys->now_ns);
    if (next_ns != FL_NEVER) {
        fl_timers_set(&w->sys->timers, timer, next_ns);
    }
}

void fl_replays_tend(struct fl_worker *w, uint64_t in_ns)
{
    struct fl_replay_scratch *scratch = &w->replay_scratch;
    if (w->replay_timer.slot == 0 && !w->destroying) {
        w->replay_timer.fire = tend;
        fl_sys_timer_in(w->sys, &w->replay_timer, in_ns);
    }
    if (scratch->stamped.cap > scratch_kept_bytes) {
        fl_buf_finish(&scratch->stamped);
    }
    if (scratch->joined.cap > scratch_kept_bytes) {
        fl_buf_finish(&scratch->joined);
    }
}

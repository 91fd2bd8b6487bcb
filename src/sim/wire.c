/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way of a connection. Three events drive it:
 *
 *   pump     (at the writer)  queue -> wire while the window has room; then drained()
 *   deliver  (at the reader)  wire -> bytes(), a piece at a time; then ended()
 *   reset    (at the reader)  a RST has arrived
 */
#include "sim/world_impl.h"

#include <stdlib.h>

enum { read_max = 65536, tiny_until = 16384 };

static struct side *writer(struct pipe *p)
{
    return &p->conn->side[p->from];
}

static struct side *reader(struct pipe *p)
{
    return &p->conn->side[!p->from];
}

static void clear_wire(struct pipe *p)
{
    fl_fifo_drop(&p->wire, p->wire.len);
    fl_fifo_drop(&p->segments, p->segments.len);
    p->arrived = p->sent = p->delivered;
}

static void clear_queue(struct pipe *p)
{
    struct handle *h = writer(p)->handle;
    fl_fifo_drop(&p->queue, p->queue.len);
    if (h) {
        h->stream.queued = 0;
    }
}

static void put_on_wire(struct pipe *p, size_t count)
{
    struct fl_world *w = p->conn->world;
    const struct fl_world_link *plan = &p->conn->plan;
    uint64_t at_ns = w->now_ns + plan->latency_ns + fl_world_between(w, 0, plan->jitter_ns);
    p->last_ns = at_ns > p->last_ns ? at_ns : p->last_ns;
    p->sent += count;
    fl_fifo_put(&p->wire, p->queue.memory + p->queue.head, count);
    fl_fifo_drop(&p->queue, count);
    struct segment segment = {.end = p->sent, .at_ns = p->last_ns};
    fl_fifo_put(&p->segments, &segment, sizeof(segment));
}

void fl_wire_pump(struct pipe *p)
{
    struct side *s = writer(p);
    uint64_t now_ns = p->conn->world->now_ns;
    if (!s->opened || s->dead) {
        return;
    }
    if (p->queue.len > 0 && p->refused) {
        fl_wire_reset(p->conn, !p->from);
    }
    if (p->cut || p->refused) {
        fl_fifo_drop(&p->queue, p->queue.len);
    }
    size_t room = p->wire.len < p->way.window_bytes ? p->way.window_bytes - p->wire.len : 0;
    if (p->queue.len > 0 && room > 0) {
        put_on_wire(p, p->queue.len < room ? p->queue.len : room);
    }
    if (p->queue.len == 0 && p->fin_wanted && !p->fin_sent) {
        uint64_t at_ns = now_ns + p->conn->plan.latency_ns;
        p->fin_sent = true;
        p->fin_ns = at_ns > p->last_ns ? at_ns : p->last_ns;
        if (s->lingering) {
            fl_world_at(p->conn->world, &s->linger, now_ns + 2 * FL_NS_S);
        }
    }
    if (s->handle) {
        s->handle->stream.queued = p->queue.len;
    }
    if (s->lingering && s->ended && p->fin_sent) {
        fl_conn_let_go(p->conn, p->from);
    }
    fl_wire_schedule(p);
}

static void tell_stalled(struct pipe *p)
{
    struct handle *h = writer(p)->handle;
    p->owes_stalled = false;
    if (h && p->queue.len > 0) {
        h->stream.queued = p->queue.len;
        if (h->stream.on->stalled) {
            h->stream.on->stalled(h->stream.owner);
        }
    }
}

static void on_pump(struct fl_timer *timer)
{
    struct pipe *p = fl_container_of(timer, struct pipe, pump);
    if (p->owes_stalled) {
        tell_stalled(p);
    }
    fl_wire_pump(p);
    struct handle *h = writer(p)->handle;
    if (h && p->owes_drained && p->queue.len == 0 && writer(p)->opened) {
        p->owes_drained = false;
        fl_world_note(p->conn, p->from, FL_WORLD_DRAINED, 0, FL_EMPTY);
        fl_assert(h->stream.on->drained != NULL);
        h->stream.on->drained(h->stream.owner);
    }
}

void fl_wire_schedule(struct pipe *p)
{
    struct fl_world *w = p->conn->world;
    struct side *r = reader(p);
    struct segment first;
    uint64_t at_ns = FL_NEVER;
    if (p->arrived > p->delivered || (p->rst_arrived && !r->ended)) {
        at_ns = w->now_ns;
    } else if (p->segments.len > 0) {
        memcpy(&first, fl_fifo_slice(&p->segments).ptr, sizeof(first));
        at_ns = first.at_ns;
    } else if (p->fin_sent && !r->ended) {
        at_ns = p->fin_ns;
    }
    at_ns = at_ns < p->ready_ns ? p->ready_ns : at_ns;
    if (at_ns == FL_NEVER || r->paused) {
        fl_timers_stop(&w->events, &p->deliver);
    } else {
        fl_world_at(w, &p->deliver, at_ns);
    }
}

static void take_arrived(struct pipe *p)
{
    struct segment first;
    while (p->segments.len > 0) {
        memcpy(&first, fl_fifo_slice(&p->segments).ptr, sizeof(first));
        if (first.at_ns > p->conn->world->now_ns) {
            break;
        }
        p->arrived = first.end;
        fl_fifo_drop(&p->segments, sizeof(first));
    }
}

static uint64_t sooner(uint64_t limit, uint64_t after, uint64_t delivered)
{
    return after > delivered && after - delivered < limit ? after - delivered : limit;
}

/* How many of the bytes that have arrived come in the next piece. */
static size_t piece_bytes(struct pipe *p)
{
    struct fl_world *w = p->conn->world;
    enum fl_world_chop chop = p->conn->plan.chop;
    uint64_t n = p->arrived - p->delivered;
    n = n < read_max ? n : read_max;
    if (chop == FL_WORLD_TINY && p->delivered < tiny_until) {
        n = n < 8 ? n : 8;
        n = fl_world_between(w, 1, n);
    } else if (chop != FL_WORLD_WHOLE) {
        uint64_t dice = fl_rng_below(&w->rng, 8);
        n = dice == 0 ? 1 : dice < 4 ? fl_world_between(w, 1, n) : n;
    }
    if (p->way.bytes_per_s > 0) {
        uint64_t most = p->way.bytes_per_s / 20 + 1; /* some 20 pieces a second */
        n = n < most ? n : most;
    }
    n = sooner(n, p->way.reset_after, p->delivered);
    n = sooner(n, p->way.fin_after, p->delivered);
    return (size_t)sooner(n, p->stalled ? FL_NEVER : p->way.stall_after, p->delivered);
}

static void set_ready(struct pipe *p, size_t count)
{
    struct fl_world *w = p->conn->world;
    uint64_t gap_ns = 0;
    if (p->way.bytes_per_s > 0) {
        gap_ns = count * FL_NS_S / p->way.bytes_per_s;
    } else if (p->conn->plan.chop != FL_WORLD_WHOLE) {
        gap_ns = fl_world_between(w, 0, 50 * FL_NS_US);
    }
    p->ready_ns = w->now_ns + gap_ns;
}

/* Takes *count* bytes off the wire; the window's news travels back to the writer. */
static void take(struct pipe *p, size_t count)
{
    fl_fifo_drop(&p->wire, count);
    p->delivered += count;
    bool waits = p->queue.len > 0 || p->owes_drained || (p->fin_wanted && !p->fin_sent);
    if (waits && p->pump.slot == 0) {
        fl_world_at(p->conn->world, &p->pump, p->conn->world->now_ns + p->conn->plan.latency_ns);
    }
}

static void give_bytes(struct pipe *p, struct handle *h)
{
    char *room;
    size_t count = piece_bytes(p), most = h->stream.on->room ? h->stream.on->room(h->stream.owner, &room) : 0;
    count = most > 0 && most < count ? most : count;
    char *own = fl_sim_grow(NULL, count); /* of its own, so that a sanitizer sees reads beyond it or later */
    fl_assert(count > 0 && count <= p->wire.len);
    char *copy = most > 0 ? room : own;
    memcpy(copy, fl_fifo_slice(&p->wire).ptr, count);
    set_ready(p, count);
    take(p, count);
    reader(p)->node->stats.bytes_in += count;
    fl_world_note(p->conn, !p->from, FL_WORLD_BYTES, 0, fl_slice(copy, count));
    fl_assert(h->stream.on->bytes != NULL);
    h->stream.on->bytes(h->stream.owner, fl_slice(copy, count));
    memset(own, 0xdd, count);
    free(own);
    fl_wire_faults(p);
}

static void give_end(struct pipe *p, struct handle *h, enum fl_err err)
{
    reader(p)->ended = true;
    fl_world_note(p->conn, !p->from, FL_WORLD_ENDED, err, FL_EMPTY);
    fl_assert(h->stream.on->ended != NULL);
    h->stream.on->ended(h->stream.owner, err);
}

/* Nobody reads: a lingering side drops what comes, a closed one answers with a RST. */
static void swallow(struct pipe *p)
{
    struct side *r = reader(p);
    size_t count = (size_t)(p->arrived - p->delivered);
    bool fin = p->fin_sent && p->segments.len == 0 && p->fin_ns <= p->conn->world->now_ns;
    take(p, count);
    if (fin) {
        r->ended = true;
    }
    if (r->lingering && fin && p->conn->pipe[!p->from].fin_sent) {
        fl_conn_let_go(p->conn, !p->from);
    } else if (!r->lingering && count > 0) {
        fl_wire_reset(p->conn, !p->from);
    }
}

static void on_deliver(struct fl_timer *timer)
{
    struct pipe *p = fl_container_of(timer, struct pipe, deliver);
    struct handle *h = reader(p)->handle;
    take_arrived(p);
    if (!h) {
        swallow(p);
    } else if (p->arrived > p->delivered) {
        give_bytes(p, h);
    } else if (p->rst_arrived) {
        give_end(p, h, FL_ERR_RESET);
    } else if (p->fin_sent && p->segments.len == 0 && p->fin_ns <= p->conn->world->now_ns) {
        give_end(p, h, FL_OK);
    }
    fl_wire_schedule(p);
}

void fl_wire_reset(struct conn *c, unsigned side)
{
    struct pipe *p = &c->pipe[side];
    struct fl_world *w = c->world;
    uint64_t at_ns = w->now_ns + c->plan.latency_ns;
    at_ns = at_ns < p->last_ns ? p->last_ns : at_ns;
    if (p->stalled && at_ns < p->ready_ns) {
        at_ns = p->ready_ns;
    }
    if (at_ns != FL_NEVER && p->reset.slot == 0) {
        fl_world_at(w, &p->reset, at_ns);
    }
}

static void on_reset(struct fl_timer *timer)
{
    struct pipe *p = fl_container_of(timer, struct pipe, reset), *own = &p->conn->pipe[!p->from];
    struct side *r = reader(p);
    struct fl_world *w = p->conn->world;
    if (r->dead) {
        return;
    }
    r->dead = true;
    p->rst_arrived = p->refused = true;
    take_arrived(p);
    if (fl_rng_below(&w->rng, 2) == 0) {
        clear_wire(p); /* unread bytes are lost */
    }
    clear_queue(own);
    clear_wire(own);
    if (own->owes_drained && r->handle && (r->paused || r->ended)) {
        fl_world_at(w, &own->pump,
                    w->now_ns); /* no ended() will say it: who waits for room must learn */
    }
    if (r->lingering) {
        fl_conn_let_go(p->conn, !p->from);
    }
    fl_wire_schedule(p);
}

void fl_wire_break(struct conn *c)
{
    if (c->stage == STAGE_ANSWER) {
        c->outcome = FL_ERR_CONNECT; /* the dialler never saw it open */
    }
    for (unsigned i = 0; i < 2; i++) {
        if (c->side[!i].opened) {
            clear_queue(&c->pipe[i]);
            clear_wire(&c->pipe[i]);
            fl_world_at(c->world, &c->pipe[i].reset, c->world->now_ns);
        }
    }
}

/* The receiver sees a proper end; the sender finds its connection gone, and answers no more. */
static void cut(struct pipe *p)
{
    p->cut = true;
    p->conn->pipe[!p->from].refused = true;
    clear_queue(p);
    clear_wire(p);
    p->fin_sent = p->fin_wanted = true;
    p->fin_ns = p->conn->world->now_ns;
    fl_wire_reset(p->conn, !p->from);
}

void fl_wire_faults(struct pipe *p)
{
    struct fl_world *w = p->conn->world;
    if (p->delivered >= p->way.stall_after && !p->stalled) {
        p->stalled = true;
        p->ready_ns =
            p->way.stall_ns >= FL_NEVER - w->now_ns ? FL_NEVER : w->now_ns + p->way.stall_ns;
    }
    if (p->delivered >= p->way.reset_after) {
        p->way.reset_after = FL_NEVER;
        fl_wire_break(p->conn);
    } else if (p->delivered >= p->way.fin_after && !p->cut) {
        cut(p);
    }
    fl_wire_schedule(p);
}

void fl_wire_init(struct conn *c, unsigned from)
{
    struct pipe *p = &c->pipe[from];
    p->conn = c;
    p->from = from;
    p->deliver.fire = on_deliver;
    p->pump.fire = on_pump;
    p->reset.fire = on_reset;
}

void fl_wire_finish(struct pipe *p)
{
    struct fl_timers *events = &p->conn->world->events;
    fl_timers_stop(events, &p->deliver);
    fl_timers_stop(events, &p->pump);
    fl_timers_stop(events, &p->reset);
    fl_fifo_finish(&p->queue);
    fl_fifo_finish(&p->wire);
    fl_fifo_finish(&p->segments);
}

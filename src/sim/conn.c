/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's life, and what the owners of its two streams may call.
 *
 *   dial -> RESOLVE -> SYN -> ANSWER -> opened()        accept() comes at the end of SYN
 *              |        |       `-> nobody listens: opened(FL_ERR_CONNECT)
 *              |        `-> planned: REFUSE, or BLACKHOLE and nothing more
 *              `-> FL_ERR_DNS
 *
 * A side is gone when its stream is closed and it does not linger; the connection is freed at the
 * end of the step in which its second side went.
 */
#include "sim/world_impl.h"

#include <stdlib.h>

enum { late_bytes = 4096 }; /* a backend keeps only small writes until the turn ends */

#define FLUSH_STALL_NS                                                                             \
    (10 * FL_NS_S) /* a lingering side gives up when nothing was taken for so long */
#define FLUSH_STALL_TICKS 12 /* or not all in this many times that, as in net */

static const struct fl_stream_ops live_ops, dead_ops;

static struct handle *handle_of(struct fl_stream *s)
{
    fl_assert(s->ops == &live_ops);
    return fl_container_of(s, struct handle, stream);
}

static struct side *side_of(struct handle *h)
{
    return &h->conn->side[h->side];
}

static struct handle *handle_create(struct conn *c, unsigned side, struct node *n)
{
    struct handle *h = fl_world_zero(sizeof(*h));
    h->stream.ops = &live_ops;
    h->conn = c;
    h->side = side;
    fl_list_append(&n->handles, &h->link);
    c->side[side].handle = h;
    c->side[side].node = n;
    n->stats.streams_open++;
    n->stats.streams_total++;
    return h;
}

/* --- Ends --- */

void fl_conn_free(struct conn *c)
{
    fl_timers_stop(&c->world->events, &c->connect);
    for (unsigned i = 0; i < 2; i++) {
        fl_timers_stop(&c->world->events, &c->side[i].linger);
        fl_wire_finish(&c->pipe[i]);
    }
    free(c->name);
    free(c);
}

static bool gone(const struct conn *c, unsigned side)
{
    return !c->side[side].handle && !c->side[side].lingering;
}

void fl_conn_reap(struct conn *c)
{
    if (!c->reaped && gone(c, 0) && gone(c, 1)) {
        c->reaped = true;
        c->world->conn_count--;
        fl_list_remove(&c->link);
        fl_list_append(&c->world->dying, &c->link);
    }
}

void fl_conn_let_go(struct conn *c, unsigned side)
{
    struct pipe *in = &c->pipe[!side];
    fl_timers_stop(&c->world->events, &c->side[side].linger);
    c->side[side].lingering = false;
    if (!c->pipe[side].fin_sent && !c->side[side].dead) {
        fl_fifo_drop(&c->pipe[side].queue, c->pipe[side].queue.len);
        fl_wire_reset(c, side);
    }
    c->side[side].ended = true;
    fl_wire_schedule(in);
    fl_conn_reap(c);
}

static void on_linger(struct fl_timer *timer)
{
    struct side *s = fl_container_of(timer, struct side, linger);
    struct conn *c = fl_container_of(s - s->index, struct conn, side);
    struct pipe *out = &c->pipe[s->index];
    fl_assert(!s->handle && s->lingering);
    if (!out->fin_sent && out->queue.len < s->linger_left && ++s->linger_ticks < FLUSH_STALL_TICKS) {
        s->linger_left = out->queue.len;
        fl_world_at(c->world, timer, c->world->now_ns + FLUSH_STALL_NS);
    } else {
        fl_conn_let_go(c, s->index);
    }
}

/* --- Dialling --- */

static void fail(struct conn *c, enum fl_err err)
{
    struct handle *h = c->side[0].handle;
    c->outcome = err;
    c->side[0].dead = true;
    c->side[0].ended = true;
    fl_world_note(c, 0, FL_WORLD_OPENED, err, FL_EMPTY);
    fl_assert(h->stream.on->opened != NULL);
    h->stream.on->opened(h->stream.owner, err);
}

static void on_resolved(struct conn *c)
{
    struct fl_world *w = c->world;
    if (c->name && !fl_world_lookup(w, fl_slice_cstr(c->name), &c->to)) {
        fail(c, FL_ERR_DNS);
        return;
    }
    if (fl_addr_is_loopback(&c->to)) {
        uint16_t port = c->to.port;
        c->to = c->side[0].node->host;
        c->to.port = port;
    }
    struct fl_world_dial dial = {c->serial, &c->side[0].node->sys, c->to};
    c->plan = fl_world_planned(w, &dial);
    c->pipe[0].way = c->plan.up;
    c->pipe[1].way = c->plan.down;
    if (c->plan.connect != FL_WORLD_BLACKHOLE) {
        c->stage = STAGE_SYN;
        fl_world_at(w, &c->connect, w->now_ns + c->plan.latency_ns + c->plan.connect_delay_ns);
    }
}

static bool same_ip(const struct fl_addr *a, const struct fl_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 6 ? 16 : 4) == 0;
}

static bool listens(const struct fl_listener *l, const struct conn *c)
{
    static const uint8_t any[16];
    const struct fl_addr *host = &l->node->host;
    if (l->addr.port != c->to.port || !same_ip(host, &c->to)) {
        return false;
    }
    if (fl_addr_is_loopback(&l->addr)) {
        return same_ip(host, &c->side[0].node->host);
    }
    return memcmp(l->addr.bytes, any, sizeof(any)) == 0 || same_ip(&l->addr, host);
}

/* One of the listeners that want it, as SO_REUSEPORT spreads them. */
static struct fl_listener *pick_listener(struct conn *c)
{
    struct fl_world *w = c->world;
    struct fl_listener *pick = NULL;
    uint64_t seen = 0;
    for (struct fl_list *i = w->nodes.next; i != &w->nodes; i = i->next) {
        struct node *n = fl_container_of(i, struct node, link);
        for (struct fl_list *j = n->listeners.next; j != &n->listeners; j = j->next) {
            struct fl_listener *l = fl_container_of(j, struct fl_listener, link);
            if (listens(l, c) && fl_rng_below(&w->rng, ++seen) == 0) {
                pick = l;
            }
        }
    }
    return pick;
}

static void on_syn(struct conn *c)
{
    struct fl_world *w = c->world;
    struct fl_listener *l = c->plan.connect == FL_WORLD_REFUSE ? NULL : pick_listener(c);
    uint64_t answer_ns = w->now_ns + c->plan.latency_ns;
    c->stage = STAGE_ANSWER;
    c->outcome = l ? FL_OK : FL_ERR_CONNECT;
    c->pipe[1].last_ns = answer_ns;
    fl_world_at(w, &c->connect, answer_ns);
    if (l) {
        struct handle *h = handle_create(c, 1, l->node);
        c->side[1].opened = true;
        fl_world_note(c, 1, FL_WORLD_ACCEPTED, 0, FL_EMPTY);
        l->accepted(l->owner, &h->stream, &c->from);
        fl_assert(c->side[1].handle == NULL || h->stream.on != NULL);
    }
}

static void on_answer(struct conn *c)
{
    struct handle *h = c->side[0].handle;
    c->stage = STAGE_DONE;
    if (!h) { /* closed meanwhile: its FIN or RST is on the way */
        return;
    }
    if (c->outcome) {
        fail(c, c->outcome);
        return;
    }
    c->side[0].opened = true;
    fl_world_note(c, 0, FL_WORLD_OPENED, FL_OK, FL_EMPTY);
    fl_assert(h->stream.on->opened != NULL);
    h->stream.on->opened(h->stream.owner, FL_OK);
    fl_wire_pump(&c->pipe[0]);
    if (c->pipe[0].owes_drained && c->pipe[0].queue.len == 0) {
        fl_world_at(c->world, &c->pipe[0].pump, c->world->now_ns);
    }
    fl_wire_faults(&c->pipe[0]);
    fl_wire_faults(&c->pipe[1]);
}

static void on_connect(struct fl_timer *timer)
{
    struct conn *c = fl_container_of(timer, struct conn, connect);
    switch (c->stage) {
    case STAGE_RESOLVE:
        on_resolved(c);
        break;
    case STAGE_SYN:
        on_syn(c);
        break;
    case STAGE_ANSWER:
        on_answer(c);
        break;
    case STAGE_DONE:
        fl_assert(c->stage != STAGE_DONE); /* a connect ends once */
    }
}

static struct conn *conn_create(struct node *n)
{
    struct fl_world *w = n->world;
    struct conn *c = fl_world_zero(sizeof(*c));
    c->world = w;
    c->serial = ++w->conn_serial;
    c->connect.fire = on_connect;
    c->from = n->host;
    c->from.port = w->port_next;
    w->port_next = w->port_next == UINT16_MAX ? 32768 : (uint16_t)(w->port_next + 1);
    for (unsigned i = 0; i < 2; i++) {
        c->side[i].index = i;
        c->side[i].linger.fire = on_linger;
        fl_wire_init(c, i);
    }
    fl_list_append(&w->conns, &c->link);
    w->conn_count++;
    return c;
}

static enum fl_err do_dial(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                           const struct fl_stream_events *on, void *owner,
                           struct fl_stream **ret_stream)
{
    struct node *n = fl_container_of(sys, struct node, sys);
    struct fl_world *w = n->world;
    uint64_t delay_ns = 0;
    fl_assert(on != NULL && host.len > 0);
    n->stats.dials++;
    if (n->fail_dial > 0 && --n->fail_dial == 0) {
        return FL_ERR_SYS;
    }
    struct conn *c = conn_create(n);
    if (!fl_addr_parse_ip(host, &c->to)) {
        c->name = memcpy(fl_world_zero(host.len + 1), host.ptr, host.len);
        delay_ns = fl_world_between(w, w->mix.dns_min_ns, w->mix.dns_max_ns);
    }
    c->to.port = port;
    struct handle *h = handle_create(c, 0, n);
    h->stream.on = on;
    h->stream.owner = owner;
    fl_world_at(w, &c->connect, w->now_ns + delay_ns);
    *ret_stream = &h->stream;
    return FL_OK;
}

/* --- Listening --- */

static bool port_taken(struct node *n, uint16_t port)
{
    struct fl_world *w = n->world;
    for (struct fl_list *i = w->nodes.next; i != &w->nodes; i = i->next) {
        struct node *other = fl_container_of(i, struct node, link);
        for (struct fl_list *j = other->listeners.next; j != &other->listeners; j = j->next) {
            struct fl_listener *l = fl_container_of(j, struct fl_listener, link);
            if (same_ip(&other->host, &n->host) && l->addr.port == port) {
                return true;
            }
        }
    }
    return false;
}

static enum fl_err do_listen(struct fl_sys *sys, const struct fl_addr *addr,
                             fl_accepted_fn *accepted, void *owner,
                             struct fl_listener **ret_listener, struct fl_addr *ret_addr)
{
    struct node *n = fl_container_of(sys, struct node, sys);
    struct fl_listener *l = fl_world_zero(sizeof(*l));
    fl_assert(accepted != NULL);
    l->node = n;
    l->addr = *addr;
    l->accepted = accepted;
    l->owner = owner;
    for (uint16_t port = 20000; l->addr.port == 0; port++) {
        if (!port_taken(n, port)) {
            l->addr.port = port;
        }
    }
    fl_list_append(&n->listeners, &l->link);
    n->stats.listeners++;
    *ret_listener = l;
    if (ret_addr) {
        *ret_addr = l->addr;
    }
    return FL_OK;
}

static void do_unlisten(struct fl_sys *sys, struct fl_listener *l)
{
    struct node *n = fl_container_of(sys, struct node, sys);
    fl_assert(l != NULL && l->node == n);
    fl_list_remove(&l->link);
    n->stats.listeners--;
    free(l);
}

/* --- The operations of a stream --- */

static enum fl_err do_write(struct fl_stream *stream, const struct fl_slice *pieces, unsigned count)
{
    struct handle *h = handle_of(stream);
    struct side *s = side_of(h);
    struct pipe *p = &h->conn->pipe[h->side];
    struct fl_world *w = h->conn->world;
    size_t queued = p->queue.len;
    fl_assert(!s->finished);
    s->node->stats.writes++;
    if (s->node->fail_write > 0 && --s->node->fail_write == 0) {
        s->unwritable = FL_ERR_NOMEM;
    }
    if (s->unwritable || s->dead) {
        return s->unwritable ? s->unwritable : s->opened ? FL_ERR_RESET : h->conn->outcome;
    }
    size_t written = 0;
    for (unsigned i = 0; i < count; i++) {
        written += pieces[i].len;
        fl_world_note(h->conn, h->side, FL_WORLD_WROTE, 0, pieces[i]);
        fl_fifo_put(&p->queue, pieces[i].ptr, pieces[i].len);
        s->node->stats.bytes_out += pieces[i].len;
    }
    if (p->queue.len == queued) {
        return FL_OK;
    }
    if (s->opened && queued == 0 && fl_rng_below(&w->rng, 1000) >= h->conn->plan.partial_permille) {
        fl_wire_pump(p);
    } else if (s->opened && p->pump.slot == 0 && queued == 0) {
        fl_world_at(w, &p->pump, w->now_ns + fl_world_between(w, 0, 200 * FL_NS_US));
    }
    bool late = s->opened && queued == 0 && p->queue.len > 0 && written <= late_bytes &&
                fl_rng_below(&w->rng, 1000) < h->conn->plan.late_permille;
    if (late) {
        p->owes_stalled = true;
        fl_world_at(w, &p->pump, w->now_ns);
    }
    stream->queued = late ? 0 : p->queue.len;
    p->owes_drained = p->owes_drained || p->queue.len > 0;
    if (p->queue.len > s->node->stats.queued_peak) {
        s->node->stats.queued_peak = p->queue.len;
    }
    return FL_OK;
}

static void do_pause(struct fl_stream *stream)
{
    struct handle *h = handle_of(stream);
    side_of(h)->paused = true;
    fl_wire_schedule(&h->conn->pipe[!h->side]);
}

static void do_resume(struct fl_stream *stream)
{
    struct handle *h = handle_of(stream);
    side_of(h)->paused = false;
    fl_wire_schedule(&h->conn->pipe[!h->side]);
}

static void do_finish(struct fl_stream *stream)
{
    struct handle *h = handle_of(stream);
    struct side *s = side_of(h);
    fl_assert(!s->finished);
    s->finished = true;
    fl_world_note(h->conn, h->side, FL_WORLD_FINISHED, 0, FL_EMPTY);
    h->conn->pipe[h->side].fin_wanted = true;
    fl_wire_pump(&h->conn->pipe[h->side]);
}

static bool unread(const struct conn *c, unsigned side)
{
    const struct pipe *in = &c->pipe[!side];
    struct segment first = {.at_ns = FL_NEVER};
    if (in->segments.len > 0) {
        memcpy(&first, fl_fifo_slice(&in->segments).ptr, sizeof(first));
    }
    return in->arrived > in->delivered || first.at_ns <= c->world->now_ns;
}

/* What goes over the network when the owner of an established side has closed it. */
static void part(struct conn *c, unsigned side, enum fl_close how)
{
    struct side *s = &c->side[side];
    struct pipe *out = &c->pipe[side];
    if (out->owes_stalled) { /* its owner took it for sent */
        out->owes_stalled = false;
        fl_wire_pump(out);
    }
    if (how == FL_CLOSE_FLUSH) {
        s->lingering = true;
        s->linger_left = out->queue.len;
        fl_world_at(c->world, &s->linger, c->world->now_ns + FLUSH_STALL_NS);
    } else {
        fl_fifo_drop(&out->queue, out->queue.len);
        s->ended = true;
    }
    if (how == FL_CLOSE_RESET || (how == FL_CLOSE_NOW && unread(c, side))) {
        fl_wire_reset(c, side);
    } else {
        out->fin_wanted = true;
        fl_wire_pump(out);
    }
}

static void do_close(struct fl_stream *stream, enum fl_close how)
{
    struct handle *h = handle_of(stream);
    struct conn *c = h->conn;
    unsigned side = h->side;
    struct side *s = side_of(h);
    fl_world_note(c, side, FL_WORLD_CLOSED, how, FL_EMPTY);
    s->node->stats.streams_open--;
    s->handle = NULL;
    s->paused = false;
    stream->ops = &dead_ops;
    stream->on = NULL;
    fl_list_remove(&h->link);
    fl_list_append(&c->world->graves, &h->link);
    if (s->dead) {
        s->ended = true;
    } else if (s->opened) {
        part(c, side, how);
    } else if (c->side[1].opened) {
        s->opened = true; /* the peer has it already: it sees a connection that ends at once */
        part(c, side, FL_CLOSE_NOW);
    } else {
        fl_timers_stop(&c->world->events, &c->connect);
    }
    fl_wire_schedule(&c->pipe[!side]);
    fl_conn_reap(c);
}

/* Any of these on a closed stream is its owner's mistake; handle_of() says so. */
static const struct fl_stream_ops live_ops = {.write = do_write,
                                              .pause = do_pause,
                                              .resume = do_resume,
                                              .finish = do_finish,
                                              .close = do_close};
static const struct fl_stream_ops dead_ops = {.write = do_write,
                                              .pause = do_pause,
                                              .resume = do_resume,
                                              .finish = do_finish,
                                              .close = do_close};

/* --- Clocks and chance --- */

static uint64_t do_clock(struct fl_sys *sys)
{
    return fl_container_of(sys, struct node, sys)->world->now_ns;
}

static uint64_t do_wall(struct fl_sys *sys)
{
    struct fl_world *w = fl_container_of(sys, struct node, sys)->world;
    return w->now_ns + (uint64_t)w->wall_offset_ns;
}

static void do_entropy(struct fl_sys *sys, void *ret_bytes, size_t count)
{
    struct node *n = fl_container_of(sys, struct node, sys);
    unsigned char *to = ret_bytes;
    for (size_t i = 0; i < count; i++) {
        to[i] = (unsigned char)fl_rng_below(&n->entropy, 256);
    }
}

static void do_wake(struct fl_sys *sys)
{
    struct node *n = fl_container_of(sys, struct node, sys);
    if (n->wake.slot == 0) {
        fl_timers_set(&sys->timers, &n->wake, sys->now_ns);
    }
}

const struct fl_sys_ops fl_world_sys_ops = {.dial = do_dial,
                                            .listen = do_listen,
                                            .unlisten = do_unlisten,
                                            .clock_ns = do_clock,
                                            .wall_ns = do_wall,
                                            .entropy = do_entropy,
                                            .wake = do_wake};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the world: world.c (clock, nodes, trace), plan.c (links and faults), wire.c (bytes
 * between two ends), conn.c (dial, listen, the operations of a stream).
 *
 * A stream's owner holds a *handle*, which dies with close(). The connection behind it has two
 * sides and lives until both are gone; pipe[0] carries what side 0, the one that dialled, has
 * written.
 *
 *   write -> queue (user space) -> wire (socket buffers and network, bounded) -> bytes()
 */
#ifndef FL_SIM_WORLD_IMPL_H
#define FL_SIM_WORLD_IMPL_H

#include "base/hash.h"
#include "base/list.h"
#include "sim/fifo.h"
#include "sim/world.h"

struct node {
    struct fl_sys sys;
    struct fl_world *world;
    struct fl_addr host;
    uint32_t id;
    struct fl_list link;    /* in world->nodes */
    struct fl_list handles; /* open streams */
    struct fl_list listeners;
    struct fl_rng entropy;
    struct fl_timer wake; /* set: woken() is owed */
    unsigned fail_write, fail_dial;
    struct fl_world_stats stats;
};

struct fl_listener {
    struct fl_list link;
    struct node *node;
    struct fl_addr addr;
    fl_accepted_fn *accepted;
    void *owner;
};

struct handle {
    struct fl_stream stream; /* first: the owner's view */
    struct fl_list link;     /* in node->handles, or world->graves once closed */
    struct conn *conn;
    unsigned side;
};

enum stage { STAGE_RESOLVE, STAGE_SYN, STAGE_ANSWER, STAGE_DONE };

struct side {
    unsigned index;
    struct handle *handle; /* NULL before accept and after close */
    struct node *node;     /* NULL before accept */
    bool opened;
    bool paused;
    bool finished;          /* finish() was called */
    bool ended;             /* ended() was given */
    bool dead;              /* reset, or never connected: nothing can be written */
    bool lingering;         /* closed with FL_CLOSE_FLUSH: still sends, drops what comes */
    size_t linger_left;     /* queued bytes at the last look */
    unsigned linger_ticks;  /* looks so far */
    enum fl_err unwritable; /* a write has failed, so that all later ones do */
    struct fl_timer linger;
};

struct segment {
    uint64_t end; /* sequence number after its last byte */
    uint64_t at_ns;
};

struct pipe {
    struct conn *conn;
    unsigned from; /* the writing side */
    struct fl_world_way way;
    struct fl_fifo queue, wire;
    struct fl_fifo segments; /* of struct segment */
    uint64_t sent;           /* bytes put on the wire so far */
    uint64_t arrived;        /* bytes of them at the receiver */
    uint64_t delivered;      /* bytes of them read by its owner */
    uint64_t last_ns;        /* when the newest piece arrives */
    uint64_t ready_ns;       /* no delivery before: a slow line, a stall, a gap between pieces */
    uint64_t fin_ns;         /* when the FIN arrives */
    bool owes_drained, owes_stalled;
    bool fin_wanted, fin_sent;
    bool rst_arrived;
    bool stalled; /* the stall has happened */
    bool cut;     /* the writer is cut off: what it writes is lost */
    bool refused; /* the reader is cut off: what is written is answered with a RST */
    struct fl_timer deliver, pump, reset;
};

struct conn {
    struct fl_list link; /* in world->conns, or world->dying */
    struct fl_world *world;
    uint32_t serial;
    enum stage stage;
    enum fl_err outcome;
    char *name; /* dialled; NULL for a literal */
    struct fl_addr to, from;
    struct fl_world_link plan;
    struct fl_timer connect;
    struct side side[2];
    struct pipe pipe[2];
    bool reaped;
};

struct fl_world {
    uint64_t now_ns;
    int64_t wall_offset_ns;
    struct fl_rng rng;
    struct fl_timers events;
    struct fl_list nodes, conns, dying, graves, names, plans;
    struct fl_world_mix mix;
    uint32_t node_count, conn_serial;
    unsigned conn_count;
    uint16_t port_next;
    uint64_t steps, hash;
    bool stepping;
    fl_world_link_fn *on_dial;
    void *on_dial_owner;
    fl_world_trace_fn *on_note;
    void *on_note_owner;
    void (*on_step)(void *owner);
    void *on_step_owner;
};

/* world.c */
void *fl_world_zero(size_t size);
void fl_world_note(struct conn *c, unsigned side, enum fl_world_kind kind, unsigned code,
                   struct fl_slice bytes);
bool fl_world_lookup(struct fl_world *w, struct fl_slice name, struct fl_addr *ret_addr);

static inline uint64_t fl_world_between(struct fl_world *w, uint64_t low, uint64_t high)
{
    return high <= low ? low : low + fl_rng_below(&w->rng, high - low + 1);
}

static inline void fl_world_at(struct fl_world *w, struct fl_timer *event, uint64_t at_ns)
{
    fl_timers_set(&w->events, event, at_ns < w->now_ns ? w->now_ns : at_ns);
}

/* plan.c */
struct fl_world_link fl_world_planned(struct fl_world *w, const struct fl_world_dial *dial);
void fl_world_plans_free(struct fl_world *w);

/* wire.c */
void fl_wire_init(struct conn *c, unsigned from);
void fl_wire_finish(struct pipe *p);
/* Moves what fits from the queue to the wire, and the FIN behind it. */
void fl_wire_pump(struct pipe *p);
/* Sets the next delivery, if one is due at all. */
void fl_wire_schedule(struct pipe *p);
/* A RST travels from *side* to the other one. */
void fl_wire_reset(struct conn *c, unsigned side);
/* Both ends learn now that the connection is reset. */
void fl_wire_break(struct conn *c);
/* Applies the faults that the bytes delivered so far have reached. */
void fl_wire_faults(struct pipe *p);

/* conn.c */
extern const struct fl_sys_ops fl_world_sys_ops;
void fl_conn_free(struct conn *c);
/* Ends the lingering of a side that was closed with FL_CLOSE_FLUSH. */
void fl_conn_let_go(struct conn *c, unsigned side);
/* Moves a connection that nobody holds any more to the dying. */
void fl_conn_reap(struct conn *c);

#endif

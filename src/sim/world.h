/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deterministic world behind fl_sys: one virtual clock, one virtual network, any number of nodes.
 * The real server and simulated peers run in it, one event at a time; the same seed gives the same
 * run, byte for byte, which fl_world_hash() proves.
 *
 *   node        one struct fl_sys with its own timers, at a host address; several nodes may share
 * an address, as the workers of one machine do step        exactly one event: a timer, a piece of
 * bytes, the outcome of a connect, ... Each step is one turn of the loop of the node it happens on
 *   link        how one connection behaves: latency, how its bytes are cut, windows, and its faults
 *   up, down    the two ways of a connection: up leads from the node that dialled
 *
 * What is modelled: names with a delay, the three packets of a connect, bytes that arrive in pieces
 * of any size, bounded socket buffers with a peer that may not read, FIN and half-close, RST (which
 * may or may not overtake bytes on their way), RST as the answer to bytes for a closed socket and
 * to a close with unread bytes, writes that the kernel takes in part only.
 *
 * Like a good machine it aborts when a caller breaks the contract of base/sys.h: a second close,
 * any call on a closed stream, a write after finish, an accepted stream without an owner, missing
 * handlers. A closed stream's memory is poisoned and freed when the step ends, so that a sanitizer
 * sees later use. One thread.
 */
#ifndef FL_SIM_WORLD_H
#define FL_SIM_WORLD_H

#include "base/clock.h"
#include "base/rng.h"
#include "base/sys.h"

struct fl_world;

/* --- Life and nodes --- */

struct fl_world *fl_world_create(uint64_t seed);
/* Frees all, streams that are still open included; none of their owners is told. NULL is fine. */
void fl_world_destroy(struct fl_world *w);
/* A new node at *ip* (a literal). It lives as long as the world. */
struct fl_sys *fl_world_sys(struct fl_world *w, const char *ip);
/* *name* resolves to *ip* for every node; NULL: it does not resolve any more. Literals resolve
 * always, "localhost" and loopback literals to the node's own address. */
void fl_world_name(struct fl_world *w, const char *name, const char *ip);

/* --- Time --- */

uint64_t fl_world_now(const struct fl_world *w);
/* Executes the next event; false when there is none left. */
bool fl_world_step(struct fl_world *w);
/* Executes everything due within *ns* and leaves the clock exactly there. */
void fl_world_run_for(struct fl_world *w, uint64_t ns);
typedef bool fl_world_until_fn(void *owner);
/* Steps until *until* says so, asked before the first step and after each; false when *ns* have
 * passed or nothing is left to happen. */
bool fl_world_run_until(struct fl_world *w, fl_world_until_fn *until, void *owner, uint64_t ns);
/* Called after every step, for invariants; NULL: none. */
void fl_world_on_step(struct fl_world *w, void (*check)(void *owner), void *owner);
/* Moves the wall clock (not the monotonic one) by *ns*. */
void fl_world_wall_jump(struct fl_world *w, int64_t ns);

/* --- The network --- */

enum fl_world_connect {
    FL_WORLD_CONNECT,
    FL_WORLD_REFUSE,   /* RST to the SYN, whoever listens */
    FL_WORLD_BLACKHOLE /* no answer, ever */
};

enum fl_world_chop {
    FL_WORLD_WHOLE, /* all that has arrived, in one piece */
    FL_WORLD_MIXED, /* single bytes, random cuts, everything */
    FL_WORLD_TINY   /* 1 to 8 bytes for the first 16 KiB, mixed from there */
};

/* One way of a connection. The offsets count bytes given to the receiver's bytes(); FL_NEVER: does
 * not happen. 0 happens right after opened(). */
struct fl_world_way {
    uint64_t reset_after; /* then both ends get a RST */
    uint64_t fin_after; /* then the receiver gets a FIN, and the sender, as if killed, is cut off */
    uint64_t stall_after; /* then nothing comes through for stall_ns: no bytes, no FIN, no RST */
    uint64_t stall_ns;
    uint64_t bytes_per_s; /* a slow line; 0: no limit */
    size_t window_bytes;  /* sent but not read yet: the rest waits in the sender's queue */
};

struct fl_world_link {
    enum fl_world_connect connect;
    uint64_t connect_delay_ns; /* added before the outcome */
    uint64_t latency_ns;       /* one way */
    uint64_t jitter_ns;        /* up to this more, per piece sent; order is kept */
    enum fl_world_chop chop;
    unsigned partial_permille; /* how often the kernel takes nothing of a write at first */
    unsigned late_permille;    /* how often a small write's owner learns by stalled() that it did not go */
    struct fl_world_way up, down;
};

/* What links are drawn from when nothing else is said. Change it before the dials it is to affect.
 */
struct fl_world_mix {
    uint64_t latency_min_ns, latency_max_ns;
    uint64_t dns_min_ns, dns_max_ns;
    size_t window_min, window_max;
    unsigned jitter_permille; /* of the latency */
    unsigned partial_permille, late_permille;
    unsigned chop_weight[3]; /* by enum fl_world_chop */
};

struct fl_world_mix *fl_world_mix(struct fl_world *w);
/* A link without faults, drawn from the mix: what to change and give to the functions below. */
struct fl_world_link fl_world_link(struct fl_world *w);
/* The next *count* connects to *to* ("10.0.0.2:443") get *link*. */
void fl_world_plan(struct fl_world *w, const char *to, const struct fl_world_link *link,
                   unsigned count);
/* Forgets what is planned for *to*. */
void fl_world_unplan(struct fl_world *w, const char *to);

struct fl_world_dial {
    uint32_t serial; /* of the connection, from 1 */
    struct fl_sys *from;
    struct fl_addr to;
};
/* Sees every dial once its name is resolved and may change the link drawn or planned for it. */
typedef void fl_world_link_fn(void *owner, const struct fl_world_dial *dial,
                              struct fl_world_link *link);
void fl_world_on_dial(struct fl_world *w, fl_world_link_fn *link, void *owner);

/* How likely (in thousandths) a connection gets each fault; at most one of connect, reset, fin,
 * stall. */
struct fl_world_faults {
    unsigned refuse, blackhole;
    unsigned reset, fin, stall; /* after a number of bytes up to within_bytes, in either way */
    unsigned slow;              /* a line of 200 to 20,000 bytes a second, in either way */
    unsigned tight;             /* windows of 1 to 2,000 bytes */
    unsigned late;              /* connects up to 10 s later */
    uint64_t within_bytes;
    uint64_t stall_ns_max; /* a stall is this long at most, or for good (half of them) */
};
/* A mix of faults for a run: each is left out, rare or common. */
struct fl_world_faults fl_world_swarm(struct fl_rng *r);
/* Adds faults to a link; for fl_world_on_dial(). */
void fl_world_draw_faults(struct fl_rng *r, const struct fl_world_faults *faults,
                          struct fl_world_link *link);

/* Every connection to *to* gets a RST on both ends, as if the process there had been killed. */
void fl_world_kill(struct fl_world *w, const char *to);

/* The *nth* next (1: the next) write or dial of a node fails with FL_ERR_NOMEM or FL_ERR_SYS; 0:
 * none. All later writes on that stream fail as well. */
void fl_world_fail_write(struct fl_sys *sys, unsigned nth);
void fl_world_fail_dial(struct fl_sys *sys, unsigned nth);

/* --- Looking in --- */

struct fl_world_stats {
    unsigned streams_open;  /* not closed by their owners yet */
    unsigned streams_total; /* dialled and accepted */
    unsigned listeners;
    size_t queued_peak; /* most bytes one stream of the node had queued */
    uint64_t bytes_in, bytes_out;
    uint64_t writes, dials;
};
struct fl_world_stats fl_world_stats(const struct fl_sys *sys);
/* Connections that still exist in the network. */
unsigned fl_world_connections(const struct fl_world *w);
uint64_t fl_world_steps(const struct fl_world *w);

enum fl_world_kind {
    FL_WORLD_TIMER,
    FL_WORLD_ACCEPTED,
    FL_WORLD_OPENED,
    FL_WORLD_BYTES,
    FL_WORLD_ENDED,
    FL_WORLD_DRAINED,
    FL_WORLD_WROTE,
    FL_WORLD_FINISHED,
    FL_WORLD_CLOSED,
    FL_WORLD_KINDS
};
/* One thing that happened on a node: an event it got (TIMER to DRAINED) or a call it made. */
struct fl_world_note {
    uint64_t at_ns;
    enum fl_world_kind kind;
    uint32_t node; /* from 1, in the order of fl_world_sys() */
    uint32_t conn; /* serial of the connection, 0 for timers */
    unsigned up;   /* 1: seen from the end that dialled */
    unsigned code; /* enum fl_err of opened and ended, enum fl_close of closed */
    struct fl_slice bytes;
};
typedef void fl_world_trace_fn(void *owner, const struct fl_world_note *note);
void fl_world_on_note(struct fl_world *w, fl_world_trace_fn *trace, void *owner);
const char *fl_world_kind_name(enum fl_world_kind kind);
/* The note as a line without LF: time, node, connection, what, how many bytes, their beginning. */
void fl_world_put_note(const struct fl_world_note *note, struct fl_buf *b);
/* A hash over every note so far, bytes included. */
uint64_t fl_world_hash(const struct fl_world *w);
/* The world's own generator, for a test's choices that must replay with the seed. */
struct fl_rng *fl_world_rng(struct fl_world *w);

#endif

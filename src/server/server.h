/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway: client sessions, exchanges, attempts, connection pools, health checks. Knows the outside
 * only through struct fl_sys, so it runs over libuv (net) and in the simulator (sim) alike.
 *
 *   struct fl_snapshot  a configuration made ready to serve (TLS contexts); immutable, ref-counted,
 *                       shared by all workers
 *   struct fl_worker    one loop's server; everything in it belongs to that loop's thread
 *
 * A worker takes up a new snapshot between two events (fl_worker_adopt); exchanges in flight finish on
 * the snapshot they began with.
 */
#ifndef FL_SERVER_SERVER_H
#define FL_SERVER_SERVER_H

#include "base/sys.h"
#include "config/config.h"

struct fl_snapshot;
struct fl_worker;
struct fl_decisions; /* decisions.h */
struct fl_knowledge; /* understand.h */
struct fl_lessons; /* quality.h */
struct fl_memory; /* memory.h */
struct fl_replays; /* replay.h */

/* Takes over the reference to *config*, also on failure. */
enum fl_err fl_snapshot_create(struct fl_config *config, struct fl_snapshot **ret_snapshot,
                               struct fl_reterr *reterr) FL_CHECK_RESULT;
struct fl_snapshot *fl_snapshot_ref(struct fl_snapshot *s);
void fl_snapshot_unref(struct fl_snapshot *s); /* NULL is fine */
const struct fl_config *fl_snapshot_config(const struct fl_snapshot *s);

/* Receives access-log lines, several at a time, each ended by LF; called by worker threads. */
typedef void fl_access_sink_fn(struct fl_slice lines);

struct fl_worker_options {
    unsigned index;               /* 0 also runs the health checks */
    uint64_t seed;                /* of this worker's random numbers */
    fl_access_sink_fn *access;    /* NULL: no access log */
    struct fl_knowledge *knowledge; /* what answers teach; shared by all workers; may be NULL */
    struct fl_lessons *lessons;   /* what feedback teaches; shared by all workers; may be NULL */
    struct fl_memory *memory;     /* responses that clients may refer to; shared by all workers; may be NULL */
    struct fl_replays *replays;   /* streams that clients may come back for; shared by all workers; may be NULL */
    struct fl_decisions *decisions; /* where decision records go; shared by all workers; may be NULL */
    /* Reads a small file whose content changes (a token of the cluster's), on the loop. NULL: it stays as it was when
     * the configuration was loaded. */
    enum fl_err (*file)(struct fl_slice path, struct fl_buf *ret);
};

/* A worker on *sys*, which must outlive it. Takes its own reference to *snapshot*. */
enum fl_err fl_worker_create(struct fl_sys *sys, struct fl_snapshot *snapshot,
                             struct fl_worker_options options, struct fl_worker **ret_worker) FL_CHECK_RESULT;
/* Ends everything at once. NULL is fine. */
void fl_worker_destroy(struct fl_worker *w);
/* Listens on every address of the configuration. *ret_addrs* (room for the configuration's listen_count,
 * may be NULL) gets the addresses bound. */
enum fl_err fl_worker_listen(struct fl_worker *w, struct fl_addr *ret_addrs) FL_CHECK_RESULT;
/* Serves new requests by *snapshot* (the worker takes a reference), listens on addresses that are new
 * in it and leaves those that are gone. */
void fl_worker_adopt(struct fl_worker *w, struct fl_snapshot *snapshot);
/* Stops accepting, finishes what is in flight, then calls *done* (from the loop, once). After
 * limits.drain_ns what is left is cut. */
void fl_worker_drain(struct fl_worker *w, void (*done)(void *owner), void *owner);

struct fl_worker_stats {
    uint64_t sessions, exchanges, attempts;    /* begun */
    uint64_t answered, failed, cancelled;      /* exchanges ended */
    uint64_t failovers, stale_retries, heartbeats, hedges;
    unsigned sessions_open, exchanges_open, attempts_open, connections_open, connections_idle;
};
void fl_worker_read(const struct fl_worker *w, struct fl_worker_stats *ret_stats);
/* Asserts the invariants of DESIGN.md that can be seen between two events; for tests and the simulator. */
void fl_worker_check(const struct fl_worker *w);

#endif

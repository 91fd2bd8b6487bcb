/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shared by all workers and outlives every snapshot: target states and route states, found
 * by name in a registry.
 *
 * Threads: the registry is touched by the main thread only. A state is written under its spin lock,
 * held for tens of nanoseconds and never across a call out of this layer; decisions read its
 * atomics without the lock, so that choosing never waits for a worker that was descheduled.
 */
#ifndef FL_ROUTE_STATE_H
#define FL_ROUTE_STATE_H

#include "route/concurrency.h"
#include "route/health.h"
#include "route/hedge.h"
#include "route/keys.h"
#include "route/measure.h"
#include "route/pace.h"
#include "route/retry.h"
#include "route/route.h"

enum {
    FL_TURNS_MAX = 64,   /* primaries of a route among which smooth weighted round robin is done */
    FL_WAITING_KEPT = 64 /* newest dispatches whose time is kept */
};

/* Attempts that wait for something. Answers do not come in order, so the one that waits longest is
 * at least as old as the count-th newest dispatch: a lower bound of its age without a list of all.
 */
struct fl_waiting {
    _Atomic uint64_t oldest_ns; /* dispatched then or before; UINT64_MAX: none waits */
    unsigned count;
    uint64_t begun;
    uint64_t dispatched_ns[FL_WAITING_KEPT]; /* ring, the next at begun % FL_WAITING_KEPT */
};

struct fl_target_state {
    struct fl_target_state *next; /* in the registry's bucket */
    struct fl_slice id;           /* owned */
    struct fl_lock lock;
    _Atomic unsigned in_flight;
    _Atomic uint64_t pending_tokens; /* input tokens of streams without a first token */
    struct fl_waiting streams;       /* for their first token */
    struct fl_waiting answers;       /* plain ones, for their end */
    uint64_t begun, succeeded, failed, uncounted;
    struct fl_breaker breaker;
    struct fl_measures measures;
    struct fl_pace pace;
    struct fl_concurrency concurrency;
    _Atomic unsigned queued; /* requests that wait for a place here, on all workers */
    struct fl_retry_gate gate;
    struct fl_throttle throttle; /* has a lock of its own */
    struct fl_spreads spreads;
};

struct fl_turn {
    const struct fl_target_state
        *owner; /* whose turn is counted; another one after a reload: start anew */
    double current;
};

struct fl_route_state {
    struct fl_route_state *next;
    struct fl_slice name;   /* owned */
    _Atomic uint64_t turns; /* round robin: picks so far, from a random start; 0: not started */
    struct fl_retry_budget budget;     /* of extra attempts; has a lock of its own */
    struct fl_lock lock;               /* of: */
    struct fl_turn turn[FL_TURNS_MAX]; /* by position in the route */
};

#endif

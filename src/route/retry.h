/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps retries from becoming the outage (ROUTING.md 2.4, 2.5, 2.7):
 *
 *   budget    of a pool (a route) or a tenant: in any 10 s, extra attempts are at most a fifth of
 *             the requests, and 10 more (1 a second). Hedges draw from the same.
 *   gate      of a target: 10 tokens, a failure takes one, a success gives a tenth; while half or
 *             less are left, no second attempt of anybody goes there (gRPC's retry throttling)
 *   throttle  of a target: what it refused in the last 2 minutes decides with which probability it
 *             is not asked at all (client-side throttling of the SRE book)
 *   backoff   full jitter; a Retry-After is its floor
 *
 * Each has a lock or atomics of its own: all workers share them.
 */
#ifndef FL_ROUTE_RETRY_H
#define FL_ROUTE_RETRY_H

#include "base/rng.h"
#include "route/lock.h"
#include "route/measure.h"

/* --- Budget --- */

enum { FL_BUDGET_SLOTS = 10 };
#define FL_BUDGET_SHARE         0.2
#define FL_BUDGET_RESERVE_PER_S 1.0

/* All zero is a new one. */
struct fl_retry_budget {
    struct fl_lock lock;
    uint64_t second;                                            /* of the newest slot */
    unsigned requests[FL_BUDGET_SLOTS], extra[FL_BUDGET_SLOTS]; /* by second */
};

/* A request came: exactly once for each. */
void fl_retry_budget_request(struct fl_retry_budget *b, uint64_t now_ns);
/* May one more attempt be paid? *part*: the share of the budget that must be left for it: 0 for a
 * retry, 0.5 for a hedge. Takes nothing. */
bool fl_retry_budget_allows(struct fl_retry_budget *b, double part, uint64_t now_ns);
/* Takes one if it is there. */
bool fl_retry_budget_take(struct fl_retry_budget *b, double part, uint64_t now_ns);
/* Extra attempts still to be had. */
double fl_retry_budget_left(struct fl_retry_budget *b, uint64_t now_ns);

/* --- Gate --- */

enum { FL_GATE_FULL = 100 }; /* in tenths of a token */

struct fl_retry_gate {
    _Atomic unsigned spent; /* tenths; all zero is a full gate */
};

void fl_retry_gate_succeeded(struct fl_retry_gate *g);
void fl_retry_gate_failed(struct fl_retry_gate *g);
void fl_retry_gate_fill(struct fl_retry_gate *g);
bool fl_retry_gate_open(const struct fl_retry_gate *g);

/* --- Throttle --- */

enum { FL_THROTTLE_SLOTS = 12 };
#define FL_THROTTLE_K 2.0
/* Requests in the window below which nobody is throttled: with few, each is worth a try. */
#define FL_THROTTLE_LEAST 120

/* All zero is a new one; slots of 10 s. */
struct fl_throttle {
    struct fl_lock lock;
    uint64_t slot;
    unsigned requests[FL_THROTTLE_SLOTS], accepts[FL_THROTTLE_SLOTS];
    uint64_t passed_ns; /* the last one that was let through */
};

/* A request for the target, whether it was sent there or throttled here. */
void fl_throttle_asked(struct fl_throttle *t, uint64_t now_ns);
/* It was taken on: not refused with a rate limit or an overload, nor lost on the way. */
void fl_throttle_accepted(struct fl_throttle *t, uint64_t now_ns);
/* Probability of not asking it: max(0, (requests - K * accepts) / (requests + 1)). */
double fl_throttle_rejects(struct fl_throttle *t, uint64_t now_ns);
/* Is this one to be kept from it? *unit*: uniform in [0, 1). One a second is let through whatever
 * the probability, or an end of the trouble would be noticed late. */
bool fl_throttle_stops(struct fl_throttle *t, double unit, uint64_t now_ns);

/* It is well again: what was is forgotten. */
void fl_throttle_forget(struct fl_throttle *t);

/* --- Backoff --- */

#define FL_BACKOFF_BASE_NS UINT64_C(500000000)
#define FL_BACKOFF_CAP_NS  UINT64_C(10000000000)

/* Before the nth retry (n from 0) of the same target: U(0, min(cap, base * 2^n)), and *floor_ns*
 * (its Retry-After) at least. */
uint64_t fl_backoff_ns(unsigned n, uint64_t floor_ns, struct fl_rng *rng);

#endif

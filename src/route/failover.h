/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a failed attempt: what next? One pure function over the plan, the table of consequences
 * (failure.h), the keys, the budgets and the deadline.
 *
 *   fl_failover_start(&f)                          once an exchange
 *   fl_failover_first(&f, &scene)                  the first step
 *   for each attempt that failed before anything was sent to the client:
 *       fl_failover_next(&f, &scene, &failed)      the next step
 *
 * A step names a target of the plan, by its place in it, and how long to wait before; or says why
 * there is none. Order: another key of the same target, then targets in the plan's order, but first
 * those that share no failure domain (provider; account; vendor; region) with one that failed; then the same target
 * again; in the end the plan's spares, which are ejected. What is owed to a target's own limits is
 * waited for only if it ends in time; what a provider only told (a pause, a limit of its own) no
 * longer than FL_PATIENCE_NS, because nobody knows how long the client waits: rather its refusal is
 * handed on at once, and where there is nobody else to ask it is asked all the same.
 *
 * What is paid: an extra attempt whose predecessor was worked on draws from the route's and the
 * tenant's budget (retry.h), at most FL_FAILOVER_PAID_MAX in an exchange, and never goes where the
 * target's gate is closed. When the budget is used up, one attempt still may go to a target that is
 * healthy and whose gate is open (a *rescue*): what answers well is not what a budget protects, and
 * in a total outage all gates are closed within five failures each.
 *
 * A throttled target (retry.h) gives way to others. Where there is no other, the first attempt goes
 * to it all the same: no request is refused for what happened to those before it.
 */
#ifndef FL_ROUTE_FAILOVER_H
#define FL_ROUTE_FAILOVER_H

#include "route/failure.h"
#include "route/keys.h"
#include "route/retry.h"
#include "route/route.h"

enum { FL_FAILOVER_PAID_MAX = 2 };

#define FL_PATIENCE_NS UINT64_C(10000000000)

struct fl_failover {
    unsigned attempts, paid;
    bool rescued;
    /* Bits of places in the plan: */
    uint32_t tried;
    uint32_t blocked;                 /* the failures so far rule them out */
    uint32_t failed;                  /* something of theirs failed, not only the request */
    uint32_t again;                   /* were tried once more on their own account */
    uint32_t keys_tried[FL_PLAN_MAX]; /* bits of key indexes among the target's keys */
};

struct fl_failover_scene {
    const struct fl_table *table;
    const struct fl_plan *plan;
    struct fl_retry_budget *pool, *tenant; /* either may be NULL */
    struct fl_rng *rng;
    uint64_t now_ns, deadline_ns; /* 0: none */
    uint64_t expected_ns;         /* of one attempt until its first token; 0: not known */
    unsigned attempts_max;        /* of the exchange, all counted; 0: no limit but these rules */
    struct fl_key_need need;
    bool policy_fallback; /* what a content policy refused may be asked of others */
};

struct fl_failed {
    unsigned place; /* in the plan */
    enum fl_err err;
    unsigned key_index;      /* position among the target's keys; ignored where it has none;
                                FL_KEYS_MAX: none was used */
    bool untouched;          /* nothing of the request reached the provider */
    uint64_t retry_after_ns; /* 0: none */
    bool retry_said, retry;  /* the answer's x-should-retry */
};

enum fl_step_kind {
    FL_STEP_NONE,   /* give up; *why* and *err* */
    FL_STEP_TARGET, /* another target */
    FL_STEP_KEY,    /* the same target, by another key */
    FL_STEP_SAME    /* the same target again */
};
struct fl_step {
    enum fl_step_kind kind;
    unsigned place;   /* in the plan */
    uint64_t wait_ns; /* before it is dispatched */
    bool paid;        /* from the budgets */
    bool at_once;     /* though its keys are said to have nothing left */
    const char *why;  /* "first", "next", "other-domain", "other-key", "larger-context", "backoff",
                         "retry-after", "rescue", "at-once"; of none: "final" (the error allows
                         nothing), "used-up"  (the plan or the attempts), "budget", "deadline",
                         "too-long" (the wait) */
};

void fl_failover_start(struct fl_failover *f);
struct fl_step fl_failover_first(struct fl_failover *f, const struct fl_failover_scene *scene);
struct fl_step fl_failover_next(struct fl_failover *f, const struct fl_failover_scene *scene,
                                const struct fl_failed *failed);
/* One of two attempts failed while the other goes on: nothing is decided yet, but what follows when
 * the other one fails too is to go by both. */
void fl_failover_note(struct fl_failover *f, const struct fl_failover_scene *scene,
                      const struct fl_failed *failed);
/* The target of *io_step*, which is to be asked now, is busy with as many requests as it may have,
 * as are all those of *full* (bits by place). True when one of the plan's others can be asked at
 * once: it is the step now, and the busy one has not been tried. */
bool fl_failover_elsewhere(struct fl_failover *f, const struct fl_failover_scene *scene,
                           uint32_t full, struct fl_step *io_step);
/* The second attempt of a hedge: an untried target that shares no vendor with the first, nor an
 * account, and has an open gate; FL_STEP_NONE if there is none or the budget has less than half. It
 * is then counted as tried and paid. Whether to hedge at all is hedge.h's question. */
struct fl_step fl_failover_hedge(struct fl_failover *f, const struct fl_failover_scene *scene,
                                 unsigned first_place);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy sees and says. It gets the primaries of a route that may be chosen now and gives
 * each a group and a key: the plan takes the lowest group first, in it the lowest key, and breaks
 * ties at random. It never sees a socket, keeps nothing of its own beyond fl_route_state, and
 * allocates nothing. docs/add-a-policy.md has the steps to add one.
 */
#ifndef FL_ROUTE_POLICIES_H
#define FL_ROUTE_POLICIES_H

#include "route/state.h"

struct fl_option {
    const struct fl_target *target;
    struct fl_target_state *state;
    unsigned index;    /* of the target in the table */
    unsigned position; /* in the route */
    unsigned in_flight;
    double weight;                /* configured; under hybrid with bonus and cost in it */
    double merit;                 /* under hybrid: the factor of bonus and cost alone; else 1 */
    double vigour;                /* (0, 1]: what recent failures left of the weight */
    struct fl_measures_seen seen; /* where the policy's row asks for it, and under hybrid */
    /* the policy's answer: */
    unsigned group; /* 0 on entry */
    double key;     /* 0 on entry */
    double score;   /* for people: in the policy's own unit */
    uint64_t tie;   /* set by the plan */
};

struct fl_choice {
    const struct fl_table *table;
    const struct fl_route *route;
    const struct fl_route_request *request;
    struct fl_rng *rng;
    struct fl_option *options; /* two or more */
    unsigned count;
    const char *why; /* set by the policy: a static text */
};

typedef void fl_order_fn(struct fl_choice *c);

struct fl_policy {
    const char *name;
    fl_order_fn *order;
    bool measured; /* wants fl_option.seen */
};

/* By strategy and, for load_balance and hybrid, algorithm. */
const struct fl_policy *fl_policy_of(enum fl_strategy strategy, enum fl_algorithm algorithm);

#endif

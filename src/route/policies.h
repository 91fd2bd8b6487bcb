/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy sees and says. It gets the targets of a route that may be chosen now and gives
 * each a group and a key: the plan takes the lowest group first, in it the lowest key, and breaks
 * ties at random. It never sees a socket, keeps nothing of its own beyond fl_route_state and
 * fl_target_state, and allocates nothing. docs/add-a-policy.md has the steps to add one.
 *
 * A policy is one file in policy/ and one row of the table in policies.c; what several of them need
 * is in policy/common.h.
 */
#ifndef FL_ROUTE_POLICIES_H
#define FL_ROUTE_POLICIES_H

#include "route/estimate.h"
#include "route/outlook.h"
#include "route/state.h"

struct fl_option {
    const struct fl_target *target;
    struct fl_target_state *state;
    unsigned index;    /* of the target in the table */
    unsigned position; /* in the route */
    unsigned level;    /* 0: a primary; 1: a fallback, shown where the policy's row asks for them */
    unsigned in_flight;
    uint64_t pending_tokens;
    double weight; /* configured */
    double vigour; /* (0, 1]: what recent failures left of the weight */
    bool trial;    /* to be asked would be its trial */
    /* This request at this target: */
    struct fl_tokens tokens;
    bool priced;
    struct fl_cost cost; /* 0 when not priced */
    /* Where the policy's row says measured: what is predicted from what was seen of the target, and of
     * all options together (fl_choice.outlook). */
    double ttft_ns, total_ns; /* of an attempt begun now */
    double error_ns;          /* standard error of total_ns */
    double success, believed; /* its probability; the same, but 1 in doubt */
    double failure_ns;        /* mean time to a failure; 0: none seen */
    double quality; /* in [0, 1]; NAN: not known */
    bool unproven;  /* not shown to be no worse than the default for this sort of request */
    /* the policy's answer: */
    unsigned group; /* 0 on entry */
    double key;     /* 0 on entry */
    double score;   /* for people: in the policy's own unit */
    double *terms;  /* FL_TERMS_MAX of what the score is made of: by fl_choice.terms; where the row
                       has explain(), by that */
    unsigned place; /* in fl_choice.outlook, wherever a policy moves the option to */
};

struct fl_choice {
    const struct fl_table *table;
    const struct fl_route *route;
    const struct fl_route_request *request;
    struct fl_rng *rng;
    enum fl_algorithm algorithm; /* the route's or the request's, whatever the strategy */
    struct fl_option *options;   /* two or more */
    unsigned count;
    struct fl_outlook *outlook; /* where measured: of the options, in their order on entry */
    double propensity;        /* of the option that comes first, ties left out: 1 on entry */
    const char *why;          /* set by the policy: a static text */
    const char *const *terms; /* set by the policy: static names of fl_option.terms; or NULL */
    unsigned term_count;      /* at most FL_TERMS_MAX */
};

typedef void fl_order_fn(struct fl_choice *c);
/* The terms of one option, asked after the order and only of those that come on the record. */
typedef void fl_explain_fn(const struct fl_choice *c, const struct fl_option *o,
                           double ret_terms[FL_TERMS_MAX]);

struct fl_policy {
    const char *name;
    fl_order_fn *order;
    bool measured;  /* wants what was seen of targets and what is predicted from it */
    bool fallbacks; /* wants fallbacks among its options */
    fl_explain_fn *explain; /* NULL: the order sets the terms */
};

/* By strategy and, for load_balance, algorithm. */
const struct fl_policy *fl_policy_of(enum fl_strategy strategy, enum fl_algorithm algorithm);

/* The policies: one file each. */
fl_order_fn fl_policy_hybrid, fl_policy_cost, fl_policy_performance, fl_policy_adaptive,
    fl_policy_priority, fl_policy_classification, fl_policy_quality;
fl_explain_fn fl_explain_hybrid;
fl_order_fn fl_policy_weighted_round_robin, fl_policy_round_robin, fl_policy_least_connections,
    fl_policy_least_response_time, fl_policy_ip_hash, fl_policy_random, fl_policy_p2c,
    fl_policy_peak_ewma, fl_policy_lew, fl_policy_spd, fl_policy_price_weighted,
    fl_policy_prefix_affinity;

#endif

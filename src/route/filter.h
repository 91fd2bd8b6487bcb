/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request demands of a target whatever the target's health, and what is given up when no
 * target has it all.
 *
 *   demand   the constraints of a request on a route, merged: the request's tier, else the route's;
 *            the lesser of both cost limits
 *   fault    a constraint that a target fails: bit 1 << enum fl_skip, for FL_SKIP_DISABLED up to
 *            FL_SKIP_COST. The least bit is the reason on the record
 *
 * What is not known of a target is no fault, with two exceptions: where a tier is asked for it must be
 * known, and where a cost limit is given there must be a price to hold against it.
 */
#ifndef FL_ROUTE_FILTER_H
#define FL_ROUTE_FILTER_H

#include "route/estimate.h"

struct fl_demand {
    const struct fl_route_request *request;
    enum fl_tier tier;
    bool max_cost_given;
    uint64_t max_cost_picousd;
};

/* Beside the faults: the context is too short even if our count of the prompt is a fifth too high. */
#define FL_FAULT_CONTEXT_SURE (UINT32_C(1) << 31)

struct fl_demand fl_demand_of(const struct fl_route *route, const struct fl_route_request *request);
/* *cost* is NULL where there is no price. */
uint32_t fl_faults_of(const struct fl_target *at, const struct fl_demand *demand, unsigned target,
                      const struct fl_tokens *tokens, const struct fl_cost *cost);
/* The reason on the record for faults != 0. */
enum fl_skip fl_faults_first(uint32_t faults);

/* What the targets of a route fail, one offered after another, so that it is known what to give up.
 * Start with all zero. */
struct fl_shortage {
    unsigned offered, eligible;
    unsigned long_context;         /* fail the context alone, and not surely */
    unsigned tiers[FL_TIER_COUNT]; /* fail the tier alone, by their tier */
    unsigned dear;                 /* fail the cost limit alone, with a price */
    enum fl_skip nearest;          /* the last constraint anyone reached */
};
void fl_shortage_offer(struct fl_shortage *s, const struct fl_target *target, uint32_t faults);

/* What may be given up, in the declared order: context, tier, cost; one of them, never two. */
struct fl_concession {
    unsigned relaxed;  /* FL_RELAXED_ bit, or 0: nothing need be or may be */
    uint32_t pardoned; /* faults */
    enum fl_tier tier; /* under FL_RELAXED_TIER: targets of this tier alone */
};
struct fl_concession fl_shortage_settle(const struct fl_shortage *s,
                                        const struct fl_route_settings *settings);
/* May a target with these faults be tried after all? */
bool fl_concession_admits(const struct fl_concession *c, const struct fl_target *target,
                          uint32_t faults);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a request is expected to be at a target: tokens, and their price. Money is pico-USD. */
#ifndef FL_ROUTE_ESTIMATE_H
#define FL_ROUTE_ESTIMATE_H

#include "base/usage.h"
#include "route/route.h"

struct fl_tokens {
    unsigned in;                    /* as the target's tokenizer counts */
    unsigned cached;                /* of these, held in the target's prompt cache */
    uint32_t cached_ppm;            /* with this probability, in millionths */
    int64_t when_s;                 /* for prices by date; 0: not known */
    unsigned out_p50, out, out_p90; /* of the answer: the median, the mean, rarely exceeded */
};

struct fl_cost {
    uint64_t p50; /* median answer, the cache by its probability: what choices compare */
    uint64_t p90; /* long answer, nothing cached: what a limit is held against */
};

/* *target* is the target's index in the table (for what its cache holds). */
struct fl_tokens fl_tokens_expected(const struct fl_table *t, unsigned target,
                                    const struct fl_route_request *request);
/* The same in two steps, of which the first is the same for all targets. */
struct fl_tokens fl_tokens_of(const struct fl_route_request *request);
struct fl_tokens fl_tokens_at(const struct fl_tokens *of_request, const struct fl_target *at,
                              unsigned target, const struct fl_route_request *request);
/* The target as it is for this request. */
static inline const struct fl_target *fl_target_for(const struct fl_table *t, unsigned target,
                                                    const struct fl_route_request *request)
{
    for (unsigned i = 0; i < request->named_count; i++) {
        if (request->named[i].index == target) {
            return &request->named[i].target;
        }
    }
    return &t->targets[target];
}

/* One attempt with these tokens:
 *
 *   p50 = ((in - q * cached) * price_in + q * cached * price_cached + out_p50 * price_out) * multiplier
 *   p90 = (in * price_in + out_p90 * price_out) * multiplier
 *
 * False when the target has no price. Saturates. */
bool fl_cost_estimate(const struct fl_target *target, const struct fl_tokens *tokens,
                      struct fl_cost *ret_cost);
/* The same of what was counted. */
bool fl_cost_exact(const struct fl_target *target, const struct fl_usage *usage, int64_t when_s,
                   uint64_t *ret_picousd);

#endif

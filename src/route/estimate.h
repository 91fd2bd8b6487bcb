/* SPDX-License-Identifier: Apache-2.0 */
/* What a request is expected to be at a target: tokens, and their price. Money is pico-USD. */
#ifndef FL_ROUTE_ESTIMATE_H
#define FL_ROUTE_ESTIMATE_H

#include "route/route.h"

struct fl_tokens {
    unsigned in, cached; /* as the target's tokenizer counts; the cached ones are among them */
    unsigned out_p50, out, out_p90;
};

/* *target* is the target's index in the table (for what its cache holds). */
struct fl_tokens fl_tokens_expected(const struct fl_table *t, unsigned target,
                                    const struct fl_route_request *request);

/* Pico-USD of one attempt with these tokens, without the multiplier:
 *
 *   (in - cached) * price_in + cached * price_cached + out * price_out
 *
 * False when the target has no price. Saturates. */
bool fl_cost_estimate(const struct fl_target *target, unsigned in, unsigned cached, unsigned out,
                      uint64_t *ret_picousd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* adaptive: smooth weighted turns with the configured weights times what was measured:
 *
 *   w* = success / (1 + latency / mean latency of the pool), at least 0.02 of the greatest
 *
 * Score: what it had in its turn. */
#include "route/policy/common.h"

#include <math.h>

#define FLOOR 0.02

void fl_policy_adaptive(struct fl_choice *c)
{
    double weights[FL_ROUTE_TARGETS_MAX], mean_ns = 0, most = 0;
    for (unsigned i = 0; i < c->count; i++) {
        mean_ns += c->options[i].total_ns / c->count;
    }
    for (unsigned i = 0; i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        weights[i] = fl_live_weight(o) * o->success / (1 + o->total_ns / fmax(mean_ns, 1));
        most = fmax(most, weights[i]);
    }
    for (unsigned i = 0; i < c->count; i++) {
        weights[i] = fmax(weights[i], FLOOR * most);
    }
    fl_order_by_turns(c, weights);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* p2c: two at random, of these the one with fewer in flight for its weight (Mitzenmacher 1996); the
 * rest of the plan by the same load. For many gateways with partial views; with exact counts
 * least_connections is better. Score: (in flight + 1) / weight. */
#include "route/policy/common.h"

void fl_policy_p2c(struct fl_choice *c)
{
    unsigned one = (unsigned)fl_rng_below(c->rng, c->count);
    unsigned two = (unsigned)fl_rng_below(c->rng, c->count - 1);
    two += two >= one;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score = (o->in_flight + 1) / fl_live_weight(o);
        o->group = i != one && i != two;
    }
    c->why = "lighter-of-two";
}

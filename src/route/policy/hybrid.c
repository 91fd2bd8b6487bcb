/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid: bonus, cost and success folded into the weights, the route's algorithm does the rest. */
#include "route/policy/common.h"

#include <math.h>

/* What bonus and cost make of a weight, at most 16 times more or less. */
static double merit_of(const struct fl_target *t)
{
    double merit = (1 + t->performance_bonus) / t->cost_multiplier;
    return fmin(fmax(merit, 1.0 / 16), 16);
}

/* Success in steps of 5 %: the noise of a few requests moves no weight. */
static double credit_of(const struct fl_measures_seen *seen)
{
    return fmax(round(fl_success_of(seen) * 20), 1) / 20;
}

void fl_policy_hybrid(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->weight *= merit_of(o->target);
        o->vigour *= credit_of(&o->seen);
    }
    fl_policy_of(FL_STRATEGY_LOAD_BALANCE, c->algorithm)->order(c);
}

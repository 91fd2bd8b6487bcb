/* SPDX-License-Identifier: Apache-2.0 */
/* quality: the best answer that is expected, ties by price and then by attempts in flight. Where
 * nothing was learned of a model its tier stands for it. Score: expected quality. */
#include "route/policy/common.h"

#include <math.h>

static double quality_of(const struct fl_option *o)
{
    static const double of_tier[FL_TIER_COUNT] = {0.5, 0.5, 0.65, 0.8};
    return isnan(o->quality) ? of_tier[o->target->tier] : o->quality;
}

void fl_policy_quality(struct fl_choice *c)
{
    double best = 0;
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = quality_of(&c->options[i]);
        best = fmax(best, c->options[i].score);
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->score < best;
        o->key = o->group > 0 ? -o->score : o->priced ? (double)o->cost.p50 : HUGE_VAL;
    }
    c->why = "best-quality";
}

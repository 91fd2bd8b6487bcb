/* SPDX-License-Identifier: Apache-2.0 */
/* price_weighted: at random, weight / price^2: USD 1 is nine times as likely as USD 3. The price is
 * the expected one of this request. Targets without a price come last, at random by
 * weight / multiplier^2. Score: -ln(u) / w. */
#include "route/policy/common.h"

#include <math.h>

static double share_of(const struct fl_option *o)
{
    double price = o->priced ? fmax((double)o->cost.p50, 1) : o->target->cost_multiplier;
    return fl_live_weight(o) / price / price;
}

void fl_policy_price_weighted(struct fl_choice *c)
{
    const struct fl_option *first = &c->options[0];
    double total[2] = {0, 0};
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = !o->priced;
        o->key = o->score = -log1p(-fl_rng_unit(c->rng)) / share_of(o);
        total[o->group] += share_of(o);
        if (o->group < first->group || (o->group == first->group && o->key < first->key)) {
            first = o;
        }
    }
    c->propensity = share_of(first) / total[first->group];
    c->why = "random-by-price";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* price_weighted: at random, weight / price^2: USD 1 is nine times as likely as USD 3. The price is
 * the expected one of this request times the multiplier. Targets without a price come last, at
 * random by weight / multiplier^2. Score: -ln(u) / w. */
#include "route/policy/common.h"

#include <math.h>

void fl_policy_price_weighted(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double price = o->target->cost_multiplier * (o->priced ? fmax((double)o->cost.p50, 1) : 1);
        o->key = o->score = -log1p(-fl_rng_unit(c->rng)) / fl_live_weight(o) * price * price;
        o->group = !o->priced;
    }
    c->why = "random-by-price";
}

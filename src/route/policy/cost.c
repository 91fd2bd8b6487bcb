/* SPDX-License-Identifier: Apache-2.0 */
/* cost: the expected price of this request, times the multiplier; ties take turns by weight.
 * Targets without a price come after those with one, by their multiplier. Score: micro-USD, or the
 * multiplier. */
#include "route/policy/common.h"

#include <math.h>

static double price_of(const struct fl_option *o)
{
    double multiplier = o->target->cost_multiplier;
    return o->priced ? (double)o->cost.p50 / 1e6 * multiplier : multiplier;
}

/* Before or after in price, by more than rounding. */
static bool dearer(const struct fl_option *a, const struct fl_option *b)
{
    return a->priced == b->priced ? a->score > b->score * (1 + 1e-9) : b->priced;
}

void fl_policy_cost(struct fl_choice *c)
{
    const struct fl_option *cheapest = &c->options[0];
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = price_of(&c->options[i]);
        if (dearer(cheapest, &c->options[i])) {
            cheapest = &c->options[i];
        }
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score;
        o->group = !dearer(o, cheapest) ? 0 : o->priced ? 1 : 2;
    }
    if (fl_turns_fit(c)) {
        fl_take_turns(c, NULL)->key = -HUGE_VAL;
    }
    c->why = "cheapest";
}

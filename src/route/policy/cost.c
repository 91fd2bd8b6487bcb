/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost: the least expected price of an answer:
 *
 *   c = ((in - q * cached) * price + q * cached * price of cached + out * price of out) * multiplier / p
 *
 * with the tokens of the target's own tokenizer, q the probability that its cache is warm, the median
 * of the answer, and p its success, in doubt 1. Ties take turns by weight. Targets without a price
 * come after those with one, by their multiplier. A limit and a tier are kept by the filter, before
 * this is asked. Score: micro-USD, or the multiplier.
 */
#include "route/policy/common.h"

#include <math.h>

enum term { COST_USD, COST_P90_USD, SUCCESS, CACHED, TERMS };
static const char *const terms[TERMS] = {"cost_usd", "cost_p90_usd", "success", "cached_tokens"};

static double price_of(const struct fl_option *o)
{
    return o->priced ? (double)o->cost.p50 / 1e6 / o->believed : o->target->cost_multiplier;
}

/* Before or after in price, by more than rounding. */
static bool dearer(const struct fl_option *a, const struct fl_option *b)
{
    return a->priced == b->priced ? a->score > b->score * (1 + 1e-9) : b->priced;
}

static void score(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->score = price_of(o);
        o->terms[COST_USD] = (double)o->cost.p50 / 1e12;
        o->terms[COST_P90_USD] = (double)o->cost.p90 / 1e12;
        o->terms[SUCCESS] = o->success;
        o->terms[CACHED] = o->tokens.cached;
    }
    c->terms = terms;
    c->term_count = TERMS;
}

void fl_policy_cost(struct fl_choice *c)
{
    const struct fl_option *cheapest = &c->options[0];
    score(c);
    for (unsigned i = 0; i < c->count; i++) {
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

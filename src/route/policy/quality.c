/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quality: the answer that is worth most,
 *
 *   U = Q - lambda * c
 *
 * Q  the expected reward of the target's model for this request, as learned (fl_route_request.quality);
 *    of a model nobody has learned about what its tier stands for: 0.5 low, 0.65 medium, 0.8 high
 * c  the expected price; lambda what a pico-USD must add to the reward, as the budget paces it. A
 *    target without a price counts as the dearest
 *
 * A model that is not proven to be no worse than the default one (route/quality/gate.h) comes after all
 * that are. What is within 0.01 of the best U is as good: of these the cheapest, then the one with the
 * fewest in flight. Score: U. A small share of requests tries another target (fl_route_request.explore).
 */
#include "route/policy/common.h"

#include <math.h>

#define AS_GOOD 0.01

enum term { QUALITY, COST_USD, PRICE_PAID, TERMS };
static const char *const terms[TERMS] = {"quality", "cost_usd", "cost_as_quality"};

static double quality_of(const struct fl_option *o)
{
    static const double of_tier[FL_TIER_COUNT] = {0.5, 0.5, 0.65, 0.8};
    return isnan(o->quality) ? of_tier[o->target->tier] : o->quality;
}

static void score(struct fl_choice *c)
{
    double dearest = 0;
    for (unsigned i = 0; i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        dearest = o->priced && (double)o->cost.p50 > dearest ? (double)o->cost.p50 : dearest;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double picousd = o->priced ? (double)o->cost.p50 : dearest;
        o->terms[QUALITY] = quality_of(o);
        o->terms[COST_USD] = picousd / 1e12;
        o->terms[PRICE_PAID] = c->request->quality_price * picousd;
        o->score = o->terms[QUALITY] - o->terms[PRICE_PAID];
    }
    c->terms = terms;
    c->term_count = TERMS;
}

void fl_policy_quality(struct fl_choice *c)
{
    double best[2] = {-HUGE_VAL, -HUGE_VAL};
    score(c);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        best[o->unproven] = o->score > best[o->unproven] ? o->score : best[o->unproven];
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        bool as_good = o->score >= best[o->unproven] - AS_GOOD;
        o->group = 2u * o->unproven + !as_good;
        /* The price to a thousandth of a micro-USD, then the load. */
        o->key = !as_good
                     ? -o->score
                     : o->terms[COST_USD] * 1e9 + 1e-6 * (o->in_flight + 1) / fl_live_weight(o);
    }
    c->why = "best-quality";
    fl_explore_share(c);
}

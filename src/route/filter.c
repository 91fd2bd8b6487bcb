/* SPDX-License-Identifier: Apache-2.0 */
#include "route/filter.h"

#include "base/assert.h"

#define BIT(skip) (UINT32_C(1) << (skip))

struct fl_demand fl_demand_of(const struct fl_route *route, const struct fl_route_request *request)
{
    struct fl_demand d = {.request = request,
                          .tier = request->tier != FL_TIER_UNKNOWN ? request->tier : route->tier,
                          .max_cost_given = request->max_cost_given,
                          .max_cost_picousd = request->max_cost_picousd};
    uint64_t limit = route->max_cost_picousd;
    if (limit > 0 && (!d.max_cost_given || limit < d.max_cost_picousd)) {
        d.max_cost_given = true;
        d.max_cost_picousd = limit;
    }
    return d;
}

/* Only what was counted counts: a default is no ground for a refusal. */
static uint32_t length_faults(const struct fl_target *t, const struct fl_route_request *r,
                              const struct fl_tokens *n)
{
    uint32_t faults = 0;
    if (t->context_tokens > 0) {
        uint64_t in = r->tokens_in > 0 || r->tokens_by_tokenizer ? n->in : 0;
        uint64_t out = r->tokens_out > 0 || r->tokens_out_p90 > 0 ? n->out_p90 : 0;
        faults |= in + out > t->context_tokens ? BIT(FL_SKIP_CONTEXT) : 0;
        faults |= in + out > t->context_tokens && in - in / 5 > t->context_tokens
                      ? FL_FAULT_CONTEXT_SURE
                      : 0;
    }
    if (t->output_tokens > 0 && r->tokens_out_max > t->output_tokens) {
        faults |= BIT(FL_SKIP_OUTPUT);
    }
    return faults;
}

uint32_t fl_faults_of(const struct fl_target *at, const struct fl_demand *demand, unsigned target,
                      const struct fl_tokens *tokens, const struct fl_cost *cost)
{
    const struct fl_route_request *r = demand->request;
    uint32_t faults = length_faults(at, r, tokens);
    faults |= at->disabled ? BIT(FL_SKIP_DISABLED) : 0;
    faults |= r->denied && r->denied[target] ? BIT(FL_SKIP_DENIED) : 0;
    faults |= (r->needs & at->lacks) != 0 ? BIT(FL_SKIP_CAPABILITY) : 0;
    faults |= at->tier < demand->tier ? BIT(FL_SKIP_TIER) : 0;
    if (demand->max_cost_given) {
        faults |= !cost ? BIT(FL_SKIP_UNPRICED) : 0;
        faults |= cost && cost->p90 > demand->max_cost_picousd ? BIT(FL_SKIP_COST) : 0;
    }
    return faults;
}

enum fl_skip fl_faults_first(uint32_t faults)
{
    fl_assert((faults & ~FL_FAULT_CONTEXT_SURE) != 0);
    return (enum fl_skip)__builtin_ctz(faults);
}

void fl_shortage_offer(struct fl_shortage *s, const struct fl_target *target, uint32_t faults)
{
    s->offered++;
    if (faults == 0) {
        s->eligible++;
        return;
    }
    enum fl_skip first = fl_faults_first(faults);
    s->nearest = first > s->nearest ? first : s->nearest;
    s->long_context += faults == BIT(FL_SKIP_CONTEXT);
    s->tiers[target->tier] += faults == BIT(FL_SKIP_TIER);
    s->dear += faults == BIT(FL_SKIP_COST);
}

struct fl_concession fl_shortage_settle(const struct fl_shortage *s,
                                        const struct fl_route_settings *settings)
{
    struct fl_concession none = {0};
    if (s->eligible > 0) {
        return none;
    }
    if (s->long_context > 0) {
        return (struct fl_concession){FL_RELAXED_CONTEXT, BIT(FL_SKIP_CONTEXT), FL_TIER_UNKNOWN};
    }
    for (unsigned tier = FL_TIER_HIGH; settings->tier_down_allowed && tier > FL_TIER_UNKNOWN;
         tier--) {
        if (s->tiers[tier] > 0) {
            return (struct fl_concession){FL_RELAXED_TIER, BIT(FL_SKIP_TIER), (enum fl_tier)tier};
        }
    }
    if (settings->over_budget_allowed && s->dear > 0) {
        return (struct fl_concession){FL_RELAXED_COST, BIT(FL_SKIP_COST), FL_TIER_UNKNOWN};
    }
    return none;
}

bool fl_concession_admits(const struct fl_concession *c, const struct fl_target *target,
                          uint32_t faults)
{
    return faults == 0 ||
           (faults == c->pardoned && (c->relaxed != FL_RELAXED_TIER || target->tier == c->tier));
}

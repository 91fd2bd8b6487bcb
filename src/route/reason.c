/* SPDX-License-Identifier: Apache-2.0 */
/* A plan in words: the short form for a header, and why there is none. */
#include "route/filter.h"

#include "base/assert.h"

const char *fl_skip_name(enum fl_skip skip)
{
    static const char *const names[FL_SKIP_COUNT] = {
#define X(id, name, err) [id] = (name),
        FL_SKIPS(X)
#undef X
    };
    fl_assert((unsigned)skip < FL_SKIP_COUNT);
    return names[skip];
}

const char *fl_relaxed_name(unsigned bit)
{
    switch (bit) {
    case FL_RELAXED_COOLING:
        return "cooling";
    case FL_RELAXED_PANIC:
        return "panic";
    case FL_RELAXED_CONTEXT:
        return "context";
    case FL_RELAXED_TIER:
        return "tier";
    case FL_RELAXED_COST:
        return "cost";
    default:
        fl_assert(bit == FL_RELAXED_COST);
        return "";
    }
}

void fl_needs_put(uint32_t needs, struct fl_buf *b)
{
    static const char *const names[] = {"tools",       "vision",    "audio",
                                        "json schema", "reasoning", "streaming",
                                        "completions", "embeddings", "endpoint",
                                        "responses"};
    const char *before = "";
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (needs >> i & 1) {
            fl_buf_put_cstr(b, before);
            fl_buf_put_cstr(b, names[i]);
            before = ", ";
        }
    }
}

static void put_relaxed(unsigned relaxed, struct fl_buf *b)
{
    const char *before = "; relaxed=";
    for (unsigned bit = FL_RELAXED_COOLING; bit <= FL_RELAXED_COST; bit <<= 1) {
        if (relaxed & bit) {
            fl_buf_put_cstr(b, before);
            fl_buf_put_cstr(b, fl_relaxed_name(bit));
            before = ",";
        }
    }
}

void fl_plan_put_reason(const struct fl_table *t, const struct fl_plan *plan, struct fl_buf *b)
{
    enum { named_max = 8 };
    const char *before = "; skipped=";
    unsigned named = 0;
    fl_buf_put(b, FL_LIT("strategy="));
    fl_buf_put_cstr(b, fl_strategy_name(plan->strategy));
    if (strcmp(plan->policy, fl_strategy_name(plan->strategy)) != 0) {
        fl_buf_put(b, FL_LIT("; policy="));
        fl_buf_put_cstr(b, plan->policy);
    }
    fl_buf_put(b, FL_LIT("; why="));
    fl_buf_put_cstr(b, plan->why);
    put_relaxed(plan->relaxed, b);
    fl_buf_put(b, FL_LIT("; considered="));
    fl_buf_put_u64(b, plan->considered);
    for (unsigned i = 0; i < plan->candidate_count && named < named_max; i++) {
        const struct fl_candidate *c = &plan->candidates[i];
        if (c->skip != FL_SKIP_NONE) {
            fl_buf_put_cstr(b, before);
            fl_buf_put(b, t->targets[c->target].id);
            fl_buf_putc(b, ':');
            fl_buf_put_cstr(b, fl_skip_name(c->skip));
            before = ",";
            named++;
        }
    }
}

/* --- Refusals --- */

/* The target that comes nearest to being admitted, and by how much it fails. */
struct nearest {
    const struct fl_target *target; /* NULL: none */
    uint64_t figure;                /* context, output, tier, or p90 cost */
    struct fl_tokens tokens;
};

static struct nearest nearest_of(const struct fl_table *t, const struct fl_plan *plan,
                                 const struct fl_route_request *request)
{
    struct nearest n = {.target = NULL};
    struct fl_demand demand = fl_demand_of(plan->route, request);
    for (unsigned i = 0; i < plan->route->target_count; i++) {
        unsigned index = plan->route->targets[i];
        const struct fl_target *target = fl_target_for(t, index, request);
        struct fl_tokens tokens = fl_tokens_expected(t, index, request);
        struct fl_cost cost = {0, 0};
        bool priced = fl_cost_estimate(target, &tokens, &cost);
        uint32_t faults = fl_faults_of(target, &demand, index, &tokens, priced ? &cost : NULL);
        if (faults == 0 || fl_faults_first(faults) != plan->binding) {
            continue;
        }
        bool dear = plan->binding == FL_SKIP_COST;
        uint64_t figure = dear                               ? cost.p90
                          : plan->binding == FL_SKIP_CONTEXT ? target->context_tokens
                          : plan->binding == FL_SKIP_OUTPUT  ? target->output_tokens
                                                             : (uint64_t)target->tier;
        if (!n.target || (dear ? figure < n.figure : figure > n.figure)) {
            n = (struct nearest){target, figure, tokens};
        }
    }
    return n;
}

static void put_usd(struct fl_buf *b, uint64_t picousd)
{
    fl_buf_put_scaled(b, picousd, 12, picousd >= 1000000 ? 6 : 12);
    fl_buf_put(b, FL_LIT(" USD"));
}

static void put_context(struct fl_buf *b, const struct nearest *n)
{
    fl_buf_put(b, FL_LIT("The request is about "));
    fl_buf_put_u64(b, n->tokens.in);
    fl_buf_put(b, FL_LIT(" tokens and its answer up to "));
    fl_buf_put_u64(b, n->tokens.out_p90);
    fl_buf_put(b, FL_LIT("; the longest context of this model's targets is "));
    fl_buf_put_u64(b, n->figure);
    fl_buf_put(b, FL_LIT(" ("));
    fl_buf_put(b, n->target->id);
    fl_buf_put(b, FL_LIT("). Shorten the messages, lower max_tokens, or choose another model."));
}

static void put_output(struct fl_buf *b, const struct nearest *n,
                       const struct fl_route_request *request)
{
    fl_buf_put(b, FL_LIT("max_tokens is "));
    fl_buf_put_u64(b, request->tokens_out_max);
    fl_buf_put(b, FL_LIT("; the longest answer that this model's targets give is "));
    fl_buf_put_u64(b, n->figure);
    fl_buf_put(b, FL_LIT(" tokens ("));
    fl_buf_put(b, n->target->id);
    fl_buf_put(b, FL_LIT("). Lower max_tokens, or choose another model."));
}

static void put_tier(struct fl_buf *b, const struct nearest *n, enum fl_tier asked)
{
    fl_buf_put(b, FL_LIT("No target of this model is of tier '"));
    fl_buf_put_cstr(b, fl_tier_name(asked));
    fl_buf_put(b, FL_LIT("' or better; the best is '"));
    fl_buf_put_cstr(b, fl_tier_name(n->target->tier));
    fl_buf_put(b, FL_LIT("' ("));
    fl_buf_put(b, n->target->id);
    fl_buf_put(b,
               FL_LIT("). Ask for a lower tier, choose another model, or allow a lower tier with "
                      "'tier_down_allowed' under 'routing'."));
}

static void put_cost(struct fl_buf *b, const struct nearest *n, uint64_t limit)
{
    fl_buf_put(b, FL_LIT("The cheapest target that fits, "));
    fl_buf_put(b, n->target->id);
    fl_buf_put(b, FL_LIT(", may cost "));
    put_usd(b, n->figure);
    fl_buf_put(b, FL_LIT(" for this request; the limit is "));
    put_usd(b, limit);
    fl_buf_put(b, FL_LIT(". Raise the limit, lower max_tokens, or shorten the messages."));
}

static void put_binding(struct fl_buf *b, enum fl_skip binding, const struct nearest *n,
                        const struct fl_demand *demand)
{
    const struct fl_route_request *request = demand->request;
    switch (binding) {
    case FL_SKIP_DENIED:
        fl_buf_put(b, FL_LIT("This key may not use any target of the model."));
        break;
    case FL_SKIP_CAPABILITY:
        fl_buf_put(b, FL_LIT("No target of this model has all that the request needs ("));
        fl_needs_put(request->needs, b);
        fl_buf_put(b, FL_LIT("); "));
        fl_buf_put(b, n->target->id);
        fl_buf_put(b, FL_LIT(" lacks "));
        fl_needs_put(request->needs & n->target->lacks, b);
        fl_buf_put(b, FL_LIT(". Choose another model, or leave that out of the request."));
        break;
    case FL_SKIP_CONTEXT:
        put_context(b, n);
        break;
    case FL_SKIP_OUTPUT:
        put_output(b, n, request);
        break;
    case FL_SKIP_TIER:
        put_tier(b, n, demand->tier);
        break;
    case FL_SKIP_UNPRICED:
        fl_buf_put(b,
                   FL_LIT("No target that fits has a price, so that a cost limit cannot be kept. "
                          "Add 'prices' to the provider, or leave the limit out."));
        break;
    case FL_SKIP_COST:
        put_cost(b, n, demand->max_cost_picousd);
        break;
    case FL_SKIP_LIMITED:
        fl_buf_put(b, FL_LIT("The rate limits of the configured keys leave no room for this request "
                             "before its deadline. Send it again later, or add keys or targets."));
        break;
    case FL_SKIP_NO_KEY:
        fl_buf_put(b, FL_LIT("Every configured key was refused by its provider. See 'fairlead "
                             "check' and the provider's console."));
        break;
    case FL_SKIP_NONE:
    case FL_SKIP_DISABLED:
    case FL_SKIP_DRAINED:
    case FL_SKIP_EJECTED:
    case FL_SKIP_TRIAL_BUSY:
    case FL_SKIP_COOLING:
    case FL_SKIP_COUNT:
        fl_buf_put(b,
                   FL_LIT("No provider is in service for this model. Set a provider's API key, or "
                          "see 'fairlead check'."));
        break;
    }
}

void fl_plan_put_refusal(const struct fl_table *t, const struct fl_plan *plan,
                         const struct fl_route_request *request, struct fl_buf *b)
{
    struct nearest n = nearest_of(t, plan, request);
    struct fl_demand demand = fl_demand_of(plan->route, request);
    put_binding(b, n.target ? plan->binding : FL_SKIP_NONE, &n, &demand);
}

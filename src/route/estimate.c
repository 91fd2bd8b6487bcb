/* SPDX-License-Identifier: Apache-2.0 */
#include "route/estimate.h"

#include "route/catalog/price.h"

enum { default_tokens_in = 1000, default_tokens_out = 300, million = 1000000 };

static unsigned or_else(unsigned tokens, unsigned otherwise)
{
    return tokens > 0 ? tokens : otherwise;
}

static unsigned at_most(unsigned tokens, unsigned limit)
{
    return limit > 0 && tokens > limit ? limit : tokens;
}

struct fl_tokens fl_tokens_of(const struct fl_route_request *request)
{
    const struct fl_route_request *r = request;
    struct fl_tokens n = {.in = or_else(r->tokens_in, default_tokens_in),
                          .when_s = r->when_s,
                          .cached_ppm = r->cached_ppm > 0 ? r->cached_ppm : million,
                          .out = or_else(r->tokens_out, default_tokens_out)};
    n.out = at_most(n.out, r->tokens_out_max);
    n.out_p50 = at_most(or_else(r->tokens_out_p50, n.out), r->tokens_out_max);
    n.out_p90 = at_most(or_else(r->tokens_out_p90, n.out), r->tokens_out_max);
    return n;
}

struct fl_tokens fl_tokens_at(const struct fl_tokens *of_request, const struct fl_target *at,
                              unsigned target, const struct fl_route_request *request)
{
    const struct fl_route_request *r = request;
    struct fl_tokens n = *of_request;
    if (r->tokens_by_tokenizer && at->tokenizer < r->tokenizer_count) {
        n.in = or_else(r->tokens_by_tokenizer[at->tokenizer], default_tokens_in);
    }
    if (r->cached_tokens) {
        n.cached = r->cached_tokens[target] < n.in ? r->cached_tokens[target] : n.in;
    }
    if (at->output_tokens > 0) {
        n.out = at_most(n.out, at->output_tokens);
        n.out_p50 = at_most(n.out_p50, at->output_tokens);
        n.out_p90 = at_most(n.out_p90, at->output_tokens);
    }
    return n;
}

struct fl_tokens fl_tokens_expected(const struct fl_table *t, unsigned target,
                                    const struct fl_route_request *request)
{
    struct fl_tokens n = fl_tokens_of(request);
    return fl_tokens_at(&n, fl_target_for(t, target, request), target, request);
}

static uint64_t add_product(uint64_t sum, uint64_t count, uint64_t price)
{
    uint64_t product;
    return __builtin_mul_overflow(count, price, &product) ||
                   __builtin_add_overflow(sum, product, &sum)
               ? UINT64_MAX
               : sum;
}

static bool is_one(double multiplier)
{
    return multiplier >= 1 && multiplier <= 1;
}

static uint64_t times(uint64_t picousd, double multiplier)
{
    if (is_one(multiplier)) { /* exact */
        return picousd;
    }
    double product = (double)picousd * multiplier;
    return product < 0x1p64 ? (uint64_t)product : UINT64_MAX;
}

static uint64_t plain_cost(const struct fl_target *t, uint64_t in, uint64_t cached, uint64_t out)
{
    /* What fits where no price is a dollar for five hundred tokens: 2^32 * 2^31 twice. */
    if (((t->price_in | t->price_cached | t->price_out) >> 31 | (in | out) >> 32) == 0) {
        return (in - cached) * t->price_in + cached * t->price_cached + out * t->price_out;
    }
    uint64_t sum = add_product(0, in - cached, t->price_in);
    return add_product(add_product(sum, cached, t->price_cached), out, t->price_out);
}

bool fl_cost_exact(const struct fl_target *target, const struct fl_usage *usage, int64_t when_s,
                   uint64_t *ret_picousd)
{
    struct fl_bill bill;
    uint64_t picousd;
    if (!target->priced) {
        return false;
    }
    if (target->model_facts && target->model_facts->rule_count > 0) {
        if (fl_price_usage(target->model_facts, usage, when_s, &bill) != FL_OK) {
            return false;
        }
        picousd = bill.picousd;
    } else {
        uint64_t in = usage->tokens_in, cached = usage->tokens_cached;
        picousd = plain_cost(target, in, cached < in ? cached : in, usage->tokens_out);
    }
    *ret_picousd = times(picousd, target->cost_multiplier);
    return true;
}

static bool by_catalogue(const struct fl_target *target, const struct fl_tokens *n,
                         struct fl_cost *ret_cost)
{
    struct fl_price_request request = {.tokens_in = n->in,
                                       .tokens_prefix = n->cached,
                                       .prefix_ppm = n->cached_ppm,
                                       .tokens_out_p50 = n->out_p50,
                                       .tokens_out_p90 = n->out_p90};
    struct fl_estimate estimate;
    if (fl_price_estimate(target->model_facts, &request, n->when_s, &estimate) != FL_OK) {
        return false;
    }
    *ret_cost = (struct fl_cost){estimate.picousd_p50, estimate.picousd_p90};
    return true;
}

bool fl_cost_estimate(const struct fl_target *target, const struct fl_tokens *tokens,
                      struct fl_cost *ret_cost)
{
    struct fl_cost cost;
    unsigned cached = tokens->cached < tokens->in ? tokens->cached : tokens->in;
    cached = cached > 0 ? (unsigned)((uint64_t)cached * tokens->cached_ppm / million) : 0;
    if (!target->priced) {
        return false;
    }
    if (target->model_facts && target->model_facts->rule_count > 0 && !target->plain_prices) {
        if (!by_catalogue(target, tokens, &cost)) {
            return false;
        }
    } else {
        cost.p50 = plain_cost(target, tokens->in, cached, tokens->out_p50);
        cost.p90 = plain_cost(target, tokens->in, 0, tokens->out_p90);
    }
    if (!is_one(target->cost_multiplier)) {
        cost.p50 = times(cost.p50, target->cost_multiplier);
        cost.p90 = times(cost.p90, target->cost_multiplier);
    }
    *ret_cost = cost;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "route/estimate.h"

enum { default_tokens_in = 1000, default_tokens_out = 300, million = 1000000 };

static unsigned or_else(unsigned tokens, unsigned otherwise)
{
    return tokens > 0 ? tokens : otherwise;
}

static unsigned at_most(unsigned tokens, unsigned limit)
{
    return limit > 0 && tokens > limit ? limit : tokens;
}

struct fl_tokens fl_tokens_expected(const struct fl_table *t, unsigned target,
                                    const struct fl_route_request *request)
{
    const struct fl_route_request *r = request;
    const struct fl_target *at = &t->targets[target];
    unsigned own = r->tokens_by_tokenizer && at->tokenizer < r->tokenizer_count
                       ? r->tokens_by_tokenizer[at->tokenizer]
                       : r->tokens_in;
    struct fl_tokens n = {.in = or_else(own, default_tokens_in),
                          .cached = r->cached_tokens ? r->cached_tokens[target] : 0,
                          .cached_ppm = r->cached_ppm > 0 ? r->cached_ppm : million,
                          .out = or_else(r->tokens_out, default_tokens_out)};
    n.cached = n.cached < n.in ? n.cached : n.in;
    n.out = at_most(at_most(n.out, r->tokens_out_max), at->output_tokens);
    n.out_p50 = or_else(r->tokens_out_p50, n.out);
    n.out_p50 = at_most(at_most(n.out_p50, r->tokens_out_max), at->output_tokens);
    n.out_p90 = or_else(r->tokens_out_p90, n.out);
    n.out_p90 = at_most(at_most(n.out_p90, r->tokens_out_max), at->output_tokens);
    return n;
}

static uint64_t add_product(uint64_t sum, uint64_t count, uint64_t price)
{
    uint64_t product;
    return __builtin_mul_overflow(count, price, &product) ||
                   __builtin_add_overflow(sum, product, &sum)
               ? UINT64_MAX
               : sum;
}

bool fl_cost_estimate(const struct fl_target *target, const struct fl_tokens *tokens,
                      struct fl_cost *ret_cost)
{
    if (!target->priced) {
        return false;
    }
    unsigned cached = tokens->cached < tokens->in ? tokens->cached : tokens->in;
    cached = (unsigned)((uint64_t)cached * tokens->cached_ppm / million);
    uint64_t sum = add_product(0, tokens->in - cached, target->price_in);
    sum = add_product(sum, cached, target->price_cached);
    ret_cost->p50 = add_product(sum, tokens->out_p50, target->price_out);
    ret_cost->p90 = add_product(add_product(0, tokens->in, target->price_in), tokens->out_p90,
                                target->price_out);
    return true;
}

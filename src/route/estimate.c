/* SPDX-License-Identifier: Apache-2.0 */
#include "route/estimate.h"

enum { default_tokens_in = 1000, default_tokens_out = 300 };

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

bool fl_cost_estimate(const struct fl_target *target, unsigned in, unsigned cached, unsigned out,
                      uint64_t *ret_picousd)
{
    uint64_t sum = 0;
    if (!target->priced) {
        return false;
    }
    cached = cached < in ? cached : in;
    sum = add_product(sum, in - cached, target->price_in);
    sum = add_product(sum, cached, target->price_cached);
    *ret_picousd = add_product(sum, out, target->price_out);
    return true;
}

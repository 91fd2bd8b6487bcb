/* SPDX-License-Identifier: Apache-2.0 */
#include "route/hedge.h"

#define HALF_LIFE_NS  UINT64_C(600000000000)
#define LEAST_NS      1000000.0 /* lower end of the first bin */
#define STEPS         8         /* an octave */
#define ENOUGH        20.0      /* observations before a percentile is believed */
#define ENOUGH_P99    100.0
#define TTFT_LEAST_NS UINT64_C(5000000000)
#define GAP_LEAST_NS  UINT64_C(10000000000)

/* 2^(i/8), the lower ends of the steps of an octave. */
static const double step[STEPS] = {1.0,
                                   1.0905077326652577,
                                   1.1892071150027210,
                                   1.2968395546510096,
                                   1.4142135623730951,
                                   1.5422108254079407,
                                   1.6817928305074290,
                                   1.8340080864093424};

unsigned fl_prompt_size(unsigned tokens_in)
{
    return (tokens_in > 512 ? 1u : 0u) + (tokens_in > 4096 ? 1u : 0u) +
           (tokens_in > 32768 ? 1u : 0u);
}

unsigned fl_answer_size(uint64_t tokens_out)
{
    return (tokens_out > 32 ? 1u : 0u) + (tokens_out > 256 ? 1u : 0u) + (tokens_out > 2048 ? 1u : 0u);
}

static unsigned bin_of(uint64_t ns)
{
    double x = (double)ns / LEAST_NS;
    unsigned octave = 0, i = STEPS - 1;
    if (x < 1) {
        return 0;
    }
    for (; x >= 2 && octave < FL_SPREAD_BINS / STEPS; octave++) {
        x /= 2;
    }
    while (i > 0 && x < step[i]) {
        i--;
    }
    unsigned bin = octave * STEPS + i;
    return bin < FL_SPREAD_BINS ? bin : FL_SPREAD_BINS - 1;
}

static uint64_t upper_end(unsigned bin)
{
    unsigned next = bin + 1;
    return (uint64_t)(LEAST_NS * step[next % STEPS] * (double)(UINT64_C(1) << (next / STEPS)));
}

/* All counts at once, so that between two halvings an observation costs one addition. */
static void halve(struct fl_spread *s, uint64_t now_ns)
{
    if (s->at_ns == 0) {
        s->at_ns = now_ns;
    }
    if (now_ns < s->at_ns + HALF_LIFE_NS) {
        return;
    }
    uint64_t times = (now_ns - s->at_ns) / HALF_LIFE_NS;
    float keeps = (float)fl_fade((double)times);
    for (unsigned i = 0; i < FL_SPREAD_BINS; i++) {
        fl_set(s->count[i], fl_get(s->count[i]) * keeps);
    }
    fl_set(s->total, fl_get(s->total) * keeps);
    s->at_ns += times * HALF_LIFE_NS;
}

void fl_spread_add(struct fl_spread *s, uint64_t ns, uint64_t now_ns)
{
    unsigned bin = bin_of(ns);
    halve(s, now_ns);
    fl_set(s->count[bin], fl_get(s->count[bin]) + 1);
    fl_set(s->total, fl_get(s->total) + 1);
}

uint64_t fl_spread_quantile(const struct fl_spread *s, double q, double least)
{
    double total = (double)fl_get(s->total), sum = 0;
    if (total < least || total <= 0) {
        return 0;
    }
    for (unsigned i = 0; i < FL_SPREAD_BINS; i++) {
        sum += (double)fl_get(s->count[i]);
        if (sum >= q * total) {
            return upper_end(i);
        }
    }
    return upper_end(FL_SPREAD_BINS - 1);
}

uint64_t fl_hedge_delay_ns(const struct fl_spreads *s, unsigned tokens_in)
{
    uint64_t ns = fl_spread_quantile(&s->first[fl_prompt_size(tokens_in)], 0.95, ENOUGH);
    return ns > 0 ? ns : UINT64_MAX;
}

uint64_t fl_hedge_plain_delay_ns(const struct fl_spreads *s, uint64_t tokens_out)
{
    unsigned size = tokens_out > 0 ? fl_answer_size(tokens_out) : FL_ANSWER_SIZES - 1;
    uint64_t ns = fl_spread_quantile(&s->whole[size], 0.95, ENOUGH);
    return ns > 0 ? ns : UINT64_MAX;
}

bool fl_hedge_allowed(const struct fl_hedge_ask *ask)
{
    return (ask->streaming || ask->plain_allowed) && (!ask->tools || ask->tools_allowed) && !ask->forbidden &&
           !ask->pushback && ask->pool_load <= 0.8 && ask->budget_left >= 0.5;
}

uint64_t fl_first_token_timeout_ns(const struct fl_spreads *s, unsigned tokens_in,
                                   uint64_t remaining_ns, uint64_t configured_ns)
{
    uint64_t p99 = fl_spread_quantile(&s->first[fl_prompt_size(tokens_in)], 0.99, ENOUGH_P99);
    uint64_t ns = p99 > 0 ? 4 * p99 : configured_ns;
    ns = ns > TTFT_LEAST_NS ? ns : TTFT_LEAST_NS;
    if (remaining_ns > 0 && ns > remaining_ns / 2) {
        ns = remaining_ns / 2;
    }
    return ns < configured_ns ? ns : configured_ns;
}

uint64_t fl_stall_timeout_ns(const struct fl_spreads *s, uint64_t configured_ns)
{
    uint64_t median = fl_spread_quantile(&s->gap, 0.5, ENOUGH);
    uint64_t ns = median > 0 ? 20 * median : configured_ns;
    ns = ns > GAP_LEAST_NS ? ns : GAP_LEAST_NS;
    return ns < configured_ns ? ns : configured_ns;
}

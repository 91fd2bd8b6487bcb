/* SPDX-License-Identifier: Apache-2.0 */
/* The body of fl_outlook_pool() and fl_outlook_predict(), compiled twice: see outlook.h. Each function
 * says the same as one of measure.h, measure.c or pace.h, for four targets. */
#ifndef FL_ROUTE_OUTLOOK_LANES_H
#define FL_ROUTE_OUTLOOK_LANES_H

#include "route/outlook.h"

#include <math.h>

typedef int64_t four_bits __attribute__((vector_size(32)));
typedef int32_t four_ints __attribute__((vector_size(16)));

#define LANES static inline __attribute__((always_inline))

#define LATE_SPREADS 4 /* standard deviations: hardly ever, and of the exponential once in 150 */
#define LATE_KNOWN   8 /* answers */
#define LATE_NS 0.5e9 /* later by this, or by as much again, a wait is news about the target */
#define LATE_TIMES                                                                                 \
    3.0 /* answers differ in length: a plain one is late after as many times its due */

LANES fl_four all(double x)
{
    return (fl_four){x, x, x, x};
}

/* Where *mask* is set *yes*, else *no*. */
LANES fl_four pick(four_bits mask, fl_four yes, fl_four no)
{
    return (fl_four)((mask & (four_bits)yes) | (~mask & (four_bits)no));
}

LANES fl_four least(fl_four a, fl_four b)
{
    return pick(a < b, a, b);
}

LANES fl_four root(fl_four x)
{
    return (fl_four){sqrt(x[0]), sqrt(x[1]), sqrt(x[2]), sqrt(x[3])};
}

/* fl_fade() */
LANES fl_four fade(fl_four halves)
{
    four_bits some = halves < all(1000);
    halves = pick(some, halves, all(0));
    four_ints whole = __builtin_convertvector(halves + 0.5, four_ints);
    fl_four x = (__builtin_convertvector(whole, fl_four) - halves) * 0.6931471805599453;
    fl_four x2 = x * x;
    fl_four power = 1 + x + x2 * (1.0 / 2 + x * (1.0 / 6)) +
                    x2 * x2 * (1.0 / 24 + x * (1.0 / 120) + x2 * (1.0 / 720));
    four_bits scale = (1023 - __builtin_convertvector(whole, four_bits)) << 52;
    return pick(some, power * (fl_four)scale, all(0));
}

LANES void fade_mean(struct fl_outlook_block *b, enum fl_column mean, fl_four keeps)
{
    b->column[mean] *= keeps;
    b->column[mean + 1] *= keeps;
}

/* A latency: half as long as success, but for what REST keeps. */
LANES fl_four fade_latency(struct fl_outlook_block *b, enum fl_column mean, fl_four latency,
                           fl_four rest)
{
    fl_four weight = b->column[mean + 1];
    fl_four few = pick(weight > all(FL_REST), FL_REST / weight * rest, rest);
    fl_four keeps = pick(weight * latency >= all(FL_REST), latency, few);
    fade_mean(b, mean, keeps);
    return keeps;
}

LANES bool any(four_bits mask)
{
    return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
}

LANES void fade_block(struct fl_outlook_block *b)
{
    fl_four *c = b->column;
    fl_four success = fade(c[FL_SEES_AGE_NS] / FL_HALF_LIFE_NS), latency = success * success;
    fl_four rest = fade(c[FL_SEES_AGE_NS] / FL_HALF_LIFE_REST_NS);
    fl_four pace = success; /* as a rule they are of one age */
    if (any(c[FL_SEES_PACE_AGE_NS] != c[FL_SEES_AGE_NS])) {
        pace = fade(c[FL_SEES_PACE_AGE_NS] / FL_HALF_LIFE_NS);
    }
    fade_mean(b, FL_SEES_SUCCESS, success);
    fade_mean(b, FL_SEES_FAILURE, success);
    c[FL_SEES_FIRST_S2] *= fade_latency(b, FL_SEES_FIRST, latency, rest);
    c[FL_SEES_WHOLE_S2] *= fade_latency(b, FL_SEES_WHOLE, latency, rest);
    c[FL_SEES_TOKEN_S2] *= fade_latency(b, FL_SEES_TOKEN, latency, rest);
    (void)fade_latency(b, FL_SEES_LOAD, latency, rest);
    fade_mean(b, FL_SEES_PROMPT, pace);
    fade_mean(b, FL_SEES_ALONE, pace);
    fade_mean(b, FL_SEES_SHARE, pace);
    c[FL_SEES_FIRST_PRIOR] = 1 - c[FL_SEES_FIRST_PRIOR] * pace;
    c[FL_SEES_ENDED_PRIOR] = 1 - c[FL_SEES_ENDED_PRIOR] * pace;
}

enum { pooled = FL_SEES_SHARE_WEIGHT - FL_SEES_FIRST + 1 };

/* Added up target by target: the order is part of the result. */
LANES void pool_all(struct fl_outlook *k)
{
    double sums[pooled] = {0};
    _Static_assert(sizeof(k->sums) == sizeof(sums), "means in the order of the columns");
    for (unsigned i = 0; i < k->block_count; i++) {
        fade_block(&k->blocks[i]);
        for (unsigned j = 0; j < pooled; j++) {
            const double *lane = k->blocks[i].lane[FL_SEES_FIRST + j];
            sums[j] = sums[j] + lane[0] + lane[1] + lane[2] + lane[3];
        }
    }
    memcpy(&k->sums, sums, sizeof(sums));
}

/* fl_latency_of() */
LANES void latency_of(const struct fl_outlook_block *b, enum fl_column mean, enum fl_column square,
                      double prior_ns, fl_four *ret_ns, fl_four *ret_variance_ns2)
{
    const double spread = 0.5, ns2 = 1e18;
    fl_four weight = b->column[mean + 1], sum = b->column[mean];
    four_bits believed = weight > all(1);
    weight = pick(believed, weight, all(2));
    fl_four one = 1 / weight, mean_s = sum * one / 1e9;
    fl_four lowest = spread * spread * mean_s * mean_s;
    fl_four variance = b->column[square] * one - mean_s * mean_s;
    fl_four shrunk = 1 / (weight + FL_PRIOR_SAMPLES), part = weight * shrunk;
    variance = pick(variance > lowest, variance, lowest);
    *ret_ns = pick(believed, (sum + FL_PRIOR_SAMPLES * prior_ns) * shrunk, all(prior_ns));
    *ret_variance_ns2 = pick(believed, variance / (weight - 1) * part * part * ns2,
                             all(spread * spread * prior_ns * prior_ns));
}

/* A wait that is longer than what is predicted is a lower bound of what comes. */
LANES fl_four at_least(fl_four predicted_ns, fl_four waited_ns, double times)
{
    fl_four slack_ns = least(predicted_ns, all(LATE_NS));
    return pick(waited_ns > times * predicted_ns + slack_ns, predicted_ns + waited_ns,
                predicted_ns);
}

/* The same of whole answers. One that waits longer than nearly all of its target's took is news as well, however
 * long or short they are: by mean and spread of what was measured, once there is enough of it. */
LANES fl_four at_least_whole(const struct fl_outlook_block *b, fl_four predicted_ns, double times)
{
    const fl_four *c = b->column;
    fl_four waited_ns = c[FL_SEES_ANSWER_WAITS_NS], weight = c[FL_SEES_WHOLE_WEIGHT];
    four_bits known = weight >= all(LATE_KNOWN);
    fl_four one = 1 / pick(known, weight, all(1)), mean_s = c[FL_SEES_WHOLE] * one / 1e9;
    fl_four variance = c[FL_SEES_WHOLE_S2] * one - mean_s * mean_s;
    variance = pick(variance > all(0), variance, all(0));
    fl_four rare_ns = (mean_s + LATE_SPREADS * root(variance)) * 1e9;
    four_bits late = known & (waited_ns > rare_ns);
    return pick(late, predicted_ns + waited_ns, at_least(predicted_ns, waited_ns, times));
}

/* ROUTING 1.6: prompts are computed one after another, */
LANES fl_four ttft_of(const struct fl_outlook *k, const fl_four *c)
{
    fl_four prior_s = FL_PACE_PROMPT_PRIOR_S * c[FL_SEES_FIRST_PRIOR];
    fl_four prompt_s =
        (c[FL_SEES_PROMPT] + prior_s) / (c[FL_SEES_PROMPT_WEIGHT] + prior_s / k->prompt_s);
    return at_least(c[FL_SEES_RTT_NS] + c[FL_SEES_PROMPT_TOKENS] * prompt_s * 1e9,
                    c[FL_SEES_STREAM_WAITS_NS], 1);
}

/* answers side by side. Where nobody reports tokens, what is known is the share of its target that an
 * attempt takes. */
LANES fl_four rest_of(const struct fl_outlook *k, const fl_four *c, fl_four ttft_ns)
{
    fl_four beside = c[FL_SEES_IN_FLIGHT] + 1;
    if (k->told) {
        fl_four prior = FL_PACE_TOKEN_PRIOR * c[FL_SEES_ENDED_PRIOR];
        fl_four token_s =
            (c[FL_SEES_ALONE] + prior * k->alone_s) / (c[FL_SEES_ALONE_WEIGHT] + prior);
        return c[FL_SEES_OUT_TOKENS] * token_s * (1 + FL_BATCH_GROWTH * beside) * 1e9;
    }
    fl_four share_ns = (c[FL_SEES_SHARE] + FL_PRIOR_SAMPLES * k->share_ns) /
                       (c[FL_SEES_SHARE_WEIGHT] + FL_PRIOR_SAMPLES);
    fl_four rest_ns = share_ns * beside - ttft_ns;
    return pick(rest_ns > all(0), rest_ns, all(0));
}

/* What a prediction may be off by: the part by which what was measured may. */
LANES fl_four error_of(const struct fl_outlook *k, const struct fl_outlook_block *b,
                       fl_four total_ns)
{
    fl_four ns, variance, token_ns, token_variance, tokens = b->column[FL_SEES_OUT_TOKENS];
    if (k->by_token) {
        latency_of(b, FL_SEES_FIRST, FL_SEES_FIRST_S2, k->first_ns, &ns, &variance);
        latency_of(b, FL_SEES_TOKEN, FL_SEES_TOKEN_S2, k->token_ns, &token_ns, &token_variance);
        ns += tokens * token_ns;
        variance += tokens * tokens * token_variance;
    } else {
        latency_of(b, FL_SEES_WHOLE, FL_SEES_WHOLE_S2, k->whole_ns, &ns, &variance);
    }
    return total_ns * root(variance) / ns;
}

LANES void succeed(fl_four *c)
{
    fl_four weight = c[FL_SEES_SUCCESS_WEIGHT] + FL_PRIOR_SUCCESS_SAMPLES;
    fl_four p = (c[FL_SEES_SUCCESS] + FL_PRIOR_SUCCESS_SAMPLES * FL_PRIOR_SUCCESS) / weight;
    fl_four missing = 1 - p, doubt2 = FL_CONFIDENCE * FL_CONFIDENCE * (p * missing / weight);
    c[FL_SEES_SUCCEEDS] = p;
    c[FL_SEES_BELIEVED] = pick(missing * missing <= doubt2, all(1), p + root(doubt2));
    fl_four failures = c[FL_SEES_FAILURE_WEIGHT];
    c[FL_SEES_FAILURE_NS] = pick(failures > all(0), c[FL_SEES_FAILURE] / failures, all(0));
}

LANES void predict_all(struct fl_outlook *k)
{
    for (unsigned i = 0; i < k->block_count; i++) {
        struct fl_outlook_block *b = &k->blocks[i];
        fl_four *c = b->column, ttft_ns = ttft_of(k, c);
        fl_four total_ns = ttft_ns + rest_of(k, c, ttft_ns);
        c[FL_SEES_TTFT_NS] = ttft_ns;
        c[FL_SEES_ERROR_NS] = error_of(k, b, total_ns);
        c[FL_SEES_TOTAL_NS] =
            at_least_whole(b, total_ns, k->told ? LATE_TIMES : 1);
        succeed(c);
    }
}

/* --- weigh --- */

LANES void price_all(struct fl_outlook *k, double *ret_least_usd)
{
    double sum_usd = 0, least_usd = HUGE_VAL;
    unsigned priced = 0;
    for (unsigned i = 0; i < k->block_count; i++) {
        struct fl_outlook_block *b = &k->blocks[i];
        b->column[FL_SEES_USD] /= 1e12;
        for (unsigned lane = 0; lane < FL_LANES; lane++) {
            double usd = b->lane[FL_SEES_USD][lane];
            bool has_price = usd >= 0;
            sum_usd += has_price ? usd : 0;
            least_usd = has_price && usd < least_usd ? usd : least_usd;
            priced += has_price;
        }
    }
    *ret_least_usd = priced > 0 ? least_usd : 0;
    for (unsigned i = 0; priced < k->count && i < k->block_count; i++) {
        fl_four *usd = &k->blocks[i].column[FL_SEES_USD];
        *usd = pick(*usd >= all(0), *usd, all(priced > 0 ? sum_usd / priced : 0));
    }
}

/* Latencies and their errors, in ns; the least of them, the first of equals. */
LANES struct fl_latency wait_all(struct fl_outlook *k, double gamma)
{
    struct fl_latency first = {HUGE_VAL, 0};
    for (unsigned i = 0; i < k->block_count; i++) {
        struct fl_outlook_block *b = &k->blocks[i];
        fl_four *c = b->column, total_ns = c[FL_SEES_TOTAL_NS];
        fl_four ns = c[FL_SEES_TTFT_NS] + gamma * (total_ns - c[FL_SEES_TTFT_NS]);
        fl_four error_ns = c[FL_SEES_ERROR_NS] * ns / (total_ns + 1);
        c[FL_SEES_LATENCY_MS] = ns;
        c[FL_SEES_PREDICTED_MS] = ns / 1e6;
        c[FL_SEES_ERROR_MS] = error_ns / 1e6;
        c[FL_SEES_FAILURE_MS] = error_ns * error_ns;
        unsigned lanes = k->count - i * FL_LANES < FL_LANES ? k->count - i * FL_LANES : FL_LANES;
        for (unsigned lane = 0; lane < lanes; lane++) {
            double own_ns = b->lane[FL_SEES_LATENCY_MS][lane];
            first.variance_ns2 =
                own_ns < first.ns ? b->lane[FL_SEES_FAILURE_MS][lane] : first.variance_ns2;
            first.ns = own_ns < first.ns ? own_ns : first.ns;
        }
    }
    return first;
}

/* fl_believe(): apart from the least only by what is beyond doubt; the two least of what comes out. */
LANES void believe_all(struct fl_outlook *k, struct fl_latency first, double ret_least_ns[2])
{
    double one_ns = HUGE_VAL, two_ns = HUGE_VAL;
    for (unsigned i = 0; i < k->block_count; i++) {
        struct fl_outlook_block *b = &k->blocks[i];
        fl_four *c = b->column, apart_ns = c[FL_SEES_LATENCY_MS] - first.ns;
        fl_four doubt2 =
            FL_CONFIDENCE * FL_CONFIDENCE * (c[FL_SEES_FAILURE_MS] + first.variance_ns2);
        c[FL_SEES_LATENCY_MS] =
            pick(apart_ns * apart_ns <= doubt2, all(first.ns), first.ns + apart_ns - root(doubt2));
        unsigned lanes = k->count - i * FL_LANES < FL_LANES ? k->count - i * FL_LANES : FL_LANES;
        for (unsigned lane = 0; lane < lanes; lane++) {
            double ns = b->lane[FL_SEES_LATENCY_MS][lane], more_ns = ns < one_ns ? one_ns : ns;
            one_ns = ns < one_ns ? ns : one_ns;
            two_ns = more_ns < two_ns ? more_ns : two_ns;
        }
    }
    ret_least_ns[0] = one_ns;
    ret_least_ns[1] = two_ns;
}

LANES void weigh_all(struct fl_outlook *k, double gamma, double ns_per_usd)
{
    double least_usd, least_ns[2];
    price_all(k, &least_usd);
    believe_all(k, wait_all(k, gamma), least_ns);
    for (unsigned i = 0; i < k->block_count; i++) {
        fl_four *c = k->blocks[i].column, ns = c[FL_SEES_LATENCY_MS];
        fl_four other_ns = pick(ns > all(least_ns[0]), all(least_ns[0]), all(least_ns[1]));
        fl_four failure_ns = c[FL_SEES_FAILURE_NS] + other_ns;
        c[FL_SEES_LATENCY_MS] = ns / 1e6;
        c[FL_SEES_FAILURE_MS] = (1 - c[FL_SEES_BELIEVED]) * failure_ns / 1e6;
        c[FL_SEES_COST_MS] = (c[FL_SEES_USD] - least_usd) * ns_per_usd / 1e6;
        c[FL_SEES_SCORE] = c[FL_SEES_LATENCY_MS] + c[FL_SEES_FAILURE_MS] + c[FL_SEES_COST_MS];
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/dist.h"

#include "base/assert.h"

#include <stdbool.h>

/* Numbers are Q16: value x 65536. */
enum { one = 65536, log2_e = 94548 };

static int64_t normal(struct fl_rng *r)
{
    int64_t sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += (int64_t)(fl_rng_next(r) >> 48);
    }
    return sum - 6 * one;
}

/* 2^f for 0 <= f < 1, within 0.02 %: the cubic through the ends with least error between. */
static uint64_t exp2_fraction(uint64_t f)
{
    const uint64_t c1 = 45556, c2 = 14911, c3 = 5069; /* 0.69513, 0.22752, 0.07735; sum 1 */
    uint64_t y = c2 + (c3 * f >> 16);
    y = c1 + (y * f >> 16);
    return one + (y * f >> 16);
}

uint64_t fl_sim_lognormal(struct fl_rng *r, uint64_t median_ns, unsigned sigma_permille)
{
    fl_assert(median_ns < UINT64_C(1) << 40 && sigma_permille <= 5000);
    int64_t exponent = normal(r) * (int64_t)sigma_permille / 1000 * log2_e / one;
    bool less = exponent < 0;
    uint64_t size = (uint64_t)(less ? -exponent : exponent);
    uint64_t whole = size / one, factor = exp2_fraction(size % one);
    if (less) {
        return whole > 40 ? 0 : (median_ns << 16) / factor >> whole;
    }
    return (median_ns * factor >> 16) << (whole < 6 ? whole : 6);
}

uint64_t fl_sim_jitter(struct fl_rng *r, uint64_t mean_ns, unsigned permille)
{
    uint64_t reach_ns = mean_ns / 1000 * permille;
    return reach_ns == 0 ? mean_ns : mean_ns - reach_ns + fl_rng_below(r, 2 * reach_ns + 1);
}

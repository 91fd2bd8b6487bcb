/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** (Blackman, Vigna), seeded through splitmix64: the same seed gives the same sequence
 * on every build. Not for secrets. */
#ifndef FL_BASE_RNG_H
#define FL_BASE_RNG_H

#include <stdint.h>

struct fl_rng {
    uint64_t s[4];
};

void fl_rng_seed(struct fl_rng *r, uint64_t seed);
uint64_t fl_rng_next(struct fl_rng *r);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t fl_rng_below(struct fl_rng *r, uint64_t n);
/* Uniform in [0, 1). */
double fl_rng_unit(struct fl_rng *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include "base/assert.h"
#include "base/hash.h"

void fl_rng_seed(struct fl_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        r->s[i] = fl_mix64(seed);
    }
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t fl_rng_next(struct fl_rng *r)
{
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t fl_rng_below(struct fl_rng *r, uint64_t n)
{
    fl_assert(n > 0);
    uint64_t reject = (UINT64_C(0) - n) % n, x; /* 2^64 mod n */
    do {
        x = fl_rng_next(r);
    } while (x < reject);
    return x % n;
}

double fl_rng_unit(struct fl_rng *r)
{
    return (double)(fl_rng_next(r) >> 11) * 0x1p-53;
}

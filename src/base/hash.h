/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3 (Aumasson, Bernstein): keyed, safe for keys an attacker chooses. */
#ifndef FL_BASE_HASH_H
#define FL_BASE_HASH_H

#include "base/slice.h"

struct fl_hash_key {
    uint64_t k0, k1;
};

uint64_t fl_hash(struct fl_hash_key key, struct fl_slice bytes);

/* A bijective mix of 64 bits (splitmix64's finaliser). */
static inline uint64_t fl_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif

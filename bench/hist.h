/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear histogram of nanoseconds: exact below 128, then 128 slots per power of two, so a
 * percentile is at most 0.8 % off. Fixed memory, one thread, zeroed memory is an empty histogram.
 */
#ifndef FL_BENCH_HIST_H
#define FL_BENCH_HIST_H

#include <stdint.h>

enum { FL_BENCH_HIST_SUB_BITS = 7, FL_BENCH_HIST_SLOTS = (64 - 7 + 1) << 7 };

struct fl_bench_hist {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t slots[FL_BENCH_HIST_SLOTS];
};

void fl_bench_hist_add(struct fl_bench_hist *hist, uint64_t value);

/* The middle of the slot that holds the value of rank ceil(share * count); 0 when empty. The share
 * is in (0, 1]; 1 gives the exact maximum. */
uint64_t fl_bench_hist_at(const struct fl_bench_hist *hist, double share);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "hist.h"

static unsigned slot_of(uint64_t value)
{
    if (value < (1u << FL_BENCH_HIST_SUB_BITS)) {
        return (unsigned)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - FL_BENCH_HIST_SUB_BITS;
    unsigned sub = (unsigned)(value >> shift) & ((1u << FL_BENCH_HIST_SUB_BITS) - 1);
    return ((shift + 1) << FL_BENCH_HIST_SUB_BITS) + sub;
}

static uint64_t middle_of(unsigned slot)
{
    unsigned octave = slot >> FL_BENCH_HIST_SUB_BITS;
    if (octave == 0) {
        return slot;
    }
    unsigned shift = octave - 1;
    uint64_t sub = slot & ((1u << FL_BENCH_HIST_SUB_BITS) - 1);
    uint64_t low = ((1ull << FL_BENCH_HIST_SUB_BITS) + sub) << shift;
    return low + ((1ull << shift) >> 1);
}

void fl_bench_hist_add(struct fl_bench_hist *hist, uint64_t value)
{
    hist->count++;
    hist->sum += value;
    if (value > hist->max) {
        hist->max = value;
    }
    hist->slots[slot_of(value)]++;
}

uint64_t fl_bench_hist_at(const struct fl_bench_hist *hist, double share)
{
    if (hist->count == 0) {
        return 0;
    }
    double exact = share * (double)hist->count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0) {
        rank++;
    }
    if (rank >= hist->count) {
        return hist->max;
    }
    uint64_t seen = 0;
    for (unsigned i = 0; i < FL_BENCH_HIST_SLOTS; i++) {
        seen += hist->slots[i];
        if (seen >= rank) {
            return middle_of(i);
        }
    }
    return hist->max;
}

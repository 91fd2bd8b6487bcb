/* SPDX-License-Identifier: Apache-2.0 */
#include "route/rank.h"

#include "base/assert.h"

enum { sorted_max = 32 };

static fl_rank middle_of(fl_rank a, fl_rank b, fl_rank c)
{
    fl_rank low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Hoare's selection: all are parted at one of them, and what is sought is in one part. */
static void select_least(fl_rank *ranks, unsigned count, unsigned want)
{
    fl_rank above[FL_RANKS_MAX];
    while (count > want) {
        fl_rank pivot = middle_of(ranks[0], ranks[count / 2], ranks[count - 1]);
        unsigned low = 0, high = 0;
        for (unsigned i = 0; i < count; i++) {
            fl_rank own = ranks[i];
            ranks[low] = own;
            low += own < pivot;
            above[high] = own;
            high += own > pivot;
        }
        if (low >= want) {
            count = low;
            continue;
        }
        ranks += low;
        *ranks++ = pivot;
        memcpy(ranks, above, high * sizeof(*above));
        want -= low + 1;
        count = high;
    }
}

/* Each to the place that the number of lesser ones says. */
static void sort_few(fl_rank *ranks, unsigned count)
{
    fl_rank sorted[sorted_max];
    unsigned lesser[sorted_max] = {0};
    for (unsigned i = 1; i < count; i++) {
        for (unsigned j = 0; j < i; j++) {
            unsigned is_less = ranks[i] < ranks[j];
            lesser[j] += is_less;
            lesser[i] += 1 - is_less;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        sorted[lesser[i]] = ranks[i];
    }
    memcpy(ranks, sorted, count * sizeof(*ranks));
}

unsigned fl_ranks_first(fl_rank *ranks, unsigned count, unsigned want)
{
    fl_assert(count <= FL_RANKS_MAX && want <= sorted_max);
    if (count > want) {
        select_least(ranks, count, want);
        count = want;
    }
    sort_few(ranks, count);
    return count;
}

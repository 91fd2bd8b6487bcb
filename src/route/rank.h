/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first few of many in order, without a branch that depends on the numbers: 64 options are ranked
 * in the time in which a sort's wrong guesses alone would take.
 *
 * A rank is a key, then a tie, then who it is; the order is that of whole numbers.
 */
#ifndef FL_ROUTE_RANK_H
#define FL_ROUTE_RANK_H

#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 fl_rank;

enum { FL_RANKS_MAX = 256 }; /* who: below that */

/* Least key first, then least tie (of which 56 bits count). A double's bits order as it does, once those
 * of negative ones are turned over. */
static inline fl_rank fl_rank_of(double key, uint64_t tie, unsigned who)
{
    const uint64_t top = UINT64_C(1) << 63;
    uint64_t bits;
    key += 0.0; /* one zero */
    memcpy(&bits, &key, sizeof(bits));
    bits ^= (uint64_t)((int64_t)bits >> 63) | top;
    return (fl_rank)bits << 64 | (tie & ~(uint64_t)(FL_RANKS_MAX - 1)) | who;
}

static inline unsigned fl_rank_who(fl_rank rank)
{
    return (unsigned)rank % FL_RANKS_MAX;
}

/* Puts the *want* least of *count* different ranks first, in order, or all when there are no more. What
 * stands behind them is lost. Returns how many there are. */
unsigned fl_ranks_first(fl_rank *ranks, unsigned count, unsigned want);

#endif

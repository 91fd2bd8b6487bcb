/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What length.c and correction.c share: numbers that several threads read and write without locks,
 * and a bounded table from a key to a fixed number of them.
 *
 * Each number is written whole; a reader may see one of an entry's numbers older than another, and
 * two writers at once may lose one observation of the two. Estimates bear both.
 */
#ifndef FL_ROUTE_TEXT_LEARNED_H
#define FL_ROUTE_TEXT_LEARNED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef _Atomic uint64_t fl_number; /* the bits of a double, or an integer */

static inline double fl_number_get(const fl_number *n)
{
    uint64_t bits = atomic_load_explicit(n, memory_order_relaxed);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline void fl_number_set(fl_number *n, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    atomic_store_explicit(n, bits, memory_order_relaxed);
}

/* Entries in sets of fl_learned_ways; a full set gives up the entry that was written longest ago.
 */
struct fl_learned {
    fl_number *words; /* an entry: key (0: free), last second of use, the numbers */
    size_t sets;      /* a power of two */
    unsigned numbers;
};

enum { fl_learned_ways = 4 };

size_t fl_learned_bytes(size_t entries, unsigned numbers);
/* *memory* has fl_learned_bytes() bytes, is aligned for uint64_t and outlives the table. */
void fl_learned_init(struct fl_learned *l, void *memory, size_t entries, unsigned numbers);
/* The key's numbers, or NULL. */
const fl_number *fl_learned_find(const struct fl_learned *l, uint64_t key);
/* The key's numbers to be written, all 0 when it is new. */
fl_number *fl_learned_take(struct fl_learned *l, uint64_t key, uint64_t now_s);

#endif

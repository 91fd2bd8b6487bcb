/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of one size that come and go with every request: given back they are kept, up to a number,
 * and taken again, so that a request costs no malloc(). Under address sanitizers (FL_ARENA_SEPARATE)
 * nothing is kept, so that a use after giving back is seen. One thread.
 */
#ifndef FL_BASE_SHELF_H
#define FL_BASE_SHELF_H

#include <stddef.h>

struct fl_shelf {
    void *first; /* each block begins with a pointer to the next */
    size_t block_bytes;
    unsigned count, max;
};

/* Blocks of *block_bytes*, at least a pointer's; keeps at most *max*. */
void fl_shelf_init(struct fl_shelf *s, size_t block_bytes, unsigned max);
/* Frees what is kept. Blocks still out must not be given back after it. */
void fl_shelf_finish(struct fl_shelf *s);
/* A block, aligned for any type, not cleared; NULL without memory. */
void *fl_shelf_take(struct fl_shelf *s);
/* Takes back a block that fl_shelf_take() gave. */
void fl_shelf_give(struct fl_shelf *s, void *block);

#endif

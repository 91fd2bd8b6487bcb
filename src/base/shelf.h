/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of one size that come and go with every request, cut from trays of 64 KiB: a request costs no malloc(),
 * and a tray whose blocks are all back goes back to the system (but for a few, for the next requests), whatever
 * else was allocated meanwhile. Under address sanitizers (FL_ARENA_SEPARATE) each block is an allocation of its own, so
 * that a use after giving back is seen. One thread.
 */
#ifndef FL_BASE_SHELF_H
#define FL_BASE_SHELF_H

#include "base/list.h"

struct fl_shelf {
    struct fl_list open; /* trays with a free block, those with nothing else last */
    unsigned empty;      /* so many of these */
    size_t block_bytes;
};

/* Blocks of *block_bytes*, at most 16 KiB. */
void fl_shelf_init(struct fl_shelf *s, size_t block_bytes);
/* Every block has been given back. */
void fl_shelf_finish(struct fl_shelf *s);
/* A block, aligned for any type, not cleared; NULL without memory. */
void *fl_shelf_take(struct fl_shelf *s);
/* Takes back a block that fl_shelf_take() gave. */
void fl_shelf_give(struct fl_shelf *s, void *block);

#endif

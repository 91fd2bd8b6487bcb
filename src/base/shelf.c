/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shelf.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#ifndef FL_ARENA_SEPARATE
#define FL_ARENA_SEPARATE 0
#endif

void fl_shelf_init(struct fl_shelf *s, size_t block_bytes, unsigned max)
{
    fl_assert(block_bytes >= sizeof(void *));
    *s = (struct fl_shelf){.block_bytes = block_bytes, .max = FL_ARENA_SEPARATE ? 0 : max};
}

void fl_shelf_finish(struct fl_shelf *s)
{
    while (s->first) {
        free(fl_shelf_take(s));
    }
}

void *fl_shelf_take(struct fl_shelf *s)
{
    void *block = s->first;
    if (!block) {
        return malloc(s->block_bytes);
    }
    memcpy(&s->first, block, sizeof(s->first));
    s->count--;
    return block;
}

void fl_shelf_give(struct fl_shelf *s, void *block)
{
    if (s->count >= s->max) {
        free(block);
        return;
    }
    memcpy(block, &s->first, sizeof(s->first));
    s->first = block;
    s->count++;
}

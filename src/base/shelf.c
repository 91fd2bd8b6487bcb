/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shelf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef FL_ARENA_SEPARATE
#define FL_ARENA_SEPARATE 0
#endif

enum { tray_bytes = 64 * 1024, block_bytes_max = 16 * 1024 };
enum { empty_max = 2 /* trays, so that some dozen requests at a time come and go without the system */ };

struct tray {
    struct fl_list link; /* in open, while a block is free */
    void *free;          /* given back: each begins with a pointer to the next */
    unsigned used;       /* blocks out */
    unsigned cut;        /* blocks that were ever out: the memory behind them was never touched */
    unsigned blocks;
    _Alignas(64) char bytes[];
};

void fl_shelf_init(struct fl_shelf *s, size_t block_bytes)
{
    fl_assert(block_bytes >= sizeof(void *) && block_bytes <= block_bytes_max);
    s->block_bytes = (block_bytes + 15) & ~(size_t)15;
    s->empty = 0;
    fl_list_init(&s->open);
}

static void remove_tray(struct tray *t)
{
    fl_list_remove(&t->link);
    (void)munmap(t, tray_bytes);
}

void fl_shelf_finish(struct fl_shelf *s)
{
    for (; s->empty > 0; s->empty--) {
        remove_tray((struct tray *)(void *)s->open.next);
    }
    fl_assert(fl_list_empty(&s->open));
}

/* At a multiple of its size, so that a block's address tells its tray. */
static struct tray *add_tray(struct fl_shelf *s)
{
    char *memory = mmap(NULL, 2 * tray_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    size_t before = (size_t)(-(uintptr_t)memory & (tray_bytes - 1));
    if (before > 0) {
        (void)munmap(memory, before);
    }
    (void)munmap(memory + before + tray_bytes, tray_bytes - before);
    struct tray *t = (void *)(memory + before); /* zeros */
    t->blocks = (unsigned)((tray_bytes - sizeof(*t)) / s->block_bytes);
    fl_list_init(&t->link);
    fl_list_push(&s->open, &t->link);
    s->empty++;
    return t;
}

static struct tray *open_tray(struct fl_shelf *s)
{
    return fl_list_empty(&s->open) ? add_tray(s) : (struct tray *)(void *)s->open.next;
}

void *fl_shelf_take(struct fl_shelf *s)
{
    if (FL_ARENA_SEPARATE) {
        return malloc(s->block_bytes);
    }
    struct tray *t = open_tray(s);
    if (!t) {
        return NULL;
    }
    void *block = t->free;
    if (block) {
        memcpy(&t->free, block, sizeof(t->free));
    } else {
        block = t->bytes + t->cut++ * s->block_bytes;
    }
    s->empty -= t->used == 0;
    if (++t->used == t->blocks) {
        fl_list_remove(&t->link);
    }
    return block;
}

void fl_shelf_give(struct fl_shelf *s, void *block)
{
    if (FL_ARENA_SEPARATE) {
        free(block);
        return;
    }
    struct tray *t = (void *)((uintptr_t)block & ~(uintptr_t)(tray_bytes - 1));
    memcpy(block, &t->free, sizeof(t->free));
    t->free = block;
    if (t->used-- == t->blocks) {
        fl_list_push(&s->open, &t->link);
    }
    if (t->used == 0 && s->empty == empty_max) {
        remove_tray(t);
    } else if (t->used == 0) {
        fl_list_remove(&t->link);
        fl_list_append(&s->open, &t->link);
        s->empty++;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/assert.h"

#include <stdlib.h>

#ifndef FL_ARENA_SEPARATE
#define FL_ARENA_SEPARATE 0
#endif

struct fl_arena_chunk {
    struct fl_arena_chunk *next;
    size_t used, cap;
    bool borrowed; /* the caller's memory */
    _Alignas(16) char bytes[];
};

void fl_arena_init(struct fl_arena *a, size_t chunk_bytes, size_t bytes_max)
{
    *a = (struct fl_arena){.chunk_bytes = chunk_bytes, .bytes_max = bytes_max};
}

void fl_arena_init_in(struct fl_arena *a, void *memory, size_t bytes, size_t chunk_bytes, size_t bytes_max)
{
    struct fl_arena_chunk *chunk = memory;
    fl_arena_init(a, chunk_bytes, bytes_max);
    fl_assert(bytes > sizeof(*chunk));
    if (!FL_ARENA_SEPARATE) {
        chunk->next = NULL;
        chunk->used = 0;
        chunk->cap = bytes - sizeof(*chunk);
        chunk->borrowed = true;
        a->chunks = chunk;
    }
}

void fl_arena_finish(struct fl_arena *a)
{
    while (a->chunks) {
        struct fl_arena_chunk *next = a->chunks->next;
        if (!a->chunks->borrowed) {
            free(a->chunks);
        }
        a->chunks = next;
    }
    a->taken_bytes = 0;
    a->failed = false;
}

static struct fl_arena_chunk *add_chunk(struct fl_arena *a, size_t cap)
{
    struct fl_arena_chunk *chunk = malloc(sizeof(*chunk) + cap);
    if (chunk) {
        chunk->used = 0;
        chunk->cap = cap;
        chunk->borrowed = false;
        chunk->next = a->chunks;
        a->chunks = chunk;
    }
    return chunk;
}

void *fl_arena_take(struct fl_arena *a, size_t size)
{
    if (a->failed || size > a->bytes_max - a->taken_bytes) {
        a->failed = true;
        return NULL;
    }
    size_t rounded = FL_ARENA_SEPARATE ? size : (size + 15) & ~(size_t)15;
    struct fl_arena_chunk *chunk = a->chunks;
    if (!chunk || FL_ARENA_SEPARATE || rounded > chunk->cap - chunk->used) {
        bool own = FL_ARENA_SEPARATE || rounded > a->chunk_bytes;
        chunk = add_chunk(a, own ? rounded : a->chunk_bytes);
        if (!chunk) {
            a->failed = true;
            return NULL;
        }
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += rounded;
    a->taken_bytes += size;
    return at;
}

void *fl_arena_zero(struct fl_arena *a, size_t size)
{
    void *at = fl_arena_take(a, size);
    if (at) {
        memset(at, 0, size);
    }
    return at;
}

struct fl_slice fl_arena_copy(struct fl_arena *a, struct fl_slice s)
{
    char *at = fl_arena_take(a, s.len + 1);
    if (!at) {
        return FL_EMPTY;
    }
    if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    at[s.len] = '\0';
    return fl_slice(at, s.len);
}

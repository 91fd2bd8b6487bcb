/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded arena: everything an exchange needs is taken from it and freed whole. Nothing is
 * allocated until the first take. Under address sanitizers (FL_ARENA_SEPARATE) each take is a heap
 * allocation of its own, so that an overrun is seen.
 */
#ifndef FL_BASE_ARENA_H
#define FL_BASE_ARENA_H

#include "base/slice.h"

struct fl_arena_chunk;

struct fl_arena {
    struct fl_arena_chunk *chunks; /* newest first */
    size_t chunk_bytes;            /* size of a normal chunk */
    size_t taken_bytes, bytes_max; /* sum of all takes and its ceiling */
    bool failed;                   /* sticky: some take returned NULL */
};

void fl_arena_init(struct fl_arena *a, size_t chunk_bytes, size_t bytes_max);
/* The same with a first chunk that is the caller's: *memory* of *bytes*, aligned for any type. It must
 * outlive the arena's use. */
void fl_arena_init_in(struct fl_arena *a, void *memory, size_t bytes, size_t chunk_bytes, size_t bytes_max);
/* Frees everything taken; the arena may be used again. */
void fl_arena_finish(struct fl_arena *a);
/* *size* bytes, aligned for any type, not cleared; NULL at the ceiling or without memory. */
void *fl_arena_take(struct fl_arena *a, size_t size);
/* The same, cleared. */
void *fl_arena_zero(struct fl_arena *a, size_t size);
/* A copy of *s* (NUL-terminated beyond its length); an empty slice on failure (see failed). */
struct fl_slice fl_arena_copy(struct fl_arena *a, struct fl_slice s);

#endif

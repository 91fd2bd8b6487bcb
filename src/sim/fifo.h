/* SPDX-License-Identifier: Apache-2.0 */
/* A byte queue with cheap taking from the front: what a socket buffer is. Aborts without memory, as
 * everything of the simulator does that models a machine rather than a program. */
#ifndef FL_SIM_FIFO_H
#define FL_SIM_FIFO_H

#include "base/slice.h"

/* realloc() for what models a machine: asks twice, so that the one allocation that a test makes fail
 * is the program's and not this one. */
void *fl_sim_grow(void *memory, size_t size);

struct fl_fifo {
    char *memory; /* heap; NULL while never used */
    size_t head;  /* offset of the first byte */
    size_t len;   /* bytes held */
    size_t cap;
};

void fl_fifo_finish(struct fl_fifo *f);
void fl_fifo_put(struct fl_fifo *f, const void *bytes, size_t count);
/* Drops the first *count* bytes (count <= len). */
void fl_fifo_drop(struct fl_fifo *f, size_t count);

/* The bytes held; valid until the next put or drop. */
static inline struct fl_slice fl_fifo_slice(const struct fl_fifo *f)
{
    return f->len == 0 ? FL_EMPTY : fl_slice(f->memory + f->head, f->len);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/fifo.h"

#include "base/assert.h"

#include <stdlib.h>

void *fl_sim_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size);
    grown = grown ? grown : realloc(memory, size);
    fl_assert(grown != NULL);
    return grown;
}

void fl_fifo_finish(struct fl_fifo *f)
{
    free(f->memory);
    *f = (struct fl_fifo){0};
}

void fl_fifo_put(struct fl_fifo *f, const void *bytes, size_t count)
{
    if (count == 0) {
        return;
    }
    if (f->head > 0 && (f->len == 0 || count > f->cap - f->head - f->len)) {
        memmove(f->memory, f->memory + f->head, f->len);
        f->head = 0;
    }
    if (count > f->cap - f->head - f->len) {
        size_t cap = f->cap > 0 ? f->cap : 256;
        while (cap < f->len + count) {
            cap *= 2;
        }
        f->memory = fl_sim_grow(f->memory, cap);
        f->cap = cap;
    }
    memcpy(f->memory + f->head + f->len, bytes, count);
    f->len += count;
}

void fl_fifo_drop(struct fl_fifo *f, size_t count)
{
    fl_assert(count <= f->len);
    f->head += count;
    f->len -= count;
    if (f->len == 0) {
        f->head = 0;
    }
}

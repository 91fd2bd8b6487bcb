/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte buffer that grows to a ceiling given at init. Overflow (ceiling or memory) is sticky: build
 * first, then ask fl_buf_ok() once. Nothing is allocated until the first byte. One owner, no locks.
 */
#ifndef FL_BASE_BUF_H
#define FL_BASE_BUF_H

#include "base/slice.h"

struct fl_buf {
    char *ptr;      /* heap; NULL while empty */
    size_t len;     /* bytes in use */
    size_t cap;     /* bytes allocated */
    size_t max;     /* ceiling in bytes */
    bool failed;    /* a write did not fit: content is a prefix of what was written */
    bool borrowed;  /* ptr is the caller's memory (fl_buf_init_in), never grown nor freed */
};

void fl_buf_init(struct fl_buf *b, size_t max);
/* Writes into the caller's *memory* of *cap* bytes, which is also the ceiling. */
void fl_buf_init_in(struct fl_buf *b, char *memory, size_t cap);
/* Frees the memory; the buffer is empty and may be used again. */
void fl_buf_finish(struct fl_buf *b);
/* Forgets the content (and a failure), keeps the memory. */
void fl_buf_reset(struct fl_buf *b);
/* Drops the first *n* bytes (n <= len), moving the rest down. Frees the memory when nothing is left. */
void fl_buf_drop(struct fl_buf *b, size_t n);
/* Room for *n* more bytes: where to write them, or NULL (and sticky failure). Call fl_buf_grow() after. */
char *fl_buf_room(struct fl_buf *b, size_t n);
void fl_buf_grow(struct fl_buf *b, size_t n);

/* What fl_buf_put() does when *s* does not fit into what is allocated. */
void fl_buf_put_growing(struct fl_buf *b, struct fl_slice s);

static inline void fl_buf_put(struct fl_buf *b, struct fl_slice s)
{
    if (b->failed || s.len > b->cap - b->len) {
        fl_buf_put_growing(b, s);
    } else if (s.len > 0) {
        memcpy(b->ptr + b->len, s.ptr, s.len);
        b->len += s.len;
    }
}

static inline void fl_buf_putc(struct fl_buf *b, char c)
{
    fl_buf_put(b, fl_slice(&c, 1));
}

static inline void fl_buf_put_cstr(struct fl_buf *b, const char *text)
{
    fl_buf_put(b, fl_slice_cstr(text));
}

void fl_buf_put_u64(struct fl_buf *b, uint64_t value);
void fl_buf_put_i64(struct fl_buf *b, int64_t value);
/* Lower-case hexadecimal without leading zeros, at least *digits_min* digits. */
void fl_buf_put_hex(struct fl_buf *b, uint64_t value, unsigned digits_min);
/* *value* / 10^*scale* in decimal with at most *decimals* decimals, rounded half up. */
void fl_buf_put_scaled(struct fl_buf *b, uint64_t value, unsigned scale, unsigned decimals);
/* A number of JSON with *digits* (1 to 15) significant digits, without trailing zeros; "null" for what is not
 * finite. */
void fl_buf_put_real(struct fl_buf *b, double value, unsigned digits);
/* The text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void fl_buf_put_json(struct fl_buf *b, struct fl_slice text);

static inline struct fl_slice fl_buf_slice(const struct fl_buf *b)
{
    return fl_slice(b->ptr, b->len);
}

static inline bool fl_buf_ok(const struct fl_buf *b)
{
    return !b->failed;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices: a pointer and a length into bytes that somebody else owns. Passed by value, never
 * terminated, never written through. An empty slice may have a NULL pointer.
 */
#ifndef FL_BASE_SLICE_H
#define FL_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fl_slice {
    const char *ptr;
    size_t len;
};

#define FL_LIT(text) ((struct fl_slice){(text), sizeof(text) - 1})
#define FL_EMPTY     ((struct fl_slice){NULL, 0})

static inline struct fl_slice fl_slice(const char *ptr, size_t len)
{
    return (struct fl_slice){ptr, len};
}

static inline struct fl_slice fl_slice_cstr(const char *text)
{
    return (struct fl_slice){text, text ? strlen(text) : 0};
}

/* The bytes from *from* on; empty when *from* is past the end. */
static inline struct fl_slice fl_slice_from(struct fl_slice s, size_t from)
{
    return from >= s.len ? FL_EMPTY : fl_slice(s.ptr + from, s.len - from);
}

/* The first *len* bytes, or all when there are fewer. */
static inline struct fl_slice fl_slice_first(struct fl_slice s, size_t len)
{
    return fl_slice(s.ptr, len < s.len ? len : s.len);
}

static inline bool fl_slice_eq(struct fl_slice a, struct fl_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool fl_slice_starts(struct fl_slice s, struct fl_slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* ASCII letters compare without case; other bytes as they are. */
bool fl_slice_eq_nocase(struct fl_slice a, struct fl_slice b);
/* Without leading and trailing spaces and tabs. */
struct fl_slice fl_slice_trim(struct fl_slice s);
/* Offset of the first *c*, or s.len. */
size_t fl_slice_find(struct fl_slice s, char c);
/* Offset of the first occurrence of *needle*, or s.len. */
size_t fl_slice_find_text(struct fl_slice s, struct fl_slice needle);
/* Orders by bytes, then by length: <0, 0, >0. */
int fl_slice_cmp(struct fl_slice a, struct fl_slice b);

/* Whole slice as a decimal number without sign, 1 to 19 digits; false when it is anything else. */
bool fl_slice_u64(struct fl_slice s, uint64_t *ret_value);
/* Whole slice as a decimal fraction ("12", "0.5", "3.25") in billionths; false when it is anything
 * else, has more than 9 decimals, or exceeds 9e9. */
bool fl_slice_decimal_e9(struct fl_slice s, uint64_t *ret_value);

/* A NUL-terminated heap copy (owner: the caller, free()); NULL without memory. */
char *fl_slice_dup(struct fl_slice s);

/* Damerau-Levenshtein distance (optimal string alignment), ASCII case ignored, at most *limit* + 1.
 * Names longer than 64 bytes count as *limit* + 1. */
unsigned fl_slice_distance(struct fl_slice a, struct fl_slice b, unsigned limit);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of HTTP/1 heads: where a head ends, found once however the input is cut, and where each of
 * its lines ends.
 */
#include "codec/http1.h"

#include "codec/http1_lines.h"
#include "codec/scan.h"

#include "base/assert.h"

enum { empty_lines_max = 2, empty_bytes_max = 4 };

/* Number of empty lines that stand before offset *at*, when nothing else does; -1 otherwise. */
static int empty_lines_before(struct fl_slice bytes, size_t at)
{
    if (at > empty_bytes_max) {
        return -1;
    }
    for (size_t i = 0; i < at; i += 2) {
        if (bytes.ptr[i] != '\r') {
            return -1;
        }
    }
    return (int)(at / 2);
}

/* Goes over a head by blocks of 64 bytes, a bit for each. */
struct walk {
    uint64_t cr_before, lf_before; /* 1: the byte before this block is one */
    uint64_t empty;                /* CRs right after an LF or at the start */
    uint64_t bad;                  /* not zero: a control byte, or CR and LF not in a pair */
};

/* 64 bytes from *at*: in place, or copied and filled up with spaces when fewer are left. */
static inline const char *whole_block(const char *at, size_t left, char padded[64])
{
    if (left >= 64) {
        return at;
    }
    memset(padded, ' ', 64);
    memcpy(padded, at, left);
    return padded;
}

static inline void walk_block(struct walk *w, const struct fl_scan_block *b)
{
    w->bad = (b->odd ^ (b->cr | b->lf)) | (b->lf ^ (b->cr << 1 | w->cr_before));
    w->empty = b->cr & (b->lf << 1 | w->lf_before);
    w->cr_before = b->cr >> 63;
    w->lf_before = b->lf >> 63;
}

/* Nothing special is in the block, which stands *before* bytes into the head. Else false, and
 * *ret_len* if the head ends in it and it is sound up to there. */
__attribute__((always_inline)) static inline bool
is_plain(struct walk *w, const struct fl_scan_block *b, size_t before, size_t *ret_len)
{
    walk_block(w, b);
    if ((w->bad | w->empty) == 0) {
        return true;
    }
    uint64_t head = (w->empty ^ (w->empty - 1)) << 1 | 1; /* up to the LF of the empty line */
    size_t len = before + (size_t)__builtin_ctzll(w->empty | UINT64_C(1) << 63) + 2;
    if (w->empty << 1 != 0 && (w->bad & head) == 0 && len > empty_bytes_max + 2) {
        *ret_len = len;
    }
    return false;
}

/* The same loop twice: with blocks read in four loads, and in two. */
#define SKIP_BLOCKS(scan)                                                                          \
    struct walk w = {.lf_before = at == start || at[-1] == '\n'};                                  \
    uint64_t pending_cr = 0;                                                                       \
    char padded[64];                                                                               \
    while (at < end) {                                                                             \
        size_t left = (size_t)(end - at);                                                          \
        struct fl_scan_block b = scan(whole_block(at, left, padded), true);                        \
        if (!is_plain(&w, &b, (size_t)(at - start), ret_len)) {                                    \
            break;                                                                                 \
        }                                                                                          \
        at += left < 64 ? left : 64;                                                               \
        pending_cr = w.cr_before;                                                                  \
    }                                                                                              \
    return at - pending_cr;

#if FL_SCAN_SSE2
__attribute__((target("avx2"))) static const char *
skip_blocks_wide(const char *start, const char *at, const char *end, size_t *ret_len)
{
    SKIP_BLOCKS(fl_scan_block_wide)
}
#endif

/* The quick way through *at* to *end*: over sound blocks, and to the end of the head (*ret_len*)
 * when that is in a block sound up to there. Returns where to look closer: at an error, an empty
 * line before the head, or a CR whose LF is in the next block or still to come. */
static const char *skip_blocks(const char *start, const char *at, const char *end, size_t *ret_len)
{
#if FL_SCAN_SSE2
    if (fl_scan_wide()) {
        return skip_blocks_wide(start, at, end, ret_len);
    }
#endif
    SKIP_BLOCKS(fl_scan_block)
}

enum fl_err fl_h1_head_find(struct fl_slice bytes, size_t max, bool skip_empty_lines,
                            size_t *scanned, size_t *ret_len)
{
    if (bytes.len == 0) {
        *ret_len = 0;
        return FL_OK;
    }
    struct fl_slice view = fl_slice_first(bytes, max);
    const char *start = view.ptr, *end = start + view.len, *at = start + *scanned;
    fl_assert(max > 0 && *scanned <= view.len);
    size_t len = 0;
    at = skip_blocks(start, at, end, &len);
    if (len > 0) {
        *ret_len = len;
        return FL_OK;
    }
    while (at < end && (at = fl_scan_control(at, end)) < end) {
        if (*at != '\r' || (at + 1 < end && at[1] != '\n')) {
            return FL_ERR_H1_SYNTAX;
        }
        if (at + 1 == end) {
            break; /* its LF is still to come */
        }
        if (at == start || at[-1] == '\n') {
            int empty = empty_lines_before(view, (size_t)(at - start));
            if (empty < 0) {
                *ret_len = (size_t)(at - start) + 2;
                return FL_OK;
            }
            if (!skip_empty_lines || empty >= empty_lines_max) {
                return FL_ERR_H1_SYNTAX;
            }
        }
        at += 2;
    }
    if (bytes.len >= max) {
        return FL_ERR_H1_HEAD_LONG;
    }
    *scanned = (size_t)(at - start);
    *ret_len = 0;
    return FL_OK;
}

/* The line ends of a block; false: there is more than a head in it, or none. */
__attribute__((always_inline)) static inline bool split_block(struct walk *w,
                                                              struct fl_scan_block b, size_t at,
                                                              size_t len, uint32_t *end,
                                                              unsigned *count)
{
    walk_block(w, &b);
    if (w->bad != 0 || (w->empty != 0 && at + (size_t)__builtin_ctzll(w->empty) != len - 2)) {
        return false;
    }
    for (; b.cr != 0; b.cr &= b.cr - 1) {
        end[(*count)++] = (uint32_t)at + (uint32_t)__builtin_ctzll(b.cr);
    }
    return true;
}

#define SPLIT_BLOCKS(scan)                                                                         \
    struct walk w = {.lf_before = 1};                                                              \
    unsigned count = 0;                                                                            \
    char padded[64];                                                                               \
    for (size_t at = 0; at < head.len; at += 64) {                                                 \
        const char *block = whole_block(head.ptr + at, head.len - at, padded);                     \
        if (!split_block(&w, scan(block, obs_text), at, head.len, ret_lines->end, &count)) {       \
            return FL_ERR_H1_SYNTAX;                                                               \
        }                                                                                          \
        if (count > FL_H1_LINES_MAX + 1) {                                                         \
            return FL_ERR_H1_HEAD_LONG;                                                            \
        }                                                                                          \
    }                                                                                              \
    ret_lines->count = count - 1;                                                                  \
    return FL_OK;

#if FL_SCAN_SSE2
__attribute__((target("avx2"))) static enum fl_err
split_blocks_wide(struct fl_slice head, bool obs_text, struct fl_h1_lines *ret_lines)
{
    SPLIT_BLOCKS(fl_scan_block_wide)
}
#endif

static enum fl_err split_blocks(struct fl_slice head, bool obs_text, struct fl_h1_lines *ret_lines)
{
    SPLIT_BLOCKS(fl_scan_block)
}

enum fl_err fl_h1_lines_split(struct fl_slice head, bool obs_text, struct fl_h1_lines *ret_lines)
{
    if (head.len < 4 || head.len > UINT32_MAX ||
        memcmp(head.ptr + head.len - 4, "\r\n\r\n", 4) != 0) {
        return FL_ERR_H1_SYNTAX;
    }
#if FL_SCAN_SSE2
    if (fl_scan_wide()) {
        return split_blocks_wide(head, obs_text, ret_lines);
    }
#endif
    return split_blocks(head, obs_text, ret_lines);
}

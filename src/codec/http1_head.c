/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of HTTP/1 heads: where a head ends, found once however the input is cut, and where each of
 * its lines ends.
 */
#include "codec/http1.h"

#include "codec/http1_lines.h"
#include "codec/scan.h"

#include "base/assert.h"

enum { empty_lines_max = 2 };

/* Number of empty lines that stand before offset *at*, when nothing else does; -1 otherwise. */
static int empty_lines_before(struct fl_slice bytes, size_t at)
{
    if (at > 2 * empty_lines_max) {
        return -1;
    }
    for (size_t i = 0; i < at; i += 2) {
        if (bytes.ptr[i] != '\r') {
            return -1;
        }
    }
    return (int)(at / 2);
}

/* Whether CR and LF stand only in pairs, nothing else is odd, and where empty lines end. */
struct walk {
    uint64_t cr_before, lf_before; /* 1: the byte before this block is one */
    uint64_t empty;                /* CRs right after an LF or at the start */
};

static bool walk_block(struct walk *w, const struct fl_scan_block *b)
{
    uint64_t after_cr = b->cr << 1 | w->cr_before;
    w->empty = b->cr & (b->lf << 1 | w->lf_before);
    w->cr_before = b->cr >> 63;
    w->lf_before = b->lf >> 63;
    return ((b->odd ^ (b->cr | b->lf)) | (b->lf ^ after_cr)) == 0;
}

/* Skips blocks of 64 bytes that hold nothing to stop at. *at* is no LF of a CR. */
static const char *skip_blocks(const char *start, const char *at, const char *end)
{
    struct walk w = {.lf_before = at == start || at[-1] == '\n'};
    uint64_t pending = 0;
    for (; end - at >= 64; at += 64) {
        struct fl_scan_block b = fl_scan_block(at, true);
        if (!walk_block(&w, &b) || w.empty != 0) {
            break;
        }
        pending = w.cr_before;
    }
    return at - pending;
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
    at = skip_blocks(start, at, end);
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

enum fl_err fl_h1_lines_split(struct fl_slice head, bool obs_text, struct fl_h1_lines *ret_lines)
{
    struct walk w = {.lf_before = 1};
    unsigned count = 0;
    char last[64];
    if (head.len < 4 || head.len > UINT32_MAX ||
        memcmp(head.ptr + head.len - 4, "\r\n\r\n", 4) != 0) {
        return FL_ERR_H1_SYNTAX;
    }
    for (size_t at = 0; at < head.len; at += 64) {
        const char *block = head.ptr + at;
        if (head.len - at < 64) {
            memset(last, ' ', sizeof(last));
            memcpy(last, block, head.len - at);
            block = last;
        }
        struct fl_scan_block b = fl_scan_block(block, obs_text);
        if (!walk_block(&w, &b) ||
            (w.empty != 0 && at + (size_t)__builtin_ctzll(w.empty) != head.len - 2)) {
            return FL_ERR_H1_SYNTAX;
        }
        for (; b.cr != 0 && count <= FL_H1_LINES_MAX; b.cr &= b.cr - 1) {
            ret_lines->end[count++] = (uint32_t)at + (uint32_t)__builtin_ctzll(b.cr);
        }
        if (b.cr != 0) {
            return FL_ERR_H1_HEAD_LONG;
        }
    }
    ret_lines->count = count - 1;
    return FL_OK;
}

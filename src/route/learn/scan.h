/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to learn: windows of a text, folded into a buffer of ours, and where its tokens are. 64
 * bytes at a time by bit masks (SSE2 where the machine has it), so that the length of a word costs
 * no mispredicted branch; only text that is not ASCII is walked by character. Offsets in the folded
 * text are those of the original within each window: folding never changes a width.
 *
 * Marks that are not ASCII become the ASCII mark of the same meaning (the ideographic full stop,
 * the full-width question mark, curly quotation marks), repeated over their width; other marks
 * become blanks.
 */
#ifndef FL_ROUTE_LEARN_SCAN_H
#define FL_ROUTE_LEARN_SCAN_H

#include "route/learn/features.h"

enum {
    FL_SCAN_TOKENS_MAX = 384,
    FL_SCAN_PADDING = 16, /* readable zero bytes behind the text */
    FL_SCAN_TEXT_MAX = FL_WINDOW_HEAD + FL_WINDOW_TAIL + 128
};

/* What touches a token from the left; several may be set. */
enum {
    FL_AFTER_LINE = 1,  /* a line end, or the window's start */
    FL_AFTER_STOP = 2,  /* . ! ? */
    FL_AFTER_COLON = 4, /* : */
    FL_AFTER_QUOTE = 8  /* " */
};

struct fl_token {
    uint16_t start, end; /* in fl_scan.text */
    uint8_t before;      /* FL_AFTER_* */
    uint8_t window;      /* 0 head, 1 tail */
};

/* Counts over both windows, in bytes. */
struct fl_scan_counts {
    unsigned bytes, lines, questions, quotes, digits, capitals, foreign, symbols, items;
};

struct fl_scan {
    unsigned tokens;
    struct fl_scan_counts counts;
    struct fl_token token[FL_SCAN_TOKENS_MAX];
    uint8_t text[FL_SCAN_TEXT_MAX + FL_SCAN_PADDING];
};

/* Scans both windows; what exceeds their sizes is not read. When there are more tokens than fit,
 * the last ones of each window are dropped; the head leaves a third of the room to the tail. */
void fl_scan_windows(const struct fl_windows *windows, struct fl_scan *ret_scan);

/* One block of 64 bytes: a bit a byte, the lowest for the first. */
struct fl_scan_masks {
    uint64_t word; /* ASCII letters and digits */
    uint64_t digit, capital, line, question, quote, bullet, symbol, high;
};

/* Folds ASCII capitals at *block* and tells what is there. The second is the portable form of the
 * first; both give the same. */
void fl_scan_block(uint8_t *block, struct fl_scan_masks *ret_masks);
void fl_scan_block_portable(uint8_t *block, struct fl_scan_masks *ret_masks);

#endif

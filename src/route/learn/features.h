/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a text looks like to a linear model: a bounded set of hashed features and ten surface
 * figures, taken in one pass from two windows of the text, so that a megabyte costs no more than
 * four kilobytes. One extraction serves every model (task classes, quality heads): an index has 32
 * hashed bits, and a table of 2^b rows takes the top b of them (fl_feature_row()).
 *
 * Vocabulary
 *   window   head and tail of the text (the last user message, JSON escapes already decoded). What
 *            lies between is not read: instructions stand before or after the material.
 *   token    a run of letters and digits, lower-cased (ASCII, Latin-1, Greek, Cyrillic); each
 *            ideograph, kana or hangul syllable is a token of its own.
 *   feature  a hashed token, pair of tokens, or stem, together with where it stands: a word that
 *            opens the text is another feature than the same word in the middle of it.
 *
 * Invariants: a set, not a bag: no index comes twice (and of two that agree in their top 15 bits one). The same bytes give the same features in the
 * same order on every machine, compiler and optimisation level: integers only. Invalid UTF-8 is
 * harmless. No allocation, no state between calls; a struct fl_features is scratch of one thread
 * (about 12 KiB: keep one a thread).
 */
#ifndef FL_ROUTE_LEARN_FEATURES_H
#define FL_ROUTE_LEARN_FEATURES_H

#include "base/slice.h"

enum {
    FL_WINDOW_HEAD = 512, /* bytes read from the start */
    FL_WINDOW_TAIL = 256, /* and from the end */
    FL_FEATURES_MAX = 1024,
    FL_FEATURE_ONE = 4, /* the value of an ordinary feature; the first words have more */
    FL_SURFACE_COUNT = 10
};

/* Where to look. text_bytes is the length of the whole text. tail is empty when head is all. */
struct fl_windows {
    struct fl_slice head, tail;
    uint64_t text_bytes;
};

/* Cuts at character boundaries. The slices point into *text*. */
struct fl_windows fl_windows_of(struct fl_slice text);

struct fl_feature {
    uint32_t index; /* 32 hashed bits: see fl_feature_row() */
    int32_t value;  /* 1 to 4 * FL_FEATURE_ONE */
};

/* Each 0..255, of the windows only, but for the length. Shares are in 1/255 of the bytes read. */
enum fl_surface {
    FL_SURFACE_LENGTH,    /* 8 * log2(1 + bytes of the whole text) */
    FL_SURFACE_LINES,     /* line ends */
    FL_SURFACE_QUESTIONS, /* question marks */
    FL_SURFACE_QUOTES,    /* quotation marks */
    FL_SURFACE_DIGITS,    /* share of digits */
    FL_SURFACE_CAPITALS,  /* share of ASCII capitals */
    FL_SURFACE_FOREIGN,   /* share of bytes that are not ASCII */
    FL_SURFACE_SYMBOLS,   /* share of ASCII that is neither letter, digit, blank nor .,?!'"- */
    FL_SURFACE_LIST,      /* lines that begin with -, * or a digit */
    FL_SURFACE_WORD       /* mean length of a token in bytes, times 8 */
};

struct fl_features {
    unsigned count;
    uint64_t square_sum; /* of the values: the vector's Euclidean length squared */
    uint8_t surface[FL_SURFACE_COUNT];
    struct fl_feature items[FL_FEATURES_MAX];
    uint64_t seen[512]; /* scratch: which indices came already, by their top 15 bits */
};

/* Fills *ret_features* whatever it held before. Features beyond FL_FEATURES_MAX are dropped. */
void fl_features_extract(const struct fl_windows *windows, struct fl_features *ret_features);

/* The row of *index* in a table of 2^bits rows, 1 <= bits <= 32. */
static inline uint32_t fl_feature_row(uint32_t index, unsigned bits)
{
    return index >> (32 - bits);
}

#endif

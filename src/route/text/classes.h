/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the classes of one message's text, 64 bytes a step; scan.c feeds it.
 *
 * A step looks at 64 bytes and consumes fewer where a word or a character would be cut at its end,
 * so that words of up to fl_classes_whole bytes are always seen whole; the caller brings the rest
 * again. What a step consumes depends on the message's bytes alone, never on how they arrived.
 */
#ifndef FL_ROUTE_TEXT_CLASSES_H
#define FL_ROUTE_TEXT_CLASSES_H

#include "route/text/facts.h"

enum {
    fl_classes_step = 64, /* bytes of a step */
    fl_classes_whole = 24 /* words up to this length are never cut */
};

struct fl_classes {
    /* Masks of the last step, moved so that the byte before the next step is the top bit. */
    struct {
        uint64_t letter, small, punct, space, line, digit, alien;
    } before;
    uint64_t run;       /* bytes of a run of base64 so far */
    bool run_capital;   /* it has a capital */
    uint32_t ideograph; /* the ideograph before, when it is free to be half of a pair; else 0 */
    uint32_t count[FL_TEXT_COUNTS];
};

/* A new message: counts and context are 0. */
void fl_classes_begin(struct fl_classes *c);
/* Counts from *p*, which has fl_classes_step readable bytes, and returns the bytes consumed, at
 * least 1. With *len* < fl_classes_step the message ends after *len* bytes, all are consumed, and
 * what follows them in the block must be zeros. */
size_t fl_classes_step64(struct fl_classes *c, const unsigned char *p, size_t len);
/* The message is over. */
void fl_classes_end(struct fl_classes *c);

#endif

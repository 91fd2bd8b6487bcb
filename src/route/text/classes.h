/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the classes of one message's text, 64 bytes a step; scan.c feeds it.
 *
 * A step looks at 64 bytes and consumes fewer where a word or a character would be cut at its end,
 * so that words of up to fl_classes_whole - 1 bytes are always seen whole; the caller brings the
 * rest again. What a step consumes depends on the message's bytes alone, never on how they arrived.
 */
#ifndef FL_ROUTE_TEXT_CLASSES_H
#define FL_ROUTE_TEXT_CLASSES_H

#include "route/text/facts.h"

enum {
    fl_classes_step = 64, /* bytes of a step */
    fl_classes_block = fl_classes_step + 8,
    fl_classes_whole = 24 /* shorter words are never cut */
};

struct fl_classes {
    /* Masks of the last step, moved so that the byte before the next step is the top bit. */
    struct {
        uint64_t letter, small, inside, two, punct, space, line, digit, tick;
        bool alien; /* a letter that is neither ASCII nor Latin */
    } before;
    uint32_t digits;          /* of the number before, modulo 3 */
    uint64_t run;             /* bytes of a run of base64 so far */
    bool run_capital;         /* it has a capital */
    uint32_t ideograph;       /* the ideograph right before, or 0 */
    uint32_t ideograph_taken; /* 1: it ended a pair */
    uint32_t count[FL_TEXT_COUNTS];
};

/* A new message: counts and context are 0. */
void fl_classes_begin(struct fl_classes *c);
/* Takes as many steps from *p* on as *len* readable bytes allow; returns the bytes consumed: fewer
 * than fl_classes_step are left. */
size_t fl_classes_read(struct fl_classes *c, const unsigned char *p, size_t len);
/* The last *len* < fl_classes_step bytes of the message (0: none), in a block of fl_classes_block
 * bytes whose other bytes are zeros. The message is over. */
void fl_classes_end(struct fl_classes *c, const unsigned char *block, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The characters outside ASCII of a block, one by one, by script. */
#ifndef FL_ROUTE_TEXT_ALIENS_H
#define FL_ROUTE_TEXT_ALIENS_H

#include "route/text/classes.h"

struct fl_aliens {
    uint64_t high; /* bytes outside ASCII, bit i for byte i */
    uint64_t lead; /* those of them that begin a character: 0xc0 and above */
    unsigned used; /* bytes of the block that count; no mask goes further */
};

/* Counts the characters among the bytes at *p*, of which one more than *used* is readable. Returns
 * the bytes that belong to Latin letters. */
uint64_t fl_aliens_count(struct fl_classes *c, const unsigned char *p, struct fl_aliens aliens);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The characters outside ASCII of a block, one by one, by script. */
#ifndef FL_ROUTE_TEXT_ALIENS_H
#define FL_ROUTE_TEXT_ALIENS_H

#include "route/text/classes.h"

/* Counts the characters whose bytes *high* marks among the first *used* bytes of *p*; two bytes
 * after a marked one must be readable. Returns the bytes that belong to Latin letters. */
uint64_t fl_aliens_count(struct fl_classes *c, const unsigned char *p, uint64_t high,
                         unsigned used);

#endif

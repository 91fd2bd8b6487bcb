/* SPDX-License-Identifier: Apache-2.0 */
/* The counts of facts.h the slow way: one character after the other, without masks or blocks. */
#ifndef FL_TESTS_ROUTE_TEXT_ORACLE_H
#define FL_TESTS_ROUTE_TEXT_ORACLE_H

#include "route/text/facts.h"

/* Counts of one message of valid UTF-8. Returns the longest run of letters, digits and bytes
 * outside ASCII: from 24 bytes on, words may be cut, and the three counts of rare words are not
 * comparable. */
size_t oracle_count(struct fl_slice text, uint32_t ret_count[FL_TEXT_COUNTS]);

#endif

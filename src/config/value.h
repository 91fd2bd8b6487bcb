/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars: variables expanded, text turned into numbers. */
#ifndef FL_CONFIG_VALUE_H
#define FL_CONFIG_VALUE_H

#include "config/load.h"

/* "a ${NAME} b ${NAME:-default} $$" with the variables' values, into *b*. False: reported.
 * *ret_source* (may be NULL) gets the variable's name when the text is one variable, "environment"
 * when it has several or more text, and stays when it has none. */
bool fl_value_expand(struct fl_load *load, const struct fl_yaml *node, struct fl_buf *b,
                     struct fl_slice *ret_source);

/* The number that *text* spells as *key*'s type (BOOL to ENUM); false when it does not. */
bool fl_value_number(const struct fl_key *key, struct fl_slice text, int64_t *ret_number);
/* "a whole number", "a duration such as 30s or 500ms", ... */
const char *fl_value_expected(enum fl_key_type type);

#endif

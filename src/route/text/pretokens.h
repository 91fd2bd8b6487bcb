/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts text where the pre-tokenisers of o200k and cl100k cut it, by hand instead of by their
 * regular expressions: one pass, at most a few characters looked at twice, no recursion.
 */
#ifndef FL_ROUTE_TEXT_PRETOKENS_H
#define FL_ROUTE_TEXT_PRETOKENS_H

#include "base/slice.h"

enum fl_pretokens { FL_PRETOKENS_O200K, FL_PRETOKENS_CL100K };

/* Length in bytes of the pre-token at the beginning of *text*, which is not empty; at least 1.
 * Bytes that are not UTF-8 are characters of no class. *text* must go to the end of the message. */
size_t fl_pretoken(enum fl_pretokens rule, struct fl_slice text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of requests to providers that name the model in the path. */
#ifndef FL_DIALECT_PATH_H
#define FL_DIALECT_PATH_H

#include "base/buf.h"
#include "base/slice.h"

/* Decoded text as one path segment: all but the unreserved bytes of RFC 3986 percent-encoded, '/' among
 * them. */
void fl_put_segment(struct fl_buf *b, struct fl_slice text);

#endif

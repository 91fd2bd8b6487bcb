/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider says, in words, when it refuses: from the error bodies of all vendors. */
#ifndef FL_DIALECT_REFUSAL_H
#define FL_DIALECT_REFUSAL_H

#include "base/buf.h"
#include "base/slice.h"

/* The message in *body*, decoded, in place or in *scratch*; empty when the body is not JSON or says
 * nothing. Looked for: error.message, error as a string, message, Message, detail, errors[0], any of
 * them in the first item of an array. */
struct fl_slice fl_refusal_message(struct fl_slice body, struct fl_buf *scratch);

#endif

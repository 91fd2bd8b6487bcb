/* SPDX-License-Identifier: Apache-2.0 */
/* What one read of a provider's answer gives its client: gathered, framed and written at once. */
#ifndef FL_SERVER_GATHER_H
#define FL_SERVER_GATHER_H

#include "base/slice.h"

#include <stdbool.h>

struct fl_attempt;

enum { FL_GATHER_PIECES = 40 };

/* Spans of neighbouring bytes grow together. */
struct fl_gather {
    struct fl_slice pieces[FL_GATHER_PIECES]; /* the first *count* are written */
    unsigned count;
    size_t bytes;
};

void fl_gather_init(struct fl_gather *g);
/* The bytes must stay until they are written. At most FL_GATHER_PIECES that are no neighbours. */
void fl_gather_add(struct fl_gather *g, struct fl_slice s);
/* Writes what was gathered as body of the answer, behind the head if that is not sent yet; *last*: and the body's
 * end. Pauses the provider when its client is behind. *g* is empty then. */
void fl_gather_flush(struct fl_attempt *a, struct fl_gather *g, bool last);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between a text that broke off and its continuation by another source, which may say the
 * end of what was already said once more: "... over the har" + "over the harbour, and" must read
 * "... over the harbour, and".
 *
 *   tail     the end of what was said, at most FL_SEAM_TAIL bytes
 *   overlap  the longest end of the tail that the continuation begins with; it is dropped
 *
 * An overlap of less than FL_SEAM_LEAST bytes is chance ("all" + "low"), and kept, unless it is all
 * that was said so far and has FL_SEAM_WHOLE bytes or more: then the source began anew. A text that
 * repeats itself in a period shorter than its overlap cannot be told from one said twice; the
 * longer overlap wins.
 *
 * Some sources refuse a beginning that ends in white space, and are given it without; what they
 * then say may begin with it. As many bytes are *expected*: an overlap of no more is none by
 * chance.
 *
 * Streaming Knuth-Morris-Pratt: the continuation's bytes are the pattern, searched for in the tail
 * as they come. What is held back meanwhile is never more than the tail; amortised O(1) a byte.
 */
#ifndef FL_CODEC_SEAM_H
#define FL_CODEC_SEAM_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum { FL_SEAM_TAIL = 512, FL_SEAM_LEAST = 16, FL_SEAM_WHOLE = 4 };

struct fl_seam {
    char tail[FL_SEAM_TAIL], head[FL_SEAM_TAIL];
    uint16_t border
        [FL_SEAM_TAIL]; /* of head's prefixes: the longest proper prefix that is also a suffix */
    unsigned tail_len, head_len; /* head: what is held of the continuation */
    unsigned at, matched;        /* of the tail are read; of the head end there */
    unsigned expected;
    bool whole;                  /* the tail is all that was said */
    bool settled;
    unsigned overlap; /* once settled: bytes dropped */
};

/* *said*: all that was said, or as much of its end as is kept; *whole*: it is all. */
void fl_seam_start(struct fl_seam *s, struct fl_slice said, bool whole);
/* Behind fl_seam_start(): the source was told all but the last *bytes* of what was said. */
void fl_seam_expect(struct fl_seam *s, size_t bytes);
/* The continuation's next bytes: appends to *out* what is new, as soon as that is known. */
void fl_seam_feed(struct fl_seam *s, struct fl_slice text, struct fl_buf *out);
/* No more will come: appends what is still held. */
void fl_seam_end(struct fl_seam *s, struct fl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip (RFC 1952) by zlib, inflating only, piece by piece, bounded: some providers compress their answers
 * although they were asked not to. What comes out may be at most 256 KiB and 16 times what went in: text of
 * models stays far below, bombs do not.
 */
#ifndef FL_CODEC_GZIP_H
#define FL_CODEC_GZIP_H

#include "base/err.h"
#include "base/slice.h"

struct fl_gzip; /* about 40 KiB of heap */

struct fl_gzip *fl_gzip_create(void); /* NULL without memory */
void fl_gzip_destroy(struct fl_gzip *g); /* NULL is fine */
/* Takes bytes from the front of *in* and writes at most *cap* bytes to *ret_bytes*; *ret_len* gets how many.
 * Call again while *in* is not empty or *ret_len* was *cap*. FL_ERR_BAD_RESPONSE: not gzip, damaged, or
 * bytes behind its end; FL_ERR_TOO_BIG: more than the limit comes out. */
enum fl_err fl_gzip_next(struct fl_gzip *g, struct fl_slice *in, char *ret_bytes, size_t cap,
                         size_t *ret_len) FL_CHECK_RESULT;
/* The checksum at the end was read and was right. */
bool fl_gzip_done(const struct fl_gzip *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Spellings that credentials need. Shared by the files of this folder. */
#ifndef FL_AUTH_ENCODE_H
#define FL_AUTH_ENCODE_H

#include "base/buf.h"
#include "base/slice.h"

/* Base64 with the URL alphabet, without padding (RFC 7515). */
void fl_put_base64url(struct fl_buf *b, struct fl_slice bytes);
/* Percent-encodes all but RFC 3986's unreserved bytes; '/' stays when *keep_slash*. */
void fl_put_percent(struct fl_buf *b, struct fl_slice text, bool keep_slash);
void fl_put_hex_bytes(struct fl_buf *b, const uint8_t *bytes, size_t count);
/* "20150830T123600Z" */
void fl_put_basic_time(struct fl_buf *b, uint64_t unix_s);
/* "2026-08-01T12:00:00Z", fractions of seconds are dropped; false when it is none. */
bool fl_parse_utc(struct fl_slice text, uint64_t *ret_unix_s);

#endif

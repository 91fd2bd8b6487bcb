/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the http1 files: which bytes may stand where, and comparing without case. */
#ifndef FL_CODEC_HTTP1_NAMES_H
#define FL_CODEC_HTTP1_NAMES_H

#include "base/slice.h"

enum {
    FL_H1_TOKEN = 1,  /* names: RFC 9110 5.6.2 */
    FL_H1_HOST = 2,   /* names of hosts and IPv4 addresses */
    FL_H1_TARGET = 4, /* request targets: visible ASCII but '#' */
};

/* The classes of each byte; none from 0x80 on. */
extern const unsigned char fl_h1_bytes[256];

static inline bool fl_h1_byte_is(char c, unsigned classes)
{
    return (fl_h1_bytes[(unsigned char)c] & classes) != 0;
}

/* One or more token bytes and nothing else. */
bool fl_h1_is_token(struct fl_slice s);

/* Is *s* the *text*, letters' case ignored? *text* is made of lower-case letters, '-' and digits.
 */
bool fl_h1_is(struct fl_slice s, struct fl_slice text);

#endif

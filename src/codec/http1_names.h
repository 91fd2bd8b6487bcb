/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the http1 files: the bytes a name (RFC 9110 5.6.2 "token") is made of. */
#ifndef FL_CODEC_HTTP1_NAMES_H
#define FL_CODEC_HTTP1_NAMES_H

#include "base/slice.h"

/* 1 for the bytes of a token, 0 for all others (0x80-0xff among them). */
extern const unsigned char fl_h1_token_bytes[256];

static inline bool fl_h1_is_token_byte(char c)
{
    return fl_h1_token_bytes[(unsigned char)c] != 0;
}

/* One or more token bytes and nothing else. */
bool fl_h1_is_token(struct fl_slice s);

#endif

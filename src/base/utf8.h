/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef FL_BASE_UTF8_H
#define FL_BASE_UTF8_H

#include "base/slice.h"

/* Bytes of the character at the start of *s* (1 to 4), or 0 when it is invalid, cut or *s* empty. */
size_t fl_utf8_width(struct fl_slice s);
/* Offset of the first invalid or cut sequence, or s.len. */
size_t fl_utf8_check(struct fl_slice s);

#endif

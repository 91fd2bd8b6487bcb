/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the http1 files: the lines of a delimited head. */
#ifndef FL_CODEC_HTTP1_LINES_H
#define FL_CODEC_HTTP1_LINES_H

#include "codec/http1.h"

enum { FL_H1_LINES_MAX = 1 + FL_H1_HEADERS_MAX };

struct fl_h1_lines {
    unsigned count; /* at least 1; the empty line is not counted */
    /* Offset of each line's CR, the empty line's too; and room for one more block of 64 bytes. */
    uint32_t end[FL_H1_LINES_MAX + 1 + 32];
};

/* Checks every byte of *head*: controls, CR and LF in pairs only, one empty line and that at the
 * end, bytes from 0x80 on only with *obs_text*. FL_ERR_H1_HEAD_LONG when there are too many lines.
 */
enum fl_err fl_h1_lines_split(struct fl_slice head, bool obs_text,
                              struct fl_h1_lines *ret_lines) FL_CHECK_RESULT;

#endif

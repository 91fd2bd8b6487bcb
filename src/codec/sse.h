/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (WHATWG HTML, "event stream interpretation"): LF, CRLF and lone CR line ends,
 * comments, several data lines, data without the space, a BOM at the start, the last event without
 * its empty line. Works on contiguous bytes: whole events are given as spans in place, an
 * unfinished tail stays with the caller, who gives it again with more bytes behind it.
 */
#ifndef FL_CODEC_SSE_H
#define FL_CODEC_SSE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Reader state between calls; zero it for a new stream. */
struct fl_sse {
    size_t scanned;    /* bytes at the front of the input already looked at */
    size_t line_start; /* start of the line being looked at */
    size_t first_end;  /* end of the first line, when there were any */
    unsigned lines;    /* whole lines so far that are not empty */
    bool started;      /* the BOM, if any, is behind us */
    bool skip_lf;      /* the last event ended in CR: an LF right after it belongs to it */
};

struct fl_sse_event {
    struct fl_slice raw; /* everything consumed for it: comments before it, lines, the empty line */
    struct fl_slice name; /* of "event:", empty when absent */
    struct fl_slice data; /* of one data line, in place; several lines: joined by LF in *joined* */
    unsigned data_lines;  /* 0: a comment or an empty line only */
};

/* Looks for the next whole event at the front of *bytes*. FL_OK and raw.len > 0: an event; the
 * caller drops raw.len bytes and calls again. FL_OK and raw.len == 0: more bytes are needed (*sse*
 * remembers how far it looked; give the same bytes again with more behind). *at_end*: no more bytes
 * will come, so an unfinished last event counts as one when it has data. A comment block followed
 * by an empty line, or a lone empty line, comes as an event with data_lines 0; so does, one byte
 * long, the LF of a CRLF whose CR ended an event and was the last byte there was. FL_ERR_SSE_LONG
 * when an event is longer than *max* bytes (an LF after its last CR not counted) or its joined data
 * longer than *joined*'s ceiling; after an error the stream is lost. *joined* is emptied and
 * written only for an event of several data lines. It may be NULL: these then give the span from
 * the first one's value to the last one's (the later lines' field names included). */
enum fl_err fl_sse_next(struct fl_sse *sse, struct fl_slice bytes, bool at_end, size_t max,
                        struct fl_buf *joined, struct fl_sse_event *ret_event) FL_CHECK_RESULT;

/* Appends an event's bytes without its lines of the field "id". */
void fl_sse_put_without_id(struct fl_slice raw, struct fl_buf *b);

#endif

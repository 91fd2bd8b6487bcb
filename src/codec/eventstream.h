/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing of application/vnd.amazon.eventstream, which Bedrock streams in. A message is
 *
 *   u32 total bytes | u32 bytes of headers | u32 CRC of these eight | headers | payload | u32 CRC
 *   of all before
 *
 * big-endian, with the CRC-32 of zlib. Works on contiguous bytes as codec/sse does: whole messages
 * are given as spans in place, an unfinished tail stays with the caller, who gives it again with
 * more bytes behind it. Both sums are checked before anything is believed, the first as soon as
 * its bytes are there.
 */
#ifndef FL_CODEC_EVENTSTREAM_H
#define FL_CODEC_EVENTSTREAM_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    FL_EVENTSTREAM_BYTES_MIN = 16,
    FL_EVENTSTREAM_BYTES_MAX = 16 << 20, /* the framing's own limits */
    FL_EVENTSTREAM_HEADERS_MAX = 128 << 10
};

struct fl_eventstream_message {
    struct fl_slice raw;  /* everything consumed */
    struct fl_slice type; /* ":message-type": "event", "exception", "error" */
    struct fl_slice name; /* ":event-type", ":exception-type" or ":error-code" */
    struct fl_slice text; /* ":error-message" */
    struct fl_slice payload;
};

/* Looks for a whole message at the front of *bytes*. FL_OK and raw.len > 0: a message; the caller
 * drops raw.len bytes and calls again. FL_OK and raw.len == 0: more bytes are needed.
 * FL_ERR_SSE_LONG: longer than *max*; FL_ERR_BAD_RESPONSE: a wrong sum or a header that breaks its
 * frame; the stream is lost then. */
enum fl_err fl_eventstream_next(struct fl_slice bytes, size_t max,
                                struct fl_eventstream_message *ret_message) FL_CHECK_RESULT;

/* Appends a message with ":message-type" *type*, the header that goes with it (":event-type",
 * ":exception-type", ":error-code") *name*, and ":content-type" application/json. */
void fl_eventstream_put(struct fl_buf *b, struct fl_slice type, struct fl_slice name,
                        struct fl_slice payload);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9110, 9112), both sides, strict, without I/O: this is the security boundary.
 * Messages are parsed once into typed fields and written anew; nothing is repaired or relayed as it
 * was framed.
 *
 *   bytes -> fl_h1_head_find (incremental, linear) -> fl_h1_parse_request | fl_h1_parse_response
 *         -> fl_h1_body (length, chunked, until close; resumes at any byte) -> pieces of body
 *
 * Refused: bare LF or CR as a line end, NUL and control bytes, obs-fold, space before a colon, an
 * empty or non-token name, versions other than 1.0 and 1.1, methods other than those below,
 * Transfer-Encoding other than exactly one "chunked" (and any in 1.0), Content-Length together with
 * Transfer-Encoding, repeated or non-digit or overlong (> 15 digits) Content-Length, either of the
 * two in a 1xx or 204 response (a length of 0 is let pass), a 1.1 request without exactly one valid
 * Host (1.0: at most one), request targets with other than visible ASCII or with '#' or longer than
 * FL_H1_TARGET_MAX, absolute-form or authority-form targets, a 101 response, chunk sizes of more
 * than 15 hex digits, whitespace in chunk lines, chunk extensions outside the grammar or longer
 * than 256 bytes in all, trailers beyond their limit or with names that frame, route or authorise
 * a message. obs-text (0x80-0xff) is allowed in header values and reasons of responses only.
 *
 * A Host is 1-255 letters, digits, '-', '.' and '_', or an IPv6 address in brackets, and at most
 * one port of 1 to 5 digits.
 *
 * Errors name what is wrong with the bytes (FL_ERR_H1_*, FL_ERR_BODY_LONG), whoever sent them: one
 * in a response is the provider's fault and its reader's to report so.
 */
#ifndef FL_CODEC_HTTP1_H
#define FL_CODEC_HTTP1_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { FL_H1_HEADERS_MAX = 128, FL_H1_TARGET_MAX = 8192 };

/* Headers this program reads or that decide framing; all others are FL_H_OTHER.
 * X(id, lower-case name). A new row also needs its place in http1_names.c. */
/* clang-format off */
#define FL_H1_NAMES(X)                                                                             \
    X(FL_H_ACCEPT, "accept") X(FL_H_ACCEPT_ENCODING, "accept-encoding")                            \
    X(FL_H_AUTHORIZATION, "authorization") X(FL_H_CACHE_CONTROL, "cache-control")                  \
    X(FL_H_CONNECTION, "connection") X(FL_H_CONTENT_ENCODING, "content-encoding")                  \
    X(FL_H_CONTENT_LENGTH, "content-length") X(FL_H_CONTENT_TYPE, "content-type")                  \
    X(FL_H_DATE, "date") X(FL_H_EXPECT, "expect") X(FL_H_HOST, "host")                             \
    X(FL_H_KEEP_ALIVE, "keep-alive") X(FL_H_LAST_EVENT_ID, "last-event-id")                        \
    X(FL_H_LOCATION, "location")                                                                   \
    X(FL_H_PROXY_AUTHORIZATION, "proxy-authorization") X(FL_H_RETRY_AFTER, "retry-after")          \
    X(FL_H_RETRY_AFTER_MS, "retry-after-ms") X(FL_H_SERVER, "server")                              \
    X(FL_H_SET_COOKIE, "set-cookie") X(FL_H_COOKIE, "cookie") X(FL_H_TE, "te")                     \
    X(FL_H_TRAILER, "trailer") X(FL_H_TRANSFER_ENCODING, "transfer-encoding")                      \
    X(FL_H_UPGRADE, "upgrade") X(FL_H_USER_AGENT, "user-agent")                                    \
    X(FL_H_X_API_KEY, "x-api-key") X(FL_H_X_REQUEST_ID, "x-request-id")                            \
    X(FL_H_X_SHOULD_RETRY, "x-should-retry") X(FL_H_X_STAINLESS_TIMEOUT, "x-stainless-timeout")    \
    X(FL_H_X_FORWARDED_FOR, "x-forwarded-for")                                                     \
    X(FL_H_X_FAIRLEAD_TIMEOUT_MS, "x-fairlead-timeout-ms")
/* clang-format on */

enum fl_h1_name {
    FL_H_OTHER,
#define X(id, text) id,
    FL_H1_NAMES(X)
#undef X
        FL_H_COUNT
};

struct fl_h1_header {
    enum fl_h1_name id;
    struct fl_slice name;  /* as it was spelled */
    struct fl_slice value; /* trimmed */
};

enum fl_h1_method {
    FL_H1_GET,
    FL_H1_HEAD,
    FL_H1_POST,
    FL_H1_PUT,
    FL_H1_DELETE,
    FL_H1_OPTIONS,
    FL_H1_PATCH
};

enum fl_h1_framing {
    FL_H1_NO_BODY,
    FL_H1_LENGTH, /* content_length says how much (may be 0) */
    FL_H1_CHUNKED,
    FL_H1_UNTIL_CLOSE /* responses only */
};

/* A parsed head; spans point into the head's bytes. */
struct fl_h1_head {
    enum fl_h1_method method; /* requests */
    struct fl_slice target;   /* requests: origin-form, path and query, or "*" for OPTIONS */
    struct fl_slice path;     /* requests: target up to '?' */
    int status;               /* responses, 100-999 */
    int minor;                /* HTTP/1.<minor>, 0 or 1 */
    enum fl_h1_framing framing;
    uint64_t content_length;
    bool keep_alive;      /* by version and Connection */
    bool expect_continue; /* requests: the client waits for a 100 before it sends its body */
    struct fl_slice host; /* requests */
    uint64_t seen;        /* a bit for each enum fl_h1_name among the headers */
    unsigned header_count;
    struct fl_h1_header headers[FL_H1_HEADERS_MAX];
};

/* Looks for the end of a head at the start of *bytes*. *scanned* (0 for a new head) remembers how
 * far it has looked, so that repeated calls with more bytes cost linear time. FL_OK and *ret_len =
 * 0: more bytes are needed; FL_OK and *ret_len > 0: length of the head with its empty line. Control
 * bytes and bare CR or LF are refused as soon as they are seen. Empty lines (CRLF) before a request
 * are skipped when *skip_empty_lines* (at most 2) and counted in *ret_len. FL_ERR_H1_HEAD_LONG when
 * no end is found within *max* bytes. */
enum fl_err fl_h1_head_find(struct fl_slice bytes, size_t max, bool skip_empty_lines,
                            size_t *scanned, size_t *ret_len) FL_CHECK_RESULT;

/* Parses a whole head as fl_h1_head_find() delimits it. *ret_head* (5 KiB, not cleared first) is
 * scratch memory: unspecified after a failure. */
enum fl_err fl_h1_parse_request(struct fl_slice head, struct fl_h1_head *ret_head) FL_CHECK_RESULT;
/* *to_head*: the response answers a HEAD request and has no body whatever it says. */
enum fl_err fl_h1_parse_response(struct fl_slice head, bool to_head,
                                 struct fl_h1_head *ret_head) FL_CHECK_RESULT;

/* First header with this id, or NULL. */
const struct fl_h1_header *fl_h1_find(const struct fl_h1_head *head, enum fl_h1_name id);
/* First header with this lower-case name (any), or NULL. */
const struct fl_h1_header *fl_h1_find_text(const struct fl_h1_head *head, struct fl_slice name);
enum fl_h1_name fl_h1_name_id(struct fl_slice name);
/* Must never be forwarded: hop-by-hop (RFC 9110 7.6.1) or named by a Connection header of *head*.
 */
bool fl_h1_hop_by_hop(const struct fl_h1_head *head, const struct fl_h1_header *header);

struct fl_h1_body_limits {
    uint64_t bytes_max; /* of body, decoded; FL_ERR_BODY_LONG */
    unsigned trailer_bytes_max;
};

/* Decoder of one body. */
struct fl_h1_body {
    enum fl_h1_framing framing;
    uint8_t state;
    bool done;
    uint8_t digits; /* of the chunk size read so far */
    uint64_t left;  /* bytes of this chunk or length still to come; in trailers: hash of a name */
    uint64_t total; /* bytes of body delivered */
    uint32_t overhead; /* bytes of extensions seen, then of trailers */
    struct fl_h1_body_limits limits;
};

/* FL_ERR_BODY_LONG at once when a Content-Length is above the limit. */
enum fl_err fl_h1_body_init(struct fl_h1_body *body, const struct fl_h1_head *head,
                            struct fl_h1_body_limits limits) FL_CHECK_RESULT;
/* Takes bytes from the front of *in* and gives the next piece of body (empty: none yet; call again
 * only with more input unless body->done), a span of *in*. Bytes after the body's end stay in *in*.
 * Call until *in* is empty or body->done. Trailers are checked and dropped. After an error the body
 * is lost. */
enum fl_err fl_h1_body_next(struct fl_h1_body *body, struct fl_slice *in,
                            struct fl_slice *ret_piece) FL_CHECK_RESULT;
/* The connection ended: FL_OK when that ends the body properly (UNTIL_CLOSE or done), else
 * FL_ERR_CLOSED. */
enum fl_err fl_h1_body_end(struct fl_h1_body *body) FL_CHECK_RESULT;

/* Writing. Names and values are the caller's own or already checked. */
void fl_h1_put_status(struct fl_buf *b, int status); /* "HTTP/1.1 200 OK\r\n" */
/* A name that is no token or a value with a control byte is not written: *b* fails instead. */
void fl_h1_put_header(struct fl_buf *b, struct fl_slice name, struct fl_slice value);
/* The same for what others wrote under a name of ours: *start* is a literal "name: ". Nothing is
 * written when *value* is empty or not fl_h1_value_ok(). */
void fl_h1_put_field(struct fl_buf *b, struct fl_slice start, struct fl_slice value);
/* A header as fl_h1_parse_*() gave it: its name is a token. Nothing is written when its value is
 * not fl_h1_value_ok(). */
void fl_h1_put_parsed(struct fl_buf *b, const struct fl_h1_header *header);
/* Is *value* safe as a header value (no control bytes, visible ASCII, space, tab)? */
bool fl_h1_value_ok(struct fl_slice value);
const char *fl_h1_reason(int status);
const char *fl_h1_method_text(enum fl_h1_method method);
/* "1a2b\r\n" into *ret_line*, at most 18 bytes; returns its length. */
size_t fl_h1_chunk_line(char ret_line[18], uint64_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of HTTP/1 messages. A chunked body (RFC 9112 7.1) in states; a byte outside the drawing is
 * an error, and any byte may be the last of a read:
 *
 *   SIZE -hex-> SIZE -CR-> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *     |                       ^ |
 *     ';' -> EXT_NAME ... ----+ +-(size 0)-> TRAILER -CR-> END_LF -> done
 *                                               |
 *                                            NAME -':'-> VALUE -CR-> VALUE_LF -> TRAILER
 *
 * Extensions follow the grammar without its "bad whitespace": ;name, ;name=token, ;name="quoted".
 * Trailers follow the grammar of headers and are dropped; one that would frame, route or authorise
 * a message is refused.
 */
#include "codec/http1.h"

#include "codec/http1_names.h"
#include "codec/scan.h"

#include "base/assert.h"

enum { size_digits_max = 15, extension_bytes_max = 256 };

enum state {
    SIZE,
    SIZE_LF,
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
};

/* FNV-1a, 64 bits, of a name in lower case: a trailer's name is never stored, only its hash. Equal
 * names have equal hashes, so nothing forbidden gets through; a collision refuses a harmless
 * trailer. */
static const uint64_t hash_start = UINT64_C(0xcbf29ce484222325);

static uint64_t hash_byte(uint64_t hash, char c)
{
    unsigned char lower = (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    return (hash ^ lower) * UINT64_C(0x100000001b3);
}

static bool trailer_forbidden(uint64_t hash)
{
    static const char *const names[] = {
        "content-length", "transfer-encoding", "host",   "connection",    "te",
        "trailer",        "upgrade",           "expect", "authorization", "proxy-authorization",
        "x-api-key",      "content-encoding",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t one = hash_start;
        for (const char *c = names[i]; *c != '\0'; c++) {
            one = hash_byte(one, *c);
        }
        if (one == hash) {
            return true;
        }
    }
    return false;
}

enum fl_err fl_h1_body_init(struct fl_h1_body *body, const struct fl_h1_head *head,
                            struct fl_h1_body_limits limits)
{
    bool by_length = head->framing == FL_H1_LENGTH;
    if (by_length && head->content_length > limits.bytes_max) {
        return FL_ERR_BODY_LONG;
    }
    *body = (struct fl_h1_body){
        .framing = head->framing,
        .state = SIZE,
        .left = by_length ? head->content_length : 0,
        .limits = limits,
    };
    body->done = head->framing == FL_H1_NO_BODY || (by_length && body->left == 0);
    return FL_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static enum fl_err on_size(struct fl_h1_body *body, char c)
{
    int value = hex_value(c);
    if (value >= 0) {
        if (body->digits == size_digits_max) {
            return FL_ERR_H1_CHUNK;
        }
        body->digits++;
        body->left = body->left << 4 | (unsigned)value;
        return FL_OK;
    }
    if (body->digits == 0 || (c != '\r' && c != ';')) {
        return FL_ERR_H1_CHUNK;
    }
    body->state = c == '\r' ? SIZE_LF : EXT_NAME_FIRST;
    return FL_OK;
}

/* The size line has ended: data of that size, or the trailer section. */
static enum fl_err on_size_lf(struct fl_h1_body *body, char c)
{
    if (c != '\n') {
        return FL_ERR_H1_CHUNK;
    }
    if (body->left > body->limits.bytes_max - body->total) {
        return FL_ERR_BODY_LONG;
    }
    body->digits = 0;
    if (body->left > 0) {
        body->state = DATA;
    } else {
        body->state = TRAILER;
        body->overhead = 0;
    }
    return FL_OK;
}

/* What may follow a complete extension name (value: '=') or value. */
static enum fl_err end_extension(struct fl_h1_body *body, char c, bool value_may_follow)
{
    if (c == '\r') {
        body->state = SIZE_LF;
    } else if (c == ';') {
        body->state = EXT_NAME_FIRST;
    } else if (c == '=' && value_may_follow) {
        body->state = EXT_VALUE_FIRST;
    } else {
        return FL_ERR_H1_CHUNK;
    }
    return FL_OK;
}

static enum fl_err on_extension(struct fl_h1_body *body, char c)
{
    bool token = fl_h1_byte_is(c, FL_H1_TOKEN);
    if (++body->overhead > extension_bytes_max) {
        return FL_ERR_H1_CHUNK;
    }
    switch (body->state) {
    case EXT_NAME_FIRST:
        body->state = EXT_NAME;
        return token ? FL_OK : FL_ERR_H1_CHUNK;
    case EXT_NAME:
        return token ? FL_OK : end_extension(body, c, true);
    case EXT_VALUE_FIRST:
        body->state = c == '"' ? EXT_QUOTED : EXT_VALUE;
        return token || c == '"' ? FL_OK : FL_ERR_H1_CHUNK;
    case EXT_VALUE:
        return token ? FL_OK : end_extension(body, c, false);
    case EXT_QUOTED:
        if (c == '"' || c == '\\') {
            body->state = c == '"' ? EXT_QUOTED_END : EXT_ESCAPED;
            return FL_OK;
        }
        return fl_scan_is_text(c) ? FL_OK : FL_ERR_H1_CHUNK;
    case EXT_ESCAPED:
        body->state = EXT_QUOTED;
        return fl_scan_is_text(c) ? FL_OK : FL_ERR_H1_CHUNK;
    default:
        return end_extension(body, c, false);
    }
}

static enum fl_err on_trailer_name(struct fl_h1_body *body, char c)
{
    if (fl_h1_byte_is(c, FL_H1_TOKEN)) {
        body->left = hash_byte(body->left, c);
        return FL_OK;
    }
    body->state = TRAILER_VALUE;
    return c == ':' && !trailer_forbidden(body->left) ? FL_OK : FL_ERR_H1_CHUNK;
}

static enum fl_err on_trailer(struct fl_h1_body *body, char c)
{
    if (body->state != END_LF && !(body->state == TRAILER && c == '\r') &&
        ++body->overhead > body->limits.trailer_bytes_max) {
        return FL_ERR_H1_HEAD_LONG;
    }
    switch (body->state) {
    case TRAILER:
        if (c == '\r') {
            body->state = END_LF;
            return FL_OK;
        }
        body->state = TRAILER_NAME;
        body->left = hash_byte(hash_start, c);
        return fl_h1_byte_is(c, FL_H1_TOKEN) ? FL_OK : FL_ERR_H1_CHUNK;
    case TRAILER_NAME:
        return on_trailer_name(body, c);
    case TRAILER_VALUE:
        if (c == '\r') {
            body->state = TRAILER_LF;
            return FL_OK;
        }
        return fl_scan_is_text(c) ? FL_OK : FL_ERR_H1_CHUNK;
    case TRAILER_LF:
        body->state = TRAILER;
        return c == '\n' ? FL_OK : FL_ERR_H1_CHUNK;
    default: /* END_LF */
        body->left = 0;
        body->done = c == '\n';
        return c == '\n' ? FL_OK : FL_ERR_H1_CHUNK;
    }
}

/* One byte of framing. */
static enum fl_err on_byte(struct fl_h1_body *body, char c)
{
    switch ((enum state)body->state) {
    case SIZE:
        return on_size(body, c);
    case SIZE_LF:
        return on_size_lf(body, c);
    case EXT_NAME_FIRST:
    case EXT_NAME:
    case EXT_VALUE_FIRST:
    case EXT_VALUE:
    case EXT_QUOTED:
    case EXT_ESCAPED:
    case EXT_QUOTED_END:
        return on_extension(body, c);
    case DATA_CR:
        body->state = DATA_LF;
        return c == '\r' ? FL_OK : FL_ERR_H1_CHUNK;
    case DATA_LF:
        body->state = SIZE;
        return c == '\n' ? FL_OK : FL_ERR_H1_CHUNK;
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
    case END_LF:
        return on_trailer(body, c);
    case DATA: /* taken by pieces, never by bytes */
        break;
    }
    fl_assert(false);
    return FL_ERR_INTERNAL;
}

/* Up to *len* bytes from the front of *in*. */
static struct fl_slice take(struct fl_h1_body *body, struct fl_slice *in, uint64_t len)
{
    struct fl_slice piece = fl_slice(in->ptr, len < in->len ? (size_t)len : in->len);
    in->ptr += piece.len;
    in->len -= piece.len;
    body->total += piece.len;
    return piece;
}

static enum fl_err next_chunked(struct fl_h1_body *body, struct fl_slice *in,
                                struct fl_slice *ret_piece)
{
    *ret_piece = FL_EMPTY;
    while (in->len > 0 && !body->done) {
        if (body->state == DATA) {
            *ret_piece = take(body, in, body->left);
            body->left -= ret_piece->len;
            body->state = body->left == 0 ? DATA_CR : DATA;
            return FL_OK;
        }
        enum fl_err err = on_byte(body, in->ptr[0]);
        if (err) {
            return err;
        }
        in->ptr++;
        in->len--;
    }
    return FL_OK;
}

enum fl_err fl_h1_body_next(struct fl_h1_body *body, struct fl_slice *in,
                            struct fl_slice *ret_piece)
{
    if (body->done || in->len == 0) {
        *ret_piece = FL_EMPTY;
        return FL_OK;
    }
    switch (body->framing) {
    case FL_H1_NO_BODY: /* done from the start */
        break;
    case FL_H1_LENGTH:
        *ret_piece = take(body, in, body->left);
        body->left -= ret_piece->len;
        body->done = body->left == 0;
        return FL_OK;
    case FL_H1_CHUNKED:
        return next_chunked(body, in, ret_piece);
    case FL_H1_UNTIL_CLOSE:
        if (body->total >= body->limits.bytes_max) {
            return FL_ERR_BODY_LONG;
        }
        *ret_piece = take(body, in, body->limits.bytes_max - body->total);
        return FL_OK;
    }
    fl_assert(false);
    return FL_ERR_INTERNAL;
}

enum fl_err fl_h1_body_end(struct fl_h1_body *body)
{
    if (body->framing == FL_H1_UNTIL_CLOSE) {
        body->done = true;
    }
    return body->done ? FL_OK : FL_ERR_CLOSED;
}

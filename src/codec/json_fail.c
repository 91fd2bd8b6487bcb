/* SPDX-License-Identifier: Apache-2.0 */
/* Line, column and message of a text that was refused. Whatever the client wrote, a message is
 * short and shows what it quotes. */
#include "codec/json_fail.h"

#include "base/buf.h"
#include "base/utf8.h"

enum { key_shown_bytes = 48, word_shown_bytes = 24 };

/* Control characters (C0, DEL, C1) and the marks of U+2000 to U+206F that hide or reorder text. */
static bool is_hidden(struct fl_slice s, size_t width)
{
    unsigned char a = (unsigned char)s.ptr[0], b, c;
    if (width < 2) {
        return a < 0x20 || a >= 0x7f;
    }
    b = (unsigned char)s.ptr[1];
    if (width == 2) {
        return a == 0xc2 && b < 0xa0;
    }
    c = (unsigned char)s.ptr[2];
    return a == 0xe2 && ((b == 0x80 && ((c >= 0x8b && c <= 0x8f) || (c >= 0xa8 && c <= 0xaf))) ||
                         (b == 0x81 && c >= 0xa0 && c <= 0xaf));
}

/* Text of the client in a message: what does not show is in hex, cut after about *max* bytes. */
static void put_quoted(struct fl_buf *b, struct fl_slice text, size_t max)
{
    size_t at = 0, width, most = b->len + max;
    fl_buf_putc(b, '\'');
    for (; at < text.len && b->len < most; at += width) {
        struct fl_slice rest = fl_slice_from(text, at);
        width = fl_utf8_width(rest);
        bool hidden = is_hidden(rest, width);
        width = width > 0 ? width : 1;
        if (!hidden) {
            fl_buf_put(b, fl_slice_first(rest, width));
        }
        for (size_t i = 0; hidden && i < width; i++) {
            fl_buf_put(b, FL_LIT("\\x"));
            fl_buf_put_hex(b, (unsigned char)rest.ptr[i], 2);
        }
    }
    fl_buf_put_cstr(b, at < text.len ? "...'" : "'");
}

static void put_found(struct fl_buf *b, struct fl_slice rest)
{
    size_t width = fl_utf8_width(rest), word = 0;
    while (word < rest.len && word <= word_shown_bytes &&
           ((rest.ptr[word] | 0x20) >= 'a' && (rest.ptr[word] | 0x20) <= 'z')) {
        word++;
    }
    fl_buf_put(b, FL_LIT(", found "));
    if (rest.len == 0) {
        fl_buf_put(b, FL_LIT("the end of the text"));
    } else if (width == 0 || (unsigned char)rest.ptr[0] < 0x20) {
        fl_buf_put(b, FL_LIT("byte 0x"));
        fl_buf_put_hex(b, (unsigned char)rest.ptr[0], 2);
    } else {
        put_quoted(b, fl_slice_first(rest, word > width ? word : width), word_shown_bytes);
    }
}

/* Fills code and place; the message goes to the buffer it returns, then finish_message(). */
static struct fl_buf begin_message(struct fl_json_source *in, const char *at, enum fl_err err)
{
    struct fl_reterr *r = in->reterr;
    struct fl_buf b;
    const char *line = in->begin, *next;
    r->err = err;
    r->line = 1;
    r->offset = (unsigned long)(at - in->begin);
    while (line < at && (next = memchr(line, '\n', (size_t)(at - line))) != NULL) {
        line = next + 1;
        r->line++;
    }
    r->column = (unsigned)(at - line) + 1;
    fl_buf_init_in(&b, r->message, sizeof(r->message) - 1);
    return b;
}

static const char *finish_message(struct fl_buf *b)
{
    b->ptr[b->len] = '\0';
    return NULL;
}

const char *fl_json_fail(struct fl_json_source *in, const char *at, enum fl_err err,
                         const char *why)
{
    in->err = err;
    if (in->reterr) {
        struct fl_buf b = begin_message(in, at, err);
        fl_buf_put_cstr(&b, why);
        return finish_message(&b);
    }
    return NULL;
}

const char *fl_json_fail_found(struct fl_json_source *in, const char *at, const char *expected)
{
    in->err = FL_ERR_JSON_SYNTAX;
    if (in->reterr) {
        struct fl_buf b = begin_message(in, at, in->err);
        fl_buf_put_cstr(&b, expected);
        put_found(&b, fl_slice(at, (size_t)(in->end - at)));
        return finish_message(&b);
    }
    return NULL;
}

const char *fl_json_fail_quoting(struct fl_json_source *in, const char *at, enum fl_err err,
                                 const char *before, struct fl_slice text)
{
    in->err = err;
    if (in->reterr) {
        struct fl_buf b = begin_message(in, at, err);
        fl_buf_put_cstr(&b, before);
        put_quoted(&b, text, key_shown_bytes);
        return finish_message(&b);
    }
    return NULL;
}

const char *fl_json_fail_limit(struct fl_json_source *in, const char *at, enum fl_err err,
                               unsigned limit)
{
    in->err = err;
    if (in->reterr) {
        bool depth = err == FL_ERR_JSON_DEPTH;
        struct fl_buf b = begin_message(in, at, err);
        fl_buf_put_cstr(&b, depth ? "nested deeper than " : "more than ");
        fl_buf_put_u64(&b, limit);
        fl_buf_put_cstr(&b, depth ? " levels" : " keys in one object");
        return finish_message(&b);
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking: each step finds where the next value ends and nothing else. The text was accepted by
 * fl_json_scan(), so brackets match and strings end; on other text every search still stops at the
 * end of its span, and an iterator only ever gets shorter.
 */
#include "codec/json.h"

#include "codec/json_lex.h"

/* At an opening quote: after the closing one, or *end*. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++;; p += 2) {
        p = fl_json_mark(p, end);
        if (p == end) {
            return end;
        }
        if (*p == '"') {
            return p + 1;
        }
        if (end - p < 2) {
            return end;
        }
    }
}

/* At an opening bracket: after the one that closes it, or *end*. */
static const char *skip_container(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        char c = *p;
        if (c == '"') {
            p = skip_string(p, end);
            continue;
        }
        p++;
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            break;
        }
    }
    return p;
}

/* At a number or literal. */
static const char *skip_word(const char *p, const char *end)
{
    while (p < end && *p != ',' && *p != ']' && *p != '}' && !fl_json_is_blank(*p)) {
        p++;
    }
    return p;
}

struct fl_json_iter fl_json_iter(struct fl_json value)
{
    bool container = value.type == FL_JSON_ARRAY || value.type == FL_JSON_OBJECT;
    if (!container || value.span.len < 2) {
        return (struct fl_json_iter){FL_EMPTY, false};
    }
    return (struct fl_json_iter){fl_slice(value.span.ptr + 1, value.span.len - 2),
                                 value.type == FL_JSON_OBJECT};
}

static bool stop(struct fl_json_iter *it)
{
    it->rest = FL_EMPTY;
    return false;
}

bool fl_json_next(struct fl_json_iter *it, struct fl_slice *ret_key, struct fl_json *ret_value)
{
    struct fl_slice key = FL_EMPTY;
    if (it->rest.len == 0) {
        return false;
    }
    const char *start, *end = it->rest.ptr + it->rest.len, *p = fl_json_solid(it->rest.ptr, end);
    if (p < end && *p == ',') {
        p = fl_json_solid(p + 1, end);
    }
    if (it->in_object) {
        if (p == end || *p != '"') {
            return stop(it);
        }
        start = p;
        p = skip_string(p, end);
        key = fl_slice(start, (size_t)(p - start));
        p = fl_json_solid(p, end);
        p = p < end ? fl_json_solid(p + 1, end) : end; /* the colon */
    }
    if (p == end) {
        return stop(it);
    }
    start = p;
    enum fl_json_type type = fl_json_type_of(*p);
    p = type == FL_JSON_STRING                            ? skip_string(p, end)
        : type == FL_JSON_ARRAY || type == FL_JSON_OBJECT ? skip_container(p, end)
                                                          : skip_word(p, end);
    if (p == start) {
        return stop(it);
    }
    it->rest = fl_slice(p, (size_t)(end - p));
    if (ret_key) {
        *ret_key = key;
    }
    *ret_value = (struct fl_json){type, fl_slice(start, (size_t)(p - start))};
    return true;
}

struct fl_json fl_json_get(struct fl_json object, struct fl_slice key)
{
    struct fl_json found = {FL_JSON_NONE, FL_EMPTY}, value;
    struct fl_slice raw;
    struct fl_json_iter it = fl_json_iter(object);
    if (object.type != FL_JSON_OBJECT) {
        return found;
    }
    while (fl_json_next(&it, &raw, &value)) {
        if (fl_json_spells(raw, key)) {
            found = value;
        }
    }
    return found;
}

struct fl_json fl_json_at(struct fl_json object, const struct fl_slice *path, unsigned path_len)
{
    for (unsigned i = 0; i < path_len; i++) {
        object = fl_json_get(object, path[i]);
    }
    return object;
}

/* --- Text --- */

static unsigned hex_value(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : ((unsigned)(c | 0x20) - 'a' + 10) & 15;
}

/* The code unit of a \u escape at the start of *s*; 0x10000 when there is none. */
static unsigned code_unit(struct fl_slice s)
{
    unsigned unit = 0;
    if (s.len < 6 || s.ptr[0] != '\\' || s.ptr[1] != 'u') {
        return 0x10000;
    }
    for (unsigned i = 2; i < 6; i++) {
        unit = unit << 4 | hex_value(s.ptr[i]);
    }
    return unit;
}

static size_t encode_utf8(unsigned code, char *ret)
{
    if (code < 0x80) {
        ret[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        ret[0] = (char)(0xc0 | code >> 6);
        ret[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        ret[0] = (char)(0xe0 | code >> 12);
        ret[1] = (char)(0x80 | (code >> 6 & 0x3f));
        ret[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    ret[0] = (char)(0xf0 | code >> 18);
    ret[1] = (char)(0x80 | (code >> 12 & 0x3f));
    ret[2] = (char)(0x80 | (code >> 6 & 0x3f));
    ret[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The escape at the start of *s* as UTF-8 in ret[4], *ret_len bytes of it. Returns its raw length.
 */
static size_t unescape(struct fl_slice s, char *ret, size_t *ret_len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    unsigned unit = code_unit(s), low;
    if (unit > 0xffff) {
        const char *c = s.ptr + (s.len > 1), *at = memchr(from, *c, sizeof(from) - 1);
        ret[0] = *(at ? to + (at - from) : c);
        *ret_len = 1;
        return s.len > 1 ? 2 : 1;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        low = code_unit(fl_slice_from(s, 6));
        if (low >= 0xdc00 && low <= 0xdfff) {
            *ret_len = encode_utf8(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), ret);
            return 12;
        }
    }
    *ret_len = encode_utf8(unit >= 0xd800 && unit <= 0xdfff ? 0xfffd : unit, ret);
    return 6;
}

/* A raw string without its quotes. */
static struct fl_slice inside(struct fl_slice raw)
{
    return raw.len >= 2 ? fl_slice(raw.ptr + 1, raw.len - 2) : FL_EMPTY;
}

bool fl_json_text(struct fl_json value, struct fl_buf *scratch, struct fl_slice *ret_text)
{
    struct fl_slice rest = inside(value.span);
    size_t start = scratch->len, plain = fl_slice_find(rest, '\\');
    if (value.type != FL_JSON_STRING) {
        return false;
    }
    if (plain == rest.len) {
        *ret_text = rest;
        return true;
    }
    for (;;) {
        char piece[4];
        size_t piece_len, taken;
        fl_buf_put(scratch, fl_slice_first(rest, plain));
        rest = fl_slice_from(rest, plain);
        if (rest.len == 0) {
            break;
        }
        taken = unescape(rest, piece, &piece_len);
        fl_buf_put(scratch, fl_slice(piece, piece_len));
        rest = fl_slice_from(rest, taken);
        plain = fl_slice_find(rest, '\\');
    }
    if (!fl_buf_ok(scratch)) {
        return false;
    }
    *ret_text = fl_slice(scratch->ptr + start, scratch->len - start);
    return true;
}

struct fl_json_pieces fl_json_pieces(struct fl_json string)
{
    return (struct fl_json_pieces){string.type == FL_JSON_STRING ? inside(string.span) : FL_EMPTY};
}

/* Long runs without an escape are given in place; what lies between escapes is copied together. */
bool fl_json_pieces_next(struct fl_json_pieces *p, char *buf, size_t cap, struct fl_slice *ret_piece)
{
    size_t len = 0, piece_len, plain = fl_slice_find(p->rest, '\\');
    if (plain == p->rest.len || plain > cap - 4) {
        *ret_piece = fl_slice_first(p->rest, plain);
        p->rest = fl_slice_from(p->rest, plain);
        return plain > 0;
    }
    while (p->rest.len > 0 && plain <= cap - 4 - len) {
        memcpy(buf + len, p->rest.ptr, plain);
        len += plain;
        p->rest = fl_slice_from(p->rest, plain);
        if (p->rest.len > 0) {
            p->rest = fl_slice_from(p->rest, unescape(p->rest, buf + len, &piece_len));
            len += piece_len;
        }
        if (len > cap - 4) {
            break;
        }
        plain = fl_slice_find(p->rest, '\\');
    }
    *ret_piece = fl_slice(buf, len);
    return true;
}

bool fl_json_spells(struct fl_slice raw, struct fl_slice text)
{
    struct fl_slice rest = inside(raw);
    if (rest.len < text.len || (rest.len == text.len && !fl_slice_eq(rest, text))) {
        return false; /* an escape is longer than what it stands for */
    }
    for (;;) {
        char piece[4];
        size_t piece_len, taken, plain = fl_slice_find(rest, '\\');
        if (!fl_slice_starts(text, fl_slice_first(rest, plain))) {
            return false;
        }
        text = fl_slice_from(text, plain);
        rest = fl_slice_from(rest, plain);
        if (rest.len == 0) {
            return text.len == 0;
        }
        taken = unescape(rest, piece, &piece_len);
        if (!fl_slice_starts(text, fl_slice(piece, piece_len))) {
            return false;
        }
        text = fl_slice_from(text, piece_len);
        rest = fl_slice_from(rest, taken);
    }
}

/* Which of them stands at *p*, or *count*. */
static unsigned quoted_at(const char *p, const char *end, const struct fl_slice *quoted, unsigned count)
{
    unsigned i = 0;
    while (i < count && !fl_slice_starts(fl_slice(p, (size_t)(end - p)), quoted[i])) {
        i++;
    }
    return i;
}

unsigned fl_json_find_quoted(struct fl_slice *text, const struct fl_slice *quoted, unsigned count)
{
    if (text->len == 0) {
        return count;
    }
    const char *p = text->ptr, *end = p + text->len;
    while (end - p > 1) {
        p = fl_json_quote_before(p, end, quoted, count);
        unsigned i = quoted_at(p, end, quoted, count);
        if (i < count) {
            *text = fl_slice_from(*text, (size_t)(p - text->ptr) + quoted[i].len);
            return i;
        }
        p += p < end;
    }
    return count;
}

bool fl_json_u64(struct fl_json value, uint64_t *ret_value)
{
    uint64_t n;
    if (value.type != FL_JSON_NUMBER || !fl_slice_u64(value.span, &n) || n > INT64_MAX) {
        return false;
    }
    *ret_value = n;
    return true;
}

bool fl_json_bool(struct fl_json value, bool *ret_value)
{
    if (value.type != FL_JSON_TRUE && value.type != FL_JSON_FALSE) {
        return false;
    }
    *ret_value = value.type == FL_JSON_TRUE;
    return true;
}

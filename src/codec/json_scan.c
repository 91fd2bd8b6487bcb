/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner: one pass, no recursion, no memory but struct scan.
 *
 *            .-----------------------------------------.
 *            v                                         |
 *     begin_value() -- a scalar, [] or {} --> end_value() -- ',' (key ':') --'
 *            |  ^                               |    |
 *            '--' '[', or '{' key ':'       ] } '----' the container is itself a value that ended
 *
 * Functions take the place to read and return the place after what they read, or NULL after fail():
 * the place stays in a register. Errors are rare and may cost: line, column and message are made
 * only then.
 */
#include "codec/json.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "codec/json_lex.h"

struct scan {
    const char *begin, *end;
    struct fl_json_limits limits;
    struct fl_json_watch *watches;
    unsigned watch_count;
    struct fl_json_watch *pending; /* whose member is being read, or NULL */
    const char *member;            /* the last top-level key and its value */
    const char *member_value;
    unsigned depth;
    bool escaped; /* the last string had a backslash; cleared by who asks */
    enum fl_err err;
    struct fl_reterr *reterr;             /* may be NULL */
    unsigned keys[FL_JSON_DEPTH_MAX + 1]; /* members so far, by depth */
    char closer[FL_JSON_DEPTH_MAX + 1];   /* ']' or '}', by depth; no byte at depth 0 */
};

/* --- Failing --- */

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
static struct fl_buf begin_message(struct scan *s, const char *at, enum fl_err err)
{
    struct fl_reterr *r = s->reterr;
    struct fl_buf b;
    const char *line = s->begin, *next;
    r->err = err;
    r->line = 1;
    r->offset = (unsigned long)(at - s->begin);
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

/* Each fail() returns NULL, for its caller to return. */
__attribute__((cold, noinline)) static const char *fail(struct scan *s, const char *at,
                                                        enum fl_err err, const char *why)
{
    s->err = err;
    if (s->reterr) {
        struct fl_buf b = begin_message(s, at, err);
        fl_buf_put_cstr(&b, why);
        return finish_message(&b);
    }
    return NULL;
}

/* "<expected>, found <what stands there>" */
__attribute__((cold, noinline)) static const char *fail_found(struct scan *s, const char *at,
                                                              const char *expected)
{
    s->err = FL_ERR_JSON_SYNTAX;
    if (s->reterr) {
        struct fl_buf b = begin_message(s, at, s->err);
        fl_buf_put_cstr(&b, expected);
        put_found(&b, fl_slice(at, (size_t)(s->end - at)));
        return finish_message(&b);
    }
    return NULL;
}

/* "<before>'<text>'" */
__attribute__((cold, noinline)) static const char *fail_quoting(struct scan *s, const char *at,
                                                                enum fl_err err, const char *before,
                                                                struct fl_slice text)
{
    s->err = err;
    if (s->reterr) {
        struct fl_buf b = begin_message(s, at, err);
        fl_buf_put_cstr(&b, before);
        put_quoted(&b, text, key_shown_bytes);
        return finish_message(&b);
    }
    return NULL;
}

__attribute__((cold, noinline)) static const char *fail_limit(struct scan *s, const char *at,
                                                              enum fl_err err, unsigned limit)
{
    s->err = err;
    if (s->reterr) {
        bool depth = err == FL_ERR_JSON_DEPTH;
        struct fl_buf b = begin_message(s, at, err);
        fl_buf_put_cstr(&b, depth ? "nested deeper than " : "more than ");
        fl_buf_put_u64(&b, limit);
        fl_buf_put_cstr(&b, depth ? " levels" : " keys in one object");
        return finish_message(&b);
    }
    return NULL;
}

__attribute__((cold, noinline)) static const char *fail_value(struct scan *s, const char *p)
{
    struct fl_slice rest = fl_slice(p, (size_t)(s->end - p));
    if (p < s->end && *p == ']' && s->closer[s->depth] == ']') {
        return fail(s, p, FL_ERR_JSON_SYNTAX, "trailing comma before ']'");
    }
    if (p < s->end && *p == '\'') {
        return fail(s, p, FL_ERR_JSON_SYNTAX, "expected a value; strings stand in double quotes");
    }
    if (p == s->begin && fl_slice_starts(rest, FL_LIT("\xef\xbb\xbf"))) {
        return fail(s, p, FL_ERR_JSON_SYNTAX, "expected a value, found a byte order mark");
    }
    return fail_found(s, p, "expected a value");
}

__attribute__((cold, noinline)) static const char *fail_key(struct scan *s, const char *p)
{
    if (p < s->end && *p == '}' && s->keys[s->depth] > 0) {
        return fail(s, p, FL_ERR_JSON_SYNTAX, "trailing comma before '}'");
    }
    return fail_found(s, p, "expected a key in double quotes");
}

/* --- Scalars --- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* At the backslash of an escape that is not of two bytes. */
static const char *long_escape(struct scan *s, const char *p)
{
    if (s->end - p < 2) {
        return s->end; /* string() finds the end */
    }
    if (p[1] != 'u') {
        return fail_found(s, p + 1, "expected one of \" \\ / b f n r t u after a backslash");
    }
    for (unsigned i = 2; i < 6; i++) {
        if (s->end - p <= (ptrdiff_t)i || !is_hex(p[i])) {
            return fail_found(s, p + i, "expected four hexadecimal digits after \\u");
        }
    }
    return p + 6;
}

static inline bool is_short_escape(char c)
{
    static const bool table[256] = {['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
                                    ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true};
    return table[(unsigned char)c];
}

/* fl_utf8_width() of a byte that is not ASCII, for runs of two- and three-byte characters. */
static inline size_t utf8_width(const char *p, const char *end)
{
    if (end - p >= 3) {
        unsigned a = (unsigned char)p[0], b = (unsigned char)p[1], c = (unsigned char)p[2];
        bool tail = (b & 0xc0) == 0x80;
        if (a - 0xc2 < 0xe0 - 0xc2 && tail) {
            return 2;
        }
        if (a - 0xe1 < 0xed - 0xe1 && tail && (c & 0xc0) == 0x80) {
            return 3;
        }
    }
    return fl_utf8_width(fl_slice(p, (size_t)(end - p)));
}

/* At a byte that is not ASCII: to the next one that is. */
static inline const char *foreign(struct scan *s, const char *p)
{
    do {
        size_t width = utf8_width(p, s->end);
        if (width == 0) {
            return fail(s, p, FL_ERR_JSON_UTF8, "invalid UTF-8 in a string");
        }
        p += width;
    } while (p < s->end && (signed char)*p < 0);
    return p;
}

/* In the string that opened at *start*, at *p*, all of it plain before that. */
static const char *string_from(struct scan *s, const char *start, const char *p)
{
    while (p) {
        p = fl_json_special(p, s->end);
        if (p == s->end) {
            return fail(s, start, FL_ERR_JSON_SYNTAX, "the string that begins here never ends");
        }
        if (*p == '"') {
            return p + 1;
        }
        if (*p == '\\') {
            s->escaped = true;
            p = s->end - p >= 2 && is_short_escape(p[1]) ? p + 2 : long_escape(s, p);
        } else if ((signed char)*p < 0) {
            p = foreign(s, p);
        } else {
            p = fail_found(s, p, "control bytes in a string must be escaped");
        }
    }
    return NULL;
}

/* At the opening quote. Most strings are keys and short values without escapes: one inlined search.
 */
static inline const char *string(struct scan *s, const char *p)
{
    const char *stop = fl_json_special_near(p + 1, s->end);
    return stop < s->end && *stop == '"' ? stop + 1 : string_from(s, p, stop);
}

static inline bool digit_at(const struct scan *s, const char *p)
{
    return p < s->end && *p >= '0' && *p <= '9';
}

static inline const char *digits(struct scan *s, const char *p, const char *expected)
{
    if (!digit_at(s, p)) {
        return fail_found(s, p, expected);
    }
    do {
        p++;
    } while (digit_at(s, p));
    return p;
}

/* At a digit or a minus. */
static inline const char *number(struct scan *s, const char *p)
{
    p += *p == '-';
    if (p < s->end && *p == '0') {
        p++;
        if (digit_at(s, p)) {
            return fail(s, p, FL_ERR_JSON_SYNTAX, "a number may not begin with 0");
        }
    } else if ((p = digits(s, p, "expected a digit after '-'")) == NULL) {
        return NULL;
    }
    if (p < s->end && *p == '.') {
        p = digits(s, p + 1, "expected a digit after '.'");
    }
    if (p && p < s->end && (*p | 0x20) == 'e') {
        p++;
        p += p < s->end && (*p == '+' || *p == '-');
        p = digits(s, p, "expected a digit in the exponent");
    }
    return p;
}

static inline const char *literal(struct scan *s, const char *p, struct fl_slice word)
{
    bool same = fl_slice_starts(fl_slice(p, (size_t)(s->end - p)), word);
    return same ? p + word.len : fail_value(s, p);
}

/* --- Members --- */

/* Is the key that ended at *p* watched? False after fail(). */
static bool watch_key(struct scan *s, const char *start, const char *p)
{
    struct fl_slice raw = fl_slice(start, (size_t)(p - start));
    struct fl_slice inner = fl_slice(start + 1, raw.len - 2);
    s->pending = NULL;
    for (unsigned i = 0; i < s->watch_count; i++) {
        struct fl_json_watch *w = &s->watches[i];
        if (s->escaped ? !fl_json_spells(raw, w->key) : !fl_slice_eq(inner, w->key)) {
            continue;
        }
        if (w->value.type != FL_JSON_NONE) {
            (void)fail_quoting(s, start, FL_ERR_JSON_DUPLICATE, "duplicate key ", w->key);
            return false;
        }
        s->pending = w;
        break;
    }
    s->member = start;
    return true;
}

/* At a key; to its value. */
static inline const char *key(struct scan *s, const char *p)
{
    const char *start = p;
    if (p == s->end || *p != '"') {
        return fail_key(s, p);
    }
    s->escaped = false;
    p = string(s, p);
    if (!p) {
        return NULL;
    }
    if (++s->keys[s->depth] > s->limits.keys_max) {
        return fail_limit(s, start, FL_ERR_JSON_KEYS, s->limits.keys_max);
    }
    if (s->depth == 1 && s->watch_count > 0 && !watch_key(s, start, p)) {
        return NULL;
    }
    const char *colon = fl_json_solid(p, s->end);
    if (colon == s->end || *colon != ':') {
        return fail_quoting(s, colon, FL_ERR_JSON_SYNTAX, "expected ':' after key ",
                            fl_slice(start + 1, (size_t)(p - start) - 2));
    }
    p = fl_json_solid(colon + 1, s->end);
    if (s->depth == 1) {
        s->member_value = p;
    }
    return p;
}

static struct fl_json value_between(const char *start, const char *end)
{
    return (struct fl_json){fl_json_type_of(*start), fl_slice(start, (size_t)(end - start))};
}

/* --- The two halves of the loop --- */

/* At '[' or '{': to the first value inside, or past the bracket that closes it at once. */
static inline const char *open(struct scan *s, const char *p, char closer, bool *ret_whole)
{
    if (s->depth >= s->limits.depth_max) {
        return fail_limit(s, p, FL_ERR_JSON_DEPTH, s->limits.depth_max);
    }
    p = fl_json_solid(p + 1, s->end);
    if (p < s->end && *p == closer) {
        *ret_whole = true;
        return p + 1;
    }
    s->depth++;
    s->closer[s->depth] = closer;
    s->keys[s->depth] = 0;
    *ret_whole = false;
    return closer == '}' ? key(s, p) : p;
}

/* At a value. *ret_whole: it has been read to its end; else the next value inside it begins here.
 */
static inline const char *begin_value(struct scan *s, const char *p, bool *ret_whole)
{
    *ret_whole = true;
    if (p == s->end) {
        return fail_value(s, p);
    }
    switch (*p) {
    case '"':
        return string(s, p);
    case '{':
        return open(s, p, '}', ret_whole);
    case '[':
        return open(s, p, ']', ret_whole);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number(s, p);
    case 't':
        return literal(s, p, FL_LIT("true"));
    case 'f':
        return literal(s, p, FL_LIT("false"));
    case 'n':
        return literal(s, p, FL_LIT("null"));
    default:
        return fail_value(s, p);
    }
}

/* A value ended at *p*: closes what closes, to the next value or (depth 0) to the end of the last.
 */
static inline const char *end_value(struct scan *s, const char *p)
{
    for (;;) {
        if (s->depth == 1 && s->pending) {
            s->pending->value = value_between(s->member_value, p);
            s->pending->member = fl_slice(s->member, (size_t)(p - s->member));
            s->pending = NULL;
        }
        if (s->depth == 0) {
            return p;
        }
        char closer = s->closer[s->depth];
        p = fl_json_solid(p, s->end);
        if (p < s->end && *p == ',') {
            p = fl_json_solid(p + 1, s->end);
            return closer == '}' ? key(s, p) : p;
        }
        if (p == s->end || *p != closer) {
            return fail_found(s, p,
                              closer == '}' ? "expected ',' or '}' after a value"
                                            : "expected ',' or ']' after a value");
        }
        s->depth--;
        p++;
    }
}

static const char *document(struct scan *s)
{
    const char *p = fl_json_solid(s->begin, s->end);
    do {
        bool whole;
        p = begin_value(s, p, &whole);
        if (p && whole) {
            p = end_value(s, p);
        }
    } while (p && s->depth > 0);
    return p;
}

static void reset(struct fl_json_watch *watches, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        watches[i].value = (struct fl_json){FL_JSON_NONE, FL_EMPTY};
        watches[i].member = FL_EMPTY;
    }
}

enum fl_err fl_json_scan(struct fl_slice text, struct fl_json_limits limits,
                         struct fl_json_watch *watches, unsigned watch_count,
                         struct fl_json *ret_value, struct fl_reterr *reterr)
{
    struct scan s;
    const char *begin = text.len > 0 ? text.ptr : "";
    fl_assert(limits.depth_max <= FL_JSON_DEPTH_MAX);
    fl_assert(watches || watch_count == 0);
    s.begin = begin;
    s.end = begin + text.len;
    s.limits = limits;
    s.watches = watches;
    s.watch_count = watch_count;
    s.pending = NULL;
    s.depth = 0;
    s.err = FL_OK;
    s.reterr = reterr;
    s.closer[0] = '\0';
    reset(watches, watch_count);

    const char *end = document(&s), *rest = end ? fl_json_solid(end, s.end) : NULL;
    if (rest && rest != s.end) {
        (void)fail_found(&s, rest, "expected nothing after the value");
    }
    if (s.err != FL_OK) {
        reset(watches, watch_count);
        return s.err;
    }
    fl_assert(s.depth == 0 && end);
    *ret_value = value_between(fl_json_solid(begin, s.end), end);
    return FL_OK;
}

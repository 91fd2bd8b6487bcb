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
#include "codec/json_fail.h"
#include "codec/json_lex.h"

struct scan {
    struct fl_json_source in;
    struct fl_json_limits limits;
    struct fl_json_watch *watches;
    unsigned watch_count;
    uint32_t watch_lengths;        /* a bit for each length of their keys, from 31 on the last */
    struct fl_json_watch *pending; /* whose member is being read, or NULL */
    const char *member;            /* the last top-level key and its value */
    const char *member_value;
    struct fl_slice mark; /* what a string value may begin with; empty: nothing is sought */
    bool marked;          /* one does */
    unsigned depth;
    bool escaped;                         /* the last string had a backslash; cleared by who asks */
    unsigned keys[FL_JSON_DEPTH_MAX + 1]; /* members so far, by depth */
    char closer[FL_JSON_DEPTH_MAX + 1];   /* ']' or '}', by depth; no byte at depth 0 */
};

/* --- Failing: each returns NULL, for its caller to return --- */

__attribute__((cold, noinline)) static const char *fail_value(struct scan *s, const char *p)
{
    struct fl_slice rest = fl_slice(p, (size_t)(s->in.end - p));
    if (p < s->in.end && *p == ']' && s->closer[s->depth] == ']') {
        return fl_json_fail(&s->in, p, FL_ERR_JSON_SYNTAX, "trailing comma before ']'");
    }
    if (p < s->in.end && *p == '\'') {
        return fl_json_fail(&s->in, p, FL_ERR_JSON_SYNTAX,
                            "expected a value; strings stand in double quotes");
    }
    if (p == s->in.begin && fl_slice_starts(rest, FL_LIT("\xef\xbb\xbf"))) {
        return fl_json_fail(&s->in, p, FL_ERR_JSON_SYNTAX,
                            "expected a value, found a byte order mark");
    }
    return fl_json_fail_found(&s->in, p, "expected a value");
}

__attribute__((cold, noinline)) static const char *fail_key(struct scan *s, const char *p)
{
    if (p < s->in.end && *p == '}' && s->keys[s->depth] > 0) {
        return fl_json_fail(&s->in, p, FL_ERR_JSON_SYNTAX, "trailing comma before '}'");
    }
    return fl_json_fail_found(&s->in, p, "expected a key in double quotes");
}

/* --- Scalars --- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* At the backslash of an escape that is not of two bytes. */
static const char *long_escape(struct scan *s, const char *p)
{
    if (s->in.end - p < 2) {
        return s->in.end; /* string() finds the end */
    }
    if (p[1] != 'u') {
        return fl_json_fail_found(&s->in, p + 1,
                                  "expected one of \" \\ / b f n r t u after a backslash");
    }
    for (unsigned i = 2; i < 6; i++) {
        if (s->in.end - p <= (ptrdiff_t)i || !is_hex(p[i])) {
            return fl_json_fail_found(&s->in, p + i, "expected four hexadecimal digits after \\u");
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
        size_t width = utf8_width(p, s->in.end);
        if (width == 0) {
            return fl_json_fail(&s->in, p, FL_ERR_JSON_UTF8, "invalid UTF-8 in a string");
        }
        p += width;
    } while (p < s->in.end && (signed char)*p < 0);
    return p;
}

/* At a byte inside a string that is not plain text and no quote: to behind it. */
static inline const char *pass_special(struct scan *s, const char *p)
{
    if (*p == '\\') {
        s->escaped = true;
        return s->in.end - p >= 2 && is_short_escape(p[1]) ? p + 2 : long_escape(s, p);
    }
    if ((signed char)*p < 0) {
        return foreign(s, p);
    }
    return fl_json_fail_found(&s->in, p, "control bytes in a string must be escaped");
}

#ifdef FL_JSON_SSE2

/* At *block*, 64 bytes long, whose specials are *left*: behind the closing quote (*ret_closed*), or to
 * where the next block begins. */
__attribute__((always_inline)) static inline const char *
string_block(struct scan *s, const char *block, uint64_t left, bool *ret_closed)
{
    while (left != 0) {
        const char *at = block + __builtin_ctzll(left);
        if (*at == '"') {
            *ret_closed = true;
            return at + 1;
        }
        at = pass_special(s, at);
        if (!at || at - block >= 64) {
            return at;
        }
        left &= ~UINT64_C(0) << (at - block);
    }
    return block + 64;
}

#ifdef FL_JSON_AVX2

/* From a place inside a string, behind which *due* bytes belong to the character before it: to its first byte. */
static inline const char *character_start(const char *p, uint64_t due)
{
    while (due != 0 && (signed char)*--p < (signed char)0xc0) {
    }
    return p;
}

/* string_block() without a branch for each escape or character. What it does not take, or must tell where it
 * is: escapes that are no pair, of a backslash, or at the block's end; control bytes; broken UTF-8. */
__attribute__((target("avx2"))) static const char *string_blocks_wide(struct scan *s, const char *p,
                                                                      bool *ret_closed)
{
    uint64_t due = 0;
    while (p && s->in.end - p >= 64) {
        struct fl_json_wide v = fl_json_load_wide(p);
        uint64_t specials = fl_json_specials_wide(v);
        if ((specials | due) == 0) {
            p += 64;
            continue;
        }
        uint64_t foreign = fl_json_foreign_wide(v), quotes = fl_json_equal_wide(v, '"');
        uint64_t backslashes = fl_json_equal_wide(v, '\\'), escaped = backslashes << 1;
        uint64_t odd = (specials & ~(foreign | quotes | backslashes)) | (escaped & backslashes) |
                       (backslashes & UINT64_C(1) << 63);
        uint64_t closing = quotes & ~escaped, due_before = due;
        uint64_t ours = closing ^ (closing - 1); /* up to the closing quote, or all */
        if (backslashes != 0) {
            odd |= escaped & ~fl_json_letters_wide(v);
        }
        if ((foreign | due) != 0) {
            odd |= fl_json_not_utf8_wide(v, foreign, &due);
        }
        if ((odd & ours) != 0) {
            const char *from = character_start(p, due_before);
            due = 0;
            p = string_block(s, from, fl_json_specials64(from), ret_closed);
            if (*ret_closed) {
                return p;
            }
            continue;
        }
        if ((backslashes & ours) != 0) {
            s->escaped = true;
        }
        if (closing != 0) {
            *ret_closed = true;
            return p + __builtin_ctzll(closing) + 1;
        }
        p += 64;
    }
    return p ? character_start(p, due) : NULL;
}
#endif

/* From *p* over whole blocks: behind the closing quote (*ret_closed*), or to where fewer than 64 bytes
 * are left. All specials of a block are found at once: looking anew behind each would cost more. */
static inline const char *string_blocks(struct scan *s, const char *p, bool *ret_closed)
{
    while (p && !*ret_closed && s->in.end - p >= 64) {
        p = string_block(s, p, fl_json_specials64(p), ret_closed);
#ifdef FL_JSON_AVX2
        if (p && !*ret_closed && __builtin_cpu_supports("avx2")) {
            return string_blocks_wide(s, p,
                                      ret_closed); /* did not end at once: likely to be long */
        }
#endif
    }
    return p;
}

#endif

/* In the string that opened at *start*, at *p*, all of it plain before that. */
static const char *string_from(struct scan *s, const char *start, const char *p)
{
#ifdef FL_JSON_SSE2
    bool closed = false;
    p = string_blocks(s, p, &closed);
    if (closed) {
        return p;
    }
#endif
    while (p) {
        p = fl_json_special(p, s->in.end);
        if (p == s->in.end) {
            return fl_json_fail(&s->in, start, FL_ERR_JSON_SYNTAX,
                                "the string that begins here never ends");
        }
        if (*p == '"') {
            return p + 1;
        }
        p = pass_special(s, p);
    }
    return NULL;
}

/* At the opening quote. Most strings are keys and short values without escapes: one inlined search.
 */
static inline const char *string(struct scan *s, const char *p)
{
    const char *stop = fl_json_special_near(p + 1, s->in.end);
    return stop < s->in.end && *stop == '"' ? stop + 1 : string_from(s, p, stop);
}

/* At the opening quote of a value. */
static inline void look_for_mark(struct scan *s, const char *p)
{
    if (s->mark.len > 0 && s->in.end - p > (ptrdiff_t)s->mark.len && p[1] == s->mark.ptr[0] &&
        memcmp(p + 1, s->mark.ptr, s->mark.len) == 0) {
        s->marked = true;
    }
}

static inline bool digit_at(const struct scan *s, const char *p)
{
    return p < s->in.end && *p >= '0' && *p <= '9';
}

static inline const char *digits(struct scan *s, const char *p, const char *expected)
{
    if (!digit_at(s, p)) {
        return fl_json_fail_found(&s->in, p, expected);
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
    if (p < s->in.end && *p == '0') {
        p++;
        if (digit_at(s, p)) {
            return fl_json_fail(&s->in, p, FL_ERR_JSON_SYNTAX, "a number may not begin with 0");
        }
    } else if ((p = digits(s, p, "expected a digit after '-'")) == NULL) {
        return NULL;
    }
    if (p < s->in.end && *p == '.') {
        p = digits(s, p + 1, "expected a digit after '.'");
    }
    if (p && p < s->in.end && (*p | 0x20) == 'e') {
        p++;
        p += p < s->in.end && (*p == '+' || *p == '-');
        p = digits(s, p, "expected a digit in the exponent");
    }
    return p;
}

static inline const char *literal(struct scan *s, const char *p, struct fl_slice word)
{
    bool same = fl_slice_starts(fl_slice(p, (size_t)(s->in.end - p)), word);
    return same ? p + word.len : fail_value(s, p);
}

/* --- Members --- */

static unsigned length_bit(size_t len)
{
    return len < 31 ? (unsigned)len : 31;
}

/* Is the key that ended at *p* watched? False after fail(). */
static bool watch_key(struct scan *s, const char *start, const char *p)
{
    struct fl_slice raw = fl_slice(start, (size_t)(p - start));
    struct fl_slice inner = fl_slice(start + 1, raw.len - 2);
    s->pending = NULL;
    s->member = start;
    if (!s->escaped && !(s->watch_lengths >> length_bit(inner.len) & 1)) {
        return true;
    }
    for (unsigned i = 0; i < s->watch_count; i++) {
        struct fl_json_watch *w = &s->watches[i];
        if (s->escaped ? !fl_json_spells(raw, w->key) : !fl_slice_eq(inner, w->key)) {
            continue;
        }
        if (w->value.type != FL_JSON_NONE) {
            (void)fl_json_fail_quoting(&s->in, start, FL_ERR_JSON_DUPLICATE, "duplicate key ",
                                       w->key);
            return false;
        }
        s->pending = w;
        break;
    }
    return true;
}

/* At a key; to its value. */
static inline const char *key(struct scan *s, const char *p)
{
    const char *start = p;
    if (p == s->in.end || *p != '"') {
        return fail_key(s, p);
    }
    s->escaped = false;
    p = string(s, p);
    if (!p) {
        return NULL;
    }
    if (++s->keys[s->depth] > s->limits.keys_max) {
        return fl_json_fail_limit(&s->in, start, FL_ERR_JSON_KEYS, s->limits.keys_max);
    }
    if (s->depth == 1 && s->watch_count > 0 && !watch_key(s, start, p)) {
        return NULL;
    }
    const char *colon = fl_json_solid(p, s->in.end);
    if (colon == s->in.end || *colon != ':') {
        return fl_json_fail_quoting(&s->in, colon, FL_ERR_JSON_SYNTAX, "expected ':' after key ",
                                    fl_slice(start + 1, (size_t)(p - start) - 2));
    }
    p = fl_json_solid(colon + 1, s->in.end);
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
static inline const char *open_container(struct scan *s, const char *p, char closer,
                                         bool *ret_whole)
{
    if (s->depth >= s->limits.depth_max) {
        return fl_json_fail_limit(&s->in, p, FL_ERR_JSON_DEPTH, s->limits.depth_max);
    }
    p = fl_json_solid(p + 1, s->in.end);
    if (p < s->in.end && *p == closer) {
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
    if (p == s->in.end) {
        return fail_value(s, p);
    }
    switch (*p) {
    case '"':
        look_for_mark(s, p);
        return string(s, p);
    case '{':
        return open_container(s, p, '}', ret_whole);
    case '[':
        return open_container(s, p, ']', ret_whole);
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
        }
        if (s->depth == 0) {
            return p;
        }
        char closer = s->closer[s->depth];
        p = fl_json_solid(p, s->in.end);
        if (p < s->in.end && *p == ',') {
            p = fl_json_solid(p + 1, s->in.end);
            return closer == '}' ? key(s, p) : p;
        }
        if (p == s->in.end || *p != closer) {
            return fl_json_fail_found(&s->in, p,
                                      closer == '}' ? "expected ',' or '}' after a value"
                                                    : "expected ',' or ']' after a value");
        }
        s->depth--;
        p++;
    }
}

static const char *document(struct scan *s)
{
    const char *p = fl_json_solid(s->in.begin, s->in.end);
    do {
        bool whole;
        p = begin_value(s, p, &whole);
        if (p && whole) {
            p = end_value(s, p);
        }
    } while (p && s->depth > 0);
    return p;
}

static void reset(struct scan *s)
{
    s->watch_lengths = 0;
    for (unsigned i = 0; i < s->watch_count; i++) {
        s->watches[i].value = (struct fl_json){FL_JSON_NONE, FL_EMPTY};
        s->watches[i].member = FL_EMPTY;
        s->watch_lengths |= UINT32_C(1) << length_bit(s->watches[i].key.len);
    }
}

static inline enum fl_err scan(struct fl_slice text, struct fl_json_limits limits,
                               struct fl_json_watch *watches, unsigned watch_count,
                               struct fl_slice mark, bool *ret_marked, struct fl_json *ret_value,
                               struct fl_reterr *reterr)
{
    struct scan s;
    const char *begin = text.len > 0 ? text.ptr : "";
    fl_assert(limits.depth_max <= FL_JSON_DEPTH_MAX);
    fl_assert(watches || watch_count == 0);
    s.in = (struct fl_json_source){begin, begin + text.len, FL_OK, reterr};
    s.limits = limits;
    s.watches = watches;
    s.watch_count = watch_count;
    s.pending = NULL;
    s.mark = mark;
    s.marked = false;
    s.depth = 0;
    s.closer[0] = '\0';
    reset(&s);

    const char *end = document(&s), *rest = end ? fl_json_solid(end, s.in.end) : NULL;
    if (rest && rest != s.in.end) {
        (void)fl_json_fail_found(&s.in, rest, "expected nothing after the value");
    }
    if (s.in.err != FL_OK) {
        reset(&s);
        return s.in.err;
    }
    fl_assert(s.depth == 0 && end);
    *ret_value = value_between(fl_json_solid(begin, s.in.end), end);
    *ret_marked = s.marked;
    return FL_OK;
}

enum fl_err fl_json_scan(struct fl_slice text, struct fl_json_limits limits,
                         struct fl_json_watch *watches, unsigned watch_count,
                         struct fl_json *ret_value, struct fl_reterr *reterr)
{
    bool marked;
    return scan(text, limits, watches, watch_count, FL_EMPTY, &marked, ret_value, reterr);
}

enum fl_err fl_json_scan_marked(struct fl_slice text, struct fl_json_limits limits,
                                struct fl_json_watch *watches, unsigned watch_count,
                                struct fl_slice mark, bool *ret_marked, struct fl_json *ret_value,
                                struct fl_reterr *reterr)
{
    fl_assert(mark.len > 0);
    return scan(text, limits, watches, watch_count, mark, ret_marked, ret_value, reterr);
}

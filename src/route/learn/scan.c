/* SPDX-License-Identifier: Apache-2.0 */
#include "route/learn/scan.h"

#include "base/assert.h"

#if defined(__SSE2__) && !defined(FL_NO_SIMD)
#define SCAN_SSE2 1
#include <emmintrin.h>
#else
#define SCAN_SSE2 0
#endif

enum { blocks_max = FL_SCAN_TEXT_MAX / 64 };

/* Bits of text that is not ASCII: letters, and where a token begins although letters touch. */
struct wide {
    uint64_t letter[blocks_max], cut[blocks_max];
    unsigned bytes;
};

static bool is_in(uint8_t c, uint8_t low, uint8_t high)
{
    return c >= low && c <= high;
}

void fl_scan_block_portable(uint8_t *block, struct fl_scan_masks *ret_masks)
{
    struct fl_scan_masks m = {0};
    for (unsigned i = 0; i < 64; i++) {
        uint8_t c = block[i];
        uint64_t bit = UINT64_C(1) << i;
        bool capital = is_in(c, 'A', 'Z'), digit = is_in(c, '0', '9');
        bool word = capital || digit || is_in(c, 'a', 'z');
        bool blank = c == ' ' || is_in(c, '\t', '\r') || c == 0;
        bool plain =
            c == '.' || c == ',' || c == '?' || c == '!' || c == '\'' || c == '"' || c == '-';
        block[i] = capital ? (uint8_t)(c | 0x20) : c;
        m.word |= word ? bit : 0;
        m.digit |= digit ? bit : 0;
        m.capital |= capital ? bit : 0;
        m.line |= c == '\n' ? bit : 0;
        m.question |= c == '?' ? bit : 0;
        m.quote |= c == '"' ? bit : 0;
        m.bullet |= c == '-' || c == '*' ? bit : 0;
        m.high |= c >= 0x80 ? bit : 0;
        m.symbol |= !word && !blank && !plain && c < 0x80 ? bit : 0;
    }
    *ret_masks = m;
}

#if SCAN_SSE2
static inline uint64_t bits_of(__m128i x)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(x);
}

static inline __m128i equal(__m128i x, char c)
{
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

/* low <= x <= high, for ASCII bounds: high bytes are negative and fail the lower one. */
static inline __m128i within(__m128i x, char low, char high)
{
    return _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8((char)(low - 1))),
                         _mm_cmplt_epi8(x, _mm_set1_epi8((char)(high + 1))));
}

static inline __m128i either(__m128i a, __m128i b)
{
    return _mm_or_si128(a, b);
}

void fl_scan_block(uint8_t *block, struct fl_scan_masks *ret_masks)
{
    struct fl_scan_masks m = {0};
    for (unsigned i = 0; i < 64; i += 16) {
        __m128i *at = (__m128i *)(void *)(block + i);
        __m128i x = _mm_loadu_si128(at);
        __m128i capital = within(x, 'A', 'Z'), digit = within(x, '0', '9');
        __m128i folded = either(x, _mm_and_si128(capital, _mm_set1_epi8(0x20)));
        __m128i word = either(digit, within(folded, 'a', 'z'));
        __m128i question = equal(x, '?'), quote = equal(x, '"'), dash = equal(x, '-');
        __m128i blank = either(equal(x, ' '), either(within(x, '\t', '\r'), equal(x, 0)));
        __m128i plain = either(either(equal(x, '.'), equal(x, ',')), either(question, quote));
        plain = either(plain, either(either(equal(x, '!'), equal(x, '\'')), dash));
        __m128i rest = either(either(word, blank), plain);
        _mm_storeu_si128(at, folded);
        m.word |= bits_of(word) << i;
        m.digit |= bits_of(digit) << i;
        m.capital |= bits_of(capital) << i;
        m.line |= bits_of(equal(x, '\n')) << i;
        m.question |= bits_of(question) << i;
        m.quote |= bits_of(quote) << i;
        m.bullet |= bits_of(either(dash, equal(x, '*'))) << i;
        m.high |= bits_of(x) << i;
        m.symbol |= bits_of(_mm_andnot_si128(rest, _mm_cmpgt_epi8(x, _mm_set1_epi8(-1)))) << i;
    }
    *ret_masks = m;
}
#else
void fl_scan_block(uint8_t *block, struct fl_scan_masks *ret_masks)
{
    fl_scan_block_portable(block, ret_masks);
}
#endif

/* Bits set, without an instruction or a library function that not every machine has. */
static unsigned count_bits(uint64_t x)
{
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)((x * UINT64_C(0x0101010101010101)) >> 56);
}

/* A character of two bytes, folded in place. False: it is a mark (C2 80 to C2 BF). */
static bool fold_two(uint8_t *at)
{
    uint8_t a = at[0], b = at[1];
    if ((a == 0xc3 && is_in(b, 0x80, 0x9e) && b != 0x97) || (a == 0xce && is_in(b, 0x91, 0x9f)) ||
        (a == 0xd0 && is_in(b, 0x90, 0x9f))) {
        at[1] = (uint8_t)(b + 0x20);
    } else if ((a == 0xce && is_in(b, 0xa0, 0xa9)) || (a == 0xd0 && is_in(b, 0xa0, 0xaf))) {
        at[0] = (uint8_t)(a + 1);
        at[1] = (uint8_t)(b - 0x20);
    } else if (a == 0xd0 && is_in(b, 0x80, 0x8f)) {
        at[0] = 0xd1;
        at[1] = (uint8_t)(b + 0x10);
    } else if (a == 0xc4 && b <= 0xb6) {
        at[1] = (uint8_t)(b | 1); /* Latin Extended-A: capitals are even up to U+0137 */
    } else if ((a == 0xc4 && b >= 0xb9) || (a == 0xc5 && (b <= 0x87 || is_in(b, 0xb9, 0xbd)))) {
        at[1] = (uint8_t)(b & 1 ? (b == 0xbf ? b : b + 1) : b); /* odd up to U+0148 */
    } else if (a == 0xc5 && is_in(b, 0x8a, 0xb7)) {
        at[1] = (uint8_t)(b | 1);
    }
    return a != 0xc2;
}

enum what { LETTER, ALONE, MARK };

/* What a character of three bytes is; for a mark, the ASCII mark that stands for it. */
static enum what kind_of_three(const uint8_t *at, uint8_t *ret_mark)
{
    uint8_t a = at[0], b = at[1], c = at[2];
    *ret_mark = ' ';
    if (a == 0xe2) { /* punctuation, arrows, symbols */
        *ret_mark = b == 0x80 && is_in(c, 0x9c, 0x9f) ? '"' : b == 0x80 && c == 0xa6 ? '.' : ' ';
        return MARK;
    }
    if (a == 0xe3 && b == 0x80) { /* CJK punctuation */
        *ret_mark = c == 0x82 ? '.' : is_in(c, 0x8c, 0x8f) ? '"' : ' ';
        return MARK;
    }
    if (a == 0xef) { /* full-width forms */
        if (b == 0xbc && (c == 0x81 || c == 0x9f || c == 0x9a || c == 0x8e)) {
            *ret_mark = c == 0x9f ? '?' : c == 0x9a ? ':' : '.';
            return MARK;
        }
        return (b == 0xbc && c >= 0x90) || b == 0xbd ? LETTER : MARK;
    }
    return is_in(a, 0xe3, 0xed) ? ALONE : LETTER;
}

static unsigned width_of(uint8_t first)
{
    return first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
}

static void set_bits(uint64_t *bits, unsigned at, unsigned count)
{
    for (unsigned i = at; i < at + count; i++) {
        bits[i / 64] |= UINT64_C(1) << (i % 64);
    }
}

/* The character at *i*, which is not ASCII; its width is *width* and it is whole. */
static void place_wide(uint8_t *text, unsigned i, unsigned width, struct wide *w)
{
    uint8_t mark = ' ';
    enum what what = width == 2   ? (fold_two(text + i) ? LETTER : MARK)
                     : width == 3 ? kind_of_three(text + i, &mark)
                                  : MARK; /* emoji and rare scripts */
    if (width == 2 && (text[i + 1] == 0xab || text[i + 1] == 0xbb)) {
        mark = '"'; /* guillemets; only used for C2 */
    }
    if (what == MARK) {
        memset(text + i, mark, width);
        return;
    }
    set_bits(w->letter, i, width);
    if (what == ALONE) {
        set_bits(w->cut, i, 1);
        set_bits(w->cut, i + width, 1);
    }
}

/* Folds what is not ASCII in *text*, up to *end* (a multiple of 64 is readable). */
static void fold_wide(uint8_t *text, unsigned end, struct wide *w)
{
    for (unsigned i = 0; i < end;) {
        if (text[i] < 0x80) {
            i++;
            continue;
        }
        unsigned width = width_of(text[i]);
        bool whole = width > 1 && i + width <= end;
        for (unsigned k = 1; whole && k < width; k++) {
            whole = (text[i + k] & 0xc0) == 0x80;
        }
        w->bytes += whole ? width : 1;
        if (whole) {
            place_wide(text, i, width, w);
        } else {
            text[i] = ' ';
            width = 1;
        }
        i += width;
    }
}

static bool has_high(const uint8_t *text, unsigned end)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < end; i += 8) {
        uint64_t x;
        memcpy(&x, text + i, 8);
        all |= x;
    }
    return (all & UINT64_C(0x8080808080808080)) != 0;
}

static void count(struct fl_scan_counts *c, const struct fl_scan_masks *m, uint64_t *line_before)
{
    uint64_t after_line = (m->line << 1) | *line_before;
    *line_before = m->line >> 63;
    if ((m->digit | m->capital | m->line | m->question | m->quote | m->symbol | after_line) == 0) {
        return;
    }
    c->lines += count_bits(m->line);
    c->questions += count_bits(m->question);
    c->quotes += count_bits(m->quote);
    c->digits += count_bits(m->digit);
    c->capitals += count_bits(m->capital);
    c->symbols += count_bits(m->symbol);
    c->items += count_bits(after_line & (m->bullet | m->digit));
}

static const uint8_t flag_of[256] = {
    ['\n'] = FL_AFTER_LINE, ['.'] = FL_AFTER_STOP,  ['!'] = FL_AFTER_STOP,
    ['?'] = FL_AFTER_STOP,  [':'] = FL_AFTER_COLON, ['"'] = FL_AFTER_QUOTE};

/* Tokens of the window that begins at *base*: the two ends of each, from masks of both. */
struct ends {
    unsigned starts, stops;
    uint16_t start[FL_SCAN_TEXT_MAX / 2 + 64], stop[FL_SCAN_TEXT_MAX / 2 + 64];
};

static void note(uint64_t bits, unsigned base, unsigned *count_of, uint16_t *list, unsigned room)
{
    while (bits && *count_of < room) {
        list[(*count_of)++] = (uint16_t)(base + (unsigned)__builtin_ctzll(bits));
        bits &= bits - 1;
    }
}

static void add_tokens(struct fl_scan *s, const struct ends *e, unsigned window, unsigned room)
{
    unsigned n = e->stops < e->starts ? e->stops : e->starts;
    for (unsigned i = 0; i < n && s->tokens < room; i++) {
        struct fl_token *t = &s->token[s->tokens++];
        unsigned gap = i ? e->stop[i - 1] : 0;
        uint8_t flags = FL_AFTER_LINE;
        if (i) { /* the two marks that touch the words, or none between ideographs */
            flags =
                gap == e->start[i] ? 0 : flag_of[s->text[gap]] | flag_of[s->text[e->start[i] - 1]];
        }
        *t = (struct fl_token){e->start[i], e->stop[i], flags, (uint8_t)window};
    }
}

static void scan_window(struct fl_scan *s, struct fl_slice text, unsigned base, unsigned window,
                        unsigned room)
{
    uint8_t *at = s->text + base;
    unsigned len = (unsigned)text.len, blocks = (len + 64) / 64; /* at least one zero byte behind */
    struct wide wide = {0};
    struct ends ends;
    uint64_t line_before = 1, word_before = 0;
    fl_assert(base + 64 * blocks <= FL_SCAN_TEXT_MAX);
    memcpy(at, text.ptr, len);
    memset(at + len, 0, 64 * blocks - len + FL_SCAN_PADDING);
    if (has_high(at, 64 * blocks)) {
        fold_wide(at, len, &wide);
    }
    ends.starts = ends.stops = 0;
    for (unsigned b = 0; b < blocks; b++) {
        struct fl_scan_masks m;
        fl_scan_block(at + 64 * b, &m);
        count(&s->counts, &m, &line_before);
        uint64_t word = m.word | wide.letter[b], before = (word << 1) | word_before;
        uint64_t cut = wide.cut[b];
        note(word & (~before | cut), base + 64 * b, &ends.starts, ends.start, FL_SCAN_TEXT_MAX / 2);
        note(before & (~word | cut), base + 64 * b, &ends.stops, ends.stop, FL_SCAN_TEXT_MAX / 2);
        word_before = word >> 63;
    }
    s->counts.bytes += len;
    s->counts.foreign += wide.bytes;
    add_tokens(s, &ends, window, room);
}

void fl_scan_windows(const struct fl_windows *windows, struct fl_scan *ret_scan)
{
    struct fl_slice head = fl_slice_first(windows->head, FL_WINDOW_HEAD + FL_WINDOW_TAIL);
    unsigned base = ((unsigned)head.len + 64) / 64 * 64;
    struct fl_slice tail = FL_EMPTY;
    if (windows->tail.len > 0 && base + 64 < FL_SCAN_TEXT_MAX) {
        tail = fl_slice_first(windows->tail, FL_SCAN_TEXT_MAX - base - 64);
        tail = fl_slice_first(tail, FL_WINDOW_TAIL);
    }
    ret_scan->tokens = 0;
    memset(&ret_scan->counts, 0, sizeof(ret_scan->counts));
    if (head.len > 0) {
        unsigned room = tail.len ? FL_SCAN_TOKENS_MAX * 2 / 3 : FL_SCAN_TOKENS_MAX;
        scan_window(ret_scan, head, 0, 0, room);
    }
    if (tail.len > 0) {
        scan_window(ret_scan, tail, base, 1, FL_SCAN_TOKENS_MAX);
    }
}

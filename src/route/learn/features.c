/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two steps. scan() folds a window into a buffer of ours and notes where tokens begin, how long
 * they are and what stands before them, counting the surface on the way. emit_all() then walks the
 * tokens and hashes: a token of up to eight bytes is one load and one multiplication.
 */
#include "route/learn/features.h"

#include "base/assert.h"

enum {
    tokens_max = 640,
    head_words = 12, /* tokens at the start that also count by their place */
    tail_words = 12, /* and at the end */
    stem_bytes = 5,
    padding = 8 /* bytes readable behind the folded text */
};

/* What stands before a token. */
enum { AFTER_SPACE = 0, AFTER_LINE = 1, AFTER_STOP = 2, AFTER_COLON = 4, AFTER_QUOTE = 8 };

struct token {
    uint16_t start, len;
    uint8_t before;
};

struct counts {
    unsigned lines, questions, quotes, digits, capitals, foreign, symbols, list, bytes;
};

struct scanned {
    unsigned tokens;
    unsigned bytes; /* of `text` in use */
    struct counts counts;
    struct token token[tokens_max];
    uint8_t text[FL_WINDOW_HEAD + FL_WINDOW_TAIL + 2 + padding];
};

/* Byte classes. */
enum {
    C_OTHER,
    C_SPACE,
    C_LINE,
    C_DIGIT,
    C_LOWER,
    C_UPPER,
    C_STOP,
    C_COLON,
    C_QUOTE,
    C_PLAIN,
    C_HIGH
};

#define ROW16(x) x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x
static const uint8_t class_of[256] = {
    [0] = C_SPACE,    ['\t'] = C_SPACE, ['\r'] = C_SPACE, [' '] = C_SPACE,
    ['\n'] = C_LINE,  ['0'] = C_DIGIT,  C_DIGIT,          C_DIGIT,
    C_DIGIT,          C_DIGIT,          C_DIGIT,          C_DIGIT,
    C_DIGIT,          C_DIGIT,          C_DIGIT,          ['A'] = C_UPPER,
    C_UPPER,          C_UPPER,          C_UPPER,          C_UPPER,
    C_UPPER,          C_UPPER,          C_UPPER,          C_UPPER,
    C_UPPER,          C_UPPER,          C_UPPER,          C_UPPER,
    C_UPPER,          C_UPPER,          C_UPPER,          C_UPPER,
    C_UPPER,          C_UPPER,          C_UPPER,          C_UPPER,
    C_UPPER,          C_UPPER,          C_UPPER,          C_UPPER,
    C_UPPER,          ['a'] = C_LOWER,  C_LOWER,          C_LOWER,
    C_LOWER,          C_LOWER,          C_LOWER,          C_LOWER,
    C_LOWER,          C_LOWER,          C_LOWER,          C_LOWER,
    C_LOWER,          C_LOWER,          C_LOWER,          C_LOWER,
    C_LOWER,          C_LOWER,          C_LOWER,          C_LOWER,
    C_LOWER,          C_LOWER,          C_LOWER,          C_LOWER,
    C_LOWER,          C_LOWER,          C_LOWER,          ['.'] = C_STOP,
    ['!'] = C_STOP,   ['?'] = C_STOP,   [':'] = C_COLON,  ['"'] = C_QUOTE,
    ['\''] = C_PLAIN, [','] = C_PLAIN,  ['-'] = C_PLAIN,  [0x80] = ROW16(C_HIGH),
    ROW16(C_HIGH),    ROW16(C_HIGH),    ROW16(C_HIGH),    ROW16(C_HIGH),
    ROW16(C_HIGH),    ROW16(C_HIGH),    ROW16(C_HIGH)};

static size_t back_to_boundary(struct fl_slice text, size_t at)
{
    for (int i = 0; i < 3 && at > 0 && ((unsigned char)text.ptr[at] & 0xc0) == 0x80; i++) {
        at--;
    }
    return at;
}

struct fl_windows fl_windows_of(struct fl_slice text)
{
    struct fl_windows w = {text, FL_EMPTY, text.len};
    if (text.len > FL_WINDOW_HEAD + FL_WINDOW_TAIL) {
        size_t from = text.len - FL_WINDOW_TAIL;
        for (int i = 0; i < 3 && ((unsigned char)text.ptr[from] & 0xc0) == 0x80; i++) {
            from++;
        }
        w.head = fl_slice_first(text, back_to_boundary(text, FL_WINDOW_HEAD));
        w.tail = fl_slice_from(text, from);
    }
    return w;
}

/* A character of two bytes, folded in place: what it is. Marks of Latin-1 (C2) are no letters. */
static bool fold_two(uint8_t *at)
{
    uint8_t a = at[0], b = at[1];
    if (a == 0xc3 && b >= 0x80 && b <= 0x9e) {
        at[1] = (uint8_t)(b + 0x20);
    } else if (a == 0xce && b >= 0x91 && b <= 0x9f) {
        at[1] = (uint8_t)(b + 0x20);
    } else if (a == 0xce && b >= 0xa0 && b <= 0xa9) {
        at[0] = 0xcf;
        at[1] = (uint8_t)(b - 0x20);
    } else if (a == 0xd0 && b >= 0x90 && b <= 0x9f) {
        at[1] = (uint8_t)(b + 0x20);
    } else if (a == 0xd0 && b >= 0xa0 && b <= 0xaf) {
        at[0] = 0xd1;
        at[1] = (uint8_t)(b - 0x20);
    } else if (a == 0xd0 && b == 0x81) {
        at[0] = 0xd1;
        at[1] = 0x91;
    } else if ((a == 0xc4 || a == 0xc5) && (b & 1) == 0 && b < 0xb8) {
        at[1] = (uint8_t)(b + 1); /* Latin Extended-A, where capitals are even */
    }
    return a != 0xc2;
}

/* What a character of three bytes is: a token of its own, a letter, or a mark between words. */
enum wide { WIDE_LETTER, WIDE_ALONE, WIDE_LINE_END, WIDE_MARK };

static enum wide kind_of_three(const uint8_t *at)
{
    uint8_t a = at[0], b = at[1], c = at[2];
    if (a == 0xe2 || (a == 0xe3 && b == 0x80)) { /* general punctuation, CJK punctuation */
        return a == 0xe3 && c == 0x82 ? WIDE_LINE_END : WIDE_MARK;
    }
    if (a == 0xef) { /* full-width forms: ! ? . : are stops, letters and digits count as letters */
        bool stop = b == 0xbc && (c == 0x81 || c == 0x9f || c == 0x8e || c == 0x9a);
        bool letter = (b == 0xbc && c >= 0x90) || b == 0xbd;
        return stop ? WIDE_LINE_END : letter ? WIDE_LETTER : WIDE_MARK;
    }
    return a >= 0xe3 && a <= 0xed ? WIDE_ALONE : WIDE_LETTER;
}

static unsigned width_of(uint8_t first)
{
    return first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
}

static void add_token(struct scanned *s, unsigned start, unsigned len, uint8_t before)
{
    if (s->tokens < tokens_max && len > 0) {
        s->token[s->tokens++] = (struct token){(uint16_t)start, (uint16_t)len, before};
    }
}

/* One token, mark or blank at *i*; *before* is updated. Returns the offset behind it. */
static unsigned high_character(struct scanned *s, unsigned i, unsigned end, uint8_t *before)
{
    unsigned width = width_of(s->text[i]);
    s->counts.foreign += width;
    if (width == 1 || i + width > end) {
        return i + 1;
    }
    enum wide kind = width == 3 ? kind_of_three(s->text + i) : WIDE_MARK;
    if (width == 3 && kind == WIDE_LINE_END) {
        *before |= AFTER_STOP;
        s->counts.questions += s->text[i] == 0xef && s->text[i + 2] == 0x9f;
    } else if (kind == WIDE_ALONE) {
        add_token(s, i, width, *before);
        *before = AFTER_SPACE;
    }
    return i + width;
}

/* Is there a letter at *i* that continues or begins a word? Folds it; *ret_width* in bytes. */
static bool word_character(struct scanned *s, unsigned i, unsigned end, unsigned *ret_width)
{
    uint8_t c = s->text[i];
    uint8_t cls = class_of[c];
    *ret_width = 1;
    if (cls == C_LOWER || cls == C_DIGIT) {
        s->counts.digits += cls == C_DIGIT;
        return true;
    }
    if (cls == C_UPPER) {
        s->counts.capitals++;
        s->text[i] = (uint8_t)(c + 32);
        return true;
    }
    if (cls != C_HIGH) {
        return false;
    }
    unsigned width = width_of(c);
    if (width == 1 || width == 4 || i + width > end || (width == 2 && !fold_two(s->text + i)) ||
        (width == 3 && kind_of_three(s->text + i) != WIDE_LETTER)) {
        return false;
    }
    s->counts.foreign += width;
    *ret_width = width;
    return true;
}

static void mark(struct counts *counts, uint8_t c, uint8_t cls, uint8_t *before)
{
    switch (cls) {
    case C_LINE:
        counts->lines++;
        *before |= AFTER_LINE;
        break;
    case C_STOP:
        counts->questions += c == '?';
        *before |= AFTER_STOP;
        break;
    case C_COLON:
        *before |= AFTER_COLON;
        counts->symbols++;
        break;
    case C_QUOTE:
        *before |= AFTER_QUOTE;
        counts->quotes++;
        break;
    case C_OTHER:
        counts->symbols++;
        counts->list += (c == '*') && (*before & AFTER_LINE);
        break;
    case C_PLAIN:
        counts->list += (c == '-') && (*before & AFTER_LINE);
        break;
    default:
        break;
    }
}

/* Folds *text* behind what is there already and finds its tokens. */
static void scan(struct scanned *s, struct fl_slice text)
{
    unsigned i = s->bytes, end = i + (unsigned)text.len;
    uint8_t before = AFTER_LINE;
    if (text.len == 0) {
        return;
    }
    fl_assert(end + padding <= sizeof(s->text));
    memcpy(s->text + i, text.ptr, text.len);
    memset(s->text + end, 0, padding);
    s->counts.bytes += (unsigned)text.len;
    while (i < end) {
        unsigned start = i, width;
        while (i < end && word_character(s, i, end, &width)) {
            i += width;
        }
        if (i > start) {
            bool item = (before & AFTER_LINE) && i - start <= 2 && i < end &&
                        (s->text[i] == ')' || s->text[i] == '.' || s->text[i] == ':');
            s->counts.list += item;
            add_token(s, start, i - start, before);
            before = AFTER_SPACE;
        } else if (class_of[s->text[i]] == C_HIGH) {
            i = high_character(s, i, end, &before);
        } else {
            mark(&s->counts, s->text[i], class_of[s->text[i]], &before);
            i++;
        }
    }
    s->bytes = end;
}

static const uint64_t mixer = UINT64_C(0x9e3779b97f4a7c15);

/* The first *n* of 8 bytes as a little-endian number, whatever the machine. */
static inline uint64_t load(const uint8_t *p, unsigned n)
{
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return n >= 8 ? x : x & ((UINT64_C(1) << (8 * n)) - 1);
}

static inline uint64_t mix(uint64_t h)
{
    h *= mixer;
    return h ^ (h >> 32);
}

static uint64_t hash_of(const uint8_t *p, unsigned n)
{
    uint64_t h = n;
    for (; n > 8; n -= 8, p += 8) {
        h = mix(h ^ load(p, 8));
    }
    return mix(h ^ (load(p, n) + (uint64_t)n));
}

/* Kinds of features; the kind is hashed with the tokens. */
enum kind {
    K_WORD = 1,
    K_PAIR,
    K_STEM,
    K_OPEN,
    K_OPEN_PAIR,
    K_PLACE,
    K_CLOSE,
    K_CLOSE_PAIR,
    K_LINE,
    K_LINE_PAIR,
    K_SURFACE
};

static inline void emit(struct fl_features *f, enum kind kind, uint64_t h, int32_t value)
{
    uint32_t index = (uint32_t)(mix(h + (uint64_t)kind * UINT64_C(0xd6e8feb86659fd93)) >> 16);
    uint64_t bit = UINT64_C(1) << ((index >> 16) & 63);
    uint64_t *word = &f->seen[index >> 22];
    if ((*word & bit) == 0 && f->count < FL_FEATURES_MAX) {
        *word |= bit;
        f->items[f->count++] = (struct fl_feature){index, value};
        f->square_sum += (uint64_t)(value * value);
    }
}

static inline uint64_t pair_of(uint64_t a, uint64_t b)
{
    return mix(a + 1) + b;
}

static void emit_token(struct fl_features *f, const struct scanned *s, unsigned i, uint64_t h[2])
{
    const struct token *t = &s->token[i];
    uint64_t previous = h[0], own = hash_of(s->text + t->start, t->len);
    bool opens = i < head_words, closes = i + tail_words >= s->tokens;
    h[0] = own;
    if (opens) {
        emit(f, K_OPEN, own, 3 * FL_FEATURE_ONE);
        emit(f, K_OPEN_PAIR, pair_of(previous, own), 2 * FL_FEATURE_ONE);
        if (i < 3) {
            emit(f, K_PLACE, own * 4 + i, 3 * FL_FEATURE_ONE);
        }
    }
    if (closes) {
        emit(f, K_CLOSE, own, 2 * FL_FEATURE_ONE);
        emit(f, K_CLOSE_PAIR, pair_of(previous, own), 2 * FL_FEATURE_ONE);
    }
    if (t->before & (AFTER_LINE | AFTER_STOP)) {
        emit(f, K_LINE, own, 2 * FL_FEATURE_ONE);
    } else if (i > 0 && (t[-1].before & (AFTER_LINE | AFTER_STOP))) {
        emit(f, K_LINE_PAIR, pair_of(previous, own), 2 * FL_FEATURE_ONE);
    }
    emit(f, K_WORD, own, FL_FEATURE_ONE);
    emit(f, K_PAIR, pair_of(previous, own), FL_FEATURE_ONE);
    if (t->len > stem_bytes) {
        emit(f, K_STEM, hash_of(s->text + t->start, stem_bytes), FL_FEATURE_ONE);
    }
}

static uint8_t capped(uint64_t x)
{
    return x > 255 ? 255 : (uint8_t)x;
}

static uint8_t log8(uint64_t x)
{
    unsigned bits = 63 - (unsigned)__builtin_clzll(x + 1);
    uint64_t fraction = bits >= 3 ? ((x + 1) >> (bits - 3)) & 7 : ((x + 1) << (3 - bits)) & 7;
    return (uint8_t)(8 * bits + fraction);
}

static void measure_surface(struct fl_features *f, const struct scanned *s, uint64_t text_bytes)
{
    const struct counts *c = &s->counts;
    unsigned bytes = c->bytes ? c->bytes : 1, word_bytes = 0;
    for (unsigned i = 0; i < s->tokens; i++) {
        word_bytes += s->token[i].len;
    }
    f->surface[FL_SURFACE_LENGTH] = log8(text_bytes);
    f->surface[FL_SURFACE_LINES] = capped(c->lines);
    f->surface[FL_SURFACE_QUESTIONS] = capped(c->questions);
    f->surface[FL_SURFACE_QUOTES] = capped(c->quotes);
    f->surface[FL_SURFACE_DIGITS] = capped(c->digits * 255 / bytes);
    f->surface[FL_SURFACE_CAPITALS] = capped(c->capitals * 255 / bytes);
    f->surface[FL_SURFACE_FOREIGN] = capped(c->foreign * 255 / bytes);
    f->surface[FL_SURFACE_SYMBOLS] = capped(c->symbols * 255 / bytes);
    f->surface[FL_SURFACE_LIST] = capped(c->list);
    f->surface[FL_SURFACE_WORD] = capped(s->tokens ? 8 * word_bytes / s->tokens : 0);
    for (unsigned i = 0; i < FL_SURFACE_COUNT; i++) {
        /* in steps that grow: a linear model sees "none", "some", "many" */
        emit(f, K_SURFACE,
             i * 64 + (i == FL_SURFACE_LENGTH ? f->surface[i] / 8u : log8(f->surface[i]) / 8u),
             FL_FEATURE_ONE);
    }
}

void fl_features_extract(const struct fl_windows *windows, struct fl_features *ret_features)
{
    struct scanned s;
    uint64_t h[2] = {0, 0};
    s.tokens = s.bytes = 0;
    memset(&s.counts, 0, sizeof(s.counts));
    scan(&s, fl_slice_first(windows->head, FL_WINDOW_HEAD + FL_WINDOW_TAIL));
    scan(&s, fl_slice_first(windows->tail, FL_WINDOW_HEAD + FL_WINDOW_TAIL - s.bytes));
    ret_features->count = 0;
    ret_features->square_sum = 0;
    memset(ret_features->seen, 0, sizeof(ret_features->seen));
    for (unsigned i = 0; i < s.tokens; i++) {
        emit_token(ret_features, &s, i, h);
    }
    measure_surface(ret_features, &s, windows->text_bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two steps. scan() folds a window into a buffer of ours and notes where tokens begin, how long
 * they are and what stands before them, counting the surface on the way. emit_all() then walks the
 * tokens and hashes: a token of up to eight bytes is one load and one multiplication.
 */
#include "route/learn/features.h"

#include "route/learn/scan.h"

enum {
    head_words = 12, /* tokens at the start that also count by their place */
    tail_words = 12, /* and at the end */
    stem_bytes = 5,
    per_token_max = 10,
    features_for_tokens = FL_FEATURES_MAX - FL_SURFACE_COUNT - 1
};

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

/* Of the first and the last eight bytes and the length: two loads however long the token is. */
static inline uint64_t hash_of(const uint8_t *p, unsigned n)
{
    uint64_t h = load(p, n) + ((uint64_t)n << 56);
    if (n > 8) {
        h = mix(h) ^ load(p + n - 8, 8);
    }
    return mix(h);
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
    uint64_t bit = UINT64_C(1) << ((index >> 17) & 63);
    uint64_t *word = &f->seen[index >> 23];
    unsigned fresh = (*word & bit) == 0;
    /* written always, kept when new: no branch. fl_features_extract() leaves the room */
    f->items[f->count] = (struct fl_feature){index, value};
    f->count += fresh;
    *word |= bit;
}

static inline uint64_t pair_of(uint64_t a, uint64_t b)
{
    return mix(a + 1) + b;
}

/* The features of the first and last words, and of those that begin a line or a sentence. */
static void emit_placed(struct fl_features *f, const struct fl_scan *s, unsigned i, uint64_t own,
                        uint64_t pair)
{
    const struct fl_token *t = &s->token[i];
    if (i < head_words) {
        emit(f, K_OPEN, own, 3 * FL_FEATURE_ONE);
        emit(f, K_OPEN_PAIR, pair, 2 * FL_FEATURE_ONE);
        if (i < 3) {
            emit(f, K_PLACE, own * 4 + i, 3 * FL_FEATURE_ONE);
        }
    }
    if (i + tail_words >= s->tokens) {
        emit(f, K_CLOSE, own, 2 * FL_FEATURE_ONE);
        emit(f, K_CLOSE_PAIR, pair, 2 * FL_FEATURE_ONE);
    }
    if (t->before & (FL_AFTER_LINE | FL_AFTER_STOP)) {
        emit(f, K_LINE, own, 2 * FL_FEATURE_ONE);
    } else if (i > 0 && (t[-1].before & (FL_AFTER_LINE | FL_AFTER_STOP))) {
        emit(f, K_LINE_PAIR, pair, 2 * FL_FEATURE_ONE);
    }
}

static void emit_tokens(struct fl_features *f, const struct fl_scan *s)
{
    uint64_t previous = 0;
    for (unsigned i = 0; i < s->tokens && f->count + per_token_max <= features_for_tokens; i++) {
        const struct fl_token *t = &s->token[i];
        unsigned len = (unsigned)(t->end - t->start);
        uint64_t own = hash_of(s->text + t->start, len), pair = pair_of(previous, own);
        previous = own;
        emit_placed(f, s, i, own, pair);
        emit(f, K_WORD, own, FL_FEATURE_ONE);
        emit(f, K_PAIR, pair, FL_FEATURE_ONE);
        if (len > stem_bytes) {
            emit(f, K_STEM, hash_of(s->text + t->start, stem_bytes), FL_FEATURE_ONE);
        }
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

static void measure_surface(struct fl_features *f, const struct fl_scan *s, uint64_t text_bytes)
{
    const struct fl_scan_counts *c = &s->counts;
    unsigned bytes = c->bytes ? c->bytes : 1, word_bytes = 0;
    for (unsigned i = 0; i < s->tokens; i++) {
        word_bytes += (unsigned)(s->token[i].end - s->token[i].start);
    }
    f->surface[FL_SURFACE_LENGTH] = log8(text_bytes);
    f->surface[FL_SURFACE_LINES] = capped(c->lines);
    f->surface[FL_SURFACE_QUESTIONS] = capped(c->questions);
    f->surface[FL_SURFACE_QUOTES] = capped(c->quotes);
    f->surface[FL_SURFACE_DIGITS] = capped(c->digits * 255 / bytes);
    f->surface[FL_SURFACE_CAPITALS] = capped(c->capitals * 255 / bytes);
    f->surface[FL_SURFACE_FOREIGN] = capped(c->foreign * 255 / bytes);
    f->surface[FL_SURFACE_SYMBOLS] = capped(c->symbols * 255 / bytes);
    f->surface[FL_SURFACE_LIST] = capped(c->items);
    f->surface[FL_SURFACE_WORD] = capped(s->tokens ? 8 * word_bytes / s->tokens : 0);
    for (unsigned i = 0; i < FL_SURFACE_COUNT; i++) {
        /* in steps that double: a linear model sees "none", "some", "many" */
        unsigned step = i == FL_SURFACE_LENGTH ? f->surface[i] / 8u : log8(f->surface[i]) / 8u;
        emit(f, K_SURFACE, i * 64 + step, FL_FEATURE_ONE);
    }
}

void fl_features_extract(const struct fl_windows *windows, struct fl_features *ret_features)
{
    struct fl_scan s;
    fl_scan_windows(windows, &s);
    ret_features->count = 0;
    memset(ret_features->seen, 0, sizeof(ret_features->seen));
    emit_tokens(ret_features, &s);
    measure_surface(ret_features, &s, windows->text_bytes);
    ret_features->square_sum = 0;
    for (unsigned i = 0; i < ret_features->count; i++) {
        int32_t value = ret_features->items[i].value;
        ret_features->square_sum += (uint64_t)((int64_t)value * value);
    }
}

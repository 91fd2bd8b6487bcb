/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of codec/json only: the byte searches that scanning and walking share. Each has an SSE2 form
 * (the x86-64 baseline) and a scalar one, which also ends every search in the last bytes of the text:
 * nothing is read past *end*. What long strings spend their time in has an AVX2 form too, for
 * machines that say they have it. FL_JSON_SCALAR leaves the scalar forms alone, FL_JSON_NARROW those
 * without AVX2; the tests build the codec once more with each.
 */
#ifndef FL_CODEC_JSON_LEX_H
#define FL_CODEC_JSON_LEX_H

#include "codec/json.h"

#if defined(__SSE2__) && !defined(FL_JSON_SCALAR)
#define FL_JSON_SSE2 1
#include <immintrin.h>
#if !defined(FL_JSON_NARROW)
#define FL_JSON_AVX2 1
#endif
#endif

static inline bool fl_json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The type of a well-formed value, by its first byte. */
static inline enum fl_json_type fl_json_type_of(char c)
{
    switch (c) {
    case '{':
        return FL_JSON_OBJECT;
    case '[':
        return FL_JSON_ARRAY;
    case '"':
        return FL_JSON_STRING;
    case 't':
        return FL_JSON_TRUE;
    case 'f':
        return FL_JSON_FALSE;
    case 'n':
        return FL_JSON_NULL;
    default:
        return FL_JSON_NUMBER;
    }
}

#ifdef FL_JSON_SSE2

static inline __m128i fl_json_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline const char *fl_json_first(const char *p, unsigned mask)
{
    return p + __builtin_ctz(mask);
}

/* Bit i: byte i is a quote or a backslash. */
static inline __m128i fl_json_marks(__m128i v)
{
    return _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                        _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
}

/* Marks quotes, backslashes, control and non-ASCII bytes. Flipping bit 1 swaps the quote with the
 * space and keeps control bytes among themselves, and as signed bytes the non-ASCII ones are lowest
 * of all: one comparison finds three of the four kinds. */
static inline __m128i fl_json_specials(__m128i v)
{
    __m128i low = _mm_cmpgt_epi8(_mm_set1_epi8('!'), _mm_xor_si128(v, _mm_set1_epi8(2)));
    return _mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
}

static inline unsigned fl_json_bits(__m128i v)
{
    return (unsigned)_mm_movemask_epi8(v);
}

/* Of 64 bytes, the first one in bit 0. */
static inline uint64_t fl_json_specials64(const char *p)
{
    uint64_t low = fl_json_bits(fl_json_specials(fl_json_load(p))) |
                   fl_json_bits(fl_json_specials(fl_json_load(p + 16))) << 16;
    uint64_t high = fl_json_bits(fl_json_specials(fl_json_load(p + 32))) |
                    fl_json_bits(fl_json_specials(fl_json_load(p + 48))) << 16;
    return low | high << 32;
}

#ifdef FL_JSON_AVX2

#define FL_JSON_WIDE __attribute__((target("avx2"), always_inline)) static inline

/* 64 bytes, and masks of them: the first byte in bit 0. */
struct fl_json_wide {
    __m256i low, high;
};

FL_JSON_WIDE struct fl_json_wide fl_json_load_wide(const char *p)
{
    return (struct fl_json_wide){_mm256_loadu_si256((const __m256i *)(const void *)p),
                                 _mm256_loadu_si256((const __m256i *)(const void *)(p + 32))};
}

FL_JSON_WIDE uint64_t fl_json_bits_wide(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

FL_JSON_WIDE uint64_t fl_json_equal_wide(struct fl_json_wide v, int byte)
{
    __m256i all = _mm256_set1_epi8((char)byte);
    return fl_json_bits_wide(_mm256_cmpeq_epi8(v.low, all), _mm256_cmpeq_epi8(v.high, all));
}

/* Above *byte* as signed bytes: 0x80 to 0xff in this order, then ASCII. */
FL_JSON_WIDE uint64_t fl_json_above_wide(struct fl_json_wide v, int byte)
{
    __m256i all = _mm256_set1_epi8((char)byte);
    return fl_json_bits_wide(_mm256_cmpgt_epi8(v.low, all), _mm256_cmpgt_epi8(v.high, all));
}

FL_JSON_WIDE uint64_t fl_json_foreign_wide(struct fl_json_wide v)
{
    return fl_json_bits_wide(v.low, v.high);
}

FL_JSON_WIDE __m256i fl_json_specials32_wide(__m256i v)
{
    __m256i low =
        _mm256_cmpgt_epi8(_mm256_set1_epi8('!'), _mm256_xor_si256(v, _mm256_set1_epi8(2)));
    return _mm256_or_si256(low, _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
}

/* As fl_json_specials64(). */
FL_JSON_WIDE uint64_t fl_json_specials_wide(struct fl_json_wide v)
{
    return fl_json_bits_wide(fl_json_specials32_wide(v.low), fl_json_specials32_wide(v.high));
}

/* 0xff where a byte is none of `"\\/bfnrt`. It is one of them when the rows of its two halves have a bit in common. */
FL_JSON_WIDE __m256i fl_json_no_letter_wide(__m256i v)
{
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i by_high =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i by_low = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 0, 1 | 4 | 8, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), half);
    __m256i common = _mm256_and_si256(_mm256_shuffle_epi8(by_high, high),
                                      _mm256_shuffle_epi8(by_low, _mm256_and_si256(v, half)));
    return _mm256_cmpeq_epi8(common, _mm256_setzero_si256());
}

/* What may follow a backslash as an escape of two bytes. */
FL_JSON_WIDE uint64_t fl_json_letters_wide(struct fl_json_wide v)
{
    return ~fl_json_bits_wide(fl_json_no_letter_wide(v.low), fl_json_no_letter_wide(v.high));
}

/* Where well-formed UTF-8 (RFC 3629) is broken, of a block whose bytes *foreign* are not ASCII; or where that cannot
 * be told, at a last byte that limits the one behind it. *due: the bytes at the block's begin that belong to a
 * character which began before it; then the same for the next block. Masks of leading bytes have those of longer
 * characters, too. */
FL_JSON_WIDE uint64_t fl_json_not_utf8_wide(struct fl_json_wide v, uint64_t foreign, uint64_t *due)
{
    uint64_t tail = foreign & ~fl_json_above_wide(v, 0xbf);
    uint64_t lead2 = foreign & fl_json_above_wide(v, 0xc1), lead3 = foreign & fl_json_above_wide(v, 0xdf);
    uint64_t lead4 = foreign & fl_json_above_wide(v, 0xef), none = foreign & fl_json_above_wide(v, 0xf4);
    uint64_t wrong = tail ^ (lead2 << 1 | lead3 << 2 | lead4 << 3 | *due);
    uint64_t e0 = fl_json_equal_wide(v, 0xe0), ed = fl_json_equal_wide(v, 0xed);
    wrong |= (foreign & ~tail & ~lead2) | none;
    if ((lead4 | e0 | ed) != 0) {
        uint64_t f0 = fl_json_equal_wide(v, 0xf0), f4 = fl_json_equal_wide(v, 0xf4);
        uint64_t from_90 = fl_json_above_wide(v, 0x8f), from_a0 = fl_json_above_wide(v, 0x9f);
        wrong |= (e0 << 1 & ~from_a0) | (ed << 1 & from_a0) | (f0 << 1 & ~from_90) | (f4 << 1 & from_90);
        wrong |= (e0 | ed | f0 | f4) & UINT64_C(1) << 63;
    }
    *due = lead2 >> 63 | lead3 >> 62 | lead4 >> 61;
    return wrong;
}

#endif

static inline unsigned fl_json_solid_mask(const char *p)
{
    __m128i v = fl_json_load(p);
    __m128i blank = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))),
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')),
                     _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'))));
    return (unsigned)_mm_movemask_epi8(blank) ^ 0xffffU;
}

#endif

/* The first quote, backslash, control or non-ASCII byte, or *end*: what precedes is plain text.
 * Keys are short and prose is long: one step of 16 bytes, then steps of 64. */
static inline const char *fl_json_special(const char *p, const char *end)
{
#ifdef FL_JSON_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = fl_json_bits(fl_json_specials(fl_json_load(p)));
        if (mask != 0) {
            return fl_json_first(p, mask);
        }
    }
#endif
    while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

/* The same, or a place before it: looks no further than a few bytes. */
static inline const char *fl_json_special_near(const char *p, const char *end)
{
#ifdef FL_JSON_SSE2
    if (end - p >= 16) {
        unsigned mask = fl_json_bits(fl_json_specials(fl_json_load(p)));
        return mask != 0 ? fl_json_first(p, mask) : p + 16;
    }
#else
    (void)end;
#endif
    return p;
}

/* The first quote or backslash, or *end*; for text already known to be valid. */
static inline const char *fl_json_mark(const char *p, const char *end)
{
#ifdef FL_JSON_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = (unsigned)_mm_movemask_epi8(fl_json_marks(fl_json_load(p)));
        if (mask != 0) {
            return fl_json_first(p, mask);
        }
    }
#endif
    while (p < end && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

/* The next quote that is followed by what follows it in one of *quoted*, or *end*. */
static inline const char *fl_json_quote_before(const char *p, const char *end,
                                               const struct fl_slice *quoted, unsigned count)
{
#ifdef FL_JSON_SSE2
    for (; end - p > 16; p += 16) {
        __m128i next = fl_json_load(p + 1), found = _mm_setzero_si128();
        for (unsigned i = 0; i < count; i++) {
            found = _mm_or_si128(found, _mm_cmpeq_epi8(next, _mm_set1_epi8(quoted[i].ptr[1])));
        }
        unsigned mask =
            fl_json_bits(_mm_and_si128(found, _mm_cmpeq_epi8(fl_json_load(p), _mm_set1_epi8('"'))));
        if (mask != 0) {
            return fl_json_first(p, mask);
        }
    }
#else
    (void)quoted;
    (void)count;
#endif
    while (p < end && *p != '"') {
        p++;
    }
    return p;
}

/* Wide steps begin only at what looks like indentation. */
static const char *fl_json_solid_far(const char *p, const char *end)
{
    if (p < end && !fl_json_is_blank(*p)) {
        return p;
    }
    if (end - p >= 2 && !fl_json_is_blank(p[1])) {
        return p + 1;
    }
#ifdef FL_JSON_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = fl_json_solid_mask(p);
        if (mask != 0) {
            return fl_json_first(p, mask);
        }
    }
#endif
    while (p < end && fl_json_is_blank(*p)) {
        p++;
    }
    return p;
}

/* The first byte that is no white space, or *end*. Mostly there is none or one. */
static inline const char *fl_json_solid(const char *p, const char *end)
{
    return p < end && *p > ' ' ? p : fl_json_solid_far(p, end);
}

#endif

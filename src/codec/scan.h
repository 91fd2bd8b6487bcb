/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to codec: finds the first byte of a class, 16 bytes at a time where the machine has SSE2
 * (every x86-64), one at a time elsewhere or with FL_NO_SIMD. Each returns *end* when there is none
 * and never reads at or past *end*. What heads are gone over with has an AVX2 form too (_wide), for
 * machines that say they have it: fl_scan_wide().
 */
#ifndef FL_CODEC_SCAN_H
#define FL_CODEC_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(FL_NO_SIMD)
#define FL_SCAN_SSE2 1
#include <immintrin.h>
#else
#define FL_SCAN_SSE2 0
#endif

/* Visible ASCII, space or tab: what a strict field value is made of. */
static inline bool fl_scan_is_text(char c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\t';
}

/* A control byte other than tab: what stands in no line. DEL is one, 0x80-0xff are not. */
static inline bool fl_scan_is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

#if FL_SCAN_SSE2
static inline __m128i fl_scan_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i fl_scan_equal(__m128i x, char c)
{
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

static inline __m128i fl_scan_but_tab(__m128i x, __m128i found)
{
    return _mm_andnot_si128(fl_scan_equal(x, '\t'), _mm_or_si128(found, fl_scan_equal(x, 0x7f)));
}

/* Signed: 0x80-0xff are below the space too. */
static inline __m128i fl_scan_where_not_text(__m128i x)
{
    return fl_scan_but_tab(x, _mm_cmplt_epi8(x, _mm_set1_epi8(0x20)));
}

static inline __m128i fl_scan_where_control(__m128i x)
{
    return fl_scan_but_tab(x, _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x));
}

/* All that may count as odd, cheaply: controls, tab, DEL and 0x80-0xff. Signed, and one up, so that
 * DEL is below the space too. */
static inline __m128i fl_scan_maybe_odd(__m128i x)
{
    return _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8(1)), _mm_set1_epi8(0x21));
}

static inline unsigned fl_scan_mask(__m128i found)
{
    return (unsigned)_mm_movemask_epi8(found);
}

static inline uint64_t fl_scan_mask64(__m128i a, __m128i b, __m128i c, __m128i d)
{
    return (uint64_t)fl_scan_mask(a) | (uint64_t)fl_scan_mask(b) << 16 |
           (uint64_t)fl_scan_mask(c) << 32 | (uint64_t)fl_scan_mask(d) << 48;
}

/* Bytes other than letters, digits and '-': the end of nearly every header name. */
static inline unsigned fl_scan_mask_not_word(const char *p)
{
    __m128i x = fl_scan_load(p), lower = _mm_or_si128(x, _mm_set1_epi8(0x20));
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
                                   _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8('0' - 1)),
                                  _mm_cmplt_epi8(x, _mm_set1_epi8('9' + 1)));
    __m128i dash = _mm_cmpeq_epi8(x, _mm_set1_epi8('-'));
    return fl_scan_mask(_mm_or_si128(_mm_or_si128(letter, digit), dash)) ^ 0xffffU;
}

static inline unsigned fl_scan_mask_eol(const char *p)
{
    __m128i x = fl_scan_load(p);
    return fl_scan_mask(_mm_or_si128(fl_scan_equal(x, '\r'), fl_scan_equal(x, '\n')));
}
#endif

/* What 64 bytes hold, the first one in bit 0. */
struct fl_scan_block {
    uint64_t cr, lf;
    uint64_t odd; /* control bytes, CR and LF among them; without *obs_text* also 0x80-0xff */
};

/* Inlined at any price: as a call it would pass its 24 bytes through memory. */
__attribute__((always_inline)) static inline struct fl_scan_block fl_scan_block(const char *p,
                                                                                bool obs_text)
{
#if FL_SCAN_SSE2
    __m128i x0 = fl_scan_load(p), x1 = fl_scan_load(p + 16);
    __m128i x2 = fl_scan_load(p + 32), x3 = fl_scan_load(p + 48);
    struct fl_scan_block b = {
        fl_scan_mask64(fl_scan_equal(x0, '\r'), fl_scan_equal(x1, '\r'), fl_scan_equal(x2, '\r'),
                       fl_scan_equal(x3, '\r')),
        fl_scan_mask64(fl_scan_equal(x0, '\n'), fl_scan_equal(x1, '\n'), fl_scan_equal(x2, '\n'),
                       fl_scan_equal(x3, '\n')),
        fl_scan_mask64(fl_scan_maybe_odd(x0), fl_scan_maybe_odd(x1), fl_scan_maybe_odd(x2),
                       fl_scan_maybe_odd(x3)),
    };
    if (__builtin_expect(b.odd != (b.cr | b.lf), 0)) { /* tabs, or indeed something odd */
        b.odd = obs_text ? fl_scan_mask64(fl_scan_where_control(x0), fl_scan_where_control(x1),
                                          fl_scan_where_control(x2), fl_scan_where_control(x3))
                         : fl_scan_mask64(fl_scan_where_not_text(x0), fl_scan_where_not_text(x1),
                                          fl_scan_where_not_text(x2), fl_scan_where_not_text(x3));
    }
#else
    struct fl_scan_block b = {0, 0, 0};
    for (unsigned i = 0; i < 64; i++) {
        bool odd = obs_text ? fl_scan_is_control(p[i]) : !fl_scan_is_text(p[i]);
        b.cr |= (uint64_t)(p[i] == '\r') << i;
        b.lf |= (uint64_t)(p[i] == '\n') << i;
        b.odd |= (uint64_t)odd << i;
    }
#endif
    return b;
}

#if FL_SCAN_SSE2
static inline bool fl_scan_wide(void)
{
    return __builtin_cpu_supports("avx2");
}

#define FL_SCAN_WIDE __attribute__((target("avx2"), always_inline)) static inline

FL_SCAN_WIDE uint64_t fl_scan_mask64_wide(__m256i a, __m256i b)
{
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

FL_SCAN_WIDE uint64_t fl_scan_equal64_wide(__m256i a, __m256i b, char c)
{
    __m256i all = _mm256_set1_epi8(c);
    return fl_scan_mask64_wide(_mm256_cmpeq_epi8(a, all), _mm256_cmpeq_epi8(b, all));
}

/* fl_scan_maybe_odd() */
FL_SCAN_WIDE __m256i fl_scan_maybe_odd_wide(__m256i x)
{
    return _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), _mm256_add_epi8(x, _mm256_set1_epi8(1)));
}

/* fl_scan_block() */
FL_SCAN_WIDE struct fl_scan_block fl_scan_block_wide(const char *p, bool obs_text)
{
    __m256i x0 = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i x1 = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    struct fl_scan_block b = {
        fl_scan_equal64_wide(x0, x1, '\r'),
        fl_scan_equal64_wide(x0, x1, '\n'),
        fl_scan_mask64_wide(fl_scan_maybe_odd_wide(x0), fl_scan_maybe_odd_wide(x1)),
    };
    return __builtin_expect(b.odd != (b.cr | b.lf), 0) ? fl_scan_block(p, obs_text) : b;
}
#endif

#if FL_SCAN_SSE2
/* All of 1 to 16 bytes and nothing else, some of them twice. */
static inline __m128i fl_scan_load_short(const char *p, size_t len)
{
    if (len >= 8) {
        uint64_t first, last;
        memcpy(&first, p, 8);
        memcpy(&last, p + len - 8, 8);
        return _mm_set_epi64x((long long)last, (long long)first);
    }
    if (len >= 4) {
        int first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + len - 4, 4);
        return _mm_set_epi32(last, first, last, first);
    }
    char first = p[0], middle = p[len / 2], last = p[len - 1];
    return _mm_set_epi8(first, middle, last, first, first, middle, last, first, first, middle, last,
                        first, first, middle, last, first);
}
#endif

/* Is every byte text? */
static inline bool fl_scan_all_text(const char *p, size_t len)
{
#if FL_SCAN_SSE2
    for (; len > 16; p += 16, len -= 16) {
        if (fl_scan_mask(fl_scan_where_not_text(fl_scan_load(p))) != 0) {
            return false;
        }
    }
    return len == 0 || fl_scan_mask(fl_scan_where_not_text(fl_scan_load_short(p, len))) == 0;
#else
    while (len > 0 && fl_scan_is_text(*p)) {
        p++;
        len--;
    }
    return len == 0;
#endif
}

/* The first control byte, CR and LF among them. */
static inline const char *fl_scan_control(const char *p, const char *end)
{
#if FL_SCAN_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = fl_scan_mask(fl_scan_where_control(fl_scan_load(p)));
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    while (p < end && !fl_scan_is_control(*p)) {
        p++;
    }
    return p;
}

/* Skips letters, digits and '-': may stop before the first other byte, never behind it. 32 bytes at
 * once, because a loop that runs once or twice would be guessed wrong half the time. */
static inline const char *fl_scan_word(const char *p, const char *end)
{
#if FL_SCAN_SSE2
    for (; end - p >= 32; p += 32) {
        unsigned mask = fl_scan_mask_not_word(p) | fl_scan_mask_not_word(p + 16) << 16;
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
#else
    (void)end;
#endif
    return p;
}

/* The first CR or LF. */
static inline const char *fl_scan_eol(const char *p, const char *end)
{
#if FL_SCAN_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = fl_scan_mask_eol(p);
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    while (p < end && *p != '\r' && *p != '\n') {
        p++;
    }
    return p;
}

#endif

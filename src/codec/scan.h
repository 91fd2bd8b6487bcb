/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to codec: finds the first byte of a class, 16 bytes at a time where the machine has SSE2
 * (every x86-64), one at a time elsewhere or with FL_NO_SIMD. Each returns *end* when there is none
 * and never reads at or past *end*.
 */
#ifndef FL_CODEC_SCAN_H
#define FL_CODEC_SCAN_H

#include <stdbool.h>

#if defined(__SSE2__) && !defined(FL_NO_SIMD)
#define FL_SCAN_SSE2 1
#include <emmintrin.h>
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

static inline unsigned fl_scan_mask_not_text(const char *p)
{
    __m128i x = fl_scan_load(p);
    /* Signed: 0x80-0xff are below the space too. */
    __m128i out = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(0x20)),
                               _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(
        _mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\t')), out));
}

static inline unsigned fl_scan_mask_control(const char *p)
{
    __m128i x = fl_scan_load(p);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
    __m128i out = _mm_or_si128(low, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(
        _mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\t')), out));
}

static inline unsigned fl_scan_mask_eol(const char *p)
{
    __m128i x = fl_scan_load(p);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\r')),
                                                    _mm_cmpeq_epi8(x, _mm_set1_epi8('\n'))));
}
#endif

/* The first byte that is not text. */
static inline const char *fl_scan_not_text(const char *p, const char *end)
{
#if FL_SCAN_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = fl_scan_mask_not_text(p);
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    while (p < end && fl_scan_is_text(*p)) {
        p++;
    }
    return p;
}

/* The first control byte, CR and LF among them. */
static inline const char *fl_scan_control(const char *p, const char *end)
{
#if FL_SCAN_SSE2
    for (; end - p >= 16; p += 16) {
        unsigned mask = fl_scan_mask_control(p);
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

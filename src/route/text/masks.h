/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64 bytes of text as one bit mask per class of byte; bit i stands for byte i. Three ways to the
 * same masks: AVX2 and SSE2 by comparing, a table elsewhere (and with FL_TEXT_SCALAR, for tests).
 * Included by block.h only.
 */
#ifndef FL_ROUTE_TEXT_MASKS_H
#define FL_ROUTE_TEXT_MASKS_H

#include <stdint.h>
#include <string.h>

struct masks {
    uint64_t high;     /* outside ASCII */
    uint64_t letter;   /* A-Z a-z */
    uint64_t upper;    /* A-Z */
    uint64_t digit;    /* 0-9 */
    uint64_t space;    /* space, tab */
    uint64_t line;     /* \n \r */
    uint64_t question; /* ? */
    uint64_t tick;     /* ` */
    uint64_t base64;   /* + / = */
    uint64_t math;     /* * ^ \ < > */
};

#if defined(__SSE2__) && !defined(FL_TEXT_SCALAR)

#if defined(__AVX2__)
#include <immintrin.h>
typedef __m256i fl_vec;
enum { vec_bytes = 32 };
#define V_LOAD(p)    _mm256_loadu_si256((const void *)(p))
#define V_SET(c)     _mm256_set1_epi8((char)(c))
#define V_EQ(v, c)   _mm256_cmpeq_epi8(v, V_SET(c))
#define V_OR(a, b)   _mm256_or_si256(a, b)
#define V_AND(a, b)  _mm256_and_si256(a, b)
#define V_ADD(a, b)  _mm256_add_epi8(a, b)
#define V_LESS(a, b) _mm256_cmpgt_epi8(b, a)
#define V_MASK(v)    ((uint64_t)(uint32_t)_mm256_movemask_epi8(v))
#else
#include <emmintrin.h>
typedef __m128i fl_vec;
enum { vec_bytes = 16 };
#define V_LOAD(p)    _mm_loadu_si128((const void *)(p))
#define V_SET(c)     _mm_set1_epi8((char)(c))
#define V_EQ(v, c)   _mm_cmpeq_epi8(v, V_SET(c))
#define V_OR(a, b)   _mm_or_si128(a, b)
#define V_AND(a, b)  _mm_and_si128(a, b)
#define V_ADD(a, b)  _mm_add_epi8(a, b)
#define V_LESS(a, b) _mm_cmplt_epi8(a, b)
#define V_MASK(v)    ((uint64_t)(uint32_t)_mm_movemask_epi8(v))
#endif

/* Bytes in first .. first + count - 1: moved so that the range begins at the least signed byte. */
static inline fl_vec in_range(fl_vec v, unsigned char first, unsigned char count)
{
    return V_LESS(V_ADD(v, V_SET(0x80 - first)), V_SET(count - 0x80));
}

static inline fl_vec is_letter(fl_vec v)
{
    return in_range(V_OR(v, V_SET(0x20)), 'a', 26);
}

static inline fl_vec is_upper(fl_vec v)
{
    return in_range(v, 'A', 26);
}

static inline fl_vec is_digit(fl_vec v)
{
    return in_range(v, '0', 10);
}

static inline fl_vec is_space(fl_vec v)
{
    return V_OR(V_EQ(v, ' '), V_EQ(v, '\t'));
}

static inline fl_vec is_line(fl_vec v)
{
    return V_OR(V_EQ(v, '\n'), V_EQ(v, '\r'));
}

static inline fl_vec is_base64(fl_vec v)
{
    return V_OR(V_OR(V_EQ(v, '+'), V_EQ(v, '/')), V_EQ(v, '='));
}

static inline fl_vec is_math(fl_vec v)
{
    fl_vec star = V_OR(V_OR(V_EQ(v, '*'), V_EQ(v, '<')), V_EQ(v, '>'));
    return V_OR(star, V_OR(V_EQ(v, '^'), V_EQ(v, '\\')));
}

static inline fl_vec is_high(fl_vec v)
{
    return v;
}

static inline fl_vec is_question(fl_vec v)
{
    return V_EQ(v, '?');
}

static inline fl_vec is_tick(fl_vec v)
{
    return V_EQ(v, '`');
}

#if defined(__AVX2__)
#define MASK_OF(test) (V_MASK(test(v0)) | V_MASK(test(v1)) << 32)
#else
#define MASK_OF(test)                                                                              \
    (V_MASK(test(v0)) | V_MASK(test(v1)) << 16 | V_MASK(test(v2)) << 32 | V_MASK(test(v3)) << 48)
#endif

static inline struct masks masks_of(const unsigned char *p)
{
    fl_vec v0 = V_LOAD(p), v1 = V_LOAD(p + vec_bytes);
#if !defined(__AVX2__)
    fl_vec v2 = V_LOAD(p + 2 * vec_bytes), v3 = V_LOAD(p + 3 * vec_bytes);
#endif
    return (struct masks){
        .high = MASK_OF(is_high),
        .letter = MASK_OF(is_letter),
        .upper = MASK_OF(is_upper),
        .digit = MASK_OF(is_digit),
        .space = MASK_OF(is_space),
        .line = MASK_OF(is_line),
        .question = MASK_OF(is_question),
        .tick = MASK_OF(is_tick),
        .base64 = MASK_OF(is_base64),
        .math = MASK_OF(is_math),
    };
}

/* Bytes that begin a character of several bytes. */
static inline fl_vec is_lead(fl_vec v)
{
    return V_AND(v, V_LESS(V_SET(0xbf), v)); /* signed: 0xc0 to 0xff lie between 0xbf and 0 */
}

static inline uint64_t leads_of(const unsigned char *p)
{
    fl_vec v0 = V_LOAD(p), v1 = V_LOAD(p + vec_bytes);
#if !defined(__AVX2__)
    fl_vec v2 = V_LOAD(p + 2 * vec_bytes), v3 = V_LOAD(p + 3 * vec_bytes);
#endif
    return MASK_OF(is_lead);
}

#else

/* One byte of the word for each class. */
#define NO UINT64_C(0)
#define LT (UINT64_C(1) << 0)
#define DG (UINT64_C(1) << 8)
#define SP (UINT64_C(1) << 16)
#define LN (UINT64_C(1) << 24)
#define QU (UINT64_C(1) << 32)
#define TK (UINT64_C(1) << 40)
#define B6 (UINT64_C(1) << 48)
#define MA (UINT64_C(1) << 56)
/* clang-format off */
static const uint64_t lane_of[128] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, SP, LN, NO, NO, LN, NO, NO, /* 00 */
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /* 10 */
    SP, NO, NO, NO, NO, NO, NO, NO, NO, NO, MA, B6, NO, NO, NO, B6, /* 20 */
    DG, DG, DG, DG, DG, DG, DG, DG, DG, DG, NO, NO, MA, B6, MA, QU, /* 30 */
    NO, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, /* 40 */
    LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, NO, MA, NO, MA, NO, /* 50 */
    TK, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, /* 60 */
    LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, LT, NO, NO, NO, NO, NO, /* 70 */
};
/* clang-format on */
#undef NO
#undef LT
#undef DG
#undef SP
#undef LN
#undef QU
#undef TK
#undef B6
#undef MA

/* The top bit of each byte of *w*, first byte first. */
static inline uint64_t top_bits(uint64_t w)
{
    return (w & UINT64_C(0x8080808080808080)) * UINT64_C(0x0002040810204081) >> 56;
}

static inline uint64_t eight(const unsigned char *p)
{
    uint64_t w = 0;
    for (unsigned i = 0; i < 8; i++) {
        w |= (uint64_t)p[i] << 8 * i;
    }
    return w;
}

/* Eight bytes a turn: the class of byte i is set in bit i of its lane. */
static inline struct masks masks_of(const unsigned char *p)
{
    struct masks m = {0};
    for (unsigned at = 0; at < 64; at += 8) {
        uint64_t w = eight(p + at), lanes = 0;
        for (unsigned i = 0; i < 8; i++) {
            lanes |= (p[at + i] < 0x80 ? lane_of[p[at + i]] : 0) << i;
        }
        m.high |= top_bits(w) << at;
        m.letter |= (lanes & 0xff) << at;
        m.upper |= (lanes & 0xff & ~top_bits(w << 2)) << at; /* 0x20 makes a letter small */
        m.digit |= (lanes >> 8 & 0xff) << at;
        m.space |= (lanes >> 16 & 0xff) << at;
        m.line |= (lanes >> 24 & 0xff) << at;
        m.question |= (lanes >> 32 & 0xff) << at;
        m.tick |= (lanes >> 40 & 0xff) << at;
        m.base64 |= (lanes >> 48 & 0xff) << at;
        m.math |= (lanes >> 56) << at;
    }
    return m;
}

/* Bytes that begin a character of several bytes. */
static inline uint64_t leads_of(const unsigned char *p)
{
    uint64_t lead = 0;
    for (unsigned at = 0; at < 64; at += 8) {
        uint64_t w = eight(p + at);
        lead |= top_bits(w & w << 1) << at;
    }
    return lead;
}

#endif

#if defined(__POPCNT__) || defined(__aarch64__)
#define ONES(x) ((uint32_t)__builtin_popcountll(x))
#else
static inline uint32_t ones(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(x * UINT64_C(0x0101010101010101) >> 56);
}
#define ONES(x) ones(x)
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which words and ideographs are one token in two vocabularies: hashed sets without their members,
 * made by tools/text_vocabulary.py from public rank files. One word in seven that is not
 * in the set passes as one that is; the coefficients of estimate.c were fitted knowing that.
 */
#ifndef FL_ROUTE_TEXT_VOCABULARY_H
#define FL_ROUTE_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    fl_vocabulary_word_min = 6, /* bytes; shorter words are not looked up */
    fl_vocabulary_word_bits = 18,
    fl_vocabulary_old = 32, /* bit of fl_vocabulary_word() */
    fl_vocabulary_pair_bits = 15,
    fl_vocabulary_ideograph_first = 0x4e00,
    fl_vocabulary_ideographs = 0x5200
};

/* Of 32 hashes: the words of o200k below, those of cl100k above. */
extern const uint64_t fl_vocabulary_words[1 << (fl_vocabulary_word_bits - 5)];
extern const uint64_t fl_vocabulary_pairs[1 << (fl_vocabulary_pair_bits - 6)];
extern const uint64_t fl_vocabulary_singles[fl_vocabulary_ideographs / 64];

static inline uint64_t fl_vocabulary_four(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

/* For the word of *len* >= fl_vocabulary_word_min bytes at *word*: bit 0, it is in o200k; bit 32,
 * it is in cl100k, an older vocabulary with few words that are not English; other bits mean
 * nothing. Of a word longer than twelve bytes its ends and its middle are looked at. */
static inline uint64_t fl_vocabulary_word(const unsigned char *word, unsigned len)
{
    uint64_t ends = fl_vocabulary_four(word) | fl_vocabulary_four(word + len - 4) << 32;
    uint64_t middle = fl_vocabulary_four(word + len / 2 - 2) + ((uint64_t)len << 32);
    uint64_t h = (ends ^ middle * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    h >>= 64 - fl_vocabulary_word_bits;
    return fl_vocabulary_words[h >> 5] >> (h & 31);
}

/* Are two neighbouring ideographs one token? */
static inline uint32_t fl_vocabulary_has_pair(uint32_t first, uint32_t second)
{
    uint64_t h = ((uint64_t)first << 32 | second) * UINT64_C(0x9e3779b97f4a7c15);
    h >>= 64 - fl_vocabulary_pair_bits;
    return (uint32_t)(fl_vocabulary_pairs[h >> 6] >> (h & 63) & 1);
}

/* Is the ideograph a token of its own? 1 or 0, like the one above. */
static inline uint32_t fl_vocabulary_has_single(uint32_t ideograph)
{
    uint32_t at = ideograph - fl_vocabulary_ideograph_first;
    return at < fl_vocabulary_ideographs
               ? (uint32_t)(fl_vocabulary_singles[at >> 6] >> (at & 63) & 1)
               : 0;
}

#endif

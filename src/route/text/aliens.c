/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A character's class is read from its first byte, and from its second where the first is shared by
 * several scripts. Bytes that are not UTF-8 are counted as FL_TEXT_OTHER and never read past.
 */
#include "route/text/aliens.h"

#include "route/text/vocabulary.h"

enum { /* first bytes that do not tell */
       ask_cd = FL_TEXT_COUNTS,
       ask_d4,
       ask_e0,
       ask_e1,
       ask_e3,
       ask_ea,
       ask_ef
};

/* By first byte, from 0xc0. */
#define MARKED   FL_TEXT_MARKED
#define OTHER    FL_TEXT_OTHER
#define GREEK    FL_TEXT_GREEK
#define CYRILLIC FL_TEXT_CYRILLIC
#define HEBREW   FL_TEXT_HEBREW
#define ARABIC   FL_TEXT_ARABIC
#define SYMBOL   FL_TEXT_SYMBOL
#define HAN      FL_TEXT_IDEOGRAPH
#define HANGUL   FL_TEXT_HANGUL
#define ASTRAL   FL_TEXT_ASTRAL
static const unsigned char class_of_first[64] = {
    OTHER,    OTHER,    SYMBOL,   MARKED,   MARKED, MARKED, MARKED, MARKED, /* c0 */
    MARKED,   MARKED,   OTHER,    OTHER,    OTHER,  ask_cd, GREEK,  GREEK,  /* c8 */
    CYRILLIC, CYRILLIC, CYRILLIC, CYRILLIC, ask_d4, OTHER,  HEBREW, HEBREW, /* d0 */
    ARABIC,   ARABIC,   ARABIC,   ARABIC,   OTHER,  OTHER,  OTHER,  OTHER,  /* d8 */
    ask_e0,   ask_e1,   SYMBOL,   ask_e3,   HAN,    HAN,    HAN,    HAN,    /* e0 */
    HAN,      HAN,      ask_ea,   HANGUL,   HANGUL, HANGUL, OTHER,  ask_ef, /* e8 */
    ASTRAL,   ASTRAL,   ASTRAL,   ASTRAL,   ASTRAL, OTHER,  OTHER,  OTHER,  /* f0 */
    OTHER,    OTHER,    OTHER,    OTHER,    OTHER,  OTHER,  OTHER,  OTHER,  /* f8 */
};

#define BIT(class) (UINT64_C(1) << (class))
static const uint64_t letters_other = BIT(FL_TEXT_OTHER) | BIT(FL_TEXT_GREEK) |
                                      BIT(FL_TEXT_CYRILLIC) | BIT(FL_TEXT_HEBREW) |
                                      BIT(FL_TEXT_ARABIC) | BIT(FL_TEXT_INDIC) | BIT(FL_TEXT_THAI);

static unsigned class_of_second(unsigned ask, unsigned char b)
{
    switch (ask) {
    case ask_cd: /* U+0340, Greek from U+0370 */
        return b >= 0xb0 ? GREEK : OTHER;
    case ask_d4: /* U+0500, Armenian from U+0530 */
        return b < 0xb0 ? CYRILLIC : OTHER;
    case ask_e0: /* U+0800 */
        return b < 0xa4 || b >= 0xbc ? OTHER : b < 0xb8 ? FL_TEXT_INDIC : FL_TEXT_THAI;
    case ask_e1: /* U+1000: hangul letters U+1100, Latin U+1E00, Greek U+1F00 */
        return b >= 0xbc ? GREEK : b >= 0xb8 ? MARKED : b >= 0x84 && b <= 0x87 ? HANGUL : OTHER;
    case ask_e3: /* U+3000: punctuation, kana U+3040, hangul letters U+3130, ideographs U+3400 */
        return b == 0x80   ? FL_TEXT_CJK_PUNCT
               : b <= 0x83 ? FL_TEXT_KANA
               : b <= 0x86 ? HANGUL
               : b < 0x90  ? OTHER
                           : HAN;
    case ask_ea: /* U+A000, hangul from U+AC00 */
        return b >= 0xb0 ? HANGUL : OTHER;
    default: /* U+F000: ideographs U+F900, selectors U+FE00, full width U+FF00, half-width kana */
        return b == 0xbc || b == 0xbd   ? FL_TEXT_CJK_PUNCT
               : b == 0xbe              ? FL_TEXT_KANA
               : b == 0xb8              ? SYMBOL
               : b >= 0xa4 && b <= 0xab ? HAN
                                        : OTHER;
    }
}

/* An ideograph at *at* may end a pair only with the one right before it, and only when that one
 * does not end a pair itself. Whether two make a pair is asked for all neighbours, so that no
 * answer waits for another. */
struct han {
    uint32_t before; /* the ideograph right before, or 0 */
    uint32_t taken;  /* 1: it ended a pair */
    uint32_t count, pairs, unusual;
};

/* Ideographs of three bytes from *p* on while they last; returns the bytes they take. */
static unsigned add_ideographs(struct han *h, const unsigned char *p, unsigned room)
{
    uint32_t before = h->before, taken = h->taken, pairs = 0, usual = 0;
    unsigned at = 0;
    do {
        const unsigned char *q = p + at;
        uint32_t code = (q[0] & 0xfU) << 12 | (q[1] & 0x3fU) << 6 | (q[2] & 0x3fU);
        /* Without branches: whether it is so is as good as random. */
        uint32_t pair = fl_vocabulary_has_pair(before, code) & (before != 0);
        taken = pair & ~taken;
        pairs += taken;
        usual += fl_vocabulary_has_single(code);
        before = code;
        at += 3;
    } while (at + 3 <= room && p[at] >= 0xe4 && p[at] <= 0xe9);
    h->before = before;
    h->taken = taken;
    h->pairs += pairs;
    h->count += at / 3;
    h->unusual += at / 3 - usual;
    return at;
}

static inline unsigned class_at(const unsigned char *p)
{
    unsigned class = class_of_first[p[0] - 0xc0];
    return class < FL_TEXT_COUNTS ? class : class_of_second(class, p[1]);
}

static unsigned width_of(unsigned char first)
{
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 1;
}

static inline uint64_t below(unsigned bit)
{
    return bit >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << bit) - 1;
}

uint64_t fl_aliens_count(struct fl_classes *c, const unsigned char *p, struct fl_aliens aliens)
{
    uint64_t marked = 0, covered = 0;
    struct han han = {.before = c->ideograph, .taken = c->ideograph_taken};
    bool in_word = c->before.alien;
    unsigned next = 0; /* where the character before ended */
    uint64_t lead = aliens.lead;
    while (lead != 0) {
        unsigned at = (unsigned)__builtin_ctzll(lead), class = class_at(p + at);
        uint64_t bytes = ((UINT64_C(1) << width_of(p[at])) - 1) << at;
        bool adjacent = at == next;
        han.before = adjacent ? han.before : 0;
        if (class == HAN &&
            at + 3 <= aliens.used) { /* not a cut one among bytes that are no text */
            next = at + add_ideographs(&han, p + at, aliens.used - at);
            covered |= below(next) & ~below(at);
            lead &= ~below(next);
            in_word = false;
            continue;
        }
        han.before = 0;
        next = at + width_of(p[at]);
        covered |= bytes;
        lead &= lead - 1;
        c->count[class]++;
        marked |= class == MARKED ? bytes : 0;
        bool other = (letters_other >> class & 1) != 0;
        c->count[FL_TEXT_WORD_OTHER] += other && !(in_word && adjacent);
        in_word = other;
    }
    for (uint64_t stray = aliens.high & ~covered; stray != 0; stray &= stray - 1) {
        c->count[OTHER]++;
    }
    c->ideograph = next < aliens.used ? 0 : han.before;
    c->ideograph_taken = han.taken;
    c->before.alien = in_word && next >= aliens.used;
    c->count[HAN] += han.count;
    c->count[FL_TEXT_PAIR] += han.pairs;
    c->count[FL_TEXT_UNUSUAL] += han.unusual;
    return marked & aliens.high;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of fl_classes_read(), compiled once for any processor (classes.c) and once for those
 * with AVX2 (classes_avx2.c); both give the same counts. Everything about ASCII is arithmetic on
 * masks: a run begins where a bit is set and the one before is not.
 */
#ifndef FL_ROUTE_TEXT_BLOCK_H
#define FL_ROUTE_TEXT_BLOCK_H

#include "route/text/aliens.h"
#include "route/text/classes.h"
#include "route/text/masks.h"
#include "route/text/vocabulary.h"

/* Bit i of the result: bit i - k of *m*, or of what came before it. */
static inline uint64_t back(uint64_t m, uint64_t before, unsigned k)
{
    return m << k | before >> (64 - k);
}

static inline uint64_t low_bits(unsigned n)
{
    return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

static inline unsigned zeros_low(uint64_t x)
{
    return x == 0 ? 64 : (unsigned)__builtin_ctzll(x);
}

static inline unsigned zeros_high(uint64_t x)
{
    return x == 0 ? 64 : (unsigned)__builtin_clzll(x);
}

/* Bytes that may be consumed of a full block. */
static inline unsigned whole_part(const struct masks *m, const unsigned char *p)
{
    unsigned tail = zeros_high(~(m->letter | m->digit | m->high));
    if (tail < fl_classes_whole) {
        return 64 - tail;
    }
    unsigned used = 64;
    for (unsigned k = 1; k <= 3; k++) {
        unsigned char b = p[64 - k];
        if (b >= 0xc0 && (b >= 0xf0 ? 4U : b >= 0xe0 ? 3U : 2U) > k) {
            used = 64 - k;
        }
    }
    return used;
}

static inline void keep(struct masks *m, uint64_t part)
{
    m->high &= part;
    m->letter &= part;
    m->upper &= part;
    m->digit &= part;
    m->space &= part;
    m->line &= part;
    m->question &= part;
    m->tick &= part;
    m->base64 &= part;
    m->math &= part;
}

/* Words of six bytes and more: *starts* marks their first bytes, *inside* all further bytes of
 * words. */
static inline void count_rare(struct fl_classes *c, const unsigned char *p, uint64_t starts,
                              uint64_t inside, uint64_t spaced)
{
    uint64_t all = starts, rare = starts, old = 0;
    uint32_t more = 0;
    while (starts != 0) {
        unsigned at = zeros_low(starts);
        unsigned len = 1 + zeros_low(~(inside >> at >> 1));
        uint64_t word = fl_vocabulary_word(p + at, len), known = word & 1;
        rare ^= known << at;
        more += (len - 6) & ((uint32_t)known - 1);
        old += word & known << fl_vocabulary_old;
        starts &= starts - 1;
    }
    c->count[FL_TEXT_RARE] += ONES(rare);
    c->count[FL_TEXT_RARE_JOINED] += ONES(rare & ~spaced);
    c->count[FL_TEXT_RARE_MORE] += more;
    c->count[FL_TEXT_FOREIGN] += ONES(all ^ rare) - (uint32_t)(old >> fl_vocabulary_old);
}

static inline void count_words(struct fl_classes *c, const unsigned char *p, const struct masks *m,
                               uint64_t letter, uint64_t punct)
{
    uint64_t small = letter & ~m->upper;
    uint64_t after_letter = back(letter, c->before.letter, 1);
    uint64_t turn = m->upper & back(small, c->before.small, 1);
    uint64_t inside = letter & after_letter & ~turn;
    uint64_t starts = letter & ~inside;
    uint64_t spaced = back(m->space, c->before.space, 1);
    uint64_t two = inside & back(inside, c->before.inside, 1);
    uint64_t four = two & back(two, c->before.two, 2),
             five = four & back(inside, c->before.inside, 4);
    c->count[FL_TEXT_WORD] += ONES(starts);
    c->count[FL_TEXT_CASE] += ONES(turn);
    c->count[FL_TEXT_LONG] += ONES(five & back(inside, c->before.inside, 5));
    c->count[FL_TEXT_LETTER] += ONES(letter);
    c->count[FL_TEXT_CAPITAL] += ONES(starts & m->upper);
    c->count[FL_TEXT_CAPITALS] +=
        ONES(m->upper & inside & back(m->upper, c->before.letter & ~c->before.small, 1));
    c->count[FL_TEXT_JOINED] += ONES(starts & back(punct, c->before.punct, 1) &
                                     ~back(punct | m->space, c->before.punct | c->before.space, 2));
    if (inside & 1) { /* a word longer than a block goes on */
        c->count[FL_TEXT_RARE_MORE] += zeros_low(~inside);
    }
    count_rare(c, p, starts & five >> 5, inside, spaced);
    c->before.letter = letter;
    c->before.small = small;
    c->before.inside = inside;
    c->before.two = two;
}

static inline void count_digits(struct fl_classes *c, const struct masks *m, unsigned used)
{
    uint64_t digit = m->digit;
    uint64_t starts = digit & ~back(digit, c->before.digit, 1);
    uint64_t three = digit & digit << 1 & digit << 2 & digit << 3; /* three digits before, here */
    uint32_t groups = 0;
    if (digit & ~starts & 1) { /* a number that began before the block goes on */
        unsigned more = zeros_low(~digit);
        groups += (c->digits + more + 2) / 3 - (c->digits + 2) / 3;
        c->digits = more == used ? (c->digits + more) % 3 : 0;
    }
    for (uint64_t group = starts; group != 0; group = group << 3 & three) {
        groups += ONES(group);
    }
    c->count[FL_TEXT_NUMBER] += groups;
    c->count[FL_TEXT_DIGIT] += ONES(digit);
    c->count[FL_TEXT_SPACE_DIGIT] += ONES(starts & back(m->space, c->before.space, 1));
    c->before.digit = digit << (64 - used);
    if (c->before.digit >> 63 != 0 && starts != 0) {
        c->digits = zeros_high(~c->before.digit) % 3;
    }
}

static inline void count_gaps(struct fl_classes *c, const struct masks *m, uint64_t punct)
{
    uint64_t after_punct = back(punct, c->before.punct, 1);
    uint64_t after_space = back(m->space, c->before.space, 1);
    uint64_t breaks = m->line & ~back(m->line, c->before.line, 1);
    c->count[FL_TEXT_PUNCT] += ONES(punct & ~after_punct);
    c->count[FL_TEXT_PUNCT_MORE] += ONES(punct & after_punct);
    c->count[FL_TEXT_BREAK] += ONES(breaks);
    c->count[FL_TEXT_PUNCT_BREAK] += ONES(breaks & after_punct);
    c->count[FL_TEXT_GAP] += ONES(m->space & after_space & ~back(m->space, c->before.space, 2));
    c->count[FL_TEXT_SPACE] += ONES(m->space);
    c->count[FL_TEXT_LINE] += ONES(m->line);
    c->count[FL_TEXT_MATH] += ONES(m->base64 | m->math);
    if ((m->question | m->tick) != 0) {
        c->count[FL_TEXT_QUESTION] += ONES(m->question);
        uint64_t third =
            m->tick & back(m->tick, c->before.tick, 1) & back(m->tick, c->before.tick, 2);
        c->count[FL_TEXT_FENCE] += ONES(third & ~back(m->tick, c->before.tick, 3));
    }
}

static inline void end_run(struct fl_classes *c)
{
    if (c->run > 64) {
        c->count[c->run_capital ? FL_TEXT_BASE64 : FL_TEXT_HEX] += (uint32_t)c->run;
    }
    c->run = 0;
    c->run_capital = false;
}

static inline void count_runs(struct fl_classes *c, const struct masks *m, unsigned len)
{
    uint64_t in = m->letter | m->digit | m->base64;
    unsigned head = zeros_low(~in); /* <= len: nothing is set from there on */
    c->run += head;
    c->run_capital |= (m->upper & low_bits(head)) != 0;
    if (head < len) {
        end_run(c);
        unsigned tail = zeros_high(~(in << (64 - len)));
        c->run = tail;
        c->run_capital = (m->upper & ~low_bits(len - tail)) != 0;
    }
}

static inline unsigned count_block(struct fl_classes *c, const unsigned char *p, unsigned len)
{
    struct masks m = masks_of(p);
    unsigned used = len < 64 ? len : whole_part(&m, p);
    uint64_t part = low_bits(used), marked = 0;
    keep(&m, part);
    if (m.high != 0) {
        struct fl_aliens aliens = {m.high, leads_of(p) & part, used};
        marked = fl_aliens_count(c, p, aliens);
        c->count[FL_TEXT_HIGH] += ONES(m.high);
    } else {
        c->ideograph = 0;
        c->before.alien = 0;
    }
    uint64_t punct = part & ~(m.letter | m.digit | m.space | m.line | m.high);
    count_words(c, p, &m, m.letter | marked, punct);
    count_digits(c, &m, used);
    count_gaps(c, &m, punct);
    count_runs(c, &m, used);
    unsigned top = 64 - used;
    c->before.letter <<= top;
    c->before.small <<= top;
    c->before.inside <<= top;
    c->before.two <<= top;
    c->before.tick = m.tick << top;
    c->before.punct = punct << top;
    c->before.space = m.space << top;
    c->before.line = m.line << top;
    return used;
}

static inline size_t count_steps(struct fl_classes *c, const unsigned char *p, size_t len)
{
    size_t at = 0;
    while (len - at >= 64) {
        at += count_block(c, p + at, 64);
    }
    return at;
}

#endif

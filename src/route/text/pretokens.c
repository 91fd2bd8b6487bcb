/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules, first match wins (L, M, N: Unicode's letters, marks, numbers; s: white space):
 *
 *   o200k    P? U* W+ C?   P? U+ W* C?   N{1,3}    " "? O+ [\r\n/]*   s* [\r\n]+   s+(?!S)   s+
 *   cl100k   C   P? L+   N{1,3}    " "? O+ [\r\n]*   s+$   s* [\r\n]   s+(?!S)   s+
 *
 * with P anything but \r \n L N, U capitals, W small letters, both of them including letters
 * without case and marks, O anything but s L N, C one of 's 't 're 've 'm 'll 'd in any case.
 *
 * Where the expressions would backtrack, at most two ends of a run are possible, and both are known
 * after one pass over it.
 */
#include "route/text/pretokens.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "route/text/properties.h"

#define BIT(property) (1U << (property))
enum {
    of_letter = BIT(FL_PROPERTY_UPPER) | BIT(FL_PROPERTY_LOWER) | BIT(FL_PROPERTY_LETTER),
    of_both = BIT(FL_PROPERTY_LETTER) | BIT(FL_PROPERTY_MARK),
    of_capitals = of_both | BIT(FL_PROPERTY_UPPER),
    of_small = of_both | BIT(FL_PROPERTY_LOWER),
    of_number = BIT(FL_PROPERTY_NUMBER),
    of_space = BIT(FL_PROPERTY_SPACE),
    of_other = BIT(FL_PROPERTY_OTHER) | BIT(FL_PROPERTY_MARK)
};

struct character {
    unsigned property; /* a bit; 0 past the end */
    unsigned width;
    unsigned char first; /* byte */
};

static uint32_t code_of(const unsigned char *p, size_t width)
{
    switch (width) {
    case 2:
        return (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU);
    case 3:
        return (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
    default:
        return (p[0] & 7U) << 18 | (p[1] & 0x3fU) << 12 | (p[2] & 0x3fU) << 6 | (p[3] & 0x3fU);
    }
}

static struct character character_at(struct fl_slice text, size_t at)
{
    if (at >= text.len) {
        return (struct character){0, 0, 0};
    }
    const unsigned char *p = (const unsigned char *)text.ptr + at;
    if (p[0] < 0x80) {
        return (struct character){BIT(fl_property_of(p[0])), 1, p[0]};
    }
    size_t width = fl_utf8_width(fl_slice_from(text, at));
    if (width == 0) {
        return (struct character){BIT(FL_PROPERTY_OTHER), 1, p[0]};
    }
    return (struct character){BIT(fl_property_of(code_of(p, width))), (unsigned)width, p[0]};
}

/* Past the characters of *wanted* from *at* on. */
static size_t run(struct fl_slice text, size_t at, unsigned wanted)
{
    for (;;) {
        struct character c = character_at(text, at);
        if ((c.property & wanted) == 0) {
            return at;
        }
        at += c.width;
    }
}

/* Bytes of an English contraction at *at*, or 0. The long s is an s, without case. */
static size_t contraction(struct fl_slice text, size_t at)
{
    static const char *const endings[] = {"s", "t", "m", "d", "re", "ve", "ll", "\xc5\xbf"};
    struct fl_slice rest = fl_slice_from(text, at);
    if (rest.len < 2 || rest.ptr[0] != '\'') {
        return 0;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t len = strlen(endings[i]);
        if (rest.len > len &&
            fl_slice_eq_nocase(fl_slice(rest.ptr + 1, len), fl_slice(endings[i], len))) {
            return 1 + len;
        }
    }
    return 0;
}

/* The two rules of o200k for words, from *at* on without P: where they end, or 0. */
static size_t cased_word(struct fl_slice text, size_t at)
{
    size_t end = at, both_end = 0;
    struct character c = character_at(text, end);
    while ((c.property & of_capitals) != 0) {
        end += c.width;
        both_end = (c.property & of_both) != 0 ? end : both_end;
        c = character_at(text, end);
    }
    size_t small_end = run(text, end, of_small);
    /* W+ after all of U*; or it gives back up to the last that may be either. */
    return small_end > end ? small_end : both_end;
}

static size_t o200k_word(struct fl_slice text, struct character first)
{
    bool prefix = (first.property & (of_letter | of_number)) == 0 && first.first != '\r' &&
                  first.first != '\n';
    size_t end = prefix ? cased_word(text, first.width) : 0;
    if (end == 0) {
        end = cased_word(text, 0);
    }
    if (end == 0 && prefix) { /* only capitals */
        end = run(text, first.width, of_capitals);
        end = end > first.width ? end : 0;
    }
    if (end == 0) {
        end = run(text, 0, of_capitals);
    }
    return end > 0 ? end + contraction(text, end) : 0;
}

static size_t cl100k_word(struct fl_slice text, struct character first)
{
    size_t end = contraction(text, 0);
    if (end > 0) {
        return end;
    }
    bool prefix = (first.property & (of_letter | of_number)) == 0 && first.first != '\r' &&
                  first.first != '\n';
    size_t from = prefix ? first.width : 0;
    end = run(text, from, of_letter);
    return end > from ? end : 0;
}

static size_t number(struct fl_slice text)
{
    size_t end = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct character c = character_at(text, end);
        if (c.property != of_number) {
            break;
        }
        end += c.width;
    }
    return end;
}

static size_t others(enum fl_pretokens rule, struct fl_slice text)
{
    size_t from = text.ptr[0] == ' ' ? 1 : 0, end = run(text, from, of_other);
    if (end == from) {
        return 0;
    }
    while (end < text.len && (text.ptr[end] == '\r' || text.ptr[end] == '\n' ||
                              (text.ptr[end] == '/' && rule == FL_PRETOKENS_O200K))) {
        end++;
    }
    return end;
}

static size_t spaces(enum fl_pretokens rule, struct fl_slice text)
{
    size_t end = 0, line_end = 0, last = 0;
    struct character c = character_at(text, 0);
    while ((c.property & of_space) != 0) {
        last = end;
        end += c.width;
        line_end = c.first == '\r' || c.first == '\n' ? end : line_end;
        c = character_at(text, end);
    }
    if (end == text.len && rule == FL_PRETOKENS_CL100K) {
        return end;
    }
    if (line_end > 0) {
        return line_end;
    }
    /* All but the last before something else, if that leaves any. */
    return end < text.len && last > 0 ? last : end;
}

size_t fl_pretoken(enum fl_pretokens rule, struct fl_slice text)
{
    fl_assert(text.len > 0);
    struct character first = character_at(text, 0);
    size_t end = rule == FL_PRETOKENS_O200K ? o200k_word(text, first) : cl100k_word(text, first);
    if (end == 0) {
        end = number(text);
    }
    if (end == 0) {
        end = others(rule, text);
    }
    if (end == 0) {
        end = spaces(rule, text);
    }
    fl_assert(end > 0);
    return end;
}

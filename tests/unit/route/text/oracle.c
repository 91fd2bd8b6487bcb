/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/route/text/oracle.h"

#include "route/text/vocabulary.h"
#include "unit/cm.h"

struct range {
    uint32_t first, last;
    enum fl_text_count class;
};

/* By code point; what is in no range is FL_TEXT_OTHER. */
static const struct range ranges[] = {
    {0x80, 0xbf, FL_TEXT_SYMBOL},        {0xc0, 0x27f, FL_TEXT_MARKED},
    {0x370, 0x3ff, FL_TEXT_GREEK},       {0x400, 0x52f, FL_TEXT_CYRILLIC},
    {0x580, 0x5ff, FL_TEXT_HEBREW},      {0x600, 0x6ff, FL_TEXT_ARABIC},
    {0x900, 0xdff, FL_TEXT_INDIC},       {0xe00, 0xeff, FL_TEXT_THAI},
    {0x1100, 0x11ff, FL_TEXT_HANGUL},    {0x1e00, 0x1eff, FL_TEXT_MARKED},
    {0x1f00, 0x1fff, FL_TEXT_GREEK},     {0x2000, 0x2fff, FL_TEXT_SYMBOL},
    {0x3000, 0x303f, FL_TEXT_CJK_PUNCT}, {0x3040, 0x30ff, FL_TEXT_KANA},
    {0x3100, 0x31bf, FL_TEXT_HANGUL},    {0x3400, 0x9fff, FL_TEXT_IDEOGRAPH},
    {0xac00, 0xdfff, FL_TEXT_HANGUL},    {0xf900, 0xfaff, FL_TEXT_IDEOGRAPH},
    {0xfe00, 0xfe3f, FL_TEXT_SYMBOL},    {0xff00, 0xff7f, FL_TEXT_CJK_PUNCT},
    {0xff80, 0xffbf, FL_TEXT_KANA},      {0x10000, 0x10ffff, FL_TEXT_ASTRAL},
};

enum sort { sort_none, sort_letter, sort_digit, sort_space, sort_line, sort_punct, sort_alien };

struct reader {
    uint32_t *count;
    const unsigned char *text;
    size_t len, word, run; /* where the word, and the run of base64, began */
    bool in_word, in_run, capital;
    enum sort last, last_but_one;
    uint32_t digits, spaces, ticks, ideograph;
    bool free_half, alien_word;
};

static bool is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static enum fl_text_count class_of(uint32_t code)
{
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return ranges[i].class;
        }
    }
    return FL_TEXT_OTHER;
}

static void end_word(struct reader *r, size_t at)
{
    if (!r->in_word) {
        return;
    }
    size_t len = at - r->word;
    r->count[FL_TEXT_LETTER] += (uint32_t)len;
    r->count[FL_TEXT_LONG] += len > 6 ? (uint32_t)len - 6 : 0;
    uint64_t word = len >= 6 ? fl_vocabulary_word(r->text + r->word, (unsigned)len) : 1;
    r->count[FL_TEXT_FOREIGN] +=
        len >= 6 && (word & 1) != 0 && (word >> fl_vocabulary_old & 1) == 0;
    if ((word & 1) == 0) {
        r->count[FL_TEXT_RARE]++;
        r->count[FL_TEXT_RARE_MORE] += (uint32_t)len - 6;
        unsigned char before = r->word > 0 ? r->text[r->word - 1] : 0;
        r->count[FL_TEXT_RARE_JOINED] += before != ' ' && before != '\t';
    }
    r->in_word = false;
}

static void begin_word(struct reader *r, size_t at)
{
    r->word = at;
    r->in_word = true;
    r->count[FL_TEXT_WORD]++;
    r->count[FL_TEXT_CAPITAL] += is_upper(r->text[at]);
    r->count[FL_TEXT_JOINED] +=
        r->last == sort_punct && r->last_but_one != sort_punct && r->last_but_one != sort_space;
}

static void on_letter(struct reader *r, size_t at)
{
    unsigned char c = r->text[at];
    if (!r->in_word) {
        begin_word(r, at);
        return;
    }
    bool turn = is_upper(c) && !is_upper(r->text[at - 1]);
    r->count[FL_TEXT_CAPITALS] += is_upper(c) && is_upper(r->text[at - 1]);
    if (turn) {
        end_word(r, at);
        begin_word(r, at);
        r->count[FL_TEXT_CASE]++;
    }
}

static void on_run(struct reader *r, size_t at, bool goes_on)
{
    if (goes_on && !r->in_run) {
        r->run = at;
        r->capital = false;
    } else if (!goes_on && r->in_run && at - r->run > 64) {
        r->count[r->capital ? FL_TEXT_BASE64 : FL_TEXT_HEX] += (uint32_t)(at - r->run);
    }
    r->in_run = goes_on;
    r->capital |= at < r->len && is_upper(r->text[at]);
}

static void on_ascii(struct reader *r, size_t at, enum sort sort)
{
    unsigned char c = r->text[at];
    bool same = r->last == sort;
    if (sort != sort_letter) {
        end_word(r, at);
    }
    r->digits = sort == sort_digit ? r->digits + 1 : 0;
    r->spaces = sort == sort_space ? r->spaces + 1 : 0;
    r->ticks = c == '`' ? r->ticks + 1 : 0;
    r->count[FL_TEXT_NUMBER] += r->digits % 3 == 1;
    r->count[FL_TEXT_SPACE_DIGIT] += r->digits == 1 && r->last == sort_space;
    r->count[FL_TEXT_DIGIT] += sort == sort_digit;
    r->count[FL_TEXT_GAP] += r->spaces == 2;
    r->count[FL_TEXT_SPACE] += sort == sort_space;
    r->count[FL_TEXT_LINE] += sort == sort_line;
    r->count[FL_TEXT_BREAK] += sort == sort_line && !same;
    r->count[FL_TEXT_PUNCT_BREAK] += sort == sort_line && r->last == sort_punct;
    r->count[FL_TEXT_PUNCT] += sort == sort_punct && !same;
    r->count[FL_TEXT_PUNCT_MORE] += sort == sort_punct && same;
    r->count[FL_TEXT_QUESTION] += c == '?';
    r->count[FL_TEXT_FENCE] += r->ticks == 3;
    r->count[FL_TEXT_MATH] += c != 0 && strchr("+/=*^\\<>", c) != NULL;
    if (sort == sort_letter) {
        on_letter(r, at);
    }
    on_run(r, at, sort == sort_letter || sort == sort_digit || c == '+' || c == '/' || c == '=');
    r->free_half = false;
    r->ideograph = 0;
    r->alien_word = false;
}

static void on_ideograph(struct reader *r, uint32_t code)
{
    r->count[FL_TEXT_UNUSUAL] += !fl_vocabulary_has_single(code);
    bool pair = r->free_half && fl_vocabulary_has_pair(r->ideograph, code);
    r->count[FL_TEXT_PAIR] += pair;
    r->ideograph = code;
    r->free_half = !pair;
}

static void on_alien(struct reader *r, size_t at, uint32_t code)
{
    enum fl_text_count class = class_of(code);
    static const enum fl_text_count letters[] = {FL_TEXT_OTHER,  FL_TEXT_GREEK,  FL_TEXT_CYRILLIC,
                                                 FL_TEXT_HEBREW, FL_TEXT_ARABIC, FL_TEXT_INDIC,
                                                 FL_TEXT_THAI};
    bool letter = false;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        letter |= class == letters[i];
    }
    r->count[class]++;
    r->count[FL_TEXT_WORD_OTHER] += letter && !r->alien_word;
    r->alien_word = letter;
    r->digits = r->spaces = r->ticks = 0;
    on_run(r, at, false);
    if (class == FL_TEXT_IDEOGRAPH) {
        on_ideograph(r, code);
    } else {
        r->free_half = false;
    }
    if (class == FL_TEXT_MARKED) {
        on_letter(r, at);
    } else {
        end_word(r, at);
    }
}

static enum sort sort_of(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || is_upper(c) ? sort_letter
           : c >= '0' && c <= '9'                ? sort_digit
           : c == ' ' || c == '\t'               ? sort_space
           : c == '\n' || c == '\r'              ? sort_line
                                                 : sort_punct;
}

static uint32_t decode(const unsigned char *p, size_t *ret_width)
{
    size_t width = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t code = p[0] & (0xffU >> (width + 1));
    for (size_t i = 1; i < width; i++) {
        code = code << 6 | (p[i] & 0x3fU);
    }
    *ret_width = width;
    return code;
}

size_t oracle_count(struct fl_slice text, uint32_t ret_count[FL_TEXT_COUNTS])
{
    memset(ret_count, 0, sizeof(uint32_t) * FL_TEXT_COUNTS);
    struct reader r = {.count = ret_count, .text = (const void *)text.ptr, .len = text.len};
    size_t run = 0, longest = 0;
    for (size_t at = 0, width = 1; at < text.len; at += width) {
        width = 1;
        enum sort sort = r.text[at] < 0x80 ? sort_of(r.text[at]) : sort_alien;
        if (sort == sort_alien) {
            uint32_t code = decode(r.text + at, &width);
            on_alien(&r, at, code);
            sort = class_of(code) == FL_TEXT_MARKED ? sort_letter : sort_alien;
        } else {
            on_ascii(&r, at, sort);
        }
        ret_count[FL_TEXT_HIGH] += r.text[at] >= 0x80 ? (uint32_t)width : 0;
        r.last_but_one = width > 1 ? sort : r.last;
        r.last = sort;
        run = sort == sort_letter || sort == sort_digit || sort == sort_alien ? run + width : 0;
        longest = run > longest ? run : longest;
    }
    end_word(&r, text.len);
    on_run(&r, text.len, false);
    return longest;
}

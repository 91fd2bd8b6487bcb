/* SPDX-License-Identifier: Apache-2.0 */
/* Random JSON texts for property tests: every construct of the grammar, white space anywhere it may
 * stand, keys unique within their object. The same generator state gives the same text. */
#ifndef FL_TESTS_JSON_GEN_H
#define FL_TESTS_JSON_GEN_H

#include "base/buf.h"
#include "base/rng.h"

#include <stdlib.h>

static inline uint64_t gen_seed(uint64_t otherwise)
{
    const char *text = getenv("FAIRLEAD_SEED");
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static inline void gen_pick(struct fl_rng *rng, struct fl_buf *b, const char *const *from,
                            size_t count)
{
    fl_buf_put_cstr(b, from[fl_rng_below(rng, count)]);
}
#define GEN_PICK(rng, b, array) gen_pick((rng), (b), (array), sizeof(array) / sizeof((array)[0]))

static inline void gen_blank(struct fl_rng *rng, struct fl_buf *b)
{
    static const char *const blanks[] = {
        "", "", "", "", " ", "\n", "\t", "\r\n", "  ", "\n                    ", " \t \n "};
    GEN_PICK(rng, b, blanks);
}

static inline void gen_string_body(struct fl_rng *rng, struct fl_buf *b)
{
    static const char *const pieces[] = {"a",
                                         "model",
                                         " ",
                                         "0123456789abcdef",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\\/",
                                         "\\b\\f\\r\\t",
                                         "\\u0041",
                                         "\\u00e4",
                                         "\\uD83D\\ude00",
                                         "\\u20AC",
                                         "\xc3\xa4",
                                         "\xe2\x82\xac",
                                         "\xed\x9f\xbf",
                                         "\xf0\x9f\x98\x80",
                                         "\x7f",
                                         "{}[],:",
                                         "the quick brown fox jumps over the lazy dog"};
    for (uint64_t n = fl_rng_below(rng, 8); n > 0; n--) {
        GEN_PICK(rng, b, pieces);
    }
}

static inline void gen_scalar(struct fl_rng *rng, struct fl_buf *b)
{
    static const char *const words[] = {"true",      "false", "null", "0",
                                        "-0",        "7",     "-12",  "1.5",
                                        "0.1e1",     "1E+2",  "2e-3", "9223372036854775807",
                                        "123456789", "-0.0"};
    if (fl_rng_below(rng, 2) == 0) {
        GEN_PICK(rng, b, words);
        return;
    }
    fl_buf_putc(b, '"');
    gen_string_body(rng, b);
    fl_buf_putc(b, '"');
}

static inline void gen_value(struct fl_rng *rng, struct fl_buf *b, unsigned depth)
{
    uint64_t kind = depth == 0 ? 0 : fl_rng_below(rng, 4);
    bool object = kind == 3;
    if (kind < 2) {
        gen_scalar(rng, b);
        return;
    }
    fl_buf_putc(b, object ? '{' : '[');
    gen_blank(rng, b);
    for (uint64_t i = 0, n = fl_rng_below(rng, 5); i < n; i++) {
        if (i > 0) {
            fl_buf_putc(b, ',');
            gen_blank(rng, b);
        }
        if (object) {
            fl_buf_putc(b, '"');
            gen_string_body(rng, b);
            fl_buf_put_u64(b, i); /* unique: no piece of a body ends in one digit of its own */
            fl_buf_putc(b, '"');
            gen_blank(rng, b);
            fl_buf_putc(b, ':');
            gen_blank(rng, b);
        }
        gen_value(rng, b, depth - 1);
        gen_blank(rng, b);
    }
    fl_buf_putc(b, object ? '}' : ']');
}

static inline void gen_document(struct fl_rng *rng, struct fl_buf *b)
{
    gen_blank(rng, b);
    gen_value(rng, b, 4);
    gen_blank(rng, b);
}

/* One random edit: a byte changed, removed, inserted or doubled, or the end cut off. */
static inline void gen_mutate(struct fl_rng *rng, struct fl_buf *b)
{
    static const char alphabet[] =
        "{}[],:\"\\ \n0123456789+-.eEtrufalsn/bx\x01\x1f\x7f\x80\xbf\xc0\xc3\xed"
        "\xa0\xe0\xf4\xf5\xff";
    char c = alphabet[fl_rng_below(rng, sizeof(alphabet))]; /* the NUL too */
    size_t at = b->len > 0 ? (size_t)fl_rng_below(rng, b->len) : 0;
    switch (b->len > 0 ? fl_rng_below(rng, 5) : 3) {
    case 0:
        b->ptr[at] = c;
        break;
    case 1:
        memmove(b->ptr + at, b->ptr + at + 1, b->len - at - 1);
        b->len--;
        break;
    case 2:
        b->len = at;
        break;
    case 3:
        fl_buf_putc(b, c);
        memmove(b->ptr + at + 1, b->ptr + at, b->len - at - 1);
        b->ptr[at] = c;
        break;
    default:
        c = b->ptr[at];
        fl_buf_putc(b, c);
        memmove(b->ptr + at + 1, b->ptr + at, b->len - at - 1);
        break;
    }
}

#endif

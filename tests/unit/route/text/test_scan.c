/* SPDX-License-Identifier: Apache-2.0 */
/* The scan: exact counts of small texts, the oracle's counts on random ones, and no difference by
 * where pieces are cut. The same file runs over the code for AVX2, for SSE2 and for neither. */
#include "unit/cm.h"
#include "unit/route/text/oracle.h"

#include "base/rng.h"
#include "route/text/scan.h"

#include <stdlib.h>

enum { window_bytes = 40, text_max = 2000, parts_max = 6 };

static struct fl_scan scan;
static char window[FL_SCAN_WINDOW(window_bytes)];

struct part {
    enum fl_text_role role;
    char text[text_max];
    size_t len;
};

/* *piece* 0: whole messages. */
static struct fl_text_facts read_parts(const struct part *parts, unsigned count, struct fl_rng *rng,
                                       size_t piece)
{
    struct fl_text_facts facts;
    fl_scan_begin(&scan, 7, (struct fl_scan_window){window, window_bytes});
    for (unsigned i = 0; i < count; i++) {
        fl_scan_message(&scan, parts[i].role);
        for (size_t at = 0; at < parts[i].len;) {
            size_t len = piece == 0 ? parts[i].len : 1 + fl_rng_below(rng, piece);
            len = len < parts[i].len - at ? len : parts[i].len - at;
            /* In a block of exactly its size, so that a read past the end is seen. */
            char *copy = malloc(len);
            assert_non_null(copy);
            memcpy(copy, parts[i].text + at, len);
            fl_scan_text(&scan, fl_slice(copy, len));
            free(copy);
            at += len;
        }
    }
    fl_scan_end(&scan, &facts);
    return facts;
}

static struct fl_text_facts read_text(struct fl_slice text)
{
    static struct part part;
    assert_true(text.len <= text_max);
    part.role = FL_TEXT_USER;
    part.len = text.len;
    if (text.len > 0) {
        memcpy(part.text, text.ptr, text.len);
    }
    return read_parts(&part, 1, NULL, 0);
}

struct expected {
    enum fl_text_count count;
    uint32_t value;
};

static void check(const char *text, const struct expected *expected, size_t n)
{
    struct fl_text_facts facts = read_text(fl_slice_cstr(text));
    for (size_t i = 0; i < n; i++) {
        if (facts.count[expected[i].count] != expected[i].value) {
            print_error("'%s': count %d is %u, expected %u\n", text, (int)expected[i].count,
                        facts.count[expected[i].count], expected[i].value);
            fail();
        }
    }
}

#define CHECK(text, ...)                                                                           \
    check(text, (const struct expected[]){__VA_ARGS__},                                            \
          sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

static void test_classes(void **state)
{
    (void)state;
    CHECK("Hello world", {FL_TEXT_WORD, 2}, {FL_TEXT_CAPITAL, 1}, {FL_TEXT_SPACE, 1},
          {FL_TEXT_LETTER, 10}, {FL_TEXT_LONG, 0});
    CHECK("internationalization", {FL_TEXT_WORD, 1}, {FL_TEXT_LONG, 14});
    CHECK("getHTTPResponse_code", {FL_TEXT_WORD, 3}, {FL_TEXT_CASE, 1}, {FL_TEXT_CAPITALS, 4},
          {FL_TEXT_PUNCT, 1}, {FL_TEXT_JOINED, 1});
    CHECK("in 2024, 1234567 and 89", {FL_TEXT_NUMBER, 6}, {FL_TEXT_DIGIT, 13},
          {FL_TEXT_SPACE_DIGIT, 3});
    CHECK("a (b) [[c]] \"d", {FL_TEXT_PUNCT, 5}, {FL_TEXT_PUNCT_MORE, 2}, {FL_TEXT_JOINED, 0});
    CHECK("x.y->z", {FL_TEXT_PUNCT, 2}, {FL_TEXT_PUNCT_MORE, 1}, {FL_TEXT_JOINED, 1});
    CHECK("a;\n\n    b\n\tc  \r\n", {FL_TEXT_BREAK, 3}, {FL_TEXT_PUNCT_BREAK, 1}, {FL_TEXT_GAP, 2},
          {FL_TEXT_LINE, 5}, {FL_TEXT_SPACE, 7});
    CHECK("```c\n1 + 2 = x^2?\n``` ````", {FL_TEXT_FENCE, 3}, {FL_TEXT_MATH, 3},
          {FL_TEXT_QUESTION, 1});
    CHECK("qwzxvb the people", {FL_TEXT_RARE, 1}, {FL_TEXT_RARE_MORE, 0}, {FL_TEXT_RARE_JOINED, 1});
    CHECK("", {FL_TEXT_WORD, 0}, {FL_TEXT_LETTER, 0});
}

static void test_scripts(void **state)
{
    (void)state;
    CHECK("\u4f60\u597d\uff0c\u4e16\u754c", {FL_TEXT_IDEOGRAPH, 4}, {FL_TEXT_CJK_PUNCT, 1},
          {FL_TEXT_PAIR, 2}, {FL_TEXT_UNUSUAL, 0}, {FL_TEXT_WORD, 0});
    CHECK("\u3053\u3093 \u30ab\u30bf", {FL_TEXT_KANA, 4}, {FL_TEXT_SPACE, 1});
    CHECK("\ud55c\uad6d", {FL_TEXT_HANGUL, 2});
    CHECK("\u043f\u0440\u0438 \u0434\u0430", {FL_TEXT_CYRILLIC, 5}, {FL_TEXT_WORD_OTHER, 2});
    CHECK("gr\u00fc\u00dfe \u00d6l", {FL_TEXT_MARKED, 3}, {FL_TEXT_WORD, 2}, {FL_TEXT_LETTER, 10});
    CHECK("\u03b1\u03b2\u05d0\u0628\u0928\u0e01", {FL_TEXT_GREEK, 2}, {FL_TEXT_HEBREW, 1},
          {FL_TEXT_ARABIC, 1}, {FL_TEXT_INDIC, 1}, {FL_TEXT_THAI, 1}, {FL_TEXT_WORD_OTHER, 1});
    CHECK("\u201cx\u201d \u2192 \U0001f600", {FL_TEXT_SYMBOL, 3}, {FL_TEXT_ASTRAL, 1});
    CHECK("\xff\x80"
          "a\xe4",
          {FL_TEXT_OTHER, 2}, {FL_TEXT_IDEOGRAPH, 1}, {FL_TEXT_WORD, 1});
}

/* 65 bytes are a run, 64 are not; the block's edges do not matter. */
static void test_runs(void **state)
{
    (void)state;
    char text[400];
    for (size_t lead = 0; lead < 80; lead++) {
        for (size_t len = 60; len < 200; len++) {
            memset(text, ' ', lead);
            memset(text + lead, 'a', len);
            text[lead + len] = '.';
            struct fl_text_facts facts = read_text(fl_slice(text, lead + len + 1));
            assert_int_equal(facts.count[FL_TEXT_HEX], len > 64 ? len : 0);
            assert_int_equal(facts.count[FL_TEXT_BASE64], 0);
            text[lead + len / 2] = 'Q';
            facts = read_text(fl_slice(text, lead + len));
            assert_int_equal(facts.count[FL_TEXT_BASE64], len > 64 ? len : 0);
            assert_int_equal(facts.count[FL_TEXT_HEX], 0);
        }
    }
}

static const char *const bits[] = {
    "a",
    "the",
    " ",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    ".",
    ", ",
    "(",
    ")",
    "\"",
    "_",
    "```",
    "?",
    "=",
    "X",
    "Word",
    "HTTP",
    "camelCase",
    "internationalization",
    "people",
    "7",
    "42",
    "1234567",
    "9",
    "\u00e9",
    "\u00dc",
    "\u4e2d",
    "\u56fd",
    "\u9f98",
    "\u4f60\u597d",
    "\u306e",
    "\ud55c",
    "\u044f",
    "\u03b1",
    "\u0627",
    "\u05d0",
    "\u0915",
    "\u0e01",
    "\u1ea1",
    "\u2014",
    "\U0001f600",
    "\uff0c",
    "\u00a0",
    "\u1100",
    "\u3131",
    "\uf900",
    "\u0561",
    "\ufe0f",
    "\u00bf",
    "+/",
    "aGVsbG8gd29ybGQ",
    "0123456789abcdef0123456789abcdef01234567",
    "\x01",
    "\x7f",
};

static void make_text(struct fl_rng *rng, struct part *part)
{
    /* Few different bits a text, so that runs of one kind become long. */
    const char *chosen[8];
    size_t kinds = 1 + fl_rng_below(rng, 8), max = fl_rng_below(rng, text_max);
    for (size_t i = 0; i < kinds; i++) {
        chosen[i] = bits[fl_rng_below(rng, sizeof(bits) / sizeof(bits[0]))];
    }
    part->role = (enum fl_text_role)fl_rng_below(rng, FL_TEXT_ROLES);
    part->len = 0;
    for (;;) {
        struct fl_slice bit = fl_slice_cstr(chosen[fl_rng_below(rng, kinds)]);
        if (part->len + bit.len > max) {
            return;
        }
        memcpy(part->text + part->len, bit.ptr, bit.len);
        part->len += bit.len;
    }
}

static uint64_t seed_of_run(void)
{
    const char *text = getenv("FAIRLEAD_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20261125;
    print_message("FAIRLEAD_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static bool is_of_rare_words(unsigned i)
{
    return i == FL_TEXT_RARE || i == FL_TEXT_RARE_MORE || i == FL_TEXT_RARE_JOINED ||
           i == FL_TEXT_FOREIGN;
}

static void test_oracle(void **state)
{
    (void)state;
    static struct part part;
    struct fl_rng rng;
    fl_rng_seed(&rng, seed_of_run());
    for (unsigned round = 0; round < 4000; round++) {
        make_text(&rng, &part);
        uint32_t expected[FL_TEXT_COUNTS];
        size_t longest = oracle_count(fl_slice(part.text, part.len), expected);
        struct fl_text_facts facts = read_parts(&part, 1, NULL, 0);
        for (unsigned i = 0; i < FL_TEXT_COUNTS; i++) {
            if ((longest < 24 || !is_of_rare_words(i)) && facts.count[i] != expected[i]) {
                print_error("round %u: count %u is %u, expected %u in '%.*s'\n", round, i,
                            facts.count[i], expected[i], (int)part.len, part.text);
                fail();
            }
        }
    }
}

static void assert_same(const struct fl_text_facts *a, const struct fl_text_facts *b)
{
    struct fl_text_facts x = *a, y = *b;
    x.user_head = y.user_head = x.user_tail = y.user_tail = FL_EMPTY;
    assert_memory_equal(x.count, y.count, sizeof(x.count));
    assert_memory_equal(x.user_count, y.user_count, sizeof(x.user_count));
    assert_memory_equal(x.tokens, y.tokens, sizeof(x.tokens));
    assert_memory_equal(x.prefix, y.prefix, sizeof(x.prefix));
    assert_memory_equal(x.messages_of, y.messages_of, sizeof(x.messages_of));
    assert_int_equal(x.bytes, y.bytes);
    assert_int_equal(x.user_bytes, y.user_bytes);
    assert_int_equal(x.messages, y.messages);
    assert_int_equal(x.prefix_count, y.prefix_count);
}

static void check_window(const struct part *parts, unsigned count,
                         const struct fl_text_facts *facts)
{
    const struct part *user = NULL;
    for (unsigned i = 0; i < count; i++) {
        user = parts[i].role == FL_TEXT_USER ? &parts[i] : user;
    }
    size_t len = user ? user->len : 0, head = len < window_bytes ? len : window_bytes;
    size_t tail = len - head < window_bytes ? len - head : window_bytes;
    assert_int_equal(facts->user_bytes, len);
    assert_int_equal(facts->user_head.len, head);
    assert_int_equal(facts->user_tail.len, tail);
    if (user) {
        assert_memory_equal(facts->user_head.ptr, user->text, head);
        assert_memory_equal(facts->user_tail.ptr, user->text + len - tail, tail);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    static struct part parts[parts_max];
    struct fl_rng rng;
    fl_rng_seed(&rng, seed_of_run());
    for (unsigned round = 0; round < 400; round++) {
        unsigned count = 1 + (unsigned)fl_rng_below(&rng, parts_max);
        uint32_t sum[FL_TEXT_COUNTS] = {0}, one[FL_TEXT_COUNTS];
        for (unsigned i = 0; i < count; i++) {
            make_text(&rng, &parts[i]);
            (void)oracle_count(fl_slice(parts[i].text, parts[i].len), one);
            for (unsigned k = 0; k < FL_TEXT_COUNTS; k++) {
                sum[k] += one[k];
            }
        }
        struct fl_text_facts whole = read_parts(parts, count, &rng, 0);
        check_window(parts, count, &whole);
        assert_int_equal(whole.messages, count);
        assert_int_equal(whole.count[FL_TEXT_WORD], sum[FL_TEXT_WORD]);
        assert_int_equal(whole.count[FL_TEXT_PUNCT_MORE], sum[FL_TEXT_PUNCT_MORE]);
        static const size_t pieces[] = {1, 3, 70, 700};
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            struct fl_text_facts cut = read_parts(parts, count, &rng, pieces[i]);
            assert_same(&whole, &cut);
            check_window(parts, count, &cut);
        }
    }
}

/* Any bytes, cut anywhere: no crash, the same facts. */
static void test_garbage(void **state)
{
    (void)state;
    static struct part part;
    struct fl_rng rng;
    fl_rng_seed(&rng, seed_of_run());
    part.role = FL_TEXT_USER;
    for (unsigned round = 0; round < 2000; round++) {
        part.len = fl_rng_below(&rng, 300);
        uint64_t from = fl_rng_below(&rng, 2) ? 0x80 : 0;
        for (size_t i = 0; i < part.len; i++) {
            part.text[i] = (char)(from + fl_rng_below(&rng, 256 - from));
        }
        struct fl_text_facts whole = read_parts(&part, 1, &rng, 0);
        struct fl_text_facts cut = read_parts(&part, 1, &rng, 40);
        assert_same(&whole, &cut);
    }
}

static void test_prefix(void **state)
{
    (void)state;
    static struct part parts[2];
    parts[0].role = FL_TEXT_SYSTEM;
    parts[1].role = FL_TEXT_USER;
    parts[0].len = 600;
    parts[1].len = 500;
    memset(parts[0].text, 'a', 600);
    memset(parts[1].text, 'b', 500);
    struct fl_text_facts one = read_parts(parts, 2, NULL, 0);
    assert_int_equal(one.prefix_count, (600 + 500 + 2) / FL_PREFIX_BYTES);
    parts[1].text[499] = 'c'; /* in the unfinished block */
    struct fl_text_facts same = read_parts(parts, 2, NULL, 0);
    assert_memory_equal(one.prefix, same.prefix, sizeof(one.prefix));
    parts[1].text[200] = 'c'; /* byte 802 of the prompt: block 3 */
    struct fl_text_facts other = read_parts(parts, 2, NULL, 0);
    assert_memory_equal(one.prefix, other.prefix, 3 * sizeof(one.prefix[0]));
    assert_true(one.prefix[3] != other.prefix[3]);
    parts[0].role = FL_TEXT_USER; /* who says it is part of the prompt */
    struct fl_text_facts role = read_parts(parts, 2, NULL, 0);
    assert_true(one.prefix[0] != role.prefix[0]);
    assert_true(one.prefix[0] != one.prefix[1]); /* the same bytes, elsewhere */
}

/* 64 blocks at most; the seed and where a message ends are part of every hash. */
static void test_prefix_limits(void **state)
{
    (void)state;
    static char text[3 * FL_PREFIX_BYTES * FL_PREFIX_BLOCKS];
    struct fl_text_facts facts[3];
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 3; i++) {
        fl_scan_begin(&scan, i == 1 ? 1 : 0, (struct fl_scan_window){NULL, 0});
        fl_scan_message(&scan, FL_TEXT_USER);
        fl_scan_text(&scan, fl_slice(text, 10));
        if (i == 2) {
            fl_scan_message(&scan, FL_TEXT_USER);
        }
        fl_scan_text(&scan, fl_slice(text, sizeof(text)));
        fl_scan_end(&scan, &facts[i]);
        assert_int_equal(facts[i].prefix_count, FL_PREFIX_BLOCKS);
        assert_int_equal(facts[i].bytes, sizeof(text) + 10);
        assert_int_equal(facts[i].messages, i == 2 ? 2 : 1);
    }
    assert_true(facts[0].prefix[0] != facts[1].prefix[0]);
    assert_true(facts[0].prefix[0] != facts[2].prefix[0]);
}

/* The same on every machine: prefix hashes and counts are compared between gateways. */
static void test_same_everywhere(void **state)
{
    (void)state;
    static struct part part;
    struct fl_rng rng;
    fl_rng_seed(&rng, 1);
    uint64_t digest = 0;
    for (unsigned round = 0; round < 200; round++) {
        make_text(&rng, &part);
        struct fl_text_facts facts = read_parts(&part, 1, NULL, 0);
        for (unsigned i = 0; i < FL_TEXT_COUNTS; i++) {
            digest = (digest ^ facts.count[i]) * UINT64_C(0x100000001b3);
        }
        for (unsigned i = 0; i < facts.prefix_count; i++) {
            digest = (digest ^ facts.prefix[i]) * UINT64_C(0x100000001b3);
        }
    }
    assert_int_equal(digest, UINT64_C(0xf05fa26c9957107));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_prefix_limits),
        cmocka_unit_test(test_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

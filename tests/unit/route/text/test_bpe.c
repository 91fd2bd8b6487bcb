/* SPDX-License-Identifier: Apache-2.0 */
/* Byte pair encoding: where text is cut, merging against the slow way, broken rank files, hostile
 * texts, and every text of the data folder against the counts of another implementation. */
#include "unit/cm.h"
#include "unit/route/text/rows.h"

#include "base/rng.h"
#include "route/text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { piece_max = 65536, ranks_bytes_max = 16 << 20, memory_max = 64 << 20 };

static const enum fl_pretokens o200k = FL_PRETOKENS_O200K;
static const enum fl_pretokens cl100k = FL_PRETOKENS_CL100K;

static void put_token(struct fl_buf *ranks, struct fl_slice token, uint64_t rank)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < token.len; at += 3) {
        unsigned char b[3] = {0};
        size_t n = token.len - at < 3 ? token.len - at : 3;
        memcpy(b, token.ptr + at, n);
        uint32_t bits = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
        fl_buf_putc(ranks, digits[bits >> 18]);
        fl_buf_putc(ranks, digits[bits >> 12 & 63]);
        fl_buf_putc(ranks, n > 1 ? digits[bits >> 6 & 63] : '=');
        fl_buf_putc(ranks, n > 2 ? digits[bits & 63] : '=');
    }
    fl_buf_putc(ranks, ' ');
    fl_buf_put_u64(ranks, rank);
    fl_buf_putc(ranks, '\n');
}

static void put_bytes(struct fl_buf *ranks)
{
    fl_buf_init(ranks, ranks_bytes_max);
    for (unsigned i = 0; i < 256; i++) {
        char c = (char)i;
        put_token(ranks, fl_slice(&c, 1), i);
    }
}

static struct fl_bpe *make(struct fl_buf *ranks, enum fl_pretokens rule)
{
    struct fl_bpe *bpe = NULL;
    assert_int_equal(fl_bpe_create(fl_buf_slice(ranks), rule, memory_max, &bpe), FL_OK);
    fl_buf_finish(ranks);
    return bpe;
}

static struct fl_bpe_scratch scratch_of(size_t max)
{
    struct fl_bpe_scratch scratch = {malloc(fl_bpe_scratch_bytes(max)), max};
    assert_non_null(scratch.memory);
    return scratch;
}

/* The pieces of *text*, with bars between them. */
static void check_cuts(enum fl_pretokens rule, const char *text, const char *expected)
{
    char cut[256];
    size_t len = 0;
    struct fl_slice rest = fl_slice_cstr(text);
    while (rest.len > 0) {
        size_t n = fl_pretoken(rule, rest);
        assert_true(n <= rest.len && len + n + 1 < sizeof(cut));
        memcpy(cut + len, rest.ptr, n);
        len += n;
        cut[len++] = '|';
        rest = fl_slice_from(rest, n);
    }
    assert_slice(fl_slice(cut, len), expected);
}

static void test_o200k_cuts(void **state)
{
    (void)state;
    check_cuts(o200k, "Hello world's end", "Hello| world's| end|");
    check_cuts(o200k, "camelCase HTMLParser ABC", "camel|Case| HTMLParser| ABC|");
    check_cuts(o200k, "x=12345; (foo)", "x|=|123|45|;| (|foo|)|");
    check_cuts(o200k, "a.b  c\n\n  d \n", "a|.b| | c|\n\n| | d| \n|");
    check_cuts(o200k, "// a\n//\n/", "//| a|\n|//\n/|");
    check_cuts(o200k, "don'T we'Ll 'tis", "don'T| we'Ll| '|tis|");
    check_cuts(o200k, "\u4f60\u597dABC\u4e2d", "\u4f60\u597dABC\u4e2d|");
    check_cuts(o200k, "e\u0301A \u0301B", "e\u0301|A| \u0301|B|");
    check_cuts(o200k, "   ", "   |");
    check_cuts(o200k, "\u00a0x\u2003\u2003y", "\u00a0x|\u2003|\u2003y|");
    check_cuts(o200k,
               "\xff"
               "a\xe4\xbd",
               "\xff"
               "a|\xe4\xbd|");
}

static void test_cl100k_cuts(void **state)
{
    (void)state;
    check_cuts(cl100k, "Hello world's end", "Hello| world|'s| end|");
    check_cuts(cl100k, "camelCase HTMLParser", "camelCase| HTMLParser|");
    check_cuts(cl100k, "// a\n//\n/", "//| a|\n|//\n|/|");
    check_cuts(cl100k, "a \n \n  b  ", "a| \n \n| | b|  |");
    check_cuts(cl100k, "a \n  ", "a| \n  |");
    check_cuts(cl100k, "e\u0301A", "e|\u0301A|");
    check_cuts(cl100k, "'SS", "'S|S|");
}

static void test_merges(void **state)
{
    (void)state;
    struct fl_buf ranks;
    put_bytes(&ranks);
    static const char *const merges[] = {"ab", "bc", "abc", "aa", "aaaa", " x"};
    for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        put_token(&ranks, fl_slice_cstr(merges[i]), 256 + i);
    }
    struct fl_bpe *bpe = make(&ranks, o200k);
    struct fl_bpe_scratch scratch = scratch_of(100);
    static const struct {
        const char *text;
        uint64_t tokens;
    } cases[] = {
        {"", 0},
        {"a", 1},
        {"abc", 1},
        {"abcb", 2},
        {"bcab", 2},
        {"aab", 2},
        {"aaa", 2},
        {"aaaa", 1},
        {"aaaaaaa", 3},
        {"x x", 2},
        {"aaaaaaaaaaaaaaaa", 4},
        {"\u00e9", 2},
    };
    assert_int_equal(fl_bpe_size(bpe), 262);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fl_bpe_count(bpe, scratch, fl_slice_cstr(cases[i].text)), cases[i].tokens);
    }
    free(scratch.memory);
    fl_bpe_destroy(bpe);
}

struct slow_token {
    char text[16];
    size_t len;
};

/* The slow way: looks through all neighbours and all tokens for each merge. */
static uint64_t slow_count(const struct slow_token *tokens, size_t count, struct fl_slice text)
{
    size_t end[256], parts = text.len;
    for (size_t i = 0; i < parts; i++) {
        end[i] = i + 1;
    }
    for (;;) {
        size_t best = count, place = 0;
        for (size_t i = 0; i + 1 < parts; i++) {
            size_t from = i > 0 ? end[i - 1] : 0;
            struct fl_slice both = fl_slice(text.ptr + from, end[i + 1] - from);
            for (size_t t = 0; t < best; t++) {
                if (fl_slice_eq(both, fl_slice(tokens[t].text, tokens[t].len))) {
                    best = t;
                    place = i;
                }
            }
        }
        if (best == count) {
            return parts;
        }
        memmove(end + place, end + place + 1, (parts - place - 1) * sizeof(end[0]));
        parts--;
    }
}

static void test_against_slow(void **state)
{
    (void)state;
    enum { merges = 40 };
    struct fl_rng rng;
    fl_rng_seed(&rng, 99);
    struct fl_bpe_scratch scratch = scratch_of(256);
    for (unsigned round = 0; round < 40; round++) {
        struct slow_token tokens[merges];
        size_t count = 0;
        struct fl_buf ranks;
        put_bytes(&ranks);
        while (count < merges) { /* the union of two earlier ones, as training makes them */
            struct slow_token t = {.len = 0};
            for (unsigned half = 0; half < 2; half++) {
                if (count > 0 && fl_rng_below(&rng, 2)) {
                    const struct slow_token *old = &tokens[fl_rng_below(&rng, count)];
                    if (t.len + old->len <= sizeof(t.text)) {
                        memcpy(t.text + t.len, old->text, old->len);
                        t.len += old->len;
                        continue;
                    }
                }
                if (t.len < sizeof(t.text)) {
                    t.text[t.len++] = (char)('a' + fl_rng_below(&rng, 3));
                }
            }
            bool known = t.len < 2;
            for (size_t i = 0; i < count; i++) {
                known |=
                    fl_slice_eq(fl_slice(t.text, t.len), fl_slice(tokens[i].text, tokens[i].len));
            }
            if (!known) {
                put_token(&ranks, fl_slice(t.text, t.len), 256 + count);
                tokens[count++] = t;
            }
        }
        struct fl_bpe *bpe = make(&ranks, o200k);
        for (unsigned i = 0; i < 100; i++) {
            char text[200];
            size_t len = 1 + fl_rng_below(&rng, sizeof(text));
            for (size_t k = 0; k < len; k++) {
                text[k] = (char)('a' + fl_rng_below(&rng, 3));
            }
            uint64_t whole = 0; /* a text that is a token itself is one */
            for (size_t t = 0; t < count; t++) {
                whole |= fl_slice_eq(fl_slice(text, len), fl_slice(tokens[t].text, tokens[t].len));
            }
            uint64_t expected = whole ? 1 : slow_count(tokens, count, fl_slice(text, len));
            assert_int_equal(fl_bpe_count(bpe, scratch, fl_slice(text, len)), expected);
        }
        fl_bpe_destroy(bpe);
    }
    free(scratch.memory);
}

static void check_broken(const char *added, enum fl_err expected)
{
    struct fl_buf ranks;
    struct fl_bpe *bpe = NULL;
    put_bytes(&ranks);
    fl_buf_put_cstr(&ranks, added);
    assert_int_equal(fl_bpe_create(fl_buf_slice(&ranks), o200k, memory_max, &bpe), expected);
    fl_buf_finish(&ranks);
    fl_bpe_destroy(bpe);
}

static void test_broken(void **state)
{
    (void)state;
    check_broken("", FL_OK);
    check_broken("\n\r\n", FL_OK);
    check_broken("YWI= 256", FL_OK);
    check_broken("YWI= 256\r\n", FL_OK);
    check_broken("YWI=", FL_ERR_FILE);
    check_broken("YWI= x\n", FL_ERR_FILE);
    check_broken("YWI= 99999999\n", FL_ERR_FILE);
    check_broken("YW= 256\n", FL_ERR_FILE);
    check_broken("Y*I= 256\n", FL_ERR_FILE);
    check_broken("Y=I= 256\n", FL_ERR_FILE);
    check_broken("==== 256\n", FL_ERR_FILE);
    check_broken(" 256\n", FL_ERR_FILE);
    check_broken("YQ== 256\n", FL_ERR_FILE); /* "a" again */
    struct fl_bpe *bpe = NULL;
    assert_int_equal(fl_bpe_create(FL_LIT("YQ== 0\n"), o200k, memory_max, &bpe), FL_ERR_FILE);
    assert_int_equal(fl_bpe_create(FL_EMPTY, o200k, memory_max, &bpe), FL_ERR_FILE);
    struct fl_buf ranks;
    put_bytes(&ranks);
    assert_int_equal(fl_bpe_create(fl_buf_slice(&ranks), o200k, 1000, &bpe), FL_ERR_TOO_BIG);
    assert_null(bpe);
    fl_buf_finish(&ranks);
}

/* --- With the real ranks --- */

static struct fl_bpe *load(const char *name, enum fl_pretokens rule)
{
    char command[1200];
    FILE *probe = fopen(data_path(name), "rb");
    if (probe == NULL) {
        return NULL;
    }
    assert_int_equal(fclose(probe), 0);
    (void)snprintf(command, sizeof(command), "xz -dc '%s' 2>/dev/null", data_path(name));
    FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c): a test, on a path from its own caller */
    assert_non_null(f);
    struct fl_buf ranks;
    fl_buf_init(&ranks, ranks_bytes_max);
    for (;;) {
        char *room = fl_buf_room(&ranks, 65536);
        assert_non_null(room);
        size_t got = fread(room, 1, 65536, f);
        fl_buf_grow(&ranks, got);
        if (got == 0) {
            break;
        }
    }
    if (pclose(f) != 0) {
        fl_buf_finish(&ranks);
        return NULL;
    }
    return make(&ranks, rule);
}

/* The implementation that counted reads the byte order mark U+FEFF out of its own table of tokens,
 * and so counts too many where a text has one. */
static bool has_mark(struct fl_slice text)
{
    return fl_slice_find_text(text, FL_LIT("\xef\xbb\xbf")) < text.len;
}

/* Read once for all tests: NULL without data. */
static struct fl_bpe *real_o200k, *real_cl100k;

static int load_all(void **state)
{
    (void)state;
    real_o200k = load("o200k_base.tiktoken.xz", o200k);
    real_cl100k = load("cl100k_base.tiktoken.xz", cl100k);
    return 0;
}

static int unload_all(void **state)
{
    (void)state;
    fl_bpe_destroy(real_o200k);
    fl_bpe_destroy(real_cl100k);
    return 0;
}

static void need(const void *data)
{
    if (data == NULL) {
        print_message("skipped: no data\n");
        skip();
    }
}

static void check_rows(const char *name, const struct fl_bpe *bpe, enum fl_text_tokenizer t)
{
    struct rows rows;
    need(bpe);
    need(rows_load(&rows) ? &rows : NULL);
    struct fl_bpe_scratch scratch = scratch_of(piece_max);
    size_t equal = 0, marks = 0;
    for (size_t i = 0; i < rows.count; i++) {
        uint64_t count = fl_bpe_count(bpe, scratch, rows.row[i].text);
        bool same = count == rows.row[i].tokens[t];
        equal += same;
        if (!same && has_mark(rows.row[i].text)) {
            marks++;
            assert_true(count < rows.row[i].tokens[t]);
        }
    }
    print_message("%s: %zu of %zu equal, and %zu with a byte order mark\n", name, equal, rows.count,
                  marks);
    assert_int_equal(equal + marks, rows.count);
    assert_true(marks * 500 < rows.count);
    free(scratch.memory);
    rows_free(&rows);
}

static void test_real_o200k(void **state)
{
    (void)state;
    check_rows("o200k", real_o200k, FL_TEXT_O200K);
}

static void test_real_cl100k(void **state)
{
    (void)state;
    check_rows("cl100k", real_cl100k, FL_TEXT_CL100K);
}

/* What the reference implementation says of texts of our own. */
static void test_reference(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t o200k, cl100k;
    } cases[] = {
        {"\ufeff\n\nUse it", 3, 3},
        {"The e\u0301tude isn't over, it's 12345 o'clock.", 15, 17},
        {"if (x != NULL) {\n\treturn *x;\n}\n", 12, 12},
        {"\u4f60\u597d\uff0c\u4e16\u754c\uff01 \u043f\u0440\u0438\u0432\u0435\u0442 "
         "\u0645\u0631\u062d\u0628\u0627",
         7, 15},
        {"<|endoftext|> is text here", 10, 10},
        {"  \n\n   x  ", 4, 4},
        {"\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600\U0001f600", 10, 16},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 11,
         11},
        {"https://example.org/a/b?c=d&e=%20f#g", 14, 14},
    };
    need(real_o200k);
    need(real_cl100k);
    struct fl_bpe_scratch scratch = scratch_of(piece_max);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fl_bpe_count(real_o200k, scratch, fl_slice_cstr(cases[i].text)),
                         cases[i].o200k);
        assert_int_equal(fl_bpe_count(real_cl100k, scratch, fl_slice_cstr(cases[i].text)),
                         cases[i].cl100k);
    }
    free(scratch.memory);
}

static double ms_to_count(const struct fl_bpe *bpe, struct fl_bpe_scratch scratch,
                          struct fl_slice text)
{
    clock_t start = clock();
    uint64_t tokens = fl_bpe_count(bpe, scratch, text);
    double ms = (double)(clock() - start) * 1000 / CLOCKS_PER_SEC;
    print_message("1 MiB of '%.6s...': %llu tokens in %.0f ms\n", text.ptr,
                  (unsigned long long)tokens, ms);
    return ms;
}

/* Texts that make the obvious ways quadratic. */
static void test_hostile(void **state)
{
    (void)state;
    enum { bytes = 1 << 20 };
    need(real_o200k);
    static const char *const patterns[] = {"a", "ab", " ",      " \n",  "\u00aaA", "'",
                                           "1", "-",  "\u0301", "zqxj", "A",       "  x"};
    struct fl_bpe_scratch scratch = scratch_of(piece_max);
    char *text = malloc(bytes);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        size_t len = strlen(patterns[i]);
        for (size_t k = 0; k < bytes; k++) {
            text[k] = patterns[i][k % len];
        }
        assert_true(ms_to_count(real_o200k, scratch, fl_slice(text, bytes)) < 20000);
    }
    free(text);
    free(scratch.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_o200k_cuts),  cmocka_unit_test(test_cl100k_cuts),
        cmocka_unit_test(test_merges),      cmocka_unit_test(test_against_slow),
        cmocka_unit_test(test_broken),      cmocka_unit_test(test_real_o200k),
        cmocka_unit_test(test_real_cl100k), cmocka_unit_test(test_reference),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, load_all, unload_all);
}

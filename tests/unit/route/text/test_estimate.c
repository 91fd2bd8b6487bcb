/* SPDX-License-Identifier: Apache-2.0 */
/* The token estimate: known small texts, names of models, and the error a kind of text on real
 * counts. */
#include "unit/cm.h"
#include "unit/route/text/rows.h"

#include "route/text/estimate.h"
#include "route/text/scan.h"

#include <math.h>
#include <stdlib.h>

static struct fl_text_facts facts_of(struct fl_slice text)
{
    static struct fl_scan scan;
    struct fl_text_facts facts;
    fl_scan_begin(&scan, 0, (struct fl_scan_window){NULL, 0});
    fl_scan_message(&scan, FL_TEXT_USER);
    fl_scan_text(&scan, text);
    fl_scan_end(&scan, &facts);
    return facts;
}

static uint32_t o200k(const char *text)
{
    return facts_of(fl_slice_cstr(text)).tokens[FL_TEXT_O200K];
}

static void test_small(void **state)
{
    (void)state;
    assert_int_equal(o200k(""), 0);
    assert_int_equal(o200k("a"), 1);
    assert_int_equal(o200k(" "), 1);
    assert_int_equal(o200k("What is the capital of France?"), 7);
    assert_int_equal(o200k("The quick brown fox jumps over the lazy dog."), 10);
    assert_int_equal(facts_of(FL_LIT("")).messages, 1);
    struct fl_text_facts facts = facts_of(FL_LIT("What is the capital of France?"));
    assert_int_equal(fl_text_request_tokens(&facts, FL_TEXT_O200K), 7 + 4 + 3);
}

/* Strings without a word in them must not be taken for one word: within a third, for any length. */
static void test_blobs(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char text[8192];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof(text); i++) {
        x = x * 1664525 + 1013904223;
        text[i] = digits[x >> 28];
    }
    uint32_t hex = facts_of(fl_slice(text, sizeof(text))).tokens[FL_TEXT_O200K];
    assert_in_range(hex, sizeof(text) * 40 / 100, sizeof(text) * 75 / 100);
    for (size_t i = 0; i < sizeof(text); i++) {
        x = x * 1664525 + 1013904223;
        text[i] = base64[x >> 26];
    }
    uint32_t blob = facts_of(fl_slice(text, sizeof(text))).tokens[FL_TEXT_O200K];
    assert_in_range(blob, sizeof(text) * 50 / 100, sizeof(text) * 90 / 100);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        enum fl_text_tokenizer tokenizer;
    } names[] = {
        {"gpt-4o-mini", FL_TEXT_O200K},
        {"openai/gpt-4.1", FL_TEXT_O200K},
        {"gpt-5", FL_TEXT_O200K},
        {"gpt-4-turbo", FL_TEXT_CL100K},
        {"GPT-3.5-turbo", FL_TEXT_CL100K},
        {"anthropic.claude-3-5-sonnet", FL_TEXT_CLAUDE},
        {"deepseek-r1-distill-llama-70b", FL_TEXT_DEEPSEEK3},
        {"meta-llama/Llama-3.3-70B", FL_TEXT_LLAMA3},
        {"gemini-2.5-pro", FL_TEXT_GEMMA3},
        {"Qwen/Qwen3-32B", FL_TEXT_QWEN3},
        {"o3", FL_TEXT_O200K},
        {"", FL_TEXT_O200K},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(fl_text_tokenizer_of(fl_slice_cstr(names[i].model)), names[i].tokenizer);
    }
    for (unsigned t = 0; t < FL_TEXT_TOKENIZERS; t++) {
        assert_int_equal(fl_text_tokenizer_of(fl_slice_cstr(fl_text_tokenizer_name(t))), t);
    }
}

static void check_kind(const struct rows *r, unsigned kind, enum fl_text_tokenizer tokenizer)
{
    double *error = calloc(r->count, sizeof(*error)), bias = 0;
    assert_non_null(error);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct row *row = &r->row[i];
        if (row->kind == kind) {
            double estimate = facts_of(row->text).tokens[tokenizer], real = row->tokens[tokenizer];
            bias += (estimate - real) / real;
            error[n++] = fabs(estimate - real) / real;
        }
    }
    double median = quantile(error, n, .5), high = quantile(error, n, .9);
    print_message("%-12s %-14.*s %5zu texts  median %5.1f %%  p90 %5.1f %%  bias %+5.1f %%\n",
                  fl_text_tokenizer_name(tokenizer), (int)r->kind[kind].len, r->kind[kind].ptr, n,
                  100 * median, 100 * high, 100 * bias / (double)n);
    free(error);
    if (tokenizer == FL_TEXT_O200K) {
        assert_true(median <= .06);
        assert_true(high <= .20);
    }
}

static void test_real(void **state)
{
    (void)state;
    struct rows rows;
    if (!rows_load(&rows)) {
        print_message("skipped: no data\n");
        skip();
    }
    for (unsigned t = 0; t < FL_TEXT_TOKENIZERS; t++) {
        for (unsigned k = 0; k < rows.kind_count; k++) {
            check_kind(&rows, k, t);
        }
    }
    rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_blobs),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

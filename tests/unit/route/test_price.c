/* SPDX-License-Identifier: Apache-2.0 */
/* Bills and estimates, to the pico-USD. */
#include "unit/cm.h"

#include "route/catalog/price.h"

#define S_PER_DAY 86400

/* Input 3, cached 0.3, write 3.75, 1 h 6, output 15; audio in 10; searches 10 per thousand. */
static const uint64_t prices[] = {3000000, 300000, 3750000, 6000000, 10000000, 15000000, 10000000};
static const struct fl_price_rule rule = {
    .from_day = FL_DAY_ALWAYS,
    .classes = 1u << FL_PRICE_IN | 1u << FL_PRICE_CACHED | 1u << FL_PRICE_WRITE |
               1u << FL_PRICE_WRITE_1H | 1u << FL_PRICE_IN_AUDIO | 1u << FL_PRICE_OUT |
               1u << FL_PRICE_SEARCH,
    .prices = prices};
static const struct fl_catalog_provider provider = {.service_permille = {0, 500, 0, 1750}};
static const struct fl_model model = {.provider = &provider, .rules = &rule, .rule_count = 1};

static struct fl_bill bill_of(const struct fl_model *m, struct fl_usage usage, int64_t when_s)
{
    struct fl_bill bill;
    memset(&bill, 0xee, sizeof(bill));
    assert_int_equal(fl_price_usage(m, &usage, when_s, &bill), FL_OK);
    assert_int_equal(bill.picousd, bill.in_picousd + bill.out_picousd + bill.calls_picousd);
    return bill;
}

static void every_token_has_one_cell(void **state)
{
    (void)state;
    struct fl_bill bill = bill_of(&model,
                                  (struct fl_usage){.tokens_in = 1000,
                                                    .tokens_cached = 600,
                                                    .tokens_cache_write = 100,
                                                    .tokens_cache_write_1h = 40,
                                                    .tokens_in_audio = 50,
                                                    .tokens_cached_audio = 20,
                                                    .tokens_out = 200,
                                                    .tokens_reasoning = 150,
                                                    .requests = 1,
                                                    .searches = 3},
                                  0);
    /* audio 50: 20 cached (no price of their own: as cached), 30 fresh; text 950: 580 cached, 100
     * written (40 for an hour), 270 fresh */
    assert_int_equal(bill.in_picousd, 270 * 3000000u + 600 * 300000u + 60 * 3750000u +
                                          40 * 6000000u + 30 * 10000000u);
    assert_int_equal(bill.out_picousd, 200 * 15000000u);
    assert_int_equal(bill.calls_picousd, 3 * 10000000u);
    assert_int_equal(bill.unpriced, 0); /* requests are not billed by the piece here */
    assert_int_equal(bill.permille, 1000);
    assert_ptr_equal(bill.rule, &rule);
}

static void a_line_says_what_was_priced_as_what(void **state)
{
    (void)state;
    struct fl_bill bill =
        bill_of(&model, (struct fl_usage){.tokens_out = 10, .tokens_reasoning = 4, .pages = 2}, 0);
    assert_int_equal(bill.line_count, 2);
    assert_int_equal(bill.lines[0].what, FL_PRICE_OUT);
    assert_int_equal(bill.lines[0].count, 6);
    assert_int_equal(bill.lines[1].what, FL_PRICE_REASONING);
    assert_int_equal(bill.lines[1].by, FL_PRICE_OUT);
    assert_int_equal(bill.lines[1].price, 15000000);
    assert_int_equal(bill.lines[1].picousd, 4 * 15000000);
    assert_int_equal(bill.unpriced, 1u << FL_PRICE_PAGE);
}

static void parts_larger_than_their_total_are_the_total(void **state)
{
    (void)state;
    struct fl_bill bill = bill_of(&model,
                                  (struct fl_usage){.tokens_in = 10,
                                                    .tokens_cached = 99,
                                                    .tokens_cache_write = 99,
                                                    .tokens_in_audio = 4,
                                                    .tokens_cached_audio = 77,
                                                    .tokens_out = 5,
                                                    .tokens_reasoning = 9,
                                                    .tokens_out_image = 9},
                                  0);
    assert_int_equal(bill.in_picousd, 10 * 300000);
    assert_int_equal(bill.out_picousd, 5 * 15000000);
}

static void services_have_factors(void **state)
{
    struct fl_usage usage = {.tokens_in = 1, .tokens_out = 1, .searches = 1};
    (void)state;
    usage.service = FL_SERVICE_BATCH;
    struct fl_bill bill = bill_of(&model, usage, 0);
    assert_int_equal(bill.in_picousd, 1500000);
    assert_int_equal(bill.out_picousd, 7500000);
    assert_int_equal(bill.calls_picousd, 10000000); /* calls cost the same */
    usage.service = FL_SERVICE_PRIORITY;
    assert_int_equal(bill_of(&model, usage, 0).in_picousd, 5250000);
    usage.service = FL_SERVICE_FLEX;
    bill = bill_of(&model, usage, 0);
    assert_true(bill.service_unknown);
    assert_int_equal(bill.in_picousd, 3000000);
    struct fl_model own = model;
    own.service_permille[FL_SERVICE_FLEX] = 333;
    bill = bill_of(&own, usage, 0);
    assert_false(bill.service_unknown);
    assert_int_equal(bill.in_picousd, 999000);
}

static void hours_are_rounded_once(void **state)
{
    const uint64_t hour[] = {UINT64_C(1000000000000)};
    const struct fl_price_rule by_hour = {
        .from_day = FL_DAY_ALWAYS, .classes = 1u << FL_PRICE_AUDIO_HOUR, .prices = hour};
    const struct fl_model m = {.rules = &by_hour, .rule_count = 1};
    (void)state;
    assert_int_equal(bill_of(&m, (struct fl_usage){.audio_ms = 3600000}, 0).picousd, hour[0]);
    assert_int_equal(bill_of(&m, (struct fl_usage){.audio_ms = 1}, 0).picousd, 277778);
    assert_int_equal(bill_of(&m, (struct fl_usage){.audio_ms = 7}, 0).picousd, 1944444);
}

static void too_much_is_an_error_and_no_prices_is_another(void **state)
{
    struct fl_bill bill = {.picousd = 7};
    struct fl_usage usage = {.tokens_in = UINT64_MAX};
    const struct fl_model none = {.rule_count = 0};
    (void)state;
    assert_int_equal(fl_price_usage(&model, &usage, 0, &bill), FL_ERR_TOO_BIG);
    usage = (struct fl_usage){.tokens_in = 6148914691236, .tokens_out = 1};
    assert_int_equal(fl_price_usage(&model, &usage, 0, &bill), FL_ERR_TOO_BIG);
    usage.tokens_in = 6148914691230;
    usage.tokens_out = 0;
    assert_int_equal(bill.picousd, 7);
    assert_int_equal(fl_price_usage(&model, &usage, 0, &bill), FL_OK);
    assert_int_equal(bill.picousd, UINT64_C(6148914691230) * 3000000);
    assert_int_equal(fl_price_usage(&none, &usage, 0, &bill), FL_ERR_INVALID);
}

static void the_last_rule_that_applies_counts(void **state)
{
    static const uint64_t p[] = {1, 2, 3, 4, 5};
    const struct fl_price_rule rules[] = {
        {.from_day = FL_DAY_ALWAYS, .classes = 1, .prices = &p[0]},
        {.from_day = FL_DAY_ALWAYS, .above_tokens = 100, .classes = 1, .prices = &p[1]},
        {.from_day = 10, .classes = 1, .prices = &p[2]},
        {.from_day = 10, .above_tokens = 100, .classes = 1, .prices = &p[3]},
        {.from_day = 10, .from_minute = 22 * 60, .to_minute = 60, .classes = 1, .prices = &p[4]}};
    const struct fl_model m = {.rules = rules, .rule_count = 5};
    (void)state;
    assert_ptr_equal(fl_price_rule(&m, 0, 0), &rules[0]);
    assert_ptr_equal(fl_price_rule(&m, 100, 10 * S_PER_DAY - 1), &rules[0]);
    assert_ptr_equal(fl_price_rule(&m, 101, 10 * S_PER_DAY - 1), &rules[1]);
    assert_ptr_equal(fl_price_rule(&m, 100, 10 * S_PER_DAY), &rules[4]); /* past midnight */
    assert_ptr_equal(fl_price_rule(&m, 100, 10 * S_PER_DAY + 3600), &rules[2]);
    assert_ptr_equal(fl_price_rule(&m, 101, 10 * S_PER_DAY + 3600), &rules[3]);
    assert_ptr_equal(fl_price_rule(&m, 101, 11 * S_PER_DAY - 7200 - 1), &rules[3]);
    assert_ptr_equal(fl_price_rule(&m, 101, 11 * S_PER_DAY - 7200), &rules[4]);
    assert_ptr_equal(fl_price_rule(&m, 0, -1), &rules[0]);
    assert_null(fl_price_rule(&(struct fl_model){.rule_count = 0}, 0, 0));
}

static void an_estimate_weighs_the_cache_and_the_output(void **state)
{
    struct fl_estimate e;
    struct fl_price_request request = {.tokens_in = 1000,
                                       .tokens_prefix = 800,
                                       .prefix_ppm = 250000,
                                       .tokens_out_p50 = 100,
                                       .tokens_out_p90 = 400};
    (void)state;
    assert_int_equal(fl_price_estimate(&model, &request, 0, &e), FL_OK);
    const uint64_t cold = UINT64_C(1000) * 3000000, warm = 200 * 3000000u + 800 * 300000u;
    assert_int_equal(e.picousd_in, (cold * 3 + warm) / 4);
    assert_int_equal(e.picousd_p50, e.picousd_in + UINT64_C(100) * 15000000);
    assert_int_equal(e.picousd_p90, cold + UINT64_C(400) * 15000000);
    request.prefix_ppm = 0;
    request.tokens_cache_write = 500;
    request.cache_write_1h = true;
    assert_int_equal(fl_price_estimate(&model, &request, 0, &e), FL_OK);
    assert_int_equal(e.picousd_in, UINT64_C(500) * 9000000);
    request.prefix_ppm = 2000000; /* above one is one: 800 read, of the rest 200 are written */
    assert_int_equal(fl_price_estimate(&model, &request, 0, &e), FL_OK);
    assert_int_equal(e.picousd_in, 800 * 300000u + 200 * 6000000u);
    request.tokens_in = UINT64_MAX;
    assert_int_equal(fl_price_estimate(&model, &request, 0, &e), FL_ERR_TOO_BIG);
}

/* --- Names --- */

static void assert_bare(const char *name, const char *bare)
{
    char memory[FL_BARE_MAX];
    assert_slice(fl_model_bare_name(fl_slice_cstr(name), memory), bare);
}

static void bare_names_are_what_spellings_share(void **state)
{
    (void)state;
    assert_bare("gpt-4o", "gpt-4o");
    assert_bare("openai/GPT-4o-2024-05-13", "gpt-4o");
    assert_bare("claude-3.5-sonnet:beta", "claude-3-5-sonnet");
    assert_bare("claude-3-5-sonnet-20241022", "claude-3-5-sonnet");
    assert_bare("anthropic.claude-3-opus-20240229-v1:0", "claude-3-opus");
    assert_bare("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1");
    assert_bare("claude-opus-4@20250514", "claude-opus-4");
    assert_bare("accounts/fireworks/models/llama-v3p1-8b", "llama-v3p1-8b");
    assert_bare("deepseek-v3", "deepseek-v3");
    assert_bare("deepseek_v3.1", "deepseek-v3-1");
    assert_bare("gpt-3.5-turbo-0125", "gpt-3-5-turbo-0125");
    assert_bare("mistral-large-latest", "mistral-large");
    assert_bare("-latest", "-latest");
    assert_bare("20240513", "20240513");
    assert_bare("a/", "a/"); /* nothing behind the slash: no maker */
    assert_bare("", "");
}

static void lists_of_names_have_patterns_and_exceptions(void **state)
{
    const struct fl_slice names = FL_LIT("a,b-*,*-c,x##y,!b-no*");
    (void)state;
    assert_true(fl_names_match(names, FL_LIT("A")));
    assert_true(fl_names_match(names, FL_LIT("b-")));
    assert_true(fl_names_match(names, FL_LIT("b-yes")));
    assert_false(fl_names_match(names, FL_LIT("b-now")));
    assert_true(fl_names_match(names, FL_LIT("any-c")));
    assert_true(fl_names_match(names, FL_LIT("x12Y")));
    assert_false(fl_names_match(names, FL_LIT("x1y")));
    assert_false(fl_names_match(names, FL_LIT("x1zy")));
    assert_false(fl_names_match(names, FL_LIT("")));
    assert_true(fl_names_match(FL_LIT("*a*b*c"), FL_LIT("xxaxxbxxbcc")));
    assert_false(fl_names_match(FL_LIT("*a*b*c"), FL_LIT("xxaxxbxxbcd")));
}

static void assert_family(const char *name, const char *family, const char *maker,
                          enum fl_tokenizer tokenizer)
{
    const struct fl_family *f = fl_family_of(fl_slice_cstr(name));
    assert_string_equal(f->name, family);
    assert_string_equal(f->maker, maker);
    assert_string_equal(fl_tokenizer_name(f->tokenizer), fl_tokenizer_name(tokenizer));
}

static void families_are_told_by_name(void **state)
{
    (void)state;
    assert_family("gpt-4", "gpt", "openai", FL_TOKENIZER_CL100K);
    assert_family("gpt-4-turbo-2024-04-09", "gpt", "openai", FL_TOKENIZER_CL100K);
    assert_family("gpt-3.5-turbo", "gpt", "openai", FL_TOKENIZER_CL100K);
    assert_family("gpt-35-turbo", "gpt", "openai", FL_TOKENIZER_CL100K);
    assert_family("gpt-4o-mini", "gpt", "openai", FL_TOKENIZER_O200K);
    assert_family("gpt-4.1", "gpt", "openai", FL_TOKENIZER_O200K);
    assert_family("gpt-5.6-sol", "gpt", "openai", FL_TOKENIZER_O200K);
    assert_family("openai/o3-mini", "o", "openai", FL_TOKENIZER_O200K);
    assert_family("openai/gpt-oss-120b", "gpt", "openai", FL_TOKENIZER_O200K);
    assert_family("claude-3-opus", "claude", "anthropic", FL_TOKENIZER_CLAUDE);
    assert_family("models/gemini-2.5-pro", "gemini", "google", FL_TOKENIZER_GEMINI);
    assert_family("meta-llama/Llama-2-7b-chat-hf", "llama", "meta", FL_TOKENIZER_LLAMA2);
    assert_family("llama-3.3-70b-versatile", "llama", "meta", FL_TOKENIZER_LLAMA3);
    assert_family("deepseek-r1-distill-llama-70b", "llama", "deepseek", FL_TOKENIZER_LLAMA3);
    assert_family("open-mistral-7b", "mistral", "mistral", FL_TOKENIZER_MISTRAL);
    assert_family("Qwen/Qwen3-32B", "qwen", "alibaba", FL_TOKENIZER_QWEN);
    assert_family("deepseek-chat", "deepseek", "deepseek", FL_TOKENIZER_DEEPSEEK);
    assert_family("what-is-this", "other", "", FL_TOKENIZER_UNKNOWN);
    assert_family("", "other", "", FL_TOKENIZER_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_has_one_cell),
        cmocka_unit_test(a_line_says_what_was_priced_as_what),
        cmocka_unit_test(parts_larger_than_their_total_are_the_total),
        cmocka_unit_test(services_have_factors),
        cmocka_unit_test(hours_are_rounded_once),
        cmocka_unit_test(too_much_is_an_error_and_no_prices_is_another),
        cmocka_unit_test(the_last_rule_that_applies_counts),
        cmocka_unit_test(an_estimate_weighs_the_cache_and_the_output),
        cmocka_unit_test(bare_names_are_what_spellings_share),
        cmocka_unit_test(lists_of_names_have_patterns_and_exceptions),
        cmocka_unit_test(families_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

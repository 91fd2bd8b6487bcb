/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in catalogue, the three formats, and what is refused with its place. */
#include "unit/config/catalog_data.h"

#include "config/catalog_file.h"
#include "route/catalog/price.h"

#include <time.h>

static struct fl_catalog *builtin;

static int load(void **state)
{
    (void)state;
    struct fl_reterr reterr = {0};
    builtin = fl_catalog_load(FL_EMPTY, &reterr);
    if (!builtin) {
        print_error("%u:%u: %s\n", reterr.line, reterr.column, reterr.message);
    }
    return builtin ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    fl_catalog_unref(builtin);
    return 0;
}

static const struct fl_model *find(const char *provider, const char *name,
                                   enum fl_model_match match)
{
    enum fl_model_match how = FL_MATCH_NONE;
    const struct fl_model *m =
        fl_catalog_find(builtin, fl_slice_cstr(provider), fl_slice_cstr(name), &how);
    if (how != match) {
        print_error("%s %s: match %d\n", provider, name, (int)how);
    }
    assert_int_equal(how, match);
    return m;
}

static uint64_t price(const struct fl_model *m, enum fl_price_class c)
{
    uint64_t price = UINT64_MAX;
    assert_non_null(m);
    assert_true(m->rule_count > 0);
    assert_true(fl_price_get(&m->rules[0], c, &price));
    return price;
}

/* --- Built in --- */

static void it_is_large_and_small_enough(void **state)
{
    unsigned priced = 0, providers = fl_catalog_provider_count(builtin);
    (void)state;
    for (unsigned i = 0; i < fl_catalog_model_count(builtin); i++) {
        const struct fl_model *m = fl_catalog_model(builtin, i);
        priced += m->rule_count > 0 && m->rules[0].classes != 0;
    }
    print_message("%u providers, %u models, %u of them priced, %zu bytes packed\n", providers,
                  fl_catalog_model_count(builtin), priced, fl_catalog_builtin_bytes());
    assert_true(providers >= 40);
    assert_true(priced >= 1000);
    assert_true(fl_catalog_builtin_bytes() < 150000);
}

static void every_name_that_the_origin_uses_is_known(void **state)
{
    (void)state;
    const struct fl_model *m = find("openai", "gpt-4", FL_MATCH_EXACT);
    assert_int_equal(price(m, FL_PRICE_IN), 30000000);
    assert_int_equal(price(m, FL_PRICE_OUT), 60000000);
    assert_int_equal(m->family->tokenizer, FL_TOKENIZER_CL100K);
    m = find("openai", "gpt-3.5-turbo", FL_MATCH_EXACT);
    assert_int_equal(price(m, FL_PRICE_IN), 500000);
    assert_int_equal(m->context_tokens, 16385);
    m = find("anthropic", "claude-3-opus", FL_MATCH_PATTERN);
    assert_int_equal(price(m, FL_PRICE_OUT), 75000000);
    assert_int_equal(m->status, FL_MODEL_RETIRED);
    assert_slice(m->successor, "claude-opus-5-5");
    m = find("anthropic", "claude-3-sonnet", FL_MATCH_EXACT);
    assert_int_equal(m->status, FL_MODEL_RETIRED);
    assert_non_null(find("anthropic", "claude-sonnet-5", FL_MATCH_EXACT));
    assert_slice(m->successor, "claude-sonnet-5");
    m = fl_catalog_find_any(builtin, FL_LIT("llama-2-7b"));
    assert_non_null(m);
    assert_int_equal(m->tier, FL_MODEL_LOW);
    assert_int_equal(m->family->tokenizer, FL_TOKENIZER_LLAMA2);
    m = fl_catalog_find_any(builtin, FL_LIT("mistral-7b"));
    assert_non_null(m);
    assert_slice(m->provider->name, "mistral");
    assert_int_equal(m->status, FL_MODEL_RETIRED);
    assert_slice(m->successor, "ministral-8b-latest");
}

static void every_successor_is_there_and_serves(void **state)
{
    unsigned count = 0;
    (void)state;
    for (unsigned i = 0; i < fl_catalog_model_count(builtin); i++) {
        const struct fl_model *m = fl_catalog_model(builtin, i);
        if (m->successor.len > 0) {
            const struct fl_model *next =
                fl_catalog_find_at(builtin, m->provider, m->successor, NULL);
            assert_non_null(next);
            assert_ptr_equal(next->provider, m->provider);
            assert_int_not_equal(next->status, FL_MODEL_RETIRED);
            count++;
        }
    }
    assert_true(count >= 20);
}

static void names_are_understood_in_every_spelling(void **state)
{
    (void)state;
    const struct fl_model *m = find("openai", "gpt-4o", FL_MATCH_EXACT);
    assert_ptr_equal(find("openai", "GPT-4o", FL_MATCH_EXACT), m);
    assert_ptr_equal(find("openai", "gpt-4o-2024-08-06", FL_MATCH_EXACT), m);
    assert_ptr_equal(find("openai", "openai/gpt-4o", FL_MATCH_BARE), m);
    assert_ptr_equal(find("openai", "gpt-4o-2031-01-02", FL_MATCH_BARE), m);
    assert_ptr_equal(find("azure", "gpt-5.6-sol", FL_MATCH_FALLBACK),
                     find("openai", "gpt-5.6-sol", FL_MATCH_EXACT));
    assert_null(find("openai", "gpt-4o-and-more", FL_MATCH_NONE));
    assert_null(find("nobody", "gpt-4o", FL_MATCH_NONE));
    assert_non_null(find("openai", "ft:gpt-4o-2024-08-06:acme::x1", FL_MATCH_PATTERN));
    m = find("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", FL_MATCH_PATTERN);
    assert_ptr_equal(
        find("amazon-bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", FL_MATCH_PATTERN), m);
    assert_non_null(find("google", "gemini-2.5-flash", FL_MATCH_EXACT));
    assert_non_null(find("gemini", "gemini-2.5-pro-preview-05-06", FL_MATCH_PATTERN));
    assert_slice(find("gemini", "gemini-2.5-pro-preview-tts", FL_MATCH_EXACT)->id,
                 "gemini-2.5-pro-tts");
}

static void prices_have_days_hours_and_steps(void **state)
{
    enum { AUGUST_20 = 1787184000, AUGUST_21 = 1787270400 };
    struct fl_bill bill;
    struct fl_usage usage = {.known = true, .tokens_in = 1000, .tokens_out = 1000};
    (void)state;
    const struct fl_model *m = find("openai", "gpt-5.6-sol", FL_MATCH_EXACT);
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_20 + 86399, &bill), FL_OK);
    assert_int_equal(bill.picousd, 5000000000 + 30000000000);
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_21, &bill), FL_OK);
    assert_int_equal(bill.picousd, 4000000000 + 20000000000);
    usage.tokens_in = 271999;
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_21, &bill), FL_OK);
    assert_int_equal(bill.in_picousd, UINT64_C(271999) * 4000000);
    usage.tokens_in = 272000;
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_21, &bill), FL_OK);
    assert_int_equal(bill.in_picousd, UINT64_C(272000) * 8000000);
    assert_int_equal(bill.out_picousd, UINT64_C(1000) * 30000000);
    m = find("deepseek", "deepseek-v4-flash", FL_MATCH_EXACT);
    usage.tokens_in = 1;
    usage.tokens_out = 0;
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_21 + 3600 - 1, &bill), FL_OK);
    assert_int_equal(bill.picousd, 220000);
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_21 + 3600, &bill), FL_OK);
    assert_int_equal(bill.picousd, 440000);
    assert_int_equal(fl_price_usage(m, &usage, AUGUST_21 + 4 * 3600, &bill), FL_OK);
    assert_int_equal(bill.picousd, 220000);
}

static void tiers_follow_the_rule(void **state)
{
    (void)state;
    assert_int_equal(find("anthropic", "claude-opus-5-5", FL_MATCH_EXACT)->tier, FL_MODEL_HIGH);
    assert_int_equal(find("anthropic", "claude-haiku-4-5", FL_MATCH_EXACT)->tier, FL_MODEL_MEDIUM);
    assert_int_equal(find("openai", "gpt-5.4-nano", FL_MATCH_EXACT)->tier, FL_MODEL_LOW);
    /* gpt-4 costs more than any of today's, but is of 2023 */
    assert_int_equal(find("openai", "gpt-4", FL_MATCH_EXACT)->tier, FL_MODEL_MEDIUM);
    /* A reseller's model is what it is at its maker's. */
    assert_int_equal(find("openrouter", "anthropic/claude-haiku-4.5", FL_MATCH_EXACT)->tier,
                     FL_MODEL_MEDIUM);
    assert_int_equal(fl_model_tier_by_price(3000000, FL_DAY_UNKNOWN, 20000), FL_MODEL_HIGH);
    assert_int_equal(fl_model_tier_by_price(2999999, FL_DAY_UNKNOWN, 20000), FL_MODEL_MEDIUM);
    assert_int_equal(fl_model_tier_by_price(500000, 19270, 20000), FL_MODEL_MEDIUM);
    assert_int_equal(fl_model_tier_by_price(500000, 19269, 20000), FL_MODEL_LOW);
    assert_int_equal(fl_model_tier_by_price(499999, 20000, 20000), FL_MODEL_LOW);
    assert_int_equal(fl_model_tier_by_price(0, 20000, 20000), FL_MODEL_TIER_NONE);
}

static void it_is_read_in_time(void **state)
{
    struct timespec a, b;
    double best = 1e9;
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &a), 0);
        struct fl_catalog *c = fl_catalog_load(FL_EMPTY, NULL);
        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &b), 0);
        assert_non_null(c);
        fl_catalog_unref(c);
        double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
        best = ms < best ? ms : best;
    }
    print_message(
        "unpacked, parsed and indexed in %.2f ms (a debug or sanitized build is slower)\n", best);
}

/* --- Formats --- */

static struct fl_catalog *from_text(const char *text)
{
    struct fl_reterr reterr = {0};
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    enum fl_err err = fl_catalog_read_text(d, fl_slice_cstr(text), &reterr);
    if (err) {
        print_error("%u:%u: %s\n", reterr.line, reterr.column, reterr.message);
    }
    assert_int_equal(err, FL_OK);
    struct fl_catalog *c = fl_catalog_draft_finish(d);
    assert_non_null(c);
    return c;
}

static void put_all(struct fl_buf *b, const struct fl_catalog *c)
{
    const struct fl_catalog_provider *provider = NULL;
    fl_buf_put_cstr(b, "catalog 1 ");
    fl_day_put(b, fl_catalog_day(c));
    fl_buf_putc(b, '\n');
    for (unsigned i = 0; i < fl_catalog_model_count(c); i++) {
        const struct fl_model *m = fl_catalog_model(c, i);
        if (m->provider != provider) {
            provider = m->provider;
            fl_catalog_put_provider(b, provider);
        }
        fl_catalog_put_model(b, m);
    }
}

static void what_is_written_is_what_was_read(void **state)
{
    enum { bytes_max = 4 << 20 };
    struct fl_buf once, twice;
    char line[4096];
    (void)state;
    fl_buf_init(&once, bytes_max);
    fl_buf_init(&twice, bytes_max);
    put_all(&once, builtin);
    assert_true(fl_buf_ok(&once));
    FILE *f = fopen("catalog/catalog.txt", "rb");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) { /* the file without comments and empty lines */
        if (line[0] != '#' && line[0] != '\n') {
            fl_buf_put_cstr(&twice, line);
        }
    }
    assert_int_equal(fclose(f), 0);
    assert_int_equal(once.len, twice.len);
    assert_memory_equal(once.ptr, twice.ptr, once.len);
    fl_buf_finish(&once);
    fl_buf_finish(&twice);
}

static void overlays_keep_what_they_do_not_name(void **state)
{
    (void)state;
    struct fl_catalog *c = from_text("catalog 1 2026-01-02\n"
                                     "provider a base=https://a.example/v1 batch=0.25\n"
                                     "model x in=1 out=2\n"
                                     "model y names=z,w-* in=3 out=4\n"
                                     "provider b\n"
                                     "model x in=9 out=9\n"
                                     "catalog 1 2026-03-04\r\n"
                                     "\n  # blanks are fine\n"
                                     "provider a\n"
                                     "model X in=5 out=6\n");
    assert_int_equal(fl_catalog_provider_count(c), 2);
    assert_int_equal(fl_catalog_model_count(c), 3);
    int32_t day = 0;
    assert_true(fl_day_parse(FL_LIT("2026-03-04"), &day));
    assert_int_equal(fl_catalog_day(c), day);
    const struct fl_model *m = fl_catalog_find(c, FL_LIT("a"), FL_LIT("x"), NULL);
    assert_slice(m->id, "X");
    assert_int_equal(price(m, FL_PRICE_IN), 5000000);
    assert_slice(m->provider->base_url, "https://a.example/v1");
    assert_int_equal(m->provider->service_permille[FL_SERVICE_BATCH], 250);
    assert_int_equal(m->provider->model_count, 2);
    assert_int_equal(price(fl_catalog_find(c, FL_LIT("a"), FL_LIT("z"), NULL), FL_PRICE_OUT),
                     4000000);
    assert_int_equal(price(fl_catalog_find(c, FL_LIT("a"), FL_LIT("W-1"), NULL), FL_PRICE_OUT),
                     4000000);
    assert_int_equal(price(fl_catalog_find(c, FL_LIT("b"), FL_LIT("x"), NULL), FL_PRICE_IN),
                     9000000);
    fl_catalog_unref(c);
}

/* Reads *text* and writes it in our format. */
static void becomes(enum fl_catalog_format format, const char *text, const char *expected)
{
    struct fl_reterr reterr = {0};
    struct fl_buf b;
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    enum fl_err err = fl_catalog_read(d, format, fl_slice_cstr(text), 20000, &reterr);
    if (err) {
        print_error("%u:%u: %s\n", reterr.line, reterr.column, reterr.message);
    }
    assert_int_equal(err, FL_OK);
    struct fl_catalog *c = fl_catalog_draft_finish(d);
    fl_buf_init(&b, 1 << 20);
    put_all(&b, c);
    assert_slice(fl_buf_slice(&b), expected);
    fl_buf_finish(&b);
    fl_catalog_unref(c);
}

static void a_price_file_in_json_becomes_rows(void **state)
{
    (void)state;
    becomes(
        FL_CATALOG_GENAI,
        "[{\"id\":\"a\",\"fallback_model_providers\":[\"b\",\"c\"],\"models\":["
        "{\"id\":\"x\",\"context_window\":1000,\"deprecated\":true,"
        "\"match\":{\"or\":[{\"equals\":\"X\"},{\"equals\":\"x-1\"},{\"starts_with\":\"x-2\"},"
        "{\"ends_with\":\"x-3\"},{\"contains\":\"x-4\"},{\"regex\":\"^x\\\\.5-\\\\d{4}-\\\\d$\"},"
        "{\"regex\":\"^x-6\"},{\"regex\":\"x|y\"},"
        "{\"and\":[{\"starts_with\":\"x-7\"},{\"regex\":\"^(?!.*-[tT][tT][sS](?:$|-))\"}]}]},"
        "\"prices\":{\"input_mtok\":{\"base\":1,\"tiers\":[{\"start\":200000,\"price\":2.5}]},"
        "\"cache_read_mtok\":0.1,\"output_mtok\":5,\"web_searches_kcount\":10,"
        "\"requests_kcount\":null,\"unheard_of\":7}},"
        "{\"id\":\"y\",\"match\":{\"equals\":\"y\"},\"prices\":["
        "{\"prices\":{\"input_mtok\":1}},"
        "{\"constraint\":{\"type\":\"start_date\",\"start_date\":\"2026-01-02\"},"
        "\"prices\":{\"input_mtok\":2}},"
        "{\"constraint\":{\"type\":\"time_of_date\",\"start_time\":\"16:30:00Z\","
        "\"end_time\":\"00:30:00Z\"},\"prices\":{\"input_mtok\":5e-1}}]},"
        "{\"id\":\"no blanks\",\"prices\":{\"input_mtok\":1}},"
        "{\"id\":\"free\",\"prices\":{}}]}]",
        "catalog 1 2024-10-04\n"
        "provider a shares=b,c\n"
        "model x names=x-1,x-2*,*x-3,*x-4*,x.5-####-#,x-6*,x-7*,!*-tts,!*-tts-* context=1000 "
        "status=deprecated in=1 cached=0.1 out=5 search=10\n"
        "rule above=200000 in=2.5 cached=0.1 out=5 search=10\n"
        "model y in=1\n"
        "rule from=2026-01-02 in=2\n"
        "rule time=16:30-00:30 in=0.5\n"
        "model free\n");
}

static void a_table_in_csv_becomes_rows(void **state)
{
    (void)state;
    becomes(
        FL_CATALOG_MODELS_DEV,
        "provider,model,name,release_date,status,input_usd_per_m,output_usd_per_m,"
        "cache_read_usd_per_m,context,max_output,reasoning,tool_call,structured_output,modal_in,"
        "modal_out,api_base\r\n"
        "a,x,\"X, \"\"the\"\" model\nof two "
        "lines\",2025-01-31,deprecated,0.1,0.2,0.01,1000,100,True,"
        "True,False,text|image|pdf,text,https://a.example/v1\r\n"
        "\n"
        "a,with blank,,,,1,1,,,,,,,,,\n"
        "b,text-embedding-1,,2025-13-01,,0.02,0.0,,8191,,,,,text,text,https://${HOST}/v1\n"
        "b,unpriced,,,,,,,,,,,,text,audio,",
        "catalog 1 2024-10-04\n"
        "provider a base=https://a.example/v1\n"
        "model x context=1000 output=100 can=chat,stream,tools,reasoning,vision,pdf "
        "released=2025-01-31 status=deprecated in=0.1 cached=0.01 out=0.2\n"
        "provider b\n"
        "model text-embedding-1 context=8191 can=embeddings in=0.02 out=0\n"
        "model unpriced can=speech\n");
}

static void refuse(enum fl_catalog_format format, const char *text, unsigned line, unsigned column,
                   const char *message)
{
    struct fl_reterr reterr = {0};
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    assert_int_equal(fl_catalog_read(d, format, fl_slice_cstr(text), 0, &reterr), FL_ERR_CONFIG);
    fl_catalog_draft_destroy(d);
    if (reterr.line != line || reterr.column != column || strcmp(reterr.message, message) != 0) {
        print_error("%s\n-> %u:%u: %s\n", text, reterr.line, reterr.column, reterr.message);
        fail();
    }
}

static void broken_files_are_refused_with_the_place(void **state)
{
    const enum fl_catalog_format own = FL_CATALOG_TEXT, json = FL_CATALOG_GENAI,
                                 csv = FL_CATALOG_MODELS_DEV;
    (void)state;
    refuse(own, "model x\n", 1, 1, "a model needs a provider before it");
    refuse(own, "provider a\nrule in=1\n", 2, 1, "a rule belongs to a model with prices");
    refuse(own, "provider a\nmodel x in=1 out=two\n", 2, 18, "not a price: 'two'");
    refuse(own, "provider a\nmodel x in=-1\n", 2, 12, "not a price: '-1'");
    refuse(own, "provider a\nmodel x in=1 in=2\n", 2, 14, "given twice: 'in'");
    refuse(own, "provider a\nmodel x colour=red\n", 2, 9, "unknown key 'colour'");
    refuse(own, "provider a\nmodel x in=\n", 2, 9, "expected key=value, not 'in='");
    refuse(own, "provider a\nmodel x in=1\nrule from=2026-02-29 in=1\n", 3, 11,
           "not a day such as 2026-09-23: '2026-02-29'");
    refuse(own, "provider a\nmodel x in=1\nrule time=1:00-2:00 in=1\n", 3, 11,
           "not a time of day (UTC) such as 16:30-00:30: '1:00-2:00'");
    refuse(own, "provider a\nmodel x can=fly\n", 2, 13, "unknown ability 'fly'");
    refuse(own, "provider a\nmodel x tier=best\n", 2, 14, "not low, medium or high: 'best'");
    refuse(own, "provider a\nmodel x\tin=1\n", 2, 8,
           "only printable ASCII and single blanks stand here");
    refuse(own, "catalog 2 2026-01-01\n", 1, 1,
           "a catalogue of a newer version: expected 'catalog 1 DATE'");
    refuse(own, "modle x\n", 1, 1, "expected catalog, provider, model or rule, not 'modle'");
    refuse(json, "{}", 1, 1, "expected an array of providers");
    refuse(json,
           "[{\"id\":\"a\",\"models\":[\n {\"id\":\"x\",\"prices\":{\"input_mtok\":\"1\"}}]}]", 2,
           35, "not a price: '\"1\"'");
    refuse(json, "[1]", 1, 2, "expected a provider with 'models'");
    refuse(csv, "provider,model\n", 1, 1, "the header has no column 'input_usd_per_m'");
    refuse(csv, "provider,model,input_usd_per_m,output_usd_per_m\na,x,1,2\na,y,1,z\n", 3, 7,
           "not a price: 'z'");
    refuse(csv, "provider,model,input_usd_per_m,output_usd_per_m\na,\"x,1,2\n", 2, 1,
           "a quote without its end");
}

static void prices_are_exact(void **state)
{
    uint64_t n = 0;
    (void)state;
    assert_true(fl_price_parse(FL_LIT("2.5"), 6, &n));
    assert_int_equal(n, 2500000);
    assert_true(fl_price_parse(FL_LIT("0.000001"), 6, &n));
    assert_int_equal(n, 1);
    assert_true(fl_price_parse(FL_LIT("1e-05"), 6, &n));
    assert_int_equal(n, 10);
    assert_true(fl_price_parse(FL_LIT("0.08333333333333334"), 6, &n));
    assert_int_equal(n, 83333);
    assert_true(fl_price_parse(FL_LIT("0.0000005"), 6, &n));
    assert_int_equal(n, 1);
    assert_true(fl_price_parse(FL_LIT("0.00000049"), 6, &n));
    assert_int_equal(n, 0);
    assert_true(fl_price_parse(FL_LIT("18446744073709"), 6, &n));
    assert_int_equal(n, UINT64_C(18446744073709000000));
    assert_false(fl_price_parse(FL_LIT("18446744073710"), 6, &n));
    assert_false(fl_price_parse(FL_LIT("1e300"), 6, &n));
    assert_true(fl_price_parse(FL_LIT("0e300"), 6, &n));
    assert_int_equal(n, 0);
    assert_false(fl_price_parse(FL_LIT(""), 6, &n));
    assert_false(fl_price_parse(FL_LIT("."), 6, &n));
    assert_false(fl_price_parse(FL_LIT("1."), 6, &n));
    assert_false(fl_price_parse(FL_LIT(".5"), 6, &n));
    assert_false(fl_price_parse(FL_LIT("1e"), 6, &n));
    assert_false(fl_price_parse(FL_LIT("-1"), 6, &n));
    assert_false(fl_price_parse(FL_LIT("nan"), 6, &n));
}

static void days_go_both_ways(void **state)
{
    int32_t day = 0;
    char text[16];
    (void)state;
    assert_true(fl_day_parse(FL_LIT("1970-01-01"), &day));
    assert_int_equal(day, 0);
    assert_true(fl_day_parse(FL_LIT("2026-09-23"), &day));
    assert_int_equal(day, 20719);
    assert_true(fl_day_parse(FL_LIT("2024-02-29"), &day));
    assert_false(fl_day_parse(FL_LIT("2026-13-01"), &day));
    assert_false(fl_day_parse(FL_LIT("2026-1-01"), &day));
    for (day = -100000; day < 100000; day += 7) {
        struct fl_buf b;
        int32_t back = 0;
        fl_buf_init_in(&b, text, sizeof(text));
        fl_day_put(&b, day);
        assert_true(fl_day_parse(fl_buf_slice(&b), &back));
        assert_int_equal(back, day);
    }
}

/* --- The shared files --- */

static void the_built_in_prices_are_those_of_the_newest_file(void **state)
{
    struct fl_slice text;
    unsigned same = 0;
    (void)state;
    if (!load_data("genai_prices_2026-09-23.json", &text)) {
        print_message("skipped: no data\n");
        skip();
    }
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    assert_int_equal(fl_catalog_read_genai(d, text, 20719, NULL), FL_OK);
    struct fl_catalog *c = fl_catalog_draft_finish(d);
    for (unsigned i = 0; i < fl_catalog_model_count(c); i++) {
        const struct fl_model *theirs = fl_catalog_model(c, i);
        enum fl_model_match match = FL_MATCH_NONE;
        const struct fl_model *ours =
            fl_catalog_find(builtin, theirs->provider->name, theirs->id, &match);
        if (match != FL_MATCH_EXACT || theirs->rules[0].classes == 0) {
            continue; /* blanks in the name, or free without saying so */
        }
        assert_int_equal(ours->rule_count, theirs->rule_count);
        for (unsigned k = 0; k < ours->rule_count; k++) {
            const struct fl_price_rule *a = &ours->rules[k], *b = &theirs->rules[k];
            assert_int_equal(a->classes, b->classes);
            assert_int_equal(a->from_day, b->from_day);
            assert_int_equal(a->above_tokens, b->above_tokens);
            assert_memory_equal(a->prices, b->prices,
                                (size_t)__builtin_popcount(a->classes) * sizeof(*a->prices));
        }
        same++;
    }
    print_message("%u of %u models of the price file, rule by rule\n", same,
                  fl_catalog_model_count(c));
    assert_int_equal(same, 1531); /* all that have a price */
    fl_catalog_unref(c);
    free_data(text);
}

static void the_table_of_models_dev_is_read(void **state)
{
    struct fl_slice text;
    struct fl_reterr reterr = {0};
    (void)state;
    if (!load_data("models_dev_2026-07-02.csv", &text)) {
        print_message("skipped: no data\n");
        skip();
    }
    assert_int_equal(fl_catalog_format_of(text), FL_CATALOG_MODELS_DEV);
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    assert_int_equal(fl_catalog_read_models_dev(d, text, 20636, &reterr), FL_OK);
    struct fl_catalog *c = fl_catalog_draft_finish(d);
    assert_int_equal(fl_catalog_provider_count(c), 147);
    assert_true(fl_catalog_model_count(c) > 5200);
    const struct fl_model *m = fl_catalog_find(c, FL_LIT("openai"), FL_LIT("gpt-4.1"), NULL);
    assert_non_null(m);
    assert_int_equal(price(m, FL_PRICE_IN), 2000000);
    assert_int_equal(price(m, FL_PRICE_OUT), 8000000);
    assert_int_equal(m->context_tokens, 1047576);
    assert_int_equal(m->output_tokens_max, 32768);
    assert_int_equal(m->capabilities, FL_CAN_CHAT | FL_CAN_STREAM | FL_CAN_TOOLS | FL_CAN_JSON |
                                          FL_CAN_SEE | FL_CAN_PDF);
    fl_catalog_unref(c);
    free_data(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_large_and_small_enough),
        cmocka_unit_test(every_name_that_the_origin_uses_is_known),
        cmocka_unit_test(every_successor_is_there_and_serves),
        cmocka_unit_test(names_are_understood_in_every_spelling),
        cmocka_unit_test(prices_have_days_hours_and_steps),
        cmocka_unit_test(tiers_follow_the_rule),
        cmocka_unit_test(it_is_read_in_time),
        cmocka_unit_test(what_is_written_is_what_was_read),
        cmocka_unit_test(overlays_keep_what_they_do_not_name),
        cmocka_unit_test(a_price_file_in_json_becomes_rows),
        cmocka_unit_test(a_table_in_csv_becomes_rows),
        cmocka_unit_test(broken_files_are_refused_with_the_place),
        cmocka_unit_test(prices_are_exact),
        cmocka_unit_test(days_go_both_ways),
        cmocka_unit_test(the_built_in_prices_are_those_of_the_newest_file),
        cmocka_unit_test(the_table_of_models_dev_is_read),
    };
    return cmocka_run_group_tests(tests, load, unload);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 907 usage objects of real answers, each read as every vendor's API reports it, and priced in
 * every provider's price list, against the answers of genai-prices: input and output to 10^-9 USD,
 * and every count of tokens.
 *
 * The answers were computed with an older price file than the one at hand. Dated prices of the file
 * give the older ones (see WHEN); three answers rest on entries that were since corrected without a
 * date: `older` restores those, and the test tells how many hold with and without.
 */
#include "unit/config/catalog_data.h"

#include "config/catalog_file.h"
#include "dialect/usage.h"
#include "route/catalog/price.h"

#define WHEN INT64_C(1777636800) /* 2026-05-01 12:00 UTC */

static const char older[] = "catalog 1 2026-05-01\n"
                            "provider google\n"
                            "model claude-sonnet-4-5 names=claude-sonnet-4-5* in=3 cached=0.3 "
                            "write=3.75 out=15\n"
                            "provider mistral\n"
                            "model ministral-8b-latest in=0.1 out=1\n";

/* Counts that their reader of a provider does not look at, since that API does not report them. */
enum { NO_CACHED = 1, NO_WRITE = 2, NO_AUDIO = 4, NO_REASONING = 8, NO_SEARCHES = 16 };

/* What a provider's API is called there, and the shape it has here. Rows in order; the first fits.
 */
static const struct {
    const char *provider, *flavor; /* NULL: any */
    enum fl_usage_shape shape;
    unsigned without;
} shapes[] = {
    {"cohere", "default", FL_USAGE_COHERE, 0},
    {"cohere", "embeddings", FL_USAGE_COHERE, 0},
    {"cohere", "tokens", FL_USAGE_COHERE_TOKENS, 0},
    {"google", "default", FL_USAGE_GEMINI, 0},
    {"aws", "default", FL_USAGE_BEDROCK, 0},
    {"anthropic", "default", FL_USAGE_ANTHROPIC, 0},
    {"anthropic", "chat", FL_USAGE_CHAT, NO_CACHED | NO_WRITE | NO_AUDIO},
    {"minimax", "default", FL_USAGE_ANTHROPIC, NO_REASONING | NO_SEARCHES},
    {"minimax", "responses", FL_USAGE_RESPONSES, NO_REASONING | NO_WRITE},
    {"doubleword", "responses", FL_USAGE_RESPONSES, NO_REASONING | NO_WRITE},
    {"azure", "responses", FL_USAGE_RESPONSES, NO_WRITE},
    {"azure", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"cerebras", "chat", FL_USAGE_CHAT, NO_CACHED | NO_WRITE | NO_AUDIO},
    {"modal", "chat", FL_USAGE_CHAT, NO_REASONING | NO_AUDIO},
    {"x-ai", "default", FL_USAGE_CHAT_FLAT, 0},
    {"x-ai", "chat", FL_USAGE_CHAT_APART, NO_AUDIO},
    {"perplexity", NULL, FL_USAGE_CHAT_FLAT, 0},
    {NULL, "anthropic", FL_USAGE_ANTHROPIC, NO_REASONING | NO_SEARCHES},
    {NULL, "responses", FL_USAGE_RESPONSES, 0},
    {NULL, "embeddings", FL_USAGE_EMBEDDINGS, 0},
    {"fireworks", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"deepseek", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"google", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"groq", "default", FL_USAGE_CHAT, NO_WRITE},
    {"minimax", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"mistral", "default", FL_USAGE_CHAT, NO_WRITE},
    {"moonshotai", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"zai", "chat", FL_USAGE_CHAT, NO_WRITE},
    {"zhipuai", "chat", FL_USAGE_CHAT, NO_WRITE},
    {NULL, NULL, FL_USAGE_CHAT, 0},
};

/* Their names of our counts. Text is what belongs to no other kind, and tools' tokens are priced as
 * what they are: both are parts that our total includes without a name. */
static const struct {
    const char *key;
    size_t offset;
} counts[] = {
    {"input_tokens", offsetof(struct fl_usage, tokens_in)},
    {"output_tokens", offsetof(struct fl_usage, tokens_out)},
    {"cache_read_tokens", offsetof(struct fl_usage, tokens_cached)},
    {"cache_write_tokens", offsetof(struct fl_usage, tokens_cache_write)},
    {"cache_write_1h_tokens", offsetof(struct fl_usage, tokens_cache_write_1h)},
    {"input_audio_tokens", offsetof(struct fl_usage, tokens_in_audio)},
    {"input_image_tokens", offsetof(struct fl_usage, tokens_in_image)},
    {"input_video_tokens", offsetof(struct fl_usage, tokens_in_video)},
    {"cache_audio_read_tokens", offsetof(struct fl_usage, tokens_cached_audio)},
    {"cache_image_read_tokens", offsetof(struct fl_usage, tokens_cached_image)},
    {"cache_video_read_tokens", offsetof(struct fl_usage, tokens_cached_video)},
    {"output_reasoning_tokens", offsetof(struct fl_usage, tokens_reasoning)},
    {"output_audio_tokens", offsetof(struct fl_usage, tokens_out_audio)},
    {"output_image_tokens", offsetof(struct fl_usage, tokens_out_image)},
    {"output_video_tokens", offsetof(struct fl_usage, tokens_out_video)},
    {"web_searches", offsetof(struct fl_usage, searches)},
};

struct tally {
    unsigned objects, objects_equal;
    unsigned prices, prices_equal;
    unsigned usages, usages_equal;
    unsigned newer; /* priced here, unknown to the older file */
};

static struct fl_json get(struct fl_json object, const char *key)
{
    return fl_json_get(object, fl_slice_cstr(key));
}

static struct fl_slice text_of(struct fl_json value)
{
    return value.type == FL_JSON_STRING ? fl_slice(value.span.ptr + 1, value.span.len - 2)
                                        : FL_EMPTY;
}

static bool read_as(struct fl_slice provider, struct fl_slice flavor, struct fl_json object,
                    struct fl_usage *usage)
{
    size_t i = 0;
    while ((shapes[i].provider && !fl_slice_eq(provider, fl_slice_cstr(shapes[i].provider))) ||
           (shapes[i].flavor && !fl_slice_eq(flavor, fl_slice_cstr(shapes[i].flavor)))) {
        i++;
        assert_true(i < sizeof(shapes) / sizeof(*shapes));
    }
    if (!fl_usage_read(shapes[i].shape, object, usage)) {
        return false;
    }
    usage->tokens_cached = shapes[i].without & NO_CACHED ? 0 : usage->tokens_cached;
    usage->tokens_cache_write = shapes[i].without & NO_WRITE ? 0 : usage->tokens_cache_write;
    usage->tokens_in_audio = shapes[i].without & NO_AUDIO ? 0 : usage->tokens_in_audio;
    usage->tokens_reasoning = shapes[i].without & NO_REASONING ? 0 : usage->tokens_reasoning;
    usage->searches = shapes[i].without & NO_SEARCHES ? 0 : usage->searches;
    return true;
}

static bool same_counts(const struct fl_usage *usage, struct fl_json expected)
{
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        uint64_t want = 0,
                 have = *(const uint64_t *)(const void *)((const char *)usage + counts[i].offset);
        (void)fl_json_u64(get(expected, counts[i].key), &want);
        if (want != have) {
            print_error("%s: %llu, expected %llu in %.*s\n", counts[i].key,
                        (unsigned long long)have, (unsigned long long)want, (int)expected.span.len,
                        expected.span.ptr);
            return false;
        }
    }
    uint64_t five = 0;
    return !fl_json_u64(get(expected, "cache_write_5m_tokens"), &five) ||
           five == usage->tokens_cache_write - usage->tokens_cache_write_1h;
}

/* To 10^-9 USD = 1,000 pico-USD. */
static bool same_money(uint64_t picousd, struct fl_json usd)
{
    uint64_t expected = 0;
    assert_true(fl_price_parse(text_of(usd), 12, &expected));
    return (picousd > expected ? picousd - expected : expected - picousd) <= 1000;
}

static bool same_bill(const struct fl_model *model, const struct fl_usage *usage,
                      struct fl_json row, struct tally *t)
{
    struct fl_bill bill;
    struct fl_json in = get(row, "input_price"), total = get(row, "total_price");
    if (in.type == FL_JSON_NONE) {
        t->newer += model != NULL;
        return true;
    }
    t->prices++;
    bool equal = model && !fl_price_usage(model, usage, WHEN, &bill) &&
                 (bill.unpriced == 0 || bill.rule->classes == 0) && /* an empty price list: 0 */
                 same_money(bill.in_picousd, in) &&
                 same_money(bill.out_picousd, get(row, "output_price")) &&
                 (total.type == FL_JSON_NONE || same_money(bill.picousd, total));
    t->prices_equal += equal;
    if (!equal) {
        print_message("differs: %.*s\n", (int)row.span.len, row.span.ptr);
    }
    return equal;
}

static bool check_row(const struct fl_catalog *c, struct fl_json object, struct fl_json expected,
                      struct fl_json row, struct tally *t)
{
    struct fl_slice provider = text_of(get(row, "provider_id"));
    struct fl_json body = get(object, "body"), found = get(body, "usage");
    struct fl_slice model_name = text_of(get(object, "model"));
    struct fl_usage usage = {0};
    if (found.type == FL_JSON_NONE) {
        found = get(body, "usageMetadata");
    }
    if (found.type == FL_JSON_NONE) {
        found = get(body, "meta");
    }
    t->usages++;
    if (!read_as(provider, text_of(get(row, "api_flavor")), found, &usage) ||
        !same_counts(&usage, expected)) {
        print_error("usage differs for %.*s\n", (int)row.span.len, row.span.ptr);
        return false;
    }
    t->usages_equal++;
    const struct fl_model *model =
        model_name.len > 0 ? fl_catalog_find(c, provider, model_name, NULL) : NULL;
    return same_bill(model, &usage, row, t);
}

static void check_object(const struct fl_catalog *c, struct fl_json object, struct tally *t)
{
    struct fl_json_iter groups = fl_json_iter(get(object, "extracted"));
    struct fl_json group, row;
    bool equal = true;
    while (fl_json_next(&groups, NULL, &group)) {
        struct fl_json_iter rows = fl_json_iter(get(group, "extractors"));
        while (fl_json_next(&rows, NULL, &row)) {
            equal = check_row(c, object, get(group, "usage"), row, t) && equal;
        }
    }
    t->objects++;
    t->objects_equal += equal;
}

static struct tally run(struct fl_slice golden, struct fl_slice prices, struct fl_slice overlay)
{
    struct tally t = {0};
    struct fl_reterr reterr = {0};
    struct fl_json whole, object;
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    assert_non_null(d);
    assert_int_equal(fl_catalog_read_genai(d, prices, 0, &reterr), FL_OK);
    assert_int_equal(fl_catalog_read_text(d, overlay, &reterr), FL_OK);
    struct fl_catalog *c = fl_catalog_draft_finish(d);
    assert_non_null(c);
    assert_int_equal(fl_json_scan(golden, FL_JSON_LIMITS, NULL, 0, &whole, NULL), FL_OK);
    struct fl_json_iter it = fl_json_iter(whole);
    while (fl_json_next(&it, NULL, &object)) {
        check_object(c, object, &t);
    }
    fl_catalog_unref(c);
    print_message("usage objects: %u equal, %u unequal of %u; prices: %u equal of %u; readings: %u "
                  "equal of %u; priced here only: %u\n",
                  t.objects_equal, t.objects - t.objects_equal, t.objects, t.prices_equal, t.prices,
                  t.usages_equal, t.usages, t.newer);
    return t;
}

static void every_usage_object_has_its_price(void **state)
{
    struct fl_slice golden = FL_EMPTY, prices = FL_EMPTY;
    (void)state;
    if (!load_data("usage_golden.json.gz", &golden) ||
        !load_data("genai_prices_2026-09-23.json", &prices)) {
        print_message("skipped: no data\n");
        skip();
    }
    print_message("with the price file alone:\n");
    struct tally t = run(golden, prices, FL_EMPTY);
    assert_int_equal(t.objects_equal, 904);
    assert_int_equal(t.prices_equal, 2010);
    print_message("with the two entries as they were:\n");
    t = run(golden, prices, FL_LIT(older));
    assert_int_equal(t.objects, 907);
    assert_int_equal(t.objects_equal, 907);
    assert_int_equal(t.prices, 2013);
    assert_int_equal(t.prices_equal, 2013);
    assert_int_equal(t.usages_equal, t.usages);
    free_data(golden);
    free_data(prices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_usage_object_has_its_price)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

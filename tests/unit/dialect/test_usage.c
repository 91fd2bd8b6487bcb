/* SPDX-License-Identifier: Apache-2.0 */
/* Usage objects of the vendors, as they come. The 907 of the golden set are in unit/config. */
#include "unit/cm.h"

#include "dialect/usage.h"

#include <stdio.h>

static struct fl_json parse(const char *text)
{
    struct fl_json value = {FL_JSON_NONE, FL_EMPTY};
    assert_int_equal(fl_json_scan(fl_slice_cstr(text), FL_JSON_LIMITS, NULL, 0, &value, NULL),
                     FL_OK);
    return value;
}

/* "in 10 cached 3 out 7": every field that is not 0. */
static void put_usage(const struct fl_usage *u, char text[400])
{
    const struct {
        const char *name;
        uint64_t n;
    } fields[] = {{"in", u->tokens_in},
                  {"cached", u->tokens_cached},
                  {"write", u->tokens_cache_write},
                  {"write_1h", u->tokens_cache_write_1h},
                  {"in_audio", u->tokens_in_audio},
                  {"in_image", u->tokens_in_image},
                  {"in_video", u->tokens_in_video},
                  {"cached_audio", u->tokens_cached_audio},
                  {"cached_image", u->tokens_cached_image},
                  {"cached_video", u->tokens_cached_video},
                  {"out", u->tokens_out},
                  {"reasoning", u->tokens_reasoning},
                  {"out_audio", u->tokens_out_audio},
                  {"out_image", u->tokens_out_image},
                  {"out_video", u->tokens_out_video},
                  {"citation", u->tokens_citation},
                  {"searches", u->searches},
                  {"pages", u->pages},
                  {"audio_ms", u->audio_ms},
                  {"messages", u->text_messages},
                  {"service", (uint64_t)u->service}};
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        size_t len = strlen(text);
        if (fields[i].n > 0) {
            (void)snprintf(text + len, 400 - len, "%s%s %llu", len > 0 ? " " : "", fields[i].name,
                           (unsigned long long)fields[i].n);
        }
    }
}

static void reads(enum fl_usage_shape shape, const char *object, const char *expected)
{
    char text[400];
    struct fl_usage u = {.tokens_in = 99};
    assert_true(fl_usage_read(shape, parse(object), &u));
    assert_true(u.known);
    assert_int_equal(u.requests, 1);
    put_usage(&u, text);
    assert_string_equal(text, expected);
}

static void reads_any(const char *object, const char *expected)
{
    char text[400];
    struct fl_usage u = {.tokens_in = 99};
    assert_true(fl_usage_read_any(parse(object), &u));
    put_usage(&u, text);
    assert_string_equal(text, expected);
}

static void every_shape_is_read(void **state)
{
    (void)state;
    reads(FL_USAGE_CHAT,
          "{\"prompt_tokens\":100,\"completion_tokens\":50,\"total_tokens\":150,"
          "\"prompt_tokens_details\":{\"cached_tokens\":64,\"audio_tokens\":5},"
          "\"completion_tokens_details\":{\"reasoning_tokens\":20,\"audio_tokens\":3,"
          "\"accepted_prediction_tokens\":9},\"service_tier\":\"flex\"}",
          "in 100 cached 64 in_audio 5 out 50 reasoning 20 out_audio 3 service 2");
    reads(FL_USAGE_CHAT_APART,
          "{\"prompt_tokens\":32,\"completion_tokens\":9,\"total_tokens\":235,"
          "\"prompt_tokens_details\":{\"cached_tokens\":6},"
          "\"completion_tokens_details\":{\"reasoning_tokens\":194}}",
          "in 32 cached 6 out 203 reasoning 194");
    reads(FL_USAGE_CHAT_FLAT,
          "{\"prompt_tokens\":7,\"completion_tokens\":100,\"citation_tokens\":30,"
          "\"reasoning_tokens\":400,\"num_search_queries\":12}",
          "in 7 out 530 reasoning 400 citation 30 searches 12");
    reads(FL_USAGE_RESPONSES,
          "{\"input_tokens\":4020,\"input_tokens_details\":{\"cache_write_tokens\":4012,"
          "\"cached_tokens\":0},\"output_tokens\":5,\"output_tokens_details\":"
          "{\"reasoning_tokens\":2},\"total_tokens\":4025}",
          "in 4020 write 4012 out 5 reasoning 2");
    reads(FL_USAGE_IMAGES,
          "{\"input_tokens\":40,\"input_tokens_details\":{\"image_tokens\":30,\"text_tokens\":10},"
          "\"output_tokens\":1000,\"output_tokens_details\":{\"image_tokens\":1000}}",
          "in 40 in_image 30 out 1000 out_image 1000");
    reads(
        FL_USAGE_REALTIME,
        "{\"input_tokens\":200,\"output_tokens\":80,\"input_token_details\":{\"audio_tokens\":150,"
        "\"text_tokens\":50,\"cached_tokens\":100,\"cached_tokens_details\":{\"audio_tokens\":90,"
        "\"text_tokens\":10}},\"output_token_details\":{\"audio_tokens\":60}}",
        "in 200 cached 100 in_audio 150 cached_audio 90 out 80 out_audio 60");
    reads(FL_USAGE_EMBEDDINGS, "{\"prompt_tokens\":8,\"total_tokens\":8}", "in 8");
    reads(
        FL_USAGE_ANTHROPIC,
        "{\"input_tokens\":3,\"cache_creation_input_tokens\":418,\"cache_read_input_tokens\":1111,"
        "\"cache_creation\":{\"ephemeral_5m_input_tokens\":400,\"ephemeral_1h_input_tokens\":18},"
        "\"output_tokens\":33,\"output_tokens_details\":{\"thinking_tokens\":11},"
        "\"server_tool_use\":{\"web_search_requests\":2},\"service_tier\":\"batch\"}",
        "in 1532 cached 1111 write 418 write_1h 18 out 33 reasoning 11 searches 2 service 1");
    reads(FL_USAGE_GEMINI,
          "{\"promptTokenCount\":1000,\"cachedContentTokenCount\":600,\"candidatesTokenCount\":40,"
          "\"thoughtsTokenCount\":60,\"toolUsePromptTokenCount\":25,\"promptTokensDetails\":["
          "{\"modality\":\"TEXT\",\"tokenCount\":100},{\"modality\":\"AUDIO\",\"tokenCount\":300},"
          "{\"modality\":\"VIDEO\",\"tokenCount\":500},{\"modality\":\"DOCUMENT\",\"tokenCount\":"
          "100}],"
          "\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":200},{\"modality\":"
          "\"TEXT\"}],"
          "\"candidatesTokensDetails\":[{\"modality\":\"IMAGE\",\"tokenCount\":30}],"
          "\"totalTokenCount\":1125}",
          "in 1025 cached 600 in_audio 300 in_image 100 in_video 500 cached_audio 200 out 100 "
          "reasoning 60 out_image 30");
    reads(FL_USAGE_BEDROCK,
          "{\"inputTokens\":3,\"outputTokens\":121,\"cacheReadInputTokens\":1712,"
          "\"cacheReadInputTokenCount\":1712,\"cacheWriteInputTokens\":236,\"cacheDetails\":["
          "{\"inputTokens\":200,\"ttl\":\"1h\"},{\"inputTokens\":36,\"ttl\":\"5m\"}],"
          "\"totalTokens\":2072}",
          "in 1951 cached 1712 write 236 write_1h 200 out 121");
    reads(FL_USAGE_COHERE,
          "{\"billed_units\":{\"input_tokens\":51,\"output_tokens\":13,\"search_units\":1},"
          "\"tokens\":{\"input_tokens\":1533,\"output_tokens\":36}}",
          "in 51 out 13 searches 1");
    reads(FL_USAGE_COHERE_TOKENS,
          "{\"billed_units\":{\"input_tokens\":51},\"cached_tokens\":1440,"
          "\"tokens\":{\"input_tokens\":1533,\"output_tokens\":36}}",
          "in 1533 cached 1440 out 36");
    reads(FL_USAGE_OCR, "{\"pages_processed\":3,\"doc_size_bytes\":100}", "pages 3");
    reads(FL_USAGE_OLLAMA, "{\"model\":\"m\",\"prompt_eval_count\":26,\"eval_count\":298}",
          "in 26 out 298");
}

static void the_shape_is_told_by_the_keys(void **state)
{
    (void)state;
    reads_any("{\"prompt_tokens\":4,\"completion_tokens\":5,\"total_tokens\":9}", "in 4 out 5");
    reads_any("{\"prompt_tokens\":8,\"total_tokens\":8}", "in 8");
    reads_any("{\"input_tokens\":4,\"output_tokens\":5}", "in 4 out 5");
    reads_any("{\"input_tokens\":4,\"output_tokens\":5,\"cache_read_input_tokens\":10}",
              "in 14 cached 10 out 5");
    reads_any("{\"promptTokenCount\":4,\"thoughtsTokenCount\":5}", "in 4 out 5 reasoning 5");
    reads_any("{\"inputTokens\":4,\"outputTokens\":5}", "in 4 out 5");
    reads_any("{\"billed_units\":{\"input_tokens\":4}}", "in 4");
    reads_any("{\"eval_count\":5}", "out 5");
    /* DeepSeek says it twice, Moonshot elsewhere, Mistral again elsewhere */
    reads_any("{\"prompt_tokens\":10,\"completion_tokens\":1,\"prompt_cache_hit_tokens\":6,"
              "\"prompt_tokens_details\":{\"cached_tokens\":6}}",
              "in 10 cached 6 out 1");
    reads_any("{\"prompt_tokens\":10,\"completion_tokens\":1,\"cached_tokens\":7}",
              "in 10 cached 7 out 1");
    reads_any("{\"prompt_tokens\":10,\"completion_tokens\":1,\"num_cached_tokens\":8}",
              "in 10 cached 8 out 1");
    /* reasoning beside the completion, as only the total tells */
    reads_any("{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":35,"
              "\"completion_tokens_details\":{\"reasoning_tokens\":20}}",
              "in 10 out 25 reasoning 20");
    reads_any("{\"prompt_tokens\":10,\"completion_tokens\":25,\"total_tokens\":35,"
              "\"completion_tokens_details\":{\"reasoning_tokens\":20}}",
              "in 10 out 25 reasoning 20");
}

/* That a word stands there tells the shape, whatever its value. */
static void the_shape_is_told_by_words_without_numbers_too(void **state)
{
    static const char *const values[] = {"null", "\"12\"", "{\"x\":1}", "[1]", "true"};
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char object[200], text[400];
        struct fl_usage u = {0};
        (void)snprintf(object, sizeof(object),
                       "{\"prompt_tokens\":7,\"completion_tokens\":100,\"reasoning_tokens\":400,"
                       "\"num_search_queries\":%s}",
                       values[i]);
        assert_true(fl_usage_read_any(parse(object), &u));
        put_usage(&u, text);
        assert_string_equal(text, "in 7 out 500 reasoning 400");
    }
}

static void what_is_no_usage_leaves_it_alone(void **state)
{
    static const char *const objects[] = {"null",
                                          "[]",
                                          "3",
                                          "\"x\"",
                                          "{}",
                                          "{\"prompt_tokens\":null}",
                                          "{\"prompt_tokens\":-1}",
                                          "{\"prompt_tokens\":1.5}",
                                          "{\"prompt_tokens\":\"7\"}",
                                          "{\"usage\":{\"prompt_tokens\":7}}"};
    struct fl_usage u = {.tokens_in = 99};
    (void)state;
    for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
        assert_false(fl_usage_read_any(parse(objects[i]), &u));
        for (unsigned s = 0; s < FL_USAGE_SHAPE_COUNT; s++) {
            assert_false(fl_usage_read((enum fl_usage_shape)s, parse(objects[i]), &u));
        }
        assert_int_equal(u.tokens_in, 99);
        assert_false(u.known);
    }
    assert_false(fl_usage_read(FL_USAGE_CHAT, parse("{\"prompt_tokens\":7}"), &u));
}

static void sums_stop_at_the_greatest_number(void **state)
{
    struct fl_usage u = {0};
    (void)state;
    assert_true(fl_usage_read(FL_USAGE_ANTHROPIC,
                              parse("{\"input_tokens\":9223372036854775807,\"output_tokens\":1,"
                                    "\"cache_read_input_tokens\":9223372036854775807,"
                                    "\"cache_creation_input_tokens\":9223372036854775807}"),
                              &u));
    assert_int_equal(u.tokens_in, UINT64_MAX);
    assert_true(fl_usage_read(
        FL_USAGE_REALTIME,
        parse("{\"input_tokens\":1,\"billable_audio_seconds\":9223372036854775807}"), &u));
    assert_int_equal(u.audio_ms, UINT64_MAX);
}

static void anthropic_streams_in_pieces(void **state)
{
    char text[400];
    struct fl_usage u = {0};
    (void)state;
    assert_true(fl_usage_update_anthropic(
        parse("{\"input_tokens\":3,\"cache_creation_input_tokens\":10,\"cache_read_input_tokens\":"
              "100,"
              "\"cache_creation\":{\"ephemeral_1h_input_tokens\":4},\"output_tokens\":1,"
              "\"service_tier\":\"priority\"}"),
        &u));
    assert_true(fl_usage_update_anthropic(parse("{\"output_tokens\":50}"), &u));
    put_usage(&u, text);
    assert_string_equal(text, "in 113 cached 100 write 10 write_1h 4 out 50 service 3");
    assert_true(fl_usage_update_anthropic(
        parse("{\"input_tokens\":5,\"cache_read_input_tokens\":100,\"output_tokens\":60,"
              "\"server_tool_use\":{\"web_search_requests\":1}}"),
        &u));
    put_usage(&u, text);
    assert_string_equal(text, "in 105 cached 100 write_1h 4 out 60 searches 1 service 3");
    assert_false(fl_usage_update_anthropic(parse("{}"), &u));
    assert_false(fl_usage_update_anthropic(parse("null"), &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_read),
        cmocka_unit_test(the_shape_is_told_by_the_keys),
        cmocka_unit_test(the_shape_is_told_by_words_without_numbers_too),
        cmocka_unit_test(what_is_no_usage_leaves_it_alone),
        cmocka_unit_test(sums_stop_at_the_greatest_number),
        cmocka_unit_test(anthropic_streams_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

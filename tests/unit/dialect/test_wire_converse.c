/* SPDX-License-Identifier: Apache-2.0 */
/* Bedrock: converse, and Claude by invoke in Amazon's frames. */
#include "unit/dialect/wire_rig.h"

struct row {
    const char *model, *in, *out;
};

#define CLAUDE     "anthropic.claude-3-haiku-20240307-v1:0"
#define CLAUDE4    "us.anthropic.claude-sonnet-4-20250514-v1:0"
#define NOVA       "amazon.nova-lite-v1:0"
#define USER(text) "{\"role\":\"user\",\"content\":[{\"text\":\"" text "\"}]}"
#define HI         "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define HI_OUT     "{\"messages\":[" USER("hi") "]"

static void requests_are_written(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {NOVA, "{\"model\":\"m\"," HI "}", HI_OUT ",\"inferenceConfig\":{}}"},
        {NOVA,
         "{\"model\":\"m\",\"max_tokens\":9,\"temperature\":2,\"top_p\":0.5,\"stop\":\"X\","
         "\"messages\":[{\"role\":\"system\","
         "\"content\":\"be\"},{\"role\":\"assistant\",\"content\":\"yes?\"},{\"role\":\"user\","
         "\"content\":\"a\"},"
         "{\"role\":\"user\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"b\"}]}",
         "{\"messages\":[" USER(
             ".") ",{\"role\":\"assistant\",\"content\":[{\"text\":\"yes?\"}]},{\"role\":\"user\","
                  "\"content\":[{\"text\":\"a\"},{\"text\":\"b\"}]}],\"system\":[{\"text\":\"be\"}]"
                  ",\"inferenceConfig\":{\"maxTokens\":9,"
                  "\"temperature\":1,\"topP\":0.5,\"stopSequences\":[\"X\"]}} "
                  "[temperature=approximated, messages=approximated]"},
        /* the history used a tool: it must be told of */
        {NOVA,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
         "\"assistant\",\"tool_calls\":[{\"id\":"
         "\"call:1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{"
         "\"role\":\"tool\","
         "\"tool_call_id\":\"call:1\",\"content\":\"\"}]}",
         "{\"messages\":[" USER("q") ",{\"role\":\"assistant\",\"content\":[{\"toolUse\":{"
                                     "\"toolUseId\":\"ID\",\"name\":\"f\","
                                     "\"input\":{}}}]},{\"role\":\"user\",\"content\":[{"
                                     "\"toolResult\":{\"toolUseId\":\"ID\",\"content\":[{\"text\":"
                                     "\"(no "
                                     "output)\"}],\"status\":\"success\"}}]}],\"inferenceConfig\":{"
                                     "},\"toolConfig\":{\"tools\":[{\"toolSpec\":{"
                                     "\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":"
                                     "\"object\",\"properties\":{}}}}}]}}"},
        {NOVA,
         "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
         "\"description\":\"d\"}}],"
         "\"tool_choice\":\"required\"," HI "}",
         HI_OUT ",\"inferenceConfig\":{},\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\","
                "\"description\":\"d\","
                "\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}],"
                "\"toolChoice\":{\"any\":{}}}}"},
        {NOVA,
         "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
         "\"tool_choice\":\"none\"," HI "}",
         HI_OUT ",\"inferenceConfig\":{},\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\","
                "\"inputSchema\":{\"json\":"
                "{\"type\":\"object\",\"properties\":{}}}}}]}} [tool_choice]"},
        /* thinking and what else only Claude takes */
        {CLAUDE4,
         "{\"model\":\"m\",\"max_tokens\":9000,\"reasoning_effort\":\"low\",\"parallel_tool_"
         "calls\":false,\"tools\":[{\"type\":"
         "\"function\",\"function\":{\"name\":\"f\"}}]," HI "}",
         HI_OUT ",\"inferenceConfig\":{\"maxTokens\":9000},\"toolConfig\":{\"tools\":[{"
                "\"toolSpec\":{\"name\":\"f\","
                "\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}]},"
                "\"additionalModelRequestFields\":{"
                "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"tool_choice\":{"
                "\"type\":\"auto\","
                "\"disable_parallel_tool_use\":true}}} [reasoning_effort=approximated]"},
        {"openai.gpt-oss-20b-1:0", "{\"model\":\"m\",\"reasoning_effort\":\"medium\"," HI "}",
         HI_OUT ",\"inferenceConfig\":{},\"additionalModelRequestFields\":{\"reasoning_effort\":"
                "\"medium\"}}"},
        {NOVA, "{\"model\":\"m\",\"reasoning_effort\":\"medium\"," HI "}",
         HI_OUT ",\"inferenceConfig\":{}} [reasoning_effort]"},
        /* a schema: by the service, or by a tool */
        {"qwen.qwen3-32b-v1:0",
         "{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
         "\"n\",\"schema\":{\"type\":"
         "\"object\"}}}," HI "}",
         HI_OUT ",\"inferenceConfig\":{},\"outputConfig\":{\"textFormat\":{\"type\":\"json_"
                "schema\",\"structure\":{\"jsonSchema\":{"
                "\"schema\":\"{\\\"additionalProperties\\\":false,\\\"type\\\":\\\"object\\\"}\","
                "\"name\":\"n\"}}}}}"},
        {NOVA,
         "{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
         "\"n\",\"description\":\"say\","
         "\"schema\":{\"type\":\"object\"}}}," HI "}",
         HI_OUT ",\"inferenceConfig\":{},\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":"
                "\"fairlead_answer\",\"description\":"
                "\"say\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}],\"toolChoice\":{"
                "\"tool\":{\"name\":"
                "\"fairlead_answer\"}}}} [response_format=emulated]"},
        /* bytes only */
        {NOVA,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
         "\"image_url\":{\"url\":"
         "\"https://x.test/a.png\"}}]}]}",
         "refused: The request holds what this provider cannot be asked. "
         "[messages.image=impossible]"},
        {NOVA,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
         "\"image_url\":{\"url\":"
         "\"data:image/jpg;base64,/9j/"
         "\"}},{\"type\":\"file\",\"file\":{\"filename\":\"a_b..c.pdf\",\"file_data\":"
         "\"data:application/pdf;base64,JVBERi0=\"}}]}]}",
         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"image\":{\"format\":\"jpeg\","
         "\"source\":{\"bytes\":\"/9j/\"}}},"
         "{\"document\":{\"format\":\"pdf\",\"name\":\"a b c "
         "pdf\",\"source\":{\"bytes\":\"JVBERi0=\"}}},{\"text\":\".\"}]}],"
         "\"inferenceConfig\":{}}"},
        {NOVA, "{\"model\":\"m\",\"n\":3," HI "}",
         "refused: n: this provider gives one answer at a time. [n=impossible]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out = rig_request(&fl_wire_openai_chat, &fl_wire_converse, rows[i].model,
                                fl_slice_cstr(rows[i].in));
        /* an id that Bedrock refuses is replaced by one of its own charset, the same in both
         * places */
        for (char *id; (id = strstr(out, "\"call_")) != NULL;) {
            size_t len = strspn(id + 6, "0123456789abcdef");
            assert_int_equal(len, 16);
            memmove(id + 1, "ID", 2);
            memmove(id + 3, id + 6 + len, strlen(id + 6 + len) + 1);
        }
        if (strcmp(out, rows[i].out) != 0) {
            print_error("case %zu: %s\n", i, rows[i].in);
        }
        assert_string_equal(out, rows[i].out);
        free(out);
    }
}

static void cache_points_follow_what_they_keep(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"be\",\"cache_"
        "control\":{\"type\":\"ephemeral\"}}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_"
        "control\":{\"type\":\"ephemeral\","
        "\"ttl\":\"1h\"}}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
        "\"thinking\":\"hm\",\"signature\":\"Sg\"},"
        "{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"user\",\"content\":\"c\"}]}";
    char *out = rig_request(&fl_wire_anthropic, &fl_wire_converse, CLAUDE4, fl_slice_cstr(body));
    assert_string_equal(
        out,
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"cachePoint\":{\"type\":"
        "\"default\","
        "\"ttl\":\"1h\"}}]},{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{"
        "\"reasoningText\":{"
        "\"text\":\"hm\",\"signature\":\"Sg\"}}},{\"text\":\"b\"}]}," USER(
            "c") "],\"system\":[{\"text\":\"be\"},"
                 "{\"cachePoint\":{\"type\":\"default\"}}],\"inferenceConfig\":{\"maxTokens\":9}}");
    free(out);
    out = rig_request(&fl_wire_anthropic, &fl_wire_converse, "meta.llama3-70b-instruct-v1:0",
                      fl_slice_cstr(body));
    assert_non_null(strstr(out, " [cache_control]"));
    assert_null(strstr(out, "cachePoint"));
    free(out);
}

static void whole_answers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *line;
        enum fl_err err;
    } cases[] = {
        {"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{"
         "\"reasoningText\":{\"text\":\"hm\","
         "\"signature\":\"Sg\"}}},{\"reasoningContent\":{\"redactedContent\":\"Rd\"}},{\"text\":"
         "\"a\"},{\"citationsContent\":{"
         "\"content\":[{\"text\":\"b\"}]}},{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"f\","
         "\"input\":{\"x\":1}}}]}},\"stopReason\":"
         "\"tool_use\",\"usage\":{\"inputTokens\":1,\"outputTokens\":2,\"totalTokens\":10,"
         "\"cacheReadInputTokens\":3,"
         "\"cacheWriteInputTokens\":4}}",
         "thinking \"hm\" signed Sg redacted \"Rd\" text \"ab\" call t:f \"{\\\"x\\\":1}\" finish "
         "tool_calls usage 8/2",
         FL_OK},
        {"{\"output\":{\"message\":{\"content\":[]}},\"stopReason\":\"guardrail_intervened\","
         "\"usage\":{\"inputTokens\":1,"
         "\"outputTokens\":0}}",
         "finish content_filter usage 1/0", FL_OK},
        {"{\"output\":{\"message\":{\"content\":[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":"
         "\"fairlead_answer\",\"input\":{\"a\":1}}}"
         "]}},\"stopReason\":\"tool_use\"}",
         "text \"{\\\"a\\\":1}\" finish stop", FL_OK},
        {"{\"output\":{\"message\":{\"content\":[{\"text\":\"{\"}]}},\"stopReason\":\"malformed_"
         "tool_use\"}",
         "text \"{\" finish error", FL_OK},
        {"{\"message\":\"Too many tokens, please wait before trying again.\"}",
         "error provider_rate_limited: Too many tokens, please wait before trying again. (cut)",
         FL_ERR_ERROR_IN_200},
        {"{\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\","
         "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
         "text \"a\" finish stop usage 1/2", FL_OK},
        {"[]", " (cut)", FL_ERR_BAD_RESPONSE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig g;
        rig_init(&g, &fl_wire_converse, NULL);
        rig_whole(&g, fl_slice_cstr(cases[i].body));
        assert_int_equal(g.err, cases[i].err);
        assert_slice(rig_answer(&g), cases[i].line);
        rig_finish(&g);
    }
}

/* --- Streams: "name data" pairs, one a line; '!' before an exception's name --- */

static struct fl_buf framed(const char *lines)
{
    struct fl_buf b;
    fl_buf_init(&b, 1 << 16);
    while (*lines) {
        size_t len = strcspn(lines, "\n"), name = strcspn(lines, " ");
        bool exception = *lines == '!';
        fl_eventstream_put(&b, exception ? FL_LIT("exception") : FL_LIT("event"),
                           fl_slice(lines + exception, name - exception),
                           fl_slice(lines + name + 1, len - name - 1));
        lines += len + (lines[len] == '\n');
    }
    return b;
}

static void streams_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *line;
    } cases[] = {
        {"messageStart {\"role\":\"assistant\"}\n"
         "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hel\"},\"p\":\"abc\"}\n"
         "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"\"}}\n"
         "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"lo\"}}\n"
         "contentBlockStop {\"contentBlockIndex\":0}\n"
         "messageStop {\"stopReason\":\"end_turn\"}\n"
         "metadata "
         "{\"usage\":{\"inputTokens\":5,\"outputTokens\":2,\"cacheReadInputTokens\":10},"
         "\"metrics\":{}}\n",
         "text \"Hello\" finish stop usage 15/2"},
        /* indexes that jump; a call without arguments; a tool that Bedrock ran itself; usage never
         * told */
        {"messageStart {}\n"
         "contentBlockDelta "
         "{\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":\"hm\"}}}\n"
         "contentBlockDelta "
         "{\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"signature\":\"Sg\"}}}\n"
         "contentBlockStart "
         "{\"contentBlockIndex\":3,\"start\":{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\"}}}\n"
         "contentBlockDelta "
         "{\"contentBlockIndex\":3,\"delta\":{\"toolUse\":{\"input\":\"{\\\"a\\\":\"}}}\n"
         "contentBlockDelta {\"contentBlockIndex\":3,\"delta\":{\"toolUse\":{\"input\":\"1}\"}}}\n"
         "contentBlockStart "
         "{\"contentBlockIndex\":5,\"start\":{\"toolUse\":{\"toolUseId\":\"s\",\"name\":\"w\","
         "\"type\":"
         "\"server_tool_use\"}}}\n"
         "contentBlockDelta {\"contentBlockIndex\":5,\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}\n"
         "contentBlockStart "
         "{\"contentBlockIndex\":7,\"start\":{\"toolUse\":{\"toolUseId\":\"t2\",\"name\":\"g\"}}}\n"
         "messageStop {\"stopReason\":\"end_turn\"}\n",
         "thinking \"hm\" signed Sg call t1:f \"{\\\"a\\\":1}\" call t2:g \"{}\" finish "
         "tool_calls"},
        {"messageStart {}\n"
         "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"}}\n"
         "!throttlingException {\"message\":\"Slow down\"}\n",
         "text \"a\" error provider_rate_limited: Slow down (cut)"},
        {"!modelStreamErrorException {\"message\":\"x\"}\n",
         "error provider_server_error: x (cut)"},
        {"messageStart {}\ncontentBlockDelta {\"delta\":{\"text\":\"a\"}}\n", "text \"a\" (cut)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_buf b = framed(cases[i].lines);
        char *line = rig_all_cuts(&fl_wire_converse, NULL, fl_buf_slice(&b), i);
        assert_string_equal(line, cases[i].line);
        free(line);
        fl_buf_finish(&b);
    }
}

/* A call without arguments is over with its block, not only with the message. */
static void a_block_ends_its_call(void **state)
{
    (void)state;
    struct fl_buf b = framed(
        "messageStart {}\n"
        "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":\"t\","
        "\"name\":\"f\"}}}\n"
        "contentBlockStop {\"contentBlockIndex\":0}\n");
    char *out = rig_output(&fl_wire_converse, &fl_wire_anthropic, fl_buf_slice(&b), NULL, 0);
    assert_non_null(strstr(out, "\"partial_json\":\"{}\""));
    free(out);
    fl_buf_finish(&b);
}

/* {"type":"ping"} ... in base64, as invoke's chunks hold them. */
static void chunks_of_invoke_are_read(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":"
        "1}}}",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
        "\"h\\u00e9\"}}",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_"
        "tokens\":2}}",
        "{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":3}}"};
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct fl_buf b;
    size_t last = 0; /* where the last message begins */
    fl_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        char data[1024] = "{\"bytes\":\"";
        last = b.len;
        size_t at = strlen(data), len = strlen(events[i]);
        for (size_t k = 0; k < len; k += 3) {
            unsigned v = (unsigned)(unsigned char)events[i][k] << 16;
            v |= k + 1 < len ? (unsigned)(unsigned char)events[i][k + 1] << 8 : 0;
            v |= k + 2 < len ? (unsigned)(unsigned char)events[i][k + 2] : 0;
            data[at++] = digits[v >> 18];
            data[at++] = digits[v >> 12 & 63];
            data[at++] = k + 1 < len ? digits[v >> 6 & 63] : '=';
            data[at++] = k + 2 < len ? digits[v & 63] : '=';
        }
        memcpy(data + at, "\",\"p\":\"ab\"}", 12);
        fl_eventstream_put(&b, FL_LIT("event"), FL_LIT("chunk"), fl_slice(data, at + 11));
    }
    char *line = rig_all_cuts(&fl_wire_anthropic_bedrock, NULL, fl_buf_slice(&b), 1);
    assert_string_equal(line, "text \"h\\u00e9\" finish stop usage 3/2");
    free(line);
    /* where converse was asked, too */
    line = rig_all_cuts(&fl_wire_converse, NULL, fl_buf_slice(&b), 2);
    assert_string_equal(line, "text \"h\\u00e9\" finish stop usage 3/2");
    free(line);
    line = rig_output(&fl_wire_converse, NULL, fl_slice_first(fl_buf_slice(&b), last), NULL, 0);
    assert_string_equal(line, "text \"h\\u00e9\" finish stop usage 3/2 (cut)");
    free(line);
    fl_buf_finish(&b);
    b = framed("!internalServerException {\"message\":\"x\"}\n");
    line = rig_output(&fl_wire_anthropic_bedrock, NULL, fl_buf_slice(&b), NULL, 0);
    assert_string_equal(line, "error provider_server_error: x (cut)");
    free(line);
    fl_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_written),
        cmocka_unit_test(cache_points_follow_what_they_keep),
        cmocka_unit_test(whole_answers_are_read),
        cmocka_unit_test(streams_are_read),
        cmocka_unit_test(a_block_ends_its_call),
        cmocka_unit_test(chunks_of_invoke_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

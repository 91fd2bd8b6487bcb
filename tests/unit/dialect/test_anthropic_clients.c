/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of Anthropic's messages get of others' answers. */
#include "unit/dialect/wire_rig.h"

#include "dialect/anthropic_wire.h"
#include "unit/dialect/anthropic_events.h"

#define CHUNK(delta)                                                                               \
    "data: "                                                                                       \
    "{\"id\":\"c\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{" delta    \
    "}}]}\n\n"
#define CALL(i, rest) CHUNK("\"tool_calls\":[{\"index\":" #i "," rest "}]")
#define OVER(reason)                                                                               \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"        \
    "data: "                                                                                       \
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14," \
    "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\ndata: [DONE]\n\n"
#define OUT_START                                                                                  \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_" RIG_ID    \
    "\",\"type\":"                                                                                 \
    "\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,"      \
    "\"stop_sequence\":null,"                                                                      \
    "\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":" \
    "0,"                                                                                           \
    "\"output_tokens\":0}}}\n\n"
#define OUT_END(reason)                                                                            \
    EVENT("message_delta",                                                                         \
          ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{"         \
          "\"input_tokens\":7,\"cache_creation_input_tokens\":0,"                                  \
          "\"cache_read_input_tokens\":3,\"output_tokens\":4}")                                    \
    EVENT("message_stop", "")
#define OUT_CALL(i, id, name)                                                                      \
    BLOCK(i, "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}")

static void clients_get_blocks_one_after_another(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *out;
    } cases[] = {
        {CHUNK("\"role\":\"assistant\",\"content\":\"\"") CHUNK("\"content\":\"Hi\"") OVER("stop"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "Hi") STOP(0)
             OUT_END("end_turn")},
        {CHUNK("\"role\":\"assistant\"") OVER("stop"), OUT_START OUT_END("end_turn")},
        /* text, then two calls as they come */
        {CHUNK("\"content\":\"a\"")
             CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
                 CALL(0, "\"function\":{\"arguments\":\"{}\"}")
                     CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"b\\\":"
                             "[\\\"}\\\"]}\"}") OVER("stop"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "a") STOP(0)
             OUT_CALL(1, "x", "f") JSON(1, "{}") STOP(1) OUT_CALL(2, "y", "g")
                 JSON(2, "{\\\"b\\\":[\\\"}\\\"]}") STOP(2) OUT_END("tool_use")},
        /* arguments of two calls mixed: the later call waits for the open one */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}")
             CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"[\"}")
                 CALL(0, "\"function\":{\"arguments\":\"}\"}")
                     CALL(1, "\"function\":{\"arguments\":\"]\"}") OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") JSON(0, "{") JSON(0, "}") STOP(0) OUT_CALL(1, "y", "g")
             JSON(1, "[") JSON(1, "]") STOP(1) OUT_END("tool_use")},
        /* white space behind a value that is over is nothing */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}")
             CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}")
                 CALL(0, "\"function\":{\"arguments\":\" \\n\"}") OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") JSON(0, "{}") STOP(0) OUT_CALL(1, "y", "g") JSON(1, "{}")
             STOP(1) OUT_END("tool_use")},
        /* a call that never gets arguments holds back the next only to the end */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
             CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}")
                 OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") JSON(0, "{}") STOP(0) OUT_CALL(1, "y", "g") JSON(1, "{}")
             STOP(1) OUT_END("tool_use")},
        /* text ends a call that has no arguments */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
             CHUNK("\"content\":\"a\"") OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") STOP(0) BLOCK(1, "\"type\":\"text\",\"text\":\"\"")
             TEXT(1, "a") STOP(1) OUT_END("tool_use")},
        /* a refusal is text, and told by the reason: OpenAI's models stop with it */
        {CHUNK("\"role\":\"assistant\",\"refusal\":\"N\"") CHUNK("\"refusal\":\"o\"") OVER("stop"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "N") TEXT(0, "o") STOP(0)
             OUT_END("refusal")},
        {CHUNK("\"content\":\"a\"") OVER("length"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "a") STOP(0)
             OUT_END("max_tokens")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *out = rig_all_cuts(&fl_wire_openai_chat, &fl_wire_anthropic,
                                 fl_slice_cstr(cases[i].stream), i);
        assert_string_equal(out, cases[i].out);
        free(out);
    }
}

/* Where the provider tells that a call is over, one without arguments is over there. */
static void calls_without_arguments_end_where_they_end(void **state)
{
    (void)state;
#define ITEM(event, i, item)                                                                       \
    "data: {\"type\":\"response.output_item." event "\",\"output_index\":" #i ",\"item\":" item    \
    "}\n\n"
#define F(id, name)                                                                                \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"\"}"
    static const char stream[] =
        ITEM("added", 0, F("x", "f")) ITEM("done", 0, F("x", "f")) ITEM("added", 1, F("y", "g"));
    static const char out[] =
        OUT_START OUT_CALL(0, "x", "f") JSON(0, "{}") STOP(0) OUT_CALL(1, "y", "g");
    struct rig g;
    rig_init(&g, &fl_wire_openai_responses, &fl_wire_anthropic);
    rig_stream(&g, FL_LIT(stream), NULL, 0);
    assert_int_equal(g.err, FL_ERR_CLOSED);
    assert_slice(fl_buf_slice(&g.out), out);
    rig_finish(&g);
#undef F
#undef ITEM
}

static void refusals_are_told_by_the_reason(void **state)
{
    (void)state;
    static const struct {
        const struct fl_wire *provider;
        const char *body;
    } cases[] = {
        {&fl_wire_openai_chat, "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                               "\"content\":null,\"refusal\":"
                               "\"No.\"},\"finish_reason\":\"stop\"}]}"},
        {&fl_wire_openai_responses, "{\"status\":\"completed\",\"output\":[{\"type\":\"message\","
                                    "\"content\":[{\"type\":\"refusal\","
                                    "\"refusal\":\"No.\"}]}]}"},
        {&fl_wire_openai_chat,
         "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"No.\"},"
         "\"finish_reason\":\"content_filter\"}]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rig g;
        struct fl_buf out;
        fl_buf_init(&out, 1 << 16);
        rig_init(&g, cases[i].provider, NULL);
        rig_whole(&g, fl_slice_cstr(cases[i].body));
        assert_int_equal(g.err, FL_OK);
        fl_wire_anthropic.put_answer(&g.encoder, &g.answer, &out);
        struct fl_slice wanted = FL_LIT("\"content\":[{\"type\":\"text\",\"text\":\"No.\"}],"
                                        "\"stop_reason\":\"refusal\"");
        assert_true(fl_slice_find_text(fl_buf_slice(&out), wanted) < out.len);
        fl_buf_finish(&out);
        rig_finish(&g);
    }
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    struct fl_encoder e = {.wire = &fl_wire_anthropic, .id = FL_LIT(RIG_ID), .kept_bytes_max = 100};
    struct fl_buf out;
    char text[64];
    memset(text, 'x', sizeof(text));
    fl_buf_init(&out, 1 << 16);
    struct fl_chat_event events[] = {
        {.kind = FL_CHAT_START},
        {.kind = FL_CHAT_CALL_BEGIN, .call = 0, .id = FL_LIT("a"), .name = FL_LIT("f")},
        {.kind = FL_CHAT_CALL_BEGIN, .call = 1, .id = FL_LIT("b"), .name = FL_LIT("g")},
        {.kind = FL_CHAT_CALL_ARGUMENTS, .call = 1, .text = fl_slice(text, sizeof(text))},
        {.kind = FL_CHAT_CALL_ARGUMENTS, .call = 1, .text = fl_slice(text, sizeof(text))},
        {.kind = FL_CHAT_TEXT, .text = FL_LIT("never")},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        fl_wire_anthropic.put_event(&e, &events[i], &out);
    }
    assert_true(e.done);
    struct fl_slice error = FL_LIT("event: error\n");
    size_t at = fl_slice_find_text(fl_buf_slice(&out), error);
    assert_true(at < out.len);
    assert_int_equal(fl_slice_find_text(fl_buf_slice(&out), FL_LIT("never")), out.len);
    fl_encoder_finish(&e);
    fl_buf_finish(&out);
}

static void clients_get_thoughts_and_errors(void **state)
{
    (void)state;
    struct fl_encoder e = {.wire = &fl_wire_anthropic, .id = FL_LIT(RIG_ID), .model = FL_LIT("m")};
    struct fl_buf out;
    fl_buf_init(&out, 1 << 16);
    struct fl_chat_event events[] = {
        {.kind = FL_CHAT_START},
        {.kind = FL_CHAT_PING},
        {.kind = FL_CHAT_THINKING, .text = FL_LIT("hm")},
        {.kind = FL_CHAT_SIGNATURE, .text = FL_LIT("Sg")},
        {.kind = FL_CHAT_SIGNATURE, .text = FL_LIT("T")}, /* thoughts that are not shown */
        {.kind = FL_CHAT_REDACTED, .text = FL_LIT("Rd")},
        {.kind = FL_CHAT_TEXT, .choice = 1, .text = FL_LIT("of another choice")},
        {.kind = FL_CHAT_ERROR, .err = FL_ERR_UPSTREAM_OVERLOADED, .text = FL_LIT("busy")},
        {.kind = FL_CHAT_TEXT, .text = FL_LIT("never")},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        fl_wire_anthropic.put_event(&e, &events[i], &out);
    }
#define THOUGHT(i) BLOCK(i, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
    assert_slice(
        fl_buf_slice(&out),
        OUT_START EVENT("ping",
                        "") THOUGHT(0) DELTA(0, "\"type\":\"thinking_delta\",\"thinking\":\"hm\"")
            DELTA(0, "\"type\":\"signature_delta\",\"signature\":\"Sg\"") STOP(0) THOUGHT(1)
                DELTA(1, "\"type\":\"signature_delta\",\"signature\":\"T\"") STOP(1)
                    BLOCK(2, "\"type\":\"redacted_thinking\",\"data\":\"Rd\"") STOP(2)
                        EVENT("error",
                              ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}"));
    fl_encoder_finish(&e);
    fl_buf_finish(&out);
}

static void clients_get_whole_answers(void **state)
{
    (void)state;
    static const char body[] = "{\"id\":\"c\",\"model\":\"gpt\",\"choices\":[{\"index\":0,"
                               "\"message\":{\"role\":\"assistant\",\"content\":\"a\\u00e9\","
                               "\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{"
                               "\"name\":\"f\",\"arguments\":\"{\\\"k\\\":1}\"}},"
                               "{\"id\":\"y\",\"type\":\"function\",\"function\":{\"name\":\"g\","
                               "\"arguments\":\"\"}}]},\"finish_reason\":\"stop\"}],"
                               "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"prompt_"
                               "tokens_details\":{\"cached_tokens\":3},"
                               "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}";
    struct rig g;
    struct fl_buf out;
    rig_init(&g, &fl_wire_openai_chat, NULL);
    rig_whole(&g, fl_slice_cstr(body));
    assert_int_equal(g.err, FL_OK);
    fl_buf_init(&out, 1 << 16);
    fl_wire_anthropic.put_answer(&g.encoder, &g.answer, &out);
    assert_slice(
        fl_buf_slice(&out),
        "{\"id\":\"msg_" RIG_ID
        "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":["
        "{\"type\":\"text\",\"text\":\"a\\u00e9\"},{\"type\":\"tool_use\",\"id\":\"x\",\"name\":"
        "\"f\",\"input\":{\"k\":1}},"
        "{\"type\":\"tool_use\",\"id\":\"y\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":\"tool_"
        "use\","
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":3,\"output_tokens\":4,\"output_tokens_details\":{\"thinking_"
        "tokens\":2}}}");
    fl_buf_finish(&out);
    rig_finish(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_get_blocks_one_after_another),
        cmocka_unit_test(calls_without_arguments_end_where_they_end),
        cmocka_unit_test(refusals_are_told_by_the_reason),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(clients_get_thoughts_and_errors),
        cmocka_unit_test(clients_get_whole_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

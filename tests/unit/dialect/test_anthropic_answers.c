/* SPDX-License-Identifier: Apache-2.0 */
/* What Claude answers, whole and in streams. */
#include "unit/dialect/wire_rig.h"

#include "unit/dialect/anthropic_events.h"

static void assert_line(const struct fl_wire *wire, const char *body, enum fl_err err,
                        const char *line)
{
    struct rig g;
    rig_init(&g, wire, NULL);
    /* the answer's slices point into what was read: the arena keeps copies */
    rig_whole(&g, fl_slice_cstr(body));
    assert_int_equal(g.err, err);
    assert_slice(rig_answer(&g), line);
    rig_finish(&g);
}

static void whole_answers_are_read(void **state)
{
    (void)state;
    assert_line(
        &fl_wire_anthropic,
        "{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"claude\",\"content\":[{\"type\":"
        "\"thinking\",\"thinking\":"
        "\"hm\",\"signature\":\"S\"},{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"T\"},"
        "{\"type\":"
        "\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}},{\"type\":\"web_"
        "search_tool_result\","
        "\"content\":[]},{\"type\":\"text\",\"text\":\"a\\ud83d\"},{\"type\":\"tool_use\",\"id\":"
        "\"t\",\"name\":\"f\","
        "\"input\":{\"x\":\"\\n\"}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,"
        "\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":3,\"output_tokens\":4}}",
        FL_OK,
        "thinking \"hm\" signed S thinking \"\" signed T text \"a\\ud83d\" call t:f "
        "\"{\\\"x\\\":\\\"\\\\n\\\"}\" "
        "finish tool_calls usage 6/4");
    /* the answer tool's input is the text */
    assert_line(&fl_wire_anthropic,
                "{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"fairlead_answer\","
                "\"input\":{\"a\":1}}],"
                "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
                FL_OK, "text \"{\\\"a\\\":1}\" finish stop usage 1/2");
    assert_line(&fl_wire_anthropic, "{\"content\":[],\"stop_reason\":\"refusal\"}", FL_OK,
                "finish content_filter");
    assert_line(&fl_wire_anthropic,
                "{\"content\":[],\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"X\"}", FL_OK,
                "finish stop_sequence=X");
    assert_line(
        &fl_wire_anthropic,
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}",
        FL_ERR_ERROR_IN_200, "error provider_overloaded: Busy (cut)");
    assert_line(&fl_wire_anthropic, "{\"object\":\"x\"}", FL_ERR_BAD_RESPONSE, " (cut)");
    assert_line(&fl_wire_anthropic, "oops", FL_ERR_BAD_RESPONSE, " (cut)");
}

/* The stream without its "event:" lines. The caller frees it. */
static char *without_names(const char *stream)
{
    char *copy = strdup(stream), *to = copy;
    assert_non_null(copy);
    for (const char *line = stream; *line;) {
        size_t len = strcspn(line, "\n") + 1;
        if (strncmp(line, "event:", 6) != 0) {
            memmove(to, line, len);
            to += len;
        }
        line += len;
    }
    *to = '\0';
    return copy;
}

static void streams_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *line;
    } cases[] = {
        {START EVENT("ping", "") BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "Hel")
             TEXT(0, "lo") STOP(0) END("end_turn", "\"output_tokens\":7"),
         "text \"Hello\" finish stop usage 15/7"},
        /* thinking, its proof, two calls, one without arguments; usage that grew */
        {START BLOCK(0, "\"type\":\"thinking\",\"thinking\":\"\"") DELTA(
             0, "\"type\":\"thinking_delta\",\"thinking\":\"hm\"")
             DELTA(0, "\"type\":\"signature_delta\",\"signature\":\"Sg\"") STOP(0) BLOCK(
                 1, "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}") JSON(1, "")
                 JSON(1, "{\\\"a\\\":") JSON(1, "1}") STOP(1) BLOCK(
                     2, "\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}")
                     JSON(2, "") STOP(2) END(
                         "tool_use",
                         "\"input_tokens\":400,\"cache_read_input_tokens\":5,\"output_tokens\":9"),
         "thinking \"hm\" signed Sg call t1:f \"{\\\"a\\\":1}\" call t2:g \"{}\" finish tool_calls "
         "usage 405/9"},
        /* omitted thinking; a redacted block; a provider's own tool; unknown events and deltas */
        {START BLOCK(0, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
             DELTA(0, "\"type\":\"signature_delta\",\"signature\":\"Sg\"") STOP(0)
                 BLOCK(1, "\"type\":\"redacted_thinking\",\"data\":\"Rd\"") STOP(1)
                     EVENT("of_tomorrow", ",\"x\":1")
                         BLOCK(2, "\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_"
                                  "search\",\"input\":{}") JSON(2, "{\\\"q\\\":1}") STOP(2)
                             BLOCK(3, "\"type\":\"text\",\"text\":\"\"")
                                 DELTA(3, "\"type\":\"citations_delta\",\"citation\":{}")
                                     TEXT(3, "ok") STOP(3) END("end_turn", "\"output_tokens\":9"),
         "thinking \"\" signed Sg redacted \"Rd\" text \"ok\" finish stop usage 15/9"},
        /* a server that puts the whole input into the block's start, and one that says stop to a
         * call */
        {START BLOCK(0, "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":2}")
             STOP(0) END("end_turn", "\"output_tokens\":9"),
         "call t1:f \"{\\\"a\\\":2}\" finish tool_calls usage 15/9"},
        {START BLOCK(
             0, "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"fairlead_answer\",\"input\":{}")
             JSON(0, "{\\\"a\\\":") JSON(0, "1}") STOP(0) END("tool_use", "\"output_tokens\":9"),
         "text \"{\\\"a\\\":1}\" finish stop usage 15/9"},
        {START END("max_tokens", "\"output_tokens\":0"), "finish length usage 15/0"},
        /* the four ends: an error, and two that are cut off */
        {START EVENT("error",
                     ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
         "usage 15/1 error provider_overloaded: Overloaded (cut)"},
        {START TEXT(0, "a"), "text \"a\" usage 15/1 (cut)"},
        {START TEXT(0, "a")
             EVENT("message_delta",
                   ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}"),
         "text \"a\" finish stop usage 15/3 (cut)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *line = rig_all_cuts(&fl_wire_anthropic, NULL, fl_slice_cstr(cases[i].stream), 1 + i);
        assert_string_equal(line, cases[i].line);
        free(line);
        /* names are not needed: the data says what it is */
        char *nameless = without_names(cases[i].stream);
        line = rig_output(&fl_wire_anthropic, NULL, fl_slice_cstr(nameless), NULL, 0);
        assert_string_equal(line, cases[i].line);
        free(line);
        free(nameless);
    }
}

static void a_cut_stream_is_told(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g, FL_LIT(START TEXT(0, "a")), NULL, 0);
    assert_int_equal(g.err, FL_ERR_CLOSED);
    rig_finish(&g);
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g, FL_LIT("data: {\"choices\":[]}\n\n"), NULL, 0);
    assert_int_equal(g.err, FL_ERR_CLOSED); /* nothing of this dialect */
    rig_finish(&g);
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g, FL_LIT("data: oops\n\n"), NULL, 0);
    assert_int_equal(g.err, FL_ERR_BAD_RESPONSE);
    rig_finish(&g);
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g,
               FL_LIT(START "data: oops\n\n" TEXT(0, "a") END("end_turn", "\"output_tokens\":2")),
               NULL, 0);
    assert_int_equal(g.err, FL_OK); /* one bad frame does not end an answer that has begun */
    assert_slice(rig_answer(&g), "text \"a\" finish stop usage 15/2");
    rig_finish(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_are_read),
        cmocka_unit_test(streams_are_read),
        cmocka_unit_test(a_cut_stream_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/dialect/hear.h"
#include "unit/dialect/say.h"

#include "dialect/dialect.h"

#include <stdio.h>

#define W (&fl_wire_ollama)

/* --- Requests --- */

static void a_conversation(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_DEVELOPER, "Be brief.");
    say_begin(&s, FL_CHAT_USER);
    (void)say_part(&s, FL_PART_TEXT, "look\\n");
    struct fl_part *image = say_part(&s, FL_PART_IMAGE, NULL);
    image->media.base64 = FL_LIT("AAAA");
    (void)say_part(&s, FL_PART_TEXT, "here");
    say_begin(&s, FL_CHAT_ASSISTANT);
    (void)say_part(&s, FL_PART_THINKING, "hm");
    (void)say_call(&s, "a", "f", "{\"x\":1.0}");
    (void)say_result(&s, "a", "30");
    say(&s, FL_CHAT_ASSISTANT, "");
    s.request.stream = true;
    assert_string_equal(
        say_written(&s, W, "llama3", FL_OK),
        "{\"model\":\"llama3\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":\"look\\n\\nhere\",\"images\":[\"AAAA\"]},"
        "{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{"
        "\"function\":"
        "{\"name\":\"f\",\"arguments\":{\"x\":1.0}}}]},"
        "{\"role\":\"tool\",\"content\":\"30\",\"tool_name\":\"f\"}],"
        "\"options\":{},\"stream\":true}");
    assert_string_equal(s.losses_text, "");
    image->media.base64 = FL_EMPTY;
    image->media.url = FL_LIT("https://x.test/a.png");
    (void)say_written(&s, W, "llama3", FL_ERR_UPSTREAM_REQUEST);
    assert_string_equal(s.losses_text, "messages.image=impossible");
    say_close(&s);
}

static void settings(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_USER, "x");
    struct fl_chat_request *r = &s.request;
    (void)say_tool(&s, "f", NULL);
    (void)say_tool(&s, "g", "{\"type\":\"object\"}");
    r->tool_choice = FL_TOOL_CHOICE_NAMED;
    r->tool_choice_name = FL_LIT("f");
    r->temperature = FL_LIT("0.10");
    r->tokens_out_max = 5;
    r->seed = FL_LIT("7");
    fl_add_stop(&s.arena, &s.stop_tail, FL_LIT("END"));
    r->format = FL_FORMAT_JSON;
    r->effort = FL_EFFORT_HIGH;
    assert_string_equal(
        say_written(&s, W, "gpt-oss:20b", FL_OK),
        "{\"model\":\"gpt-oss:20b\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"
        "\"object\",\"properties\":{}}}}],\"format\":\"json\",\"options\":{\"temperature\":0.10,"
        "\"seed\":7,\"num_predict\":5,\"stop\":[\"END\"]},\"think\":\"high\",\"stream\":false}");
    assert_string_equal(s.losses_text, "tool_choice=approximated");
    r->tool_choice = FL_TOOL_CHOICE_NONE;
    r->format = FL_FORMAT_SCHEMA;
    r->format_schema = FL_LIT("{\"type\":\"array\"}");
    const char *text = say_written(&s, W, "qwen3", FL_OK);
    assert_null(strstr(text, "tools"));
    assert_non_null(strstr(text, "\"format\":{\"type\":\"array\"}"));
    assert_non_null(strstr(text, "\"think\":true,"));
    assert_string_equal(s.losses_text, "reasoning_effort=approximated");
    r->effort = FL_EFFORT_NONE;
    r->tool_choice = FL_TOOL_CHOICE_REQUIRED;
    assert_non_null(strstr(say_written(&s, W, "qwen3", FL_OK), "\"think\":false,"));
    assert_string_equal(s.losses_text, "tool_choice");
    r->choices = 2;
    (void)say_written(&s, W, "qwen3", FL_ERR_UPSTREAM_REQUEST);
    say_close(&s);
}

/* --- Answers --- */

#define END ",\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":9,\"eval_count\":3}"

static void whole_answers(void **state)
{
    (void)state;
    ear_check_answer(W,
                     "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"hi\","
                     "\"thinking\":\"t\"}" END,
                     FL_OK,
                     "start - m\nthinking 0 t\ntext 0 hi\nfinish 0 stop\n"
                     "usage in=9 out=3 cached=0 reasoning=0\ndone\n");
    ear_check_answer(
        W,
        "{\"model\":\"m\",\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"c1\","
        "\"function\":{\"name\":\"f\",\"arguments\":{\"a\":\"\\n\"}}},{\"id\":\"c2\","
        "\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"b\\\":1}\"}}]}" END,
        FL_OK,
        "start - m\ncall 0.0 c1 f\narguments 0.0 {\\\"a\\\":\\\"\\\\n\\\"}\n"
        "call 0.1 c2 g\narguments 0.1 {\\\"b\\\":1}\nfinish 0 tool_calls\n"
        "usage in=9 out=3 cached=0 reasoning=0\ndone\n");
    /* A prompt that was cached is not counted; a model that was only loaded counts nothing. */
    ear_check_answer(
        W,
        "{\"message\":{\"content\":\"x\"},\"done\":true,\"done_reason\":\"length\",\"eval_count\":"
        "3}",
        FL_OK,
        "start - -\ntext 0 x\nfinish 0 length\nusage in=0 out=3 cached=0 reasoning=0\ndone\n");
    ear_check_answer(W, "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}",
                     FL_OK, "start - -\nfinish 0 stop\ndone\n");
    ear_check_answer(W, "{\"response\":\"x\",\"done\":true}", FL_OK,
                     "start - -\ntext 0 x\nfinish 0 stop\ndone\n");
    ear_check_answer(W, "{\"error\":\"out of \\\"memory\\\"\"}", FL_ERR_ERROR_IN_200,
                     "error provider_server_error - out of \\\"memory\\\"\n");
    ear_check_answer(W, "{\"message\":{\"content\":\"x\"},\"done\":false}", FL_ERR_BAD_RESPONSE,
                     "start - -\ntext 0 x\n");
    ear_check_answer(W, "{}", FL_ERR_BAD_RESPONSE, "");
    ear_check_answer(W, "[]", FL_ERR_BAD_RESPONSE, "");
}

static void a_call_without_id_gets_one(void **state)
{
    (void)state;
    struct ear ear;
    ear_open(&ear, W);
    ear_answer(&ear, FL_LIT("{\"created_at\":\"2026\",\"message\":{\"tool_calls\":[{\"function\":{"
                            "\"name\":\"f\"}},{\"function\":{\"name\":\"f\"}}]}" END));
    fl_buf_putc(&ear.log, '\0');
    const char *first = strstr(ear.log.ptr, "call 0.0 call_"),
               *second = strstr(ear.log.ptr, "call 0.1 call_");
    assert_non_null(first);
    assert_non_null(second);
    assert_int_not_equal(strncmp(first + 14, second + 14, 24), 0);
    ear_close(&ear);
}

static void streams(void **state)
{
    (void)state;
    const char *text = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":"
                       "\"H\xc3\xa9\"},\"done\":false}\n"
                       "{\"model\":\"m\",\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":"
                       "\"i\",\"function\":{\"name\":"
                       "\"f\",\"arguments\":{}}}]},\"done\":false}\r\n\n"
                       "{\"model\":\"m\",\"message\":{\"content\":\"\"}" END "\n";
    ear_check_stream(W, text, strlen(text) - 1, FL_OK,
                     "start - m\ntext 0 H\xc3\xa9\ncall 0.0 i f\narguments 0.0 {}\n"
                     "finish 0 tool_calls\nusage in=9 out=3 cached=0 reasoning=0\ndone\n");
    ear_check_stream(W, "{\"message\":{\"content\":\"a\"}}\n{\"error\":\"boom\"}\n", 30, FL_OK,
                     "start - -\ntext 0 a\nerror provider_server_error - boom\n");
    ear_check_stream(W, "{\"message\":{\"content\":\"a\"}}\n", 27, FL_ERR_CLOSED,
                     "start - -\ntext 0 a\n");
    ear_check_stream(W, "oops\n", 4, FL_ERR_BAD_RESPONSE, "");
}

static void facts(void **state)
{
    (void)state;
    const struct fl_dialect *d = fl_dialect_find(FL_LIT("ollama_native"));
    struct fl_usage usage = {0};
    struct fl_event_facts facts;
    struct fl_sse_event event = {.data = FL_LIT("{\"message\":{}" END)};
    assert_int_equal(d->read_answer(event.data, &usage), FL_OK);
    assert_int_equal(usage.tokens_in, 9);
    assert_int_equal(d->read_answer(FL_LIT("{\"error\":\"x\"}"), &usage), FL_ERR_ERROR_IN_200);
    d->read_event(FL_ENDPOINT_CHAT, &event, true, &facts, &usage);
    assert_true(facts.valid && facts.finish && facts.kind == FL_EVENT_DONE);
    event.data = FL_LIT("{\"error\":\"x\"}");
    d->read_event(FL_ENDPOINT_CHAT, &event, true, &facts, &usage);
    assert_int_equal(facts.kind, FL_EVENT_ERROR);
    assert_int_equal(d->read_error(404, FL_EMPTY), FL_ERR_UPSTREAM_MODEL);
    assert_int_equal(d->read_error(500, FL_EMPTY), FL_ERR_SERVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation), cmocka_unit_test(settings),
        cmocka_unit_test(whole_answers),  cmocka_unit_test(a_call_without_id_gets_one),
        cmocka_unit_test(streams),        cmocka_unit_test(facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

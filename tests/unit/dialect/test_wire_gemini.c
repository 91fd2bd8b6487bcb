/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/dialect/hear.h"
#include "unit/dialect/say.h"

#include "dialect/dialect.h"

#include <stdio.h>

#define W (&fl_wire_gemini)

/* --- Requests --- */

static void turns_alternate(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_SYSTEM, "Be brief.");
    say(&s, FL_CHAT_DEVELOPER, "In \\\"French\\\".");
    say(&s, FL_CHAT_USER, "one");
    say(&s, FL_CHAT_USER, "two \\ud83d");
    say(&s, FL_CHAT_ASSISTANT, "");
    say(&s, FL_CHAT_ASSISTANT, "three");
    say(&s, FL_CHAT_USER, "four");
    assert_string_equal(
        say_written(&s, W, "gemini-2.5-flash", FL_OK),
        "{\"systemInstruction\":{\"parts\":[{\"text\":\"Be brief.\"},{\"text\":\"In "
        "\\\"French\\\".\"}]},\"contents\":["
        "{\"role\":\"user\",\"parts\":[{\"text\":\"one\"},{\"text\":\"two \\ud83d\"}]},"
        "{\"role\":\"model\",\"parts\":[{\"text\":\"three\"}]},"
        "{\"role\":\"user\",\"parts\":[{\"text\":\"four\"}]}]}");
    assert_string_equal(s.losses_text, "");
    say(&s, FL_CHAT_SYSTEM, "late");
    assert_non_null(
        strstr(say_written(&s, W, "gemini-2.5-flash", FL_OK), "{\"text\":\"late\"}]},\"con"));
    assert_string_equal(s.losses_text, "messages.system=approximated");
    say_close(&s);
}

static void a_system_alone_becomes_a_turn(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_SYSTEM, "Say hi.");
    assert_string_equal(say_written(&s, W, "gemini-2.5-flash", FL_OK),
                        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Say hi.\"}]}]}");
    say_close(&s);
}

static void say_parallel_calls(struct said *s)
{
    say(s, FL_CHAT_USER, "weather?");
    say_begin(s, FL_CHAT_ASSISTANT);
    (void)say_call(s, "a", "look", "{\"city\":\"Rome\"}");
    (void)say_call(s, "b", "look", "{\"city\":\"Oslo\"}");
    (void)say_result(s, "b", "cold");
    (void)say_result(s, "a", "{\\\"deg\\\": 30.0}");
    say(s, FL_CHAT_USER, "and?");
}

static void results_follow_their_calls(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say_parallel_calls(&s);
    assert_string_equal(
        say_written(&s, W, "gemini-2.5-pro", FL_OK),
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"weather?\"}]},"
        "{\"role\":\"model\",\"parts\":["
        "{\"functionCall\":{\"name\":\"look\",\"args\":{\"city\":\"Rome\"}}},"
        "{\"functionCall\":{\"name\":\"look\",\"args\":{\"city\":\"Oslo\"}}}]},"
        "{\"role\":\"user\",\"parts\":["
        "{\"functionResponse\":{\"name\":\"look\",\"response\":{\"deg\": 30.0}}},"
        "{\"functionResponse\":{\"name\":\"look\",\"response\":{\"result\":\"cold\"}}},"
        "{\"text\":\"and?\"}]}]}");
    /* From generation 3 on, the first call of a turn needs a signature. */
    const char *text = say_written(&s, W, "gemini-3-pro-preview", FL_OK);
    const char *first =
        strstr(text, "\"thoughtSignature\":\"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=\"");
    assert_non_null(first);
    assert_null(strstr(first + 20, "thoughtSignature"));
    say_close(&s);
}

static void results_of_unknown_calls_are_refused(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say_parallel_calls(&s);
    struct fl_part *stray = say_result(&s, "zz", "x");
    (void)say_written(&s, W, "gemini-2.5-pro", FL_ERR_REQUEST);
    assert_non_null(strstr(s.reterr.message, "tool"));
    stray->name = FL_LIT("look");
    (void)say_written(&s, W, "gemini-2.5-pro", FL_OK);
    say_close(&s);
}

static void too_many_results_are_refused(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say_begin(&s, FL_CHAT_ASSISTANT);
    for (int i = 0; i < 513; i++) {
        (void)say_call(&s, "a", "f", "{}");
    }
    (void)say_result(&s, "a", "x");
    (void)say_written(&s, W, "gemini-2.5-pro", FL_ERR_REQUEST);
    say_close(&s);
}

static void failed_results_are_errors(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say_begin(&s, FL_CHAT_ASSISTANT);
    (void)say_call(&s, "a", "f", "{}");
    say_result(&s, "a", "{\\\"no\\\":1}")->is_error = true;
    struct fl_part *image = fl_add_part(&s.arena, &s.content_tail, FL_PART_IMAGE);
    image->media.base64 = FL_LIT("AAAA");
    image->media.media_type = FL_LIT("image/png");
    assert_non_null(strstr(say_written(&s, W, "gemini-2.5-pro", FL_OK),
                           "{\"functionResponse\":{\"name\":\"f\",\"response\":{\"error\":\"{"
                           "\\\"no\\\":1}\"}}},"
                           "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}]}"));
    assert_string_equal(s.losses_text, "messages.tool.image=approximated");
    say_close(&s);
}

static void signatures_go_back_to_their_maker(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_USER, "hi");
    say_begin(&s, FL_CHAT_ASSISTANT);
    struct fl_part *thought = say_part(&s, FL_PART_THINKING, "hm");
    thought->signature = FL_LIT("QUJD");
    struct fl_part *call = say_call(&s, "a", "f", "{}");
    call->signature = FL_LIT("WFla");
    assert_non_null(
        strstr(say_written(&s, W, "gemini-3-flash", FL_OK),
               "[{\"text\":\"hm\",\"thought\":true,\"thoughtSignature\":\"QUJD\"},"
               "{\"functionCall\":{\"name\":\"f\",\"args\":{}},\"thoughtSignature\":\"WFla\"}]"));
    thought->signature = call->signature = FL_EMPTY; /* another vendor's, dialect/seal.h */
    assert_null(strstr(say_written(&s, W, "gemini-3-flash", FL_OK), "hm"));
    assert_string_equal(s.losses_text, "messages.thinking");
    say_close(&s);
}

static void media_are_inlined_or_named(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say_begin(&s, FL_CHAT_USER);
    struct fl_part *image = say_part(&s, FL_PART_IMAGE, NULL);
    image->media.url = FL_LIT("https://x.test/a.PNG?size=1");
    struct fl_part *pdf = say_part(&s, FL_PART_FILE, NULL);
    pdf->media.base64 = FL_LIT("JVBE");
    struct fl_part *audio = say_part(&s, FL_PART_AUDIO, NULL);
    audio->media.base64 = FL_LIT("UklG");
    audio->media.media_type = FL_LIT("audio/wav");
    struct fl_part *text = say_part(&s, FL_PART_FILE, NULL);
    text->media.text = FL_LIT("plain");
    assert_string_equal(
        say_written(&s, W, "gemini-2.5-pro", FL_OK),
        "{\"contents\":[{\"role\":\"user\",\"parts\":["
        "{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":\"https://x.test/a.PNG?size=1\"}},"
        "{\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"JVBE\"}},"
        "{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\"UklG\"}},{\"text\":\"plain\"}]}]}");
    image->media.url = FL_EMPTY;
    image->media.file_id = FL_LIT("file-abc");
    (void)say_written(&s, W, "gemini-2.5-pro", FL_ERR_UPSTREAM_REQUEST);
    assert_true(s.losses.fatal);
    assert_string_equal(s.losses_text, "messages.image=impossible");
    say_close(&s);
}

static void tools_and_choices(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_USER, "x");
    say_tool(&s, "add", "{\"type\":\"object\",\"additionalProperties\":false}")->description =
        FL_LIT("a\\nb");
    (void)say_tool(&s, "now", NULL);
    s.request.tool_choice = FL_TOOL_CHOICE_NAMED;
    s.request.tool_choice_name = FL_LIT("now");
    assert_non_null(
        strstr(say_written(&s, W, "gemini-2.5-pro", FL_OK),
               ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"add\",\"description\":\"a\\nb\","
               "\"parametersJsonSchema\":{\"type\":\"object\",\"additionalProperties\":false}},"
               "{\"name\":\"now\"}]}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
               "\"allowedFunctionNames\":[\"now\"]}}}"));
    s.request.tool_choice = FL_TOOL_CHOICE_NONE;
    s.request.parallel_off = true;
    fl_add_tool(&s.arena, &s.tool_tail)->native = FL_LIT("{\"type\":\"web_search\"}");
    assert_non_null(strstr(say_written(&s, W, "gemini-2.5-pro", FL_OK), "\"mode\":\"NONE\"}"));
    assert_string_equal(s.losses_text, "tools.native, parallel_tool_calls");
    say_close(&s);
}

static void settings_are_carried_or_told(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_USER, "x");
    struct fl_chat_request *r = &s.request;
    r->temperature = FL_LIT("1.70");
    r->top_p = FL_LIT("0.9");
    r->top_k = FL_LIT("40");
    r->tokens_out_max = 77;
    r->seed = FL_LIT("-5");
    r->choices = 2;
    r->presence_penalty = FL_LIT("0.5");
    for (int i = 0; i < 6; i++) {
        fl_add_stop(&s.arena, &s.stop_tail, FL_LIT("\\n"));
    }
    r->format = FL_FORMAT_SCHEMA;
    r->format_schema = FL_LIT("{\"type\":\"object\"}");
    r->logit_bias = FL_LIT("{}");
    r->user = FL_LIT("u");
    assert_non_null(
        strstr(say_written(&s, W, "gemini-2.5-pro", FL_OK),
               "\"generationConfig\":{\"temperature\":1.70,\"topP\":0.9,\"topK\":40,"
               "\"presencePenalty\":0.5,\"maxOutputTokens\":77,\"seed\":-5,"
               "\"candidateCount\":2,\"stopSequences\":[\"\\n\",\"\\n\",\"\\n\",\"\\n\","
               "\"\\n\"],\"responseMimeType\":\"application/json\","
               "\"responseJsonSchema\":{\"type\":\"object\"}}}"));
    assert_string_equal(s.losses_text, "stop=approximated, logit_bias, user");
    r->seed = FL_LIT("9007199254740993");
    r->choices = 9;
    (void)say_written(&s, W, "gemini-2.5-pro", FL_ERR_UPSTREAM_REQUEST);
    assert_string_equal(s.losses_text, "seed, n=impossible, stop=approximated, logit_bias, user");
    say_close(&s);
}

/* Before generation 3 a format excludes tools, so it is asked for in words. */
static void a_format_beside_tools(void **state)
{
    (void)state;
    struct said s;
    say_open(&s);
    say(&s, FL_CHAT_USER, "x");
    (void)say_tool(&s, "f", NULL);
    s.request.format = FL_FORMAT_SCHEMA;
    s.request.format_schema = FL_LIT("{\"a\":\"\\n\"}");
    const char *text = say_written(&s, W, "gemini-2.5-pro", FL_OK);
    assert_non_null(strstr(text, "JSON Schema: {\\\"a\\\":\\\"\\\\n\\\"}\"}]}"));
    assert_null(strstr(text, "responseMimeType"));
    assert_string_equal(s.losses_text, "response_format=emulated");
    text = say_written(&s, W, "gemini-3-pro", FL_OK);
    assert_non_null(strstr(text, "\"responseJsonSchema\":{\"a\":\"\\n\"}"));
    assert_string_equal(s.losses_text, "");
    say_close(&s);
}

static void thinking_by_generation(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        enum fl_effort effort;
        uint64_t tokens;
        bool thinking, off, hidden;
        const char *config, *losses;
    } cases[] = {
        {"gemini-2.5-flash", FL_EFFORT_NONE, 0, false, false, false, "{\"thinkingBudget\":0}", ""},
        {"gemini-2.5-pro", FL_EFFORT_NONE, 0, false, false, false, "{\"thinkingBudget\":128}",
         "reasoning_effort=approximated"},
        {"gemini-2.5-pro", FL_EFFORT_MEDIUM, 0, false, false, false,
         "{\"thinkingBudget\":8192,\"includeThoughts\":true}", ""},
        {"gemini-2.5-flash-lite", FL_EFFORT_ABSENT, 100, true, false, false,
         "{\"thinkingBudget\":512,\"includeThoughts\":true}",
         "thinking.budget_tokens=approximated"},
        {"gemini-2.5-flash", FL_EFFORT_ABSENT, 0, true, false, false, "{\"includeThoughts\":true}",
         ""},
        {"models/gemini-3.1-pro-preview", FL_EFFORT_LOW, 0, false, false, true,
         "{\"thinkingLevel\":\"LOW\"}", ""},
        {"gemini-3-flash-preview", FL_EFFORT_MINIMAL, 0, false, false, false,
         "{\"thinkingLevel\":\"MINIMAL\",\"includeThoughts\":true}", ""},
        {"gemini-3-pro", FL_EFFORT_MAX, 0, false, false, false,
         "{\"thinkingLevel\":\"HIGH\",\"includeThoughts\":true}", "reasoning_effort=approximated"},
        {"gemini-flash-latest", FL_EFFORT_ABSENT, 4096, true, false, false,
         "{\"thinkingLevel\":\"MEDIUM\",\"includeThoughts\":true}",
         "thinking.budget_tokens=approximated"},
        {"gemini-3-pro", FL_EFFORT_ABSENT, 0, false, true, false, "{\"thinkingLevel\":\"LOW\"}",
         "thinking=approximated"},
        {"gemini-2.0-flash", FL_EFFORT_HIGH, 0, false, false, false, NULL, "reasoning_effort"},
        {"gemma-3-27b-it", FL_EFFORT_NONE, 0, false, false, false, NULL, ""},
        {"gemini-3-pro", FL_EFFORT_ABSENT, 0, false, false, false, NULL, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct said s;
        char wanted[256];
        say_open(&s);
        say(&s, FL_CHAT_USER, "x");
        s.request.effort = cases[i].effort;
        s.request.thinking_tokens = cases[i].tokens;
        s.request.thinking = cases[i].thinking;
        s.request.thinking_off = cases[i].off;
        s.request.thinking_hidden = cases[i].hidden;
        const char *text = say_written(&s, W, cases[i].model, FL_OK);
        (void)snprintf(wanted, sizeof(wanted), "\"thinkingConfig\":%s",
                       cases[i].config ? cases[i].config : "");
        assert_int_equal(strstr(text, wanted) != NULL, cases[i].config != NULL);
        assert_string_equal(s.losses_text, cases[i].losses);
        say_close(&s);
    }
}

/* --- Answers --- */

#define HEAD "\"responseId\":\"r1\",\"modelVersion\":\"gemini-2.5-flash\""
#define USAGE                                                                                      \
    "\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":4,"                       \
    "\"thoughtsTokenCount\":"                                                                      \
    "6,\"cachedContentTokenCount\":3,\"toolUsePromptTokenCount\":2,\"totalTokenCount\":22}"

static void a_text(void **state)
{
    (void)state;
    ear_check_answer(
        W,
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"th\",\"thought\":true},"
        "{\"text\":\"Hi \\\"you\\\"\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}]," USAGE
        "," HEAD "}",
        FL_OK,
        "start r1 gemini-2.5-flash\nthinking 0 th\ntext 0 Hi \\\"you\\\"\n"
        "usage in=12 out=10 cached=3 reasoning=6\nfinish 0 stop\ndone\n");
}

static void calls_get_ids(void **state)
{
    (void)state;
    const char *body = "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":"
                       "\"f\",\"args\":{\"a\": "
                       "\"x\\n\"}},\"thoughtSignature\":\"U0lH\"},{\"functionCall\":{\"name\":"
                       "\"g\",\"id\":\"own\"}}]},"
                       "\"finishReason\":\"STOP\"}]," HEAD "}";
    struct ear ear, again;
    ear_open(&ear, W);
    ear_open(&again, W);
    ear_answer(&ear, fl_slice_cstr(body));
    ear_answer(&again, fl_slice_cstr(body));
    assert_true(fl_slice_eq(fl_buf_slice(&ear.log), fl_buf_slice(&again.log)));
    fl_buf_putc(&ear.log, '\0');
    assert_non_null(strstr(ear.log.ptr, "call 0.0 call_"));
    assert_non_null(strstr(ear.log.ptr,
                           " f U0lH\narguments 0.0 {\\\"a\\\": \\\"x\\\\n\\\"}\n"
                           "call 0.1 own g\narguments 0.1 {}\nfinish 0 tool_calls\ndone\n"));
    ear_close(&ear);
    ear_close(&again);
}

static void ends(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *finish;
    } cases[] = {{"\"STOP\"", "stop"},
                 {"\"MAX_TOKENS\"", "length"},
                 {"\"SAFETY\"", "content_filter"},
                 {"\"IMAGE_SAFETY\"", "content_filter"},
                 {"\"MALFORMED_FUNCTION_CALL\"", "error"},
                 {"\"NEW_ONE\"", "stop"},
                 {"1", "stop"},
                 {"2", "length"},
                 {"99", "stop"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char body[256], log[256];
        (void)snprintf(body, sizeof(body), "{\"candidates\":[{\"finishReason\":%s}]}",
                       cases[i].reason);
        (void)snprintf(log, sizeof(log), "start - -\nfinish 0 %s\ndone\n", cases[i].finish);
        ear_check_answer(W, body, FL_OK, log);
    }
    ear_check_answer(W, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}," HEAD "}", FL_OK,
                     "start r1 gemini-2.5-flash\nfinish 0 content_filter\ndone\n");
}

static void what_is_no_answer(void **state)
{
    (void)state;
    ear_check_answer(W,
                     "[{\"error\":{\"code\":429,\"message\":\"slow "
                     "\\\"down\\\"\",\"status\":\"RESOURCE_EXHAUSTED\"}}]",
                     FL_ERR_ERROR_IN_200,
                     "error provider_rate_limited RESOURCE_EXHAUSTED slow \\\"down\\\"\n");
    ear_check_answer(W, "{\"error\":{\"code\":503}}", FL_ERR_ERROR_IN_200,
                     "error provider_overloaded - -\n");
    ear_check_answer(W, "{}", FL_ERR_BAD_RESPONSE, "");
    ear_check_answer(W, "<html>", FL_ERR_BAD_RESPONSE, "");
    ear_check_answer(W, "\"x\"", FL_ERR_BAD_RESPONSE, "");
    ear_check_answer(W, "[]", FL_ERR_BAD_RESPONSE, "");
    ear_check_answer(W, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"half\"}]}}]}",
                     FL_ERR_BAD_RESPONSE, "start - -\ntext 0 half\n");
}

static void a_stream(void **state)
{
    (void)state;
    const char *text =
        "data: "
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"caf\xc3\xa9\"}]},\"index\":0}],"
        "\"usageMetadata\":{\"promptTokenCount\":10,\"cachedContentTokenCount\":3}," HEAD
        "}\r\n\r\n"
        "data: "
        "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}"
        ",\"id\":\"i0\"}}]}}]}\r\n\r\n"
        "data: {\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}\r\n\r\n"
        "data: "
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"end\"},{\"functionCall\":{\"name\":"
        "\"f\",\"args\":{\"b\":1},\"id\":\"i1\"}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":"
        "{\"candidatesTokenCount\":5}}\r\n\r\n";
    ear_check_stream(W, text, (size_t)(strstr(text, "STOP") - text), FL_OK,
                     "start r1 gemini-2.5-flash\ntext 0 caf\xc3\xa9\n"
                     "usage in=10 out=0 cached=3 reasoning=0\n"
                     "call 0.0 i0 f\narguments 0.0 {}\n"
                     "text 0 end\ncall 0.1 i1 f\narguments 0.1 {\\\"b\\\":1}\n"
                     "usage in=10 out=5 cached=3 reasoning=0\nfinish 0 tool_calls\ndone\n");
}

/* Older versions say STOP in every chunk. */
static void a_stream_that_always_stops(void **state)
{
    (void)state;
    ear_check_stream(
        W,
        "data: "
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"},"
        "{\"index\":1,\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}\n\n"
        "data: "
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"c\"}]},\"finishReason\":\"MAX_"
        "TOKENS\"},"
        "{\"index\":1,\"finishReason\":\"STOP\"},{\"index\":8,\"finishReason\":\"STOP\"}]}",
        40, FL_OK,
        "start - -\ntext 0 a\ntext 1 b\ntext 0 c\nfinish 0 length\nfinish 1 stop\ndone\n");
}

static void streams_that_fail(void **state)
{
    (void)state;
    const char *told =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n"
        "data: {\"error\":{\"code\":500,\"message\":\"m\",\"status\":\"INTERNAL\"}}\n\n";
    ear_check_stream(W, told, (size_t)(strstr(told, "error") - told), FL_OK,
                     "start - -\ntext 0 a\nerror provider_server_error INTERNAL m\n");
    ear_check_stream(W, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n",
                     70, FL_ERR_CLOSED, "start - -\ntext 0 a\n");
    ear_check_stream(W, "data: nonsense\n\n", 5, FL_ERR_BAD_RESPONSE, "");
}

/* --- Facts and paths --- */

static void errors_and_waits(void **state)
{
    (void)state;
    const struct fl_dialect *d = fl_dialect_find(FL_LIT("gemini"));
    struct fl_slice key = FL_LIT("{\"error\":{\"code\":400,\"message\":\"API key not valid.\"}}");
    struct fl_slice wait = FL_LIT("[{\"error\":{\"code\":429,\"details\":[{\"@type\":\"x."
                                  "RetryInfo\",\"retryDelay\": \"48.5s\"}]}}]");
    struct fl_slice long_text =
        FL_LIT("{\"error\":{\"message\":\"The input token count (1250074) exceeds the maximum\"}}");
    struct fl_slice quoting =
        FL_LIT("{\"error\":{\"message\":\"Invalid value: 'API key not valid'\"}}");
    assert_int_equal(d->read_error(400, key), FL_ERR_UPSTREAM_AUTH);
    assert_int_equal(d->read_error(400, FL_LIT("{}")), FL_ERR_UPSTREAM_REQUEST);
    assert_int_equal(d->read_error(400, long_text), FL_ERR_UPSTREAM_CONTEXT);
    assert_int_equal(d->read_error(400, quoting), FL_ERR_UPSTREAM_REQUEST);
    assert_int_equal(d->read_error(429, wait), FL_ERR_RATE_LIMITED);
    assert_int_equal(d->read_error(503, FL_EMPTY), FL_ERR_UPSTREAM_OVERLOADED);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *dialect, *model;
        bool stream;
        const char *path;
    } cases[] = {
        {"gemini", "gemini-2.5-pro", false, "/models/gemini-2.5-pro:generateContent"},
        {"gemini", "models/a b", true, "/models/a%20b:streamGenerateContent?alt=sse"},
        {"gemini", "tunedModels/x", false, "/tunedModels/x:generateContent"},
        {"gemini", "../x?y", false, "/models/..%2Fx%3Fy:generateContent"},
        {"vertex", "gemini-2.5-pro", true,
         "/v1/projects/p%2F1/locations/us-east1/publishers/google/models/gemini-2.5-pro:"
         "streamGenerateContent?alt=sse"},
        {"vertex_anthropic", "claude-haiku-4-5@20251001", false,
         "/v1/projects/p%2F1/locations/us-east1/publishers/anthropic/models/"
         "claude-haiku-4-5%4020251001:rawPredict"},
        {"azure", "my deployment", true, "/chat/completions"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char memory[256];
        struct fl_buf b;
        struct fl_ask ask = {.endpoint = FL_ENDPOINT_CHAT,
                             .model = fl_slice_cstr(cases[i].model),
                             .stream = cases[i].stream,
                             .region = FL_LIT("us-east1"),
                             .project = FL_LIT("p/1")};
        fl_buf_init_in(&b, memory, sizeof(memory));
        fl_dialect_find(fl_slice_cstr(cases[i].dialect))->put_path(&ask, &b);
        assert_slice(fl_buf_slice(&b), cases[i].path);
    }
    char memory[256];
    struct fl_buf b;
    struct fl_ask ask = {.endpoint = FL_ENDPOINT_EMBEDDINGS,
                         .model = FL_LIT("my deployment"),
                         .api_version = FL_LIT("2024-10-21")};
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_dialect_azure.put_path(&ask, &b);
    assert_slice(fl_buf_slice(&b), "/deployments/my%20deployment/embeddings?api-version=2024-10-21");
}

static void raw_facts(void **state)
{
    (void)state;
    const struct fl_dialect *d = &fl_dialect_gemini;
    struct fl_usage usage = {0};
    struct fl_event_facts facts;
    assert_int_equal(d->read_answer(FL_LIT("{\"candidates\":[]," USAGE "}"), &usage), FL_OK);
    assert_int_equal(usage.tokens_out, 10);
    assert_int_equal(d->read_answer(FL_LIT("[{\"error\":{}}]"), &usage), FL_ERR_ERROR_IN_200);
    assert_int_equal(d->read_answer(FL_LIT("[]"), &usage), FL_ERR_BAD_RESPONSE);
    struct fl_sse_event event = {
        .data = FL_LIT("{\"candidates\":[{\"finishReason\":\"STOP\"}]," USAGE "}")};
    usage = (struct fl_usage){0};
    d->read_event(FL_ENDPOINT_CHAT, &event, true, &facts, &usage);
    assert_true(facts.valid && facts.finish);
    assert_int_equal(usage.tokens_in, 12);
    event.data = FL_LIT("{\"error\":{\"code\":500}}");
    d->read_event(FL_ENDPOINT_CHAT, &event, true, &facts, &usage);
    assert_int_equal(facts.kind, FL_EVENT_ERROR);
    event.data = FL_LIT("{");
    d->read_event(FL_ENDPOINT_CHAT, &event, true, &facts, &usage);
    assert_false(facts.valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_alternate),
        cmocka_unit_test(a_system_alone_becomes_a_turn),
        cmocka_unit_test(results_follow_their_calls),
        cmocka_unit_test(results_of_unknown_calls_are_refused),
        cmocka_unit_test(too_many_results_are_refused),
        cmocka_unit_test(failed_results_are_errors),
        cmocka_unit_test(signatures_go_back_to_their_maker),
        cmocka_unit_test(media_are_inlined_or_named),
        cmocka_unit_test(tools_and_choices),
        cmocka_unit_test(settings_are_carried_or_told),
        cmocka_unit_test(a_format_beside_tools),
        cmocka_unit_test(thinking_by_generation),
        cmocka_unit_test(a_text),
        cmocka_unit_test(calls_get_ids),
        cmocka_unit_test(ends),
        cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(a_stream),
        cmocka_unit_test(a_stream_that_always_stops),
        cmocka_unit_test(streams_that_fail),
        cmocka_unit_test(errors_and_waits),
        cmocka_unit_test(paths),
        cmocka_unit_test(raw_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

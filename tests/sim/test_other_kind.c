/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Providers that stream where a whole answer was asked for, and the reverse. Clients of each form, providers of each
 * dialect, their own included: the client gets what it asked for. What is no whole answer fails over.
 */
#include "sim/rig.h"
#include "sim/speech.h"
#include "sim/upstream.h"

#include <stdio.h>

enum { speech_count = 6, bytes_max = 1 << 22 };
enum form { CHAT, MESSAGES, RESPONSES, COMPLETIONS };

static const struct {
    const char *name, *path, *body, *whole, *stream_end;
} forms[] = {
    [CHAT] = {"chat", "/v1/chat/completions",
              ",\"max_tokens\":100,\"messages\":[{\"role\":\"user\","
              "\"content\":\"Hi\"}]}",
              "\"content\":\"Hello there, you\"", "data: [DONE]"},
    [MESSAGES] = {"messages", "/v1/messages",
                  ",\"max_tokens\":100,\"messages\":[{\"role\":\"user\","
                  "\"content\":\"Hi\"}]}",
                  "\"text\":\"Hello there, you\"", "\"type\":\"message_stop\""},
    [RESPONSES] = {"responses", "/v1/responses",
                   ",\"max_output_tokens\":100,\"input\":\"Hi\"}",
                   "\"text\":\"Hello there, you\"", "\"type\":\"response.completed\""},
    [COMPLETIONS] = {"completions", "/v1/completions",
                     ",\"max_tokens\":100,\"prompt\":\"Hi\"}", "", ""},
};

/* The same answer, whole, in each dialect. */
static const char *const wholes[] = {
    [OPENAI] = "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"m\",\"choices\":[{"
               "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello there, you\"},"
               "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,"
               "\"total_tokens\":8}}",
    [ANTHROPIC] = "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{"
                  "\"type\":\"text\",\"text\":\"Hello there, you\"}],\"stop_reason\":\"end_turn\","
                  "\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}",
    [GEMINI] = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hello there, you\"}],\"role\":\"model\"},"
               "\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,"
               "\"candidatesTokenCount\":5,\"totalTokenCount\":8}}",
    [OLLAMA] = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hello there, you\"},"
               "\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":5}",
    [BEDROCK] = "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"Hello there, "
                "you\"}]}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":3,\"outputTokens\":5,"
                "\"totalTokens\":8}}",
    [ANSWERS] = "{\"id\":\"resp_1\",\"object\":\"response\",\"model\":\"m\",\"status\":\"completed\",\"output\":[{"
                "\"type\":\"message\",\"id\":\"i\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
                "\"text\":\"Hello there, you\",\"annotations\":[]}]}],\"usage\":{\"input_tokens\":3,"
                "\"output_tokens\":5,\"total_tokens\":8}}",
};

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf says, other;
};

/* p0 speaks *speech*, p1 OpenAI's dialect. */
static void open_scene(struct scene *s, enum speech speech, const char *more)
{
    char file[2048];
    const struct speech_kind *k = &speeches[speech];
    int len = snprintf(file, sizeof(file),
                       "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n%s"
                       "models:\n  chat: {targets: [p0/m], fallback: [p1/m]}\nproviders:\n"
                       "  p0: {type: %s%s, api_key: sk-sim, models: [m], base_url: \"http://10.0.1.1:80%s\", "
                       "health: {enabled: false}}\n"
                       "  p1: {type: openai_compatible, api_key: sk-sim, models: [m], base_url: "
                       "\"http://10.0.1.2:80/v1\", health: {enabled: false}}\n",
                       more, k->name, k->more, k->path);
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    fl_buf_init(&s->says, bytes_max);
    fl_buf_init(&s->other, bytes_max);
    put_plain(&s->other, BY_CLOSE, "elsewhere");
    upstream_say(&s->second, fl_buf_slice(&s->other), UPSTREAM_FIN);
    rig_serve_file(&s->rig, fl_slice(file, (size_t)len), 1);
}

static void close_scene(struct scene *s, struct fl_simclient *c)
{
    rig_leave(&s->rig, c);
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->says);
    fl_buf_finish(&s->other);
    rig_close(&s->rig);
}

static struct fl_simclient *ask(struct scene *s, enum form form, bool stream)
{
    char memory[400];
    struct fl_buf body;
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    fl_buf_init_in(&body, memory, sizeof(memory));
    fl_buf_put_cstr(&body, "{\"model\":\"chat\",\"stream\":");
    fl_buf_put_cstr(&body, stream ? "true" : "false");
    fl_buf_put_cstr(&body, forms[form].body);
    upstream_say(&s->first, fl_buf_slice(&s->says), UPSTREAM_FIN);
    fl_simclient_request(c, "POST", forms[form].path, "", fl_buf_slice(&body));
    rig_settle(&s->rig, c, 100 * FL_NS_S);
    return c;
}

static void put_pieces(struct fl_buf *b, enum speech speech)
{
    speech_put_text(b, speech, FL_LIT("Hello "));
    speech_put_text(b, speech, FL_LIT("there, "));
    speech_put_text(b, speech, FL_LIT("you"));
}

static void put_whole(struct fl_buf *b, enum speech speech)
{
    fl_buf_put_cstr(b, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
    fl_buf_put_cstr(b, wholes[speech]);
}

static bool has_type(const struct fl_simanswer *a, const char *type)
{
    return fl_slice_starts(fl_simanswer_header(a, "content-type"), fl_slice_cstr(type));
}

static void a_stream_becomes_the_whole_answer_asked_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * speech_count; i++) {
        struct scene s;
        enum form form = i / speech_count;
        enum speech speech = i % speech_count;
        open_scene(&s, speech, "");
        rig_say(&s.rig, "%s asks for a whole answer, %s streams", forms[form].name, speeches[speech].name);
        speech_put_head(&s.says, speech);
        put_pieces(&s.says, speech);
        (void)speech_put_end(&s.says, speech);
        struct fl_simclient *c = ask(&s, form, false);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check(&s.rig, a->complete && a->status == 200 && has_type(a, "application/json"));
        rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), forms[form].whole));
        rig_check(&s.rig, a->body.ptr[0] == '{' && !rig_has(fl_buf_slice(&a->body), "\ndata:"));
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
        rig_equal(&s.rig, s.second.requests, 0);
        close_scene(&s, c);
    }
}

static void a_whole_answer_becomes_the_stream_asked_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * speech_count; i++) {
        struct scene s;
        enum form form = i / speech_count;
        enum speech speech = i % speech_count;
        open_scene(&s, speech, "");
        rig_say(&s.rig, "%s asks for a stream, %s answers whole", forms[form].name, speeches[speech].name);
        put_whole(&s.says, speech);
        struct fl_simclient *c = ask(&s, form, true);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check(&s.rig, a->complete && a->status == 200 && has_type(a, "text/event-stream"));
        rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), "Hello there, you"));
        rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), forms[form].stream_end));
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
        rig_equal(&s.rig, s.second.requests, 0);
        close_scene(&s, c);
    }
}

/* Heartbeats have told the client of a stream before the whole answer comes. */
static void a_late_whole_answer_goes_on_with_the_stream(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene s;
        open_scene(&s, i ? ANTHROPIC : OPENAI, "limits: {heartbeat: 1s}\n");
        rig_say(&s.rig, "late, %s", i ? "foreign" : "of its own");
        put_whole(&s.says, i ? ANTHROPIC : OPENAI);
        struct upstream_part late = {fl_buf_slice(&s.says), 1, 5 * FL_NS_S};
        struct upstream_answer answer = {&late, 1, UPSTREAM_FIN};
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        upstream_plan(&s.first, &answer, 1);
        rig_post(c, 1, true, "");
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check(&s.rig, a->complete && a->done_marker && rig_stats(&s.rig).heartbeats >= 4);
        rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), "Hello there, you"));
        rig_equal(&s.rig, s.second.requests, 0);
        close_scene(&s, c);
    }
}

static void put_error(struct fl_buf *b, enum speech speech)
{
    if (speech == ANTHROPIC) {
        speech_put_frame(b, speech, "error",
                         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Oh\"}}");
    } else {
        speech_put_frame(b, speech, "error", "{\"error\":{\"message\":\"Oh\",\"type\":\"server_error\",\"code\":null}}");
    }
}

/* Cut, ended by an error, or longer than a body may be. */
static void a_stream_that_is_no_whole_answer_fails_over(void **state)
{
    enum { CUT, ERROR, LONG, ways };
    static const enum speech kinds[] = {OPENAI, ANTHROPIC};
    (void)state;
    for (unsigned i = 0; i < 2 * ways; i++) {
        struct scene s;
        enum speech speech = kinds[i / ways];
        open_scene(&s, speech, "limits: {body: 64KiB}\n");
        rig_say(&s.rig, "%s, way %u", speeches[speech].name, i % ways);
        speech_put_head(&s.says, speech);
        put_pieces(&s.says, speech);
        for (unsigned k = 0; i % ways == LONG && k < 10000; k++) {
            speech_put_text(&s.says, speech, FL_LIT("and so on "));
        }
        if (i % ways == ERROR) {
            put_error(&s.says, speech);
        } else if (i % ways == LONG) {
            (void)speech_put_end(&s.says, speech);
        }
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = ask(&s, CHAT, false);
        rig_check_text(&s.rig, fl_simclient_answer(c, 0), "elsewhere");
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        rig_equal(&s.rig, s.second.requests, 1);
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= (1 << 20) + 2 * s.says.len);
        close_scene(&s, c);
    }
}

/* Of legacy completions there is no canonical form. */
static void what_cannot_be_turned_round_fails_over(void **state)
{
    (void)state;
    for (unsigned stream = 0; stream < 2; stream++) {
        struct scene s;
        open_scene(&s, OPENAI, "routing: {attempts: 1}\n");
        rig_say(&s.rig, "completions, asked for a %s", stream ? "stream" : "whole answer");
        if (stream) {
            fl_buf_put_cstr(&s.says, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"choices\":[{"
                                     "\"index\":0,\"text\":\"Hello\",\"finish_reason\":\"stop\"}]}");
        } else {
            speech_put_head(&s.says, OPENAI);
            put_pieces(&s.says, OPENAI);
            (void)speech_put_end(&s.says, OPENAI);
        }
        struct fl_simclient *c = ask(&s, COMPLETIONS, stream);
        rig_check_error(&s.rig, fl_simclient_answer(c, 0), 502, "provider_bad_response");
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        close_scene(&s, c);
    }
}

/* Calls whose arguments come in turns. */
static void calls_are_put_together(void **state)
{
    static const char *const frames[] = {
        "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"call_a\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\"\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":\"function\","
        "\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"}\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":13,\"total_tokens\":24}}",
        "[DONE]",
    };
    struct scene s;
    (void)state;
    open_scene(&s, OPENAI, "");
    rig_say(&s.rig, "calls");
    speech_put_head(&s.says, OPENAI);
    for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        speech_put_frame(&s.says, OPENAI, NULL, frames[i]);
    }
    struct fl_simclient *c = ask(&s, CHAT, false);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    struct fl_slice body = fl_buf_slice(&a->body);
    rig_check(&s.rig, a->complete && a->status == 200);
    rig_check(&s.rig, rig_has(body, "\"id\":\"call_a\"") && rig_has(body, "\"arguments\":\"{\\\"x\\\":1}\""));
    rig_check(&s.rig, rig_has(body, "\"id\":\"call_b\"") && rig_has(body, "\"arguments\":\"{}\""));
    rig_check(&s.rig, rig_has(body, "\"finish_reason\":\"tool_calls\"") && rig_has(body, "\"total_tokens\":24"));
    close_scene(&s, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_becomes_the_whole_answer_asked_for),
        cmocka_unit_test(a_whole_answer_becomes_the_stream_asked_for),
        cmocka_unit_test(a_late_whole_answer_goes_on_with_the_stream),
        cmocka_unit_test(a_stream_that_is_no_whole_answer_fails_over),
        cmocka_unit_test(what_cannot_be_turned_round_fails_over),
        cmocka_unit_test(calls_are_put_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

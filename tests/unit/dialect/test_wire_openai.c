/* SPDX-License-Identifier: Apache-2.0 */
/* Chat completions as a wire form: what vendors send, what clients get, what providers are asked. */
#include "unit/dialect/wire_rig.h"

#define CHUNK(choices)                                                                             \
    "data: {\"id\":\"x\",\"created\":7,\"model\":\"up\",\"choices\":[" choices "]}\n\n"
#define DELTA(members) CHUNK("{\"index\":0,\"delta\":{" members "},\"finish_reason\":null}")
#define FINISH(word)   CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"" word "\"}")
#define DONE           "data: [DONE]\n\n"

/* --- Answers of providers --- */

struct stream_case {
    const char *what, *stream, *line;
};

static const struct stream_case streams[] = {
    {"as OpenAI sends it",
     DELTA("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null") DELTA("\"content\":\"He\"")
         DELTA("\"content\":\"llo \\ud83d\"") DELTA("\"content\":\"\\ude00\"") FINISH(
             "stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,"
                     "\"total_tokens\":5}}\n\n" DONE,
     "text \"Hello \\ud83d\\ude00\" finish stop usage 3/2"},
    {"a filter's chunk comes first, without choices (Azure)",
     "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\","
     "\"prompt_filter_results\":[]}\n\n" DELTA("\"content\":\"x\"") FINISH("stop") DONE,
     "text \"x\" finish stop"},
    {"usage in the finish chunk, which has content too (DeepSeek, Moonshot, vLLM)",
     DELTA("\"content\":\"a\"") "data: "
                                "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_"
                                "reason\":"
                                "\"length\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":"
                                "2}}\n\n" DONE,
     "text \"ab\" finish length usage 1/2"},
    {"usage in x_groq (Groq)",
     DELTA("\"content\":\"a\"") "data: "
                                "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                                "\"stop\"}],\"x_groq\":"
                                "{\"id\":\"r\",\"usage\":{\"prompt_tokens\":4,\"completion_"
                                "tokens\":5}}}\n\n" DONE,
     "text \"a\" finish stop usage 4/5"},
    {"usage that counts up, both delta and message, CRLF, no [DONE] (Perplexity)",
     "data: "
     "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"},\"delta\":{\"content\":\"a\"}"
     ",\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\r\n\r\n"
     "data: {\"choices\":[{\"index\":0,\"message\":{\"content\":\"ab\"},\"delta\":{\"content\":"
     "\"b\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}"
     "\r\n\r\n",
     "text \"ab\" finish stop usage 1/2"},
    {"what was found stands in every chunk, told once (Perplexity)",
     "data: "
     "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a[1]\"}}],\"citations\":[\"https://u\"],"
     "\"search_results\":[{\"title\":\"T\",\"url\":\"https://u\",\"snippet\":\"s\"}]}\n\n"
     "data: "
     "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],"
     "\"citations\":["
     "\"https://u\"],\"search_results\":[{\"title\":\"T\",\"url\":\"https://"
     "u\",\"snippet\":\"s\"}]}\n\n",
     "text \"a[1]\" cites https://u T 0-0 finish stop"},
    {"only URLs (xAI)",
     DELTA("\"content\":\"a\"") "data: "
                                "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                                "\"stop\"}],"
                                "\"citations\":[\"https://u\",7]}\n\n" DONE,
     "text \"a\" cites https://u  0-0 finish stop"},
    {"several chunks of usage, the last counts (Cerebras)",
     DELTA("\"reasoning\":\"hm\"") DELTA("\"content\":\"a\"")
         FINISH("stop") "data: "
                        "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1},"
                        "\"time_info\":{\"queue_time\":"
                        "0.01}}\n\ndata: "
                        "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"
                        "\n\n" DONE,
     "thinking \"hm\" text \"a\" finish stop usage 3/2"},
    {"the role in every delta, empty calls, a token for a stop reason (vLLM, Z.ai)",
     DELTA("\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[]")
         CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"b\",\"tool_calls\":"
               "null},\"finish_reason\":"
               "\"stop\",\"stop_reason\":128009,\"token_ids\":null}") DONE,
     "text \"ab\" finish stop"},
    {"no resources left (DeepSeek), keep-alives",
     ": keep-alive\n\n" DELTA("\"content\":\"a\"") ": keep-alive\n\n" FINISH(
         "insufficient_system_resource") DONE,
     "text \"a\" finish error"},
    {"the delta repeated as text, an odd finish (Together)",
     CHUNK("{\"index\":0,\"text\":\"a\",\"delta\":{\"content\":\"a\"},\"finish_reason\":null}")
         FINISH("eos") DONE,
     "text \"a\" finish stop"},
    {"content as a list with thinking (Mistral)",
     DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]"
           "}]") DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
                       "\"text\":\".\"}]},{\"type\":\"text\",\"text\":\"so\"}]")
         DELTA("\"content\":\"!\"") FINISH("model_length") DONE,
     "thinking \"hm.\" text \"so!\" finish context"},
    {"calls whole, without index, in the finish chunk (Mistral)",
     CHUNK(
         "{\"index\":0,\"delta\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"abcdefghi\","
         "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}},{\"id\":\"jklmnopqr\","
         "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}")
         DONE,
     "call abcdefghi:f \"{\\\"a\\\": 1}\" call jklmnopqr:g \"{}\" finish tool_calls"},
    {"a later piece with an empty name",
     DELTA(
         "\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"arguments\":\"\"}}]")
         DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"\",\"arguments\":\"{}\"}}]")
             FINISH("tool_calls") DONE,
     "call c1:f \"{}\" finish tool_calls"},
    {"the id first, the name later",
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"\"}}]")
         DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]")
             DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]")
                 FINISH("tool_calls") DONE,
     "call c1:f \"{}\" finish tool_calls"},
    {"two calls at once, their pieces mixed; one finish says stop",
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":"
           "\"\"}},{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]")
         DELTA("\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"b\\\"\"}}]")
             DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}},{\"index\":1,"
                   "\"function\":{\"arguments\":\":2}\"}}]") FINISH("stop") DONE,
     "call c1:f \"{}\" call c2:g \"{\\\"b\\\":2}\" finish tool_calls"},
    {"several calls under one index, told apart by id",
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":"
           "\"{}\"}}]")
         DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c2\",\"function\":{\"name\":\"g\","
               "\"arguments\":\"{}\"}}]") FINISH("tool_calls") DONE,
     "call c1:f \"{}\" call c2:g \"{}\" finish tool_calls"},
    {"a call without arguments gets an empty object; arguments as an object",
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\"}},{\"index\":1,"
           "\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":{\"a\":\"b\"}}}]")
         FINISH("tool_calls") DONE,
     "call c1:f \"{}\" call c2:g \"{\\\"a\\\":\\\"b\\\"}\" finish tool_calls"},
    {"reasoning_content, then text (DeepSeek)",
     DELTA("\"content\":null,\"reasoning_content\":\"hm\"")
         DELTA("\"content\":\"so\",\"reasoning_content\":null") FINISH("stop") DONE,
     "thinking \"hm\" text \"so\" finish stop"},
    {"reasoning with details and a signature (OpenRouter); finish twice",
     DELTA("\"content\":\"\",\"reasoning\":\"hm\",\"reasoning_details\":[{\"type\":"
           "\"reasoning.text\",\"text\":\"hm\",\"index\":0}]")
         DELTA("\"content\":\"\",\"reasoning\":null,\"reasoning_details\":[{\"type\":"
               "\"reasoning.text\",\"signature\":\"s1g\",\"index\":0}]") DELTA("\"content\":\"so\"")
             FINISH("stop") "data: "
                            "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_"
                            "reason\":"
                            "\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"
                            "\n\n" DONE,
     "thinking \"hm\" signed s1g text \"so\" finish stop usage 1/1"},
    {"details alone, one of them encrypted",
     DELTA("\"reasoning_details\":[{\"type\":\"reasoning.summary\",\"summary\":\"hm\"},{\"type\":"
           "\"reasoning.encrypted\",\"data\":\"opaque\"}]") DELTA("\"content\":\"so\"")
         FINISH("stop") DONE,
     "thinking \"hm\" redacted \"opaque\" text \"so\" finish stop"},
    {"a thought signature on a call (Gemini)",
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"extra_content\":{\"google\":{"
           "\"thought_signature\":\"s1g\"}},\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]")
         FINISH("stop") DONE,
     "call c1:f \"{}\" signed s1g finish tool_calls"},
    {"the old function_call",
     DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}")
         DELTA("\"function_call\":{\"arguments\":\"{}\"}") FINISH("function_call") DONE,
     "call :f \"{}\" finish tool_calls"},
    {"a stop sequence (vLLM), an empty reason (Snowflake)",
     CHUNK("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\",\"stop_reason\":"
           "\"END\"},{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"\"}") DONE,
     "text \"a\" #1 text \"b\" finish stop_sequence=END finish stop"},
    {"choices out of order, the index missing",
     CHUNK("{\"index\":1,\"delta\":{\"content\":\"b\"}}") CHUNK("{\"delta\":{\"content\":\"a\"}}")
         CHUNK("{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"length\"}")
             FINISH("stop"),
     "#1 text \"bb\" text \"a\" finish stop finish length"},
    {"a refusal", DELTA("\"refusal\":\"no\"") FINISH("content_filter") DONE,
     "refusal \"no\" finish content_filter"},
    {"comments and a frame that is not JSON, once there is content",
     ": OPENROUTER PROCESSING\n\n" DELTA("\"content\":\"a\"") "data: {oops\n\n" DELTA(
         "\"content\":\"b\"") FINISH("stop") DONE,
     "text \"ab\" finish stop"},
    {"events of responses instead of chunks",
     "event: response.created\ndata: "
     "{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n"
     "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
     "\"output_index\":0,\"delta\":\"a\"}\n\n"
     "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":"
     "\"completed\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n",
     "text \"a\" finish stop usage 3/2"},
    {"[DONE] without a reason", DELTA("\"content\":\"a\"") DONE, "text \"a\" finish stop"},
    {"an error in the stream (Groq)",
     DELTA("\"content\":\"a\"") "data: {\"error\":{\"message\":\"no call\",\"type\":"
                                "\"invalid_request_error\",\"code\":\"tool_use_failed\","
                                "\"status_code\":400}}\n\n",
     "text \"a\" error caller_rejected_by_provider: no call (cut)"},
    {"an error beside choices (OpenRouter)",
     DELTA("\"content\":\"a\"") "data: "
                                "{\"error\":{\"code\":429,\"message\":\"slow\"},\"choices\":[{"
                                "\"index\":0,\"delta\":"
                                "{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n" DONE,
     "text \"a\" finish error error provider_rate_limited: slow (cut)"},
    {"an error as a string (xAI)",
     DELTA("\"content\":\"a\"") "data: {\"code\":\"internal\",\"error\":\"it broke\"}\n\n",
     "text \"a\" error provider_server_error: it broke (cut)"},
    {"an error named by the event, flat (vLLM)",
     DELTA("\"content\":\"a\"") "event: error\ndata: {\"object\":\"error\",\"message\":\"oh\","
                                "\"code\":503}\n\n",
     "text \"a\" error provider_overloaded: oh (cut)"},
};

static void streams_of_all_vendors_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
        char *line =
            rig_all_cuts(&fl_wire_openai_chat, NULL, fl_slice_cstr(streams[i].stream), 1000 * i);
        if (strcmp(line, streams[i].line) != 0) {
            print_error("%s:\n  expected %s\n  got      %s\n", streams[i].what, streams[i].line,
                        line);
            fail();
        }
        free(line);
    }
}

/* The rest of what the client gets is the same, however the stream was cut. */
static void clients_get_the_same_however_a_stream_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
        free(rig_all_cuts(&fl_wire_openai_chat, &fl_wire_openai_chat,
                          fl_slice_cstr(streams[i].stream), 77));
    }
}

/* What the chat form writes it reads again to the same answer. */
static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
        struct fl_slice stream = fl_slice_cstr(streams[i].stream);
        char *line = rig_output(&fl_wire_openai_chat, NULL, stream, NULL, 0);
        char *out = rig_output(&fl_wire_openai_chat, &fl_wire_openai_chat, stream, NULL, 0);
        char *again = rig_output(&fl_wire_openai_chat, NULL, fl_slice_cstr(out), NULL, 0);
        /* ids are made where there were none; what stopped is not told */
        if (!strstr(line, "call :f") && !strstr(line, "stop_sequence=") &&
            !strstr(line, "context")) {
            assert_string_equal(line, again);
        }
        free(line);
        free(out);
        free(again);
    }
}

static void a_stream_that_is_cut_off_is_no_success(void **state)
{
    (void)state;
    static const char *const cut[] = {
        "", DELTA("\"content\":\"a\""),
        CHUNK("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"},{\"index\":1,"
              "\"delta\":{\"content\":\"b\"}}")};
    for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
        struct rig g;
        rig_init(&g, &fl_wire_openai_chat, &fl_wire_openai_chat);
        rig_stream(&g, fl_slice_cstr(cut[i]), NULL, 0);
        assert_int_equal(g.err, FL_ERR_CLOSED);
        assert_int_equal(g.dones, 0);
        assert_int_equal(fl_slice_find_text(fl_buf_slice(&g.out), FL_LIT("[DONE]")), g.out.len);
        rig_finish(&g);
    }
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const first[] = {"data: {\"a\":1}\n\n", "data: [1]\n\n", "data: <html>\n\n",
                                        DONE};
    for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++) {
        struct rig g;
        rig_init(&g, &fl_wire_openai_chat, NULL);
        rig_stream(&g, fl_slice_cstr(first[i]), NULL, 0);
        assert_int_equal(g.err, FL_ERR_BAD_RESPONSE);
        assert_int_equal(g.events, 0);
        rig_finish(&g);
    }
}

static void whole_answers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum fl_err err;
        const char *line;
    } rows[] = {
        {"{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
         "\"hi\",\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,"
         "\"completion_tokens\":2,\"total_tokens\":8,\"completion_tokens_details\":{"
         "\"reasoning_tokens\":5}}}",
         FL_OK, "thinking \"hm\" text \"hi\" finish stop usage 1/7"},
        {"{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
         "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"id\":\"c2\",\"type\":"
         "\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"a\\nb\"}}]},\"finish_reason\":"
         "\"stop\"}]}",
         FL_OK, "call c1:f \"{}\" call c2:g \"{\\\"input\\\":\\\"a\\\\nb\\\"}\" finish tool_calls"},
        {"{\"choices\":[{\"text\":\"x\",\"finish_reason\":\"length\"}]}", FL_OK,
         "text \"x\" finish length"},
        {"{\"error\":{\"message\":\"no\",\"code\":\"insufficient_quota\"}}", FL_ERR_ERROR_IN_200,
         "error provider_billing: no (cut)"},
        {"{\"detail\":\"nope\"}", FL_ERR_ERROR_IN_200, "error provider_server_error: nope (cut)"},
        {"{\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":\"message\","
         "\"content\":[{\"type\":\"output_text\",\"text\":\"x\"}]}]}",
         FL_OK, "text \"x\" finish stop"},
        {"{\"choices\":[]}", FL_ERR_BAD_RESPONSE, " (cut)"},
        {"[]", FL_ERR_BAD_RESPONSE, " (cut)"},
        {"<html>", FL_ERR_BAD_RESPONSE, " (cut)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig g;
        rig_init(&g, &fl_wire_openai_chat, NULL);
        rig_whole(&g, fl_slice_cstr(rows[i].body));
        assert_int_equal(g.err, rows[i].err);
        assert_slice(rig_answer(&g), rows[i].line);
        rig_finish(&g);
    }
}

/* --- What clients get --- */

#define HEAD                                                                                       \
    "data: {\"id\":\"chatcmpl-" RIG_ID "\",\"object\":\"chat.completion.chunk\","                  \
    "\"created\":1700000000,\"model\":\"m\","
#define OUT(delta, finish)                                                                         \
    HEAD "\"choices\":[{\"index\":0,\"delta\":{" delta                                             \
         "},\"logprobs\":null,\"finish_reason\":" finish "}],\"usage\":null}\n\n"

static void a_client_gets_chunks_as_openai_writes_them(void **state)
{
    (void)state;
    char *out = rig_output(
        &fl_wire_openai_chat, &fl_wire_openai_chat,
        fl_slice_cstr(DELTA("\"reasoning_content\":\"hm\"") DELTA("\"content\":\"so\"") DELTA(
            "\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\"}}]")
                          FINISH("stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                                         "\"completion_tokens\":2}}\n\n" DONE),
        NULL, 0);
    assert_string_equal(
        out,
        OUT("\"role\":\"assistant\",\"content\":null,\"refusal\":null", "null") OUT(
            "\"reasoning_content\":\"hm\",\"reasoning_details\":[{\"type\":\"reasoning.text\","
            "\"text\":\"hm\",\"index\":0}]",
            "null") OUT("\"content\":\"so\"", "null")
            OUT("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
                "\"name\":\"f\",\"arguments\":\"\"}}]",
                "null") OUT("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]",
                            "null") OUT("", "\"tool_calls\"") HEAD
        "\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,"
        "\"total_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0}"
        ",\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}}}\n\n" DONE);
    free(out);
}

static void an_error_ends_a_clients_stream_without_done(void **state)
{
    (void)state;
    char *out = rig_output(&fl_wire_openai_chat, &fl_wire_openai_chat,
                           FL_LIT("data: {\"error\":{\"message\":\"s\\\"low\",\"code\":429}}\n\n"),
                           NULL, 0);
    assert_string_equal(out, "data: {\"error\":{\"message\":\"s\\\"low\",\"type\":"
                             "\"rate_limit_error\",\"param\":null,\"code\":"
                             "\"provider_rate_limited\"}}\n\n");
    free(out);
}

static void a_client_gets_a_whole_answer(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, &fl_wire_openai_chat, NULL);
    rig_stream(&g,
               fl_slice_cstr(
                   DELTA("\"reasoning_details\":[{\"text\":\"h\"}]")
                       DELTA("\"reasoning_details\":[{\"text\":\"m\",\"signature\":\"s\"}]")
                           DELTA("\"content\":\"a\"") DELTA("\"content\":\"b\"")
                               DELTA("\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
                                     "\"{}\"},\"extra_content\":{\"google\":{"
                                     "\"thought_signature\":\"t\"}}}]") FINISH("stop")),
               NULL, 0);
    fl_buf_reset(&g.out);
    g.answer.usage = (struct fl_usage){.known = true, .tokens_in = 5, .tokens_cached = 2};
    fl_wire_openai_chat.put_answer(&g.encoder, &g.answer, &g.out);
    assert_slice(fl_buf_slice(&g.out),
                 "{\"id\":\"chatcmpl-" RIG_ID "\",\"object\":\"chat.completion\",\"created\":"
                 "1700000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                 "\"assistant\",\"content\":\"ab\",\"refusal\":null,\"reasoning_content\":\"hm\","
                 "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\","
                 "\"signature\":\"s\",\"index\":0}],\"tool_calls\":[{\"id\":\"call_" RIG_ID
                 "0x0\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},"
                 "\"extra_content\":{\"google\":{\"thought_signature\":\"t\"}}}]},\"logprobs\":"
                 "null,\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":5,"
                 "\"completion_tokens\":0,\"total_tokens\":5,\"prompt_tokens_details\":{"
                 "\"cached_tokens\":2,\"audio_tokens\":0},\"completion_tokens_details\":{"
                 "\"reasoning_tokens\":0,\"audio_tokens\":0}}}");
    rig_finish(&g);
}

/* --- Requests --- */

struct written {
    struct fl_arena arena;
    struct fl_chat_request r;
    struct fl_buf out, losses;
    struct fl_reterr reterr;
    enum fl_err err;
};

static void rewrite(struct written *w, const char *body, const char *vendor, const char *model)
{
    struct fl_losses losses = {0};
    struct fl_write_options options = {
        .model = fl_slice_cstr(model), .vendor = fl_slice_cstr(vendor), .ask_usage = true};
    *w = (struct written){0};
    fl_arena_init(&w->arena, 4096, 1 << 24);
    fl_buf_init(&w->out, 1 << 24);
    fl_buf_init(&w->losses, 1 << 16);
    w->err = fl_wire_openai_chat.read(fl_slice_cstr(body), &w->arena, &w->r, &w->reterr);
    if (!w->err) {
        w->err = fl_wire_openai_chat.write(&w->r, &options, &w->out, &losses, &w->reterr);
        struct fl_json whole;
        assert_int_equal(fl_json_scan(fl_buf_slice(&w->out), FL_JSON_LIMITS, NULL, 0, &whole, NULL),
                         FL_OK);
    }
    fl_losses_put(&losses, &w->losses);
}

static void forget(struct written *w)
{
    fl_buf_finish(&w->out);
    fl_buf_finish(&w->losses);
    fl_arena_finish(&w->arena);
}

static void becomes(const char *body, const char *vendor, const char *model, const char *expected,
                    const char *losses)
{
    struct written w;
    rewrite(&w, body, vendor, model);
    if (w.err) {
        print_error("%s\n%s\n", body, w.reterr.message);
    }
    assert_int_equal(w.err, FL_OK);
    assert_slice(fl_buf_slice(&w.out), expected);
    assert_slice(fl_buf_slice(&w.losses), losses);
    forget(&w);
}

#define USER         "{\"role\":\"user\",\"content\":\"hi\"}"
#define ASK(members) "{\"model\":\"m\",\"messages\":[" USER "]" members "}"

/* In the writer's order and spelling, every field comes back as it was. */
static void nothing_of_a_request_is_lost(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"model\":\"m\",\"messages\":["
        "{\"role\":\"developer\",\"content\":\"be \\ud83d\"},"
        "{\"role\":\"system\",\"name\":\"s\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"text\",\"text\":\"b\"}]},"
        "{\"role\":\"user\",\"name\":\"u\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.example/b.png\",\"detail\":"
        "\"low\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,QQ==\"}},"
        "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"QQ==\",\"format\":\"mp3\"}},"
        "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":"
        "\"data:application/pdf;base64,QQ==\"}},{\"type\":\"file\",\"file\":{\"file_id\":\"f-1\"}}"
        "]},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": \\\"\\\\ud83d\\\"}\""
        "}},{\"id\":\"c2\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"x\\ny\"}},"
        "{\"id\":\"c3\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{\\\"broken\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"r1\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}"
        ","
        "{\"type\":\"text\",\"text\":\"b\"}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":\"\"},"
        "{\"role\":\"assistant\",\"content\":\"so\",\"refusal\":\"no\"},"
        "{\"role\":\"user\",\"content\":\"\"}],"
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
        "\"parameters\":{\"type\":\"object\", \"n\":1e400},\"strict\":true}},{\"type\":"
        "\"function\",\"function\":{\"name\":\"h\"}},{\"type\":\"custom\",\"custom\":{\"name\":"
        "\"g\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
        "\"parallel_tool_calls\":false,\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"max_completion_tokens\":64,\"temperature\":0.70,\"top_p\":1.0,\"seed\":"
        "9007199254740993,\"presence_penalty\":-1,\"frequency_penalty\":2,\"logit_bias\":{\"5\":-1}"
        ",\"n\":2,\"stop\":[\"a\",\"\\n\"],\"response_format\":{\"type\":\"json_schema\","
        "\"json_schema\":{\"name\":\"s\",\"description\":\"d\",\"schema\":{},\"strict\":true}},"
        "\"reasoning_effort\":\"xhigh\",\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\","
        "\"metadata\":{\"a\":\"b\"},\"verbosity\":\"low\",\"safety_identifier\":\"u\",\"store\":"
        "false}",
        ASK(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":"
            "\"required\",\"response_format\":{\"type\":\"json_object\"},\"user\":\"u\""),
        ASK(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":{"
            "\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[]}}"),
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        becomes(bodies[i], "openai", "m", bodies[i], "");
    }
}

static void each_vendor_is_asked_in_its_own_way(void **state)
{
    (void)state;
    becomes("{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"d\"}," USER
            "],\"max_completion_tokens\":5,\"reasoning_effort\":\"xhigh\",\"metadata\":{}}",
            "openai_compatible", "x",
            "{\"model\":\"x\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"}," USER
            "],\"max_tokens\":5,\"reasoning_effort\":\"high\"}",
            "reasoning_effort=approximated, metadata");
    becomes("{\"model\":\"m\",\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,"
            "\"tool_calls\":[{\"id\":\"toolu_1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},"
            "{\"id\":\"Abc123xyz\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":"
            "\"tool\",\"tool_call_id\":\"toolu_1\",\"content\":\"r\"},{\"role\":\"tool\","
            "\"tool_call_id\":\"Abc123xyz\",\"content\":\"r\"}],\"tools\":[{\"type\":\"function\","
            "\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\",\"seed\":1,\"user\":"
            "\"u\"}",
            "mistral", "x",
            "{\"model\":\"x\",\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,"
            "\"tool_calls\":[{\"id\":\""
            "dWIHfc4aq"
            "\",\"type\":\"function\",\"function\":{\"name\":"
            "\"f\",\"arguments\":\"{}\"}},{\"id\":\"Abc123xyz\",\"type\":\"function\",\"function\":"
            "{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
            "\""
            "dWIHfc4aq"
            "\",\"content\":\"r\"},{\"role\":\"tool\",\"tool_call_id\":\"Abc123xyz\","
            "\"content\":\"r\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"parameters\":{\"type\":\"object\",\"properties\":{}}}}],\"tool_choice\":\"any\","
            "\"random_seed\":1}",
            "user");
    becomes(ASK(",\"temperature\":0.5,\"top_p\":1,\"stop\":\"x\",\"thinking\":{\"type\":\"enabled\""
                ",\"budget_tokens\":4000}"),
            "openai", "gpt-5",
            "{\"model\":\"gpt-5\",\"messages\":[" USER "],\"top_p\":1,\"reasoning_effort\":"
            "\"medium\"}",
            "temperature, stop, thinking=approximated");
    becomes(ASK(",\"thinking\":{\"type\":\"enabled\"},\"top_k\":5,\"stop\":[\"1\",\"2\",\"3\","
                "\"4\",\"5\"]"),
            "openai", "gpt-4o",
            "{\"model\":\"gpt-4o\",\"messages\":[" USER "],\"stop\":[\"1\",\"2\",\"3\",\"4\"]}",
            "top_k, stop=approximated, thinking");
    becomes(ASK(",\"reasoning\":{\"max_tokens\":99,\"exclude\":true},\"top_k\":5"), "openrouter",
            "x",
            "{\"model\":\"x\",\"messages\":[" USER "],\"top_k\":5,\"reasoning\":{\"max_tokens\":99,"
            "\"exclude\":true}}",
            "");
    becomes(ASK(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}},"
                "\"thinking\":{\"type\":\"disabled\"}"),
            "deepseek", "x",
            "{\"model\":\"x\",\"messages\":[" USER "],\"response_format\":{\"type\":"
            "\"json_object\"},\"thinking\":{\"type\":\"disabled\"}}",
            "response_format=approximated");
}

/* The same request at every vendor: what its row in quirks.c makes of it. */
static void a_rich_request_at_every_vendor(void **state)
{
    static const char *const rich = "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\","
                                    "\"content\":\"d\"},{\"role\":\"user\",\"name\":\"n\","
                                    "\"content\":\"u\"}],\"max_completion_tokens\":5,\"seed\":1,"
                                    "\"logprobs\":true,\"top_k\":4,\"logit_bias\":{},"
                                    "\"presence_penalty\":1,\"user\":\"me\",\"service_tier\":"
                                    "\"flex\",\"reasoning_effort\":\"minimal\",\"tools\":["
                                    "{\"type\":\"function\",\"function\":{\"name\":\"f\","
                                    "\"parameters\":{},\"strict\":true}}],\"tool_choice\":"
                                    "\"required\",\"parallel_tool_calls\":false}";
    static const struct {
        const char *vendor, *body, *losses;
    } rows[] = {
        {"groq",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"parameters\":{},\"strict\":true}}],\"tool_choice\":\"required\",\"parallel_tool_"
         "calls\":false,\"max_completion_tokens\":5,\"seed\":1,\"reasoning_effort\":\"low\","
         "\"user\":\"me\",\"service_tier\":\"flex\"}",
         "messages.name, top_k, presence_penalty, logit_bias, logprobs, "
         "reasoning_effort=approximated"},
        {"xai",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"name\":\"n\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"tool_choice\":\"required\","
         "\"parallel_tool_calls\":false,\"max_completion_tokens\":5,\"seed\":1,\"logprobs\":true,"
         "\"reasoning_effort\":\"low\",\"user\":\"me\"}",
         "tools.strict, top_k, presence_penalty, logit_bias, reasoning_effort=approximated, "
         "service_tier"},
        {"together",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"name\":\"n\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"tool_choice\":\"required\",\"max_"
         "tokens\":5,\"top_k\":4,\"seed\":1,\"presence_penalty\":1,\"logit_bias\":{},\"logprobs\":"
         "true,\"reasoning_effort\":\"low\"}",
         "tools.strict, parallel_tool_calls, reasoning_effort=approximated, user, service_tier"},
        {"fireworks",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"parameters\":{}}}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false,"
         "\"max_tokens\":5,\"top_k\":4,\"seed\":1,\"presence_penalty\":1,\"logit_bias\":{},"
         "\"logprobs\":true,\"reasoning_effort\":\"low\",\"user\":\"me\"}",
         "messages.name, tools.strict, reasoning_effort=approximated, service_tier"},
        {"cerebras",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"parameters\":{},\"strict\":true}}],\"tool_choice\":\"required\",\"parallel_tool_"
         "calls\":false,\"max_completion_tokens\":5,\"seed\":1,\"logprobs\":true,\"reasoning_"
         "effort\":\"low\",\"user\":\"me\"}",
         "messages.name, top_k, presence_penalty, logit_bias, reasoning_effort=approximated, "
         "service_tier"},
        {"ollama",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"parameters\":{}}}],\"max_tokens\":5,\"seed\":1,\"presence_penalty\":1,"
         "\"reasoning_effort\":\"low\"}",
         "messages.name, tools.strict, tool_choice, parallel_tool_calls, top_k, logit_bias, "
         "logprobs, reasoning_effort=approximated, user, service_tier"},
        {"vllm",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"name\":\"n\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"parameters\":{},\"strict\":true}}],\"tool_choice\":"
         "\"required\",\"parallel_tool_calls\":false,\"max_tokens\":5,\"top_k\":4,\"seed\":1,"
         "\"presence_penalty\":1,\"logit_bias\":{},\"logprobs\":true,\"reasoning_effort\":\"low\","
         "\"user\":\"me\"}",
         "reasoning_effort=approximated, service_tier"},
        {"deepseek",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"name\":\"n\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"tool_choice\":\"required\",\"max_"
         "tokens\":5,\"presence_penalty\":1,\"logprobs\":true,\"thinking\":{\"type\":\"enabled\"}}",
         "tools.strict, parallel_tool_calls, top_k, seed, logit_bias, thinking=approximated, user, "
         "service_tier"},
        {"mistral",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},{\"role\":"
         "\"user\",\"content\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"parameters\":{},\"strict\":true}}],\"tool_choice\":\"any\",\"parallel_tool_"
         "calls\":false,\"max_tokens\":5,\"random_seed\":1,\"presence_penalty\":1}",
         "messages.name, top_k, logit_bias, logprobs, reasoning_effort, user, service_tier"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        becomes(rich, rows[i].vendor, "m", rows[i].body, rows[i].losses);
    }
}

static void what_cannot_be_said_is_not_sent(void **state)
{
    (void)state;
    static const struct {
        const char *body, *vendor, *losses;
    } rows[] = {
        {ASK(",\"n\":2"), "groq", "n=impossible"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\","
         "\"file\":{\"file_id\":\"f\"}}]}]}",
         "groq", "messages.file=impossible"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
         "\"image_url\":{\"url\":\"gs://a/b\"}}]}]}",
         "openai", "messages.image=impossible"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct written w;
        rewrite(&w, rows[i].body, rows[i].vendor, "x");
        assert_int_equal(w.err, FL_ERR_UPSTREAM_REQUEST);
        assert_slice(fl_buf_slice(&w.losses), rows[i].losses);
        forget(&w);
    }
}

/* Thinking that was handed out comes back in whichever way the client keeps it. */
static void thinking_comes_back_with_its_signature(void **state)
{
    (void)state;
#define BACK(members)                                                                              \
    "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":\"assistant\"," members "}]}"
#define DETAILS                                                                                    \
    "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\",\"signature\":\"s\","     \
    "\"index\":0},{\"type\":\"reasoning.encrypted\",\"data\":\"o\",\"index\":1}]"
    becomes(BACK(DETAILS ",\"content\":\"x\""), "openrouter", "m",
            BACK(DETAILS ",\"content\":\"x\""), "");
    becomes(BACK("\"reasoning_content\":\"hm\",\"reasoning_details\":[{\"text\":\"h\",\"index\":0},"
                 "{\"text\":\"m\",\"index\":0},{\"signature\":\"s\",\"index\":0},{\"data\":\"o\"}],"
                 "\"content\":\"x\""),
            "openrouter", "m", BACK(DETAILS ",\"content\":\"x\""), "");
    becomes(BACK("\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":"
                 "\"s\"},{\"type\":\"redacted_thinking\",\"data\":\"o\"}],\"content\":\"x\""),
            "openrouter", "m", BACK(DETAILS ",\"content\":\"x\""), "");
    becomes(BACK("\"reasoning_content\":\"hm\",\"content\":\"x\""), "deepseek", "m",
            BACK("\"reasoning_content\":\"hm\",\"content\":\"x\""), "");
    /* of the turns since the user spoke alone */
    becomes("{\"model\":\"m\",\"messages\":[" USER
            ",{\"role\":\"assistant\",\"reasoning_content\":\"hm\","
            "\"content\":\"x\"}," USER "]}",
            "deepseek", "m",
            "{\"model\":\"m\",\"messages\":[" USER
            ",{\"role\":\"assistant\",\"content\":\"x\"}," USER "]}",
            "messages.thinking");
    becomes(BACK("\"reasoning_content\":\"hm\",\"content\":\"x\""), "openai", "m",
            BACK("\"content\":\"x\""), "messages.thinking");
    becomes(BACK("\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\""
                 ":{\"name\":\"f\",\"arguments\":\"{}\"},\"extra_content\":{\"google\":{"
                 "\"thought_signature\":\"s\"}}}]"),
            "openai_compatible", "m",
            BACK("\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\""
                 ":{\"name\":\"f\",\"arguments\":\"{}\"},\"extra_content\":{\"google\":{"
                 "\"thought_signature\":\"s\"}}}]"),
            "");
}

static void old_functions_become_tools_with_ids(void **state)
{
    (void)state;
    becomes("{\"model\":\"m\",\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,"
            "\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"role\":\"function\","
            "\"name\":\"f\",\"content\":\"r\"}],\"functions\":[{\"name\":\"f\",\"parameters\":{}}],"
            "\"function_call\":{\"name\":\"f\"}}",
            "openai", "m",
            "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,"
            "\"tool_calls\":[{\"id\":\"call_0\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_0\",\"content\":"
            "\"r\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
            "{}}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}}",
            "");
}

static void images_of_results_follow_the_results(void **state)
{
    (void)state;
    becomes(
        "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":["
        "{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"http://i\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"y\"}]}",
        "openai", "m",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":"
        "\"x\"},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"y\"},{\"role\":\"user\","
        "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://i\"}}]}]}",
        "messages.tool_result.media=approximated");
}

static void bad_requests_are_told_why(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"messages\":[" USER "]}",
        "{\"model\":\"m\"}",
        "{\"model\":\"m\",\"messages\":[]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":7}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
        "\"image_url\":{\"url\":\"file:///x\"}}]}]}",
        ASK(",\"model\":\"m\""),
        ASK(",\"temperature\":\"hot\""),
        ASK(",\"max_tokens\":-1"),
        ASK(",\"n\":129"),
        ASK(",\"stop\":[1]"),
        ASK(",\"tools\":{}"),
        ASK(",\"tools\":[{\"type\":\"function\",\"function\":{}}]"),
        ASK(",\"tool_choice\":7"),
        ASK(",\"stream\":\"yes\""),
        ASK(",\"response_format\":\"json\""),
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct written w;
        rewrite(&w, bodies[i], "openai", "m");
        assert_int_equal(fl_err_blame(w.err), FL_BLAME_CALLER);
        assert_true(w.reterr.message[0] != '\0');
        forget(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_of_all_vendors_are_read),
        cmocka_unit_test(clients_get_the_same_however_a_stream_is_cut),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(a_stream_that_is_cut_off_is_no_success),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(whole_answers_are_read),
        cmocka_unit_test(a_client_gets_chunks_as_openai_writes_them),
        cmocka_unit_test(an_error_ends_a_clients_stream_without_done),
        cmocka_unit_test(a_client_gets_a_whole_answer),
        cmocka_unit_test(nothing_of_a_request_is_lost),
        cmocka_unit_test(each_vendor_is_asked_in_its_own_way),
        cmocka_unit_test(a_rich_request_at_every_vendor),
        cmocka_unit_test(what_cannot_be_said_is_not_sent),
        cmocka_unit_test(thinking_comes_back_with_its_signature),
        cmocka_unit_test(old_functions_become_tools_with_ids),
        cmocka_unit_test(images_of_results_follow_the_results),
        cmocka_unit_test(bad_requests_are_told_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

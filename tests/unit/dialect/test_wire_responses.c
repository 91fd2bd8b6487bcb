/* SPDX-License-Identifier: Apache-2.0 */
/* Responses as a wire form: what providers send, what clients get, how requests are read and written. */
#include "unit/dialect/wire_rig.h"

#define EVENT(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define CREATED                                                                                    \
    EVENT("response.created", ",\"response\":{\"id\":\"r1\",\"model\":\"up\",\"created_at\":7.5}")
#define ADDED(n, item) EVENT("response.output_item.added", ",\"output_index\":" n ",\"item\":" item)
#define ITEM_DONE(n, item)                                                                         \
    EVENT("response.output_item.done", ",\"output_index\":" n ",\"item\":" item)
#define TEXT(n, text)                                                                              \
    EVENT("response.output_text.delta",                                                            \
          ",\"output_index\":" n ",\"content_index\":0,\"delta\":\"" text "\"")
#define TEXT_DONE(n, text)                                                                         \
    EVENT("response.output_text.done",                                                             \
          ",\"output_index\":" n ",\"content_index\":0,\"text\":\"" text "\"")
#define ARGUMENTS(n, text)                                                                         \
    EVENT("response.function_call_arguments.delta",                                                \
          ",\"output_index\":" n ",\"delta\":\"" text "\"")
#define ARGUMENTS_DONE(n, text)                                                                    \
    EVENT("response.function_call_arguments.done",                                                 \
          ",\"output_index\":" n ",\"arguments\":\"" text "\"")
#define CALL(id, name, arguments)                                                                  \
    "{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"" id "\",\"name\":\"" name            \
    "\",\"arguments\":\"" arguments "\"}"
#define MESSAGE(text)                                                                              \
    "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","         \
    "\"text\":\"" text "\"}]}"
#define USAGE ",\"usage\":{\"input_tokens\":3,\"output_tokens\":2,\"total_tokens\":5}"
#define COMPLETED(output)                                                                          \
    EVENT("response.completed",                                                                    \
          ",\"response\":{\"status\":\"completed\",\"output\":[" output "]" USAGE "}")

static const struct {
    const char *what, *stream, *line;
} streams[] = {
    {"text by deltas",
     CREATED ADDED("0", "{\"type\":\"message\"}") TEXT("0", "He") TEXT("0", "y\\ud83d") TEXT_DONE(
         "0", "Hey\\ud83d") ITEM_DONE("0", MESSAGE("Hey\\ud83d")) COMPLETED(MESSAGE("Hey\\ud83d")),
     "text \"Hey\\ud83d\" finish stop usage 3/2"},
    {"text only when it is done",
     CREATED ADDED("0", "{\"type\":\"message\"}") TEXT_DONE("0", "Hey")
         ITEM_DONE("0", MESSAGE("Hey")) COMPLETED(MESSAGE("Hey")),
     "text \"Hey\" finish stop usage 3/2"},
    {"text only in the item",
     CREATED ADDED("0", "{\"type\":\"message\"}") ITEM_DONE("0", MESSAGE("Hey"))
         COMPLETED(MESSAGE("Hey")),
     "text \"Hey\" finish stop usage 3/2"},
    {"text only at the end", CREATED COMPLETED(MESSAGE("Hey")),
     "text \"Hey\" finish stop usage 3/2"},
    {"deltas without items, nothing twice at the end",
     CREATED TEXT("0", "Hey") COMPLETED(MESSAGE("Hey")), "text \"Hey\" finish stop usage 3/2"},
    {"calls: deltas, done alone, none at all",
     CREATED ADDED("0", CALL("a", "f", "")) ARGUMENTS("0", "{\\\"x\\\":") ARGUMENTS("0", "1}")
         ARGUMENTS_DONE("0", "{\\\"x\\\":1}") ITEM_DONE("0", CALL("a", "f", "{\\\"x\\\":1}"))
             ADDED("1", CALL("b", "g", "")) ARGUMENTS_DONE("1", "{\\\"y\\\":2}")
                 ITEM_DONE("1", CALL("b", "g", "{\\\"y\\\":2}")) ADDED("2", CALL("c", "h", ""))
                     ITEM_DONE("2", CALL("c", "h", "")) COMPLETED(""),
     "call a:f \"{\\\"x\\\":1}\" call b:g \"{\\\"y\\\":2}\" call c:h \"{}\" finish tool_calls "
     "usage 3/2"},
    {"a custom tool's call",
     CREATED ADDED("0", "{\"type\":\"custom_tool_call\",\"call_id\":\"a\",\"name\":\"patch\"}")
         EVENT("response.custom_tool_call_input.delta", ",\"output_index\":0,\"delta\":\"x\\n\"")
             EVENT("response.custom_tool_call_input.done",
                   ",\"output_index\":0,\"input\":\"x\\ny\"") COMPLETED(""),
     "call a:patch \"{\\\"input\\\":\\\"x\\\\ny\\\"}\" finish tool_calls usage 3/2"},
    {"reasoning with encrypted content, then text",
     CREATED ADDED("0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}")
         EVENT("response.reasoning_summary_text.delta",
               ",\"output_index\":0,\"summary_index\":0,\"delta\":\"hm\"")
             ITEM_DONE("0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":"
                            "\"summary_text\",\"text\":\"hm\"}],\"encrypted_content\":\"gAA\"}")
                 ADDED("1", "{\"type\":\"message\"}") TEXT("1", "so") COMPLETED(""),
     "thinking \"hm\" signed rs_1#gAA text \"so\" finish stop usage 3/2"},
    {"an item that the provider runs itself is passed over; a [DONE] is, too",
     CREATED ADDED("0", "{\"type\":\"web_search_call\"}")
         EVENT("response.web_search_call.searching", ",\"output_index\":0")
             ITEM_DONE("0", "{\"type\":\"web_search_call\"}") ADDED("1", "{\"type\":\"message\"}")
                 TEXT("1", "x") COMPLETED("") "data: [DONE]\n\n",
     "text \"x\" finish stop usage 3/2"},
    {"a refusal, cut by the limit",
     CREATED EVENT("response.refusal.delta", ",\"output_index\":0,\"delta\":\"no\"") EVENT(
         "response.incomplete", ",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{"
                                "\"reason\":\"max_output_tokens\"},\"output\":[]" USAGE "}"),
     "refusal \"no\" finish length usage 3/2"},
    {"a failure",
     CREATED TEXT("0", "x")
         EVENT("response.failed", ",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
                                  "\"rate_limit_exceeded\",\"message\":\"slow\"},\"output\":[]}"),
     "text \"x\" error provider_rate_limited: slow (cut)"},
    {"an error event", CREATED EVENT("error", ",\"code\":\"server_error\",\"message\":\"oh\""),
     "error provider_server_error: oh (cut)"},
    {"an error event around an object",
     "event: error\ndata: {\"error\":{\"message\":\"oh\",\"type\":\"invalid_request_error\"}}\n\n",
     "error caller_rejected_by_provider: oh (cut)"},
    {"chunks of chat completions instead",
     "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"
     "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
     "data: [DONE]\n\n",
     "text \"x\" finish stop"},
};

static void streams_are_read_whatever_they_leave_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
        char *line = rig_all_cuts(&fl_wire_openai_responses, NULL, fl_slice_cstr(streams[i].stream),
                                  1000 * i);
        if (strcmp(line, streams[i].line) != 0) {
            print_error("%s:\n  expected %s\n  got      %s\n", streams[i].what, streams[i].line,
                        line);
            fail();
        }
        free(line);
    }
}

/* What the responses form writes it reads again; so does a client of chat. Reasoning items that are
 * made here carry another maker's proof as it was. */
static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    static const struct fl_wire *const clients[] = {&fl_wire_openai_responses,
                                                    &fl_wire_openai_chat};
    for (size_t i = 0; i < 2 * (sizeof(streams) / sizeof(*streams)); i++) {
        const struct fl_wire *client = clients[i % 2];
        struct fl_slice stream = fl_slice_cstr(streams[i / 2].stream);
        char *line = rig_output(&fl_wire_openai_responses, NULL, stream, NULL, 0);
        char *out = rig_all_cuts(&fl_wire_openai_responses, client, stream, 5);
        char *again = rig_output(client, NULL, fl_slice_cstr(out), NULL, 0);
        if (client == &fl_wire_openai_chat) {
            assert_string_equal(line, again);
        } else if (!strstr(line, "signed") && !strstr(line, "rejected")) {
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
    static const char *const cut[] = {"", CREATED, CREATED TEXT("0", "x") TEXT_DONE("0", "x")};
    for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
        struct rig g;
        rig_init(&g, &fl_wire_openai_responses, &fl_wire_openai_responses);
        rig_stream(&g, fl_slice_cstr(cut[i]), NULL, 0);
        assert_int_equal(g.err, FL_ERR_CLOSED);
        assert_int_equal(g.dones, 0);
        assert_int_equal(fl_slice_find_text(fl_buf_slice(&g.out), FL_LIT("response.completed")),
                         g.out.len);
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
        {"{\"id\":\"r\",\"status\":\"completed\",\"error\":null,\"output\":[{\"type\":"
         "\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"text\":\"h\"},{\"text\":\"m\"}]}," MESSAGE(
             "x") "," CALL("a", "f", "") "]" USAGE "}",
         FL_OK, "thinking \"hm\" text \"x\" call a:f \"{}\" finish tool_calls usage 3/2"},
        {"{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},"
         "\"output\":[]}",
         FL_OK, "finish content_filter"},
        {"{\"status\":\"failed\",\"output\":[],\"error\":{\"code\":\"server_error\",\"message\":"
         "\"oh\"}}",
         FL_ERR_ERROR_IN_200, "error provider_server_error: oh (cut)"},
        {"{\"error\":{\"message\":\"no\"}}", FL_ERR_ERROR_IN_200,
         "error provider_server_error: no (cut)"},
        {"{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}", FL_OK,
         "text \"x\" finish stop"},
        {"{}", FL_ERR_BAD_RESPONSE, " (cut)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig g;
        rig_init(&g, &fl_wire_openai_responses, NULL);
        rig_whole(&g, fl_slice_cstr(rows[i].body));
        assert_int_equal(g.err, rows[i].err);
        assert_slice(rig_answer(&g), rows[i].line);
        rig_finish(&g);
    }
}

/* --- What clients get --- */

#define CHUNK(choices) "data: {\"choices\":[" choices "]}\n\n"
#define DELTA(members) CHUNK("{\"index\":0,\"delta\":{" members "}}")

/* "0 response.created", a line an event; the numbers must be gapless. */
static void list_events(const char *stream, struct fl_buf *out)
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    struct fl_slice rest = fl_slice_cstr(stream);
    uint64_t expected = 0, number;
    for (;;) {
        assert_int_equal(fl_sse_next(&sse, rest, true, 1 << 20, NULL, &event), FL_OK);
        if (event.raw.len == 0) {
            break;
        }
        rest = fl_slice_from(rest, event.raw.len);
        struct fl_json whole;
        assert_int_equal(fl_json_scan(event.data, FL_JSON_LIMITS, NULL, 0, &whole, NULL), FL_OK);
        assert_true(fl_json_u64(fl_json_get(whole, FL_LIT("sequence_number")), &number));
        assert_int_equal(number, expected++);
        struct fl_json type = fl_json_get(whole, FL_LIT("type")), index;
        assert_true(fl_json_spells(type.span, event.name));
        fl_buf_put(out, fl_slice_from(event.name, sizeof("response.") - 1));
        index = fl_json_get(whole, FL_LIT("output_index"));
        if (index.type == FL_JSON_NUMBER) {
            fl_buf_putc(out, ' ');
            fl_buf_put(out, index.span);
        }
        fl_buf_putc(out, '\n');
    }
}

static void events_come_in_openais_order(void **state)
{
    (void)state;
    struct fl_buf list;
    fl_buf_init(&list, 1 << 16);
    char *out = rig_output(
        &fl_wire_openai_chat, &fl_wire_openai_responses,
        fl_slice_cstr(
            DELTA("\"reasoning_content\":\"hm\"") DELTA("\"content\":\"a\"") DELTA(
                "\"content\":"
                "\"b\"") DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":"
                               "\"f\"}"
                               "},{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"g\"}}]")
                DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]") CHUNK(
                    "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}") "data: [DONE]\n\n"),
        NULL, 0);
    list_events(out, &list);
    assert_slice(fl_buf_slice(&list), "created\n"
                                      "in_progress\n"
                                      "output_item.added 0\n"
                                      "reasoning_summary_part.added 0\n"
                                      "reasoning_summary_text.delta 0\n"
                                      "reasoning_summary_text.done 0\n"
                                      "reasoning_summary_part.done 0\n"
                                      "output_item.done 0\n"
                                      "output_item.added 1\n"
                                      "content_part.added 1\n"
                                      "output_text.delta 1\n"
                                      "output_text.delta 1\n"
                                      "output_text.done 1\n"
                                      "content_part.done 1\n"
                                      "output_item.done 1\n"
                                      "output_item.added 2\n"
                                      "output_item.added 3\n"
                                      "function_call_arguments.delta 2\n"
                                      "function_call_arguments.delta 3\n"
                                      "function_call_arguments.done 2\n"
                                      "output_item.done 2\n"
                                      "function_call_arguments.done 3\n"
                                      "output_item.done 3\n"
                                      "completed\n");
    fl_buf_finish(&list);
    free(out);
}

#define HEAD(status, error, details)                                                               \
    "{\"id\":\"resp_fl_" RIG_ID "\",\"object\":\"response\",\"created_at\":1700000000,\"status\":"    \
    "\"" status "\",\"background\":false,\"error\":" error ",\"incomplete_details\":" details      \
    ",\"instructions\":null,\"max_output_tokens\":null,\"model\":\"m\",\"output\":["
#define TAIL(usage)                                                                                \
    "],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"reasoning\":{\"effort\":null," \
    "\"summary\":null},\"temperature\":1.0,\"text\":{\"format\":{\"type\":"                           \
    "\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,\"truncation\":\"disabled\","  \
    "\"metadata\":{},\"usage\":" usage ",\"store\":false}"

static void a_clients_stream_is_as_openai_writes_it(void **state)
{
    (void)state;
    char *out = rig_output(
        &fl_wire_openai_chat, &fl_wire_openai_responses,
        fl_slice_cstr(DELTA("\"content\":\"a\"") CHUNK(
            "{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}") "data: "
                                                                       "{\"choices\":[],\"usage\":{"
                                                                       "\"prompt_tokens\":3,"
                                                                       "\"completion_tokens\":2}}"
                                                                       "\n\ndata: [DONE]\n\n"),
        NULL, 0);
#define AT(n, type) "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" n
#define MSG         "\"msg_fl_" RIG_ID "0000\""
#define WHERE       ",\"item_id\":" MSG ",\"output_index\":0,\"content_index\":0"
#define PART(text)                                                                                 \
    "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" text "\"}"
#define ITEM(status, parts)                                                                        \
    "{\"id\":" MSG ",\"type\":\"message\",\"status\":\"" status "\",\"role\":\"assistant\","       \
    "\"content\":[" parts "]}"
    assert_string_equal(
        out,
        AT("0", "response.created") ",\"response\":" HEAD("in_progress", "null", "null") TAIL(
            "null") "}\n\n" AT("1", "response.in_progress") ",\"response\":" HEAD("in_progress",
                                                                                  "null", "null")
            TAIL("null") "}\n\n" AT(
                "2",
                "response.output_item.added") ",\"output_index\":0,\"item\":" ITEM("in_progress",
                                                                                   "") "}\n\n" AT("3",
                                                                                                  "response.content_part.added")
                WHERE ",\"part\":" PART("") "}\n\n" AT(
                    "4",
                    "response.output_text.delta") WHERE ",\"delta\":\"a\",\"logprobs\":[]}\n\n" AT("5",
                                                                                                   "response.output_text.done")
                    WHERE ",\"text\":\"a\",\"logprobs\":[]}\n\n" AT("6",
                                                                    "response.content_part.done")
                        WHERE ",\"part\":" PART("a") "}\n\n" AT("7", "response.output_item.done") ",\"output_index\":0,\"item\":" ITEM(
                            "completed",
                            PART(
                                "a")) "}\n\n" AT("8",
                                                 "response.incomplete") ",\"response\":" HEAD("inco"
                                                                                              "mple"
                                                                                              "te",
                                                                                              "nul"
                                                                                              "l",
                                                                                              "{\"r"
                                                                                              "easo"
                                                                                              "n\":"
                                                                                              "\"ma"
                                                                                              "x_"
                                                                                              "outp"
                                                                                              "ut_"
                                                                                              "toke"
                                                                                              "ns\""
                                                                                              "}")
                            ITEM("incomplete", PART("a"))
                                TAIL("{\"input_tokens\":3,\"input_tokens_details\":{\"cached_"
                                     "tokens\":0},"
                                     "\"output_tokens\":2,\"output_tokens_details\":{\"reasoning_"
                                     "tokens\":0},"
                                     "\"total_tokens\":5}") "}\n\n");
    free(out);
}

/* Beyond what may be kept an answer fails, and says so. */
static void what_is_kept_has_a_ceiling(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, &fl_wire_openai_chat, &fl_wire_openai_responses);
    g.encoder.kept_bytes_max = 5;
    rig_stream(&g,
               fl_slice_cstr(DELTA("\"content\":\"abc\"") DELTA("\"content\":\"def\"")
                                 DELTA("\"content\":\"xyz\"")),
               NULL, 0);
    fl_buf_putc(&g.out, '\0');
    assert_non_null(strstr(g.out.ptr, "event: response.failed"));
    assert_null(strstr(g.out.ptr, "xyz"));
    assert_true(g.encoder.done);
    rig_finish(&g);
}

/* --- Requests --- */

static void rewrite(const struct fl_wire *to, const char *body, const char *vendor,
                    const char *model, const char *expected, const char *expected_losses)
{
    struct fl_arena arena;
    struct fl_chat_request r;
    struct fl_reterr reterr;
    struct fl_losses losses = {0};
    struct fl_buf out, words;
    struct fl_write_options options = {.model = fl_slice_cstr(model),
                                       .vendor = fl_slice_cstr(vendor)};
    fl_arena_init(&arena, 4096, 1 << 24);
    fl_buf_init(&out, 1 << 24);
    fl_buf_init(&words, 1 << 16);
    assert_int_equal(fl_wire_openai_responses.read(fl_slice_cstr(body), &arena, &r, &reterr),
                     FL_OK);
    assert_int_equal(to->write(&r, &options, &out, &losses, &reterr), FL_OK);
    fl_losses_put(&losses, &words);
    assert_slice(fl_buf_slice(&out), expected);
    assert_slice(fl_buf_slice(&words), expected_losses);
    fl_buf_finish(&out);
    fl_buf_finish(&words);
    fl_arena_finish(&arena);
}

#define USER "{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"}"

static void nothing_of_a_request_is_lost(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"gpt-5\",\"instructions\":\"be\",\"input\":["
        "{\"type\":\"message\",\"role\":\"developer\",\"content\":\"d\"},"
        "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
        "\"see\"},{\"type\":\"input_image\",\"image_url\":\"https://a.example/b.png\",\"detail\":"
        "\"low\"},{\"type\":\"input_image\",\"file_id\":\"f-1\"},{\"type\":\"input_file\","
        "\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,QQ==\"}]},"
        "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":"
        "\"hm\"}],\"encrypted_content\":\"gAA\"},"
        "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
        "\"text\":\"so\"}]},"
        "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":"
        "\"{\\\"a\\\": 1}\"},"
        "{\"type\":\"custom_tool_call\",\"call_id\":\"c2\",\"name\":\"patch\",\"input\":\"x\\ny\"},"
        "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"r\"},"
        "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":"
        "\"input_image\",\"image_url\":\"data:image/png;base64,QQ==\"}]}],"
        "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\",\"parameters\":"
        "{\"type\":\"object\"},\"strict\":true},{\"type\":\"custom\",\"name\":\"patch\","
        "\"description\":\"p\",\"format\":{\"type\":\"text\"}},{\"type\":\"web_search\"}],"
        "\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"parallel_tool_calls\":false,"
        "\"stream\":true,\"max_output_tokens\":64,\"text\":{\"format\":{\"type\":\"json_schema\","
        "\"name\":\"s\",\"schema\":{},\"strict\":true},\"verbosity\":\"low\"},\"reasoning\":{"
        "\"effort\":\"low\",\"summary\":\"auto\"},\"store\":false,\"include\":["
        "\"reasoning.encrypted_content\"],\"user\":\"u\",\"service_tier\":\"flex\","
        "\"prompt_cache_key\":\"k\",\"metadata\":{\"a\":\"b\"},\"truncation\":\"auto\"}";
    rewrite(&fl_wire_openai_responses, body, "openai", "gpt-5", body, "");
}

static void a_request_becomes_one_of_chat(void **state)
{
    (void)state;
    rewrite(&fl_wire_openai_chat, "{\"model\":\"m\",\"instructions\":\"be\",\"input\":\"hi\"}",
            "openai", "m",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be\"},{\"role\":"
            "\"user\",\"content\":\"hi\"}]}",
            "");
    rewrite(&fl_wire_openai_chat,
            "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"},"
            "{\"type\":\"reasoning\",\"id\":\"rs_fl_1\",\"summary\":[{\"text\":\"hm\"}],"
            "\"encrypted_content\":\"sig\"},"
            "{\"type\":\"reasoning\",\"id\":\"rs_flr_1\",\"summary\":[],\"encrypted_content\":"
            "\"o\"},"
            "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
            "\"text\":\"so\"}]},"
            "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"\"},"
            "{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"f\",\"arguments\":\"{}\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"r\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":\"s\"}],"
            "\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"web_search\"}],"
            "\"text\":{\"format\":{\"type\":\"json_object\"}},\"reasoning\":{\"effort\":\"high\"}}",
            "openrouter", "m",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":"
            "\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\","
            "\"signature\":\"sig\",\"index\":0},{\"type\":\"reasoning.encrypted\",\"data\":\"o\","
            "\"index\":1}],\"content\":\"so\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\","
            "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"c2\",\"type\":"
            "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\","
            "\"tool_call_id\":\"c1\",\"content\":\"r\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\","
            "\"content\":\"s\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
            "\"response_format\":{\"type\":\"json_object\"},\"reasoning\":{\"effort\":\"high\"}}",
            "tools.native");
}

/* A custom tool's call comes back as one, from a model that knows only functions. */
static void custom_tools_are_functions_to_others(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"m\",\"input\":[" USER
                               "],\"tools\":[{\"type\":\"custom\",\"name\":\"patch\"}]}";
    rewrite(&fl_wire_openai_chat, body, "groq", "m",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{"
            "\"type\":\"function\",\"function\":{\"name\":\"patch\",\"parameters\":{\"type\":"
            "\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"],"
            "\"additionalProperties\":false}}}]}",
            "tools.custom=emulated");
    struct fl_arena arena;
    struct fl_chat_request r;
    struct fl_reterr reterr;
    struct rig g;
    fl_arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(fl_wire_openai_responses.read(fl_slice_cstr(body), &arena, &r, &reterr),
                     FL_OK);
    rig_init(&g, &fl_wire_openai_chat, &fl_wire_openai_responses);
    g.encoder.request = &r;
    rig_stream(&g,
               fl_slice_cstr(DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{"
                                   "\"name\":\"patch\",\"arguments\":\"{\\\"input\\\":"
                                   "\\\"a\\\\n\"}}]")
                                 DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
                                       "\"b\\\"}\"}}]") "data: [DONE]\n\n"),
               NULL, 0);
    fl_buf_putc(&g.out, '\0');
    assert_non_null(strstr(g.out.ptr, "response.custom_tool_call_input.done\",\"sequence_number\":4"
                                      ",\"item_id\":\"ctc_fl_" RIG_ID
                                      "0000\",\"output_index\":0,\"input\":\"a\\nb\"}"));
    assert_non_null(strstr(g.out.ptr, "\"type\":\"custom_tool_call\",\"status\":\"completed\","
                                      "\"input\":\"a\\nb\",\"call_id\":\"c1\",\"name\":\"patch\""));
    assert_null(strstr(g.out.ptr, "function_call"));
    rig_finish(&g);
    fl_arena_finish(&arena);
}

static void what_needs_a_providers_memory_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *word;
    } rows[] = {
        {"{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"r\"}",
         "previous_response_id"},
        {"{\"model\":\"m\",\"input\":\"x\",\"conversation\":\"c\"}", "conversation"},
        {"{\"model\":\"m\",\"input\":\"x\",\"background\":true}", "background"},
        {"{\"model\":\"m\",\"input\":\"x\",\"prompt\":{\"id\":\"p\"}}", "prompt"},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\",\"id\":\"i\"}]}",
         "item_reference"},
        {"{\"model\":\"m\"}", "input"},
        {"{\"model\":\"m\",\"input\":[]}", "input"},
        {"{\"model\":\"m\",\"input\":[7]}", "input"},
        {"{\"input\":\"x\"}", "model"},
        {"{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\"}]}", "name"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"king\",\"content\":\"x\"}]}", "role"},
        {"{\"model\":\"m\",\"input\":\"x\",\"temperature\":\"hot\"}", "temperature"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fl_arena arena;
        struct fl_chat_request r;
        struct fl_reterr reterr = {0};
        fl_arena_init(&arena, 4096, 1 << 20);
        enum fl_err err =
            fl_wire_openai_responses.read(fl_slice_cstr(rows[i].body), &arena, &r, &reterr);
        assert_int_equal(fl_err_status(err), 400);
        assert_non_null(strstr(reterr.message, rows[i].word));
        fl_arena_finish(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_read_whatever_they_leave_out),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(a_stream_that_is_cut_off_is_no_success),
        cmocka_unit_test(whole_answers_are_read),
        cmocka_unit_test(events_come_in_openais_order),
        cmocka_unit_test(a_clients_stream_is_as_openai_writes_it),
        cmocka_unit_test(what_is_kept_has_a_ceiling),
        cmocka_unit_test(nothing_of_a_request_is_lost),
        cmocka_unit_test(a_request_becomes_one_of_chat),
        cmocka_unit_test(custom_tools_are_functions_to_others),
        cmocka_unit_test(what_needs_a_providers_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

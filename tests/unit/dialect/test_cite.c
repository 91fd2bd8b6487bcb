/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Citations and log probabilities from one dialect to another, whole and in streams that are cut
 * anywhere; and the recorded answers that hold citations.
 */
#include "unit/cm.h"

#include "dialect/cite.h"
#include "unit/dialect/recorded.h"

#define SSE(name, json) "event: " name "\ndata: " json "\n\n"
#define CHUNK(members)  "data: {\"id\":\"c\",\"choices\":[{\"index\":0," members "}]}\n\n"
#define URL1            "https://a.example/\\u00e9?x=1&y=\\\"2\\\""
#define URL2            "https://b.example/"

/* --- characters --- */

static void characters_are_code_points(void **state)
{
    static const struct {
        const char *escaped;
        uint64_t chars;
    } rows[] = {{"", 0},
                {"abc", 3},
                {"\xc3\xa4\xf0\x9f\x98\x80\xe2\x82\xac", 3},
                {"a\\n\\\"\\\\\\u00e9b", 6},
                {"\\ud83d\\ude00x", 2},
                {"\\ud83dx", 2},
                {"\\uD83D\\uDE00\\ude00", 2},
                {"\\", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(fl_escaped_chars(fl_slice_cstr(rows[i].escaped)), rows[i].chars);
    }
}

/* --- each provider's way of telling, as one line --- */

#define CITED                 "text \"\xc3\x9cs \\n ok\" cites " URL1 " T 1-4 cites " URL2 "  0-0 finish stop"
#define ANNOTATION1           "\"url\":\"" URL1 "\",\"title\":\"T\",\"start_index\":1,\"end_index\":4"
#define ANNOTATION2           "\"url\":\"" URL2 "\",\"title\":\"\",\"start_index\":0,\"end_index\":0"
#define OF_CHAT(members)      "{\"type\":\"url_citation\",\"url_citation\":{" members "}}"
#define OF_RESPONSES(members) "{\"type\":\"url_citation\"," members "}"
#define ANTHROPIC(url, title)                                                                      \
    "{\"type\":\"web_search_result_location\",\"url\":\"" url "\",\"title\":\"" title              \
    "\",\"encrypted_index\":\"EpM\",\"cited_text\":\"q\"}"

static const struct source {
    const struct fl_wire *wire;
    const char *whole, *stream;
    const char *line;
} sources[] = {
    {&fl_wire_openai_chat,
     "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\xc3\x9cs \\n "
     "ok\","
     "\"annotations\":[" OF_CHAT(ANNOTATION1) "," OF_CHAT(
         ANNOTATION2) ",{\"type\":\"file_citation\"},7]},"
                      "\"finish_reason\":\"stop\"}]}",
     CHUNK("\"delta\":{\"role\":\"assistant\",\"content\":\"\xc3\x9cs \\n\"}")
         CHUNK("\"delta\":{\"content\":\" ok\",\"annotations\":[" OF_CHAT(ANNOTATION1) "]}")
             CHUNK("\"delta\":{\"annotations\":[" OF_CHAT(
                 ANNOTATION2) "]},\"finish_reason\":\"stop\"") "data: [DONE]\n\n",
     CITED},
    {&fl_wire_openai_responses,
     "{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":[{"
     "\"type\":"
     "\"output_text\",\"text\":\"\xc3\x9cs \\n ok\",\"annotations\":[" OF_RESPONSES(
         ANNOTATION1) "," OF_RESPONSES(ANNOTATION2) ",{\"type\":\"file_citation\",\"file_id\":"
                                                    "\"f\"}]}]}]}",
     SSE("response.created", "{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}") SSE(
         "response.output_text.delta",
         "{\"type\":\"response.output_text.delta\",\"output_index\":0,"
         "\"content_index\":0,\"delta\":\"\xc3\x9cs \\n ok\"}")
         SSE("response.output_text.annotation.added",
             "{\"type\":\"response.output_text.annotation.added\","
             "\"output_index\":0,\"content_index\":0,\"annotation_index\":0,"
             "\"annotation\":" OF_RESPONSES(ANNOTATION1) "}")
             SSE("response.output_text.annotation.added",
                 "{\"type\":\"response.output_text.annotation.added\","
                 "\"output_index\":0,\"content_index\":0,\"annotation_index\":1,"
                 "\"annotation\":" OF_RESPONSES(ANNOTATION2) "}")
                 SSE("response.output_item.done",
                     "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":"
                     "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":"
                     "\"\xc3\x9cs \\n ok\","
                     "\"annotations\":[" OF_RESPONSES(ANNOTATION1) "," OF_RESPONSES(
                         ANNOTATION2) "]}]}}")
                     SSE("response.completed",
                         "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":"
                         "\"completed\",\"output\":[]}}"),
     CITED},
    {&fl_wire_anthropic,
     "{\"id\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"\xc3\x9c\"},{\"type\":\"text\","
     "\"text\":\"s \\n\","
     "\"citations\":[" ANTHROPIC(
         URL1, "T") ",{\"type\":\"char_location\",\"document_index\":0,\"cited_text\":"
                    "\"d\"}]},{\"type\":\"text\",\"text\":\" ok\"}],\"stop_reason\":\"end_turn\"}",
     SSE("message_start", "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[]}}")
         SSE("content_block_start",
             "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
             "\"text\",\"text\":\"\"}}") SSE("content_block_delta",
                                             "{\"type\":\"content_block_delta\",\"index\":0,"
                                             "\"delta\":{\"type\":"
                                             "\"text_delta\",\"text\":\"\xc3\x9c\"}}")
             SSE("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}") SSE(
                 "content_block_start",
                 "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"citations\":"
                 "[],\"type\":\"text\",\"text\":\"\"}}")
                 SSE("content_block_delta",
                     "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
                     "\"citations_delta\",\"citation\":" ANTHROPIC(URL1, "T") "}}")
                     SSE("content_block_delta",
                         "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
                         "\"text_delta\",\"text\":\"s \\n\"}}")
                         SSE("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":1}")
                             SSE("content_block_start", "{\"type\":\"content_block_start\","
                                                        "\"index\":2,\"content_block\":{\"type\":"
                                                        "\"text\",\"text\":\"\"}}")
                                 SSE("content_block_delta", "{\"type\":\"content_block_delta\","
                                                            "\"index\":2,\"delta\":{\"type\":"
                                                            "\"text_delta\",\"text\":\" ok\"}}")
                                     SSE("content_block_stop",
                                         "{\"type\":\"content_block_stop\",\"index\":2}")
                                         SSE("message_delta",
                                             "{\"type\":\"message_delta\",\"delta\":{\"stop_"
                                             "reason\":\"end_turn\"}}")
                                             SSE("message_stop", "{\"type\":\"message_stop\"}"),
     "text \"\xc3\x9cs \\n ok\" cites " URL1 " T 1-4 finish stop"},
    {&fl_wire_gemini,
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Us \\n "
     "ok\"}]},\"finishReason\":\"STOP\","
     "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"" URL2
     "\",\"title\":\"\"}},{\"web\":"
     "{\"uri\":\"" URL1
     "\",\"title\":\"T\"}}],\"groundingSupports\":[{\"segment\":{\"startIndex\":1,"
     "\"endIndex\":4,\"text\":\"s \\n\"},\"groundingChunkIndices\":[1,9]}]}}]}",
     "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Us \"}]}}]}\r\n\r\n"
     "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\\n "
     "ok\"}]},\"finishReason\":\"STOP\","
     "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"" URL2
     "\",\"title\":\"\"}},{\"web\":"
     "{\"uri\":\"" URL1
     "\",\"title\":\"T\"}}],\"groundingSupports\":[{\"segment\":{\"startIndex\":1,"
     "\"endIndex\":4,\"text\":\"s \\n\"},\"groundingChunkIndices\":[1,9]}]}}]}\r\n\r\n",
     "text \"Us \\n ok\" cites " URL1 " T 1-4 finish stop"},
};
enum { source_count = sizeof(sources) / sizeof(sources[0]) };

static void check_line(struct rig *g, const char *wanted)
{
    struct fl_slice line = rig_answer(g);
    if (!fl_slice_eq(line, fl_slice_cstr(wanted))) {
        fail_msg("%.*s instead of %s", (int)line.len, line.ptr, wanted);
    }
}

static void every_dialect_tells_them(void **state)
{
    (void)state;
    for (unsigned i = 0; i < source_count; i++) {
        struct rig g;
        rig_init(&g, sources[i].wire, NULL);
        rig_whole(&g, fl_slice_cstr(sources[i].whole));
        assert_int_equal(g.err, FL_OK);
        check_line(&g, sources[i].line);
        rig_finish(&g);
        size_t len = strlen(sources[i].stream);
        for (size_t cut = 0; cut <= len; cut += cut < 40 ? 1 : 13) {
            rig_init(&g, sources[i].wire, NULL);
            rig_stream(&g, fl_slice(sources[i].stream, len), &cut, 1);
            assert_int_equal(g.err, FL_OK);
            check_line(&g, sources[i].line);
            rig_finish(&g);
        }
    }
}

/* A place is of all the text of the choice, a part's of that part alone. */
static void places_are_of_the_whole_text(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, &fl_wire_openai_responses, NULL);
    rig_whole(
        &g,
        FL_LIT(
            "{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":["
            "{\"type\":\"output_text\",\"text\":\"\xc3\xa4\xc3\xa4\"},{\"type\":\"output_text\","
            "\"text\":\"two\",\"annotations\":[{\"type\":\"url_citation\",\"url\":\"u\",\"title\":"
            "\"t\",\"start_index\":1,\"end_index\":3}]}]}]}"));
    check_line(&g, "text \"\xc3\xa4\xc3\xa4two\" cites u t 3-5 finish stop");
    rig_finish(&g);
    /* Bytes are characters only where no character has more than one. */
    rig_init(&g, &fl_wire_gemini, NULL);
    rig_whole(
        &g, FL_LIT("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xc3\xa4 "
                   "b\"}]},\"finishReason\":"
                   "\"STOP\",\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"u\","
                   "\"title\":"
                   "\"t\"}}],\"groundingSupports\":[{\"segment\":{\"startIndex\":3,\"endIndex\":4},"
                   "\"groundingChunkIndices\":[0]}]}}]}"));
    check_line(&g, "text \"\xc3\xa4 b\" cites u t 0-0 finish stop");
    rig_finish(&g);
}

/* --- each client's way of being told --- */

#define CHAT_1                                                                                     \
    "{\"type\":\"url_citation\",\"url_citation\":{\"start_index\":1,\"end_index\":4,\"url\":"      \
    "\"" URL1 "\",\"title\":\"T\"}}"
#define CHAT_2                                                                                     \
    "{\"type\":\"url_citation\",\"url_citation\":{\"start_index\":0,\"end_index\":0,\"url\":"      \
    "\"" URL2 "\",\"title\":\"\"}}"
#define RESP_1                                                                                     \
    "{\"type\":\"url_citation\",\"start_index\":1,\"end_index\":4,\"url\":\"" URL1                 \
    "\",\"title\":\"T\"}"
#define RESP_2                                                                                     \
    "{\"type\":\"url_citation\",\"start_index\":0,\"end_index\":0,\"url\":\"" URL2                 \
    "\",\"title\":\"\"}"
#define ANTH_1                                                                                     \
    "{\"type\":\"web_search_result_location\",\"url\":\"" URL1                                     \
    "\",\"title\":\"T\",\"encrypted_index\":\"fairlead:\",\"cited_text\":\"\"}"

static void wants(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("no %s in %s", part, text);
    }
}

static char *whole_for(const struct fl_wire *client, unsigned source)
{
    struct rig g;
    rig_init(&g, sources[source].wire, NULL);
    rig_whole(&g, fl_slice_cstr(sources[source].whole));
    g.encoder.wire = client;
    client->put_answer(&g.encoder, &g.answer, &g.out);
    struct fl_json value;
    assert_int_equal(fl_json_scan(fl_buf_slice(&g.out), FL_JSON_LIMITS, NULL, 0, &value, NULL),
                     FL_OK);
    char *text = fl_slice_dup(fl_buf_slice(&g.out));
    rig_finish(&g);
    return text;
}

static void every_client_is_told(void **state)
{
    static const struct {
        const struct fl_wire *client;
        const char *whole, *stream;
    } rows[] = {
        {&fl_wire_openai_chat, "\"annotations\":[" CHAT_1,
         "\"delta\":{\"annotations\":[" CHAT_1 "]}"},
        {&fl_wire_openai_responses, "\"annotations\":[" RESP_1,
         "\"annotation_index\":0,\"annotation\":" RESP_1},
        {&fl_wire_anthropic, "\"citations\":[" ANTH_1,
         "\"delta\":{\"type\":\"citations_delta\",\"citation\":" ANTH_1},
    };
    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* of OpenAI's two, which tell of both */
        for (unsigned k = 0; k < 3; k++) {
            char *whole = whole_for(rows[k].client, i);
            char *stream =
                rig_all_cuts(sources[i].wire, rows[k].client, fl_slice_cstr(sources[i].stream), 1);
            wants(whole, rows[k].whole);
            wants(stream, rows[k].stream);
            wants(stream, URL2);
            free(whole);
            free(stream);
        }
    }
    char *kept = rig_all_cuts(&fl_wire_openai_chat, &fl_wire_openai_responses,
                              fl_slice_cstr(sources[0].stream), 1);
    wants(kept, "\"output\":[{\"id\":\"msg_fl_" RIG_ID
                "0000\",\"type\":\"message\",\"status\":\"completed\",\"role\":"
                "\"assistant\",\"content\":[{\"type\":\"output_text\",\"annotations\":[" RESP_1
                "," RESP_2 "],");
    free(kept);
    char *both = whole_for(&fl_wire_openai_chat, 1);
    wants(both, "\"annotations\":[" CHAT_1 "," CHAT_2 "]}");
    free(both);
}

/* A text item of a response that comes after another one counts from its own beginning. */
static void an_items_places_are_its_own(void **state)
{
    static const char *const stream =
        CHUNK("\"delta\":{\"content\":\"one\"}") CHUNK("\"delta\":{\"reasoning_content\":\"hm\"}")
            CHUNK("\"delta\":{\"content\":\"two\",\"annotations\":[{\"type\":\"url_citation\","
                  "\"url_citation\":{\"url\":"
                  "\"u\",\"title\":\"t\",\"start_index\":3,\"end_index\":6}}]},\"finish_reason\":"
                  "\"stop\"") "data: [DONE]\n\n";
    (void)state;
    char *text =
        rig_all_cuts(&fl_wire_openai_chat, &fl_wire_openai_responses, fl_slice_cstr(stream), 1);
    wants(text, "\"output_index\":2,\"content_index\":0,\"annotation_index\":0,\"annotation\":{"
                "\"type\":\"url_citation\","
                "\"start_index\":0,\"end_index\":3,\"url\":\"u\",\"title\":\"t\"}");
    free(text);
}

/* --- log probabilities --- */

#define TOKEN(t) "{\"token\":\"" t "\",\"logprob\":-0.25,\"bytes\":[97],\"top_logprobs\":[]}"

static void log_probabilities_go_between_openais_two(void **state)
{
    static const char *const chat = CHUNK(
        "\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[" TOKEN(
            "a") "],\"refusal\":null}")
        CHUNK("\"delta\":{\"content\":\"bc\"},\"logprobs\":{\"content\":[" TOKEN("b") "," TOKEN(
            "c") "]}")
            CHUNK("\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"") "data: [DONE]\n\n";
    static const char *const responses =
        SSE("response.created", "{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}")
            SSE("response.output_text.delta",
                "{\"type\":\"response.output_text.delta\",\"output_index\":0,"
                "\"content_index\":0,\"delta\":\"a\",\"logprobs\":[" TOKEN("a") "]}")
                SSE("response.completed",
                    "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":"
                    "\"completed\",\"output\":[]}}");
    (void)state;
    char *text =
        rig_all_cuts(&fl_wire_openai_chat, &fl_wire_openai_responses, fl_slice_cstr(chat), 1);
    wants(text, "\"delta\":\"a\",\"logprobs\":[" TOKEN("a") "]}");
    wants(text, "\"delta\":\"bc\",\"logprobs\":[" TOKEN("b") "," TOKEN("c") "]}");
    wants(text, "\"annotations\":[],\"logprobs\":[" TOKEN("a") "," TOKEN("b") "," TOKEN(
                    "c") "],\"text\":\"abc\"");
    free(text);
    text =
        rig_all_cuts(&fl_wire_openai_responses, &fl_wire_openai_chat, fl_slice_cstr(responses), 1);
    wants(text, "\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[" TOKEN(
                    "a") "],\"refusal\":null},"
                         "\"finish_reason\":null}]");
    free(text);
    text = rig_all_cuts(&fl_wire_openai_chat, &fl_wire_anthropic, fl_slice_cstr(chat), 1);
    assert_null(strstr(text, "logprob")); /* it knows of none, and cannot have asked */
    free(text);

    struct rig g;
    rig_init(&g, &fl_wire_openai_responses, NULL);
    rig_whole(&g, FL_LIT("{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"message\","
                         "\"content\":[{\"type\":"
                         "\"output_text\",\"text\":\"a\",\"logprobs\":[" TOKEN("a") "]}]}]}"));
    fl_wire_openai_chat.put_answer(&g.encoder, &g.answer, &g.out);
    fl_buf_putc(&g.out, '\0');
    wants(g.out.ptr, "},\"logprobs\":{\"content\":[" TOKEN(
                         "a") "],\"refusal\":null},\"finish_reason\":\"stop\"");
    rig_finish(&g);
}

static void gemini_tells_them_in_its_own_way(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, &fl_wire_gemini, NULL);
    rig_whole(&g, FL_LIT("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ab\"}]},"
                         "\"finishReason\":\"STOP\","
                         "\"logprobsResult\":{\"topCandidates\":[{\"candidates\":[{\"token\":\"a\","
                         "\"tokenId\":7,"
                         "\"logProbability\":-0.5},{\"token\":\"z\",\"logProbability\":-3}]}],"
                         "\"chosenCandidates\":["
                         "{\"token\":\"a\",\"logProbability\":-0.5},{\"token\":\"b\","
                         "\"logProbability\":-1e-05}]}}]}"));
    check_line(&g, "text \"ab\" likely "
                   "[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":null,\"top_logprobs\":[{\"token\":"
                   "\"a\",\"logprob\":-0.5,\"bytes\":null},{\"token\":\"z\",\"logprob\":-3,"
                   "\"bytes\":null}]},{\"token\":"
                   "\"b\",\"logprob\":-1e-05,\"bytes\":null,\"top_logprobs\":[]}] finish stop");
    rig_finish(&g);
}

/* *vendor* of the provider; what its request says of them, or that they are lost. */
static void asks(const struct fl_wire *client, const struct fl_wire *provider, const char *vendor,
                 const char *model, const char *body, const char *wanted)
{
    struct fl_arena arena;
    struct fl_chat_request r;
    struct fl_reterr reterr;
    struct fl_losses losses = {.count = 0};
    struct fl_write_options o = {.model = fl_slice_cstr(model), .vendor = fl_slice_cstr(vendor)};
    struct fl_buf b;
    fl_arena_init(&arena, 4096, 1 << 20);
    fl_buf_init(&b, 1 << 20);
    assert_int_equal(client->read(fl_slice_cstr(body), &arena, &r, &reterr), FL_OK);
    assert_int_equal(provider->write(&r, &o, &b, &losses, &reterr), FL_OK);
    fl_buf_putc(&b, ' ');
    fl_losses_put(&losses, &b);
    fl_buf_putc(&b, '\0');
    wants(b.ptr, wanted);
    fl_buf_finish(&b);
    fl_arena_finish(&arena);
}

static void they_are_asked_for_where_they_are_told(void **state)
{
#define OF_CLIENT_CHAT                                                                             \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"logprobs\":true,"     \
    "\"top_logprobs\":3}"
#define OF_CLIENT_RESPONSES                                                                        \
    "{\"model\":\"m\",\"input\":\"x\",\"include\":[\"message.output_text.logprobs\"],\"top_"       \
    "logprobs\":3}"
    (void)state;
    asks(&fl_wire_openai_responses, &fl_wire_openai_chat, "openai", "gpt-4o", OF_CLIENT_RESPONSES,
         "\"logprobs\":true,\"top_logprobs\":3");
    asks(&fl_wire_openai_chat, &fl_wire_openai_responses, "openai", "gpt-4o", OF_CLIENT_CHAT,
         "\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":3");
    asks(&fl_wire_openai_chat, &fl_wire_openai_responses, "openai", "gpt-5", OF_CLIENT_CHAT,
         " logprobs");
    asks(&fl_wire_openai_chat, &fl_wire_gemini, "vertex", "gemini-2.5-flash", OF_CLIENT_CHAT,
         "\"responseLogprobs\":true,\"logprobs\":3");
    asks(&fl_wire_openai_chat, &fl_wire_gemini, "gemini", "gemini-2.5-flash", OF_CLIENT_CHAT,
         " logprobs, top_logprobs");
    asks(&fl_wire_openai_chat, &fl_wire_anthropic, "anthropic", "claude-haiku-4-5", OF_CLIENT_CHAT,
         "logprobs");
}

/* --- recorded answers --- */

/* How often *word* stands in the bytes. */
static unsigned count_of(struct fl_slice bytes, const char *word)
{
    struct fl_slice w = fl_slice_cstr(word);
    unsigned count = 0;
    for (size_t at; (at = fl_slice_find_text(bytes, w)) < bytes.len; count++) {
        bytes = fl_slice_from(bytes, at + w.len);
    }
    return count;
}

/* Each of these answers cites, and each citation with a place is of a piece of the text. */
static void recorded_citations_are_told(void **state)
{
    static const struct {
        const char *file, *word;
        const struct fl_wire *wire;
        bool stream, placed;
        unsigned each; /* so often each stands in the bytes */
    } rows[] = {
        {"llm-anthropic/anthropic.messages.s.e3ae5714.resp", "citations_delta", &fl_wire_anthropic,
         true, true, 1},
        {"ruby_llm/openrouter.chat.n.68a9612f.resp", "\"url_citation\":", &fl_wire_openai_chat,
         false, true, 1},
        {"pydantic-ai/openrouter.chat.s.21dd1ca2.resp", "\"url_citation\":", &fl_wire_openai_chat,
         true, false, 1},
        {"ruby_llm/openai.responses.n.0e207b3b.resp", "\"url_citation\"", &fl_wire_openai_responses,
         false, true, 1},
        {"pydantic-ai/openai.responses.s.d0dfa78e.resp", "\"url_citation\"",
         &fl_wire_openai_responses, true, true, 4},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len;
        char *bytes = recorded_read(rows[i].file, &len);
        if (!bytes) {
            print_message("skipped: no data\n");
            return;
        }
        struct rig g;
        rig_init(&g, rows[i].wire, NULL);
        if (rows[i].stream) {
            rig_stream(&g, fl_slice(bytes, len), NULL, 0);
        } else {
            rig_whole(&g, fl_slice(bytes, len));
        }
        assert_int_equal(g.err, FL_OK);
        unsigned cited = 0;
        uint64_t chars = 0;
        for (const struct fl_block *b = g.answer.blocks; b; b = b->next) {
            for (const struct fl_piece *p = b->kind == FL_BLOCK_TEXT ? b->pieces : NULL; p;
                 p = p->next) {
                chars += fl_escaped_chars(p->text);
            }
        }
        for (const struct fl_block *b = g.answer.blocks; b; b = b->next) {
            for (const struct fl_cited *c = b->cited; c; c = c->next, cited++) {
                assert_true(fl_slice_starts(c->citation.url, FL_LIT("http")));
                assert_true(c->citation.to <= chars && c->citation.from <= c->citation.to);
                assert_int_equal(c->citation.to > c->citation.from, rows[i].placed);
            }
        }
        assert_int_equal(cited * rows[i].each, count_of(fl_slice(bytes, len), rows[i].word));
        assert_true(cited > 0);
        rig_finish(&g);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_code_points),
        cmocka_unit_test(every_dialect_tells_them),
        cmocka_unit_test(places_are_of_the_whole_text),
        cmocka_unit_test(every_client_is_told),
        cmocka_unit_test(an_items_places_are_its_own),
        cmocka_unit_test(log_probabilities_go_between_openais_two),
        cmocka_unit_test(gemini_tells_them_in_its_own_way),
        cmocka_unit_test(they_are_asked_for_where_they_are_told),
        cmocka_unit_test(recorded_citations_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

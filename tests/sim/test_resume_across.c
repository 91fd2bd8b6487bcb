/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that are continued across dialects. Clients of chat completions, responses and
 * Anthropic's messages; a first provider of each dialect that is cut behind every byte, a second
 * one of each that goes on: what the client reads is one well-formed stream of its own dialect that
 * says the text as if nothing had happened. And without memory for it.
 */
#include "codec/json.h"
#include "sim/heap.h"
#include "sim/rig.h"
#include "sim/speech.h"
#include "sim/upstream.h"

#include <stdio.h>

static const char *const words[] = {"First ",      "light ", "over \xc3\xa4nd ",
                                    "\"slow\"\n ", "wheels", ", tell."};
enum { word_count = sizeof(words) / sizeof(words[0]), bytes_max = 1 << 16 };

static void on_note(void *owner, const struct fl_world_note *note)
{
    enum { server_node = 3 /* behind the two providers */ };
    (void)owner;
    heap.in_server = note->kind <= FL_WORLD_DRAINED && note->node == server_node;
}

static void on_step(void *owner)
{
    heap.in_server = false;
    rig_check_step(owner);
}

/* --- what clients ask, and read --- */

enum form { CHAT, MESSAGES, RESPONSES };
static const struct {
    const char *name, *path, *body;
} forms[] = {
    [CHAT] = {"chat", "/v1/chat/completions",
              "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":100,\"messages\":[{\"role\":"
              "\"user\",\"content\":\"Hi\"}]}"},
    [MESSAGES] = {"messages", "/v1/messages",
                  "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":100,\"messages\":[{\"role\":"
                  "\"user\",\"content\":\"Hi\"}]}"},
    [RESPONSES] = {"responses", "/v1/responses",
                   "{\"model\":\"chat\",\"stream\":true,\"max_output_tokens\":100,\"input\":"
                   "\"Hi\"}"},
};

struct reading {
    struct fl_buf text;
    unsigned starts, ends, finishes;
    uint64_t open, blocks; /* Anthropic's: the open block's index + 1; begun */
    uint64_t tokens_in, tokens_out;
    bool wrong;
};

static bool is(struct fl_json value, const char *text)
{
    return value.type == FL_JSON_STRING && value.span.len == strlen(text) + 2 &&
           memcmp(value.span.ptr + 1, text, strlen(text)) == 0;
}

static void add_text(struct reading *r, struct fl_json text)
{
    char piece[256];
    struct fl_slice part;
    struct fl_json_pieces p = fl_json_pieces(text);
    while (text.type == FL_JSON_STRING && fl_json_pieces_next(&p, piece, sizeof(piece), &part)) {
        fl_buf_put(&r->text, part);
    }
}

static void read_chunk(struct reading *r, struct fl_json whole)
{
    struct fl_json choice;
    struct fl_json_iter it = fl_json_iter(fl_json_get(whole, FL_LIT("choices")));
    if (fl_json_next(&it, NULL, &choice)) {
        struct fl_json delta = fl_json_get(choice, FL_LIT("delta"));
        add_text(r, fl_json_get(delta, FL_LIT("content")));
        r->starts += fl_json_get(delta, FL_LIT("role")).type == FL_JSON_STRING;
        r->finishes += is(fl_json_get(choice, FL_LIT("finish_reason")), "stop");
    }
}

static void read_message_event(struct reading *r, struct fl_json whole)
{
    struct fl_json type = fl_json_get(whole, FL_LIT("type"));
    struct fl_json usage = fl_json_get(whole, FL_LIT("usage"));
    uint64_t index = 0;
    (void)fl_json_u64(fl_json_get(whole, FL_LIT("index")), &index);
    r->wrong = r->wrong || r->ends > 0 || (r->starts == 0 && !is(type, "message_start"));
    if (is(type, "message_start")) {
        r->starts++;
    } else if (is(type, "content_block_start")) {
        r->wrong = r->wrong || r->open > 0 || index != r->blocks;
        r->open = index + 1;
        r->blocks++;
    } else if (is(type, "content_block_delta")) {
        r->wrong = r->wrong || r->open != index + 1;
        add_text(r, fl_json_get(fl_json_get(whole, FL_LIT("delta")), FL_LIT("text")));
    } else if (is(type, "content_block_stop")) {
        r->wrong = r->wrong || r->open != index + 1;
        r->open = 0;
    } else if (is(type, "message_delta")) {
        r->wrong = r->wrong || r->open > 0;
        r->finishes++;
        (void)fl_json_u64(fl_json_get(usage, FL_LIT("input_tokens")), &r->tokens_in);
        (void)fl_json_u64(fl_json_get(usage, FL_LIT("output_tokens")), &r->tokens_out);
    }
    r->ends += is(type, "message_stop");
}

static void read_response_event(struct reading *r, struct fl_json whole)
{
    struct fl_json type = fl_json_get(whole, FL_LIT("type"));
    uint64_t sequence = UINT64_MAX;
    (void)fl_json_u64(fl_json_get(whole, FL_LIT("sequence_number")), &sequence);
    r->wrong = r->wrong || sequence != r->blocks++;
    r->starts += is(type, "response.created");
    if (is(type, "response.output_text.delta")) {
        add_text(r, fl_json_get(whole, FL_LIT("delta")));
    } else if (is(type, "response.output_text.done")) {
        struct reading done = {.starts = 0};
        fl_buf_init(&done.text, bytes_max);
        add_text(&done, fl_json_get(whole, FL_LIT("text")));
        r->wrong = r->wrong || !fl_slice_eq(fl_buf_slice(&done.text), fl_buf_slice(&r->text));
        r->finishes++;
        fl_buf_finish(&done.text);
    }
    r->ends += is(type, "response.completed");
}

static void read_answer(struct reading *r, enum form form, const struct fl_simanswer *a)
{
    static void (*const read[])(struct reading * r, struct fl_json whole) = {
        [CHAT] = read_chunk, [MESSAGES] = read_message_event, [RESPONSES] = read_response_event};
    fl_buf_init(&r->text, bytes_max);
    for (unsigned i = 0; i < a->event_count; i++) {
        const struct fl_simevent *e = &a->events[i];
        struct fl_slice data =
            fl_slice_first(fl_slice_from(fl_buf_slice(&a->body), e->offset), e->len);
        struct fl_json whole;
        if (e->len == 0) {
            continue; /* a comment */
        }
        if (fl_slice_eq(data, FL_LIT("[DONE]"))) {
            r->ends++;
        } else if (fl_json_scan(data, FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK) {
            read[form](r, whole);
        } else {
            r->wrong = true;
        }
    }
}

/* --- the scene --- */

struct scene {
    struct rig rig;
    struct upstream first, second;
    enum form form;
    enum speech speech, other;
    struct fl_buf says, goes_on, text;
    size_t ends[word_count], finished;
    struct fl_simclient *client;
};

static void serve(struct scene *s, const char *model)
{
    char yaml[1536];
    (void)snprintf(
        yaml, sizeof(yaml),
        "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
        "routing: {failover_threshold: 1000, resume: continue}\nlimits: {upstream_idle: 1s}\n"
        "providers:\n"
        "  p0: {type: %s, base_url: \"http://10.0.1.1:80%s\", api_key: sk-sim, models: [m]%s, "
        "health: {enabled: false}}\n"
        "  p1: {type: %s, base_url: \"http://10.0.1.2:80%s\", api_key: sk-sim, models: [\"%s\"]%s, "
        "health: {enabled: false}}\n"
        "models: {chat: {targets: [\"p0/m\"], fallback: [\"p1/%s\"]}}\n",
        speeches[s->speech].name, speeches[s->speech].path, speeches[s->speech].more,
        speeches[s->other].name, speeches[s->other].path, model, speeches[s->other].more, model);
    rig_serve_file(&s->rig, fl_slice_cstr(yaml), 1);
}

static void open_scene(struct scene *s, enum form form, enum speech speech, enum speech other,
                       const char *model)
{
    *s = (struct scene){.form = form, .speech = speech, .other = other};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    s->second.keep_body = true;
    fl_buf_init(&s->says, bytes_max);
    fl_buf_init(&s->goes_on, bytes_max);
    fl_buf_init(&s->text, bytes_max);
    speech_put_head(&s->says, speech);
    for (unsigned i = 0; i < word_count; i++) {
        speech_put_text(&s->says, speech, fl_slice_cstr(words[i]));
        fl_buf_put_cstr(&s->text, words[i]);
        s->ends[i] = s->says.len;
    }
    s->finished = speech_put_end(&s->says, speech);
    upstream_say(&s->first, fl_buf_slice(&s->says), UPSTREAM_FIN);
    serve(s, model);
}

static void leave(struct scene *s)
{
    if (s->client) {
        rig_leave(&s->rig, s->client);
        s->client = NULL;
    }
}

static void close_scene(struct scene *s)
{
    leave(s);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->says);
    fl_buf_finish(&s->goes_on);
    fl_buf_finish(&s->text);
    rig_close(&s->rig);
}

/* The second provider says the text from byte *from* on, in two pieces. */
static void go_on_from(struct scene *s, size_t from)
{
    struct fl_slice rest = fl_slice_from(fl_buf_slice(&s->text), from);
    size_t half = rest.len / 2;
    while (half < rest.len && ((unsigned char)rest.ptr[half] & 0xc0) == 0x80) {
        half++;
    }
    fl_buf_reset(&s->goes_on);
    speech_put_head(&s->goes_on, s->other);
    if (half > 0) {
        speech_put_text(&s->goes_on, s->other, fl_slice_first(rest, half));
    }
    speech_put_text(&s->goes_on, s->other, fl_slice_from(rest, half));
    (void)speech_put_end(&s->goes_on, s->other);
    upstream_say(&s->second, fl_buf_slice(&s->goes_on), UPSTREAM_FIN);
}

static const struct fl_simanswer *ask(struct scene *s)
{
    leave(s);
    s->client = rig_client(&s->rig, 0, NULL);
    fl_simclient_request(s->client, "POST", forms[s->form].path, "",
                         fl_slice_cstr(forms[s->form].body));
    rig_settle(&s->rig, s->client, 200 * FL_NS_S);
    return fl_simclient_answer(s->client, 0);
}

static void cut_at(struct scene *s, size_t at, bool reset)
{
    struct fl_world_link link = fl_world_link(s->rig.world);
    if (reset) {
        link.down.reset_after = at;
    } else {
        link.down.fin_after = at;
    }
    fl_world_plan(s->rig.world, "10.0.1.1:80", &link, 1);
}

static size_t said_before(const struct scene *s, size_t at)
{
    size_t said = 0;
    for (unsigned i = 0; i < word_count && s->ends[i] <= at; i++) {
        said += strlen(words[i]);
    }
    return said;
}

/* *ended*: with its last event. */
static void check_whole(struct scene *s, const struct fl_simanswer *a, bool ended)
{
    struct reading r = {.starts = 0};
    read_answer(&r, s->form, a);
    bool same = fl_slice_eq(fl_buf_slice(&r.text), fl_buf_slice(&s->text));
    bool whole = a->complete && a->status == 200 && r.starts <= 1 && r.finishes == 1 &&
                 (r.ends == 1 || !ended) && !r.wrong;
    if (!same || !whole) {
        print_error("got '%.*s' of %.*s\n", (int)r.text.len, r.text.ptr, (int)a->body.len,
                    a->body.ptr);
    }
    rig_check(&s->rig, same);
    rig_check(&s->rig, whole);
    fl_buf_finish(&r.text);
}

/* A blank at the end of what was said may not have been told to who continues. */
static size_t without_blanks(const struct scene *s, size_t said)
{
    while (said > 0 && (s->text.ptr[said - 1] == ' ' || s->text.ptr[said - 1] == '\n')) {
        said--;
    }
    return said;
}

enum second { OBEYS, REPEATS_BLANKS, BEGINS_ANEW };

static void check_cut(struct scene *s, size_t at, enum second second)
{
    bool reset = second != BEGINS_ANEW; /* else what is said depends on how a clean end is taken */
    size_t said = said_before(s, at);
    size_t from = second == OBEYS ? said : second == BEGINS_ANEW ? 0 : without_blanks(s, said);
    rig_say(&s->rig, "%s: %s cut at %zu of %zu, %zu said; %s %u", forms[s->form].name,
            speeches[s->speech].name, at, s->says.len, said, speeches[s->other].name,
            (unsigned)second);
    go_on_from(s, from);
    cut_at(s, at, reset);
    unsigned asked = s->second.requests;
    check_whole(s, ask(s), reset || at < s->finished - 2);
    if (reset) {
        rig_equal(&s->rig, s->second.requests - asked, at < s->finished);
    }
    if (s->second.requests > asked && said > 0) {
        rig_check(&s->rig, rig_has(fl_buf_slice(&s->second.body), "First"));
    }
    fl_world_unplan(s->rig.world, "10.0.1.1:80");
    fl_world_run_for(s->rig.world, 3 * FL_NS_S);
}

static void cut_everywhere(enum form form, enum speech speech, enum speech other)
{
    enum { cuts_a_scene = 400 };
    bool trims = other == ANTHROPIC || other == BEDROCK;
    for (unsigned second = OBEYS; second <= BEGINS_ANEW; second++) {
        struct scene s;
        for (size_t at = 0, left = second != REPEATS_BLANKS || trims; left > 0;) {
            open_scene(&s, form, speech, other, "m");
            if (form == RESPONSES && other == ANSWERS && at == 0) {
                at = s.ends[0]; /* before that its own events would go through as they are */
            }
            for (size_t i = 0; i < cuts_a_scene && at <= s.says.len; i++) {
                check_cut(&s, at++, (enum second)second);
            }
            left = s.says.len + 1 - at;
            close_scene(&s);
        }
    }
}

static void a_chat_is_continued_by_any_dialect(void **state)
{
    (void)state;
    cut_everywhere(CHAT, OPENAI, ANTHROPIC);
    cut_everywhere(CHAT, OPENAI, BEDROCK);
    cut_everywhere(CHAT, ANTHROPIC, OPENAI);
    cut_everywhere(CHAT, GEMINI, OLLAMA);
    cut_everywhere(CHAT, OLLAMA, GEMINI);
    cut_everywhere(CHAT, BEDROCK, ANTHROPIC);
    cut_everywhere(CHAT, OPENAI, ANSWERS);
}

static void messages_are_continued_by_any_dialect(void **state)
{
    (void)state;
    cut_everywhere(MESSAGES, ANTHROPIC, ANTHROPIC);
    cut_everywhere(MESSAGES, ANTHROPIC, OPENAI);
    cut_everywhere(MESSAGES, ANTHROPIC, GEMINI);
    cut_everywhere(MESSAGES, OPENAI, ANTHROPIC);
    cut_everywhere(MESSAGES, BEDROCK, OLLAMA);
    cut_everywhere(MESSAGES, ANSWERS, ANTHROPIC);
}

static void responses_are_continued_by_any_dialect(void **state)
{
    (void)state;
    cut_everywhere(RESPONSES, OPENAI, OPENAI);
    cut_everywhere(RESPONSES, OPENAI, ANTHROPIC);
    cut_everywhere(RESPONSES, ANTHROPIC, BEDROCK);
    cut_everywhere(RESPONSES, OPENAI, ANSWERS);
}

/* --- single cases --- */

static void usage_is_that_of_both(void **state)
{
    static const struct {
        enum speech speech;
        uint64_t in, out;
    } rows[] = {{ANTHROPIC, 10 + 10, 2 + 5}, {OPENAI, 0, 2 + 5}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene s;
        struct reading r = {.starts = 0};
        open_scene(&s, MESSAGES, rows[i].speech, ANTHROPIC, "m");
        go_on_from(&s, said_before(&s, s.ends[1]));
        cut_at(&s, s.ends[1], true);
        read_answer(&r, MESSAGES, ask(&s));
        rig_equal(&s.rig, r.tokens_out, rows[i].out);
        rig_check(&s.rig, rows[i].in > 0 ? r.tokens_in == rows[i].in : r.tokens_in > 10);
        fl_buf_finish(&r.text);
        close_scene(&s);
    }
}

static void who_takes_no_beginning_is_told_in_words(void **state)
{
    static const struct {
        const char *model;
        bool words;
    } rows[] = {
        {"claude-sonnet-4-5", false}, {"claude-sonnet-4-6", true}, {"claude-opus-4-7", true}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned form = CHAT; form <= MESSAGES; form++) {
            struct scene s;
            open_scene(&s, (enum form)form, ANTHROPIC, ANTHROPIC, rows[i].model);
            rig_say(&s.rig, "%s asked by %s", rows[i].model, forms[form].name);
            go_on_from(&s, said_before(&s, s.ends[1]));
            cut_at(&s, s.ends[1], true);
            check_whole(&s, ask(&s), true);
            struct fl_slice body = fl_buf_slice(&s.second.body);
            rig_check(&s.rig, rig_has(body, "First light\"")); /* no blank behind it */
            rig_equal(&s.rig, rig_has(body, "Your answer broke off"), rows[i].words);
            rig_check(&s.rig, !rig_has(body, "\"max_tokens\":100"));
            close_scene(&s);
        }
    }
}

/* A stream of Anthropic's: thoughts, perhaps signed, a word of text; or a call. */
static const struct fl_simanswer *ask_after(struct scene *s, const char *const *frames)
{
    fl_buf_reset(&s->says);
    fl_buf_put_cstr(&s->says, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    for (; frames[0]; frames += 2) {
        speech_put_frame(&s->says, ANTHROPIC, frames[0], frames[1]);
    }
    upstream_say(&s->first, fl_buf_slice(&s->says), UPSTREAM_RESET);
    go_on_from(s, strlen(words[0]));
    return ask(s);
}

#define START                                                                                      \
    "message_start",                                                                               \
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":" \
        "\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":10,"             \
        "\"output_tokens\":1}}}"
#define BLOCK(index, block)                                                                        \
    "content_block_start",                                                                         \
        "{\"type\":\"content_block_start\",\"index\":" index ",\"content_block\":{" block "}}"
#define DELTA(index, delta)                                                                        \
    "content_block_delta",                                                                         \
        "{\"type\":\"content_block_delta\",\"index\":" index ",\"delta\":{" delta "}}"
#define STOP(index) "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":" index "}"
#define THOUGHT     BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\"")
#define THINKS      DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"Hm\"")
#define SIGNS       DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"c2ln\"")
#define TEXT1       BLOCK("1", "\"type\":\"text\",\"text\":\"\"")
#define SAYS1       DELTA("1", "\"type\":\"text_delta\",\"text\":\"First \"")
#define CALL1       BLOCK("1", "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"weather\",\"input\":{}")
#define ARGS(to)    DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\"" to "\"")

static void signed_thoughts_and_half_calls_are_not_continued(void **state)
{
    static const char *const thoughts[] = {START, THOUGHT, THINKS, STOP("0"), TEXT1, SAYS1, NULL};
    static const char *const signs[] = {START,     THOUGHT, THINKS, SIGNS,
                                        STOP("0"), TEXT1,   SAYS1,  NULL};
    static const char *const half[] = {START, CALL1, ARGS("{\\\"city\\\":\\\"Os"), NULL};
    static const char *const server[] = {
        START,     BLOCK("0", "\"type\":\"server_tool_use\",\"id\":\"t\",\"name\":\"web_search\""),
        STOP("0"), TEXT1,
        SAYS1,     BLOCK("2", "\"type\":\"server_tool_use\",\"id\":\"u\""),
        NULL};
    static const struct {
        const char *what, *const *frames;
        bool goes_on;
    } rows[] = {{"thoughts", thoughts, true},
                {"signed thoughts", signs, false},
                {"part of a call", half, false},
                {"the provider's own tool", server, false}};
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        open_scene(&s, MESSAGES, ANTHROPIC, ANTHROPIC, "m");
        rig_say(&s.rig, "%s", rows[i].what);
        const struct fl_simanswer *a = ask_after(&s, rows[i].frames);
        if (rows[i].goes_on) {
            check_whole(&s, a, true);
        } else {
            rig_check(&s.rig,
                      rig_has(fl_buf_slice(&a->body), "event: error\ndata: {\"type\":\"error\""));
            rig_check(&s.rig, !rig_has(fl_buf_slice(&a->body), "message_stop"));
        }
        rig_equal(&s.rig, s.second.requests, rows[i].goes_on);
        close_scene(&s);
    }
}

static void a_whole_call_is_the_answer(void **state)
{
    static const char *const call[] = {START,
                                       BLOCK("0", "\"type\":\"text\",\"text\":\"\""),
                                       STOP("0"),
                                       CALL1,
                                       ARGS("{\\\"city\\\":"),
                                       ARGS("\\\"Oslo\\\"}"),
                                       NULL};
    (void)state;
    for (unsigned form = CHAT; form <= MESSAGES; form++) {
        struct scene s;
        open_scene(&s, (enum form)form, ANTHROPIC, OPENAI, "m");
        rig_say(&s.rig, "a call for %s", forms[form].name);
        const struct fl_simanswer *a = ask_after(&s, call);
        struct fl_slice body = fl_buf_slice(&a->body);
        rig_check(&s.rig, a->complete && !rig_has(body, "rror"));
        rig_check(&s.rig, form == CHAT ? rig_has(body, "\"finish_reason\":\"tool_calls\"") &&
                                             rig_has(body, "data: [DONE]")
                                       : rig_has(body, "\"stop_reason\":\"tool_use\"") &&
                                             rig_has(body, "message_stop"));
        rig_equal(&s.rig, s.second.requests, 0);
        close_scene(&s);
    }
}

/* Told in the stream, behind its beginning, by a provider of either kind; nobody goes on: told. */
static void errors_in_the_stream_are_not_the_last_word(void **state)
{
    static const char *const fails[] = {
        START,
        BLOCK("0", "\"type\":\"text\",\"text\":\"\""),
        DELTA("0", "\"type\":\"text_delta\",\"text\":\"First \""),
        "error",
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}",
        NULL};
    (void)state;
    for (unsigned form = CHAT; form <= MESSAGES; form++) {
        struct scene s;
        open_scene(&s, (enum form)form, ANTHROPIC, OPENAI, "m");
        rig_say(&s.rig, "an error for %s", forms[form].name);
        const struct fl_simanswer *a = ask_after(&s, fails);
        check_whole(&s, a, true);
        rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), ": x-fairlead-spliced: p0>p1\n\n"));
        upstream_say(&s.second, FL_LIT("HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\n{}"),
                     UPSTREAM_FIN);
        leave(&s);
        s.client = rig_client(&s.rig, 0, NULL);
        fl_simclient_request(s.client, "POST", forms[form].path, "",
                             fl_slice_cstr(forms[form].body));
        rig_settle(&s.rig, s.client, 200 * FL_NS_S);
        a = fl_simclient_answer(s.client, 0);
        rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), "\"error\""));
        rig_check(&s.rig, !rig_has(fl_buf_slice(&a->body), "[DONE]") &&
                              !rig_has(fl_buf_slice(&a->body), "message_stop"));
        close_scene(&s);
    }
}

/* Each allocation of the server fails once: the text is whole, or its end is none. */
static void without_memory_nothing_is_left_out(void **state)
{
    static const struct {
        enum form form;
        enum speech speech, other;
    } rows[] = {{CHAT, OPENAI, OPENAI},
                {CHAT, OPENAI, ANTHROPIC},
                {MESSAGES, ANTHROPIC, ANTHROPIC},
                {RESPONSES, OPENAI, GEMINI}};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool failed = true;
        for (unsigned n = 1; failed; n++) {
            struct scene s;
            struct reading r = {.starts = 0};
            open_scene(&s, rows[i].form, rows[i].speech, rows[i].other, "m");
            rig_say(&s.rig, "row %u, allocation %u fails", i, n);
            go_on_from(&s, said_before(&s, s.ends[2]));
            cut_at(&s, s.ends[2], true);
            fl_world_on_note(s.rig.world, on_note, NULL);
            fl_world_on_step(s.rig.world, on_step, &s.rig);
            heap.left = n;
            const struct fl_simanswer *a = ask(&s);
            failed = heap.left == 0;
            heap.left = 0;
            heap.in_server = false;
            read_answer(&r, s.form, a);
            bool well = a->complete && a->status == 200 && r.ends > 0;
            /* Where nothing was said yet, the second one began, and says what it does. */
            bool begun = rig_has(fl_buf_slice(&s.second.body), "First");
            bool same = fl_slice_eq(
                fl_buf_slice(&r.text),
                fl_slice_from(fl_buf_slice(&s.text), begun ? 0 : said_before(&s, s.ends[2])));
            if (well && (!same || r.wrong)) {
                print_error("got %.*s\n", (int)a->body.len, a->body.ptr);
            }
            rig_check(&s.rig, !well || (same && !r.wrong));
            rig_check(&s.rig, well || failed);
            rig_check(&s.rig, n > 1 || failed);
            fl_buf_finish(&r.text);
            close_scene(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_is_continued_by_any_dialect),
        cmocka_unit_test(messages_are_continued_by_any_dialect),
        cmocka_unit_test(responses_are_continued_by_any_dialect),
        cmocka_unit_test(usage_is_that_of_both),
        cmocka_unit_test(who_takes_no_beginning_is_told_in_words),
        cmocka_unit_test(signed_thoughts_and_half_calls_are_not_continued),
        cmocka_unit_test(a_whole_call_is_the_answer),
        cmocka_unit_test(errors_in_the_stream_are_not_the_last_word),
        cmocka_unit_test(without_memory_nothing_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

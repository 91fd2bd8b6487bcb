/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads answers of chat completions, whole and streamed, as OpenAI and everybody who says to be
 * compatible writes them (PROTOCOLS.md sections 1.2, 1.3, 9).
 *
 * A chunk's delta is told before its finish reason, since many vendors put both into one. Usage is
 * kept and told once, before DONE: some vendors count up in every chunk, some put it beside the
 * choices, Groq under x_groq. Tool calls are told apart by index; where an index is missing, or the
 * same for several calls, by id; a piece with neither belongs to the call before it. A server that
 * answers in the form of responses is read as one.
 */
#include "dialect/cite.h"
#include "dialect/openai_wire.h"

#include <stdlib.h>

enum { choices_max = FL_CHOICES_MAX, key_none = 0x7fffffff };

struct own {
    uint64_t begun[choices_max / 64], finished[choices_max / 64];
    uint32_t id_marks[FL_CALLS_MAX]; /* beside call_map: tells ids apart */
    struct {
        bool waiting; /* a call whose name has not come yet */
        unsigned choice, key;
        unsigned id_len;
        char id[200];
    } nameless;
};

static bool has(const uint64_t *set, unsigned i)
{
    return (set[i / 64] >> i % 64 & 1) != 0;
}

static void mark(uint64_t *set, unsigned i)
{
    set[i / 64] |= UINT64_C(1) << i % 64;
}

static uint32_t mark_of(struct fl_slice id)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < id.len; i++) {
        h = (h ^ (unsigned char)id.ptr[i]) * 16777619u;
    }
    return id.len > 0 ? h | 1 : 0;
}

/* --- Tool calls --- */

/* The newest call of a choice with this key, or -1. */
static int find_call(const struct fl_decoder *d, unsigned choice, unsigned key)
{
    for (int i = (int)d->call_count - 1; i >= 0; i--) {
        if (d->call_map[i].choice == choice && (key == key_none || d->call_map[i].key == key)) {
            return i;
        }
    }
    return -1;
}

static int find_id(const struct fl_decoder *d, unsigned choice, uint32_t id_mark)
{
    const struct own *own = d->own;
    for (int i = (int)d->call_count - 1; i >= 0; i--) {
        if (d->call_map[i].choice == choice && own->id_marks[i] == id_mark) {
            return i;
        }
    }
    return -1;
}

static unsigned calls_of(const struct fl_decoder *d, unsigned choice)
{
    unsigned count = 0;
    for (unsigned i = 0; i < d->call_count; i++) {
        count += d->call_map[i].choice == choice;
    }
    return count;
}

struct call {
    unsigned choice, key; /* key_none: no index */
    struct fl_slice id, name, signature;
    struct fl_json arguments;
};

/* Which call a piece goes on with; -1: it begins a new one. */
static int call_continued(const struct fl_decoder *d, const struct call *c)
{
    const struct own *own = d->own;
    uint32_t id_mark = mark_of(c->id);
    if (c->key == key_none && id_mark) {
        return find_id(d, c->choice, id_mark);
    }
    if (c->key == key_none) {
        return c->name.len > 0 ? -1 : find_call(d, c->choice, key_none);
    }
    int at = find_call(d, c->choice, c->key);
    bool another =
        at >= 0 && id_mark && c->name.len > 0 && own->id_marks[at] && own->id_marks[at] != id_mark;
    return another ? -1 : at;
}

static int begin_call(struct fl_decoder *d, const struct call *c, const struct fl_chat_sink *sink)
{
    struct own *own = d->own;
    if (d->call_count == FL_CALLS_MAX) {
        return -1;
    }
    unsigned at = d->call_count, call = calls_of(d, c->choice);
    struct fl_chat_event event = {.kind = FL_CHAT_CALL_BEGIN,
                                  .choice = c->choice,
                                  .call = call,
                                  .id = c->id,
                                  .name = c->name,
                                  .signature = c->signature};
    d->call_map[at].key = c->key;
    d->call_map[at].choice = c->choice;
    d->call_map[at].call = call;
    d->call_map[at].arguments = false;
    own->id_marks[at] = mark_of(c->id);
    d->call_count++;
    d->calls++;
    sink->event(sink->owner, &event);
    return (int)at;
}

/* A call whose id came without a name: kept until the name comes, or something that needs it. */
static bool wait_for_name(struct fl_decoder *d, const struct call *c)
{
    struct own *own = d->own;
    bool empty = c->arguments.type != FL_JSON_STRING || c->arguments.span.len <= 2;
    if (c->name.len > 0 || !empty || c->id.len == 0 || c->id.len > sizeof(own->nameless.id)) {
        return false;
    }
    own->nameless.waiting = true;
    own->nameless.choice = c->choice;
    own->nameless.key = c->key;
    own->nameless.id_len = (unsigned)c->id.len;
    memcpy(own->nameless.id, c->id.ptr, c->id.len);
    return true;
}

static void take_waiting_id(struct fl_decoder *d, struct call *c)
{
    struct own *own = d->own;
    if (own->nameless.waiting && own->nameless.choice == c->choice && own->nameless.key == c->key) {
        own->nameless.waiting = false;
        c->id = c->id.len > 0 ? c->id : fl_slice(own->nameless.id, own->nameless.id_len);
    }
}

static void take_call(struct fl_decoder *d, struct call *c, const struct fl_chat_sink *sink)
{
    int at = call_continued(d, c);
    if (at < 0) {
        if (wait_for_name(d, c)) {
            return;
        }
        take_waiting_id(d, c);
        at = begin_call(d, c, sink);
    }
    if (at < 0) {
        return;
    }
    struct fl_slice arguments = c->arguments.type == FL_JSON_OBJECT
                                    ? fl_get_escaping(c->arguments.span, d->arena)
                                    : fl_get_escaped(c->arguments);
    if (arguments.len > 0) {
        d->call_map[at].arguments = true;
        fl_emit_arguments(sink, c->choice, d->call_map[at].call, arguments);
    }
}

static struct fl_slice thought_signature(struct fl_json extra)
{
    static const struct fl_slice path[] = {{"google", 6}, {"thought_signature", 17}};
    return fl_get_escaped(fl_json_at(extra, path, 2));
}

static void take_calls(struct fl_decoder *d, unsigned choice, struct fl_json calls,
                       const struct fl_chat_sink *sink)
{
    enum { INDEX, ID, FUNCTION, CUSTOM, EXTRA, COUNT };
    static const struct fl_slice keys[COUNT] = {
        {"index", 5}, {"id", 2}, {"function", 8}, {"custom", 6}, {"extra_content", 13}};
    static const struct fl_slice inner[] = {{"name", 4}, {"arguments", 9}, {"input", 5}};
    struct fl_json_iter it = fl_json_iter(calls);
    struct fl_json one, v[COUNT], f[3];
    while (calls.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        uint64_t index;
        fl_get_fields(one, keys, COUNT, v);
        bool custom = v[FUNCTION].type != FL_JSON_OBJECT && v[CUSTOM].type == FL_JSON_OBJECT;
        fl_get_fields(custom ? v[CUSTOM] : v[FUNCTION], inner, 3, f);
        struct call c = {.choice = choice,
                         .key = key_none,
                         .id = fl_get_escaped(v[ID]),
                         .name = fl_get_escaped(f[0]),
                         .signature = thought_signature(v[EXTRA]),
                         .arguments = f[1]};
        if (custom) {
            c.arguments = (struct fl_json){FL_JSON_OBJECT, fl_openai_input_object(f[2], d->arena)};
        }
        if (fl_json_u64(v[INDEX], &index) && index < key_none) {
            c.key = (unsigned)index;
        }
        take_call(d, &c, sink);
    }
}

/* Some servers send the member with everything in it empty: that is no call. */
static void take_function_call(struct fl_decoder *d, unsigned choice, struct fl_json call,
                               const struct fl_chat_sink *sink)
{
    static const struct fl_slice keys[] = {{"name", 4}, {"arguments", 9}};
    struct fl_json v[2];
    fl_get_fields(call, keys, 2, v);
    struct call c = {
        .choice = choice, .key = key_none - 1, .name = fl_get_escaped(v[0]), .arguments = v[1]};
    if (c.name.len > 0 || fl_get_escaped(v[1]).len > 0) {
        take_call(d, &c, sink);
    }
}

/* Calls without any arguments get {}: the choice is over, none can come. */
static void complete_calls(struct fl_decoder *d, unsigned choice, const struct fl_chat_sink *sink)
{
    struct own *own = d->own;
    if (own->nameless.waiting && own->nameless.choice == choice) {
        struct call c = {.choice = choice, .key = own->nameless.key};
        take_waiting_id(d, &c);
        (void)begin_call(d, &c, sink);
    }
    for (unsigned i = 0; i < d->call_count; i++) {
        if (d->call_map[i].choice == choice && !d->call_map[i].arguments) {
            d->call_map[i].arguments = true;
            fl_emit_arguments(sink, choice, d->call_map[i].call, FL_LIT("{}"));
        }
    }
}

/* --- Texts --- */

static void emit_text(const struct fl_chat_sink *sink, enum fl_chat_event_kind kind,
                      unsigned choice, struct fl_json text)
{
    struct fl_slice escaped = fl_get_escaped(text);
    if (escaped.len > 0) {
        fl_emit(sink, kind, choice, escaped);
    }
}

/* Mistral: {"type": "thinking", "thinking": [{"type": "text", "text": ...}]} */
static void take_thinking_part(unsigned choice, struct fl_json part,
                               const struct fl_chat_sink *sink)
{
    struct fl_json thinking = fl_json_get(part, FL_LIT("thinking")), piece;
    struct fl_json_iter it = fl_json_iter(thinking);
    emit_text(sink, FL_CHAT_THINKING, choice, thinking);
    while (thinking.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &piece)) {
        emit_text(sink, FL_CHAT_THINKING, choice, fl_json_get(piece, FL_LIT("text")));
    }
    emit_text(sink, FL_CHAT_SIGNATURE, choice, fl_json_get(part, FL_LIT("signature")));
}

/* *logprobs*: of the text, when it is a string. */
static void take_content(unsigned choice, struct fl_json content, struct fl_slice logprobs,
                         const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(content);
    struct fl_json part;
    struct fl_chat_event text = {.kind = FL_CHAT_TEXT,
                                 .choice = choice,
                                 .text = fl_get_escaped(content),
                                 .logprobs = logprobs};
    if (text.text.len > 0 || logprobs.len > 0) {
        sink->event(sink->owner, &text);
    }
    while (content.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &part)) {
        if (fl_get_is(fl_json_get(part, FL_LIT("type")), "thinking")) {
            take_thinking_part(choice, part, sink);
        } else {
            emit_text(sink, FL_CHAT_TEXT, choice, part);
            emit_text(sink, FL_CHAT_TEXT, choice, fl_json_get(part, FL_LIT("text")));
            emit_text(sink, FL_CHAT_REFUSAL, choice, fl_json_get(part, FL_LIT("refusal")));
        }
    }
}

/* OpenRouter's reasoning_details. *texts*: their text was not told already. */
static void take_details(unsigned choice, struct fl_json details, bool texts,
                         const struct fl_chat_sink *sink)
{
    enum { TEXT, SUMMARY, SIGNATURE, DATA, COUNT };
    static const struct fl_slice keys[COUNT] = {
        {"text", 4}, {"summary", 7}, {"signature", 9}, {"data", 4}};
    struct fl_json_iter it = fl_json_iter(details);
    struct fl_json detail, v[COUNT];
    while (details.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &detail)) {
        fl_get_fields(detail, keys, COUNT, v);
        if (texts) {
            emit_text(sink, FL_CHAT_THINKING, choice, v[TEXT]);
            emit_text(sink, FL_CHAT_THINKING, choice, v[SUMMARY]);
        }
        emit_text(sink, FL_CHAT_SIGNATURE, choice, v[SIGNATURE]);
        emit_text(sink, FL_CHAT_REDACTED, choice, v[DATA]);
    }
}

/* [{"type": "url_citation", "url_citation": {...}}] */
static void take_annotations(unsigned choice, struct fl_json list, const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json one;
    while (list.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        fl_cite_take(fl_json_get(one, FL_LIT("url_citation")), 0, choice, sink);
    }
}

enum {
    D_CONTENT,
    D_CALLS,
    D_REASONING_CONTENT,
    D_REASONING,
    D_DETAILS,
    D_REFUSAL,
    D_FUNCTION_CALL,
    D_ANNOTATIONS,
    D_COUNT
};

static void take_delta(struct fl_decoder *d, unsigned choice, struct fl_json delta,
                       struct fl_slice logprobs, const struct fl_chat_sink *sink)
{
    static const struct fl_slice keys[D_COUNT] = {
        [D_CONTENT] = {"content", 7},
        [D_CALLS] = {"tool_calls", 10},
        [D_REASONING_CONTENT] = {"reasoning_content", 17},
        [D_REASONING] = {"reasoning", 9},
        [D_DETAILS] = {"reasoning_details", 17},
        [D_REFUSAL] = {"refusal", 7},
        [D_FUNCTION_CALL] = {"function_call", 13},
        [D_ANNOTATIONS] = {"annotations", 11},
    };
    struct fl_json v[D_COUNT];
    fl_get_fields(delta, keys, D_COUNT, v);
    struct fl_json thought =
        fl_get_escaped(v[D_REASONING_CONTENT]).len > 0 ? v[D_REASONING_CONTENT] : v[D_REASONING];
    emit_text(sink, FL_CHAT_THINKING, choice, thought);
    if (v[D_DETAILS].type == FL_JSON_ARRAY) {
        take_details(choice, v[D_DETAILS], fl_get_escaped(thought).len == 0, sink);
    }
    take_content(choice, v[D_CONTENT], logprobs, sink);
    take_annotations(choice, v[D_ANNOTATIONS], sink);
    emit_text(sink, FL_CHAT_REFUSAL, choice, v[D_REFUSAL]);
    take_calls(d, choice, v[D_CALLS], sink);
    take_function_call(d, choice, v[D_FUNCTION_CALL], sink);
}

/* --- Choices --- */

static enum fl_finish finish_of(struct fl_json reason)
{
    static const struct {
        const char *word;
        enum fl_finish finish;
    } words[] = {
        {"stop", FL_FINISH_STOP},
        {"length", FL_FINISH_LENGTH},
        {"tool_calls", FL_FINISH_TOOL_CALLS},
        {"function_call", FL_FINISH_TOOL_CALLS},
        {"content_filter", FL_FINISH_CONTENT_FILTER},
        {"error", FL_FINISH_ERROR},
        {"model_length", FL_FINISH_CONTEXT},
        {"insufficient_system_resource", FL_FINISH_ERROR},
        {"max_tokens", FL_FINISH_LENGTH},
        {"tool_use", FL_FINISH_TOOL_CALLS},
        {"refusal", FL_FINISH_CONTENT_FILTER},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (fl_get_is(reason, words[i].word)) {
            return words[i].finish;
        }
    }
    return FL_FINISH_STOP; /* eos, end_turn, an empty word, a new one */
}

/* *stop_reason*: vLLM names the stop sequence there, when it is a string. */
static void take_finish(struct fl_decoder *d, unsigned choice, enum fl_finish finish,
                        struct fl_slice stop_reason, const struct fl_chat_sink *sink)
{
    struct own *own = d->own;
    if (has(own->finished, choice)) {
        return;
    }
    mark(own->finished, choice);
    complete_calls(d, choice, sink);
    if (finish == FL_FINISH_STOP && calls_of(d, choice) > 0) {
        finish = FL_FINISH_TOOL_CALLS;
    } else if (finish == FL_FINISH_STOP && stop_reason.len > 0) {
        finish = FL_FINISH_STOP_SEQUENCE;
    }
    d->finish_seen = true;
    d->finish = choice == 0 ? finish : d->finish;
    fl_emit_finish(sink, choice, finish,
                   finish == FL_FINISH_STOP_SEQUENCE ? stop_reason : FL_EMPTY);
}

/* Perplexity and xAI list what they found beside the choices, in every chunk or the last: objects with a "url", or
 * URLs. Nobody says which text rests on which. */
static void take_found(struct fl_json whole, const struct fl_chat_sink *sink)
{
    struct fl_json list = fl_json_get(whole, FL_LIT("search_results")), one;
    list = list.type == FL_JSON_ARRAY ? list : fl_json_get(whole, FL_LIT("citations"));
    struct fl_json_iter it = fl_json_iter(list);
    while (list.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        const struct fl_citation page = {.url = fl_get_escaped(one)};
        struct fl_chat_event event = {.kind = FL_CHAT_CITATION, .citation = &page};
        fl_cite_take(one, 0, 0, sink);
        if (page.url.len > 0) {
            sink->event(sink->owner, &event);
        }
    }
}

/* Chunks have deltas, whole answers have messages; Perplexity sends both, and the message is all
 * there was so far. Together repeats the delta as text. */
static void take_choice(struct fl_decoder *d, struct fl_json one, unsigned position, bool streamed,
                        struct fl_json whole, const struct fl_chat_sink *sink)
{
    enum { INDEX, DELTA, MESSAGE, TEXT, FINISH, STOP_REASON, LOGPROBS, COUNT };
    static const struct fl_slice keys[COUNT] = {
        {"index", 5},          {"delta", 5},        {"message", 7}, {"text", 4},
        {"finish_reason", 13}, {"stop_reason", 11}, {"logprobs", 8}};
    struct own *own = d->own;
    struct fl_json v[COUNT];
    uint64_t index = position;
    fl_get_fields(one, keys, COUNT, v);
    (void)fl_json_u64(v[INDEX], &index);
    if (index >= choices_max || has(own->finished, (unsigned)index)) {
        return;
    }
    unsigned choice = (unsigned)index;
    mark(own->begun, choice);
    bool delta = v[DELTA].type == FL_JSON_OBJECT && (streamed || v[MESSAGE].type != FL_JSON_OBJECT);
    struct fl_json said = delta ? v[DELTA] : v[MESSAGE];
    if (said.type == FL_JSON_OBJECT) {
        struct fl_json logprobs = v[LOGPROBS].type == FL_JSON_OBJECT
                                      ? fl_json_get(v[LOGPROBS], FL_LIT("content"))
                                      : (struct fl_json){FL_JSON_NONE, FL_EMPTY};
        take_delta(d, choice, said, fl_get_elements(logprobs), sink);
    } else {
        emit_text(sink, FL_CHAT_TEXT, choice, v[TEXT]);
    }
    if (v[FINISH].type == FL_JSON_STRING || !streamed) {
        if (choice == 0) {
            take_found(whole, sink);
        }
        take_finish(d, choice, finish_of(v[FINISH]), fl_get_escaped(v[STOP_REASON]), sink);
    }
}

enum { C_CHOICES, C_USAGE, C_ERROR, C_GROQ, C_ID, C_MODEL, C_CREATED, C_COUNT };
static const struct fl_json_watch watched[C_COUNT] = {
    [C_CHOICES] = {.key = {"choices", 7}}, [C_USAGE] = {.key = {"usage", 5}},
    [C_ERROR] = {.key = {"error", 5}},     [C_GROQ] = {.key = {"x_groq", 6}},
    [C_ID] = {.key = {"id", 2}},           [C_MODEL] = {.key = {"model", 5}},
    [C_CREATED] = {.key = {"created", 7}},
};

static enum fl_err start(struct fl_decoder *d, const struct fl_json_watch *w,
                         const struct fl_chat_sink *sink)
{
    struct fl_chat_event event = {.kind = FL_CHAT_START,
                                  .id = fl_get_escaped(w[C_ID].value),
                                  .name = fl_get_escaped(w[C_MODEL].value)};
    (void)fl_json_u64(w[C_CREATED].value, &event.created_s);
    d->started = true;
    sink->event(sink->owner, &event);
    return FL_OK;
}

static enum fl_err prepare(struct fl_decoder *d)
{
    d->own = d->own ? d->own : calloc(1, sizeof(struct own));
    return d->own ? FL_OK : FL_ERR_NOMEM;
}

static void take_usage(struct fl_decoder *d, const struct fl_json_watch *w)
{
    struct fl_json usage = w[C_USAGE].value;
    if (usage.type != FL_JSON_OBJECT && w[C_GROQ].value.type == FL_JSON_OBJECT) {
        usage = fl_json_get(w[C_GROQ].value, FL_LIT("usage"));
    }
    if (usage.type == FL_JSON_OBJECT && fl_usage_read_any(usage, &d->usage)) {
        d->usage_known = true;
    }
}

static void finish_answer(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (d->usage_known) {
        fl_emit_usage(sink, &d->usage);
    }
    d->done = true;
    fl_emit(sink, FL_CHAT_DONE, 0, FL_EMPTY);
}

static void fail(struct fl_decoder *d, struct fl_json error, struct fl_json whole,
                 const struct fl_chat_sink *sink)
{
    if (d->usage_known) {
        fl_emit_usage(sink, &d->usage);
    }
    d->failed = true;
    fl_openai_emit_error(sink, error, whole);
}

/* Is an error, or null, or nothing? An empty object tells nothing. */
static bool is_error(struct fl_json error)
{
    return error.type == FL_JSON_STRING || (error.type == FL_JSON_OBJECT && error.span.len > 2);
}

/* Older vLLM and Mistral: {"object": "error", "message": ...}; FastAPI: {"detail": ...} */
static bool is_flat_error(struct fl_json whole)
{
    return fl_get_is(fl_json_get(whole, FL_LIT("object")), "error") ||
           fl_json_get(whole, FL_LIT("detail")).type != FL_JSON_NONE;
}

/* {"object": "response", ...} or {"type": "response.created", ...} */
static bool is_response(struct fl_json whole)
{
    struct fl_slice type = fl_get_escaped(fl_json_get(whole, FL_LIT("type")));
    return fl_get_is(fl_json_get(whole, FL_LIT("object")), "response") ||
           fl_slice_starts(type, FL_LIT("response."));
}

static void take_choices(struct fl_decoder *d, const struct fl_json_watch *w, bool streamed,
                         struct fl_json whole, const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(w[C_CHOICES].value);
    struct fl_json one;
    unsigned position = 0;
    while (w[C_CHOICES].value.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        if (!d->started) {
            (void)start(d, w, sink);
        }
        take_choice(d, one, position++, streamed, whole, sink);
    }
}

enum fl_err fl_openai_chat_take_answer(struct fl_decoder *d, struct fl_slice body,
                                       const struct fl_chat_sink *sink)
{
    struct fl_json_watch w[C_COUNT];
    struct fl_json whole;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    memcpy(w, watched, sizeof(w));
    if (fl_json_scan(body, limits, w, C_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (w[C_CHOICES].value.type != FL_JSON_ARRAY && is_response(whole)) {
        return fl_openai_responses_take_answer(d, body, sink);
    }
    enum fl_err err = prepare(d);
    if (err) {
        return err;
    }
    take_usage(d, w);
    if (w[C_CHOICES].value.type != FL_JSON_ARRAY) {
        bool error = is_error(w[C_ERROR].value) || is_flat_error(whole);
        if (error) {
            fail(d, w[C_ERROR].value, whole, sink);
        }
        return error ? FL_ERR_ERROR_IN_200 : FL_ERR_BAD_RESPONSE;
    }
    take_choices(d, w, false, whole, sink);
    if (!d->started) {
        return FL_ERR_BAD_RESPONSE; /* no choice in it */
    }
    finish_answer(d, sink);
    return d->arena->failed ? FL_ERR_NOMEM : FL_OK;
}

/* --- Streams --- */

static bool all_finished(const struct fl_decoder *d)
{
    const struct own *own = d->own;
    bool all = d->finish_seen;
    for (unsigned i = 0; own && i < choices_max / 64; i++) {
        all = all && own->begun[i] == own->finished[i];
    }
    return all;
}

/* [DONE]: the provider says that it is whole, if need be without a reason. */
static enum fl_err take_done(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    const struct own *own = d->own;
    if (!d->started) {
        return FL_ERR_BAD_RESPONSE;
    }
    for (unsigned i = 0; i < choices_max; i++) {
        if (has(own->begun, i)) {
            take_finish(d, i, FL_FINISH_STOP, FL_EMPTY, sink);
        }
    }
    finish_answer(d, sink);
    return FL_OK;
}

enum fl_err fl_openai_chat_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                      const struct fl_chat_sink *sink)
{
    struct fl_json_watch w[C_COUNT];
    struct fl_json whole;
    struct fl_slice data = fl_slice_trim(frame->data);
    if (d->block_kind == FL_OPENAI_READS_RESPONSES) {
        return fl_openai_responses_take_frame(d, frame, sink);
    }
    if (d->done || d->failed || data.len == 0) {
        return FL_OK;
    }
    if (fl_slice_eq(data, FL_LIT("[DONE]"))) {
        return take_done(d, sink);
    }
    memcpy(w, watched, sizeof(w));
    unsigned watches = d->started ? C_ID : C_COUNT;
    if (fl_json_scan(data, FL_JSON_LIMITS, w, watches, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
    }
    if (!d->own && w[C_CHOICES].value.type != FL_JSON_ARRAY && is_response(whole)) {
        return fl_openai_responses_take_frame(d, frame, sink);
    }
    enum fl_err err = prepare(d);
    if (err) {
        return err;
    }
    take_usage(d, w);
    take_choices(d, w, true, whole, sink);
    bool bare = w[C_CHOICES].value.type != FL_JSON_ARRAY;
    if (is_error(w[C_ERROR].value) || (bare && is_flat_error(whole)) ||
        fl_slice_eq(frame->name, FL_LIT("error"))) {
        fail(d, w[C_ERROR].value, whole, sink);
    } else if (bare && !d->started && w[C_USAGE].value.type == FL_JSON_NONE) {
        return FL_ERR_BAD_RESPONSE; /* JSON, but nothing of an answer */
    }
    return d->arena->failed ? FL_ERR_NOMEM : FL_OK;
}

enum fl_err fl_openai_chat_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (d->block_kind == FL_OPENAI_READS_RESPONSES) {
        return fl_openai_responses_take_end(d, sink);
    }
    if (d->done || d->failed) {
        return FL_OK;
    }
    if (!all_finished(d)) {
        return FL_ERR_CLOSED;
    }
    finish_answer(d, sink);
    return FL_OK;
}

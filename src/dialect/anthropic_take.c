/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Claude as canonical events: whole ones, and streams event by event. Blocks of the
 * provider's own servers (web search and the like) are left out: the text that came of them is
 * there.
 */
#include "dialect/anthropic_wire.h"

#include "dialect/cite.h"
#include "dialect/usage.h"

enum fl_finish fl_anthropic_finish(struct fl_json reason)
{
    static const struct {
        const char *word;
        enum fl_finish finish;
    } words[] = {
        {"end_turn", FL_FINISH_STOP},
        {"tool_use", FL_FINISH_TOOL_CALLS},
        {"max_tokens", FL_FINISH_LENGTH},
        {"stop_sequence", FL_FINISH_STOP_SEQUENCE},
        {"refusal", FL_FINISH_CONTENT_FILTER},
        {"guardrail_intervened", FL_FINISH_CONTENT_FILTER}, /* the rest are Bedrock's */
        {"content_filtered", FL_FINISH_CONTENT_FILTER},
        {"malformed_model_output", FL_FINISH_ERROR},
        {"malformed_tool_use", FL_FINISH_ERROR},
        {"pause_turn", FL_FINISH_PAUSE},
        {"compaction", FL_FINISH_PAUSE},
        {"model_context_window_exceeded", FL_FINISH_CONTEXT},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (fl_get_is(reason, words[i].word)) {
            return words[i].finish;
        }
    }
    return FL_FINISH_STOP;
}

static bool is_answer_tool(struct fl_json name)
{
    return fl_get_is(name, FL_ANSWER_TOOL);
}

static void start(struct fl_decoder *d, struct fl_json message, const struct fl_chat_sink *sink)
{
    static const char *const keys[] = {"id", "model"};
    struct fl_json m[2];
    struct fl_chat_event event = {.kind = FL_CHAT_START};
    if (d->started) {
        return;
    }
    d->started = true;
    fl_get_members(message, keys, 2, m);
    event.id = fl_get_escaped(m[0]);
    event.name = fl_get_escaped(m[1]);
    sink->event(sink->owner, &event);
}

/* A call that is said to be the answer ends as text does; another one overrules what the reason
 * says. */
static enum fl_finish settle(const struct fl_decoder *d, enum fl_finish finish)
{
    bool stops = finish == FL_FINISH_STOP || finish == FL_FINISH_TOOL_CALLS;
    return !stops ? finish : d->calls > 0 ? FL_FINISH_TOOL_CALLS : FL_FINISH_STOP;
}

static void finish(struct fl_decoder *d, struct fl_json reason, struct fl_json sequence,
                   const struct fl_chat_sink *sink)
{
    if (d->finish_seen || !fl_get_given(reason)) {
        return;
    }
    d->finish_seen = true;
    d->finish = settle(d, fl_anthropic_finish(reason));
    fl_emit_finish(sink, 0, d->finish, fl_get_escaped(sequence));
}

static void begin_call(struct fl_decoder *d, struct fl_json id, struct fl_json name,
                       const struct fl_chat_sink *sink)
{
    struct fl_chat_event event = {.kind = FL_CHAT_CALL_BEGIN, .call = d->calls++};
    event.id = fl_get_escaped(id);
    event.name = fl_get_escaped(name);
    sink->event(sink->owner, &event);
}

static void fail(struct fl_decoder *d, struct fl_json error, struct fl_slice body,
                 const struct fl_chat_sink *sink)
{
    static const char *const keys[] = {"type", "message"};
    struct fl_json e[2];
    fl_get_members(error, keys, 2, e);
    d->failed = true;
    fl_emit_error(sink, fl_anthropic_error_of(0, body), fl_get_escaped(e[1]), fl_get_escaped(e[0]));
}

/* --- Whole answers --- */

enum {
    B_TYPE,
    B_TEXT,
    B_THINKING,
    B_SIGNATURE,
    B_DATA,
    B_ID,
    B_NAME,
    B_INPUT,
    B_CITATIONS,
    B_COUNT
};
static const char *const block_keys[B_COUNT] = {
    [B_TYPE] = "type",           [B_TEXT] = "text",   [B_THINKING] = "thinking",
    [B_SIGNATURE] = "signature", [B_DATA] = "data",   [B_ID] = "id",
    [B_NAME] = "name",           [B_INPUT] = "input", [B_CITATIONS] = "citations"};

/* The input as escaped text; {} when there is none. */
static struct fl_slice input_text(struct fl_decoder *d, struct fl_json input)
{
    bool object = input.type == FL_JSON_OBJECT;
    return object ? fl_get_escaping(input.span, d->arena) : FL_LIT("{}");
}

static void emit_text(const struct fl_chat_sink *sink, enum fl_chat_event_kind kind,
                      struct fl_json value)
{
    struct fl_slice text = fl_get_escaped(value);
    if (text.len > 0) {
        fl_emit(sink, kind, 0, text);
    }
}

static void say(struct fl_decoder *d, struct fl_json text, const struct fl_chat_sink *sink)
{
    d->chars += fl_escaped_chars(fl_get_escaped(text));
    emit_text(sink, FL_CHAT_TEXT, text);
}

/* A block's citation is of all its text, and comes before it: kept until the block is over. Those of documents, which
 * have no URL, are nobody else's to understand. */
static void hold_citation(struct fl_decoder *d, struct fl_json citation)
{
    enum { URL, TITLE, QUOTE, COUNT };
    static const char *const keys[COUNT] = {"url", "title", "cited_text"};
    struct fl_json v[COUNT];
    struct fl_cites *cites = d->own;
    fl_get_members(citation, keys, COUNT, v);
    const struct fl_citation c = {.url = fl_get_escaped(v[URL]),
                                  .title = fl_get_escaped(v[TITLE]),
                                  .quote = fl_get_escaped(v[QUOTE])};
    if (c.url.len > 0) {
        fl_cites_hold(&cites, &c);
        d->own = cites;
    }
}

static void hold_citations(struct fl_decoder *d, struct fl_json list)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json one;
    while (list.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        hold_citation(d, one);
    }
}

static void take_block(struct fl_decoder *d, struct fl_json block, const struct fl_chat_sink *sink)
{
    struct fl_json b[B_COUNT];
    fl_get_members(block, block_keys, B_COUNT, b);
    d->block_from = d->chars;
    if (fl_get_is(b[B_TYPE], "text")) {
        say(d, b[B_TEXT], sink);
        hold_citations(d, b[B_CITATIONS]);
    } else if (fl_get_is(b[B_TYPE], "thinking")) {
        emit_text(sink, FL_CHAT_THINKING, b[B_THINKING]);
        emit_text(sink, FL_CHAT_SIGNATURE, b[B_SIGNATURE]);
    } else if (fl_get_is(b[B_TYPE], "redacted_thinking")) {
        emit_text(sink, FL_CHAT_REDACTED, b[B_DATA]);
    } else if (fl_get_is(b[B_TYPE], "tool_use") && is_answer_tool(b[B_NAME])) {
        fl_emit(sink, FL_CHAT_TEXT, 0, input_text(d, b[B_INPUT]));
    } else if (fl_get_is(b[B_TYPE], "tool_use")) {
        begin_call(d, b[B_ID], b[B_NAME], sink);
        fl_emit_arguments(sink, 0, d->calls - 1, input_text(d, b[B_INPUT]));
    }
}

enum fl_err fl_anthropic_take_answer(struct fl_decoder *d, struct fl_slice body,
                                     const struct fl_chat_sink *sink)
{
    enum { A_CONTENT, A_REASON, A_SEQUENCE, A_USAGE, A_ERROR, A_COUNT };
    struct fl_json_watch w[A_COUNT] = {
        [A_CONTENT] = {.key = FL_LIT("content")},
        [A_REASON] = {.key = FL_LIT("stop_reason")},
        [A_SEQUENCE] = {.key = FL_LIT("stop_sequence")},
        [A_USAGE] = {.key = FL_LIT("usage")},
        [A_ERROR] = {.key = FL_LIT("error")},
    };
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    struct fl_json whole, block;
    if (fl_json_scan(body, limits, w, A_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (w[A_CONTENT].value.type != FL_JSON_ARRAY) {
        if (w[A_ERROR].value.type != FL_JSON_OBJECT) {
            return FL_ERR_BAD_RESPONSE;
        }
        fail(d, w[A_ERROR].value, body, sink);
        return FL_ERR_ERROR_IN_200;
    }
    start(d, whole, sink);
    struct fl_json_iter it = fl_json_iter(w[A_CONTENT].value);
    while (fl_json_next(&it, NULL, &block)) {
        take_block(d, block, sink);
        fl_cites_tell(d->own, d->block_from, d->chars, sink);
    }
    finish(d, w[A_REASON].value, w[A_SEQUENCE].value, sink);
    if (!d->finish_seen) {
        d->finish_seen = true;
        d->finish = settle(d, FL_FINISH_STOP);
        fl_emit_finish(sink, 0, d->finish, FL_EMPTY);
    }
    if (fl_usage_update_anthropic(w[A_USAGE].value, &d->usage)) {
        d->usage_known = true;
        fl_emit_usage(sink, &d->usage);
    }
    d->done = true;
    fl_emit(sink, FL_CHAT_DONE, 0, FL_EMPTY);
    return d->arena->failed ? FL_ERR_TOO_BIG : FL_OK;
}

/* --- Streams --- */

enum { E_TYPE, E_INDEX, E_DELTA, E_BLOCK, E_MESSAGE, E_USAGE, E_ERROR, E_COUNT };

static void take_usage(struct fl_decoder *d, struct fl_json usage, const struct fl_chat_sink *sink)
{
    if (usage.type == FL_JSON_OBJECT && fl_usage_update_anthropic(usage, &d->usage)) {
        d->usage_known = true;
        fl_emit_usage(sink, &d->usage);
    }
}

/* *choice* of a call's place says here that its input came whole with the block's start. */
static void start_call(struct fl_decoder *d, uint64_t index, const struct fl_json *b,
                       const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(b[B_INPUT]);
    struct fl_json any;
    unsigned at = d->call_count;
    if (at == FL_CALLS_MAX) {
        return;
    }
    d->call_count++;
    d->call_map[at].key = (unsigned)index;
    d->call_map[at].call = FL_CALL_IS_ANSWER;
    if (!is_answer_tool(b[B_NAME])) {
        d->call_map[at].call = d->calls;
        begin_call(d, b[B_ID], b[B_NAME], sink);
    }
    if (b[B_INPUT].type == FL_JSON_OBJECT && fl_json_next(&it, NULL, &any)) {
        fl_claude_arguments(d, at, input_text(d, b[B_INPUT]), sink);
        d->call_map[at].choice = 1;
    }
}

static void block_start(struct fl_decoder *d, const struct fl_json *e,
                        const struct fl_chat_sink *sink)
{
    struct fl_json b[B_COUNT];
    uint64_t index = d->blocks;
    fl_get_members(e[E_BLOCK], block_keys, B_COUNT, b);
    (void)fl_json_u64(e[E_INDEX], &index);
    d->blocks = index + 1;
    if (fl_get_is(b[B_TYPE], "tool_use")) {
        start_call(d, index, b, sink);
    } else {
        take_block(d, e[E_BLOCK], sink);
    }
}

static void block_stop(struct fl_decoder *d, const struct fl_json *e,
                       const struct fl_chat_sink *sink)
{
    uint64_t index = d->blocks - 1;
    (void)fl_json_u64(e[E_INDEX], &index);
    fl_cites_tell(d->own, d->block_from, d->chars, sink);
    fl_claude_stop_call(d, fl_claude_call_of(d, index), sink);
}

static void take_delta(struct fl_decoder *d, const struct fl_json *e,
                       const struct fl_chat_sink *sink)
{
    enum { D_TYPE, D_TEXT, D_JSON, D_THINKING, D_SIGNATURE, D_CITATION, D_COUNT };
    static const char *const keys[D_COUNT] = {"type",     "text",      "partial_json",
                                              "thinking", "signature", "citation"};
    struct fl_json v[D_COUNT];
    fl_get_members(e[E_DELTA], keys, D_COUNT, v);
    if (fl_get_is(v[D_TYPE], "text_delta")) {
        say(d, v[D_TEXT], sink);
    } else if (fl_get_is(v[D_TYPE], "citations_delta")) {
        hold_citation(d, v[D_CITATION]);
    } else if (fl_get_is(v[D_TYPE], "thinking_delta")) {
        emit_text(sink, FL_CHAT_THINKING, v[D_THINKING]);
    } else if (fl_get_is(v[D_TYPE], "signature_delta")) {
        emit_text(sink, FL_CHAT_SIGNATURE, v[D_SIGNATURE]);
    } else if (fl_get_is(v[D_TYPE], "input_json_delta")) {
        uint64_t index = d->blocks - 1;
        struct fl_slice text = fl_get_escaped(v[D_JSON]);
        (void)fl_json_u64(e[E_INDEX], &index);
        unsigned at = fl_claude_call_of(d, index);
        if (at < d->call_count && d->call_map[at].choice == 0 && text.len > 0) {
            fl_claude_arguments(d, at, text, sink);
        }
    }
}

static void message_delta(struct fl_decoder *d, const struct fl_json *e,
                          const struct fl_chat_sink *sink)
{
    static const char *const keys[] = {"stop_reason", "stop_sequence"};
    struct fl_json v[2];
    fl_get_members(e[E_DELTA], keys, 2, v);
    if (fl_get_given(v[0])) {
        fl_claude_stop_calls(d, sink);
    }
    finish(d, v[0], v[1], sink);
    take_usage(d, e[E_USAGE], sink);
}

static void message_stop(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    fl_claude_stop_calls(d, sink);
    if (!d->finish_seen) {
        d->finish_seen = true;
        d->finish = settle(d, FL_FINISH_STOP);
        fl_emit_finish(sink, 0, d->finish, FL_EMPTY);
    }
    d->done = true;
    fl_emit(sink, FL_CHAT_DONE, 0, FL_EMPTY);
}

static void take(struct fl_decoder *d, enum fl_anthropic_event event, const struct fl_json *e,
                 struct fl_slice data, const struct fl_chat_sink *sink)
{
    switch (event) {
    case FL_ANTHROPIC_BLOCK_DELTA:
        take_delta(d, e, sink);
        break;
    case FL_ANTHROPIC_MESSAGE_START:
        start(d, e[E_MESSAGE], sink);
        take_usage(d, fl_json_get(e[E_MESSAGE], FL_LIT("usage")), sink);
        break;
    case FL_ANTHROPIC_BLOCK_START:
        block_start(d, e, sink);
        break;
    case FL_ANTHROPIC_BLOCK_STOP:
        block_stop(d, e, sink);
        break;
    case FL_ANTHROPIC_MESSAGE_DELTA:
        message_delta(d, e, sink);
        break;
    case FL_ANTHROPIC_MESSAGE_STOP:
        message_stop(d, sink);
        break;
    case FL_ANTHROPIC_PING:
        fl_emit(sink, FL_CHAT_PING, 0, FL_EMPTY);
        break;
    case FL_ANTHROPIC_ERROR:
        fail(d, e[E_ERROR], data, sink);
        break;
    case FL_ANTHROPIC_UNKNOWN:
        if (e[E_ERROR].type == FL_JSON_OBJECT) {
            fail(d, e[E_ERROR], data, sink);
        }
        break;
    }
}

/* --- The short way for what nearly all events are: a delta, written as Anthropic writes it --- */

/* Behind a delta's text: the quote, two braces, white space. Returns the text, with its quotes, or
 * an empty slice. */
static struct fl_slice delta_text(struct fl_slice rest)
{
    for (unsigned braces = 0; rest.len > 1; rest.len--) {
        char last = rest.ptr[rest.len - 1];
        if (last == '"' && braces == 2) {
            return rest;
        }
        if (last == '}' && braces < 2) {
            braces++;
        } else if (last != ' ') {
            break;
        }
    }
    return FL_EMPTY;
}

/* Moves *s* behind *start*, when it begins so. */
static bool skip(struct fl_slice *s, struct fl_slice start)
{
    bool starts = fl_slice_starts(*s, start);
    *s = starts ? fl_slice(s->ptr + start.len, s->len - start.len) : *s;
    return starts;
}

/* False: not so written; nothing was done. */
static bool take_text_delta(struct fl_decoder *d, struct fl_slice data,
                            const struct fl_chat_sink *sink)
{
    struct fl_slice rest = data;
    struct fl_json whole;
    if (!d->started || !skip(&rest, FL_LIT("{\"type\":\"content_block_delta\",\"index\":"))) {
        return false;
    }
    while (rest.len > 0 && rest.ptr[0] >= '0' && rest.ptr[0] <= '9') {
        rest = fl_slice(rest.ptr + 1, rest.len - 1);
    }
    bool thinking = skip(&rest, FL_LIT(",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":"));
    if (!thinking && !skip(&rest, FL_LIT(",\"delta\":{\"type\":\"text_delta\",\"text\":"))) {
        return false;
    }
    struct fl_slice text = delta_text(rest);
    if (text.len < 2 || fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &whole, NULL) != FL_OK ||
        whole.type != FL_JSON_STRING) {
        return false;
    }
    if (thinking) {
        emit_text(sink, FL_CHAT_THINKING, whole);
    } else {
        say(d, whole, sink);
    }
    return true;
}

enum fl_err fl_anthropic_take_event(struct fl_decoder *d, struct fl_slice name,
                                    struct fl_slice data, const struct fl_chat_sink *sink)
{
    struct fl_json_watch w[E_COUNT] = {
        [E_TYPE] = {.key = FL_LIT("type")},       [E_INDEX] = {.key = FL_LIT("index")},
        [E_DELTA] = {.key = FL_LIT("delta")},     [E_BLOCK] = {.key = FL_LIT("content_block")},
        [E_MESSAGE] = {.key = FL_LIT("message")}, [E_USAGE] = {.key = FL_LIT("usage")},
        [E_ERROR] = {.key = FL_LIT("error")},
    };
    struct fl_json e[E_COUNT], whole;
    if (d->done || d->failed || data.len == 0 || fl_slice_eq(data, FL_LIT("[DONE]"))) {
        return FL_OK;
    }
    if (take_text_delta(d, data, sink)) {
        return FL_OK;
    }
    if (fl_json_scan(data, FL_JSON_LIMITS, w, E_COUNT, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
    }
    for (unsigned i = 0; i < E_COUNT; i++) {
        e[i] = w[i].value;
    }
    enum fl_anthropic_event event = fl_anthropic_event_of(fl_get_escaped(e[E_TYPE]));
    if (event == FL_ANTHROPIC_UNKNOWN) {
        event = fl_anthropic_event_of(name);
    }
    bool content = event >= FL_ANTHROPIC_BLOCK_START && event <= FL_ANTHROPIC_MESSAGE_STOP;
    if (content && !d->started) {
        return FL_ERR_BAD_RESPONSE;
    }
    take(d, event, e, data, sink);
    return FL_OK;
}

enum fl_err fl_anthropic_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    (void)sink;
    return d->done || d->failed ? FL_OK : FL_ERR_CLOSED;
}

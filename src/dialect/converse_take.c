/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Bedrock's converse as canonical events. Usage comes behind the end of the message. What
 * comes as invoke gives Claude's answers (from a gateway that asks so, behind the same address) is
 * read as that.
 */
#include "dialect/converse.h"

#include "dialect/usage.h"

enum { OF_CONVERSE, OF_INVOKE }; /* in block_kind */

static void start(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (!d->started) {
        d->started = true;
        fl_emit(sink, FL_CHAT_START, 0, FL_EMPTY);
    }
}

static void emit_text(const struct fl_chat_sink *sink, enum fl_chat_event_kind kind,
                      struct fl_json value)
{
    struct fl_slice text = fl_get_escaped(value);
    if (text.len > 0) {
        fl_emit(sink, kind, 0, text);
    }
}

static void finish(struct fl_decoder *d, struct fl_json reason, const struct fl_chat_sink *sink)
{
    enum fl_finish finish = fl_anthropic_finish(reason);
    bool stops = finish == FL_FINISH_STOP || finish == FL_FINISH_TOOL_CALLS;
    if (d->finish_seen) {
        return;
    }
    d->finish_seen = true;
    d->finish = !stops ? finish : d->calls > 0 ? FL_FINISH_TOOL_CALLS : FL_FINISH_STOP;
    fl_emit_finish(sink, 0, d->finish, FL_EMPTY);
}

static void take_usage(struct fl_decoder *d, struct fl_json usage, const struct fl_chat_sink *sink)
{
    if (fl_usage_read(FL_USAGE_BEDROCK, usage, &d->usage)) {
        d->usage_known = true;
        fl_emit_usage(sink, &d->usage);
    }
}

static void done(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (!d->done) {
        d->done = true;
        fl_emit(sink, FL_CHAT_DONE, 0, FL_EMPTY);
    }
}

static void begin_call(struct fl_decoder *d, const struct fl_json *use,
                       const struct fl_chat_sink *sink)
{
    struct fl_chat_event event = {.kind = FL_CHAT_CALL_BEGIN, .call = d->calls++};
    event.id = fl_get_escaped(use[0]);
    event.name = fl_get_escaped(use[1]);
    sink->event(sink->owner, &event);
}

static const char *const use_keys[] = {"toolUseId", "name", "input", "type"};

/* Tools that Bedrock itself ran. */
static bool is_servers(const struct fl_json *use)
{
    return fl_get_is(use[3], "server_tool_use");
}

/* --- Whole answers --- */

enum { B_TEXT, B_REASONING, B_USE, B_CITATIONS, B_COUNT };
static const char *const block_keys[B_COUNT] = {"text", "reasoningContent", "toolUse",
                                                "citationsContent"};

static void take_reasoning(struct fl_json reasoning, const struct fl_chat_sink *sink)
{
    static const char *const keys[] = {"text", "signature"};
    struct fl_json r[2];
    fl_get_members(fl_json_get(reasoning, FL_LIT("reasoningText")), keys, 2, r);
    emit_text(sink, FL_CHAT_THINKING, r[0]);
    emit_text(sink, FL_CHAT_SIGNATURE, r[1]);
    emit_text(sink, FL_CHAT_REDACTED, fl_json_get(reasoning, FL_LIT("redactedContent")));
}

static void take_use(struct fl_decoder *d, struct fl_json use, const struct fl_chat_sink *sink)
{
    struct fl_json u[4];
    fl_get_members(use, use_keys, 4, u);
    struct fl_slice input =
        u[2].type == FL_JSON_OBJECT ? fl_get_escaping(u[2].span, d->arena) : FL_LIT("{}");
    if (fl_get_is(u[1], FL_ANSWER_TOOL)) {
        fl_emit(sink, FL_CHAT_TEXT, 0, input);
    } else if (!is_servers(u)) {
        begin_call(d, u, sink);
        fl_emit_arguments(sink, 0, d->calls - 1, input);
    }
}

static void take_block(struct fl_decoder *d, struct fl_json block, const struct fl_chat_sink *sink)
{
    struct fl_json b[B_COUNT], piece;
    fl_get_members(block, block_keys, B_COUNT, b);
    emit_text(sink, FL_CHAT_TEXT, b[B_TEXT]);
    if (b[B_REASONING].type == FL_JSON_OBJECT) {
        take_reasoning(b[B_REASONING], sink);
    }
    if (b[B_USE].type == FL_JSON_OBJECT) {
        take_use(d, b[B_USE], sink);
    }
    struct fl_json cited = fl_json_get(b[B_CITATIONS], FL_LIT("content"));
    struct fl_json_iter it = fl_json_iter(cited);
    while (cited.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &piece)) {
        emit_text(sink, FL_CHAT_TEXT, fl_json_get(piece, FL_LIT("text")));
    }
}

enum fl_err fl_converse_take_answer(struct fl_decoder *d, struct fl_slice body,
                                    const struct fl_chat_sink *sink)
{
    enum { A_OUTPUT, A_REASON, A_USAGE, A_MESSAGE, A_CONTENT, A_COUNT };
    struct fl_json_watch w[A_COUNT] = {
        [A_OUTPUT] = {.key = FL_LIT("output")},   [A_REASON] = {.key = FL_LIT("stopReason")},
        [A_USAGE] = {.key = FL_LIT("usage")},     [A_MESSAGE] = {.key = FL_LIT("message")},
        [A_CONTENT] = {.key = FL_LIT("content")},
    };
    const struct fl_slice path[] = {FL_LIT("message"), FL_LIT("content")};
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    struct fl_json whole, block;
    if (fl_json_scan(body, limits, w, A_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (w[A_CONTENT].value.type == FL_JSON_ARRAY) {
        return fl_anthropic_take_answer(d, body, sink);
    }
    if (fl_json_get(w[A_OUTPUT].value, FL_LIT("message")).type != FL_JSON_OBJECT) {
        d->failed =
            true; /* an error, told with 200: {"message": ...} or {"Output": {"__type": ...}} */
        fl_emit_error(sink, fl_bedrock_error_of(0, FL_EMPTY, body),
                      fl_get_escaped(w[A_MESSAGE].value), FL_EMPTY);
        return FL_ERR_ERROR_IN_200;
    }
    start(d, sink);
    struct fl_json content = fl_json_at(w[A_OUTPUT].value, path, 2);
    struct fl_json_iter it = fl_json_iter(content);
    while (content.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &block)) {
        take_block(d, block, sink);
    }
    finish(d, w[A_REASON].value, sink);
    take_usage(d, w[A_USAGE].value, sink);
    done(d, sink);
    return d->arena->failed ? FL_ERR_TOO_BIG : FL_OK;
}

/* --- Streams --- */

enum { E_INDEX, E_START, E_DELTA, E_REASON, E_USAGE, E_COUNT };

static void block_start(struct fl_decoder *d, const struct fl_json *e,
                        const struct fl_chat_sink *sink)
{
    struct fl_json u[4], use = fl_json_get(e[E_START], FL_LIT("toolUse"));
    uint64_t index = 0;
    unsigned at = d->call_count;
    fl_get_members(use, use_keys, 4, u);
    if (use.type != FL_JSON_OBJECT || is_servers(u) || at == FL_CALLS_MAX) {
        return;
    }
    (void)fl_json_u64(e[E_INDEX], &index);
    d->call_count++;
    d->call_map[at].key = (unsigned)index;
    d->call_map[at].call = FL_CALL_IS_ANSWER;
    if (!fl_get_is(u[1], FL_ANSWER_TOOL)) {
        d->call_map[at].call = d->calls;
        begin_call(d, u, sink);
    }
}

static void block_delta(struct fl_decoder *d, const struct fl_json *e,
                        const struct fl_chat_sink *sink)
{
    static const char *const keys[] = {"text", "toolUse", "reasoningContent"};
    static const char *const reasoning_keys[] = {"text", "signature", "redactedContent"};
    struct fl_json v[3], r[3];
    fl_get_members(e[E_DELTA], keys, 3, v);
    emit_text(sink, FL_CHAT_TEXT, v[0]);
    if (v[1].type == FL_JSON_OBJECT) {
        uint64_t index = 0;
        struct fl_slice text = fl_get_escaped(fl_json_get(v[1], FL_LIT("input")));
        (void)fl_json_u64(e[E_INDEX], &index);
        unsigned at = fl_claude_call_of(d, index);
        if (at < d->call_count && text.len > 0) {
            fl_claude_arguments(d, at, text, sink);
        }
    }
    if (v[2].type == FL_JSON_OBJECT) {
        fl_get_members(v[2], reasoning_keys, 3, r);
        emit_text(sink, FL_CHAT_THINKING, r[0]);
        emit_text(sink, FL_CHAT_SIGNATURE, r[1]);
        emit_text(sink, FL_CHAT_REDACTED, r[2]);
    }
}

static void block_stop(struct fl_decoder *d, const struct fl_json *e,
                       const struct fl_chat_sink *sink)
{
    uint64_t index = 0;
    (void)fl_json_u64(e[E_INDEX], &index);
    fl_claude_stop_call(d, fl_claude_call_of(d, index), sink);
}

static void take_event(struct fl_decoder *d, struct fl_slice name, const struct fl_json *e,
                       const struct fl_chat_sink *sink)
{
    if (fl_slice_eq(name, FL_LIT("contentBlockDelta"))) {
        block_delta(d, e, sink);
    } else if (fl_slice_eq(name, FL_LIT("contentBlockStart"))) {
        block_start(d, e, sink);
    } else if (fl_slice_eq(name, FL_LIT("contentBlockStop"))) {
        block_stop(d, e, sink);
    } else if (fl_slice_eq(name, FL_LIT("messageStop"))) {
        fl_claude_stop_calls(d, sink);
        finish(d, e[E_REASON], sink);
    } else if (fl_slice_eq(name, FL_LIT("metadata"))) {
        take_usage(d, e[E_USAGE], sink);
        if (d->finish_seen) {
            done(d, sink);
        }
    }
}

enum fl_err fl_converse_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                   const struct fl_chat_sink *sink)
{
    struct fl_json_watch w[E_COUNT] = {
        [E_INDEX] = {.key = FL_LIT("contentBlockIndex")},
        [E_START] = {.key = FL_LIT("start")},
        [E_DELTA] = {.key = FL_LIT("delta")},
        [E_REASON] = {.key = FL_LIT("stopReason")},
        [E_USAGE] = {.key = FL_LIT("usage")},
    };
    struct fl_json e[E_COUNT], whole;
    if (frame->exception) {
        fl_bedrock_take_exception(d, frame, sink);
        return FL_OK;
    }
    if (d->done || d->failed) {
        return FL_OK;
    }
    if (fl_slice_eq(frame->name, FL_LIT("chunk"))) {
        d->block_kind = OF_INVOKE;
        return fl_anthropic_take_chunk(d, frame, sink);
    }
    if (fl_json_scan(frame->data, FL_JSON_LIMITS, w, E_COUNT, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
    }
    for (unsigned i = 0; i < E_COUNT; i++) {
        e[i] = w[i].value;
    }
    start(d, sink);
    take_event(d, frame->name, e, sink);
    return FL_OK;
}

enum fl_err fl_converse_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (d->done || d->failed) {
        return FL_OK;
    }
    if (!d->finish_seen || d->block_kind == OF_INVOKE) {
        return FL_ERR_CLOSED;
    }
    done(d, sink); /* whole, though nobody told what it cost */
    return FL_OK;
}

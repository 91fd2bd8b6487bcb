/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads answers of responses, whole and streamed (PROTOCOLS.md section 2.1).
 *
 * Texts and arguments are told from the deltas; where a server sends none, from the .done event, else
 * from the item, else from the whole response at the end. A reasoning item's encrypted content becomes
 * a signature, "<item's id>#<content>", since it can only go back under its id. Items of tools that
 * the provider runs itself are passed over. A server that answers in chunks of chat completions is
 * read as one.
 */
#include "dialect/cite.h"
#include "dialect/openai_wire.h"

#include <stdlib.h>

enum { marks_max = 64 };

/* What was told already: an item's output_index, with the part's index and kind. */
struct own {
    uint64_t told[marks_max];
    unsigned told_count, told_next;
    unsigned items;            /* seen in events */
    uint64_t part;             /* mark of the last text that was told of: */
    uint64_t part_from, chars; /* characters of text before it, and in all */
};

enum told_kind { TOLD_TEXT, TOLD_REFUSAL, TOLD_SUMMARY, TOLD_REASONING, TOLD_ITEM, TOLD_CITATION };

static uint64_t mark_of(uint64_t item, uint64_t part, enum told_kind kind)
{
    return item << 24 | (part & 0xffff) << 8 | (uint64_t)kind | UINT64_C(1) << 63;
}

static bool is_told(const struct own *own, uint64_t mark)
{
    for (unsigned i = 0; i < own->told_count; i++) {
        if (own->told[i] == mark) {
            return true;
        }
    }
    return false;
}

static void tell(struct own *own, uint64_t mark)
{
    unsigned last = (own->told_next + marks_max - 1) % marks_max;
    if (own->told_count > 0 && (own->told[last] == mark || is_told(own, mark))) {
        return;
    }
    own->told[own->told_next] = mark; /* the oldest is forgotten: its item is long over */
    own->told_next = (own->told_next + 1) % marks_max;
    own->told_count += own->told_count < marks_max;
}

/* --- Calls --- */

static int find_call(const struct fl_decoder *d, uint64_t item)
{
    for (int i = (int)d->call_count - 1; i >= 0; i--) {
        if (d->call_map[i].key == item) {
            return i;
        }
    }
    return -1;
}

enum {
    I_TYPE,
    I_ID,
    I_CALL_ID,
    I_NAME,
    I_ARGUMENTS,
    I_INPUT,
    I_CONTENT,
    I_SUMMARY,
    I_ENCRYPTED,
    I_EXTRA,
    I_COUNT
};
static const struct fl_slice item_keys[I_COUNT] = {
    [I_TYPE] = {"type", 4},
    [I_ID] = {"id", 2},
    [I_CALL_ID] = {"call_id", 7},
    [I_NAME] = {"name", 4},
    [I_ARGUMENTS] = {"arguments", 9},
    [I_INPUT] = {"input", 5},
    [I_CONTENT] = {"content", 7},
    [I_SUMMARY] = {"summary", 7},
    [I_ENCRYPTED] = {"encrypted_content", 17},
    [I_EXTRA] = {"extra_content", 13},
};

static int begin_call(struct fl_decoder *d, uint64_t item, const struct fl_json *v,
                      const struct fl_chat_sink *sink)
{
    static const struct fl_slice path[] = {{"google", 6}, {"thought_signature", 17}};
    int at = find_call(d, item);
    if (at >= 0 || d->call_count == FL_CALLS_MAX || item > 0x7fffffff) {
        return at;
    }
    unsigned n = d->call_count++;
    struct fl_slice id = fl_get_escaped(v[I_CALL_ID]);
    struct fl_chat_event event = {.kind = FL_CHAT_CALL_BEGIN,
                                  .call = d->calls,
                                  .id = id.len > 0 ? id : fl_get_escaped(v[I_ID]),
                                  .name = fl_get_escaped(v[I_NAME]),
                                  .signature = fl_get_escaped(fl_json_at(v[I_EXTRA], path, 2))};
    d->call_map[n].key = (unsigned)item;
    d->call_map[n].choice = 0;
    d->call_map[n].call = d->calls++;
    d->call_map[n].arguments = false;
    sink->event(sink->owner, &event);
    return (int)n;
}

static void take_arguments(struct fl_decoder *d, int at, struct fl_slice escaped,
                           const struct fl_chat_sink *sink)
{
    if (at >= 0 && escaped.len > 0) {
        d->call_map[at].arguments = true;
        fl_emit_arguments(sink, 0, d->call_map[at].call, escaped);
    }
}

/* The whole arguments, where no piece of them came. */
static void take_late_arguments(struct fl_decoder *d, int at, struct fl_json arguments,
                                struct fl_json input, const struct fl_chat_sink *sink)
{
    if (at < 0 || d->call_map[at].arguments) {
        return;
    }
    struct fl_slice late = arguments.type == FL_JSON_OBJECT
                               ? fl_get_escaping(arguments.span, d->arena)
                               : fl_get_escaped(arguments);
    if (late.len == 0 &&
        input.type == FL_JSON_STRING) { /* a custom tool's, told when it is whole */
        late = fl_get_escaping(fl_openai_input_object(input, d->arena), d->arena);
    }
    take_arguments(d, at, late, sink);
}

/* --- Texts --- */

static enum fl_chat_event_kind event_of(enum told_kind kind)
{
    return kind == TOLD_TEXT      ? FL_CHAT_TEXT
           : kind == TOLD_REFUSAL ? FL_CHAT_REFUSAL
                                  : FL_CHAT_THINKING;
}

struct said {
    uint64_t item, part;
    enum told_kind kind;
    struct fl_json text, logprobs;
};

/* Where in the whole text citations of a part count from. */
static void count_text(struct own *own, uint64_t mark, struct fl_slice text)
{
    own->part_from = own->part == mark ? own->part_from : own->chars;
    own->part = mark;
    own->chars += fl_escaped_chars(text);
}

/* *late*: a whole text, told only if no piece of it was. */
static void take_text(struct fl_decoder *d, struct said said, bool late,
                      const struct fl_chat_sink *sink)
{
    struct fl_chat_event event = {.kind = event_of(said.kind), .text = fl_get_escaped(said.text)};
    uint64_t mark = mark_of(said.item, said.part, said.kind);
    if (event.text.len == 0 || (late && is_told(d->own, mark))) {
        return;
    }
    tell(d->own, mark);
    if (said.kind == TOLD_TEXT) {
        event.logprobs = fl_get_elements(said.logprobs);
        count_text(d->own, mark, event.text);
    }
    sink->event(sink->owner, &event);
}

/* {"type": "url_citation", ...}; its places are of the part alone. */
static void take_annotation(const struct fl_decoder *d, uint64_t item, uint64_t part,
                            struct fl_json annotation, const struct fl_chat_sink *sink)
{
    struct own *own = d->own;
    tell(own, mark_of(item, part, TOLD_CITATION));
    if (fl_get_is(fl_json_get(annotation, FL_LIT("type")), "url_citation")) {
        bool known = own->part == mark_of(item, part, TOLD_TEXT);
        fl_cite_take(annotation, known ? own->part_from : own->chars, 0, sink);
    }
}

/* All of a part's, unless they were told one by one. */
static void take_annotations(const struct fl_decoder *d, uint64_t item, uint64_t part,
                             struct fl_json list, const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json one;
    if (list.type != FL_JSON_ARRAY || is_told(d->own, mark_of(item, part, TOLD_CITATION))) {
        return;
    }
    while (fl_json_next(&it, NULL, &one)) {
        take_annotation(d, item, part, one, sink);
    }
}

static void take_parts(struct fl_decoder *d, uint64_t item, struct fl_json parts,
                       enum told_kind kind, const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(parts);
    struct fl_json part;
    uint64_t n = 0;
    while (parts.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &part)) {
        enum { TEXT, REFUSAL, LOGPROBS, ANNOTATIONS, COUNT };
        static const struct fl_slice keys[COUNT] = {
            {"text", 4}, {"refusal", 7}, {"logprobs", 8}, {"annotations", 11}};
        struct fl_json v[COUNT];
        fl_get_fields(part, keys, COUNT, v);
        take_text(d, (struct said){item, n, kind, v[TEXT], v[LOGPROBS]}, true, sink);
        if (kind == TOLD_TEXT) {
            take_text(d, (struct said){item, n, TOLD_REFUSAL, v[REFUSAL], v[LOGPROBS]}, true, sink);
            take_annotations(d, item, n, v[ANNOTATIONS], sink);
        }
        n++;
    }
}

static void take_encrypted(struct fl_decoder *d, const struct fl_json *v,
                           const struct fl_chat_sink *sink)
{
    struct fl_slice id = fl_get_escaped(v[I_ID]), text = fl_get_escaped(v[I_ENCRYPTED]);
    size_t bytes = id.len + 1 + text.len;
    char *joined = text.len > 0 ? fl_arena_take(d->arena, bytes) : NULL;
    struct fl_buf b;
    if (joined) {
        fl_buf_init_in(&b, joined, bytes);
        fl_buf_put(&b, id);
        fl_buf_putc(&b, '#');
        fl_buf_put(&b, text);
        fl_emit(sink, FL_CHAT_SIGNATURE, 0, fl_buf_slice(&b));
    }
}

/* --- Items --- */

static bool is_call(struct fl_json type)
{
    return fl_get_is(type, "function_call") || fl_get_is(type, "custom_tool_call");
}

static void take_item_added(struct fl_decoder *d, uint64_t index, struct fl_json item,
                            const struct fl_chat_sink *sink)
{
    struct fl_json v[I_COUNT];
    struct own *own = d->own;
    fl_get_fields(item, item_keys, I_COUNT, v);
    own->items++;
    if (is_call(v[I_TYPE])) {
        (void)begin_call(d, index, v, sink);
    }
}

/* A whole item: what was not told of it yet. */
static void take_item(struct fl_decoder *d, uint64_t index, struct fl_json item,
                      const struct fl_chat_sink *sink)
{
    struct own *own = d->own;
    struct fl_json v[I_COUNT];
    uint64_t mark = mark_of(index, 0, TOLD_ITEM);
    if (is_told(own, mark)) {
        return;
    }
    tell(own, mark);
    own->items++;
    fl_get_fields(item, item_keys, I_COUNT, v);
    if (is_call(v[I_TYPE])) {
        int at = begin_call(d, index, v, sink);
        take_late_arguments(d, at, v[I_ARGUMENTS], v[I_INPUT], sink);
        if (at >= 0 && !d->call_map[at].arguments) { /* the call is over */
            take_arguments(d, at, FL_LIT("{}"), sink);
        }
    } else if (fl_get_is(v[I_TYPE], "message")) {
        take_parts(d, index, v[I_CONTENT], TOLD_TEXT, sink);
    } else if (fl_get_is(v[I_TYPE], "reasoning")) {
        take_parts(d, index, v[I_SUMMARY], TOLD_SUMMARY, sink);
        take_parts(d, index, v[I_CONTENT], TOLD_REASONING, sink);
        take_encrypted(d, v, sink);
    }
}

static void take_output(struct fl_decoder *d, struct fl_json output,
                        const struct fl_chat_sink *sink)
{
    struct fl_json_iter it = fl_json_iter(output);
    struct fl_json item;
    uint64_t index = 0;
    while (output.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &item)) {
        take_item(d, index++, item, sink);
    }
}

/* --- The response --- */

enum {
    R_ID,
    R_MODEL,
    R_CREATED,
    R_STATUS,
    R_OUTPUT,
    R_USAGE,
    R_ERROR,
    R_INCOMPLETE,
    R_CHOICES,
    R_COUNT
};
static const struct fl_slice response_keys[R_COUNT] = {
    [R_ID] = {"id", 2},
    [R_MODEL] = {"model", 5},
    [R_CREATED] = {"created_at", 10},
    [R_STATUS] = {"status", 6},
    [R_OUTPUT] = {"output", 6},
    [R_USAGE] = {"usage", 5},
    [R_ERROR] = {"error", 5},
    [R_INCOMPLETE] = {"incomplete_details", 18},
    [R_CHOICES] = {"choices", 7},
};

static void start(struct fl_decoder *d, const struct fl_json *v, const struct fl_chat_sink *sink)
{
    struct fl_slice created = fl_get_number(v[R_CREATED]);
    struct fl_chat_event event = {
        .kind = FL_CHAT_START, .id = fl_get_escaped(v[R_ID]), .name = fl_get_escaped(v[R_MODEL])};
    created = fl_slice_first(created, fl_slice_find(created, '.')); /* some tell fractions */
    (void)fl_slice_u64(created, &event.created_s);
    if (!d->started) {
        d->started = true;
        sink->event(sink->owner, &event);
    }
}

static void complete_calls(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    for (unsigned i = 0; i < d->call_count; i++) {
        if (!d->call_map[i].arguments) {
            take_arguments(d, (int)i, FL_LIT("{}"), sink);
        }
    }
}

static void emit_usage(const struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (d->usage_known) {
        fl_emit_usage(sink, &d->usage);
    }
}

/* The response as it stands at the end, or as a whole answer. */
static void finish(struct fl_decoder *d, const struct fl_json *v, struct fl_json whole,
                   const struct fl_chat_sink *sink)
{
    struct fl_json reason = fl_json_get(v[R_INCOMPLETE], FL_LIT("reason"));
    enum fl_finish finish = d->calls > 0 ? FL_FINISH_TOOL_CALLS : FL_FINISH_STOP;
    d->usage_known = fl_usage_read_any(v[R_USAGE], &d->usage) || d->usage_known;
    if (fl_get_is(v[R_STATUS], "failed") || fl_get_is(v[R_STATUS], "cancelled")) {
        emit_usage(d, sink);
        d->failed = true;
        fl_openai_emit_error(sink, v[R_ERROR], whole);
        return;
    }
    if (fl_get_is(v[R_STATUS], "incomplete")) {
        finish = fl_get_is(reason, "content_filter") ? FL_FINISH_CONTENT_FILTER : FL_FINISH_LENGTH;
    }
    complete_calls(d, sink);
    d->finish_seen = d->done = true;
    d->finish = finish;
    fl_emit_finish(sink, 0, finish, FL_EMPTY);
    emit_usage(d, sink);
    fl_emit(sink, FL_CHAT_DONE, 0, FL_EMPTY);
}

static enum fl_err prepare(struct fl_decoder *d)
{
    d->own = d->own ? d->own : calloc(1, sizeof(struct own));
    d->block_kind = FL_OPENAI_READS_RESPONSES;
    return d->own ? FL_OK : FL_ERR_NOMEM;
}

enum fl_err fl_openai_responses_take_answer(struct fl_decoder *d, struct fl_slice body,
                                            const struct fl_chat_sink *sink)
{
    struct fl_json_watch w[R_COUNT];
    struct fl_json v[R_COUNT], whole;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    for (unsigned i = 0; i < R_COUNT; i++) {
        w[i] = (struct fl_json_watch){.key = response_keys[i]};
    }
    if (fl_json_scan(body, limits, w, R_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    for (unsigned i = 0; i < R_COUNT; i++) {
        v[i] = w[i].value;
    }
    if (v[R_CHOICES].type == FL_JSON_ARRAY) {
        return fl_openai_chat_take_answer(d, body, sink);
    }
    enum fl_err err = prepare(d);
    if (err) {
        return err;
    }
    bool error = v[R_ERROR].type == FL_JSON_OBJECT || v[R_ERROR].type == FL_JSON_STRING;
    if (v[R_OUTPUT].type != FL_JSON_ARRAY) {
        if (error) {
            d->failed = true;
            fl_openai_emit_error(sink, v[R_ERROR], whole);
        }
        return error ? FL_ERR_ERROR_IN_200 : FL_ERR_BAD_RESPONSE;
    }
    start(d, v, sink);
    take_output(d, v[R_OUTPUT], sink);
    finish(d, v, whole, sink);
    return d->arena->failed ? FL_ERR_NOMEM : d->failed ? FL_ERR_ERROR_IN_200 : FL_OK;
}

/* --- Streams --- */

enum {
    F_TYPE,
    F_INDEX,
    F_PART,
    F_SUMMARY,
    F_DELTA,
    F_TEXT,
    F_REFUSAL,
    F_ARGUMENTS,
    F_INPUT,
    F_ITEM,
    F_RESPONSE,
    F_ERROR,
    F_CHOICES,
    F_LOGPROBS,
    F_ANNOTATION,
    F_COUNT
};
static const struct fl_slice frame_keys[F_COUNT] = {
    [F_TYPE] = {"type", 4},
    [F_INDEX] = {"output_index", 12},
    [F_PART] = {"content_index", 13},
    [F_SUMMARY] = {"summary_index", 13},
    [F_DELTA] = {"delta", 5},
    [F_TEXT] = {"text", 4},
    [F_REFUSAL] = {"refusal", 7},
    [F_ARGUMENTS] = {"arguments", 9},
    [F_INPUT] = {"input", 5},
    [F_ITEM] = {"item", 4},
    [F_RESPONSE] = {"response", 8},
    [F_ERROR] = {"error", 5},
    [F_CHOICES] = {"choices", 7},
    [F_LOGPROBS] = {"logprobs", 8},
    [F_ANNOTATION] = {"annotation", 10},
};

enum frame_type {
    T_OTHER,
    T_TEXT_DELTA,
    T_ARGUMENTS_DELTA,
    T_SUMMARY_DELTA,
    T_REASONING_DELTA,
    T_REFUSAL_DELTA,
    T_TEXT_DONE,
    T_ARGUMENTS_DONE,
    T_SUMMARY_DONE,
    T_REASONING_DONE,
    T_REFUSAL_DONE,
    T_INPUT_DONE,
    T_ANNOTATION,
    T_ITEM_ADDED,
    T_ITEM_DONE,
    T_CREATED,
    T_COMPLETED,
    T_INCOMPLETE,
    T_FAILED,
    T_ERROR
};

static enum frame_type type_of(struct fl_json type)
{
#define TYPE(name, which)                                                                          \
    {                                                                                              \
        {name, sizeof(name) - 1}, which                                                            \
    }
    static const struct {
        struct fl_slice name;
        enum frame_type type;
    } types[] = {
        TYPE("response.output_text.delta", T_TEXT_DELTA),
        TYPE("response.function_call_arguments.delta", T_ARGUMENTS_DELTA),
        TYPE("response.reasoning_summary_text.delta", T_SUMMARY_DELTA),
        TYPE("response.reasoning_text.delta", T_REASONING_DELTA),
        TYPE("response.refusal.delta", T_REFUSAL_DELTA),
        TYPE("response.output_text.done", T_TEXT_DONE),
        TYPE("response.function_call_arguments.done", T_ARGUMENTS_DONE),
        TYPE("response.reasoning_summary_text.done", T_SUMMARY_DONE),
        TYPE("response.reasoning_text.done", T_REASONING_DONE),
        TYPE("response.refusal.done", T_REFUSAL_DONE),
        TYPE("response.custom_tool_call_input.done", T_INPUT_DONE),
        TYPE("response.output_text.annotation.added", T_ANNOTATION),
        TYPE("response.output_item.added", T_ITEM_ADDED),
        TYPE("response.output_item.done", T_ITEM_DONE),
        TYPE("response.created", T_CREATED),
        TYPE("response.completed", T_COMPLETED),
        TYPE("response.incomplete", T_INCOMPLETE),
        TYPE("response.failed", T_FAILED),
        TYPE("response.cancelled", T_FAILED),
        TYPE("error", T_ERROR),
    };
#undef TYPE
    struct fl_slice said = fl_get_escaped(type);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (fl_slice_eq(said, types[i].name)) {
            return types[i].type;
        }
    }
    return T_OTHER;
}

static void take_response(struct fl_decoder *d, enum frame_type type, const struct fl_json_watch *w,
                          const struct fl_chat_sink *sink)
{
    struct fl_json v[R_COUNT];
    const struct own *own = d->own;
    fl_get_fields(w[F_RESPONSE].value, response_keys, R_COUNT, v);
    start(d, v, sink);
    if (type == T_CREATED) {
        return;
    }
    if (own->items == 0) {
        take_output(d, v[R_OUTPUT], sink);
    }
    if (v[R_STATUS].type != FL_JSON_STRING) { /* told by the event's name alone */
        v[R_STATUS].type = FL_JSON_STRING;
        v[R_STATUS].span = type == T_COMPLETED    ? FL_LIT("\"completed\"")
                           : type == T_INCOMPLETE ? FL_LIT("\"incomplete\"")
                                                  : FL_LIT("\"failed\"");
    }
    finish(d, v, w[F_RESPONSE].value, sink);
}

static void take_error(struct fl_decoder *d, const struct fl_json_watch *w, struct fl_json whole,
                       const struct fl_chat_sink *sink)
{
    emit_usage(d, sink);
    d->failed = true;
    fl_openai_emit_error(sink, w[F_ERROR].value, whole);
}

static void take_event(struct fl_decoder *d, enum frame_type type, const struct fl_json_watch *w,
                       struct fl_json whole, const struct fl_chat_sink *sink)
{
    uint64_t item = 0, part = 0, summary = 0;
    (void)fl_json_u64(w[F_INDEX].value, &item);
    (void)fl_json_u64(w[F_PART].value, &part);
    (void)fl_json_u64(w[F_SUMMARY].value, &summary);
    struct fl_json delta = w[F_DELTA].value, text = w[F_TEXT].value, likely = w[F_LOGPROBS].value;
    switch (type) {
    case T_TEXT_DELTA:
        take_text(d, (struct said){item, part, TOLD_TEXT, delta, likely}, false, sink);
        break;
    case T_REFUSAL_DELTA:
        take_text(d, (struct said){item, part, TOLD_REFUSAL, delta, likely}, false, sink);
        break;
    case T_SUMMARY_DELTA:
        take_text(d, (struct said){item, summary, TOLD_SUMMARY, delta, likely}, false, sink);
        break;
    case T_REASONING_DELTA:
        take_text(d, (struct said){item, part, TOLD_REASONING, delta, likely}, false, sink);
        break;
    case T_ARGUMENTS_DELTA:
        take_arguments(d, find_call(d, item), fl_get_escaped(delta), sink);
        break;
    case T_TEXT_DONE:
        take_text(d, (struct said){item, part, TOLD_TEXT, text, likely}, true, sink);
        break;
    case T_REFUSAL_DONE:
        take_text(d, (struct said){item, part, TOLD_REFUSAL, w[F_REFUSAL].value, likely}, true,
                  sink);
        break;
    case T_SUMMARY_DONE:
        take_text(d, (struct said){item, summary, TOLD_SUMMARY, text, likely}, true, sink);
        break;
    case T_REASONING_DONE:
        take_text(d, (struct said){item, part, TOLD_REASONING, text, likely}, true, sink);
        break;
    case T_ARGUMENTS_DONE:
    case T_INPUT_DONE:
        take_late_arguments(d, find_call(d, item), w[F_ARGUMENTS].value, w[F_INPUT].value, sink);
        break;
    case T_ANNOTATION:
        take_annotation(d, item, part, w[F_ANNOTATION].value, sink);
        break;
    case T_ITEM_ADDED:
        take_item_added(d, item, w[F_ITEM].value, sink);
        break;
    case T_ITEM_DONE:
        take_item(d, item, w[F_ITEM].value, sink);
        break;
    case T_CREATED:
    case T_COMPLETED:
    case T_INCOMPLETE:
    case T_FAILED:
        take_response(d, type, w, sink);
        break;
    case T_ERROR:
        take_error(d, w, whole, sink);
        break;
    case T_OTHER:
        break;
    }
}

/* Texts before any response.created: the answer has begun all the same. */
static void start_late(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    static const struct fl_json nothing[R_COUNT] = {{FL_JSON_NONE, {NULL, 0}}};
    start(d, nothing, sink);
}

enum fl_err fl_openai_responses_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                           const struct fl_chat_sink *sink)
{
    struct fl_json_watch w[F_COUNT];
    struct fl_json whole;
    struct fl_slice data = fl_slice_trim(frame->data);
    if (d->block_kind == FL_OPENAI_READS_CHUNKS) {
        return fl_openai_chat_take_frame(d, frame, sink);
    }
    if (d->done || d->failed || data.len == 0 || fl_slice_eq(data, FL_LIT("[DONE]"))) {
        return FL_OK;
    }
    for (unsigned i = 0; i < F_COUNT; i++) {
        w[i] = (struct fl_json_watch){.key = frame_keys[i]};
    }
    if (fl_json_scan(data, FL_JSON_LIMITS, w, F_COUNT, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
    }
    if (!d->started && !d->own && w[F_CHOICES].value.type == FL_JSON_ARRAY) {
        d->block_kind = FL_OPENAI_READS_CHUNKS;
        return fl_openai_chat_take_frame(d, frame, sink);
    }
    enum fl_err err = prepare(d);
    if (err) {
        return err;
    }
    enum frame_type type = type_of(w[F_TYPE].value);
    bool error =
        w[F_ERROR].value.type == FL_JSON_OBJECT || fl_slice_eq(frame->name, FL_LIT("error"));
    if (type == T_OTHER && error) {
        type = T_ERROR;
    }
    if (!d->started && type == T_OTHER && w[F_TYPE].value.type != FL_JSON_STRING) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (!d->started && type != T_OTHER && type < T_CREATED) {
        start_late(d, sink);
    }
    take_event(d, type, w, whole, sink);
    return d->arena->failed ? FL_ERR_NOMEM : FL_OK;
}

enum fl_err fl_openai_responses_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (d->block_kind == FL_OPENAI_READS_CHUNKS) {
        return fl_openai_chat_take_end(d, sink);
    }
    return d->done || d->failed ? FL_OK : FL_ERR_CLOSED;
}

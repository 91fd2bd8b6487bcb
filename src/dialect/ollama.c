/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ollama's own dialect, a provider's side only: one JSON object a line, the last with "done": true.
 * A whole answer is that last object with all of the text in it.
 */
#include "dialect/ollama.h"

#include "base/hash.h"
#include "dialect/failure.h"
#include "dialect/put.h"
#include "dialect/usage.h"

enum { L_MODEL, L_MESSAGE, L_RESPONSE, L_DONE, L_REASON, L_ERROR, L_CREATED, L_COUNT };
static const char *const line_keys[L_COUNT] = {"model",       "message", "response",  "done",
                                               "done_reason", "error",   "created_at"};

struct line {
    struct fl_decoder *d;
    const struct fl_chat_sink *sink;
    struct fl_json whole, members[L_COUNT];
};

/* --- Events --- */

static struct fl_slice make_id(const struct line *l, struct fl_json call)
{
    enum { id_bytes = 29 };
    struct fl_slice seed = fl_get_escaped(l->members[L_CREATED]);
    struct fl_hash_key key = {l->d->calls, 0};
    char *text = fl_arena_take(l->d->arena, id_bytes);
    struct fl_buf b;
    if (!text) {
        return FL_EMPTY;
    }
    uint64_t hash = fl_hash(key, seed.len > 0 ? seed : call.span);
    fl_buf_init_in(&b, text, id_bytes);
    fl_buf_put(&b, FL_LIT("call_"));
    fl_buf_put_hex(&b, hash, 16);
    fl_buf_put_hex(&b, fl_mix64(hash) & 0xffffffff, 8);
    return fl_buf_slice(&b);
}

static void take_call(struct line *l, struct fl_json call)
{
    struct fl_json function = fl_json_get(call, FL_LIT("function"));
    struct fl_slice id = fl_get_escaped(fl_json_get(call, FL_LIT("id")));
    struct fl_slice name = fl_get_escaped(fl_json_get(function, FL_LIT("name")));
    struct fl_json arguments = fl_json_get(function, FL_LIT("arguments"));
    struct fl_slice raw = arguments.type == FL_JSON_OBJECT ? arguments.span : FL_LIT("{}");
    struct fl_slice text = arguments.type == FL_JSON_STRING ? fl_get_escaped(arguments)
                                                            : fl_get_escaping(raw, l->d->arena);
    if (name.len == 0 || l->d->calls >= FL_CALLS_MAX) {
        return;
    }
    struct fl_chat_event event = {.kind = FL_CHAT_CALL_BEGIN,
                                  .call = l->d->calls,
                                  .id = id.len > 0 ? id : make_id(l, call),
                                  .name = name};
    l->sink->event(l->sink->owner, &event);
    fl_emit_arguments(l->sink, 0, l->d->calls, text);
    l->d->calls++;
}

static void take_message(struct line *l)
{
    enum { M_CONTENT, M_THINKING, M_CALLS, M_COUNT };
    static const char *const keys[M_COUNT] = {"content", "thinking", "tool_calls"};
    struct fl_json m[M_COUNT], call;
    fl_get_members(l->members[L_MESSAGE], keys, M_COUNT, m);
    struct fl_slice thinking = fl_get_escaped(m[M_THINKING]), text = fl_get_escaped(m[M_CONTENT]);
    if (text.len == 0) {
        text = fl_get_escaped(l->members[L_RESPONSE]); /* of /api/generate */
    }
    if (thinking.len > 0) {
        fl_emit(l->sink, FL_CHAT_THINKING, 0, thinking);
    }
    if (text.len > 0) {
        fl_emit(l->sink, FL_CHAT_TEXT, 0, text);
    }
    if (m[M_CALLS].type == FL_JSON_ARRAY) {
        struct fl_json_iter it = fl_json_iter(m[M_CALLS]);
        while (fl_json_next(&it, NULL, &call)) {
            take_call(l, call);
        }
    }
}

static void take_done(struct line *l)
{
    struct fl_decoder *d = l->d;
    enum fl_finish finish =
        fl_get_is(l->members[L_REASON], "length") ? FL_FINISH_LENGTH : FL_FINISH_STOP;
    if (finish == FL_FINISH_STOP && d->calls > 0) {
        finish = FL_FINISH_TOOL_CALLS;
    }
    fl_emit_finish(l->sink, 0, finish, FL_EMPTY);
    if (fl_usage_read(FL_USAGE_OLLAMA, l->whole, &d->usage)) {
        d->usage_known = true;
        fl_emit_usage(l->sink, &d->usage);
    }
    d->finish_seen = d->done = true;
    fl_emit(l->sink, FL_CHAT_DONE, 0, FL_EMPTY);
}

/* False: no line of an answer. */
static bool take_line(struct fl_decoder *d, struct fl_slice text, const struct fl_chat_sink *sink)
{
    struct line l = {.d = d, .sink = sink};
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    if (fl_json_scan(text, limits, NULL, 0, &l.whole, NULL) || l.whole.type != FL_JSON_OBJECT) {
        return false;
    }
    fl_get_members(l.whole, line_keys, L_COUNT, l.members);
    if (l.members[L_ERROR].type == FL_JSON_STRING) {
        d->failed = true;
        fl_emit_error(sink, FL_ERR_SERVER, fl_get_escaped(l.members[L_ERROR]), FL_EMPTY);
        return true;
    }
    if (l.members[L_MESSAGE].type != FL_JSON_OBJECT &&
        l.members[L_RESPONSE].type != FL_JSON_STRING && l.members[L_DONE].type != FL_JSON_TRUE) {
        return false;
    }
    if (!d->started) {
        struct fl_chat_event event = {.kind = FL_CHAT_START,
                                      .name = fl_get_escaped(l.members[L_MODEL])};
        d->started = true;
        sink->event(sink->owner, &event);
    }
    take_message(&l);
    if (l.members[L_DONE].type == FL_JSON_TRUE) {
        take_done(&l);
    }
    return true;
}

static enum fl_err take_answer(struct fl_decoder *d, struct fl_slice body,
                               const struct fl_chat_sink *sink)
{
    if (!take_line(d, body, sink)) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (d->failed) {
        return FL_ERR_ERROR_IN_200;
    }
    return d->done ? FL_OK : FL_ERR_BAD_RESPONSE;
}

static enum fl_err take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                              const struct fl_chat_sink *sink)
{
    if (d->failed || d->done) {
        return FL_OK;
    }
    return take_line(d, frame->data, sink) || d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
}

static enum fl_err take_end(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    (void)sink;
    return d->failed || d->done ? FL_OK : FL_ERR_CLOSED;
}

/* --- Raw facts --- */

static enum fl_err read_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    enum { A_MESSAGE, A_RESPONSE, A_EMBEDDINGS, A_ERROR, A_COUNT };
    static const char *const keys[A_COUNT] = {"message", "response", "embeddings", "error"};
    struct fl_json m[A_COUNT], whole;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    if (fl_json_scan(body, limits, NULL, 0, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    fl_get_members(whole, keys, A_COUNT, m);
    (void)fl_usage_read(FL_USAGE_OLLAMA, whole, ret_usage);
    if (m[A_MESSAGE].type == FL_JSON_OBJECT || m[A_RESPONSE].type == FL_JSON_STRING ||
        m[A_EMBEDDINGS].type == FL_JSON_ARRAY) {
        return FL_OK;
    }
    return m[A_ERROR].type == FL_JSON_STRING ? FL_ERR_ERROR_IN_200 : FL_ERR_BAD_RESPONSE;
}

/* *in*: a line as the data of an event. */
static void read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                       struct fl_event_facts *ret_event, struct fl_usage *usage)
{
    enum { E_DONE, E_ERROR, E_COUNT };
    static const char *const keys[E_COUNT] = {"done", "error"};
    struct fl_json m[E_COUNT], whole;
    (void)endpoint;
    (void)check;
    *ret_event = (struct fl_event_facts){0};
    if (fl_json_scan(in->data, FL_JSON_LIMITS, NULL, 0, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return;
    }
    fl_get_members(whole, keys, E_COUNT, m);
    ret_event->valid = true;
    if (m[E_ERROR].type == FL_JSON_STRING) {
        ret_event->kind = FL_EVENT_ERROR;
    } else if (m[E_DONE].type == FL_JSON_TRUE) {
        ret_event->kind = FL_EVENT_DONE;
        ret_event->finish = true;
        (void)fl_usage_read(FL_USAGE_OLLAMA, whole, usage);
    }
}

static enum fl_err read_error(int status, struct fl_slice body)
{
    static const struct fl_failure_table only_status = {NULL, 0};
    return fl_failure_read(&only_status, status, body, FL_EMPTY);
}

static void put_path(const struct fl_ask *ask, struct fl_buf *b)
{
    fl_buf_put_cstr(b, ask->endpoint == FL_ENDPOINT_EMBEDDINGS ? "/api/embed" : "/api/chat");
}

const struct fl_wire fl_wire_ollama = {
    .name = "ollama/chat",
    .framing = FL_FRAMING_LINES,
    .write = fl_ollama_write,
    .take_answer = take_answer,
    .take_frame = take_frame,
    .take_end = take_end,
};

const struct fl_dialect fl_dialect_ollama_native = {
    .name = "ollama_native",
    .chat_wire = &fl_wire_ollama,
    .chat_endpoint = FL_ENDPOINT_CHAT,
    .embed_form = &fl_embed_ollama,
    .put_path = put_path,
    .models_path = "/api/tags",
    .read_answer = read_answer,
    .read_event = read_event,
    .read_error = read_error,
};

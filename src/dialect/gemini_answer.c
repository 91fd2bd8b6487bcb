/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Gemini answers, as events. A whole answer and a chunk of a stream have one shape.
 *
 *   chunk: candidates[{index, content{parts[]}, finishReason}], usageMetadata, responseId, modelVersion
 *
 * A stream has no terminal event, and some versions say STOP in every chunk. So why each candidate
 * ended is remembered, and told when the bytes end.
 */
#include "dialect/gemini.h"

#include "base/hash.h"
#include "dialect/put.h"
#include "dialect/usage.h"

enum { CANDIDATES_MAX = 8, FINISH_BITS = 4 };

enum { C_CANDIDATES, C_USAGE, C_FEEDBACK, C_MODEL, C_ID, C_ERROR, C_COUNT };
static const char *const chunk_keys[C_COUNT] = {"candidates",   "usageMetadata", "promptFeedback",
                                                "modelVersion", "responseId",    "error"};

/* --- Why a candidate ended: four bits each in decoder->blocks --- */

static enum fl_finish finish_of(const struct fl_decoder *d, unsigned choice)
{
    return (enum fl_finish)(d->blocks >> (choice * FINISH_BITS) & ((1u << FINISH_BITS) - 1));
}

static void set_finish(struct fl_decoder *d, unsigned choice, enum fl_finish finish)
{
    uint64_t mask = (uint64_t)((1u << FINISH_BITS) - 1) << (choice * FINISH_BITS);
    d->blocks = (d->blocks & ~mask) | (uint64_t)finish << (choice * FINISH_BITS);
    d->finish_seen = true;
}

/* In the order of Google's enumeration, which some clients ask to have as numbers. */
static const struct {
    const char *word;
    enum fl_finish finish;
} finishes[] = {
    {"FINISH_REASON_UNSPECIFIED", FL_FINISH_NONE},
    {"STOP", FL_FINISH_STOP},
    {"MAX_TOKENS", FL_FINISH_LENGTH},
    {"SAFETY", FL_FINISH_CONTENT_FILTER},
    {"RECITATION", FL_FINISH_CONTENT_FILTER},
    {"OTHER", FL_FINISH_ERROR},
    {"BLOCKLIST", FL_FINISH_CONTENT_FILTER},
    {"PROHIBITED_CONTENT", FL_FINISH_CONTENT_FILTER},
    {"SPII", FL_FINISH_CONTENT_FILTER},
    {"MALFORMED_FUNCTION_CALL", FL_FINISH_ERROR},
    {"LANGUAGE", FL_FINISH_CONTENT_FILTER},
    {"IMAGE_SAFETY", FL_FINISH_CONTENT_FILTER},
    {"IMAGE_PROHIBITED_CONTENT", FL_FINISH_CONTENT_FILTER},
    {"IMAGE_RECITATION", FL_FINISH_CONTENT_FILTER},
    {"IMAGE_OTHER", FL_FINISH_CONTENT_FILTER},
    {"NO_IMAGE", FL_FINISH_CONTENT_FILTER},
    {"UNEXPECTED_TOOL_CALL", FL_FINISH_ERROR},
    {"TOO_MANY_TOOL_CALLS", FL_FINISH_ERROR},
    {"MALFORMED_RESPONSE", FL_FINISH_ERROR},
};
enum { NUMBERED = 10 /* later ones are known by word only */ };

static enum fl_finish read_finish(struct fl_json reason)
{
    uint64_t number = 0;
    if (fl_json_u64(reason, &number)) {
        return number < NUMBERED ? finishes[number].finish : FL_FINISH_STOP;
    }
    for (size_t i = 0; i < sizeof(finishes) / sizeof(*finishes); i++) {
        if (fl_get_is(reason, finishes[i].word)) {
            return finishes[i].finish;
        }
    }
    return reason.type == FL_JSON_STRING ? FL_FINISH_STOP : FL_FINISH_NONE;
}

/* --- Parts --- */

struct chunk {
    struct fl_decoder *d;
    const struct fl_chat_sink *sink;
    struct fl_json members[C_COUNT];
    unsigned choice;
};

/* The same answer gives the same ids, whole or in pieces. */
static struct fl_slice make_id(const struct chunk *c, struct fl_json call, unsigned index)
{
    enum { id_bytes = 29 };
    struct fl_slice seed = fl_get_escaped(c->members[C_ID]);
    struct fl_hash_key key = {c->choice, index};
    char *text = fl_arena_take(c->d->arena, id_bytes);
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

/* A call comes whole. The rest of one that comes in pieces, which nobody asks for, has no name. */
static void take_call(struct chunk *c, struct fl_json call, struct fl_slice signature)
{
    enum { K_ID, K_NAME, K_ARGS, K_COUNT };
    static const char *const keys[K_COUNT] = {"id", "name", "args"};
    struct fl_json m[K_COUNT];
    fl_get_members(call, keys, K_COUNT, m);
    struct fl_slice name = fl_get_escaped(m[K_NAME]), id = fl_get_escaped(m[K_ID]);
    unsigned *calls = &c->d->choice_calls[c->choice];
    if (name.len == 0 || *calls >= FL_CALLS_MAX) {
        return;
    }
    struct fl_chat_event event = {.kind = FL_CHAT_CALL_BEGIN,
                                  .choice = c->choice,
                                  .call = *calls,
                                  .id = id.len > 0 ? id : make_id(c, call, *calls),
                                  .name = name,
                                  .signature = signature};
    c->sink->event(c->sink->owner, &event);
    struct fl_slice args = m[K_ARGS].type == FL_JSON_OBJECT ? m[K_ARGS].span : FL_LIT("{}");
    fl_emit_arguments(c->sink, c->choice, *calls, fl_get_escaping(args, c->d->arena));
    (*calls)++;
    c->d->calls++;
}

static void take_part(struct chunk *c, struct fl_json part)
{
    enum { P_TEXT, P_THOUGHT, P_SIGNATURE, P_CALL, P_COUNT };
    static const char *const keys[P_COUNT] = {"text", "thought", "thoughtSignature",
                                              "functionCall"};
    struct fl_json m[P_COUNT];
    fl_get_members(part, keys, P_COUNT, m);
    struct fl_slice text = fl_get_escaped(m[P_TEXT]), signature = fl_get_escaped(m[P_SIGNATURE]);
    bool thought = m[P_THOUGHT].type == FL_JSON_TRUE;
    if (text.len > 0) {
        fl_emit(c->sink, thought ? FL_CHAT_THINKING : FL_CHAT_TEXT, c->choice, text);
    }
    if (m[P_CALL].type == FL_JSON_OBJECT) {
        take_call(c, m[P_CALL], signature);
    } else if (thought && signature.len > 0) {
        fl_emit(c->sink, FL_CHAT_SIGNATURE, c->choice, signature);
    }
}

static void take_candidate(struct chunk *c, struct fl_json candidate)
{
    enum { D_INDEX, D_CONTENT, D_FINISH, D_COUNT };
    static const char *const keys[D_COUNT] = {"index", "content", "finishReason"};
    struct fl_json m[D_COUNT], part;
    uint64_t index = 0;
    fl_get_members(candidate, keys, D_COUNT, m);
    (void)fl_json_u64(m[D_INDEX], &index);
    if (index >= CANDIDATES_MAX) {
        return;
    }
    c->choice = (unsigned)index;
    struct fl_json parts = fl_json_get(m[D_CONTENT], FL_LIT("parts"));
    if (parts.type == FL_JSON_ARRAY) {
        struct fl_json_iter it = fl_json_iter(parts);
        while (fl_json_next(&it, NULL, &part)) {
            take_part(c, part);
        }
    }
    enum fl_finish finish = read_finish(m[D_FINISH]);
    if (finish != FL_FINISH_NONE) {
        set_finish(c->d, c->choice, finish);
    }
}

/* --- A chunk --- */

static void take_start(struct chunk *c)
{
    struct fl_chat_event event = {.kind = FL_CHAT_START,
                                  .id = fl_get_escaped(c->members[C_ID]),
                                  .name = fl_get_escaped(c->members[C_MODEL])};
    if (!c->d->started) {
        c->d->started = true;
        c->sink->event(c->sink->owner, &event);
    }
}

/* Counts go on from chunk to chunk, so the newest replaces; but one that a chunk leaves out stays. */
static void take_usage(struct chunk *c)
{
    struct fl_usage usage = {0}, *known = &c->d->usage;
    if (!fl_usage_read(FL_USAGE_GEMINI, c->members[C_USAGE], &usage)) {
        return;
    }
    if (c->d->usage_known && usage.tokens_in == 0) {
        usage.tokens_in = known->tokens_in;
        usage.tokens_cached = known->tokens_cached;
    }
    if (c->d->usage_known && usage.tokens_out == 0) {
        usage.tokens_out = known->tokens_out;
        usage.tokens_reasoning = known->tokens_reasoning;
    }
    *known = usage;
    c->d->usage_known = true;
    fl_emit_usage(c->sink, known);
}

static void take_error(struct chunk *c)
{
    struct fl_json error = c->members[C_ERROR];
    c->d->failed = true;
    fl_emit_error(c->sink, fl_gemini_read_error(0, error.span),
                  fl_get_escaped(fl_json_get(error, FL_LIT("message"))),
                  fl_get_escaped(fl_json_get(error, FL_LIT("status"))));
}

/* False: the value is no chunk at all. */
static bool take_chunk(struct fl_decoder *d, struct fl_json value, const struct fl_chat_sink *sink)
{
    struct chunk c = {.d = d, .sink = sink};
    struct fl_json candidate;
    fl_get_members(value, chunk_keys, C_COUNT, c.members);
    if (c.members[C_ERROR].type == FL_JSON_OBJECT) {
        take_error(&c);
        return true;
    }
    bool blocked = fl_json_get(c.members[C_FEEDBACK], FL_LIT("blockReason")).type == FL_JSON_STRING;
    bool some = c.members[C_CANDIDATES].type == FL_JSON_ARRAY;
    if (!some && !blocked && c.members[C_USAGE].type != FL_JSON_OBJECT) {
        return false;
    }
    take_start(&c);
    if (some) {
        struct fl_json_iter it = fl_json_iter(c.members[C_CANDIDATES]);
        while (fl_json_next(&it, NULL, &candidate)) {
            take_candidate(&c, candidate);
        }
    }
    if (blocked && !d->finish_seen) {
        set_finish(d, 0, FL_FINISH_CONTENT_FILTER);
    }
    take_usage(&c);
    return true;
}

/* One chunk, or an array of them: so errors come, and streams that were not asked for as events. */
static bool take_value(struct fl_decoder *d, struct fl_json value, const struct fl_chat_sink *sink)
{
    struct fl_json element;
    bool some = false;
    if (value.type == FL_JSON_OBJECT) {
        return take_chunk(d, value, sink);
    }
    if (value.type != FL_JSON_ARRAY) {
        return false;
    }
    struct fl_json_iter it = fl_json_iter(value);
    while (!d->failed && fl_json_next(&it, NULL, &element)) {
        some = take_chunk(d, element, sink) || some;
    }
    return some;
}

static void take_finish(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
        enum fl_finish finish = finish_of(d, i);
        if (finish == FL_FINISH_STOP && d->choice_calls[i] > 0) {
            finish = FL_FINISH_TOOL_CALLS;
        }
        if (finish != FL_FINISH_NONE) {
            fl_emit_finish(sink, i, finish, FL_EMPTY);
        }
    }
    d->done = true;
    fl_emit(sink, FL_CHAT_DONE, 0, FL_EMPTY);
}

enum fl_err fl_gemini_take_answer(struct fl_decoder *d, struct fl_slice body,
                                  const struct fl_chat_sink *sink)
{
    struct fl_json value;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    if (fl_json_scan(body, limits, NULL, 0, &value, NULL) || !take_value(d, value, sink)) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (d->failed) {
        return FL_ERR_ERROR_IN_200;
    }
    if (!d->finish_seen) {
        return FL_ERR_BAD_RESPONSE;
    }
    take_finish(d, sink);
    return FL_OK;
}

enum fl_err fl_gemini_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                 const struct fl_chat_sink *sink)
{
    struct fl_json value;
    if (d->failed || d->done) {
        return FL_OK;
    }
    bool valid = fl_json_scan(frame->data, FL_JSON_LIMITS, NULL, 0, &value, NULL) == FL_OK &&
                 take_value(d, value, sink);
    return valid || d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
}

enum fl_err fl_gemini_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    if (d->failed || d->done) {
        return FL_OK;
    }
    if (!d->finish_seen) {
        return FL_ERR_CLOSED;
    }
    take_finish(d, sink);
    return FL_OK;
}

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
#include "dialect/cite.h"
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
    struct fl_slice logprobs; /* of the candidate's text, not told yet */
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

static void say(struct chunk *c, struct fl_slice text)
{
    struct fl_chat_event event = {
        .kind = FL_CHAT_TEXT, .choice = c->choice, .text = text, .logprobs = c->logprobs};
    char bytes[256];
    struct fl_json_pieces pieces = {text};
    struct fl_slice piece;
    c->logprobs = FL_EMPTY;
    if (c->choice == 0) {
        c->d->chars += fl_escaped_chars(text);
        while (fl_json_pieces_next(&pieces, bytes, sizeof(bytes), &piece)) {
            c->d->block_from += piece.len; /* here: bytes of text told */
        }
    }
    c->sink->event(c->sink->owner, &event);
}

/* --- What the text rests on --- */

/* The places are in bytes of the text: the same as in characters when there are as many. */
static void take_support(struct chunk *c, struct fl_json support, struct fl_json pages)
{
    enum { SEGMENT, INDICES, COUNT };
    static const char *const keys[COUNT] = {"segment", "groundingChunkIndices"};
    static const char *const page_keys[] = {"uri", "title"};
    struct fl_json v[COUNT], p[2], index, page;
    uint64_t from = 0, to = 0, wanted = 0;
    fl_get_members(support, keys, COUNT, v);
    (void)fl_json_u64(fl_json_get(v[SEGMENT], FL_LIT("startIndex")), &from);
    (void)fl_json_u64(fl_json_get(v[SEGMENT], FL_LIT("endIndex")), &to);
    bool placed = c->choice == 0 && c->d->chars == c->d->block_from && to <= c->d->chars;
    struct fl_json_iter it = fl_json_iter(v[INDICES]);
    while (v[INDICES].type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &index)) {
        struct fl_json_iter at = fl_json_iter(pages);
        bool found = fl_json_u64(index, &wanted);
        for (uint64_t i = 0; found && i <= wanted; i++) {
            found = fl_json_next(&at, NULL, &page);
        }
        fl_get_members(found ? fl_json_get(page, FL_LIT("web")) : support, page_keys, 2, p);
        const struct fl_citation cited = {.url = fl_get_escaped(p[0]),
                                          .title = fl_get_escaped(p[1]),
                                          .from = placed ? from : 0,
                                          .to = placed ? to : 0};
        struct fl_chat_event event = {
            .kind = FL_CHAT_CITATION, .choice = c->choice, .citation = &cited};
        if (cited.url.len > 0) {
            c->sink->event(c->sink->owner, &event);
        }
    }
}

/* Told once, with the last chunk. */
static void take_grounding(struct chunk *c, struct fl_json grounding)
{
    enum { pages_max = 256 };
    struct fl_json pages = fl_json_get(grounding, FL_LIT("groundingChunks")), one;
    struct fl_json supports = fl_json_get(grounding, FL_LIT("groundingSupports"));
    struct fl_json_iter it = fl_json_iter(supports);
    unsigned count = 0;
    while (pages.type == FL_JSON_ARRAY && supports.type == FL_JSON_ARRAY && count++ < pages_max &&
           fl_json_next(&it, NULL, &one)) {
        take_support(c, one, pages);
    }
}

/* --- How likely its tokens were --- */

/* {"token", "logProbability"} */
static void put_token(struct fl_buf *b, struct fl_json candidate)
{
    static const char *const keys[] = {"token", "logProbability"};
    struct fl_json v[2];
    struct fl_slice number;
    fl_get_members(candidate, keys, 2, v);
    number = fl_get_number(v[1]);
    fl_put_comma(b);
    fl_buf_putc(b, '{');
    fl_put_text(b, "token", fl_get_escaped(v[0]));
    fl_put_raw(b, "logprob", number.len > 0 ? number : FL_LIT("0"));
    fl_put_raw(b, "bytes", FL_LIT("null"));
}

/* chosenCandidates[i] with topCandidates[i], as OpenAI tells them; into the arena. */
static struct fl_slice take_logprobs(struct chunk *c, struct fl_json result)
{
    struct fl_json chosen = fl_json_get(result, FL_LIT("chosenCandidates")), one, top, candidate;
    struct fl_json tops = fl_json_get(result, FL_LIT("topCandidates"));
    struct fl_json_iter it = fl_json_iter(chosen), at = fl_json_iter(tops);
    size_t most = 4 * result.span.len; /* each is told in fewer words than that */
    char *text = chosen.type == FL_JSON_ARRAY ? fl_arena_take(c->d->arena, most) : NULL;
    struct fl_buf b;
    if (!text) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, text, most);
    while (fl_json_next(&it, NULL, &one)) {
        bool some = tops.type == FL_JSON_ARRAY && fl_json_next(&at, NULL, &top);
        put_token(&b, one);
        fl_put_key(&b, "top_logprobs");
        fl_buf_putc(&b, '[');
        struct fl_json list = some ? fl_json_get(top, FL_LIT("candidates")) : chosen;
        struct fl_json_iter each = fl_json_iter(list);
        while (some && list.type == FL_JSON_ARRAY && fl_json_next(&each, NULL, &candidate)) {
            put_token(&b, candidate);
            fl_buf_putc(&b, '}');
        }
        fl_buf_put(&b, FL_LIT("]}"));
    }
    return fl_buf_ok(&b) ? fl_buf_slice(&b) : FL_EMPTY;
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
    if (text.len > 0 && thought) {
        fl_emit(c->sink, FL_CHAT_THINKING, c->choice, text);
    } else if (text.len > 0) {
        say(c, text);
    }
    if (m[P_CALL].type == FL_JSON_OBJECT) {
        take_call(c, m[P_CALL], signature);
    } else if (thought && signature.len > 0) {
        fl_emit(c->sink, FL_CHAT_SIGNATURE, c->choice, signature);
    }
}

static void take_candidate(struct chunk *c, struct fl_json candidate)
{
    enum { D_INDEX, D_CONTENT, D_FINISH, D_GROUNDING, D_LOGPROBS, D_COUNT };
    static const char *const keys[D_COUNT] = {"index", "content", "finishReason",
                                              "groundingMetadata", "logprobsResult"};
    struct fl_json m[D_COUNT], part;
    uint64_t index = 0;
    fl_get_members(candidate, keys, D_COUNT, m);
    (void)fl_json_u64(m[D_INDEX], &index);
    if (index >= CANDIDATES_MAX) {
        return;
    }
    c->choice = (unsigned)index;
    c->logprobs = m[D_LOGPROBS].type == FL_JSON_OBJECT ? take_logprobs(c, m[D_LOGPROBS]) : FL_EMPTY;
    struct fl_json parts = fl_json_get(m[D_CONTENT], FL_LIT("parts"));
    if (parts.type == FL_JSON_ARRAY) {
        struct fl_json_iter it = fl_json_iter(parts);
        while (fl_json_next(&it, NULL, &part)) {
            take_part(c, part);
        }
    }
    if (m[D_GROUNDING].type == FL_JSON_OBJECT) {
        take_grounding(c, m[D_GROUNDING]);
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

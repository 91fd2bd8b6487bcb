/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes answers of chat completions to clients (PROTOCOLS.md sections 1.2, 1.3).
 *
 * Thinking goes out as reasoning_content, and once more as reasoning_details, whose entries a client
 * can send back with their signatures; signatures of tool calls as extra_content, as Gemini does.
 */
#include "dialect/cite.h"
#include "dialect/openai_wire.h"

#include <stdlib.h>

static const char *finish_word(enum fl_finish finish, bool functions)
{
    switch (finish) {
    case FL_FINISH_LENGTH:
    case FL_FINISH_CONTEXT:
        return "length";
    case FL_FINISH_TOOL_CALLS:
        return functions ? "function_call" : "tool_calls";
    case FL_FINISH_CONTENT_FILTER:
        return "content_filter";
    case FL_FINISH_ERROR:
        return "error";
    case FL_FINISH_NONE:
    case FL_FINISH_STOP:
    case FL_FINISH_STOP_SEQUENCE:
    case FL_FINISH_PAUSE:
    default:
        return "stop";
    }
}

static bool functions_of(const struct fl_encoder *e)
{
    return e->request && e->request->functions;
}

static void put_head(const struct fl_encoder *e, const char *object, struct fl_buf *out)
{
    fl_buf_put(out, FL_LIT("{\"id\":\"chatcmpl-"));
    fl_buf_put(out, e->id);
    fl_buf_put(out, FL_LIT("\",\"object\":\""));
    fl_buf_put_cstr(out, object);
    fl_buf_put(out, FL_LIT("\",\"created\":"));
    fl_buf_put_u64(out, e->created_s);
    fl_buf_put(out, FL_LIT(",\"model\":"));
    fl_buf_put_json(out, e->model);
}

/* How every chunk of a stream begins: made once, the encoder's own. */
struct chunk_head {
    size_t len;
    char text[];
};

static void put_chunk_head(struct fl_encoder *e, struct fl_buf *out)
{
    struct chunk_head *head = e->own;
    size_t start = out->len;
    if (head) {
        fl_buf_put(out, fl_slice(head->text, head->len));
        return;
    }
    fl_buf_put(out, FL_LIT("data: "));
    put_head(e, "chat.completion.chunk", out);
    struct fl_slice made = fl_slice_from(fl_buf_slice(out), start);
    head = fl_buf_ok(out) ? malloc(sizeof(*head) + made.len) : NULL;
    if (head) { /* else it is made again next time */
        head->len = made.len;
        memcpy(head->text, made.ptr, made.len);
        e->own = head;
    }
}

/* Up to where the delta's members stand. */
static void begin_chunk(struct fl_encoder *e, unsigned choice, struct fl_buf *out)
{
    put_chunk_head(e, out);
    fl_buf_put(out, FL_LIT(",\"choices\":[{\"index\":"));
    fl_buf_put_u64(out, choice);
    fl_buf_put(out, FL_LIT(",\"delta\":{"));
}

/* Behind the delta and its log probabilities. */
static void end_choice(const struct fl_encoder *e, const char *finish, struct fl_buf *out)
{
    if (finish) {
        fl_buf_put(out, FL_LIT(",\"finish_reason\":"));
        fl_put_quoted(out, fl_slice_cstr(finish));
        fl_buf_put(out, FL_LIT("}]"));
    } else {
        fl_buf_put(out, FL_LIT(",\"finish_reason\":null}]"));
    }
    if (e->usage_asked) {
        fl_buf_put(out, FL_LIT(",\"usage\":null"));
    }
    fl_buf_put(out, FL_LIT("}\n\n"));
}

static void end_chunk(const struct fl_encoder *e, const char *finish, struct fl_buf *out)
{
    fl_buf_put(out, FL_LIT("},\"logprobs\":null"));
    end_choice(e, finish, out);
}

/* Each choice begins with a role; *content* is what stands beside it. */
static void put_role(struct fl_encoder *e, unsigned choice, const char *content, struct fl_buf *out)
{
    uint32_t bit = choice < 32 ? UINT32_C(1) << choice : 0;
    if (bit == 0 || (e->role_sent & bit)) {
        return;
    }
    e->role_sent |= bit;
    begin_chunk(e, choice, out);
    fl_buf_put(out, FL_LIT("\"role\":\"assistant\",\"content\":"));
    fl_buf_put_cstr(out, content);
    fl_buf_put(out, FL_LIT(",\"refusal\":null"));
    end_chunk(e, NULL, out);
}

static void put_text_chunk(struct fl_encoder *e, const struct fl_chat_event *event, const char *key,
                           struct fl_buf *out)
{
    if (event->text.len == 0 && event->logprobs.len == 0) {
        return;
    }
    put_role(e, event->choice, event->kind == FL_CHAT_TEXT ? "\"\"" : "null", out);
    begin_chunk(e, event->choice, out);
    fl_put_text(out, key, event->text);
    if (event->logprobs.len == 0) {
        end_chunk(e, NULL, out);
        return;
    }
    fl_buf_put(out, FL_LIT("},\"logprobs\":{\"content\":["));
    fl_buf_put(out, event->logprobs);
    fl_buf_put(out, FL_LIT("],\"refusal\":null}"));
    end_choice(e, NULL, out);
}

static void put_annotation(struct fl_buf *out, const struct fl_citation *citation)
{
    fl_put_comma(out);
    fl_buf_put(out, FL_LIT("{\"type\":\"url_citation\",\"url_citation\":{"));
    fl_cite_put(out, citation, 0);
    fl_buf_put(out, FL_LIT("}}"));
}

static void put_citation_chunk(struct fl_encoder *e, const struct fl_chat_event *event,
                               struct fl_buf *out)
{
    put_role(e, event->choice, "\"\"", out);
    begin_chunk(e, event->choice, out);
    fl_buf_put(out, FL_LIT("\"annotations\":["));
    put_annotation(out, event->citation);
    fl_buf_putc(out, ']');
    end_chunk(e, NULL, out);
}

static void put_detail(struct fl_buf *out, const char *type, const char *key, struct fl_slice text,
                       unsigned index)
{
    fl_buf_putc(out, '{');
    fl_put_word(out, "type", type);
    fl_put_text(out, key, text);
    fl_put_number(out, "index", index);
    fl_buf_putc(out, '}');
}

static void put_thought_chunk(struct fl_encoder *e, const struct fl_chat_event *event,
                              const char *type, const char *key, struct fl_buf *out)
{
    put_role(e, event->choice, "null", out);
    begin_chunk(e, event->choice, out);
    if (event->kind == FL_CHAT_THINKING) {
        fl_put_text(out, "reasoning_content", event->text);
    }
    fl_put_key(out, "reasoning_details");
    fl_buf_putc(out, '[');
    put_detail(out, type, key, event->text, e->next_index);
    fl_buf_putc(out, ']');
    end_chunk(e, NULL, out);
    e->next_index += event->kind != FL_CHAT_THINKING; /* the block is over */
}

static void put_signature(struct fl_buf *out, struct fl_slice signature)
{
    if (signature.len > 0) {
        fl_buf_put(out, FL_LIT(",\"extra_content\":{\"google\":{\"thought_signature\":"));
        fl_put_quoted(out, signature);
        fl_buf_put(out, FL_LIT("}}"));
    }
}

static void put_call_chunk(struct fl_encoder *e, const struct fl_chat_event *event,
                           struct fl_buf *out)
{
    if (functions_of(e) && event->call > 0) {
        return; /* there is room for one */
    }
    put_role(e, event->choice, "null", out);
    begin_chunk(e, event->choice, out);
    if (functions_of(e)) {
        fl_buf_put(out, FL_LIT("\"function_call\":{"));
    } else {
        fl_buf_put(out, FL_LIT("\"tool_calls\":[{"));
        fl_put_number(out, "index", event->call);
        fl_put_key(out, "id");
        fl_openai_put_call_id(out, e, event->id, event->choice, event->call);
        fl_buf_put(out, FL_LIT(",\"type\":\"function\",\"function\":{"));
    }
    fl_put_text(out, "name", event->name);
    fl_buf_put(out, FL_LIT(",\"arguments\":\"\"}"));
    if (!functions_of(e)) {
        put_signature(out, event->signature);
        fl_buf_put(out, FL_LIT("}]"));
    }
    end_chunk(e, NULL, out);
}

static void put_arguments_chunk(struct fl_encoder *e, const struct fl_chat_event *event,
                                struct fl_buf *out)
{
    if (event->text.len == 0 || (functions_of(e) && event->call > 0)) {
        return;
    }
    begin_chunk(e, event->choice, out);
    if (functions_of(e)) {
        fl_buf_put(out, FL_LIT("\"function_call\":{\"arguments\":"));
        fl_put_quoted(out, event->text);
        fl_buf_putc(out, '}');
    } else {
        fl_buf_put(out, FL_LIT("\"tool_calls\":[{\"index\":"));
        fl_buf_put_u64(out, event->call);
        fl_buf_put(out, FL_LIT(",\"function\":{\"arguments\":"));
        fl_put_quoted(out, event->text);
        fl_buf_put(out, FL_LIT("}}]"));
    }
    end_chunk(e, NULL, out);
}

static void put_end(struct fl_encoder *e, struct fl_buf *out)
{
    if (e->usage_asked && e->usage.known) {
        put_chunk_head(e, out);
        fl_buf_put(out, FL_LIT(",\"choices\":[],\"usage\":"));
        fl_openai_put_chat_usage(out, &e->usage);
        fl_buf_put(out, FL_LIT("}\n\n"));
    }
    fl_buf_put(out, FL_LIT("data: [DONE]\n\n"));
}

static void put_error(const struct fl_chat_event *event, struct fl_buf *out)
{
    fl_buf_put(out, FL_LIT("data: {\"error\":"));
    fl_openai_put_error_object(out, event->err, event->text, event->name);
    fl_buf_put(out, FL_LIT("}\n\n"));
}

static void put_finish(struct fl_encoder *e, const struct fl_chat_event *event, struct fl_buf *out)
{
    put_role(e, event->choice, "\"\"", out);
    begin_chunk(e, event->choice, out);
    end_chunk(e, finish_word(event->finish, functions_of(e)), out);
}

void fl_openai_chat_put_event(struct fl_encoder *e, const struct fl_chat_event *event,
                              struct fl_buf *out)
{
    if (e->done) {
        return;
    }
    switch (event->kind) {
    case FL_CHAT_START:
        e->started = true;
        break;
    case FL_CHAT_TEXT:
        put_text_chunk(e, event, "content", out);
        break;
    case FL_CHAT_REFUSAL:
        put_text_chunk(e, event, "refusal", out);
        break;
    case FL_CHAT_THINKING:
        put_thought_chunk(e, event, "reasoning.text", "text", out);
        break;
    case FL_CHAT_SIGNATURE:
        put_thought_chunk(e, event, "reasoning.text", "signature", out);
        break;
    case FL_CHAT_REDACTED:
        put_thought_chunk(e, event, "reasoning.encrypted", "data", out);
        break;
    case FL_CHAT_CITATION:
        put_citation_chunk(e, event, out);
        break;
    case FL_CHAT_CALL_BEGIN:
        put_call_chunk(e, event, out);
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        put_arguments_chunk(e, event, out);
        break;
    case FL_CHAT_PING:
        fl_buf_put(out, FL_LIT(": ping\n\n"));
        break;
    case FL_CHAT_FINISH:
        put_finish(e, event, out);
        break;
    case FL_CHAT_USAGE:
        e->usage = *event->usage;
        break;
    case FL_CHAT_ERROR:
        put_error(event, out);
        e->done = true;
        break;
    case FL_CHAT_DONE:
        put_end(e, out);
        e->done = true;
        break;
    }
}

/* --- A whole answer --- */

/* All texts of a kind as one string; false when there are none. */
static bool put_texts(struct fl_buf *out, const struct fl_chat_answer *answer, unsigned choice,
                      enum fl_block_kind kind, const char *key)
{
    bool some = false;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        if (b->kind != kind || b->choice != choice || fl_block_bytes(b) == 0) {
            continue;
        }
        if (!some) {
            fl_put_key(out, key);
            fl_buf_putc(out, '"');
        }
        fl_put_pieces_bare(out, b);
        some = true;
    }
    if (some) {
        fl_buf_putc(out, '"');
    }
    return some;
}

static void put_annotations(struct fl_buf *out, const struct fl_chat_answer *answer,
                            unsigned choice)
{
    bool some = false;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        for (const struct fl_cited *c = b->choice == choice ? b->cited : NULL; c; c = c->next) {
            if (!some) {
                fl_put_key(out, "annotations");
                fl_buf_putc(out, '[');
            }
            put_annotation(out, &c->citation);
            some = true;
        }
    }
    fl_buf_put(out, some ? FL_LIT("]") : FL_EMPTY);
}

/* Of all the texts of a choice. */
static void put_logprobs(struct fl_buf *out, const struct fl_chat_answer *answer, unsigned choice)
{
    bool some = false;
    fl_put_key(out, "logprobs");
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        bool text = b->kind == FL_BLOCK_TEXT && b->choice == choice;
        for (const struct fl_piece *p = text ? b->pieces : NULL; p; p = p->next) {
            if (p->logprobs.len > 0) {
                fl_buf_put(out, some ? FL_LIT(",") : FL_LIT("{\"content\":["));
                fl_buf_put(out, p->logprobs);
                some = true;
            }
        }
    }
    fl_buf_put(out, some ? FL_LIT("],\"refusal\":null}") : FL_LIT("null"));
}

static void put_details(struct fl_buf *out, const struct fl_chat_answer *answer, unsigned choice)
{
    unsigned index = 0;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        bool thinking = b->kind == FL_BLOCK_THINKING;
        if (b->choice != choice || (!thinking && b->kind != FL_BLOCK_REDACTED)) {
            continue;
        }
        if (index == 0) {
            fl_put_key(out, "reasoning_details");
            fl_buf_putc(out, '[');
        }
        fl_put_comma(out);
        fl_buf_putc(out, '{');
        fl_put_word(out, "type", thinking ? "reasoning.text" : "reasoning.encrypted");
        fl_put_key(out, thinking ? "text" : "data");
        fl_put_pieces(out, b);
        fl_put_text_if(out, "signature", b->signature);
        fl_put_number(out, "index", index++);
        fl_buf_putc(out, '}');
    }
    if (index > 0) {
        fl_buf_putc(out, ']');
    }
}

static void put_function(struct fl_buf *out, const struct fl_block *b)
{
    fl_buf_putc(out, '{');
    fl_put_text(out, "name", b->name);
    fl_put_key(out, "arguments");
    if (fl_block_bytes(b) > 0) {
        fl_put_pieces(out, b);
    } else {
        fl_buf_put(out, FL_LIT("\"{}\""));
    }
    fl_buf_putc(out, '}');
}

static void put_calls(const struct fl_encoder *e, struct fl_buf *out,
                      const struct fl_chat_answer *answer, unsigned choice)
{
    bool some = false;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        if (b->kind != FL_BLOCK_CALL || b->choice != choice) {
            continue;
        }
        if (functions_of(e)) {
            if (!some) {
                fl_put_key(out, "function_call");
                put_function(out, b);
            }
            some = true;
            continue;
        }
        if (!some) {
            fl_put_key(out, "tool_calls");
            fl_buf_putc(out, '[');
        }
        fl_put_comma(out);
        fl_buf_put(out, FL_LIT("{\"id\":"));
        fl_openai_put_call_id(out, e, b->id, choice, b->call);
        fl_buf_put(out, FL_LIT(",\"type\":\"function\",\"function\":"));
        put_function(out, b);
        put_signature(out, b->signature);
        fl_buf_putc(out, '}');
        some = true;
    }
    if (some && !functions_of(e)) {
        fl_buf_putc(out, ']');
    }
}

static void put_choice(const struct fl_encoder *e, struct fl_buf *out,
                       const struct fl_chat_answer *answer, unsigned choice)
{
    fl_put_comma(out);
    fl_buf_putc(out, '{');
    fl_put_number(out, "index", choice);
    fl_put_key(out, "message");
    fl_buf_put(out, FL_LIT("{\"role\":\"assistant\""));
    if (!put_texts(out, answer, choice, FL_BLOCK_TEXT, "content")) {
        fl_put_raw(out, "content", FL_LIT("null"));
    }
    if (!put_texts(out, answer, choice, FL_BLOCK_REFUSAL, "refusal")) {
        fl_put_raw(out, "refusal", FL_LIT("null"));
    }
    (void)put_texts(out, answer, choice, FL_BLOCK_THINKING, "reasoning_content");
    put_details(out, answer, choice);
    put_annotations(out, answer, choice);
    put_calls(e, out, answer, choice);
    fl_buf_putc(out, '}');
    put_logprobs(out, answer, choice);
    enum fl_finish finish = FL_FINISH_STOP;
    if (answer->choices && choice < answer->choice_count) {
        finish = answer->choices[choice].finish;
    }
    fl_put_word(out, "finish_reason", finish_word(finish, functions_of(e)));
    fl_buf_putc(out, '}');
}

void fl_openai_chat_put_answer(struct fl_encoder *e, const struct fl_chat_answer *answer,
                               struct fl_buf *out)
{
    unsigned count = answer->choice_count > 0 ? answer->choice_count : 1;
    put_head(e, "chat.completion", out);
    fl_put_key(out, "choices");
    fl_buf_putc(out, '[');
    for (unsigned i = 0; i < count; i++) {
        put_choice(e, out, answer, i);
    }
    fl_buf_putc(out, ']');
    if (answer->usage.known) {
        fl_put_key(out, "usage");
        fl_openai_put_chat_usage(out, &answer->usage);
    }
    fl_buf_putc(out, '}');
    e->done = true;
}

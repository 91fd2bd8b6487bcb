/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers for clients that speak Anthropic's messages. In a stream blocks follow one another and
 * never overlap, while other dialects may tell of several tool calls at once: what comes for a
 * call whose block is not open yet is kept until the open one's arguments are a whole JSON value,
 * or nothing more can come.
 */
#include "dialect/anthropic_resume.h"
#include "dialect/anthropic_wire.h"
#include "dialect/seal.h"

#include <stdlib.h>

enum { OPEN_NONE, OPEN_TEXT, OPEN_THINKING, OPEN_CALL };
enum { KEPT_BYTES_DEFAULT = 4 << 20 };

/* Follows the arguments of a call to their end. */
struct json_end {
    unsigned depth;
    bool in_string, escape, over;
};

struct waiting {
    struct waiting *next;
    unsigned call;
    struct fl_buf head; /* id and name, as members */
    struct fl_buf arguments;
    struct json_end end;
};

struct own {
    struct json_end end; /* of the open call */
    struct waiting *waiting, **tail;
    size_t kept_bytes;
};

static void follow(struct json_end *end, struct fl_slice escaped)
{
    char bytes[256];
    struct fl_json_pieces pieces = {escaped};
    struct fl_slice piece;
    while (fl_json_pieces_next(&pieces, bytes, sizeof(bytes), &piece)) {
        for (size_t i = 0; i < piece.len; i++) {
            char c = piece.ptr[i];
            if (end->in_string) {
                end->in_string = end->escape || c != '"';
                end->escape = !end->escape && c == '\\';
            } else if (c == '"') {
                end->in_string = true;
            } else if (c == '{' || c == '[') {
                end->depth++;
            } else if ((c == '}' || c == ']') && end->depth > 0) {
                end->over = --end->depth == 0;
            }
        }
    }
}

static void free_waiting(struct waiting *w)
{
    fl_buf_finish(&w->head);
    fl_buf_finish(&w->arguments);
    free(w);
}

static void finish_own(void *memory)
{
    struct own *own = memory;
    while (own->waiting) {
        struct waiting *w = own->waiting;
        own->waiting = w->next;
        free_waiting(w);
    }
}

static struct own *own_of(struct fl_encoder *e)
{
    if (!e->own) {
        struct own *own = calloc(1, sizeof(*own));
        if (own) {
            own->tail = &own->waiting;
        }
        e->own = own;
        e->own_finish = finish_own;
    }
    return e->own;
}

/* --- Parts of events --- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void put_usage(struct fl_buf *b, const struct fl_usage *u)
{
    fl_put_key(b, "usage");
    fl_buf_putc(b, '{');
    fl_put_number(b, "input_tokens",
                  less(less(u->tokens_in, u->tokens_cached), u->tokens_cache_write));
    fl_put_number(b, "cache_creation_input_tokens", u->tokens_cache_write);
    fl_put_number(b, "cache_read_input_tokens", u->tokens_cached);
    if (u->tokens_cache_write > 0) {
        fl_put_key(b, "cache_creation");
        fl_buf_putc(b, '{');
        fl_put_number(b, "ephemeral_5m_input_tokens",
                      less(u->tokens_cache_write, u->tokens_cache_write_1h));
        fl_put_number(b, "ephemeral_1h_input_tokens", u->tokens_cache_write_1h);
        fl_buf_putc(b, '}');
    }
    fl_put_number(b, "output_tokens", u->tokens_out);
    if (u->tokens_reasoning > 0) {
        fl_put_key(b, "output_tokens_details");
        fl_buf_putc(b, '{');
        fl_put_number(b, "thinking_tokens", u->tokens_reasoning);
        fl_buf_putc(b, '}');
    }
    if (u->searches > 0) {
        fl_put_key(b, "server_tool_use");
        fl_buf_putc(b, '{');
        fl_put_number(b, "web_search_requests", u->searches);
        fl_buf_putc(b, '}');
    }
    fl_buf_putc(b, '}');
}

static const char *stop_reason(enum fl_finish finish, bool calls, bool refused)
{
    switch (finish) {
    case FL_FINISH_STOP_SEQUENCE:
        return calls ? "tool_use" : "stop_sequence";
    case FL_FINISH_LENGTH:
        return "max_tokens";
    case FL_FINISH_CONTEXT:
        return "model_context_window_exceeded";
    case FL_FINISH_TOOL_CALLS:
        return calls ? "tool_use" : "end_turn";
    case FL_FINISH_CONTENT_FILTER:
        return "refusal";
    case FL_FINISH_PAUSE:
        return "pause_turn";
    case FL_FINISH_NONE:
    case FL_FINISH_STOP:
    case FL_FINISH_ERROR:
        break;
    }
    return calls ? "tool_use" : refused ? "refusal" : "end_turn";
}

static void put_stop(struct fl_buf *b, const char *reason, struct fl_slice sequence)
{
    fl_put_word(b, "stop_reason", reason);
    if (strcmp(reason, "stop_sequence") == 0 && sequence.len > 0) {
        fl_put_text(b, "stop_sequence", sequence);
    } else {
        fl_put_raw(b, "stop_sequence", FL_LIT("null"));
    }
}

static void put_message_head(const struct fl_encoder *e, struct fl_buf *b)
{
    fl_buf_put(b, FL_LIT("{\"id\":\"msg_"));
    fl_buf_put(b, e->id);
    fl_buf_put(b, FL_LIT("\",\"type\":\"message\",\"role\":\"assistant\""));
    fl_put_plain(b, "model", e->model);
}

/* --- Streams --- */

static void begin(struct fl_encoder *e, struct fl_buf *out)
{
    if (e->started) {
        return;
    }
    e->started = true;
    fl_buf_put(out, FL_LIT("event: message_start\ndata: {\"type\":\"message_start\",\"message\":"));
    put_message_head(e, out);
    fl_buf_put(out, FL_LIT(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null"));
    put_usage(out, &e->usage);
    fl_buf_put(out, FL_LIT("}}\n\n"));
}

static void close_block(struct fl_encoder *e, struct fl_buf *out)
{
    if (e->open == OPEN_NONE) {
        return;
    }
    fl_buf_put(
        out,
        FL_LIT("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"));
    fl_buf_put_u64(out, e->next_index - 1);
    fl_buf_put(out, FL_LIT("}\n\n"));
    e->open = OPEN_NONE;
    e->call_open = 0;
}

/* Up to the members of the block. */
static void open_block(struct fl_encoder *e, unsigned kind, struct fl_buf *out)
{
    close_block(e, out);
    e->open = kind;
    fl_buf_put(
        out,
        FL_LIT("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"));
    fl_buf_put_u64(out, e->next_index++);
    fl_buf_put(out, FL_LIT(",\"content_block\":{"));
}

static void put_delta(const struct fl_encoder *e, struct fl_slice head, struct fl_slice text,
                      struct fl_buf *out)
{
    fl_buf_put(
        out,
        FL_LIT("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"));
    fl_buf_put_u64(out, e->next_index - 1);
    fl_buf_put(out, head);
    fl_buf_put(out, text);
    fl_buf_put(out, FL_LIT("\"}}\n\n"));
}

static void put_arguments(const struct fl_encoder *e, struct fl_slice text, struct fl_buf *out)
{
    put_delta(e, FL_LIT(",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\""), text,
              out);
}

static void put_call_head(struct fl_buf *b, const struct fl_chat_event *event)
{
    fl_put_text(b, "id", event->id);
    fl_put_text(b, "name", event->name);
}

static void open_call(struct fl_encoder *e, unsigned call, struct fl_slice head, struct fl_buf *out)
{
    open_block(e, OPEN_CALL, out);
    e->call_open = call + 1;
    fl_buf_put(out, FL_LIT("\"type\":\"tool_use\","));
    fl_buf_put(out, head);
    fl_buf_put(out, FL_LIT(",\"input\":{}}}\n\n"));
}

/* Opens the calls that wait, as long as each is whole; all of them when *all*. */
static void open_waiting(struct fl_encoder *e, bool all, struct fl_buf *out)
{
    struct own *own = e->own;
    while (own && own->waiting && (all || e->open != OPEN_CALL || own->end.over)) {
        struct waiting *w = own->waiting;
        open_call(e, w->call, fl_buf_slice(&w->head), out);
        if (w->arguments.len > 0) {
            put_arguments(e, fl_buf_slice(&w->arguments), out);
        }
        own->end = w->end;
        own->kept_bytes -= w->arguments.len;
        own->waiting = w->next;
        own->tail = own->waiting ? own->tail : &own->waiting;
        free_waiting(w);
    }
}

static void put_failure(struct fl_encoder *e, enum fl_err err, struct fl_slice message,
                        struct fl_buf *out)
{
    fl_buf_put(out, FL_LIT("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\""));
    fl_buf_put_cstr(out, fl_anthropic_error_type(err));
    fl_buf_put(out, FL_LIT("\",\"message\":\""));
    fl_buf_put(out, message.len > 0 ? message : fl_slice_cstr(fl_err_text(err)));
    fl_buf_put(out, FL_LIT("\"}}\n\n"));
    e->done = true;
}

static void wait_call(struct fl_encoder *e, const struct fl_chat_event *event, struct fl_buf *out)
{
    struct own *own = own_of(e);
    struct waiting *w = own ? calloc(1, sizeof(*w)) : NULL;
    if (!w) {
        put_failure(e, FL_ERR_NOMEM, FL_EMPTY, out);
        return;
    }
    w->call = event->call;
    fl_buf_init(&w->head, 4096);
    fl_buf_init(&w->arguments, e->kept_bytes_max > 0 ? e->kept_bytes_max : KEPT_BYTES_DEFAULT);
    put_call_head(&w->head, event);
    *own->tail = w;
    own->tail = &w->next;
}

static void take_call(struct fl_encoder *e, const struct fl_chat_event *event, struct fl_buf *out)
{
    struct own *own = own_of(e);
    char head_bytes[1024];
    struct fl_buf head;
    e->calls_begun++;
    if (!own) {
        put_failure(e, FL_ERR_NOMEM, FL_EMPTY, out);
        return;
    }
    if (own->waiting || (e->open == OPEN_CALL && !own->end.over)) {
        wait_call(e, event, out);
        return;
    }
    fl_buf_init_in(&head, head_bytes, sizeof(head_bytes));
    put_call_head(&head, event);
    own->end = (struct json_end){0};
    if (!fl_buf_ok(&head)) {
        put_failure(e, FL_ERR_BAD_RESPONSE, FL_LIT("a tool call's name or id is too long"), out);
        return;
    }
    open_call(e, event->call, fl_buf_slice(&head), out);
}

static void take_arguments(struct fl_encoder *e, const struct fl_chat_event *event,
                           struct fl_buf *out)
{
    struct own *own = e->own;
    size_t max = e->kept_bytes_max > 0 ? e->kept_bytes_max : KEPT_BYTES_DEFAULT;
    if (event->text.len == 0) {
        return;
    }
    if (own && e->call_open == event->call + 1) {
        put_arguments(e, event->text, out);
        follow(&own->end, event->text);
        open_waiting(e, false, out);
        return;
    }
    struct waiting *w = own ? own->waiting : NULL;
    while (w && w->call != event->call) {
        w = w->next;
    }
    if (!w && (fl_text_is_blank(event->text) || fl_slice_eq(event->text, FL_LIT("{}")))) {
        return; /* white space behind the value; or what a call without arguments was taken for at its end */
    }
    if (!w) {
        put_failure(e, FL_ERR_BAD_RESPONSE, FL_LIT("arguments came for a tool call that was over"),
                    out);
        return;
    }
    own->kept_bytes += event->text.len;
    fl_buf_put(&w->arguments, event->text);
    follow(&w->end, event->text);
    if (own->kept_bytes > max || !fl_buf_ok(&w->arguments)) {
        put_failure(e, FL_ERR_BAD_RESPONSE,
                    FL_LIT("too much was told of too many tool calls at once"), out);
    }
}

/* Text between calls ends those that are open. */
static void take_text(struct fl_encoder *e, struct fl_slice text, struct fl_buf *out)
{
    if (text.len == 0) {
        return;
    }
    if (e->open != OPEN_TEXT) {
        open_waiting(e, true, out);
        open_block(e, OPEN_TEXT, out);
        fl_buf_put(out, FL_LIT("\"type\":\"text\",\"text\":\"\"}}\n\n"));
    }
    put_delta(e, FL_LIT(",\"delta\":{\"type\":\"text_delta\",\"text\":\""), text, out);
}

/* As one of a web search. What proves it to Anthropic is missing: a request that brings it back is written anew, without
 * it (dialect/seal.h). */
static void put_citation(struct fl_buf *b, const struct fl_citation *c)
{
    fl_buf_put(b, FL_LIT("{\"type\":\"web_search_result_location\""));
    fl_put_text(b, "url", c->url);
    fl_put_text(b, "title", c->title);
    fl_put_text(b, "encrypted_index", FL_LIT(FL_SEAL_MARK));
    fl_put_text(b, "cited_text", c->quote);
    fl_buf_putc(b, '}');
}

/* Of the text that grows, or that is about to begin. */
static void take_citation(struct fl_encoder *e, const struct fl_citation *c, struct fl_buf *out)
{
    if (e->open != OPEN_TEXT) {
        open_waiting(e, true, out);
        open_block(e, OPEN_TEXT, out);
        fl_buf_put(out, FL_LIT("\"type\":\"text\",\"text\":\"\"}}\n\n"));
    }
    fl_buf_put(
        out,
        FL_LIT("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"));
    fl_buf_put_u64(out, e->next_index - 1);
    fl_buf_put(out, FL_LIT(",\"delta\":{\"type\":\"citations_delta\",\"citation\":"));
    put_citation(out, c);
    fl_buf_put(out, FL_LIT("}}\n\n"));
}

static void open_thinking(struct fl_encoder *e, struct fl_buf *out)
{
    if (e->open != OPEN_THINKING) {
        open_waiting(e, true, out);
        open_block(e, OPEN_THINKING, out);
        fl_buf_put(out, FL_LIT("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"));
    }
}

static void take_redacted(struct fl_encoder *e, struct fl_slice data, struct fl_buf *out)
{
    open_waiting(e, true, out);
    open_block(e, OPEN_THINKING, out);
    fl_buf_put(out, FL_LIT("\"type\":\"redacted_thinking\""));
    fl_put_text(out, "data", data);
    fl_buf_put(out, FL_LIT("}}\n\n"));
    close_block(e, out);
}

static void take_finish(struct fl_encoder *e, const struct fl_chat_event *event)
{
    size_t len = event->stop_sequence.len;
    e->finish = event->finish;
    if (len > 0 && len <= sizeof(e->stop_text)) {
        memcpy(e->stop_text, event->stop_sequence.ptr, len);
        e->stop_sequence = fl_slice(e->stop_text, len);
    }
}

static void take_done(struct fl_encoder *e, struct fl_buf *out)
{
    open_waiting(e, true, out);
    close_block(e, out);
    if (e->finish == FL_FINISH_ERROR) {
        put_failure(e, FL_ERR_BAD_RESPONSE, FL_LIT("the model's answer was malformed"), out);
        return;
    }
    fl_buf_put(out, FL_LIT("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"));
    put_stop(out, stop_reason(e->finish, e->calls_begun > 0, e->role_sent & 1), e->stop_sequence);
    fl_buf_putc(out, '}');
    put_usage(out, &e->usage);
    fl_buf_put(out, FL_LIT("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    e->done = true;
}

void fl_anthropic_put_event(struct fl_encoder *e, const struct fl_chat_event *event,
                            struct fl_buf *out)
{
    if (e->done || event->choice > 0) {
        return;
    }
    if (event->kind == FL_CHAT_USAGE) {
        e->usage = *event->usage;
        return;
    }
    if (event->kind == FL_CHAT_ERROR) {
        put_failure(e, event->err, event->text, out);
        return;
    }
    if (event->kind == FL_CHAT_PING) {
        fl_buf_put(out, FL_LIT("event: ping\ndata: {\"type\":\"ping\"}\n\n"));
        return;
    }
    begin(e, out);
    switch (event->kind) {
    case FL_CHAT_REFUSAL:
        e->role_sent |= 1; /* here: refused */
        take_text(e, event->text, out);
        break;
    case FL_CHAT_TEXT:
        take_text(e, event->text, out);
        break;
    case FL_CHAT_THINKING:
        if (event->text.len > 0) {
            open_thinking(e, out);
            put_delta(e, FL_LIT(",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\""),
                      event->text, out);
        }
        break;
    case FL_CHAT_SIGNATURE:
        open_thinking(e, out);
        put_delta(e, FL_LIT(",\"delta\":{\"type\":\"signature_delta\",\"signature\":\""),
                  event->text, out);
        close_block(e, out);
        break;
    case FL_CHAT_REDACTED:
        take_redacted(e, event->text, out);
        break;
    case FL_CHAT_CITATION:
        if (e->open == OPEN_TEXT || e->calls_begun == 0) { /* a text that is over stays as it is */
            take_citation(e, event->citation, out);
        }
        break;
    case FL_CHAT_CALL_BEGIN:
        take_call(e, event, out);
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        take_arguments(e, event, out);
        break;
    case FL_CHAT_FINISH:
        take_finish(e, event);
        break;
    case FL_CHAT_DONE:
        take_done(e, out);
        break;
    case FL_CHAT_START:
    case FL_CHAT_PING:
    case FL_CHAT_USAGE:
    case FL_CHAT_ERROR:
        break;
    }
}

void fl_anthropic_encode_midway(struct fl_encoder *e, const struct fl_anthropic_place *place,
                                unsigned calls)
{
    static const unsigned open[] = {[FL_ANTHROPIC_NO_BLOCK] = OPEN_NONE,
                                    [FL_ANTHROPIC_TEXT_BLOCK] = OPEN_TEXT,
                                    [FL_ANTHROPIC_THINKING_BLOCK] = OPEN_THINKING,
                                    [FL_ANTHROPIC_CALL_BLOCK] = OPEN_CALL,
                                    [FL_ANTHROPIC_OTHER_BLOCK] = OPEN_THINKING};
    struct own *own = place->open == FL_ANTHROPIC_CALL_BLOCK ? own_of(e) : NULL;
    e->started = true;
    e->open = open[place->open];
    e->next_index = (unsigned)place->next_index;
    e->calls_begun = calls;
    if (own) {
        own->end.over = true;
    }
}

/* --- Whole answers --- */

static void put_block(struct fl_buf *b, const struct fl_block *block, struct fl_arena *arena)
{
    fl_put_comma(b);
    switch (block->kind) {
    case FL_BLOCK_TEXT:
    case FL_BLOCK_REFUSAL:
        fl_buf_put(b, FL_LIT("{\"type\":\"text\",\"text\":"));
        fl_put_pieces(b, block);
        for (const struct fl_cited *c = block->cited; c; c = c->next) {
            fl_buf_put_cstr(b, c == block->cited ? ",\"citations\":[" : ",");
            put_citation(b, &c->citation);
        }
        fl_buf_put(b, block->cited ? FL_LIT("]") : FL_EMPTY);
        break;
    case FL_BLOCK_THINKING:
        fl_buf_put(b, FL_LIT("{\"type\":\"thinking\",\"thinking\":"));
        fl_put_pieces(b, block);
        fl_put_text(b, "signature", block->signature);
        break;
    case FL_BLOCK_REDACTED:
        fl_buf_put(b, FL_LIT("{\"type\":\"redacted_thinking\",\"data\":"));
        fl_put_pieces(b, block);
        break;
    case FL_BLOCK_CALL:
        fl_buf_put(b, FL_LIT("{\"type\":\"tool_use\""));
        fl_put_text(b, "id", block->id);
        fl_put_text(b, "name", block->name);
        fl_put_key(b, "input");
        fl_put_input(b, block, arena);
        break;
    }
    fl_buf_putc(b, '}');
}

void fl_anthropic_put_answer(struct fl_encoder *e, const struct fl_chat_answer *answer,
                             struct fl_buf *out)
{
    bool calls = false, refused = false;
    enum fl_finish finish = FL_FINISH_NONE;
    struct fl_slice sequence = FL_EMPTY;
    put_message_head(e, out);
    fl_put_key(out, "content");
    fl_buf_putc(out, '[');
    for (const struct fl_block *block = answer->blocks; block; block = block->next) {
        if (block->choice == 0) {
            calls = calls || block->kind == FL_BLOCK_CALL;
            refused = refused || block->kind == FL_BLOCK_REFUSAL;
            put_block(out, block, answer->arena);
        }
    }
    fl_buf_putc(out, ']');
    if (answer->choice_count > 0) {
        finish = answer->choices[0].finish;
        sequence = answer->choices[0].stop_sequence;
    }
    put_stop(out, stop_reason(finish, calls, refused), sequence);
    put_usage(out, &answer->usage);
    fl_buf_putc(out, '}');
    e->done = true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Output items and the response object around them, as clients of responses get them. */
#include "dialect/openai_responses_put.h"

#include "dialect/cite.h"
#include "dialect/openai.h"

/* --- Items --- */

static const char *prefix_of(const struct fl_encoder *e, const struct fl_block *block)
{
    switch (block->kind) {
    case FL_BLOCK_THINKING:
        return FL_RS_THINKING;
    case FL_BLOCK_REDACTED:
        return FL_RS_REDACTED;
    case FL_BLOCK_CALL:
        return fl_openai_is_custom(e->request, block->name) ? FL_CUSTOM_ID : FL_CALL_ID;
    case FL_BLOCK_TEXT:
    case FL_BLOCK_REFUSAL:
    default:
        return FL_MSG_ID;
    }
}

bool fl_openai_made_id(struct fl_slice id)
{
    static const char *const prefixes[] = {FL_RESP_ID,   FL_MSG_ID,      FL_CALL_ID,
                                           FL_CUSTOM_ID, FL_RS_THINKING, FL_RS_REDACTED};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        if (fl_slice_starts(id, fl_slice_cstr(prefixes[i]))) {
            return true;
        }
    }
    return false;
}

void fl_responses_put_item_id(struct fl_buf *b, const struct fl_encoder *e,
                              const struct fl_block *block, unsigned index)
{
    fl_buf_putc(b, '"');
    fl_buf_put_cstr(b, prefix_of(e, block));
    fl_buf_put(b, fl_slice_first(e->id, 24));
    fl_buf_put_hex(b, index, 4);
    fl_buf_putc(b, '"');
}

void fl_responses_put_annotation(struct fl_buf *b, const struct fl_citation *citation,
                                 uint64_t base)
{
    fl_buf_put(b, FL_LIT("{\"type\":\"url_citation\""));
    fl_cite_put(b, citation, base);
    fl_buf_putc(b, '}');
}

void fl_responses_put_logprobs(struct fl_buf *b, const struct fl_block *block)
{
    fl_put_key(b, "logprobs");
    if (!block || !fl_put_logprobs(b, block)) {
        fl_buf_put(b, FL_LIT("[]"));
    }
}

void fl_responses_put_part(struct fl_buf *b, const struct fl_block *block, bool whole)
{
    static const char *const types[] = {[FL_BLOCK_TEXT] = "output_text",
                                        [FL_BLOCK_REFUSAL] = "refusal",
                                        [FL_BLOCK_THINKING] = "summary_text"};
    fl_buf_putc(b, '{');
    fl_put_word(b, "type", types[block->kind]);
    if (block->kind == FL_BLOCK_TEXT) {
        fl_put_key(b, "annotations");
        fl_buf_putc(b, '[');
        for (const struct fl_cited *c = whole ? block->cited : NULL; c; c = c->next) {
            fl_put_comma(b);
            fl_responses_put_annotation(b, &c->citation, block->text_from);
        }
        fl_buf_putc(b, ']');
        fl_responses_put_logprobs(b, whole ? block : NULL);
    }
    fl_put_key(b, block->kind == FL_BLOCK_REFUSAL ? "refusal" : "text");
    if (whole) {
        fl_put_pieces(b, block);
    } else {
        fl_buf_put(b, FL_LIT("\"\""));
    }
    fl_buf_putc(b, '}');
}

/* The text in {"input": "..."}; all of the arguments when they are something else. */
void fl_responses_put_input(struct fl_buf *b, const struct fl_encoder *e,
                            const struct fl_block *call)
{
    struct fl_buf joined, decoded;
    struct fl_json whole, input = {FL_JSON_NONE, FL_EMPTY};
    fl_buf_init(&joined, e->kept_bytes_max);
    fl_buf_init(&decoded, e->kept_bytes_max);
    fl_put_pieces_bare(&joined, call);
    fl_put_decoded(&decoded, fl_buf_slice(&joined));
    if (fl_json_scan(fl_buf_slice(&decoded), FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK) {
        input = fl_json_get(whole, FL_LIT("input"));
    }
    if (input.type == FL_JSON_STRING) {
        fl_buf_put(b, input.span);
    } else {
        fl_put_quoted(b, fl_buf_slice(&joined));
    }
    fl_buf_finish(&joined);
    fl_buf_finish(&decoded);
}

static void put_call(struct fl_buf *b, const struct fl_encoder *e, const struct fl_block *block,
                     bool whole)
{
    bool custom = fl_openai_is_custom(e->request, block->name);
    fl_put_key(b, custom ? "input" : "arguments");
    if (!whole) {
        fl_buf_put(b, FL_LIT("\"\""));
    } else if (custom) {
        fl_responses_put_input(b, e, block);
    } else if (fl_block_bytes(block) > 0) {
        fl_put_pieces(b, block);
    } else {
        fl_buf_put(b, FL_LIT("\"{}\""));
    }
    fl_put_key(b, "call_id");
    fl_openai_put_call_id(b, e, block->id, block->choice, block->call);
    fl_put_text(b, "name", block->name);
    if (block->signature.len > 0) {
        fl_put_key(b, "extra_content");
        fl_buf_put(b, FL_LIT("{\"google\":{"));
        fl_put_text(b, "thought_signature", block->signature);
        fl_buf_put(b, FL_LIT("}}"));
    }
}

static void put_thinking(struct fl_buf *b, const struct fl_block *block, bool whole)
{
    fl_put_key(b, "summary");
    fl_buf_putc(b, '[');
    if (whole && block->kind == FL_BLOCK_THINKING && fl_block_bytes(block) > 0) {
        fl_responses_put_part(b, block, true);
    }
    fl_buf_putc(b, ']');
    if (whole && block->kind == FL_BLOCK_REDACTED) {
        fl_put_key(b, "encrypted_content");
        fl_put_pieces(b, block);
    } else if (whole) {
        fl_put_text_if(b, "encrypted_content", block->signature);
    }
}

static void put_message(struct fl_buf *b, const struct fl_block *block, bool whole)
{
    fl_put_word(b, "role", "assistant");
    fl_put_key(b, "content");
    fl_buf_putc(b, '[');
    if (whole) {
        fl_responses_put_part(b, block, true);
    }
    fl_buf_putc(b, ']');
}

void fl_responses_put_item(struct fl_buf *b, const struct fl_encoder *e,
                           const struct fl_block *block, unsigned index, const char *status)
{
    bool whole = strcmp(status, "in_progress") != 0;
    bool thinking = block->kind == FL_BLOCK_THINKING || block->kind == FL_BLOCK_REDACTED;
    bool call = block->kind == FL_BLOCK_CALL;
    const char *type = thinking                                       ? "reasoning"
                       : !call                                        ? "message"
                       : fl_openai_is_custom(e->request, block->name) ? "custom_tool_call"
                                                                      : "function_call";
    fl_buf_put(b, FL_LIT("{\"id\":"));
    fl_responses_put_item_id(b, e, block, index);
    fl_put_word(b, "type", type);
    if (!thinking) {
        fl_put_word(b, "status", status);
    }
    if (call) {
        put_call(b, e, block, whole);
    } else if (thinking) {
        put_thinking(b, block, whole);
    } else {
        put_message(b, block, whole);
    }
    fl_buf_putc(b, '}');
}

/* --- The response --- */

static void put_echoed_tool(struct fl_buf *b, const struct fl_tool *t)
{
    fl_put_comma(b);
    if (t->native.len > 0) {
        fl_buf_put(b, t->native);
        return;
    }
    fl_buf_putc(b, '{');
    fl_put_word(b, "type", t->custom ? "custom" : "function");
    fl_put_text(b, "name", t->name);
    fl_put_text_if(b, "description", t->description);
    if (t->custom) {
        fl_put_raw_if(b, "format", t->custom_format);
    } else {
        fl_put_raw(b, "parameters", t->schema.len > 0 ? t->schema : FL_LIT("null"));
        fl_put_flag(b, "strict", t->strict);
    }
    fl_buf_putc(b, '}');
}

static void put_echoed_choice(struct fl_buf *b, const struct fl_chat_request *r)
{
    static const char *const words[] = {"auto", "auto", "none", "required"};
    if (r && r->tool_choice == FL_TOOL_CHOICE_NAMED) {
        fl_put_key(b, "tool_choice");
        fl_buf_putc(b, '{');
        fl_put_word(b, "type", "function");
        fl_put_text(b, "name", r->tool_choice_name);
        fl_buf_putc(b, '}');
    } else {
        fl_put_word(b, "tool_choice", words[r ? r->tool_choice : FL_TOOL_CHOICE_ABSENT]);
    }
}

static void put_echoed_format(struct fl_buf *b, const struct fl_chat_request *r)
{
    fl_put_key(b, "text");
    fl_buf_put(b, FL_LIT("{\"format\":{"));
    if (r && r->format == FL_FORMAT_SCHEMA) {
        fl_put_word(b, "type", "json_schema");
        fl_put_text(b, "name", r->format_name);
        fl_put_raw_if(b, "schema", r->format_schema);
        fl_put_flag(b, "strict", r->format_strict);
    } else {
        fl_put_word(b, "type", r && r->format == FL_FORMAT_JSON ? "json_object" : "text");
    }
    fl_buf_put(b, FL_LIT("}}"));
}

/* What the client asked, told again; the defaults where it did not say. */
static void put_echo(struct fl_buf *b, const struct fl_encoder *e)
{
    const struct fl_chat_request *r = e->request;
    const char *effort = r ? fl_openai_effort_word(r->effort) : NULL;
    fl_put_flag(b, "parallel_tool_calls", !(r && r->parallel_off));
    if (e->keeper && e->keeper->previous.len > 0) {
        fl_put_text(b, "previous_response_id", e->keeper->previous);
    } else {
        fl_put_raw(b, "previous_response_id", FL_LIT("null"));
    }
    fl_put_key(b, "reasoning");
    fl_buf_put(b, FL_LIT("{\"effort\":"));
    if (effort) {
        fl_put_quoted(b, fl_slice_cstr(effort));
    } else {
        fl_buf_put(b, FL_LIT("null"));
    }
    fl_buf_put(b, FL_LIT(",\"summary\":null}"));
    fl_put_raw(b, "temperature", r && r->temperature.len > 0 ? r->temperature : FL_LIT("1.0"));
    put_echoed_format(b, r);
    put_echoed_choice(b, r);
    fl_put_key(b, "tools");
    fl_buf_putc(b, '[');
    for (const struct fl_tool *t = r ? r->tools : NULL; t; t = t->next) {
        put_echoed_tool(b, t);
    }
    fl_buf_putc(b, ']');
    fl_put_raw(b, "top_p", r && r->top_p.len > 0 ? r->top_p : FL_LIT("1.0"));
    fl_put_word(b, "truncation", "disabled");
    fl_put_raw(b, "metadata", r && r->metadata.len > 0 ? r->metadata : FL_LIT("{}"));
}

static const char *reason_of(enum fl_finish finish)
{
    switch (finish) {
    case FL_FINISH_LENGTH:
    case FL_FINISH_CONTEXT:
        return "max_output_tokens";
    case FL_FINISH_CONTENT_FILTER:
        return "content_filter";
    case FL_FINISH_NONE:
    case FL_FINISH_STOP:
    case FL_FINISH_STOP_SEQUENCE:
    case FL_FINISH_TOOL_CALLS:
    case FL_FINISH_PAUSE:
    case FL_FINISH_ERROR:
    default:
        return NULL;
    }
}

const char *fl_responses_status(enum fl_finish finish)
{
    return finish == FL_FINISH_ERROR ? "failed" : reason_of(finish) ? "incomplete" : "completed";
}

static void put_error(struct fl_buf *b, const struct fl_responses_end *end)
{
    const char *code = end->err == FL_ERR_RATE_LIMITED ? "rate_limit_exceeded" : "server_error";
    fl_put_key(b, "error");
    fl_buf_putc(b, '{');
    fl_put_text(b, "code", end->error_name.len > 0 ? end->error_name : fl_slice_cstr(code));
    fl_put_text(b, "message",
                end->error_text.len > 0
                    ? end->error_text
                    : fl_slice_cstr(fl_err_text(end->err ? end->err : FL_ERR_SERVER)));
    fl_buf_putc(b, '}');
}

size_t fl_responses_begin(struct fl_buf *b, const struct fl_encoder *e,
                          const struct fl_responses_end *end)
{
    size_t begin = b->len;
    const char *status = end ? fl_responses_status(end->finish) : "in_progress";
    const char *reason = end ? reason_of(end->finish) : NULL;
    const struct fl_chat_request *r = e->request;
    fl_buf_put(b, FL_LIT("{\"id\":\"" FL_RESP_ID));
    fl_buf_put(b, e->id);
    fl_buf_put(b, FL_LIT("\",\"object\":\"response\""));
    fl_put_number(b, "created_at", e->created_s);
    fl_put_word(b, "status", status);
    fl_put_raw(b, "background", FL_LIT("false"));
    if (end && end->finish == FL_FINISH_ERROR) {
        put_error(b, end);
    } else {
        fl_put_raw(b, "error", FL_LIT("null"));
    }
    fl_put_key(b, "incomplete_details");
    if (reason) {
        fl_buf_putc(b, '{');
        fl_put_word(b, "reason", reason);
        fl_buf_putc(b, '}');
    } else {
        fl_buf_put(b, FL_LIT("null"));
    }
    fl_put_raw(b, "instructions", FL_LIT("null"));
    fl_put_key(b, "max_output_tokens");
    if (r && r->tokens_out_max > 0) {
        fl_buf_put_u64(b, r->tokens_out_max);
    } else {
        fl_buf_put(b, FL_LIT("null"));
    }
    fl_put_plain(b, "model", e->model);
    fl_put_key(b, "output");
    fl_buf_putc(b, '[');
    return begin;
}

void fl_responses_finish(struct fl_buf *b, const struct fl_encoder *e, size_t begin,
                         const struct fl_responses_end *end, const struct fl_usage *usage)
{
    enum { rest_bytes = 16 /* what is still to be written */ };
    struct fl_keeper *keeper = e->keeper;
    fl_buf_putc(b, ']');
    put_echo(b, e);
    fl_put_key(b, "usage");
    if (usage && usage->known) {
        fl_openai_put_responses_usage(b, usage);
    } else {
        fl_buf_put(b, FL_LIT("null"));
    }
    /* Last, since it hangs on how long all the rest is. */
    bool stored = keeper && keeper->keep && b->len - begin + rest_bytes <= keeper->bytes_max &&
                  !(end && end->finish == FL_FINISH_ERROR);
    fl_put_flag(b, "store", stored);
    fl_buf_putc(b, '}');
    if (end && stored && fl_buf_ok(b)) {
        keeper->keep(keeper, fl_slice_from(fl_buf_slice(b), begin));
    }
}

void fl_openai_responses_put_answer(struct fl_encoder *e, const struct fl_chat_answer *answer,
                                    struct fl_buf *out)
{
    struct fl_responses_end end = {.finish = FL_FINISH_STOP};
    unsigned index = 0;
    if (answer->choices && answer->choice_count > 0) {
        end.finish = answer->choices[0].finish;
    }
    size_t begin = fl_responses_begin(out, e, &end);
    const char *status = fl_responses_status(end.finish);
    bool cited = false;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        cited = cited || b->cited;
    }
    uint64_t chars = 0;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        struct fl_block item = *b;
        if (b->choice == 0) {
            item.text_from = chars;
            fl_put_comma(out);
            fl_responses_put_item(out, e, &item, index++, status);
        }
        for (const struct fl_piece *p = cited && b->kind == FL_BLOCK_TEXT ? b->pieces : NULL; p;
             p = p->next) {
            chars += b->choice == 0 ? fl_escaped_chars(p->text) : 0;
        }
    }
    fl_responses_finish(out, e, begin, &end, &answer->usage);
    e->done = true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a provider's request for a response from the canonical form (PROTOCOLS.md sections 2.1,
 * 8.1). Nothing is stored at the provider unless the client asked for it; reasoning comes back
 * encrypted, so that a client can hand it in again.
 */
#include "dialect/openai_wire.h"

struct writer {
    struct fl_buf *b;
    const struct fl_chat_request *r;
    const struct fl_write_options *o;
    const struct fl_quirks *q;
    struct fl_losses *losses;
};

static void lose(const struct writer *w, enum fl_loss_kind kind, const char *what)
{
    fl_losses_add(w->losses, kind, what);
}

/* --- Parts --- */

static void put_text(const struct writer *w, const char *type, struct fl_slice text)
{
    fl_put_comma(w->b);
    fl_buf_putc(w->b, '{');
    fl_put_word(w->b, "type", type);
    fl_put_text(w->b, "text", text);
    fl_buf_putc(w->b, '}');
}

static void put_image(const struct writer *w, const struct fl_media *m)
{
    bool web = fl_slice_starts(m->url, FL_LIT("http"));
    if (m->base64.len == 0 && m->file_id.len == 0 && !web) {
        lose(w, FL_LOSS_FATAL, "input.image");
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"input_image\""));
    if (m->file_id.len > 0) {
        fl_put_text(w->b, "file_id", m->file_id);
    } else {
        fl_put_key(w->b, "image_url");
        fl_buf_putc(w->b, '"');
        if (m->base64.len > 0) {
            fl_put_data_url(w->b, m);
        } else {
            fl_buf_put(w->b, m->url);
        }
        fl_buf_putc(w->b, '"');
    }
    fl_put_text_if(w->b, "detail", m->detail);
    fl_buf_putc(w->b, '}');
}

static void put_audio(const struct writer *w, const struct fl_media *m)
{
    const char *format = fl_openai_audio_format(m->media_type);
    if (m->base64.len == 0 || !format) {
        lose(w, FL_LOSS_FATAL, "input.audio");
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"input_audio\",\"input_audio\":{"));
    fl_put_text(w->b, "data", m->base64);
    fl_put_word(w->b, "format", format);
    fl_buf_put(w->b, FL_LIT("}}"));
}

static void put_file(const struct writer *w, const struct fl_media *m)
{
    if (m->text.len > 0) {
        put_text(w, "input_text", m->text);
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"input_file\""));
    if (m->file_id.len > 0) {
        fl_put_text(w->b, "file_id", m->file_id);
    } else if (m->url.len > 0) {
        fl_put_text(w->b, "file_url", m->url);
        fl_losses_add(w->losses,
                      fl_slice_starts(m->url, FL_LIT("http")) ? FL_LOSS_APPROXIMATED
                                                              : FL_LOSS_FATAL,
                      "input.file");
    } else {
        fl_put_text(w->b, "filename", m->name.len > 0 ? m->name : FL_LIT("document.pdf"));
        fl_put_key(w->b, "file_data");
        fl_buf_putc(w->b, '"');
        fl_put_data_url(w->b, m);
        fl_buf_putc(w->b, '"');
    }
    fl_buf_putc(w->b, '}');
}

static void put_part(const struct writer *w, const struct fl_part *p, bool assistant)
{
    switch (p->kind) {
    case FL_PART_TEXT:
        put_text(w, assistant ? "output_text" : "input_text", p->text);
        break;
    case FL_PART_REFUSAL:
        fl_put_comma(w->b);
        fl_buf_put(w->b, FL_LIT("{\"type\":\"refusal\""));
        fl_put_text(w->b, "refusal", p->text);
        fl_buf_putc(w->b, '}');
        break;
    case FL_PART_IMAGE:
        put_image(w, &p->media);
        break;
    case FL_PART_AUDIO:
        put_audio(w, &p->media);
        break;
    case FL_PART_FILE:
        put_file(w, &p->media);
        break;
    case FL_PART_NATIVE: /* what the user shows must not be left out */
        lose(w, FL_LOSS_FATAL, "input.native");
        break;
    case FL_PART_TOOL_CALL:
    case FL_PART_TOOL_RESULT:
    case FL_PART_THINKING:
    case FL_PART_REDACTED:
        break; /* items of their own */
    }
    if (p->cache) {
        lose(w, FL_LOSS_APPROXIMATED, "cache_control"); /* cached as the vendor sees fit */
    }
}

static bool in_content(const struct fl_part *p, bool assistant)
{
    return !(assistant && p->kind == FL_PART_NATIVE) && p->kind != FL_PART_TOOL_CALL &&
           p->kind != FL_PART_TOOL_RESULT && p->kind != FL_PART_THINKING &&
           p->kind != FL_PART_REDACTED;
}

/* --- Items --- */

static void begin_item(const struct writer *w, const char *type)
{
    fl_put_comma(w->b);
    fl_buf_putc(w->b, '{');
    fl_put_word(w->b, "type", type);
}

/* The parts from *p* on that stand in one message; returns what is behind them. */
static const struct fl_part *put_message(const struct writer *w, const struct fl_message *m,
                                         const struct fl_part *p)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "user"};
    bool assistant = m->role == FL_CHAT_ASSISTANT;
    begin_item(w, "message");
    fl_put_word(w->b, "role", roles[m->role]);
    fl_put_key(w->b, "content");
    if (!p || (!p->next && p->kind == FL_PART_TEXT)) {
        fl_put_quoted(w->b, p ? p->text : FL_EMPTY);
        if (p && p->cache) {
            lose(w, FL_LOSS_APPROXIMATED, "cache_control");
        }
        p = NULL;
    } else {
        fl_buf_putc(w->b, '[');
        for (; p && in_content(p, assistant); p = p->next) {
            put_part(w, p, assistant);
        }
        fl_buf_putc(w->b, ']');
    }
    fl_buf_putc(w->b, '}');
    return p;
}

static void put_call(const struct writer *w, const struct fl_part *p)
{
    bool custom = fl_openai_is_custom(w->r, p->name);
    begin_item(w, custom ? "custom_tool_call" : "function_call");
    fl_openai_put_tool_id(w->b, "call_id", p->id, w->q);
    fl_put_text(w->b, "name", p->name);
    if (custom) {
        struct fl_json input =
            fl_json_get((struct fl_json){FL_JSON_OBJECT, p->json}, FL_LIT("input"));
        fl_put_text(w->b, "input", fl_get_escaped(input));
    } else {
        fl_put_key(w->b, "arguments");
        fl_put_arguments(w->b, p->json);
    }
    fl_buf_putc(w->b, '}');
    if (p->signature.len > 0) {
        lose(w, FL_LOSS_DROPPED, "input.thought_signature");
    }
}

static bool is_media(const struct fl_part *p)
{
    return p->kind == FL_PART_IMAGE || p->kind == FL_PART_FILE;
}

static void put_output(const struct writer *w, const struct fl_part *p)
{
    const struct fl_part *c = p->content;
    bool custom = fl_openai_is_custom(w->r, p->name), parts = c && (c->next || is_media(c));
    begin_item(w, custom ? "custom_tool_call_output" : "function_call_output");
    fl_openai_put_tool_id(w->b, "call_id", p->id, w->q);
    fl_put_key(w->b, "output");
    if (parts) {
        fl_buf_putc(w->b, '[');
        for (; c; c = c->next) {
            if (c->kind == FL_PART_NATIVE) {
                lose(w, FL_LOSS_DROPPED, "input.output.native");
            } else {
                put_part(w, c, false);
            }
        }
        fl_buf_putc(w->b, ']');
    } else {
        fl_put_quoted(w->b, c && c->kind == FL_PART_TEXT ? c->text : FL_EMPTY);
    }
    fl_buf_putc(w->b, '}');
    if (p->is_error) {
        lose(w, FL_LOSS_DROPPED, "input.is_error");
    }
}

/* Reasoning goes back to OpenAI alone, and only with its id: "<id>#<content>". */
static void put_reasoning_item(const struct writer *w, const struct fl_part *p)
{
    size_t hash = fl_slice_find(p->signature, '#');
    if (hash == p->signature.len || !fl_slice_starts(p->signature, FL_LIT("rs_"))) {
        lose(w, FL_LOSS_DROPPED, "input.thinking");
        return;
    }
    begin_item(w, "reasoning");
    fl_put_text(w->b, "id", fl_slice_first(p->signature, hash));
    fl_put_key(w->b, "summary");
    fl_buf_putc(w->b, '[');
    if (p->text.len > 0) {
        put_text(w, "summary_text", p->text);
    }
    fl_buf_putc(w->b, ']');
    fl_put_text(w->b, "encrypted_content", fl_slice_from(p->signature, hash + 1));
    fl_buf_putc(w->b, '}');
}

static bool ends_with(struct fl_slice s, struct fl_slice tail)
{
    return s.len >= tail.len && fl_slice_eq(fl_slice_from(s, s.len - tail.len), tail);
}

/* Items of tools that the provider runs itself: web_search_call, mcp_list_tools, shell_call_output ...
 * Another dialect's blocks are not for it. */
static void put_native_item(const struct writer *w, const struct fl_part *p)
{
    struct fl_slice type =
        fl_get_escaped(fl_json_get((struct fl_json){FL_JSON_OBJECT, p->json}, FL_LIT("type")));
    if (ends_with(type, FL_LIT("_call")) || ends_with(type, FL_LIT("_output")) ||
        fl_slice_starts(type, FL_LIT("mcp_"))) {
        fl_put_comma(w->b);
        fl_buf_put(w->b, p->json);
    } else {
        lose(w, FL_LOSS_DROPPED, "input.native");
    }
}

static void put_items(const struct writer *w, const struct fl_message *m)
{
    const struct fl_part *p = m->parts;
    bool assistant = m->role == FL_CHAT_ASSISTANT;
    if (!p && !assistant) { /* an empty turn of the assistant says nothing */
        (void)put_message(w, m, NULL);
    }
    while (p) {
        if (in_content(p, assistant)) {
            p = put_message(w, m, p);
            continue;
        }
        if (p->kind == FL_PART_TOOL_CALL) {
            put_call(w, p);
        } else if (p->kind == FL_PART_TOOL_RESULT) {
            put_output(w, p);
        } else if (p->kind == FL_PART_THINKING) {
            put_reasoning_item(w, p);
        } else if (p->kind == FL_PART_NATIVE) {
            put_native_item(w, p);
        } else {
            lose(w, FL_LOSS_DROPPED, "input.thinking");
        }
        p = p->next;
    }
    if (m->name.len > 0 && m->role != FL_CHAT_TOOL) {
        lose(w, FL_LOSS_DROPPED, "messages.name");
    }
}

/* A leading system message of one text is what instructions are for. */
static bool is_instructions(const struct fl_message *m)
{
    return m && m->role == FL_CHAT_SYSTEM && m->parts && !m->parts->next &&
           m->parts->kind == FL_PART_TEXT && m->next;
}

static void put_input(const struct writer *w)
{
    const struct fl_message *m = w->r->messages;
    if (is_instructions(m)) {
        fl_put_text(w->b, "instructions", m->parts->text);
        if (m->parts->cache) {
            lose(w, FL_LOSS_APPROXIMATED, "cache_control");
        }
        m = m->next;
    }
    fl_put_key(w->b, "input");
    fl_buf_putc(w->b, '[');
    for (; m; m = m->next) {
        put_items(w, m);
    }
    fl_buf_putc(w->b, ']');
}

/* --- Tools --- */

/* A native tool may be another dialect's: OpenAI's own are known by their type. */
static bool is_own_tool(struct fl_slice native)
{
    static const char *const types[] = {"web_search",          "web_search_preview",
                                        "file_search",         "code_interpreter",
                                        "image_generation",    "mcp",
                                        "local_shell",         "shell",
                                        "apply_patch",         "tool_search",
                                        "computer_use_preview"};
    struct fl_json type = fl_json_get((struct fl_json){FL_JSON_OBJECT, native}, FL_LIT("type"));
    return fl_get_word(type, types, sizeof(types) / sizeof(*types)) >= 0;
}

static void put_tool(const struct writer *w, const struct fl_tool *t)
{
    fl_put_comma(w->b);
    if (t->native.len > 0) {
        fl_buf_put(w->b, t->native);
        return;
    }
    fl_buf_putc(w->b, '{');
    fl_put_word(w->b, "type", t->custom ? "custom" : "function");
    if (t->custom) {
        fl_put_text(w->b, "name", t->name);
        fl_put_text_if(w->b, "description", t->description);
        fl_put_raw_if(w->b, "format", t->custom_format);
    } else {
        fl_put_text(w->b, "name", t->name);
        fl_put_text_if(w->b, "description", t->description);
        fl_put_raw(w->b, "parameters",
                   t->schema.len > 0 ? t->schema
                                     : FL_LIT("{\"type\":\"object\",\"properties\":{}}"));
        fl_put_flag(w->b, "strict", t->strict); /* it is what happens to those who say nothing */
    }
    fl_buf_putc(w->b, '}');
    if (t->cache) {
        lose(w, FL_LOSS_APPROXIMATED, "cache_control");
    }
}

static void put_tool_choice(const struct writer *w)
{
    static const char *const words[] = {NULL, "auto", "none", "required"};
    const struct fl_chat_request *r = w->r;
    if (r->tool_choice == FL_TOOL_CHOICE_NAMED) {
        fl_put_key(w->b, "tool_choice");
        fl_buf_putc(w->b, '{');
        fl_put_word(w->b, "type",
                    fl_openai_is_custom(r, r->tool_choice_name) ? "custom" : "function");
        fl_put_text(w->b, "name", r->tool_choice_name);
        fl_buf_putc(w->b, '}');
    } else if (r->tool_choice != FL_TOOL_CHOICE_ABSENT) {
        fl_put_word(w->b, "tool_choice", words[r->tool_choice]);
    }
}

static void put_tools(const struct writer *w)
{
    bool some = false;
    for (const struct fl_tool *t = w->r->tools; t; t = t->next) {
        if (t->native.len > 0 && !is_own_tool(t->native)) {
            lose(w, FL_LOSS_DROPPED, "tools.native");
            continue;
        }
        if (!some) {
            fl_put_key(w->b, "tools");
            fl_buf_putc(w->b, '[');
        }
        some = true;
        put_tool(w, t);
    }
    if (some) {
        fl_buf_putc(w->b, ']');
        put_tool_choice(w);
        if (w->r->parallel_off) {
            fl_put_flag(w->b, "parallel_tool_calls", false);
        }
    }
}

/* --- The other fields --- */

static void put_text_format(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    const struct fl_member *verbosity = fl_openai_other(r, "verbosity");
    if (r->format == FL_FORMAT_TEXT && !verbosity) {
        return;
    }
    fl_put_key(w->b, "text");
    fl_buf_putc(w->b, '{');
    if (r->format == FL_FORMAT_JSON) {
        fl_put_raw(w->b, "format", FL_LIT("{\"type\":\"json_object\"}"));
    } else if (r->format == FL_FORMAT_SCHEMA) {
        fl_put_key(w->b, "format");
        fl_buf_put(w->b, FL_LIT("{\"type\":\"json_schema\""));
        fl_put_text(w->b, "name", r->format_name.len > 0 ? r->format_name : FL_LIT("answer"));
        fl_put_text_if(w->b, "description", r->format_description);
        fl_put_raw_if(w->b, "schema", r->format_schema);
        fl_put_flag(w->b, "strict", r->format_strict);
        fl_buf_putc(w->b, '}');
    }
    if (verbosity) {
        fl_put_raw(w->b, "verbosity", verbosity->value);
    }
    fl_buf_putc(w->b, '}');
}

static void put_reasoning(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    enum fl_effort effort = fl_openai_effort(r, w->q, w->o->model, w->losses);
    bool reasons = fl_openai_reasons(w->q, w->o->model);
    bool shown = reasons && (r->thinking || effort > FL_EFFORT_NONE) && !r->thinking_hidden;
    if (effort) {
        fl_put_key(w->b, "reasoning");
        fl_buf_putc(w->b, '{');
        fl_put_word(w->b, "effort", fl_openai_effort_word(effort));
        if (shown && effort != FL_EFFORT_NONE) {
            fl_put_word(w->b, "summary", "auto");
        }
        fl_buf_putc(w->b, '}');
    }
    fl_put_flag(w->b, "store", false);
    if (reasons) {
        fl_put_raw(w->b, "include", FL_LIT("[\"reasoning.encrypted_content\"]"));
    } else if (r->logprobs) {
        fl_put_raw(w->b, "include", FL_LIT("[\"message.output_text.logprobs\"]"));
        if (r->top_logprobs > 0) {
            fl_put_number(w->b, "top_logprobs", r->top_logprobs);
        }
    }
}

static void lose_sampling(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    const struct {
        bool given;
        enum fl_loss_kind kind;
        const char *what;
    } rows[] = {
        {r->top_k.len > 0, FL_LOSS_DROPPED, "top_k"},
        {r->seed.len > 0, FL_LOSS_DROPPED, "seed"},
        {r->presence_penalty.len > 0, FL_LOSS_DROPPED, "presence_penalty"},
        {r->frequency_penalty.len > 0, FL_LOSS_DROPPED, "frequency_penalty"},
        {r->logit_bias.len > 0, FL_LOSS_DROPPED, "logit_bias"},
        {r->logprobs && fl_openai_reasons(w->q, w->o->model), FL_LOSS_DROPPED, "logprobs"},
        {r->stops != NULL, FL_LOSS_DROPPED, "stop"},
        {r->choices > 1, FL_LOSS_FATAL, "n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].given) {
            lose(w, rows[i].kind, rows[i].what);
        }
    }
}

/* Members of others but the one that stands elsewhere. */
static void put_others(const struct writer *w)
{
    static const struct fl_slice known[] = {
        {"safety_identifier", 17},    {"prompt_cache_retention", 22},
        {"prompt_cache_options", 20}, {"moderation", 10},
        {"truncation", 10},           {"max_tool_calls", 14},
        {"context_management", 18}};
    for (const struct fl_member *m = w->r->others; m; m = m->next) {
        struct fl_member alone = {.key = m->key, .value = m->value};
        if (!fl_slice_eq(m->key, FL_LIT("verbosity")) && !fl_slice_eq(m->key, FL_LIT("store"))) {
            fl_openai_put_others(w->b, &alone, known, sizeof(known) / sizeof(*known), w->losses);
        }
    }
}

static void put_rest(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    if (!fl_openai_other(r, "safety_identifier")) {
        fl_put_text_if(w->b, "user", r->user);
    }
    fl_put_text_if(w->b, "service_tier", r->service_tier);
    fl_put_text_if(w->b, "prompt_cache_key", r->cache_key);
    fl_put_raw_if(w->b, "metadata", r->metadata);
    put_others(w);
    if (r->cache) {
        lose(w, FL_LOSS_APPROXIMATED, "cache_control");
    }
}

enum fl_err fl_openai_responses_write(const struct fl_chat_request *request,
                                      const struct fl_write_options *options, struct fl_buf *out,
                                      struct fl_losses *losses, struct fl_reterr *reterr)
{
    struct writer w = {.b = out,
                       .r = request,
                       .o = options,
                       .q = fl_quirks_find(options->vendor),
                       .losses = losses};
    fl_buf_putc(out, '{');
    fl_put_plain(out, "model", options->model);
    put_input(&w);
    put_tools(&w);
    if (request->stream) {
        fl_put_flag(out, "stream", true);
    }
    if (request->tokens_out_max > 0) {
        fl_put_number(out, "max_output_tokens", request->tokens_out_max);
    }
    fl_openai_put_sampling(out, request, w.q, options->model, losses);
    lose_sampling(&w);
    put_text_format(&w);
    put_reasoning(&w);
    put_rest(&w);
    fl_buf_putc(out, '}');
    return out->failed ? FL_ERR_NOMEM : fl_openai_written(losses, reterr);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A canonical request as the body of /api/chat. A message's content is one string, its images are
 * bare base64 beside it, and results of tools name the function instead of the call.
 */
#include "dialect/ollama.h"

#include "dialect/lose.h"
#include "dialect/put.h"

struct writer {
    const struct fl_chat_request *request;
    struct fl_buf *out;
    struct fl_losses *losses;
    const struct fl_message *calls; /* the last turn that called, for the names of its calls */
};

/* --- Messages --- */

static void put_joined(struct fl_buf *out, struct fl_slice text, bool *some)
{
    if (text.len > 0) {
        fl_buf_put_cstr(out, *some ? "\\n" : "");
        fl_buf_put(out, text);
        *some = true;
    }
}

/* All texts of a list of parts as one string. */
static void put_content(struct writer *w, const struct fl_part *parts)
{
    bool some = false;
    fl_put_key(w->out, "content");
    fl_buf_putc(w->out, '"');
    for (const struct fl_part *part = parts; part; part = part->next) {
        if (part->kind == FL_PART_TEXT || part->kind == FL_PART_REFUSAL) {
            put_joined(w->out, part->text, &some);
        } else if (part->kind == FL_PART_FILE) {
            put_joined(w->out, part->media.text, &some);
        }
    }
    fl_buf_putc(w->out, '"');
}

static void put_thinking(struct writer *w, const struct fl_part *parts)
{
    bool some = false;
    for (const struct fl_part *part = parts; part; part = part->next) {
        if (part->kind == FL_PART_THINKING && part->text.len > 0) {
            if (!some) {
                fl_put_key(w->out, "thinking");
                fl_buf_putc(w->out, '"');
            }
            put_joined(w->out, part->text, &some);
        } else if (part->kind == FL_PART_REDACTED) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.thinking");
        }
    }
    fl_buf_put_cstr(w->out, some ? "\"" : "");
}

/* What has no place at all. An image that is only a URL would have to be fetched. */
static void lose_media(struct writer *w, const struct fl_part *part)
{
    switch (part->kind) {
    case FL_PART_IMAGE:
        if (part->media.base64.len == 0) {
            fl_losses_add(w->losses, FL_LOSS_FATAL, "messages.image");
        }
        break;
    case FL_PART_AUDIO:
        fl_losses_add(w->losses, FL_LOSS_FATAL, "messages.audio");
        break;
    case FL_PART_FILE:
        if (part->media.text.len == 0) {
            fl_losses_add(w->losses, FL_LOSS_FATAL, "messages.file");
        }
        break;
    case FL_PART_NATIVE:
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.native");
        break;
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
    case FL_PART_TOOL_CALL:
    case FL_PART_TOOL_RESULT:
    case FL_PART_THINKING:
    case FL_PART_REDACTED:
        break;
    }
}

static void put_images(struct writer *w, const struct fl_part *parts)
{
    bool some = false;
    for (const struct fl_part *part = parts; part; part = part->next) {
        lose_media(w, part);
        if (part->kind != FL_PART_IMAGE || part->media.base64.len == 0) {
            continue;
        }
        if (!some) {
            fl_put_key(w->out, "images");
            fl_buf_putc(w->out, '[');
        }
        some = true;
        fl_put_comma(w->out);
        fl_put_quoted(w->out, part->media.base64);
    }
    fl_buf_put_cstr(w->out, some ? "]" : "");
}

static void put_calls(struct writer *w, const struct fl_part *parts)
{
    bool some = false;
    for (const struct fl_part *part = parts; part; part = part->next) {
        if (part->kind != FL_PART_TOOL_CALL) {
            continue;
        }
        if (!some) {
            fl_put_key(w->out, "tool_calls");
            fl_buf_putc(w->out, '[');
        }
        some = true;
        fl_put_comma(w->out);
        fl_buf_put(w->out, FL_LIT("{\"function\":{"));
        fl_put_text(w->out, "name", part->name);
        fl_put_raw(w->out, "arguments", part->json.len > 0 ? part->json : FL_LIT("{}"));
        fl_buf_put(w->out, FL_LIT("}}"));
    }
    fl_buf_put_cstr(w->out, some ? "]" : "");
}

static void begin_message(struct writer *w, const char *role)
{
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "role", role);
}

/* Looks at a few calls only: a turn with more has no names for the rest. */
static struct fl_slice name_of_call(const struct writer *w, struct fl_slice id)
{
    enum { looks_max = 512 };
    unsigned looks = 0;
    for (const struct fl_part *part = w->calls ? w->calls->parts : NULL; part && looks < looks_max;
         part = part->next, looks++) {
        if (part->kind == FL_PART_TOOL_CALL && fl_slice_eq(part->id, id)) {
            return part->name;
        }
    }
    return FL_EMPTY;
}

static void put_results(struct writer *w, const struct fl_message *m)
{
    for (const struct fl_part *part = m->parts; part; part = part->next) {
        if (part->kind != FL_PART_TOOL_RESULT) {
            continue;
        }
        struct fl_slice name = part->name.len > 0 ? part->name : name_of_call(w, part->id);
        begin_message(w, "tool");
        put_content(w, part->content);
        put_images(w, part->content);
        fl_put_text_if(w->out, "tool_name", name);
        fl_buf_putc(w->out, '}');
        if (part->is_error) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.tool.is_error");
        }
    }
}

static bool says_something(const struct fl_message *m)
{
    for (const struct fl_part *part = m->parts; part; part = part->next) {
        if (part->text.len > 0 || part->kind == FL_PART_TOOL_CALL || part->media.base64.len > 0 ||
            part->media.text.len > 0) {
            return true;
        }
    }
    return false;
}

static void put_message(struct writer *w, const struct fl_message *m)
{
    static const char *const roles[] = {[FL_CHAT_SYSTEM] = "system",
                                        [FL_CHAT_DEVELOPER] = "system",
                                        [FL_CHAT_USER] = "user",
                                        [FL_CHAT_ASSISTANT] = "assistant",
                                        [FL_CHAT_TOOL] = "tool"};
    if (m->name.len > 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.name");
    }
    if (!says_something(m)) {
        for (const struct fl_part *part = m->parts; part; part = part->next) {
            lose_media(w, part);
        }
        return;
    }
    begin_message(w, roles[m->role]);
    put_content(w, m->parts);
    put_thinking(w, m->parts);
    put_images(w, m->parts);
    put_calls(w, m->parts);
    fl_buf_putc(w->out, '}');
}

static void put_messages(struct writer *w)
{
    fl_put_key(w->out, "messages");
    fl_buf_putc(w->out, '[');
    for (const struct fl_message *m = w->request->messages; m; m = m->next) {
        if (m->role == FL_CHAT_TOOL) {
            put_results(w, m);
            continue;
        }
        w->calls = m->role == FL_CHAT_ASSISTANT ? m : w->calls;
        put_message(w, m);
    }
    fl_buf_putc(w->out, ']');
}

/* --- Tools --- */

static void put_tool(const struct fl_tool *tool, struct fl_buf *out)
{
    fl_put_comma(out);
    fl_buf_put(out, FL_LIT("{\"type\":\"function\",\"function\":{"));
    fl_put_text(out, "name", tool->name);
    fl_put_text_if(out, "description", tool->description);
    fl_put_raw(out, "parameters",
               tool->schema.len > 0 ? tool->schema
                                    : FL_LIT("{\"type\":\"object\",\"properties\":{}}"));
    fl_buf_put(out, FL_LIT("}}"));
}

/* There is no choice of tools. None is said by giving none, one by giving only it. */
static bool is_offered(const struct fl_chat_request *r, const struct fl_tool *tool)
{
    if (tool->native.len > 0 || r->tool_choice == FL_TOOL_CHOICE_NONE) {
        return false;
    }
    return r->tool_choice != FL_TOOL_CHOICE_NAMED || fl_slice_eq(tool->name, r->tool_choice_name);
}

static void put_tools(struct writer *w)
{
    const struct fl_chat_request *r = w->request;
    bool some = false;
    for (const struct fl_tool *tool = r->tools; tool; tool = tool->next) {
        if (tool->native.len > 0) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "tools.native");
        } else if (tool->strict) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "tools.strict");
        }
        if (!is_offered(r, tool)) {
            continue;
        }
        if (!some) {
            fl_put_key(w->out, "tools");
            fl_buf_putc(w->out, '[');
        }
        some = true;
        put_tool(tool, w->out);
    }
    fl_buf_put_cstr(w->out, some ? "]" : "");
    if (r->tool_choice == FL_TOOL_CHOICE_REQUIRED) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "tool_choice");
    } else if (r->tool_choice == FL_TOOL_CHOICE_NAMED) {
        fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "tool_choice");
    }
}

/* --- The rest --- */

static void put_options(struct writer *w)
{
    const struct fl_chat_request *r = w->request;
    struct fl_buf *out = w->out;
    fl_put_key(out, "options");
    fl_buf_putc(out, '{');
    fl_put_raw_if(out, "temperature", r->temperature);
    fl_put_raw_if(out, "top_p", r->top_p);
    fl_put_raw_if(out, "top_k", r->top_k);
    fl_put_raw_if(out, "seed", r->seed);
    fl_put_raw_if(out, "presence_penalty", r->presence_penalty);
    fl_put_raw_if(out, "frequency_penalty", r->frequency_penalty);
    if (r->tokens_out_max > 0) {
        fl_put_number(out, "num_predict", r->tokens_out_max);
    }
    if (r->stops) {
        fl_put_key(out, "stop");
        fl_buf_putc(out, '[');
        for (const struct fl_text_item *s = r->stops; s; s = s->next) {
            fl_put_comma(out);
            fl_put_quoted(out, s->text);
        }
        fl_buf_putc(out, ']');
    }
    fl_buf_putc(out, '}');
}

static void put_format(struct writer *w)
{
    if (w->request->format == FL_FORMAT_SCHEMA && w->request->format_schema.len > 0) {
        fl_put_raw(w->out, "format", w->request->format_schema);
    } else if (w->request->format != FL_FORMAT_TEXT) {
        fl_put_word(w->out, "format", "json");
    }
}

/* Levels are known to gpt-oss only; the others think or do not. */
static void put_think(struct writer *w, struct fl_slice model)
{
    static const char *const levels[] = {
        [FL_EFFORT_ABSENT] = "medium", [FL_EFFORT_NONE] = "low",      [FL_EFFORT_MINIMAL] = "low",
        [FL_EFFORT_LOW] = "low",       [FL_EFFORT_MEDIUM] = "medium", [FL_EFFORT_HIGH] = "high",
        [FL_EFFORT_XHIGH] = "high",    [FL_EFFORT_MAX] = "high"};
    const struct fl_chat_request *r = w->request;
    bool off = r->thinking_off || r->effort == FL_EFFORT_NONE;
    if (!off && !r->thinking && r->effort == FL_EFFORT_ABSENT && r->thinking_tokens == 0) {
        return;
    }
    if (fl_slice_find_text(model, FL_LIT("gpt-oss")) < model.len) {
        enum fl_effort effort = off ? FL_EFFORT_NONE : r->effort;
        bool exact = effort >= FL_EFFORT_LOW && effort <= FL_EFFORT_HIGH;
        fl_put_word(w->out, "think", levels[effort]);
        if (!exact) {
            fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "reasoning_effort");
        }
        return;
    }
    fl_put_flag(w->out, "think", !off);
    if (!off && (r->effort != FL_EFFORT_ABSENT || r->thinking_tokens > 0)) {
        fl_losses_add(w->losses, FL_LOSS_APPROXIMATED,
                      r->thinking_tokens > 0 ? "thinking.budget_tokens" : "reasoning_effort");
    }
}

static void lose_rest(const struct fl_chat_request *r, struct fl_losses *losses)
{
    bool tier = r->service_tier.len > 0 && !fl_escaped_is(r->service_tier, "auto") &&
                !fl_escaped_is(r->service_tier, "default");
    const struct {
        bool given;
        const char *name;
    } rest[] = {{r->logit_bias.len > 0, "logit_bias"},
                {r->logprobs, "logprobs"},
                {r->top_logprobs > 0, "top_logprobs"},
                {r->parallel_off, "parallel_tool_calls"},
                {r->user.len > 0, "user"},
                {r->metadata.len > 0, "metadata"},
                {tier, "service_tier"}};
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        if (rest[i].given) {
            fl_losses_add(losses, FL_LOSS_DROPPED, rest[i].name);
        }
    }
    if (r->choices > 1) {
        fl_losses_add(losses, FL_LOSS_FATAL, "n");
    }
    fl_lose_others(r, losses);
    fl_lose_cache_hints(r, losses);
}

enum fl_err fl_ollama_write(const struct fl_chat_request *request,
                            const struct fl_write_options *options, struct fl_buf *out,
                            struct fl_losses *losses, struct fl_reterr *reterr)
{
    struct writer w = {.request = request, .out = out, .losses = losses};
    fl_buf_putc(out, '{');
    fl_put_plain(out, "model", options->model);
    put_messages(&w);
    put_tools(&w);
    put_format(&w);
    put_options(&w);
    put_think(&w, options->model);
    fl_put_flag(out, "stream", request->stream); /* absent means true */
    fl_buf_putc(out, '}');
    lose_rest(request, losses);
    if (losses->fatal) {
        return fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                         "The request holds what this provider cannot be told.");
    }
    return FL_OK;
}

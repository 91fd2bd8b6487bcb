/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a provider's request for a chat completion from the canonical form (PROTOCOLS.md section
 * 8.1), as the vendor's row in quirks.c wants it.
 */
#include "dialect/openai_chat_write.h"

void fl_openai_chat_put_cache_mark(const struct fl_chat_writer *w, enum fl_cache_hint cache)
{
    if (cache == FL_CACHE_NONE) {
        return;
    }
    if (!fl_chat_takes(w, FL_TAKES_CACHE_MARKS)) {
        fl_chat_lose(w, FL_LOSS_APPROXIMATED, "cache_control"); /* cached as the vendor sees fit */
        return;
    }
    fl_put_raw(w->b, "cache_control",
               cache == FL_CACHE_1H ? FL_LIT("{\"type\":\"ephemeral\",\"ttl\":\"1h\"}")
                                    : FL_LIT("{\"type\":\"ephemeral\"}"));
}

/* --- Tools --- */

static void put_tool(const struct fl_chat_writer *w, const struct fl_tool *t)
{
    fl_put_comma(w->b);
    if (t->custom && fl_chat_takes(w, FL_TAKES_OTHERS)) {
        fl_buf_put(w->b, FL_LIT("{\"type\":\"custom\",\"custom\":{"));
        fl_put_text(w->b, "name", t->name);
        fl_put_text_if(w->b, "description", t->description);
        fl_put_raw_if(w->b, "format", t->custom_format);
        fl_buf_put(w->b, FL_LIT("}}"));
        return;
    }
    if (t->custom) {
        fl_chat_lose(w, FL_LOSS_EMULATED, "tools.custom");
    }
    fl_buf_put(w->b, FL_LIT("{\"type\":\"function\",\"function\":{"));
    fl_openai_put_function(w->b, t, w->q, w->losses);
    fl_buf_putc(w->b, '}');
    fl_openai_chat_put_cache_mark(w, t->cache);
    fl_buf_putc(w->b, '}');
}

static void put_tool_choice(const struct fl_chat_writer *w)
{
    const struct fl_chat_request *r = w->r;
    const struct fl_member *native = fl_openai_other(r, "tool_choice");
    if (r->tool_choice == FL_TOOL_CHOICE_ABSENT || (native && fl_chat_takes(w, FL_TAKES_OTHERS))) {
        return;
    }
    if (!fl_chat_takes(w, FL_TAKES_CHOICE)) {
        if (r->tool_choice != FL_TOOL_CHOICE_AUTO) {
            fl_chat_lose(w, FL_LOSS_DROPPED, "tool_choice");
        }
        return;
    }
    if (r->tool_choice == FL_TOOL_CHOICE_NAMED) {
        fl_put_key(w->b, "tool_choice");
        fl_buf_put(w->b, FL_LIT("{\"type\":\"function\",\"function\":{"));
        fl_put_text(w->b, "name", r->tool_choice_name);
        fl_buf_put(w->b, FL_LIT("}}"));
        return;
    }
    fl_put_word(w->b, "tool_choice",
                r->tool_choice == FL_TOOL_CHOICE_AUTO   ? "auto"
                : r->tool_choice == FL_TOOL_CHOICE_NONE ? "none"
                : w->q->choice_any                      ? "any"
                                                        : "required");
}

static void put_tools(const struct fl_chat_writer *w)
{
    bool some = false;
    for (const struct fl_tool *t = w->r->tools; t; t = t->next) {
        if (t->native.len > 0) { /* web search and the like: chat has none */
            fl_chat_lose(w, FL_LOSS_DROPPED, "tools.native");
            continue;
        }
        if (!some) {
            fl_put_key(w->b, "tools");
            fl_buf_putc(w->b, '[');
        }
        some = true;
        put_tool(w, t);
    }
    if (!some) {
        return; /* without tools there is no choice among them */
    }
    fl_buf_putc(w->b, ']');
    put_tool_choice(w);
    if (w->r->parallel_off && fl_chat_takes(w, FL_TAKES_PARALLEL)) {
        fl_put_flag(w->b, "parallel_tool_calls", false);
    } else if (w->r->parallel_off) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "parallel_tool_calls");
    }
}

/* --- The other fields --- */

static void put_stops(const struct fl_chat_writer *w)
{
    enum { stops_max = 4 };
    unsigned count = 0;
    if (!w->r->stops) {
        return;
    }
    if (fl_openai_reasons(w->q, w->o->model)) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "stop");
        return;
    }
    fl_put_key(w->b, "stop");
    fl_buf_putc(w->b, '[');
    for (const struct fl_text_item *s = w->r->stops; s; s = s->next) {
        if (count++ == stops_max) {
            fl_chat_lose(w, FL_LOSS_APPROXIMATED, "stop");
            break;
        }
        fl_put_comma(w->b);
        fl_put_quoted(w->b, s->text);
    }
    fl_buf_putc(w->b, ']');
}

static void put_sampling(const struct fl_chat_writer *w)
{
    const struct fl_chat_request *r = w->r;
    bool reasons = fl_openai_reasons(w->q, w->o->model);
    bool penalties = fl_chat_takes(w, FL_TAKES_PENALTIES) && !reasons;
    if (r->tokens_out_max > 0) {
        fl_put_number(w->b,
                      fl_chat_takes(w, FL_TAKES_MAX_COMPLETION) ? "max_completion_tokens"
                                                                : "max_tokens",
                      r->tokens_out_max);
    }
    fl_openai_put_sampling(w->b, r, w->q, w->o->model, w->losses);
    fl_openai_put_number_or_lose(w->b, "top_k", r->top_k, fl_chat_takes(w, FL_TAKES_TOP_K),
                                 w->losses);
    fl_openai_put_number_or_lose(w->b, w->q->seed ? w->q->seed : "seed", r->seed,
                                 fl_chat_takes(w, FL_TAKES_SEED), w->losses);
    fl_openai_put_number_or_lose(w->b, "presence_penalty", r->presence_penalty, penalties,
                                 w->losses);
    fl_openai_put_number_or_lose(w->b, "frequency_penalty", r->frequency_penalty, penalties,
                                 w->losses);
    fl_openai_put_number_or_lose(w->b, "logit_bias", r->logit_bias,
                                 fl_chat_takes(w, FL_TAKES_LOGIT_BIAS) && !reasons, w->losses);
    if (r->choices > 1 && !fl_chat_takes(w, FL_TAKES_N)) {
        fl_chat_lose(w, FL_LOSS_FATAL, "n");
    } else if (r->choices > 0 && fl_chat_takes(w, FL_TAKES_N)) {
        fl_put_number(w->b, "n", r->choices);
    }
    if (r->logprobs && fl_chat_takes(w, FL_TAKES_LOGPROBS) && !reasons) {
        fl_put_flag(w->b, "logprobs", true);
        if (r->top_logprobs > 0) {
            fl_put_number(w->b, "top_logprobs", r->top_logprobs);
        }
    } else if (r->logprobs) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "logprobs");
    }
    put_stops(w);
}

static void put_format(const struct fl_chat_writer *w)
{
    const struct fl_chat_request *r = w->r;
    if (r->format == FL_FORMAT_TEXT) {
        return;
    }
    fl_put_key(w->b, "response_format");
    if (r->format == FL_FORMAT_JSON || !fl_chat_takes(w, FL_TAKES_SCHEMA)) {
        fl_buf_put(w->b, FL_LIT("{\"type\":\"json_object\"}"));
        if (r->format == FL_FORMAT_SCHEMA) {
            fl_chat_lose(w, FL_LOSS_APPROXIMATED, "response_format");
        }
        return;
    }
    fl_buf_put(w->b, FL_LIT("{\"type\":\"json_schema\",\"json_schema\":{"));
    fl_put_text(w->b, "name", r->format_name.len > 0 ? r->format_name : FL_LIT("answer"));
    fl_put_text_if(w->b, "description", r->format_description);
    fl_put_raw_if(w->b, "schema", r->format_schema);
    if (r->format_strict && fl_chat_takes(w, FL_TAKES_STRICT)) {
        fl_put_flag(w->b, "strict", true);
    }
    fl_buf_put(w->b, FL_LIT("}}"));
}

static void put_reasoning_object(const struct fl_chat_writer *w)
{
    const struct fl_chat_request *r = w->r;
    const char *word = fl_openai_effort_word(r->effort);
    if (!word && !r->thinking && !r->thinking_off) {
        return;
    }
    fl_put_key(w->b, "reasoning");
    fl_buf_putc(w->b, '{');
    if (word) {
        fl_put_word(w->b, "effort", word);
    } else if (r->thinking_tokens > 0) {
        fl_put_number(w->b, "max_tokens", r->thinking_tokens);
    } else {
        fl_put_flag(w->b, "enabled", r->thinking);
    }
    if (r->thinking_hidden) {
        fl_put_flag(w->b, "exclude", true);
    }
    fl_buf_putc(w->b, '}');
}

static void put_reasoning(const struct fl_chat_writer *w)
{
    const struct fl_chat_request *r = w->r;
    if (w->q->reasoning_object) {
        put_reasoning_object(w);
        return;
    }
    if (w->q->thinking_object) {
        bool on = r->thinking || r->effort > FL_EFFORT_NONE;
        if (on || r->thinking_off) {
            fl_put_raw(w->b, "thinking",
                       on ? FL_LIT("{\"type\":\"enabled\"}") : FL_LIT("{\"type\":\"disabled\"}"));
        }
        if (r->effort > FL_EFFORT_NONE || r->thinking_tokens > 0) {
            fl_chat_lose(w, FL_LOSS_APPROXIMATED, "thinking");
        }
        return;
    }
    enum fl_effort effort = fl_openai_effort(r, w->q, w->o->model, w->losses);
    if (effort) {
        fl_put_word(w->b, "reasoning_effort", fl_openai_effort_word(effort));
    }
}

/* A member that is a text, or a loss. */
static void put_text_or_lose(const struct fl_chat_writer *w, const char *key, struct fl_slice text,
                             unsigned what)
{
    if (text.len > 0 && fl_chat_takes(w, what)) {
        fl_put_text(w->b, key, text);
    } else if (text.len > 0) {
        fl_chat_lose(w, FL_LOSS_DROPPED, key);
    }
}

static void put_rest(const struct fl_chat_writer *w)
{
    static const struct fl_slice known[] = {{"tool_choice", 11},
                                            {"response_format", 15},
                                            {"reasoning_effort", 16},
                                            {"verbosity", 9},
                                            {"modalities", 10},
                                            {"audio", 5},
                                            {"prediction", 10},
                                            {"web_search_options", 18},
                                            {"store", 5},
                                            {"safety_identifier", 17},
                                            {"prompt_cache_retention", 22},
                                            {"prompt_cache_options", 20},
                                            {"moderation", 10}};
    const struct fl_chat_request *r = w->r;
    bool user_said = fl_openai_other(r, "safety_identifier") && fl_chat_takes(w, FL_TAKES_OTHERS);
    if (!user_said) {
        put_text_or_lose(w, "user", r->user, FL_TAKES_USER);
    }
    put_text_or_lose(w, "service_tier", r->service_tier, FL_TAKES_TIER);
    put_text_or_lose(w, "prompt_cache_key", r->cache_key, FL_TAKES_CACHE_KEY);
    if (fl_chat_takes(w, FL_TAKES_METADATA)) {
        fl_put_raw_if(w->b, "metadata", r->metadata);
    } else if (r->metadata.len > 0) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "metadata");
    }
    fl_openai_chat_put_cache_mark(w, r->cache);
    fl_openai_put_others(w->b, r->others, known,
                         fl_chat_takes(w, FL_TAKES_OTHERS) ? sizeof(known) / sizeof(*known) : 0,
                         w->losses);
}

enum fl_err fl_openai_chat_write(const struct fl_chat_request *request,
                                 const struct fl_write_options *options, struct fl_buf *out,
                                 struct fl_losses *losses, struct fl_reterr *reterr)
{
    struct fl_chat_writer w = {.b = out,
                               .r = request,
                               .o = options,
                               .q = fl_quirks_find(options->vendor),
                               .losses = losses};
    fl_buf_putc(out, '{');
    fl_put_plain(out, "model", options->model);
    fl_openai_chat_put_messages(&w);
    put_tools(&w);
    if (request->stream) {
        fl_put_flag(out, "stream", true);
        if (options->ask_usage) {
            fl_put_raw(out, "stream_options", FL_LIT("{\"include_usage\":true}"));
        }
    }
    put_sampling(&w);
    put_format(&w);
    put_reasoning(&w);
    put_rest(&w);
    fl_buf_putc(out, '}');
    return out->failed ? FL_ERR_NOMEM : fl_openai_written(losses, reterr);
}

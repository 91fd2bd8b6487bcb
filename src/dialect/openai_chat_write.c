/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a provider's request for a chat completion from the canonical form (PROTOCOLS.md section
 * 8.1), as the vendor's row in quirks.c wants it.
 *
 * Results of tools are texts only: images and files in them follow in a user's message behind the
 * results that belong together.
 */
#include "dialect/openai_wire.h"

struct writer {
    struct fl_buf *b;
    const struct fl_chat_request *r;
    const struct fl_write_options *o;
    const struct fl_quirks *q;
    struct fl_losses *losses;
    const struct fl_message *last_user; /* thinking before it is not wanted back */
};

static bool takes(const struct writer *w, unsigned what)
{
    return (w->q->takes & what) != 0;
}

static void lose(const struct writer *w, enum fl_loss_kind kind, const char *what)
{
    fl_losses_add(w->losses, kind, what);
}

/* --- Parts --- */

static void put_cache_mark(const struct writer *w, enum fl_cache_hint cache)
{
    if (cache == FL_CACHE_NONE) {
        return;
    }
    if (!takes(w, FL_TAKES_CACHE_MARKS)) {
        lose(w, FL_LOSS_APPROXIMATED, "cache_control"); /* cached as the vendor sees fit */
        return;
    }
    fl_put_raw(w->b, "cache_control",
               cache == FL_CACHE_1H ? FL_LIT("{\"type\":\"ephemeral\",\"ttl\":\"1h\"}")
                                    : FL_LIT("{\"type\":\"ephemeral\"}"));
}

static void put_text_part(const struct writer *w, struct fl_slice text, enum fl_cache_hint cache)
{
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"text\""));
    fl_put_text(w->b, "text", text);
    put_cache_mark(w, cache);
    fl_buf_putc(w->b, '}');
}

static void put_image(const struct writer *w, const struct fl_part *p)
{
    const struct fl_media *m = &p->media;
    bool web = fl_slice_starts(m->url, FL_LIT("http"));
    if (m->base64.len == 0 && !web) {
        lose(w, FL_LOSS_FATAL, "messages.image");
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"image_url\",\"image_url\":{\"url\":\""));
    if (m->base64.len > 0) {
        fl_put_data_url(w->b, m);
    } else {
        fl_buf_put(w->b, m->url);
    }
    fl_buf_putc(w->b, '"');
    fl_put_text_if(w->b, "detail", m->detail);
    fl_buf_putc(w->b, '}');
    put_cache_mark(w, p->cache);
    fl_buf_putc(w->b, '}');
}

static void put_audio(const struct writer *w, const struct fl_part *p)
{
    const char *format = fl_openai_audio_format(p->media.media_type);
    if (p->media.base64.len == 0 || !format || !takes(w, FL_TAKES_AUDIO)) {
        lose(w, FL_LOSS_FATAL, "messages.audio");
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"input_audio\",\"input_audio\":{"));
    fl_put_text(w->b, "data", p->media.base64);
    fl_put_word(w->b, "format", format);
    fl_buf_put(w->b, FL_LIT("}}"));
}

static void put_file(const struct writer *w, const struct fl_part *p)
{
    const struct fl_media *m = &p->media;
    if (m->text.len > 0) {
        put_text_part(w, m->text, p->cache);
        return;
    }
    if ((m->base64.len == 0 && m->file_id.len == 0) || !takes(w, FL_TAKES_FILES)) {
        lose(w, FL_LOSS_FATAL, "messages.file");
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"file\",\"file\":{"));
    if (m->base64.len > 0) {
        fl_put_text(w->b, "filename", m->name.len > 0 ? m->name : FL_LIT("document.pdf"));
        fl_put_key(w->b, "file_data");
        fl_buf_putc(w->b, '"');
        fl_put_data_url(w->b, m);
        fl_buf_putc(w->b, '"');
    } else {
        fl_put_text_if(w->b, "filename", m->name);
        fl_put_text(w->b, "file_id", m->file_id);
    }
    fl_buf_putc(w->b, '}');
    put_cache_mark(w, p->cache);
    fl_buf_putc(w->b, '}');
}

static void put_native(const struct writer *w, const struct fl_part *p)
{
    struct fl_json type = fl_json_get((struct fl_json){FL_JSON_OBJECT, p->json}, FL_LIT("type"));
    bool video = fl_get_is(type, "video_url") && !takes(w, FL_TAKES_OTHERS);
    if (video) {
        fl_put_comma(w->b);
        fl_buf_put(w->b, p->json);
    } else {
        lose(w, FL_LOSS_DROPPED, "messages.native");
    }
}

static bool is_media(const struct fl_part *p)
{
    return p->kind == FL_PART_IMAGE || p->kind == FL_PART_AUDIO || p->kind == FL_PART_FILE;
}

static void put_part(const struct writer *w, const struct fl_part *p)
{
    switch (p->kind) {
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
        put_text_part(w, p->text, p->cache);
        break;
    case FL_PART_IMAGE:
        put_image(w, p);
        break;
    case FL_PART_AUDIO:
        put_audio(w, p);
        break;
    case FL_PART_FILE:
        put_file(w, p);
        break;
    case FL_PART_NATIVE:
        put_native(w, p);
        break;
    case FL_PART_TOOL_CALL:
    case FL_PART_TOOL_RESULT:
    case FL_PART_THINKING:
    case FL_PART_REDACTED:
        break; /* stand elsewhere */
    }
}

/* All texts of a list as one string, *between* them. */
static void put_joined(const struct writer *w, const struct fl_part *parts, const char *between)
{
    bool first = true;
    fl_buf_putc(w->b, '"');
    for (const struct fl_part *p = parts; p; p = p->next) {
        if (p->kind == FL_PART_TEXT) {
            fl_buf_put_cstr(w->b, first ? "" : between);
            fl_buf_put(w->b, p->text);
            first = false;
        } else if (p->kind == FL_PART_FILE && p->media.text.len > 0) {
            fl_buf_put_cstr(w->b, first ? "" : between);
            fl_buf_put(w->b, p->media.text);
            first = false;
        }
    }
    fl_buf_putc(w->b, '"');
}

static void put_list(const struct writer *w, const struct fl_part *parts)
{
    fl_buf_putc(w->b, '[');
    for (const struct fl_part *p = parts; p; p = p->next) {
        put_part(w, p);
    }
    fl_buf_putc(w->b, ']');
}

/* Is the content one text that needs no list around it? */
static bool is_plain(const struct writer *w, const struct fl_part *parts)
{
    bool marked = parts && parts->cache && takes(w, FL_TAKES_CACHE_MARKS);
    return !parts || (parts->kind == FL_PART_TEXT && !parts->next && !marked);
}

/* --- Messages --- */

static void begin_message(const struct writer *w, const struct fl_message *m, const char *role)
{
    fl_put_comma(w->b);
    fl_buf_putc(w->b, '{');
    fl_put_word(w->b, "role", role);
    if (m->name.len > 0 && m->role != FL_CHAT_TOOL && takes(w, FL_TAKES_NAMES)) {
        fl_put_text(w->b, "name", m->name);
    } else if (m->name.len > 0 && m->role != FL_CHAT_TOOL) {
        lose(w, FL_LOSS_DROPPED, "messages.name");
    }
}

static void note_marks(const struct writer *w, const struct fl_part *parts)
{
    for (const struct fl_part *p = parts; p; p = p->next) {
        if (p->cache) {
            lose(w, FL_LOSS_APPROXIMATED, "cache_control");
        }
    }
}

static void put_system(const struct writer *w, const struct fl_message *m)
{
    bool developer = m->role == FL_CHAT_DEVELOPER && takes(w, FL_TAKES_DEVELOPER);
    begin_message(w, m, developer ? "developer" : "system");
    fl_put_key(w->b, "content");
    if (is_plain(w, m->parts) || !takes(w, FL_TAKES_PARTS)) {
        note_marks(w, m->parts);
        put_joined(w, m->parts, "\\n\\n");
    } else {
        put_list(w, m->parts);
    }
    fl_buf_putc(w->b, '}');
}

static void put_user(const struct writer *w, const struct fl_message *m)
{
    begin_message(w, m, "user");
    fl_put_key(w->b, "content");
    if (is_plain(w, m->parts)) {
        note_marks(w, m->parts);
        put_joined(w, m->parts, "");
    } else {
        put_list(w, m->parts);
    }
    fl_buf_putc(w->b, '}');
}

static void put_result(const struct writer *w, const struct fl_message *m, const struct fl_part *p)
{
    begin_message(w, m, "tool");
    fl_openai_put_tool_id(w->b, "tool_call_id", p->id, w->q);
    fl_put_key(w->b, "content");
    unsigned texts = 0;
    for (const struct fl_part *c = p->content; c; c = c->next) {
        texts += c->kind == FL_PART_TEXT;
        if (is_media(c) && c->media.text.len == 0) {
            lose(w, FL_LOSS_APPROXIMATED, "messages.tool_result.media");
        } else if (c->kind == FL_PART_NATIVE) {
            lose(w, FL_LOSS_DROPPED, "messages.tool_result.native");
        }
    }
    if (texts > 1 && takes(w, FL_TAKES_PARTS)) {
        fl_buf_putc(w->b, '[');
        for (const struct fl_part *c = p->content; c; c = c->next) {
            if (c->kind == FL_PART_TEXT) {
                put_text_part(w, c->text, c->cache);
            }
        }
        fl_buf_putc(w->b, ']');
    } else {
        put_joined(w, p->content, "\\n");
    }
    if (p->is_error) {
        lose(w, FL_LOSS_DROPPED, "messages.tool_result.is_error");
    }
    if (p->cache) {
        lose(w, FL_LOSS_APPROXIMATED, "cache_control");
    }
    fl_buf_putc(w->b, '}');
}

/* Images and files of the results in messages *from* up to *end*. */
static void put_result_media(const struct writer *w, const struct fl_message *from,
                             const struct fl_message *end)
{
    bool open = false;
    for (const struct fl_message *m = from; m != end; m = m->next) {
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            for (const struct fl_part *c = p->content; c; c = c->next) {
                if (!is_media(c) || c->media.text.len > 0) {
                    continue;
                }
                if (!open) {
                    fl_put_comma(w->b);
                    fl_buf_put(w->b, FL_LIT("{\"role\":\"user\",\"content\":["));
                    open = true;
                }
                put_part(w, c);
            }
        }
    }
    if (open) {
        fl_buf_put(w->b, FL_LIT("]}"));
    }
}

/* All results that stand together; returns the message behind them. */
static const struct fl_message *put_results(const struct writer *w, const struct fl_message *m)
{
    const struct fl_message *from = m;
    for (; m && m->role == FL_CHAT_TOOL; m = m->next) {
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            if (p->kind == FL_PART_TOOL_RESULT) {
                put_result(w, m, p);
            }
        }
    }
    put_result_media(w, from, m);
    return m;
}

static void put_call(const struct writer *w, const struct fl_part *p)
{
    bool custom = fl_openai_is_custom(w->r, p->name) && takes(w, FL_TAKES_OTHERS);
    fl_put_comma(w->b);
    fl_buf_putc(w->b, '{');
    fl_openai_put_tool_id(w->b, "id", p->id, w->q);
    if (custom) {
        struct fl_json input =
            fl_json_get((struct fl_json){FL_JSON_OBJECT, p->json}, FL_LIT("input"));
        fl_buf_put(w->b, FL_LIT(",\"type\":\"custom\",\"custom\":{"));
        fl_put_text(w->b, "name", p->name);
        fl_put_text(w->b, "input", fl_get_escaped(input));
    } else {
        fl_buf_put(w->b, FL_LIT(",\"type\":\"function\",\"function\":{"));
        fl_put_text(w->b, "name", p->name);
        fl_put_key(w->b, "arguments");
        fl_put_arguments(w->b, p->json);
    }
    fl_buf_putc(w->b, '}');
    if (p->signature.len > 0 && takes(w, FL_TAKES_SIGNATURES)) {
        fl_put_key(w->b, "extra_content");
        fl_buf_put(w->b, FL_LIT("{\"google\":{"));
        fl_put_text(w->b, "thought_signature", p->signature);
        fl_buf_put(w->b, FL_LIT("}}"));
    } else if (p->signature.len > 0) {
        lose(w, FL_LOSS_DROPPED, "messages.thought_signature");
    }
    fl_buf_putc(w->b, '}');
}

static bool has_kind(const struct fl_part *parts, enum fl_part_kind kind)
{
    while (parts && parts->kind != kind) {
        parts = parts->next;
    }
    return parts != NULL;
}

/* Texts of one kind as one string member. */
static void put_texts(const struct writer *w, const char *key, const struct fl_part *parts,
                      enum fl_part_kind kind)
{
    fl_put_key(w->b, key);
    fl_buf_putc(w->b, '"');
    for (const struct fl_part *p = parts; p; p = p->next) {
        fl_buf_put(w->b, p->kind == kind ? p->text : FL_EMPTY);
    }
    fl_buf_putc(w->b, '"');
}

static void put_details(const struct writer *w, const struct fl_part *parts)
{
    unsigned index = 0;
    fl_put_key(w->b, "reasoning_details");
    fl_buf_putc(w->b, '[');
    for (const struct fl_part *p = parts; p; p = p->next) {
        bool thinking = p->kind == FL_PART_THINKING;
        if (!thinking && p->kind != FL_PART_REDACTED) {
            continue;
        }
        fl_put_comma(w->b);
        fl_buf_putc(w->b, '{');
        fl_put_word(w->b, "type", thinking ? "reasoning.text" : "reasoning.encrypted");
        fl_put_text(w->b, thinking ? "text" : "data", p->text);
        fl_put_text_if(w->b, "signature", p->signature);
        fl_put_number(w->b, "index", index++);
        fl_buf_putc(w->b, '}');
    }
    fl_buf_putc(w->b, ']');
}

static void put_thinking(const struct writer *w, const struct fl_message *m, bool in_turn)
{
    bool thinking = has_kind(m->parts, FL_PART_THINKING);
    if (!thinking && !has_kind(m->parts, FL_PART_REDACTED)) {
        return;
    }
    if (w->q->thinking == FL_THINKING_DETAILS) {
        put_details(w, m->parts);
    } else if (w->q->thinking == FL_THINKING_CONTENT && thinking && in_turn) {
        put_texts(w, "reasoning_content", m->parts, FL_PART_THINKING);
    } else if (w->q->thinking != FL_THINKING_PARTS) {
        lose(w, FL_LOSS_DROPPED, "messages.thinking");
    }
}

/* Mistral: thinking and texts as parts of the content. */
static void put_thinking_parts(const struct writer *w, const struct fl_part *parts)
{
    fl_put_key(w->b, "content");
    fl_buf_putc(w->b, '[');
    for (const struct fl_part *p = parts; p; p = p->next) {
        if (p->kind == FL_PART_TEXT) {
            put_text_part(w, p->text, FL_CACHE_NONE);
        } else if (p->kind == FL_PART_THINKING) {
            fl_put_comma(w->b);
            fl_buf_put(w->b, FL_LIT("{\"type\":\"thinking\",\"thinking\":["));
            put_text_part(w, p->text, FL_CACHE_NONE);
            fl_buf_put(w->b, FL_LIT("]}"));
        }
    }
    fl_buf_putc(w->b, ']');
}

static void put_assistant(const struct writer *w, const struct fl_message *m, bool in_turn)
{
    bool calls = has_kind(m->parts, FL_PART_TOOL_CALL), texts = has_kind(m->parts, FL_PART_TEXT);
    begin_message(w, m, "assistant");
    put_thinking(w, m, in_turn);
    if (w->q->thinking == FL_THINKING_PARTS && has_kind(m->parts, FL_PART_THINKING)) {
        put_thinking_parts(w, m->parts);
    } else if (texts || !calls) {
        note_marks(w, m->parts);
        put_texts(w, "content", m->parts, FL_PART_TEXT);
    } else {
        fl_put_raw(w->b, "content", FL_LIT("null"));
    }
    if (has_kind(m->parts, FL_PART_REFUSAL)) {
        put_texts(w, "refusal", m->parts, FL_PART_REFUSAL);
    }
    if (has_kind(m->parts, FL_PART_NATIVE)) {
        lose(w, FL_LOSS_DROPPED, "messages.native");
    }
    for (const struct fl_part *p = m->parts; p; p = p->next) {
        if (is_media(p)) {
            lose(w, FL_LOSS_DROPPED, "messages.assistant.media");
        }
    }
    if (calls) {
        fl_put_key(w->b, "tool_calls");
        fl_buf_putc(w->b, '[');
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            if (p->kind == FL_PART_TOOL_CALL) {
                put_call(w, p);
            }
        }
        fl_buf_putc(w->b, ']');
    }
    fl_buf_putc(w->b, '}');
}

static void put_messages(struct writer *w)
{
    bool in_turn = false; /* behind the user's last word */
    for (const struct fl_message *m = w->r->messages; m; m = m->next) {
        w->last_user = m->role == FL_CHAT_USER ? m : w->last_user;
    }
    fl_put_key(w->b, "messages");
    fl_buf_putc(w->b, '[');
    for (const struct fl_message *m = w->r->messages; m;) {
        const struct fl_message *next = m->next;
        in_turn = in_turn || m == w->last_user;
        switch (m->role) {
        case FL_CHAT_SYSTEM:
        case FL_CHAT_DEVELOPER:
            put_system(w, m);
            break;
        case FL_CHAT_USER:
            put_user(w, m);
            break;
        case FL_CHAT_ASSISTANT:
            put_assistant(w, m, in_turn);
            break;
        case FL_CHAT_TOOL:
            next = put_results(w, m);
            break;
        }
        m = next;
    }
    fl_buf_putc(w->b, ']');
}

/* --- Tools --- */

static void put_tool(const struct writer *w, const struct fl_tool *t)
{
    fl_put_comma(w->b);
    if (t->custom && takes(w, FL_TAKES_OTHERS)) {
        fl_buf_put(w->b, FL_LIT("{\"type\":\"custom\",\"custom\":{"));
        fl_put_text(w->b, "name", t->name);
        fl_put_text_if(w->b, "description", t->description);
        fl_put_raw_if(w->b, "format", t->custom_format);
        fl_buf_put(w->b, FL_LIT("}}"));
        return;
    }
    if (t->custom) {
        lose(w, FL_LOSS_EMULATED, "tools.custom");
    }
    fl_buf_put(w->b, FL_LIT("{\"type\":\"function\",\"function\":{"));
    fl_openai_put_function(w->b, t, w->q, w->losses);
    fl_buf_putc(w->b, '}');
    put_cache_mark(w, t->cache);
    fl_buf_putc(w->b, '}');
}

static void put_tool_choice(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    const struct fl_member *native = fl_openai_other(r, "tool_choice");
    if (r->tool_choice == FL_TOOL_CHOICE_ABSENT || (native && takes(w, FL_TAKES_OTHERS))) {
        return;
    }
    if (!takes(w, FL_TAKES_CHOICE)) {
        if (r->tool_choice != FL_TOOL_CHOICE_AUTO) {
            lose(w, FL_LOSS_DROPPED, "tool_choice");
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

static void put_tools(const struct writer *w)
{
    bool some = false;
    for (const struct fl_tool *t = w->r->tools; t; t = t->next) {
        if (t->native.len > 0) { /* web search and the like: chat has none */
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
    if (!some) {
        return; /* without tools there is no choice among them */
    }
    fl_buf_putc(w->b, ']');
    put_tool_choice(w);
    if (w->r->parallel_off && takes(w, FL_TAKES_PARALLEL)) {
        fl_put_flag(w->b, "parallel_tool_calls", false);
    } else if (w->r->parallel_off) {
        lose(w, FL_LOSS_DROPPED, "parallel_tool_calls");
    }
}

/* --- The other fields --- */

static void put_stops(const struct writer *w)
{
    enum { stops_max = 4 };
    unsigned count = 0;
    if (!w->r->stops) {
        return;
    }
    if (fl_openai_reasons(w->q, w->o->model)) {
        lose(w, FL_LOSS_DROPPED, "stop");
        return;
    }
    fl_put_key(w->b, "stop");
    fl_buf_putc(w->b, '[');
    for (const struct fl_text_item *s = w->r->stops; s; s = s->next) {
        if (count++ == stops_max) {
            lose(w, FL_LOSS_APPROXIMATED, "stop");
            break;
        }
        fl_put_comma(w->b);
        fl_put_quoted(w->b, s->text);
    }
    fl_buf_putc(w->b, ']');
}

static void put_sampling(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    bool reasons = fl_openai_reasons(w->q, w->o->model);
    bool penalties = takes(w, FL_TAKES_PENALTIES) && !reasons;
    if (r->tokens_out_max > 0) {
        fl_put_number(w->b,
                      takes(w, FL_TAKES_MAX_COMPLETION) ? "max_completion_tokens" : "max_tokens",
                      r->tokens_out_max);
    }
    fl_openai_put_sampling(w->b, r, w->q, w->o->model, w->losses);
    fl_openai_put_number_or_lose(w->b, "top_k", r->top_k, takes(w, FL_TAKES_TOP_K), w->losses);
    fl_openai_put_number_or_lose(w->b, w->q->seed ? w->q->seed : "seed", r->seed,
                                 takes(w, FL_TAKES_SEED), w->losses);
    fl_openai_put_number_or_lose(w->b, "presence_penalty", r->presence_penalty, penalties,
                                 w->losses);
    fl_openai_put_number_or_lose(w->b, "frequency_penalty", r->frequency_penalty, penalties,
                                 w->losses);
    fl_openai_put_number_or_lose(w->b, "logit_bias", r->logit_bias,
                                 takes(w, FL_TAKES_LOGIT_BIAS) && !reasons, w->losses);
    if (r->choices > 1 && !takes(w, FL_TAKES_N)) {
        lose(w, FL_LOSS_FATAL, "n");
    } else if (r->choices > 0 && takes(w, FL_TAKES_N)) {
        fl_put_number(w->b, "n", r->choices);
    }
    if (r->logprobs && takes(w, FL_TAKES_LOGPROBS) && !reasons) {
        fl_put_flag(w->b, "logprobs", true);
        if (r->top_logprobs > 0) {
            fl_put_number(w->b, "top_logprobs", r->top_logprobs);
        }
    }
    if (r->logprobs || r->top_logprobs > 0) {
        lose(w, FL_LOSS_DROPPED, "logprobs"); /* answers cannot carry them */
    }
    put_stops(w);
}

static void put_format(const struct writer *w)
{
    const struct fl_chat_request *r = w->r;
    if (r->format == FL_FORMAT_TEXT) {
        return;
    }
    fl_put_key(w->b, "response_format");
    if (r->format == FL_FORMAT_JSON || !takes(w, FL_TAKES_SCHEMA)) {
        fl_buf_put(w->b, FL_LIT("{\"type\":\"json_object\"}"));
        if (r->format == FL_FORMAT_SCHEMA) {
            lose(w, FL_LOSS_APPROXIMATED, "response_format");
        }
        return;
    }
    fl_buf_put(w->b, FL_LIT("{\"type\":\"json_schema\",\"json_schema\":{"));
    fl_put_text(w->b, "name", r->format_name.len > 0 ? r->format_name : FL_LIT("answer"));
    fl_put_text_if(w->b, "description", r->format_description);
    fl_put_raw_if(w->b, "schema", r->format_schema);
    if (r->format_strict && takes(w, FL_TAKES_STRICT)) {
        fl_put_flag(w->b, "strict", true);
    }
    fl_buf_put(w->b, FL_LIT("}}"));
}

static void put_reasoning_object(const struct writer *w)
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

static void put_reasoning(const struct writer *w)
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
            lose(w, FL_LOSS_APPROXIMATED, "thinking");
        }
        return;
    }
    enum fl_effort effort = fl_openai_effort(r, w->q, w->o->model, w->losses);
    if (effort) {
        fl_put_word(w->b, "reasoning_effort", fl_openai_effort_word(effort));
    }
}

/* A member that is a text, or a loss. */
static void put_text_or_lose(const struct writer *w, const char *key, struct fl_slice text,
                             unsigned what)
{
    if (text.len > 0 && takes(w, what)) {
        fl_put_text(w->b, key, text);
    } else if (text.len > 0) {
        lose(w, FL_LOSS_DROPPED, key);
    }
}

static void put_rest(const struct writer *w)
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
    bool user_said = fl_openai_other(r, "safety_identifier") && takes(w, FL_TAKES_OTHERS);
    if (!user_said) {
        put_text_or_lose(w, "user", r->user, FL_TAKES_USER);
    }
    put_text_or_lose(w, "service_tier", r->service_tier, FL_TAKES_TIER);
    put_text_or_lose(w, "prompt_cache_key", r->cache_key, FL_TAKES_CACHE_KEY);
    if (takes(w, FL_TAKES_METADATA)) {
        fl_put_raw_if(w->b, "metadata", r->metadata);
    } else if (r->metadata.len > 0) {
        lose(w, FL_LOSS_DROPPED, "metadata");
    }
    put_cache_mark(w, r->cache);
    fl_openai_put_others(w->b, r->others, known,
                         takes(w, FL_TAKES_OTHERS) ? sizeof(known) / sizeof(*known) : 0, w->losses);
}

enum fl_err fl_openai_chat_write(const struct fl_chat_request *request,
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
    put_messages(&w);
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

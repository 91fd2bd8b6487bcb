/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the messages of a provider's request for a chat completion.
 *
 * Results of tools are texts only: images and files in them follow in a user's message behind the
 * results that belong together.
 */
#include "dialect/openai_chat_write.h"

/* --- Parts --- */

static void put_text_part(const struct fl_chat_writer *w, struct fl_slice text,
                          enum fl_cache_hint cache)
{
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"text\""));
    fl_put_text(w->b, "text", text);
    fl_openai_chat_put_cache_mark(w, cache);
    fl_buf_putc(w->b, '}');
}

static void put_image(const struct fl_chat_writer *w, const struct fl_part *p)
{
    const struct fl_media *m = &p->media;
    bool web = fl_slice_starts(m->url, FL_LIT("http"));
    if (m->base64.len == 0 && !web) {
        fl_chat_lose(w, FL_LOSS_FATAL, "messages.image");
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
    fl_openai_chat_put_cache_mark(w, p->cache);
    fl_buf_putc(w->b, '}');
}

static void put_audio(const struct fl_chat_writer *w, const struct fl_part *p)
{
    const char *format = fl_openai_audio_format(p->media.media_type);
    if (p->media.base64.len == 0 || !format || !fl_chat_takes(w, FL_TAKES_AUDIO)) {
        fl_chat_lose(w, FL_LOSS_FATAL, "messages.audio");
        return;
    }
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"input_audio\",\"input_audio\":{"));
    fl_put_text(w->b, "data", p->media.base64);
    fl_put_word(w->b, "format", format);
    fl_buf_put(w->b, FL_LIT("}}"));
}

/* Mistral takes documents by URL, a data: URL too. */
static void put_document(const struct fl_chat_writer *w, const struct fl_media *m)
{
    fl_put_comma(w->b);
    fl_buf_put(w->b, FL_LIT("{\"type\":\"document_url\",\"document_url\":\""));
    if (m->base64.len > 0) {
        fl_put_data_url(w->b, m);
    } else {
        fl_buf_put(w->b, m->url);
    }
    fl_buf_put(w->b, FL_LIT("\"}"));
}

static void put_file(const struct fl_chat_writer *w, const struct fl_part *p)
{
    const struct fl_media *m = &p->media;
    if (m->text.len > 0) {
        put_text_part(w, m->text, p->cache);
        return;
    }
    if (fl_chat_takes(w, FL_TAKES_DOCUMENTS) &&
        (m->base64.len > 0 || fl_slice_starts(m->url, FL_LIT("http")))) {
        put_document(w, m);
        return;
    }
    if ((m->base64.len == 0 && m->file_id.len == 0) || !fl_chat_takes(w, FL_TAKES_FILES)) {
        fl_chat_lose(w, FL_LOSS_FATAL, "messages.file");
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
    fl_openai_chat_put_cache_mark(w, p->cache);
    fl_buf_putc(w->b, '}');
}

static void put_native(const struct fl_chat_writer *w, const struct fl_part *p)
{
    struct fl_json type = fl_json_get((struct fl_json){FL_JSON_OBJECT, p->json}, FL_LIT("type"));
    bool video = fl_get_is(type, "video_url") && !fl_chat_takes(w, FL_TAKES_OTHERS);
    if (video) {
        fl_put_comma(w->b);
        fl_buf_put(w->b, p->json);
    } else { /* what the user shows must not be left out */
        fl_chat_lose(w, FL_LOSS_FATAL, "messages.native");
    }
}

static bool is_media(const struct fl_part *p)
{
    return p->kind == FL_PART_IMAGE || p->kind == FL_PART_AUDIO || p->kind == FL_PART_FILE;
}

static void put_part(const struct fl_chat_writer *w, const struct fl_part *p)
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
static void put_joined(const struct fl_chat_writer *w, const struct fl_part *parts,
                       const char *between)
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

static void put_list(const struct fl_chat_writer *w, const struct fl_part *parts)
{
    fl_buf_putc(w->b, '[');
    for (const struct fl_part *p = parts; p; p = p->next) {
        put_part(w, p);
    }
    fl_buf_putc(w->b, ']');
}

/* Is the content one text that needs no list around it? */
static bool is_plain(const struct fl_chat_writer *w, const struct fl_part *parts)
{
    bool marked = parts && parts->cache && fl_chat_takes(w, FL_TAKES_CACHE_MARKS);
    return !parts || (parts->kind == FL_PART_TEXT && !parts->next && !marked);
}

/* --- Messages --- */

static void begin_message(const struct fl_chat_writer *w, const struct fl_message *m,
                          const char *role)
{
    fl_put_comma(w->b);
    fl_buf_putc(w->b, '{');
    fl_put_word(w->b, "role", role);
    if (m->name.len > 0 && m->role != FL_CHAT_TOOL && fl_chat_takes(w, FL_TAKES_NAMES)) {
        fl_put_text(w->b, "name", m->name);
    } else if (m->name.len > 0 && m->role != FL_CHAT_TOOL) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "messages.name");
    }
}

static void note_marks(const struct fl_chat_writer *w, const struct fl_part *parts)
{
    for (const struct fl_part *p = parts; p; p = p->next) {
        if (p->cache) {
            fl_chat_lose(w, FL_LOSS_APPROXIMATED, "cache_control");
        }
    }
}

static void put_system(const struct fl_chat_writer *w, const struct fl_message *m)
{
    bool developer = m->role == FL_CHAT_DEVELOPER && fl_chat_takes(w, FL_TAKES_DEVELOPER);
    begin_message(w, m, developer ? "developer" : "system");
    fl_put_key(w->b, "content");
    if (is_plain(w, m->parts) || !fl_chat_takes(w, FL_TAKES_PARTS)) {
        note_marks(w, m->parts);
        put_joined(w, m->parts, "\\n\\n");
    } else {
        put_list(w, m->parts);
    }
    fl_buf_putc(w->b, '}');
}

static void put_user(const struct fl_chat_writer *w, const struct fl_message *m)
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

static void put_result(const struct fl_chat_writer *w, const struct fl_message *m,
                       const struct fl_part *p)
{
    begin_message(w, m, "tool");
    fl_openai_put_tool_id(w->b, "tool_call_id", p->id, w->q);
    fl_put_key(w->b, "content");
    unsigned texts = 0;
    for (const struct fl_part *c = p->content; c; c = c->next) {
        texts += c->kind == FL_PART_TEXT;
        if (is_media(c) && c->media.text.len == 0) {
            fl_chat_lose(w, FL_LOSS_APPROXIMATED, "messages.tool_result.media");
        } else if (c->kind == FL_PART_NATIVE) {
            fl_chat_lose(w, FL_LOSS_DROPPED, "messages.tool_result.native");
        }
    }
    if (texts > 1 && fl_chat_takes(w, FL_TAKES_PARTS)) {
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
        fl_chat_lose(w, FL_LOSS_DROPPED, "messages.tool_result.is_error");
    }
    if (p->cache) {
        fl_chat_lose(w, FL_LOSS_APPROXIMATED, "cache_control");
    }
    fl_buf_putc(w->b, '}');
}

/* Images and files of the results in messages *from* up to *end*. */
static void put_result_media(const struct fl_chat_writer *w, const struct fl_message *from,
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
static const struct fl_message *put_results(const struct fl_chat_writer *w,
                                            const struct fl_message *m)
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

static void put_call(const struct fl_chat_writer *w, const struct fl_part *p)
{
    bool custom = fl_openai_is_custom(w->r, p->name) && fl_chat_takes(w, FL_TAKES_OTHERS);
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
    if (p->signature.len > 0 && fl_chat_takes(w, FL_TAKES_SIGNATURES)) {
        fl_put_key(w->b, "extra_content");
        fl_buf_put(w->b, FL_LIT("{\"google\":{"));
        fl_put_text(w->b, "thought_signature", p->signature);
        fl_buf_put(w->b, FL_LIT("}}"));
    } else if (p->signature.len > 0) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "messages.thought_signature");
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
static void put_texts(const struct fl_chat_writer *w, const char *key, const struct fl_part *parts,
                      enum fl_part_kind kind)
{
    fl_put_key(w->b, key);
    fl_buf_putc(w->b, '"');
    for (const struct fl_part *p = parts; p; p = p->next) {
        fl_buf_put(w->b, p->kind == kind ? p->text : FL_EMPTY);
    }
    fl_buf_putc(w->b, '"');
}

static void put_details(const struct fl_chat_writer *w, const struct fl_part *parts)
{
    unsigned index = 0;
    fl_put_key(w->b, "reasoning_details");
    fl_buf_putc(w->b, '[');
    for (const struct fl_part *p = parts; p; p = p->next) {
        bool thinking = p->kind == FL_PART_THINKING;
        if ((!thinking && p->kind != FL_PART_REDACTED) || p->text.len + p->signature.len == 0) {
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

static void put_thinking(const struct fl_chat_writer *w, const struct fl_message *m, bool in_turn)
{
    bool texts = false, proofs = false;
    for (const struct fl_part *p = m->parts; p; p = p->next) {
        texts = texts || (p->kind == FL_PART_THINKING && p->text.len > 0);
        proofs = proofs || (p->kind == FL_PART_THINKING && p->signature.len > 0) ||
                 p->kind == FL_PART_REDACTED;
    }
    if (w->q->thinking == FL_THINKING_DETAILS && (texts || proofs)) {
        put_details(w, m->parts);
    } else if (w->q->thinking == FL_THINKING_CONTENT && texts && in_turn) {
        put_texts(w, "reasoning_content", m->parts, FL_PART_THINKING);
    } else if ((texts || proofs) && w->q->thinking != FL_THINKING_PARTS) {
        fl_chat_lose(w, FL_LOSS_DROPPED, "messages.thinking");
    }
}

/* Mistral: thinking and texts as parts of the content. */
static void put_thinking_parts(const struct fl_chat_writer *w, const struct fl_part *parts)
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

static void put_assistant(const struct fl_chat_writer *w, const struct fl_message *m, bool in_turn)
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
        fl_chat_lose(w, FL_LOSS_DROPPED, "messages.native");
    }
    for (const struct fl_part *p = m->parts; p; p = p->next) {
        if (is_media(p)) {
            fl_chat_lose(w, FL_LOSS_DROPPED, "messages.assistant.media");
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

void fl_openai_chat_put_messages(struct fl_chat_writer *w)
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

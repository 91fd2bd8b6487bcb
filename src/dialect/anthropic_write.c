/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical request as a body of Anthropic's messages, for the provider itself, for Bedrock's
 * invoke and for Vertex' rawPredict. Turns alternate: a run of messages of one side becomes one
 * message, in a user's with the results of tools first. Leading system messages go to "system"; a
 * later one stands where it stood, as the user's text.
 */
#include "dialect/anthropic_write.h"

/* --- Parts --- */

static void put_cache(struct fl_anthropic_writer *w, enum fl_cache_hint cache)
{
    enum { CACHE_MARKS_MAX = 4 }; /* more are refused */
    if (cache == FL_CACHE_NONE) {
        return;
    }
    if (w->cache_marks++ >= CACHE_MARKS_MAX) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "cache_control");
        return;
    }
    fl_anthropic_put_cache(w->out, cache);
}

void fl_anthropic_put_cache(struct fl_buf *b, enum fl_cache_hint cache)
{
    fl_put_key(b, "cache_control");
    fl_buf_put(b, FL_LIT("{\"type\":\"ephemeral\""));
    if (cache != FL_CACHE_DEFAULT) {
        fl_put_word(b, "ttl", cache == FL_CACHE_1H ? "1h" : "5m");
    }
    fl_buf_putc(b, '}');
}

static void open_block(struct fl_anthropic_writer *w, const char *type)
{
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "type", type);
}

static void close_block(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    put_cache(w, part->cache);
    fl_buf_putc(w->out, '}');
}

static void fatal(struct fl_anthropic_writer *w, const char *what)
{
    fl_losses_add(w->losses, FL_LOSS_FATAL, what);
}

static bool is_image(struct fl_slice type)
{
    return fl_slice_eq(type, FL_LIT("image/png")) || fl_slice_eq(type, FL_LIT("image/jpeg")) ||
           fl_slice_eq(type, FL_LIT("image/gif")) || fl_slice_eq(type, FL_LIT("image/webp"));
}

static bool has_web_url(const struct fl_anthropic_writer *w, const struct fl_media *media)
{
    return w->host == FL_ANTHROPIC_DIRECT && fl_slice_starts(media->url, FL_LIT("http"));
}

/* Up to where the source's members go on. */
static void put_source(struct fl_anthropic_writer *w, const char *type)
{
    fl_put_key(w->out, "source");
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "type", type);
}

static bool put_image(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    const struct fl_media *media = &part->media;
    struct fl_slice type = fl_media_type_of(media);
    bool inline_data = media->base64.len > 0 && is_image(type);
    if (!inline_data && !has_web_url(w, media)) {
        fatal(w, "messages.image");
        return false;
    }
    open_block(w, "image");
    put_source(w, inline_data ? "base64" : "url");
    fl_put_text_if(w->out, inline_data ? "media_type" : "url", inline_data ? type : media->url);
    fl_put_text_if(w->out, "data", media->base64);
    fl_buf_putc(w->out, '}');
    close_block(w, part);
    return true;
}

static bool put_file(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    const struct fl_media *media = &part->media;
    struct fl_slice type = fl_media_type_of(media);
    if (media->base64.len > 0 && is_image(type)) {
        return put_image(w, part);
    }
    bool pdf = media->base64.len > 0 && fl_slice_eq(type, FL_LIT("application/pdf"));
    if (!pdf && media->text.len == 0 && !has_web_url(w, media)) {
        fatal(w, "messages.file");
        return false;
    }
    open_block(w, "document");
    put_source(w, pdf ? "base64" : media->text.len > 0 ? "text" : "url");
    if (pdf || media->text.len > 0) {
        fl_put_text(w->out, "media_type", pdf ? type : FL_LIT("text/plain"));
        fl_put_text(w->out, "data", pdf ? media->base64 : media->text);
    } else {
        fl_put_text(w->out, "url", media->url);
    }
    fl_buf_putc(w->out, '}');
    fl_put_text_if(w->out, "title", media->name);
    close_block(w, part);
    return true;
}

static bool put_text(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    struct fl_slice text = w->trim ? fl_text_trim_end(part->text) : part->text;
    if (fl_text_is_blank(text)) {
        return false;
    }
    open_block(w, "text");
    fl_put_text(w->out, "text", text);
    close_block(w, part);
    return true;
}

static bool put_thinking(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    if (part->signature.len == 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.thinking");
        return false;
    }
    open_block(w, "thinking");
    fl_put_text(w->out, "thinking", part->text);
    fl_put_text(w->out, "signature", part->signature);
    fl_buf_putc(w->out, '}');
    return true;
}

/* Blocks of Anthropic's own servers, which came from a client of the same dialect. */
static bool put_native(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    static const char *const ours[] = {"server_tool_use", "container_upload", "mcp_tool_use",
                                       "compaction"};
    struct fl_json block = {FL_JSON_OBJECT, part->json};
    struct fl_json type = fl_json_get(block, FL_LIT("type"));
    struct fl_slice word = fl_get_escaped(type), tail = FL_LIT("_tool_result");
    bool known = word.len > tail.len && fl_slice_eq(fl_slice_from(word, word.len - tail.len), tail);
    if (!known && fl_get_word(type, ours, 4) < 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.content");
        return false;
    }
    fl_put_comma(w->out);
    fl_buf_put(w->out, part->json);
    return true;
}

static void put_result(struct fl_anthropic_writer *w, const struct fl_part *part);

/* False: there was nothing to say. */
static bool put_part(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    switch (part->kind) {
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
        return put_text(w, part);
    case FL_PART_IMAGE:
        return put_image(w, part);
    case FL_PART_AUDIO:
        fatal(w, "messages.audio");
        return false;
    case FL_PART_FILE:
        return put_file(w, part);
    case FL_PART_TOOL_CALL:
        open_block(w, "tool_use");
        fl_put_tool_id(w->out, "id", part->id);
        fl_put_text(w->out, "name", part->name);
        fl_put_raw(w->out, "input", part->json.len > 0 ? part->json : FL_LIT("{}"));
        close_block(w, part);
        return true;
    case FL_PART_TOOL_RESULT:
        put_result(w, part);
        return true;
    case FL_PART_THINKING:
        return put_thinking(w, part);
    case FL_PART_REDACTED:
        open_block(w, "redacted_thinking");
        fl_put_text(w->out, "data", part->text);
        fl_buf_putc(w->out, '}');
        return true;
    case FL_PART_NATIVE:
        return put_native(w, part);
    }
    return false;
}

static void put_result(struct fl_anthropic_writer *w, const struct fl_part *part)
{
    open_block(w, "tool_result");
    fl_put_tool_id(w->out, "tool_use_id", part->id);
    fl_put_key(w->out, "content");
    fl_buf_putc(w->out, '[');
    for (const struct fl_part *p = part->content; p; p = p->next) {
        if (p->kind != FL_PART_TOOL_RESULT) {
            (void)put_part(w, p);
        }
    }
    fl_buf_putc(w->out, ']');
    if (part->is_error) {
        fl_put_flag(w->out, "is_error", true);
    }
    close_block(w, part);
}

/* --- Messages --- */

static void put_parts(struct fl_anthropic_writer *w, const struct fl_message *m, bool results)
{
    for (const struct fl_part *p = m->parts; p; p = p->next) {
        if ((p->kind == FL_PART_TOOL_RESULT) == results) {
            w->trim = w->last && !p->next;
            (void)put_part(w, p);
            w->trim = false;
        }
    }
}

/* The messages from *m* to *end* as one. */
static void put_run(struct fl_anthropic_writer *w, const struct fl_message *m,
                    const struct fl_message *end)
{
    bool model = fl_of_model(m);
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "role", model ? "assistant" : "user");
    fl_put_key(w->out, "content");
    fl_buf_putc(w->out, '[');
    for (const struct fl_message *i = m; !model && i != end; i = fl_next_spoken(i->next)) {
        put_parts(w, i, true);
    }
    for (const struct fl_message *i = m; i != end; i = fl_next_spoken(i->next)) {
        w->last = model && !end && !fl_next_spoken(i->next);
        put_parts(w, i, false);
    }
    w->last = false;
    fl_buf_put(w->out, FL_LIT("]}"));
}

static void put_opening(struct fl_anthropic_writer *w)
{
    fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "messages");
    fl_buf_put(w->out,
               FL_LIT("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}"));
}

void fl_anthropic_put_messages(struct fl_anthropic_writer *w)
{
    const struct fl_message *m = fl_next_spoken(fl_behind_system(w->request, w->losses));
    fl_put_key(w->out, "messages");
    fl_buf_putc(w->out, '[');
    if (!m || fl_of_model(m)) { /* the first word is the user's */
        put_opening(w);
    }
    while (m) {
        const struct fl_message *end = m;
        while (end && fl_of_model(end) == fl_of_model(m)) {
            end = fl_next_spoken(end->next);
        }
        put_run(w, m, end);
        m = end;
    }
    fl_buf_putc(w->out, ']');
}

/* *order*: what to say of the format, behind all else. */
void fl_anthropic_put_system(struct fl_anthropic_writer *w, bool order)
{
    bool begun = false;
    for (const struct fl_message *m = w->request->messages; m && fl_is_system(m); m = m->next) {
        if (fl_next_spoken(m) != m) {
            continue;
        }
        if (!begun) {
            fl_put_key(w->out, "system");
            fl_buf_putc(w->out, '[');
        }
        begun = true;
        put_parts(w, m, false);
    }
    if (order) {
        if (!begun) {
            fl_put_key(w->out, "system");
            fl_buf_putc(w->out, '[');
        }
        begun = true;
        open_block(w, "text");
        fl_put_key(w->out, "text");
        fl_put_format_order(w->out, w->request);
        fl_buf_putc(w->out, '}');
    }
    if (begun) {
        fl_buf_putc(w->out, ']');
    }
}

/* --- Tools --- */

/* Tools of Anthropic's own, by the start of their type. What runs on its servers is not
 * everywhere. */
static bool is_native_here(enum fl_anthropic_host host, struct fl_slice tool)
{
    static const struct {
        struct fl_slice start;
        bool everywhere;
    } known[] = {{{"bash_", 5}, true},         {{"text_editor_", 12}, true},
                 {{"computer_", 9}, true},     {{"memory_", 7}, true},
                 {{"tool_search_", 12}, true}, {{"web_search_2", 12}, false},
                 {{"web_fetch_2", 11}, false}, {{"code_execution_2", 16}, false},
                 {{"mcp_toolset", 11}, false}};
    struct fl_slice type =
        fl_get_escaped(fl_json_get((struct fl_json){FL_JSON_OBJECT, tool}, FL_LIT("type")));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (fl_slice_starts(type, known[i].start)) {
            return known[i].everywhere || host != FL_ANTHROPIC_BEDROCK;
        }
    }
    return false;
}

static void put_tool(struct fl_anthropic_writer *w, const struct fl_tool *tool)
{
    fl_put_comma(w->out);
    if (tool->native.len > 0) {
        fl_buf_put(w->out, tool->native);
        return;
    }
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "name", tool->name);
    fl_put_text_if(w->out, "description", tool->description);
    fl_put_key(w->out, "input_schema");
    fl_put_tool_schema(w->out, tool->schema);
    if (tool->strict) {
        fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "tools.strict");
    }
    put_cache(w, tool->cache);
    fl_buf_putc(w->out, '}');
}

static bool is_sent(struct fl_anthropic_writer *w, const struct fl_tool *tool)
{
    return tool->native.len == 0 || is_native_here(w->host, tool->native);
}

static void put_answer_tool(struct fl_anthropic_writer *w)
{
    const struct fl_chat_request *q = w->request;
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "name", FL_ANSWER_TOOL);
    fl_put_text(w->out, "description",
                q->format_description.len > 0
                    ? q->format_description
                    : FL_LIT("Gives the final answer. Call it once, with the answer."));
    fl_put_raw(w->out, "input_schema", q->format_schema);
    fl_buf_putc(w->out, '}');
}

static void put_choice(struct fl_anthropic_writer *w, enum fl_tool_choice choice,
                       struct fl_slice name)
{
    static const char *const words[] = {[FL_TOOL_CHOICE_ABSENT] = "auto",
                                        [FL_TOOL_CHOICE_AUTO] = "auto",
                                        [FL_TOOL_CHOICE_NONE] = "none",
                                        [FL_TOOL_CHOICE_REQUIRED] = "any",
                                        [FL_TOOL_CHOICE_NAMED] = "tool"};
    if (choice == FL_TOOL_CHOICE_ABSENT && !w->request->parallel_off) {
        return;
    }
    fl_put_key(w->out, "tool_choice");
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "type", words[choice]);
    if (choice == FL_TOOL_CHOICE_NAMED) {
        fl_put_text(w->out, "name", name);
    }
    if (w->request->parallel_off && choice != FL_TOOL_CHOICE_NONE) {
        fl_put_flag(w->out, "disable_parallel_tool_use", true);
    }
    fl_buf_putc(w->out, '}');
}

void fl_anthropic_put_tools(struct fl_anthropic_writer *w, bool answer_tool)
{
    const struct fl_chat_request *q = w->request;
    unsigned count = 0;
    for (const struct fl_tool *t = q->tools; t; t = t->next) {
        if (!is_sent(w, t)) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "tools");
            continue;
        }
        if (count++ == 0) {
            fl_put_key(w->out, "tools");
            fl_buf_putc(w->out, '[');
        }
        put_tool(w, t);
    }
    if (answer_tool) {
        if (count == 0) {
            fl_put_key(w->out, "tools");
            fl_buf_putc(w->out, '[');
        }
        put_answer_tool(w);
    }
    if (count > 0 || answer_tool) {
        fl_buf_putc(w->out, ']');
    }
    if (answer_tool) {
        put_choice(w, count > 0 ? FL_TOOL_CHOICE_REQUIRED : FL_TOOL_CHOICE_NAMED,
                   FL_LIT(FL_ANSWER_TOOL));
    } else if (count > 0) {
        put_choice(w, q->tool_choice, q->tool_choice_name);
    }
}

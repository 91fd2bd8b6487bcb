/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and system texts of converse. Turns alternate and begin with the user's; each block is
 * an object of one member; images and documents come as bytes only.
 */
#include "dialect/converse.h"

/* --- Blocks --- */

static void open_block(struct fl_converse_writer *w, const char *kind)
{
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_key(w->out, kind);
    fl_buf_putc(w->out, '{');
}

static void close_block(struct fl_converse_writer *w)
{
    fl_buf_put(w->out, FL_LIT("}}"));
}

static void put_text_block(struct fl_converse_writer *w, struct fl_slice escaped)
{
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "text", escaped);
    fl_buf_putc(w->out, '}');
    w->text_seen = true;
}

void fl_converse_put_cache_point(struct fl_converse_writer *w, enum fl_cache_hint cache)
{
    enum { CACHE_POINTS_MAX = 4 };
    if (cache == FL_CACHE_NONE) {
        return;
    }
    if (!w->model.has_cache || w->cache_points++ >= CACHE_POINTS_MAX) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "cache_control");
        return;
    }
    open_block(w, "cachePoint");
    fl_put_word(w->out, "type", "default");
    if (cache == FL_CACHE_1H) {
        fl_put_word(w->out, "ttl", "1h");
    }
    close_block(w);
}

static void put_bytes(struct fl_converse_writer *w, const struct fl_media *media)
{
    fl_put_key(w->out, "source");
    fl_buf_putc(w->out, '{');
    if (media->base64.len > 0) {
        fl_put_text(w->out, "bytes", media->base64);
    } else if (media->text.len > 0) {
        fl_put_text(w->out, "text", media->text);
    } else {
        fl_put_key(w->out, "s3Location");
        fl_buf_putc(w->out, '{');
        fl_put_text(w->out, "uri", media->url);
        fl_buf_putc(w->out, '}');
    }
    fl_buf_putc(w->out, '}');
}

static bool is_in_reach(const struct fl_media *media)
{
    return media->base64.len > 0 || fl_slice_starts(media->url, FL_LIT("s3://"));
}

static const char *image_format(struct fl_slice type)
{
    return fl_slice_eq(type, FL_LIT("image/png"))    ? "png"
           : fl_slice_eq(type, FL_LIT("image/jpeg")) ? "jpeg"
           : fl_slice_eq(type, FL_LIT("image/gif"))  ? "gif"
           : fl_slice_eq(type, FL_LIT("image/webp")) ? "webp"
                                                     : NULL;
}

static bool put_image(struct fl_converse_writer *w, const struct fl_part *part)
{
    const char *format = image_format(fl_media_type_of(&part->media));
    if (!format || !is_in_reach(&part->media)) {
        fl_losses_add(w->losses, FL_LOSS_FATAL, "messages.image");
        return false;
    }
    open_block(w, "image");
    fl_put_word(w->out, "format", format);
    put_bytes(w, &part->media);
    close_block(w);
    return true;
}

static const char *document_format(const struct fl_media *media)
{
    static const struct {
        struct fl_slice type;
        const char *format;
    } known[] = {
        {{"application/pdf", 15}, "pdf"},
        {{"text/csv", 8}, "csv"},
        {{"text/html", 9}, "html"},
        {{"text/markdown", 13}, "md"},
        {{"text/plain", 10}, "txt"},
        {{"application/msword", 18}, "doc"},
        {{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", 71}, "docx"},
        {{"application/vnd.ms-excel", 24}, "xls"},
        {{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 65}, "xlsx"},
    };
    struct fl_slice type = fl_media_type_of(media);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (fl_slice_eq(type, known[i].type)) {
            return known[i].format;
        }
    }
    return media->text.len > 0 ? "txt" : NULL;
}

/* Letters, digits, single spaces, hyphens and brackets; a number behind it tells documents of one
 * name apart. */
static void put_document_name(struct fl_converse_writer *w, struct fl_slice name)
{
    bool space = true, some = false;
    fl_put_key(w->out, "name");
    fl_buf_putc(w->out, '"');
    for (size_t i = 0; i < name.len && i < 150; i++) {
        char c = name.ptr[i], low = (char)(c | 0x20);
        bool letter = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
        if (letter || c == '-' || c == '(' || c == ')' || c == '[' || c == ']') {
            fl_buf_putc(w->out, c);
            space = false;
            some = true;
        } else if (!space) {
            fl_buf_putc(w->out, ' ');
            space = true;
        }
    }
    if (!some) {
        fl_buf_put(w->out, FL_LIT("document"));
        space = false;
    }
    if (w->documents++ > 0) {
        fl_buf_put_cstr(w->out, space ? "" : " ");
        fl_buf_put_u64(w->out, w->documents);
    } else if (space) {
        w->out->len--;
    }
    fl_buf_putc(w->out, '"');
}

static bool put_file(struct fl_converse_writer *w, const struct fl_part *part)
{
    const struct fl_media *media = &part->media;
    const char *format = document_format(media);
    if (image_format(fl_media_type_of(media))) {
        return put_image(w, part);
    }
    if (!format || (media->text.len == 0 && !is_in_reach(media))) {
        fl_losses_add(w->losses, FL_LOSS_FATAL, "messages.file");
        return false;
    }
    open_block(w, "document");
    fl_put_word(w->out, "format", format);
    put_document_name(w, media->name);
    put_bytes(w, media);
    close_block(w);
    w->document_seen = true;
    return true;
}

static void put_call(struct fl_converse_writer *w, const struct fl_part *part)
{
    open_block(w, "toolUse");
    fl_put_tool_id(w->out, "toolUseId", part->id);
    fl_put_text(w->out, "name", part->name);
    fl_put_raw(w->out, "input", part->json.len > 0 ? part->json : FL_LIT("{}"));
    close_block(w);
    w->tools_used = true;
}

static bool put_thinking(struct fl_converse_writer *w, const struct fl_part *part)
{
    if (part->signature.len == 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.thinking");
        return false;
    }
    open_block(w, "reasoningContent");
    fl_put_key(w->out, "reasoningText");
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "text", part->text);
    fl_put_text(w->out, "signature", part->signature);
    fl_buf_putc(w->out, '}');
    close_block(w);
    return true;
}

static bool put_result(struct fl_converse_writer *w, const struct fl_part *part);

/* False: there was nothing to say. */
static bool put_part(struct fl_converse_writer *w, const struct fl_part *part)
{
    struct fl_slice text;
    switch (part->kind) {
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
        text = w->trim ? fl_text_trim_end(part->text) : part->text;
        if (fl_text_is_blank(text)) {
            return false;
        }
        put_text_block(w, text);
        return true;
    case FL_PART_IMAGE:
        return put_image(w, part);
    case FL_PART_FILE:
        return put_file(w, part);
    case FL_PART_AUDIO:
        fl_losses_add(w->losses, FL_LOSS_FATAL, "messages.audio");
        return false;
    case FL_PART_TOOL_CALL:
        put_call(w, part);
        return true;
    case FL_PART_TOOL_RESULT:
        return put_result(w, part);
    case FL_PART_THINKING:
        return put_thinking(w, part);
    case FL_PART_REDACTED:
        open_block(w, "reasoningContent");
        fl_put_text(w->out, "redactedContent", part->text);
        close_block(w);
        return true;
    case FL_PART_NATIVE:
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.content");
        return false;
    }
    return false;
}

static bool put_result(struct fl_converse_writer *w, const struct fl_part *part)
{
    bool some = false;
    open_block(w, "toolResult");
    fl_put_tool_id(w->out, "toolUseId", part->id);
    fl_put_key(w->out, "content");
    fl_buf_putc(w->out, '[');
    for (const struct fl_part *p = part->content; p; p = p->next) {
        if (p->kind == FL_PART_TEXT || p->kind == FL_PART_IMAGE || p->kind == FL_PART_FILE) {
            some = put_part(w, p) || some;
        }
    }
    if (!some) {
        put_text_block(w, FL_LIT("(no output)"));
    }
    fl_buf_putc(w->out, ']');
    fl_put_word(w->out, "status", part->is_error ? "error" : "success");
    close_block(w);
    w->tools_used = true;
    return true;
}

/* --- Messages --- */

static void put_parts(struct fl_converse_writer *w, const struct fl_message *m, bool results)
{
    for (const struct fl_part *p = m->parts; p; p = p->next) {
        if ((p->kind == FL_PART_TOOL_RESULT) == results) {
            w->trim = w->last && !p->next;
            if (put_part(w, p)) {
                fl_converse_put_cache_point(w, p->cache);
            }
            w->trim = false;
        }
    }
}

static void put_run(struct fl_converse_writer *w, const struct fl_message *m,
                    const struct fl_message *end)
{
    bool model = fl_of_model(m);
    w->text_seen = w->document_seen = false;
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
    if (w->document_seen && !w->text_seen) { /* a document wants a text beside it */
        put_text_block(w, FL_LIT("."));
    }
    fl_buf_put(w->out, FL_LIT("]}"));
}

void fl_converse_put_messages(struct fl_converse_writer *w)
{
    const struct fl_message *m = fl_next_spoken(fl_behind_system(w->request, w->losses));
    fl_put_key(w->out, "messages");
    fl_buf_putc(w->out, '[');
    if (!m || fl_of_model(m)) {
        fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "messages");
        fl_buf_put(w->out, FL_LIT("{\"role\":\"user\",\"content\":[{\"text\":\".\"}]}"));
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

void fl_converse_put_system(struct fl_converse_writer *w, bool order)
{
    const struct fl_message *m = w->request->messages;
    bool begun = order;
    for (const struct fl_message *i = m; i && fl_is_system(i); i = i->next) {
        begun = begun || fl_next_spoken(i) == i;
    }
    if (!begun) {
        return;
    }
    fl_put_key(w->out, "system");
    fl_buf_putc(w->out, '[');
    for (; m && fl_is_system(m); m = m->next) {
        put_parts(w, m, false);
    }
    if (order) {
        fl_put_comma(w->out);
        fl_buf_putc(w->out, '{');
        fl_put_key(w->out, "text");
        fl_put_format_order(w->out, w->request);
        fl_buf_putc(w->out, '}');
    }
    fl_buf_putc(w->out, ']');
}

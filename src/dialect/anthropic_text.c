/* SPDX-License-Identifier: Apache-2.0 */
/* What the forms for Claude, and Bedrock's converse, do alike to texts, schemas, ids and names. */
#include "base/hash.h"
#include "dialect/anthropic_wire.h"

/* Length of the piece of white space at the start of escaped text, 0 when there is none. */
static size_t blank_length(struct fl_slice s)
{
    if (s.len == 0) {
        return 0;
    }
    if (s.ptr[0] == ' ') {
        return 1;
    }
    bool escape = s.len >= 2 && s.ptr[0] == '\\';
    return escape && (s.ptr[1] == 'n' || s.ptr[1] == 'r' || s.ptr[1] == 't') ? 2 : 0;
}

bool fl_text_is_blank(struct fl_slice escaped)
{
    for (size_t n; (n = blank_length(escaped)) > 0;) {
        escaped = fl_slice_from(escaped, n);
    }
    return escaped.len == 0;
}

struct fl_slice fl_text_trim_end(struct fl_slice escaped)
{
    size_t end = 0, at = 0; /* end: behind the last sign that is none */
    while (at < escaped.len) {
        struct fl_slice rest = fl_slice_from(escaped, at);
        size_t blank = blank_length(rest);
        at += blank > 0 ? blank : rest.ptr[0] == '\\' && rest.len > 1 ? 2 : 1;
        end = blank > 0 ? end : at;
    }
    return fl_slice_first(escaped, end);
}

static bool is_id(struct fl_slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i], low = (char)(c | 0x20);
        if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return id.len > 0 && id.len <= 64;
}

void fl_put_tool_id(struct fl_buf *b, const char *key, struct fl_slice escaped_id)
{
    if (is_id(escaped_id)) {
        fl_put_text(b, key, escaped_id);
        return;
    }
    fl_put_key(b, key);
    fl_buf_put(b, FL_LIT("\"call_"));
    fl_buf_put_hex(b, fl_hash((struct fl_hash_key){0}, escaped_id), 16);
    fl_buf_putc(b, '"');
}

struct fl_slice fl_media_type_of(const struct fl_media *media)
{
    static const struct {
        struct fl_slice start, type;
    } known[] = {
        {{"iVBOR", 5}, {"image/png", 9}},         {{"/9j/", 4}, {"image/jpeg", 10}},
        {{"R0lGOD", 6}, {"image/gif", 9}},        {{"UklGR", 5}, {"image/webp", 10}},
        {{"JVBERi", 6}, {"application/pdf", 15}},
    };
    if (fl_slice_eq(media->media_type, FL_LIT("image/jpg"))) {
        return FL_LIT("image/jpeg");
    }
    for (size_t i = 0; media->media_type.len == 0 && i < sizeof(known) / sizeof(known[0]); i++) {
        if (fl_slice_starts(media->base64, known[i].start)) {
            return known[i].type;
        }
    }
    return media->media_type;
}

/* --- Schemas --- */

enum { SCHEMA_DEPTH_MAX = 32 }; /* walking reads the innermost text once a level */

static void look(struct fl_json value, struct fl_schema_facts *facts, unsigned depth)
{
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_slice key;
    struct fl_json member;
    facts->open = facts->open || depth == SCHEMA_DEPTH_MAX;
    while (depth < SCHEMA_DEPTH_MAX && fl_json_next(&it, &key, &member)) {
        if (value.type == FL_JSON_OBJECT && member.type != FL_JSON_FALSE &&
            fl_json_spells(key, FL_LIT("additionalProperties"))) {
            facts->open = true;
        }
        look(member, facts, depth + 1);
    }
}

static struct fl_json as_json(struct fl_slice raw)
{
    enum fl_json_type type = raw.len == 0        ? FL_JSON_NONE
                             : raw.ptr[0] == '{' ? FL_JSON_OBJECT
                             : raw.ptr[0] == '[' ? FL_JSON_ARRAY
                                                 : FL_JSON_TRUE;
    return (struct fl_json){type, raw};
}

struct fl_schema_facts fl_schema_facts(struct fl_slice schema)
{
    struct fl_json value = as_json(schema);
    struct fl_schema_facts facts = {.object =
                                        fl_get_is(fl_json_get(value, FL_LIT("type")), "object")};
    look(value, &facts, 0);
    return facts;
}

/* An object's schema that does not say which further properties it takes. *named*: the object is a
 * list of properties by name, in which "type" is somebody's property. */
static bool must_close(struct fl_json value, bool named)
{
    static const char *const keys[] = {"type", "properties", "additionalProperties"};
    struct fl_json m[3];
    fl_get_members(value, keys, 3, m);
    return !named && (fl_get_is(m[0], "object") || m[1].type == FL_JSON_OBJECT) &&
           m[2].type == FL_JSON_NONE;
}

static void put_closed(struct fl_buf *b, struct fl_json value, bool named, unsigned depth)
{
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_slice key;
    struct fl_json member;
    bool object = value.type == FL_JSON_OBJECT;
    if ((!object && value.type != FL_JSON_ARRAY) || depth >= SCHEMA_DEPTH_MAX) {
        fl_buf_put(b, value.span);
        return;
    }
    fl_buf_putc(b, object ? '{' : '[');
    if (object && must_close(value, named)) {
        fl_buf_put(b, FL_LIT("\"additionalProperties\":false"));
    }
    while (fl_json_next(&it, &key, &member)) {
        bool verbatim = false, names = false;
        fl_put_comma(b);
        if (object) {
            fl_buf_put(b, key);
            fl_buf_putc(b, ':');
            names = !named && (fl_json_spells(key, FL_LIT("properties")) ||
                               fl_json_spells(key, FL_LIT("$defs")) ||
                               fl_json_spells(key, FL_LIT("definitions")));
            verbatim =
                !named &&
                (fl_json_spells(key, FL_LIT("enum")) || fl_json_spells(key, FL_LIT("const")) ||
                 fl_json_spells(key, FL_LIT("default")) || fl_json_spells(key, FL_LIT("examples")));
        }
        if (verbatim) {
            fl_buf_put(b, member.span);
        } else {
            put_closed(b, member, names, depth + 1);
        }
    }
    fl_buf_putc(b, object ? '}' : ']');
}

void fl_put_closed_schema(struct fl_buf *b, struct fl_slice schema)
{
    put_closed(b, as_json(schema), false, 0);
}

void fl_put_tool_schema(struct fl_buf *b, struct fl_slice schema)
{
    struct fl_json value = as_json(schema), type = fl_json_get(value, FL_LIT("type")), any;
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_slice key;
    if (value.type != FL_JSON_OBJECT || !fl_json_next(&it, NULL, &any)) {
        fl_buf_put(b, FL_LIT("{\"type\":\"object\",\"properties\":{}}"));
        return;
    }
    if (fl_get_is(type, "object")) {
        fl_buf_put(b, schema);
        return;
    }
    fl_buf_put(b, FL_LIT("{\"type\":\"object\""));
    it = fl_json_iter(value);
    while (fl_json_next(&it, &key, &any)) {
        if (!fl_json_spells(key, FL_LIT("type"))) {
            fl_put_comma(b);
            fl_buf_put(b, key);
            fl_buf_putc(b, ':');
            fl_buf_put(b, any.span);
        }
    }
    fl_buf_putc(b, '}');
}

/* --- Losses --- */

static bool is_set(struct fl_slice number)
{
    return number.len > 0 && (fl_number_value(number) > 0 || fl_number_value(number) < 0);
}

/* What is left out wherever it stands, also in a message that is left out whole. */
static void lose_parts(const struct fl_chat_request *q, struct fl_losses *losses)
{
    for (const struct fl_message *m = q->messages; m; m = m->next) {
        if (m->name.len > 0) {
            fl_losses_add(losses, FL_LOSS_DROPPED, "messages.name");
        }
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            if (p->media.detail.len > 0 && !fl_escaped_is(p->media.detail, "auto")) {
                fl_losses_add(losses, FL_LOSS_DROPPED, "messages.image.detail");
            }
            if (p->kind == FL_PART_THINKING && p->signature.len == 0) {
                fl_losses_add(losses, FL_LOSS_DROPPED, "messages.thinking");
            }
            if (p->kind == FL_PART_NATIVE && !fl_is_claudes(p)) {
                fl_losses_add(losses, FL_LOSS_DROPPED, "messages.content");
            }
        }
    }
}

bool fl_claude_losses(const struct fl_chat_request *q, struct fl_losses *losses)
{
    const struct {
        bool given;
        const char *what;
    } rows[] = {
        {q->seed.len > 0, "seed"},
        {is_set(q->presence_penalty), "presence_penalty"},
        {is_set(q->frequency_penalty), "frequency_penalty"},
        {q->logprobs || q->top_logprobs > 0, "logprobs"},
        {q->logit_bias.len > 2, "logit_bias"},
        {q->metadata.len > 2, "metadata"},
        {q->cache_key.len > 0, "prompt_cache_key"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].given) {
            fl_losses_add(losses, FL_LOSS_DROPPED, rows[i].what);
        }
    }
    lose_parts(q, losses);
    for (const struct fl_tool *t = q->tools; t; t = t->next) {
        if (t->custom_format.len > 0) {
            fl_losses_add(losses, FL_LOSS_DROPPED, "tools.format");
        }
    }
    if (q->choices > 1) {
        fl_losses_add(losses, FL_LOSS_FATAL, "n");
        return false;
    }
    return true;
}

bool fl_is_system(const struct fl_message *m)
{
    return m->role == FL_CHAT_SYSTEM || m->role == FL_CHAT_DEVELOPER;
}

bool fl_of_model(const struct fl_message *m)
{
    return m->role == FL_CHAT_ASSISTANT;
}

bool fl_is_claudes(const struct fl_part *native)
{
    static const char *const words[] = {"server_tool_use", "container_upload", "mcp_tool_use",
                                        "compaction"};
    struct fl_json block = {FL_JSON_OBJECT, native->json};
    struct fl_json type = fl_json_get(block, FL_LIT("type"));
    struct fl_slice word = fl_get_escaped(type), tail = FL_LIT("_tool_result");
    bool result =
        word.len > tail.len && fl_slice_eq(fl_slice_from(word, word.len - tail.len), tail);
    return result || fl_get_word(type, words, 4) >= 0;
}

static bool is_mute(const struct fl_part *p, bool natives)
{
    switch (p->kind) {
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
        return fl_text_is_blank(p->text);
    case FL_PART_THINKING:
        return p->signature.len == 0;
    case FL_PART_NATIVE:
        return !natives || !fl_is_claudes(p);
    case FL_PART_IMAGE:
    case FL_PART_AUDIO:
    case FL_PART_FILE:
    case FL_PART_TOOL_CALL:
    case FL_PART_TOOL_RESULT:
    case FL_PART_REDACTED:
        break;
    }
    return false;
}

bool fl_is_spoken(const struct fl_message *m, bool natives)
{
    const struct fl_part *p = m->parts;
    while (p && is_mute(p, natives)) {
        p = p->next;
    }
    return p != NULL;
}

const struct fl_message *fl_next_spoken(const struct fl_message *m, bool natives)
{
    while (m && !fl_is_spoken(m, natives)) {
        m = m->next;
    }
    return m;
}

const struct fl_message *fl_behind_system(const struct fl_chat_request *q, struct fl_losses *losses)
{
    const struct fl_message *m = q->messages;
    while (m && fl_is_system(m)) {
        m = m->next;
    }
    for (const struct fl_message *i = m; i; i = i->next) {
        if (fl_is_system(i)) {
            fl_losses_add(losses, FL_LOSS_APPROXIMATED, "messages.system");
        }
    }
    return m;
}

/* --- Answers in JSON --- */

enum fl_format_way fl_format_way(const struct fl_chat_request *q, bool native,
                                 struct fl_losses *losses)
{
    struct fl_schema_facts schema;
    if (q->format == FL_FORMAT_TEXT) {
        return FL_WAY_NONE;
    }
    if (q->format == FL_FORMAT_JSON || q->format_schema.len == 0) {
        fl_losses_add(losses, FL_LOSS_EMULATED, "response_format");
        return FL_WAY_ORDER;
    }
    schema = fl_schema_facts(q->format_schema);
    if (native && !schema.open) {
        return FL_WAY_NATIVE;
    }
    fl_losses_add(losses, FL_LOSS_EMULATED, "response_format");
    return schema.object ? FL_WAY_TOOL : FL_WAY_ORDER;
}

void fl_put_format_order(struct fl_buf *b, const struct fl_chat_request *q)
{
    fl_buf_put(b,
               FL_LIT("\"Answer with one JSON value and nothing else: no prose, no code fence."));
    if (q->format == FL_FORMAT_SCHEMA) {
        fl_buf_put(b, FL_LIT(" It must be valid against this JSON Schema: "));
        fl_put_escaping(b, q->format_schema);
    }
    fl_buf_putc(b, '"');
}

void fl_claude_put_stops(struct fl_buf *b, const char *key, const struct fl_text_item *stops,
                         struct fl_losses *losses)
{
    bool begun = false;
    for (const struct fl_text_item *s = stops; s; s = s->next) {
        if (fl_text_is_blank(s->text)) {
            fl_losses_add(losses, FL_LOSS_DROPPED, "stop");
            continue;
        }
        if (!begun) {
            fl_put_key(b, key);
            fl_buf_putc(b, '[');
        }
        begun = true;
        fl_put_comma(b);
        fl_put_quoted(b, s->text);
    }
    if (begun) {
        fl_buf_putc(b, ']');
    }
}

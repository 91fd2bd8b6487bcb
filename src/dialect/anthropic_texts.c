/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model gets to read of a request in the Anthropic dialect, and what the request needs of
 * it (PROTOCOLS.md section 3.1):
 *
 *   system        a string or text blocks
 *   messages      content, a string or blocks: text, tool_use, tool_result, documents of plain
 *                 text, search results
 *   tools         as their JSON
 *   output_config format.schema, as its JSON
 *
 * Thinking of earlier turns is not counted: the provider leaves it out of what the model reads. A
 * shape that is not known gives no text: it is the provider's to refuse.
 */
#include "dialect/anthropic.h"

enum { decoded_bytes = 1024, depth_max = 4 };

struct walk {
    const struct fl_text_sink *sink;
    struct fl_needs needs;
    enum fl_role role; /* of the message that is being read */
};

static void begin(struct walk *w, enum fl_role role)
{
    w->role = role;
    w->sink->message(w->sink->owner, role);
}

static void put_string(const struct walk *w, struct fl_json value)
{
    char decoded[decoded_bytes];
    struct fl_json_pieces pieces = fl_json_pieces(value);
    struct fl_slice piece;
    while (fl_json_pieces_next(&pieces, decoded, sizeof(decoded), &piece)) {
        w->sink->text(w->sink->owner, piece);
    }
}

static bool is_text(struct fl_json value, const char *text)
{
    return value.type == FL_JSON_STRING && fl_json_spells(value.span, fl_slice_cstr(text));
}

enum { B_TYPE, B_TEXT, B_NAME, B_INPUT, B_CONTENT, B_SOURCE, B_COUNT };

static void find_members(struct fl_json block, struct fl_json found[B_COUNT])
{
    static const struct fl_slice names[B_COUNT] = {{"type", 4},  {"text", 4},    {"name", 4},
                                                   {"input", 5}, {"content", 7}, {"source", 6}};
    struct fl_json_iter it = fl_json_iter(block);
    struct fl_slice key;
    struct fl_json value;
    while (fl_json_next(&it, &key, &value)) {
        for (unsigned i = 0; i < B_COUNT; i++) {
            if (fl_json_spells(key, names[i])) {
                found[i] = value;
            }
        }
    }
}

static void put_content(struct walk *w, struct fl_json content, unsigned depth);

static void put_document(struct walk *w, struct fl_json source, unsigned depth)
{
    struct fl_json type = fl_json_get(source, FL_LIT("type"));
    if (is_text(type, "text")) {
        put_string(w, fl_json_get(source, FL_LIT("data")));
    } else if (is_text(type, "content")) {
        put_content(w, fl_json_get(source, FL_LIT("content")), depth + 1);
    } else {
        w->needs.files++;
    }
}

static void put_block(struct walk *w, struct fl_json block, unsigned depth)
{
    struct fl_json b[B_COUNT] = {{FL_JSON_NONE, {NULL, 0}}};
    find_members(block, b);
    if (is_text(b[B_TYPE], "text")) {
        put_string(w, b[B_TEXT]);
    } else if (is_text(b[B_TYPE], "image")) {
        w->needs.vision = true;
        w->needs.images++;
    } else if (is_text(b[B_TYPE], "document")) {
        put_document(w, b[B_SOURCE], depth);
    } else if (is_text(b[B_TYPE], "tool_use")) {
        put_string(w, b[B_NAME]);
        w->sink->text(w->sink->owner, b[B_INPUT].span);
    } else if (is_text(b[B_TYPE], "tool_result")) {
        enum fl_role outer = w->role;
        begin(w, FL_ROLE_TOOL);
        put_content(w, b[B_CONTENT], depth + 1);
        w->role = outer;
    } else if (is_text(b[B_TYPE], "search_result")) {
        put_content(w, b[B_CONTENT], depth + 1);
    }
}

/* A string, or a list of blocks. What follows a tool's result in a user's turn is the user's
 * again. */
static void put_content(struct walk *w, struct fl_json content, unsigned depth)
{
    struct fl_json_iter it = fl_json_iter(content);
    struct fl_json block;
    bool told = true; /* the sink knows whose text this is */
    put_string(w, content);
    while (content.type == FL_JSON_ARRAY && depth < depth_max && fl_json_next(&it, NULL, &block)) {
        bool result = is_text(fl_json_get(block, FL_LIT("type")), "tool_result");
        if (!told && !result) {
            begin(w, w->role);
        }
        put_block(w, block, depth);
        told = !result;
    }
}

static void put_messages(struct walk *w, struct fl_json messages)
{
    struct fl_json_iter it = fl_json_iter(messages);
    struct fl_json message;
    while (messages.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &message)) {
        struct fl_json role = fl_json_get(message, FL_LIT("role"));
        begin(w, is_text(role, "assistant") ? FL_ROLE_ASSISTANT
                 : is_text(role, "system")  ? FL_ROLE_SYSTEM
                                            : FL_ROLE_USER);
        put_content(w, fl_json_get(message, FL_LIT("content")), 0);
    }
}

static void put_definition(struct walk *w, struct fl_json value)
{
    begin(w, FL_ROLE_DEFINITION);
    w->sink->text(w->sink->owner, value.span);
}

void fl_anthropic_read_texts(const struct fl_facts *facts, const struct fl_text_sink *sink,
                             struct fl_needs *ret_needs)
{
    const struct fl_json *t = facts->texts;
    struct walk w = {.sink = sink};
    struct fl_json_iter it = fl_json_iter(t[FL_ANTHROPIC_TOOLS]);
    struct fl_json any, format = fl_json_get(t[FL_ANTHROPIC_OUTPUT_CONFIG], FL_LIT("format"));
    if (t[FL_ANTHROPIC_TOOLS].type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &any)) {
        w.needs.tools = true;
        put_definition(&w, t[FL_ANTHROPIC_TOOLS]);
    }
    format = format.type == FL_JSON_OBJECT ? format : t[FL_ANTHROPIC_OUTPUT_FORMAT];
    if (is_text(fl_json_get(format, FL_LIT("type")), "json_schema")) {
        w.needs.json_schema = true;
        put_definition(&w, format);
    }
    if (t[FL_ANTHROPIC_SYSTEM].type != FL_JSON_NONE) {
        begin(&w, FL_ROLE_SYSTEM);
        put_content(&w, t[FL_ANTHROPIC_SYSTEM], 0);
    }
    put_messages(&w, t[FL_ANTHROPIC_MESSAGES]);
    *ret_needs = w.needs;
}

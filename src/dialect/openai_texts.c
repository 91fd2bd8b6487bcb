/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model gets to read of a request in the OpenAI dialect, and what the request needs of it
 * (PROTOCOLS.md sections 1 and 2):
 *
 *   chat          messages[].content, a string or parts; tool_calls[].function.arguments
 *   completions   prompt, a string or several
 *   embeddings    input, a string or several
 *   responses     instructions; input, a string or items with content or arguments or output
 *
 * Definitions of tools and schemas are read by the model, too, as the provider words them; their JSON stands
 * for that. A shape that is not known gives no text: it is the provider's to refuse.
 */
#include "dialect/openai.h"

enum { decoded_bytes = 1024 };

struct walk {
    const struct fl_text_sink *sink;
    struct fl_needs needs;
};

static void begin(const struct walk *w, enum fl_role role)
{
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

static void put_definition(const struct walk *w, struct fl_json value)
{
    begin(w, FL_ROLE_DEFINITION);
    w->sink->text(w->sink->owner, value.span);
}

static bool is_key(struct fl_slice key, const char *name)
{
    return fl_json_spells(key, fl_slice_cstr(name));
}

static enum fl_role role_of(struct fl_json value)
{
    static const struct {
        const char *name;
        enum fl_role role;
    } roles[] = {{"user", FL_ROLE_USER},
                 {"assistant", FL_ROLE_ASSISTANT},
                 {"tool", FL_ROLE_TOOL},
                 {"function", FL_ROLE_TOOL},
                 {"system", FL_ROLE_SYSTEM},
                 {"developer", FL_ROLE_SYSTEM}};
    for (size_t i = 0; value.type == FL_JSON_STRING && i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (is_key(value.span, roles[i].name)) {
            return roles[i].role;
        }
    }
    return FL_ROLE_USER;
}

static void note_kind(struct walk *w, struct fl_json type)
{
    if (type.type != FL_JSON_STRING) {
        return;
    }
    if (is_key(type.span, "image_url") || is_key(type.span, "input_image")) {
        w->needs.vision = true;
        w->needs.images++;
    } else if (is_key(type.span, "input_audio")) {
        w->needs.audio = true;
    } else if (is_key(type.span, "file") || is_key(type.span, "input_file")) {
        w->needs.files++;
    }
}

/* One part of a content list: {"type": "text", "text": ...}, {"type": "image_url", ...} */
static void put_part(struct walk *w, struct fl_json part)
{
    struct fl_json_iter it = fl_json_iter(part);
    struct fl_slice key;
    struct fl_json value;
    while (fl_json_next(&it, &key, &value)) {
        if (is_key(key, "text") || is_key(key, "refusal")) {
            put_string(w, value);
        } else if (is_key(key, "type")) {
            note_kind(w, value);
        }
    }
}

/* A string, or a list of strings and parts. */
static void put_content(struct walk *w, struct fl_json content)
{
    struct fl_json_iter it = fl_json_iter(content);
    struct fl_json part;
    put_string(w, content);
    while (content.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &part)) {
        put_string(w, part);
        put_part(w, part);
    }
}

static void put_calls(const struct walk *w, struct fl_json calls)
{
    const struct fl_slice name[] = {FL_LIT("function"), FL_LIT("name")};
    const struct fl_slice arguments[] = {FL_LIT("function"), FL_LIT("arguments")};
    struct fl_json_iter it = fl_json_iter(calls);
    struct fl_json call;
    while (calls.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &call)) {
        put_string(w, fl_json_at(call, name, 2));
        put_string(w, fl_json_at(call, arguments, 2));
    }
}

/* A message of chat or an item of responses. Its members may come in any order, so the values are found
 * first. */
static void put_message(struct walk *w, struct fl_json message)
{
    enum { ROLE, CONTENT, CALLS, NAME, ARGUMENTS, OUTPUT, COUNT };
    static const char *const names[COUNT] = {"role", "content", "tool_calls", "name", "arguments", "output"};
    struct fl_json found[COUNT] = {{FL_JSON_NONE, {NULL, 0}}}, value;
    struct fl_json_iter it = fl_json_iter(message);
    struct fl_slice key;
    while (fl_json_next(&it, &key, &value)) {
        for (unsigned i = 0; i < COUNT; i++) {
            if (is_key(key, names[i])) {
                found[i] = value;
            }
        }
    }
    enum fl_role role = role_of(found[ROLE]);
    if (found[ARGUMENTS].type == FL_JSON_STRING) { /* function_call of responses */
        role = FL_ROLE_ASSISTANT;
    } else if (found[OUTPUT].type == FL_JSON_STRING) { /* function_call_output */
        role = FL_ROLE_TOOL;
    }
    begin(w, role);
    put_string(w, found[NAME]);
    put_content(w, found[CONTENT]);
    put_calls(w, found[CALLS]);
    put_string(w, found[ARGUMENTS]);
    put_string(w, found[OUTPUT]);
}

static void put_messages(struct walk *w, struct fl_json messages)
{
    struct fl_json_iter it = fl_json_iter(messages);
    struct fl_json message;
    while (messages.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &message)) {
        if (message.type == FL_JSON_OBJECT) {
            put_message(w, message);
        } else {
            begin(w, FL_ROLE_USER);
            put_string(w, message);
        }
    }
    if (messages.type == FL_JSON_STRING) {
        begin(w, FL_ROLE_USER);
        put_string(w, messages);
    }
}

/* A list that names at least one tool. */
static bool read_tools(const struct walk *w, struct fl_json tools)
{
    struct fl_json_iter it = fl_json_iter(tools);
    struct fl_json any;
    bool some = tools.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &any);
    if (some) {
        put_definition(w, tools);
    }
    return some;
}

/* {"type": "json_schema", ...}; *format* of chat, the member "format" of "text" in responses. */
static bool read_format(const struct walk *w, struct fl_json format)
{
    struct fl_json type = fl_json_get(format, FL_LIT("type"));
    bool schema = type.type == FL_JSON_STRING && is_key(type.span, "json_schema");
    if (schema) {
        put_definition(w, format);
    }
    return schema;
}

void fl_openai_read_texts(const struct fl_facts *facts, const struct fl_text_sink *sink,
                          struct fl_needs *ret_needs)
{
    const struct fl_json *t = facts->texts;
    struct walk w = {.sink = sink};
    w.needs.tools = read_tools(&w, t[FL_OPENAI_TOOLS]);
    w.needs.tools = read_tools(&w, t[FL_OPENAI_FUNCTIONS]) || w.needs.tools;
    w.needs.json_schema = read_format(&w, t[FL_OPENAI_RESPONSE_FORMAT]) ||
                          read_format(&w, fl_json_get(t[FL_OPENAI_TEXT], FL_LIT("format")));
    if (t[FL_OPENAI_INSTRUCTIONS].type == FL_JSON_STRING) {
        begin(&w, FL_ROLE_SYSTEM);
        put_string(&w, t[FL_OPENAI_INSTRUCTIONS]);
    }
    put_messages(&w, t[FL_OPENAI_MESSAGES]);
    put_messages(&w, t[FL_OPENAI_PROMPT]);
    put_messages(&w, t[FL_OPENAI_INPUT]);
    *ret_needs = w.needs;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of a model beyond text: tools, images, sound, an answer by a schema; and its
 * text, message by message, decoded in pieces. Chat and completions (messages, prompt), responses
 * (instructions, input), embeddings (input).
 */
#include "dialect/openai.h"

/* --- Decoding --- */

/* Text on its way to a sink: runs without escapes go straight on, short ones are joined. */
struct pieces {
    const struct fl_prompt_sink *sink;
    size_t len;
    char bytes[1024];
};

static void flush(struct pieces *p)
{
    if (p->len > 0) {
        p->sink->text(p->sink->owner, fl_slice(p->bytes, p->len));
        p->len = 0;
    }
}

static void put_run(struct pieces *p, struct fl_slice run)
{
    if (run.len > sizeof(p->bytes) / 4 || run.len > sizeof(p->bytes) - p->len) {
        flush(p);
    }
    if (run.len > sizeof(p->bytes) / 4) {
        p->sink->text(p->sink->owner, run);
    } else if (run.len > 0) {
        memcpy(p->bytes + p->len, run.ptr, run.len);
        p->len += run.len;
    }
}

static void put_code(struct pieces *p, uint32_t code)
{
    char c[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; code >>= 6) {
        c[i] = (char)(0x80 | (code & 0x3f));
    }
    c[0] = (char)(lead[len] | code);
    put_run(p, fl_slice(c, len));
}

/* Four hexadecimal digits, already checked. */
static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        char c = at[i];
        value = value * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The escape at *at* (its backslash); the bytes it takes. Lone surrogates become U+FFFD. */
static size_t put_escape(struct pieces *p, const char *at, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *known = strchr(from, at[1]);
    if (at[1] != 'u') {
        put_run(p, fl_slice(known ? &to[known - from] : &at[1], 1));
        return 2;
    }
    uint32_t code = hex4(at + 2), low = 0;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
        low = hex4(at + 8);
    }
    if (low >= 0xdc00 && low < 0xe000) {
        put_code(p, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        return 12;
    }
    put_code(p, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    return 6;
}

static void put_string(struct pieces *p, struct fl_json string)
{
    const char *at = string.span.ptr + 1, *end = string.span.ptr + string.span.len - 1;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        put_run(p, fl_slice(at, (size_t)((escape ? escape : end) - at)));
        at = escape ? escape + put_escape(p, escape, end) : end;
    }
    flush(p);
}

/* --- Needs --- */

static bool is_word(struct fl_json value, const char *word)
{
    return value.type == FL_JSON_STRING && fl_json_spells(value.span, fl_slice_cstr(word));
}

static bool is_type(struct fl_json object, const char *type)
{
    return is_word(fl_json_get(object, FL_LIT("type")), type);
}

void fl_openai_read_needs(struct fl_json response_format, struct fl_json text_options,
                          struct fl_facts *facts)
{
    struct fl_json_iter tools = fl_json_iter(facts->tool_list);
    struct fl_json item, format = fl_json_get(text_options, FL_LIT("format"));
    facts->tools = facts->tool_list.type == FL_JSON_ARRAY && fl_json_next(&tools, NULL, &item);
    facts->json_schema = is_type(response_format, "json_schema") || is_type(format, "json_schema");
}

/* --- Text --- */

/* The members of a message that matter, found in one pass over it. */
enum member { ROLE, TYPE, CONTENT, TOOL_CALLS, OUTPUT, MEMBERS };

static void read_members(struct fl_json message, struct fl_json ret_members[MEMBERS])
{
    static const char *const names[MEMBERS] = {"role", "type", "content", "tool_calls", "output"};
    struct fl_json_iter it = fl_json_iter(message);
    struct fl_json value;
    struct fl_slice key;
    memset(ret_members, 0, MEMBERS * sizeof(ret_members[0]));
    while (fl_json_next(&it, &key, &value)) {
        for (unsigned i = 0; i < MEMBERS; i++) {
            if (fl_json_spells(key, fl_slice_cstr(names[i]))) {
                ret_members[i] = value;
            }
        }
    }
}

static enum fl_prompt_role role_of(const struct fl_json members[MEMBERS])
{
    static const struct {
        const char *word;
        enum fl_prompt_role role;
    } rows[] = {{"system", FL_PROMPT_SYSTEM},       {"developer", FL_PROMPT_SYSTEM},
                {"assistant", FL_PROMPT_ASSISTANT}, {"tool", FL_PROMPT_TOOL},
                {"function", FL_PROMPT_TOOL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is_word(members[ROLE], rows[i].word)) {
            return rows[i].role;
        }
    }
    return is_word(members[TYPE], "function_call_output") ? FL_PROMPT_TOOL : FL_PROMPT_USER;
}

static void put_part(struct pieces *p, struct fl_json part, struct fl_facts *facts)
{
    if (part.type == FL_JSON_OBJECT) {
        facts->vision = facts->vision || is_type(part, "image_url") || is_type(part, "input_image");
        facts->audio = facts->audio || is_type(part, "input_audio");
        part = fl_json_get(part, FL_LIT("text"));
    }
    if (part.type == FL_JSON_STRING) {
        put_string(p, part);
    }
}

/* A string, or an array of parts. */
static void put_content(struct pieces *p, struct fl_json content, struct fl_facts *facts)
{
    struct fl_json_iter parts = fl_json_iter(content);
    struct fl_json part;
    if (content.type == FL_JSON_STRING) {
        put_string(p, content);
    }
    while (content.type == FL_JSON_ARRAY && fl_json_next(&parts, NULL, &part)) {
        put_part(p, part, facts);
    }
}

static void put_message(struct pieces *p, struct fl_json message, struct fl_facts *facts)
{
    const struct fl_prompt_sink *sink = p->sink;
    struct fl_json members[MEMBERS];
    if (message.type != FL_JSON_OBJECT) {
        sink->message(sink->owner, FL_PROMPT_USER);
        put_content(p, message, facts);
        return;
    }
    read_members(message, members);
    sink->message(sink->owner, role_of(members));
    put_content(p, members[CONTENT], facts);
    if (members[TOOL_CALLS].type == FL_JSON_ARRAY) {
        sink->text(sink->owner, members[TOOL_CALLS].span);
    }
    if (members[OUTPUT].type == FL_JSON_STRING) {
        put_string(p, members[OUTPUT]);
    }
}

/* Definitions of tools come first: providers render them before the messages. */
void fl_openai_read_prompt(struct fl_facts *facts, const struct fl_prompt_sink *sink)
{
    struct pieces p = {.sink = sink, .len = 0};
    struct fl_json_iter items = fl_json_iter(facts->messages);
    struct fl_json item;
    if (facts->tools) {
        sink->message(sink->owner, FL_PROMPT_TOOLS);
        sink->text(sink->owner, facts->tool_list.span);
    }
    if (facts->instructions.type == FL_JSON_STRING) {
        sink->message(sink->owner, FL_PROMPT_SYSTEM);
        put_string(&p, facts->instructions);
    }
    if (facts->messages.type == FL_JSON_STRING) {
        sink->message(sink->owner, FL_PROMPT_USER);
        put_string(&p, facts->messages);
    }
    while (facts->messages.type == FL_JSON_ARRAY && fl_json_next(&items, NULL, &item)) {
        if (item.type == FL_JSON_OBJECT || item.type == FL_JSON_STRING) {
            put_message(&p, item, facts);
        }
    }
}

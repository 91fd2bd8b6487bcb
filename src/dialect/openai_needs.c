/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of a model beyond text: tools, images, sound, an answer by a schema; and how much
 * text it is. Chat and completions (messages, prompt), responses (input), embeddings (input).
 */
#include "dialect/openai.h"

static bool is_type(struct fl_json part, const char *type)
{
    struct fl_json value = fl_json_get(part, FL_LIT("type"));
    return value.type == FL_JSON_STRING && fl_json_spells(value.span, fl_slice_cstr(type));
}

static void read_part(struct fl_json part, struct fl_facts *facts)
{
    facts->vision = facts->vision || is_type(part, "image_url") || is_type(part, "input_image");
    facts->audio = facts->audio || is_type(part, "input_audio");
    struct fl_json text = fl_json_get(part, FL_LIT("text"));
    facts->text_bytes += text.type == FL_JSON_STRING ? text.span.len - 2 : 0;
}

/* A string, or an array of parts. */
static void read_content(struct fl_json content, struct fl_facts *facts)
{
    struct fl_json_iter parts = fl_json_iter(content);
    struct fl_json part;
    if (content.type == FL_JSON_STRING) {
        facts->text_bytes += content.span.len - 2;
        return;
    }
    while (content.type == FL_JSON_ARRAY && fl_json_next(&parts, NULL, &part)) {
        if (part.type == FL_JSON_STRING) {
            facts->text_bytes += part.span.len - 2;
        } else if (part.type == FL_JSON_OBJECT) {
            read_part(part, facts);
        }
    }
}

void fl_openai_read_needs(const struct fl_openai_asked *asked, struct fl_facts *facts)
{
    struct fl_json_iter items = fl_json_iter(asked->messages);
    struct fl_json item, text_format = fl_json_get(asked->text, FL_LIT("format"));
    struct fl_json_iter tools = fl_json_iter(asked->tools);
    facts->tools = asked->tools.type == FL_JSON_ARRAY && fl_json_next(&tools, NULL, &item);
    facts->text_bytes += facts->tools ? asked->tools.span.len : 0;
    facts->json_schema = is_type(asked->response_format, "json_schema") ||
                         is_type(text_format, "json_schema");
    if (asked->messages.type == FL_JSON_STRING) {
        read_content(asked->messages, facts);
    }
    while (asked->messages.type == FL_JSON_ARRAY && fl_json_next(&items, NULL, &item)) {
        if (item.type == FL_JSON_OBJECT) {
            read_content(fl_json_get(item, FL_LIT("content")), facts);
        } else if (item.type == FL_JSON_STRING) {
            facts->text_bytes += item.span.len - 2;
        }
    }
}

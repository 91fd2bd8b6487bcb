/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (draft-07) for editors: completion, hover texts, first checks. A variable may stand
 * for any scalar, hence the "${...}" alternatives. */
#include "config/config.h"
#include "config/keys.h"
#include "config/value.h"

static void put_definition_name(struct fl_buf *b, enum fl_section section)
{
    static const char *const names[FL_SECTION_COUNT] = {
#define X(section, path, doc) #section,
        FL_SECTIONS(X)
#undef X
    };
    fl_buf_put_cstr(b, names[section]);
}

static void put_ref(struct fl_buf *b, enum fl_section section)
{
    fl_buf_put_cstr(b, "{\"$ref\": \"#/definitions/");
    put_definition_name(b, section);
    fl_buf_put_cstr(b, "\"}");
}

static void put_bounds(struct fl_buf *b, const struct fl_key *key)
{
    if (key->min[0] != '\0') {
        fl_buf_put_cstr(b, ", \"minimum\": ");
        fl_buf_put_cstr(b, key->min);
    }
    if (key->max[0] != '\0') {
        fl_buf_put_cstr(b, ", \"maximum\": ");
        fl_buf_put_cstr(b, key->max);
    }
}

#define VARIABLE "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}"

static void put_words(struct fl_buf *b, enum fl_enum words)
{
    fl_buf_put_cstr(b, "{\"enum\": [");
    for (unsigned i = 0; fl_enum_word(words, i); i++) {
        fl_buf_put_cstr(b, i > 0 ? ", " : "");
        fl_buf_put_json(b, fl_slice_cstr(fl_enum_word(words, i)));
    }
    fl_buf_put_cstr(b, "]}");
}

/* The alternatives of a type, as members of anyOf. */
/* The ways to write a secret, for "anyOf". */
#define SECRET                                                                                     \
    "{\"type\": \"string\"}, {\"type\": \"object\", \"properties\": "                                \
    "{\"file\": {\"type\": \"string\"}}, \"required\": [\"file\"], "                                   \
    "\"additionalProperties\": false}, {\"type\": \"object\", "                                      \
    "\"properties\": {\"credential\": {\"type\": \"string\"}}, "                                     \
    "\"required\": [\"credential\"], \"additionalProperties\": false}"

static void put_alternatives(struct fl_buf *b, const struct fl_key *key)
{
    switch (key->type) {
    case FL_TYPE_STRING:
        fl_buf_put_cstr(b, "{\"type\": \"string\"}");
        break;
    case FL_TYPE_SECRET:
        fl_buf_put_cstr(b, SECRET);
        break;
    case FL_TYPE_SECRETS:
        fl_buf_put_cstr(b, "{\"type\": \"array\", \"items\": {\"anyOf\": [" SECRET ", ");
        put_ref(b, (enum fl_section)key->of);
        fl_buf_put_cstr(b, "]}}");
        break;
    case FL_TYPE_BOOL:
        fl_buf_put_cstr(b, "{\"type\": \"boolean\"}, " VARIABLE);
        break;
    case FL_TYPE_UINT:
        fl_buf_put_cstr(b, "{\"type\": \"integer\"");
        put_bounds(b, key);
        fl_buf_put_cstr(b, "}, " VARIABLE);
        break;
    case FL_TYPE_REAL:
        fl_buf_put_cstr(b, "{\"type\": \"number\"");
        put_bounds(b, key);
        fl_buf_put_cstr(b, "}, " VARIABLE);
        break;
    case FL_TYPE_DURATION:
        fl_buf_put_cstr(b, "{\"type\": \"number\", \"minimum\": 0}, {\"type\": \"string\", "
                           "\"pattern\": \"^[0-9]+(\\\\.[0-9]+)? *(us|ms|s|m|h|d)?$|\\\\$\\\\{\"}");
        break;
    case FL_TYPE_SIZE:
        fl_buf_put_cstr(b, "{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", "
                           "\"pattern\": \"^[0-9]+(\\\\.[0-9]+)? *([KMG]i?B|B)?$|\\\\$\\\\{\"}");
        break;
    case FL_TYPE_ENUM:
        put_words(b, (enum fl_enum)key->of);
        fl_buf_put_cstr(b, ", " VARIABLE);
        break;
    case FL_TYPE_STRINGS:
        fl_buf_put_cstr(b, "{\"type\": \"string\"}, {\"type\": \"array\", \"items\": "
                           "{\"type\": \"string\"}}");
        break;
    case FL_TYPE_STRING_MAP:
        fl_buf_put_cstr(b,
                        "{\"type\": \"object\", \"additionalProperties\": "
                        "{\"type\": [\"string\", \"number\", \"boolean\"]}}, {\"type\": \"null\"}");
        break;
    case FL_TYPE_OBJECT:
        put_ref(b, (enum fl_section)key->of);
        fl_buf_put_cstr(b, ", {\"type\": \"null\"}");
        break;
    case FL_TYPE_MAP:
        fl_buf_put_cstr(b, "{\"type\": \"object\", \"additionalProperties\": {\"anyOf\": [");
        put_ref(b, (enum fl_section)key->of);
        fl_buf_put_cstr(b, ", {\"type\": \"null\"}]}}, {\"type\": \"null\"}");
        break;
    case FL_TYPE_LIST:
        fl_buf_put_cstr(b, "{\"type\": \"array\", \"items\": ");
        put_ref(b, (enum fl_section)key->of);
        fl_buf_put_cstr(b, "}, {\"type\": \"null\"}");
        break;
    case FL_TYPE_PRICES:
        put_ref(b, FL_SECTION_PRICES);
        fl_buf_put_cstr(b, ", {\"type\": \"object\", \"additionalProperties\": ");
        put_ref(b, FL_SECTION_PRICES);
        fl_buf_put_cstr(b, "}, {\"type\": \"null\"}");
        break;
    case FL_TYPE_LATER:
        break;
    }
}

static void put_default(struct fl_buf *b, const struct fl_key *key)
{
    if (key->text_default[0] == '\0') {
        return;
    }
    fl_buf_put_cstr(b, ", \"default\": ");
    if (key->type == FL_TYPE_BOOL || key->type == FL_TYPE_UINT || key->type == FL_TYPE_REAL) {
        fl_buf_put_cstr(b, key->text_default);
    } else {
        fl_buf_put_json(b, fl_slice_cstr(key->text_default));
    }
}

static void put_property(struct fl_buf *b, const struct fl_key *key, const char *name)
{
    fl_buf_put_cstr(b, "        ");
    fl_buf_put_json(b, fl_slice_cstr(name));
    fl_buf_put_cstr(b, ": {\"description\": ");
    fl_buf_put_json(b, fl_slice_cstr(key->doc));
    put_default(b, key);
    fl_buf_put_cstr(b, ", \"anyOf\": [");
    put_alternatives(b, key);
    fl_buf_put_cstr(b, "]}");
}

static void put_section(struct fl_buf *b, enum fl_section section)
{
    unsigned first = fl_section_first(section);
    bool any = false;
    fl_buf_put_cstr(b, "    \"");
    put_definition_name(b, section);
    fl_buf_put_cstr(b, "\": {\n      \"type\": \"object\",\n      \"description\": ");
    fl_buf_put_json(b, fl_slice_cstr(fl_section_doc(section)));
    fl_buf_put_cstr(b, ",\n      \"additionalProperties\": false,\n      \"properties\": {");
    for (unsigned i = 0; i < fl_section_count(section); i++) {
        const struct fl_key *key = &fl_keys[first + i];
        if (key->type != FL_TYPE_LATER) {
            fl_buf_put_cstr(b, any ? ",\n" : "\n");
            put_property(b, key, key->name);
            any = true;
        }
    }
    fl_buf_put_cstr(b, "\n      }\n    }");
}

void fl_config_put_schema(struct fl_buf *b)
{
    fl_buf_put_cstr(b, "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
                       "  \"title\": \"fairlead.yaml\",\n  \"anyOf\": [{\"$ref\": "
                       "\"#/definitions/ROOT\"}, {\"type\": \"null\"}],\n  \"definitions\": {\n");
    for (unsigned i = 0; i < FL_SECTION_COUNT; i++) {
        fl_buf_put_cstr(b, i > 0 ? ",\n" : "");
        put_section(b, (enum fl_section)i);
    }
    fl_buf_put_cstr(b, "\n  }\n}\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/object.h"

#include "base/assert.h"
#include "config/secret.h"
#include "config/value.h"

#include <stdio.h>

enum { VALUE_BYTES_MAX = 64 * 1024 };

struct fl_value *fl_object_value(const struct fl_object *object, enum fl_key_id key)
{
    fl_assert((unsigned)key < FL_KEY_COUNT && fl_keys[key].section == object->section);
    return &object->values[(unsigned)key - fl_section_first(object->section)];
}

/* --- Wrong values --- */

static void put_words(enum fl_enum words, struct fl_buf *b)
{
    for (unsigned i = 0; fl_enum_word(words, i); i++) {
        fl_buf_put_cstr(b, i > 0 ? ", " : "");
        fl_buf_put_cstr(b, fl_enum_word(words, i));
    }
}

static void report_word(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node)
{
    char memory[512];
    struct fl_buf b;
    struct fl_nearest nearest = {.wanted = node->text};
    fl_buf_init_in(&b, memory, sizeof(memory));
    for (unsigned i = 0; fl_enum_word((enum fl_enum)key->of, i); i++) {
        fl_nearest_offer(&nearest, fl_slice_cstr(fl_enum_word((enum fl_enum)key->of, i)));
    }
    if (nearest.best.len > 0) {
        fl_buf_put_cstr(&b, "did you mean '");
        fl_buf_put(&b, nearest.best);
        fl_buf_put_cstr(&b, "'? It is one of: ");
    } else {
        fl_buf_put_cstr(&b, "it is one of: ");
    }
    put_words((enum fl_enum)key->of, &b);
    fl_load_error(load, node, "'%.*s' is not valid for '%s'; %.*s", FL_TEXT(node->text), key->name,
                  (int)b.len, b.ptr);
}

static void report_type(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node)
{
    static const char *const kinds[] = {"text", "a list", "a mapping"};
    const char *expected = fl_value_expected(key->type);
    if (key->type == FL_TYPE_ENUM && node->kind == FL_YAML_SCALAR && !node->null) {
        report_word(load, key, node);
    } else if (node->null) {
        fl_load_error(load, node, "'%s' has no value; expected %s", key->name, expected);
    } else if (node->kind != FL_YAML_SCALAR || key->type >= FL_TYPE_STRINGS ||
               key->type == FL_TYPE_SECRET) {
        fl_load_error(load, node, "'%s' is %s; expected %s", key->name, kinds[node->kind],
                      expected);
    } else {
        fl_load_error(load, node, "'%.*s' is not valid for '%s'; expected %s", FL_TEXT(node->text),
                      key->name, expected);
    }
}

static bool in_range(const struct fl_key *key, int64_t number)
{
    int64_t bound = 0;
    if (key->min[0] != '\0') {
        bool ok = fl_value_number(key, fl_slice_cstr(key->min), &bound);
        fl_assert(ok);
        if (number < bound) {
            return false;
        }
    }
    if (key->max[0] != '\0') {
        bool ok = fl_value_number(key, fl_slice_cstr(key->max), &bound);
        fl_assert(ok);
        return number <= bound;
    }
    return true;
}

/* --- Scalars --- */

static void check_number(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                         struct fl_value *value)
{
    char memory[256];
    struct fl_buf b;
    int64_t number = 0;
    fl_buf_init_in(&b, memory, sizeof(memory));
    value->bad = true;
    if (node->kind != FL_YAML_SCALAR || node->null) {
        report_type(load, key, node);
        return;
    }
    if (!fl_value_expand(load, node, &b, NULL)) {
        return;
    }
    if (!fl_value_number(key, fl_buf_slice(&b), &number)) {
        report_type(load, key, node);
    } else if (!in_range(key, number)) {
        fl_load_error(load, node, "'%s' must be between %s and %s, not %.*s", key->name, key->min,
                      key->max, FL_TEXT(node->text));
    } else {
        value->number = number;
        value->bad = false;
    }
}

/* A scalar's text with its variables, as a copy: secret ones are wiped with the configuration. */
static bool copy_text(struct fl_load *load, const struct fl_yaml *node, bool secret,
                      struct fl_slice *ret_text)
{
    struct fl_buf b;
    fl_buf_init(&b, VALUE_BYTES_MAX);
    bool ok = fl_value_expand(load, node, &b, NULL);
    if (ok) {
        *ret_text = secret ? fl_load_secret(load, fl_buf_slice(&b))
                           : fl_arena_copy(&load->config->arena, fl_buf_slice(&b));
    }
    fl_secret_wipe_buf(&b);
    return ok;
}

static void check_string(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                         struct fl_value *value)
{
    if (node->kind != FL_YAML_SCALAR || node->null) {
        report_type(load, key, node);
        value->bad = true;
        return;
    }
    value->bad = !copy_text(load, node, false, &value->text);
}

/* --- Collections --- */

static struct fl_entry *new_entries(struct fl_load *load, struct fl_value *value, unsigned count)
{
    value->entries = fl_arena_zero(&load->scratch, (count + 1) * sizeof(*value->entries));
    return value->entries;
}

/* A value that is not looked at may be a secret all the same. */
static void mask_if_secret(struct fl_load *load, const struct fl_yaml_item *item)
{
    if (fl_secret_is_name(item->key->text) && item->value->kind == FL_YAML_SCALAR) {
        fl_secret_mask(load, item->value);
    }
}

static bool is_duplicate(struct fl_load *load, const struct fl_yaml_item *item)
{
    if (item->duplicate_of) {
        mask_if_secret(load, item);
        fl_load_error(load, item->key, "duplicate key '%.*s'; it first stands on line %u",
                      FL_TEXT(item->key->text), item->duplicate_of->line);
    }
    return item->duplicate_of != NULL;
}

static void add_text(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                     struct fl_value *value)
{
    struct fl_entry *entry = &value->entries[value->count];
    if (node->kind != FL_YAML_SCALAR || node->null) {
        fl_load_error(load, node, "an entry of '%s' must be text", key->name);
        value->bad = true;
        return;
    }
    entry->node = node;
    if (!copy_text(load, node, false, &entry->text)) {
        value->bad = true;
        return;
    }
    value->count++;
}

static void check_strings(struct fl_load *load, const struct fl_key *key,
                          const struct fl_yaml *node, struct fl_value *value)
{
    if (node->kind == FL_YAML_MAPPING || node->null) {
        report_type(load, key, node);
        value->bad = true;
        return;
    }
    value->count = 0;
    if (!new_entries(load, value, node->kind == FL_YAML_SEQUENCE ? node->count : 1)) {
        return;
    }
    if (node->kind == FL_YAML_SCALAR) {
        add_text(load, key, node, value);
        return;
    }
    for (const struct fl_yaml_item *item = node->first; item; item = item->next) {
        add_text(load, key, item->value, value);
    }
}

/* {key: SECRET, ...} rather than a secret, which may be a mapping too. */
static bool is_section_of_secret(const struct fl_key *key, const struct fl_yaml *node)
{
    bool is = false;
    for (const struct fl_yaml_item *item = node->kind == FL_YAML_MAPPING ? node->first : NULL; item;
         item = item->next) {
        is = is || fl_key_find((enum fl_section)key->of, item->key->text);
    }
    return is;
}

/* An entry of SECRETS with keys of its own, the first of which is the secret. */
static struct fl_entry secret_section(struct fl_load *load, const struct fl_key *key,
                                      const struct fl_yaml *node, bool *io_bad)
{
    struct fl_object *object = fl_object_check(load, (enum fl_section)key->of, node);
    const struct fl_value *secret = object ? &object->values[0] : NULL;
    if (secret && !secret->node) {
        fl_load_error(load, node, "an entry of '%s' needs a '%s'", key->name,
                      fl_keys[fl_section_first((enum fl_section)key->of)].name);
    }
    *io_bad = *io_bad || !secret || !secret->node || secret->bad;
    return (struct fl_entry){.node = node,
                             .name = secret ? secret->source : FL_EMPTY,
                             .text = secret ? secret->text : FL_EMPTY,
                             .object = object};
}

static void check_secrets(struct fl_load *load, const struct fl_key *key,
                          const struct fl_yaml *node, struct fl_value *value)
{
    if (node->kind != FL_YAML_SEQUENCE) {
        fl_secret_mask(load, node);
        fl_load_error(load, node, "'%s' expects %s", key->name, fl_value_expected(key->type));
        value->bad = true;
        return;
    }
    if (!new_entries(load, value, node->count)) {
        return;
    }
    for (const struct fl_yaml_item *item = node->first; item; item = item->next) {
        struct fl_value one = {.node = item->value};
        if (is_section_of_secret(key, item->value)) {
            value->entries[value->count++] = secret_section(load, key, item->value, &value->bad);
            continue;
        }
        fl_secret_check(load, key, item->value, &one);
        value->bad = value->bad || one.bad;
        value->entries[value->count++] =
            (struct fl_entry){.node = item->value, .name = one.source, .text = one.text};
    }
}

static void check_string_map(struct fl_load *load, const struct fl_key *key,
                             const struct fl_yaml *node, struct fl_value *value)
{
    if (node->null || !new_entries(load, value, node->count)) {
        return;
    }
    if (node->kind != FL_YAML_MAPPING) {
        report_type(load, key, node);
        value->bad = true;
        return;
    }
    for (const struct fl_yaml_item *item = node->first; item; item = item->next) {
        struct fl_entry *entry = &value->entries[value->count];
        if (is_duplicate(load, item)) {
            continue;
        }
        if (item->value->kind != FL_YAML_SCALAR) {
            fl_load_error(load, item->value, "the value of '%.*s' must be text",
                          FL_TEXT(item->key->text));
            continue;
        }
        entry->key = item->key;
        entry->node = item->value;
        entry->name = fl_arena_copy(&load->config->arena, item->key->text);
        if (fl_secret_is_name(entry->name)) {
            fl_secret_mask(load, item->value);
        }
        value->count += copy_text(load, item->value, true, &entry->text);
    }
}

static void check_map(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                      struct fl_value *value)
{
    if (node->null || !new_entries(load, value, node->count)) {
        return;
    }
    if (node->kind != FL_YAML_MAPPING) {
        report_type(load, key, node);
        value->bad = true;
        return;
    }
    for (const struct fl_yaml_item *item = node->first; item; item = item->next) {
        if (is_duplicate(load, item)) {
            continue;
        }
        value->entries[value->count++] = (struct fl_entry){
            .key = item->key,
            .node = item->value,
            .name = fl_arena_copy(&load->config->arena, item->key->text),
            .object = fl_object_check(load, (enum fl_section)key->of, item->value)};
    }
}

static void check_list(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                       struct fl_value *value)
{
    if (node->null || !new_entries(load, value, node->count)) {
        return;
    }
    if (node->kind != FL_YAML_SEQUENCE) {
        report_type(load, key, node);
        value->bad = true;
        return;
    }
    for (const struct fl_yaml_item *item = node->first; item; item = item->next) {
        value->entries[value->count++] = (struct fl_entry){
            .node = item->value,
            .object = fl_object_check(load, (enum fl_section)key->of, item->value)};
    }
}

/* By model when every value is a mapping; else one object of prices. */
static void check_prices(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                         struct fl_value *value)
{
    bool by_model = node->kind == FL_YAML_MAPPING && node->count > 0;
    for (const struct fl_yaml_item *item = by_model ? node->first : NULL; item; item = item->next) {
        by_model = by_model && item->value->kind == FL_YAML_MAPPING;
    }
    if (by_model) {
        check_map(load, key, node, value);
    } else if (node->kind != FL_YAML_MAPPING && !node->null) {
        report_type(load, key, node);
        value->bad = true;
    } else if (!node->null) {
        value->object = fl_object_check(load, FL_SECTION_PRICES, node);
    }
}

static void check_object(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                         struct fl_value *value)
{
    if (node->null) {
        return;
    }
    if (node->kind != FL_YAML_MAPPING) {
        report_type(load, key, node);
        value->bad = true;
        return;
    }
    value->object = fl_object_check(load, (enum fl_section)key->of, node);
}

/* --- Objects --- */

static void check_value(struct fl_load *load, const struct fl_key *key,
                        const struct fl_yaml_item *item, struct fl_value *value)
{
    typedef void check_fn(struct fl_load *, const struct fl_key *, const struct fl_yaml *,
                          struct fl_value *);
    static check_fn *const checks[] = {
        [FL_TYPE_STRING] = check_string,   [FL_TYPE_SECRET] = fl_secret_check,
        [FL_TYPE_BOOL] = check_number,     [FL_TYPE_UINT] = check_number,
        [FL_TYPE_REAL] = check_number,     [FL_TYPE_DURATION] = check_number,
        [FL_TYPE_SIZE] = check_number,     [FL_TYPE_ENUM] = check_number,
        [FL_TYPE_STRINGS] = check_strings, [FL_TYPE_STRING_MAP] = check_string_map,
        [FL_TYPE_OBJECT] = check_object,   [FL_TYPE_MAP] = check_map,
        [FL_TYPE_LIST] = check_list,       [FL_TYPE_PRICES] = check_prices,
        [FL_TYPE_SECRETS] = check_secrets,
    };
    if (key->type == FL_TYPE_LATER) {
        fl_load_error(load, item->key, "'%s' is not available in this version (%s); remove it",
                      key->name, key->doc);
        return;
    }
    if (!fl_slice_eq(item->key->text, fl_slice_cstr(key->name))) {
        fl_load_warn(load, item->key, "'%.*s' is now called '%s'", FL_TEXT(item->key->text),
                     key->name);
    }
    value->key = item->key;
    value->node = item->value;
    checks[key->type](load, key, item->value, value);
    if (key->effect[0] != '\0' && !value->bad) {
        fl_load_note(load, item->key, "'%s' %s", key->name, key->effect);
    }
}

static void report_unknown(struct fl_load *load, enum fl_section section, const struct fl_yaml *key)
{
    char memory[256];
    struct fl_buf hint;
    const char *path = fl_section_path(section);
    fl_buf_init_in(&hint, memory, sizeof(memory));
    fl_key_put_hint(section, key->text, &hint);
    fl_load_error(load, key, "unknown key '%.*s' %s%s%s%.*s", FL_TEXT(key->text),
                  path[0] ? "in '" : "at the top level", path, path[0] ? "'" : "", (int)hint.len,
                  hint.ptr);
}

static void fill_defaults(struct fl_load *load, struct fl_object *object)
{
    unsigned first = fl_section_first(object->section);
    for (unsigned i = 0; i < fl_section_count(object->section); i++) {
        const struct fl_key *key = &fl_keys[first + i];
        struct fl_value *value = &object->values[i];
        if (key->text_default[0] == '\0') {
            continue;
        }
        if (key->type == FL_TYPE_STRINGS && new_entries(load, value, 1)) {
            value->entries[value->count++].text = fl_slice_cstr(key->text_default);
        } else if (key->type == FL_TYPE_STRING) {
            value->text = fl_slice_cstr(key->text_default);
        } else if (key->type != FL_TYPE_STRINGS) {
            bool ok = fl_value_number(key, fl_slice_cstr(key->text_default), &value->number);
            fl_assert(ok);
        }
    }
}

struct fl_object *fl_object_check(struct fl_load *load, enum fl_section section,
                                  const struct fl_yaml *node)
{
    unsigned first = fl_section_first(section);
    struct fl_object *object = fl_arena_zero(&load->scratch, sizeof(*object));
    struct fl_value *values =
        fl_arena_zero(&load->scratch, fl_section_count(section) * sizeof(*values));
    if (!object || !values) {
        return NULL;
    }
    *object = (struct fl_object){.section = section, .node = node, .values = values};
    fill_defaults(load, object);
    if (!node || node->null) {
        return object;
    }
    if (node->kind != FL_YAML_MAPPING) {
        fl_secret_mask(load, node); /* such as a key where a provider's keys belong */
        fl_load_error(load, node, "expected keys such as '%s: ...', indented under '%s'",
                      fl_keys[first].name, fl_section_path(section));
        return object;
    }
    for (const struct fl_yaml_item *item = node->first; item; item = item->next) {
        const struct fl_key *key = fl_key_find(section, item->key->text);
        if (is_duplicate(load, item)) {
            continue;
        }
        if (key) {
            check_value(load, key, item, &values[key - &fl_keys[first]]);
        } else {
            mask_if_secret(load, item);
            report_unknown(load, section, item->key);
        }
    }
    return object;
}

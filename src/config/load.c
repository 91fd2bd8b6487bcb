/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load.h"

#include "base/assert.h"

#include <stdlib.h>

#define CONFIG_BYTES_MAX  ((size_t)64 << 20)
#define SCRATCH_BYTES_MAX ((size_t)256 << 20)

struct fl_place fl_place_of(const struct fl_yaml *node)
{
    return node ? (struct fl_place){node->line, node->column, node->width}
                : (struct fl_place){0, 0, 0};
}

bool fl_load_variable(struct fl_load *load, const char *name, struct fl_slice *ret_value)
{
    struct fl_slice value;
    if (!load->env->variable(load->env->owner, fl_slice_cstr(name), &value) || value.len == 0) {
        return false;
    }
    *ret_value = value;
    return true;
}

struct fl_object *fl_load_object(struct fl_load *load, const struct fl_object *parent,
                                 enum fl_key_id key)
{
    struct fl_value *value = fl_object_value(parent, key);
    if (!value->object) {
        value->object = fl_object_check(load, (enum fl_section)fl_keys[key].of, NULL);
    }
    return value->object;
}

/* --- A file without its indentation --- */

static bool is_empty_section(const struct fl_yaml_item *item)
{
    const struct fl_key *key = fl_key_find(FL_SECTION_ROOT, item->key->text);
    return key && item->value->null &&
           (key->type == FL_TYPE_OBJECT || key->type == FL_TYPE_MAP || key->type == FL_TYPE_LIST);
}

/* Keys of other sections at the top level, beside a section that is empty. */
static bool report_flattened(struct fl_load *load, const struct fl_yaml *root)
{
    const struct fl_yaml_item *empty = NULL, *stray = NULL;
    for (const struct fl_yaml_item *item = root->first; item; item = item->next) {
        if (!empty && is_empty_section(item)) {
            empty = item;
        }
        if (empty && !stray && !fl_key_find(FL_SECTION_ROOT, item->key->text) &&
            (fl_key_find(FL_SECTION_ROUTING, item->key->text) ||
             fl_key_find(FL_SECTION_PROVIDER, item->key->text) ||
             fl_key_find(FL_SECTION_LIMITS, item->key->text) ||
             fl_key_find(FL_SECTION_LOAD_BALANCING, item->key->text))) {
            stray = item;
        }
    }
    if (!empty || !stray) {
        return false;
    }
    fl_load_error(
        load, empty->key,
        "'%.*s:' is empty and '%.*s' (line %u) is at the top level: the indentation seems "
        "to be lost; indent the keys of each section by two spaces, as in "
        "examples/routing_config.yaml",
        FL_TEXT(empty->key->text), FL_TEXT(stray->key->text), stray->key->line);
    return true;
}

/* --- The whole --- */

static void check_targets(struct fl_load *load)
{
    const struct fl_yaml *at = fl_object_value(load->routing, FL_KEY_ROUTING_providers)->key;
    if (load->config->table.target_count == 0 && load->findings->errors == 0) {
        fl_load_warn(load, at,
                     "no target is left to route to: the server will not start; set the key of at "
                     "least one provider");
    }
}

static void build(struct fl_load *load, const struct fl_yaml *tree)
{
    if (tree && tree->kind != FL_YAML_MAPPING && !tree->null) {
        fl_load_error(load, tree, "expected keys such as 'providers:' at the top level");
        return;
    }
    load->root = fl_object_check(load, FL_SECTION_ROOT, tree);
    load->routing = load->root ? fl_load_object(load, load->root, FL_KEY_ROOT_routing) : NULL;
    if (!load->routing || load->scratch.failed || load->config->arena.failed) {
        return;
    }
    fl_settings_merge(load);
    fl_settings_build(load);
    fl_trained_build(load);
    fl_providers_build(load);
    fl_routes_build(load);
    check_targets(load);
}

static enum fl_err begin(struct fl_load *load, struct fl_slice file)
{
    load->config = calloc(1, sizeof(*load->config));
    if (!load->config) {
        return FL_ERR_NOMEM;
    }
    atomic_init(&load->config->refs, 1);
    load->config->catalog = fl_catalog_ref(load->env->catalog);
    fl_arena_init(&load->config->arena, (size_t)16 * 1024, CONFIG_BYTES_MAX);
    fl_arena_init(&load->scratch, (size_t)64 * 1024, SCRATCH_BYTES_MAX);
    load->config->file = fl_arena_copy(&load->config->arena, file);
    return FL_OK;
}

/* Ends the load: gives the configuration away, or frees it. */
static enum fl_err end(struct fl_load *load, enum fl_err err, struct fl_config **ret_config)
{
    if (err == FL_OK && load->findings->errors > 0) {
        err = FL_ERR_CONFIG;
    }
    if (err == FL_OK && (load->scratch.failed || load->config->arena.failed)) {
        err = FL_ERR_NOMEM;
    }
    fl_findings_sort(load->findings);
    fl_arena_finish(&load->scratch);
    if (err == FL_OK) {
        *ret_config = load->config;
    } else {
        fl_config_unref(load->config);
    }
    return err;
}

enum fl_err fl_config_load(struct fl_slice yaml, struct fl_slice file,
                           const struct fl_config_env *env, struct fl_config **ret_config,
                           struct fl_findings *findings)
{
    struct fl_load load = {.env = env, .findings = findings, .source = yaml};
    struct fl_yaml_document document;
    enum fl_err err = begin(&load, file);
    if (err != FL_OK) {
        return err;
    }
    err = fl_yaml_parse(yaml, &load.scratch, findings, &document);
    if (err == FL_OK) {
        bool flat = document.root && document.root->kind == FL_YAML_MAPPING &&
                    report_flattened(&load, document.root);
        if (!flat) {
            build(&load, document.root);
        }
    }
    fl_yaml_finish(&document);
    return end(&load, err, ret_config);
}

enum fl_err fl_config_from_environment(const struct fl_config_env *env,
                                       struct fl_config **ret_config, struct fl_findings *findings)
{
    struct fl_load load = {.env = env, .findings = findings};
    enum fl_err err = begin(&load, FL_LIT("(environment)"));
    if (err != FL_OK) {
        return err;
    }
    build(&load, NULL);
    return end(&load, err, ret_config);
}

struct fl_config *fl_config_ref(struct fl_config *c)
{
    unsigned before = atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    fl_assert(before > 0);
    return c;
}

void fl_config_unref(struct fl_config *c)
{
    if (!c) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    fl_assert(before > 0);
    if (before == 1) {
        fl_secrets_wipe(c);
        fl_catalog_unref(c->catalog);
        fl_arena_finish(&c->arena);
        free(c);
    }
}

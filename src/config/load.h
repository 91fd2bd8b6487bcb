/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps of one load share, and the steps in their order:
 *
 *   yaml.c       text -> tree
 *   object.c     tree -> objects: every value checked against its row of the key table, defaults
 *                filled
 *   settings.c   objects -> the plain settings
 *   providers.c  objects -> providers
 *   routes.c     objects and providers -> targets and routes
 *
 * A step reports what it finds and goes on with a value that lets the next step work, so that one
 * run shows every error; whether any was found is asked once, at the end. Memory: whatever stays is
 * taken from the configuration's arena, whatever is only needed now from `scratch`. Both fail
 * stickily.
 */
#ifndef FL_CONFIG_LOAD_H
#define FL_CONFIG_LOAD_H

#include "config/config.h"
#include "config/findings.h"
#include "config/object.h"
#include "config/yaml.h"

/* A provider on its way: what routes need beside the finished struct fl_provider. */
struct fl_draft {
    const struct fl_entry *entry;
    const struct fl_vendor *vendor; /* NULL: reported */
    bool routed;                    /* its targets take part */
};

struct fl_load {
    const struct fl_config_env *env;
    struct fl_findings *findings;
    struct fl_slice source; /* the file's bytes; empty without a file */
    struct fl_arena scratch;
    struct fl_config *config;
    struct fl_object *root, *routing; /* routing: what stood at the top level included */
    struct fl_draft *drafts;          /* one for each of config->providers */
};

/* Findings at a node; NULL = the whole file. */
#define fl_load_error(load, node, ...)                                                             \
    fl_findings_add((load)->findings, FL_CONFIG_ERROR, fl_place_of(node), __VA_ARGS__)
#define fl_load_warn(load, node, ...)                                                              \
    fl_findings_add((load)->findings, FL_CONFIG_WARNING, fl_place_of(node), __VA_ARGS__)
#define fl_load_note(load, node, ...)                                                              \
    fl_findings_add((load)->findings, FL_CONFIG_NOTE, fl_place_of(node), __VA_ARGS__)
struct fl_place fl_place_of(const struct fl_yaml *node);

/* A copy in the configuration's arena that is wiped before the arena is freed. */
struct fl_slice fl_load_secret(struct fl_load *load, struct fl_slice text);
/* Wipes what fl_load_secret() copied. */
void fl_secrets_wipe(struct fl_config *config);
/* A file's bytes, in the configuration's arena; *secret* ones are wiped. False: reported at *node*.
 */
bool fl_load_file(struct fl_load *load, const struct fl_yaml *node, struct fl_slice path,
                  bool secret, struct fl_slice *ret_bytes);

/* The same for a file of a model, which may be as large as 16 MiB. */
bool fl_load_model(struct fl_load *load, const struct fl_yaml *node, struct fl_slice path,
                   struct fl_slice *ret_bytes);

/* A variable of the environment that is set and not empty. */
bool fl_load_variable(struct fl_load *load, const char *name, struct fl_slice *ret_value);

/* The object under *key*, or one of defaults when it is absent. NULL only without memory. */
struct fl_object *fl_load_object(struct fl_load *load, const struct fl_object *parent,
                                 enum fl_key_id key);

/* Moves what stands at the top level and may stand under `routing` into load->routing. */
void fl_settings_merge(struct fl_load *load);
void fl_settings_build(struct fl_load *load);
void fl_settings_timeouts(const struct fl_object *object, struct fl_timeouts *io_timeouts);
/* The files of what was trained. */
void fl_trained_build(struct fl_load *load);
void fl_providers_build(struct fl_load *load);
/* Steps of a provider: dialect, region, project and API's version; the base URL that its type implies
 * (empty: none, or reported); credentials. */
void fl_provider_place_build(struct fl_load *load, const struct fl_draft *draft,
                             struct fl_provider *p);
struct fl_slice fl_provider_default_url(struct fl_load *load, const struct fl_draft *draft,
                                        const struct fl_provider *p);
void fl_provider_auth_build(struct fl_load *load, const struct fl_draft *draft,
                            struct fl_provider *p);
/* Whether what a cloud needs beside a key is there; what is not is reported. */
bool fl_provider_auth_given(struct fl_load *load, const struct fl_draft *draft,
                            const struct fl_provider *p);
/* The entries of providers whose variables are set, when the file names none. */
void fl_environment_entries(struct fl_load *load, struct fl_value *ret_providers);
void fl_routes_build(struct fl_load *load);

/* --- models.c: the catalogue, and what the file says over it --- */

/* The catalogue's row of a provider, by its type, or by its address where the type is a protocol. */
const struct fl_catalog_provider *fl_models_provider(const struct fl_load *load,
                                                     const struct fl_provider *provider);
/* Reports prices and facts of models that cannot be. */
void fl_models_check(struct fl_load *load, unsigned provider);
/* Fills the facts and prices of a target whose names are set. */
void fl_models_attach(struct fl_load *load, struct fl_target *target);

#endif

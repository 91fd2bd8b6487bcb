/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up outside for the configuration: variables and files are lists of name and value. */
#ifndef FL_TESTS_CONFIG_FIXTURE_H
#define FL_TESTS_CONFIG_FIXTURE_H

#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>

/* Name, value, name, value, ..., NULL. */
struct outside {
    const char *const *variables, *const *files;
    struct fl_catalog *catalog; /* or NULL */
};

/* One load with what came of it. */
struct loaded {
    enum fl_err err;
    struct fl_config *config;
    struct fl_findings findings;
    struct fl_buf text; /* the findings as printed */
};

static inline const char *outside_find(const char *const *pairs, struct fl_slice name)
{
    for (; pairs && *pairs; pairs += 2) {
        if (fl_slice_eq(name, fl_slice_cstr(pairs[0]))) {
            return pairs[1];
        }
    }
    return NULL;
}

static inline bool outside_variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    const struct outside *outside = owner;
    const char *value = outside_find(outside->variables, name);
    *ret_value = fl_slice_cstr(value);
    return value != NULL;
}

static inline enum fl_err outside_file(void *owner, struct fl_slice path, struct fl_buf *ret)
{
    const struct outside *outside = owner;
    const char *value = outside_find(outside->files, path);
    fl_buf_put_cstr(ret, value ? value : "");
    return value ? FL_OK : FL_ERR_FILE;
}

/* *yaml* empty with a NULL pointer: from the environment alone. */
static inline struct loaded outside_load(struct outside *outside, struct fl_slice yaml,
                                         struct fl_registry *registry)
{
    struct loaded l = {.config = NULL};
    struct fl_config_env env = {.owner = outside,
                                .variable = outside_variable,
                                .file = outside_file,
                                .registry = registry,
                                .hash_key = {1, 2},
                                .catalog = outside->catalog};
    fl_findings_init(&l.findings);
    fl_buf_init(&l.text, 4u << 20);
    l.err = yaml.ptr ? fl_config_load(yaml, FL_LIT("fairlead.yaml"), &env, &l.config, &l.findings)
                     : fl_config_from_environment(&env, &l.config, &l.findings);
    fl_findings_put(&l.findings, FL_LIT("fairlead.yaml"), yaml, &l.text);
    return l;
}

static inline void loaded_finish(struct loaded *l)
{
    fl_config_unref(l->config);
    fl_findings_finish(&l->findings);
    fl_buf_finish(&l->text);
}

static inline bool read_whole(const char *path, struct fl_buf *b)
{
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    size_t len;
    while (file && (len = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        fl_buf_put(b, fl_slice(bytes, len));
    }
    return file && fclose(file) == 0;
}

#endif

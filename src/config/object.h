/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checked values: one object for each mapping with a section, one value for each of its keys,
 * present or not; a value that is absent or wrong holds its default.
 */
#ifndef FL_CONFIG_OBJECT_H
#define FL_CONFIG_OBJECT_H

#include "config/keys.h"
#include "config/yaml.h"

struct fl_load;
struct fl_object;

/* An entry of STRINGS (text), SECRETS (text, source as name; object where it has keys of its own), STRING_MAP (name, text), MAP and PRICES (name, object), LIST
 * (object). */
struct fl_entry {
    const struct fl_yaml *key, *node; /* where the name and the value stand; key may be NULL */
    struct fl_slice name, text;
    struct fl_object *object;
};

struct fl_value {
    const struct fl_yaml *key, *node; /* NULL: absent */
    bool bad;                         /* present, but wrong and reported */
    struct fl_slice text;             /* STRING, SECRET: variables expanded */
    struct fl_slice source;           /* SECRET: where it came from, safe to print */
    int64_t number;           /* BOOL, UINT, ENUM index, DURATION ns, SIZE bytes, REAL billionths */
    struct fl_object *object; /* OBJECT, PRICES for all models; NULL: absent */
    struct fl_entry *entries; /* STRINGS, STRING_MAP, MAP, LIST, PRICES by model */
    unsigned count;
};

struct fl_object {
    enum fl_section section;
    const struct fl_yaml *node; /* NULL: absent, all defaults */
    struct fl_value *values;    /* one for each key of the section */
};

/* Checks *node* (NULL: absent) as *section*. Never NULL but without memory. */
struct fl_object *fl_object_check(struct fl_load *load, enum fl_section section,
                                  const struct fl_yaml *node);

/* The value of a key; *object* must be of the key's section. */
struct fl_value *fl_object_value(const struct fl_object *object, enum fl_key_id key);

static inline double fl_value_real(const struct fl_value *value)
{
    return (double)value->number / 1e9;
}

#endif

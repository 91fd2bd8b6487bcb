/* SPDX-License-Identifier: Apache-2.0 */
#include "config/keys.h"

#include "base/assert.h"
#include "config/config.h"

const struct fl_key fl_keys[FL_KEY_COUNT] = {
#define X(section, name, type, of, text, min, max, since, alias, doc, effect)                      \
    {FL_SECTION_##section,                                                                         \
     #name,                                                                                        \
     FL_TYPE_##type,                                                                               \
     FL_OF_##of,                                                                                   \
     text,                                                                                         \
     min,                                                                                          \
     max,                                                                                          \
     since,                                                                                        \
     alias,                                                                                        \
     doc,                                                                                          \
     effect},
    FL_KEYS(X)
#undef X
};

static const struct {
    const char *path, *doc;
} sections[FL_SECTION_COUNT] = {
#define X(section, path, doc) {path, doc},
    FL_SECTIONS(X)
#undef X
};

const char *fl_section_path(enum fl_section section)
{
    fl_assert(section < FL_SECTION_COUNT);
    return sections[section].path;
}

const char *fl_section_doc(enum fl_section section)
{
    fl_assert(section < FL_SECTION_COUNT);
    return sections[section].doc;
}

unsigned fl_section_first(enum fl_section section)
{
    unsigned first = 0;
    while (first < FL_KEY_COUNT && fl_keys[first].section != section) {
        first++;
    }
    fl_assert(first < FL_KEY_COUNT);
    return first;
}

unsigned fl_section_count(enum fl_section section)
{
    unsigned first = fl_section_first(section), end = first;
    while (end < FL_KEY_COUNT && fl_keys[end].section == section) {
        end++;
    }
    return end - first;
}

const struct fl_key *fl_key_find(enum fl_section section, struct fl_slice name)
{
    for (unsigned i = 0; i < FL_KEY_COUNT; i++) {
        const struct fl_key *key = &fl_keys[i];
        if (key->section == section &&
            (fl_slice_eq(name, fl_slice_cstr(key->name)) ||
             (key->alias[0] != '\0' && fl_slice_eq(name, fl_slice_cstr(key->alias))))) {
            return key;
        }
    }
    return NULL;
}

void fl_nearest_offer(struct fl_nearest *n, struct fl_slice candidate)
{
    enum { offers_max = 1000 }; /* a suggestion is a courtesy, not worth more time */
    if (candidate.len == 0 || n->offered++ >= offers_max) {
        return;
    }
    unsigned limit = n->wanted.len < 4 ? 1 : n->wanted.len < 9 ? 2 : 3;
    unsigned distance = fl_slice_distance(n->wanted, candidate, limit);
    if (distance <= limit && (n->best.len == 0 || distance < n->distance)) {
        n->best = candidate;
        n->distance = distance;
    }
}

static void put_place(struct fl_buf *b, enum fl_section section)
{
    if (section == FL_SECTION_ROOT) {
        fl_buf_put_cstr(b, "; it belongs to the top level");
        return;
    }
    fl_buf_put_cstr(b, "; it belongs under '");
    fl_buf_put_cstr(b, fl_section_path(section));
    fl_buf_putc(b, '\'');
}

void fl_key_put_hint(enum fl_section section, struct fl_slice name, struct fl_buf *b)
{
    struct fl_nearest nearest = {.wanted = name};
    const struct fl_key *elsewhere = NULL;
    for (unsigned i = 0; i < FL_KEY_COUNT; i++) {
        const struct fl_key *key = &fl_keys[i];
        if (key->type == FL_TYPE_LATER) {
            continue;
        }
        if (key->section == section) {
            fl_nearest_offer(&nearest, fl_slice_cstr(key->name));
        } else if (!elsewhere && fl_slice_eq(name, fl_slice_cstr(key->name))) {
            elsewhere = key;
        }
    }
    if (elsewhere && (nearest.best.len == 0 || nearest.distance > 1)) {
        put_place(b, elsewhere->section);
    } else if (nearest.best.len > 0) {
        fl_buf_put_cstr(b, "; did you mean '");
        fl_buf_put(b, nearest.best);
        fl_buf_put_cstr(b, "'?");
    }
}

const char *fl_enum_word(enum fl_enum words, unsigned index)
{
    switch (words) {
    case FL_ENUM_NONE:
        break;
    case FL_ENUM_STRATEGY:
        return fl_selection_word(index);
    case FL_ENUM_ALGORITHM:
        return index < FL_ALGORITHM_COUNT ? fl_algorithm_name((enum fl_algorithm)index) : NULL;
    case FL_ENUM_TIER: /* of enum fl_tier, less the unknown one */
        return index + FL_TIER_LOW < FL_TIER_COUNT
                   ? fl_tier_name((enum fl_tier)(index + FL_TIER_LOW))
                   : NULL;
    case FL_ENUM_VENDOR:
        return index < fl_vendor_count ? fl_vendors[index].name : NULL;
    case FL_ENUM_DIALECT:
        return fl_dialect_word(index);
    case FL_ENUM_API:
        return index < FL_API_COUNT ? fl_api_word((enum fl_api)index) : NULL;
    case FL_ENUM_AUTH_SOURCE:
        return index < FL_SOURCE_COUNT ? fl_auth_source_word((enum fl_auth_source)index) : NULL;
    case FL_ENUM_CLASS:
        return index < FL_CLASS_COUNT ? fl_class_word((enum fl_class)index) : NULL;
    case FL_ENUM_TOKENIZER:
        return index < FL_TOKENIZER_COUNT ? fl_tokenizer_name((enum fl_tokenizer)index) : NULL;
    }
    return NULL;
}

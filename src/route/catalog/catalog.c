/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "route/catalog/internal.h"

#include <stdlib.h>

const struct fl_price_class_row fl_price_classes[FL_PRICE_CLASS_COUNT] = {
#define X(id, name, decimals, fallback, unit)                                                      \
    [id] = {{name, sizeof(name) - 1}, decimals, fallback, unit},
    FL_PRICE_CLASSES(X)
#undef X
};

const struct fl_slice fl_capability_names[FL_CAPABILITY_COUNT] = {
#define X(id, name) [id##_BIT] = {name, sizeof(name) - 1},
    FL_CAPABILITIES(X)
#undef X
};

const char *fl_model_status_name(enum fl_model_status s)
{
    switch (s) {
    case FL_MODEL_ACTIVE:
        return "active";
    case FL_MODEL_DEPRECATED:
        return "deprecated";
    case FL_MODEL_RETIRED:
        return "retired";
    }
    return "unknown";
}

const char *fl_model_tier_name(enum fl_model_tier t)
{
    switch (t) {
    case FL_MODEL_TIER_NONE:
        return "none";
    case FL_MODEL_LOW:
        return "low";
    case FL_MODEL_MEDIUM:
        return "medium";
    case FL_MODEL_HIGH:
        return "high";
    }
    return "unknown";
}

struct fl_catalog *fl_catalog_ref(struct fl_catalog *c)
{
    if (c) {
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    }
    return c;
}

void fl_catalog_unref(struct fl_catalog *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    fl_index_finish(&c->exact);
    fl_index_finish(&c->bare);
    free(c->providers);
    free(c->models);
    free(c->first_model);
    free(c->patterns);
    free(c->first_pattern);
    free(c->next_bare);
    free(c->anyone);
    fl_arena_finish(&c->arena);
    free(c);
}

unsigned fl_catalog_provider_count(const struct fl_catalog *c)
{
    return c->provider_count;
}

unsigned fl_catalog_model_count(const struct fl_catalog *c)
{
    return c->model_count;
}

int32_t fl_catalog_day(const struct fl_catalog *c)
{
    return c->day;
}

const struct fl_catalog_provider *fl_catalog_provider(const struct fl_catalog *c, unsigned index)
{
    fl_assert(index < c->provider_count);
    return &c->providers[index];
}

const struct fl_model *fl_catalog_model(const struct fl_catalog *c, unsigned index)
{
    fl_assert(index < c->model_count);
    return &c->models[index];
}

const struct fl_catalog_provider *fl_catalog_find_provider(const struct fl_catalog *c,
                                                           struct fl_slice name)
{
    for (unsigned i = 0; i < c->provider_count; i++) {
        if (fl_name_eq(c->providers[i].name, name)) {
            return &c->providers[i];
        }
    }
    for (unsigned i = 0; i < c->provider_count; i++) {
        struct fl_slice aliases = c->providers[i].aliases, one;
        while (fl_names_next(&aliases, &one)) {
            if (fl_name_eq(one, name)) {
                return &c->providers[i];
            }
        }
    }
    return NULL;
}

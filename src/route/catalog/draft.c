/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A catalogue being built: rows in the order of their files. finish() sorts them by provider,
 * unless they came so, and makes the indexes, which drops those that were replaced.
 */
#include "base/assert.h"
#include "route/catalog/internal.h"

#include <stdlib.h>

#define ARENA_CHUNK_BYTES ((size_t)64 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)
enum { PROVIDERS_MAX = 10000, MODELS_MAX = 200000, RULES_MAX = 64 };

struct fl_catalog_draft {
    struct fl_catalog *catalog; /* its arena and providers */
    unsigned provider_cap;
    uint32_t provider; /* of the models that come */
    struct fl_model *models;
    uint32_t *providers; /* of each model */
    unsigned count, cap, providers_cap;
    bool mixed; /* a provider's models do not all stand together, in the order of the providers */
};

/* Room for one more element. */
static bool grow(void **io_items, unsigned *io_cap, unsigned count, size_t size, unsigned max)
{
    if (count < *io_cap) {
        return true;
    }
    unsigned cap = *io_cap < 16 ? 16 : *io_cap * 2;
    void *items = count < max ? realloc(*io_items, cap * size) : NULL;
    if (!items) {
        return false;
    }
    *io_items = items;
    *io_cap = cap;
    return true;
}

struct fl_catalog_draft *fl_catalog_draft_create(unsigned provider_hint, unsigned model_hint)
{
    struct fl_catalog_draft *d = calloc(1, sizeof(*d));
    struct fl_catalog *c = calloc(1, sizeof(*c));
    if (!d || !c) {
        free(d);
        free(c);
        return NULL;
    }
    *d = (struct fl_catalog_draft){.catalog = c, .provider = FL_NONE};
    atomic_init(&c->refs, 1);
    fl_arena_init(&c->arena, ARENA_CHUNK_BYTES, ARENA_BYTES_MAX);
    c->day = FL_DAY_UNKNOWN;
    if (provider_hint > 0 && provider_hint <= PROVIDERS_MAX) {
        c->providers = malloc(provider_hint * sizeof(*c->providers));
        d->provider_cap = c->providers ? provider_hint : 0;
    }
    if (model_hint > 0 && model_hint <= MODELS_MAX) {
        d->models = malloc(model_hint * sizeof(*d->models));
        d->cap = d->models ? model_hint : 0;
    }
    return d;
}

void fl_catalog_draft_destroy(struct fl_catalog_draft *d)
{
    if (d) {
        fl_catalog_unref(d->catalog);
        free(d->models);
        free(d->providers);
        free(d);
    }
}

struct fl_arena *fl_catalog_draft_arena(struct fl_catalog_draft *d)
{
    return &d->catalog->arena;
}

void fl_catalog_draft_day(struct fl_catalog_draft *d, int32_t day)
{
    if (day > d->catalog->day) {
        d->catalog->day = day;
    }
}

enum fl_err fl_catalog_draft_provider(struct fl_catalog_draft *d,
                                      const struct fl_catalog_provider *row)
{
    struct fl_catalog *c = d->catalog;
    uint32_t index = 0;
    while (index < c->provider_count && !fl_name_eq(c->providers[index].name, row->name)) {
        index++;
    }
    if (index == c->provider_count) {
        void *items = c->providers;
        if (!grow(&items, &d->provider_cap, c->provider_count, sizeof(*c->providers),
                  PROVIDERS_MAX)) {
            return c->provider_count < PROVIDERS_MAX ? FL_ERR_NOMEM : FL_ERR_TOO_BIG;
        }
        c->providers = items;
        c->provider_count++;
    }
    c->providers[index] = *row;
    c->providers[index].model_count = 0;
    if (row->vendor.len == 0) {
        c->providers[index].vendor = row->name;
    }
    d->provider = index;
    return FL_OK;
}

bool fl_catalog_draft_use(struct fl_catalog_draft *d, struct fl_slice name)
{
    const struct fl_catalog_provider *p = fl_catalog_find_provider(d->catalog, name);
    if (p) {
        d->provider = (uint32_t)(p - d->catalog->providers);
    }
    return p != NULL;
}

/* Copies the rules and their prices: one piece of the arena, rules first. */
static bool copy_rules(struct fl_arena *arena, struct fl_model *model,
                       const struct fl_price_rule *rules, unsigned count)
{
    size_t prices = 0;
    for (unsigned i = 0; i < count; i++) {
        prices += (size_t)__builtin_popcount(rules[i].classes);
    }
    if (count == 0) {
        return true;
    }
    struct fl_price_rule *own =
        fl_arena_take(arena, count * sizeof(*own) + prices * sizeof(uint64_t));
    if (!own) {
        return false;
    }
    uint64_t *at = (uint64_t *)(void *)(own + count);
    for (unsigned i = 0; i < count; i++) {
        unsigned n = (unsigned)__builtin_popcount(rules[i].classes);
        own[i] = rules[i];
        own[i].prices = at;
        if (n > 0) {
            memcpy(at, rules[i].prices, n * sizeof(*at));
        }
        at += n;
    }
    model->rules = own;
    model->rule_count = count;
    return true;
}

enum fl_err fl_catalog_draft_model(struct fl_catalog_draft *d, const struct fl_model *model,
                                   const struct fl_price_rule *rules, unsigned rule_count)
{
    void *models = d->models, *providers = d->providers;
    fl_assert(d->provider != FL_NONE);
    fl_assert(model->id.len > 0);
    if (d->count == MODELS_MAX || rule_count > RULES_MAX) {
        return FL_ERR_TOO_BIG;
    }
    bool ok = grow(&models, &d->cap, d->count, sizeof(*d->models), MODELS_MAX);
    d->models = models;
    ok = ok && grow(&providers, &d->providers_cap, d->count, sizeof(*d->providers), MODELS_MAX);
    d->providers = providers;
    if (!ok) {
        return FL_ERR_NOMEM;
    }
    struct fl_model *own = &d->models[d->count];
    *own = *model;
    own->rules = NULL;
    own->rule_count = 0;
    if (!copy_rules(&d->catalog->arena, own, rules, rule_count)) {
        return FL_ERR_NOMEM;
    }
    d->mixed = d->mixed || (d->count > 0 && d->provider < d->providers[d->count - 1]);
    d->providers[d->count++] = d->provider;
    return FL_OK;
}

/* --- Finishing --- */

static bool count_models(struct fl_catalog_draft *d)
{
    struct fl_catalog *c = d->catalog;
    c->first_model = calloc((size_t)c->provider_count + 1, sizeof(*c->first_model));
    for (unsigned i = 0; c->first_model && i < d->count; i++) {
        c->first_model[d->providers[i] + 1]++;
    }
    for (unsigned p = 0; c->first_model && p < c->provider_count; p++) {
        c->first_model[p + 1] += c->first_model[p];
    }
    return c->first_model != NULL;
}

/* The models by provider, in the order of their rows. */
static bool sort_models(struct fl_catalog_draft *d)
{
    struct fl_catalog *c = d->catalog;
    struct fl_model *from = d->models;
    if (!count_models(d)) {
        return false;
    }
    c->model_count = d->count;
    if (d->mixed) {
        c->models = malloc(((size_t)d->count + 1) * sizeof(*c->models));
        if (!c->models) {
            return false;
        }
    } else {
        c->models = from;
        d->models = NULL;
    }
    for (unsigned i = 0; i < d->count; i++) {
        struct fl_catalog_provider *provider = &c->providers[d->providers[i]];
        unsigned to = c->first_model[d->providers[i]] + provider->model_count++;
        if (d->mixed) {
            c->models[to] = from[i];
        }
        c->models[to].provider = provider;
    }
    return true;
}

struct fl_catalog *fl_catalog_draft_finish(struct fl_catalog_draft *d)
{
    struct fl_catalog *c = d->catalog;
    bool ok = sort_models(d) && fl_catalog_index(c) && !c->arena.failed;
    free(d->models);
    free(d->providers);
    free(d);
    if (!ok) {
        fl_catalog_unref(c);
        return NULL;
    }
    return c;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A catalogue being built: rows in the order of their files. finish() drops those that were
 * replaced, sorts the rest by provider and makes the indexes.
 */
#include "base/assert.h"
#include "route/catalog/internal.h"

#include <stdlib.h>

#define ARENA_CHUNK_BYTES ((size_t)64 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)
enum { PROVIDERS_MAX = 10000, MODELS_MAX = 200000, RULES_MAX = 64 };

struct row {
    struct fl_model model;
    uint32_t provider;
    bool replaced;
};

struct fl_catalog_draft {
    struct fl_catalog *catalog; /* its arena and providers */
    unsigned provider_cap;
    uint32_t provider; /* of the models that come */
    struct row *rows;
    unsigned count, cap;
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
        d->rows = malloc(model_hint * sizeof(*d->rows));
        d->cap = d->rows ? model_hint : 0;
    }
    return d;
}

void fl_catalog_draft_destroy(struct fl_catalog_draft *d)
{
    if (d) {
        fl_catalog_unref(d->catalog);
        free(d->rows);
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
    void *items = d->rows;
    fl_assert(d->provider != FL_NONE);
    fl_assert(model->id.len > 0);
    if (d->count == MODELS_MAX || rule_count > RULES_MAX) {
        return FL_ERR_TOO_BIG;
    }
    if (!grow(&items, &d->cap, d->count, sizeof(*d->rows), MODELS_MAX)) {
        return FL_ERR_NOMEM;
    }
    d->rows = items;
    struct row *row = &d->rows[d->count];
    *row = (struct row){.model = *model, .provider = d->provider};
    row->model.rules = NULL;
    row->model.rule_count = 0;
    if (!copy_rules(&d->catalog->arena, &row->model, rules, rule_count)) {
        return FL_ERR_NOMEM;
    }
    d->count++;
    return FL_OK;
}

/* --- Finishing --- */

/* Marks rows whose provider and id come again later. */
static bool mark_replaced(struct fl_catalog_draft *d)
{
    struct fl_index seen;
    if (!fl_index_init(&seen, d->count)) {
        return false;
    }
    for (unsigned i = d->count; i > 0; i--) {
        struct row *row = &d->rows[i - 1];
        uint32_t hash = fl_name_hash(row->provider, row->model.id), at = hash & seen.mask;
        while (seen.slots[at].model != FL_NONE && !row->replaced) {
            const struct row *other = &d->rows[seen.slots[at].model];
            row->replaced = seen.slots[at].hash == hash && other->provider == row->provider &&
                            fl_name_eq(other->model.id, row->model.id);
            at = (at + 1) & seen.mask;
        }
        if (!row->replaced) {
            seen.slots[at] = (struct fl_slot){hash, i - 1};
        }
    }
    fl_index_finish(&seen);
    return true;
}

static bool sort_models(struct fl_catalog_draft *d)
{
    struct fl_catalog *c = d->catalog;
    c->first_model = calloc((size_t)c->provider_count + 1, sizeof(*c->first_model));
    c->models = malloc(((size_t)d->count + 1) * sizeof(*c->models));
    if (!c->first_model || !c->models) {
        return false;
    }
    for (unsigned i = 0; i < d->count; i++) {
        c->providers[d->rows[i].provider].model_count += !d->rows[i].replaced;
    }
    for (unsigned p = 0; p < c->provider_count; p++) {
        c->first_model[p + 1] = c->first_model[p] + c->providers[p].model_count;
        c->providers[p].model_count = 0;
    }
    for (unsigned i = 0; i < d->count; i++) {
        struct fl_catalog_provider *provider = &c->providers[d->rows[i].provider];
        if (!d->rows[i].replaced) {
            struct fl_model *m =
                &c->models[c->first_model[d->rows[i].provider] + provider->model_count++];
            *m = d->rows[i].model;
            m->provider = provider;
            c->model_count++;
        }
    }
    return true;
}

struct fl_catalog *fl_catalog_draft_finish(struct fl_catalog_draft *d)
{
    struct fl_catalog *c = d->catalog;
    bool ok = mark_replaced(d) && sort_models(d) && fl_catalog_index(c) && !c->arena.failed;
    free(d->rows);
    free(d);
    if (!ok) {
        fl_catalog_unref(c);
        return NULL;
    }
    return c;
}

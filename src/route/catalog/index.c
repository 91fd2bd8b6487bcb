/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue's indexes. exact: (provider, id or name) -> model. bare: bare name -> chain of all
 * models that have it, whoever sells them; the chain also gives each of them its tier.
 */
#include "route/catalog/internal.h"

#include <stdlib.h>

/* Eight letters in lower case at once: 0x80 in each byte from 'A' to 'Z', shifted to 0x20. */
static uint64_t lower8(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & ones * 0x7f;
    uint64_t from_a = low + ones * (0x80 - 'A'), beyond_z = low + ones * (0x7f - 'Z');
    return word | ((from_a ^ beyond_z) & ~word & ones * 0x80) >> 2;
}

uint32_t fl_name_hash(uint32_t provider, struct fl_slice name)
{
    const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = prime ^ ((uint64_t)provider << 32 | (uint32_t)name.len);
    for (size_t i = 0; i < name.len; i += 8) {
        uint64_t word = 0;
        size_t n = name.len - i < 8 ? name.len - i : 8;
        memcpy(&word, name.ptr + i, n);
        hash = (hash ^ lower8(word)) * prime;
        hash ^= hash >> 32;
    }
    return (uint32_t)(hash ^ hash >> 29);
}

bool fl_index_init(struct fl_index *index, size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count) {
        slots *= 2;
    }
    index->mask = (uint32_t)slots - 1;
    index->slots = malloc(slots * sizeof(*index->slots));
    for (size_t i = 0; index->slots && i < slots; i++) {
        index->slots[i] = (struct fl_slot){0, FL_NONE};
    }
    return index->slots != NULL;
}

void fl_index_finish(struct fl_index *index)
{
    free(index->slots);
    *index = (struct fl_index){NULL, 0};
}

static uint32_t provider_of(const struct fl_catalog *c, const struct fl_model *m)
{
    return (uint32_t)(m->provider - c->providers);
}

/* --- Exact names --- */

static bool has_name(const struct fl_model *m, struct fl_slice name)
{
    struct fl_slice names = m->names, one;
    if (fl_name_eq(m->id, name)) {
        return true;
    }
    while (fl_names_next(&names, &one)) {
        if (fl_name_eq(one, name)) {
            return true;
        }
    }
    return false;
}

/* The slot of (provider, name), or the free one where it belongs. */
static struct fl_slot *exact_slot(const struct fl_catalog *c, uint32_t provider,
                                  struct fl_slice name, uint32_t hash)
{
    for (uint32_t at = hash & c->exact.mask;; at = (at + 1) & c->exact.mask) {
        struct fl_slot *slot = &c->exact.slots[at];
        if (slot->model == FL_NONE ||
            (slot->hash == hash && provider_of(c, &c->models[slot->model]) == provider &&
             has_name(&c->models[slot->model], name))) {
            return slot;
        }
    }
}

/* The first model of a name keeps it. */
static void add_exact(struct fl_catalog *c, uint32_t model, struct fl_slice name)
{
    uint32_t provider = provider_of(c, &c->models[model]), hash = fl_name_hash(provider, name);
    struct fl_slot *slot = exact_slot(c, provider, name, hash);
    if (slot->model == FL_NONE) {
        *slot = (struct fl_slot){hash, model};
    }
}

/* Ids only, the last row of an id first. *ret_dead gets a mark for each row that a later one
 * replaces; returns how many. */
static unsigned add_ids(struct fl_catalog *c, bool *ret_dead)
{
    unsigned dead = 0;
    for (uint32_t i = c->model_count; i > 0; i--) {
        struct fl_slice id = c->models[i - 1].id;
        uint32_t provider = provider_of(c, &c->models[i - 1]), hash = fl_name_hash(provider, id);
        uint32_t at = hash & c->exact.mask;
        bool replaced = false;
        for (; c->exact.slots[at].model != FL_NONE && !replaced; at = (at + 1) & c->exact.mask) {
            const struct fl_model *other = &c->models[c->exact.slots[at].model];
            replaced = c->exact.slots[at].hash == hash && provider_of(c, other) == provider &&
                       fl_name_eq(other->id, id);
        }
        ret_dead[i - 1] = replaced;
        dead += replaced;
        if (!replaced) {
            c->exact.slots[at] = (struct fl_slot){hash, i - 1};
        }
    }
    return dead;
}

/* Removes the dead rows. */
static void compact(struct fl_catalog *c, const bool *dead)
{
    uint32_t to = 0;
    for (unsigned p = 0; p < c->provider_count; p++) {
        uint32_t first = to;
        for (uint32_t i = c->first_model[p]; i < c->first_model[p + 1]; i++) {
            if (!dead[i]) {
                c->models[to++] = c->models[i];
            }
        }
        c->first_model[p] = first;
        c->providers[p].model_count = to - first;
    }
    c->first_model[c->provider_count] = to;
    c->model_count = to;
}

static bool index_ids(struct fl_catalog *c, size_t names)
{
    bool *dead = malloc((size_t)c->model_count + 1);
    bool ok = dead && fl_index_init(&c->exact, names);
    if (ok && add_ids(c, dead) > 0) {
        compact(c, dead);
        fl_index_finish(&c->exact);
        ok = fl_index_init(&c->exact, names);
        if (ok) {
            (void)add_ids(c, dead);
        }
    }
    free(dead);
    return ok;
}

static size_t count_names(const struct fl_catalog *c, size_t *ret_patterned)
{
    size_t count = c->model_count, patterned = 0;
    for (unsigned i = 0; i < c->model_count; i++) {
        struct fl_slice names = c->models[i].names, one;
        bool has_pattern = false;
        while (fl_names_next(&names, &one)) {
            has_pattern = has_pattern || fl_name_is_pattern(one);
            count++;
        }
        patterned += has_pattern;
    }
    *ret_patterned = patterned;
    return count;
}

static bool index_exact(struct fl_catalog *c, size_t *ret_names)
{
    size_t patterned = 0, used = 0, count = count_names(c, &patterned);
    *ret_names = count;
    c->patterns = malloc((patterned + 1) * sizeof(*c->patterns));
    c->first_pattern = calloc((size_t)c->provider_count + 1, sizeof(*c->first_pattern));
    if (!c->patterns || !c->first_pattern || !index_ids(c, count)) {
        return false; /* ids come before other models' names */
    }
    for (uint32_t i = 0; i < c->model_count; i++) {
        struct fl_slice names = c->models[i].names, one;
        bool has_pattern = false;
        while (fl_names_next(&names, &one)) {
            if (fl_name_is_pattern(one)) {
                has_pattern = true;
            } else {
                add_exact(c, i, one);
            }
        }
        if (has_pattern) {
            c->patterns[used++] = i;
            c->first_pattern[provider_of(c, &c->models[i]) + 1]++;
        }
    }
    for (unsigned p = 0; p < c->provider_count; p++) {
        c->first_pattern[p + 1] += c->first_pattern[p];
    }
    return true;
}

/* --- Bare names --- */

static bool has_bare(const struct fl_model *m, struct fl_slice bare)
{
    char memory[FL_BARE_MAX];
    struct fl_slice names = m->names, one;
    if (fl_slice_eq(bare, fl_model_bare_name(m->id, memory))) {
        return true;
    }
    while (fl_names_next(&names, &one)) {
        if (!fl_name_is_pattern(one) && fl_slice_eq(bare, fl_model_bare_name(one, memory))) {
            return true;
        }
    }
    return false;
}

static struct fl_slot *bare_slot(const struct fl_catalog *c, struct fl_slice bare, uint32_t hash)
{
    for (uint32_t at = hash & c->bare.mask;; at = (at + 1) & c->bare.mask) {
        struct fl_slot *slot = &c->bare.slots[at];
        if (slot->model == FL_NONE ||
            (slot->hash == hash && has_bare(&c->models[slot->model], bare))) {
            return slot;
        }
    }
}

static bool index_bare(struct fl_catalog *c, size_t names)
{
    c->next_bare = malloc(((size_t)c->model_count + 1) * sizeof(*c->next_bare));
    c->anyone = malloc(((size_t)c->model_count + 1) * sizeof(*c->anyone));
    if (!fl_index_init(&c->bare, names) || !c->next_bare || !c->anyone) {
        return false;
    }
    for (uint32_t i = c->model_count; i > 0;
         i--) { /* so that chains run in the order of the rows */
        char memory[FL_BARE_MAX];
        struct fl_slice bare = fl_model_bare_name(c->models[i - 1].id, memory);
        uint32_t hash = fl_name_hash(0, bare);
        struct fl_slot *slot = bare_slot(c, bare, hash);
        struct fl_model *m = &c->models[i - 1];
        c->next_bare[i - 1] = slot->model;
        if (!m->family) {
            m->family =
                slot->model == FL_NONE ? fl_family_of_bare(bare) : c->models[slot->model].family;
        }
        *slot = (struct fl_slot){hash, i - 1};
    }
    return true;
}

/* Further names lead to the chain of their model, where no id has such a bare name. */
static void add_bare_names(struct fl_catalog *c)
{
    for (uint32_t i = 0; i < c->model_count; i++) {
        struct fl_slice names = c->models[i].names, one;
        while (fl_names_next(&names, &one)) {
            char memory[FL_BARE_MAX];
            struct fl_slice bare = fl_model_bare_name(one, memory);
            uint32_t hash = fl_name_hash(0, bare);
            struct fl_slot *slot = fl_name_is_pattern(one) ? NULL : bare_slot(c, bare, hash);
            if (slot && slot->model == FL_NONE) {
                *slot = (struct fl_slot){hash, i};
            }
        }
    }
}

/* --- Who speaks for a bare name, and its tier --- */

uint64_t fl_model_blended(const struct fl_model *model)
{
    uint64_t price = 0;
    (void)fl_price_blended(model->rule_count > 0 ? &model->rules[0] : NULL, &price);
    return price;
}

enum fl_model_tier fl_model_tier_by_price(uint64_t picousd, int32_t released_day, int32_t today)
{
    const uint64_t high = 3000000, medium = 500000;
    enum { TWO_YEARS = 730 };
    bool old = released_day != FL_DAY_UNKNOWN && today != FL_DAY_UNKNOWN &&
               (int64_t)today - released_day > TWO_YEARS;
    if (picousd == 0) {
        return FL_MODEL_TIER_NONE;
    }
    if (picousd >= high) {
        return old ? FL_MODEL_MEDIUM : FL_MODEL_HIGH;
    }
    return picousd >= medium && !old ? FL_MODEL_MEDIUM : FL_MODEL_LOW;
}

static bool sold_by_maker(const struct fl_model *m)
{
    return fl_slice_eq(m->provider->vendor, fl_slice_cstr(m->family->maker));
}

struct offer {
    uint64_t picousd;
    uint32_t model;
};

static int by_price(const void *a, const void *b)
{
    const struct offer *x = a, *y = b;
    if (x->picousd != y->picousd) {
        return x->picousd < y->picousd ? -1 : 1;
    }
    return x->model < y->model ? -1 : x->model > y->model;
}

/* The maker's own (the first that has a price, else the first), else the median of those with one,
 * else the head. */
static uint32_t speaker(const struct fl_catalog *c, uint32_t head)
{
    enum { OFFERS_MAX = 64 };
    struct offer offers[OFFERS_MAX];
    unsigned count = 0;
    uint32_t own = FL_NONE;
    for (uint32_t i = head; i != FL_NONE; i = c->next_bare[i]) {
        uint64_t picousd = fl_model_blended(&c->models[i]);
        if (sold_by_maker(&c->models[i])) {
            if (picousd > 0) {
                return i;
            }
            own = own == FL_NONE ? i : own;
        }
        if (picousd > 0 && count < OFFERS_MAX) {
            offers[count++] = (struct offer){picousd, i};
        }
    }
    if (count == 0) {
        return own == FL_NONE ? head : own;
    }
    qsort(offers, count, sizeof(*offers), by_price);
    return offers[(count - 1) / 2].model;
}

/* The earliest day that any row of the chain knows: resellers list a model when they add it. */
static int32_t released(const struct fl_catalog *c, uint32_t head)
{
    int32_t day = FL_DAY_UNKNOWN;
    for (uint32_t i = head; i != FL_NONE; i = c->next_bare[i]) {
        int32_t one = c->models[i].released_day;
        day = one != FL_DAY_UNKNOWN && (day == FL_DAY_UNKNOWN || one < day) ? one : day;
    }
    return day;
}

static void rate(struct fl_catalog *c, uint32_t head)
{
    uint32_t anyone = speaker(c, head);
    enum fl_model_tier tier =
        fl_model_tier_by_price(fl_model_blended(&c->models[anyone]), released(c, head), c->day);
    for (uint32_t i = head; i != FL_NONE; i = c->next_bare[i]) {
        c->anyone[i] = anyone;
        if (!c->models[i].tier_given) {
            c->models[i].tier = (uint8_t)tier;
        }
    }
}

bool fl_catalog_index(struct fl_catalog *c)
{
    size_t names = 0;
    if (!index_exact(c, &names) || !index_bare(c, names)) {
        return false;
    }
    for (uint32_t at = 0; at <= c->bare.mask; at++) {
        if (c->bare.slots[at].model != FL_NONE) {
            rate(c, c->bare.slots[at].model);
        }
    }
    add_bare_names(c);
    return true;
}

/* --- Finding --- */

static const struct fl_model *find_exact(const struct fl_catalog *c, uint32_t provider,
                                         struct fl_slice name)
{
    uint32_t model = exact_slot(c, provider, name, fl_name_hash(provider, name))->model;
    return model == FL_NONE ? NULL : &c->models[model];
}

static const struct fl_model *find_pattern(const struct fl_catalog *c, uint32_t provider,
                                           struct fl_slice name)
{
    for (uint32_t i = c->first_pattern[provider]; i < c->first_pattern[provider + 1]; i++) {
        if (fl_names_match(c->models[c->patterns[i]].names, name)) {
            return &c->models[c->patterns[i]];
        }
    }
    return NULL;
}

static uint32_t find_bare(const struct fl_catalog *c, struct fl_slice name)
{
    char memory[FL_BARE_MAX];
    struct fl_slice bare = fl_model_bare_name(name, memory);
    return bare.len > 0 ? bare_slot(c, bare, fl_name_hash(0, bare))->model : FL_NONE;
}

static const struct fl_model *find_own(const struct fl_catalog *c, uint32_t provider,
                                       struct fl_slice name, enum fl_model_match *ret_match)
{
    const struct fl_model *m = find_exact(c, provider, name);
    *ret_match = FL_MATCH_EXACT;
    if (!m) {
        m = find_pattern(c, provider, name);
        *ret_match = FL_MATCH_PATTERN;
    }
    for (uint32_t i = m ? FL_NONE : find_bare(c, name); !m && i != FL_NONE; i = c->next_bare[i]) {
        m = provider_of(c, &c->models[i]) == provider ? &c->models[i] : NULL;
        *ret_match = FL_MATCH_BARE;
    }
    return m;
}

const struct fl_model *fl_catalog_find_at(const struct fl_catalog *c,
                                          const struct fl_catalog_provider *provider,
                                          struct fl_slice name, enum fl_model_match *ret_match)
{
    enum fl_model_match match = FL_MATCH_NONE;
    const struct fl_model *m = find_own(c, (uint32_t)(provider - c->providers), name, &match);
    struct fl_slice rest = provider->fallbacks, one;
    while (!m && fl_names_next(&rest, &one)) {
        const struct fl_catalog_provider *next = fl_catalog_find_provider(c, one);
        m = next ? find_own(c, (uint32_t)(next - c->providers), name, &match) : NULL;
        match = FL_MATCH_FALLBACK;
    }
    if (ret_match) {
        *ret_match = m ? match : FL_MATCH_NONE;
    }
    return m;
}

const struct fl_model *fl_catalog_find(const struct fl_catalog *c, struct fl_slice provider,
                                       struct fl_slice name, enum fl_model_match *ret_match)
{
    const struct fl_catalog_provider *p = fl_catalog_find_provider(c, provider);
    if (ret_match) {
        *ret_match = FL_MATCH_NONE;
    }
    return p ? fl_catalog_find_at(c, p, name, ret_match) : NULL;
}

const struct fl_model *fl_catalog_find_any(const struct fl_catalog *c, struct fl_slice name)
{
    uint32_t head = find_bare(c, name);
    return head == FL_NONE ? NULL : &c->models[c->anyone[head]];
}

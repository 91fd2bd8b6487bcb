/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "lib/internal.h"
#include "route/catalog/price.h"
#include "route/facts.h"

#include <stdlib.h>

struct build {
    const struct fairlead_setup *setup;
    struct fl_registry *registry;
    struct fl_lib_snapshot *s;
    struct fl_lib_text *error;
    int status;
};

static bool given(const struct fl_lib_target *t, enum fl_lib_target_key key)
{
    return t->given >> key & 1;
}

/* Noon of the catalogue's day: prices in force then are today's. */
static int64_t today_s(const struct fl_catalog *c)
{
    enum { s_per_day = 86400 };
    int32_t day = fl_catalog_day(c);
    return day == FL_DAY_UNKNOWN ? 0 : (int64_t)day * s_per_day + s_per_day / 2;
}

/* --- Facts of one target --- */

/* One rule that always holds: the prices in force with the caller's over them. NULL: no memory. */
static struct fl_price_rule *lay_prices(struct build *b, const struct fl_lib_target *t)
{
    static const struct {
        enum fl_lib_target_key key;
        enum fl_price_class price;
    } rows[] = {{FL_LIB_INPUT, FL_PRICE_IN},
                {FL_LIB_OUTPUT, FL_PRICE_OUT},
                {FL_LIB_CACHED, FL_PRICE_CACHED}};
    uint64_t all[FL_PRICE_CLASS_COUNT] = {0};
    struct fl_price_rule *rule = fl_arena_zero(&b->s->arena, sizeof(*rule) + sizeof(all));
    const struct fl_price_rule *now =
        t->own ? fl_price_rule(t->known, 1, today_s(b->s->catalog)) : NULL;
    if (!rule) {
        return NULL;
    }
    for (unsigned c = 0; now && c < FL_PRICE_CLASS_COUNT; c++) {
        rule->classes |= fl_price_get(now, (enum fl_price_class)c, &all[c]) ? 1u << c : 0;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (given(t, rows[i].key)) {
            all[rows[i].price] = (uint64_t)(t->number[rows[i].key] * 1e6 + 0.5);
            rule->classes |= 1u << rows[i].price;
        }
    }
    uint64_t *kept = (uint64_t *)(void *)(rule + 1);
    rule->prices = kept;
    rule->from_day = FL_DAY_ALWAYS;
    for (uint32_t left = rule->classes; left != 0; left &= left - 1) {
        *kept++ = all[__builtin_ctz(left)];
    }
    return rule;
}

static bool is_priced_by_caller(const struct fl_lib_target *t)
{
    return given(t, FL_LIB_INPUT) || given(t, FL_LIB_OUTPUT) || given(t, FL_LIB_CACHED);
}

/* The model of a target that the catalogue's row alone does not describe. */
static const struct fl_model *own_model(struct build *b, const struct fl_lib_target *t,
                                        struct fl_slice model)
{
    struct fl_model *m = fl_arena_zero(&b->s->arena, sizeof(*m));
    if (!m) {
        return NULL;
    }
    if (t->known) {
        *m = *t->known;
    } else {
        m->released_day = m->retired_day = FL_DAY_UNKNOWN;
        m->family = fl_family_of(model);
    }
    m->id = model;
    if (!t->own) { /* somebody else's: a fact stays one, a price and a retirement do not */
        m->provider = NULL;
        m->names = m->successor = FL_EMPTY;
        m->status = FL_MODEL_ACTIVE;
        m->retired_day = FL_DAY_UNKNOWN;
        m->rules = NULL;
        m->rule_count = 0;
        memset(m->service_permille, 0, sizeof(m->service_permille));
    }
    if (is_priced_by_caller(t)) {
        m->rules = lay_prices(b, t);
        m->rule_count = m->rules ? 1 : 0;
    }
    if (m->tier == FL_MODEL_TIER_NONE) {
        m->tier = (uint8_t)fl_model_tier_by_price(fl_model_blended(m), m->released_day,
                                                  fl_catalog_day(b->s->catalog));
    }
    return m;
}

static void put_given(const struct fl_lib_target *t, struct fl_target *target)
{
    target->context_tokens =
        given(t, FL_LIB_CONTEXT) ? (uint32_t)t->number[FL_LIB_CONTEXT] : target->context_tokens;
    target->output_tokens =
        given(t, FL_LIB_LONGEST) ? (uint32_t)t->number[FL_LIB_LONGEST] : target->output_tokens;
    target->tier = t->tier != FL_TIER_UNKNOWN ? t->tier : target->tier;
    target->lacks = t->lacks_given ? t->lacks : target->lacks;
    target->weight = t->number[FL_LIB_WEIGHT];
    target->cost_multiplier = t->number[FL_LIB_MULTIPLIER];
    target->performance_bonus = t->number[FL_LIB_BONUS];
    target->disabled = t->number[FL_LIB_DISABLED] > 0;
}

static void build_target(struct build *b, const struct fl_lib_target *t, struct fl_target *target)
{
    const uint32_t both = 1u << FL_PRICE_IN | 1u << FL_PRICE_OUT;
    *target = (struct fl_target){.id = fl_arena_copy(&b->s->arena, t->id)};
    size_t slash = fl_slice_find(target->id, '/');
    target->provider = fl_slice_first(target->id, slash);
    target->model = fl_slice_from(target->id, slash + 1);
    target->state = fl_registry_target(b->registry, t->id);
    b->s->arena.failed = b->s->arena.failed || !target->state;
    target->model_facts = t->known;
    if (is_priced_by_caller(t) || (t->known && !t->own)) {
        target->model_facts = own_model(b, t, target->model);
    }
    fl_target_put_facts(target, today_s(b->s->catalog));
    put_given(t, target);
    if (is_priced_by_caller(t) && !b->s->arena.failed && !b->status &&
        (target->model_facts->rules[0].classes & both) != both) {
        fl_lib_sentence(b->error, "The target '", target->id.ptr,
                        "' needs both input_usd and output_usd: the catalogue does not know its "
                        "price.");
        b->status = FAIRLEAD_INVALID;
    }
}

static void number_providers(struct fl_target *targets, unsigned count)
{
    unsigned providers = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned j = 0;
        while (!fl_slice_eq(targets[j].provider, targets[i].provider)) {
            j++;
        }
        targets[i].provider_index = j < i ? targets[j].provider_index : providers++;
    }
}

/* --- Routes --- */

static const unsigned *copy_lists(struct build *b, const struct fl_lib_list *first,
                                  const struct fl_lib_list *second)
{
    unsigned count = first->count + second->count;
    unsigned *items = fl_arena_take(&b->s->arena, (count + 1) * sizeof(*items));
    for (unsigned i = 0; items && i < count; i++) {
        items[i] = i < first->count ? first->items[i] : second->items[i - first->count];
    }
    return items;
}

static void build_route(struct build *b, const struct fl_lib_route *r, struct fl_route *route)
{
    static const struct fl_lib_list none = {NULL, 0, 0};
    *route = (struct fl_route){
        .name = fl_arena_copy(&b->s->arena, r->name),
        .strategy = r->selection.strategy,
        .algorithm = r->selection.algorithm,
        .targets = copy_lists(b, &r->primaries, &r->fallbacks),
        .primary_count = r->primaries.count,
        .target_count = r->primaries.count + r->fallbacks.count,
        .listed = true,
        .tier = r->tier,
        .max_cost_picousd = (uint64_t)(r->max_cost_usd * 1e12 + 0.5),
        .state = fl_registry_route(b->registry, r->name),
    };
    b->s->arena.failed = b->s->arena.failed || !route->state;
    for (unsigned task = 0; task < FL_TASK_COUNT; task++) {
        route->preferred[task] = copy_lists(b, &r->preferred[task], &none);
        route->preferred_count[task] = r->preferred[task].count;
    }
    if (r->primaries.count == 0 && !b->status) {
        fl_lib_sentence(b->error, "The route '", r->name.ptr,
                        "' has no target that is not a fallback.");
        b->status = FAIRLEAD_INVALID;
    }
}

static int compare_routes(const void *left, const void *right)
{
    const struct fl_route *a = left, *b = right;
    return fl_slice_cmp(a->name, b->name);
}

/* --- The whole --- */

static void build_table(struct build *b)
{
    const struct fairlead_setup *setup = b->setup;
    unsigned target_count = setup->target_count, route_count = setup->route_count;
    struct fl_arena *arena = &b->s->arena;
    struct fl_target *targets = fl_arena_zero(arena, (target_count + 1) * sizeof(*targets));
    struct fl_route *routes = fl_arena_zero(arena, (route_count + 1) * sizeof(*routes));
    uint64_t *scratch = fl_arena_zero(arena, (target_count + 1) * sizeof(*scratch));
    if (!targets || !routes || !scratch) {
        return;
    }
    for (unsigned i = 0; i < target_count; i++) {
        build_target(b, &setup->targets[i], &targets[i]);
    }
    for (unsigned i = 0; i < route_count; i++) {
        build_route(b, &setup->routes[i], &routes[i]);
    }
    if (arena->failed) {
        return;
    }
    fl_targets_number_kinds(targets, target_count, scratch);
    number_providers(targets, target_count);
    qsort(routes, route_count, sizeof(*routes), compare_routes);
    b->s->table = (struct fl_table){.settings = setup->settings,
                                    .health = setup->health,
                                    .targets = targets,
                                    .target_count = target_count,
                                    .routes = routes,
                                    .route_count = route_count};
}

struct fl_lib_snapshot *fl_lib_snapshot_create(const struct fairlead_setup *setup,
                                               struct fl_registry *registry, int *ret_status,
                                               struct fl_lib_text *error)
{
    struct fl_lib_snapshot *s = calloc(1, sizeof(*s));
    struct build b = {setup, registry, s, error, FAIRLEAD_OK};
    if (s) {
        atomic_init(&s->refs, 1);
        fl_arena_init(&s->arena, 16384, (size_t)64 << 20);
        s->catalog = fl_catalog_ref(setup->catalog);
        build_table(&b);
    }
    if (!s || s->arena.failed) {
        fl_lib_sentence(error, "Out of memory.");
        b.status = FAIRLEAD_NO_MEMORY;
    }
    *ret_status = b.status;
    if (b.status) {
        fl_lib_snapshot_unref(s);
        return NULL;
    }
    return s;
}

void fl_lib_snapshot_unref(struct fl_lib_snapshot *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        fl_arena_finish(&s->arena);
        fl_catalog_unref(s->catalog);
        free(s);
    }
}

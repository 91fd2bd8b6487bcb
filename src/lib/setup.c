/* SPDX-License-Identifier: Apache-2.0 */
#include "config/catalog_file.h"
#include "lib/internal.h"

#include <stdlib.h>

enum setup_key { EJECT, RECOVER, EJECTION, WAIT, HISTORY, TIER_DOWN, OVER_BUDGET, SETUP_KEYS };

static const struct fl_lib_key setup_keys[SETUP_KEYS] = {
    [EJECT] = {"failures_to_eject", 1, 1000, true},
    [RECOVER] = {"successes_to_recover", 1, 1000, true},
    [EJECTION] = {"ejection_seconds", 1, 300, false},
    [WAIT] = {"wait_usd_per_second", 0.000001, 1000, false},
    [HISTORY] = {"history_size", 5, 1000000, true},
    [TIER_DOWN] = {"tier_down_allowed", 0, 1, true},
    [OVER_BUDGET] = {"over_budget_allowed", 0, 1, true},
};

static const struct fl_lib_key target_keys[FL_LIB_TARGET_KEYS] = {
    [FL_LIB_WEIGHT] = {"weight", 0.001, 1000, false},
    [FL_LIB_MULTIPLIER] = {"cost_multiplier", 0.001, 1000, false},
    [FL_LIB_BONUS] = {"performance_bonus", -1, 1, false},
    [FL_LIB_INPUT] = {"input_usd", 0, 1000000, false},
    [FL_LIB_OUTPUT] = {"output_usd", 0, 1000000, false},
    [FL_LIB_CACHED] = {"cached_usd", 0, 1000000, false},
    [FL_LIB_CONTEXT] = {"context_tokens", 0, 2147483648.0, true},
    [FL_LIB_LONGEST] = {"output_tokens", 0, 2147483648.0, true},
    [FL_LIB_DISABLED] = {"disabled", 0, 1, true},
};

static const struct fl_lib_key route_keys[] = {{"max_cost_usd", 0, 9000, false}};

#define NS_PER_S UINT64_C(1000000000)

int fairlead_setup_create(struct fairlead_setup **setup)
{
    struct fl_reterr reterr;
    if (!setup) {
        return FAIRLEAD_INVALID;
    }
    *setup = NULL;
    struct fairlead_setup *s = calloc(1, sizeof(*s));
    if (!s) {
        return FAIRLEAD_NO_MEMORY;
    }
    fl_arena_init(&s->arena, 4096, (size_t)16 << 20);
    s->health = (struct fl_health_policy){3, 3, 30 * NS_PER_S, 0};
    s->catalog = fl_catalog_load(FL_EMPTY, &reterr);
    if (!s->catalog) {
        fairlead_setup_destroy(s);
        return FAIRLEAD_NO_MEMORY;
    }
    *setup = s;
    return FAIRLEAD_OK;
}

void fairlead_setup_destroy(struct fairlead_setup *setup)
{
    for (unsigned i = 0; setup && i < setup->route_count; i++) {
        free(setup->routes[i].primaries.items);
        free(setup->routes[i].fallbacks.items);
        for (unsigned task = 0; task < FL_TASK_COUNT; task++) {
            free(setup->routes[i].preferred[task].items);
        }
    }
    if (setup) {
        free(setup->routes);
        free(setup->targets);
        fl_arena_finish(&setup->arena);
        fl_catalog_unref(setup->catalog);
    }
    free(setup);
}

const char *fairlead_setup_error(const struct fairlead_setup *setup)
{
    return setup ? setup->error.text : NULL;
}

/* --- Saying what is wrong --- */

static int succeed(struct fairlead_setup *s)
{
    s->error.text[0] = '\0';
    return FAIRLEAD_OK;
}

static int no_memory(struct fairlead_setup *s)
{
    fl_lib_sentence(&s->error, "Out of memory.");
    return FAIRLEAD_NO_MEMORY;
}

static int null_argument(struct fairlead_setup *s)
{
    if (s) {
        fl_lib_sentence(&s->error, "An argument is NULL.");
    }
    return FAIRLEAD_INVALID;
}

static int out_of_range(struct fairlead_setup *s, const char *key)
{
    fl_lib_sentence(&s->error, "The value of '", key, "' is out of its range.");
    return FAIRLEAD_INVALID;
}

struct nearest {
    struct fl_slice wanted;
    const char *best; /* NULL: nothing is near */
    unsigned distance;
};

static struct nearest nearest_to(struct fl_slice wanted)
{
    return (struct nearest){wanted, NULL, wanted.len / 4 < 3 ? 3 + (unsigned)wanted.len / 4 : 6};
}

static void offer(struct nearest *n, const char *name)
{
    unsigned distance = fl_slice_distance(n->wanted, fl_slice_cstr(name), n->distance - 1);
    if (distance < n->distance && distance > 0) {
        n->best = name;
        n->distance = distance;
    }
}

static int unknown(struct fairlead_setup *s, const char *what, const struct nearest *n)
{
    char name[FL_LIB_NAME_MAX + 1];
    struct fl_slice wanted = fl_slice_first(n->wanted, sizeof(name) - 1);
    memcpy(name, wanted.ptr, wanted.len);
    name[wanted.len] = '\0';
    fl_lib_sentence(&s->error, "There is no ", what, " '", name, "'",
                    n->best ? "; did you mean '" : ".", n->best ? n->best : "",
                    n->best ? "'?" : "");
    return FAIRLEAD_UNKNOWN;
}

static int unknown_key(struct fairlead_setup *s, const char *key, const struct fl_lib_key *keys,
                       unsigned count)
{
    struct nearest n = nearest_to(fl_slice_cstr(key));
    for (unsigned i = 0; i < count && n.distance > 1; i++) {
        offer(&n, keys[i].name);
    }
    return unknown(s, "key", &n);
}

/* --- Finding --- */

static int find_target(struct fairlead_setup *s, struct fl_slice id, unsigned *ret_index)
{
    struct nearest n = nearest_to(id);
    for (unsigned i = 0; i < s->target_count; i++) {
        if (fl_slice_eq(s->targets[i].id, id)) {
            *ret_index = i;
            return FAIRLEAD_OK;
        }
    }
    for (unsigned i = 0; i < s->target_count && n.distance > 1; i++) {
        offer(&n, s->targets[i].id.ptr);
    }
    return unknown(s, "target", &n);
}

static int find_route(struct fairlead_setup *s, const char *name, struct fl_lib_route **ret_route)
{
    struct nearest n = nearest_to(fl_slice_cstr(name));
    for (unsigned i = 0; i < s->route_count; i++) {
        if (fl_slice_eq(s->routes[i].name, n.wanted)) {
            *ret_route = &s->routes[i];
            return FAIRLEAD_OK;
        }
    }
    for (unsigned i = 0; i < s->route_count && n.distance > 1; i++) {
        offer(&n, s->routes[i].name.ptr);
    }
    return unknown(s, "route", &n);
}

/* --- Targets --- */

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f || text[i] == ',') {
            return false;
        }
    }
    return len > 0 && len <= FL_LIB_NAME_MAX;
}

static void look_up(const struct fairlead_setup *s, struct fl_lib_target *target)
{
    size_t slash = fl_slice_find(target->id, '/');
    struct fl_slice model = fl_slice_from(target->id, slash + 1);
    target->known = NULL;
    const struct fl_catalog_provider *provider =
        fl_catalog_find_provider(s->catalog, fl_slice_first(target->id, slash));
    if (provider) {
        target->known = fl_catalog_find_at(s->catalog, provider, model, NULL);
    }
    target->own = target->known != NULL;
    if (!target->known) {
        target->known = fl_catalog_find_any(s->catalog, model);
    }
}

int fairlead_setup_catalog(struct fairlead_setup *setup, const char *text, size_t len)
{
    struct fl_reterr reterr = {0};
    if (!setup || !text) {
        return null_argument(setup);
    }
    struct fl_catalog *c = fl_catalog_load(fl_slice(text, len), &reterr);
    if (!c) {
        char line[12];
        struct fl_buf b;
        fl_buf_init_in(&b, line, sizeof(line));
        fl_buf_put_u64(&b, reterr.line);
        fl_buf_putc(&b, '\0');
        if (reterr.message[0] == '\0') {
            return no_memory(setup);
        }
        fl_lib_sentence(&setup->error, "Line ", line, " of the catalogue: ", reterr.message);
        return FAIRLEAD_INVALID;
    }
    fl_catalog_unref(setup->catalog);
    setup->catalog = c;
    for (unsigned i = 0; i < setup->target_count; i++) {
        look_up(setup, &setup->targets[i]);
    }
    return succeed(setup);
}

/* Room for one more of *size* bytes in an array that doubles. */
static void *grown(void *items, unsigned count, unsigned *io_cap, size_t size)
{
    if (count < *io_cap) {
        return items;
    }
    unsigned cap = *io_cap ? *io_cap * 2 : 8;
    void *more = realloc(items, cap * size);
    *io_cap = more ? cap : *io_cap;
    return more;
}

int fairlead_setup_target(struct fairlead_setup *setup, const char *target)
{
    if (!setup || !target) {
        return null_argument(setup);
    }
    struct fl_lib_target row = {.id = fl_slice_cstr(target),
                                .number = {[FL_LIB_WEIGHT] = 1, [FL_LIB_MULTIPLIER] = 1}};
    size_t slash = fl_slice_find(row.id, '/');
    if (!is_name(target) || slash == 0 || slash + 1 >= row.id.len) {
        fl_lib_sentence(&setup->error, "A target is named 'provider/model', in at most 250 visible "
                                       "characters without a comma.");
        return FAIRLEAD_INVALID;
    }
    for (unsigned i = 0; i < setup->target_count; i++) {
        if (fl_slice_eq(setup->targets[i].id, row.id)) {
            fl_lib_sentence(&setup->error, "There is a target '", target, "' already.");
            return FAIRLEAD_EXISTS;
        }
    }
    if (setup->target_count == FL_LIB_TARGETS_MAX) {
        fl_lib_sentence(&setup->error, "More than 4096 targets.");
        return FAIRLEAD_INVALID;
    }
    row.id = fl_arena_copy(&setup->arena, row.id);
    void *items = grown(setup->targets, setup->target_count, &setup->target_cap, sizeof(row));
    setup->targets = items ? items : setup->targets;
    if (!items || row.id.len == 0) {
        return no_memory(setup);
    }
    look_up(setup, &row);
    setup->targets[setup->target_count++] = row;
    return succeed(setup);
}

int fairlead_setup_target_number(struct fairlead_setup *setup, const char *target, const char *key,
                                 double value)
{
    unsigned index = 0;
    if (!setup || !target || !key) {
        return null_argument(setup);
    }
    int status = find_target(setup, fl_slice_cstr(target), &index);
    int row = fl_lib_key_find(target_keys, FL_LIB_TARGET_KEYS, key);
    if (status) {
        return status;
    }
    if (row < 0) {
        return unknown_key(setup, key, target_keys, FL_LIB_TARGET_KEYS);
    }
    if (!fl_lib_key_admits(&target_keys[row], value)) {
        return out_of_range(setup, key);
    }
    setup->targets[index].number[row] = value;
    setup->targets[index].given |= 1u << row;
    return succeed(setup);
}

/* "" takes a tier back. */
static int set_tier(struct fairlead_setup *s, const char *value, enum fl_tier *tier)
{
    enum fl_tier given = FL_TIER_UNKNOWN;
    if (value[0] != '\0' && !fl_tier_parse(fl_slice_cstr(value), &given)) {
        fl_lib_sentence(&s->error, "A tier is low, medium or high, not '", value, "'.");
        return FAIRLEAD_UNKNOWN;
    }
    *tier = given;
    return succeed(s);
}

int fairlead_setup_target_text(struct fairlead_setup *setup, const char *target, const char *key,
                               const char *value)
{
    static const struct fl_lib_key keys[] = {{.name = "tier"}, {.name = "lacks"}};
    unsigned index = 0;
    if (!setup || !target || !key || !value) {
        return null_argument(setup);
    }
    int status = find_target(setup, fl_slice_cstr(target), &index);
    if (status) {
        return status;
    }
    struct fl_lib_target *t = &setup->targets[index];
    switch (fl_lib_key_find(keys, 2, key)) {
    case 0:
        return set_tier(setup, value, &t->tier);
    case 1:
        if (!fl_lib_needs_parse(value, &t->lacks)) {
            fl_lib_sentence(&setup->error,
                            "A model may lack tools, vision, audio, json_schema, "
                            "reasoning, streaming; not all of '",
                            value, "' is that.");
            return FAIRLEAD_UNKNOWN;
        }
        t->lacks_given = true;
        return succeed(setup);
    default:
        return unknown_key(setup, key, keys, 2);
    }
}

/* --- Routes --- */

int fairlead_setup_route(struct fairlead_setup *setup, const char *route, const char *strategy)
{
    if (!setup || !route || !strategy) {
        return null_argument(setup);
    }
    struct fl_lib_route row = {.name = fl_slice_cstr(route)};
    if (!is_name(route) || setup->route_count == FL_LIB_ROUTES_MAX) {
        fl_lib_sentence(&setup->error, is_name(route) ? "More than 4096 routes."
                                                      : "A route is named in at most 250 visible "
                                                        "characters without a comma.");
        return FAIRLEAD_INVALID;
    }
    if (!fl_selection_parse(fl_slice_cstr(strategy), &row.selection)) {
        struct nearest n = nearest_to(fl_slice_cstr(strategy));
        for (unsigned i = 0; fl_selection_word(i) && n.distance > 1; i++) {
            offer(&n, fl_selection_word(i));
        }
        return unknown(setup, "strategy", &n);
    }
    for (unsigned i = 0; i < setup->route_count; i++) {
        if (fl_slice_eq(setup->routes[i].name, row.name)) {
            fl_lib_sentence(&setup->error, "There is a route '", route, "' already.");
            return FAIRLEAD_EXISTS;
        }
    }
    row.name = fl_arena_copy(&setup->arena, row.name);
    void *items = grown(setup->routes, setup->route_count, &setup->route_cap, sizeof(row));
    setup->routes = items ? items : setup->routes;
    if (!items || row.name.len == 0) {
        return no_memory(setup);
    }
    setup->routes[setup->route_count++] = row;
    return succeed(setup);
}

static bool has(const struct fl_lib_list *list, unsigned target)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (list->items[i] == target) {
            return true;
        }
    }
    return false;
}

static bool add(struct fl_lib_list *list, unsigned target)
{
    unsigned *items = grown(list->items, list->count, &list->cap, sizeof(*items));
    if (!items) {
        return false;
    }
    list->items = items;
    list->items[list->count++] = target;
    return true;
}

int fairlead_setup_route_target(struct fairlead_setup *setup, const char *route, const char *target,
                                int is_fallback)
{
    struct fl_lib_route *r = NULL;
    unsigned index = 0;
    if (!setup || !route || !target) {
        return null_argument(setup);
    }
    int status = find_route(setup, route, &r);
    status = status ? status : find_target(setup, fl_slice_cstr(target), &index);
    if (status) {
        return status;
    }
    if (has(&r->primaries, index) || has(&r->fallbacks, index)) {
        fl_lib_sentence(&setup->error, "The route '", route, "' has the target '", target,
                        "' already.");
        return FAIRLEAD_EXISTS;
    }
    return add(is_fallback ? &r->fallbacks : &r->primaries, index) ? succeed(setup)
                                                                   : no_memory(setup);
}

int fairlead_setup_route_number(struct fairlead_setup *setup, const char *route, const char *key,
                                double value)
{
    struct fl_lib_route *r = NULL;
    if (!setup || !route || !key) {
        return null_argument(setup);
    }
    int status = find_route(setup, route, &r);
    if (status) {
        return status;
    }
    if (fl_lib_key_find(route_keys, 1, key) < 0) {
        return unknown_key(setup, key, route_keys, 1);
    }
    if (!fl_lib_key_admits(&route_keys[0], value)) {
        return out_of_range(setup, key);
    }
    r->max_cost_usd = value;
    return succeed(setup);
}

static int prefer(struct fairlead_setup *s, const char *value, struct fl_lib_list *preferred)
{
    struct fl_lib_list list = {NULL, 0, 0};
    struct fl_slice rest = fl_slice_cstr(value), word;
    int status = FAIRLEAD_OK;
    while (!status && fl_lib_next_word(&rest, &word)) {
        unsigned index = 0;
        status = find_target(s, word, &index);
        if (!status && !has(&list, index) && !add(&list, index)) {
            status = no_memory(s);
        }
    }
    if (status) {
        free(list.items);
        return status;
    }
    free(preferred->items);
    *preferred = list;
    return succeed(s);
}

int fairlead_setup_route_text(struct fairlead_setup *setup, const char *route, const char *key,
                              const char *value)
{
    static const struct fl_lib_key keys[] = {{.name = "tier"},
                                             {.name = "prefer_generation"},
                                             {.name = "prefer_summarization"},
                                             {.name = "prefer_analysis"},
                                             {.name = "prefer_translation"},
                                             {.name = "prefer_classification"},
                                             {.name = "prefer_other"}};
    struct fl_lib_route *r = NULL;
    enum fl_task task = FL_TASK_OTHER;
    if (!setup || !route || !key || !value) {
        return null_argument(setup);
    }
    int status = find_route(setup, route, &r);
    if (status) {
        return status;
    }
    if (strcmp(key, "tier") == 0) {
        return set_tier(setup, value, &r->tier);
    }
    if (fl_slice_starts(fl_slice_cstr(key), FL_LIT("prefer_")) &&
        fl_task_parse(fl_slice_cstr(key + strlen("prefer_")), &task)) {
        return prefer(setup, value, &r->preferred[task]);
    }
    return unknown_key(setup, key, keys, sizeof(keys) / sizeof(*keys));
}

/* --- The whole --- */

int fairlead_setup_number(struct fairlead_setup *setup, const char *key, double value)
{
    if (!setup || !key) {
        return null_argument(setup);
    }
    int row = fl_lib_key_find(setup_keys, SETUP_KEYS, key);
    if (row < 0) {
        return unknown_key(setup, key, setup_keys, SETUP_KEYS);
    }
    if (!fl_lib_key_admits(&setup_keys[row], value)) {
        return out_of_range(setup, key);
    }
    switch ((enum setup_key)row) {
    case EJECT:
        setup->health.failures_to_eject = (unsigned)value;
        break;
    case RECOVER:
        setup->health.successes_to_recover = (unsigned)value;
        break;
    case EJECTION:
        setup->health.ejection_ns = (uint64_t)(value * 1e9);
        break;
    case WAIT:
        setup->settings.wait_usd_per_second = value;
        break;
    case HISTORY:
        setup->settings.history_size = (unsigned)value;
        break;
    case TIER_DOWN:
        setup->settings.tier_down_allowed = value > 0;
        break;
    case OVER_BUDGET:
        setup->settings.over_budget_allowed = value > 0;
        break;
    case SETUP_KEYS:
        break;
    }
    return succeed(setup);
}

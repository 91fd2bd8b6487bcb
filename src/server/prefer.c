/* SPDX-License-Identifier: Apache-2.0 */
#include "server/prefer.h"

/* --- names --- */

static struct fl_slice text_of(struct fl_json value, struct fl_arena *arena)
{
    char memory[256];
    struct fl_buf scratch;
    struct fl_slice text;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    return fl_json_text(value, &scratch, &text) ? fl_arena_copy(arena, text) : FL_EMPTY;
}

static unsigned names_of(struct fl_json list, struct fl_arena *arena, unsigned max,
                         struct fl_slice *ret_names)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json item;
    unsigned count = 0;
    while (list.type == FL_JSON_ARRAY && count < max && fl_json_next(&it, NULL, &item)) {
        struct fl_slice name = text_of(item, arena);
        if (name.len > 0) {
            ret_names[count++] = name;
        }
    }
    return count;
}

/* "deepinfra/turbo" means a variant that is not told apart here. */
static bool means(struct fl_slice name, const struct fl_provider *p)
{
    struct fl_slice vendor = fl_slice_first(name, fl_slice_find(name, '/'));
    return fl_slice_eq_nocase(name, p->name) || fl_slice_eq_nocase(vendor, p->type) ||
           fl_slice_eq_nocase(vendor, p->name);
}

/* The place of the first name that means the target's provider, or *count*. */
static unsigned place_of(const struct fl_slice *names, unsigned count,
                         const struct fl_config *config, unsigned target)
{
    const struct fl_provider *p = &config->providers[config->table.targets[target].provider_index];
    unsigned i = 0;
    while (i < count && !means(names[i], p)) {
        i++;
    }
    return i;
}

/* --- who may be asked --- */

static void deny(const struct fl_config *config, struct fl_arena *arena, struct fl_preference *p,
                 unsigned target)
{
    if (!p->denied) {
        p->denied = fl_arena_zero(arena, config->table.target_count);
    }
    if (p->denied) {
        p->denied[target] = 1;
    }
}

/* Those of the list are denied, or all others are. */
static void deny_by(struct fl_json list, bool listed, const struct fl_config *config,
                    struct fl_arena *arena, struct fl_preference *p)
{
    struct fl_slice names[FL_PREFER_NAMES_MAX];
    unsigned count = names_of(list, arena, FL_PREFER_NAMES_MAX, names);
    for (unsigned i = 0; list.type == FL_JSON_ARRAY && i < config->table.target_count; i++) {
        bool found = place_of(names, count, config, i) < count;
        if (found == listed) {
            deny(config, arena, p, i);
        }
    }
}

/* USD per million tokens, as a number or as text; in pico-USD per token. */
static bool price_of(struct fl_json value, struct fl_arena *arena, uint64_t *ret_picousd)
{
    uint64_t e9 = 0;
    struct fl_slice text = value.type == FL_JSON_STRING ? text_of(value, arena) : value.span;
    bool given = value.type == FL_JSON_STRING || value.type == FL_JSON_NUMBER;
    if (!given || !fl_slice_decimal_e9(text, &e9)) {
        return false;
    }
    *ret_picousd = e9 / 1000;
    return true;
}

static void deny_dearer(struct fl_json limits, const struct fl_config *config,
                        struct fl_arena *arena, struct fl_preference *p)
{
    uint64_t in = UINT64_MAX, out = UINT64_MAX;
    struct fl_json prompt = fl_json_get(limits, FL_LIT("prompt"));
    struct fl_json completion = fl_json_get(limits, FL_LIT("completion"));
    bool ok = (prompt.type == FL_JSON_NONE || price_of(prompt, arena, &in)) &&
              (completion.type == FL_JSON_NONE || price_of(completion, arena, &out));
    if (!ok) { /* who limits the price must not find out from the bill that it was not understood */
        p->wrong = "'provider.max_price' has 'prompt' and 'completion', in USD per million tokens.";
        return;
    }
    for (unsigned i = 0; i < config->table.target_count; i++) {
        const struct fl_target *t = &config->table.targets[i];
        if (!t->priced || t->price_in > in || t->price_out > out) {
            deny(config, arena, p, i);
        }
    }
}

/* --- reading --- */

static void read_sort(struct fl_json sort, struct fl_preference *p)
{
    struct fl_json by = sort.type == FL_JSON_OBJECT ? fl_json_get(sort, FL_LIT("by")) : sort;
    if (by.type != FL_JSON_STRING) {
        return;
    }
    p->sort_given = true;
    if (fl_json_spells(by.span, FL_LIT("price"))) {
        p->sort = (struct fl_selection){.strategy = FL_STRATEGY_COST};
    } else if (fl_json_spells(by.span, FL_LIT("throughput")) ||
               fl_json_spells(by.span, FL_LIT("latency"))) {
        p->sort = (struct fl_selection){.strategy = FL_STRATEGY_PERFORMANCE};
    } else {
        p->wrong = "'provider.sort' is price, throughput or latency.";
    }
}

void fl_preference_read(const struct fl_facts *facts, const struct fl_config *config,
                        struct fl_arena *arena, struct fl_preference *ret_preference)
{
    struct fl_preference *p = ret_preference;
    const struct fl_json given = facts->provider;
    *p = (struct fl_preference){.given = given.type == FL_JSON_OBJECT};
    if (!p->given) {
        return;
    }
    bool fallbacks = true;
    deny_by(fl_json_get(given, FL_LIT("only")), false, config, arena, p);
    deny_by(fl_json_get(given, FL_LIT("ignore")), true, config, arena, p);
    p->order_count =
        names_of(fl_json_get(given, FL_LIT("order")), arena, FL_PREFER_NAMES_MAX, p->order);
    (void)fl_json_bool(fl_json_get(given, FL_LIT("allow_fallbacks")), &fallbacks);
    p->only_first = !fallbacks;
    if (p->only_first && p->order_count > 0) {
        deny_by(fl_json_get(given, FL_LIT("order")), false, config, arena, p);
    }
    read_sort(fl_json_get(given, FL_LIT("sort")), p);
    struct fl_json limits = fl_json_get(given, FL_LIT("max_price"));
    if (limits.type == FL_JSON_OBJECT) {
        deny_dearer(limits, config, arena, p);
    }
}

unsigned fl_preference_models(const struct fl_facts *facts, struct fl_arena *arena, unsigned max,
                              struct fl_slice *ret_names)
{
    unsigned count = names_of(facts->models, arena, max, ret_names);
    if (count > 0 && facts->model_value.type == FL_JSON_NONE) { /* the first is the one asked for */
        count--;
        memmove(ret_names, ret_names + 1, count * sizeof(*ret_names));
    }
    return count;
}

/* --- ordering --- */

/* Stable: the policy's order holds among targets of one place. */
static void sort_by(const unsigned *places, unsigned count, unsigned *ret_from)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i;
        for (; at > 0 && places[ret_from[at - 1]] > places[i]; at--) {
            ret_from[at] = ret_from[at - 1];
        }
        ret_from[at] = i;
    }
}

static void order_candidates(const struct fl_preference *p, const struct fl_config *config,
                             struct fl_plan *plan)
{
    struct fl_candidate copy[FL_PLAN_MAX];
    unsigned places[FL_PLAN_MAX] = {0}, from[FL_PLAN_MAX], count = 0;
    while (count < plan->candidate_count && plan->candidates[count].skip == FL_SKIP_NONE) {
        places[count] = place_of(p->order, p->order_count, config, plan->candidates[count].target);
        copy[count] = plan->candidates[count];
        count++;
    }
    sort_by(places, count, from);
    for (unsigned i = 0; i < count; i++) {
        plan->candidates[i] = copy[from[i]];
    }
}

void fl_preference_order(const struct fl_preference *p, const struct fl_config *config,
                         struct fl_plan *plan)
{
    unsigned places[FL_PLAN_MAX] = {0}, from[FL_PLAN_MAX], targets[FL_PLAN_MAX];
    uint64_t ready_ns[FL_PLAN_MAX];
    if (!p->given || plan->count == 0) {
        return;
    }
    for (unsigned i = 0; i < plan->count; i++) {
        places[i] = place_of(p->order, p->order_count, config, plan->targets[i]);
        targets[i] = plan->targets[i];
        ready_ns[i] = plan->ready_ns[i];
    }
    sort_by(places, plan->count, from);
    if (from[0] != 0) {
        plan->why = "order";
        plan->propensity = 1;
    }
    for (unsigned i = 0; i < plan->count; i++) {
        plan->targets[i] = targets[from[i]];
        plan->ready_ns[i] = ready_ns[from[i]];
    }
    order_candidates(p, config, plan);
    if (p->only_first && p->order_count == 0) {
        plan->count = 1;
        plan->spare_count = 0;
    }
}

/* --- more targets --- */

/* The line of a target on the record, behind those of the targets before it; the last skipped one
 * makes room. */
static void add_candidate(struct fl_plan *plan, const struct fl_plan *more, unsigned target)
{
    unsigned at = 0, i = 0;
    while (i < more->candidate_count &&
           (more->candidates[i].target != target || more->candidates[i].skip != FL_SKIP_NONE)) {
        i++;
    }
    while (at < plan->candidate_count && plan->candidates[at].skip == FL_SKIP_NONE) {
        at++;
    }
    if (i == more->candidate_count || at == FL_PLAN_MAX) {
        return;
    }
    plan->candidate_count += plan->candidate_count < FL_PLAN_MAX;
    memmove(&plan->candidates[at + 1], &plan->candidates[at],
            (plan->candidate_count - 1 - at) * sizeof(plan->candidates[0]));
    plan->candidates[at] = more->candidates[i];
    plan->candidates[at].scored = false; /* by another choice than the rest */
}

/* Behind the last one to be asked. The spares stand behind it: they move on, and the last gives way
 * where there is no room. */
static void add_target(struct fl_plan *plan, unsigned target, uint64_t ready_ns)
{
    plan->spare_count -= plan->count + plan->spare_count == FL_PLAN_MAX;
    memmove(&plan->targets[plan->count + 1], &plan->targets[plan->count],
            plan->spare_count * sizeof(plan->targets[0]));
    plan->targets[plan->count] = target;
    plan->ready_ns[plan->count++] = ready_ns;
}

uint32_t fl_plan_append(const struct fl_table *t, struct fl_plan *plan, const struct fl_plan *more,
                        uint32_t *ret_fresh)
{
    uint32_t places = 0, fresh = 0;
    for (unsigned i = 0; i < more->count; i++) {
        unsigned at = 0;
        bool any_model = t->targets[more->targets[i]].model.len == 0; /* may be asked for several */
        while (at < plan->count && (any_model || plan->targets[at] != more->targets[i])) {
            at++;
        }
        if (at == FL_PLAN_MAX) {
            continue;
        }
        if (at == plan->count) {
            add_target(plan, more->targets[i], more->ready_ns[i]);
            add_candidate(plan, more, more->targets[i]);
            fresh |= UINT32_C(1) << at;
        }
        places |= UINT32_C(1) << at;
    }
    if (ret_fresh) {
        *ret_fresh = fresh;
    }
    return places;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the table: targets of the providers -> names under 'models' with what they list ->
 * aliases -> names that mean every target -> implied names ("provider/model", bare models) -> one
 * sorted array in which a configured name hides an implied one.
 */
#include "base/assert.h"
#include "config/targets.h"
#include "config/value.h"
#include "route/facts.h"

#include <stdlib.h>

/* Lower wins where two routes have one name. */
enum origin { ORIGIN_CONFIGURED, ORIGIN_TARGET, ORIGIN_MODEL, ORIGIN_INTERNAL };
enum mark { MARK_NEW, MARK_ACTIVE, MARK_DONE };

struct draft_route {
    struct fl_route route;
    enum origin origin;
    const struct fl_entry *entry; /* NULL: implied */
    struct fl_picks primaries, fallbacks;
    struct fl_picks on_context, on_policy;
    struct fl_picks preferred[FL_TASK_COUNT];
    unsigned guard; /* a target of the kind that route.guarded is about */
    bool every;     /* means every target */
    bool left_out;  /* something it names takes no part */
    enum mark mark; /* of the walk over aliases */
};

struct builder {
    struct fl_load *load;
    struct fl_targets targets;
    struct draft_route *routes;
    unsigned count, cap, configured;
    struct fl_picks every; /* every primary target */
    enum fl_strategy strategy;
    enum fl_algorithm algorithm;
    struct fl_route rescue; /* hedging and resuming, where a name does not say */
};

static struct draft_route *add_route(struct builder *b, struct fl_slice name, enum origin origin,
                                     bool listed)
{
    fl_assert(b->count < b->cap);
    struct draft_route *route = &b->routes[b->count++];
    *route = (struct draft_route){.route = {.name = name,
                                            .name_hash = fl_hash((struct fl_hash_key){0, 0}, name),
                                            .strategy = b->strategy,
                                            .algorithm = b->algorithm,
                                            .hedging = b->rescue.hedging,
                                            .hedge_after_ns = b->rescue.hedge_after_ns,
                                            .hedge_tools = b->rescue.hedge_tools,
                                            .hedge_plain = b->rescue.hedge_plain,
                                            .resume = b->rescue.resume,
                                            .replay = b->rescue.replay,
                                            .strict = b->rescue.strict,
                                            .listed = listed},
                                  .origin = origin};
    return route;
}

/* A strategy's name, or an algorithm's under load_balance. */
static void select_by(struct fl_load *load, const struct fl_value *strategy,
                      const struct fl_value *algorithm, enum fl_strategy *ret_strategy,
                      enum fl_algorithm *io_algorithm)
{
    struct fl_selection s = fl_selection_at((unsigned)strategy->number);
    *ret_strategy = s.strategy;
    if (s.algorithm_given && algorithm->node && !algorithm->bad && *io_algorithm != s.algorithm) {
        fl_load_error(load, algorithm->node,
                      "'%s' as strategy and '%s' as algorithm contradict each other; keep one",
                      fl_algorithm_name(s.algorithm), fl_algorithm_name(*io_algorithm));
    }
    *io_algorithm = s.algorithm_given ? s.algorithm : *io_algorithm;
}

/* --- Configured names --- */

static const struct fl_value *value_of(const struct draft_route *route, enum fl_key_id key)
{
    return fl_object_value(route->entry->object, key);
}

static struct draft_route *find_configured(struct builder *b, struct fl_slice name)
{
    for (unsigned i = 0; i < b->configured; i++) {
        if (fl_slice_eq(b->routes[i].route.name, name)) {
            return &b->routes[i];
        }
    }
    return NULL;
}

static void report_unknown(struct builder *b, const struct fl_yaml *node, struct fl_slice text,
                           bool is_alias)
{
    struct fl_nearest nearest = {.wanted = text};
    fl_targets_offer(b->load, &b->targets, &nearest);
    if (!is_alias && find_configured(b, text)) {
        fl_load_error(
            b->load, node,
            "'%.*s' is a name under 'models'; a target is PROVIDER/MODEL ('alias' gives a "
            "name another name)",
            FL_TEXT(text));
        return;
    }
    for (unsigned i = 0; is_alias && i < b->configured; i++) {
        fl_nearest_offer(&nearest, b->routes[i].route.name);
    }
    fl_load_error(b->load, node, "no provider has '%.*s'%s%.*s%s", FL_TEXT(text),
                  nearest.best.len > 0 ? "; did you mean '" : "", FL_TEXT(nearest.best),
                  nearest.best.len > 0 ? "'?" : "");
}

static void resolve_list(struct builder *b, struct draft_route *route, const struct fl_value *value,
                         struct fl_picks *picks)
{
    for (unsigned i = 0; i < value->count; i++) {
        const struct fl_entry *entry = &value->entries[i];
        unsigned before = picks->count;
        switch (fl_targets_resolve(b->load, &b->targets, entry->text, picks)) {
        case FL_RESOLVED:
            if (picks->count == before) {
                fl_load_warn(b->load, entry->node, "'%.*s' is listed twice", FL_TEXT(entry->text));
            }
            fl_targets_place(&b->targets, picks, before, entry->node);
            break;
        case FL_RESOLVED_LEFT_OUT:
            route->left_out = true;
            break;
        case FL_RESOLVED_UNKNOWN:
            report_unknown(b, entry->node, entry->text, false);
            break;
        }
    }
}

static void resolve_preferences(struct builder *b, struct draft_route *route)
{
    static const enum fl_key_id keys[FL_TASK_COUNT] = {
        [FL_TASK_SUMMARIZATION] = FL_KEY_PREFERENCES_summarization,
        [FL_TASK_CLASSIFICATION] = FL_KEY_PREFERENCES_classification,
        [FL_TASK_GENERATION] = FL_KEY_PREFERENCES_generation,
        [FL_TASK_ANALYSIS] = FL_KEY_PREFERENCES_analysis,
        [FL_TASK_TRANSLATION] = FL_KEY_PREFERENCES_translation,
        [FL_TASK_OTHER] = FL_KEY_PREFERENCES_other};
    const struct fl_object *preferences = value_of(route, FL_KEY_MODEL_preferences)->object;
    for (unsigned task = 0; preferences && task < FL_TASK_COUNT; task++) {
        resolve_list(b, route, fl_object_value(preferences, keys[task]), &route->preferred[task]);
    }
}

static void resolve_guard(struct builder *b, struct draft_route *route)
{
    const struct fl_value *value = value_of(route, FL_KEY_MODEL_never_worse_than);
    struct fl_picks picks = {0};
    if (!value->node || value->bad) {
        return;
    }
    if (fl_targets_resolve(b->load, &b->targets, value->text, &picks) == FL_RESOLVED_UNKNOWN) {
        report_unknown(b, value->node, value->text, false);
    } else if (picks.count > 0) {
        route->route.guarded = true;
        route->guard = picks.items[0];
    }
}

/* A preferred target that is none of the name's would never be asked. */
static void check_preferences(struct builder *b, const struct draft_route *route)
{
    for (unsigned task = 0; task < FL_TASK_COUNT; task++) {
        for (unsigned i = 0; i < route->preferred[task].count; i++) {
            unsigned target = route->preferred[task].items[i];
            if (route->entry && !value_of(route, FL_KEY_MODEL_alias)->node &&
                !fl_picks_have(&route->primaries, target)) {
                fl_load_warn(b->load, value_of(route, FL_KEY_MODEL_preferences)->key,
                             "'%.*s' is preferred for %s, but is not among the targets of '%.*s'",
                             FL_TEXT(b->targets.items[target].id), fl_task_name((enum fl_task)task),
                             FL_TEXT(route->route.name));
            }
        }
    }
}

/* Fallbacks that are targets as well add nothing. */
static void check_fallbacks(struct builder *b, struct draft_route *route)
{
    const struct fl_value *value = value_of(route, FL_KEY_MODEL_fallback);
    for (unsigned i = 0; i < value->count; i++) {
        struct fl_picks picks = {0};
        bool reachable = false;
        (void)fl_targets_resolve(b->load, &b->targets, value->entries[i].text, &picks);
        for (unsigned j = 0; j < picks.count; j++) {
            reachable = reachable || !fl_picks_have(&route->primaries, picks.items[j]);
        }
        if (picks.count > 0 && !reachable) {
            fl_load_warn(b->load, value->entries[i].node,
                         "fallback '%.*s' is never reached: it is among the targets already",
                         FL_TEXT(value->entries[i].text));
        }
    }
}

static void build_listed(struct builder *b, struct draft_route *route)
{
    const struct fl_value *targets = value_of(route, FL_KEY_MODEL_targets);
    route->every = !targets->node;
    resolve_list(b, route, targets, &route->primaries);
    for (unsigned i = 0; i < route->primaries.count; i++) {
        unsigned target = route->primaries.items[i];
        b->targets.primary[target] = b->targets.items[target].model.len > 0;
    }
    resolve_list(b, route, value_of(route, FL_KEY_MODEL_fallback), &route->fallbacks);
    const struct fl_object *rescues = value_of(route, FL_KEY_MODEL_fallbacks)->object;
    if (rescues) {
        resolve_list(b, route, fl_object_value(rescues, FL_KEY_FALLBACKS_context_length),
                     &route->on_context);
        resolve_list(b, route, fl_object_value(rescues, FL_KEY_FALLBACKS_content_policy),
                     &route->on_policy);
    }
    resolve_preferences(b, route);
    resolve_guard(b, route);
    check_fallbacks(b, route);
    if (targets->node && !targets->bad && targets->count == 0) {
        fl_load_error(b->load, targets->node,
                      "'targets' is empty; leave it out to mean every target");
    }
}

static void check_alias_alone(struct builder *b, const struct draft_route *route)
{
    static const enum fl_key_id others[] = {
        FL_KEY_MODEL_targets,      FL_KEY_MODEL_fallback,
        FL_KEY_MODEL_strategy,     FL_KEY_MODEL_algorithm,
        FL_KEY_MODEL_tier,         FL_KEY_MODEL_max_cost,
        FL_KEY_MODEL_preferences,  FL_KEY_MODEL_never_worse_than,
        FL_KEY_MODEL_daily_budget, FL_KEY_MODEL_fallbacks,
        FL_KEY_MODEL_hedge,        FL_KEY_MODEL_hedge_tools,
        FL_KEY_MODEL_hedge_plain,  FL_KEY_MODEL_resume,
        FL_KEY_MODEL_replay,       FL_KEY_MODEL_translation};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (value_of(route, others[i])->node) {
            fl_load_error(b->load, value_of(route, others[i])->key,
                          "'%s' has no meaning beside 'alias'; remove one of them",
                          fl_keys[others[i]].name);
        }
    }
}

static void read_demands(struct draft_route *route)
{
    const struct fl_value *tier = value_of(route, FL_KEY_MODEL_tier);
    const struct fl_value *cost = value_of(route, FL_KEY_MODEL_max_cost);
    if (tier->node && !tier->bad) {
        route->route.tier = (enum fl_tier)(tier->number + FL_TIER_LOW);
    }
    if (cost->node && !cost->bad) {
        route->route.max_cost_picousd = (uint64_t)cost->number * 1000; /* 1e-9 USD */
    }
    const struct fl_value *budget = value_of(route, FL_KEY_MODEL_daily_budget);
    if (budget->node && !budget->bad) {
        route->route.daily_budget_picousd = (uint64_t)budget->number * 1000;
    }
}

static void read_hedge(struct fl_load *load, const struct fl_value *hedge, struct fl_route *route)
{
    static const struct fl_key duration = {.name = "hedge", .type = FL_TYPE_DURATION};
    int64_t ns = 0;
    if (hedge->bad || hedge->text.len == 0) {
        return;
    }
    if (fl_slice_eq(hedge->text, FL_LIT("off"))) {
        route->hedging = FL_HEDGE_OFF;
    } else if (fl_slice_eq(hedge->text, FL_LIT("auto"))) {
        route->hedging = FL_HEDGE_AUTO;
    } else if (fl_value_number(&duration, hedge->text, &ns) && ns > 0) {
        route->hedging = FL_HEDGE_AFTER;
        route->hedge_after_ns = (uint64_t)ns;
    } else {
        fl_load_error(load, hedge->node, "'hedge' is off, auto or a duration such as 2s");
    }
}

static void read_resume(struct fl_load *load, const struct fl_value *resume, struct fl_route *route)
{
    if (resume->bad || resume->text.len == 0) {
        return;
    }
    route->resume = fl_slice_eq(resume->text, FL_LIT("continue"));
    if (!route->resume && !fl_slice_eq(resume->text, FL_LIT("off"))) {
        fl_load_error(load, resume->node, "'resume' is off or continue");
    }
}

static void read_replay(struct fl_load *load, const struct fl_value *replay, struct fl_route *route)
{
    if (replay->bad || replay->text.len == 0) {
        return;
    }
    route->replay = fl_slice_eq(replay->text, FL_LIT("on"));
    if (!route->replay && !fl_slice_eq(replay->text, FL_LIT("off"))) {
        fl_load_error(load, replay->node, "'replay' is on or off");
    }
}

static void read_translation(struct fl_load *load, const struct fl_value *translation,
                             struct fl_route *route)
{
    if (translation->bad || translation->text.len == 0) {
        return;
    }
    route->strict = fl_slice_eq(translation->text, FL_LIT("strict"));
    if (!route->strict && !fl_slice_eq(translation->text, FL_LIT("allow"))) {
        fl_load_error(load, translation->node, "'translation' is allow or strict");
    }
}

static void add_configured(struct builder *b, const struct fl_value *models)
{
    for (unsigned i = 0; i < models->count; i++) {
        const struct fl_entry *entry = &models->entries[i];
        struct draft_route *route = add_route(b, entry->name, ORIGIN_CONFIGURED, true);
        route->entry = entry;
        if (entry->name.len == 0 || entry->name.len > 200 ||
            fl_slice_find(entry->name, '*') < entry->name.len ||
            fl_slice_find(entry->name, ' ') < entry->name.len) {
            fl_load_error(b->load, entry->key,
                          "a model's name has 1 to 200 characters, no spaces and no '*'");
        }
        read_demands(route);
        read_hedge(b->load, value_of(route, FL_KEY_MODEL_hedge), &route->route);
        read_resume(b->load, value_of(route, FL_KEY_MODEL_resume), &route->route);
        read_replay(b->load, value_of(route, FL_KEY_MODEL_replay), &route->route);
        read_translation(b->load, value_of(route, FL_KEY_MODEL_translation), &route->route);
        const struct fl_value *tools = value_of(route, FL_KEY_MODEL_hedge_tools);
        route->route.hedge_tools = tools->node ? tools->number != 0 : route->route.hedge_tools;
        const struct fl_value *plain = value_of(route, FL_KEY_MODEL_hedge_plain);
        route->route.hedge_plain = plain->node ? plain->number != 0 : route->route.hedge_plain;
        const struct fl_value *strategy = value_of(route, FL_KEY_MODEL_strategy);
        const struct fl_value *algorithm = value_of(route, FL_KEY_MODEL_algorithm);
        if (algorithm->node && !algorithm->bad) {
            route->route.algorithm = (enum fl_algorithm)algorithm->number;
        }
        if (strategy->node && !strategy->bad) {
            select_by(b->load, strategy, algorithm, &route->route.strategy,
                      &route->route.algorithm);
        }
    }
    b->configured = b->count;
}

/* --- Aliases --- */

static void copy_route(struct draft_route *to, const struct draft_route *from)
{
    to->route.strategy = from->route.strategy;
    to->route.algorithm = from->route.algorithm;
    to->route.tier = from->route.tier;
    to->route.max_cost_picousd = from->route.max_cost_picousd;
    to->route.daily_budget_picousd = from->route.daily_budget_picousd;
    to->route.guarded = from->route.guarded;
    to->guard = from->guard;
    for (unsigned task = 0; task < FL_TASK_COUNT; task++) {
        to->preferred[task] = from->preferred[task];
    }
    to->route.hedging = from->route.hedging;
    to->route.hedge_after_ns = from->route.hedge_after_ns;
    to->route.hedge_tools = from->route.hedge_tools;
    to->route.hedge_plain = from->route.hedge_plain;
    to->route.resume = from->route.resume;
    to->route.replay = from->route.replay;
    to->route.strict = from->route.strict;
    to->on_context = from->on_context;
    to->on_policy = from->on_policy;
    to->primaries = from->primaries;
    to->fallbacks = from->fallbacks;
    to->every = from->every;
    to->left_out = from->left_out;
}

static void resolve_alias(struct builder *b, struct draft_route *route);

static void follow_alias(struct builder *b, struct draft_route *route, const struct fl_value *alias)
{
    struct draft_route *other = find_configured(b, alias->text);
    if (other && other->mark == MARK_ACTIVE) {
        fl_load_error(b->load, alias->node, "the alias '%.*s' leads back to itself",
                      FL_TEXT(alias->text));
        return;
    }
    if (other) {
        resolve_alias(b, other);
        copy_route(route, other);
        return;
    }
    unsigned before = route->primaries.count;
    switch (fl_targets_resolve(b->load, &b->targets, alias->text, &route->primaries)) {
    case FL_RESOLVED:
        fl_targets_place(&b->targets, &route->primaries, before, alias->node);
        break;
    case FL_RESOLVED_LEFT_OUT:
        route->left_out = true;
        break;
    case FL_RESOLVED_UNKNOWN:
        if (fl_slice_eq(alias->text, FL_LIT("auto"))) {
            route->every = true;
        } else {
            report_unknown(b, alias->node, alias->text, true);
        }
        break;
    }
}

/* Depth: a chain of aliases, at most as long as a mapping has keys. */
static void resolve_alias(struct builder *b, struct draft_route *route)
{
    const struct fl_value *alias = value_of(route, FL_KEY_MODEL_alias);
    if (route->mark != MARK_NEW) {
        return;
    }
    route->mark = MARK_ACTIVE;
    if (alias->node && !alias->bad) {
        check_alias_alone(b, route);
        follow_alias(b, route, alias);
    }
    route->mark = MARK_DONE;
}

/* --- Names that mean every target --- */

static void add_auto(struct builder *b)
{
    if (!find_configured(b, FL_LIT("auto"))) {
        add_route(b, FL_LIT("auto"), ORIGIN_CONFIGURED, true)->every = true;
    }
}

/* Every primary target that is not a fallback of the route. */
static struct fl_picks every_but(struct builder *b, const struct fl_picks *fallbacks)
{
    struct fl_picks picks = {.cap = b->targets.count};
    picks.items = fl_arena_take(&b->load->scratch, (picks.cap + 1) * sizeof(*picks.items));
    for (unsigned i = 0; picks.items && i < b->targets.count; i++) {
        if (b->targets.primary[i] && !fl_picks_have(fallbacks, i)) {
            picks.items[picks.count++] = i;
        }
    }
    return picks;
}

static void fill_every(struct builder *b, struct draft_route *route)
{
    if (route->every) {
        route->primaries = route->fallbacks.count > 0 ? every_but(b, &route->fallbacks) : b->every;
    }
}

static void check_prices_known(struct builder *b, const struct draft_route *route)
{
    unsigned unpriced = 0, first = 0;
    for (unsigned i = 0; i < route->primaries.count; i++) {
        unsigned target = route->primaries.items[i];
        if (!b->targets.items[target].priced && unpriced++ == 0) {
            first = target;
        }
    }
    if (route->route.strategy != FL_STRATEGY_COST || unpriced == 0 || route->primaries.count < 2 ||
        (route->entry && value_of(route, FL_KEY_MODEL_alias)->node)) {
        return;
    }
    const struct fl_value *own = route->entry ? value_of(route, FL_KEY_MODEL_strategy) : NULL;
    const struct fl_yaml *at =
        own && own->node ? own->node
                         : fl_object_value(b->load->routing, FL_KEY_ROUTING_strategy)->node;
    fl_load_warn(b->load, at,
                 "strategy 'cost' compares prices, and %u of the %u targets of '%.*s' have none, "
                 "such as '%.*s'; add 'prices' to the provider",
                 unpriced, route->primaries.count, FL_TEXT(route->route.name),
                 FL_TEXT(b->targets.items[first].id));
}

/* A tier that nobody is known to have refuses every request. */
static void check_tiers_known(struct builder *b, const struct draft_route *route)
{
    enum fl_tier best = FL_TIER_UNKNOWN;
    for (unsigned i = 0; i < route->primaries.count; i++) {
        enum fl_tier tier = b->targets.items[route->primaries.items[i]].tier;
        best = tier > best ? tier : best;
    }
    if (!route->entry || !value_of(route, FL_KEY_MODEL_tier)->node || best >= route->route.tier ||
        route->primaries.count == 0) {
        return;
    }
    fl_load_warn(b->load, value_of(route, FL_KEY_MODEL_tier)->node,
                 "no target of '%.*s' is known to be of tier '%s': its requests will be refused; "
                 "give its models one under 'model_info'",
                 FL_TEXT(route->route.name), fl_tier_name(route->route.tier));
}

/* A route needs a target; why there is none was said where it is, or is said here. */
static void check_filled(struct builder *b, const struct draft_route *route)
{
    if (route->primaries.count > 0 || b->load->findings->errors > 0) {
        return;
    }
    if (!route->entry || route->every) {
        if (b->targets.count > 0) {
            fl_load_warn(b->load, route->entry ? route->entry->key : NULL,
                         "'%.*s' has no target: no provider lists models",
                         FL_TEXT(route->route.name));
        }
    } else {
        fl_load_warn(b->load, route->entry->key,
                     "'%.*s' has no target: the providers it names take no part",
                     FL_TEXT(route->route.name));
    }
}

/* --- Implied names --- */

static void add_wildcards(struct builder *b)
{
    struct fl_picks all = {0};
    for (unsigned i = 0; i < b->targets.count; i++) {
        if (b->targets.items[i].model.len == 0) {
            struct draft_route *route =
                add_route(b, b->targets.items[i].id, ORIGIN_INTERNAL, false);
            (void)fl_picks_add(b->load, &route->primaries, i);
            (void)fl_picks_add(b->load, &all, i);
        }
    }
    /* Any other name: the first provider that takes all names, then the next ones. */
    if (all.count > 0) {
        struct draft_route *route = add_route(b, FL_LIT("*"), ORIGIN_INTERNAL, false);
        (void)fl_picks_add(b->load, &route->primaries, all.items[0]);
        for (unsigned i = 1; i < all.count; i++) {
            (void)fl_picks_add(b->load, &route->fallbacks, all.items[i]);
        }
    }
}

struct by_model {
    struct fl_slice model;
    unsigned target;
};

static int compare_models(const void *left, const void *right)
{
    const struct by_model *a = left, *b = right;
    int order = fl_slice_cmp(a->model, b->model);
    return order != 0 ? order : (a->target > b->target) - (a->target < b->target);
}

static void add_targets_and_models(struct builder *b)
{
    struct by_model *rows =
        fl_arena_take(&b->load->scratch, (b->targets.count + 1) * sizeof(*rows));
    unsigned count = 0;
    for (unsigned i = 0; rows && i < b->targets.count; i++) {
        if (b->targets.items[i].model.len > 0) {
            struct draft_route *route = add_route(b, b->targets.items[i].id, ORIGIN_TARGET, true);
            (void)fl_picks_add(b->load, &route->primaries, i);
            rows[count++] = (struct by_model){b->targets.items[i].model, i};
        }
    }
    if (count > 0) {
        qsort(rows, count, sizeof(*rows), compare_models);
    }
    struct draft_route *route = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (!route || !fl_slice_eq(route->route.name, rows[i].model)) {
            route = add_route(b, rows[i].model, ORIGIN_MODEL, false);
        }
        (void)fl_picks_add(b->load, &route->primaries, rows[i].target);
    }
}

/* --- The table --- */

static int compare_routes(const void *left, const void *right)
{
    const struct draft_route *a = left, *b = right;
    int order = fl_slice_cmp(a->route.name, b->route.name);
    return order != 0 ? order : (a->origin > b->origin) - (a->origin < b->origin);
}

static void finish_preferences(struct builder *b, const struct draft_route *draft,
                               struct fl_route *route)
{
    for (unsigned task = 0; task < FL_TASK_COUNT; task++) {
        const struct fl_picks *picks = &draft->preferred[task];
        unsigned *items =
            fl_arena_take(&b->load->config->arena, (picks->count + 1) * sizeof(*items));
        for (unsigned i = 0; items && i < picks->count; i++) {
            items[i] = picks->items[i];
        }
        route->preferred[task] = items;
        route->preferred_count[task] = items ? picks->count : 0;
    }
}

/* A list of targets to be tried in its order, as a route without a name of its own. */
static const struct fl_route *list_route(struct builder *b, const struct fl_route *of,
                                         const struct fl_picks *picks)
{
    struct fl_arena *arena = &b->load->config->arena;
    unsigned *targets = fl_arena_take(arena, (picks->count + 1) * sizeof(*targets));
    struct fl_route *route = fl_arena_zero(arena, sizeof(*route));
    if (picks->count == 0 || !targets || !route) {
        return NULL;
    }
    for (unsigned i = 0; i < picks->count; i++) {
        targets[i] = picks->items[i];
    }
    *route = (struct fl_route){.name = of->name,
                               .name_hash = of->name_hash,
                               .strategy = FL_STRATEGY_LOAD_BALANCE,
                               .algorithm = of->algorithm,
                               .targets = targets,
                               .target_count = picks->count,
                               .max_cost_picousd = of->max_cost_picousd,
                               .state = of->state};
    return route;
}

static void finish_route(struct builder *b, const struct draft_route *draft, struct fl_route *route)
{
    unsigned count = draft->primaries.count + draft->fallbacks.count, used = 0;
    unsigned *targets = fl_arena_take(&b->load->config->arena, (count + 1) * sizeof(*targets));
    if (!targets) {
        return;
    }
    for (unsigned i = 0; i < draft->primaries.count; i++) {
        targets[used++] = draft->primaries.items[i];
    }
    for (unsigned i = 0; i < draft->fallbacks.count; i++) {
        if (!fl_picks_have(&draft->primaries, draft->fallbacks.items[i])) {
            targets[used++] = draft->fallbacks.items[i];
        }
    }
    *route = draft->route;
    route->default_kind = route->guarded ? b->load->config->table.targets[draft->guard].kind : 0;
    finish_preferences(b, draft, route);
    route->targets = targets;
    route->primary_count = draft->primaries.count;
    route->target_count = used;
    if (b->load->env->registry) {
        route->state = fl_registry_route(b->load->env->registry, route->name);
        b->load->scratch.failed = b->load->scratch.failed || !route->state;
    }
    route->on_context = list_route(b, route, &draft->on_context);
    route->on_policy = list_route(b, route, &draft->on_policy);
}

static void finish_table(struct builder *b)
{
    struct fl_config *config = b->load->config;
    struct fl_target *targets =
        fl_arena_take(&config->arena, (b->targets.count + 1) * sizeof(*targets));
    struct fl_route *routes = fl_arena_zero(&config->arena, (b->count + 1) * sizeof(*routes));
    unsigned used = 0;
    if (!targets || !routes) {
        return;
    }
    for (unsigned i = 0; i < b->targets.count; i++) {
        targets[i] = b->targets.items[i];
    }
    uint64_t *scratch = fl_arena_take(&b->load->scratch, (b->targets.count + 1) * sizeof(*scratch));
    if (scratch) {
        fl_targets_number_kinds(targets, b->targets.count, scratch);
    }
    config->table.targets = targets;
    qsort(b->routes, b->count, sizeof(*b->routes), compare_routes);
    for (unsigned i = 0; i < b->count; i++) {
        const struct draft_route *draft = &b->routes[i];
        bool hidden = i > 0 && fl_slice_eq(draft->route.name, b->routes[i - 1].route.name);
        if (!hidden && draft->primaries.count > 0) {
            finish_route(b, draft, &routes[used++]);
        }
    }
    config->table.target_count = b->targets.count;
    config->table.routes = routes;
    config->table.route_count = used;
}

static bool begin(struct builder *b, const struct fl_value *models)
{
    struct fl_load *load = b->load;
    const struct fl_object *balancing =
        fl_load_object(load, load->routing, FL_KEY_ROUTING_load_balancing);
    fl_targets_build(load, &b->targets);
    /* each model's name, "auto", "*", and at most two names for each target */
    b->cap = models->count + 2 + 2 * FL_TARGETS_MAX;
    b->routes = fl_arena_take(&load->scratch, b->cap * sizeof(*b->routes));
    if (!balancing || !b->routes) {
        return false;
    }
    const struct fl_value *algorithm = fl_object_value(balancing, FL_KEY_LOAD_BALANCING_algorithm);
    const struct fl_value *history = fl_object_value(balancing, FL_KEY_LOAD_BALANCING_history_size);
    load->config->table.settings.history_size = (unsigned)history->number;
    b->algorithm = (enum fl_algorithm)algorithm->number;
    select_by(load, fl_object_value(load->routing, FL_KEY_ROUTING_strategy), algorithm,
              &b->strategy, &b->algorithm);
    read_hedge(load, fl_object_value(load->routing, FL_KEY_ROUTING_hedge), &b->rescue);
    read_resume(load, fl_object_value(load->routing, FL_KEY_ROUTING_resume), &b->rescue);
    read_replay(load, fl_object_value(load->routing, FL_KEY_ROUTING_replay), &b->rescue);
    read_translation(load, fl_object_value(load->routing, FL_KEY_ROUTING_translation), &b->rescue);
    b->rescue.hedge_plain = fl_object_value(load->routing, FL_KEY_ROUTING_hedge_plain)->number != 0;
    b->rescue.hedge_tools = fl_object_value(load->routing, FL_KEY_ROUTING_hedge_tools)->number != 0;
    return true;
}

void fl_routes_build(struct fl_load *load)
{
    struct builder b = {.load = load};
    const struct fl_value *models = fl_object_value(load->root, FL_KEY_ROOT_models);
    if (!load->drafts || !begin(&b, models)) {
        return;
    }
    add_configured(&b, models);
    for (unsigned i = 0; i < b.configured; i++) {
        if (!value_of(&b.routes[i], FL_KEY_MODEL_alias)->node) {
            build_listed(&b, &b.routes[i]);
        }
    }
    for (unsigned i = 0; i < b.configured; i++) {
        resolve_alias(&b, &b.routes[i]);
    }
    fl_targets_add_auto(load, &b.targets);
    add_auto(&b);
    b.every = every_but(&b, &b.every);
    for (unsigned i = 0; i < b.count; i++) {
        fill_every(&b, &b.routes[i]);
        check_filled(&b, &b.routes[i]);
        check_preferences(&b, &b.routes[i]);
        check_tiers_known(&b, &b.routes[i]);
        check_prices_known(&b, &b.routes[i]);
    }
    fl_targets_check(load, &b.targets);
    add_targets_and_models(&b);
    add_wildcards(&b);
    finish_table(&b);
}

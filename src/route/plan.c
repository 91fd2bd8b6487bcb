/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a route to a plan:
 *
 *   survey    each target once: eligible primaries become options, all others stand aside
 *   order     the strategy's policy gives the options their order (none for a single one)
 *   take      options, then fallbacks, then cooling targets; the ejected only when there is nothing
 * else
 *
 * Everything is read once, in survey(), because other workers change it meanwhile.
 */
#include "route/estimate.h"
#include "route/policies.h"

#include "base/assert.h"

#include <math.h>

/* Why a target is not among the options; also the order in which they come to be used. */
enum aside_kind { ASIDE_FALLBACK, ASIDE_COOLING, ASIDE_TRIAL_BUSY, ASIDE_EJECTED };

struct aside {
    unsigned index; /* of the target in the table */
    enum aside_kind kind;
    uint64_t key; /* lower first among its kind */
};

struct survey {
    struct fl_choice choice;
    const struct fl_policy *policy;
    unsigned aside_count, skipped_count; /* skipped: of the last two kinds */
    struct aside aside[FL_ROUTE_TARGETS_MAX];
    struct fl_option options[FL_ROUTE_TARGETS_MAX];
};

/* The best of what was offered, in order. */
struct best {
    unsigned count;
    const void *items[FL_PLAN_MAX];
};

typedef bool before_fn(const void *a, const void *b);

static void best_offer(struct best *best, const void *item, before_fn *before)
{
    unsigned at = best->count < FL_PLAN_MAX ? best->count++ : FL_PLAN_MAX - 1;
    if (at == FL_PLAN_MAX - 1 && best->items[at] && !before(item, best->items[at])) {
        return;
    }
    for (; at > 0 && before(item, best->items[at - 1]); at--) {
        best->items[at] = best->items[at - 1];
    }
    best->items[at] = item;
}

static bool option_before(const void *a, const void *b)
{
    const struct fl_option *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group;
    }
    return x->key < y->key || (x->key == y->key && x->tie < y->tie);
}

static bool aside_before(const void *a, const void *b)
{
    const struct aside *x = a, *y = b;
    return x->kind != y->kind ? x->kind < y->kind : x->key < y->key;
}

/* What is expected of this request at the target. */
static void estimate(const struct fl_choice *c, struct fl_option *o)
{
    struct fl_tokens n = fl_tokens_expected(c->table, o->index, c->request);
    uint64_t p50 = 0, p90 = 0;
    o->tokens_in = n.in;
    o->tokens_cached = n.cached;
    o->tokens_out_p50 = n.out_p50;
    o->tokens_out = n.out;
    o->tokens_out_p90 = n.out_p90;
    o->priced = fl_cost_estimate(o->target, n.in, n.cached, n.out_p50, &p50) &&
                fl_cost_estimate(o->target, n.in, n.cached, n.out_p90, &p90);
    o->cost_p50 = (double)p50;
    o->cost_p90 = (double)p90;
}

static void add_option(struct survey *s, unsigned index, unsigned position)
{
    const struct fl_target *t = &s->choice.table->targets[index];
    struct fl_option *o = &s->options[s->choice.count++];
    o->target = t;
    o->state = t->state;
    o->index = index;
    o->position = position;
    o->level = position >= s->choice.route->primary_count;
    o->in_flight = fl_get(t->state->in_flight);
    o->pending_tokens = fl_get(t->state->pending_tokens);
    o->weight = t->weight;
    o->vigour = fl_get(t->state->breaker.strength) / (double)FL_STRENGTH_FULL;
    o->group = 0;
    o->key = o->score = 0;
    o->quality = (double)NAN;
    estimate(&s->choice, o);
    if (s->policy->measured) {
        fl_measures_see(&t->state->measures, s->choice.request->now_ns, &o->seen);
        fl_pace_see(&t->state->pace, s->choice.request->now_ns, &o->pace);
    }
}

static void put_aside(struct survey *s, unsigned index, enum aside_kind kind, uint64_t key)
{
    s->aside[s->aside_count++] = (struct aside){index, kind, key};
    s->skipped_count += kind >= ASIDE_TRIAL_BUSY;
}

static void look_at(struct survey *s, unsigned position)
{
    unsigned index = s->choice.route->targets[position];
    const struct fl_breaker *b = &s->choice.table->targets[index].state->breaker;
    switch (fl_breaker_standing(b, s->choice.request->now_ns)) {
    case FL_READY:
        if (position < s->choice.route->primary_count || s->policy->fallbacks) {
            add_option(s, index, position);
        } else {
            put_aside(s, index, ASIDE_FALLBACK, position);
        }
        break;
    case FL_COOLING:
        put_aside(s, index, ASIDE_COOLING, fl_get(b->cool_until_ns));
        break;
    case FL_TRIAL_BUSY:
        put_aside(s, index, ASIDE_TRIAL_BUSY, fl_get(b->trial_ns));
        break;
    case FL_EJECTED:
        put_aside(s, index, ASIDE_EJECTED, fl_get(b->until_ns));
        break;
    }
}

static void survey(struct survey *s)
{
    const struct fl_route *route = s->choice.route;
    unsigned count = route->target_count, start = 0;
    if (count > FL_ROUTE_TARGETS_MAX) {
        start = (unsigned)fl_rng_below(s->choice.rng, count);
        count = FL_ROUTE_TARGETS_MAX;
    }
    for (unsigned i = 0; i < count; i++) {
        look_at(s, (start + i) % route->target_count);
    }
}

/* Up to half of the record is kept free for skipped targets: why one was left out is asked more
 * often than who came ninth. */
static void take(const struct survey *s, struct fl_plan *plan, unsigned target, double score)
{
    unsigned kept = plan->panic                          ? 0
                    : s->skipped_count < FL_PLAN_MAX / 2 ? s->skipped_count
                                                         : FL_PLAN_MAX / 2;
    if (plan->count == FL_PLAN_MAX) {
        return;
    }
    plan->targets[plan->count++] = target;
    if (plan->candidate_count < FL_PLAN_MAX - kept) {
        plan->candidates[plan->candidate_count++] =
            (struct fl_candidate){target, FL_SKIP_NONE, score};
    }
}

static void skip(struct fl_plan *plan, unsigned target, enum fl_skip why)
{
    if (plan->candidate_count < FL_PLAN_MAX) {
        plan->candidates[plan->candidate_count++] = (struct fl_candidate){target, why, 0};
    }
}

static void take_options(struct survey *s, struct fl_plan *plan)
{
    struct fl_choice *c = &s->choice;
    struct best best = {.count = 0};
    if (c->count == 0) {
        return;
    }
    plan->why = "only";
    if (c->count > 1) {
        s->policy->order(c);
        plan->why = c->why;
    }
    uint64_t seed = c->count > 1 ? fl_rng_next(c->rng) : 0;
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].tie = fl_mix64(seed + i);
        best_offer(&best, &c->options[i], option_before);
    }
    for (unsigned i = 0; i < best.count; i++) {
        const struct fl_option *o = best.items[i];
        take(s, plan, o->index, o->score);
    }
}

static void take_aside(const struct survey *s, struct fl_plan *plan)
{
    static const char *const whys[] = {"fallback", "cooling", "panic", "panic"};
    struct best best = {.count = 0};
    for (unsigned i = 0; i < s->aside_count; i++) {
        best_offer(&best, &s->aside[i], aside_before);
    }
    for (unsigned i = 0; i < best.count; i++) {
        const struct aside *a = best.items[i];
        if (a->kind >= ASIDE_TRIAL_BUSY && !plan->panic) {
            skip(plan, a->index, a->kind == ASIDE_EJECTED ? FL_SKIP_EJECTED : FL_SKIP_TRIAL_BUSY);
            continue;
        }
        plan->why = plan->count == 0 ? whys[a->kind] : plan->why;
        take(s, plan, a->index, 0);
    }
}

void fl_route_plan(const struct fl_table *t, const struct fl_route *route,
                   const struct fl_route_request *request, struct fl_rng *rng,
                   struct fl_plan *ret_plan)
{
    struct survey s; /* large: only what is used is written */
    enum fl_strategy strategy = request->strategy_given ? request->strategy : route->strategy;
    s.choice = (struct fl_choice){.table = t,
                                  .route = route,
                                  .request = request,
                                  .rng = rng,
                                  .options = s.options,
                                  .why = ""};
    s.choice.algorithm = request->algorithm_given ? request->algorithm : route->algorithm;
    s.policy = fl_policy_of(strategy, s.choice.algorithm);
    s.aside_count = s.skipped_count = 0;
    survey(&s);
    ret_plan->route = route;
    ret_plan->strategy = strategy;
    ret_plan->policy = s.policy->name;
    ret_plan->why = "none";
    ret_plan->considered = s.choice.count + s.aside_count;
    ret_plan->count = ret_plan->candidate_count = 0;
    ret_plan->panic = s.skipped_count > 0 && s.skipped_count == ret_plan->considered;
    take_options(&s, ret_plan);
    take_aside(&s, ret_plan);
    fl_assert(ret_plan->count > 0 || route->target_count == 0);
}

void fl_plan_put_reason(const struct fl_table *t, const struct fl_plan *plan, struct fl_buf *b)
{
    static const char *const skips[] = {"", ":ejected", ":trial-busy"};
    const char *before = "; skipped=";
    fl_buf_put(b, FL_LIT("strategy="));
    fl_buf_put_cstr(b, fl_strategy_name(plan->strategy));
    if (strcmp(plan->policy, fl_strategy_name(plan->strategy)) != 0) {
        fl_buf_put(b, FL_LIT("; policy="));
        fl_buf_put_cstr(b, plan->policy);
    }
    fl_buf_put(b, FL_LIT("; why="));
    fl_buf_put_cstr(b, plan->why);
    fl_buf_put(b, FL_LIT("; considered="));
    fl_buf_put_u64(b, plan->considered);
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        const struct fl_candidate *c = &plan->candidates[i];
        if (c->skip != FL_SKIP_NONE) {
            fl_buf_put_cstr(b, before);
            fl_buf_put(b, t->targets[c->target].id);
            fl_buf_put_cstr(b, skips[c->skip]);
            before = ",";
        }
    }
}

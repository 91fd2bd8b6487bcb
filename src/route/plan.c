/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a route to a plan:
 *
 *   inspect   each target once: what the request would be there, and which constraints it fails
 *   settle    no target without a fault: what is given up, in the declared order, or refuse
 *   sort      by health: eligible primaries become options, all others stand aside
 *   order     the strategy's policy gives the options their order (none for a single one)
 *   take      options, then fallbacks, then cooling targets; the ejected only when there is nothing
 *             else
 *
 * Everything is read once, in inspect() and sort(), because other workers change it meanwhile.
 */
#include "route/filter.h"
#include "route/keys.h"
#include "route/policies.h"
#include "route/policy/common.h"

#include "base/assert.h"

#include <math.h>
#include <stddef.h>

/* Why a target is not among the options; also the order in which they come to be used. */
enum aside_kind {
    ASIDE_FALLBACK,
    ASIDE_COOLING,
    ASIDE_TRIAL_BUSY, /* from here on: only in panic */
    ASIDE_EJECTED,
    ASIDE_COOLING_LATE,
    ASIDE_NO_KEY,
    ASIDE_LIMITED, /* from here on: never */
    ASIDE_DRAINED,
    ASIDE_FAULTY
};

struct inspected {
    unsigned index, position; /* of the target in the table, in the route */
    uint32_t faults;
    bool priced;
    struct fl_tokens tokens;
    struct fl_cost cost;
};

struct extras {
    struct fl_measures_seen seen;
    struct fl_pace_seen pace;
    double terms[FL_TERMS_MAX];
};

struct aside {
    const struct inspected *at;
    enum aside_kind kind;
    uint64_t key; /* lower first among its kind */
};

struct survey {
    struct fl_choice choice;
    const struct fl_policy *policy;
    struct fl_demand demand;
    struct fl_concession concession;
    unsigned inspected_count, aside_count;
    unsigned later_count; /* aside, and left out but for panic */
    unsigned out_count;   /* aside, and not in the plan */
    unsigned ill_count;   /* aside for their health */
    uint64_t retry_ns;    /* when the first of those that wait would be ready */
    bool panic;
    /* One for each target looked at: */
    struct inspected *inspected;
    struct aside *aside;
    struct fl_option *options;
    struct extras *extras; /* of the options: apart, so that passes over these stay in the cache */
};

/* The best of what was offered, in order. */
struct best {
    unsigned count;
    void *items[FL_PLAN_MAX];
};

typedef bool before_fn(const void *a, const void *b);

static void best_offer(struct best *best, void *item, before_fn *before)
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

/* --- inspect, settle --- */

static void inspect(struct survey *s, unsigned position, struct fl_shortage *shortage)
{
    const struct fl_table *t = s->choice.table;
    struct inspected *i = &s->inspected[s->inspected_count++];
    i->position = position;
    i->index = s->choice.route->targets[position];
    i->tokens = fl_tokens_expected(t, i->index, s->choice.request);
    i->cost = (struct fl_cost){0, 0};
    i->priced = fl_cost_estimate(&t->targets[i->index], &i->tokens, &i->cost);
    i->faults = fl_faults_of(t, &s->demand, i->index, &i->tokens, i->priced ? &i->cost : NULL);
    fl_shortage_offer(shortage, &t->targets[i->index], i->faults);
}

static void inspect_all(struct survey *s, struct fl_shortage *shortage)
{
    const struct fl_route *route = s->choice.route;
    unsigned count = route->target_count, start = 0;
    if (count > FL_ROUTE_TARGETS_MAX) {
        start = (unsigned)fl_rng_below(s->choice.rng, count);
        count = FL_ROUTE_TARGETS_MAX;
    }
    for (unsigned i = 0; i < count; i++) {
        inspect(s, (start + i) % route->target_count, shortage);
    }
    s->concession = fl_shortage_settle(shortage, &s->choice.table->settings);
}

/* --- sort --- */

static void add_option(struct survey *s, const struct inspected *i)
{
    const struct fl_target *t = &s->choice.table->targets[i->index];
    struct extras *extras = &s->extras[s->choice.count];
    struct fl_option *o = &s->options[s->choice.count++];
    o->seen = &extras->seen;
    o->pace = &extras->pace;
    o->terms = extras->terms;
    o->target = t;
    o->state = t->state;
    o->index = i->index;
    o->position = i->position;
    o->level = i->position >= s->choice.route->primary_count;
    o->in_flight = fl_get(t->state->in_flight);
    o->pending_tokens = fl_get(t->state->pending_tokens);
    o->weight = t->weight;
    o->vigour = fl_breaker_vigour(&t->state->breaker, s->choice.request->now_ns);
    o->tokens = i->tokens;
    o->priced = i->priced;
    o->cost = i->cost;
    const struct fl_route_request *r = s->choice.request;
    bool learned = r->quality && t->kind < r->quality_count;
    o->quality = learned ? r->quality[t->kind] : (double)NAN;
    o->unproven = learned && r->quality_unproven && r->quality_unproven[t->kind];
    o->group = 0;
    o->key = o->score = 0;
    if (s->policy->measured) {
        fl_look(o, s->choice.request->now_ns);
    }
}

static void put_aside(struct survey *s, const struct inspected *i, enum aside_kind kind,
                      uint64_t key)
{
    s->aside[s->aside_count++] = (struct aside){i, kind, key};
    s->later_count += kind >= ASIDE_TRIAL_BUSY && kind < ASIDE_LIMITED;
    s->ill_count += kind == ASIDE_TRIAL_BUSY || kind == ASIDE_EJECTED;
    s->out_count += kind >= ASIDE_TRIAL_BUSY;
}

/* One that waits for a pause to end, or for a key's limit: in the plan if that is in time. */
static void put_waiting(struct survey *s, const struct inspected *i, uint64_t ready_ns,
                        enum aside_kind late)
{
    uint64_t deadline_ns = s->choice.request->deadline_ns;
    bool in_time = ready_ns != UINT64_MAX && (deadline_ns == 0 || ready_ns <= deadline_ns);
    put_aside(s, i, in_time ? ASIDE_COOLING : late, ready_ns);
    s->retry_ns = s->retry_ns == 0 || ready_ns < s->retry_ns ? ready_ns : s->retry_ns;
}

/* What its keys' limits say of a target that is in service. */
static bool put_by_keys(struct survey *s, const struct inspected *i, const struct fl_target *t)
{
    const struct fl_key_need need = {i->tokens.in, i->tokens.out_p90};
    uint64_t now_ns = s->choice.request->now_ns, wait_ns, ready_ns;
    uint64_t cool_ns = fl_get(t->state->breaker.cool_until_ns);
    switch (fl_keys_headroom(t->keys, t->key_count, need, now_ns, &wait_ns)) {
    case FL_HEADROOM:
        return false;
    case FL_HEADROOM_LATER:
        ready_ns = now_ns + wait_ns > cool_ns ? now_ns + wait_ns : cool_ns;
        put_waiting(s, i, ready_ns, ASIDE_LIMITED);
        return true;
    case FL_HEADROOM_NEVER:
        put_aside(s, i, ASIDE_LIMITED, UINT64_MAX);
        return true;
    case FL_HEADROOM_NO_KEY:
        put_aside(s, i, ASIDE_NO_KEY, now_ns + wait_ns);
        return true;
    }
    return false;
}

static void sort_one(struct survey *s, const struct inspected *i)
{
    const struct fl_target *t = &s->choice.table->targets[i->index];
    const struct fl_breaker *b = &t->state->breaker;
    if (!fl_concession_admits(&s->concession, t, i->faults)) {
        put_aside(s, i, ASIDE_FAULTY, (uint64_t)(FL_SKIP_COUNT - fl_faults_first(i->faults)));
        return;
    }
    enum fl_standing standing = fl_breaker_standing(b, s->choice.request->now_ns);
    if (t->key_count > 0 && (standing == FL_READY || standing == FL_COOLING) &&
        put_by_keys(s, i, t)) {
        return;
    }
    switch (standing) {
    case FL_READY:
        if (i->position < s->choice.route->primary_count || s->policy->fallbacks) {
            add_option(s, i);
        } else {
            put_aside(s, i, ASIDE_FALLBACK, i->position);
        }
        break;
    case FL_COOLING:
        put_waiting(s, i, fl_get(b->cool_until_ns), ASIDE_COOLING_LATE);
        break;
    case FL_TRIAL_BUSY:
        put_aside(s, i, ASIDE_TRIAL_BUSY, fl_get(b->trial_ns));
        break;
    case FL_EJECTED:
        put_aside(s, i, ASIDE_EJECTED, fl_breaker_badness(b));
        break;
    case FL_DRAINED:
        put_aside(s, i, ASIDE_DRAINED, 0);
        break;
    }
}

/* --- take --- */

/* Up to half of the record is kept free for skipped targets: why one was left out is asked more
 * often than who came ninth. */
static struct fl_candidate *take(const struct survey *s, struct fl_plan *plan, unsigned target,
                                 const struct fl_cost *cost)
{
    unsigned out = s->panic ? s->out_count - s->later_count : s->out_count;
    unsigned kept = out < FL_PLAN_MAX / 2 ? out : FL_PLAN_MAX / 2;
    if (plan->count == FL_PLAN_MAX) {
        return NULL;
    }
    plan->targets[plan->count++] = target;
    if (plan->candidate_count >= FL_PLAN_MAX - kept) {
        return NULL;
    }
    struct fl_candidate *c = &plan->candidates[plan->candidate_count++];
    *c = (struct fl_candidate){
        .target = target, .priced = cost != NULL, .cost_p50 = cost ? cost->p50 : 0};
    c->cost_p90 = cost ? cost->p90 : 0;
    return c;
}

static void skip(const struct survey *s, struct fl_plan *plan, const struct aside *a)
{
    static const enum fl_skip of_kind[] = {
        [ASIDE_TRIAL_BUSY] = FL_SKIP_TRIAL_BUSY, [ASIDE_EJECTED] = FL_SKIP_EJECTED,
        [ASIDE_COOLING_LATE] = FL_SKIP_COOLING,  [ASIDE_NO_KEY] = FL_SKIP_NO_KEY,
        [ASIDE_LIMITED] = FL_SKIP_LIMITED,       [ASIDE_DRAINED] = FL_SKIP_DRAINED};
    const struct inspected *i = a->at;
    const struct fl_route_request *r = s->choice.request;
    enum fl_skip why = a->kind == ASIDE_FAULTY ? fl_faults_first(i->faults) : of_kind[a->kind];
    if (plan->candidate_count < FL_PLAN_MAX) {
        plan->candidates[plan->candidate_count++] =
            (struct fl_candidate){.target = i->index,
                                  .skip = why,
                                  .missing = r->needs & s->choice.table->targets[i->index].lacks,
                                  .priced = i->priced,
                                  .cost_p50 = i->cost.p50,
                                  .cost_p90 = i->cost.p90};
    }
}

/* What is expected of the options that a policy ordered without asking. */
static void predict_best(struct fl_choice *c, const struct best *best)
{
    struct fl_pool_seen pool = {.pace.rtt_ns = 0};
    for (unsigned i = 0; i < best->count; i++) {
        struct fl_option *o = best->items[i];
        fl_look(o, c->request->now_ns);
        fl_pool_add(&pool, o);
    }
    fl_pool_close(&pool);
    for (unsigned i = 0; i < best->count; i++) {
        fl_predict_one(c, &pool, best->items[i]);
    }
}

static void record(const struct fl_choice *c, const struct fl_option *o, struct fl_candidate *line)
{
    line->scored = c->count > 1;
    line->score = o->score;
    for (unsigned i = 0; i < c->term_count; i++) {
        line->terms[i] = o->terms[i];
    }
    line->predicted = true;
    line->ttft_ns = (uint64_t)o->ttft_ns;
    line->total_ns = (uint64_t)o->total_ns;
}

static void order(struct survey *s, struct best *ret_best)
{
    struct fl_choice *c = &s->choice;
    if (c->count > 1) {
        if (s->policy->measured) {
            fl_predict(c);
        }
        s->policy->order(c);
        fl_assert(c->term_count <= FL_TERMS_MAX);
    }
    uint64_t seed = c->count > 1 ? fl_rng_next(c->rng) : 0;
    *ret_best = (struct best){.count = 0};
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].tie = fl_mix64(seed + i);
        best_offer(ret_best, &c->options[i], option_before);
    }
}

/* How many options are as good as the first. */
static unsigned ties_of(const struct fl_choice *c, const struct fl_option *first)
{
    unsigned ties = 0;
    for (unsigned i = 0; i < c->count; i++) {
        ties += c->options[i].group == first->group && c->options[i].key == first->key;
    }
    return ties;
}

static void take_options(struct survey *s, struct fl_plan *plan)
{
    struct fl_choice *c = &s->choice;
    struct best best;
    if (c->count == 0) {
        return;
    }
    order(s, &best);
    plan->why = c->count > 1 ? c->why : "only";
    plan->terms = c->terms;
    plan->term_count = c->term_count;
    plan->propensity = c->propensity / ties_of(c, best.items[0]);
    if (!s->policy->measured || c->count == 1) {
        predict_best(c, &best);
    }
    for (unsigned i = 0; i < best.count; i++) {
        const struct fl_option *o = best.items[i];
        struct fl_candidate *line = take(s, plan, o->index, o->priced ? &o->cost : NULL);
        if (line) {
            record(c, o, line);
        }
    }
}

static void take_aside(struct survey *s, struct fl_plan *plan)
{
    static const char *const whys[] = {"fallback", "cooling", "panic", "panic", "panic", "panic"};
    struct best best = {.count = 0};
    unsigned spare[FL_PLAN_MAX], spare_count = 0;
    for (unsigned i = 0; i < s->aside_count; i++) {
        best_offer(&best, &s->aside[i], aside_before);
    }
    for (unsigned i = 0; i < best.count; i++) {
        const struct aside *a = best.items[i];
        if (a->kind >= ASIDE_LIMITED || (a->kind >= ASIDE_TRIAL_BUSY && !s->panic)) {
            skip(s, plan, a);
            if (a->kind == ASIDE_EJECTED || a->kind == ASIDE_TRIAL_BUSY) {
                spare[spare_count++] = a->at->index;
            }
            continue;
        }
        if (plan->count == 0) {
            plan->why = whys[a->kind];
            plan->relaxed |= a->kind == ASIDE_COOLING ? FL_RELAXED_COOLING : 0;
        }
        unsigned place = plan->count;
        (void)take(s, plan, a->at->index, a->at->priced ? &a->at->cost : NULL);
        if (plan->count > place && a->kind == ASIDE_COOLING) {
            plan->ready_ns[place] = a->key;
        }
    }
    for (unsigned i = 0; i < spare_count && plan->count + i < FL_PLAN_MAX && plan->count > 0; i++) {
        plan->targets[plan->count + i] = spare[i];
        plan->spare_count++;
    }
}

/* --- the whole --- */

static void count_skipped(const struct survey *s, struct fl_plan *plan)
{
    for (unsigned i = 0; i < s->aside_count; i++) {
        const struct aside *a = &s->aside[i];
        if (a->kind == ASIDE_FAULTY) {
            plan->skipped[fl_faults_first(a->at->faults)]++;
        } else if (a->kind >= ASIDE_LIMITED) {
            plan->skipped[FL_SKIP_LIMITED] += a->kind == ASIDE_LIMITED;
            plan->skipped[FL_SKIP_DRAINED] += a->kind == ASIDE_DRAINED;
        } else if (!s->panic) {
            plan->skipped[FL_SKIP_NO_KEY] += a->kind == ASIDE_NO_KEY;
            plan->skipped[FL_SKIP_TRIAL_BUSY] += a->kind == ASIDE_TRIAL_BUSY;
            plan->skipped[FL_SKIP_EJECTED] += a->kind == ASIDE_EJECTED;
            plan->skipped[FL_SKIP_COOLING] += a->kind == ASIDE_COOLING_LATE;
        }
    }
    for (unsigned i = 1; i < FL_SKIP_COUNT; i++) {
        plan->binding = plan->skipped[i] > 0 ? (enum fl_skip)i : plan->binding;
    }
}

static enum fl_err refusal_of(enum fl_skip binding)
{
    static const enum fl_err errors[FL_SKIP_COUNT] = {
#define X(id, name, err) [id] = (err),
        FL_SKIPS(X)
#undef X
    };
    return binding == FL_SKIP_NONE ? FL_ERR_NO_TARGET : errors[binding];
}

/* When nothing else is left; or when less than half of those that could serve are well: then the
 * rest may be needed, and comes last. */
static bool must_panic(const struct survey *s)
{
    unsigned usable = s->choice.count + s->aside_count - s->out_count;
    return s->later_count > 0 && (usable == 0 || 2 * usable < usable + s->ill_count);
}

static void plan_in(struct survey *s, struct fl_plan *ret_plan)
{
    struct fl_shortage shortage = {0};
    const struct fl_route_request *request = s->choice.request;
    enum fl_strategy strategy =
        request->strategy_given ? request->strategy : s->choice.route->strategy;
    s->choice.options = s->options;
    s->choice.algorithm =
        request->algorithm_given ? request->algorithm : s->choice.route->algorithm;
    s->policy = fl_policy_of(strategy, s->choice.algorithm);
    s->demand = fl_demand_of(s->choice.route, request);
    inspect_all(s, &shortage);
    for (unsigned i = 0; i < s->inspected_count; i++) {
        sort_one(s, &s->inspected[i]);
    }
    s->panic = must_panic(s);
    memset(ret_plan, 0, offsetof(struct fl_plan, candidates)); /* the rest is set below */
    ret_plan->route = s->choice.route;
    ret_plan->strategy = strategy;
    ret_plan->policy = s->policy->name;
    ret_plan->why = "none";
    ret_plan->considered = s->inspected_count;
    ret_plan->terms = NULL;
    ret_plan->term_count = 0;
    ret_plan->propensity = 1;
    ret_plan->panic = s->panic;
    ret_plan->relaxed = s->concession.relaxed | (s->panic ? FL_RELAXED_PANIC : 0u);
    count_skipped(s, ret_plan);
    take_options(s, ret_plan);
    take_aside(s, ret_plan);
    if (ret_plan->count == 0) {
        ret_plan->err = refusal_of(ret_plan->binding);
        ret_plan->relaxed = 0;
        ret_plan->retry_ns = s->retry_ns == UINT64_MAX ? 0 : s->retry_ns;
    }
}

/* A survey is large, and of a short route only a little of it is needed: the stack that is not used is
 * not even probed. */
enum { few = 16, many = 64 };

static __attribute__((noinline)) void plan_few(struct survey s, struct fl_plan *ret_plan)
{
    struct inspected inspected[few];
    struct aside aside[few];
    struct fl_option options[few];
    struct extras extras[few];
    s.extras = extras;
    s.inspected = inspected;
    s.aside = aside;
    s.options = options;
    plan_in(&s, ret_plan);
}

static __attribute__((noinline)) void plan_many(struct survey s, struct fl_plan *ret_plan)
{
    struct inspected inspected[many];
    struct aside aside[many];
    struct fl_option options[many];
    struct extras extras[many];
    s.extras = extras;
    s.inspected = inspected;
    s.aside = aside;
    s.options = options;
    plan_in(&s, ret_plan);
}

static __attribute__((noinline)) void plan_most(struct survey s, struct fl_plan *ret_plan)
{
    struct inspected inspected[FL_ROUTE_TARGETS_MAX];
    struct aside aside[FL_ROUTE_TARGETS_MAX];
    struct fl_option options[FL_ROUTE_TARGETS_MAX];
    struct extras extras[FL_ROUTE_TARGETS_MAX];
    s.extras = extras;
    s.inspected = inspected;
    s.aside = aside;
    s.options = options;
    plan_in(&s, ret_plan);
}

void fl_route_plan(const struct fl_table *t, const struct fl_route *route,
                   const struct fl_route_request *request, struct fl_rng *rng,
                   struct fl_plan *ret_plan)
{
    struct survey s = {.choice = {.table = t,
                                  .route = route,
                                  .request = request,
                                  .rng = rng,
                                  .propensity = 1,
                                  .why = ""}};
    if (route->target_count <= few) {
        plan_few(s, ret_plan);
    } else if (route->target_count <= many) {
        plan_many(s, ret_plan);
    } else {
        plan_most(s, ret_plan);
    }
}

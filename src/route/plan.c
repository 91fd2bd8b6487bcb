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
#include "route/rank.h"

#include "base/assert.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>

/* Why a target is not among the options; also the order in which they come to be used. */
enum aside_kind {
    ASIDE_FALLBACK,
    ASIDE_TRIAL, /* one that is on trial is asked first, or after all that are well: a request must
                    not spend its attempts on trials */
    ASIDE_COOLING,
    ASIDE_TRIAL_BUSY, /* from here on: only in panic */
    ASIDE_EJECTED,
    ASIDE_COOLING_LATE,
    ASIDE_NO_KEY,
    ASIDE_LIMITED, /* from here on: never */
    ASIDE_DRAINED,
    ASIDE_FAULTY
};

struct aside {
    const struct fl_target *target;
    unsigned index; /* in the table */
    uint32_t faults;
    enum aside_kind kind;
    uint64_t key; /* lower first among its kind */
    bool priced;
    struct fl_cost cost;
};

struct survey {
    struct fl_choice choice;
    const struct fl_policy *policy;
    struct fl_demand demand;
    struct fl_tokens tokens; /* of the request, whatever the target */
    struct fl_concession concession;
    unsigned inspected_count, aside_count;
    unsigned later_count; /* aside, and left out but for panic */
    unsigned out_count;   /* aside, and not in the plan */
    unsigned ill_count;   /* aside for their health */
    uint64_t retry_ns;    /* when the first of those that wait would be ready */
    bool panic;
    /* One for each target looked at: */
    struct aside *aside;
    struct fl_option *options;     /* those inspected, then those of them that stay, closed up */
    uint32_t *faults;              /* of those inspected */
    double (*terms)[FL_TERMS_MAX]; /* of the options */
    struct fl_outlook outlook;
    struct fl_outlook_block *blocks; /* its memory */
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

static bool aside_before(const void *a, const void *b)
{
    const struct aside *x = a, *y = b;
    return x->kind != y->kind ? x->kind < y->kind : x->key < y->key;
}

/* --- inspect, settle --- */

/* As an option as far as it goes: most targets become one. */
static void inspect(struct survey *s, unsigned position, struct fl_shortage *shortage)
{
    const struct fl_table *t = s->choice.table;
    unsigned index = s->choice.route->targets[position];
    const struct fl_target *target = fl_target_for(t, index, s->choice.request);
    struct fl_option *o = &s->options[s->inspected_count];
    o->target = target;
    o->index = index;
    o->position = position;
    o->tokens = fl_tokens_at(&s->tokens, target, index, s->choice.request);
    o->cost = (struct fl_cost){0, 0};
    o->priced = fl_cost_estimate(target, &o->tokens, &o->cost);
    if (!o->priced) {
        memset(&o->cost, 0, sizeof(o->cost)); /* policies show it, and a record must be the same each time */
    }
    uint32_t faults = fl_faults_of(target, &s->demand, index, &o->tokens, o->priced ? &o->cost : NULL);
    s->faults[s->inspected_count++] = faults;
    fl_shortage_offer(shortage, target, faults);
}

static void inspect_all(struct survey *s, struct fl_shortage *shortage)
{
    const struct fl_route *route = s->choice.route;
    unsigned count = route->target_count, position = 0;
    if (count > FL_ROUTE_TARGETS_MAX) {
        position = (unsigned)fl_rng_below(s->choice.rng, count);
        count = FL_ROUTE_TARGETS_MAX;
    }
    s->tokens = fl_tokens_of(s->choice.request);
    for (unsigned i = 0; i < count; i++) {
        inspect(s, position, shortage);
        position = position + 1 < route->target_count ? position + 1 : 0;
    }
    s->concession = fl_shortage_settle(shortage, &s->choice.table->settings);
}

/* --- sort --- */

static void add_option(struct survey *s, const struct fl_option *inspected)
{
    struct fl_option *o = &s->options[s->choice.count];
    if (o != inspected) {
        *o = *inspected;
    }
    const struct fl_target *t = o->target;
    o->terms = s->terms[s->choice.count];
    o->place = s->choice.count++;
    o->state = t->state;
    o->level = o->position >= s->choice.route->primary_count;
    o->in_flight = fl_get(t->state->in_flight);
    o->pending_tokens = fl_get(t->state->pending_tokens);
    o->weight = t->weight;
    o->vigour = fl_breaker_vigour(&t->state->breaker, s->choice.request->now_ns);
    o->trial = fl_breaker_health(&t->state->breaker, s->choice.request->now_ns) == FL_HALF_OPEN;
    const struct fl_route_request *r = s->choice.request;
    o->quality = (double)NAN;
    o->unproven = false;
    if (r->quality && t->kind < r->quality_count) {
        o->quality = r->quality[t->kind];
        o->unproven = r->quality_unproven && r->quality_unproven[t->kind];
    }
    o->group = 0;
    o->key = o->score = 0;
}

static void put_option_aside(struct survey *s, const struct fl_option *o, uint32_t faults,
                             enum aside_kind kind, uint64_t key)
{
    s->aside[s->aside_count++] = (struct aside){.target = o->target,
                                                .index = o->index,
                                                .faults = faults,
                                                .kind = kind,
                                                .key = key,
                                                .priced = o->priced,
                                                .cost = o->cost};
    s->later_count += kind >= ASIDE_TRIAL_BUSY && kind < ASIDE_LIMITED;
    s->ill_count += kind == ASIDE_TRIAL_BUSY || kind == ASIDE_EJECTED;
    s->out_count += kind >= ASIDE_TRIAL_BUSY;
}

static void put_aside(struct survey *s, unsigned at, enum aside_kind kind, uint64_t key)
{
    put_option_aside(s, &s->options[at], s->faults[at], kind, key);
}

/* One that waits for a pause to end, or for a key's limit: in the plan if that is in time. */
static void put_waiting(struct survey *s, unsigned at, uint64_t ready_ns, enum aside_kind late)
{
    uint64_t deadline_ns = s->choice.request->deadline_ns;
    bool in_time = ready_ns != UINT64_MAX && (deadline_ns == 0 || ready_ns <= deadline_ns);
    put_aside(s, at, in_time ? ASIDE_COOLING : late, ready_ns);
    s->retry_ns = s->retry_ns == 0 || ready_ns < s->retry_ns ? ready_ns : s->retry_ns;
}

/* What its keys' limits say of a target that is in service. */
static bool put_by_keys(struct survey *s, unsigned at, const struct fl_target *t)
{
    const struct fl_option *o = &s->options[at];
    const struct fl_key_need need = {o->tokens.in, o->tokens.out_p90};
    uint64_t now_ns = s->choice.request->now_ns, wait_ns, ready_ns;
    uint64_t cool_ns = fl_get(t->state->breaker.cool_until_ns);
    switch (fl_keys_headroom(t->keys, t->key_count, need, now_ns, &wait_ns)) {
    case FL_HEADROOM:
        return false;
    case FL_HEADROOM_LATER:
        ready_ns = now_ns + wait_ns > cool_ns ? now_ns + wait_ns : cool_ns;
        put_waiting(s, at, ready_ns,
                    fl_keys_held_here(t->keys, t->key_count, need, now_ns) ? ASIDE_LIMITED
                                                                           : ASIDE_COOLING_LATE);
        return true;
    case FL_HEADROOM_NEVER:
        put_aside(s, at, ASIDE_LIMITED, UINT64_MAX);
        return true;
    case FL_HEADROOM_NO_KEY:
        put_aside(s, at, ASIDE_NO_KEY, now_ns + wait_ns);
        return true;
    }
    return false;
}

static void sort_one(struct survey *s, unsigned at)
{
    const struct fl_option *i = &s->options[at];
    const struct fl_target *t = i->target;
    uint32_t faults = s->faults[at];
    const struct fl_breaker *b = &t->state->breaker;
    if (!fl_concession_admits(&s->concession, t, faults)) {
        put_aside(s, at, ASIDE_FAULTY, (uint64_t)(FL_SKIP_COUNT - fl_faults_first(faults)));
        return;
    }
    enum fl_standing standing = fl_breaker_standing(b, s->choice.request->now_ns);
    if (t->key_count > 0 && (standing == FL_READY || standing == FL_COOLING) &&
        put_by_keys(s, at, t)) {
        return;
    }
    switch (standing) {
    case FL_READY:
        if (i->position < s->choice.route->primary_count || s->policy->fallbacks) {
            add_option(s, i);
        } else {
            bool trial = fl_breaker_health(b, s->choice.request->now_ns) == FL_HALF_OPEN;
            put_aside(s, at, trial ? ASIDE_TRIAL : ASIDE_FALLBACK, FL_PLAN_MAX + i->position);
        }
        break;
    case FL_COOLING:
        put_waiting(s, at, fl_get(b->cool_until_ns), ASIDE_COOLING_LATE);
        break;
    case FL_TRIAL_BUSY:
        put_aside(s, at, ASIDE_TRIAL_BUSY, fl_get(b->trial_ns));
        break;
    case FL_EJECTED:
        put_aside(s, at, ASIDE_EJECTED, fl_breaker_badness(b));
        break;
    case FL_DRAINED:
        put_aside(s, at, ASIDE_DRAINED, 0);
        break;
    }
}

/* --- predict --- */

static void look(struct fl_outlook *k, unsigned i, const struct fl_option *o)
{
    fl_outlook_look(k, i, o->state, &(struct fl_load){o->in_flight, o->pending_tokens}, &o->tokens);
}

static void predicted(const struct fl_outlook *k, unsigned i, struct fl_option *o)
{
    o->ttft_ns = fl_outlook_at(k, i, FL_SEES_TTFT_NS);
    o->total_ns = fl_outlook_at(k, i, FL_SEES_TOTAL_NS);
    o->error_ns = fl_outlook_at(k, i, FL_SEES_ERROR_NS);
    o->success = fl_outlook_at(k, i, FL_SEES_SUCCEEDS);
    o->believed = fl_outlook_at(k, i, FL_SEES_BELIEVED);
    o->failure_ns = fl_outlook_at(k, i, FL_SEES_FAILURE_NS);
}

static void predict_all(struct survey *s)
{
    struct fl_choice *c = &s->choice;
    c->outlook = &s->outlook;
    fl_outlook_begin(c->outlook, s->blocks, c->count, c->request->now_ns);
    for (unsigned i = 0; i < c->count; i++) {
        look(c->outlook, i, &c->options[i]);
    }
    fl_outlook_pool(c->outlook);
    fl_outlook_predict(c->outlook);
    for (unsigned i = 0; i < c->count; i++) {
        predicted(c->outlook, i, &c->options[i]);
    }
}

/* --- rank --- */

_Static_assert((int)FL_ROUTE_TARGETS_MAX <= (int)FL_RANKS_MAX, "every option has a rank");

struct ranking {
    unsigned count;
    struct fl_option *options[FL_PLAN_MAX];
};

/* The first of the options: group by group, in it by key, among equals by chance. */
static void rank_options(struct fl_choice *c, struct ranking *ret_ranking)
{
    fl_rank ranks[FL_ROUTE_TARGETS_MAX];
    uint64_t seed = c->count > 1 ? fl_rng_next(c->rng) : 0;
    unsigned group = 0, next;
    ret_ranking->count = 0;
    do {
        unsigned members = 0, room = FL_PLAN_MAX - ret_ranking->count;
        next = UINT_MAX;
        for (unsigned i = 0; i < c->count; i++) {
            const struct fl_option *o = &c->options[i];
            ranks[members] = fl_rank_of(o->key, fl_mix64(seed + i), i);
            members += o->group == group;
            next = o->group > group && o->group < next ? o->group : next;
        }
        members = fl_ranks_first(ranks, members, room);
        for (unsigned i = 0; i < members; i++) {
            ret_ranking->options[ret_ranking->count++] = &c->options[fl_rank_who(ranks[i])];
        }
        group = next;
    } while (next != UINT_MAX && ret_ranking->count < FL_PLAN_MAX);
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
    static const enum fl_skip of_kind[] = {[ASIDE_TRIAL_BUSY] = FL_SKIP_TRIAL_BUSY,
                                           [ASIDE_EJECTED] = FL_SKIP_EJECTED,
                                           [ASIDE_COOLING_LATE] = FL_SKIP_COOLING,
                                           [ASIDE_NO_KEY] = FL_SKIP_NO_KEY,
                                           [ASIDE_LIMITED] = FL_SKIP_LIMITED,
                                           [ASIDE_DRAINED] = FL_SKIP_DRAINED};
    const struct fl_route_request *r = s->choice.request;
    enum fl_skip why = a->kind == ASIDE_FAULTY ? fl_faults_first(a->faults) : of_kind[a->kind];
    if (plan->candidate_count < FL_PLAN_MAX) {
        plan->candidates[plan->candidate_count++] =
            (struct fl_candidate){.target = a->index,
                                  .skip = why,
                                  .missing = r->needs & a->target->lacks,
                                  .priced = a->priced,
                                  .cost_p50 = a->cost.p50,
                                  .cost_p90 = a->cost.p90};
    }
}

/* What is expected of the options that a policy ordered without asking. */
static void predict_best(const struct fl_choice *c, const struct ranking *best)
{
    struct fl_outlook_block blocks[FL_PLAN_MAX / FL_LANES];
    struct fl_outlook outlook;
    fl_outlook_begin(&outlook, blocks, best->count, c->request->now_ns);
    for (unsigned i = 0; i < best->count; i++) {
        look(&outlook, i, best->options[i]);
    }
    fl_outlook_pool(&outlook);
    fl_outlook_predict(&outlook);
    for (unsigned i = 0; i < best->count; i++) {
        predicted(&outlook, i, best->options[i]);
    }
}

/* Of an only target, asked for who knows how much, nothing is worth foretelling. */
static bool is_foreseen(const struct fl_choice *c)
{
    return c->count > 1 || c->request->tokens_in > 0;
}

static void record(const struct survey *s, const struct fl_option *o, struct fl_candidate *line)
{
    const struct fl_choice *c = &s->choice;
    line->scored = c->count > 1;
    line->score = o->score;
    if (line->scored && s->policy->explain) {
        s->policy->explain(c, o, line->terms);
    }
    for (unsigned i = 0; !s->policy->explain && i < c->term_count; i++) {
        line->terms[i] = o->terms[i];
    }
    line->predicted = is_foreseen(c);
    line->ttft_ns = (uint64_t)o->ttft_ns;
    line->total_ns = (uint64_t)o->total_ns;
}

static void order(struct survey *s, struct ranking *ret_ranking)
{
    struct fl_choice *c = &s->choice;
    if (c->count > 1) {
        if (s->policy->measured) {
            predict_all(s);
        }
        s->policy->order(c);
        fl_assert(c->term_count <= FL_TERMS_MAX);
    }
    rank_options(c, ret_ranking);
}

static void take_options(struct survey *s, struct fl_plan *plan)
{
    struct fl_choice *c = &s->choice;
    struct ranking best;
    if (c->count == 0) {
        return;
    }
    order(s, &best);
    plan->why = c->count > 1 ? c->why : "only";
    plan->terms = c->terms;
    plan->term_count = c->term_count;
    plan->propensity = c->propensity / ties_of(c, best.options[0]);
    if (is_foreseen(c) && (!s->policy->measured || c->count == 1)) {
        predict_best(c, &best);
    }
    for (unsigned i = 0; i < best.count; i++) {
        const struct fl_option *o = best.options[i];
        if (i > 0 && o->trial) {
            put_option_aside(s, o, 0, ASIDE_TRIAL, i);
            continue;
        }
        struct fl_candidate *line = take(s, plan, o->index, o->priced ? &o->cost : NULL);
        if (line) {
            record(s, o, line);
        }
    }
}

static void take_aside(struct survey *s, struct fl_plan *plan)
{
    static const char *const whys[] = {"fallback", "fallback", "cooling", "panic",
                                       "panic",    "panic",    "panic"};
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
                spare[spare_count++] = a->index;
            }
            continue;
        }
        if (plan->count == 0) {
            plan->why = whys[a->kind];
            plan->relaxed |= a->kind == ASIDE_COOLING ? FL_RELAXED_COOLING : 0;
        }
        unsigned place = plan->count;
        (void)take(s, plan, a->index, a->priced ? &a->cost : NULL);
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
            plan->skipped[fl_faults_first(a->faults)]++;
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
        sort_one(s, i);
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
    uint32_t faults[few];
    struct aside aside[few];
    struct fl_option options[few];
    double terms[few][FL_TERMS_MAX];
    struct fl_outlook_block blocks[few / FL_LANES];
    s.terms = terms;
    s.blocks = blocks;
    s.faults = faults;
    s.aside = aside;
    s.options = options;
    plan_in(&s, ret_plan);
}

static __attribute__((noinline)) void plan_many(struct survey s, struct fl_plan *ret_plan)
{
    uint32_t faults[many];
    struct aside aside[many];
    struct fl_option options[many];
    double terms[many][FL_TERMS_MAX];
    struct fl_outlook_block blocks[many / FL_LANES];
    s.terms = terms;
    s.blocks = blocks;
    s.faults = faults;
    s.aside = aside;
    s.options = options;
    plan_in(&s, ret_plan);
}

static __attribute__((noinline)) void plan_most(struct survey s, struct fl_plan *ret_plan)
{
    uint32_t faults[FL_ROUTE_TARGETS_MAX];
    struct aside aside[FL_ROUTE_TARGETS_MAX];
    struct fl_option options[FL_ROUTE_TARGETS_MAX];
    double terms[FL_ROUTE_TARGETS_MAX][FL_TERMS_MAX];
    struct fl_outlook_block blocks[FL_ROUTE_TARGETS_MAX / FL_LANES];
    s.terms = terms;
    s.blocks = blocks;
    s.faults = faults;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over random tables, capabilities, budgets, tiers and states of health: no target that may not be
 * chosen is planned, whatever the strategy; a refusal is made only where nobody is left, and names a
 * constraint that somebody fails; nothing is allocated; and the same seed gives the same decisions on
 * every build.
 */
#include "unit/cm.h"

#include "unit/route/pool.h"

enum { decisions = 10000 };

/* Of all plans below. It is the same for gcc and clang, -O0 and -O2; a change of what is decided
 * changes it: then take the one that the failing test prints. */
#define DIGEST UINT64_C(0x9ab6661bfe99a111)

struct world {
    struct pool p;
    struct fl_rng rng; /* of the world; the pool's is of the decisions */
    struct fl_route_request request;
    unsigned cached[POOL_MAX], by_tokenizer[4], preferred[4];
    uint64_t prefix[20];
    uint8_t denied[POOL_MAX];
    char session[8];
};

static uint64_t below(struct world *w, uint64_t n)
{
    return fl_rng_below(&w->rng, n);
}

static bool one_in(struct world *w, unsigned n)
{
    return below(w, n) == 0;
}

static void shape_target(struct world *w, unsigned index)
{
    struct fl_target *t = &w->p.targets[index];
    t->weight = 0.5 + (double)below(w, 8) / 2;
    t->cost_multiplier = one_in(w, 3) ? 0.5 + (double)below(w, 4) / 4 : 1;
    t->performance_bonus = one_in(w, 4) ? (double)below(w, 5) / 10 : 0;
    t->priced = !one_in(w, 4);
    t->price_in = below(w, 20) * 500000;
    t->price_cached = t->price_in / 10;
    t->price_out = below(w, 20) * 2000000;
    t->context_tokens = one_in(w, 2) ? 2000u << below(w, 6) : 0;
    t->output_tokens = one_in(w, 2) ? 500u << below(w, 5) : 0;
    t->lacks = one_in(w, 2) ? (uint32_t)(below(w, 64) & below(w, 64)) : 0;
    t->tier = (enum fl_tier)below(w, FL_TIER_COUNT);
    t->tokenizer = (unsigned)below(w, 5);
    t->kind = (unsigned)below(w, 4);
    t->disabled = one_in(w, 12);
    w->denied[index] = one_in(w, 10);
    w->cached[index] = one_in(w, 3) ? (unsigned)below(w, 3000) : 0;
}

static void wear(struct world *w, unsigned index)
{
    static const enum fl_err errors[] = {FL_OK, FL_OK, FL_OK, FL_ERR_SERVER, FL_ERR_RATE_LIMITED};
    struct fl_dispatch d;
    for (uint64_t i = below(w, 12); i > 0; i--) {
        enum fl_err err = errors[below(w, 5)];
        pool_try(&w->p, index, err, below(w, 3000) * MS);
    }
    for (uint64_t i = below(w, 3); i > 0; i--) {
        unsigned tokens = (unsigned)below(w, 4000);
        fl_route_begin(&w->p.targets[index], tokens, one_in(w, 2), w->p.now_ns, &d);
    }
}

/* One roll a statement: the order in which initialisers and arguments are evaluated is the
 * compiler's. */
static void shape_request(struct world *w)
{
    struct fl_route_request *r = &w->request;
    bool counted = !one_in(w, 5);
    *r =
        (struct fl_route_request){.now_ns = w->p.now_ns, .prefix = w->prefix, .tokenizer_count = 4};
    r->deadline_ns = one_in(w, 2) ? w->p.now_ns + below(w, 90) * S : 0;
    r->session = one_in(w, 4) ? fl_slice(w->session, 8) : FL_EMPTY;
    r->prefix_count = (unsigned)below(w, 20);
    unsigned size = 1u << below(w, 16);
    r->tokens_in = counted ? 1 + (unsigned)below(w, size) : 0;
    r->tokens_by_tokenizer = counted && one_in(w, 2) ? w->by_tokenizer : NULL;
    r->cached_tokens = one_in(w, 2) ? w->cached : NULL;
    r->cached_ppm = (uint32_t)below(w, 1000001);
    r->tokens_out = one_in(w, 2) ? 1 + (unsigned)below(w, 2000) : 0;
    r->tokens_out_max = one_in(w, 2) ? 1 + (unsigned)below(w, 8000) : 0;
    r->needs = (uint32_t)(below(w, 64) & below(w, 64));
    r->streaming = one_in(w, 2);
    r->tier = one_in(w, 2) ? (enum fl_tier)below(w, FL_TIER_COUNT) : FL_TIER_UNKNOWN;
    r->task_known = one_in(w, 2);
    r->task = (enum fl_task)below(w, FL_TASK_COUNT);
    r->max_cost_given = one_in(w, 2);
    r->max_cost_picousd = below(w, UINT64_C(30000000000));
    r->denied = one_in(w, 2) ? w->denied : NULL;
    r->tokens_out_p90 = r->tokens_out > 0 && one_in(w, 2) ? r->tokens_out * 2 : 0;
    for (unsigned i = 0; i < 4; i++) {
        w->by_tokenizer[i] = r->tokens_in + (unsigned)below(w, 1000);
    }
}

static void shape(struct world *w, uint64_t seed)
{
    fl_rng_seed(&w->rng, seed);
    unsigned count = 1 + (unsigned)below(w, 20);
    struct fl_selection s =
        fl_selection_at((unsigned)below(w, FL_STRATEGY_COUNT + FL_ALGORITHM_COUNT));
    pool_init(&w->p, count, s.strategy, s.algorithm);
    fl_rng_seed(&w->p.rng, seed);
    w->p.route.primary_count = 1 + (unsigned)below(w, count);
    w->p.table.settings.tier_down_allowed = one_in(w, 2);
    w->p.table.settings.over_budget_allowed = one_in(w, 2);
    w->p.route.tier = one_in(w, 4) ? (enum fl_tier)below(w, FL_TIER_COUNT) : FL_TIER_UNKNOWN;
    w->p.route.max_cost_picousd = one_in(w, 4) ? below(w, UINT64_C(30000000000)) : 0;
    for (unsigned i = 0; i < 20; i++) {
        w->prefix[i] = fl_rng_next(&w->rng);
    }
    memcpy(w->session, w->prefix, sizeof(w->session));
    for (unsigned i = 0; i < count; i++) {
        shape_target(w, i);
        wear(w, i);
    }
    for (unsigned i = 0; i < 4; i++) {
        w->preferred[i] = (unsigned)below(w, count);
    }
    w->p.route.preferred[FL_TASK_ANALYSIS] = w->preferred;
    w->p.route.preferred_count[FL_TASK_ANALYSIS] = 4;
}

/* --- What may be planned, said again in the plainest way --- */

static uint64_t tokens_in(const struct world *w, const struct fl_target *t)
{
    const struct fl_route_request *r = &w->request;
    return r->tokens_by_tokenizer && t->tokenizer < 4 ? r->tokens_by_tokenizer[t->tokenizer]
                                                      : r->tokens_in;
}

static uint64_t capped(uint64_t tokens, const struct fl_route_request *r, const struct fl_target *t)
{
    tokens = r->tokens_out_max > 0 && tokens > r->tokens_out_max ? r->tokens_out_max : tokens;
    return t->output_tokens > 0 && tokens > t->output_tokens ? t->output_tokens : tokens;
}

static bool fits_hard(const struct world *w, unsigned index)
{
    const struct fl_target *t = &w->p.targets[index];
    const struct fl_route_request *r = &w->request;
    return !t->disabled && !(r->denied && r->denied[index]) && (r->needs & t->lacks) == 0 &&
           (t->output_tokens == 0 || r->tokens_out_max <= t->output_tokens);
}

static bool fits_context(const struct world *w, unsigned index)
{
    const struct fl_target *t = &w->p.targets[index];
    const struct fl_route_request *r = &w->request;
    uint64_t out = r->tokens_out_p90 > 0 ? r->tokens_out_p90 : r->tokens_out;
    uint64_t whole = (r->tokens_in > 0 ? tokens_in(w, t) : 0) + capped(out, r, t);
    return t->context_tokens == 0 || whole <= t->context_tokens;
}

static bool fits_tier(const struct world *w, unsigned index)
{
    enum fl_tier asked = w->request.tier > 0 ? w->request.tier : w->p.route.tier;
    return w->p.targets[index].tier >= asked;
}

static bool fits_cost(const struct world *w, unsigned index)
{
    const struct fl_target *t = &w->p.targets[index];
    const struct fl_route_request *r = &w->request;
    uint64_t limit = r->max_cost_given ? r->max_cost_picousd : UINT64_MAX;
    uint64_t of_route = w->p.route.max_cost_picousd;
    limit = of_route > 0 && of_route < limit ? of_route : limit;
    uint64_t in = tokens_in(w, t) > 0 ? tokens_in(w, t) : 1000;
    uint64_t out = r->tokens_out_p90 > 0 ? r->tokens_out_p90
                   : r->tokens_out > 0   ? r->tokens_out
                                         : 300;
    double cost =
        (double)(in * t->price_in + capped(out, r, t) * t->price_out) * t->cost_multiplier;
    return limit == UINT64_MAX || (t->priced && cost < (double)limit + 1);
}

static void check(const struct world *w, uint64_t seed)
{
    const struct fl_plan *plan = &w->p.plan;
    unsigned fit = 0, faults;
    for (unsigned i = 0; i < w->p.route.target_count; i++) {
        fit += fits_hard(w, i) && fits_context(w, i) && fits_tier(w, i) && fits_cost(w, i);
    }
    for (unsigned i = 0; i < plan->count; i++) {
        unsigned t = plan->targets[i];
        faults = !fits_hard(w, t);
        faults += !fits_context(w, t) && !(plan->relaxed & FL_RELAXED_CONTEXT);
        faults += !fits_tier(w, t) && !(plan->relaxed & FL_RELAXED_TIER);
        faults += !fits_cost(w, t) && !(plan->relaxed & FL_RELAXED_COST);
        if (faults > 0) {
            print_error("seed %u: target %u is planned and may not be\n", (unsigned)seed, t);
            fail();
        }
    }
    assert_true((plan->count == 0) == (plan->err != FL_OK));
    assert_true(fit == 0 || plan->count > 0);
    const unsigned given_up = FL_RELAXED_CONTEXT | FL_RELAXED_TIER | FL_RELAXED_COST;
    assert_true(fit == 0 || (plan->relaxed & given_up) == 0);
    assert_true(w->p.table.settings.tier_down_allowed || !(plan->relaxed & FL_RELAXED_TIER));
    assert_true(w->p.table.settings.over_budget_allowed || !(plan->relaxed & FL_RELAXED_COST));
    unsigned skipped = 0;
    for (unsigned i = 0; i < FL_SKIP_COUNT; i++) {
        skipped += plan->skipped[i];
    }
    unsigned listed = plan->count < FL_PLAN_MAX ? plan->count : plan->considered - skipped;
    assert_int_equal(listed + skipped, plan->considered);
    assert_true(plan->err == FL_OK || plan->skipped[plan->binding] > 0);
    assert_true(plan->propensity > 0 && plan->propensity <= 1.0000001);
}

/* --- Allocations --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS 0
#endif
#endif
#ifndef COUNTS
#define COUNTS 1
#endif

static unsigned allocations;

#if COUNTS
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    allocations++;
    return __libc_realloc(memory, bytes);
}
#endif

/* --- Digest --- */

/* By names: a new error or reason must not look like another decision. */
static uint64_t hash_of(const char *name)
{
    return fl_hash((struct fl_hash_key){0, 0}, fl_slice_cstr(name));
}

static uint64_t digest_of(const struct fl_plan *plan, uint64_t digest)
{
    digest = fl_mix64(digest + hash_of(fl_err_name(plan->err)));
    digest = fl_mix64(digest + plan->relaxed + hash_of(fl_skip_name(plan->binding)));
    for (unsigned i = 0; i < plan->count; i++) {
        digest = fl_mix64(digest + plan->targets[i] + 1);
    }
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        uint64_t bits;
        memcpy(&bits, &plan->candidates[i].score, sizeof(bits));
        digest = fl_mix64(digest + bits);
    }
    return digest;
}

static void nobody_unfit_is_planned(void **state)
{
    (void)state;
    static struct world w;
    uint64_t digest = 0;
    unsigned refused = 0, relaxed = 0, counted = 0;
    for (uint64_t seed = 1; seed <= decisions / 10; seed++) {
        shape(&w, seed);
        for (unsigned i = 0; i < 10; i++) {
            shape_request(&w);
            unsigned before = allocations;
            fl_route_plan(&w.p.table, &w.p.route, &w.request, &w.p.rng, &w.p.plan);
            counted += allocations - before;
            check(&w, seed);
            refused += w.p.plan.err != FL_OK;
            relaxed += w.p.plan.relaxed != 0;
            digest = digest_of(&w.p.plan, digest);
            w.p.now_ns += below(&w, 20) * S;
        }
        pool_finish(&w.p);
    }
    print_message("%d decisions: %u refused, %u relaxed; digest 0x%016llx\n", decisions, refused,
                  relaxed, (unsigned long long)digest);
    assert_in_range(refused, decisions / 20, decisions * 19 / 20);
    assert_in_range(relaxed, decisions / 50, decisions / 2);
    assert_int_equal(counted, 0);
    assert_true(!COUNTS || allocations > 0); /* it does count */
    assert_true(digest == DIGEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_unfit_is_planned)};
    print_message("seeds 1 to %d\n", decisions / 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

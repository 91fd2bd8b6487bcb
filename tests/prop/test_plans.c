/* SPDX-License-Identifier: Apache-2.0 */
/* What holds of every plan, whatever the policy and whatever happened before; and that chance has
 * one source. */
#include "unit/cm.h"

#include "unit/route/pool.h"

enum { runs = 300, steps = 300 };

struct flight {
    unsigned target;
    struct fl_dispatch dispatch;
};

struct run {
    struct pool p;
    struct fl_rng rng; /* of the operations */
    struct flight flights[64];
    unsigned flight_count;
    uint64_t digest; /* of all plans */
};

static void shape(struct run *r, uint64_t seed)
{
    fl_rng_seed(&r->rng, seed);
    unsigned count = 1 + (unsigned)fl_rng_below(&r->rng, seed % 10 == 0 ? POOL_MAX : 20);
    pool_init(&r->p, count, (enum fl_strategy)fl_rng_below(&r->rng, FL_STRATEGY_COUNT),
              (enum fl_algorithm)fl_rng_below(&r->rng, FL_ALGORITHM_COUNT));
    fl_rng_seed(&r->p.rng, seed);
    r->p.route.primary_count = (unsigned)fl_rng_below(&r->rng, count + 1);
    r->p.table.health.failures_to_eject = 1 + (unsigned)fl_rng_below(&r->rng, 4);
    r->p.table.health.successes_to_recover = 1 + (unsigned)fl_rng_below(&r->rng, 4);
    for (unsigned i = 0; i < count; i++) {
        struct fl_target *t = &r->p.targets[i];
        t->weight = 0.1 + 10 * fl_rng_unit(&r->rng);
        t->cost_multiplier = 0.1 + fl_rng_unit(&r->rng);
        t->performance_bonus = fl_rng_unit(&r->rng) - 0.5;
        t->priced = fl_rng_below(&r->rng, 2) > 0;
        t->price_in = fl_rng_below(&r->rng, 10000000);
        t->price_out = fl_rng_below(&r->rng, 10000000);
    }
    r->flight_count = 0;
    r->digest = 0;
}

static void end_one(struct run *r)
{
    static const enum fl_err errors[] = {FL_OK,
                                         FL_OK,
                                         FL_OK,
                                         FL_ERR_SERVER,
                                         FL_ERR_CONNECT,
                                         FL_ERR_IDLE,
                                         FL_ERR_CANCELLED,
                                         FL_ERR_RATE_LIMITED};
    unsigned which = (unsigned)fl_rng_below(&r->rng, r->flight_count);
    struct flight f = r->flights[which];
    struct fl_outcome outcome = {
        .err = errors[fl_rng_below(&r->rng, sizeof(errors) / sizeof(errors[0]))],
        .total_ns = r->p.now_ns - f.dispatch.begun_ns,
        .first_byte_ns = fl_rng_below(&r->rng, 2) * (r->p.now_ns - f.dispatch.begun_ns) / 2,
        .tokens_out = fl_rng_below(&r->rng, 500),
        .retry_after_ns = fl_rng_below(&r->rng, 2) * S,
    };
    r->flights[which] = r->flights[--r->flight_count];
    if (outcome.first_byte_ns > 0 && f.dispatch.streaming) {
        fl_route_first_byte(&r->p.targets[f.target], &f.dispatch,
                            f.dispatch.begun_ns + outcome.first_byte_ns);
    }
    fl_route_end(&r->p.table, &r->p.targets[f.target], &f.dispatch, &outcome, r->p.now_ns);
}

static unsigned standing(const struct run *r, unsigned target)
{
    /* As a reader sees it: 0 may be tried, 1 must not be while another may. */
    return pool_view(&r->p, target).health == FL_OPEN;
}

static void check_counts(const struct run *r)
{
    for (unsigned i = 0; i < r->p.route.target_count; i++) {
        struct fl_target_view v = pool_view(&r->p, i);
        unsigned out = 0;
        for (unsigned j = 0; j < r->flight_count; j++) {
            out += r->flights[j].target == i;
        }
        assert_int_equal(v.in_flight, out);
        assert_int_equal(v.begun, v.succeeded + v.failed + v.uncounted + v.in_flight);
    }
}

static void check_plan(const struct run *r)
{
    const struct fl_plan *plan = &r->p.plan;
    bool planned[POOL_MAX] = {false}, skipped[POOL_MAX] = {false};
    unsigned open = 0;
    assert_in_range(plan->count, 1, FL_PLAN_MAX);
    for (unsigned i = 0; i < plan->count; i++) {
        assert_in_range(plan->targets[i], 0, r->p.route.target_count - 1);
        assert_false(planned[plan->targets[i]]);
        planned[plan->targets[i]] = true;
        open += standing(r, plan->targets[i]);
    }
    assert_true(plan->panic || open == 0);
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        const struct fl_candidate *c = &plan->candidates[i];
        assert_true(planned[c->target] == (c->skip == FL_SKIP_NONE));
        skipped[c->target] = c->skip != FL_SKIP_NONE;
        if (c->skip == FL_SKIP_NONE) {
            assert_int_equal(c->target, plan->targets[i]);
        }
    }
    if (r->p.route.target_count <= FL_PLAN_MAX) {
        for (unsigned i = 0; i < r->p.route.target_count; i++) {
            assert_true(planned[i] || skipped[i]);
        }
    }
    assert_true(plan->why[0] != '\0');
}

static void digest_plan(struct run *r)
{
    for (unsigned i = 0; i < r->p.plan.count; i++) {
        r->digest = fl_mix64(r->digest + r->p.plan.targets[i] + 1);
    }
}

static void step(struct run *r)
{
    unsigned who = (unsigned)fl_rng_below(&r->rng, 50), what = (unsigned)fl_rng_below(&r->rng, 16);
    r->p.now_ns += fl_rng_below(&r->rng, what == 0 ? 40 * S : 200 * MS);
    if (what == 1) {
        unsigned target = (unsigned)fl_rng_below(&r->rng, r->p.route.target_count);
        fl_route_probe(&r->p.table, &r->p.targets[target], who % 2 > 0, r->p.now_ns);
    } else if (r->flight_count > 0 && (what < 9 || r->flight_count == 64)) {
        end_one(r);
    } else {
        pool_plan_for(&r->p, who < 40 ? fl_slice((const char *)&who, 4) : FL_EMPTY);
        check_plan(r);
        digest_plan(r);
        unsigned target = r->p.plan.targets[who % 5 == 0 ? r->p.plan.count - 1 : 0];
        struct flight *f = &r->flights[r->flight_count++];
        f->target = target;
        fl_route_begin(&r->p.targets[target], (unsigned)fl_rng_below(&r->rng, 5000), who % 2 == 0,
                       r->p.now_ns, &f->dispatch);
    }
}

static uint64_t run(uint64_t seed)
{
    static struct run r;
    shape(&r, seed);
    for (unsigned i = 0; i < steps; i++) {
        step(&r);
        if (i % 10 == 0) {
            check_counts(&r);
        }
    }
    while (r.flight_count > 0) {
        end_one(&r);
    }
    check_counts(&r);
    pool_finish(&r.p);
    return r.digest;
}

static void plans_keep_their_laws(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= runs; seed++) {
        uint64_t digest = run(seed);
        if (run(seed) != digest) {
            print_error("seed %u: the same run gave other plans\n", (unsigned)seed);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans_keep_their_laws)};
    print_message("seeds 1 to %d\n", runs);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

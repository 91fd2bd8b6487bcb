/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "unit/route/pool.h"

static void init(struct pool *p, unsigned count)
{
    pool_init(p, count, FL_STRATEGY_LOAD_BALANCE, FL_ROUND_ROBIN);
}

static void assert_health(const struct pool *p, unsigned target, enum fl_health expected)
{
    assert_string_equal(fl_health_name(pool_view(p, target).health), fl_health_name(expected));
}

static void eject(struct pool *p, unsigned target)
{
    pool_try(p, target, FL_ERR_SERVER, 0);
    pool_try(p, target, FL_ERR_SERVER, 0);
    assert_health(p, target, FL_OPEN);
}

static uint64_t ejection_ns(const struct pool *p, unsigned target)
{
    return pool_view(p, target).ejected_until_ns - p->now_ns;
}

static void consecutive_failures_eject(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    for (int i = 0; i < 100; i++) { /* never two in a row */
        pool_try(&p, 0, FL_ERR_SERVER, 10 * MS);
        assert_health(&p, 0, FL_SUSPECT);
        pool_try(&p, 0, FL_OK, 10 * MS);
        assert_health(&p, 0, FL_HEALTHY);
    }
    eject(&p, 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pool_plan(&p), 1);
        assert_int_equal(p.plan.count, 1);
        assert_int_equal(p.plan.considered, 2);
        assert_string_equal(p.plan.why, "only");
        assert_int_equal(p.plan.candidate_count, 2);
        assert_int_equal(p.plan.candidates[1].skip, FL_SKIP_EJECTED);
    }
    pool_finish(&p);
}

static void ejections_double_to_a_ceiling(void **state)
{
    (void)state;
    static const uint64_t seconds[] = {30, 60, 120, 240, 300, 300};
    struct pool p;
    bool differ = false;
    init(&p, 1);
    pool_try(&p, 0, FL_ERR_CONNECT, 0);
    pool_try(&p, 0, FL_ERR_CONNECT, 0);
    for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        uint64_t ns = ejection_ns(&p, 0);
        assert_in_range(ns, seconds[i] * 900 * MS, seconds[i] * 1100 * MS);
        differ = differ || ns != seconds[i] * S;
        p.now_ns += ns - 1;
        assert_health(&p, 0, FL_OPEN);
        p.now_ns += 1;
        assert_health(&p, 0, FL_HALF_OPEN);
        pool_try(&p, 0, FL_ERR_CONNECT, 5 * MS); /* the trial */
        assert_health(&p, 0, FL_OPEN);
    }
    assert_true(differ);
    pool_finish(&p);
}

static void healthy_time_forgives_ejections(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    eject(&p, 0);
    p.now_ns += ejection_ns(&p, 0);
    for (int i = 0; i < 3; i++) {
        pool_try(&p, 0, FL_OK, 0);
    }
    assert_health(&p, 0, FL_HEALTHY);
    eject(&p, 0);
    assert_in_range(ejection_ns(&p, 0), 54 * S, 66 * S);
    p.now_ns += ejection_ns(&p, 0);
    for (int i = 0; i < 3; i++) {
        pool_try(&p, 0, FL_OK, 0);
    }
    p.now_ns += 60 * S; /* two healthy intervals */
    eject(&p, 0);
    assert_in_range(ejection_ns(&p, 0), 27 * S, 33 * S);
    pool_finish(&p);
}

static void recovery_takes_one_trial_at_a_time(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    eject(&p, 0);
    p.now_ns += 33 * S;
    for (int i = 0; i < 3; i++) {
        assert_health(&p, 0, FL_HALF_OPEN);
        pool_plan(&p);
        assert_int_equal(p.plan.count, 2);
        pool_begin(&p, 0);
        for (int j = 0; j < 4; j++) { /* while the trial is in flight */
            assert_int_equal(pool_plan(&p), 1);
            assert_int_equal(p.plan.count, 1);
            assert_int_equal(p.plan.candidates[1].target, 0);
            assert_int_equal(p.plan.candidates[1].skip, FL_SKIP_TRIAL_BUSY);
        }
        p.now_ns += 100 * MS;
        pool_end(&p, 0, FL_OK, 100 * MS);
    }
    assert_health(&p, 0, FL_HEALTHY);
    pool_finish(&p);
}

static void recovery_counts_consecutive_successes(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    eject(&p, 0);
    p.now_ns += 33 * S;
    pool_try(&p, 0, FL_OK, 1);
    pool_try(&p, 0, FL_OK, 1);
    pool_try(&p, 0, FL_ERR_IDLE, 1);
    assert_health(&p, 0, FL_OPEN);
    p.now_ns += 66 * S;
    pool_try(&p, 0, FL_OK, 1);
    pool_try(&p, 0, FL_OK, 1);
    assert_health(&p, 0, FL_HALF_OPEN);
    pool_try(&p, 0, FL_OK, 1);
    assert_health(&p, 0, FL_HEALTHY);
    pool_finish(&p);
}

/* A cancelled trial proves nothing and makes room for the next; a hung one holds the gate for a
 * minute. */
static void trials_never_block_for_good(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    eject(&p, 0);
    p.now_ns += 33 * S;
    pool_try(&p, 0, FL_ERR_CANCELLED, 10 * MS);
    assert_health(&p, 0, FL_HALF_OPEN);
    pool_plan(&p);
    assert_int_equal(p.plan.count, 2);
    pool_begin(&p, 0);
    p.now_ns += 60 * S - 1;
    pool_plan(&p);
    assert_int_equal(p.plan.count, 1);
    p.now_ns += 1;
    pool_plan(&p);
    assert_int_equal(p.plan.count, 2);
    pool_finish(&p);
}

static void one_incident_ejects_once(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    for (int i = 0; i < 50; i++) {
        pool_begin(&p, 0);
    }
    p.now_ns += S;
    for (int i = 0; i < 40; i++) {
        pool_end(&p, 0, FL_ERR_RESET, S);
    }
    assert_health(&p, 0, FL_OPEN);
    assert_in_range(ejection_ns(&p, 0), 27 * S, 33 * S);
    for (int i = 0; i < 10; i++) { /* old successes do not recover it either */
        pool_end(&p, 0, FL_OK, S);
    }
    assert_health(&p, 0, FL_OPEN);
    assert_int_equal(pool_view(&p, 0).failed, 40);
    assert_int_equal(pool_view(&p, 0).succeeded, 10);
    pool_finish(&p);
}

static void callers_errors_change_nothing(void **state)
{
    (void)state;
    static const enum fl_err errors[] = {FL_ERR_UPSTREAM_REQUEST, FL_ERR_CANCELLED, FL_ERR_DEADLINE,
                                         FL_ERR_BODY_LONG,        FL_ERR_INTERNAL,  FL_ERR_NOMEM};
    struct pool p;
    init(&p, 2);
    struct fl_target_view before = pool_view(&p, 0), after;
    for (unsigned i = 0; i < 10000; i++) {
        pool_try(&p, 0, errors[i % (sizeof(errors) / sizeof(errors[0]))], i % 3 * MS);
    }
    after = pool_view(&p, 0);
    assert_int_equal(after.health, FL_HEALTHY);
    assert_int_equal(after.uncounted, 10000);
    assert_int_equal(after.failed, 0);
    assert_true(after.success == before.success);
    assert_true(after.total_ms == 0);
    pool_plan(&p);
    assert_int_equal(p.plan.count, 2);
    pool_finish(&p);
}

static void rate_limits_put_last_for_a_while(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3);
    p.route.primary_count = 2;
    pool_try(&p, 0, FL_ERR_RATE_LIMITED, 0);
    assert_health(&p, 0, FL_HEALTHY);
    assert_int_equal(pool_plan(&p), 1);
    assert_int_equal(p.plan.count, 3);
    assert_int_equal(p.plan.targets[1], 2); /* the fallback */
    assert_int_equal(p.plan.targets[2], 0);
    p.now_ns += 1 * S;
    unsigned first[2] = {0, 0};
    first[pool_plan(&p)]++;
    first[pool_plan(&p)]++;
    assert_int_equal(first[0], 1);

    struct fl_outcome limited = {.err = FL_ERR_RATE_LIMITED, .retry_after_ns = 20 * S};
    pool_begin(&p, 0);
    fl_route_end(&p.table, &p.targets[0], &limited, p.now_ns);
    pool_try(&p, 0, FL_ERR_RATE_LIMITED, 0); /* a shorter one does not shorten it */
    p.now_ns += 20 * S - 1;
    assert_int_equal(pool_plan(&p), 1);
    pool_try(&p, 1, FL_ERR_QUOTA, 0);
    pool_try(&p, 2, FL_ERR_RATE_LIMITED, 0);
    assert_int_equal(pool_plan(&p), 0);
    assert_string_equal(p.plan.why, "cooling");
    assert_false(p.plan.panic);
    assert_int_equal(p.plan.targets[1], 2);
    assert_int_equal(p.plan.targets[2], 1);
    assert_int_equal(pool_view(&p, 0).uncounted, 3);
    pool_finish(&p);
}

static void unknown_models_count_where_the_name_was_ours(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    p.targets[1].model = FL_EMPTY;
    for (int i = 0; i < 10; i++) {
        pool_try(&p, 1, FL_ERR_UPSTREAM_MODEL, 0);
    }
    assert_health(&p, 1, FL_HEALTHY);
    assert_int_equal(pool_view(&p, 1).uncounted, 10);
    pool_try(&p, 0, FL_ERR_UPSTREAM_MODEL, 0);
    assert_health(&p, 0, FL_SUSPECT);
    pool_try(&p, 0, FL_ERR_UPSTREAM_AUTH, 0);
    assert_health(&p, 0, FL_OPEN);
    pool_finish(&p);
}

static void panic_takes_the_least_bad(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3);
    p.route.primary_count = 2;
    eject(&p, 1);
    p.now_ns += 10 * S;
    eject(&p, 2);
    p.now_ns += 10 * S;
    eject(&p, 0);
    assert_int_equal(pool_plan(&p), 1);
    assert_true(p.plan.panic);
    assert_string_equal(p.plan.why, "panic");
    assert_int_equal(p.plan.count, 3);
    assert_int_equal(p.plan.targets[1], 2);
    assert_int_equal(p.plan.targets[2], 0);
    /* A success in panic is evidence: the target is on its way back. A failure says nothing new. */
    uint64_t until_ns = pool_view(&p, 1).ejected_until_ns;
    pool_try(&p, 1, FL_ERR_SERVER, MS);
    assert_int_equal(pool_view(&p, 1).ejected_until_ns, until_ns);
    pool_try(&p, 0, FL_OK, MS);
    assert_health(&p, 0, FL_HALF_OPEN);
    assert_int_equal(pool_plan(&p), 0);
    assert_false(p.plan.panic);
    pool_begin(&p, 0); /* its trial is out: panic again, with it first */
    assert_int_equal(pool_plan(&p), 0);
    assert_true(p.plan.panic);
    pool_finish(&p);
}

static void probes_recover_and_accuse(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    eject(&p, 0);
    fl_route_probe(&p.table, &p.targets[0], false, p.now_ns);
    assert_health(&p, 0, FL_OPEN);
    fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
    assert_health(&p, 0, FL_HALF_OPEN);
    fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
    pool_try(&p, 0, FL_OK, MS);
    assert_health(&p, 0, FL_HEALTHY);
    pool_try(&p, 0, FL_ERR_SERVER, MS);
    for (int i = 0; i < 5; i++) { /* they do not excuse the failure */
        fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
        assert_health(&p, 0, FL_SUSPECT);
    }
    fl_route_probe(&p.table, &p.targets[0], false, p.now_ns);
    assert_health(&p, 0, FL_OPEN);
    assert_int_equal(pool_view(&p, 0).begun, 4); /* probes are not attempts */
    pool_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consecutive_failures_eject),
        cmocka_unit_test(ejections_double_to_a_ceiling),
        cmocka_unit_test(healthy_time_forgives_ejections),
        cmocka_unit_test(recovery_takes_one_trial_at_a_time),
        cmocka_unit_test(recovery_counts_consecutive_successes),
        cmocka_unit_test(trials_never_block_for_good),
        cmocka_unit_test(one_incident_ejects_once),
        cmocka_unit_test(callers_errors_change_nothing),
        cmocka_unit_test(rate_limits_put_last_for_a_while),
        cmocka_unit_test(unknown_models_count_where_the_name_was_ours),
        cmocka_unit_test(panic_takes_the_least_bad),
        cmocka_unit_test(probes_recover_and_accuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

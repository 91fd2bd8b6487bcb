/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "route/health.h"
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

/* The pool's limit is two failures in a row; a success in between takes a tenth of one off. */
static void failures_in_a_row_eject(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    for (int i = 0; i < 100; i++) {
        pool_try(&p, 0, FL_ERR_SERVER, 10 * MS);
        assert_health(&p, 0, FL_SUSPECT);
        for (int j = 0; j < 9; j++) {
            pool_try(&p, 0, FL_OK, 10 * MS);
            assert_health(&p, 0, FL_SUSPECT);
        }
        pool_try(&p, 0, FL_OK, 10 * MS); /* the tenth: nothing is held against it any more */
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

/* ROUTING.md 2.2 and 6: whatever the number, so many in a row eject and one less does not; a target
 * of which every other attempt fails is out as well, which counting in a row never sees. */
static void evidence_adds_up(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 12; n++) {
        struct pool p;
        init(&p, 1);
        p.table.health.failures_to_eject = n;
        for (unsigned i = 0; i < n; i++) {
            assert_true(pool_view(&p, 0).health != FL_OPEN);
            pool_try(&p, 0, FL_ERR_SERVER, MS);
        }
        assert_health(&p, 0, FL_OPEN);
        pool_finish(&p);
    }
    struct pool p;
    unsigned failures = 0;
    init(&p, 1);
    p.table.health.failures_to_eject = 3;
    while (pool_view(&p, 0).health != FL_OPEN && failures < 10) {
        pool_try(&p, 0, FL_OK, MS);
        pool_try(&p, 0, FL_ERR_SERVER, MS);
        failures++;
    }
    assert_int_equal(failures, 3);
    pool_finish(&p);
}

/* An overload counts half: six in a row where three failures eject. */
static void overloads_count_half(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    p.table.health.failures_to_eject = 3;
    for (int i = 0; i < 6; i++) {
        assert_true(pool_view(&p, 0).health != FL_OPEN);
        pool_try(&p, 0, FL_ERR_UPSTREAM_OVERLOADED, MS);
    }
    assert_health(&p, 0, FL_OPEN);
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
    struct fl_dispatch dispatch;
    fl_route_begin(&p.targets[0], 0, false, p.now_ns, &dispatch);
    fl_route_end(&p.table, &p.targets[0], &dispatch, &limited, p.now_ns);
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

static void models_that_are_gone_take_a_target_out(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    p.targets[1].model = FL_EMPTY; /* any model: the name was the client's */
    for (int i = 0; i < 10; i++) {
        pool_try(&p, 1, FL_ERR_UPSTREAM_MODEL, 0);
    }
    assert_health(&p, 1, FL_HEALTHY);
    assert_int_equal(pool_view(&p, 1).uncounted, 10);
    pool_try(&p, 0, FL_ERR_UPSTREAM_MODEL, 0);
    assert_health(&p, 0, FL_OPEN);
    assert_int_equal(pool_view(&p, 0).failed, 0);
    assert_in_range(ejection_ns(&p, 0), 270 * S, 330 * S);
    pool_finish(&p);
}

/* What a request names or says may be why it is refused so: no client ejects a target by it that
 * others are served by. A target that refuses all is out in the end. */
static void refusals_eject_only_in_a_long_row(void **state)
{
    (void)state;
    static const enum fl_err errors[] = {FL_ERR_UPSTREAM_FORBIDDEN, FL_ERR_UPSTREAM_NOT_FOUND};
    for (unsigned e = 0; e < 2; e++) {
        struct pool p;
        init(&p, 2);
        for (int i = 0; i < 10000; i++) {
            pool_try(&p, 0, i % 20 < 19 ? errors[e] : FL_OK, MS);
            assert_health(&p, 0, FL_HEALTHY);
        }
        assert_int_equal(pool_view(&p, 0).failed, 0);
        for (int i = 0; i < FL_REFUSALS_MAX; i++) {
            assert_health(&p, 0, FL_HEALTHY);
            pool_try(&p, 0, errors[e], MS);
        }
        assert_health(&p, 0, FL_OPEN);
        p.now_ns += 33 * S;
        pool_try(&p, 0, errors[e], MS); /* its trial */
        assert_health(&p, 0, FL_OPEN);
        pool_finish(&p);
    }
}

/* Where no keys are watched, a refused key is the target's failure: one alone does not eject. */
static void refused_keys_count_where_nobody_watches_them(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2);
    pool_try(&p, 0, FL_ERR_UPSTREAM_AUTH, 0);
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
    assert_string_equal(p.plan.why, "only");
    assert_int_equal(p.plan.count,
                     3); /* one of three is on its way back: the others may be needed */
    assert_true(p.plan.panic);
    pool_begin(&p, 0); /* its trial is out: panic again, with it first */
    assert_int_equal(pool_plan(&p), 0);
    assert_string_equal(p.plan.why, "panic");
    assert_true(p.plan.panic);
    pool_finish(&p);
}

static void checks_recover_and_accuse(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    eject(&p, 0);
    fl_route_probe(&p.table, &p.targets[0], false, p.now_ns);
    assert_health(&p, 0, FL_OPEN);
    for (int i = 0; i < 3; i++) { /* a check saw the illness: so checks see the recovery */
        fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
        assert_health(&p, 0, i < 2 ? FL_HALF_OPEN : FL_HEALTHY);
    }
    pool_try(&p, 0, FL_ERR_SERVER, MS);
    for (int i = 0; i < 5; i++) { /* they do not excuse the failure */
        fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
        assert_health(&p, 0, FL_SUSPECT);
    }
    for (int i = 0; i < 5; i++) { /* never two bad ones in a row */
        fl_route_probe(&p.table, &p.targets[0], false, p.now_ns);
        assert_health(&p, 0, FL_SUSPECT);
        fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
    }
    fl_route_probe(&p.table, &p.targets[0], false, p.now_ns);
    fl_route_probe(&p.table, &p.targets[0], false, p.now_ns);
    assert_health(&p, 0, FL_OPEN);
    assert_int_equal(pool_view(&p, 0).begun, 3); /* checks are not attempts */
    pool_finish(&p);
}

/* A list of models that can be read all the while says nothing about requests that fail. */
static void checks_that_saw_nothing_recover_nothing(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    eject(&p, 0);
    for (int i = 0; i < 10; i++) {
        fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
        assert_health(&p, 0, FL_OPEN);
    }
    pool_finish(&p);
}

/* Two counters: two good checks and two good trials are three of neither. */
static void checks_and_trials_count_apart(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    eject(&p, 0);
    for (int i = 0; i < 2; i++) {
        fl_route_probe(&p.table, &p.targets[0], true, p.now_ns);
        pool_try(&p, 0, FL_OK, MS);
        assert_health(&p, 0, FL_HALF_OPEN);
    }
    pool_try(&p, 0, FL_OK, MS);
    assert_health(&p, 0, FL_HEALTHY);
    pool_finish(&p);
}

static void recovery_starts_slowly(void **state)
{
    (void)state;
    struct pool p;
    unsigned picks[2] = {0, 0};
    init(&p, 2);
    assert_true(pool_view(&p, 0).vigour == 1);
    eject(&p, 0);
    p.now_ns += 33 * S;
    for (int i = 0; i < 3; i++) {
        pool_try(&p, 0, FL_OK, 0);
    }
    assert_health(&p, 0, FL_HEALTHY);
    assert_true(pool_view(&p, 0).vigour == 0.1);
    p.route.algorithm = FL_WEIGHTED_ROUND_ROBIN;
    for (int i = 0; i < 110; i++) {
        picks[pool_plan(&p)]++;
    }
    assert_in_range(picks[0], 9, 11); /* a tenth of the other's */
    p.now_ns += 30 * S;
    assert_true(pool_view(&p, 0).vigour == 0.5);
    p.now_ns += 30 * S;
    assert_true(pool_view(&p, 0).vigour == 1);
    pool_finish(&p);
}

static void operators_drain_and_enable(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3);
    pool_begin(&p, 0);
    fl_route_drain(&p.targets[0], true, p.now_ns);
    pool_end(&p, 0, FL_OK, MS); /* what is in flight goes on */
    for (int i = 0; i < 10; i++) {
        assert_true(pool_plan(&p) != 0);
        assert_int_equal(p.plan.count, 2);
        assert_int_equal(p.plan.skipped[FL_SKIP_DRAINED], 1);
    }
    assert_true(pool_view(&p, 0).drained);
    eject(&p, 1);
    eject(&p, 2);
    pool_plan(&p); /* not even in panic */
    assert_int_equal(p.plan.count, 2);
    assert_true(p.plan.panic);
    eject(&p, 0);
    fl_route_drain(&p.targets[0], false, p.now_ns); /* in again, and well */
    assert_health(&p, 0, FL_HEALTHY);
    assert_int_equal(pool_plan(&p), 0);
    pool_finish(&p);
}

static void all_drained_is_nobody(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1);
    fl_route_drain(&p.targets[0], true, p.now_ns);
    pool_plan(&p);
    assert_int_equal(p.plan.count, 0);
    assert_int_equal(p.plan.err, FL_ERR_NO_TARGET);
    assert_int_equal(p.plan.binding, FL_SKIP_DRAINED);
    pool_finish(&p);
}

/* Of a provider all targets fail together where the failure was before any model. */
static void siblings_share_their_fate(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 4);
    for (unsigned i = 0; i < 4; i++) { /* 0 and 1 one provider; 2 the same vendor; 3 alone */
        p.targets[i].fate[FL_FATE_PROVIDER] = i < 2 ? 10 : i;
        p.targets[i].fate[FL_FATE_VENDOR] = i < 3 ? 20 : 30;
    }
    pool_try(&p, 0, FL_ERR_SERVER, MS);
    assert_health(&p, 1, FL_SUSPECT); /* told */
    assert_health(&p, 2, FL_SUSPECT);
    assert_health(&p, 3, FL_HEALTHY);
    for (int i = 0; i < 100; i++) { /* never by hearsay alone */
        pool_try(&p, 0, FL_ERR_SERVER, MS);
    }
    assert_health(&p, 0, FL_OPEN);
    assert_health(&p, 1, FL_SUSPECT);
    pool_try(&p, 3, FL_ERR_RESET, MS);
    assert_health(&p, 2, FL_SUSPECT);
    pool_finish(&p);

    init(&p, 3);
    p.targets[0].fate[FL_FATE_PROVIDER] = p.targets[1].fate[FL_FATE_PROVIDER] = 10;
    p.targets[0].fate[FL_FATE_ACCOUNT] = p.targets[2].fate[FL_FATE_ACCOUNT] = 11; /* another address */
    pool_try(&p, 0, FL_ERR_CONNECT, MS);
    pool_try(&p, 0, FL_ERR_CONNECT, MS);
    assert_health(&p, 0, FL_OPEN);
    assert_health(&p, 1, FL_OPEN);
    assert_health(&p, 2, FL_SUSPECT); /* told, not out */
    assert_int_equal(pool_view(&p, 1).begun, 0);
    pool_finish(&p);
}

static void costly_checks_are_counted(void **state)
{
    (void)state;
    struct pool p;
    unsigned sent = 0;
    init(&p, 1);
    assert_false(fl_route_canary(&p.targets[0], p.now_ns)); /* it is well */
    eject(&p, 0);
    assert_false(fl_route_canary(&p.targets[0], p.now_ns));
    p.now_ns += 33 * S;
    for (unsigned i = 0; i < 3600; i++) {
        sent += fl_route_canary(&p.targets[0], p.now_ns);
        p.now_ns += S;
    }
    assert_in_range(sent, 14, 15); /* three at once, then one in five minutes */
    pool_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_eject),
        cmocka_unit_test(evidence_adds_up),
        cmocka_unit_test(overloads_count_half),
        cmocka_unit_test(ejections_double_to_a_ceiling),
        cmocka_unit_test(healthy_time_forgives_ejections),
        cmocka_unit_test(recovery_takes_one_trial_at_a_time),
        cmocka_unit_test(recovery_counts_consecutive_successes),
        cmocka_unit_test(trials_never_block_for_good),
        cmocka_unit_test(one_incident_ejects_once),
        cmocka_unit_test(callers_errors_change_nothing),
        cmocka_unit_test(rate_limits_put_last_for_a_while),
        cmocka_unit_test(models_that_are_gone_take_a_target_out),
        cmocka_unit_test(refusals_eject_only_in_a_long_row),
        cmocka_unit_test(refused_keys_count_where_nobody_watches_them),
        cmocka_unit_test(panic_takes_the_least_bad),
        cmocka_unit_test(checks_recover_and_accuse),
        cmocka_unit_test(checks_that_saw_nothing_recover_nothing),
        cmocka_unit_test(checks_and_trials_count_apart),
        cmocka_unit_test(recovery_starts_slowly),
        cmocka_unit_test(operators_drain_and_enable),
        cmocka_unit_test(all_drained_is_nobody),
        cmocka_unit_test(siblings_share_their_fate),
        cmocka_unit_test(costly_checks_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

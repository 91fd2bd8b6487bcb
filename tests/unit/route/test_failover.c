/* SPDX-License-Identifier: Apache-2.0 */
/* What is tried after which failure, and what it costs. */
#include "unit/cm.h"

#include "route/failover.h"
#include "route/state.h"
#include "unit/route/pool.h"

enum { TARGETS = 5 };

struct scene {
    struct pool pool;
    struct fl_failover f;
    struct fl_failover_scene at;
    struct fl_retry_budget budget, tenant;
    struct fl_rng rng;
};

/* 0 and 1: provider A; 2: provider B of the same vendor; 3 and 4: other vendors. Planned in this
 * order. */
static void open_scene(struct scene *s)
{
    static const uint64_t accounts[TARGETS] = {1, 1, 2, 3, 4}, vendors[TARGETS] = {1, 1, 1, 3, 4};
    memset(s, 0, sizeof(*s));
    pool_init(&s->pool, TARGETS, FL_STRATEGY_PRIORITY, FL_ROUND_ROBIN);
    for (unsigned i = 0; i < TARGETS; i++) {
        s->pool.targets[i].fate[FL_FATE_PROVIDER] = s->pool.targets[i].fate[FL_FATE_ACCOUNT] = accounts[i];
        s->pool.targets[i].fate[FL_FATE_VENDOR] = vendors[i];
        s->pool.targets[i].context_tokens = 1000 * (i + 1);
    }
    pool_plan(&s->pool);
    s->pool.plan.count = TARGETS;
    for (unsigned i = 0; i < TARGETS; i++) {
        s->pool.plan.targets[i] = i;
    }
    fl_rng_seed(&s->rng, 1);
    fl_failover_start(&s->f);
    s->at = (struct fl_failover_scene){.table = &s->pool.table,
                                       .plan = &s->pool.plan,
                                       .pool = &s->budget,
                                       .tenant = &s->tenant,
                                       .rng = &s->rng,
                                       .now_ns = s->pool.now_ns,
                                       .deadline_ns = s->pool.now_ns + 60 * S};
}

static void close_scene(struct scene *s)
{
    pool_finish(&s->pool);
}

static struct fl_step after(struct scene *s, unsigned place, enum fl_err err)
{
    const struct fl_failed failed = {.place = place, .err = err};
    return fl_failover_next(&s->f, &s->at, &failed);
}

/* Fails with this from the first on, until there is no more to do; the places tried as digits, a
 * '*' before one that is paid for. */
static const char *story(struct scene *s, enum fl_err err)
{
    static char text[64];
    struct fl_step step = fl_failover_first(&s->f, &s->at);
    size_t len = 0;
    while (step.kind != FL_STEP_NONE && len < sizeof(text) - 3) {
        if (step.paid) {
            text[len++] = '*';
        }
        text[len++] = (char)('0' + step.place);
        step = after(s, step.place, err);
    }
    text[len] = '\0';
    return text;
}

static void assert_story(enum fl_err err, const char *expected)
{
    struct scene s;
    open_scene(&s);
    assert_string_equal(story(&s, err), expected);
    close_scene(&s);
}

static void every_class_has_its_story(void **state)
{
    (void)state;
    /* Rate: everybody at once, free, other domains first; in the end the same again. */
    assert_story(FL_ERR_RATE_LIMITED, "0342"
                                      "11");
    /* Paid twice, once more as a rescue. */
    assert_story(FL_ERR_SERVER, "0*3*42");
    /* What cannot be reached is the provider's: its other model is no choice. */
    assert_story(FL_ERR_CONNECT, "0342");
    assert_story(FL_ERR_DNS, "0342");
    /* Quota is the account's. */
    assert_story(FL_ERR_QUOTA, "0342");
    assert_story(FL_ERR_UPSTREAM_AUTH, "0342");
    assert_story(FL_ERR_UPSTREAM_MODEL, "03421");
    /* A longer context each time. */
    assert_story(FL_ERR_UPSTREAM_CONTEXT, "01234");
    /* The request's own fault, our own, the client's. */
    assert_story(FL_ERR_UPSTREAM_REQUEST, "0");
    assert_story(FL_ERR_UPSTREAM_POLICY, "0");
    assert_story(FL_ERR_CANCELLED, "0");
    assert_story(FL_ERR_INTERNAL, "0");
    /* No second try where it hung. */
    assert_story(FL_ERR_FIRST_TOKEN, "0*3*42");
}

static void only_a_larger_context_will_do(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    s.pool.targets[1].context_tokens = 500;
    s.pool.targets[3].context_tokens = 1000;
    s.pool.targets[4].context_tokens = 0; /* not known */
    assert_string_equal(story(&s, FL_ERR_UPSTREAM_CONTEXT), "02");
    close_scene(&s);
}

static void policy_may_allow_others(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    s.at.policy_fallback = true;
    fl_failover_first(&s.f, &s.at);
    struct fl_step step = after(&s, 0, FL_ERR_UPSTREAM_POLICY);
    assert_int_equal(step.kind, FL_STEP_TARGET);
    close_scene(&s);
}

static void other_keys_come_first(void **state)
{
    (void)state;
    struct scene s;
    struct fl_target_key keys[2];
    open_scene(&s);
    for (unsigned i = 0; i < 2; i++) {
        keys[i] = (struct fl_target_key){
            .key = fl_registry_key(s.pool.registry, i > 0 ? FL_LIT("k1") : FL_LIT("k0")),
            .meter = fl_registry_meter(s.pool.registry, i > 0 ? FL_LIT("k1") : FL_LIT("k0")),
            .index = i};
    }
    s.pool.targets[0].keys = keys;
    s.pool.targets[0].key_count = 2;
    fl_failover_first(&s.f, &s.at);
    struct fl_failed failed = {.err = FL_ERR_RATE_LIMITED, .key_index = 0};
    struct fl_step step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_KEY);
    assert_int_equal(step.place, 0);
    assert_false(step.paid);
    assert_int_equal(s.f.keys_tried[0], 1);
    failed.key_index = 1;
    step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_TARGET);
    assert_int_equal(step.place, 3);
    close_scene(&s);
}

/* A provider's word that it takes ten seconds and more is not waited for: nobody knows how long the
 * client does. */
static void patience_ends(void **state)
{
    (void)state;
    struct scene s;
    struct fl_target_key key;
    struct fl_lease lease;
    const struct fl_rates told = {.retry_after_given = true, .retry_after_ns = 20 * S};
    const struct fl_lease_end refused = {.err = FL_ERR_RATE_LIMITED, .rates = &told};
    open_scene(&s);
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    struct fl_failed failed = {.err = FL_ERR_RATE_LIMITED, .retry_after_ns = 11 * S};
    struct fl_step step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_NONE);
    assert_string_equal(step.why, "too-long");
    close_scene(&s);

    open_scene(&s); /* where there is nobody else, it is asked all the same */
    key = (struct fl_target_key){.key = fl_registry_key(s.pool.registry, FL_LIT("k")),
                                 .meter = fl_registry_meter(s.pool.registry, FL_LIT("k"))};
    s.pool.targets[0].keys = &key;
    s.pool.targets[0].key_count = 1;
    s.pool.plan.count = 1;
    fl_keys_take(&key, 1, s.at.need, 0, 0, false, s.at.now_ns, &lease);
    fl_keys_return(&lease, &refused, s.at.now_ns);
    step = fl_failover_first(&s.f, &s.at);
    assert_int_equal(step.kind, FL_STEP_TARGET);
    assert_true(step.at_once && step.wait_ns == 0);

    fl_failover_start(&s.f); /* another one, that is free, comes first */
    s.pool.plan.count = 4;
    step = fl_failover_first(&s.f, &s.at);
    assert_int_equal(step.place, 1);
    assert_false(step.at_once);

    fl_failover_start(&s.f); /* a limit of the configuration's is kept, however long */
    s.pool.plan.count = 1;
    s.at.now_ns += 20 * S;
    key.limits.requests_per_minute = 1;
    fl_keys_take(&key, 1, s.at.need, 0, 0, false, s.at.now_ns, &lease);
    s.at.deadline_ns = s.at.now_ns + 100 * S;
    step = fl_failover_first(&s.f, &s.at);
    assert_int_equal(step.kind, FL_STEP_TARGET);
    assert_false(step.at_once);
    assert_int_equal(step.wait_ns, 60 * S);
    close_scene(&s);
}

/* Those that waited together may find that the first of them took all: then it is asked at once. */
static void who_finds_no_key_asks_at_once(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    struct fl_failed failed = {.err = FL_ERR_RATE_LIMITED, .untouched = true};
    assert_string_equal(fl_failover_next(&s.f, &s.at, &failed).why, "retry-after");
    struct fl_step step = fl_failover_next(&s.f, &s.at, &failed);
    assert_string_equal(step.why, "at-once");
    assert_true(step.kind == FL_STEP_SAME && step.at_once && step.wait_ns == 0);
    failed.untouched = false; /* a refusal of the provider's is the end */
    assert_int_equal(fl_failover_next(&s.f, &s.at, &failed).kind, FL_STEP_NONE);
    close_scene(&s);
}

static void the_same_again_waits(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    struct fl_failed failed = {.err = FL_ERR_RATE_LIMITED, .retry_after_ns = 7 * S};
    struct fl_step step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_SAME);
    assert_int_equal(step.wait_ns, 7 * S);
    assert_string_equal(step.why, "retry-after");
    step = fl_failover_next(&s.f, &s.at, &failed); /* once */
    assert_int_equal(step.kind, FL_STEP_NONE);
    close_scene(&s);

    open_scene(&s); /* beyond the deadline it is not waited for */
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    failed.retry_after_ns = 60 * S;
    step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_NONE);
    assert_string_equal(step.why, "deadline");
    close_scene(&s);

    open_scene(&s); /* a backoff, paid */
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    step = after(&s, 0, FL_ERR_SERVER);
    assert_int_equal(step.kind, FL_STEP_SAME);
    assert_true(step.paid && step.wait_ns <= 500 * MS);
    close_scene(&s);

    open_scene(&s); /* reset: at once if nothing was sent, else never */
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    step = after(&s, 0, FL_ERR_RESET);
    assert_int_equal(step.kind, FL_STEP_NONE);
    fl_failover_start(&s.f);
    fl_failover_first(&s.f, &s.at);
    failed = (struct fl_failed){.err = FL_ERR_RESET, .untouched = true};
    step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_SAME);
    assert_int_equal(step.wait_ns, 0);
    close_scene(&s);

    open_scene(&s); /* x-should-retry: false */
    s.pool.plan.count = 1;
    fl_failover_first(&s.f, &s.at);
    failed = (struct fl_failed){.err = FL_ERR_SERVER, .retry_said = true};
    assert_int_equal(fl_failover_next(&s.f, &s.at, &failed).kind, FL_STEP_NONE);
    close_scene(&s);
}

static void budgets_end_and_rescues_go_on(void **state)
{
    (void)state;
    struct scene s;
    unsigned paid = 0, rescued = 0;
    open_scene(&s);
    for (unsigned i = 0; i < 100; i++) { /* no request deposits: the reserve of ten is all */
        fl_failover_start(&s.f);
        fl_failover_first(&s.f, &s.at);
        struct fl_step step = after(&s, 0, FL_ERR_SERVER);
        assert_int_equal(step.kind, FL_STEP_TARGET); /* the others answer well: nobody is lost */
        paid += step.paid;
        rescued += !step.paid;
    }
    assert_int_equal(paid, 10);
    assert_int_equal(rescued, 90);
    for (unsigned i = 1; i < TARGETS; i++) { /* all fail: gates close, and the storm is over */
        for (unsigned n = 0; n < 5; n++) {
            fl_retry_gate_failed(&s.pool.targets[i].state->gate);
        }
    }
    for (unsigned i = 0; i < 100; i++) {
        fl_failover_start(&s.f);
        fl_failover_first(&s.f, &s.at);
        struct fl_step step = after(&s, 0, FL_ERR_SERVER);
        assert_int_equal(step.kind, FL_STEP_NONE);
        assert_string_equal(step.why, "budget");
        fl_failover_start(&s.f);
        fl_failover_first(&s.f, &s.at);
        step = after(&s, 0, FL_ERR_CONNECT); /* refused unprocessed: costs nothing */
        assert_int_equal(step.kind, FL_STEP_TARGET);
    }
    close_scene(&s);
}

static void limits_of_attempts_and_time_hold(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    s.at.attempts_max = 2;
    assert_string_equal(story(&s, FL_ERR_CONNECT), "03");
    close_scene(&s);
    open_scene(&s);
    fl_failover_first(&s.f, &s.at);
    s.at.now_ns = s.at.deadline_ns;
    assert_string_equal(after(&s, 0, FL_ERR_CONNECT).why, "deadline");
    close_scene(&s);
    open_scene(&s); /* what would have to wait comes after what need not */
    s.pool.plan.ready_ns[3] = s.at.now_ns + S;
    s.pool.plan.ready_ns[4] = s.at.now_ns + 100 * S; /* not in time */
    assert_string_equal(story(&s, FL_ERR_DNS), "023");
    close_scene(&s);
}

static void hedges_go_to_another_domain(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    fl_failover_first(&s.f, &s.at);
    struct fl_step step = fl_failover_hedge(&s.f, &s.at, 0);
    assert_int_equal(step.kind, FL_STEP_TARGET);
    assert_int_equal(step.place, 3);
    assert_true(step.paid);
    assert_int_equal(s.f.attempts, 2);
    step = after(&s, 3, FL_ERR_SERVER); /* the hedge counted as paid: one more */
    assert_true(step.paid);
    close_scene(&s);

    open_scene(&s); /* with less than half of the budget: none */
    unsigned hedges = 0;
    for (unsigned i = 0; i < 100; i++) {
        fl_failover_start(&s.f);
        fl_failover_first(&s.f, &s.at);
        hedges += fl_failover_hedge(&s.f, &s.at, 0).kind != FL_STEP_NONE;
    }
    assert_in_range(hedges, 5, 6);
    close_scene(&s);

    open_scene(&s); /* nobody else of another vendor */
    s.pool.plan.count = 3;
    fl_failover_first(&s.f, &s.at);
    assert_int_equal(fl_failover_hedge(&s.f, &s.at, 0).kind, FL_STEP_NONE);
    close_scene(&s);
}

/* What the first of two taught is not forgotten when the second fails as well. */
static void both_failures_of_a_hedge_count(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    assert_int_equal(fl_failover_first(&s.f, &s.at).place, 0);
    struct fl_step hedge = fl_failover_hedge(&s.f, &s.at, 0);
    assert_int_equal(hedge.place, 3);
    fl_failover_note(&s.f, &s.at, &(struct fl_failed){.place = 0, .err = FL_ERR_CONNECT});
    struct fl_step step = after(&s, 3, FL_ERR_RATE_LIMITED);
    assert_int_equal(step.place, 4); /* not of the vendors that failed */
    step = after(&s, 4, FL_ERR_RATE_LIMITED);
    assert_int_equal(step.place, 2);
    step = after(&s, 2, FL_ERR_RATE_LIMITED);
    assert_true(step.place != 1 && step.place != 0); /* nobody connects there */
    close_scene(&s);
}

/* An ejected target is no choice, but better than an error. */
static void spares_come_in_the_end(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    for (unsigned i = 0; i < 2; i++) {
        pool_try(&s.pool, 3 + i, FL_ERR_SERVER, 0);
        pool_try(&s.pool, 3 + i, FL_ERR_SERVER, 0);
    }
    s.pool.order[0] = 0, s.pool.order[1] = 3, s.pool.order[2] = 4;
    s.pool.route.target_count = s.pool.route.primary_count = 3;
    fl_route_drain(&s.pool.targets[4], false, s.pool.now_ns); /* 4 is well again; 3 is not */
    pool_plan(&s.pool);
    assert_int_equal(s.pool.plan.count, 2);
    assert_int_equal(s.pool.plan.spare_count, 1);
    assert_int_equal(s.pool.plan.targets[2], 3);
    assert_string_equal(story(&s, FL_ERR_UPSTREAM_MODEL), "012");
    close_scene(&s);
}

/* A target that refuses nearly all of much traffic is mostly left alone; the next takes over. */
static void throttled_targets_are_passed_over(void **state)
{
    (void)state;
    struct scene s;
    unsigned first[TARGETS] = {0};
    open_scene(&s);
    struct fl_target_state *bad = s.pool.targets[0].state;
    for (unsigned i = 0; i < 1200; i++) {
        fl_throttle_asked(&bad->throttle, s.at.now_ns);
        fl_retry_gate_failed(&bad->gate);
    }
    for (unsigned i = 0; i < 1000; i++) {
        fl_failover_start(&s.f);
        first[fl_failover_first(&s.f, &s.at).place]++;
    }
    assert_true(first[0] >= 1 && first[0] <= 10); /* the one that is let through each second */
    assert_int_equal(first[0] + first[1], 1000);
    close_scene(&s);
}

/* What happened to others is no reason to refuse a request that was tried nowhere. */
static void the_last_one_is_asked_though_throttled(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    for (unsigned i = 0; i < 1200; i++) {
        for (unsigned t = 0; t < TARGETS; t++) {
            fl_throttle_asked(&s.pool.targets[t].state->throttle, s.at.now_ns);
            fl_retry_gate_failed(&s.pool.targets[t].state->gate);
        }
    }
    for (unsigned count = 1; count <= TARGETS; count++) {
        s.pool.plan.count = count;
        for (unsigned i = 0; i < 100; i++) {
            fl_failover_start(&s.f);
            struct fl_step step = fl_failover_first(&s.f, &s.at);
            assert_int_equal(step.kind, FL_STEP_TARGET);
            assert_int_equal(s.f.tried, UINT32_C(1) << step.place);
            assert_int_equal(s.f.blocked & s.f.tried, 0);
        }
    }
    close_scene(&s);
}

/* A busy target gives way to the next that is not, and is then as if it had not been tried. */
static void busy_targets_give_way(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    fl_failover_start(&s.f);
    struct fl_step step = fl_failover_first(&s.f, &s.at);
    assert_int_equal(step.place, 0);
    assert_true(fl_failover_elsewhere(&s.f, &s.at, 3, &step));
    assert_int_equal(step.place, 2);
    assert_int_equal(s.f.tried, 4);
    assert_int_equal(s.f.attempts, 1);
    assert_false(fl_failover_elsewhere(&s.f, &s.at, UINT32_MAX, &step));
    assert_int_equal(step.place, 2);
    assert_int_equal(s.f.tried, 4);
    /* After a failure, what is asked instead goes through no closed gate. */
    struct fl_failed failed = {.place = 2, .err = FL_ERR_CONNECT, .untouched = true};
    step = fl_failover_next(&s.f, &s.at, &failed);
    assert_int_equal(step.kind, FL_STEP_TARGET);
    unsigned busy = step.place;
    struct fl_failover before = s.f;
    for (unsigned i = 0; i < s.pool.plan.count; i++) {
        for (unsigned n = 0; i != busy && n < 6; n++) {
            fl_retry_gate_failed(&s.pool.targets[s.pool.plan.targets[i]].state->gate);
        }
    }
    assert_false(fl_failover_elsewhere(&s.f, &s.at, UINT32_C(1) << busy, &step));
    assert_memory_equal(&s.f, &before, sizeof(before));
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_has_its_story),
        cmocka_unit_test(only_a_larger_context_will_do),
        cmocka_unit_test(policy_may_allow_others),
        cmocka_unit_test(other_keys_come_first),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(who_finds_no_key_asks_at_once),
        cmocka_unit_test(the_same_again_waits),
        cmocka_unit_test(budgets_end_and_rescues_go_on),
        cmocka_unit_test(limits_of_attempts_and_time_hold),
        cmocka_unit_test(hedges_go_to_another_domain),
        cmocka_unit_test(both_failures_of_a_hedge_count),
        cmocka_unit_test(spares_come_in_the_end),
        cmocka_unit_test(busy_targets_give_way),
        cmocka_unit_test(throttled_targets_are_passed_over),
        cmocka_unit_test(the_last_one_is_asked_though_throttled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

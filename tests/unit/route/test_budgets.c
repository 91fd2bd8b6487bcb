/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known answers of ROUTING.md 2 and 3.5 for what limits attempts: GCRA, retry budget, gate, adaptive
 * throttle, backoff, Gradient2, and the spreads of first tokens.
 */
#include "unit/cm.h"

#include "route/concurrency.h"
#include "route/gcra.h"
#include "route/hedge.h"
#include "route/retry.h"
#include "route/route.h"

#include <limits.h>
#include <math.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

/* --- GCRA --- */

static void gcra_known_answer(void **state)
{
    (void)state;
    const struct fl_gcra_limit limit = {100, 60 * S, 10};
    struct fl_gcra g = {0};
    uint64_t now = 1000 * S;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fl_gcra_take(&g, limit, 1, now), 0);
    }
    assert_int_equal(fl_gcra_take(&g, limit, 1, now), 600 * MS); /* exactly */
    assert_int_equal(fl_gcra_take(&g, limit, 1, now + 600 * MS - 1), 1);
    assert_int_equal(fl_gcra_take(&g, limit, 1, now + 600 * MS), 0);
    assert_int_equal(fl_gcra_wait_ns(&g, limit, 10, now + 600 * MS), 6 * S);
    assert_int_equal(fl_gcra_wait_ns(&g, limit, 11, now), UINT64_MAX);
    assert_int_equal(fl_gcra_left(&g, limit, now + 600 * MS), 0);
    assert_int_equal(fl_gcra_left(&g, limit, now + 6600 * MS), 10);
}

static void gcra_settles(void **state)
{
    (void)state;
    const struct fl_gcra_limit limit = {60000, 60 * S, 0}; /* 1 ms a token */
    struct fl_gcra g = {0};
    uint64_t now = 1000 * S;
    assert_int_equal(fl_gcra_take(&g, limit, 60000, now), 0);
    assert_int_equal(fl_gcra_wait_ns(&g, limit, 1, now), MS);
    fl_gcra_settle(&g, limit, 60000, 20000, now); /* gives 40,000 back */
    assert_int_equal(fl_gcra_left(&g, limit, now), 40000);
    fl_gcra_settle(&g, limit, 20000, 50000, now); /* it was more after all */
    assert_int_equal(fl_gcra_left(&g, limit, now), 10000);
    fl_gcra_settle(&g, limit, 1000000, 0, now); /* never more than full */
    assert_int_equal(fl_gcra_left(&g, limit, now), 60000);
    fl_gcra_settle(&g, limit, 0, 100000, now); /* a debt beyond the burst is waited for */
    assert_int_equal(fl_gcra_wait_ns(&g, limit, 1, now), 40001 * MS);
    const struct fl_gcra_limit none = {0, 60 * S, 0};
    assert_int_equal(fl_gcra_take(&g, none, UINT64_MAX, now), 0);
}

/* Offered twice as much as the limit, evenly: exactly the limit passes, in any minute. */
static void gcra_passes_its_rate(void **state)
{
    (void)state;
    const struct fl_gcra_limit limit = {60, 60 * S, 1};
    struct fl_gcra g = {0};
    unsigned passed = 0;
    for (uint64_t i = 0; i < 1200; i++) {
        passed += fl_gcra_take(&g, limit, 1, 1000 * S + i * S / 2) == 0;
    }
    assert_int_equal(passed, 600);
}

/* --- Retry budget --- */

/* Total outage: every request would be retried for ever. */
static void budget_at_total_outage(void **state)
{
    (void)state;
    static const unsigned per_second[] = {1, 10, 100, 1000};
    for (unsigned i = 0; i < 4; i++) {
        struct fl_retry_budget b = {.second = 0};
        uint64_t requests = 0, extra = 0, seconds = 600;
        for (uint64_t n = 0; n < seconds * per_second[i]; n++) {
            uint64_t now = 1000 * S + n * S / per_second[i];
            fl_retry_budget_request(&b, now);
            requests++;
            for (unsigned try = 0; try < 3; try++) {
                extra += fl_retry_budget_take(&b, 0, now);
            }
        }
        double share = (double)extra / (double)requests, reserve = 1.0 / per_second[i];
        print_message("[ budget   ] %u a second: %.4f attempts a request\n", per_second[i],
                      1 + share);
        assert_true(share <= 0.2 + reserve * 1.02); /* the first ten seconds' reserve at once */
        assert_true(share >= 0.19);
    }
}

static void budget_keeps_half_for_retries(void **state)
{
    (void)state;
    struct fl_retry_budget b = {.second = 0};
    uint64_t now = 1000 * S;
    unsigned hedges = 0, retries = 0;
    for (int i = 0; i < 100; i++) {
        fl_retry_budget_request(&b, now);
    }
    assert_true(fabs(fl_retry_budget_left(&b, now) - 30) < 1e-9); /* 20 % of 100, and 10 */
    while (fl_retry_budget_take(&b, 0.5, now)) {
        hedges++;
    }
    assert_in_range(hedges, 15, 16);
    while (fl_retry_budget_take(&b, 0, now)) {
        retries++;
    }
    assert_int_equal(hedges + retries, 30);
    assert_false(fl_retry_budget_allows(&b, 0, now + 9 * S));
    assert_true(fl_retry_budget_allows(&b, 0, now + 10 * S)); /* all is forgotten: the reserve */
    assert_true(fabs(fl_retry_budget_left(&b, now + 10 * S) - 10) < 1e-9);
}

static void gate_closes_at_half(void **state)
{
    (void)state;
    struct fl_retry_gate g = {0};
    for (int i = 0; i < 4; i++) {
        fl_retry_gate_failed(&g);
        assert_true(fl_retry_gate_open(&g));
    }
    fl_retry_gate_failed(&g); /* 5 of 10 tokens: not more than half */
    assert_false(fl_retry_gate_open(&g));
    fl_retry_gate_succeeded(&g);
    assert_true(fl_retry_gate_open(&g));
    for (int i = 0; i < 100; i++) {
        fl_retry_gate_failed(&g);
    }
    for (int i = 0; i < 50; i++) { /* from none: 0.1 each, half are not enough */
        fl_retry_gate_succeeded(&g);
        assert_false(fl_retry_gate_open(&g));
    }
    fl_retry_gate_succeeded(&g);
    assert_true(fl_retry_gate_open(&g));
}

/* --- Adaptive throttle --- */

static void throttle_known_answers(void **state)
{
    (void)state;
    struct fl_throttle t = {.slot = 0};
    uint64_t now = 1000 * S;
    for (int i = 0; i < 1200; i++) {
        fl_throttle_asked(&t, now);
    }
    assert_true(fabs(1 - fl_throttle_rejects(&t, now) - 1.0 / 1201) < 1e-12);
    assert_true(fl_throttle_rejects(&t, now + 121 * S) == 0); /* forgotten after two minutes */
}

/* However bad it was, one a second is let through; and when it is well again, all. */
static void throttle_leaves_a_crack(void **state)
{
    (void)state;
    struct fl_throttle t = {.slot = 0};
    unsigned passed = 0;
    for (unsigned i = 0; i < 12000; i++) {
        uint64_t now = 1000 * S + i * 10 * MS;
        passed += !fl_throttle_stops(&t, 0, now);
        fl_throttle_asked(&t, now);
    }
    assert_in_range(passed, 116 + FL_THROTTLE_LEAST, 121 + FL_THROTTLE_LEAST);
    fl_throttle_forget(&t);
    assert_true(fl_throttle_rejects(&t, 1121 * S) == 0);
}

/* A backend that takes a: of a demand d > 2a exactly 2a are sent; of d <= 2a all. */
static void throttle_sends_twice_what_is_taken(void **state)
{
    (void)state;
    static const unsigned demands[] = {15, 20, 30, 50, 100};
    const unsigned takes = 10;
    for (unsigned i = 0; i < 5; i++) {
        struct fl_throttle t = {.slot = 0};
        struct fl_rng rng;
        uint64_t sent = 0;
        const unsigned seconds = 600, warm = 240;
        fl_rng_seed(&rng, 1);
        for (unsigned second = 0; second < seconds; second++) {
            unsigned taken = 0;
            for (unsigned n = 0; n < demands[i]; n++) {
                uint64_t now = 1000 * S + second * S + n * S / demands[i];
                bool stopped = fl_throttle_stops(&t, fl_rng_unit(&rng), now);
                fl_throttle_asked(&t, now);
                if (!stopped && taken < takes) {
                    taken++;
                    fl_throttle_accepted(&t, now);
                }
                sent += !stopped && second >= warm;
            }
        }
        double rate = (double)sent / (seconds - warm);
        double expected = demands[i] < 2 * takes ? demands[i] : 2 * takes;
        print_message("[ throttle ] demand %u, takes %u: %.2f sent\n", demands[i], takes, rate);
        assert_true(fabs(rate - expected) < 0.05 * expected);
    }
}

/* --- Backoff --- */

static void backoff_is_full_jitter(void **state)
{
    (void)state;
    static const double caps_s[] = {0.5, 1, 2, 4, 8, 10, 10, 10};
    struct fl_rng rng;
    fl_rng_seed(&rng, 7);
    for (unsigned n = 0; n < 8; n++) {
        double sum = 0, most = 0, least = 1e9;
        for (int i = 0; i < 20000; i++) {
            double s = (double)fl_backoff_ns(n, 0, &rng) / 1e9;
            sum += s;
            most = s > most ? s : most;
            least = s < least ? s : least;
        }
        assert_true(most <= caps_s[n] && most > 0.99 * caps_s[n] && least < 0.01 * caps_s[n]);
        assert_true(fabs(sum / 20000 - caps_s[n] / 2) < 0.02 * caps_s[n]);
    }
    for (unsigned n = 0; n < 70; n++) { /* Retry-After is a floor */
        assert_true(fl_backoff_ns(n, 3 * S, &rng) >= 3 * S);
    }
    assert_int_equal(fl_backoff_ns(0, 20 * S, &rng), 20 * S);
}

/* --- Gradient2 --- */

static void what_is_not_known_binds_nobody(void **state)
{
    (void)state;
    struct fl_concurrency c = {.samples = 0};
    assert_int_equal(fl_concurrency_bound(&c, 0), UINT_MAX);
    assert_int_equal(fl_concurrency_bound(&c, 7), 7);
    assert_int_equal(fl_concurrency_bound(&c, FL_CONCURRENCY_AUTO), UINT_MAX);
    fl_concurrency_refused(&c, S); /* 20 * .7 */
    assert_int_equal(fl_concurrency_bound(&c, FL_CONCURRENCY_AUTO), 14);
    assert_int_equal(fl_concurrency_bound(&c, 0), UINT_MAX);
    assert_int_equal(fl_concurrency_bound(&c, 7), 7);
}

/* Each client has one budget, the same after a reload. */
static void tenants_have_budgets_of_their_own(void **state)
{
    (void)state;
    struct fl_registry *r = fl_registry_create();
    struct fl_retry_budget *a = fl_registry_tenant(r, FL_LIT("a"));
    struct fl_retry_budget *b = fl_registry_tenant(r, FL_LIT("b"));
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_equal(fl_registry_tenant(r, FL_LIT("a")), a);
    assert_ptr_not_equal(a, b);
    unsigned taken = 0;
    while (fl_retry_budget_take(a, 0, 100 * S)) {
        taken++;
    }
    assert_int_equal(taken, 10); /* the reserve of ten seconds */
    assert_true(fl_retry_budget_allows(b, 0, 100 * S));
    fl_registry_destroy(r);
}

static void concurrency_grows_and_shrinks(void **state)
{
    (void)state;
    struct fl_concurrency c = {.samples = 0};
    assert_true(fl_concurrency_limit(&c) == 20);
    fl_concurrency_sample(&c, S, 20); /* .8 * 20 + .2 * (20 * 1 + 4) */
    assert_true(fabs(fl_concurrency_limit(&c) - 20.8) < 1e-9);
    fl_concurrency_sample(&c, S,
                          10); /* less than half in flight: nothing is learned of the limit */
    assert_true(fabs(fl_concurrency_limit(&c) - 20.8) < 1e-9);
    for (int i = 0; i < 1000; i++) {
        fl_concurrency_sample(&c, S, 200);
    }
    assert_true(fl_concurrency_limit(&c) == 200);
    fl_concurrency_sample(&c, 2 * S, 200); /* one of them later is chance */
    assert_true(fl_concurrency_limit(&c) == 200);
    /* Much later: the gradient is 1.5 * then / now, so .8 * 200 + .2 * (200 * it + 4). */
    fl_concurrency_sample(&c, 30 * S, 200);
    double now = 1 + 2 / 61.0, then = 1 + 2 / 601.0;
    now += (30 - now) * 2 / 61;
    then += (30 - then) * 2 / 601;
    assert_true(fabs(fl_concurrency_limit(&c) - (160.8 + 40 * 1.5 * then / now)) < 1e-6);
    for (int i = 0; i < 40; i++) { /* however slow, it is never less than a half, nor below 20 */
        fl_concurrency_sample(&c, 100 * S, 200);
    }
    assert_true(fl_concurrency_limit(&c) >= 20 && fl_concurrency_limit(&c) < 60);
}

/* Prompts of very different lengths, one time as another: that is no load. */
static void what_varies_is_not_what_slows_down(void **state)
{
    (void)state;
    double least = 200, mean = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fl_concurrency c = {.samples = 0};
        struct fl_rng rng;
        fl_rng_seed(&rng, seed);
        for (int i = 0; i < 5000; i++) {
            double normal = -6;
            for (int k = 0; k < 12; k++) {
                normal += fl_rng_unit(&rng);
            }
            double in_flight = fl_concurrency_limit(&c);
            fl_concurrency_sample(&c, (uint64_t)(exp(1.2 * normal) * 1e8), (unsigned)in_flight);
        }
        mean += fl_concurrency_limit(&c) / 20;
        least = fl_concurrency_limit(&c) < least ? fl_concurrency_limit(&c) : least;
    }
    print_message("[ concurrency ] first tokens of sigma 1.2: %.0f of 200, %.0f at least\n", mean,
                  least);
    assert_true(mean >= 150 && least >= 60);
}

static void concurrency_is_cut_by_refusals(void **state)
{
    (void)state;
    struct fl_concurrency c = {.samples = 0};
    fl_concurrency_refused(&c, 1000 * S);
    assert_true(fabs(fl_concurrency_limit(&c) - 14) < 1e-9);
    fl_concurrency_refused(&c, 1000 * S + 10); /* of the same moment */
    assert_true(fabs(fl_concurrency_limit(&c) - 14) < 1e-9);
    fl_concurrency_refused(&c, 1001 * S);
    assert_true(fabs(fl_concurrency_limit(&c) - 9.8) < 1e-9);
    for (unsigned i = 0; i < 60; i++) {
        fl_concurrency_refused(&c, (1002 + i) * S);
    }
    assert_true(fl_concurrency_limit(&c) == 1); /* one can always be tried */
    for (int i = 0; i < 100; i++) {
        fl_concurrency_sample(&c, S, 10);
    }
    assert_true(fl_concurrency_limit(&c) > 18);
}

/* --- Spreads --- */

static void spreads_have_quantiles(void **state)
{
    (void)state;
    struct fl_spread s = {.at_ns = 0};
    uint64_t now = 1000 * S;
    assert_int_equal(fl_spread_quantile(&s, 0.5, 1), 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        fl_spread_add(&s, i * 10 * MS, now);
    }
    for (unsigned percent = 1; percent < 100; percent++) { /* never below, at most a bin above */
        double q = percent / 100.0, exact = q * 10e9;
        double got = (double)fl_spread_quantile(&s, q, 1);
        assert_true(got >= exact * 0.999 && got <= exact * 1.0906 + 1e7);
    }
    assert_int_equal(fl_spread_quantile(&s, 0.5, 1001), 0);
    fl_spread_add(&s, 0, now + 600 * S); /* a half-life later */
    assert_true(fl_spread_quantile(&s, 0.5, 499) > 0);
    assert_int_equal(fl_spread_quantile(&s, 0.5, 502), 0);
    fl_spread_add(&s, UINT64_MAX / 2, now + 600 * S); /* out of the scale: its last bin */
    assert_true(fl_spread_quantile(&s, 0.9999, 1) > 1000 * S);
}

static void timeouts_follow_what_was_seen(void **state)
{
    (void)state;
    static struct fl_spreads s;
    uint64_t now = 1000 * S;
    const unsigned small = 100, large = 100000;
    assert_int_equal(fl_hedge_delay_ns(&s, small), UINT64_MAX);
    assert_int_equal(fl_first_token_timeout_ns(&s, small, 0, 60 * S), 60 * S);
    assert_int_equal(fl_first_token_timeout_ns(&s, small, 20 * S, 60 * S), 10 * S);
    assert_int_equal(fl_stall_timeout_ns(&s, 60 * S), 60 * S);
    for (int i = 0; i < 200; i++) {
        fl_spread_add(&s.first[fl_prompt_size(small)], 300 * MS, now);
        fl_spread_add(&s.first[fl_prompt_size(large)], 4 * S, now);
        fl_spread_add(&s.gap, 20 * MS, now);
    }
    assert_in_range(fl_hedge_delay_ns(&s, small), 300 * MS, 330 * MS);
    assert_in_range(fl_hedge_delay_ns(&s, large), 4 * S, 4400 * MS);
    assert_int_equal(fl_first_token_timeout_ns(&s, small, 0, 60 * S), 5 * S); /* 4 * .3 is less */
    assert_in_range(fl_first_token_timeout_ns(&s, large, 0, 60 * S), 16 * S, 17600 * MS);
    assert_int_equal(fl_first_token_timeout_ns(&s, large, 0, 8 * S), 8 * S); /* as configured */
    assert_int_equal(fl_first_token_timeout_ns(&s, large, 12 * S, 60 * S), 6 * S);
    assert_int_equal(fl_stall_timeout_ns(&s, 60 * S), 10 * S);
    for (int i = 0; i < 1000; i++) {
        fl_spread_add(&s.gap, S, now);
    }
    assert_in_range(fl_stall_timeout_ns(&s, 60 * S), 20 * S, 22 * S);
    assert_int_equal(fl_stall_timeout_ns(&s, 15 * S), 15 * S);
}

static void hedges_have_their_rules(void **state)
{
    (void)state;
    const struct fl_hedge_ask good = {.streaming = true, .pool_load = 0.5, .budget_left = 0.7};
    struct fl_hedge_ask ask = good;
    assert_true(fl_hedge_allowed(&ask));
    ask.tools = true;
    assert_false(fl_hedge_allowed(&ask));
    ask.tools_allowed = true;
    assert_true(fl_hedge_allowed(&ask));
    ask = good;
    ask.pool_load = 0.81;
    assert_false(fl_hedge_allowed(&ask));
    ask = good;
    ask.budget_left = 0.49;
    assert_false(fl_hedge_allowed(&ask));
    ask = good;
    ask.pushback = true;
    assert_false(fl_hedge_allowed(&ask));
    ask = good;
    ask.forbidden = true;
    assert_false(fl_hedge_allowed(&ask));
    ask = good;
    ask.streaming = false;
    assert_false(fl_hedge_allowed(&ask));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcra_known_answer),
        cmocka_unit_test(gcra_settles),
        cmocka_unit_test(gcra_passes_its_rate),
        cmocka_unit_test(budget_at_total_outage),
        cmocka_unit_test(budget_keeps_half_for_retries),
        cmocka_unit_test(gate_closes_at_half),
        cmocka_unit_test(throttle_known_answers),
        cmocka_unit_test(throttle_leaves_a_crack),
        cmocka_unit_test(throttle_sends_twice_what_is_taken),
        cmocka_unit_test(backoff_is_full_jitter),
        cmocka_unit_test(what_is_not_known_binds_nobody),
        cmocka_unit_test(tenants_have_budgets_of_their_own),
        cmocka_unit_test(concurrency_grows_and_shrinks),
        cmocka_unit_test(what_varies_is_not_what_slows_down),
        cmocka_unit_test(concurrency_is_cut_by_refusals),
        cmocka_unit_test(spreads_have_quantiles),
        cmocka_unit_test(timeouts_follow_what_was_seen),
        cmocka_unit_test(hedges_have_their_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Pacing, the cap on escalation, the never-worse gate and the flip test. */
#include "unit/cm.h"

#include "base/rng.h"
#include "route/quality/gate.h"
#include "route/quality/pacing.h"

#include <math.h>
#include <stdlib.h>

/* --- Pacing --- */

static void the_price_decides(void **state)
{
    (void)state;
    struct fl_pacing p;
    const double quality[3] = {0.9, 0.8, 0.5};
    const uint64_t cost[3] = {5000, 1000, 100};
    fl_pacing_init(&p, 100 * 1000, 100); /* an even share is 1,000 */
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 3), 0);
    p.lambda = 0.03; /* .1 more for 4 shares: not worth .12 */
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 3), 1);
    p.lambda = 0.35; /* .3 more for .9 of a share: not worth .315 */
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 3), 2);
    assert_true(fabs(fl_pacing_price(&p) - 0.35 / 1000) < 1e-15);
}

static void equals_go_to_the_cheaper(void **state)
{
    (void)state;
    struct fl_pacing p;
    const double quality[3] = {0.5, 0.5, 0.5};
    const uint64_t cost[3] = {20, 10, 10};
    fl_pacing_init(&p, 1000, 10);
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 3), 1);
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    struct fl_pacing p;
    const double quality[2] = {1, 0};
    const uint64_t cost[2] = {600, 100};
    fl_pacing_init(&p, 1000, 4);
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 2), 0);
    fl_pacing_charge(&p, 600);
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 2), 1); /* 400 are left */
    fl_pacing_charge(&p, 400);
    assert_int_equal(fl_pacing_choose(&p, quality, cost, 2), 1); /* nothing is: the cheapest */
    fl_pacing_charge(&p, 100);
    assert_int_equal(p.spent_picousd, 1100);
    double before = p.lambda;
    fl_pacing_renew(&p);
    assert_int_equal(p.spent_picousd, 0);
    assert_true(p.lambda > 0 && !(p.lambda < before));
}

static void lambda_follows_the_pace(void **state)
{
    (void)state;
    struct fl_pacing p;
    fl_pacing_init(&p, 10000, 100);
    assert_true(fabs(p.rate - FL_PACING_RATE / 10) < 1e-15);
    fl_pacing_charge(&p, 200); /* twice the share */
    assert_true(fabs(p.lambda - p.rate) < 1e-15);
    fl_pacing_charge(&p, 0);
    assert_true(!(p.lambda > 0)); /* down again, and never below zero */
    fl_pacing_charge(&p, 0);
    assert_true(!(p.lambda < 0));
    fl_pacing_charge(&p, 10000); /* one outlier is no more than a few steps */
    assert_true(p.lambda < 5 * p.rate);
}

/* 100 requests of which each second may have 0.2 more for 1,000 pico-USD, the others 0.1: with money for 30
 * of them the price is above what the poor ones offer, with money for 80 it is below. */
static void the_demand_makes_the_price(void **state)
{
    (void)state;
    const uint64_t cost[2] = {1100, 100};
    for (unsigned dear = 30; dear <= 80; dear += 50) {
        struct fl_pacing p;
        unsigned rich_calls = 0, poor_calls = 0;
        fl_pacing_init(&p, 100 * 100 + dear * 1000, 100);
        for (unsigned day = 0; day < 2; day++) {
            rich_calls = poor_calls = 0;
            for (unsigned i = 0; i < 100; i++) {
                const double quality[2] = {i % 2 ? 0.3 : 0.2, 0.1};
                fl_pacing_see(&p, quality, cost, 2);
                unsigned choice = fl_pacing_choose(&p, quality, cost, 2);
                rich_calls += choice == 0 && i % 2 == 1;
                poor_calls += choice == 0 && i % 2 == 0;
                fl_pacing_charge(&p, cost[choice]);
            }
            assert_true(p.spent_picousd <= p.budget_picousd);
            fl_pacing_renew(&p);
        }
        print_message("money for %u: %u of the rich, %u of the poor\n", dear, rich_calls, poor_calls);
        assert_true(rich_calls >= (dear < 50 ? dear - 3 : 49));
        assert_true(poor_calls <= (dear < 50 ? 3 : dear - 49));
        assert_true(rich_calls + poor_calls >= dear - 3);
    }
}

/* On the second day the poor ones come first: a price that only follows the pace would buy for them what
 * the rich ones need. */
static void earlier_days_tell_what_is_to_come(void **state)
{
    (void)state;
    const uint64_t cost[2] = {1100, 100};
    struct fl_pacing p;
    fl_pacing_init(&p, 1000 * 100 + 500 * 1000, 1000);
    for (unsigned day = 0; day < 2; day++) {
        unsigned rich_calls = 0;
        for (unsigned i = 0; i < 1000; i++) {
            bool rich = day == 0 ? i % 2 : i >= 500;
            const double quality[2] = {rich ? 0.3 : 0.2, 0.1};
            fl_pacing_see(&p, quality, cost, 2);
            unsigned choice = fl_pacing_choose(&p, quality, cost, 2);
            rich_calls += rich && choice == 0;
            fl_pacing_charge(&p, cost[choice]);
        }
        assert_true(rich_calls >= (day == 0 ? 450 : 495));
        fl_pacing_renew(&p);
    }
}

/* Requests that cost four times what was foreseen do not end the money early. */
static void dearer_than_foreseen(void **state)
{
    (void)state;
    const uint64_t cost[2] = {1100, 100};
    struct fl_pacing p;
    struct fl_rng rng;
    fl_rng_seed(&rng, 1);
    fl_pacing_init(&p, 4 * (1000 * 100 + 300 * 1000), 1000);
    for (unsigned i = 0; i < 1000; i++) {
        const double quality[2] = {0.1 + 0.2 * fl_rng_unit(&rng), 0.1};
        fl_pacing_see(&p, quality, cost, 2);
        fl_pacing_charge(&p, 4 * cost[fl_pacing_choose(&p, quality, cost, 2)]);
        double even = (i + 1) * (double)p.budget_picousd / 1000;
        assert_true(i < 300 || (double)p.spent_picousd < 1.2 * even);
    }
    assert_true((double)p.spent_picousd > 0.98 * (double)p.budget_picousd);
}

/* Random gains, costs and lengths of the period: spent within 1 % when there is enough to spend it
 * on, and never above the budget. */
static void budgets_are_met(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct fl_rng rng;
        struct fl_pacing p;
        fl_rng_seed(&rng, seed);
        uint64_t requests = 2000 + fl_rng_below(&rng, 8000);
        uint64_t dear = 1000 + fl_rng_below(&rng, 1000000), cheap = dear / (5 + seed);
        double share = 0.1 + 0.7 * fl_rng_unit(&rng), drift = fl_rng_unit(&rng) - 0.5;
        uint64_t calls = (uint64_t)(share * (double)requests);
        uint64_t budget = calls * dear + (requests - calls) * cheap;
        fl_pacing_init(&p, budget, requests);
        for (uint64_t i = 0; i < requests; i++) {
            double gain =
                0.2 * fl_rng_unit(&rng) + 0.1 * drift * (double)i / (double)requests + 0.05;
            const double quality[2] = {gain, 0};
            const uint64_t cost[2] = {dear, cheap};
            if (seed % 3 > 0) { /* a caller that shows nothing is paced too */
                fl_pacing_see(&p, quality, cost, 2);
            }
            fl_pacing_charge(&p, cost[fl_pacing_choose(&p, quality, cost, 2)]);
        }
        if (p.spent_picousd > budget || (double)p.spent_picousd < 0.99 * (double)budget) {
            print_error("seed %llu: spent %.4f of the budget\n", (unsigned long long)seed,
                        (double)p.spent_picousd / (double)budget);
            fail();
        }
    }
}

/* --- Escalation --- */

/* share * n + burst, in any window, whatever is wanted. */
static void escalations_are_capped(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fl_escalation e;
        struct fl_rng rng;
        unsigned admitted = 0;
        fl_rng_seed(&rng, seed);
        uint32_t share = (uint32_t)fl_rng_below(&rng, 1000001);
        uint32_t burst = (uint32_t)fl_rng_below(&rng, 20);
        fl_escalation_init(&e, share, burst);
        for (unsigned n = 1; n <= 5000; n++) {
            bool wanted = seed == 1 || fl_rng_below(&rng, 3) > 0;
            bool admits = fl_escalation_admit(&e, wanted);
            assert_true(wanted || !admits);
            admitted += admits;
            assert_true((uint64_t)admitted * 1000000 <=
                        (uint64_t)share * n + (uint64_t)burst * 1000000);
        }
    }
}

static void a_cap_lets_its_share_through(void **state)
{
    (void)state;
    struct fl_escalation e;
    unsigned admitted = 0;
    fl_escalation_init(&e, 300000, 2);
    for (int i = 0; i < 1000; i++) {
        admitted += fl_escalation_admit(&e, true);
    }
    assert_int_equal(admitted, 302);
    fl_escalation_init(&e, 0, 0);
    assert_false(fl_escalation_admit(&e, true));
    fl_escalation_init(&e, 1000000, 0);
    for (int i = 0; i < 100; i++) {
        assert_true(fl_escalation_admit(&e, true));
    }
}

/* --- Gate --- */

static void the_bound_is_bernsteins(void **state)
{
    (void)state;
    /* sqrt(2 * .25 * ln 40 / 1000) + 7 * 2 * ln 40 / (3 * 999) */
    assert_true(fabs(fl_gate_lower_bound(0, 0.25, 1, 1000, 0.05) + 0.0429471 + 0.0172322) < 1e-6);
    assert_true(fabs(fl_gate_lower_bound(0.5, 0, 1, 1000, 0.05) - 0.5 + 0.0172322) < 1e-6);
}

static void equal_models_open_in_time(void **state)
{
    (void)state;
    struct fl_gate g;
    struct fl_rng rng;
    fl_gate_init(&g, 0.05, 0.05, 0.1);
    fl_rng_seed(&rng, 3);
    assert_false(fl_gate_open(&g, 2));
    unsigned n = 0;
    while (n < 100000 && !fl_gate_open(&g, 2)) {
        double r = fl_rng_below(&rng, 10) < 8;
        fl_gate_observe_both(&g, 2, r, fl_rng_below(&rng, 10) ? r : 1 - r);
        n++;
    }
    print_message("equal models opened after %u pairs\n", n);
    assert_in_range(n, 100, 20000);
    assert_false(fl_gate_open(&g, 1)); /* no other class */
    fl_gate_reset(&g, 2);
    assert_false(fl_gate_open(&g, 2));
}

/* A model that is worse by more than the tolerance: over many lives of the gate the share that is
 * ever opened stays below delta, though the bound is looked at again and again. */
static void a_worse_model_stays_out(void **state)
{
    (void)state;
    unsigned opened = 0, lives = 400;
    struct fl_rng rng;
    fl_rng_seed(&rng, 17);
    for (unsigned life = 0; life < lives; life++) {
        struct fl_gate g;
        bool ever = false;
        fl_gate_init(&g, 0.02, 0.05, 0.1);
        for (int i = 0; i < 3000; i++) {
            fl_gate_observe_both(&g, 0, fl_rng_below(&rng, 1000) < 770,
                                 fl_rng_below(&rng, 1000) < 800);
            ever = ever || fl_gate_open(&g, 0);
        }
        opened += ever;
    }
    print_message("opened wrongly: %u of %u lives\n", opened, lives);
    assert_true(opened <= lives / 20);
}

/* From single answers with propensities: what the heads predicted is corrected, not believed. */
static void single_answers_are_enough(void **state)
{
    (void)state;
    for (int worse = 0; worse < 2; worse++) {
        struct fl_gate g;
        struct fl_rng rng;
        fl_gate_init(&g, 0.05, 0.05, 0.2);
        fl_rng_seed(&rng, 5);
        for (int i = 0; i < 60000; i++) {
            bool cheap = fl_rng_below(&rng, 10) < 3;
            unsigned good = cheap ? worse ? 650 : 800 : 800;
            double reward = fl_rng_below(&rng, 1000) < good;
            fl_gate_observe(&g, 4, cheap ? FL_GATE_CHEAP : FL_GATE_DEFAULT, reward,
                            cheap ? 0.3 : 0.7, 0.95, 0.5); /* the heads are much mistaken */
        }
        assert_true(fabs(g.classes[4].mean - (worse ? -0.15 : 0)) < 0.02);
        assert_int_equal(fl_gate_open(&g, 4), !worse);
    }
}

/* No answer of the cheaper model was ever seen: predictions open nothing. */
static void predictions_alone_open_nothing(void **state)
{
    (void)state;
    struct fl_gate g;
    fl_gate_init(&g, 0.02, 0.05, FL_GATE_PROPENSITY_MIN);
    for (int i = 0; i < 20000; i++) {
        fl_gate_observe(&g, 0, FL_GATE_DEFAULT, 0.8, 0.98, 0.82, 0.8);
    }
    assert_false(fl_gate_open(&g, 0));
}

static void an_open_class_closes_again(void **state)
{
    (void)state;
    struct fl_gate g;
    fl_gate_init(&g, 0.05, 0.05, 0.1);
    for (int i = 0; i < 4096; i++) {
        fl_gate_observe_both(&g, 0, 1, 1);
    }
    assert_true(fl_gate_open(&g, 0));
    for (int i = 0; i < 70000; i++) {
        fl_gate_observe_both(&g, 0, i % 2, 1);
    }
    assert_false(fl_gate_open(&g, 0));
}

/* --- Flip test --- */

static unsigned has_gadget(void *owner, struct fl_slice text)
{
    ++*(unsigned *)owner;
    return fl_slice_find_text(text, FL_LIT("zxqv")) < text.len;
}

static void glued_gadgets_flip(void **state)
{
    (void)state;
    static const char plain[] = "Please tell me what the weather in the mountains is like in May, "
                                "and whether the huts are open by then.";
    char text[256];
    unsigned asked = 0, decision = 9;
    assert_true(fl_flip_test(fl_slice_cstr(plain), 16, has_gadget, &asked, &decision));
    assert_int_equal(decision, 0);
    assert_int_equal(asked, 3);
    (void)strcat(strcpy(text, "zxqv !! "), plain);
    assert_false(fl_flip_test(fl_slice_cstr(text), 16, has_gadget, &asked, &decision));
    assert_int_equal(decision, 1);
    (void)strcat(strcpy(text, plain), " zxqv");
    assert_false(fl_flip_test(fl_slice_cstr(text), 16, has_gadget, &asked, &decision));
    assert_true(fl_flip_test(FL_LIT("zx"), 16, has_gadget, &asked, &decision));
    assert_true(fl_flip_test(FL_EMPTY, 16, has_gadget, &asked, &decision));
}

static unsigned is_utf8(void *owner, struct fl_slice text)
{
    (void)owner;
    return text.len == 0 || ((unsigned char)text.ptr[0] & 0xc0) != 0x80;
}

static void cuts_keep_characters_whole(void **state)
{
    (void)state;
    unsigned decision;
    for (size_t cut = 0; cut < 12; cut++) {
        assert_true(
            fl_flip_test(FL_LIT("ääääääää日本語日本語日本語"), cut, is_utf8, NULL, &decision));
        assert_int_equal(decision, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_price_decides),
        cmocka_unit_test(equals_go_to_the_cheaper),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(lambda_follows_the_pace),
        cmocka_unit_test(the_demand_makes_the_price),
        cmocka_unit_test(earlier_days_tell_what_is_to_come),
        cmocka_unit_test(dearer_than_foreseen),
        cmocka_unit_test(budgets_are_met),
        cmocka_unit_test(escalations_are_capped),
        cmocka_unit_test(a_cap_lets_its_share_through),
        cmocka_unit_test(the_bound_is_bernsteins),
        cmocka_unit_test(equal_models_open_in_time),
        cmocka_unit_test(a_worse_model_stays_out),
        cmocka_unit_test(single_answers_are_enough),
        cmocka_unit_test(predictions_alone_open_nothing),
        cmocka_unit_test(an_open_class_closes_again),
        cmocka_unit_test(glued_gadgets_flip),
        cmocka_unit_test(cuts_keep_characters_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

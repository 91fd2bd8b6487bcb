/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/rng.h"
#include "route/learn/preferences.h"

#include <math.h>

enum { targets = 3 };

static _Alignas(
    float) char memory[targets * (FL_TASK_COUNT + 1) * sizeof(struct fl_preference_cell)];
static const double only_generation[FL_TASK_COUNT] = {[FL_TASK_GENERATION] = 1};
static const double only_analysis[FL_TASK_COUNT] = {[FL_TASK_ANALYSIS] = 1};

static void no_evidence_is_no_preference(void **state)
{
    (void)state;
    struct fl_preferences p;
    assert_int_equal(fl_preferences_bytes(targets), sizeof(memory));
    fl_preferences_init(&p, targets, memory);
    for (unsigned t = 0; t < targets; t++) {
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            assert_true(fl_preference_score(&p, (enum fl_task)k, t) == 0.5);
            assert_true(fl_preference_evidence(&p, (enum fl_task)k, t) == 0);
        }
    }
}

static void one_reward_moves_little(void **state)
{
    (void)state;
    struct fl_preferences p;
    fl_preferences_init(&p, targets, memory);
    for (unsigned i = 0; i < 100; i++) {
        fl_preferences_learn(&p, 0, only_generation, 0.8);
        fl_preferences_learn(&p, 1, only_generation, 0.8);
    }
    double before = fl_preference_score(&p, FL_TASK_GENERATION, 2);
    assert_true(fabs(before - 0.8) < 0.01); /* what is unknown is as good as the others */
    fl_preferences_learn(&p, 2, only_generation, 0);
    double after = fl_preference_score(&p, FL_TASK_GENERATION, 2);
    assert_true(after < before && before - after < 0.09);
}

static void classes_are_told_apart(void **state)
{
    (void)state;
    struct fl_preferences p;
    struct fl_rng rng;
    fl_rng_seed(&rng, 1);
    fl_preferences_init(&p, targets, memory);
    for (unsigned i = 0; i < 2000; i++) { /* 0 is good at generation, 1 at analysis */
        double chance = fl_rng_unit(&rng);
        fl_preferences_learn(&p, 0, only_generation, chance < 0.9);
        fl_preferences_learn(&p, 1, only_generation, chance < 0.6);
        fl_preferences_learn(&p, 0, only_analysis, chance < 0.5);
        fl_preferences_learn(&p, 1, only_analysis, chance < 0.8);
    }
    assert_true(fabs(fl_preference_score(&p, FL_TASK_GENERATION, 0) - 0.9) < 0.06);
    assert_true(fabs(fl_preference_score(&p, FL_TASK_ANALYSIS, 1) - 0.8) < 0.06);
    assert_true(fl_preference_score(&p, FL_TASK_GENERATION, 0) >
                fl_preference_score(&p, FL_TASK_GENERATION, 1) + 0.15);
    assert_true(fl_preference_score(&p, FL_TASK_ANALYSIS, 0) <
                fl_preference_score(&p, FL_TASK_ANALYSIS, 1) - 0.15);
    double mixed[FL_TASK_COUNT] = {[FL_TASK_GENERATION] = 0.5, [FL_TASK_ANALYSIS] = 0.5};
    double mean = (fl_preference_score(&p, FL_TASK_GENERATION, 0) +
                   fl_preference_score(&p, FL_TASK_ANALYSIS, 0)) /
                  2;
    assert_true(fabs(fl_preference_expected(&p, mixed, 0) - mean) < 1e-9);
    /* a class never seen borrows from what the target does elsewhere */
    assert_true(fabs(fl_preference_score(&p, FL_TASK_TRANSLATION, 0) - 0.7) < 0.06);
}

static void the_past_fades(void **state)
{
    (void)state;
    struct fl_preferences p;
    fl_preferences_init(&p, targets, memory);
    for (unsigned i = 0; i < 5000; i++) {
        fl_preferences_learn(&p, 0, only_generation, 1);
    }
    assert_true(fl_preference_evidence(&p, FL_TASK_GENERATION, 0) <= 200.1);
    assert_true(fl_preference_score(&p, FL_TASK_GENERATION, 0) > 0.99);
    for (unsigned i = 0; i < 400; i++) {
        fl_preferences_learn(&p, 0, only_generation, 0);
    }
    assert_true(fl_preference_score(&p, FL_TASK_GENERATION, 0) < 0.2);
}

static void odd_rewards_do_no_harm(void **state)
{
    (void)state;
    struct fl_preferences p;
    fl_preferences_init(&p, targets, memory);
    fl_preferences_learn(&p, 0, only_generation, (double)NAN);
    assert_true(fl_preference_evidence(&p, FL_TASK_GENERATION, 0) == 0);
    fl_preferences_learn(&p, 0, only_generation, 1e300);
    fl_preferences_learn(&p, 0, only_generation, -5);
    double score = fl_preference_score(&p, FL_TASK_GENERATION, 0);
    assert_true(score > 0.4 && score < 0.6);
    fl_preferences_forget(&p, 0);
    assert_true(fl_preference_evidence(&p, FL_TASK_GENERATION, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_evidence_is_no_preference), cmocka_unit_test(one_reward_moves_little),
        cmocka_unit_test(classes_are_told_apart),       cmocka_unit_test(the_past_fades),
        cmocka_unit_test(odd_rewards_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

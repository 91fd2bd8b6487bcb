/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that grow by further targets, or shrink to one: what stands where afterwards. */
#include "unit/cm.h"

#include "server/prefer.h"

enum { TARGETS = 64 };

/* Targets *from*, from + 1, ...; the last *spares* of them are spares. */
static struct fl_plan plan_of(unsigned from, unsigned count, unsigned spares)
{
    struct fl_plan plan = {.count = count, .spare_count = spares};
    for (unsigned i = 0; i < count + spares; i++) {
        plan.targets[i] = from + i;
        plan.ready_ns[i] = i < count ? 100 + from + i : 0;
    }
    return plan;
}

/* Every way to put a plan behind another one: the targets, the new ones, then what has room of the spares. */
static void spares_stay_behind_what_is_appended(void **state)
{
    struct fl_target targets[TARGETS] = {{.weight = 1}};
    struct fl_table table = {.targets = targets, .target_count = TARGETS};
    (void)state;
    for (unsigned i = 0; i < TARGETS; i++) {
        targets[i].model = FL_LIT("m");
    }
    for (unsigned count = 1; count <= FL_PLAN_MAX; count++) {
        for (unsigned spares = 0; count + spares <= FL_PLAN_MAX; spares++) {
            for (unsigned added = 0; added <= FL_PLAN_MAX; added++) {
                struct fl_plan plan = plan_of(0, count, spares), more = plan_of(32, added, 0);
                uint32_t fresh;
                uint32_t places = fl_plan_append(&table, &plan, &more, &fresh);
                unsigned all = count + added < FL_PLAN_MAX ? count + added : FL_PLAN_MAX;
                unsigned left = FL_PLAN_MAX - all < spares ? FL_PLAN_MAX - all : spares;
                assert_int_equal(plan.count, all);
                assert_int_equal(plan.spare_count, left);
                assert_int_equal(places, fresh);
                assert_int_equal(fresh, ((UINT32_C(1) << all) - 1) & ~((UINT32_C(1) << count) - 1));
                for (unsigned i = 0; i < all + left; i++) {
                    unsigned old = i < all ? i : count + i - all;
                    bool is_new = i >= count && i < all;
                    assert_int_equal(plan.targets[i], is_new ? 32 + i - count : old);
                    assert_int_equal(plan.ready_ns[i], i >= all ? 0 : 100 + plan.targets[i]);
                }
            }
        }
    }
}

static void one_target_only_has_no_spares(void **state)
{
    struct fl_provider provider = {.name = FL_LIT("p"), .type = FL_LIT("openai")};
    struct fl_target targets[TARGETS] = {{.weight = 1}};
    struct fl_config config = {.providers = &provider,
                               .provider_count = 1,
                               .table = {.targets = targets, .target_count = TARGETS}};
    struct fl_preference p = {.given = true, .only_first = true};
    struct fl_plan plan = plan_of(0, 3, 2);
    (void)state;
    fl_preference_order(&p, &config, &plan);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.spare_count, 0);
    assert_int_equal(plan.targets[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spares_stay_behind_what_is_appended),
        cmocka_unit_test(one_target_only_has_no_spares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

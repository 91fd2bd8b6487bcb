/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what a plan costs. Only the release build's numbers mean something; nothing is asserted of
 * them. */
#include "unit/cm.h"

#include "unit/route/pool.h"

#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void warm(struct pool *p, unsigned count)
{
    for (unsigned i = 0; i < 20 * count; i++) {
        pool_try(p, i % count, FL_OK, (50 + i % 7) * MS);
    }
}

static double plan_ns(unsigned count, enum fl_strategy strategy, enum fl_algorithm algorithm)
{
    enum { plans = 300, rounds = 5 };
    struct pool p;
    double best = 1e9;
    pool_init(&p, count, strategy, algorithm);
    warm(&p, count);
    for (unsigned round = 0; round < rounds; round++) {
        double start = now_s();
        for (unsigned i = 0; i < plans; i++) {
            p.now_ns += MS;
            pool_plan_for(&p, fl_slice((const char *)&i, sizeof(i)));
        }
        double ns = (now_s() - start) / plans * 1e9;
        best = ns < best ? ns : best;
    }
    assert_int_equal(p.plan.considered, count);
    pool_finish(&p);
    return best;
}

static double attempt_ns(void)
{
    enum { attempts = 100000 };
    struct pool p;
    pool_init(&p, 1, FL_STRATEGY_HYBRID, FL_ROUND_ROBIN);
    double start = now_s();
    for (unsigned i = 0; i < attempts; i++) {
        pool_try(&p, 0, FL_OK, MS);
    }
    double ns = (now_s() - start) / attempts * 1e9;
    pool_finish(&p);
    return ns;
}

static void print_row(const char *name, enum fl_strategy strategy, enum fl_algorithm algorithm)
{
    print_message("%-30s %6.0f %6.0f %6.0f\n", name, plan_ns(3, strategy, algorithm),
                  plan_ns(16, strategy, algorithm), plan_ns(64, strategy, algorithm));
}

static void print_costs(void **state)
{
    (void)state;
    print_message("nanoseconds a plan, targets:        3     16     64\n");
    for (unsigned a = 0; a < FL_ALGORITHM_COUNT; a++) {
        print_row(fl_algorithm_name((enum fl_algorithm)a), FL_STRATEGY_LOAD_BALANCE,
                  (enum fl_algorithm)a);
    }
    print_row("cost", FL_STRATEGY_COST, FL_ROUND_ROBIN);
    print_row("performance", FL_STRATEGY_PERFORMANCE, FL_ROUND_ROBIN);
    print_row("hybrid, weighted_round_robin", FL_STRATEGY_HYBRID, FL_WEIGHTED_ROUND_ROBIN);
    print_message("begin and end of an attempt: %.0f ns\n", attempt_ns());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(print_costs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spd against least_connections on simulated model servers: the same arrivals and sizes for both,
 * 20 seeds, differences seed by seed. The acceptance is the tail of the time to first token.
 */
#include "unit/cm.h"

#include "prop/llm.h"

enum { seeds = 20, requests = 12000, resamples = 2000 };

static const struct llm_scenario scenarios[] = {
    {.name = "homogeneous",
     .speeds = {1, 1, 1, 1, 1, 1, 1, 1},
     .per_second = 40,
     .step_growth = 0.0004},
    {.name = "heterogeneous",
     .speeds = {0.5, 0.5, 0.75, 0.75, 1, 1, 1.5, 1.5},
     .per_second = 37.5,
     .step_growth = 0.0004},
    {.name = "brown-out",
     .speeds = {0.5, 0.5, 0.75, 0.75, 1, 1, 1.5, 1.5},
     .per_second = 37.5,
     .step_growth = 0.0004,
     .brown_from_s = 60,
     .brown_to_s = 160},
    {.name = "batches grow 2.5 times slower",
     .speeds = {0.5, 0.5, 0.75, 0.75, 1, 1, 1.5, 1.5},
     .per_second = 37.5,
     .step_growth = 0.00016},
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* 95 % interval of the mean of *count* differences, by bootstrap. */
static void interval(const double *values, unsigned count, double ret[2])
{
    static double means[resamples];
    struct fl_rng rng;
    fl_rng_seed(&rng, 7);
    for (unsigned i = 0; i < resamples; i++) {
        means[i] = 0;
        for (unsigned j = 0; j < count; j++) {
            means[i] += values[fl_rng_below(&rng, count)] / count;
        }
    }
    qsort(means, resamples, sizeof(double), ascending);
    ret[0] = means[(size_t)(0.025 * resamples)];
    ret[1] = means[(size_t)(0.975 * resamples)];
}

/* Change in per cent of one figure, policy against base. */
static double change(double base, double policy)
{
    return 100 * (policy / base - 1);
}

static void compare(const struct llm_scenario *s, const char *policy, double ret_p99[2])
{
    double p99[seeds], mean[seeds], total[seeds], p99_s[2] = {0, 0}, range[2];
    for (unsigned i = 0; i < seeds; i++) {
        struct llm_result base, ours;
        llm_run(s, "least_connections", 1000 + i, requests, &base);
        llm_run(s, policy, 1000 + i, requests, &ours);
        p99[i] = change(base.ttft_p99, ours.ttft_p99);
        mean[i] = change(base.ttft_mean, ours.ttft_mean);
        total[i] = change(base.total_p99, ours.total_p99);
        p99_s[0] += base.ttft_p99 / seeds;
        p99_s[1] += ours.ttft_p99 / seeds;
    }
    print_message(
        "%s, %s against least_connections, %u seeds (least_connections: %.2f s, here %.2f s)\n",
        s->name, policy, (unsigned)seeds, p99_s[0], p99_s[1]);
    interval(mean, seeds, range);
    print_message("  TTFT mean  %+6.1f .. %+6.1f %%\n", range[0], range[1]);
    interval(total, seeds, range);
    print_message("  end p99    %+6.1f .. %+6.1f %%\n", range[0], range[1]);
    interval(p99, seeds, ret_p99);
    print_message("  TTFT p99   %+6.1f .. %+6.1f %%\n", ret_p99[0], ret_p99[1]);
}

static void spd_answers_sooner(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        double p99[2];
        compare(&scenarios[i], "spd", p99);
        assert_true(p99[1] <= -55);
    }
}

/* The default strategy is not only about speed; it must not cost it. */
static void so_does_hybrid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        double p99[2];
        compare(&scenarios[i], "hybrid", p99);
        assert_true(p99[1] <= -55);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spd_answers_sooner),
                                       cmocka_unit_test(so_does_hybrid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Hedging against its closed form and against stragglers (ROUTING.md 2.6). Prints its seed. */
#include "unit/cm.h"

#include "route/failover.h"
#include "route/hedge.h"
#include "route/state.h"
#include "unit/route/pool.h"

#include <math.h>

enum { SAMPLES = 400000 };

static double values[SAMPLES];

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double q)
{
    return values[(size_t)(q * SAMPLES)];
}

static double exponential(struct fl_rng *rng)
{
    return -log(1 - fl_rng_unit(rng));
}

/* P(T > t) = S(t) S(t - d), S(t) = e^-t: solved for t >= d. */
static double closed_form(double tail, double d)
{
    return (d - log(tail)) / 2;
}

static double hedged(double first, double second, double d)
{
    return first > d && d + second < first ? d + second : first;
}

static void exponential_times(void **state)
{
    (void)state;
    static struct fl_spreads spreads;
    struct fl_rng rng;
    const double d = log(20);
    print_message("[ hedging  ] seed 1\n");
    fl_rng_seed(&rng, 1);
    assert_true(fabs(closed_form(0.01, d) - 3.80) < 0.005 && fabs(-log(0.01) - 4.61) < 0.005);
    assert_true(fabs(closed_form(0.001, d) - 4.95) < 0.005 && fabs(-log(0.001) - 6.91) < 0.005);
    for (unsigned i = 0; i < SAMPLES; i++) {
        values[i] = hedged(exponential(&rng), exponential(&rng), d);
    }
    qsort(values, SAMPLES, sizeof(values[0]), by_size);
    print_message("[ hedging  ] d = ln 20: p99 %.2f (3.80), p99.9 %.2f (4.95)\n", quantile(0.99),
                  quantile(0.999));
    assert_true(fabs(quantile(0.99) - 3.80) < 0.05 && fabs(quantile(0.999) - 4.95) < 0.12);
    /* With the delay that is learned from what was seen: a bin above the percentile at most. */
    for (unsigned i = 0; i < 20000; i++) {
        fl_spread_add(&spreads.first[0], (uint64_t)(exponential(&rng) * 1e9), 1000 * S);
    }
    double learned = (double)fl_hedge_delay_ns(&spreads, 100) / 1e9;
    print_message("[ hedging  ] learned delay %.3f (p95 is %.3f)\n", learned, d);
    assert_true(learned > d * 0.97 && learned < d * 1.12);
}

/* First tokens: lognormal around 0.5 s, of which 2 % take ten times as long. */
static double straggler(struct fl_rng *rng)
{
    double u = 1 - fl_rng_unit(rng), v = fl_rng_unit(rng);
    double normal = sqrt(-2 * log(u)) * cos(2 * 3.141592653589793 * v);
    double slow = fl_rng_unit(rng) < 0.02 ? 10 : 1;
    return 0.5 * exp(0.5 * normal) * slow;
}

struct outcome {
    double p99, p999, extra;
};

/* One request after another through the engine, *per_second*; two targets of different vendors, the
 * first of which is asked. */
static struct outcome run(bool hedging, double pool_load, double per_second)
{
    struct pool p;
    struct fl_rng rng;
    unsigned hedges = 0;
    pool_init(&p, 2, FL_STRATEGY_LOAD_BALANCE, FL_ROUND_ROBIN);
    fl_rng_seed(&rng, 2);
    for (unsigned i = 0; i < 2; i++) {
        p.targets[i].fate[FL_FATE_PROVIDER] = p.targets[i].fate[FL_FATE_VENDOR] = i + 1;
    }
    struct fl_retry_budget *budget = &p.route.state->budget;
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct fl_failover f;
        struct fl_dispatch dispatch;
        p.now_ns += (uint64_t)(1e9 / per_second);
        unsigned target = pool_plan(&p);
        struct fl_failover_scene scene = {
            .table = &p.table, .plan = &p.plan, .pool = budget, .rng = &rng, .now_ns = p.now_ns};
        fl_retry_budget_request(budget, p.now_ns);
        fl_failover_start(&f);
        fl_failover_first(&f, &scene);
        double first = straggler(&rng), second = straggler(&rng);
        uint64_t d = fl_hedge_delay_ns(&p.targets[target].state->spreads, 100);
        const struct fl_hedge_ask ask = {
            .streaming = true, .pool_load = pool_load, .budget_left = 1};
        values[i] = first;
        if (hedging && first * 1e9 > (double)d && fl_hedge_allowed(&ask) &&
            fl_failover_hedge(&f, &scene, 0).kind != FL_STEP_NONE) {
            hedges++;
            values[i] = hedged(first, second, (double)d / 1e9);
        }
        fl_route_begin(&p.targets[target], 100, true, p.now_ns, &dispatch);
        /* What the first one would have taken: the loser of a hedge is known to be later still. */
        fl_route_first_byte(&p.targets[target], &dispatch, p.now_ns + (uint64_t)(first * 1e9));
        const struct fl_outcome ok = {.first_byte_ns = 1, .total_ns = 2};
        fl_route_end(&p.table, &p.targets[target], &dispatch, &ok, p.now_ns);
    }
    pool_finish(&p);
    qsort(values, SAMPLES, sizeof(values[0]), by_size);
    return (struct outcome){quantile(0.99), quantile(0.999), (double)hedges / SAMPLES};
}

static void stragglers(void **state)
{
    (void)state;
    struct outcome plain = run(false, 0.3, 100), hedge = run(true, 0.3, 100);
    print_message("[ straggler] seed 2; plain: p99 %.2f s, p99.9 %.1f s\n", plain.p99, plain.p999);
    print_message("[ straggler] hedged: p99 %.2f s, p99.9 %.1f s, %.2f %% more requests\n",
                  hedge.p99, hedge.p999, hedge.extra * 100);
    assert_true(plain.p99 > 4.5 && plain.p99 < 5.5);
    assert_true(hedge.p99 <= 2.0);
    assert_true(hedge.extra <= 0.06);
    assert_true(run(true, 0.9, 100).extra == 0); /* the pool is full */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_times),
        cmocka_unit_test(stragglers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is worked out four targets at a time is what it is for one: both programs give the same bits, and
 * those of the plain functions of measure.h. And the first of many by rank. */
#include "unit/cm.h"
#include "unit/route/pool.h"

#include "route/outlook_lanes.h"
#include "route/rank.h"

enum { targets_max = 70, rounds = 200 };

static struct pool pool;

/* Attempts of all kinds, some of them still on their way, with pauses from none to hours. */
static void live(struct fl_rng *rng, unsigned count)
{
    unsigned attempts = (unsigned)fl_rng_below(rng, 6 * count);
    for (unsigned i = 0; i < attempts; i++) {
        const struct fl_target *t = &pool.targets[fl_rng_below(rng, count)];
        struct fl_dispatch d;
        struct fl_outcome o = {.total_ns = MS * (1 + fl_rng_below(rng, 20000))};
        bool stream = fl_rng_below(rng, 2);
        fl_route_begin(t, (unsigned)fl_rng_below(rng, 5000), stream, pool.now_ns, &d);
        pool.now_ns += fl_rng_below(rng, 50) == 0 ? S * fl_rng_below(rng, 7200) : MS * 10;
        if (stream && fl_rng_below(rng, 3) > 0) {
            o.first_byte_ns = o.total_ns / (2 + fl_rng_below(rng, 5));
            fl_route_first_byte(t, &d, pool.now_ns);
        }
        o.err = fl_rng_below(rng, 10) == 0 ? FL_ERR_UPSTREAM_OVERLOADED : FL_OK;
        o.tokens_out = fl_rng_below(rng, 2) ? fl_rng_below(rng, 2000) : 0;
        if (fl_rng_below(rng, 8) > 0 && (o.first_byte_ns > 0) == d.first_byte) {
            fl_route_end(&pool.table, t, &d, &o, pool.now_ns);
        }
    }
}

static void look_at_all(struct fl_outlook *k, struct fl_outlook_block *blocks, unsigned count)
{
    fl_outlook_begin(k, blocks, count, pool.now_ns);
    for (unsigned i = 0; i < count; i++) {
        const struct fl_target_state *s = pool.targets[i].state;
        struct fl_load load = {fl_get(s->in_flight), fl_get(s->pending_tokens)};
        struct fl_tokens tokens = {.in = 1000 + i, .cached = i, .out = 10 * i};
        fl_outlook_look(k, i, s, &load, &tokens);
        fl_outlook_put(k, i, FL_SEES_USD, i % 5 ? 1e6 * (70 - i) : (double)NAN);
    }
}

static void assert_same(double a, double b, unsigned column)
{
    if (memcmp(&a, &b, sizeof(a)) != 0) {
        print_error("column %u: %a, %a\n", column, a, b);
        fail();
    }
}

static void assert_mean(const struct fl_outlook *k, unsigned i, enum fl_column column,
                        struct fl_mean_seen mean)
{
    assert_same(fl_outlook_at(k, i, column), mean.sum, column);
    assert_same(fl_outlook_at(k, i, column + 1), mean.weight, column + 1);
}

static void check_against_measures(const struct fl_outlook *k, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct fl_measures_seen seen;
        fl_measures_see(&pool.targets[i].state->measures, pool.now_ns, &seen);
        assert_mean(k, i, FL_SEES_SUCCESS, seen.success);
        assert_mean(k, i, FL_SEES_FAILURE, seen.failure_ns);
        assert_mean(k, i, FL_SEES_FIRST, seen.first_byte_ns);
        assert_mean(k, i, FL_SEES_WHOLE, seen.total_ns);
        assert_mean(k, i, FL_SEES_TOKEN, seen.token_ns);
        assert_mean(k, i, FL_SEES_LOAD, seen.load);
        assert_same(fl_outlook_at(k, i, FL_SEES_SUCCEEDS), fl_success_of(&seen), FL_SEES_SUCCEEDS);
        struct fl_latency l = fl_outlook_latency(k, i, 10 * i);
        double total = fl_outlook_at(k, i, FL_SEES_TOTAL_NS);
        double error = fl_outlook_at(k, i, FL_SEES_ERROR_NS) / sqrt(l.variance_ns2) * l.ns;
        assert_true(error <= total * (1 + 1e-12)); /* of the total before what waits was added */
    }
}

static void both_programs_say_the_same(void **state)
{
    (void)state;
    static struct fl_outlook_block wide[targets_max / FL_LANES + 1],
        plain[targets_max / FL_LANES + 1];
    for (uint64_t seed = 1; seed <= rounds; seed++) {
        struct fl_rng rng;
        struct fl_outlook k, p;
        fl_rng_seed(&rng, seed);
        unsigned count = 2 + (unsigned)fl_rng_below(&rng, targets_max - 1);
        pool_init(&pool, count, FL_STRATEGY_HYBRID, FL_WEIGHTED_ROUND_ROBIN);
        live(&rng, count);
        look_at_all(&k, wide, count);
        look_at_all(&p, plain, count);
        fl_outlook_pool(&k);
        fl_outlook_predict(&k);
        p = (struct fl_outlook){.blocks = plain, .count = count, .block_count = p.block_count};
        pool_all(&p);
        assert_memory_equal(&k.sums, &p.sums, sizeof(k.sums));
        struct fl_outlook same = k;
        same.blocks = plain;
        predict_all(&same);
        check_against_measures(&k, count);
        fl_outlook_weigh(&k, 0.1, 1e11);
        weigh_all(&same, 0.1, 1e11);
        for (unsigned i = 0; i < count; i++) {
            for (unsigned c = 0; c < FL_COLUMNS; c++) {
                double a = fl_outlook_at(&k, i, (enum fl_column)c);
                assert_same(a, fl_outlook_at(&same, i, (enum fl_column)c), c);
                assert_true(c >= FL_SEES_TTFT_NS ? isfinite(a) : !isnan(a));
            }
        }
        pool_finish(&pool);
    }
}

static int rising(const void *a, const void *b)
{
    const fl_rank *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void the_first_by_rank(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20ULL * rounds; seed++) {
        static fl_rank ranks[FL_RANKS_MAX], sorted[FL_RANKS_MAX];
        struct fl_rng rng;
        fl_rng_seed(&rng, seed);
        unsigned count = (unsigned)fl_rng_below(&rng, FL_RANKS_MAX + 1);
        unsigned want = 1 + (unsigned)fl_rng_below(&rng, 16);
        unsigned kinds = 1 + (unsigned)fl_rng_below(&rng, 300);
        for (unsigned i = 0; i < count; i++) {
            double key = (double)fl_rng_below(&rng, kinds) - kinds / 2.0;
            key = seed % 3 == 0 ? (double)i : seed % 3 == 1 ? -(double)i : key; /* runs too */
            ranks[i] = sorted[i] = fl_rank_of(key, fl_rng_next(&rng), i);
        }
        qsort(sorted, count, sizeof(*sorted), rising);
        unsigned got = fl_ranks_first(ranks, count, want);
        assert_int_equal(got, count < want ? count : want);
        if (memcmp(ranks, sorted, got * sizeof(*ranks)) != 0) {
            print_error("seed %llu\n", (unsigned long long)seed);
            fail();
        }
    }
}

static void ranks_order_as_keys_do(void **state)
{
    (void)state;
    static const double keys[] = {-HUGE_VAL, -1e300, -2, -1e-300, -0.0,
                                  0,         1e-300, 2,  1e300,   HUGE_VAL};
    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        for (unsigned j = 0; j < sizeof(keys) / sizeof(*keys); j++) {
            bool below = fl_rank_of(keys[i], 7, 3) < fl_rank_of(keys[j], 7, 3);
            assert_true(below == (keys[i] < keys[j]));
        }
    }
    assert_true(fl_rank_of(1, 256, 9) < fl_rank_of(1, 512, 3));
    assert_true(fl_rank_who(fl_rank_of(-1, UINT64_MAX, 200)) == 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_programs_say_the_same),
        cmocka_unit_test(the_first_by_rank),
        cmocka_unit_test(ranks_order_as_keys_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

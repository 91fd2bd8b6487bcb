/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "route/policies.h"
#include "unit/route/pool.h"

#include <math.h>

static void init(struct pool *p, unsigned count, enum fl_algorithm algorithm)
{
    pool_init(p, count, FL_STRATEGY_LOAD_BALANCE, algorithm);
}

static void weigh(struct pool *p, const double *weights, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        p->targets[i].weight = weights[i];
    }
}

/* The first choices of plans in a row, as letters. */
static void assert_turns(struct pool *p, const char *expected)
{
    char turns[64];
    size_t count = strlen(expected);
    assert_true(count < sizeof(turns));
    for (size_t i = 0; i < count; i++) {
        turns[i] = (char)('a' + pool_plan(p));
    }
    turns[count] = '\0';
    assert_string_equal(turns, expected);
}

static void assert_order(const struct pool *p, const char *expected)
{
    char order[FL_PLAN_MAX + 1];
    for (unsigned i = 0; i < p->plan.count; i++) {
        order[i] = (char)('a' + p->plan.targets[i]);
    }
    order[p->plan.count] = '\0';
    assert_string_equal(order, expected);
}

/* --- Turns --- */

static void smooth_turns_are_known(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3, FL_WEIGHTED_ROUND_ROBIN);
    weigh(&p, (const double[]){5, 1, 1}, 3);
    assert_turns(&p, "aabacaaaabacaa");
    assert_string_equal(p.plan.why, "turn");
    assert_string_equal(p.plan.policy, "weighted_round_robin");
    pool_finish(&p);
    init(&p, 3, FL_WEIGHTED_ROUND_ROBIN);
    weigh(&p, (const double[]){3, 2, 1}, 3);
    assert_turns(&p, "abacbaabacbaabacba");
    pool_finish(&p);
    init(&p, 3, FL_WEIGHTED_ROUND_ROBIN);
    weigh(&p, (const double[]){0.3, 0.2, 0.1}, 3);
    unsigned picks[3] = {0, 0, 0};
    for (int i = 0; i < 6000; i++) {
        picks[pool_plan(&p)]++;
    }
    assert_in_range(picks[0], 2999, 3001);
    assert_in_range(picks[1], 1999, 2001);
    pool_finish(&p);
}

/* Two failures of three take most of a weight; each success gives an eighth back. */
static void weights_drop_with_failures(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_WEIGHTED_ROUND_ROBIN);
    p.table.health.failures_to_eject = 4;
    assert_turns(&p, "abab");
    for (int i = 0; i < 3; i++) { /* strength 8 -> 2 */
        pool_try(&p, 0, FL_ERR_SERVER, MS);
    }
    assert_turns(&p, "bbabbbbabb");
    for (int i = 0; i < 6; i++) {
        pool_try(&p, 0, FL_OK, MS);
    }
    unsigned picks[2] = {0, 0};
    for (int i = 0; i < 100; i++) {
        picks[pool_plan(&p)]++;
    }
    assert_int_equal(picks[0], 50);
    pool_finish(&p);
}

static void turns_survive_a_reload(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3, FL_WEIGHTED_ROUND_ROBIN);
    weigh(&p, (const double[]){5, 1, 1}, 3);
    assert_turns(&p, "aab");
    struct fl_target again[3]; /* the next snapshot finds the same states */
    for (unsigned i = 0; i < 3; i++) {
        again[i] = p.targets[i];
        again[i].state = fl_registry_target(p.registry, again[i].id);
        assert_ptr_equal(again[i].state, p.targets[i].state);
    }
    p.table.targets = again;
    assert_ptr_equal(fl_registry_route(p.registry, FL_LIT("auto")), p.route.state);
    assert_ptr_not_equal(fl_registry_route(p.registry, FL_LIT("aut")), p.route.state);
    assert_turns(&p, "acaa");
    assert_turns(&p, "aa"); /* a owes 4, the others have 2 each: b would be next */
    again[0].state = fl_registry_target(p.registry, FL_LIT("new/m"));
    assert_turns(&p, "a"); /* another in a's place owes nothing */
    pool_finish(&p);
}

static void round_robin_goes_round_from_anywhere(void **state)
{
    (void)state;
    unsigned starts[3] = {0, 0, 0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct pool p;
        init(&p, 3, FL_ROUND_ROBIN);
        fl_rng_seed(&p.rng, seed);
        weigh(&p, (const double[]){9, 1, 1}, 3); /* not its business */
        unsigned first = pool_plan(&p);
        starts[first]++;
        for (unsigned i = 1; i < 10; i++) {
            assert_int_equal(pool_plan(&p), (first + i) % 3);
            assert_int_equal(p.plan.targets[1], (first + i + 1) % 3);
            assert_int_equal(p.plan.targets[2], (first + i + 2) % 3);
        }
        pool_finish(&p);
    }
    assert_true(starts[0] > 0 && starts[1] > 0 && starts[2] > 0);
}

/* --- Load and latency --- */

static void least_connections_count_at_dispatch(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3, FL_LEAST_CONNECTIONS);
    weigh(&p, (const double[]){2, 1, 1}, 3);
    unsigned picks[3] = {0, 0, 0};
    for (int i = 0; i < 400; i++) { /* none ends */
        unsigned target = pool_plan(&p);
        picks[target]++;
        pool_begin(&p, target);
    }
    assert_in_range(picks[0], 199, 201);
    assert_in_range(picks[1], 99, 101);
    assert_string_equal(p.plan.why, "fewest-in-flight");
    pool_finish(&p);
}

static void ties_are_broken_at_random(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3, FL_LEAST_CONNECTIONS);
    unsigned picks[3] = {0, 0, 0}, seconds[3] = {0, 0, 0};
    for (int i = 0; i < 3000; i++) {
        picks[pool_plan(&p)]++;
        seconds[p.plan.targets[1]]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(picks[i], 900, 1100);
        assert_in_range(seconds[i], 900, 1100);
    }
    pool_finish(&p);
}

static void measure(struct pool *p, unsigned target, unsigned count, enum fl_err err, uint64_t ns)
{
    for (unsigned i = 0; i < count; i++) {
        pool_try(p, target, err, ns);
    }
}

static void least_response_time_prefers_the_fast(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 3, FL_LEAST_RESPONSE_TIME);
    measure(&p, 0, 20, FL_OK, 300 * MS);
    measure(&p, 1, 20, FL_OK, 100 * MS);
    pool_plan(&p); /* c is cold: as the mean of the pool */
    assert_order(&p, "bca");
    assert_string_equal(p.plan.why, "fastest");
    pool_begin(&p,
               1); /* two in flight at 100 ms a piece: about 200 ms, so the cold one is as good */
    pool_begin(&p, 1);
    pool_plan(&p);
    assert_order(&p, "cab");
    pool_finish(&p);
}

/* 20 ms failures of one target, 100 ms successes of both: the failing one costs the other's time
 * too. */
static void failing_fast_is_not_fast(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_LEAST_RESPONSE_TIME);
    p.table.health.failures_to_eject = 1000000;
    for (unsigned i = 0; i < 20; i++) {
        measure(&p, 0, 2, FL_ERR_SERVER, 20 * MS);
        measure(&p, 0, 1, FL_OK, 90 * MS);
        measure(&p, 1, 1, FL_OK, 100 * MS);
    }
    assert_int_equal(pool_plan(&p), 1);
    assert_true(pool_view(&p, 0).total_ms < 90.1); /* failures are not in it */
    assert_true(pool_view(&p, 0).total_ms > 89.9);
    pool_finish(&p);
}

static void waiting_long_counts_as_slow(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_LEAST_RESPONSE_TIME);
    measure(&p, 0, 20, FL_OK, 100 * MS);
    measure(&p, 1, 20, FL_OK, 150 * MS);
    struct fl_dispatch zero, one;
    fl_route_begin(&p.targets[1], 0, true, p.now_ns, &one); /* and answers at once, so that both have one in flight */
    fl_route_first_byte(&p.targets[1], &one, p.now_ns);
    fl_route_begin(&p.targets[0], 0, true, p.now_ns, &zero);
    p.now_ns += 100 * MS;
    assert_int_equal(pool_plan(&p), 0);
    p.now_ns += 400 * MS;
    assert_int_equal(pool_plan(&p), 1);
    fl_route_first_byte(&p.targets[0], &zero, p.now_ns);
    assert_int_equal(pool_plan(&p), 0);
    pool_finish(&p);
}

static void end_of(struct pool *p, unsigned target, uint64_t first_ms, uint64_t total_ms,
                   uint64_t tokens)
{
    struct fl_outcome outcome = {
        .first_byte_ns = first_ms * MS, .total_ns = total_ms * MS, .tokens_out = tokens};
    struct fl_dispatch dispatch;
    fl_route_begin(&p->targets[target], 0, false, p->now_ns, &dispatch);
    p->now_ns += outcome.total_ns;
    fl_route_end(&p->table, &p->targets[target], &dispatch, &outcome, p->now_ns);
}

/* a: 100 ms + 10 ms a token; b: 500 ms + 1 ms a token. Whose answers happened to be long is not the
 * point. */
static void speed_is_not_length(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_LEAST_RESPONSE_TIME);
    for (int i = 0; i < 50; i++) {
        end_of(&p, 0, 100, 1100, 100);
        end_of(&p, 1, 500, 1500, 1000);
    }
    struct fl_route_request request = {.now_ns = p.now_ns, .tokens_out = 10};
    fl_route_plan(&p.table, &p.route, &request, &p.rng, &p.plan);
    assert_order(&p, "ab");
    request.tokens_out = 1000;
    fl_route_plan(&p.table, &p.route, &request, &p.rng, &p.plan);
    assert_order(&p, "ba");
    pool_finish(&p);
}

/* An answer of one token says little about the time a token takes: a hundredth of one of a hundred
 * tokens. */
static void short_answers_say_little_about_speed(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_LEAST_RESPONSE_TIME);
    for (int i = 0; i < 20; i++) {
        end_of(&p, 0, 100, 1100, 100);
        end_of(&p, 0, 100, 300, 1); /* 200 ms for its token */
        end_of(&p, 1, 100, 1600, 100);
    }
    pool_plan(&p);
    assert_order(&p, "ab");
    pool_finish(&p);
}

/* Under hybrid a cheap target may be slower, by what its price saves. */
static void cheap_may_be_slow(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 2, FL_STRATEGY_HYBRID, FL_LEAST_RESPONSE_TIME);
    for (int i = 0; i < 20; i++) {
        measure(&p, 0, 1, FL_OK, 100 * MS);
        measure(&p, 1, 1, FL_OK, 150 * MS);
    }
    assert_int_equal(pool_plan(&p), 0);
    for (unsigned i = 0; i < 2; i++) { /* 0.0026 USD a request, worth 260 ms */
        p.targets[i].priced = true;
        p.targets[i].price_in = p.targets[i].price_cached = p.targets[i].price_out = 2000000;
    }
    p.targets[1].cost_multiplier = 0.5;
    assert_int_equal(pool_plan(&p), 1);
    pool_finish(&p);
}

static void estimates_fade_by_time(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_LEAST_RESPONSE_TIME);
    measure(&p, 0, 50, FL_OK, MS);
    p.now_ns += 30 * S; /* one half-life: 50 samples weigh 25 */
    measure(&p, 0, 25, FL_OK, 0);
    assert_true(fabs(pool_view(&p, 0).total_ms - 0.5) < 0.01);
    pool_try(&p, 1, FL_ERR_SERVER, 0);
    assert_true(fabs(pool_view(&p, 1).success - 9.9 / 11) < 1e-9);
    p.now_ns += 60 * S;
    assert_true(fabs(pool_view(&p, 1).success - 9.9 / 10.5) < 1e-9);
    pool_finish(&p);
}

/* --- Strategies --- */

static void price(struct pool *p, unsigned target, uint64_t in, uint64_t out, double multiplier)
{
    p->targets[target].priced = true;
    p->targets[target].price_in = in;
    p->targets[target].price_out = out;
    p->targets[target].cost_multiplier = multiplier;
}

static void cost_takes_the_cheapest(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 5, FL_STRATEGY_COST, FL_WEIGHTED_ROUND_ROBIN);
    price(&p, 0, 2500000, 10000000, 1.0); /* USD 2.50 and 10 a million */
    price(&p, 1, 3000000, 15000000, 0.5);
    price(&p, 2, 600000, 600000, 1.0);
    p.targets[3].cost_multiplier = 0.01; /* no price: after those with one */
    p.targets[4].cost_multiplier = 0.005;
    pool_plan(&p);
    assert_order(&p, "cbaed");
    assert_string_equal(p.plan.why, "cheapest");
    assert_true(fabs(p.plan.candidates[0].score - 780) <
                1e-9); /* micro-USD for 1,000 + 300 tokens */
    assert_true(fabs(p.plan.candidates[1].score - 3750) < 1e-9);
    assert_true(fabs(p.plan.candidates[2].score - 5500) < 1e-9);
    price(&p, 2, 2500000, 10000000, 1.0);
    price(&p, 1, 2500000, 10000000, 1.0);
    weigh(&p, (const double[]){5, 1, 1, 9, 9}, 5);
    assert_turns(&p, "aabacaa"); /* ties take turns */
    struct fl_route_request long_answer = {
        .now_ns = p.now_ns, .tokens_in = 1, .tokens_out = 100000};
    price(&p, 1, 1, 20000000, 1.0);
    fl_route_plan(&p.table, &p.route, &long_answer, &p.rng, &p.plan);
    assert_int_equal(p.plan.targets[2], 1);
    pool_finish(&p);
}

static void performance_weighs_success_and_speed(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 3, FL_STRATEGY_PERFORMANCE, FL_WEIGHTED_ROUND_ROBIN);
    for (int i = 0; i < 30; i++) {
        measure(&p, 0, 1, FL_OK, 100 * MS);
        measure(&p, 1, 1, FL_OK, 3000 * MS);
    }
    unsigned first[3] = {0, 0, 0};
    for (int i = 0; i < 100; i++) {
        first[pool_plan(&p)]++;
        assert_int_equal(p.plan.targets[2], 1);
    }
    assert_true(first[0] > 30 && first[2] > 30); /* the cold one is tried */
    assert_string_equal(p.plan.why, "best-score");
    p.targets[1].performance_bonus = 0.5;
    assert_int_equal(pool_plan(&p), 1);
    p.targets[1].performance_bonus = 0;
    measure(&p, 2, 30, FL_OK, 1500 * MS);
    pool_plan(&p);
    assert_order(&p, "acb");
    p.targets[2].performance_bonus = 0.2;
    assert_int_equal(pool_plan(&p), 2);
    pool_finish(&p);
    pool_init(&p, 2, FL_STRATEGY_PERFORMANCE, FL_WEIGHTED_ROUND_ROBIN);
    pool_begin(&p, 0); /* as good: fewest in flight */
    p.targets[0].performance_bonus = 0.009;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pool_plan(&p), 1);
    }
    p.targets[0].performance_bonus = 0.011; /* better */
    assert_int_equal(pool_plan(&p), 0);
    pool_finish(&p);
}

/* The origin's three providers: 3 * 1.1 / 1.0 = 3.3, 2 * 1.05 / 0.8 = 2.625, 1 / 0.3 = 3.33. */
static void hybrid_shares_what_is_as_good(void **state)
{
    (void)state;
    static const double multipliers[] = {1.0, 0.8, 0.3}, bonuses[] = {0.1, 0.05, 0.0};
    struct pool p;
    unsigned picks[3] = {0, 0, 0};
    pool_init(&p, 3, FL_STRATEGY_HYBRID, FL_WEIGHTED_ROUND_ROBIN);
    weigh(&p, (const double[]){3, 2, 1}, 3);
    for (unsigned i = 0; i < 3; i++) {
        p.targets[i].cost_multiplier = multipliers[i];
        p.targets[i].performance_bonus = bonuses[i];
    }
    for (int i = 0; i < 9258; i++) {
        picks[pool_plan(&p)]++;
    }
    assert_in_range(picks[0], 3299, 3301);
    assert_in_range(picks[1], 2624, 2626);
    assert_in_range(picks[2], 3332, 3334);
    char text[256];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    fl_plan_put_reason(&p.table, &p.plan, &b);
    assert_slice(fl_buf_slice(&b),
                 "strategy=hybrid; why=turn; considered=3");

    p.table.health.failures_to_eject = 1000000;
    for (int i = 0; i < 40; i++) { /* half of c's attempts fail: it is no longer as good */
        pool_try(&p, 2, i % 2 ? FL_OK : FL_ERR_SERVER, MS);
    }
    for (int i = 0; i < 8; i++) {
        pool_try(&p, 2, FL_OK, MS);
    }
    memset(picks, 0, sizeof(picks));
    for (int i = 0; i < 1000; i++) {
        picks[pool_plan(&p)]++;
    }
    assert_in_range(picks[2], 0, 40); /* but tried now and then */
    pool_finish(&p);
}

static void a_request_may_bring_its_strategy(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 2, FL_STRATEGY_HYBRID, FL_WEIGHTED_ROUND_ROBIN);
    price(&p, 0, 2, 2, 1);
    price(&p, 1, 1, 1, 1);
    struct fl_route_request request = {
        .now_ns = p.now_ns, .strategy_given = true, .strategy = FL_STRATEGY_COST};
    fl_route_plan(&p.table, &p.route, &request, &p.rng, &p.plan);
    assert_order(&p, "ba");
    assert_int_equal(p.plan.strategy, FL_STRATEGY_COST);
    assert_string_equal(p.plan.policy, "cost");
    pool_finish(&p);
}

/* --- Plans --- */

static void fallbacks_come_in_their_order(void **state)
{
    (void)state;
    struct pool p;
    char text[256];
    struct fl_buf b;
    init(&p, 5, FL_ROUND_ROBIN);
    p.route.primary_count = 2;
    p.order[2] = 4;
    p.order[4] = 2;
    for (int i = 0; i < 10; i++) {
        assert_true(pool_plan(&p) < 2);
        assert_int_equal(p.plan.targets[2], 4);
        assert_int_equal(p.plan.targets[3], 3);
        assert_int_equal(p.plan.targets[4], 2);
    }
    for (unsigned i = 0; i < 2; i++) {
        measure(&p, i, 2, FL_ERR_SERVER, 0);
    }
    pool_plan(&p);
    assert_order(&p, "edc");
    assert_false(p.plan.panic);
    fl_buf_init_in(&b, text, sizeof(text));
    fl_plan_put_reason(&p.table, &p.plan, &b);
    assert_true(fl_buf_ok(&b));
    fl_buf_putc(&b, '\0');
    assert_non_null(strstr(text, "why=fallback; considered=5; skipped="));
    assert_non_null(strstr(text, "p0/m:ejected"));
    measure(&p, 3, 2, FL_ERR_SERVER, 0);
    pool_plan(&p); /* two of five are well: the others may be needed too, after them */
    assert_int_equal(p.plan.count, 5);
    assert_int_equal(p.plan.targets[0], 4);
    assert_int_equal(p.plan.targets[1], 2);
    assert_true(p.plan.panic);
    assert_string_equal(p.plan.why, "fallback");
    pool_finish(&p);
}

static void long_routes_keep_the_best(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 200, FL_LEAST_CONNECTIONS);
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned j = 0; j < (i + 100) % 200;
             j++) { /* 100 has none, 101 one, ..., 99 has 199 */
            pool_begin(&p, i);
        }
    }
    pool_plan(&p);
    assert_int_equal(p.plan.count, FL_PLAN_MAX);
    assert_int_equal(p.plan.considered, 200);
    for (unsigned i = 0; i < FL_PLAN_MAX; i++) {
        assert_int_equal(p.plan.targets[i], 100 + i);
    }
    measure(&p, 7, 2, FL_ERR_SERVER, 0);
    pool_plan(&p); /* that one was skipped is on the record */
    assert_int_equal(p.plan.candidate_count, FL_PLAN_MAX);
    assert_int_equal(p.plan.candidates[FL_PLAN_MAX - 1].target, 7);
    pool_finish(&p);
    init(&p, 12, FL_LEAST_CONNECTIONS);
    for (unsigned i = 0; i < 12; i++) {
        measure(&p, i, 2, FL_ERR_SERVER, 0);
    }
    pool_plan(&p); /* in panic all are tried, and all are on the record as such */
    assert_true(p.plan.panic);
    assert_int_equal(p.plan.candidate_count, 12);
    pool_finish(&p);
    init(&p, 300, FL_WEIGHTED_ROUND_ROBIN);
    unsigned seen[300] = {0};
    for (int i = 0; i < 6000; i++) {
        seen[pool_plan(&p)]++;
        assert_int_equal(p.plan.considered, FL_ROUTE_TARGETS_MAX);
    }
    for (unsigned i = 0; i < 300; i++) {
        assert_in_range(seen[i], 1, 60);
    }
    pool_finish(&p);
}

/* --- Names --- */

static const struct fl_route *find(const struct fl_table *t, const char *name)
{
    return fl_route_find(t, fl_slice_cstr(name));
}

static void names_find_their_routes(void **state)
{
    (void)state;
    const struct fl_route routes[] = {
        {.name = FL_LIT("anthropic/claude"), .listed = true},
        {.name = FL_LIT("auto"), .listed = true},
        {.name = FL_LIT("gpt-4"), .listed = true},
        {.name = FL_LIT("gpt-4o"), .listed = true},
        {.name = FL_LIT("openrouter/*")},
        {.name = FL_LIT("secret-model")},
    };
    struct fl_table t = {.routes = routes, .route_count = sizeof(routes) / sizeof(routes[0])};
    for (unsigned i = 0; i < t.route_count; i++) {
        assert_ptr_equal(fl_route_find(&t, routes[i].name), &routes[i]);
    }
    assert_ptr_equal(find(&t, "openrouter/meta/llama-3"), &routes[4]);
    assert_null(find(&t, "openrouter/"));
    assert_null(find(&t, "openrouter"));
    assert_null(find(&t, "anthropic/other"));
    assert_null(find(&t, "/x"));
    assert_null(find(&t, ""));
    assert_null(find(&t, "GPT-4"));
    char longest[400];
    memset(longest, 'a', sizeof(longest));
    longest[300] = '/';
    assert_null(fl_route_find(&t, fl_slice(longest, sizeof(longest))));

    assert_slice(fl_route_suggest(&t, FL_LIT("gpt4")), "gpt-4");
    assert_slice(fl_route_suggest(&t, FL_LIT("GPT-4O")), "gpt-4o");
    assert_slice(fl_route_suggest(&t, FL_LIT("anthropic/cluade")), "anthropic/claude");
    assert_int_equal(fl_route_suggest(&t, FL_LIT("secret-modl")).len, 0);
    assert_int_equal(fl_route_suggest(&t, FL_LIT("x")).len, 0);
    assert_int_equal(fl_route_suggest(&t, FL_EMPTY).len, 0);
}

static void clients_have_keys(void **state)
{
    (void)state;
    static const uint8_t v4[16] = {192, 0, 2, 1, 9, 9};
    static const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
    char a[16], b[16];
    struct fl_slice four = fl_route_client_key(4, v4, a), same = fl_route_client_key(6, mapped, b);
    assert_int_equal(four.len, 4);
    assert_true(fl_slice_eq(four, same));
    struct fl_slice six = fl_route_client_key(6, v6, a);
    assert_int_equal(six.len, 8);
    assert_memory_equal(six.ptr, v6, 8);
    assert_int_equal(fl_route_client_key(0, v6, a).len, 0);
}

/* One list of words: strategies, and algorithms under load_balance. */
static void selections_are_words(void **state)
{
    (void)state;
    struct fl_selection s;
    unsigned count = 0;
    for (; fl_selection_word(count); count++) {
        assert_true(fl_selection_parse(fl_slice_cstr(fl_selection_word(count)), &s));
        assert_non_null(fl_policy_of(s.strategy, s.algorithm)->order);
    }
    assert_int_equal(count, 8 + 12);
    assert_true(fl_selection_parse(FL_LIT("SPD"), &s));
    assert_int_equal(s.strategy, FL_STRATEGY_LOAD_BALANCE);
    assert_true(s.algorithm_given);
    assert_int_equal(s.algorithm, FL_SPD);
    assert_true(fl_selection_parse(FL_LIT("cost"), &s));
    assert_int_equal(s.strategy, FL_STRATEGY_COST);
    assert_false(s.algorithm_given);
    assert_false(fl_selection_parse(FL_LIT("fastest"), &s));
    assert_false(fl_selection_parse(FL_EMPTY, &s));
    enum fl_tier tier;
    assert_true(fl_tier_parse(FL_LIT("Medium"), &tier));
    assert_int_equal(tier, FL_TIER_MEDIUM);
    assert_false(fl_tier_parse(FL_LIT("unknown"), &tier));

    struct pool p;
    pool_init(&p, 3, FL_STRATEGY_HYBRID, FL_WEIGHTED_ROUND_ROBIN);
    struct fl_route_request request = {.now_ns = p.now_ns,
                                       .strategy_given = true,
                                       .strategy = FL_STRATEGY_LOAD_BALANCE,
                                       .algorithm_given = true,
                                       .algorithm = FL_P2C};
    fl_route_plan(&p.table, &p.route, &request, &p.rng, &p.plan);
    assert_string_equal(p.plan.policy, "p2c");
    pool_finish(&p);
}

/* Input tokens of attempts without a first byte. */
static void pending_tokens_are_kept(void **state)
{
    (void)state;
    struct pool p;
    struct fl_dispatch a, b;
    struct fl_outcome ok = {.err = FL_OK, .first_byte_ns = 1, .total_ns = 2};
    init(&p, 1, FL_ROUND_ROBIN);
    fl_route_begin(&p.targets[0], 1000, true, p.now_ns, &a);
    fl_route_begin(&p.targets[0], 500, true, p.now_ns, &b);
    assert_int_equal(b.in_flight, 1);
    assert_int_equal(b.pending_tokens, 1000);
    assert_int_equal(pool_view(&p, 0).pending_tokens, 1500);
    fl_route_first_byte(&p.targets[0], &a, p.now_ns);
    assert_int_equal(pool_view(&p, 0).pending_tokens, 500);
    fl_route_end(&p.table, &p.targets[0], &a, &ok, p.now_ns);
    assert_int_equal(pool_view(&p, 0).pending_tokens, 500);
    fl_route_end(&p.table, &p.targets[0], &b, &ok, p.now_ns);
    assert_int_equal(pool_view(&p, 0).pending_tokens, 0);
    pool_finish(&p);
}

static void names_of_enums(void **state)
{
    (void)state;
    assert_string_equal(fl_strategy_name(FL_STRATEGY_LOAD_BALANCE), "load_balance");
    assert_string_equal(fl_algorithm_name(FL_IP_HASH), "ip_hash");
    assert_string_equal(fl_health_name(FL_HALF_OPEN), "half_open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smooth_turns_are_known),
        cmocka_unit_test(weights_drop_with_failures),
        cmocka_unit_test(turns_survive_a_reload),
        cmocka_unit_test(round_robin_goes_round_from_anywhere),
        cmocka_unit_test(least_connections_count_at_dispatch),
        cmocka_unit_test(ties_are_broken_at_random),
        cmocka_unit_test(least_response_time_prefers_the_fast),
        cmocka_unit_test(failing_fast_is_not_fast),
        cmocka_unit_test(waiting_long_counts_as_slow),
        cmocka_unit_test(speed_is_not_length),
        cmocka_unit_test(short_answers_say_little_about_speed),
        cmocka_unit_test(cheap_may_be_slow),
        cmocka_unit_test(estimates_fade_by_time),
        cmocka_unit_test(cost_takes_the_cheapest),
        cmocka_unit_test(performance_weighs_success_and_speed),
        cmocka_unit_test(hybrid_shares_what_is_as_good),
        cmocka_unit_test(a_request_may_bring_its_strategy),
        cmocka_unit_test(fallbacks_come_in_their_order),
        cmocka_unit_test(long_routes_keep_the_best),
        cmocka_unit_test(names_find_their_routes),
        cmocka_unit_test(clients_have_keys),
        cmocka_unit_test(selections_are_words),
        cmocka_unit_test(pending_tokens_are_kept),
        cmocka_unit_test(names_of_enums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

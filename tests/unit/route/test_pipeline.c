/* SPDX-License-Identifier: Apache-2.0 */
/* Constraints, what is given up for them and in which order, and what the strategies make of what is
 * left. */
#include "unit/cm.h"

#include "route/estimate.h"
#include "unit/route/pool.h"

#include <math.h>

static void init(struct pool *p, unsigned count, enum fl_strategy strategy)
{
    pool_init(p, count, strategy, FL_WEIGHTED_ROUND_ROBIN);
}

/* USD for a million tokens. */
static void price(struct pool *p, unsigned target, double in, double out)
{
    struct fl_target *t = &p->targets[target];
    t->priced = true;
    t->price_in = t->price_cached = (uint64_t)(in * 1e6);
    t->price_out = (uint64_t)(out * 1e6);
}

static struct fl_route_request request_of(const struct pool *p)
{
    return (struct fl_route_request){.now_ns = p->now_ns, .tokens_in = 1000, .tokens_out = 300};
}

static unsigned plan(struct pool *p, struct fl_route_request *r)
{
    r->now_ns = p->now_ns;
    fl_route_plan(&p->table, &p->route, r, &p->rng, &p->plan);
    return p->plan.targets[0];
}

static enum fl_skip skip_of(const struct pool *p, unsigned target)
{
    for (unsigned i = 0; i < p->plan.candidate_count; i++) {
        if (p->plan.candidates[i].target == target) {
            return p->plan.candidates[i].skip;
        }
    }
    fail();
    return FL_SKIP_NONE;
}

static const char *refusal(const struct pool *p, const struct fl_route_request *r)
{
    static char text[1024];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    fl_plan_put_refusal(&p->table, &p->plan, r, &b);
    assert_true(fl_buf_ok(&b));
    text[b.len] = '\0';
    return text;
}

static void measure(struct pool *p, unsigned target, unsigned count, enum fl_err err, uint64_t ns)
{
    for (unsigned i = 0; i < count; i++) {
        pool_try(p, target, err, ns);
    }
}

/* --- Constraints --- */

static void each_constraint_has_its_reason(void **state)
{
    (void)state;
    struct pool p;
    static const uint8_t denied[8] = {[1] = 1};
    init(&p, 8, FL_STRATEGY_COST);
    for (unsigned i = 0; i < 8; i++) {
        price(&p, i, 1, 1);
        p.targets[i].tier = FL_TIER_HIGH;
    }
    p.targets[0].disabled = true;
    p.targets[2].lacks = FL_NEED_VISION | FL_NEED_AUDIO;
    p.targets[3].context_tokens = 2000;
    p.targets[4].output_tokens = 400;
    p.targets[5].tier = FL_TIER_MEDIUM;
    p.targets[6].priced = false;
    price(&p, 7, 100, 100);
    struct fl_route_request r = request_of(&p);
    r.tokens_in = 1000;
    plan(&p, &r);
    assert_int_equal(p.plan.count, 7); /* one is out of service, the rest fit */
    r.denied = denied;
    r.needs = FL_NEED_VISION | FL_NEED_TOOLS;
    r.tokens_in = 3800;
    r.tokens_out_max = 500;
    r.tier = FL_TIER_HIGH;
    r.max_cost_given = true;
    r.max_cost_picousd = UINT64_C(20000000000); /* USD 0.02 */
    plan(&p, &r);
    assert_int_equal(p.plan.count, 0);
    assert_int_equal(p.plan.err, FL_ERR_MAX_COST);
    assert_int_equal(p.plan.binding, FL_SKIP_COST);
    static const enum fl_skip expected[8] = {FL_SKIP_DISABLED, FL_SKIP_DENIED, FL_SKIP_CAPABILITY,
                                             FL_SKIP_CONTEXT,  FL_SKIP_OUTPUT, FL_SKIP_TIER,
                                             FL_SKIP_UNPRICED, FL_SKIP_COST};
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(skip_of(&p, i), expected[i]);
        assert_int_equal(p.plan.skipped[expected[i]], 1);
    }
    for (unsigned i = 0; i < p.plan.candidate_count; i++) {
        const struct fl_candidate *c = &p.plan.candidates[i];
        assert_int_equal(c->missing, c->target == 2 ? FL_NEED_VISION : 0);
    }
    assert_int_equal(p.plan.candidates[0].target, 7); /* nearest to being chosen first */
    assert_int_equal(p.plan.candidates[7].target, 0);
    pool_finish(&p);
}

/* What is known of the model that a request names counts for this request alone. */
static void a_named_model_counts_for_its_request(void **state)
{
    (void)state;
    struct pool p;
    struct fl_named named;
    init(&p, 2, FL_STRATEGY_COST);
    struct fl_route_request r = {.now_ns = p.now_ns, .tokens_in = 5000, .tokens_out = 100};
    named = (struct fl_named){1, p.targets[1]};
    named.target.context_tokens = 1000;
    fl_route_plan(&p.table, &p.route, &r, &p.rng, &p.plan);
    assert_int_equal(p.plan.count, 2);
    r.named = &named;
    r.named_count = 1;
    fl_route_plan(&p.table, &p.route, &r, &p.rng, &p.plan);
    assert_int_equal(p.plan.count, 1);
    assert_int_equal(p.plan.targets[0], 0);
    assert_int_equal(p.plan.skipped[FL_SKIP_CONTEXT], 1);
    named.target.context_tokens = 0;
    named.target.priced = true;
    named.target.price_in = named.target.price_cached = 1000;
    fl_route_plan(&p.table, &p.route, &r, &p.rng, &p.plan);
    assert_int_equal(p.plan.targets[0], 1); /* the only one with a price */
    assert_int_equal(p.plan.candidates[0].cost_p50, 5000 * 1000);
    pool_finish(&p);
}

static void refusals_say_what_binds(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_STRATEGY_HYBRID);
    struct fl_route_request r = request_of(&p);
    p.targets[0].lacks = p.targets[1].lacks = FL_NEED_VISION;
    r.needs = FL_NEED_TOOLS | FL_NEED_VISION;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_CAPABILITY);
    assert_int_equal(fl_err_status(p.plan.err), 400);
    assert_string_equal(
        refusal(&p, &r),
        "No target of this model has all that the request needs (tools, vision); "
        "p0/m lacks vision. Choose another model, or leave that out of the request.");
    r.needs = 0;
    p.targets[0].context_tokens = 8192;
    p.targets[1].context_tokens = 32768;
    r.tokens_in = 50000;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_CONTEXT);
    assert_string_equal(
        refusal(&p, &r),
        "The request is about 50000 tokens and its answer up to 300; the longest "
        "context of this model's targets is 32768 (p1/m). Shorten the messages, lower "
        "max_tokens, or choose another model.");
    r.tokens_in = 1000;
    r.tier = FL_TIER_HIGH;
    p.targets[0].tier = FL_TIER_LOW;
    p.targets[1].tier = FL_TIER_MEDIUM;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_TIER);
    assert_string_equal(refusal(&p, &r),
                        "No target of this model is of tier 'high' or better; the best is 'medium' "
                        "(p1/m). Ask for a lower tier, choose another model, or allow a lower tier "
                        "with 'tier_down_allowed' under 'routing'.");
    r.tier = FL_TIER_UNKNOWN;
    r.max_cost_given = true;
    r.max_cost_picousd = 1000000000;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_MAX_COST);
    assert_int_equal(p.plan.binding, FL_SKIP_UNPRICED);
    price(&p, 0, 10, 30);
    price(&p, 1, 3, 15);
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_MAX_COST);
    assert_int_equal(fl_err_status(p.plan.err), 402);
    assert_string_equal(
        refusal(&p, &r),
        "The cheapest target that fits, p1/m, may cost 0.007500 USD for this request; "
        "the limit is 0.001000 USD. Raise the limit, lower max_tokens, or shorten "
        "the messages.");
    p.targets[0].disabled = p.targets[1].disabled = true;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_NO_TARGET);
    assert_int_equal(fl_err_status(p.plan.err), 503);
    pool_finish(&p);
}

/* What we count is not what the provider counts: within a fifth, the longest context is tried. */
static void a_count_may_err(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_STRATEGY_HYBRID);
    struct fl_route_request r = request_of(&p);
    p.targets[0].context_tokens = p.targets[1].context_tokens = 10000;
    p.targets[1].context_tokens = 9000;
    r.tokens_in = 12000;
    assert_int_equal(plan(&p, &r), 0);
    assert_int_equal(p.plan.relaxed, FL_RELAXED_CONTEXT);
    r.tokens_in = 12600;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_CONTEXT);
    r.tokens_in = 0; /* nothing was counted */
    plan(&p, &r);
    assert_int_equal(p.plan.count, 2);
    pool_finish(&p);
}

static void lesser_limit_counts(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 1, FL_STRATEGY_COST);
    price(&p, 0, 1, 1); /* 1,300 tokens: USD 0.0013 */
    p.route.tier = FL_TIER_MEDIUM;
    p.targets[0].tier = FL_TIER_MEDIUM;
    p.route.max_cost_picousd = UINT64_C(1300000000);
    struct fl_route_request r = request_of(&p);
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_OK);
    p.route.max_cost_picousd--;
    r.max_cost_given = true;
    r.max_cost_picousd = UINT64_C(9300000000);
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_MAX_COST);
    p.route.max_cost_picousd = 0;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_OK);
    r.tokens_out_p90 = 9000; /* p90 is what a limit is held against */
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_MAX_COST);
    r.tokens_out_max = 8000;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_OK);
    r.tier = FL_TIER_HIGH; /* the request's own tier counts */
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_TIER);
    pool_finish(&p);
}

/* --- What is given up, in order --- */

static void relaxations_come_in_order(void **state)
{
    (void)state;
    struct pool p;
    char text[512];
    struct fl_buf b;
    init(&p, 4, FL_STRATEGY_COST);
    static const enum fl_tier tiers[4] = {FL_TIER_HIGH, FL_TIER_HIGH, FL_TIER_MEDIUM, FL_TIER_LOW};
    for (unsigned i = 0; i < 4; i++) {
        price(&p, i, 4 - i, 4 - i);
        p.targets[i].tier = tiers[i];
    }
    p.table.settings.tier_down_allowed = p.table.settings.over_budget_allowed = true;
    struct fl_route_request r = request_of(&p);
    r.tier = FL_TIER_HIGH;
    r.deadline_ns = p.now_ns + 30 * S;
    assert_int_equal(plan(&p, &r), 1);
    assert_int_equal(p.plan.relaxed, 0);
    assert_int_equal(p.plan.binding, FL_SKIP_TIER);
    pool_try(&p, 0, FL_ERR_QUOTA, 0); /* cools for a minute: past the deadline */
    pool_try(&p, 1, FL_ERR_RATE_LIMITED, 0);
    assert_int_equal(plan(&p, &r), 1); /* rather than a lower tier */
    assert_int_equal(p.plan.relaxed, FL_RELAXED_COOLING);
    assert_int_equal(p.plan.count, 1);
    assert_int_equal(skip_of(&p, 0), FL_SKIP_COOLING);
    p.now_ns += 2 * S;
    measure(&p, 1, 2, FL_ERR_SERVER, MS); /* ejected */
    plan(&p, &r);
    assert_int_equal(p.plan.relaxed, FL_RELAXED_PANIC);
    assert_true(p.plan.panic);
    assert_int_equal(p.plan.count, 2);
    p.targets[0].disabled = p.targets[1].disabled = true;
    assert_int_equal(plan(&p, &r), 2); /* the nearest tier below, that one alone */
    assert_int_equal(p.plan.relaxed, FL_RELAXED_TIER);
    assert_int_equal(p.plan.count, 1);
    assert_int_equal(skip_of(&p, 3), FL_SKIP_TIER);
    fl_buf_init_in(&b, text, sizeof(text));
    fl_plan_put_reason(&p.table, &p.plan, &b);
    assert_slice(fl_buf_slice(&b), "strategy=cost; why=only; relaxed=tier; considered=4; "
                                   "skipped=p3/m:below-tier,p0/m:disabled,p1/m:disabled");
    p.table.settings.tier_down_allowed = false;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_TIER);
    r.tier = FL_TIER_MEDIUM;
    r.max_cost_given = true;
    r.max_cost_picousd = 1;
    assert_int_equal(plan(&p, &r), 2);
    assert_int_equal(p.plan.relaxed, FL_RELAXED_COST);
    p.table.settings.over_budget_allowed = false;
    plan(&p, &r);
    assert_int_equal(p.plan.err, FL_ERR_MAX_COST);
    pool_finish(&p);
}

/* --- cost --- */

static void cost_counts_what_is_expected(void **state)
{
    (void)state;
    struct pool p;
    struct fl_cost cost;
    init(&p, 2, FL_STRATEGY_COST);
    price(&p, 0, 1, 4);
    price(&p, 1, 0.8, 4);
    p.targets[0].price_cached = 100000;
    struct fl_route_request r = request_of(&p);
    unsigned cached[2] = {800, 0};
    assert_int_equal(plan(&p, &r), 1);
    r.cached_tokens = cached;
    r.cached_ppm = 500000; /* 400 of 1,000 at a tenth: 600 + 40 + 1,200 against 800 + 1,200 */
    assert_int_equal(plan(&p, &r), 0);
    assert_true(fabs(p.plan.candidates[0].score - 1840) < 1e-9);
    assert_int_equal(p.plan.term_count, 4);
    assert_string_equal(p.plan.terms[0], "cost_usd");
    assert_true(fabs(p.plan.candidates[0].terms[0] - 0.00184) < 1e-12);
    assert_true(p.plan.candidates[0].cost_p50 == UINT64_C(1840000000));
    assert_true(p.plan.candidates[0].cost_p90 == UINT64_C(2200000000));
    r.cached_ppm = 1; /* probably gone */
    assert_int_equal(plan(&p, &r), 1);
    p.targets[1].cost_multiplier = 1.2; /* 2,400 */
    assert_int_equal(plan(&p, &r), 0);
    unsigned counts[2] = {1000, 3000};
    r.tokens_by_tokenizer = counts;
    r.tokenizer_count = 2;
    p.targets[0].tokenizer = 1; /* reads the same text as 3,000 tokens */
    assert_int_equal(plan(&p, &r), 1);
    struct fl_tokens n = fl_tokens_expected(&p.table, 0, &r);
    assert_int_equal(n.in, 3000);
    assert_true(fl_cost_estimate(&p.targets[0], &n, &cost));
    p.table.health.failures_to_eject = 1000;
    p.targets[0].tokenizer = 0;
    p.targets[1].cost_multiplier = 1.05; /* 2,100 against 2,200: cheaper, but fails half the time */
    assert_int_equal(plan(&p, &r), 1);
    for (int i = 0; i < 30; i++) {
        pool_try(&p, 1, i % 2 ? FL_OK : FL_ERR_SERVER, MS);
    }
    assert_int_equal(plan(&p, &r), 0);
    pool_finish(&p);
}

static void prices_do_not_wrap(void **state)
{
    (void)state;
    struct fl_target t = {.priced = true,
                          .price_in = UINT64_MAX / 2,
                          .price_out = UINT64_MAX / 2,
                          .price_cached = UINT64_MAX / 2,
                          .cost_multiplier = 3};
    struct fl_tokens n = {.in = 5, .cached = 9, .cached_ppm = 1000000, .out_p50 = 1, .out_p90 = 1};
    struct fl_cost cost;
    assert_true(fl_cost_estimate(&t, &n, &cost));
    assert_true(cost.p50 == UINT64_MAX && cost.p90 == UINT64_MAX);
    t.priced = false;
    assert_false(fl_cost_estimate(&t, &n, &cost));
}

/* --- hybrid --- */

static void one_slow_answer_moves_nothing(void **state)
{
    (void)state;
    static const enum fl_strategy strategies[] = {FL_STRATEGY_HYBRID, FL_STRATEGY_PERFORMANCE};
    for (unsigned s = 0; s < 2; s++) {
        struct pool p;
        init(&p, 3, strategies[s]);
        struct fl_route_request r = request_of(&p);
        for (unsigned already = 0; already <= 30; already += 10) {
            for (unsigned i = 0; i < already; i++) {
                measure(&p, i % 3, 1, FL_OK, (80 + i % 5 * 10) * MS);
            }
            pool_try(&p, 1, FL_OK, 1000 * MS); /* ten times slower, once */
            unsigned picks[3] = {0, 0, 0};
            for (unsigned i = 0; i < 300; i++) {
                picks[plan(&p, &r)]++;
            }
            assert_in_range(picks[1], 80, 120);
            p.now_ns += 3600 * S;
        }
        for (unsigned i = 0; i < 60; i++) { /* always: that is no chance */
            pool_try(&p, i % 3, FL_OK, i % 3 == 1 ? 1000 * MS : 100 * MS);
        }
        unsigned picks[3] = {0, 0, 0};
        for (unsigned i = 0; i < 300; i++) {
            picks[plan(&p, &r)]++;
        }
        assert_in_range(picks[1], 0, 15);
        pool_finish(&p);
    }
}

static void time_is_weighed_against_money(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_STRATEGY_HYBRID);
    price(&p, 0, 2, 10); /* USD 0.005 */
    price(&p, 1, 0.2, 1);
    struct fl_route_request r = request_of(&p);
    for (unsigned i = 0; i < 200; i++) { /* a is two seconds faster */
        pool_try(&p, 0, FL_OK, 1000 * MS);
        pool_try(&p, 1, FL_OK, 3000 * MS);
    }
    assert_int_equal(plan(&p, &r), 0); /* 0.0045 USD for 2 s: cheap, at a cent a second */
    assert_string_equal(p.plan.why, "best");
    assert_string_equal(p.plan.terms[0], "latency_ms");
    assert_true(p.plan.candidates[0].terms[0] + 700 < p.plan.candidates[1].terms[0]);
    assert_string_equal(p.plan.terms[2], "cost_ms");
    assert_true(fabs(p.plan.candidates[0].terms[2] - 450) < 1e-6);
    p.table.settings.wait_usd_per_second = 0.001;
    assert_int_equal(plan(&p, &r), 1);
    pool_finish(&p);
}

/* Nothing is known of their speed: the cheapest, and those that cost as much. */
static void the_cheapest_of_what_is_as_good(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 4, FL_STRATEGY_HYBRID);
    price(&p, 0, 0.2, 0.6);
    price(&p, 1, 0.1, 0.3);
    price(&p, 2, 0.1, 0.31);
    struct fl_route_request r =
        request_of(&p); /* the fourth has no price: the mean of the others */
    unsigned picks[4] = {0, 0, 0, 0};
    for (unsigned i = 0; i < 100; i++) {
        picks[plan(&p, &r)]++;
    }
    assert_in_range(picks[1], 45, 50);
    assert_in_range(picks[2], 45, 50);
    assert_true(picks[0] + picks[3] < 8); /* explored */
    pool_finish(&p);
}

static void sessions_stay(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 4, FL_STRATEGY_HYBRID);
    unsigned homes[4] = {0, 0, 0, 0};
    struct fl_route_request r = request_of(&p);
    for (unsigned i = 0; i < 400; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "session-%u", i);
        r.session = fl_slice(name, (size_t)len);
        unsigned home = plan(&p, &r);
        assert_string_equal(p.plan.why, "session");
        homes[home]++;
        assert_int_equal(plan(&p, &r), home);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(homes[i], 70, 130);
    }
    r.session = FL_LIT("session-1");
    unsigned home = plan(&p, &r);
    for (unsigned i = 0; i < 5; i++) { /* its home is full: the next best */
        pool_begin(&p, home);
    }
    assert_int_not_equal(plan(&p, &r), home);
    pool_finish(&p);
}

/* A home that is slower is left when that saves more than the cache is worth. */
static void sessions_leave_for_more_than_a_cache(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 2, FL_STRATEGY_HYBRID);
    struct fl_route_request r = request_of(&p);
    r.session = FL_LIT("s");
    unsigned home = plan(&p, &r);
    for (unsigned i = 0; i < 100; i++) {
        pool_try(&p, home, FL_OK, 3000 * MS);
        pool_try(&p, 1 - home, FL_OK, 1000 * MS);
    }
    assert_int_equal(plan(&p, &r), 1 - home);
    for (unsigned i = 0; i < 2; i++) {
        price(&p, i, 3, 15);
        p.targets[i].price_cached = 300000;
    }
    r.tokens_in = 10000; /* warm: USD 0.027, 2.7 s at a cent a second */
    assert_int_equal(plan(&p, &r), home);
    assert_string_equal(p.plan.why, "session");
    r.tokens_in = 1000; /* 0.27 s */
    assert_int_equal(plan(&p, &r), 1 - home);
    pool_finish(&p);
}

static void long_prompts_have_a_home(void **state)
{
    (void)state;
    struct pool p;
    uint64_t blocks[20];
    init(&p, 4, FL_STRATEGY_HYBRID);
    struct fl_route_request r = request_of(&p);
    unsigned homes[4] = {0, 0, 0, 0};
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned j = 0; j < 20; j++) {
            blocks[j] = fl_mix64(i * 100 + j + 1);
        }
        r.prefix = blocks;
        r.prefix_count = 20;
        unsigned home = plan(&p, &r);
        assert_string_equal(p.plan.why, "prefix");
        blocks[19] = 1; /* what comes after the first 4 KiB does not matter */
        assert_int_equal(plan(&p, &r), home);
        homes[home]++;
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(homes[i], 30, 70);
    }
    r.prefix_count = 15;
    plan(&p, &r);
    assert_string_equal(p.plan.why, "turn");
    pool_finish(&p);
}

static void preferences_by_task(void **state)
{
    (void)state;
    struct pool p;
    static const unsigned for_summaries[] = {2, 1};
    init(&p, 4, FL_STRATEGY_CLASSIFICATION);
    p.route.preferred[FL_TASK_SUMMARIZATION] = for_summaries;
    p.route.preferred_count[FL_TASK_SUMMARIZATION] = 2;
    struct fl_route_request r = request_of(&p);
    r.task_known = true;
    r.task = FL_TASK_SUMMARIZATION;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(plan(&p, &r), 2);
        assert_int_equal(p.plan.targets[1], 1);
        assert_int_equal(p.plan.count, 4);
        assert_string_equal(p.plan.why, "preferred");
    }
    measure(&p, 2, 2, FL_ERR_SERVER, MS);
    assert_int_equal(plan(&p, &r), 1);
    r.task = FL_TASK_OTHER;
    plan(&p, &r);
    assert_string_equal(p.plan.why, "turn");

    p.route.strategy = FL_STRATEGY_HYBRID; /* keeps to the preferred, chooses among them */
    r.task = FL_TASK_SUMMARIZATION;
    p.now_ns += 1000 * S;
    measure(&p, 2, 8, FL_OK, MS);
    p.now_ns += 60 * S; /* its slow start is over */
    unsigned picks[4] = {0, 0, 0, 0};
    for (unsigned i = 0; i < 100; i++) {
        picks[plan(&p, &r)]++;
    }
    assert_int_equal(picks[1] + picks[2], 100);
    assert_int_equal(picks[1], 50);
    pool_finish(&p);
}

static void learned_quality_has_its_price(void **state)
{
    (void)state;
    struct pool p;
    double quality[3] = {0.9, 0.8, 0.86};
    const uint8_t unproven[3] = {0, 1, 0};
    init(&p, 3, FL_STRATEGY_QUALITY);
    price(&p, 0, 10, 30); /* USD 0.019 */
    price(&p, 1, 0.1, 0.3);
    price(&p, 2, 1, 3); /* 0.0019 */
    for (unsigned i = 0; i < 3; i++) {
        p.targets[i].kind = i;
    }
    struct fl_route_request r = request_of(&p);
    p.targets[1].tier = FL_TIER_HIGH; /* nothing is learned: tiers */
    assert_int_equal(plan(&p, &r), 1);
    r.quality = quality;
    r.quality_count = 3;
    assert_int_equal(plan(&p, &r), 0);
    assert_string_equal(p.plan.terms[0], "quality");
    r.quality_price = 4e-12; /* 0.0171 USD more for 0.04 more: 0.068 */
    assert_int_equal(plan(&p, &r), 2);
    r.quality_price = 1e-10;
    assert_int_equal(plan(&p, &r), 1);
    r.quality_unproven = unproven;
    assert_int_equal(plan(&p, &r), 2);
    assert_int_equal(p.plan.targets[2], 1);
    quality[2] = 0.895; /* as good: the cheaper */
    r.quality_price = 0;
    assert_int_equal(plan(&p, &r), 2);

    p.route.strategy = FL_STRATEGY_HYBRID; /* the model first, by the same rule */
    assert_int_equal(plan(&p, &r), 2);
    quality[2] = 0.7;
    assert_int_equal(plan(&p, &r), 0);
    assert_int_equal(p.plan.count, 3);
    pool_finish(&p);
}

/* --- priority: Envoy's rule --- */

static unsigned to_fallbacks(struct pool *p, unsigned plans)
{
    unsigned count = 0;
    struct fl_route_request r = request_of(p);
    for (unsigned i = 0; i < plans; i++) {
        count += plan(p, &r) >= p->route.primary_count;
    }
    return count;
}

static void fallbacks_take_the_overflow(void **state)
{
    (void)state;
    struct pool p;
    init(&p, 14, FL_STRATEGY_PRIORITY);
    p.route.primary_count = 10;
    assert_int_equal(to_fallbacks(&p, 1000), 0);
    for (unsigned i = 0; i < 2; i++) {
        measure(&p, i, 2, FL_ERR_SERVER, 0);
    }
    assert_int_equal(to_fallbacks(&p, 1000), 0); /* 8 of 10: 112 % */
    for (unsigned i = 2; i < 5; i++) {
        measure(&p, i, 2, FL_ERR_SERVER, 0);
    }
    assert_in_range(to_fallbacks(&p, 10000), 2800, 3200); /* 5 of 10: 70 % */
    for (unsigned i = 5; i < 10; i++) {
        measure(&p, i, 2, FL_ERR_SERVER, 0);
    }
    assert_int_equal(to_fallbacks(&p, 100), 100);
    assert_int_equal(p.plan.targets[0], 10); /* in their order */
    assert_int_equal(p.plan.targets[1], 11);
    assert_string_equal(p.plan.why, "fallback");
    pool_finish(&p);
}

/* --- Chances --- */

/* How often the first choice comes is what its propensity said. */
static void propensities_are_frequencies(void **state)
{
    (void)state;
    for (unsigned word = 0; fl_selection_word(word); word++) {
        struct pool p;
        struct fl_selection s = fl_selection_at(word);
        double expected[4] = {0}, seen[4] = {0};
        enum { plans = 40000 };
        pool_init(&p, 4, s.strategy, s.algorithm);
        for (unsigned i = 0; i < 4; i++) {
            price(&p, i, 1 + i, 1 + i);
            p.targets[i].weight = 1 + i % 2;
        }
        struct fl_route_request r = request_of(&p);
        for (unsigned i = 0; i < plans; i++) {
            seen[plan(&p, &r)] += 1.0 / plans;
            assert_true(p.plan.propensity > 0 && p.plan.propensity <= 1);
            expected[p.plan.targets[0]] += 1 / p.plan.propensity / plans;
        }
        for (unsigned i = 0; i < 4; i++) { /* E[1{i} / propensity] = 1 where i is possible */
            if (seen[i] > 0 && (expected[i] < 0.85 || expected[i] > 1.15)) {
                print_error("%s: target %u comes in %.3f of plans, weighed %.3f\n",
                            fl_selection_word(word), i, seen[i], expected[i]);
                fail();
            }
        }
        pool_finish(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_constraint_has_its_reason),
        cmocka_unit_test(a_named_model_counts_for_its_request),
        cmocka_unit_test(refusals_say_what_binds),
        cmocka_unit_test(a_count_may_err),
        cmocka_unit_test(lesser_limit_counts),
        cmocka_unit_test(relaxations_come_in_order),
        cmocka_unit_test(cost_counts_what_is_expected),
        cmocka_unit_test(prices_do_not_wrap),
        cmocka_unit_test(one_slow_answer_moves_nothing),
        cmocka_unit_test(time_is_weighed_against_money),
        cmocka_unit_test(the_cheapest_of_what_is_as_good),
        cmocka_unit_test(sessions_stay),
        cmocka_unit_test(sessions_leave_for_more_than_a_cache),
        cmocka_unit_test(long_prompts_have_a_home),
        cmocka_unit_test(preferences_by_task),
        cmocka_unit_test(learned_quality_has_its_price),
        cmocka_unit_test(fallbacks_take_the_overflow),
        cmocka_unit_test(propensities_are_frequencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

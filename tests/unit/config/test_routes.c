/* SPDX-License-Identifier: Apache-2.0 */
/* Targets and routes; the origin's file in its two forms. */
#include "unit/cm.h"

#include <stdio.h>

#include "unit/config/fixture.h"

static const char *const variables[] = {
    "OPENAI_API_KEY", "openai-key", "TOGETHER_API_KEY", "together-key", "GROQ_API_KEY",
    "groq-key",       NULL};
static struct outside outside = {.variables = variables, .files = NULL};
static const char *const nothing[] = {NULL};
static struct outside bare = {.variables = nothing, .files = NULL};

static struct loaded load_ok(const char *yaml)
{
    struct loaded l = outside_load(&outside, fl_slice_cstr(yaml), NULL);
    if (l.err != FL_OK) {
        print_error("%.*s\n", (int)l.text.len, l.text.ptr);
    }
    assert_int_equal(l.err, FL_OK);
    return l;
}

static bool says(const struct loaded *l, const char *text)
{
    return fl_slice_find_text(fl_buf_slice(&l->text), fl_slice_cstr(text)) < l->text.len;
}

/* "auto: hybrid weighted_round_robin a/x b/y | c/z" for each route of the wanted kind. */
static void put_routes(const struct fl_config *c, bool listed, struct fl_buf *b)
{
    const struct fl_table *t = &c->table;
    for (unsigned i = 0; i < t->route_count; i++) {
        const struct fl_route *r = &t->routes[i];
        if (r->listed != listed) {
            continue;
        }
        fl_buf_put(b, r->name);
        fl_buf_putc(b, ':');
        for (unsigned j = 0; j < r->target_count; j++) {
            fl_buf_put_cstr(b, j == r->primary_count ? " | " : " ");
            fl_buf_put(b, t->targets[r->targets[j]].id);
        }
        fl_buf_putc(b, '\n');
    }
}

static void assert_routes(const struct loaded *l, bool listed, const char *expected)
{
    char memory[4096];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    put_routes(l->config, listed, &b);
    assert_slice(fl_buf_slice(&b), expected);
}

static void assert_origin(const struct loaded *l)
{
    const struct fl_table *t = &l->config->table;
    assert_int_equal(l->err, FL_OK);
    assert_int_equal(t->target_count, 4);
    assert_slice(t->targets[0].id, "openai/gpt-4");
    assert_slice(t->targets[0].model, "gpt-4");
    assert_int_equal(t->targets[0].provider_index, 0);
    assert_true(t->targets[0].weight == 3);
    assert_true(t->targets[0].cost_multiplier == 1);
    assert_true(t->targets[0].performance_bonus == 0.1);
    assert_false(t->targets[0].priced);
    assert_slice(t->targets[3].id, "together/mistral-7b");
    assert_int_equal(t->targets[3].provider_index, 2);
    assert_true(t->targets[3].weight == 1);
    assert_true(t->targets[3].cost_multiplier == 0.3);
    assert_true(t->targets[3].performance_bonus == 0);
    assert_int_equal(t->health.failures_to_eject, 2);
    assert_int_equal(t->health.successes_to_recover, 3);
    assert_int_equal(l->config->health_interval_ns, UINT64_C(30000000000));
    assert_int_equal(t->routes[0].strategy, FL_STRATEGY_HYBRID);
    assert_int_equal(t->routes[0].algorithm, FL_WEIGHTED_ROUND_ROBIN);
    assert_routes(
        l, true,
        "auto: openai/gpt-4 openai/gpt-3.5-turbo together/llama-2-7b together/mistral-7b\n"
        "openai/gpt-3.5-turbo: openai/gpt-3.5-turbo\n"
        "openai/gpt-4: openai/gpt-4\n"
        "together/llama-2-7b: together/llama-2-7b\n"
        "together/mistral-7b: together/mistral-7b\n");
    assert_true(says(l, "provider 'anthropic' has no key: its models are not routed; set "
                        "ANTHROPIC_API_KEY"));
    assert_int_equal(l->findings.warnings, 1);
    assert_int_equal(l->findings.count, 5); /* and a note on each key without effect */
}

static void the_origins_file_loads_as_it_is(void **state)
{
    (void)state;
    struct fl_buf yaml;
    fl_buf_init(&yaml, 1u << 20);
    assert_true(read_whole("examples/routing_config.yaml", &yaml));
    struct loaded l = outside_load(&outside, fl_buf_slice(&yaml), NULL);
    assert_origin(&l);
    loaded_finish(&l);

    /* Without any key it is valid, with warnings. */
    l = outside_load(&bare, fl_buf_slice(&yaml), NULL);
    assert_int_equal(l.err, FL_OK);
    assert_int_equal(l.config->table.target_count, 0);
    assert_int_equal(l.config->table.route_count, 0);
    assert_int_equal(l.findings.warnings, 4);
    assert_true(says(&l, "provider 'openai' has no key: its models are not routed; set "
                         "OPENAI_API_KEY"));
    assert_true(says(&l, "no target is left to route to"));
    loaded_finish(&l);
    fl_buf_finish(&yaml);
}

/* Lines from "  providers:" on lose one level. */
static void the_origins_other_nesting_means_the_same(void **state)
{
    (void)state;
    struct fl_buf yaml, other;
    bool below = false;
    fl_buf_init(&yaml, 1u << 20);
    fl_buf_init(&other, 1u << 20);
    assert_true(read_whole("examples/routing_config.yaml", &yaml));
    struct fl_slice rest = fl_buf_slice(&yaml);
    while (rest.len > 0) {
        size_t end = fl_slice_find(rest, '\n');
        struct fl_slice line = fl_slice_first(rest, end + 1);
        below = below || fl_slice_starts(line, FL_LIT("  providers:"));
        fl_buf_put(&other, below ? fl_slice_from(line, 2) : line);
        rest = fl_slice_from(rest, end + 1);
    }
    assert_true(below);
    assert_int_not_equal(yaml.len, other.len);
    struct loaded l = outside_load(&outside, fl_buf_slice(&other), NULL);
    assert_origin(&l);
    loaded_finish(&l);
    fl_buf_finish(&yaml);
    fl_buf_finish(&other);
}

static void names_mean_targets(void **state)
{
    (void)state;
    struct loaded l =
        load_ok("providers:\n"
                "  openai: {models: [gpt-4, small]}\n"
                "  groq: {models: [small, openai/gpt-oss-20b]}\n"
                "  local: {type: ollama, models: llama}\n"
                "models:\n"
                "  gpt-4: {alias: openai/small}\n"
                "  chat: {targets: small, fallback: [local/llama, openai/gpt-oss-20b]}\n"
                "  talk: {alias: chat}\n"
                "  safe: {strategy: load_balance, algorithm: ip_hash, fallback: local/llama}\n"
                "  everything: {alias: auto}\n"
                "routing: {strategy: performance, load_balancing: {algorithm: round_robin}}\n");
    assert_routes(
        &l, true,
        "auto: openai/gpt-4 openai/small groq/small groq/openai/gpt-oss-20b local/llama\n"
        "chat: openai/small groq/small | local/llama groq/openai/gpt-oss-20b\n"
        "everything: openai/gpt-4 openai/small groq/small groq/openai/gpt-oss-20b "
        "local/llama\n"
        "gpt-4: openai/small\n"
        "groq/openai/gpt-oss-20b: groq/openai/gpt-oss-20b\n"
        "groq/small: groq/small\n"
        "local/llama: local/llama\n"
        "openai/gpt-4: openai/gpt-4\n"
        "openai/small: openai/small\n"
        "safe: openai/gpt-4 openai/small groq/small groq/openai/gpt-oss-20b | local/llama\n"
        "talk: openai/small groq/small | local/llama groq/openai/gpt-oss-20b\n");
    assert_routes(&l, false,
                  "llama: local/llama\n"
                  "openai/gpt-oss-20b: groq/openai/gpt-oss-20b\n"
                  "small: openai/small groq/small\n");
    const struct fl_route *safe = fl_route_find(&l.config->table, FL_LIT("safe"));
    const struct fl_route *chat = fl_route_find(&l.config->table, FL_LIT("chat"));
    assert_int_equal(safe->strategy, FL_STRATEGY_LOAD_BALANCE);
    assert_int_equal(safe->algorithm, FL_IP_HASH);
    assert_int_equal(chat->strategy, FL_STRATEGY_PERFORMANCE);
    assert_int_equal(chat->algorithm, FL_ROUND_ROBIN);
    assert_int_equal(l.findings.warnings, 0);
    loaded_finish(&l);
}

static void a_provider_without_models_takes_any(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers: {openai: {}, groq: {}, local: {type: ollama}}\n"
                              "models: {fast: {targets: groq/llama-8b, fallback: local/tiny}}\n");
    assert_routes(&l, true,
                  "auto: groq/llama-8b openai/gpt-5.4-mini\n"
                  "fast: groq/llama-8b | local/tiny\n"
                  "groq/llama-8b: groq/llama-8b\n"
                  "local/tiny: local/tiny\n"
                  "openai/gpt-5.4-mini: openai/gpt-5.4-mini\n");
    assert_routes(&l, false,
                  "*: openai/* | groq/* local/*\n"
                  "gpt-5.4-mini: openai/gpt-5.4-mini\n"
                  "groq/*: groq/*\n"
                  "llama-8b: groq/llama-8b\n"
                  "local/*: local/*\n"
                  "openai/*: openai/*\n"
                  "tiny: local/tiny\n");
    assert_slice(l.config->table.targets[0].id, "openai/*");
    assert_slice(l.config->table.targets[0].model, "");
    assert_slice(fl_route_find(&l.config->table, FL_LIT("openai/o9"))->name, "openai/*");
    loaded_finish(&l);
}

static void auto_can_be_configured(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers: {openai: {models: [a, b]}}\n"
                              "models: {auto: {targets: a, fallback: b, strategy: cost}}\n");
    assert_slice(l.config->table.routes[1].name, "auto");
    assert_int_equal(l.config->table.routes[1].strategy, FL_STRATEGY_COST);
    assert_int_equal(l.config->table.routes[1].primary_count, 1);
    assert_int_equal(l.config->table.routes[1].target_count, 2);
    loaded_finish(&l);
    l = load_ok("providers: {openai: {models: [a]}}\nmodels: {auto:}\n");
    assert_int_equal(fl_route_find(&l.config->table, FL_LIT("auto"))->target_count, 1);
    loaded_finish(&l);
}

static void what_requests_may_demand(void **state)
{
    (void)state;
    struct loaded l = load_ok(
        "providers:\n"
        "  openai:\n"
        "    models: [a, b]\n"
        "    prices: {input: 1, cached_input: 0.1, output: 2}\n"
        "    model_info: {a: {tier: high}, b: {tier: high, context: 8000, capabilities: [chat]}}\n"
        "  groq:\n"
        "    models: [c]\n"
        "    prices: {input: 1, output: 2}\n"
        "    model_info: {c: {tier: low}}\n"
        "routing: {strategy: spd, tier_down_allowed: yes, wait_usd_per_second: 0.5}\n"
        "load_balancing: {history_size: 50}\n"
        "models:\n"
        "  best: {tier: high, max_cost: 0.05, preferences: {summarization: [c, a], other: b}}\n"
        "  same: {alias: best}\n"
        "  turns: {strategy: load_balance, algorithm: p2c}\n");
    const struct fl_table *t = &l.config->table;
    const struct fl_route *best = fl_route_find(t, FL_LIT("best"));
    const struct fl_route *same = fl_route_find(t, FL_LIT("same"));
    const struct fl_route *turns = fl_route_find(t, FL_LIT("turns"));
    assert_int_equal(t->targets[0].tier, FL_TIER_HIGH);
    assert_int_equal(t->targets[2].tier, FL_TIER_LOW);
    assert_int_equal(t->targets[0].price_cached, 100000);
    assert_true(t->targets[0].plain_prices);
    assert_int_equal(t->targets[0].lacks, 0); /* not known */
    assert_int_equal(t->targets[1].context_tokens, 8000);
    assert_int_equal(t->targets[1].lacks, 63);
    assert_int_equal(t->targets[1].kind, 1);
    assert_int_equal(t->targets[2].kind, 2);
    assert_int_equal(t->targets[2].price_cached, 1000000);
    assert_true(t->settings.tier_down_allowed && !t->settings.over_budget_allowed);
    assert_true(t->settings.wait_usd_per_second == 0.5);
    assert_int_equal(t->settings.history_size, 50);
    assert_int_equal(best->tier, FL_TIER_HIGH);
    assert_int_equal(best->max_cost_picousd, UINT64_C(50000000000));
    assert_int_equal(best->strategy, FL_STRATEGY_LOAD_BALANCE);
    assert_int_equal(best->algorithm, FL_SPD);
    assert_int_equal(best->preferred_count[FL_TASK_SUMMARIZATION], 2);
    assert_int_equal(best->preferred[FL_TASK_SUMMARIZATION][0], 2);
    assert_int_equal(best->preferred[FL_TASK_SUMMARIZATION][1], 0);
    assert_int_equal(best->preferred_count[FL_TASK_OTHER], 1);
    assert_int_equal(best->preferred_count[FL_TASK_ANALYSIS], 0);
    assert_int_equal(same->tier, FL_TIER_HIGH);
    assert_int_equal(same->max_cost_picousd, best->max_cost_picousd);
    assert_int_equal(same->preferred_count[FL_TASK_SUMMARIZATION], 2);
    assert_int_equal(turns->algorithm, FL_P2C);
    assert_int_equal(l.findings.warnings, 0);
    loaded_finish(&l);
    l = load_ok("providers: {openai: {models: [a, b], model_info: {a: {tier: low}}}}\n"
                "models: {m: {targets: a, tier: medium, preferences: {other: b}}}\n");
    assert_true(says(&l, "no target of 'm' is known to be of tier 'medium'"));
    assert_true(says(&l, "'openai/b' is preferred for other, but is not among the targets of 'm'"));
    loaded_finish(&l);
    l = outside_load(&outside,
                     FL_LIT("providers: {openai: {models: [a]}}\n"
                            "models: {m: {strategy: spd, algorithm: lew}}\n"),
                     NULL);
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_true(says(&l, "'spd' as strategy and 'lew' as algorithm contradict each other; keep one"));
    loaded_finish(&l);
}

static void prices_become_picousd_per_token(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers:\n"
                              "  openai:\n"
                              "    models: [a, b]\n"
                              "    prices: {a: {input: 0.15, output: 30}}\n"
                              "  groq: {models: [c], prices: {input: 0, output: 0.000001}}\n"
                              "routing: {strategy: cost}\n");
    const struct fl_target *t = l.config->table.targets;
    assert_true(t[0].priced);
    assert_int_equal(t[0].price_in, 150000);
    assert_int_equal(t[0].price_out, 30000000);
    assert_false(t[1].priced);
    assert_true(t[2].priced);
    assert_int_equal(t[2].price_in, 0);
    assert_int_equal(t[2].price_out, 1);
    assert_true(says(&l, "1 of the 3 targets of 'auto' have none, such as 'openai/b'"));
    loaded_finish(&l);
}

static void states_outlive_a_reload(void **state)
{
    (void)state;
    struct fl_registry *registry = fl_registry_create();
    struct fl_slice yaml = FL_LIT("providers: {openai: {models: [a, b]}}\n");
    struct loaded first = outside_load(&outside, yaml, registry);
    struct loaded second = outside_load(&outside, yaml, registry);
    const struct fl_table *a = &first.config->table, *b = &second.config->table;
    assert_non_null(a->targets[0].state);
    assert_ptr_equal(a->targets[0].state, b->targets[0].state);
    assert_ptr_not_equal(a->targets[0].state, a->targets[1].state);
    assert_non_null(a->routes[0].state);
    assert_ptr_equal(a->routes[0].state, b->routes[0].state);
    loaded_finish(&first);
    loaded_finish(&second);
    fl_registry_destroy(registry);

    first = outside_load(&outside, yaml, NULL);
    assert_null(first.config->table.targets[0].state);
    assert_null(first.config->table.routes[0].state);
    loaded_finish(&first);
}

static void many_models_load_fast_and_too_many_are_refused(void **state)
{
    (void)state;
    struct fl_buf yaml;
    fl_buf_init(&yaml, 1u << 20);
    fl_buf_put_cstr(&yaml, "providers:\n  openai:\n    models: [m0");
    for (unsigned i = 1; i < 4096; i++) {
        fl_buf_put_cstr(&yaml, ", m");
        fl_buf_put_u64(&yaml, i);
    }
    size_t len = yaml.len;
    fl_buf_put_cstr(&yaml, "]\n");
    struct loaded l = outside_load(&outside, fl_buf_slice(&yaml), NULL);
    assert_int_equal(l.err, FL_OK);
    assert_int_equal(l.config->table.target_count, 4096);
    assert_int_equal(l.config->table.route_count, 1 + 2 * 4096);
    loaded_finish(&l);
    yaml.len = len;
    fl_buf_put_cstr(&yaml, ", m4096]\n");
    l = outside_load(&outside, fl_buf_slice(&yaml), NULL);
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_true(says(&l, "more than 4096 targets"));
    loaded_finish(&l);
    fl_buf_finish(&yaml);
}

static void the_sample_loads(void **state)
{
    (void)state;
    struct fl_buf yaml;
    fl_buf_init(&yaml, 1u << 20);
    assert_true(read_whole("examples/fairlead.yaml", &yaml));
    struct loaded l = outside_load(&outside, fl_buf_slice(&yaml), NULL);
    if (l.err != FL_OK || l.findings.warnings > 0) {
        print_error("%.*s\n", (int)l.text.len, l.text.ptr);
    }
    assert_int_equal(l.err, FL_OK);
    assert_int_equal(l.findings.warnings, 0);
    loaded_finish(&l);
    fl_buf_finish(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origins_file_loads_as_it_is),
        cmocka_unit_test(the_origins_other_nesting_means_the_same),
        cmocka_unit_test(names_mean_targets),
        cmocka_unit_test(a_provider_without_models_takes_any),
        cmocka_unit_test(auto_can_be_configured),
        cmocka_unit_test(what_requests_may_demand),
        cmocka_unit_test(prices_become_picousd_per_token),
        cmocka_unit_test(states_outlive_a_reload),
        cmocka_unit_test(many_models_load_fast_and_too_many_are_refused),
        cmocka_unit_test(the_sample_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

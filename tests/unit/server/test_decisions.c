/* SPDX-License-Identifier: Apache-2.0 */
/* Decision records as JSON, and the rings that keep them. */
#include "unit/cm.h"

#include "codec/json.h"
#include "server/decisions.h"

#include <stdlib.h>

static bool no_variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    (void)owner;
    (void)name;
    (void)ret_value;
    return false;
}

static enum fl_err no_file(void *owner, struct fl_slice path, struct fl_buf *ret)
{
    (void)owner;
    (void)path;
    (void)ret;
    return FL_ERR_FILE;
}

static struct fl_config *load(struct fl_registry *registry)
{
    struct fl_config_env env = {.variable = no_variable, .file = no_file, .registry = registry};
    struct fl_findings findings;
    struct fl_config *config = NULL;
    fl_findings_init(&findings);
    assert_int_equal(fl_config_load(FL_LIT("providers:\n"
                                           "  ollama: {models: [a, b], prices: {input: 1, output: 2}}\n"
                                           "  vllm: {models: [c]}\n"),
                                    FL_LIT("test"), &env, &config, &findings),
                     FL_OK);
    fl_findings_finish(&findings);
    return config;
}

struct fixture {
    struct fl_registry *registry;
    struct fl_config *config;
    struct fl_decision d;
    struct fl_buf b;
};

static void begin(struct fixture *f, uint64_t max_cost)
{
    struct fl_rng rng;
    memset(f, 0, sizeof(*f));
    f->registry = fl_registry_create();
    f->config = load(f->registry);
    fl_buf_init(&f->b, 1u << 20);
    fl_rng_seed(&rng, 1);
    const struct fl_table *t = &f->config->table;
    struct fl_route_request request = {.now_ns = 1000000000,
                                       .tokens_in = 100,
                                       .tokens_out = 50,
                                       .task_known = true,
                                       .task = FL_TASK_ANALYSIS,
                                       .task_probability = {[FL_TASK_ANALYSIS] = 0.75},
                                       .max_cost_given = max_cost > 0,
                                       .max_cost_picousd = max_cost};
    fl_route_plan(t, fl_route_find(t, FL_LIT("auto")), &request, &rng, &f->d.choice.plan);
    f->d.choice.id = 0xabc;
    f->d.choice.config = f->config;
    f->d.choice.wall_ns = UINT64_C(1700000000123456789);
    memcpy(f->d.model, "a\"b", 4);
    fl_choice_note(&f->d.choice, &request);
}

static void end(struct fixture *f)
{
    fl_config_unref(f->config);
    fl_registry_destroy(f->registry);
    fl_buf_finish(&f->b);
}

/* The member's text at a path of keys, after the whole was read strictly. */
static const char *member(struct fixture *f, const char *key, const char *inner)
{
    static char text[256];
    struct fl_json whole, value;
    struct fl_slice json = fl_buf_slice(&f->b);
    assert_int_equal(fl_json_scan(json, FL_JSON_LIMITS, NULL, 0, &whole, NULL), FL_OK);
    value = fl_json_get(whole, fl_slice_cstr(key));
    if (inner) {
        value = fl_json_get(value, fl_slice_cstr(inner));
    }
    size_t len = value.span.len < sizeof(text) ? value.span.len : sizeof(text) - 1;
    if (len > 0) { /* absent */
        memcpy(text, value.span.ptr, len);
    }
    text[len] = '\0';
    return text;
}

static void a_record_says_what_and_why(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    fl_decision_put_json(&f.d, &f.b);
    assert_string_equal(member(&f, "id", NULL), "\"0000000000000abc\"");
    assert_string_equal(member(&f, "time", NULL), "1700000000.123");
    assert_string_equal(member(&f, "model", NULL), "\"a\\\"b\"");
    assert_string_equal(member(&f, "route", NULL), "\"auto\"");
    assert_string_equal(member(&f, "strategy", NULL), "\"hybrid\"");
    assert_string_equal(member(&f, "task", NULL), "\"analysis\"");
    assert_string_equal(member(&f, "task_probability", NULL), "0.75");
    assert_string_equal(member(&f, "considered", NULL), "3");
    assert_string_equal(member(&f, "actual", NULL), "");
    assert_int_equal(f.d.choice.plan.candidate_count, 3);
    f.d.ended = true;
    f.d.served = &f.config->table.targets[0];
    f.d.status = 200;
    f.d.used.known = f.d.used.priced = true;
    f.d.used.in = 90;
    f.d.used.cost_picousd = 123456;
    f.d.total_ns = 2500000;
    fl_buf_reset(&f.b);
    fl_decision_put_json(&f.d, &f.b);
    assert_string_equal(member(&f, "actual", "target"), "\"ollama/a\"");
    assert_string_equal(member(&f, "actual", "total_ms"), "2.5");
    assert_string_equal(member(&f, "actual", "ttft_ms"), ""); /* not known is left out */
    assert_string_equal(member(&f, "actual", "tokens_in"), "90");
    assert_string_equal(member(&f, "actual", "cost_usd"), "0.000000123456");
    end(&f);
}

static void a_refusal_is_a_record_too(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    fl_decision_put_json(&f.d, &f.b);
    assert_string_equal(member(&f, "refused", NULL), "\"policy_max_cost\"");
    assert_string_equal(member(&f, "binding", NULL), "\"over-budget\"");
    assert_string_equal(member(&f, "skipped", NULL), "{\"unpriced\":1,\"over-budget\":2}");
    assert_string_equal(member(&f, "winner", NULL), "");
    end(&f);
}

static unsigned listed(struct fixture *f, struct fl_decisions *d, unsigned limit, uint64_t *ret_ids)
{
    struct fl_json whole, one;
    unsigned count = 0;
    fl_buf_reset(&f->b);
    fl_decisions_put_list(d, limit, &f->b);
    assert_int_equal(fl_json_scan(fl_buf_slice(&f->b), FL_JSON_LIMITS, NULL, 0, &whole, NULL), FL_OK);
    struct fl_json_iter it = fl_json_iter(fl_json_get(whole, FL_LIT("data")));
    while (fl_json_next(&it, NULL, &one)) {
        struct fl_json id = fl_json_get(one, FL_LIT("id"));
        ret_ids[count++] = strtoull(id.span.ptr + 1, NULL, 16);
    }
    return count;
}

static void rings_keep_the_last(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t ids[64];
    begin(&f, 0);
    struct fl_decisions *d = fl_decisions_create(3, 4);
    assert_non_null(d);
    assert_int_equal(listed(&f, d, 10, ids), 0);
    for (unsigned i = 0; i < 20; i++) { /* worker 2 has none */
        f.d.choice.id = i;
        f.d.choice.wall_ns = 1000 + i;
        f.d.choice.plan.candidate_count = i % 4;
        fl_decisions_put(d, i % 5 == 0, &f.d);
    }
    /* Worker 0: 16 17 18 19, worker 1: 0 5 10 15; newest first. */
    static const uint64_t expected[8] = {19, 18, 17, 16, 15, 10, 5, 0};
    assert_int_equal(listed(&f, d, 10, ids), 8);
    assert_memory_equal(ids, expected, sizeof(expected));
    assert_int_equal(listed(&f, d, 3, ids), 3);
    fl_buf_reset(&f.b);
    assert_true(fl_decisions_put_one(d, 10, &f.b));
    assert_string_equal(member(&f, "id", NULL), "\"000000000000000a\"");
    assert_false(fl_decisions_put_one(d, 14, &f.b));
    assert_int_equal(atomic_load(&f.config->refs), 9); /* one a record */
    fl_decisions_destroy(d);
    assert_int_equal(atomic_load(&f.config->refs), 1);

    d = fl_decisions_create(1, 0);
    fl_decisions_put(d, 0, &f.d);
    assert_int_equal(listed(&f, d, 10, ids), 0);
    fl_decisions_destroy(d);
    fl_decisions_put(NULL, 0, &f.d);
    assert_int_equal(listed(&f, NULL, 10, ids), 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_says_what_and_why),
        cmocka_unit_test(a_refusal_is_a_record_too),
        cmocka_unit_test(rings_keep_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

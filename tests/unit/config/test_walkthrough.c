/* SPDX-License-Identifier: Apache-2.0 */
/* route_request(prompt, complexity, budget), as the routing document walks through it: three prompts,
 * 'medium', 0.01 USD, over the built-in catalogue. The original chose for none of them. */
#include "unit/cm.h"

#include "config/catalog_file.h"
#include "unit/config/fixture.h"

static const char *const keys[] = {"OPENAI_API_KEY", "sk-12345678901234567890", "GROQ_API_KEY",
                                   "gsk_12345678901234567890", NULL};

static const char *const prompts[] = {
    "Summarize the benefits of AI routing",
    "Classify this text as positive or negative: the new gateway made our week",
    "Generate a creative story about AI",
};

static const char yaml[] = "providers:\n"
                           "  openai: {models: [gpt-4, gpt-4o, gpt-4o-mini, gpt-3.5-turbo]}\n"
                           "  groq: {models: [llama-3.1-8b-instant]}\n";

struct walk {
    struct fl_catalog *catalog;
    struct fl_registry *registry;
    struct loaded l;
    struct fl_rng rng;
    struct fl_plan plan;
};

static void walk_begin(struct walk *w, const char *text)
{
    struct fl_reterr reterr = {0};
    struct outside outside = {.variables = keys};
    w->catalog = fl_catalog_load(FL_EMPTY, &reterr);
    w->registry = fl_registry_create();
    outside.catalog = w->catalog;
    w->l = outside_load(&outside, fl_slice_cstr(text), w->registry);
    assert_int_equal(w->l.err, FL_OK);
    fl_rng_seed(&w->rng, 1);
}

static void walk_end(struct walk *w)
{
    loaded_finish(&w->l);
    fl_registry_destroy(w->registry);
    fl_catalog_unref(w->catalog);
}

/* The chosen target's id, or the refusal's name. */
static const char *route_request(struct walk *w, const char *prompt, enum fl_tier complexity,
                                 double budget_usd)
{
    static char id[128];
    const struct fl_table *t = &w->l.config->table;
    struct fl_route_request request = {.now_ns = UINT64_C(1000000000),
                                       .tokens_in = (unsigned)(strlen(prompt) + 3) / 4,
                                       .tier = complexity,
                                       .max_cost_given = true,
                                       .max_cost_picousd = (uint64_t)(budget_usd * 1e12)};
    fl_route_plan(t, fl_route_find(t, FL_LIT("auto")), &request, &w->rng, &w->plan);
    if (w->plan.err) {
        return fl_err_name(w->plan.err);
    }
    const struct fl_target *chosen = &t->targets[w->plan.targets[0]];
    assert_true(chosen->tier >= complexity);
    assert_true(w->plan.candidates[0].cost_p90 <= request.max_cost_picousd);
    memcpy(id, chosen->id.ptr, chosen->id.len);
    id[chosen->id.len] = '\0';
    return id;
}

static void three_prompts(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w, yaml);
    for (unsigned i = 0; i < 3; i++) { /* gpt-4 may cost more than a cent, the others are lesser */
        assert_string_equal(route_request(&w, prompts[i], FL_TIER_MEDIUM, 0.01), "openai/gpt-4o");
        assert_int_equal(w.plan.skipped[FL_SKIP_COST], 1);
        assert_int_equal(w.plan.skipped[FL_SKIP_TIER], 3);
        assert_int_equal(w.plan.relaxed, 0);
        assert_string_equal(route_request(&w, prompts[i], FL_TIER_LOW, 0.01),
                            "groq/llama-3.1-8b-instant");
        assert_string_equal(route_request(&w, prompts[i], FL_TIER_HIGH, 0.01), "policy_tier");
        assert_string_equal(route_request(&w, prompts[i], FL_TIER_MEDIUM, 0.0001),
                            "policy_max_cost");
    }
    walk_end(&w);
}

/* The configuration of the document itself, which knows gpt-4 and gpt-3.5-turbo: a cent is not enough
 * for the one and the other is no medium one, which is said, or given up where that is allowed. */
static void the_documents_own_models(void **state)
{
    (void)state;
    struct walk w;
    struct fl_buf file;
    fl_buf_init(&file, 1u << 20);
    assert_true(read_whole("examples/routing_config.yaml", &file));
    fl_buf_putc(&file, '\0');
    walk_begin(&w, file.ptr);
    assert_string_equal(route_request(&w, prompts[0], FL_TIER_MEDIUM, 0.01), "policy_max_cost");
    assert_string_equal(route_request(&w, prompts[0], FL_TIER_MEDIUM, 0.05), "openai/gpt-4");
    assert_string_equal(route_request(&w, prompts[0], FL_TIER_LOW, 0.01), "openai/gpt-3.5-turbo");
    walk_end(&w);
    fl_buf_finish(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_prompts),
        cmocka_unit_test(the_documents_own_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What targets know of their models: the catalogue's facts and prices, the file's over them; and
 * catalogues over one another. */
#include "unit/cm.h"

#include <stdio.h>

#include "config/catalog_file.h"
#include "route/catalog/price.h"
#include "unit/config/fixture.h"

static const char catalog_text[] =
    "catalog 1 2026-09-23\n"
    "provider openai base=https://api.openai.com/v1 dialect=openai batch=0.5\n"
    "model old-1 released=2023-01-01 status=retired retired=2025-06-06 successor=new-1 in=30 "
    "out=60\n"
    "model older status=retired in=1 out=1\n"
    "model new-1 context=128000 output=16000 can=chat,stream,tools released=2026-01-01 in=4 "
    "out=20\n"
    "rule from=2026-08-21 in=2 cached=0.5 out=10 search=10\n"
    "rule from=2026-08-21 above=200000 in=8 cached=1 out=30 search=10\n"
    "rule from=2027-01-01 in=9 out=9\n"
    "model embed-1 can=embeddings in=0.02\n"
    "provider acme base=https://api.acme.example/v1 dialect=openai\n"
    "model acme/new-1 in=1 out=1\n"
    "model Llama-2-7b-chat names=llama-2-7b context=4096 tier=low in=0.2 out=0.2\n";

static struct fl_catalog *catalog;

static int begin(void **state)
{
    (void)state;
    struct fl_reterr reterr = {0};
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    if (fl_catalog_read_text(d, FL_LIT(catalog_text), &reterr)) {
        print_error("%u:%u: %s\n", reterr.line, reterr.column, reterr.message);
        fl_catalog_draft_destroy(d);
        return -1;
    }
    catalog = fl_catalog_draft_finish(d);
    return catalog ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    fl_catalog_unref(catalog);
    return 0;
}

static const char *const variables[] = {"OPENAI_API_KEY", "key", NULL};

static struct loaded load(const char *yaml, bool with_catalog)
{
    struct outside outside = {.variables = variables};
    struct loaded l = {.config = NULL};
    struct fl_config_env env = {.owner = &outside,
                                .variable = outside_variable,
                                .file = outside_file,
                                .catalog = with_catalog ? catalog : NULL};
    fl_findings_init(&l.findings);
    fl_buf_init(&l.text, 1u << 20);
    l.err = fl_config_load(fl_slice_cstr(yaml), FL_LIT("f.yaml"), &env, &l.config, &l.findings);
    fl_findings_put(&l.findings, FL_LIT("f.yaml"), fl_slice_cstr(yaml), &l.text);
    return l;
}

static struct loaded load_ok(const char *yaml)
{
    struct loaded l = load(yaml, true);
    if (l.err) {
        print_error("%.*s\n", (int)l.text.len, l.text.ptr);
    }
    assert_int_equal(l.err, FL_OK);
    return l;
}

static const struct fl_target *target(const struct loaded *l, const char *id)
{
    for (unsigned i = 0; i < l->config->table.target_count; i++) {
        if (fl_slice_eq(l->config->table.targets[i].id, fl_slice_cstr(id))) {
            return &l->config->table.targets[i];
        }
    }
    fail_msg("no target %s", id);
    return NULL;
}

static uint64_t price(const struct fl_target *t, enum fl_price_class c)
{
    uint64_t price = UINT64_MAX;
    assert_non_null(t->model_facts);
    assert_int_equal(t->model_facts->rule_count, 1);
    return fl_price_get(&t->model_facts->rules[0], c, &price) ? price : UINT64_MAX;
}

static void a_target_points_into_the_catalogue(void **state)
{
    (void)state;
    struct loaded l =
        load_ok("providers: {openai: {models: [new-1, NEW-1-2026-02-03, embed-1, none-such]}}\n");
    const struct fl_target *t = target(&l, "openai/new-1");
    assert_ptr_equal(t->model_facts,
                     fl_catalog_find(catalog, FL_LIT("openai"), FL_LIT("new-1"), NULL));
    assert_true(t->priced);
    assert_int_equal(t->price_in, 2000000); /* in force on the catalogue's day, for a short input */
    assert_int_equal(t->price_out, 10000000);
    assert_ptr_equal(target(&l, "openai/NEW-1-2026-02-03")->model_facts, t->model_facts);
    t = target(&l, "openai/embed-1");
    assert_true(t->priced);
    assert_int_equal(t->price_in, 20000);
    assert_int_equal(t->price_out, 0);
    t = target(&l, "openai/none-such");
    assert_null(t->model_facts);
    assert_false(t->priced);
    assert_ptr_equal(l.config->catalog, catalog);
    assert_slice(l.config->providers[0].listed->name, "openai");
    loaded_finish(&l);
}

static void prices_of_the_file_come_over_those_in_force(void **state)
{
    (void)state;
    struct loaded l =
        load_ok("providers:\n"
                "  openai:\n"
                "    models: [new-1, mine]\n"
                "    prices:\n"
                "      new-1: {cached_input: 0.25, reasoning: 11, request: 3, batch: 0.25}\n"
                "      mine: {input: 0.0000015, output: 4, cache_write: 5, cache_write_1h: 6}\n");
    const struct fl_target *t = target(&l, "openai/new-1");
    assert_int_equal(price(t, FL_PRICE_IN), 2000000);
    assert_int_equal(price(t, FL_PRICE_OUT), 10000000);
    assert_int_equal(price(t, FL_PRICE_CACHED), 250000);
    assert_int_equal(price(t, FL_PRICE_REASONING), 11000000);
    assert_int_equal(price(t, FL_PRICE_REQUEST), 3000000000);
    assert_int_equal(price(t, FL_PRICE_SEARCH), 10000000000);
    assert_int_equal(t->model_facts->service_permille[FL_SERVICE_BATCH], 250);
    assert_int_equal(t->model_facts->context_tokens, 128000);
    assert_int_equal(t->price_in, 2000000);
    t = target(&l, "openai/mine");
    assert_int_equal(price(t, FL_PRICE_IN), 2); /* 1.5 pico-USD, half up */
    assert_int_equal(price(t, FL_PRICE_WRITE), 5000000);
    assert_int_equal(price(t, FL_PRICE_WRITE_1H), 6000000);
    assert_int_equal(price(t, FL_PRICE_CACHED), UINT64_MAX);
    assert_int_equal(t->price_out, 4000000);
    loaded_finish(&l);
}

static void facts_of_the_file_come_over_the_catalogue(void **state)
{
    (void)state;
    struct loaded l =
        load_ok("providers:\n"
                "  openai:\n"
                "    models: [new-1, mine]\n"
                "    model_info:\n"
                "      new-1: {context: 1000, tier: low}\n"
                "      mine: {context: 32000, max_output: 4000, capabilities: [chat, vision],"
                " tokenizer: qwen, tier: medium}\n");
    const struct fl_model *m = target(&l, "openai/new-1")->model_facts;
    assert_int_equal(m->context_tokens, 1000);
    assert_int_equal(m->output_tokens_max, 16000);
    assert_int_equal(m->tier, FL_MODEL_LOW);
    assert_int_equal(m->rule_count, 4); /* prices as in the catalogue, with their days and steps */
    m = target(&l, "openai/mine")->model_facts;
    assert_int_equal(m->context_tokens, 32000);
    assert_int_equal(m->output_tokens_max, 4000);
    assert_int_equal(m->capabilities, FL_CAN_CHAT | FL_CAN_SEE);
    assert_int_equal(m->family->tokenizer, FL_TOKENIZER_QWEN);
    assert_int_equal(m->tier, FL_MODEL_MEDIUM);
    assert_int_equal(m->rule_count, 0);
    assert_false(target(&l, "openai/mine")->priced);
    loaded_finish(&l);
}

static void a_server_of_ones_own_has_facts_without_a_price(void **state)
{
    (void)state;
    struct loaded l =
        load_ok("providers:\n"
                "  local: {type: vllm, base_url: 'http://127.0.0.1:1/v1', models: [llama-2-7b]}\n"
                "  other: {type: openai_compatible, base_url: 'https://api.acme.example/v1',"
                " models: [new-1]}\n"
                "  free: {type: ollama, models: [old-1], prices: {input: 0, output: 0}}\n");
    const struct fl_target *t = target(&l, "local/llama-2-7b");
    assert_false(t->priced);
    assert_int_equal(t->model_facts->context_tokens, 4096);
    assert_int_equal(t->model_facts->tier, FL_MODEL_LOW);
    assert_int_equal(t->model_facts->rule_count, 0);
    assert_null(t->model_facts->provider);
    t = target(&l, "other/new-1"); /* known by its address */
    assert_int_equal(t->price_in, 1000000);
    assert_slice(t->model_facts->id, "acme/new-1");
    t = target(&l, "free/old-1"); /* retired at its maker, not here */
    assert_true(t->priced);
    assert_int_equal(t->price_in, 0);
    assert_int_equal(t->model_facts->status, FL_MODEL_ACTIVE);
    assert_int_equal(l.findings.warnings, 0);
    loaded_finish(&l);
}

static void assert_text(struct loaded *l, const char *expected)
{
    if (!fl_slice_eq(fl_buf_slice(&l->text), fl_slice_cstr(expected))) {
        print_error("%.*s", (int)l->text.len, l->text.ptr);
        fail();
    }
    loaded_finish(l);
}

static void retired_models_are_warned_about_where_they_stand(void **state)
{
    (void)state;
    struct loaded l = load("providers:\n"
                           "  openai: {models: [old-1, older]}\n",
                           true);
    assert_int_equal(l.err, FL_OK);
    assert_text(
        &l, "f.yaml:2:21: warning: model 'old-1' was retired by openai on 2025-06-06: requests "
            "to it will fail; its successor is 'new-1'\n"
            "    2 |   openai: {models: [old-1, older]}\n"
            "      |                     ^~~~~\n"
            "f.yaml:2:28: warning: model 'older' was retired by openai: requests to it will fail\n"
            "    2 |   openai: {models: [old-1, older]}\n"
            "      |                            ^~~~~\n");
    l = load("providers: {openai: {}}\n"
             "models: {a: {targets: [openai/old-1, openai/new-1]}, b: {alias: openai/older}}\n",
             true);
    assert_int_equal(l.err, FL_OK);
    assert_int_equal(l.findings.warnings, 2);
    assert_true(
        fl_slice_starts(fl_buf_slice(&l.text), FL_LIT("f.yaml:2:24: warning: model 'old-1' was")));
    assert_true(fl_slice_find_text(fl_buf_slice(&l.text),
                                   FL_LIT("f.yaml:2:65: warning: model 'older'")) < l.text.len);
    loaded_finish(&l);
}

static void what_cannot_be_is_an_error(void **state)
{
    (void)state;
    struct loaded l =
        load("providers:\n"
             "  openai:\n"
             "    models: [new-1, mine]\n"
             "    prices: {mine: {cached_input: 1}, new-1: {cached_input: 1}}\n"
             "    model_info: {min: {context: 1}, mine: {capabilities: [chatt], tier: best}}\n",
             true);
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_text(
        &l,
        "f.yaml:4:20: error: prices need both 'input' and 'output': the catalogue does not know "
        "the model\n"
        "    4 |     prices: {mine: {cached_input: 1}, new-1: {cached_input: 1}}\n"
        "      |                    ^\n"
        "f.yaml:5:18: error: facts of 'min', which is not among the models; did you mean 'mine'?\n"
        "    5 |     model_info: {min: {context: 1}, mine: {capabilities: [chatt], tier: best}}\n"
        "      |                  ^~~\n"
        "f.yaml:5:59: error: unknown capability 'chatt'; did you mean 'chat'?\n"
        "    5 |     model_info: {min: {context: 1}, mine: {capabilities: [chatt], tier: best}}\n"
        "      |                                                           ^~~~~\n"
        "f.yaml:5:73: error: 'best' is not valid for 'tier'; it is one of: low, medium, high\n"
        "    5 |     model_info: {min: {context: 1}, mine: {capabilities: [chatt], tier: best}}\n"
        "      |                                                                         ^~~~\n");
    l = load("providers: {openai: {models: [new-1], prices: {new-1: {output: 1}}}}\n", false);
    assert_int_equal(l.err, FL_ERR_CONFIG);
    loaded_finish(&l);
}

static void without_a_catalogue_the_file_is_all_there_is(void **state)
{
    (void)state;
    struct loaded l = load(
        "providers: {openai: {models: [old-1, gpt-4], prices: {gpt-4: {input: 1, output: 2}}}}\n",
        false);
    assert_int_equal(l.err, FL_OK);
    assert_int_equal(l.findings.warnings, 0);
    assert_null(target(&l, "openai/old-1")->model_facts);
    const struct fl_target *t = target(&l, "openai/gpt-4");
    assert_int_equal(price(t, FL_PRICE_OUT), 2000000);
    assert_int_equal(t->model_facts->family->tokenizer, FL_TOKENIZER_CL100K);
    assert_int_equal(t->model_facts->tier, FL_MODEL_MEDIUM); /* (3 x 1 + 2) / 4 = 1.25 USD */
    loaded_finish(&l);
}

/* --- Merging --- */

static struct fl_catalog *newer_of(enum fl_catalog_format format, const char *text)
{
    struct fl_reterr reterr = {0};
    int32_t day = 0;
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    for (unsigned i = 0; i < fl_catalog_provider_count(catalog); i++) {
        assert_int_equal(fl_catalog_draft_provider(d, fl_catalog_provider(catalog, i)), FL_OK);
    }
    assert_true(fl_day_parse(FL_LIT("2026-10-01"), &day));
    assert_int_equal(fl_catalog_read(d, format, fl_slice_cstr(text), day, &reterr), FL_OK);
    struct fl_catalog *c = fl_catalog_draft_finish(d);
    assert_non_null(c);
    return c;
}

/* The changes, one "kind id" a line, and the file that holds them. */
static void assert_merge(enum fl_catalog_format format, const char *text, const char *changes,
                         const char *file)
{
    struct fl_catalog_merge merge;
    struct fl_buf b;
    struct fl_catalog *newer = newer_of(format, text);
    assert_int_equal(fl_catalog_merge(catalog, newer, format == FL_CATALOG_MODELS_DEV, &merge),
                     FL_OK);
    fl_buf_init(&b, 1u << 20);
    for (unsigned i = 0; i < merge.change_count; i++) {
        fl_buf_put_u64(&b, merge.changes[i].kind);
        fl_buf_putc(&b, ' ');
        fl_buf_put(&b, merge.changes[i].after->id);
        fl_buf_putc(&b, '\n');
        assert_int_equal(merge.changes[i].before == NULL,
                         merge.changes[i].kind == FL_CATALOG_ADDED);
    }
    assert_slice(fl_buf_slice(&b), changes);
    fl_buf_reset(&b);
    fl_catalog_put_difference(&b, merge.merged, catalog);
    assert_slice(fl_buf_slice(&b), file);
    fl_buf_finish(&b);
    fl_catalog_merge_finish(&merge);
    fl_catalog_unref(newer);
}

static void newer_files_are_laid_over_older_ones(void **state)
{
    (void)state;
    _Static_assert(FL_CATALOG_ADDED == 0 && FL_CATALOG_FACTS == 6, "as the texts below count");
    assert_merge(FL_CATALOG_TEXT,
                 "catalog 1 2026-10-01\n"
                 "provider openai\n"
                 "model NEW-1 names=new-1-2026-09-09,nouveau in=3 out=12\n"
                 "model embed-1 status=retired successor=new-1\n"
                 "model young in=1 out=1\n"
                 "provider nobody\n"
                 "model x in=1 out=1\n"
                 "model unpriced context=5\n",
                 "1 new-1\n4 embed-1\n0 young\n0 x\n",
                 "catalog 1 2026-10-01\n"
                 "\nprovider openai\n"
                 "model new-1 names=nouveau context=128000 output=16000 can=chat,stream,tools "
                 "released=2026-01-01 in=3 out=12\n"
                 "model embed-1 can=embeddings status=retired successor=new-1 in=0.02\n"
                 "model young in=1 out=1\n"
                 "\nprovider nobody\n"
                 "model x in=1 out=1\n");
}

static void a_table_without_dates_adds_a_dated_rule(void **state)
{
    (void)state;
    assert_merge(FL_CATALOG_MODELS_DEV,
                 "provider,model,input_usd_per_m,output_usd_per_m,context,status\n"
                 "openai,new-1,1.5,9,999,\n"
                 "openai,new-1-2026-08-08,1.5,9,,\n"
                 "acme,acme/new-1,1,1,128000,deprecated\n",
                 "2 new-1\n0 new-1-2026-08-08\n5 acme/new-1\n",
                 "catalog 1 2026-10-01\n"
                 "\nprovider openai\n"
                 "model new-1 context=128000 output=16000 can=chat,stream,tools "
                 "released=2026-01-01 in=4 out=20\n"
                 "rule from=2026-08-21 in=2 cached=0.5 out=10 search=10\n"
                 "rule from=2026-08-21 above=200000 in=8 cached=1 out=30 search=10\n"
                 "rule from=2026-10-01 in=1.5 cached=0.5 out=9 search=10\n"
                 "rule from=2027-01-01 in=9 out=9\n"
                 "model new-1-2026-08-08 in=1.5 out=9\n"
                 "\nprovider acme\n"
                 "model acme/new-1 context=128000 status=deprecated in=1 out=1\n");
}

static void an_older_file_only_adds(void **state)
{
    (void)state;
    assert_merge(
        FL_CATALOG_TEXT,
        "catalog 1 2026-01-01\nprovider openai\nmodel new-1 in=1 out=1\nmodel y in=1 out=1\n",
        "0 y\n", "catalog 1 2026-09-23\n\nprovider openai\nmodel y in=1 out=1\n");
    assert_merge(FL_CATALOG_TEXT, catalog_text, "", "catalog 1 2026-09-23\n");
}

/* A client's name at a provider that lists none: that model's facts and prices, for this request. */
static void a_model_named_by_a_client_has_its_facts(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers: {openai: {}, own: {type: ollama}}\n");
    const struct fl_table *t = &l.config->table;
    struct fl_named named[FL_NAMED_MAX];
    const int64_t now_s = INT64_C(20700) * 86400; /* 2026-09-04 */
    const struct fl_route *route = fl_route_find(t, FL_LIT("openai/new-1"));
    assert_slice(route->name, "openai/*");
    assert_int_equal(fl_config_named(l.config, route, FL_LIT("openai/new-1"), now_s, named), 1);
    assert_slice(t->targets[named[0].index].id, "openai/*");
    assert_true(named[0].target.priced);
    assert_int_equal(named[0].target.price_in, 2000000);
    assert_int_equal(named[0].target.context_tokens, 128000);
    assert_true(named[0].target.lacks & FL_NEED_VISION);
    assert_ptr_equal(named[0].target.state, t->targets[named[0].index].state);
    assert_false(t->targets[named[0].index].priced);
    assert_int_equal(fl_config_named(l.config, route, FL_LIT("openai/none-such"), now_s, named), 1);
    assert_false(named[0].target.priced);
    assert_int_equal(named[0].target.context_tokens, 0);
    /* Elsewhere it is the same model, at nobody knows what price. */
    const struct fl_slice llama = FL_LIT("own/llama-2-7b-chat");
    route = fl_route_find(t, llama);
    assert_int_equal(fl_config_named(l.config, route, llama, now_s, named), 1);
    assert_false(named[0].target.priced);
    assert_null(named[0].target.model_facts);
    assert_int_equal(named[0].target.context_tokens, 4096);
    assert_int_equal(named[0].target.tier, FL_TIER_LOW);
    route = fl_route_find(t, FL_LIT("auto"));
    assert_int_equal(fl_config_named(l.config, route, FL_LIT("auto"), now_s, named), 0);
    loaded_finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_points_into_the_catalogue),
        cmocka_unit_test(prices_of_the_file_come_over_those_in_force),
        cmocka_unit_test(facts_of_the_file_come_over_the_catalogue),
        cmocka_unit_test(a_server_of_ones_own_has_facts_without_a_price),
        cmocka_unit_test(retired_models_are_warned_about_where_they_stand),
        cmocka_unit_test(what_cannot_be_is_an_error),
        cmocka_unit_test(without_a_catalogue_the_file_is_all_there_is),
        cmocka_unit_test(newer_files_are_laid_over_older_ones),
        cmocka_unit_test(a_table_without_dates_adds_a_dated_rule),
        cmocka_unit_test(an_older_file_only_adds),
        cmocka_unit_test(a_model_named_by_a_client_has_its_facts),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

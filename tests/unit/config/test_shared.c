/* SPDX-License-Identifier: Apache-2.0 */
/* What providers share, and what vendors allow their keys. */
#include "unit/cm.h"

#include "route/keys.h"
#include "unit/config/fixture.h"

static const char *const variables[] = {"FIRST",  "key-1", "SECOND", "key-2", "AWS_BEARER_TOKEN_BEDROCK",
                                        "key-3",  NULL};
static const char *const files[] = {"/sa.json",
                                    "{\"client_email\":\"a@b\",\"private_key\":\"-----BEGIN do-not-show\","
                                    "\"token_uri\":\"https://t.test/x\",\"project_id\":\"p\"}",
                                    NULL};

static struct loaded load(const char *yaml, struct fl_registry *registry)
{
    struct outside outside = {.variables = variables, .files = files};
    struct loaded l = outside_load(&outside, fl_slice_cstr(yaml), registry);
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

static bool share(const struct loaded *l, const char *a, const char *b, enum fl_fate fate)
{
    uint64_t mine = target(l, a)->fate[fate];
    return mine != 0 && mine == target(l, b)->fate[fate];
}

static void what_is_named_is_shared(void **state)
{
    (void)state;
    struct loaded l = load("providers:\n"
                           "  east: {type: azure, resource: r1, api_key: \"${FIRST}\", models: [gpt-x], account: corp, "
                           "region: eastus}\n"
                           "  west: {type: azure, resource: r2, api_key: \"${SECOND}\", models: [gpt-x], account: corp, "
                           "region: westus}\n"
                           "  own: {base_url: \"https://own.test/v1\", models: [gpt-x], region: eastus}\n"
                           "  other: {base_url: \"https://other.test/v1\", models: [gpt-x]}\n",
                           NULL);
    assert_false(share(&l, "east/gpt-x", "west/gpt-x", FL_FATE_PROVIDER));
    assert_true(share(&l, "east/gpt-x", "west/gpt-x", FL_FATE_ACCOUNT));
    assert_true(share(&l, "east/gpt-x", "west/gpt-x", FL_FATE_VENDOR));
    assert_false(share(&l, "east/gpt-x", "west/gpt-x", FL_FATE_REGION));
    assert_true(share(&l, "east/gpt-x", "own/gpt-x", FL_FATE_REGION));
    for (enum fl_fate fate = 0; fate < FL_FATE_COUNT; fate++) {
        assert_false(share(&l, "own/gpt-x", "other/gpt-x", fate));
        assert_int_equal(share(&l, "own/gpt-x", "east/gpt-x", fate), fate == FL_FATE_REGION);
    }
    loaded_finish(&l);
}

static void clouds_tell_their_regions(void **state)
{
    (void)state;
    struct loaded l = load("providers:\n"
                           "  a: {type: bedrock, region: us-east-1, models: [m]}\n"
                           "  b: {type: bedrock, region: us-east-1, models: [m]}\n"
                           "  c: {type: vertex, models: [m], auth: {service_account_file: /sa.json}}\n"
                           "  d: {type: vertex, models: [m], auth: {service_account_file: /sa.json}}\n"
                           "  e: {type: vertex, location: us-east5, models: [m], auth: {service_account_file: "
                           "/sa.json}}\n",
                           NULL);
    assert_true(share(&l, "a/m", "b/m", FL_FATE_REGION));
    assert_false(share(&l, "a/m", "b/m", FL_FATE_ACCOUNT));
    assert_false(share(&l, "c/m", "d/m", FL_FATE_REGION)); /* global is no region */
    assert_int_not_equal(target(&l, "e/m")->fate[FL_FATE_REGION], 0);
    loaded_finish(&l);
}

/* One meter for all that draw from a quota, model by model, whatever a provider calls a model. */
static void a_quota_is_one_limit(void **state)
{
    (void)state;
    struct fl_registry *registry = fl_registry_create();
    struct loaded l = load("providers:\n"
                           "  a: {base_url: \"https://a.test/v1\", models: [big, small], quota: q, rpm: 60, keys: "
                           "[\"${FIRST}\", \"${SECOND}\"]}\n"
                           "  b: {base_url: \"https://b.test/v1\", models: [maker/big], quota: q, rpm: 60, api_key: "
                           "\"${FIRST}\"}\n"
                           "  c: {base_url: \"https://c.test/v1\", models: [big], quota: other}\n"
                           "  d: {base_url: \"https://d.test/v1\", models: [big]}\n",
                           registry);
    const struct fl_target *a = target(&l, "a/big"), *b = target(&l, "b/maker/big");
    const struct fl_target *c = target(&l, "c/big"), *small = target(&l, "a/small");
    assert_true(share(&l, "a/big", "b/maker/big", FL_FATE_QUOTA));
    assert_false(share(&l, "a/big", "a/small", FL_FATE_QUOTA));
    assert_false(share(&l, "a/big", "c/big", FL_FATE_QUOTA));
    assert_int_equal(a->key_count, 2);
    assert_ptr_equal(a->keys[0].meter, a->keys[1].meter);
    assert_ptr_equal(a->keys[0].meter, b->keys[0].meter);
    assert_ptr_not_equal(a->keys[0].key, a->keys[1].key);
    assert_ptr_not_equal(a->keys[0].meter, small->keys[0].meter);
    assert_int_equal(c->key_count, 1); /* without a key, its limits are watched all the same */
    assert_ptr_not_equal(a->keys[0].meter, c->keys[0].meter);
    assert_int_equal(target(&l, "d/big")->key_count, 0);
    loaded_finish(&l);
    fl_registry_destroy(registry);
}

static void keys_have_limits(void **state)
{
    (void)state;
    struct fl_registry *registry = fl_registry_create();
    struct loaded l = load("providers:\n"
                           "  a: {base_url: \"https://a.test/v1\", models: [m], tpm: 5000, keys: [\"${FIRST}\", {key: "
                           "\"${SECOND}\", rpm: 60, tpm: 100}]}\n"
                           "  b: {base_url: \"https://b.test/v1\", models: [m], rpm: 7, api_key: \"${FIRST}\", keys: "
                           "[{key: \"${FIRST}\", rpm: 9}]}\n"
                           "  c: {type: vertex, rpm: 8, models: [m], auth: {service_account_file: /sa.json}}\n",
                           registry);
    const struct fl_target *a = target(&l, "a/m"), *b = target(&l, "b/m"), *c = target(&l, "c/m");
    assert_int_equal(a->key_count, 2);
    assert_int_equal(a->keys[0].limits.requests_per_minute, 0);
    assert_int_equal(a->keys[0].limits.tokens_per_minute, 5000);
    assert_int_equal(a->keys[1].limits.requests_per_minute, 60);
    assert_int_equal(a->keys[1].limits.tokens_per_minute, 100);
    assert_int_equal(b->key_count, 1);
    assert_int_equal(b->keys[0].limits.requests_per_minute, 9);
    assert_int_equal(c->key_count, 1);
    assert_int_equal(c->keys[0].limits.requests_per_minute, 8);
    assert_slice(l.config->providers[0].keys[1].value, "key-2");
    assert_slice(l.config->providers[0].keys[1].source, "SECOND");
    loaded_finish(&l);
    fl_registry_destroy(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_is_shared),
        cmocka_unit_test(clouds_tell_their_regions),
        cmocka_unit_test(a_quota_is_one_limit),
        cmocka_unit_test(keys_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

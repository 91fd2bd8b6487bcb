/* SPDX-License-Identifier: Apache-2.0 */
/* What the key table makes: the schema, the reference page; and the table itself. */
#include "unit/cm.h"

#include <stdio.h>

#include "codec/json.h"
#include "config/keys.h"
#include "config/value.h"
#include "unit/config/fixture.h"

static struct fl_json at(struct fl_json value, const char *a, const char *b, const char *c)
{
    const char *const path[] = {a, b, c};
    for (size_t i = 0; i < 3 && path[i]; i++) {
        value = fl_json_get(value, fl_slice_cstr(path[i]));
    }
    return value;
}

static void the_schema_is_json_and_knows_every_key(void **state)
{
    (void)state;
    struct fl_buf b;
    struct fl_json root;
    struct fl_reterr reterr;
    fl_buf_init(&b, 1u << 20);
    fl_config_put_schema(&b);
    assert_true(fl_buf_ok(&b));
    assert_int_equal(fl_json_scan(fl_buf_slice(&b), FL_JSON_LIMITS, NULL, 0, &root, &reterr),
                     FL_OK);
    assert_slice(at(root, "$schema", NULL, NULL).span,
                 "\"http://json-schema.org/draft-07/schema#\"");
    struct fl_json sections = at(root, "definitions", NULL, NULL), routing, strategy;
    static const char *const names[] = {
#define X(section, path, doc) #section,
        FL_SECTIONS(X)
#undef X
    };
    for (unsigned i = 0; i < FL_KEY_COUNT; i++) {
        struct fl_json key = at(sections, names[fl_keys[i].section], "properties", fl_keys[i].name);
        bool later = fl_keys[i].type == FL_TYPE_LATER;
        assert_int_equal(key.type, later ? FL_JSON_NONE : FL_JSON_OBJECT);
        if (!later) {
            assert_true(fl_json_get(key, FL_LIT("description")).span.len > 2);
            assert_int_equal(fl_json_get(key, FL_LIT("anyOf")).type, FL_JSON_ARRAY);
        }
    }
    routing = at(sections, "ROUTING", NULL, NULL);
    assert_slice(at(routing, "additionalProperties", NULL, NULL).span, "false");
    strategy = at(routing, "properties", "strategy", NULL);
    assert_slice(at(strategy, "default", NULL, NULL).span, "\"hybrid\"");
    assert_true(fl_slice_find_text(strategy.span, FL_LIT("[\"hybrid\", \"cost\", \"performance\", "
                                                         "\"load_balance\"]")) < strategy.span.len);
    assert_slice(at(routing, "properties", "attempts", "default").span, "3");
    fl_buf_finish(&b);
}

static void the_committed_page_is_the_generated_one(void **state)
{
    (void)state;
    struct fl_buf made, committed;
    fl_buf_init(&made, 1u << 20);
    fl_buf_init(&committed, 1u << 20);
    fl_config_put_reference(&made);
    assert_true(fl_buf_ok(&made));
    assert_true(read_whole("docs/configuration.md", &committed));
    if (!fl_slice_eq(fl_buf_slice(&made), fl_buf_slice(&committed))) {
        print_error("docs/configuration.md is not up to date: "
                    "fairlead schema --markdown > docs/configuration.md\n");
        fail();
    }
    fl_buf_finish(&made);
    fl_buf_finish(&committed);
}

static void the_table_is_consistent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FL_KEY_COUNT; i++) {
        const struct fl_key *key = &fl_keys[i];
        int64_t low = 0, high = 0, number = 0;
        struct fl_slice text = fl_slice_cstr(key->text_default);
        bool is_number = key->type >= FL_TYPE_BOOL && key->type <= FL_TYPE_ENUM;
        assert_ptr_equal(fl_key_find(key->section, fl_slice_cstr(key->name)), key);
        assert_true(i == 0 || key->section >= fl_keys[i - 1].section);
        assert_int_not_equal(key->doc[0], '\0');
        assert_true(text.len == 0 || !is_number || fl_value_number(key, text, &number));
        assert_true(key->min[0] == '\0' || fl_value_number(key, fl_slice_cstr(key->min), &low));
        assert_true(key->max[0] == '\0' || fl_value_number(key, fl_slice_cstr(key->max), &high));
        assert_true(text.len == 0 || key->min[0] == '\0' || number >= low);
        assert_true(text.len == 0 || key->max[0] == '\0' || number <= high);
    }
}

static void numbers_are_read_exactly(void **state)
{
    (void)state;
    static const struct {
        enum fl_key_type type;
        const char *text;
        bool ok;
        int64_t number;
    } rows[] = {
        {FL_TYPE_DURATION, "30", true, 30000000000},
        {FL_TYPE_DURATION, "0.25", true, 250000000},
        {FL_TYPE_DURATION, "500ms", true, 500000000},
        {FL_TYPE_DURATION, "1.5 m", true, 90000000000},
        {FL_TYPE_DURATION, "24h", true, 86400000000000},
        {FL_TYPE_DURATION, "0", true, 0},
        {FL_TYPE_DURATION, "0.5us", true, 500},
        {FL_TYPE_DURATION, "9000000000h", false, 0},
        {FL_TYPE_DURATION, "s", false, 0},
        {FL_TYPE_DURATION, "", false, 0},
        {FL_TYPE_DURATION, "-1", false, 0},
        {FL_TYPE_DURATION, "1e3", false, 0},
        {FL_TYPE_DURATION, "1 fortnight", false, 0},
        {FL_TYPE_SIZE, "1.5KB", true, 1500},
        {FL_TYPE_SIZE, "64KiB", true, 65536},
        {FL_TYPE_SIZE, "1GiB", true, 1073741824},
        {FL_TYPE_SIZE, "1000GiB", true, 1073741824000},
        {FL_TYPE_SIZE, "1.3B", false, 0},
        {FL_TYPE_SIZE, "1K", false, 0},
        {FL_TYPE_REAL, "-0.5", true, -500000000},
        {FL_TYPE_REAL, "0.000000001", true, 1},
        {FL_TYPE_REAL, ".5", false, 0},
        {FL_TYPE_REAL, "--1", false, 0},
        {FL_TYPE_REAL, "nan", false, 0},
        {FL_TYPE_UINT, "007", true, 7},
        {FL_TYPE_UINT, "1.0", false, 0},
        {FL_TYPE_UINT, "9999999999999999999", false, 0},
        {FL_TYPE_BOOL, "Yes", true, 1},
        {FL_TYPE_BOOL, "off", true, 0},
        {FL_TYPE_BOOL, "1", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fl_key key = {.type = rows[i].type};
        int64_t number = -7;
        bool ok = fl_value_number(&key, fl_slice_cstr(rows[i].text), &number);
        if (ok != rows[i].ok || number != (ok ? rows[i].number : -7)) {
            print_error("row %zu, '%s': %d, %lld\n", i, rows[i].text, ok, (long long)number);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_is_json_and_knows_every_key),
        cmocka_unit_test(the_committed_page_is_the_generated_one),
        cmocka_unit_test(the_table_is_consistent),
        cmocka_unit_test(numbers_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
                                                         "\"load_balance\", \"adaptive\"")) <
                strategy.span.len);
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
        int64_t number;
        const char *text;
        enum fl_key_type type;
        bool ok;
    } rows[] = {
        {30000000000, "30", FL_TYPE_DURATION, true},
        {250000000, "0.25", FL_TYPE_DURATION, true},
        {500000000, "500ms", FL_TYPE_DURATION, true},
        {90000000000, "1.5 m", FL_TYPE_DURATION, true},
        {86400000000000, "24h", FL_TYPE_DURATION, true},
        {0, "0", FL_TYPE_DURATION, true},
        {500, "0.5us", FL_TYPE_DURATION, true},
        {0, "9000000000h", FL_TYPE_DURATION, false},
        {0, "s", FL_TYPE_DURATION, false},
        {0, "", FL_TYPE_DURATION, false},
        {0, "-1", FL_TYPE_DURATION, false},
        {0, "1e3", FL_TYPE_DURATION, false},
        {0, "1 fortnight", FL_TYPE_DURATION, false},
        {1500, "1.5KB", FL_TYPE_SIZE, true},
        {65536, "64KiB", FL_TYPE_SIZE, true},
        {1073741824, "1GiB", FL_TYPE_SIZE, true},
        {1073741824000, "1000GiB", FL_TYPE_SIZE, true},
        {0, "1.3B", FL_TYPE_SIZE, false},
        {0, "1K", FL_TYPE_SIZE, false},
        {-500000000, "-0.5", FL_TYPE_REAL, true},
        {1, "0.000000001", FL_TYPE_REAL, true},
        {0, ".5", FL_TYPE_REAL, false},
        {0, "--1", FL_TYPE_REAL, false},
        {0, "nan", FL_TYPE_REAL, false},
        {7, "007", FL_TYPE_UINT, true},
        {0, "1.0", FL_TYPE_UINT, false},
        {0, "9999999999999999999", FL_TYPE_UINT, false},
        {1, "Yes", FL_TYPE_BOOL, true},
        {0, "off", FL_TYPE_BOOL, true},
        {0, "1", FL_TYPE_BOOL, false},
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson as the oracle: over random and mutated texts both must give the same verdict and, where
 * they accept, the same values. Differences that are meant:
 *  - jansson refuses integers beyond 64 bits and reals beyond double; here a number is text;
 *  - jansson refuses \u escapes of lone surrogates, which the grammar allows;
 *  - jansson refuses a NUL in a key (C strings);
 *  - a key that stands twice: jansson keeps the last, as fl_json_get() does; only watched ones are
 *    refused here;
 *  - jansson takes a NUL byte between tokens for the end of the text;
 *  - depth and key limits differ; the texts here stay below both.
 */
#include "unit/cm.h"

#include "codec/json.h"
#include "unit/codec/json_gen.h"

#include <jansson.h>

static bool jansson_is_stricter(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           strstr(error->text, "too big") != NULL ||
           strstr(error->text, "invalid Unicode '\\u") != NULL;
}

static void same_text(struct fl_json ours, const char *text, size_t len)
{
    char memory[4096];
    struct fl_buf scratch;
    struct fl_slice decoded = FL_EMPTY;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    assert_int_equal(ours.type, FL_JSON_STRING);
    assert_true(fl_json_text(ours, &scratch, &decoded));
    assert_true(fl_slice_eq(decoded, fl_slice(text, len)));
    assert_true(fl_json_spells(ours.span, fl_slice(text, len)));
    assert_false(fl_json_spells(ours.span, fl_slice(text, len > 0 ? len - 1 : 1)) && len > 0);
}

static void same_number(struct fl_json ours, const json_t *theirs)
{
    char text[512];
    uint64_t n = 0;
    assert_int_equal(ours.type, FL_JSON_NUMBER);
    assert_true(ours.span.len < sizeof(text));
    memcpy(text, ours.span.ptr, ours.span.len);
    text[ours.span.len] = '\0';
    if (json_is_real(theirs)) {
        assert_true(strtod(text, NULL) == json_real_value(theirs));
        assert_false(fl_json_u64(ours, &n));
        return;
    }
    assert_true(strtoll(text, NULL, 10) == json_integer_value(theirs));
    assert_int_equal(fl_json_u64(ours, &n), text[0] != '-');
    assert_true(text[0] == '-' || n == (uint64_t)json_integer_value(theirs));
}

static void same_value(struct fl_json ours, json_t *theirs);

static void same_members(struct fl_json ours, json_t *theirs)
{
    const char *key;
    json_t *member;
    struct fl_json value;
    struct fl_json_iter it = fl_json_iter(ours);
    size_t count = 0;
    while (fl_json_next(&it, NULL, &value)) {
        count++;
    }
    assert_true(count >= json_object_size(theirs));
    json_object_foreach(theirs, key, member)
    {
        same_value(fl_json_get(ours, fl_slice_cstr(key)), member);
    }
}

static void same_elements(struct fl_json ours, json_t *theirs)
{
    struct fl_json value;
    struct fl_json_iter it = fl_json_iter(ours);
    size_t count = 0;
    while (fl_json_next(&it, NULL, &value)) {
        same_value(value, json_array_get(theirs, count++));
    }
    assert_int_equal(count, json_array_size(theirs));
}

static void same_value(struct fl_json ours, json_t *theirs)
{
    assert_non_null(theirs);
    switch (json_typeof(theirs)) {
    case JSON_OBJECT:
        assert_int_equal(ours.type, FL_JSON_OBJECT);
        same_members(ours, theirs);
        break;
    case JSON_ARRAY:
        assert_int_equal(ours.type, FL_JSON_ARRAY);
        same_elements(ours, theirs);
        break;
    case JSON_STRING:
        same_text(ours, json_string_value(theirs), json_string_length(theirs));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        same_number(ours, theirs);
        break;
    case JSON_TRUE:
        assert_int_equal(ours.type, FL_JSON_TRUE);
        break;
    case JSON_FALSE:
        assert_int_equal(ours.type, FL_JSON_FALSE);
        break;
    case JSON_NULL:
        assert_int_equal(ours.type, FL_JSON_NULL);
        break;
    }
}

struct tally {
    unsigned both_accept, both_refuse, stricter;
};

static void compare(struct fl_slice text, struct tally *tally)
{
    char *copy = fl_slice_dup(text); /* exactly as long as the text, plus the NUL nobody may need */
    json_error_t error = {.text = ""};
    struct fl_json value;
    struct fl_reterr reterr = {.err = FL_OK};
    json_t *theirs = json_loadb(copy, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    enum fl_err err =
        fl_json_scan(fl_slice(copy, text.len), FL_JSON_LIMITS, NULL, 0, &value, &reterr);
    bool agreed = (err == FL_OK) == (theirs != NULL);
    bool meant = err == FL_OK ? jansson_is_stricter(&error)
                              : reterr.offset < text.len && text.ptr[reterr.offset] == '\0';
    if (!agreed && !meant) {
        print_error("'%.*s': we say %s (%s), jansson says '%s'\n", (int)text.len, text.ptr,
                    fl_err_name(err), reterr.message, error.text);
        fail();
    }
    if (!agreed) {
        tally->stricter += err == FL_OK;
    } else if (theirs) {
        tally->both_accept++;
        same_value(value, theirs);
    } else {
        tally->both_refuse++;
    }
    json_decref(theirs);
    free(copy);
}

static void verdicts_and_values_agree(void **state)
{
    (void)state;
    enum { texts = 4000, mutations = 6 };
    uint64_t seed = gen_seed(20260725);
    struct tally tally = {0, 0, 0};
    struct fl_rng rng;
    struct fl_buf b;
    print_message("FAIRLEAD_SEED=%llu\n", (unsigned long long)seed);
    fl_rng_seed(&rng, seed);
    fl_buf_init(&b, 1 << 20);
    for (int i = 0; i < texts; i++) {
        unsigned accepted = tally.both_accept;
        fl_buf_reset(&b);
        gen_document(&rng, &b);
        assert_true(fl_buf_ok(&b));
        compare(fl_buf_slice(&b), &tally);
        assert_int_equal(tally.both_accept, accepted + 1);
        for (int k = 0; k < mutations; k++) {
            gen_mutate(&rng, &b);
            compare(fl_buf_slice(&b), &tally);
        }
    }
    fl_buf_finish(&b);
    print_message("both accept %u, both refuse %u, jansson stricter %u\n", tally.both_accept,
                  tally.both_refuse, tally.stricter);
    assert_true(tally.both_accept > texts && tally.both_refuse > texts);
}

/* Each meant difference, once, so that it stays one. */
static void meant_differences_stand(void **state)
{
    (void)state;
    static const char *const accepted_here[] = {"[123456789012345678901234567890]",
                                                "[-9223372036854775809]",
                                                "[1e400]",
                                                "[\"\\ud800\"]",
                                                "[\"\\udc00\\ud800\"]",
                                                "{\"a\\u0000b\": 1}"};
    struct tally tally = {0, 0, 0};
    for (size_t i = 0; i < sizeof(accepted_here) / sizeof(accepted_here[0]); i++) {
        compare(fl_slice_cstr(accepted_here[i]), &tally);
    }
    assert_int_equal(tally.stricter, 6);
    compare(FL_LIT("{\"a\": 1, \"a\": 2}"), &tally);
    assert_int_equal(tally.both_accept, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_and_values_agree),
        cmocka_unit_test(meant_differences_stand),
    };
    return cmocka_run_group_tests_name("json_oracle", tests, NULL, NULL);
}

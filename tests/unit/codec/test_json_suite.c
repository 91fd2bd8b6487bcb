/* SPDX-License-Identifier: Apache-2.0 */
/* JSONTestSuite: y_ must be accepted, n_ refused, i_ (left open by the RFC) as json.h says. */
#include "unit/cm.h"

#include "codec/json.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { file_bytes_max = 1 << 20 };

/* What the open cases come to here: all accepted but these, which start so. */
static const struct {
    const char *name;
    enum fl_err err;
} open_refused[] = {
    {"i_string_UTF-16LE_with_BOM", FL_ERR_JSON_SYNTAX},
    {"i_string_UTF-8_invalid_sequence", FL_ERR_JSON_UTF8},
    {"i_string_UTF8_surrogate_U+D800", FL_ERR_JSON_UTF8},
    {"i_string_invalid_utf-8", FL_ERR_JSON_UTF8},
    {"i_string_iso_latin_1", FL_ERR_JSON_UTF8},
    {"i_string_lone_utf8_continuation_byte", FL_ERR_JSON_UTF8},
    {"i_string_not_in_unicode_range", FL_ERR_JSON_UTF8},
    {"i_string_overlong_sequence", FL_ERR_JSON_UTF8},
    {"i_string_truncated-utf-8", FL_ERR_JSON_UTF8},
    {"i_string_utf16", FL_ERR_JSON_SYNTAX},
    {"i_structure_500_nested_arrays", FL_ERR_JSON_DEPTH},
    {"i_structure_UTF-8_BOM_empty_object", FL_ERR_JSON_SYNTAX},
};

static const char *folder(void)
{
    static char path[1024];
    const char *attack = getenv("FAIRLEAD_ATTACK");
    (void)snprintf(path, sizeof(path), "%s/JSONTestSuite/test_parsing",
                   attack ? attack : "../shared/attack");
    return path;
}

/* The file's bytes in a block of exactly their size, so that a read past the end is seen. */
static struct fl_slice load(const char *name)
{
    static char all[file_bytes_max];
    char path[2048], *copy;
    (void)snprintf(path, sizeof(path), "%s/%s", folder(), name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(all, 1, sizeof(all), f);
    assert_true(len < sizeof(all));
    assert_int_equal(fclose(f), 0);
    copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, all, len);
    return fl_slice(copy, len);
}

static bool verdict_is_right(const char *name, enum fl_err err)
{
    enum fl_err expected = FL_OK;
    if (name[0] == 'n') {
        return err != FL_OK;
    }
    for (size_t i = 0; i < sizeof(open_refused) / sizeof(open_refused[0]); i++) {
        if (strncmp(name, open_refused[i].name, strlen(open_refused[i].name)) == 0) {
            expected = open_refused[i].err;
        }
    }
    return err == expected;
}

static void check_file(const char *name)
{
    struct fl_slice text = load(name);
    struct fl_json value = {FL_JSON_NONE, FL_EMPTY};
    struct fl_reterr reterr = {.err = FL_OK};
    enum fl_err err = fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &value, &reterr);
    if (!verdict_is_right(name, err) || (err != FL_OK) != (reterr.message[0] != '\0')) {
        print_error("%s: %s, %s\n", name, fl_err_name(err), reterr.message);
        fail();
    }
    assert_int_equal(reterr.err, err);
    assert_true(reterr.offset <= text.len);
    assert_int_equal(value.type == FL_JSON_NONE, err != FL_OK);
    free((char *)(uintptr_t)text.ptr);
}

static void every_verdict_is_right(void **state)
{
    (void)state;
    unsigned count[3] = {0, 0, 0};
    DIR *d = opendir(folder());
    if (!d) {
        print_message("skipped: no data\n");
        skip();
        return;
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        const char *kind = entry->d_name[0] ? strchr("yni", entry->d_name[0]) : NULL;
        if (kind && entry->d_name[1] == '_') {
            check_file(entry->d_name);
            count[*kind == 'y' ? 0 : *kind == 'n' ? 1 : 2]++;
        }
    }
    assert_int_equal(closedir(d), 0);
    print_message("y_ %u, n_ %u, i_ %u\n", count[0], count[1], count[2]);
    assert_true(count[0] >= 90 && count[1] >= 180 && count[2] >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_verdict_is_right)};
    return cmocka_run_group_tests_name("json_suite", tests, NULL, NULL);
}

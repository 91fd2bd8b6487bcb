/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every broken/NAME.yaml gives exactly the text of broken/NAME.expected. After a change of wording:
 * FAIRLEAD_WRITE_EXPECTED=1 writes the texts anew; read the diff.
 */
#include "unit/cm.h"

#include <dirent.h>
#include <stdio.h>

#include "unit/config/fixture.h"

#define FOLDER "tests/unit/config/broken"

static const char *const variables[] = {"OPENAI_API_KEY", "the-key-of-openai", NULL};
static const char *const files[] = {"/etc/cert.pem", "PEM", NULL};

static void write_expected(const char *path, struct fl_slice text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static void compare(const char *name, struct fl_slice actual)
{
    char path[300];
    struct fl_buf expected;
    (void)snprintf(path, sizeof(path), FOLDER "/%s.expected", name);
    if (getenv("FAIRLEAD_WRITE_EXPECTED")) {
        write_expected(path, actual);
    }
    fl_buf_init(&expected, 1u << 20);
    if (!read_whole(path, &expected) || !fl_slice_eq(fl_buf_slice(&expected), actual)) {
        print_error("%s: got\n%.*s\n", path, (int)actual.len, actual.ptr);
        fail();
    }
    fl_buf_finish(&expected);
}

static void check_one(const char *name)
{
    char path[300];
    struct fl_buf yaml;
    struct outside outside = {.variables = variables, .files = files};
    (void)snprintf(path, sizeof(path), FOLDER "/%s.yaml", name);
    fl_buf_init(&yaml, 1u << 20);
    assert_true(read_whole(path, &yaml));
    struct loaded l = outside_load(&outside, fl_buf_slice(&yaml), NULL);
    struct fl_slice text = fl_buf_slice(&l.text);
    bool valid = strncmp(name, "only_warnings", 13) == 0;
    assert_int_equal(l.err, valid ? FL_OK : FL_ERR_CONFIG);
    assert_true(valid == (l.findings.errors == 0));
    assert_true(valid == (l.config != NULL));
    compare(name, text);
    /* No secret in any message or source line. */
    assert_int_equal(fl_slice_find_text(text, FL_LIT("do-not-show")), text.len);
    assert_int_equal(fl_slice_find_text(text, FL_LIT("do_not_show")), text.len);
    assert_int_equal(fl_slice_find_text(text, FL_LIT("must-not-show")), text.len);
    assert_int_equal(fl_slice_find_text(text, FL_LIT("abcdefghijklmnop")), text.len);
    assert_int_equal(fl_slice_find_text(text, FL_LIT("the-key-of-openai")), text.len);
    loaded_finish(&l);
    fl_buf_finish(&yaml);
}

static void each_broken_file_says_what_is_wrong(void **state)
{
    (void)state;
    unsigned count = 0;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char name[256];
        char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".yaml") == 0) {
            (void)snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name), entry->d_name);
            check_one(name);
            count++;
        }
    }
    closedir(folder);
    assert_true(count >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_broken_file_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

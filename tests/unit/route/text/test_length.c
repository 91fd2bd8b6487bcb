/* SPDX-License-Identifier: Apache-2.0 */
/* Expected lengths of answers: known answers, and calibration on the lengths of real services. */
#include "unit/cm.h"
#include "unit/route/text/rows.h"

#include "base/rng.h"
#include "route/text/length.h"

#include <math.h>
#include <stdlib.h>

enum { owners = 256 };

static struct fl_lengths lengths;
static void *memory;

static int begin(void **state)
{
    (void)state;
    memory = malloc(fl_lengths_bytes(owners));
    assert_non_null(memory);
    fl_lengths_init(&lengths, memory, owners);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static void assert_near(double value, double expected, double share)
{
    if (fabs(value - expected) > share * expected) {
        print_error("%f, expected %f within %f\n", value, expected, share);
        fail();
    }
}

static void test_first(void **state)
{
    (void)state;
    struct fl_length l = fl_lengths_predict(&lengths, (struct fl_length_key){3, 9}, 0);
    assert_near(l.p50, exp(5), 1e-9);
    assert_near(l.mean, exp(5.5), 1e-9);
    assert_near(l.p90, exp(5 + 1.2815515655446004), 1e-9);
    l = fl_lengths_predict(&lengths, (struct fl_length_key){3, 9}, 100);
    assert_near(l.p50, 100, 1e-9);
    assert_near(l.p90, 100, 1e-9);
    /* By numerical integration of the log-normal distribution: E[min(X, 100)] = 85.30. */
    assert_near(l.mean, 85.30, 2e-3);
    l = fl_lengths_predict(&lengths, (struct fl_length_key){3, 9}, 1);
    assert_true(l.mean >= 1 && l.p50 >= 1 && l.p90 >= 1);
}

/* An owner's own answers count more and more; other owners of the class move towards them a little,
 * other classes less. */
static void test_shrinkage(void **state)
{
    (void)state;
    struct fl_length_key a = {0, 1}, b = {0, 2}, c = {1, 2};
    for (unsigned i = 0; i < 200; i++) {
        fl_lengths_observe(&lengths, a, 1000, false, 100);
    }
    struct fl_length of_a = fl_lengths_predict(&lengths, a, 0);
    assert_near(of_a.p50, 1000, .02);
    assert_near(of_a.mean, 1000, .02);
    assert_true(fl_lengths_predict(&lengths, b, 0).p50 < of_a.p50 * 1.01);
    assert_true(fl_lengths_predict(&lengths, b, 0).p50 > 700);
    assert_true(fl_lengths_predict(&lengths, c, 0).p50 > 400);
    assert_true(fl_lengths_predict(&lengths, c, 0).p50 <= fl_lengths_predict(&lengths, b, 0).p50);
}

/* What was a day ago weighs 1/e. */
static void test_fading(void **state)
{
    (void)state;
    struct fl_length_key a = {0, 1};
    for (unsigned i = 0; i < 1000; i++) {
        fl_lengths_observe(&lengths, a, 100, false, 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        fl_lengths_observe(&lengths, a, 1000, false, 10 * fl_length_tau_s);
    }
    assert_near(fl_lengths_predict(&lengths, a, 0).mean, 1000, .06);
}

/* Answers that a limit cut say that answers are longer than the limit. */
static void test_cut(void **state)
{
    (void)state;
    struct fl_rng rng;
    fl_rng_seed(&rng, 1);
    struct fl_length_key a = {0, 1};
    for (unsigned i = 0; i < 4000; i++) {
        double u = fl_rng_unit(&rng), v = fl_rng_unit(&rng);
        double z = sqrt(-2 * log(u + 1e-12)) * cos(6.283185307179586 * v);
        double tokens = exp(5.5 + .8 * z);
        fl_lengths_observe(&lengths, a, (uint64_t)fmin(tokens, 300), tokens > 300, i);
    }
    struct fl_length l = fl_lengths_predict(&lengths, a, 0);
    print_message("cut at 300: p50 %.0f (245), mean %.0f (337), p90 %.0f (682)\n", l.p50, l.mean,
                  l.p90);
    assert_near(l.p50, exp(5.5), .1);
    assert_near(l.mean, exp(5.5 + .32), .15);
}

static bool next_row(struct fl_slice *rest, unsigned column, uint64_t *ret_value)
{
    for (;;) {
        size_t len = fl_slice_find(*rest, '\n');
        struct fl_slice line = fl_slice_first(*rest, len);
        if (line.len == 0) {
            return false;
        }
        *rest = fl_slice_from(*rest, len + 1);
        for (unsigned i = 0; i < column; i++) {
            line = fl_slice_from(line, fl_slice_find(line, ',') + 1);
        }
        struct fl_slice field = fl_slice_first(line, fl_slice_find(line, ','));
        if (field.len > 0 && field.ptr[field.len - 1] == '\r') {
            field.len--;
        }
        if (fl_slice_u64(field, ret_value)) {
            return true;
        }
    }
}

static void check_file(const char *name, unsigned column, struct fl_length_key key)
{
    struct fl_buf file;
    if (!data_read(name, &file)) {
        print_message("skipped: no data\n");
        skip();
    }
    struct fl_slice rest = fl_buf_slice(&file);
    uint64_t tokens, n = 0, below50 = 0, below90 = 0;
    double sum = 0, expected = 0;
    while (next_row(&rest, column, &tokens)) {
        struct fl_length l = fl_lengths_predict(&lengths, key, 0);
        if (n++ >= 200) { /* after a beginning */
            below50 += (double)tokens <= l.p50;
            below90 += (double)tokens <= l.p90;
            sum += (double)tokens;
            expected += l.mean;
        }
        fl_lengths_observe(&lengths, key, tokens, false, n / 5);
    }
    double counted = (double)n - 200, p50 = (double)below50 / counted,
           p90 = (double)below90 / counted;
    print_message("%s: %.0f answers, below p50 %.1f %%, below p90 %.1f %%, mean off by %+.1f %%\n",
                  name, counted, 100 * p50, 100 * p90, 100 * (expected / sum - 1));
    fl_buf_finish(&file);
    assert_true(p50 > .47 && p50 < .53);
    assert_true(p90 > .88 && p90 < .92);
    assert_near(expected, sum, .05);
}

static void test_arxiv(void **state)
{
    (void)state;
    check_file("lengths_arxiv.csv", 1, (struct fl_length_key){0, 1});
}

static void test_azure(void **state)
{
    (void)state;
    check_file("trace_azure_conv.csv", 2, (struct fl_length_key){5, 1});
}

/* More owners than there is room for: the class answers for those that were given up. */
static void test_many_owners(void **state)
{
    (void)state;
    for (uint64_t owner = 0; owner < 100 * owners; owner++) {
        fl_lengths_observe(&lengths, (struct fl_length_key){2, owner * 77}, 50, false, owner);
    }
    assert_near(fl_lengths_predict(&lengths, (struct fl_length_key){2, 1}, 0).p50, 50, .2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first, begin, end),
        cmocka_unit_test_setup_teardown(test_shrinkage, begin, end),
        cmocka_unit_test_setup_teardown(test_fading, begin, end),
        cmocka_unit_test_setup_teardown(test_cut, begin, end),
        cmocka_unit_test_setup_teardown(test_many_owners, begin, end),
        cmocka_unit_test_setup_teardown(test_arxiv, begin, end),
        cmocka_unit_test_setup_teardown(test_azure, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

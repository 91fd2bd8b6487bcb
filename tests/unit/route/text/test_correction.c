/* SPDX-License-Identifier: Apache-2.0 */
/* The correction of token estimates by true usage: known answers, wild values, and what it reaches
 * on real counts. */
#include "unit/cm.h"
#include "unit/route/text/rows.h"

#include "base/rng.h"
#include "route/text/correction.h"
#include "route/text/scan.h"

#include <math.h>
#include <stdlib.h>

enum { entries = 256 };

static struct fl_corrections corrections;
static void *memory;

static int begin(void **state)
{
    (void)state;
    memory = malloc(fl_corrections_bytes(entries));
    assert_non_null(memory);
    fl_corrections_init(&corrections, memory, entries);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static double factor(uint64_t model, uint64_t tenant)
{
    return fl_corrections_factor(&corrections, (struct fl_correction_key){model, tenant});
}

static void observe(uint64_t model, uint64_t tenant, uint64_t estimate, uint64_t actual)
{
    fl_corrections_observe(&corrections, (struct fl_correction_key){model, tenant}, estimate,
                           actual, 1);
}

static void assert_within(double value, double low, double high)
{
    if (!(value >= low && value <= high)) {
        print_error("%f is not within %f and %f\n", value, low, high);
        fail();
    }
}

static void test_learns(void **state)
{
    (void)state;
    assert_within(factor(1, 1), 1, 1);
    for (unsigned i = 0; i < 50; i++) {
        observe(1, 1, 1000, 1250);
    }
    assert_within(factor(1, 1), 1.23, 1.251);
    assert_within(factor(1, 2), 1.23, 1.251); /* the model's word, for a new tenant */
    assert_within(factor(2, 1), 1, 1);
    for (unsigned i = 0; i < 50; i++) {
        observe(1, 2, 1000, 800);
    }
    assert_within(factor(1, 2), .78, .84);
    assert_within(factor(1, 1), 1.20, 1.251);
    assert_int_equal(fl_corrections_apply(&corrections, (struct fl_correction_key){1, 2}, 0), 0);
    assert_int_equal(fl_corrections_apply(&corrections, (struct fl_correction_key){1, 2}, 1), 1);
    observe(3, 0, 0, 10);
    observe(3, 0, 10, 0);
    assert_within(factor(3, 0), 1, 1);
}

/* One wild value among fifty moves nothing by more than 2 %; as the first, by no more than 1.35. */
static void test_wild(void **state)
{
    (void)state;
    observe(9, 9, 10, 1000000);
    assert_within(factor(9, 9), 1, 1.35);
    for (unsigned i = 0; i < 50; i++) {
        observe(1, 1, 1000, 1100 + (i % 5) * 10);
    }
    double before = factor(1, 1);
    observe(1, 1, 10, 1000000);
    assert_within(factor(1, 1) / before, 1, 1.02);
    observe(1, 1, 1000000, 1);
    assert_within(factor(1, 1) / before, .98, 1.02);
}

/* A change of the tokenizer behind the name is followed. */
static void test_change(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        observe(1, 1, 1000, 1000);
    }
    for (unsigned i = 0; i < 400; i++) {
        observe(1, 1, 1000, 1350);
    }
    assert_within(factor(1, 1), 1.30, 1.36);
}

static void test_many(void **state)
{
    (void)state;
    for (uint64_t tenant = 1; tenant < 100 * entries; tenant++) {
        observe(1, tenant, 1000, 1200);
    }
    assert_within(factor(1, 5), 1.15, 1.21);
}

/* A request of a tenant: texts of its kind, four to ten as the messages of a conversation. */
static void draw(const struct rows *r, unsigned kind, struct fl_rng *rng, enum fl_text_tokenizer t,
                 uint64_t *ret_estimate, uint64_t *ret_actual)
{
    static struct fl_scan scan;
    struct fl_text_facts facts;
    fl_scan_begin(&scan, 0, (struct fl_scan_window){NULL, 0});
    *ret_actual = 0;
    for (uint64_t left = 4 + fl_rng_below(rng, 7); left > 0;) {
        const struct row *row = &r->row[fl_rng_below(rng, r->count)];
        if (row->kind == kind) {
            fl_scan_message(&scan, FL_TEXT_USER);
            fl_scan_text(&scan, row->text);
            *ret_actual += row->tokens[t];
            left--;
        }
    }
    fl_scan_end(&scan, &facts);
    *ret_estimate = facts.tokens[t];
}

static double error_of(double estimate, double actual)
{
    return fabs(estimate - actual) / actual;
}

static void check_tokenizer(const struct rows *r, enum fl_text_tokenizer t, struct fl_rng *rng)
{
    enum { warm = 50, counted = 100 };
    static double raw[kinds_max * counted], corrected[kinds_max * counted];
    size_t n = 0;
    for (unsigned kind = 0; kind < r->kind_count; kind++) {
        struct fl_correction_key key = {t + 1, kind + 1};
        for (unsigned i = 0; i < warm + counted; i++) {
            uint64_t estimate, actual;
            draw(r, kind, rng, t, &estimate, &actual);
            if (i >= warm) {
                uint64_t better = fl_corrections_apply(&corrections, key, estimate);
                raw[n] = error_of((double)estimate, (double)actual);
                corrected[n++] = error_of((double)better, (double)actual);
            }
            fl_corrections_observe(&corrections, key, estimate, actual, i);
        }
    }
    double median = quantile(corrected, n, .5);
    print_message("tokenizer %u after %d requests a tenant: median %.2f %%, p90 %.2f %% "
                  "(uncorrected %.2f %%, %.2f %%)\n",
                  (unsigned)t, (int)warm, 100 * median, 100 * quantile(corrected, n, .9),
                  100 * quantile(raw, n, .5), 100 * quantile(raw, n, .9));
    assert_true(median <= .03);
}

static void test_real(void **state)
{
    (void)state;
    struct rows rows;
    if (!rows_load(&rows)) {
        print_message("skipped: no data\n");
        skip();
    }
    struct fl_rng rng;
    fl_rng_seed(&rng, 5);
    for (unsigned t = 0; t < FL_TEXT_TOKENIZERS; t++) {
        check_tokenizer(&rows, t, &rng);
    }
    rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_learns, begin, end),
        cmocka_unit_test_setup_teardown(test_wild, begin, end),
        cmocka_unit_test_setup_teardown(test_change, begin, end),
        cmocka_unit_test_setup_teardown(test_many, begin, end),
        cmocka_unit_test_setup_teardown(test_real, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

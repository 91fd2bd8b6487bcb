/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer on small sets whose answer is known, and the measures on rows counted by hand. */
#include "unit/cm.h"

#include "route/learn/evaluate.h"
#include "route/learn/train.h"

#include <math.h>
#include <stdlib.h>

enum { examples_max = 120 };

struct little {
    struct fl_train_set set;
    struct fl_example examples[examples_max];
    struct fl_train_item items[examples_max * FL_TRAIN_ITEMS_MAX];
};

static const char *const opening[FL_TASK_COUNT] = {"summarize the", "classify the",  "write a",
                                                   "analyze the",   "translate the", "what is the"};
static const char *const rest[] = {"letter", "report on tea", "story of a dog", "note",
                                   "text below"};
static struct fl_features f;
static struct fl_windows w;
static char text[100];

static struct fl_slice prompt(unsigned i)
{
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put_cstr(&b, opening[i % FL_TASK_COUNT]);
    fl_buf_put_cstr(&b, " ");
    fl_buf_put_cstr(&b, rest[i / FL_TASK_COUNT % 5]);
    return fl_buf_slice(&b);
}

static void fill(struct little *l, enum fl_classifier_kind kind)
{
    size_t at = 0;
    for (unsigned i = 0; i < examples_max; i++) {
        w = fl_windows_of(prompt(i));
        fl_features_extract(&w, &f);
        unsigned n = fl_train_items(kind, &w, &f, l->items + at);
        l->examples[i] = (struct fl_example){at, (uint16_t)n, (uint8_t)(i % FL_TASK_COUNT),
                                             (uint8_t)(i / FL_TASK_COUNT % 5), 1};
        at += n;
    }
    l->set = (struct fl_train_set){l->examples, examples_max, l->items};
}

static enum fl_err train(const struct little *l, struct fl_train_options options,
                         struct fl_buf *ret_model)
{
    void *memory = malloc(fl_train_memory(&l->set, &options));
    assert_non_null(memory);
    fl_buf_init(ret_model, 8 << 20);
    enum fl_err err = fl_train(&l->set, &options, memory, ret_model);
    free(memory);
    return err;
}

static unsigned right_of(const struct fl_buf *model)
{
    struct fl_classifier c;
    unsigned right = 0;
    assert_int_equal(fl_classifier_load(fl_buf_slice(model), &c, NULL), FL_OK);
    for (unsigned i = 0; i < FL_TASK_COUNT * 5; i++) {
        double p[FL_TASK_COUNT];
        w = fl_windows_of(prompt(i));
        fl_features_extract(&w, &f);
        fl_classify(&c, &w, &f, p);
        right += fl_task_best(p) == i % FL_TASK_COUNT;
    }
    return right;
}

static void every_kind_learns(void **state)
{
    (void)state;
    static struct little l;
    for (unsigned kind = 0; kind < FL_CLASSIFIER_COUNT; kind++) {
        struct fl_buf model, again, other;
        struct fl_train_options options = {.kind = (enum fl_classifier_kind)kind,
                                           .seed = 5,
                                           .skip_fold = FL_TRAIN_NO_FOLD,
                                           .count = 30};
        fill(&l, options.kind);
        assert_int_equal(train(&l, options, &model), FL_OK);
        assert_int_equal(train(&l, options, &again), FL_OK);
        assert_int_equal(model.len, again.len); /* the same seed, the same bytes */
        assert_memory_equal(model.ptr, again.ptr, model.len);
        assert_true(right_of(&model) >= (kind == FL_CLASSIFIER_KMEANS ? 18 : 28));
        options.seed = 6;
        assert_int_equal(train(&l, options, &other), FL_OK);
        assert_int_equal(memcmp(model.ptr, other.ptr, model.len) == 0,
                         kind == FL_CLASSIFIER_KEYWORD);
        fl_buf_finish(&model);
        fl_buf_finish(&again);
        fl_buf_finish(&other);
    }
}

/* Labels that lie in the fold that is left out are not learned. */
static void a_fold_is_left_out(void **state)
{
    (void)state;
    static struct little l;
    struct fl_buf model;
    struct fl_train_options options = {
        .kind = FL_CLASSIFIER_TFIDF_LINEAR, .seed = 1, .skip_fold = 0};
    fill(&l, options.kind);
    for (unsigned i = 0; i < examples_max; i++) {
        l.examples[i].label = l.examples[i].fold == 0 ? FL_TASK_OTHER : l.examples[i].label;
    }
    assert_int_equal(train(&l, options, &model), FL_OK);
    assert_int_equal(right_of(&model), 30);
    fl_buf_finish(&model);
    for (unsigned i = 0; i < examples_max; i++) {
        l.examples[i].fold = 0;
    }
    assert_int_equal(train(&l, options, &model), FL_ERR_INVALID);
    fl_buf_finish(&model);
}

/* Wrong labels that weigh little lose against right ones. */
static void weights_count(void **state)
{
    (void)state;
    static struct little l;
    struct fl_buf model;
    struct fl_train_options options = {
        .kind = FL_CLASSIFIER_TFIDF_LINEAR, .seed = 1, .skip_fold = FL_TRAIN_NO_FOLD};
    fill(&l, options.kind);
    for (unsigned i = 0; i < examples_max; i++) {
        bool wrong = i >= examples_max / 3;
        l.examples[i].label =
            wrong ? (uint8_t)((i + 1) % FL_TASK_COUNT) : (uint8_t)(i % FL_TASK_COUNT);
        l.examples[i].weight = wrong ? 0.05F : 1;
    }
    assert_int_equal(train(&l, options, &model), FL_OK);
    assert_int_equal(right_of(&model), 30);
    fl_buf_finish(&model);
}

static void too_small_a_buffer_is_said(void **state)
{
    (void)state;
    static struct little l;
    struct fl_train_options options = {
        .kind = FL_CLASSIFIER_TFIDF_LINEAR, .seed = 1, .skip_fold = FL_TRAIN_NO_FOLD, .epochs = 1};
    struct fl_buf model;
    fill(&l, options.kind);
    void *memory = malloc(fl_train_memory(&l.set, &options));
    assert_non_null(memory);
    fl_buf_init(&model, 1000);
    assert_int_equal(fl_train(&l.set, &options, memory, &model), FL_ERR_TOO_BIG);
    fl_buf_finish(&model);
    free(memory);
}

static struct fl_prediction says(enum fl_task truth, enum fl_task best, double sure)
{
    struct fl_prediction p = {.truth = (uint8_t)truth};
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        p.probability[k] = k == best ? sure : (1 - sure) / (FL_TASK_COUNT - 1);
    }
    return p;
}

static void close_to(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-9)) {
        print_error("expected %.12f, got %.12f\n", expected, value);
        fail();
    }
}

static void scores_are_as_counted(void **state)
{
    (void)state;
    struct fl_prediction rows[] = {
        says(FL_TASK_SUMMARIZATION, FL_TASK_SUMMARIZATION, 0.9),
        says(FL_TASK_SUMMARIZATION, FL_TASK_GENERATION, 0.6),
        says(FL_TASK_GENERATION, FL_TASK_GENERATION, 0.8),
        says(FL_TASK_GENERATION, FL_TASK_OTHER, 0.5),
        says(FL_TASK_OTHER, FL_TASK_GENERATION, 0.7),
    };
    rows[4].source = 1;
    struct fl_score six = fl_evaluate(rows, 5, -1, FL_SCORE_SIX);
    assert_int_equal(six.rows, 5);
    assert_int_equal(six.correct, 2);
    close_to(six.f1[FL_TASK_SUMMARIZATION], 2.0 / 3);
    close_to(six.f1[FL_TASK_GENERATION], 2.0 / 5);
    close_to(six.f1[FL_TASK_OTHER], 0);
    close_to(fl_score_macro_f1(&six, six.present), (2.0 / 3 + 2.0 / 5) / 3);
    close_to(fl_score_macro_f1(&six, FL_TASKS_FIVE), (2.0 / 3 + 2.0 / 5) / 5);
    struct fl_score strict = fl_evaluate(rows, 5, -1, FL_SCORE_FIVE_OF_SIX);
    assert_int_equal(strict.rows, 4);
    close_to(strict.f1[FL_TASK_GENERATION], 2.0 / 4);
    /* with `other` barred, the fourth row falls to the first of equals: summarization */
    struct fl_score five = fl_evaluate(rows, 5, -1, FL_SCORE_FIVE);
    close_to(five.f1[FL_TASK_SUMMARIZATION], 2.0 / 4);
    assert_int_equal(fl_evaluate(rows, 5, 1, FL_SCORE_SIX).rows, 1);
    /* sure .9 .6 .8 .5 .7, right 1 0 1 0 0: each alone in its bin */
    close_to(fl_evaluate_ece(rows, 5), (0.1 + 0.6 + 0.2 + 0.5 + 0.7) / 5);
}

/* Rows that are right four times of five but say .99: the best sharpness makes them say .8. */
static void sharpness_is_found(void **state)
{
    (void)state;
    struct fl_prediction rows[100];
    for (unsigned i = 0; i < 100; i++) {
        rows[i] = says(i % 5 ? FL_TASK_ANALYSIS : FL_TASK_OTHER, FL_TASK_ANALYSIS, 0.99);
    }
    double sharpness = fl_evaluate_sharpness(rows, 100), p[FL_TASK_COUNT];
    assert_true(sharpness < 1);
    memcpy(p, rows[0].probability, sizeof(p));
    fl_sharpen(p, sharpness);
    assert_true(fabs(p[FL_TASK_ANALYSIS] - 0.8) < 1e-3);
    assert_true(fl_evaluate_log_loss(rows, 100, sharpness) < fl_evaluate_log_loss(rows, 100, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_learns),     cmocka_unit_test(a_fold_is_left_out),
        cmocka_unit_test(weights_count),         cmocka_unit_test(too_small_a_buffer_is_said),
        cmocka_unit_test(scores_are_as_counted), cmocka_unit_test(sharpness_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

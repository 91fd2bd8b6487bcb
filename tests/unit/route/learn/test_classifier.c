/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped model and the built-in keywords on known prompts, and the reader of model files. */
#include "unit/cm.h"

#include "route/learn/kinds.h"
#include "route/learn/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct fl_features f;

static enum fl_task classify(const struct fl_classifier *c, const char *prompt, double *ret_sure)
{
    double p[FL_TASK_COUNT], sum = 0;
    struct fl_windows w = fl_windows_of(fl_slice_cstr(prompt));
    fl_features_extract(&w, &f);
    fl_classify(c, &w, &f, p);
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        assert_true(p[k] > 0 && p[k] < 1);
        sum += p[k];
    }
    assert_true(fabs(sum - 1) < 1e-9);
    enum fl_task best = fl_task_best(p);
    *ret_sure = p[best];
    return best;
}

struct known {
    const char *prompt;
    enum fl_task task;
};

static const struct known known[] = {
    /* the origin's walk-through */
    {"Summarize the benefits of AI routing", FL_TASK_SUMMARIZATION},
    {"Classify this text as positive or negative", FL_TASK_CLASSIFICATION},
    {"Generate a creative story about AI", FL_TASK_GENERATION},
    /* what its rule took for a summary */
    {"What is 2+2?", FL_TASK_OTHER},
    {"Hello", FL_TASK_OTHER},
    {"Wie geht es dir?", FL_TASK_OTHER},
    {"Is this review positive or negative? I hated every minute of it.", FL_TASK_CLASSIFICATION},
    {"study it", FL_TASK_OTHER},
    /* short ones */
    {"Translate to French: good morning", FL_TASK_TRANSLATION},
    {"tl;dr please", FL_TASK_SUMMARIZATION},
    {"thanks!", FL_TASK_OTHER},
    {"Compare Python and Rust for a web service", FL_TASK_ANALYSIS},
    {"Write a Python function that reverses a list", FL_TASK_GENERATION},
    {"Give me five names for a bakery", FL_TASK_GENERATION},
    {"Extract all email addresses from the text below.", FL_TASK_ANALYSIS},
    /* other languages */
    {"Fasse den folgenden Artikel in drei S\xc3\xa4tzen zusammen:", FL_TASK_SUMMARIZATION},
    {"\xc3\x9c"
     "bersetze diesen Satz ins Englische: Der Hund schl\xc3\xa4"
     "ft.",
     FL_TASK_TRANSLATION},
    {"\xc3\x89"
     "cris un po\xc3\xa8me sur la mer",
     FL_TASK_GENERATION},
    {"Traduce este texto al ingl\xc3\xa9s: Buenos d\xc3\xad"
     "as",
     FL_TASK_TRANSLATION},
    {"Analizza questo testo:", FL_TASK_ANALYSIS},
    {"Escreva uma hist\xc3\xb3ria sobre um gato", FL_TASK_GENERATION},
    /* "perevedi na angliyskiy: dobroe utro" */
    {"\xd0\x9f\xd0\xb5\xd1\x80\xd0\xb5\xd0\xb2\xd0\xb5\xd0\xb4\xd0\xb8 \xd0\xbd\xd0\xb0 "
     "\xd0\xb0\xd0\xbd\xd0\xb3\xd0\xbb\xd0\xb8\xd0\xb9\xd1\x81\xd0\xba\xd0\xb8\xd0\xb9: "
     "\xd0\xb4\xd0\xbe\xd0\xb1\xd1\x80\xd0\xbe\xd0\xb5 \xd1\x83\xd1\x82\xd1\x80\xd0\xbe",
     FL_TASK_TRANSLATION},
    {"\xe5\x86\x99\xe4\xb8\x80\xe9\xa6\x96\xe8\xaf\x97", FL_TASK_GENERATION}, /* write a poem */
    {"\xe8\xa6\x81\xe7\xb4\x84\xe3\x81\x97\xe3\x81\xa6\xe3\x81\x8f\xe3\x81\xa0\xe3\x81\x95\xe3\x81"
     "\x84",
     FL_TASK_SUMMARIZATION}, /* please summarise */
};

static void shipped_model_knows_these(void **state)
{
    (void)state;
    struct fl_classifier c = fl_classifier_default();
    unsigned wrong = 0;
    assert_int_equal(c.kind, FL_CLASSIFIER_TFIDF_LINEAR);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        double sure;
        enum fl_task task = classify(&c, known[i].prompt, &sure);
        if (task != known[i].task) {
            print_error("%s: %s (%.2f)\n", known[i].prompt, fl_task_name(task), sure);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void keywords_know_these(void **state)
{
    (void)state;
    struct fl_classifier c = fl_classifier_keywords();
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        double sure;
        enum fl_task task = classify(&c, known[i].prompt, &sure);
        if (task != known[i].task) {
            print_error("%s: %s (%.2f)\n", known[i].prompt, fl_task_name(task), sure);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void stems_end_where_words_end(void **state)
{
    (void)state;
    struct fl_classifier c = fl_classifier_keywords();
    uint16_t hit[FL_KEYWORD_HITS_MAX];
    struct fl_windows w =
        fl_windows_of(FL_LIT("a writer's classmates briefly distranslated hiking"));
    double sure;
    assert_int_equal(fl_keyword_hits(&w, hit), 0);
    assert_int_equal(classify(&c, "a writer's classmates briefly hiking", &sure), FL_TASK_OTHER);
    assert_true(sure < 0.5); /* unknown, and says so */
    w = fl_windows_of(FL_LIT("Summarizing: SUMMARY, summary"));
    assert_int_equal(fl_keyword_hits(&w, hit), 1);
}

static void no_words_are_other(void **state)
{
    (void)state;
    struct fl_classifier c = fl_classifier_default();
    double sure;
    assert_int_equal(classify(&c, "", &sure), FL_TASK_OTHER);
    assert_int_equal(classify(&c, "?!\n\n", &sure), FL_TASK_OTHER);
    assert_true(sure > 0.9);
}

/* The instruction counts, wherever it stands in a long text. */
static void long_texts_keep_their_instruction(void **state)
{
    (void)state;
    static char text[40000];
    struct fl_classifier c = fl_classifier_default();
    double sure;
    for (size_t i = 0; i < sizeof(text) - 200; i += 40) {
        memcpy(text + i, "The river rises in the hills of the north. ", 40);
    }
    char *end = text + sizeof(text) - 240;
    (void)snprintf(end, 200, "\n\nTranslate the text above into Spanish.");
    assert_int_equal(classify(&c, text, &sure), FL_TASK_TRANSLATION);
    (void)snprintf(end, 200, "\n\nSummarize the above in two sentences.");
    assert_int_equal(classify(&c, text, &sure), FL_TASK_SUMMARIZATION);
    memset(end, ' ', 200);
    memcpy(text, "Summarize this article:\n\n", 25);
    assert_int_equal(classify(&c, text, &sure), FL_TASK_SUMMARIZATION);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        enum fl_task task;
        assert_true(fl_task_parse(fl_slice_cstr(fl_task_name((enum fl_task)i)), &task));
        assert_int_equal(task, i);
    }
    for (unsigned i = 0; i < FL_CLASSIFIER_COUNT; i++) {
        enum fl_classifier_kind kind;
        assert_true(fl_classifier_kind_parse(
            fl_slice_cstr(fl_classifier_kind_name((enum fl_classifier_kind)i)), &kind));
        assert_int_equal(kind, i);
    }
    enum fl_task task;
    assert_false(fl_task_parse(FL_LIT("Summarization"), &task));
}

/* --- model files --- */

static void small_model(enum fl_classifier_kind kind, struct fl_buf *ret_model)
{
    static struct fl_train_item items[4] = {{1, 4}, {2, 4}, {3, 4}, {4, 4}};
    struct fl_example examples[4];
    for (uint8_t i = 0; i < 4; i++) {
        examples[i] = (struct fl_example){i, 1, i, i, 1};
    }
    struct fl_train_set set = {examples, 4, items};
    struct fl_train_options options = {.kind = kind, .seed = 1, .skip_fold = FL_TRAIN_NO_FOLD};
    void *memory = malloc(fl_train_memory(&set, &options));
    assert_non_null(memory);
    fl_buf_init(ret_model, 1 << 20);
    assert_int_equal(fl_train(&set, &options, memory, ret_model), FL_OK);
    free(memory);
}

static void refused(const char *bytes, size_t len, const char *message)
{
    struct fl_classifier c = {.count = 77};
    struct fl_reterr reterr = {0};
    assert_int_equal(fl_classifier_load(fl_slice(bytes, len), &c, &reterr), FL_ERR_CONFIG);
    assert_string_equal(reterr.message, message);
    assert_int_equal(reterr.err, FL_ERR_CONFIG);
    assert_int_equal(c.count, 77); /* nothing is written on failure */
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned offset;
        char byte;
        const char *message;
    } damage[] = {
        {0, 'x', "not a model file"},
        {8, 2, "a model file of another version"},
        {12, 9, "an unknown kind of classifier"},
        {16, 31, "a table size that this kind cannot have"},
        {21, 1, "a count that this kind cannot have"},
        {63, 1, "a sharpness out of range"},
        {64, 1, "the file is cut, or longer than it says"},
        {72, 1, "the checksum does not match: the file is damaged"},
        {24, 1, "the checksum does not match: the file is damaged"},
        {100, 1, "the checksum does not match: the file is damaged"},
    };
    struct fl_buf model;
    small_model(FL_CLASSIFIER_TFIDF_LINEAR, &model);
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        char kept = model.ptr[damage[i].offset];
        model.ptr[damage[i].offset] = (char)(kept ^ damage[i].byte);
        if (damage[i].offset == 16) {
            model.ptr[16] = 31;
        }
        refused(model.ptr, model.len, damage[i].message);
        model.ptr[damage[i].offset] = kept;
    }
    for (size_t len = 0; len < FL_MODEL_HEADER; len++) {
        refused(model.ptr, len, "too short for a model file");
    }
    refused(model.ptr, FL_MODEL_HEADER, "the file is cut, or longer than it says");
    refused(model.ptr, model.len - 1, "the file is cut, or longer than it says");
    fl_buf_put(&model, FL_LIT("x"));
    refused(model.ptr, model.len, "the file is cut, or longer than it says");
    fl_buf_finish(&model);
}

/* A table may be impossible although the checksum is right: whoever wrote it was no `train`. */
static void impossible_tables_are_refused(void **state)
{
    (void)state;
    struct fl_buf model;
    const char *message = "a table holds what this version does not know";
    small_model(FL_CLASSIFIER_KNN, &model);
    model.ptr[model.len - 1] = FL_TASK_COUNT;
    fl_model_sharpen(&model, 1);
    refused(model.ptr, model.len, message);
    fl_buf_finish(&model);
    small_model(FL_CLASSIFIER_KMEANS, &model);
    memset(model.ptr + model.len - FL_MODEL_STRIDE, 0, FL_MODEL_STRIDE);
    fl_model_sharpen(&model, 1);
    refused(model.ptr, model.len, message);
    fl_buf_finish(&model);
    small_model(FL_CLASSIFIER_KEYWORD, &model);
    model.ptr[model.len - 1] ^= 1;
    fl_model_sharpen(&model, 1);
    refused(model.ptr, model.len, message);
    fl_buf_finish(&model);
}

static void sharpness_changes_confidence_not_order(void **state)
{
    (void)state;
    struct fl_classifier c = fl_classifier_default();
    double soft, sharp, sure;
    assert_true(c.sharpness > 0.3 && c.sharpness < 1.5);
    enum fl_task task = classify(&c, "Summarize this article", &sure);
    c.sharpness = 0.2;
    assert_int_equal(classify(&c, "Summarize this article", &soft), task);
    c.sharpness = 3;
    assert_int_equal(classify(&c, "Summarize this article", &sharp), task);
    assert_true(soft < sure && sure < sharp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_model_knows_these),
        cmocka_unit_test(keywords_know_these),
        cmocka_unit_test(stems_end_where_words_end),
        cmocka_unit_test(no_words_are_other),
        cmocka_unit_test(long_texts_keep_their_instruction),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(impossible_tables_are_refused),
        cmocka_unit_test(sharpness_changes_confidence_not_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

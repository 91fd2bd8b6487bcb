/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nanoseconds to classify a prompt: windows, features and the class probabilities, by each kind
 * that needs no file, over texts of several sizes. Many different texts in turn, so that the branch
 * predictor cannot learn one by heart; best of the rounds, one core. usage: bench_classify [MODEL]
 */
#include "base/assert.h"
#include "base/rng.h"
#include "route/learn/classifier.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { texts = 64, text_max = 8192, rounds = 300, round_ns = 1000000, model_max = 16 << 20 };

static const char *const words[] = {
    "the",     "a",           "of",      "and",       "to",          "report",      "city",
    "please",  "water",       "model",   "their",     "quickly",     "summary",     "write",
    "is",      "was",         "between", "customers", "delivery",    "on",          "for",
    "evening", "Question",    "number",  "1987",      "42",          "system",      "requests",
    "in",      "returned",    "with",    "not",       "interesting", "caf\xc3\xa9", "about",
    "because", "translation", "it",      "however",   "government"};
static const char *const openings[] = {
    "Summarize the following report in three sentences:\n\n",
    "Translate this into German: ",
    "Is this review positive or negative?\n",
    "Write a short story about ",
    "Extract all names from the text below.\n\n",
    "What is the capital of France? ",
    "def total(values):\n    return sum(values)\n# why is this slow?\n",
    "Hello, I have a question: "};

static char text[texts][text_max];
static struct fl_features features;

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void make_texts(size_t bytes)
{
    struct fl_rng rng;
    fl_rng_seed(&rng, 7);
    for (unsigned i = 0; i < texts; i++) {
        struct fl_buf b;
        fl_buf_init_in(&b, text[i], sizeof(text[i]));
        fl_buf_put_cstr(&b, openings[fl_rng_below(&rng, sizeof(openings) / sizeof(openings[0]))]);
        while (b.len < bytes) {
            fl_buf_put_cstr(&b, words[fl_rng_below(&rng, sizeof(words) / sizeof(words[0]))]);
            fl_buf_put_cstr(&b, fl_rng_below(&rng, 12)  ? " "
                                : fl_rng_below(&rng, 4) ? ". "
                                                        : ".\n");
        }
        fl_assert(fl_buf_ok(&b));
    }
}

/* With a classifier, all of it; without, the features alone. */
static double best_ns(size_t bytes, const struct fl_classifier *c)
{
    double best = 1e18, p[FL_TASK_COUNT];
    volatile double sink = 0;
    for (int round = 0; round < rounds; round++) {
        uint64_t start = now_ns(), spent;
        unsigned passes = 0;
        do {
            for (unsigned i = 0; i < texts; i++) {
                struct fl_windows w = fl_windows_of(fl_slice(text[i], bytes));
                fl_features_extract(&w, &features);
                if (c) {
                    fl_classify(c, &w, &features, p);
                    sink += p[0];
                }
            }
            passes += texts;
            spent = now_ns() - start;
        } while (spent < round_ns);
        best = (double)spent / passes < best ? (double)spent / passes : best;
    }
    (void)sink;
    return best;
}

static void report(const char *name, const struct fl_classifier *c)
{
    static const size_t sizes[] = {100, 500, 4096};
    printf("%-14s", name);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        make_texts(sizes[i]);
        printf("  %4zu bytes %7.0f ns", sizes[i], best_ns(sizes[i], c));
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    static char file[model_max];
    struct fl_classifier linear = fl_classifier_default(), keyword = fl_classifier_keywords(), own;
    report("features only", NULL);
    report("tfidf_linear", &linear);
    report("keyword", &keyword);
    if (argc > 1) {
        FILE *f = fopen(argv[1], "rb");
        size_t len = f ? fread(file, 1, sizeof(file), f) : 0;
        struct fl_reterr reterr = {0};
        if (f) {
            (void)fclose(f);
        }
        if (fl_classifier_load(fl_slice(file, len), &own, &reterr)) {
            (void)fprintf(stderr, "%s: %s\n", argv[1], reterr.message);
            return 1;
        }
        report(fl_classifier_kind_name(own.kind), &own);
    }
    return 0;
}

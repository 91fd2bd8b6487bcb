/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of kinds, and what they have in common: texts without words, sharpness, names.
 * Sharpness is an inverse temperature: p^sharpness, renormalised (for softmax the same as scaling
 * the scores), fitted on held-out rows so that probabilities mean what they say.
 */
#include "route/learn/classifier.h"

#include "base/assert.h"
#include "route/learn/evaluate.h"
#include "route/learn/kinds.h"

#include <math.h>

static const struct fl_classifier_ops *const kinds[FL_CLASSIFIER_COUNT] = {
    [FL_CLASSIFIER_KEYWORD] = &fl_keyword_ops,
    [FL_CLASSIFIER_TFIDF_LINEAR] = &fl_linear_ops,
    [FL_CLASSIFIER_KMEANS] = &fl_kmeans_ops,
    [FL_CLASSIFIER_KNN] = &fl_knn_ops,
};

static const char *const task_names[FL_TASK_COUNT] = {
    [FL_TASK_SUMMARIZATION] = "summarization", [FL_TASK_CLASSIFICATION] = "classification",
    [FL_TASK_GENERATION] = "generation",       [FL_TASK_ANALYSIS] = "analysis",
    [FL_TASK_TRANSLATION] = "translation",     [FL_TASK_OTHER] = "other",
};

const struct fl_classifier_ops *fl_classifier_ops(enum fl_classifier_kind kind)
{
    fl_assert(kind < FL_CLASSIFIER_COUNT);
    return kinds[kind];
}

const char *fl_classifier_kind_name(enum fl_classifier_kind kind)
{
    return fl_classifier_ops(kind)->name;
}

bool fl_classifier_kind_parse(struct fl_slice name, enum fl_classifier_kind *ret_kind)
{
    for (unsigned i = 0; i < FL_CLASSIFIER_COUNT; i++) {
        if (fl_slice_eq(name, fl_slice_cstr(kinds[i]->name))) {
            *ret_kind = (enum fl_classifier_kind)i;
            return true;
        }
    }
    return false;
}

const char *fl_task_name(enum fl_task task)
{
    fl_assert(task < FL_TASK_COUNT);
    return task_names[task];
}

bool fl_task_parse(struct fl_slice name, enum fl_task *ret_task)
{
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        if (fl_slice_eq(name, fl_slice_cstr(task_names[i]))) {
            *ret_task = (enum fl_task)i;
            return true;
        }
    }
    return false;
}

enum fl_task fl_task_best(const double probability[FL_TASK_COUNT])
{
    unsigned best = 0;
    for (unsigned i = 1; i < FL_TASK_COUNT; i++) {
        best = probability[i] > probability[best] ? i : best;
    }
    return (enum fl_task)best;
}

void fl_softmax(double score[FL_TASK_COUNT])
{
    double max = score[0], sum = 0;
    for (unsigned i = 1; i < FL_TASK_COUNT; i++) {
        max = score[i] > max ? score[i] : max;
    }
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        score[i] = exp(score[i] - max);
        sum += score[i];
    }
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        score[i] /= sum;
    }
}

void fl_sharpen(double p[FL_TASK_COUNT], double sharpness)
{
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        p[i] = sharpness * log(p[i] > 1e-12 ? p[i] : 1e-12);
    }
    fl_softmax(p);
}

void fl_classify(const struct fl_classifier *classifier, const struct fl_windows *windows,
                 const struct fl_features *features, double ret_probability[FL_TASK_COUNT])
{
    if (features->count <= FL_SURFACE_COUNT) { /* not one word */
        for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
            ret_probability[i] = i == FL_TASK_OTHER ? 0.95 : 0.01;
        }
        return;
    }
    fl_classifier_ops(classifier->kind)->classify(classifier, windows, features, ret_probability);
    if (classifier->kind != FL_CLASSIFIER_TFIDF_LINEAR) { /* whose scores have it already */
        fl_sharpen(ret_probability, classifier->sharpness);
    }
}

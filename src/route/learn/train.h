/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trainer: labelled examples in, the bytes of a model file out. Pure and deterministic: the
 * same examples, options and seed give the same bytes on one libm. Memory is the caller's: ask
 * fl_train_memory(), give that much.
 *
 * An example is what a kind needs of a prompt: fl_train_items() makes it. Groups are what must not
 * be torn apart in cross-validation (prompts from one template, one author, one source): every
 * group is hashed into one of FL_TRAIN_FOLDS folds.
 */
#ifndef FL_ROUTE_LEARN_TRAIN_H
#define FL_ROUTE_LEARN_TRAIN_H

#include "base/buf.h"
#include "base/err.h"
#include "route/learn/classifier.h"

enum {
    FL_TRAIN_FOLDS = 5,
    FL_TRAIN_NO_FOLD = FL_TRAIN_FOLDS,
    FL_TRAIN_ITEMS_MAX = FL_FEATURES_MAX /* of one example */
};

struct fl_train_item {
    uint16_t row; /* of the feature table; keyword: the stem */
    uint8_t value;
};

struct fl_example {
    size_t first; /* into fl_train_set.items */
    uint16_t count;
    uint8_t label; /* enum fl_task */
    uint8_t fold;
    float weight; /* how much it counts, 1 for an ordinary row; kmeans and knn do not look */
};

struct fl_train_set {
    const struct fl_example *examples;
    size_t count; /* at least one */
    const struct fl_train_item *items;
};

struct fl_train_options {
    enum fl_classifier_kind kind;
    uint64_t seed;
    unsigned skip_fold; /* examples to leave out, or FL_TRAIN_NO_FOLD */
    unsigned count;     /* kmeans: centroids; knn: prototypes; 0: a default */
    unsigned epochs;    /* tfidf_linear: passes over the examples; 0: a default */
};

/* The fold of a group of this name. */
uint8_t fl_train_fold(struct fl_slice group);
/* The items of a prompt for *kind*; returns how many. *features* are those of *windows*. */
unsigned fl_train_items(enum fl_classifier_kind kind, const struct fl_windows *windows,
                        const struct fl_features *features,
                        struct fl_train_item ret_items[FL_TRAIN_ITEMS_MAX]);
/* Bytes of workspace that fl_train() needs (aligned as malloc() aligns). */
size_t fl_train_memory(const struct fl_train_set *set, const struct fl_train_options *options);
/* Writes a model file to *ret_model* (whose content is replaced) with sharpness 1: calibrate with
 * fl_evaluate_sharpness() and fl_model_sharpen(). FL_ERR_INVALID when nothing is left to train on,
 * FL_ERR_TOO_BIG when the file does not fit into *ret_model*. */
enum fl_err fl_train(const struct fl_train_set *set, const struct fl_train_options *options,
                     void *memory, struct fl_buf *ret_model) FL_CHECK_RESULT;
/* Sets the sharpness (above 0) of the model file in *model*, which fl_train() wrote. */
void fl_model_sharpen(struct fl_buf *model, double sharpness);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Private to learn: the trainer of each kind, and what they share. */
#ifndef FL_ROUTE_LEARN_TRAINERS_H
#define FL_ROUTE_LEARN_TRAINERS_H

#include "base/rng.h"
#include "route/learn/kinds.h"
#include "route/learn/train.h"

struct fl_trainer {
    size_t (*memory)(const struct fl_train_set *set, const struct fl_train_options *options);
    /* *chosen* are the *count* > 0 examples to learn from, in file order; the trainer may reorder.
     */
    void (*train)(const struct fl_train_set *set, const struct fl_train_options *options,
                  uint32_t *chosen, size_t count, void *memory, struct fl_buf *ret_model);
};
extern const struct fl_trainer fl_keyword_trainer, fl_linear_trainer, fl_kmeans_trainer,
    fl_knn_trainer;

/* Fisher-Yates. */
void fl_train_shuffle(struct fl_rng *rng, uint32_t *list, size_t count);
/* A byte a row: inverse document frequency times what the row tells of the class, so that words of
 * the material weigh little. *df* has 2^FL_MODEL_BITS * FL_TASK_COUNT counters. */
void fl_train_idf(const struct fl_train_set *set, const uint32_t *chosen, size_t count,
                  uint32_t *df, uint8_t *ret_idf);
/* The example as kmeans and knn see it. */
void fl_train_dense(const struct fl_train_set *set, uint32_t example, const uint8_t *idf,
                    int8_t ret_vector[FL_MODEL_DIMENSIONS]);

#endif

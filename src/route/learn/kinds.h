/* SPDX-License-Identifier: Apache-2.0 */
/* Private to learn: what a kind of classifier is to classifier.c, and what the kinds share. */
#ifndef FL_ROUTE_LEARN_KINDS_H
#define FL_ROUTE_LEARN_KINDS_H

#include "route/learn/classifier.h"

struct fl_classifier_ops {
    const char *name;
    unsigned bits_min, bits_max, count_min, count_max;
    /* Bytes of payload for these sizes (already within the bounds above). */
    uint64_t (*payload_bytes)(unsigned bits, unsigned count);
    /* Points the classifier into *payload*; false when a byte there is impossible. */
    bool (*attach)(struct fl_classifier *c, const uint8_t *payload);
    /* Probabilities before sharpness, adding up to 1. */
    void (*classify)(const struct fl_classifier *c, const struct fl_windows *windows,
                     const struct fl_features *features, double ret_probability[FL_TASK_COUNT]);
};

extern const struct fl_classifier_ops fl_keyword_ops, fl_linear_ops, fl_kmeans_ops, fl_knn_ops;
const struct fl_classifier_ops *fl_classifier_ops(enum fl_classifier_kind kind);

/* exp(score - max) / sum, in place. */
void fl_softmax(double score[FL_TASK_COUNT]);

/* --- keyword.c --- */

enum { FL_KEYWORD_HITS_MAX = 64 };
unsigned fl_keyword_count(void);
/* The row that stands behind the last stem in a model file and ties it to this table. */
void fl_keyword_mark(int8_t ret_row[FL_MODEL_STRIDE]);
/* The stems found in the windows, each once, in the order they are found; returns how many. */
unsigned fl_keyword_hits(const struct fl_windows *windows, uint16_t ret_stem[FL_KEYWORD_HITS_MAX]);

/* --- dense.c: the vector that kmeans and knn compare --- */

/* What row *row* adds to which dimension: hashed to FL_MODEL_DIMENSIONS with a sign. */
static inline unsigned fl_dense_place(unsigned row, int *ret_sign)
{
    uint32_t h = (uint32_t)row * UINT32_C(0x9e3779b1);
    *ret_sign = h & (UINT32_C(1) << 22) ? 1 : -1;
    return h >> 23; /* 9 bits: 512 */
}
/* The features as a vector of length about 512 whose entries are cut to +-127. */
void fl_dense_vector(const struct fl_features *features, const uint8_t *idf, unsigned bits,
                     int8_t ret_vector[FL_MODEL_DIMENSIONS]);
int32_t fl_dense_product(const int8_t *a, const int8_t *b);
/* Of a product; within [-1, 1] even when a file holds vectors of another length. */
static inline double fl_dense_cosine(int32_t product)
{
    double cosine = (double)product / (512.0 * 512.0);
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}
/* *vector* scaled to length 512 and cut to +-127; all zero when it is. */
void fl_dense_round(const float *vector, int8_t ret_vector[FL_MODEL_DIMENSIONS]);

/* --- model.c: reading and writing model files --- */

struct fl_model_head {
    enum fl_classifier_kind kind;
    unsigned bits, count;
    double bias[FL_TASK_COUNT], scale, sharpness;
};
/* Replaces *b* by a whole model file. */
void fl_model_put(const struct fl_model_head *head, struct fl_slice payload, struct fl_buf *b);

#endif

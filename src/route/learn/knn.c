/* SPDX-License-Identifier: Apache-2.0 */
/*
 * knn: the fifteen prototypes most like the text vote, weighted by exp(scale * cosine), over a
 * small even share for every class. Payload: idf, prototypes, a class a prototype.
 */
#include "route/learn/kinds.h"

#include <math.h>

enum { neighbours = 15 };

static uint64_t payload_bytes(unsigned bits, unsigned count)
{
    return (UINT64_C(1) << bits) + (uint64_t)count * (FL_MODEL_DIMENSIONS + 1);
}

static bool attach(struct fl_classifier *c, const uint8_t *payload)
{
    c->idf = payload;
    c->weights = (const int8_t *)payload + ((size_t)1 << c->bits);
    c->classes = payload + ((size_t)1 << c->bits) + (size_t)c->count * FL_MODEL_DIMENSIONS;
    for (size_t i = 0; i < c->count; i++) {
        if (c->classes[i] >= FL_TASK_COUNT) {
            return false;
        }
    }
    return c->scale <= 128;
}

struct nearest {
    unsigned count;
    int32_t product[neighbours]; /* falling */
    uint8_t task[neighbours];
};

static void insert(struct nearest *n, int32_t product, uint8_t task)
{
    unsigned at = n->count < neighbours ? n->count++ : neighbours - 1;
    for (; at > 0 && n->product[at - 1] < product; at--) {
        n->product[at] = n->product[at - 1];
        n->task[at] = n->task[at - 1];
    }
    n->product[at] = product;
    n->task[at] = task;
}

static void classify(const struct fl_classifier *c, const struct fl_windows *windows,
                     const struct fl_features *features, double ret_probability[FL_TASK_COUNT])
{
    int8_t vector[FL_MODEL_DIMENSIONS];
    struct nearest near = {0};
    double all = 0;
    (void)windows;
    fl_dense_vector(features, c->idf, c->bits, vector);
    for (size_t i = 0; i < c->count; i++) {
        int32_t product = fl_dense_product(vector, c->weights + i * FL_MODEL_DIMENSIONS);
        if (near.count < neighbours || product > near.product[neighbours - 1]) {
            insert(&near, product, c->classes[i]);
        }
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        ret_probability[k] = 0.05;
        all += 0.05;
    }
    for (unsigned i = 0; i < near.count; i++) {
        double weight = exp(c->scale * (fl_dense_cosine(near.product[i]) - 0.5));
        ret_probability[near.task[i]] += weight;
        all += weight;
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        ret_probability[k] /= all;
    }
}

const struct fl_classifier_ops fl_knn_ops = {
    .name = "knn",
    .bits_min = 8,
    .bits_max = 18,
    .count_min = 1,
    .count_max = FL_MODEL_PROTOTYPES_MAX,
    .payload_bytes = payload_bytes,
    .attach = attach,
    .classify = classify,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kmeans: the centroids near the text vote with their class distributions, weighted by
 * exp(scale * cosine). Payload: idf, centroids, distributions (a byte a class, any sum above 0).
 */
#include "route/learn/kinds.h"

#include <math.h>

static uint64_t payload_bytes(unsigned bits, unsigned count)
{
    return (UINT64_C(1) << bits) + (uint64_t)count * (FL_MODEL_DIMENSIONS + FL_MODEL_STRIDE);
}

static bool attach(struct fl_classifier *c, const uint8_t *payload)
{
    c->idf = payload;
    c->weights = (const int8_t *)payload + ((size_t)1 << c->bits);
    c->classes = payload + ((size_t)1 << c->bits) + (size_t)c->count * FL_MODEL_DIMENSIONS;
    for (size_t i = 0; i < c->count; i++) {
        unsigned sum = 0;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            sum += c->classes[i * FL_MODEL_STRIDE + k];
        }
        if (sum == 0) {
            return false;
        }
    }
    return c->scale <= 128;
}

static void classify(const struct fl_classifier *c, const struct fl_windows *windows,
                     const struct fl_features *features, double ret_probability[FL_TASK_COUNT])
{
    int8_t vector[FL_MODEL_DIMENSIONS];
    double total[FL_TASK_COUNT] = {0}, all = 0;
    (void)windows;
    fl_dense_vector(features, c->idf, c->bits, vector);
    for (size_t i = 0; i < c->count; i++) {
        const uint8_t *share = c->classes + i * FL_MODEL_STRIDE;
        int32_t product = fl_dense_product(vector, c->weights + i * FL_MODEL_DIMENSIONS);
        double weight = exp(c->scale * fl_dense_cosine(product)), sum = 0;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            sum += share[k];
        }
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            total[k] += weight * share[k] / sum;
        }
        all += weight;
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        ret_probability[k] = total[k] / all;
    }
}

const struct fl_classifier_ops fl_kmeans_ops = {
    .name = "kmeans",
    .bits_min = 8,
    .bits_max = 18,
    .count_min = 1,
    .count_max = FL_MODEL_CENTROIDS_MAX,
    .payload_bytes = payload_bytes,
    .attach = attach,
    .classify = classify,
};

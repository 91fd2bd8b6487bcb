/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tfidf_linear: a row of eight bytes a feature, one weight a class. The sum is one of integers, so
 * it is the same everywhere; dividing by the vector's length makes long and short texts alike.
 */
#include "route/learn/kinds.h"

#include <math.h>

static uint64_t payload_bytes(unsigned bits, unsigned count)
{
    (void)count;
    return (uint64_t)FL_MODEL_STRIDE << bits;
}

static bool attach(struct fl_classifier *c, const uint8_t *payload)
{
    c->weights = (const int8_t *)payload;
    return true;
}

static void classify(const struct fl_classifier *c, const struct fl_windows *windows,
                     const struct fl_features *features, double ret_probability[FL_TASK_COUNT])
{
    int32_t sum[FL_MODEL_STRIDE] = {0};
    (void)windows;
    for (unsigned i = 0; i < features->count; i++) {
        const struct fl_feature *f = &features->items[i];
        const int8_t *row =
            c->weights + (size_t)fl_feature_row(f->index, c->bits) * FL_MODEL_STRIDE;
        for (unsigned k = 0; k < FL_MODEL_STRIDE; k++) { /* eight, so that it is one vector */
            sum[k] += row[k] * f->value;
        }
    }
    double unit = c->scale / sqrt((double)(features->square_sum ? features->square_sum : 1));
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        ret_probability[k] = c->sharpness * (c->bias[k] + (double)sum[k] * unit);
    }
    fl_softmax(ret_probability);
}

const struct fl_classifier_ops fl_linear_ops = {
    .name = "tfidf_linear",
    .bits_min = 8,
    .bits_max = 18,
    .count_min = 0,
    .count_max = 0,
    .payload_bytes = payload_bytes,
    .attach = attach,
    .classify = classify,
};

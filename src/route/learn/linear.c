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

/* Vectors as gcc and clang have them on every machine. */
typedef int8_t eight_bytes __attribute__((vector_size(8)));
typedef int16_t eight_shorts __attribute__((vector_size(16)));
typedef int32_t eight_words __attribute__((vector_size(32)));

/* How many products of a weight (at most 128) and a value (at most 16) a short can hold. */
enum { batch = 15 };
_Static_assert(batch * 128 * 4 * FL_FEATURE_ONE <= INT16_MAX, "a short must hold a batch");

/* The sum of at most *batch* rows. */
static eight_shorts sum_batch(const struct fl_classifier *c, const struct fl_feature *f,
                              unsigned count)
{
    eight_shorts sum = {0};
    for (unsigned i = 0; i < count; i++) {
        eight_bytes row;
        memcpy(&row, c->weights + (size_t)fl_feature_row(f[i].index, c->bits) * FL_MODEL_STRIDE,
               sizeof(row));
        sum += __builtin_convertvector(row, eight_shorts) * (int16_t)f[i].value;
    }
    return sum;
}

static void classify(const struct fl_classifier *c, const struct fl_windows *windows,
                     const struct fl_features *features, double ret_probability[FL_TASK_COUNT])
{
    eight_words sum = {0};
    (void)windows;
    for (unsigned i = 0; i < features->count; i += batch) {
        unsigned left = features->count - i;
        eight_shorts part = sum_batch(c, features->items + i, left < batch ? left : batch);
        sum += __builtin_convertvector(part, eight_words);
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

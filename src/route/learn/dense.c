/* SPDX-License-Identifier: Apache-2.0 */
/* The dense vectors of kmeans and knn: signed feature hashing (Weinberger et al. 2009). */
#include "route/learn/kinds.h"

#include <math.h>

void fl_dense_round(const float *vector, int8_t ret_vector[FL_MODEL_DIMENSIONS])
{
    float sum = 0;
    for (unsigned d = 0; d < FL_MODEL_DIMENSIONS; d++) {
        sum += vector[d] * vector[d];
    }
    float unit = sum > 0 ? 512.0F / sqrtf(sum) : 0.0F;
    for (unsigned d = 0; d < FL_MODEL_DIMENSIONS; d++) {
        float x = vector[d] * unit;
        x = x > 127.0F ? 127.0F : x < -127.0F ? -127.0F : x;
        ret_vector[d] = (int8_t)(x < 0 ? x - 0.5F : x + 0.5F);
    }
}

void fl_dense_vector(const struct fl_features *features, const uint8_t *idf, unsigned bits,
                     int8_t ret_vector[FL_MODEL_DIMENSIONS])
{
    float vector[FL_MODEL_DIMENSIONS] = {0};
    for (unsigned i = 0; i < features->count; i++) {
        unsigned row = fl_feature_row(features->items[i].index, bits);
        int sign;
        unsigned d = fl_dense_place(row, &sign);
        vector[d] += (float)(sign * features->items[i].value * idf[row]);
    }
    fl_dense_round(vector, ret_vector);
}

int32_t fl_dense_product(const int8_t *a, const int8_t *b)
{
    int32_t sum = 0;
    for (unsigned d = 0; d < FL_MODEL_DIMENSIONS; d++) {
        sum += a[d] * b[d];
    }
    return sum;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multinomial logistic regression by AdaGrad (Duchi, Hazan, Singer 2011), one example a step, over
 * vectors of length 1, with weight decay; then averaged over the last epochs and rounded to bytes.
 */
#include "route/learn/trainers.h"

#include <math.h>

enum { rows = 1 << FL_MODEL_BITS, default_epochs = 12 };

static const float rate = 0.5F, decay = 2e-6F;

/* Everything the descent changes. */
struct descent {
    float weight[rows][FL_TASK_COUNT];
    float square[rows][FL_TASK_COUNT]; /* sums of squared gradients */
    float total[rows][FL_TASK_COUNT];  /* of the weights at the ends of the averaged epochs */
    float bias[FL_TASK_COUNT], bias_square[FL_TASK_COUNT], bias_total[FL_TASK_COUNT];
    int8_t rounded[rows][FL_MODEL_STRIDE];
};

static size_t memory(const struct fl_train_set *set, const struct fl_train_options *options)
{
    (void)set;
    (void)options;
    return sizeof(struct descent);
}

static float length_of(const struct fl_train_item *items, unsigned count)
{
    float sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += (float)(items[i].value * items[i].value);
    }
    return sum > 0 ? sqrtf(sum) : 1.0F;
}

static void step(struct descent *d, const struct fl_train_item *items, const struct fl_example *e)
{
    unsigned count = e->count;
    double p[FL_TASK_COUNT];
    float score[FL_TASK_COUNT], unit = 1.0F / length_of(items, count);
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        score[k] = d->bias[k];
    }
    for (unsigned i = 0; i < count; i++) {
        float x = (float)items[i].value * unit;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            score[k] += d->weight[items[i].row][k] * x;
        }
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        p[k] = (double)score[k];
    }
    fl_softmax(p);
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        score[k] = e->weight * ((float)p[k] - (k == e->label ? 1.0F : 0.0F)); /* now its gradient */
        d->bias_square[k] += score[k] * score[k];
        d->bias[k] -= 0.1F * rate * score[k] / sqrtf(1.0F + d->bias_square[k]);
    }
    for (unsigned i = 0; i < count; i++) {
        float x = (float)items[i].value * unit;
        float *w = d->weight[items[i].row], *s = d->square[items[i].row];
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            float g = score[k] * x + decay * w[k];
            s[k] += g * g;
            w[k] -= rate * g / sqrtf(1e-4F + s[k]);
        }
    }
}

static void add_to_total(struct descent *d)
{
    for (unsigned r = 0; r < rows; r++) {
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            d->total[r][k] += d->weight[r][k];
        }
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        d->bias_total[k] += d->bias[k];
    }
}

/* The step between two byte values such that one weight in a thousand is cut. */
static float choose_scale(struct descent *d)
{
    enum { bins = 1024 };
    unsigned count[bins] = {0}, used = 0, cut = 0;
    float max = 1e-6F;
    for (unsigned r = 0; r < rows; r++) {
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            max = fabsf(d->total[r][k]) > max ? fabsf(d->total[r][k]) : max;
        }
    }
    for (unsigned r = 0; r < rows; r++) {
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            float w = fabsf(d->total[r][k]);
            if (w > 0) {
                used++;
                count[(unsigned)(w / max * (bins - 1))]++;
            }
        }
    }
    unsigned bin = bins;
    while (bin > 1 && (cut + count[bin - 1]) * 2000 <= used) {
        cut += count[--bin];
    }
    return max * (float)bin / bins / 127.0F;
}

static void write_model(struct descent *d, unsigned averaged, struct fl_buf *ret_model)
{
    float scale = choose_scale(d);
    struct fl_model_head head = {.kind = FL_CLASSIFIER_TFIDF_LINEAR,
                                 .bits = FL_MODEL_BITS,
                                 .scale = (double)(scale / (float)averaged),
                                 .sharpness = 1};
    for (unsigned r = 0; r < rows; r++) {
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            float w = d->total[r][k] / scale;
            w = w > 127 ? 127 : w < -127 ? -127 : w;
            d->rounded[r][k] = (int8_t)(w < 0 ? w - 0.5F : w + 0.5F);
        }
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        head.bias[k] = (double)(d->bias_total[k] / (float)averaged);
    }
    fl_model_put(&head, fl_slice((const char *)d->rounded, sizeof(d->rounded)), ret_model);
}

static void train(const struct fl_train_set *set, const struct fl_train_options *options,
                  uint32_t *chosen, size_t count, void *memory_of, struct fl_buf *ret_model)
{
    struct descent *d = memory_of;
    struct fl_rng rng;
    unsigned epochs = options->epochs ? options->epochs : default_epochs, averaged = 0;
    memset(d, 0, sizeof(*d));
    fl_rng_seed(&rng, options->seed);
    for (unsigned epoch = 0; epoch < epochs; epoch++) {
        fl_train_shuffle(&rng, chosen, count);
        for (size_t i = 0; i < count; i++) {
            const struct fl_example *e = &set->examples[chosen[i]];
            step(d, set->items + e->first, e);
        }
        if (2 * epoch + 1 >= epochs) {
            add_to_total(d);
            averaged++;
        }
    }
    write_model(d, averaged, ret_model);
}

const struct fl_trainer fl_linear_trainer = {memory, train};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trainers of kmeans (spherical: Dhillon and Modha 2001) and knn, over dense vectors of bytes.
 * kmeans starts from examples drawn at random and moves each centroid to the mean direction of what
 * is nearest to it; knn keeps a random sample that has every class in its share.
 */
#include "base/assert.h"
#include "route/learn/trainers.h"

#include <math.h>

enum {
    rows = 1 << FL_MODEL_BITS,
    centroids_default = 256,
    prototypes_default = 2048,
    kmeans_rounds = 8
};

/* What is written to the file, in its order, then what only the training needs. */
struct tables {
    uint8_t *idf;     /* rows */
    int8_t *vectors;  /* count * dimensions */
    uint8_t *classes; /* count * stride or count */
    uint32_t *df;     /* rows * FL_TASK_COUNT */
    float *sums;      /* kmeans: count * dimensions */
    uint32_t *tally;  /* kmeans: count * FL_TASK_COUNT */
    int8_t *examples; /* kmeans: one vector an example */
    uint16_t *home;   /* kmeans: the centroid of each example */
};

static unsigned count_of(const struct fl_train_set *set, const struct fl_train_options *options)
{
    bool kmeans = options->kind == FL_CLASSIFIER_KMEANS;
    unsigned max = kmeans ? FL_MODEL_CENTROIDS_MAX : FL_MODEL_PROTOTYPES_MAX;
    unsigned count = options->count ? options->count
                     : kmeans       ? centroids_default
                                    : prototypes_default;
    count = count > max ? max : count;
    return count > set->count ? (unsigned)set->count : count;
}

/* Lays the tables out from *memory*, or only adds up when it is NULL; returns the bytes. */
static size_t lay_out(const struct fl_train_set *set, const struct fl_train_options *options,
                      char *memory, struct tables *t)
{
    size_t n = count_of(set, options), d = FL_MODEL_DIMENSIONS, at = 0;
    bool kmeans = options->kind == FL_CLASSIFIER_KMEANS;
#define PLACE(member, bytes)                                                                       \
    do {                                                                                           \
        t->member = memory ? (void *)(memory + at) : NULL;                                         \
        at += (bytes);                                                                             \
    } while (0)
    PLACE(idf, rows);
    PLACE(vectors, n * d);
    PLACE(classes, kmeans ? n * FL_MODEL_STRIDE : n);
    at = (at + 63) / 64 * 64;
    PLACE(df, (size_t)rows * FL_TASK_COUNT * sizeof(uint32_t));
    PLACE(sums, kmeans ? n * d * sizeof(float) : 0);
    PLACE(tally, kmeans ? n * FL_TASK_COUNT * sizeof(uint32_t) : 0);
    PLACE(home, kmeans ? (set->count * sizeof(uint16_t) + 63) / 64 * 64 : 0);
    PLACE(examples, kmeans ? set->count * d : 0);
#undef PLACE
    return at;
}

static size_t memory(const struct fl_train_set *set, const struct fl_train_options *options)
{
    struct tables t;
    return lay_out(set, options, NULL, &t);
}

/* How far the classes of the examples that have a row are from those of all, in nats: the
 * Kullback-Leibler divergence of smoothed shares. */
static double told_by(const uint32_t *of_class, const double *prior)
{
    double all = 1, sum = 0;
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        all += of_class[k];
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        double share = (of_class[k] + prior[k]) / all;
        sum += share * log(share / prior[k]);
    }
    return sum;
}

void fl_train_idf(const struct fl_train_set *set, const uint32_t *chosen, size_t count,
                  uint32_t *df, uint8_t *ret_idf)
{
    double prior[FL_TASK_COUNT] = {0};
    memset(df, 0, (size_t)rows * FL_TASK_COUNT * sizeof(*df));
    for (size_t i = 0; i < count; i++) {
        const struct fl_example *e = &set->examples[chosen[i]];
        prior[e->label] += 1;
        for (unsigned k = 0; k < e->count; k++) {
            df[(size_t)set->items[e->first + k].row * FL_TASK_COUNT + e->label]++;
        }
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        prior[k] = (prior[k] + 1) / ((double)count + FL_TASK_COUNT);
    }
    for (unsigned r = 0; r < rows; r++) {
        const uint32_t *of_class = df + (size_t)r * FL_TASK_COUNT;
        double sum = 0;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            sum += of_class[k];
        }
        double idf = sum < 2 ? 0 : log((1.0 + (double)count) / (1.0 + sum)); /* seen once: noise */
        double weight = 16 * idf * told_by(of_class, prior);
        ret_idf[r] = (uint8_t)lround(weight > 255 ? 255 : weight);
    }
}

void fl_train_dense(const struct fl_train_set *set, uint32_t example, const uint8_t *idf,
                    int8_t ret_vector[FL_MODEL_DIMENSIONS])
{
    const struct fl_example *e = &set->examples[example];
    float vector[FL_MODEL_DIMENSIONS] = {0};
    for (unsigned i = 0; i < e->count; i++) {
        const struct fl_train_item *item = &set->items[e->first + i];
        int sign;
        unsigned d = fl_dense_place(item->row, &sign);
        vector[d] += (float)(sign * item->value * idf[item->row]);
    }
    fl_dense_round(vector, ret_vector);
}

static uint16_t nearest(const struct tables *t, unsigned count, const int8_t *vector)
{
    unsigned best = 0;
    int32_t best_product = INT32_MIN;
    for (unsigned c = 0; c < count; c++) {
        int32_t product = fl_dense_product(vector, t->vectors + (size_t)c * FL_MODEL_DIMENSIONS);
        if (product > best_product) {
            best_product = product;
            best = c;
        }
    }
    return (uint16_t)best;
}

static void move_centroids(struct tables *t, unsigned centroids, size_t examples)
{
    memset(t->sums, 0, (size_t)centroids * FL_MODEL_DIMENSIONS * sizeof(float));
    for (size_t i = 0; i < examples; i++) {
        float *sum = t->sums + (size_t)t->home[i] * FL_MODEL_DIMENSIONS;
        for (unsigned d = 0; d < FL_MODEL_DIMENSIONS; d++) {
            sum[d] += t->examples[i * FL_MODEL_DIMENSIONS + d];
        }
    }
    for (unsigned c = 0; c < centroids; c++) {
        fl_dense_round(t->sums + (size_t)c * FL_MODEL_DIMENSIONS,
                       t->vectors + (size_t)c * FL_MODEL_DIMENSIONS);
    }
}

/* The share of each class among a centroid's examples, smoothed by one of each, in 1/255. */
static void put_distributions(struct tables *t, unsigned centroids)
{
    memset(t->classes, 0, (size_t)centroids * FL_MODEL_STRIDE);
    for (unsigned c = 0; c < centroids; c++) {
        const uint32_t *tally = t->tally + (size_t)c * FL_TASK_COUNT;
        uint64_t all = FL_TASK_COUNT;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            all += tally[k];
        }
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            t->classes[(size_t)c * FL_MODEL_STRIDE + k] =
                (uint8_t)((tally[k] + 1) * UINT64_C(255) / all);
        }
    }
}

static void put_file(enum fl_classifier_kind kind, unsigned count, double scale,
                     const struct tables *t, struct fl_buf *ret_model)
{
    struct fl_model_head head = {
        .kind = kind, .bits = FL_MODEL_BITS, .count = count, .scale = scale, .sharpness = 1};
    size_t per_class = kind == FL_CLASSIFIER_KMEANS ? FL_MODEL_STRIDE : 1;
    size_t bytes = rows + (size_t)count * (FL_MODEL_DIMENSIONS + per_class);
    fl_model_put(&head, fl_slice((const char *)t->idf, bytes), ret_model);
}

static void train_kmeans(const struct fl_train_set *set, const struct fl_train_options *options,
                         uint32_t *chosen, size_t count, void *memory_of, struct fl_buf *ret_model)
{
    struct tables t;
    struct fl_rng rng;
    (void)lay_out(set, options, memory_of, &t);
    unsigned centroids = count_of(set, options);
    centroids = centroids > count ? (unsigned)count : centroids;
    /* the tables of the file are adjacent for the full count only: place the classes anew */
    t.classes = t.idf + rows + (size_t)centroids * FL_MODEL_DIMENSIONS;
    fl_rng_seed(&rng, options->seed);
    fl_train_shuffle(&rng, chosen, count);
    fl_train_idf(set, chosen, count, t.df, t.idf);
    for (size_t i = 0; i < count; i++) {
        fl_train_dense(set, chosen[i], t.idf, t.examples + i * FL_MODEL_DIMENSIONS);
    }
    memcpy(t.vectors, t.examples, (size_t)centroids * FL_MODEL_DIMENSIONS);
    for (unsigned round = 0; round < kmeans_rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            t.home[i] = nearest(&t, centroids, t.examples + i * FL_MODEL_DIMENSIONS);
        }
        if (round + 1 < kmeans_rounds) {
            move_centroids(&t, centroids, count);
        }
    }
    memset(t.tally, 0, (size_t)centroids * FL_TASK_COUNT * sizeof(*t.tally));
    for (size_t i = 0; i < count; i++) {
        t.tally[(size_t)t.home[i] * FL_TASK_COUNT + set->examples[chosen[i]].label]++;
    }
    put_distributions(&t, centroids);
    put_file(FL_CLASSIFIER_KMEANS, centroids, 24, &t, ret_model);
}

static void train_knn(const struct fl_train_set *set, const struct fl_train_options *options,
                      uint32_t *chosen, size_t count, void *memory_of, struct fl_buf *ret_model)
{
    struct tables t;
    struct fl_rng rng;
    (void)lay_out(set, options, memory_of, &t);
    unsigned prototypes = count_of(set, options);
    prototypes = prototypes > count ? (unsigned)count : prototypes;
    t.classes = t.idf + rows + (size_t)prototypes * FL_MODEL_DIMENSIONS;
    fl_rng_seed(&rng, options->seed);
    fl_train_idf(set, chosen, count, t.df, t.idf);
    fl_train_shuffle(&rng, chosen, count);
    for (unsigned i = 0; i < prototypes; i++) {
        fl_train_dense(set, chosen[i], t.idf, t.vectors + (size_t)i * FL_MODEL_DIMENSIONS);
        t.classes[i] = set->examples[chosen[i]].label;
    }
    put_file(FL_CLASSIFIER_KNN, prototypes, 12, &t, ret_model);
}

const struct fl_trainer fl_kmeans_trainer = {memory, train_kmeans};
const struct fl_trainer fl_knn_trainer = {memory, train_knn};

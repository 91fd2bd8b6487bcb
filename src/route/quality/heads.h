/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good each model's answer to this request will be: Q_m(x) = sigma(w_m . phi(x) + b_m), one
 * linear head a model over the hashed features of route/learn (ROUTING.md 4.5). w_m = common +
 * own_m: what makes a question hard for all models is learned from every answer, whoever gave it,
 * and only what sets a model apart from its own. phi is the set of features, each counted once,
 * scaled to length 1; b_m is the logit of what the model earns on average in this class and for
 * this tenant (bias.h).
 *
 * All heads share a row of the table (weights[row][head], the common one last), so that one walk
 * over the features, one cache line a feature, scores all models. A weight is an integer in
 * 1/FL_HEAD_ONE: the same features give the same score on every build.
 *
 * Learning from the chosen model only: fl_heads_learn(), FTRL-proximal with L2 (McMahan et al.
 * 2013) on logistic loss, in which the reward counts 1/propensity times (at most
 * FL_HEAD_IMPORTANCE_MAX): requests that a policy rarely sends to a model stand for the many that
 * it did not send. Memory is the caller's and never grows. One thread learns; others may read
 * weights meanwhile: a torn read is impossible, a mixed one harmless.
 */
#ifndef FL_ROUTE_QUALITY_HEADS_H
#define FL_ROUTE_QUALITY_HEADS_H

#include "base/rng.h"
#include "route/learn/features.h"
#include "route/quality/bias.h"

enum {
    FL_HEADS_MAX = 15,
    FL_HEAD_LANES = 8, /* heads of a row, the common one included, are padded to a multiple of it */
    FL_HEAD_BITS_MIN = 8,      /* rows of the table: 2^8 */
    FL_HEAD_BITS_MAX = 18,     /* to 2^18 */
    FL_HEAD_ONE = 2048,        /* the weight 1.0; the largest is 16 */
    FL_HEAD_IMPORTANCE_MAX = 4 /* a reward never counts more often: what rare trials say would
                                  drown in its own noise */
};

struct fl_heads_shape {
    unsigned head_count;   /* models, 1..FL_HEADS_MAX */
    unsigned row_bits;     /* FL_HEAD_BITS_MIN..FL_HEAD_BITS_MAX */
    unsigned tenant_slots; /* power of two >= FL_BIAS_PROBES, or 0 */
    bool learns;           /* has the learner's tables: 8 bytes a weight more */
};

/* FTRL's constants. A larger alpha follows faster and forgets sooner; a larger l2 needs more
 * evidence before words count: l2 for what is common to all models, l2_own for what sets one apart.
 */
struct fl_heads_rates {
    double alpha, beta, l2, l2_own;
};
#define FL_HEADS_RATES ((struct fl_heads_rates){2.0, 1.0, 2.0, 30.0})

struct fl_heads {
    struct fl_heads_shape shape;
    struct fl_heads_rates rates;
    unsigned stride;  /* heads of a row, padding included */
    int16_t *weights; /* [row][stride], in 1/FL_HEAD_ONE */
    float *gradients; /* FTRL's z, [row][stride]; NULL: does not learn */
    float *squares;   /* FTRL's n */
    struct fl_bias bias;
};

/* What one request is to the heads. */
struct fl_heads_case {
    const struct fl_features *features;
    unsigned task_class; /* < FL_BIAS_CLASSES, 0 = unknown */
    uint64_t tenant;     /* hash of the tenant's name, 0 = none */
};

bool fl_heads_shape_ok(struct fl_heads_shape shape);
size_t fl_heads_bytes(struct fl_heads_shape shape);
/* *memory*: 64-byte aligned, of fl_heads_bytes(), kept until the heads are no longer used. All
 * weights are zero and every model is as good as *prior* (0..1, exclusive). */
void fl_heads_init(struct fl_heads *h, struct fl_heads_shape shape, double prior, void *memory);

/* w_m . phi(x) of every head, in units of log-odds. No allocation, no libm but sqrt. */
void fl_heads_margins(const struct fl_heads *h, const struct fl_features *features,
                      double ret_margins[FL_HEADS_MAX]);
/* Q_m(x) of every head, each strictly within 0..1. */
void fl_heads_score(const struct fl_heads *h, const struct fl_heads_case *x,
                    double ret_quality[FL_HEADS_MAX]);

/* The answer of model *head* to *x* was worth *reward* (0..1; confidence 0..1 how far to believe
 * it); the policy had chosen it with probability *propensity* (0..1]. */
void fl_heads_learn(struct fl_heads *h, const struct fl_heads_case *x, unsigned head, double reward,
                    double confidence, double propensity);
/* The same from features that were kept as rows of this table (memory.h). *scale*: 1 / length of
 * the vector they come from. */
void fl_heads_learn_rows(struct fl_heads *h, const uint32_t *rows, unsigned count, double scale,
                         const struct fl_heads_case *x, unsigned head, double reward,
                         double importance);
/* Sets a weight as the outcome of training, for learning to go on from there; *head* may be
 * head_count: what is common to all. */
void fl_heads_set(struct fl_heads *h, uint32_t row, unsigned head, double weight);

/* Which of *count* arms to try: *best* with probability 1 - epsilon, else any other.
 * *ret_propensity* gets the probability of what was chosen. */
unsigned fl_explore(struct fl_rng *rng, unsigned count, unsigned best, double epsilon,
                    double *ret_propensity);
#define FL_EXPLORE_EPSILON 0.02

/* 1 / length of the vector of *count* features, each counted once. */
double fl_heads_scale(unsigned count);
double fl_sigmoid(double x);
double fl_logit(double p);

#endif

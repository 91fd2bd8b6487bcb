/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is one block: weights, then (for a learner) FTRL's two sums, then the tree of means.
 * FTRL keeps the sums of the gradients and of their squares and derives the weight from them; the
 * weight is stored rounded, and it is the rounded one that the next gradient is taken at: what is
 * learned from is what decided.
 */
#include "route/quality/heads.h"

#include "base/assert.h"

#include <math.h>

enum { weight_max = 16 * FL_HEAD_ONE - 1 };

double fl_sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

double fl_logit(double p)
{
    return log(p / (1 - p));
}

double fl_heads_scale(unsigned count)
{
    return count ? 1.0 / sqrt((double)count) : 0.0;
}

bool fl_heads_shape_ok(struct fl_heads_shape s)
{
    return s.head_count >= 1 && s.head_count <= FL_HEADS_MAX && s.row_bits >= FL_HEAD_BITS_MIN &&
           s.row_bits <= FL_HEAD_BITS_MAX && (s.tenant_slots & (s.tenant_slots - 1)) == 0 &&
           (s.tenant_slots == 0 || s.tenant_slots >= FL_BIAS_PROBES) && s.tenant_slots <= 1u << 20;
}

static unsigned stride_of(struct fl_heads_shape s)
{
    return (s.head_count + 1 + FL_HEAD_LANES - 1) / FL_HEAD_LANES * FL_HEAD_LANES;
}

static size_t cells_of(struct fl_heads_shape s)
{
    return (size_t)stride_of(s) << s.row_bits;
}

size_t fl_heads_bytes(struct fl_heads_shape s)
{
    fl_assert(fl_heads_shape_ok(s));
    size_t cell = sizeof(int16_t) + (s.learns ? 2 * sizeof(float) : 0);
    return cells_of(s) * cell + fl_bias_bytes(s.head_count, s.tenant_slots);
}

void fl_heads_init(struct fl_heads *h, struct fl_heads_shape s, double prior, void *memory)
{
    size_t cells = cells_of(s);
    fl_assert(fl_heads_shape_ok(s) && ((uintptr_t)memory & 63) == 0);
    *h = (struct fl_heads){.shape = s, .rates = FL_HEADS_RATES, .stride = stride_of(s)};
    h->weights = memory;
    memset(h->weights, 0, cells * sizeof(int16_t));
    char *rest = (char *)(h->weights + cells);
    if (s.learns) {
        h->gradients = (float *)(void *)rest;
        h->squares = h->gradients + cells;
        for (size_t i = 0; i < 2 * cells; i++) {
            h->gradients[i] = 0;
        }
        rest = (char *)(h->squares + cells);
    }
    fl_bias_init(&h->bias, s.head_count, s.tenant_slots, prior, rest);
}

/* Sums a block of FL_HEAD_LANES heads: fixed lanes, so that a compiler makes them one vector. */
static void sum_lanes(const int16_t *weights, unsigned stride, unsigned bits,
                      const struct fl_features *features, int32_t ret_sums[FL_HEAD_LANES])
{
    int32_t sums[FL_HEAD_LANES] = {0};
    for (unsigned i = 0; i < features->count; i++) {
        const int16_t *w =
            weights + (size_t)fl_feature_row(features->items[i].index, bits) * stride;
        for (unsigned k = 0; k < FL_HEAD_LANES; k++) {
            sums[k] += w[k];
        }
    }
    memcpy(ret_sums, sums, sizeof(sums));
}

void fl_heads_margins(const struct fl_heads *h, const struct fl_features *features,
                      double ret_margins[FL_HEADS_MAX])
{
    double scale = fl_heads_scale(features->count) / FL_HEAD_ONE;
    int32_t sums[FL_HEADS_MAX + 1];
    for (unsigned from = 0; from < h->stride; from += FL_HEAD_LANES) {
        sum_lanes(h->weights + from, h->stride, h->shape.row_bits, features, sums + from);
    }
    for (unsigned i = 0; i < h->shape.head_count; i++) {
        ret_margins[i] = (sums[i] + sums[h->shape.head_count]) * scale;
    }
}

void fl_heads_score(const struct fl_heads *h, const struct fl_heads_case *x,
                    double ret_quality[FL_HEADS_MAX])
{
    double margins[FL_HEADS_MAX];
    fl_heads_margins(h, x->features, margins);
    for (unsigned i = 0; i < h->shape.head_count; i++) {
        double mean = fl_bias_mean(&h->bias, i, x->task_class, x->tenant);
        ret_quality[i] = fl_sigmoid(fl_logit(mean) + margins[i]);
    }
}

static int16_t rounded(double weight)
{
    double units = weight * FL_HEAD_ONE;
    units = units > weight_max ? weight_max : units < -weight_max ? -weight_max : units;
    return (int16_t)(units >= 0 ? units + 0.5 : units - 0.5);
}

static double curvature(const struct fl_heads_rates *r, double square_root, double l2)
{
    return (r->beta + square_root) / r->alpha + l2;
}

void fl_heads_set(struct fl_heads *h, uint32_t row, unsigned head, double weight)
{
    fl_assert(row < 1u << h->shape.row_bits && head <= h->shape.head_count);
    double l2 = head == h->shape.head_count ? h->rates.l2 : h->rates.l2_own;
    size_t at = (size_t)row * h->stride + head;
    h->weights[at] = rounded(weight);
    if (h->gradients) {
        h->gradients[at] = (float)(-weight * curvature(&h->rates, 0, l2));
        h->squares[at] = 0;
    }
}

static void step(struct fl_heads *h, size_t at, double gradient, double l2)
{
    double n = (double)h->squares[at], next = n + gradient * gradient, root = sqrt(next);
    double weight = h->weights[at] * (1.0 / FL_HEAD_ONE);
    double z = (double)h->gradients[at] + gradient - (root - sqrt(n)) / h->rates.alpha * weight;
    h->gradients[at] = (float)z;
    h->squares[at] = (float)next;
    h->weights[at] = rounded(-z / curvature(&h->rates, root, l2));
}

void fl_heads_learn_rows(struct fl_heads *h, const uint32_t *rows, unsigned count, double scale,
                         const struct fl_heads_case *x, unsigned head, double reward,
                         double importance)
{
    fl_assert(h->gradients && head < h->shape.head_count);
    fl_assert(reward >= 0 && reward <= 1 && importance >= 0 &&
              importance <= FL_HEAD_IMPORTANCE_MAX);
    int64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        const int16_t *row = h->weights + (size_t)rows[i] * h->stride;
        sum += row[head] + row[h->shape.head_count];
    }
    double mean = fl_bias_mean(&h->bias, head, x->task_class, x->tenant);
    double q = fl_sigmoid(fl_logit(mean) + (double)sum * scale / FL_HEAD_ONE);
    double gradient = importance * (q - reward) * scale;
    for (unsigned i = 0; i < count; i++) {
        size_t row = (size_t)rows[i] * h->stride;
        step(h, row + head, gradient, h->rates.l2_own);
        step(h, row + h->shape.head_count, gradient, h->rates.l2);
    }
    fl_bias_observe(&h->bias, head, x->task_class, x->tenant, reward, importance);
}

void fl_heads_learn(struct fl_heads *h, const struct fl_heads_case *x, unsigned head, double reward,
                    double confidence, double propensity)
{
    uint32_t rows[FL_FEATURES_MAX];
    fl_assert(propensity > 0 && propensity <= 1 && confidence >= 0 && confidence <= 1);
    for (unsigned i = 0; i < x->features->count; i++) {
        rows[i] = fl_feature_row(x->features->items[i].index, h->shape.row_bits);
    }
    double importance = 1 / propensity;
    importance = importance > FL_HEAD_IMPORTANCE_MAX ? FL_HEAD_IMPORTANCE_MAX : importance;
    fl_heads_learn_rows(h, rows, x->features->count, fl_heads_scale(x->features->count), x, head,
                        reward, importance * confidence);
}

unsigned fl_explore(struct fl_rng *rng, unsigned count, unsigned best, double epsilon,
                    double *ret_propensity)
{
    fl_assert(best < count && epsilon >= 0 && epsilon < 1);
    unsigned chosen = best;
    if (count > 1 && fl_rng_unit(rng) < epsilon) {
        chosen = (unsigned)fl_rng_below(rng, count - 1);
        chosen += chosen >= best;
    }
    *ret_propensity = count == 1 ? 1 : chosen == best ? 1 - epsilon : epsilon / (count - 1);
    return chosen;
}

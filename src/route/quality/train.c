/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fit() is the solver: over the rows outside one fold, or all. Its state are the duals and the
 * weights they imply. run() = fit on all but each fold, score the fold; blend; fit on all.
 */
#include "route/quality/train.h"

#include "base/assert.h"

#include <math.h>

enum { no_fold = 255, newton_steps = 4 };

static unsigned stride_of(unsigned head_count)
{
    return (head_count + FL_HEAD_LANES - 1) / FL_HEAD_LANES * FL_HEAD_LANES;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

size_t fl_trainer_bytes(struct fl_trainer_limits l)
{
    size_t cells = (size_t)stride_of(l.head_count) << l.row_bits;
    size_t scores = aligned((size_t)l.rows_max * l.head_count * sizeof(float));
    return aligned(l.rows_max * sizeof(struct fl_trainer_row)) +
           aligned(l.items_max * sizeof(uint32_t)) + aligned(l.rows_max * sizeof(uint32_t)) +
           3 * scores + aligned(cells * sizeof(float));
}

static void *carve(char **at, size_t bytes)
{
    void *memory = *at;
    *at += aligned(bytes);
    return memory;
}

void fl_trainer_init(struct fl_trainer *t, struct fl_trainer_limits l, void *memory)
{
    fl_assert(l.rows_max < 1u << 24 && l.items_max < UINT64_C(1) << 32);
    fl_assert(l.head_count >= 1 && l.head_count <= FL_HEADS_MAX);
    fl_assert(l.row_bits >= FL_HEAD_BITS_MIN && l.row_bits <= FL_HEAD_BITS_MAX);
    fl_assert(((uintptr_t)memory & 63) == 0);
    char *at = memory;
    size_t scores = (size_t)l.rows_max * l.head_count * sizeof(float);
    *t = (struct fl_trainer){.limits = l, .stride = stride_of(l.head_count)};
    t->rows = carve(&at, l.rows_max * sizeof(struct fl_trainer_row));
    t->items = carve(&at, l.items_max * sizeof(uint32_t));
    t->order = carve(&at, l.rows_max * sizeof(uint32_t));
    t->scores = carve(&at, scores);
    t->duals = carve(&at, scores);
    t->heldout = carve(&at, scores);
    t->weights = carve(&at, ((size_t)t->stride << l.row_bits) * sizeof(float));
}

enum fl_err fl_trainer_add(struct fl_trainer *t, const struct fl_features *f, unsigned task_class,
                           unsigned group, const double *scores)
{
    unsigned heads = t->limits.head_count;
    fl_assert(task_class < FL_BIAS_CLASSES);
    if (t->row_count == t->limits.rows_max || group > FL_TRAINER_GROUPS_MAX ||
        t->item_count + f->count > t->limits.items_max) {
        return FL_ERR_TOO_BIG;
    }
    for (unsigned h = 0; h < heads; h++) {
        if (!(scores[h] <= 1)) {
            return FL_ERR_INVALID;
        }
        t->scores[(size_t)t->row_count * heads + h] = (float)scores[h];
    }
    t->rows[t->row_count++] = (struct fl_trainer_row){(uint32_t)t->item_count,
                                                      (uint16_t)f->count,
                                                      (uint8_t)task_class,
                                                      f->surface[FL_SURFACE_LENGTH],
                                                      (uint16_t)group,
                                                      0,
                                                      1};
    for (unsigned i = 0; i < f->count; i++) {
        t->items[t->item_count++] = fl_feature_row(f->items[i].index, t->limits.row_bits);
    }
    t->group_count = group > t->group_count ? group : t->group_count;
    return FL_OK;
}

/* --- The solver --- */

/* The new dual of a row with *importance* and *reward*: the zero of the dual's derivative, which
 * grows with it. *margin*: at the dual *old*. */
static double solve(double reward, double importance, double margin, double old, double l2)
{
    double a = old, low = importance * (reward - 1), high = importance * reward;
    for (int i = 0; i < newton_steps; i++) {
        double q = fl_sigmoid(margin + (a - old) / l2);
        double value = a / importance - reward + q;
        a -= value / (1 / importance + q * (1 - q) / l2);
        a = a < low ? low : a > high ? high : a;
    }
    return a;
}

static void margins_of(const struct fl_trainer *t, const struct fl_trainer_row *row, double scale,
                       double ret[FL_HEADS_MAX])
{
    float sums[FL_HEADS_MAX] = {0};
    for (unsigned i = 0; i < row->count; i++) {
        const float *w = t->weights + (size_t)t->items[row->first + i] * t->stride;
        for (unsigned h = 0; h < t->stride; h++) {
            sums[h] += w[h];
        }
    }
    for (unsigned h = 0; h < t->limits.head_count; h++) {
        ret[h] = (double)sums[h] * scale;
    }
}

static void step_row(struct fl_trainer *t, unsigned r, const struct fl_bias *bias, double l2)
{
    const struct fl_trainer_row *row = &t->rows[r];
    unsigned heads = t->limits.head_count;
    double scale = fl_heads_scale(row->count), margins[FL_HEADS_MAX];
    float delta[FL_HEADS_MAX] = {0};
    margins_of(t, row, scale, margins);
    for (unsigned h = 0; h < heads; h++) {
        size_t at = (size_t)r * heads + h;
        if (t->scores[at] >= 0) {
            double offset = fl_logit(fl_bias_mean(bias, h, row->task_class, 0));
            double old = (double)t->duals[at];
            double dual =
                solve((double)t->scores[at], (double)row->importance, offset + margins[h], old, l2);
            t->duals[at] = (float)dual;
            delta[h] = (float)(((double)t->duals[at] - old) * scale / l2);
        }
    }
    for (unsigned i = 0; i < row->count; i++) {
        float *w = t->weights + (size_t)t->items[row->first + i] * t->stride;
        for (unsigned h = 0; h < t->stride; h++) {
            w[h] += delta[h];
        }
    }
}

static void shuffle(uint32_t *items, unsigned count, struct fl_rng *rng)
{
    for (unsigned i = count; i > 1; i--) {
        unsigned j = (unsigned)fl_rng_below(rng, i);
        uint32_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

/* Trains on the rows outside *fold* (no_fold: on all); the means go into *bias*. */
static void fit(struct fl_trainer *t, const struct fl_trainer_options *o, unsigned fold,
                struct fl_bias *bias)
{
    unsigned heads = t->limits.head_count, count = 0;
    struct fl_rng rng;
    fl_rng_seed(&rng, o->seed + fold);
    memset(t->weights, 0, ((size_t)t->stride << t->limits.row_bits) * sizeof(float));
    memset(t->duals, 0, (size_t)t->row_count * heads * sizeof(float));
    for (unsigned r = 0; r < t->row_count; r++) {
        if (t->rows[r].fold == fold) {
            continue;
        }
        t->order[count++] = r;
        for (unsigned h = 0; h < heads; h++) {
            double score = (double)t->scores[(size_t)r * heads + h];
            if (score >= 0) {
                fl_bias_observe(bias, h, t->rows[r].task_class, 0, score,
                                (double)t->rows[r].importance);
            }
        }
    }
    for (unsigned e = 0; e < o->epochs; e++) {
        shuffle(t->order, count, &rng);
        for (unsigned i = 0; i < count; i++) {
            step_row(t, t->order[i], bias, o->l2);
        }
    }
}

/* --- Folds --- */

/* A source counts like the root of its rows: a large one is heard, but not alone. */
static void weigh(struct fl_trainer *t, const uint32_t *sizes)
{
    double sum = 0;
    if (t->group_count == 0) {
        return;
    }
    for (unsigned r = 0; r < t->row_count; r++) {
        double size = t->rows[r].group ? sizes[t->rows[r].group] : 1;
        t->rows[r].importance = (float)(1 / sqrt(size));
        sum += (double)t->rows[r].importance;
    }
    for (unsigned r = 0; r < t->row_count; r++) {
        double importance = (double)t->rows[r].importance * t->row_count / sum;
        t->rows[r].importance = (float)(importance > 20 ? 20 : importance);
    }
}

/* Whole sources go into one fold; rows without one are dealt out singly. Returns how much
 * the pair's prior weighs against the data. */
static double deal(struct fl_trainer *t, const struct fl_trainer_options *o)
{
    uint32_t places[FL_TRAINER_GROUPS_MAX + 1], sizes[FL_TRAINER_GROUPS_MAX + 1] = {0};
    struct fl_rng rng;
    unsigned singles = 0;
    fl_rng_seed(&rng, o->seed);
    for (unsigned g = 0; g < t->group_count; g++) {
        places[g] = g;
    }
    shuffle(places, t->group_count, &rng);
    for (unsigned r = 0; r < t->row_count; r++) {
        struct fl_trainer_row *row = &t->rows[r];
        sizes[row->group]++;
        singles += row->group == 0;
        row->fold = (uint8_t)(row->group ? places[row->group - 1] % o->folds
                                         : fl_rng_below(&rng, o->folds));
    }
    weigh(t, sizes);
    return t->group_count ? (double)FL_PAIR_PRIOR_SOURCES / (t->group_count + singles)
                          : (double)FL_PAIR_PRIOR_ROWS / singles;
}

static void hold_out(struct fl_trainer *t, const struct fl_trainer_options *o,
                     const struct fl_heads *heads)
{
    struct fl_bias_node nodes[FL_HEADS_MAX * (1 + FL_BIAS_CLASSES)];
    fl_assert(fl_bias_bytes(t->limits.head_count, 0) <= sizeof(nodes));
    for (unsigned fold = 0; fold < o->folds; fold++) {
        struct fl_bias bias;
        fl_bias_init(&bias, heads->shape.head_count, 0, 0.5, nodes);
        fit(t, o, fold, &bias);
        for (unsigned r = 0; r < t->row_count; r++) {
            const struct fl_trainer_row *row = &t->rows[r];
            double margins[FL_HEADS_MAX];
            if (row->fold != fold) {
                continue;
            }
            margins_of(t, row, fl_heads_scale(row->count), margins);
            for (unsigned h = 0; h < t->limits.head_count; h++) {
                double offset = fl_logit(fl_bias_mean(&bias, h, row->task_class, 0));
                t->heldout[(size_t)r * t->limits.head_count + h] =
                    (float)fl_sigmoid(offset + margins[h]);
            }
        }
    }
}

/* --- The pair --- */

struct moments {
    double count, mean[FL_PAIR_SIGNALS + 1], product[FL_PAIR_SIGNALS + 1][FL_PAIR_SIGNALS + 1];
};

/* Signals and, last, the true gain of a row; false when one of the two models was not asked. */
static bool signals_of(const struct fl_trainer *t, const struct fl_pair *pair, unsigned r,
                       double ret[FL_PAIR_SIGNALS + 1])
{
    const float *scores = t->scores + (size_t)r * t->limits.head_count;
    const float *q = t->heldout + (size_t)r * t->limits.head_count;
    ret[FL_PAIR_LENGTH] = t->rows[r].length;
    ret[FL_PAIR_DIFFICULTY] = 1 - (double)q[pair->weak];
    ret[FL_PAIR_GAIN] = (double)q[pair->strong] - (double)q[pair->weak];
    ret[FL_PAIR_SIGNALS] = (double)scores[pair->strong] - (double)scores[pair->weak];
    return scores[pair->strong] >= 0 && scores[pair->weak] >= 0;
}

static void measure(const struct fl_trainer *t, const struct fl_pair *pair, struct moments *m)
{
    double x[FL_PAIR_SIGNALS + 1];
    *m = (struct moments){0};
    for (unsigned r = 0; r < t->row_count; r++) {
        if (signals_of(t, pair, r, x)) {
            m->count += 1;
            for (unsigned i = 0; i <= FL_PAIR_SIGNALS; i++) {
                m->mean[i] += (x[i] - m->mean[i]) / m->count;
            }
        }
    }
    for (unsigned r = 0; r < t->row_count; r++) {
        bool asked = signals_of(t, pair, r, x);
        for (unsigned i = 0; asked && i <= FL_PAIR_SIGNALS; i++) {
            for (unsigned j = 0; j <= FL_PAIR_SIGNALS; j++) {
                m->product[i][j] += (x[i] - m->mean[i]) * (x[j] - m->mean[j]) / m->count;
            }
        }
    }
}

/* Ridge towards the prior with weights >= 0, by coordinate descent on standardised signals. */
static void blend(const struct moments *m, double prior_share, struct fl_pair *pair)
{
    for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
        double spread = sqrt(m->product[i][i]);
        if (i != FL_PAIR_LENGTH) { /* whose scale is fixed: it needs no training */
            pair->centre[i] = m->mean[i];
            pair->spread[i] = spread > 1e-6 ? spread : 1;
        }
        pair->weight[i] = FL_PAIR_PRIOR[i];
    }
    for (int round = 0; round < 500; round++) {
        for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
            double own = m->product[i][i] / (pair->spread[i] * pair->spread[i]);
            double pull = m->product[i][FL_PAIR_SIGNALS] / pair->spread[i];
            for (unsigned j = 0; j < FL_PAIR_SIGNALS; j++) {
                double common = m->product[i][j] / (pair->spread[i] * pair->spread[j]);
                pull -= j == i ? 0 : common * pair->weight[j];
            }
            double w = (pull + prior_share * FL_PAIR_PRIOR[i]) / (own + prior_share);
            pair->weight[i] = w > 0 ? w : 0;
        }
    }
    pair->mean_gain = m->mean[FL_PAIR_SIGNALS];
}

static void choose_pair(const struct fl_trainer_options *o, const struct fl_heads *heads,
                        struct fl_pair *pair)
{
    unsigned best = 0, worst = 0;
    for (unsigned h = 1; h < heads->shape.head_count; h++) {
        double mean = fl_bias_mean(&heads->bias, h, 0, 0);
        best = mean > fl_bias_mean(&heads->bias, best, 0, 0) ? h : best;
        worst = mean <= fl_bias_mean(&heads->bias, worst, 0, 0) ? h : worst;
    }
    unsigned strong = o->strong < 0 ? best : (unsigned)o->strong;
    unsigned weak = o->weak < 0 ? worst : (unsigned)o->weak;
    if (strong == weak) { /* all alike, or one was named */
        weak = strong == worst ? (strong + 1) % heads->shape.head_count : worst;
    }
    fl_pair_init(pair, strong, weak);
}

static bool every_head_scored(const struct fl_trainer *t)
{
    unsigned heads = t->limits.head_count;
    for (unsigned h = 0; h < heads; h++) {
        unsigned r = 0;
        while (r < t->row_count && t->scores[(size_t)r * heads + h] < 0) {
            r++;
        }
        if (r == t->row_count) {
            return false;
        }
    }
    return t->row_count > 0;
}

enum fl_err fl_trainer_run(struct fl_trainer *t, struct fl_trainer_options o,
                           struct fl_heads *heads, struct fl_pair *ret_pair)
{
    unsigned count = t->limits.head_count;
    fl_assert(heads->shape.head_count == count && heads->shape.row_bits == t->limits.row_bits);
    fl_assert(o.l2 > 0 && o.folds >= 2 && o.folds <= FL_TRAINER_FOLDS_MAX);
    fl_assert(o.strong < (int)count && o.weak < (int)count && (count > 1 || !ret_pair));
    if (!every_head_scored(t)) {
        return FL_ERR_INVALID;
    }
    double prior_share = deal(t, &o);
    if (ret_pair) {
        hold_out(t, &o, heads);
    }
    fit(t, &o, no_fold, &heads->bias);
    for (uint32_t row = 0; row < 1u << t->limits.row_bits; row++) {
        for (unsigned h = 0; h < count; h++) {
            fl_heads_set(heads, row, h, (double)t->weights[(size_t)row * t->stride + h]);
        }
    }
    if (ret_pair) {
        struct moments m;
        choose_pair(&o, heads, ret_pair);
        measure(t, ret_pair, &m);
        if (m.count >= 2) {
            blend(&m, prior_share, ret_pair);
        }
    }
    return FL_OK;
}

bool fl_trainer_heldout(const struct fl_trainer *t, const struct fl_pair *pair, unsigned r,
                        double *ret_gain, double ret_rewards[2])
{
    double signals[FL_PAIR_SIGNALS + 1];
    fl_assert(r < t->row_count);
    if (!signals_of(t, pair, r, signals)) {
        return false;
    }
    *ret_gain = fl_pair_blend(pair, signals);
    ret_rewards[0] = (double)t->scores[(size_t)r * t->limits.head_count + pair->strong];
    ret_rewards[1] = (double)t->scores[(size_t)r * t->limits.head_count + pair->weak];
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Counts in how many prompts of each class a stem occurs: smoothed log-odds, as naive Bayes has
 * them. */
#include "route/learn/trainers.h"

#include <math.h>

/* Rows of a table of stems are few: no workspace but this. */
struct counts {
    double of[1024][FL_TASK_COUNT], all[FL_TASK_COUNT];
    int8_t row[1025][FL_MODEL_STRIDE];
};

static const double scale = 1.0 / 24, alpha = 0.5;

static size_t memory(const struct fl_train_set *set, const struct fl_train_options *options)
{
    (void)set;
    (void)options;
    return sizeof(struct counts);
}

/* log P(stem | class) - log P(stem | other classes), in steps of *scale*. */
static int8_t log_odds(const struct counts *c, unsigned stem, unsigned task)
{
    double here = c->of[stem][task], there = 0, all_here = c->all[task], all_there = 0;
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        there += k == task ? 0 : c->of[stem][k];
        all_there += k == task ? 0 : c->all[k];
    }
    double odds = log((here + alpha) / (all_here + 2 * alpha)) -
                  log((there + alpha) / (all_there + 2 * alpha));
    double steps = odds / scale;
    return (int8_t)(steps > 127 ? 127 : steps < -127 ? -127 : lround(steps));
}

static void train(const struct fl_train_set *set, const struct fl_train_options *options,
                  uint32_t *chosen, size_t count, void *memory_of, struct fl_buf *ret_model)
{
    struct counts *c = memory_of;
    unsigned stems = fl_keyword_count();
    struct fl_model_head head = {
        .kind = FL_CLASSIFIER_KEYWORD, .count = stems, .scale = scale, .sharpness = 1};
    double sum = 0;
    (void)options;
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < count; i++) {
        const struct fl_example *e = &set->examples[chosen[i]];
        c->all[e->label] += (double)e->weight;
        sum += (double)e->weight;
        for (unsigned k = 0; k < e->count; k++) {
            c->of[set->items[e->first + k].row][e->label] += (double)e->weight;
        }
    }
    for (unsigned s = 0; s < stems; s++) {
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            c->row[s][k] = log_odds(c, s, k);
        }
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        head.bias[k] = log((c->all[k] + 1.0) / (sum + FL_TASK_COUNT));
    }
    fl_keyword_mark(c->row[stems]);
    fl_model_put(&head, fl_slice((const char *)c->row, (size_t)(stems + 1) * FL_MODEL_STRIDE),
                 ret_model);
}

const struct fl_trainer fl_keyword_trainer = {memory, train};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offline training of quality heads from rows (features, reward of each model that was asked).
 *
 *   fl_trainer_init(&t, limits, memory)
 *   fl_trainer_add(&t, ...)             for each row
 *   fl_trainer_run(&t, options, heads, &pair)
 *
 * Heads: logistic regression with L2, solved by stochastic dual coordinate ascent (Shalev-Shwartz,
 * Zhang 2013), which has no rate to tune. A row's duals of all heads are stepped together.
 * Pair (pair.h): folds of the rows are held out in turn and scored by heads that did not see them;
 * the gain is then regressed on the three signals, by ridge towards FL_PAIR_PRIOR with weights that
 * are never negative. When rows name their sources (group), whole sources are held out, since
 * tomorrow's traffic is a new source; the prior then counts like FL_PAIR_PRIOR_SOURCES sources, so
 * that a handful of them cannot overrule it: what a few have in common is mostly chance. Rows
 * without a source are taken for a sample of the traffic to come: the prior counts like
 * FL_PAIR_PRIOR_ROWS rows, and it is the data that speak.
 *
 * Deterministic: the same rows in the same order and the same seed give the same bytes on every
 * build. Memory is the caller's; nothing is allocated.
 */
#ifndef FL_ROUTE_QUALITY_TRAIN_H
#define FL_ROUTE_QUALITY_TRAIN_H

#include "base/err.h"
#include "route/quality/heads.h"
#include "route/quality/pair.h"

enum {
    FL_TRAINER_GROUPS_MAX = 4096,
    FL_TRAINER_FOLDS_MAX = 10,
    FL_PAIR_PRIOR_ROWS = 200,
    FL_PAIR_PRIOR_SOURCES = 1000
};

struct fl_trainer_limits {
    unsigned rows_max;   /* < 2^24 */
    size_t items_max;    /* features of all rows, < 2^32 */
    unsigned head_count; /* 1..FL_HEADS_MAX */
    unsigned row_bits;   /* of the heads' table */
};

struct fl_trainer_row {
    uint32_t first; /* into items */
    uint16_t count;
    uint8_t task_class, length; /* length: FL_SURFACE_LENGTH */
    uint16_t group;             /* 0 = none named */
    uint8_t fold;
    float importance;
};

struct fl_trainer {
    struct fl_trainer_limits limits;
    unsigned row_count, group_count, stride;
    size_t item_count;
    struct fl_trainer_row *rows;
    uint32_t *items, *order;
    float *scores;  /* [row][head]; negative: this model was not asked */
    float *duals;   /* [row][head] */
    float *heldout; /* [row][head]: quality by heads that did not see the row */
    float *weights; /* [table row][stride] */
};

struct fl_trainer_options {
    uint64_t seed;
    double l2;        /* of the weights, against the sum of the losses; > 0 */
    unsigned epochs;  /* over all rows */
    unsigned folds;   /* held out in turn for the pair, 2..FL_TRAINER_FOLDS_MAX */
    int strong, weak; /* heads of the pair; negative: the best and the worst on average */
};
#define FL_TRAINER_OPTIONS ((struct fl_trainer_options){1, 2.0, 5, 4, -1, -1})

size_t fl_trainer_bytes(struct fl_trainer_limits limits);
/* *memory*: 64-byte aligned. */
void fl_trainer_init(struct fl_trainer *t, struct fl_trainer_limits limits, void *memory);
/* *scores*: reward 0..1 of each head, negative where the model was not asked. *group*: 1.. for
 * sources as they come, 0 for none. FL_ERR_TOO_BIG: rows or items are full, or group too large;
 * FL_ERR_INVALID: a score above 1. */
enum fl_err fl_trainer_add(struct fl_trainer *t, const struct fl_features *features,
                           unsigned task_class, unsigned group,
                           const double *scores) FL_CHECK_RESULT;
/* Trains. *heads* is initialised with the trainer's head_count and row_bits. *ret_pair* may be
 * NULL; with one head it must be. FL_ERR_INVALID: no rows, or a head without any score. */
enum fl_err fl_trainer_run(struct fl_trainer *t, struct fl_trainer_options options,
                           struct fl_heads *heads, struct fl_pair *ret_pair) FL_CHECK_RESULT;
/* After a run with a pair: the gain of row *r* as heads say that did not see it, and the rewards of
 * the strong and the weak model; false when one of them was not asked. */
bool fl_trainer_heldout(const struct fl_trainer *t, const struct fl_pair *pair, unsigned r,
                        double *ret_gain, double ret_rewards[2]);

#endif

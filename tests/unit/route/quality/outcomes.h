/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes of a strong and a weak model on the same prompts, from the shared data; and folds. */
#ifndef FL_TESTS_ROUTE_OUTCOMES_H
#define FL_TESTS_ROUTE_OUTCOMES_H

#include "route/quality/pair.h"
#include "route/quality/train.h"

enum { OUTCOME_FOLDS = 5 };

struct outcomes {
    unsigned count, group_count;
    struct fl_features *features; /* [count] */
    unsigned *group;              /* 1.. by order of appearance: the data set's name */
    double *strong, *weak;        /* rewards */
    double *length;               /* bytes of the prompt */
    double *scratch, *score;      /* [count], for the tests */
    unsigned char *fold;
    size_t items;
    double mean_gain; /* what was taken off the scores, on average */
};

/* Rows of $FAIRLEAD_DATA/routellm_* (default ../shared/data) whose data set begins with *prefix*.
 * False when the data are absent. */
bool outcomes_load(struct outcomes *o, const char *prefix);
void outcomes_free(struct outcomes *o);
/* Deals out the folds: by row, or whole groups. */
void outcomes_deal(struct outcomes *o, uint64_t seed, bool whole_groups);
/* Heads, with the memory they live in. */
struct trained {
    struct fl_heads heads;
    struct fl_pair pair;
    void *memory, *trainer_memory;
};
void trained_init(struct trained *t, const struct outcomes *o, unsigned row_bits);
void trained_free(struct trained *t);
/* Trains on the rows outside *fold*; *with_groups*: tells the trainer the rows' sources. */
void trained_without(struct trained *t, const struct outcomes *o, unsigned fold, uint64_t seed,
                     bool with_groups);
/* Fills o->score with the gain of each row by heads that did not see it, each fold's own mean gain
 * taken off: it is the order within all rows that is measured. */
void outcomes_cross_validate(struct outcomes *o, struct trained *t, uint64_t seed,
                             bool whole_groups);

#endif

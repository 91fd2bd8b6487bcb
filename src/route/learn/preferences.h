/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which target does well at which kind of task, learned from rewards in [0, 1] (feedback, schema
 * validity, refusals). A cell (class, target) holds a discounted sum and count of its rewards; its
 * estimate is shrunk to what the target earns over all classes, and that to the mean of all
 * targets, so that one reward moves nothing and no evidence means no preference (empirical Bayes by
 * pseudo counts, twice). Old rewards fade: the count never passes 1 / (1 - keep).
 *
 * Memory is the caller's and fixed: fl_preferences_bytes(targets). No locks: one thread writes; a
 * reader on another thread takes a copy.
 */
#ifndef FL_ROUTE_LEARN_PREFERENCES_H
#define FL_ROUTE_LEARN_PREFERENCES_H

#include "route/learn/classifier.h"

struct fl_preference_cell {
    float sum, count; /* discounted: of rewards and of observations */
};

struct fl_preferences {
    unsigned targets;
    float keep;           /* the factor by which a cell's past fades with each reward */
    float class_strength; /* pseudo-observations of the target's own mean behind each cell */
    float pool_strength;  /* pseudo-observations of the pool's mean behind each target */
    struct fl_preference_cell pool;
    struct fl_preference_cell *target; /* of all classes together */
    struct fl_preference_cell *cell;   /* [target * FL_TASK_COUNT + class] */
};

size_t fl_preferences_bytes(unsigned targets);
/* Starts empty in *memory* (aligned for float). keep .995, class_strength 20, pool_strength 20. */
void fl_preferences_init(struct fl_preferences *p, unsigned targets, void *memory);
/* Forgets what is known of *target* (its place is given to another). */
void fl_preferences_forget(struct fl_preferences *p, unsigned target);
/* A reward, cut to [0, 1] (NaN counts as nothing), for *target* on a prompt with these class
 * probabilities: each class learns by its share. */
void fl_preferences_learn(struct fl_preferences *p, unsigned target,
                          const double probability[FL_TASK_COUNT], double reward);
/* The same of a reward that is believed only so far, *weight* in [0, 1]. */
void fl_preferences_learn_part(struct fl_preferences *p, unsigned target,
                               const double probability[FL_TASK_COUNT], double reward,
                               double weight);
/* The expected reward of *target* at *task*, in [0, 1]; .5 when nothing is known of anything. */
double fl_preference_score(const struct fl_preferences *p, enum fl_task task, unsigned target);
/* The same, averaged over class probabilities. */
double fl_preference_expected(const struct fl_preferences *p,
                              const double probability[FL_TASK_COUNT], unsigned target);
/* How many (discounted) rewards stand behind a score. */
double fl_preference_evidence(const struct fl_preferences *p, enum fl_task task, unsigned target);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good predictions are: macro-F1 over classes, calibration, and the sharpness that makes
 * probabilities mean what they say. A prediction is six probabilities and the true class.
 */
#ifndef FL_ROUTE_LEARN_EVALUATE_H
#define FL_ROUTE_LEARN_EVALUATE_H

#include "route/learn/classifier.h"

struct fl_prediction {
    double probability[FL_TASK_COUNT];
    uint8_t truth;  /* enum fl_task */
    uint8_t source; /* the caller's number: what is reported apart */
};

struct fl_score {
    size_t rows;
    size_t correct;
    double f1[FL_TASK_COUNT]; /* 0 where the class is neither true nor predicted */
    unsigned present;         /* bit k: class k is true for some row */
};

/* Which rows, and what counts as a prediction. */
enum fl_scoring {
    FL_SCORE_FIVE,        /* rows whose truth is not `other`; the best of the five classes */
    FL_SCORE_FIVE_OF_SIX, /* rows whose truth is not `other`; the best of six: `other` is a miss */
    FL_SCORE_SIX          /* all rows; the best of six */
};

/* Of the rows with *source*, or of all when it is negative. */
struct fl_score fl_evaluate(const struct fl_prediction *rows, size_t count, int source,
                            enum fl_scoring scoring);
/* The mean F1 over the classes of *mask* (bit k: class k); 0 when there is none. */
double fl_score_macro_f1(const struct fl_score *score, unsigned mask);
enum { FL_TASKS_FIVE = 0x1f, FL_TASKS_SIX = 0x3f };

/* Expected calibration error of the best class: the mean, over fifteen equal bins of its
 * probability, of |share right - mean probability|, weighted by rows (Guo et al. 2017). */
double fl_evaluate_ece(const struct fl_prediction *rows, size_t count);
/* Mean of -log of the true class's probability raised to *sharpness*. */
double fl_evaluate_log_loss(const struct fl_prediction *rows, size_t count, double sharpness);
/* p^sharpness, renormalised, in place; nothing is ever quite impossible. */
void fl_sharpen(double probability[FL_TASK_COUNT], double sharpness);
/* The sharpness in [1/16, 16] that minimises it (golden-section search; the loss is convex). */
double fl_evaluate_sharpness(const struct fl_prediction *rows, size_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strong or weak: how much better the strong model's answer to this request would be, in reward.
 * Three signals, each standardised, are added with weights that are never negative:
 *
 *   length      log of the prompt's length: longer questions gain more from a strong model, on
 * every outcome set known (ROUTING.md 4.2: .583-.597 without any training) difficulty  1 - Q_weak:
 * where the weak model fails there is something to win gain        Q_strong - Q_weak
 *
 * Length and difficulty carry over to sources that were never seen; gain is best where training and
 * traffic are alike. How far to trust which is measured when the heads are trained, on rows that
 * the heads did not see, and pulled to a prior by the number of independent sources (train.h).
 */
#ifndef FL_ROUTE_QUALITY_PAIR_H
#define FL_ROUTE_QUALITY_PAIR_H

#include "route/quality/heads.h"

enum fl_pair_signal { FL_PAIR_LENGTH, FL_PAIR_DIFFICULTY, FL_PAIR_GAIN, FL_PAIR_SIGNALS };

struct fl_pair {
    unsigned strong, weak; /* heads */
    double mean_gain;      /* of the strong model over the weak one, where trained */
    double centre[FL_PAIR_SIGNALS], spread[FL_PAIR_SIGNALS]; /* spread > 0 */
    double weight[FL_PAIR_SIGNALS];                          /* reward per spread, >= 0 */
};

/* Reward per standard deviation that the prior gives length and difficulty. */
#define FL_PAIR_PRIOR ((const double[FL_PAIR_SIGNALS]){0.03, 0.012, 0.0})

/* A pair without training: the length prior, and the heads' difference as they learn it. */
void fl_pair_init(struct fl_pair *pair, unsigned strong, unsigned weak);
/* The three signals of a request whose qualities are *quality*. */
void fl_pair_signals(const struct fl_pair *pair, const struct fl_features *features,
                     const double quality[FL_HEADS_MAX], double ret_signals[FL_PAIR_SIGNALS]);
/* The expected gain whose signals are *signals*. */
double fl_pair_blend(const struct fl_pair *pair, const double signals[FL_PAIR_SIGNALS]);
/* The expected gain in reward of the strong model over the weak one. */
double fl_pair_gain(const struct fl_pair *pair, const struct fl_features *features,
                    const double quality[FL_HEADS_MAX]);

#endif

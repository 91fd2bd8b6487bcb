/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Never worse: a class of requests may be sent to a cheaper model only when it is shown that the
 * cheaper model's answers there are not worse than the default's by more than a tolerance. Until
 * then the class stays with the default, but for the explored share.
 *
 * Each request of the class gives one unbiased sample of Q(cheap) - Q(default): the heads'
 * predicted difference, corrected by the observed reward over its propensity (doubly robust; a
 * model that was not chosen gives no correction). Where both were asked (an offline row, a judge)
 * the sample is the difference itself. The lower bound is the empirical Bernstein one (Maurer,
 * Pontil 2009), which for small variance is far tighter than Hoeffding's, and which holds for any
 * distribution on the range.
 *
 * A bound that is looked at after every sample is no bound. So it is computed when the number of
 * samples has doubled, the k-th time with the share delta / (k (k + 1)) of the error probability:
 * that a class is ever opened wrongly has probability at most delta. An open class closes again
 * when the upper bound of a later look falls below the tolerance, or at once when asked to.
 */
#ifndef FL_ROUTE_QUALITY_GATE_H
#define FL_ROUTE_QUALITY_GATE_H

#include "route/quality/bias.h"

enum { FL_GATE_SAMPLES_MIN = 32 };

struct fl_gate_class {
    uint64_t samples, next_look; /* next_look: number of samples at which the bound is computed */
    unsigned looks;
    double mean, square_sum; /* Welford */
    double reach;            /* samples lie within +-reach */
    double lower, upper;     /* at the last look; -1 and 1 before */
    bool open;
};

struct fl_gate {
    double tolerance;      /* the cheaper model may be worse by so much, >= 0 */
    double delta;          /* probability of ever opening a class wrongly, 0..1 exclusive */
    double importance_max; /* 1 / the least propensity */
    struct fl_gate_class classes[FL_BIAS_CLASSES];
};

#define FL_GATE_TOLERANCE      0.02
#define FL_GATE_DELTA          0.05
#define FL_GATE_PROPENSITY_MIN 0.01

enum fl_gate_arm { FL_GATE_CHEAP, FL_GATE_DEFAULT };

/* *propensity_min* (0..1]: every model is chosen at least with this probability wherever it may be
 * observed (the explored share). The bound needs it: what was never tried must not look certain. At
 * 2 % a class needs some 100,000 requests, at 10 % some 20,000: explore more in a class on trial.
 */
void fl_gate_init(struct fl_gate *g, double tolerance, double delta, double propensity_min);
/* A request of the class was answered by *arm*, chosen with *propensity* (0..1], and its reward is
 * known; a smaller propensity than propensity_min counts as that. *q_cheap*, *q_default*: what the
 * heads predicted. */
void fl_gate_observe(struct fl_gate *g, unsigned task_class, enum fl_gate_arm arm, double reward,
                     double propensity, double q_cheap, double q_default);
/* Both answered the same request. */
void fl_gate_observe_both(struct fl_gate *g, unsigned task_class, double cheap, double dear);
/* May requests of the class be downgraded? */
static inline bool fl_gate_open(const struct fl_gate *g, unsigned task_class)
{
    return g->classes[task_class].open;
}
/* Forgets what is known of a class and closes it: a model behind one of the names has changed. */
void fl_gate_reset(struct fl_gate *g, unsigned task_class);
/* The lower bound of the mean of *samples* samples within +-*reach* with the given mean and
 * variance (unbiased), at error probability *delta*; the upper bound is 2 * mean - lower. */
double fl_gate_lower_bound(double mean, double variance, double reach, uint64_t samples,
                           double delta);

/* --- The flip test: does the decision hang on a prefix or suffix that can be glued to anything? */

/* Decides on *text*; any number that says what was chosen. */
typedef unsigned fl_decide_fn(void *owner, struct fl_slice text);
/* True when *decide* says the same of the text, of the text without its first and without its last
 * *cut* bytes. Where it does not, the tenant's default is the answer. A text shorter than 4 * *cut*
 * is cut by a quarter. Cuts are moved to character boundaries. */
bool fl_flip_test(struct fl_slice text, size_t cut, fl_decide_fn *decide, void *owner,
                  unsigned *ret_decision);

#endif

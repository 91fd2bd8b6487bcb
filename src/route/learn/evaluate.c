/* SPDX-License-Identifier: Apache-2.0 */
#include "route/learn/evaluate.h"

#include <math.h>

static unsigned predicted(const struct fl_prediction *p, enum fl_scoring scoring)
{
    unsigned best = 0, classes = scoring == FL_SCORE_FIVE ? FL_TASK_OTHER : FL_TASK_COUNT;
    for (unsigned k = 1; k < classes; k++) {
        best = p->probability[k] > p->probability[best] ? k : best;
    }
    return best;
}

struct fl_score fl_evaluate(const struct fl_prediction *rows, size_t count, int source,
                            enum fl_scoring scoring)
{
    struct fl_score s = {0};
    size_t both[FL_TASK_COUNT] = {0}, truths[FL_TASK_COUNT] = {0}, said[FL_TASK_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct fl_prediction *p = &rows[i];
        if ((source >= 0 && p->source != source) ||
            (scoring != FL_SCORE_SIX && p->truth == FL_TASK_OTHER)) {
            continue;
        }
        unsigned best = predicted(p, scoring);
        s.rows++;
        s.correct += best == p->truth;
        s.present |= 1U << p->truth;
        both[best] += best == p->truth;
        truths[p->truth]++;
        said[best]++;
    }
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        size_t all = truths[k] + said[k];
        s.f1[k] = all ? 2.0 * (double)both[k] / (double)all : 0;
    }
    return s;
}

double fl_score_macro_f1(const struct fl_score *score, unsigned mask)
{
    double sum = 0;
    unsigned classes = 0;
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        if (mask >> k & 1) {
            sum += score->f1[k];
            classes++;
        }
    }
    return classes ? sum / classes : 0;
}

double fl_evaluate_ece(const struct fl_prediction *rows, size_t count)
{
    enum { bins = 15 };
    double sure[bins] = {0}, right[bins] = {0}, error = 0;
    for (size_t i = 0; i < count; i++) {
        enum fl_task best = fl_task_best(rows[i].probability);
        double p = rows[i].probability[best];
        unsigned bin = p >= 1 ? bins - 1 : (unsigned)(p * bins);
        sure[bin] += p;
        right[bin] += best == rows[i].truth;
    }
    for (unsigned b = 0; b < bins; b++) {
        error += fabs(right[b] - sure[b]);
    }
    return count ? error / (double)count : 0;
}

double fl_evaluate_log_loss(const struct fl_prediction *rows, size_t count, double sharpness)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double all = 0, truth = 0;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            double p = rows[i].probability[k] > 1e-12 ? rows[i].probability[k] : 1e-12;
            double powered = exp(sharpness * log(p));
            all += powered;
            truth = k == rows[i].truth ? sharpness * log(p) : truth;
        }
        sum += log(all) - truth;
    }
    return count ? sum / (double)count : 0;
}

double fl_evaluate_sharpness(const struct fl_prediction *rows, size_t count)
{
    const double ratio = 0.6180339887498949;
    double low = -2.772588722239781, high = 2.772588722239781; /* logarithms of 1/16 and 16 */
    double a = high - ratio * (high - low), b = low + ratio * (high - low);
    double at_a = fl_evaluate_log_loss(rows, count, exp(a));
    double at_b = fl_evaluate_log_loss(rows, count, exp(b));
    for (int i = 0; i < 24; i++) {
        if (at_a <= at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - ratio * (high - low);
            at_a = fl_evaluate_log_loss(rows, count, exp(a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + ratio * (high - low);
            at_b = fl_evaluate_log_loss(rows, count, exp(b));
        }
    }
    return exp((low + high) / 2);
}

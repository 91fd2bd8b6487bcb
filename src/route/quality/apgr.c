/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/apgr.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct point {
    double share, reward;
};

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double quantile(const double *sorted, size_t count, unsigned bin)
{
    double at = (double)(count - 1) * bin / FL_APGR_BINS;
    size_t below = (size_t)floor(at);
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

/* Least share that reaches *reward*, walking up from no strong calls. */
static double share_at(const struct point *points, double reward)
{
    for (unsigned i = FL_APGR_BINS; i > 0; i--) {
        struct point low = points[i], high = points[i - 1];
        if (high.reward >= reward) {
            double rise = high.reward - low.reward;
            return rise > 0 ? low.share + (high.share - low.share) * (reward - low.reward) / rise
                            : low.share;
        }
    }
    return 1;
}

struct fl_apgr fl_apgr_measure(const double *scores, const double *strong, const double *weak,
                               size_t count, double *scratch)
{
    struct fl_apgr r = {0};
    struct point points[FL_APGR_BINS + 1];
    for (size_t i = 0; i < count; i++) {
        r.strong += strong[i] / (double)count;
        r.weak += weak[i] / (double)count;
    }
    if (count < 2 || fabs(r.strong - r.weak) < 1e-12) {
        return r;
    }
    memcpy(scratch, scores, count * sizeof(*scores));
    qsort(scratch, count, sizeof(*scratch), by_value);
    for (unsigned bin = 0; bin <= FL_APGR_BINS; bin++) {
        double threshold = quantile(scratch, count, bin), sum = 0;
        size_t calls = 0;
        for (size_t i = 0; i < count; i++) {
            bool up = bin < FL_APGR_BINS ? scores[i] >= threshold : scores[i] > threshold;
            calls += up;
            sum += up ? strong[i] : weak[i];
        }
        points[bin] = (struct point){(double)calls / (double)count, sum / (double)count};
    }
    double area = 0, width = points[0].share - points[FL_APGR_BINS].share;
    for (unsigned i = 0; i < FL_APGR_BINS; i++) {
        area +=
            (points[i].share - points[i + 1].share) * (points[i].reward + points[i + 1].reward) / 2;
    }
    r.apgr = (area - r.weak * width) / ((r.strong - r.weak) * width);
    r.cpt50 = share_at(points, r.weak + 0.5 * (r.strong - r.weak));
    r.cpt80 = share_at(points, r.weak + 0.8 * (r.strong - r.weak));
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "route/concurrency.h"

#include <limits.h>

#define LONG_WINDOW    600.0
#define SHORT_WINDOW   60.0
#define WARM_UP        10 /* samples whose plain mean the long-term one begins with */
#define SMOOTHING      0.2
#define HEADROOM       4.0
#define TOLERANCE      1.5 /* later by less is chance */
#define GRADIENT_LEAST 0.5
#define REFUSED        0.7
#define CUT_APART_NS   UINT64_C(1000000000)

double fl_concurrency_limit(const struct fl_concurrency *c)
{
    double limit = fl_get(c->limit);
    return limit > 0 ? limit : FL_CONCURRENCY_START;
}

static void set_limit(struct fl_concurrency *c, double limit)
{
    limit = limit < FL_CONCURRENCY_MAX ? limit : FL_CONCURRENCY_MAX;
    fl_set(c->limit, limit > 1 ? limit : 1);
}

/* Gradient2 compares a mean of long ago with one of now. */
void fl_concurrency_sample(struct fl_concurrency *c, uint64_t ttft_ns, unsigned in_flight)
{
    double limit = fl_concurrency_limit(c), latest = ttft_ns > 0 ? (double)ttft_ns : 1;
    c->samples++;
    if (c->samples <= WARM_UP) {
        c->long_ns += (latest - c->long_ns) / c->samples;
        c->short_ns = c->long_ns;
    } else {
        c->long_ns += (latest - c->long_ns) * 2 / (LONG_WINDOW + 1);
        c->short_ns += (latest - c->short_ns) * 2 / (SHORT_WINDOW + 1);
    }
    double ratio = c->long_ns / c->short_ns;
    if (ratio > 2) { /* it was slow for long and is so no more: forget faster */
        c->long_ns *= 0.9;
    }
    if (in_flight < limit / 2) {
        return;
    }
    double gradient = TOLERANCE * ratio < 1 ? TOLERANCE * ratio : 1;
    gradient = gradient > GRADIENT_LEAST ? gradient : GRADIENT_LEAST;
    double wanted = limit * gradient + HEADROOM;
    double next = limit * (1 - SMOOTHING) + wanted * SMOOTHING;
    double least = limit < FL_CONCURRENCY_MIN ? limit : FL_CONCURRENCY_MIN;
    set_limit(c, next > least ? next : least);
}

void fl_concurrency_refused(struct fl_concurrency *c, uint64_t now_ns)
{
    if (c->cut_ns == 0 || now_ns >= c->cut_ns + CUT_APART_NS) {
        c->cut_ns = now_ns;
        set_limit(c, fl_concurrency_limit(c) * REFUSED);
    }
}

unsigned fl_concurrency_bound(const struct fl_concurrency *c, unsigned configured)
{
    if (configured != FL_CONCURRENCY_AUTO) {
        return configured > 0 ? configured : UINT_MAX;
    }
    double learned = fl_get(c->limit);
    return learned > 0 ? (unsigned)learned : UINT_MAX;
}

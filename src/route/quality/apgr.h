/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well a score sorts requests between a strong and a weak model: RouteLLM's average performance
 * gap recovered (Ong et al. 2024, section 4.1) as their evaluation computes it: thresholds are the
 * eleven linear-interpolated deciles of the scores; a request at or above the threshold goes to the
 * strong model (above it for the last); the area under accuracy over the share of strong calls, by
 * trapezoids, from the weak model's (0) to the strong one's (1). Sending requests at random earns
 * .5.
 */
#ifndef FL_ROUTE_QUALITY_APGR_H
#define FL_ROUTE_QUALITY_APGR_H

#include <stddef.h>

enum { FL_APGR_BINS = 10 };

struct fl_apgr {
    double apgr;
    double cpt50, cpt80; /* least share of strong calls that recovers 50 % and 80 % of the gap, by
                            interpolation between the thresholds */
    double strong, weak; /* mean rewards */
};

/* *scores* [count], higher = strong; rewards of both models; *scratch* [count]. count >= 2 and the
 * two means differ; else all results are 0. */
struct fl_apgr fl_apgr_measure(const double *scores, const double *strong, const double *weak,
                               size_t count, double *scratch);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many attempts a target takes at once, learned from the time to first token (Gradient2 of
 * concurrency-limits; ROUTING.md 2.7): while short and long-term means agree the limit grows by
 * little, and shrinks in proportion when first tokens come later than by chance. A rate limit or an
 * overload cuts it to 0.7. What a provider's 'concurrency: auto' means.
 *
 * Written under the target state's lock; the limit is atomic and read without it.
 */
#ifndef FL_ROUTE_CONCURRENCY_H
#define FL_ROUTE_CONCURRENCY_H

#include "route/measure.h"

#define FL_CONCURRENCY_START 20.0
#define FL_CONCURRENCY_MIN   20.0
#define FL_CONCURRENCY_MAX   200.0

struct fl_concurrency {
    _Atomic double limit; /* 0: nothing learned, FL_CONCURRENCY_START */
    double long_ns;       /* exponential mean over 600 samples */
    double short_ns;      /* the same over 60: prompts of one moment differ by more than loads do */
    unsigned samples;
    uint64_t cut_ns; /* of the last cut: one a second at most */
};

/* A first token after *ttft_ns* with *in_flight* attempts there, itself included. */
void fl_concurrency_sample(struct fl_concurrency *c, uint64_t ttft_ns, unsigned in_flight);
/* Refused for rate or overload. */
void fl_concurrency_refused(struct fl_concurrency *c, uint64_t now_ns);
/* Of *configured* attempts at a time: 0 for no bound, FL_CONCURRENCY_AUTO for what was learned.
 * What is not known does not bind: UINT_MAX. */
#define FL_CONCURRENCY_AUTO 1000000u
unsigned fl_concurrency_bound(const struct fl_concurrency *c, unsigned configured);
double fl_concurrency_limit(const struct fl_concurrency *c);

#endif

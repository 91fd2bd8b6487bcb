/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic cell rate algorithm: a token bucket in one word. A limit lets *limit* units through a
 * *period*, and a *burst* of them at once; tat is the time when the bucket will be full again.
 *
 *   take n:  tat' = max(now, tat) + n * period / limit
 *            admitted iff tat' - now <= burst * period / limit
 *
 * 100 a minute with a burst of 10: ten pass at once, the eleventh in 0.6 s (ROUTING.md 3.5).
 *
 * Any thread may call any function here at any time: one compare-and-swap, nothing waits.
 */
#ifndef FL_ROUTE_GCRA_H
#define FL_ROUTE_GCRA_H

#include "route/measure.h"

struct fl_gcra_limit {
    uint64_t limit; /* units in a period; 0: no limit */
    uint64_t period_ns;
    uint64_t burst; /* units at once; 0: limit */
};

struct fl_gcra {
    _Atomic uint64_t tat_ns;
};

/* How long until n units would be admitted: 0: now. UINT64_MAX: never, n is more than the burst. */
uint64_t fl_gcra_wait_ns(const struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t n,
                         uint64_t now_ns);
/* Takes n units if they are admitted (0), else takes none and returns the wait as above. */
uint64_t fl_gcra_take(struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t n, uint64_t now_ns);
/* Takes (more) or gives back (less) without asking: what was reserved turned out to be *actual*. */
void fl_gcra_settle(struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t reserved,
                    uint64_t actual, uint64_t now_ns);
/* Units that would be admitted now, of at most burst. UINT64_MAX without a limit. */
uint64_t fl_gcra_left(const struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t now_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* performance: 0.6 * success + 0.4 * (1 - min(L / 10 s, 1)) + bonus, L the latency of 300 output
 * tokens, all from means drawn to the pool's, so that a cold target is tried as an average one.
 * What is within 0.01 of the best is as good: among those the fewest in flight goes first. Score:
 * the sum. */
#include "route/policy/common.h"

#include <math.h>

#define LATENCY_WORST_NS 10e9
#define AS_GOOD          0.01

static double performance_of(const struct fl_option *o, const struct fl_measures_seen *pool)
{
    double load = fl_mean_shrunk(o->seen.load, fl_mean_or(pool->load, 1), FL_PRIOR_SAMPLES);
    double latency_ns = fl_work_of(&o->seen, pool, FL_DEFAULT_TOKENS_OUT) * load;
    return 0.6 * fl_success_of(&o->seen) + 0.4 * (1 - fmin(latency_ns / LATENCY_WORST_NS, 1)) +
           o->target->performance_bonus;
}

void fl_policy_performance(struct fl_choice *c)
{
    struct fl_measures_seen pool = fl_pool_of(c).measures;
    double best = -HUGE_VAL;
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = performance_of(&c->options[i], &pool);
        best = fmax(best, c->options[i].score);
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->score < best - AS_GOOD;
        o->key = o->group == 0 ? (o->in_flight + 1) / o->weight : -o->score;
    }
    c->why = "best-score";
}

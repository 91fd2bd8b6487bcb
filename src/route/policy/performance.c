/* SPDX-License-Identifier: Apache-2.0 */
/*
 * performance: 0.6 * success + 0.4 * (1 - min(L / 10 s, 1)) + bonus, L the latency of 300 output
 * tokens. A target's latency is apart from the fastest's, and its success from a perfect one, only by
 * what is beyond doubt: a cold target is as good as the best until it is known, so that it is tried.
 * What is within 0.01 of the best score is as good: among those the fewest in flight goes first.
 * Score: the sum.
 */
#include "route/policy/common.h"

#include <math.h>

#define LATENCY_WORST_NS 10e9
#define AS_GOOD          0.01

enum term { SUCCESS, LATENCY_MS, BONUS, TERMS };
static const char *const terms[TERMS] = {"success", "latency_ms", "bonus"};

static void score(struct fl_choice *c)
{
    double latencies_ns[FL_ROUTE_TARGETS_MAX], errors_ns[FL_ROUTE_TARGETS_MAX];
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_latency l = fl_outlook_latency(c->outlook, i, FL_DEFAULT_TOKENS_OUT);
        latencies_ns[i] = l.ns;
        errors_ns[i] = sqrt(l.variance_ns2);
    }
    fl_believe(c->count, latencies_ns, errors_ns);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double success = o->believed, bonus = o->target->performance_bonus;
        o->score = 0.6 * success + 0.4 * (1 - fmin(latencies_ns[i] / LATENCY_WORST_NS, 1)) + bonus;
        o->terms[SUCCESS] = success;
        o->terms[LATENCY_MS] = latencies_ns[i] / 1e6;
        o->terms[BONUS] = bonus;
    }
    c->terms = terms;
    c->term_count = TERMS;
}

void fl_policy_performance(struct fl_choice *c)
{
    double best = -HUGE_VAL;
    score(c);
    for (unsigned i = 0; i < c->count; i++) {
        best = fmax(best, c->options[i].score);
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->score < best - AS_GOOD;
        o->key = o->group == 0 ? (o->in_flight + 1) / o->weight : -o->score;
    }
    c->why = "best-score";
}

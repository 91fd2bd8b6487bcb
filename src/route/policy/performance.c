/* SPDX-License-Identifier: Apache-2.0 */
/*
 * performance: 0.6 * success + 0.4 * (1 - min(L / 10 s, 1)) + bonus, L the latency of 300 output
 * tokens. Success and latency are apart from an average target's only by what is beyond doubt; a cold
 * target is an average one. What is within 0.01 of the best is as good: among those the fewest in
 * flight goes first. One request in fifty is given to a target that may be as good for all that is
 * known. Score: the sum.
 */
#include "route/policy/common.h"

#include <math.h>

#define LATENCY_WORST_NS 10e9
#define AS_GOOD          0.01
#define EXPLORE          0.02

enum term { SUCCESS, LATENCY_MS, BONUS, AT_BEST, TERMS };
static const char *const terms[TERMS] = {"success", "latency_ms", "bonus", "at_best"};

static double score_of(double success, double latency_ns, double bonus)
{
    return 0.6 * success + 0.4 * (1 - fmin(fmax(latency_ns, 0) / LATENCY_WORST_NS, 1)) + bonus;
}

static void score(struct fl_choice *c)
{
    struct fl_measures_seen pool = fl_pool_of(c), none = {.load = {0, 0}};
    double pool_ns = fl_latency_at(&none, &pool, FL_DEFAULT_TOKENS_OUT).ns;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        struct fl_latency l = fl_latency_at(&o->seen, &pool, FL_DEFAULT_TOKENS_OUT);
        double latency_ns = fl_believed(l.ns, pool_ns, l.error_ns);
        double success = fl_believed_success(o), bonus = o->target->performance_bonus;
        o->score = score_of(success, latency_ns, bonus);
        o->terms[SUCCESS] = success;
        o->terms[LATENCY_MS] = latency_ns / 1e6;
        o->terms[BONUS] = bonus;
        o->terms[AT_BEST] = score_of(success, l.ns - FL_CONFIDENCE * l.error_ns, bonus);
    }
    c->terms = terms;
    c->term_count = TERMS;
}

/* Puts one that may be as good first, now and then. */
static void explore(struct fl_choice *c, double best)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        count += o->group > 0 && o->terms[AT_BEST] >= best - AS_GOOD;
    }
    if (count == 0) {
        return;
    }
    if (fl_rng_unit(c->rng) >= EXPLORE) {
        c->propensity *= 1 - EXPLORE;
        return;
    }
    unsigned skip = (unsigned)fl_rng_below(c->rng, count);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        if (o->group > 0 && o->terms[AT_BEST] >= best - AS_GOOD && skip-- == 0) {
            o->group = 0;
            o->key = -HUGE_VAL;
            break;
        }
    }
    c->propensity = EXPLORE / count;
    c->why = "explore";
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
    explore(c, best);
}

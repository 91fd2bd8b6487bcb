/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/gate.h"

#include "base/assert.h"

#include <math.h>

static void reset(struct fl_gate_class *c)
{
    *c = (struct fl_gate_class){
        .next_look = FL_GATE_SAMPLES_MIN, .reach = 1, .lower = -1, .upper = 1};
}

void fl_gate_init(struct fl_gate *g, double tolerance, double delta, double propensity_min)
{
    fl_assert(tolerance >= 0 && delta > 0 && delta < 1);
    fl_assert(propensity_min > 0 && propensity_min <= 1);
    g->importance_max = 1 / propensity_min;
    g->tolerance = tolerance;
    g->delta = delta;
    for (unsigned i = 0; i < FL_BIAS_CLASSES; i++) {
        reset(&g->classes[i]);
    }
}

void fl_gate_reset(struct fl_gate *g, unsigned task_class)
{
    fl_assert(task_class < FL_BIAS_CLASSES);
    reset(&g->classes[task_class]);
}

double fl_gate_lower_bound(double mean, double variance, double reach, uint64_t samples,
                           double delta)
{
    fl_assert(samples >= 2 && delta > 0 && delta < 1);
    double n = (double)samples, odds = log(2 / delta);
    return mean - sqrt(2 * variance * odds / n) - 7 * (2 * reach) * odds / (3 * (n - 1));
}

static void look(const struct fl_gate *g, struct fl_gate_class *c)
{
    double k = ++c->looks, variance = c->square_sum / (double)(c->samples - 1);
    c->next_look = 2 * c->samples;
    c->lower =
        fl_gate_lower_bound(c->mean, variance, c->reach, c->samples, g->delta / (k * (k + 1)));
    c->upper = 2 * c->mean - c->lower;
    c->open = c->open ? c->upper >= -g->tolerance : c->lower >= -g->tolerance;
}

static void add(struct fl_gate *g, unsigned task_class, double sample, double reach)
{
    fl_assert(task_class < FL_BIAS_CLASSES);
    struct fl_gate_class *c = &g->classes[task_class];
    double before = sample - c->mean;
    c->samples++;
    c->mean += before / (double)c->samples;
    c->square_sum += before * (sample - c->mean);
    c->reach = reach > c->reach ? reach : c->reach;
    if (c->samples == c->next_look) {
        look(g, c);
    }
}

void fl_gate_observe(struct fl_gate *g, unsigned task_class, enum fl_gate_arm arm, double reward,
                     double propensity, double q_cheap, double q_default)
{
    fl_assert(propensity > 0 && propensity <= 1 && reward >= 0 && reward <= 1);
    double importance = 1 / propensity;
    importance = importance > g->importance_max ? g->importance_max : importance;
    double correction =
        arm == FL_GATE_CHEAP ? importance * (reward - q_cheap) : -importance * (reward - q_default);
    add(g, task_class, q_cheap - q_default + correction, 1 + g->importance_max);
}

void fl_gate_observe_both(struct fl_gate *g, unsigned task_class, double cheap, double dear)
{
    fl_assert(cheap >= 0 && cheap <= 1 && dear >= 0 && dear <= 1);
    add(g, task_class, cheap - dear, 1);
}

static size_t boundary(struct fl_slice text, size_t at)
{
    for (int i = 0; i < 3 && at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80; i++) {
        at++;
    }
    return at;
}

bool fl_flip_test(struct fl_slice text, size_t cut, fl_decide_fn *decide, void *owner,
                  unsigned *ret_decision)
{
    cut = cut > text.len / 4 ? text.len / 4 : cut;
    unsigned whole = decide(owner, text);
    bool steady = decide(owner, fl_slice_from(text, boundary(text, cut))) == whole &&
                  decide(owner, fl_slice_first(text, boundary(text, text.len - cut))) == whole;
    *ret_decision = whole;
    return steady;
}

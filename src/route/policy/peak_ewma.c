/* SPDX-License-Identifier: Apache-2.0 */
/* peak_ewma: the mean time to the first token that follows a peak at once and forgets it slowly
 * (Finagle), at least the age of the attempt that waits longest, times attempts in flight with this
 * one, for its weight; plus what its failures cost. A target nobody has seen counts as the pool's
 * mean. Score: milliseconds. */
#include "route/policy/common.h"

#include <math.h>

void fl_policy_peak_ewma(struct fl_choice *c)
{
    double sum_ns = 0, seen = 0;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = fl_pace_peak_ns(&o->state->pace, c->request->now_ns);
        sum_ns += o->key;
        seen += o->key > 0;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double cost_ns = o->key > 0 ? o->key : seen > 0 ? sum_ns / seen : 1e9;
        cost_ns = fmax(cost_ns, fl_age_of(o->state, c->request->now_ns));
        o->key = cost_ns * (o->in_flight + 1) / o->weight;
    }
    fl_add_failures(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = c->options[i].key / 1e6;
    }
    c->why = "fastest";
}

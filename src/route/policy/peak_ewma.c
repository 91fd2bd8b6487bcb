/* SPDX-License-Identifier: Apache-2.0 */
/* peak_ewma: the mean time to the first byte, at least the age of the attempt that waits longest
 * for it, times attempts in flight with this one, for its weight. Score: milliseconds. */
#include "route/policy/common.h"

#include <math.h>

void fl_policy_peak_ewma(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double load_ns = fmax(o->ttft_ns, fl_age_of(o->state, c->request->now_ns));
        o->key = load_ns * (o->in_flight + 1) / o->weight;
    }
    fl_add_failures(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = c->options[i].key / 1e6;
    }
    c->why = "fastest";
}

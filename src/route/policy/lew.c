/* SPDX-License-Identifier: Apache-2.0 */
/* lew: least expected work. The whole duration of an attempt per attempt in flight when it was
 * measured, drawn towards the pool's, times those in flight with this one, plus what its failures
 * cost. Score: milliseconds. */
#include "route/policy/common.h"

void fl_policy_lew(struct fl_choice *c)
{
    struct fl_measures_seen pool = fl_pool_of(c);
    const double k = FL_PRIOR_SAMPLES;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double load = fl_mean_shrunk(o->seen.load, fl_mean_or(pool.load, 1), k);
        double total_ns = fl_mean_shrunk(o->seen.total_ns, fl_mean_or(pool.total_ns, 1e9), k);
        o->key = total_ns / load * (o->in_flight + 1);
    }
    fl_add_failures(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = c->options[i].key / 1e6;
    }
    c->why = "least-work";
}

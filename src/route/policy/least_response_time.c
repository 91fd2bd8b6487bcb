/* SPDX-License-Identifier: Apache-2.0 */
/* least_response_time: predicted completion. What an attempt of this size takes at the target, per
 * attempt in flight when that was measured, times those in flight with this one:
 *
 *   L  = TTFT + tokens * TPOT, or the whole duration while nobody reports tokens
 *   l  = L / load * (in flight + 1), at least the age of the attempt that waits longest for its
 *        first byte
 *   l' = l + (1 - success) * (time to failure + the best other target's l)
 *
 * Each mean is drawn towards the pool's, which is all that is known of a cold target; l' keeps a
 * target that fails fast from looking fast. Score: l' in milliseconds. */
#include "route/policy/common.h"

#include <math.h>

void fl_policy_least_response_time(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = fmax(fl_outlook_work_ns(c->outlook, o->place, o->tokens.out) * (o->in_flight + 1),
                      fl_age_of(o->state, c->request->now_ns));
    }
    fl_add_failures(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = c->options[i].key / 1e6;
    }
    c->why = "fastest";
}

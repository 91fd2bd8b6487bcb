/* SPDX-License-Identifier: Apache-2.0 */
/* least_connections: fewest in flight for its weight, counted from dispatch. All are looked at:
 * with exact counts of one's own, two at random is worse. Score: the same. */
#include "route/policy/common.h"

void fl_policy_least_connections(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score = (o->in_flight + 1) / fl_live_weight(o);
    }
    c->why = "fewest-in-flight";
}

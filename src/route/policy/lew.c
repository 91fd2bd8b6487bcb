/* SPDX-License-Identifier: Apache-2.0 */
/* lew: least expected work (ROUTING 1.4). What an attempt's share of its target was, its whole
 * duration divided by the attempts in flight when it came, drawn towards the pool's; times those in
 * flight with this one; plus what its failures cost. Score: milliseconds. */
#include "route/policy/common.h"

void fl_policy_lew(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = fl_outlook_share_ns(c->outlook, o->place) * (o->in_flight + 1);
    }
    fl_add_failures(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = c->options[i].key / 1e6;
    }
    c->why = "least-work";
}

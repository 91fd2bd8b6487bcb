/* SPDX-License-Identifier: Apache-2.0 */
/* spd: speed-normalised prediction of time to first token and, for a part, of the rest:
 *
 *   L = TTFT + gamma * (total - TTFT), gamma = 0.1 for a stream, 1 for a plain answer
 *
 * plus what its failures cost. Score: milliseconds. */
#include "route/policy/common.h"

void fl_policy_spd(struct fl_choice *c)
{
    double gamma = fl_gamma(c);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->ttft_ns + gamma * (o->total_ns - o->ttft_ns);
    }
    fl_add_failures(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = c->options[i].key / 1e6;
    }
    c->why = "fastest";
}

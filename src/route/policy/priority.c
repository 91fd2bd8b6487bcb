/* SPDX-License-Identifier: Apache-2.0 */
/* priority: primaries, then fallbacks, by Envoy's overflow rule. A level takes
 *
 *   share = min(100 %, 1.4 * the part of its targets that may be chosen now)
 *
 * of the traffic, the next level what is left of it: 5 of 7 healthy primaries still take
 * everything. Shares that do not reach 100 % are scaled up. Primaries take turns by weight,
 * fallbacks stand in their configured order. Score: percent of the traffic that its level takes. */
#include "route/policy/common.h"

#include <math.h>

#define OVERPROVISION 1.4

enum { levels = 2 };

static void shares_of(const struct fl_choice *c, double ret_share[levels])
{
    double eligible[levels] = {0, 0}, left = 1, sum = 0;
    const double all[levels] = {c->route->primary_count,
                                c->route->target_count - c->route->primary_count};
    for (unsigned i = 0; i < c->count; i++) {
        eligible[c->options[i].level]++;
    }
    for (unsigned l = 0; l < levels; l++) {
        double healthy = all[l] > 0 ? fmin(1, OVERPROVISION * eligible[l] / all[l]) : 0;
        ret_share[l] = fmin(healthy, left);
        left -= ret_share[l];
        sum += ret_share[l];
    }
    for (unsigned l = 0; l < levels && sum > 0; l++) {
        ret_share[l] /= sum;
    }
}

void fl_policy_priority(struct fl_choice *c)
{
    double share[levels];
    shares_of(c, share);
    unsigned first = share[0] <= 0 || (share[1] > 0 && fl_rng_unit(c->rng) >= share[0]);
    bool primaries = false;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->level; /* turns are among primaries only */
        o->key = o->position;
        o->score = 100 * share[o->level];
        primaries = primaries || o->level == 0;
    }
    if (primaries && fl_turns_fit(c)) {
        fl_take_turns(c, NULL)->key = -HUGE_VAL;
    }
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].group = c->options[i].level != first;
    }
    c->why = first == 0 ? "primary" : share[0] > 0 ? "overflow" : "fallback";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* p2c: two at random, of these the one with fewer in flight for its weight (Mitzenmacher 1996); the
 * rest of the plan by the same load. For many gateways with partial views; with exact counts
 * least_connections is better. Score: (in flight + 1) / weight. */
#include "route/policy/common.h"

/* The one that wins does so with every partner that is not lighter; with an equal one half the time,
 * which the plan's tie breaking accounts for where the pair is equal. */
static double propensity_of(const struct fl_choice *c, unsigned one, unsigned two)
{
    const struct fl_option *o = &c->options[one], *p = &c->options[two];
    double key = o->key < p->key ? o->key : p->key, wins = 0;
    bool equal = o->key <= p->key && o->key >= p->key;
    for (unsigned i = 0; i < c->count; i++) {
        wins += c->options[i].key > key ? 1 : c->options[i].key < key ? 0 : 0.5;
    }
    double pairs = c->count * (c->count - 1) / 2.0;
    return (wins - 0.5) / pairs * (equal ? 2 : 1); /* itself is no partner */
}

void fl_policy_p2c(struct fl_choice *c)
{
    unsigned one = (unsigned)fl_rng_below(c->rng, c->count);
    unsigned two = (unsigned)fl_rng_below(c->rng, c->count - 1);
    two += two >= one;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score = (o->in_flight + 1) / fl_live_weight(o);
        o->group = i != one && i != two;
    }
    c->propensity = propensity_of(c, one, two);
    c->why = "lighter-of-two";
}

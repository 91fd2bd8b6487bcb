/* SPDX-License-Identifier: Apache-2.0 */
/* What several policies share. */
#ifndef FL_ROUTE_POLICY_COMMON_H
#define FL_ROUTE_POLICY_COMMON_H

#include "route/policies.h"

enum { FL_DEFAULT_TOKENS_IN = 1000, FL_DEFAULT_TOKENS_OUT = 300 };

static inline double fl_live_weight(const struct fl_option *o)
{
    return o->weight * o->vigour;
}

/* Random order by live weight: a target comes first with probability in proportion to it (-w /
 * ln(u) is greatest: Efraimidis, Spirakis 2006). */
void fl_order_by_draw(struct fl_choice *c, const char *why);

/* Smooth weighted turns (nginx) among the options of group 0, each with weights[i], or with its
 * live weight where *weights* is NULL. Keys these by what they have, least first, and returns the
 * one whose turn it is. Only where fl_turns_fit(). */
struct fl_option *fl_take_turns(struct fl_choice *c, const double *weights);
/* Has each option of group 0 one of the route's places for turns? */
bool fl_turns_fit(const struct fl_choice *c);
/* The same as an order: the one in turn first, at random by weight where turns do not fit. */
void fl_order_by_turns(struct fl_choice *c, const double *weights);

/* -ln(u) / w for a key: the least is the key's home by weighted rendezvous (Thaler, Ravishankar).
 */
double fl_rendezvous(struct fl_hash_key key, const struct fl_option *o);
/* A key of its own for *bytes*, so that no joined copy of two names must be hashed. */
struct fl_hash_key fl_key_of(const struct fl_choice *c, struct fl_slice bytes);
/* Bounded loads (Mirrokni, Thorup, Zadimoghaddam): has it its share of 1.25 times the mean? */
void fl_bound_loads(struct fl_choice *c);
/* Each option keyed by rendezvous of *bytes*, loads bounded. */
void fl_order_by_home(struct fl_choice *c, struct fl_slice bytes, const char *why);

/* Chooses another option than the first one for the request's share of exploration, and tells the
 * probability of what comes first then. All groups and keys are set. */
void fl_explore_share(struct fl_choice *c);

/* How long the attempt has waited that waits longest for its first byte, in ns. */
double fl_age_of(const struct fl_target_state *s, uint64_t now_ns);
/* The two least of a field over the options: of the best, and what the best has as alternative. */
void fl_two_least_keys(const struct fl_choice *c, double ret_least[2]);
/* Adds to each key what its failures cost: (1 - success) * (time to failure + the best other's
 * key). Keys are ns. No target that fails fast looks fast. */
void fl_add_failures(struct fl_choice *c);

/* What a second after the first token counts beside one before it: a reader follows a stream, a plain
 * answer is there at its end. More than a tenth measured worse: it overloads fast targets' prompts
 * (tests/prop/test_speed.c). */
static inline double fl_gamma(const struct fl_choice *c)
{
    return c->request->streaming ? 0.1 : 1;
}

/* What is believed of values of which less is better: apart from the least only by what is beyond
 * doubt. */
void fl_believe(unsigned count, double *values, const double *errors);
#endif

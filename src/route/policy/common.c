/* SPDX-License-Identifier: Apache-2.0 */
#include "route/policy/common.h"

#include "route/quality/heads.h"

#include "base/assert.h"

#include <math.h>

/* --- Chance --- */

void fl_order_by_draw(struct fl_choice *c, const char *why)
{
    const struct fl_option *first = &c->options[0];
    double total = 0;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score = -log1p(-fl_rng_unit(c->rng)) / fl_live_weight(o);
        total += fl_live_weight(o);
        first = o->key < first->key ? o : first;
    }
    c->propensity *= fl_live_weight(first) / total;
    c->why = why;
}

/* --- Turns --- */

bool fl_turns_fit(const struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->options[i].group == 0 && c->options[i].position >= FL_TURNS_MAX) {
            return false;
        }
    }
    return true;
}

struct fl_option *fl_take_turns(struct fl_choice *c, const double *weights)
{
    struct fl_route_state *s = c->route->state;
    struct fl_option *best = NULL;
    double total = 0, most = 0, share = 0;
    fl_lock(&s->lock);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        if (o->group > 0) {
            continue;
        }
        double weight = weights ? weights[i] : fl_live_weight(o);
        struct fl_turn *turn = &s->turn[o->position];
        fl_assert(o->position < FL_TURNS_MAX);
        if (turn->owner != o->state) {
            *turn = (struct fl_turn){.owner = o->state};
        }
        turn->current += weight;
        total += weight;
        o->key = -turn->current;
        if (!best || turn->current > most) {
            most = turn->current;
            share = weight;
            best = o;
        }
    }
    fl_assert(best);
    s->turn[best->position].current -= total;
    fl_unlock(&s->lock);
    c->propensity *= share / total;
    return best;
}

void fl_order_by_turns(struct fl_choice *c, const double *weights)
{
    if (!fl_turns_fit(c)) {
        fl_order_by_draw(c, "random");
        return;
    }
    struct fl_option *best = fl_take_turns(c, weights);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = -c->options[i].key;
    }
    best->key = -HUGE_VAL; /* one that has as much waits */
    c->why = "turn";
}

/* --- Homes --- */

#define LOAD_BOUND 1.25

struct fl_hash_key fl_key_of(const struct fl_choice *c, struct fl_slice bytes)
{
    struct fl_hash_key key = c->table->hash_key;
    key.k0 ^= fl_hash(key, bytes);
    return key;
}

double fl_rendezvous(struct fl_hash_key key, const struct fl_option *o)
{
    double u = ((double)(fl_hash(key, o->target->id) >> 11) + 0.5) * 0x1p-53;
    return -log(u) / o->weight;
}

void fl_bound_loads(struct fl_choice *c)
{
    double weights = 0, in_flight = 1;
    for (unsigned i = 0; i < c->count; i++) {
        weights += c->options[i].weight;
        in_flight += c->options[i].in_flight;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->in_flight >= ceil(LOAD_BOUND * in_flight * o->weight / weights);
    }
}

void fl_order_by_home(struct fl_choice *c, struct fl_slice bytes, const char *why)
{
    struct fl_hash_key key = fl_key_of(c, bytes);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].key = c->options[i].score = fl_rendezvous(key, &c->options[i]);
    }
    fl_bound_loads(c);
    c->why = why;
}

/* --- Latency --- */

static double waited_ns(const struct fl_waiting *w, uint64_t now_ns)
{
    uint64_t oldest_ns = fl_get(w->oldest_ns);
    return oldest_ns < now_ns ? (double)(now_ns - oldest_ns) : 0;
}

double fl_age_of(const struct fl_target_state *s, uint64_t now_ns)
{
    return fmax(waited_ns(&s->streams, now_ns), waited_ns(&s->answers, now_ns));
}

void fl_two_least_keys(const struct fl_choice *c, double ret_least[2])
{
    ret_least[0] = ret_least[1] = HUGE_VAL;
    for (unsigned i = 0; i < c->count; i++) {
        double key = c->options[i].key;
        if (key < ret_least[0]) {
            ret_least[1] = ret_least[0];
            ret_least[0] = key;
        } else if (key < ret_least[1]) {
            ret_least[1] = key;
        }
    }
}

void fl_add_failures(struct fl_choice *c)
{
    double least[2];
    fl_two_least_keys(c, least);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double alternative_ns = o->key > least[0] ? least[0] : least[1];
        o->key += (1 - o->success) * (o->failure_ns + alternative_ns);
    }
}

/* --- Doubt --- */

void fl_believe(unsigned count, double *values, const double *errors)
{
    unsigned least = 0;
    for (unsigned i = 1; i < count; i++) {
        least = values[i] < values[least] ? i : least;
    }
    double value = values[least], error2 = errors[least] * errors[least];
    for (unsigned i = 0; i < count; i++) {
        double apart = values[i] - value;
        double doubt2 = FL_CONFIDENCE * FL_CONFIDENCE * (errors[i] * errors[i] + error2);
        values[i] = apart * apart <= doubt2 ? value : value + apart - sqrt(doubt2);
    }
}

/* --- Exploring --- */

void fl_explore_share(struct fl_choice *c)
{
    unsigned best = 0;
    if (c->request->explore <= 0 || c->count < 2) {
        return;
    }
    for (unsigned i = 1; i < c->count; i++) {
        const struct fl_option *a = &c->options[i], *b = &c->options[best];
        best = a->group < b->group || (a->group == b->group && a->key < b->key) ? i : best;
    }
    unsigned pick = fl_explore(c->rng, c->count, best, c->request->explore, &c->propensity);
    for (unsigned i = 0; pick != best && i < c->count; i++) {
        c->options[i].group += i != pick;
    }
    if (pick != best) {
        c->options[pick].group = 0;
        c->why = "explore";
    }
}

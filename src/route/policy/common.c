/* SPDX-License-Identifier: Apache-2.0 */
#include "route/policy/common.h"

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

struct fl_measures_seen fl_pool_of(const struct fl_choice *c)
{
    struct fl_measures_seen pool = {.load = {0, 0}};
    for (unsigned i = 0; i < c->count; i++) {
        fl_measures_pool(&pool, &c->options[i].seen);
    }
    return pool;
}

/* What an attempt took at the target when it was measured: TTFT + tokens * TPOT, or the whole
 * duration while nobody reports tokens. */
static double latency_of(const struct fl_measures_seen *m, const struct fl_measures_seen *pool,
                         double tokens, double *ret_ttft_ns)
{
    const double k = FL_PRIOR_SAMPLES, second = 1e9;
    double ttft_ns = fl_mean_shrunk(m->first_byte_ns, fl_mean_or(pool->first_byte_ns, second), k);
    *ret_ttft_ns = ttft_ns;
    if (pool->token_ns.weight > 0) {
        return ttft_ns + tokens * fl_mean_shrunk(m->token_ns, fl_mean_or(pool->token_ns, 0), k);
    }
    return fl_mean_shrunk(m->total_ns, fl_mean_or(pool->total_ns, second), k);
}

double fl_work_of(const struct fl_measures_seen *seen, const struct fl_measures_seen *pool,
                  double tokens)
{
    double load = fl_mean_shrunk(seen->load, fl_mean_or(pool->load, 1), FL_PRIOR_SAMPLES);
    double ttft_ns;
    return latency_of(seen, pool, tokens, &ttft_ns) / load;
}

double fl_age_of(const struct fl_target_state *s, uint64_t now_ns)
{
    uint64_t oldest_ns = fl_get(s->oldest_ns);
    return oldest_ns < now_ns ? (double)(now_ns - oldest_ns) : 0;
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
        double failure_ns = fl_mean_or(o->seen.failure_ns, 0);
        o->key += (1 - fl_success_of(&o->seen)) * (failure_ns + alternative_ns);
    }
}

/* --- Prediction --- */

/* First byte and whole, at the load at which they were measured. */
static void latencies_of(const struct fl_measures_seen *m, const struct fl_measures_seen *pool,
                         double tokens, struct fl_latency *ret_first, struct fl_latency *ret_total)
{
    const double second = 1e9;
    *ret_first =
        fl_latency_of(m->first_byte_ns, m->first_byte_s2, fl_mean_or(pool->first_byte_ns, second));
    if (pool->token_ns.weight > 0) {
        struct fl_latency token =
            fl_latency_of(m->token_ns, m->token_s2, fl_mean_or(pool->token_ns, 0));
        double off_ns = tokens * token.error_ns;
        ret_total->ns = ret_first->ns + tokens * token.ns;
        ret_total->error_ns = sqrt(ret_first->error_ns * ret_first->error_ns + off_ns * off_ns);
    } else {
        *ret_total = fl_latency_of(m->total_ns, m->total_s2, fl_mean_or(pool->total_ns, second));
    }
}

/* Load now against load when it was measured scales the whole; the age of the attempt that waits
 * longest is a lower bound that no error excuses. */
void fl_predict_one(const struct fl_choice *c, const struct fl_measures_seen *pool,
                    struct fl_option *o)
{
    struct fl_latency first, total;
    double load = fl_mean_shrunk(o->seen.load, fl_mean_or(pool->load, 1), FL_PRIOR_SAMPLES);
    double ratio = (o->in_flight + 1) / load;
    double age_ns = fl_age_of(o->state, c->request->now_ns);
    latencies_of(&(struct fl_measures_seen){.load = {0, 0}}, pool, o->tokens.out, &first, &total);
    o->pool_ns = total.ns * ratio;
    latencies_of(&o->seen, pool, o->tokens.out, &first, &total);
    o->ttft_ns = fmax(first.ns * ratio, age_ns);
    o->total_ns = fmax(total.ns * ratio, age_ns + total.ns - first.ns);
    o->error_ns = total.error_ns * ratio;
    o->success = fl_success_of(&o->seen);
    o->success_error =
        sqrt(o->success * (1 - o->success) / (o->seen.success.weight + FL_PRIOR_SUCCESS_SAMPLES));
}

struct fl_latency fl_latency_at(const struct fl_measures_seen *seen,
                                const struct fl_measures_seen *pool, double tokens)
{
    struct fl_latency first, total;
    latencies_of(seen, pool, tokens, &first, &total);
    return total;
}

double fl_believed(double value, double average, double error)
{
    double apart = value - average, doubt = FL_CONFIDENCE * error;
    return average + (apart > doubt ? apart - doubt : apart < -doubt ? apart + doubt : 0);
}

double fl_believed_ns(const struct fl_option *o)
{
    return fl_believed(o->total_ns, o->pool_ns, o->error_ns);
}

double fl_believed_success(const struct fl_option *o)
{
    return fmin(o->success + FL_CONFIDENCE * o->success_error, 1);
}

void fl_predict(struct fl_choice *c)
{
    struct fl_measures_seen pool = fl_pool_of(c);
    for (unsigned i = 0; i < c->count; i++) {
        fl_predict_one(c, &pool, &c->options[i]);
    }
}

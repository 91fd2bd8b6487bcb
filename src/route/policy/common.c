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

void fl_look(struct fl_option *o, uint64_t now_ns)
{
    fl_measures_see(&o->state->measures, now_ns, &o->seen);
    fl_pace_see(&o->state->pace, now_ns, &o->pace);
}

void fl_pool_add(struct fl_pool_seen *pool, const struct fl_option *o)
{
    fl_measures_pool(&pool->measures, &o->seen);
    fl_pace_pool(&pool->pace, &o->pace);
}

struct fl_pool_seen fl_pool_of(const struct fl_choice *c)
{
    struct fl_pool_seen pool = {.pace.rtt_ns = 0};
    for (unsigned i = 0; i < c->count; i++) {
        fl_pool_add(&pool, &c->options[i]);
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
        double failure_ns = fl_mean_or(o->seen.failure_ns, 0);
        o->key += (1 - fl_success_of(&o->seen)) * (failure_ns + alternative_ns);
    }
}

/* --- Prediction --- */

#define LATE_NS 0.5e9 /* later by this, or by as much again, a wait is news about the target */
#define LATE_TIMES                                                                                 \
    3.0 /* answers differ in length: a plain one is late after as many times its due */

/* A wait that is longer than what is predicted is a lower bound of what comes. */
static double at_least(double predicted_ns, double waited, double times)
{
    double late_ns = times * predicted_ns + fmin(predicted_ns, LATE_NS);
    return waited > late_ns ? predicted_ns + waited : predicted_ns;
}

/* ROUTING 1.6: prompts are computed one after another, answers side by side. Where nobody reports
 * tokens, what is known is the share of its target that an attempt takes. */
static double first_ns(const struct fl_option *o, const struct fl_pace_seen *one,
                       const struct fl_pace_seen *pool)
{
    double prompt = (double)o->pending_tokens + o->tokens.in - o->tokens.cached;
    return one->rtt_ns + prompt * fl_pace_prompt_s(one, pool) * 1e9;
}

static bool tokens_are_told(const struct fl_pace_seen *pool)
{
    return pool->token.weight > 0 || pool->share_ns.weight == 0;
}

static double rest_ns(const struct fl_option *o, const struct fl_pace_seen *one,
                      const struct fl_pace_seen *pool, double ttft_ns)
{
    if (tokens_are_told(pool)) {
        double batch = 1 + FL_BATCH_GROWTH * (o->in_flight + 1);
        return o->tokens.out * fl_pace_token_s(one, pool) * batch * 1e9;
    }
    return fmax(fl_pace_share_ns(one, pool) * (o->in_flight + 1) - ttft_ns, 0);
}

struct fl_latency fl_latency_at(const struct fl_measures_seen *seen,
                                const struct fl_measures_seen *pool, double tokens)
{
    const double second = 1e9;
    if (pool->token_ns.weight > 0 && pool->first_byte_ns.weight > 0) {
        struct fl_latency first = fl_latency_of(seen->first_byte_ns, seen->first_byte_s2,
                                                fl_mean_or(pool->first_byte_ns, second));
        struct fl_latency token =
            fl_latency_of(seen->token_ns, seen->token_s2, fl_mean_or(pool->token_ns, 0));
        double off_ns = tokens * token.error_ns;
        return (struct fl_latency){
            first.ns + tokens * token.ns,
            sqrt(first.error_ns * first.error_ns + off_ns * off_ns),
        };
    }
    return fl_latency_of(seen->total_ns, seen->total_s2, fl_mean_or(pool->total_ns, second));
}

/* What part of the whole the prediction may be off by. */
static double doubt_of(const struct fl_measures_seen *m, const struct fl_measures_seen *pool,
                       double tokens)
{
    struct fl_latency total = fl_latency_at(m, pool, tokens);
    return total.error_ns / total.ns;
}

void fl_predict_one(const struct fl_choice *c, const struct fl_pool_seen *pool, struct fl_option *o)
{
    double stream_waits = waited_ns(&o->state->streams, c->request->now_ns);
    double answer_waits = waited_ns(&o->state->answers, c->request->now_ns);
    double ttft_ns = first_ns(o, &o->pace, &pool->pace);
    o->ttft_ns = at_least(ttft_ns, stream_waits, 1);
    o->total_ns = o->ttft_ns + rest_ns(o, &o->pace, &pool->pace, o->ttft_ns);
    o->error_ns = o->total_ns * doubt_of(&o->seen, &pool->measures, o->tokens.out);
    o->total_ns =
        at_least(o->total_ns, answer_waits, tokens_are_told(&pool->pace) ? LATE_TIMES : 1);
    o->success = fl_success_of(&o->seen);
    o->success_error =
        sqrt(o->success * (1 - o->success) / (o->seen.success.weight + FL_PRIOR_SUCCESS_SAMPLES));
}

void fl_believe(unsigned count, double *values, const double *errors)
{
    unsigned least = 0;
    for (unsigned i = 1; i < count; i++) {
        least = values[i] < values[least] ? i : least;
    }
    double value = values[least], error = errors[least];
    for (unsigned i = 0; i < count; i++) {
        double doubt = FL_CONFIDENCE * sqrt(errors[i] * errors[i] + error * error);
        values[i] = value + fmax(values[i] - value - doubt, 0);
    }
}

double fl_believed_success(const struct fl_option *o)
{
    return fmin(o->success + FL_CONFIDENCE * o->success_error, 1);
}

void fl_predict(struct fl_choice *c)
{
    struct fl_pool_seen pool = fl_pool_of(c);
    for (unsigned i = 0; i < c->count; i++) {
        fl_predict_one(c, &pool, &c->options[i]);
    }
}

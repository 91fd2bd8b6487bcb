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

void fl_look(struct fl_option *o, uint64_t now_ns)
{
    const struct fl_target_state *s = o->state;
    double fade = fl_measures_see(&s->measures, now_ns, o->seen);
    if (fl_get(s->pace.at_ns) != fl_get(s->measures.at_ns)) { /* their half-lives are equal */
        fade = fl_pace_fade(&s->pace, now_ns);
    }
    fl_pace_see(&s->pace, fade, o->pace);
}

void fl_pool_add(struct fl_pool_seen *pool, const struct fl_option *o)
{
    fl_measures_pool(&pool->measures, o->seen);
    fl_pace_pool(&pool->pace, o->pace);
}

void fl_pool_close(struct fl_pool_seen *pool)
{
    const double second = 1e9;
    const struct fl_measures_seen *m = &pool->measures;
    pool->priors = fl_pace_priors_of(&pool->pace);
    pool->first_ns = fl_mean_or(m->first_byte_ns, second);
    pool->token_ns = fl_mean_or(m->token_ns, 0);
    pool->total_ns = fl_mean_or(m->total_ns, second);
    pool->by_token = m->token_ns.weight > 0 && m->first_byte_ns.weight > 0;
    pool->told = pool->pace.token.weight > 0 || pool->pace.share_ns.weight <= 0;
}

struct fl_pool_seen fl_pool_of(const struct fl_choice *c)
{
    struct fl_pool_seen pool = {.pace.rtt_ns = 0};
    for (unsigned i = 0; i < c->count; i++) {
        fl_pool_add(&pool, &c->options[i]);
    }
    fl_pool_close(&pool);
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
        double failure_ns = fl_mean_or(o->seen->failure_ns, 0);
        o->key += (1 - fl_success_of(o->seen)) * (failure_ns + alternative_ns);
    }
}

/* --- Prediction --- */

#define LATE_NS 0.5e9 /* later by this, or by as much again, a wait is news about the target */
#define LATE_TIMES                                                                                 \
    3.0 /* answers differ in length: a plain one is late after as many times its due */

/* A wait that is longer than what is predicted is a lower bound of what comes. */
static double at_least(double predicted_ns, double waited, double times)
{
    double slack_ns = predicted_ns < LATE_NS ? predicted_ns : LATE_NS;
    return waited > times * predicted_ns + slack_ns ? predicted_ns + waited : predicted_ns;
}

/* ROUTING 1.6: prompts are computed one after another, answers side by side. Where nobody reports
 * tokens, what is known is the share of its target that an attempt takes. */
static double first_ns(const struct fl_option *o, const struct fl_pace_priors *pool)
{
    double prompt = (double)o->pending_tokens + o->tokens.in - o->tokens.cached;
    return o->pace->rtt_ns + prompt * fl_pace_prompt_s(o->pace, pool) * 1e9;
}

static double rest_ns(const struct fl_option *o, const struct fl_pool_seen *pool)
{
    if (pool->told) {
        double batch = 1 + FL_BATCH_GROWTH * (o->in_flight + 1);
        return o->tokens.out * fl_pace_token_s(o->pace, &pool->priors) * batch * 1e9;
    }
    double rest = fl_pace_share_ns(o->pace, &pool->priors) * (o->in_flight + 1) - o->ttft_ns;
    return rest > 0 ? rest : 0;
}

struct fl_latency fl_latency_at(const struct fl_measures_seen *seen,
                                const struct fl_pool_seen *pool, double tokens)
{
    if (!pool->by_token) {
        return fl_latency_of(seen->total_ns, seen->total_s2, pool->total_ns);
    }
    struct fl_latency first =
        fl_latency_of(seen->first_byte_ns, seen->first_byte_s2, pool->first_ns);
    struct fl_latency token = fl_latency_of(seen->token_ns, seen->token_s2, pool->token_ns);
    return (struct fl_latency){first.ns + tokens * token.ns,
                               first.variance_ns2 + tokens * tokens * token.variance_ns2};
}

void fl_predict_one(const struct fl_choice *c, const struct fl_pool_seen *pool, struct fl_option *o)
{
    double stream_waits = waited_ns(&o->state->streams, c->request->now_ns);
    double answer_waits = waited_ns(&o->state->answers, c->request->now_ns);
    o->ttft_ns = at_least(first_ns(o, &pool->priors), stream_waits, 1);
    o->total_ns = o->ttft_ns + rest_ns(o, pool);
    /* What part of the whole the prediction may be off by. */
    struct fl_latency measured = fl_latency_at(o->seen, pool, o->tokens.out);
    o->error_ns = o->total_ns * sqrt(measured.variance_ns2) / measured.ns;
    o->total_ns = at_least(o->total_ns, answer_waits, pool->told ? LATE_TIMES : 1);
    o->success = fl_success_of(o->seen);
}

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

double fl_believed_success(const struct fl_option *o)
{
    double variance =
        o->success * (1 - o->success) / (o->seen->success.weight + FL_PRIOR_SUCCESS_SAMPLES);
    double missing = 1 - o->success, doubt2 = FL_CONFIDENCE * FL_CONFIDENCE * variance;
    return missing * missing <= doubt2 ? 1 : o->success + sqrt(doubt2);
}

void fl_predict(struct fl_choice *c)
{
    struct fl_pool_seen pool = fl_pool_of(c);
    for (unsigned i = 0; i < c->count; i++) {
        fl_predict_one(c, &pool, &c->options[i]);
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

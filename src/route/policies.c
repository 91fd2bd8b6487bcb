/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies: one function and one row of the table at the end for each. Formulas with their
 * sources stand above the functions; docs/add-a-policy.md tells how to add one.
 */
#include "route/policies.h"

#include "base/assert.h"

#include <math.h>

enum { default_tokens_in = 1000, default_tokens_out = 300 };

static double tokens_or(unsigned tokens, unsigned otherwise)
{
    return tokens > 0 ? tokens : otherwise;
}

static double live_weight(const struct fl_option *o)
{
    return o->weight * o->vigour;
}

/* --- round_robin: a counter shared by all workers, from a random start. Score: turns to wait. ---
 */

static void round_robin(struct fl_choice *c)
{
    struct fl_route_state *s = c->route->state;
    uint64_t unset = 0;
    if (fl_get(s->turns) == 0) {
        atomic_compare_exchange_strong_explicit(&s->turns, &unset, (fl_rng_next(c->rng) >> 1) + 1,
                                                memory_order_relaxed, memory_order_relaxed);
    }
    uint64_t turn = atomic_fetch_add_explicit(&s->turns, 1, memory_order_relaxed) % c->count;
    for (unsigned i = 0; i < c->count; i++) {
        unsigned wait = (i + c->count - (unsigned)turn) % c->count;
        c->options[i].key = c->options[i].score = wait;
    }
    c->why = "turn";
}

/* --- weighted_round_robin: nginx's smooth form. Each pick adds to every option its weight, takes
 * the one that has most and takes the sum of weights off it: proportions are exact every sum/gcd
 * picks, and a heavy target's turns are spread. The rest of the plan follow by what they have.
 * Score: what it had. --- */

/* -w / ln(u) is greatest for a target with probability in proportion to its weight (Efraimidis,
 * Spirakis). */
static void draw_by_weight(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score = -log1p(-fl_rng_unit(c->rng)) / live_weight(o);
    }
    c->why = "random";
}

/* Picks among the options of group 0, and keys these by what they have. */
static struct fl_option *take_turns(struct fl_choice *c)
{
    struct fl_route_state *s = c->route->state;
    struct fl_option *best = NULL;
    double total = 0, most = 0;
    fl_lock(&s->lock);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        if (o->group > 0) {
            continue;
        }
        struct fl_turn *turn = &s->turn[o->position];
        if (turn->owner != o->state) {
            *turn = (struct fl_turn){.owner = o->state};
        }
        turn->current += live_weight(o);
        total += live_weight(o);
        o->key = -turn->current;
        if (!best || turn->current > most) {
            most = turn->current;
            best = o;
        }
    }
    fl_assert(best);
    s->turn[best->position].current -= total;
    fl_unlock(&s->lock);
    return best;
}

static void weighted_round_robin(struct fl_choice *c)
{
    if (c->route->primary_count > FL_TURNS_MAX) {
        draw_by_weight(c);
        return;
    }
    struct fl_option *best = take_turns(c);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = -c->options[i].key;
    }
    best->key = -HUGE_VAL; /* one that has as much waits */
    c->why = "turn";
}

/* --- least_connections: fewest in flight for its weight, counted from dispatch. Score: the same.
 * --- */

static void least_connections(struct fl_choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score = (o->in_flight + 1) / live_weight(o);
    }
    c->why = "fewest-in-flight";
}

/* --- least_response_time: predicted completion (ROUTING "least expected work"). What an attempt of
 * this size takes at the target, per attempt in flight when that was measured, times those in
 * flight with this one:
 *
 *   L  = TTFT + tokens * TPOT, or the whole duration while nobody reports tokens
 *   l  = L / load * (in flight + 1), at least the age of the attempt that waits longest for its
 * first byte l' = l + (1 - success) * (time to failure + the best other target's l)
 *
 * Each mean is drawn towards the pool's, which is all that is known of a cold target; l' keeps a
 * target that fails fast from looking fast. Score: l' in milliseconds. --- */

static double work_of(const struct fl_measures_seen *m, const struct fl_measures_seen *pool,
                      double tokens)
{
    const double k = FL_PRIOR_SAMPLES, second = 1e9;
    double load = fl_mean_shrunk(m->load, fl_mean_or(pool->load, 1), k);
    double ns;
    if (pool->token_ns.weight > 0) {
        ns = fl_mean_shrunk(m->first_byte_ns, fl_mean_or(pool->first_byte_ns, second), k) +
             tokens * fl_mean_shrunk(m->token_ns, fl_mean_or(pool->token_ns, 0), k);
    } else {
        ns = fl_mean_shrunk(m->total_ns, fl_mean_or(pool->total_ns, second), k);
    }
    return ns / load;
}

static double age_of(const struct fl_target_state *s, uint64_t now_ns)
{
    uint64_t oldest_ns = fl_get(s->oldest_ns);
    return oldest_ns < now_ns ? (double)(now_ns - oldest_ns) : 0;
}

static struct fl_measures_seen pool_of(const struct fl_choice *c)
{
    struct fl_measures_seen pool = {.load = {0, 0}};
    for (unsigned i = 0; i < c->count; i++) {
        fl_measures_pool(&pool, &c->options[i].seen);
    }
    return pool;
}

/* The two least keys: of the best option, and what the best has as its alternative. */
static void two_least(const struct fl_choice *c, double ret_least[2])
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

static void least_response_time(struct fl_choice *c)
{
    struct fl_measures_seen pool = pool_of(c);
    double tokens = tokens_or(c->request->tokens_out, default_tokens_out), least[2];
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = fmax(work_of(&o->seen, &pool, tokens) * (o->in_flight + 1),
                      age_of(o->state, c->request->now_ns));
    }
    two_least(c, least);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double alternative_ns = o->key > least[0] ? least[0] : least[1];
        double failure_ns = fl_mean_or(o->seen.failure_ns, 0);
        o->key += (1 - fl_success_of(&o->seen)) * (failure_ns + alternative_ns);
        o->key /= o->merit;
        o->score = o->key / 1e6;
    }
    c->why = "fastest";
}

/* --- ip_hash: weighted rendezvous (Thaler, Ravishankar; weights by -w / ln(u)): a target that goes
 * takes only its own clients with it. Loads are bounded (Mirrokni, Thorup, Zadimoghaddam): a target
 * with its share of 1.25 times the mean in flight yields to the client's next best. Weights are the
 * configured ones, so that clients do not move with each failure. A request without a client key is
 * placed at random by weight. Score: -ln(u) / w. --- */

#define LOAD_BOUND 1.25

/* A key of the client's own first, so that neither hash needs a joined copy of both names. */
static struct fl_hash_key client_key(const struct fl_choice *c)
{
    struct fl_hash_key key = c->table->hash_key;
    key.k0 ^= fl_hash(key, c->request->client);
    return key;
}

static void bound_loads(struct fl_choice *c)
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

static void ip_hash(struct fl_choice *c)
{
    if (c->request->client.len == 0) {
        draw_by_weight(c);
        return;
    }
    struct fl_hash_key key = client_key(c);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double u = ((double)(fl_hash(key, o->target->id) >> 11) + 0.5) * 0x1p-53;
        o->key = o->score = -log(u) / o->weight;
    }
    bound_loads(c);
    c->why = "client-hash";
}

/* --- cost: the expected price of this request, times the multiplier; ties take turns by weight.
 * Targets without a price come after those with one, by their multiplier. Score: micro-USD, or the
 * multiplier. --- */

static double price_of(const struct fl_option *o, const struct fl_route_request *request)
{
    const struct fl_target *t = o->target;
    double tokens = tokens_or(request->tokens_in, default_tokens_in) * (double)t->price_in +
                    tokens_or(request->tokens_out, default_tokens_out) * (double)t->price_out;
    return t->priced ? tokens / 1e6 * t->cost_multiplier : t->cost_multiplier;
}

/* Before or after in price, by more than rounding. */
static bool dearer(const struct fl_option *a, const struct fl_option *b)
{
    return a->target->priced == b->target->priced ? a->score > b->score * (1 + 1e-9)
                                                  : b->target->priced;
}

static void cost(struct fl_choice *c)
{
    const struct fl_option *cheapest = &c->options[0];
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = price_of(&c->options[i], c->request);
        if (dearer(cheapest, &c->options[i])) {
            cheapest = &c->options[i];
        }
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score;
        o->group = !dearer(o, cheapest) ? 0 : o->target->priced ? 1 : 2;
    }
    if (c->route->primary_count <= FL_TURNS_MAX) {
        take_turns(c)->key = -HUGE_VAL;
    }
    c->why = "cheapest";
}

/* --- performance: 0.6 * success + 0.4 * (1 - min(L / 10 s, 1)) + bonus, L the latency of 300
 * output tokens, all from means drawn to the pool's, so that a cold target is tried as an average
 * one. What is within 0.01 of the best is as good: among those the fewest in flight goes first.
 * Score: the sum. --- */

#define LATENCY_WORST_NS 10e9
#define AS_GOOD          0.01

static double performance_of(const struct fl_option *o, const struct fl_measures_seen *pool)
{
    double load = fl_mean_shrunk(o->seen.load, fl_mean_or(pool->load, 1), FL_PRIOR_SAMPLES);
    double latency_ns = work_of(&o->seen, pool, default_tokens_out) * load;
    return 0.6 * fl_success_of(&o->seen) + 0.4 * (1 - fmin(latency_ns / LATENCY_WORST_NS, 1)) +
           o->target->performance_bonus;
}

static void performance(struct fl_choice *c)
{
    struct fl_measures_seen pool = pool_of(c);
    double best = -HUGE_VAL;
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].score = performance_of(&c->options[i], &pool);
        best = fmax(best, c->options[i].score);
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->score < best - AS_GOOD;
        o->key = o->group == 0 ? (o->in_flight + 1) / o->weight : -o->score;
    }
    c->why = "best-score";
}

/* --- The table: a row for each policy, those of load_balance and hybrid by algorithm first. --- */

enum { row_cost = FL_ALGORITHM_COUNT, row_performance, row_count };

static const struct fl_policy rows[row_count] = {
    [FL_WEIGHTED_ROUND_ROBIN] = {"weighted_round_robin", weighted_round_robin, false},
    [FL_ROUND_ROBIN] = {"round_robin", round_robin, false},
    [FL_LEAST_CONNECTIONS] = {"least_connections", least_connections, false},
    [FL_LEAST_RESPONSE_TIME] = {"least_response_time", least_response_time, true},
    [FL_IP_HASH] = {"ip_hash", ip_hash, false},
    [row_cost] = {"cost", cost, false},
    [row_performance] = {"performance", performance, true},
};

const struct fl_policy *fl_policy_of(enum fl_strategy strategy, enum fl_algorithm algorithm)
{
    fl_assert((unsigned)algorithm < FL_ALGORITHM_COUNT);
    switch (strategy) {
    case FL_STRATEGY_COST:
        return &rows[row_cost];
    case FL_STRATEGY_PERFORMANCE:
        return &rows[row_performance];
    case FL_STRATEGY_HYBRID:
    case FL_STRATEGY_LOAD_BALANCE:
    case FL_STRATEGY_COUNT:
        break;
    }
    return &rows[algorithm];
}

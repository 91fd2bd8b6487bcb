/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid: cost, then performance, then load balancing, in one unit. Of the targets that may answer:
 *
 *   prefer   those that the route prefers for this kind of task, where it says so; of these, where the
 *            quality of two or more models is learned, those within 0.02 of the best
 *            U = quality - lambda * price, the unproven left out (policy/quality.c)
 *   score    J = L + (1 - p) * (time to failure + the best other's L) + (c - least c) / w
 *              L  predicted TTFT + gamma * (total - TTFT); gamma 0.1 for a stream, 1 otherwise
 *              p  success. L is apart from the fastest's, and p from 1, only by what is beyond
 *                 doubt: one slow answer moves nothing, and a cold target is tried
 *              c  expected price; a target without one counts as the mean of
 *                 those with one; none has: 0
 *              w  what a second of waiting is worth in USD
 *   tie      all within 5 % of the least J are as good; of these, those within 5 % of the cheapest.
 *            Among them:
 *   home     a session stays at its home by rendezvous, loads bounded, and leaves it only for a
 *            target that is better by more than the lost cache is worth; a long prompt goes to the
 *            home of its first 4 KiB
 *   turn     smooth weighted turns, or what the route's algorithm says. Weight: the configured one
 *            times (1 + bonus), and over the multiplier where there is no price
 *
 * One request in fifty is given to a target outside the tie that may be as good for all that is
 * known, one at a time, so that estimates recover. Score: J in milliseconds.
 */
#include "route/policy/common.h"

#include "base/assert.h"

#include <math.h>

#define TIE            1.05
#define EXPLORE        0.02
#define WAIT_USD_PER_S 0.01
#define LOAD_BOUND     1.25

enum { long_prefix_blocks = 16 };

enum term {
    LATENCY_MS,
    FAILURE_MS,
    COST_MS,
    COST_USD,
    PREDICTED_MS,
    ERROR_MS,
    SUCCESS,
    CACHED,
    TERMS
};
static const char *const terms[TERMS] = {"latency_ms",   "failure_ms", "cost_ms", "cost_usd",
                                         "predicted_ms", "error_ms",   "success", "cached_tokens"};

enum { GROUP_TIE, GROUP_WORSE, GROUP_OTHERS };

static double ns_per_usd(const struct fl_choice *c)
{
    double wait = c->table->settings.wait_usd_per_second;
    return 1e9 / (wait > 0 ? wait : WAIT_USD_PER_S);
}

/* --- prefer --- */

static bool is_preferred(const struct fl_choice *c, unsigned target)
{
    enum fl_task task = c->request->task;
    for (unsigned i = 0; i < c->route->preferred_count[task]; i++) {
        if (c->route->preferred[task][i] == target) {
            return true;
        }
    }
    return false;
}

/* The rest goes to GROUP_OTHERS. How many are left? */
static unsigned prefer(struct fl_choice *c)
{
    unsigned preferred = 0;
    for (unsigned i = 0; c->request->task_known && i < c->count; i++) {
        preferred += is_preferred(c, c->options[i].index);
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = preferred > 0 && !is_preferred(c, o->index) ? GROUP_OTHERS : GROUP_TIE;
    }
    return preferred > 0 ? preferred : c->count;
}

#define AS_GOOD 0.02

/* The model before the endpoint. */
static double worth_of(const struct fl_choice *c, const struct fl_option *o)
{
    return o->quality - c->request->quality_price * (o->priced ? (double)o->cost.p50 : 0);
}

static bool is_judged(const struct fl_option *o)
{
    return o->group == GROUP_TIE && !isnan(o->quality) && !o->unproven;
}

static unsigned prefer_quality(struct fl_choice *c, unsigned left)
{
    double best = -HUGE_VAL;
    unsigned judged = 0;
    for (unsigned i = 0; c->request->quality && i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        if (is_judged(o)) {
            judged++;
            best = worth_of(c, o) > best ? worth_of(c, o) : best;
        }
    }
    if (judged < 2) {
        return left;
    }
    left = 0;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        if (o->group == GROUP_TIE && !(is_judged(o) && worth_of(c, o) >= best - AS_GOOD)) {
            o->group = GROUP_OTHERS;
        }
        left += o->group == GROUP_TIE;
    }
    return left;
}

/* --- score --- */

/* Expected USD; without a price NAN. */
static double usd_of(const struct fl_option *o)
{
    return o->priced ? (double)o->cost.p50 / 1e12 : (double)NAN;
}

/* The least of all prices, and what an unpriced target counts as. */
static void price_range(const struct fl_choice *c, double *ret_least, double *ret_unpriced)
{
    double least = HUGE_VAL, sum = 0;
    unsigned priced = 0;
    for (unsigned i = 0; i < c->count; i++) {
        double usd = usd_of(&c->options[i]);
        if (c->options[i].priced) {
            least = usd < least ? usd : least;
            sum += usd;
            priced++;
        }
    }
    *ret_least = priced > 0 ? least : 0;
    *ret_unpriced = priced > 0 ? sum / priced : 0;
}

/* Latencies, as far as they are beyond doubt, into the keys. */
static void believe(struct fl_choice *c)
{
    double latencies_ns[FL_ROUTE_TARGETS_MAX], errors_ns[FL_ROUTE_TARGETS_MAX];
    double gamma = fl_gamma(c);
    for (unsigned i = 0; i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        latencies_ns[i] = o->ttft_ns + gamma * (o->total_ns - o->ttft_ns);
        errors_ns[i] = o->error_ns * latencies_ns[i] / (o->total_ns + 1);
    }
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].terms[ERROR_MS] = errors_ns[i] / 1e6;
        c->options[i].terms[PREDICTED_MS] = latencies_ns[i] / 1e6;
    }
    fl_believe(c->count, latencies_ns, errors_ns);
    for (unsigned i = 0; i < c->count; i++) {
        c->options[i].key = latencies_ns[i];
        c->options[i].terms[LATENCY_MS] = latencies_ns[i] / 1e6;
    }
}

static void score(struct fl_choice *c)
{
    double least_usd, unpriced_usd, least[2];
    price_range(c, &least_usd, &unpriced_usd);
    believe(c);
    fl_two_least_keys(c, least);
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double usd = o->priced ? usd_of(o) : unpriced_usd;
        double other_ns = o->key > least[0] ? least[0] : least[1];
        double failure_ns = fl_mean_or(o->seen->failure_ns, 0) + other_ns;
        o->terms[FAILURE_MS] = (1 - fl_believed_success(o)) * failure_ns / 1e6;
        o->terms[COST_USD] = usd;
        o->terms[COST_MS] = (usd - least_usd) * ns_per_usd(c) / 1e6;
        o->terms[CACHED] = o->tokens.cached;
        o->terms[SUCCESS] = o->success;
        o->score = o->terms[LATENCY_MS] + o->terms[FAILURE_MS] + o->terms[COST_MS];
        o->key = o->score;
    }
    c->terms = terms;
    c->term_count = TERMS;
}

/* --- tie --- */

/* What is in GROUP_TIE and has more than *limit* of a term goes to GROUP_WORSE; how many are left? */
static unsigned keep_within(struct fl_choice *c, double limit,
                            double (*value_of)(const struct fl_option *))
{
    unsigned left = 0;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        if (o->group == GROUP_TIE && value_of(o) > limit) {
            o->group = GROUP_WORSE;
        }
        left += o->group == GROUP_TIE;
    }
    return left;
}

static double least_of(const struct fl_choice *c, double (*value_of)(const struct fl_option *))
{
    double least = HUGE_VAL;
    for (unsigned i = 0; i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        least = o->group == GROUP_TIE && value_of(o) < least ? value_of(o) : least;
    }
    return least;
}

static double score_of(const struct fl_option *o)
{
    return o->score;
}

static double usd_term_of(const struct fl_option *o)
{
    return o->terms[COST_USD];
}

/* Groups what is not in the tie; the least score, and how many tie. */
static double tie(struct fl_choice *c, unsigned *ret_count)
{
    double best = least_of(c, score_of);
    (void)keep_within(c, best * TIE, score_of);
    *ret_count = keep_within(c, least_of(c, usd_term_of) * TIE, usd_term_of);
    return best;
}

static void win(struct fl_choice *c, struct fl_option *o, const char *why)
{
    o->group = GROUP_TIE;
    o->key = -HUGE_VAL;
    c->why = why;
}

/* --- home --- */

/* The home of *bytes* among the options up to a group, loads bounded; or NULL. */
static struct fl_option *home_of(const struct fl_choice *c, struct fl_slice bytes,
                                 unsigned group_max)
{
    struct fl_hash_key key = fl_key_of(c, bytes);
    struct fl_option *home = NULL;
    double weights = 0, in_flight = 1, least = HUGE_VAL;
    for (unsigned i = 0; i < c->count; i++) {
        weights += c->options[i].weight;
        in_flight += c->options[i].in_flight;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double at = fl_rendezvous(key, o);
        bool full = o->in_flight >= ceil(LOAD_BOUND * in_flight * o->weight / weights);
        if (o->group <= group_max && !full && at < least) {
            least = at;
            home = o;
        }
    }
    return home;
}

/* What a warm cache at the target saves of this request, in ms of its score. */
static double cache_worth_ms(const struct fl_choice *c, const struct fl_option *o)
{
    const struct fl_target *t = o->target;
    if (!o->priced || t->price_in <= t->price_cached) {
        return 0;
    }
    double usd = (double)(t->price_in - t->price_cached) * o->tokens.in / 1e12;
    return usd * t->cost_multiplier * ns_per_usd(c) / 1e6;
}

static struct fl_option *session_home(const struct fl_choice *c, double best)
{
    struct fl_option *home = home_of(c, c->request->session, GROUP_WORSE);
    if (home && home->group != GROUP_TIE && home->score > best + cache_worth_ms(c, home)) {
        home = NULL;
    }
    return home ? home : home_of(c, c->request->session, GROUP_TIE);
}

static bool go_home(struct fl_choice *c, double best)
{
    const struct fl_route_request *r = c->request;
    struct fl_option *home = NULL;
    if (r->session.len > 0) {
        home = session_home(c, best);
    } else if (r->prefix_count >= long_prefix_blocks) {
        const uint64_t *block = &r->prefix[long_prefix_blocks - 1];
        home = home_of(c, fl_slice((const char *)block, sizeof(*block)), GROUP_TIE);
    }
    if (home) {
        win(c, home, r->session.len > 0 ? "session" : "prefix");
    }
    return home != NULL;
}

/* --- explore --- */

/* One at a time: what the one before found out is worth waiting for, and a target that has become slow
 * keeps those that ask it longest. */
static bool may_be_as_good(const struct fl_option *o, double best)
{
    return o->group == GROUP_WORSE && o->in_flight == 0 &&
           o->score - FL_CONFIDENCE * o->terms[ERROR_MS] <= best * TIE;
}

static bool explore(struct fl_choice *c, double best)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        count += may_be_as_good(&c->options[i], best);
    }
    if (count == 0) {
        return false;
    }
    if (fl_rng_unit(c->rng) >= EXPLORE) {
        c->propensity *= 1 - EXPLORE;
        return false;
    }
    unsigned skip = (unsigned)fl_rng_below(c->rng, count);
    for (unsigned i = 0; i < c->count; i++) {
        if (may_be_as_good(&c->options[i], best) && skip-- == 0) {
            win(c, &c->options[i], "explore");
            break;
        }
    }
    c->propensity = EXPLORE / count;
    return true;
}

/* --- turn --- */

static double share_of(const struct fl_option *o)
{
    double merit = 1 + o->target->performance_bonus;
    merit /= o->priced ? 1 : o->target->cost_multiplier;
    return fl_live_weight(o) * fmin(fmax(merit, 1.0 / 16), 16);
}

/* The tie's members first in the array, for an algorithm that takes what it is given. */
static unsigned gather_tie(struct fl_choice *c)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        if (c->options[i].group == GROUP_TIE) {
            struct fl_option swapped = c->options[count];
            c->options[count++] = c->options[i];
            c->options[i] = swapped;
        }
    }
    return count;
}

static void balance_tie(struct fl_choice *c)
{
    struct fl_choice sub = *c;
    sub.count = gather_tie(c);
    if (sub.count > 1) {
        double scores[FL_ROUTE_TARGETS_MAX];
        for (unsigned i = 0; i < sub.count; i++) {
            scores[i] = c->options[i].score;
        }
        fl_policy_of(FL_STRATEGY_LOAD_BALANCE, c->algorithm)->order(&sub);
        for (unsigned i = 0; i < sub.count; i++) { /* its groups before those that are worse */
            struct fl_option *o = &c->options[i];
            o->key = o->group > 0 ? HUGE_VAL : o->key;
            o->group = GROUP_TIE;
            o->score = scores[i];
        }
        c->why = sub.why;
        c->propensity *= sub.propensity;
    }
}

static void turn(struct fl_choice *c)
{
    double weights[FL_ROUTE_TARGETS_MAX];
    for (unsigned i = 0; i < c->count; i++) {
        weights[i] = share_of(&c->options[i]);
    }
    if (fl_turns_fit(c)) {
        win(c, fl_take_turns(c, weights), "turn");
        return;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->group == GROUP_TIE ? -log1p(-fl_rng_unit(c->rng)) / weights[i] : o->key;
    }
    c->why = "random";
}

void fl_policy_hybrid(struct fl_choice *c)
{
    unsigned left = prefer_quality(c, prefer(c)), tied;
    score(c);
    double best = tie(c, &tied);
    fl_assert(tied > 0);
    if (go_home(c, best) || explore(c, best)) {
        return;
    }
    c->why = tied < left ? "best" : "preferred";
    if (tied > 1 && c->algorithm == FL_WEIGHTED_ROUND_ROBIN) {
        turn(c);
    } else if (tied > 1) {
        balance_tie(c);
    }
}

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
    if (!c->request->task_known || c->route->preferred_count[c->request->task] == 0) {
        return c->count;
    }
    for (unsigned i = 0; i < c->count; i++) {
        preferred += is_preferred(c, c->options[i].index);
    }
    for (unsigned i = 0; preferred > 0 && i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = is_preferred(c, o->index) ? GROUP_TIE : GROUP_OTHERS;
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

/* The least score in GROUP_TIE. */
static double score(struct fl_choice *c)
{
    double best = HUGE_VAL;
    for (unsigned i = 0; i < c->count; i++) {
        const struct fl_option *o = &c->options[i];
        double picousd = o->priced ? (double)o->cost.p50 : (double)NAN;
        fl_outlook_put(c->outlook, i, FL_SEES_USD, picousd);
    }
    fl_outlook_weigh(c->outlook, fl_gamma(c), ns_per_usd(c));
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double own = fl_outlook_at(c->outlook, i, FL_SEES_SCORE);
        o->key = o->score = own;
        best = o->group == GROUP_TIE && own < best ? own : best;
    }
    c->terms = terms;
    c->term_count = TERMS;
    return best;
}

void fl_explain_hybrid(const struct fl_choice *c, const struct fl_option *o,
                       double ret_terms[FL_TERMS_MAX])
{
    static const enum fl_column columns[TERMS] = {
        [LATENCY_MS] = FL_SEES_LATENCY_MS,     [FAILURE_MS] = FL_SEES_FAILURE_MS,
        [COST_MS] = FL_SEES_COST_MS,           [COST_USD] = FL_SEES_USD,
        [PREDICTED_MS] = FL_SEES_PREDICTED_MS, [ERROR_MS] = FL_SEES_ERROR_MS,
        [SUCCESS] = FL_SEES_SUCCEEDS};
    for (unsigned i = 0; i < CACHED; i++) {
        ret_terms[i] = fl_outlook_at(c->outlook, o->place, columns[i]);
    }
    ret_terms[CACHED] = o->tokens.cached;
}

/* --- tie --- */

/* Those within 5 % of the least score, and of these those within 5 % of the least price, stay in
 * GROUP_TIE; how many? */
static unsigned tie(struct fl_choice *c, double best)
{
    double cheapest = HUGE_VAL;
    unsigned count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        if (o->group == GROUP_TIE && o->score > best * TIE) {
            o->group = GROUP_WORSE;
        } else if (o->group == GROUP_TIE) {
            double usd = fl_outlook_at(c->outlook, i, FL_SEES_USD);
            cheapest = usd < cheapest ? usd : cheapest;
        }
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        double usd = fl_outlook_at(c->outlook, i, FL_SEES_USD);
        o->group = o->group == GROUP_TIE && usd > cheapest * TIE ? GROUP_WORSE : o->group;
        count += o->group == GROUP_TIE;
    }
    return count;
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
static bool may_be_as_good(const struct fl_choice *c, const struct fl_option *o, double best)
{
    return o->group == GROUP_WORSE && o->in_flight == 0 &&
           o->score - FL_CONFIDENCE * fl_outlook_at(c->outlook, o->place, FL_SEES_ERROR_MS) <=
               best * TIE;
}

static bool explore(struct fl_choice *c, double best)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        count += may_be_as_good(c, &c->options[i], best);
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
        if (may_be_as_good(c, &c->options[i], best) && skip-- == 0) {
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
    merit = o->priced ? merit : merit / o->target->cost_multiplier;
    merit = merit < 1.0 / 16 ? 1.0 / 16 : merit > 16 ? 16 : merit;
    return fl_live_weight(o) * merit;
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
    unsigned left = prefer_quality(c, prefer(c));
    double best = score(c);
    unsigned tied = tie(c, best);
    fl_assert(tied > 0);
    if (go_home(c, best) || (tied < left && explore(c, best))) {
        return;
    }
    c->why = tied < left ? "best" : "preferred";
    if (tied > 1 && c->algorithm == FL_WEIGHTED_ROUND_ROBIN) {
        turn(c);
    } else if (tied > 1) {
        balance_tie(c);
    }
}

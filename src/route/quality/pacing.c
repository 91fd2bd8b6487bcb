/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/pacing.h"

#include "base/assert.h"

#include <math.h>
#include <string.h>

/* Near the end the remaining share jumps: one request moves lambda by at most this many steps. */
enum { ppm = 1000000, over_max = 4 };

enum {
    solved_each = 64, /* requests of a period after whose every one the price is found anew; */
    solved_every = 8  /* later after so many */
};

#define RECENT 0.003 /* what a request adds to what is known of the last few */
#define DOUBT  3.0   /* how fast earlier periods lose belief when this one is not like them */
#define SHARES 10.0  /* by what was foreseen, before it is compared with what was spent */

/* --- Demand --- */

/* A step is what a double's exponent and the first three bits behind it say, counted from the least. */
enum { step_shift = 52 - 3, least_step = (1023 - FL_PACING_OCTAVES) * FL_PACING_OCTAVE };
_Static_assert(FL_PACING_OCTAVE == 1 << 3, "three bits make a step");

static unsigned step_of(double price)
{
    uint64_t bits;
    memcpy(&bits, &price, sizeof(bits));
    uint64_t step = bits >> step_shift;
    return step < least_step                     ? 0
           : step - least_step < FL_PACING_STEPS ? (unsigned)(step - least_step)
                                                 : FL_PACING_STEPS - 1;
}

static double begin_of(unsigned step)
{
    uint64_t bits = (uint64_t)(step + least_step) << step_shift;
    double price;
    memcpy(&price, &bits, sizeof(price));
    return price;
}

/* Where *part* of the step lies below. */
static double price_in(unsigned step, double part)
{
    return begin_of(step) + part * (begin_of(step + 1) - begin_of(step));
}

static void add_more(struct fl_pacing *p, double price, double picousd)
{
    unsigned step = step_of(price);
    p->now.more[step] += picousd;
    p->recent.more[step] += picousd;
    p->foreseen_picousd += price > fl_pacing_price(p) ? picousd : 0;
}

static void fade(struct fl_pacing_demand *d, double keeps)
{
    d->requests *= keeps;
    d->least_picousd *= keeps;
    for (unsigned i = 0; i < FL_PACING_STEPS; i++) {
        d->more[i] *= keeps;
    }
}

static void add_least(struct fl_pacing *p, uint64_t picousd)
{
    fade(&p->recent, 1 - RECENT);
    p->now.requests++;
    p->recent.requests++;
    p->now.least_picousd += (double)picousd;
    p->recent.least_picousd += (double)picousd;
    p->foreseen_picousd += (double)picousd;
}

/* The option that gives most for what it costs more than this one, or this one. */
static unsigned next_of(unsigned at, const double *quality, const uint64_t *cost_picousd,
                        unsigned count, double *ret_price)
{
    unsigned next = at;
    *ret_price = 0;
    for (unsigned i = 0; i < count; i++) {
        double more = (double)cost_picousd[i] - (double)cost_picousd[at];
        if (more > 0 && (quality[i] - quality[at]) / more > *ret_price) {
            *ret_price = (quality[i] - quality[at]) / more;
            next = i;
        }
    }
    return next;
}

void fl_pacing_see(struct fl_pacing *p, const double *quality, const uint64_t *cost_picousd,
                   unsigned count)
{
    unsigned at = 0, next;
    double price;
    fl_assert(count > 0);
    for (unsigned i = 1; i < count; i++) {
        if (cost_picousd[i] < cost_picousd[at] ||
            (cost_picousd[i] == cost_picousd[at] && quality[i] > quality[at])) {
            at = i;
        }
    }
    add_least(p, cost_picousd[at]);
    while ((next = next_of(at, quality, cost_picousd, count, &price)) != at) {
        add_more(p, price, (double)(cost_picousd[next] - cost_picousd[at]));
        at = next;
    }
}

/* What is expected of a request still to come. */
struct prospect {
    double least_picousd, more[FL_PACING_STEPS];
};

/* By those of this period that were seen. */
static void expect_recent(const struct fl_pacing *p, struct prospect *ret)
{
    double one = p->recent.requests > 0 ? 1 / p->recent.requests : 0;
    ret->least_picousd = p->recent.least_picousd * one;
    for (unsigned i = 0; i < FL_PACING_STEPS; i++) {
        ret->more[i] = p->recent.more[i] * one;
    }
}

/* And by what earlier periods say is still to come. */
static void expect(const struct fl_pacing *p, double requests_left, struct prospect *ret)
{
    double left = 0, over = 0;
    expect_recent(p, ret);
    if (!(p->before.requests > 0)) {
        return;
    }
    double grown = (p->now.requests + requests_left) / p->before.requests;
    for (unsigned i = 0; i < FL_PACING_STEPS; i++) {
        double rest = p->before.more[i] * grown - p->now.more[i];
        left += rest > 0 ? rest : 0;
        over -= rest < 0 ? rest : 0;
    }
    double doubt = DOUBT * over < left ? DOUBT * over / left : over > 0;
    doubt = p->now.requests > 0 ? doubt : 0;
    double least = p->before.least_picousd / p->before.requests;
    ret->least_picousd = (1 - doubt) * least + doubt * ret->least_picousd;
    for (unsigned i = 0; i < FL_PACING_STEPS; i++) {
        double rest = p->before.more[i] * grown - p->now.more[i];
        ret->more[i] = (1 - doubt) * (rest > 0 ? rest / requests_left : 0) + doubt * ret->more[i];
    }
}

static uint64_t left_of(const struct fl_pacing *p)
{
    return p->budget_picousd > p->spent_picousd ? p->budget_picousd - p->spent_picousd : 0;
}

/* The present one included. */
static double requests_left(const struct fl_pacing *p)
{
    return p->requests < p->requests_expected ? (double)(p->requests_expected - p->requests) : 1;
}

/* How much dearer requests are than it was foreseen. */
static double dearness(const struct fl_pacing *p)
{
    double some = SHARES * p->share_picousd, charged = (double)p->requests;
    double seen = p->now.requests > charged ? p->now.requests : charged;
    double part = seen > 0 ? charged / seen : 0; /* others are still on their way */
    return ((double)p->spent_picousd + some) / (p->foreseen_picousd * part + some);
}

/* The price at which what is left is spent on what is to come. */
static void solve(struct fl_pacing *p)
{
    struct prospect o;
    expect(p, requests_left(p), &o);
    double want = (double)left_of(p) / requests_left(p) / dearness(p) - o.least_picousd;
    double price = want > 0 ? 0 : begin_of(FL_PACING_STEPS);
    for (unsigned i = FL_PACING_STEPS; i-- > 0 && want > 0;) {
        if (o.more[i] >= want) {
            price = price_in(i, 1 - want / o.more[i]);
        }
        want -= o.more[i];
    }
    p->lambda = price * p->share_picousd;
}

static bool has_seen(const struct fl_pacing *p)
{
    return p->now.requests > 0 || p->before.requests > 0;
}

/* --- Budget --- */

void fl_pacing_expect(struct fl_pacing *p, uint64_t requests_expected)
{
    fl_assert(requests_expected > 0);
    p->requests_expected = requests_expected;
    p->share_picousd = (double)p->budget_picousd / (double)requests_expected;
    p->rate = FL_PACING_RATE / sqrt((double)requests_expected);
    if (has_seen(p)) {
        solve(p);
    }
}

void fl_pacing_init(struct fl_pacing *p, uint64_t budget_picousd, uint64_t requests_expected)
{
    fl_assert(budget_picousd > 0);
    *p = (struct fl_pacing){.budget_picousd = budget_picousd};
    fl_pacing_expect(p, requests_expected);
}

void fl_pacing_renew(struct fl_pacing *p)
{
    p->spent_picousd = 0;
    p->requests = 0;
    p->foreseen_picousd = 0;
    if (p->now.requests > 0) {
        bool first = !(p->before.requests > 0);
        fade(&p->before, 0.5);
        fade(&p->now, first ? 1 : 0.5);
        p->before.requests += p->now.requests;
        p->before.least_picousd += p->now.least_picousd;
        for (unsigned i = 0; i < FL_PACING_STEPS; i++) {
            p->before.more[i] += p->now.more[i];
        }
        p->now = (struct fl_pacing_demand){0};
        solve(p);
    }
}

double fl_pacing_price(const struct fl_pacing *p)
{
    return p->lambda / p->share_picousd;
}

static uint64_t cheapest(const uint64_t *cost, unsigned count)
{
    uint64_t least = cost[0];
    for (unsigned i = 1; i < count; i++) {
        least = cost[i] < least ? cost[i] : least;
    }
    return least;
}

unsigned fl_pacing_choose(const struct fl_pacing *p, const double *quality,
                          const uint64_t *cost_picousd, unsigned count)
{
    fl_assert(count > 0);
    double price = fl_pacing_price(p), best_value = 0;
    double left = (double)left_of(p);
    uint64_t least = cheapest(cost_picousd, count);
    double kept = (requests_left(p) - 1) * (double)least; /* for the requests still to come */
    unsigned best = count;
    for (unsigned i = 0; i < count; i++) {
        double value = quality[i] - price * (double)cost_picousd[i];
        bool fits = (double)cost_picousd[i] + kept <= left || cost_picousd[i] == least;
        bool better = best == count || value > best_value ||
                      (!(value < best_value) && cost_picousd[i] < cost_picousd[best]);
        if (fits && better) {
            best = i;
            best_value = value;
        }
    }
    return best;
}

/* By the pace alone. */
static void descend(struct fl_pacing *p, uint64_t cost_picousd)
{
    double left = (double)left_of(p), over = over_max;
    double requests =
        p->requests < p->requests_expected ? (double)(p->requests_expected - p->requests) : 1;
    if ((double)cost_picousd * requests < left * (1 + over_max)) {
        over = (double)cost_picousd * requests / left - 1;
    }
    double lambda = p->lambda + p->rate * over;
    p->lambda = lambda > 0 ? lambda : 0;
}

void fl_pacing_charge(struct fl_pacing *p, uint64_t cost_picousd)
{
    if (!has_seen(p)) {
        descend(p, cost_picousd);
    }
    p->spent_picousd += cost_picousd;
    p->requests++;
    if (has_seen(p) && (p->requests < solved_each || p->requests % solved_every == 0)) {
        solve(p);
    }
}

void fl_escalation_init(struct fl_escalation *e, uint32_t share_ppm, uint32_t burst)
{
    fl_assert(share_ppm <= ppm);
    *e = (struct fl_escalation){share_ppm, burst, (uint64_t)burst * ppm};
}

bool fl_escalation_admit(struct fl_escalation *e, bool wanted)
{
    uint64_t most = ((uint64_t)e->burst + 1) * ppm;
    e->tokens_ppm += e->share_ppm;
    e->tokens_ppm = e->tokens_ppm > most ? most : e->tokens_ppm;
    if (!wanted || e->tokens_ppm < ppm) {
        return false;
    }
    e->tokens_ppm -= ppm;
    return true;
}

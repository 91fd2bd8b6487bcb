/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/pacing.h"

#include "base/assert.h"

#include <math.h>

/* Near the end the remaining share jumps: one request moves lambda by at most this many steps. */
enum { ppm = 1000000, over_max = 4 };

void fl_pacing_expect(struct fl_pacing *p, uint64_t requests_expected)
{
    fl_assert(requests_expected > 0);
    p->requests_expected = requests_expected;
    p->share_picousd = (double)p->budget_picousd / (double)requests_expected;
    p->rate = FL_PACING_RATE / sqrt((double)requests_expected);
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
}

double fl_pacing_price(const struct fl_pacing *p)
{
    return p->lambda / p->share_picousd;
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

void fl_pacing_charge(struct fl_pacing *p, uint64_t cost_picousd)
{
    double left = (double)left_of(p), over = over_max;
    double requests =
        p->requests < p->requests_expected ? (double)(p->requests_expected - p->requests) : 1;
    if ((double)cost_picousd * requests < left * (1 + over_max)) {
        over = (double)cost_picousd * requests / left - 1;
    }
    double lambda = p->lambda + p->rate * over;
    p->lambda = lambda > 0 ? lambda : 0;
    p->spent_picousd += cost_picousd;
    p->requests++;
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

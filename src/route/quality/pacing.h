/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spending a budget evenly and well: each request takes the option with the greatest
 * quality - price * cost, and the price (lambda) is what the budget makes it.
 *
 * Of each request it is noted how much more it would spend below which price (fl_pacing_see()): a
 * request that may have 0.3 more for 1,000 pico-USD spends them below 0.0003. Added up, that is the
 * demand: what requests like these spend at any price. The price is the one at which the demand spends
 * what is left, in even shares for as many requests as are still expected; so a lead is paid back over
 * the whole rest and not at once, and the period ends with the budget spent.
 *
 *   a first period      the demand is that of the last few hundred requests
 *   a later one         earlier periods tell the demand of a whole period; less what came of it already,
 *                       that is the demand still to come. Requests may come in any order then: a morning
 *                       of easy ones does not make the price of the afternoon. Where the period is not
 *                       like those before it, more came of something than there was to be: the less
 *                       can be believed of the rest, and the last few hundred requests count for it
 *
 * An option is left out when what it leaves would not carry the cheapest for all
 * requests still expected; so the budget is not exceeded while the cheapest fits its even share.
 *
 * Of a caller that shows nothing the price rises when money goes out faster than the budget allows
 * and falls when slower (dual descent, Balseiro and Gur 2019; ROUTING.md 3.4).
 *
 * Money is an integer in pico-USD, and sums of it are exact. A price is a double in reward per
 * even share (budget / requests). One owner, no locks.
 */
#ifndef FL_ROUTE_QUALITY_PACING_H
#define FL_ROUTE_QUALITY_PACING_H

#include <stdbool.h>
#include <stdint.h>

/* A demand is kept in steps of price: eight to a doubling, from 2^-56 reward per pico-USD to 1. */
enum {
    FL_PACING_OCTAVE = 8,
    FL_PACING_OCTAVES = 56,
    FL_PACING_STEPS = FL_PACING_OCTAVE * FL_PACING_OCTAVES
};
struct fl_pacing_demand {
    double requests;
    double least_picousd;         /* what they spend at any price */
    double more[FL_PACING_STEPS]; /* what more, pico-USD, below the prices of the step */
};

struct fl_pacing {
    uint64_t budget_picousd, spent_picousd;
    uint64_t requests_expected, requests; /* in the budget's period; so far */
    double share_picousd;                 /* budget / requests_expected */
    double lambda;                        /* >= 0, reward per share; may be set to where an earlier
                                             period ended */
    double rate;                          /* of lambda, FL_PACING_RATE / sqrt(requests_expected) */
    double foreseen_picousd; /* what the requests seen spend by what was thought of them */
    struct fl_pacing_demand now, recent,
        before; /* of this period, of the last few requests of it, of
                                                    a period of before */
};

/* Measured on outcome data: a larger one holds the pace closer and chooses worse. */
#define FL_PACING_RATE 0.05

/* *budget* > 0 for *requests_expected* > 0 requests. */
void fl_pacing_init(struct fl_pacing *p, uint64_t budget_picousd, uint64_t requests_expected);
/* A new estimate of how many requests the period will have in all. */
void fl_pacing_expect(struct fl_pacing *p, uint64_t requests_expected);
/* A new period: the same budget again; lambda is kept, and what was seen counts as much as all that
 * was seen before it. */
void fl_pacing_renew(struct fl_pacing *p);
/* The price of one pico-USD in reward, now. */
double fl_pacing_price(const struct fl_pacing *p);
/* The option with the greatest quality - price * cost; of equals the cheaper, then the first. */
unsigned fl_pacing_choose(const struct fl_pacing *p, const double *quality,
                          const uint64_t *cost_picousd, unsigned count);
/* A request that may choose among these: what it would spend at which price. */
void fl_pacing_see(struct fl_pacing *p, const double *quality, const uint64_t *cost_picousd,
                   unsigned count);
/* A request was served at *cost*. */
void fl_pacing_charge(struct fl_pacing *p, uint64_t cost_picousd);

/* --- A hard cap on escalation --- */

/* At most share * requests + burst requests of a tenant go to a model above its default, whatever
 * the prompts say: a prompt can be written to look difficult (ROUTING.md 4.4), a bucket cannot be
 * talked to. In millionths, exact. */
struct fl_escalation {
    uint32_t share_ppm;  /* of the tenant's requests, 0..1,000,000 */
    uint32_t burst;      /* requests */
    uint64_t tokens_ppm; /* at most burst + 1, in millionths of an escalation */
};

/* Starts full. */
void fl_escalation_init(struct fl_escalation *e, uint32_t share_ppm, uint32_t burst);
/* Counts one request; *wanted*: it would go to a stronger model. True: it may. */
bool fl_escalation_admit(struct fl_escalation *e, bool wanted);

#endif

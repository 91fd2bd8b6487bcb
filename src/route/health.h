/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of one target: a breaker driven by attempts, by trials and by active checks. The
 * states and what moves between them are drawn in health.c.
 *
 *   evidence   what attempts say, as the log-likelihood ratio between a target of which 30 % fail
 *              and one of which 1 % fail, never below 0 (Wald's sequential test run as a CUSUM;
 *              ROUTING.md 2.2): a failure adds ln 30, half a failure half of it, a success takes
 *              ln(99/70) off. At fl_evidence_limit() the target is ejected: after failures_to_eject
 *              failures in a row, or about four times as many attempts of which 30 % fail
 *   hearsay    what the failures of siblings say (same provider, vendor, region): it adds up too,
 *              but never ejects by itself
 *   checks     have counters of their own: so many in a row
 *   slow start after a recovery the target's weight grows from a tenth to all of it in 60 s
 *
 * Written under the state's lock; what a decision needs is atomic and read at any time without it.
 */
#ifndef FL_ROUTE_HEALTH_H
#define FL_ROUTE_HEALTH_H

#include "route/gcra.h"
#include "route/measure.h"
#include "route/route.h"

enum { FL_STRENGTH_FULL = 8, FL_REFUSALS_MAX = 20 };

#define FL_EVIDENCE_FAILURE 3.4011973816621555 /* ln(.3 / .01) */
#define FL_EVIDENCE_SUCCESS 0.3466246189612245 /* ln(.99 / .7) */
#define FL_EVIDENCE_LIMIT   9.2002900361226280 /* ln(.99 / 1e-4): alpha 1e-4, beta .01 */
#define FL_SLOW_START_NS    UINT64_C(60000000000)
#define FL_SLOW_START_LEAST 0.1

struct fl_breaker {
    _Atomic uint8_t health;         /* enum fl_health */
    _Atomic uint8_t drained;        /* by its operator */
    _Atomic uint8_t strength;       /* 1..FL_STRENGTH_FULL: what failures left of its weight */
    _Atomic uint8_t ejections;      /* in a row; each healthy interval takes one off */
    _Atomic unsigned trials;        /* in flight since recovery began */
    _Atomic uint64_t trial_ns;      /* when the newest of them began */
    _Atomic uint64_t until_ns;      /* end of the ejection, while open */
    _Atomic uint64_t cool_until_ns; /* last in order until then: rate limited */
    _Atomic uint64_t recovered_ns;  /* slow start began; 0: never was ejected */
    _Atomic double evidence;
    uint64_t since_ns;                /* the last change between serving, open and half open */
    uint64_t jitter;                  /* differs between targets and advances with each ejection */
    unsigned successes;               /* of trials, consecutive */
    unsigned checks_good, checks_bad; /* consecutive */
    bool blind; /* requests ejected it, and no check since has failed: checks do not see its illness */
    unsigned refusals;                /* consecutive, see fl_breaker_refused() */
    struct fl_gcra canaries;          /* billed probes */
};

/* In the order of plans. */
enum fl_standing { FL_READY, FL_COOLING, FL_TRIAL_BUSY, FL_EJECTED, FL_DRAINED };

void fl_breaker_init(struct fl_breaker *b, uint64_t jitter);
double fl_evidence_limit(const struct fl_health_policy *policy);

/* --- Without the lock --- */
enum fl_standing fl_breaker_standing(const struct fl_breaker *b, uint64_t now_ns);
/* (0, 1]: the part of its weight that the target has now. */
double fl_breaker_vigour(const struct fl_breaker *b, uint64_t now_ns);
/* As shown: an ejection that has run out is half open, though no trial has begun. */
enum fl_health fl_breaker_health(const struct fl_breaker *b, uint64_t now_ns);
/* Of ejected ones the least is the least bad: fewest ejections in a row, then the nearest end. */
uint64_t fl_breaker_badness(const struct fl_breaker *b);

/* --- Under the lock --- */

/* An attempt goes out: the first one after the ejection's end is the trial. */
void fl_breaker_begin(struct fl_breaker *b, uint64_t now_ns);
/* An attempt that began at begun_ns is over, before its result is given to one of the next three.
 */
void fl_breaker_release(struct fl_breaker *b, uint64_t begun_ns);
void fl_breaker_succeeded(struct fl_breaker *b, const struct fl_health_policy *policy,
                          uint64_t begun_ns, uint64_t now_ns);
/* *halves*: 1 or 2, of struct fl_consequence. */
void fl_breaker_failed(struct fl_breaker *b, const struct fl_health_policy *policy, unsigned halves,
                       uint64_t begun_ns, uint64_t now_ns);
/* A sibling failed in an attempt that began then: *part* (0..1] of a failure. */
void fl_breaker_heard(struct fl_breaker *b, const struct fl_health_policy *policy, double part,
                      uint64_t begun_ns);
/* A refusal that may be due to the request alone (403, 404): no evidence, and no client can eject a
 * target by it that others are served by. Only when FL_REFUSALS_MAX come without one success between
 * them it is the target's (a key without rights, a wrong path). Of a trial it is a failure. */
void fl_breaker_refused(struct fl_breaker *b, const struct fl_health_policy *policy,
                        uint64_t begun_ns, uint64_t now_ns);
void fl_breaker_cool(struct fl_breaker *b, uint64_t now_ns, uint64_t for_ns);
/* Out for so long, whatever the evidence; then it is tried as after an ejection. */
void fl_breaker_disable(struct fl_breaker *b, uint64_t now_ns, uint64_t for_ns);
void fl_breaker_probed(struct fl_breaker *b, const struct fl_health_policy *policy, bool ok,
                       uint64_t now_ns);
/* By hand: *drained*: out; else in, and well. */
void fl_breaker_drain(struct fl_breaker *b, bool drained, uint64_t now_ns);
/* May a probe that costs money be sent to this half-open target? Takes it from a budget of 12 an
 * hour, at most 3 at once. */
bool fl_breaker_canary(struct fl_breaker *b, uint64_t now_ns);

#endif

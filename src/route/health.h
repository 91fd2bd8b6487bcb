/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of one target: a breaker driven by consecutive failures that are the provider's fault,
 * by trials and by active checks. The states and what moves between them are drawn in health.c.
 *
 * Written under the state's lock; what a decision needs is atomic and read at any time without it.
 */
#ifndef FL_ROUTE_HEALTH_H
#define FL_ROUTE_HEALTH_H

#include "route/measure.h"
#include "route/route.h"

enum { FL_STRENGTH_FULL = 8 };

struct fl_breaker {
    _Atomic uint8_t health;    /* enum fl_health */
    _Atomic uint8_t strength;  /* 1..FL_STRENGTH_FULL: the part of its weight a target has now */
    _Atomic unsigned trials;   /* in flight since recovery began */
    _Atomic uint64_t trial_ns; /* when the newest of them began */
    _Atomic uint64_t until_ns; /* end of the ejection, while open */
    _Atomic uint64_t cool_until_ns; /* last in order until then: rate limited */
    uint64_t since_ns;              /* the last change between serving, open and half open */
    uint64_t jitter;                /* differs between targets and advances with each ejection */
    unsigned failures, successes;   /* consecutive */
    unsigned ejections;             /* in a row; each healthy interval takes one off */
};

enum fl_standing { FL_READY, FL_COOLING, FL_TRIAL_BUSY, FL_EJECTED };

void fl_breaker_init(struct fl_breaker *b, uint64_t jitter);
/* Without the lock. */
enum fl_standing fl_breaker_standing(const struct fl_breaker *b, uint64_t now_ns);

/* An attempt goes out: the first one after the ejection's end is the trial. */
void fl_breaker_begin(struct fl_breaker *b, uint64_t now_ns);
/* An attempt that began at begun_ns is over, before its result is given to one of the next three.
 */
void fl_breaker_release(struct fl_breaker *b, uint64_t begun_ns);
void fl_breaker_succeeded(struct fl_breaker *b, const struct fl_health_policy *policy,
                          uint64_t begun_ns, uint64_t now_ns);
void fl_breaker_failed(struct fl_breaker *b, const struct fl_health_policy *policy,
                       uint64_t begun_ns, uint64_t now_ns);
void fl_breaker_cool(struct fl_breaker *b, uint64_t now_ns, uint64_t for_ns);
void fl_breaker_probed(struct fl_breaker *b, const struct fl_health_policy *policy, bool ok,
                       uint64_t now_ns);

/* As shown: an ejection that has run out is half open, though no trial has begun. */
enum fl_health fl_breaker_health(const struct fl_breaker *b, uint64_t now_ns);

#endif

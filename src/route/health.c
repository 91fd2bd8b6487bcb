/* SPDX-License-Identifier: Apache-2.0 */
/*
 *             evidence > 0             evidence >= limit, or check_failures_to_eject bad checks
 *      HEALTHY ------------> SUSPECT ---------------------------------------> OPEN
 *         ^  ^ <------------    |                                            ^  |
 *         |     evidence = 0    `--- (bad checks: from HEALTHY too) ---------'  | ejection over and
 *         |                                                                  |  | a trial begins, a
 *         |                                              failure of a trial  |  | good check, or a
 *         |                                              or a bad check      |  v success in panic
 *         `----------------------------------------------------------------- HALF_OPEN
 *           slow start: successes_to_recover-th good trial, or good           one trial in flight
 *                       check, in a row                                       at a time
 *
 * The k-th ejection in a row lasts min(ejection_ns * 2^(k-1), 300 s), give or take a tenth. Only
 * evidence that began after the last change counts: fifty requests that hang in a target when it is
 * ejected are one incident, and their late ends neither eject again nor recover it.
 */
#include "route/health.h"

#define EJECTION_MAX_NS UINT64_C(300000000000)
/* A trial that takes longer than this no longer keeps the next one waiting: it may be a long
 * stream. */
#define TRIAL_HOLDS_NS UINT64_C(60000000000)
/* Workers' clocks stand still during a turn of their loops and so differ a little. */
#define CLOCK_SLACK_NS UINT64_C(50000000)

enum { CHECK_FAILURES = 2, LIMIT_FAILURES = 3 };

static const struct fl_gcra_limit canary_limit = {12, UINT64_C(3600000000000), 3};

void fl_breaker_init(struct fl_breaker *b, uint64_t jitter)
{
    *b = (struct fl_breaker){.jitter = jitter};
    fl_set(b->health, FL_HEALTHY);
    fl_set(b->strength, FL_STRENGTH_FULL);
}

/* FL_EVIDENCE_LIMIT is reached by the third failure in a row; the limit of any other number is as
 * far from it as so many failures are. */
double fl_evidence_limit(const struct fl_health_policy *policy)
{
    return FL_EVIDENCE_LIMIT +
           ((double)policy->failures_to_eject - LIMIT_FAILURES) * FL_EVIDENCE_FAILURE;
}

enum fl_standing fl_breaker_standing(const struct fl_breaker *b, uint64_t now_ns)
{
    uint8_t health = fl_get(b->health);
    if (fl_get(b->drained)) {
        return FL_DRAINED;
    }
    if (health == FL_OPEN && now_ns < fl_get(b->until_ns)) {
        return FL_EJECTED;
    }
    if (health == FL_HALF_OPEN && fl_get(b->trials) > 0 &&
        now_ns < fl_get(b->trial_ns) + TRIAL_HOLDS_NS) {
        return FL_TRIAL_BUSY;
    }
    return now_ns < fl_get(b->cool_until_ns) ? FL_COOLING : FL_READY;
}

enum fl_health fl_breaker_health(const struct fl_breaker *b, uint64_t now_ns)
{
    enum fl_health health = (enum fl_health)fl_get(b->health);
    return health == FL_OPEN && now_ns >= fl_get(b->until_ns) ? FL_HALF_OPEN : health;
}

double fl_breaker_vigour(const struct fl_breaker *b, uint64_t now_ns)
{
    double strength = fl_get(b->strength) / (double)FL_STRENGTH_FULL;
    uint64_t recovered_ns = fl_get(b->recovered_ns);
    uint8_t health = fl_get(b->health);
    if (health == FL_OPEN || health == FL_HALF_OPEN) {
        return FL_SLOW_START_LEAST;
    }
    if (recovered_ns == 0 || now_ns >= recovered_ns + FL_SLOW_START_NS) {
        return strength;
    }
    double part =
        now_ns > recovered_ns ? (double)(now_ns - recovered_ns) / (double)FL_SLOW_START_NS : 0;
    return strength * (part > FL_SLOW_START_LEAST ? part : FL_SLOW_START_LEAST);
}

uint64_t fl_breaker_badness(const struct fl_breaker *b)
{
    return (uint64_t)fl_get(b->ejections) << 56 | fl_get(b->until_ns) >> 8;
}

/* Did it begin in the present state? */
static bool is_fresh(const struct fl_breaker *b, uint64_t begun_ns)
{
    return begun_ns + CLOCK_SLACK_NS >= b->since_ns;
}

static void enter(struct fl_breaker *b, enum fl_health health, uint64_t now_ns)
{
    b->since_ns = now_ns;
    b->successes = b->checks_good = b->checks_bad = b->refusals = 0;
    fl_set(b->evidence, 0);
    fl_set(b->trials, 0);
    fl_set(b->health, (uint8_t)health);
}

/* ns * U(0.9, 1.1), from a sequence of the breaker's own: there is no other source of chance here.
 */
static uint64_t jittered(struct fl_breaker *b, uint64_t ns)
{
    uint64_t roll = fl_mix64(b->jitter += UINT64_C(0x9e3779b97f4a7c15)) % 2001;
    return ns - ns / 10 + ns / 10 * roll / 1000;
}

static void eject(struct fl_breaker *b, const struct fl_health_policy *policy, uint64_t now_ns)
{
    enum fl_health from = (enum fl_health)fl_get(b->health);
    uint64_t ns = policy->ejection_ns < EJECTION_MAX_NS ? policy->ejection_ns : EJECTION_MAX_NS;
    unsigned ejections = fl_get(b->ejections);
    if (from != FL_HALF_OPEN && ns > 0 && now_ns > b->since_ns) {
        uint64_t intervals = (now_ns - b->since_ns) / ns;
        ejections -= intervals < ejections ? (unsigned)intervals : ejections;
    }
    for (unsigned k = 0; k < ejections && ns < EJECTION_MAX_NS; k++) {
        ns *= 2;
    }
    fl_set(b->ejections, (uint8_t)(ejections + (ejections < 32)));
    ns = ns < EJECTION_MAX_NS ? ns : EJECTION_MAX_NS;
    fl_set(b->until_ns, now_ns + jittered(b, ns));
    fl_set(b->strength, 1);
    enter(b, FL_OPEN, now_ns);
}

static void recover(struct fl_breaker *b, uint64_t now_ns)
{
    b->blind = false;
    enter(b, FL_HEALTHY, now_ns);
    fl_set(b->strength, FL_STRENGTH_FULL);
    fl_set(b->recovered_ns, now_ns);
}

static void add_evidence(struct fl_breaker *b, double more)
{
    double evidence = fl_get(b->evidence) + more;
    evidence = evidence > 0 ? evidence : 0;
    fl_set(b->evidence, evidence);
    fl_set(b->health, (uint8_t)(evidence > 0 ? FL_SUSPECT : FL_HEALTHY));
}

void fl_breaker_begin(struct fl_breaker *b, uint64_t now_ns)
{
    if (fl_get(b->health) == FL_OPEN && now_ns >= fl_get(b->until_ns)) {
        enter(b, FL_HALF_OPEN, now_ns);
    }
    if (fl_get(b->health) == FL_HALF_OPEN) {
        fl_set(b->trial_ns, now_ns);
        fl_set(b->trials, fl_get(b->trials) + 1);
    }
}

void fl_breaker_release(struct fl_breaker *b, uint64_t begun_ns)
{
    unsigned trials = fl_get(b->trials);
    if (trials > 0 && is_fresh(b, begun_ns)) {
        fl_set(b->trials, trials - 1);
    }
}

static void strengthen(struct fl_breaker *b)
{
    uint8_t strength = fl_get(b->strength);
    fl_set(b->strength, (uint8_t)(strength + (strength < FL_STRENGTH_FULL)));
}

/* As nginx's effective_weight: failures_to_eject failures take all of it but the last step. */
static void weaken(struct fl_breaker *b, const struct fl_health_policy *policy)
{
    unsigned strength = fl_get(b->strength), eject_at = policy->failures_to_eject;
    unsigned step = eject_at > 0 && eject_at < FL_STRENGTH_FULL ? FL_STRENGTH_FULL / eject_at : 1;
    fl_set(b->strength, (uint8_t)(strength > step ? strength - step : 1));
}

void fl_breaker_succeeded(struct fl_breaker *b, const struct fl_health_policy *policy,
                          uint64_t begun_ns, uint64_t now_ns)
{
    if (!is_fresh(b, begun_ns)) {
        return;
    }
    b->refusals = 0;
    switch ((enum fl_health)fl_get(b->health)) {
    case FL_HEALTHY:
        strengthen(b);
        break;
    case FL_SUSPECT:
        strengthen(b);
        add_evidence(b, -FL_EVIDENCE_SUCCESS);
        break;
    case FL_OPEN: /* tried all the same: panic */
        enter(b, FL_HALF_OPEN, now_ns);
        __attribute__((fallthrough));
    case FL_HALF_OPEN:
        if (++b->successes >= policy->successes_to_recover ||
            b->checks_good >= policy->successes_to_recover) {
            recover(b, now_ns);
        }
        break;
    }
}

void fl_breaker_failed(struct fl_breaker *b, const struct fl_health_policy *policy, unsigned halves,
                       uint64_t begun_ns, uint64_t now_ns)
{
    if (!is_fresh(b, begun_ns)) {
        return;
    }
    switch ((enum fl_health)fl_get(b->health)) {
    case FL_HEALTHY:
    case FL_SUSPECT:
        weaken(b, policy);
        add_evidence(b, FL_EVIDENCE_FAILURE * halves / 2);
        if (fl_get(b->evidence) >= fl_evidence_limit(policy)) {
            eject(b, policy, now_ns);
            b->blind = true;
        }
        break;
    case FL_OPEN: /* tried in panic: known already */
        break;
    case FL_HALF_OPEN:
        eject(b, policy, now_ns);
        b->blind = true;
        break;
    }
}

void fl_breaker_heard(struct fl_breaker *b, const struct fl_health_policy *policy, double part,
                      uint64_t begun_ns)
{
    uint8_t health = fl_get(b->health);
    double most = fl_evidence_limit(policy) - FL_EVIDENCE_SUCCESS / 2;
    double room = most - fl_get(b->evidence), more = FL_EVIDENCE_FAILURE * part;
    if ((health == FL_HEALTHY || health == FL_SUSPECT) && is_fresh(b, begun_ns) && room > 0) {
        add_evidence(b, more < room ? more : room);
    }
}

void fl_breaker_refused(struct fl_breaker *b, const struct fl_health_policy *policy,
                        uint64_t begun_ns, uint64_t now_ns)
{
    uint8_t health = fl_get(b->health);
    if (health != FL_OPEN && is_fresh(b, begun_ns) &&
        (++b->refusals >= FL_REFUSALS_MAX || health == FL_HALF_OPEN)) {
        eject(b, policy, now_ns);
    }
}

void fl_breaker_cool(struct fl_breaker *b, uint64_t now_ns, uint64_t for_ns)
{
    if (now_ns + for_ns > fl_get(b->cool_until_ns)) {
        fl_set(b->cool_until_ns, now_ns + for_ns);
    }
}

void fl_breaker_disable(struct fl_breaker *b, uint64_t now_ns, uint64_t for_ns)
{
    fl_set(b->until_ns, now_ns + jittered(b, for_ns));
    fl_set(b->strength, 1);
    enter(b, FL_OPEN, now_ns);
}

void fl_breaker_probed(struct fl_breaker *b, const struct fl_health_policy *policy, bool ok,
                       uint64_t now_ns)
{
    enum fl_health health = (enum fl_health)fl_get(b->health);
    bool serving = health == FL_HEALTHY || health == FL_SUSPECT;
    unsigned bad_max =
        policy->check_failures_to_eject > 0 ? policy->check_failures_to_eject : CHECK_FAILURES;
    b->checks_bad = ok ? 0 : b->checks_bad + 1;
    b->checks_good = ok ? b->checks_good + 1 : 0;
    b->blind = b->blind && ok;
    if (serving && b->checks_bad >= bad_max) {
        eject(b, policy, now_ns);
    } else if (health == FL_HALF_OPEN && !ok) {
        eject(b, policy, now_ns);
    } else if (health == FL_OPEN && ok &&
               (!b->blind || now_ns >= b->since_ns + policy->ejection_ns)) {
        /* what checks do not see is tried no sooner than after one ejection's length, nor later */
        enter(b, FL_HALF_OPEN, now_ns);
        b->checks_good = 1;
    }
    bool trusted = !b->blind || (health == FL_HALF_OPEN && b->successes > 0);
    if (!serving && ok && trusted && b->checks_good >= policy->successes_to_recover) {
        recover(b, now_ns);
    }
}

void fl_breaker_drain(struct fl_breaker *b, bool drained, uint64_t now_ns)
{
    fl_set(b->drained, drained);
    if (!drained) {
        enter(b, FL_HEALTHY, now_ns);
        fl_set(b->strength, FL_STRENGTH_FULL);
        fl_set(b->ejections, 0);
        fl_set(b->cool_until_ns, 0);
    }
}

bool fl_breaker_canary(struct fl_breaker *b, uint64_t now_ns)
{
    return fl_breaker_health(b, now_ns) == FL_HALF_OPEN &&
           fl_gcra_take(&b->canaries, canary_limit, 1, now_ns) == 0;
}

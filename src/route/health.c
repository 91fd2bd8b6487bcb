/* SPDX-License-Identifier: Apache-2.0 */
/*
 *                 failure                   failures_to_eject-th in a row
 *      HEALTHY ------------> SUSPECT ---------------------------------------> OPEN
 *         ^  ^ <------------    |                                            ^  |
 *         |       success       `--- (threshold 1: straight from HEALTHY) ---'  | ejection over and
 *         |                                                                  |  | a trial begins, a
 *         |                                              failure of a trial  |  | good probe, or a
 *         |                                              or a bad probe      |  v success in panic
 *         `----------------------------------------------------------------- HALF_OPEN
 *                     successes_to_recover-th success in a row       one trial in flight at a time
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

void fl_breaker_init(struct fl_breaker *b, uint64_t jitter)
{
    *b = (struct fl_breaker){.jitter = jitter};
    fl_set(b->health, FL_HEALTHY);
    fl_set(b->strength, FL_STRENGTH_FULL);
}

enum fl_standing fl_breaker_standing(const struct fl_breaker *b, uint64_t now_ns)
{
    uint8_t health = fl_get(b->health);
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

/* Did it begin in the present state? */
static bool is_fresh(const struct fl_breaker *b, uint64_t begun_ns)
{
    return begun_ns + CLOCK_SLACK_NS >= b->since_ns;
}

static void enter(struct fl_breaker *b, enum fl_health health, uint64_t now_ns)
{
    b->since_ns = now_ns;
    b->failures = b->successes = 0;
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
    if (from != FL_HALF_OPEN && ns > 0 && now_ns > b->since_ns) {
        uint64_t intervals = (now_ns - b->since_ns) / ns;
        b->ejections -= intervals < b->ejections ? (unsigned)intervals : b->ejections;
    }
    for (unsigned k = 0; k < b->ejections && ns < EJECTION_MAX_NS; k++) {
        ns *= 2;
    }
    b->ejections += b->ejections < 32;
    ns = ns < EJECTION_MAX_NS ? ns : EJECTION_MAX_NS;
    fl_set(b->until_ns, now_ns + jittered(b, ns));
    fl_set(b->strength, 1);
    enter(b, FL_OPEN, now_ns);
}

static void recovering_success(struct fl_breaker *b, const struct fl_health_policy *policy,
                               uint64_t now_ns)
{
    if (fl_get(b->health) == FL_OPEN) {
        enter(b, FL_HALF_OPEN, now_ns);
    }
    if (++b->successes >= policy->successes_to_recover) {
        enter(b, FL_HEALTHY, now_ns);
    }
}

static void serving_failure(struct fl_breaker *b, const struct fl_health_policy *policy,
                            uint64_t now_ns)
{
    if (++b->failures >= policy->failures_to_eject) {
        eject(b, policy, now_ns);
    } else {
        fl_set(b->health, FL_SUSPECT);
    }
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
    strengthen(b);
    switch ((enum fl_health)fl_get(b->health)) {
    case FL_HEALTHY:
        break;
    case FL_SUSPECT:
        b->failures = 0;
        fl_set(b->health, FL_HEALTHY);
        break;
    case FL_OPEN: /* tried all the same: panic */
    case FL_HALF_OPEN:
        recovering_success(b, policy, now_ns);
        break;
    }
}

void fl_breaker_failed(struct fl_breaker *b, const struct fl_health_policy *policy,
                       uint64_t begun_ns, uint64_t now_ns)
{
    if (!is_fresh(b, begun_ns)) {
        return;
    }
    switch ((enum fl_health)fl_get(b->health)) {
    case FL_HEALTHY:
    case FL_SUSPECT:
        weaken(b, policy);
        serving_failure(b, policy, now_ns);
        break;
    case FL_OPEN: /* tried in panic: known already */
        break;
    case FL_HALF_OPEN:
        eject(b, policy, now_ns);
        break;
    }
}

void fl_breaker_cool(struct fl_breaker *b, uint64_t now_ns, uint64_t for_ns)
{
    if (now_ns + for_ns > fl_get(b->cool_until_ns)) {
        fl_set(b->cool_until_ns, now_ns + for_ns);
    }
}

void fl_breaker_probed(struct fl_breaker *b, const struct fl_health_policy *policy, bool ok,
                       uint64_t now_ns)
{
    enum fl_health health = (enum fl_health)fl_get(b->health);
    bool serving = health == FL_HEALTHY || health == FL_SUSPECT;
    if (!ok) {
        fl_breaker_failed(b, policy, now_ns, now_ns);
    } else if (!serving) {
        recovering_success(b, policy, now_ns);
    }
}

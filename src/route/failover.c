/* SPDX-License-Identifier: Apache-2.0 */
#include "route/failover.h"

#include "base/assert.h"
#include "route/state.h"

enum { KEYS_IN_A_WORD = FL_KEYS_MAX };

void fl_failover_start(struct fl_failover *f)
{
    *f = (struct fl_failover){.attempts = 0};
}

static const struct fl_target *target_at(const struct fl_failover_scene *s, unsigned place)
{
    return &s->table->targets[s->plan->targets[place]];
}

/* With those that are there for the worst case. */
static unsigned places_of(const struct fl_failover_scene *s)
{
    return s->plan->count + s->plan->spare_count;
}

static struct fl_step none(const char *why)
{
    return (struct fl_step){.kind = FL_STEP_NONE, .why = why};
}

static bool in_time(const struct fl_failover_scene *s, uint64_t wait_ns)
{
    return s->deadline_ns == 0 || (wait_ns < s->deadline_ns && s->now_ns < s->deadline_ns &&
                                   wait_ns + s->expected_ns < s->deadline_ns - s->now_ns);
}

/* Until a place of the plan is of use: its pause, its keys' limits. UINT64_MAX: never. */
static uint64_t wait_of(const struct fl_failover_scene *s, unsigned place)
{
    const struct fl_target *t = target_at(s, place);
    uint64_t wait_ns, ready_ns = s->plan->ready_ns[place];
    uint64_t pause_ns = ready_ns > s->now_ns ? ready_ns - s->now_ns : 0;
    switch (fl_keys_headroom(t->keys, t->key_count, s->need, s->now_ns, &wait_ns)) {
    case FL_HEADROOM:
        return pause_ns;
    case FL_HEADROOM_LATER:
        return wait_ns > pause_ns ? wait_ns : pause_ns;
    case FL_HEADROOM_NEVER:
        return UINT64_MAX;
    case FL_HEADROOM_NO_KEY:
        return s->plan->panic ? pause_ns : UINT64_MAX;
    }
    return UINT64_MAX;
}

static bool held_here(const struct fl_failover_scene *s, unsigned place)
{
    const struct fl_target *t = target_at(s, place);
    return fl_keys_held_here(t->keys, t->key_count, s->need, s->now_ns);
}

static bool worth_waiting(const struct fl_failover_scene *s, unsigned place, uint64_t wait_ns)
{
    return wait_ns != UINT64_MAX && in_time(s, wait_ns) &&
           (wait_ns <= FL_PATIENCE_NS || held_here(s, place));
}

/* --- What the failures so far rule out --- */

static bool shares(const struct fl_failover *f, const struct fl_failover_scene *s, unsigned place,
                   enum fl_fate fate)
{
    uint64_t mine = f->failed != 0 ? target_at(s, place)->fate[fate] : 0;
    for (uint32_t left = f->failed; left != 0 && mine != 0; left &= left - 1) {
        if (target_at(s, (unsigned)__builtin_ctz(left))->fate[fate] == mine) {
            return true;
        }
    }
    return false;
}

/* What is spent is spent for the whole account; an address or a key is one provider's. */
static bool rules_out(const struct fl_failover_scene *s, unsigned place, unsigned failed_place,
                      const struct fl_consequence *c)
{
    const struct fl_target *t = target_at(s, place), *failed = target_at(s, failed_place);
    enum fl_fate fate = c->cool == FL_COOL_QUOTA ? FL_FATE_ACCOUNT : FL_FATE_PROVIDER;
    bool same = t->fate[fate] != 0 && t->fate[fate] == failed->fate[fate];
    unsigned elsewhere = c->elsewhere;
    if ((elsewhere & FL_TO_LARGER) != 0) {
        return failed->context_tokens == 0 || t->context_tokens <= failed->context_tokens;
    }
    if (same) {
        return (elsewhere & FL_TO_ACCOUNT) == 0;
    }
    return (elsewhere & FL_TO_VENDOR) == 0;
}

static void note_failure(struct fl_failover *f, const struct fl_failover_scene *s,
                         const struct fl_failed *failed, const struct fl_consequence *c)
{
    const struct fl_target *t = target_at(s, failed->place);
    if (t->key_count > 0 && failed->key_index < KEYS_IN_A_WORD) {
        f->keys_tried[failed->place] |= UINT32_C(1) << failed->key_index;
    }
    if (c->scope != FL_SCOPE_NONE) {
        f->failed |= UINT32_C(1) << failed->place;
    }
    for (unsigned i = 0; i < places_of(s); i++) {
        if (i != failed->place && rules_out(s, i, failed->place, c)) {
            f->blocked |= UINT32_C(1) << i;
        }
    }
}

/* --- Paying --- */

static bool both_allow(const struct fl_failover_scene *s, double part)
{
    return (!s->pool || fl_retry_budget_allows(s->pool, part, s->now_ns)) &&
           (!s->tenant || fl_retry_budget_allows(s->tenant, part, s->now_ns));
}

/* Takes from both or from none (of two workers at the last token, one may find the second empty:
 * the first is not given back, which errs to the safe side). */
static bool both_take(const struct fl_failover_scene *s, double part)
{
    return both_allow(s, part) && (!s->pool || fl_retry_budget_take(s->pool, part, s->now_ns)) &&
           (!s->tenant || fl_retry_budget_take(s->tenant, part, s->now_ns));
}

static bool is_well(const struct fl_target *t)
{
    enum fl_health health = (enum fl_health)fl_get(t->state->breaker.health);
    return health == FL_HEALTHY || health == FL_SUSPECT;
}

enum price { FREE, PAID, RESCUE, TOO_DEAR };

static enum price price_of(struct fl_failover *f, const struct fl_failover_scene *s, unsigned place,
                           bool free)
{
    const struct fl_target *t = target_at(s, place);
    bool open = fl_retry_gate_open(&t->state->gate);
    if (free) {
        return FREE;
    }
    if (open && f->paid < FL_FAILOVER_PAID_MAX && both_take(s, 0)) {
        f->paid++;
        return PAID;
    }
    bool tried = (f->tried >> place & 1) != 0;
    if (open && !tried && !f->rescued && is_well(t)) {
        f->rescued = true;
        return RESCUE;
    }
    return TOO_DEAR;
}

/* A target that has refused or lost most of what it was sent lately is mostly not asked where there
 * are others (only looked into where something failed: a full gate has seen no failure). */
static bool is_throttled(const struct fl_failover_scene *s, unsigned place)
{
    struct fl_target_state *state = target_at(s, place)->state;
    return fl_get(state->gate.spent) > 0 &&
           fl_throttle_stops(&state->throttle, fl_rng_unit(s->rng), s->now_ns);
}

/* It counts as one more that was meant for it, and as tried for this exchange. */
static void pass_over(struct fl_failover *f, const struct fl_failover_scene *s, unsigned place)
{
    fl_throttle_asked(&target_at(s, place)->state->throttle, s->now_ns);
    f->blocked |= UINT32_C(1) << place;
}

/* --- Choosing --- */

/* Lower first. Once something has failed: those of another vendor, then those of another account, then
 * any; of each, first those of another region, and of these such that have not failed lately. */
static unsigned rank_of(const struct fl_failover *f, const struct fl_failover_scene *s,
                        unsigned place, uint64_t wait_ns)
{
    static const unsigned weights[FL_FATE_COUNT] = {[FL_FATE_PROVIDER] = 16,
                                                    [FL_FATE_ACCOUNT] = 8,
                                                    [FL_FATE_VENDOR] = 4,
                                                    [FL_FATE_REGION] = 2};
    unsigned rank = wait_ns > 0 ? 32 : 0;
    for (unsigned fate = 0; fate < FL_FATE_COUNT; fate++) {
        rank += shares(f, s, place, (enum fl_fate)fate) ? weights[fate] : 0;
    }
    bool suspect = fl_get(target_at(s, place)->state->breaker.health) == FL_SUSPECT;
    return rank + (f->attempts > 0 && suspect);
}

/* Of the places untried and not ruled out the best rank's first in the plan; such that need not wait
 * come first. FL_PLAN_MAX: none in time. */
static unsigned best_place(const struct fl_failover *f, const struct fl_failover_scene *s,
                           unsigned places, uint64_t *ret_wait_ns, bool *ret_late)
{
    unsigned best = FL_PLAN_MAX, best_rank = UINT32_MAX;
    *ret_late = false;
    for (unsigned i = 0; i < places; i++) {
        if (((f->tried | f->blocked) >> i & 1) != 0) {
            continue;
        }
        uint64_t wait_ns = wait_of(s, i);
        if (wait_ns > 0 && !worth_waiting(s, i, wait_ns)) {
            *ret_late = *ret_late || wait_ns != UINT64_MAX;
            continue;
        }
        unsigned rank = rank_of(f, s, i, wait_ns);
        if (rank < best_rank) {
            best_rank = rank;
            best = i;
            *ret_wait_ns = wait_ns;
        }
    }
    return best;
}

static bool other_key_is_there(const struct fl_failover *f, const struct fl_failover_scene *s,
                               unsigned place)
{
    const struct fl_target *t = target_at(s, place);
    for (unsigned i = 0; i < t->key_count && i < KEYS_IN_A_WORD; i++) {
        uint64_t wait_ns;
        if ((f->keys_tried[place] >> i & 1) == 0 &&
            fl_keys_headroom(&t->keys[i], 1, s->need, s->now_ns, &wait_ns) == FL_HEADROOM) {
            return true;
        }
    }
    return false;
}

static struct fl_step take(struct fl_failover *f, struct fl_step step)
{
    f->attempts++;
    f->tried |= UINT32_C(1) << step.place;
    return step;
}

/* Where only a provider's word is against it: the one that is said to be ready soonest. */
static unsigned soonest_place(const struct fl_failover *f, const struct fl_failover_scene *s)
{
    unsigned best = FL_PLAN_MAX;
    uint64_t best_ns = UINT64_MAX;
    for (unsigned i = 0; i < s->plan->count; i++) {
        bool out = ((f->tried | f->blocked) >> i & 1) != 0;
        uint64_t wait_ns = out ? UINT64_MAX : wait_of(s, i);
        if (wait_ns < best_ns && !held_here(s, i)) {
            best_ns = wait_ns;
            best = i;
        }
    }
    return best;
}

struct fl_step fl_failover_first(struct fl_failover *f, const struct fl_failover_scene *s)
{
    uint64_t wait_ns = 0, best_wait_ns = 0;
    bool late, at_once = false;
    unsigned place, best = FL_PLAN_MAX;
    struct fl_failover left = *f;
    fl_assert(f->attempts == 0);
    for (;;) {
        place = best_place(&left, s, s->plan->count, &wait_ns, &late);
        if (place == FL_PLAN_MAX && best == FL_PLAN_MAX) {
            place = late ? soonest_place(f, s) : FL_PLAN_MAX;
            if (place == FL_PLAN_MAX) {
                return none(late ? "deadline" : "used-up");
            }
            at_once = true;
            wait_ns = 0;
            break;
        }
        if (place == FL_PLAN_MAX) { /* with all of them throttled, the best of them is asked */
            place = best;
            wait_ns = best_wait_ns;
            break;
        }
        if (!is_throttled(s, place)) {
            break;
        }
        best_wait_ns = best == FL_PLAN_MAX ? wait_ns : best_wait_ns;
        best = best == FL_PLAN_MAX ? place : best;
        left.blocked |= UINT32_C(1) << place;
    }
    uint32_t passed = left.blocked & ~f->blocked & ~(UINT32_C(1) << place);
    for (unsigned i = 0; i < s->plan->count; i++) {
        if ((passed >> i & 1) != 0) {
            pass_over(f, s, i);
        }
    }
    return take(f, (struct fl_step){.kind = FL_STEP_TARGET,
                                    .place = place,
                                    .wait_ns = wait_ns,
                                    .at_once = at_once,
                                    .why = "first"});
}

/* The same target once more, if the failure is one of those that pass. */
static struct fl_step same_again(struct fl_failover *f, const struct fl_failover_scene *s,
                                 const struct fl_failed *failed, const struct fl_consequence *c)
{
    enum fl_same same = c->same;
    unsigned place = failed->place;
    if (failed->retry_said) {
        same = failed->retry ? (same == FL_SAME_NEVER ? FL_SAME_BACKOFF : same) : FL_SAME_NEVER;
    }
    if (same == FL_SAME_NEVER || (f->again >> place & 1) != 0 ||
        (same == FL_SAME_ONCE && !failed->untouched)) {
        return none("final");
    }
    uint64_t wait_ns = 0, ready_ns = wait_of(s, place);
    if (same == FL_SAME_AFTER && failed->retry_after_ns > 0) {
        wait_ns = failed->retry_after_ns;
    } else if (same != FL_SAME_ONCE) {
        wait_ns = fl_backoff_ns(0, failed->retry_after_ns, s->rng);
    }
    wait_ns = ready_ns > wait_ns ? ready_ns : wait_ns;
    if (wait_ns == UINT64_MAX || !in_time(s, wait_ns)) {
        return none("deadline");
    }
    if (!worth_waiting(s, place, wait_ns)) {
        return none("too-long");
    }
    enum price price = price_of(f, s, place, c->free && same != FL_SAME_BACKOFF);
    if (price == TOO_DEAR) {
        return none("budget");
    }
    f->again |= UINT32_C(1) << place;
    return take(f, (struct fl_step){FL_STEP_SAME, place, wait_ns, price == PAID, false,
                                    same == FL_SAME_AFTER ? "retry-after" : "backoff"});
}

static struct fl_step another(struct fl_failover *f, const struct fl_failover_scene *s,
                              const struct fl_consequence *c, unsigned places)
{
    uint64_t wait_ns = 0;
    bool late, dear = false;
    struct fl_failover left = *f;
    for (;;) { /* a place too dear, because its gate is closed, gives way to the next */
        unsigned place = best_place(&left, s, places, &wait_ns, &late);
        if (place == FL_PLAN_MAX) {
            return none(dear ? "budget" : late ? "deadline" : "used-up");
        }
        bool domain = shares(f, s, place, FL_FATE_VENDOR);
        bool throttled = is_throttled(s, place);
        if (throttled) {
            pass_over(f, s, place);
        }
        enum price price = throttled ? TOO_DEAR : price_of(f, s, place, c->free);
        if (price != TOO_DEAR) {
            const char *why = (c->elsewhere & FL_TO_LARGER) != 0 ? "larger-context"
                              : price == RESCUE                  ? "rescue"
                              : domain                           ? "next"
                                                                 : "other-domain";
            return take(
                f, (struct fl_step){FL_STEP_TARGET, place, wait_ns, price == PAID, false, why});
        }
        dear = true;
        left.blocked |= UINT32_C(1) << place;
    }
}

void fl_failover_note(struct fl_failover *f, const struct fl_failover_scene *s,
                      const struct fl_failed *failed)
{
    fl_assert(failed->place < places_of(s));
    note_failure(f, s, failed, fl_consequence_of(failed->err));
}

struct fl_step fl_failover_next(struct fl_failover *f, const struct fl_failover_scene *s,
                                const struct fl_failed *failed)
{
    const struct fl_consequence *c = fl_consequence_of(failed->err);
    fl_assert(failed->place < places_of(s));
    note_failure(f, s, failed, c);
    if (s->attempts_max > 0 && f->attempts >= s->attempts_max) {
        return none("used-up");
    }
    if (s->deadline_ns > 0 && s->now_ns >= s->deadline_ns) {
        return none("deadline");
    }
    if (c->elsewhere == 0 || ((c->elsewhere & FL_TO_ALLOWED) != 0 && !s->policy_fallback)) {
        return none("final");
    }
    if ((c->elsewhere & FL_TO_KEY) != 0 && other_key_is_there(f, s, failed->place)) {
        enum price price = price_of(f, s, failed->place, c->free);
        if (price != TOO_DEAR) {
            return take(f, (struct fl_step){FL_STEP_KEY, failed->place, 0, price == PAID, false,
                                            "other-key"});
        }
    }
    struct fl_step step = another(f, s, c, s->plan->count);
    if (step.kind != FL_STEP_NONE) {
        return step;
    }
    struct fl_step same = same_again(f, s, failed, c);
    if (same.kind != FL_STEP_NONE) {
        return same;
    }
    struct fl_step spare = another(f, s, c, places_of(s));
    if (spare.kind != FL_STEP_NONE) {
        return spare;
    }
    /* Those that waited with it took what the provider had said to be left: it may know better. */
    if (failed->err == FL_ERR_RATE_LIMITED && failed->untouched && !held_here(s, failed->place)) {
        return take(f, (struct fl_step){.kind = FL_STEP_SAME,
                                        .place = failed->place,
                                        .at_once = true,
                                        .why = "at-once"});
    }
    return strcmp(same.why, "final") == 0 ? step : same;
}

bool fl_failover_elsewhere(struct fl_failover *f, const struct fl_failover_scene *s, uint32_t full,
                           struct fl_step *io_step)
{
    uint64_t wait_ns = 0;
    bool late;
    struct fl_failover seen = *f;
    if (io_step->kind != FL_STEP_TARGET) {
        return false;
    }
    seen.blocked |= full;
    for (;;) {
        unsigned place = best_place(&seen, s, s->plan->count, &wait_ns, &late);
        if (place == FL_PLAN_MAX) {
            return false;
        }
        /* What comes after a failure goes through no closed gate; what comes first may. */
        bool shut = f->attempts > 1 && !fl_retry_gate_open(&target_at(s, place)->state->gate);
        if (wait_ns == 0 && !shut && !is_throttled(s, place)) {
            f->tried &= ~(UINT32_C(1) << io_step->place);
            f->tried |= UINT32_C(1) << place;
            io_step->place = place;
            return true;
        }
        seen.blocked |= UINT32_C(1) << place;
    }
}

struct fl_step fl_failover_hedge(struct fl_failover *f, const struct fl_failover_scene *s,
                                 unsigned first_place)
{
    const struct fl_target *first = target_at(s, first_place);
    if ((s->attempts_max > 0 && f->attempts >= s->attempts_max) ||
        f->paid >= FL_FAILOVER_PAID_MAX) {
        return none("used-up");
    }
    for (unsigned i = 0; i < s->plan->count; i++) {
        const struct fl_target *t = target_at(s, i);
        bool shared = false;
        for (unsigned fate = 0; fate < FL_FATE_COUNT; fate++) {
            shared = shared || (t->fate[fate] != 0 && t->fate[fate] == first->fate[fate]);
        }
        if (shared || ((f->tried | f->blocked) >> i & 1) != 0 || !is_well(t) ||
            !fl_retry_gate_open(&t->state->gate) || wait_of(s, i) > 0) {
            continue;
        }
        if (!both_take(s, 0.5)) {
            return none("budget");
        }
        f->paid++;
        return take(f, (struct fl_step){FL_STEP_TARGET, i, 0, true, false, "hedge"});
    }
    return none("used-up");
}

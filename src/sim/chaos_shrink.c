/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a failing plan small: each step proposes a plan with less in it; the one that fails by the
 * same invariant is kept. Rounds go on until one changes nothing.
 */
#include "sim/chaos.h"

struct shrinker {
    struct fl_chaos_plan *plan;
    struct fl_chaos_verdict *verdict;
    fl_chaos_run_fn *run;
    void *owner;
    unsigned runs, runs_max;
};

static bool keep(struct shrinker *s, const struct fl_chaos_plan *smaller)
{
    struct fl_chaos_verdict v;
    if (s->runs == s->runs_max) {
        return false;
    }
    s->runs++;
    s->run(s->owner, smaller, &v);
    if (strcmp(v.invariant, s->verdict->invariant) != 0) {
        return false;
    }
    *s->plan = *smaller;
    *s->verdict = v;
    return true;
}

static void drop_fault(struct fl_chaos_plan *plan, unsigned index)
{
    plan->fault_count--;
    for (unsigned i = index; i < plan->fault_count; i++) {
        plan->faults[i] = plan->faults[i + 1];
    }
}

/* Faults that only it had go with it. */
static void drop_provider(struct fl_chaos_plan *plan, unsigned index)
{
    plan->provider_count--;
    for (unsigned i = index; i < plan->provider_count; i++) {
        plan->providers[i] = plan->providers[i + 1];
    }
    plan->healthy -= plan->healthy > index;
    for (unsigned i = plan->fault_count; i-- > 0;) {
        unsigned bits = plan->faults[i].providers, below = (1U << index) - 1;
        unsigned left = (bits & below) | (bits >> 1 & ~below);
        if (bits != 0 && left == 0) {
            drop_fault(plan, i);
        } else {
            plan->faults[i].providers = left;
        }
    }
}

static bool shrink_faults(struct shrinker *s)
{
    bool any = false;
    for (unsigned half = 0; half < 2 && s->plan->fault_count > 3; half++) { /* many at once first */
        struct fl_chaos_plan p = *s->plan;
        unsigned count = p.fault_count / 2;
        for (unsigned i = 0; i < count; i++) {
            drop_fault(&p, half == 0 ? p.fault_count - 1 : 0);
        }
        any = keep(s, &p) || any;
    }
    for (unsigned i = s->plan->fault_count; i-- > 0;) {
        struct fl_chaos_plan p = *s->plan;
        drop_fault(&p, i);
        any = keep(s, &p) || any;
    }
    return any;
}

static bool shrink_victims(struct shrinker *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->plan->fault_count; i++) {
        for (unsigned k = 0; k < s->plan->provider_count; k++) {
            struct fl_chaos_plan p = *s->plan;
            p.faults[i].providers &= ~(1U << k);
            if (p.faults[i].providers != 0 && p.faults[i].providers != s->plan->faults[i].providers) {
                any = keep(s, &p) || any;
            }
        }
    }
    return any;
}

static bool shrink_providers(struct shrinker *s)
{
    bool any = false;
    for (unsigned i = s->plan->provider_count; i-- > 0;) {
        struct fl_chaos_plan p = *s->plan;
        if (i != p.healthy && (i > 0 || !p.providers[1].fallback)) {
            drop_provider(&p, i);
            any = keep(s, &p) || any;
        }
    }
    return any;
}

static bool shrink_exchanges(struct shrinker *s)
{
    bool any = false, again = true;
    while (again) {
        again = false;
        for (unsigned part = 2; part <= 64 && !again; part *= 2) {
            struct fl_chaos_plan fewer = *s->plan, later = *s->plan, less_calm = *s->plan;
            unsigned left = fewer.exchanges - fewer.first;
            unsigned cut = left / part > 0 ? left / part : 1;
            fewer.exchanges -= cut;
            later.first += cut;
            less_calm.calm -= less_calm.calm / part > 0 ? less_calm.calm / part : less_calm.calm > 0;
            again = (left > 0 && (keep(s, &fewer) || keep(s, &later))) ||
                    (less_calm.calm < s->plan->calm && keep(s, &less_calm));
        }
        any = any || again;
    }
    return any;
}

static bool shrink_numbers(struct shrinker *s)
{
    bool any = false;
    for (unsigned i = 0; i < FL_CHAOS_CLIENT_COUNT; i++) {
        struct fl_chaos_plan p = *s->plan;
        if (p.clients[i] > 0) {
            p.clients[i] = 0;
            any = keep(s, &p) || any;
        }
    }
    struct fl_chaos_plan p = *s->plan;
    if (p.workers > 1) {
        p.workers = 1;
        any = keep(s, &p) || any;
    }
    p = *s->plan;
    if (p.chop > 0) {
        p.chop = 0;
        any = keep(s, &p) || any;
    }
    p = *s->plan;
    if (p.selection > 0) {
        p.selection = 0;
        any = keep(s, &p) || any;
    }
    p = *s->plan;
    if (p.hedge_ms > 0) {
        p.hedge_ms = 0;
        any = keep(s, &p) || any;
    }
    p = *s->plan;
    if (p.resume > 0) {
        p.resume = 0;
        any = keep(s, &p) || any;
    }
    return any;
}

/* What comes after the failure has no part in it. */
static void drop_what_follows(struct shrinker *s)
{
    struct fl_chaos_plan p = *s->plan;
    unsigned at_ms = (unsigned)(s->verdict->at_ns / FL_NS_MS) + 1;
    if (at_ms >= p.storm_ms) {
        return;
    }
    p.calm = 0;
    for (unsigned i = p.fault_count; i-- > 0;) {
        if (p.faults[i].at_ms > at_ms) {
            drop_fault(&p, i);
        }
    }
    (void)keep(s, &p);
}

unsigned fl_chaos_shrink(struct fl_chaos_plan *plan, struct fl_chaos_verdict *verdict,
                         fl_chaos_run_fn *run, void *owner, unsigned runs_max)
{
    struct shrinker s = {plan, verdict, run, owner, 0, runs_max};
    bool any = true;
    drop_what_follows(&s);
    while (any && s.runs < s.runs_max) {
        any = shrink_faults(&s);
        any = shrink_exchanges(&s) || any;
        any = shrink_providers(&s) || any;
        any = shrink_victims(&s) || any;
        any = shrink_numbers(&s) || any;
    }
    return s.runs;
}

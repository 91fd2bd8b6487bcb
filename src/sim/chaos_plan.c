/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing a plan from a seed: each seed leaves out some kinds of trouble and has others often. */
#include "sim/chaos.h"
#include "sim/provider.h"

#include "route/route.h"

#define FOR_GOOD UINT32_MAX

enum { settling_usual = 60 }; /* enough for what is broken to be found out */

static unsigned below(struct fl_rng *r, unsigned n)
{
    return (unsigned)fl_rng_below(r, n);
}

static unsigned between(struct fl_rng *r, unsigned low, unsigned high)
{
    return low + below(r, high - low + 1);
}

/* Absent, rare or common. */
static unsigned likelihood(struct fl_rng *r)
{
    static const unsigned levels[] = {0, 0, 20, 150};
    return levels[below(r, 4)];
}

static unsigned rate(struct fl_rng *r)
{
    static const unsigned levels[] = {50, 300, 1000, 1000};
    return levels[below(r, 4)];
}

static void draw_providers(struct fl_rng *r, struct fl_chaos_plan *plan)
{
    plan->provider_count = between(r, 1, FL_CHAOS_PROVIDERS_MAX);
    plan->healthy = below(r, plan->provider_count);
    for (unsigned i = 0; i < plan->provider_count; i++) {
        struct fl_chaos_provider *p = &plan->providers[i];
        p->ttft_ms = between(r, 5, 400);
        p->token_ms = below(r, 3) == 0 ? 0 : between(r, 1, 15);
        p->rpm = i != plan->healthy && below(r, 6) == 0 ? between(r, 30, 600) : 0;
        p->connections = below(r, 5) == 0 ? between(r, 1, 8) : 100;
        p->vendor = below(r, 3);
        p->fallback = i > 0 && below(r, 3) == 0;
        p->no_tools = below(r, 4) == 0;
    }
    plan->providers[plan->healthy].connections = 100;
}

/* One provider, or all of a vendor, or all there are. */
static unsigned draw_victims(struct fl_rng *r, const struct fl_chaos_plan *plan)
{
    unsigned bits = 0, dice = below(r, 8), one = below(r, plan->provider_count);
    for (unsigned i = 0; i < plan->provider_count; i++) {
        bool hit = dice < 5 ? i == one
                            : dice == 7 || plan->providers[i].vendor == plan->providers[one].vendor;
        bits |= hit ? 1U << i : 0;
    }
    return bits;
}

/* What makes no target come back within a minute is not for the one that must be well by then. */
static int draw_status(struct fl_rng *r, bool lasting)
{
    static const int statuses[] = {429, 500, 503, 529, 502, 408, 429, 400, 401, 402, 403, 404};
    return statuses[below(r, lasting ? 4 : 12)];
}

static enum fl_sim_misdeed draw_misdeed(struct fl_rng *r, bool lasting)
{
    static const enum fl_sim_misdeed early[] = {
        FL_SIM_GARBAGE,      FL_SIM_CLOSE,    FL_SIM_RESET,    FL_SIM_ERROR_IN_200,
        FL_SIM_EMPTY_200,    FL_SIM_HTML_502, FL_SIM_REDIRECT, FL_SIM_TWO_LENGTHS,
        FL_SIM_NOT_JSON_200, FL_SIM_SILENCE,  FL_SIM_TRUNCATED_JSON};
    if (lasting) {
        return early[below(r, sizeof(early) / sizeof(early[0]))];
    }
    return (enum fl_sim_misdeed)below(r, FL_SIM_MISDEED_COUNT);
}

static bool can_last(enum fl_chaos_kind kind)
{
    return kind == FL_CHAOS_REFUSE || kind == FL_CHAOS_ERROR || kind == FL_CHAOS_STALL ||
           kind == FL_CHAOS_DNS || kind == FL_CHAOS_STATUS || kind == FL_CHAOS_MISDEED;
}

static void draw_details(struct fl_rng *r, struct fl_chaos_plan *plan, struct fl_chaos_fault *f,
                         bool lasting)
{
    bool of_healthy = (f->providers >> plan->healthy & 1) != 0;
    f->permille = lasting ? 1000 : rate(r);
    switch ((int)f->kind) {
    case FL_CHAOS_SLOW:
        f->arg = between(r, 2000, 40000);
        break;
    case FL_CHAOS_STATUS:
        f->arg = draw_status(r, lasting || of_healthy);
        f->more = below(r, 2) == 0 ? 0 : between(r, 100, 20000);
        break;
    case FL_CHAOS_MISDEED:
        f->arg = draw_misdeed(r, lasting);
        f->more = f->arg >= FL_SIM_BYTE_FIN ? below(r, 3000) : below(r, 20);
        break;
    case FL_CHAOS_NET:
        f->arg = below(r, FL_CHAOS_NET_COUNT);
        f->more = below(r, 3000);
        break;
    case FL_CHAOS_WALL:
        f->arg = (int64_t)between(r, 1, 200000) * (below(r, 2) == 0 ? -1 : 1);
        break;
    case FL_CHAOS_WRITE_FAILS:
    case FL_CHAOS_DIAL_FAILS:
    case FL_CHAOS_NO_MEMORY:
        f->arg = between(r, 1, 60);
        break;
    default:
        break;
    }
}

static void draw_fault(struct fl_rng *r, struct fl_chaos_plan *plan, bool memory_fails)
{
    struct fl_chaos_fault f = {.kind = (enum fl_chaos_kind)below(r, FL_CHAOS_KIND_COUNT)};
    unsigned others = ((1U << plan->provider_count) - 1) & ~(1U << plan->healthy);
    bool of_gateway = f.kind >= FL_CHAOS_RELOAD;
    bool lasting = can_last(f.kind) && below(r, 5) == 0;
    f.at_ms = below(r, plan->storm_ms);
    f.for_ms = between(r, 50, plan->storm_ms / 3 + 50);
    f.providers = of_gateway ? 0 : draw_victims(r, plan);
    if (lasting && (f.providers & others) != 0) {
        f.providers &= others;
        f.for_ms = FOR_GOOD;
    } else {
        lasting = false;
    }
    draw_details(r, plan, &f, lasting);
    if (f.kind != FL_CHAOS_NO_MEMORY || memory_fails) {
        plan->faults[plan->fault_count++] = f;
    }
}

/* Without it hardly any stream breaks behind its first word. */
static void draw_break(struct fl_rng *r, struct fl_chaos_plan *plan)
{
    static const enum fl_sim_misdeed breaks[] = {FL_SIM_CHUNK_CUT, FL_SIM_SSE_ERROR,  FL_SIM_SSE_NO_DONE,
                                                 FL_SIM_SSE_RESET, FL_SIM_SSE_STALL,  FL_SIM_HALF_CLOSE,
                                                 FL_SIM_BYTE_FIN,  FL_SIM_BYTE_RESET, FL_SIM_BYTE_STALL};
    struct fl_chaos_fault f = {.kind = FL_CHAOS_MISDEED, .permille = rate(r)};
    f.arg = breaks[below(r, sizeof(breaks) / sizeof(breaks[0]))];
    f.more = f.arg >= FL_SIM_BYTE_FIN ? 300 + below(r, 8000) : 1 + below(r, 30);
    f.at_ms = below(r, plan->storm_ms);
    f.for_ms = plan->storm_ms / 3 + 50;
    f.providers = draw_victims(r, plan);
    plan->faults[plan->fault_count++] = f;
    plan->stream_permille = plan->stream_permille < 500 ? 500 : plan->stream_permille;
}

void fl_chaos_draw(uint64_t seed, unsigned exchanges, bool memory_fails,
                   struct fl_chaos_plan *ret_plan)
{
    struct fl_rng r;
    struct fl_chaos_plan *plan = ret_plan;
    unsigned words = 0;
    while (fl_selection_word(words)) {
        words++;
    }
    fl_rng_seed(&r, seed ^ UINT64_C(0xc4a05));
    *plan = (struct fl_chaos_plan){.seed = seed};
    plan->calm = exchanges / 8;
    plan->settling = exchanges / 3 < settling_usual ? exchanges / 3 : settling_usual;
    plan->exchanges = exchanges - plan->settling - plan->calm;
    plan->gap_ms = between(&r, 30, 400);
    plan->storm_ms = plan->exchanges * plan->gap_ms + 1;
    plan->workers = between(&r, 1, 2);
    plan->attempts = between(&r, 2, 5);
    plan->selection = below(&r, words);
    plan->stream_permille = below(&r, 5) * 250;
    plan->chop = below(&r, 3);
    draw_providers(&r, plan);
    for (unsigned i = 0; i < FL_CHAOS_CLIENT_COUNT; i++) {
        plan->clients[i] = likelihood(&r);
    }
    for (unsigned n = below(&r, 14); n > 0; n--) {
        draw_fault(&r, plan, memory_fails);
    }
    plan->hedge_ms = below(&r, 3) == 0 ? between(&r, 50, 2000) : 0;
    plan->resume = below(&r, 2);
    if (plan->resume > 0) {
        draw_break(&r, plan);
    }
}

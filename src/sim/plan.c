/* SPDX-License-Identifier: Apache-2.0 */
/* How connections behave: drawn from the mix, planned for a destination, or decided by the test's
 * hook, which has the last word. */
#include "sim/world_impl.h"

#include <stdlib.h>

struct plan {
    struct fl_list link; /* in world->plans, in the order of planning */
    struct fl_addr to;
    struct fl_world_link how;
    unsigned left;
};

void fl_world_plans_free(struct fl_world *w)
{
    while (!fl_list_empty(&w->plans)) {
        struct plan *plan = fl_container_of(w->plans.next, struct plan, link);
        fl_list_remove(&plan->link);
        free(plan);
    }
}

struct fl_world_mix *fl_world_mix(struct fl_world *w)
{
    return &w->mix;
}

static enum fl_world_chop draw_chop(struct fl_world *w)
{
    const unsigned *weight = w->mix.chop_weight;
    unsigned sum = weight[0] + weight[1] + weight[2];
    uint64_t dice = sum > 0 ? fl_rng_below(&w->rng, sum) : 0;
    if (dice < weight[0] || sum == 0) {
        return FL_WORLD_WHOLE;
    }
    return dice < weight[0] + weight[1] ? FL_WORLD_MIXED : FL_WORLD_TINY;
}

static struct fl_world_way draw_way(struct fl_world *w)
{
    return (struct fl_world_way){
        .reset_after = FL_NEVER,
        .fin_after = FL_NEVER,
        .stall_after = FL_NEVER,
        .stall_ns = FL_NEVER,
        .window_bytes = (size_t)fl_world_between(w, w->mix.window_min, w->mix.window_max)};
}

struct fl_world_link fl_world_link(struct fl_world *w)
{
    struct fl_world_link link = {.connect = FL_WORLD_CONNECT};
    link.latency_ns = fl_world_between(w, w->mix.latency_min_ns, w->mix.latency_max_ns);
    link.jitter_ns = link.latency_ns / 1000 * w->mix.jitter_permille;
    link.chop = draw_chop(w);
    link.partial_permille = w->mix.partial_permille;
    link.late_permille = w->mix.late_permille;
    link.up = draw_way(w);
    link.down = draw_way(w);
    return link;
}

static bool same_addr(const struct fl_addr *a, const struct fl_addr *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->bytes, b->bytes, a->family == 6 ? 16 : 4) == 0;
}

static struct fl_addr address(const char *text)
{
    struct fl_addr addr = {0};
    bool ok = fl_addr_parse(fl_slice_cstr(text), &addr);
    fl_assert(ok);
    return addr;
}

void fl_world_unplan(struct fl_world *w, const char *to)
{
    struct fl_addr addr = address(to);
    for (struct fl_list *i = w->plans.next, *next = i->next; i != &w->plans;
         i = next, next = i->next) {
        struct plan *plan = fl_container_of(i, struct plan, link);
        if (same_addr(&plan->to, &addr)) {
            fl_list_remove(&plan->link);
            free(plan);
        }
    }
}

void fl_world_plan(struct fl_world *w, const char *to, const struct fl_world_link *link,
                   unsigned count)
{
    struct plan *plan = fl_world_zero(sizeof(*plan));
    plan->to = address(to);
    plan->how = *link;
    plan->left = count;
    fl_list_append(&w->plans, &plan->link);
}

struct fl_world_link fl_world_planned(struct fl_world *w, const struct fl_world_dial *dial)
{
    struct fl_world_link link = fl_world_link(w);
    for (struct fl_list *i = w->plans.next; i != &w->plans; i = i->next) {
        struct plan *plan = fl_container_of(i, struct plan, link);
        if (plan->left > 0 && same_addr(&plan->to, &dial->to)) {
            plan->left--;
            link = plan->how;
            break;
        }
    }
    if (w->on_dial) {
        w->on_dial(w->on_dial_owner, dial, &link);
    }
    return link;
}

void fl_world_on_dial(struct fl_world *w, fl_world_link_fn *link, void *owner)
{
    w->on_dial = link;
    w->on_dial_owner = owner;
}

void fl_world_kill(struct fl_world *w, const char *to)
{
    struct fl_addr addr = address(to);
    for (struct fl_list *i = w->conns.next; i != &w->conns; i = i->next) {
        struct conn *c = fl_container_of(i, struct conn, link);
        if (same_addr(&c->to, &addr)) {
            fl_wire_break(c);
        }
    }
}

void fl_world_fail_write(struct fl_sys *sys, unsigned nth)
{
    fl_container_of(sys, struct node, sys)->fail_write = nth;
}

void fl_world_fail_dial(struct fl_sys *sys, unsigned nth)
{
    fl_container_of(sys, struct node, sys)->fail_dial = nth;
}

/* --- Faults by chance --- */

struct fl_world_faults fl_world_swarm(struct fl_rng *r)
{
    static const unsigned levels[4] = {0, 0, 20, 200};
    struct fl_world_faults f = {.within_bytes = 1 + fl_rng_below(r, 20000),
                                .stall_ns_max = FL_NS_S + fl_rng_below(r, 120 * FL_NS_S)};
    unsigned *chances[] = {&f.refuse, &f.blackhole, &f.reset, &f.fin,
                           &f.stall,  &f.slow,      &f.tight, &f.late};
    for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
        *chances[i] = levels[fl_rng_below(r, 4)];
    }
    return f;
}

static bool chance(struct fl_rng *r, unsigned permille)
{
    return fl_rng_below(r, 1000) < permille;
}

void fl_world_draw_faults(struct fl_rng *r, const struct fl_world_faults *f,
                          struct fl_world_link *link)
{
    struct fl_world_way *way = fl_rng_below(r, 2) == 0 ? &link->up : &link->down;
    uint64_t after = fl_rng_below(r, f->within_bytes + 1);
    if (chance(r, f->refuse)) {
        link->connect = FL_WORLD_REFUSE;
    } else if (chance(r, f->blackhole)) {
        link->connect = FL_WORLD_BLACKHOLE;
    } else if (chance(r, f->reset)) {
        way->reset_after = after;
    } else if (chance(r, f->fin)) {
        way->fin_after = after;
    } else if (chance(r, f->stall)) {
        way->stall_after = after;
        way->stall_ns = fl_rng_below(r, 2) == 0 ? FL_NEVER : fl_rng_below(r, f->stall_ns_max + 1);
    }
    if (chance(r, f->slow)) {
        way->bytes_per_s = 200 + fl_rng_below(r, 19801);
    }
    if (chance(r, f->tight)) {
        link->up.window_bytes = (size_t)(1 + fl_rng_below(r, 2000));
        link->down.window_bytes = (size_t)(1 + fl_rng_below(r, 2000));
    }
    if (chance(r, f->late)) {
        link->connect_delay_ns += fl_rng_below(r, 10 * FL_NS_S);
    }
}

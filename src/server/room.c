/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for a place at a target.
 *
 *   fl_room_enter -> (its place comes: fl_exchange_served)
 *                |-> (none would be in time any more, shed, pushed out: fl_exchange_turned_away)
 *                |-> (a place came free at another target of its plan: fl_exchange_served)
 *                `-> fl_room_leave: its client went away, its deadline passed
 *
 * Places are given from a timer only (usher): what frees one is in the middle of something. The
 * timer also looks now and then, since another worker may have freed a place, and since time alone
 * ends waits.
 *
 * Workers order their own rooms only. That one of them does not take each place it frees for its
 * own while another's wait: it gives one a look, then leaves the others' theirs until the next.
 */
#include "server/internal.h"

#include <limits.h>
#include <stdlib.h>

enum { look_ms = 10, look_shared_ms = 2, retry_after_max_s = 60 };

struct fl_room {
    struct fl_list link; /* in upstreams->rooms */
    struct fl_upstreams *upstreams;
    struct fl_pool *pool;
    const struct fl_target *target;
    struct fl_admit admit;
    bool gave; /* a place, since the last look */
    struct fl_line storage[];
};

static struct fl_exchange *exchange_of(struct fl_waiter *w)
{
    return fl_container_of(w, struct fl_seat, waiter)->exchange;
}

/* --- places --- */

static unsigned bound_of(const struct fl_pool *pool, const struct fl_target *target)
{
    return fl_concurrency_bound(&target->state->concurrency, fl_pool_provider(pool)->concurrency);
}

static bool has_connection(const struct fl_pool *pool)
{
    return pool->open_count < fl_pool_provider(pool)->connections_max ||
           (!fl_list_empty(&pool->idle) && fl_list_empty(&pool->waiting));
}

/* For one who waits here. */
static bool is_free(const struct fl_room *r)
{
    const struct fl_target_state *s = r->target->state;
    unsigned bound = bound_of(r->pool, r->target);
    bool shared = bound != UINT_MAX && fl_get(s->queued) > r->admit.waiting;
    return fl_get(s->in_flight) < bound && has_connection(r->pool) && !(shared && r->gave);
}

bool fl_room_has_place(struct fl_upstreams *u, const struct fl_target *target)
{
    const struct fl_pool *pool = &u->pools[target->provider_index];
    const struct fl_provider *p = fl_pool_provider(pool);
    if (p->concurrency > 0 && (fl_get(target->state->in_flight) >= bound_of(pool, target) ||
                               fl_get(target->state->queued) > 0)) {
        return false;
    }
    bool first = pool->queued == 0 || (p->concurrency > 0 && pool->open_count < p->connections_max);
    return first && has_connection(pool);
}

uint32_t fl_rooms_full(const struct fl_exchange *x)
{
    uint32_t full = 0;
    for (unsigned place = 0; place < x->plan->count; place++) {
        const struct fl_target *t = &x->config->table.targets[x->plan->targets[place]];
        full |= fl_room_has_place(x->upstreams, t) ? 0 : UINT32_C(1) << place;
    }
    return full;
}

/* --- rooms --- */

static void usher(struct fl_timer *timer);

void fl_rooms_init(struct fl_upstreams *u)
{
    fl_list_init(&u->rooms);
    u->usher.fire = usher;
}

void fl_rooms_finish(struct fl_upstreams *u)
{
    fl_assert(u->queued == 0);
    fl_timers_stop(&u->worker->sys->timers, &u->usher);
    while (!fl_list_empty(&u->rooms)) {
        struct fl_room *r = fl_container_of(u->rooms.next, struct fl_room, link);
        fl_list_remove(&r->link);
        free(r);
    }
}

void fl_rooms_wake(struct fl_upstreams *u)
{
    if (!u->worker->destroying) {
        fl_timers_set(&u->worker->sys->timers, &u->usher, u->worker->sys->now_ns);
    }
}

static struct fl_room *room_of(struct fl_upstreams *u, const struct fl_target *target)
{
    unsigned room = u->snapshot->config->limits.queue;
    for (struct fl_list *at = u->rooms.next; at != &u->rooms; at = at->next) {
        struct fl_room *r = fl_container_of(at, struct fl_room, link);
        if (r->target == target) {
            return r;
        }
    }
    struct fl_room *r =
        calloc(1, sizeof(*r) + room * sizeof(r->storage[0]));
    if (r) {
        r->upstreams = u;
        r->pool = &u->pools[target->provider_index];
        r->target = target;
        fl_admit_init(&r->admit, 1, room, r->storage);
        r->admit.sheds_from = FL_CLASS_SHEDDABLE;
        fl_list_init(&r->link);
        fl_list_append(&u->rooms, &r->link);
    }
    return r;
}

static double mean_ns(const struct fl_mean *m)
{
    double weight = fl_get(m->weight);
    return weight > 0 ? fl_get(m->sum) / weight : 0;
}

/* What the room is to know of its target now: how many it serves at a time, how long each takes. */
static void look(struct fl_room *r, bool free)
{
    unsigned bound = bound_of(r->pool, r->target),
             most = fl_pool_provider(r->pool)->connections_max;
    r->admit.slots = bound < most ? bound : most;
    r->admit.serving = r->admit.slots - (free ? 1 : 0);
    /* Those that wait at other workers get their part of the places. */
    double part = (fl_get(r->target->state->queued) + 1.0) / (r->admit.waiting + 1.0);
    r->admit.service_ns = mean_ns(&r->target->state->measures.total_ns) * (part > 1 ? part : 1);
}

/* --- coming and going --- */

static enum fl_class class_of(const struct fl_exchange *x)
{
    const struct fl_client_key *key = x->client_key;
    enum fl_class class = x->wishes.class_given ? x->wishes.class : FL_CLASS_SHEDDABLE_PLUS;
    if (key && key->class_given && (!x->wishes.class_given || class < key->class)) {
        class = key->class;
    }
    return class;
}

/* Says why to its client, and when to come again: when the line should be through. */
static void turn_away(struct fl_room *r, struct fl_exchange *x, const struct fl_waiter *w,
                      const char *why)
{
    char text[400];
    struct fl_buf b;
    look(r, false);
    uint64_t wait_s = fl_admit_predict_ns(&r->admit, w) / FL_NS_S + 1;
    x->retry_after_s = (unsigned)(wait_s < retry_after_max_s ? wait_s : retry_after_max_s);
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put_cstr(
        &b, "All targets of this model are busy with as many requests as they may have, and ");
    fl_buf_put_cstr(&b, why);
    fl_buf_put_cstr(&b, " Try again in ");
    fl_buf_put_u64(&b, x->retry_after_s);
    fl_buf_put_cstr(&b, " s.");
    x->asking->complaint = fl_arena_copy(&x->arena, fl_buf_slice(&b));
}

static void left(struct fl_room *r, struct fl_exchange *x)
{
    fl_assert(r->upstreams->queued > 0 && r->pool->queued > 0);
    r->upstreams->queued--;
    r->pool->queued--;
    atomic_fetch_sub_explicit(&r->target->state->queued, 1, memory_order_relaxed);
    x->queued_ns += r->upstreams->worker->sys->now_ns - x->seat->waiter.came_ns;
    x->seat = NULL;
}

void fl_room_leave(struct fl_exchange *x)
{
    struct fl_seat *seat = x->seat;
    if (seat) {
        fl_admit_leave(&seat->room->admit, &seat->waiter);
        left(seat->room, x);
    }
}

static void joined(struct fl_room *r, struct fl_exchange *x, struct fl_seat *seat)
{
    struct fl_upstreams *u = r->upstreams;
    u->queued++;
    r->pool->queued++;
    atomic_fetch_add_explicit(&r->target->state->queued, 1, memory_order_relaxed);
    x->seat = seat;
    if (u->usher.slot == 0) {
        u->look_ns = u->worker->sys->now_ns + look_ms * FL_NS_MS;
        fl_timers_set(&u->worker->sys->timers, &u->usher, u->look_ns);
    }
}

static void push_out(struct fl_room *r, struct fl_waiter *w, const char *why)
{
    struct fl_exchange *x = exchange_of(w);
    left(r, x);
    turn_away(r, x, w, why);
    fl_exchange_turned_away(x);
}

static struct fl_seat *new_seat(struct fl_exchange *x, struct fl_room *r)
{
    const struct fl_measures *m = &r->target->state->measures;
    struct fl_seat *seat = fl_arena_take(&x->arena, sizeof(*seat));
    if (seat) {
        *seat = (struct fl_seat){.exchange = x, .room = r};
        seat->waiter.class = class_of(x);
        seat->waiter.tenant = fl_exchange_tenant(x);
        seat->waiter.deadline_ns = x->deadline_ns;
        seat->waiter.expected_ns =
            (uint64_t)mean_ns(x->stream ? &m->first_byte_ns : &m->total_ns);
    }
    return seat;
}

/* By which delay CoDel tells a standing queue: its usual one, half of the longest wait at most. */
static void set_delay(struct fl_room *r, const struct fl_config *c)
{
    const uint64_t usual_ns = 500 * FL_NS_MS;
    uint64_t half_ns = c->limits.queue_wait_ns / 2;
    r->admit.target_delay_ns = half_ns > 0 && half_ns < usual_ns ? half_ns : usual_ns;
}

bool fl_room_enter(struct fl_exchange *x, const struct fl_target *target)
{
    struct fl_room *r = room_of(x->upstreams, target);
    struct fl_seat *seat = r ? new_seat(x, r) : NULL;
    struct fl_waiter *evicted = NULL;
    if (!seat) {
        x->asking->complaint = FL_LIT("There is no memory for one more waiting request.");
        return false;
    }
    look(r, false);
    set_delay(r, x->config);
    switch (fl_admit_offer(&r->admit, &seat->waiter, x->worker->sys->now_ns, &evicted)) {
    case FL_ADMITTED: /* not with each place taken */
    case FL_QUEUED:
        break;
    case FL_REFUSED_FULL:
        turn_away(r, x, &seat->waiter, "no more may wait (limits.queue).");
        return false;
    case FL_REFUSED_LATE:
        turn_away(r, x, &seat->waiter, "none would answer before the deadline of this request.");
        return false;
    }
    fl_assert(seat->waiter.line);
    joined(r, x, seat);
    if (evicted) {
        push_out(r, evicted, "those that wait go before this one.");
    }
    return true;
}

void fl_room_expire(struct fl_exchange *x)
{
    struct fl_room *r = x->seat->room;
    struct fl_waiter *w = &x->seat->waiter;
    fl_room_leave(x);
    turn_away(r, x, w, "none had a place in time.");
    fl_exchange_turned_away(x);
}

/* --- giving places --- */

/* The next of the room, if it has a place. False: nobody's turn has come. */
static bool give(struct fl_room *r, bool free)
{
    struct fl_waiter *w;
    look(r, free);
    enum fl_taken taken = fl_admit_take(&r->admit, r->upstreams->worker->sys->now_ns, &w);
    switch (taken) {
    case FL_TAKEN_NONE:
        return false;
    case FL_TAKEN_SERVE:
        r->gave = true;
        left(r, exchange_of(w));
        fl_exchange_served(exchange_of(w));
        return true;
    case FL_TAKEN_DEAD:
        push_out(r, w, "none would answer before the deadline of this request any more.");
        return true;
    case FL_TAKEN_SHED:
        push_out(r, w, "those of its priority are turned away.");
        return true;
    }
    return false;
}

/* Of the rooms with a place, that of the best first waiter: they may share connections. */
static struct fl_room *best_room(struct fl_upstreams *u)
{
    struct fl_room *best = NULL;
    const struct fl_waiter *first = NULL;
    for (struct fl_list *at = u->rooms.next; at != &u->rooms; at = at->next) {
        struct fl_room *r = fl_container_of(at, struct fl_room, link);
        const struct fl_waiter *w = fl_admit_first(&r->admit);
        bool better = w && (!first || w->class < first->class ||
                            (w->class == first->class && w->deadline_ns < first->deadline_ns));
        if (better && is_free(r)) {
            best = r;
            first = w;
        }
    }
    return best;
}

/* The first who waits in a room need not stay when another target of its plan has a place. */
static bool give_elsewhere(struct fl_room *r)
{
    struct fl_waiter *w = fl_admit_first(&r->admit);
    if (!w || !fl_exchange_elsewhere(exchange_of(w))) {
        return false;
    }
    struct fl_exchange *x = exchange_of(w);
    fl_room_leave(x);
    fl_exchange_served(x);
    return true;
}

/* Rooms are only added meanwhile, in the end; and *u* is held. */
static void each_room(struct fl_upstreams *u, bool (*one)(struct fl_room *r))
{
    for (struct fl_list *at = u->rooms.next; at != &u->rooms; at = at->next) {
        struct fl_room *r = fl_container_of(at, struct fl_room, link);
        while (r->admit.waiting > 0 && one(r)) {
        }
    }
}

static bool send_off(struct fl_room *r)
{
    return give(r, false);
}

static bool forget_turn(struct fl_room *r)
{
    r->gave = false;
    return false;
}

static bool is_shared(const struct fl_upstreams *u)
{
    for (const struct fl_list *at = u->rooms.next; at != &u->rooms; at = at->next) {
        const struct fl_room *r =
            (const struct fl_room *)(const void *)((const char *)at -
                                                   offsetof(struct fl_room, link));
        if (r->admit.waiting > 0 && fl_get(r->target->state->queued) > r->admit.waiting) {
            return true;
        }
    }
    return false;
}

static void usher(struct fl_timer *timer)
{
    struct fl_upstreams *u = fl_container_of(timer, struct fl_upstreams, usher);
    struct fl_room *r;
    uint64_t now = u->worker->sys->now_ns;
    fl_upstreams_ref(u);
    if (now >= u->look_ns) {
        each_room(u, forget_turn);
        u->look_ns = now + (is_shared(u) ? look_shared_ms : look_ms) * FL_NS_MS;
    }
    each_room(u, send_off);
    while ((r = best_room(u)) && give(r, true)) {
    }
    each_room(u, give_elsewhere);
    if (u->queued > 0 && (u->usher.slot == 0 || u->look_ns < u->usher.at_ns)) {
        fl_timers_set(&u->worker->sys->timers, &u->usher, u->look_ns);
    }
    fl_upstreams_unref(u);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: what they have left, which one is taken, what disables and enables one. */
#include "unit/cm.h"

#include "route/keys.h"
#include "unit/route/pool.h"

#include <math.h>

enum { KEYS = 3 };

struct scene {
    struct fl_registry *registry;
    struct fl_target_key keys[KEYS];
    uint64_t now, turn;
};

static void open_scene(struct scene *s, struct fl_key_limits limits)
{
    static const char *const names[KEYS] = {"p#0", "p#1", "p#2"};
    *s = (struct scene){.registry = fl_registry_create(), .now = 1000 * S};
    for (unsigned i = 0; i < KEYS; i++) {
        s->keys[i] =
            (struct fl_target_key){.key = fl_registry_key(s->registry, fl_slice_cstr(names[i])),
                                   .meter = fl_registry_meter(s->registry, fl_slice_cstr(names[i])),
                                   .limits = limits,
                                   .index = i};
    }
}

static void close_scene(struct scene *s)
{
    fl_registry_destroy(s->registry);
}

static const struct fl_key_need small = {10, 20};

static enum fl_headroom headroom(const struct scene *s, struct fl_key_need need, uint64_t *wait_ns)
{
    return fl_keys_headroom(s->keys, KEYS, need, s->now, wait_ns);
}

/* Index of the key taken; KEYS: none. */
static unsigned take(struct scene *s, struct fl_key_need need, struct fl_lease *lease)
{
    const struct fl_target_key *k =
        fl_keys_take(s->keys, KEYS, need, 0, s->turn++, false, s->now, lease);
    return k ? k->index : KEYS;
}

static void give(struct scene *s, struct fl_lease *lease, enum fl_err err,
                 const struct fl_rates *rates)
{
    const struct fl_lease_end end = {.err = err, .rates = rates};
    fl_keys_return(lease, &end, s->now);
}

static struct fl_rates requests_left(uint64_t remaining, uint64_t limit, uint64_t reset_ns)
{
    struct fl_rates r = {.given = true};
    r.of[FL_RATE_REQUESTS] = (struct fl_rate){true, true, true, limit, remaining, reset_ns};
    return r;
}

static void equal_keys_take_turns(void **state)
{
    (void)state;
    struct scene s;
    unsigned picks[KEYS + 1] = {0};
    open_scene(&s, (struct fl_key_limits){0, 0});
    for (unsigned i = 0; i < 300; i++) {
        struct fl_lease lease;
        picks[take(&s, small, &lease)]++;
        give(&s, &lease, FL_OK, NULL);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(picks[i], 100);
        assert_int_equal(fl_get(s.keys[i].key->in_flight), 0);
    }
    uint64_t wait;
    assert_int_equal(fl_keys_headroom(NULL, 0, small, s.now, &wait), FL_HEADROOM);
    close_scene(&s);
}

static void the_key_with_most_left_is_taken(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    open_scene(&s, (struct fl_key_limits){0, 0});
    static const uint64_t left[KEYS] = {10, 50, 30};
    for (unsigned i = 0; i < KEYS; i++) {
        struct fl_rates r = requests_left(left[i], 60, 60 * S);
        assert_non_null(fl_keys_take(&s.keys[i], 1, small, 0, 0, false, s.now, &lease));
        give(&s, &lease, FL_OK, &r);
    }
    for (unsigned i = 0; i < 20; i++) { /* 50 down to 30, none given back before an answer */
        assert_int_equal(take(&s, small, &lease), 1);
    }
    unsigned picks[KEYS + 1] = {0};
    for (unsigned i = 0; i < 70; i++) {
        picks[take(&s, small, &lease)]++;
    }
    assert_int_equal(picks[0], 10); /* in the end all of all */
    assert_int_equal(picks[1], 30);
    assert_int_equal(picks[2], 30);
    uint64_t wait;
    assert_int_equal(headroom(&s, small, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, 60 * S);
    assert_int_equal(take(&s, small, &lease), KEYS);
    s.now += 60 * S; /* whole again, as far as is known: the limit */
    for (unsigned i = 0; i < 180; i++) {
        assert_true(take(&s, small, &lease) < KEYS);
    }
    assert_int_equal(take(&s, small, &lease), KEYS);
    close_scene(&s);
}

/* What an answer says of what is left was true when it was sent; what went out since counts. */
static void answers_come_in_any_order(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease leases[10];
    open_scene(&s, (struct fl_key_limits){0, 0});
    for (unsigned i = 0; i < 10; i++) {
        assert_non_null(fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &leases[i]));
    }
    static const unsigned order[] = {4, 9, 0, 7, 2, 1, 3, 5, 6, 8};
    for (unsigned i = 0; i < 10; i++) {
        struct fl_rates r = requests_left(100 - order[i] - 1, 100, 30 * S);
        give(&s, &leases[order[i]], FL_OK, &r);
    }
    struct fl_lease lease; /* 90 are left whatever came last */
    for (unsigned i = 0; i < 90; i++) {
        assert_non_null(fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease));
    }
    assert_null(fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease));
    close_scene(&s);
}

/* xAI, Mistral: what is left without a word of the reset: a minute, rather than a refusal. And a
 * limit of none is no limit. */
static void limits_without_reset_are_kept_a_minute(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    uint64_t wait;
    open_scene(&s, (struct fl_key_limits){0, 0});
    struct fl_rates r = requests_left(0, 60, 0), none = requests_left(0, 0, 0);
    r.of[FL_RATE_REQUESTS].reset_given = false;
    fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease);
    give(&s, &lease, FL_OK, &none);
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM);
    fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease);
    give(&s, &lease, FL_OK, &r);
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, 60 * S);
    close_scene(&s);
}

/* A bare "remaining: 7" must not stop the eighth request for a period that was made up. */
static void what_is_left_of_an_unknown_limit_holds_nobody(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    uint64_t wait;
    open_scene(&s, (struct fl_key_limits){0, 0});
    struct fl_rates r = {.given = true};
    r.of[FL_RATE_REQUESTS].remaining_given = true;
    r.of[FL_RATE_REQUESTS].remaining = 7;
    fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease);
    give(&s, &lease, FL_OK, &r);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM);
        assert_non_null(fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease));
        give(&s, &lease, FL_OK, NULL);
    }
    close_scene(&s);
}

static void tokens_are_counted_too(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    uint64_t wait;
    open_scene(&s, (struct fl_key_limits){0, 0});
    struct fl_rates r = {.given = true};
    r.of[FL_RATE_TOKENS] = (struct fl_rate){true, true, true, 1000, 100, 6 * S};
    for (unsigned i = 0; i < KEYS; i++) {
        assert_non_null(fl_keys_take(&s.keys[i], 1, small, 0, 0, false, s.now, &lease));
        give(&s, &lease, FL_OK, &r);
    }
    const struct fl_key_need fits = {50, 50}, does_not = {81, 20}, never = {2000, 0};
    assert_int_equal(headroom(&s, fits, &wait), FL_HEADROOM);
    assert_int_equal(headroom(&s, does_not, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, 6 * S);
    /* More than the limit by our count, which may err: it is tried when all is there. */
    assert_int_equal(headroom(&s, never, &wait), FL_HEADROOM_LATER);
    s.now += 6 * S;
    assert_int_equal(headroom(&s, never, &wait), FL_HEADROOM);
    close_scene(&s);
}

static void configured_limits_hold(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    uint64_t wait;
    unsigned taken = 0;
    open_scene(&s, (struct fl_key_limits){60, 6000});
    for (unsigned i = 0; i < 10000; i++) { /* 100 a second for 100 s, three keys */
        s.now += 10 * MS;
        if (take(&s, small, &lease) < KEYS) {
            taken++;
            const struct fl_lease_end end = {.err = FL_OK, .tokens_in = 10, .tokens_out = 20};
            fl_keys_return(&lease, &end, s.now);
        }
    }
    assert_in_range(taken, 3 * 109, 3 * 111); /* ten at once each, then one a second */
    assert_int_equal(headroom(&s, (struct fl_key_need){5000, 2000}, &wait), FL_HEADROOM_NEVER);
    close_scene(&s);
}

static void tokens_are_trued_up(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    const struct fl_gcra_limit limit = {6000, 60 * S, 0};
    open_scene(&s, (struct fl_key_limits){0, 6000});
    const struct fl_gcra *g = &s.keys[0].meter->tokens;
    assert_non_null(
        fl_keys_take(s.keys, 1, (struct fl_key_need){1000, 2000}, 0, 0, false, s.now, &lease));
    assert_int_equal(fl_gcra_left(g, limit, s.now), 3000);
    const struct fl_lease_end less = {.err = FL_OK, .tokens_in = 900, .tokens_out = 100};
    fl_keys_return(&lease, &less, s.now);
    assert_int_equal(fl_gcra_left(g, limit, s.now), 5000);
    fl_keys_take(s.keys, 1, (struct fl_key_need){1000, 2000}, 0, 0, false, s.now, &lease);
    give(&s, &lease, FL_ERR_CONNECT, NULL); /* it never got there */
    assert_int_equal(fl_gcra_left(g, limit, s.now), 5000);
    fl_keys_take(s.keys, 1, (struct fl_key_need){1000, 2000}, 0, 0, false, s.now, &lease);
    give(&s, &lease, FL_ERR_IDLE, NULL); /* who knows: it stays reserved */
    assert_int_equal(fl_gcra_left(g, limit, s.now), 2000);
    close_scene(&s);
}

static void refused_keys_rest_and_are_tried_again(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease, other;
    uint64_t wait;
    open_scene(&s, (struct fl_key_limits){0, 0});
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(take(&s, small, &lease), i);
        give(&s, &lease, FL_ERR_UPSTREAM_AUTH, NULL);
        s.turn = i + 1;
    }
    assert_int_equal(headroom(&s, small, &wait), FL_HEADROOM_NO_KEY);
    assert_int_equal(wait, 300 * S);
    assert_int_equal(take(&s, small, &lease), KEYS);
    assert_int_equal(fl_get(s.keys[0].key->why), FL_ERR_UPSTREAM_AUTH);
    s.now += 300 * S;
    s.turn = 0;
    assert_int_equal(headroom(&s, small, &wait), FL_HEADROOM);
    assert_int_equal(take(&s, small, &lease), 0); /* one attempt each, not more */
    s.turn = 0;
    assert_int_equal(take(&s, small, &other), 1);
    give(&s, &other, FL_ERR_UPSTREAM_AUTH, NULL);
    s.turn = 0;
    assert_int_equal(take(&s, small, &other), 2);
    give(&s, &other, FL_ERR_SERVER, NULL); /* says nothing of the key: the next one may try */
    assert_true(fl_key_usable(s.keys[2].key, s.now));
    give(&s, &lease, FL_OK, NULL);
    assert_true(fl_key_usable(s.keys[0].key, s.now));
    assert_int_equal(fl_get(s.keys[0].key->disabled_until_ns), 0);
    assert_false(fl_key_usable(s.keys[1].key, s.now + 299 * S));
    fl_key_enable(s.keys[1].key);
    assert_true(fl_key_usable(s.keys[1].key, s.now));
    close_scene(&s);
}

static void spent_keys_rest_longer(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    open_scene(&s, (struct fl_key_limits){0, 0});
    take(&s, small, &lease);
    give(&s, &lease, FL_ERR_QUOTA, NULL);
    assert_false(fl_key_usable(s.keys[0].key, s.now + 3599 * S));
    assert_true(fl_key_usable(s.keys[0].key, s.now + 3600 * S));
    take(&s, small, &lease);
    struct fl_rates r = {.retry_after_given = true, .retry_after_ns = 7200 * S};
    give(&s, &lease, FL_ERR_QUOTA, &r);
    assert_false(fl_key_usable(s.keys[1].key, s.now + 7199 * S));
    assert_true(fl_key_usable(s.keys[1].key, s.now + 7200 * S));
    close_scene(&s);
}

/* A 429 without a word: a second. With Retry-After: as long as that. Keys apart. */
static void rate_limits_stop_their_key_alone(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    uint64_t wait;
    open_scene(&s, (struct fl_key_limits){0, 0});
    take(&s, small, &lease);
    give(&s, &lease, FL_ERR_RATE_LIMITED, NULL);
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, S);
    assert_int_equal(headroom(&s, small, &wait), FL_HEADROOM);
    s.now += S;
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM);
    struct fl_rates r = {.retry_after_given = true, .retry_after_ns = 20 * S};
    s.turn = 0;
    assert_int_equal(take(&s, small, &lease), 0);
    give(&s, &lease, FL_ERR_RATE_LIMITED, &r);
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, 20 * S);
    /* Another key of those tried; where all else fails and it must be, the soonest. */
    assert_int_equal(fl_keys_take(s.keys, KEYS, small, 2, 0, false, s.now, &lease)->index, 2);
    assert_null(fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease));
    assert_non_null(fl_keys_take(s.keys, 1, small, 0, 0, true, s.now, &lease));
    close_scene(&s);
}

/* The end of a period, of which something was left, is not what a refusal waits for. */
static void a_refusal_does_not_last_until_the_period_ends(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease first, second;
    uint64_t wait;
    struct fl_rates r = requests_left(0, 4000, S);
    open_scene(&s, (struct fl_key_limits){0, 0});
    take(&s, small, &first);
    give(&s, &first, FL_OK, &r);
    s.now += S; /* two go out in the new period, whose end nobody told */
    s.turn = 0;
    take(&s, small, &first);
    s.turn = 0;
    fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &second);
    give(&s, &first, FL_ERR_RATE_LIMITED, NULL);
    give(&s, &second, FL_ERR_RATE_LIMITED, NULL);
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, S);
    /* Nothing is left until a time that was told. */
    fl_keys_take(s.keys, 1, small, 0, 0, true, s.now, &first);
    r = requests_left(0, 4000, 30 * S);
    give(&s, &first, FL_OK, &r);
    fl_keys_take(s.keys, 1, small, 0, 0, true, s.now, &first);
    give(&s, &first, FL_ERR_RATE_LIMITED, NULL);
    assert_int_equal(fl_keys_headroom(s.keys, 1, small, s.now, &wait), FL_HEADROOM_LATER);
    assert_int_equal(wait, 30 * S);
    close_scene(&s);
}

static void what_holds_a_key_back(void **state)
{
    (void)state;
    struct scene s;
    struct fl_lease lease;
    struct fl_rates r = requests_left(0, 60, 30 * S);
    open_scene(&s, (struct fl_key_limits){1, 0});
    assert_false(fl_keys_held_here(s.keys, 0, small, s.now));
    assert_false(fl_keys_held_here(s.keys, 1, small, s.now));
    fl_keys_take(s.keys, 1, small, 0, 0, false, s.now, &lease);
    assert_true(fl_keys_held_here(s.keys, 1, small, s.now));
    assert_false(fl_keys_held_here(s.keys, 2, small, s.now));
    s.now += 60 * S;
    give(&s, &lease, FL_OK, &r);
    assert_false(fl_keys_held_here(s.keys, 1, small, s.now)); /* the provider's word does */
    close_scene(&s);
}

/* A target whose keys have no room is not chosen; if that ends in time it waits its turn. */
static void the_filter_knows_headroom(void **state)
{
    (void)state;
    struct pool p;
    struct fl_target_key key;
    struct fl_lease lease;
    pool_init(&p, 2, FL_STRATEGY_LOAD_BALANCE, FL_ROUND_ROBIN);
    key = (struct fl_target_key){.key = fl_registry_key(p.registry, FL_LIT("p0#0")),
                                 .meter = fl_registry_meter(p.registry, FL_LIT("p0#0/m"))};
    p.targets[0].keys = &key;
    p.targets[0].key_count = 1;
    struct fl_rates r = requests_left(1, 60, 20 * S);
    fl_keys_take(&key, 1, small, 0, 0, false, p.now_ns, &lease);
    fl_keys_heard(&lease, &r, p.now_ns); /* at the head: before the answer is whole */
    unsigned first[2] = {0, 0};
    for (unsigned i = 0; i < 10; i++) {
        first[pool_plan(&p)]++;
    }
    assert_int_equal(first[0], 5);
    fl_keys_take(&key, 1, small, 0, 0, false, p.now_ns, &lease); /* the last one */
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(pool_plan(&p), 1);
        assert_int_equal(p.plan.count, 2);
        assert_int_equal(p.plan.targets[1], 0);
        assert_int_equal(p.plan.ready_ns[0], 0);
        assert_int_equal(p.plan.ready_ns[1], p.now_ns + 20 * S);
    }
    struct fl_route_request request = {.now_ns = p.now_ns, .deadline_ns = p.now_ns + 10 * S};
    fl_route_drain(&p.targets[1], true, p.now_ns);
    fl_route_plan(&p.table, &p.route, &request, &p.rng, &p.plan);
    assert_int_equal(p.plan.count, 1); /* nobody else is there: the provider may know better */
    assert_true(p.plan.panic);
    key.limits.requests_per_minute = 1; /* what we ourselves allow is kept */
    fl_keys_take(&key, 1, small, 0, 0, true, p.now_ns, &lease);
    fl_route_plan(&p.table, &p.route, &request, &p.rng, &p.plan);
    assert_int_equal(p.plan.count, 0);
    assert_int_equal(p.plan.err, FL_ERR_RATE_LIMITED);
    assert_int_equal(p.plan.retry_ns, p.now_ns + 60 * S);
    assert_int_equal(p.plan.skipped[FL_SKIP_LIMITED], 1);
    key.limits.requests_per_minute = 0;
    p.now_ns += 20 * S;
    assert_int_equal(pool_plan(&p), 0);
    const struct fl_lease_end refused = {.err = FL_ERR_UPSTREAM_AUTH};
    fl_keys_return(&lease, &refused, p.now_ns);
    fl_route_drain(&p.targets[1], false, p.now_ns);
    assert_int_equal(pool_plan(&p), 1);
    assert_int_equal(p.plan.count, 1);
    assert_int_equal(p.plan.candidates[1].skip, FL_SKIP_NO_KEY);
    pool_finish(&p);
}

/* The acceptance of ROUTING.md 2.3: 60 a minute on each of two keys, 120 offered: no refusal once
 * the first window has told what the limits are. The provider counts by whole minutes or as a
 * bucket. */
struct provider {
    bool bucket;
    unsigned used[2];
    struct fl_gcra gcra[2];
    uint64_t window;
};

static bool provider_takes(struct provider *p, unsigned key, uint64_t now, struct fl_rates *rates)
{
    const struct fl_gcra_limit limit = {60, 60 * S, 0};
    if (now / (60 * S) != p->window) {
        p->window = now / (60 * S);
        p->used[0] = p->used[1] = 0;
    }
    if (p->bucket) {
        bool ok = fl_gcra_take(&p->gcra[key], limit, 1, now) == 0;
        uint64_t left = fl_gcra_left(&p->gcra[key], limit, now);
        *rates = requests_left(left, 60, (60 - left) * S);
        return ok;
    }
    bool ok = p->used[key] < 60;
    p->used[key] += ok;
    *rates = requests_left(60 - p->used[key], 60, 60 * S - now % (60 * S));
    return ok;
}

/* Answers on their way, which come in any order up to three seconds later; *at*: 0: free. */
struct way {
    uint64_t at;
    struct fl_lease lease;
    struct fl_rates rates;
    bool ok;
};

enum { WAYS = 256 };

static void arrive(struct scene *s, struct way *ways, uint64_t until)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (ways[i].at > 0 && ways[i].at <= until) {
            uint64_t now = s->now;
            s->now = ways[i].at;
            give(s, &ways[i].lease, ways[i].ok ? FL_OK : FL_ERR_RATE_LIMITED, &ways[i].rates);
            s->now = now;
            ways[i].at = 0;
        }
    }
}

static void no_request_discovers_a_limit(void **state)
{
    (void)state;
    static const double offered_rpm[] = {120, 180, 600};
    static struct way ways[WAYS];
    for (unsigned run = 0; run < 6; run++) {
        struct scene s;
        struct fl_rng rng;
        struct provider p = {.bucket = run % 2 == 1};
        unsigned refused = 0, early = 0, served = 0, offered = 0;
        open_scene(&s, (struct fl_key_limits){0, 0});
        fl_rng_seed(&rng, run);
        memset(ways, 0, sizeof(ways));
        for (s.now = 1020 * S; s.now < 1020 * S + 1800 * S; offered++) {
            struct way *w = ways;
            s.now += (uint64_t)(-log(1 - fl_rng_unit(&rng)) * 60e9 / offered_rpm[run / 2]);
            arrive(&s, ways, s.now);
            for (unsigned i = 0; i < WAYS && w->at > 0; i++) {
                w = &ways[i];
            }
            const struct fl_target_key *k =
                fl_keys_take(s.keys, 2, small, 0, s.turn++, false, s.now, &w->lease);
            if (k) {
                w->ok = provider_takes(&p, k->index, s.now, &w->rates);
                w->at = s.now + 1 + fl_rng_below(&rng, 3 * S);
                served += w->ok;
                refused += !w->ok && s.now >= 1080 * S;
                early += !w->ok && s.now < 1080 * S;
            }
        }
        arrive(&s, ways, UINT64_MAX);
        print_message(
            "[ keys     ] %s, %.0f a minute: %u of %u served in 30 min, %u refused in the "
            "first minute, %u later\n",
            p.bucket ? "bucket" : "window", offered_rpm[run / 2], served, offered, early, refused);
        assert_int_equal(refused, 0);
        assert_true(served > 3200 || served > offered * 9 / 10);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_take_turns),
        cmocka_unit_test(the_key_with_most_left_is_taken),
        cmocka_unit_test(answers_come_in_any_order),
        cmocka_unit_test(limits_without_reset_are_kept_a_minute),
        cmocka_unit_test(what_is_left_of_an_unknown_limit_holds_nobody),
        cmocka_unit_test(tokens_are_counted_too),
        cmocka_unit_test(configured_limits_hold),
        cmocka_unit_test(tokens_are_trued_up),
        cmocka_unit_test(refused_keys_rest_and_are_tried_again),
        cmocka_unit_test(spent_keys_rest_longer),
        cmocka_unit_test(rate_limits_stop_their_key_alone),
        cmocka_unit_test(a_refusal_does_not_last_until_the_period_ends),
        cmocka_unit_test(what_holds_a_key_back),
        cmocka_unit_test(the_filter_knows_headroom),
        cmocka_unit_test(no_request_discovers_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

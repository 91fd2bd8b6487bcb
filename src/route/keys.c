/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key: usable -> refused (401): disabled 5 min -> one attempt is let through -> served: usable
 *                                                                             `-> refused: disabled
 */
#include "route/keys.h"

#include "base/assert.h"
#include "route/failure.h"

#define MINUTE_NS  UINT64_C(60000000000)
#define UNKNOWN_NS UINT64_C(1000000000) /* a refusal without a word of when to come again */
/* An attempt with a key that was disabled holds the next one back for so long at most. */
#define PROBE_HOLDS_NS UINT64_C(60000000000)

/* Requests: no more than ten seconds' worth at once, or two minutes' worth might go out in one.
 * Tokens: a single prompt may take a minute's. */
static struct fl_gcra_limit requests_of(const struct fl_target_key *k)
{
    uint64_t limit = k->limits.requests_per_minute;
    return (struct fl_gcra_limit){limit, MINUTE_NS, limit > 6 ? limit / 6 : 1};
}

static struct fl_gcra_limit tokens_of(const struct fl_target_key *k)
{
    return (struct fl_gcra_limit){k->limits.tokens_per_minute, MINUTE_NS, 0};
}

static uint64_t units_of(struct fl_key_need need, unsigned kind)
{
    switch ((enum fl_rate_kind)kind) {
    case FL_RATE_REQUESTS:
    case FL_RATE_REQUESTS_DAY:
        return 1;
    case FL_RATE_TOKENS:
    case FL_RATE_TOKENS_DAY:
    case FL_RATE_TOKENS_PROJECT:
        return (uint64_t)need.tokens_in + need.tokens_out;
    case FL_RATE_TOKENS_IN:
        return need.tokens_in;
    case FL_RATE_TOKENS_OUT:
        return need.tokens_out;
    case FL_RATE_KINDS:
        break;
    }
    return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* --- Keys --- */

bool fl_key_usable(const struct fl_key_state *key, uint64_t now_ns)
{
    uint64_t until_ns = fl_get(key->disabled_until_ns), probe_ns = fl_get(key->probe_ns);
    if (until_ns == 0) {
        return true;
    }
    return now_ns >= until_ns && (probe_ns < until_ns || now_ns >= probe_ns + PROBE_HOLDS_NS);
}

static uint64_t key_wait_ns(const struct fl_key_state *key, uint64_t now_ns)
{
    uint64_t until_ns = fl_get(key->disabled_until_ns), probe_ns = fl_get(key->probe_ns);
    uint64_t from_ns = probe_ns >= until_ns ? probe_ns + PROBE_HOLDS_NS : until_ns;
    return from_ns > now_ns ? from_ns - now_ns : 0;
}

void fl_key_enable(struct fl_key_state *key)
{
    fl_set(key->disabled_until_ns, 0);
    fl_set(key->why, FL_OK);
}

static void key_disable(struct fl_key_state *key, enum fl_err why, uint64_t until_ns)
{
    fl_lock(&key->lock);
    if (until_ns > fl_get(key->disabled_until_ns)) {
        fl_set(key->disabled_until_ns, until_ns);
        fl_set(key->why, (uint8_t)why);
    }
    fl_unlock(&key->lock);
}

void fl_key_refused(struct fl_key_state *key, enum fl_err err, uint64_t now_ns)
{
    key_disable(key, err, now_ns + FL_COOL_KEY_NS);
}

/* --- What a mirror has left --- */

struct left {
    bool known;
    uint64_t units, of; /* of: the limit, 0: not known */
    uint64_t reset_ns;
};

static struct left mirror_left(const struct fl_mirror *m, uint64_t now_ns)
{
    uint64_t reset_ns = fl_get(m->reset_ns), limit = fl_get(m->limit);
    uint64_t since = fl_get(m->sent) - fl_get(m->base), remaining = fl_get(m->remaining);
    if (reset_ns == 0 || (now_ns >= reset_ns && limit == 0)) {
        return (struct left){.known = false};
    }
    if (now_ns >= reset_ns) { /* whole again; the next attempt begins its new period */
        return (struct left){true, limit, limit, 0};
    }
    return (struct left){true, remaining > since ? remaining - since : 0, limit, reset_ns};
}

/* How long until this need fits, by one mirror. */
static uint64_t mirror_wait_ns(const struct fl_mirror *m, uint64_t units, uint64_t now_ns)
{
    struct left left = mirror_left(m, now_ns);
    if (!left.known || units <= left.units) {
        return 0;
    }
    if (left.of > 0 && units > left.of) {
        /* More than the whole limit: our count may be too high, so it is tried when all is there.
         */
        return left.units >= left.of || left.reset_ns == 0 ? 0 : left.reset_ns - now_ns;
    }
    return left.reset_ns > now_ns ? left.reset_ns - now_ns : 0;
}

/* 0: now. */
static uint64_t meter_wait_ns(const struct fl_target_key *k, struct fl_key_need need,
                              uint64_t now_ns)
{
    const struct fl_meter *m = k->meter;
    uint64_t tokens = units_of(need, FL_RATE_TOKENS);
    uint64_t wait = fl_gcra_wait_ns(&m->requests, requests_of(k), 1, now_ns);
    wait = larger(wait, fl_gcra_wait_ns(&m->tokens, tokens_of(k), tokens, now_ns));
    for (unsigned known = fl_get(m->known); known != 0 && wait < UINT64_MAX; known &= known - 1) {
        unsigned i = (unsigned)__builtin_ctz(known);
        wait = larger(wait, mirror_wait_ns(&m->mirror[i], units_of(need, i), now_ns));
    }
    return wait;
}

bool fl_keys_held_here(const struct fl_target_key *keys, unsigned count, struct fl_key_need need,
                       uint64_t now_ns)
{
    for (unsigned i = 0; i < count; i++) {
        const struct fl_target_key *k = &keys[i];
        uint64_t tokens = units_of(need, FL_RATE_TOKENS);
        if (fl_gcra_wait_ns(&k->meter->requests, requests_of(k), 1, now_ns) == 0 &&
            fl_gcra_wait_ns(&k->meter->tokens, tokens_of(k), tokens, now_ns) == 0) {
            return false;
        }
    }
    return count > 0;
}

/* The least share that is left of any limit, in [0, 1]; 1 where nothing is known. */
static double headroom_of(const struct fl_target_key *k, uint64_t now_ns)
{
    const struct fl_meter *m = k->meter;
    double least = 1;
    const struct fl_gcra *gcras[2] = {&m->requests, &m->tokens};
    const struct fl_gcra_limit limits[2] = {requests_of(k), tokens_of(k)};
    for (unsigned i = 0; i < 2; i++) {
        if (limits[i].limit > 0) {
            uint64_t whole = limits[i].burst > 0 ? limits[i].burst : limits[i].limit;
            double share = (double)fl_gcra_left(gcras[i], limits[i], now_ns) / (double)whole;
            least = share < least ? share : least;
        }
    }
    for (unsigned known = fl_get(m->known); known != 0; known &= known - 1) {
        unsigned i = (unsigned)__builtin_ctz(known);
        struct left left = mirror_left(&m->mirror[i], now_ns);
        if (left.known && left.of > 0) {
            double share = (double)left.units / (double)left.of;
            least = share < least ? share : least;
        }
    }
    return least;
}

enum fl_headroom fl_keys_headroom(const struct fl_target_key *keys, unsigned count,
                                  struct fl_key_need need, uint64_t now_ns, uint64_t *ret_wait_ns)
{
    uint64_t soonest = UINT64_MAX, enabled = UINT64_MAX;
    bool any_usable = count == 0;
    *ret_wait_ns = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!fl_key_usable(keys[i].key, now_ns)) {
            uint64_t wait = key_wait_ns(keys[i].key, now_ns);
            enabled = wait < enabled ? wait : enabled;
            continue;
        }
        uint64_t wait = meter_wait_ns(&keys[i], need, now_ns);
        if (wait == 0) {
            return FL_HEADROOM;
        }
        any_usable = true;
        soonest = wait < soonest ? wait : soonest;
    }
    if (!any_usable) {
        *ret_wait_ns = enabled;
        return FL_HEADROOM_NO_KEY;
    }
    *ret_wait_ns = soonest;
    return count == 0 ? FL_HEADROOM : soonest == UINT64_MAX ? FL_HEADROOM_NEVER : FL_HEADROOM_LATER;
}

/* --- Taking --- */

/* A limit whose reset has come: the attempt that notices begins the new period. How long that is we
 * do not know: a minute, until an answer tells. */
static void mirror_take(struct fl_mirror *m, uint64_t units, uint64_t now_ns)
{
    uint64_t reset_ns = fl_get(m->reset_ns), limit = fl_get(m->limit);
    if (reset_ns > 0 && now_ns >= reset_ns) {
        fl_set(m->base, fl_get(m->sent));
        fl_set(m->remaining, limit);
        fl_set(m->reset_ns, limit > 0 ? now_ns + MINUTE_NS : 0);
    }
    fl_set(m->sent, fl_get(m->sent) + units);
}

static void reserve(const struct fl_target_key *k, struct fl_key_need need, uint64_t now_ns,
                    struct fl_lease *ret_lease)
{
    struct fl_meter *m = k->meter;
    uint64_t tokens = units_of(need, FL_RATE_TOKENS);
    *ret_lease = (struct fl_lease){.on = k, .need = need};
    fl_lock(&m->lock);
    fl_gcra_settle(&m->requests, requests_of(k), 0, 1, now_ns);
    fl_gcra_settle(&m->tokens, tokens_of(k), 0, tokens, now_ns);
    for (unsigned i = 0; i < FL_RATE_KINDS; i++) {
        mirror_take(&m->mirror[i], units_of(need, i), now_ns);
        ret_lease->sent[i] = fl_get(m->mirror[i].sent);
    }
    ret_lease->order = ++m->dispatched;
    fl_unlock(&m->lock);
    fl_lock(&k->key->lock);
    if (fl_get(k->key->disabled_until_ns) > 0) {
        fl_set(k->key->probe_ns, now_ns);
    }
    fl_set(k->key->in_flight, fl_get(k->key->in_flight) + 1);
    fl_unlock(&k->key->lock);
}

struct standing {
    const struct fl_target_key *key;
    uint64_t wait_ns;
    double headroom;
};

static bool better(const struct standing *a, const struct standing *b)
{
    return !b->key || a->wait_ns < b->wait_ns ||
           (a->wait_ns == b->wait_ns && a->headroom > b->headroom);
}

const struct fl_target_key *fl_keys_take(const struct fl_target_key *keys, unsigned count,
                                         struct fl_key_need need, uint32_t tried, uint64_t turn,
                                         bool force, uint64_t now_ns, struct fl_lease *ret_lease)
{
    struct standing best = {.key = NULL};
    fl_assert(count <= FL_KEYS_MAX);
    *ret_lease = (struct fl_lease){.on = NULL};
    for (unsigned n = 0; n < count; n++) {
        unsigned i = (unsigned)((turn + n) % count);
        bool usable = fl_key_usable(keys[i].key, now_ns);
        if ((tried >> i & 1) != 0 || (!usable && !force)) {
            continue;
        }
        struct standing one = {&keys[i], meter_wait_ns(&keys[i], need, now_ns),
                               count > 1 ? headroom_of(&keys[i], now_ns) : 1};
        one.wait_ns =
            usable ? one.wait_ns : larger(one.wait_ns, 1 + key_wait_ns(keys[i].key, now_ns));
        if ((one.wait_ns == 0 || force) && better(&one, &best)) {
            best = one;
        }
    }
    if (best.key) {
        reserve(best.key, need, now_ns, ret_lease);
    }
    return best.key;
}

/* --- What answers teach --- */

static bool given(const struct fl_rate *r)
{
    return r->remaining_given || r->limit_given;
}

static void mirror_learn(struct fl_mirror *m, const struct fl_rate *r, const struct fl_lease *lease,
                         unsigned kind, uint64_t now_ns)
{
    if (r->limit_given && r->limit == 0) { /* how some say that there is none */
        return;
    }
    if (r->limit_given) {
        fl_set(m->limit, r->limit);
    }
    if (!r->remaining_given || lease->order < fl_get(m->order)) {
        return;
    }
    if (!r->reset_given && fl_get(m->limit) == 0) { /* a made-up period would hold requests back */
        return;
    }
    fl_set(m->order, lease->order);
    fl_set(m->base, lease->sent[kind]);
    fl_set(m->remaining, r->remaining);
    fl_set(m->reset_ns, now_ns + (r->reset_given ? larger(r->reset_ns, 1) : MINUTE_NS));
}

void fl_keys_heard(const struct fl_lease *lease, const struct fl_rates *rates, uint64_t now_ns)
{
    if (!lease->on || !rates || !rates->given) {
        return;
    }
    struct fl_meter *m = lease->on->meter;
    fl_lock(&m->lock);
    for (unsigned i = 0; i < FL_RATE_KINDS; i++) {
        if (given(&rates->of[i])) {
            mirror_learn(&m->mirror[i], &rates->of[i], lease, i, now_ns);
            fl_set(m->known, fl_get(m->known) | 1u << i);
        }
    }
    fl_unlock(&m->lock);
}

/* Refused for rate: nothing more by this key until it is over, whatever the headers said. */
static void mirror_exhaust(struct fl_meter *m, const struct fl_rates *rates, uint64_t now_ns)
{
    uint64_t ns = rates && rates->retry_after_given ? rates->retry_after_ns : 0;
    bool told = false; /* which limit it was, and until when */
    for (unsigned i = 0; i < FL_RATE_KINDS && rates && ns == 0; i++) {
        const struct fl_rate *r = &rates->of[i];
        told = told || (r->remaining_given && r->remaining == 0 && r->reset_given);
    }
    if (told) {
        return;
    }
    struct fl_mirror *r = &m->mirror[FL_RATE_REQUESTS];
    struct left left = mirror_left(r, now_ns);
    uint64_t until_ns = now_ns + (ns > 0 ? ns : UNKNOWN_NS);
    /* The end of a period that had some left (told, or guessed when it began) is not what this
     * waits for. */
    if (!left.known || left.units > 0 || until_ns > left.reset_ns) {
        fl_set(r->reset_ns, until_ns);
    }
    fl_set(r->base, fl_get(r->sent));
    fl_set(r->remaining, 0);
    fl_set(r->order, m->dispatched);
    fl_set(m->known, fl_get(m->known) | 1u << FL_RATE_REQUESTS);
}

static void settle_key(struct fl_key_state *key, const struct fl_lease_end *end, uint64_t now_ns)
{
    enum fl_cool cool = fl_consequence_of(end->err)->cool;
    uint64_t after_ns =
        end->rates && end->rates->retry_after_given ? end->rates->retry_after_ns : 0;
    if (end->err == FL_OK) {
        if (fl_get(key->disabled_until_ns) > 0) {
            fl_key_enable(key);
        }
    } else if (cool == FL_COOL_KEY) {
        key_disable(key, end->err, now_ns + FL_COOL_KEY_NS);
    } else if (cool == FL_COOL_QUOTA) {
        key_disable(key, end->err, now_ns + (after_ns > 0 ? after_ns : FL_COOL_QUOTA_NS));
    } else if (fl_get(key->probe_ns) > 0) {
        fl_set(key->probe_ns, 0); /* nothing was learned: the next one may try it */
    }
}

void fl_keys_return(struct fl_lease *lease, const struct fl_lease_end *end, uint64_t now_ns)
{
    const struct fl_target_key *k = lease->on;
    if (!k) {
        return;
    }
    struct fl_meter *m = k->meter;
    uint64_t reserved = units_of(lease->need, FL_RATE_TOKENS);
    uint64_t in = end->tokens_in > 0 ? end->tokens_in : lease->need.tokens_in;
    bool untouched = fl_consequence_of(end->err)->scope == FL_SCOPE_PROVIDER;
    bool counted = end->err == FL_OK && end->tokens_out > 0;
    uint64_t actual = untouched ? 0 : counted ? in + end->tokens_out : reserved;
    fl_keys_heard(lease, end->rates, now_ns);
    fl_lock(&m->lock);
    fl_gcra_settle(&m->requests, requests_of(k), 1, !untouched, now_ns);
    fl_gcra_settle(&m->tokens, tokens_of(k), reserved, actual, now_ns);
    if (end->err == FL_ERR_RATE_LIMITED) {
        mirror_exhaust(m, end->rates, now_ns);
    }
    fl_unlock(&m->lock);
    settle_key(k->key, end, now_ns);
    fl_lock(&k->key->lock);
    fl_assert(fl_get(k->key->in_flight) > 0);
    fl_set(k->key->in_flight, fl_get(k->key->in_flight) - 1);
    fl_unlock(&k->key->lock);
    lease->on = NULL;
}

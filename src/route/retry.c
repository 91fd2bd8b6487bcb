/* SPDX-License-Identifier: Apache-2.0 */
#include "route/retry.h"

#define NS_PER_S UINT64_C(1000000000)

/* --- Budget --- */

/* Moves the ring on to this second. Clocks of two threads may differ a little: never back. */
static void budget_advance(struct fl_retry_budget *b, uint64_t now_ns)
{
    uint64_t second = now_ns / NS_PER_S;
    if (second <= b->second) {
        return;
    }
    uint64_t gone = second - b->second;
    for (uint64_t i = 1; i <= gone && i <= FL_BUDGET_SLOTS; i++) {
        b->requests[(b->second + i) % FL_BUDGET_SLOTS] = 0;
        b->extra[(b->second + i) % FL_BUDGET_SLOTS] = 0;
    }
    b->second = second;
}

struct balance {
    double whole, used;
};

static struct balance balance_of(const struct fl_retry_budget *b)
{
    unsigned requests = 0, extra = 0;
    for (unsigned i = 0; i < FL_BUDGET_SLOTS; i++) {
        requests += b->requests[i];
        extra += b->extra[i];
    }
    return (struct balance){FL_BUDGET_SHARE * requests + FL_BUDGET_RESERVE_PER_S * FL_BUDGET_SLOTS,
                            extra};
}

void fl_retry_budget_request(struct fl_retry_budget *b, uint64_t now_ns)
{
    fl_lock(&b->lock);
    budget_advance(b, now_ns);
    b->requests[b->second % FL_BUDGET_SLOTS]++;
    fl_unlock(&b->lock);
}

static bool allows(const struct fl_retry_budget *b, double part)
{
    struct balance at = balance_of(b);
    return at.whole - at.used >= 1 && at.used <= at.whole * (1 - part);
}

bool fl_retry_budget_allows(struct fl_retry_budget *b, double part, uint64_t now_ns)
{
    fl_lock(&b->lock);
    budget_advance(b, now_ns);
    bool ok = allows(b, part);
    fl_unlock(&b->lock);
    return ok;
}

bool fl_retry_budget_take(struct fl_retry_budget *b, double part, uint64_t now_ns)
{
    fl_lock(&b->lock);
    budget_advance(b, now_ns);
    bool ok = allows(b, part);
    b->extra[b->second % FL_BUDGET_SLOTS] += ok;
    fl_unlock(&b->lock);
    return ok;
}

double fl_retry_budget_left(struct fl_retry_budget *b, uint64_t now_ns)
{
    fl_lock(&b->lock);
    budget_advance(b, now_ns);
    struct balance at = balance_of(b);
    fl_unlock(&b->lock);
    return at.whole > at.used ? at.whole - at.used : 0;
}

/* --- Gate --- */

static void gate_move(struct fl_retry_gate *g, int tenths)
{
    unsigned spent = fl_get(g->spent), next;
    do {
        int to = (int)spent + tenths;
        next = to < 0 ? 0 : to > FL_GATE_FULL ? FL_GATE_FULL : (unsigned)to;
    } while (!atomic_compare_exchange_weak_explicit(&g->spent, &spent, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void fl_retry_gate_succeeded(struct fl_retry_gate *g)
{
    if (fl_get(g->spent) > 0) { /* most of the time it is full: nothing is written */
        gate_move(g, -1);
    }
}

void fl_retry_gate_failed(struct fl_retry_gate *g)
{
    gate_move(g, 10);
}

void fl_retry_gate_fill(struct fl_retry_gate *g)
{
    fl_set(g->spent, 0);
}

bool fl_retry_gate_open(const struct fl_retry_gate *g)
{
    return fl_get(g->spent) < FL_GATE_FULL / 2;
}

/* --- Throttle --- */

static void throttle_advance(struct fl_throttle *t, uint64_t now_ns)
{
    uint64_t slot = now_ns / (10 * NS_PER_S);
    if (slot <= t->slot) {
        return;
    }
    uint64_t gone = slot - t->slot;
    for (uint64_t i = 1; i <= gone && i <= FL_THROTTLE_SLOTS; i++) {
        t->requests[(t->slot + i) % FL_THROTTLE_SLOTS] = 0;
        t->accepts[(t->slot + i) % FL_THROTTLE_SLOTS] = 0;
    }
    t->slot = slot;
}

void fl_throttle_asked(struct fl_throttle *t, uint64_t now_ns)
{
    fl_lock(&t->lock);
    throttle_advance(t, now_ns);
    t->requests[t->slot % FL_THROTTLE_SLOTS]++;
    fl_unlock(&t->lock);
}

void fl_throttle_accepted(struct fl_throttle *t, uint64_t now_ns)
{
    fl_lock(&t->lock);
    throttle_advance(t, now_ns);
    t->accepts[t->slot % FL_THROTTLE_SLOTS]++;
    fl_unlock(&t->lock);
}

struct asked {
    unsigned requests, accepts;
};

static struct asked asked_of(struct fl_throttle *t, uint64_t now_ns)
{
    struct asked sum = {0, 0};
    fl_lock(&t->lock);
    throttle_advance(t, now_ns);
    for (unsigned i = 0; i < FL_THROTTLE_SLOTS; i++) {
        sum.requests += t->requests[i];
        sum.accepts += t->accepts[i];
    }
    fl_unlock(&t->lock);
    return sum;
}

static double rejects(struct asked sum)
{
    double p = (sum.requests - FL_THROTTLE_K * sum.accepts) / (sum.requests + 1.0);
    return p > 0 ? p : 0;
}

double fl_throttle_rejects(struct fl_throttle *t, uint64_t now_ns)
{
    return rejects(asked_of(t, now_ns));
}

bool fl_throttle_stops(struct fl_throttle *t, double unit, uint64_t now_ns)
{
    struct asked sum = asked_of(t, now_ns);
    bool likely = sum.requests >= FL_THROTTLE_LEAST && unit < rejects(sum);
    fl_lock(&t->lock);
    bool stops = likely && now_ns < t->passed_ns + NS_PER_S;
    t->passed_ns = stops ? t->passed_ns : now_ns;
    fl_unlock(&t->lock);
    return stops;
}

void fl_throttle_forget(struct fl_throttle *t)
{
    fl_lock(&t->lock);
    for (unsigned i = 0; i < FL_THROTTLE_SLOTS; i++) {
        t->requests[i] = t->accepts[i] = 0;
    }
    fl_unlock(&t->lock);
}

/* --- Backoff --- */

uint64_t fl_backoff_ns(unsigned n, uint64_t floor_ns, struct fl_rng *rng)
{
    uint64_t most = n < 5 ? FL_BACKOFF_BASE_NS << n : FL_BACKOFF_CAP_NS;
    most = most < FL_BACKOFF_CAP_NS ? most : FL_BACKOFF_CAP_NS;
    uint64_t ns = fl_rng_below(rng, most + 1);
    return ns > floor_ns ? ns : floor_ns;
}

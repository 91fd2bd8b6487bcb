/* SPDX-License-Identifier: Apache-2.0 */
#include "route/gcra.h"

__extension__ typedef unsigned __int128 uint128;

/* n * period / limit, rounded up, without overflow; a year at most. */
static uint64_t cost_ns(struct fl_gcra_limit limit, uint64_t n)
{
    const uint64_t year = UINT64_C(31536000000000000);
    uint128 ns = ((uint128)n * limit.period_ns + limit.limit - 1) / limit.limit;
    return ns < year ? (uint64_t)ns : year;
}

static uint64_t burst_of(struct fl_gcra_limit limit)
{
    return limit.burst > 0 ? limit.burst : limit.limit;
}

/* The wait for a bucket that is full at tat. */
static uint64_t wait_at(struct fl_gcra_limit limit, uint64_t tat_ns, uint64_t n, uint64_t now_ns)
{
    uint64_t from = tat_ns > now_ns ? tat_ns - now_ns : 0;
    uint64_t after = from + cost_ns(limit, n), most = cost_ns(limit, burst_of(limit));
    if (n > burst_of(limit)) {
        return UINT64_MAX;
    }
    return after > most ? after - most : 0;
}

uint64_t fl_gcra_wait_ns(const struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t n,
                         uint64_t now_ns)
{
    return limit.limit == 0 ? 0 : wait_at(limit, fl_get(g->tat_ns), n, now_ns);
}

uint64_t fl_gcra_take(struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t n, uint64_t now_ns)
{
    uint64_t tat = fl_get(g->tat_ns), wait, next;
    if (limit.limit == 0) {
        return 0;
    }
    do {
        wait = wait_at(limit, tat, n, now_ns);
        if (wait > 0) {
            return wait;
        }
        next = (tat > now_ns ? tat : now_ns) + cost_ns(limit, n);
    } while (!atomic_compare_exchange_weak_explicit(&g->tat_ns, &tat, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 0;
}

void fl_gcra_settle(struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t reserved,
                    uint64_t actual, uint64_t now_ns)
{
    uint64_t tat = fl_get(g->tat_ns), next;
    if (limit.limit == 0 || reserved == actual) {
        return;
    }
    do {
        if (actual > reserved) {
            next = (tat > now_ns ? tat : now_ns) + cost_ns(limit, actual - reserved);
        } else {
            uint64_t back = cost_ns(limit, reserved - actual);
            next = tat > now_ns + back ? tat - back : now_ns;
            next = next < tat ? next : tat; /* the bucket was full already */
        }
    } while (!atomic_compare_exchange_weak_explicit(&g->tat_ns, &tat, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

uint64_t fl_gcra_left(const struct fl_gcra *g, struct fl_gcra_limit limit, uint64_t now_ns)
{
    uint64_t tat = fl_get(g->tat_ns), used, burst = burst_of(limit);
    if (limit.limit == 0) {
        return UINT64_MAX;
    }
    if (tat <= now_ns) {
        return burst;
    }
    used =
        (uint64_t)(((uint128)(tat - now_ns) * limit.limit + limit.period_ns - 1) / limit.period_ns);
    return used < burst ? burst - used : 0;
}

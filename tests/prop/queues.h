/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small discrete-event simulation around the real routing engine: requests arrive, are planned
 * and begun, spend their time at a server, and end. A server is a queue (one at a time, first come
 * first served) or a delay (any number at once). Time is virtual; the same seed gives the same run.
 */
#ifndef FL_TESTS_PROP_QUEUES_H
#define FL_TESTS_PROP_QUEUES_H

#include "unit/route/pool.h"

#include <math.h>

struct ending {
    uint64_t at_ns, begun_ns;
    unsigned target;
    enum fl_err err;
};

struct queues;
/* How long a request begun now takes at a target once it is served, and how it ends. */
typedef uint64_t service_fn(struct queues *q, unsigned target, enum fl_err *ret_err);
/* Chooses in place of the engine: a control. */
typedef unsigned choose_fn(struct queues *q);
typedef void ended_fn(struct queues *q, const struct ending *e);

struct queues {
    struct pool pool;
    service_fn *service;
    choose_fn *choose; /* NULL: the engine */
    ended_fn *ended;   /* may be NULL */
    bool delay;        /* servers are delays, not queues */
    double per_second; /* arrivals, exponential gaps */
    struct fl_rng rng; /* of arrivals and services */
    uint64_t start_ns, free_ns[POOL_MAX];
    unsigned heap_count, heap_cap;
    struct ending *heap;
    uint64_t ends, within; /* within: successes under limit_ns */
    uint64_t limit_ns;
    uint64_t picks[POOL_MAX];
    double total_ns; /* of all ends */
};

static inline void queues_init(struct queues *q, unsigned targets, enum fl_algorithm algorithm,
                               uint64_t seed)
{
    memset(q, 0, sizeof(*q));
    pool_init(&q->pool, targets, FL_STRATEGY_LOAD_BALANCE, algorithm);
    q->pool.table.health.failures_to_eject = 1000000000; /* breakers are tested elsewhere */
    fl_rng_seed(&q->pool.rng, seed);
    fl_rng_seed(&q->rng, seed + 1);
    q->start_ns = q->pool.now_ns;
}

static inline void queues_finish(struct queues *q)
{
    pool_finish(&q->pool);
    free(q->heap);
}

static inline double exponential(struct fl_rng *rng)
{
    return -log1p(-fl_rng_unit(rng));
}

static inline void heap_push(struct queues *q, struct ending e)
{
    if (q->heap_count == q->heap_cap) {
        q->heap_cap = q->heap_cap * 2 + 64;
        q->heap = realloc(q->heap, q->heap_cap * sizeof(*q->heap));
        assert(q->heap);
    }
    unsigned at = q->heap_count++;
    for (; at > 0 && q->heap[(at - 1) / 2].at_ns > e.at_ns; at = (at - 1) / 2) {
        q->heap[at] = q->heap[(at - 1) / 2];
    }
    q->heap[at] = e;
}

static inline struct ending heap_pop(struct queues *q)
{
    struct ending top = q->heap[0], last = q->heap[--q->heap_count];
    unsigned at = 0, child;
    while ((child = 2 * at + 1) < q->heap_count) {
        child += child + 1 < q->heap_count && q->heap[child + 1].at_ns < q->heap[child].at_ns;
        if (last.at_ns <= q->heap[child].at_ns) {
            break;
        }
        q->heap[at] = q->heap[child];
        at = child;
    }
    q->heap[at] = last;
    return top;
}

static inline void queues_end_until(struct queues *q, uint64_t now_ns)
{
    while (q->heap_count > 0 && q->heap[0].at_ns <= now_ns) {
        struct ending e = heap_pop(q);
        uint64_t ns = e.at_ns - e.begun_ns;
        q->pool.now_ns = e.at_ns;
        pool_end(&q->pool, e.target, e.err, ns);
        q->ends++;
        q->total_ns += (double)ns;
        q->within += e.err == FL_OK && ns < q->limit_ns;
        if (q->ended) {
            q->ended(q, &e);
        }
    }
    q->pool.now_ns = now_ns;
}

static inline void queues_arrive(struct queues *q)
{
    struct ending e = {.begun_ns = q->pool.now_ns, .err = FL_OK};
    e.target = q->choose ? q->choose(q) : pool_plan(&q->pool);
    uint64_t service_ns = q->service(q, e.target, &e.err), from_ns = e.begun_ns;
    q->picks[e.target]++;
    pool_begin(&q->pool, e.target);
    if (!q->delay) {
        from_ns = q->free_ns[e.target] > from_ns ? q->free_ns[e.target] : from_ns;
        q->free_ns[e.target] = from_ns + service_ns;
    }
    e.at_ns = from_ns + service_ns;
    heap_push(q, e);
}

/* *count* arrivals; then all that is in flight ends. */
static inline void queues_run(struct queues *q, uint64_t count)
{
    double at_ns = (double)q->pool.now_ns;
    for (uint64_t i = 0; i < count; i++) {
        at_ns += exponential(&q->rng) / q->per_second * 1e9;
        queues_end_until(q, (uint64_t)at_ns);
        queues_arrive(q);
    }
    queues_end_until(q, UINT64_MAX / 2);
}

static inline double queues_mean_s(const struct queues *q)
{
    return q->total_ns / (double)q->ends / 1e9;
}

#endif

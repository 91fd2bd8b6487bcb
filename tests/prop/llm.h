/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A discrete-event simulation of model servers around the real routing engine. An endpoint computes
 * prompts one after another (prefill), then all its answers side by side, a token each a step
 * (continuous batching):
 *
 *   prefill        in tokens / (9,000 tokens/s * speed), first come first served
 *   a step         (15 ms + 0.4 ms * answers under way) / speed
 *   at most 64 answers under way; the first token comes at the end of the prefill
 *
 * Requests arrive by a Poisson process; prompts are lognormal (median 400 tokens, sigma 1.2),
 * answers too (150, 1.0). Time is virtual; a seed gives the same arrivals and sizes to every
 * policy, so that runs are compared pairwise.
 */
#ifndef FL_TESTS_PROP_LLM_H
#define FL_TESTS_PROP_LLM_H

#include "unit/route/pool.h"

#include <math.h>

enum { LLM_ENDPOINTS = 8, LLM_QUEUE = 1 << 14, LLM_CAP = 64 };

struct llm_request {
    double arrived_s, first_s; /* first_s: of the first token */
    double in, out, ends_at;   /* ends_at: on its endpoint's clock of steps */
    struct fl_dispatch dispatch;
};

struct llm_endpoint {
    double speed;
    struct llm_request *waiting; /* ring; the head is in prefill while busy */
    unsigned head, count;
    bool busy;
    double prefill_ends_s;
    struct llm_request *answering[LLM_CAP]; /* heap by ends_at */
    struct llm_request slots[LLM_CAP];
    unsigned answering_count;
    unsigned free_slots[LLM_CAP], free_count;
    double steps, steps_at_s; /* steps done, and when that was so */
};

struct llm_scenario {
    const char *name;
    double speeds[LLM_ENDPOINTS];
    double per_second;               /* arrivals */
    double step_growth;              /* s a step for each answer under way; 0.0004 */
    double brown_from_s, brown_to_s; /* endpoint 0 is ten times slower then */
};

struct llm_result {
    double ttft_mean, ttft_p99, total_p99;
    unsigned picks[LLM_ENDPOINTS];
};

struct llm {
    struct pool pool;
    const struct llm_scenario *scenario;
    struct llm_endpoint endpoints[LLM_ENDPOINTS];
    struct fl_rng rng;
    double now_s, start_s;
    double *ttft, *total;
    unsigned done;
    unsigned picks[LLM_ENDPOINTS];
};

static inline double llm_normal(struct fl_rng *rng)
{
    double u = 1 - fl_rng_unit(rng), v = fl_rng_unit(rng);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

static inline double llm_tokens(struct fl_rng *rng, double median, double sigma)
{
    return fmax(1, floor(median * exp(sigma * llm_normal(rng))));
}

static inline double llm_speed(const struct llm *m, unsigned i)
{
    const struct llm_scenario *s = m->scenario;
    double since_s = m->now_s - m->start_s;
    bool brown = i == 0 && since_s >= s->brown_from_s && since_s < s->brown_to_s;
    return m->endpoints[i].speed * (brown ? 0.1 : 1);
}

static inline double llm_step_s(const struct llm *m, unsigned i)
{
    return (0.015 + m->scenario->step_growth * m->endpoints[i].answering_count) / llm_speed(m, i);
}

static inline void llm_advance(struct llm *m, unsigned i, double to_s)
{
    struct llm_endpoint *e = &m->endpoints[i];
    if (e->answering_count > 0) {
        e->steps += (to_s - e->steps_at_s) / llm_step_s(m, i);
    }
    e->steps_at_s = to_s;
}

static inline void llm_heap_up(struct llm_endpoint *e, unsigned at)
{
    struct llm_request *r = e->answering[at];
    for (; at > 0 && e->answering[(at - 1) / 2]->ends_at > r->ends_at; at = (at - 1) / 2) {
        e->answering[at] = e->answering[(at - 1) / 2];
    }
    e->answering[at] = r;
}

static inline struct llm_request *llm_heap_pop(struct llm_endpoint *e)
{
    struct llm_request *top = e->answering[0], *last = e->answering[--e->answering_count];
    unsigned at = 0, child;
    while ((child = 2 * at + 1) < e->answering_count) {
        child += child + 1 < e->answering_count &&
                 e->answering[child + 1]->ends_at < e->answering[child]->ends_at;
        if (last->ends_at <= e->answering[child]->ends_at) {
            break;
        }
        e->answering[at] = e->answering[child];
        at = child;
    }
    e->answering[at] = last;
    return top;
}

static inline uint64_t llm_ns(double s)
{
    return (uint64_t)(s * 1e9);
}

static inline void llm_start_prefill(struct llm *m, unsigned i)
{
    struct llm_endpoint *e = &m->endpoints[i];
    if (!e->busy && e->count > 0 && e->answering_count < LLM_CAP) {
        e->busy = true;
        e->prefill_ends_s = m->now_s + e->waiting[e->head].in / (9000 * llm_speed(m, i));
    }
}

static inline void llm_first_token(struct llm *m, unsigned i)
{
    struct llm_endpoint *e = &m->endpoints[i];
    struct llm_request *r = &e->slots[e->free_slots[--e->free_count]];
    *r = e->waiting[e->head];
    e->head = (e->head + 1) % LLM_QUEUE;
    e->count--;
    e->busy = false;
    r->first_s = m->now_s;
    r->ends_at = e->steps + r->out;
    e->answering[e->answering_count++] = r;
    llm_heap_up(e, e->answering_count - 1);
    fl_route_first_byte(&m->pool.targets[i], &r->dispatch, llm_ns(m->now_s));
    llm_start_prefill(m, i);
}

static inline void llm_last_token(struct llm *m, unsigned i)
{
    struct llm_endpoint *e = &m->endpoints[i];
    struct llm_request *r = llm_heap_pop(e);
    struct fl_outcome outcome = {
        .err = FL_OK,
        .first_byte_ns = llm_ns(r->first_s - r->arrived_s) + 1,
        .total_ns = llm_ns(m->now_s - r->arrived_s) + 1,
        .tokens_out = (uint64_t)r->out,
    };
    fl_route_end(&m->pool.table, &m->pool.targets[i], &r->dispatch, &outcome, llm_ns(m->now_s));
    m->ttft[m->done] = r->first_s - r->arrived_s;
    m->total[m->done++] = m->now_s - r->arrived_s;
    e->free_slots[e->free_count++] = (unsigned)(r - e->slots);
    llm_start_prefill(m, i);
}

/* The next change of any endpoint before until_s; false: none. Endpoints are few: a scan. */
static inline bool llm_next(struct llm *m, double until_s)
{
    double at_s = until_s;
    unsigned who = LLM_ENDPOINTS;
    bool ends = false;
    for (unsigned i = 0; i < LLM_ENDPOINTS; i++) {
        const struct llm_endpoint *e = &m->endpoints[i];
        if (e->busy && e->prefill_ends_s < at_s) {
            at_s = e->prefill_ends_s, who = i, ends = false;
        }
        if (e->answering_count > 0) {
            double left = (e->answering[0]->ends_at - e->steps) * llm_step_s(m, i);
            if (e->steps_at_s + left < at_s) {
                at_s = e->steps_at_s + left, who = i, ends = true;
            }
        }
    }
    if (who < LLM_ENDPOINTS) {
        at_s = fmax(at_s, m->now_s);
        llm_advance(m, who, at_s);
        m->now_s = at_s;
        if (ends) {
            llm_last_token(m, who);
        } else {
            llm_first_token(m, who);
        }
    }
    return who < LLM_ENDPOINTS;
}

static inline void llm_run_until(struct llm *m, double until_s)
{
    while (llm_next(m, until_s)) {
    }
    if (until_s < HUGE_VAL) {
        m->now_s = until_s;
    }
}

static inline void llm_arrive(struct llm *m)
{
    struct llm_request r = {.arrived_s = m->now_s};
    r.in = llm_tokens(&m->rng, 400, 1.2);
    r.out = llm_tokens(&m->rng, 150, 1.0);
    struct fl_route_request request = {
        .now_ns = llm_ns(m->now_s),
        .tokens_in = (unsigned)r.in,
        .tokens_out = 247, /* the mean: nobody knows an answer's length before */
        .streaming = true,
    };
    fl_route_plan(&m->pool.table, &m->pool.route, &request, &m->pool.rng, &m->pool.plan);
    unsigned i = m->pool.plan.targets[0];
    struct llm_endpoint *e = &m->endpoints[i];
    fl_route_begin(&m->pool.targets[i], (unsigned)r.in, true, request.now_ns, &r.dispatch);
    assert(e->count < LLM_QUEUE);
    e->waiting[(e->head + e->count++) % LLM_QUEUE] = r;
    m->picks[i]++;
    llm_start_prefill(m, i);
}

static inline int llm_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void llm_summarise(struct llm *m, struct llm_result *ret)
{
    double sum = 0;
    for (unsigned i = 0; i < m->done; i++) {
        sum += m->ttft[i];
    }
    qsort(m->ttft, m->done, sizeof(double), llm_order);
    qsort(m->total, m->done, sizeof(double), llm_order);
    ret->ttft_mean = sum / m->done;
    ret->ttft_p99 = m->ttft[(size_t)(0.99 * m->done)];
    ret->total_p99 = m->total[(size_t)(0.99 * m->done)];
    memcpy(ret->picks, m->picks, sizeof(ret->picks));
}

/* *count* requests under the policy of this name. */
static inline void llm_run(const struct llm_scenario *scenario, const char *policy, uint64_t seed,
                           unsigned count, struct llm_result *ret)
{
    static struct llm m; /* large */
    memset(&m, 0, sizeof(m));
    struct fl_selection selection;
    bool known = fl_selection_parse(fl_slice_cstr(policy), &selection);
    assert(known);
    (void)known;
    pool_init(&m.pool, LLM_ENDPOINTS, selection.strategy,
              selection.algorithm_given ? selection.algorithm : FL_WEIGHTED_ROUND_ROBIN);
    m.pool.table.health.failures_to_eject = 1000000000;
    m.scenario = scenario;
    fl_rng_seed(&m.pool.rng, seed);
    fl_rng_seed(&m.rng, seed + 1);
    m.ttft = calloc(count, sizeof(double));
    m.total = calloc(count, sizeof(double));
    m.now_s = m.start_s = 1000;
    for (unsigned i = 0; i < LLM_ENDPOINTS; i++) {
        struct llm_endpoint *e = &m.endpoints[i];
        e->speed = scenario->speeds[i];
        e->waiting = calloc(LLM_QUEUE, sizeof(*e->waiting));
        assert(e->waiting);
        for (unsigned j = 0; j < LLM_CAP; j++) {
            e->free_slots[e->free_count++] = j;
        }
        e->steps_at_s = m.now_s;
    }
    assert(m.ttft && m.total);
    for (unsigned i = 0; i < count; i++) {
        llm_run_until(&m, m.now_s - log1p(-fl_rng_unit(&m.rng)) / scenario->per_second);
        llm_arrive(&m);
    }
    llm_run_until(&m, HUGE_VAL);
    assert(m.done == count);
    llm_summarise(&m, ret);
    for (unsigned i = 0; i < LLM_ENDPOINTS; i++) {
        free(m.endpoints[i].waiting);
    }
    free(m.ttft);
    free(m.total);
    pool_finish(&m.pool);
}

#endif

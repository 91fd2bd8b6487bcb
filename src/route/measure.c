/* SPDX-License-Identifier: Apache-2.0 */
#include "route/measure.h"

#include <math.h>

#define HISTORY_SIZE 100.0

/* What a weight keeps of itself since m->at_ns. */
struct fade {
    double success; /* success, time to failure */
    double latency; /* twice as fast: its square, until there is only FL_REST left */
    double ns;      /* since then */
    double rest;    /* what FL_REST keeps; computed when needed, negative until then */
};

/* Clocks of two threads may differ a little: never below no time at all. */
static struct fade fade_until(const struct fl_measures *m, uint64_t now_ns)
{
    uint64_t at_ns = fl_get(m->at_ns);
    if (now_ns <= at_ns) {
        return (struct fade){1, 1, 0, 1};
    }
    double ns = (double)(now_ns - at_ns), success = fl_fade(ns / FL_HALF_LIFE_NS);
    return (struct fade){success, success * success, ns, -1};
}

/* A quiet target's latency is remembered by a few observations for long: it would be a stranger
 * after each pause otherwise, and be tried as one. */
static double latency_keeps(double weight, struct fade *f)
{
    if (weight * f->latency >= FL_REST) {
        return f->latency;
    }
    if (f->rest < 0) {
        f->rest = fl_fade(f->ns / FL_HALF_LIFE_REST_NS);
    }
    return weight > FL_REST ? FL_REST / weight * f->rest : f->rest;
}

static void mean_fade(struct fl_mean *m, double keeps)
{
    fl_set(m->sum, fl_get(m->sum) * keeps);
    fl_set(m->weight, fl_get(m->weight) * keeps);
}

/* A mean of latencies and its squares, which have the same weight; NULL: has none. */
static void latency_fade(struct fl_mean *m, struct fl_mean *square_s2, struct fade *f)
{
    double keeps = latency_keeps(fl_get(m->weight), f);
    mean_fade(m, keeps);
    if (square_s2) {
        mean_fade(square_s2, keeps);
    }
}

static void mean_add(struct fl_mean *m, double value, double weight, double weight_max)
{
    double sum = fl_get(m->sum) + value * weight, total = fl_get(m->weight) + weight;
    if (total > weight_max) {
        sum *= weight_max / total;
        total = weight_max;
    }
    fl_set(m->sum, sum);
    fl_set(m->weight, total);
}

/* A latency and its square. */
static void latency_add(struct fl_mean *mean_ns, struct fl_mean *square_s2, double ns,
                        double weight, double weight_max)
{
    mean_add(mean_ns, ns, weight, weight_max);
    mean_add(square_s2, ns / 1e9 * (ns / 1e9), weight, weight_max);
}

static double weight_max_of(const struct fl_measures *m)
{
    return m->history_size > 0 ? m->history_size : HISTORY_SIZE;
}

static void fade_all(struct fl_measures *m, uint64_t now_ns)
{
    struct fade f = fade_until(m, now_ns);
    mean_fade(&m->success, f.success);
    mean_fade(&m->failure_ns, f.success);
    latency_fade(&m->first_byte_ns, &m->first_byte_s2, &f);
    latency_fade(&m->total_ns, &m->total_s2, &f);
    latency_fade(&m->token_ns, &m->token_s2, &f);
    latency_fade(&m->load, NULL, &f);
    if (now_ns > fl_get(m->at_ns)) {
        fl_set(m->at_ns, now_ns);
    }
}

void fl_measures_succeeded(struct fl_measures *m, uint64_t now_ns, uint64_t first_byte_ns,
                           uint64_t total_ns, uint64_t tokens_out, unsigned load)
{
    double most = weight_max_of(m);
    fade_all(m, now_ns);
    mean_add(&m->success, 1, 1, most);
    if (first_byte_ns > 0 && first_byte_ns <= total_ns) {
        latency_add(&m->first_byte_ns, &m->first_byte_s2, (double)first_byte_ns, 1, most);
    }
    latency_add(&m->total_ns, &m->total_s2, (double)total_ns, 1, most);
    mean_add(&m->load, load, 1, most);
    if (tokens_out > 0) {
        double tokens = (double)tokens_out;
        latency_add(&m->token_ns, &m->token_s2, (double)(total_ns - first_byte_ns) / tokens,
                    fmin(1, tokens / 100), most);
    }
}

void fl_measures_failed(struct fl_measures *m, uint64_t now_ns, uint64_t total_ns)
{
    fade_all(m, now_ns);
    mean_add(&m->success, 0, 1, weight_max_of(m));
    mean_add(&m->failure_ns, (double)total_ns, 1, weight_max_of(m));
}

static struct fl_mean_seen mean_see(const struct fl_mean *m, double keeps)
{
    return (struct fl_mean_seen){fl_get(m->sum) * keeps, fl_get(m->weight) * keeps};
}

static struct fl_mean_seen latency_see(const struct fl_mean *m, struct fade *f)
{
    return mean_see(m, latency_keeps(fl_get(m->weight), f));
}

void fl_measures_see(const struct fl_measures *m, uint64_t now_ns,
                     struct fl_measures_seen *ret_seen)
{
    struct fade f = fade_until(m, now_ns);
    ret_seen->success = mean_see(&m->success, f.success);
    ret_seen->failure_ns = mean_see(&m->failure_ns, f.success);
    ret_seen->first_byte_ns = latency_see(&m->first_byte_ns, &f);
    ret_seen->total_ns = latency_see(&m->total_ns, &f);
    ret_seen->token_ns = latency_see(&m->token_ns, &f);
    ret_seen->load = latency_see(&m->load, &f);
}

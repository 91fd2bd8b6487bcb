/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a target's speed and success: means that forget. An observation's weight halves
 * every 30 s (latencies; of the last three of them, every 10 min) or 60 s (success, time to failure),
 * whatever the traffic, and a mean never holds more than history_size observations' weight, so that a busy
 * target's change is seen after as many requests. Latencies are of successful attempts only: a target that fails fast must not look fast.
 *
 * Written by one thread at a time (the state's lock), read by any at any time: each number is an
 * atomic of its own, and a reader who meets a half-written pair is off by one observation.
 */
#ifndef FL_ROUTE_MEASURE_H
#define FL_ROUTE_MEASURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define fl_get(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define fl_set(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

/* What is left after *halves* half-lives, 2^-halves, to 2e-7 of it; halves >= 0. Exact for whole
 * numbers, and the same on every build whatever the library's exp2 rounds to. */
static inline double fl_fade(double halves)
{
    if (!(halves < 1000)) {
        return 0;
    }
    unsigned whole = (unsigned)(halves + 0.5);
    double x = ((double)whole - halves) * 0.6931471805599453; /* |x| <= ln 2 / 2: Taylor's e^x */
    double x2 = x * x;
    double power = 1 + x + x2 * (1.0 / 2 + x * (1.0 / 6)) +
                   x2 * x2 * (1.0 / 24 + x * (1.0 / 120) + x2 * (1.0 / 720));
    uint64_t bits = (uint64_t)(1023 - whole) << 52; /* 2^-whole */
    double scale;
    memcpy(&scale, &bits, sizeof(scale));
    return power * scale;
}

#define FL_HALF_LIFE_NS      60e9  /* of success, and of pace; latencies fade twice as fast */
#define FL_HALF_LIFE_REST_NS 600e9 /* of the last few observations of a latency: */
#define FL_REST              3.0

enum {
    FL_PRIOR_SAMPLES = 5,         /* weight of the pool's mean in a target's latency */
    FL_PRIOR_SUCCESS_SAMPLES = 10 /* weight of the prior in a target's success */
};
#define FL_PRIOR_SUCCESS 0.99

struct fl_mean {
    _Atomic double sum, weight;
};

struct fl_measures {
    unsigned history_size;        /* the observations' weight that a mean holds at most; 0: 100 */
    _Atomic uint64_t at_ns;       /* the time all weights refer to */
    struct fl_mean success;       /* 1 or 0 */
    struct fl_mean failure_ns;    /* dispatch to failure */
    struct fl_mean first_byte_ns; /* dispatch to first byte (TTFT) */
    struct fl_mean total_ns;      /* dispatch to end */
    struct fl_mean
        token_ns;        /* per token after the first byte (TPOT), weight min(1, tokens / 100) */
    struct fl_mean load; /* attempts in flight, itself included, when one ended */
    /* Squares, in s^2, of the three latencies: how far a mean can be trusted. */
    struct fl_mean first_byte_s2, total_s2, token_s2;
};

/* A successful attempt; *load* is the number in flight at its end, itself included. */
void fl_measures_succeeded(struct fl_measures *m, uint64_t now_ns, uint64_t first_byte_ns,
                           uint64_t total_ns, uint64_t tokens_out, unsigned load);
void fl_measures_failed(struct fl_measures *m, uint64_t now_ns, uint64_t total_ns);

/* A plain copy, weights as of now_ns. */
struct fl_mean_seen {
    double sum, weight;
};
struct fl_measures_seen {
    struct fl_mean_seen success, failure_ns, first_byte_ns, total_ns, token_ns, load;
};
void fl_measures_see(const struct fl_measures *m, uint64_t now_ns,
                     struct fl_measures_seen *ret_seen);

/* sum / weight, or *otherwise* when nothing was seen. */
static inline double fl_mean_or(struct fl_mean_seen m, double otherwise)
{
    return m.weight > 0 ? m.sum / m.weight : otherwise;
}

/* The mean drawn towards *prior*, which has the weight of *samples* observations. */
static inline double fl_mean_shrunk(struct fl_mean_seen m, double prior, double samples)
{
    return (m.sum + samples * prior) / (m.weight + samples);
}

/* A latency drawn to its pool's, and how far off it may be. */
struct fl_latency {
    double ns, variance_ns2; /* of the mean: the square of its standard error */
};
/* The mean with FL_PRIOR_SAMPLES of *prior_ns* in it, and the standard error of what was seen, whose
 * spread is taken to be half the mean at least. With no more weight than one observation the prior
 * stands alone, off by half: what a single one says is not believed. *square_s2* is a sum of the mean's
 * weight. */
static inline struct fl_latency fl_latency_of(struct fl_mean_seen mean_ns, double square_s2,
                                              double prior_ns)
{
    const double spread = 0.5, ns2 = 1e18;
    if (mean_ns.weight <= 1) {
        return (struct fl_latency){prior_ns, spread * spread * prior_ns * prior_ns};
    }
    double one = 1 / mean_ns.weight, mean_s = mean_ns.sum * one / 1e9;
    double least = spread * spread * mean_s * mean_s;
    double variance = square_s2 * one - mean_s * mean_s;
    double shrunk = 1 / (mean_ns.weight + FL_PRIOR_SAMPLES), part = mean_ns.weight * shrunk;
    return (struct fl_latency){
        (mean_ns.sum + FL_PRIOR_SAMPLES * prior_ns) * shrunk,
        (variance > least ? variance : least) / (mean_ns.weight - 1) * part * part * ns2,
    };
}

static inline double fl_success_of(const struct fl_measures_seen *m)
{
    return fl_mean_shrunk(m->success, FL_PRIOR_SUCCESS, FL_PRIOR_SUCCESS_SAMPLES);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node holds faded sums of the logarithms of lengths, of their squares, and of the lengths. A
 * node's moments are those sums with its parent's moments added as fl_length_prior observations, so
 * that a node without observations is its parent, and the spread between parent and child is part
 * of the child's variance until it has seen enough.
 */
#include "route/text/length.h"

#include "base/assert.h"
#include "base/hash.h"

#include <math.h>

enum { of_count, of_log, of_square, of_tokens, of_time };
_Static_assert(of_time + 1 == FL_LENGTH_NUMBERS, "a node's numbers");

static const double prior_count = 8;  /* what a parent's word is worth, in observations */
static const double count_max = 2000; /* busy nodes forget by count too */
static const double first_log = 5.0;  /* before anything is known: half below e^5 = 148 tokens */
static const double first_variance = 1.0;
static const double normal[2] = {0,
                                 1.2815515655446004}; /* p50 and p90 of the normal distribution */
static const double share[2] = {.5, .9};

struct moments {
    double log, square, tokens; /* means of the logarithm, of its square, of the length */
};

static struct moments first_moments(void)
{
    return (struct moments){first_log, first_log * first_log + first_variance,
                            exp(first_log + first_variance / 2)};
}

static struct moments moments_of(const fl_number *node, struct moments parent)
{
    if (node == NULL) {
        return parent;
    }
    double n = fl_number_get(&node[of_count]) + prior_count;
    return (struct moments){
        (fl_number_get(&node[of_log]) + prior_count * parent.log) / n,
        (fl_number_get(&node[of_square]) + prior_count * parent.square) / n,
        (fl_number_get(&node[of_tokens]) + prior_count * parent.tokens) / n,
    };
}

static double deviation(struct moments m)
{
    double variance = m.square - m.log * m.log;
    return sqrt(variance > 1e-4 ? variance : 1e-4);
}

/* Of the normal distribution, to 2e-4. */
static double normal_below(double z)
{
    return 1 / (1 + exp(-z * (1.5976 + 0.070566 * z * z)));
}

static uint64_t key_of(struct fl_length_key key)
{
    fl_assert(key.class < FL_LENGTH_CLASSES);
    return fl_mix64(key.owner + key.class * UINT64_C(0x9e3779b97f4a7c15));
}

size_t fl_lengths_bytes(size_t owners)
{
    return fl_learned_bytes(owners, FL_LENGTH_NUMBERS);
}

void fl_lengths_init(struct fl_lengths *l, void *memory, size_t owners)
{
    memset(l, 0, sizeof(*l));
    fl_learned_init(&l->owners, memory, owners, FL_LENGTH_NUMBERS);
    for (unsigned c = 0; c < FL_LENGTH_CLASSES; c++) {
        fl_number_set(&l->below[c][0], normal[0]);
        fl_number_set(&l->below[c][1], normal[1]);
    }
}

static struct moments predict(const struct fl_lengths *l, struct fl_length_key key)
{
    struct moments all = moments_of(l->all, first_moments());
    struct moments class = moments_of(l->of_class[key.class], all);
    return moments_of(fl_learned_find(&l->owners, key_of(key)), class);
}

static double at_least_one(double tokens)
{
    return tokens > 1 ? tokens : 1;
}

/* The mean length when nothing may exceed *cap*: of the log-normal distribution, scaled to the mean
 * that was seen. */
static double capped_mean(struct moments m, double s, double cap)
{
    double whole = exp(m.log + s * s / 2), z = (log(cap) - m.log) / s;
    double part = whole * normal_below(z - s) + cap * (1 - normal_below(z));
    double mean = m.tokens * part / whole;
    return mean < cap ? mean : cap;
}

struct fl_length fl_lengths_predict(const struct fl_lengths *l, struct fl_length_key key,
                                    uint64_t cap_tokens)
{
    struct moments m = predict(l, key);
    double s = deviation(m), quantile[2];
    for (unsigned i = 0; i < 2; i++) {
        quantile[i] = at_least_one(exp(m.log + s * fl_number_get(&l->below[key.class][i])));
    }
    struct fl_length length = {quantile[0], at_least_one(m.tokens), quantile[1]};
    if (cap_tokens > 0) {
        double cap = (double)cap_tokens;
        length.p50 = length.p50 < cap ? length.p50 : cap;
        length.p90 = length.p90 < cap ? length.p90 : cap;
        length.mean = at_least_one(capped_mean(m, s, cap));
    }
    return length;
}

/* What an answer adds: itself or, when it was cut, what is expected of it. */
struct observation {
    double log, square, tokens;
    double z; /* of the length that was seen */
    bool cut;
};

/* The truncated normal distribution above z: E[Z] = h, E[Z^2] = 1 + z h, with the hazard h; and the
 * mean length above the cut, scaled as in capped_mean(). */
static void complete(struct observation *o, struct moments m, double s)
{
    double z = o->z, above = 1 - normal_below(z), growth = exp(o->log);
    double h = z < 3 && above > 1e-4 ? exp(-z * z / 2) * 0.3989422804014327 / above : z + .3;
    double whole = exp(m.log + s * s / 2);
    if (z < 3) {
        double mean = m.tokens * (1 - normal_below(z - s)) / above;
        growth = mean > growth ? mean : growth;
    } else {
        growth = (growth > whole ? growth : whole) * exp(.3 * s);
    }
    o->log = m.log + s * h;
    o->square = m.log * m.log + 2 * m.log * s * h + s * s * (1 + z * h);
    o->tokens = growth;
}

static void add(fl_number *node, const struct observation *o, double now_s)
{
    double age = now_s - fl_number_get(&node[of_time]);
    double n = fl_number_get(&node[of_count]);
    double fade = age > 0 && n > 0 ? exp(-age / fl_length_tau_s) : 1;
    if (n * fade > count_max) {
        fade = count_max / n;
    }
    fl_number_set(&node[of_count], n * fade + 1);
    fl_number_set(&node[of_log], fl_number_get(&node[of_log]) * fade + o->log);
    fl_number_set(&node[of_square], fl_number_get(&node[of_square]) * fade + o->square);
    fl_number_set(&node[of_tokens], fl_number_get(&node[of_tokens]) * fade + o->tokens);
    if (age > 0 || n == 0) {
        fl_number_set(&node[of_time], now_s);
    }
}

/* How surely the answer was at most *at* long; of a cut one that is not known. */
static double is_below(const struct observation *o, double at)
{
    if (!o->cut || o->z > at) {
        return o->z <= at ? 1 : 0;
    }
    double from = normal_below(o->z), above = 1 - from;
    return above > 1e-4 ? (normal_below(at) - from) / above : 1;
}

/* A quantile moves up by its share when an answer was above it and down by the rest when it was
 * below: it rests where that share of answers is below (Robbins and Monro). */
static void move_quantiles(struct fl_lengths *l, unsigned class, const struct observation *o)
{
    double seen = fl_number_get(&l->seen[class]), step = 2 / (seen + 20);
    step = step > .01 ? step : .01;
    fl_number_set(&l->seen[class], seen + 1);
    for (unsigned i = 0; i < 2; i++) {
        double at = fl_number_get(&l->below[class][i]);
        at += step * (share[i] - is_below(o, at));
        fl_number_set(&l->below[class][i], at < -4 ? -4 : at > 4 ? 4 : at);
    }
}

void fl_lengths_observe(struct fl_lengths *l, struct fl_length_key key, uint64_t tokens, bool cut,
                        uint64_t now_s)
{
    struct observation o = {.tokens = at_least_one((double)tokens), .cut = cut};
    struct moments m = predict(l, key);
    double s = deviation(m);
    o.log = log(o.tokens);
    o.square = o.log * o.log;
    o.z = (o.log - m.log) / s;
    if (cut) {
        complete(&o, m, s);
    }
    move_quantiles(l, key.class, &o);
    double now = (double)now_s;
    add(l->all, &o, now);
    add(l->of_class[key.class], &o, now);
    add(fl_learned_take(&l->owners, key_of(key), now_s), &o, now);
}

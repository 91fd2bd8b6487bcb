/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry: a weight, a mean, a mean distance from it. An observation counts at most *edge* times
 * the distance away from the mean (Huber), where the distance of a new entry is its first guess.
 */
#include "route/text/correction.h"

#include "base/assert.h"
#include "base/hash.h"

#include <math.h>

enum { of_weight, of_mean, of_distance, numbers };

static const double memory = 100;     /* observations; older ones fade */
static const double prior_weight = 3; /* what the model's word is worth to a tenant */
static const double first_distance = .1;
static const double edge = 3;
static const double mean_max = 1.3862943611198906; /* log 4 */

static uint64_t model_key(struct fl_correction_key key)
{
    return fl_mix64(key.model ^ UINT64_C(0x6d6f64656c));
}

static uint64_t tenant_key(struct fl_correction_key key)
{
    return fl_mix64(model_key(key) + fl_mix64(key.tenant));
}

size_t fl_corrections_bytes(size_t entries)
{
    return fl_learned_bytes(entries, numbers);
}

void fl_corrections_init(struct fl_corrections *c, void *memory_of_table, size_t entries)
{
    fl_learned_init(&c->table, memory_of_table, entries, numbers);
}

/* The mean shrunk to *parent*. */
static double mean_of(const fl_number *entry, double parent)
{
    if (entry == NULL) {
        return parent;
    }
    double weight = fl_number_get(&entry[of_weight]);
    return (weight * fl_number_get(&entry[of_mean]) + prior_weight * parent) /
           (weight + prior_weight);
}

/* A model's own word is not shrunk much: its first few requests are better than nothing. */
static double model_mean(const fl_number *entry)
{
    double weight = entry != NULL ? fl_number_get(&entry[of_weight]) : 0;
    return weight > 0 ? fl_number_get(&entry[of_mean]) * weight / (weight + .5) : 0;
}

double fl_corrections_factor(const struct fl_corrections *c, struct fl_correction_key key)
{
    double mean = model_mean(fl_learned_find(&c->table, model_key(key)));
    if (key.tenant != 0) {
        mean = mean_of(fl_learned_find(&c->table, tenant_key(key)), mean);
    }
    return exp(mean > mean_max ? mean_max : mean < -mean_max ? -mean_max : mean);
}

uint64_t fl_corrections_apply(const struct fl_corrections *c, struct fl_correction_key key,
                              uint64_t estimate)
{
    fl_assert(estimate < UINT64_C(1) << 50);
    uint64_t tokens = (uint64_t)((double)estimate * fl_corrections_factor(c, key) + .5);
    return estimate > 0 && tokens == 0 ? 1 : tokens;
}

static void learn(fl_number *entry, double start, double value)
{
    double weight = fl_number_get(&entry[of_weight]), mean = fl_number_get(&entry[of_mean]);
    double distance = fl_number_get(&entry[of_distance]);
    if (weight == 0) {
        mean = start;
        distance = first_distance;
    }
    weight = weight + 1 < memory ? weight + 1 : memory;
    double off = value - mean, most = edge * distance;
    off = off > most ? most : off < -most ? -most : off;
    double rate = 1 / weight;
    fl_number_set(&entry[of_weight], weight);
    fl_number_set(&entry[of_mean], mean + rate * off);
    /* The distance needs some observations before it is believed, and is never 0. */
    rate = 1 / (weight + 9);
    distance += rate * (fabs(off) - distance);
    fl_number_set(&entry[of_distance], distance > .01 ? distance : .01);
}

void fl_corrections_observe(struct fl_corrections *c, struct fl_correction_key key,
                            uint64_t estimate, uint64_t actual, uint64_t now_s)
{
    if (estimate == 0 || actual == 0) {
        return;
    }
    double value = log((double)actual / (double)estimate);
    fl_number *model = fl_learned_take(&c->table, model_key(key), now_s);
    double parent = model_mean(model);
    learn(model, 0, value);
    if (key.tenant != 0) {
        learn(fl_learned_take(&c->table, tenant_key(key), now_s), parent, value);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model's answers are worth on average, by task class and tenant: a tree of means, global ->
 * class -> (class, tenant), in which a leaf with little evidence says what its parent says. A leaf
 * with the weight of FL_BIAS_SHRINK rewards is believed half.
 *
 * Memory is fixed: tenants share a table; one that was not heard of for long gives its place to a
 * new one. Evidence ages: beyond FL_BIAS_MEMORY rewards old ones fade, so that a model that changes
 * behind its name is noticed. One writer; not for readers on other threads.
 */
#ifndef FL_ROUTE_QUALITY_BIAS_H
#define FL_ROUTE_QUALITY_BIAS_H

#include "base/slice.h"

enum {
    FL_BIAS_CLASSES = 8,  /* task classes, 0 = unknown */
    FL_BIAS_PRIOR = 10,   /* rewards that the prior is worth, at the root */
    FL_BIAS_SHRINK = 200, /* rewards that a parent's mean is worth: classes and tenants differ less
                             than a hundred rewards of one differ by chance */
    FL_BIAS_MEMORY = 20000, /* rewards remembered by a node */
    FL_BIAS_PROBES = 4      /* places a tenant may have */
};

/* A mean as weight and weighted sum of rewards. */
struct fl_bias_node {
    double weight, sum;
};

struct fl_bias {
    unsigned head_count;
    unsigned slot_count;          /* power of two, or 0: no tenants are told apart */
    struct fl_bias_node *global;  /* [head] */
    struct fl_bias_node *classes; /* [class][head] */
    struct fl_bias_node *leaves;  /* [slot][head] */
    uint64_t *keys;               /* [slot] what stands there, 0 = free */
    uint64_t *heard;              /* [slot] when last, in rewards */
    uint64_t clock;               /* rewards so far */
};

size_t fl_bias_bytes(unsigned head_count, unsigned slot_count);
/* *memory*: aligned for double, of fl_bias_bytes(). Every head starts at *prior* (0..1), worth
 * FL_BIAS_PRIOR rewards. */
void fl_bias_init(struct fl_bias *b, unsigned head_count, unsigned slot_count, double prior,
                  void *memory);
/* The shrunk mean, strictly between 0 and 1. *tenant*: any hash of its name, 0 = none. */
double fl_bias_mean(const struct fl_bias *b, unsigned head, unsigned task_class, uint64_t tenant);
/* A reward of *head*, counting *weight* times (0..100). */
void fl_bias_observe(struct fl_bias *b, unsigned head, unsigned task_class, uint64_t tenant,
                     double reward, double weight);

#endif

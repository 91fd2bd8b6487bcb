/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last decisions, so that what is heard of their answers later can be learned: which features,
 * which model, with what probability. A ring in the caller's memory: the newest decision takes the
 * oldest one's place, and feedback on one that is gone is answered so.
 *
 *   id = fl_memory_keep(...)                      when the model was chosen
 *   fl_memory_ended(..., id, &signals)            when the answer has ended: implicit signals
 *   fl_feedback_apply(..., id, score)             when and if the user says so: POST /v1/feedback
 *
 * A decision teaches once and for all with a total confidence of at most 1: what its end has taught
 * (reward.h) is taken off what a later score may. Each of the two counts once an id: told again, it
 * changes nothing (FL_FEEDBACK_AGAIN). One thread; a gateway has one of these an owner of heads.
 */
#ifndef FL_ROUTE_QUALITY_MEMORY_H
#define FL_ROUTE_QUALITY_MEMORY_H

#include "route/quality/heads.h"
#include "route/quality/reward.h"

struct fl_memory_slot; /* one slot */

struct fl_memory {
    unsigned slot_count, items_max;
    uint64_t kept; /* decisions so far = the newest one's id; ids count from 1 */
    struct fl_memory_slot *slots;
    uint32_t *items; /* [slot][items_max] rows of the heads' table */
};

enum fl_feedback { FL_FEEDBACK_LEARNED, FL_FEEDBACK_AGAIN, FL_FEEDBACK_UNKNOWN };

/* *items_max*: features kept of a decision; of more, evenly spread ones are kept. */
size_t fl_memory_bytes(unsigned slot_count, unsigned items_max);
/* *memory*: aligned for uint64_t. slot_count > 0, items_max > 0. */
void fl_memory_init(struct fl_memory *m, unsigned slot_count, unsigned items_max, void *memory);
/* Remembers that *head* was chosen for *x* with *propensity*; returns the decision's id. */
uint64_t fl_memory_keep(struct fl_memory *m, const struct fl_heads *h,
                        const struct fl_heads_case *x, unsigned head, double propensity);
/* Another model than the one kept answered; no lesson of it was taught yet. */
void fl_memory_answered(struct fl_memory *m, uint64_t id, unsigned head);
/* The answer has ended. */
enum fl_feedback fl_memory_ended(struct fl_memory *m, struct fl_heads *h, uint64_t id,
                                 const struct fl_signals *signals);
/* The user's (or a judge's) word on it, 0..1. */
enum fl_feedback fl_feedback_apply(struct fl_memory *m, struct fl_heads *h, uint64_t id,
                                   double score);
/* The head that answered, for the gate and the log; false when the decision is gone. */
bool fl_memory_find(const struct fl_memory *m, uint64_t id, unsigned *ret_head, unsigned *ret_class,
                    double *ret_propensity);

#endif

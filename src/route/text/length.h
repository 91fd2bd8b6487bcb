/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an answer will be, learned from answers: a log-normal distribution for each task class,
 * tenant and model, shrunk to that of the class, which is shrunk to that of all (ROUTING.md 3.2).
 * Observations fade with fl_length_tau_s. Quantiles do not trust the shape: how far p50 and p90 lie
 * from the mean, in standard deviations, is itself learned for each class, by how often answers
 * fell below them.
 *
 * Memory: fixed, the caller's. Threads: see learned.h.
 */
#ifndef FL_ROUTE_TEXT_LENGTH_H
#define FL_ROUTE_TEXT_LENGTH_H

#include "route/text/learned.h"

enum {
    FL_LENGTH_CLASSES = 16,
    FL_LENGTH_NUMBERS = 5, /* of a node, see length.c */
    fl_length_tau_s = 86400
};

struct fl_lengths {
    fl_number all[FL_LENGTH_NUMBERS];
    fl_number of_class[FL_LENGTH_CLASSES][FL_LENGTH_NUMBERS];
    fl_number below[FL_LENGTH_CLASSES][2]; /* where p50 and p90 lie, in standard deviations */
    fl_number seen[FL_LENGTH_CLASSES];
    struct fl_learned owners;
};

/* Whose answers are alike: *owner* is a hash of tenant and model. */
struct fl_length_key {
    unsigned class; /* < FL_LENGTH_CLASSES */
    uint64_t owner;
};

struct fl_length {
    double p50, mean, p90; /* tokens, at least 1 */
};

size_t fl_lengths_bytes(size_t owners);
void fl_lengths_init(struct fl_lengths *l, void *memory, size_t owners);
/* *cap_tokens*: the request's limit, 0 without one; nothing exceeds it. */
struct fl_length fl_lengths_predict(const struct fl_lengths *l, struct fl_length_key key,
                                    uint64_t cap_tokens);
/* An answer was *tokens* long; *cut*: a limit ended it, so that it would have been longer. */
void fl_lengths_observe(struct fl_lengths *l, struct fl_length_key key, uint64_t tokens, bool cut,
                        uint64_t now_s);

#endif

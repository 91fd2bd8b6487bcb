/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the token estimate of a model's requests is off, learned from the usage in its answers:
 * for each model, and for each tenant of a model, the faded mean of log(actual / estimate), the
 * latter shrunk to the former. One wild value (a hidden system prompt, images, a wrong count) moves
 * the mean no more than an ordinary one at the edge.
 *
 * Memory: fixed, the caller's. Threads: see learned.h.
 */
#ifndef FL_ROUTE_TEXT_CORRECTION_H
#define FL_ROUTE_TEXT_CORRECTION_H

#include "route/text/learned.h"

struct fl_corrections {
    struct fl_learned table;
};

/* Hashes of names. tenant 0: nobody in particular. */
struct fl_correction_key {
    uint64_t model, tenant;
};

/* *entries*: models, and tenants of models. */
size_t fl_corrections_bytes(size_t entries);
void fl_corrections_init(struct fl_corrections *c, void *memory, size_t entries);
/* What to multiply an estimate by: 1 where nothing is known, always within 1/4 and 4. */
double fl_corrections_factor(const struct fl_corrections *c, struct fl_correction_key key);
/* The estimate, corrected and rounded; at least 1 for any but 0. */
uint64_t fl_corrections_apply(const struct fl_corrections *c, struct fl_correction_key key,
                              uint64_t estimate);
/* A request that was estimated at *estimate* (uncorrected) had *actual* tokens; either 0: nothing
 * is learned. */
void fl_corrections_observe(struct fl_corrections *c, struct fl_correction_key key,
                            uint64_t estimate, uint64_t actual, uint64_t now_s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets while the table is built: provider x model for the models that providers list,
 * "provider/" +
 * "*" for providers that list none, and further ones of such providers as routes name them.
 */
#ifndef FL_CONFIG_TARGETS_H
#define FL_CONFIG_TARGETS_H

#include "config/load.h"

enum { FL_TARGETS_MAX = 4096 };

struct fl_targets {
    struct fl_target *items; /* finished targets, in the order they were made */
    bool *primary;           /* of each: part of "every target" */
    const struct fl_yaml **places; /* of each: where the file names it; NULL: nowhere */
    unsigned count, cap;
};

/* Indexes into the targets. */
struct fl_picks {
    unsigned *items;
    unsigned count, cap;
};

void fl_targets_build(struct fl_load *load, struct fl_targets *ret_targets);
/* The models that "auto" means at providers that list none and have none named by a route. */
void fl_targets_add_auto(struct fl_load *load, struct fl_targets *t);

enum fl_resolved {
    FL_RESOLVED,
    FL_RESOLVED_LEFT_OUT, /* the provider takes no part: reported there */
    FL_RESOLVED_UNKNOWN   /* nothing of that name */
};
/* What *text* means as a target: PROVIDER/MODEL, or a model's name for every provider of it. Adds
 * to *picks* what is not there yet. */
enum fl_resolved fl_targets_resolve(struct fl_load *load, struct fl_targets *t,
                                    struct fl_slice text, struct fl_picks *picks);
/* *node* names the picks from *first* on, unless something else did before. */
void fl_targets_place(struct fl_targets *t, const struct fl_picks *picks, unsigned first,
                      const struct fl_yaml *node);
/* Warnings about models that are no longer served. */
void fl_targets_check(struct fl_load *load, const struct fl_targets *t);
/* False when the pick stands there already. */
bool fl_picks_add(struct fl_load *load, struct fl_picks *picks, unsigned target);
bool fl_picks_have(const struct fl_picks *picks, unsigned target);
/* Offers every name that could be meant. */
void fl_targets_offer(const struct fl_load *load, const struct fl_targets *t,
                      struct fl_nearest *nearest);

#endif

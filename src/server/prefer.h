/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of routing in its body, as OpenRouter's clients do:
 *
 *   models    names to fall back on when the targets of `model` fail, in this order
 *   provider  order, only, ignore, allow_fallbacks, sort, max_price; require_parameters and
 *             data_collection are taken and need nothing: no target is asked for what it is
 *             known not to have
 *
 * Providers are meant by their name in the configuration or by their type, whatever the case.
 */
#ifndef FL_SERVER_PREFER_H
#define FL_SERVER_PREFER_H

#include "base/arena.h"
#include "config/config.h"
#include "dialect/dialect.h"

enum { FL_PREFER_NAMES_MAX = 16 };

struct fl_preference {
    bool given;
    uint8_t *denied; /* by index in the table, 1: may not be used; NULL: all may */
    struct fl_slice order[FL_PREFER_NAMES_MAX]; /* providers to try first, best first */
    unsigned order_count;
    bool only_first; /* allow_fallbacks is false: those of the order, or the one chosen */
    bool sort_given;
    struct fl_selection sort;
    const char *wrong; /* a member that means nothing, with what would; NULL: none */
};

/* Names and the array of denied targets are put into *arena*. */
void fl_preference_read(const struct fl_facts *facts, const struct fl_config *config,
                        struct fl_arena *arena, struct fl_preference *ret_preference);
/* Brings a plan into the order asked for. */
void fl_preference_order(const struct fl_preference *p, const struct fl_config *config,
                         struct fl_plan *plan);
/* Puts the targets of *more* behind those of *plan*, as far as there is room and they do not stand
 * there yet. Returns where they stand now, as bits of places in the plan; *ret_fresh* (may be
 * NULL): those that are new. */
uint32_t fl_plan_append(const struct fl_table *t, struct fl_plan *plan, const struct fl_plan *more,
                        uint32_t *ret_fresh);
/* The names of `models` behind the one that is asked for, at most *max*; returns how many. */
unsigned fl_preference_models(const struct fl_facts *facts, struct fl_arena *arena, unsigned max,
                              struct fl_slice *ret_names);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From the catalogue's facts of a model to what decisions look at in a target. */
#ifndef FL_ROUTE_FACTS_H
#define FL_ROUTE_FACTS_H

#include "route/route.h"

/* Fills prices (those in force at *today_s*), limits, abilities, tier and tokenizer from the target's
 * model_facts, and where they are NULL what its model's name alone tells. */
void fl_target_put_facts(struct fl_target *target, int64_t today_s);

/* Targets of the same model, whoever serves it, are of one kind: by the name that all its spellings
 * have in common. *scratch*: a word for each target. */
void fl_targets_number_kinds(struct fl_target *targets, unsigned count, uint64_t *scratch);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to continue a stream of Anthropic's messages that another provider began: where its
 * blocks are, and an encoder that goes on there.
 */
#ifndef FL_DIALECT_ANTHROPIC_RESUME_H
#define FL_DIALECT_ANTHROPIC_RESUME_H

#include "dialect/wire.h"

enum fl_anthropic_block {
    FL_ANTHROPIC_NO_BLOCK, /* none is open */
    FL_ANTHROPIC_TEXT_BLOCK,
    FL_ANTHROPIC_THINKING_BLOCK,
    FL_ANTHROPIC_CALL_BLOCK,
    FL_ANTHROPIC_OTHER_BLOCK /* the provider's own tools: cannot be continued */
};

/* Where a stream is between two events. Zero: at its start. */
struct fl_anthropic_place {
    uint64_t next_index; /* of the next block */
    enum fl_anthropic_block open;
};

/* Follows one event's data. */
void fl_anthropic_follow(struct fl_anthropic_place *place, struct fl_slice data);
/* *e* writes what follows *place*; *calls* were begun before. */
void fl_anthropic_encode_midway(struct fl_encoder *e, const struct fl_anthropic_place *place,
                                unsigned calls);
/* Does this Claude take the beginning of its answer? *thinks*: it was asked to. */
bool fl_anthropic_takes_prefill(struct fl_slice model, bool thinks);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What simulated models say: plausible English about the prompt's own words, in the manner of its
 * task, which says of itself that it is simulated. A pure function of prompt, model and seed:
 * whoever knows them knows the answer, whatever happened on the way.
 *
 * Token rule: a token is a run of letters, digits and non-ASCII bytes, or one other visible
 * character.
 */
#ifndef FL_SIM_TEXT_H
#define FL_SIM_TEXT_H

#include "base/buf.h"

enum fl_sim_task {
    FL_SIM_CHAT,
    FL_SIM_SUMMARIZE,
    FL_SIM_CLASSIFY,
    FL_SIM_GENERATE,
    FL_SIM_ANALYSE,
    FL_SIM_TRANSLATE,
    FL_SIM_TASKS
};

enum fl_sim_task fl_sim_task(struct fl_slice prompt);
const char *fl_sim_task_name(enum fl_sim_task task);
/* Appends the answer to *b*. *tokens_min*: sentences are added until there are so many tokens; 0:
 * as many as the task wants. A classification is "positive" or "negative" and a short remark. */
void fl_sim_text(struct fl_slice prompt, struct fl_slice model, uint64_t seed, uint64_t tokens_min,
                 struct fl_buf *b);
uint64_t fl_sim_tokens(struct fl_slice text);
/* The next token with the white space before it, from *at* on; empty at the end. */
struct fl_slice fl_sim_token(struct fl_slice text, size_t at);

#endif

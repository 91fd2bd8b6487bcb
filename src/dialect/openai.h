/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the OpenAI dialect only. */
#ifndef FL_DIALECT_OPENAI_H
#define FL_DIALECT_OPENAI_H

#include "dialect/dialect.h"

/* The members of a request that a model reads, by index into fl_facts.texts. */
enum {
    FL_OPENAI_MESSAGES,
    FL_OPENAI_PROMPT,
    FL_OPENAI_INPUT,
    FL_OPENAI_INSTRUCTIONS,
    FL_OPENAI_TOOLS,
    FL_OPENAI_RESPONSE_FORMAT,
    FL_OPENAI_TEXT, /* of responses: {"format": ...} */
    FL_OPENAI_FUNCTIONS
};
/* Did this gateway make the id of a response or of an item? */
bool fl_openai_made_id(struct fl_slice id);
void fl_openai_read_texts(const struct fl_facts *facts, const struct fl_text_sink *sink,
                          struct fl_needs *ret_needs);
void fl_openai_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage);

#endif

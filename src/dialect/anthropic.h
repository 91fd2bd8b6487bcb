/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the Anthropic dialect only. */
#ifndef FL_DIALECT_ANTHROPIC_H
#define FL_DIALECT_ANTHROPIC_H

#include "dialect/dialect.h"

/* The members of a request that a model reads, by index into fl_facts.texts. */
enum {
    FL_ANTHROPIC_SYSTEM,
    FL_ANTHROPIC_MESSAGES,
    FL_ANTHROPIC_TOOLS,
    FL_ANTHROPIC_OUTPUT_CONFIG,
    FL_ANTHROPIC_OUTPUT_FORMAT /* an older place of the same schema */
};

void fl_anthropic_read_texts(const struct fl_facts *facts, const struct fl_text_sink *sink,
                             struct fl_needs *ret_needs);
void fl_anthropic_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                             struct fl_event_facts *ret_event, struct fl_usage *usage);

/* What an event of a stream is, by its name or its member "type". */
enum fl_anthropic_event {
    FL_ANTHROPIC_UNKNOWN,
    FL_ANTHROPIC_MESSAGE_START,
    FL_ANTHROPIC_BLOCK_START,
    FL_ANTHROPIC_BLOCK_DELTA,
    FL_ANTHROPIC_BLOCK_STOP,
    FL_ANTHROPIC_MESSAGE_DELTA,
    FL_ANTHROPIC_MESSAGE_STOP,
    FL_ANTHROPIC_PING,
    FL_ANTHROPIC_ERROR
};
enum fl_anthropic_event fl_anthropic_event_of(struct fl_slice name);

/* Of an error's type and message, *status* 0 when there is none: an error told in a stream. */
enum fl_err fl_anthropic_error_of(int status, struct fl_slice body);
/* Anthropic's word for an error: "overloaded_error". */
const char *fl_anthropic_error_type(enum fl_err err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the OpenAI dialect only. */
#ifndef FL_DIALECT_OPENAI_H
#define FL_DIALECT_OPENAI_H

#include "dialect/dialect.h"

/* Fills tools and json_schema from the facts' spans and these members of the request. */
void fl_openai_read_needs(struct fl_json response_format, struct fl_json text_options,
                          struct fl_facts *facts);
void fl_openai_read_prompt(struct fl_facts *facts, const struct fl_prompt_sink *sink);

void fl_openai_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage);

#endif

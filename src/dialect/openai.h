/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the OpenAI dialect only. */
#ifndef FL_DIALECT_OPENAI_H
#define FL_DIALECT_OPENAI_H

#include "dialect/dialect.h"

/* Members of a request, of type NONE where absent. */
struct fl_openai_asked {
    struct fl_json messages; /* or input, or prompt */
    struct fl_json tools, response_format, text;
};
/* Fills tools, vision, audio, json_schema and text_bytes. */
void fl_openai_read_needs(const struct fl_openai_asked *asked, struct fl_facts *facts);

void fl_openai_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage);

#endif

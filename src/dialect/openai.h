/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the OpenAI dialect only. */
#ifndef FL_DIALECT_OPENAI_H
#define FL_DIALECT_OPENAI_H

#include "dialect/dialect.h"

void fl_openai_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage);

#endif

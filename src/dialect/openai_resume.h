/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to continue a chat stream of the OpenAI dialect at another provider: what a chunk says, a
 * request that begins where the answer stopped, and chunks that look like those before them.
 */
#ifndef FL_DIALECT_OPENAI_RESUME_H
#define FL_DIALECT_OPENAI_RESUME_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"

/* One chunk, as spans into its data. Type NONE: it does not say. */
struct fl_openai_delta {
    struct fl_json id, created, model;
    struct fl_json content;       /* of the first choice: a string */
    struct fl_json calls;         /* its tool calls */
    struct fl_json finish_reason; /* a string */
    bool reasoning;               /* it thinks aloud */
    bool strange;                 /* a refusal, sound, a second choice: nothing that could be continued */
};
/* False: no chunk. */
bool fl_openai_read_delta(struct fl_slice data, struct fl_openai_delta *ret_delta);

/* *body* with an assistant's message that says *said* behind its messages, and as many tokens fewer to answer
 * with, but one at least. FL_ERR_REQUEST: it has no messages. */
enum fl_err fl_openai_resume_body(struct fl_slice body, struct fl_slice said, uint64_t said_tokens,
                                  struct fl_buf *ret_body);

/* What stands in every chunk of a stream: raw JSON, empty where it does not. */
struct fl_openai_stamp {
    struct fl_slice id, created, model;
};
/* The chunk of *data* with another stamp, and *content* (where it has one) replaced; one event. */
void fl_openai_put_restamped(struct fl_buf *b, struct fl_slice data, const struct fl_openai_stamp *stamp,
                             struct fl_slice content);
/* An event with a piece of text; with a finish reason ("" or NULL: none). */
void fl_openai_put_chunk(struct fl_buf *b, const struct fl_openai_stamp *stamp, struct fl_slice content,
                         const char *finish_reason);

#endif

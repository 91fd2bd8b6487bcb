/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to continue a chat stream at another provider: a request that begins where the
 * answer stopped, what a chunk of the OpenAI dialect says, and chunks that look like those before
 * them.
 */
#ifndef FL_DIALECT_OPENAI_RESUME_H
#define FL_DIALECT_OPENAI_RESUME_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"
#include "dialect/wire.h"

/* One chunk, as spans into its data. Type NONE: it does not say. */
struct fl_openai_delta {
    struct fl_json id, created, model;
    struct fl_json content;       /* of the first choice: a string */
    struct fl_json calls;         /* its tool calls */
    struct fl_json finish_reason; /* a string */
    bool reasoning;               /* it thinks aloud */
    bool strange; /* a refusal, sound, a second choice: nothing that could be continued */
};
/* False: no chunk. */
bool fl_openai_read_delta(struct fl_slice data, struct fl_openai_delta *ret_delta);

/* How an answer that broke off is asked for again. */
struct fl_resume_words {
    struct fl_slice said; /* decoded; empty: nothing stands behind the request's messages */
    uint64_t tokens;      /* of that */
    bool instruct; /* in words, by a user's message: the model takes no beginning of its answer */
};
/* *body* - of chat completions, responses, or Anthropic's messages - with an assistant's message
 * behind its own, and as many tokens fewer to answer with, but one at least. FL_ERR_REQUEST: it has
 * no messages. */
enum fl_err fl_resume_body(struct fl_slice body, const struct fl_resume_words *words,
                           struct fl_buf *ret_body);

/* What stands in every chunk of a stream: raw JSON, empty where it does not. */
struct fl_openai_stamp {
    struct fl_slice id, created, model;
};
/* The chunk of *data* with another stamp, and *content* (where it has one) replaced; one event. */
void fl_openai_put_restamped(struct fl_buf *b, struct fl_slice data,
                             const struct fl_openai_stamp *stamp, struct fl_slice content);
/* The same with its content as it is. */
void fl_openai_put_stamped(struct fl_buf *b, struct fl_slice data,
                           const struct fl_openai_stamp *stamp);
/* An event with a piece of text; with a finish reason ("" or NULL: none). */
void fl_openai_put_chunk(struct fl_buf *b, const struct fl_openai_stamp *stamp,
                         struct fl_slice content, const char *finish_reason);
/* *e* writes what follows a stream that another one began. */
void fl_openai_encode_midway(struct fl_encoder *e);

#endif

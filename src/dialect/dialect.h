/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire dialects: pure translation between bytes and what the gateway must know of them. A dialect is one
 * file and one row in registry.c. So far both sides speak the same one, so a request's body passes through
 * with a few spans replaced (DESIGN.md, "Same dialect is the fast path"); messages in canonical form come
 * with the second dialect and live in chat/.
 *
 *   read_request   client body -> struct fl_facts (spans into the body)
 *   read_prompt    the text of a request, decoded, piece by piece
 *   write_request  facts + model + wishes -> pieces of the upstream body, nothing copied
 *   read_answer    whole JSON answer -> usage, or the error inside a 200
 *   read_event     data of one stream event -> what it is, usage
 *   read_error     status + body of a refusal -> enum fl_err (what may be tried next, who is to blame)
 *   put_error      enum fl_err -> the client's error envelope
 */
#ifndef FL_DIALECT_DIALECT_H
#define FL_DIALECT_DIALECT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/usage.h"
#include "codec/json.h"
#include "codec/sse.h"

enum fl_endpoint {
    FL_ENDPOINT_CHAT,
    FL_ENDPOINT_COMPLETIONS,
    FL_ENDPOINT_EMBEDDINGS,
    FL_ENDPOINT_RESPONSES,
    FL_ENDPOINT_COUNT
};

/* Who says a part of the prompt. */
enum fl_prompt_role {
    FL_PROMPT_SYSTEM,
    FL_PROMPT_USER,
    FL_PROMPT_ASSISTANT,
    FL_PROMPT_TOOL,  /* what a tool answered */
    FL_PROMPT_TOOLS, /* the definitions of tools */
    FL_PROMPT_ROLES
};

/* Hears a request's text, in order: message() begins one, text() brings a piece of it. */
struct fl_prompt_sink {
    void *owner;
    void (*message)(void *owner, enum fl_prompt_role role);
    void (*text)(void *owner, struct fl_slice piece); /* decoded; lives until this returns */
};

/* What routing and relaying need to know of a request. Spans point into the body, model into scratch or
 * the body. */
struct fl_facts {
    enum fl_endpoint endpoint;
    struct fl_slice body;
    struct fl_slice model;         /* decoded */
    struct fl_json model_value;    /* where it stands */
    struct fl_json stream_options; /* where it stands */
    bool stream;
    bool usage_asked;              /* the client wants usage in its stream */
    bool tools, json_schema;       /* what it needs of a model */
    bool vision, audio;            /* the same, by read_prompt() */
    struct fl_json messages;       /* or input, or prompt; where they stand */
    struct fl_json tool_list, instructions;
    uint64_t tokens_out_max;       /* max_completion_tokens, max_tokens or max_output_tokens; 0: not given */
};

enum { FL_REQUEST_PIECES = 9 };

/* The upstream body as pieces of the client's body and of *storage*, which must live as long. */
struct fl_request_body {
    struct fl_slice pieces[FL_REQUEST_PIECES];
    unsigned count;
    size_t bytes;
};

enum fl_event_kind {
    FL_EVENT_OTHER,   /* content, roles, pings, unknown: pass on */
    FL_EVENT_USAGE,   /* carries only usage: pass on to those who asked */
    FL_EVENT_ERROR,   /* an error object: ends the stream */
    FL_EVENT_DONE     /* the dialect's terminal event */
};

struct fl_event_facts {
    enum fl_event_kind kind;
    bool finish;      /* says why generation ended: the stream may end after it */
    bool valid;       /* is JSON (or the terminal marker) */
};

struct fl_dialect {
    const char *name;
    const char *paths[FL_ENDPOINT_COUNT]; /* behind the base URL; NULL: not offered */
    const char *models_path;
    enum fl_err (*read_request)(enum fl_endpoint endpoint, struct fl_slice body, struct fl_buf *scratch,
                                struct fl_facts *ret_facts, struct fl_reterr *reterr);
    /* The request's text, without images and the like, whose presence it notes. The body must still be
     * there. */
    void (*read_prompt)(struct fl_facts *facts, const struct fl_prompt_sink *sink);
    /* *model*: as the provider knows it. *ask_usage*: add what makes the provider report usage. */
    void (*write_request)(const struct fl_facts *facts, struct fl_slice model, bool ask_usage,
                          struct fl_buf *storage, struct fl_request_body *ret_body);
    enum fl_err (*read_answer)(struct fl_slice body, struct fl_usage *ret_usage);
    /* Usage is replaced, not added, when present. *check*: the data must be valid (a stream's first event,
     * while another target could still be tried); without it, only what matters is looked for. */
    void (*read_event)(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                       struct fl_event_facts *ret_event, struct fl_usage *usage);
    enum fl_err (*read_error)(int status, struct fl_slice body);
    /* *message*: one sentence for people; *attempts*: JSON array for error.fairlead.attempts or empty. */
    void (*put_error)(struct fl_buf *b, enum fl_err err, struct fl_slice message, struct fl_slice param,
                      struct fl_slice attempts);
};

extern const struct fl_dialect fl_dialect_openai;

/* By configured name; NULL when this version does not speak it. */
const struct fl_dialect *fl_dialect_find(struct fl_slice name);

#endif

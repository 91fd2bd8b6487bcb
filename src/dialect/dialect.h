/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire dialects: pure translation between bytes and what the gateway must know of them. A dialect is one
 * file and one row in registry.c. So far both sides speak the same one, so a request's body passes through
 * with a few spans replaced (DESIGN.md, "Same dialect is the fast path"); messages in canonical form come
 * with the second dialect and live in chat/.
 *
 *   read_request   client body -> struct fl_facts (spans into the body)
 *   read_texts     the request's texts one after another, and what it needs of a model
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
#include "dialect/embed.h"
#include "dialect/wire.h"

enum fl_endpoint {
    FL_ENDPOINT_CHAT,
    FL_ENDPOINT_COMPLETIONS,
    FL_ENDPOINT_EMBEDDINGS,
    FL_ENDPOINT_RESPONSES,
    FL_ENDPOINT_MESSAGES, /* Anthropic's */
    FL_ENDPOINT_COUNT_TOKENS,
    FL_ENDPOINT_PASS, /* passed through, not understood: images, audio, files ... */
    FL_ENDPOINT_COUNT
};

/* Who says a text. */
enum fl_role { FL_ROLE_SYSTEM, FL_ROLE_USER, FL_ROLE_ASSISTANT, FL_ROLE_TOOL, FL_ROLE_DEFINITION, FL_ROLE_COUNT };

/* Takes the texts that a model reads, decoded, in the order of the request: a message begins, then its
 * text comes in pieces that live until the next call. Definitions of tools and schemas come as their JSON. */
struct fl_text_sink {
    void *owner;
    void (*message)(void *owner, enum fl_role role);
    void (*text)(void *owner, struct fl_slice piece);
};

/* What a request asks of a model beside text. */
struct fl_needs {
    bool tools, vision, audio, json_schema;
    unsigned images, files;
};

enum { FL_TEXTS_COUNT = 8 };

/* What routing and relaying need to know of a request. Spans point into the body, model into scratch or
 * the body. */
struct fl_facts {
    enum fl_endpoint endpoint;
    struct fl_slice body;
    struct fl_slice model;         /* decoded */
    struct fl_json model_value;    /* where it stands; NONE: the first of *models* is meant */
    struct fl_json stream_options; /* where it stands */
    struct fl_json texts[FL_TEXTS_COUNT]; /* where what the model reads stands; which is which is the
                                             dialect's own matter */
    struct fl_slice object;        /* the body's one object */
    /* Extensions (OpenRouter's): names to fall back on, an array; what is asked of providers, an object. NONE:
     * not given, or given as something else, which is the provider's to judge. */
    struct fl_json models, provider;
    struct fl_slice models_member, provider_member; /* with their keys */
    bool stream;
    bool usage_asked;              /* the client wants usage in its stream */
    bool sealed;                   /* a marked proof stands in it (seal.h) */
    uint64_t tokens_out_max;       /* max_completion_tokens, max_tokens or max_output_tokens; 0: not given */
};

enum { FL_REQUEST_PIECES = 9 };

/* The upstream body as pieces of the client's body and of *storage*, which must live as long. */
struct fl_request_body {
    struct fl_slice pieces[FL_REQUEST_PIECES];
    unsigned count;
    size_t bytes;
};

struct fl_request_wishes {
    bool ask_usage;       /* add what makes the provider report usage */
    bool keep_extensions; /* the provider knows models and provider; else they are taken out */
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
    bool content;     /* has something of the answer: text, reasoning, a tool call; asked for with *check* */
};

/* What a request's path and head hang on, where they are not the same for all. */
struct fl_ask {
    enum fl_endpoint endpoint;
    struct fl_slice model; /* as the provider knows it, decoded */
    bool stream;
    struct fl_slice api_version, region, project; /* as configured; empty where they mean nothing */
};

/* What an error's envelope tells a client beside the error. */
struct fl_envelope {
    struct fl_slice message;    /* one sentence for people */
    struct fl_slice param;      /* of the request, whose fault it is; may be empty */
    struct fl_slice attempts;   /* JSON array for error.fairlead.attempts; may be empty */
    struct fl_slice request_id; /* for dialects that have it in the body; may be empty */
};

struct fl_dialect {
    const char *name;
    /* The dialect whose bytes it takes as they are, behind other paths; NULL: its own only. */
    const struct fl_dialect *like;
    const char *paths[FL_ENDPOINT_COUNT]; /* behind the base URL; NULL: not offered as it is */
    /* By endpoint: the form in which clients of this dialect ask and are answered; NULL: not chat, bytes can
     * only pass through to a provider of the same dialect. */
    const struct fl_wire *wires[FL_ENDPOINT_COUNT];
    /* What a provider of this dialect is asked in when the client speaks another form, and where. */
    const struct fl_wire *chat_wire;
    enum fl_endpoint chat_endpoint;
    /* How it is asked for embeddings by clients of OpenAI; NULL: as they ask (paths), or not at all. */
    const struct fl_embed_form *embed_form;
    /* Appends the path behind the base URL, percent-encoded, with its query; NULL: paths[endpoint]. */
    void (*put_path)(const struct fl_ask *ask, struct fl_buf *b);
    /* Head fields, as lines, that every request of the dialect carries ("anthropic-version: ...\r\n"), or NULL. */
    const char *fields;
    const char *models_path;
    enum fl_err (*read_request)(enum fl_endpoint endpoint, struct fl_slice body, struct fl_buf *scratch,
                                struct fl_facts *ret_facts, struct fl_reterr *reterr);
    /* *facts* as read_request gave them; walks the texts once. */
    void (*read_texts)(const struct fl_facts *facts, const struct fl_text_sink *sink,
                       struct fl_needs *ret_needs);
    /* *model*: as the provider knows it. */
    void (*write_request)(const struct fl_facts *facts, struct fl_slice model, struct fl_request_wishes wishes,
                          struct fl_buf *storage, struct fl_request_body *ret_body);
    enum fl_err (*read_answer)(struct fl_slice body, struct fl_usage *ret_usage);
    /* Usage is replaced, not added, when present. *check*: nothing of the stream was sent on yet, another
     * target could still be tried: the data must be valid, and it is told whether it has content; without it,
     * only what matters is looked for. */
    void (*read_event)(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                       struct fl_event_facts *ret_event, struct fl_usage *usage);
    enum fl_err (*read_error)(int status, struct fl_slice body);
    /* Where a refusal's head may name the error beside its body: the field, and what is then asked
     * instead of read_error, with the field's value. NULL: the body tells all. */
    const char *error_field;
    enum fl_err (*read_named_error)(int status, struct fl_slice name, struct fl_slice body);
    void (*put_error)(struct fl_buf *b, enum fl_err err, const struct fl_envelope *envelope);
};

extern const struct fl_dialect fl_dialect_openai;
extern const struct fl_dialect fl_dialect_anthropic;
extern const struct fl_dialect fl_dialect_bedrock;
extern const struct fl_dialect fl_dialect_gemini;
extern const struct fl_dialect fl_dialect_vertex;           /* Gemini's models there */
extern const struct fl_dialect fl_dialect_vertex_anthropic; /* Claude there */
extern const struct fl_dialect fl_dialect_azure;
extern const struct fl_dialect fl_dialect_ollama_native;

/* By configured name; NULL when this version does not speak it. */
const struct fl_dialect *fl_dialect_find(struct fl_slice name);

#endif

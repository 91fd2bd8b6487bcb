/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Continuing a stream whose provider broke off (resume: continue). Of such a stream everything said
 * is kept, up to limits.resume, and the request too; on a break the next target of the plan is
 * asked with what was said as the assistant's own words. What it repeats of them is dropped at the
 * seam (codec/seam.h).
 *
 *   only text was said        it is continued
 *   whole tool calls          they are the answer: the stream ends as one with tool calls does
 *   part of a tool call, thoughts without words, thoughts that their maker signed, several choices,
 *   more than is kept         it cannot be continued, and ends in an error event
 *
 * How the client's stream is written:
 *
 *   raw       a provider's own events go through. Chunks of OpenAI's go on as chunks with the
 *             stamp of the first stream's, as long as who continues speaks that dialect too
 *   encoded   by *encoder*, which outlives the attempts: from the first one on, where that was a
 *             translation (server/translate.h); or begun midway, behind raw events
 *
 * Clients of chat completions, responses (unless its first stream is raw) and Anthropic's messages;
 * whoever continues may speak any dialect.
 */
#ifndef FL_SERVER_RESUME_H
#define FL_SERVER_RESUME_H

#include "base/buf.h"
#include "codec/seam.h"
#include "codec/sse.h"
#include "dialect/anthropic_resume.h"
#include "dialect/dialect.h"
#include "dialect/openai_resume.h"

struct fl_resume {
    struct fl_facts facts; /* of the client's own request */
    const struct fl_dialect *dialect; /* the client's */
    struct fl_buf said;    /* decoded */
    struct fl_buf call;    /* arguments of the last tool call */
    struct fl_buf body;    /* of the request that continues, in the client's dialect */
    struct fl_buf out;     /* events on their way to the client */
    struct fl_buf stamps;  /* what *stamp* points into */
    struct fl_openai_stamp stamp;
    struct fl_arena arena;           /* of the raw stream's events, then of *request* */
    struct fl_decoder decoder;       /* of a raw stream of Anthropic's */
    struct fl_anthropic_place place; /* where that is */
    struct fl_chat_request request;  /* *body* in canonical form */
    struct fl_encoder encoder;
    bool encoded, midway;
    struct fl_usage used;   /* by the attempts that broke off */
    struct fl_usage summed; /* with that of the one that continues */
    uint64_t tokens;        /* pieces said */
    uint64_t tokens_before; /* by the attempts before this one */
    unsigned calls;
    uint64_t call_index;
    bool stamped, finished, lost, thought;
    bool sealed;    /* thoughts were signed */
    bool failed;    /* something on its way to the client was lost: it must not end well */
    bool calls_bad; /* an earlier call was left unfinished */
    unsigned seams; /* so often it was continued */
    struct fl_seam seam;
};

enum fl_resumable {
    FL_RESUME_NEVER,   /* an error event */
    FL_RESUME_TEXT,    /* ask the next target */
    FL_RESUME_CALLS,   /* end it here: its tool calls are whole */
    FL_RESUME_FINISHED /* only the end was missing */
};

/* What whoever continues does not take. */
struct fl_resume_manner {
    bool instruct; /* the beginning of its answer: it is told in words */
    bool trim;     /* white space at that beginning's end */
};

/* NULL without memory: the stream then cannot be continued. */
struct fl_resume *fl_resume_create(const struct fl_facts *facts, const struct fl_dialect *dialect,
                                   size_t bytes_max, size_t body_max);
void fl_resume_destroy(struct fl_resume *r); /* NULL is fine */
/* Nothing was sent yet, and another target begins: forget the one before. */
void fl_resume_reset(struct fl_resume *r);
enum fl_resumable fl_resume_judge(const struct fl_resume *r);

/* --- the first stream --- */

/* A raw event goes to the client; all of those that were held back. */
void fl_resume_note(struct fl_resume *r, const struct fl_sse_event *event);
void fl_resume_note_all(struct fl_resume *r, struct fl_slice events);
/* Its answer has begun: from now on *encoder* is kept here. */
void fl_resume_keep(struct fl_resume *r, struct fl_encoder *encoder);

/* --- between two --- */

/* An attempt whose answer had begun is over. *usage*: what it told; *tokens_in*: of its request. */
void fl_resume_broke(struct fl_resume *r, uint64_t tokens_in, const struct fl_usage *usage);
/* Pieces that the present attempt said. */
uint64_t fl_resume_tokens(const struct fl_resume *r);
/* The request that continues, into r->body, and its facts. */
enum fl_err fl_resume_ask(struct fl_resume *r, struct fl_resume_manner manner,
                          struct fl_facts *io_facts);
/* The same into r->request, from the client's form *wire*. */
enum fl_err fl_resume_read(struct fl_resume *r, const struct fl_wire *wire);
/* A raw stream is encoded from here on; *client*: what its form is made of. */
void fl_resume_encode(struct fl_resume *r, const struct fl_encoder *client);
/* Appends an end to r->out: FL_RESUME_CALLS, FL_RESUME_FINISHED. */
void fl_resume_put_end(struct fl_resume *r, enum fl_resumable how);

/* --- a stream that continues --- */

/* A raw event: appends what the client gets of it to r->out. */
void fl_resume_take(struct fl_resume *r, const struct fl_sse_event *event);
/* The raw stream's end: appends what the seam still held. */
void fl_resume_end(struct fl_resume *r);
/* An event of a translation on its way to *next*: the first stream's is noted, one that *continues*
 * is fitted to what was said. */
void fl_resume_event(struct fl_resume *r, bool continues, const struct fl_chat_event *event,
                     const struct fl_chat_sink *next);
/* Appends what the encoder wrote to r->out, with the first stream's stamp. */
void fl_resume_dress(struct fl_resume *r, struct fl_slice events);

#endif

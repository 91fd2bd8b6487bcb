/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Continuing a stream whose provider broke off (resume: continue). Of such a stream everything said is kept, up to
 * limits.resume, and the request too; on a break the next target of the plan is asked with what was said as
 * the assistant's own words. What it repeats of them is dropped at the seam (codec/seam.h), and its chunks get the
 * stamp of the first stream's.
 *
 *   only text was said        it is continued
 *   whole tool calls          they are the answer: the stream ends as one with tool calls does
 *   part of a tool call, thoughts without words, several choices, more than is kept: it cannot be continued, and
 *                             ends in an error event
 *
 * OpenAI's chat completions, from a provider of this dialect to another one.
 */
#ifndef FL_SERVER_RESUME_H
#define FL_SERVER_RESUME_H

#include "base/buf.h"
#include "codec/seam.h"
#include "codec/sse.h"
#include "dialect/dialect.h"
#include "dialect/openai_resume.h"

struct fl_resume {
    struct fl_facts facts; /* of the client's own request */
    struct fl_buf said;    /* decoded */
    struct fl_buf call;    /* arguments of the last tool call */
    struct fl_buf body;    /* of the request that continues */
    struct fl_buf out;     /* events on their way to the client */
    struct fl_buf stamps;  /* what *stamp* points into */
    struct fl_openai_stamp stamp;
    uint64_t tokens;       /* pieces said */
    unsigned calls;
    uint64_t call_index;
    bool stamped, finished, lost, thought;
    bool calls_bad; /* an earlier call was left unfinished */
    unsigned seams; /* so often it was continued */
    struct fl_seam seam;
};

enum fl_resumable {
    FL_RESUME_NEVER,    /* an error event */
    FL_RESUME_TEXT,     /* ask the next target */
    FL_RESUME_CALLS,    /* end it here: its tool calls are whole */
    FL_RESUME_FINISHED  /* only the end was missing */
};

/* NULL without memory: the stream then cannot be continued. */
struct fl_resume *fl_resume_create(const struct fl_facts *facts, size_t bytes_max, size_t body_max);
void fl_resume_destroy(struct fl_resume *r); /* NULL is fine */
/* Nothing was sent yet, and another target begins: forget the one before. */
void fl_resume_reset(struct fl_resume *r);
/* An event of the first stream goes to the client. */
void fl_resume_note(struct fl_resume *r, const struct fl_sse_event *event);
enum fl_resumable fl_resume_judge(const struct fl_resume *r);
/* The request that continues, into r->body, and its facts. */
enum fl_err fl_resume_ask(struct fl_resume *r, const struct fl_dialect *dialect, struct fl_facts *io_facts);
/* An event of a stream that continues: appends what the client gets of it to r->out. */
void fl_resume_take(struct fl_resume *r, const struct fl_sse_event *event);
/* Its end: appends what the seam still held. */
void fl_resume_end(struct fl_resume *r);
/* Appends an end to r->out: FL_RESUME_CALLS, FL_RESUME_FINISHED. */
void fl_resume_put_end(struct fl_resume *r, enum fl_resumable how);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer as a sequence of events, the same for a stream and for a whole answer: a provider's wire
 * form makes them, a client's wire form writes them.
 *
 *   START (TEXT | REFUSAL | THINKING | SIGNATURE | REDACTED | CITATION | CALL_BEGIN | CALL_ARGUMENTS | PING)*
 *         FINISH [USAGE] DONE
 *   or at any place ERROR, and nothing after it
 *
 * USAGE may come anywhere and more than once: each replaces what was known. FINISH comes once a
 * choice, USAGE before DONE when the provider told it. Texts are escaped (chat.h) and live until the
 * sink returns.
 */
#ifndef FL_CHAT_EVENT_H
#define FL_CHAT_EVENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/usage.h"

#include <stdbool.h>
#include <stdint.h>

enum fl_chat_event_kind {
    FL_CHAT_START,          /* id, name (the model), created_s; each may be absent */
    FL_CHAT_TEXT,           /* text, logprobs */
    FL_CHAT_REFUSAL,        /* text */
    FL_CHAT_THINKING,       /* text */
    FL_CHAT_SIGNATURE,      /* text: of the thinking before it, which is over */
    FL_CHAT_REDACTED,       /* text: a whole block */
    FL_CHAT_CITATION,       /* citation */
    FL_CHAT_CALL_BEGIN,     /* call, id, name; signature */
    FL_CHAT_CALL_ARGUMENTS, /* call, text: a piece of the arguments' JSON text, escaped */
    FL_CHAT_PING,           /* keeps the stream alive */
    FL_CHAT_FINISH,         /* finish, stop_sequence */
    FL_CHAT_USAGE,          /* usage */
    FL_CHAT_ERROR, /* err, text (a message for people), name (the provider's own word for it) */
    FL_CHAT_DONE   /* the answer is whole */
};

enum fl_finish {
    FL_FINISH_NONE,
    FL_FINISH_STOP,
    FL_FINISH_STOP_SEQUENCE,
    FL_FINISH_LENGTH,  /* the limit of output tokens */
    FL_FINISH_CONTEXT, /* the model's context is full */
    FL_FINISH_TOOL_CALLS,
    FL_FINISH_CONTENT_FILTER, /* withheld by a filter, or refused */
    FL_FINISH_PAUSE,          /* Anthropic pause_turn: to be continued */
    FL_FINISH_ERROR           /* generation failed; text may be there */
};

/* A page of the web that the text from one place to another rests on; before the finish, when that text was told or
 * is about to be. Places are characters (code points) of all the text of the choice; 0 to 0: not known. Texts are
 * escaped. */
struct fl_citation {
    struct fl_slice url, title;
    struct fl_slice quote; /* of the page */
    uint64_t from, to;
};

struct fl_chat_event {
    enum fl_chat_event_kind kind;
    unsigned choice; /* of n; 0 but for n > 1 */
    unsigned call;   /* tool calls of a choice count from 0 in order of their beginning */
    struct fl_slice text, id, name, signature;
    /* What the model thought of the text's tokens: raw elements of an array, without its brackets, each {"token",
     * "logprob", "bytes", "top_logprobs": [the same without the last]} as OpenAI has them. */
    struct fl_slice logprobs;
    const struct fl_citation *citation;
    uint64_t created_s;
    enum fl_finish finish;
    struct fl_slice stop_sequence;
    const struct fl_usage *usage;
    enum fl_err err;
};

struct fl_chat_sink {
    void *owner;
    void (*event)(void *owner, const struct fl_chat_event *event);
};

/* --- A whole answer, collected from its events. --- */

enum fl_block_kind {
    FL_BLOCK_TEXT,
    FL_BLOCK_REFUSAL,
    FL_BLOCK_THINKING,
    FL_BLOCK_REDACTED,
    FL_BLOCK_CALL
};

struct fl_piece {
    struct fl_piece *next;
    struct fl_slice text;     /* escaped */
    struct fl_slice logprobs; /* see fl_chat_event */
};

struct fl_cited {
    struct fl_cited *next;
    struct fl_citation citation;
};

struct fl_block {
    struct fl_block *next;
    enum fl_block_kind kind;
    unsigned choice, call;
    struct fl_slice id, name, signature;
    struct fl_piece *pieces, **tail;
    struct fl_cited *cited; /* of a text, in the order they were told */
    uint64_t text_from; /* characters of the choice's text before it; set by those who write places in a block */
};

struct fl_chat_answer {
    struct fl_arena *arena;
    bool whole; /* DONE came */
    struct fl_slice id, model;
    uint64_t created_s;
    struct fl_block *blocks, **tail; /* in order of their beginning; choices may be interleaved */
    struct fl_block *last;
    struct {
        enum fl_finish finish;
        struct fl_slice stop_sequence;
    } * choices;
    unsigned choice_count;
    struct fl_usage usage;
    enum fl_err err; /* ERROR came */
    struct fl_slice error_text, error_name;
};

enum { FL_CHOICES_MAX = 128 };

/* *choices* of FL_CHOICES_MAX come from the arena. Without memory arena->failed is set. */
void fl_chat_answer_init(struct fl_chat_answer *answer, struct fl_arena *arena);
/* A sink's function: *owner* is the answer. The event's slices are kept, not copied: they must live as long
 * as the answer. */
void fl_chat_answer_take(void *owner, const struct fl_chat_event *event);
/* Sum of the pieces' bytes. */
size_t fl_block_bytes(const struct fl_block *block);
/* "stop", "tool_calls" ...: for logs and records. */
const char *fl_finish_name(enum fl_finish finish);

#endif

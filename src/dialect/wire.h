/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire forms: how one kind of chat exchange is written. A dialect may have several (OpenAI: chat completions and
 * responses). A form has a client's side, which reads requests and writes answers, a provider's side, which
 * writes requests and reads answers, or both. Between two different forms an exchange passes through the
 * canonical form of chat/:
 *
 *   client body   -> client form: read()   -> fl_chat_request -> provider form: write() -> provider body
 *   client answer <- client form: put_*()  <- fl_chat_event   <- provider form: take_*() <- provider answer
 *
 * Nothing here keeps more than a decoder or an encoder, both of bounded size; a stream is translated event by
 * event. No form is chosen here: the server pairs them.
 */
#ifndef FL_DIALECT_WIRE_H
#define FL_DIALECT_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "chat/chat.h"
#include "chat/event.h"
#include "chat/loss.h"
#include "codec/json.h"

/* How a stream's frames are told apart. */
enum fl_framing {
    FL_FRAMING_SSE,   /* server-sent events */
    FL_FRAMING_LINES, /* one JSON value a line (Ollama) */
    FL_FRAMING_AMAZON /* application/vnd.amazon.eventstream (Bedrock) */
};

/* One frame of a stream. For FL_FRAMING_AMAZON: name is the event or exception type. */
struct fl_frame {
    struct fl_slice name; /* "event:" of a server-sent event; empty when absent */
    struct fl_slice data;
    bool exception; /* Amazon: :message-type is exception or error */
};

enum { FL_CALLS_MAX = 128 /* tool calls of an answer that are told apart */ };

/* What the writer of a provider's request knows beside the request. */
struct fl_write_options {
    struct fl_slice model;  /* as the provider knows it, decoded */
    struct fl_slice vendor; /* row of config/vendors.c: quirks hang on it */
    struct fl_slice betas;  /* the client's head field anthropic-beta, for forms that carry it in the body */
    bool ask_usage;         /* of a stream: add what makes the provider report usage */
    /* Where the form must have a limit and the client gave none: the model's maximum by the catalogue; 0: not
     * known. */
    uint64_t tokens_out_default;
};

/* Reads a provider's answer. The caller's memory; zero it, set *options*, and it is ready. Everything below
 * is the form's own. */
struct fl_decoder {
    const struct fl_wire *wire;
    /* For what an answer needs decoded; reset by the caller after each frame of a stream, so nothing in it outlives a
     * frame. */
    struct fl_arena *arena;
    bool started, done, failed;
    bool finish_seen;
    enum fl_finish finish;
    struct fl_usage usage;
    bool usage_known;
    unsigned calls;      /* tool calls begun, all choices */
    unsigned call_open;  /* the form's own: the call being written, + 1 */
    unsigned block_kind; /* the form's own */
    uint64_t blocks;     /* the form's own */
    struct {
        unsigned key; /* the provider's index */
        unsigned choice, call;
        bool arguments; /* some came */
    } call_map[FL_CALLS_MAX];
    unsigned call_count;
    unsigned choice_calls[8]; /* calls begun, by choice, of the first few */
    uint64_t chars, block_from; /* the form's own: characters of text told, and before the block that is open */
    void *own;                /* the form's own, from malloc: freed by fl_decoder_finish() */
};

/* Who keeps a client's answers for its requests to come (responses: `store`). */
struct fl_keeper {
    struct fl_slice previous; /* id of the response that the request goes on from; empty: none */
    size_t bytes_max;         /* a longer answer is not kept, and says so */
    /* The whole answer, one JSON object, before the client has its end; it lives until this returns. NULL: no
     * answer is kept. */
    void (*keep)(struct fl_keeper *keeper, struct fl_slice answer);
};

/* Writes a client's answer. The caller's memory; zero it, set what stands above the line. */
struct fl_encoder {
    const struct fl_wire *wire;
    struct fl_slice model; /* what the answer is said to be by, decoded: lives as long as the encoder */
    struct fl_slice id;    /* made by the gateway, without the form's prefix: 24 or more of [0-9a-z] */
    uint64_t created_s; /* Unix time */
    bool usage_asked;   /* OpenAI streams: a usage chunk */
    const struct fl_chat_request *request; /* may be NULL: responses echo it */
    size_t kept_bytes_max; /* ceiling of what a form must keep of a stream (responses) */
    struct fl_keeper *keeper; /* NULL: none; lives as long */
    /* --- the form's own */
    bool started, done;
    unsigned open;       /* what is open now */
    unsigned next_index; /* of blocks or output items */
    unsigned call_open;  /* the call whose block is open, + 1 */
    unsigned calls_begun;
    uint64_t sequence;
    enum fl_finish finish;
    struct fl_slice stop_sequence;
    char stop_text[256];
    struct fl_usage usage;
    uint32_t role_sent; /* by choice, a bit each */
    void *own;          /* from malloc: freed by fl_encoder_finish() */
    void (*own_finish)(void *own);
};

struct fl_wire {
    const char *name; /* "openai/chat" */
    enum fl_framing framing;
    bool echoes_request; /* its answers repeat what was asked: the request is kept until they end */

    /* --- a client's side; NULL: clients do not speak it --- */

    /* Accepts *body* whole (fl_json_scan() with watched keys refused twice) or tells why not, in words for the
     * client. Unknown members go to others. */
    enum fl_err (*read)(struct fl_slice body, struct fl_arena *arena,
                        struct fl_chat_request *ret_request, struct fl_reterr *reterr);
    /* Appends what this event is in the client's stream, whole frames, perhaps nothing. */
    void (*put_event)(struct fl_encoder *e, const struct fl_chat_event *event, struct fl_buf *out);
    /* Appends the whole answer as one JSON value. */
    void (*put_answer)(struct fl_encoder *e, const struct fl_chat_answer *answer,
                       struct fl_buf *out);

    /* --- a provider's side; NULL: no provider is asked in it --- */

    /* Appends the request's body. FL_ERR_UPSTREAM_REQUEST with losses->fatal: it cannot be said in this form.
     * FL_ERR_REQUEST: the client's own mistake, told in reterr. */
    enum fl_err (*write)(const struct fl_chat_request *request,
                         const struct fl_write_options *options, struct fl_buf *out,
                         struct fl_losses *losses, struct fl_reterr *reterr);
    /* A whole answer with a 2xx status. FL_ERR_BAD_RESPONSE: it is none; FL_ERR_ERROR_IN_200: an error. */
    enum fl_err (*take_answer)(struct fl_decoder *d, struct fl_slice body,
                               const struct fl_chat_sink *sink);
    /* One frame of a stream. FL_ERR_BAD_RESPONSE: not valid; after a stream has content, a frame that makes no
     * sense is skipped instead. An error told in the stream is an ERROR event and FL_OK. */
    enum fl_err (*take_frame)(struct fl_decoder *d, const struct fl_frame *frame,
                              const struct fl_chat_sink *sink);
    /* The bytes ended (cleanly, as far as HTTP can tell). Gives what is still due (FINISH, USAGE, DONE) when
     * the answer is whole; FL_ERR_CLOSED when it was cut off. */
    enum fl_err (*take_end)(struct fl_decoder *d, const struct fl_chat_sink *sink);
};

void fl_decoder_finish(struct fl_decoder *d);
void fl_encoder_finish(struct fl_encoder *e);
/* *to* goes on where *from* is; *from* is as after fl_encoder_finish(). */
void fl_encoder_move(struct fl_encoder *to, struct fl_encoder *from);

extern const struct fl_wire fl_wire_openai_chat;       /* both sides */
extern const struct fl_wire fl_wire_openai_responses;  /* both sides */
extern const struct fl_wire fl_wire_anthropic;         /* both sides: messages */
extern const struct fl_wire fl_wire_anthropic_bedrock; /* provider: invoke, frames of Amazon */
extern const struct fl_wire fl_wire_anthropic_vertex;  /* provider: rawPredict */
extern const struct fl_wire fl_wire_gemini;            /* provider */
extern const struct fl_wire fl_wire_converse;          /* provider: Bedrock */
extern const struct fl_wire fl_wire_ollama;            /* provider: /api/chat */

#endif

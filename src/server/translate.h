/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt's translation, where the provider speaks another wire form than the client (dialect/wire.h).
 * Bytes in, bytes out: it knows no connection. A stream is translated frame by frame; of it are kept an
 * unfinished frame, what is not sent yet, and the two forms' states.
 */
#ifndef FL_SERVER_TRANSLATE_H
#define FL_SERVER_TRANSLATE_H

#include "codec/sse.h"
#include "dialect/embed.h"
#include "dialect/wire.h"

struct fl_resume;

struct fl_translation_options {
    const struct fl_wire *client, *provider; /* NULL, as is *request*: embeddings */
    const struct fl_chat_request *request;   /* lives as long as the translation */
    const struct fl_embed_form *embed_form;
    const struct fl_embed_request *embed; /* lives as long */
    uint64_t tokens_in_guess; /* of embeddings, for providers that do not tell */
    struct fl_slice model;    /* as the provider knows it; lives as long */
    struct fl_slice vendor;   /* the provider's type; lives as long */
    struct fl_slice betas;    /* see fl_write_options; lives as long */
    bool ask_usage;           /* the same */
    bool strict;              /* nothing may be lost */
    struct fl_slice id;       /* for the client's answer, without prefix; lives as long */
    uint64_t created_s;
    /* Sees the events of a stream first (server/resume.h); NULL: none does; lives as long. */
    struct fl_resume *resume;
    struct fl_keeper *keeper; /* of the client's answer; NULL: it is not kept; lives as long */
    bool continues; /* a stream that broke off elsewhere: *resume* has the encoder */
    uint64_t tokens_out_default; /* see fl_write_options */
    size_t frame_bytes_max;      /* of one frame of a stream */
    size_t answer_bytes_max;     /* of a whole answer as the client gets it, and of what a form keeps of a stream */
};

struct fl_translation {
    struct fl_translation_options options;
    struct fl_slice maker; /* of the provider's proofs, dialect/seal.h */
    struct fl_losses losses;
    struct fl_buf body; /* for the provider */
    struct fl_buf out;  /* for the client, not sent yet */
    struct fl_buf hold; /* an unfinished frame */
    size_t scanned;     /* of it */
    struct fl_sse sse;
    struct fl_arena arena;
    struct fl_decoder decoder;
    struct fl_encoder own_encoder;
    struct fl_encoder *encoder; /* that, until the answer begins and *resume* keeps it */
    struct fl_chat_answer *collected; /* the client gets the answer whole, of these blocks; NULL: event by event */
    bool of_frames; /* these come in the frames of a stream */
    struct fl_usage usage;
    struct fl_usage told; /* set by the owner: what the answer's head counts, for a body that tells nothing */
    bool committed; /* set by the owner: the client has been sent the answer's head */
    bool content;   /* something was said: the answer has begun */
    bool done;      /* the answer is whole */
    bool finish_seen;
    enum fl_err err; /* the provider told an error in its answer */
    char error_text[512];
    size_t error_text_len;
    _Alignas(16) char room[2048]; /* the arena's first chunk */
};

/* The client's encoder at the start of an answer. */
struct fl_encoder fl_translation_encoder(const struct fl_translation_options *options);
/* NULL without memory. */
struct fl_translation *fl_translation_create(const struct fl_translation_options *options);
void fl_translation_destroy(struct fl_translation *t);
/* The provider's request into t->body, what it loses into t->losses. FL_ERR_UNTRANSLATABLE: it would mean something
 * else there; FL_ERR_REQUEST: the client's mistake, told in *reterr*. */
enum fl_err fl_translation_write(struct fl_translation *t,
                                 struct fl_reterr *reterr) FL_CHECK_RESULT;
/* The answer has begun: who continues it goes on with its encoder. */
void fl_translation_keep(struct fl_translation *t);
/* Bytes of a stream's body, unframed by HTTP: appends what they are to the client to t->out. *at_end*: no more will
 * come; FL_ERR_CLOSED when the answer is not whole then. An error the provider told before it said anything is in
 * t->err, and not in t->out. */
enum fl_err fl_translation_feed(struct fl_translation *t, struct fl_slice bytes,
                                bool at_end) FL_CHECK_RESULT;
/* A whole answer: appends to t->out one JSON value, or the events of a stream. Embeddings are never a stream. */
enum fl_err fl_translation_answer(struct fl_translation *t, struct fl_slice body,
                                  bool as_stream) FL_CHECK_RESULT;
/* More of the body of a stream where a whole answer was asked for; t->done: no more is needed. *at_end*: appends to t->out
 * one JSON value. FL_ERR_CLOSED: it was cut off. What is kept are the answer's parts, and an unfinished event. */
enum fl_err fl_translation_collect(struct fl_translation *t, struct fl_slice bytes, bool at_end) FL_CHECK_RESULT;
/* What the provider said of an error that it told in its answer; may be empty. Decoded. */
struct fl_slice fl_translation_error_text(const struct fl_translation *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings between a client of OpenAI and a provider of another dialect: one request, one whole
 * answer, no stream.
 *
 *   client body   -> fl_embed_read() -> fl_embed_request -> form->write() -> provider body
 *   client answer <- fl_embed_put()  <- fl_embed_answer  <- form->take()  <- provider answer
 *
 * Vectors stay where they stand in the provider's answer. As floats their numbers go on as they are
 * spelled; OpenAI's SDKs ask for base64, which is made here: float32, little-endian.
 */
#ifndef FL_DIALECT_EMBED_H
#define FL_DIALECT_EMBED_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "chat/chat.h"
#include "chat/loss.h"
#include "codec/json.h"

/* What the vectors are for (an extension, "input_type"): some models make others for it. */
enum fl_embed_purpose {
    FL_EMBED_ANY,
    FL_EMBED_DOCUMENT,
    FL_EMBED_QUERY,
    FL_EMBED_CLASSIFICATION,
    FL_EMBED_CLUSTERING
};

struct fl_embed_request {
    struct fl_text_item *inputs;
    unsigned count;
    bool tokens; /* the input is numbers of one vendor's tokenizer: nobody else can read it */
    bool base64;
    uint64_t dimensions; /* 0: the model's own */
    enum fl_embed_purpose purpose;
    struct fl_member *others;
};

struct fl_vector {
    struct fl_vector *next;
    struct fl_json values; /* an array */
};

struct fl_embed_answer {
    struct fl_vector *vectors; /* as many as inputs, in their order */
    unsigned count;
    uint64_t tokens_in;
    bool tokens_known; /* the provider told */
};

struct fl_embed_form {
    const char *name;
    /* Appends the provider's body. *model*: as it knows it. FL_ERR_UNTRANSLATABLE: it cannot be asked there, told
     * in *reterr*. */
    enum fl_err (*write)(const struct fl_embed_request *request, struct fl_slice model,
                         struct fl_buf *out, struct fl_losses *losses, struct fl_reterr *reterr);
    /* A whole answer with a 2xx status; what it gives points into *body*. FL_ERR_BAD_RESPONSE: it is none. */
    enum fl_err (*take)(struct fl_slice body, struct fl_arena *arena,
                        struct fl_embed_answer *ret_answer);
};

/* OpenAI's request, from a whole body. Refusals are the client's mistakes, told in *reterr*. */
enum fl_err fl_embed_read(struct fl_slice body, struct fl_arena *arena,
                          struct fl_embed_request *ret_request, struct fl_reterr *reterr);
/* OpenAI's answer. FL_ERR_BAD_RESPONSE: a vector is none; what was appended is then worth nothing. */
enum fl_err fl_embed_put(const struct fl_embed_answer *answer, struct fl_slice model, bool base64,
                         struct fl_buf *out);

extern const struct fl_embed_form fl_embed_gemini; /* batchEmbedContents */
extern const struct fl_embed_form fl_embed_vertex; /* predict, or embedContent for newer models */
extern const struct fl_embed_form
    fl_embed_bedrock; /* invoke: Titan and Cohere, by the model's name */
extern const struct fl_embed_form fl_embed_ollama; /* /api/embed */

/* Vertex: is the model asked by embedContent? */
bool fl_embed_vertex_by_content(struct fl_slice model);

#endif

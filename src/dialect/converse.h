/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of Bedrock's converse only. */
#ifndef FL_DIALECT_CONVERSE_H
#define FL_DIALECT_CONVERSE_H

#include "dialect/anthropic_wire.h"
#include "dialect/bedrock.h"

/* What a model of Bedrock takes, by the maker in its name. */
struct fl_converse_model {
    bool is_claude, is_nova2, is_gpt_oss;
    struct fl_claude claude;
    bool has_cache;  /* cachePoint */
    bool has_schema; /* outputConfig.textFormat */
};

struct fl_converse_writer {
    const struct fl_chat_request *request;
    struct fl_converse_model model;
    struct fl_buf *out;
    struct fl_losses *losses;
    unsigned cache_points, documents;
    bool last, trim;               /* as struct fl_anthropic_writer has them */
    bool text_seen, document_seen; /* in the message being written */
    bool tools_used;               /* some message calls a tool or answers a call */
};

struct fl_converse_model fl_converse_model_of(struct fl_slice model);
void fl_converse_put_messages(struct fl_converse_writer *w);
void fl_converse_put_system(struct fl_converse_writer *w, bool order);
void fl_converse_put_cache_point(struct fl_converse_writer *w, enum fl_cache_hint cache);

enum fl_err fl_converse_take_answer(struct fl_decoder *d, struct fl_slice body,
                                    const struct fl_chat_sink *sink);
enum fl_err fl_converse_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                   const struct fl_chat_sink *sink);
enum fl_err fl_converse_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink);

#endif

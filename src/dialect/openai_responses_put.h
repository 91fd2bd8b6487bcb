/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files that write answers of responses: openai_responses_item.c, _put.c. */
#ifndef FL_DIALECT_OPENAI_RESPONSES_PUT_H
#define FL_DIALECT_OPENAI_RESPONSES_PUT_H

#include "dialect/openai_wire.h"

/* How an answer ended. */
struct fl_responses_end {
    enum fl_finish finish; /* FL_FINISH_ERROR: the rest says why */
    enum fl_err err;
    struct fl_slice error_text, error_name; /* escaped */
};

/* A block is an output item; *index* is its place in the output. */
void fl_responses_put_item_id(struct fl_buf *b, const struct fl_encoder *e,
                              const struct fl_block *block, unsigned index);
/* {"type": "url_citation", ...}, its places less *base*. */
void fl_responses_put_annotation(struct fl_buf *b, const struct fl_citation *citation, uint64_t base);
/* The member "logprobs" of a text; NULL: it has none. */
void fl_responses_put_logprobs(struct fl_buf *b, const struct fl_block *block);
/* The content part, or the summary part, of a text; without its text when not *whole*. */
void fl_responses_put_part(struct fl_buf *b, const struct fl_block *block, bool whole);
/* The text of a custom tool's call, as a string. */
void fl_responses_put_input(struct fl_buf *b, const struct fl_encoder *e,
                            const struct fl_block *call);
/* *status*: "in_progress" leaves out what is still to come. */
void fl_responses_put_item(struct fl_buf *b, const struct fl_encoder *e,
                           const struct fl_block *block, unsigned index, const char *status);
/* "completed", "incomplete", "failed" */
const char *fl_responses_status(enum fl_finish finish);
/* The response object up to its first output item, and from behind the last. *end* NULL: in
 * progress. Returns where it begins; one that has ended is kept by the encoder's keeper. */
size_t fl_responses_begin(struct fl_buf *b, const struct fl_encoder *e,
                          const struct fl_responses_end *end);
void fl_responses_finish(struct fl_buf *b, const struct fl_encoder *e, size_t begin,
                         const struct fl_responses_end *end, const struct fl_usage *usage);

#endif

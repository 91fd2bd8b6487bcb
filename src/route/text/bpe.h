/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact token counts by byte pair encoding, where the ranks of a tokenizer are at hand: a text file
 * in tiktoken's format, one token a line, its bytes in base64, a space, its rank. Needed near
 * context limits and hard budgets only; estimate.h does for the rest.
 *
 * The ranks are read once and then shared by all threads; counting needs scratch memory of its own,
 * one a thread, and allocates nothing. Time is n log n in the longest pre-token, and linear in the
 * number of them.
 */
#ifndef FL_ROUTE_TEXT_BPE_H
#define FL_ROUTE_TEXT_BPE_H

#include "base/err.h"
#include "route/text/pretokens.h"

struct fl_bpe; /* opaque */

/* Reads *ranks*, which may go away then. The caller owns *ret_bpe*. About 30 bytes a token and the
 * tokens' own bytes are allocated, at most *memory_max* bytes.
 * FL_ERR_FILE: not such a file, or a byte without a token; FL_ERR_TOO_BIG, FL_ERR_NOMEM. */
enum fl_err fl_bpe_create(struct fl_slice ranks, enum fl_pretokens rule, size_t memory_max,
                          struct fl_bpe **ret_bpe) FL_CHECK_RESULT;
void fl_bpe_destroy(struct fl_bpe *bpe);
/* Tokens in the file. */
size_t fl_bpe_size(const struct fl_bpe *bpe);

/* Memory for counting. A pre-token longer than *piece_max* bytes is cut there, which may give a
 * token more a cut; 64 KiB is generous. */
struct fl_bpe_scratch {
    void *memory; /* fl_bpe_scratch_bytes(piece_max), aligned for uint64_t */
    size_t piece_max;
};

size_t fl_bpe_scratch_bytes(size_t piece_max);
/* Tokens of the whole of a message's *text*. Special tokens' names are text like any other. */
uint64_t fl_bpe_count(const struct fl_bpe *bpe, struct fl_bpe_scratch scratch,
                      struct fl_slice text);

#endif

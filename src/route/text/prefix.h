/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which targets have seen the beginning of a prompt lately, and so hold it in their cache: a table
 * from prefix block (facts.h) to the targets it was sent to and until when each keeps it.
 *
 * The memory is the caller's and bounded: 40 bytes a block, in sets of eight. A block remembers the
 * FL_PREFIX_WARM targets that keep it longest; a full set forgets the block that goes cold first.
 *
 * Threads: any number of them may read and note at once, without locks. What one reads while
 * another replaces a block may be a mix of the two blocks: a wrong guess about a cache, nothing
 * worse. With one thread, the same calls give the same answers.
 */
#ifndef FL_ROUTE_TEXT_PREFIX_H
#define FL_ROUTE_TEXT_PREFIX_H

#include "route/text/facts.h"

#include <stdatomic.h>

enum {
    FL_PREFIX_WARM = 8,           /* targets remembered for a block */
    FL_PREFIX_TARGETS_MAX = 4095, /* targets are numbers below this */
    FL_PREFIX_TTL_MAX_S = 7200
};

struct fl_prefix_table {
    _Atomic uint64_t *hash; /* sets * 8; 0: free */
    _Atomic uint32_t *warm; /* sets * 8 * FL_PREFIX_WARM; 0: none */
    size_t sets;            /* a power of two */
};

struct fl_prefix_hit {
    uint32_t target;
    uint32_t blocks; /* from the front, at least 1 */
};

/* Memory for *blocks* blocks (rounded up to a power of two, at least 8). */
size_t fl_prefix_table_bytes(size_t blocks);
/* Uses *memory*, which has fl_prefix_table_bytes(blocks) bytes, is aligned for uint64_t, outlives
 * the table and is all zero: fresh from calloc(), pages without a block cost nothing. */
void fl_prefix_table_init(struct fl_prefix_table *t, void *memory, size_t blocks);

/* The targets that hold the first block at *now_s*, with how many blocks from the front each holds,
 * in no particular order; returns how many. *hashes* are those of fl_text_facts. */
unsigned fl_prefix_hits(const struct fl_prefix_table *t, const uint64_t *hashes, unsigned count,
                        uint64_t now_s, struct fl_prefix_hit ret_hits[FL_PREFIX_WARM]);
/* All blocks were sent to *target*, which keeps what it saw for *ttl_s* (1 to FL_PREFIX_TTL_MAX_S)
 * from *now_s* on. */
void fl_prefix_note(struct fl_prefix_table *t, const uint64_t *hashes, unsigned count,
                    uint32_t target, uint32_t ttl_s, uint64_t now_s);
/* The target's cache is gone (it was restarted, or replaced by another): forgets it everywhere.
 * Reads the whole table. */
void fl_prefix_forget(struct fl_prefix_table *t, uint32_t target);

/* Tokens of the prompt's first *blocks* blocks, at the prompt's own rate of tokens to bytes. */
static inline uint32_t fl_prefix_tokens(const struct fl_text_facts *facts,
                                        enum fl_text_tokenizer tokenizer, uint32_t blocks)
{
    uint64_t bytes = (uint64_t)blocks * FL_PREFIX_BYTES;
    return facts->bytes == 0 || bytes >= facts->bytes
               ? facts->tokens[tokenizer]
               : (uint32_t)(facts->tokens[tokenizer] * bytes / facts->bytes);
}

#endif

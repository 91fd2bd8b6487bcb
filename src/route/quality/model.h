/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that `fairlead train --quality` writes: heads, means and pair, with the models' names.
 * Integers little-endian, numbers as IEEE 754 binary64:
 *
 *     0  8   magic
 *     8  u32 version (1)              12  u32 models
 *    16  u32 bits: 2^bits rows        20  u32 strong, 24 u32 weak: models, or both 2^32 - 1: no
 * pair 28  u32 bytes of names           32  u64 bytes of payload 40  u64 checksum: SipHash-1-3 over
 * bytes 0 to 39 and the payload 48  payload: names: u8 length (1..200), bytes; one a model pair:
 * mean gain, centre[3], spread[3], weight[3] means: {weight, sum} of each model; then of each class
 * and model weights: i16 [row][model], the common one last
 *
 * Reading checks everything before anything is used; a file from anywhere does no more harm than to
 * be refused.
 */
#ifndef FL_ROUTE_QUALITY_MODEL_H
#define FL_ROUTE_QUALITY_MODEL_H

#include "base/buf.h"
#include "base/err.h"
#include "route/quality/heads.h"
#include "route/quality/pair.h"

enum { FL_QUALITY_HEADER = 48, FL_QUALITY_NAME_MAX = 200 };

/* A file that was checked; points into its bytes. */
struct fl_quality_model {
    unsigned head_count, row_bits;
    struct fl_slice names[FL_HEADS_MAX];
    bool has_pair;
    struct fl_pair pair;
    const uint8_t *means, *weights;
};

/* FL_ERR_CONFIG with offset and message in *reterr* (may be NULL). */
enum fl_err fl_quality_read(struct fl_slice bytes, struct fl_quality_model *ret_model,
                            struct fl_reterr *reterr) FL_CHECK_RESULT;
/* Takes weights and means over into *heads*, which were just initialised with the model's
 * head_count and row_bits; they may learn on from there. */
void fl_quality_apply(const struct fl_quality_model *model, struct fl_heads *heads);
/* Replaces *b* by a file. *names*: one a head, 1 to FL_QUALITY_NAME_MAX bytes. *pair* may be NULL.
 */
void fl_quality_write(const struct fl_heads *heads, const struct fl_pair *pair,
                      const struct fl_slice *names, struct fl_buf *b);
/* Sets the checksum of a file of at least FL_QUALITY_HEADER bytes to what it should be. */
void fl_quality_seal(char *file, size_t len);

#endif

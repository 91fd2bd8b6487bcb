/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/feedback, and what an answer itself tells of its worth. */
#ifndef FL_SERVER_FEEDBACK_H
#define FL_SERVER_FEEDBACK_H

#include "base/err.h"
#include "base/slice.h"
#include "route/quality/reward.h"

struct fl_feedback_body {
    uint64_t decision_id;
    double score; /* 0..1 */
};

/* {"decision_id": "0123456789abcdef", "score": 0.8}; the score may be true or false, anything else is
 * ignored. On failure *ret_message says what is wrong and *ret_param names the member, or is NULL. */
enum fl_err fl_feedback_parse(struct fl_slice body, struct fl_feedback_body *ret, struct fl_reterr *reterr,
                              const char **ret_param) FL_CHECK_RESULT;

/* Reads a whole answer, which is valid JSON, of the chat kind: cut off, a refusal, JSON where it was
 * asked for. Of other kinds nothing is told. */
void fl_signals_read(struct fl_slice answer, bool limit_asked, bool schema_asked, struct fl_signals *io_signals);
/* The same of the last event of a stream. */
void fl_signals_read_event(struct fl_slice data, bool limit_asked, struct fl_signals *io_signals);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of codec/json only: how the scanner fails. */
#ifndef FL_CODEC_JSON_FAIL_H
#define FL_CODEC_JSON_FAIL_H

#include "base/err.h"
#include "base/slice.h"

/* The text that is scanned and what became of it. */
struct fl_json_source {
    const char *begin, *end;
    enum fl_err err;          /* of the first failure */
    struct fl_reterr *reterr; /* may be NULL */
};

#define FL_JSON_COLD __attribute__((cold, noinline))

/* All fail at *at* and return NULL, for the caller to return. The message is
 *     <why> */
FL_JSON_COLD const char *fl_json_fail(struct fl_json_source *in, const char *at, enum fl_err err,
                                      const char *why);
/*     <expected>, found <what stands there>          (FL_ERR_JSON_SYNTAX) */
FL_JSON_COLD const char *fl_json_fail_found(struct fl_json_source *in, const char *at,
                                            const char *expected);
/*     <before>'<text>' */
FL_JSON_COLD const char *fl_json_fail_quoting(struct fl_json_source *in, const char *at,
                                              enum fl_err err, const char *before,
                                              struct fl_slice text);
/*     which limit, FL_ERR_JSON_DEPTH or FL_ERR_JSON_KEYS, was passed */
FL_JSON_COLD const char *fl_json_fail_limit(struct fl_json_source *in, const char *at,
                                            enum fl_err err, unsigned limit);

#endif

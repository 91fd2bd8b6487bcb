/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which answer of a provider is which error: one table a dialect, searched from the top; the first
 * row that fits counts; behind it stand the rows by status alone that hold for all dialects.
 *
 *   {400, 400, FL_FAILURE_CODE, "model_not_found", FL_ERR_UPSTREAM_MODEL}
 *
 * A row's text is looked for in what the body says itself, never in the whole body, because that
 * may quote the request: a prompt must not be able to disable a key. CODE: one of the body's codes
 * (error.code, error.type, error.status, __type, x-amzn-errortype ...) is equal to it. STARTS: its
 * message begins with it. TEXT: the message contains it: only for errors that do not count against
 * anybody, or with a status that no client provokes, because a message may quote the request too.
 * ASCII case is ignored.
 *
 * To add a dialect: a table of its own rows in its file, and fl_failure_read() in its read_error.
 */
#ifndef FL_DIALECT_FAILURE_H
#define FL_DIALECT_FAILURE_H

#include "base/err.h"
#include "base/slice.h"

enum fl_failure_where {
    FL_FAILURE_ANY,
    FL_FAILURE_CODE,
    FL_FAILURE_STARTS,
    FL_FAILURE_TEXT,
    FL_FAILURE_SILENT /* the body says nothing: empty, no JSON, JSON of no error */
};

struct fl_failure_row {
    int status_min, status_max; /* 0: any, also none (an error inside a stream or a 200) */
    enum fl_failure_where where;
    const char *text;
    enum fl_err err;
};

struct fl_failure_table {
    const struct fl_failure_row *rows;
    unsigned count;
};

/* What a body says of its error, as spans into it (JSON text, escapes not decoded). Empty: does not
 * say. */
enum { FL_FAILURE_CODES = 8, FL_FAILURE_TEXTS = 3 };
struct fl_failure_said {
    struct fl_slice codes[FL_FAILURE_CODES];
    struct fl_slice texts[FL_FAILURE_TEXTS]; /* the message, and what else is said in words */
    unsigned code_count, text_count;
    int status; /* the number that some vendors put into the body; 0: none */
};
/* Any body: JSON objects of all vendors, an array around one, anything else says nothing. */
void fl_failure_parse(struct fl_slice body, struct fl_failure_said *ret_said);

/* *status*: of the answer; 0 or 200 for an error inside a stream or a 200: then the body's own
 * number counts, if it has one, and FL_ERR_ERROR_IN_200 is what nothing else fits. *extra_code*:
 * from a header (x-amzn-errortype); may be empty. */
enum fl_err fl_failure_read(const struct fl_failure_table *table, int status, struct fl_slice body,
                            struct fl_slice extra_code);

/* Vendors that speak as OpenAI does, Azure included. */
extern const struct fl_failure_table fl_failures_openai;

#endif

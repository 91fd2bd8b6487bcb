/* SPDX-License-Identifier: Apache-2.0 */
/* token_texts.jsonl with token_counts.csv of FAIRLEAD_DATA: texts of several kinds and what each
 * tokenizer made of them. */
#ifndef FL_TESTS_ROUTE_TEXT_ROWS_H
#define FL_TESTS_ROUTE_TEXT_ROWS_H

#include "base/buf.h"
#include "route/text/facts.h"

enum { kinds_max = 32 };

struct row {
    struct fl_slice id, text;
    unsigned kind;
    uint32_t tokens[FL_TEXT_TOKENIZERS];
};

struct rows {
    struct row *row;
    size_t count;
    struct fl_slice kind[kinds_max];
    unsigned kind_count;
    struct fl_buf texts, counts;
    struct fl_buf *decoded; /* one a row */
};

/* Path of a file of the data folder, in a static buffer. */
const char *data_path(const char *name);
/* The file's bytes; false when it cannot be read. *out* is to be finished by the caller. */
bool data_read(const char *name, struct fl_buf *out);
/* False when there is no data. */
bool rows_load(struct rows *r);
void rows_free(struct rows *r);
/* Sorts *error* and gives the quantile 0 <= q <= 1 (linear between neighbours). */
double quantile(double *error, size_t count, double q);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue as text, docs/catalog.md describes it: one line for each provider, model and rule,
 * words separated by blanks, `key=value`. The built-in catalogue is such a file, packed into the
 * program; the user's own stands in the search path and its rows replace built-in ones.
 *
 *   catalog 1 2026-09-23
 *   provider openai base=https://api.openai.com/v1 dialect=openai batch=0.5
 *   model gpt-4o names=gpt-4o-2024-*,openai/gpt-4o context=128000 in=2.5 cached=1.25 out=10
 *   rule from=2026-08-21 in=4 out=20
 *   rule from=2026-08-21 above=272000 in=8 out=30
 *
 * Also read: the price files of genai-prices (JSON) and models.dev (CSV).
 */
#ifndef FL_CONFIG_CATALOG_FILE_H
#define FL_CONFIG_CATALOG_FILE_H

#include "base/buf.h"
#include "route/catalog/catalog.h"

#define FL_CATALOG_BYTES_MAX ((size_t)16 << 20)

enum fl_catalog_format {
    FL_CATALOG_TEXT,      /* ours */
    FL_CATALOG_GENAI,     /* a JSON array of providers */
    FL_CATALOG_MODELS_DEV /* CSV with a header line */
};
/* By the first bytes. */
enum fl_catalog_format fl_catalog_format_of(struct fl_slice text);
const char *fl_catalog_format_name(enum fl_catalog_format f);

/* Adds the rows of *text*, which is copied where needed. On failure reterr has line, column and
 * message, and the draft is good for nothing but fl_catalog_draft_destroy(). *day*: of the facts,
 * for formats that do not say it themselves. */
enum fl_err fl_catalog_read(struct fl_catalog_draft *d, enum fl_catalog_format format,
                            struct fl_slice text, int32_t day,
                            struct fl_reterr *reterr) FL_CHECK_RESULT;
enum fl_err fl_catalog_read_text(struct fl_catalog_draft *d, struct fl_slice text,
                                 struct fl_reterr *reterr) FL_CHECK_RESULT;
enum fl_err fl_catalog_read_genai(struct fl_catalog_draft *d, struct fl_slice text, int32_t day,
                                  struct fl_reterr *reterr) FL_CHECK_RESULT;
enum fl_err fl_catalog_read_models_dev(struct fl_catalog_draft *d, struct fl_slice text,
                                       int32_t day, struct fl_reterr *reterr) FL_CHECK_RESULT;

/* The built-in rows. */
enum fl_err fl_catalog_read_builtin(struct fl_catalog_draft *d,
                                    struct fl_reterr *reterr) FL_CHECK_RESULT;
size_t fl_catalog_builtin_bytes(void); /* as packed */

/* One catalogue: built-in rows, then those of *own* (empty: none; must be our format). NULL: see
 * reterr. */
struct fl_catalog *fl_catalog_load(struct fl_slice own, struct fl_reterr *reterr);

/* --- Writing --- */
void fl_catalog_put_provider(struct fl_buf *b, const struct fl_catalog_provider *p);
/* Its line and those of its rules. */
void fl_catalog_put_model(struct fl_buf *b, const struct fl_model *m);
void fl_catalog_put_rule(struct fl_buf *b, const struct fl_price_rule *r);

/* --- Merging --- */

enum fl_catalog_change_kind {
    FL_CATALOG_ADDED,
    FL_CATALOG_DEARER, /* by three input tokens and one of output, on the day of the newer file */
    FL_CATALOG_CHEAPER,
    FL_CATALOG_PRICES, /* other prices, rules or factors */
    FL_CATALOG_RETIRED,
    FL_CATALOG_DEPRECATED,
    FL_CATALOG_FACTS /* anything else */
};
struct fl_catalog_change {
    enum fl_catalog_change_kind kind;
    const struct fl_model *before; /* of the base; NULL: added */
    const struct fl_model *after;  /* of the merged catalogue */
};
struct fl_catalog_merge {
    struct fl_catalog *merged;         /* lives no longer than the two it was made of */
    struct fl_catalog_change *changes; /* heap */
    unsigned change_count;
};

/* *newer* over *base*. Of a model in both, what *newer* says counts, and what it does not say
 * stays: names, successor, abilities. Prices count only when *newer* is not older than *base*; an
 * older file adds models that *base* does not have. *partial*: *newer* has neither steps nor dates,
 * so that a changed price becomes a rule from its day on. FL_ERR_NOMEM or FL_OK. */
enum fl_err fl_catalog_merge(struct fl_catalog *base, const struct fl_catalog *newer, bool partial,
                             struct fl_catalog_merge *ret_merge) FL_CHECK_RESULT;
void fl_catalog_merge_finish(struct fl_catalog_merge *m);
/* Are all facts and prices of two rows the same (whichever catalogue they are of)? */
bool fl_catalog_same_model(const struct fl_model *a, const struct fl_model *b);
/* The rows of *c* that *base* has not, or has otherwise: a file to lay over *base*. */
void fl_catalog_put_difference(struct fl_buf *b, const struct fl_catalog *c,
                               const struct fl_catalog *base);

/* --- Words of the format --- */

/* A number as JSON writes it, not negative, times 10^decimals, rounded half up. */
bool fl_price_parse(struct fl_slice text, unsigned decimals, uint64_t *ret_value);
/* *value* / 10^decimals without needless zeros. */
void fl_price_put(struct fl_buf *b, uint64_t value, unsigned decimals);
/* "2026-08-21" */
bool fl_day_parse(struct fl_slice text, int32_t *ret_day);
void fl_day_put(struct fl_buf *b, int32_t day);

/* FL_ERR_CONFIG with place and message ("*text*" or "*text* '*word*'"); reterr may be NULL. */
enum fl_err fl_catalog_refuse(struct fl_reterr *reterr, unsigned line, unsigned column,
                              const char *text, struct fl_slice word);

#endif

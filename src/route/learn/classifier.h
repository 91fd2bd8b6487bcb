/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of work a prompt asks for: six classes, with probabilities one may act on. Four kinds
 * of classifier stand behind one call; each is one file and one row of the table in classifier.c:
 *
 *   keyword       word stems of twelve languages, smoothed log-odds; no stem found: other
 *   tfidf_linear  hashed words and pairs, inverse document frequency folded into the weights
 *   kmeans        spherical k-means; each centroid has a distribution over the classes
 *   knn           the nearest of a bounded number of prototypes vote
 *
 * A classifier is read from a model file that `fairlead train` writes, and points into its bytes:
 * nothing is copied, so the bytes must outlive it. It is immutable and may be shared by threads.
 *
 * Model file, integers little-endian:
 *     0  8   magic
 *     8  u32 version (1)          12  u32 kind
 *    16  u32 bits: the feature tables have 2^bits rows
 *    20  u32 count: stems, centroids or prototypes
 *    24  i32 bias of each class, in 2^-16; six, then two zeros
 *    56  u32 scale: what one step of a weight is worth, in 2^-24
 *    60  u32 sharpness: the inverse temperature, in 2^-16
 *    64  u64 bytes of payload     72  u64 checksum: SipHash-1-3 over bytes 0 to 71 and the payload
 *    80  payload: tables of bytes, whose sizes follow from kind, bits and count alone
 */
#ifndef FL_ROUTE_LEARN_CLASSIFIER_H
#define FL_ROUTE_LEARN_CLASSIFIER_H

#include "base/buf.h"
#include "base/err.h"
#include "route/learn/features.h"

enum fl_task {
    FL_TASK_SUMMARIZATION,
    FL_TASK_CLASSIFICATION,
    FL_TASK_GENERATION,
    FL_TASK_ANALYSIS,
    FL_TASK_TRANSLATION,
    FL_TASK_OTHER,
    FL_TASK_COUNT
};

/* "summarization", ... */
const char *fl_task_name(enum fl_task task);
bool fl_task_parse(struct fl_slice name, enum fl_task *ret_task);

enum fl_classifier_kind {
    FL_CLASSIFIER_KEYWORD,
    FL_CLASSIFIER_TFIDF_LINEAR,
    FL_CLASSIFIER_KMEANS,
    FL_CLASSIFIER_KNN,
    FL_CLASSIFIER_COUNT
};

const char *fl_classifier_kind_name(enum fl_classifier_kind kind);
bool fl_classifier_kind_parse(struct fl_slice name, enum fl_classifier_kind *ret_kind);

enum {
    FL_MODEL_HEADER = 80,
    FL_MODEL_BITS = 15,        /* rows of a table that `train` writes */
    FL_MODEL_STRIDE = 8,       /* bytes of a row: six weights and two zeros */
    FL_MODEL_DIMENSIONS = 512, /* of the dense vectors of kmeans and knn */
    FL_MODEL_CENTROIDS_MAX = 1024,
    FL_MODEL_PROTOTYPES_MAX = 4096
};

struct fl_classifier {
    enum fl_classifier_kind kind;
    unsigned bits, count;
    double bias[FL_TASK_COUNT], scale, sharpness;
    const int8_t *weights;  /* rows, centroids or prototypes */
    const uint8_t *idf;     /* kmeans, knn: a byte a row */
    const uint8_t *classes; /* kmeans: FL_MODEL_STRIDE bytes a centroid; knn: a byte a prototype */
};

/* Checks *bytes* whole; the classifier points into them. FL_ERR_CONFIG with a message in *reterr*
 * (may be NULL) for anything that is not a model file of this version, unharmed. */
enum fl_err fl_classifier_load(struct fl_slice bytes, struct fl_classifier *ret_classifier,
                               struct fl_reterr *reterr) FL_CHECK_RESULT;
/* The model that ships: tfidf_linear, trained on the prompts in training/. */
struct fl_classifier fl_classifier_default(void);
/* The keyword classifier with its built-in weights: needs no file. */
struct fl_classifier fl_classifier_keywords(void);

/* The probability of each class, in the order of enum fl_task; they add up to 1. *features* are
 * those of *windows* (fl_features_extract()). A text without a single word is `other`. */
void fl_classify(const struct fl_classifier *classifier, const struct fl_windows *windows,
                 const struct fl_features *features, double ret_probability[FL_TASK_COUNT]);
/* The most probable class; the first of equals. */
enum fl_task fl_task_best(const double probability[FL_TASK_COUNT]);

#endif

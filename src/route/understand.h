/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request is, read once from its text: about how many tokens for each kind of tokenizer, which
 * kind of task, what its prompt begins with; and what answers have taught about that: how long they
 * are, how far off the counts, which target holds which beginning in its cache.
 *
 *   struct fl_understanding  of one request; scratch of one thread, about 45 KB
 *   struct fl_knowledge      learned; one for all threads of the process, without locks
 *
 *   fl_understand_begin(u)
 *   fl_scan_message(&u->scan, role), fl_scan_text(&u->scan, piece) ...
 *   fl_understand_end(u)
 *   fl_understood_put(u, ..., &request)
 */
#ifndef FL_ROUTE_UNDERSTAND_H
#define FL_ROUTE_UNDERSTAND_H

#include "base/usage.h"
#include "route/learn/classifier.h"
#include "route/route.h"
#include "route/text/scan.h"

#include <stddef.h>

enum { FL_UNDERSTOOD_TARGETS = 4096, FL_UNDERSTOOD_WINDOW = 1024 };

struct fl_understanding {
    bool ready; /* false at first */
    struct fl_classifier classifier;
    /* What no text says, set by who reads the request between begin and end; all zero at begin: */
    uint32_t needs; /* FL_NEED_ bits */
    bool streaming;
    uint64_t tokens_out_max;
    uint64_t tokens_beside; /* of images and files, about */
    /* What the text says, set at the end: */
    struct fl_text_facts text;
    struct fl_features features;
    double probability[FL_TASK_COUNT];
    unsigned tokens[FL_TEXT_TOKENIZERS];        /* as counted here */
    unsigned corrected[FL_TEXT_TOKENIZERS];     /* by what was learned */
    unsigned cached[FL_UNDERSTOOD_TARGETS];     /* by index in the table; set for the route's targets */
    char window[FL_SCAN_WINDOW(FL_UNDERSTOOD_WINDOW)];
    struct fl_scan scan;
};

struct fl_knowledge;

struct fl_knowledge *fl_knowledge_create(void); /* NULL: no memory */
void fl_knowledge_destroy(struct fl_knowledge *k); /* NULL is fine */

/* *u* is all zero at first, and may hold an earlier request afterwards. */
void fl_understand_begin(struct fl_understanding *u);
void fl_understand_end(struct fl_understanding *u);

/* Whose request it is, and when, for what is learned. */
struct fl_asker {
    uint64_t tenant, model; /* hashes; tenant 0: nobody in particular */
    uint64_t now_s;
};

/* Fills tokens, needs, task and prefix of *request*, which then points into *u*; and with *k* (may be
 * NULL) the expected length of the answer and what the route's targets hold in their caches. */
void fl_understood_put(struct fl_understanding *u, const struct fl_knowledge *k, const struct fl_asker *asker,
                       const struct fl_table *t, const struct fl_route *route,
                       struct fl_route_request *request);

/* What is kept of a request until its answer has ended. */
struct fl_expected {
    enum fl_task task;
    unsigned tokens[FL_TEXT_TOKENIZERS]; /* as counted */
    unsigned prefix_count;
    uint64_t prefix[FL_PREFIX_BLOCKS]; /* last: a copy may end behind those that there are */
};
static inline size_t fl_expected_bytes(const struct fl_expected *e)
{
    return offsetof(struct fl_expected, prefix) + e->prefix_count * sizeof(e->prefix[0]);
}
void fl_understood_keep(const struct fl_understanding *u, struct fl_expected *ret);
/* An answer came to its end at *target*. */
void fl_knowledge_learn(struct fl_knowledge *k, const struct fl_expected *expected, const struct fl_asker *asker,
                        const struct fl_target *target, const struct fl_usage *usage);

#endif

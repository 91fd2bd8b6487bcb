/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decision records: of each request the whole plan (who was considered, who was left out and why,
 * what the scores are made of, what was predicted) beside what came of it. The last ones of each
 * worker are kept in a ring. Never a key, never a prompt.
 *
 * Threads: a worker puts into its own ring; any thread may read all rings. A ring is locked for the
 * time of one copy.
 */
#ifndef FL_SERVER_DECISIONS_H
#define FL_SERVER_DECISIONS_H

#include "config/config.h"

#include <stddef.h>

/* One attempt, as it is kept. */
struct fl_decision_try {
    const struct fl_target *target;
    enum fl_err err;
    int status;
    bool priced, estimated;
    uint64_t took_ns, cost_picousd;
};

enum { FL_DECISION_TRIES = 4 };

/* What a request was taken for, and the plan. */
struct fl_choice {
    uint64_t id;
    uint64_t wall_ns; /* when it was made, since 1970-01-01 UTC */
    const struct fl_config *config; /* whose targets the plan names; in a ring: referenced */
    /* Where there was a choice: */
    bool understood;
    enum fl_task task;
    double task_probability;
    unsigned tokens_in, tokens_out_p50, tokens_out_p90;
    struct fl_plan plan; /* last: its unused candidates are not kept */
};

/* How much of it is in use: a copy of so many bytes is one. */
static inline size_t fl_choice_bytes(const struct fl_choice *c)
{
    return offsetof(struct fl_choice, plan.candidates) + c->plan.candidate_count * sizeof(c->plan.candidates[0]);
}

/* What the provider counted, and what that costs. */
struct fl_used {
    bool known, priced;
    uint64_t in, out, cached; /* tokens */
    uint64_t cost_picousd;
};

struct fl_decision {
    char request_id[72], model[104]; /* NUL-terminated, cut; the model as the client named it */
    /* What came of it: */
    bool ended;
    bool streamed;
    const struct fl_target *served; /* NULL: none */
    unsigned attempts;
    struct fl_decision_try tries[FL_DECISION_TRIES]; /* the first of them */
    uint64_t lost_picousd; /* what those cost that did not answer, as far as it is known */
    int status;
    enum fl_err err;
    uint64_t first_byte_ns, total_ns; /* from the request's arrival; 0: none */
    struct fl_used used;
    struct fl_choice choice; /* last: ends where its plan does */
};

static inline size_t fl_decision_bytes(const struct fl_decision *d)
{
    return offsetof(struct fl_decision, choice) + fl_choice_bytes(&d->choice);
}

/* The number of a decision as its 16 hexadecimal digits. */
bool fl_decision_id_parse(struct fl_slice text, uint64_t *ret_id);
/* Notes what a request was taken for. */
void fl_choice_note(struct fl_choice *c, const struct fl_route_request *request);
/* One JSON object on one line. Numbers that are not known are left out, never 0. */
void fl_decision_put_json(const struct fl_decision *d, struct fl_buf *b);

struct fl_decisions;

/* Rings of *kept* records for each of *workers*; NULL: no memory. kept == 0: nothing is kept. */
struct fl_decisions *fl_decisions_create(unsigned workers, unsigned kept);
void fl_decisions_destroy(struct fl_decisions *d); /* NULL is fine */
/* Keeps a copy, and a reference to its config. *d* may be NULL. */
void fl_decisions_put(struct fl_decisions *d, unsigned worker, const struct fl_decision *decision);
/* {"object":"list","data":[...]}: the newest *limit* of all workers, newest first. */
void fl_decisions_put_list(struct fl_decisions *d, unsigned limit, struct fl_buf *b);
/* False: not kept (any more). */
bool fl_decisions_put_one(struct fl_decisions *d, uint64_t id, struct fl_buf *b);

#endif

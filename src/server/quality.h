/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers were worth, learned from feedback and from how they ended, and what that says of the
 * next request: the quality of each model for it (route/quality), and which targets do well at its
 * kind of task (route/learn/preferences.h).
 *
 *   fl_lessons_adopt()   when a configuration comes into use
 *   fl_lessons_put()     before a plan: what is learned, into the request
 *   fl_lessons_keep()    after it: which prompt, which model, with what probability
 *   fl_lessons_end()     the answer has ended: remembers the decision, learns from how it ended
 *   fl_lessons_score()   POST /v1/feedback
 *
 * One for all threads of the process. A lock is held for some microseconds at most, and where no
 * route of the configuration routes by quality only at an answer's end. Memory is bounded: the
 * heads' tables (some megabytes) are made when the first such configuration comes.
 */
#ifndef FL_SERVER_QUALITY_H
#define FL_SERVER_QUALITY_H

#include "config/config.h"
#include "route/learn/features.h"
#include "route/quality/reward.h"

enum { FL_LESSON_TARGETS = 4096 };

struct fl_lessons;

struct fl_lessons *fl_lessons_create(void); /* NULL: no memory */
void fl_lessons_destroy(struct fl_lessons *l); /* NULL is fine */
/* By the configuration's strategies and its quality model. FL_ERR_NOMEM: goes on as before. */
enum fl_err fl_lessons_adopt(struct fl_lessons *l, const struct fl_config *config) FL_CHECK_RESULT;

/* One request, for what is learned. */
struct fl_pupil {
    const struct fl_table *table;
    const struct fl_route *route;
    const struct fl_features *features;
    const double *probability; /* [FL_TASK_COUNT] */
    uint64_t tenant;           /* hash, 0: nobody in particular */
    uint64_t now_s;
};

/* Scratch of a worker: what the request points to afterwards. */
struct fl_lesson_scratch {
    double quality[FL_LESSON_TARGETS]; /* by kind */
    uint8_t unproven[FL_LESSON_TARGETS];
    float liking[FL_LESSON_TARGETS]; /* by target */
};

/* What is kept of a request while its answer is under way. */
struct fl_lesson {
    uint64_t kept;     /* in the heads' memory; 0: nothing */
    float propensity;
    uint8_t task;      /* likeliest */
    uint8_t share[FL_TASK_COUNT]; /* probability of each kind, in 1/255 */
    bool scored;       /* quality[] is set: what was expected of each model, in 1/65535 */
    uint16_t quality[15];
};

/* Fills quality, quality_unproven, quality_price, liking and explore of *request*, where the strategy
 * that will decide asks for them. *l* may be NULL. */
void fl_lessons_put(struct fl_lessons *l, const struct fl_pupil *pupil, struct fl_lesson_scratch *scratch,
                    struct fl_route_request *request, struct fl_lesson *ret_lesson);
/* The plan is made. */
void fl_lessons_keep(struct fl_lessons *l, const struct fl_pupil *pupil, const struct fl_plan *plan,
                     struct fl_lesson *io_lesson);
/* Does anybody want to know how answers end? */
bool fl_lessons_curious(const struct fl_lessons *l);

/* An answer that has ended. */
struct fl_lesson_end {
    uint64_t decision_id, tenant;
    const struct fl_route *route;
    const struct fl_target *served;
    uint64_t cost_picousd; /* 0: not known */
    const struct fl_signals *signals;
};
void fl_lessons_end(struct fl_lessons *l, const struct fl_lesson *lesson, const struct fl_lesson_end *end);

enum fl_scored { FL_SCORED, FL_SCORED_AGAIN, FL_SCORED_UNKNOWN };
/* *tenant*: who says so; it must be who had asked. *score* 0..1. */
enum fl_scored fl_lessons_score(struct fl_lessons *l, uint64_t decision_id, uint64_t tenant, double score);

#endif

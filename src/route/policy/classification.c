/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classification: the targets that the route prefers for this kind of task, in their order, then
 * all others in smooth weighted turns. Of a request whose kind is not known all are others.
 *
 * Where rewards have taught which targets do well at this kind of task (fl_route_request.liking,
 * route/learn/preferences.h), those of the others that are liked less than the best by more than
 * 0.05 come after them, the better first; and a small share of requests that no preference of the
 * file decides tries another target.
 *
 * Score: rank among the preferred, from 1; 0 for the others. Term: what was learned.
 */
#include "route/policy/common.h"

#include <math.h>

#define AS_GOOD 0.05

enum group { PREFERRED, OTHER, LIKED_LESS };
static const char *const terms[] = {"liking"};

static unsigned rank_of(const struct fl_choice *c, unsigned target)
{
    enum fl_task task = c->request->task;
    for (unsigned i = 0; c->request->task_known && i < c->route->preferred_count[task]; i++) {
        if (c->route->preferred[task][i] == target) {
            return i + 1;
        }
    }
    return 0;
}

static double liking(const struct fl_choice *c, const struct fl_option *o)
{
    return (double)c->request->liking[o->index];
}

/* Of the others: LIKED_LESS where that is so. True: of one at least. */
static bool tell_liked(struct fl_choice *c)
{
    double best = 0;
    bool told = false;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->terms[0] = liking(c, o);
        best = o->score == 0 && o->terms[0] > best ? o->terms[0] : best;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        bool less = o->score == 0 && o->terms[0] < best - AS_GOOD;
        o->group = less ? LIKED_LESS : o->group;
        told = told || less;
    }
    c->terms = terms;
    c->term_count = 1;
    return told;
}

/* Turns are taken by group 0: that is, for a while, the others. */
static void take_turns(struct fl_choice *c)
{
    if (fl_turns_fit(c)) {
        fl_take_turns(c, NULL)->key = -HUGE_VAL;
    }
}

void fl_policy_classification(struct fl_choice *c)
{
    bool any = false, others = false;
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->score = rank_of(c, o->index);
        any = any || o->score > 0;
        others = others || o->score == 0;
        o->group = o->score > 0;
    }
    bool told = c->request->liking && tell_liked(c);
    if (others) {
        take_turns(c);
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->key = o->score > 0 ? o->score : o->group == LIKED_LESS ? -o->terms[0] : o->key;
        o->group = o->score > 0 ? PREFERRED : o->group == LIKED_LESS ? LIKED_LESS : OTHER;
    }
    c->why = any ? "preferred" : told ? "learned" : "turn";
    if (!any) {
        fl_explore_share(c);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* classification: the targets that the route prefers for this kind of task, in their order, then
 * all others in smooth weighted turns. Of a request whose kind is not known all are others. Score:
 * rank among the preferred, from 1; 0 for the others. */
#include "route/policy/common.h"

#include <math.h>

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
    if (others && fl_turns_fit(c)) {
        fl_take_turns(c, NULL)->key = -HUGE_VAL;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct fl_option *o = &c->options[i];
        o->group = o->score == 0;
        o->key = o->score > 0 ? o->score : o->key;
    }
    c->why = any ? "preferred" : "turn";
}

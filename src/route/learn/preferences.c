/* SPDX-License-Identifier: Apache-2.0 */
#include "route/learn/preferences.h"

#include "base/assert.h"

size_t fl_preferences_bytes(unsigned targets)
{
    return (size_t)targets * (FL_TASK_COUNT + 1) * sizeof(struct fl_preference_cell);
}

void fl_preferences_init(struct fl_preferences *p, unsigned targets, void *memory)
{
    *p = (struct fl_preferences){
        .targets = targets, .keep = 0.995F, .class_strength = 20, .pool_strength = 20};
    memset(memory, 0, fl_preferences_bytes(targets));
    p->target = memory;
    p->cell = p->target + targets;
}

void fl_preferences_forget(struct fl_preferences *p, unsigned target)
{
    fl_assert(target < p->targets);
    memset(&p->target[target], 0, sizeof(p->target[target]));
    memset(&p->cell[(size_t)target * FL_TASK_COUNT], 0, FL_TASK_COUNT * sizeof(*p->cell));
}

/* Fades by the share of an observation that comes in: keep^share, linear in the share. */
static void add(struct fl_preference_cell *c, float keep, float share, float reward)
{
    float fade = 1 - (1 - keep) * share;
    c->sum = c->sum * fade + share * reward;
    c->count = c->count * fade + share;
}

static float shrunk(const struct fl_preference_cell *c, float strength, float prior)
{
    return (c->sum + strength * prior) / (c->count + strength);
}

void fl_preferences_learn_part(struct fl_preferences *p, unsigned target,
                               const double probability[FL_TASK_COUNT], double reward,
                               double weight)
{
    fl_assert(target < p->targets);
    if (!(reward >= 0 || reward < 0)) {
        return;
    }
    float share = (float)weight;
    float r = (float)(reward < 0 ? 0 : reward > 1 ? 1 : reward);
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        add(&p->cell[(size_t)target * FL_TASK_COUNT + k], p->keep,
            share * (float)probability[k], r);
    }
    add(&p->target[target], p->keep, share, r);
    add(&p->pool, p->keep, share, r);
}

void fl_preferences_learn(struct fl_preferences *p, unsigned target,
                          const double probability[FL_TASK_COUNT], double reward)
{
    fl_preferences_learn_part(p, target, probability, reward, 1);
}

double fl_preference_score(const struct fl_preferences *p, enum fl_task task, unsigned target)
{
    fl_assert(target < p->targets && task < FL_TASK_COUNT);
    float pool = shrunk(&p->pool, 2, 0.5F);
    float own = shrunk(&p->target[target], p->pool_strength, pool);
    return (double)shrunk(&p->cell[(size_t)target * FL_TASK_COUNT + task], p->class_strength, own);
}

double fl_preference_expected(const struct fl_preferences *p,
                              const double probability[FL_TASK_COUNT], unsigned target)
{
    double sum = 0;
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        sum += probability[k] * fl_preference_score(p, (enum fl_task)k, target);
    }
    return sum;
}

double fl_preference_evidence(const struct fl_preferences *p, enum fl_task task, unsigned target)
{
    fl_assert(target < p->targets && task < FL_TASK_COUNT);
    return (double)p->cell[(size_t)target * FL_TASK_COUNT + task].count;
}

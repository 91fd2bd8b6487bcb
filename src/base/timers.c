/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timers.h"

#include "base/assert.h"
#include "base/clock.h"

#include <stdlib.h>

void fl_timers_init(struct fl_timers *t)
{
    *t = (struct fl_timers){0};
}

void fl_timers_finish(struct fl_timers *t)
{
    for (size_t i = 0; i < t->count; i++) {
        t->heap[i]->slot = 0;
    }
    free(t->heap);
    fl_timers_init(t);
}

static bool before(const struct fl_timer *a, const struct fl_timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(struct fl_timers *t, size_t at, struct fl_timer *timer)
{
    t->heap[at] = timer;
    timer->slot = (uint32_t)at + 1;
}

static void sift_up(struct fl_timers *t, size_t at, struct fl_timer *timer)
{
    while (at > 0 && before(timer, t->heap[(at - 1) / 4])) {
        put(t, at, t->heap[(at - 1) / 4]);
        at = (at - 1) / 4;
    }
    put(t, at, timer);
}

static void sift_down(struct fl_timers *t, size_t at, struct fl_timer *timer)
{
    for (;;) {
        size_t first = at * 4 + 1, best = first;
        if (first >= t->count) {
            break;
        }
        for (size_t i = first + 1; i < first + 4 && i < t->count; i++) {
            if (before(t->heap[i], t->heap[best])) {
                best = i;
            }
        }
        if (!before(t->heap[best], timer)) {
            break;
        }
        put(t, at, t->heap[best]);
        at = best;
    }
    put(t, at, timer);
}

void fl_timers_set(struct fl_timers *t, struct fl_timer *timer, uint64_t at_ns)
{
    fl_assert(timer->fire);
    fl_timers_stop(t, timer);
    if (t->count == t->cap) {
        size_t cap = t->cap > 0 ? t->cap * 2 : 64;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
        struct fl_timer **grown = realloc(t->heap, cap * sizeof(*grown));
        if (!grown) { /* little memory: as much as is needed now */
            cap = t->count + 1;
            /* NOLINTNEXTLINE(bugprone-sizeof-expression): as above */
            grown = realloc(t->heap, cap * sizeof(*grown));
        }
        fl_assert(grown != NULL);
        t->heap = grown;
        t->cap = cap;
    }
    timer->at_ns = at_ns;
    timer->order = t->order++;
    sift_up(t, t->count++, timer);
}

void fl_timers_stop(struct fl_timers *t, struct fl_timer *timer)
{
    if (timer->slot == 0) {
        return;
    }
    size_t at = timer->slot - 1;
    fl_assert(at < t->count && t->heap[at] == timer);
    timer->slot = 0;
    struct fl_timer *last = t->heap[--t->count];
    if (last == timer) {
        return;
    }
    if (at > 0 && before(last, t->heap[(at - 1) / 4])) {
        sift_up(t, at, last);
    } else {
        sift_down(t, at, last);
    }
}

uint64_t fl_timers_next(const struct fl_timers *t)
{
    return t->count > 0 ? t->heap[0]->at_ns : FL_NEVER;
}

void fl_timers_run(struct fl_timers *t, uint64_t now_ns)
{
    uint64_t last_order = t->order;
    while (t->count > 0 && t->heap[0]->at_ns <= now_ns && t->heap[0]->order < last_order) {
        struct fl_timer *due = t->heap[0];
        fl_timers_stop(t, due);
        due->fire(due);
    }
}

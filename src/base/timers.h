/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: a 4-ary heap of intrusive timers, ordered by time, then by the order of setting (so that a
 * simulation replays). Pure: the backend of fl_sys drives it with its clock. One thread.
 *
 * A timer that is pushed out again and again (an idle timeout re-armed per event) should be lazy: keep
 * the deadline in a field, let the timer fire at the earliest one, and set it anew from the handler.
 */
#ifndef FL_BASE_TIMERS_H
#define FL_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_timer;
typedef void fl_timer_fn(struct fl_timer *timer);

struct fl_timer {
    fl_timer_fn *fire; /* set once by the owner; finds the owner by fl_container_of */
    uint64_t at_ns;
    uint64_t order;
    uint32_t slot; /* 1-based place in the heap, 0 = not set */
};

struct fl_timers {
    struct fl_timer **heap;
    size_t count, cap;
    uint64_t order;
};

void fl_timers_init(struct fl_timers *t);
/* Frees the heap; timers still set are forgotten. */
void fl_timers_finish(struct fl_timers *t);
/* Sets or moves *timer* to *at_ns*. Aborts when there is no memory for the heap. */
void fl_timers_set(struct fl_timers *t, struct fl_timer *timer, uint64_t at_ns);
/* Does nothing when the timer is not set. */
void fl_timers_stop(struct fl_timers *t, struct fl_timer *timer);
/* When the next timer is due, FL_NEVER without one. */
uint64_t fl_timers_next(const struct fl_timers *t);
/* Fires every timer due at *now_ns*, each taken out before its handler runs. A timer set from a
 * handler to a time <= now fires in the next call. */
void fl_timers_run(struct fl_timers *t, uint64_t now_ns);

#endif

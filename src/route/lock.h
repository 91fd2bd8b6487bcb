/* SPDX-License-Identifier: Apache-2.0 */
/* A spin flag, held for tens of nanoseconds and never across a call out of this layer. */
#ifndef FL_ROUTE_LOCK_H
#define FL_ROUTE_LOCK_H

#include <stdatomic.h>

struct fl_lock {
    atomic_flag held;
};

static inline void fl_lock(struct fl_lock *l)
{
    while (atomic_flag_test_and_set_explicit(&l->held, memory_order_acquire)) {
    }
}

static inline void fl_unlock(struct fl_lock *l)
{
    atomic_flag_clear_explicit(&l->held, memory_order_release);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* round_robin: a counter shared by all workers, from a random start. Ignores weights. Score: turns
 * to wait. */
#include "route/policy/common.h"

void fl_policy_round_robin(struct fl_choice *c)
{
    struct fl_route_state *s = c->route->state;
    uint64_t unset = 0;
    if (fl_get(s->turns) == 0) {
        atomic_compare_exchange_strong_explicit(&s->turns, &unset, (fl_rng_next(c->rng) >> 1) + 1,
                                                memory_order_relaxed, memory_order_relaxed);
    }
    uint64_t turn = atomic_fetch_add_explicit(&s->turns, 1, memory_order_relaxed) % c->count;
    for (unsigned i = 0; i < c->count; i++) {
        unsigned wait = (i + c->count - (unsigned)turn) % c->count;
        c->options[i].key = c->options[i].score = wait;
    }
    c->why = "turn";
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting room in front of a pool that is full: who waits, who is next, who is sent away at
 * once (ROUTING.md 2.7). Pure bookkeeping: the caller holds the storage, the clock and the
 * requests.
 *
 *   class   its tenants' lines, whose turns go round
 *   line    the requests of one tenant that wait in one class, by deadline
 *
 *   offer   a request comes: admitted at once, queued, or refused (the room is full of its equals
 *           and betters, or it could not be answered before its deadline anyway)
 *   take    a place is free: the next by class, by tenant, by deadline; dead and shed ones first
 *   leave   one that waited went away
 *
 * Class order is strict. Within a class tenants take turns, one request each, so that who sends
 * many delays himself only; of a tenant, the earliest deadline goes first, and arrival breaks ties. A
 * room that is full makes place by sending away the last of the longest line of the lowest class, if
 * that class is lower than the newcomer's, or is the same and the line would stay longer than the
 * newcomer's own. If for 100 ms some tenant's first has waited more than the target delay (CoDel's
 * sign of a standing queue), the lowest class that waits is shed, its longest line first, one at a
 * time and faster the longer it lasts.
 *
 * One thread, or the caller's lock.
 */
#ifndef FL_ROUTE_ADMIT_H
#define FL_ROUTE_ADMIT_H

#include "base/list.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum fl_class {
    FL_CLASS_CRITICAL_PLUS,
    FL_CLASS_CRITICAL,
    FL_CLASS_SHEDDABLE_PLUS,
    FL_CLASS_SHEDDABLE, /* batch, flex */
    FL_CLASS_COUNT
};
/* As users say it: critical, high, normal, low. */
const char *fl_class_word(enum fl_class class);
bool fl_class_parse(struct fl_slice word, enum fl_class *ret_class);

struct fl_line;

/* Lives with the request while it waits. */
struct fl_waiter {
    enum fl_class class;
    uint64_t tenant;      /* whose request it is; those of nobody in particular share a number */
    uint64_t deadline_ns; /* UINT64_MAX: none */
    uint64_t expected_ns; /* of service, once dispatched */
    uint64_t came_ns;     /* set by offer */
    uint64_t order;       /* set by offer */
    struct fl_line *line; /* NULL: does not wait */
    struct fl_list link;  /* in it */
};

/* One tenant's, of one class; it exists as long as somebody waits in it. */
struct fl_line {
    struct fl_list link; /* in its class, in the order of turns, or among the free ones */
    uint64_t tenant;
    struct fl_list waiters; /* the next one first */
    unsigned count;
};

enum { FL_WAITING_ROOM_MAX = 1024 };

struct fl_admit {
    unsigned slots; /* requests served at once; may be changed at any time */
    unsigned serving;
    unsigned room;            /* waiters at most, <= FL_WAITING_ROOM_MAX */
    uint64_t target_delay_ns; /* 0: 500 ms */
    enum fl_class sheds_from; /* no better class is shed; 0: FL_CLASS_SHEDDABLE_PLUS */
    unsigned count[FL_CLASS_COUNT], waiting;
    struct fl_list lines[FL_CLASS_COUNT]; /* whose turn it is first */
    struct fl_list free;                  /* lines: as many as can be needed */
    uint64_t orders;
    double service_ns; /* mean time between a dispatch and its end, of the last ones; a caller who
                          knows it better may set it */
    uint64_t above_ns; /* since then the next to be served has waited too long, or the last shed */
    unsigned sheds;    /* in a row */
};

/* *storage*: *room* lines. Neither may move afterwards. */
void fl_admit_init(struct fl_admit *a, unsigned slots, unsigned room, struct fl_line *storage);

enum fl_admission {
    FL_ADMITTED, /* counts as serving: fl_admit_done() when it ends */
    FL_QUEUED,
    FL_REFUSED_FULL,
    FL_REFUSED_LATE /* predicted wait and service exceed the deadline */
};
/* *ret_evicted*: who had to make place for it and does not wait any more; NULL: nobody. */
enum fl_admission fl_admit_offer(struct fl_admit *a, struct fl_waiter *w, uint64_t now_ns,
                                 struct fl_waiter **ret_evicted);
/* Predicted time until one of this class, tenant and deadline that came now would be served. */
uint64_t fl_admit_predict_ns(const struct fl_admit *a, const struct fl_waiter *like);

enum fl_taken { FL_TAKEN_NONE, FL_TAKEN_SERVE, FL_TAKEN_DEAD, FL_TAKEN_SHED };
/* Call until FL_TAKEN_NONE whenever a place became free or time went by. SERVE: counts as serving;
 * DEAD: its deadline cannot be met any more, tell its client; SHED: the same, for overload. */
enum fl_taken fl_admit_take(struct fl_admit *a, uint64_t now_ns, struct fl_waiter **ret_waiter);
/* Whom fl_admit_take() would serve next; NULL: nobody waits. */
struct fl_waiter *fl_admit_first(const struct fl_admit *a);
void fl_admit_leave(struct fl_admit *a, struct fl_waiter *w);
/* One that was served ended, after so long. */
void fl_admit_done(struct fl_admit *a, uint64_t service_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   came -> ADMITTED --------------------------------> served -> done
 *      |`-> QUEUED --> SERVE ----------------------------^
 *      |          |`-> DEAD (deadline) | SHED (standing queue) | evicted (by a better one)
 *      `-> REFUSED `-> left
 */
#include "route/admit.h"

#include "base/assert.h"

#include <math.h>
#include <stddef.h>

#define TARGET_DELAY_NS   UINT64_C(500000000)
#define SHED_INTERVAL_NS  UINT64_C(100000000)
#define SERVICE_SMOOTHING 0.1

void fl_admit_init(struct fl_admit *a, unsigned slots, unsigned room, struct fl_waiter **storage)
{
    fl_assert(room <= FL_WAITING_ROOM_MAX);
    *a = (struct fl_admit){.slots = slots, .room = room};
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        a->heap[c] = storage + (size_t)c * room;
    }
}

static const char *const class_words[FL_CLASS_COUNT] = {"critical", "high", "normal", "low"};

const char *fl_class_word(enum fl_class class)
{
    return class_words[class];
}

bool fl_class_parse(struct fl_slice word, enum fl_class *ret_class)
{
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        if (fl_slice_eq_nocase(word, fl_slice_cstr(class_words[c]))) {
            *ret_class = (enum fl_class)c;
            return true;
        }
    }
    return false;
}

/* --- A heap a class: earliest deadline, then first come --- */

static bool before(const struct fl_waiter *a, const struct fl_waiter *b)
{
    return a->deadline_ns < b->deadline_ns ||
           (a->deadline_ns == b->deadline_ns && a->order < b->order);
}

static void put(struct fl_waiter **heap, unsigned place, struct fl_waiter *w)
{
    heap[place - 1] = w;
    w->place = place;
}

static void rise(struct fl_waiter **heap, unsigned place, struct fl_waiter *w)
{
    while (place > 1 && before(w, heap[place / 2 - 1])) {
        put(heap, place, heap[place / 2 - 1]);
        place /= 2;
    }
    put(heap, place, w);
}

static void sink(struct fl_waiter **heap, unsigned count, unsigned place, struct fl_waiter *w)
{
    for (;;) {
        unsigned child = place * 2;
        if (child > count) {
            break;
        }
        child += child < count && before(heap[child], heap[child - 1]);
        if (!before(heap[child - 1], w)) {
            break;
        }
        put(heap, place, heap[child - 1]);
        place = child;
    }
    put(heap, place, w);
}

void fl_admit_leave(struct fl_admit *a, struct fl_waiter *w)
{
    struct fl_waiter **heap = a->heap[w->class];
    unsigned place = w->place, count = --a->count[w->class];
    fl_assert(place > 0 && heap[place - 1] == w);
    struct fl_waiter *last = heap[count];
    a->waiting--;
    w->place = 0;
    if (last != w) {
        sink(heap, count, place, last);
        rise(heap, last->place, last);
    }
}

static void join(struct fl_admit *a, struct fl_waiter *w)
{
    a->waiting++;
    rise(a->heap[w->class], ++a->count[w->class], w);
}

/* --- Predicting --- */

/* How many wait before such a one. */
static unsigned ahead_of(const struct fl_admit *a, enum fl_class class, uint64_t deadline_ns)
{
    unsigned ahead = 0;
    for (unsigned c = 0; c < (unsigned)class; c++) {
        ahead += a->count[c];
    }
    for (unsigned i = 0; i < a->count[class]; i++) {
        ahead += a->heap[class][i]->deadline_ns <= deadline_ns;
    }
    return ahead;
}

/* Slots come free one each service / slots. */
uint64_t fl_admit_predict_ns(const struct fl_admit *a, enum fl_class class, uint64_t deadline_ns)
{
    if (a->serving < a->slots && a->waiting == 0) {
        return 0;
    }
    unsigned slots = a->slots > 0 ? a->slots : 1;
    return (uint64_t)((ahead_of(a, class, deadline_ns) + 1.0) * a->service_ns / slots);
}

static bool too_late(uint64_t deadline_ns, uint64_t now_ns, uint64_t needs_ns)
{
    return deadline_ns != UINT64_MAX && (now_ns >= deadline_ns || needs_ns > deadline_ns - now_ns);
}

/* --- Coming --- */

static struct fl_waiter *latest_of(const struct fl_admit *a, unsigned class)
{
    struct fl_waiter *latest = a->heap[class][0];
    for (unsigned i = 1; i < a->count[class]; i++) {
        latest = before(latest, a->heap[class][i]) ? a->heap[class][i] : latest;
    }
    return latest;
}

/* Of the lowest class that waits. */
static struct fl_waiter *least_wanted(const struct fl_admit *a)
{
    for (unsigned c = FL_CLASS_COUNT; c-- > 0;) {
        if (a->count[c] > 0) {
            return latest_of(a, c);
        }
    }
    return NULL;
}

enum fl_admission fl_admit_offer(struct fl_admit *a, struct fl_waiter *w, uint64_t now_ns,
                                 struct fl_waiter **ret_evicted)
{
    *ret_evicted = NULL;
    w->place = 0;
    w->came_ns = now_ns;
    w->order = ++a->orders;
    uint64_t wait_ns = fl_admit_predict_ns(a, w->class, w->deadline_ns);
    if (too_late(w->deadline_ns, now_ns, wait_ns + w->expected_ns)) {
        return FL_REFUSED_LATE;
    }
    if (a->serving < a->slots && a->waiting == 0) {
        a->serving++;
        return FL_ADMITTED;
    }
    if (a->waiting >= a->room) {
        struct fl_waiter *least = least_wanted(a);
        if (!least || least->class <= w->class) {
            return FL_REFUSED_FULL;
        }
        fl_admit_leave(a, least);
        *ret_evicted = least;
    }
    join(a, w);
    return FL_QUEUED;
}

/* --- Going --- */

struct fl_waiter *fl_admit_first(const struct fl_admit *a)
{
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        if (a->count[c] > 0) {
            return a->heap[c][0];
        }
    }
    return NULL;
}

static struct fl_waiter *first_dead(const struct fl_admit *a, uint64_t now_ns)
{
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        struct fl_waiter *w = a->count[c] > 0 ? a->heap[c][0] : NULL;
        if (w && too_late(w->deadline_ns, now_ns, w->expected_ns)) {
            return w;
        }
    }
    return NULL;
}

static uint64_t target_of(const struct fl_admit *a)
{
    return a->target_delay_ns > 0 ? a->target_delay_ns : TARGET_DELAY_NS;
}

/* CoDel's law: once even the next to be served has waited too long for an interval, one is shed;
 * the nth in a row comes interval / sqrt(n) after the one before. */
static bool must_shed(struct fl_admit *a, const struct fl_waiter *next, uint64_t now_ns)
{
    if (!next || now_ns < next->came_ns + target_of(a)) {
        a->above_ns = 0;
        a->sheds = 0;
        return false;
    }
    if (a->above_ns == 0) {
        a->above_ns = now_ns;
    }
    const struct fl_waiter *least = least_wanted(a);
    enum fl_class from = a->sheds_from > 0 ? a->sheds_from : FL_CLASS_SHEDDABLE_PLUS;
    if ((double)(now_ns - a->above_ns) < (double)SHED_INTERVAL_NS / sqrt(a->sheds + 1.0) ||
        !least || least->class < from) {
        return false;
    }
    a->above_ns = now_ns;
    a->sheds++;
    return true;
}

enum fl_taken fl_admit_take(struct fl_admit *a, uint64_t now_ns, struct fl_waiter **ret_waiter)
{
    struct fl_waiter *w = first_dead(a, now_ns);
    enum fl_taken taken = FL_TAKEN_DEAD;
    if (!w) {
        w = fl_admit_first(a);
        taken = FL_TAKEN_SERVE;
        if (must_shed(a, w, now_ns)) {
            w = least_wanted(a);
            taken = FL_TAKEN_SHED;
        } else if (a->serving >= a->slots) {
            w = NULL;
        }
    }
    *ret_waiter = w;
    if (!w) {
        return FL_TAKEN_NONE;
    }
    fl_admit_leave(a, w);
    a->serving += taken == FL_TAKEN_SERVE;
    return taken;
}

void fl_admit_done(struct fl_admit *a, uint64_t service_ns)
{
    fl_assert(a->serving > 0);
    a->serving--;
    a->service_ns = a->service_ns > 0
                        ? a->service_ns + ((double)service_ns - a->service_ns) * SERVICE_SMOOTHING
                        : (double)service_ns;
}

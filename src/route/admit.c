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
#include <stdint.h>

#define TARGET_DELAY_NS   UINT64_C(500000000)
#define SHED_INTERVAL_NS  UINT64_C(100000000)
#define SERVICE_SMOOTHING 0.1

void fl_admit_init(struct fl_admit *a, unsigned slots, unsigned room, struct fl_line *storage)
{
    fl_assert(room <= FL_WAITING_ROOM_MAX);
    *a = (struct fl_admit){.slots = slots, .room = room};
    fl_list_init(&a->free);
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        fl_list_init(&a->lines[c]);
    }
    for (unsigned i = 0; i < room; i++) {
        storage[i] = (struct fl_line){.count = 0};
        fl_list_init(&storage[i].waiters);
        fl_list_init(&storage[i].link);
        fl_list_append(&a->free, &storage[i].link);
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

/* --- Lines --- */

static struct fl_line *line_at(const struct fl_list *link)
{
    return fl_container_of((struct fl_list *)(uintptr_t)link, struct fl_line, link);
}

static struct fl_waiter *waiter_at(const struct fl_list *link)
{
    return fl_container_of((struct fl_list *)(uintptr_t)link, struct fl_waiter, link);
}

static struct fl_waiter *first_of(const struct fl_line *line)
{
    return waiter_at(line->waiters.next);
}

/* NULL: none of the tenant's waits in that class. */
static struct fl_line *find_line(const struct fl_admit *a, enum fl_class class, uint64_t tenant)
{
    const struct fl_list *lines = &a->lines[class];
    for (const struct fl_list *at = lines->next; at != lines; at = at->next) {
        if (line_at(at)->tenant == tenant) {
            return line_at(at);
        }
    }
    return NULL;
}

/* By deadline, behind its equals. Most come in that order: from the end it is a step or two. */
static void join(struct fl_admit *a, struct fl_waiter *w)
{
    struct fl_line *line = find_line(a, w->class, w->tenant);
    if (!line) { /* its turn comes when all others have had theirs */
        fl_assert(!fl_list_empty(&a->free));
        line = line_at(a->free.next);
        line->tenant = w->tenant;
        fl_list_remove(&line->link);
        fl_list_append(&a->lines[w->class], &line->link);
    }
    struct fl_list *before = line->waiters.prev;
    while (before != &line->waiters && waiter_at(before)->deadline_ns > w->deadline_ns) {
        before = before->prev;
    }
    fl_list_init(&w->link);
    fl_list_push(before, &w->link);
    w->line = line;
    line->count++;
    a->count[w->class]++;
    a->waiting++;
}

void fl_admit_leave(struct fl_admit *a, struct fl_waiter *w)
{
    struct fl_line *line = w->line;
    fl_assert(line && line->count > 0);
    fl_list_remove(&w->link);
    w->line = NULL;
    a->count[w->class]--;
    a->waiting--;
    if (--line->count == 0) {
        fl_list_remove(&line->link);
        fl_list_append(&a->free, &line->link);
    }
}

/* It was this tenant's turn. */
static void turn(struct fl_admit *a, struct fl_waiter *served)
{
    struct fl_line *line = served->line;
    fl_list_remove(&line->link);
    fl_list_append(&a->lines[served->class], &line->link);
    fl_admit_leave(a, served);
}

/* --- Predicting --- */

/* How many wait before such a one: those of better classes, those of its own line with an earlier
 * deadline, and as many rounds of the others' turns. */
static unsigned ahead_of(const struct fl_admit *a, const struct fl_waiter *like)
{
    const struct fl_list *lines = &a->lines[like->class];
    const struct fl_line *own = find_line(a, like->class, like->tenant);
    unsigned ahead = 0, before = 0;
    for (unsigned c = 0; c < (unsigned)like->class; c++) {
        ahead += a->count[c];
    }
    for (const struct fl_list *at = own ? own->waiters.next : NULL; own && at != &own->waiters;
         at = at->next) {
        before += waiter_at(at)->deadline_ns <= like->deadline_ns;
    }
    for (const struct fl_list *at = lines->next; at != lines; at = at->next) {
        const struct fl_line *line = line_at(at);
        if (line != own) {
            ahead += line->count < before + 1 ? line->count : before + 1;
        }
    }
    return ahead + before;
}

/* Slots come free one each service / slots. */
uint64_t fl_admit_predict_ns(const struct fl_admit *a, const struct fl_waiter *like)
{
    if (a->serving < a->slots && a->waiting == 0) {
        return 0;
    }
    unsigned slots = a->slots > 0 ? a->slots : 1;
    return (uint64_t)((ahead_of(a, like) + 1.0) * a->service_ns / slots);
}

static bool too_late(uint64_t deadline_ns, uint64_t now_ns, uint64_t needs_ns)
{
    return deadline_ns != UINT64_MAX && (now_ns >= deadline_ns || needs_ns > deadline_ns - now_ns);
}

/* --- Coming --- */

/* The last of the longest line of the lowest class that waits. */
static struct fl_waiter *least_wanted(const struct fl_admit *a)
{
    for (unsigned c = FL_CLASS_COUNT; c-- > 0;) {
        const struct fl_line *longest = NULL;
        const struct fl_list *lines = &a->lines[c];
        for (const struct fl_list *at = lines->next; at != lines; at = at->next) {
            longest = !longest || line_at(at)->count >= longest->count ? line_at(at) : longest;
        }
        if (longest) {
            return waiter_at(longest->waiters.prev);
        }
    }
    return NULL;
}

/* Is one who waits to make place for the newcomer? */
static bool gives_way(const struct fl_admit *a, const struct fl_waiter *least,
                      const struct fl_waiter *w)
{
    const struct fl_line *own = find_line(a, w->class, w->tenant);
    return least->class > w->class ||
           (least->class == w->class && least->line->count > (own ? own->count : 0) + 1);
}

enum fl_admission fl_admit_offer(struct fl_admit *a, struct fl_waiter *w, uint64_t now_ns,
                                 struct fl_waiter **ret_evicted)
{
    *ret_evicted = NULL;
    w->line = NULL;
    w->came_ns = now_ns;
    w->order = ++a->orders;
    uint64_t wait_ns = fl_admit_predict_ns(a, w);
    if (too_late(w->deadline_ns, now_ns, wait_ns + w->expected_ns)) {
        return FL_REFUSED_LATE;
    }
    if (a->serving < a->slots && a->waiting == 0) {
        a->serving++;
        return FL_ADMITTED;
    }
    if (a->waiting >= a->room) {
        struct fl_waiter *least = least_wanted(a);
        if (!least || !gives_way(a, least, w)) {
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
            return first_of(line_at(a->lines[c].next));
        }
    }
    return NULL;
}

static struct fl_waiter *first_dead(const struct fl_admit *a, uint64_t now_ns)
{
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        const struct fl_list *lines = &a->lines[c];
        for (const struct fl_list *at = lines->next; at != lines; at = at->next) {
            struct fl_waiter *w = first_of(line_at(at));
            if (too_late(w->deadline_ns, now_ns, w->expected_ns)) {
                return w;
            }
        }
    }
    return NULL;
}

static uint64_t target_of(const struct fl_admit *a)
{
    return a->target_delay_ns > 0 ? a->target_delay_ns : TARGET_DELAY_NS;
}

/* Has the first of a line of the best class that waits done so for too long? Of one tenant that is
 * the next to be served; of several, the turn of another may come before one that waits longer. */
static bool stands(const struct fl_admit *a, const struct fl_waiter *next, uint64_t now_ns)
{
    const struct fl_list *lines = next ? &a->lines[next->class] : NULL;
    for (const struct fl_list *at = lines ? lines->next : NULL; at != lines; at = at->next) {
        if (now_ns >= first_of(line_at(at))->came_ns + target_of(a)) {
            return true;
        }
    }
    return false;
}

/* CoDel's law: once the queue has stood for an interval, one is shed; the nth in a row comes
 * interval / sqrt(n) after the one before. */
static bool must_shed(struct fl_admit *a, const struct fl_waiter *next, uint64_t now_ns)
{
    if (!stands(a, next, now_ns)) {
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
    if (taken == FL_TAKEN_SERVE) {
        turn(a, w);
        a->serving++;
    } else {
        fl_admit_leave(a, w);
    }
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

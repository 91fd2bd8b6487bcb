/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/rng.h"
#include "route/admit.h"

#include <string.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

enum { ROOM = 8, MANY = 4000 };

struct scene {
    struct fl_line storage[ROOM];
    struct fl_admit admit;
    struct fl_waiter *evicted;
    uint64_t now;
};

static void open_room(struct scene *s, unsigned slots)
{
    memset(s, 0, sizeof(*s));
    fl_admit_init(&s->admit, slots, ROOM, s->storage);
    s->now = 1000 * S;
}

static enum fl_admission offer_of(struct scene *s, struct fl_waiter *w, enum fl_class class, uint64_t tenant,
                                  uint64_t deadline_ns)
{
    *w = (struct fl_waiter){.class = class, .tenant = tenant, .deadline_ns = deadline_ns};
    return fl_admit_offer(&s->admit, w, s->now, &s->evicted);
}

static enum fl_admission offer(struct scene *s, struct fl_waiter *w, enum fl_class class,
                               uint64_t deadline_ns)
{
    return offer_of(s, w, class, 0, deadline_ns);
}

static struct fl_waiter *serve(struct scene *s)
{
    struct fl_waiter *w;
    fl_admit_done(&s->admit, S);
    assert_int_equal(fl_admit_take(&s->admit, s->now, &w), FL_TAKEN_SERVE);
    return w;
}

static void classes_then_deadlines_then_arrival(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter first, w[5];
    open_room(&s, 1);
    assert_int_equal(offer(&s, &first, FL_CLASS_CRITICAL, UINT64_MAX), FL_ADMITTED);
    assert_int_equal(offer(&s, &w[0], FL_CLASS_SHEDDABLE, s.now + 50 * S), FL_QUEUED);
    assert_int_equal(offer(&s, &w[1], FL_CLASS_CRITICAL, UINT64_MAX), FL_QUEUED);
    assert_int_equal(offer(&s, &w[2], FL_CLASS_CRITICAL, UINT64_MAX), FL_QUEUED);
    assert_int_equal(offer(&s, &w[3], FL_CLASS_CRITICAL, s.now + 90 * S), FL_QUEUED);
    assert_int_equal(offer(&s, &w[4], FL_CLASS_CRITICAL_PLUS, UINT64_MAX), FL_QUEUED);
    static const unsigned order[] = {4, 3, 1, 2, 0};
    for (unsigned i = 0; i < 5; i++) {
        assert_ptr_equal(serve(&s), &w[order[i]]);
    }
    struct fl_waiter *none;
    fl_admit_done(&s.admit, S);
    assert_int_equal(fl_admit_take(&s.admit, s.now, &none), FL_TAKEN_NONE);
    assert_null(none);
    assert_int_equal(s.admit.serving, 0);
}

static void what_cannot_be_in_time_is_refused_at_once(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter w[6];
    open_room(&s, 2);
    offer(&s, &w[0], FL_CLASS_CRITICAL, UINT64_MAX);
    offer(&s, &w[1], FL_CLASS_CRITICAL, UINT64_MAX);
    fl_admit_done(&s.admit, 4 * S); /* an answer takes 4 s; two slots: one comes free each 2 s */
    offer(&s, &w[1], FL_CLASS_CRITICAL, UINT64_MAX);
    const struct fl_waiter like = {.class = FL_CLASS_CRITICAL, .deadline_ns = UINT64_MAX};
    assert_int_equal(fl_admit_predict_ns(&s.admit, &like), 2 * S);
    assert_int_equal(offer(&s, &w[2], FL_CLASS_CRITICAL, s.now + 2 * S - 1), FL_REFUSED_LATE);
    assert_int_equal(offer(&s, &w[2], FL_CLASS_CRITICAL, s.now + 2 * S), FL_QUEUED);
    w[3] = (struct fl_waiter){.class = FL_CLASS_CRITICAL, /* its own service counts too */
                              .deadline_ns = s.now + 7 * S,
                              .expected_ns = 4 * S};
    assert_int_equal(fl_admit_offer(&s.admit, &w[3], s.now, &s.evicted), FL_REFUSED_LATE);
    w[3].deadline_ns = s.now + 8 * S;
    assert_int_equal(fl_admit_offer(&s.admit, &w[3], s.now, &s.evicted), FL_QUEUED);
    /* A better class does not wait for them. */
    assert_int_equal(offer(&s, &w[4], FL_CLASS_CRITICAL_PLUS, s.now + 2 * S), FL_QUEUED);
    struct fl_waiter *dead;
    s.now += 5 * S; /* 2 + 4 s are no more to be had until the deadline of w[3] */
    assert_int_equal(fl_admit_take(&s.admit, s.now, &dead), FL_TAKEN_DEAD);
    assert_true(dead == &w[4] || dead == &w[2] || dead == &w[3]);
    assert_int_equal(fl_admit_take(&s.admit, s.now, &dead), FL_TAKEN_DEAD);
}

static void a_full_room_keeps_the_better_ones(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter w[ROOM + 1], more[4];
    open_room(&s, 1);
    offer(&s, &w[ROOM], FL_CLASS_CRITICAL, UINT64_MAX);
    for (unsigned i = 0; i < ROOM; i++) {
        enum fl_class class = i < 2 ? FL_CLASS_SHEDDABLE : FL_CLASS_CRITICAL;
        assert_int_equal(offer(&s, &w[i], class, s.now + (100 + i) * S), FL_QUEUED);
    }
    assert_int_equal(offer(&s, &more[0], FL_CLASS_SHEDDABLE, UINT64_MAX), FL_REFUSED_FULL);
    assert_null(s.evicted);
    assert_int_equal(offer(&s, &more[1], FL_CLASS_CRITICAL, UINT64_MAX), FL_QUEUED);
    assert_ptr_equal(s.evicted, &w[1]); /* of the lowest class the latest deadline */
    assert_null(w[1].line);
    assert_int_equal(offer(&s, &more[2], FL_CLASS_SHEDDABLE_PLUS, UINT64_MAX), FL_QUEUED);
    assert_ptr_equal(s.evicted, &w[0]);
    assert_int_equal(offer(&s, &more[3], FL_CLASS_SHEDDABLE_PLUS, UINT64_MAX), FL_REFUSED_FULL);
    assert_int_equal(s.admit.waiting, ROOM);
    fl_admit_leave(&s.admit, &more[1]);
    assert_int_equal(s.admit.waiting, ROOM - 1);
}

static void a_standing_queue_sheds_its_lowest(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter w[5], *out;
    open_room(&s, 1);
    offer(&s, &w[4], FL_CLASS_CRITICAL, UINT64_MAX);
    offer(&s, &w[0], FL_CLASS_CRITICAL, UINT64_MAX);
    offer(&s, &w[1], FL_CLASS_SHEDDABLE, UINT64_MAX);
    offer(&s, &w[2], FL_CLASS_SHEDDABLE_PLUS, UINT64_MAX);
    for (unsigned i = 0; i < 6; i++) { /* until 500 ms it may be a burst */
        assert_int_equal(fl_admit_take(&s.admit, s.now + i * 100 * MS, &out), FL_TAKEN_NONE);
    }
    assert_int_equal(fl_admit_take(&s.admit, s.now + 599 * MS, &out), FL_TAKEN_NONE);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 600 * MS, &out), FL_TAKEN_SHED);
    assert_ptr_equal(out, &w[1]);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 670 * MS, &out), FL_TAKEN_NONE);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 671 * MS, &out), FL_TAKEN_SHED); /* / sqrt 2 */
    assert_ptr_equal(out, &w[2]);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 60 * S, &out), FL_TAKEN_NONE); /* critical */
    assert_int_equal(s.admit.waiting, 1);
}

/* Who says that only those who can wait are shed keeps the others. */
static void sheds_from_a_class_on(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter w[3], *out;
    open_room(&s, 1);
    s.admit.sheds_from = FL_CLASS_SHEDDABLE;
    offer(&s, &w[0], FL_CLASS_CRITICAL, UINT64_MAX);
    offer(&s, &w[1], FL_CLASS_SHEDDABLE_PLUS, UINT64_MAX);
    offer(&s, &w[2], FL_CLASS_SHEDDABLE, UINT64_MAX);
    assert_ptr_equal(fl_admit_first(&s.admit), &w[1]);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 500 * MS, &out), FL_TAKEN_NONE);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 600 * MS, &out), FL_TAKEN_SHED);
    assert_ptr_equal(out, &w[2]);
    assert_int_equal(fl_admit_take(&s.admit, s.now + 60 * S, &out), FL_TAKEN_NONE);
    fl_admit_leave(&s.admit, &w[1]);
    assert_null(fl_admit_first(&s.admit));
}

/* One tenant sends six, then another two, a third one: they take turns, each by its deadlines. */
static void tenants_take_turns(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter first, w[8];
    static const unsigned tenants[] = {1, 1, 1, 1, 1, 2, 2, 3}, order[] = {4, 6, 7, 0, 5, 1, 2, 3};
    open_room(&s, 1);
    offer(&s, &first, FL_CLASS_CRITICAL, UINT64_MAX);
    for (unsigned i = 0; i < 8; i++) { /* 4 and 6 are in more of a hurry than those before */
        uint64_t deadline = s.now + (i == 4 || i == 6 ? 50 : 90 + i) * S;
        assert_int_equal(offer_of(&s, &w[i], FL_CLASS_CRITICAL, tenants[i], deadline), FL_QUEUED);
    }
    for (unsigned i = 0; i < 8; i++) {
        const struct fl_waiter like = {.class = FL_CLASS_CRITICAL, .tenant = 4, .deadline_ns = UINT64_MAX};
        unsigned lines = i < 5 ? (i < 3 ? 3 : 2) : 1; /* a new one waits for one of each */
        s.admit.service_ns = (double)S;
        assert_in_range(fl_admit_predict_ns(&s.admit, &like), lines * S, (lines + 1) * S);
        assert_ptr_equal(serve(&s), &w[order[i]]);
    }
    assert_int_equal(s.admit.waiting, 0);
}

/* A room full of one tenant's makes place for another's, as long as that one has fewer. */
static void a_flood_makes_place(void **state)
{
    (void)state;
    struct scene s;
    struct fl_waiter first, flood[ROOM], more, other[ROOM];
    open_room(&s, 1);
    offer(&s, &first, FL_CLASS_CRITICAL, UINT64_MAX);
    for (unsigned i = 0; i < ROOM; i++) {
        assert_int_equal(offer_of(&s, &flood[i], FL_CLASS_CRITICAL, 1, UINT64_MAX), FL_QUEUED);
    }
    assert_int_equal(offer_of(&s, &more, FL_CLASS_CRITICAL, 1, UINT64_MAX), FL_REFUSED_FULL);
    for (unsigned i = 0; i < ROOM / 2; i++) {
        assert_int_equal(offer_of(&s, &other[i], FL_CLASS_CRITICAL, 2, UINT64_MAX), FL_QUEUED);
        assert_ptr_equal(s.evicted, &flood[ROOM - 1 - i]);
    }
    assert_int_equal(offer_of(&s, &more, FL_CLASS_CRITICAL, 2, UINT64_MAX), FL_REFUSED_FULL);
    assert_int_equal(offer_of(&s, &more, FL_CLASS_CRITICAL, 1, UINT64_MAX), FL_REFUSED_FULL);
    assert_int_equal(offer_of(&s, &more, FL_CLASS_SHEDDABLE, 3, UINT64_MAX), FL_REFUSED_FULL);
    assert_int_equal(s.admit.waiting, ROOM);
}

static void classes_have_words(void **state)
{
    (void)state;
    enum fl_class class;
    for (unsigned c = 0; c < FL_CLASS_COUNT; c++) {
        assert_true(fl_class_parse(fl_slice_cstr(fl_class_word((enum fl_class)c)), &class));
        assert_int_equal(class, c);
    }
    assert_true(fl_class_parse(FL_LIT("HIGH"), &class));
    assert_int_equal(class, FL_CLASS_CRITICAL);
    assert_false(fl_class_parse(FL_LIT("highest"), &class));
    assert_false(fl_class_parse(FL_LIT(""), &class));
}

/* Any sequence of calls: nobody is lost, nobody comes out twice, order holds. */
static void nobody_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        static struct fl_waiter all[MANY];
        struct scene s;
        struct fl_rng rng;
        unsigned came = 0, gone = 0, served = 0;
        open_room(&s, 3);
        fl_rng_seed(&rng, seed);
        while (came < MANY) {
            struct fl_waiter *out = NULL;
            s.now += fl_rng_below(&rng, 200) * MS;
            struct fl_waiter *w = &all[came++];
            enum fl_class class = (enum fl_class)fl_rng_below(&rng, FL_CLASS_COUNT);
            uint64_t deadline =
                fl_rng_below(&rng, 3) == 0 ? UINT64_MAX : s.now + fl_rng_below(&rng, 20) * S;
            enum fl_admission how = offer_of(&s, w, class, fl_rng_below(&rng, 4), deadline);
            served += how == FL_ADMITTED;
            gone += how == FL_REFUSED_FULL || how == FL_REFUSED_LATE;
            gone += s.evicted != NULL;
            if (how == FL_QUEUED && fl_rng_below(&rng, 10) == 0) {
                fl_admit_leave(&s.admit, w);
                gone++;
            }
            while (s.admit.serving > 0 && fl_rng_below(&rng, 3) == 0) {
                fl_admit_done(&s.admit, 1 + fl_rng_below(&rng, 500) * MS);
            }
            for (enum fl_taken t; (t = fl_admit_take(&s.admit, s.now, &out)) != FL_TAKEN_NONE;) {
                assert_null(out->line);
                served += t == FL_TAKEN_SERVE;
                gone += t != FL_TAKEN_SERVE;
                for (unsigned c = 0; t == FL_TAKEN_SERVE && c < (unsigned)out->class; c++) {
                    assert_int_equal(s.admit.count[c], 0);
                }
            }
            assert_true(s.admit.serving <= 3 && s.admit.waiting <= ROOM);
            if (came != served + gone + s.admit.waiting) {
                fail_msg("seed %u", (unsigned)seed);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_then_deadlines_then_arrival),
        cmocka_unit_test(what_cannot_be_in_time_is_refused_at_once),
        cmocka_unit_test(a_full_room_keeps_the_better_ones),
        cmocka_unit_test(a_standing_queue_sheds_its_lowest),
        cmocka_unit_test(sheds_from_a_class_on),
        cmocka_unit_test(tenants_take_turns),
        cmocka_unit_test(a_flood_makes_place),
        cmocka_unit_test(classes_have_words),
        cmocka_unit_test(nobody_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

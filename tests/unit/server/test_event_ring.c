/* SPDX-License-Identifier: Apache-2.0 */
/* The ring against a plain list of the same events: random sizes, growth, and what may not go. */
#include "unit/cm.h"

#include "base/rng.h"
#include "server/event_ring.h"

#include <stdlib.h>

enum { events_max = 400, event_bytes_max = 90 };

struct model {
    char bytes[events_max][event_bytes_max];
    size_t len[events_max];
    uint64_t at[events_max + 1]; /* where each begins */
    unsigned count, first;       /* first: the oldest that is held */
};

static void put(struct model *m, struct fl_event_ring *r, struct fl_rng *rng, size_t len, unsigned keep)
{
    unsigned n = m->count;
    for (size_t i = 0; i < len; i++) {
        m->bytes[n][i] = (char)fl_rng_below(rng, 256);
    }
    m->len[n] = len;
    m->at[n + 1] = m->at[n] + FL_EVENT_RING_LENGTH + len;
    m->count++;
    fl_event_ring_put(r, fl_slice(m->bytes[n], len), m->at[keep]);
    while (m->at[n + 1] - m->at[m->first] > r->cap) {
        m->first++;
    }
}

static void check(const struct model *m, const struct fl_event_ring *r)
{
    assert_int_equal(r->first_at, m->at[m->first]);
    assert_int_equal(r->end_at, m->at[m->count]);
    assert_int_equal(r->first_number, m->first + 1);
    assert_int_equal(r->next_number, m->count + 1);
    for (unsigned n = 0; n <= m->count + 1; n++) { /* the event behind number n is at index n */
        uint64_t place = 12345;
        bool found = fl_event_ring_find(r, n, &place);
        assert_int_equal(found, n >= m->first && n <= m->count);
        assert_int_equal(place, found ? m->at[n] : 12345);
    }
}

/* All that is held, read in pieces of about so many bytes. */
static void read_all(const struct model *m, const struct fl_event_ring *r, size_t piece)
{
    uint64_t place = r->first_at;
    struct fl_buf b;
    fl_buf_init(&b, 1 << 20);
    for (unsigned n = m->first; n < m->count;) {
        fl_buf_reset(&b);
        unsigned count = fl_event_ring_copy(r, &place, piece, &b);
        size_t len = 0;
        assert_in_range(count, 1, m->count - n);
        for (unsigned i = 0; i < count; i++) {
            assert_memory_equal(b.ptr + len, m->bytes[n + i], m->len[n + i]);
            len += m->len[n + i];
        }
        assert_int_equal(b.len, len);
        assert_true(count == 1 || len <= piece);
        n += count;
        assert_true(n == m->count || len + m->len[n] > piece);
        assert_int_equal(place, m->at[n]);
    }
    assert_int_equal(fl_event_ring_copy(r, &place, piece, &b), 0);
    fl_buf_finish(&b);
}

static void it_holds_what_was_put_last(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct fl_rng rng;
        struct model *m = calloc(1, sizeof(*m));
        struct fl_event_ring r;
        assert_non_null(m);
        fl_rng_seed(&rng, seed);
        fl_event_ring_init(&r);
        assert_true(fl_event_ring_grow(&r, 100 + fl_rng_below(&rng, 200)));
        unsigned keep = 0;
        while (m->count < 150) {
            size_t len = 1 + fl_rng_below(&rng, event_bytes_max - 1);
            if (fl_rng_below(&rng, 3) == 0) { /* who reads has come some way */
                keep += (unsigned)fl_rng_below(&rng, m->count - keep + 1);
            }
            uint64_t kept = m->at[m->count] - m->at[keep > m->first ? keep : m->first];
            bool fits = kept + FL_EVENT_RING_LENGTH + len <= r.cap;
            assert_int_equal(fl_event_ring_fits(&r, len, m->at[keep]), fits);
            if (fits) {
                put(m, &r, &rng, len, keep);
            } else if (fl_rng_below(&rng, 4) == 0) {
                assert_true(fl_event_ring_grow(&r, r.cap + 1 + fl_rng_below(&rng, 300)));
            } else {
                keep = m->count;
            }
            check(m, &r);
            assert_true(m->first <= keep); /* nothing that was to be kept is gone */
        }
        read_all(m, &r, 1);
        read_all(m, &r, 64);
        read_all(m, &r, 1 << 20);
        fl_event_ring_finish(&r);
        free(m);
    }
}

/* Nothing at or behind keep_at is ever overwritten. */
static void what_is_to_be_kept_stays(void **state)
{
    (void)state;
    struct fl_rng rng;
    struct model *m = calloc(1, sizeof(*m));
    struct fl_event_ring r;
    assert_non_null(m);
    fl_rng_seed(&rng, 5);
    fl_event_ring_init(&r);
    assert_true(fl_event_ring_grow(&r, 1000));
    for (unsigned i = 0; i < 30; i++) {
        put(m, &r, &rng, 60, m->count);
    }
    unsigned keep = m->count - 4;
    while (fl_event_ring_fits(&r, 60, m->at[keep])) {
        put(m, &r, &rng, 60, keep);
    }
    assert_true(m->first <= keep);
    assert_true(m->count - keep == 1000 / 64);
    check(m, &r);
    read_all(m, &r, 100);
    fl_event_ring_finish(&r);
    free(m);
}

static void floors_are_beginnings(void **state)
{
    (void)state;
    struct fl_rng rng;
    struct model *m = calloc(1, sizeof(*m));
    struct fl_event_ring r;
    assert_non_null(m);
    fl_rng_seed(&rng, 9);
    fl_event_ring_init(&r);
    assert_int_equal(fl_event_ring_floor(&r, 0, 0), 0);
    assert_true(fl_event_ring_grow(&r, 600));
    for (unsigned i = 0; i < 40; i++) {
        put(m, &r, &rng, 1 + fl_rng_below(&rng, 80), m->count);
    }
    for (uint64_t place = 0; place <= r.end_at; place++) {
        unsigned n = m->first;
        while (n < m->count && m->at[n + 1] <= place) {
            n++;
        }
        assert_int_equal(fl_event_ring_floor(&r, 0, place), m->at[n]);
        unsigned from = m->first + 3;
        assert_int_equal(fl_event_ring_floor(&r, m->at[from], place), m->at[n > from ? n : from]);
    }
    fl_event_ring_finish(&r);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_was_put_last),
        cmocka_unit_test(what_is_to_be_kept_stays),
        cmocka_unit_test(floors_are_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

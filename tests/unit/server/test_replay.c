/* SPDX-License-Identifier: Apache-2.0 */
/* The store where threads meet: writers, readers that come and go; what is taken over, forgotten and refused. */
#include "unit/cm.h"

#include "base/clock.h"
#include "server/replay.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define GRACE (30 * FL_NS_S)

/* A worker's loop without a loop: wake() only says that it is owed. */
struct loop {
    struct fl_sys sys;
    struct fl_bell bell;
    atomic_bool woken;
};

static void wake(struct fl_sys *sys)
{
    atomic_store(&fl_container_of(sys, struct loop, sys)->woken, true);
}

static const struct fl_sys_ops ops = {.wake = wake};

static void loop_open(struct loop *l)
{
    l->sys = (struct fl_sys){.ops = &ops};
    atomic_init(&l->woken, false);
    assert_true(fl_bell_init(&l->bell, &l->sys));
}

/* A turn, if one is owed. */
static bool loop_turn(struct loop *l)
{
    bool owed = atomic_exchange(&l->woken, false);
    if (owed) {
        l->sys.woken(l->sys.woken_owner);
    }
    return owed;
}

struct party {
    struct loop loop;
    struct fl_call call;
    unsigned called;
    struct fl_replay_reader reader;
};

static void on_call(struct fl_call *call)
{
    fl_container_of(call, struct party, call)->called++;
}

static void party_open(struct party *p)
{
    *p = (struct party){0};
    loop_open(&p->loop);
    fl_call_init(&p->call, &p->loop.bell, on_call);
}

static void party_close(struct party *p)
{
    fl_bell_finish(&p->loop.bell);
}

static const struct fl_replay_limits limits = {
    .bytes = 8192, .total_bytes = 1 << 20, .event_bytes = 4096, .grace_ns = GRACE};
static const uint8_t key_a[32] = {1}, key_b[32] = {2};
static const struct fl_replay_owner nobody = {.endpoint = FL_ENDPOINT_CHAT},
                                    owner_a = {FL_ENDPOINT_CHAT, key_a};

static void make_token(unsigned n, uint8_t ret[FL_REPLAY_TOKEN_BYTES])
{
    memset(ret, 0, FL_REPLAY_TOKEN_BYTES);
    ret[0] = (uint8_t)n;
    ret[9] = (uint8_t)(n >> 8);
}

static struct fl_replay *open_one(struct fl_replays *s, unsigned token, const struct fl_replay_owner *owner,
                                  struct party *writer)
{
    uint8_t bytes[FL_REPLAY_TOKEN_BYTES];
    make_token(token, bytes);
    return fl_replay_open(s, owner, &limits, bytes, FL_LIT("req-1"), &writer->call);
}

static enum fl_replay_found attach(struct fl_replays *s, unsigned token, const struct fl_replay_owner *owner,
                                   uint64_t after, struct party *p)
{
    uint8_t bytes[FL_REPLAY_TOKEN_BYTES];
    make_token(token, bytes);
    return fl_replay_attach(s, owner, bytes, after, &p->call, &p->reader);
}

static void put_number(struct fl_replay *e, unsigned n, size_t bytes)
{
    char memory[4096];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_u64(&b, n);
    while (b.len < bytes) {
        fl_buf_putc(&b, '.');
    }
    fl_buf_putc(&b, ';');
    assert_true(fl_replay_put(e, fl_buf_slice(&b)));
}

/* Takes all there is; the numbers of *ret must go on where they were. */
static enum fl_replay_took take_numbers(struct party *p, unsigned *io_next, struct fl_replay_outcome *ret)
{
    enum fl_replay_took took = FL_REPLAY_MORE;
    struct fl_buf b;
    fl_buf_init(&b, 1 << 20);
    while (took == FL_REPLAY_MORE) {
        fl_buf_reset(&b);
        took = fl_replay_take(&p->reader, 500, &b, ret);
        struct fl_slice rest = fl_buf_slice(&b);
        while (rest.len > 0) {
            size_t end = fl_slice_find(rest, ';'), digits = fl_slice_find(rest, '.');
            uint64_t n = 0;
            if (!fl_slice_u64(fl_slice_first(rest, digits < end ? digits : end), &n) || n != *io_next) {
                print_error("wanted %u, got %llu\n", *io_next, (unsigned long long)n);
                abort();
            }
            ++*io_next;
            rest = fl_slice_from(rest, end + 1);
        }
    }
    fl_buf_finish(&b);
    return took;
}

static void a_reader_gets_what_it_missed_and_what_comes(void **state)
{
    (void)state;
    struct fl_replays *s = fl_replays_create();
    struct party w, r;
    struct fl_replay_outcome outcome;
    unsigned next = 3;
    party_open(&w);
    party_open(&r);
    struct fl_replay *e = open_one(s, 1, &nobody, &w);
    for (unsigned i = 1; i <= 5; i++) {
        put_number(e, i, 10);
    }
    fl_replay_client_left(e, 100);
    assert_false(fl_replay_look(e).read);
    assert_int_equal(fl_replay_look(e).left_ns, 100);
    assert_int_equal(attach(s, 1, &nobody, 2, &r), FL_REPLAY_FOUND);
    assert_true(fl_slice_eq(fl_replay_request_id(&r.reader), FL_LIT("req-1")));
    assert_true(loop_turn(&w.loop) && w.called == 1); /* somebody came */
    assert_int_equal(take_numbers(&r, &next, &outcome), FL_REPLAY_WAIT);
    assert_int_equal(next, 6);
    assert_false(loop_turn(&r.loop));
    put_number(e, 6, 10);
    put_number(e, 7, 10);
    fl_replay_tell(e);
    fl_replay_tell(e);
    assert_true(loop_turn(&r.loop) && r.called == 1);
    assert_int_equal(take_numbers(&r, &next, &outcome), FL_REPLAY_WAIT);
    assert_int_equal(next, 8);
    fl_replay_close(e, (struct fl_replay_outcome){FL_REPLAY_WHOLE, FL_OK}, 200);
    assert_true(loop_turn(&r.loop) && r.called == 2);
    assert_int_equal(take_numbers(&r, &next, &outcome), FL_REPLAY_ENDED);
    assert_int_equal(outcome.state, FL_REPLAY_WHOLE);
    assert_int_equal(fl_replays_sweep(s, 200 + 2 * GRACE), FL_NEVER); /* it is being read */
    fl_replay_leave(&r.reader, 1000);
    assert_int_equal(fl_replays_sweep(s, 1000 + GRACE - 1), 1000 + GRACE);
    assert_int_equal(fl_replays_count(s), 1);
    assert_int_equal(fl_replays_sweep(s, 1000 + GRACE), FL_NEVER);
    assert_int_equal(fl_replays_count(s), 0);
    assert_int_equal(fl_replays_bytes(s), 0);
    party_close(&w);
    party_close(&r);
    fl_replays_destroy(s);
}

static void others_are_refused(void **state)
{
    (void)state;
    struct fl_replays *s = fl_replays_create();
    const struct fl_replay_owner owner_b = {FL_ENDPOINT_CHAT, key_b};
    const struct fl_replay_owner elsewhere = {FL_ENDPOINT_MESSAGES, key_a};
    struct party w, r;
    party_open(&w);
    party_open(&r);
    struct fl_replay *e = open_one(s, 1, &owner_a, &w);
    for (unsigned i = 1; i <= 300; i++) {
        put_number(e, i, 100);
    }
    assert_int_equal(attach(s, 1, &owner_b, 299, &r), FL_REPLAY_UNKNOWN);
    assert_int_equal(attach(s, 1, &nobody, 299, &r), FL_REPLAY_UNKNOWN);
    assert_int_equal(attach(s, 1, &elsewhere, 299, &r), FL_REPLAY_UNKNOWN);
    assert_int_equal(attach(s, 2, &owner_a, 299, &r), FL_REPLAY_UNKNOWN);
    assert_int_equal(attach(s, 257, &owner_a, 299, &r), FL_REPLAY_UNKNOWN); /* of the same bucket */
    assert_int_equal(attach(s, 1, &owner_a, 301, &r), FL_REPLAY_AHEAD);
    assert_int_equal(attach(s, 1, &owner_a, UINT64_MAX, &r), FL_REPLAY_AHEAD);
    assert_int_equal(attach(s, 1, &owner_a, 1, &r), FL_REPLAY_OVERWRITTEN);
    assert_int_equal(w.called, 0);
    assert_int_equal(attach(s, 1, &owner_a, 300, &r), FL_REPLAY_FOUND);
    fl_replay_leave(&r.reader, 5);
    fl_replay_close(e, (struct fl_replay_outcome){FL_REPLAY_GONE, FL_ERR_CANCELLED}, 9);
    assert_int_equal(attach(s, 1, &owner_a, 300, &r), FL_REPLAY_UNKNOWN);
    assert_int_equal(fl_replays_bytes(s), 0);
    party_close(&w);
    party_close(&r);
    fl_replays_destroy(s);
}

static void the_newest_reader_takes_over(void **state)
{
    (void)state;
    struct fl_replays *s = fl_replays_create();
    struct party w, first, second;
    struct fl_replay_outcome outcome;
    unsigned next = 1;
    party_open(&w);
    party_open(&first);
    party_open(&second);
    struct fl_replay *e = open_one(s, 1, &nobody, &w);
    put_number(e, 1, 10);
    assert_int_equal(attach(s, 1, &nobody, 0, &first), FL_REPLAY_FOUND);
    assert_int_equal(attach(s, 1, &nobody, 0, &second), FL_REPLAY_FOUND);
    assert_true(loop_turn(&first.loop) && fl_replay_is_replaced(&first.reader));
    assert_int_equal(take_numbers(&first, &next, &outcome), FL_REPLAY_REPLACED);
    assert_int_equal(next, 1);
    fl_replay_leave(&first.reader, 50);
    assert_true(fl_replay_look(e).read);
    assert_int_equal(fl_replay_look(e).comebacks, 2);
    assert_int_equal(take_numbers(&second, &next, &outcome), FL_REPLAY_WAIT);
    assert_int_equal(next, 2);
    fl_replay_leave(&second.reader, 60);
    assert_int_equal(fl_replay_look(e).left_ns, 60);
    fl_replay_close(e, (struct fl_replay_outcome){FL_REPLAY_GONE, FL_ERR_CANCELLED}, 9);
    party_close(&w);
    party_close(&first);
    party_close(&second);
    fl_replays_destroy(s);
}

/* While nobody reads, nothing unread goes; who reads makes room. */
static void a_full_ring_waits_for_its_reader(void **state)
{
    (void)state;
    struct fl_replays *s = fl_replays_create();
    struct party w, r;
    struct fl_replay_outcome outcome;
    unsigned n = 0, next = 0;
    party_open(&w);
    party_open(&r);
    struct fl_replay *e = open_one(s, 1, &nobody, &w);
    while (n < 1000) { /* with its client it is never full */
        put_number(e, ++n, 40);
        assert_false(fl_replay_is_full(e));
    }
    fl_replay_client_left(e, 1);
    while (!fl_replay_is_full(e)) {
        put_number(e, ++n, 40);
    }
    assert_in_range((n - 1000) * 45, limits.bytes / 4 - 100, limits.bytes / 4 + 100);
    put_number(e, ++n, 1500); /* what was on its way has a place as well */
    assert_int_equal(fl_replays_bytes(s), 8192);
    put_number(e, ++n, 3000);
    assert_in_range(fl_replays_bytes(s), 8192 + 1, 8192 + 4096);
    unsigned last = 1000 - 4096 / 45 + 1; /* half a ring of what was sent is kept for who did not get it */
    assert_int_equal(attach(s, 1, &nobody, last, &r), FL_REPLAY_FOUND);
    assert_true(loop_turn(&w.loop));
    assert_true(fl_replay_is_full(e));
    w.called = 0;
    next = last + 1;
    assert_int_equal(take_numbers(&r, &next, &outcome), FL_REPLAY_WAIT);
    assert_int_equal(next, n + 1);
    assert_true(loop_turn(&w.loop) && w.called == 1);
    assert_false(fl_replay_is_full(e));
    fl_replay_leave(&r.reader, 1);
    fl_replay_close(e, (struct fl_replay_outcome){FL_REPLAY_GONE, FL_ERR_CANCELLED}, 9);
    party_close(&w);
    party_close(&r);
    fl_replays_destroy(s);
}

static void all_streams_together_are_bounded(void **state)
{
    (void)state;
    const struct fl_replay_limits small = {
        .bytes = 8192, .total_bytes = 16384, .event_bytes = 1024, .grace_ns = GRACE};
    struct fl_replays *s = fl_replays_create();
    struct fl_replay *open[5];
    struct party w, r;
    uint8_t token[FL_REPLAY_TOKEN_BYTES];
    party_open(&w);
    party_open(&r);
    for (unsigned i = 0; i < 4; i++) { /* 4 KiB each, to begin with */
        make_token(i, token);
        open[i] = fl_replay_open(s, &nobody, &small, token, FL_LIT("x"), &w.call);
        assert_non_null(open[i]);
    }
    make_token(4, token);
    assert_null(fl_replay_open(s, &nobody, &small, token, FL_LIT("x"), &w.call));
    for (unsigned i = 0; i < 2; i++) {
        fl_replay_close(open[i], (struct fl_replay_outcome){FL_REPLAY_WHOLE, FL_OK}, 10 + i);
    }
    assert_int_equal(attach(s, 1, &nobody, 0, &r), FL_REPLAY_FOUND);
    /* For the next one, the first is forgotten. */
    open[4] = fl_replay_open(s, &nobody, &small, token, FL_LIT("x"), &w.call);
    assert_non_null(open[4]);
    assert_int_equal(fl_replays_count(s), 4);
    assert_int_equal(fl_replays_bytes(s), 16384);
    /* The second is being read: nothing is left that could go, so that the third cannot grow and is full early. */
    fl_replay_client_left(open[2], 50);
    unsigned n = 0;
    while (!fl_replay_is_full(open[2])) {
        put_number(open[2], ++n, 100);
        assert_true(n < 100);
    }
    assert_in_range(n * 105, 3072, 3072 + 210);
    while (n < 38) {
        put_number(open[2], ++n, 100);
    }
    static const char large[900];
    assert_false(fl_replay_put(open[2], fl_slice(large, sizeof(large))));
    fl_replay_lose(open[2]);
    fl_replay_leave(&r.reader, 60);
    for (unsigned i = 2; i < 5; i++) {
        fl_replay_close(open[i], (struct fl_replay_outcome){FL_REPLAY_WHOLE, FL_OK}, 70);
    }
    assert_int_equal(attach(s, 2, &nobody, 1, &r), FL_REPLAY_UNKNOWN); /* it was lost */
    assert_int_equal(fl_replays_count(s), 3);
    fl_replays_destroy(s); /* with what is left in it */
    party_close(&w);
    party_close(&r);
}

/* --- threads --- */

enum { streams = 8, events = 4000 };

struct meeting {
    struct fl_replays *store;
    atomic_uint turn; /* streams begun */
    atomic_bool done[streams];
};

/* Writes streams, one after another, and waits where one is full. */
static void *write_streams(void *arg)
{
    struct meeting *m = arg;
    struct party w;
    party_open(&w);
    for (unsigned i = 0; i < streams; i++) {
        struct fl_replay *e = open_one(m->store, i, &nobody, &w);
        fl_replay_client_left(e, 1);
        atomic_store(&m->turn, i + 1);
        for (unsigned n = 1; n <= events; n++) {
            while (fl_replay_is_full(e)) {
                while (!loop_turn(&w.loop)) {
                    sched_yield();
                }
            }
            put_number(e, n, 20 + n % 50);
            fl_replay_tell(e);
        }
        fl_replay_close(e, (struct fl_replay_outcome){FL_REPLAY_WHOLE, FL_OK}, 1);
        while (!atomic_load(&m->done[i])) {
            sched_yield();
        }
    }
    party_close(&w);
    return NULL;
}

/* Reads a stream to its end; comes back from time to time. */
static void read_stream(struct meeting *m, struct party *r, unsigned stream)
{
    struct fl_replay_outcome outcome;
    unsigned next = 1, waits = 0;
    enum fl_replay_took took = FL_REPLAY_WAIT;
    assert_int_equal(attach(m->store, stream, &nobody, 0, r), FL_REPLAY_FOUND);
    while (took == FL_REPLAY_WAIT) {
        took = take_numbers(r, &next, &outcome);
        if (took == FL_REPLAY_WAIT && ++waits % 16 == 0) {
            fl_replay_leave(&r->reader, 1);
            assert_int_equal(attach(m->store, stream, &nobody, next - 1, r), FL_REPLAY_FOUND);
        } else if (took == FL_REPLAY_WAIT) {
            while (!loop_turn(&r->loop)) {
                sched_yield();
            }
        }
    }
    assert_int_equal(took, FL_REPLAY_ENDED);
    assert_int_equal(next, events + 1);
    fl_replay_leave(&r->reader, 1);
}

static void threads_read_what_others_write(void **state)
{
    (void)state;
    struct meeting m[2] = {0};
    pthread_t writers[2];
    struct fl_replays *s[2];
    struct party r;
    party_open(&r);
    for (unsigned i = 0; i < 2; i++) { /* two stores, so that tokens do not meet */
        m[i].store = s[i] = fl_replays_create();
        assert_int_equal(pthread_create(&writers[i], NULL, write_streams, &m[i]), 0);
    }
    for (unsigned stream = 0; stream < streams; stream++) {
        for (unsigned i = 0; i < 2; i++) {
            while (atomic_load(&m[i].turn) <= stream) {
                sched_yield();
            }
            read_stream(&m[i], &r, stream);
            atomic_store(&m[i].done[stream], true);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(writers[i], NULL);
        assert_int_equal(fl_replays_sweep(s[i], 1 + GRACE), FL_NEVER);
        assert_int_equal(fl_replays_bytes(s[i]), 0);
        fl_replays_destroy(s[i]);
    }
    party_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_gets_what_it_missed_and_what_comes),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(the_newest_reader_takes_over),
        cmocka_unit_test(a_full_ring_waits_for_its_reader),
        cmocka_unit_test(all_streams_together_are_bounded),
        cmocka_unit_test(threads_read_what_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of the world under random callers and random faults: what one end gets is a prefix of what
 * the other wrote, nothing comes after the end, a clean end means that all came (unless somebody
 * was killed), and when everything is closed nothing is left. FL_SIM_SEEDS runs more seeds.
 */
#include "unit/cm.h"

#include "base/assert.h"
#include "base/hash.h"
#include "sim/world.h"

#include <stdlib.h>

enum { pairs_max = 8, runs = 200 };

struct party;

struct actor {
    struct party *party;
    struct actor *other;
    struct fl_stream *stream;
    struct fl_timer timer;
    uint64_t wrote, got;
    unsigned writes_left;
    bool opened, ended, finished, paused, failed;
};

struct party {
    struct fl_world *w;
    struct fl_sys *here, *there;
    struct fl_rng rng;
    struct fl_world_faults faults;
    struct actor actors[pairs_max][2];
};

static char byte_of(const struct actor *from, uint64_t i)
{
    uint64_t who = (uint64_t)(from - &from->party->actors[0][0]);
    return (char)fl_mix64((who << 40) + i);
}

static struct fl_sys *sys_of(struct actor *a)
{
    return a == &a->party->actors[(a - &a->party->actors[0][0]) / 2][0] ? a->party->here
                                                                        : a->party->there;
}

static void leave(struct actor *a)
{
    fl_stream_close(a->stream, (enum fl_close)fl_rng_below(&a->party->rng, 3));
    a->stream = NULL;
    fl_timers_stop(&sys_of(a)->timers, &a->timer);
}

static void write_some(struct actor *a)
{
    char bytes[9000];
    size_t count = (size_t)fl_rng_below(&a->party->rng, sizeof(bytes) + 1);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = byte_of(a, a->wrote + i);
    }
    struct fl_slice pieces[2] = {fl_slice(bytes, count / 2),
                                 fl_slice(bytes + count / 2, count - count / 2)};
    enum fl_err err = fl_stream_write(a->stream, pieces, 2);
    if (err) {
        assert_true(err == FL_ERR_RESET || err == FL_ERR_CONNECT || err == FL_ERR_DNS);
        a->failed = true;
    } else {
        a->wrote += count;
    }
}

static void on_timer(struct fl_timer *timer)
{
    struct actor *a = fl_container_of(timer, struct actor, timer);
    struct fl_rng *r = &a->party->rng;
    uint64_t dice = fl_rng_below(r, 100);
    assert_non_null(a->stream);
    if (dice < 2) {
        leave(a);
        return;
    }
    if (dice < 12) {
        a->paused = !a->paused;
        (a->paused ? a->stream->ops->pause : a->stream->ops->resume)(a->stream);
    } else if (a->writes_left > 0 && a->stream->queued == 0 && !a->failed) {
        a->writes_left--;
        write_some(a);
    } else if (a->writes_left == 0 && !a->finished) {
        a->finished = true;
        a->stream->ops->finish(a->stream);
    }
    fl_sys_timer_in(sys_of(a), timer, fl_rng_below(r, 50 * FL_NS_MS));
}

static void on_opened(void *owner, enum fl_err err)
{
    struct actor *a = owner;
    assert_false(a->opened);
    assert_int_equal(a->got, 0);
    a->opened = true;
    if (err) {
        assert_true(err == FL_ERR_CONNECT);
        a->ended = true;
        leave(a);
    }
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct actor *a = owner;
    assert_non_null(a->stream);
    assert_true(a->opened && !a->ended && !a->paused && bytes.len > 0);
    assert_non_null(a->other);
    assert_true(a->got + bytes.len <= a->other->wrote);
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(bytes.ptr[i], byte_of(a->other, a->got + i));
    }
    a->got += bytes.len;
    if (fl_rng_below(&a->party->rng, 400) == 0) {
        leave(a);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    struct actor *a = owner;
    assert_true(a->opened && !a->ended && !a->paused);
    assert_true(err == FL_OK || err == FL_ERR_RESET);
    a->ended = true;
    if (err == FL_OK && a->other->finished && a->other->stream && a->party->faults.fin == 0) {
        assert_int_equal(a->got, a->other->wrote);
    }
}

static void on_drained(void *owner)
{
    struct actor *a = owner;
    assert_non_null(a->stream);
    assert_int_equal(a->stream->queued, 0);
}

static const struct fl_stream_events events = {on_opened, on_bytes, on_ended, on_drained, NULL, NULL};

static void begin(struct actor *a)
{
    a->writes_left = (unsigned)fl_rng_below(&a->party->rng, 20);
    a->timer.fire = on_timer;
    fl_sys_timer_in(sys_of(a), &a->timer, fl_rng_below(&a->party->rng, 50 * FL_NS_MS));
}

/* The dialler is known by its port: they are given out in the order of dialling. */
static void on_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct party *p = owner;
    unsigned i = peer->port - 32768U;
    assert_true(i < pairs_max);
    struct actor *a = &p->actors[i][1];
    a->other = &p->actors[i][0];
    p->actors[i][0].other = a;
    a->opened = true;
    a->stream = stream;
    stream->on = &events;
    stream->owner = a;
    begin(a);
}

static void on_dial(void *owner, const struct fl_world_dial *dial, struct fl_world_link *link)
{
    struct party *p = owner;
    (void)dial;
    fl_world_draw_faults(&p->rng, &p->faults, link);
}

static void close_rest(struct party *p)
{
    for (unsigned i = 0; i < pairs_max * 2; i++) {
        struct actor *a = &p->actors[i / 2][i % 2];
        if (a->stream) {
            leave(a);
        }
    }
}

static uint64_t run(uint64_t seed)
{
    static struct party p;
    struct fl_addr at;
    struct fl_listener *listener;
    p = (struct party){.w = fl_world_create(seed)};
    fl_rng_seed(&p.rng, ~seed);
    p.faults = fl_world_swarm(&p.rng);
    p.here = fl_world_sys(p.w, "10.0.0.1");
    p.there = fl_world_sys(p.w, "10.0.0.2");
    fl_world_on_dial(p.w, on_dial, &p);
    assert_true(fl_addr_parse(FL_LIT("10.0.0.2:99"), &at));
    assert_int_equal(p.there->ops->listen(p.there, &at, on_accepted, &p, &listener, &at), FL_OK);
    for (unsigned i = 0; i < pairs_max; i++) {
        struct actor *a = &p.actors[i][0];
        a->party = p.actors[i][1].party = &p;
        assert_int_equal(p.here->ops->dial(p.here, FL_LIT("10.0.0.2"), 99, &events, a, &a->stream),
                         FL_OK);
        begin(a);
    }
    fl_world_run_for(p.w, fl_rng_below(&p.rng, 10 * FL_NS_S));
    if (fl_rng_below(&p.rng, 4) == 0) {
        fl_world_kill(p.w, "10.0.0.2:99");
    }
    fl_world_run_for(p.w, 20 * FL_NS_S);
    close_rest(&p);
    fl_world_run_for(p.w, 200 * FL_NS_S);
    assert_int_equal(fl_world_connections(p.w), 0);
    assert_int_equal(fl_world_stats(p.here).streams_open + fl_world_stats(p.there).streams_open, 0);
    assert_int_equal(p.here->timers.count + p.there->timers.count, 0);
    assert_false(fl_world_step(p.w));
    uint64_t hash = fl_world_hash(p.w);
    p.there->ops->unlisten(p.there, listener);
    fl_world_destroy(p.w);
    return hash;
}

static uint64_t seed_now;

/* A seed that failed is printed, so that it can be run alone. */
static int print_seed(void **state)
{
    (void)state;
    print_message("last seed: %llu\n", (unsigned long long)seed_now);
    return 0;
}

static void laws_hold_for_many_seeds(void **state)
{
    const char *more = getenv("FL_SIM_SEEDS");
    uint64_t seeds = runs;
    (void)state;
    if (more && !fl_slice_u64(fl_slice_cstr(more), &seeds)) {
        fail();
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        seed_now = seed;
        uint64_t hash = run(seed);
        if (seed % 50 == 0) {
            assert_int_equal(run(seed), hash);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(laws_hold_for_many_seeds, print_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The world keeps the contract of base/sys.h, and catches callers who do not. */
#include "unit/cm.h"

#include "base/assert.h"
#include "base/hash.h"
#include "sim/fifo.h"
#include "sim/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* One end of a connection that records what happens to it. */
struct end {
    struct fl_sys *sys;
    struct fl_stream *stream;
    struct fl_fifo got;
    unsigned opened, ended, drained, pieces;
    enum fl_err open_err, end_err;
    uint64_t ended_ns;
    bool echo, close_at_end;
    size_t close_after; /* bytes got */
    enum fl_close close_how;
    struct fl_addr peer;
};

static void shut(struct end *e, enum fl_close how)
{
    fl_stream_close(e->stream, how);
    e->stream = NULL;
}

static void on_opened(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->opened++;
    e->open_err = err;
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct end *e = owner;
    e->pieces++;
    fl_fifo_put(&e->got, bytes.ptr, bytes.len);
    if (e->echo && fl_stream_write(e->stream, &bytes, 1) == FL_OK && e->stream->queued > 0) {
        e->stream->ops->pause(e->stream);
    }
    if (e->close_after > 0 && e->got.len >= e->close_after) {
        shut(e, e->close_how);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->ended++;
    e->end_err = err;
    e->ended_ns = e->sys->now_ns;
    if (e->close_at_end) {
        shut(e, FL_CLOSE_FLUSH);
    }
}

static void on_drained(void *owner)
{
    struct end *e = owner;
    e->drained++;
    assert_int_equal(e->stream->queued, 0);
    if (e->echo) {
        e->stream->ops->resume(e->stream);
    }
}

static const struct fl_stream_events events = {on_opened, on_bytes, on_ended, on_drained};

/* Two nodes: a dials b, which listens at 10.0.0.2:80 under the name "b.test". */
struct pair {
    struct fl_world *w;
    struct end a, b;
    struct fl_listener *listener;
};

static void on_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct pair *p = owner;
    assert_null(p->b.stream);
    p->b.stream = stream;
    p->b.peer = *peer;
    stream->on = &events;
    stream->owner = &p->b;
}

static void setup(struct pair *p, uint64_t seed)
{
    struct fl_addr at;
    *p = (struct pair){.w = fl_world_create(seed)};
    p->a.sys = fl_world_sys(p->w, "10.0.0.1");
    p->b.sys = fl_world_sys(p->w, "10.0.0.2");
    fl_world_name(p->w, "b.test", "10.0.0.2");
    assert_true(fl_addr_parse(FL_LIT("0.0.0.0:80"), &at));
    assert_int_equal(p->b.sys->ops->listen(p->b.sys, &at, on_accepted, p, &p->listener, &at),
                     FL_OK);
}

static void teardown(struct pair *p)
{
    if (p->listener) {
        p->b.sys->ops->unlisten(p->b.sys, p->listener);
    }
    fl_fifo_finish(&p->a.got);
    fl_fifo_finish(&p->b.got);
    fl_world_destroy(p->w);
}

static void dial(struct pair *p, const char *host)
{
    assert_int_equal(
        p->a.sys->ops->dial(p->a.sys, fl_slice_cstr(host), 80, &events, &p->a, &p->a.stream),
        FL_OK);
}

static void write_text(struct end *e, const char *text)
{
    struct fl_slice piece = fl_slice_cstr(text);
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static char pattern(size_t i)
{
    return (char)fl_mix64(i);
}

static void write_pattern(struct end *e, size_t count)
{
    char *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = pattern(i);
    }
    struct fl_slice pieces[2] = {fl_slice(bytes, count / 3),
                                 fl_slice_from(fl_slice(bytes, count), count / 3)};
    assert_int_equal(fl_stream_write(e->stream, pieces, 2), FL_OK);
    memset(bytes, 0, count);
    free(bytes);
}

static void assert_pattern(const struct end *e, size_t count)
{
    struct fl_slice got = fl_fifo_slice(&e->got);
    assert_int_equal(got.len, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got.ptr[i], pattern(i));
    }
}

static bool both_open(void *owner)
{
    struct pair *p = owner;
    return p->a.opened > 0 && p->b.stream;
}

static void connect_pair(struct pair *p)
{
    dial(p, "10.0.0.2");
    assert_true(fl_world_run_until(p->w, both_open, p, FL_NS_S));
    assert_int_equal(p->a.open_err, FL_OK);
}

static struct fl_world_link plain_link(struct pair *p)
{
    struct fl_world_link link = fl_world_link(p->w);
    link.partial_permille = 0;
    return link;
}

static void plan(struct pair *p, const struct fl_world_link *link)
{
    fl_world_plan(p->w, "10.0.0.2:80", link, 1);
}

/* --- The way of a connection --- */

static void echo_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct pair p;
        setup(&p, seed);
        dial(&p, "b.test");
        write_pattern(&p.a, 100000); /* before opened: waits */
        assert_int_equal(p.a.stream->queued, 100000);
        p.a.stream->ops->finish(p.a.stream);
        p.b.echo = p.b.close_at_end = true;
        fl_world_run_for(p.w, 60 * FL_NS_S);
        assert_int_equal(p.a.opened, 1);
        assert_int_equal(p.a.open_err, FL_OK);
        assert_pattern(&p.a, 100000);
        assert_pattern(&p.b, 100000);
        assert_int_equal(p.a.ended, 1);
        assert_int_equal(p.a.end_err, FL_OK);
        assert_int_equal(p.b.ended, 1);
        assert_true(p.a.drained >= 1);
        assert_null(p.b.stream);
        assert_int_equal(p.b.peer.bytes[3], 1);
        shut(&p.a, FL_CLOSE_NOW);
        fl_world_run_for(p.w, 5 * FL_NS_S);
        assert_int_equal(fl_world_connections(p.w), 0);
        assert_int_equal(fl_world_stats(p.a.sys).streams_open, 0);
        assert_int_equal(fl_world_stats(p.b.sys).streams_total, 1);
        teardown(&p);
    }
}

static void events_come_only_from_steps(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 7);
    dial(&p, "10.0.0.2");
    assert_int_equal(p.a.opened, 0);
    while (p.a.opened == 0) {
        unsigned before = p.a.opened + p.a.pieces;
        assert_true(fl_world_step(p.w));
        assert_true(p.a.opened + p.a.pieces <= before + 1);
    }
    write_text(&p.a, "x");
    assert_int_equal(p.b.pieces, 0);
    fl_world_run_for(p.w, FL_NS_S);
    assert_slice(fl_fifo_slice(&p.b.got), "x");
    teardown(&p);
}

static void pause_holds_bytes_and_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair p;
        setup(&p, seed);
        connect_pair(&p);
        p.b.stream->ops->pause(p.b.stream);
        write_text(&p.a, "abc");
        p.a.stream->ops->finish(p.a.stream);
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(p.b.pieces, 0);
        assert_int_equal(p.b.ended, 0);
        p.b.stream->ops->resume(p.b.stream);
        assert_int_equal(p.b.pieces, 0);
        fl_world_run_for(p.w, FL_NS_S);
        assert_slice(fl_fifo_slice(&p.b.got), "abc");
        assert_int_equal(p.b.ended, 1);
        write_text(&p.b, "still"); /* half-closed */
        fl_world_run_for(p.w, FL_NS_S);
        assert_slice(fl_fifo_slice(&p.a.got), "still");
        teardown(&p);
    }
}

static void backpressure_is_real(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 3);
    struct fl_world_link link = plain_link(&p);
    link.up.window_bytes = 20000;
    plan(&p, &link);
    connect_pair(&p);
    p.b.stream->ops->pause(p.b.stream);
    write_pattern(&p.a, 50000);
    assert_int_equal(p.a.stream->queued, 30000);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.stream->queued, 30000);
    assert_int_equal(p.a.drained, 0);
    p.b.stream->ops->resume(p.b.stream);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.stream->queued, 0);
    assert_int_equal(p.a.drained, 1);
    assert_pattern(&p.b, 50000);
    assert_int_equal(fl_world_stats(p.a.sys).queued_peak, 30000);
    teardown(&p);
}

static void connect_failures(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 4);
    dial(&p, "nowhere.test");
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.open_err, FL_ERR_DNS);
    struct fl_slice text = FL_LIT("x");
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_DNS);
    shut(&p.a, FL_CLOSE_NOW);

    dial(&p, "10.0.0.9"); /* nobody listens */
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.open_err, FL_ERR_CONNECT);
    shut(&p.a, FL_CLOSE_FLUSH);

    struct fl_world_link link = plain_link(&p);
    link.connect = FL_WORLD_REFUSE;
    plan(&p, &link);
    p.a.open_err = FL_OK;
    dial(&p, "10.0.0.2");
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.open_err, FL_ERR_CONNECT);
    assert_int_equal(p.a.opened, 3);
    shut(&p.a, FL_CLOSE_NOW);

    link.connect = FL_WORLD_BLACKHOLE;
    plan(&p, &link);
    dial(&p, "10.0.0.2");
    fl_world_run_for(p.w, 3600 * FL_NS_S);
    assert_int_equal(p.a.opened, 3);
    shut(&p.a, FL_CLOSE_NOW);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(fl_world_connections(p.w), 0);

    p.a.opened = 0;
    connect_pair(&p); /* the plan is used up */
    fl_world_fail_dial(p.a.sys, 2);
    struct fl_stream *s = NULL;
    assert_int_equal(p.a.sys->ops->dial(p.a.sys, FL_LIT("10.0.0.9"), 1, &events, &p.a, &s), FL_OK);
    fl_stream_close(s, FL_CLOSE_NOW);
    assert_int_equal(p.a.sys->ops->dial(p.a.sys, FL_LIT("10.0.0.9"), 1, &events, &p.a, &s),
                     FL_ERR_SYS);
    fl_world_fail_write(p.a.sys, 1);
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_NOMEM);
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_NOMEM);
    teardown(&p);
}

/* --- Ends --- */

static void reset_after_exactly_n_bytes(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 40; n++) {
        struct pair p;
        setup(&p, n);
        struct fl_world_link link = plain_link(&p);
        link.up.reset_after = n;
        plan(&p, &link);
        connect_pair(&p);
        struct fl_slice text = FL_LIT("0123456789012345678901234567890123456789");
        assert_true(fl_stream_write(p.a.stream, &text, 1) == FL_OK || n == 0);
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(p.b.got.len, n);
        assert_int_equal(p.b.ended, 1);
        assert_int_equal(p.b.end_err, FL_ERR_RESET);
        assert_int_equal(p.a.ended, 1);
        assert_int_equal(p.a.end_err, FL_ERR_RESET);
        assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_RESET);
        shut(&p.a, FL_CLOSE_FLUSH);
        shut(&p.b, FL_CLOSE_NOW);
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(fl_world_connections(p.w), 0);
        teardown(&p);
    }
}

static void fin_after_exactly_n_bytes(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 20; n++) {
        struct pair p;
        setup(&p, n);
        struct fl_world_link link = plain_link(&p);
        link.down.fin_after = n;
        plan(&p, &link);
        connect_pair(&p);
        struct fl_slice text = FL_LIT("01234567890123456789");
        assert_true(fl_stream_write(p.b.stream, &text, 1) == FL_OK);
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(p.a.got.len, n);
        assert_int_equal(p.a.ended, 1);
        assert_int_equal(p.a.end_err, FL_OK);
        assert_int_equal(p.b.end_err, FL_ERR_RESET); /* killed */
        write_text(&p.a, "anybody?");
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(p.b.got.len, 0);
        assert_int_equal(p.a.ended, 1);
        assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_RESET);
        teardown(&p);
    }
}

static void stall_and_go_on(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 5);
    struct fl_world_link link = plain_link(&p);
    link.up.stall_after = 3;
    link.up.stall_ns = 10 * FL_NS_S;
    plan(&p, &link);
    connect_pair(&p);
    write_text(&p.a, "abcdef");
    p.a.stream->ops->finish(p.a.stream);
    fl_world_run_for(p.w, 9 * FL_NS_S);
    assert_slice(fl_fifo_slice(&p.b.got), "abc");
    assert_int_equal(p.b.ended, 0);
    fl_world_run_for(p.w, 2 * FL_NS_S);
    assert_slice(fl_fifo_slice(&p.b.got), "abcdef");
    assert_int_equal(p.b.ended, 1);
    teardown(&p);
}

static void stall_for_good(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 6);
    struct fl_world_link link = plain_link(&p);
    link.down.stall_after = 0;
    plan(&p, &link);
    connect_pair(&p);
    write_text(&p.b, "lost");
    fl_world_run_for(p.w, FL_NS_S);
    shut(&p.b, FL_CLOSE_RESET);
    fl_world_run_for(p.w, 100000 * FL_NS_S);
    assert_int_equal(p.a.ended + p.a.pieces, 0);
    shut(&p.a, FL_CLOSE_NOW);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(fl_world_connections(p.w), 0);
    teardown(&p);
}

static void slow_line_paces(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 8);
    struct fl_world_link link = plain_link(&p);
    link.up.bytes_per_s = 1000;
    plan(&p, &link);
    connect_pair(&p);
    uint64_t start_ns = fl_world_now(p.w);
    write_pattern(&p.a, 5000);
    p.a.stream->ops->finish(p.a.stream);
    fl_world_run_for(p.w, 60 * FL_NS_S);
    assert_pattern(&p.b, 5000);
    assert_in_range(p.b.ended_ns - start_ns, 4900 * FL_NS_MS, 5200 * FL_NS_MS);
    teardown(&p);
}

static void close_with_unread_bytes_resets(void **state)
{
    (void)state;
    unsigned whole = 0, lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct pair p;
        setup(&p, seed);
        struct fl_world_link link = plain_link(&p);
        plan(&p, &link);
        connect_pair(&p);
        p.b.stream->ops->pause(p.b.stream);
        p.a.stream->ops->pause(p.a.stream);
        write_text(&p.a, "unread");
        fl_world_run_for(p.w, FL_NS_S);
        write_text(&p.b, "last words");
        shut(&p.b, FL_CLOSE_NOW);
        fl_world_run_for(p.w, FL_NS_S);
        p.a.stream->ops->resume(p.a.stream);
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(p.a.end_err, FL_ERR_RESET);
        whole += p.a.got.len == 10;
        lost += p.a.got.len == 0;
        teardown(&p);
    }
    assert_int_equal(whole + lost, 40);
    assert_in_range(whole, 8, 32);
}

static void flush_lets_the_last_words_be_read(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct pair p;
        setup(&p, seed);
        connect_pair(&p);
        write_pattern(&p.a, 300000); /* more than any window: b never reads it */
        p.b.stream->ops->pause(p.b.stream);
        fl_world_run_for(p.w, 100 * FL_NS_MS);
        write_text(&p.b, "413 too large");
        shut(&p.b, FL_CLOSE_FLUSH);
        fl_world_run_for(p.w, FL_NS_S);
        assert_slice(fl_fifo_slice(&p.a.got), "413 too large");
        assert_int_equal(p.a.ended, 1);
        assert_int_equal(p.a.end_err, FL_OK);
        assert_int_equal(p.a.stream->queued, 0); /* b read and dropped it */
        shut(&p.a, FL_CLOSE_NOW);
        fl_world_run_for(p.w, 3 * FL_NS_S);
        assert_int_equal(fl_world_connections(p.w), 0);
        teardown(&p);
    }
}

static void flush_gives_up(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 9);
    connect_pair(&p);
    p.a.stream->ops->pause(p.a.stream);
    write_pattern(&p.b, 600000); /* a reads none of it */
    shut(&p.b, FL_CLOSE_FLUSH);
    fl_world_run_for(p.w, 25 * FL_NS_S);
    p.a.stream->ops->resume(p.a.stream);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.end_err, FL_ERR_RESET);
    teardown(&p);
}

static void bytes_for_a_closed_stream_reset_the_sender(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 10);
    connect_pair(&p);
    shut(&p.b, FL_CLOSE_NOW);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.ended, 1);
    assert_int_equal(p.a.end_err, FL_OK);
    write_text(&p.a, "hello?");
    fl_world_run_for(p.w, FL_NS_S);
    struct fl_slice text = FL_LIT("x");
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_RESET);
    assert_int_equal(p.a.ended, 1); /* once */
    teardown(&p);
}

static void who_waits_for_room_learns_of_a_reset(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 11);
    connect_pair(&p);
    p.a.stream->ops->pause(p.a.stream);
    p.b.stream->ops->pause(p.b.stream);
    write_pattern(&p.a, 600000);
    assert_true(p.a.stream->queued > 0);
    fl_world_run_for(p.w, FL_NS_S);
    fl_world_kill(p.w, "10.0.0.2:80");
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.ended, 0);
    assert_int_equal(p.a.drained, 1);
    struct fl_slice text = FL_LIT("x");
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_RESET);
    p.a.stream->ops->resume(p.a.stream);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.end_err, FL_ERR_RESET);
    teardown(&p);
}

static void no_event_after_close(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct pair p;
        setup(&p, seed);
        p.b.echo = true;
        p.a.close_after = 1 + seed * 13;
        p.a.close_how = (enum fl_close)(seed % 3);
        dial(&p, "b.test");
        write_pattern(&p.a, 20000);
        fl_world_run_for(p.w, 30 * FL_NS_S);
        assert_null(p.a.stream);
        assert_in_range(p.a.got.len, p.a.close_after, 20000);
        assert_int_equal(p.a.ended, 0);
        assert_int_equal(p.b.ended, 1);
        shut(&p.b, FL_CLOSE_NOW);
        fl_world_run_for(p.w, FL_NS_S);
        assert_int_equal(fl_world_connections(p.w), 0);
        teardown(&p);
    }
}

static void close_while_connecting(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 3; steps++) {
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct pair p;
            setup(&p, seed);
            dial(&p, "b.test");
            write_text(&p.a, "never sent");
            for (unsigned i = 0; i < steps && p.a.opened == 0; i++) {
                fl_world_step(p.w);
            }
            assert_int_equal(p.a.opened, 0);
            shut(&p.a, (enum fl_close)(seed % 3));
            fl_world_run_for(p.w, FL_NS_S);
            assert_int_equal(p.a.opened, 0);
            if (steps == 2) {
                assert_int_equal(p.b.ended, 1);
                assert_int_equal(p.b.got.len, 0);
                shut(&p.b, FL_CLOSE_NOW);
            }
            fl_world_run_for(p.w, FL_NS_S);
            assert_null(p.b.stream);
            assert_int_equal(fl_world_connections(p.w), 0);
            teardown(&p);
        }
    }
}

/* --- Clock --- */

struct tick {
    struct fl_timer timer;
    struct fl_sys *sys;
    uint64_t at_ns;
    unsigned count;
};

static void on_tick(struct fl_timer *timer)
{
    struct tick *t = fl_container_of(timer, struct tick, timer);
    t->at_ns = t->sys->now_ns;
    if (++t->count < 3) {
        fl_sys_timer_in(t->sys, &t->timer, 0);
    }
}

static void timers_fire_on_time(void **state)
{
    (void)state;
    struct fl_world *w = fl_world_create(1);
    struct tick one = {.timer.fire = on_tick, .sys = fl_world_sys(w, "10.0.0.1")};
    struct tick two = {.timer.fire = on_tick, .sys = fl_world_sys(w, "10.0.0.2"), .count = 9};
    uint64_t start_ns = fl_world_now(w), wall_ns = one.sys->ops->wall_ns(one.sys);
    fl_sys_timer_in(one.sys, &one.timer, 5 * FL_NS_S);
    fl_sys_timer_in(two.sys, &two.timer, 2 * FL_NS_S);
    assert_true(fl_world_step(w));
    assert_int_equal(two.at_ns, start_ns + 2 * FL_NS_S);
    assert_int_equal(one.sys->now_ns, two.at_ns);
    assert_int_equal(one.count, 0);
    assert_true(fl_world_step(w));
    assert_int_equal(one.count, 1); /* one step, one timer, although it set itself to now */
    assert_int_equal(one.at_ns, start_ns + 5 * FL_NS_S);
    assert_true(fl_world_step(w) && fl_world_step(w));
    assert_int_equal(one.count, 3);
    assert_false(fl_world_step(w));
    fl_world_run_for(w, FL_NS_S);
    assert_int_equal(fl_world_now(w), start_ns + 6 * FL_NS_S);
    assert_int_equal(one.sys->ops->wall_ns(one.sys), wall_ns + 6 * FL_NS_S);
    fl_world_wall_jump(w, -(int64_t)FL_NS_S);
    assert_int_equal(one.sys->ops->wall_ns(one.sys), wall_ns + 5 * FL_NS_S);
    assert_int_equal(one.sys->ops->clock_ns(one.sys), start_ns + 6 * FL_NS_S);
    assert_int_equal(fl_world_steps(w), 4);
    fl_world_destroy(w);
}

/* --- Same seed, same run --- */

static uint64_t run_hash(uint64_t seed)
{
    struct pair p;
    unsigned char entropy[8];
    setup(&p, seed);
    p.b.echo = true;
    dial(&p, "b.test");
    write_pattern(&p.a, 200000);
    fl_world_run_for(p.w, 10 * FL_NS_S);
    p.a.sys->ops->entropy(p.a.sys, entropy, sizeof(entropy));
    uint64_t hash = fl_world_hash(p.w);
    assert_int_equal(p.a.got.len, 200000);
    teardown(&p);
    return fl_mix64(hash ^ entropy[0]);
}

static void a_seed_replays(void **state)
{
    (void)state;
    uint64_t first = run_hash(42);
    assert_int_equal(run_hash(42), first);
    assert_int_not_equal(run_hash(43), first);
}

static void two_workers_share_an_address(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 12);
    struct pair other = {.w = p.w};
    struct fl_addr at;
    other.b.sys = fl_world_sys(p.w, "10.0.0.2");
    assert_true(fl_addr_parse(FL_LIT("10.0.0.2:80"), &at));
    assert_int_equal(
        other.b.sys->ops->listen(other.b.sys, &at, on_accepted, &other, &other.listener, NULL),
        FL_OK);
    unsigned first = 0, second = 0;
    for (unsigned i = 0; i < 100; i++) {
        dial(&p, "10.0.0.2");
        fl_world_run_for(p.w, FL_NS_S);
        first += p.b.stream != NULL;
        second += other.b.stream != NULL;
        shut(p.b.stream ? &p.b : &other.b, FL_CLOSE_NOW);
        shut(&p.a, FL_CLOSE_NOW);
    }
    assert_int_equal(first + second, 100);
    assert_in_range(first, 30, 70);
    other.b.sys->ops->unlisten(other.b.sys, other.listener);
    teardown(&p);
}

static void loopback_stays_at_home(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 13);
    struct fl_addr at;
    struct fl_listener *l;
    assert_true(fl_addr_parse(FL_LIT("127.0.0.1:0"), &at));
    assert_int_equal(p.b.sys->ops->listen(p.b.sys, &at, on_accepted, &p, &l, &at), FL_OK);
    assert_int_not_equal(at.port, 0);
    assert_int_equal(
        p.a.sys->ops->dial(p.a.sys, FL_LIT("10.0.0.2"), at.port, &events, &p.a, &p.a.stream),
        FL_OK);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.open_err, FL_ERR_CONNECT);
    shut(&p.a, FL_CLOSE_NOW);
    struct end home = {.sys = p.b.sys};
    assert_int_equal(
        p.b.sys->ops->dial(p.b.sys, FL_LIT("localhost"), at.port, &events, &home, &home.stream),
        FL_OK);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(home.opened, 1);
    assert_int_equal(home.open_err, FL_OK);
    p.b.sys->ops->unlisten(p.b.sys, l);
    teardown(&p);
}

/* --- Callers who break the contract --- */

static void close_twice(struct pair *p)
{
    struct fl_stream *s = p->a.stream;
    fl_stream_close(s, FL_CLOSE_NOW);
    fl_stream_close(s, FL_CLOSE_NOW);
}

static void write_after_close(struct pair *p)
{
    struct fl_stream *s = p->a.stream;
    struct fl_slice text = FL_LIT("x");
    fl_stream_close(s, FL_CLOSE_NOW);
    (void)fl_stream_write(s, &text, 1);
}

static void write_after_finish(struct pair *p)
{
    p->a.stream->ops->finish(p->a.stream);
    write_text(&p->a, "x");
}

static void finish_twice(struct pair *p)
{
    p->a.stream->ops->finish(p->a.stream);
    p->a.stream->ops->finish(p->a.stream);
}

static void pause_after_close(struct pair *p)
{
    struct fl_stream *s = p->a.stream;
    fl_stream_close(s, FL_CLOSE_NOW);
    s->ops->pause(s);
}

static void step_in_step(struct pair *p);
static struct pair *stepping;

static void on_step_bytes(void *owner, struct fl_slice bytes)
{
    (void)owner;
    (void)bytes;
    (void)fl_world_step(stepping->w);
}

static void step_in_step(struct pair *p)
{
    static const struct fl_stream_events nested = {on_opened, on_step_bytes, on_ended, on_drained};
    stepping = p;
    p->b.stream->on = &nested;
    write_text(&p->a, "x");
    fl_world_run_for(p->w, FL_NS_S);
}

static void assert_aborts(void (*wrong)(struct pair *p))
{
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct pair p;
        (void)signal(SIGABRT, SIG_DFL);
        (void)!freopen("/dev/null", "w", stderr);
        setup(&p, 1);
        connect_pair(&p);
        wrong(&p);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void broken_contracts_abort(void **state)
{
    (void)state;
    assert_aborts(close_twice);
    assert_aborts(write_after_close);
    assert_aborts(write_after_finish);
    assert_aborts(finish_twice);
    assert_aborts(pause_after_close);
    assert_aborts(step_in_step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_round_trip),
        cmocka_unit_test(events_come_only_from_steps),
        cmocka_unit_test(pause_holds_bytes_and_end),
        cmocka_unit_test(backpressure_is_real),
        cmocka_unit_test(connect_failures),
        cmocka_unit_test(reset_after_exactly_n_bytes),
        cmocka_unit_test(fin_after_exactly_n_bytes),
        cmocka_unit_test(stall_and_go_on),
        cmocka_unit_test(stall_for_good),
        cmocka_unit_test(slow_line_paces),
        cmocka_unit_test(close_with_unread_bytes_resets),
        cmocka_unit_test(flush_lets_the_last_words_be_read),
        cmocka_unit_test(flush_gives_up),
        cmocka_unit_test(bytes_for_a_closed_stream_reset_the_sender),
        cmocka_unit_test(who_waits_for_room_learns_of_a_reset),
        cmocka_unit_test(no_event_after_close),
        cmocka_unit_test(close_while_connecting),
        cmocka_unit_test(timers_fire_on_time),
        cmocka_unit_test(a_seed_replays),
        cmocka_unit_test(two_workers_share_an_address),
        cmocka_unit_test(loopback_stays_at_home),
        cmocka_unit_test(broken_contracts_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

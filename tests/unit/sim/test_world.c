/* SPDX-License-Identifier: Apache-2.0 */
/* The world keeps the contract of base/sys.h: bytes, backpressure, failures, clock, replay. */
#include "unit/sim/pair.h"

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
    assert_int_equal(p.a.sys->ops->dial(p.a.sys, FL_LIT("10.0.0.9"), 1, &end_events, &p.a, &s),
                     FL_OK);
    fl_stream_close(s, FL_CLOSE_NOW);
    assert_int_equal(p.a.sys->ops->dial(p.a.sys, FL_LIT("10.0.0.9"), 1, &end_events, &p.a, &s),
                     FL_ERR_SYS);
    fl_world_fail_write(p.a.sys, 1);
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_NOMEM);
    assert_int_equal(fl_stream_write(p.a.stream, &text, 1), FL_ERR_NOMEM);
    teardown(&p);
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

static void count_woken(void *owner)
{
    ++*(unsigned *)owner;
}

static void a_node_is_woken_once_and_later(void **state)
{
    (void)state;
    struct fl_world *w = fl_world_create(3);
    struct fl_sys *a = fl_world_sys(w, "10.0.0.1"), *b = fl_world_sys(w, "10.0.0.2");
    unsigned count = 0;
    a->woken = count_woken;
    a->woken_owner = &count;
    a->ops->wake(a);
    a->ops->wake(a);
    b->ops->wake(b); /* nobody listens there */
    assert_int_equal(count, 0);
    fl_world_run_for(w, 0);
    assert_int_equal(count, 1);
    a->ops->wake(a);
    fl_world_run_for(w, 0);
    assert_int_equal(count, 2);
    fl_world_destroy(w);
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
        p.a.sys->ops->dial(p.a.sys, FL_LIT("10.0.0.2"), at.port, &end_events, &p.a, &p.a.stream),
        FL_OK);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(p.a.open_err, FL_ERR_CONNECT);
    shut(&p.a, FL_CLOSE_NOW);
    struct end home = {.sys = p.b.sys};
    assert_int_equal(
        p.b.sys->ops->dial(p.b.sys, FL_LIT("localhost"), at.port, &end_events, &home, &home.stream),
        FL_OK);
    fl_world_run_for(p.w, FL_NS_S);
    assert_int_equal(home.opened, 1);
    assert_int_equal(home.open_err, FL_OK);
    p.b.sys->ops->unlisten(p.b.sys, l);
    teardown(&p);
}

static void on_note(void *owner, const struct fl_world_note *note)
{
    struct fl_buf *lines = owner;
    fl_world_put_note(note, lines);
    fl_buf_putc(lines, '\n');
}

static void the_trace_reads_well(void **state)
{
    (void)state;
    struct pair p;
    struct fl_buf lines;
    setup(&p, 14);
    fl_buf_init(&lines, 1 << 20);
    struct fl_world_link link = plain_link(&p);
    link.latency_ns = FL_NS_MS;
    link.jitter_ns = 0;
    link.chop = FL_WORLD_WHOLE;
    plan(&p, &link);
    fl_world_on_note(p.w, on_note, &lines);
    connect_pair(&p);
    write_text(&p.a, "a\n");
    shut(&p.a, FL_CLOSE_FLUSH);
    fl_world_run_for(p.w, FL_NS_S);
    assert_slice(fl_buf_slice(&lines), "1.001000 node 2 conn <1 accepted\n"
                                       "1.002000 node 1 conn >1 opened ok\n"
                                       "1.002000 node 1 conn >1 wrote 2 \"a\\n\"\n"
                                       "1.002000 node 1 conn >1 closed flush\n"
                                       "1.003000 node 2 conn <1 bytes 2 \"a\\n\"\n"
                                       "1.003000 node 2 conn <1 ended ok\n");
    fl_buf_finish(&lines);
    teardown(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_round_trip),
        cmocka_unit_test(events_come_only_from_steps),
        cmocka_unit_test(pause_holds_bytes_and_end),
        cmocka_unit_test(backpressure_is_real),
        cmocka_unit_test(connect_failures),
        cmocka_unit_test(timers_fire_on_time),
        cmocka_unit_test(a_node_is_woken_once_and_later),
        cmocka_unit_test(a_seed_replays),
        cmocka_unit_test(two_workers_share_an_address),
        cmocka_unit_test(loopback_stays_at_home),
        cmocka_unit_test(the_trace_reads_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

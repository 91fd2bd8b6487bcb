/* SPDX-License-Identifier: Apache-2.0 */
/* How connections end, and what the world does to callers who break the contract of base/sys.h. */
#include "unit/sim/pair.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void flush_after_the_peers_end_is_quick(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, 16);
    connect_pair(&p);
    shut(&p.a, FL_CLOSE_NOW);
    fl_world_run_for(p.w, 100 * FL_NS_MS);
    assert_int_equal(p.b.ended, 1);
    shut(&p.b, FL_CLOSE_FLUSH);
    fl_world_run_for(p.w, 100 * FL_NS_MS); /* nothing to linger for */
    assert_int_equal(fl_world_connections(p.w), 0);
    teardown(&p);
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
    static const struct fl_stream_events nested = {on_opened, on_step_bytes, on_ended, on_drained, NULL, NULL};
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
        cmocka_unit_test(reset_after_exactly_n_bytes),
        cmocka_unit_test(fin_after_exactly_n_bytes),
        cmocka_unit_test(stall_and_go_on),
        cmocka_unit_test(stall_for_good),
        cmocka_unit_test(slow_line_paces),
        cmocka_unit_test(close_with_unread_bytes_resets),
        cmocka_unit_test(flush_lets_the_last_words_be_read),
        cmocka_unit_test(flush_after_the_peers_end_is_quick),
        cmocka_unit_test(flush_gives_up),
        cmocka_unit_test(bytes_for_a_closed_stream_reset_the_sender),
        cmocka_unit_test(who_waits_for_room_learns_of_a_reset),
        cmocka_unit_test(no_event_after_close),
        cmocka_unit_test(close_while_connecting),
        cmocka_unit_test(broken_contracts_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

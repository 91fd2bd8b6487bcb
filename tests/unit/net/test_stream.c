/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes, ends and closes of one connection. */
#include "unit/net/rig.h"

#include "base/rng.h"

static void bytes_go_there_and_back(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_hello, .on_bytes = hello_is_back};
    struct end server = {.on_bytes = echo};
    init(&w);
    dial(&w, &client, &server);
    assert_int_equal(client.opened, 0); /* never from inside a call */
    fl_net_run(w.net);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.reads, 1);
    assert_int_equal(server.opened, 0);
    assert_int_equal(client.ended + server.ended + client.drained + server.drained, 0);
    finish(&w);
}

static void five_in_the_room(struct end *e, struct fl_slice bytes)
{
    if (e->reads == 1) {
        assert_ptr_equal(bytes.ptr, e->room);
        assert_slice(bytes, "hello");
        e->room_bytes = 0;
        return;
    }
    assert_false(bytes.ptr >= e->room && bytes.ptr < e->room + sizeof(e->room));
    assert_slice(bytes, " there");
    close_both(e);
}

static void bytes_come_where_they_are_wanted(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_hello};
    struct end server = {.on_bytes = five_in_the_room, .room_bytes = 5};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(server.reads, 2);
    assert_memory_equal(server.room, "hello\0\0", 8);
    finish(&w);
}

static void twelve(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->got_bytes == 12) {
        fl_net_stop(e->w->net);
    }
}

static void bytes_written_before_opened_are_queued(void **state)
{
    (void)state;
    struct world w;
    struct end client = {0}, server = {.on_bytes = twelve};
    init(&w);
    dial(&w, &client, &server);
    say(&client, "first ");
    say(&client, "second");
    assert_int_equal(client.stream->queued, 12);
    client.stream->ops->finish(client.stream);
    server.on_ended = stop;
    fl_net_run(w.net);
    while (server.ended == 0 || client.drained == 0) {
        client.on_drained = stop;
        fl_net_run(w.net);
    }
    assert_int_equal(server.got_sum, sum(0, FL_LIT("first second")));
    assert_int_equal(server.ended_err, FL_OK);
    assert_int_equal(client.drained, 1);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    finish(&w);
}

/* Backpressure */

#define BULK_BYTES (24 * 1024 * 1024)

static void send_bulk(struct end *e)
{
    static char block[100000];
    struct fl_rng rng;
    fl_rng_seed(&rng, e->left_bytes);
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (char)fl_rng_next(&rng);
    }
    while (e->left_bytes > 0 && e->stream->queued == 0) {
        size_t n = e->left_bytes < sizeof(block) ? (size_t)e->left_bytes : sizeof(block);
        struct fl_slice pieces[20];
        for (size_t i = 0; i < 20; i++) { /* more pieces than go in one call */
            pieces[i] = fl_slice(block + n * i / 20, n * (i + 1) / 20 - n * i / 20);
        }
        e->got_sum = sum(e->got_sum, fl_slice(block, n)); /* of what was sent */
        e->left_bytes -= n;
        assert_int_equal(fl_stream_write(e->stream, pieces, 20), FL_OK);
        assert_true(e->stream->queued < sizeof(block));
    }
    if (e->left_bytes == 0) {
        e->stream->ops->finish(e->stream);
    }
}

static void on_wake(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    e->stream->ops->resume(e->stream);
}

static void read_slowly(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->reads % 16 == 1) {
        e->stream->ops->pause(e->stream);
        e->timer.fire = on_wake;
        fl_sys_timer_in(e->w->sys, &e->timer, 2 * FL_NS_MS);
    }
}

static void a_slow_reader_holds_the_writer_back(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = send_bulk, .on_drained = send_bulk, .left_bytes = BULK_BYTES};
    struct end server = {.on_bytes = read_slowly, .on_ended = stop};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(server.got_bytes, BULK_BYTES);
    assert_true(server.got_sum == client.got_sum);
    assert_true(client.drained > 0);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    finish(&w);
}

static void say_one(struct end *e)
{
    say(e, "one");
}

/* Small writes leave at the end of the turn; the owner learns then that they did not go. */

static void write_a_little(struct fl_timer *timer)
{
    static const char block[4000];
    struct end *e = fl_container_of(timer, struct end, timer);
    struct fl_slice piece = fl_slice(block, sizeof(block));
    if (e->stream->queued > 0) {
        return; /* stalled() is on its way */
    }
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    assert_int_equal(e->stream->queued, 0); /* not known yet */
    e->left_bytes += sizeof(block);
    fl_sys_timer_in(e->w->sys, &e->timer, 0);
}

static void begin_writing(struct end *e)
{
    e->timer.fire = write_a_little;
    fl_sys_timer_in(e->w->sys, &e->timer, 0);
}

static void let_read(struct end *e)
{
    assert_true(e->stream->queued <= 4000);
    fl_timers_stop(&e->w->sys->timers, &e->timer);
    e->peer->stream->ops->resume(e->peer->stream);
}

static void read_nothing_at_first(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->reads == 1) {
        e->stream->ops->pause(e->stream);
    }
}

static void all_is_there(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->got_bytes == e->peer->left_bytes) {
        fl_net_stop(e->w->net);
    }
}

static void wait_for_the_rest(struct end *e)
{
    e->peer->on_bytes = all_is_there;
    if (e->peer->got_bytes == e->left_bytes) {
        fl_net_stop(e->w->net);
    }
}

static void a_write_that_did_not_go_after_all_is_told(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = begin_writing, .on_stalled = let_read, .on_drained = wait_for_the_rest};
    struct end server = {.on_bytes = read_nothing_at_first};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.stalled, 1);
    assert_int_equal(client.drained, 1);
    assert_int_equal(server.got_bytes, client.left_bytes);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    finish(&w);
}

/* What was written comes in order, whoever else writes and however large a piece is. */

enum { mixed_writes = 400 };

static void write_mixed(struct end *e)
{
    static char block[40000];
    struct fl_rng rng;
    fl_rng_seed(&rng, 7);
    for (unsigned i = 0; i < mixed_writes; i++) {
        size_t len = (size_t)fl_rng_below(&rng, i % 10 == 0 ? sizeof(block) : 900);
        struct end *to = fl_rng_below(&rng, 3) == 0 ? e->peer : e;
        for (size_t j = 0; j < len; j++) {
            block[j] = (char)fl_rng_next(&rng);
        }
        struct fl_slice piece = fl_slice(block, len);
        to->left_bytes = sum(to->left_bytes, piece);
        assert_int_equal(fl_stream_write(to->stream, &piece, 1), FL_OK);
    }
    e->stream->ops->finish(e->stream);
    e->peer->stream->ops->finish(e->peer->stream);
}

static void begin_mixed(struct end *e, struct fl_slice bytes)
{
    if (e->reads == 1) {
        assert_slice(bytes, "one");
        e->got_sum = 0;
        write_mixed(e);
    }
}

static void stop_when_both_ended(struct end *e)
{
    if (e->peer->ended > 0) {
        fl_net_stop(e->w->net);
    }
}

static void kept_and_large_writes_stay_in_order(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_one, .on_ended = stop_when_both_ended};
    struct end server = {.on_bytes = begin_mixed, .on_ended = stop_when_both_ended};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_true(server.got_sum == client.left_bytes);
    assert_true(client.got_sum == server.left_bytes);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    finish(&w);
}

/* Pause */

static void resume_after_quiet(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    assert_int_equal(e->reads, 1);
    assert_int_equal(e->ended, 0);
    e->stream->ops->resume(e->stream);
    e->stream->ops->pause(e->stream);
    e->stream->ops->resume(e->stream);
    assert_int_equal(e->reads, 1); /* not from inside */
}

static void pause_at_first(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->reads == 1) {
        e->stream->ops->pause(e->stream);
        e->timer.fire = resume_after_quiet;
        fl_sys_timer_in(e->w->sys, &e->timer, 30 * FL_NS_MS);
        say(e->peer, "while paused");
        e->peer->stream->ops->finish(e->peer->stream);
    }
}

static void pause_stops_bytes_and_the_end(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_one};
    struct end server = {.on_bytes = pause_at_first, .on_ended = close_both};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(server.got_bytes, 15);
    assert_int_equal(server.ended_err, FL_OK);
    finish(&w);
}

/* The peer is gone both ways at once (FIN after our FIN), behind bytes, while the reader is paused
 * from inside bytes(): libuv ends the stream without another read. */
static void pause_then_resume_later(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    e->stream->ops->pause(e->stream);
    e->timer.fire = resume_after_quiet;
    fl_sys_timer_in(e->w->sys, &e->timer, 20 * FL_NS_MS);
}

static void answer_and_close(struct end *e)
{
    say(e, "bye");
    fl_stream_close(e->stream, FL_CLOSE_FLUSH);
    e->stream = NULL;
}

static void finish_at_once(struct end *e)
{
    e->stream->ops->finish(e->stream);
}

static void the_end_waits_for_resume(void **state)
{
    (void)state;
    struct world w;
    struct end client = {
        .on_opened = finish_at_once, .on_bytes = pause_then_resume_later, .on_ended = stop};
    struct end server = {.on_ended = answer_and_close};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.got_sum, sum(0, FL_LIT("bye")));
    assert_int_equal(client.ended_err, FL_OK);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    finish(&w);
}

/* Ends */

static void say_late(struct end *e)
{
    assert_int_equal(e->ended_err, FL_OK);
    say(e, "still here");
    fl_stream_close(e->stream, FL_CLOSE_NOW);
}

static void a_half_closed_stream_can_be_written(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = finish_at_once, .on_ended = stop};
    struct end server = {.on_ended = say_late};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.got_sum, sum(0, FL_LIT("still here")));
    assert_int_equal(client.ended_err, FL_OK);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    finish(&w);
}

static void reset_now(struct end *e)
{
    fl_stream_close(e->stream, FL_CLOSE_RESET);
}

static void a_reset_is_an_error(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = reset_now};
    struct end server = {.on_ended = stop};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(server.ended, 1);
    assert_int_equal(server.ended_err, FL_ERR_RESET);
    struct fl_slice piece = FL_LIT("anyone?");
    assert_int_equal(fl_stream_write(server.stream, &piece, 1), FL_ERR_RESET);
    assert_int_equal(fl_stream_write(server.stream, &piece, 1), FL_ERR_RESET);
    assert_int_equal(server.stream->queued, 0);
    fl_stream_close(server.stream, FL_CLOSE_FLUSH);
    finish(&w);
}

static void say_and_reset(struct end *e)
{
    say(e, "last words");
    fl_stream_close(e->stream, FL_CLOSE_RESET);
}

static void a_reset_behind_bytes_is_a_reset(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_and_reset};
    struct end server = {.on_ended = stop};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(server.got_sum, sum(0, FL_LIT("last words")));
    assert_int_equal(server.ended_err, FL_ERR_RESET);
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    finish(&w);
}

static void fill(struct end *e)
{
    static char block[1 << 20];
    struct fl_slice piece = fl_slice(block, sizeof(block));
    e->stream->ops->pause(e->stream); /* does not read: only the queue can tell */
    do {
        assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    } while (e->stream->queued < 16 * sizeof(block)); /* more than the kernel will ever take */
}

static void on_reset_timer(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    fl_stream_close(e->stream, FL_CLOSE_RESET);
}

static void pause_and_reset_later(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    e->stream->ops->pause(e->stream);
    e->timer.fire = on_reset_timer;
    fl_sys_timer_in(e->w->sys, &e->timer, 20 * FL_NS_MS);
}

static void a_queue_that_fails_does_not_leave_its_owner_waiting(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = fill, .on_drained = stop};
    struct end server = {.on_bytes = pause_and_reset_later};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    struct fl_slice piece = FL_LIT("x");
    assert_int_equal(fl_stream_write(client.stream, &piece, 1), FL_ERR_RESET);
    assert_int_equal(client.ended, 0);
    client.on_ended = stop;
    client.stream->ops->resume(client.stream);
    fl_net_run(w.net);
    assert_int_equal(client.ended_err, FL_ERR_RESET);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    finish(&w);
}

/* Closing */

/* The server says its last words while the client is still sending: they must arrive. */
static void last_words(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    static char page[300000];
    struct fl_slice piece = fl_slice(page, sizeof(page));
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    fl_stream_close(e->stream, FL_CLOSE_FLUSH);
}

static void send_half_a_megabyte(struct end *e)
{
    static char body[500000];
    struct fl_slice piece = fl_slice(body, sizeof(body));
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static void a_flushed_close_lets_the_peer_read_to_the_end(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = send_half_a_megabyte, .on_ended = stop};
    struct end server = {.on_bytes = last_words};
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.got_bytes, 300000);
    assert_int_equal(client.ended_err, FL_OK);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    finish(&w);
}

static void flush_now(struct end *e)
{
    say(e, "bye");
    fl_stream_close(e->stream, FL_CLOSE_FLUSH);
}

/* The peer neither reads to the end nor closes: the linger ends after 2 s. */
static void a_flushed_close_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = flush_now};
    struct end server = {.timer.fire = stop_timer};
    init(&w);
    dial(&w, &client, &server);
    fl_sys_timer_in(w.sys, &server.timer, 2300 * FL_NS_MS);
    fl_net_run(w.net);
    assert_int_equal(server.ended_err, FL_OK);
    server.on_ended = NULL;
    say(&server, "hello?"); /* to a closed socket: the kernel answers with a reset */
    fl_sys_timer_in(w.sys, &server.timer, 50 * FL_NS_MS);
    fl_net_run(w.net);
    struct fl_slice piece = FL_LIT("x");
    assert_int_equal(fl_stream_write(server.stream, &piece, 1), FL_ERR_RESET);
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    finish(&w);
}

static void stop_and_forget(struct end *e)
{
    fl_stream_close(e->stream, FL_CLOSE_NOW);
    fl_net_stop(e->w->net);
    memset(e, 0xAA, sizeof(*e)); /* the owner is gone: a later event would show */
}

static void free_in_bytes(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    stop_and_forget(e);
}

static void free_in_opened(struct end *e)
{
    stop_and_forget(e);
}

static void an_owner_may_go_inside_any_event(void **state)
{
    (void)state;
    void (*const hooks[])(struct end *) = {free_in_opened, stop_and_forget};
    for (unsigned i = 0; i < 4; i++) {
        struct world w;
        struct end client = {.on_opened = i == 0 ? hooks[0] : i == 3 ? finish_at_once : say_one};
        struct end server = {0};
        struct fl_net *net;
        init(&w);
        net = w.net;
        server.on_bytes = i == 1 ? free_in_bytes : NULL;
        server.on_ended = i == 3 ? hooks[1] : NULL;
        if (i == 2) { /* with bytes in the queue and more to come */
            client.on_opened = fill;
            server.on_bytes = free_in_bytes;
        }
        dial(&w, &client, &server);
        fl_net_run(net);
        finish(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_there_and_back),
        cmocka_unit_test(bytes_come_where_they_are_wanted),
        cmocka_unit_test(bytes_written_before_opened_are_queued),
        cmocka_unit_test(a_slow_reader_holds_the_writer_back),
        cmocka_unit_test(a_write_that_did_not_go_after_all_is_told),
        cmocka_unit_test(kept_and_large_writes_stay_in_order),
        cmocka_unit_test(pause_stops_bytes_and_the_end),
        cmocka_unit_test(the_end_waits_for_resume),
        cmocka_unit_test(a_half_closed_stream_can_be_written),
        cmocka_unit_test(a_reset_is_an_error),
        cmocka_unit_test(a_reset_behind_bytes_is_a_reset),
        cmocka_unit_test(a_queue_that_fails_does_not_leave_its_owner_waiting),
        cmocka_unit_test(a_flushed_close_lets_the_peer_read_to_the_end),
        cmocka_unit_test(a_flushed_close_does_not_wait_for_ever),
        cmocka_unit_test(an_owner_may_go_inside_any_event),
    };
    return cmocka_run_group_tests_name("net_stream", tests, NULL, NULL);
}

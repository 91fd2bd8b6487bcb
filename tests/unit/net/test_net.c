/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "net/internal.h" /* to answer for the resolver */
#include "net/net.h"
#include "unit/net/tsan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A loop with a listener on loopback. Each test sets the hooks of the two ends that it needs. */
struct world {
    struct fl_net *net;
    struct fl_sys *sys;
    struct fl_listener *listener;
    struct fl_addr addr;
    struct fl_timer guard; /* fails the test that hangs */
    struct end *server;    /* what the next accepted stream becomes */
    unsigned accepted;
};

/* One end of a connection, and what happened to it. */
struct end {
    char room[8];
    size_t room_bytes;
    struct world *w;
    struct fl_stream *stream;
    unsigned opened, ended, drained, reads;
    enum fl_err opened_err, ended_err;
    uint64_t got_bytes, got_sum;
    void (*on_opened)(struct end *e);
    void (*on_bytes)(struct end *e, struct fl_slice bytes);
    void (*on_ended)(struct end *e);
    void (*on_drained)(struct end *e);
    struct end *peer;
    struct fl_timer timer;
    uint64_t left_bytes;
};

static uint64_t sum(uint64_t so_far, struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        so_far = so_far * 31 + (uint8_t)bytes.ptr[i];
    }
    return so_far;
}

static void opened(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->opened++;
    e->opened_err = err;
    if (e->on_opened) {
        e->on_opened(e);
    }
}

static void bytes(void *owner, struct fl_slice bytes)
{
    struct end *e = owner;
    assert_true(bytes.len > 0);
    assert_int_equal(e->ended, 0);
    e->reads++;
    e->got_bytes += bytes.len;
    e->got_sum = sum(e->got_sum, bytes);
    if (e->on_bytes) {
        e->on_bytes(e, bytes);
    }
}

static void ended(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->ended++;
    e->ended_err = err;
    assert_int_equal(e->ended, 1);
    if (e->on_ended) {
        e->on_ended(e);
    }
}

static void drained(void *owner)
{
    struct end *e = owner;
    e->drained++;
    assert_int_equal(e->stream->queued, 0);
    if (e->on_drained) {
        e->on_drained(e);
    }
}

static size_t room(void *owner, char **ret_at)
{
    struct end *e = owner;
    *ret_at = e->room;
    return e->room_bytes;
}

static const struct fl_stream_events events = {opened, bytes, ended, drained, room};

static void accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct world *w = owner;
    assert_int_equal(peer->family, 4);
    assert_int_equal(peer->bytes[0], 127);
    assert_true(peer->port != 0);
    w->accepted++;
    if (!w->server) {
        fl_stream_close(stream, FL_CLOSE_NOW);
        return;
    }
    stream->on = &events;
    stream->owner = w->server;
    w->server->stream = stream;
    w->server = NULL;
}

static void on_guard(struct fl_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for 30 s");
}

static void stop(struct end *e)
{
    fl_net_stop(e->w->net);
}

static void init(struct world *w)
{
    *w = (struct world){.guard.fire = on_guard};
    assert_int_equal(fl_net_create(&w->net), FL_OK);
    w->sys = fl_net_sys(w->net);
    struct fl_addr any;
    assert_true(fl_addr_parse(FL_LIT("127.0.0.1:0"), &any));
    assert_int_equal(w->sys->ops->listen(w->sys, &any, accepted, w, &w->listener, &w->addr), FL_OK);
    assert_true(w->addr.port != 0);
    fl_sys_timer_in(w->sys, &w->guard, 30 * FL_NS_S);
}

static void finish(struct world *w)
{
    fl_net_destroy(w->net);
}

static void dial(struct world *w, struct end *client, struct end *server)
{
    client->w = w;
    server->w = w;
    client->peer = server;
    server->peer = client;
    w->server = server;
    assert_int_equal(w->sys->ops->dial(w->sys, FL_LIT("127.0.0.1"), w->addr.port, &events, client,
                                       &client->stream),
                     FL_OK);
}

static void say(struct end *e, const char *text)
{
    struct fl_slice piece = fl_slice_cstr(text);
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static void echo(struct end *e, struct fl_slice bytes)
{
    assert_int_equal(fl_stream_write(e->stream, &bytes, 1), FL_OK);
}

static void close_both(struct end *e)
{
    fl_stream_close(e->stream, FL_CLOSE_NOW);
    fl_stream_close(e->peer->stream, FL_CLOSE_NOW);
    fl_net_stop(e->w->net);
}

/* Echo */

static void say_hello(struct end *e)
{
    assert_int_equal(e->opened_err, FL_OK);
    struct fl_slice pieces[] = {FL_LIT("hel"), FL_EMPTY, FL_LIT("lo"), FL_LIT(" there")};
    assert_int_equal(fl_stream_write(e->stream, pieces, 4), FL_OK);
    assert_int_equal(e->stream->queued, 0);
}

static void hello_is_back(struct end *e, struct fl_slice bytes)
{
    assert_slice(bytes, "hello there");
    close_both(e);
}

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

static void say_one(struct end *e)
{
    say(e, "one");
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

static void stop_timer(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    fl_net_stop(e->w->net);
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

/* Dialling */

static void a_refused_dial_says_so(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, server = {0};
    init(&w);
    w.sys->ops->unlisten(w.sys, w.listener);
    dial(&w, &client, &server);
    say(&client, "never sent");
    fl_net_run(w.net);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.opened_err, FL_ERR_CONNECT);
    fl_stream_close(client.stream, FL_CLOSE_FLUSH);
    finish(&w);
}

static enum fl_err dial_name(struct world *w, struct end *client, const char *name)
{
    client->w = w;
    client->on_opened = stop;
    assert_int_equal(w->sys->ops->dial(w->sys, fl_slice_cstr(name), w->addr.port, &events, client,
                                       &client->stream),
                     FL_OK);
    assert_int_equal(client->opened, 0);
    fl_net_run(w->net);
    assert_int_equal(client->opened, 1);
    return client->opened_err;
}

static void names_are_resolved(void **state)
{
    (void)state;
    struct world w;
    struct end good = {0}, again = {0}, bad = {0}, bad_again = {0}, server = {0}, server2 = {0};
    init(&w);
    server.w = server2.w = &w;
    w.server = &server;
    assert_int_equal(dial_name(&w, &good, "localhost"), FL_OK); /* perhaps ::1 first: refused */
    w.server = &server2;
    assert_int_equal(dial_name(&w, &again, "LocalHost"), FL_OK);
    assert_int_equal(dial_name(&w, &bad, "no-such-host.invalid"), FL_ERR_DNS);
    assert_int_equal(dial_name(&w, &bad_again, "no-such-host.invalid"), FL_ERR_DNS);
    fl_stream_close(good.stream, FL_CLOSE_NOW);
    fl_stream_close(again.stream, FL_CLOSE_NOW);
    fl_stream_close(bad.stream, FL_CLOSE_NOW);
    fl_stream_close(bad_again.stream, FL_CLOSE_NOW);
    finish(&w);
}

/* A name with two addresses, of which only the second answers. */
static bool no_resolver(struct fl_dns *dns, const char *name)
{
    (void)dns;
    (void)name;
    return true;
}

static void answer_two(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    struct fl_dns_answer answer = {.count = 2};
    assert_true(fl_addr_parse_ip(FL_LIT("127.0.0.2"), &answer.addrs[0]));
    assert_true(fl_addr_parse_ip(FL_LIT("127.0.0.1"), &answer.addrs[1]));
    fl_dns_done(&e->w->net->dns, FL_LIT("two.example"), e->w->sys->now_ns, &answer);
}

static void stop_world(void *owner)
{
    struct world *w = owner;
    fl_net_stop(w->net);
}

static void one_turn(struct world *w)
{
    assert_true(fl_net_post(w->net, stop_world, w));
    fl_net_run(w->net);
}

/* Nanoseconds until the dial was through. */
static uint64_t dial_two(struct world *w)
{
    struct end client = {.timer.fire = answer_two}, server = {.w = w};
    uint64_t began_ns = w->sys->ops->clock_ns(w->sys);
    w->server = &server;
    fl_sys_timer_in(w->sys, &client.timer, 0);
    assert_int_equal(dial_name(w, &client, "two.example"), FL_OK);
    fl_timers_stop(&w->sys->timers, &client.timer);
    fl_stream_close(client.stream, FL_CLOSE_NOW);
    while (!server.stream) {
        one_turn(w);
    }
    fl_stream_close(server.stream, FL_CLOSE_NOW);
    return w->sys->ops->clock_ns(w->sys) - began_ns;
}

static int raw_socket(const char *ip, uint16_t port, struct sockaddr_in *ret_in)
{
    *ret_in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, ip, &ret_in->sin_addr), 1);
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static void the_next_address_is_tried(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    w.net->dns.start = no_resolver;
    assert_true(dial_two(&w) < FL_NS_S); /* the first refuses */
    finish(&w);
}

static void an_address_that_drops_packets_is_left_behind(void **state)
{
    (void)state;
    struct world w;
    struct sockaddr_in in;
    int fillers[4];
    init(&w);
    w.net->dns.start = no_resolver;
    int deaf = raw_socket("127.0.0.2", w.addr.port, &in);
    assert_int_equal(bind(deaf, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(deaf, 0), 0); /* a full backlog drops SYNs */
    for (int i = 0; i < 4; i++) {
        fillers[i] = raw_socket("127.0.0.2", w.addr.port, &in);
        (void)connect(fillers[i], (struct sockaddr *)&in, sizeof(in));
    }
    uint64_t first_ns = dial_two(&w);
    assert_true(first_ns >= FL_NS_S && first_ns < 5 * FL_NS_S);
    struct end again = {0}, server = {.w = &w};
    w.server = &server;
    uint64_t began_ns = w.sys->ops->clock_ns(w.sys);
    assert_int_equal(dial_name(&w, &again, "two.example"),
                     FL_OK); /* the good one comes first now */
    assert_true(w.sys->ops->clock_ns(w.sys) - began_ns < FL_NS_S);
    struct end late = {.w = &w};
    assert_int_equal(
        w.sys->ops->dial(w.sys, FL_LIT("127.0.0.2"), w.addr.port, &events, &late, &late.stream),
        FL_OK);
    fl_stream_close(again.stream, FL_CLOSE_NOW);
    finish(&w); /* amid a dial */
    close(deaf);
    for (int i = 0; i < 4; i++) {
        close(fillers[i]);
    }
}

static void accepted6(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct world *w = owner;
    w->accepted = w->accepted * 10 + peer->family;
    fl_stream_close(stream, FL_CLOSE_NOW);
}

static void one_socket_listens_for_both_families(void **state)
{
    (void)state;
    struct world w;
    struct fl_listener *listener;
    struct fl_addr any, addr;
    struct end v6 = {0}, v4 = {0};
    init(&w);
    assert_true(fl_addr_parse(FL_LIT("[::]:0"), &any));
    if (w.sys->ops->listen(w.sys, &any, accepted6, &w, &listener, &addr) != FL_OK) {
        finish(&w);
        skip(); /* no IPv6 here */
    }
    assert_int_equal(addr.family, 6);
    w.addr.port = addr.port;
    v6.on_ended = v4.on_ended = stop;
    assert_int_equal(dial_name(&w, &v6, "::1"), FL_OK);
    while (v6.ended == 0) {
        fl_net_run(w.net);
    }
    assert_int_equal(dial_name(&w, &v4, "127.0.0.1"), FL_OK);
    while (v4.ended == 0) {
        fl_net_run(w.net);
    }
    assert_int_equal(w.accepted, 64); /* 6, then 4: not ::ffff:127.0.0.1 */
    fl_stream_close(v6.stream, FL_CLOSE_NOW);
    fl_stream_close(v4.stream, FL_CLOSE_NOW);
    finish(&w);
}

static void a_dial_can_be_given_up_at_any_time(void **state)
{
    (void)state;
    struct world w;
    struct end a = {0}, b = {0}, c = {0};
    struct end *ends[] = {&a, &b, &c};
    const char *names[] = {"127.0.0.1", "localhost", "no-such-host.invalid"};
    init(&w);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(w.sys->ops->dial(w.sys, fl_slice_cstr(names[i]), w.addr.port, &events,
                                          ends[i], &ends[i]->stream),
                         FL_OK);
        say(ends[i], "x");
        fl_stream_close(ends[i]->stream, i == 0 ? FL_CLOSE_RESET : FL_CLOSE_NOW);
    }
    struct end sleeper = {.w = &w, .timer.fire = stop_timer};
    fl_sys_timer_in(w.sys, &sleeper.timer, 50 * FL_NS_MS);
    fl_net_run(w.net);
    assert_int_equal(a.opened + b.opened + c.opened, 0);
    /* And with all of it in flight when the loop ends. */
    for (unsigned i = 0; i < 3; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "n%u.no-such-host.invalid", i);
        assert_int_equal(
            w.sys->ops->dial(w.sys, fl_slice_cstr(name), 1, &events, ends[i], &ends[i]->stream),
            FL_OK);
    }
    finish(&w);
}

/* Timers */

static char order[16];
static unsigned order_len;

struct named_timer {
    struct fl_timer timer;
    struct world *w;
    char name;
    uint64_t set_ns, fired_ns;
    struct named_timer *then;
    uint64_t then_ns;
};

static void on_named(struct fl_timer *timer)
{
    struct named_timer *n = fl_container_of(timer, struct named_timer, timer);
    order[order_len++] = n->name;
    n->fired_ns = n->w->sys->ops->clock_ns(n->w->sys);
    assert_true(n->w->sys->now_ns >= timer->at_ns);
    assert_true(n->w->sys->now_ns <= n->fired_ns);
    if (n->then) {
        n->then->set_ns = n->w->sys->now_ns;
        fl_sys_timer_in(n->w->sys, &n->then->timer, n->then_ns);
    } else if (n->name == 'z') {
        fl_net_stop(n->w->net);
    }
}

static void timers_fire_in_order_and_in_time(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    struct named_timer z = {{.fire = on_named}, &w, 'z', 0, 0, NULL, 0};
    struct named_timer y = {{.fire = on_named}, &w, 'y', 0, 0, &z, 12 * FL_NS_MS};
    struct named_timer a = {{.fire = on_named}, &w, 'a', 0, 0, NULL, 0};
    struct named_timer b = {{.fire = on_named}, &w, 'b', 0, 0, &y, 0};
    struct named_timer never = {{.fire = on_named}, &w, '!', 0, 0, NULL, 0};
    order_len = 0;
    fl_sys_timer_in(w.sys, &b.timer, 20 * FL_NS_MS);
    fl_sys_timer_in(w.sys, &a.timer, 5 * FL_NS_MS);
    fl_sys_timer_in(w.sys, &never.timer, 6 * FL_NS_MS);
    fl_timers_stop(&w.sys->timers, &never.timer);
    fl_net_run(w.net);
    order[order_len] = '\0';
    assert_string_equal(order, "abyz");
    assert_true(z.fired_ns - z.set_ns >= 12 * FL_NS_MS);
    assert_true(z.fired_ns - z.set_ns < 5 * FL_NS_S);
    assert_true(y.fired_ns - y.set_ns < 5 * FL_NS_S);
    finish(&w);
}

static void wall_clock_and_entropy_are_there(void **state)
{
    (void)state;
    struct world w;
    uint64_t a[4] = {0}, b[4] = {0};
    init(&w);
    assert_true(w.sys->ops->wall_ns(w.sys) > UINT64_C(1700000000) * FL_NS_S);
    w.sys->ops->entropy(w.sys, a, sizeof(a));
    w.sys->ops->entropy(w.sys, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    finish(&w);
}

/* Threads, signals */

#define POSTS 2000

struct poster {
    struct world *w;
    unsigned *count;
};

static void count_post(void *owner)
{
    struct poster *p = owner;
    if (++*p->count == 3 * POSTS) {
        fl_net_stop(p->w->net);
    }
}

static void *poster_main(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        if (!fl_net_post(p->w->net, count_post, p)) {
            abort();
        }
    }
    return NULL;
}

static void other_threads_can_post(void **state)
{
    (void)state;
    struct world w;
    unsigned count = 0;
    struct poster p = {&w, &count};
    pthread_t threads[3];
    init(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, poster_main, &p), 0);
    }
    fl_net_run(w.net);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(count, 3 * POSTS);
    assert_true(fl_net_post(w.net, count_post, &p)); /* dropped by destroy */
    finish(&w);
    assert_int_equal(count, 3 * POSTS);
}

static int signal_seen;

static void on_signal(void *owner, int signal_number)
{
    struct world *w = owner;
    signal_seen = signal_number;
    fl_net_stop(w->net);
}

static void signals_reach_the_loop(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    assert_int_equal(fl_net_signal(w.net, SIGUSR1, on_signal, &w), FL_OK);
    assert_int_equal(fl_net_signal(w.net, SIGKILL, on_signal, &w), FL_ERR_SYS);
    raise(SIGUSR1);
    fl_net_run(w.net);
    assert_int_equal(signal_seen, SIGUSR1);
    finish(&w);
}

static void *worker_main(void *arg)
{
    struct world w;
    struct end client = {.on_opened = say_hello, .on_bytes = hello_is_back};
    struct end server = {.on_bytes = echo};
    (void)arg;
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    finish(&w);
    return NULL;
}

static void loops_run_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Many */

#define MANY 400

static unsigned many_done;

static void many_back(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->got_bytes == 11 && ++many_done == MANY) {
        fl_net_stop(e->w->net);
    }
}

static struct end many_clients[MANY], many_servers[MANY];

static void accepted_many(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct world *w = owner;
    struct end *e = &many_servers[w->accepted++];
    (void)peer;
    *e = (struct end){.w = w, .stream = stream, .on_bytes = echo};
    stream->on = &events;
    stream->owner = e;
}

static bool heap_is_measurable(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

static void many_streams_are_small(void **state)
{
    (void)state;
    struct world w;
    struct fl_listener *listener;
    struct fl_addr any, addr;
    init(&w);
    assert_true(fl_addr_parse(FL_LIT("127.0.0.1:0"), &any));
    assert_int_equal(w.sys->ops->listen(w.sys, &any, accepted_many, &w, &listener, &addr), FL_OK);
    many_done = 0;
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < MANY; i++) {
        many_clients[i] = (struct end){.w = &w, .on_opened = say_hello, .on_bytes = many_back};
        assert_int_equal(w.sys->ops->dial(w.sys, FL_LIT("127.0.0.1"), addr.port, &events,
                                          &many_clients[i], &many_clients[i].stream),
                         FL_OK);
    }
    fl_net_run(w.net);
    assert_int_equal(many_done, MANY);
    assert_int_equal(w.accepted, MANY);
    if (heap_is_measurable()) {
        size_t each = (mallinfo2().uordblks - before) / (2 * MANY);
        print_message("heap bytes per idle stream: %zu\n", each);
        assert_true(each <= 400);
    }
    finish(&w); /* closes them all */
}

static void workers_share_an_address(void **state)
{
    (void)state;
    struct world w;
    struct fl_listener *second, *none;
    struct fl_addr addr, taken;
    init(&w);
    assert_int_equal(w.sys->ops->listen(w.sys, &w.addr, accepted, &w, &second, &addr), FL_OK);
    assert_int_equal(addr.port, w.addr.port);
    w.sys->ops->unlisten(w.sys, second);
    assert_true(fl_addr_parse(FL_LIT("192.0.2.1:1"), &taken));
    assert_int_equal(w.sys->ops->listen(w.sys, &taken, accepted, &w, &none, &addr), FL_ERR_SYS);
    finish(&w);
}

/* Out of descriptors, in a process of its own */

static unsigned log_lines;

static void count_lines(enum fl_log_level level, struct fl_slice line)
{
    (void)level;
    (void)line;
    log_lines++;
}

static int raw_connect(const struct fl_addr *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    memcpy(&in.sin_addr, addr->bytes, 4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ? fd : -1;
}

/* 0 = as it should be, else the line that is not. */
static int starve(void)
{
    struct world w;
    struct rlimit limit;
    int fds[4], held = -1;
    char byte;
    struct end sleeper = {.w = &w, .timer.fire = stop_timer};
    init(&w);
    fl_log_setup(FL_LOG_DEBUG, count_lines);
    for (int i = 0; i < 4; i++) { /* in the backlog */
        fds[i] = raw_connect(&w.addr);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return __LINE__;
    }
    int next = dup(0); /* the lowest free descriptor */
    close(next);
    limit.rlim_cur = (rlim_t)next;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return __LINE__;
    }
    fl_sys_timer_in(w.sys, &sleeper.timer, 50 * FL_NS_MS);
    uint64_t turns = w.accepted;
    fl_net_run(w.net);
    for (int i = 0; i < 4; i++) { /* each was closed at once, none is left waiting */
        if (read(fds[i], &byte, 1) > 0 || w.accepted != turns) {
            return __LINE__;
        }
        close(fds[i]);
    }
    if (log_lines != 1) {
        return __LINE__;
    }
    struct end client = {.w = &w, .on_opened = stop};
    while ((held = dup(0)) >= 0) {
    }
    if (w.sys->ops->dial(w.sys, FL_LIT("127.0.0.1"), w.addr.port, &events, &client,
                         &client.stream) != FL_OK) {
        return __LINE__;
    }
    fl_net_run(w.net);
    if (client.opened_err != FL_ERR_SYS) {
        return __LINE__;
    }
    finish(&w);
    return 0;
}

static void descriptors_may_run_out(void **state)
{
    (void)state;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(starve() == 0 ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_may_run_out), /* first: forks before there are threads */
        cmocka_unit_test(bytes_go_there_and_back),
        cmocka_unit_test(bytes_come_where_they_are_wanted),
        cmocka_unit_test(bytes_written_before_opened_are_queued),
        cmocka_unit_test(a_slow_reader_holds_the_writer_back),
        cmocka_unit_test(pause_stops_bytes_and_the_end),
        cmocka_unit_test(the_end_waits_for_resume),
        cmocka_unit_test(a_half_closed_stream_can_be_written),
        cmocka_unit_test(a_reset_is_an_error),
        cmocka_unit_test(a_reset_behind_bytes_is_a_reset),
        cmocka_unit_test(a_queue_that_fails_does_not_leave_its_owner_waiting),
        cmocka_unit_test(a_flushed_close_lets_the_peer_read_to_the_end),
        cmocka_unit_test(a_flushed_close_does_not_wait_for_ever),
        cmocka_unit_test(an_owner_may_go_inside_any_event),
        cmocka_unit_test(a_refused_dial_says_so),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(an_address_that_drops_packets_is_left_behind),
        cmocka_unit_test(one_socket_listens_for_both_families),
        cmocka_unit_test(a_dial_can_be_given_up_at_any_time),
        cmocka_unit_test(timers_fire_in_order_and_in_time),
        cmocka_unit_test(wall_clock_and_entropy_are_there),
        cmocka_unit_test(other_threads_can_post),
        cmocka_unit_test(signals_reach_the_loop),
        cmocka_unit_test(loops_run_side_by_side),
        cmocka_unit_test(many_streams_are_small),
        cmocka_unit_test(workers_share_an_address),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}

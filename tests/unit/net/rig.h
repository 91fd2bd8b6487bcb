/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop with a listener on loopback, and connections to itself: what the tests of streams, of dialling and of
 * the loop have in common. Include it in one file of a test program.
 */
#ifndef FL_TESTS_NET_RIG_H
#define FL_TESTS_NET_RIG_H

#include "unit/cm.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/net.h"
#include "unit/net/tsan.h"

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
    unsigned opened, ended, drained, stalled, reads;
    enum fl_err opened_err, ended_err;
    uint64_t got_bytes, got_sum;
    void (*on_opened)(struct end *e);
    void (*on_bytes)(struct end *e, struct fl_slice bytes);
    void (*on_ended)(struct end *e);
    void (*on_drained)(struct end *e);
    void (*on_stalled)(struct end *e);
    struct end *peer;
    struct fl_timer timer;
    uint64_t left_bytes;
};

static inline uint64_t sum(uint64_t so_far, struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        so_far = so_far * 31 + (uint8_t)bytes.ptr[i];
    }
    return so_far;
}

static inline void opened(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->opened++;
    e->opened_err = err;
    if (e->on_opened) {
        e->on_opened(e);
    }
}

static inline void bytes(void *owner, struct fl_slice bytes)
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

static inline void ended(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->ended++;
    e->ended_err = err;
    assert_int_equal(e->ended, 1);
    if (e->on_ended) {
        e->on_ended(e);
    }
}

static inline void drained(void *owner)
{
    struct end *e = owner;
    e->drained++;
    assert_int_equal(e->stream->queued, 0);
    if (e->on_drained) {
        e->on_drained(e);
    }
}

static inline size_t room(void *owner, char **ret_at)
{
    struct end *e = owner;
    *ret_at = e->room;
    return e->room_bytes;
}

static inline void stalled(void *owner)
{
    struct end *e = owner;
    e->stalled++;
    assert_true(e->stream->queued > 0);
    if (e->on_stalled) {
        e->on_stalled(e);
    }
}

static const struct fl_stream_events events = {opened, bytes, ended, drained, room, stalled};

static inline void accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
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

static inline void on_guard(struct fl_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for 30 s");
}

static inline void stop(struct end *e)
{
    fl_net_stop(e->w->net);
}

static inline void init(struct world *w)
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

static inline void finish(struct world *w)
{
    fl_net_destroy(w->net);
}

static inline void dial(struct world *w, struct end *client, struct end *server)
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

static inline void say(struct end *e, const char *text)
{
    struct fl_slice piece = fl_slice_cstr(text);
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static inline void echo(struct end *e, struct fl_slice bytes)
{
    assert_int_equal(fl_stream_write(e->stream, &bytes, 1), FL_OK);
}

static inline void close_both(struct end *e)
{
    fl_stream_close(e->stream, FL_CLOSE_NOW);
    fl_stream_close(e->peer->stream, FL_CLOSE_NOW);
    fl_net_stop(e->w->net);
}

/* Echo */

static inline void say_hello(struct end *e)
{
    assert_int_equal(e->opened_err, FL_OK);
    struct fl_slice pieces[] = {FL_LIT("hel"), FL_EMPTY, FL_LIT("lo"), FL_LIT(" there")};
    assert_int_equal(fl_stream_write(e->stream, pieces, 4), FL_OK);
    assert_int_equal(e->stream->queued, 0);
}

static inline void hello_is_back(struct end *e, struct fl_slice bytes)
{
    assert_slice(bytes, "hello there");
    close_both(e);
}

static inline void stop_timer(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    fl_net_stop(e->w->net);
}

#endif

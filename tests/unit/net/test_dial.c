/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling: names, addresses one after the other, giving up; and what listens. */
#include "unit/net/rig.h"

#include "net/internal.h" /* to answer for the resolver */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_dial_says_so),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(an_address_that_drops_packets_is_left_behind),
        cmocka_unit_test(one_socket_listens_for_both_families),
        cmocka_unit_test(a_dial_can_be_given_up_at_any_time),
    };
    return cmocka_run_group_tests_name("net_dial", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and ends through the filter, and peers that speak no TLS. */
#include "unit/tls/rig.h"

#include <time.h>
#include <unistd.h>

/* Bytes */

#define BULK_BYTES (1024 * 1024)

static void on_wake(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    e->stream->ops->resume(e->stream);
}

static void read_with_pauses(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    switch (fl_rng_below(&e->rng, 8)) {
    case 0:
        e->stream->ops->pause(e->stream);
        e->timer.fire = on_wake;
        fl_sys_timer_in(e->w->sys, &e->timer, fl_rng_below(&e->rng, 3) * FL_NS_MS);
        break;
    case 1:
        e->stream->ops->pause(e->stream);
        e->stream->ops->resume(e->stream);
        break;
    default:
        break;
    }
}

static void send_random(struct end *e)
{
    static char block[70000];
    while (e->sent_bytes < BULK_BYTES && e->stream->queued == 0) {
        struct fl_slice pieces[5];
        unsigned count = 1 + (unsigned)fl_rng_below(&e->rng, 5);
        for (unsigned i = 0; i < count; i++) {
            size_t left = (size_t)(BULK_BYTES - e->sent_bytes);
            size_t most = fl_rng_below(&e->rng, 4) == 0 ? sizeof(block) : 300;
            size_t n = (size_t)fl_rng_below(&e->rng, most + 1);
            size_t from = (size_t)fl_rng_below(&e->rng, sizeof(block) - most + 1);
            n = n < left ? n : left;
            pieces[i] = fl_slice(block + from, n);
            e->sent_bytes += n;
            e->sent_sum = sum(e->sent_sum, pieces[i]);
        }
        assert_int_equal(fl_stream_write(e->stream, pieces, count), FL_OK);
    }
    if (e->sent_bytes == BULK_BYTES) {
        e->stream->ops->finish(e->stream);
        e->sent_bytes++; /* once */
    }
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (char)fl_rng_next(&e->rng);
    }
}

static void send_more(struct end *e)
{
    read_with_pauses(e, FL_EMPTY);
    send_random(e);
}

static void stop_when_both_ended(struct end *e)
{
    if (e->ended && e->peer->ended) {
        stop(e);
    }
}

static void bulk(uint64_t seed, int version)
{
    struct world w;
    struct end client = {.on_opened = send_random,
                         .on_bytes = read_with_pauses,
                         .on_ended = stop_when_both_ended,
                         .on_drained = send_more};
    struct end server = client;
    init(&w, &good);
    fl_rng_seed(&client.rng, seed);
    fl_rng_seed(&server.rng, seed + 1);
    SSL_CTX_set_max_proto_version(w.client_tls->ctx, version);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.got_bytes, BULK_BYTES);
    assert_int_equal(server.got_bytes, BULK_BYTES);
    assert_true(client.got_sum == server.sent_sum);
    assert_true(server.got_sum == client.sent_sum);
    assert_int_equal(client.ended_err, FL_OK);
    assert_int_equal(server.ended_err, FL_OK);
    close_end(&client);
    close_end(&server);
    finish(&w);
}

static void a_megabyte_goes_both_ways(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) ^ ((uint64_t)getpid() << 32);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 4; i++) {
        bulk(seed + i * 2, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    }
}

static void small_pieces_share_a_record(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, server = {.on_bytes = NULL};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    struct fl_slice pieces[] = {FL_LIT("5\r\n"), FL_LIT("hello"), FL_LIT("\r\n"), FL_EMPTY};
    assert_int_equal(fl_stream_write(client.stream, pieces, 4), FL_OK);
    run_until_got(&server, 10);
    assert_int_equal(server.reads, 1);
    assert_int_equal(server.got_sum, sum(0, FL_LIT("5\r\nhello\r\n")));
    close_end(&client);
    close_end(&server);
    finish(&w);
}

static void bytes_written_early_are_queued(void **state)
{
    (void)state;
    struct world w;
    struct end client = {0}, server = {.on_ended = stop};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    say(&client, "early ");
    say(&client, "bird");
    assert_int_equal(client.stream->queued, 10);
    client.stream->ops->finish(client.stream);
    fl_net_run(w.net);
    assert_int_equal(server.got_sum, sum(0, FL_LIT("early bird")));
    assert_int_equal(server.ended_err, FL_OK);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.drained, 1);
    say(&server, "worm"); /* half-closed only */
    run_until_got(&client, 4);
    assert_int_equal(client.got_sum, sum(0, FL_LIT("worm")));
    close_end(&client);
    close_end(&server);
    finish(&w);
}

/* The owner pauses in opened(); bytes and the end wait. */
static void pause_now(struct end *e)
{
    e->stream->ops->pause(e->stream);
}

static void say_bye_and_close(struct end *e)
{
    say(e, "bye");
    fl_stream_close(e->stream, FL_CLOSE_FLUSH);
    e->stream = NULL;
}

static void pause_holds_bytes_and_the_end(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = pause_now}, server = {.on_opened = say_bye_and_close};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    while (client.opened == 0) {
        run_for(&w, FL_NS_MS);
    }
    run_for(&w, 50 * FL_NS_MS);
    assert_int_equal(client.reads + client.ended, 0);
    client.on_ended = stop;
    client.stream->ops->resume(client.stream);
    assert_int_equal(client.reads, 0);
    fl_net_run(w.net);
    assert_int_equal(client.got_sum, sum(0, FL_LIT("bye")));
    assert_int_equal(client.ended_err, FL_OK);
    close_end(&client);
    finish(&w);
}

/* Ends */

/* *how*: of the server's lower stream, without a close_notify. */
static void cut(enum fl_close how, enum fl_err expected)
{
    struct world w;
    struct end client = {.on_opened = stop_when_both_know, .on_ended = stop};
    struct end server = {.on_opened = stop_when_both_know};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    if (how == FL_CLOSE_RESET) {
        fl_stream_close(server.stream, FL_CLOSE_RESET);
        server.stream = NULL;
    } else {
        say(&server, "half an ans");
        close_end(&server);
    }
    fl_net_run(w.net);
    assert_int_equal(client.ended_err, expected);
    assert_string_equal(client.failure, "");
    close_end(&client);
    finish(&w);
}

static void ends_are_told_apart(void **state)
{
    (void)state;
    cut(FL_CLOSE_NOW, FL_OK);
    cut(FL_CLOSE_RESET, FL_ERR_RESET);
}

static void close_now(struct end *e)
{
    close_end(e);
}

static void a_close_in_the_handshake_is_told(void **state)
{
    (void)state;
    struct world w;
    struct end client = {0}, server = {.on_opened = stop};
    init(&w, NULL);
    dial(&w, "localhost", &client, &server);
    run_until_got(&server, 100); /* a ClientHello */
    client.on_opened = stop;
    close_end(&server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_TLS);
    assert_true(strcmp(client.failure, "the connection was closed in the handshake") == 0 ||
                strcmp(client.failure, "the connection was reset in the handshake") == 0);
    struct fl_slice piece = FL_LIT("x");
    assert_int_equal(fl_stream_write(client.stream, &piece, 1), FL_ERR_TLS);
    assert_int_equal(client.ended, 0);
    close_end(&client);
    finish(&w);
}

static void say_perhaps(struct end *e)
{
    struct fl_slice piece = FL_LIT("hello");
    enum fl_err err = fl_stream_write(e->stream, &piece, 1);
    assert_true(err == FL_OK || err == FL_ERR_RESET || err == e->opened_err);
}

static void an_owner_may_close_at_any_point(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct world w;
        struct end client = {.on_opened = say_perhaps}, server = {.on_opened = say_perhaps};
        init(&w, &with_ip);
        client.on_opened = i == 0 || i == 2 ? close_now : say_perhaps;
        server.on_opened = i == 1 ? close_now : say_perhaps;
        server.on_ended = client.on_ended = i == 2 ? close_now : NULL;
        dial(&w, "127.0.0.1", &client, &server);
        if (i > 3) {
            run_for(&w, (i - 4) * FL_NS_MS / 4);
        }
        if (i > 2) {
            close_end(&client);
        }
        run_for(&w, 30 * FL_NS_MS);
        w.server = NULL;
        close_end(&client);
        close_end(&server);
        run_for(&w, FL_NS_MS);
        finish(&w);
    }
}

/* Strangers */

static void answer_with(struct end *e, struct fl_slice bytes)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static char noise[5000];
    (void)bytes;
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (char)fl_rng_next(&e->rng);
    }
    struct fl_slice piece =
        e->peer->sent_bytes == 1 ? fl_slice_cstr(http) : fl_slice(noise, sizeof(noise));
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    e->on_bytes = NULL;
}

static void servers_that_speak_no_tls_are_refused(void **state)
{
    (void)state;
    for (unsigned http = 0; http < 2; http++) {
        struct world w;
        struct end client = {.on_opened = stop, .sent_bytes = http},
                   server = {.on_bytes = answer_with};
        init(&w, NULL);
        fl_rng_seed(&server.rng, 1);
        dial(&w, "localhost", &client, &server);
        fl_net_run(w.net);
        assert_int_equal(client.opened_err, FL_ERR_TLS);
        assert_true(client.failure[0] != '\0');
        if (http) {
            assert_string_equal(client.failure, "the server answers in plain HTTP");
        }
        close_end(&client);
        close_end(&server);
        finish(&w);
    }
}

static void say_get(struct end *e)
{
    assert_int_equal(e->opened_err, FL_OK);
    say(e, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void clients_that_speak_no_tls_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_get}, server = {.on_opened = stop};
    init(&w, &good);
    client.w = server.w = &w;
    w.server = &server;
    assert_int_equal(
        w.sys->ops->dial(w.sys, FL_LIT("127.0.0.1"), w.addr.port, &events, &client, &client.stream),
        FL_OK);
    fl_net_run(w.net);
    assert_int_equal(server.opened_err, FL_ERR_TLS);
    assert_string_equal(server.failure, "http request");
    assert_int_equal(fl_tls_failure(client.stream).len, 0);
    assert_false(fl_tls_resumed(client.stream));
    close_end(&server);
    client.on_ended = stop;
    fl_net_run(w.net);
    assert_int_equal(client.ended_err, FL_OK);
    close_end(&client);
    finish(&w);
}

static void a_dial_that_fails_below_says_so(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, lost = {.on_opened = stop}, server = {0};
    init(&w, &good);
    w.sys->ops->unlisten(w.sys, w.listener);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_CONNECT);
    assert_string_equal(client.failure, "");
    dial(&w, "no-such-host.invalid", &lost, &server);
    fl_net_run(w.net);
    assert_int_equal(lost.opened_err, FL_ERR_DNS);
    close_end(&client);
    close_end(&lost);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_megabyte_goes_both_ways),
        cmocka_unit_test(small_pieces_share_a_record),
        cmocka_unit_test(bytes_written_early_are_queued),
        cmocka_unit_test(pause_holds_bytes_and_the_end),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(a_close_in_the_handshake_is_told),
        cmocka_unit_test(an_owner_may_close_at_any_point),
        cmocka_unit_test(servers_that_speak_no_tls_are_refused),
        cmocka_unit_test(clients_that_speak_no_tls_are_refused),
        cmocka_unit_test(a_dial_that_fails_below_says_so),
    };
    return cmocka_run_group_tests_name("tls_bytes", tests, make_certs, free_certs);
}

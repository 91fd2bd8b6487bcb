/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients do: go away at any byte, ask one request behind the other, speak HTTP/1.0, send
 * HEAD, wait for a 100, come in too great a number. Times as in test_timeout.c.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

#define MS(n) ((n)*FL_NS_MS)

struct scene {
    struct rig rig;
    struct upstream first;
    struct fl_buf plain, stream;
    struct upstream_part parts[2];
    struct upstream_answer answer;
};

static void open_scene(struct scene *s, const char *more, const char *provider)
{
    const struct rig_setup setup = {.providers = 1, .more = more, .provider = provider};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    fl_buf_init(&s->plain, 65536);
    put_plain(&s->plain, BY_LENGTH, "quick");
    upstream_say(&s->first, fl_buf_slice(&s->plain), UPSTREAM_KEEP);
    fl_buf_init(&s->stream, 65536);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 100 * FL_NS_S));
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_equal(&s->rig, rig_target(&s->rig, "p0/m").failed, 0); /* nothing here is its fault */
    rig_stop(&s->rig);
    upstream_close(&s->first);
    fl_buf_finish(&s->plain);
    fl_buf_finish(&s->stream);
    rig_close(&s->rig);
}

/* An event each 5 ms, for ever. */
static void plan_drip(struct scene *s)
{
    put_stream_head(&s->stream, BY_CLOSE);
    size_t head = s->stream.len;
    put_delta(&s->stream, "drip");
    s->parts[0] = (struct upstream_part){fl_slice_first(fl_buf_slice(&s->stream), head), 1, 0};
    s->parts[1] =
        (struct upstream_part){fl_slice_from(fl_buf_slice(&s->stream), head), FL_NEVER, MS(5)};
    s->answer = (struct upstream_answer){s->parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s->first, &s->answer, 1);
}

/* A provider that says nothing. */
static void plan_silence(struct scene *s)
{
    s->parts[0] = (struct upstream_part){FL_EMPTY, 1, FL_NEVER / 2};
    s->answer = (struct upstream_answer){s->parts, 1, UPSTREAM_KEEP};
    upstream_plan(&s->first, &s->answer, 1);
}

/* --- going away --- */

enum leaving { BY_FIN, BY_RESET };

static void abort_request(struct scene *s, enum leaving how, size_t at, bool whole)
{
    struct rig *r = &s->rig;
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    struct fl_worker_stats before = rig_stats(r), after;
    unsigned cancelled = s->first.cancelled;
    rig_say(r, "gone by %d after %zu bytes of its request", how, at);
    options.abort_how = how == BY_RESET ? FL_CLOSE_RESET : FL_CLOSE_NOW;
    options.abort_sent = at;
    struct fl_simclient *c = rig_client(r, 0, &options);
    rig_post(c, 1, false, "");
    fl_world_run_for(r->world, MS(200));
    after = rig_stats(r);
    rig_check(r, fl_simclient_aborted(c) && fl_simclient_sent(c) == at);
    rig_equal(r, after.sessions_open + after.exchanges_open + after.attempts_open, 0);
    rig_equal(r, after.exchanges - before.exchanges, after.cancelled - before.cancelled);
    if (how == BY_FIN) { /* a RST may overtake what it comes behind */
        rig_equal(r, after.attempts - before.attempts, whole);
    }
    rig_equal(r, s->first.cancelled - cancelled,
              0); /* its dial was given up before there was an answer to wait for */
    rig_equal(r, s->first.connections_open, 0);
    rig_leave(r, c);
}

static size_t request_bytes(struct scene *s)
{
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    rig_post(c, 1, false, "");
    fl_world_run_for(s->rig.world, MS(10));
    size_t count = (size_t)fl_simclient_sent(c);
    fl_simclient_destroy(c);
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    return count;
}

static void gone_at_every_byte_of_its_request(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, NULL, NULL);
    plan_silence(&s);
    size_t count = request_bytes(&s);
    s.first.cancelled = 0;
    assert_true(count > 120);
    for (size_t at = 0; at <= count; at++) {
        abort_request(&s, BY_FIN, at, at == count);
        abort_request(&s, BY_RESET, at, at == count);
    }
    close_scene(&s);
}

/* Gone at every byte of an answer: the attempt ends in the same turn, the provider sees it one way
 * later. */
static void gone_at_every_byte_of_a_stream(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, NULL, NULL);
    plan_drip(&s);
    for (unsigned at = 1; at < 1400; at++) {
        struct rig *r = &s.rig;
        enum leaving how = at & 1 ? BY_FIN : BY_RESET;
        struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
        options.abort_how = how == BY_RESET ? FL_CLOSE_RESET : FL_CLOSE_NOW;
        options.abort_received = at;
        rig_say(r, "gone by %d after %u bytes of a stream", how, at);
        uint64_t cancelled = rig_stats(r).cancelled;
        struct fl_simclient *c = rig_client(r, 0, &options);
        rig_post(c, 1, true, "");
        rig_settle(r, c, FL_NS_S);
        uint64_t gone_ns = fl_simclient_answer(c, 0)->end_ns;
        rig_equal(r, rig_stats(r).attempts_open, 1);
        fl_world_run_for(r->world, MS(1));
        rig_equal(r, rig_stats(r).attempts_open, 0);
        rig_equal(r, rig_stats(r).cancelled, cancelled + 1);
        fl_world_run_for(r->world, MS(1));
        rig_equal(r, s.first.left_ns, gone_ns + MS(2));
        rig_equal(r, s.first.connections_open, 0);
        rig_leave(r, c);
    }
    close_scene(&s);
}

static void gone_at_every_ms_of_waiting(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, NULL, NULL);
    plan_silence(&s);
    for (unsigned at = 0; at < 12; at++) {
        struct rig *r = &s.rig;
        struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
        options.abort_ns = MS(at) + 500 * FL_NS_US;
        options.abort_how = FL_CLOSE_RESET;
        rig_say(r, "gone after %u.5 ms", at);
        unsigned requests = s.first.requests, cancelled = s.first.cancelled;
        struct fl_simclient *c = rig_client(r, 0, &options);
        rig_post(c, 1, at & 1, "");
        fl_world_run_for(r->world, MS(at) + 500 * FL_NS_US + MS(1));
        rig_equal(r, rig_stats(r).attempts_open + rig_stats(r).sessions_open, 0);
        fl_world_run_for(r->world, MS(10));
        rig_equal(r, s.first.requests - requests, s.first.cancelled - cancelled);
        rig_equal(r, s.first.requests - requests,
                  at >= 4); /* gone 1 ms later; on its way from 5 ms on */
        rig_equal(r, s.first.connections_open, 0);
        rig_leave(r, c);
    }
    close_scene(&s);
}

/* --- one request behind the other --- */

static void check_models(const struct rig *r, const struct fl_simanswer *a, bool head)
{
    rig_equal(r, a->status, 200);
    rig_check(r, a->complete && a->keep_alive);
    rig_check(r, head ? a->body.len == 0 : rig_has(fl_buf_slice(&a->body), "\"id\":\"chat\""));
    rig_check(r, fl_simanswer_header(a, "content-length").len > 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    for (unsigned piece = 0; piece < 40; piece++) {
        struct scene s;
        struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
        options.piece_bytes = piece;
        options.piece_gap_ns = 100 * FL_NS_US;
        open_scene(&s, NULL, NULL);
        rig_say(&s.rig, "pipelined in pieces of %u", piece);
        struct fl_simclient *c = rig_client(&s.rig, 0, &options);
        for (unsigned i = 0; i < 3; i++) {
            rig_post(c, 1, false, "");
            fl_simclient_request(c, "GET", "/v1/models", "", FL_EMPTY);
            fl_simclient_request(c, "HEAD", "/v1/models", "", FL_EMPTY);
            fl_simclient_request(c, "POST", "/v1/chat/completions", "",
                                 FL_LIT("{\"model\":\"nobody\"}"));
        }
        rig_settle(&s.rig, c, 30 * FL_NS_S);
        for (unsigned i = 0; i < 3; i++) {
            rig_check_text(&s.rig, fl_simclient_answer(c, 4 * i), "quick");
            check_models(&s.rig, fl_simclient_answer(c, 4 * i + 1), false);
            check_models(&s.rig, fl_simclient_answer(c, 4 * i + 2), true);
            rig_check_error(&s.rig, fl_simclient_answer(c, 4 * i + 3), 404, "model_not_found");
            rig_check(&s.rig, fl_simclient_answer(c, 4 * i + 3)->keep_alive);
        }
        rig_equal(&s.rig, s.first.connections, 1);
        rig_equal(&s.rig, s.first.requests, 3);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void bad_requests_are_their_sender_s_fault(void **state)
{
    static const struct {
        const char *bytes, *code;
        int status;
    } bad[] = {
        {"GET / HTTP/1.1\r\n\r\n", "caller_bad_host", 400},
        {"GET / HTTP/3.0\r\nhost: a\r\n\r\n", "caller_bad_http_version", 505},
        {"BREW / HTTP/1.1\r\nhost: a\r\n\r\n", "caller_bad_method", 501},
        {"GET /v1/models HTTP/1.1\nhost: a\n\n", "caller_bad_http", 400},
        {"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n{]}",
         "caller_bad_json", 400},
        {"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
         "caller_invalid_request", 400},
        {"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: "
         "14\r\n\r\n{\"model\":null}",
         "caller_json_type", 400},
        {"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: "
         "chunked\r\n\r\n0x2\r\n{}\r\n",
         "caller_bad_chunk", 400},
        {"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n",
         "caller_body_long", 413},
        {"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nexpect: more\r\ncontent-length: "
         "2\r\n\r\n",
         "caller_bad_expect", 417},
        {"POST /v1/nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}", "caller_not_found",
         404},
        {"GET /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n", "caller_method_not_allowed", 405},
    };
    struct scene s;
    (void)state;
    open_scene(&s, NULL, NULL);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        rig_say(&s.rig, "%s", bad[i].code);
        fl_simclient_send(c, fl_slice_cstr(bad[i].bytes), 1, false);
        rig_settle(&s.rig, c, 30 * FL_NS_S);
        rig_check_error(&s.rig, fl_simclient_answer(c, 0), bad[i].status, bad[i].code);
        rig_leave(&s.rig, c);
    }
    rig_equal(&s.rig, s.first.connections, 0);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").begun, 0);
    close_scene(&s);
}

/* --- 100-continue, HTTP/1.0 --- */

static void a_100_is_sent_to_who_waits_for_it(void **state)
{
    static const char head[] =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
        "content-length: 16\r\n\r\n";
    (void)state;
    for (unsigned waits = 0; waits < 2; waits++) {
        struct scene s;
        struct fl_simclient *c;
        open_scene(&s, NULL, NULL);
        rig_say(&s.rig, "100-continue, %s", waits ? "waits" : "does not wait");
        c = rig_client(&s.rig, 0, NULL);
        fl_simclient_send(c, fl_slice_cstr(head), 1, false);
        if (waits) {
            fl_world_run_for(s.rig.world, MS(100));
            rig_equal(&s.rig, fl_simclient_answer(c, 0)->interim, 1);
        }
        fl_simclient_send(c, FL_LIT("{\"model\":\"chat\"}"), 0, false);
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
        rig_check(&s.rig, fl_simclient_answer(c, 0)->interim <= 1);
        rig_check(&s.rig, rig_has(fl_buf_slice(&s.first.head), "content-length: ") &&
                              !rig_has(fl_buf_slice(&s.first.head), "expect"));
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void http_1_0_closes_unless_asked(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++) {
        struct scene s;
        bool keep = bits & 1, stream = bits & 2;
        enum fl_err err = FL_ERR_INTERNAL;
        open_scene(&s, NULL, NULL);
        rig_say(&s.rig, "HTTP/1.0, %s, %s", keep ? "keep-alive" : "close",
                stream ? "stream" : "plain");
        if (stream) {
            put_stream_head(&s.stream, BY_CLOSE);
            put_delta(&s.stream, "quick");
            fl_buf_put_cstr(&s.stream, "data: [DONE]\n\n");
            upstream_say(&s.first, fl_buf_slice(&s.stream), UPSTREAM_FIN);
        }
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        rig_post(c, 0, stream, keep ? "connection: keep-alive\r\n" : "");
        rig_settle(&s.rig, c, FL_NS_S);
        fl_world_run_for(s.rig.world, FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check_text(&s.rig, a, "quick");
        rig_check(&s.rig, !rig_has(fl_buf_slice(&a->head), "transfer-encoding"));
        rig_equal(&s.rig, fl_simclient_ended(c, &err),
                  stream || !keep); /* no length: the end is the connection's */
        rig_equal(&s.rig, a->keep_alive, keep && !stream);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

/* --- too many --- */

static void connections_above_the_limit_get_a_503(void **state)
{
    struct scene s;
    struct fl_simclient *clients[4];
    (void)state;
    open_scene(&s, "limits: {client_connections: 2}\n", NULL);
    rig_say(&s.rig, "limit of connections");
    plan_silence(&s);
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = rig_client(&s.rig, i, NULL);
        rig_post(clients[i], 1, false, "");
        fl_world_run_for(s.rig.world, MS(10));
        rig_equal(&s.rig, fl_simclient_settled(clients[i]), i >= 2);
    }
    for (unsigned i = 2; i < 4; i++) {
        const struct fl_simanswer *a = fl_simclient_answer(clients[i], 0);
        rig_check(&s.rig, a->complete && a->status == 503 && !a->keep_alive);
        rig_check(&s.rig, fl_slice_eq(fl_simanswer_header(a, "retry-after"), FL_LIT("1")));
        fl_simclient_destroy(clients[i]);
    }
    fl_simclient_destroy(clients[0]);
    fl_world_run_for(s.rig.world, MS(10));
    upstream_say(&s.first, fl_buf_slice(&s.plain), UPSTREAM_KEEP);
    struct fl_simclient *c = rig_client(&s.rig, 5, NULL); /* there is room again */
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
    fl_simclient_destroy(c);
    rig_leave(&s.rig, clients[1]);
    close_scene(&s);
}

/* The provider may have one connection; three requests come at once; each answer takes 2 s. */
static void requests_wait_for_a_connection_as_long_as_for_connecting(void **state)
{
    struct scene s;
    struct fl_simclient *clients[4];
    (void)state;
    open_scene(&s, "routing: {timeouts: {connect: 5s}}\n", ", connections: 1");
    rig_say(&s.rig, "waiting for a connection");
    s.parts[0] = (struct upstream_part){fl_buf_slice(&s.plain), 1, 2 * FL_NS_S};
    s.answer = (struct upstream_answer){s.parts, 1, UPSTREAM_KEEP};
    upstream_plan(&s.first, &s.answer, 1);
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = rig_client(&s.rig, i, NULL);
        rig_post(clients[i], 1, false, "");
        fl_world_run_for(s.rig.world, MS(10));
    }
    fl_simclient_abort(clients[1], FL_CLOSE_RESET); /* who waits may leave */
    for (unsigned i = 2; i < 4; i++) {
        rig_settle(&s.rig, clients[i], 30 * FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(clients[i], 0), "quick");
    }
    rig_equal(&s.rig, s.first.connections, 1);
    rig_equal(&s.rig, s.first.requests, 3);
    for (unsigned i = 0; i < 4; i++) {
        fl_simclient_destroy(clients[i]);
    }
    fl_world_run_for(s.rig.world, MS(10));
    plan_silence(&s);
    clients[0] = rig_client(&s.rig, 0, NULL);
    rig_post(clients[0], 1, false, "");
    fl_world_run_for(s.rig.world, MS(10));
    for (unsigned i = 0; i < 3;
         i++) { /* our own limit is not the provider's fault: it is not ejected */
        clients[1] = rig_client(&s.rig, 1, NULL);
        rig_post(clients[1], 1, false, "");
        rig_settle(&s.rig, clients[1], 30 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(clients[1], 0);
        rig_check_error(&s.rig, a, 503, "gateway_overloaded");
        rig_equal(&s.rig, a->end_ns - a->asked_ns, MS(3 + 5000 + 1));
        fl_simclient_destroy(clients[1]);
    }
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").health, FL_HEALTHY);
    rig_leave(&s.rig, clients[0]);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gone_at_every_byte_of_its_request),
        cmocka_unit_test(gone_at_every_byte_of_a_stream),
        cmocka_unit_test(gone_at_every_ms_of_waiting),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(bad_requests_are_their_sender_s_fault),
        cmocka_unit_test(a_100_is_sent_to_who_waits_for_it),
        cmocka_unit_test(http_1_0_closes_unless_asked),
        cmocka_unit_test(connections_above_the_limit_get_a_503),
        cmocka_unit_test(requests_wait_for_a_connection_as_long_as_for_connecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines on the virtual clock, to the millisecond. Every way of a connection takes 1 ms, so that
 * of a client that dials and asks at 0:
 *
 *   3 ms    the server has the request: total and connect count from here
 *   5 ms    the provider's connection is open, the request is sent: first_token counts from here
 *   6 ms    the provider has the request
 *   X + 1   what the server writes at X is at the client
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

#define SECOND "second thoughts"
#define MS(n)  ((n)*FL_NS_MS)

enum { asked_ms = 3, sent_ms = 5, read_ms = 6, back_ms = 1 };

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf second_answer;
    struct fl_world_link link; /* change it before the first dial */
};

static void open_scene(struct scene *s, unsigned providers, const char *more, bool stream)
{
    const struct rig_setup setup = {.providers = providers, .more = more};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    fl_buf_init(&s->second_answer, 65536);
    if (stream) {
        put_stream_head(&s->second_answer, BY_CLOSE);
        put_delta(&s->second_answer, SECOND);
        put_finish(&s->second_answer);
        fl_buf_put_cstr(&s->second_answer, "data: [DONE]\n\n");
    } else {
        put_plain(&s->second_answer, BY_CLOSE, SECOND);
    }
    upstream_say(&s->second, fl_buf_slice(&s->second_answer), UPSTREAM_FIN);
    s->link = fl_world_link(s->rig.world);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s, struct fl_simclient *c)
{
    rig_leave(&s->rig, c);
    fl_world_run_for(s->rig.world, 70 * FL_NS_S);
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->second_answer);
    rig_close(&s->rig);
}

/* One request of a plain client; runs until it is answered. */
static const struct fl_simanswer *ask(struct scene *s, bool stream, const char *headers,
                                      struct fl_simclient **ret_client)
{
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    fl_world_plan(s->rig.world, "10.0.1.1:80", &s->link, 100);
    rig_post(c, 1, stream, headers);
    rig_settle(&s->rig, c, 700 * FL_NS_S);
    *ret_client = c;
    return fl_simclient_answer(c, 0);
}

static void check_ended(const struct rig *r, const struct fl_simanswer *a, uint64_t ms)
{
    rig_equal(r, a->end_ns - a->asked_ns, MS(ms));
}

static void connect(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++) {
        struct scene s;
        struct fl_simclient *c;
        bool second = bits & 1, stream = bits & 2;
        open_scene(&s, second ? 2 : 1, "routing: {timeouts: {connect: 700ms}}\n", stream);
        rig_say(&s.rig, "connect, %s, %s second", stream ? "stream" : "plain",
                second ? "with" : "without");
        s.link.connect = FL_WORLD_BLACKHOLE;
        const struct fl_simanswer *a = ask(&s, stream, "", &c);
        if (second) {
            rig_check_text(&s.rig, a, SECOND);
            rig_check(&s.rig, a->head_ns - a->asked_ns == MS(asked_ms + 700 + 2 + 1 + 1 + back_ms));
        } else {
            rig_check_error(&s.rig, a, 504, "provider_connect_timeout");
            check_ended(&s.rig, a, asked_ms + 700 + back_ms);
        }
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        close_scene(&s, c);
    }
}

static void a_slow_connect_is_no_timeout(void **state)
{
    struct scene s;
    struct fl_simclient *c;
    struct fl_buf answer;
    (void)state;
    open_scene(&s, 1, "routing: {timeouts: {connect: 700ms}}\n", false);
    fl_buf_init(&answer, 65536);
    put_plain(&answer, BY_LENGTH, "late");
    upstream_say(&s.first, fl_buf_slice(&answer), UPSTREAM_FIN);
    s.link.connect_delay_ns = MS(697);
    const struct fl_simanswer *a = ask(&s, false, "", &c);
    rig_check_text(&s.rig, a, "late");
    check_ended(&s.rig, a, asked_ms + 697 + 2 + 1 + 1 + back_ms);
    close_scene(&s, c);
    fl_buf_finish(&answer);
}

/* What the provider has said when it falls silent. */
struct silence {
    const char *name, *said;
    bool stream;
};

static void first_token(void **state)
{
    static const struct silence silences[] = {
        {"nothing", "", false},
        {"nothing", "", true},
        {"half a head", "HTTP/1.1 200 OK\r\ncontent-ty", false},
        {"a head", "HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n", false},
        {"a 100 and a 103", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", false},
        {"a stream's head", "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", true},
        {"half an event", "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choi",
         true},
        {"a head of chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1f", false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
        for (unsigned second = 0; second < 2; second++) {
            struct scene s;
            struct fl_simclient *c;
            const struct silence *said = &silences[i];
            const struct upstream_part parts[] = {{fl_slice_cstr(said->said), 1, 0},
                                                  {FL_EMPTY, 1, FL_NEVER / 2}};
            const struct upstream_answer answer = {parts, 2, UPSTREAM_KEEP};
            open_scene(&s, 1 + second, "routing: {timeouts: {first_token: 900ms}}\n", said->stream);
            rig_say(&s.rig, "%s, %s second", said->name, second ? "with" : "without");
            upstream_plan(&s.first, &answer, 1);
            const struct fl_simanswer *a = ask(&s, said->stream, "", &c);
            if (second) {
                rig_check_text(&s.rig, a, SECOND);
                rig_equal(&s.rig, a->head_ns - a->asked_ns,
                          MS(sent_ms + 900 + 2 + 1 + 1 + back_ms));
            } else {
                rig_check_error(&s.rig, a, 504, "provider_first_token_timeout");
                check_ended(&s.rig, a, sent_ms + 900 + back_ms);
            }
            rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
            rig_equal(&s.rig, s.first.left_ns - a->asked_ns,
                      MS(sent_ms + 900 + 1)); /* cancelled at once */
            close_scene(&s, c);
        }
    }
}

/* Bytes come each 800 ms, five times, and then none: within the limits all the while, then idle. */
static void idle(void **state)
{
    (void)state;
    for (unsigned stream = 0; stream < 2; stream++) {
        struct scene s;
        struct fl_simclient *c;
        struct fl_buf event;
        const char *head = stream ? "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
                                  : "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n";
        fl_buf_init(&event, 4096);
        put_delta(&event, "drip");
        const struct upstream_part parts[] = {{fl_slice_cstr(head), 1, 0},
                                              {fl_buf_slice(&event), 5, MS(800)},
                                              {FL_EMPTY, 1, FL_NEVER / 2}};
        const struct upstream_answer answer = {parts, 3, UPSTREAM_KEEP};
        open_scene(&s, 1, "routing: {timeouts: {idle: 900ms}}\n", stream);
        rig_say(&s.rig, "idle, %s", stream ? "stream" : "plain");
        upstream_plan(&s.first, &answer, 1);
        const struct fl_simanswer *a = ask(&s, stream, "", &c);
        if (stream) {
            rig_check_broken(&s.rig, a, 1, "provider_idle_timeout");
            rig_equal(&s.rig, a->event_count, 6);
            rig_equal(&s.rig, a->events[5].at_ns - a->asked_ns,
                      MS(read_ms + 5 * 800 + 1 + 900 + back_ms));
        } else {
            rig_check_error(&s.rig, a, 504, "provider_idle_timeout");
        }
        check_ended(&s.rig, a, read_ms + 5 * 800 + 1 + 900 + back_ms);
        rig_equal(&s.rig, s.first.left_ns - a->asked_ns, MS(read_ms + 5 * 800 + 1 + 900 + 1));
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        close_scene(&s, c);
        fl_buf_finish(&event);
    }
}

/* Who sets the total, and what it comes to. */
static const struct total {
    const char *more, *headers;
    uint64_t ms;
} totals[] = {
    {"routing: {timeouts: {total: 2500ms}}\n", "", 2500},
    {"routing: {timeouts: {total: 2500ms}}\n", "x-fairlead-timeout-ms: 1234\r\n", 1234},
    {"routing: {timeouts: {total: 2500ms}}\n", "x-fairlead-timeout-ms: 99999\r\n", 2500},
    {"routing: {timeouts: {total: 2500ms}}\n", "x-fairlead-timeout-ms: 0\r\n", 2500},
    {"routing: {timeouts: {total: 2500ms}}\n", "x-fairlead-timeout-ms: soon\r\n", 2500},
    {NULL, "X-Stainless-Timeout: 2\r\n", 2000},
    {NULL, "X-Stainless-Timeout: 1.75\r\n", 1750},
    {NULL, "X-Stainless-Timeout: 3\r\nx-fairlead-timeout-ms: 1500\r\n", 1500},
    {NULL, "X-Stainless-Timeout: 1\r\nx-fairlead-timeout-ms: 1500\r\n", 1000},
    {NULL, "", 600000},
};

/* A provider that says an event, or a space of a JSON answer, each 300 ms for ever. */
static void total(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(totals) / sizeof(totals[0]); i++) {
        struct scene s;
        struct fl_simclient *c;
        struct fl_buf event;
        bool stream = i & 1;
        const struct total *t = &totals[i / 2];
        fl_buf_init(&event, 4096);
        put_delta(&event, "drip");
        const char *head = stream ? "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
                                  : "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n{";
        const struct upstream_part parts[] = {
            {fl_slice_cstr(head), 1, 0},
            {stream ? fl_buf_slice(&event) : FL_LIT(" "), FL_NEVER, MS(300)}};
        const struct upstream_answer answer = {parts, 2, UPSTREAM_KEEP};
        open_scene(&s, 2, t->more, stream);
        rig_say(&s.rig, "total %llu ms, %s, '%s'", (unsigned long long)t->ms,
                stream ? "stream" : "plain", t->headers);
        upstream_plan(&s.first, &answer, 1);
        const struct fl_simanswer *a = ask(&s, stream, t->headers, &c);
        if (stream) {
            rig_check_broken(&s.rig, a, 1, "caller_deadline");
        } else {
            rig_check_error(&s.rig, a, 504, "caller_deadline");
        }
        check_ended(&s.rig, a, asked_ms + t->ms + back_ms);
        rig_equal(&s.rig, s.second.requests, 0);
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed,
                  0); /* the client's wish is not its fault */
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").uncounted, 1);
        close_scene(&s, c);
        fl_buf_finish(&event);
    }
}

/* All attempts together: the first takes its first_token, the second what is left. */
static void the_total_is_of_all_attempts(void **state)
{
    struct scene s;
    struct fl_simclient *c;
    const struct upstream_part parts[] = {{FL_EMPTY, 1, FL_NEVER / 2}};
    const struct upstream_answer silence = {parts, 1, UPSTREAM_KEEP};
    (void)state;
    open_scene(&s, 2, "routing: {timeouts: {first_token: 1s, total: 1700ms}}\n", false);
    rig_say(&s.rig, "total of all attempts");
    upstream_plan(&s.first, &silence, 1);
    upstream_plan(&s.second, &silence, 1);
    const struct fl_simanswer *a = ask(&s, false, "", &c);
    rig_check_error(&s.rig, a, 504, "caller_deadline");
    check_ended(&s.rig, a, asked_ms + 1700 + back_ms);
    rig_equal(&s.rig, s.second.requests, 1);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
    rig_equal(&s.rig, rig_target(&s.rig, "p1/m").failed, 0);
    close_scene(&s, c);
}

/* --- heartbeats --- */

static void check_beat(const struct rig *r, const struct fl_simanswer *a, unsigned event,
                       uint64_t at_ms)
{
    rig_check(r, event < a->event_count);
    rig_equal(r, a->events[event].len, 0);
    rig_equal(r, a->events[event].at_ns - a->asked_ns, MS(at_ms));
}

/* 50 s until the first event, 40 s more until the end: six comments, 15 s after what was sent last.
 */
static void heartbeats_keep_a_waiting_stream_alive(void **state)
{
    struct scene s;
    struct fl_simclient *c;
    struct fl_buf head, rest;
    (void)state;
    fl_buf_init(&head, 4096);
    fl_buf_init(&rest, 4096);
    put_stream_head(&head, BY_CLOSE);
    put_delta(&head, "at ");
    put_delta(&rest, "last");
    put_finish(&rest);
    fl_buf_put_cstr(&rest, "data: [DONE]\n\n");
    const struct upstream_part parts[] = {{fl_buf_slice(&head), 1, 50 * FL_NS_S},
                                          {fl_buf_slice(&rest), 1, 40 * FL_NS_S}};
    const struct upstream_answer answer = {parts, 2, UPSTREAM_FIN};
    open_scene(&s, 1, NULL, true);
    rig_say(&s.rig, "heartbeats");
    upstream_plan(&s.first, &answer, 1);
    const struct fl_simanswer *a = ask(&s, true, "", &c);
    rig_check_text(&s.rig, a, "at last");
    rig_check(&s.rig, a->done_marker);
    rig_equal(&s.rig, a->event_count, 3 + 1 + 2 + 3);
    for (unsigned i = 0; i < 3; i++) {
        check_beat(&s.rig, a, i, asked_ms + 15000 * (i + 1) + back_ms);
    }
    check_beat(&s.rig, a, 4, read_ms + 50000 + 1 + 15000 + back_ms);
    check_beat(&s.rig, a, 5, read_ms + 50000 + 1 + 30000 + back_ms);
    rig_equal(&s.rig, rig_stats(&s.rig).heartbeats, 5);
    close_scene(&s, c);
    fl_buf_finish(&head);
    fl_buf_finish(&rest);
}

/* The head is out when the first provider gives up: the second one's stream follows, or an error
 * event. */
static void failures_behind_a_heartbeat(void **state)
{
    (void)state;
    for (unsigned second = 0; second < 2; second++) {
        struct scene s;
        struct fl_simclient *c;
        const struct upstream_part parts[] = {{FL_EMPTY, 1, FL_NEVER / 2}};
        const struct upstream_answer silence = {parts, 1, UPSTREAM_KEEP};
        open_scene(&s, 1 + second, "routing: {timeouts: {first_token: 20s}}\n", true);
        rig_say(&s.rig, "behind a heartbeat, %s second", second ? "with" : "without");
        upstream_plan(&s.first, &silence, 1);
        const struct fl_simanswer *a = ask(&s, true, "", &c);
        check_beat(&s.rig, a, 0, asked_ms + 15000 + back_ms);
        if (second) {
            rig_check_text(&s.rig, a, SECOND);
            rig_check(&s.rig, a->done_marker);
        } else {
            rig_check_broken(&s.rig, a, 1, "provider_first_token_timeout");
            check_ended(&s.rig, a, sent_ms + 20000 + back_ms);
        }
        close_scene(&s, c);
    }
}

static void plain_answers_get_no_heartbeat(void **state)
{
    struct scene s;
    struct fl_simclient *c;
    struct fl_buf answer;
    (void)state;
    fl_buf_init(&answer, 4096);
    put_plain(&answer, BY_LENGTH, "slow");
    const struct upstream_part parts[] = {{fl_buf_slice(&answer), 1, 50 * FL_NS_S}};
    const struct upstream_answer slow = {parts, 1, UPSTREAM_FIN};
    open_scene(&s, 1, NULL, false);
    upstream_plan(&s.first, &slow, 1);
    const struct fl_simanswer *a = ask(&s, false, "", &c);
    rig_check_text(&s.rig, a, "slow");
    rig_equal(&s.rig, rig_stats(&s.rig).heartbeats, 0);
    check_ended(&s.rig, a, read_ms + 50000 + 1 + back_ms);
    close_scene(&s, c);
    fl_buf_finish(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect),
        cmocka_unit_test(a_slow_connect_is_no_timeout),
        cmocka_unit_test(first_token),
        cmocka_unit_test(idle),
        cmocka_unit_test(total),
        cmocka_unit_test(the_total_is_of_all_attempts),
        cmocka_unit_test(heartbeats_keep_a_waiting_stream_alive),
        cmocka_unit_test(failures_behind_a_heartbeat),
        cmocka_unit_test(plain_answers_get_no_heartbeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

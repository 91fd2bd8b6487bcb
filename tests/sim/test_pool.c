/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept connections to a provider that turn out to be stale: closed while idle, at the very moment
 * they are used, before and after their request was read. No client notices, and nothing counts
 * against the provider's health.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#define MS(n) ((n)*FL_NS_MS)
#define US(n) ((n)*FL_NS_US)

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf plain, other;
    struct upstream_part parts[4];
    struct upstream_answer answers[4];
};

static void open_scene(struct scene *s, unsigned providers, const char *more)
{
    const struct rig_setup setup = {.providers = providers, .more = more};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    fl_buf_init(&s->plain, 65536);
    put_plain(&s->plain, BY_LENGTH, "quick");
    fl_buf_init(&s->other, 65536);
    put_plain(&s->other, BY_LENGTH, "other");
    upstream_say(&s->first, fl_buf_slice(&s->plain), UPSTREAM_KEEP);
    upstream_say(&s->second, fl_buf_slice(&s->other), UPSTREAM_KEEP);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 100 * FL_NS_S));
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_equal(&s->rig, rig_stats(&s->rig).connections_open, 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->plain);
    fl_buf_finish(&s->other);
    rig_close(&s->rig);
}

/* One request of client 0, answered. */
static void warm(struct scene *s, struct fl_simclient *c)
{
    rig_post(c, 1, false, "");
    rig_settle(&s->rig, c, FL_NS_S);
    rig_check_text(&s->rig, fl_simclient_answer(c, fl_simclient_answers(c) - 1), "quick");
    fl_world_run_for(s->rig.world, MS(10));
}

/* The server has the request 1 ms after it is given; the provider hangs up *after_us* from then. */
static void hang_up_at(enum fl_close how, unsigned after_us, bool stream)
{
    struct scene s;
    struct fl_buf events;
    open_scene(&s, 1, NULL);
    rig_say(&s.rig, "hangs up by %d, %u us behind a request, %s", how, after_us,
            stream ? "stream" : "plain");
    fl_buf_init(&events, 4096);
    put_stream_head(&events, BY_CHUNKS);
    struct fl_buf body;
    fl_buf_init(&body, 4096);
    put_delta(&body, "quick");
    fl_buf_put_cstr(&body, "data: [DONE]\n\n");
    put_chunk(&events, fl_buf_slice(&body));
    fl_buf_put_cstr(&events, "0\r\n\r\n");
    fl_buf_finish(&body);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    warm(&s, c);
    if (stream) {
        upstream_say(&s.first, fl_buf_slice(&events), UPSTREAM_KEEP);
    }
    rig_post(c, 1, stream, "");
    fl_world_run_for(s.rig.world, US(after_us));
    upstream_hang_up(&s.first, how);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 1), "quick");
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").succeeded, 2);
    rig_check(&s.rig, rig_stats(&s.rig).stale_retries <= 1);
    if (after_us > 0 &&
        after_us < 2000) { /* neither did it know before, nor was the answer on its way */
        rig_equal(&s.rig, rig_stats(&s.rig).stale_retries, 1);
    }
    rig_equal(&s.rig, s.first.connections, after_us < 2000 ? 2 : 1);
    rig_leave(&s.rig, c);
    close_scene(&s);
    fl_buf_finish(&events);
}

static void a_connection_closed_when_it_is_used_is_replaced(void **state)
{
    (void)state;
    for (unsigned us = 50; us < 2000; us += 50) { /* the request arrives at 2 ms */
        hang_up_at(FL_CLOSE_NOW, us, false);
        hang_up_at(FL_CLOSE_RESET, us, false);
        hang_up_at(FL_CLOSE_NOW, us, true);
        hang_up_at(FL_CLOSE_RESET, us, true);
    }
    hang_up_at(FL_CLOSE_NOW, 5000, false); /* all is over */
}

static void connections_closed_while_idle_are_not_used(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, NULL);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    for (unsigned i = 0; i < 5; i++) {
        warm(&s, c);
        upstream_hang_up(&s.first, i & 1 ? FL_CLOSE_RESET : FL_CLOSE_NOW);
        fl_world_run_for(s.rig.world, MS(10));
        rig_equal(&s.rig, rig_stats(&s.rig).connections_open, 0);
    }
    rig_equal(&s.rig, rig_stats(&s.rig).stale_retries, 0);
    rig_equal(&s.rig, s.first.connections, 5);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

static void idle_connections_are_closed_in_time(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, "limits: {upstream_idle: 20s, idle: 1h}\n");
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    warm(&s, c);
    fl_world_run_for(s.rig.world, 19 * FL_NS_S);
    rig_equal(&s.rig, rig_stats(&s.rig).connections_idle, 1);
    fl_world_run_for(s.rig.world, 6 * FL_NS_S); /* looked at each 5 s */
    rig_equal(&s.rig, rig_stats(&s.rig).connections_open, 0);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

/* Bytes on an idle connection are an answer to nobody. */
static void an_idle_connection_that_speaks_is_closed(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, NULL);
    s.parts[0] = (struct upstream_part){fl_buf_slice(&s.plain), 1, 0};
    s.parts[1] = (struct upstream_part){
        FL_LIT("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"), 1, MS(50)};
    s.answers[0] = (struct upstream_answer){s.parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s.first, s.answers, 1);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    for (unsigned i = 0; i < 3; i++) {
        rig_post(c, 1, false, "");
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(c, i), "quick");
        fl_world_run_for(s.rig.world, MS(100));
        rig_equal(&s.rig, rig_stats(&s.rig).connections_open, 0);
    }
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

/* A stale connection is replaced once: what the fresh one does counts. */
static void what_the_fresh_connection_does_counts(void **state)
{
    struct scene s;
    (void)state;
    for (unsigned second = 0; second < 2; second++) {
        open_scene(&s, 1 + second, NULL);
        rig_say(&s.rig, "fresh one fails too, %s second", second ? "with" : "without");
        s.parts[0] = (struct upstream_part){fl_buf_slice(&s.plain), 1, 0};
        s.answers[0] = (struct upstream_answer){s.parts, 1, UPSTREAM_KEEP};
        s.answers[1] = (struct upstream_answer){NULL, 0, UPSTREAM_FIN};
        upstream_plan(&s.first, s.answers, 2);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        warm(&s, c);
        rig_post(c, 1, false, "");
        rig_settle(&s.rig, c, FL_NS_S);
        if (second) {
            rig_check_text(&s.rig, fl_simclient_answer(c, 1), "other");
        } else {
            rig_check_error(&s.rig, fl_simclient_answer(c, 1), 502, "provider_closed");
        }
        rig_equal(&s.rig, rig_stats(&s.rig).stale_retries, 1);
        rig_equal(&s.rig, s.first.requests, 3);
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").begun, 2);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

/* A connection that was used before and breaks late: the fresh one has all of its time to connect.
 */
static void the_fresh_connection_has_its_own_time(void **state)
{
    struct scene s;
    struct fl_world_link link;
    (void)state;
    open_scene(&s, 1, "routing: {timeouts: {connect: 2s, first_token: 20s}}\n");
    rig_say(&s.rig, "breaks after 10 s");
    s.parts[0] = (struct upstream_part){fl_buf_slice(&s.plain), 1, 0};
    s.parts[1] = (struct upstream_part){FL_EMPTY, 1, 10 * FL_NS_S};
    s.answers[0] = (struct upstream_answer){s.parts, 1, UPSTREAM_KEEP};
    s.answers[1] = (struct upstream_answer){s.parts + 1, 1, UPSTREAM_RESET};
    s.answers[2] = (struct upstream_answer){s.parts, 1, UPSTREAM_KEEP};
    upstream_plan(&s.first, s.answers, 3);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    warm(&s, c);
    link = fl_world_link(s.rig.world);
    link.connect_delay_ns = 1500 * FL_NS_MS;
    fl_world_plan(s.rig.world, "10.0.1.1:80", &link, 1);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, 60 * FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 1), "quick");
    link.connect = FL_WORLD_BLACKHOLE; /* and no more than that */
    fl_world_plan(s.rig.world, "10.0.1.1:80", &link, 1);
    s.answers[0] = s.answers[1];
    upstream_plan(&s.first, s.answers, 1);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, 60 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 2);
    rig_check_error(&s.rig, a, 504, "provider_connect_timeout");
    rig_equal(&s.rig, a->end_ns - a->asked_ns, MS(1 + 1 + 10000 + 1 + 2000 + 1));
    rig_leave(&s.rig, c);
    close_scene(&s);
}

/* An answer whose framing ends late is complete for its client; its connection is kept for a
 * second. */
static void the_end_of_a_stream_s_framing_may_come_later(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct scene s;
        struct fl_buf body, chunk;
        open_scene(&s, 1, NULL);
        rig_say(&s.rig, "last chunk %s", late ? "never" : "after 500 ms");
        fl_buf_init(&body, 4096);
        fl_buf_init(&chunk, 4096);
        put_stream_head(&chunk, BY_CHUNKS);
        put_delta(&body, "quick");
        fl_buf_put_cstr(&body, "data: [DONE]\n\n");
        put_chunk(&chunk, fl_buf_slice(&body));
        s.parts[0] = (struct upstream_part){fl_buf_slice(&chunk), 1, 0};
        s.parts[1] =
            (struct upstream_part){FL_LIT("0\r\n\r\n"), 1, late ? 3600 * FL_NS_S : MS(500)};
        s.answers[0] = (struct upstream_answer){s.parts, 2, UPSTREAM_KEEP};
        upstream_plan(&s.first, s.answers, 1);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        rig_post(c, 1, true, "");
        rig_settle(&s.rig, c, MS(9));
        rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
        fl_world_run_for(s.rig.world, 8 * FL_NS_S);
        rig_equal(&s.rig, rig_stats(&s.rig).connections_idle, late ? 0 : 1);
        rig_equal(&s.rig, rig_stats(&s.rig).connections_open, late ? 0 : 1);
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").succeeded, 1);
        rig_leave(&s.rig, c);
        close_scene(&s);
        fl_buf_finish(&body);
        fl_buf_finish(&chunk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_closed_when_it_is_used_is_replaced),
        cmocka_unit_test(connections_closed_while_idle_are_not_used),
        cmocka_unit_test(idle_connections_are_closed_in_time),
        cmocka_unit_test(an_idle_connection_that_speaks_is_closed),
        cmocka_unit_test(what_the_fresh_connection_does_counts),
        cmocka_unit_test(the_fresh_connection_has_its_own_time),
        cmocka_unit_test(the_end_of_a_stream_s_framing_may_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

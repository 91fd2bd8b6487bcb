/* SPDX-License-Identifier: Apache-2.0 */
/* Draining, and reloads while requests are in flight. Times as in test_timeout.c. */
#include "sim/rig.h"
#include "sim/upstream.h"

#define MS(n) ((n)*FL_NS_MS)

enum { drip_count = 40 };

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf head, event, end, plain, other;
    struct upstream_part parts[3], slow[1];
    struct upstream_answer stream, late;
    unsigned drained;
};

static const char both[] =
    "models:\n  chat: {targets: [p0/m], fallback: [p1/m]}\nproviders:\n"
    "  p0: {type: openai_compatible, api_key: sk-sim, models: [m], base_url: "
    "\"http://10.0.1.1:80/v1\"}\n"
    "  p1: {type: openai_compatible, api_key: sk-sim, models: [m], base_url: "
    "\"http://10.0.1.2:80/v1\"}\n";
static const char second_only[] = "models:\n  chat: {targets: [p1/m]}\nproviders:\n"
                                  "  p1: {type: openai_compatible, api_key: sk-sim, models: [m], "
                                  "base_url: \"http://10.0.1.2:80/v1\"}\n";

static void put_file(struct fl_buf *b, const char *listen, const char *providers)
{
    fl_buf_init(b, 65536);
    fl_buf_put_cstr(
        b, "auth: {insecure_no_auth: true}\nlimits: {drain: 10s, heartbeat: 10m}\nlisten: \"");
    fl_buf_put_cstr(b, listen);
    fl_buf_put_cstr(b, "\"\n");
    fl_buf_put_cstr(b, providers);
}

static void reload(struct scene *s, const char *listen, const char *providers)
{
    struct fl_buf yaml;
    put_file(&yaml, listen, providers);
    rig_reload_file(&s->rig, fl_buf_slice(&yaml));
    fl_buf_finish(&yaml);
}

static void put_texts(struct scene *s)
{
    struct fl_buf *bufs[] = {&s->head, &s->event, &s->end, &s->plain, &s->other};
    for (unsigned i = 0; i < 5; i++) {
        fl_buf_init(bufs[i], 65536);
    }
    put_stream_head(&s->head, BY_CLOSE);
    put_delta(&s->event, "drip ");
    fl_buf_put_cstr(&s->end, "data: [DONE]\n\n");
    put_plain(&s->plain, BY_LENGTH, "quick");
    put_plain(&s->other, BY_LENGTH, "other");
}

/* The first provider drips a stream for 4 s, the second one answers at once. */
static void open_scene(struct scene *s)
{
    struct fl_buf yaml;
    *s = (struct scene){.drained = 0};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    put_texts(s);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    s->parts[0] = (struct upstream_part){fl_buf_slice(&s->head), 1, 0};
    s->parts[1] = (struct upstream_part){fl_buf_slice(&s->event), drip_count, MS(100)};
    s->parts[2] = (struct upstream_part){fl_buf_slice(&s->end), 1, 0};
    s->stream = (struct upstream_answer){s->parts, 3, UPSTREAM_FIN};
    s->slow[0] = (struct upstream_part){fl_buf_slice(&s->plain), 1, MS(500)};
    s->late = (struct upstream_answer){s->slow, 1, UPSTREAM_KEEP};
    upstream_plan(&s->first, &s->stream, 1);
    upstream_say(&s->second, fl_buf_slice(&s->other), UPSTREAM_KEEP);
    put_file(&yaml, "10.0.0.1:80", both);
    rig_serve_file(&s->rig, fl_buf_slice(&yaml), 1);
    fl_buf_finish(&yaml);
}

static void close_scene(struct scene *s)
{
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 100 * FL_NS_S));
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    struct fl_buf *bufs[] = {&s->head, &s->event, &s->end, &s->plain, &s->other};
    for (unsigned i = 0; i < 5; i++) {
        fl_buf_finish(bufs[i]);
    }
    rig_close(&s->rig);
}

static void check_stream(const struct rig *r, const struct fl_simanswer *a)
{
    rig_check(r, a->complete && a->done_marker && a->status == 200);
    rig_equal(r, a->event_count, drip_count + 1);
}

/* --- draining --- */

static void on_drained(void *owner)
{
    struct scene *s = owner;
    s->drained++;
}

static void a_drain_lets_everything_end(void **state)
{
    struct scene s;
    struct fl_simclient *idle, *stream, *half, *late;
    enum fl_err err = FL_ERR_INTERNAL;
    (void)state;
    open_scene(&s);
    rig_say(&s.rig, "drain");
    idle = rig_client(&s.rig, 0, NULL);
    stream = rig_client(&s.rig, 1, NULL);
    half = rig_client(&s.rig, 2, NULL);
    rig_post(stream, 1, true, "");
    fl_simclient_send(half, FL_LIT("GET /readyz HTTP/1.1\r\nho"), 1, false);
    fl_world_run_for(s.rig.world, MS(50));
    upstream_plan(&s.first, &s.late, 1);
    late = rig_client(&s.rig, 3, NULL);
    rig_post(late, 1, false, "");
    rig_post(late, 1, false, ""); /* behind it: not begun any more */
    fl_world_run_for(s.rig.world, MS(50));
    fl_worker_drain(s.rig.workers[0], on_drained, &s);
    rig_equal(&s.rig, fl_world_stats(s.rig.nodes[0]).listeners, 0);
    fl_world_run_for(s.rig.world, MS(2));
    rig_check(&s.rig, fl_simclient_ended(idle, &err) && err == FL_OK);
    struct fl_simclient *refused = rig_client(&s.rig, 4, NULL);
    fl_simclient_send(half, FL_LIT("st: a\r\n\r\n"), 0, false);
    rig_settle(&s.rig, half, FL_NS_S);
    rig_equal(&s.rig, fl_simclient_answer(half, 0)->status, 503);
    rig_check(&s.rig,
              fl_simclient_answer(half, 0)->complete && !fl_simclient_answer(half, 0)->keep_alive);
    fl_world_run_for(s.rig.world, MS(2));
    rig_check(&s.rig, fl_simclient_opened(refused, &err) && err == FL_ERR_CONNECT);
    rig_settle(&s.rig, late, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(late, 0), "quick");
    rig_check(&s.rig, !fl_simclient_answer(late, 0)->keep_alive);
    rig_check(&s.rig, fl_simclient_answer(late, 1)->status == 0);
    rig_equal(&s.rig, s.drained, 0);
    rig_settle(&s.rig, stream, 10 * FL_NS_S);
    check_stream(&s.rig, fl_simclient_answer(stream, 0));
    fl_world_run_for(s.rig.world, FL_NS_S);
    rig_equal(&s.rig, s.drained, 1);
    struct fl_simclient *all[] = {idle, stream, half, late, refused};
    for (unsigned i = 0; i < 5; i++) {
        rig_leave(&s.rig, all[i]);
    }
    fl_world_run_for(s.rig.world, 20 * FL_NS_S);
    rig_equal(&s.rig, s.drained, 1);
    close_scene(&s);
}

/* After limits.drain what is left is told so and cut: never a proper end. */
static void a_drain_ends_in_time(void **state)
{
    (void)state;
    for (unsigned minor = 0; minor < 2; minor++) {
        struct scene s;
        struct fl_simclient *stream, *waiting, *reading;
        open_scene(&s);
        rig_say(&s.rig, "drain, HTTP/1.%u", minor);
        s.parts[1].times = FL_NEVER;
        s.slow[0].wait_ns = 100 * FL_NS_S;
        stream = rig_client(&s.rig, 0, NULL);
        rig_post(stream, (int)minor, true, "");
        fl_world_run_for(s.rig.world, MS(50));
        upstream_plan(&s.first, &s.late, 1);
        waiting = rig_client(&s.rig, 1, NULL);
        rig_post(waiting, (int)minor, false, "");
        reading = rig_client(&s.rig, 2, NULL);
        fl_simclient_send(
            reading,
            FL_LIT("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{"),
            1, false);
        fl_world_run_for(s.rig.world, MS(50));
        uint64_t from_ns = fl_world_now(s.rig.world);
        fl_worker_drain(s.rig.workers[0], on_drained, &s);
        fl_world_run_for(s.rig.world, 10 * FL_NS_S - MS(1));
        rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 3);
        rig_equal(&s.rig, s.drained, 0);
        fl_world_run_for(s.rig.world, MS(2));
        rig_equal(&s.rig, s.drained, 1);
        rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 0);
        rig_check_broken(&s.rig, fl_simclient_answer(stream, 0), (int)minor, "gateway_draining");
        rig_equal(&s.rig, fl_simclient_answer(stream, 0)->end_ns - from_ns, 10 * FL_NS_S + MS(1));
        rig_check_error(&s.rig, fl_simclient_answer(waiting, 0), 503, "gateway_draining");
        rig_check_error(&s.rig, fl_simclient_answer(reading, 0), 503, "gateway_draining");
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
        fl_world_run_for(s.rig.world, MS(10));
        rig_equal(&s.rig, s.first.connections_open, 0);
        rig_leave(&s.rig, stream);
        rig_leave(&s.rig, waiting);
        rig_leave(&s.rig, reading);
        close_scene(&s);
    }
}

static void a_drain_of_nothing_is_over_at_once(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    fl_worker_drain(s.rig.workers[0], on_drained, &s);
    rig_equal(&s.rig, s.drained, 0); /* from the loop, not from in here */
    fl_world_run_for(s.rig.world, MS(1));
    rig_equal(&s.rig, s.drained, 1);
    close_scene(&s);
}

/* --- reloads --- */

static void a_stream_ends_on_the_snapshot_it_began_with(void **state)
{
    struct scene s;
    struct fl_simclient *old, *fresh;
    (void)state;
    open_scene(&s);
    rig_say(&s.rig, "reload under a stream");
    old = rig_client(&s.rig, 0, NULL);
    rig_post(old, 1, true, "");
    fl_world_run_for(s.rig.world, MS(500));
    reload(&s, "10.0.0.1:80", second_only);
    fresh = rig_client(&s.rig, 1, NULL);
    rig_post(fresh, 1, false, "");
    rig_settle(&s.rig, fresh, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(fresh, 0), "other");
    rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 1);
    rig_settle(&s.rig, old, 10 * FL_NS_S);
    check_stream(&s.rig, fl_simclient_answer(old, 0));
    rig_post(old, 1, false, ""); /* the same client's next request is served by the new one */
    rig_settle(&s.rig, old, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(old, 1), "other");
    rig_equal(&s.rig, s.first.connections_open, 0);
    rig_leave(&s.rig, old);
    rig_leave(&s.rig, fresh);
    close_scene(&s);
}

/* The plan is the old one too: the second provider answers although the new file does not know the
 * first. */
static void a_failover_goes_on_by_the_old_plan(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    rig_say(&s.rig, "failover over a reload");
    const struct upstream_part wait[] = {{FL_EMPTY, 1, MS(500)}};
    const struct upstream_answer breaks = {wait, 1, UPSTREAM_RESET};
    upstream_plan(&s.first, &breaks, 1);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    rig_post(c, 1, false, "");
    fl_world_run_for(s.rig.world, MS(100));
    reload(&s, "10.0.0.1:80", second_only);
    rig_settle(&s.rig, c, FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_check_text(&s.rig, a, "other");
    rig_check(&s.rig, fl_slice_eq(fl_simanswer_header(a, "x-fairlead-failover"),
                                  FL_LIT("p0>p1;provider_reset")));
    rig_leave(&s.rig, c);
    close_scene(&s);
}

static void idle_connections_of_the_old_snapshot_are_closed(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s);
    upstream_say(&s.first, fl_buf_slice(&s.plain), UPSTREAM_KEEP);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, FL_NS_S);
    rig_equal(&s.rig, rig_stats(&s.rig).connections_idle, 1);
    reload(&s, "10.0.0.1:80", both);
    rig_equal(&s.rig, rig_stats(&s.rig).connections_open, 0);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 1), "quick");
    rig_equal(&s.rig, s.first.connections, 2);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

static void a_new_address_is_listened_on_and_an_old_one_is_left(void **state)
{
    struct scene s;
    enum fl_err err = FL_ERR_INTERNAL;
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 81);
    (void)state;
    open_scene(&s);
    upstream_say(&s.first, fl_buf_slice(&s.plain), UPSTREAM_KEEP);
    struct fl_simclient *old = rig_client(&s.rig, 0, NULL);
    fl_world_run_for(s.rig.world, MS(10));
    reload(&s, "10.0.0.1:81", both);
    struct fl_simclient *refused = rig_client(&s.rig, 1, NULL),
                        *fresh = rig_client(&s.rig, 2, &options);
    rig_post(fresh, 1, false, "");
    rig_post(old, 1, false, "");
    rig_settle(&s.rig, fresh, FL_NS_S);
    rig_settle(&s.rig, old, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(fresh, 0), "quick");
    rig_check_text(&s.rig, fl_simclient_answer(old, 0), "quick");
    rig_check(&s.rig, fl_simclient_opened(refused, &err) && err == FL_ERR_CONNECT);
    rig_leave(&s.rig, old);
    rig_leave(&s.rig, fresh);
    rig_leave(&s.rig, refused);
    close_scene(&s);
}

/* A reload each 7 ms for 4 s, requests all the while, two streams through it all: nothing is lost.
 */
static void no_request_is_lost_by_many_reloads(void **state)
{
    struct scene s;
    struct fl_simclient *streams[2], *c[8];
    (void)state;
    open_scene(&s);
    rig_say(&s.rig, "many reloads");
    for (unsigned i = 0; i < 2; i++) {
        streams[i] = rig_client(&s.rig, i, NULL);
        rig_post(streams[i], 1, true, "");
    }
    fl_world_run_for(s.rig.world, MS(50));
    s.slow[0].wait_ns = MS(13);
    upstream_plan(&s.first, &s.late, 1);
    for (unsigned i = 0; i < 8; i++) {
        c[i] = rig_client(&s.rig, 2 + i, NULL);
    }
    for (unsigned n = 0; n < 600; n++) {
        if (fl_simclient_settled(c[n % 8])) {
            rig_post(c[n % 8], 1, false, "");
        }
        fl_world_run_for(s.rig.world, MS(7));
        reload(&s, "10.0.0.1:80", both);
    }
    for (unsigned i = 0; i < 8; i++) {
        rig_settle(&s.rig, c[i], FL_NS_S);
        rig_check(&s.rig, fl_simclient_answers(c[i]) >= 70);
        for (unsigned n = 0; n < fl_simclient_answers(c[i]); n++) {
            rig_check_text(&s.rig, fl_simclient_answer(c[i], n), "quick");
        }
        rig_leave(&s.rig, c[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        rig_settle(&s.rig, streams[i], FL_NS_S);
        check_stream(&s.rig, fl_simclient_answer(streams[i], 0));
        rig_leave(&s.rig, streams[i]);
    }
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drain_lets_everything_end),
        cmocka_unit_test(a_drain_ends_in_time),
        cmocka_unit_test(a_drain_of_nothing_is_over_at_once),
        cmocka_unit_test(a_stream_ends_on_the_snapshot_it_began_with),
        cmocka_unit_test(a_failover_goes_on_by_the_old_plan),
        cmocka_unit_test(idle_connections_of_the_old_snapshot_are_closed),
        cmocka_unit_test(a_new_address_is_listened_on_and_an_old_one_is_left),
        cmocka_unit_test(no_request_is_lost_by_many_reloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

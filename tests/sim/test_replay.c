/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client whose connection breaks comes back for the rest of its stream (Last-Event-ID): cut behind every byte,
 * on two workers; several times; after the end. And who does not come back, comes too late, or for somebody
 * else's stream. What it may cost, and how streams end: test_replay_limits.c.
 */
#include "sim/story.h"

#include <stdio.h>

/* --- coming back --- */

/* One cut; true: it could come back. */
static bool cut_at(struct scene *s, uint64_t at)
{
    struct story t;
    struct fl_target_view before = rig_target(&s->rig, "p0/m"), after;
    unsigned requests = s->first.requests;
    story_open(&t);
    hear(s, &t, leaving(s, at, at % 2 ? FL_CLOSE_RESET : FL_CLOSE_NOW), MS(at % 97));
    bool back = t.last[0] != '\0';
    if (t.done) { /* only the chunk after the last one was missing */
        back = false;
        fl_buf_finish(&t.data);
    } else if (back) {
        hear_rest(s, &t, come_back(s, 1, t.last, at % 3 == 0, NULL));
        story_is_whole(s, &t);
    } else {
        fl_buf_finish(&t.data);
    }
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 40 * FL_NS_S));
    after = rig_target(&s->rig, "p0/m");
    rig_equal(&s->rig, s->first.requests, requests + 1); /* asked once, and counted once */
    rig_equal(&s->rig, after.begun, before.begun + 1);
    if (back) {
        rig_equal(&s->rig, after.succeeded, before.succeeded + 1);
    }
    return back;
}

static void a_stream_cut_at_every_byte_is_read_whole(void **state)
{
    (void)state;
    for (unsigned slow = 0; slow < 2; slow++) {
        struct scene s;
        unsigned back = 0;
        open_scene(&s, "every byte", ON, 2);
        say_slowly(&s, slow ? MS(30) : 0);
        uint64_t bytes = whole_bytes(&s);
        for (uint64_t at = 0; at <= bytes; at++) {
            rig_say(&s.rig, "%s, cut after byte %llu", slow ? "slow" : "at once", (unsigned long long)at);
            back += cut_at(&s, at);
        }
        rig_check(&s.rig, back > bytes / 2);
        for (unsigned i = 0; i < 2; i++) { /* on either worker */
            struct fl_worker_stats stats;
            fl_worker_read(s.rig.workers[i], &stats);
            rig_check(&s.rig, stats.exchanges > bytes / 2);
        }
        close_scene(&s);
    }
}

static void a_client_comes_back_several_times(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "several times", ON, 2);
    say_slowly(&s, MS(200));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    unsigned times = 0;
    while (!t.done && times < 50) { /* each sees about an event beyond the head */
        struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
        o.abort_received = 520;
        struct fl_simclient *c = come_back(&s, 1 + times % 8, t.last, times % 2, &o);
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        story_goes_on(&s, &t, fl_simclient_answer(c, 0));
        leave(&s, c);
        times++;
    }
    rig_check(&s.rig, t.done && times > 3);
    story_is_whole(&s, &t);
    rig_equal(&s.rig, s.first.requests, 1);
    close_scene(&s);
}

static void its_end_is_kept_for_the_grace_period(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "kept", ON, 2);
    say_slowly(&s, MS(20));
    story_open(&t);
    hear(&s, &t, leaving(&s, FL_NEVER, FL_CLOSE_NOW), 29 * FL_NS_S); /* it had all, and does not know */
    char second[64];
    (void)snprintf(second, sizeof(second), "%s.2", t.token);
    t.next = 3;
    t.done = false;
    fl_buf_reset(&t.data);
    hear_rest(&s, &t, come_back(&s, 1, second, false, NULL));
    rig_equal(&s.rig, t.next, words + 3);
    /* From then on, once more so long. */
    fl_world_run_for(s.rig.world, 29 * FL_NS_S);
    struct fl_simclient *c = come_back(&s, 2, t.last, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_check(&s.rig, a->status == 200 && a->complete && a->body.len == 0);
    leave(&s, c);
    c = come_back(&s, 3, t.last, true, NULL); /* an EventSource stops asking at that */
    rig_settle(&s.rig, c, FL_NS_S);
    rig_equal(&s.rig, fl_simclient_answer(c, 0)->status, 204);
    leave(&s, c);
    fl_world_run_for(s.rig.world, 31 * FL_NS_S);
    rig_equal(&s.rig, fl_replays_bytes(s.rig.replays), 0);
    c = come_back(&s, 4, second, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 404, "replay_unknown");
    leave(&s, c);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* The query says it where a browser cannot say a header. */
static void the_url_may_say_the_id(void **state)
{
    struct scene s;
    struct story t;
    char path[128];
    (void)state;
    open_scene(&s, "query", ON, 1);
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), 0);
    struct fl_simclient *c = rig_client(&s.rig, 1, NULL);
    (void)snprintf(path, sizeof(path), "/v1/chat/completions?x=1&last_event_id=%s&y", t.last);
    fl_simclient_request(c, "GET", path, "", FL_EMPTY);
    hear_rest(&s, &t, c);
    story_is_whole(&s, &t);
    c = rig_client(&s.rig, 2, NULL);
    fl_simclient_request(c, "GET", "/v1/chat/completions?last_event_i=1", "", FL_EMPTY);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 405, "caller_method_not_allowed");
    leave(&s, c);
    close_scene(&s);
}

/* Over HTTP/1.0 the connection's end is the stream's. */
static void http_1_0_may_come_back_as_well(void **state)
{
    struct scene s;
    struct story t;
    char request[200];
    (void)state;
    open_scene(&s, "HTTP/1.0", ON, 2);
    story_open(&t);
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = MS(170);
    struct fl_simclient *c = rig_client(&s.rig, 0, &o);
    rig_post(c, 0, true, "");
    hear(&s, &t, c, MS(10));
    c = rig_client(&s.rig, 1, NULL);
    (void)snprintf(request, sizeof(request),
                   "GET /v1/chat/completions HTTP/1.0\r\nhost: 10.0.0.1\r\nlast-event-id: %s\r\n\r\n", t.last);
    fl_simclient_send(c, fl_slice_cstr(request), 1, false);
    hear_rest(&s, &t, c);
    story_is_whole(&s, &t);
    close_scene(&s);
}

/* --- who stays away --- */

static void without_a_client_the_provider_is_cancelled_after_the_grace_period(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "nobody comes", "routing: {replay: on}\nlimits: {replay_grace: 2s, upstream_idle: 1s}\n", 2);
    say_slowly(&s, MS(1000));
    story_open(&t);
    struct fl_simclient *c = leaving_early(&s, FL_CLOSE_RESET);
    rig_settle(&s.rig, c, 100 * FL_NS_S);
    uint64_t left_ns = fl_simclient_answer(c, 0)->end_ns;
    story_goes_on(&s, &t, fl_simclient_answer(c, 0));
    leave(&s, c);
    rig_check(&s.rig, t.last[0] != '\0');
    rig_check(&s.rig, fl_world_run_until(s.rig.world, rig_idle, &s.rig, 5 * FL_NS_S));
    rig_equal(&s.rig, fl_world_now(s.rig.world), left_ns + MS(1 + 2000)); /* the RST takes one */
    fl_world_run_for(s.rig.world, MS(5));
    rig_equal(&s.rig, s.first.cancelled, 1);
    rig_equal(&s.rig, s.first.left_ns, left_ns + MS(1 + 2000 + 1));
    rig_equal(&s.rig, rig_stats(&s.rig).cancelled, 1);
    rig_equal(&s.rig, fl_replays_count(s.rig.replays), 0);
    c = come_back(&s, 1, t.last, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 404, "replay_unknown");
    leave(&s, c);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* Each time that it leaves, the grace period begins anew. */
static void coming_back_begins_the_grace_period_anew(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "anew", "routing: {replay: on}\nlimits: {replay_grace: 2s, upstream_idle: 1s}\n", 2);
    say_slowly(&s, MS(1500));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(1900));
    for (unsigned i = 0; i < 3; i++) {
        struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
        o.abort_ns = MS(20);
        hear(&s, &t, come_back(&s, 1 + i, t.last, false, &o), MS(1900));
    }
    hear_rest(&s, &t, come_back(&s, 5, t.last, false, NULL));
    story_is_whole(&s, &t);
    close_scene(&s);
}

static void without_the_wish_a_client_that_leaves_cancels_at_once(void **state)
{
    static const struct {
        const char *more, *header;
        bool on;
    } cases[] = {
        {"limits: {upstream_idle: 1s}\n", "", false},
        {"limits: {upstream_idle: 1s}\n", "x-fairlead-replay: on\r\n", true},
        {"limits: {upstream_idle: 1s}\n", "x-fairlead-replay: off\r\n", false},
        {ON, "", true},
        {ON, "x-fairlead-replay: off\r\n", false},
        {"routing: {replay: on}\nlimits: {replay: 0, upstream_idle: 1s}\n", "", false},
        {"routing: {replay: on}\nlimits: {replay_total: 0, upstream_idle: 1s}\n", "", false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct scene s;
        struct story t;
        struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
        char what[40];
        (void)snprintf(what, sizeof(what), "wish %u", i);
        open_scene(&s, what, cases[i].more, 1);
        say_slowly(&s, MS(50));
        o.abort_ns = MS(200);
        struct fl_simclient *c = rig_client(&s.rig, 0, &o);
        rig_post(c, 1, true, cases[i].header);
        story_open(&t);
        hear(&s, &t, c, MS(10));
        rig_check(&s.rig, t.unnumbered + (t.next - 1) >= 2);
        rig_equal(&s.rig, t.unnumbered == 0, cases[i].on);
        rig_equal(&s.rig, s.first.cancelled, cases[i].on ? 0 : 1);
        rig_equal(&s.rig, rig_idle(&s.rig), !cases[i].on);
        fl_buf_finish(&t.data);
        close_scene(&s);
    }
}

static void a_wish_that_means_nothing_is_refused(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "wish", ON, 1);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    rig_post(c, 1, true, "x-fairlead-replay: yes\r\n");
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 400, "caller_invalid_request");
    leave(&s, c);
    close_scene(&s);
}

/* --- refusals --- */

static void what_cannot_be_come_back_for_says_why(void **state)
{
    struct scene s;
    struct story t;
    char text[200];
    const char *chat = "/v1/chat/completions";
    (void)state;
    open_scene(&s, "refusals",
               "keys: [{name: a, key: sk-a-0123456789ab}, {name: b, key: sk-b-0123456789ab}]\n"
               "routing: {replay: on}\nlimits: {upstream_idle: 1s}\n",
               2);
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_received = 1200;
    struct fl_simclient *c = rig_client(&s.rig, 0, &o);
    rig_post(c, 1, true, "authorization: Bearer sk-a-0123456789ab\r\n");
    story_open(&t);
    hear(&s, &t, c, 0);
#define ID(key, format, ...)                                                                       \
    (snprintf(text, sizeof(text),                                                                  \
              "authorization: Bearer sk-" key "-0123456789ab\r\nlast-event-id: " format "\r\n",    \
              __VA_ARGS__),                                                                        \
     text)
    /* Somebody else's is as one that does not exist. */
    refused(&s, "POST", chat, ID("b", "%s", t.last), 404, "replay_unknown");
    refused(&s, "POST", "/v1/completions", ID("a", "%s", t.last), 404, "replay_unknown");
    refused(&s, "POST", "/v1/messages", ID("a", "%s", t.last), 404, "\"not_found_error\"");
    refused(&s, "POST", chat, ID("a", "%032d.1", 7), 404, "replay_unknown");
    refused(&s, "POST", chat, ID("c", "%s", t.last), 401, "invalid_api_key");
    refused(&s, "POST", chat, ID("a", "%s.100", t.token), 400, "caller_invalid_request");
    refused(&s, "GET", chat, ID("a", "%s", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.-1", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.1x", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.18446744073709551617", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%032d%s.1", 1, t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s", "msg_01"), 400, "Last-Event-ID");
    refused(&s, "DELETE", chat, ID("a", "%s", t.last), 405, "caller_method_not_allowed");
    c = rig_client(&s.rig, 1, NULL);
    fl_simclient_request(c, "POST", chat, ID("a", "%s", t.last), FL_LIT("{\"model\": 7, nonsense"));
    hear_rest(&s, &t, c); /* its body does not matter */
    story_is_whole(&s, &t);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_cut_at_every_byte_is_read_whole),
        cmocka_unit_test(a_client_comes_back_several_times),
        cmocka_unit_test(its_end_is_kept_for_the_grace_period),
        cmocka_unit_test(the_url_may_say_the_id),
        cmocka_unit_test(http_1_0_may_come_back_as_well),
        cmocka_unit_test(without_a_client_the_provider_is_cancelled_after_the_grace_period),
        cmocka_unit_test(coming_back_begins_the_grace_period_anew),
        cmocka_unit_test(without_the_wish_a_client_that_leaves_cancels_at_once),
        cmocka_unit_test(a_wish_that_means_nothing_is_refused),
        cmocka_unit_test(what_cannot_be_come_back_for_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

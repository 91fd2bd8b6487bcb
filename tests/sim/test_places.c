/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for a place at a busy target, one request at a time: who comes first, who goes
 * elsewhere, who is turned away, who leaves. Answers take 2 s; a connection takes 1 ms a way.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

#define MS(n) ((n)*FL_NS_MS)
#define S(n)  ((n)*FL_NS_S)

static const char one_place[] = ", concurrency: 1, timeouts: {connect: 30s}";

struct scene {
    struct rig rig;
    struct upstream upstreams[2];
    unsigned count;
    struct fl_buf plain[2];
    struct upstream_part parts[2];
    struct upstream_answer answers[2];
    struct fl_simclient *clients[8];
};

static void open_scene(struct scene *s, unsigned providers, const char *more, unsigned workers,
                       const char *provider)
{
    const struct rig_setup setup = {.providers = providers, .provider = provider, .more = more};
    static const char *const ips[] = {"10.0.1.1", "10.0.1.2"}, *const texts[] = {"first", "other"};
    *s = (struct scene){.count = providers};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    for (unsigned i = 0; i < providers; i++) {
        upstream_open(&s->upstreams[i], fl_world_sys(s->rig.world, ips[i]));
        fl_buf_init(&s->plain[i], 65536);
        put_plain(&s->plain[i], BY_LENGTH, texts[i]);
        s->parts[i] = (struct upstream_part){fl_buf_slice(&s->plain[i]), 1, S(2)};
        s->answers[i] = (struct upstream_answer){&s->parts[i], 1, UPSTREAM_KEEP};
        upstream_plan(&s->upstreams[i], &s->answers[i], 1);
    }
    rig_serve(&s->rig, &setup, workers);
}

static void close_scene(struct scene *s)
{
    for (unsigned i = 0; i < 8; i++) {
        if (s->clients[i]) {
            fl_simclient_destroy(s->clients[i]);
        }
    }
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, S(100)));
    fl_world_run_for(s->rig.world, S(80));
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_equal(&s->rig, rig_target(&s->rig, "p0/m").failed, 0);
    rig_stop(&s->rig);
    for (unsigned i = 0; i < s->count; i++) {
        upstream_close(&s->upstreams[i]);
        fl_buf_finish(&s->plain[i]);
    }
    rig_close(&s->rig);
}

/* Client *i* asks, and 10 ms go by. */
static void ask(struct scene *s, unsigned i, const char *headers)
{
    if (!s->clients[i]) {
        s->clients[i] = rig_client(&s->rig, i, NULL);
    }
    rig_post(s->clients[i], 1, false, headers);
    fl_world_run_for(s->rig.world, MS(10));
}

static const struct fl_simanswer *answer(struct scene *s, unsigned i)
{
    rig_settle(&s->rig, s->clients[i], S(60));
    return fl_simclient_answer(s->clients[i], fl_simclient_answers(s->clients[i]) - 1);
}

/* Turned away, and told when to come again. */
static void check_away(struct scene *s, unsigned i, const char *retry_after, const char *why)
{
    const struct fl_simanswer *a = answer(s, i);
    rig_check_error(&s->rig, a, 503, "gateway_overloaded");
    rig_check(&s->rig,
              fl_slice_eq(fl_simanswer_header(a, "retry-after"), fl_slice_cstr(retry_after)));
    rig_check(&s->rig, rig_has(fl_buf_slice(&a->body), why));
}

static uint64_t ended(struct scene *s, unsigned i)
{
    const struct fl_simanswer *a = answer(s, i);
    rig_equal(&s->rig, a->status, 200);
    return a->end_ns;
}

/* --- order --- */

static void by_class_then_by_deadline(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, NULL, 1, one_place);
    rig_say(&s.rig, "order");
    ask(&s, 0, "");
    ask(&s, 1, "x-fairlead-priority: low\r\n");
    ask(&s, 2, "");
    ask(&s, 3, "x-fairlead-timeout-ms: 20000\r\n");
    ask(&s, 4, "x-fairlead-priority: High\r\n");
    ask(&s, 5, "x-fairlead-priority: critical\r\n");
    rig_equal(&s.rig, s.upstreams[0].requests, 1);
    const unsigned order[] = {0, 5, 4, 3, 2};
    uint64_t begun_ns = fl_world_now(s.rig.world), last_ns = begun_ns - S(1);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t at_ns = ended(&s, order[i]);
        rig_check(&s.rig, at_ns > last_ns + S(2) && at_ns < last_ns + S(3));
        last_ns = at_ns;
    }
    /* who may wait is turned away when the line does not get shorter */
    check_away(&s, 1, "1", "those of its priority are turned away");
    rig_check(&s.rig, answer(&s, 1)->end_ns < begun_ns + S(1));
    rig_equal(&s.rig, s.upstreams[0].requests, 5);
    close_scene(&s);
}

static void a_word_that_is_no_priority_is_refused(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, NULL, 1, NULL);
    rig_say(&s.rig, "no priority");
    ask(&s, 0, "x-fairlead-priority: urgent\r\n");
    rig_check_error(&s.rig, answer(&s, 0), 400, "caller_invalid_request");
    close_scene(&s);
}

static void a_full_room_makes_place_for_its_better(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, "limits: {queue: 1}\n", 1, one_place);
    rig_say(&s.rig, "a full room");
    ask(&s, 0, "");
    ask(&s, 1, "");
    ask(&s, 2, ""); /* its equal is there */
    check_away(&s, 2, "1", "no more may wait");
    ask(&s, 3, "x-fairlead-priority: high\r\n");
    check_away(&s, 1, "1", "those that wait go before this one");
    rig_check(&s.rig, ended(&s, 3) > ended(&s, 0));
    rig_equal(&s.rig, s.upstreams[0].requests, 2);
    close_scene(&s);
}

/* A key's class is the best that its requests get. */
static void a_key_s_class_is_not_raised(void **state)
{
    struct scene s;
    const char *const batch = "authorization: Bearer batch-0123456789\r\n"
                              "x-fairlead-priority: critical\r\n";
    const char *const people = "authorization: Bearer people-0123456789\r\n";
    (void)state;
    open_scene(&s, 1,
               "limits: {queue: 1}\n"
               "keys:\n"
               "  - {name: batch, key: batch-0123456789, priority: low}\n"
               "  - {name: people, key: people-0123456789}\n",
               1, one_place);
    rig_say(&s.rig, "a key's class");
    ask(&s, 0, people);
    ask(&s, 1, batch);
    ask(&s, 2, people);
    check_away(&s, 1, "1", "those that wait go before this one");
    ask(&s, 3, batch);
    check_away(&s, 3, "1", "no more may wait");
    rig_check(&s.rig, ended(&s, 2) > ended(&s, 0));
    close_scene(&s);
}

/* --- elsewhere --- */

static void a_busy_target_gives_way_to_the_next(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, NULL, 1, one_place);
    rig_say(&s.rig, "elsewhere");
    ask(&s, 0, "");
    ask(&s, 1, "");
    rig_check_text(&s.rig, answer(&s, 0), "first");
    rig_check_text(&s.rig, answer(&s, 1), "other");
    fl_world_run_for(s.rig.world, MS(10));
    /* Both are busy, the first for longer: who waits in front of it goes to the other. */
    s.parts[0].wait_ns = S(20);
    ask(&s, 0, "");
    ask(&s, 1, "");
    ask(&s, 2, "");
    rig_check_text(&s.rig, answer(&s, 2), "other");
    rig_check_text(&s.rig, answer(&s, 1), "other");
    rig_check_text(&s.rig, answer(&s, 0), "first");
    rig_equal(&s.rig, s.upstreams[1].requests, 3);
    close_scene(&s);
}

/* --- going away --- */

static void who_waits_may_leave(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, "limits: {queue: 1}\n", 1, one_place);
    rig_say(&s.rig, "leaving");
    ask(&s, 0, "");
    ask(&s, 1, "");
    fl_simclient_abort(s.clients[1], FL_CLOSE_RESET);
    fl_world_run_for(s.rig.world, MS(10));
    rig_equal(&s.rig, rig_stats(&s.rig).exchanges_open, 1);
    ask(&s, 2, ""); /* its seat is free */
    rig_check(&s.rig, ended(&s, 2) > ended(&s, 0));
    rig_equal(&s.rig, s.upstreams[0].requests, 2);
    close_scene(&s);
}

/* With 2 s for each, known from the first. */
static void what_would_be_late_is_told_at_once(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, NULL, 1, one_place);
    rig_say(&s.rig, "too late");
    ask(&s, 0, "");
    (void)ended(&s, 0);
    fl_world_run_for(s.rig.world, MS(10));
    ask(&s, 0, "");
    ask(&s, 1, "x-fairlead-timeout-ms: 3500\r\n"); /* 2 s of waiting, 2 s of its own */
    check_away(&s, 1, "3", "before the deadline");
    rig_check(&s.rig, answer(&s, 1)->end_ns - answer(&s, 1)->asked_ns < MS(10));
    ask(&s, 2, "x-fairlead-timeout-ms: 4500\r\n");
    (void)ended(&s, 2);
    close_scene(&s);
}

static void waits_end(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, "limits: {queue_wait: 500ms}\n", 1, one_place);
    rig_say(&s.rig, "waits end");
    ask(&s, 0, "");
    ask(&s, 1, "");
    check_away(&s, 1, "1", "none had a place in time");
    rig_equal(&s.rig, answer(&s, 1)->end_ns - answer(&s, 1)->asked_ns, MS(503 + 1));
    ask(&s, 2, "x-fairlead-timeout-ms: 100\r\n");
    rig_check_error(&s.rig, answer(&s, 2), 504, "caller_deadline");
    (void)ended(&s, 0);
    close_scene(&s);
}

/* --- two workers --- */

/* Each gets its part of three places, though nobody tells the other worker of a free one. */
static void workers_share_the_places(void **state)
{
    struct scene s;
    enum { clients = 40, places = 3 };
    struct fl_simclient *all[clients];
    unsigned most = 0;
    (void)state;
    open_scene(&s, 1, NULL, 2, ", concurrency: 3, timeouts: {connect: 100s}");
    rig_say(&s.rig, "two workers");
    for (unsigned i = 0; i < clients; i++) {
        all[i] = rig_client(&s.rig, i, NULL);
        rig_post(all[i], 1, false, "");
        fl_world_run_for(s.rig.world, MS(1));
    }
    uint64_t from_ns = fl_world_now(s.rig.world);
    while (rig_stats(&s.rig).exchanges_open > 0) {
        fl_world_run_for(s.rig.world, MS(1));
        unsigned now = rig_target(&s.rig, "p0/m").in_flight;
        most = now > most ? now : most;
        rig_check(&s.rig, fl_world_now(s.rig.world) - from_ns < S(60));
    }
    rig_equal(&s.rig, most, places);
    rig_equal(&s.rig, s.upstreams[0].requests, clients);
    /* 14 rounds of 2 s, and little between them */
    rig_check(&s.rig, fl_world_now(s.rig.world) - from_ns < S(28) + 14 * MS(20));
    for (unsigned i = 0; i < clients; i++) {
        rig_settle(&s.rig, all[i], S(1));
        rig_check_text(&s.rig, fl_simclient_answer(all[i], 0), "first");
        fl_simclient_destroy(all[i]);
    }
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_class_then_by_deadline),
        cmocka_unit_test(a_word_that_is_no_priority_is_refused),
        cmocka_unit_test(a_full_room_makes_place_for_its_better),
        cmocka_unit_test(a_key_s_class_is_not_raised),
        cmocka_unit_test(a_busy_target_gives_way_to_the_next),
        cmocka_unit_test(who_waits_may_leave),
        cmocka_unit_test(what_would_be_late_is_told_at_once),
        cmocka_unit_test(waits_end),
        cmocka_unit_test(workers_share_the_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

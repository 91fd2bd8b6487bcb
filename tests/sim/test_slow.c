/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that send or read slowly: what they are given in time, and what they may cost in memory.
 * Times as in test_timeout.c: the server accepts at 1 ms, and has a client's first bytes at 3 ms.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#define MS(n) ((n)*FL_NS_MS)

struct scene {
    struct rig rig;
    struct upstream first;
    struct fl_buf answer;
};

static void open_scene(struct scene *s, const char *more)
{
    const struct rig_setup setup = {.providers = 1, .more = more};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    fl_buf_init(&s->answer, 1 << 20);
    put_plain(&s->answer, BY_LENGTH, "quick");
    upstream_say(&s->first, fl_buf_slice(&s->answer), UPSTREAM_KEEP);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 100 * FL_NS_S));
    fl_world_run_for(s->rig.world, 70 * FL_NS_S);
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    fl_buf_finish(&s->answer);
    rig_close(&s->rig);
}

static struct fl_simclient *dripping(struct scene *s, size_t bytes, uint64_t gap_ms)
{
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    options.piece_bytes = bytes;
    options.piece_gap_ns = MS(gap_ms);
    return rig_client(&s->rig, 0, &options);
}

/* A reader of so many bytes a second; its end of the network holds *window* bytes. */
static struct fl_simclient *slow_reader(struct scene *s, unsigned index, uint64_t bytes_per_s,
                                        size_t window)
{
    struct fl_world_link link = fl_world_link(s->rig.world);
    link.down.bytes_per_s = bytes_per_s;
    link.down.window_bytes = window;
    fl_world_plan(s->rig.world, "10.0.0.1:80", &link, 1);
    return rig_client(&s->rig, index, NULL);
}

/* --- heads --- */

static void a_slow_head_is_answered_with_408_in_time(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, NULL);
    rig_say(&s.rig, "slow head");
    struct fl_simclient *c = dripping(&s, 1, 1000);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, 60 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_check_error(&s.rig, a, 408, "caller_too_slow");
    rig_equal(&s.rig, a->end_ns - a->asked_ns,
              MS(3 + 10000 + 1)); /* the total, not the gap between bytes */
    rig_check(&s.rig, !a->keep_alive);
    rig_leave(&s.rig, c);
    rig_equal(&s.rig, s.first.connections, 0);
    close_scene(&s);
}

static void a_silent_connection_is_closed_without_a_word(void **state)
{
    struct scene s;
    enum fl_err err = FL_ERR_INTERNAL;
    (void)state;
    open_scene(&s, NULL);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    fl_world_run_for(s.rig.world,
                     MS(10001)); /* accepted at 1 ms, closed 10 s later, seen 1 ms later */
    rig_check(&s.rig, !fl_simclient_ended(c, &err));
    fl_world_run_for(s.rig.world, MS(1));
    rig_check(&s.rig, fl_simclient_ended(c, &err) && err == FL_OK);
    rig_equal(&s.rig, fl_simclient_received(c), 0);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

static void an_idle_connection_is_kept_75_s_and_then_closed(void **state)
{
    struct scene s;
    enum fl_err err = FL_ERR_INTERNAL;
    (void)state;
    open_scene(&s, NULL);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    for (unsigned i = 0; i < 2; i++) {
        rig_post(c, 1, false, "");
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(c, i), "quick");
        fl_world_run_for(s.rig.world, MS(i == 0 ? 74000 : 75000 - 1));
        rig_check(&s.rig, !fl_simclient_ended(c, &err));
    }
    fl_world_run_for(s.rig.world, MS(1));
    rig_check(&s.rig, fl_simclient_ended(c, &err) && err == FL_OK);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

static void a_slow_second_head_is_cut_too(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, NULL);
    struct fl_simclient *c = dripping(&s, 1, 50);
    rig_post(c, 1, false, ""); /* about 200 bytes: 9 s, in time */
    rig_settle(&s.rig, c, 20 * FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
    rig_post(
        c, 1, false,
        "x-filler: 0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n"
        "x-filler: "
        "0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n");
    rig_settle(&s.rig, c, 20 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 1);
    rig_check_error(&s.rig, a, 408, "caller_too_slow");
    rig_equal(&s.rig, a->end_ns - a->asked_ns, MS(1 + 10000 + 1));
    rig_leave(&s.rig, c);
    close_scene(&s);
}

/* --- bodies --- */

static void post_head(struct fl_simclient *c, const char *framing)
{
    fl_simclient_send(c, FL_LIT("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"), 1, false);
    fl_simclient_send(c, fl_slice_cstr(framing), 0, false);
}

/* *times* pieces, one each *gap_ms* ms, behind a head; what comes of it and when, counted from the
 * head. */
static void drip(const char *framing, const char *piece, unsigned times, uint64_t gap_ms,
                 uint64_t due_ms)
{
    struct scene s;
    (void)framing;
    open_scene(&s, NULL);
    rig_say(&s.rig, "%s, '%s' each %llu ms", framing, piece, (unsigned long long)gap_ms);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    post_head(c, framing);
    for (unsigned i = 0; i < times && !fl_simclient_settled(c); i++) {
        fl_world_run_for(s.rig.world, MS(gap_ms));
        fl_simclient_send(c, fl_slice_cstr(piece), 0, false);
    }
    rig_settle(&s.rig, c, 700 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_check_error(&s.rig, a, 408, "caller_too_slow");
    rig_equal(&s.rig, a->end_ns - a->asked_ns, MS(3 + due_ms + 1));
    rig_check(&s.rig, !a->keep_alive);
    rig_equal(&s.rig, s.first.requests, 0);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").begun, 0);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

static void slow_bodies_are_answered_with_408(void **state)
{
    char four_hundred[401];
    (void)state;
    memset(four_hundred, ' ', 400);
    four_hundred[400] = '\0';
    drip("content-length: 10000\r\n\r\n", " ", 1000, 1000, 60000);
    drip("transfer-encoding: chunked\r\n\r\n", "1\r\n \r\n", 1000, 1000, 60000);
    drip("content-length: 10000\r\n\r\n", "", 1, 1, 60000);
    drip("content-length: 10000\r\nexpect: 100-continue\r\n\r\n", "", 1, 1, 60000);
    /* 400 bytes a second earn 400/501 s each: 60 s + 233 s */
    drip("content-length: 10000000\r\n\r\n", four_hundred, 1000, 1000, 293000);
    /* 2,000 bytes a second are enough, but no request outlives its deadline */
    drip("content-length: 10000000\r\n\r\n", four_hundred, 10000, 200, 600000);
}

static void a_body_above_the_minimum_rate_may_take_long(void **state)
{
    struct scene s;
    char spaces[2001];
    (void)state;
    memset(spaces, ' ', 2000);
    spaces[2000] = '\0';
    open_scene(&s, NULL);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    post_head(c, "content-length: 400016\r\n\r\n");
    for (unsigned i = 0; i < 200; i++) { /* 400 s at 1,000 bytes a second */
        fl_world_run_for(s.rig.world, MS(2000));
        fl_simclient_send(c, fl_slice_cstr(spaces), 0, false);
    }
    fl_simclient_send(c, FL_LIT("{\"model\":\"chat\"}"), 0, false);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
    rig_leave(&s.rig, c);
    close_scene(&s);
}

/* --- readers --- */

/* An endless stream of about 1 KB events as fast as it is read. */
static void plan_endless(struct scene *s, struct fl_buf *head, struct fl_buf *event,
                         struct upstream_part parts[2], struct upstream_answer *answer)
{
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    fl_buf_init(head, 4096);
    fl_buf_init(event, 4096);
    put_stream_head(head, BY_CLOSE);
    put_delta(event, text);
    parts[0] = (struct upstream_part){fl_buf_slice(head), 1, 0};
    parts[1] = (struct upstream_part){fl_buf_slice(event), FL_NEVER, 0};
    *answer = (struct upstream_answer){parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s->first, answer, 1);
}

/* *late_permille*: of the writes that do not go, how many are told of it by stalled(). */
static void read_1_byte_a_second(unsigned late_permille)
{
    struct scene s;
    struct fl_buf head, event;
    struct upstream_part parts[2];
    struct upstream_answer answer;
    open_scene(&s, NULL);
    fl_world_mix(s.rig.world)->late_permille = late_permille;
    rig_say(&s.rig, "1 byte a second, late %u", late_permille);
    plan_endless(&s, &head, &event, parts, &answer);
    struct fl_simclient *c = slow_reader(&s, 0, 1, 4096);
    rig_post(c, 1, true, "");
    fl_world_run_for(s.rig.world, 30 * FL_NS_S);
    uint64_t said = s.first.bytes;
    rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 1);
    /* one read in the server's queue, one window and one write more on the provider's side */
    rig_check(&s.rig, fl_world_stats(s.rig.nodes[0]).queued_peak <= 65536 + 2048);
    rig_check(&s.rig, said <= 4096 + 65536 + 65536 + 65536);
    fl_world_run_for(s.rig.world, 29 * FL_NS_S);
    rig_equal(&s.rig, s.first.bytes, said);
    rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 1);
    fl_world_run_for(s.rig.world, 2 * FL_NS_S); /* timeouts.idle since it stopped taking all */
    rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 0);
    rig_equal(&s.rig, rig_stats(&s.rig).cancelled, 1);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    rig_equal(&s.rig, s.first.cancelled, 1);
    rig_settle(&s.rig, c, 5000 * FL_NS_S); /* what the network held comes first */
    rig_check(&s.rig, fl_simclient_answer(c, 0)->err == FL_ERR_RESET &&
                          !fl_simclient_answer(c, 0)->complete);
    rig_leave(&s.rig, c);
    close_scene(&s);
    fl_buf_finish(&head);
    fl_buf_finish(&event);
}

static void a_reader_at_1_byte_a_second_is_cut_and_slows_its_provider(void **state)
{
    (void)state;
    read_1_byte_a_second(0);
    read_1_byte_a_second(1000);
}

static void a_reader_of_a_plain_answer_gets_the_time_that_it_earns(void **state)
{
    static char text[200001];
    static const struct {
        uint64_t bytes_per_s;
        bool whole;
    } rates[] = {{20000, true}, {2000, true}, {700, true}, {100, false}, {1, false}};
    (void)state;
    memset(text, 'x', 200000);
    for (unsigned i = 0; i < 2 * sizeof(rates) / sizeof(rates[0]); i++) {
        struct scene s;
        bool close = i & 1;
        uint64_t rate = rates[i / 2].bytes_per_s;
        open_scene(&s, NULL);
        fl_buf_reset(&s.answer);
        put_plain(&s.answer, BY_LENGTH, text);
        upstream_say(&s.first, fl_buf_slice(&s.answer), UPSTREAM_KEEP);
        rig_say(&s.rig, "plain answer read at %llu B/s, %s", (unsigned long long)rate,
                close ? "closed" : "kept");
        struct fl_simclient *c = slow_reader(&s, 0, rate, 16384);
        rig_post(c, 1, false, close ? "connection: close\r\n" : "");
        rig_settle(&s.rig, c, 100000 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        if (rates[i / 2].whole) {
            rig_check_text(&s.rig, a, text);
        } else {
            rig_check(&s.rig, !a->complete && a->status == 200);
        }
        rig_check(&s.rig, rig_target(&s.rig, "p0/m").succeeded == 1);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void ask_without_reading(unsigned late_permille)
{
    struct scene s;
    struct fl_buf many;
    open_scene(&s, NULL);
    fl_world_mix(s.rig.world)->late_permille = late_permille;
    rig_say(&s.rig, "pipelining without reading, late %u", late_permille);
    fl_buf_init(&many, 64 << 20);
    for (unsigned i = 0; i < 10000; i++) {
        fl_buf_put_cstr(&many, "GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    struct fl_simclient *c = slow_reader(&s, 0, 1, 4096);
    fl_simclient_send(c, fl_buf_slice(&many), 1, false);
    fl_buf_finish(&many);
    fl_world_run_for(s.rig.world, 30 * FL_NS_S);
    struct fl_world_stats stats = fl_world_stats(s.rig.nodes[0]);
    rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 1);
    rig_check(&s.rig, stats.queued_peak <= 8192 && stats.bytes_in <= 2 * 65536);
    fl_simclient_destroy(c);
    close_scene(&s);
}

static void who_asks_without_reading_is_not_read_either(void **state)
{
    (void)state;
    ask_without_reading(0);
    ask_without_reading(1000);
}

/* One small write, and no other that would find the queue: stalled() must say it. */
static void who_leaves_a_small_answer_unread_is_cut_in_time(void **state)
{
    struct scene s;
    char text[3001];
    (void)state;
    memset(text, 'x', 3000);
    text[3000] = '\0';
    open_scene(&s, NULL);
    fl_world_mix(s.rig.world)->late_permille = 1000;
    fl_buf_reset(&s.answer);
    put_plain(&s.answer, BY_LENGTH, text);
    upstream_say(&s.first, fl_buf_slice(&s.answer), UPSTREAM_KEEP);
    struct fl_simclient *c = slow_reader(&s, 0, 1, 1024);
    rig_post(c, 1, false, "");
    fl_world_run_for(s.rig.world, 59 * FL_NS_S);
    rig_equal(&s.rig, rig_stats(&s.rig).answered, 1);
    rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 1);
    fl_world_run_for(s.rig.world, 3 * FL_NS_S); /* timeouts.idle, not the 75 s of an idle connection */
    rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 0);
    rig_settle(&s.rig, c, 5000 * FL_NS_S);
    rig_check(&s.rig, fl_simclient_answer(c, 0)->err == FL_ERR_RESET);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

/* --- many of them --- */

static void a_slow_client_costs_little_memory(void **state)
{
    enum { count = 60 };
#define POST "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
    static const struct {
        const char *name, *said;
    } kinds[] = {{"silent", ""},
                 {"half a head", POST "x-lo"},
                 {"half a body", POST "content-length: 2000\r\n\r\n{\"model\":"},
                 {"half a chunk", POST "transfer-encoding: chunked\r\n\r\n400\r\n{\"model\":"}};
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct scene s;
        struct fl_simclient *clients[count];
        open_scene(&s, NULL);
        rig_say(&s.rig, "%s", kinds[kind].name);
        for (unsigned i = 0; i < count; i++) {
            clients[i] = rig_client(&s.rig, i, NULL);
        }
        uint64_t before = rig_heap_bytes(); /* the network's own part of a connection is there */
        for (unsigned i = 0; i < count; i++) {
            fl_simclient_send(clients[i], fl_slice_cstr(kinds[kind].said), 0, false);
        }
        fl_world_run_for(s.rig.world, 5 * FL_NS_S);
        uint64_t each = (rig_heap_bytes() - before) / count;
        rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, count);
        if (each > 8192) {
            print_error("%s: %llu bytes each\n", kinds[kind].name, (unsigned long long)each);
        }
        rig_check(&s.rig, each <= 8192);
        for (unsigned i = 0; i < count; i++) {
            fl_simclient_destroy(clients[i]);
        }
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_head_is_answered_with_408_in_time),
        cmocka_unit_test(a_silent_connection_is_closed_without_a_word),
        cmocka_unit_test(an_idle_connection_is_kept_75_s_and_then_closed),
        cmocka_unit_test(a_slow_second_head_is_cut_too),
        cmocka_unit_test(slow_bodies_are_answered_with_408),
        cmocka_unit_test(a_body_above_the_minimum_rate_may_take_long),
        cmocka_unit_test(a_reader_at_1_byte_a_second_is_cut_and_slows_its_provider),
        cmocka_unit_test(a_reader_of_a_plain_answer_gets_the_time_that_it_earns),
        cmocka_unit_test(who_asks_without_reading_is_not_read_either),
        cmocka_unit_test(who_leaves_a_small_answer_unread_is_cut_in_time),
        cmocka_unit_test(a_slow_client_costs_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that clients come back for: what is kept of them and who waits for whom; connections that only seem
 * alive; every way to end, by their providers, at a shutdown, without memory.
 */
#include "sim/story.h"

#include <stdio.h>
#include <stdlib.h>

/* --- failing allocations: the linker sends all calls of malloc, calloc and realloc here --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static struct {
    bool in_server; /* the server's code runs */
    unsigned left;  /* allocations until the one that fails; 0: none does */
} heap;

enum { first_node = 3, last_node = 4 }; /* of the workers, behind the two providers */

static bool fails(void)
{
    return heap.in_server && heap.left > 0 && --heap.left == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static void on_note(void *owner, const struct fl_world_note *note)
{
    (void)owner;
    heap.in_server = note->kind <= FL_WORLD_DRAINED && note->node >= first_node && note->node <= last_node;
}

static void on_step(void *owner)
{
    heap.in_server = false;
    rig_check_step(owner);
}

/* --- more than is kept --- */

static void what_is_overwritten_is_gone(void **state)
{
    struct scene s;
    struct story t;
    char id[80];
    (void)state;
    open_scene(&s, "overwritten", "routing: {replay: on}\nlimits: {replay: 8KiB, upstream_idle: 1s}\n", 2);
    say_flood(&s, 100, 300, 0);
    story_open(&t);
    hear(&s, &t, leaving(&s, FL_NEVER, FL_CLOSE_NOW), MS(10));
    rig_equal(&s.rig, t.next, 1 + 103);
    (void)snprintf(id, sizeof(id), "last-event-id: %s.50\r\n", t.token);
    refused(&s, "POST", "/v1/chat/completions", id, 410, "replay_overwritten");
    (void)snprintf(id, sizeof(id), "%s.90", t.token);
    t.next = 91;
    t.done = false;
    hear_rest(&s, &t, come_back(&s, 1, id, false, NULL));
    rig_equal(&s.rig, t.next, 1 + 103);
    rig_check(&s.rig, fl_replays_bytes(s.rig.replays) <= 8192);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* Nobody reads: the provider is made to wait, and nothing is lost. */
static void a_full_ring_pauses_the_provider(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "full", "routing: {replay: on}\nlimits: {replay: 16KiB, upstream_idle: 1s}\n", 2);
    say_flood(&s, 3000, 300, MS(1));
    story_open(&t);
    hear(&s, &t, leaving(&s, 2000, FL_CLOSE_RESET), 25 * FL_NS_S);
    /* What has left the provider: the ring's, and the network's windows of 64 KiB. */
    rig_check(&s.rig, s.first.bytes < 16384 + 2 * 65536 + 4096);
    rig_check(&s.rig, fl_replays_bytes(s.rig.replays) <= 2 * 16384);
    hear_rest(&s, &t, come_back(&s, 1, t.last, false, NULL));
    rig_equal(&s.rig, t.unnumbered, 0);
    rig_equal(&s.rig, t.next, 1 + 3003);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* Who comes back and reads slowly is waited for as any client is; who reads nothing is cut off, and may come
 * again. */
static void a_slow_reader_holds_the_provider(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "slow reader",
               "routing: {replay: on, timeouts: {idle: 5s}}\nlimits: {replay: 64KiB, upstream_idle: 1s}\n", 2);
    say_flood(&s, 3000, 300, MS(1));
    story_open(&t);
    hear(&s, &t, leaving(&s, 2000, FL_CLOSE_RESET), 0);
    struct fl_world_link link = fl_world_link(s.rig.world);
    link.down.window_bytes = 4096;
    link.down.bytes_per_s = 20000;
    fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = 8 * FL_NS_S;
    struct fl_simclient *c = come_back(&s, 1, t.last, false, &o);
    fl_world_run_for(s.rig.world, 7 * FL_NS_S);
    rig_check(&s.rig, s.first.bytes < 7 * 20000 + 65536 + 2 * 65536);
    rig_check(&s.rig, fl_replays_bytes(s.rig.replays) <= 65536 + 65536); /* and what one read gave */
    hear(&s, &t, c, MS(20));
    o.abort_ns = FL_NEVER;
    o.read_bytes = 3000; /* then nothing for good */
    o.read_gap_ns = 1000 * FL_NS_S;
    fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
    c = come_back(&s, 2, t.last, false, &o);
    fl_world_run_for(s.rig.world, 12 * FL_NS_S);
    struct fl_worker_stats stats = rig_stats(&s.rig);
    rig_equal(&s.rig, stats.exchanges_open, 1); /* the stream's own; the reader's was cut off */
    story_goes_on(&s, &t, fl_simclient_answer(c, 0));
    fl_simclient_destroy(c);
    hear_rest(&s, &t, come_back(&s, 3, t.last, false, NULL));
    rig_equal(&s.rig, t.next, 1 + 3003);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* --- connections that only seem alive --- */

static void who_comes_back_takes_over_from_a_dead_connection(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "half open", ON, 2);
    say_slowly(&s, MS(300));
    story_open(&t);
    struct fl_world_link link = fl_world_link(s.rig.world);
    link.down.stall_after = 1200; /* then nothing comes through any more, and nobody learns of it */
    link.down.stall_ns = FL_NEVER;
    fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
    struct fl_simclient *dead = rig_client(&s.rig, 0, NULL);
    rig_post(dead, 1, true, "");
    fl_world_run_for(s.rig.world, MS(900));
    story_goes_on(&s, &t, fl_simclient_answer(dead, 0));
    rig_check(&s.rig, t.last[0] != '\0' && !fl_simclient_settled(dead));
    rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 1);
    /* One that comes back is taken over from as well. */
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    struct fl_simclient *second = come_back(&s, 1, t.last, false, &o);
    fl_world_run_for(s.rig.world, MS(100));
    struct fl_simclient *third = come_back(&s, 2, t.last, false, NULL);
    fl_world_run_for(s.rig.world, MS(100));
    rig_check(&s.rig, fl_simclient_settled(second)); /* closed */
    rig_check(&s.rig, fl_simclient_answer(second, 0)->err == FL_ERR_RESET);
    rig_equal(&s.rig, rig_stats(&s.rig).exchanges_open, 2); /* the stream's and the third's */
    hear_rest(&s, &t, third);
    story_is_whole(&s, &t);
    leave(&s, second);
    fl_simclient_destroy(dead);
    close_scene(&s);
}

static void a_waiting_reader_gets_heartbeats(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "heartbeats", "routing: {replay: on}\nlimits: {heartbeat: 1s, upstream_idle: 1s}\n", 2);
    say_slowly(&s, MS(4500));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    struct fl_simclient *c = come_back(&s, 1, t.last, false, NULL);
    rig_settle(&s.rig, c, 100 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    unsigned comments = 0;
    for (unsigned i = 0; i < a->event_count; i++) {
        comments += a->events[i].len == 0;
    }
    rig_check(&s.rig, comments >= 4 * (words - 2));
    hear_rest(&s, &t, c);
    story_is_whole(&s, &t);
    close_scene(&s);
}

/* --- how it ends --- */

/* The provider breaks while nobody listens: who comes back hears of it, as the client would have. */
static void a_break_is_told_to_who_comes_back(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        open_scene(&s, late ? "broken before" : "broken meanwhile", ON, 2);
        s.answer.part_count = 5;
        s.answer.end = UPSTREAM_RESET;
        story_open(&t);
        hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), late ? FL_NS_S : 0);
        struct fl_simclient *c = come_back(&s, 1, t.last, false, NULL);
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check_broken(&s.rig, a, 1, "provider_reset");
        story_goes_on(&s, &t, a);
        rig_equal(&s.rig, t.unnumbered, 0);
        rig_equal(&s.rig, t.next, 1 + 4 + 1);
        leave(&s, c);
        rig_equal(&s.rig, rig_stats(&s.rig).failed, 2);
        fl_buf_finish(&t.data);
        close_scene(&s);
    }
}

/* resume: continue goes on as with a client, and its events are kept as any. */
static void a_stream_is_continued_without_its_client(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "continued", "routing: {replay: on, resume: continue}\nlimits: {upstream_idle: 1s}\n", 2);
    s.answer.part_count = 4;
    s.answer.end = UPSTREAM_RESET;
    struct fl_buf rest;
    fl_buf_init(&rest, 65536);
    fl_buf_put(&rest, fl_buf_slice(&s.head));
    for (unsigned i = 3; i < words; i++) {
        fl_buf_put(&rest, fl_buf_slice(&s.event[i]));
    }
    fl_buf_put(&rest, fl_buf_slice(&s.finish));
    fl_buf_put(&rest, fl_buf_slice(&s.done));
    upstream_say(&s.second, fl_buf_slice(&rest), UPSTREAM_FIN);
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), FL_NS_S);
    rig_equal(&s.rig, s.second.requests, 1);
    struct fl_simclient *c = come_back(&s, 1, t.last, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    struct fl_buf text;
    fl_buf_init(&text, 65536);
    fl_simanswer_text(fl_simclient_answer(c, 0), &text);
    rig_check(&s.rig, rig_has(fl_buf_slice(&text), "\"id: 9\"\nfriend?"));
    fl_buf_finish(&text);
    hear_rest(&s, &t, c);
    rig_equal(&s.rig, t.unnumbered, 0);
    fl_buf_finish(&t.data);
    fl_buf_finish(&rest);
    close_scene(&s);
}

/* Ids of the provider's own are not the client's to send back, however lines end. */
static void a_providers_own_ids_are_left_out(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "own ids", ON, 1);
    struct fl_buf says;
    fl_buf_init(&says, 65536);
    fl_buf_put(&says, fl_buf_slice(&s.head));
    fl_buf_put_cstr(&says, "\xef\xbb\xbfid: mine\n");
    for (unsigned i = 0; i < words; i++) {
        struct fl_slice event = fl_buf_slice(&s.event[i]);
        fl_buf_put(&says, fl_slice_first(event, event.len - 2));
        fl_buf_put_cstr(&says, i % 3 == 0 ? "\nid: 7\n\n" : i % 3 == 1 ? "\r\nid: 8\r\n\r\n" : "\rid\r\r");
        fl_buf_put_cstr(&says, i == 2 ? ": a comment\n\n" : i == 4 ? "id: 5\n\n" : "");
    }
    fl_buf_put(&says, fl_buf_slice(&s.finish));
    fl_buf_put_cstr(&says, "data: [DONE]"); /* without its end */
    upstream_say(&s.first, fl_buf_slice(&says), UPSTREAM_FIN);
    uint64_t bytes = whole_bytes(&s);
    for (uint64_t at = bytes / 2; at < bytes; at += 7) {
        story_open(&t);
        hear(&s, &t, leaving(&s, at, FL_CLOSE_NOW), 0);
        hear_rest(&s, &t, come_back(&s, 1, t.last, false, NULL));
        story_is_whole(&s, &t);
    }
    fl_buf_finish(&says);
    close_scene(&s);
}

/* --- shutdown, reload --- */

static void on_drained(void *owner)
{
    ++*(unsigned *)owner;
}

static void a_shutdown_does_not_wait_for_who_cannot_come_back(void **state)
{
    (void)state;
    for (unsigned read = 0; read < 2; read++) {
        struct scene s;
        struct story t;
        unsigned drained = 0;
        open_scene(&s, read ? "drain, read" : "drain, not read", ON, 1);
        say_slowly(&s, MS(500));
        story_open(&t);
        hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
        struct fl_simclient *c = read ? come_back(&s, 1, t.last, false, NULL) : NULL;
        fl_world_run_for(s.rig.world, MS(10));
        fl_worker_drain(s.rig.workers[0], on_drained, &drained);
        fl_world_run_for(s.rig.world, MS(10));
        rig_equal(&s.rig, drained, read ? 0 : 1);
        rig_equal(&s.rig, rig_idle(&s.rig), read ? 0 : 1);
        if (read) {
            hear_rest(&s, &t, c);
            story_is_whole(&s, &t);
            fl_world_run_for(s.rig.world, FL_NS_S);
            rig_equal(&s.rig, drained, 1);
        } else {
            fl_buf_finish(&t.data);
        }
        close_scene(&s);
    }
}

/* Who leaves during it ends the stream. */
static void a_reader_that_leaves_during_a_shutdown_ends_it(void **state)
{
    struct scene s;
    struct story t;
    unsigned drained = 0;
    (void)state;
    open_scene(&s, "drain, leaves", ON, 1);
    say_slowly(&s, MS(500));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = MS(100);
    struct fl_simclient *c = come_back(&s, 1, t.last, false, &o);
    fl_world_run_for(s.rig.world, MS(10));
    fl_worker_drain(s.rig.workers[0], on_drained, &drained);
    hear(&s, &t, c, MS(10));
    rig_equal(&s.rig, drained, 1);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

static void a_reload_does_not_disturb(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "reload", ON, 2);
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    rig_reload_file(&s.rig, FL_LIT("listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                                   "providers: {other: {type: openai_compatible, api_key: k, models: [m], "
                                   "base_url: \"http://10.0.1.9:80/v1\", health: {enabled: false}}}\n"));
    fl_world_run_for(s.rig.world, MS(10));
    hear_rest(&s, &t, come_back(&s, 1, t.last, false, NULL));
    story_is_whole(&s, &t);
    close_scene(&s);
}

/* A worker that is destroyed with all that is under way. */
static void the_end_of_a_worker_is_the_end_of_its_streams(void **state)
{
    (void)state;
    for (unsigned read = 0; read < 2; read++) {
        struct scene s;
        struct story t;
        open_scene(&s, "destroyed", ON, 2);
        say_slowly(&s, MS(500));
        story_open(&t);
        hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
        struct fl_simclient *c = read ? come_back(&s, 1, t.last, false, NULL) : NULL;
        fl_world_run_for(s.rig.world, MS(10));
        rig_stop(&s.rig);
        rig_equal(&s.rig, fl_replays_count(s.rig.replays), 0);
        s.rig.worker_count = 0;
        fl_simclient_destroy(c);
        fl_buf_finish(&t.data);
        close_scene(&s);
    }
}

/* --- without memory, and where writes fail --- */

/* What came is as it was sent and without a gap, or says that it is not all. */
static void check_honest(struct scene *s, struct story *t, const struct fl_simanswer *a, bool failed)
{
    struct fl_slice body = fl_buf_slice(&a->body), had = fl_buf_slice(&t->data);
    bool told = rig_has(body, "\"error\"");
    if (t->done && !told) {
        rig_check(&s->rig, fl_slice_eq(had, fl_buf_slice(&s->uncut)));
    } else if (a->complete && a->status == 200) {
        rig_check(&s->rig, told);
    }
    rig_check(&s->rig, t->done || failed);
}

/* A client leaves and comes back while the n-th allocation or write of the server fails. True: one did. */
static bool run_failure(bool write, unsigned n)
{
    struct scene s;
    struct story t;
    open_scene(&s, "", ON, 2);
    rig_say(&s.rig, "%s %u fails", write ? "write" : "allocation", n);
    upstream_plan(&s.second, &s.answer, 1);
    if (write) { /* of either worker */
        fl_world_fail_write(s.rig.nodes[0], n);
        fl_world_fail_write(s.rig.nodes[1], n);
    } else {
        heap.left = n;
        fl_world_on_note(s.rig.world, on_note, NULL);
        fl_world_on_step(s.rig.world, on_step, &s.rig);
    }
    story_open(&t);
    struct fl_simclient *c = leaving_early(&s, FL_CLOSE_RESET);
    rig_settle(&s.rig, c, 100 * FL_NS_S);
    story_goes_on(&s, &t, fl_simclient_answer(c, 0));
    bool numbered = t.last[0] != '\0' && t.unnumbered == 0;
    if (numbered) {
        struct fl_simclient *back = come_back(&s, 1, t.last, n % 2, NULL);
        rig_settle(&s.rig, back, 100 * FL_NS_S);
        story_goes_on(&s, &t, fl_simclient_answer(back, 0));
        bool failed = write || heap.left == 0;
        check_honest(&s, &t, fl_simclient_answer(back, 0), failed);
        fl_simclient_destroy(back);
    }
    fl_simclient_destroy(c);
    bool wrote = fl_world_stats(s.rig.nodes[0]).writes >= n || fl_world_stats(s.rig.nodes[1]).writes >= n;
    bool failed = write ? wrote : heap.left == 0;
    heap.left = 0;
    heap.in_server = false;
    rig_check(&s.rig, failed || numbered);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    fl_world_fail_write(s.rig.nodes[0], 0);
    fl_world_fail_write(s.rig.nodes[1], 0);
    fl_buf_finish(&t.data);
    close_scene(&s);
    return failed;
}

static void without_memory_nothing_is_left_out(void **state)
{
    unsigned n = 1;
    (void)state;
    while (run_failure(false, n)) {
        n++;
    }
    print_message("%u failures\n", n - 1);
    assert_true(n > 15);
}

static void where_writes_fail_nothing_is_left_out(void **state)
{
    unsigned n = 1;
    (void)state;
    while (run_failure(true, n)) {
        n++;
    }
    print_message("%u failures\n", n - 1);
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_overwritten_is_gone),
        cmocka_unit_test(a_full_ring_pauses_the_provider),
        cmocka_unit_test(a_slow_reader_holds_the_provider),
        cmocka_unit_test(who_comes_back_takes_over_from_a_dead_connection),
        cmocka_unit_test(a_waiting_reader_gets_heartbeats),
        cmocka_unit_test(a_break_is_told_to_who_comes_back),
        cmocka_unit_test(a_stream_is_continued_without_its_client),
        cmocka_unit_test(a_providers_own_ids_are_left_out),
        cmocka_unit_test(a_shutdown_does_not_wait_for_who_cannot_come_back),
        cmocka_unit_test(a_reader_that_leaves_during_a_shutdown_ends_it),
        cmocka_unit_test(a_reload_does_not_disturb),
        cmocka_unit_test(the_end_of_a_worker_is_the_end_of_its_streams),
        cmocka_unit_test(without_memory_nothing_is_left_out),
        cmocka_unit_test(where_writes_fail_nothing_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

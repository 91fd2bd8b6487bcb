/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th dial, the n-th write and the n-th allocation of the server fails, for n = 1, 2, ...
 * until nothing fails any more. Every client gets a right answer, or an end that is not taken for
 * one, and at once; nothing is left; and no provider is blamed for it.
 */
#include "sim/heap.h"
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdlib.h>

#define MS(n) ((n)*FL_NS_MS)

static uint32_t server_node;

static void on_note(void *owner, const struct fl_world_note *note)
{
    (void)owner;
    heap.in_server = note->kind <= FL_WORLD_DRAINED && note->node == server_node;
}

static void on_step(void *owner)
{
    heap.in_server = false;
    rig_check_step(owner);
}

/* --- the scenario --- */

enum { plain_client, stream_client, models_client, bad_client, long_client, client_count };

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf plain, other, stream, filler;
    struct upstream_part parts[3], fail, broken[2], big[2];
    struct upstream_answer answers[5];
    struct fl_simclient *clients[client_count];
};

static void put_texts(struct scene *s)
{
    fl_buf_init(&s->plain, 65536);
    fl_buf_init(&s->other, 65536);
    fl_buf_init(&s->stream, 65536);
    fl_buf_init(&s->filler, 65536);
    put_plain(&s->plain, BY_LENGTH, "quick");
    put_plain(&s->other, BY_CHUNKS, "other");
    put_delta(&s->stream, "quick");
    while (s->filler.len < 32768) {
        fl_buf_put_cstr(&s->filler, "                                ");
    }
}

/* The first provider: an answer, a stream in small pieces, an error, a stream that breaks, an
 * answer too big to hold. */
static void plan(struct scene *s)
{
    static const char big[] = "HTTP/1.1 200 OK\r\n\r\n{\"choices\":[]}";
    s->fail =
        (struct upstream_part){FL_LIT("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"), 1, 0};
    s->parts[0] = (struct upstream_part){
        FL_LIT("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"cho"), 1, 0};
    s->parts[1] = (struct upstream_part){fl_slice_from(fl_buf_slice(&s->stream), 11), 1, MS(5)};
    s->parts[2] = (struct upstream_part){FL_LIT("data: [DONE]\n\n"), 1, MS(5)};
    s->broken[0] = s->parts[0];
    s->broken[1] = s->parts[1];
    s->big[0] = (struct upstream_part){fl_slice_cstr(big), 1, 0};
    s->big[1] = (struct upstream_part){fl_buf_slice(&s->filler), 10, 0};
    s->answers[0] = (struct upstream_answer){&s->fail, 1, UPSTREAM_KEEP};
    s->answers[1] = (struct upstream_answer){s->parts, 3, UPSTREAM_FIN};
    s->answers[2] = (struct upstream_answer){s->broken, 2, UPSTREAM_FIN};
    s->answers[3] = (struct upstream_answer){s->big, 2, UPSTREAM_FIN};
    upstream_plan(&s->first, s->answers, 4);
    upstream_say(&s->second, fl_buf_slice(&s->other), UPSTREAM_KEEP);
}

static void open_scene(struct scene *s)
{
    const struct rig_setup setup = {.providers = 2,
                                    .checked = true,
                                    .more = "routing: {health_check_interval: 1h}\n"};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    put_texts(s);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    plan(s);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_equal(&s->rig, rig_stats(&s->rig).connections_open, 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    struct fl_buf *bufs[] = {&s->plain, &s->other, &s->stream, &s->filler};
    for (unsigned i = 0; i < 4; i++) {
        fl_buf_finish(bufs[i]);
    }
    rig_close(&s->rig);
}

/* Right, an honest error, or visibly cut. */
static void check_answer(const struct rig *r, const struct fl_simanswer *a)
{
    bool stream =
        fl_slice_starts(fl_simanswer_header(a, "content-type"), FL_LIT("text/event-stream"));
    struct fl_slice body = fl_buf_slice(&a->body);
    if (!a->complete) {
        rig_check(r, a->err != FL_OK);
    } else if (a->status != 200) {
        rig_check(r, a->status >= 400);
        rig_check(r, fl_slice_starts(body, FL_LIT("{\"error\":{")) ||
                         (a->status == 503 && body.len == 0));
    } else if (stream) {
        rig_check(r, a->done_marker || rig_has(body, "data: {\"error\":{"));
    } else {
        rig_check(r, rig_has(body, "quick") || rig_has(body, "other") ||
                         rig_has(body, "\"choices\":[]") || rig_has(body, "\"object\":\"list\""));
    }
}

static void ask_all(struct scene *s)
{
    static const bool streams[client_count] = {[stream_client] = true};
    struct rig *r = &s->rig;
    for (unsigned i = 0; i < client_count; i++) {
        struct fl_simclient *c = s->clients[i] = rig_client(r, i, NULL);
        if (i == models_client) {
            fl_simclient_request(c, "GET", "/v1/models", "", FL_EMPTY);
            fl_simclient_request(c, "HEAD", "/v1/models", "", FL_EMPTY);
        } else if (i == bad_client) {
            fl_simclient_request(c, "POST", "/v1/chat/completions", "", FL_LIT("{\"model\":"));
        } else {
            rig_post(c, 1, streams[i], "");
        }
        if (i != stream_client) {
            rig_post(c, i == long_client ? 0 : 1, streams[i], "");
        }
        fl_world_run_for(r->world, MS(3));
    }
    for (unsigned i = 0; i < client_count; i++) {
        rig_settle(r, s->clients[i], FL_NS_S); /* at once, not at some timeout */
        for (unsigned n = 0; n < fl_simclient_answers(s->clients[i]); n++) {
            if (i != models_client || n != 1) { /* that one answers a HEAD */
                check_answer(r, fl_simclient_answer(s->clients[i], n));
            }
        }
        rig_leave(r, s->clients[i]);
    }
}

/* Afterwards all is well. */
static void ask_again(struct scene *s)
{
    upstream_say(&s->first, fl_buf_slice(&s->plain), UPSTREAM_KEEP);
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    rig_post(c, 1, false, "");
    rig_settle(&s->rig, c, FL_NS_S);
    rig_check_text(&s->rig, fl_simclient_answer(c, 0), "quick");
    rig_leave(&s->rig, c);
}

enum what { DIAL, WRITE, ALLOCATION };

/* True: something failed. */
static bool run(enum what what, unsigned n)
{
    static const char *const names[] = {"dial", "write", "allocation"};
    struct scene s;
    bool failed;
    open_scene(&s);
    rig_say(&s.rig, "%s %u fails", names[what], n);
    if (what == DIAL) {
        fl_world_fail_dial(s.rig.nodes[0], n);
    } else if (what == WRITE) {
        fl_world_fail_write(s.rig.nodes[0], n);
    } else {
        heap.left = n;
        server_node = 3; /* behind the two providers */
        fl_world_on_note(s.rig.world, on_note, NULL);
        fl_world_on_step(s.rig.world, on_step, &s.rig);
    }
    ask_all(&s);
    struct fl_world_stats stats = fl_world_stats(s.rig.nodes[0]);
    failed = what == DIAL ? stats.dials >= n : what == WRITE ? stats.writes >= n : heap.left == 0;
    heap.left = 0;
    heap.in_server = false;
    rig_check(&s.rig,
              rig_target(&s.rig, "p0/m").failed <= 2); /* the 503, and the stream that breaks */
    rig_equal(&s.rig, rig_target(&s.rig, "p1/m").failed, 0);
    fl_world_fail_dial(s.rig.nodes[0], 0);
    fl_world_fail_write(s.rig.nodes[0], 0);
    ask_again(&s);
    close_scene(&s);
    return failed;
}

static void run_all(enum what what, unsigned least)
{
    unsigned n = 1;
    while (run(what, n)) {
        n++;
    }
    print_message("%u failures\n", n - 1);
    assert_true(n > least);
}

static void dials(void **state)
{
    (void)state;
    run_all(DIAL, 3);
}

static void writes(void **state)
{
    (void)state;
    run_all(WRITE, 15);
}

static void allocations(void **state)
{
    (void)state;
    run_all(ALLOCATION, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dials),
        cmocka_unit_test(writes),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

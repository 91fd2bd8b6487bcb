/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of 20 MB and requests of 10 MB. Of an answer the server holds at most 1 MiB, the simulator's own buffers
 * included; of a request as much as it must.
 */
#include "sim/volume.h"

/* --- answers --- */

static void put_big_plain(struct scene *s, enum upstream_framing framing, uint64_t times)
{
    static const char open[] = "{\"choices\":[", close[] = "]}";
    fl_buf_put_cstr(&s->head, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    if (framing == BY_CHUNKS) {
        struct fl_buf spaces;
        fl_buf_init(&spaces, unit);
        put_many(&spaces, ' ', unit);
        fl_buf_put_cstr(&s->head, "transfer-encoding: chunked\r\n\r\n");
        put_chunk(&s->head, FL_LIT(open));
        put_chunk(&s->filler, fl_buf_slice(&spaces));
        put_chunk(&s->tail, FL_LIT(close));
        fl_buf_put_cstr(&s->tail, "0\r\n\r\n");
        fl_buf_finish(&spaces);
        return;
    }
    if (framing == BY_LENGTH) {
        fl_buf_put_cstr(&s->head, "content-length: ");
        fl_buf_put_u64(&s->head, sizeof(open) - 1 + times * unit + sizeof(close) - 1);
        fl_buf_put_cstr(&s->head, "\r\n");
    }
    fl_buf_put_cstr(&s->head, "\r\n");
    fl_buf_put_cstr(&s->head, open);
    put_many(&s->filler, ' ', unit);
    fl_buf_put_cstr(&s->tail, close);
}

static void big_answers_pass_in_bounded_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct scene s;
        enum upstream_framing framing = (enum upstream_framing)(i % 3);
        int minor = i < 3 ? 1 : 0;
        const uint64_t times = 20 * mega / unit;
        open_scene(&s, NULL);
        rig_say(&s.rig, "20 MB, framing %u, HTTP/1.%d", framing, minor);
        put_big_plain(&s, framing, times);
        plan(&s, times, framing == BY_CLOSE ? UPSTREAM_FIN : UPSTREAM_KEEP);
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = counting(&s);
        rig_post(c, minor, false, "");
        rig_settle(&s.rig, c, 500 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check(&s.rig, a->complete && a->status == 200);
        rig_equal(&s.rig, a->body_bytes, 20 * mega + 14);
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= mega);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void a_big_stream_passes_in_constant_memory(void **state)
{
    struct scene s;
    struct fl_buf event;
    (void)state;
    open_scene(&s, NULL);
    rig_say(&s.rig, "20 MB of events");
    fl_buf_init(&event, 65536);
    put_stream_head(&s.head, BY_CHUNKS);
    for (unsigned i = 0; i < 100; i++) {
        put_delta(&event, "and so on and on");
    }
    put_chunk(&s.filler, fl_buf_slice(&event));
    put_chunk(&s.tail, FL_LIT("data: [DONE]\n\n"));
    fl_buf_put_cstr(&s.tail, "0\r\n\r\n");
    uint64_t times = 20 * mega / event.len;
    plan(&s, times, UPSTREAM_KEEP);
    rig_watch_heap(&s.rig);
    struct fl_simclient *c = counting(&s);
    rig_post(c, 1, true, "");
    rig_settle(&s.rig, c, 500 * FL_NS_S);
    rig_check(&s.rig, fl_simclient_answer(c, 0)->complete);
    rig_equal(&s.rig, fl_simclient_answer(c, 0)->body_bytes, times * event.len + 14);
    rig_check(&s.rig, rig_heap_growth(&s.rig) <= mega / 2);
    rig_leave(&s.rig, c);
    close_scene(&s);
    fl_buf_finish(&event);
}

/* Gone in the middle of an answer that is passed on, read as fast as it comes or with the provider paused. */
static void who_leaves_a_big_answer_takes_its_provider_along(void **state)
{
    static const size_t ats[] = {1, 1000, 100000, 300000, 1000000};
    (void)state;
    for (unsigned i = 0; i < 4 * sizeof(ats) / sizeof(ats[0]); i++) {
        struct scene s;
        struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
        struct fl_world_link link;
        bool slow = i & 1;
        open_scene(&s, NULL);
        options.abort_how = i & 2 ? FL_CLOSE_RESET : FL_CLOSE_NOW;
        options.abort_received = ats[i / 4];
        rig_say(&s.rig, "gone by %d after %zu bytes, %s", options.abort_how, ats[i / 4],
                slow ? "slow" : "fast");
        put_big_plain(&s, BY_LENGTH, 20 * mega / unit);
        plan(&s, 20 * mega / unit, UPSTREAM_KEEP);
        link = fl_world_link(s.rig.world);
        link.down.bytes_per_s = slow ? 100000 : 0;
        fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
        struct fl_simclient *c = rig_client(&s.rig, 0, &options);
        rig_post(c, 1, false, "");
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        uint64_t gone_ns = fl_simclient_answer(c, 0)->end_ns;
        fl_world_run_for(s.rig.world, MS(2));
        rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 0);
        rig_equal(&s.rig, s.first.connections_open, 0);
        rig_equal(&s.rig, s.first.cancelled, 1);
        rig_equal(&s.rig, s.first.left_ns, gone_ns + MS(2));
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

/* Of the header lines that clients may see, whole ones and 16 KiB in all. */
static void many_fields_of_an_answer_are_passed_on_in_part(void **state)
{
    (void)state;
    for (unsigned length = 1; length < 1100; length += 37) {
        struct scene s;
        open_scene(&s, NULL);
        rig_say(&s.rig, "fields of %u bytes", length);
        fl_buf_put_cstr(&s.head, "HTTP/1.1 200 OK\r\n");
        for (unsigned i = 0; i < 55; i++) {
            fl_buf_put_cstr(&s.head, "openai-x: ");
            put_many(&s.head, 'v', length);
            fl_buf_put_cstr(&s.head, "\r\n");
        }
        fl_buf_put_cstr(&s.head, "\r\n");
        put_completion(&s.head, "much");
        plan(&s, 0, UPSTREAM_FIN);
        s.answer.part_count = 1;
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        rig_post(c, 1, false, "");
        rig_settle(&s.rig, c, FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check_text(&s.rig, a, "much");
        rig_check(&s.rig, a->head.len < 16384 + 1024);
        rig_equal(&s.rig, fl_simanswer_header(a, "openai-x").len, length <= 1024 ? length : 0);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

/* --- requests --- */

/* Sends the request head, then *units* of spaces as it is read, then *tail*. */
static void upload(struct scene *s, struct fl_simclient *c, const char *framing, unsigned units,
                   bool chunked, const char *tail)
{
    struct fl_buf piece, spaces;
    fl_buf_init(&piece, 65536);
    fl_buf_init(&spaces, 65536);
    put_many(&spaces, ' ', unit);
    fl_simclient_send(c, FL_LIT("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"), 1, false);
    fl_simclient_send(c, fl_slice_cstr(framing), 0, false);
    for (unsigned i = 0; i < units && !fl_simclient_settled(c); i++) {
        fl_buf_reset(&piece);
        if (chunked) {
            put_chunk(&piece, fl_buf_slice(&spaces));
        } else {
            fl_buf_put(&piece, fl_buf_slice(&spaces));
        }
        fl_simclient_send(c, fl_buf_slice(&piece), 0, false);
        fl_world_run_for(s->rig.world, MS(10));
    }
    fl_simclient_send(c, fl_slice_cstr(tail), 0, false);
    fl_buf_finish(&piece);
    fl_buf_finish(&spaces);
}

static void a_request_of_10_mb(void **state)
{
    (void)state;
    for (unsigned chunked = 0; chunked < 2; chunked++) {
        struct scene s;
        open_scene(&s, NULL);
        rig_say(&s.rig, "10 MB request, %s", chunked ? "chunked" : "with its length");
        put_plain(&s.head, BY_CLOSE, "much");
        plan(&s, 0, UPSTREAM_FIN);
        s.answer.part_count = 1;
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        upload(&s, c,
               chunked ? "transfer-encoding: chunked\r\n\r\n" : "content-length: 10485776\r\n\r\n",
               10 * mega / unit, chunked,
               chunked ? "10\r\n{\"model\":\"chat\"}\r\n0\r\n\r\n" : "{\"model\":\"chat\"}");
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(c, 0), "much");
        rig_equal(&s.rig, s.first.body_bytes, 10 * mega + 13); /* "m" for "chat" */
        /* the body, as a buffer that grows by doubling, and its copy on the way to the provider */
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= (16 + 16 + 1) * (uint64_t)mega);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

/* 3 MB for a provider that reads 30 KB a second, and for one that stops reading: first_token counts from the
 * request sent. */
static void a_provider_may_take_its_time_to_read_a_request(void **state)
{
    (void)state;
    for (unsigned stalls = 0; stalls < 2; stalls++) {
        struct scene s;
        struct fl_world_link link;
        open_scene(&s, "routing: {timeouts: {first_token: 20s}}\n");
        rig_say(&s.rig, "3 MB request, provider %s", stalls ? "stops reading" : "reads slowly");
        put_plain(&s.head, BY_CLOSE, "much");
        plan(&s, 0, UPSTREAM_FIN);
        s.answer.part_count = 1;
        link = fl_world_link(s.rig.world);
        link.up.bytes_per_s = 30000;
        link.up.stall_after = stalls ? mega : FL_NEVER;
        link.up.stall_ns = 70 * FL_NS_S;
        fl_world_plan(s.rig.world, "10.0.1.1:80", &link, 1);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        upload(&s, c, "content-length: 3145744\r\n\r\n", 3 * mega / unit, false,
               "{\"model\":\"chat\"}");
        rig_settle(&s.rig, c, 500 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        uint64_t took_s = (a->end_ns - a->asked_ns) / FL_NS_S;
        if (stalls) {
            rig_check_error(&s.rig, a, 504, "provider_first_token_timeout");
            rig_check(&s.rig, took_s >= 34 + 20 && took_s <= 34 + 2 * 20 + 5);
        } else {
            rig_check_text(&s.rig, a, "much");
            rig_check(&s.rig, took_s >= 100 && took_s <= 110);
        }
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, stalls);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void a_request_that_never_ends_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene s;
        open_scene(&s, "limits: {body: 1MiB}\n");
        rig_say(&s.rig, "body over its limit, %s", i ? "chunked" : "with its length");
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        upload(&s, c,
               i ? "transfer-encoding: chunked\r\n\r\n" : "content-length: 104857600\r\n\r\n",
               100 * mega / unit, i, "");
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_error(&s.rig, fl_simclient_answer(c, 0), 413, "caller_body_long");
        rig_check(&s.rig, fl_simclient_sent(c) <= 2 * mega);
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= 2 * mega);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void an_upload_that_is_given_up_leaves_nothing(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, NULL);
    rig_say(&s.rig, "given up");
    uint64_t before = rig_heap_bytes();
    for (unsigned i = 0; i < 5; i++) {
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        upload(&s, c, "content-length: 10485776\r\n\r\n", 100, false, "");
        rig_check(&s.rig, rig_heap_bytes() > before + mega);
        fl_simclient_abort(c, i & 1 ? FL_CLOSE_RESET : FL_CLOSE_NOW);
        rig_leave(&s.rig, c);
        rig_check(&s.rig, rig_heap_bytes() <= before + 65536);
    }
    rig_equal(&s.rig, s.first.connections, 0);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(big_answers_pass_in_bounded_memory),
        cmocka_unit_test(a_big_stream_passes_in_constant_memory),
        cmocka_unit_test(who_leaves_a_big_answer_takes_its_provider_along),
        cmocka_unit_test(many_fields_of_an_answer_are_passed_on_in_part),
        cmocka_unit_test(a_request_of_10_mb),
        cmocka_unit_test(a_provider_may_take_its_time_to_read_a_request),
        cmocka_unit_test(a_request_that_never_ends_is_refused),
        cmocka_unit_test(an_upload_that_is_given_up_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

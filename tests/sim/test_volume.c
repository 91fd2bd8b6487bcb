/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Much, and endless: answers of 20 MB, requests of 10 MB, gzip bombs, heads without an end. Of an
 * answer the server holds at most 1 MiB, the simulator's own buffers included; of a request as much
 * as it must.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdlib.h>
#include <zlib.h>

#define MS(n) ((n)*FL_NS_MS)

enum { mega = 1 << 20, unit = 16384 };

struct scene {
    struct rig rig;
    struct upstream first;
    struct fl_buf head, filler, tail;
    struct upstream_part parts[3];
    struct upstream_answer answer;
};

static void open_scene(struct scene *s, const char *more)
{
    const struct rig_setup setup = {.providers = 1, .more = more};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    fl_world_mix(s->rig.world)->window_min = fl_world_mix(s->rig.world)->window_max = unit;
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    fl_buf_init(&s->head, 65536);
    fl_buf_init(&s->filler, 65536);
    fl_buf_init(&s->tail, 65536);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    fl_buf_finish(&s->head);
    fl_buf_finish(&s->filler);
    fl_buf_finish(&s->tail);
    rig_close(&s->rig);
}

static void plan(struct scene *s, uint64_t times, enum upstream_end end)
{
    s->parts[0] = (struct upstream_part){fl_buf_slice(&s->head), 1, 0};
    s->parts[1] = (struct upstream_part){fl_buf_slice(&s->filler), times, 0};
    s->parts[2] = (struct upstream_part){fl_buf_slice(&s->tail), 1, 0};
    s->answer = (struct upstream_answer){s->parts, 3, end};
    upstream_plan(&s->first, &s->answer, 1);
}

static void put_many(struct fl_buf *b, char c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fl_buf_putc(b, c);
    }
}

static struct fl_simclient *counting(struct scene *s)
{
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    options.keep_bytes = 4096;
    return rig_client(&s->rig, 0, &options);
}

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

/* --- bombs --- */

/* *bytes* spaces, compressed. */
static void put_bomb(struct fl_buf *b, size_t bytes)
{
    static char spaces[mega];
    static unsigned char out[65536];
    z_stream z = {0};
    memset(spaces, ' ', sizeof(spaces));
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    for (size_t done = 0; done < bytes; done += sizeof(spaces)) {
        z.next_in = (Bytef *)spaces;
        z.avail_in = sizeof(spaces);
        do {
            z.next_out = out;
            z.avail_out = sizeof(out);
            (void)deflate(&z, done + sizeof(spaces) >= bytes ? Z_FINISH : Z_NO_FLUSH);
            fl_buf_put(b, fl_slice((char *)out, sizeof(out) - z.avail_out));
        } while (z.avail_out == 0);
    }
    (void)deflateEnd(&z);
}

static void gzip_bombs_are_no_answers(void **state)
{
    static const char *const types[] = {"application/json", "text/event-stream"};
    static const char *const statuses[] = {"200 OK", "500 Oh", "400 Bad"};
    struct fl_buf bomb;
    (void)state;
    fl_buf_init(&bomb, 16 * mega);
    put_bomb(&bomb, 64 * mega);
    for (unsigned i = 0; i < 6; i++) {
        struct scene s;
        open_scene(&s, NULL);
        rig_say(&s.rig, "bomb, %s, %s", types[i & 1], statuses[i / 2]);
        fl_buf_put_cstr(&s.head, "HTTP/1.1 ");
        fl_buf_put_cstr(&s.head, statuses[i / 2]);
        fl_buf_put_cstr(&s.head, "\r\ncontent-encoding: gzip\r\ncontent-type: ");
        fl_buf_put_cstr(&s.head, types[i & 1]);
        fl_buf_put_cstr(&s.head, "\r\ncontent-length: ");
        fl_buf_put_u64(&s.head, bomb.len);
        fl_buf_put_cstr(&s.head, "\r\n\r\n");
        plan(&s, 0, UPSTREAM_KEEP);
        s.parts[1] = (struct upstream_part){fl_buf_slice(&bomb), 1, 0};
        uint64_t queued = 2 * bomb.len; /* in the simulated provider */
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = counting(&s);
        rig_post(c, 1, i & 1, "");
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        if (a->status == 502) {
            rig_check(&s.rig,
                      a->complete && rig_has(fl_buf_slice(&a->body), "\"code\":\"provider_"));
        } else {
            rig_check(&s.rig, !a->complete && a->err == FL_ERR_RESET);
        }
        rig_check(&s.rig, a->body_bytes <= 2 * mega);
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= mega + queued);
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
    fl_buf_finish(&bomb);
}

/* --- without an end --- */

static void provider_s_endless_things_are_bounded(void **state)
{
    static const struct {
        const char *name, *head, *filler;
        bool stream;
    } things[] = {
        {"header lines", "HTTP/1.1 200 OK\r\n",
         "x-filler: 0123456789012345678901234567890123456789\r\n", false},
        {"one header", "HTTP/1.1 200 OK\r\nx: ", "0123456789012345678901234567890123456789", false},
        {"reason", "HTTP/1.1 200 ", "0123456789012345678901234567890123456789", false},
        {"103s", "", "HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n", false},
        {"chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0", false},
        {"chunk extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "aaaaaaaa",
         false},
        {"trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
         "a: b\r\n", false},
        {"an event", "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ",
         "0123456789012345678901234567890", true},
        {"an event of lines", "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
         "data: 0123456789012345678\n", true},
        {"an error's text", "HTTP/1.1 500 Oh\r\n\r\n{\"error\":\"",
         "0123456789012345678901234567890123456789", false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
        struct scene s;
        open_scene(&s, NULL);
        rig_say(&s.rig, "endless %s", things[i].name);
        fl_buf_put_cstr(&s.head, things[i].head);
        while (s.filler.len < unit / 2) {
            fl_buf_put_cstr(&s.filler, things[i].filler);
        }
        plan(&s, FL_NEVER, UPSTREAM_KEEP);
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = counting(&s);
        rig_post(c, 1, things[i].stream, "");
        rig_settle(&s.rig, c, 5 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check(&s.rig, a->complete && a->status == 502 &&
                              rig_has(fl_buf_slice(&a->body), "\"code\":\"provider_"));
        /* limits.event is 1 MiB, in a buffer that grows by doubling */
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= (things[i].stream ? 4 : 1) * (uint64_t)mega);
        fl_world_run_for(s.rig.world, MS(10));
        rig_equal(&s.rig, s.first.connections_open, 0);
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 1);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

static void client_s_endless_things_are_bounded(void **state)
{
#define POST_CHUNKED                                                                               \
    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    static const struct {
        const char *name, *head, *filler, *code;
        int status;
    } things[] = {
        {"header lines", "GET / HTTP/1.1\r\n", "x-filler: 01234567890123456789\r\n",
         "caller_head_long", 431},
        {"one header", "GET / HTTP/1.1\r\nx: ", "01234567890123456789", "caller_head_long", 431},
        {"target", "GET /", "01234567890123456789", "caller_head_long", 431},
        {"method", "", "GET", "caller_head_long", 431},
        {"empty lines", "", "\r\n", "caller_bad_http", 400},
        {"chunk size", POST_CHUNKED, "0", "caller_bad_chunk", 400},
        {"chunk extension", POST_CHUNKED "1;", "aaaaaaaa", "caller_bad_chunk", 400},
        {"trailers", POST_CHUNKED "2\r\n{}\r\n0\r\n", "a: b\r\n", "caller_head_long", 431},
        {"body", POST_CHUNKED, "8\r\n        \r\n", "caller_body_long", 413},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
        struct scene s;
        open_scene(&s, "limits: {body: 256KiB}\n");
        rig_say(&s.rig, "client's endless %s", things[i].name);
        while (s.filler.len < unit / 2) {
            fl_buf_put_cstr(&s.filler, things[i].filler);
        }
        rig_watch_heap(&s.rig);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        fl_simclient_send(c, fl_slice_cstr(things[i].head), 1, false);
        for (unsigned n = 0; n < 1000 && !fl_simclient_settled(c); n++) {
            fl_simclient_send(c, fl_buf_slice(&s.filler), 0, false);
            fl_world_run_for(s.rig.world, MS(1));
        }
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_error(&s.rig, fl_simclient_answer(c, 0), things[i].status, things[i].code);
        rig_check(&s.rig, rig_heap_growth(&s.rig) <= mega);
        rig_equal(&s.rig, s.first.connections, 0);
        rig_leave(&s.rig, c);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(big_answers_pass_in_bounded_memory),
        cmocka_unit_test(a_big_stream_passes_in_constant_memory),
        cmocka_unit_test(a_request_of_10_mb),
        cmocka_unit_test(a_request_that_never_ends_is_refused),
        cmocka_unit_test(an_upload_that_is_given_up_leaves_nothing),
        cmocka_unit_test(gzip_bombs_are_no_answers),
        cmocka_unit_test(provider_s_endless_things_are_bounded),
        cmocka_unit_test(client_s_endless_things_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

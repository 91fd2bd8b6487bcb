/* SPDX-License-Identifier: Apache-2.0 */
/* Gzip bombs, and heads, chunks, events and bodies without an end, from providers and from clients. */
#include "sim/volume.h"

#include <zlib.h>

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
        open_scene(&s, "routing: {attempts: 1}\n");
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
        open_scene(&s, "routing: {attempts: 1}\n");
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

/* A translated answer is held whole, an error's text is not. */
static void an_endless_error_is_bounded_where_it_would_be_translated(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "");
    rig_reload_file(&s.rig,
                    FL_LIT("listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                           "routing: {attempts: 1}\nproviders:\n  p0: {type: anthropic, api_key: k, "
                           "models: [m], base_url: \"http://10.0.1.1:80/v1\"}\n"
                           "models: {chat: {targets: [p0/m]}}\n"));
    rig_say(&s.rig, "endless error of another dialect");
    fl_buf_put_cstr(&s.head, "HTTP/1.1 500 Oh\r\n\r\n{\"error\":\"");
    while (s.filler.len < unit / 2) {
        fl_buf_put_cstr(&s.filler, "0123456789");
    }
    plan(&s, FL_NEVER, UPSTREAM_KEEP);
    rig_watch_heap(&s.rig);
    struct fl_simclient *c = counting(&s);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, 5 * FL_NS_S);
    rig_equal(&s.rig, fl_simclient_answer(c, 0)->status, 502);
    rig_check(&s.rig, rig_heap_growth(&s.rig) <= mega);
    rig_leave(&s.rig, c);
    close_scene(&s);
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
        cmocka_unit_test(gzip_bombs_are_no_answers),
        cmocka_unit_test(provider_s_endless_things_are_bounded),
        cmocka_unit_test(an_endless_error_is_bounded_where_it_would_be_translated),
        cmocka_unit_test(client_s_endless_things_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

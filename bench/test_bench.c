/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the benchmark that decide what a number is: histogram, request, reply reader. */
#include "unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hist.h"
#include "mock_texts.h"
#include "wire.h"

static void test_hist_is_exact_below_128(void **state)
{
    (void)state;
    static struct fl_bench_hist hist;
    memset(&hist, 0, sizeof hist);
    assert_int_equal(fl_bench_hist_at(&hist, 0.5), 0);
    for (uint64_t v = 1; v <= 100; v++) {
        fl_bench_hist_add(&hist, v);
    }
    assert_int_equal(fl_bench_hist_at(&hist, 0.5), 50);
    assert_int_equal(fl_bench_hist_at(&hist, 0.99), 99);
    assert_int_equal(fl_bench_hist_at(&hist, 1.0), 100);
    assert_int_equal(hist.sum, 5050);
}

static void test_hist_is_within_one_percent(void **state)
{
    (void)state;
    static struct fl_bench_hist hist;
    for (uint64_t v = 1; v < UINT64_MAX / 3; v = v * 3 + 1) {
        memset(&hist, 0, sizeof hist);
        fl_bench_hist_add(&hist, v);
        fl_bench_hist_add(&hist, UINT64_MAX);
        double off = ((double)fl_bench_hist_at(&hist, 0.5) - (double)v) / (double)v;
        assert_true(off < 0.008 && off > -0.008);
        assert_true(fl_bench_hist_at(&hist, 1.0) == UINT64_MAX);
    }
}

static void test_request_has_the_size_asked_for(void **state)
{
    (void)state;
    static const size_t SIZES[] = {256, 1024, 1025, 16384, 131072};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct fl_bench_request request;
        assert_true(fl_bench_request_build(
            &request, &(struct fl_bench_request_spec){
                          .port = 8080, .model = "m", .body_bytes = SIZES[i], .stream = true}));
        const char *blank = memmem(request.bytes, request.size, "\r\n\r\n", 4);
        assert_non_null(blank);
        const char *body = blank + 4;
        assert_int_equal(request.size - (size_t)(body - request.bytes), SIZES[i]);
        char field[48];
        (void)snprintf(field, sizeof field, "Content-Length: %zu\r\n", SIZES[i]);
        assert_non_null(
            memmem(request.bytes, (size_t)(body - request.bytes), field, strlen(field)));
        assert_memory_equal(request.bytes + request.size - 15, ",\"stream\":true}", 15);
        fl_bench_request_finish(&request);
    }
}

static void test_request_too_small_is_refused(void **state)
{
    (void)state;
    struct fl_bench_request request;
    assert_false(fl_bench_request_build(
        &request, &(struct fl_bench_request_spec){.port = 1, .model = "m", .body_bytes = 32}));
}

struct body {
    char bytes[4096];
    size_t size;
};

static void on_body(void *user, const char *bytes, size_t size)
{
    struct body *body = user;
    assert_true(size <= sizeof body->bytes - body->size);
    memcpy(body->bytes + body->size, bytes, size);
    body->size += size;
}

/* Feeds `text` in pieces of `step` bytes, each in memory of its own size. */
static enum fl_bench_reply_state feed(const char *text, size_t size, size_t step, struct body *body,
                                      size_t *ret_used)
{
    struct fl_bench_reply reply = {0};
    *ret_used = 0;
    body->size = 0;
    for (size_t at = 0; at < size; at += step) {
        size_t take = size - at < step ? size - at : step;
        char *piece = malloc(take);
        assert_non_null(piece);
        memcpy(piece, text + at, take);
        size_t used = fl_bench_reply_feed(&reply, piece, take, on_body, body);
        free(piece);
        *ret_used += used;
        if (used < take) {
            break;
        }
    }
    enum fl_bench_reply_state state = reply.state;
    fl_bench_reply_finish(&reply);
    return state;
}

static void expect(const char *text, enum fl_bench_reply_state state, const char *body_text,
                   size_t left_over)
{
    size_t size = strlen(text);
    for (size_t step = 1; step <= size; step++) {
        struct body body;
        size_t used;
        assert_int_equal(feed(text, size, step, &body, &used), state);
        if (state == FL_REPLY_BROKEN) {
            continue;
        }
        assert_int_equal(body.size, strlen(body_text));
        assert_memory_equal(body.bytes, body_text, body.size);
        if (state == FL_REPLY_DONE && left_over == 0) {
            assert_int_equal(used, size);
        }
        if (step == size) {
            assert_int_equal(size - used, left_over);
        }
    }
}

static void test_reply_framings(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", FL_REPLY_DONE, "hello", 0);
    expect("HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhelloX", FL_REPLY_DONE, "hello", 1);
    expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FL_REPLY_DONE, "", 0);
    expect("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", FL_REPLY_LENGTH, "hello", 0);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "5\r\nhello\r\nA;x=y\r\n, 10 bytes\r\n0\r\n\r\n",
           FL_REPLY_DONE, "hello, 10 bytes", 0);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n",
           FL_REPLY_DONE, "a", 0);
    expect("HTTP/1.1 200 OK\r\n\r\nuntil the end", FL_REPLY_UNTIL_EOF, "until the end", 0);
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
           FL_REPLY_DONE, "ok", 0);
}

static void test_reply_broken(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FL_REPLY_BROKEN, "", 0);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", FL_REPLY_BROKEN, "",
           0);
    expect("SSH-2.0-OpenSSH\r\nmore of that\r\n\r\n", FL_REPLY_BROKEN, "", 0);
}

static void test_reply_eof(void **state)
{
    (void)state;
    struct fl_bench_reply reply = {.state = FL_REPLY_UNTIL_EOF};
    assert_true(fl_bench_reply_eof(&reply));
    reply = (struct fl_bench_reply){.state = FL_REPLY_CHUNK_DATA, .left = 3};
    assert_false(fl_bench_reply_eof(&reply));
    assert_true(reply.close);
}

/* What the mock says is what the reader takes for one reply with nothing left over. */
static void test_mock_texts(void **state)
{
    (void)state;
    static struct fl_mock_texts texts;
    static char stream[8192];
    static struct body body;
    size_t used;
    assert_true(fl_mock_texts_make(&texts));
    assert_int_equal(feed(texts.completion.bytes, texts.completion.size, 700, &body, &used),
                     FL_REPLY_DONE);
    assert_int_equal(used, texts.completion.size);
    assert_in_range(body.size, 1000, 1200);

    static const char *const said[FL_MOCK_FORMS] = {
        [FL_MOCK_CHAT] = "\"content\":\"e0000042 00000000000123456789 \"",
        [FL_MOCK_MESSAGES] = "\"text\":\"e0000042 00000000000123456789 \""};
    static const char *const last[FL_MOCK_FORMS] = {
        [FL_MOCK_CHAT] = "data: [DONE]\n\n",
        [FL_MOCK_MESSAGES] = "data: {\"type\":\"message_stop\"}\n\n"};
    for (unsigned form = 0; form < FL_MOCK_FORMS; form++) {
        const struct fl_mock_stream *s = &texts.streams[form];
        size_t size = s->head.size, end = strlen(last[form]);
        memcpy(stream, s->head.bytes, size);
        size += fl_mock_texts_event(s, stream + size, 42, 123456789);
        memcpy(stream + size, s->end.bytes, s->end.size);
        size += s->end.size;
        assert_int_equal(feed(stream, size, 1, &body, &used), FL_REPLY_DONE);
        assert_int_equal(used, size);
        assert_non_null(memmem(body.bytes, body.size, said[form], strlen(said[form])));
        assert_memory_equal(body.bytes + body.size - end, last[form], end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hist_is_exact_below_128),
        cmocka_unit_test(test_hist_is_within_one_percent),
        cmocka_unit_test(test_request_has_the_size_asked_for),
        cmocka_unit_test(test_request_too_small_is_refused),
        cmocka_unit_test(test_reply_framings),
        cmocka_unit_test(test_reply_broken),
        cmocka_unit_test(test_reply_eof),
        cmocka_unit_test(test_mock_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

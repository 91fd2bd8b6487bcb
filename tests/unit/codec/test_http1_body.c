/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, and writing. */
#include "unit/codec/h1_cases.h"

#include <inttypes.h>
#include <stdio.h>

/* A body that is done takes nothing more and says so again. */
static void a_body_that_is_done_stays_done(void **state)
{
    (void)state;
    static const struct fl_h1_head none = {.framing = FL_H1_NO_BODY};
    static const struct fl_h1_head two = {.framing = FL_H1_LENGTH, .content_length = 2};
    struct fl_h1_body body;
    struct fl_slice in = FL_LIT("abc"), piece = FL_LIT("x"), nothing = FL_EMPTY;
    assert_int_equal(fl_h1_body_init(&body, &none, requests.limits), FL_OK);
    assert_int_equal(fl_h1_body_next(&body, &in, &piece), FL_OK);
    assert_int_equal(piece.len, 0);
    assert_int_equal(in.len, 3);
    assert_int_equal(fl_h1_body_end(&body), FL_OK);
    assert_int_equal(fl_h1_body_init(&body, &two, requests.limits), FL_OK);
    assert_int_equal(fl_h1_body_next(&body, &nothing, &piece), FL_OK);
    assert_int_equal(piece.len, 0);
    assert_int_equal(fl_h1_body_end(&body), FL_ERR_CLOSED);
    assert_int_equal(fl_h1_body_next(&body, &in, &piece), FL_OK);
    assert_slice(piece, "ab");
    assert_true(body.done);
    assert_int_equal(fl_h1_body_next(&body, &in, &piece), FL_OK);
    assert_slice(in, "c");
}

static void chunks_that_are_refused(void **state)
{
    (void)state;
    const struct refused cases[] = {
        {CHUNKS("\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0x3\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("+3\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("-3\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS(" 3\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3 \r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\t\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3 ;x\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("1 0\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("g\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("@\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\rabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\r\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\r\nabc0\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\r\nabc\n0\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\r\nabc\rX0\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\r\nabcd\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3\r\nabc\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0000000000000003\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("10000000000000003\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("fffffffffffffff\r\n"), FL_ERR_BODY_LONG},
        {CHUNKS("65\r\n"), FL_ERR_BODY_LONG},
        {CHUNKS("2\r\nab\r\n63\r\n"), FL_ERR_BODY_LONG},
        /* extensions */
        {CHUNKS("3;\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;;x\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3; x\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x \r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x==\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=y=z\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\"y\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\"y\\\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\"y\"z\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\"y\"=z\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=y\"z\"\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x\n45\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\"\n\"\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x\rX\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x\0\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("3;x=\"\x80\"\r\nabc\r\n"), FL_ERR_H1_CHUNK},
        /* trailers */
        {CHUNKS("0\r\nTransfer-Encoding: chunked\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nA: b\r\ncontent-LENGTH: 5\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nHost: b\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nAuthorization: b\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nConnection: close\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX : b\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\n: b\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX: a\r\n b\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX: a\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX: a\rY\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX: \x7f\r\n\r\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\n\n"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\n\rX"), FL_ERR_H1_CHUNK},
        {CHUNKS("0\r\nX: 0123456789012345678901234567890123456789012345678901234567890\r\n\r\n"),
         FL_ERR_H1_HEAD_LONG},
    };
    CHECK_REFUSED(requests, cases);
}

/* The limit is 256 bytes over the whole body, not for each chunk. */
static void extensions_are_counted_over_the_body(void **state)
{
    (void)state;
    struct fl_buf b;
    struct h1_run run;
    fl_buf_init(&b, 65536);
    fl_buf_put(&b, POST(CHUNKED, ""));
    for (int i = 0; i < 64; i++) {
        fl_buf_put(&b, FL_LIT("1;ab\r\nx\r\n")); /* "ab" and the CR: 3 bytes of 256 */
    }
    h1_run(&run, requests, fl_buf_slice(&b), b.len, 0);
    assert_int_equal(run.end, H1_MORE_BODY);
    h1_run_finish(&run);
    for (int i = 0; i < 22; i++) {
        fl_buf_put(&b, FL_LIT("1;ab\r\nx\r\n"));
    }
    h1_run(&run, requests, fl_buf_slice(&b), b.len, 0);
    assert_int_equal(run.err, FL_ERR_H1_CHUNK);
    assert_true(h1_split_invariant(requests, fl_buf_slice(&b), 1));
    h1_run_finish(&run);
    fl_buf_finish(&b);
}

/* An answer that ends with its connection gives what fits and refuses the byte after that. */
static void a_body_until_close_is_bounded(void **state)
{
    (void)state;
    struct h1_options ten = {true, 2048, {10, 64}};
    struct fl_slice fits = FL_LIT("HTTP/1.1 200 OK\r\n\r\n0123456789");
    struct fl_slice long_one = FL_LIT("HTTP/1.1 200 OK\r\n\r\n0123456789x");
    struct h1_run run;
    h1_run(&run, ten, fits, fits.len, 0);
    assert_slice(fl_buf_slice(&run.log), "200 1.1 until-close close\n{0123456789}\nclosed");
    h1_run_finish(&run);
    h1_run(&run, ten, long_one, long_one.len, 0);
    assert_slice(fl_buf_slice(&run.log),
                 "200 1.1 until-close close\n{0123456789refused caller_body_long");
    h1_run_finish(&run);
    assert_true(h1_split_invariant(ten, long_one, 1));
}

static void writing(void **state)
{
    (void)state;
    char line[18];
    struct fl_buf b;
    fl_buf_init(&b, 1000);
    fl_h1_put_status(&b, 200);
    fl_h1_put_status(&b, 599);
    fl_h1_put_header(&b, FL_LIT("Content-Type"), FL_LIT("text/plain"));
    fl_h1_put_header(&b, FL_LIT("X"), FL_EMPTY);
    assert_true(fl_buf_ok(&b));
    assert_slice(fl_buf_slice(&b),
                 "HTTP/1.1 200 OK\r\nHTTP/1.1 599 \r\nContent-Type: text/plain\r\nX: \r\n");
    const struct fl_h1_header bad[] = {
        {FL_H_OTHER, FL_LIT("X"), FL_LIT("a\r\nEvil: 1")},
        {FL_H_OTHER, FL_LIT("X"), FL_LIT("a\n")},
        {FL_H_OTHER, FL_LIT("X"), FL_LIT("\0")},
        {FL_H_OTHER, FL_LIT("X:"), FL_LIT("a")},
        {FL_H_OTHER, FL_EMPTY, FL_LIT("a")},
        {FL_H_OTHER, FL_LIT("X\r"), FL_LIT("a")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fl_buf_reset(&b);
        fl_h1_put_header(&b, bad[i].name, bad[i].value);
        assert_false(fl_buf_ok(&b));
        assert_int_equal(b.len, 0);
    }
    fl_buf_reset(&b);
    const struct fl_h1_header seen = {FL_H_OTHER, FL_LIT("X-Seen"), FL_LIT("yes")};
    fl_h1_put_field(&b, FL_LIT("x-a: "), FL_LIT("one two"));
    fl_h1_put_parsed(&b, &seen);
    assert_slice(fl_buf_slice(&b), "x-a: one two\r\nX-Seen: yes\r\n");
    fl_buf_reset(&b);
    fl_h1_put_field(&b, FL_LIT("x-a: "), FL_EMPTY);
    for (size_t i = 0; i < 3; i++) {
        fl_h1_put_field(&b, FL_LIT("x-a: "), bad[i].value);
        fl_h1_put_parsed(&b, &bad[i]);
    }
    fl_h1_put_field(&b, FL_LIT("x-a: "), FL_LIT("\xc3\xa9"));
    assert_true(fl_buf_ok(&b));
    assert_int_equal(b.len, 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%" PRIx64 "\r\n", UINT64_C(1) << bit);
        assert_slice(fl_slice(line, fl_h1_chunk_line(line, UINT64_C(1) << bit)), text);
    }
    assert_slice(fl_slice(line, fl_h1_chunk_line(line, 0x1a2b)), "1a2b\r\n");
    assert_slice(fl_slice(line, fl_h1_chunk_line(line, UINT64_MAX)), "ffffffffffffffff\r\n");
    assert_slice(fl_slice(line, fl_h1_chunk_line(line, 0)), "0\r\n");
    assert_string_equal(fl_h1_reason(429), "Too Many Requests");
    assert_string_equal(fl_h1_reason(799), "");
    assert_string_equal(fl_h1_method_text(FL_H1_OPTIONS), "OPTIONS");
    assert_true(fl_h1_value_ok(FL_EMPTY));
    fl_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_is_done_stays_done),
        cmocka_unit_test(chunks_that_are_refused),
        cmocka_unit_test(extensions_are_counted_over_the_body),
        cmocka_unit_test(a_body_until_close_is_bounded),
        cmocka_unit_test(writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "codec/eventstream.h"

#include <stdlib.h>

enum { MAX = 1 << 16 };

static struct fl_buf stream;

static int begin(void **state)
{
    (void)state;
    fl_buf_init(&stream, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fl_buf_finish(&stream);
    return 0;
}

/* The sum by its polynomial, apart from the code under test. */
static uint32_t sum(const unsigned char *p, size_t n)
{
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (unsigned k = 0; k < 8; k++) {
            c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        }
    }
    return ~c;
}

static void put_u32(unsigned char *p, uint32_t n)
{
    p[0] = (unsigned char)(n >> 24);
    p[1] = (unsigned char)(n >> 16);
    p[2] = (unsigned char)(n >> 8);
    p[3] = (unsigned char)n;
}

/* A frame around *headers* and *payload* into *p*; returns its length. */
static size_t frame(unsigned char *p, const void *headers, size_t headers_len, const char *payload)
{
    size_t total = 16 + headers_len + strlen(payload);
    put_u32(p, (uint32_t)total);
    put_u32(p + 4, (uint32_t)headers_len);
    put_u32(p + 8, sum(p, 8));
    memcpy(p + 12, headers, headers_len);
    memcpy(p + 12 + headers_len, payload, strlen(payload));
    put_u32(p + total - 4, sum(p, total - 4));
    return total;
}

static enum fl_err next(const void *bytes, size_t len, struct fl_eventstream_message *m)
{
    return fl_eventstream_next(fl_slice(bytes, len), MAX, m);
}

static void a_message_is_read(void **state)
{
    (void)state;
    unsigned char bytes[256];
    struct fl_eventstream_message m;
    static const char headers[] = "\x0b:event-type\x07\x00\x03xyz"
                                  "\x0d:message-type\x07\x00\x05"
                                  "event"
                                  "\x01"
                                  "b\x00\x01"
                                  "c\x01\x01"
                                  "d\x02z\x01"
                                  "e\x03zz\x01"
                                  "f\x04zzzz\x01"
                                  "g\x05zzzzzzzz\x01"
                                  "h\x06\x00\x02zz\x01"
                                  "i\x08zzzzzzzz\x01"
                                  "j\x09zzzzzzzzzzzzzzzz";
    size_t len = frame(bytes, headers, sizeof(headers) - 1, "{\"a\":1}");
    assert_int_equal(next(bytes, len, &m), FL_OK);
    assert_int_equal(m.raw.len, len);
    assert_slice(m.type, "event");
    assert_slice(m.name, "xyz");
    assert_slice(m.payload, "{\"a\":1}");
    assert_int_equal(m.text.len, 0);
}

static void headers_that_break_their_frame_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\x05", 1},                /* a name longer than what is there */
        {"\x01x", 2},               /* no type */
        {"\x00\x00", 2},            /* no name */
        {"\x01x\x0a", 3},           /* an unknown type */
        {"\x01x\x07\x00", 4},       /* half a length */
        {"\x01x\x07\x00\x05zz", 7}, /* a text longer than what is there */
        {"\x01x\x04zzz", 6},        /* half a number */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char bytes[64];
        struct fl_eventstream_message m;
        size_t len = frame(bytes, cases[i].bytes, cases[i].len, "");
        assert_int_equal(next(bytes, len, &m), FL_ERR_BAD_RESPONSE);
        assert_int_equal(m.raw.len, 0);
    }
}

static void every_wrong_byte_is_found(void **state)
{
    (void)state;
    fl_eventstream_put(&stream, FL_LIT("event"), FL_LIT("metadata"), FL_LIT("{\"usage\":{}}"));
    assert_true(fl_buf_ok(&stream));
    for (size_t i = 0; i < stream.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct fl_eventstream_message m;
            stream.ptr[i] = (char)(stream.ptr[i] ^ (1 << bit));
            assert_int_equal(next(stream.ptr, stream.len, &m), FL_ERR_BAD_RESPONSE);
            stream.ptr[i] = (char)(stream.ptr[i] ^ (1 << bit));
        }
    }
}

static void lengths_are_limited(void **state)
{
    (void)state;
    unsigned char p[16] = {0};
    struct fl_eventstream_message m;
    const struct {
        uint32_t total, headers;
        enum fl_err err;
    } cases[] = {{MAX + 1, 0, FL_ERR_SSE_LONG},
                 {0xffffffff, 0, FL_ERR_SSE_LONG},
                 {64, 0xffffffff, FL_ERR_SSE_LONG},
                 {15, 0, FL_ERR_BAD_RESPONSE},
                 {0, 0, FL_ERR_BAD_RESPONSE},
                 {64, 49, FL_ERR_BAD_RESPONSE},
                 {MAX, FL_EVENTSTREAM_HEADERS_MAX + 1, FL_ERR_SSE_LONG}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_u32(p, cases[i].total);
        put_u32(p + 4, cases[i].headers);
        put_u32(p + 8, sum(p, 8));
        assert_int_equal(next(p, 12, &m), cases[i].err);
    }
    put_u32(p, MAX); /* as long as may be: more is awaited */
    put_u32(p + 4, 0);
    put_u32(p + 8, sum(p, 8));
    assert_int_equal(next(p, 12, &m), FL_OK);
    assert_int_equal(m.raw.len, 0);
}

/* Cut anywhere, the same messages come. */
static void cuts_change_nothing(void **state)
{
    (void)state;
    static const char *const payloads[] = {"", "{\"text\":\"a\"}", "{\"message\":\"slow down\"}"};
    static const char *const types[] = {"event", "event", "exception"};
    static const char *const names[] = {"messageStart", "contentBlockDelta", "throttlingException"};
    for (unsigned i = 0; i < 3; i++) {
        fl_eventstream_put(&stream, fl_slice_cstr(types[i]), fl_slice_cstr(names[i]),
                           fl_slice_cstr(payloads[i]));
    }
    for (size_t cut = 0; cut <= stream.len; cut++) {
        size_t at = 0;
        unsigned seen = 0;
        for (unsigned part = 0; part < 2; part++) {
            size_t have = part == 0 ? cut : stream.len;
            struct fl_eventstream_message m;
            /* A copy of its own, so that a read past what is there is seen. */
            char *bytes = malloc(have - at + 1);
            assert_non_null(bytes);
            memcpy(bytes, stream.ptr + at, have - at);
            size_t used = 0;
            for (;;) {
                assert_int_equal(next(bytes + used, have - at - used, &m), FL_OK);
                if (m.raw.len == 0) {
                    break;
                }
                assert_true(seen < 3);
                assert_slice(m.type, types[seen]);
                assert_slice(m.name, names[seen]);
                assert_slice(m.payload, payloads[seen]);
                seen++;
                used += m.raw.len;
            }
            free(bytes);
            at += used;
        }
        assert_int_equal(seen, 3);
        assert_int_equal(at, stream.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_is_read, begin, end),
        cmocka_unit_test_setup_teardown(headers_that_break_their_frame_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(every_wrong_byte_is_found, begin, end),
        cmocka_unit_test_setup_teardown(lengths_are_limited, begin, end),
        cmocka_unit_test_setup_teardown(cuts_change_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

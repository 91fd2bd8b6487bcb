/* SPDX-License-Identifier: Apache-2.0 */
/* Every stream here also runs byte by byte and cut in two at every point. */
#include "unit/cm.h"

#include "base/rng.h"
#include "unit/codec/sse_drive.h"

#include <time.h>

#define BOM "\xef\xbb\xbf"

struct stream {
    struct fl_slice bytes;
    const char *log;
    size_t left; /* bytes at the end that belong to no event */
};

static void check(const struct stream *streams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sse_run run;
        sse_run(&run, 1000, streams[i].bytes, streams[i].bytes.len, 0);
        assert_slice(fl_buf_slice(&run.log), streams[i].log);
        assert_int_equal(run.raw.len, streams[i].bytes.len - streams[i].left);
        assert_true(sse_split_invariant(1000, streams[i].bytes, 1));
        sse_run_finish(&run);
    }
}

#define CHECK(streams) check(streams, sizeof(streams) / sizeof((streams)[0]))

static void fields(void **state)
{
    (void)state;
    const struct stream streams[] = {
        {FL_LIT("data: x\n\n"), "(1:x)\n", 0},
        {FL_LIT("data:x\n\n"), "(1:x)\n", 0},
        {FL_LIT("data:  x \n\n"), "(1: x )\n", 0},
        {FL_LIT("data\n\n"), "(1:)\n", 0},
        {FL_LIT("data:\n\n"), "(1:)\n", 0},
        {FL_LIT("data: \n\n"), "(1:)\n", 0},
        {FL_LIT("data::\n\n"), "(1::)\n", 0},
        {FL_LIT("data:\tx\n\n"), "(1:\tx)\n", 0},
        {FL_LIT("data: a\ndata\ndata:b\ndata:  c\n\n"), "(4:a\n\nb\n c)\n", 0},
        {FL_LIT("data\ndata\n\n"), "(2:\n)\n", 0},
        {FL_LIT("event: e\ndata: x\n\n"), "e(1:x)\n", 0},
        {FL_LIT("data: x\nevent:e\n\n"), "e(1:x)\n", 0},
        {FL_LIT("event: e\nevent: f\ndata: x\nid: 7\nretry: 10\n\ndata: y\n\n"), "f(1:x)\n(1:y)\n",
         0},
        {FL_LIT("event\ndata: x\n\n"), "(1:x)\n", 0},
        {FL_LIT("Data: x\ndatas: x\ndat: x\n data: x\ndata : x\ndata: y\n\n"), "(1:y)\n", 0},
        {FL_LIT(": comment\ndata: x\n:\n\n"), "(1:x)\n", 0},
        {FL_LIT(": ping\n\n\n: ping\n\ndata: [DONE]\n\n"), "(1:[DONE])\n", 0},
        {FL_LIT("event: e\n\ndata: x\n\n"), "(1:x)\n", 0},
        {FL_LIT("data: \0\xff\x80\n\n"), NULL, 0},
        {FL_EMPTY, "", 0},
    };
    check(streams, sizeof(streams) / sizeof(streams[0]) - 2);
    check(streams + sizeof(streams) / sizeof(streams[0]) - 1, 1);
    struct sse_run run;
    sse_run(&run, 1000, streams[18].bytes, 3, 1);
    assert_true(fl_slice_eq(fl_buf_slice(&run.log), FL_LIT("(1:\0\xff\x80)\n")));
    sse_run_finish(&run);
}

static void line_ends(void **state)
{
    (void)state;
    const struct stream streams[] = {
        {FL_LIT("data: a\r\n\r\ndata: b\r\n\r\n"), "(1:a)\n(1:b)\n", 0},
        {FL_LIT("data: a\r\rdata: b\r\r"), "(1:a)\n(1:b)\n", 0},
        {FL_LIT("data: a\r\n\ndata: b\n\r\n"), "(1:a)\n(1:b)\n", 0},
        {FL_LIT("data: a\n\rdata: b\r\n\rdata: c\r\r\n"), "(1:a)\n(1:b)\n(1:c)\n", 0},
        {FL_LIT("data: a\rdata: b\ndata: c\r\n\r\n"), "(3:a\nb\nc)\n", 0},
        {FL_LIT("\r\n\n\r\r\ndata: a\n\n"), "(1:a)\n", 0},
        {FL_LIT("event: e\r\ndata: a\r\n\r\n: x\r\n\r\n"), "e(1:a)\n", 0},
        {FL_LIT("data: 0123456789abcdef0123456789abcdef\rdata: 0123456789abcdef\r\n\r"),
         "(2:0123456789abcdef0123456789abcdef\n0123456789abcdef)\n", 0},
    };
    CHECK(streams);
}

static void the_start_and_the_end(void **state)
{
    (void)state;
    const struct stream streams[] = {
        {FL_LIT(BOM "data: a\n\n"
                    "data: b\n\n"),
         "(1:a)\n(1:b)\n", 0},
        {FL_LIT(BOM "\ndata: a\n\n"), "(1:a)\n", 0},
        {FL_LIT(BOM BOM "data: a\n\n"), "", 0},
        {FL_LIT("\n" BOM "data: a\n\n"), "", 0},
        {FL_LIT("data: a\n\n" BOM "data: b\n\n"), "(1:a)\n", 0},
        {FL_LIT("\xef\xbb"
                "data: a\ndata: b\n\n"),
         "(1:b)\n", 0},
        {FL_LIT(BOM), "", 3},
        {FL_LIT("\xef\xbb"), "", 2},
        {FL_LIT("data: a\n\ndata: b\n"), "(1:a)\n(1:b)\n", 0},
        {FL_LIT("data: a\n\ndata: b"), "(1:a)\n(1:b)\n", 0},
        {FL_LIT("data: a\r\n\r\ndata: b\r"), "(1:a)\n(1:b)\n", 0},
        {FL_LIT(BOM "data"), "(1:)\n", 0},
        {FL_LIT("data: a\n\nevent: b\n"), "(1:a)\n", 9},
        {FL_LIT("data: a\n\n: b"), "(1:a)\n", 3},
        {FL_LIT("data: a\n\ndat"), "(1:a)\n", 3},
    };
    CHECK(streams);
}

/* An event that ends in CR is given without waiting for the byte after it; the LF that may follow
 * is consumed by the next call as an event of one byte without data. */
static void a_cr_at_the_end_does_not_wait(void **state)
{
    (void)state;
    struct fl_sse sse = {0};
    struct fl_sse_event e;
    struct fl_slice bytes = FL_LIT("data: a\r\n\r\ndata: b\r\n\r\n");
    assert_int_equal(fl_sse_next(&sse, fl_slice_first(bytes, 9), false, 100, NULL, &e), FL_OK);
    assert_int_equal(e.raw.len, 0);
    assert_int_equal(fl_sse_next(&sse, fl_slice_first(bytes, 10), false, 100, NULL, &e), FL_OK);
    assert_int_equal(e.raw.len, 10);
    assert_slice(e.data, "a");
    assert_true(sse.skip_lf);
    bytes = fl_slice_from(bytes, e.raw.len);
    assert_int_equal(fl_sse_next(&sse, FL_EMPTY, false, 100, NULL, &e), FL_OK);
    assert_int_equal(e.raw.len, 0);
    assert_true(sse.skip_lf);
    assert_int_equal(fl_sse_next(&sse, bytes, false, 100, NULL, &e), FL_OK);
    assert_int_equal(e.raw.len, 1);
    assert_int_equal(e.data_lines, 0);
    bytes = fl_slice_from(bytes, 1);
    assert_int_equal(fl_sse_next(&sse, bytes, false, 100, NULL, &e), FL_OK);
    assert_slice(e.data, "b");
    assert_int_equal(e.raw.len, bytes.len); /* both bytes of the CRLF */
    assert_false(sse.skip_lf);
}

static void data_stands_in_place(void **state)
{
    (void)state;
    struct fl_sse sse = {0};
    struct fl_sse_event e;
    struct fl_slice bytes = FL_LIT("event: e\ndata: abc\nid: 1\n\n");
    assert_int_equal(fl_sse_next(&sse, bytes, false, 100, NULL, &e), FL_OK);
    assert_ptr_equal(e.data.ptr, bytes.ptr + 15);
    assert_ptr_equal(e.name.ptr, bytes.ptr + 7);
    assert_ptr_equal(e.raw.ptr, bytes.ptr);
    assert_int_equal(e.raw.len, bytes.len);
    bytes = FL_LIT("data: a\r\nid: 1\r\ndata: b\r\n\r\n");
    assert_int_equal(fl_sse_next(&sse, bytes, false, 100, NULL, &e), FL_OK);
    assert_int_equal(e.data_lines, 2);
    assert_slice(e.data, "a\r\nid: 1\r\ndata: b");
}

static void events_are_bounded(void **state)
{
    (void)state;
    struct fl_slice ends[] = {FL_LIT("data: abc\n\n"), FL_LIT("data: abc\r\r"),
                              FL_LIT("data: abc\n\r\n"), FL_LIT("data: abc")};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t needed = i == 2 ? 11 : ends[i].len; /* an LF after the last CR is not counted */
        for (size_t max = 0; max < 14; max++) {
            struct sse_run run;
            sse_run(&run, max, ends[i], ends[i].len, 0);
            assert_slice(fl_buf_slice(&run.log),
                         max < needed ? "provider_event_long" : "(1:abc)\n");
            assert_true(sse_split_invariant(max, ends[i], 1));
            sse_run_finish(&run);
        }
    }
}

static void joined_data_is_bounded(void **state)
{
    (void)state;
    struct fl_sse sse = {0};
    struct fl_sse_event e;
    struct fl_buf joined;
    char memory[8];
    fl_buf_init_in(&joined, memory, sizeof(memory));
    assert_int_equal(fl_sse_next(&sse, FL_LIT("data:abc\ndata:defg\n\n"), false, 100, &joined, &e),
                     FL_OK);
    assert_slice(e.data, "abc\ndefg");
    assert_int_equal(fl_sse_next(&sse, FL_LIT("data:abc\ndata:defgh\n\n"), false, 100, &joined, &e),
                     FL_ERR_SSE_LONG);
    sse = (struct fl_sse){0};
    assert_int_equal(fl_sse_next(&sse, FL_LIT("data:abc\ndata:defgh"), true, 100, &joined, &e),
                     FL_ERR_SSE_LONG);
    sse = (struct fl_sse){0};
    /* one line needs no room */
    assert_int_equal(fl_sse_next(&sse, FL_LIT("data:0123456789\n\n"), false, 100, &joined, &e),
                     FL_OK);
    assert_slice(e.data, "0123456789");
}

/* Fed byte by byte, each byte of a line is looked at once. */
static void reading_is_linear(void **state)
{
    (void)state;
    struct fl_sse sse = {0};
    struct fl_sse_event e;
    struct fl_slice bytes = FL_LIT("event: message\ndata: abcdefghijklmnopqrstuvwxyz\n");
    for (size_t n = 1; n <= bytes.len; n++) {
        assert_int_equal(fl_sse_next(&sse, fl_slice_first(bytes, n), false, 100, NULL, &e), FL_OK);
        assert_int_equal(e.raw.len, 0);
        assert_int_equal(sse.scanned, n);
    }
}

/* Law: over random streams of line ends and field beginnings, events and consumed bytes do not
 * depend on how the stream is cut. */
static void random_streams_do_not_depend_on_their_cuts(void **state)
{
    (void)state;
    static const char *const parts[] = {"\r",    "\n",     "\r\n",    "\n\n", "data",
                                        "data:", "data: ", "event:e", ":",    " ",
                                        "x",     "id: 1",  BOM,       "\xef", "0123456789abcdef"};
    uint64_t seed = (uint64_t)time(NULL);
    struct fl_rng rng;
    fl_rng_seed(&rng, seed);
    for (int round = 0; round < 300; round++) {
        struct fl_buf b;
        fl_buf_init(&b, 4096);
        for (uint64_t i = fl_rng_below(&rng, 24); i > 0; i--) {
            fl_buf_put_cstr(&b, parts[fl_rng_below(&rng, sizeof(parts) / sizeof(parts[0]))]);
        }
        size_t max = fl_rng_below(&rng, 2) ? 1000 : 1 + (size_t)fl_rng_below(&rng, 40);
        if (!sse_split_invariant(max, fl_buf_slice(&b), 1)) {
            print_error("seed %llu, round %d\n", (unsigned long long)seed, round);
            fail();
        }
        fl_buf_finish(&b);
    }
}

static void ids_are_left_out_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"data: x\n\n", "data: x\n\n"},
        {"id: 7\ndata: x\n\n", "data: x\n\n"},
        {"data: x\nid: 7\n\n", "data: x\n\n"},
        {"data: x\r\nid: 7\r\n\r\n", "data: x\r\n\r\n"},
        {"id\rdata: x\rid:\r\r", "data: x\r\r"},
        {"id:1\nid:2\nevent: id\nid2: 3\nidx\n:id: 4\ndata: id: 5\n id: 6\n\n",
         "event: id\nid2: 3\nidx\n:id: 4\ndata: id: 5\n id: 6\n\n"},
        {"data: x\nid: 7", "data: x\n"},
        {"id: 7", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fl_buf b;
        fl_buf_init(&b, 1000);
        fl_sse_put_without_id(fl_slice_cstr(cases[i].in), &b);
        assert_slice(fl_buf_slice(&b), cases[i].out);
        fl_buf_finish(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(the_start_and_the_end),
        cmocka_unit_test(a_cr_at_the_end_does_not_wait),
        cmocka_unit_test(data_stands_in_place),
        cmocka_unit_test(events_are_bounded),
        cmocka_unit_test(joined_data_is_bounded),
        cmocka_unit_test(reading_is_linear),
        cmocka_unit_test(ids_are_left_out_and_nothing_else),
        cmocka_unit_test(random_streams_do_not_depend_on_their_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

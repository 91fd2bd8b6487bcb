/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "codec/gzip.h"

#include "base/buf.h"
#include "base/rng.h"

#include <stdlib.h>
#include <zlib.h>

static struct fl_buf pack(struct fl_slice text)
{
    struct fl_buf b;
    z_stream z = {0};
    fl_buf_init(&b, text.len + 65536);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    char *room = fl_buf_room(&b, text.len + 65536);
    assert_non_null(room);
    z.next_in = (z_const Bytef *)(uintptr_t)text.ptr;
    z.avail_in = (uInt)text.len;
    z.next_out = (Bytef *)room;
    z.avail_out = (uInt)(text.len + 65536);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    fl_buf_grow(&b, z.total_out);
    (void)deflateEnd(&z);
    return b;
}

/* Unpacks *in* in steps of *step* bytes through a buffer of *cap*. */
static enum fl_err unpack(struct fl_slice in, size_t step, size_t cap, struct fl_buf *ret, bool *ret_done)
{
    struct fl_gzip *g = fl_gzip_create();
    char out[4096];
    enum fl_err err = FL_OK;
    assert_non_null(g);
    for (size_t at = 0; !err && at < in.len; at += step) {
        struct fl_slice part = fl_slice_first(fl_slice_from(in, at), step);
        size_t len = cap;
        while (!err && (part.len > 0 || len == cap)) {
            err = fl_gzip_next(g, &part, out, cap, &len);
            if (!err) {
                fl_buf_put(ret, fl_slice(out, len));
            }
        }
    }
    *ret_done = fl_gzip_done(g);
    fl_gzip_destroy(g);
    return err;
}

static void text_comes_back_however_it_is_cut(void **state)
{
    (void)state;
    struct fl_buf text, packed, back;
    struct fl_rng r;
    bool done;
    fl_rng_seed(&r, 3);
    fl_buf_init(&text, 65536);
    for (int i = 0; i < 3000; i++) {
        fl_buf_put_u64(&text, fl_rng_below(&r, 1000));
    }
    packed = pack(fl_buf_slice(&text));
    static const size_t steps[] = {1, 2, 7, 1000, 100000}, caps[] = {1, 13, 4096};
    for (size_t i = 0; i < 15; i++) {
        fl_buf_init(&back, 65536);
        assert_int_equal(unpack(fl_buf_slice(&packed), steps[i / 3], caps[i % 3], &back, &done), FL_OK);
        assert_true(done);
        assert_true(fl_slice_eq(fl_buf_slice(&back), fl_buf_slice(&text)));
        fl_buf_finish(&back);
    }
    fl_buf_init(&back, 65536);
    assert_int_equal(unpack(fl_slice_first(fl_buf_slice(&packed), packed.len - 1), 100, 4096, &back, &done), FL_OK);
    assert_false(done); /* cut */
    packed.ptr[packed.len - 5] ^= 1;
    assert_int_equal(unpack(fl_buf_slice(&packed), 100, 4096, &back, &done), FL_ERR_BAD_RESPONSE);
    packed.ptr[packed.len - 5] ^= 1;
    fl_buf_putc(&packed, 'x');
    assert_int_equal(unpack(fl_buf_slice(&packed), 100, 4096, &back, &done), FL_ERR_BAD_RESPONSE);
    assert_int_equal(unpack(FL_LIT("{\"plain\":1}"), 100, 4096, &back, &done), FL_ERR_BAD_RESPONSE);
    fl_buf_finish(&back);
    fl_buf_finish(&packed);
    fl_buf_finish(&text);
}

static void bombs_are_stopped(void **state)
{
    (void)state;
    size_t size = 64u * 1024 * 1024;
    char *zeros = calloc(1, size);
    struct fl_buf packed = pack(fl_slice(zeros, size)), back;
    bool done;
    fl_buf_init(&back, size);
    assert_int_equal(unpack(fl_buf_slice(&packed), 65536, 4096, &back, &done), FL_ERR_TOO_BIG);
    assert_true(back.len <= 256 * 1024 + 16 * packed.len);
    fl_buf_finish(&back);
    fl_buf_finish(&packed);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back_however_it_is_cut),
        cmocka_unit_test(bombs_are_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

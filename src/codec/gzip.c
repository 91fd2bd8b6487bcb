/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum { free_bytes = 256 * 1024, ratio_max = 16, window_gzip = 15 + 16 };

struct fl_gzip {
    z_stream z;
    uint64_t in, out; /* bytes so far */
    bool done;
};

struct fl_gzip *fl_gzip_create(void)
{
    struct fl_gzip *g = calloc(1, sizeof(*g));
    if (g && inflateInit2(&g->z, window_gzip) != Z_OK) {
        free(g);
        return NULL;
    }
    return g;
}

void fl_gzip_destroy(struct fl_gzip *g)
{
    if (g) {
        (void)inflateEnd(&g->z);
        free(g);
    }
}

bool fl_gzip_done(const struct fl_gzip *g)
{
    return g->done;
}

enum fl_err fl_gzip_next(struct fl_gzip *g, struct fl_slice *in, char *ret_bytes, size_t cap, size_t *ret_len)
{
    size_t offered = in->len < INT_MAX ? in->len : INT_MAX;
    if (g->done) {
        *ret_len = 0;
        return in->len > 0 ? FL_ERR_BAD_RESPONSE : FL_OK;
    }
    g->z.next_in = (z_const Bytef *)(uintptr_t)in->ptr; /* zlib reads it only */
    g->z.avail_in = (uInt)offered;
    g->z.next_out = (Bytef *)ret_bytes;
    g->z.avail_out = (uInt)(cap < INT_MAX ? cap : INT_MAX);
    uInt room = g->z.avail_out;
    int code = inflate(&g->z, Z_NO_FLUSH);
    size_t used = offered - g->z.avail_in, made = room - g->z.avail_out;
    if (code != Z_OK && code != Z_STREAM_END && !(code == Z_BUF_ERROR && used == 0 && made == 0)) {
        return FL_ERR_BAD_RESPONSE;
    }
    g->in += used;
    g->out += made;
    g->done = code == Z_STREAM_END;
    if (g->out > free_bytes + ratio_max * g->in) {
        return FL_ERR_TOO_BIG;
    }
    *in = fl_slice_from(*in, used);
    *ret_len = made;
    return FL_OK;
}

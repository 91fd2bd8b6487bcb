/* SPDX-License-Identifier: Apache-2.0 */
#include "server/gather.h"

#include "server/internal.h"

enum { join_bytes = 2048 };

void fl_gather_init(struct fl_gather *g)
{
    g->count = 0;
    g->bytes = 0;
}

void fl_gather_add(struct fl_gather *g, struct fl_slice s)
{
    struct fl_slice *last = &g->pieces[g->count > 0 ? g->count - 1 : 0];
    if (s.len == 0) {
        return;
    }
    if (g->count > 0 && last->ptr + last->len == s.ptr) {
        last->len += s.len;
    } else {
        fl_assert(g->count < FL_GATHER_PIECES);
        g->pieces[g->count++] = s;
    }
    g->bytes += s.len;
}

/* The pieces of one write: head, chunk size, what was gathered, chunk end. */
static unsigned assemble(struct fl_exchange *x, const struct fl_gather *g, bool last, char line[18],
                         struct fl_slice out[FL_GATHER_PIECES + 4])
{
    unsigned n = 0;
    if (x->worker->out.len > 0) { /* the head, not sent yet */
        out[n++] = fl_buf_slice(&x->worker->out);
    }
    if (x->chunked && g->bytes > 0) {
        out[n++] = fl_slice(line, fl_h1_chunk_line(line, g->bytes));
    }
    memcpy(out + n, g->pieces, g->count * sizeof(out[0]));
    n += g->count;
    if (x->chunked && g->bytes > 0) {
        out[n++] = last ? FL_LIT("\r\n0\r\n\r\n") : FL_LIT("\r\n");
    } else if (x->chunked && last) {
        out[n++] = FL_LIT("0\r\n\r\n");
    }
    return n;
}

/* Small pieces become one: copying a few hundred bytes costs less than a scattered write. */
static unsigned join_small(struct fl_slice *out, unsigned n, char memory[join_bytes])
{
    size_t len = 0;
    for (unsigned i = 0; i < n; i++) {
        if (out[i].len > join_bytes - len) {
            return n;
        }
        memcpy(memory + len, out[i].ptr, out[i].len);
        len += out[i].len;
    }
    out[0] = fl_slice(memory, len);
    return 1;
}

/* The same events as the client may come back for them. */
static void stamp(struct fl_exchange *x, struct fl_gather *g)
{
    fl_replayed_stamp(x, g->pieces, &g->count);
    g->bytes = 0;
    for (unsigned i = 0; i < g->count; i++) {
        g->bytes += g->pieces[i].len;
    }
}

/* The client, or whoever is to come back, is behind what the provider sends. */
static bool is_behind(const struct fl_exchange *x)
{
    return (x->session->stream && x->session->stream->queued > 0) || (x->replay && fl_replayed_full(x));
}

void fl_gather_flush(struct fl_attempt *a, struct fl_gather *g, bool last)
{
    struct fl_exchange *x = a->exchange;
    struct fl_slice out[FL_GATHER_PIECES + 4];
    char line[18], memory[join_bytes];
    if (x->replay) {
        stamp(x, g);
    }
    unsigned n = assemble(x, g, last, line, out);
    if (n > 0) {
        n = n > 1 ? join_small(out, n, memory) : n;
        if (fl_session_write(x->session, out, n)) { /* a client that is gone is noticed by its stream */
            x->bytes_out += g->bytes;
        }
        x->last_write_ns = x->worker->sys->now_ns;
        if (x->first_byte_ns == 0 && g->bytes > 0) {
            x->first_byte_ns = x->last_write_ns;
        }
        if (!last && is_behind(x)) {
            fl_attempt_pause(a);
        }
        if (a->preamble.len > 0) { /* it stood before the first pieces */
            fl_buf_finish(&a->preamble);
        }
    }
    fl_buf_reset(&x->worker->out);
    fl_gather_init(g);
}

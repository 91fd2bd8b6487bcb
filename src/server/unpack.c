/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer that its provider compressed although it was not asked to (it is asked for none).
 *
 *   read -> unframed -> packed --(16 KiB at a time)--> relay.c
 *            `------------`--> rest, where it has to wait
 *
 * One read may unpack to a thousand times as much. So what is left of a read waits, packed, as soon as the client has
 * bytes queued: the provider is paused then, and fl_attempt_resume() goes on with what waits. It waits for the loop's
 * next turn when much was unpacked in this one, so that others get theirs.
 */
#include "server/internal.h"

#include <stdlib.h>

enum { turn_bytes_max = 1 << 20, rest_bytes_max = 256 * 1024 /* a read is at most a quarter of it */ };

static void next_turn(struct fl_timer *timer)
{
    struct fl_unpack *u = fl_container_of(timer, struct fl_unpack, timer);
    struct fl_attempt *a = u->attempt;
    const struct fl_exchange *x = a->exchange;
    bool behind = x->winner == a && x->session->stream && x->session->stream->queued > 0;
    if (!behind) { /* else it goes on when the client has drained */
        fl_attempt_resume(a);
    }
}

enum fl_err fl_unpack_open(struct fl_attempt *a)
{
    struct fl_worker *w = a->exchange->worker;
    struct fl_unpack *u = calloc(1, sizeof(*u));
    w->unpacked = w->unpacked ? w->unpacked : malloc(FL_UNPACKED_BYTES);
    a->unpack = u;
    if (!u) {
        return FL_ERR_NOMEM;
    }
    u->attempt = a;
    u->timer.fire = next_turn;
    fl_buf_init(&u->rest, rest_bytes_max);
    u->gzip = fl_gzip_create();
    return w->unpacked && u->gzip ? FL_OK : FL_ERR_NOMEM;
}

void fl_unpack_close(struct fl_attempt *a)
{
    struct fl_unpack *u = a->unpack;
    a->unpack = NULL;
    if (u) {
        fl_timers_stop(&a->exchange->worker->sys->timers, &u->timer);
        fl_gzip_destroy(u->gzip);
        fl_buf_finish(&u->rest);
        free(u);
    }
}

bool fl_unpack_done(const struct fl_unpack *u)
{
    return fl_gzip_done(u->gzip);
}

enum fl_err fl_unpack_next(struct fl_attempt *a, struct fl_slice *in, struct fl_slice *ret_piece)
{
    struct fl_unpack *u = a->unpack;
    char *unpacked = a->exchange->worker->unpacked;
    size_t len;
    if (!u->more && fl_h1_body_next(&a->body, in, &u->packed)) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (fl_gzip_next(u->gzip, &u->packed, unpacked, FL_UNPACKED_BYTES, &len)) {
        return FL_ERR_BAD_RESPONSE;
    }
    u->more = u->packed.len > 0 || len == FL_UNPACKED_BYTES;
    u->turn_bytes += len;
    *ret_piece = fl_slice(unpacked, len);
    return a->body.done && !u->more && !fl_gzip_done(u->gzip) ? FL_ERR_CLOSED : FL_OK;
}

/* Keeps what is left of a read. The slices are of the read, or of what was kept before: then framing that was taken
 * may stand between them. */
static enum fl_err keep(struct fl_unpack *u, struct fl_slice in)
{
    struct fl_slice packed = u->packed;
    if (u->rest.len > 0) {
        memmove(u->rest.ptr, packed.len > 0 ? packed.ptr : u->rest.ptr, packed.len);
        memmove(u->rest.ptr + packed.len, in.len > 0 ? in.ptr : u->rest.ptr, in.len);
        u->rest.len = packed.len + in.len;
    } else {
        fl_buf_put(&u->rest, packed);
        fl_buf_put(&u->rest, in);
    }
    u->rest_packed = packed.len;
    u->packed = FL_EMPTY;
    return fl_buf_ok(&u->rest) ? FL_OK : FL_ERR_NOMEM;
}

bool fl_unpack_waits(struct fl_attempt *a, struct fl_slice in, enum fl_err *ret_err)
{
    struct fl_unpack *u = a->unpack;
    if (!a->paused && u->turn_bytes < turn_bytes_max) {
        return false;
    }
    if (!a->paused) {
        fl_attempt_pause(a);
        fl_sys_timer_in(a->exchange->worker->sys, &u->timer, 0);
    }
    a->conn_keep = a->conn_keep && (in.len == 0 || !a->body.done);
    u->waits = true;
    *ret_err = keep(u, in);
    return true;
}

bool fl_unpack_go_on(struct fl_attempt *a, struct fl_slice *ret_in)
{
    struct fl_unpack *u = a->unpack;
    fl_timers_stop(&a->exchange->worker->sys->timers, &u->timer);
    u->turn_bytes = 0;
    if (!u->waits) {
        return false;
    }
    u->waits = false;
    u->packed = fl_slice_first(fl_buf_slice(&u->rest), u->rest_packed);
    *ret_in = fl_slice_from(fl_buf_slice(&u->rest), u->rest_packed);
    return true;
}

void fl_unpack_new_read(struct fl_unpack *u)
{
    fl_assert(!u->waits);
    fl_buf_finish(&u->rest);
    u->turn_bytes = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP streams.
 *
 *   dialling -> open -> closed by the owner -> (lingering: queue, FIN, the peer's rest) -> freed
 *
 * Reading: libuv polls all the time, also when paused: pause() is a flag, and only when bytes come
 * while it is set does the alloc callback refuse the buffer and the polling stop. So pause and
 * resume around the work on a request cost no system call. A read that fills less than the buffer
 * is the last one of its event.
 *
 * Bytes that keep coming while nothing is sent are a provider's events: the kernel would acknowledge
 * each of them by a packet of its own, which costs as much as relaying it. Asked once, it waits for
 * the second or for 40 ms; when the events come more slowly, it goes back to its old ways by itself.
 *
 * Writing: at the end of the turn (outbox.c) or straight to the kernel; what it refuses is copied into
 * a parcel that libuv sends when it can. A failed write is told once, by write(); when it is a parcel that failed, the next write()
 * tells. The end comes from reading: after a failed write the socket's end is readable, behind what
 * the peer still said.
 */
#include "net/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/uio.h>

#define BATCH             16
#define LINGER_NS         (2 * FL_NS_S)
#define LINGER_BYTES      ((size_t)1024 * 1024)
#define FLUSH_STALL_NS    (10 * FL_NS_S) /* a peer that takes nothing for so long */
#define FLUSH_STALL_TICKS 12             /* or that takes longer than this many times that */

struct fl_linger {
    struct fl_timer timer;
    struct tcp *t;
    size_t bytes_left;    /* what may still be read and dropped */
    size_t queued_before; /* at the last tick */
    unsigned ticks;
    bool finished; /* queue sent, FIN sent */
};

static const struct fl_stream_ops tcp_ops;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tcp *t = fl_container_of(handle, struct tcp, uv);
    struct fl_net *net = handle->loop->data;
    (void)suggested;
    buf->base = net->read_buffer;
    buf->len = 0;
    if (t->flags & FL_TCP_PAUSED) {
        return; /* on_read gets UV_ENOBUFS */
    }
    if (!(t->flags & (FL_TCP_CLOSED | FL_TCP_ENDED)) && t->base.on->room) {
        buf->len = t->base.on->room(t->base.owner, &buf->base);
    }
    if (buf->len == 0) {
        *buf = uv_buf_init(net->read_buffer, sizeof(net->read_buffer));
    }
}

struct tcp *fl_tcp_create(struct fl_net *net)
{
    struct tcp *t = calloc(1, sizeof(*t));
    if (!t) {
        return NULL;
    }
    int err = uv_tcp_init(&net->loop, &t->uv);
    fl_assert(err == 0); /* makes no socket yet */
    t->base.ops = &tcp_ops;
    fl_list_init(&t->deferred);
    return t;
}

void fl_tcp_free(struct tcp *t)
{
    if (!(t->flags & FL_TCP_OPEN)) {
        fl_dial_free(t->extra.dial);
    } else if (t->flags & FL_TCP_LINGERING) {
        free(t->extra.linger);
    }
    free(t);
}

static void on_closed(uv_handle_t *handle)
{
    fl_tcp_free(fl_container_of(handle, struct tcp, uv));
}

void fl_tcp_drop(struct tcp *t)
{
    t->flags |= FL_TCP_CLOSED;
    fl_list_remove(&t->deferred);
    if (t->flags & FL_TCP_LINGERING) {
        fl_timers_stop(&fl_tcp_net(t)->sys.timers, &t->extra.linger->timer);
    }
    if (!uv_is_closing((uv_handle_t *)&t->uv)) { /* a dial closes it between two addresses */
        uv_close((uv_handle_t *)&t->uv, on_closed);
    }
}

/* Reading */

static void end(struct tcp *t, enum fl_err err)
{
    t->flags |= FL_TCP_ENDED;
    t->end_err = (uint8_t)err;
    if (t->flags & FL_TCP_PAUSED) {
        t->flags |= FL_TCP_END_PENDING;
        return;
    }
    t->base.on->ended(t->base.owner, err);
}

/* libuv takes a hang-up after a short read for the end without another read: was it a reset? */
static enum fl_err end_of(const struct tcp *t, ssize_t nread)
{
    int pending = 0, fd = -1;
    socklen_t len = sizeof(pending);
    if (nread != UV_EOF || t->write_err != FL_OK) {
        return FL_ERR_RESET;
    }
    if (uv_fileno((const uv_handle_t *)&t->uv, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len) != 0) {
        return FL_OK;
    }
    return pending == 0 ? FL_OK : FL_ERR_RESET;
}

/* Bytes came: if these are not the first since the last write, acknowledgements may wait. */
static void note_one_way(struct tcp *t)
{
    const int off = 0;
    if ((t->flags & (FL_TCP_HEARD | FL_TCP_ONE_WAY)) == FL_TCP_HEARD) {
        (void)setsockopt(t->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)); /* only a wish */
        t->flags |= FL_TCP_ONE_WAY;
    }
    t->flags |= FL_TCP_HEARD;
}

static void linger_read(struct tcp *t, ssize_t nread);

static void on_read(uv_stream_t *uv, ssize_t nread, const uv_buf_t *buf)
{
    struct tcp *t = fl_container_of(uv, struct tcp, uv);
    fl_net_enter(uv->loop->data);
    if (t->flags & FL_TCP_LINGERING) {
        linger_read(t, nread);
    } else if (t->flags & (FL_TCP_CLOSED | FL_TCP_ENDED) || nread == 0) {
        return;
    } else if (nread > 0) {
        note_one_way(t);
        t->base.on->bytes(t->base.owner, fl_slice(buf->base, (size_t)nread));
    } else if (nread == UV_ENOBUFS && t->flags & FL_TCP_PAUSED) {
        uv_read_stop(uv);
        t->flags |= FL_TCP_STOPPED;
    } else {
        end(t, end_of(t, nread));
    }
}

static void start_reading(struct tcp *t)
{
    if (uv_read_start((uv_stream_t *)&t->uv, on_alloc, on_read) != 0) {
        t->flags |= FL_TCP_ENDED | FL_TCP_END_PENDING;
        t->end_err = FL_ERR_RESET;
        fl_tcp_defer(t);
    }
}

void fl_tcp_opened(struct tcp *t)
{
    int err = uv_fileno((const uv_handle_t *)&t->uv, &t->fd);
    fl_assert(err == 0);
    t->flags |= FL_TCP_OPEN;
    start_reading(t);
}

static void tcp_pause(struct fl_stream *s)
{
    struct tcp *t = fl_container_of(s, struct tcp, base);
    fl_assert(!(t->flags & FL_TCP_CLOSED));
    t->flags |= FL_TCP_PAUSED;
}

static void tcp_resume(struct fl_stream *s)
{
    struct tcp *t = fl_container_of(s, struct tcp, base);
    fl_assert(!(t->flags & FL_TCP_CLOSED));
    t->flags &= (uint16_t)~FL_TCP_PAUSED;
    if (t->flags & FL_TCP_END_PENDING) {
        fl_tcp_defer(t);
    } else if ((t->flags & (FL_TCP_STOPPED | FL_TCP_ENDED)) == FL_TCP_STOPPED) {
        t->flags &= (uint16_t)~FL_TCP_STOPPED;
        start_reading(t);
    }
}

void fl_tcp_run_deferred(struct tcp *t)
{
    if (t->flags & FL_TCP_STALLED) {
        t->flags &= (uint16_t)~FL_TCP_STALLED;
        if (t->base.queued > 0 && t->base.on->stalled) {
            t->base.on->stalled(t->base.owner);
        }
        if (t->flags & FL_TCP_CLOSED) {
            return;
        }
    }
    if (t->flags & FL_TCP_DIAL_FAILED) {
        t->flags &= (uint16_t)~FL_TCP_DIAL_FAILED;
        t->write_err = t->end_err;
        t->base.on->opened(t->base.owner, t->end_err);
    } else if ((t->flags & (FL_TCP_END_PENDING | FL_TCP_PAUSED)) == FL_TCP_END_PENDING) {
        t->flags &= (uint16_t)~FL_TCP_END_PENDING;
        t->base.on->ended(t->base.owner, t->end_err);
    }
}

/* Writing */

static void linger_sent(struct tcp *t);

void fl_tcp_send_fin(struct tcp *t)
{
    int fd = -1;
    t->flags &= (uint16_t)~FL_TCP_FINISHING;
    t->flags |= FL_TCP_FINISHED;
    if (uv_fileno((uv_handle_t *)&t->uv, &fd) == 0) {
        (void)shutdown(fd, SHUT_WR); /* fails when the peer is gone: reading says so */
    }
}

static void on_sent(uv_write_t *req, int status)
{
    struct fl_parcel *parcel = fl_container_of(req, struct fl_parcel, req);
    struct tcp *t = fl_container_of(req->handle, struct tcp, uv);
    size_t len = parcel->len;
    free(parcel);
    fl_net_enter(fl_tcp_net(t));
    if (t->write_err != FL_OK) {
        return; /* the first parcel that failed took the others with it */
    }
    t->base.queued -= len;
    if (status != 0) {
        t->base.queued = 0;
        t->write_err = FL_ERR_RESET;
    }
    if (t->flags & FL_TCP_LINGERING) {
        linger_sent(t);
    }
    if (t->flags & FL_TCP_CLOSED || t->base.queued > 0) {
        return;
    }
    t->flags &= (uint16_t)~FL_TCP_STALLED;
    if (t->flags & FL_TCP_FINISHING) {
        fl_tcp_send_fin(t);
    }
    /* After a failure ended() comes from reading; an owner that does not read is not left waiting.
     */
    if (status == 0 || t->flags & (FL_TCP_PAUSED | FL_TCP_ENDED)) {
        t->base.on->drained(t->base.owner);
    }
}

void fl_tcp_send(struct tcp *t, struct fl_parcel *parcel)
{
    uv_buf_t buf = {.base = parcel->bytes, .len = parcel->len};
    if (uv_write(&parcel->req, (uv_stream_t *)&t->uv, &buf, 1, on_sent) != 0) {
        t->base.queued = 0;
        t->write_err = FL_ERR_RESET;
        free(parcel);
    }
}

/* Not write(): a socket's own call is the shorter way through the kernel. */
static ssize_t send_once(int fd, struct iovec *parts, unsigned count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n;
    do {
        n = count == 1 ? send(fd, parts[0].iov_base, parts[0].iov_len, 0) : sendmsg(fd, &message, 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* At most BATCH pieces at once. False when the kernel took less than all of them. */
static bool try_batch(struct tcp *t, const struct fl_slice *pieces, unsigned count, size_t *sent)
{
    struct iovec parts[BATCH];
    size_t len = 0;
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].len > 0) {
            parts[used].iov_base = (void *)(uintptr_t)pieces[i].ptr; /* only read */
            parts[used++].iov_len = pieces[i].len;
            len += pieces[i].len;
        }
    }
    ssize_t n = used > 0 ? send_once(t->fd, parts, used) : 0;
    if (n < 0) {
        t->write_err = errno == EAGAIN || errno == ENOBUFS ? FL_OK : FL_ERR_RESET;
        return false;
    }
    *sent += (size_t)n;
    return (size_t)n == len;
}

/* Copies the pieces without their first *skip* bytes. */
static struct fl_parcel *pack(const struct fl_slice *pieces, unsigned count, size_t skip)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    struct fl_parcel *parcel = malloc(sizeof(*parcel) + len - skip);
    if (!parcel) {
        return NULL;
    }
    parcel->len = 0;
    for (unsigned i = 0; i < count; i++) {
        struct fl_slice rest = fl_slice_from(pieces[i], skip);
        skip -= pieces[i].len - rest.len;
        if (rest.len > 0) {
            memcpy(parcel->bytes + parcel->len, rest.ptr, rest.len);
            parcel->len += rest.len;
        }
    }
    return parcel;
}

/* Before anything that must not come ahead of what was written. */
static void send_kept(struct tcp *t)
{
    if (t->flags & FL_TCP_KEPT) {
        fl_outbox_send(fl_tcp_net(t));
    }
}

static bool may_write_now(const struct tcp *t)
{
    return t->write_err == FL_OK && t->base.queued == 0 && t->flags & FL_TCP_OPEN;
}

/* What the kernel has not taken of them but *sent* bytes. */
static enum fl_err queue_rest(struct tcp *t, const struct fl_slice *pieces, unsigned count, size_t sent)
{
    struct fl_parcel *parcel = pack(pieces, count, sent);
    if (!parcel) {
        t->write_err = FL_ERR_NOMEM;
        return FL_ERR_NOMEM;
    }
    t->base.queued += parcel->len;
    if (t->flags & FL_TCP_OPEN) {
        fl_tcp_send(t, parcel);
    } else {
        fl_dial_keep(t->extra.dial, parcel);
    }
    return t->write_err;
}

void fl_tcp_send_kept(struct tcp *t, struct fl_slice bytes)
{
    size_t sent = 0;
    if ((may_write_now(t) && try_batch(t, &bytes, 1, &sent)) || t->write_err != FL_OK ||
        queue_rest(t, &bytes, 1, sent) != FL_OK) {
        return; /* a failure is told by the next write, or by the end */
    }
    t->flags |= FL_TCP_STALLED;
    fl_tcp_defer(t);
}

static enum fl_err tcp_write(struct fl_stream *s, const struct fl_slice *pieces, unsigned count)
{
    struct tcp *t = fl_container_of(s, struct tcp, base);
    size_t sent = 0;
    fl_assert(!(t->flags & (FL_TCP_CLOSED | FL_TCP_FINISHING | FL_TCP_FINISHED)));
    t->flags &= (uint16_t)~(FL_TCP_HEARD | FL_TCP_ONE_WAY);
    if (may_write_now(t) && !(t->flags & FL_TCP_ENDED) && fl_outbox_keep(t, pieces, count)) {
        return FL_OK;
    }
    send_kept(t);
    if (may_write_now(t)) {
        unsigned n = 0;
        while (count > n &&
               try_batch(t, pieces + n, count - n < BATCH ? count - n : BATCH, &sent)) {
            n += count - n < BATCH ? count - n : BATCH;
        }
        if (n == count) {
            return FL_OK;
        }
    }
    return t->write_err != FL_OK ? t->write_err : queue_rest(t, pieces, count, sent);
}

static void tcp_finish(struct fl_stream *s)
{
    struct tcp *t = fl_container_of(s, struct tcp, base);
    fl_assert(!(t->flags & (FL_TCP_CLOSED | FL_TCP_FINISHING | FL_TCP_FINISHED)));
    send_kept(t);
    t->flags |= FL_TCP_FINISHING;
    if (s->queued == 0 && t->flags & FL_TCP_OPEN) {
        fl_tcp_send_fin(t);
    }
}

/* Closing */

/* The queue is empty: FIN, and wait for the peer's unless it came before. */
static void linger_finish(struct tcp *t)
{
    struct fl_linger *l = t->extra.linger;
    if (t->write_err != FL_OK || t->flags & FL_TCP_ENDED || l->bytes_left == 0) {
        fl_tcp_drop(t);
        return;
    }
    l->finished = true;
    if (!(t->flags & FL_TCP_FINISHED)) {
        fl_tcp_send_fin(t);
    }
    fl_sys_timer_in(&fl_tcp_net(t)->sys, &l->timer, LINGER_NS);
}

static void linger_sent(struct tcp *t)
{
    if (t->base.queued == 0 && !uv_is_closing((uv_handle_t *)&t->uv)) {
        linger_finish(t);
    }
}

static void linger_read(struct tcp *t, ssize_t nread)
{
    struct fl_linger *l = t->extra.linger;
    size_t got = nread > 0 ? (size_t)nread : 0;
    l->bytes_left -= got < l->bytes_left ? got : l->bytes_left;
    if (nread < 0) {
        t->flags |= FL_TCP_ENDED;
    }
    if (nread >= 0 && l->bytes_left > 0) {
        return;
    }
    if (l->finished) {
        fl_tcp_drop(t);
    } else {
        uv_read_stop((uv_stream_t *)&t->uv); /* the queue first */
    }
}

static void on_linger_timer(struct fl_timer *timer)
{
    struct fl_linger *l = fl_container_of(timer, struct fl_linger, timer);
    struct tcp *t = l->t;
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&t->uv);
    if (l->finished || queued >= l->queued_before || ++l->ticks == FLUSH_STALL_TICKS) {
        fl_tcp_drop(t);
        return;
    }
    l->queued_before = queued;
    fl_sys_timer_in(&fl_tcp_net(t)->sys, timer, FLUSH_STALL_NS);
}

static void linger_start(struct tcp *t)
{
    struct fl_linger *l = calloc(1, sizeof(*l));
    if (!l) {
        fl_tcp_drop(t);
        return;
    }
    l->timer.fire = on_linger_timer;
    l->t = t;
    l->bytes_left = LINGER_BYTES;
    l->queued_before = uv_stream_get_write_queue_size((uv_stream_t *)&t->uv);
    t->extra.linger = l;
    t->flags |= FL_TCP_LINGERING;
    if ((t->flags & (FL_TCP_STOPPED | FL_TCP_ENDED)) == FL_TCP_STOPPED &&
        uv_read_start((uv_stream_t *)&t->uv, on_alloc, on_read) != 0) {
        t->flags |= FL_TCP_ENDED;
    }
    if (t->base.queued == 0) {
        linger_finish(t);
    } else {
        fl_sys_timer_in(&fl_tcp_net(t)->sys, &l->timer, FLUSH_STALL_NS);
    }
}

static void tcp_close(struct fl_stream *s, enum fl_close how)
{
    struct tcp *t = fl_container_of(s, struct tcp, base);
    fl_assert(!(t->flags & FL_TCP_CLOSED));
    send_kept(t);
    t->flags |= FL_TCP_CLOSED;
    t->flags &= (uint16_t)~(FL_TCP_PAUSED | FL_TCP_STALLED);
    t->base.owner = NULL;
    fl_list_remove(&t->deferred);
    if (!(t->flags & FL_TCP_OPEN)) {
        fl_dial_cancel(t->extra.dial);
        fl_tcp_drop(t);
    } else if (how == FL_CLOSE_FLUSH) {
        linger_start(t);
    } else if (how == FL_CLOSE_NOW || uv_tcp_close_reset(&t->uv, on_closed) != 0) {
        fl_tcp_drop(t);
    }
}

static const struct fl_stream_ops tcp_ops = {.write = tcp_write,
                                             .pause = tcp_pause,
                                             .resume = tcp_resume,
                                             .finish = tcp_finish,
                                             .close = tcp_close};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fl_sys: all that the server knows of the outside: time, timers, byte streams, names, entropy. `net`
 * fills it with libuv, `sim` with a virtual clock and network, so that the same server runs on both.
 * A backend embeds struct fl_sys; every worker thread has its own; nothing here crosses threads but wake().
 *
 * Streams
 *   A stream is a connected (or connecting) ordered byte pipe: a TCP connection, or a filter (TLS)
 *   over another stream. Its owner sets `on` and `owner` and gets events:
 *
 *     dial -> opened(FL_OK) -> bytes* -> ended(FL_OK: the peer's FIN | error)      then: close()
 *          `-> opened(err)                                                         then: close()
 *     accepted(stream) -> bytes* -> ended                                          then: close()
 *
 *   - Events come only from the loop, never from inside a call on the stream. After close() returns,
 *     none comes; the owner may free itself at once. The backend frees the stream at the turn's end.
 *   - Each stream is closed exactly once, by its owner, whatever happened before.
 *   - Bytes given to bytes() are valid during the call only; the owner takes all of them. After
 *     pause() no bytes() and no ended() comes until resume(). Streams begin resumed.
 *   - room() may be NULL, and a backend need not ask it. Asked before a read, it says where the owner
 *     wants the next bytes and how many at most; bytes() then gives what stands there. 0: anywhere.
 *   - After ended(FL_OK) the stream can still be written (half-closed).
 *   - write() takes all or fails: what the kernel does not take is copied into the stream's queue
 *     (queued > 0), and drained() comes when the queue has emptied. The owner bounds the queue by not
 *     writing more while queued > 0 (backpressure). Slices need to live during the call only. It may
 *     be called before opened(): everything is queued.
 *   - A backend may keep a small write until the turn ends, not counted in queued. When the kernel does
 *     not take it then, it is queued (queued > 0) and stalled() comes, which may be NULL: what an owner
 *     does when it finds queued > 0 after a write, it does there. drained() may come without it.
 */
#ifndef FL_BASE_SYS_H
#define FL_BASE_SYS_H

#include "base/addr.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/timers.h"

struct fl_sys;
struct fl_stream;

enum fl_close {
    FL_CLOSE_NOW,   /* drop what is queued, release at once (FIN) */
    FL_CLOSE_FLUSH, /* send what is queued, FIN, read and drop the peer's bytes up to 2 s, release: a
                       peer that is still sending gets to read our last words */
    FL_CLOSE_RESET  /* RST where the transport has one */
};

struct fl_stream_events {
    void (*opened)(void *owner, enum fl_err err);
    void (*bytes)(void *owner, struct fl_slice bytes);
    void (*ended)(void *owner, enum fl_err err); /* once; FL_OK = FIN, FL_ERR_RESET, FL_ERR_TLS, ... */
    void (*drained)(void *owner);
    size_t (*room)(void *owner, char **ret_at);
    void (*stalled)(void *owner);
};

struct fl_stream_ops {
    enum fl_err (*write)(struct fl_stream *s, const struct fl_slice *pieces, unsigned count);
    void (*pause)(struct fl_stream *s);
    void (*resume)(struct fl_stream *s);
    void (*finish)(struct fl_stream *s); /* FIN after the queue; no write after it */
    void (*close)(struct fl_stream *s, enum fl_close how);
};

struct fl_stream {
    const struct fl_stream_ops *ops;
    const struct fl_stream_events *on;
    void *owner;
    size_t queued; /* bytes waiting in user space; read-only for owners */
};

struct fl_listener; /* opaque, closed by ops->unlisten */

/* A new inbound stream: the callee sets on and owner before it returns (or closes it). */
typedef void fl_accepted_fn(void *owner, struct fl_stream *stream, const struct fl_addr *peer);

struct fl_sys_ops {
    /* Connects to host:port. *host* is a name, an IPv4 or an IPv6 literal without brackets; names are
     * resolved off the loop and cached. opened() gets FL_ERR_DNS, FL_ERR_CONNECT or FL_OK. There is
     * no timeout here: the owner closes the stream when it has waited enough. Fails only without
     * memory or descriptors. */
    enum fl_err (*dial)(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                        const struct fl_stream_events *on, void *owner, struct fl_stream **ret_stream);
    /* Listens on addr (port 0: any); several workers may listen on one address (SO_REUSEPORT).
     * ret_addr gets the address bound. */
    enum fl_err (*listen)(struct fl_sys *sys, const struct fl_addr *addr, fl_accepted_fn *accepted,
                          void *owner, struct fl_listener **ret_listener, struct fl_addr *ret_addr);
    void (*unlisten)(struct fl_sys *sys, struct fl_listener *listener);
    /* The clock now (monotonic), where sys->now_ns is that of the loop's turn. */
    uint64_t (*clock_ns)(struct fl_sys *sys);
    /* Nanoseconds since 1970-01-01 UTC. */
    uint64_t (*wall_ns)(struct fl_sys *sys);
    void (*entropy)(struct fl_sys *sys, void *ret_bytes, size_t count);
    /* From any thread, as long as the backend lives: woken() is called on its loop soon, once for any number of
     * calls before that. Never from inside this call. */
    void (*wake)(struct fl_sys *sys);
};

struct fl_sys {
    const struct fl_sys_ops *ops;
    struct fl_timers timers; /* driven by the backend */
    uint64_t now_ns;         /* monotonic, set at the start of each turn of the loop */
    void (*woken)(void *owner); /* set from the loop, by whom wake() is to reach; NULL: nobody */
    void *woken_owner;
};

static inline void fl_sys_timer_in(struct fl_sys *sys, struct fl_timer *timer, uint64_t in_ns)
{
    fl_timers_set(&sys->timers, timer, sys->now_ns + in_ns);
}

static inline enum fl_err fl_stream_write(struct fl_stream *s, const struct fl_slice *pieces, unsigned count)
{
    return s->ops->write(s, pieces, count);
}

static inline void fl_stream_close(struct fl_stream *s, enum fl_close how)
{
    s->ops->close(s, how);
}

#endif

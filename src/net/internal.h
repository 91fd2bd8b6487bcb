/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of net share. net.c turns the loop, stream.c moves bytes, outbox.c keeps small writes
 * for the end of the turn, dial.c and listen.c make streams, dns.c remembers names, lookup.c asks the resolver on threads of its own, mail.c lets
 * other threads in. All but mail.c and the thread in lookup.c run on the loop's thread.
 *
 * A turn of the loop: poll (stream callbacks) - check (timers) - close callbacks (memory is freed)
 * - idle (deferred events) - prepare (sends what the turn wrote, arms the poll timeout). Every entry
 * from libuv calls fl_net_enter() first, which reads the clock once a turn.
 */
#ifndef FL_NET_INTERNAL_H
#define FL_NET_INTERNAL_H

#include "base/list.h"
#include "net/dns.h"
#include "net/net.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

#define FL_NET_READ_BYTES     32768
#define FL_OUTBOX_BYTES       131072
#define FL_OUTBOX_RECORDS     32
#define FL_OUTBOX_SMALL_BYTES 4096  /* of one write: a stream may have any number of these in a turn */
#define FL_OUTBOX_KEPT_BYTES  36864 /* of one write: 32 KiB and a head; more takes too much memory */

/* mail.c: letters from any thread to one loop. Outlives the loop while a lookup thread holds it. */
struct fl_letter {
    struct fl_letter *next;
    void (*open)(struct fl_letter *letter); /* on the loop; owns the letter */
    void (*drop)(struct fl_letter *letter); /* instead of open when the loop is gone */
};

struct fl_mail;

struct fl_mail *fl_mail_create(uv_async_t *bell);
struct fl_mail *fl_mail_ref(struct fl_mail *mail);
void fl_mail_unref(struct fl_mail *mail);
/* From any thread. The letter is opened on the loop; false when the loop is gone: still the
 * caller's. */
bool fl_mail_send(struct fl_mail *mail, struct fl_letter *letter);
/* On the loop: opens what has come so far. */
void fl_mail_open(struct fl_mail *mail);
/* On the loop: drops what has come, refuses what comes. */
void fl_mail_shut(struct fl_mail *mail);

/* outbox.c: records one behind another. */
struct fl_outbox {
    size_t len, last; /* where the next record begins, and the last one */
    unsigned count;
    _Alignas(max_align_t) char bytes[FL_OUTBOX_BYTES];
};

struct fl_net {
    struct fl_sys sys;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active while `deferred` is not empty: the poll does not block */
    uv_timer_t alarm;
    uv_async_t bell;
    struct fl_mail *mail;
    struct fl_list deferred; /* struct tcp.deferred */
    struct fl_dns dns;
    struct fl_list lookups_waiting; /* struct lookup.node */
    unsigned lookups_running;
    uint64_t alarm_ms; /* on libuv's clock; FL_NEVER: not armed */
    uint64_t full_logged_ns;
    int reserve_fd; /* given up for a moment when descriptors run out */
    atomic_bool wakes; /* woken() is owed */
    bool in_turn, closing;
    char read_buffer[FL_NET_READ_BYTES]; /* shared: a stream that waits holds none */
    struct fl_outbox outbox;
};

/* Opens the turn when this is its first callback. */
static inline void fl_net_enter(struct fl_net *net)
{
    if (!net->in_turn) {
        net->in_turn = true;
        net->sys.now_ns = uv_hrtime();
    }
}

/* stream.c
 *
 * The life of a TCP stream: DIALLING (extra = the dial) -> OPEN (extra = NULL) -> closed by its
 * owner; then LINGERING (extra = the linger) or gone with the turn. */
struct fl_dial;
struct fl_linger;

enum fl_tcp_flag {
    FL_TCP_OPEN = 1,        /* connected */
    FL_TCP_PAUSED = 2,      /* by the owner */
    FL_TCP_STOPPED = 4,     /* libuv does not read (set late: only when bytes came while paused) */
    FL_TCP_END_PENDING = 8, /* ended(end_err) is still owed to the owner */
    FL_TCP_ENDED = 16,      /* nothing more can be read */
    FL_TCP_FINISHING = 32,  /* FIN when the queue is empty */
    FL_TCP_FINISHED = 64,   /* FIN sent */
    FL_TCP_CLOSED = 128,    /* by the owner: no more events */
    FL_TCP_LINGERING = 256, /* after FL_CLOSE_FLUSH */
    FL_TCP_DIAL_FAILED = 512, /* opened(end_err) is still owed */
    FL_TCP_HEARD = 1024,      /* bytes were read and nothing written since */
    FL_TCP_ONE_WAY = 2048,    /* more than once: acknowledgements are asked to wait */
    FL_TCP_KEPT = 4096,       /* has bytes in the outbox */
    FL_TCP_STALLED = 8192,    /* stalled() is owed to the owner */
};

struct tcp {
    struct fl_stream base;
    int fd; /* once OPEN */
    uint16_t flags;
    uint8_t end_err, write_err; /* enum fl_err */
    uv_tcp_t uv;
    struct fl_list deferred; /* in net->deferred, or alone */
    union {
        struct fl_dial *dial;     /* until OPEN */
        struct fl_linger *linger; /* while LINGERING */
    } extra;
};

/* Bytes that wait for the kernel: one libuv request with its copy. */
struct fl_parcel {
    struct fl_parcel *next; /* while dialling */
    uv_write_t req;
    size_t len;
    char bytes[];
};

static inline struct fl_net *fl_tcp_net(const struct tcp *t)
{
    return t->uv.loop->data;
}

struct tcp *fl_tcp_create(struct fl_net *net);
/* Connected: starts reading. */
void fl_tcp_opened(struct tcp *t);
/* What the outbox kept: straight to the kernel, the rest into the queue. */
void fl_tcp_send_kept(struct tcp *t, struct fl_slice bytes);
/* Puts *parcel* in libuv's queue; takes it. */
void fl_tcp_send(struct tcp *t, struct fl_parcel *parcel);
/* The queue is empty: FIN. */
void fl_tcp_send_fin(struct tcp *t);
/* The stream's deferred events run in the next turn. */
void fl_tcp_defer(struct tcp *t);
void fl_tcp_run_deferred(struct tcp *t);
/* Closes the handle without a word to the owner; frees with the turn. */
void fl_tcp_drop(struct tcp *t);
/* From the handle's close callback. */
void fl_tcp_free(struct tcp *t);

/* outbox.c
 *
 * Keeps a write for the end of the turn. False: too large, or what was kept before it has just been
 * sent and did not go; it is for the caller to write. */
bool fl_outbox_keep(struct tcp *t, const struct fl_slice *pieces, unsigned count);
/* Sends all that is kept, of all streams. */
void fl_outbox_send(struct fl_net *net);

/* dial.c */
enum fl_err fl_dial_start(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                          const struct fl_stream_events *on, void *owner,
                          struct fl_stream **ret_stream) FL_CHECK_RESULT;
/* Queues bytes until the stream is open. */
void fl_dial_keep(struct fl_dial *dial, struct fl_parcel *parcel);
/* The owner closed the stream: forget the name that is waited for. */
void fl_dial_cancel(struct fl_dial *dial);
void fl_dial_free(struct fl_dial *dial);

/* listen.c */
enum fl_err fl_listen_start(struct fl_sys *sys, const struct fl_addr *addr,
                            fl_accepted_fn *accepted, void *owner,
                            struct fl_listener **ret_listener,
                            struct fl_addr *ret_addr) FL_CHECK_RESULT;
void fl_listen_stop(struct fl_sys *sys, struct fl_listener *listener);
/* By its handle, from the walk of net's end. */
void fl_listen_drop(uv_handle_t *handle);
int fl_net_reserve_fd(void);
socklen_t fl_net_to_sockaddr(const struct fl_addr *addr, struct sockaddr_storage *ret_sockaddr);
struct fl_addr fl_net_from_sockaddr(const struct sockaddr_storage *sockaddr);

/* lookup.c: the default fl_dns_start_fn. */
fl_dns_start_fn fl_lookup_start;
void fl_lookup_drop_waiting(struct fl_net *net);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. accept4() is called here and not by libuv: it brings the peer's address
 * without another system call, and running out of descriptors is ours to handle: a connection that
 * cannot be served is taken with a descriptor kept in reserve and closed at once, so that the loop
 * does not spin on a socket that stays readable and the client is not left waiting.
 */
#include "net/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG     4096 /* the kernel takes its own maximum if that is less */
#define ACCEPTS_MAX 64   /* a turn */
#define BACK_OFF_NS (50 * FL_NS_MS)

struct fl_listener {
    uv_poll_t poll;
    struct fl_net *net;
    fl_accepted_fn *accepted;
    void *owner;
    struct fl_timer back_off; /* accept fails for want of memory: a rest */
    int fd;
};

int fl_net_reserve_fd(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

socklen_t fl_net_to_sockaddr(const struct fl_addr *addr, struct sockaddr_storage *ret_sockaddr)
{
    memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
    if (addr->family == 6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
        memcpy(&in6.sin6_addr, addr->bytes, 16);
        memcpy(ret_sockaddr, &in6, sizeof(in6));
        return sizeof(in6);
    }
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    memcpy(&in.sin_addr, addr->bytes, 4);
    memcpy(ret_sockaddr, &in, sizeof(in));
    return sizeof(in);
}

/* IPv4 that came to an IPv6 socket (::ffff:a.b.c.d) is IPv4. */
struct fl_addr fl_net_from_sockaddr(const struct sockaddr_storage *sockaddr)
{
    struct fl_addr addr = {0};
    if (sockaddr->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof(in));
        addr.family = 4;
        addr.port = ntohs(in.sin_port);
        memcpy(addr.bytes, &in.sin_addr, 4);
    } else if (sockaddr->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sockaddr, sizeof(in6));
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        addr.family = mapped ? 4 : 6;
        addr.port = ntohs(in6.sin6_port);
        memcpy(addr.bytes, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
    return addr;
}

/* Accepting */

static void say_full(struct fl_net *net, int error)
{
    if (net->full_logged_ns == 0 || net->sys.now_ns - net->full_logged_ns >= FL_NS_S) {
        net->full_logged_ns = net->sys.now_ns;
        fl_log(FL_LOG_ERROR, "a connection was refused: %s", strerror(error));
    }
}

/* Takes one connection with the reserve and closes it. False when that was not possible. */
static bool turn_away(struct fl_listener *l)
{
    struct fl_net *net = l->net;
    if (net->reserve_fd < 0) {
        return false;
    }
    close(net->reserve_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
    }
    net->reserve_fd = fl_net_reserve_fd();
    return fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_back_off(struct fl_timer *timer)
{
    struct fl_listener *l = fl_container_of(timer, struct fl_listener, back_off);
    if (l->net->reserve_fd < 0) {
        l->net->reserve_fd = fl_net_reserve_fd();
    }
    (void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void serve(struct fl_listener *l, int fd, const struct sockaddr_storage *peer)
{
    struct fl_addr addr = fl_net_from_sockaddr(peer);
    struct tcp *t = fl_tcp_create(l->net);
    if (!t) {
        close(fd);
        return;
    }
    t->flags |= FL_TCP_OPEN;
    if (uv_tcp_open(&t->uv, fd) != 0) {
        close(fd);
        fl_tcp_drop(t);
        return;
    }
    fl_tcp_opened(t);
    l->accepted(l->owner, &t->base, &addr);
    fl_assert(t->base.on || t->flags & FL_TCP_CLOSED);
}

/* True: there may be more. */
static bool accept_one(struct fl_listener *l)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        serve(l, fd, &peer);
        return true;
    }
    int error = errno;
    if (error == EAGAIN) {
        return false;
    }
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) {
        return true; /* that connection's own trouble (accept(2)): it is gone from the queue */
    }
    say_full(l->net, error);
    if ((error == EMFILE || error == ENFILE) && turn_away(l)) {
        return true;
    }
    uv_poll_stop(&l->poll);
    fl_sys_timer_in(&l->net->sys, &l->back_off, BACK_OFF_NS);
    return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct fl_listener *l = fl_container_of(poll, struct fl_listener, poll);
    (void)status;
    (void)events;
    fl_net_enter(l->net);
    for (int i = 0; i < ACCEPTS_MAX && !uv_is_closing((uv_handle_t *)poll); i++) {
        if (!accept_one(l)) {
            break;
        }
    }
}

/* Listening */

/* A listening socket, or -1. Accepted ones inherit TCP_NODELAY. */
static int open_socket(const struct fl_addr *addr)
{
    struct sockaddr_storage sockaddr;
    socklen_t len = fl_net_to_sockaddr(addr, &sockaddr);
    int on = 1, off = 0;
    int fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        (addr->family != 6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
        bind(fd, (const struct sockaddr *)&sockaddr, len) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

static bool bound_address(int fd, struct fl_addr *ret_addr)
{
    struct sockaddr_storage sockaddr = {0};
    socklen_t len = sizeof(sockaddr);
    if (getsockname(fd, (struct sockaddr *)&sockaddr, &len) != 0) {
        return false;
    }
    *ret_addr = fl_net_from_sockaddr(&sockaddr);
    return true;
}

enum fl_err fl_listen_start(struct fl_sys *sys, const struct fl_addr *addr,
                            fl_accepted_fn *accepted, void *owner,
                            struct fl_listener **ret_listener, struct fl_addr *ret_addr)
{
    struct fl_net *net = fl_container_of(sys, struct fl_net, sys);
    struct fl_addr bound;
    struct fl_listener *l = calloc(1, sizeof(*l));
    if (!l) {
        return FL_ERR_NOMEM;
    }
    l->net = net;
    l->accepted = accepted;
    l->owner = owner;
    l->back_off.fire = on_back_off;
    l->fd = open_socket(addr);
    if (l->fd < 0) {
        free(l);
        return FL_ERR_SYS;
    }
    if (!bound_address(l->fd, &bound) || uv_poll_init(&net->loop, &l->poll, l->fd) != 0) {
        close(l->fd);
        free(l);
        return FL_ERR_SYS;
    }
    (void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
    *ret_listener = l;
    *ret_addr = bound;
    return FL_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(fl_container_of(handle, struct fl_listener, poll));
}

void fl_listen_drop(uv_handle_t *handle)
{
    struct fl_listener *l = fl_container_of(handle, struct fl_listener, poll);
    fl_timers_stop(&l->net->sys.timers, &l->back_off);
    uv_close(handle, on_closed);
    close(l->fd);
}

void fl_listen_stop(struct fl_sys *sys, struct fl_listener *listener)
{
    (void)sys;
    fl_listen_drop((uv_handle_t *)&listener->poll);
}

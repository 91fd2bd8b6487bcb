/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SCRATCH = 256 << 10 };

static const uint64_t NS = 1000000000u;

uint64_t fl_load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

uint64_t fl_load_cpu_ns(const struct fl_load_options *options)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < options->pid_count; i++) {
        clockid_t clock;
        struct timespec used;
        if (clock_getcpuclockid(options->pids[i], &clock) == 0 &&
            clock_gettime(clock, &used) == 0) {
            sum += (uint64_t)used.tv_sec * NS + (uint64_t)used.tv_nsec;
        }
    }
    return sum;
}

void fl_load_await_line(uint64_t until_ns)
{
    char c = 0;
    while (c != '\n') {
        uint64_t now = fl_load_now_ns();
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (now >= until_ns || poll(&input, 1, (int)((until_ns - now) / 1000000u) + 1) <= 0) {
            return;
        }
        if (read(STDIN_FILENO, &c, 1) != 1) {
            return;
        }
    }
}

bool fl_load_net_init(struct fl_load_net *net, const struct fl_load_options *options, bool stream,
                      fl_bench_body_fn *on_body)
{
    const struct fl_bench_request_spec spec = {.port = options->port,
                                               .model = options->model,
                                               .body_bytes = options->body_bytes,
                                               .stream = stream};
    *net = (struct fl_load_net){.epoll = -1, .port = options->port, .on_body = on_body};
    net->scratch = malloc(SCRATCH);
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (net->scratch != NULL && net->epoll >= 0 && fl_bench_request_build(&net->request, &spec)) {
        return true;
    }
    fl_load_net_finish(net);
    return false;
}

void fl_load_net_finish(struct fl_load_net *net)
{
    if (net->epoll >= 0) {
        close(net->epoll);
    }
    net->epoll = -1;
    free(net->scratch);
    net->scratch = NULL;
    fl_bench_request_finish(&net->request);
}

bool fl_load_conn_open(struct fl_load_net *net, struct fl_load_conn *conn, uint32_t index)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)net->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        return false;
    }
    int on = 1;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = index};
    conn->state = FL_LOAD_IDLE;
    conn->sent = 0;
    fl_bench_reply_reset(&conn->reply);
    if ((connect(conn->fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(net->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        fl_load_conn_close(conn);
        return false;
    }
    return true;
}

void fl_load_conn_close(struct fl_load_conn *conn)
{
    if (conn->state == FL_LOAD_CLOSED) {
        return;
    }
    close(conn->fd);
    conn->fd = -1;
    conn->state = FL_LOAD_CLOSED;
}

/* A failed send shows as an event of its own: the reader of the connection sees it. */
static void send_more(struct fl_load_net *net, struct fl_load_conn *conn)
{
    while (conn->sent < net->request.size) {
        ssize_t n = send(conn->fd, net->request.bytes + conn->sent, net->request.size - conn->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) {
            return;
        }
        conn->sent += (size_t)n;
    }
    conn->state = FL_LOAD_WAITING;
}

void fl_load_conn_send(struct fl_load_net *net, struct fl_load_conn *conn, uint64_t begun_ns)
{
    fl_bench_reply_reset(&conn->reply);
    conn->sent = 0;
    conn->marked = false;
    conn->begun_ns = begun_ns;
    conn->state = FL_LOAD_SENDING;
    send_more(net, conn);
}

static enum fl_load_news on_eof(struct fl_load_conn *conn)
{
    bool idle = conn->state == FL_LOAD_IDLE;
    bool whole = conn->state == FL_LOAD_WAITING && fl_bench_reply_eof(&conn->reply);
    fl_load_conn_close(conn);
    if (idle) {
        return FL_LOAD_STALE;
    }
    return whole ? FL_LOAD_REPLY : FL_LOAD_FAILED;
}

static enum fl_load_news on_bytes(struct fl_load_net *net, struct fl_load_conn *conn, size_t size,
                                  void *user)
{
    struct fl_bench_reply *reply = &conn->reply;
    size_t used = fl_bench_reply_feed(reply, net->scratch, size, net->on_body, user);
    bool done = reply->state == FL_REPLY_DONE;
    /* Bytes nobody asked for, or an answer to half a request, are as broken as bad framing. */
    if (reply->state == FL_REPLY_BROKEN || (done && used < size) ||
        conn->state != FL_LOAD_WAITING) {
        fl_load_conn_close(conn);
        return FL_LOAD_FAILED;
    }
    if (!done) {
        return FL_LOAD_MORE;
    }
    conn->state = FL_LOAD_IDLE;
    if (reply->close) {
        fl_load_conn_close(conn);
    }
    return FL_LOAD_REPLY;
}

enum fl_load_news fl_load_conn_on_ready(struct fl_load_net *net, struct fl_load_conn *conn,
                                        uint32_t happened, void *user)
{
    if (conn->state == FL_LOAD_CLOSED) {
        return FL_LOAD_MORE; /* closed earlier in this batch */
    }
    if ((happened & EPOLLOUT) && conn->state == FL_LOAD_SENDING) {
        send_more(net, conn);
    }
    if ((happened & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) {
        return FL_LOAD_MORE;
    }
    for (;;) {
        ssize_t got = recv(conn->fd, net->scratch, SCRATCH, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return FL_LOAD_MORE;
        }
        if (got <= 0) {
            return on_eof(conn);
        }
        enum fl_load_news news = on_bytes(net, conn, (size_t)got, user);
        if (news != FL_LOAD_MORE) {
            return news;
        }
        if ((size_t)got < SCRATCH && (happened & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) {
            return FL_LOAD_MORE; /* drained */
        }
    }
}

int fl_load_wait(struct fl_load_net *net, struct epoll_event *happened, int max,
                 uint64_t deadline_ns)
{
    uint64_t now = fl_load_now_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(left / NS), .tv_nsec = (long)(left % NS)};
    int n = epoll_pwait2(net->epoll, happened, max, &timeout, NULL);
    return n < 0 ? 0 : n;
}

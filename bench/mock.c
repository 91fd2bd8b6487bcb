/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_mock: an upstream that speaks just enough of OpenAI's dialect to be relayed, as fast as one
 * thread can. One epoll, edge-triggered; one wheel of 1 ms slots over all streams.
 *
 *   POST /v1/chat/completions   a fixed completion of about 1 KB, or with "stream":true a chunked
 *                               SSE stream: N events, one each interval, then finish, usage, [DONE]
 *   GET  /v1/models             one model
 *   GET  /stats                 what was served, as JSON
 *   GET  /control?events=N&interval_ms=T   for the streams that start from now on
 * The second event comes after a part of an interval, by chance, so that streams which start
 * together do not beat together.
 *
 * The life of a connection: HEAD -> BODY -> (answer at once -> HEAD) or (STREAM -> HEAD). Each
 * content event carries its number and the time it was written, so that the client can tell a whole
 * stream and measure the way. "stream":true is looked for in the first and last 512 bytes of the
 * body: reading on would cost more than the answer.
 */
#include "mock_texts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MAX = 8192,
    WINDOW = 512,        /* bytes kept of each end of a body */
    WHEEL_SLOTS = 2048,  /* of 1 ms */
    SCRATCH = 256 << 10, /* one receive buffer for all */
    PENDING_MAX = 2048,  /* of a stream's bytes that the socket did not take */
    BATCH = 256,
    LIMIT_S_DEFAULT = 3600,
};

enum peer_state { PEER_HEAD, PEER_BODY, PEER_STREAM };
enum path { PATH_CHAT, PATH_MESSAGES, PATH_MODELS, PATH_STATS, PATH_CONTROL, PATH_UNKNOWN };

struct peer {
    bool used;
    enum peer_state state;
    enum path path;
    bool close_after; /* the request asked for it */
    bool input_waits; /* bytes arrived during a stream: they are read behind it */
    uint64_t body_left;
    size_t head_held;
    size_t first_held, last_held;

    const char *out; /* what the socket did not take: in `pending` or static */
    size_t out_size;

    struct peer *next, **link; /* in a slot of the wheel while streaming */
    uint64_t due_ms;
    uint32_t events, events_sent;
    uint32_t interval_ms;

    char first[WINDOW], last[WINDOW];
    char pending[PENDING_MAX];
    char head[HEAD_MAX];
};

struct stats {
    uint64_t requests, streams, streams_whole, streams_cut, streams_active;
    uint64_t events, accepted, connections, bytes_in, stalls, refused, last_cut_ns;
};

static struct {
    int epoll, listener;
    struct peer *peers; /* by descriptor */
    size_t peers_max;
    struct peer *wheel[WHEEL_SLOTS];
    uint64_t now_ms; /* the wheel has run up to and with this */
    uint64_t random; /* spreads the phases of streams that start together */
    uint32_t events, interval_ms;
    struct stats stats;
    struct fl_mock_texts texts;
    char scratch[SCRATCH];
} mock;

static const char NOT_FOUND[] = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
                                "Content-Length: 27\r\n\r\n{\"error\":{\"message\":\"no\"}}\n";
static const char LENGTH_REQUIRED[] = "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n"
                                      "Connection: close\r\n\r\n";

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench_mock: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the wheel ------------------------------------------------------------------------------ */

static void wheel_remove(struct peer *peer)
{
    if (peer->link == NULL) {
        return;
    }
    *peer->link = peer->next;
    if (peer->next != NULL) {
        peer->next->link = peer->link;
    }
    peer->link = NULL;
}

static void wheel_add(struct peer *peer, uint64_t due_ms)
{
    /* What is already late runs at the next tick. */
    uint64_t slot_ms = due_ms > mock.now_ms ? due_ms : mock.now_ms + 1;
    struct peer **slot = &mock.wheel[slot_ms % WHEEL_SLOTS];
    peer->due_ms = due_ms;
    peer->next = *slot;
    peer->link = slot;
    if (peer->next != NULL) {
        peer->next->link = &peer->next;
    }
    *slot = peer;
}

/* ---- connections ---------------------------------------------------------------------------- */

static int fd_of(const struct peer *peer)
{
    return (int)(peer - mock.peers);
}

static void close_peer(struct peer *peer)
{
    if (peer->state == PEER_STREAM) {
        wheel_remove(peer);
        mock.stats.streams_active--;
        mock.stats.streams_cut++;
        mock.stats.last_cut_ns = now_ns();
    }
    mock.stats.connections--;
    close(fd_of(peer));
    peer->used = false;
}

/* Sends or keeps; `bytes` must outlive the sending. False: the connection is gone. */
static bool send_bytes(struct peer *peer, const char *bytes, size_t size)
{
    ssize_t sent = send(fd_of(peer), bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        close_peer(peer);
        return false;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    peer->out = bytes + done;
    peer->out_size = size - done;
    return true;
}

/* As send_bytes for bytes that do not outlive this call. */
static bool send_copied(struct peer *peer, const char *bytes, size_t size)
{
    if (!send_bytes(peer, bytes, size)) {
        return false;
    }
    if (peer->out_size > sizeof peer->pending) {
        close_peer(peer);
        return false;
    }
    memcpy(peer->pending, peer->out, peer->out_size);
    peer->out = peer->pending;
    return true;
}

static void next_request(struct peer *peer)
{
    peer->state = PEER_HEAD;
    peer->head_held = peer->first_held = peer->last_held = 0;
}

/* ---- streams -------------------------------------------------------------------------------- */

static const struct fl_mock_stream *stream_of(const struct peer *peer)
{
    return &mock.texts.streams[peer->path == PATH_MESSAGES ? FL_MOCK_MESSAGES : FL_MOCK_CHAT];
}

static bool send_event(struct peer *peer, bool with_head)
{
    const struct fl_mock_stream *stream = stream_of(peer);
    char bytes[FL_MOCK_EVENT_MAX + sizeof stream->head.bytes];
    size_t size = 0;
    if (with_head) {
        size = stream->head.size;
        memcpy(bytes, stream->head.bytes, size);
    }
    size += fl_mock_texts_event(stream, bytes + size, peer->events_sent, now_ns());
    peer->events_sent++;
    mock.stats.events++;
    return send_copied(peer, bytes, size);
}

static bool start_stream(struct peer *peer)
{
    mock.stats.streams++;
    mock.stats.streams_active++;
    peer->state = PEER_STREAM;
    peer->input_waits = false;
    peer->events = mock.events;
    peer->events_sent = 0;
    peer->interval_ms = mock.interval_ms;
    peer->link = NULL;
    if (!send_event(peer, true)) {
        return false;
    }
    mock.random = mock.random * 6364136223846793005u + 1442695040888963407u;
    uint64_t phase_ms = 1 + (mock.random >> 33) % peer->interval_ms;
    wheel_add(peer, now_ns() / 1000000u + phase_ms);
    return true;
}

static void end_stream(struct peer *peer)
{
    mock.stats.streams_active--;
    mock.stats.streams_whole++;
    next_request(peer);
    const struct fl_mock_text *end = &stream_of(peer)->end;
    (void)send_bytes(peer, end->bytes, end->size);
}

static void on_readable(struct peer *peer);

static void tick_peer(struct peer *peer)
{
    if (peer->out_size > 0) { /* a slow reader: wait for it, one interval at a time */
        mock.stats.stalls++;
        wheel_add(peer, peer->due_ms + peer->interval_ms);
        return;
    }
    if (peer->events_sent < peer->events) {
        uint64_t due_ms = peer->due_ms;
        if (send_event(peer, false)) {
            wheel_add(peer, due_ms + peer->interval_ms);
        }
        return;
    }
    end_stream(peer);
    if (peer->used && peer->input_waits) {
        on_readable(peer);
    }
}

static void run_wheel(void)
{
    uint64_t now_ms = now_ns() / 1000000u;
    if (mock.stats.streams_active == 0) {
        mock.now_ms = now_ms;
        return;
    }
    while (mock.now_ms < now_ms) {
        mock.now_ms++;
        struct peer *peer = mock.wheel[mock.now_ms % WHEEL_SLOTS], *next;
        for (; peer != NULL; peer = next) {
            next = peer->next;
            if (peer->due_ms > mock.now_ms) {
                continue; /* a later turn of the wheel */
            }
            wheel_remove(peer);
            tick_peer(peer);
        }
    }
}

/* ---- requests ------------------------------------------------------------------------------- */

static bool send_stats(struct peer *peer)
{
    const struct stats *s = &mock.stats;
    struct fl_mock_text reply;
    char body[768];
    (void)snprintf(body, sizeof body,
                   "{\"requests\":%ju,\"streams\":%ju,\"streams_active\":%ju,\"streams_whole\":%ju,"
                   "\"streams_cut\":%ju,\"events\":%ju,\"accepted\":%ju,\"connections\":%ju,"
                   "\"bytes_in\":%ju,\"stalls\":%ju,\"refused\":%ju,\"last_cut_ns\":%ju}",
                   (uintmax_t)s->requests, (uintmax_t)s->streams, (uintmax_t)s->streams_active,
                   (uintmax_t)s->streams_whole, (uintmax_t)s->streams_cut, (uintmax_t)s->events,
                   (uintmax_t)s->accepted, (uintmax_t)s->connections, (uintmax_t)s->bytes_in,
                   (uintmax_t)s->stalls, (uintmax_t)s->refused, (uintmax_t)s->last_cut_ns);
    if (!fl_mock_text_reply(&reply, body)) {
        close_peer(peer);
        return false;
    }
    return send_copied(peer, reply.bytes, reply.size);
}

static void read_control(const char *target, size_t size)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%.*s", (int)size, target);
    const char *events = strstr(text, "events="), *interval = strstr(text, "interval_ms=");
    if (events != NULL) {
        mock.events = (uint32_t)strtoul(events + 7, NULL, 10);
    }
    if (interval != NULL) {
        mock.interval_ms = (uint32_t)strtoul(interval + 12, NULL, 10);
    }
    if (mock.interval_ms == 0) {
        mock.interval_ms = 1;
    }
}

static bool has(const char *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

static bool asks_stream(const struct peer *peer)
{
    return has(peer->last, peer->last_held, "\"stream\":true") ||
           has(peer->first, peer->first_held, "\"stream\":true") ||
           has(peer->last, peer->last_held, "\"stream\": true") ||
           has(peer->first, peer->first_held, "\"stream\": true");
}

/* The request is complete. False: the connection is gone. */
static bool answer(struct peer *peer)
{
    bool open = true;
    switch (peer->path) {
    case PATH_CHAT:
        mock.stats.requests++;
        if (asks_stream(peer)) {
            return start_stream(peer);
        }
        open = send_bytes(peer, mock.texts.completion.bytes, mock.texts.completion.size);
        break;
    case PATH_MESSAGES: /* streams only */
        mock.stats.requests++;
        return start_stream(peer);
    case PATH_MODELS:
        open = send_bytes(peer, mock.texts.models.bytes, mock.texts.models.size);
        break;
    case PATH_STATS:
    case PATH_CONTROL:
        open = send_stats(peer);
        break;
    case PATH_UNKNOWN:
        open = send_bytes(peer, NOT_FOUND, sizeof NOT_FOUND - 1);
        break;
    }
    if (open && peer->close_after && peer->out_size == 0) {
        close_peer(peer);
        return false;
    }
    if (open) {
        next_request(peer);
    }
    return open;
}

static enum path path_of(const char *line, size_t size)
{
    static const struct {
        const char *start;
        enum path path;
    } PATHS[] = {
        {"POST /v1/chat/completions ", PATH_CHAT},
        {"POST /v1/messages ", PATH_MESSAGES},
        {"GET /v1/models ", PATH_MODELS},
        {"GET /stats ", PATH_STATS},
        {"GET /control?", PATH_CONTROL},
        {"POST /control?", PATH_CONTROL},
    };
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        size_t length = strlen(PATHS[i].start);
        if (size >= length && memcmp(line, PATHS[i].start, length) == 0) {
            return PATHS[i].path;
        }
    }
    return PATH_UNKNOWN;
}

static void read_field(struct peer *peer, const char *line, size_t size)
{
    /* Three names matter; their first letters sort out most of the others. */
    if ((line[0] | 0x20) == 'c' && size > 15 && strncasecmp(line, "content-length:", 15) == 0) {
        const char *at = line + 15, *end = line + size;
        while (at < end && *at == ' ') {
            at++;
        }
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            peer->body_left = peer->body_left * 10 + (uint64_t)(*at - '0');
        }
    } else if ((line[0] | 0x20) == 'c' && size > 11 && strncasecmp(line, "connection:", 11) == 0) {
        peer->close_after = has(line, size, "close");
    } else if ((line[0] | 0x20) == 't' && size > 18 &&
               strncasecmp(line, "transfer-encoding:", 18) == 0) {
        peer->body_left = UINT64_MAX;
    }
}

/* `size` bytes end with the blank line. False: the connection is gone. */
static bool read_head(struct peer *peer, const char *bytes, size_t size)
{
    const char *end = bytes + size;
    const char *newline = memchr(bytes, '\n', size);
    peer->path = path_of(bytes, (size_t)(newline - bytes));
    if (peer->path == PATH_CONTROL) {
        read_control(bytes, (size_t)(newline - bytes));
    }
    peer->body_left = 0;
    peer->close_after = false;
    for (const char *at = newline + 1; at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) {
            break;
        }
        read_field(peer, at, (size_t)(newline - at));
    }
    if (peer->body_left == UINT64_MAX) {
        mock.stats.refused++;
        if (send_bytes(peer, LENGTH_REQUIRED, sizeof LENGTH_REQUIRED - 1)) {
            close_peer(peer);
        }
        return false;
    }
    peer->state = PEER_BODY;
    return true;
}

/* Takes bytes of the head; 0 when the connection is gone. */
static size_t take_head(struct peer *peer, const char *bytes, size_t size)
{
    if (peer->head_held == 0) {
        const char *end = memmem(bytes, size, "\r\n\r\n", 4);
        if (end != NULL) {
            size_t used = (size_t)(end - bytes) + 4;
            return read_head(peer, bytes, used) ? used : 0;
        }
    }
    for (size_t used = 0; used < size && peer->head_held < HEAD_MAX;) {
        peer->head[peer->head_held++] = bytes[used++];
        if (peer->head_held >= 4 && memcmp(peer->head + peer->head_held - 4, "\r\n\r\n", 4) == 0) {
            return read_head(peer, peer->head, peer->head_held) ? used : 0;
        }
        if (used == size) {
            return used;
        }
    }
    mock.stats.refused++;
    close_peer(peer);
    return 0;
}

static size_t take_body(struct peer *peer, const char *bytes, size_t size)
{
    size_t take = peer->body_left < size ? (size_t)peer->body_left : size;
    size_t room = WINDOW - peer->first_held;
    size_t first = take < room ? take : room;
    memcpy(peer->first + peer->first_held, bytes, first);
    peer->first_held += first;

    size_t fresh = take < WINDOW ? take : WINDOW;
    size_t old = peer->last_held < WINDOW - fresh ? peer->last_held : WINDOW - fresh;
    memmove(peer->last, peer->last + peer->last_held - old, old);
    memcpy(peer->last + old, bytes + take - fresh, fresh);
    peer->last_held = old + fresh;

    peer->body_left -= take;
    return take;
}

/* False: the connection is gone. */
static bool take_bytes(struct peer *peer, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t used = 0;
        switch (peer->state) {
        case PEER_HEAD:
            used = take_head(peer, bytes, size);
            if (used == 0) {
                return false;
            }
            break;
        case PEER_BODY:
            used = take_body(peer, bytes, size);
            break;
        case PEER_STREAM: /* a second request inside the first: no gateway may pipeline here */
            mock.stats.refused++;
            close_peer(peer);
            return false;
        }
        bytes += used;
        size -= used;
        if (peer->state == PEER_BODY && peer->body_left == 0 && !answer(peer)) {
            return false;
        }
    }
    return true;
}

static void on_readable(struct peer *peer)
{
    for (;;) {
        if (peer->state == PEER_STREAM) {
            peer->input_waits = true;
            return;
        }
        ssize_t got = recv(fd_of(peer), mock.scratch, SCRATCH, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            close_peer(peer);
            return;
        }
        mock.stats.bytes_in += (uint64_t)got;
        if (!take_bytes(peer, mock.scratch, (size_t)got)) {
            return;
        }
        if ((size_t)got < SCRATCH) {
            return; /* drained: edge-triggered epoll tells of what comes later */
        }
    }
}

static void on_writable(struct peer *peer)
{
    if (peer->out_size == 0) {
        return;
    }
    if (send_bytes(peer, peer->out, peer->out_size) && peer->out_size == 0 &&
        peer->state == PEER_HEAD && peer->close_after) {
        close_peer(peer);
    }
}

static void on_peer(struct peer *peer, uint32_t happened)
{
    if (!peer->used) {
        return; /* closed earlier in this batch */
    }
    bool gone = (happened & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
    if (gone && (peer->state == PEER_STREAM || (happened & EPOLLIN) == 0)) {
        close_peer(peer);
        return;
    }
    if (happened & EPOLLOUT) {
        on_writable(peer);
    }
    if (peer->used && (happened & EPOLLIN)) {
        on_readable(peer);
    }
    if (peer->used && gone) {
        close_peer(peer);
    }
}

static void on_accept(void)
{
    for (;;) {
        int fd = accept4(mock.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if ((size_t)fd >= mock.peers_max) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct peer *peer = &mock.peers[fd];
        peer->used = true;
        peer->link = NULL;
        peer->out_size = 0;
        next_request(peer);
        mock.stats.accepted++;
        mock.stats.connections++;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.fd = fd};
        if (epoll_ctl(mock.epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            close_peer(peer);
        }
    }
}

/* ---- start ---------------------------------------------------------------------------------- */

static unsigned listen_on(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1;
    mock.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (mock.listener < 0) {
        die("socket");
    }
    setsockopt(mock.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(mock.listener, (struct sockaddr *)&address, size) != 0) {
        die("bind");
    }
    if (listen(mock.listener, 4096) != 0) {
        die("listen");
    }
    getsockname(mock.listener, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

static void set_up(unsigned port)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    mock.peers_max = files.rlim_cur < 65536 ? (size_t)files.rlim_cur : 65536;
    mock.peers = calloc(mock.peers_max, sizeof *mock.peers);
    if (mock.peers == NULL) {
        die("memory");
    }
    mock.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (mock.epoll < 0) {
        die("epoll_create1");
    }
    if (!fl_mock_texts_make(&mock.texts)) {
        die("texts");
    }
    mock.now_ms = now_ns() / 1000000u;
    port = listen_on(port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = mock.listener};
    if (epoll_ctl(mock.epoll, EPOLL_CTL_ADD, mock.listener, &event) != 0) {
        die("epoll_ctl");
    }
    printf("{\"port\":%u}\n", port);
    (void)fflush(stdout);
}

static void serve(uint64_t until_ns)
{
    struct epoll_event happened[BATCH];
    while (now_ns() < until_ns) {
        int wait_ms = mock.stats.streams_active > 0 ? 1 : 1000;
        int n = epoll_wait(mock.epoll, happened, BATCH, wait_ms);
        for (int i = 0; i < n; i++) {
            if (happened[i].data.fd == mock.listener) {
                on_accept();
            } else {
                on_peer(&mock.peers[happened[i].data.fd], happened[i].events);
            }
        }
        run_wheel();
    }
}

int main(int argc, char **argv)
{
    unsigned port = 0;
    uint64_t limit_s = LIMIT_S_DEFAULT;
    mock.events = 50;
    mock.interval_ms = 20;
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned long value = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0) {
            port = (unsigned)value;
        } else if (strcmp(argv[i], "--limit-s") == 0) {
            limit_s = value;
        } else if (strcmp(argv[i], "--events") == 0) {
            mock.events = (uint32_t)value;
        } else if (strcmp(argv[i], "--interval-ms") == 0) {
            mock.interval_ms = (uint32_t)value;
        } else {
            argc = 0;
        }
    }
    if (argc % 2 == 0 || port > 65535) {
        (void)fputs("usage: bench_mock [--port N] [--events N] [--interval-ms N] [--limit-s N]\n",
                    stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    set_up(port);
    serve(now_ns() + limit_s * 1000000000u);
    free(mock.peers);
    return 0;
}

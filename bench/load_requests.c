/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests with JSON answers. Closed loop: each connection asks again as soon as it was answered.
 * Open loop: requests are due at fixed times whatever the answers do, on any idle connection; a
 * latency counts from the time the request was due, so that a stall is not hidden by the requests
 * that it kept from being sent.
 *
 *   WARM -> (held or by count: PAUSE until all are idle, and held: until a line) -> MEASURE -> END
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { ERRORS_MAX = 1000, BACKLOG_MAX = 1 << 16, OPEN_CONNECTIONS_MAX = 512 };

enum phase { WARM, PAUSE, MEASURE, END };

struct run {
    const struct fl_load_options *options;
    struct fl_load_net net;
    struct fl_load_conn *conns;
    unsigned conn_count;
    enum phase phase;
    uint64_t start_ns, window_ns, end_ns, limit_ns;
    uint64_t cpu_ns; /* at the window's start, then the window's */
    unsigned quota;  /* closed loop by count: requests not yet begun */
    unsigned busy;

    uint32_t idle[FL_LOAD_CONNECTIONS_MAX]; /* open loop: a stack, so that few connections work */
    unsigned idle_count;
    uint64_t backlog[BACKLOG_MAX]; /* open loop: due, and no connection free */
    unsigned backlog_head, backlog_count;
    uint64_t due_count;

    uint64_t requests, errors, reopened, dropped;
    char first_error[160];
    struct fl_bench_hist latency;
};

/* The mock's completion ends with this; a reply without it was not relayed whole. */
static const char MARK[] = "\"system_fingerprint\":\"fp_bench\"}";

static void on_body(void *user, const char *bytes, size_t size)
{
    struct fl_load_conn *conn = user;
    size_t length = sizeof MARK - 1;
    /* The mark in one piece is the rule; an answer in pieces is judged by its last bytes. */
    conn->marked = size >= length ? memcmp(bytes + size - length, MARK, length) == 0
                                  : size > 0 && bytes[size - 1] == '}';
}

static void note_error(struct run *run, const char *what, int status)
{
    if (run->errors++ == 0) {
        (void)snprintf(run->first_error, sizeof run->first_error, "%s (status %d)", what, status);
    }
}

static bool may_begin(const struct run *run)
{
    switch (run->phase) {
    case WARM:
        return true;
    case PAUSE:
    case END:
        return false;
    case MEASURE:
        return run->options->requests == 0 || run->quota > 0;
    }
    return false;
}

static void begin(struct run *run, uint32_t index, uint64_t begun_ns)
{
    struct fl_load_conn *conn = &run->conns[index];
    if (conn->state == FL_LOAD_CLOSED && !fl_load_conn_open(&run->net, conn, index)) {
        note_error(run, "connect failed", 0);
        return;
    }
    if (run->phase == MEASURE && run->options->requests > 0) {
        run->quota--;
    }
    run->busy++;
    fl_load_conn_send(&run->net, conn, begun_ns);
}

static void record(struct run *run, const struct fl_load_conn *conn, enum fl_load_news news)
{
    uint64_t now = fl_load_now_ns();
    if (news != FL_LOAD_REPLY) {
        note_error(run, "connection lost or reply broken", conn->reply.status);
    } else if (conn->reply.status != 200 || !conn->marked) {
        note_error(run, "not the expected answer", conn->reply.status);
    } else if (run->phase == MEASURE &&
               (run->options->rate == 0 || conn->begun_ns >= run->window_ns)) {
        run->requests++;
        fl_bench_hist_add(&run->latency, now - conn->begun_ns);
    }
}

static void set_free(struct run *run, uint32_t index)
{
    if (run->options->rate == 0) {
        if (may_begin(run)) {
            begin(run, index, fl_load_now_ns());
        }
    } else if (run->backlog_count > 0) {
        uint64_t due_ns = run->backlog[run->backlog_head++ % BACKLOG_MAX];
        run->backlog_count--;
        begin(run, index, due_ns);
    } else {
        run->idle[run->idle_count++] = index;
    }
}

static void on_event(struct run *run, uint32_t index, uint32_t happened)
{
    struct fl_load_conn *conn = &run->conns[index];
    enum fl_load_news news = fl_load_conn_on_ready(&run->net, conn, happened, conn);
    if (news == FL_LOAD_MORE) {
        return;
    }
    if (news == FL_LOAD_STALE) {
        run->reopened++; /* begin() opens it again when it is wanted */
        return;
    }
    run->busy--;
    record(run, conn, news);
    set_free(run, index);
}

/* Open loop: begins what is due. Returns when the next one is. */
static uint64_t begin_due(struct run *run)
{
    const uint64_t rate = run->options->rate;
    for (;;) {
        uint64_t due_ns = run->start_ns + run->due_count * 1000000000u / rate;
        if (due_ns > fl_load_now_ns() || run->phase == END) {
            return due_ns;
        }
        run->due_count++;
        if (run->idle_count > 0) {
            begin(run, run->idle[--run->idle_count], due_ns);
        } else if (run->conn_count < OPEN_CONNECTIONS_MAX) {
            begin(run, run->conn_count++, due_ns);
        } else if (run->backlog_count < BACKLOG_MAX) {
            run->backlog[(run->backlog_head + run->backlog_count++) % BACKLOG_MAX] = due_ns;
        } else {
            run->dropped++;
        }
    }
}

static void start_window(struct run *run)
{
    run->phase = MEASURE;
    run->window_ns = fl_load_now_ns();
    run->end_ns = run->window_ns + (uint64_t)run->options->measure_ms * 1000000u;
    run->quota = run->options->requests;
    run->cpu_ns = fl_load_cpu_ns(run->options);
}

static void start_from_idle(struct run *run)
{
    if (run->options->hold) {
        printf("{\"mark\":\"ready\"}\n");
        (void)fflush(stdout);
        fl_load_await_line(run->limit_ns);
    }
    start_window(run);
    for (uint32_t i = 0; i < run->conn_count && may_begin(run); i++) {
        begin(run, i, fl_load_now_ns());
    }
}

static void step_phase(struct run *run, uint64_t now)
{
    uint64_t warm_end = run->start_ns + (uint64_t)run->options->warm_ms * 1000000u;
    if (run->phase == WARM && now >= warm_end) {
        if (run->options->hold || run->options->requests > 0) {
            run->phase = PAUSE;
        } else {
            start_window(run);
        }
    }
    if (run->phase == PAUSE && run->busy == 0) {
        start_from_idle(run);
    }
    bool done = run->options->requests > 0 ? run->busy == 0 : now >= run->end_ns;
    if ((run->phase == MEASURE && done) || now >= run->limit_ns || run->errors > ERRORS_MAX) {
        bool measured = run->phase == MEASURE;
        run->end_ns = fl_load_now_ns();
        run->window_ns = measured ? run->window_ns : run->end_ns;
        run->cpu_ns = measured ? fl_load_cpu_ns(run->options) - run->cpu_ns : 0;
        run->phase = END;
    }
}

static void loop(struct run *run)
{
    struct epoll_event happened[FL_LOAD_BATCH];
    while (run->phase != END) {
        uint64_t now = fl_load_now_ns();
        step_phase(run, now);
        uint64_t wake_ns = now + 20000000u;
        if (run->options->rate > 0) {
            uint64_t due_ns = begin_due(run);
            wake_ns = due_ns < wake_ns ? due_ns : wake_ns;
        }
        if (run->phase == END) {
            break;
        }
        int n = fl_load_wait(&run->net, happened, FL_LOAD_BATCH, wake_ns);
        for (int i = 0; i < n; i++) {
            on_event(run, happened[i].data.u32, happened[i].events);
        }
    }
}

static void print_result(const struct run *run, bool timed_out)
{
    const struct fl_bench_hist *h = &run->latency;
    printf("{\"result\":\"requests\",\"requests\":%ju,\"errors\":%ju,\"dropped\":%ju,"
           "\"reopened\":%ju,\"connections\":%u,\"timed_out\":%s,\"seconds\":%.6f,\"cpu_ns\":%ju,"
           "\"p50_ns\":%ju,\"p90_ns\":%ju,\"p99_ns\":%ju,\"p999_ns\":%ju,\"max_ns\":%ju,"
           "\"first_error\":\"%s\"}\n",
           (uintmax_t)run->requests, (uintmax_t)run->errors, (uintmax_t)run->dropped,
           (uintmax_t)run->reopened, run->conn_count, timed_out ? "true" : "false",
           (double)(run->end_ns - run->window_ns) / 1e9, (uintmax_t)run->cpu_ns,
           (uintmax_t)fl_bench_hist_at(h, 0.5), (uintmax_t)fl_bench_hist_at(h, 0.9),
           (uintmax_t)fl_bench_hist_at(h, 0.99), (uintmax_t)fl_bench_hist_at(h, 0.999),
           (uintmax_t)h->max, run->first_error);
    (void)fflush(stdout);
}

static void start(struct run *run)
{
    run->start_ns = fl_load_now_ns();
    run->limit_ns = run->start_ns + (uint64_t)run->options->limit_s * 1000000000u;
    if (run->options->rate > 0) {
        return;
    }
    run->conn_count = run->options->connections;
    for (uint32_t i = 0; i < run->conn_count; i++) {
        begin(run, i, fl_load_now_ns());
    }
}

static int drive(const struct fl_load_options *options)
{
    int status = 1;
    struct run *run = calloc(1, sizeof *run);
    unsigned room =
        options->connections > OPEN_CONNECTIONS_MAX ? options->connections : OPEN_CONNECTIONS_MAX;
    if (run == NULL) {
        return 1;
    }
    run->options = options;
    run->conns = calloc(room, sizeof *run->conns);
    if (run->conns == NULL || !fl_load_net_init(&run->net, options, false, on_body)) {
        goto out;
    }
    start(run);
    loop(run);
    bool timed_out = run->end_ns >= run->limit_ns;
    print_result(run, timed_out);
    if (options->hold) {
        fl_load_await_line(run->limit_ns);
    }
    status = run->errors == 0 && run->dropped == 0 && !timed_out ? 0 : 3;
    for (unsigned i = 0; i < run->conn_count; i++) {
        fl_load_conn_close(&run->conns[i]);
        fl_bench_reply_finish(&run->conns[i].reply);
    }
    fl_load_net_finish(&run->net);
out:
    free(run->conns);
    free(run);
    return status;
}

int fl_load_closed(const struct fl_load_options *options)
{
    return drive(options);
}

int fl_load_open(const struct fl_load_options *options)
{
    return drive(options);
}

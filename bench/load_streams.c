/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: every connection asks for one and reads it event by event. A stream is whole when all
 * its content events came, in order and once, then the finish reason, then [DONE], and the framing
 * ended where it should.
 *
 *   RAMP     connections are opened, at most `ramp` of them awaiting their first event
 *   STEADY   all have their first event: the measured window, up to the first stream's end
 *   TAIL     the streams end, each on its own time
 *
 * Held, a connection whose stream ended begins another; when all have come to their second stream
 * and to their third, the driver is told ("round 2", "round 3"), and its line closes all
 * connections at once.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, STDIN_INDEX = FL_LOAD_CONNECTIONS_MAX };

enum { ROUNDS_MAX = 3 };

enum phase { RAMP, STEADY, TAIL, END };

struct stream {
    struct fl_load_conn conn; /* first: the body callback gets the connection */
    struct run *run;
    uint32_t next_event;
    uint32_t streams; /* begun on this connection */
    unsigned rounds;  /* streams that had their first event */
    bool finished, done, broken;
    size_t held; /* bytes of a line that came in pieces */
    char line[LINE_MAX_BYTES];
};

struct run {
    const struct fl_load_options *options;
    struct fl_load_net net;
    struct stream *streams;
    enum phase phase;
    uint32_t opened;
    uint32_t
        reached[ROUNDS_MAX + 1]; /* connections that had the first event of their n-th stream */
    unsigned round;              /* the highest that all have reached */
    uint32_t ended_first;        /* connections whose first stream ended, whole or not */
    uint64_t limit_ns, begun_ns;
    uint64_t window_ns, window_end_ns, window_cpu_ns, window_events;
    uint64_t cpu_start_ns, cpu_total_ns;
    uint64_t vanish_ns, vanished_ns; /* before the first close, after the last */
    uint64_t events, whole, whole_first, broken;
    char first_error[160];
    struct fl_bench_hist ttft, way;
};

static void note_broken(struct run *run, const struct stream *stream, const char *what)
{
    if (run->broken++ == 0) {
        (void)snprintf(run->first_error, sizeof run->first_error, "%s (status %d, event %u of %u)",
                       what, stream->conn.reply.status, stream->next_event, run->options->events);
    }
}

/* ---- reading events ------------------------------------------------------------------------- */

static uint64_t digits(const char *at, const char *end)
{
    uint64_t value = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
    }
    return value;
}

static void on_content(struct stream *stream, const char *at, const char *end)
{
    struct run *run = stream->run;
    uint64_t now = fl_load_now_ns();
    if (digits(at, end) != stream->next_event || stream->finished || end - at < 28) {
        stream->broken = true;
    }
    stream->next_event++;
    run->events++;
    if (run->phase == STEADY) {
        uint64_t sent_ns = digits(at + 8, end);
        run->window_events++;
        fl_bench_hist_add(&run->way, now > sent_ns ? now - sent_ns : 0);
    }
    if (stream->next_event == 1) {
        fl_bench_hist_add(&run->ttft, now - stream->conn.begun_ns);
        if (stream->rounds < ROUNDS_MAX) {
            run->reached[++stream->rounds]++;
        }
    }
}

static void on_line(struct stream *stream, const char *line, size_t size)
{
    static const char CONTENT[] = "\"content\":\"e", FINISH[] = "\"finish_reason\":\"stop\"";
    if (size < 6 || memcmp(line, "data: ", 6) != 0) {
        return; /* a blank line, a comment or another field */
    }
    const char *end = line + size;
    if (stream->done) {
        stream->broken = true;
    }
    const char *at = memmem(line, size, CONTENT, sizeof CONTENT - 1);
    if (at != NULL) {
        on_content(stream, at + sizeof CONTENT - 1, end);
    } else if (size >= 12 && memcmp(line, "data: [DONE]", 12) == 0) {
        stream->done = true;
    } else if (memmem(line, size, FINISH, sizeof FINISH - 1) != NULL) {
        stream->finished = true;
    }
}

static void on_body(void *user, const char *bytes, size_t size)
{
    struct stream *stream = user;
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t take = newline != NULL ? (size_t)(newline - bytes) : size;
        if (newline != NULL && stream->held == 0) {
            on_line(stream, bytes, take);
        } else if (stream->held + take > LINE_MAX_BYTES) {
            stream->broken = true;
            stream->held = 0;
        } else {
            memcpy(stream->line + stream->held, bytes, take);
            stream->held += take;
            if (newline != NULL) {
                on_line(stream, stream->line, stream->held);
                stream->held = 0;
            }
        }
        take += newline != NULL;
        bytes += take;
        size -= take;
    }
}

/* ---- the run -------------------------------------------------------------------------------- */

static void begin(struct run *run, uint32_t index)
{
    struct stream *stream = &run->streams[index];
    stream->next_event = 0;
    stream->finished = stream->done = stream->broken = false;
    stream->held = 0;
    stream->streams++;
    if (stream->conn.state == FL_LOAD_CLOSED &&
        !fl_load_conn_open(&run->net, &stream->conn, index)) {
        note_broken(run, stream, "connect failed");
        return;
    }
    fl_load_conn_send(&run->net, &stream->conn, fl_load_now_ns());
}

static void end_window(struct run *run)
{
    if (run->phase != STEADY) {
        return;
    }
    run->phase = TAIL;
    run->window_end_ns = fl_load_now_ns();
    run->window_cpu_ns = fl_load_cpu_ns(run->options) - run->window_cpu_ns;
}

static void on_stream_end(struct run *run, uint32_t index, enum fl_load_news news)
{
    struct stream *stream = &run->streams[index];
    end_window(run);
    bool whole = news == FL_LOAD_REPLY && stream->conn.reply.status == 200 && !stream->broken &&
                 stream->finished && stream->done && stream->next_event == run->options->events;
    if (whole) {
        run->whole++;
    } else {
        note_broken(run, stream, news == FL_LOAD_REPLY ? "not whole" : "cut or bad framing");
    }
    if (stream->streams == 1) {
        run->ended_first++;
        run->whole_first += whole;
    }
    /* A target that breaks everything must not be asked for ever. */
    if (run->options->hold && run->broken <= run->options->connections) {
        begin(run, index);
    }
}

static void on_event(struct run *run, uint32_t index, uint32_t happened)
{
    struct stream *stream = &run->streams[index];
    enum fl_load_news news = fl_load_conn_on_ready(&run->net, &stream->conn, happened, stream);
    if (news == FL_LOAD_REPLY || news == FL_LOAD_FAILED) {
        on_stream_end(run, index, news);
    }
}

static void print_mark(const struct run *run)
{
    printf("{\"mark\":\"round %u\",\"seconds\":%.3f}\n", run->round,
           (double)(fl_load_now_ns() - run->begun_ns) / 1e9);
    (void)fflush(stdout);
}

static void open_more(struct run *run)
{
    while (run->opened < run->options->connections &&
           run->opened < run->reached[1] + run->ended_first + run->options->ramp) {
        begin(run, run->opened++);
    }
}

static void step_phase(struct run *run)
{
    const struct fl_load_options *options = run->options;
    if (run->phase == RAMP) {
        open_more(run);
    }
    while (run->round < ROUNDS_MAX && run->reached[run->round + 1] == options->connections) {
        if (++run->round == 1 && run->phase == RAMP) {
            run->phase = STEADY;
            run->window_ns = fl_load_now_ns();
            run->window_cpu_ns = fl_load_cpu_ns(options);
        }
        print_mark(run);
    }
    if (!options->hold && run->ended_first == options->connections) {
        run->phase = END;
    }
    if (fl_load_now_ns() >= run->limit_ns || run->broken > options->connections) {
        run->phase = END;
    }
}

static void loop(struct run *run)
{
    struct epoll_event happened[FL_LOAD_BATCH];
    if (run->options->hold) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = STDIN_INDEX};
        if (epoll_ctl(run->net.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) {
            run->limit_ns = 0; /* stdin must be a pipe: without it nothing would end the run */
        }
    }
    for (;;) {
        step_phase(run);
        if (run->phase == END) {
            return;
        }
        int n = fl_load_wait(&run->net, happened, FL_LOAD_BATCH, fl_load_now_ns() + 20000000u);
        for (int i = 0; i < n; i++) {
            if (happened[i].data.u32 == STDIN_INDEX) {
                run->phase = END;
                return;
            }
            on_event(run, happened[i].data.u32, happened[i].events);
        }
    }
}

static void close_all(struct run *run)
{
    run->cpu_total_ns = fl_load_cpu_ns(run->options) - run->cpu_start_ns;
    run->vanish_ns = fl_load_now_ns();
    for (uint32_t i = 0; i < run->opened; i++) {
        fl_load_conn_close(&run->streams[i].conn);
    }
    run->vanished_ns = fl_load_now_ns();
}

static void print_result(const struct run *run, bool timed_out)
{
    printf(
        "{\"result\":\"streams\",\"connections\":%u,\"started\":%u,\"whole_first\":%ju,"
        "\"whole\":%ju,\"broken\":%ju,\"timed_out\":%s,\"events\":%ju,\"cpu_ns\":%ju,"
        "\"window_events\":%ju,\"window_seconds\":%.6f,\"window_cpu_ns\":%ju,"
        "\"ttft_p50_ns\":%ju,\"ttft_p99_ns\":%ju,\"way_p50_ns\":%ju,\"way_p99_ns\":%ju,"
        "\"vanish_ns\":%ju,\"vanished_ns\":%ju,\"first_error\":\"%s\"}\n",
        run->options->connections, run->reached[1], (uintmax_t)run->whole_first,
        (uintmax_t)run->whole, (uintmax_t)run->broken, timed_out ? "true" : "false",
        (uintmax_t)run->events, (uintmax_t)run->cpu_total_ns, (uintmax_t)run->window_events,
        (double)(run->window_end_ns - run->window_ns) / 1e9, (uintmax_t)run->window_cpu_ns,
        (uintmax_t)fl_bench_hist_at(&run->ttft, 0.5), (uintmax_t)fl_bench_hist_at(&run->ttft, 0.99),
        (uintmax_t)fl_bench_hist_at(&run->way, 0.5), (uintmax_t)fl_bench_hist_at(&run->way, 0.99),
        (uintmax_t)run->vanish_ns, (uintmax_t)run->vanished_ns, run->first_error);
    (void)fflush(stdout);
}

static bool prepare(struct run *run, const struct fl_load_options *options)
{
    run->options = options;
    run->begun_ns = fl_load_now_ns();
    run->limit_ns = run->begun_ns + (uint64_t)options->limit_s * 1000000000u;
    run->cpu_start_ns = fl_load_cpu_ns(options);
    run->streams = calloc(options->connections, sizeof *run->streams);
    if (run->streams == NULL) {
        return false;
    }
    for (unsigned i = 0; i < options->connections; i++) {
        run->streams[i].run = run;
    }
    return fl_load_net_init(&run->net, options, true, on_body);
}

int fl_load_streams(const struct fl_load_options *options)
{
    int status = 1;
    struct run *run = calloc(1, sizeof *run);
    if (run != NULL && prepare(run, options)) {
        loop(run);
        end_window(run);
        bool timed_out = fl_load_now_ns() >= run->limit_ns;
        close_all(run);
        print_result(run, timed_out);
        status = run->broken == 0 && !timed_out ? 0 : 3;
        for (uint32_t i = 0; i < run->opened; i++) {
            fl_bench_reply_finish(&run->streams[i].conn.reply);
        }
        fl_load_net_finish(&run->net);
    }
    if (run != NULL) {
        free(run->streams);
    }
    free(run);
    return status;
}

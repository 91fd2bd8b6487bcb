/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load: one thread, one epoll, many client connections over loopback. The modes share this
 * header: the options, a connection that sends the one prepared request and reads replies, CPU
 * clocks of the processes under test, and the lines it exchanges with the driver.
 *
 * Every mode prints JSON lines on stdout, the last of them with "result"; a line on stdin moves a
 * held run on. Nothing runs longer than limit_s.
 */
#ifndef FL_BENCH_LOAD_H
#define FL_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hist.h"
#include "wire.h"

enum { FL_LOAD_PIDS_MAX = 16, FL_LOAD_CONNECTIONS_MAX = 60000, FL_LOAD_BATCH = 256 };

struct fl_load_options {
    unsigned port;
    unsigned connections;
    unsigned body_bytes;
    unsigned requests;   /* closed loop: this many instead of `measure_ms` */
    unsigned rate;       /* open loop: requests a second */
    unsigned warm_ms;    /* before the measured window */
    unsigned measure_ms; /* the measured window */
    unsigned events;     /* streams: content events a whole stream has */
    unsigned ramp;       /* streams: at most this many are waiting for their first event */
    unsigned limit_s;    /* everything ends by then */
    unsigned core;       /* startup, exec: where the child runs; UINT32_MAX = anywhere */
    bool hold;           /* wait for lines on stdin at the mode's marks */
    const char *model;
    const char *path;           /* startup: asked until it answers 200 */
    int pids[FL_LOAD_PIDS_MAX]; /* whose CPU time is measured */
    unsigned pid_count;
    char **command; /* startup, exec */
};

/* ---- time and CPU --------------------------------------------------------------------------- */

uint64_t fl_load_now_ns(void);

/* CPU time used so far by all threads of the processes of options->pids. */
uint64_t fl_load_cpu_ns(const struct fl_load_options *options);

/* Blocks until the driver writes a line (or closes stdin), at most until `until_ns`. */
void fl_load_await_line(uint64_t until_ns);

/* ---- connections ---------------------------------------------------------------------------- */

enum fl_load_conn_state {
    FL_LOAD_CLOSED,
    FL_LOAD_IDLE,    /* connected or connecting; nothing asked */
    FL_LOAD_SENDING, /* the request is partly written */
    FL_LOAD_WAITING, /* the reply is awaited or partly read */
};

struct fl_load_conn {
    int fd;
    enum fl_load_conn_state state;
    size_t sent;
    uint64_t begun_ns; /* when the request was written, or when it should have been */
    bool marked;       /* the mode's own note about the reply being read */
    struct fl_bench_reply reply;
};

/* What a mode sees of one connection that became ready. */
enum fl_load_news {
    FL_LOAD_MORE,   /* nothing complete yet */
    FL_LOAD_REPLY,  /* one reply is complete; the connection is idle, or closed if reply.close */
    FL_LOAD_FAILED, /* closed inside a request, or a broken reply; the connection is closed */
    FL_LOAD_STALE,  /* an idle connection was closed by the server */
};

/* The epoll all connections are in, and the request they send. */
struct fl_load_net {
    int epoll;
    unsigned port;
    struct fl_bench_request request;
    char *scratch; /* one receive buffer for all */
    fl_bench_body_fn *on_body;
};

bool fl_load_net_init(struct fl_load_net *net, const struct fl_load_options *options, bool stream,
                      fl_bench_body_fn *on_body);
void fl_load_net_finish(struct fl_load_net *net);

/* Opens a connection, non-blocking; `index` comes back in the epoll event's data.u32. */
bool fl_load_conn_open(struct fl_load_net *net, struct fl_load_conn *conn, uint32_t index);
void fl_load_conn_close(struct fl_load_conn *conn);

/* Begins the request; what the socket does not take goes out in fl_load_conn_on_ready. */
void fl_load_conn_send(struct fl_load_net *net, struct fl_load_conn *conn, uint64_t begun_ns);

/* Handles an epoll event. Body bytes go to net->on_body with `user`. */
enum fl_load_news fl_load_conn_on_ready(struct fl_load_net *net, struct fl_load_conn *conn,
                                        uint32_t happened, void *user);

/* epoll_wait with a deadline in nanoseconds of fl_load_now_ns(). */
struct epoll_event;
int fl_load_wait(struct fl_load_net *net, struct epoll_event *happened, int max,
                 uint64_t deadline_ns);

/* ---- the modes: exit status of the program -------------------------------------------------- */

int fl_load_closed(const struct fl_load_options *options);
int fl_load_open(const struct fl_load_options *options);
int fl_load_streams(const struct fl_load_options *options);
int fl_load_startup(const struct fl_load_options *options);
int fl_load_exec(const struct fl_load_options *options);

#endif

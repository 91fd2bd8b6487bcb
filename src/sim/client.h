/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted HTTP/1.1 client over an fl_sys, for tests: it sends any bytes, whole, in pieces or
 * slowly, goes away when told to, reads as slowly as told to, and records what came back, when, and
 * how it ended. It reads strictly: an answer that is not HTTP, or bytes nobody asked for, are
 * recorded as such. One connection, any number of requests, one after another or pipelined.
 */
#ifndef FL_SIM_CLIENT_H
#define FL_SIM_CLIENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/sys.h"

struct fl_simclient_options {
    struct fl_slice host;
    uint16_t port;
    size_t piece_bytes;      /* most a write; 0: all at once */
    uint64_t piece_gap_ns;   /* between writes */
    uint64_t abort_sent;     /* goes away after so many bytes sent; FL_NEVER: does not */
    uint64_t abort_received; /* ... received (raw) */
    uint64_t abort_ns;       /* ... this long after its creation */
    enum fl_close abort_how;
    bool finish;       /* FIN behind the last byte given so far (then nothing more may be sent) */
    size_t read_bytes; /* pauses after each so many bytes; 0: never */
    uint64_t read_gap_ns; /* for so long */
    uint64_t keep_bytes;  /* of each body; what comes beyond is checked and counted only */
};
/* To *host*, nothing special. */
struct fl_simclient_options fl_simclient_options(const char *host, uint16_t port);

struct fl_simevent {
    uint64_t at_ns;
    size_t offset, len; /* of its data in the answer's body; len 0: a comment */
};

struct fl_simanswer {
    int status;
    unsigned interim; /* 1xx before it */
    bool keep_alive;
    bool complete;   /* whole, as its framing says */
    enum fl_err err; /* why it is not: FL_ERR_CLOSED, FL_ERR_RESET, FL_ERR_H1_*; FL_OK while it may
                        become so */
    uint64_t asked_ns; /* the request was given to the client */
    uint64_t head_ns;  /* the head was there */
    uint64_t first_ns; /* first byte of the body */
    uint64_t end_ns;
    struct fl_buf head;         /* as it came */
    struct fl_buf body;         /* decoded, as much as is kept */
    uint64_t body_bytes;        /* of all of it */
    struct fl_simevent *events; /* of a text/event-stream */
    unsigned event_count;
    bool done_marker; /* the last event is [DONE] */
};

struct fl_simclient;

/* Dials. */
struct fl_simclient *fl_simclient_create(struct fl_sys *sys,
                                         const struct fl_simclient_options *options);
/* Closes its connection if that is still open. NULL is fine. */
void fl_simclient_destroy(struct fl_simclient *c);
/* Sends bytes that make up so many requests (0: part of one). *heads*: they are HEAD requests. */
void fl_simclient_send(struct fl_simclient *c, struct fl_slice bytes, unsigned requests,
                       bool heads);
/* A whole request with a JSON body ("": none). *headers*: more header lines, each with CRLF, or "".
 */
void fl_simclient_request(struct fl_simclient *c, const char *method, const char *path,
                          const char *headers, struct fl_slice body);
/* POST /v1/chat/completions with one user message. */
void fl_simclient_chat(struct fl_simclient *c, const char *model, const char *prompt, bool stream);
/* Goes away now. */
void fl_simclient_abort(struct fl_simclient *c, enum fl_close how);

unsigned fl_simclient_answers(const struct fl_simclient *c); /* asked for, or begun unasked */
const struct fl_simanswer *fl_simclient_answer(const struct fl_simclient *c, unsigned index);
/* Every answer asked for is complete or has failed. */
bool fl_simclient_settled(const struct fl_simclient *c);
/* The same for fl_world_run_until(). */
bool fl_simclient_until(void *client);
/* What opened() and ended() said; false: not yet (then *ret_err is untouched). */
bool fl_simclient_opened(const struct fl_simclient *c, enum fl_err *ret_err);
bool fl_simclient_ended(const struct fl_simclient *c, enum fl_err *ret_err);
bool fl_simclient_aborted(const struct fl_simclient *c);
/* Bytes that came when no answer was due. */
uint64_t fl_simclient_surplus(const struct fl_simclient *c);
uint64_t fl_simclient_received(const struct fl_simclient *c);
uint64_t fl_simclient_sent(const struct fl_simclient *c);

/* Value of the first header with this name; empty when absent. */
struct fl_slice fl_simanswer_header(const struct fl_simanswer *a, const char *name);
/* The generated text: of a chat or completion answer, whole or streamed. */
void fl_simanswer_text(const struct fl_simanswer *a, struct fl_buf *b);

#endif

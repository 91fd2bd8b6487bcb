/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of HTTP/1.1 for the load generator: one request, built once and sent by every
 * connection, and an incremental reader of replies. It trusts its peer to be a well-meaning server
 * under test: what it does not understand is a broken reply, never repaired.
 */
#ifndef FL_BENCH_WIRE_H
#define FL_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole chat request, head and body, heap-owned. */
struct fl_bench_request {
    char *bytes;
    size_t size;
};

struct fl_bench_request_spec {
    unsigned port;
    const char *model;
    size_t body_bytes; /* size of the JSON body; the message is padded to reach it exactly */
    bool stream;
};

/* Returns false when memory is short or body_bytes is too small to hold the JSON around the text.
 */
bool fl_bench_request_build(struct fl_bench_request *ret_request,
                            const struct fl_bench_request_spec *spec);
void fl_bench_request_finish(struct fl_bench_request *request);

enum fl_bench_reply_state {
    FL_REPLY_HEAD,
    FL_REPLY_LENGTH,     /* body of known length */
    FL_REPLY_UNTIL_EOF,  /* body that ends with the connection */
    FL_REPLY_CHUNK_SIZE, /* first digit seen or expected */
    FL_REPLY_CHUNK_EXT,  /* skipping to the end of the size line */
    FL_REPLY_CHUNK_DATA,
    FL_REPLY_CHUNK_END, /* the CRLF behind a chunk's data */
    FL_REPLY_TRAILER,
    FL_REPLY_DONE,
    FL_REPLY_BROKEN,
};

enum { FL_REPLY_HEAD_MAX = 8192 };

struct fl_bench_reply {
    enum fl_bench_reply_state state;
    int status;
    bool close;      /* the server will close the connection after this reply */
    bool line_empty; /* in the trailer: nothing on this line yet */
    uint64_t left;   /* bytes of the body or of the chunk still to come */
    size_t held;     /* bytes of an incomplete head in `head` */
    char *head;      /* FL_REPLY_HEAD_MAX bytes, allocated when a head arrives in pieces */
};

/* Called with each piece of the body, without chunk framing. */
typedef void fl_bench_body_fn(void *user, const char *bytes, size_t size);

/* Ready for the next reply on the same connection; keeps `head`. */
void fl_bench_reply_reset(struct fl_bench_reply *reply);
void fl_bench_reply_finish(struct fl_bench_reply *reply);

/* Feeds bytes as received; stops at the end of the reply. Returns how many were used: fewer than
 * `size` only when the state became DONE or BROKEN. */
size_t fl_bench_reply_feed(struct fl_bench_reply *reply, const char *bytes, size_t size,
                           fl_bench_body_fn *on_body, void *user);

/* The peer closed: true when the reply is thereby complete. */
bool fl_bench_reply_eof(struct fl_bench_reply *reply);

#endif

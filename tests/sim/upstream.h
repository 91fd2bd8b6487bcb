/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider that says what a test tells it to, byte for byte and when, and notes what it was
 * asked, how much of an answer was taken and when its client left. Requests are read strictly; a
 * malformed one fails the test.
 */
#ifndef FL_TESTS_SIM_UPSTREAM_H
#define FL_TESTS_SIM_UPSTREAM_H

#include "base/buf.h"
#include "base/list.h"
#include "base/sys.h"

/* *bytes*, so many *times* (0 stands for 1), *wait_ns* before each. */
struct upstream_part {
    struct fl_slice bytes;
    uint64_t times;
    uint64_t wait_ns;
};

enum upstream_end {
    UPSTREAM_KEEP, /* the connection stays for the next request */
    UPSTREAM_FIN,  /* FIN behind the last byte */
    UPSTREAM_RESET /* RST once the last byte has left its queue */
};

struct upstream_answer {
    const struct upstream_part *parts;
    unsigned part_count;
    enum upstream_end end;
};

/* All that is pointed to belongs to the test and outlives the upstream's answers. */
struct upstream {
    struct fl_sys *sys;
    struct fl_listener *listener;
    struct fl_list peers;
    const struct upstream_answer *answers; /* see upstream_plan() */
    unsigned answer_count, answer_next;
    struct upstream_part one; /* of upstream_say() */
    struct upstream_answer one_answer;
    unsigned connections, connections_open, requests;
    unsigned said; /* answers given to their last byte */
    unsigned
        cancelled; /* clients that left while they were owed an answer, or in the middle of it */
    uint64_t asked_ns;        /* when the last request was whole */
    uint64_t left_ns;         /* when the last client left */
    uint64_t bytes;           /* handed to streams */
    struct fl_buf head, body; /* of the last request */
    bool keep_body;           /* false: bodies are counted, not kept */
    uint64_t body_bytes;
};

/* Listens at "10.0.1.<index + 1>:80". */
void upstream_open(struct upstream *u, struct fl_sys *sys);
void upstream_close(struct upstream *u);
/* Every request from now on gets these bytes, at once. */
void upstream_say(struct upstream *u, struct fl_slice bytes, enum upstream_end end);
/* The next request gets the first of *answers*, and so on; requests beyond the last one get the
 * last one. */
void upstream_plan(struct upstream *u, const struct upstream_answer *answers, unsigned count);
/* Closes all connections. */
void upstream_hang_up(struct upstream *u, enum fl_close how);

/* --- what answers are made of --- */

/* A chat completion that says *text*, as JSON. */
void put_completion(struct fl_buf *b, const char *text);
enum upstream_framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE };
/* A whole answer, head and body, with that JSON; in two chunks when chunked. */
void put_plain(struct fl_buf *b, enum upstream_framing framing, const char *text);
/* One event with a piece of text, and the event that ends an answer. */
void put_delta(struct fl_buf *b, const char *text);
void put_finish(struct fl_buf *b);
void put_stream_head(struct fl_buf *b, enum upstream_framing framing);
/* One chunk around *bytes*. */
void put_chunk(struct fl_buf *b, struct fl_slice bytes);

#endif

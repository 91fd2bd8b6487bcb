/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of clients that come back for their streams: a provider that says a few words with pauses, and a
 * client's story, which is what it had of a stream over all its connections. Ids that do not follow on one
 * another, or are not of one stream, fail the test.
 */
#ifndef FL_TESTS_SIM_STORY_H
#define FL_TESTS_SIM_STORY_H

#include "sim/rig.h"
#include "sim/upstream.h"

#define MS(n) ((n)*FL_NS_MS)
#define ON    "routing: {replay: on}\nlimits: {upstream_idle: 1s}\n"

enum { words = 6, parts_max = 64 };

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf head, event[words], finish, done, flood;
    struct upstream_part parts[parts_max];
    struct upstream_answer answer;
    struct fl_buf uncut; /* the data of all events, each with an LF */
    uint64_t gap_ns;     /* between the words */
};

struct story {
    struct fl_buf data;       /* as uncut */
    char token[40], last[64]; /* of the last event's id */
    uint64_t next;
    unsigned unnumbered; /* events without an id */
    bool done;           /* its end was heard */
};

/* Two providers, of which the first speaks as say_slowly(s, MS(50)) lets it. *more*: of the configuration. */
void open_scene(struct scene *s, const char *what, const char *more, unsigned workers);
/* Waits until nothing is left, and asserts it. */
void close_scene(struct scene *s);
/* The words with so long a pause before each. */
void say_slowly(struct scene *s, uint64_t gap_ns);
/* So many events of so many bytes, behind the first word. */
void say_flood(struct scene *s, unsigned events, size_t bytes, uint64_t gap_ns);

void story_open(struct story *t);
/* The whole events of an answer. */
void story_goes_on(struct scene *s, struct story *t, const struct fl_simanswer *a);
/* Asserts that it is what the provider said, and frees it. */
void story_is_whole(struct scene *s, struct story *t);

/* A client that goes away when it has received so many bytes; behind the second word. */
struct fl_simclient *leaving(struct scene *s, uint64_t received, enum fl_close how);
struct fl_simclient *leaving_early(struct scene *s, enum fl_close how);
/* One that comes back for what is behind *id*. NULL options: nothing special. */
struct fl_simclient *come_back(struct scene *s, unsigned index, const char *id, bool get,
                               const struct fl_simclient_options *options);
/* Its story until it left, and some time. The client is gone. */
void hear(struct scene *s, struct story *t, struct fl_simclient *c, uint64_t later_ns);
/* The rest of the story, to its proper end. The client is gone. */
void hear_rest(struct scene *s, struct story *t, struct fl_simclient *c);
/* Bytes of an answer that nobody cuts; asserts that it is whole. */
uint64_t whole_bytes(struct scene *s);
/* Asserts that nothing came unasked. */
void leave(struct scene *s, struct fl_simclient *c);
/* A request without a body that gets *status*, and *code* somewhere in the answer. */
void refused(struct scene *s, const char *method, const char *path, const char *headers, int status,
             const char *code);

#endif

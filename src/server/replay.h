/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that their clients may come back for (Last-Event-ID): a store that all workers share. Of each stream
 * it keeps the last events in a ring, under a token that nobody guesses.
 *
 *   writer   the exchange whose stream it is, on its worker; it may be without a client
 *   client   the connection that asked for the stream, as long as it is there
 *   reader   a client that came back, on any worker; the newest one, which takes over from those before it
 *   keep     from the moment that the client is gone, events are overwritten only once they were sent to
 *            whoever reads, and up to half a ring of those is kept too: what was sent last has perhaps not
 *            arrived. With a quarter left for what is on its way already a ring is full, and the writer pauses
 *            its provider
 *
 * The end of a stream stays for a grace period. What the rings of all streams may take together is bounded: when
 * it is used up, finished streams are forgotten, the oldest first; then no further stream is taken, and one that
 * cannot grow pauses, or, if it must, is lost.
 *
 * Threads: a stream's writer and its readers belong to their workers' threads and are told by calls (bell.h);
 * all else stands under locks. Order: the store's, a stream's, a bell's.
 */
#ifndef FL_SERVER_REPLAY_H
#define FL_SERVER_REPLAY_H

#include "base/buf.h"
#include "dialect/dialect.h"
#include "server/bell.h"

struct fl_replays;
struct fl_replay;

enum { FL_REPLAY_TOKEN_BYTES = 16 };

/* Whose stream it is: only the same may read it. */
struct fl_replay_owner {
    enum fl_endpoint endpoint;
    const uint8_t *key_sha256; /* of the client's key; NULL: none is asked for */
};

struct fl_replay_limits {
    size_t bytes;       /* of one stream's ring */
    size_t total_bytes; /* of all rings */
    size_t event_bytes; /* of one event, beside these: what was read must go somewhere */
    uint64_t grace_ns;
};

enum fl_replay_state {
    FL_REPLAY_OPEN,
    FL_REPLAY_WHOLE,  /* it ended as its provider meant it to; err: it told one as its last event */
    FL_REPLAY_BROKEN, /* its last event says what happened */
    FL_REPLAY_GONE    /* cancelled, or lost for want of memory: nothing says so */
};

struct fl_replay_outcome {
    enum fl_replay_state state;
    enum fl_err err;
};

/* NULL without memory. */
struct fl_replays *fl_replays_create(void);
/* All workers are gone. NULL is fine. */
void fl_replays_destroy(struct fl_replays *s);
/* Forgets finished streams whose time is over; when to look again, FL_NEVER when none is left. */
uint64_t fl_replays_sweep(struct fl_replays *s, uint64_t now_ns);
/* Bytes in all rings, and streams that can be found; for tests. */
size_t fl_replays_bytes(const struct fl_replays *s);
unsigned fl_replays_count(struct fl_replays *s);

/* --- the writer --- */

/* A stream with its client. *call* is rung when somebody came back for it, has left, or made room. *request_id*
 * is copied. NULL: no room for it. */
struct fl_replay *fl_replay_open(struct fl_replays *s, const struct fl_replay_owner *owner,
                                 const struct fl_replay_limits *limits,
                                 const uint8_t token[FL_REPLAY_TOKEN_BYTES], struct fl_slice request_id,
                                 struct fl_call *call);
/* Keeps the next event. False: there is no room or no memory for it, and the stream must be lost. */
bool fl_replay_put(struct fl_replay *e, struct fl_slice event);
/* Events are missing: nobody comes back for it any more. */
void fl_replay_lose(struct fl_replay *e);
/* Events were put: whoever waits for them is told. */
void fl_replay_tell(struct fl_replay *e);
/* Is there no room for what comes until somebody reads? Then *call* is rung once there is. */
bool fl_replay_is_full(struct fl_replay *e);
/* The client's connection is gone. */
void fl_replay_client_left(struct fl_replay *e, uint64_t now_ns);

struct fl_replay_view {
    bool read;        /* there is a reader */
    uint64_t left_ns; /* since when nobody reads it, if nobody does */
    unsigned comebacks;
};
struct fl_replay_view fl_replay_look(struct fl_replay *e);
/* It ended (not OPEN). *e* is not the writer's any more. */
void fl_replay_close(struct fl_replay *e, struct fl_replay_outcome outcome, uint64_t now_ns);

/* --- a reader --- */

struct fl_replay_reader {
    struct fl_replay *replay; /* NULL: it does not read */
    struct fl_call *call;     /* rung when it waits and there is something, or it was replaced */
    uint64_t at;              /* the place in the ring that it has read up to */
    bool waits, replaced;
};

enum fl_replay_found {
    FL_REPLAY_FOUND,
    FL_REPLAY_UNKNOWN,     /* or not any more, or somebody else's */
    FL_REPLAY_OVERWRITTEN, /* events that it needs are not kept any more */
    FL_REPLAY_AHEAD        /* there was no such event yet */
};
/* Reads from the event behind number *after* on. FOUND: *r* must leave, and does not move before that. */
enum fl_replay_found fl_replay_attach(struct fl_replays *s, const struct fl_replay_owner *owner,
                                      const uint8_t token[FL_REPLAY_TOKEN_BYTES], uint64_t after,
                                      struct fl_call *call, struct fl_replay_reader *r);
/* Bytes that are well taken at a time: what waits in a connection is lost with it. */
size_t fl_replay_piece_bytes(const struct fl_replay_reader *r);
/* The id of the request that made the stream; lives until *r* leaves. */
struct fl_slice fl_replay_request_id(const struct fl_replay_reader *r);

enum fl_replay_took {
    FL_REPLAY_MORE, /* there are further events */
    FL_REPLAY_WAIT, /* none yet: *call* is rung */
    FL_REPLAY_ENDED,
    FL_REPLAY_REPLACED /* by a newer reader */
};
/* Appends events of about *bytes* to *b*, and says what is behind them. *ret_outcome*: as far as it is known. */
enum fl_replay_took fl_replay_take(struct fl_replay_reader *r, size_t bytes, struct fl_buf *b,
                                   struct fl_replay_outcome *ret_outcome);
bool fl_replay_is_replaced(struct fl_replay_reader *r);
/* It has had every event of a stream that ended well. */
bool fl_replay_has_all(struct fl_replay_reader *r);
void fl_replay_leave(struct fl_replay_reader *r, uint64_t now_ns);

#endif

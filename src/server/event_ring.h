/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last events of a stream, whole and as they were sent, in a ring of bytes. Pure; no locks.
 *
 *   place    bytes (with each event's length before it) since the stream's beginning, so that a place keeps
 *            its meaning when the ring grows or older events are overwritten. first_at <= place <= end_at
 *   number   of an event, from 1. The ring holds first_number up to, not including, next_number
 *
 * Who puts an event in says which events may go for it: those before *keep_at*, the place where an event begins
 * or end_at. It may be before first_at: then none may.
 */
#ifndef FL_SERVER_EVENT_RING_H
#define FL_SERVER_EVENT_RING_H

#include "base/buf.h"
#include "base/err.h"

struct fl_event_ring {
    char *bytes; /* heap; NULL while cap is 0 */
    size_t cap;
    uint64_t first_at, end_at;
    uint64_t first_number, next_number;
};

enum { FL_EVENT_RING_LENGTH = 4 /* bytes that each event takes beside its own */ };

void fl_event_ring_init(struct fl_event_ring *r);
void fl_event_ring_finish(struct fl_event_ring *r);
/* Bytes in use. */
size_t fl_event_ring_used(const struct fl_event_ring *r);
/* Bytes in use behind *place*. */
size_t fl_event_ring_behind(const struct fl_event_ring *r, uint64_t place);
/* Has an event of *bytes* a place when all that may go before *keep_at* goes? */
bool fl_event_ring_fits(const struct fl_event_ring *r, size_t bytes, uint64_t keep_at);
/* To a larger capacity. False without memory: as it was. */
bool fl_event_ring_grow(struct fl_event_ring *r, size_t cap) FL_CHECK_RESULT;
/* Needs fl_event_ring_fits(). Drops no more of the oldest events than it must. */
void fl_event_ring_put(struct fl_event_ring *r, struct fl_slice event, uint64_t keep_at);
/* Where the event behind number *n* begins, which is end_at when that one is still to come. False: it is
 * overwritten, or *n* is of none that came yet. */
bool fl_event_ring_find(const struct fl_event_ring *r, uint64_t n, uint64_t *ret_place);
/* The last beginning of an event at or before *place*, of those that are held from *from* on; the first of
 * these, if none is. *from*: the beginning of an event, or before all. */
uint64_t fl_event_ring_floor(const struct fl_event_ring *r, uint64_t from, uint64_t place);
/* Appends whole events from *io_place* on to *b*, at least one if there is one, then as long as these are at
 * most *bytes*; moves *io_place* behind them. How many. *b* may fail. */
unsigned fl_event_ring_copy(const struct fl_event_ring *r, uint64_t *io_place, size_t bytes,
                            struct fl_buf *b);

#endif

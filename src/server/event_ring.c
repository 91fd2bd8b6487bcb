/* SPDX-License-Identifier: Apache-2.0 */
#include "server/event_ring.h"

#include "base/assert.h"

#include <stdlib.h>

void fl_event_ring_init(struct fl_event_ring *r)
{
    *r = (struct fl_event_ring){.first_number = 1, .next_number = 1};
}

void fl_event_ring_finish(struct fl_event_ring *r)
{
    free(r->bytes);
    fl_event_ring_init(r);
}

/* --- bytes that may go round the end --- */

static void write_at(struct fl_event_ring *r, uint64_t place, const char *from, size_t len)
{
    if (len == 0) {
        return;
    }
    size_t at = (size_t)(place % r->cap), first = r->cap - at < len ? r->cap - at : len;
    memcpy(r->bytes + at, from, first);
    memcpy(r->bytes, from + first, len - first);
}

/* The two parts of what stands there; the second may be empty. */
static void parts_of(const struct fl_event_ring *r, uint64_t place, size_t len, struct fl_slice ret[2])
{
    size_t at = (size_t)(place % r->cap), first = r->cap - at < len ? r->cap - at : len;
    ret[0] = fl_slice(r->bytes + at, first);
    ret[1] = fl_slice(r->bytes, len - first);
}

static size_t length_at(const struct fl_event_ring *r, uint64_t place)
{
    struct fl_slice parts[2];
    uint32_t len;
    char whole[sizeof(len)];
    parts_of(r, place, sizeof(len), parts);
    memcpy(whole, parts[0].ptr, parts[0].len);
    memcpy(whole + parts[0].len, parts[1].ptr, parts[1].len);
    memcpy(&len, whole, sizeof(len));
    return len;
}

static uint64_t behind(const struct fl_event_ring *r, uint64_t place)
{
    return place + FL_EVENT_RING_LENGTH + length_at(r, place);
}

/* --- room --- */

size_t fl_event_ring_used(const struct fl_event_ring *r)
{
    return (size_t)(r->end_at - r->first_at);
}

size_t fl_event_ring_behind(const struct fl_event_ring *r, uint64_t place)
{
    return (size_t)(r->end_at - (place > r->first_at ? place : r->first_at));
}

bool fl_event_ring_fits(const struct fl_event_ring *r, size_t bytes, uint64_t keep_at)
{
    fl_assert(keep_at <= r->end_at);
    size_t kept = fl_event_ring_behind(r, keep_at);
    return bytes <= UINT32_MAX && kept <= r->cap && bytes + FL_EVENT_RING_LENGTH <= r->cap - kept;
}

bool fl_event_ring_grow(struct fl_event_ring *r, size_t cap)
{
    struct fl_slice parts[2] = {FL_EMPTY, FL_EMPTY};
    fl_assert(cap >= r->cap && cap > 0);
    char *bytes = malloc(cap);
    if (!bytes) {
        return false;
    }
    if (r->cap > 0) {
        parts_of(r, r->first_at, fl_event_ring_used(r), parts);
    }
    struct fl_event_ring grown = *r;
    grown.bytes = bytes;
    grown.cap = cap;
    write_at(&grown, r->first_at, parts[0].ptr, parts[0].len);
    write_at(&grown, r->first_at + parts[0].len, parts[1].ptr, parts[1].len);
    free(r->bytes);
    *r = grown;
    return true;
}

void fl_event_ring_put(struct fl_event_ring *r, struct fl_slice event, uint64_t keep_at)
{
    const uint32_t len = (uint32_t)event.len;
    fl_assert(fl_event_ring_fits(r, event.len, keep_at));
    while (fl_event_ring_used(r) + FL_EVENT_RING_LENGTH + event.len > r->cap) {
        uint64_t next = behind(r, r->first_at);
        fl_assert(next <= keep_at);
        r->first_at = next;
        r->first_number++;
    }
    write_at(r, r->end_at, (const char *)&len, sizeof(len));
    write_at(r, r->end_at + FL_EVENT_RING_LENGTH, event.ptr, event.len);
    r->end_at += FL_EVENT_RING_LENGTH + event.len;
    r->next_number++;
}

/* --- reading --- */

bool fl_event_ring_find(const struct fl_event_ring *r, uint64_t n, uint64_t *ret_place)
{
    uint64_t place = r->first_at;
    if (n >= r->next_number || n + 1 < r->first_number) {
        return false;
    }
    for (uint64_t at = r->first_number; at <= n; at++) {
        place = behind(r, place);
    }
    *ret_place = place;
    return true;
}

uint64_t fl_event_ring_floor(const struct fl_event_ring *r, uint64_t from, uint64_t place)
{
    uint64_t at = from > r->first_at ? from : r->first_at;
    while (at < r->end_at && behind(r, at) <= place) {
        at = behind(r, at);
    }
    return at;
}

unsigned fl_event_ring_copy(const struct fl_event_ring *r, uint64_t *io_place, size_t bytes,
                            struct fl_buf *b)
{
    uint64_t place = *io_place;
    size_t copied = 0;
    unsigned count = 0;
    fl_assert(place >= r->first_at && place <= r->end_at);
    while (place < r->end_at) {
        struct fl_slice parts[2];
        size_t len = length_at(r, place);
        if (count > 0 && (copied >= bytes || len > bytes - copied)) {
            break;
        }
        parts_of(r, place + FL_EVENT_RING_LENGTH, len, parts);
        fl_buf_put(b, parts[0]);
        fl_buf_put(b, parts[1]);
        place += FL_EVENT_RING_LENGTH + len;
        copied += len;
        count++;
    }
    *io_place = place;
    return count;
}

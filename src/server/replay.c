/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to a stream: the store's, as long as it can be found; the writer's; its readers'.
 *
 *   open -> WHOLE, BROKEN -> (not read for a grace period) -> forgotten
 *      `-> GONE, lost: forgotten at once
 *
 * The ring is written by the writer only, under the stream's lock, so that the writer may read it without.
 */
#include "server/replay.h"

#include "base/assert.h"
#include "base/clock.h"
#include "server/event_ring.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { buckets = 1024, ring_bytes_min = 4 * 1024, slack_bytes = 64 * 1024, request_id_bytes_max = 128 };
enum { piece_bytes_max = 16 * 1024 };
enum { tries_max = 3 /* a reader may come while room is made, and want more to be kept */ };

struct fl_replays {
    pthread_mutex_t mutex;
    struct fl_list table[buckets];
    struct fl_list finished; /* not read; the first one's time is over first */
    unsigned count;
    atomic_size_t bytes; /* of all rings */
};

struct fl_replay {
    struct fl_replays *store;
    atomic_uint refs;
    /* set once */
    uint8_t token[FL_REPLAY_TOKEN_BYTES];
    uint8_t key_sha256[32];
    bool keyed;
    enum fl_endpoint endpoint;
    struct fl_replay_limits limits;
    char request_id[request_id_bytes_max];
    size_t request_id_len;
    /* under the store's lock */
    struct fl_list link; /* in table; alone: it cannot be found */
    struct fl_list finished;
    uint64_t expires_ns;
    /* under its own */
    pthread_mutex_t mutex;
    struct fl_event_ring ring;
    struct fl_replay_outcome outcome;
    struct fl_call *writer; /* NULL: not open */
    struct fl_replay_reader *reader;
    bool client;
    bool lost;
    bool starved;      /* its ring should grow, and may not */
    bool writer_waits; /* for room */
    uint64_t keep_at;  /* where the first client is gone, or somebody reads */
    uint64_t left_ns;  /* since when nobody reads */
    unsigned comebacks;
};

/* --- references --- */

static void unref(struct fl_replay *e)
{
    if (atomic_fetch_sub(&e->refs, 1) == 1) {
        atomic_fetch_sub(&e->store->bytes, e->ring.cap);
        fl_event_ring_finish(&e->ring);
        pthread_mutex_destroy(&e->mutex);
        free(e);
    }
}

/* Under the store's lock. */
static void forget(struct fl_replay *e)
{
    if (!fl_list_empty(&e->link)) {
        fl_list_remove(&e->link);
        fl_list_remove(&e->finished);
        e->store->count--;
        unref(e);
    }
}

static void forget_now(struct fl_replay *e)
{
    struct fl_replays *s = e->store;
    pthread_mutex_lock(&s->mutex);
    forget(e);
    pthread_mutex_unlock(&s->mutex);
}

/* --- the store --- */

struct fl_replays *fl_replays_create(void)
{
    struct fl_replays *s = calloc(1, sizeof(*s));
    if (!s || pthread_mutex_init(&s->mutex, NULL) != 0) {
        free(s);
        return NULL;
    }
    for (unsigned i = 0; i < buckets; i++) {
        fl_list_init(&s->table[i]);
    }
    fl_list_init(&s->finished);
    return s;
}

void fl_replays_destroy(struct fl_replays *s)
{
    if (!s) {
        return;
    }
    while (!fl_list_empty(&s->finished)) {
        forget(fl_container_of(s->finished.next, struct fl_replay, finished));
    }
    fl_assert(s->count == 0 && atomic_load(&s->bytes) == 0);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

uint64_t fl_replays_sweep(struct fl_replays *s, uint64_t now_ns)
{
    uint64_t next_ns = FL_NEVER;
    pthread_mutex_lock(&s->mutex);
    while (!fl_list_empty(&s->finished)) {
        struct fl_replay *e = fl_container_of(s->finished.next, struct fl_replay, finished);
        if (e->expires_ns > now_ns) {
            next_ns = e->expires_ns;
            break;
        }
        forget(e);
    }
    pthread_mutex_unlock(&s->mutex);
    return next_ns;
}

size_t fl_replays_bytes(const struct fl_replays *s)
{
    return atomic_load(&s->bytes);
}

unsigned fl_replays_count(struct fl_replays *s)
{
    pthread_mutex_lock(&s->mutex);
    unsigned count = s->count;
    pthread_mutex_unlock(&s->mutex);
    return count;
}

static bool reserve(struct fl_replays *s, size_t bytes, size_t total)
{
    size_t used = atomic_load(&s->bytes);
    do {
        if (bytes > total || used > total - bytes) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&s->bytes, &used, used + bytes));
    return true;
}

/* Room for so many more bytes, for which finished streams may be forgotten. No lock is held. */
static bool acquire(struct fl_replays *s, size_t bytes, size_t total)
{
    while (!reserve(s, bytes, total)) {
        pthread_mutex_lock(&s->mutex);
        bool any = !fl_list_empty(&s->finished);
        if (any) {
            forget(fl_container_of(s->finished.next, struct fl_replay, finished));
        }
        pthread_mutex_unlock(&s->mutex);
        if (!any) {
            return false;
        }
    }
    return true;
}

static struct fl_list *bucket_of(struct fl_replays *s, const uint8_t token[FL_REPLAY_TOKEN_BYTES])
{
    return &s->table[(token[0] | token[1] << 8) % buckets]; /* they are random */
}

/* --- who reads it --- */

/* All under the stream's lock. */

/* From here on nothing is overwritten. */
static uint64_t keep_of(const struct fl_replay *e)
{
    return e->client && !e->reader ? e->ring.end_at : e->keep_at;
}

static size_t kept(const struct fl_replay *e)
{
    return fl_event_ring_behind(&e->ring, keep_of(e));
}

/* What the ring may take, as things are. */
static size_t most(const struct fl_replay *e)
{
    return e->starved && e->ring.cap < e->limits.bytes ? e->ring.cap : e->limits.bytes;
}

/* Events are sent up to there; the last of these may not have arrived. *from*: what was kept so far. */
static void keep_behind(struct fl_replay *e, uint64_t from, uint64_t sent_to)
{
    size_t unsure = most(e) / 2;
    e->keep_at = fl_event_ring_floor(&e->ring, from, sent_to > unsure ? sent_to - unsure : 0);
}

/* Who reads and has had all is never made to wait, however large a single event is. */
static bool has_read_all(const struct fl_replay *e)
{
    return e->reader ? e->reader->at == e->ring.end_at : e->client;
}

static bool is_full(const struct fl_replay *e)
{
    return !has_read_all(e) && kept(e) > most(e) - most(e) / 4;
}

static void ring_writer(struct fl_replay *e)
{
    if (e->writer) {
        fl_call_ring(e->writer);
    }
}

static void note_room(struct fl_replay *e)
{
    if (e->writer_waits && (has_read_all(e) || kept(e) <= most(e) - most(e) * 3 / 8)) {
        e->writer_waits = false;
        ring_writer(e);
    }
}

/* --- the writer --- */

static void fill_in(struct fl_replay *e, const struct fl_replay_owner *owner,
                    const struct fl_replay_limits *limits, struct fl_slice request_id)
{
    e->endpoint = owner->endpoint;
    e->keyed = owner->key_sha256 != NULL;
    if (e->keyed) {
        memcpy(e->key_sha256, owner->key_sha256, sizeof(e->key_sha256));
    }
    e->limits = *limits;
    request_id = fl_slice_first(request_id, sizeof(e->request_id));
    memcpy(e->request_id, request_id.ptr, request_id.len);
    e->request_id_len = request_id.len;
    fl_list_init(&e->link);
    fl_list_init(&e->finished);
    fl_event_ring_init(&e->ring);
}

struct fl_replay *fl_replay_open(struct fl_replays *s, const struct fl_replay_owner *owner,
                                 const struct fl_replay_limits *limits,
                                 const uint8_t token[FL_REPLAY_TOKEN_BYTES], struct fl_slice request_id,
                                 struct fl_call *call)
{
    size_t cap = limits->bytes < ring_bytes_min ? limits->bytes : ring_bytes_min;
    struct fl_replay *e = calloc(1, sizeof(*e));
    if (!e || pthread_mutex_init(&e->mutex, NULL) != 0) {
        free(e);
        return NULL;
    }
    e->store = s;
    atomic_init(&e->refs, 1);
    memcpy(e->token, token, sizeof(e->token));
    fill_in(e, owner, limits, request_id);
    if (cap == 0 || !acquire(s, cap, limits->total_bytes)) {
        unref(e);
        return NULL;
    }
    if (!fl_event_ring_grow(&e->ring, cap)) {
        atomic_fetch_sub(&s->bytes, cap);
        unref(e);
        return NULL;
    }
    e->client = true;
    e->writer = call;
    pthread_mutex_lock(&s->mutex);
    atomic_fetch_add(&e->refs, 1);
    fl_list_push(bucket_of(s, token), &e->link);
    s->count++;
    pthread_mutex_unlock(&s->mutex);
    return e;
}

/* Room for the ring to be as large as that. No lock is held; the caller grows it under one. */
static bool may_grow(struct fl_replay *e, size_t cap)
{
    return cap > e->ring.cap && acquire(e->store, cap - e->ring.cap, e->limits.total_bytes);
}

/* Under its lock. */
static void grow(struct fl_replay *e, size_t cap)
{
    size_t more = cap - e->ring.cap;
    if (!fl_event_ring_grow(&e->ring, cap)) {
        atomic_fetch_sub(&e->store->bytes, more);
    }
}

/* As long as it is smaller than allowed, a ring grows rather than it forgets, and before it is full: how large
 * it is to be. */
static size_t wanted_cap(const struct fl_replay *e, size_t event_bytes)
{
    size_t cap = e->ring.cap, max = e->limits.bytes;
    size_t used = fl_event_ring_used(&e->ring) + FL_EVENT_RING_LENGTH + event_bytes;
    if (cap >= max || used <= cap / 2) {
        return cap;
    }
    size_t want = 2 * cap > used ? 2 * cap : used;
    return want < max ? want : max;
}

/* Under its lock. *ret_cap*: what it takes to keep it beside all that must be kept. */
static bool put_if_room(struct fl_replay *e, struct fl_slice event, size_t *ret_cap)
{
    if (fl_event_ring_fits(&e->ring, event.len, keep_of(e))) {
        fl_event_ring_put(&e->ring, event, keep_of(e));
        return true;
    }
    *ret_cap = kept(e) + FL_EVENT_RING_LENGTH + event.len;
    return false;
}

void fl_replay_lose(struct fl_replay *e)
{
    pthread_mutex_lock(&e->mutex);
    e->lost = true;
    if (e->reader) {
        fl_call_ring(e->reader->call);
    }
    pthread_mutex_unlock(&e->mutex);
    forget_now(e);
}

bool fl_replay_put(struct fl_replay *e, struct fl_slice event)
{
    size_t wanted = wanted_cap(e, event.len), needed = 0;
    bool more = may_grow(e, wanted);
    pthread_mutex_lock(&e->mutex);
    e->starved = wanted > e->ring.cap && !more;
    if (more) {
        grow(e, wanted);
    }
    bool put = !e->lost && put_if_room(e, event, &needed);
    bool lost = e->lost;
    pthread_mutex_unlock(&e->mutex);
    size_t ceiling = e->limits.bytes + e->limits.event_bytes + slack_bytes;
    for (unsigned i = 0; !put && !lost && i < tries_max && needed <= ceiling; i++) {
        more = may_grow(e, needed);
        pthread_mutex_lock(&e->mutex);
        if (more) {
            grow(e, needed);
        }
        put = put_if_room(e, event, &needed);
        pthread_mutex_unlock(&e->mutex);
    }
    return put;
}

void fl_replay_tell(struct fl_replay *e)
{
    pthread_mutex_lock(&e->mutex);
    if (e->reader && e->reader->waits) {
        e->reader->waits = false;
        fl_call_ring(e->reader->call);
    }
    pthread_mutex_unlock(&e->mutex);
}

bool fl_replay_is_full(struct fl_replay *e)
{
    pthread_mutex_lock(&e->mutex);
    bool full = !e->lost && is_full(e);
    e->writer_waits = full;
    pthread_mutex_unlock(&e->mutex);
    return full;
}

void fl_replay_client_left(struct fl_replay *e, uint64_t now_ns)
{
    pthread_mutex_lock(&e->mutex);
    e->client = false;
    if (!e->reader) {
        keep_behind(e, 0, e->ring.end_at);
        e->left_ns = now_ns;
    }
    pthread_mutex_unlock(&e->mutex);
}

struct fl_replay_view fl_replay_look(struct fl_replay *e)
{
    pthread_mutex_lock(&e->mutex);
    struct fl_replay_view view = {
        .read = e->reader != NULL, .left_ns = e->left_ns, .comebacks = e->comebacks};
    pthread_mutex_unlock(&e->mutex);
    return view;
}

/* Under both locks: nobody reads it, and it has ended. */
static void finish_later(struct fl_replay *e, uint64_t now_ns)
{
    if (!fl_list_empty(&e->link) && fl_list_empty(&e->finished)) {
        e->expires_ns = now_ns + e->limits.grace_ns;
        fl_list_append(&e->store->finished, &e->finished);
    }
}

void fl_replay_close(struct fl_replay *e, struct fl_replay_outcome outcome, uint64_t now_ns)
{
    const struct fl_replay_outcome lost = {FL_REPLAY_GONE, FL_ERR_NOMEM};
    struct fl_replays *s = e->store;
    fl_assert(outcome.state != FL_REPLAY_OPEN && e->outcome.state == FL_REPLAY_OPEN);
    pthread_mutex_lock(&s->mutex);
    pthread_mutex_lock(&e->mutex);
    struct fl_call *call = e->writer;
    e->outcome = e->lost ? lost : outcome;
    e->writer = NULL;
    e->client = false;
    if (e->reader) {
        fl_call_ring(e->reader->call);
    } else if (e->outcome.state != FL_REPLAY_GONE) {
        finish_later(e, now_ns);
    }
    pthread_mutex_unlock(&e->mutex);
    if (outcome.state == FL_REPLAY_GONE) {
        forget(e);
    }
    pthread_mutex_unlock(&s->mutex);
    fl_call_cancel(call);
    unref(e);
}

/* --- readers --- */

/* In constant time: how much of a token is right tells nobody. Under the store's lock. */
static struct fl_replay *find(struct fl_replays *s, const struct fl_replay_owner *owner,
                              const uint8_t token[FL_REPLAY_TOKEN_BYTES])
{
    struct fl_list *bucket = bucket_of(s, token);
    for (struct fl_list *at = bucket->next; at != bucket; at = at->next) {
        struct fl_replay *e = fl_container_of(at, struct fl_replay, link);
        unsigned differs = 0;
        for (unsigned i = 0; i < sizeof(e->token); i++) {
            differs |= e->token[i] ^ token[i];
        }
        for (unsigned i = 0; owner->key_sha256 && i < sizeof(e->key_sha256); i++) {
            differs |= e->key_sha256[i] ^ owner->key_sha256[i];
        }
        if (differs == 0 && e->keyed == (owner->key_sha256 != NULL) && e->endpoint == owner->endpoint) {
            return e;
        }
    }
    return NULL;
}

/* Under its lock. */
static void take_over(struct fl_replay *e, struct fl_replay_reader *r)
{
    if (e->reader) {
        e->reader->replaced = true;
        fl_call_ring(e->reader->call);
    }
    e->reader = r;
    keep_behind(e, 0, r->at);
    e->comebacks++;
    e->writer_waits = false;
    ring_writer(e); /* it lets go of the client's first connection, and looks whether there is room */
}

enum fl_replay_found fl_replay_attach(struct fl_replays *s, const struct fl_replay_owner *owner,
                                      const uint8_t token[FL_REPLAY_TOKEN_BYTES], uint64_t after,
                                      struct fl_call *call, struct fl_replay_reader *r)
{
    enum fl_replay_found found = FL_REPLAY_UNKNOWN;
    pthread_mutex_lock(&s->mutex);
    struct fl_replay *e = find(s, owner, token);
    if (e) {
        *r = (struct fl_replay_reader){.replay = e, .call = call};
        pthread_mutex_lock(&e->mutex);
        if (fl_event_ring_find(&e->ring, after, &r->at)) {
            found = FL_REPLAY_FOUND;
            atomic_fetch_add(&e->refs, 1);
            fl_list_remove(&e->finished);
            take_over(e, r);
        } else {
            found = after >= e->ring.next_number ? FL_REPLAY_AHEAD : FL_REPLAY_OVERWRITTEN;
            r->replay = NULL;
        }
        pthread_mutex_unlock(&e->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return found;
}

size_t fl_replay_piece_bytes(const struct fl_replay_reader *r)
{
    size_t part = r->replay->limits.bytes / 16;
    return part < piece_bytes_max ? part : piece_bytes_max;
}

struct fl_slice fl_replay_request_id(const struct fl_replay_reader *r)
{
    return fl_slice(r->replay->request_id, r->replay->request_id_len);
}

enum fl_replay_took fl_replay_take(struct fl_replay_reader *r, size_t bytes, struct fl_buf *b,
                                   struct fl_replay_outcome *ret_outcome)
{
    struct fl_replay *e = r->replay;
    enum fl_replay_took took = FL_REPLAY_REPLACED;
    pthread_mutex_lock(&e->mutex);
    if (!r->replaced) { /* else its place may be overwritten */
        (void)fl_event_ring_copy(&e->ring, &r->at, bytes, b);
        keep_behind(e, e->keep_at, r->at);
        *ret_outcome = e->lost ? (struct fl_replay_outcome){FL_REPLAY_GONE, FL_ERR_NOMEM} : e->outcome;
        bool open = ret_outcome->state == FL_REPLAY_OPEN;
        took = r->at < e->ring.end_at ? FL_REPLAY_MORE : open ? FL_REPLAY_WAIT : FL_REPLAY_ENDED;
        r->waits = took == FL_REPLAY_WAIT;
        note_room(e);
    }
    pthread_mutex_unlock(&e->mutex);
    return took;
}

bool fl_replay_is_replaced(struct fl_replay_reader *r)
{
    pthread_mutex_lock(&r->replay->mutex);
    bool replaced = r->replaced;
    pthread_mutex_unlock(&r->replay->mutex);
    return replaced;
}

bool fl_replay_has_all(struct fl_replay_reader *r)
{
    struct fl_replay *e = r->replay;
    pthread_mutex_lock(&e->mutex);
    bool all = e->outcome.state == FL_REPLAY_WHOLE && r->at == e->ring.end_at;
    pthread_mutex_unlock(&e->mutex);
    return all;
}

void fl_replay_leave(struct fl_replay_reader *r, uint64_t now_ns)
{
    struct fl_replay *e = r->replay;
    struct fl_replays *s = e->store;
    pthread_mutex_lock(&s->mutex);
    pthread_mutex_lock(&e->mutex);
    if (e->reader == r) {
        e->reader = NULL;
        e->left_ns = now_ns;
        if (e->outcome.state == FL_REPLAY_OPEN) {
            ring_writer(e);
        } else {
            finish_later(e, now_ns);
        }
    }
    pthread_mutex_unlock(&e->mutex);
    pthread_mutex_unlock(&s->mutex);
    fl_call_cancel(r->call);
    r->replay = NULL;
    unref(e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own structures. Ownership, top down:
 *
 *   worker -> sessions (list) -> exchange (at most one a session) -> attempts (a primary, and a hedge)
 *   worker -> upstreams of a snapshot -> pool of each provider -> connections (idle list, or lent)
 *
 * An attempt borrows a connection from its pool and gives it back or closes it. An exchange holds a
 * reference to the upstreams (and so to the snapshot) it began with. Everything runs on one loop.
 */
#ifndef FL_SERVER_INTERNAL_H
#define FL_SERVER_INTERNAL_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/shelf.h"
#include "codec/gzip.h"
#include "codec/http1.h"
#include "codec/sse.h"
#include "dialect/dialect.h"
#include "route/failover.h"
#include "route/state.h"
#include "server/bell.h"
#include "server/credentials.h"
#include "server/decisions.h"
#include "server/quality.h"
#include "server/recall.h"
#include "server/replay.h"
#include "server/resume.h"
#include "server/server.h"
#include "server/translate.h"
#include "server/understand.h"
#include "tls/tls.h"

struct fl_snapshot {
    atomic_uint refs;
    struct fl_config *config;
    struct fl_tls **provider_tls; /* by provider; NULL where plain */
    struct fl_credentials **credentials; /* by provider; NULL where nothing is fetched */
    struct fl_tls *listen_tls;    /* NULL: plain HTTP */
};

/* --- upstream connections (pool.c) --- */

struct fl_conn;

/* What the borrower of a connection hears; the same meanings as fl_stream_events. */
struct fl_conn_events {
    void (*opened)(void *user, enum fl_err err);
    void (*bytes)(void *user, struct fl_slice bytes);
    void (*ended)(void *user, enum fl_err err);
    void (*drained)(void *user);
};

struct fl_pool {
    struct fl_upstreams *upstreams;
    unsigned provider;      /* index into the configuration's */
    const struct fl_dialect *dialect; /* the provider's; NULL: not spoken, it has no targets */
    struct fl_buf *fields;  /* of a request to the provider, by key: host, key, configured headers; one
                               where there is no key */
    struct fl_list idle;    /* most recently used first */
    struct fl_list lent;
    struct fl_list waiting; /* struct fl_conn_wait: attempts that need another connection, with the limit of
                               connections reached */
    unsigned queued;        /* exchanges that wait for a place at a target of the provider */
    struct fl_fetcher *fetcher; /* NULL: nothing is fetched */
    unsigned open_count, idle_count;
};

/* The pools of one snapshot on one worker. */
struct fl_upstreams {
    struct fl_list link; /* in worker->upstreams */
    unsigned refs;       /* the worker while current, each exchange, each probe */
    struct fl_worker *worker;
    struct fl_snapshot *snapshot;
    struct fl_timer reaper; /* closes idle connections */
    struct fl_list rooms;   /* struct fl_room: made once somebody waits there */
    unsigned queued;        /* exchanges in them */
    struct fl_timer usher;  /* looks who may leave them */
    uint64_t look_ns;       /* when it looks next, whether or not it is woken before */
    struct fl_pool pools[];
};

enum { FL_WARM_LINES = 6 };

struct fl_conn {
    struct fl_list link;
    struct fl_pool *pool;
    struct fl_stream *stream;
    const struct fl_conn_events *on; /* NULL while idle */
    void *user;
    union {
        const void *warm[FL_WARM_LINES]; /* lent: what bytes() will touch, fetched before the read */
        struct fl_h1_body tail;          /* lingering */
    };
    uint64_t idle_since_ns;
    uint32_t served; /* requests carried before this one */
    bool open;       /* the handshake is done */
    bool lingering;  /* reads the last bytes of an answer that is complete for its client */
};

/* Waits for a connection when the pool is at its limit. */
struct fl_conn_wait {
    struct fl_list link;
    void (*ready)(struct fl_conn_wait *wait);
};

enum fl_err fl_upstreams_create(struct fl_worker *w, struct fl_snapshot *snapshot, struct fl_upstreams **ret);
void fl_upstreams_ref(struct fl_upstreams *u);
void fl_upstreams_unref(struct fl_upstreams *u);
/* Not current any more: closes idle connections, frees itself with the last reference. */
void fl_upstreams_retire(struct fl_upstreams *u);
/* Lends an idle connection (conn->open) or a dialing one. FL_ERR_OVERLOADED: at the limit; wait. */
enum fl_err fl_pool_borrow(struct fl_pool *pool, bool fresh, const struct fl_conn_events *on, void *user,
                           struct fl_conn **ret_conn) FL_CHECK_RESULT;
void fl_pool_wait(struct fl_pool *pool, struct fl_conn_wait *wait);
/* Back to the pool: the answer was read to its end and the connection may carry another request. */
void fl_conn_give(struct fl_conn *conn);
/* The answer is complete for its client, but its framing is not: read on for up to a second, then give
 * the connection back. */
void fl_conn_linger(struct fl_conn *conn, const struct fl_h1_body *tail);
void fl_conn_close(struct fl_conn *conn, enum fl_close how);
const struct fl_provider *fl_pool_provider(const struct fl_pool *pool);

/* --- who waits for a place at a target (room.c) ---
 *
 * A target has places: as many as its provider's 'concurrency' (all workers together) and 'connections'
 * (of this worker) allow. An exchange whose targets have none free waits in the room of the first of
 * them, by class, tenant, deadline (route/admit.h), for limits.queue_wait at most. */

struct fl_room;
struct fl_seat { /* of an exchange that waits; in its arena */
    struct fl_waiter waiter;
    struct fl_exchange *exchange;
    struct fl_room *room; /* NULL: it has left */
};

void fl_rooms_init(struct fl_upstreams *u);
void fl_rooms_finish(struct fl_upstreams *u);
/* A place has become free: soon, from the loop, who waits for it gets it. */
void fl_rooms_wake(struct fl_upstreams *u);
/* Is there a place for one that comes now? */
bool fl_room_has_place(struct fl_upstreams *u, const struct fl_target *target);
/* The same of each place in the exchange's plan, as bits of those without. */
uint32_t fl_rooms_full(const struct fl_exchange *x);
/* True: it waits now, until fl_exchange_served() or fl_exchange_turned_away() or fl_room_leave(). False: it is
 * turned away at once (x->complaint, x->retry_after_s). */
bool fl_room_enter(struct fl_exchange *x, const struct fl_target *target) FL_CHECK_RESULT;
void fl_room_leave(struct fl_exchange *x);
/* It has waited for as long as it may. */
void fl_room_expire(struct fl_exchange *x);

/* --- one try at one target (attempt.c, relay.c) --- */

enum fl_attempt_state {
    FL_ATTEMPT_NEW,
    FL_ATTEMPT_QUEUED,     /* waits for a free connection */
    FL_ATTEMPT_CONNECTING,
    FL_ATTEMPT_WAITING,    /* the request is sent (or queued in the stream); no head yet */
    FL_ATTEMPT_HOLDING,    /* a plain answer, collected whole before it is sent on */
    FL_ATTEMPT_STREAMING,  /* events are sent on as they come */
    FL_ATTEMPT_PASSING,    /* a plain answer too big to hold is sent on as it comes */
    FL_ATTEMPT_ENDED,
    FL_ATTEMPT_STATE_COUNT
};

/* A compressed answer's unpacking (unpack.c). */
struct fl_unpack {
    struct fl_attempt *attempt;
    struct fl_gzip *gzip;
    struct fl_slice packed; /* compressed bytes of this read, or of *rest*, not taken yet */
    bool more;              /* the gzip has more to give without another byte of body */
    bool waits;             /* *rest* is to be gone on with, though it may be empty */
    struct fl_buf rest;     /* of a read: compressed bytes, so many, then body in its framing */
    size_t rest_packed;
    size_t turn_bytes;      /* unpacked in this turn of the loop */
    struct fl_timer timer;  /* the next turn */
};

struct fl_attempt {
    struct fl_exchange *exchange;
    const struct fl_target *target;
    struct fl_slice model;   /* as its provider knows it */
    const struct fl_dialect *dialect; /* the provider's: its paths, answers, events and errors */
    unsigned place;          /* of the target in the plan */
    unsigned key;            /* index into the provider's */
    struct fl_lease lease;   /* what it reserved of the key's limits */
    enum fl_endpoint endpoint; /* of the provider */
    struct fl_translation *translation; /* the provider speaks another form than the client; NULL: the same */
    struct fl_rates *rates;  /* what a refusal tells of them; NULL: it was none, or nothing came yet */
    struct fl_dispatch dispatch;
    struct fl_pool *pool;
    struct fl_conn *conn;
    struct fl_conn_wait wait;
    enum fl_attempt_state state;
    bool fresh;              /* insists on a new connection: the pooled one turned out stale */
    bool continues;          /* a stream that broke off elsewhere */
    bool own_form; /* *translation* is of its answer only: it is asked in the client's form */
    bool other_kind;         /* a stream came where a whole answer was asked for, or the reverse */
    bool head_seen;
    bool alive;              /* something of the answer's body has come */
    bool paused;             /* the client is slower than the provider */
    bool finish_seen, done_seen, error_seen; /* events of the stream */
    bool flushed_end;        /* the end of our body is sent */
    bool conn_keep;          /* the answer allows another request on the connection */
    uint8_t interim;         /* 1xx heads seen */
    int status;
    uint64_t begun_ns, sent_ns, last_byte_ns;
    uint64_t first_byte_ns;  /* of a stream: its first content */
    uint64_t wanted_ns;      /* since when it wants a connection */
    uint64_t first_token_wait_ns, stall_wait_ns; /* how long it may say nothing */
    size_t unsent;           /* of the request, at the last look */
    struct fl_h1_body body;
    struct fl_unpack *unpack; /* the answer is compressed; NULL: it is not */
    struct fl_buf hold;      /* partial head, held answer or partial event */
    struct fl_buf preamble;  /* events before the first content, not sent on yet */
    size_t scanned;
    struct fl_sse sse;
    struct fl_usage *usage;  /* what its provider counted so far; NULL: nothing, as of a stream until its end. Of a
                                stream in the exchange's arena, of a plain answer, which ends in the event that it is
                                read in, the worker's, or *translation*'s. See fl_attempt_usage() */
    struct fl_buf fields;    /* answer's head fields that are passed on, as lines */
    struct fl_slice content_type;        /* in the exchange's arena */
    struct fl_slice upstream_request_id; /* in the exchange's arena */
    struct fl_slice error_name;          /* of a refusal's head, in the exchange's arena; or empty */
};

/* --- one request of a client (exchange.c) --- */

struct fl_attempt_note { /* for error bodies and headers */
    const struct fl_target *target;
    enum fl_err err;
    int status;
    unsigned key;
    uint64_t took_ns;
    bool priced, estimated; /* what it cost is known; by what it was asked, not by what was counted */
    uint64_t cost_picousd;
};

enum { FL_ATTEMPTS_MAX = 16 /* as the key attempts allows */, FL_UNPACKED_BYTES = 16 * 1024 };
enum { FL_ALIVE_MAX = 2 /* attempts at a time: primary and hedge */ };
enum { FL_PREAMBLE_BYTES = 16 * 1024 /* of a stream held back at most until its first content */ };

enum fl_explain { FL_EXPLAIN_NO, FL_EXPLAIN_HEADER, FL_EXPLAIN_ONLY };

/* What the request's x-fairlead-* headers ask for. */
struct fl_wishes {
    bool strategy_given, max_cost_given;
    struct fl_selection selection;
    enum fl_tier tier; /* FL_TIER_UNKNOWN: not given */
    uint64_t max_cost_picousd;
    enum fl_explain explain;
    bool class_given;
    enum fl_class class;         /* of x-fairlead-priority */
    bool resume, resume_off;     /* a stream that breaks off is continued, is not */
    bool replay, replay_off;     /* the client may come back for its stream, may not */
    struct fl_slice session;     /* in the arena */
    const char *wrong, *allowed; /* a header with a value that means nothing, and what would; or NULL */
};

enum fl_exchange_state {
    FL_EXCHANGE_READING,   /* the body is arriving */
    FL_EXCHANGE_TRYING,    /* nothing sent to the client yet (or only heartbeats) */
    FL_EXCHANGE_ANSWERING, /* the answer's head is sent */
    FL_EXCHANGE_ENDED,
    FL_EXCHANGE_STATE_COUNT
};

/* A request in canonical form. */
struct fl_canonical {
    struct fl_arena arena;
    struct fl_chat_request request; /* into the body and the arena */
    struct fl_embed_request embed;  /* instead, at the endpoint of embeddings */
};

/* A request to an endpoint that is passed through. Slices are in the exchange's arena or its body. */
struct fl_pass {
    enum fl_h1_method method;
    struct fl_slice path, query; /* behind the version: "/images/generations" */
    struct fl_slice content_type;
    struct fl_slice model;    /* of the header x-fairlead-model; or empty */
    struct fl_slice model_at; /* where the body names the model; empty: nowhere */
    bool model_in_json;       /* as a JSON string, quotes included */
};

/* What only choosing and asking providers needs. Slices are in the exchange's arena. */
struct fl_asking {
    struct fl_facts facts;
    struct fl_failover failover; /* what was tried of the plan */
    struct fl_step step;         /* the next attempt, once one has failed */
    struct fl_slice passed;      /* head fields and query of the client's for providers of its own dialect: */
    struct fl_slice betas;       /* the value of anthropic-beta */
    struct fl_slice query;
    struct fl_slice complaint;   /* why no target was asked, for the client */
    struct fl_slice last_event_id; /* a client comes back for a stream; empty: it does not */
};

/* What each event of a stream goes through stands first. */
struct fl_exchange {
    struct fl_session *session;
    struct fl_worker *worker;
    const struct fl_config *config;
    const struct fl_dialect *dialect;
    enum fl_exchange_state state;
    enum fl_endpoint endpoint;
    bool keep_alive, http10;
    bool chunked;            /* our answer's framing */
    bool head_by_heartbeat;  /* 200 and comments were sent before any target answered */
    bool event_stream;       /* the head sent says text/event-stream */
    bool stream, usage_asked, length_limited; /* what the body asks for */
    struct fl_replayed *replay; /* the client may come back for its stream; NULL: it may not */
    uint64_t last_write_ns, first_byte_ns; /* first byte of the answer sent on, 0: none */
    uint64_t bytes_out;
    struct fl_list link;     /* in worker->exchanges */
    struct fl_upstreams *upstreams;
    struct fl_slice request_id;
    int status;              /* of our answer, once its head is sent */
    uint64_t decision_id;
    uint64_t begun_ns, ready_ns, dispatched_ns, deadline_ns;
    struct fl_arena arena;
    struct fl_buf body;      /* the client's, until the answer is committed */
    struct fl_asking *asking;       /* NULL: an answer is committed, and is not continued should it break */
    struct fl_canonical *canonical; /* once an attempt needs it */
    struct fl_pass *pass;           /* FL_ENDPOINT_PASS */
    const struct fl_client_key *client_key; /* NULL: none was asked for */
    struct fl_slice model;          /* as the client named it; in the arena */
    struct fl_slice client_key_name, user_agent;
    struct fl_slice served_model; /* of the attempt that answered, or the last one begun */
    const struct fl_target *served;
    const struct fl_named *named; /* targets of any model, as they are for the one that was named */
    unsigned named_count;
    struct fl_wishes wishes;
    struct fl_expected *expected; /* with the decision: */
    struct fl_lesson *lesson;     /* the same */
    struct fl_signals signals;    /* what the answer tells of its worth */
    bool feedback;                /* it is the client's word on an earlier answer */
    bool by_get;                  /* of one that comes back */
    bool schema_asked;
    bool taught;                  /* the answer taught what it could */
    struct fl_comeback *comeback; /* a client came back for a stream: that; NULL: no, or it is not found yet */
    struct fl_choice *choice; /* the worker's draft, in the arena once attempts may begin; NULL until the
                                 request is read */
    struct fl_plan *plan;    /* of the choice */
    struct fl_used used;     /* by the last attempt that has ended */
    unsigned tokens_in, tokens_out; /* expected, 0: unknown */
    struct fl_recall *recall;    /* of earlier responses, in the arena; NULL: nothing to do with any */
    struct fl_resume *resume;    /* what it takes to continue the stream; NULL: it is not continued */
    bool step_ready;         /* of asking */
    bool admitted;           /* it has waited for the step's place, and got it */
    bool hedged;             /* a second attempt was started, or may not be */
    bool tools;              /* the request has some */
    bool pushed_back;        /* a provider asked to be left alone */
    struct fl_seat *seat;    /* where it waits for a place; NULL: it does not */
    uint64_t queued_ns;      /* how long it has waited for places */
    unsigned retry_after_s;  /* what its client is told, when it is turned away; 0: nothing */
    uint64_t wait_until_ns;  /* not before then; 0: nothing waits */
    uint64_t hedge_at_ns;    /* when a second attempt is started beside the first; 0: none is */
    struct fl_slice *asked;  /* by place in the plan: the name that the client gave it; NULL: facts.model */
    /* Bits of places in the plan: who may be asked after a refusal for length, or by a content policy; and who of
     * these may be asked after no other. */
    uint32_t context_places, policy_places, held_places;
    struct fl_attempt *attempts[FL_ALIVE_MAX]; /* alive, in the order of their begin */
    unsigned alive_count;
    struct fl_attempt *winner; /* whose answer goes to the client; NULL: nothing is committed */
    struct fl_attempt_note *notes; /* of attempts that have ended: NULL, first_note, or in the arena */
    struct fl_attempt_note first_note;
    unsigned note_count;
    struct fl_timer timer;
    _Alignas(16) char room[864]; /* the arena's first chunk: what is kept of a choice of one target fits */
};

/* --- a client's connection (session.c) --- */

enum fl_session_state {
    FL_SESSION_HANDSHAKE, /* TLS */
    FL_SESSION_HEAD,      /* waits for or reads a request head */
    FL_SESSION_BODY,
    FL_SESSION_EXCHANGE,  /* the request is read; its answer is under way */
    FL_SESSION_LAST,      /* no request is read any more; the client reads what it was sent */
    FL_SESSION_DETACHED,  /* the client is gone and may come back: the exchange goes on, and there is no stream */
    FL_SESSION_CLOSED,
    FL_SESSION_STATE_COUNT
};

struct fl_session {
    struct fl_list link; /* in worker->sessions */
    struct fl_worker *worker;
    struct fl_stream *stream;
    struct fl_exchange *exchange;
    struct fl_buf in; /* a partial head, or bytes of requests to come */
    size_t scanned;
    struct fl_h1_body body;
    struct fl_timer timer;
    uint64_t since_ns;         /* start of the state's total deadline */
    uint64_t blocked_since_ns; /* 0: the client takes what it is sent */
    uint64_t blocked_bytes;    /* queued in the stream since then */
    struct fl_addr peer;
    const struct fl_dialect *dialect; /* the client's, as far as its last request told */
    enum fl_session_state state;
    bool paused, in_loop, served_any;
    bool mute; /* a write failed: nothing can be told any more, it is reset at the timer's next look */
    bool head_only; /* the last request read was a HEAD: its answer has no body, an error has none either */
};

struct fl_listening {
    struct fl_list link;
    struct fl_worker *worker;
    struct fl_listener *listener;
    struct fl_addr wanted, bound;
};

/* A choice is made here, and what is used of it then kept with the exchange; in the end it is told here. */
struct fl_draft {
    struct fl_decision decision;
    struct fl_plan more; /* of further targets, on its way into the choice's */
    struct fl_expected expected;
    struct fl_lesson lesson;
};

/* Where events of replayed streams are written. */
struct fl_replay_scratch {
    struct fl_buf joined, stamped;
};

struct fl_worker {
    struct fl_sys *sys;
    struct fl_worker_options options;
    struct fl_upstreams *current;
    struct fl_list upstreams; /* all, current and retired */
    struct fl_list sessions, exchanges, listens;
    struct fl_rng rng;
    struct fl_worker_stats stats;
    bool draining, destroying;
    void (*drained)(void *owner);
    void *drained_owner;
    struct fl_timer drain_timer, access_timer;
    struct fl_bell bell;           /* by which other workers call */
    bool bell_ready;
    struct fl_timer replay_timer;  /* set: forgets streams that have ended */
    struct fl_replay_scratch replay_scratch; /* valid during one event */
    struct fl_buf access;        /* access-log lines not yet handed on */
    struct fl_buf out;           /* head being built; valid during one event */
    struct fl_understanding *understanding; /* of the request being read; valid during one event */
    struct fl_draft *draft;                 /* of its decision; the same */
    struct fl_lesson_scratch *lesson_scratch; /* the same */
    uint64_t key_turn;           /* decides among keys that are as good */
    struct fl_shelf exchange_shelf, asking_shelf, attempt_shelf;
    char *unpacked;              /* FL_UNPACKED_BYTES for what a gzip gives; made when first needed */
    struct fl_buf joined;        /* several data lines of one stream event, joined */
    struct fl_h1_head head;      /* head being parsed; valid during one event */
    struct fl_rates heard;       /* of the head being read */
    struct fl_usage usage;       /* of the answer or event being read; else zeros */
    uint64_t wall_ns, wall_turn_ns; /* the calendar's time, and the turn it was read in */
    uint64_t date_s;             /* second that date[] tells */
    char date[30];               /* "Wed, 25 Nov 2026 04:00:00 GMT" */
    struct fl_health_checks *checks; /* worker 0 */
};

/* worker.c */
/* Nanoseconds since 1970, read once a turn of the loop. */
uint64_t fl_worker_wall_ns(struct fl_worker *w);
struct fl_slice fl_worker_date(struct fl_worker *w);
void fl_worker_make_id(struct fl_worker *w, char ret_id[40]); /* UUIDv7 */
void fl_worker_session_gone(struct fl_worker *w);

/* session.c */
void fl_session_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer);
/* The exchange's answer is complete (or was cut): go on with the next request, or close. */
void fl_session_answered(struct fl_session *s, bool keep_alive);
void fl_session_close(struct fl_session *s, enum fl_close how);
/* Closes the stream of a session whose exchange goes on without its client. */
void fl_session_detach(struct fl_session *s, enum fl_close how);
/* Sends; false when the client is gone (the session then ends by itself at its next event). */
bool fl_session_write(struct fl_session *s, const struct fl_slice *pieces, unsigned count);
/* True when it was waiting for a request, or for a client that cannot come back any more, and is closed now. */
bool fl_session_close_if_idle(struct fl_session *s);

/* endpoints.c */
/* Answers what needs no body, or makes an exchange that reads one: true, session->exchange is set. False: the
 * answer was written. */
bool fl_endpoints_open(struct fl_session *s, const struct fl_h1_head *head);

/* exchange.c */
struct fl_exchange *fl_exchange_create(struct fl_session *s, enum fl_endpoint endpoint,
                                       const struct fl_h1_head *head);
/* The body is whole: decide and try. */
void fl_exchange_run(struct fl_exchange *x);
/* An attempt ended without an answer that can be sent on: waits for the other one, tries the next target, or
 * tells the client. */
void fl_exchange_attempt_failed(struct fl_exchange *x, enum fl_err err);
/* The answer reached the client whole. */
void fl_exchange_done(struct fl_exchange *x);
/* A stream broke after its first event. */
void fl_exchange_broken(struct fl_exchange *x, enum fl_err err);
/* The same, and the client has been told. */
void fl_exchange_cut(struct fl_exchange *x, enum fl_err err);
/* The answer is ours, a stream that begins now. */
void fl_exchange_answer(struct fl_exchange *x);
/* Refuses before any attempt. */
void fl_exchange_refuse(struct fl_exchange *x, enum fl_err err, struct fl_slice message, const char *param);
/* The client went away, or the session ends: cancels and frees. */
void fl_exchange_cancel(struct fl_exchange *x);
/* The gateway cannot wait for it any longer: tells the client, as far as its answer has come, and frees. */
void fl_exchange_shut(struct fl_exchange *x);
/* What waited in a room has its place; does not get one (x->complaint). */
void fl_exchange_served(struct fl_exchange *x);
void fl_exchange_turned_away(struct fl_exchange *x);
/* Is there a place at another target of its plan? It is the next step then. */
bool fl_exchange_elsewhere(struct fl_exchange *x);
/* The commit point: the answer of *winner* goes out now. Any other attempt is cancelled, no other target can be
 * tried any more, the request's body is freed. */
void fl_exchange_commit(struct fl_attempt *winner);
/* May another answer than that of this attempt, which is about to end with *err*, be hoped for? Settles what is
 * tried next. */
bool fl_exchange_may_retry(struct fl_attempt *a, enum fl_err err);
/* No target is left: says so in our own words and ends. */
void fl_exchange_give_up(struct fl_exchange *x, enum fl_err err);
/* A refusal was sent to the client as its answer. */
void fl_exchange_failed(struct fl_exchange *x, enum fl_err err);
/* Sets the timer to the earliest of all deadlines. Call it whenever one has come nearer: a later one is found
 * when the timer fires. */
void fl_exchange_watch(struct fl_exchange *x);
/* The client can take more. */
void fl_exchange_drained(struct fl_exchange *x);
/* What was written did not go after all: the provider waits for the client. */
void fl_exchange_stalled(struct fl_exchange *x);

/* wishes.c */
void fl_wishes_read(struct fl_exchange *x, const struct fl_h1_head *head);
/* True: a wish meant nothing, the exchange was refused and is gone. */
bool fl_wishes_refused(struct fl_exchange *x);

/* decide.c */
/* Makes the plan. False: the exchange was answered without an attempt and is gone. */
bool fl_decide(struct fl_exchange *x);
/* Whose request it is, as a number; 0: nobody in particular. */
uint64_t fl_exchange_tenant(const struct fl_exchange *x);
/* A whole answer is about to end: those learn from it who do, once. */
void fl_decide_teach(struct fl_exchange *x, const struct fl_usage *usage);
/* What an attempt that has ended used, for the record: the last one's word counts. */
void fl_decide_used(struct fl_exchange *x, const struct fl_usage *usage);
/* The record so far, in the worker's draft; x->choice is not NULL. */
const struct fl_decision *fl_decide_record(struct fl_exchange *x);
/* The exchange ends: completes its record and keeps it. */
void fl_decide_done(struct fl_exchange *x, int status, enum fl_err err);
/* What this usage costs at the target that served. False: not priced, or not known. */
bool fl_exchange_cost(const struct fl_exchange *x, const struct fl_usage *usage, uint64_t *ret_picousd);

/* attempt.c */
/* *place*: of the target in the plan. */
enum fl_err fl_attempt_start(struct fl_exchange *x, unsigned place) FL_CHECK_RESULT;
/* Ends it; the exchange waits for its other attempt, tries another target, or tells its client. */
void fl_attempt_fail(struct fl_attempt *a, enum fl_err err);
/* A plain answer is held up to this size; one that is translated cannot be sent on in parts. */
size_t fl_attempt_hold_bytes(const struct fl_attempt *a);
/* Ends the attempt with this outcome, gives back or closes its connection, frees it. */
void fl_attempt_end(struct fl_attempt *a, enum fl_err err);
/* What its timeouts say at *now*: FL_OK and when to look again, or the error. */
enum fl_err fl_attempt_check_time(struct fl_attempt *a, uint64_t now_ns, uint64_t *ret_next_ns);
/* The client takes less than the provider sends: stops reading the provider, goes on. */
void fl_attempt_pause(struct fl_attempt *a);
void fl_attempt_resume(struct fl_attempt *a);
void fl_attempt_enter(struct fl_attempt *a, enum fl_attempt_state state);

/* tally.c */
/* What its provider counted so far; not known: zeros. */
const struct fl_usage *fl_attempt_usage(const struct fl_attempt *a);
/* Where the reader of an event puts it, on top of what is there. Then it is kept, if there is any. */
struct fl_usage *fl_attempt_usage_room(struct fl_attempt *a);
void fl_attempt_keep_usage(struct fl_attempt *a);
/* It is about to end so: the exchange's note of it, with its cost as far as that can be known. */
void fl_attempt_note(struct fl_attempt *a, enum fl_err err);

/* pass.c */
void fl_pass_open(struct fl_exchange *x, const struct fl_h1_head *head, struct fl_slice path);
/* The body is whole: whose it is. False: it was refused, the exchange is gone. */
bool fl_pass_read(struct fl_exchange *x);
/* "POST " */
void fl_pass_put_method(const struct fl_pass *p, struct fl_buf *b);
/* The provider's body; *storage* lives as long. */
void fl_pass_write(const struct fl_attempt *a, struct fl_buf *storage, struct fl_request_body *ret_body);
bool fl_pass_is_json(struct fl_slice content_type);
void fl_pass_read_usage(struct fl_slice body, struct fl_usage *usage);

/* cross.c */
/* How the provider is asked: as the client asked, or through a translation, which then has the provider's request.
 * FL_ERR_UNTRANSLATABLE and FL_ERR_REQUEST: x->asking->complaint says why. */
enum fl_err fl_cross(struct fl_attempt *a) FL_CHECK_RESULT;
/* The provider answers with a stream where a whole answer was asked for, or the reverse: its answer goes through a
 * translation, into the same form if need be. FL_ERR_BAD_RESPONSE: there is none for this endpoint. */
enum fl_err fl_cross_answer(struct fl_attempt *a) FL_CHECK_RESULT;
void fl_canonical_destroy(struct fl_canonical *c);

/* unpack.c */
/* The answer's body is compressed. fl_unpack_close() also of one that failed to open, or that was not opened. */
enum fl_err fl_unpack_open(struct fl_attempt *a) FL_CHECK_RESULT;
void fl_unpack_close(struct fl_attempt *a);
/* Its checksum was read and was right. */
bool fl_unpack_done(const struct fl_unpack *u);
/* Before the bytes of a new read. */
void fl_unpack_new_read(struct fl_unpack *u);
/* The next piece of the body from the front of *in*, which lives until the next call; it may be empty. */
enum fl_err fl_unpack_next(struct fl_attempt *a, struct fl_slice *in, struct fl_slice *ret_piece) FL_CHECK_RESULT;
/* Before each piece. True: *in* was kept, leave it; fl_relay_go_on() comes when it is time (*ret_err*: unless it could
 * not be kept). */
bool fl_unpack_waits(struct fl_attempt *a, struct fl_slice in, enum fl_err *ret_err);
/* Takes up what waits. False: nothing does. */
bool fl_unpack_go_on(struct fl_attempt *a, struct fl_slice *ret_in);

/* relay.c */
/* Goes on with what had to wait of a compressed answer. The attempt may be over and freed when it returns. */
void fl_relay_go_on(struct fl_attempt *a);
/* Bytes behind the answer's head. The attempt may be over and freed when these return. */
void fl_relay_bytes(struct fl_attempt *a, struct fl_slice in);
void fl_relay_ended(struct fl_attempt *a, enum fl_err err);

/* reply.c */
/* Head of an answer into worker->out. *length* UINT64_MAX: not known (chunked or until close). */
void fl_reply_head(struct fl_exchange *x, int status, struct fl_slice content_type, uint64_t length);
/* Sends an error envelope in the client's dialect and ends the exchange. */
void fl_reply_error(struct fl_exchange *x, enum fl_err err, struct fl_slice message, const char *param);
/* The same with another status than the error's own. */
void fl_reply_refusal(struct fl_exchange *x, int status, enum fl_err err, struct fl_slice message);
/* Answers how long the request is, by our own estimate, and ends the exchange. */
void fl_reply_token_count(struct fl_exchange *x);
/* Answers with the decision instead of asking anybody (x-fairlead-explain: only), ends the exchange. */
void fl_reply_decision(struct fl_exchange *x);
/* Sends a whole answer without an exchange (endpoints, malformed requests); may close after it. */
void fl_reply_plain(struct fl_session *s, int status, struct fl_slice content_type, struct fl_slice body,
                    bool keep_alive, bool head_only);
void fl_reply_plain_error(struct fl_session *s, enum fl_err err, struct fl_slice message, bool keep_alive);
/* A comment on a waiting stream; sends the head first when none was sent. */
void fl_reply_heartbeat(struct fl_exchange *x);
/* To those who look, before the first content of an attempt that continues: where the stream was joined. */
void fl_reply_put_seam(const struct fl_attempt *a, struct fl_buf *b);
/* Whole events that end a stream, and its end. */
void fl_reply_last_events(struct fl_exchange *x, struct fl_slice events);
/* An SSE error event for a stream whose head is sent. */
void fl_reply_error_event(struct fl_exchange *x, enum fl_err err, struct fl_slice message);

/* "204 No Content", and ends the exchange. */
void fl_reply_no_content(struct fl_exchange *x);

/* replayed.c: what of an exchange its client may come back for. All but the first two need x->replay. */
struct fl_replay_owner fl_replayed_owner(const struct fl_exchange *x);
/* A stream of events begins: if it is to be replayed, and there is room for it, x->replay is set. */
void fl_replayed_begin(struct fl_exchange *x);
/* Whole events on their way to the client, which are kept: they become one piece with our ids, valid during this
 * event of the loop. */
void fl_replayed_stamp(struct fl_exchange *x, struct fl_slice *io_pieces, unsigned *io_count);
/* What comes has no room until somebody reads what there is: the provider waits. */
bool fl_replayed_full(const struct fl_exchange *x);
/* May it go on when its client's connection is gone? */
bool fl_replayed_may_go_on(const struct fl_exchange *x);
void fl_replayed_client_left(struct fl_exchange *x);
/* Somebody has come back and reads it. */
bool fl_replayed_is_read(const struct fl_exchange *x);
/* When it is over without a client, if none comes back. */
uint64_t fl_replayed_due_ns(const struct fl_exchange *x);
/* How often clients left and came back, for the access log. */
void fl_replayed_put_marks(const struct fl_exchange *x, struct fl_buf *b);
/* The exchange ends: x->replay is gone. */
void fl_replayed_end(struct fl_exchange *x, struct fl_replay_outcome outcome);
/* The store may have what is to be forgotten in so long. */
void fl_replays_tend(struct fl_worker *w, uint64_t in_ns);

/* comeback.c */
/* The id of an event behind which the client wants the rest of a stream; empty: it wants something else. */
struct fl_slice fl_comeback_id(const struct fl_worker *w, const struct fl_h1_head *head);
/* Answers with the stream of x->asking->last_event_id, or refuses. */
void fl_comeback_start(struct fl_exchange *x);
/* Its client can take more. */
void fl_comeback_go_on(struct fl_exchange *x);
/* The id of the request that made the stream. */
struct fl_slice fl_comeback_stream_id(const struct fl_exchange *x);
void fl_comeback_end(struct fl_exchange *x);

/* feedback.c */
/* Takes the score in the body, answers, ends the exchange. */
void fl_feedback_answer(struct fl_exchange *x);

/* responses.c */
/* Answers GET and DELETE of a response that is kept. *path*: behind "/responses/"; *key* NULL: none was asked for. */
void fl_responses_answer(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path,
                         const struct fl_client_key *key);

/* admin.c */
/* *path*: behind "/admin/v1/providers/". The caller has checked who asks. */
void fl_admin_providers(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path);

/* accesslog.c */
void fl_access_log(struct fl_exchange *x, int status, enum fl_err err);

/* health.c */
struct fl_health_checks *fl_health_checks_create(struct fl_worker *w);
void fl_health_checks_destroy(struct fl_health_checks *h);
/* The configuration changed: runs by the new one. */
void fl_health_checks_adopt(struct fl_health_checks *h);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the simulated provider: provider.c (life, outages, connections), provider_ask.c (what a
 * request wants), provider_reply.c (right
 * answers), provider_body.c (their JSON), provider_dialects.c (that of other dialects), provider_misdeed.c (wrong ones), provider_slots.c (waiting
 * for a slot).
 *
 * A connection:  HEAD -> BODY -> WAIT -> (STREAM ->) HEAD ...      one request at a time; what is
 *                                `-> FLOOD | MUTE                  pipelined waits in `in`
 */
#ifndef FL_SIM_PROVIDER_IMPL_H
#define FL_SIM_PROVIDER_IMPL_H

#include "base/list.h"
#include "base/rng.h"
#include "codec/http1.h"
#include "codec/json.h"
#include "sim/provider.h"

enum {
    SIM_REPLY_BYTES_MAX = 256 << 20, /* more than the largest embeddings */
    SIM_INPUTS_MAX = 2048,           /* of one request to embeddings */
    SIM_DIMENSIONS_MAX = 4096,
    SIM_KEYS_MAX = 8
};

enum sim_endpoint { SIM_UNKNOWN, SIM_CHAT, SIM_COMPLETIONS, SIM_EMBEDDINGS, SIM_MODELS, SIM_MODEL };

/* What a request wants. Spans point into the connection's body. */
struct sim_ask {
    enum sim_endpoint endpoint;
    enum fl_h1_method method;
    bool stream, include_usage, base64;
    const struct fl_sim_model *model;
    uint64_t tokens_max; /* FL_NEVER: as many as it wants */
    uint64_t dimensions;
    uint64_t prompt_tokens;
    struct fl_json input; /* of embeddings */
};

/* Why a request is refused: status 0 = it is not. */
struct sim_problem {
    int status;
    const char *type, *code, *param; /* code and param may be NULL */
    const char *message;
};

enum sim_phase { SIM_HEAD, SIM_BODY, SIM_WAIT, SIM_STREAM, SIM_FLOOD, SIM_MUTE };

struct sim_conn {
    struct fl_list link; /* in provider->conns */
    struct fl_simprovider *provider;
    struct fl_stream *stream;
    enum sim_phase phase;
    struct fl_buf in;
    size_t scanned;
    struct fl_buf head;    /* of the request, as it came */
    struct fl_buf content; /* its body, decoded */
    struct fl_h1_body body;
    struct fl_timer timer;
    bool keep_alive, chunked, authorised, paused;
    struct sim_key *key; /* whose limits count */
    /* the request being answered */
    bool busy;
    bool begun; /* the head of a streamed answer is out */
    bool held;  /* what is due is held back by a stall */
    struct sim_ask ask;
    enum fl_sim_misdeed misdeed;
    uint64_t serial, asked_ns;
    struct fl_buf prompt, text;
    struct fl_buf beginning; /* the last message, where it is the assistant's */
    size_t text_at;
    uint64_t tokens, tokens_total;
    const char *finish_reason;
    uint64_t said_bytes; /* of the answer so far */
    struct sim_job *job; /* in a slot or waiting for one; NULL: there is no limit, or it is over */
    struct fl_slice flood; /* what is sent again and again */
    uint64_t flooded;      /* bytes of it sent */
};

/* A request's work. It outlives its connection at a deaf provider. */
struct sim_job {
    struct fl_list link; /* in provider->waiting, or provider->deserted, or alone */
    struct fl_simprovider *provider;
    struct sim_conn *conn; /* NULL: its client went away */
    bool working;          /* holds a slot */
    uint64_t first_ns;     /* from the slot to the first token, or the whole plain answer */
    uint64_t rest_ns;      /* and to the last one */
    uint64_t end_ns;       /* while it works */
    struct fl_timer timer; /* of a deserted one: its end */
};

/* A generic cell rate bucket of a minute's burst. */
struct sim_bucket {
    uint64_t full_ns; /* when it will be full again */
};

struct sim_key {
    uint64_t hash; /* of Authorization; 0: not in use */
    struct sim_bucket requests, tokens;
};

struct fl_simprovider {
    struct fl_sys *sys;
    struct fl_simprovider_options options;
    struct fl_addr addr;
    struct fl_listener *listener;
    struct fl_list conns;
    struct fl_rng rng;
    struct fl_simprovider_stats stats;
    struct fl_sim_misdeeds misdeeds;
    struct fl_timer edge; /* the next beginning or end of an outage */
    uint64_t start_ns;
    struct fl_sim_outage manual; /* at_ns counts from start_ns, as those planned */
    enum fl_sim_outage_kind state;
    struct sim_key keys[SIM_KEYS_MAX];
    struct fl_sim_refusals refusals;
    unsigned pace_permille;
    unsigned slots_taken;
    struct fl_list waiting, deserted; /* of struct sim_job */
    struct fl_buf out; /* one message while it is built */
    fl_simprovider_watch_fn *watch;
    void *watch_owner;
};

/* provider.c. All that return bool say whether the connection still exists. */
void sim_drop(struct sim_conn *c, enum fl_close how);
bool sim_send(struct sim_conn *c, const struct fl_slice *pieces, unsigned count);
bool sim_send_out(struct sim_conn *c); /* provider->out, which is then empty */
/* The answer is complete: ready for the next request, or closed. */
bool sim_done(struct sim_conn *c);
/* When the stall that goes on now ends; 0: there is none. */
uint64_t sim_stall_end_ns(const struct fl_simprovider *p);

/* provider_ask.c */
enum sim_endpoint sim_endpoint(struct fl_slice path);
/* Fills ask and the connection's prompt from the body. */
struct sim_problem sim_read_ask(struct sim_conn *c);
/* *content*: the member that holds a message's text or parts. */
struct sim_problem sim_read_messages(struct sim_conn *c, struct fl_json messages,
                                     const char *content);

/* provider_reply.c */
/* Status line and headers up to where the framing goes, into provider->out. */
void sim_put_head(struct sim_conn *c, int status, const char *content_type);
void sim_put_length(struct fl_buf *out, uint64_t length);
bool sim_reply_problem(struct sim_conn *c, const struct sim_problem *problem);
bool sim_reply_limited(struct sim_conn *c, uint64_t wait_ns);
bool sim_reply_models(struct sim_conn *c);
/* *wait_ns* 0: without a hint when to come again. */
bool sim_reply_refusal(struct sim_conn *c, const struct sim_problem *problem, uint64_t wait_ns);
/* Draws the answer and when it is due; the timer is set then. */
bool sim_prepare(struct sim_conn *c);
/* The timer has fired: sends what is due now. */
bool sim_begin(struct sim_conn *c);
bool sim_go_on(struct sim_conn *c);
/* One piece of a streamed body, framed; provider->out holds it. */
bool sim_send_chunk(struct sim_conn *c);
bool sim_end_chunks(struct sim_conn *c);
/* 0: taken; else how long until *count* would fit. */
uint64_t sim_bucket_take(struct fl_simprovider *p, struct sim_bucket *b, uint64_t limit,
                         uint64_t count);

/* Some wait for the next token. */
uint64_t sim_paced(const struct sim_conn *c, uint64_t ns);

/* provider_slots.c */
/* The answer may begin *first_ns* after its work does, which is now or when a slot is free: sets
 * the connection's timer then. False: no memory, and the connection is gone. */
bool sim_job_begin(struct sim_conn *c, uint64_t first_ns, uint64_t rest_ns);
/* The connection's work is over: done, or its client went away. */
void sim_job_end(struct sim_conn *c, bool done);
void sim_jobs_finish(struct fl_simprovider *p);

/* provider_body.c */
void sim_put_string(struct fl_buf *b, const char *text); /* NULL: null */
void sim_put_completion(const struct sim_conn *c, struct fl_buf *b);
void sim_put_embeddings(const struct sim_conn *c, struct fl_buf *b);
/* One event into provider->out: *key* (of a delta) and *token*, both left out when key is NULL. */
void sim_put_event(const struct sim_conn *c, const char *key, struct fl_slice token,
                   const char *finish);
void sim_put_usage_event(const struct sim_conn *c, struct fl_buf *out);

/* provider_dialects.c: all but OpenAI's */
enum sim_endpoint sim_dialect_endpoint(enum fl_sim_dialect dialect, struct fl_slice path);
/* The key that a request shows; empty: none. */
struct fl_slice sim_dialect_key(enum fl_sim_dialect dialect, const struct fl_h1_head *head);
struct sim_problem sim_dialect_read(struct sim_conn *c);
const char *sim_dialect_stream_type(enum fl_sim_dialect dialect);
void sim_dialect_put_answer(const struct sim_conn *c, struct fl_buf *b);
/* Frames into provider->out; the first may be none. */
void sim_dialect_put_first(const struct sim_conn *c);
void sim_dialect_put_token(const struct sim_conn *c, struct fl_slice token);
void sim_dialect_put_last(const struct sim_conn *c);
void sim_dialect_put_problem(enum fl_sim_dialect dialect, const struct sim_problem *p,
                             uint64_t wait_ns, struct fl_buf *b);
/* Head fields of an error, as lines. */
void sim_dialect_put_problem_fields(enum fl_sim_dialect dialect, const struct sim_problem *p,
                                    struct fl_buf *b);

/* provider_misdeed.c */
enum fl_sim_misdeed sim_draw_misdeed(struct sim_conn *c);
/* Instead of a right answer, at the time that would be due. *ret_done false: answer as usual (the
 * misdeed comes later). */
bool sim_misdeed_begin(struct sim_conn *c, bool *ret_done);
/* Before the token at which a misdeed in a stream is due. *ret_done as above. */
bool sim_misdeed_stream(struct sim_conn *c, bool *ret_done);
bool sim_flood(struct sim_conn *c);
/* Sends of an answer that is to break at a byte what comes before it, and breaks. False as
 * sim_send(): the caller is done with the connection. */
bool sim_send_broken(struct sim_conn *c, const struct fl_slice *pieces, unsigned count);
/* The nonsense of WRONG_USAGE. */
#define SIM_WRONG_USAGE                                                                            \
    "\"usage\":{\"prompt_tokens\":18446744073709551615,\"completion_tokens\":-5,"                  \
    "\"total_tokens\":\"many\"}"

#endif

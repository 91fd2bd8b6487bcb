/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request for a response has to do with earlier ones (server/memory.h): what it refers to is
 * put into its body before anybody reads it, and its translated answer is kept.
 */
#ifndef FL_SERVER_RECALL_H
#define FL_SERVER_RECALL_H

#include "codec/sse.h"
#include "config/config.h"
#include "dialect/wire.h"
#include "server/memory.h"

struct fl_exchange;
struct fl_worker;

/* Of one exchange, in its arena; NULL where it has nothing to do with earlier ones. */
struct fl_recall {
    struct fl_keeper keeper; /* of its answer */
    struct fl_exchange *exchange;
    struct fl_slice previous; /* the response it goes on from; empty: none that the gateway made */
    bool expanded;            /* the body says more than the client sent: */
    struct fl_buf input;      /* that; empty: too long to be kept */
    bool retained; /* the same, of an answer that comes through and its provider does not keep */
    struct fl_slice foreign; /* an id that only the provider who made it can resolve; or empty */
    struct fl_slice maker;   /* that provider's name; empty: not known */
};

/* The body is whole: puts into it what it refers to. False: it was refused, the exchange is gone. */
bool fl_recall_read(struct fl_exchange *x);
void fl_recall_finish(struct fl_recall *r); /* NULL is fine */
/* Only targets that can resolve what it refers to may be asked. False: no memory. */
bool fl_recall_demand(struct fl_exchange *x, struct fl_route_request *request);
/* Why there is no such target, in words for the client; or nothing. */
void fl_recall_put_refusal(const struct fl_exchange *x, struct fl_buf *b);
/* Keeps the translated answer to *request*; NULL: there is nothing to keep or to tell. */
struct fl_keeper *fl_recall_keeper(struct fl_exchange *x, const struct fl_chat_request *request);
/* A response that comes through from its provider, by its events or whole: who keeps it is remembered. One that says
 * "store": false though the client did not, as servers without a memory do, is kept here. */
void fl_recall_note_event(struct fl_exchange *x, struct fl_slice maker,
                          const struct fl_sse_event *event);
void fl_recall_note_answer(struct fl_exchange *x, struct fl_slice maker, struct fl_slice response);

/* For endpoints without an exchange. *key* NULL: none was asked for. */
struct fl_memory_asker fl_recall_asker(struct fl_worker *w, const struct fl_config *config,
                                       const struct fl_client_key *key);
/* That an id is not (or no longer) here, and what to do. *err* is as fl_memory_put_*() gave it. */
void fl_recall_put_gone(enum fl_err err, struct fl_slice id, const struct fl_config *config,
                        struct fl_buf *b);

#endif

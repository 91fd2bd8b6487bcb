/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the gateway is to a provider, where a key in a head field does not say it: tokens that are
 * fetched, and signatures of AWS.
 *
 * What was fetched belongs to the snapshot and is shared by its workers. The first request that finds
 * none, or finds it about to expire, has its own worker fetch it; the worker that did fetches it again
 * before it expires, as long as the configuration is current. A token that still holds is used
 * meanwhile; without one, requests wait, at most as long as they would for a connection.
 */
#ifndef FL_SERVER_CREDENTIALS_H
#define FL_SERVER_CREDENTIALS_H

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

struct fl_conn_wait;
struct fl_credentials; /* of one provider of a snapshot */
struct fl_fetcher;     /* of one provider's pool on one worker */
struct fl_pool;

/* *ret* is NULL when nothing need be fetched. FL_ERR_CONFIG: the key file or the CA is not valid. */
enum fl_err fl_credentials_create(const struct fl_provider *provider, struct fl_credentials **ret,
                                  struct fl_reterr *reterr) FL_CHECK_RESULT;
void fl_credentials_destroy(struct fl_credentials *c);

/* For a pool whose provider has credentials to fetch; NULL without memory. */
struct fl_fetcher *fl_fetcher_create(struct fl_pool *pool);
void fl_fetcher_destroy(struct fl_fetcher *f);

/* FL_OK: a request can be sent. FL_ERR_OVERLOADED: they are being fetched, wait. Else why there are
 * none. */
enum fl_err fl_credentials_ready(struct fl_pool *pool) FL_CHECK_RESULT;
/* *wait*->ready() comes when it is worth asking again; leave by fl_list_remove(). */
void fl_credentials_wait(struct fl_pool *pool, struct fl_conn_wait *wait);

/* What is signed of a request. */
struct fl_signed_request {
    struct fl_slice method;
    struct fl_slice path; /* as sent, with its query */
    struct fl_slice content_type;
    const struct fl_slice *body;
    unsigned body_count;
};
/* Appends the head fields, as lines; nothing where the pool's own fields say it all. */
enum fl_err fl_credentials_put(struct fl_pool *pool, const struct fl_signed_request *request,
                               struct fl_buf *b) FL_CHECK_RESULT;

#endif

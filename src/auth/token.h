/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that must be fetched before a provider can be asked: what to send to whom, and what its
 * answer says. Pure: the caller has the connections and the clock.
 *
 *   source              fetched                                              steps
 *   GOOGLE_ACCOUNT      an assertion, signed with the account's key, for a   1
 *                       bearer token
 *   GOOGLE_METADATA     the machine's own service account: bearer token      1
 *   ENTRA               a client secret for a bearer token (Azure)           1
 *   AWS_WEB_IDENTITY    a token of the cluster for keys of a role            1
 *   AWS_CONTAINER       keys of the task's role                              1
 *   AWS_IMDS            a session, the role's name, its keys                 3
 *
 *   begin -> (request -> answer -> take)* -> done: *token*   or an error: fetch again later, from begin
 */
#ifndef FL_AUTH_TOKEN_H
#define FL_AUTH_TOKEN_H

#include "auth/jwt.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/url.h"

enum fl_token_kind {
    FL_TOKEN_GOOGLE_ACCOUNT,
    FL_TOKEN_GOOGLE_METADATA,
    FL_TOKEN_ENTRA,
    FL_TOKEN_AWS_WEB_IDENTITY,
    FL_TOKEN_AWS_CONTAINER,
    FL_TOKEN_AWS_IMDS
};

/* What is fetched with; the slices outlive every fetch. *endpoint* says whom to ask; where a source has
 * paths of its own (metadata, IMDS), its path stands before them. */
struct fl_token_source {
    enum fl_token_kind kind;
    struct fl_url endpoint;
    struct fl_slice host_header;              /* host[:port] */
    struct fl_service_account account;        /* GOOGLE_ACCOUNT */
    struct fl_slice scope;                    /* GOOGLE_ACCOUNT, ENTRA */
    struct fl_slice client_id, client_secret; /* ENTRA */
    struct fl_slice role;                     /* AWS_WEB_IDENTITY: its ARN */
    struct fl_slice
        proof; /* AWS_WEB_IDENTITY: the cluster's token; AWS_CONTAINER: value of authorization,
                              may be empty */
};

enum { FL_TOKEN_BYTES_MAX = 16 * 1024 };

/* What was fetched, in its own memory. A bearer token, or keys of AWS. */
struct fl_token {
    struct fl_buf memory;
    struct fl_slice bearer;
    struct fl_slice access_key, secret_key, session_token;
    uint64_t expires_s; /* Unix time; 0: not known */
};
void fl_token_init(struct fl_token *token);
/* Wipes it. */
void fl_token_finish(struct fl_token *token);

struct fl_token_fetch {
    const struct fl_token_source *source;
    unsigned step;
    struct fl_buf kept; /* IMDS: the session's token, and the role's name behind it */
    size_t session_bytes;
};
void fl_token_fetch_begin(struct fl_token_fetch *fetch, const struct fl_token_source *source);
/* Wipes it. */
void fl_token_fetch_finish(struct fl_token_fetch *fetch);
/* Appends the next request, head and body. */
enum fl_err fl_token_fetch_put(struct fl_token_fetch *fetch, uint64_t now_s,
                               struct fl_buf *b) FL_CHECK_RESULT;
/* Takes its answer. *ret_done*: *token* holds what was fetched; else put the next request.
 * FL_ERR_UPSTREAM_AUTH: refused; FL_ERR_BAD_RESPONSE: not understood; FL_ERR_SERVER: try later. */
enum fl_err fl_token_fetch_take(struct fl_token_fetch *fetch, int status, struct fl_slice body,
                                uint64_t now_s, struct fl_token *token,
                                bool *ret_done) FL_CHECK_RESULT;

/* When to fetch anew: a while before it expires, Unix time. */
uint64_t fl_token_refresh_s(const struct fl_token *token, uint64_t now_s);

#endif

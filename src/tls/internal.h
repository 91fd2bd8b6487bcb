/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of tls share. context.c makes OpenSSL's contexts out of PEM, session.c remembers
 * sessions to resume, filter.c is the stream. A context is used by all workers: its SSL_CTX is not
 * changed after it is made, its sessions are under a mutex.
 */
#ifndef FL_TLS_INTERNAL_H
#define FL_TLS_INTERNAL_H

#include "tls/tls.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#define FL_TLS_SESSIONS_MAX     32 /* a context */
#define FL_TLS_SESSIONS_KEY_MAX 4  /* of one host and port */

struct fl_tls_slot {
    char *key; /* "host:port"; NULL: free */
    SSL_SESSION *session;
    uint64_t order; /* of coming: the newest is offered first */
};

struct fl_tls_sessions {
    pthread_mutex_t mutex;
    uint64_t order;
    struct fl_tls_slot slots[FL_TLS_SESSIONS_MAX];
};

struct fl_tls {
    atomic_uint refs;
    SSL_CTX *ctx;
    BIO_METHOD *bio; /* of the filter: no buffer of its own */
    struct fl_tls_sessions sessions;
    bool server;
};

bool fl_tls_sessions_init(struct fl_tls_sessions *s);
void fl_tls_sessions_finish(struct fl_tls_sessions *s);
/* Copies *session*: a connection goes on changing its own. */
void fl_tls_sessions_put(struct fl_tls_sessions *s, const char *key, const SSL_SESSION *session);
/* A copy for one connection, or NULL. A ticket should be used once (RFC 8446, C.4); but the last
 * one of a host stays, as a burst of new connections is better resumed with one ticket than not at
 * all. */
SSL_SESSION *fl_tls_sessions_take(struct fl_tls_sessions *s, const char *key);
/* A handshake that offered one failed: offer none of them again. */
void fl_tls_sessions_drop(struct fl_tls_sessions *s, const char *key);

/* filter.c: for the contexts. */
BIO_METHOD *fl_tls_bio_create(void);
int fl_tls_on_session(SSL *ssl, SSL_SESSION *session);

#endif

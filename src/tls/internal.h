/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of tls share. context.c makes OpenSSL's contexts out of PEM, session.c remembers
 * sessions to resume, filter.c is the stream, open.c makes it. A context is used by all workers:
 * its SSL_CTX is not changed after it is made, its sessions are under a mutex.
 */
#ifndef FL_TLS_INTERNAL_H
#define FL_TLS_INTERNAL_H

#include "base/buf.h"
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

/* filter.c */

struct fl_tls_stream {
    struct fl_stream base;
    struct fl_sys *sys;
    struct fl_tls *tls;
    struct fl_stream *lower;
    SSL *ssl;
    struct fl_slice in;    /* ciphertext to be read next: of the lower's read, or in held */
    char *held;            /* heap */
    struct fl_buf early;   /* written before opened */
    struct fl_timer timer; /* goes on reading after resume() */
    const char *failure;
    unsigned busy;
    enum fl_err write_err;
    bool opened, ended, closed; /* told, told, by the owner */
    bool paused;                /* by the owner */
    bool lower_paused;
    bool more;       /* reading stopped at a pause, not for want of ciphertext */
    bool waits;      /* the owner has seen queued > 0 and is owed drained() */
    bool finishing;  /* FIN as soon as opened */
    bool failed;     /* OpenSSL must not be asked again */
    bool resumed;    /* an old session */
    bool offered;    /* one was offered */
    bool plain_http; /* the first bytes are those of an HTTP answer */
    char key[];      /* "host:port" of a client's stream */
};

extern const struct fl_stream_ops fl_tls_ops;
extern const struct fl_stream_events fl_tls_lower_events;
/* What is left of one whose lower stream is closed or was never there. */
void fl_tls_stream_free(struct fl_tls_stream *t);
fl_timer_fn fl_tls_on_timer;

/* For the contexts. */
BIO_METHOD *fl_tls_bio_create(void);
int fl_tls_on_session(SSL *ssl, SSL_SESSION *session);

#endif

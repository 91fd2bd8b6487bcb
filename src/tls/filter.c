/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS stream: owner of the stream below, stream of its own owner.
 *
 *   lower.opened -> handshake -> opened(FL_OK) -> bytes* -> ended
 *                           `-> opened(FL_ERR_TLS)            (why: fl_tls_failure)
 *
 * OpenSSL gets its ciphertext through a BIO that reads in place from the bytes the lower stream has
 * just given (`in`) and writes straight to the lower stream: nothing is buffered in between. Only
 * when the owner pauses amid a lower read is the rest of it copied (`held`, one read at most), as
 * the lower stream is paused then too; after resume() a zero timer goes on with it.
 *
 * The owner may close the stream inside any of its events: `busy` counts the frames of ours that
 * are on the stack, and the last one out frees.
 */
#include "tls/internal.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_BYTES  32768 /* of decrypted bytes for one call of the owner's bytes() */
#define RECORD_BYTES 16384 /* the most in one record */
/* Of handshake messages, key updates and alerts: what may wait in the lower stream. */
#define ANSWERS_MAX 131072

struct tls_stream {
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
    size_t answers_bytes; /* written by OpenSSL on its own since the lower queue was empty */
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
    bool in_read;
    char key[]; /* "host:port" of a client's stream */
};

static const struct fl_stream_ops tls_ops;

static struct tls_stream *stream_of(struct fl_stream *s)
{
    return fl_container_of(s, struct tls_stream, base);
}

/* The BIO */

static int bio_read(BIO *bio, char *ret_bytes, size_t size, size_t *ret_count)
{
    struct tls_stream *t = BIO_get_data(bio);
    size_t n = size < t->in.len ? size : t->in.len;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(ret_bytes, t->in.ptr, n);
    t->in = fl_slice_from(t->in, n);
    *ret_count = n;
    return 1;
}

/* Takes all: the lower stream queues. Its failure is kept for write(); OpenSSL is not to know. */
static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *ret_count)
{
    struct tls_stream *t = BIO_get_data(bio);
    struct fl_slice piece = fl_slice(bytes, count);
    BIO_clear_retry_flags(bio);
    if (t->in_read) {
        t->answers_bytes = t->lower->queued > 0 ? t->answers_bytes + count : count;
        if (t->answers_bytes > ANSWERS_MAX) {
            return 0; /* a peer that makes us answer and does not read */
        }
    }
    if (t->write_err == FL_OK) {
        t->write_err = fl_stream_write(t->lower, &piece, 1);
    }
    *ret_count = count;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *fl_tls_bio_create(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fairlead");
    if (method && BIO_meth_set_read_ex(method, bio_read) == 1 &&
        BIO_meth_set_write_ex(method, bio_write) == 1 && BIO_meth_set_ctrl(method, bio_ctrl) == 1 &&
        BIO_meth_set_create(method, bio_create) == 1) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

int fl_tls_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_stream *t = SSL_get_app_data(ssl);
    fl_tls_sessions_put(&t->tls->sessions, t->key, session);
    return 0; /* we keep a copy, not the reference */
}

/* Life */

static void drop_held(struct tls_stream *t)
{
    free(t->held);
    t->held = NULL;
    t->in = FL_EMPTY;
}

static void stream_free(struct tls_stream *t)
{
    fl_timers_stop(&t->sys->timers, &t->timer);
    if (t->ssl) {
        /* Marked as shut down, else OpenSSL spoils the session for others. */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(t->ssl);
    }
    drop_held(t);
    fl_buf_finish(&t->early);
    fl_tls_unref(t->tls);
    free(t);
}

static void leave(struct tls_stream *t)
{
    if (--t->busy == 0 && t->closed) {
        stream_free(t);
    }
}

/* Events to the owner */

static void give_end(struct tls_stream *t, enum fl_err err)
{
    if (!t->ended && !t->closed) {
        t->ended = true;
        t->base.on->ended(t->base.owner, err);
    }
}

static void give_drained(struct tls_stream *t)
{
    if (t->waits && !t->closed && t->base.queued == 0) {
        t->waits = false;
        t->base.on->drained(t->base.owner);
    }
}

static const char *reason(const struct tls_stream *t)
{
    long verified = t->tls->server ? X509_V_OK : SSL_get_verify_result(t->ssl);
    unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);
    if (verified != X509_V_OK) {
        return X509_verify_cert_error_string(verified);
    }
    if (t->plain_http) {
        return "the server answers in plain HTTP";
    }
    return text ? text : "protocol error";
}

static void fail(struct tls_stream *t, const char *failure)
{
    t->failure = failure;
    t->failed = true;
    drop_held(t);
    ERR_clear_error();
    if (t->opened) {
        give_end(t, FL_ERR_TLS);
        return;
    }
    if (t->offered) {
        fl_tls_sessions_drop(&t->tls->sessions, t->key);
    }
    t->write_err = FL_ERR_TLS;
    t->ended = true; /* nothing but close() comes after opened(err) */
    t->base.on->opened(t->base.owner, FL_ERR_TLS);
}

/* Writing */

static enum fl_err encrypt(struct tls_stream *t, struct fl_slice bytes)
{
    size_t n = 0;
    ERR_clear_error();
    if (SSL_write_ex(t->ssl, bytes.ptr, bytes.len, &n) != 1) {
        t->write_err = FL_ERR_TLS;
        ERR_clear_error();
    }
    return t->write_err;
}

/* Small pieces share a record. */
static enum fl_err encrypt_pieces(struct tls_stream *t, const struct fl_slice *pieces,
                                  unsigned count)
{
    char record[RECORD_BYTES];
    size_t len = 0;
    for (unsigned i = 0; i < count && t->write_err == FL_OK; i++) {
        struct fl_slice rest = pieces[i];
        while (rest.len > 0 && t->write_err == FL_OK) {
            if (len == 0 && (rest.len >= RECORD_BYTES || i + 1 == count)) {
                size_t whole =
                    rest.len < RECORD_BYTES ? rest.len : rest.len / RECORD_BYTES * RECORD_BYTES;
                (void)encrypt(t, fl_slice_first(rest, whole));
                rest = fl_slice_from(rest, whole);
                continue;
            }
            struct fl_slice part = fl_slice_first(rest, RECORD_BYTES - len);
            memcpy(record + len, part.ptr, part.len);
            len += part.len;
            rest = fl_slice_from(rest, part.len);
            if (len == RECORD_BYTES) {
                (void)encrypt(t, fl_slice(record, len));
                len = 0;
            }
        }
    }
    return len > 0 && t->write_err == FL_OK ? encrypt(t, fl_slice(record, len)) : t->write_err;
}

static void mirror_queue(struct tls_stream *t)
{
    t->base.queued = t->lower->queued;
    t->waits = t->waits || t->base.queued > 0;
}

static enum fl_err tls_write(struct fl_stream *s, const struct fl_slice *pieces, unsigned count)
{
    struct tls_stream *t = stream_of(s);
    fl_assert(!t->closed && !t->finishing);
    if (t->write_err != FL_OK) {
        return t->write_err;
    }
    if (t->opened) {
        enum fl_err err = encrypt_pieces(t, pieces, count);
        mirror_queue(t);
        return err;
    }
    for (unsigned i = 0; i < count; i++) {
        fl_buf_put(&t->early, pieces[i]);
    }
    if (!fl_buf_ok(&t->early)) {
        t->write_err = FL_ERR_NOMEM;
    }
    t->base.queued = t->early.len;
    t->waits = t->waits || t->base.queued > 0;
    return t->write_err;
}

static void send_close_notify(struct tls_stream *t)
{
    if (t->opened && !t->failed && t->write_err == FL_OK) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
        ERR_clear_error();
    }
}

static void finish_now(struct tls_stream *t)
{
    send_close_notify(t);
    t->lower->ops->finish(t->lower);
}

static void tls_finish(struct fl_stream *s)
{
    struct tls_stream *t = stream_of(s);
    fl_assert(!t->closed && !t->finishing);
    t->finishing = true;
    if (t->opened) {
        finish_now(t);
    }
}

/* Handshake */

static bool alpn_fits(const struct tls_stream *t)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(t->ssl, &chosen, &len);
    return len == 0 || fl_slice_eq(fl_slice((const char *)chosen, len), FL_LIT("http/1.1"));
}

static void handshake_done(struct tls_stream *t)
{
    if (!alpn_fits(t)) {
        fail(t, "the server chose a protocol that was not offered");
        return;
    }
    t->opened = true;
    t->resumed = SSL_session_reused(t->ssl) == 1;
    if (t->early.len > 0) {
        struct fl_slice early = fl_buf_slice(&t->early);
        (void)encrypt_pieces(t, &early, 1); /* a failure is told by the next write */
        fl_buf_finish(&t->early);
        mirror_queue(t);
    }
    if (t->finishing) {
        finish_now(t);
    }
    t->base.on->opened(t->base.owner, FL_OK);
    give_drained(t);
}

static void handshake(struct tls_stream *t)
{
    ERR_clear_error();
    t->in_read = true;
    int done = SSL_do_handshake(t->ssl);
    t->in_read = false;
    if (done == 1) {
        handshake_done(t);
    } else if (SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ) {
        fail(t, reason(t));
    }
}

/* Reading */

/* Decrypts what there is, up to *size*: SSL_ERROR_NONE when there may be more, else why it stopped.
 */
static int decrypt(struct tls_stream *t, char *plain, size_t size, size_t *ret_len)
{
    int status = SSL_ERROR_NONE;
    size_t len = 0, n = 0;
    ERR_clear_error();
    t->in_read = true;
    while (len < size && status == SSL_ERROR_NONE) {
        int ok = SSL_read_ex(t->ssl, plain + len, size - len, &n);
        if (ok == 1) {
            len += n;
        } else {
            status = SSL_get_error(t->ssl, ok);
        }
    }
    t->in_read = false;
    *ret_len = len;
    return status;
}

/* The status of decrypt() stays so when asked again, so that an end met while the owner pauses
 * waits. */
static void read_plain(struct tls_stream *t)
{
    char plain[PLAIN_BYTES];
    t->more = true;
    while (t->more && !t->paused && !t->closed && !t->ended) {
        size_t len = 0;
        int status = decrypt(t, plain, sizeof(plain), &len);
        bool broken = status == SSL_ERROR_SSL || status == SSL_ERROR_SYSCALL;
        if (broken && !t->failure) {
            t->failure = reason(t);
        }
        t->more = status != SSL_ERROR_WANT_READ;
        if (len > 0) {
            t->base.on->bytes(t->base.owner, fl_slice(plain, len));
        } else if (broken) {
            fail(t, t->failure);
        } else if (status == SSL_ERROR_ZERO_RETURN) {
            give_end(t, FL_OK);
        }
    }
}

/* Keeps the rest of a lower read beyond its call. */
static bool hold(struct tls_stream *t)
{
    if (t->in.len == 0 || t->ended) {
        drop_held(t);
        return true;
    }
    if (t->held) {
        return true; /* it is in there already */
    }
    t->held = malloc(t->in.len);
    if (!t->held) {
        return false;
    }
    memcpy(t->held, t->in.ptr, t->in.len);
    t->in.ptr = t->held;
    return true;
}

/* The lower stream reads when more ciphertext is wanted. */
static void steer_lower(struct tls_stream *t)
{
    bool pause = t->opened && !t->ended && (t->paused || t->more);
    if (pause != t->lower_paused) {
        t->lower_paused = pause;
        if (pause) {
            t->lower->ops->pause(t->lower);
        } else {
            t->lower->ops->resume(t->lower);
        }
    }
}

/* Goes as far as the ciphertext in `in` and the owner allow. */
static void pump(struct tls_stream *t)
{
    t->busy++;
    if (!t->opened && !t->ended) {
        handshake(t);
    }
    if (t->opened && !t->ended && !t->closed) {
        read_plain(t);
    }
    if (!t->closed && !hold(t)) {
        drop_held(t);
        t->more = false;
        give_end(t, FL_ERR_NOMEM);
    }
    if (!t->closed) {
        steer_lower(t);
    }
    leave(t);
}

static void on_timer(struct fl_timer *timer)
{
    pump(fl_container_of(timer, struct tls_stream, timer));
}

static void tls_pause(struct fl_stream *s)
{
    struct tls_stream *t = stream_of(s);
    fl_assert(!t->closed);
    t->paused = true;
    if (t->busy == 0) {
        steer_lower(t);
    }
}

static void tls_resume(struct fl_stream *s)
{
    struct tls_stream *t = stream_of(s);
    fl_assert(!t->closed);
    t->paused = false;
    if (t->busy > 0) {
        return; /* pump goes on, or steers at its end */
    }
    if (t->more) {
        fl_sys_timer_in(t->sys, &t->timer, 0);
    } else {
        steer_lower(t);
    }
}

/* Events from below */

static void lower_opened(void *owner, enum fl_err err)
{
    struct tls_stream *t = owner;
    if (err == FL_OK) {
        pump(t); /* the client speaks first */
        return;
    }
    t->busy++;
    t->ended = true;
    t->write_err = err;
    t->base.on->opened(t->base.owner, err);
    leave(t);
}

static void lower_bytes(void *owner, struct fl_slice bytes)
{
    struct tls_stream *t = owner;
    if (t->ended) {
        return;
    }
    fl_assert(t->in.len == 0 && !t->held);
    if (!t->opened && SSL_get_state(t->ssl) == TLS_ST_CW_CLNT_HELLO) {
        t->plain_http = fl_slice_starts(bytes, FL_LIT("HTTP/"));
    }
    t->in = bytes;
    pump(t);
}

/* FIN without close_notify is common among real servers; HTTP's framing tells a cut answer. */
static void lower_ended(void *owner, enum fl_err err)
{
    struct tls_stream *t = owner;
    t->busy++;
    if (t->opened) {
        give_end(t, err);
    } else if (!t->ended) {
        fail(t, err == FL_OK ? "the connection was closed in the handshake"
                             : "the connection was reset in the handshake");
    }
    leave(t);
}

static void lower_drained(void *owner)
{
    struct tls_stream *t = owner;
    t->busy++;
    if (t->opened) {
        t->base.queued = 0;
        give_drained(t);
    }
    leave(t);
}

static const struct fl_stream_events lower_events = {
    .opened = lower_opened, .bytes = lower_bytes, .ended = lower_ended, .drained = lower_drained};

/* Closing */

static void tls_close(struct fl_stream *s, enum fl_close how)
{
    struct tls_stream *t = stream_of(s);
    fl_assert(!t->closed);
    t->closed = true;
    if (how != FL_CLOSE_RESET && !t->finishing) {
        send_close_notify(t);
    }
    if (how == FL_CLOSE_NOW && t->failed) {
        how = FL_CLOSE_FLUSH; /* the peer should get to read our alert */
    }
    fl_stream_close(t->lower, how);
    t->lower = NULL;
    t->busy++;
    leave(t);
}

static const struct fl_stream_ops tls_ops = {.write = tls_write,
                                             .pause = tls_pause,
                                             .resume = tls_resume,
                                             .finish = tls_finish,
                                             .close = tls_close};

/* Making */

static struct tls_stream *stream_create(struct fl_tls *tls, struct fl_sys *sys, size_t key_size)
{
    struct tls_stream *t = calloc(1, sizeof(*t) + key_size);
    BIO *bio = NULL;
    if (!t) {
        return NULL;
    }
    t->base.ops = &tls_ops;
    t->sys = sys;
    t->tls = fl_tls_ref(tls);
    t->timer.fire = on_timer;
    fl_buf_init(&t->early, SIZE_MAX / 2);
    t->ssl = SSL_new(tls->ctx);
    bio = t->ssl ? BIO_new(tls->bio) : NULL;
    if (!bio) {
        ERR_clear_error();
        stream_free(t);
        return NULL;
    }
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    return t;
}

/* Name or address: what the certificate must be for, and SNI, which has names only (RFC 6066, 3).
 */
static bool expect_host(SSL *ssl, struct fl_slice host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct fl_addr addr;
    if (fl_addr_parse_ip(host, &addr)) {
        return X509_VERIFY_PARAM_set1_ip(param, addr.bytes, addr.family == 6 ? 16 : 4) == 1;
    }
    if (host.len > 1 && host.ptr[host.len - 1] == '.') {
        host.len--; /* a complete name; certificates have none with the dot */
    }
    char *name = fl_slice_dup(host);
    bool ok = name && host.len > 0 && strlen(name) == host.len &&
              X509_VERIFY_PARAM_set1_host(param, host.ptr, host.len) == 1 &&
              SSL_set_tlsext_host_name(ssl, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    free(name);
    return ok;
}

static void offer_session(struct tls_stream *t)
{
    SSL_SESSION *session = fl_tls_sessions_take(&t->tls->sessions, t->key);
    if (session) {
        t->offered = SSL_set_session(t->ssl, session) == 1;
        SSL_SESSION_free(session);
    }
}

enum fl_err fl_tls_dial(struct fl_tls *tls, struct fl_sys *sys, struct fl_slice host, uint16_t port,
                        const struct fl_stream_events *on, void *owner,
                        struct fl_stream **ret_stream)
{
    size_t key_size = host.len + sizeof(":65535");
    fl_assert(!tls->server);
    struct tls_stream *t = stream_create(tls, sys, key_size);
    if (!t) {
        return FL_ERR_NOMEM;
    }
    (void)snprintf(t->key, key_size, "%.*s:%u", (int)host.len, host.ptr ? host.ptr : "",
                   (unsigned)port);
    t->base.on = on;
    t->base.owner = owner;
    SSL_set_connect_state(t->ssl);
    if (!expect_host(t->ssl, host)) {
        ERR_clear_error();
        stream_free(t);
        return FL_ERR_INVALID;
    }
    offer_session(t);
    enum fl_err err = sys->ops->dial(sys, host, port, &lower_events, t, &t->lower);
    if (err != FL_OK) {
        stream_free(t);
        return err;
    }
    *ret_stream = &t->base;
    return FL_OK;
}

enum fl_err fl_tls_accept(struct fl_tls *tls, struct fl_sys *sys, struct fl_stream *lower,
                          const struct fl_stream_events *on, void *owner,
                          struct fl_stream **ret_stream)
{
    fl_assert(tls->server);
    struct tls_stream *t = stream_create(tls, sys, 0);
    if (!t) {
        fl_stream_close(lower, FL_CLOSE_NOW);
        return FL_ERR_NOMEM;
    }
    t->base.on = on;
    t->base.owner = owner;
    t->lower = lower;
    lower->on = &lower_events;
    lower->owner = t;
    SSL_set_accept_state(t->ssl);
    *ret_stream = &t->base;
    return FL_OK;
}

static const struct tls_stream *seen(const struct fl_stream *s)
{
    const void *t = (const char *)s - offsetof(struct tls_stream, base);
    return s->ops == &tls_ops ? t : NULL;
}

struct fl_slice fl_tls_failure(const struct fl_stream *stream)
{
    const struct tls_stream *t = seen(stream);
    return t ? fl_slice_cstr(t->failure) : FL_EMPTY;
}

bool fl_tls_resumed(const struct fl_stream *stream)
{
    const struct tls_stream *t = seen(stream);
    return t && t->resumed;
}

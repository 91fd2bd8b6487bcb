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
#include <stdlib.h>

#define PLAIN_BYTES  32768 /* of decrypted bytes for one call of the owner's bytes() */
#define RECORD_BYTES 16384 /* the most in one record */

static struct fl_tls_stream *stream_of(struct fl_stream *s)
{
    return fl_container_of(s, struct fl_tls_stream, base);
}

/* The BIO */

static int bio_read(BIO *bio, char *ret_bytes, size_t size, size_t *ret_count)
{
    struct fl_tls_stream *t = BIO_get_data(bio);
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
    struct fl_tls_stream *t = BIO_get_data(bio);
    struct fl_slice piece = fl_slice(bytes, count);
    BIO_clear_retry_flags(bio);
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
    struct fl_tls_stream *t = SSL_get_app_data(ssl);
    fl_tls_sessions_put(&t->tls->sessions, t->key, session);
    return 0; /* we keep a copy, not the reference */
}

/* Life */

static void drop_held(struct fl_tls_stream *t)
{
    free(t->held);
    t->held = NULL;
    t->in = FL_EMPTY;
}

void fl_tls_stream_free(struct fl_tls_stream *t)
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

/* The lower stream reads when more ciphertext is wanted. */
static void steer_lower(struct fl_tls_stream *t)
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

/* Does what the owner's pause() and resume() came to. */
static void settle(struct fl_tls_stream *t)
{
    if (t->more && !t->paused && !t->ended) {
        fl_sys_timer_in(t->sys, &t->timer, 0); /* the lower stream stays paused until then */
    } else {
        steer_lower(t);
    }
}

static void leave(struct fl_tls_stream *t)
{
    if (--t->busy > 0) {
        return;
    }
    if (t->closed) {
        fl_tls_stream_free(t);
    } else {
        settle(t);
    }
}

/* Events to the owner */

static void give_end(struct fl_tls_stream *t, enum fl_err err)
{
    if (!t->ended && !t->closed) {
        t->ended = true;
        t->base.on->ended(t->base.owner, err);
    }
}

static void give_drained(struct fl_tls_stream *t)
{
    if (t->waits && !t->closed && t->base.queued == 0) {
        t->waits = false;
        t->base.on->drained(t->base.owner);
    }
}

static const char *reason(const struct fl_tls_stream *t)
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

static void fail(struct fl_tls_stream *t, const char *failure)
{
    t->failure = failure;
    t->failed = true;
    t->write_err = FL_ERR_TLS;
    drop_held(t);
    ERR_clear_error();
    if (t->opened) {
        give_end(t, FL_ERR_TLS);
        return;
    }
    if (t->offered) {
        fl_tls_sessions_drop(&t->tls->sessions, t->key);
    }
    t->ended = true; /* nothing but close() comes after opened(err) */
    t->base.on->opened(t->base.owner, FL_ERR_TLS);
}

/* Writing */

static enum fl_err encrypt(struct fl_tls_stream *t, struct fl_slice bytes)
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
static enum fl_err encrypt_pieces(struct fl_tls_stream *t, const struct fl_slice *pieces,
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

static void mirror_queue(struct fl_tls_stream *t)
{
    t->base.queued = t->lower->queued;
    t->waits = t->waits || t->base.queued > 0;
}

static enum fl_err tls_write(struct fl_stream *s, const struct fl_slice *pieces, unsigned count)
{
    struct fl_tls_stream *t = stream_of(s);
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

static void send_close_notify(struct fl_tls_stream *t)
{
    if (t->opened && !t->failed && t->write_err == FL_OK) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
        ERR_clear_error();
    }
}

static void finish_now(struct fl_tls_stream *t)
{
    send_close_notify(t);
    t->lower->ops->finish(t->lower);
}

static void tls_finish(struct fl_stream *s)
{
    struct fl_tls_stream *t = stream_of(s);
    fl_assert(!t->closed && !t->finishing);
    t->finishing = true;
    if (t->opened) {
        finish_now(t);
    }
}

/* Handshake */

static bool alpn_fits(const struct fl_tls_stream *t)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(t->ssl, &chosen, &len);
    return len == 0 || fl_slice_eq(fl_slice((const char *)chosen, len), FL_LIT("http/1.1"));
}

static void handshake_done(struct fl_tls_stream *t)
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

static void handshake(struct fl_tls_stream *t)
{
    ERR_clear_error();
    int done = SSL_do_handshake(t->ssl);
    if (done == 1) {
        handshake_done(t);
    } else if (SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ) {
        fail(t, reason(t));
    }
}

/* Reading */

/* Decrypts what there is, up to *size*: SSL_ERROR_NONE when there may be more, else why it stopped.
 */
static int decrypt(struct fl_tls_stream *t, char *plain, size_t size, size_t *ret_len)
{
    int status = SSL_ERROR_NONE;
    size_t len = 0, n = 0;
    ERR_clear_error();
    while (len < size && status == SSL_ERROR_NONE) {
        int ok = SSL_read_ex(t->ssl, plain + len, size - len, &n);
        if (ok == 1) {
            len += n;
        } else {
            status = SSL_get_error(t->ssl, ok);
        }
    }
    *ret_len = len;
    return status;
}

/* The status of decrypt() stays so when asked again, so that an end met while the owner pauses
 * waits. */
static void read_plain(struct fl_tls_stream *t)
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
static bool hold(struct fl_tls_stream *t)
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

/* Goes as far as the ciphertext in `in` and the owner allow. */
static void pump(struct fl_tls_stream *t)
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
    leave(t);
}

void fl_tls_on_timer(struct fl_timer *timer)
{
    pump(fl_container_of(timer, struct fl_tls_stream, timer));
}

static void tls_pause(struct fl_stream *s)
{
    struct fl_tls_stream *t = stream_of(s);
    fl_assert(!t->closed);
    t->paused = true;
    if (t->busy == 0) {
        settle(t);
    }
}

static void tls_resume(struct fl_stream *s)
{
    struct fl_tls_stream *t = stream_of(s);
    fl_assert(!t->closed);
    t->paused = false;
    if (t->busy == 0) {
        settle(t);
    }
}

/* Events from below */

static void lower_opened(void *owner, enum fl_err err)
{
    struct fl_tls_stream *t = owner;
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
    struct fl_tls_stream *t = owner;
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
    struct fl_tls_stream *t = owner;
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
    struct fl_tls_stream *t = owner;
    t->busy++;
    if (t->opened) {
        t->base.queued = 0;
        give_drained(t);
    }
    leave(t);
}

static void lower_stalled(void *owner)
{
    struct fl_tls_stream *t = owner;
    if (!t->opened || t->closed || t->lower->queued == 0) {
        return; /* of the handshake: nobody waits for it */
    }
    t->busy++;
    mirror_queue(t);
    if (t->base.on->stalled) {
        t->base.on->stalled(t->base.owner);
    }
    leave(t);
}

const struct fl_stream_events fl_tls_lower_events = {.opened = lower_opened,
                                                     .bytes = lower_bytes,
                                                     .ended = lower_ended,
                                                     .drained = lower_drained,
                                                     .stalled = lower_stalled};

/* Closing */

static void tls_close(struct fl_stream *s, enum fl_close how)
{
    struct fl_tls_stream *t = stream_of(s);
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

const struct fl_stream_ops fl_tls_ops = {.write = tls_write,
                                         .pause = tls_pause,
                                         .resume = tls_resume,
                                         .finish = tls_finish,
                                         .close = tls_close};

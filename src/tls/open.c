/* SPDX-License-Identifier: Apache-2.0 */
/* Makes TLS streams, outbound and inbound, and answers questions about them. */
#include "tls/internal.h"

#include "base/assert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static struct fl_tls_stream *stream_create(struct fl_tls *tls, struct fl_sys *sys, size_t key_size)
{
    struct fl_tls_stream *t = calloc(1, sizeof(*t) + key_size);
    BIO *bio = NULL;
    if (!t) {
        return NULL;
    }
    t->base.ops = &fl_tls_ops;
    t->sys = sys;
    t->tls = fl_tls_ref(tls);
    t->timer.fire = fl_tls_on_timer;
    fl_buf_init(&t->early, SIZE_MAX / 2);
    t->ssl = SSL_new(tls->ctx);
    bio = t->ssl ? BIO_new(tls->bio) : NULL;
    if (!bio) {
        ERR_clear_error();
        fl_tls_stream_free(t);
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
    if (host.ptr && host.len > 1 && host.ptr[host.len - 1] == '.') {
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

static void offer_session(struct fl_tls_stream *t)
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
    struct fl_tls_stream *t = stream_create(tls, sys, key_size);
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
        fl_tls_stream_free(t);
        return FL_ERR_INVALID;
    }
    offer_session(t);
    enum fl_err err = sys->ops->dial(sys, host, port, &fl_tls_lower_events, t, &t->lower);
    if (err != FL_OK) {
        fl_tls_stream_free(t);
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
    struct fl_tls_stream *t = stream_create(tls, sys, 0);
    if (!t) {
        fl_stream_close(lower, FL_CLOSE_NOW);
        return FL_ERR_NOMEM;
    }
    t->base.on = on;
    t->base.owner = owner;
    t->lower = lower;
    lower->on = &fl_tls_lower_events;
    lower->owner = t;
    SSL_set_accept_state(t->ssl);
    *ret_stream = &t->base;
    return FL_OK;
}

static const struct fl_tls_stream *seen(const struct fl_stream *s)
{
    const void *t = (const char *)s - offsetof(struct fl_tls_stream, base);
    return s->ops == &fl_tls_ops ? t : NULL;
}

struct fl_slice fl_tls_failure(const struct fl_stream *stream)
{
    const struct fl_tls_stream *t = seen(stream);
    return t ? fl_slice_cstr(t->failure) : FL_EMPTY;
}

bool fl_tls_resumed(const struct fl_stream *stream)
{
    const struct fl_tls_stream *t = seen(stream);
    return t && t->resumed;
}

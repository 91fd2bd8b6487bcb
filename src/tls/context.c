/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/internal.h"

#include "base/assert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

/* TLS 1.2 for old clients: forward secrecy and authenticated encryption only. TLS 1.3 has nothing
 * else. */
#define SERVER_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!SHA1"

#define OPTIONS (SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_PRIORITIZE_CHACHA)

static enum fl_err refuse(struct fl_reterr *reterr, const char *what)
{
    unsigned long code = ERR_peek_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;
    *reterr = (struct fl_reterr){.err = FL_ERR_CONFIG};
    (void)snprintf(reterr->message, sizeof(reterr->message), "%s%s%s", what, why ? ": " : "",
                   why ? why : "");
    ERR_clear_error();
    return FL_ERR_CONFIG;
}

static enum fl_err no_memory(struct fl_reterr *reterr)
{
    (void)refuse(reterr, fl_err_text(FL_ERR_NOMEM));
    reterr->err = FL_ERR_NOMEM;
    return FL_ERR_NOMEM;
}

/* A key with a passphrase is an error, never a question at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static BIO *reader(struct fl_slice pem)
{
    return pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len) : NULL;
}

/* Calls *take* for every certificate of *pem*. False when there is none, or one is broken or
 * refused. */
static bool each_cert(struct fl_slice pem, bool (*take)(void *owner, X509 *cert, unsigned index),
                      void *owner)
{
    BIO *bio = reader(pem);
    unsigned count = 0;
    bool ok = bio != NULL;
    X509 *cert = NULL;
    while (ok && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
        ok = take(owner, cert, count++);
        X509_free(cert);
    }
    BIO_free(bio);
    if (!ok || count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return false;
    }
    ERR_clear_error(); /* the end of the text is told as an error */
    return true;
}

static struct fl_tls *context_create(const SSL_METHOD *method, bool server)
{
    struct fl_tls *tls = calloc(1, sizeof(*tls));
    if (!tls) {
        return NULL;
    }
    if (!fl_tls_sessions_init(&tls->sessions)) {
        free(tls);
        return NULL;
    }
    atomic_init(&tls->refs, 1);
    tls->server = server;
    tls->ctx = SSL_CTX_new(method);
    tls->bio = fl_tls_bio_create();
    if (!tls->ctx || !tls->bio || SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) != 1) {
        fl_tls_unref(tls);
        return NULL;
    }
    SSL_CTX_set_options(tls->ctx, OPTIONS);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

struct fl_tls *fl_tls_ref(struct fl_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void fl_tls_unref(struct fl_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    fl_tls_sessions_finish(&tls->sessions);
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->bio);
    free(tls);
}

/* Client */

static bool add_root(void *store, X509 *cert, unsigned index)
{
    (void)index;
    return X509_STORE_add_cert(store, cert) == 1;
}

/* The system's roots are read once and shared by the contexts of all providers. */
static bool use_system_roots(SSL_CTX *ctx)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static X509_STORE *roots; /* kept until the process ends */
    pthread_mutex_lock(&mutex);
    if (!roots) {
        roots = X509_STORE_new();
        if (roots && X509_STORE_set_default_paths(roots) != 1) {
            X509_STORE_free(roots);
            roots = NULL;
        }
    }
    if (roots) {
        SSL_CTX_set1_cert_store(ctx, roots);
    }
    pthread_mutex_unlock(&mutex);
    ERR_clear_error(); /* files that are not there */
    return roots != NULL;
}

enum fl_err fl_tls_client_create(struct fl_slice ca_pem, struct fl_tls **ret_tls,
                                 struct fl_reterr *reterr)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    ERR_clear_error();
    struct fl_tls *tls = context_create(TLS_client_method(), false);
    if (!tls) {
        return no_memory(reterr);
    }
    if (ca_pem.len > 0 ? !each_cert(ca_pem, add_root, SSL_CTX_get_cert_store(tls->ctx))
                       : !use_system_roots(tls->ctx)) {
        fl_tls_unref(tls);
        return refuse(reterr, ca_pem.len > 0 ? "no valid PEM certificates in the CA file"
                                             : "the system's root certificates cannot be read");
    }
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls->ctx, fl_tls_on_session);
    if (SSL_CTX_set_alpn_protos(tls->ctx, alpn, sizeof(alpn) - 1) != 0) { /* 0 is success here */
        fl_tls_unref(tls);
        return no_memory(reterr);
    }
    *ret_tls = tls;
    return FL_OK;
}

/* Server */

/* A client that offers protocols, but not ours, is told so (RFC 7301, 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool add_to_chain(void *ctx, X509 *cert, unsigned index)
{
    return index == 0 ? SSL_CTX_use_certificate(ctx, cert) == 1
                      : SSL_CTX_add1_chain_cert(ctx, cert) == 1;
}

/* What is wrong, or NULL. */
static const char *use_key(SSL_CTX *ctx, struct fl_slice pem)
{
    BIO *bio = reader(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    const char *wrong = NULL;
    if (!key) {
        wrong = "no valid private key in PEM without a passphrase";
    } else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        wrong = "the private key does not belong to the certificate";
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    return wrong;
}

static const char *server_setup(SSL_CTX *ctx, struct fl_slice cert_pem, struct fl_slice key_pem)
{
    static const unsigned char id[] = "fairlead";
    if (SSL_CTX_set_cipher_list(ctx, SERVER_CIPHERS) != 1 ||
        SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1) {
        return "OpenSSL has none of the ciphers";
    }
    if (!each_cert(cert_pem, add_to_chain, ctx)) {
        return "no valid PEM certificate";
    }
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx,
                                   SSL_SESS_CACHE_OFF); /* tickets keep the state at the client */
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    return use_key(ctx, key_pem);
}

enum fl_err fl_tls_server_create(struct fl_slice cert_pem, struct fl_slice key_pem,
                                 struct fl_tls **ret_tls, struct fl_reterr *reterr)
{
    ERR_clear_error();
    struct fl_tls *tls = context_create(TLS_server_method(), true);
    if (!tls) {
        return no_memory(reterr);
    }
    const char *wrong = server_setup(tls->ctx, cert_pem, key_pem);
    if (wrong) {
        fl_tls_unref(tls);
        return refuse(reterr, wrong);
    }
    *ret_tls = tls;
    return FL_OK;
}

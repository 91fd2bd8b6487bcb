/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "net/net.h"
#include "tls/internal.h" /* to bend contexts into what real peers may be */
#include "unit/net/tsan.h"
#include "unit/tls/pki.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400L

static struct pki_cert ca, other_ca, middle, good, by_middle, expired, too_new, wrong_host,
    self_signed, wrong_ca, with_ip, partial, wild;

static int make_certs(void **state)
{
    (void)state;
    static const char local[] = "DNS:localhost,IP:127.0.0.1";
    pki_make(&ca, &(struct pki_spec){"Test CA", NULL, NULL, true, -DAY_S, DAY_S});
    pki_make(&other_ca, &(struct pki_spec){"Test CA", NULL, NULL, true, -DAY_S, DAY_S});
    pki_make(&middle, &(struct pki_spec){"Middle CA", NULL, &ca, true, -DAY_S, DAY_S});
    pki_make(&good, &(struct pki_spec){"good", "DNS:localhost", &ca, false, -DAY_S, DAY_S});
    pki_make(&by_middle, &(struct pki_spec){"m", "DNS:localhost", &middle, false, -DAY_S, DAY_S});
    pki_make(&expired, &(struct pki_spec){"expired", local, &ca, false, -2 * DAY_S, -DAY_S});
    pki_make(&too_new, &(struct pki_spec){"new", local, &ca, false, DAY_S, 2 * DAY_S});
    pki_make(&wrong_host, &(struct pki_spec){"localhost", "DNS:localhost.example,IP:127.0.0.2", &ca,
                                             false, -DAY_S, DAY_S});
    pki_make(&self_signed, &(struct pki_spec){"self", local, NULL, false, -DAY_S, DAY_S});
    pki_make(&wrong_ca, &(struct pki_spec){"wrong", local, &other_ca, false, -DAY_S, DAY_S});
    pki_make(&with_ip, &(struct pki_spec){"ip", "IP:127.0.0.1", &ca, false, -DAY_S, DAY_S});
    pki_make(&partial,
             &(struct pki_spec){"partial", "DNS:a*.fairlead.test", &ca, false, -DAY_S, DAY_S});
    pki_make(&wild, &(struct pki_spec){"wild", "DNS:*.fairlead.test", &ca, false, -DAY_S, DAY_S});
    return 0;
}

static int free_certs(void **state)
{
    (void)state;
    struct pki_cert *const all[] = {&ca,      &other_ca, &middle,     &good,        &by_middle,
                                    &expired, &too_new,  &wrong_host, &self_signed, &wrong_ca,
                                    &with_ip, &partial,  &wild};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        pki_finish(all[i]);
    }
    return 0;
}

/* A loop, a TLS server and a TLS client on it */

struct end;

struct world {
    struct fl_net *net;
    struct fl_sys *sys;
    struct fl_listener *listener;
    struct fl_addr addr;
    struct fl_timer guard;
    struct fl_tls *server_tls; /* NULL: accepted streams stay plain */
    struct fl_tls *client_tls;
    struct end *server;
};

struct end {
    struct world *w;
    struct fl_stream *stream;
    unsigned opened, ended, drained, reads;
    enum fl_err opened_err, ended_err;
    uint64_t got_bytes, got_sum, sent_bytes, sent_sum;
    char failure[128];
    bool resumed;
    void (*on_opened)(struct end *e);
    void (*on_bytes)(struct end *e, struct fl_slice bytes);
    void (*on_ended)(struct end *e);
    void (*on_drained)(struct end *e);
    struct end *peer;
    struct fl_timer timer;
    struct fl_rng rng;
};

static uint64_t sum(uint64_t so_far, struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        so_far = so_far * 31 + (uint8_t)bytes.ptr[i];
    }
    return so_far;
}

static void note_failure(struct end *e)
{
    struct fl_slice failure = fl_tls_failure(e->stream);
    (void)snprintf(e->failure, sizeof(e->failure), "%.*s", (int)failure.len,
                   failure.ptr ? failure.ptr : "");
}

static void opened(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->opened++;
    e->opened_err = err;
    e->resumed = fl_tls_resumed(e->stream);
    note_failure(e);
    if (e->on_opened) {
        e->on_opened(e);
    }
}

static void bytes(void *owner, struct fl_slice bytes)
{
    struct end *e = owner;
    assert_true(bytes.len > 0);
    assert_int_equal(e->ended, 0);
    e->reads++;
    e->got_bytes += bytes.len;
    e->got_sum = sum(e->got_sum, bytes);
    if (e->on_bytes) {
        e->on_bytes(e, bytes);
    }
}

static void ended(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->ended++;
    e->ended_err = err;
    assert_int_equal(e->ended, 1);
    note_failure(e);
    if (e->on_ended) {
        e->on_ended(e);
    }
}

static void drained(void *owner)
{
    struct end *e = owner;
    e->drained++;
    assert_int_equal(e->stream->queued, 0);
    if (e->on_drained) {
        e->on_drained(e);
    }
}

static const struct fl_stream_events events = {opened, bytes, ended, drained, NULL};

static void accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct world *w = owner;
    struct end *e = w->server;
    (void)peer;
    if (!e) {
        fl_stream_close(stream, FL_CLOSE_NOW);
        return;
    }
    w->server = NULL;
    if (w->server_tls) {
        assert_int_equal(fl_tls_accept(w->server_tls, w->sys, stream, &events, e, &e->stream),
                         FL_OK);
    } else {
        stream->on = &events;
        stream->owner = e;
        e->stream = stream;
    }
}

static void on_guard(struct fl_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for 30 s");
}

static struct fl_tls *server_of(const struct pki_cert *cert)
{
    struct fl_tls *tls = NULL;
    struct fl_reterr reterr;
    assert_int_equal(fl_tls_server_create(fl_slice_cstr(cert->cert_pem),
                                          fl_slice_cstr(cert->key_pem), &tls, &reterr),
                     FL_OK);
    return tls;
}

static struct fl_tls *client_of(const struct pki_cert *root)
{
    struct fl_tls *tls = NULL;
    struct fl_reterr reterr;
    assert_int_equal(fl_tls_client_create(fl_slice_cstr(root->cert_pem), &tls, &reterr), FL_OK);
    return tls;
}

/* *cert* NULL: the server is plain. */
static void init(struct world *w, const struct pki_cert *cert)
{
    struct fl_addr any;
    *w = (struct world){.guard.fire = on_guard};
    assert_int_equal(fl_net_create(&w->net), FL_OK);
    w->sys = fl_net_sys(w->net);
    w->server_tls = cert ? server_of(cert) : NULL;
    w->client_tls = client_of(&ca);
    assert_true(fl_addr_parse(FL_LIT("127.0.0.1:0"), &any));
    assert_int_equal(w->sys->ops->listen(w->sys, &any, accepted, w, &w->listener, &w->addr), FL_OK);
    fl_sys_timer_in(w->sys, &w->guard, 30 * FL_NS_S);
}

static void finish(struct world *w)
{
    fl_net_destroy(w->net);
    fl_tls_unref(w->client_tls);
    fl_tls_unref(w->server_tls);
}

static void close_end(struct end *e)
{
    if (e->stream) {
        fl_stream_close(e->stream, FL_CLOSE_NOW);
        e->stream = NULL;
    }
}

static void dial(struct world *w, const char *host, struct end *client, struct end *server)
{
    client->w = server->w = w;
    client->peer = server;
    server->peer = client;
    w->server = server;
    assert_int_equal(fl_tls_dial(w->client_tls, w->sys, fl_slice_cstr(host), w->addr.port, &events,
                                 client, &client->stream),
                     FL_OK);
    assert_int_equal(client->opened, 0);
}

static void stop(struct end *e)
{
    fl_net_stop(e->w->net);
}

static void stop_when_both_know(struct end *e)
{
    if (e->opened + e->ended > 0 && e->peer->opened + e->peer->ended > 0) {
        stop(e);
    }
}

static void say(struct end *e, const char *text)
{
    struct fl_slice piece = fl_slice_cstr(text);
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static void on_time(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    fl_net_stop(e->w->net);
}

/* At most *ns*; a stop() ends it before. */
static void run_for(struct world *w, uint64_t ns)
{
    struct end sleeper = {.w = w, .timer.fire = on_time};
    fl_sys_timer_in(w->sys, &sleeper.timer, ns);
    fl_net_run(w->net);
    fl_timers_stop(&w->sys->timers, &sleeper.timer);
}

static void run_until_got(struct end *e, uint64_t bytes)
{
    while (e->got_bytes < bytes) {
        run_for(e->w, FL_NS_MS);
    }
}

/* Certificates */

/* Both ends of one handshake with *cert*, as the client calls the server *host*. */
static void shake(const struct pki_cert *cert, const char *host, struct end *client,
                  struct end *server)
{
    struct world w;
    init(&w, cert);
    *client = (struct end){.on_opened = stop_when_both_know};
    *server = (struct end){.on_opened = stop_when_both_know, .on_ended = stop_when_both_know};
    dial(&w, host, client, server);
    fl_net_run(w.net);
    close_end(client);
    close_end(server);
    finish(&w);
}

static void good_certificates_are_accepted(void **state)
{
    (void)state;
    struct end client, server;
    shake(&good, "localhost", &client, &server);
    assert_int_equal(client.opened_err, FL_OK);
    assert_int_equal(server.opened_err, FL_OK);
    assert_string_equal(client.failure, "");
    assert_false(client.resumed);
    shake(&good, "LOCALHOST", &client, &server);
    assert_int_equal(client.opened_err, FL_OK);
    shake(&with_ip, "127.0.0.1", &client, &server);
    assert_int_equal(client.opened_err, FL_OK);
    static struct pki_cert chain;
    chain = by_middle;
    strcat(chain.cert_pem, middle.cert_pem);
    shake(&chain, "localhost", &client, &server);
    assert_int_equal(client.opened_err, FL_OK);
}

static void bad_certificates_are_refused(void **state)
{
    (void)state;
    static const struct {
        const struct pki_cert *cert;
        const char *host, *failure;
    } cases[] = {
        {&expired, "localhost", "certificate has expired"},
        {&too_new, "localhost", "certificate is not yet valid"},
        {&wrong_host, "localhost", "hostname mismatch"},
        {&wrong_host, "127.0.0.1", "IP address mismatch"},
        {&good, "127.0.0.1", "IP address mismatch"},
        {&with_ip, "localhost", "hostname mismatch"},
        {&self_signed, "localhost", "self-signed certificate"},
        {&wrong_ca, "localhost", "certificate signature failure"},
        {&by_middle, "localhost", "unable to get local issuer certificate"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct end client, server;
        shake(cases[i].cert, cases[i].host, &client, &server);
        assert_int_equal(client.opened_err, FL_ERR_TLS);
        assert_string_equal(client.failure, cases[i].failure);
        assert_int_equal(client.ended, 0);
        assert_true(server.opened_err == FL_ERR_TLS || server.ended == 1);
    }
}

/* Any name leads to the loopback. */
static const struct fl_sys_ops *real_ops;

static enum fl_err dial_loopback(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                                 const struct fl_stream_events *on, void *owner,
                                 struct fl_stream **ret_stream)
{
    (void)host;
    return real_ops->dial(sys, FL_LIT("127.0.0.1"), port, on, owner, ret_stream);
}

/* Dials as the filter asks, to the loopback whatever the name. */
static void dial_to_loopback(struct world *w, const char *host, struct end *client,
                             struct end *server)
{
    struct fl_sys_ops ops = *w->sys->ops;
    real_ops = w->sys->ops;
    ops.dial = dial_loopback;
    w->sys->ops = &ops;
    dial(w, host, client, server);
    w->sys->ops = real_ops;
}

static void wildcards_are_whole_labels(void **state)
{
    (void)state;
    const struct {
        const struct pki_cert *cert;
        const char *host;
        enum fl_err err;
    } cases[] = {
        {&wild, "api.fairlead.test", FL_OK},
        {&wild, "api.fairlead.test.", FL_OK}, /* a complete name */
        {&wild, "fairlead.test", FL_ERR_TLS},
        {&wild, "a.b.fairlead.test", FL_ERR_TLS},
        {&partial, "api.fairlead.test", FL_ERR_TLS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        struct end client = {.on_opened = stop}, server = {0};
        init(&w, cases[i].cert);
        dial_to_loopback(&w, cases[i].host, &client, &server);
        fl_net_run(w.net);
        assert_int_equal(client.opened_err, cases[i].err);
        close_end(&client);
        close_end(&server);
        finish(&w);
    }
}

static void an_unreadable_host_is_an_error(void **state)
{
    (void)state;
    struct world w;
    struct end client = {0};
    init(&w, &good);
    assert_int_equal(
        fl_tls_dial(w.client_tls, w.sys, FL_EMPTY, 1, &events, &client, &client.stream),
        FL_ERR_INVALID);
    assert_int_equal(fl_tls_dial(w.client_tls, w.sys, fl_slice("local\0host", 10), 1, &events,
                                 &client, &client.stream),
                     FL_ERR_INVALID);
    finish(&w);
}

/* Contexts */

static void encrypt_key(char *ret_pem, size_t size)
{
    static unsigned char passphrase[] = "secret";
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, good.key, EVP_aes_128_cbc(), NULL, 0, NULL, passphrase),
        1);
    int n = BIO_read(bio, ret_pem, (int)size - 1);
    assert_true(n > 0);
    ret_pem[n] = '\0';
    BIO_free(bio);
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    struct fl_tls *tls = NULL;
    struct fl_reterr reterr;
    char half[2400], locked[2048];
    (void)snprintf(half, sizeof(half), "%s%.300s", ca.cert_pem, good.cert_pem);
    encrypt_key(locked, sizeof(locked));
    const char *bad_roots[] = {
        "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", half};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fl_tls_client_create(fl_slice_cstr(bad_roots[i]), &tls, &reterr),
                         FL_ERR_CONFIG);
        assert_non_null(strstr(reterr.message, "no valid PEM certificates in the CA file"));
    }
    const struct {
        const char *cert, *key, *message;
    } cases[] = {
        {"", good.key_pem, "no valid PEM certificate"},
        {half, good.key_pem, "no valid PEM certificate"},
        {good.cert_pem, "", "no valid private key"},
        {good.cert_pem, locked, "no valid private key"},
        {good.cert_pem, ca.key_pem, "does not belong"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fl_tls_server_create(fl_slice_cstr(cases[i].cert),
                                              fl_slice_cstr(cases[i].key), &tls, &reterr),
                         FL_ERR_CONFIG);
        assert_int_equal(reterr.err, FL_ERR_CONFIG);
        assert_non_null(strstr(reterr.message, cases[i].message));
    }
    assert_null(tls);
    fl_tls_unref(NULL);
}

static void the_systems_roots_do(void **state)
{
    (void)state;
    struct fl_tls *a = NULL, *b = NULL;
    struct fl_reterr reterr;
    assert_int_equal(fl_tls_client_create(FL_EMPTY, &a, &reterr), FL_OK);
    assert_int_equal(fl_tls_client_create(FL_EMPTY, &b, &reterr), FL_OK);
    assert_ptr_equal(SSL_CTX_get_cert_store(a->ctx), SSL_CTX_get_cert_store(b->ctx));
    struct world w;
    struct end client = {.on_opened = stop}, server = {0};
    init(&w, &good);
    fl_tls_unref(w.client_tls);
    w.client_tls = fl_tls_ref(a);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_TLS);
    assert_string_equal(client.failure, "unable to get local issuer certificate");
    close_end(&client);
    close_end(&server);
    finish(&w);
    fl_tls_unref(a);
    fl_tls_unref(b);
}

/* Versions, ciphers, protocols */

static void old_clients_are_refused(void **state)
{
    (void)state;
    const struct {
        int version;
        const char *ciphers;
        enum fl_err err;
    } cases[] = {
        {TLS1_3_VERSION, "ALL", FL_OK},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", FL_OK},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", FL_OK},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", FL_ERR_TLS},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", FL_ERR_TLS},
        {TLS1_1_VERSION, "ALL:@SECLEVEL=0", FL_ERR_TLS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        struct end client = {.on_opened = stop_when_both_know},
                   server = {.on_opened = stop_when_both_know};
        init(&w, &good);
        SSL_CTX_set_min_proto_version(w.client_tls->ctx, cases[i].version);
        SSL_CTX_set_max_proto_version(w.client_tls->ctx, cases[i].version);
        assert_int_equal(SSL_CTX_set_cipher_list(w.client_tls->ctx, cases[i].ciphers), 1);
        dial(&w, "localhost", &client, &server);
        fl_net_run(w.net);
        assert_int_equal(client.opened_err, cases[i].err);
        assert_int_equal(server.opened_err, cases[i].err);
        close_end(&client);
        close_end(&server);
        finish(&w);
    }
}

static void other_protocols_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop_when_both_know},
               server = {.on_opened = stop_when_both_know};
    init(&w, &good);
    static const unsigned char h2[] = "\x02h2";
    assert_int_equal(SSL_CTX_set_alpn_protos(w.client_tls->ctx, h2, 3), 0);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_TLS);
    assert_string_equal(client.failure, "tlsv1 alert no application protocol");
    assert_string_equal(server.failure, "no application protocol");
    close_end(&client);
    close_end(&server);
    finish(&w);
}

/* Resumption */

static void hello_and_stop(struct end *e, struct fl_slice bytes)
{
    assert_slice(bytes, "hello");
    stop(e);
}

static void say_hello(struct end *e)
{
    say(e, "hello");
}

/* One connection: the server says hello (behind it came the tickets); both close. */
static bool talk(struct world *w, const char *host)
{
    struct end client = {.on_bytes = hello_and_stop}, server = {.on_opened = say_hello};
    dial(w, host, &client, &server);
    fl_net_run(w->net);
    assert_int_equal(client.opened_err, FL_OK);
    assert_int_equal(client.resumed, server.resumed);
    close_end(&client);
    close_end(&server);
    return client.resumed;
}

static void sessions_are_resumed(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct world w;
        init(&w, &good);
        SSL_CTX_set_max_proto_version(w.client_tls->ctx, version);
        assert_false(talk(&w, "localhost"));
        for (int i = 0; i < 10; i++) {
            assert_true(talk(&w, "localhost"));
        }
        assert_false(talk(&w, "LocalHost")); /* another key: no harm */
        /* A server that knows nothing of the tickets (it was restarted): full, then resumed again.
         */
        fl_tls_unref(w.server_tls);
        w.server_tls = server_of(&good);
        assert_false(talk(&w, "localhost"));
        assert_true(talk(&w, "localhost"));
        unsigned kept = 0;
        for (int i = 0; i < FL_TLS_SESSIONS_MAX; i++) {
            struct fl_tls_slot *slot = &w.client_tls->sessions.slots[i];
            kept += slot->key && strncmp(slot->key, "localhost:", 10) == 0;
        }
        assert_true(kept >= 1 && kept <= FL_TLS_SESSIONS_KEY_MAX);
        finish(&w);
    }
}

static void a_resumed_session_does_not_excuse_another_host(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, server = {0};
    init(&w, &good);
    assert_false(talk(&w, "localhost"));
    dial(&w, "127.0.0.1", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_TLS);
    assert_string_equal(client.failure, "IP address mismatch");
    close_end(&client);
    close_end(&server);
    finish(&w);
}

struct crowd {
    struct fl_tls *server_tls, *client_tls;
    unsigned resumed;
};

static void *crowd_main(void *arg)
{
    struct crowd *c = arg;
    struct world w;
    init(&w, NULL);
    fl_tls_unref(w.client_tls);
    w.client_tls = fl_tls_ref(c->client_tls);
    w.server_tls = fl_tls_ref(c->server_tls);
    for (int i = 0; i < 15; i++) {
        c->resumed += talk(&w, "localhost");
    }
    finish(&w);
    return NULL;
}

static void workers_share_contexts(void **state)
{
    (void)state;
    struct crowd crowds[3];
    pthread_t threads[3];
    struct fl_tls *server_tls = server_of(&good), *client_tls = client_of(&ca);
    for (int i = 0; i < 3; i++) {
        crowds[i] = (struct crowd){server_tls, client_tls, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowds[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowds[i].resumed, 14);
    }
    fl_tls_unref(server_tls);
    fl_tls_unref(client_tls);
}

/* Bytes */

#define BULK_BYTES (1024 * 1024)

static void on_wake(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    e->stream->ops->resume(e->stream);
}

static void read_with_pauses(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    switch (fl_rng_below(&e->rng, 8)) {
    case 0:
        e->stream->ops->pause(e->stream);
        e->timer.fire = on_wake;
        fl_sys_timer_in(e->w->sys, &e->timer, fl_rng_below(&e->rng, 3) * FL_NS_MS);
        break;
    case 1:
        e->stream->ops->pause(e->stream);
        e->stream->ops->resume(e->stream);
        break;
    default:
        break;
    }
}

static void send_random(struct end *e)
{
    static char block[70000];
    while (e->sent_bytes < BULK_BYTES && e->stream->queued == 0) {
        struct fl_slice pieces[5];
        unsigned count = 1 + (unsigned)fl_rng_below(&e->rng, 5);
        for (unsigned i = 0; i < count; i++) {
            size_t left = (size_t)(BULK_BYTES - e->sent_bytes);
            size_t most = fl_rng_below(&e->rng, 4) == 0 ? sizeof(block) : 300;
            size_t n = (size_t)fl_rng_below(&e->rng, most + 1);
            size_t from = (size_t)fl_rng_below(&e->rng, sizeof(block) - most + 1);
            n = n < left ? n : left;
            pieces[i] = fl_slice(block + from, n);
            e->sent_bytes += n;
            e->sent_sum = sum(e->sent_sum, pieces[i]);
        }
        assert_int_equal(fl_stream_write(e->stream, pieces, count), FL_OK);
    }
    if (e->sent_bytes == BULK_BYTES) {
        e->stream->ops->finish(e->stream);
        e->sent_bytes++; /* once */
    }
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (char)fl_rng_next(&e->rng);
    }
}

static void send_more(struct end *e)
{
    read_with_pauses(e, FL_EMPTY);
    send_random(e);
}

static void stop_when_both_ended(struct end *e)
{
    if (e->ended && e->peer->ended) {
        stop(e);
    }
}

static void bulk(uint64_t seed, int version)
{
    struct world w;
    struct end client = {.on_opened = send_random,
                         .on_bytes = read_with_pauses,
                         .on_ended = stop_when_both_ended,
                         .on_drained = send_more};
    struct end server = client;
    init(&w, &good);
    fl_rng_seed(&client.rng, seed);
    fl_rng_seed(&server.rng, seed + 1);
    SSL_CTX_set_max_proto_version(w.client_tls->ctx, version);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.got_bytes, BULK_BYTES);
    assert_int_equal(server.got_bytes, BULK_BYTES);
    assert_true(client.got_sum == server.sent_sum);
    assert_true(server.got_sum == client.sent_sum);
    assert_int_equal(client.ended_err, FL_OK);
    assert_int_equal(server.ended_err, FL_OK);
    close_end(&client);
    close_end(&server);
    finish(&w);
}

static void a_megabyte_goes_both_ways(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) ^ ((uint64_t)getpid() << 32);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 4; i++) {
        bulk(seed + i * 2, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    }
}

static void small_pieces_share_a_record(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, server = {.on_bytes = NULL};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    struct fl_slice pieces[] = {FL_LIT("5\r\n"), FL_LIT("hello"), FL_LIT("\r\n"), FL_EMPTY};
    assert_int_equal(fl_stream_write(client.stream, pieces, 4), FL_OK);
    run_until_got(&server, 10);
    assert_int_equal(server.reads, 1);
    assert_int_equal(server.got_sum, sum(0, FL_LIT("5\r\nhello\r\n")));
    close_end(&client);
    close_end(&server);
    finish(&w);
}

static void bytes_written_early_are_queued(void **state)
{
    (void)state;
    struct world w;
    struct end client = {0}, server = {.on_ended = stop};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    say(&client, "early ");
    say(&client, "bird");
    assert_int_equal(client.stream->queued, 10);
    client.stream->ops->finish(client.stream);
    fl_net_run(w.net);
    assert_int_equal(server.got_sum, sum(0, FL_LIT("early bird")));
    assert_int_equal(server.ended_err, FL_OK);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.drained, 1);
    say(&server, "worm"); /* half-closed only */
    run_until_got(&client, 4);
    assert_int_equal(client.got_sum, sum(0, FL_LIT("worm")));
    close_end(&client);
    close_end(&server);
    finish(&w);
}

/* The owner pauses in opened(); bytes and the end wait. */
static void pause_now(struct end *e)
{
    e->stream->ops->pause(e->stream);
}

static void say_bye_and_close(struct end *e)
{
    say(e, "bye");
    fl_stream_close(e->stream, FL_CLOSE_FLUSH);
    e->stream = NULL;
}

static void pause_holds_bytes_and_the_end(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = pause_now}, server = {.on_opened = say_bye_and_close};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    while (client.opened == 0) {
        run_for(&w, FL_NS_MS);
    }
    run_for(&w, 50 * FL_NS_MS);
    assert_int_equal(client.reads + client.ended, 0);
    client.on_ended = stop;
    client.stream->ops->resume(client.stream);
    assert_int_equal(client.reads, 0);
    fl_net_run(w.net);
    assert_int_equal(client.got_sum, sum(0, FL_LIT("bye")));
    assert_int_equal(client.ended_err, FL_OK);
    close_end(&client);
    finish(&w);
}

/* Ends */

/* *how*: of the server's lower stream, without a close_notify. */
static void cut(enum fl_close how, enum fl_err expected)
{
    struct world w;
    struct end client = {.on_opened = stop_when_both_know, .on_ended = stop};
    struct end server = {.on_opened = stop_when_both_know};
    init(&w, &good);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    if (how == FL_CLOSE_RESET) {
        fl_stream_close(server.stream, FL_CLOSE_RESET);
        server.stream = NULL;
    } else {
        say(&server, "half an ans");
        close_end(&server);
    }
    fl_net_run(w.net);
    assert_int_equal(client.ended_err, expected);
    assert_string_equal(client.failure, "");
    close_end(&client);
    finish(&w);
}

static void ends_are_told_apart(void **state)
{
    (void)state;
    cut(FL_CLOSE_NOW, FL_OK);
    cut(FL_CLOSE_RESET, FL_ERR_RESET);
}

static void close_now(struct end *e)
{
    close_end(e);
}

static void a_close_in_the_handshake_is_told(void **state)
{
    (void)state;
    struct world w;
    struct end client = {0}, server = {.on_opened = stop};
    init(&w, NULL);
    dial(&w, "localhost", &client, &server);
    run_until_got(&server, 100); /* a ClientHello */
    client.on_opened = stop;
    close_end(&server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_TLS);
    assert_true(strcmp(client.failure, "the connection was closed in the handshake") == 0 ||
                strcmp(client.failure, "the connection was reset in the handshake") == 0);
    struct fl_slice piece = FL_LIT("x");
    assert_int_equal(fl_stream_write(client.stream, &piece, 1), FL_ERR_TLS);
    assert_int_equal(client.ended, 0);
    close_end(&client);
    finish(&w);
}

static void say_perhaps(struct end *e)
{
    struct fl_slice piece = FL_LIT("hello");
    enum fl_err err = fl_stream_write(e->stream, &piece, 1);
    assert_true(err == FL_OK || err == FL_ERR_RESET || err == e->opened_err);
}

static void an_owner_may_close_at_any_point(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct world w;
        struct end client = {.on_opened = say_perhaps}, server = {.on_opened = say_perhaps};
        init(&w, &with_ip);
        client.on_opened = i == 0 || i == 2 ? close_now : say_perhaps;
        server.on_opened = i == 1 ? close_now : say_perhaps;
        server.on_ended = client.on_ended = i == 2 ? close_now : NULL;
        dial(&w, "127.0.0.1", &client, &server);
        if (i > 3) {
            run_for(&w, (i - 4) * FL_NS_MS / 4);
        }
        if (i > 2) {
            close_end(&client);
        }
        run_for(&w, 30 * FL_NS_MS);
        w.server = NULL;
        close_end(&client);
        close_end(&server);
        run_for(&w, FL_NS_MS);
        finish(&w);
    }
}

/* Strangers */

static void answer_with(struct end *e, struct fl_slice bytes)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static char noise[5000];
    (void)bytes;
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (char)fl_rng_next(&e->rng);
    }
    struct fl_slice piece =
        e->peer->sent_bytes == 1 ? fl_slice_cstr(http) : fl_slice(noise, sizeof(noise));
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    e->on_bytes = NULL;
}

static void servers_that_speak_no_tls_are_refused(void **state)
{
    (void)state;
    for (unsigned http = 0; http < 2; http++) {
        struct world w;
        struct end client = {.on_opened = stop, .sent_bytes = http},
                   server = {.on_bytes = answer_with};
        init(&w, NULL);
        fl_rng_seed(&server.rng, 1);
        dial(&w, "localhost", &client, &server);
        fl_net_run(w.net);
        assert_int_equal(client.opened_err, FL_ERR_TLS);
        assert_true(client.failure[0] != '\0');
        if (http) {
            assert_string_equal(client.failure, "the server answers in plain HTTP");
        }
        close_end(&client);
        close_end(&server);
        finish(&w);
    }
}

static void say_get(struct end *e)
{
    assert_int_equal(e->opened_err, FL_OK);
    say(e, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void clients_that_speak_no_tls_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = say_get}, server = {.on_opened = stop};
    init(&w, &good);
    client.w = server.w = &w;
    w.server = &server;
    assert_int_equal(
        w.sys->ops->dial(w.sys, FL_LIT("127.0.0.1"), w.addr.port, &events, &client, &client.stream),
        FL_OK);
    fl_net_run(w.net);
    assert_int_equal(server.opened_err, FL_ERR_TLS);
    assert_string_equal(server.failure, "http request");
    assert_int_equal(fl_tls_failure(client.stream).len, 0);
    assert_false(fl_tls_resumed(client.stream));
    close_end(&server);
    client.on_ended = stop;
    fl_net_run(w.net);
    assert_int_equal(client.ended_err, FL_OK);
    close_end(&client);
    finish(&w);
}

static void a_dial_that_fails_below_says_so(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, lost = {.on_opened = stop}, server = {0};
    init(&w, &good);
    w.sys->ops->unlisten(w.sys, w.listener);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    assert_int_equal(client.opened_err, FL_ERR_CONNECT);
    assert_string_equal(client.failure, "");
    dial(&w, "no-such-host.invalid", &lost, &server);
    fl_net_run(w.net);
    assert_int_equal(lost.opened_err, FL_ERR_DNS);
    close_end(&client);
    close_end(&lost);
    finish(&w);
}

/* A line that cuts the server's bytes anywhere and turns one bit */

struct line {
    const struct fl_stream_events *on;
    void *owner;
    struct fl_rng rng;
    uint64_t flip_at, seen;
};

static struct line line;

static void line_opened(void *owner, enum fl_err err)
{
    (void)owner;
    line.on->opened(line.owner, err);
}

static void line_bytes(void *owner, struct fl_slice bytes)
{
    char copy[65536];
    (void)owner;
    memcpy(copy, bytes.ptr, bytes.len);
    if (line.flip_at >= line.seen && line.flip_at < line.seen + bytes.len) {
        copy[line.flip_at - line.seen] ^= (char)(1 << fl_rng_below(&line.rng, 8));
    }
    line.seen += bytes.len;
    for (size_t at = 0; at < bytes.len;) {
        size_t n = 1 + (size_t)fl_rng_below(&line.rng, 200);
        n = n < bytes.len - at ? n : bytes.len - at;
        line.on->bytes(line.owner, fl_slice(copy + at, n));
        at += n;
    }
}

static void line_ended(void *owner, enum fl_err err)
{
    (void)owner;
    line.on->ended(line.owner, err);
}

static void line_drained(void *owner)
{
    (void)owner;
    line.on->drained(line.owner);
}

static const struct fl_stream_events line_events = {line_opened, line_bytes, line_ended,
                                                    line_drained, NULL};

static enum fl_err dial_line(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                             const struct fl_stream_events *on, void *owner,
                             struct fl_stream **ret_stream)
{
    line.on = on;
    line.owner = owner;
    return real_ops->dial(sys, host, port, &line_events, NULL, ret_stream);
}

#define PAGE_BYTES 2000

static void say_page(struct end *e)
{
    static char page[PAGE_BYTES];
    if (e->opened_err == FL_OK) {
        memset(page, 'p', sizeof(page));
        struct fl_slice piece = fl_slice(page, sizeof(page));
        assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    }
}

static void only_pages(struct end *e, struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(bytes.ptr[i], 'p');
    }
    if (e->got_bytes == PAGE_BYTES) {
        stop(e);
    }
}

static void stop_if_failed(struct end *e)
{
    if (e->opened_err != FL_OK || e->ended) {
        stop(e);
    }
}

/* True: all of the page came through. */
static bool over_the_line(uint64_t seed, uint64_t flip_below)
{
    struct world w;
    struct end client = {
        .on_opened = stop_if_failed, .on_ended = stop_if_failed, .on_bytes = only_pages};
    struct end server = {.on_opened = say_page};
    init(&w, &with_ip);
    struct fl_sys_ops ops = *w.sys->ops;
    line = (struct line){0};
    fl_rng_seed(&line.rng, seed);
    line.flip_at = flip_below > 0 ? fl_rng_below(&line.rng, flip_below) : UINT64_MAX;
    SSL_CTX_set_max_proto_version(w.client_tls->ctx,
                                  seed % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    real_ops = w.sys->ops;
    ops.dial = dial_line;
    w.sys->ops = &ops;
    dial(&w, "127.0.0.1", &client, &server);
    w.sys->ops = real_ops;
    /* A length that grew leaves the client waiting. */
    run_for(&w, flip_below > 0 ? 40 * FL_NS_MS : 10 * FL_NS_S);
    bool whole = client.got_bytes == PAGE_BYTES;
    assert_true(flip_below > 0 || whole);
    assert_true(client.got_bytes <= PAGE_BYTES);
    assert_true(client.opened_err == FL_OK || client.opened_err == FL_ERR_TLS);
    assert_int_equal(client.failure[0] != '\0',
                     client.opened_err != FL_OK || client.ended_err == FL_ERR_TLS);
    close_end(&client);
    w.server = NULL;
    close_end(&server);
    finish(&w);
    return whole;
}

static void cut_and_garbled_lines_never_garble_bytes(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) ^ ((uint64_t)getpid() << 32);
    unsigned whole = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 10; i++) {
        assert_true(over_the_line(seed + i, 0));
    }
    for (uint64_t i = 10; i < 70; i++) {
        whole += over_the_line(seed + i, 3000);
    }
    assert_true(whole < 20); /* a bit of a ticket, or of no meaning, may turn unseen */
}

/* New keys amid the stream (RFC 8446, 4.6.3) */

static SSL *last_ssl;

static void note_ssl(const SSL *ssl, int where, int ret)
{
    (void)where;
    (void)ret;
    last_ssl = (SSL *)(uintptr_t)ssl;
}

static void keys_may_change(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, server = {0};
    init(&w, &good);
    SSL_CTX_set_info_callback(w.client_tls->ctx, note_ssl);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(last_ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        say(&client, "a");
        run_until_got(&server, (uint64_t)i + 1);
        say(&server, "b");
        run_until_got(&client, (uint64_t)i + 1);
    }
    assert_int_equal(server.got_bytes, 20);
    assert_int_equal(client.got_bytes, 20);
    assert_int_equal(client.ended + server.ended, 0);
    close_end(&client);
    close_end(&server);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_certificates_are_accepted),
        cmocka_unit_test(bad_certificates_are_refused),
        cmocka_unit_test(wildcards_are_whole_labels),
        cmocka_unit_test(an_unreadable_host_is_an_error),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(the_systems_roots_do),
        cmocka_unit_test(old_clients_are_refused),
        cmocka_unit_test(other_protocols_are_refused),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(a_resumed_session_does_not_excuse_another_host),
        cmocka_unit_test(workers_share_contexts),
        cmocka_unit_test(a_megabyte_goes_both_ways),
        cmocka_unit_test(small_pieces_share_a_record),
        cmocka_unit_test(bytes_written_early_are_queued),
        cmocka_unit_test(pause_holds_bytes_and_the_end),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(a_close_in_the_handshake_is_told),
        cmocka_unit_test(an_owner_may_close_at_any_point),
        cmocka_unit_test(servers_that_speak_no_tls_are_refused),
        cmocka_unit_test(clients_that_speak_no_tls_are_refused),
        cmocka_unit_test(a_dial_that_fails_below_says_so),
        cmocka_unit_test(cut_and_garbled_lines_never_garble_bytes),
        cmocka_unit_test(keys_may_change),
    };
    return cmocka_run_group_tests_name("tls", tests, make_certs, free_certs);
}

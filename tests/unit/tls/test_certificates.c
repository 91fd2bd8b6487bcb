/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in: certificates, contexts, versions, resumption. */
#include "unit/tls/rig.h"

#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>

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
    };
    return cmocka_run_group_tests_name("tls_certificates", tests, make_certs, free_certs);
}

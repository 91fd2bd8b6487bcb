/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates good and bad, and a TLS server and a TLS client on one loop: what the tests of this layer have in
 * common. Include it in one file of a test program.
 */
#ifndef FL_TESTS_TLS_RIG_H
#define FL_TESTS_TLS_RIG_H

#include "unit/cm.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "net/net.h"
#include "tls/internal.h" /* to bend contexts into what real peers may be */
#include "unit/net/tsan.h"
#include "unit/tls/pki.h"

#define DAY_S 86400L

static struct pki_cert ca, other_ca, middle, good, by_middle, expired, too_new, wrong_host,
    self_signed, wrong_ca, with_ip, partial, wild;

static inline int make_certs(void **state)
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

static inline int free_certs(void **state)
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

static inline uint64_t sum(uint64_t so_far, struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        so_far = so_far * 31 + (uint8_t)bytes.ptr[i];
    }
    return so_far;
}

static inline void note_failure(struct end *e)
{
    struct fl_slice failure = fl_tls_failure(e->stream);
    (void)snprintf(e->failure, sizeof(e->failure), "%.*s", (int)failure.len,
                   failure.ptr ? failure.ptr : "");
}

static inline void opened(void *owner, enum fl_err err)
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

static inline void bytes(void *owner, struct fl_slice bytes)
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

static inline void ended(void *owner, enum fl_err err)
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

static inline void drained(void *owner)
{
    struct end *e = owner;
    e->drained++;
    assert_int_equal(e->stream->queued, 0);
    if (e->on_drained) {
        e->on_drained(e);
    }
}

static const struct fl_stream_events events = {opened, bytes, ended, drained, NULL, NULL};

static inline void accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
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

static inline void on_guard(struct fl_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for 30 s");
}

static inline struct fl_tls *server_of(const struct pki_cert *cert)
{
    struct fl_tls *tls = NULL;
    struct fl_reterr reterr;
    assert_int_equal(fl_tls_server_create(fl_slice_cstr(cert->cert_pem),
                                          fl_slice_cstr(cert->key_pem), &tls, &reterr),
                     FL_OK);
    return tls;
}

static inline struct fl_tls *client_of(const struct pki_cert *root)
{
    struct fl_tls *tls = NULL;
    struct fl_reterr reterr;
    assert_int_equal(fl_tls_client_create(fl_slice_cstr(root->cert_pem), &tls, &reterr), FL_OK);
    return tls;
}

/* *cert* NULL: the server is plain. */
static inline void init(struct world *w, const struct pki_cert *cert)
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

static inline void finish(struct world *w)
{
    fl_net_destroy(w->net);
    fl_tls_unref(w->client_tls);
    fl_tls_unref(w->server_tls);
}

static inline void close_end(struct end *e)
{
    if (e->stream) {
        fl_stream_close(e->stream, FL_CLOSE_NOW);
        e->stream = NULL;
    }
}

static inline void dial(struct world *w, const char *host, struct end *client, struct end *server)
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

static inline void stop(struct end *e)
{
    fl_net_stop(e->w->net);
}

static inline void stop_when_both_know(struct end *e)
{
    if (e->opened + e->ended > 0 && e->peer->opened + e->peer->ended > 0) {
        stop(e);
    }
}

static inline void say(struct end *e, const char *text)
{
    struct fl_slice piece = fl_slice_cstr(text);
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static inline void on_time(struct fl_timer *timer)
{
    struct end *e = fl_container_of(timer, struct end, timer);
    fl_net_stop(e->w->net);
}

/* At most *ns*; a stop() ends it before. */
static inline void run_for(struct world *w, uint64_t ns)
{
    struct end sleeper = {.w = w, .timer.fire = on_time};
    fl_sys_timer_in(w->sys, &sleeper.timer, ns);
    fl_net_run(w->net);
    fl_timers_stop(&w->sys->timers, &sleeper.timer);
}

static inline void run_until_got(struct end *e, uint64_t bytes)
{
    while (e->got_bytes < bytes) {
        run_for(e->w, FL_NS_MS);
    }
}

#endif

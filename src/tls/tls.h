/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a filter: an fl_stream over an fl_stream, OpenSSL 3 over memory BIOs, so that it runs over
 * every backend, the simulated network included. TLS 1.2 or newer. As a client, the certificate
 * chain and the host name are always verified (there is no switch), SNI is sent, sessions are
 * resumed. ALPN "http/1.1". One context a provider or listener, made at start, shared by all
 * workers; a connection belongs to one.
 */
#ifndef FL_TLS_TLS_H
#define FL_TLS_TLS_H

#include "base/sys.h"

struct fl_tls; /* a context; ref-counted */

/* *ca_pem*: trusted roots instead of the system's store; empty: the system's. */
enum fl_err fl_tls_client_create(struct fl_slice ca_pem, struct fl_tls **ret_tls,
                                 struct fl_reterr *reterr) FL_CHECK_RESULT;
/* Certificate chain (leaf first) and key, PEM. Checks that they belong together. */
enum fl_err fl_tls_server_create(struct fl_slice cert_pem, struct fl_slice key_pem,
                                 struct fl_tls **ret_tls, struct fl_reterr *reterr) FL_CHECK_RESULT;
struct fl_tls *fl_tls_ref(struct fl_tls *tls);
void fl_tls_unref(struct fl_tls *tls); /* NULL is fine */

/* Dials through sys and speaks TLS to *host* (name or IP literal, verified as such). opened() comes
 * when the handshake is done: FL_ERR_TLS says that it or the certificate failed. The peer's FIN is
 * ended(FL_OK), also without a close_notify before it: the framing above tells a cut answer. Fails
 * with FL_ERR_INVALID when *host* can be neither name nor address. */
enum fl_err fl_tls_dial(struct fl_tls *tls, struct fl_sys *sys, struct fl_slice host, uint16_t port,
                        const struct fl_stream_events *on, void *owner,
                        struct fl_stream **ret_stream) FL_CHECK_RESULT;
/* Server side over an accepted stream, which the filter owns from then on, also on failure.
 * opened() comes after the handshake. The owner's deadline covers the handshake. */
enum fl_err fl_tls_accept(struct fl_tls *tls, struct fl_sys *sys, struct fl_stream *lower,
                          const struct fl_stream_events *on, void *owner,
                          struct fl_stream **ret_stream) FL_CHECK_RESULT;

/* What failed, for a log line: e.g. "certificate has expired". Valid until the stream is closed;
 * empty for streams that are not TLS or did not fail. */
struct fl_slice fl_tls_failure(const struct fl_stream *stream);
/* Was the last handshake of this stream a resumed one? (tests) */
bool fl_tls_resumed(const struct fl_stream *stream);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made on the spot: keys are EC P-256, signatures SHA-256. */
#ifndef FL_TESTS_TLS_PKI_H
#define FL_TESTS_TLS_PKI_H

#include "base/slice.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki_cert {
    X509 *x509;
    EVP_PKEY *key;
    char cert_pem[2048], key_pem[1024];
};

/* *sans*: as in a configuration of OpenSSL, e.g. "DNS:localhost,IP:127.0.0.1"; NULL: none.
 * *issuer*: NULL: self-signed. *ca*: may sign others. Valid from *from_s* to *to_s* seconds from
 * now. */
struct pki_spec {
    const char *name, *sans;
    const struct pki_cert *issuer;
    bool ca;
    long from_s, to_s;
};

/* Aborts when OpenSSL fails. */
void pki_make(struct pki_cert *cert, const struct pki_spec *spec);
void pki_finish(struct pki_cert *cert);

#endif

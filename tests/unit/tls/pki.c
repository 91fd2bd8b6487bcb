/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/tls/pki.h"

#include "base/assert.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    fl_assert(extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void read_bio(BIO *bio, char *ret_text, size_t size)
{
    int n = BIO_read(bio, ret_text, (int)size - 1);
    fl_assert(n > 0 && (size_t)n < size - 1);
    ret_text[n] = '\0';
    BIO_free(bio);
}

void pki_make(struct pki_cert *cert, const struct pki_spec *spec)
{
    static long serial = 1;
    X509 *x = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    fl_assert(x && key);
    X509 *issuer = spec->issuer ? spec->issuer->x509 : x;
    X509_NAME *name = X509_get_subject_name(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), spec->from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), spec->to_s);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->name, -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    X509_set_pubkey(x, key);
    extend(x, issuer, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->ca) {
        extend(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (spec->sans) {
        extend(x, issuer, NID_subject_alt_name, spec->sans);
    }
    fl_assert(X509_sign(x, spec->issuer ? spec->issuer->key : key, EVP_sha256()) > 0);
    cert->x509 = x;
    cert->key = key;
    BIO *bio = BIO_new(BIO_s_mem());
    fl_assert(bio && PEM_write_bio_X509(bio, x) == 1);
    read_bio(bio, cert->cert_pem, sizeof(cert->cert_pem));
    bio = BIO_new(BIO_s_mem());
    fl_assert(bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    read_bio(bio, cert->key_pem, sizeof(cert->key_pem));
}

void pki_finish(struct pki_cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
}

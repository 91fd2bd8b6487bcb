/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and what is made with it, by OpenSSL: client keys, and signatures of requests to providers. */
#ifndef FL_TLS_DIGEST_H
#define FL_TLS_DIGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

void fl_sha256(struct fl_slice bytes, uint8_t ret_digest[32]);
/* Of *count* pieces, as if they stood one after another. */
void fl_sha256_pieces(const struct fl_slice *pieces, unsigned count, uint8_t ret_digest[32]);
void fl_hmac_sha256(struct fl_slice key, struct fl_slice bytes, uint8_t ret_digest[32]);
/* Appends the signature (RSASSA-PKCS1-v1_5 with SHA-256) by a private key in PEM. FL_ERR_CONFIG: it is no
 * RSA key. */
enum fl_err fl_sign_rs256(struct fl_slice pem, struct fl_slice bytes,
                          struct fl_buf *b) FL_CHECK_RESULT;
/* In constant time. */
bool fl_digest_eq(const uint8_t a[32], const uint8_t b[32]);

#endif

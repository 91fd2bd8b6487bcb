/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by OpenSSL, for client keys. */
#ifndef FL_TLS_DIGEST_H
#define FL_TLS_DIGEST_H

#include "base/slice.h"

void fl_sha256(struct fl_slice bytes, uint8_t ret_digest[32]);
/* In constant time. */
bool fl_digest_eq(const uint8_t a[32], const uint8_t b[32]);

#endif

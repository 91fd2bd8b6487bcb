/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/digest.h"

#include "base/assert.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

void fl_sha256(struct fl_slice bytes, uint8_t ret_digest[32])
{
    unsigned len = 0;
    int ok = EVP_Digest(bytes.len > 0 ? bytes.ptr : "", bytes.len, ret_digest, &len, EVP_sha256(), NULL);
    fl_assert(ok == 1 && len == 32);
}

bool fl_digest_eq(const uint8_t a[32], const uint8_t b[32])
{
    return CRYPTO_memcmp(a, b, 32) == 0;
}

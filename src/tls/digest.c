/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/digest.h"

#include "base/assert.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

void fl_sha256(struct fl_slice bytes, uint8_t ret_digest[32])
{
    unsigned len = 0;
    int ok = EVP_Digest(bytes.len > 0 ? bytes.ptr : "", bytes.len, ret_digest, &len, EVP_sha256(), NULL);
    fl_assert(ok == 1 && len == 32);
}

void fl_sha256_pieces(const struct fl_slice *pieces, unsigned count, uint8_t ret_digest[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned len = 0;
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (unsigned i = 0; ok && i < count; i++) {
        ok = pieces[i].len == 0 || EVP_DigestUpdate(md, pieces[i].ptr, pieces[i].len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(md, ret_digest, &len) == 1;
    EVP_MD_CTX_free(md);
    fl_assert(ok && len == 32);
}

void fl_hmac_sha256(struct fl_slice key, struct fl_slice bytes, uint8_t ret_digest[32])
{
    unsigned len = 0;
    fl_assert(key.len <= INT32_MAX);
    const unsigned char *text = (const unsigned char *)(bytes.len > 0 ? bytes.ptr : "");
    unsigned char *done = HMAC(EVP_sha256(), key.len > 0 ? key.ptr : "", (int)key.len, text,
                               bytes.len, ret_digest, &len);
    fl_assert(done && len == 32);
}

static bool sign(EVP_MD_CTX *md, EVP_PKEY *key, struct fl_slice bytes, struct fl_buf *b)
{
    size_t len = 0;
    const unsigned char *text = (const unsigned char *)(bytes.len > 0 ? bytes.ptr : "");
    if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(md, NULL, &len, text, bytes.len) != 1) {
        return false;
    }
    char *room = fl_buf_room(b, len);
    if (!room || EVP_DigestSign(md, (unsigned char *)room, &len, text, bytes.len) != 1) {
        return false;
    }
    fl_buf_grow(b, len);
    return true;
}

enum fl_err fl_sign_rs256(struct fl_slice pem, struct fl_slice bytes, struct fl_buf *b)
{
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool rsa = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    bool ok = rsa && md && sign(md, key, bytes, b);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return ok ? FL_OK : !rsa ? FL_ERR_CONFIG : FL_ERR_NOMEM;
}

bool fl_digest_eq(const uint8_t a[32], const uint8_t b[32])
{
    return CRYPTO_memcmp(a, b, 32) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4: the head fields that prove who asks. Signed are host, x-amz-date, the
 * content type when there is one, the session token when there is one, and the body by its digest.
 *
 * The path is given as it is sent, percent-encoded once. What is signed is that path encoded once
 * more, as every AWS service but S3 wants it: %3A becomes %253A.
 */
#ifndef FL_AUTH_SIGV4_H
#define FL_AUTH_SIGV4_H

#include "base/buf.h"
#include "base/slice.h"

struct fl_sigv4 {
    struct fl_slice access_key, secret_key;
    struct fl_slice session_token; /* empty: none */
    struct fl_slice region, service;
    struct fl_slice method, host, path;
    struct fl_slice query;        /* as sent, sorted by name; empty: none */
    struct fl_slice content_type; /* empty: none is sent */
    uint8_t body_sha256[32];
    uint64_t unix_s;
};

/* Appends x-amz-date, x-amz-security-token and authorization, each a line. *host* and the content type
 * are sent by the caller, as given here. The secret key must have at most 256 bytes. */
void fl_sigv4_put(const struct fl_sigv4 *s, struct fl_buf *b);

/* Steps of it, for tests. */
void fl_sigv4_signing_key(const struct fl_sigv4 *s, uint8_t ret_key[32]);
void fl_sigv4_canonical_sha256(const struct fl_sigv4 *s, uint8_t ret_digest[32]);

#endif

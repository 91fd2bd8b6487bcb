/* SPDX-License-Identifier: Apache-2.0 */
/* A Google service account: its key file, and the signed assertion that is exchanged for a token. */
#ifndef FL_AUTH_JWT_H
#define FL_AUTH_JWT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct fl_service_account {
    struct fl_slice email;
    struct fl_slice private_key; /* PEM */
    struct fl_slice key_id;      /* may be empty */
    struct fl_slice token_uri;
    struct fl_slice project; /* may be empty */
};

/* Reads the JSON of a key file. The slices point into it or into the arena. FL_ERR_CONFIG: it is none; what
 * lacks is told in *ret_lacking* (a literal). */
enum fl_err fl_service_account_parse(struct fl_slice json, struct fl_arena *arena,
                                     struct fl_service_account *ret_account,
                                     const char **ret_lacking) FL_CHECK_RESULT;
/* Appends header.claims.signature: valid for an hour from *now_s* on. */
enum fl_err fl_service_account_put_assertion(const struct fl_service_account *account,
                                             struct fl_slice scope, uint64_t now_s,
                                             struct fl_buf *b) FL_CHECK_RESULT;

#endif

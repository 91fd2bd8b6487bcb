/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the answer to a fetch of each kind, and as a key file: no crash, and what is taken can stand
 * in a head field. */
#include "auth/token.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(struct fl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        fl_assert(text.ptr[i] > ' ' && text.ptr[i] < 0x7f);
    }
}

static void take(enum fl_token_kind kind, struct fl_slice body)
{
    struct fl_token_source source = {.kind = kind};
    struct fl_token_fetch fetch;
    struct fl_token token;
    bool done = false;
    fl_token_init(&token);
    fl_token_fetch_begin(&fetch, &source);
    enum fl_err err = FL_OK;
    for (unsigned step = 0; !err && !done && step < 3; step++) {
        err = fl_token_fetch_take(&fetch, 200, body, 1000, &token, &done);
    }
    if (!err && done) {
        fl_assert(token.bearer.len > 0 || token.access_key.len > 0);
        check(token.bearer);
        check(token.access_key);
        check(token.secret_key);
        check(token.session_token);
        fl_assert(fl_token_refresh_s(&token, 1000) >= 1000);
    }
    fl_token_fetch_finish(&fetch);
    fl_token_finish(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fl_slice body = fl_slice((const char *)bytes, len);
    struct fl_service_account account;
    struct fl_arena arena;
    const char *lacking;
    for (int kind = FL_TOKEN_GOOGLE_ACCOUNT; kind <= FL_TOKEN_AWS_IMDS; kind++) {
        take((enum fl_token_kind)kind, body);
    }
    fl_arena_init(&arena, 4096, 1u << 20);
    enum fl_err err = fl_service_account_parse(body, &arena, &account, &lacking);
    fl_assert((err == FL_OK) == (lacking == NULL));
    fl_arena_finish(&arena);
    return 0;
}

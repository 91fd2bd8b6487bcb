/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/jwt.h"

#include "auth/encode.h"
#include "codec/json.h"
#include "tls/digest.h"

/* A member's decoded text; empty when it is no string or not there. */
static struct fl_slice text_of(struct fl_json object, const char *key, struct fl_arena *arena)
{
    struct fl_json value = fl_json_get(object, fl_slice_cstr(key));
    struct fl_slice text = FL_EMPTY;
    struct fl_buf b;
    char *memory = value.type == FL_JSON_STRING ? fl_arena_take(arena, value.span.len) : NULL;
    if (!memory) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, memory, value.span.len);
    return fl_json_text(value, &b, &text) ? text : FL_EMPTY;
}

enum fl_err fl_service_account_parse(struct fl_slice json, struct fl_arena *arena,
                                     struct fl_service_account *ret_account,
                                     const char **ret_lacking)
{
    struct fl_json whole;
    struct fl_service_account a;
    *ret_lacking = "JSON";
    if (fl_json_scan(json, FL_JSON_LIMITS, NULL, 0, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_CONFIG;
    }
    a.email = text_of(whole, "client_email", arena);
    a.private_key = text_of(whole, "private_key", arena);
    a.key_id = text_of(whole, "private_key_id", arena);
    a.token_uri = text_of(whole, "token_uri", arena);
    a.project = text_of(whole, "project_id", arena);
    *ret_lacking = a.email.len == 0         ? "client_email"
                   : a.private_key.len == 0 ? "private_key"
                   : a.token_uri.len == 0   ? "token_uri"
                                            : NULL;
    if (*ret_lacking) {
        return FL_ERR_CONFIG;
    }
    *ret_account = a;
    return FL_OK;
}

static void put_claims(const struct fl_service_account *a, struct fl_slice scope, uint64_t now_s,
                       struct fl_buf *b)
{
    enum { valid_s = 3600 };
    fl_buf_put_cstr(b, "{\"iss\":");
    fl_buf_put_json(b, a->email);
    fl_buf_put_cstr(b, ",\"scope\":");
    fl_buf_put_json(b, scope);
    fl_buf_put_cstr(b, ",\"aud\":");
    fl_buf_put_json(b, a->token_uri);
    fl_buf_put_cstr(b, ",\"iat\":");
    fl_buf_put_u64(b, now_s);
    fl_buf_put_cstr(b, ",\"exp\":");
    fl_buf_put_u64(b, now_s + valid_s);
    fl_buf_putc(b, '}');
}

enum fl_err fl_service_account_put_assertion(const struct fl_service_account *a,
                                             struct fl_slice scope, uint64_t now_s,
                                             struct fl_buf *b)
{
    char header_text[512], claims_text[2048], signature_text[1024];
    struct fl_buf header, claims, signature;
    size_t start = b->len;
    fl_buf_init_in(&header, header_text, sizeof(header_text));
    fl_buf_init_in(&claims, claims_text, sizeof(claims_text));
    fl_buf_init_in(&signature, signature_text, sizeof(signature_text));
    fl_buf_put_cstr(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (a->key_id.len > 0) {
        fl_buf_put_cstr(&header, ",\"kid\":");
        fl_buf_put_json(&header, a->key_id);
    }
    fl_buf_putc(&header, '}');
    put_claims(a, scope, now_s, &claims);
    fl_put_base64url(b, fl_buf_slice(&header));
    fl_buf_putc(b, '.');
    fl_put_base64url(b, fl_buf_slice(&claims));
    if (!fl_buf_ok(b) || !fl_buf_ok(&header) || !fl_buf_ok(&claims)) {
        return FL_ERR_TOO_BIG;
    }
    enum fl_err err =
        fl_sign_rs256(a->private_key, fl_slice_from(fl_buf_slice(b), start), &signature);
    if (err) {
        return err;
    }
    fl_buf_putc(b, '.');
    fl_put_base64url(b, fl_buf_slice(&signature));
    return fl_buf_ok(b) ? FL_OK : FL_ERR_TOO_BIG;
}

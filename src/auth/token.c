/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/token.h"

#include "auth/encode.h"
#include "codec/json.h"

enum { IMDS_SESSION, IMDS_ROLE, IMDS_KEYS };
enum { body_bytes_max = 16 * 1024, kept_bytes_max = 4096 };

static void wipe(struct fl_buf *b)
{
    volatile char *at = b->ptr;
    for (size_t i = 0; at && i < b->cap; i++) {
        at[i] = 0;
    }
    fl_buf_finish(b);
}

void fl_token_init(struct fl_token *token)
{
    *token = (struct fl_token){0};
    fl_buf_init(&token->memory, FL_TOKEN_BYTES_MAX);
}

void fl_token_finish(struct fl_token *token)
{
    wipe(&token->memory);
    fl_token_init(token);
}

void fl_token_fetch_begin(struct fl_token_fetch *fetch, const struct fl_token_source *source)
{
    *fetch = (struct fl_token_fetch){.source = source};
    fl_buf_init(&fetch->kept, kept_bytes_max);
}

void fl_token_fetch_finish(struct fl_token_fetch *fetch)
{
    wipe(&fetch->kept);
}

/* --- Requests --- */

struct request {
    const struct fl_token_source *source;
    struct fl_buf *out;
};

/* The request's line and host. *path* stands behind the endpoint's own. */
static void begin(const struct request *r, const char *method, struct fl_slice path)
{
    struct fl_slice base = r->source->endpoint.path;
    fl_buf_put_cstr(r->out, method);
    fl_buf_putc(r->out, ' ');
    fl_buf_put(r->out, base);
    fl_buf_put(r->out, path);
    fl_buf_put_cstr(r->out, base.len + path.len == 0 ? "/" : "");
    fl_buf_put_cstr(r->out, " HTTP/1.1\r\nhost: ");
    fl_buf_put(r->out, r->source->host_header);
    fl_buf_put_cstr(r->out, "\r\nconnection: close\r\naccept-encoding: identity\r\n");
}

static void put_field(const struct request *r, const char *name, struct fl_slice value)
{
    fl_buf_put_cstr(r->out, name);
    fl_buf_put(r->out, value);
    fl_buf_put_cstr(r->out, "\r\n");
}

static void end(const struct request *r, struct fl_slice body)
{
    fl_buf_put_cstr(r->out, "content-length: ");
    fl_buf_put_u64(r->out, body.len);
    fl_buf_put_cstr(r->out, "\r\n\r\n");
    fl_buf_put(r->out, body);
}

static void put_pair(struct fl_buf *b, const char *name, struct fl_slice value)
{
    fl_buf_put_cstr(b, b->len > 0 ? "&" : "");
    fl_buf_put_cstr(b, name);
    fl_buf_putc(b, '=');
    fl_put_percent(b, value, false);
}

static enum fl_err put_google_form(const struct fl_token_source *s, uint64_t now_s,
                                   struct fl_buf *form)
{
    struct fl_buf assertion;
    fl_buf_init(&assertion, body_bytes_max);
    enum fl_err err = fl_service_account_put_assertion(&s->account, s->scope, now_s, &assertion);
    put_pair(form, "grant_type", FL_LIT("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    put_pair(form, "assertion", fl_buf_slice(&assertion));
    wipe(&assertion);
    return err;
}

static void put_entra_form(const struct fl_token_source *s, struct fl_buf *form)
{
    put_pair(form, "grant_type", FL_LIT("client_credentials"));
    put_pair(form, "client_id", s->client_id);
    put_pair(form, "client_secret", s->client_secret);
    put_pair(form, "scope", s->scope);
}

static void put_role_form(const struct fl_token_source *s, struct fl_buf *form)
{
    put_pair(form, "Action", FL_LIT("AssumeRoleWithWebIdentity"));
    put_pair(form, "Version", FL_LIT("2011-06-15"));
    put_pair(form, "RoleArn", s->role);
    put_pair(form, "RoleSessionName", FL_LIT("fairlead"));
    put_pair(form, "WebIdentityToken", s->proof);
}

static enum fl_err put_form(const struct request *r, uint64_t now_s)
{
    enum fl_err err = FL_OK;
    struct fl_buf form;
    fl_buf_init(&form, body_bytes_max);
    if (r->source->kind == FL_TOKEN_GOOGLE_ACCOUNT) {
        err = put_google_form(r->source, now_s, &form);
    } else if (r->source->kind == FL_TOKEN_ENTRA) {
        put_entra_form(r->source, &form);
    } else {
        put_role_form(r->source, &form);
    }
    begin(r, "POST", FL_EMPTY);
    put_field(r, "content-type: ", FL_LIT("application/x-www-form-urlencoded"));
    end(r, fl_buf_slice(&form));
    err = err ? err : fl_buf_ok(&form) ? FL_OK : FL_ERR_TOO_BIG;
    wipe(&form);
    return err;
}

static void put_imds(const struct fl_token_fetch *f, const struct request *r)
{
    static const char keys_path[] = "/latest/meta-data/iam/security-credentials/";
    char memory[512];
    struct fl_buf path;
    struct fl_slice kept = fl_buf_slice(&f->kept);
    fl_buf_init_in(&path, memory, sizeof(memory));
    if (f->step == IMDS_SESSION) {
        begin(r, "PUT", FL_LIT("/latest/api/token"));
        put_field(r, "x-aws-ec2-metadata-token-ttl-seconds: ", FL_LIT("21600"));
        end(r, FL_EMPTY);
        return;
    }
    fl_buf_put_cstr(&path, keys_path);
    fl_put_percent(&path, fl_slice_from(kept, f->session_bytes), false);
    begin(r, "GET", fl_buf_slice(&path));
    put_field(r, "x-aws-ec2-metadata-token: ", fl_slice_first(kept, f->session_bytes));
    end(r, FL_EMPTY);
}

enum fl_err fl_token_fetch_put(struct fl_token_fetch *f, uint64_t now_s, struct fl_buf *b)
{
    struct request r = {f->source, b};
    enum fl_err err = FL_OK;
    switch (f->source->kind) {
    case FL_TOKEN_GOOGLE_ACCOUNT:
    case FL_TOKEN_ENTRA:
    case FL_TOKEN_AWS_WEB_IDENTITY:
        err = put_form(&r, now_s);
        break;
    case FL_TOKEN_GOOGLE_METADATA:
        begin(&r, "GET", FL_LIT("/computeMetadata/v1/instance/service-accounts/default/token"));
        put_field(&r, "metadata-flavor: ", FL_LIT("Google"));
        end(&r, FL_EMPTY);
        break;
    case FL_TOKEN_AWS_CONTAINER:
        begin(&r, "GET", FL_EMPTY);
        if (f->source->proof.len > 0) {
            put_field(&r, "authorization: ", f->source->proof);
        }
        end(&r, FL_EMPTY);
        break;
    case FL_TOKEN_AWS_IMDS:
        put_imds(f, &r);
        break;
    }
    return err ? err : fl_buf_ok(b) ? FL_OK : FL_ERR_TOO_BIG;
}

/* --- Answers --- */

/* What may stand in a head field: printable ASCII without spaces. */
static bool is_token(struct fl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

/* A member's text, kept with the token. Offsets, not slices: the memory may move while it grows. */
struct span {
    size_t at, len;
};

static struct span keep(struct fl_token *t, struct fl_slice text)
{
    struct span span = {t->memory.len, is_token(text) ? text.len : 0};
    if (span.len > 0) {
        fl_buf_put(&t->memory, text);
    }
    return span;
}

static struct span keep_member(struct fl_token *t, struct fl_json object, const char *key)
{
    char memory[FL_TOKEN_BYTES_MAX / 2];
    struct fl_buf scratch;
    struct fl_slice text = FL_EMPTY;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    if (!fl_json_text(fl_json_get(object, fl_slice_cstr(key)), &scratch, &text)) {
        text = FL_EMPTY;
    }
    return keep(t, text);
}

static struct fl_slice kept(const struct fl_token *t, struct span span)
{
    return fl_slice_first(fl_slice_from(fl_buf_slice(&t->memory), span.at), span.len);
}

static bool scan(struct fl_slice body, struct fl_json *ret)
{
    return fl_json_scan(body, FL_JSON_LIMITS, NULL, 0, ret, NULL) == FL_OK &&
           ret->type == FL_JSON_OBJECT;
}

/* OAuth 2.0: {"access_token", "expires_in"}; expires_in may be a string (Entra's older endpoint). */
static enum fl_err take_bearer(struct fl_slice body, uint64_t now_s, struct fl_token *t)
{
    enum { seconds_max = 366 * 86400 };
    struct fl_json whole;
    uint64_t seconds = 0;
    if (!scan(body, &whole)) {
        return FL_ERR_BAD_RESPONSE;
    }
    t->bearer = kept(t, keep_member(t, whole, "access_token"));
    struct fl_json in = fl_json_get(whole, FL_LIT("expires_in"));
    struct fl_slice digits =
        in.type == FL_JSON_STRING ? fl_slice(in.span.ptr + 1, in.span.len - 2) : in.span;
    if (in.type != FL_JSON_NONE && fl_slice_u64(digits, &seconds) && seconds < seconds_max) {
        t->expires_s = now_s + seconds;
    }
    return t->bearer.len > 0 ? FL_OK : FL_ERR_BAD_RESPONSE;
}

static enum fl_err take_spans(struct fl_token *t, const struct span spans[3],
                              struct fl_slice expires)
{
    t->access_key = kept(t, spans[0]);
    t->secret_key = kept(t, spans[1]);
    t->session_token = kept(t, spans[2]);
    (void)fl_parse_utc(expires, &t->expires_s);
    bool whole = t->access_key.len > 0 && t->secret_key.len > 0 && t->secret_key.len <= 256;
    return whole && fl_buf_ok(&t->memory) ? FL_OK : FL_ERR_BAD_RESPONSE;
}

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}: IMDS and containers. */
static enum fl_err take_keys(struct fl_slice body, struct fl_token *t)
{
    struct fl_json whole;
    if (!scan(body, &whole)) {
        return FL_ERR_BAD_RESPONSE;
    }
    const struct span spans[3] = {keep_member(t, whole, "AccessKeyId"),
                                  keep_member(t, whole, "SecretAccessKey"),
                                  keep_member(t, whole, "Token")};
    struct fl_json expires = fl_json_get(whole, FL_LIT("Expiration"));
    bool text = expires.type == FL_JSON_STRING;
    return take_spans(t, spans,
                      text ? fl_slice(expires.span.ptr + 1, expires.span.len - 2) : FL_EMPTY);
}

/* STS answers in XML; the four elements hold plain text and stand once. */
static struct fl_slice element(struct fl_slice xml, struct fl_slice open, struct fl_slice close)
{
    struct fl_slice rest = fl_slice_from(xml, fl_slice_find_text(xml, open) + open.len);
    size_t end = fl_slice_find_text(rest, close);
    return end < rest.len ? fl_slice_first(rest, end) : FL_EMPTY;
}

#define ELEMENT(xml, name) element((xml), FL_LIT("<" name ">"), FL_LIT("</" name ">"))

static enum fl_err take_role(struct fl_slice xml, struct fl_token *t)
{
    const struct span spans[3] = {keep(t, ELEMENT(xml, "AccessKeyId")),
                                  keep(t, ELEMENT(xml, "SecretAccessKey")),
                                  keep(t, ELEMENT(xml, "SessionToken"))};
    return take_spans(t, spans, ELEMENT(xml, "Expiration"));
}

/* The session's token, then the first of the roles' names, are kept for the requests to come. */
static enum fl_err take_imds_step(struct fl_token_fetch *f, struct fl_slice body)
{
    struct fl_slice text = fl_slice_trim(fl_slice_first(body, fl_slice_find(body, '\n')));
    if (!is_token(text)) {
        return FL_ERR_BAD_RESPONSE;
    }
    fl_buf_put(&f->kept, text);
    if (f->step == IMDS_SESSION) {
        f->session_bytes = text.len;
    }
    f->step++;
    return fl_buf_ok(&f->kept) ? FL_OK : FL_ERR_BAD_RESPONSE;
}

enum fl_err fl_token_fetch_take(struct fl_token_fetch *f, int status, struct fl_slice body,
                                uint64_t now_s, struct fl_token *t, bool *ret_done)
{
    *ret_done = false;
    if (status < 200 || status >= 300) {
        return status >= 500 || status == 429 ? FL_ERR_SERVER : FL_ERR_UPSTREAM_AUTH;
    }
    if (f->source->kind == FL_TOKEN_AWS_IMDS && f->step < IMDS_KEYS) {
        return take_imds_step(f, body);
    }
    *ret_done = true;
    switch (f->source->kind) {
    case FL_TOKEN_GOOGLE_ACCOUNT:
    case FL_TOKEN_GOOGLE_METADATA:
    case FL_TOKEN_ENTRA:
        return take_bearer(body, now_s, t);
    case FL_TOKEN_AWS_WEB_IDENTITY:
        return take_role(body, t);
    case FL_TOKEN_AWS_CONTAINER:
    case FL_TOKEN_AWS_IMDS:
        return take_keys(body, t);
    }
    return FL_ERR_BAD_RESPONSE;
}

/* Five minutes before it expires, or at four fifths of a shorter life; one that does not say is asked
 * for every half hour. */
uint64_t fl_token_refresh_s(const struct fl_token *t, uint64_t now_s)
{
    enum { margin_s = 300, unknown_s = 1800 };
    if (t->expires_s == 0) {
        return now_s + unknown_s;
    }
    uint64_t left = t->expires_s > now_s ? t->expires_s - now_s : 0;
    return now_s + (left > 5 * margin_s ? left - margin_s : left * 4 / 5);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canonical request -> string to sign -> signature by a key that is derived from the secret, the day,
 * the region and the service.
 */
#include "auth/sigv4.h"

#include "auth/encode.h"
#include "base/assert.h"
#include "tls/digest.h"

enum { time_bytes = 16, date_bytes = 8, secret_bytes_max = 256, canonical_bytes_max = 64 * 1024 };

static struct fl_slice put_time(uint64_t unix_s, char memory[time_bytes])
{
    struct fl_buf b;
    fl_buf_init_in(&b, memory, time_bytes);
    fl_put_basic_time(&b, unix_s);
    return fl_buf_slice(&b);
}

static void put_signed_names(const struct fl_sigv4 *s, struct fl_buf *b)
{
    fl_buf_put_cstr(b, s->content_type.len > 0 ? "content-type;" : "");
    fl_buf_put_cstr(b, "host;x-amz-date");
    fl_buf_put_cstr(b, s->session_token.len > 0 ? ";x-amz-security-token" : "");
}

static void put_line(struct fl_buf *b, const char *name, struct fl_slice value)
{
    if (value.len > 0) {
        fl_buf_put_cstr(b, name);
        fl_buf_put(b, fl_slice_trim(value));
        fl_buf_putc(b, '\n');
    }
}

static void put_canonical(const struct fl_sigv4 *s, struct fl_buf *b)
{
    char time[time_bytes];
    fl_buf_put(b, s->method);
    fl_buf_putc(b, '\n');
    fl_put_percent(b, s->path, true);
    fl_buf_putc(b, '\n');
    fl_buf_put(b, s->query);
    fl_buf_putc(b, '\n');
    put_line(b, "content-type:", s->content_type);
    put_line(b, "host:", s->host);
    put_line(b, "x-amz-date:", put_time(s->unix_s, time));
    put_line(b, "x-amz-security-token:", s->session_token);
    fl_buf_putc(b, '\n');
    put_signed_names(s, b);
    fl_buf_putc(b, '\n');
    fl_put_hex_bytes(b, s->body_sha256, sizeof(s->body_sha256));
}

void fl_sigv4_canonical_sha256(const struct fl_sigv4 *s, uint8_t ret_digest[32])
{
    struct fl_buf b;
    fl_buf_init(&b, canonical_bytes_max);
    put_canonical(s, &b);
    fl_sha256(fl_buf_slice(&b), ret_digest);
    fl_buf_finish(&b);
}

static struct fl_slice digest_slice(const uint8_t digest[32])
{
    return fl_slice((const char *)digest, 32);
}

void fl_sigv4_signing_key(const struct fl_sigv4 *s, uint8_t ret_key[32])
{
    char memory[4 + secret_bytes_max], time[time_bytes];
    uint8_t day[32], region[32], service[32];
    struct fl_buf b;
    fl_assert(s->secret_key.len <= secret_bytes_max);
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_cstr(&b, "AWS4");
    fl_buf_put(&b, s->secret_key);
    fl_hmac_sha256(fl_buf_slice(&b), fl_slice_first(put_time(s->unix_s, time), date_bytes), day);
    fl_hmac_sha256(digest_slice(day), s->region, region);
    fl_hmac_sha256(digest_slice(region), s->service, service);
    fl_hmac_sha256(digest_slice(service), FL_LIT("aws4_request"), ret_key);
}

static void put_scope(const struct fl_sigv4 *s, struct fl_slice time, struct fl_buf *b)
{
    fl_buf_put(b, fl_slice_first(time, date_bytes));
    fl_buf_putc(b, '/');
    fl_buf_put(b, s->region);
    fl_buf_putc(b, '/');
    fl_buf_put(b, s->service);
    fl_buf_put_cstr(b, "/aws4_request");
}

static void sign(const struct fl_sigv4 *s, struct fl_slice time, uint8_t ret_signature[32])
{
    char memory[512];
    uint8_t key[32], canonical[32];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_sigv4_canonical_sha256(s, canonical);
    fl_buf_put_cstr(&b, "AWS4-HMAC-SHA256\n");
    fl_buf_put(&b, time);
    fl_buf_putc(&b, '\n');
    put_scope(s, time, &b);
    fl_buf_putc(&b, '\n');
    fl_put_hex_bytes(&b, canonical, sizeof(canonical));
    fl_sigv4_signing_key(s, key);
    fl_hmac_sha256(digest_slice(key), fl_buf_slice(&b), ret_signature);
}

void fl_sigv4_put(const struct fl_sigv4 *s, struct fl_buf *b)
{
    char memory[time_bytes];
    uint8_t signature[32];
    struct fl_slice time = put_time(s->unix_s, memory);
    sign(s, time, signature);
    fl_buf_put_cstr(b, "x-amz-date: ");
    fl_buf_put(b, time);
    if (s->session_token.len > 0) {
        fl_buf_put_cstr(b, "\r\nx-amz-security-token: ");
        fl_buf_put(b, s->session_token);
    }
    fl_buf_put_cstr(b, "\r\nauthorization: AWS4-HMAC-SHA256 Credential=");
    fl_buf_put(b, s->access_key);
    fl_buf_putc(b, '/');
    put_scope(s, time, b);
    fl_buf_put_cstr(b, ", SignedHeaders=");
    put_signed_names(s, b);
    fl_buf_put_cstr(b, ", Signature=");
    fl_put_hex_bytes(b, signature, sizeof(signature));
    fl_buf_put_cstr(b, "\r\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheme "://" host [":" port] [path], each part cut off the front of what is left. The address a
 * URL leads to must be the same for every parser that ever reads it, so whatever the WHATWG parser
 * would repair, and whatever inet_aton() would guess at, is an error here.
 */
#include "codec/url.h"

#include "base/addr.h"
#include "base/buf.h"

struct parse {
    const char *begin;
    struct fl_slice rest;
    struct fl_reterr *reterr; /* may be NULL */
};

static enum fl_err fail(const struct parse *p, const char *at, const char *why)
{
    struct fl_reterr *r = p->reterr;
    if (r) {
        struct fl_buf b;
        r->err = FL_ERR_CONFIG;
        r->offset = (unsigned long)(at - p->begin);
        r->line = 1;
        r->column = (unsigned)r->offset + 1;
        fl_buf_init_in(&b, r->message, sizeof(r->message) - 1);
        fl_buf_put_cstr(&b, why);
        r->message[b.len] = '\0';
    }
    return FL_ERR_CONFIG;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Bytes that may stand nowhere, each with its reason. */
static enum fl_err check_bytes(const struct parse *p)
{
    for (size_t i = 0; i < p->rest.len; i++) {
        const char *at = p->rest.ptr + i;
        unsigned char c = (unsigned char)*at;
        const char *why = c <= 0x20 || c == 0x7f ? "white space and control bytes are not allowed"
                          : c > 0x7f  ? "only ASCII is allowed: write the host in its xn-- form"
                          : c == '\\' ? "a backslash is not allowed"
                          : c == '?'  ? "a query is not allowed"
                          : c == '#'  ? "a fragment is not allowed"
                                      : NULL;
        if (why) {
            return fail(p, at, why);
        }
    }
    return FL_OK;
}

static enum fl_err take_scheme(struct parse *p, bool *ret_tls)
{
    const struct fl_slice schemes[] = {FL_LIT("http://"), FL_LIT("https://")};
    for (unsigned i = 0; i < 2; i++) {
        if (fl_slice_eq_nocase(fl_slice_first(p->rest, schemes[i].len), schemes[i])) {
            *ret_tls = i == 1;
            p->rest = fl_slice(p->rest.ptr + schemes[i].len, p->rest.len - schemes[i].len);
            return FL_OK;
        }
    }
    return fail(p, p->begin, "expected http:// or https://");
}

/* One label of a name; NULL when it is well formed. */
static const char *label_fault(struct fl_slice label)
{
    if (label.len == 0) {
        return "a host name may not have an empty label";
    }
    if (label.len > 63) {
        return "a label of a host name has at most 63 bytes";
    }
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') {
        return "a label of a host name may not begin or end with '-'";
    }
    for (size_t i = 0; i < label.len; i++) {
        if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_') {
            return "a host name has letters, digits, '-', '_' and '.' only";
        }
    }
    return NULL;
}

/* Would the WHATWG parser (URL Standard, "ends in a number") or inet_aton() take it for IPv4? */
static bool is_number(struct fl_slice label)
{
    bool hex = label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x';
    for (size_t i = hex ? 2 : 0; i < label.len; i++) {
        if (hex ? !is_hex(label.ptr[i]) : !is_digit(label.ptr[i])) {
            return false;
        }
    }
    return label.len > 0;
}

static enum fl_err check_name(const struct parse *p, struct fl_slice host)
{
    struct fl_slice rest = host, label = FL_EMPTY;
    struct fl_addr addr;
    if (host.len > 253) {
        return fail(p, host.ptr, "a host name has at most 253 bytes");
    }
    for (bool more = true; more;) {
        size_t dot = fl_slice_find(rest, '.');
        more = dot < rest.len;
        label = fl_slice_first(rest, dot);
        const char *fault = label_fault(label);
        if (fault) {
            return fail(p, rest.ptr, fault);
        }
        rest = more ? fl_slice(rest.ptr + dot + 1, rest.len - dot - 1) : FL_EMPTY;
    }
    if (is_number(label) && !(fl_addr_parse_ip(host, &addr) && addr.family == 4)) {
        return fail(p, host.ptr,
                    "an IPv4 address has four decimal parts of 0 to 255 without leading zeros");
    }
    return FL_OK;
}

static enum fl_err take_host(struct parse *p, struct fl_slice authority, struct fl_url *url)
{
    struct fl_addr addr;
    size_t end;
    if (fl_slice_find(authority, '@') < authority.len) {
        return fail(p, authority.ptr, "user name and password are not allowed");
    }
    if (authority.len == 0) {
        return fail(p, authority.ptr, "expected a host");
    }
    if (authority.ptr[0] == '[') {
        end = fl_slice_find(authority, ']');
        url->host = fl_slice_from(fl_slice_first(authority, end), 1);
        url->host_is_ipv6 = true;
        if (end == authority.len || !fl_addr_parse_ip(url->host, &addr) || addr.family != 6) {
            return fail(p, authority.ptr, "expected an IPv6 address in brackets");
        }
        end++;
    } else {
        enum fl_err err;
        end = fl_slice_find(authority, ':');
        url->host = fl_slice_first(authority, end);
        if (url->host.len == 0) {
            return fail(p, authority.ptr, "expected a host before ':'");
        }
        if ((err = check_name(p, url->host)) != FL_OK) {
            return err;
        }
    }
    p->rest = fl_slice(authority.ptr + end, authority.len - end);
    return FL_OK;
}

/* What stands between the host and the path. */
static enum fl_err take_port(struct parse *p, struct fl_url *url)
{
    struct fl_slice digits = fl_slice_from(p->rest, 1);
    uint64_t port;
    url->port = url->tls ? 443 : 80;
    if (p->rest.len == 0) {
        return FL_OK;
    }
    if (p->rest.ptr[0] != ':') {
        return fail(p, p->rest.ptr, "expected ':' or '/' after the host");
    }
    if (digits.len == 0 || digits.len > 5 || digits.ptr[0] == '0' || !fl_slice_u64(digits, &port) ||
        port > 65535) {
        return fail(p, p->rest.ptr + 1, "a port is a number from 1 to 65535 without leading zeros");
    }
    url->port = (uint16_t)port;
    url->port_given = true;
    return FL_OK;
}

/* "%XX" at *s*: the byte, or -1. */
static int percent_byte(struct fl_slice s)
{
    int value = 0;
    if (s.len < 3 || !is_hex(s.ptr[1]) || !is_hex(s.ptr[2])) {
        return -1;
    }
    for (unsigned i = 1; i <= 2; i++) {
        char c = s.ptr[i];
        value = value * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* A segment of the path (RFC 3986, pchar); NULL when it is well formed. An encoded byte that some
 * server along the way would decode into path syntax is as bad as the byte itself. */
static const char *segment_fault(struct fl_slice segment)
{
    size_t dots = 0, width;
    bool only_dots = true;
    for (size_t i = 0; i < segment.len; i += width) {
        int c = (unsigned char)segment.ptr[i];
        width = 1;
        if (c == '%') {
            c = percent_byte(fl_slice_from(segment, i));
            width = 3;
            if (c < 0) {
                return "expected two hexadecimal digits after '%'";
            }
            if (c < 0x20 || c == 0x7f || c == '/' || c == '\\') {
                return "encoded slashes, backslashes and control bytes are not allowed";
            }
        } else if (!is_alnum((char)c) && !strchr("-._~!$&'()*+,;=:@", c)) {
            return "this character must be percent-encoded in a path";
        }
        only_dots = only_dots && c == '.';
        dots++;
    }
    if (dots == 0) {
        return "a path may not have an empty segment";
    }
    return only_dots && dots <= 2 ? "'.' and '..' are not allowed in a path" : NULL;
}

/* *path* is empty or begins with a slash. */
static enum fl_err check_path(const struct parse *p, struct fl_slice path, struct fl_url *url)
{
    if (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    url->path = path.len > 0 ? path : FL_EMPTY;
    while (path.len > 0) {
        struct fl_slice rest = fl_slice(path.ptr + 1, path.len - 1);
        size_t end = fl_slice_find(rest, '/');
        const char *fault = segment_fault(fl_slice_first(rest, end));
        if (fault) {
            return fail(p, rest.ptr, fault);
        }
        path = fl_slice(rest.ptr + end, rest.len - end);
    }
    return FL_OK;
}

enum fl_err fl_url_parse(struct fl_slice text, struct fl_url *ret_url, struct fl_reterr *reterr)
{
    struct parse p = {text.ptr, text, reterr};
    struct fl_url url = {.tls = false};
    enum fl_err err;
    if (text.len > FL_URL_BYTES_MAX) {
        return fail(&p, text.ptr, "the URL is too long");
    }
    if ((err = check_bytes(&p)) != FL_OK || (err = take_scheme(&p, &url.tls)) != FL_OK) {
        return err;
    }
    size_t slash = fl_slice_find(p.rest, '/');
    struct fl_slice path = fl_slice(p.rest.ptr + slash, p.rest.len - slash);
    if ((err = take_host(&p, fl_slice_first(p.rest, slash), &url)) != FL_OK ||
        (err = take_port(&p, &url)) != FL_OK || (err = check_path(&p, path, &url)) != FL_OK) {
        return err;
    }
    *ret_url = url;
    return FL_OK;
}

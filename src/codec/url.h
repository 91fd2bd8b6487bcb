/* SPDX-License-Identifier: Apache-2.0 */
/* Base URLs of providers: http(s)://host[:port][/path], strict. Userinfo, query, fragment, white
 * space and control bytes, backslashes, percent-encoded or non-ASCII hosts, empty labels (a dot at
 * the end too), and numbers that only some parsers read as IPv4 addresses (octal, hex, short forms)
 * are refused; so are port 0, leading zeros in a port, and a path with an empty or a dot segment or
 * an encoded slash. Host letters keep their case. */
#ifndef FL_CODEC_URL_H
#define FL_CODEC_URL_H

#include "base/err.h"
#include "base/slice.h"

#define FL_URL_BYTES_MAX 2048

struct fl_url {
    bool tls;
    struct fl_slice host; /* name or literal, IPv6 without brackets */
    bool host_is_ipv6;
    uint16_t port; /* 80 or 443 when absent */
    bool port_given;
    struct fl_slice path; /* without a trailing slash; empty for "/" */
};

/* The slices point into *text*. FL_ERR_CONFIG with offset, column and message in reterr (may be
 * NULL). */
enum fl_err fl_url_parse(struct fl_slice text, struct fl_url *ret_url,
                         struct fl_reterr *reterr) FL_CHECK_RESULT;

#endif

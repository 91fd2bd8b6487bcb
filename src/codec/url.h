/* SPDX-License-Identifier: Apache-2.0 */
/* Base URLs of providers: http(s)://host[:port][/path], strict. Userinfo, query, fragment, control
 * bytes, backslashes, percent-encoded or non-ASCII hosts, and numbers that only some parsers read as
 * IPv4 addresses (octal, hex, short forms) are refused. */
#ifndef FL_CODEC_URL_H
#define FL_CODEC_URL_H

#include "base/err.h"
#include "base/slice.h"

struct fl_url {
    bool tls;
    struct fl_slice host; /* name or literal, IPv6 without brackets */
    bool host_is_ipv6;
    uint16_t port;        /* 80 or 443 when absent */
    bool port_given;
    struct fl_slice path; /* without a trailing slash; empty for "/" */
};

enum fl_err fl_url_parse(struct fl_slice text, struct fl_url *ret_url, struct fl_reterr *reterr) FL_CHECK_RESULT;

#endif

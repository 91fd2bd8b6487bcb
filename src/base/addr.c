/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>

bool fl_addr_parse_ip(struct fl_slice text, struct fl_addr *ret_addr)
{
    char ip[INET6_ADDRSTRLEN];
    struct fl_addr addr = {0};
    if (text.len == 0 || text.len >= sizeof(ip) || memchr(text.ptr, '\0', text.len)) {
        return false;
    }
    memcpy(ip, text.ptr, text.len);
    ip[text.len] = '\0';
    if (inet_pton(AF_INET, ip, addr.bytes) == 1) {
        addr.family = 4;
    } else if (inet_pton(AF_INET6, ip, addr.bytes) == 1) {
        addr.family = 6;
    } else {
        return false;
    }
    *ret_addr = addr;
    return true;
}

static bool parse_host(struct fl_slice host, struct fl_addr *ret_addr)
{
    if (host.len == 0 || fl_slice_eq(host, FL_LIT("*"))) {
        *ret_addr = (struct fl_addr){.family = 4};
        return true;
    }
    if (fl_slice_eq_nocase(host, FL_LIT("localhost"))) {
        return fl_addr_parse_ip(FL_LIT("127.0.0.1"), ret_addr);
    }
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        return fl_addr_parse_ip(fl_slice(host.ptr + 1, host.len - 2), ret_addr) &&
               ret_addr->family == 6;
    }
    return fl_addr_parse_ip(host, ret_addr) && ret_addr->family == 4;
}

bool fl_addr_parse(struct fl_slice text, struct fl_addr *ret_addr)
{
    size_t colon = text.len;
    uint64_t port = 0;
    struct fl_addr addr;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !fl_slice_u64(fl_slice_from(text, colon), &port) || port > 65535 ||
        !parse_host(fl_slice_first(text, colon - 1), &addr)) {
        return false;
    }
    addr.port = (uint16_t)port;
    *ret_addr = addr;
    return true;
}

void fl_addr_put(const struct fl_addr *addr, struct fl_buf *b)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    (void)inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->bytes, ip, sizeof(ip));
    if (addr->family == 6) {
        fl_buf_putc(b, '[');
    }
    fl_buf_put_cstr(b, ip);
    if (addr->family == 6) {
        fl_buf_putc(b, ']');
    }
    fl_buf_putc(b, ':');
    fl_buf_put_u64(b, addr->port);
}

bool fl_addr_is_loopback(const struct fl_addr *addr)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    return addr->family == 4 ? addr->bytes[0] == 127
                             : memcmp(addr->bytes, loopback6, sizeof(loopback6)) == 0;
}

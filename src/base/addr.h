/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses with a port. */
#ifndef FL_BASE_ADDR_H
#define FL_BASE_ADDR_H

#include "base/buf.h"
#include "base/slice.h"

/* Address bytes in network order: 4 or 16. family 0 = unknown. */
struct fl_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t bytes[16];
    uint16_t port; /* host byte order */
};

/* "127.0.0.1", "::1" (no brackets, no zone) */
bool fl_addr_parse_ip(struct fl_slice text, struct fl_addr *ret_addr);
/* "127.0.0.1:3247", "[::1]:80", "localhost:80" (127.0.0.1), "*:3247" and ":3247" (0.0.0.0) */
bool fl_addr_parse(struct fl_slice text, struct fl_addr *ret_addr);
/* "127.0.0.1:3247", "[::1]:80" */
void fl_addr_put(const struct fl_addr *addr, struct fl_buf *b);
bool fl_addr_is_loopback(const struct fl_addr *addr);

#endif

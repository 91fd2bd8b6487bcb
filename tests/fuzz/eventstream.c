/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as Amazon's event stream: no crash, spans inside the input. The sums are made right
 * first, so that what lies behind them is reached. */
#include "base/assert.h"
#include "codec/eventstream.h"

#include <stdlib.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void put_u32(uint8_t *p, unsigned long n)
{
    p[0] = (uint8_t)(n >> 24);
    p[1] = (uint8_t)(n >> 16);
    p[2] = (uint8_t)(n >> 8);
    p[3] = (uint8_t)n;
}

static void read_all(struct fl_slice s)
{
    struct fl_eventstream_message m;
    while (fl_eventstream_next(s, 1 << 16, &m) == FL_OK && m.raw.len > 0) {
        fl_assert(m.raw.ptr == s.ptr && m.raw.len <= s.len);
        fl_assert(m.payload.len < m.raw.len && m.type.len + m.name.len + m.text.len < m.raw.len);
        s = fl_slice_from(s, m.raw.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    read_all(fl_slice((const char *)bytes, len));
    if (len >= 16 && len < 1 << 16) {
        uint8_t *copy = malloc(len);
        fl_assert(copy);
        memcpy(copy, bytes, len);
        put_u32(copy, len);
        copy[4] = copy[5] = 0;
        put_u32(copy + 8, crc32(0, copy, 8));
        put_u32(copy + len - 4, crc32(0, copy, (unsigned)len - 4));
        read_all(fl_slice((const char *)copy, len));
        free(copy);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

static bool tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t fl_utf8_width(struct fl_slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (s.len == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        return s.len >= 2 && tail(p[1]) ? 2 : 0;
    }
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        bool ok = s.len >= 3 && tail(p[1]) && tail(p[2]) && !(p[0] == 0xe0 && p[1] < 0xa0) &&
                  !(p[0] == 0xed && p[1] > 0x9f);
        return ok ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        bool ok = s.len >= 4 && tail(p[1]) && tail(p[2]) && tail(p[3]) &&
                  !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] > 0x8f);
        return ok ? 4 : 0;
    }
    return 0;
}

size_t fl_utf8_check(struct fl_slice s)
{
    size_t i = 0;
    while (i < s.len) {
        size_t width = fl_utf8_width(fl_slice_from(s, i));
        if (width == 0) {
            break;
        }
        i += width;
    }
    return i;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/path.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void fl_put_segment(struct fl_buf *b, struct fl_slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i])) {
            fl_buf_putc(b, text.ptr[i]);
        } else {
            fl_buf_putc(b, '%');
            fl_buf_putc(b, digits[c >> 4]);
            fl_buf_putc(b, digits[c & 15]);
        }
    }
}

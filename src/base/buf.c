/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { first_cap = 256 };

void fl_buf_init(struct fl_buf *b, size_t max)
{
    *b = (struct fl_buf){.max = max};
}

void fl_buf_init_in(struct fl_buf *b, char *memory, size_t cap)
{
    *b = (struct fl_buf){.ptr = memory, .cap = cap, .max = cap, .borrowed = true};
}

void fl_buf_finish(struct fl_buf *b)
{
    if (!b->borrowed) {
        free(b->ptr);
    }
    *b = (struct fl_buf){.max = b->max};
}

void fl_buf_reset(struct fl_buf *b)
{
    b->len = 0;
    b->failed = false;
}

void fl_buf_drop(struct fl_buf *b, size_t n)
{
    fl_assert(n <= b->len);
    b->len -= n;
    if (b->len > 0 && n > 0) {
        memmove(b->ptr, b->ptr + n, b->len);
    } else if (b->len == 0 && !b->borrowed) {
        free(b->ptr);
        b->ptr = NULL;
        b->cap = 0;
    }
}

static bool grow_to(struct fl_buf *b, size_t need)
{
    size_t cap = b->cap > 0 ? b->cap : need > first_cap ? need : first_cap;
    if (b->borrowed || need > b->max) {
        return false;
    }
    while (cap < need) {
        cap *= 2;
    }
    if (cap > b->max) {
        cap = b->max;
    }
    char *grown = realloc(b->ptr, cap);
    if (!grown) {
        return false;
    }
    b->ptr = grown;
    b->cap = cap;
    return true;
}

char *fl_buf_room(struct fl_buf *b, size_t n)
{
    if (b->failed || n > b->max - b->len || (n > b->cap - b->len && !grow_to(b, b->len + n))) {
        b->failed = true;
        return NULL;
    }
    return b->ptr + b->len;
}

void fl_buf_grow(struct fl_buf *b, size_t n)
{
    fl_assert(n <= b->cap - b->len);
    b->len += n;
}

void fl_buf_put_growing(struct fl_buf *b, struct fl_slice s)
{
    char *at = s.len > 0 ? fl_buf_room(b, s.len) : NULL;
    if (at) {
        memcpy(at, s.ptr, s.len);
        b->len += s.len;
    }
}

void fl_buf_put_u64(struct fl_buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    fl_buf_put(b, fl_slice(digits + at, sizeof(digits) - at));
}

void fl_buf_put_i64(struct fl_buf *b, int64_t value)
{
    if (value < 0) {
        fl_buf_putc(b, '-');
        fl_buf_put_u64(b, UINT64_C(0) - (uint64_t)value);
    } else {
        fl_buf_put_u64(b, (uint64_t)value);
    }
}

void fl_buf_put_hex(struct fl_buf *b, uint64_t value, unsigned digits_min)
{
    unsigned digits = value > 0 ? (67 - (unsigned)__builtin_clzll(value)) / 4 : 1;
    digits_min = digits_min < 16 ? digits_min : 16;
    digits = digits < digits_min ? digits_min : digits;
    char *at = fl_buf_room(b, digits);
    if (!at) {
        return;
    }
    for (unsigned i = digits; i-- > 0; value >>= 4) {
        at[i] = "0123456789abcdef"[value & 15];
    }
    b->len += digits;
}

void fl_buf_put_scaled(struct fl_buf *b, uint64_t value, unsigned scale, unsigned decimals)
{
    uint64_t unit = 1;
    fl_assert(scale <= 18);
    for (; scale > decimals + 1; scale--) {
        value /= 10;
    }
    if (scale == decimals + 1) {
        value = value / 10 + (value % 10 >= 5);
        scale--;
    }
    for (unsigned i = 0; i < scale; i++) {
        unit *= 10;
    }
    fl_buf_put_u64(b, value / unit);
    if (scale > 0) {
        uint64_t part = value % unit;
        fl_buf_putc(b, '.');
        for (unit /= 10; unit > 0; unit /= 10) {
            fl_buf_putc(b, (char)('0' + part / unit % 10));
        }
    }
}

/* The decimal exponent of a positive value, and the value's *digits* leading digits, rounded. Scaling goes by
 * powers that are exact, so that the same value reads the same everywhere. */
static int leading_digits(double value, unsigned digits, uint64_t *ret_digits)
{
    static const double powers[] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};
    int exponent = 0;
    for (int i = 8; i >= 0; i--) {
        if (value >= powers[i]) {
            value /= powers[i];
            exponent += 1 << i;
        } else if (value < 10 / powers[i]) {
            value *= powers[i];
            exponent -= 1 << i;
        }
    }
    uint64_t limit = 1;
    for (unsigned i = 0; i < digits; i++) {
        limit *= 10;
    }
    *ret_digits = (uint64_t)(value * ((double)limit / 10) + 0.5);
    if (*ret_digits >= limit) { /* 9.99... */
        *ret_digits /= 10;
        exponent++;
    }
    return exponent;
}

void fl_buf_put_real(struct fl_buf *b, double value, unsigned digits)
{
    char text[16];
    uint64_t mantissa;
    fl_assert(digits >= 1 && digits <= 15);
    if (!(value - value == 0)) {
        fl_buf_put_cstr(b, "null");
        return;
    }
    if (value < 0) {
        fl_buf_putc(b, '-');
        value = -value;
    }
    if (value < 1e-300) {
        fl_buf_putc(b, '0');
        return;
    }
    int exponent = leading_digits(value, digits, &mantissa), count = (int)digits;
    for (; count > 1 && mantissa % 10 == 0; count--) {
        mantissa /= 10;
    }
    for (int i = count - 1; i >= 0; i--, mantissa /= 10) {
        text[i] = (char)('0' + mantissa % 10);
    }
    bool plain = exponent >= -5 && exponent < 15;
    int before = plain ? exponent + 1 : 1; /* digits before the point */
    if (before <= 0) {
        fl_buf_put_cstr(b, "0.");
    }
    for (int i = before; i < 0; i++) {
        fl_buf_putc(b, '0');
    }
    for (int i = 0; i < count || i < before; i++) {
        if (i == before && i > 0) {
            fl_buf_putc(b, '.');
        }
        fl_buf_putc(b, i < count ? text[i] : '0');
    }
    if (!plain) {
        fl_buf_putc(b, 'e');
        fl_buf_put_i64(b, exponent);
    }
}

static void put_escape(struct fl_buf *b, unsigned char c)
{
    static const char letters[] = "btn\0fr";
    if (c >= 8 && c <= 13 && letters[c - 8] != '\0') {
        fl_buf_putc(b, '\\');
        fl_buf_putc(b, letters[c - 8]);
    } else if (c == '"' || c == '\\') {
        fl_buf_putc(b, '\\');
        fl_buf_putc(b, (char)c);
    } else {
        fl_buf_put(b, FL_LIT("\\u00"));
        fl_buf_put_hex(b, c, 2);
    }
}

void fl_buf_put_json(struct fl_buf *b, struct fl_slice text)
{
    size_t start = 0, i = 0;
    fl_buf_putc(b, '"');
    while (i < text.len) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t width = c < 0x80 ? 1 : fl_utf8_width(fl_slice_from(text, i));
        if (width == 0 || c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
            fl_buf_put(b, fl_slice(text.ptr + start, i - start));
            if (width == 0) {
                fl_buf_put(b, FL_LIT("\xef\xbf\xbd"));
            } else {
                put_escape(b, c);
            }
            start = i + 1;
            width = 1;
        }
        i += width;
    }
    fl_buf_put(b, fl_slice_from(fl_slice_first(text, i), start)); /* text may be NULL */
    fl_buf_putc(b, '"');
}

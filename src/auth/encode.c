/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/encode.h"

void fl_put_base64url(struct fl_buf *b, struct fl_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++) {
            group = group << 8 | (j < left ? (unsigned char)bytes.ptr[i + j] : 0);
        }
        for (size_t j = 0; j <= 3 && j <= left; j++) {
            fl_buf_putc(b, digits[group >> (18 - 6 * j) & 63]);
        }
    }
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void fl_put_percent(struct fl_buf *b, struct fl_slice text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i]) || (keep_slash && c == '/')) {
            fl_buf_putc(b, text.ptr[i]);
        } else {
            fl_buf_putc(b, '%');
            fl_buf_putc(b, digits[c >> 4]);
            fl_buf_putc(b, digits[c & 15]);
        }
    }
}

void fl_put_hex_bytes(struct fl_buf *b, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fl_buf_put_hex(b, bytes[i], 2);
    }
}

/* --- Dates: days since 1970 of the proleptic Gregorian calendar, counted in years from March --- */

static void put_digits(struct fl_buf *b, uint64_t value, unsigned digits)
{
    char text[8];
    for (unsigned i = digits; i > 0; i--) {
        text[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    fl_buf_put(b, fl_slice(text, digits));
}

void fl_put_basic_time(struct fl_buf *b, uint64_t unix_s)
{
    uint64_t days = unix_s / 86400 + 719468, s = unix_s % 86400;
    uint64_t era = days / 146097, in_era = days % 146097;
    uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    uint64_t march_month = (5 * in_year + 2) / 153;
    uint64_t day = in_year - (153 * march_month + 2) / 5 + 1;
    uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    put_digits(b, year + era * 400 + (month <= 2), 4);
    put_digits(b, month, 2);
    put_digits(b, day, 2);
    fl_buf_putc(b, 'T');
    put_digits(b, s / 3600, 2);
    put_digits(b, s / 60 % 60, 2);
    put_digits(b, s % 60, 2);
    fl_buf_putc(b, 'Z');
}

static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
    uint64_t y = month <= 2 ? year - 1 : year, march_month = month > 2 ? month - 3 : month + 9;
    uint64_t in_year = (153 * march_month + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + in_year - 719468;
}

bool fl_parse_utc(struct fl_slice text, uint64_t *ret_unix_s)
{
    static const struct {
        unsigned at, digits, min, max;
    } fields[] = {{0, 4, 1970, 9999}, {5, 2, 1, 12},  {8, 2, 1, 31},
                  {11, 2, 0, 23},     {14, 2, 0, 59}, {17, 2, 0, 60}};
    uint64_t v[6];
    if (text.len < 20 || text.ptr[text.len - 1] != 'Z' || text.ptr[10] != 'T') {
        return false;
    }
    for (unsigned i = 0; i < 6; i++) {
        struct fl_slice digits = fl_slice(text.ptr + fields[i].at, fields[i].digits);
        if (!fl_slice_u64(digits, &v[i]) || v[i] < fields[i].min || v[i] > fields[i].max) {
            return false;
        }
    }
    *ret_unix_s = days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
    return true;
}

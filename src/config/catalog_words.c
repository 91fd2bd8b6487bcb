/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, days and complaints of the catalogue's files. */
#include "config/catalog_file.h"

/* --- Numbers --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "e-05" behind the digits: adds to *io_scale*. */
static bool parse_exponent(struct fl_slice s, size_t at, int *io_scale)
{
    bool negative = false;
    int value = 0;
    size_t i = at + 1;
    if (at == s.len) {
        return true;
    }
    if (s.ptr[at] != 'e' && s.ptr[at] != 'E') {
        return false;
    }
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+')) {
        negative = s.ptr[i++] == '-';
    }
    size_t first = i;
    for (; i < s.len && is_digit(s.ptr[i]); i++) {
        value = value < 1000 ? value * 10 + (s.ptr[i] - '0') : value;
    }
    *io_scale += negative ? -value : value;
    return i == s.len && i > first;
}

/* value * 10^scale, rounded half up. */
static bool scale_by(uint64_t value, int scale, uint64_t *ret_value)
{
    unsigned last = 0;
    for (; scale > 0 && value > 0; scale--) {
        if (value > UINT64_MAX / 10) {
            return false;
        }
        value *= 10;
    }
    for (; scale < 0; scale++) {
        last = (unsigned)(value % 10);
        value /= 10;
        if (value == 0 && scale < -1) {
            last = 0;
            break;
        }
    }
    *ret_value = value + (last >= 5);
    return true;
}

bool fl_price_parse(struct fl_slice text, unsigned decimals, uint64_t *ret_value)
{
    uint64_t digits = 0;
    int scale = (int)decimals;
    size_t i = 0, count = 0;
    bool fraction = false;
    for (; i < text.len && (is_digit(text.ptr[i]) || (text.ptr[i] == '.' && !fraction)); i++) {
        if (text.ptr[i] == '.') {
            fraction = true;
            continue;
        }
        count++;
        if (digits > UINT64_MAX / 100) { /* further digits change nothing that is kept */
            scale += fraction ? 0 : 1;
            continue;
        }
        digits = digits * 10 + (uint64_t)(text.ptr[i] - '0');
        scale -= fraction;
    }
    return count > 0 && text.ptr[i - 1] != '.' && text.ptr[0] != '.' &&
           parse_exponent(text, i, &scale) && scale_by(digits, scale, ret_value);
}

void fl_price_put(struct fl_buf *b, uint64_t value, unsigned decimals)
{
    while (decimals > 0 && value % 10 == 0) {
        value /= 10;
        decimals--;
    }
    fl_buf_put_scaled(b, value, decimals, decimals);
}

/* --- Days: the civil calendar, counted in years that begin in March --- */

static int32_t day_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return (int32_t)(era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

static bool parse_digits(struct fl_slice s, size_t from, size_t count, unsigned *ret_value)
{
    unsigned value = 0;
    for (size_t i = from; i < from + count; i++) {
        if (!is_digit(s.ptr[i])) {
            return false;
        }
        value = value * 10 + (unsigned)(s.ptr[i] - '0');
    }
    *ret_value = value;
    return true;
}

static unsigned days_in(unsigned year, unsigned month)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return (unsigned)days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

bool fl_day_parse(struct fl_slice text, int32_t *ret_day)
{
    unsigned year = 0, month = 0, day = 0;
    bool shaped = text.len == 10 && text.ptr[4] == '-' && text.ptr[7] == '-' &&
                  parse_digits(text, 0, 4, &year) && parse_digits(text, 5, 2, &month) &&
                  parse_digits(text, 8, 2, &day);
    if (!shaped || year == 0 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) {
        return false;
    }
    *ret_day = day_of(year, month, day);
    return true;
}

static void put_digits(struct fl_buf *b, unsigned value, unsigned count)
{
    for (unsigned by = count == 4 ? 1000 : 10; by > 0; by /= 10) {
        fl_buf_putc(b, (char)('0' + value / by % 10));
    }
}

void fl_day_put(struct fl_buf *b, int32_t day)
{
    int64_t z = (int64_t)day + 719468;
    unsigned era = (unsigned)(z / 146097), of_era = (unsigned)(z % 146097);
    unsigned years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * years + years / 4 - years / 100);
    unsigned shifted = (5 * of_year + 2) / 153, month = shifted < 10 ? shifted + 3 : shifted - 9;
    put_digits(b, era * 400 + years + (month <= 2), 4);
    fl_buf_putc(b, '-');
    put_digits(b, month, 2);
    fl_buf_putc(b, '-');
    put_digits(b, of_year - (153 * shifted + 2) / 5 + 1, 2);
}

/* --- Complaints --- */

enum fl_err fl_catalog_refuse(struct fl_reterr *reterr, unsigned line, unsigned column,
                              const char *text, struct fl_slice word)
{
    struct fl_buf b;
    if (!reterr) {
        return FL_ERR_CONFIG;
    }
    fl_buf_init_in(&b, reterr->message, sizeof(reterr->message) - 1);
    fl_buf_put_cstr(&b, text);
    if (word.ptr) {
        fl_buf_put_cstr(&b, " '");
        for (size_t i = 0; i < word.len && i < 60; i++) {
            unsigned char c = (unsigned char)word.ptr[i];
            fl_buf_putc(&b, c < 0x20 || c > 0x7e ? '?' : (char)c);
        }
        fl_buf_put_cstr(&b, word.len > 60 ? "...'" : "'");
    }
    reterr->message[b.len] = '\0';
    reterr->err = FL_ERR_CONFIG;
    reterr->line = line;
    reterr->column = column;
    return FL_ERR_CONFIG;
}

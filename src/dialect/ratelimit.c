/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/ratelimit.h"

#include "codec/json.h"

__extension__ typedef unsigned __int128 uint128;

#define NS_PER_S UINT64_C(1000000000)
#define YEAR_NS  (UINT64_C(366) * 86400 * NS_PER_S)
#define EPOCH_S  UINT64_C(1000000000)    /* from here on a number is seconds since 1970 */
#define EPOCH_MS UINT64_C(1000000000000) /* and from here milliseconds */

/* --- Numbers, durations, dates --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Leading digits of *text*, at most 15, moved past them. */
static bool take_number(struct fl_slice *text, uint64_t *ret_value)
{
    size_t n = 0;
    *ret_value = 0;
    while (n < text->len && is_digit(text->ptr[n])) {
        *ret_value = *ret_value * 10 + (uint64_t)(text->ptr[n] - '0');
        if (++n > 15) {
            return false;
        }
    }
    *text = fl_slice_from(*text, n);
    return n > 0;
}

/* ".56" in billionths, moved past it; what is finer is cut off. */
static uint64_t take_fraction_e9(struct fl_slice *text)
{
    uint64_t value = 0, place = 100000000;
    size_t n = 1;
    if (text->len < 2 || text->ptr[0] != '.' || !is_digit(text->ptr[1])) {
        return 0;
    }
    for (; n < text->len && is_digit(text->ptr[n]); n++) {
        value += place * (uint64_t)(text->ptr[n] - '0');
        place /= 10;
    }
    *text = fl_slice_from(*text, n);
    return value;
}

static bool take_unit(struct fl_slice *text, uint64_t *ret_ns)
{
    static const struct {
        struct fl_slice name;
        uint64_t ns;
    } units[] = {/* the longer before the shorter that begins it */
                 {{"ms", 2}, 1000000},         {{"us", 2}, 1000},
                 {{"\xc2\xb5s", 3}, 1000},     {{"ns", 2}, 1},
                 {{"d", 1}, 86400 * NS_PER_S}, {{"h", 1}, 3600 * NS_PER_S},
                 {{"m", 1}, 60 * NS_PER_S},    {{"s", 1}, NS_PER_S}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (fl_slice_starts(*text, units[i].name)) {
            *text = fl_slice_from(*text, units[i].name.len);
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

bool fl_duration_parse(struct fl_slice text, uint64_t *ret_ns)
{
    uint128 sum = 0;
    bool any = false;
    text = fl_slice_trim(text);
    while (text.len > 0) {
        uint64_t whole, fraction, unit_ns = NS_PER_S;
        if (!take_number(&text, &whole)) {
            return false;
        }
        fraction = take_fraction_e9(&text);
        bool plain = text.len == 0 && !any; /* without a unit: seconds */
        if (!plain && !take_unit(&text, &unit_ns)) {
            return false;
        }
        sum += (uint128)whole * unit_ns + (uint128)fraction * unit_ns / NS_PER_S;
        any = true;
    }
    *ret_ns = sum < YEAR_NS ? (uint64_t)sum : YEAR_NS;
    return any;
}

struct moment {
    uint64_t year, month, day, hour, minute, second;
};

/* Days since 1970 by counting years from March, so that the leap day ends one. */
static bool moment_ns(const struct moment *m, uint64_t *ret_unix_ns)
{
    if (m->year < 1970 || m->year > 2200 || m->month < 1 || m->month > 12 || m->day < 1 ||
        m->day > 31 || m->hour > 23 || m->minute > 59 || m->second > 60) {
        return false;
    }
    uint64_t y = m->year - (m->month <= 2), mp = (m->month + 9) % 12;
    uint64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * mp + 2) / 5 + m->day - 1 - 719468;
    *ret_unix_ns = (((days * 24 + m->hour) * 60 + m->minute) * 60 + m->second) * NS_PER_S;
    return true;
}

static bool take_char(struct fl_slice *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c) {
        return false;
    }
    *text = fl_slice_from(*text, 1);
    return true;
}

static bool take_clock(struct fl_slice *text, struct moment *m)
{
    return take_number(text, &m->hour) && take_char(text, ':') && take_number(text, &m->minute) &&
           take_char(text, ':') && take_number(text, &m->second);
}

static bool rfc3339(struct fl_slice text, uint64_t *ret_unix_ns)
{
    struct moment m;
    uint64_t hours, minutes = 0;
    if (!take_number(&text, &m.year) || !take_char(&text, '-') || !take_number(&text, &m.month) ||
        !take_char(&text, '-') || !take_number(&text, &m.day) ||
        !(take_char(&text, 'T') || take_char(&text, 't') || take_char(&text, ' ')) ||
        !take_clock(&text, &m) || !moment_ns(&m, ret_unix_ns)) {
        return false;
    }
    *ret_unix_ns += take_fraction_e9(&text);
    if (take_char(&text, 'Z') || take_char(&text, 'z')) {
        return text.len == 0;
    }
    bool east = text.len > 0 && text.ptr[0] == '+';
    if ((!take_char(&text, '+') && !take_char(&text, '-')) || !take_number(&text, &hours) ||
        hours > 23 || (take_char(&text, ':') && !take_number(&text, &minutes)) || minutes > 59 ||
        text.len > 0) {
        return false;
    }
    uint64_t shift_ns = (hours * 60 + minutes) * 60 * NS_PER_S;
    if (east && shift_ns > *ret_unix_ns) {
        return false;
    }
    *ret_unix_ns = east ? *ret_unix_ns - shift_ns : *ret_unix_ns + shift_ns;
    return true;
}

/* "Sat, 01 Aug 2026 12:00:00 GMT" */
static bool http_date(struct fl_slice text, uint64_t *ret_unix_ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct moment m = {0};
    text = fl_slice_from(text, fl_slice_find(text, ','));
    if (!take_char(&text, ',') || !take_char(&text, ' ') || !take_number(&text, &m.day) ||
        !take_char(&text, ' ') || text.len < 4) {
        return false;
    }
    for (uint64_t i = 0; i < 12; i++) {
        if (fl_slice_eq_nocase(fl_slice_first(text, 3), fl_slice(months + 3 * i, 3))) {
            m.month = i + 1;
        }
    }
    text = fl_slice_from(text, 3);
    return take_char(&text, ' ') && take_number(&text, &m.year) && take_char(&text, ' ') &&
           take_clock(&text, &m) && fl_slice_eq_nocase(text, FL_LIT(" GMT")) &&
           moment_ns(&m, ret_unix_ns);
}

bool fl_date_parse(struct fl_slice text, uint64_t *ret_unix_ns)
{
    text = fl_slice_trim(text);
    return rfc3339(text, ret_unix_ns) || http_date(text, ret_unix_ns);
}

static uint64_t until(uint64_t unix_ns, uint64_t at_ns)
{
    uint64_t ns = at_ns > unix_ns ? at_ns - unix_ns : 0;
    return ns < YEAR_NS ? ns : YEAR_NS;
}

/* A duration, a date, or a number that is one of these, as nanoseconds from now. */
static bool when(struct fl_slice text, uint64_t unix_ns, uint64_t *ret_ns)
{
    struct fl_slice rest = text = fl_slice_trim(text);
    uint64_t n, at_ns;
    if (take_number(&rest, &n) && n >= EPOCH_S && (rest.len == 0 || rest.ptr[0] == '.')) {
        uint64_t ns = n >= EPOCH_MS ? n / 1000 * NS_PER_S + n % 1000 * 1000000 : n * NS_PER_S;
        *ret_ns = until(unix_ns, ns);
        return true;
    }
    if (fl_date_parse(text, &at_ns)) {
        *ret_ns = until(unix_ns, at_ns);
        return true;
    }
    return fl_duration_parse(text, ret_ns);
}

/* --- Headers --- */

/* *text* is lower case and not empty. Its first letter mostly tells. */
static bool starts_nocase(struct fl_slice s, struct fl_slice text)
{
    return s.len >= text.len && (s.ptr[0] | 0x20) == text.ptr[0] &&
           fl_slice_eq_nocase(fl_slice_first(s, text.len), text);
}

static bool is(struct fl_slice name, struct fl_slice text)
{
    return name.len == text.len && starts_nocase(name, text);
}

static bool drop_prefix(struct fl_slice *s, struct fl_slice prefix)
{
    if (!starts_nocase(*s, prefix)) {
        return false;
    }
    *s = fl_slice_from(*s, prefix.len);
    return true;
}

static bool kind_of(struct fl_slice name, enum fl_rate_kind *ret_kind)
{
    static const struct {
        struct fl_slice name;
        enum fl_rate_kind kind;
    } kinds[] = {{{"", 0}, FL_RATE_REQUESTS},
                 {{"requests", 8}, FL_RATE_REQUESTS},
                 {{"requests-minute", 15}, FL_RATE_REQUESTS},
                 {{"req-minute", 10}, FL_RATE_REQUESTS},
                 {{"requests-day", 12}, FL_RATE_REQUESTS_DAY},
                 {{"tokens", 6}, FL_RATE_TOKENS},
                 {{"tokens-minute", 13}, FL_RATE_TOKENS},
                 {{"tokens-day", 10}, FL_RATE_TOKENS_DAY},
                 {{"project-tokens", 14}, FL_RATE_TOKENS_PROJECT},
                 {{"input-tokens", 12}, FL_RATE_TOKENS_IN},
                 {{"tokens-prompt", 13}, FL_RATE_TOKENS_IN},
                 {{"output-tokens", 13}, FL_RATE_TOKENS_OUT},
                 {{"tokens-generated", 16}, FL_RATE_TOKENS_OUT}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (name.len == kinds[i].name.len && fl_slice_eq_nocase(name, kinds[i].name)) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

enum what { LIMIT, REMAINING, RESET, PERIOD, WHAT_COUNT };
static const struct fl_slice whats[WHAT_COUNT] = {
    {"limit", 5}, {"remaining", 9}, {"reset", 5}, {"renewalperiod", 13}};

static void set_rate(struct fl_rates *rates, enum fl_rate_kind kind, enum what what,
                     struct fl_slice value, uint64_t unix_ns)
{
    struct fl_rate *r = &rates->of[kind];
    uint64_t n = 0;
    struct fl_slice rest = value = fl_slice_trim(value);
    bool number = take_number(&rest, &n);
    if (what == RESET || (what == PERIOD && !r->reset_given)) { /* a period over is a reset */
        r->reset_given = when(value, unix_ns, &r->reset_ns);
    } else if (what == LIMIT && number) { /* "100, 100;w=60" of some gateways: its first */
        r->limit_given = true;
        r->limit = n;
    } else if (what == REMAINING && (number || fl_slice_starts(value, FL_LIT("-")))) {
        r->remaining_given = true; /* below none is none */
        r->remaining = n;
    }
    rates->given = rates->given || r->limit_given || r->remaining_given || r->reset_given;
}

/* "limit-requests" */
static void what_then_kind(struct fl_rates *rates, struct fl_slice name, struct fl_slice value,
                           uint64_t unix_ns)
{
    for (unsigned what = 0; what < WHAT_COUNT; what++) {
        struct fl_slice rest = name;
        enum fl_rate_kind kind;
        if (drop_prefix(&rest, whats[what]) && (rest.len == 0 || drop_prefix(&rest, FL_LIT("-"))) &&
            kind_of(rest, &kind)) {
            set_rate(rates, kind, (enum what)what, value, unix_ns);
        }
    }
}

/* "requests-limit" */
static void kind_then_what(struct fl_rates *rates, struct fl_slice name, struct fl_slice value,
                           uint64_t unix_ns)
{
    for (unsigned what = 0; what < WHAT_COUNT; what++) {
        struct fl_slice word = whats[what];
        enum fl_rate_kind kind;
        if (name.len > word.len + 1 &&
            starts_nocase(fl_slice_from(name, name.len - word.len), word) &&
            kind_of(fl_slice_first(name, name.len - word.len - 1), &kind)) {
            set_rate(rates, kind, (enum what)what, value, unix_ns);
        }
    }
}

static void take_retry_after(struct fl_rates *rates, struct fl_slice value, uint64_t unix_ns,
                             bool milliseconds)
{
    uint64_t ns;
    bool read = milliseconds ? fl_duration_parse(value, &ns) : when(value, unix_ns, &ns);
    if (read) {
        rates->retry_after_given = true;
        rates->retry_after_ns = milliseconds ? ns / 1000 : ns;
    }
}

void fl_ratelimit_field(struct fl_rates *rates, struct fl_slice name, struct fl_slice value,
                        uint64_t unix_ns)
{
    if (name.len < 11) {
        return;
    }
    if (drop_prefix(&name, FL_LIT("x-ratelimit-"))) {
        what_then_kind(rates, name, value, unix_ns);
    } else if (drop_prefix(&name, FL_LIT("anthropic-ratelimit-"))) {
        kind_then_what(rates, name, value, unix_ns);
    } else if (is(name, FL_LIT("retry-after-ms"))) {
        rates->retry_after_given = false;
        take_retry_after(rates, value, unix_ns, true);
        rates->retry_after_in_ms = rates->retry_after_given;
    } else if (is(name, FL_LIT("retry-after")) && !rates->retry_after_in_ms) {
        take_retry_after(rates, value, unix_ns, false);
    } else if (is(name, FL_LIT("x-should-retry"))) {
        value = fl_slice_trim(value);
        rates->retry = fl_slice_eq_nocase(value, FL_LIT("true"));
        rates->retry_said = rates->retry || fl_slice_eq_nocase(value, FL_LIT("false"));
    }
}

/* --- Bodies --- */

/* What follows the first *marker* of the text, up to a byte that no duration has. */
static struct fl_slice after(struct fl_slice text, const char *marker)
{
    struct fl_slice m = fl_slice_cstr(marker);
    struct fl_slice rest = fl_slice_from(text, fl_slice_find_text(text, m) + m.len);
    size_t n = 0;
    while (n < rest.len &&
           (is_digit(rest.ptr[n]) || (rest.ptr[n] >= 'a' && rest.ptr[n] <= 'z') ||
            (rest.ptr[n] == '.' && n + 1 < rest.len && is_digit(rest.ptr[n + 1])))) {
        n++;
    }
    return fl_slice_first(rest, n);
}

void fl_ratelimit_body(struct fl_rates *rates, struct fl_slice body)
{
    static const char *const markers[] = {"\"retryDelay\": \"", "\"retryDelay\":\"",
                                          "Please try again in ", "Please retry in "};
    uint64_t ns;
    for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
        if (!rates->retry_after_given && fl_duration_parse(after(body, markers[i]), &ns)) {
            rates->retry_after_given = true;
            rates->retry_after_ns = ns;
        }
    }
}

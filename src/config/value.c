/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

/* --- Variables --- */

static bool is_name(struct fl_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return s.len > 0;
}

/* Where the reference stands in the file: exact when the scalar is written as it reads. */
static struct fl_place place_in(const struct fl_load *load, const struct fl_yaml *node, size_t from,
                                size_t len)
{
    struct fl_place place = fl_place_of(node);
    struct fl_slice here = fl_slice_from(load->source, node->offset);
    if (here.len > 0 && (here.ptr[0] == '"' || here.ptr[0] == '\'')) {
        here = fl_slice_from(here, 1);
        place.column++;
    }
    if (!fl_slice_starts(here, node->text) || fl_slice_find(node->text, '\n') < node->text.len) {
        return fl_place_of(node);
    }
    for (size_t i = 0; i < from; i++) {
        place.column += ((unsigned char)node->text.ptr[i] & 0xc0) != 0x80;
    }
    place.width = (unsigned)len;
    return place;
}

/* One "${...}" without its brackets. */
static bool expand_one(struct fl_load *load, const struct fl_yaml *node, struct fl_slice inner,
                       struct fl_buf *b)
{
    size_t from = (size_t)(inner.ptr - node->text.ptr) - 2;
    size_t mark = fl_slice_find_text(inner, FL_LIT(":-"));
    struct fl_slice name = fl_slice_first(inner, mark), value;
    if (!is_name(name)) {
        fl_findings_add(load->findings, FL_CONFIG_ERROR, place_in(load, node, from, inner.len + 3),
                        "only ${NAME} and ${NAME:-default} are understood; write $$ for one '$'");
        return false;
    }
    if (load->env->variable(load->env->owner, name, &value) &&
        (value.len > 0 || mark == inner.len)) {
        fl_buf_put(b, value);
        return true;
    }
    if (mark < inner.len) {
        fl_buf_put(b, fl_slice_from(inner, mark + 2));
        return true;
    }
    fl_findings_add(load->findings, FL_CONFIG_ERROR, place_in(load, node, from, inner.len + 3),
                    "the environment variable %.*s is not set; set it, or write a default: "
                    "${%.*s:-...}",
                    FL_TEXT(name), FL_TEXT(name));
    return false;
}

static bool expand_at(struct fl_load *load, const struct fl_yaml *node, size_t *io_at,
                      struct fl_buf *b)
{
    struct fl_slice rest = fl_slice_from(node->text, *io_at);
    if (fl_slice_starts(rest, FL_LIT("$$"))) {
        fl_buf_putc(b, '$');
        *io_at += 2;
        return true;
    }
    if (!fl_slice_starts(rest, FL_LIT("${"))) {
        fl_buf_putc(b, '$');
        *io_at += 1;
        return true;
    }
    size_t end = fl_slice_find(rest, '}');
    if (end == rest.len) {
        fl_findings_add(load->findings, FL_CONFIG_ERROR, place_in(load, node, *io_at, 2),
                        "'${' without its '}'; write $$ for one '$'");
        *io_at += 2;
        return false;
    }
    *io_at += end + 1;
    return expand_one(load, node, fl_slice(rest.ptr + 2, end - 2), b);
}

static struct fl_slice source_of(struct fl_slice text)
{
    size_t end = fl_slice_find(text, '}');
    if (!fl_slice_starts(text, FL_LIT("${")) || end + 1 != text.len) {
        return FL_LIT("environment");
    }
    struct fl_slice inner = fl_slice(text.ptr + 2, end - 2);
    return fl_slice_first(inner, fl_slice_find(inner, ':'));
}

bool fl_value_expand(struct fl_load *load, const struct fl_yaml *node, struct fl_buf *b,
                     struct fl_slice *ret_source)
{
    bool ok = true, expanded = false;
    for (size_t at = 0; at < node->text.len;) {
        size_t dollar = fl_slice_find(fl_slice_from(node->text, at), '$');
        fl_buf_put(b, fl_slice(node->text.ptr + at, dollar));
        at += dollar;
        if (at < node->text.len) {
            expanded = expanded || fl_slice_starts(fl_slice_from(node->text, at), FL_LIT("${"));
            ok = expand_at(load, node, &at, b) && ok;
        }
    }
    if (expanded && ret_source) {
        *ret_source = source_of(node->text);
    }
    if (!fl_buf_ok(b)) {
        fl_load_error(load, node, "the value is too long once its variables are filled in");
        return false;
    }
    return ok;
}

/* --- Numbers --- */

struct unit {
    const char *name;
    int64_t factor; /* > 0: multiply; < 0: divide by -factor */
};

/* Billionths times the unit, in units of *scale* billionths; exact or false. */
static bool scale_number(struct fl_slice text, const struct unit *units, int64_t scale,
                         int64_t *ret_number)
{
    uint64_t e9 = 0;
    size_t digits = 0;
    while (digits < text.len &&
           ((text.ptr[digits] >= '0' && text.ptr[digits] <= '9') || text.ptr[digits] == '.')) {
        digits++;
    }
    struct fl_slice name = fl_slice_trim(fl_slice_from(text, digits));
    if (!fl_slice_decimal_e9(fl_slice_first(text, digits), &e9) || e9 > INT64_MAX) {
        return false;
    }
    for (const struct unit *unit = units; unit->name; unit++) {
        int64_t value = (int64_t)e9;
        if (!fl_slice_eq(name, fl_slice_cstr(unit->name))) {
            continue;
        }
        if (unit->factor > 0 && value > INT64_MAX / unit->factor) {
            /* Too fine for the product; whole numbers may still fit. */
            if (value % scale != 0 || value / scale > INT64_MAX / unit->factor) {
                return false;
            }
            *ret_number = value / scale * unit->factor;
            return true;
        }
        value = unit->factor > 0 ? value * unit->factor : value / -unit->factor;
        if (value % scale != 0) {
            return false;
        }
        *ret_number = value / scale;
        return true;
    }
    return false;
}

/* Nanoseconds are billionths of seconds. */
static bool parse_duration(struct fl_slice text, int64_t *ret_ns)
{
    static const struct unit units[] = {{"", 1},   {"s", 1},    {"ms", -1000}, {"us", -1000000},
                                        {"m", 60}, {"h", 3600}, {"d", 86400},  {NULL, 0}};
    return scale_number(text, units, 1, ret_ns);
}

static bool parse_size(struct fl_slice text, int64_t *ret_bytes)
{
    static const struct unit units[] = {{"", 1},          {"B", 1},           {"KB", 1000},
                                        {"MB", 1000000},  {"GB", 1000000000}, {"KiB", 1 << 10},
                                        {"MiB", 1 << 20}, {"GiB", 1 << 30},   {NULL, 0}};
    return scale_number(text, units, 1000000000, ret_bytes);
}

static bool parse_real(struct fl_slice text, int64_t *ret_e9)
{
    uint64_t e9 = 0;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (!fl_slice_decimal_e9(fl_slice_from(text, negative), &e9) || e9 > INT64_MAX) {
        return false;
    }
    *ret_e9 = negative ? -(int64_t)e9 : (int64_t)e9;
    return true;
}

static bool parse_uint(struct fl_slice text, int64_t *ret_number)
{
    uint64_t value = 0;
    if (!fl_slice_u64(text, &value) || value > INT64_MAX) {
        return false;
    }
    *ret_number = (int64_t)value;
    return true;
}

static bool parse_bool(struct fl_slice text, int64_t *ret_number)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (fl_slice_eq_nocase(text, fl_slice_cstr(words[i]))) {
            *ret_number = i % 2;
            return true;
        }
    }
    return false;
}

static bool parse_enum(enum fl_enum words, struct fl_slice text, int64_t *ret_number)
{
    for (unsigned i = 0; fl_enum_word(words, i); i++) {
        if (fl_slice_eq(text, fl_slice_cstr(fl_enum_word(words, i)))) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

bool fl_value_number(const struct fl_key *key, struct fl_slice text, int64_t *ret_number)
{
    switch (key->type) {
    case FL_TYPE_BOOL:
        return parse_bool(text, ret_number);
    case FL_TYPE_UINT:
        return parse_uint(text, ret_number);
    case FL_TYPE_REAL:
        return parse_real(text, ret_number);
    case FL_TYPE_DURATION:
        return parse_duration(text, ret_number);
    case FL_TYPE_SIZE:
        return parse_size(text, ret_number);
    case FL_TYPE_ENUM:
        return parse_enum((enum fl_enum)key->of, text, ret_number);
    case FL_TYPE_STRING:
    case FL_TYPE_SECRET:
    case FL_TYPE_STRINGS:
    case FL_TYPE_SECRETS:
    case FL_TYPE_STRING_MAP:
    case FL_TYPE_OBJECT:
    case FL_TYPE_MAP:
    case FL_TYPE_LIST:
    case FL_TYPE_PRICES:
    case FL_TYPE_LATER:
        break;
    }
    return false;
}

const char *fl_value_expected(enum fl_key_type type)
{
    switch (type) {
    case FL_TYPE_STRING:
        return "text";
    case FL_TYPE_SECRET:
        return "a secret: ${VARIABLE}, {file: PATH} or {credential: NAME}";
    case FL_TYPE_BOOL:
        return "true or false";
    case FL_TYPE_UINT:
        return "a whole number such as 3";
    case FL_TYPE_REAL:
        return "a number such as 0.5";
    case FL_TYPE_DURATION:
        return "a duration such as 30s, 500ms or 2m, or a number of seconds";
    case FL_TYPE_SIZE:
        return "a size such as 64KiB or 1MiB, or a number of bytes";
    case FL_TYPE_ENUM:
        return "one of a few words";
    case FL_TYPE_STRINGS:
        return "text or a list such as [one, two]";
    case FL_TYPE_SECRETS:
        return "a list of secrets such as [\"${FIRST}\", {key: \"${SECOND}\", rpm: 60}]";
    case FL_TYPE_STRING_MAP:
        return "names with text, such as {x-team: search}";
    case FL_TYPE_OBJECT:
        return "keys of its own, indented under it";
    case FL_TYPE_MAP:
        return "names with keys of their own, indented under it";
    case FL_TYPE_LIST:
        return "a list, each entry begun by '- '";
    case FL_TYPE_PRICES:
        return "prices such as {input: 0.5, output: 1.5}, in USD per million tokens";
    case FL_TYPE_LATER:
        break;
    }
    return "nothing";
}

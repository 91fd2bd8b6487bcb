/* SPDX-License-Identifier: Apache-2.0 */
/* Spellings of a model's name, and lists of names and patterns. */
#include "route/catalog/catalog.h"

#include "route/catalog/internal.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

char fl_name_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* --- The bare name --- */

/* The part behind "maker/", "region.maker.": what stands before a dot is a maker's when it is
 * letters. */
static struct fl_slice without_maker(struct fl_slice s)
{
    const char *slash = s.len > 1 ? memrchr(s.ptr, '/', s.len - 1) : NULL;
    size_t start = 0;
    s = slash ? fl_slice_from(s, (size_t)(slash - s.ptr) + 1) : s;
    for (size_t i = 0; i < s.len; i++) {
        char c = fl_name_lower(s.ptr[i]);
        if (c == '.' && i + 1 < s.len && i > start) {
            start = i + 1;
        } else if (c < 'a' || c > 'z') {
            break;
        }
    }
    return fl_slice_from(s, start);
}

static bool all_digits(const char *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(at[i])) {
            return false;
        }
    }
    return true;
}

/* Bytes of one removable ending: "-latest", "-20240513", "-2024-05-13", and "-v1" where a tag ":0"
 * stood behind it, as Bedrock writes; 0: none. Else a version is part of the name (deepseek-v3). */
static size_t ending(struct fl_slice s, bool tagged)
{
    const struct fl_slice latest = FL_LIT("-latest");
    if (s.len > latest.len && fl_slice_eq(fl_slice_from(s, s.len - latest.len), latest)) {
        return latest.len;
    }
    const char *end = s.ptr + s.len;
    if (s.len > 9 && end[-9] == '-' && all_digits(end - 8, 8)) {
        return 9;
    }
    if (s.len > 11 && end[-11] == '-' && all_digits(end - 10, 4) && end[-6] == '-' &&
        all_digits(end - 5, 2) && end[-3] == '-' && all_digits(end - 2, 2)) {
        return 11;
    }
    return tagged && s.len > 3 && end[-3] == '-' && end[-2] == 'v' && is_digit(end[-1]) ? 3 : 0;
}

struct fl_slice fl_model_bare_name(struct fl_slice name, char memory[FL_BARE_MAX])
{
    struct fl_slice s = without_maker(fl_slice_first(name, FL_BARE_MAX));
    size_t len = 0;
    while (len < s.len && s.ptr[len] != ':' && s.ptr[len] != '@') {
        char c = fl_name_lower(s.ptr[len]);
        memory[len++] = c == '.' || c == '_' ? '-' : c;
    }
    struct fl_slice bare = fl_slice(memory, len);
    bool tagged = len + 1 < s.len && s.ptr[len] == ':' && is_digit(s.ptr[len + 1]);
    for (size_t cut = ending(bare, tagged); cut > 0; cut = ending(bare, tagged)) {
        bare.len -= cut;
    }
    return bare;
}

/* --- Lists of names and patterns --- */

bool fl_name_eq(struct fl_slice a, struct fl_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0) {
        return true;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (fl_name_lower(a.ptr[i]) != fl_name_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool fl_names_next(struct fl_slice *io_names, struct fl_slice *ret_name)
{
    if (io_names->len == 0) {
        return false;
    }
    size_t comma = fl_slice_find(*io_names, ',');
    *ret_name = fl_slice_first(*io_names, comma);
    *io_names = fl_slice_from(*io_names, comma + 1);
    return true;
}

bool fl_name_is_pattern(struct fl_slice name)
{
    return fl_slice_find(name, '*') < name.len || fl_slice_find(name, '#') < name.len ||
           fl_slice_starts(name, FL_LIT("!"));
}

/* '*' any run, '#' one digit, letters in any case. Backtracks to the last '*' only: linear memory,
 * time at most the product of the lengths. */
static bool glob(struct fl_slice pattern, struct fl_slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.len) {
        bool one = p < pattern.len && (pattern.ptr[p] == '#' ? is_digit(text.ptr[t])
                                                             : fl_name_lower(pattern.ptr[p]) ==
                                                                   fl_name_lower(text.ptr[t]));
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = t;
        } else if (one) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

bool fl_names_match(struct fl_slice names, struct fl_slice name)
{
    struct fl_slice one;
    bool fits = false;
    while (fl_names_next(&names, &one)) {
        if (!fl_slice_starts(one, FL_LIT("!"))) {
            fits = fits || glob(one, name);
        } else if (glob(fl_slice_from(one, 1), name)) {
            return false;
        }
    }
    return fits;
}

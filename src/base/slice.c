/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include <stdlib.h>

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool fl_slice_eq_nocase(struct fl_slice a, struct fl_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    size_t i = 0;
    while (i + 8 <= a.len && memcmp(a.ptr + i, b.ptr + i, 8) == 0) { /* mostly the case is the same */
        i += 8;
    }
    for (; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i] && lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

struct fl_slice fl_slice_trim(struct fl_slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

size_t fl_slice_find(struct fl_slice s, char c)
{
    const char *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

size_t fl_slice_find_text(struct fl_slice s, struct fl_slice needle)
{
    if (needle.len == 0) {
        return 0;
    }
    const char *at = s.len >= needle.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

int fl_slice_cmp(struct fl_slice a, struct fl_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool fl_slice_u64(struct fl_slice s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len < 1 || s.len > 19) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *ret_value = value;
    return true;
}

bool fl_slice_decimal_e9(struct fl_slice s, uint64_t *ret_value)
{
    size_t dot = fl_slice_find(s, '.');
    struct fl_slice decimals = fl_slice_from(s, dot + 1);
    uint64_t whole = 0, part = 0;
    if (!fl_slice_u64(fl_slice_first(s, dot), &whole) || whole > UINT64_C(9000000000)) {
        return false;
    }
    if (dot < s.len && (decimals.len > 9 || !fl_slice_u64(decimals, &part))) {
        return false;
    }
    for (size_t i = decimals.len; i < 9; i++) {
        part *= 10;
    }
    *ret_value = whole * UINT64_C(1000000000) + part;
    return true;
}

char *fl_slice_dup(struct fl_slice s)
{
    char *copy = malloc(s.len + 1);
    if (copy) {
        if (s.len > 0) {
            memcpy(copy, s.ptr, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

unsigned fl_slice_distance(struct fl_slice a, struct fl_slice b, unsigned limit)
{
    enum { longest = 64 };
    unsigned row[3][longest + 1];
    if (a.len > longest || b.len > longest) {
        return limit + 1;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        row[0][j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = row[i % 3], *above = row[(i + 2) % 3], *above2 = row[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned differs = lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]);
            now[j] = min3(above[j] + 1, now[j - 1] + 1, above[j - 1] + differs);
            if (i > 1 && j > 1 && lower(a.ptr[i - 1]) == lower(b.ptr[j - 2]) &&
                lower(a.ptr[i - 2]) == lower(b.ptr[j - 1]) && above2[j - 2] + 1 < now[j]) {
                now[j] = above2[j - 2] + 1;
            }
        }
    }
    unsigned distance = row[a.len % 3][b.len];
    return distance > limit ? limit + 1 : distance;
}

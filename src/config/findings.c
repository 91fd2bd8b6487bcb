/* SPDX-License-Identifier: Apache-2.0 */
#include "config/findings.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_MAX = 512, SHOWN_MAX = 160 };

static bool is_key_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

void fl_findings_init(struct fl_findings *f)
{
    *f = (struct fl_findings){0};
    fl_arena_init(&f->arena, 4096, 1u << 20);
}

void fl_findings_finish(struct fl_findings *f)
{
    free(f->items);
    fl_arena_finish(&f->arena);
    *f = (struct fl_findings){0};
}

static struct fl_finding *room(struct fl_findings *f)
{
    if (f->count == f->cap) {
        unsigned cap = f->cap ? f->cap * 2 : 16;
        struct fl_finding *items = realloc(f->items, cap * sizeof(*items));
        if (!items) {
            return NULL;
        }
        f->items = items;
        f->cap = cap;
    }
    return &f->items[f->count];
}

/* Bytes of the character at the start of *s* that may reach a terminal; 0: show one '?' for
 * *ret_skip* bytes. Not shown: controls (C1 too), marks that reorder text, what is not UTF-8. */
static size_t printable_width(struct fl_slice s, size_t *ret_skip)
{
    size_t width = fl_utf8_width(s);
    const unsigned char *c = (const unsigned char *)s.ptr;
    *ret_skip = width > 0 ? width : 1;
    bool control = width == 1 && (c[0] < 0x20 || c[0] == 0x7f);
    bool c1 = width == 2 && c[0] == 0xc2 && c[1] < 0xa0;
    bool reorders =
        width == 3 && c[0] == 0xe2 &&
        ((c[1] == 0x80 && (c[2] >= 0xa8 || c[2] == 0x8e || c[2] == 0x8f) && c[2] <= 0xae) ||
         (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
    return control || c1 || reorders ? 0 : width;
}

static void put_printable(struct fl_buf *b, struct fl_slice text)
{
    size_t skip = 0;
    for (size_t at = 0; at < text.len; at += skip) {
        struct fl_slice rest = fl_slice_from(text, at);
        size_t width = printable_width(rest, &skip);
        if (width > 0) {
            fl_buf_put(b, fl_slice_first(rest, width));
        } else {
            fl_buf_putc(b, '?');
        }
    }
}

void fl_findings_add(struct fl_findings *f, enum fl_severity severity, struct fl_place place,
                     const char *format, ...)
{
    char text[MESSAGE_MAX], shown[MESSAGE_MAX];
    struct fl_buf b;
    va_list args;
    f->errors += severity == FL_CONFIG_ERROR;
    f->warnings += severity == FL_CONFIG_WARNING;
    struct fl_finding *finding = f->count < FL_FINDINGS_MAX ? room(f) : NULL;
    if (!finding) {
        return;
    }
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    fl_buf_init_in(&b, shown, sizeof(shown));
    put_printable(&b, fl_slice(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1));
    *finding = (struct fl_finding){.severity = severity,
                                   .line = place.line,
                                   .column = place.column,
                                   .width = place.width,
                                   .message = fl_arena_copy(&f->arena, fl_buf_slice(&b))};
    f->count++;
}

bool fl_secret_is_name(struct fl_slice name)
{
    static const char *const signs[] = {"auth", "key", "token", "secret", "cookie", "password"};
    char memory[64];
    size_t len = name.len < sizeof(memory) ? name.len : sizeof(memory);
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];
        memory[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        if (fl_slice_find_text(fl_slice(memory, len), fl_slice_cstr(signs[i])) < len) {
            return true;
        }
    }
    return false;
}

void fl_findings_mask(struct fl_findings *f, struct fl_place place)
{
    struct fl_mask *mask = fl_arena_zero(&f->arena, sizeof(*mask));
    if (!mask) {
        f->masks_lost = true;
        return;
    }
    *mask = (struct fl_mask){place.line, place.column, place.width, f->masks};
    f->masks = mask;
}

/* Is the name before the ':' at *colon* that of a secret? */
static bool names_secret(struct fl_slice line, size_t colon)
{
    size_t begin = colon;
    while (begin > 0 && (is_key_char(line.ptr[begin - 1]) || line.ptr[begin - 1] == '"')) {
        begin--;
    }
    return fl_secret_is_name(fl_slice(line.ptr + begin, colon - begin));
}

void fl_findings_mask_line(struct fl_findings *f, unsigned number, struct fl_slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        struct fl_slice value = fl_slice_trim(fl_slice_from(line, i + 1));
        bool harmless = value.len == 0 || value.ptr[0] == '$' || value.ptr[0] == '{' ||
                        fl_slice_starts(value, FL_LIT("\"$"));
        if (line.ptr[i] == ':' && !harmless && names_secret(line, i)) {
            /* columns count characters, at most as many as bytes */
            fl_findings_mask(f, (struct fl_place){number, (unsigned)i + 2, UINT32_MAX});
            return;
        }
    }
}

static bool stands_before(const struct fl_finding *a, const struct fl_finding *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void fl_findings_sort(struct fl_findings *f)
{
    for (unsigned i = 1; i < f->count; i++) {
        struct fl_finding moved = f->items[i];
        unsigned at = i;
        for (; at > 0 && stands_before(&moved, &f->items[at - 1]); at--) {
            f->items[at] = f->items[at - 1];
        }
        f->items[at] = moved;
    }
}

/* --- Showing --- */

static struct fl_slice line_of(struct fl_slice source, unsigned line)
{
    for (unsigned i = 1; i < line && source.len > 0; i++) {
        source = fl_slice_from(source, fl_slice_find(source, '\n') + 1);
    }
    struct fl_slice found = fl_slice_first(source, fl_slice_find(source, '\n'));
    return found.len > 0 && found.ptr[found.len - 1] == '\r' ? fl_slice(found.ptr, found.len - 1)
                                                             : found;
}

/* Vendors' keys start in a few ways; a line with a syntax error has no other sign of what is
 * secret. */
static size_t looks_like_key(struct fl_slice at)
{
    static const char *const starts[] = {"sk-",  "sk_", "gsk_", "xai-",
                                         "csk-", "fw_", "AIza", "hf_"};
    size_t len = 0;
    bool known = false;
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        known = known || fl_slice_starts(at, fl_slice_cstr(starts[i]));
    }
    while (known && len < at.len && is_key_char(at.ptr[len])) {
        len++;
    }
    return len >= 12 ? len : 0;
}

/* The masks of one line; of more than fit, one that hides it all. */
struct line_masks {
    struct fl_mask items[8];
    unsigned count;
};

static struct line_masks masks_of(const struct fl_findings *f, unsigned line)
{
    struct line_masks masks = {.count = 0};
    for (const struct fl_mask *m = f->masks; m; m = m->next) {
        if (m->line == line && masks.count < sizeof(masks.items) / sizeof(*masks.items)) {
            masks.items[masks.count++] = *m;
        } else if (m->line == line) {
            masks.items[0] = (struct fl_mask){line, 1, UINT32_MAX, NULL};
        }
    }
    return masks;
}

static bool is_masked(const struct line_masks *masks, unsigned column)
{
    for (unsigned i = 0; i < masks->count; i++) {
        const struct fl_mask *m = &masks->items[i];
        if (column >= m->column && column - m->column < m->width) {
            return true;
        }
    }
    return false;
}

/* A tab is shown as one space, so that the caret stands right. */
static void put_line(const struct fl_findings *f, unsigned number, struct fl_slice line,
                     struct fl_buf *b)
{
    const struct line_masks masks = masks_of(f, number);
    size_t key_end = 0, skip = 0;
    unsigned column = 1;
    for (size_t at = 0; at < line.len; at += skip, column++) {
        struct fl_slice rest = fl_slice_from(line, at);
        size_t width = printable_width(rest, &skip);
        if (at >= key_end && (at == 0 || !is_key_char(line.ptr[at - 1]))) {
            key_end = at + looks_like_key(rest);
        }
        if (column > SHOWN_MAX) {
            fl_buf_put_cstr(b, "...");
            return;
        }
        if (at < key_end || is_masked(&masks, column)) {
            fl_buf_putc(b, '*');
        } else if (width > 0) {
            fl_buf_put(b, fl_slice_first(rest, width));
        } else {
            fl_buf_putc(b, rest.ptr[0] == '\t' ? ' ' : '?');
        }
    }
}

static void put_repeated(struct fl_buf *b, char c, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fl_buf_putc(b, c);
    }
}

static unsigned decimal_width(unsigned value)
{
    unsigned width = 1;
    for (; value >= 10; value /= 10) {
        width++;
    }
    return width;
}

static void put_source(const struct fl_findings *f, const struct fl_finding *finding,
                       struct fl_slice source, struct fl_buf *b)
{
    struct fl_slice line = line_of(source, finding->line);
    unsigned digits = decimal_width(finding->line), margin = digits < 5 ? 5 : digits;
    if (finding->column > SHOWN_MAX) {
        return;
    }
    put_repeated(b, ' ', margin - digits);
    fl_buf_put_u64(b, finding->line);
    fl_buf_put_cstr(b, " | ");
    put_line(f, finding->line, line, b);
    fl_buf_putc(b, '\n');
    put_repeated(b, ' ', margin);
    fl_buf_put_cstr(b, " | ");
    put_repeated(b, ' ', finding->column > 0 ? finding->column - 1 : 0);
    fl_buf_putc(b, '^');
    unsigned rest = SHOWN_MAX - finding->column, tail = finding->width > 0 ? finding->width - 1 : 0;
    put_repeated(b, '~', tail < rest ? tail : rest);
    fl_buf_putc(b, '\n');
}

static const char *severity_text(enum fl_severity severity)
{
    switch (severity) {
    case FL_CONFIG_ERROR:
        return ": error: ";
    case FL_CONFIG_WARNING:
        return ": warning: ";
    case FL_CONFIG_NOTE:
        return ": note: ";
    }
    return ": ";
}

void fl_findings_put(const struct fl_findings *f, struct fl_slice file, struct fl_slice source,
                     struct fl_buf *b)
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct fl_finding *finding = &f->items[i];
        fl_buf_put(b, file);
        if (finding->line > 0) {
            fl_buf_putc(b, ':');
            fl_buf_put_u64(b, finding->line);
            fl_buf_putc(b, ':');
            fl_buf_put_u64(b, finding->column);
        }
        fl_buf_put_cstr(b, severity_text(finding->severity));
        fl_buf_put(b, finding->message);
        fl_buf_putc(b, '\n');
        if (finding->line > 0 && source.len > 0 && !f->masks_lost) {
            put_source(f, finding, source, b);
        }
    }
    if (f->errors + f->warnings > f->count) {
        fl_buf_put(b, file);
        fl_buf_put_cstr(b, ": note: more findings are not shown\n");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/route/text/rows.h"

#include "codec/json.h"
#include "unit/cm.h"

#include <stdio.h>
#include <stdlib.h>

enum { file_bytes_max = 64 << 20, rows_max = 20000 };

const char *data_path(const char *name)
{
    static char path[1024];
    const char *data = getenv("FAIRLEAD_DATA");
    (void)snprintf(path, sizeof(path), "%s/%s", data ? data : "../shared/data", name);
    return path;
}

bool data_read(const char *name, struct fl_buf *out)
{
    fl_buf_init(out, file_bytes_max);
    FILE *f = fopen(data_path(name), "rb");
    if (f == NULL) {
        return false;
    }
    for (;;) {
        char *room = fl_buf_room(out, 65536);
        assert_non_null(room);
        size_t got = fread(room, 1, 65536, f);
        fl_buf_grow(out, got);
        if (got == 0) {
            break;
        }
    }
    assert_int_equal(fclose(f), 0);
    return true;
}

static struct fl_slice cut(struct fl_slice *rest, char at)
{
    size_t len = fl_slice_find(*rest, at);
    struct fl_slice part = fl_slice_first(*rest, len);
    *rest = fl_slice_from(*rest, len + 1);
    return part;
}

static unsigned kind_of(struct rows *r, struct fl_slice name)
{
    for (unsigned k = 0; k < r->kind_count; k++) {
        if (fl_slice_eq(r->kind[k], name)) {
            return k;
        }
    }
    assert_true(r->kind_count < kinds_max);
    r->kind[r->kind_count] = name;
    return r->kind_count++;
}

static struct fl_slice cut_line(struct fl_slice *rest)
{
    struct fl_slice line = cut(rest, '\n');
    return line.len > 0 && line.ptr[line.len - 1] == '\r' ? fl_slice_first(line, line.len - 1)
                                                          : line;
}

/* A line: id,kind,bytes,chars,words and the tokenizers in the order of enum fl_text_tokenizer. */
static void read_counts(struct rows *r, struct row *row, struct fl_slice line)
{
    row->id = cut(&line, ',');
    row->kind = kind_of(r, cut(&line, ','));
    for (int i = 0; i < 3; i++) {
        (void)cut(&line, ',');
    }
    for (unsigned t = 0; t < FL_TEXT_TOKENIZERS; t++) {
        uint64_t n;
        assert_true(fl_slice_u64(cut(&line, ','), &n));
        row->tokens[t] = (uint32_t)n;
    }
}

static void read_text(struct row *row, struct fl_buf *scratch, struct fl_slice line)
{
    struct fl_json value;
    struct fl_slice id;
    assert_int_equal(fl_json_scan(line, FL_JSON_LIMITS, NULL, 0, &value, NULL), FL_OK);
    fl_buf_init(scratch, file_bytes_max);
    assert_true(fl_json_text(fl_json_get(value, FL_LIT("id")), scratch, &id));
    assert_true(fl_slice_eq(id, row->id));
    fl_buf_reset(scratch);
    assert_true(fl_json_text(fl_json_get(value, FL_LIT("text")), scratch, &row->text));
}

bool rows_load(struct rows *r)
{
    *r = (struct rows){0};
    bool there = data_read("token_counts.csv", &r->counts);
    if (!data_read("token_texts.jsonl", &r->texts) || !there) {
        rows_free(r);
        return false;
    }
    r->row = calloc(rows_max, sizeof(*r->row));
    r->decoded = calloc(rows_max, sizeof(*r->decoded));
    assert_non_null(r->row);
    assert_non_null(r->decoded);
    struct fl_slice counts = fl_buf_slice(&r->counts), texts = fl_buf_slice(&r->texts);
    (void)cut_line(&counts);
    while (counts.len > 0) {
        assert_true(r->count < rows_max);
        read_counts(r, &r->row[r->count], cut_line(&counts));
        read_text(&r->row[r->count], &r->decoded[r->count], cut_line(&texts));
        r->count++;
    }
    return true;
}

void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->count; i++) {
        fl_buf_finish(&r->decoded[i]);
    }
    free(r->decoded);
    free(r->row);
    fl_buf_finish(&r->texts);
    fl_buf_finish(&r->counts);
    *r = (struct rows){0};
}

static int by_size(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

double quantile(double *error, size_t count, double q)
{
    assert_true(count > 0);
    qsort(error, count, sizeof(*error), by_size);
    double at = q * (double)(count - 1);
    size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
    return error[low] + (at - (double)low) * (error[high] - error[low]);
}

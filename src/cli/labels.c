/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/labels.h"

#include "cli/cli.h"
#include "codec/json.h"

#include <stdlib.h>

enum { file_bytes_max = 1 << 30, complaints_max = 20 };

void fl_labels_init(struct fl_labels *l)
{
    *l = (struct fl_labels){0};
    fl_arena_init(&l->texts, 1 << 20, file_bytes_max);
}

void fl_labels_finish(struct fl_labels *l)
{
    free(l->rows);
    fl_arena_finish(&l->texts);
    *l = (struct fl_labels){0};
}

int fl_labels_source(const struct fl_labels *l, struct fl_slice name)
{
    for (unsigned i = 0; i < l->sources; i++) {
        if (fl_slice_eq(l->source[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

/* The number of *name*, which is added when it is new; -1 when there are too many. */
static int add_source(struct fl_labels *l, struct fl_slice name)
{
    int known = fl_labels_source(l, name);
    if (known >= 0 || l->sources == FL_LABELS_SOURCES_MAX) {
        return known;
    }
    l->source[l->sources] = fl_arena_copy(&l->texts, name);
    return (int)l->sources++;
}

/* A member's text; *otherwise* when it is absent. */
static bool text_of(struct fl_json value, struct fl_slice otherwise, struct fl_buf *scratch,
                    struct fl_slice *ret_text)
{
    fl_buf_reset(scratch);
    *ret_text = otherwise;
    return value.type == FL_JSON_NONE || fl_json_text(value, scratch, ret_text);
}

enum { W_PROMPT, W_LABEL, W_SOURCE, W_GROUP, W_WEIGHT, W_COUNT };

/* Fills *row* from the members; NULL, or what is wrong. */
static const char *read_row(struct fl_labels *l, const struct fl_json_watch *w,
                            struct fl_slice file, struct fl_buf *scratch, struct fl_label_row *row)
{
    struct fl_slice text;
    enum fl_task task;
    uint64_t weight = 1000000000;
    if (w[W_PROMPT].value.type == FL_JSON_NONE ||
        !text_of(w[W_PROMPT].value, FL_EMPTY, scratch, &text)) {
        return "\"prompt\" is not a string";
    }
    row->prompt = fl_arena_copy(&l->texts, text);
    if (w[W_LABEL].value.type == FL_JSON_NONE ||
        !text_of(w[W_LABEL].value, FL_EMPTY, scratch, &text)) {
        return "\"label\" is not a string";
    }
    if (!fl_task_parse(text, &task)) {
        return "\"label\" is none of summarization, classification, generation, analysis, "
               "translation, other";
    }
    row->label = (uint8_t)task;
    if (!text_of(w[W_SOURCE].value, file, scratch, &text)) {
        return "\"source\" is not a string";
    }
    int source = add_source(l, text);
    if (source < 0) {
        return "too many sources";
    }
    row->source = (uint8_t)source;
    if (!text_of(w[W_GROUP].value, row->prompt, scratch, &text)) {
        return "\"group\" is not a string";
    }
    row->fold = fl_train_fold(text);
    if (w[W_WEIGHT].value.type != FL_JSON_NONE &&
        (w[W_WEIGHT].value.type != FL_JSON_NUMBER ||
         !fl_slice_decimal_e9(w[W_WEIGHT].value.span, &weight) || weight > 100000000000)) {
        return "\"weight\" is not a number from 0 to 100";
    }
    row->weight = (float)((double)weight * 1e-9);
    return NULL;
}

static const char *read_line(struct fl_labels *l, struct fl_slice line, struct fl_slice file,
                             struct fl_label_row *row, struct fl_reterr *reterr)
{
    struct fl_json_watch w[W_COUNT] = {[W_PROMPT].key = FL_LIT("prompt"),
                                       [W_LABEL].key = FL_LIT("label"),
                                       [W_SOURCE].key = FL_LIT("source"),
                                       [W_GROUP].key = FL_LIT("group"),
                                       [W_WEIGHT].key = FL_LIT("weight")};
    struct fl_json value;
    struct fl_buf scratch;
    if (fl_json_scan(line, FL_JSON_LIMITS, w, W_COUNT, &value, reterr)) {
        return reterr->message;
    }
    if (value.type != FL_JSON_OBJECT) {
        return "not a JSON object";
    }
    fl_buf_init(&scratch, file_bytes_max);
    const char *wrong = read_row(l, w, file, &scratch, row);
    fl_buf_finish(&scratch);
    return wrong ? wrong : l->texts.failed ? "out of memory" : NULL;
}

static bool add_row(struct fl_labels *l, const struct fl_label_row *row)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 1024;
        struct fl_label_row *rows = realloc(l->rows, cap * sizeof(*rows));
        if (!rows) {
            return false;
        }
        l->rows = rows;
        l->cap = cap;
    }
    l->rows[l->count++] = *row;
    return true;
}

static struct fl_slice base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return fl_slice_cstr(slash ? slash + 1 : path);
}

enum fl_err fl_labels_read(struct fl_labels *l, const char *path)
{
    struct fl_buf file;
    fl_buf_init(&file, file_bytes_max);
    enum fl_err err = fl_read_file(fl_slice_cstr(path), &file);
    struct fl_slice rest = fl_buf_slice(&file);
    for (unsigned line = 1; !err && rest.len > 0; line++) {
        size_t end = fl_slice_find(rest, '\n');
        struct fl_slice text = fl_slice_trim(fl_slice_first(rest, end));
        struct fl_label_row row = {0};
        struct fl_reterr reterr = {0};
        rest = fl_slice_from(rest, end + 1);
        if (text.len == 0) {
            continue;
        }
        const char *wrong = read_line(l, text, base_name(path), &row, &reterr);
        if (!wrong) {
            err = add_row(l, &row) ? FL_OK : FL_ERR_NOMEM;
        } else if (l->bad++ < complaints_max) {
            (void)fprintf(stderr, "%s:%u: %s\n", path, line, wrong);
        }
    }
    fl_buf_finish(&file);
    return err;
}

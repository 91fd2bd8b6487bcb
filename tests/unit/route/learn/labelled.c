/* SPDX-License-Identifier: Apache-2.0 */
#include "labelled.h"

#include "unit/cm.h"

#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { text_max = 64 << 20 };

const char *const labelled_names[SOURCE_COUNT] = {"dolly", "t0", "translation", "selfinstruct",
                                                  "own"};

/* The whole file, unpacked when it is packed; an empty slice when there is none. */
static struct fl_slice read_whole(const char *path)
{
    gzFile f = gzopen(path, "rb");
    size_t len = 0, cap = 1 << 20;
    char *text = f ? malloc(cap) : NULL;
    int got;
    if (!f) {
        return FL_EMPTY;
    }
    assert_non_null(text);
    while ((got = gzread(f, text + len, (unsigned)(cap - len))) > 0) {
        len += (size_t)got;
        assert_true(len < text_max);
        if (len == cap) {
            cap *= 2;
            text = realloc(text, cap);
            assert_non_null(text);
        }
    }
    assert_int_equal(gzclose(f), Z_OK);
    return fl_slice(text, len);
}

static struct fl_slice keep_text(struct fl_json value)
{
    struct fl_buf scratch;
    struct fl_slice text;
    fl_buf_init(&scratch, text_max);
    assert_true(fl_json_text(value, &scratch, &text));
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    fl_buf_finish(&scratch);
    return fl_slice(copy, text.len);
}

static void set_label(struct labelled_row *row, struct fl_slice label)
{
    enum fl_task task = FL_TASK_OTHER;
    row->loose = fl_slice_eq(label, FL_LIT("analysis_loose"));
    row->unlabelled = fl_slice_eq(label, FL_LIT("not_classification"));
    if (row->loose) {
        task = FL_TASK_ANALYSIS;
    } else if (!row->unlabelled) {
        assert_true(fl_task_parse(label, &task));
    }
    row->label = (uint8_t)task;
}

static void add_line(struct labelled *l, struct fl_slice line, uint8_t source,
                     const char *label_key)
{
    struct fl_json_watch w[2] = {{.key = FL_LIT("prompt")}, {.key = fl_slice_cstr(label_key)}};
    struct fl_json value;
    struct fl_slice label;
    struct fl_buf scratch;
    assert_int_equal(fl_json_scan(line, FL_JSON_LIMITS, w, 2, &value, NULL), FL_OK);
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 4096;
        l->rows = realloc(l->rows, l->cap * sizeof(*l->rows));
        assert_non_null(l->rows);
    }
    struct labelled_row *row = &l->rows[l->count++];
    *row = (struct labelled_row){.prompt = keep_text(w[0].value), .source = source};
    fl_buf_init(&scratch, 64);
    assert_true(fl_json_text(w[1].value, &scratch, &label));
    set_label(row, label);
    fl_buf_finish(&scratch);
}

static bool load(struct labelled *l, const char *path, uint8_t source, const char *label_key)
{
    struct fl_slice all = read_whole(path), rest = all;
    while (rest.len > 0) {
        size_t end = fl_slice_find(rest, '\n');
        if (end > 0) {
            add_line(l, fl_slice_first(rest, end), source, label_key);
        }
        rest = fl_slice_from(rest, end + 1);
    }
    free((char *)(uintptr_t)all.ptr);
    return all.len > 0;
}

bool labelled_load_shared(struct labelled *l)
{
    const char *folder = getenv("FAIRLEAD_DATA");
    bool all = true;
    for (uint8_t s = DOLLY; s <= SELFINSTRUCT; s++) {
        char path[1024];
        (void)snprintf(path, sizeof(path), "%s/cls_%s.jsonl.gz", folder ? folder : "../shared/data",
                       labelled_names[s]);
        all = load(l, path, s, "label5") && all;
    }
    return all;
}

bool labelled_load_own(struct labelled *l, const char *path)
{
    return load(l, path, OWN, "label");
}

void labelled_finish(struct labelled *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free((char *)(uintptr_t)l->rows[i].prompt.ptr);
    }
    free(l->rows);
    memset(l, 0, sizeof(*l));
}

static void windows_and_features(const struct labelled_row *row, struct fl_windows *w,
                                 struct fl_features *f)
{
    *w = fl_windows_of(row->prompt);
    fl_features_extract(w, f);
}

void labelled_train(const struct labelled *l, const struct fl_train_options *options,
                    labelled_choose_fn *choose, int held_out, struct fl_buf *ret_model)
{
    static struct fl_features f;
    struct fl_example *examples = malloc((l->count + 1) * sizeof(*examples));
    size_t count = 0, items = 0, cap = 1 << 20;
    struct fl_train_item *item = malloc(cap * sizeof(*item));
    assert_non_null(examples);
    for (size_t i = 0; i < l->count; i++) {
        struct fl_windows w;
        if (l->rows[i].unlabelled || !choose(&l->rows[i], held_out)) {
            continue;
        }
        if (items + FL_TRAIN_ITEMS_MAX > cap) {
            cap *= 2;
            item = realloc(item, cap * sizeof(*item));
        }
        assert_non_null(item);
        windows_and_features(&l->rows[i], &w, &f);
        unsigned n = fl_train_items(options->kind, &w, &f, item + items);
        float weight = l->rows[i].source == OWN ? 1.0F : LABELLED_FOREIGN_WEIGHT;
        examples[count++] = (struct fl_example){items, (uint16_t)n, l->rows[i].label, 0, weight};
        items += n;
    }
    struct fl_train_set set = {examples, count, item};
    void *memory = malloc(fl_train_memory(&set, options));
    assert_non_null(memory);
    fl_buf_init(ret_model, 16 << 20);
    assert_int_equal(fl_train(&set, options, memory, ret_model), FL_OK);
    free(memory);
    free(item);
    free(examples);
}

struct fl_prediction labelled_predict(const struct fl_classifier *c, const struct labelled_row *row)
{
    static struct fl_features f;
    struct fl_prediction p = {.truth = row->label, .source = row->source};
    struct fl_windows w;
    windows_and_features(row, &w, &f);
    fl_classify(c, &w, &f, p.probability);
    return p;
}

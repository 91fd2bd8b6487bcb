/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/route/quality/outcomes.h"

#include "codec/json.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { line_max = 1 << 16, rows_max = 16384 };

struct line {
    char id[64], data_set[64];
    double strong, weak;
};

static gzFile open_data(const char *name)
{
    char path[512];
    const char *folder = getenv("FAIRLEAD_DATA");
    int n = snprintf(path, sizeof(path), "%s/%s", folder ? folder : "../shared/data", name);
    return n > 0 && (size_t)n < sizeof(path) ? gzopen(path, "rb") : NULL;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->id, ((const struct line *)b)->id);
}

static unsigned read_scores(gzFile file, struct line *lines)
{
    char text[256];
    unsigned count = 0;
    fl_assert(gzgets(file, text, sizeof(text)));
    while (count < rows_max && gzgets(file, text, sizeof(text))) {
        struct line *l = &lines[count++];
        fl_assert(sscanf(text, "%63[^,],%lf,%lf", l->id, &l->strong, &l->weak) == 3);
    }
    qsort(lines, count, sizeof(*lines), by_id);
    return count;
}

static void copy(struct fl_json value, char *ret, size_t cap)
{
    struct fl_buf scratch;
    struct fl_slice text;
    fl_buf_init(&scratch, line_max);
    fl_assert(fl_json_text(value, &scratch, &text) && text.len < cap);
    memcpy(ret, text.ptr, text.len);
    ret[text.len] = '\0';
    fl_buf_finish(&scratch);
}

static unsigned group_of(struct outcomes *o, char names[64][64], const char *name)
{
    for (unsigned i = 0; i < o->group_count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i + 1;
        }
    }
    fl_assert(o->group_count < 64);
    memcpy(names[o->group_count], name, 64);
    return ++o->group_count;
}

static void add(struct outcomes *o, const struct line *scores, unsigned group, const char *prompt)
{
    struct fl_slice text = fl_slice_cstr(prompt);
    struct fl_windows w = fl_windows_of(text);
    unsigned i = o->count++;
    fl_features_extract(&w, &o->features[i]);
    o->items += o->features[i].count;
    o->group[i] = group;
    o->strong[i] = scores->strong;
    o->weak[i] = scores->weak;
    o->length[i] = (double)text.len;
}

static void read_prompts(gzFile file, struct outcomes *o, const char *prefix, struct line *lines,
                         unsigned line_count)
{
    static char text[line_max], prompt[line_max], names[64][64];
    while (gzgets(file, text, sizeof(text))) {
        struct fl_json_watch w[] = {
            {.key = FL_LIT("id")}, {.key = FL_LIT("dataset")}, {.key = FL_LIT("prompt")}};
        struct fl_slice line = fl_slice_cstr(text);
        struct fl_json value;
        struct line key = {0};
        fl_assert(fl_json_scan(line, FL_JSON_LIMITS, w, 3, &value, NULL) == FL_OK);
        copy(w[0].value, key.id, sizeof(key.id));
        copy(w[1].value, key.data_set, sizeof(key.data_set));
        if (strncmp(key.data_set, prefix, strlen(prefix)) == 0) {
            const struct line *scores = bsearch(&key, lines, line_count, sizeof(key), by_id);
            fl_assert(scores);
            copy(w[2].value, prompt, sizeof(prompt));
            add(o, scores, group_of(o, names, key.data_set), prompt);
        }
    }
}

bool outcomes_load(struct outcomes *o, const char *prefix)
{
    gzFile scores = open_data("routellm_scores.csv.gz");
    gzFile prompts = open_data("routellm_prompts.jsonl.gz");
    *o = (struct outcomes){0};
    if (scores && prompts) {
        struct line *lines = calloc(rows_max, sizeof(*lines));
        fl_assert(lines);
        unsigned count = read_scores(scores, lines);
        o->features = calloc(count, sizeof(*o->features));
        o->group = calloc(count, sizeof(*o->group));
        o->fold = calloc(count, 1);
        double *numbers = calloc((size_t)count * 5, sizeof(*numbers));
        fl_assert(o->features && o->group && o->fold && numbers);
        o->strong = numbers;
        o->weak = numbers + count;
        o->length = numbers + 2 * (size_t)count;
        o->scratch = numbers + 3 * (size_t)count;
        o->score = numbers + 4 * (size_t)count;
        read_prompts(prompts, o, prefix, lines, count);
        free(lines);
    }
    if (scores) {
        (void)gzclose(scores);
    }
    if (prompts) {
        (void)gzclose(prompts);
    }
    return o->count > 0;
}

void outcomes_free(struct outcomes *o)
{
    free(o->features);
    free(o->group);
    free(o->fold);
    free(o->strong);
    *o = (struct outcomes){0};
}

void outcomes_deal(struct outcomes *o, uint64_t seed, bool whole_groups)
{
    unsigned char place[65];
    struct fl_rng rng;
    fl_rng_seed(&rng, seed);
    for (unsigned i = 0; i < 65; i++) {
        place[i] = (unsigned char)i;
    }
    for (unsigned i = o->group_count; i > 1; i--) {
        unsigned j = (unsigned)fl_rng_below(&rng, i);
        unsigned char swap = place[i - 1];
        place[i - 1] = place[j];
        place[j] = swap;
    }
    for (unsigned i = 0; i < o->count; i++) {
        o->fold[i] = whole_groups ? place[o->group[i] - 1] % OUTCOME_FOLDS
                                  : (unsigned char)fl_rng_below(&rng, OUTCOME_FOLDS);
    }
}

static size_t whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

void trained_init(struct trained *t, const struct outcomes *o, unsigned row_bits)
{
    struct fl_heads_shape shape = {2, row_bits, 0, false};
    struct fl_trainer_limits limits = {o->count, o->items, 2, row_bits};
    t->heads.shape = shape;
    t->memory = aligned_alloc(64, whole_lines(fl_heads_bytes(shape)));
    t->trainer_memory = aligned_alloc(64, whole_lines(fl_trainer_bytes(limits)));
    fl_assert(t->memory && t->trainer_memory);
}

void trained_free(struct trained *t)
{
    free(t->memory);
    free(t->trainer_memory);
}

void trained_without(struct trained *t, const struct outcomes *o, unsigned fold, uint64_t seed,
                     bool with_groups)
{
    struct fl_heads_shape shape = t->heads.shape;
    struct fl_trainer_limits limits = {o->count, o->items, 2, shape.row_bits};
    struct fl_trainer_options options = FL_TRAINER_OPTIONS;
    struct fl_trainer trainer;
    options.seed = seed;
    options.strong = 0;
    options.weak = 1;
    fl_trainer_init(&trainer, limits, t->trainer_memory);
    for (unsigned i = 0; i < o->count; i++) {
        const double scores[2] = {o->strong[i], o->weak[i]};
        if (o->fold[i] != fold) {
            enum fl_err err =
                fl_trainer_add(&trainer, &o->features[i], 0, with_groups ? o->group[i] : 0, scores);
            fl_assert(err == FL_OK);
        }
    }
    fl_heads_init(&t->heads, shape, 0.5, t->memory);
    enum fl_err err = fl_trainer_run(&trainer, options, &t->heads, &t->pair);
    fl_assert(err == FL_OK);
}

void outcomes_cross_validate(struct outcomes *o, struct trained *t, uint64_t seed,
                             bool whole_groups)
{
    outcomes_deal(o, seed, whole_groups);
    o->mean_gain = 0;
    for (unsigned fold = 0; fold < OUTCOME_FOLDS; fold++) {
        trained_without(t, o, fold, seed, whole_groups);
        o->mean_gain += t->pair.mean_gain / OUTCOME_FOLDS;
        for (unsigned i = 0; i < o->count; i++) {
            if (o->fold[i] == fold) {
                double quality[FL_HEADS_MAX];
                struct fl_heads_case x = {&o->features[i], 0, 0};
                fl_heads_score(&t->heads, &x, quality);
                o->score[i] = fl_pair_gain(&t->pair, &o->features[i], quality) - t->pair.mean_gain;
            }
        }
    }
}

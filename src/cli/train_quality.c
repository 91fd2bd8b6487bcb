/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over the rows: the first names models and sources and counts features, so that the
 * trainer's memory can be taken in one piece; the second fills it.
 */
#include "cli/train_quality.h"

#include "cli/cli.h"
#include "codec/json.h"
#include "route/learn/classifier.h"
#include "route/quality/apgr.h"
#include "route/quality/model.h"
#include "route/quality/train.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    file_bytes_max = 1 << 30,
    files_max = 32,
    sources_max = FL_TRAINER_GROUPS_MAX,
    complaints_max = 20,
    rows_limit = (1 << 24) - 1
};

struct job {
    const char *files[files_max];
    unsigned file_count;
    const char *output, *strong, *weak;
    uint64_t bits;
    struct fl_trainer_options options;

    struct fl_classifier classifier;
    struct fl_features *features;
    struct fl_buf text[files_max]; /* each file's bytes */
    struct fl_buf scratch;
    struct fl_arena names;
    struct fl_slice models[FL_HEADS_MAX], *sources;
    unsigned model_count, source_count;
    size_t rows, items, bad;
    struct fl_trainer trainer;
    void *trainer_memory, *heads_memory;
};

static bool number(int argc, char **argv, int *i, uint64_t least, uint64_t most, uint64_t *ret)
{
    return *i + 1 < argc && fl_slice_u64(fl_slice_cstr(argv[++*i]), ret) && *ret >= least &&
           *ret <= most;
}

static bool option(struct job *j, int argc, char **argv, int *i)
{
    const char *name = argv[*i];
    bool more = *i + 1 < argc;
    if (strcmp(name, "--quality") == 0 && more && j->file_count < files_max) {
        j->files[j->file_count++] = argv[++*i];
    } else if (strcmp(name, "--output") == 0 && more) {
        j->output = argv[++*i];
    } else if (strcmp(name, "--strong") == 0 && more) {
        j->strong = argv[++*i];
    } else if (strcmp(name, "--weak") == 0 && more) {
        j->weak = argv[++*i];
    } else if (strcmp(name, "--bits") == 0) {
        return number(argc, argv, i, FL_HEAD_BITS_MIN, FL_HEAD_BITS_MAX, &j->bits);
    } else if (strcmp(name, "--seed") == 0) {
        return number(argc, argv, i, 0, UINT64_MAX, &j->options.seed);
    } else {
        return false;
    }
    return true;
}

/* --- Rows --- */

struct row {
    struct fl_slice prompt; /* in scratch or in the line */
    double scores[FL_HEADS_MAX];
    unsigned group;
};

/* The place of *name* in *list*, or -1. */
static int place_of(const struct fl_slice *list, unsigned count, struct fl_slice name)
{
    for (unsigned i = 0; i < count; i++) {
        if (fl_slice_eq(list[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

/* The same, added when it is new; -1 when there are *max* already. */
static int place_or_add(struct job *j, struct fl_slice *list, unsigned *count, unsigned max,
                        struct fl_slice name)
{
    int place = place_of(list, *count, name);
    if (place >= 0 || *count == max) {
        return place;
    }
    list[*count] = fl_arena_copy(&j->names, name);
    return (int)(*count)++;
}

/* A score from 0 to 1: a decimal fraction, "1", "1.0". */
static bool score_of(struct fl_json value, double *ret)
{
    uint64_t billionths;
    struct fl_slice text = fl_slice_first(value.span, 11); /* further digits do not matter */
    bool ok = value.type == FL_JSON_NUMBER && fl_slice_decimal_e9(text, &billionths) &&
              billionths <= 1000000000;
    *ret = ok ? (double)billionths / 1e9 : -1;
    return ok;
}

static const char *read_scores(struct job *j, struct fl_json scores, struct row *row)
{
    struct fl_json_iter it = fl_json_iter(scores);
    struct fl_slice key, name;
    struct fl_json value;
    for (unsigned i = 0; i < FL_HEADS_MAX; i++) {
        row->scores[i] = -1;
    }
    if (scores.type != FL_JSON_OBJECT) {
        return "\"scores\" is not an object";
    }
    while (fl_json_next(&it, &key, &value)) {
        struct fl_json as_text = {FL_JSON_STRING, key};
        fl_buf_reset(&j->scratch);
        if (!fl_json_text(as_text, &j->scratch, &name) || name.len == 0 ||
            name.len > FL_QUALITY_NAME_MAX) {
            return "a model's name is empty or too long";
        }
        int place = place_or_add(j, j->models, &j->model_count, FL_HEADS_MAX, name);
        if (place < 0) {
            return "more than 15 models";
        }
        if (!score_of(value, &row->scores[place])) {
            return "a score is not a number from 0 to 1";
        }
    }
    return NULL;
}

static const char *read_row(struct job *j, struct fl_slice line, struct row *row,
                            struct fl_reterr *reterr)
{
    struct fl_json_watch w[] = {
        {.key = FL_LIT("prompt")}, {.key = FL_LIT("scores")}, {.key = FL_LIT("source")}};
    struct fl_json value;
    struct fl_slice source;
    if (fl_json_scan(line, FL_JSON_LIMITS, w, 3, &value, reterr)) {
        return reterr->message;
    }
    row->group = 0;
    if (w[2].value.type != FL_JSON_NONE) {
        fl_buf_reset(&j->scratch);
        if (!fl_json_text(w[2].value, &j->scratch, &source)) {
            return "\"source\" is not a string";
        }
        int place = place_or_add(j, j->sources, &j->source_count, sources_max, source);
        if (place < 0) {
            return "too many sources";
        }
        row->group = (unsigned)place + 1;
    }
    const char *wrong = read_scores(j, w[1].value, row);
    fl_buf_reset(&j->scratch); /* the prompt last: it stays in there */
    if (!wrong && !fl_json_text(w[0].value, &j->scratch, &row->prompt)) {
        wrong = "\"prompt\" is not a string";
    }
    return wrong ? wrong : j->names.failed ? "out of memory" : NULL;
}

typedef enum fl_err row_fn(struct job *j, const struct row *row);

/* Calls *each* on every good row of every file; bad ones are printed when *complain*. */
static enum fl_err walk(struct job *j, bool complain, row_fn *each)
{
    enum fl_err err = FL_OK;
    for (unsigned f = 0; f < j->file_count; f++) {
        struct fl_slice rest = fl_buf_slice(&j->text[f]);
        for (unsigned number_of = 1; !err && rest.len > 0; number_of++) {
            struct fl_slice line = fl_slice_first(rest, fl_slice_find(rest, '\n'));
            struct row row = {0};
            struct fl_reterr reterr;
            rest = fl_slice_from(rest, line.len + 1);
            if (fl_slice_trim(line).len == 0) {
                continue;
            }
            const char *wrong = read_row(j, line, &row, &reterr);
            if (!wrong) {
                err = each(j, &row);
            } else if (complain && j->bad++ < complaints_max) {
                (void)fprintf(stderr, "%s:%u: %s\n", j->files[f], number_of, wrong);
            }
        }
    }
    return err;
}

static void extract(struct job *j, const struct row *row, struct fl_windows *ret_windows)
{
    *ret_windows = fl_windows_of(row->prompt);
    fl_features_extract(ret_windows, j->features);
}

static enum fl_err count_row(struct job *j, const struct row *row)
{
    struct fl_windows w;
    extract(j, row, &w);
    j->rows++;
    j->items += j->features->count;
    return j->rows > rows_limit ? FL_ERR_TOO_BIG : FL_OK;
}

static enum fl_err add_row(struct job *j, const struct row *row)
{
    struct fl_windows w;
    double probability[FL_TASK_COUNT];
    extract(j, row, &w);
    fl_classify(&j->classifier, &w, j->features, probability);
    unsigned task_class = 1 + (unsigned)fl_task_best(probability);
    return fl_trainer_add(&j->trainer, j->features, task_class, row->group, row->scores);
}

static enum fl_err read_files(struct job *j)
{
    for (unsigned f = 0; f < j->file_count; f++) {
        enum fl_err err = fl_read_file(fl_slice_cstr(j->files[f]), &j->text[f]);
        if (err) {
            (void)fprintf(stderr, "fairlead train: %s: %s\n", j->files[f], fl_err_text(err));
            return err;
        }
    }
    enum fl_err err = walk(j, true, count_row);
    if (!err && j->bad > 0) {
        (void)fprintf(stderr, "fairlead train: %zu bad line%s; nothing is written\n", j->bad,
                      j->bad == 1 ? "" : "s");
        return FL_ERR_FILE;
    }
    if (!err && (j->rows < 2 || j->model_count == 0)) {
        (void)fprintf(stderr, "fairlead train: too few rows with scores\n");
        return FL_ERR_FILE;
    }
    return err;
}

/* --- Training --- */

/* The head called *name*; -1 for none asked for, -2 when there is no such model. */
static int head_called(const struct job *j, const char *name)
{
    int place = name ? place_of(j->models, j->model_count, fl_slice_cstr(name)) : -1;
    if (name && place < 0) {
        (void)fprintf(stderr, "fairlead train: no row has a score of '%s'\n", name);
        return -2;
    }
    return place;
}

static void *take_lines(size_t bytes)
{
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static enum fl_err train(struct job *j, struct fl_heads *heads, struct fl_pair *pair)
{
    struct fl_trainer_limits limits = {(unsigned)j->rows, j->items, j->model_count,
                                       (unsigned)j->bits};
    struct fl_heads_shape shape = {j->model_count, (unsigned)j->bits, 0, false};
    j->trainer_memory = take_lines(fl_trainer_bytes(limits));
    j->heads_memory = take_lines(fl_heads_bytes(shape));
    if (!j->trainer_memory || !j->heads_memory) {
        return FL_ERR_NOMEM;
    }
    fl_trainer_init(&j->trainer, limits, j->trainer_memory);
    fl_heads_init(heads, shape, 0.5, j->heads_memory);
    enum fl_err err = walk(j, false, add_row);
    return err ? err
               : fl_trainer_run(&j->trainer, j->options, heads, j->model_count > 1 ? pair : NULL);
}

static void print_model(const struct job *j, unsigned head)
{
    double sum = 0;
    size_t count = 0;
    for (unsigned r = 0; r < j->trainer.row_count; r++) {
        float score = j->trainer.scores[(size_t)r * j->model_count + head];
        sum += score >= 0 ? (double)score : 0;
        count += score >= 0;
    }
    (void)printf("%-40.*s mean score %.3f of %zu rows\n", (int)j->models[head].len,
                 j->models[head].ptr, count ? sum / (double)count : 0, count);
}

static enum fl_err print_pair(const struct job *j, const struct fl_pair *pair)
{
    size_t count = 0;
    double *numbers = calloc(5 * j->rows, sizeof(*numbers));
    double *gain = numbers, *strong = numbers + j->rows, *weak = numbers + 2 * j->rows;
    double *length = numbers + 3 * j->rows, *scratch = numbers + 4 * j->rows;
    if (!numbers) {
        return FL_ERR_NOMEM;
    }
    for (unsigned r = 0; r < j->trainer.row_count; r++) {
        double rewards[2];
        if (fl_trainer_heldout(&j->trainer, pair, r, &gain[count], rewards)) {
            length[count] = j->trainer.rows[r].length;
            strong[count] = rewards[0];
            weak[count++] = rewards[1];
        }
    }
    struct fl_apgr own = fl_apgr_measure(gain, strong, weak, count, scratch);
    struct fl_apgr longest = fl_apgr_measure(length, strong, weak, count, scratch);
    struct fl_slice s = j->models[pair->strong], w = j->models[pair->weak];
    (void)printf("strong %.*s, weak %.*s, on %zu rows held out%s:\n"
                 "  share of the gap recovered (APGR): %.3f; longest prompt first %.3f, at random "
                 "0.500\n"
                 "  half of the gap at %.1f %% strong calls, 80 %% at %.1f %%\n",
                 (int)s.len, s.ptr, (int)w.len, w.ptr, count,
                 j->source_count ? ", whole sources" : "", own.apgr, longest.apgr, 100 * own.cpt50,
                 100 * own.cpt80);
    free(numbers);
    return FL_OK;
}

static enum fl_err write_model(const struct job *j, const struct fl_buf *b)
{
    struct fl_slice bytes = fl_buf_slice(b);
    int fd = open(j->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0;
    while (ok && bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        ok = n > 0 || (n < 0 && errno == EINTR);
        bytes = n > 0 ? fl_slice_from(bytes, (size_t)n) : bytes;
    }
    ok = fd >= 0 && close(fd) == 0 && ok;
    if (!ok) {
        (void)fprintf(stderr, "fairlead train: %s: cannot be written: %s\n", j->output,
                      strerror(errno));
        return FL_ERR_FILE;
    }
    (void)printf("%s: %u models, %zu bytes\n", j->output, j->model_count, b->len);
    return FL_OK;
}

static enum fl_err run(struct job *j)
{
    struct fl_heads heads;
    struct fl_pair pair;
    struct fl_buf model;
    enum fl_err err = read_files(j);
    if (err) {
        return err;
    }
    j->options.strong = head_called(j, j->strong);
    j->options.weak = head_called(j, j->weak);
    if (j->options.strong == -2 || j->options.weak == -2) {
        return FL_ERR_INVALID;
    }
    err = train(j, &heads, &pair);
    if (err) {
        (void)fprintf(stderr, "fairlead train: %s\n", fl_err_text(err));
        return err;
    }
    for (unsigned i = 0; i < j->model_count; i++) {
        print_model(j, i);
    }
    err = j->model_count > 1 ? print_pair(j, &pair) : FL_OK;
    if (!err && j->output) {
        fl_buf_init(&model, file_bytes_max);
        fl_quality_write(&heads, j->model_count > 1 ? &pair : NULL, j->models, &model);
        err = fl_buf_ok(&model) ? write_model(j, &model) : FL_ERR_NOMEM;
        fl_buf_finish(&model);
    }
    return err;
}

int fl_cli_train_quality(int argc, char **argv)
{
    struct job *j = calloc(1, sizeof(*j));
    int code = FL_EXIT_FAILURE;
    if (!j) {
        return code;
    }
    j->options = FL_TRAINER_OPTIONS;
    j->bits = 16;
    for (int i = 1; i < argc; i++) {
        if (!option(j, argc, argv, &i)) {
            code = fl_usage_error("train", "'%s' is not understood", argv[i < argc ? i : argc - 1]);
            goto out;
        }
    }
    if (j->file_count == 0 || !j->output) {
        code = fl_usage_error("train", "--quality and --output are needed");
        goto out;
    }
    for (unsigned f = 0; f < files_max; f++) {
        fl_buf_init(&j->text[f], file_bytes_max);
    }
    fl_buf_init(&j->scratch, file_bytes_max);
    fl_arena_init(&j->names, 1 << 16, 64 << 20);
    j->classifier = fl_classifier_default();
    j->features = malloc(sizeof(*j->features));
    j->sources = calloc(sources_max, sizeof(*j->sources));
    code = j->features && j->sources && run(j) == FL_OK ? FL_EXIT_OK : FL_EXIT_FAILURE;
    for (unsigned f = 0; f < files_max; f++) {
        fl_buf_finish(&j->text[f]);
    }
    fl_buf_finish(&j->scratch);
    fl_arena_finish(&j->names);
out:
    free(j->features);
    free(j->sources);
    free(j->trainer_memory);
    free(j->heads_memory);
    free(j);
    return code;
}

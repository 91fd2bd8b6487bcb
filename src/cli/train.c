/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fairlead train: labelled prompts -> a model file for the task classifier. First by
 * cross-validation (each fold predicted by a model that has not seen it), which gives the figures
 * that are printed and the calibration; then once more on everything, which is what is written.
 */
#include "cli/cli.h"
#include "cli/labels.h"
#include "cli/train_quality.h"
#include "route/learn/evaluate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { model_bytes_max = 16 << 20, labels_files_max = 32 };

struct job {
    const char *files[labels_files_max];
    unsigned file_count;
    const char *output, *hold_out;
    bool skip_bad;
    struct fl_train_options options;

    struct fl_labels labels;
    struct fl_features *features;
    struct fl_example *examples;
    struct fl_train_item *items;
    size_t item_count, item_cap;
    void *memory;
    struct fl_buf model;
    struct fl_prediction *predictions; /* a row each; those not predicted have probability 0 */
};

static bool next_number(int argc, char **argv, int *i, uint64_t *ret_value)
{
    return *i + 1 < argc && fl_slice_u64(fl_slice_cstr(argv[++*i]), ret_value);
}

/* One option at *i*; false: not understood. */
static bool option(struct job *j, int argc, char **argv, int *i)
{
    const char *name = argv[*i];
    uint64_t number = 0;
    bool more = *i + 1 < argc;
    if (strcmp(name, "--labels") == 0 && more && j->file_count < labels_files_max) {
        j->files[j->file_count++] = argv[++*i];
    } else if (strcmp(name, "--output") == 0 && more) {
        j->output = argv[++*i];
    } else if (strcmp(name, "--hold-out") == 0 && more) {
        j->hold_out = argv[++*i];
    } else if (strcmp(name, "--skip-bad-lines") == 0) {
        j->skip_bad = true;
    } else if (strcmp(name, "--kind") == 0 && more) {
        return fl_classifier_kind_parse(fl_slice_cstr(argv[++*i]), &j->options.kind);
    } else if (strcmp(name, "--seed") == 0 && next_number(argc, argv, i, &number)) {
        j->options.seed = number;
    } else if (strcmp(name, "--epochs") == 0 && next_number(argc, argv, i, &number) &&
               number <= 1000) {
        j->options.epochs = (unsigned)number;
    } else if (strcmp(name, "--count") == 0 && next_number(argc, argv, i, &number) &&
               number <= 65536) {
        j->options.count = (unsigned)number;
    } else {
        return false;
    }
    return true;
}

static bool room_for_items(struct job *j)
{
    if (j->item_count + FL_TRAIN_ITEMS_MAX > j->item_cap) {
        size_t cap = j->item_cap ? 2 * j->item_cap : (size_t)1 << 20;
        struct fl_train_item *items = realloc(j->items, cap * sizeof(*items));
        if (!items) {
            return false;
        }
        j->items = items;
        j->item_cap = cap;
    }
    return true;
}

static enum fl_err make_examples(struct job *j)
{
    size_t count = j->labels.count;
    j->features = malloc(sizeof(*j->features));
    j->examples = calloc(count + 1, sizeof(*j->examples));
    j->predictions = calloc(count + 1, sizeof(*j->predictions));
    if (!j->features || !j->examples || !j->predictions) {
        return FL_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct fl_label_row *row = &j->labels.rows[i];
        struct fl_windows w = fl_windows_of(row->prompt);
        if (!room_for_items(j)) {
            return FL_ERR_NOMEM;
        }
        fl_features_extract(&w, j->features);
        unsigned n = fl_train_items(j->options.kind, &w, j->features, j->items + j->item_count);
        j->examples[i] =
            (struct fl_example){j->item_count, (uint16_t)n, row->label, row->fold, row->weight};
        j->item_count += n;
    }
    struct fl_train_set set = {j->examples, count, j->items};
    j->memory = malloc(fl_train_memory(&set, &j->options));
    return j->memory ? FL_OK : FL_ERR_NOMEM;
}

static enum fl_err train_without(struct job *j, unsigned fold)
{
    struct fl_train_set set = {j->examples, j->labels.count, j->items};
    struct fl_train_options options = j->options;
    options.skip_fold = fold;
    return fl_train(&set, &options, j->memory, &j->model);
}

/* Predictions of the rows of *fold* by the model in j->model. */
static enum fl_err predict(struct job *j, unsigned fold)
{
    struct fl_classifier c;
    enum fl_err err = fl_classifier_load(fl_buf_slice(&j->model), &c, NULL);
    for (size_t i = 0; !err && i < j->labels.count; i++) {
        const struct fl_label_row *row = &j->labels.rows[i];
        if (j->examples[i].fold == fold) {
            struct fl_windows w = fl_windows_of(row->prompt);
            j->predictions[i].truth = row->label;
            j->predictions[i].source = row->source;
            fl_features_extract(&w, j->features);
            fl_classify(&c, &w, j->features, j->predictions[i].probability);
        }
    }
    return err;
}

static enum fl_err cross_validate(struct job *j)
{
    enum fl_err err = FL_OK;
    for (unsigned fold = 0; !err && fold < FL_TRAIN_FOLDS; fold++) {
        err = train_without(j, fold);
        err = err ? err : predict(j, fold);
    }
    return err;
}

/* --hold-out: one fold is that source, the others are one; only the source is predicted. */
static enum fl_err hold_out(struct job *j, int source)
{
    for (size_t i = 0; i < j->labels.count; i++) {
        j->examples[i].fold = j->labels.rows[i].source == source ? 1 : 0;
    }
    enum fl_err err = train_without(j, 1);
    err = err ? err : predict(j, 1);
    size_t kept = 0;
    for (size_t i = 0; i < j->labels.count; i++) {
        if (j->examples[i].fold == 1) {
            j->predictions[kept++] = j->predictions[i];
        }
    }
    j->labels.count = err ? j->labels.count : kept;
    return err;
}

static void print_score(const struct job *j, const char *name, int source)
{
    struct fl_score five = fl_evaluate(j->predictions, j->labels.count, source, FL_SCORE_FIVE);
    struct fl_score six = fl_evaluate(j->predictions, j->labels.count, source, FL_SCORE_SIX);
    (void)printf("%-20.20s %7zu   %.3f   %.3f", name, six.rows,
                 fl_score_macro_f1(&five, five.present & FL_TASKS_FIVE),
                 fl_score_macro_f1(&six, six.present));
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        if (six.present >> k & 1) {
            (void)printf("  %s %.2f", fl_task_name((enum fl_task)k), six.f1[k]);
        }
    }
    (void)printf("\n");
}

static void print_figures(const struct job *j, double sharpness)
{
    (void)printf("%-20s %7s   five    six    F1 of each class (held-out rows)\n", "source", "rows");
    for (unsigned s = 0; s < j->labels.sources; s++) {
        struct fl_score any = fl_evaluate(j->predictions, j->labels.count, (int)s, FL_SCORE_SIX);
        if (any.rows > 0) {
            char name[64];
            struct fl_buf b;
            fl_buf_init_in(&b, name, sizeof(name) - 1);
            fl_buf_put(&b, fl_slice_first(j->labels.source[s], 20));
            name[b.len] = '\0';
            print_score(j, name, (int)s);
        }
    }
    print_score(j, "all", -1);
    double before = fl_evaluate_ece(j->predictions, j->labels.count);
    for (size_t i = 0; i < j->labels.count; i++) {
        fl_sharpen(j->predictions[i].probability, sharpness);
    }
    (void)printf("calibration: expected error %.3f, with sharpness %.2f %.3f\n", before, sharpness,
                 fl_evaluate_ece(j->predictions, j->labels.count));
}

static enum fl_err write_file(const char *path, struct fl_slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0;
    while (ok && bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        ok = n > 0 || (n < 0 && errno == EINTR);
        bytes = n > 0 ? fl_slice_from(bytes, (size_t)n) : bytes;
    }
    ok = fd >= 0 && close(fd) == 0 && ok;
    if (!ok) {
        (void)fprintf(stderr, "fairlead train: %s: cannot be written: %s\n", path, strerror(errno));
    }
    return ok ? FL_OK : FL_ERR_FILE;
}

static enum fl_err read_all(struct job *j)
{
    for (unsigned i = 0; i < j->file_count; i++) {
        enum fl_err err = fl_labels_read(&j->labels, j->files[i]);
        if (err) {
            (void)fprintf(stderr, "fairlead train: %s: %s\n", j->files[i], fl_err_text(err));
            return err;
        }
    }
    if (j->labels.bad > 0) {
        (void)fprintf(stderr, "fairlead train: %zu bad line%s%s\n", j->labels.bad,
                      j->labels.bad == 1 ? "" : "s",
                      j->skip_bad ? " left out"
                                  : "; nothing is written (--skip-bad-lines goes on)");
    }
    if (j->labels.count < FL_TRAIN_FOLDS) {
        (void)fprintf(stderr, "fairlead train: too few labelled prompts\n");
    }
    bool ok = (j->labels.bad == 0 || j->skip_bad) && j->labels.count >= FL_TRAIN_FOLDS;
    return ok ? FL_OK : FL_ERR_FILE;
}

static enum fl_err run(struct job *j)
{
    int source = j->hold_out ? fl_labels_source(&j->labels, fl_slice_cstr(j->hold_out)) : -1;
    if (j->hold_out && source < 0) {
        (void)fprintf(stderr, "fairlead train: no row has the source '%s'\n", j->hold_out);
        return FL_ERR_INVALID;
    }
    enum fl_err err = make_examples(j);
    err = err ? err : source >= 0 ? hold_out(j, source) : cross_validate(j);
    if (err) {
        (void)fprintf(stderr, "fairlead train: %s\n", fl_err_text(err));
        return err;
    }
    double sharpness = fl_evaluate_sharpness(j->predictions, j->labels.count);
    print_figures(j, sharpness);
    if (source < 0) {
        err = train_without(j, FL_TRAIN_NO_FOLD);
        if (!err) {
            fl_model_sharpen(&j->model, sharpness);
        }
    }
    if (!err && j->output) {
        err = write_file(j->output, fl_buf_slice(&j->model));
        if (!err) {
            (void)printf("%s: %s, %zu bytes\n", j->output, fl_classifier_kind_name(j->options.kind),
                         j->model.len);
        }
    }
    return err;
}

int fl_cli_train(int argc, char **argv)
{
    static const struct fl_train_options defaults = {
        .kind = FL_CLASSIFIER_TFIDF_LINEAR, .seed = 1, .skip_fold = FL_TRAIN_NO_FOLD};
    struct job j = {.options = defaults};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quality") == 0) {
            return fl_cli_train_quality(argc, argv);
        }
    }
    for (int i = 1; i < argc; i++) {
        if (!option(&j, argc, argv, &i)) {
            return fl_usage_error("train", "'%s' is not understood", argv[i < argc ? i : argc - 1]);
        }
    }
    if (j.file_count == 0 || (!j.output && !j.hold_out)) {
        return fl_usage_error("train", "--labels and --output are needed");
    }
    fl_labels_init(&j.labels);
    fl_buf_init(&j.model, model_bytes_max);
    enum fl_err err = read_all(&j);
    err = err ? err : run(&j);
    fl_buf_finish(&j.model);
    fl_labels_finish(&j.labels);
    free(j.memory);
    free(j.items);
    free(j.predictions);
    free(j.examples);
    free(j.features);
    return err ? FL_EXIT_FAILURE : FL_EXIT_OK;
}

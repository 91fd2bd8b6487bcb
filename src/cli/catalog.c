/* SPDX-License-Identifier: Apache-2.0 */
/* fairlead catalog: where prices come from, and bringing them up to date. */
#include "cli/cli.h"

#include "base/assert.h"
#include "route/catalog/price.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Showing --- */

static void put_counts(struct fl_buf *b, const struct fl_catalog *c)
{
    unsigned by_status[FL_MODEL_RETIRED + 1] = {0}, priced = 0;
    for (unsigned i = 0; i < fl_catalog_model_count(c); i++) {
        const struct fl_model *m = fl_catalog_model(c, i);
        by_status[m->status]++;
        priced += m->rule_count > 0 && m->rules[0].classes != 0;
    }
    fl_buf_put_u64(b, fl_catalog_provider_count(c));
    fl_buf_put_cstr(b, " providers, ");
    fl_buf_put_u64(b, fl_catalog_model_count(c));
    fl_buf_put_cstr(b, " models (");
    fl_buf_put_u64(b, priced);
    fl_buf_put_cstr(b, " with prices, ");
    fl_buf_put_u64(b, by_status[FL_MODEL_DEPRECATED]);
    fl_buf_put_cstr(b, " deprecated, ");
    fl_buf_put_u64(b, by_status[FL_MODEL_RETIRED]);
    fl_buf_put_cstr(b, " retired)");
}

static void put_line(struct fl_buf *b, const char *name, const char *source, const struct fl_catalog *c)
{
    fl_buf_put_cstr(b, name);
    fl_day_put(b, fl_catalog_day(c));
    fl_buf_put_cstr(b, "  ");
    put_counts(b, c);
    fl_buf_put_cstr(b, source[0] != '\0' ? ", " : "");
    fl_buf_put_cstr(b, source);
    fl_buf_putc(b, '\n');
}

static int show(void)
{
    char path[4096] = "";
    struct fl_buf out;
    bool own = fl_find_catalog(path, sizeof(path));
    struct fl_catalog *builtin = fl_catalog_load(FL_EMPTY, NULL), *all = fl_load_catalog();
    int code = builtin && all ? FL_EXIT_OK : FL_EXIT_CONFIG;
    fl_buf_init(&out, 64 * 1024);
    if (!code) {
        put_line(&out, "built in  ", "", builtin);
        if (own) {
            put_line(&out, "in use    ", path, all);
        } else {
            fl_buf_put_cstr(&out, "no file of your own: 'fairlead catalog update FILE' makes one\n");
        }
        if (own && fl_catalog_day(all) <= fl_catalog_day(builtin)) {
            fl_buf_put_cstr(&out, "note: the file is no newer than what is built in, and its prices count all the same\n");
        }
        fl_write_all(STDOUT_FILENO, fl_buf_slice(&out));
    }
    fl_buf_finish(&out);
    fl_catalog_unref(builtin);
    fl_catalog_unref(all);
    return code;
}

/* --- Updating --- */

struct update {
    const char *file, *output;
    bool dry;
    char path[4096]; /* to write */
    struct fl_buf text, own, out;
    struct fl_catalog *builtin, *base, *newer;
    struct fl_catalog_merge merge;
    enum fl_catalog_format format;
};

/* A day in the file's name, such as genai_prices_2026-09-23.json, or that of its last change. */
static int32_t day_of(const char *path)
{
    struct stat st;
    struct fl_slice name = fl_slice_cstr(path);
    int32_t day = 0;
    for (size_t i = 0; i + 10 <= name.len; i++) {
        if (fl_day_parse(fl_slice(name.ptr + i, 10), &day)) {
            return day;
        }
    }
    return stat(path, &st) == 0 ? (int32_t)(st.st_mtime / 86400) : 0;
}

static bool make_folder(const char *path)
{
    char folder[4096];
    (void)snprintf(folder, sizeof(folder), "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
            return false;
        }
        *slash = '/';
    }
    return true;
}

/* Where to write: as told, else where it is read from, else the user's folder. */
static bool find_output(struct update *u)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (u->output) {
        (void)snprintf(u->path, sizeof(u->path), "%s", u->output);
        return true;
    }
    if (fl_find_catalog(u->path, sizeof(u->path))) {
        return true;
    }
    if (!(xdg && *xdg) && !(home && *home)) {
        (void)fprintf(stderr, "fairlead catalog: neither $XDG_CONFIG_HOME nor $HOME is set; name a file with --output\n");
        return false;
    }
    (void)snprintf(u->path, sizeof(u->path), "%s%s/fairlead/catalog.txt", xdg && *xdg ? xdg : home,
                   xdg && *xdg ? "" : "/.config");
    return true;
}

static int read_base(struct update *u)
{
    struct fl_reterr reterr = {0};
    u->builtin = fl_catalog_load(FL_EMPTY, NULL);
    if (access(u->path, F_OK) == 0 && fl_read_file(fl_slice_cstr(u->path), &u->own) != FL_OK) {
        (void)fprintf(stderr, "%s: error: cannot be read: %s\n", u->path, strerror(errno));
        return FL_EXIT_FAILURE;
    }
    u->base = fl_catalog_load(fl_buf_slice(&u->own), &reterr);
    if (!u->builtin || !u->base) {
        fl_print_place(u->path, &reterr);
        return FL_EXIT_CONFIG;
    }
    return FL_EXIT_OK;
}

/* The providers that are known come first, so that the file's names for them are understood. */
static int read_newer(struct update *u)
{
    struct fl_reterr reterr = {0};
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    enum fl_err err = d ? FL_OK : FL_ERR_NOMEM;
    if (fl_read_file(fl_slice_cstr(u->file), &u->text) != FL_OK) {
        (void)fprintf(stderr, "%s: error: %s\n", u->file,
                      fl_buf_ok(&u->text) ? strerror(errno) : "larger than 16 MiB");
        fl_catalog_draft_destroy(d);
        return FL_EXIT_FAILURE;
    }
    for (unsigned i = 0; !err && i < fl_catalog_provider_count(u->base); i++) {
        err = fl_catalog_draft_provider(d, fl_catalog_provider(u->base, i));
    }
    u->format = fl_catalog_format_of(fl_buf_slice(&u->text));
    err = err ? err : fl_catalog_read(d, u->format, fl_buf_slice(&u->text), day_of(u->file), &reterr);
    if (err) {
        fl_catalog_draft_destroy(d);
        fl_print_place(u->file, &reterr);
        return FL_EXIT_CONFIG;
    }
    u->newer = fl_catalog_draft_finish(d);
    if (!u->newer || fl_catalog_model_count(u->newer) == 0) {
        (void)fprintf(stderr, "%s: error: no model in it\n", u->file);
        return FL_EXIT_CONFIG;
    }
    return FL_EXIT_OK;
}

/* --- What changed --- */

static void put_prices(struct fl_buf *b, const struct fl_model *m, int64_t when_s)
{
    const struct fl_price_rule *rule = fl_price_rule(m, 1, when_s);
    uint64_t in = 0, out = 0;
    if (!rule || !fl_price_find(rule, FL_PRICE_IN, &in, NULL)) {
        fl_buf_put_cstr(b, "no token price");
        return;
    }
    fl_price_put(b, in, 6);
    if (fl_price_find(rule, FL_PRICE_OUT, &out, NULL)) {
        fl_buf_put_cstr(b, " / ");
        fl_price_put(b, out, 6);
    }
}

static void put_change(struct fl_buf *b, const struct fl_catalog_change *c, int64_t when_s)
{
    static const char *const words[] = {
        [FL_CATALOG_ADDED] = "added       ", [FL_CATALOG_DEARER] = "price up    ",
        [FL_CATALOG_CHEAPER] = "price down  ", [FL_CATALOG_PRICES] = "prices      ",
        [FL_CATALOG_RETIRED] = "retired     ", [FL_CATALOG_DEPRECATED] = "deprecated  ",
        [FL_CATALOG_FACTS] = "facts       "};
    bool moved = c->kind == FL_CATALOG_DEARER || c->kind == FL_CATALOG_CHEAPER;
    fl_buf_put_cstr(b, words[c->kind]);
    fl_buf_put(b, c->after->provider->name);
    fl_buf_putc(b, '/');
    fl_buf_put(b, c->after->id);
    fl_buf_put_cstr(b, "  ");
    if (moved) {
        put_prices(b, c->before, when_s);
        fl_buf_put_cstr(b, " -> ");
    }
    if (moved || c->kind == FL_CATALOG_ADDED) {
        put_prices(b, c->after, when_s);
    } else if (c->after->successor.len > 0 && c->after->status != FL_MODEL_ACTIVE) {
        fl_buf_put_cstr(b, "successor ");
        fl_buf_put(b, c->after->successor);
    }
    while (b->len > 0 && b->ptr[b->len - 1] == ' ') {
        b->len--;
    }
    fl_buf_putc(b, '\n');
}

static int by_kind(const void *a, const void *b)
{
    const struct fl_catalog_change *x = a, *y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    int order = fl_slice_cmp(x->after->provider->name, y->after->provider->name);
    return order != 0 ? order : fl_slice_cmp(x->after->id, y->after->id);
}

static void print_changes(struct update *u)
{
    struct fl_buf b;
    int64_t when_s = (int64_t)fl_catalog_day(u->merge.merged) * 86400 + 43200;
    qsort(u->merge.changes, u->merge.change_count, sizeof(*u->merge.changes), by_kind);
    fl_buf_init(&b, 64 * 1024 * 1024);
    for (unsigned i = 0; i < u->merge.change_count; i++) {
        put_change(&b, &u->merge.changes[i], when_s);
    }
    fl_write_all(STDOUT_FILENO, fl_buf_slice(&b));
    fl_buf_finish(&b);
    if (fl_catalog_day(u->newer) < fl_catalog_day(u->base)) {
        (void)fprintf(stderr, "%s is older than the catalogue: it added models, and changed none\n", u->file);
    }
}

/* Beside the file and then over it: a reader sees the old one or the new one. */
static int write_whole(const char *path, struct fl_slice bytes)
{
    char beside[4200];
    (void)snprintf(beside, sizeof(beside), "%s.%ld.tmp", path, (long)getpid());
    int fd = make_folder(path) ? open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    bool ok = fd >= 0;
    while (ok && bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        ok = n > 0 || (n < 0 && errno == EINTR);
        bytes = fl_slice_from(bytes, n > 0 ? (size_t)n : 0);
    }
    ok = ok && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    if (ok && rename(beside, path) == 0) {
        return FL_EXIT_OK;
    }
    (void)fprintf(stderr, "%s: error: cannot be written: %s\n", path, strerror(ok ? errno : why));
    if (fd >= 0) {
        (void)unlink(beside);
    }
    return FL_EXIT_FAILURE;
}

static int finish_update(struct update *u)
{
    fl_buf_put_cstr(&u->out, "# Rows over the built-in catalogue, written by 'fairlead catalog update'.\n");
    fl_catalog_put_difference(&u->out, u->merge.merged, u->builtin);
    print_changes(u);
    if (!fl_buf_ok(&u->out)) {
        (void)fprintf(stderr, "fairlead catalog: the result is larger than 16 MiB\n");
        return FL_EXIT_FAILURE;
    }
    if (u->dry || u->merge.change_count == 0) {
        (void)fprintf(stderr, "%u change%s; nothing written\n", u->merge.change_count,
                      u->merge.change_count == 1 ? "" : "s");
        return FL_EXIT_OK;
    }
    int code = write_whole(u->path, fl_buf_slice(&u->out));
    if (!code) {
        (void)fprintf(stderr, "%u change%s from %s, written to %s\n", u->merge.change_count,
                      u->merge.change_count == 1 ? "" : "s", fl_catalog_format_name(u->format), u->path);
    }
    return code;
}

static int run_update(struct update *u)
{
    fl_buf_init(&u->text, FL_CATALOG_BYTES_MAX);
    fl_buf_init(&u->own, FL_CATALOG_BYTES_MAX);
    fl_buf_init(&u->out, FL_CATALOG_BYTES_MAX);
    int code = find_output(u) ? FL_EXIT_OK : FL_EXIT_FAILURE;
    code = code ? code : read_base(u);
    code = code ? code : read_newer(u);
    if (!code) {
        bool partial = u->format == FL_CATALOG_MODELS_DEV;
        code = fl_catalog_merge(u->base, u->newer, partial, &u->merge) ? FL_EXIT_FAILURE : finish_update(u);
    }
    fl_catalog_merge_finish(&u->merge);
    fl_catalog_unref(u->newer);
    fl_catalog_unref(u->base);
    fl_catalog_unref(u->builtin);
    fl_buf_finish(&u->out);
    fl_buf_finish(&u->own);
    fl_buf_finish(&u->text);
    return code;
}

static int parse_update(struct update *u, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--dry-run") == 0) {
            u->dry = true;
        } else if (strcmp(argv[i], "--output") == 0 || strcmp(argv[i], "-o") == 0) {
            if (++i == argc) {
                return fl_usage_error("catalog", "option '%s' requires a value", argv[i - 1]);
            }
            u->output = argv[i];
        } else if ((argv[i][0] == '-' && argv[i][1] != '\0') || u->file) {
            return fl_usage_error("catalog", "unexpected '%s'", argv[i]);
        } else {
            u->file = argv[i];
        }
    }
    return u->file ? FL_EXIT_OK : fl_usage_error("catalog", "update needs a file");
}

int fl_cli_catalog(int argc, char **argv)
{
    struct update u = {0};
    if (argc < 2 || (argc == 2 && strcmp(argv[1], "show") == 0)) {
        return show();
    }
    if (strcmp(argv[1], "update") != 0) {
        return fl_usage_error("catalog", "unexpected '%s'", argv[1]);
    }
    int code = parse_update(&u, argc, argv);
    return code ? code : run_update(&u);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fl_write_all(int fd, struct fl_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        bytes = fl_slice_from(bytes, (size_t)n);
    }
}

static bool variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    (void)owner;
    char text[256];
    if (name.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    const char *value = getenv(text);
    *ret_value = fl_slice_cstr(value);
    return value != NULL;
}

static enum fl_err read_fd(int fd, struct fl_buf *ret)
{
    for (;;) {
        char part[16384];
        ssize_t n = read(fd, part, sizeof(part));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return FL_ERR_FILE;
        }
        if (n == 0) {
            return fl_buf_ok(ret) ? FL_OK : FL_ERR_TOO_BIG;
        }
        fl_buf_put(ret, fl_slice(part, (size_t)n));
        if (!fl_buf_ok(ret)) {
            return FL_ERR_TOO_BIG;
        }
    }
}

enum fl_err fl_read_file(struct fl_slice path, struct fl_buf *ret)
{
    char *text = fl_slice_dup(path);
    if (!text) {
        return FL_ERR_NOMEM;
    }
    int fd = strcmp(text, "-") == 0 ? dup(STDIN_FILENO) : open(text, O_RDONLY | O_CLOEXEC);
    free(text);
    if (fd < 0) {
        return FL_ERR_FILE;
    }
    enum fl_err err = read_fd(fd, ret);
    (void)close(fd);
    return err;
}

static enum fl_err file(void *owner, struct fl_slice path, struct fl_buf *ret)
{
    (void)owner;
    return fl_read_file(path, ret);
}

struct fl_config_env fl_process_env(struct fl_registry *registry, struct fl_hash_key hash_key)
{
    return (struct fl_config_env){.variable = variable, .file = file, .registry = registry, .hash_key = hash_key};
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* *name* in the folders of configuration: the user's, then the system's. */
static bool first_file(const char *name, char *ret_path, size_t cap)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    (void)snprintf(ret_path, cap, "%s%s/fairlead/%s", xdg && *xdg ? xdg : home ? home : "",
                   xdg && *xdg ? "" : "/.config", name);
    if (exists(ret_path)) {
        return true;
    }
    (void)snprintf(ret_path, cap, "/etc/fairlead/%s", name);
    return exists(ret_path);
}

bool fl_find_config(const char *given, char *ret_path, size_t cap)
{
    const char *env = getenv("FAIRLEAD_CONFIG");
    if (given || (env && *env)) {
        (void)snprintf(ret_path, cap, "%s", given ? given : env);
        return true;
    }
    (void)snprintf(ret_path, cap, "fairlead.yaml");
    return exists(ret_path) || first_file("fairlead.yaml", ret_path, cap);
}

/* --- The catalogue of models --- */

bool fl_find_catalog(char *ret_path, size_t cap)
{
    const char *env = getenv("FAIRLEAD_CATALOG");
    if (env && *env) {
        (void)snprintf(ret_path, cap, "%s", env);
        return true;
    }
    return first_file("catalog.txt", ret_path, cap);
}

struct fl_catalog *fl_load_catalog(void)
{
    char path[4096];
    struct fl_reterr reterr = {0};
    struct fl_buf own;
    struct fl_catalog *catalog = NULL;
    bool found = fl_find_catalog(path, sizeof(path));
    fl_buf_init(&own, FL_CATALOG_BYTES_MAX);
    if (found && fl_read_file(fl_slice_cstr(path), &own) != FL_OK) {
        (void)fprintf(stderr, "%s: error: cannot be read: %s\n", path, strerror(errno));
    } else {
        catalog = fl_catalog_load(fl_buf_slice(&own), &reterr);
        if (!catalog) {
            fl_print_place(path, &reterr);
        }
    }
    fl_buf_finish(&own);
    return catalog;
}

void fl_print_place(const char *path, const struct fl_reterr *reterr)
{
    if (reterr->line > 0) {
        (void)fprintf(stderr, "%s:%u:%u: error: %s\n", path, reterr->line, reterr->column, reterr->message);
    } else {
        (void)fprintf(stderr, "%s: error: %s\n", path, reterr->message[0] ? reterr->message : "no memory");
    }
}

static void print_findings(const struct fl_findings *f, struct fl_slice file, struct fl_slice source)
{
    struct fl_buf b;
    fl_buf_init(&b, 16 * 1024 * 1024);
    fl_findings_put(f, file, source, &b);
    fl_write_all(STDERR_FILENO, fl_buf_slice(&b));
    fl_buf_finish(&b);
}

enum fl_err fl_load_config(const char *path, const struct fl_config_env *env, bool print_notes,
                           struct fl_config **ret_config)
{
    struct fl_findings findings;
    struct fl_buf source;
    enum fl_err err = FL_OK;
    fl_findings_init(&findings);
    fl_buf_init(&source, 4 * 1024 * 1024);
    if (path) {
        err = fl_read_file(fl_slice_cstr(path), &source);
        if (err) {
            (void)fprintf(stderr, "%s: error: %s\n", path,
                          err == FL_ERR_TOO_BIG ? "larger than 4 MiB" : strerror(errno));
            err = FL_ERR_CONFIG;
        } else {
            err = fl_config_load(fl_buf_slice(&source), fl_slice_cstr(path), env, ret_config, &findings);
        }
    } else {
        err = fl_config_from_environment(env, ret_config, &findings);
    }
    if (findings.count > 0 && (print_notes || findings.errors + findings.warnings > 0)) {
        print_findings(&findings, fl_slice_cstr(path ? path : "environment"), fl_buf_slice(&source));
    }
    fl_findings_finish(&findings);
    fl_buf_finish(&source);
    return err;
}

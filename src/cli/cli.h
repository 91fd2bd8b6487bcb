/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of subcommands (main.c), one file each. stdout is for data, stderr for
 * messages. Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration invalid, 4 not reachable.
 */
#ifndef FL_CLI_CLI_H
#define FL_CLI_CLI_H

#include "config/catalog_file.h"
#include "config/config.h"
#include "server/server.h"

#include <stdio.h>

enum { FL_EXIT_OK = 0, FL_EXIT_FAILURE = 1, FL_EXIT_USAGE = 2, FL_EXIT_CONFIG = 3, FL_EXIT_UNREACHABLE = 4 };

struct fl_command {
    const char *name;
    const char *summary; /* one line of `fairlead help` */
    const char *usage;   /* what `fairlead help NAME` and --help print */
    int (*run)(int argc, char **argv);
};
extern const struct fl_command fl_commands[];
extern const unsigned fl_command_count;
const struct fl_command *fl_command_find(const char *name);
/* "fairlead serve: ...; see 'fairlead help serve'" to stderr; returns FL_EXIT_USAGE. */
int fl_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Name of the command or option nearest to *asked*, or NULL. */
const char *fl_command_suggest(const char *asked);

int fl_cli_serve(int argc, char **argv);
int fl_cli_demo(int argc, char **argv);
int fl_cli_explain(int argc, char **argv);
int fl_cli_check(int argc, char **argv);
int fl_cli_schema(int argc, char **argv);
int fl_cli_init(int argc, char **argv);
int fl_cli_healthcheck(int argc, char **argv);
int fl_cli_models(int argc, char **argv);
int fl_cli_catalog(int argc, char **argv);
int fl_cli_providers(int argc, char **argv);
int fl_cli_train(int argc, char **argv);
int fl_cli_simulate(int argc, char **argv);
int fl_cli_mock(int argc, char **argv);

/* --- files.c: the outside, as configuration sees it --- */

/* Environment variables and files of this process. *registry* may be NULL. */
struct fl_config_env fl_process_env(struct fl_registry *registry, struct fl_hash_key hash_key);
enum fl_err fl_read_file(struct fl_slice path, struct fl_buf *ret);
/* The configuration file to use: *given*, or the first that exists of $FAIRLEAD_CONFIG, ./fairlead.yaml,
 * $XDG_CONFIG_HOME/fairlead/fairlead.yaml, /etc/fairlead/fairlead.yaml. False: none. */
bool fl_find_config(const char *given, char *ret_path, size_t cap);
/* Loads *path* (NULL: from the environment), prints findings to stderr. FL_ERR_CONFIG: invalid. */
enum fl_err fl_load_config(const char *path, const struct fl_config_env *env, bool print_notes,
                           struct fl_config **ret_config);
void fl_write_all(int fd, struct fl_slice bytes);
/* The user's catalogue file: $FAIRLEAD_CATALOG, else the first that exists of
 * $XDG_CONFIG_HOME/fairlead/catalog.txt, /etc/fairlead/catalog.txt. False: none. */
bool fl_find_catalog(char *ret_path, size_t cap);
/* The built-in catalogue with the user's over it. NULL: reported to stderr. */
struct fl_catalog *fl_load_catalog(void);
/* "path:line:column: error: message" to stderr. */
void fl_print_place(const char *path, const struct fl_reterr *reterr);

/* --- runtime.c: workers on threads --- */

struct fl_runtime;
struct fl_runtime_options {
    unsigned workers; /* 0: as configured, else one a core */
    bool quiet_access; /* no access log whatever the configuration says */
    uint64_t seed;     /* of the workers' random numbers; 0: from entropy */
};
/* Starts serving *config* (taken over, also on failure). Errors are printed. */
enum fl_err fl_runtime_start(struct fl_config *config, struct fl_runtime_options options,
                             struct fl_runtime **ret_runtime);
/* The address that the first listen entry was bound to. */
struct fl_addr fl_runtime_addr(const struct fl_runtime *r);
unsigned fl_runtime_workers(const struct fl_runtime *r);
/* Serves *config* (taken over) from now on. */
enum fl_err fl_runtime_reload(struct fl_runtime *r, struct fl_config *config);
/* Finishes what is in flight; *drained* runs on some worker's thread when all are done. */
void fl_runtime_drain(struct fl_runtime *r, void (*drained)(void *owner), void *owner);
/* Ends everything at once and frees. */
void fl_runtime_stop(struct fl_runtime *r);

/* --- notify.c: sd_notify(3) without libsystemd --- */
void fl_notify(const char *state);

/* Monotonic nanoseconds since the process began, for "ready in". */
uint64_t fl_uptime_ns(void);

#endif

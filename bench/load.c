/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const char USAGE[] =
    "usage: bench_load MODE --port N [options] [-- COMMAND ...]\n"
    "  closed   --connections N --body BYTES --warm-ms N (--measure-ms N | --requests N)\n"
    "  open     --rate N --body BYTES --warm-ms N --measure-ms N\n"
    "  streams  --connections N --body BYTES --events N --ramp N\n"
    "  startup  --path PATH [--core N] -- COMMAND ...   time from fork to the first 200\n"
    "  exec     [--core N] -- COMMAND ...               run on one core, all descriptors allowed\n"
    "all modes: --model NAME, --cpu-of PID,PID, --hold 1 (lines on stdin move on), --limit-s N\n";

static const struct mode {
    const char *name;
    int (*run)(const struct fl_load_options *options);
} MODES[] = {
    {"closed", fl_load_closed},   {"open", fl_load_open}, {"streams", fl_load_streams},
    {"startup", fl_load_startup}, {"exec", fl_load_exec},
};

static bool read_number(const char *text, unsigned long max, unsigned *ret_number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || text[0] == '-' || value > max) {
        return false;
    }
    *ret_number = (unsigned)value;
    return true;
}

static bool read_pids(struct fl_load_options *options, const char *text)
{
    while (options->pid_count < FL_LOAD_PIDS_MAX) {
        char *end;
        long pid = strtol(text, &end, 10);
        if (end == text || pid <= 0) {
            return false;
        }
        options->pids[options->pid_count++] = (int)pid;
        if (*end == '\0') {
            return true;
        }
        if (*end != ',') {
            return false;
        }
        text = end + 1;
    }
    return false;
}

static bool read_option(struct fl_load_options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        unsigned *number;
        unsigned long max;
    } NUMBERS[] = {
        {"--port", &options->port, 65535},
        {"--connections", &options->connections, FL_LOAD_CONNECTIONS_MAX},
        {"--body", &options->body_bytes, 64u << 20},
        {"--requests", &options->requests, 10000000},
        {"--rate", &options->rate, 200000},
        {"--warm-ms", &options->warm_ms, 600000},
        {"--measure-ms", &options->measure_ms, 600000},
        {"--events", &options->events, 9999999},
        {"--ramp", &options->ramp, FL_LOAD_CONNECTIONS_MAX},
        {"--limit-s", &options->limit_s, 3600},
        {"--core", &options->core, 1023},
    };
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        if (strcmp(name, NUMBERS[i].name) == 0) {
            return read_number(value, NUMBERS[i].max, NUMBERS[i].number);
        }
    }
    if (strcmp(name, "--model") == 0) {
        options->model = value;
    } else if (strcmp(name, "--path") == 0) {
        options->path = value;
    } else if (strcmp(name, "--hold") == 0) {
        options->hold = strcmp(value, "1") == 0;
    } else {
        return strcmp(name, "--cpu-of") == 0 && read_pids(options, value);
    }
    return true;
}

static bool read_options(struct fl_load_options *options, int argc, char **argv)
{
    int i = 2;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (i + 1 >= argc || !read_option(options, argv[i], argv[i + 1])) {
            return false;
        }
    }
    if (i < argc) {
        options->command = &argv[i + 1];
    }
    return options->connections > 0 && options->ramp > 0 && strlen(options->model) < 64;
}

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++) {
        if (strcmp(MODES[i].name, name) == 0) {
            return &MODES[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct fl_load_options options = {.connections = 64,
                                      .body_bytes = 1024,
                                      .warm_ms = 200,
                                      .measure_ms = 1000,
                                      .events = 50,
                                      .ramp = 256,
                                      .limit_s = 60,
                                      .core = UINT32_MAX,
                                      .model = "bench-model",
                                      .path = "/livez"};
    const struct mode *mode = argc > 1 ? find_mode(argv[1]) : NULL;
    if (mode == NULL || !read_options(&options, argc, argv)) {
        (void)fputs(USAGE, stderr);
        return 2;
    }
    bool runs_command = mode->run == fl_load_startup || mode->run == fl_load_exec;
    bool open = mode->run == fl_load_open;
    if (runs_command != (options.command != NULL && options.command[0] != NULL) ||
        open != (options.rate > 0)) {
        (void)fputs(USAGE, stderr);
        return 2;
    }
    if (!runs_command) {
        (void)signal(SIGPIPE, SIG_IGN);
        prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
            files.rlim_cur = files.rlim_max;
            setrlimit(RLIMIT_NOFILE, &files);
        }
    }
    return mode->run(&options);
}

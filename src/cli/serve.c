/* SPDX-License-Identifier: Apache-2.0 */
/* fairlead serve: configuration, workers, signals. */
#include "cli/cli.h"

#include "base/log.h"
#include "net/net.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

struct serving {
    struct fl_net *net; /* of the main thread: signals only */
    struct fl_runtime *runtime;
    struct fl_registry *registry;
    struct fl_hash_key hash_key;
    const char *file; /* NULL: the environment */
    const char *listen;
    unsigned workers;
    bool quiet, draining;
};

/* The address of the command line instead of the file's. */
static bool override_listen(struct fl_config *config, const char *text)
{
    struct fl_listen *l = fl_arena_zero(&config->arena, sizeof(*l));
    if (!text) {
        return true;
    }
    if (!l || !fl_addr_parse(fl_slice_cstr(text), &l->addr)) {
        return false;
    }
    l->text = fl_arena_copy(&config->arena, fl_slice_cstr(text));
    config->listens = l;
    config->listen_count = 1;
    return true;
}

/* A gateway that spends money for whoever reaches it must be meant. */
static bool exposure_ok(const struct fl_config *config)
{
    for (unsigned i = 0; i < config->listen_count; i++) {
        if (!fl_addr_is_loopback(&config->listens[i].addr) && config->key_count == 0 &&
            !config->insecure_no_auth) {
            (void)fprintf(stderr,
                          "fairlead: error: %.*s can be reached from other machines, and no client needs a key.\n"
                          "  Either list client keys:     keys: [{name: app, key: ...}]\n"
                          "  or say that it is meant:     auth: {insecure_no_auth: true}\n",
                          (int)config->listens[i].text.len, config->listens[i].text.ptr);
            return false;
        }
    }
    return true;
}

/* A file may be valid and name nobody to ask: all keys empty, say. */
static bool usable(const struct fl_config *config)
{
    if (config->table.target_count == 0) {
        (void)fprintf(stderr, "fairlead: error: no provider can be used: no model is left to route to. "
                              "Set a provider's key; 'fairlead check' tells which.\n");
        return false;
    }
    return true;
}

/* What was wrong is on stderr. */
static enum fl_err load(struct serving *s, struct fl_config **ret_config)
{
    struct fl_config_env env = fl_process_env(s->registry, s->hash_key);
    enum fl_err err = fl_load_config(s->file, &env, false, ret_config);
    if (err) {
        return err;
    }
    bool ok = override_listen(*ret_config, s->listen);
    if (!ok) {
        (void)fprintf(stderr, "fairlead: error: '%s' is not an address such as 127.0.0.1:3247\n", s->listen);
    }
    if (!ok || !usable(*ret_config) || !exposure_ok(*ret_config)) {
        fl_config_unref(*ret_config);
        return FL_ERR_CONFIG;
    }
    return FL_OK;
}

static void print_provider(const struct fl_config *c, unsigned index)
{
    const struct fl_provider *p = &c->providers[index];
    unsigned models = 0;
    for (unsigned i = 0; i < c->table.target_count; i++) {
        models += c->table.targets[i].provider_index == index && c->table.targets[i].model.len > 0;
    }
    (void)fprintf(stderr, "  %-12.*s %-20.*s %-40.*s ", (int)p->name.len, p->name.ptr, (int)p->key_source.len,
                  p->key_source.ptr, (int)p->base_url.len, p->base_url.ptr);
    if (p->any_model) {
        (void)fprintf(stderr, "any model, as %.*s/NAME\n", (int)p->name.len, p->name.ptr);
    } else {
        (void)fprintf(stderr, "%u model%s\n", models, models == 1 ? "" : "s");
    }
}

static void print_banner(const struct serving *s, const struct fl_config *c)
{
    char text[80];
    struct fl_buf b;
    struct fl_addr addr = fl_runtime_addr(s->runtime);
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    fl_addr_put(&addr, &b);
    text[b.len] = '\0';
    const char *scheme = c->tls_cert.len > 0 ? "https" : "http";
    (void)fprintf(stderr, "fairlead %s  ready in %.0f ms   %s%s, %u worker%s\n", FL_VERSION,
                  (double)fl_uptime_ns() / 1e6, s->file ? "" : "no config file: using keys found in the environment",
                  s->file ? s->file : "", fl_runtime_workers(s->runtime),
                  fl_runtime_workers(s->runtime) == 1 ? "" : "s");
    for (unsigned i = 0; i < c->provider_count; i++) {
        print_provider(c, i);
    }
    (void)fprintf(stderr, "  API %s://%s/v1     point an app here: export OPENAI_BASE_URL=%s://%s/v1\n", scheme, text,
                  scheme, text);
    if (!s->file) {
        (void)fprintf(stderr, "  keep this setup: fairlead init > fairlead.yaml\n");
    }
}

static void on_reload(void *owner, int signal_number)
{
    struct serving *s = owner;
    struct fl_config *config;
    (void)signal_number;
    fl_notify("RELOADING=1");
    if (load(s, &config)) {
        fl_log(FL_LOG_ERROR, "reload: the configuration is invalid; the old one stays in use");
    } else if (fl_runtime_reload(s->runtime, config) == FL_OK) {
        fl_log(FL_LOG_NOTICE, "reload: the new configuration is in use");
    }
    fl_notify("READY=1");
}

static void stop_loop(void *owner)
{
    fl_net_stop(owner);
}

static void on_drained(void *owner)
{
    struct serving *s = owner;
    (void)fl_net_post(s->net, stop_loop, s->net);
}

static void on_terminate(void *owner, int signal_number)
{
    struct serving *s = owner;
    if (s->draining) {
        (void)fprintf(stderr, "fairlead: ending at once\n");
        fl_net_stop(s->net);
        return;
    }
    s->draining = true;
    fl_notify("STOPPING=1");
    if (!s->quiet) {
        (void)fprintf(stderr, "fairlead: finishing what is in flight%s\n",
                      signal_number == SIGINT ? " (Ctrl-C again ends at once)" : "");
    }
    fl_runtime_drain(s->runtime, on_drained, s);
}

/* As many descriptors as allowed: each stream takes two. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(struct serving *s, struct fl_config *config)
{
    struct fl_runtime_options options = {.workers = s->workers};
    enum fl_err err = fl_net_create(&s->net);
    err = err ? err : fl_net_signal(s->net, SIGHUP, on_reload, s);
    err = err ? err : fl_net_signal(s->net, SIGTERM, on_terminate, s);
    err = err ? err : fl_net_signal(s->net, SIGINT, on_terminate, s);
    if (err) {
        fl_config_unref(config);
        fl_net_destroy(s->net);
        return FL_EXIT_FAILURE;
    }
    struct fl_config *shown = fl_config_ref(config);
    err = fl_runtime_start(config, options, &s->runtime);
    if (!err) {
        if (!s->quiet) {
            print_banner(s, shown);
        }
        fl_config_unref(shown);
        fl_notify("READY=1");
        fl_net_run(s->net);
        fl_runtime_stop(s->runtime);
    } else {
        fl_config_unref(shown);
    }
    fl_net_destroy(s->net);
    return err ? FL_EXIT_FAILURE : FL_EXIT_OK;
}

static int parse(int argc, char **argv, struct serving *s, const char **ret_file)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"workers", required_argument, NULL, 'w'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {NULL, 0, NULL, 0}};
    struct fl_addr addr;
    uint64_t n;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:q", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            *ret_file = optarg;
            break;
        case 'l':
            if (!fl_addr_parse(fl_slice_cstr(optarg), &addr)) {
                return fl_usage_error("serve", "'%s' is not an address such as 127.0.0.1:3247", optarg);
            }
            s->listen = optarg;
            break;
        case 'w':
            if (!fl_slice_u64(fl_slice_cstr(optarg), &n) || n < 1 || n > 256) {
                return fl_usage_error("serve", "--workers takes a number from 1 to 256, not '%s'", optarg);
            }
            s->workers = (unsigned)n;
            break;
        case 'q':
            s->quiet = true;
            break;
        default:
            return fl_usage_error("serve", c == ':' ? "option '%s' requires a value" : "unknown option '%s'",
                                  argv[optind - 1]);
        }
    }
    return optind < argc ? fl_usage_error("serve", "unexpected '%s'", argv[optind]) : FL_EXIT_OK;
}

int fl_cli_serve(int argc, char **argv)
{
    struct serving s = {0};
    struct fl_config *config;
    const char *given = NULL;
    char path[4096];
    int exit_code = parse(argc, argv, &s, &given);
    if (exit_code) {
        return exit_code;
    }
    s.file = fl_find_config(given, path, sizeof(path)) ? path : NULL;
    s.registry = fl_registry_create();
    if (!s.registry || getrandom(&s.hash_key, sizeof(s.hash_key), 0) != (ssize_t)sizeof(s.hash_key)) {
        fl_registry_destroy(s.registry);
        return FL_EXIT_FAILURE;
    }
    raise_descriptor_limit();
    enum fl_err err = load(&s, &config);
    if (err && !s.file) {
        (void)fprintf(stderr, "Three ways on:\n"
                              "  OPENAI_API_KEY=... fairlead serve     a provider's key in the environment\n"
                              "  fairlead demo                         simulated providers, no key\n"
                              "  fairlead init > fairlead.yaml         a file to edit\n");
        exit_code = FL_EXIT_USAGE;
    } else if (err) {
        exit_code = FL_EXIT_CONFIG;
    } else {
        exit_code = run(&s, config);
    }
    fl_registry_destroy(s.registry);
    return exit_code;
}

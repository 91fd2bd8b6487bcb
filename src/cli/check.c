/* SPDX-License-Identifier: Apache-2.0 */
/* fairlead check, schema, init, healthcheck: the commands that only look. */
#include "cli/cli.h"

#include "base/assert.h"
#include "net/net.h"

#include <string.h>
#include <unistd.h>

int fl_cli_check(int argc, char **argv)
{
    const char *file = NULL;
    bool strict = false;
    char path[4096];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--strict") == 0) {
            strict = true;
        } else if ((argv[i][0] == '-' && argv[i][1] != '\0') || file) {
            return fl_usage_error("check", "unexpected '%s'", argv[i]);
        } else {
            file = argv[i];
        }
    }
    if (!fl_find_config(file, path, sizeof(path))) {
        return fl_usage_error("check", "no configuration file was found; name one");
    }
    struct fl_config_env env = fl_process_env(NULL, (struct fl_hash_key){0, 0});
    struct fl_findings findings;
    struct fl_buf source, out;
    struct fl_config *config = NULL;
    env.catalog = fl_load_catalog();
    if (!env.catalog) {
        return FL_EXIT_CONFIG;
    }
    fl_findings_init(&findings);
    fl_buf_init(&source, 4 * 1024 * 1024);
    fl_buf_init(&out, 16 * 1024 * 1024);
    enum fl_err err = fl_read_file(fl_slice_cstr(path), &source);
    if (err) {
        (void)fprintf(stderr, "%s: error: cannot be read\n", path);
    } else {
        err = fl_config_load(fl_buf_slice(&source), fl_slice_cstr(path), &env, &config, &findings);
        fl_findings_put(&findings, fl_slice_cstr(path), fl_buf_slice(&source), &out);
        fl_write_all(STDERR_FILENO, fl_buf_slice(&out));
    }
    bool bad = err || (strict && findings.warnings > 0);
    if (findings.errors > 0) {
        (void)fprintf(stderr, "%s: %u error%s, %u warning%s\n", path, findings.errors,
                      findings.errors == 1 ? "" : "s", findings.warnings, findings.warnings == 1 ? "" : "s");
    }
    if (!err) {
        (void)printf("%s: %s: %u provider%s, %u model%s, %u warning%s\n", path, bad ? "refused (--strict)" : "valid",
                     config->provider_count, config->provider_count == 1 ? "" : "s", config->table.target_count,
                     config->table.target_count == 1 ? "" : "s", findings.warnings,
                     findings.warnings == 1 ? "" : "s");
    }
    fl_config_unref(config);
    fl_catalog_unref(env.catalog);
    fl_buf_finish(&out);
    fl_buf_finish(&source);
    fl_findings_finish(&findings);
    return bad ? FL_EXIT_CONFIG : FL_EXIT_OK;
}

int fl_cli_schema(int argc, char **argv)
{
    struct fl_buf b;
    bool markdown = argc == 2 && strcmp(argv[1], "--markdown") == 0;
    if (argc > 1 && !markdown) {
        return fl_usage_error("schema", "unexpected '%s'", argv[1]);
    }
    fl_buf_init(&b, 4 * 1024 * 1024);
    if (markdown) {
        fl_config_put_reference(&b);
    } else {
        fl_config_put_schema(&b);
    }
    fl_write_all(STDOUT_FILENO, fl_buf_slice(&b));
    bool ok = fl_buf_ok(&b);
    fl_buf_finish(&b);
    return ok ? FL_EXIT_OK : FL_EXIT_FAILURE;
}

int fl_cli_init(int argc, char **argv)
{
    struct fl_config_env env = fl_process_env(NULL, (struct fl_hash_key){0, 0});
    unsigned found = 0;
    if (argc > 1) {
        return fl_usage_error("init", "unexpected '%s'", argv[1]);
    }
    (void)printf("# fairlead.yaml, written by 'fairlead init'. Every key: fairlead schema --markdown\n"
                 "# Check it with 'fairlead check', run it with 'fairlead serve'.\n"
                 "listen: 127.0.0.1:3247\n\n"
                 "routing:\n"
                 "  strategy: hybrid            # cost, performance, load_balance, hybrid\n"
                 "  timeouts: {connect: 5s, first_token: 60s, idle: 60s, total: 600s}\n\n"
                 "providers:\n");
    for (unsigned i = 0; i < fl_vendor_count; i++) {
        const struct fl_vendor *v = &fl_vendors[i];
        struct fl_slice value;
        bool alone = v->base_url && !strchr(v->base_url, '{'); /* a key says it all */
        bool set = v->key_variable && env.variable(NULL, fl_slice_cstr(v->key_variable), &value) && value.len > 0;
        if (alone && v->key_variable) {
            (void)printf("  %s%s: {api_key: \"${%s}\"}%s\n", set ? "" : "# ", v->name, v->key_variable,
                         set ? "" : "   # not set");
            found += set;
        }
    }
    if (found == 0) {
        (void)fprintf(stderr, "fairlead init: no provider key is set in the environment; take away a '#' and set its "
                              "variable before 'fairlead serve'\n");
    }
    return FL_EXIT_OK;
}

/* --- healthcheck --- */

struct asking {
    struct fl_net *net;
    struct fl_stream *stream;
    struct fl_timer timer;
    bool ready;
};

static void asked_opened(void *owner, enum fl_err err)
{
    struct asking *a = owner;
    struct fl_slice request = FL_LIT("GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    if (err || fl_stream_write(a->stream, &request, 1)) {
        fl_net_stop(a->net);
    }
}

static void asked_bytes(void *owner, struct fl_slice bytes)
{
    struct asking *a = owner;
    a->ready = fl_slice_starts(bytes, FL_LIT("HTTP/1.1 200 "));
    fl_net_stop(a->net);
}

static void asked_ended(void *owner, enum fl_err err)
{
    (void)err;
    fl_net_stop(((struct asking *)owner)->net);
}

static void asked_drained(void *owner)
{
    (void)owner;
}

static void asked_too_long(struct fl_timer *timer)
{
    fl_net_stop(fl_container_of(timer, struct asking, timer)->net);
}

int fl_cli_healthcheck(int argc, char **argv)
{
    static const struct fl_stream_events events = {asked_opened, asked_bytes, asked_ended, asked_drained, NULL, NULL};
    const char *text = argc > 1 ? argv[1] : "127.0.0.1:3247";
    struct asking a = {.timer.fire = asked_too_long};
    struct fl_addr addr;
    char host[64];
    if (argc > 2 || !fl_addr_parse(fl_slice_cstr(text), &addr)) {
        return fl_usage_error("healthcheck", "'%s' is not an address such as 127.0.0.1:3247", text);
    }
    if (fl_net_create(&a.net)) {
        return FL_EXIT_FAILURE;
    }
    struct fl_buf b;
    struct fl_sys *sys = fl_net_sys(a.net);
    fl_buf_init_in(&b, host, sizeof(host));
    fl_addr_put(&addr, &b);
    struct fl_slice name = fl_slice(host, b.len);
    while (name.len > 0 && name.ptr[name.len - 1] != ':') {
        name.len--;
    }
    name.len--;
    if (name.ptr[0] == '[') {
        name = fl_slice(name.ptr + 1, name.len - 2);
    }
    if (sys->ops->dial(sys, name, addr.port, &events, &a, &a.stream) == FL_OK) {
        fl_timers_set(&sys->timers, &a.timer, sys->ops->clock_ns(sys) + 3 * UINT64_C(1000000000));
        fl_net_run(a.net);
        fl_stream_close(a.stream, FL_CLOSE_NOW);
    }
    fl_net_destroy(a.net);
    (void)fprintf(stderr, "%s: %s\n", text, a.ready ? "ready" : "not ready");
    return a.ready ? FL_EXIT_OK : FL_EXIT_UNREACHABLE;
}

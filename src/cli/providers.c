/* SPDX-License-Identifier: Apache-2.0 */
/* Providers of a running gateway: shown, taken out by hand, put in again (server/admin.c). */
#include "cli/cli.h"

#include "base/list.h"
#include "codec/json.h"
#include "net/net.h"
#include "sim/client.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { timeout_s = 5, look_ms = 2 };

/* --- asking --- */

struct asking {
    struct fl_net *net;
    struct fl_simclient *client;
    struct fl_timer timer;
    uint64_t until_ns;
};

static void look(struct fl_timer *timer)
{
    struct asking *a = fl_container_of(timer, struct asking, timer);
    struct fl_sys *sys = fl_net_sys(a->net);
    if (fl_simclient_settled(a->client) || sys->now_ns >= a->until_ns) {
        fl_net_stop(a->net);
    } else {
        fl_sys_timer_in(sys, &a->timer, look_ms * FL_NS_MS);
    }
}

/* The answer's body into *body*, its status; 0: there was no answer. */
static int ask(const struct fl_addr *addr, const char *method, const char *path, const char *key, struct fl_buf *body)
{
    struct asking a = {.timer.fire = look};
    char host[64], headers[600] = "";
    struct fl_buf b;
    int status = 0;
    if (fl_net_create(&a.net)) {
        return 0;
    }
    struct fl_sys *sys = fl_net_sys(a.net);
    fl_buf_init_in(&b, host, sizeof(host) - 1);
    fl_addr_put(addr, &b);
    while (b.len > 0 && host[--b.len] != ':') {
    }
    bool brackets = host[0] == '[';
    host[brackets ? b.len - 1 : b.len] = '\0';
    if (key) {
        (void)snprintf(headers, sizeof(headers), "authorization: Bearer %s\r\n", key);
    }
    struct fl_simclient_options options = fl_simclient_options(host + brackets, addr->port);
    a.client = fl_simclient_create(sys, &options);
    a.until_ns = sys->ops->clock_ns(sys) + timeout_s * FL_NS_S;
    fl_simclient_request(a.client, method, path, headers, FL_EMPTY);
    fl_timers_set(&sys->timers, &a.timer, sys->ops->clock_ns(sys));
    fl_net_run(a.net);
    const struct fl_simanswer *answer = fl_simclient_answers(a.client) > 0 ? fl_simclient_answer(a.client, 0) : NULL;
    if (answer && answer->complete) {
        status = answer->status;
        fl_buf_put(body, fl_buf_slice(&answer->body));
    }
    fl_simclient_destroy(a.client);
    fl_net_destroy(a.net);
    return status;
}

/* --- showing --- */

static struct fl_slice text_of(struct fl_json object, const char *key, struct fl_buf *scratch)
{
    struct fl_slice text;
    fl_buf_reset(scratch);
    return fl_json_text(fl_json_get(object, fl_slice_cstr(key)), scratch, &text) ? text : FL_EMPTY;
}

static unsigned number_of(struct fl_json object, const char *key)
{
    uint64_t n = 0;
    (void)fl_json_u64(fl_json_get(object, fl_slice_cstr(key)), &n);
    return (unsigned)n;
}

static void print_targets(struct fl_json provider)
{
    struct fl_json_iter it = fl_json_iter(fl_json_get(provider, FL_LIT("targets")));
    struct fl_json target;
    char memory[600];
    struct fl_buf scratch;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    while (fl_json_next(&it, NULL, &target)) {
        struct fl_slice id = text_of(target, "id", &scratch);
        (void)printf("  %-40.*s ", (int)id.len, id.ptr);
        struct fl_slice health = text_of(target, "health", &scratch);
        (void)printf("%-10.*s %u in flight, %u of %u attempts failed\n", (int)health.len, health.ptr,
                     number_of(target, "in_flight"), number_of(target, "failed"), number_of(target, "attempts"));
    }
}

static void print_keys(struct fl_json provider)
{
    struct fl_json_iter it = fl_json_iter(fl_json_get(provider, FL_LIT("keys")));
    struct fl_json key;
    char memory[600];
    struct fl_buf scratch;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    while (fl_json_next(&it, NULL, &key)) {
        bool usable = true;
        (void)fl_json_bool(fl_json_get(key, FL_LIT("usable")), &usable);
        struct fl_slice source = text_of(key, "source", &scratch);
        (void)printf("  key from %.*s%s", (int)source.len, source.ptr, usable ? "" : ": left alone, ");
        struct fl_slice why = text_of(key, "why", &scratch);
        (void)printf("%.*s\n", (int)why.len, why.ptr);
    }
}

static void print_provider(struct fl_json provider)
{
    char memory[600];
    struct fl_buf scratch;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    struct fl_slice name = text_of(provider, "name", &scratch);
    (void)printf("%.*s\n", (int)name.len, name.ptr);
    print_targets(provider);
    print_keys(provider);
}

static int show(const struct fl_buf *body, bool json)
{
    struct fl_json whole;
    struct fl_slice text = fl_buf_slice(body);
    if (json) {
        (void)printf("%.*s", (int)text.len, text.ptr);
        return FL_EXIT_OK;
    }
    if (fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &whole, NULL)) {
        (void)fprintf(stderr, "fairlead providers: this is no answer of a fairlead gateway\n");
        return FL_EXIT_FAILURE;
    }
    struct fl_json list = fl_json_get(whole, FL_LIT("data")), provider;
    struct fl_json_iter it = fl_json_iter(list);
    if (list.type != FL_JSON_ARRAY) {
        print_provider(whole);
    }
    while (fl_json_next(&it, NULL, &provider)) {
        print_provider(provider);
    }
    return FL_EXIT_OK;
}

static int explain_refusal(int status, const char *at, const struct fl_buf *body)
{
    struct fl_json whole;
    char memory[600];
    struct fl_buf scratch;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    if (status == 0) {
        (void)fprintf(stderr, "fairlead providers: no gateway answers at %s\n", at);
        return FL_EXIT_UNREACHABLE;
    }
    struct fl_slice message = FL_EMPTY;
    if (fl_json_scan(fl_buf_slice(body), FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK) {
        message = text_of(fl_json_get(whole, FL_LIT("error")), "message", &scratch);
    }
    (void)fprintf(stderr, "fairlead providers: %d: %.*s\n", status, (int)message.len, message.ptr);
    return FL_EXIT_FAILURE;
}

/* --- the command --- */

static bool is_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

static int run(const char *verb, const char *name, const char *at, bool json)
{
    char path[128];
    struct fl_addr addr;
    struct fl_buf body;
    bool list = strcmp(verb, "list") == 0;
    if (!fl_addr_parse(fl_slice_cstr(at), &addr)) {
        return fl_usage_error("providers", "'%s' is not an address such as 127.0.0.1:3247", at);
    }
    (void)snprintf(path, sizeof(path), "/admin/v1/providers%s%s%s%s", name ? "/" : "", name ? name : "",
                   list ? "" : "/", list ? "" : verb);
    fl_buf_init(&body, 16 * 1024 * 1024);
    int status = ask(&addr, list ? "GET" : "POST", path, getenv("FAIRLEAD_KEY"), &body);
    int code = status == 200 ? show(&body, json) : explain_refusal(status, at, &body);
    fl_buf_finish(&body);
    return code;
}

int fl_cli_providers(int argc, char **argv)
{
    static const struct option options[] = {
        {"at", required_argument, NULL, 'a'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    const char *at = "127.0.0.1:3247";
    bool json = false;
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'a') {
            at = optarg;
        } else if (c == 'j') {
            json = true;
        } else {
            return FL_EXIT_USAGE;
        }
    }
    const char *verb = optind < argc ? argv[optind] : "list", *name = optind + 1 < argc ? argv[optind + 1] : NULL;
    bool changes = strcmp(verb, "drain") == 0 || strcmp(verb, "enable") == 0;
    if ((!changes && strcmp(verb, "list") != 0) || optind + 2 < argc) {
        return fl_usage_error("providers", "'%s' is not list, drain or enable", verb);
    }
    if ((changes && !name) || (name && !is_name(name))) {
        return fl_usage_error("providers", "name the provider, as in the configuration");
    }
    return run(verb, name, at, json);
}

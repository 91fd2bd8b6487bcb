/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fairlead demo: the gateway on its own threads in front of simulated providers on real sockets. The main
 * thread's loop runs the providers and a client that sends prompts and tells what came back.
 *
 *   PROMPTS (three, one after another) -> FAILOVER (one provider breaks; until an answer says so)
 *       -> end (--once) | TRAFFIC (with an outage now and then, until Ctrl-C)
 */
#include "cli/cli.h"

#include "base/assert.h"
#include "base/clock.h"
#include "codec/json.h"
#include "net/net.h"
#include "sim/client.h"
#include "sim/provider.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { provider_count = 5, model_count = 3, tries_max = 30, patience = 6, flights_max = 256, poll_ms = 5, report_s = 5 };

/* One vendor-like personality each: prices in pico-USD a token, 1e6 = 1 USD a million tokens. */
static const struct personality {
    const char *name, *type, *path; /* behind the provider's address */
    enum fl_sim_dialect dialect;
    unsigned weight;
    const char *models[model_count];
    uint64_t input_picousd, output_picousd;
    uint64_t ttft_ms, token_ms;
} personalities[provider_count] = {
    {"openai-sim", "openai_compatible", "/v1", FL_SIM_OPENAI, 3,
     {"gpt-large-sim", "gpt-small-sim", "gpt-nano-sim"}, 2500000, 10000000, 180, 12},
    {"anthropic-sim", "anthropic", "/v1", FL_SIM_ANTHROPIC, 2,
     {"claude-large-sim", "claude-medium-sim", "claude-small-sim"}, 3000000, 15000000, 210, 14},
    {"gemini-sim", "gemini", "/v1beta", FL_SIM_GEMINI, 2,
     {"gemini-pro-sim", "gemini-flash-sim", "gemini-lite-sim"}, 750000, 3750000, 150, 7},
    {"groq-sim", "openai_compatible", "/v1", FL_SIM_OPENAI, 2,
     {"llama-large-sim", "llama-small-sim", "qwen-sim"}, 590000, 790000, 60, 3},
    {"bedrock-sim", "bedrock", "", FL_SIM_BEDROCK, 1,
     {"nova-pro-sim", "nova-lite-sim", "nova-micro-sim"}, 800000, 3200000, 120, 8},
};

static const char *const prompts[] = {
    "Summarize the benefits of AI routing",
    "Classify this text as positive or negative: the new gateway made our week",
    "Generate a creative story about AI",
};
static const char *const made_up[] = {
    "Summarize this week's incident notes",        "Translate 'the line runs free' into French",
    "Analyse why our nightly job takes longer",    "Write a haiku about a lighthouse",
    "Classify this review: it broke after a day",  "Explain backpressure to a new colleague",
};

enum phase { PROMPTS, FAILOVER, TRAFFIC };

struct demo {
    struct fl_net *net;
    struct fl_sys *sys;
    struct fl_runtime *runtime;
    struct fl_registry *registry;
    struct fl_simprovider *providers[provider_count];
    struct fl_sim_model models[provider_count][model_count];
    struct fl_rng rng;
    struct fl_timer poll, next_request, report, outage;
    enum phase phase;
    unsigned step;               /* prompt or try */
    unsigned favourite;          /* the provider that answered last before one breaks down: that one does */
    struct fl_simclient *flights[flights_max];
    uint64_t sent, answered, failed, failovers;
    uint64_t served[provider_count];
    const char *listen;
    uint64_t seed, rate;
    bool once, failed_to_show;
};

/* --- setting up --- */

static enum fl_err start_provider(struct demo *d, unsigned i, struct fl_addr *ret_addr)
{
    const struct personality *p = &personalities[i];
    struct fl_addr addr;
    bool parsed = fl_addr_parse(FL_LIT("127.0.0.1:0"), &addr);
    fl_assert(parsed);
    for (unsigned m = 0; m < model_count; m++) {
        d->models[i][m] = (struct fl_sim_model){fl_slice_cstr(p->models[m]), p->input_picousd, p->output_picousd,
                                                m == 0 ? 1000 : 600};
    }
    struct fl_simprovider_options options = {
        .name = fl_slice_cstr(p->name),
        .models = d->models[i],
        .model_count = model_count,
        .dialect = p->dialect,
        .key = FL_LIT("sk-simulated"),
        .seed = d->seed + i,
        .ttft_median_ns = p->ttft_ms * FL_NS_MS,
        .ttft_sigma_permille = 300,
        .token_ns = p->token_ms * FL_NS_MS,
        .token_jitter_permille = 300,
    };
    enum fl_err err = fl_simprovider_create(d->sys, &addr, &options, &d->providers[i]);
    if (!err) {
        *ret_addr = fl_simprovider_addr(d->providers[i]);
    }
    return err;
}

static void put_prices(struct fl_buf *b, const struct personality *p)
{
    fl_buf_put_cstr(b, ", prices: {input: ");
    fl_buf_put_scaled(b, p->input_picousd, 6, 2);
    fl_buf_put_cstr(b, ", output: ");
    fl_buf_put_scaled(b, p->output_picousd, 6, 2);
    fl_buf_put_cstr(b, "}");
}

static void put_provider(struct fl_buf *b, const struct personality *p, const struct fl_addr *addr)
{
    fl_buf_put_cstr(b, "  ");
    fl_buf_put_cstr(b, p->name);
    fl_buf_put_cstr(b, ": {type: ");
    fl_buf_put_cstr(b, p->type);
    fl_buf_put_cstr(b, p->dialect == FL_SIM_BEDROCK ? ", region: us-east-1" : "");
    fl_buf_put_cstr(b, ", api_key: sk-simulated, base_url: \"http://");
    fl_addr_put(addr, b);
    fl_buf_put_cstr(b, p->path);
    fl_buf_put_cstr(b, "\", weight: ");
    fl_buf_put_u64(b, p->weight);
    fl_buf_put_cstr(b, ", models: [");
    for (unsigned m = 0; m < model_count; m++) {
        fl_buf_put_cstr(b, m > 0 ? ", " : "");
        fl_buf_put_cstr(b, p->models[m]);
    }
    fl_buf_put_cstr(b, "]");
    put_prices(b, p);
    fl_buf_put_cstr(b, "}\n");
}

static enum fl_err start_gateway(struct demo *d, const struct fl_addr *addrs)
{
    struct fl_buf yaml;
    struct fl_findings findings;
    struct fl_config *config;
    fl_buf_init(&yaml, 64 * 1024);
    fl_findings_init(&findings);
    fl_buf_put_cstr(&yaml, "listen: \"");
    fl_buf_put_cstr(&yaml, d->listen);
    fl_buf_put_cstr(&yaml, "\"\nworkers: 1\ntelemetry: {access_log: false}\n"
                           "routing: {strategy: hybrid, health_check_interval: 3, failover_threshold: 2,"
                           " recovery_threshold: 2}\nproviders:\n");
    for (unsigned i = 0; i < provider_count; i++) {
        put_provider(&yaml, &personalities[i], &addrs[i]);
    }
    fl_buf_put_cstr(&yaml, "models:\n  auto:\n    targets:\n"); /* each provider's largest, by its weight */
    for (unsigned i = 0; i < provider_count; i++) {
        fl_buf_put_cstr(&yaml, "      - ");
        fl_buf_put_cstr(&yaml, personalities[i].name);
        fl_buf_put_cstr(&yaml, "/");
        fl_buf_put_cstr(&yaml, personalities[i].models[0]);
        fl_buf_put_cstr(&yaml, "\n");
    }
    struct fl_config_env env = fl_process_env(d->registry, (struct fl_hash_key){d->seed, ~d->seed});
    env.catalog = fl_catalog_load(FL_EMPTY, NULL);
    enum fl_err err = fl_config_load(fl_buf_slice(&yaml), FL_LIT("demo"), &env, &config, &findings);
    fl_catalog_unref(env.catalog);
    if (err) {
        struct fl_buf text;
        fl_buf_init(&text, 64 * 1024);
        fl_findings_put(&findings, FL_LIT("demo"), fl_buf_slice(&yaml), &text);
        fl_write_all(STDERR_FILENO, fl_buf_slice(&text));
        fl_buf_finish(&text);
    } else {
        struct fl_runtime_options options = {.workers = 1, .quiet_access = true, .seed = d->seed + 100};
        err = fl_runtime_start(config, options, &d->runtime);
    }
    fl_findings_finish(&findings);
    fl_buf_finish(&yaml);
    return err;
}

static void gateway_text(const struct demo *d, char text[80])
{
    struct fl_buf b;
    struct fl_addr addr = fl_runtime_addr(d->runtime);
    fl_buf_init_in(&b, text, 79);
    fl_addr_put(&addr, &b);
    text[b.len] = '\0';
}

static void print_banner(const struct demo *d)
{
    char at[80];
    gateway_text(d, at);
    (void)printf("fairlead %s  ready in %.0f ms                     (simulated providers: no network, no key)\n",
                 FL_VERSION, (double)fl_uptime_ns() / 1e6);
    (void)printf("  API        http://%s/v1              model \"auto\", or any of %d simulated models\n", at,
                 provider_count * model_count);
    (void)printf("  Providers ");
    for (unsigned i = 0; i < provider_count; i++) {
        (void)printf(" %s", personalities[i].name);
    }
    (void)printf("\nTry it, in another terminal:\n"
                 "  curl -s http://%s/v1/chat/completions -d '{\"model\":\"auto\",\"messages\":[{\"role\":\"user\","
                 "\"content\":\"Summarize: ...\"}]}' -i\n\n",
                 at);
    (void)fflush(stdout);
}

/* --- asking --- */

static struct fl_simclient *ask(struct demo *d, const char *prompt, bool stream)
{
    struct fl_addr addr = fl_runtime_addr(d->runtime);
    struct fl_simclient_options options = fl_simclient_options(addr.family == 6 ? "::1" : "127.0.0.1", addr.port);
    struct fl_simclient *c = fl_simclient_create(d->sys, &options);
    if (c) {
        fl_simclient_chat(c, "auto", prompt, stream);
        d->sent++;
    }
    return c;
}

static int provider_of(const struct fl_simanswer *a)
{
    struct fl_slice name = fl_simanswer_header(a, "x-fairlead-provider");
    for (int i = 0; i < provider_count; i++) {
        if (fl_slice_eq(name, fl_slice_cstr(personalities[i].name))) {
            return i;
        }
    }
    return -1;
}

/* What a plain answer cost at its provider's prices, in pico-USD. */
static uint64_t cost_of(const struct fl_simanswer *a, int provider)
{
    struct fl_json whole;
    uint64_t in = 0, out = 0;
    if (provider < 0 || fl_json_scan(fl_buf_slice(&a->body), FL_JSON_LIMITS, NULL, 0, &whole, NULL)) {
        return 0;
    }
    struct fl_json usage = fl_json_get(whole, FL_LIT("usage"));
    (void)fl_json_u64(fl_json_get(usage, FL_LIT("prompt_tokens")), &in);
    (void)fl_json_u64(fl_json_get(usage, FL_LIT("completion_tokens")), &out);
    return in * personalities[provider].input_picousd + out * personalities[provider].output_picousd;
}

static void print_text(const struct fl_simanswer *a)
{
    struct fl_buf text;
    fl_buf_init(&text, 1024 * 1024);
    fl_simanswer_text(a, &text);
    size_t shown = text.len < 150 ? text.len : 150;
    while (shown > 0 && shown < text.len && text.ptr[shown] != ' ') {
        shown--;
    }
    (void)printf("    \"");
    for (size_t i = 0; i < shown; i++) {
        (void)putchar(text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
    }
    (void)printf("%s\"\n", shown < text.len ? " ..." : "");
    fl_buf_finish(&text);
}

static void print_answer(const struct fl_simanswer *a, const char *prompt)
{
    struct fl_slice provider = fl_simanswer_header(a, "x-fairlead-provider");
    struct fl_slice model = fl_simanswer_header(a, "x-fairlead-model");
    struct fl_slice reason = fl_simanswer_header(a, "x-fairlead-reason");
    uint64_t cost = cost_of(a, provider_of(a));
    (void)printf("> %s\n", prompt);
    if (a->status != 200) {
        (void)printf("    failed with status %d\n\n", a->status);
        return;
    }
    (void)printf("    answered by %.*s/%.*s in %.0f ms", (int)provider.len, provider.ptr, (int)model.len, model.ptr,
                 (double)(a->end_ns - a->asked_ns) / 1e6);
    if (cost > 0) {
        (void)printf(", for $%.6f", (double)cost / 1e12);
    }
    (void)printf("\n    why: %.*s\n", (int)reason.len, reason.ptr);
    print_text(a);
    (void)printf("\n");
    (void)fflush(stdout);
}

/* --- phases --- */

static void end(struct demo *d)
{
    fl_net_stop(d->net);
}

static void begin_traffic(struct demo *d)
{
    d->phase = TRAFFIC;
    if (d->rate == 0) {
        (void)printf("No traffic (--rate 0). Ctrl-C ends.\n");
        (void)fflush(stdout);
        return;
    }
    (void)printf("Now %llu request%s a second of made-up prompts; %s fails for 15 s now and then. Ctrl-C ends.\n",
                 (unsigned long long)d->rate, d->rate == 1 ? "" : "s", personalities[d->favourite].name);
    (void)fflush(stdout);
    fl_sys_timer_in(d->sys, &d->next_request, 0);
    fl_sys_timer_in(d->sys, &d->report, report_s * FL_NS_S);
    fl_sys_timer_in(d->sys, &d->outage, 20 * FL_NS_S);
}

static void break_favourite(struct demo *d)
{
    (void)printf("Now %s breaks down (every request gets a 500):\n", personalities[d->favourite].name);
    fl_simprovider_outage(d->providers[d->favourite], FL_SIM_ERROR, 15 * FL_NS_S);
}

static void begin_failover(struct demo *d)
{
    d->phase = FAILOVER;
    d->step = 0;
    break_favourite(d);
}

static void prompt_done(struct demo *d, const struct fl_simanswer *a)
{
    int provider = provider_of(a);
    print_answer(a, prompts[d->step]);
    d->favourite = provider >= 0 ? (unsigned)provider : d->favourite;
    d->failed_to_show = d->failed_to_show || a->status != 200;
    if (++d->step == sizeof(prompts) / sizeof(prompts[0])) {
        begin_failover(d);
    }
}

static void try_done(struct demo *d, const struct fl_simanswer *a)
{
    struct fl_slice failover = fl_simanswer_header(a, "x-fairlead-failover");
    bool shown = failover.len > 0 && a->status == 200;
    if (shown) {
        (void)printf("    failover %.*s: the client got its answer (status %d) in %.0f ms and noticed nothing\n\n",
                     (int)failover.len, failover.ptr, a->status, (double)(a->end_ns - a->asked_ns) / 1e6);
        (void)fflush(stdout);
    } else if (++d->step < tries_max) {
        int answered = provider_of(a);
        if (d->step % patience == 0 && answered >= 0) { /* the one that broke down is not asked: who is? */
            d->favourite = (unsigned)answered;
            break_favourite(d);
        }
        return;
    } else {
        (void)printf("    no failover was seen in %d requests\n", tries_max);
        d->failed_to_show = true;
    }
    if (d->once) {
        end(d);
    } else {
        begin_traffic(d);
    }
}

static void traffic_done(struct demo *d, const struct fl_simanswer *a)
{
    int provider = provider_of(a);
    d->failovers += fl_simanswer_header(a, "x-fairlead-failover").len > 0;
    if (a->complete && a->status == 200) {
        d->answered++;
        d->served[provider >= 0 ? provider : 0]++;
    } else {
        d->failed++;
    }
}

static void settled(struct demo *d, const struct fl_simanswer *a)
{
    switch (d->phase) {
    case PROMPTS:
        prompt_done(d, a);
        break;
    case FAILOVER:
        try_done(d, a);
        break;
    case TRAFFIC:
        traffic_done(d, a);
        break;
    }
}

/* Collects what is answered; in the first phases asks for the next. */
static void on_poll(struct fl_timer *timer)
{
    struct demo *d = fl_container_of(timer, struct demo, poll);
    bool busy = false;
    for (unsigned i = 0; i < flights_max; i++) {
        struct fl_simclient *c = d->flights[i];
        if (c && fl_simclient_settled(c)) {
            d->flights[i] = NULL;
            settled(d, fl_simclient_answer(c, 0));
            fl_simclient_destroy(c);
        }
        busy = busy || d->flights[i];
    }
    if (!busy && d->phase == PROMPTS) {
        d->flights[0] = ask(d, prompts[d->step], false);
    } else if (!busy && d->phase == FAILOVER) {
        d->flights[0] = ask(d, made_up[d->step % 6], false);
    }
    fl_sys_timer_in(d->sys, &d->poll, poll_ms * FL_NS_MS);
}

static void on_next_request(struct fl_timer *timer)
{
    struct demo *d = fl_container_of(timer, struct demo, next_request);
    for (unsigned i = 0; i < flights_max; i++) {
        if (!d->flights[i]) {
            d->flights[i] = ask(d, made_up[fl_rng_below(&d->rng, 6)], fl_rng_below(&d->rng, 2) == 0);
            break;
        }
    }
    fl_sys_timer_in(d->sys, &d->next_request, FL_NS_S / d->rate);
}

static void on_report(struct fl_timer *timer)
{
    struct demo *d = fl_container_of(timer, struct demo, report);
    (void)printf("%5.0f s  %llu sent, %llu answered, %llu failed, %llu failed over |", (double)fl_uptime_ns() / 1e9,
                 (unsigned long long)d->sent, (unsigned long long)d->answered, (unsigned long long)d->failed,
                 (unsigned long long)d->failovers);
    for (unsigned i = 0; i < provider_count; i++) {
        bool down = fl_simprovider_state(d->providers[i]) != FL_SIM_UP;
        (void)printf(" %s %llu%s", personalities[i].name, (unsigned long long)d->served[i], down ? " (down)" : "");
    }
    (void)printf("\n");
    (void)fflush(stdout);
    fl_sys_timer_in(d->sys, &d->report, report_s * FL_NS_S);
}

static void on_outage(struct fl_timer *timer)
{
    struct demo *d = fl_container_of(timer, struct demo, outage);
    (void)printf("         %s goes down for 15 s\n", personalities[d->favourite].name);
    fl_simprovider_outage(d->providers[d->favourite], FL_SIM_REFUSE, 15 * FL_NS_S);
    fl_sys_timer_in(d->sys, &d->outage, 60 * FL_NS_S);
}

static void on_signal(void *owner, int signal_number)
{
    (void)signal_number;
    end(owner);
}

/* --- life --- */

static enum fl_err start(struct demo *d)
{
    struct fl_addr addrs[provider_count];
    enum fl_err err = fl_net_create(&d->net);
    if (err) {
        return err;
    }
    d->sys = fl_net_sys(d->net);
    d->registry = fl_registry_create();
    err = d->registry ? FL_OK : FL_ERR_NOMEM;
    for (unsigned i = 0; !err && i < provider_count; i++) {
        err = start_provider(d, i, &addrs[i]);
    }
    err = err ? err : start_gateway(d, addrs);
    err = err ? err : fl_net_signal(d->net, SIGINT, on_signal, d);
    return err ? err : fl_net_signal(d->net, SIGTERM, on_signal, d);
}

static void stop(struct demo *d)
{
    for (unsigned i = 0; i < flights_max; i++) {
        fl_simclient_destroy(d->flights[i]);
    }
    if (d->runtime) {
        fl_runtime_stop(d->runtime);
    }
    for (unsigned i = 0; i < provider_count; i++) {
        fl_simprovider_destroy(d->providers[i]);
    }
    fl_net_destroy(d->net);
    fl_registry_destroy(d->registry);
}

static int run(struct demo *d)
{
    d->poll.fire = on_poll;
    d->next_request.fire = on_next_request;
    d->report.fire = on_report;
    d->outage.fire = on_outage;
    fl_rng_seed(&d->rng, d->seed);
    enum fl_err err = start(d);
    if (!err) {
        print_banner(d);
        fl_sys_timer_in(d->sys, &d->poll, 0);
        fl_net_run(d->net);
    }
    if (!err && d->phase == TRAFFIC) {
        (void)printf("%llu requests answered, %llu failed, %llu failed over unnoticed.\n",
                     (unsigned long long)d->answered, (unsigned long long)d->failed,
                     (unsigned long long)d->failovers);
    }
    stop(d);
    if (err) {
        (void)fprintf(stderr, "fairlead demo: could not start: %s\n", fl_err_text(err));
    }
    return err || d->failed_to_show ? FL_EXIT_FAILURE : FL_EXIT_OK;
}

static int number(const char *text, uint64_t most, uint64_t *ret)
{
    uint64_t n;
    if (!fl_slice_u64(fl_slice_cstr(text), &n) || n > most) {
        return fl_usage_error("demo", "'%s' is not a number up to %llu", text, (unsigned long long)most);
    }
    *ret = n;
    return FL_EXIT_OK;
}

int fl_cli_demo(int argc, char **argv)
{
    static const struct option options[] = {{"once", no_argument, NULL, 'o'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    static struct demo d = {.listen = "127.0.0.1:3247", .seed = 1, .rate = 5};
    int c, bad = 0;
    struct fl_addr addr;
    opterr = 0;
    while (!bad && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (c) {
        case 'o':
            d.once = true;
            break;
        case 'r':
            bad = number(optarg, 200, &d.rate);
            break;
        case 's':
            bad = number(optarg, UINT32_MAX, &d.seed);
            break;
        case 'l':
            d.listen = optarg;
            break;
        default:
            bad = fl_usage_error("demo", c == ':' ? "option '%s' requires a value" : "unknown option '%s'",
                                 argv[optind - 1]);
        }
    }
    if (bad) {
        return bad;
    }
    if (optind < argc) {
        return fl_usage_error("demo", "unexpected '%s'", argv[optind]);
    }
    if (!fl_addr_parse(fl_slice_cstr(d.listen), &addr)) {
        return fl_usage_error("demo", "'%s' is not an address such as 127.0.0.1:3247", d.listen);
    }
    return run(&d);
}

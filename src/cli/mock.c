/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fairlead mock: a scripted faulty provider of the OpenAI dialect, or for chats of another, on a
 * real socket, to hold any gateway or client against. One fault at a time, from the command line or a script of lines:
 *
 *   SECONDS FAULT [at=BYTES|event:N] [rate=P]
 *
 * Every request is told on standard output as one line of JSON.
 */
#include "cli/cli.h"

#include "base/assert.h"
#include "base/clock.h"
#include "codec/json.h"
#include "net/net.h"
#include "sim/provider.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { steps_max = 256, models_max = 16, slow_permille = 20000 };

enum effect { NOTHING, MISDEED, STATUS, SLOW, REFUSE };

/* Names that are not those of misdeeds; where a fault has a place (at), `at_bytes` and `at_event`
 * are what does it there. */
static const struct fault_name {
    const char *name;
    enum effect effect;
    int arg, at_bytes, at_event; /* a status, or misdeeds */
    const char *doc;
} fault_names[] = {
    {"none", NOTHING, 0, 0, 0, "right answers"},
    {"cut", MISDEED, FL_SIM_BYTE_FIN, FL_SIM_BYTE_FIN, FL_SIM_CHUNK_CUT, "FIN in the middle"},
    {"stall", MISDEED, FL_SIM_SILENCE, FL_SIM_BYTE_STALL, FL_SIM_SSE_STALL, "silence, from --at on"},
    {"reset", MISDEED, FL_SIM_RESET, FL_SIM_BYTE_RESET, FL_SIM_SSE_RESET, "RST, at --at"},
    {"half-close", MISDEED, FL_SIM_HALF_CLOSE, FL_SIM_HALF_CLOSE, FL_SIM_HALF_CLOSE,
     "FIN, but it goes on reading"},
    {"error-200", MISDEED, FL_SIM_ERROR_IN_200, FL_SIM_ERROR_IN_200, FL_SIM_SSE_ERROR,
     "an error object where an answer should be"},
    {"wrong-length", MISDEED, FL_SIM_LENGTH_BIG, FL_SIM_LENGTH_BIG, FL_SIM_LENGTH_BIG,
     "Content-Length above what comes"},
    {"slow", SLOW, slow_permille, 0, 0, "twenty times as long"},
    {"refuse", REFUSE, 0, 0, 0, "nothing listens"},
};

/* What it may speak, by enum fl_sim_dialect, and the base that such a provider has. */
static const struct dialect_name {
    const char *name, *base;
} dialects[] = {
    [FL_SIM_OPENAI] = {"openai", "/v1"},     [FL_SIM_ANTHROPIC] = {"anthropic", "/v1"},
    [FL_SIM_GEMINI] = {"gemini", "/v1beta"}, [FL_SIM_OLLAMA] = {"ollama", ""},
    [FL_SIM_BEDROCK] = {"bedrock", ""},
};
enum { dialect_count = sizeof(dialects) / sizeof(dialects[0]) };

struct step {
    uint64_t at_ns;
    enum effect effect;
    int arg; /* status or misdeed */
    uint64_t after;
    unsigned permille;
};

struct mock {
    struct fl_net *net;
    struct fl_sys *sys;
    struct fl_simprovider *provider;
    struct fl_simprovider_options options;
    struct fl_sim_model models[models_max];
    struct step steps[steps_max];
    unsigned step_count, next;
    struct fl_timer timer;
    uint64_t begun_ns, requests;
    uint16_t port;
    bool quiet;
};

/* --- faults --- */

static bool same_name(struct fl_slice asked, const char *name)
{
    struct fl_slice n = fl_slice_cstr(name);
    bool same = asked.len == n.len;
    for (size_t i = 0; same && i < n.len; i++) {
        char c = asked.ptr[i] == '-' ? '_' : asked.ptr[i];
        same = c == (n.ptr[i] == '-' ? '_' : n.ptr[i]);
    }
    return same;
}

static bool find_fault(struct fl_slice name, struct fault_name *ret_fault)
{
    uint64_t status = 0;
    for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
        if (same_name(name, fault_names[i].name)) {
            *ret_fault = fault_names[i];
            return true;
        }
    }
    if (fl_slice_u64(name, &status) && status >= 400 && status < 600) {
        *ret_fault = (struct fault_name){.effect = STATUS, .arg = (int)status};
        return true;
    }
    for (int i = 0; i < FL_SIM_MISDEED_COUNT; i++) {
        if (same_name(name, fl_sim_misdeed_name((enum fl_sim_misdeed)i))) {
            *ret_fault = (struct fault_name){NULL, MISDEED, i, i, i, NULL};
            return true;
        }
    }
    return false;
}

static bool read_at(struct fl_slice text, bool *ret_event, uint64_t *ret_at)
{
    *ret_event = fl_slice_starts(text, FL_LIT("event:"));
    return fl_slice_u64(fl_slice_from(text, *ret_event ? 6 : 0), ret_at);
}

/* *at* and *rate* may be empty. False: one of the three means nothing. */
static bool make_step(struct fl_slice fault, struct fl_slice at, struct fl_slice rate,
                      struct step *ret_step)
{
    struct fault_name f;
    bool event = true;
    uint64_t after = 0, e9 = UINT64_C(1000000000);
    if (!find_fault(fault, &f) || (at.len > 0 && !read_at(at, &event, &after)) ||
        (rate.len > 0 && (!fl_slice_decimal_e9(rate, &e9) || e9 > UINT64_C(1000000000)))) {
        return false;
    }
    int arg = at.len == 0 ? f.arg : event ? f.at_event : f.at_bytes;
    *ret_step = (struct step){.effect = f.effect,
                              .arg = f.effect == MISDEED ? arg : f.arg,
                              .after = at.len == 0 && f.arg == FL_SIM_BYTE_FIN ? 700 : after,
                              .permille = (unsigned)(e9 / 1000000)};
    return true;
}

static void apply(struct mock *m, const struct step *s)
{
    bool misdeed = s->effect == MISDEED, status = s->effect == STATUS;
    fl_simprovider_misbehave(
        m->provider,
        (struct fl_sim_misdeeds){misdeed ? FL_SIM_MISDEED_BIT(s->arg) : 0,
                                 misdeed ? s->permille : 0, (unsigned)s->after, s->after});
    fl_simprovider_refuse(m->provider,
                          (struct fl_sim_refusals){s->arg, status ? s->permille : 0,
                                                   status && s->arg == 429 ? FL_NS_S : 0});
    fl_simprovider_pace(m->provider, s->effect == SLOW ? slow_permille : 1000);
    fl_simprovider_outage(m->provider, s->effect == REFUSE ? FL_SIM_REFUSE : FL_SIM_UP,
                          s->effect == REFUSE ? FL_NEVER : 0);
}

static void on_step(struct fl_timer *timer)
{
    struct mock *m = fl_container_of(timer, struct mock, timer);
    uint64_t at_ns = m->sys->now_ns - m->begun_ns;
    while (m->next < m->step_count && m->steps[m->next].at_ns <= at_ns) {
        apply(m, &m->steps[m->next++]);
    }
    if (m->next < m->step_count) {
        fl_timers_set(&m->sys->timers, timer, m->begun_ns + m->steps[m->next].at_ns);
    }
}

/* --- scripts --- */

static struct fl_slice take_word(struct fl_slice *rest)
{
    *rest = fl_slice_trim(*rest);
    struct fl_slice word = fl_slice_first(*rest, fl_slice_find(*rest, ' '));
    *rest = fl_slice_from(*rest, word.len);
    return word;
}

static bool read_line(struct fl_slice line, struct step *ret_step)
{
    struct fl_slice rest = line, at = FL_EMPTY, rate = FL_EMPTY;
    uint64_t e9 = 0;
    struct fl_slice when = take_word(&rest), fault = take_word(&rest), word;
    while ((word = take_word(&rest)).len > 0) {
        if (fl_slice_starts(word, FL_LIT("at="))) {
            at = fl_slice_from(word, 3);
        } else if (fl_slice_starts(word, FL_LIT("rate="))) {
            rate = fl_slice_from(word, 5);
        } else {
            return false;
        }
    }
    bool ok = fl_slice_decimal_e9(when, &e9) && make_step(fault, at, rate, ret_step);
    ret_step->at_ns = e9;
    return ok;
}

static int read_script(struct mock *m, const char *path)
{
    struct fl_buf file;
    fl_buf_init(&file, 1 << 20);
    if (fl_read_file(fl_slice_cstr(path), &file)) {
        (void)fprintf(stderr, "fairlead mock: cannot read %s\n", path);
        return FL_EXIT_FAILURE;
    }
    struct fl_slice text = fl_buf_slice(&file);
    for (unsigned line = 1; text.len > 0; line++) {
        struct fl_slice now = fl_slice_first(text, fl_slice_find(text, '\n'));
        text = fl_slice_from(text, now.len + 1);
        now = fl_slice_trim(fl_slice_first(now, fl_slice_find(now, '#')));
        if (now.len == 0) {
            continue;
        }
        struct step *s = &m->steps[m->step_count];
        if (m->step_count == steps_max || !read_line(now, s) ||
            (m->step_count > 0 && s->at_ns < s[-1].at_ns)) {
            (void)fprintf(stderr, "%s:%u: error: not 'SECONDS FAULT [at=...] [rate=...]', or not in "
                                  "the order of time\n",
                          path, line);
            fl_buf_finish(&file);
            return FL_EXIT_CONFIG;
        }
        m->step_count++;
    }
    fl_buf_finish(&file);
    return FL_EXIT_OK;
}

/* --- running --- */

static void on_request(void *owner, struct fl_slice head, struct fl_slice body)
{
    struct mock *m = owner;
    struct fl_buf line;
    struct fl_slice path = fl_slice_from(head, fl_slice_find(head, ' ') + 1);
    m->requests++;
    if (m->quiet) {
        return;
    }
    fl_buf_init(&line, 8192);
    fl_buf_put(&line, FL_LIT("{\"request\":"));
    fl_buf_put_u64(&line, m->requests);
    fl_buf_put(&line, FL_LIT(",\"path\":"));
    fl_buf_put_json(&line, fl_slice_first(path, fl_slice_find(path, ' ')));
    fl_buf_put(&line, FL_LIT(",\"body_bytes\":"));
    fl_buf_put_u64(&line, body.len);
    fl_buf_put(&line, FL_LIT("}\n"));
    (void)fwrite(line.ptr, 1, line.len, stdout);
    (void)fflush(stdout);
    fl_buf_finish(&line);
}

static void on_signal(void *owner, int number)
{
    struct mock *m = owner;
    (void)number;
    fl_net_stop(m->net);
}

static int run(struct mock *m)
{
    struct fl_addr addr;
    char text[24];
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", m->port);
    bool parsed = fl_addr_parse(fl_slice_cstr(text), &addr);
    fl_assert(parsed);
    if (fl_net_create(&m->net)) {
        return FL_EXIT_FAILURE;
    }
    m->sys = fl_net_sys(m->net);
    m->begun_ns = m->sys->now_ns;
    m->timer.fire = on_step;
    if (fl_simprovider_create(m->sys, &addr, &m->options, &m->provider) ||
        fl_net_signal(m->net, SIGTERM, on_signal, m) || fl_net_signal(m->net, SIGINT, on_signal, m)) {
        (void)fprintf(stderr, "fairlead mock: cannot listen on %s\n", text);
        fl_simprovider_destroy(m->provider);
        fl_net_destroy(m->net);
        return FL_EXIT_FAILURE;
    }
    addr = fl_simprovider_addr(m->provider);
    fl_simprovider_watch(m->provider, on_request, m);
    (void)printf("{\"listening\":\"http://127.0.0.1:%u%s\"}\n", addr.port,
                 dialects[m->options.dialect].base);
    (void)fflush(stdout);
    on_step(&m->timer);
    fl_net_run(m->net);
    const struct fl_simprovider_stats *s = fl_simprovider_stats(m->provider);
    (void)printf("{\"requests\":%llu,\"answered\":%llu,\"faults\":%llu,\"cancelled\":%llu}\n",
                 (unsigned long long)s->requests, (unsigned long long)s->answered,
                 (unsigned long long)(s->misdone + s->failed + s->limited + s->refused),
                 (unsigned long long)s->cancelled);
    fl_timers_stop(&m->sys->timers, &m->timer);
    fl_simprovider_destroy(m->provider);
    fl_net_destroy(m->net);
    return FL_EXIT_OK;
}

/* --- the command line --- */

static int list_faults(void)
{
    for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
        (void)printf("%-16s %s\n", fault_names[i].name, fault_names[i].doc);
    }
    (void)printf("400 to 599        an error of this status\n");
    for (int i = 0; i < FL_SIM_MISDEED_COUNT; i++) {
        (void)printf("%s\n", fl_sim_misdeed_name((enum fl_sim_misdeed)i));
    }
    return FL_EXIT_OK;
}

struct arguments {
    const char *fault, *at, *rate, *script, *dialect;
    bool list;
};

static bool take_number(struct mock *m, int c, uint64_t n)
{
    switch (c) {
    case 'p':
        m->port = (uint16_t)n;
        return n < 65536;
    case 's':
        m->options.seed = n;
        return true;
    case 't':
        m->options.ttft_median_ns = n * FL_NS_MS;
        return n < 1000000;
    case 'k':
        m->options.token_ns = n * FL_NS_MS;
        return n < 1000000;
    case 'n':
        m->options.answer_tokens = n;
        return n < 1000000;
    default: /* 'q' */
        m->options.requests_per_min = (unsigned)n;
        return n < 1000000000;
    }
}

static bool find_dialect(const char *name, enum fl_sim_dialect *ret_dialect)
{
    for (int i = 0; i < dialect_count; i++) {
        if (strcmp(dialects[i].name, name) == 0) {
            *ret_dialect = (enum fl_sim_dialect)i;
            return true;
        }
    }
    return false;
}

static bool read_options(struct mock *m, int argc, char **argv, struct arguments *a, int *ret_exit)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},     {"fault", required_argument, NULL, 'f'},
        {"at", required_argument, NULL, 'a'},       {"rate", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 's'},     {"script", required_argument, NULL, 'S'},
        {"model", required_argument, NULL, 'm'},    {"ttft-ms", required_argument, NULL, 't'},
        {"token-ms", required_argument, NULL, 'k'}, {"tokens", required_argument, NULL, 'n'},
        {"rpm", required_argument, NULL, 'q'},      {"quiet", no_argument, NULL, 'Q'},
        {"list", no_argument, NULL, 'l'},           {"dialect", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0}};
    int c;
    uint64_t n = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        a->fault = c == 'f' ? optarg : a->fault;
        a->at = c == 'a' ? optarg : a->at;
        a->rate = c == 'r' ? optarg : a->rate;
        a->script = c == 'S' ? optarg : a->script;
        a->dialect = c == 'd' ? optarg : a->dialect;
        a->list = a->list || c == 'l';
        m->quiet = m->quiet || c == 'Q';
        if (c == '?') {
            *ret_exit = FL_EXIT_USAGE;
            return false;
        }
        if (c == 'm' && m->options.model_count < models_max) {
            m->models[m->options.model_count++].id = fl_slice_cstr(optarg);
        }
        if (strchr("psktnq", c) && (!fl_slice_u64(fl_slice_cstr(optarg), &n) || !take_number(m, c, n))) {
            *ret_exit = fl_usage_error("mock", "'%s' is no number that fits", optarg);
            return false;
        }
    }
    if (optind < argc) {
        *ret_exit = fl_usage_error("mock", "unexpected '%s'", argv[optind]);
        return false;
    }
    return true;
}

int fl_cli_mock(int argc, char **argv)
{
    struct mock m = {.options = {.name = FL_LIT("mock"),
                                 .seed = 1,
                                 .ttft_median_ns = 20 * FL_NS_MS,
                                 .token_ns = FL_NS_MS}};
    struct arguments a = {.fault = "none", .dialect = "openai"};
    int code = FL_EXIT_USAGE;
    if (!read_options(&m, argc, argv, &a, &code)) {
        return code;
    }
    if (a.list) {
        return list_faults();
    }
    if (!find_dialect(a.dialect, &m.options.dialect)) {
        return fl_usage_error("mock", "'%s' is no dialect: openai, anthropic, gemini, ollama, bedrock",
                              a.dialect);
    }
    m.options.models = m.models;
    if (m.options.model_count == 0) {
        m.models[m.options.model_count++].id = FL_LIT("mock");
    }
    if (!make_step(fl_slice_cstr(a.fault), fl_slice_cstr(a.at), fl_slice_cstr(a.rate), &m.steps[0])) {
        return fl_usage_error("mock", "--fault, --at or --rate means nothing; see --list");
    }
    m.step_count = 1;
    code = a.script ? read_script(&m, a.script) : FL_EXIT_OK;
    return code ? code : run(&m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a run: time goes in slices that end at the next arrival, the next edge of a fault,
 * or a tick, at which clients that have got all are judged.
 */
#include "sim/chaos_impl.h"

#include "base/assert.h"
#include "base/hash.h"
#include "route/route.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { text_bytes = 32, tick_ms = 100, linger_ms = 400, decisions_kept = 512 };
enum { edges_max = 2 * FL_CHAOS_FAULTS_MAX };

struct edge {
    uint64_t at_ns;
    unsigned fault;
    bool on;
};

/* --- telling --- */

void chaos_broken(struct chaos *run, const char *invariant, unsigned exchange, const char *format,
                  ...)
{
    struct fl_chaos_verdict *v = run->verdict;
    va_list args;
    if (v->invariant[0] != '\0') {
        return;
    }
    (void)snprintf(v->invariant, sizeof(v->invariant), "%s", invariant);
    va_start(args, format);
    (void)vsnprintf(v->what, sizeof(v->what), format, args);
    va_end(args);
    v->at_ns = fl_world_now(run->world);
    v->exchange = exchange;
}

bool chaos_is_broken(const struct chaos *run)
{
    return run->verdict->invariant[0] != '\0';
}

static void on_note(void *owner, const struct fl_world_note *note)
{
    struct chaos *run = owner;
    if (run->options->heap) {
        run->options->heap->inside(note->kind <= FL_WORLD_DRAINED &&
                                   note->node <= run->plan->workers);
    }
    if (run->options->trace) {
        struct fl_buf b;
        fl_buf_init(&b, 4096);
        fl_world_put_note(note, &b);
        run->options->trace(fl_buf_slice(&b));
        fl_buf_finish(&b);
    }
}

/* --- the gateway --- */

static void put_provider(const struct chaos *run, unsigned i, struct fl_buf *b)
{
    const struct fl_chaos_provider *p = &run->plan->providers[i];
    char line[320];
    (void)snprintf(line, sizeof(line),
                   "  p%u: {type: openai_compatible, api_key: sk-sim, models: [m], base_url: "
                   "\"http://p%u.test:80/v1\", connections: %u, prices: {input: 1, output: 2}%s}\n",
                   i, i, p->connections,
                   p->no_tools ? ", model_info: {m: {capabilities: [chat, stream, json]}}" : "");
    fl_buf_put_cstr(b, line);
}

static void put_targets(const struct chaos *run, bool fallback, unsigned removed, struct fl_buf *b)
{
    bool any = false;
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        if (!(removed >> i & 1) && run->plan->providers[i].fallback == fallback) {
            char name[8] = "p0/m";
            name[1] = (char)('0' + i);
            fl_buf_put_cstr(b, any ? ", " : "");
            fl_buf_put_cstr(b, name);
            any = true;
        }
    }
}

static void put_config(const struct chaos *run, unsigned removed, struct fl_buf *b)
{
    const char *by = fl_selection_word(run->plan->selection);
    fl_buf_put_cstr(b, "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\nrouting:\n"
                       "  health_check_interval: 2\n  attempts: ");
    fl_buf_put_u64(b, run->plan->attempts);
    if (run->plan->hedge_ms > 0) {
        fl_buf_put_cstr(b, "\n  hedge_tools: true\n  hedge_plain: true\n  hedge: ");
        fl_buf_put_u64(b, run->plan->hedge_ms);
        fl_buf_put_cstr(b, "ms");
    }
    fl_buf_put_cstr(b, run->plan->resume > 0 ? "\n  resume: continue" : "");
    fl_buf_put_cstr(b, "\n  timeouts: {connect: 2s, first_token: 5s, idle: 4s, total: 20s}\n"
                       "limits: {heartbeat: 3s, head_timeout: 5s, body_timeout: 5s, idle: 10s}\n"
                       "models:\n  chat:\n    targets: [");
    put_targets(run, false, removed, b);
    fl_buf_put_cstr(b, "]\n    fallback: [");
    put_targets(run, true, removed, b);
    struct fl_selection s = fl_selection_at(run->plan->selection);
    fl_buf_put_cstr(b, "]\n    strategy: ");
    fl_buf_put_cstr(b, s.algorithm_given ? "load_balance\n    algorithm: " : by);
    fl_buf_put_cstr(b, s.algorithm_given ? by : "");
    fl_buf_put_cstr(b, "\nproviders:\n");
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        if (!(removed >> i & 1)) {
            put_provider(run, i, b);
        }
    }
}

/* False: such a configuration would be none, and the old one stays. */
static bool reload(struct chaos *run, unsigned removed)
{
    struct fl_buf yaml, why;
    fl_buf_init(&yaml, 65536);
    put_config(run, removed, &yaml);
    bool ok = fl_simgateway_reload(&run->gateway, fl_buf_slice(&yaml), &why);
    fl_buf_finish(&yaml);
    fl_buf_finish(&why);
    if (!ok) {
        return false;
    }
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        if ((removed & ~run->removed) >> i & 1) {
            run->removed_ns[i] = fl_world_now(run->world);
        }
    }
    run->removed = removed;
    run->removed_ever |= removed;
    return true;
}

static bool start_gateway(struct chaos *run)
{
    struct fl_buf yaml, why;
    fl_buf_init(&yaml, 65536);
    put_config(run, 0, &yaml);
    run->serving = fl_simgateway_open(&run->gateway, run->world, fl_buf_slice(&yaml),
                                      run->plan->workers, run->plan->seed, decisions_kept, &why);
    if (!run->serving) {
        chaos_broken(run, "the plan makes a configuration", UINT32_MAX, "%.*s", (int)why.len,
                     why.ptr ? why.ptr : "");
    }
    fl_buf_finish(&yaml);
    fl_buf_finish(&why);
    return run->serving;
}

/* --- providers --- */

static void provider_ip(unsigned i, char ip[text_bytes])
{
    (void)snprintf(ip, text_bytes, "10.0.1.%u", i + 1);
}

static void provider_name(unsigned i, char name[text_bytes])
{
    (void)snprintf(name, text_bytes, "p%u.test", i);
}

static void start_provider(struct chaos *run, unsigned i)
{
    const struct fl_chaos_provider *p = &run->plan->providers[i];
    char ip[text_bytes], name[text_bytes];
    struct fl_addr addr;
    provider_ip(i, ip);
    provider_name(i, name);
    bool parsed = fl_addr_parse_ip(fl_slice_cstr(ip), &addr);
    fl_assert(parsed);
    addr.port = 80;
    run->provider_options[i] =
        (struct fl_simprovider_options){.name = FL_LIT("p"),
                                        .models = &run->model,
                                        .model_count = 1,
                                        .seed = fl_mix64(run->plan->seed + i),
                                        .text_seed = run->plan->resume > 0 ? run->plan->seed : 0,
                                        .goes_on = true,
                                        .ttft_median_ns = p->ttft_ms * FL_NS_MS,
                                        .ttft_sigma_permille = 300,
                                        .token_ns = p->token_ms * FL_NS_MS,
                                        .requests_per_min = p->rpm};
    enum fl_err err = fl_simprovider_create(fl_world_sys(run->world, ip), &addr,
                                            &run->provider_options[i], &run->providers[i]);
    fl_assert(err == FL_OK);
    run->sources[i] = (struct chaos_source){run, i};
    fl_simprovider_watch(run->providers[i], chaos_judge_asked, &run->sources[i]);
    fl_world_name(run->world, name, ip);
}

static void on_dial(void *owner, const struct fl_world_dial *dial, struct fl_world_link *link)
{
    struct chaos *run = owner;
    unsigned i = dial->to.bytes[3] - 1U;
    if (dial->to.bytes[2] == 1 && i < run->plan->provider_count && run->nets[i].on &&
        fl_rng_below(&run->dials, 1000) < run->nets[i].permille) {
        fl_world_draw_faults(&run->dials, &run->nets[i].faults, link);
    }
}

/* --- faults --- */

static struct fl_world_faults net_faults(const struct fl_chaos_fault *f)
{
    struct fl_world_faults faults = {.within_bytes = f->more, .stall_ns_max = 10 * FL_NS_S};
    unsigned *const one[FL_CHAOS_NET_COUNT] = {&faults.refuse, &faults.blackhole, &faults.reset,
                                               &faults.fin,    &faults.stall,     &faults.slow,
                                               &faults.tight,  &faults.late};
    *one[f->arg] = 1000;
    return faults;
}

static void befall_outage(struct chaos *run, const struct fl_chaos_fault *f, unsigned i)
{
    enum fl_sim_outage_kind kind = f->kind == FL_CHAOS_REFUSE  ? FL_SIM_REFUSE
                                   : f->kind == FL_CHAOS_ERROR ? FL_SIM_ERROR
                                                               : FL_SIM_STALL;
    fl_simprovider_outage(run->providers[i], kind,
                          f->for_ms == UINT32_MAX ? FL_NEVER : f->for_ms * FL_NS_MS);
}

static void befall(struct chaos *run, const struct fl_chaos_fault *f, unsigned i, bool on)
{
    struct fl_simprovider *p = run->providers[i];
    char name[text_bytes], ip[text_bytes];
    provider_name(i, name);
    provider_ip(i, ip);
    switch ((int)f->kind) {
    case FL_CHAOS_REFUSE:
    case FL_CHAOS_ERROR:
    case FL_CHAOS_STALL:
        if (on) {
            befall_outage(run, f, i);
        }
        break;
    case FL_CHAOS_KILL:
        (void)strcat(ip, ":80");
        if (on) {
            fl_world_kill(run->world, ip);
        }
        break;
    case FL_CHAOS_DNS:
        fl_world_name(run->world, name, on ? NULL : ip);
        break;
    case FL_CHAOS_SLOW:
        fl_simprovider_pace(p, on ? (unsigned)f->arg : 1000);
        break;
    case FL_CHAOS_STATUS:
        fl_simprovider_refuse(p, (struct fl_sim_refusals){(int)f->arg, on ? f->permille : 0,
                                                          f->more * FL_NS_MS});
        break;
    case FL_CHAOS_MISDEED:
        fl_simprovider_misbehave(
            p, (struct fl_sim_misdeeds){FL_SIM_MISDEED_BIT(f->arg), on ? f->permille : 0,
                                        (unsigned)f->more, f->more});
        break;
    case FL_CHAOS_NET:
        run->nets[i] = (struct chaos_net){on, f->permille, net_faults(f)};
        run->laggards |= 1U << i;
        break;
    default:
        break;
    }
    run->touched |= 1U << i;
    run->endless = run->endless || (f->kind == FL_CHAOS_MISDEED && (f->arg == FL_SIM_GZIP_BOMB ||
                                                                    f->arg == FL_SIM_ENDLESS_BODY));
}

static void befall_gateway(struct chaos *run, const struct fl_chaos_fault *f, bool on)
{
    if (f->kind == FL_CHAOS_REMOVE) {
        (void)reload(run, on ? run->removed | f->providers : run->removed & ~f->providers);
    } else if (on && f->kind == FL_CHAOS_RELOAD) {
        (void)reload(run, run->removed);
    } else if (on && f->kind == FL_CHAOS_WALL) {
        fl_world_wall_jump(run->world, f->arg * (int64_t)FL_NS_S);
    } else if (on && f->kind == FL_CHAOS_WRITE_FAILS) {
        fl_world_fail_write(run->gateway.nodes[0], (unsigned)f->arg);
        run->hurt = true;
    } else if (on && f->kind == FL_CHAOS_DIAL_FAILS) {
        fl_world_fail_dial(run->gateway.nodes[0], (unsigned)f->arg);
        run->hurt = true;
    } else if (on && f->kind == FL_CHAOS_NO_MEMORY && run->options->heap) {
        run->options->heap->fail((unsigned)f->arg);
        run->hurt = true;
    }
}

static void apply(struct chaos *run, const struct edge *e)
{
    const struct fl_chaos_fault *f = &run->plan->faults[e->fault];
    if (f->kind >= FL_CHAOS_REMOVE) {
        befall_gateway(run, f, e->on);
        return;
    }
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        if (f->providers >> i & 1) {
            befall(run, f, i, e->on);
        }
    }
}

static int by_time(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    if (x->at_ns != y->at_ns) {
        return x->at_ns < y->at_ns ? -1 : 1;
    }
    return x->fault != y->fault ? (x->fault < y->fault ? -1 : 1) : y->on - x->on;
}

/* What is not for good ends with the storm. */
static unsigned list_edges(const struct fl_chaos_plan *plan, struct edge edges[edges_max])
{
    unsigned count = 0;
    for (unsigned i = 0; i < plan->fault_count; i++) {
        const struct fl_chaos_fault *f = &plan->faults[i];
        uint64_t end_ms = (uint64_t)f->at_ms + f->for_ms;
        edges[count++] = (struct edge){f->at_ms * FL_NS_MS, i, true};
        if (f->for_ms != UINT32_MAX) {
            end_ms = end_ms < plan->storm_ms ? end_ms : plan->storm_ms;
            edges[count++] = (struct edge){end_ms * FL_NS_MS, i, false};
        }
    }
    qsort(edges, count, sizeof(edges[0]), by_time);
    return count;
}

/* All that is for a time is over, whatever order overlapping ends came in. */
static void begin_calm(struct chaos *run)
{
    const struct fl_chaos_plan *plan = run->plan;
    for (unsigned i = 0; i < plan->provider_count; i++) {
        char name[text_bytes], ip[text_bytes];
        provider_name(i, name);
        provider_ip(i, ip);
        fl_world_name(run->world, name, ip);
        fl_simprovider_outage(run->providers[i], FL_SIM_UP, 0);
        fl_simprovider_misbehave(run->providers[i], (struct fl_sim_misdeeds){0});
        fl_simprovider_refuse(run->providers[i], (struct fl_sim_refusals){0});
        fl_simprovider_pace(run->providers[i], 1000);
        run->nets[i].on = false;
        if (run->laggards >> i & 1) { /* what a bad network has left of connections */
            char to[text_bytes + 4];
            (void)snprintf(to, sizeof(to), "%s:80", ip);
            fl_world_kill(run->world, to);
        }
    }
    for (unsigned i = 0; i < plan->fault_count; i++) {
        if (plan->faults[i].for_ms == UINT32_MAX && plan->faults[i].at_ms < plan->storm_ms) {
            apply(run, &(struct edge){0, i, true});
        }
    }
    for (unsigned i = 0; i < plan->workers; i++) {
        fl_world_fail_write(run->gateway.nodes[i], 0);
        fl_world_fail_dial(run->gateway.nodes[i], 0);
    }
    if (run->options->heap) {
        run->options->heap->fail(0);
    }
    if (run->removed != 0) {
        (void)reload(run, 0);
    }
}

/* --- clients --- */

void chaos_prompt(unsigned exchange, char text[64])
{
    static const char *const tasks[] = {"Summarize the tides", "Classify the tides",
                                        "Translate the tides", "Tell me of the tides"};
    (void)snprintf(text, 64, "%s #%u#", tasks[exchange % 4], exchange);
}

/* *bounded*: by more than any answer has, which says of what length it may be. */
static void put_request(const struct chaos_exchange *x, unsigned exchange, unsigned kinds, bool bounded,
                        struct fl_buf *b)
{
    char prompt[64];
    chaos_prompt(exchange, prompt);
    fl_buf_put_cstr(b, kinds >> FL_CHAOS_CLIENT_UNKNOWN & 1 ? "{\"model\":\"nobody\""
                                                            : "{\"model\":\"chat\"");
    fl_buf_put_cstr(b, ",\"messages\":[{\"role\":\"user\",\"content\":");
    fl_buf_put_json(b, fl_slice_cstr(prompt));
    fl_buf_put_cstr(b, "}]");
    if (kinds >> FL_CHAOS_CLIENT_REFUSED & 1) {
        fl_buf_put_cstr(b, ",\"max_tokens\":0");
    } else if (bounded) {
        fl_buf_put_cstr(b, ",\"max_tokens\":256");
    }
    if (x->tools) {
        fl_buf_put_cstr(b, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                           "\"parameters\":{\"type\":\"object\"}}}]");
    }
    fl_buf_put_cstr(b, x->stream ? ",\"stream\":true" : "");
    fl_buf_put_cstr(b, kinds >> FL_CHAOS_CLIENT_MALFORMED & 1 ? ",\"x\":}" : "}");
}

static void ask(struct chaos *run, struct chaos_session *s)
{
    unsigned n = s->first + s->sent++;
    struct chaos_exchange *x = &run->exchanges[n];
    struct fl_buf body;
    x->sent_ns = fl_world_now(run->world) + (fl_world_now(run->world) == 0);
    fl_buf_init(&body, 4096);
    put_request(x, n, s->kinds, run->plan->hedge_ms > 0 && !x->stream, &body);
    fl_simclient_request(s->client, "POST", "/v1/chat/completions", "", fl_buf_slice(&body));
    fl_buf_finish(&body);
}

static struct fl_simclient_options draw_manner(struct fl_rng *r, unsigned kinds)
{
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    if (kinds >> FL_CHAOS_CLIENT_CANCEL & 1) {
        o.abort_ns = fl_rng_below(r, 3000) * FL_NS_MS + 1;
        o.abort_how = fl_rng_below(r, 2) == 0 ? FL_CLOSE_NOW : FL_CLOSE_RESET;
    }
    if (kinds >> FL_CHAOS_CLIENT_CUT & 1) {
        o.abort_received = fl_rng_below(r, 4000);
    }
    if (kinds >> FL_CHAOS_CLIENT_SLOW_SEND & 1) {
        o.piece_bytes = 1 + fl_rng_below(r, 60);
        o.piece_gap_ns = fl_rng_below(r, 20) * FL_NS_MS;
    }
    if (kinds >> FL_CHAOS_CLIENT_SLOW_READ & 1) {
        o.read_bytes = 64;
        o.read_gap_ns = fl_rng_below(r, 30) * FL_NS_MS;
    }
    return o;
}

static struct fl_sys *client_node(struct chaos *run, unsigned n)
{
    char ip[text_bytes];
    n %= CHAOS_NODES;
    if (!run->client_nodes[n]) {
        (void)snprintf(ip, sizeof(ip), "10.0.2.%u", n + 1);
        run->client_nodes[n] = fl_world_sys(run->world, ip);
    }
    return run->client_nodes[n];
}

/* One client that begins with exchange *first*; returns how many it makes. *idle*: it would have,
 * but it is left out. */
static unsigned arrive(struct chaos *run, unsigned first, unsigned left, enum chaos_age age,
                       bool idle)
{
    struct fl_rng r;
    unsigned kinds = 0, count = 1;
    fl_rng_seed(&r, fl_mix64(run->plan->seed) ^ first);
    for (unsigned i = 0; i < FL_CHAOS_CLIENT_COUNT; i++) {
        kinds |= (unsigned)(fl_rng_below(&r, 1000) < run->plan->clients[i]) << i;
    }
    kinds = age == CHAOS_STORM ? kinds : 0;
    if (kinds & (1U << FL_CHAOS_CLIENT_PIPELINE | 1U << FL_CHAOS_CLIENT_KEEP)) {
        count = left < CHAOS_PER_SESSION ? left : CHAOS_PER_SESSION;
    }
    if (idle || run->live_count == CHAOS_LIVE_MAX) {
        return count;
    }
    bool stream = fl_rng_below(&r, 1000) < run->plan->stream_permille;
    struct fl_simclient_options manner = draw_manner(&r, kinds);
    struct chaos_session *s = &run->live[run->live_count++];
    *s = (struct chaos_session){.client = fl_simclient_create(client_node(run, first), &manner),
                                .first = first,
                                .count = count,
                                .kinds = kinds};
    for (unsigned i = 0; i < count; i++) {
        run->exchanges[first + i] = (struct chaos_exchange){
            .age = age,
            .stream = stream,
            .queued = i > 0 && (kinds >> FL_CHAOS_CLIENT_PIPELINE & 1),
            .tools = (kinds >> FL_CHAOS_CLIENT_TOOLS & 1) != 0,
            .impossible = (kinds & (1U << FL_CHAOS_CLIENT_MALFORMED |
                                    1U << FL_CHAOS_CLIENT_UNKNOWN)) != 0};
    }
    run->malformed += kinds >> FL_CHAOS_CLIENT_MALFORMED & 1;
    ask(run, s);
    while ((kinds >> FL_CHAOS_CLIENT_PIPELINE & 1) && s->sent < s->count) {
        ask(run, s);
    }
    return count;
}

/* Those that have got all are judged, and stay for a moment: the gateway has to hear that they
 * left. */
static void sweep(struct chaos *run)
{
    uint64_t now_ns = fl_world_now(run->world);
    chaos_judge_open(run);
    for (unsigned i = run->live_count; i-- > 0;) {
        struct chaos_session *s = &run->live[i];
        if (s->settled_ns == 0 &&
            (fl_simclient_settled(s->client) || fl_simclient_aborted(s->client))) {
            const struct fl_simanswer *last = fl_simclient_answer(s->client, s->sent - 1);
            if (s->sent < s->count && last->complete && last->keep_alive &&
                !fl_simclient_aborted(s->client) && !fl_simclient_ended(s->client, &(enum fl_err){0})) {
                ask(run, s);
                continue;
            }
            s->settled_ns = now_ns;
        }
        if (s->settled_ns > 0 && now_ns >= s->settled_ns + linger_ms * FL_NS_MS) {
            chaos_judge_session(run, s);
            fl_simclient_destroy(s->client);
            run->live[i] = run->live[--run->live_count];
        }
    }
}

/* --- the course --- */

struct course {
    struct edge edges[edges_max];
    unsigned edge, edge_count;
    struct fl_rng gaps;
    uint64_t next_ns; /* arrival */
    unsigned next;    /* exchange */
};

static void go_to(struct chaos *run, struct course *c, uint64_t until_ns)
{
    while (!chaos_is_broken(run) && fl_world_now(run->world) < until_ns) {
        uint64_t now_ns = fl_world_now(run->world), stop_ns = now_ns + tick_ms * FL_NS_MS;
        stop_ns = stop_ns < until_ns ? stop_ns : until_ns;
        if (c->edge < c->edge_count && c->edges[c->edge].at_ns < stop_ns) {
            stop_ns = c->edges[c->edge].at_ns > now_ns ? c->edges[c->edge].at_ns : now_ns;
        }
        fl_world_run_for(run->world, stop_ns - now_ns);
        while (c->edge < c->edge_count && c->edges[c->edge].at_ns <= stop_ns) {
            apply(run, &c->edges[c->edge++]);
        }
        sweep(run);
    }
}

/* Arrivals until exchange *last*, with *gap_ms* between them on average. */
static void let_come(struct chaos *run, struct course *c, unsigned last, unsigned gap_ms,
                     enum chaos_age age)
{
    while (c->next < last && !chaos_is_broken(run)) {
        c->next_ns += fl_rng_below(&c->gaps, 2 * (uint64_t)gap_ms * FL_NS_MS);
        bool idle = age == CHAOS_STORM && c->next < run->plan->first;
        if (!idle) {
            go_to(run, c, c->next_ns);
        }
        c->next += arrive(run, c->next, last - c->next, age, idle);
    }
}

static void run_course(struct chaos *run)
{
    const struct fl_chaos_plan *plan = run->plan;
    struct course c = {.next_ns = fl_world_now(run->world)};
    fl_rng_seed(&c.gaps, plan->seed ^ 0x9a9);
    c.edge_count = list_edges(plan, c.edges);
    let_come(run, &c, plan->exchanges, plan->gap_ms, CHAOS_STORM);
    uint64_t storm_ns = plan->storm_ms * FL_NS_MS;
    go_to(run, &c, storm_ns);
    storm_ns = fl_world_now(run->world);
    if (plan->calm > 0 && !chaos_is_broken(run)) {
        begin_calm(run);
        c.next_ns = storm_ns;
        if (plan->settling > 0) {
            let_come(run, &c, plan->exchanges + plan->settling,
                     (unsigned)(CHAOS_SETTLE_NS / FL_NS_MS / plan->settling), CHAOS_SETTLING);
        }
        go_to(run, &c, storm_ns + CHAOS_SETTLE_NS);
        c.next_ns = fl_world_now(run->world);
        let_come(run, &c, plan->exchanges + plan->settling + plan->calm, plan->gap_ms,
                 CHAOS_CALM);
    }
    /* Each within its deadline; three of a client one after another, and slowly. */
    uint64_t until_ns = fl_world_now(run->world) + 120 * FL_NS_S;
    while (run->live_count > 0 && !chaos_is_broken(run) && fl_world_now(run->world) < until_ns) {
        go_to(run, &c, fl_world_now(run->world) + FL_NS_S);
    }
    if (run->live_count > 0) {
        chaos_broken(run, "all ends", run->live[0].first, "%u clients wait", run->live_count);
    }
    if (!chaos_is_broken(run)) {
        fl_world_run_for(run->world, 30 * FL_NS_S);
        chaos_judge_end(run);
    }
}

static void finish(struct chaos *run)
{
    struct fl_chaos_verdict *v = run->verdict;
    struct fl_worker_stats s = fl_simgateway_stats(&run->gateway);
    v->bytes_hash = fl_world_hash(run->world);
    v->decisions_hash = run->serving ? fl_simgateway_decided(&run->gateway) : 0;
    v->steps = fl_world_steps(run->world);
    v->virtual_ns = fl_world_now(run->world);
    v->exchanges = s.exchanges;
    v->answered = s.answered;
    v->failed = s.failed;
    v->cancelled = s.cancelled;
    v->attempts = s.attempts;
    v->failovers = s.failovers;
    fl_world_on_step(run->world, NULL, NULL);
    while (run->live_count > 0) {
        fl_simclient_destroy(run->live[--run->live_count].client);
    }
    if (run->serving) {
        run->serving = false;
        fl_simgateway_close(&run->gateway);
    }
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        fl_simprovider_destroy(run->providers[i]);
    }
    fl_world_destroy(run->world);
}

void fl_chaos_run(const struct fl_chaos_plan *plan, const struct fl_chaos_options *options,
                  struct fl_chaos_verdict *ret_verdict)
{
    struct chaos run = {.plan = plan,
                        .options = options,
                        .verdict = ret_verdict,
                        .model = {.id = FL_LIT("m"), .input_picousd = 1, .output_picousd = 1}};
    *ret_verdict = (struct fl_chaos_verdict){.exchange = UINT32_MAX};
    run.exchange_count = plan->exchanges + plan->settling + plan->calm;
    run.exchanges = calloc(run.exchange_count + 1, sizeof(run.exchanges[0]));
    run.live = calloc(CHAOS_LIVE_MAX, sizeof(run.live[0]));
    run.world = fl_world_create(plan->seed);
    fl_assert(run.exchanges && run.live);
    fl_rng_seed(&run.dials, plan->seed ^ 0xd1a1);
    *fl_world_mix(run.world) = (struct fl_world_mix){.latency_min_ns = 200 * FL_NS_US,
                                                     .latency_max_ns = 20 * FL_NS_MS,
                                                     .dns_min_ns = FL_NS_MS,
                                                     .dns_max_ns = 20 * FL_NS_MS,
                                                     .window_min = 16384,
                                                     .window_max = 65536,
                                                     .jitter_permille = plan->chop > 0 ? 200 : 0,
                                                     .partial_permille = plan->chop > 0 ? 50 : 0,
                                                     .chop_weight = {[0] = plan->chop < 2 ? 3 : 1,
                                                                     [1] = plan->chop > 0,
                                                                     [2] = plan->chop > 1}};
    if (options->heap || options->trace) {
        fl_world_on_note(run.world, on_note, &run);
    }
    if (start_gateway(&run)) {
        fl_world_on_dial(run.world, on_dial, &run);
        for (unsigned i = 0; i < plan->provider_count; i++) {
            start_provider(&run, i);
        }
        fl_world_on_step(run.world, chaos_judge_step, &run);
        run_course(&run);
    }
    finish(&run);
    free(run.exchanges);
    free(run.live);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fairlead simulate: the real server on a virtual clock.
 *
 * Chaos runs in child processes, so that an assertion that fails there is a verdict here: a child
 * runs seeds one after another and writes a verdict for each into a pipe; when it dies, the seed it
 * was at is the failing one, and the next child goes on behind it.
 */
#include "cli/cli.h"

#include "base/hash.h"
#include "sim/chaos.h"
#include "sim/incidents.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { shrink_runs_max = 400, exchanges_usual = 500, seeds_usual = 200, failures_shown = 10 };
enum { busy_gap_ms = 5000, quiet_gap_ms = 120000 };

struct simulation {
    bool chaos, json, trace, self_test, total;
    uint64_t seeds, seed;
    unsigned exchanges;
    const char *plan, *incidents;
    enum fl_chaos_lie lie;
    /* of all seeds */
    uint64_t runs, failed_runs, exchanges_done, attempts, failovers, hedged, continued, calm, calm_failed, steps;
    uint64_t virtual_ns, hash;
};

/* --- one run, in a child --- */

static void print_line(struct fl_slice line)
{
    (void)fprintf(stderr, "%.*s\n", (int)line.len, line.ptr);
}

static bool read_whole(int fd, void *memory, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, (char *)memory + done, size - done);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static void say_crash(int status, struct fl_chaos_verdict *v)
{
    *v = (struct fl_chaos_verdict){.exchange = UINT32_MAX};
    (void)snprintf(v->invariant, sizeof(v->invariant), "the gateway goes on running");
    (void)snprintf(v->what, sizeof(v->what), "ended by signal %d; what it said stands above",
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* Runs the plans that *next* gives until it gives none, in a child; returns when it has ended. */
typedef bool next_plan_fn(struct simulation *s, uint64_t index, struct fl_chaos_plan *ret_plan);

static void run_child(struct simulation *s, next_plan_fn *next, uint64_t index, int to)
{
    struct fl_chaos_options options = {.lie = s->lie, .trace = s->trace ? print_line : NULL};
    struct fl_chaos_plan plan;
    for (; next(s, index, &plan); index++) {
        struct fl_chaos_verdict v;
        fl_chaos_run(&plan, &options, &v);
        if (write(to, &v, sizeof(v)) != (ssize_t)sizeof(v)) { /* less than PIPE_BUF: whole */
            break;
        }
    }
    _exit(0);
}

typedef void verdict_fn(struct simulation *s, uint64_t index, const struct fl_chaos_verdict *v);

static bool run_in_children(struct simulation *s, next_plan_fn *next, verdict_fn *seen)
{
    struct fl_chaos_plan plan;
    for (uint64_t index = 0; next(s, index, &plan);) {
        int ends[2], status = 0;
        if (pipe(ends)) {
            return false;
        }
        (void)fflush(stdout);
        pid_t child = fork();
        if (child < 0) {
            return false;
        }
        if (child == 0) {
            (void)close(ends[0]);
            run_child(s, next, index, ends[1]);
        }
        struct fl_chaos_verdict v;
        (void)close(ends[1]);
        while (read_whole(ends[0], &v, sizeof(v))) {
            seen(s, index++, &v);
        }
        (void)close(ends[0]);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        if (next(s, index, &plan)) { /* it died at this one */
            say_crash(status, &v);
            seen(s, index++, &v);
        }
    }
    return true;
}

/* --- one plan --- */

struct single {
    struct simulation sim; /* first */
    const struct fl_chaos_plan *plan;
    struct fl_chaos_verdict *verdict;
};

static bool next_single(struct simulation *s, uint64_t index, struct fl_chaos_plan *ret_plan)
{
    *ret_plan = *((struct single *)s)->plan;
    return index == 0;
}

static void single_seen(struct simulation *s, uint64_t index, const struct fl_chaos_verdict *v)
{
    (void)index;
    *((struct single *)s)->verdict = *v;
}

static void run_isolated(void *owner, const struct fl_chaos_plan *plan,
                         struct fl_chaos_verdict *ret_verdict)
{
    struct single one = {.sim = *(struct simulation *)owner, .plan = plan, .verdict = ret_verdict};
    *ret_verdict = (struct fl_chaos_verdict){.exchange = UINT32_MAX};
    (void)run_in_children(&one.sim, next_single, single_seen);
}

/* --- telling --- */

static void print_verdict(const struct fl_chaos_plan *plan, const struct fl_chaos_verdict *v)
{
    (void)printf("seed %llu: not so: %s\n", (unsigned long long)plan->seed, v->invariant);
    (void)printf("  %s\n  at %llu.%03llu s of virtual time", v->what,
                 (unsigned long long)(v->at_ns / FL_NS_S),
                 (unsigned long long)(v->at_ns / FL_NS_MS % 1000));
    if (v->exchange != UINT32_MAX) {
        (void)printf(", exchange %u", v->exchange);
    }
    (void)printf("\n");
}

static void print_plan(const struct fl_chaos_plan *plan)
{
    struct fl_buf b;
    fl_buf_init(&b, 65536);
    fl_chaos_put(plan, &b);
    (void)printf("%.*s", (int)b.len, b.ptr);
    fl_buf_finish(&b);
}

static void put_json(const char *key, uint64_t n)
{
    (void)printf(",\"%s\":%llu", key, (unsigned long long)n);
}

static void print_json(const struct fl_chaos_plan *plan, const struct fl_chaos_verdict *v)
{
    struct fl_buf b;
    (void)printf("{\"seed\":%llu", (unsigned long long)plan->seed);
    put_json("exchanges", v->exchanges);
    put_json("attempts", v->attempts);
    put_json("failovers", v->failovers);
    put_json("hedged", v->hedged);
    put_json("continued", v->continued);
    put_json("calm", v->calm);
    put_json("calm_failed", v->calm_failed);
    put_json("virtual_ms", v->virtual_ns / FL_NS_MS);
    (void)printf(",\"bytes_hash\":\"%016llx\",\"decisions_hash\":\"%016llx\"",
                 (unsigned long long)v->bytes_hash, (unsigned long long)v->decisions_hash);
    if (v->invariant[0]) {
        fl_buf_init(&b, 262144);
        fl_buf_put(&b, FL_LIT(",\"invariant\":"));
        fl_buf_put_json(&b, fl_slice_cstr(v->invariant));
        fl_buf_put(&b, FL_LIT(",\"what\":"));
        fl_buf_put_json(&b, fl_slice_cstr(v->what));
        fl_buf_put(&b, FL_LIT(",\"plan\":"));
        struct fl_buf text;
        fl_buf_init(&text, 65536);
        fl_chaos_put(plan, &text);
        fl_buf_put_json(&b, fl_buf_slice(&text));
        fl_buf_finish(&text);
        (void)printf("%.*s", (int)b.len, b.ptr);
        put_json("at_ms", v->at_ns / FL_NS_MS);
        fl_buf_finish(&b);
    }
    (void)printf("}\n");
}

/* What failed, made small, and how to have it again. */
static void tell_failure(struct simulation *s, struct fl_chaos_plan *plan,
                         struct fl_chaos_verdict *v)
{
    if (!s->json) {
        print_verdict(plan, v);
    }
    if (s->failed_runs <= failures_shown) {
        unsigned faults = plan->fault_count;
        unsigned runs = fl_chaos_shrink(plan, v, run_isolated, s, shrink_runs_max);
        if (!s->json) {
            (void)printf("  made small by %u runs (%u faults -> %u); still: %s\n", runs, faults,
                         plan->fault_count, v->what);
            (void)printf("  again, whole: fairlead simulate --chaos --seed %llu --exchanges %u\n",
                         (unsigned long long)plan->seed, s->exchanges);
            (void)printf("  again, small: put these lines into FILE, then fairlead simulate --chaos"
                         " --plan FILE\n");
            print_plan(plan);
        }
    }
    if (s->json) {
        print_json(plan, v);
    }
    (void)fflush(stdout);
}

static void count(struct simulation *s, const struct fl_chaos_verdict *v)
{
    s->runs++;
    s->failed_runs += v->invariant[0] != '\0';
    s->exchanges_done += v->exchanges;
    s->attempts += v->attempts;
    s->failovers += v->failovers;
    s->hedged += v->hedged;
    s->continued += v->continued;
    s->calm += v->calm;
    s->calm_failed += v->calm_failed;
    s->steps += v->steps;
    s->virtual_ns += v->virtual_ns;
    s->hash = fl_mix64(s->hash ^ fl_mix64(v->bytes_hash) ^ v->decisions_hash);
}

static bool next_seed(struct simulation *s, uint64_t index, struct fl_chaos_plan *ret_plan)
{
    if (index >= s->seeds) {
        return false;
    }
    fl_chaos_draw(s->seed + index, s->exchanges, false, ret_plan);
    return true;
}

static void seed_seen(struct simulation *s, uint64_t index, const struct fl_chaos_verdict *v)
{
    struct fl_chaos_plan plan;
    struct fl_chaos_verdict mine = *v;
    count(s, v);
    fl_chaos_draw(s->seed + index, s->exchanges, false, &plan);
    if (v->invariant[0]) {
        tell_failure(s, &plan, &mine);
    } else if (s->json) {
        print_json(&plan, v);
    }
}

static int run_seeds(struct simulation *s)
{
    struct timespec from, to;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    if (!run_in_children(s, next_seed, seed_seen)) {
        (void)fprintf(stderr, "fairlead simulate: cannot start a process\n");
        return FL_EXIT_FAILURE;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds =
        (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    FILE *out = s->json ? stderr : stdout;
    (void)fprintf(out,
                  "%llu seeds, %llu exchanges, %llu attempts, %llu failovers, %llu hedges, %llu streams continued; "
                  "%.1f h of virtual time, %llu events, in %.1f s\n",
                  (unsigned long long)s->runs, (unsigned long long)s->exchanges_done,
                  (unsigned long long)s->attempts, (unsigned long long)s->failovers,
                  (unsigned long long)s->hedged, (unsigned long long)s->continued,
                  (double)s->virtual_ns / 3.6e12, (unsigned long long)s->steps, seconds);
    (void)fprintf(out, "a minute after the storm: %llu of %llu requests failed\n",
                  (unsigned long long)s->calm_failed, (unsigned long long)s->calm);
    (void)fprintf(out, "broken invariants: %llu seeds; hash of all bytes and decisions: %016llx\n",
                  (unsigned long long)s->failed_runs, (unsigned long long)s->hash);
    bool well = s->seeds == 1 || s->calm_failed * 1000 <= s->calm;
    return well && s->failed_runs == 0 ? FL_EXIT_OK : FL_EXIT_FAILURE;
}

static int run_plan(struct simulation *s)
{
    struct fl_buf text;
    struct fl_chaos_plan plan;
    struct fl_chaos_verdict v;
    unsigned line = 0;
    fl_buf_init(&text, 1 << 20);
    if (fl_read_file(fl_slice_cstr(s->plan), &text)) {
        (void)fprintf(stderr, "fairlead simulate: cannot read %s\n", s->plan);
        return FL_EXIT_FAILURE;
    }
    bool ok = fl_chaos_read(fl_buf_slice(&text), &plan, &line);
    fl_buf_finish(&text);
    if (!ok) {
        (void)fprintf(stderr, "%s:%u: error: this is no line of a plan\n", s->plan, line);
        return FL_EXIT_FAILURE;
    }
    run_isolated(s, &plan, &v);
    if (s->json) {
        print_json(&plan, &v);
    } else if (v.invariant[0]) {
        print_verdict(&plan, &v);
    } else {
        (void)printf("all invariants hold: %llu exchanges, hash %016llx\n",
                     (unsigned long long)v.exchanges, (unsigned long long)v.bytes_hash);
    }
    return v.invariant[0] ? FL_EXIT_FAILURE : FL_EXIT_OK;
}

/* Each lie must be noticed. */
static int run_self_test(struct simulation *s)
{
    bool all = true;
    for (s->lie = FL_CHAOS_HONEST + 1; s->lie < FL_CHAOS_LIE_COUNT; s->lie++) {
        struct fl_chaos_plan plan;
        struct fl_chaos_verdict v = {.invariant = ""};
        for (uint64_t seed = s->seed; !v.invariant[0] && seed < s->seed + 200; seed++) {
            fl_chaos_draw(seed, s->exchanges, false, &plan);
            run_isolated(s, &plan, &v);
        }
        unsigned faults = plan.fault_count, exchanges = plan.exchanges;
        unsigned runs =
            v.invariant[0] ? fl_chaos_shrink(&plan, &v, run_isolated, s, shrink_runs_max) : 0;
        (void)printf("%-12s %s: %s; %u faults -> %u, %u exchanges -> %u, by %u runs\n",
                     fl_chaos_lie_name(s->lie), v.invariant[0] ? "noticed" : "NOT NOTICED",
                     v.invariant, faults, plan.fault_count, exchanges, plan.exchanges - plan.first,
                     runs);
        all = all && v.invariant[0];
    }
    return all ? FL_EXIT_OK : FL_EXIT_FAILURE;
}

/* --- incidents --- */

/* "2023-11-08 13:54:05" */
static void time_text(uint64_t unix_s, char text[32])
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0) {
        text[0] = '\0';
    }
}

static const char *reason_of(const struct fl_incident_failure *f)
{
    if (f->permille[0] > 0 && f->permille[1] > 0) {
        return "both were failing";
    }
    return f->permille[0] + f->permille[1] > 0 ? "one was failing, the other was well"
                                               : "neither had an incident";
}

static void print_failure(const struct fl_incident_list *list, const struct fl_incident_failure *f)
{
    char at[32];
    time_text(f->at_s, at);
    (void)printf("  %s UTC  %s: %s at %u %%%s, %s at %u %%%s; %u attempts; the client got %s %d %s\n", at,
                 reason_of(f), list->names[0], f->permille[0] / 10, f->down[0] ? " (ejected)" : "",
                 list->names[1], f->permille[1] / 10, f->down[1] ? " (ejected)" : "", f->attempts,
                 f->broken ? "a broken stream after" : "status", f->status, f->said);
}

static void print_report(const struct fl_incident_list *list, const struct fl_incident_report *r)
{
    char from[32], to[32];
    time_text(list->start_s, from);
    time_text(list->end_s, to);
    (void)printf("%s to %s UTC: %llu requests, each for the time until the next\n", from, to,
                 (unsigned long long)r->requests);
    for (unsigned i = 0; i < 2; i++) {
        (void)printf("  %s alone: %.4f %% available\n", list->names[i],
                     100 - 100 * r->alone_ms[i] / r->weight_ms);
    }
    (void)printf("  both with an incident: %llu minutes\n",
                 (unsigned long long)r->both_down_s / 60);
    (void)printf("  through fairlead: %.4f %% answered whole (%llu requests failed)\n",
                 100 - 100 * r->failed_ms / r->weight_ms, (unsigned long long)r->failed);
    (void)printf("what failed, one by one:\n");
    for (unsigned i = 0; i < r->failure_count; i++) {
        print_failure(list, &r->failures[i]);
    }
    if (r->failed > r->failure_count) {
        (void)printf("  and %llu more\n", (unsigned long long)(r->failed - r->failure_count));
    }
}

static void print_report_json(const struct fl_incident_list *list,
                              const struct fl_incident_report *r)
{
    (void)printf("{\"providers\":[\"%s\",\"%s\"],\"success\":%.8f,\"alone\":[%.8f,%.8f]", list->names[0],
                 list->names[1], 1 - r->failed_ms / r->weight_ms, 1 - r->alone_ms[0] / r->weight_ms,
                 1 - r->alone_ms[1] / r->weight_ms);
    put_json("requests", r->requests);
    put_json("failed", r->failed);
    put_json("both_s", r->both_down_s);
    (void)printf(",\"failures\":[");
    for (unsigned i = 0; i < r->failure_count; i++) {
        const struct fl_incident_failure *f = &r->failures[i];
        (void)printf("%s{\"at\":%llu,\"permille\":[%u,%u],\"status\":%d,\"attempts\":%u}", i > 0 ? "," : "",
                     (unsigned long long)f->at_s, f->permille[0], f->permille[1], f->status,
                     f->attempts);
    }
    (void)printf("]}\n");
}

static int run_incidents(const struct simulation *s)
{
    struct fl_incident_list *list = calloc(1, sizeof(*list));
    struct fl_incident_report *report = calloc(1, sizeof(*report));
    struct fl_incident_options options = {s->seed, busy_gap_ms, quiet_gap_ms};
    struct fl_buf csv;
    char why[120] = "no memory";
    fl_buf_init(&csv, 16 << 20);
    bool ok = list && report;
    if (ok && fl_read_file(fl_slice_cstr(s->incidents), &csv)) {
        (void)snprintf(why, sizeof(why), "cannot be read");
        ok = false;
    }
    ok = ok && fl_incidents_read(fl_buf_slice(&csv), s->total, list, why) &&
         fl_incidents_replay(list, &options, report);
    if (!ok) {
        (void)fprintf(stderr, "fairlead simulate: %s: %s\n", s->incidents, why);
    } else if (s->json) {
        print_report_json(list, report);
    } else {
        print_report(list, report);
    }
    fl_buf_finish(&csv);
    free(list);
    free(report);
    return ok ? FL_EXIT_OK : FL_EXIT_FAILURE;
}

/* --- the command line --- */

enum { opt_chaos = 1000, opt_incidents, opt_self_test, opt_trace, opt_total };

static bool read_options(struct simulation *s, int argc, char **argv, int *ret_exit)
{
    static const struct option options[] = {{"chaos", no_argument, NULL, opt_chaos},
                                            {"seeds", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"exchanges", required_argument, NULL, 'e'},
                                            {"plan", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"incidents", required_argument, NULL, opt_incidents},
                                            {"total", no_argument, NULL, opt_total},
                                            {"self-test", no_argument, NULL, opt_self_test},
                                            {"trace", no_argument, NULL, opt_trace},
                                            {NULL, 0, NULL, 0}};
    bool seeds_given = false, seed_given = false;
    uint64_t n = 0;
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        bool number = c == 'n' || c == 's' || c == 'e';
        if (c == '?' || (number && (!fl_slice_u64(fl_slice_cstr(optarg), &n) || n == 0))) {
            *ret_exit = c == '?' ? FL_EXIT_USAGE
                                 : fl_usage_error("simulate", "'%s' is no positive number", optarg);
            return false;
        }
        seeds_given = seeds_given || c == 'n';
        seed_given = seed_given || c == 's';
        s->seeds = c == 'n' ? n : s->seeds;
        s->seed = c == 's' ? n : s->seed;
        s->exchanges = c == 'e' ? (unsigned)(n < 1000000 ? n : 1000000) : s->exchanges;
        s->plan = c == 'p' ? optarg : s->plan;
        s->incidents = c == opt_incidents ? optarg : s->incidents;
        s->json = s->json || c == 'j';
        s->total = s->total || c == opt_total;
        s->trace = s->trace || c == opt_trace;
        s->self_test = s->self_test || c == opt_self_test;
        s->chaos = s->chaos || c == opt_chaos || c == 'p' || c == opt_self_test;
    }
    if (seed_given && !seeds_given) {
        s->seeds = 1;
    }
    if (optind < argc) {
        *ret_exit = fl_usage_error("simulate", "unexpected '%s'", argv[optind]);
        return false;
    }
    if (s->chaos == (s->incidents != NULL)) {
        *ret_exit = fl_usage_error("simulate", "say --chaos or --incidents FILE");
        return false;
    }
    return true;
}

int fl_cli_simulate(int argc, char **argv)
{
    struct simulation s = {.seeds = seeds_usual, .seed = 1, .exchanges = exchanges_usual};
    int code = FL_EXIT_USAGE;
    if (!read_options(&s, argc, argv, &code)) {
        return code;
    }
    if (s.incidents) {
        return run_incidents(&s);
    }
    if (s.self_test) {
        return run_self_test(&s);
    }
    return s.plan ? run_plan(&s) : run_seeds(&s);
}

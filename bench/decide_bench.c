/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision costs: a request of 4 KB is read (JSON), understood (tokens, features, kind of task,
 * prefix) and routed over N targets. Best of several rounds, so that neighbours on the machine count as
 * little as they can. Percentiles are of single requests by the monotonic clock, of which a reading costs
 * tens of ns (the processor's own would cost a system call); the whole is timed in rounds of its own,
 * without a reading in its middle. Decisions a second are by processor time over a whole round.
 *
 *   bench_decide [STRATEGY [TARGETS]]
 */
#include "server/understand.h"
#include "unit/route/pool.h"

#include <time.h>

enum { requests = 20000, rounds = 7, body_bytes = 4000 };

enum stage { READ, UNDERSTAND, DECIDE, WHOLE, STAGES };

static double us_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double now_us(void)
{
    return us_of(CLOCK_MONOTONIC);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t make_body(char *body)
{
    static const char *const words[] = {"the",  "quick",  "routing", "of",        "requests", "between",
                                        "each", "price,", "however", "summaries", "latency",  "short."};
    size_t len = (size_t)sprintf(body, "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Summarize: ");
    for (unsigned i = 0; len < body_bytes; i++) {
        len += (size_t)sprintf(body + len, "%s ", words[i * 7 % 12]);
    }
    return len + (size_t)sprintf(body + len, "\"}]}");
}

static void warm(struct pool *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        p->targets[i].priced = true;
        p->targets[i].price_in = p->targets[i].price_cached = 1000000;
        p->targets[i].price_out = 2000000 + i * 1000;
    }
    for (unsigned i = 0; i < 20 * count; i++) {
        pool_try(p, i % count, FL_OK, (50 + i % 7) * MS);
    }
}

struct bench {
    struct pool p;
    struct fl_understanding u;
    struct fl_knowledge *k;
    char body[body_bytes + 256];
    size_t len;
    double us[STAGES][requests];
};

static void read_body(struct bench *b, struct fl_facts *facts)
{
    char decoded[256];
    struct fl_buf scratch;
    struct fl_reterr reterr;
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    if (fl_dialect_openai.read_request(FL_ENDPOINT_CHAT, fl_slice(b->body, b->len), &scratch, facts, &reterr)) {
        abort();
    }
}

static void understand(struct bench *b, const struct fl_facts *facts, struct fl_route_request *request)
{
    const struct fl_asker asker = {1, 2, 1000};
    fl_understand(&fl_dialect_openai, facts, &b->u);
    fl_understood_put(&b->u, b->k, &asker, &b->p.table, &b->p.route, request);
}

static void in_stages(struct bench *b, unsigned i)
{
    struct fl_facts facts;
    struct fl_route_request request = {.now_ns = b->p.now_ns += MS};
    double t0 = now_us();
    read_body(b, &facts);
    double t1 = now_us();
    understand(b, &facts, &request);
    double t2 = now_us();
    fl_route_plan(&b->p.table, &b->p.route, &request, &b->p.rng, &b->p.plan);
    double t3 = now_us();
    b->us[READ][i] = t1 - t0;
    b->us[UNDERSTAND][i] = t2 - t1;
    b->us[DECIDE][i] = t3 - t2;
}

static void whole(struct bench *b, unsigned i)
{
    struct fl_facts facts;
    struct fl_route_request request = {.now_ns = b->p.now_ns += MS};
    read_body(b, &facts);
    double t1 = now_us();
    understand(b, &facts, &request);
    fl_route_plan(&b->p.table, &b->p.route, &request, &b->p.rng, &b->p.plan);
    b->us[WHOLE][i] = now_us() - t1;
}

/* Understands and decides without a clock between; decisions a second. */
static double in_a_row(struct bench *b)
{
    struct fl_facts facts;
    read_body(b, &facts);
    double begun = us_of(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < requests; i++) {
        struct fl_route_request request = {.now_ns = b->p.now_ns += MS};
        understand(b, &facts, &request);
        fl_route_plan(&b->p.table, &b->p.route, &request, &b->p.rng, &b->p.plan);
    }
    return requests * 1e6 / (us_of(CLOCK_THREAD_CPUTIME_ID) - begun);
}

static void round_of(struct bench *b, void (*one)(struct bench *b, unsigned i))
{
    for (unsigned i = 0; i < requests; i++) {
        one(b, i);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[STAGES] = {"read (JSON)", "understand", "decide", "understand and decide"};
    static struct bench b;
    double best[STAGES][2], most = 0;
    struct fl_selection s = {.strategy = FL_STRATEGY_HYBRID};
    unsigned targets = argc > 2 ? (unsigned)atoi(argv[2]) : 64;
    if ((argc > 1 && !fl_selection_parse(fl_slice_cstr(argv[1]), &s)) || targets < 1 || targets > POOL_MAX) {
        (void)fprintf(stderr, "usage: bench_decide [STRATEGY [TARGETS]]\n");
        return 2;
    }
    pool_init(&b.p, targets, s.strategy, s.algorithm);
    warm(&b.p, targets);
    b.len = make_body(b.body);
    b.k = fl_knowledge_create();
    for (unsigned round = 0; round < rounds; round++) {
        double rate = in_a_row(&b);
        most = rate > most ? rate : most;
        round_of(&b, in_stages);
        round_of(&b, whole);
        for (unsigned stage = 0; stage < STAGES; stage++) {
            qsort(b.us[stage], requests, sizeof(double), ascending);
            double p50 = b.us[stage][requests / 2], p99 = b.us[stage][requests / 100 * 99];
            best[stage][0] = round == 0 || p50 < best[stage][0] ? p50 : best[stage][0];
            best[stage][1] = round == 0 || p99 < best[stage][1] ? p99 : best[stage][1];
        }
    }
    (void)printf("%s, %u targets, %zu bytes: microseconds            p50     p99\n", argc > 1 ? argv[1] : "hybrid",
                 targets, b.len);
    for (unsigned stage = 0; stage < STAGES; stage++) {
        (void)printf("  %-44s %7.2f %7.2f\n", names[stage], best[stage][0], best[stage][1]);
    }
    (void)printf("  %-44s %7.0f\n", "decisions a second of processor time", most);
    fl_knowledge_destroy(b.k);
    pool_finish(&b.p);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fairlead explain: which target a request would go to and why, without asking anybody. The same
 * engine on the same configuration; only what a running gateway has measured is not known here.
 */
#include "cli/cli.h"

#include "dialect/dialect.h"
#include "route/estimate.h"
#include "server/decisions.h"
#include "server/understand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct explain {
    const char *config_path, *prompt, *file, *model;
    struct fl_route_request request;
    bool json;
    struct fl_registry *registry;
    struct fl_config *config;
    struct fl_buf body, scratch;
    struct fl_facts facts;
};

/* --- what is asked --- */

static int bad(const char *option, const char *value, const char *allowed)
{
    return fl_usage_error("explain", "'%s' is not valid for %s; it takes %s", value, option, allowed);
}

static int set_strategy(struct explain *e, const char *value)
{
    struct fl_selection s;
    if (!fl_selection_parse(fl_slice_cstr(value), &s)) {
        return bad("--strategy", value, "hybrid, cost, performance, quality, ..., or an algorithm such as spd");
    }
    e->request.strategy_given = true;
    e->request.strategy = s.strategy;
    e->request.algorithm_given = s.algorithm_given;
    e->request.algorithm = s.algorithm;
    return FL_EXIT_OK;
}

static int set_option(struct explain *e, const char *option, const char *value)
{
    uint64_t e9 = 0;
    if (strcmp(option, "--strategy") == 0) {
        return set_strategy(e, value);
    }
    if (strcmp(option, "--tier") == 0) {
        return fl_tier_parse(fl_slice_cstr(value), &e->request.tier) ? FL_EXIT_OK
                                                                     : bad(option, value, "low, medium or high");
    }
    if (strcmp(option, "--max-cost") == 0) {
        e->request.max_cost_given = fl_slice_decimal_e9(fl_slice_cstr(value), &e9) && e9 < UINT64_MAX / 1000;
        e->request.max_cost_picousd = e9 * 1000;
        return e->request.max_cost_given ? FL_EXIT_OK : bad(option, value, "USD such as 0.01");
    }
    const struct {
        const char *name, *brief;
        const char **to;
    } texts[] = {{"--config", "-c", &e->config_path},
                 {"--prompt", "-p", &e->prompt},
                 {"--file", "-f", &e->file},
                 {"--model", "-m", &e->model}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(option, texts[i].name) == 0 || strcmp(option, texts[i].brief) == 0) {
            *texts[i].to = value;
            return FL_EXIT_OK;
        }
    }
    return fl_usage_error("explain", "unexpected '%s'", option);
}

static int read_arguments(struct explain *e, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            e->json = true;
            continue;
        }
        if (i + 1 == argc) {
            return fl_usage_error("explain", "unexpected '%s', or its value is missing", argv[i]);
        }
        int code = set_option(e, argv[i], argv[i + 1]);
        if (code != FL_EXIT_OK) {
            return code;
        }
        i++;
    }
    if (!e->prompt == !e->file) {
        return fl_usage_error("explain", "give either --prompt TEXT or -f FILE with a request's body");
    }
    return FL_EXIT_OK;
}

/* --- its facts --- */

static void make_body(struct explain *e)
{
    fl_buf_put_cstr(&e->body, "{\"model\":");
    fl_buf_put_json(&e->body, fl_slice_cstr(e->model ? e->model : "auto"));
    fl_buf_put_cstr(&e->body, ",\"messages\":[{\"role\":\"user\",\"content\":");
    fl_buf_put_json(&e->body, fl_slice_cstr(e->prompt));
    fl_buf_put_cstr(&e->body, "}]}");
}

static int read_request(struct explain *e)
{
    struct fl_reterr reterr = {0};
    if (e->prompt) {
        make_body(e);
    } else if (fl_read_file(fl_slice_cstr(e->file), &e->body)) {
        (void)fprintf(stderr, "fairlead explain: %s cannot be read\n", e->file);
        return FL_EXIT_FAILURE;
    }
    enum fl_err err = fl_dialect_openai.read_request(FL_ENDPOINT_CHAT, fl_buf_slice(&e->body), &e->scratch,
                                                     &e->facts, &reterr);
    if (err) {
        (void)fprintf(stderr, "fairlead explain: %s\n",
                      reterr.message[0] ? reterr.message : fl_err_text(err));
        return FL_EXIT_FAILURE;
    }
    if (e->model) {
        e->facts.model = fl_slice_cstr(e->model);
    }
    return FL_EXIT_OK;
}

static const struct fl_route *find_route(const struct explain *e)
{
    const struct fl_route *route = fl_route_find(&e->config->table, e->facts.model);
    struct fl_slice near = fl_route_suggest(&e->config->table, e->facts.model);
    if (!route) {
        (void)fprintf(stderr, "fairlead explain: the model '%.*s' does not exist here%s%.*s%s\n",
                      (int)e->facts.model.len, e->facts.model.ptr, near.len > 0 ? "; did you mean '" : "",
                      (int)near.len, near.ptr ? near.ptr : "", near.len > 0 ? "'?" : "");
    }
    return route;
}

/* --- the table --- */

static void print_usd(uint64_t picousd)
{
    (void)printf("%11.6f", (double)picousd / 1e12);
}

static void print_candidate(const struct explain *e, const struct fl_plan *plan, unsigned index)
{
    const struct fl_candidate *c = &plan->candidates[index];
    const struct fl_target *t = &e->config->table.targets[c->target];
    (void)printf("%c %-36.*s %-7s", index == 0 && plan->count > 0 ? '>' : ' ', (int)t->id.len, t->id.ptr,
                 t->tier == FL_TIER_UNKNOWN ? "-" : fl_tier_name(t->tier));
    if (c->priced) {
        print_usd(c->cost_p50);
        print_usd(c->cost_p90);
    } else {
        (void)printf("%11s%11s", "-", "-");
    }
    if (c->skip != FL_SKIP_NONE) {
        char text[80];
        struct fl_buf lacks;
        fl_buf_init_in(&lacks, text, sizeof(text));
        fl_needs_put(c->missing, &lacks);
        (void)printf("  out: %s%s%.*s", fl_skip_name(c->skip), lacks.len > 0 ? " " : "", (int)lacks.len, text);
    } else if (c->scored) {
        (void)printf("  %10.4g ", c->score);
        for (unsigned i = 0; i < plan->term_count; i++) {
            (void)printf(" %s=%.4g", plan->terms[i], c->terms[i]);
        }
    }
    (void)printf("\n");
}

static void print_others(const struct fl_plan *plan)
{
    unsigned shown[FL_SKIP_COUNT] = {0}, more = 0;
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        shown[plan->candidates[i].skip]++;
    }
    for (unsigned i = 1; i < FL_SKIP_COUNT; i++) {
        if (plan->skipped[i] > shown[i]) {
            (void)printf("%s%u %s", more++ == 0 ? "  further targets left out: " : ", ",
                         plan->skipped[i] - shown[i], fl_skip_name((enum fl_skip)i));
        }
    }
    (void)printf("%s", more > 0 ? "\n" : "");
}

static void print_choice(const struct explain *e, const struct fl_plan *plan)
{
    const struct fl_target *targets = e->config->table.targets;
    char text[1024];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    if (plan->err) {
        fl_plan_put_refusal(&e->config->table, plan, &e->request, &b);
        (void)printf("\nrefused: HTTP %d %s\n  %.*s\n", fl_err_status(plan->err), fl_err_name(plan->err),
                     (int)b.len, text);
        return;
    }
    const struct fl_target *won = &targets[plan->targets[0]];
    (void)printf("\nchosen: %.*s (%s)", (int)won->id.len, won->id.ptr, plan->why);
    if (plan->count > 1) {
        const struct fl_target *next = &targets[plan->targets[1]];
        (void)printf(", then %.*s", (int)next->id.len, next->id.ptr);
    }
    for (unsigned bit = 1; bit <= plan->relaxed; bit <<= 1) {
        if (plan->relaxed & bit) {
            (void)printf(", relaxed: %s", fl_relaxed_name(bit));
        }
    }
    (void)printf("\n");
}

static void print_table(const struct explain *e, const struct fl_plan *plan)
{
    const struct fl_route_request *r = &e->request;
    (void)printf("%.*s: strategy %s, %u considered\n", (int)plan->route->name.len, plan->route->name.ptr,
                 fl_strategy_name(plan->strategy), plan->considered);
    (void)printf("request: %s (%.0f %%), about %u tokens in, %u out (rarely more than %u)\n\n",
                 fl_task_name(r->task), 100 * r->task_probability[r->task], r->tokens_in, r->tokens_out_p50,
                 r->tokens_out_p90);
    (void)printf("  %-36s %-7s%11s%11s  %10s\n", "target", "tier", "USD", "USD (p90)", "score");
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        print_candidate(e, plan, i);
    }
    print_others(plan);
    print_choice(e, plan);
}

static int explain(struct explain *e)
{
    struct fl_rng rng;
    struct fl_decision *d = calloc(1, sizeof(*d));
    struct fl_understanding *u = calloc(1, sizeof(*u));
    struct fl_knowledge *k = fl_knowledge_create();
    const struct fl_route *route = find_route(e);
    if (!route || !d || !u || !k) {
        free(d);
        free(u);
        fl_knowledge_destroy(k);
        return FL_EXIT_FAILURE;
    }
    const struct fl_asker asker = {.now_s = 1};
    fl_rng_seed(&rng, 1);
    e->request.now_ns = UINT64_C(1000000000);
    e->request.when_s = (int64_t)time(NULL);
    if (e->config->classifier_given) {
        u->classifier = e->config->classifier;
        u->ready = true;
    }
    fl_understand(&fl_dialect_openai, &e->facts, u);
    fl_understood_put(u, k, &asker, &e->config->table, route, &e->request);
    fl_route_plan(&e->config->table, route, &e->request, &rng, &d->choice.plan);
    if (e->json) {
        struct fl_buf b;
        fl_buf_init(&b, 1024 * 1024);
        d->choice.config = e->config;
        fl_choice_note(&d->choice, &e->request);
        size_t len = e->facts.model.len < sizeof(d->model) ? e->facts.model.len : sizeof(d->model) - 1;
        memcpy(d->model, e->facts.model.ptr, len);
        fl_decision_put_json(d, &b);
        fl_buf_putc(&b, '\n');
        fl_write_all(STDOUT_FILENO, fl_buf_slice(&b));
        fl_buf_finish(&b);
    } else {
        print_table(e, &d->choice.plan);
    }
    int code = d->choice.plan.err ? FL_EXIT_FAILURE : FL_EXIT_OK;
    free(d);
    free(u);
    fl_knowledge_destroy(k);
    return code;
}

int fl_cli_explain(int argc, char **argv)
{
    struct explain e = {.registry = fl_registry_create()};
    char path[4096];
    int code = e.registry ? read_arguments(&e, argc, argv) : FL_EXIT_FAILURE;
    fl_buf_init(&e.body, (size_t)64 * 1024 * 1024);
    fl_buf_init(&e.scratch, 4096);
    if (code == FL_EXIT_OK) {
        bool found = fl_find_config(e.config_path, path, sizeof(path));
        struct fl_config_env env = fl_process_env(e.registry, (struct fl_hash_key){1, 2});
        env.catalog = fl_load_catalog();
        code = !env.catalog || fl_load_config(found ? path : NULL, &env, false, &e.config) ? FL_EXIT_CONFIG
                                                                                           : read_request(&e);
        fl_catalog_unref(env.catalog);
    }
    if (code == FL_EXIT_OK) {
        code = explain(&e);
    }
    fl_config_unref(e.config);
    fl_registry_destroy(e.registry);
    fl_buf_finish(&e.body);
    fl_buf_finish(&e.scratch);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/gateway.h"

#include "base/hash.h"

#include <stdlib.h>

static bool no_variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    (void)owner;
    (void)name;
    (void)ret_value;
    return false;
}

static enum fl_err no_file(void *owner, struct fl_slice path, struct fl_buf *ret)
{
    (void)owner;
    (void)path;
    (void)ret;
    return FL_ERR_FILE;
}

static void know_target(struct fl_simgateway *g, const struct fl_target *t)
{
    for (unsigned i = 0; i < g->target_count; i++) {
        if (g->targets[i].state == t->state) {
            return;
        }
    }
    if (g->target_count < FL_SIMGATEWAY_TARGETS_MAX) {
        g->target_ids[g->target_count] = fl_slice_dup(t->id);
        g->targets[g->target_count++] = *t;
    }
}

static bool load(struct fl_simgateway *g, struct fl_slice yaml, struct fl_buf *ret_why)
{
    struct fl_findings findings;
    struct fl_reterr reterr = {.err = FL_OK};
    struct fl_config_env env = {.variable = no_variable,
                                .file = no_file,
                                .registry = g->registry,
                                .hash_key = {1, 2}};
    struct fl_config *config = NULL;
    struct fl_snapshot *made = NULL;
    fl_findings_init(&findings);
    enum fl_err err = fl_config_load(yaml, FL_LIT("simulated"), &env, &config, &findings);
    if (err) {
        fl_findings_put(&findings, FL_LIT("simulated"), yaml, ret_why);
    } else {
        err = fl_snapshot_create(config, &made, &reterr);
        fl_buf_put_cstr(ret_why, reterr.message);
    }
    fl_findings_finish(&findings);
    if (err) {
        return false;
    }
    fl_snapshot_unref(g->snapshot);
    g->snapshot = made;
    g->config = config;
    for (unsigned i = 0; i < config->table.target_count; i++) {
        know_target(g, &config->table.targets[i]);
    }
    return true;
}

bool fl_simgateway_open(struct fl_simgateway *g, struct fl_world *world, struct fl_slice yaml,
                        unsigned workers, uint64_t seed, unsigned decisions_kept,
                        struct fl_buf *ret_why)
{
    *g = (struct fl_simgateway){.world = world, .registry = fl_registry_create()};
    fl_buf_init(ret_why, 65536);
    g->decisions = fl_decisions_create(workers, decisions_kept);
    g->memory = fl_memory_create();
    g->replays = fl_replays_create();
    if (!g->registry || !g->decisions || !g->memory || !g->replays || !load(g, yaml, ret_why)) {
        fl_simgateway_close(g);
        return false;
    }
    for (unsigned i = 0; i < workers; i++) {
        struct fl_worker_options options = {
            .index = i, .seed = seed + i, .memory = g->memory, .replays = g->replays, .decisions = g->decisions};
        g->nodes[i] = fl_world_sys(world, "10.0.0.1");
        if (fl_worker_create(g->nodes[i], g->snapshot, options, &g->workers[i])) {
            fl_simgateway_close(g);
            return false;
        }
        g->worker_count++;
        if (fl_worker_listen(g->workers[i], NULL)) {
            fl_simgateway_close(g);
            return false;
        }
    }
    return true;
}

bool fl_simgateway_reload(struct fl_simgateway *g, struct fl_slice yaml, struct fl_buf *ret_why)
{
    fl_buf_init(ret_why, 65536);
    if (!load(g, yaml, ret_why)) {
        return false;
    }
    for (unsigned i = 0; i < g->worker_count; i++) {
        fl_worker_adopt(g->workers[i], g->snapshot);
    }
    return true;
}

void fl_simgateway_close(struct fl_simgateway *g)
{
    for (unsigned i = 0; i < g->worker_count; i++) {
        fl_worker_destroy(g->workers[i]);
    }
    g->worker_count = 0;
    fl_snapshot_unref(g->snapshot);
    g->snapshot = NULL;
    fl_decisions_destroy(g->decisions);
    g->decisions = NULL;
    fl_memory_destroy(g->memory);
    g->memory = NULL;
    fl_replays_destroy(g->replays);
    g->replays = NULL;
    fl_registry_destroy(g->registry);
    g->registry = NULL;
    for (unsigned i = 0; i < g->target_count; i++) {
        free(g->target_ids[i]);
    }
    g->target_count = 0;
}

const char *fl_simgateway_check(const struct fl_simgateway *g)
{
    unsigned open = 0, in_flight = 0;
    for (unsigned i = 0; i < g->worker_count; i++) {
        struct fl_worker_stats s;
        fl_worker_check(g->workers[i]);
        fl_worker_read(g->workers[i], &s);
        open += s.attempts_open;
        if (s.exchanges != s.answered + s.failed + s.cancelled + s.exchanges_open) {
            return "exchanges begun = answered + failed + cancelled + open";
        }
    }
    for (unsigned i = 0; i < g->target_count; i++) {
        struct fl_target_view v;
        fl_target_read(&g->targets[i], fl_world_now(g->world), &v);
        if (v.begun != v.succeeded + v.failed + v.uncounted + v.in_flight) {
            return "attempts begun = ended + in flight, of each target";
        }
        in_flight += v.in_flight;
    }
    return in_flight == open ? NULL : "requests in flight = attempts open";
}

struct fl_worker_stats fl_simgateway_stats(const struct fl_simgateway *g)
{
    struct fl_worker_stats sum = {0};
    for (unsigned i = 0; i < g->worker_count; i++) {
        struct fl_worker_stats s;
        fl_worker_read(g->workers[i], &s);
        sum.sessions += s.sessions;
        sum.exchanges += s.exchanges;
        sum.attempts += s.attempts;
        sum.answered += s.answered;
        sum.failed += s.failed;
        sum.cancelled += s.cancelled;
        sum.failovers += s.failovers;
        sum.stale_retries += s.stale_retries;
        sum.heartbeats += s.heartbeats;
        sum.sessions_open += s.sessions_open;
        sum.exchanges_open += s.exchanges_open;
        sum.attempts_open += s.attempts_open;
        sum.connections_open += s.connections_open;
        sum.connections_idle += s.connections_idle;
    }
    return sum;
}

bool fl_simgateway_target(const struct fl_simgateway *g, const char *id,
                          struct fl_target_view *ret_view)
{
    for (unsigned i = 0; i < g->target_count; i++) {
        if (strcmp(g->target_ids[i], id) == 0) {
            fl_target_read(&g->targets[i], fl_world_now(g->world), ret_view);
            return true;
        }
    }
    return false;
}

uint64_t fl_simgateway_decided(const struct fl_simgateway *g)
{
    struct fl_buf b;
    fl_buf_init(&b, 64 << 20);
    fl_decisions_put_list(g->decisions, 1000000, &b);
    uint64_t hash = fl_hash((struct fl_hash_key){3, 4}, fl_buf_slice(&b));
    fl_buf_finish(&b);
    return hash;
}

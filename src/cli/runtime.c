/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers on threads: each has a loop, a server worker and a thread of its own. What crosses threads is
 * posted to a loop: snapshots (ref-counted, immutable), drain, stop.
 */
#include "cli/cli.h"

#include "net/net.h"
#include "server/decisions.h"
#include "server/memory.h"
#include "server/quality.h"
#include "server/replay.h"
#include "server/understand.h"

#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct crew {
    struct fl_runtime *runtime;
    struct fl_net *net;
    struct fl_worker *worker;
    pthread_t thread;
    bool running;
};

struct fl_runtime {
    unsigned count;
    atomic_uint undrained;
    void (*drained)(void *owner);
    void *drained_owner;
    struct fl_addr addr;
    struct fl_decisions *decisions;
    struct fl_knowledge *knowledge;
    struct fl_lessons *lessons;
    struct fl_memory *memory;
    struct fl_replays *replays;
    struct crew crews[];
};

static void access_to_stderr(struct fl_slice lines)
{
    fl_write_all(STDERR_FILENO, lines);
}

static void *thread_main(void *owner)
{
    struct crew *c = owner;
    fl_net_run(c->net);
    return NULL;
}

static enum fl_err start_crew(struct crew *c, struct fl_snapshot *snapshot, unsigned index,
                              const struct fl_runtime_options *o, struct fl_addr *ret_addrs)
{
    struct fl_worker_options options = {
        .index = index,
        .seed = o->seed + index,
        .access = o->quiet_access ? NULL : access_to_stderr,
        .knowledge = c->runtime->knowledge,
        .lessons = c->runtime->lessons,
        .memory = c->runtime->memory,
        .replays = c->runtime->replays,
        .decisions = c->runtime->decisions,
        .file = fl_read_file};
    enum fl_err err = fl_net_create(&c->net);
    if (err) {
        return err;
    }
    struct fl_sys *sys = fl_net_sys(c->net);
    if (o->seed == 0) {
        sys->ops->entropy(sys, &options.seed, sizeof(options.seed));
    }
    err = fl_worker_create(sys, snapshot, options, &c->worker);
    return err ? err : fl_worker_listen(c->worker, ret_addrs);
}

/* Workers after the first listen where the first was bound: with port 0 the kernel chose. */
static void fix_ports(struct fl_config *config, const struct fl_addr *bound)
{
    struct fl_listen *fixed = fl_arena_take(&config->arena, sizeof(*fixed) * config->listen_count);
    for (unsigned i = 0; fixed && i < config->listen_count; i++) {
        fixed[i] = config->listens[i];
        fixed[i].addr = bound[i];
    }
    config->listens = fixed ? fixed : config->listens;
}

static unsigned worker_count(const struct fl_config *c, unsigned wanted)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = wanted > 0 ? wanted : c->workers;
    if (count == 0) {
        count = cores > 0 ? (unsigned)cores : 1;
    }
    return count < 256 ? count : 256;
}

static enum fl_err start_all(struct fl_runtime *r, struct fl_config *config, struct fl_snapshot *snapshot,
                             const struct fl_runtime_options *options)
{
    struct fl_addr *bound = calloc(config->listen_count + 1, sizeof(*bound));
    enum fl_err err = bound ? FL_OK : FL_ERR_NOMEM;
    for (unsigned i = 0; !err && i < r->count; i++) {
        r->crews[i].runtime = r;
        err = start_crew(&r->crews[i], snapshot, i, options, bound);
        if (!err && i == 0) {
            r->addr = bound[0];
            fix_ports(config, bound);
        }
    }
    for (unsigned i = 0; !err && i < r->count; i++) {
        err = pthread_create(&r->crews[i].thread, NULL, thread_main, &r->crews[i]) ? FL_ERR_SYS : FL_OK;
        r->crews[i].running = !err;
    }
    free(bound);
    return err;
}

static void report_start(const struct fl_config *config, enum fl_err err)
{
    if (err == FL_ERR_NOMEM || config->listen_count == 0) {
        (void)fprintf(stderr, "fairlead: error: cannot start: %s\n", fl_err_text(err));
        return;
    }
    (void)fprintf(stderr, "fairlead: error: cannot listen on ");
    for (unsigned i = 0; i < config->listen_count; i++) {
        struct fl_slice text = config->listens[i].text;
        (void)fprintf(stderr, "%s%.*s", i > 0 ? ", " : "", (int)text.len, text.ptr);
    }
    (void)fprintf(stderr, ": %s (is another program using the port?)\n", fl_err_text(err));
}

static void free_shared(struct fl_runtime *r)
{
    fl_decisions_destroy(r->decisions);
    fl_knowledge_destroy(r->knowledge);
    fl_lessons_destroy(r->lessons);
    fl_memory_destroy(r->memory);
    fl_replays_destroy(r->replays);
    free(r);
}

enum fl_err fl_runtime_start(struct fl_config *config, struct fl_runtime_options options,
                             struct fl_runtime **ret_runtime)
{
    struct fl_snapshot *snapshot;
    struct fl_reterr reterr = {0};
    unsigned count = worker_count(config, options.workers);
    struct fl_runtime *r = calloc(1, sizeof(*r) + count * sizeof(struct crew));
    if (!r) {
        fl_config_unref(config);
        return FL_ERR_NOMEM;
    }
    r->count = count;
    r->decisions = fl_decisions_create(count, config->decisions_kept);
    r->knowledge = fl_knowledge_create();
    r->lessons = fl_lessons_create();
    r->memory = fl_memory_create();
    r->replays = fl_replays_create();
    if (!r->decisions || !r->knowledge || !r->lessons || !r->memory || !r->replays ||
        fl_lessons_adopt(r->lessons, config)) {
        fl_config_unref(config);
        free_shared(r);
        return FL_ERR_NOMEM;
    }
    enum fl_err err = fl_snapshot_create(config, &snapshot, &reterr);
    if (err) {
        (void)fprintf(stderr, "fairlead: error: %s\n", reterr.message[0] ? reterr.message : fl_err_text(err));
        free_shared(r);
        return err;
    }
    err = start_all(r, config, snapshot, &options);
    if (err) {
        report_start(config, err);
        fl_runtime_stop(r);
    } else {
        *ret_runtime = r;
    }
    fl_snapshot_unref(snapshot);
    return err;
}

struct fl_addr fl_runtime_addr(const struct fl_runtime *r)
{
    return r->addr;
}

unsigned fl_runtime_workers(const struct fl_runtime *r)
{
    return r->count;
}

/* --- messages to the loops --- */

struct adoption {
    struct fl_worker *worker;
    struct fl_snapshot *snapshot;
};

static void adopt(void *owner)
{
    struct adoption *a = owner;
    fl_worker_adopt(a->worker, a->snapshot);
    fl_snapshot_unref(a->snapshot);
    free(a);
}

enum fl_err fl_runtime_reload(struct fl_runtime *r, struct fl_config *config)
{
    struct fl_snapshot *snapshot;
    struct fl_reterr reterr = {0};
    enum fl_err err = fl_snapshot_create(config, &snapshot, &reterr);
    if (err) {
        fl_log(FL_LOG_ERROR, "reload: %s", reterr.message[0] ? reterr.message : fl_err_text(err));
        return err;
    }
    if (fl_lessons_adopt(r->lessons, fl_snapshot_config(snapshot))) {
        fl_log(FL_LOG_ERROR, "reload: no memory for what is learned of quality");
    }
    for (unsigned i = 0; i < r->count; i++) {
        struct adoption *a = malloc(sizeof(*a));
        if (a) {
            *a = (struct adoption){r->crews[i].worker, fl_snapshot_ref(snapshot)};
        }
        if (!a || !fl_net_post(r->crews[i].net, adopt, a)) {
            err = FL_ERR_NOMEM;
        }
    }
    fl_snapshot_unref(snapshot);
    return err;
}

static void worker_drained(void *owner)
{
    struct fl_runtime *r = owner;
    if (atomic_fetch_sub(&r->undrained, 1) == 1) {
        r->drained(r->drained_owner);
    }
}

static void drain(void *owner)
{
    struct crew *c = owner;
    fl_worker_drain(c->worker, worker_drained, c->runtime);
}

void fl_runtime_drain(struct fl_runtime *r, void (*drained)(void *owner), void *owner)
{
    r->drained = drained;
    r->drained_owner = owner;
    atomic_store(&r->undrained, r->count);
    for (unsigned i = 0; i < r->count; i++) {
        (void)fl_net_post(r->crews[i].net, drain, &r->crews[i]);
    }
}

static void stop(void *owner)
{
    struct crew *c = owner;
    fl_worker_destroy(c->worker);
    c->worker = NULL;
    fl_net_stop(c->net);
}

void fl_runtime_stop(struct fl_runtime *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        if (r->crews[i].running) {
            (void)fl_net_post(r->crews[i].net, stop, &r->crews[i]);
        }
    }
    for (unsigned i = 0; i < r->count; i++) {
        if (r->crews[i].running) {
            (void)pthread_join(r->crews[i].thread, NULL);
        }
        fl_worker_destroy(r->crews[i].worker);
        fl_net_destroy(r->crews[i].net);
    }
    free_shared(r);
}

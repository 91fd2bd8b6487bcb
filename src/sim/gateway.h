/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real server in a world: a registry, a configuration, workers at 10.0.0.1:80. What the tests'
 * rig is to cmocka, this is to programs that want a verdict: what does not hold is told, not
 * asserted (but for what the server asserts of itself).
 *
 *   open -> serve -> (reload)* -> close
 */
#ifndef FL_SIM_GATEWAY_H
#define FL_SIM_GATEWAY_H

#include "server/decisions.h"
#include "server/memory.h"
#include "server/replay.h"
#include "server/server.h"
#include "sim/world.h"

enum { FL_SIMGATEWAY_WORKERS_MAX = 4, FL_SIMGATEWAY_TARGETS_MAX = 32 };

struct fl_simgateway {
    struct fl_world *world;
    struct fl_registry *registry;
    struct fl_snapshot *snapshot; /* the newest */
    const struct fl_config *config; /* of that */
    struct fl_sys *nodes[FL_SIMGATEWAY_WORKERS_MAX];
    struct fl_worker *workers[FL_SIMGATEWAY_WORKERS_MAX];
    unsigned worker_count;
    struct fl_decisions *decisions;
    struct fl_memory *memory;
    struct fl_replays *replays;
    /* Of every snapshot so far, by state; what they name lives in the registry. */
    struct fl_target targets[FL_SIMGATEWAY_TARGETS_MAX];
    char *target_ids[FL_SIMGATEWAY_TARGETS_MAX];
    unsigned target_count;
};

/* Loads *yaml*, whose "listen" should be 10.0.0.1:80, and serves it by so many workers. False: the
 * file is wrong, there is no memory, or no listening; *ret_why* (not initialised) says what. */
bool fl_simgateway_open(struct fl_simgateway *g, struct fl_world *world, struct fl_slice yaml,
                        unsigned workers, uint64_t seed, unsigned decisions_kept,
                        struct fl_buf *ret_why);
/* False: *yaml* is wrong, and nothing has changed. */
bool fl_simgateway_reload(struct fl_simgateway *g, struct fl_slice yaml, struct fl_buf *ret_why);
/* Ends all at once. Needs the world alive. */
void fl_simgateway_close(struct fl_simgateway *g);

/* Between two events: what can be seen of the invariants. NULL: all hold; else which does not.
 * fl_worker_check() asserts what it asserts. */
const char *fl_simgateway_check(const struct fl_simgateway *g);
/* Of all workers. */
struct fl_worker_stats fl_simgateway_stats(const struct fl_simgateway *g);
/* By "provider/model"; false: there never was one. */
bool fl_simgateway_target(const struct fl_simgateway *g, const char *id,
                          struct fl_target_view *ret_view);
/* A hash over the decision records that are kept. */
uint64_t fl_simgateway_decided(const struct fl_simgateway *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real server in the simulator, for scenario tests: a world, the server's workers
 * at 10.0.0.1:80, room for providers at 10.0.1.1:80, 10.0.1.2:80 ... and for clients at 10.0.2.1
 * ... The invariants of ARCHITECTURE.md that can be seen from outside are asserted after every step
 * of the world, and rig_close() asserts that nothing is left open.
 *
 *   rig_open -> [rig_exact] -> rig_serve -> (cases) -> rig_close
 *
 * FL_SIM_TRACE=1 prints everything that happens in the world.
 */
#ifndef FL_TESTS_SIM_RIG_H
#define FL_TESTS_SIM_RIG_H

#include "unit/cm.h"

#include "base/clock.h"
#include "server/memory.h"
#include "server/replay.h"
#include "server/server.h"
#include "sim/client.h"
#include "sim/provider.h"
#include "sim/world.h"

enum { rig_workers_max = 2, rig_clients_max = 64, rig_targets_max = 16 };

struct rig {
    char what[160]; /* the case that is run; told when an assertion of the rig's fails */
    struct fl_world *world;
    struct fl_registry *registry;
    struct fl_memory *memory;       /* of responses; shared by the workers */
    struct fl_replays *replays;
    struct fl_snapshot *snapshot;   /* the newest */
    const struct fl_config *config; /* of that */
    struct fl_sys *nodes[rig_workers_max];
    struct fl_worker *workers[rig_workers_max];
    unsigned worker_count;
    uint64_t seed;
    struct fl_target
        targets[rig_targets_max]; /* of every snapshot so far; only the states are used */
    unsigned target_count;
    struct fl_sys *client_nodes[rig_clients_max];
    bool watches_heap;
    uint64_t heap_from, heap_peak;
};

/* What a rig's configuration says beside the addresses. */
struct rig_setup {
    unsigned providers;   /* p0, p1, ... each with model m; "chat" tries them in this order */
    const char *provider; /* more keys of each provider: ", connections: 1"; NULL: none */
    const char *more;     /* more lines of the file; NULL: none */
    bool checked;         /* providers are checked actively; without it an upstream sees requests only */
};

/* What every file says, whatever its name; NULL: there is none. */
extern const char *rig_file_text;

void rig_open(struct rig *r, uint64_t seed);
/* From now on every connection takes 1 ms one way, gives bytes as they were written, holds 64 KiB a
 * way. */
void rig_exact(struct rig *r);
void rig_serve(struct rig *r, const struct rig_setup *setup, unsigned workers);
/* Asserts the invariants; called after every step. */
void rig_check_step(void *rig);
/* rig_serve() with a whole file. */
void rig_serve_file(struct rig *r, struct fl_slice yaml, unsigned workers);
/* All workers take up the configuration of *yaml*. */
void rig_reload_file(struct rig *r, struct fl_slice yaml);
/* Destroys the workers and asserts that no connection of theirs is left. Providers and clients must
 * be gone, or be destroyed between rig_stop() and rig_close(). */
void rig_stop(struct rig *r);
void rig_close(struct rig *r);

/* --- looking in --- */

struct fl_target_view rig_target(const struct rig *r, const char *id); /* "p0/m" */
struct fl_worker_stats rig_stats(const struct rig *r);                 /* of all workers */
bool rig_idle(void *rig); /* no session, exchange or attempt is open; for fl_world_run_until() */
/* Heap bytes in use by the whole test program, the simulator's included. */
uint64_t rig_heap_bytes(void);
/* From now on, looks at them after every step. */
void rig_watch_heap(struct rig *r);
/* By how many they have been more than then, at most. */
uint64_t rig_heap_growth(const struct rig *r);
/* The number in an environment variable. */
uint64_t rig_number(const char *variable, uint64_t otherwise);

/* --- clients --- */

/* A client at 10.0.2.<index + 1>; NULL options: nothing special. */
struct fl_simclient *rig_client(struct rig *r, unsigned index,
                                const struct fl_simclient_options *options);
/* POST /v1/chat/completions in HTTP/1.<minor> for model "chat". */
void rig_post(struct fl_simclient *c, int minor, bool stream, const char *headers);
/* Runs until the client has its answers, at most *ns*. */
void rig_settle(struct rig *r, struct fl_simclient *c, uint64_t ns);
/* Destroys the client and runs until the server has nothing open; asserts that it got no surplus.
 */
void rig_leave(struct rig *r, struct fl_simclient *c);

/* --- asserting, with the case's name --- */

void rig_say(struct rig *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rig_checked(const struct rig *r, bool ok, const char *text, const char *file, int line);
void rig_equal_(const struct rig *r, uint64_t got, uint64_t wanted, const char *text,
                const char *file, int line);
#define rig_check(r, ok) rig_checked((r), (ok), #ok, __FILE__, __LINE__)
#define rig_equal(r, got, wanted)                                                                  \
    rig_equal_((r), (uint64_t)(got), (uint64_t)(wanted), #got " == " #wanted, __FILE__, __LINE__)

bool rig_has(struct fl_slice text, const char *part);
/* A whole answer of *status* with an error envelope of *code*. */
void rig_check_error(const struct rig *r, const struct fl_simanswer *a, int status,
                     const char *code);
/* A stream that broke: the head said 200, the last event is an error of *code*, no [DONE], and
 * where the framing can tell (HTTP/1.1), it is not complete. */
void rig_check_broken(const struct rig *r, const struct fl_simanswer *a, int minor,
                      const char *code);
/* A whole answer of 200 that says *text*. */
void rig_check_text(const struct rig *r, const struct fl_simanswer *a, const char *text);

#endif

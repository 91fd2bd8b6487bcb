/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfairlead: the engine behind a C interface whose manual is include/fairlead/fairlead.h.
 *
 *   setup.c     what the caller says, kept as it was said
 *   snapshot.c  a setup -> one immutable table, counted by reference
 *   engine.c    what is shared: the snapshot in force, what is measured and learned
 *   request.c   keys and messages -> struct fl_route_request
 *   decision.c  plans, attempts, outcomes
 *   keys.c      tables of keys, and texts of errors
 */
#ifndef FL_LIB_INTERNAL_H
#define FL_LIB_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "route/route.h"
#include "route/state.h"
#include "route/understand.h"

/* What the header declares is what the library exports. */
#pragma GCC visibility push(default)
#include "fairlead/fairlead.h"
#pragma GCC visibility pop

/* --- Keys --- */

struct fl_lib_key {
    const char *name;
    double least, most;
    bool whole; /* no fractions */
};

/* The row of *key*, or -1. */
int fl_lib_key_find(const struct fl_lib_key *keys, unsigned count, const char *key);
/* Is *value* within the row's range? */
bool fl_lib_key_admits(const struct fl_lib_key *key, double value);
/* "tools, vision" -> FL_NEED_ bits. */
bool fl_lib_needs_parse(const char *text, uint32_t *ret_needs);
/* The next word of a list with commas, trimmed; false at its end. */
bool fl_lib_next_word(struct fl_slice *io_list, struct fl_slice *ret_word);

/* A sentence of a fixed size: pieces up to NULL, always terminated. */
struct fl_lib_text {
    char text[320];
};
void fl_lib_say(struct fl_lib_text *t, const char *const *pieces);
#define fl_lib_sentence(t, ...) fl_lib_say(t, (const char *const[]){__VA_ARGS__, NULL})

/* --- Setup --- */

enum {
    FL_LIB_TARGETS_MAX = FL_UNDERSTOOD_TARGETS,
    FL_LIB_ROUTES_MAX = 4096,
    FL_LIB_NAME_MAX = 250
};

enum fl_lib_target_key {
    FL_LIB_WEIGHT,
    FL_LIB_MULTIPLIER,
    FL_LIB_BONUS,
    FL_LIB_INPUT,
    FL_LIB_OUTPUT,
    FL_LIB_CACHED,
    FL_LIB_CONTEXT,
    FL_LIB_LONGEST,
    FL_LIB_DISABLED,
    FL_LIB_TARGET_KEYS
};

struct fl_lib_target {
    struct fl_slice id;           /* in the setup's arena */
    const struct fl_model *known; /* the catalogue's; NULL: nothing */
    bool own;                     /* its prices are this provider's */
    uint32_t given;               /* bit 1 << enum fl_lib_target_key */
    double number[FL_LIB_TARGET_KEYS];
    enum fl_tier tier; /* UNKNOWN: not given */
    bool lacks_given;
    uint32_t lacks;
};

struct fl_lib_list { /* of indexes of targets */
    unsigned *items; /* heap */
    unsigned count, cap;
};

struct fl_lib_route {
    struct fl_slice name;
    struct fl_selection selection;
    struct fl_lib_list primaries, fallbacks, preferred[FL_TASK_COUNT];
    enum fl_tier tier;
    double max_cost_usd;
};

struct fairlead_setup {
    struct fl_catalog *catalog;
    struct fl_arena arena;
    struct fl_lib_target *targets; /* heap */
    unsigned target_count, target_cap;
    struct fl_lib_route *routes; /* heap */
    unsigned route_count, route_cap;
    struct fl_health_policy health;
    struct fl_route_settings settings;
    struct fl_lib_text error;
};

/* --- Snapshot --- */

struct fl_lib_snapshot {
    atomic_uint refs;
    struct fl_arena arena;
    struct fl_catalog *catalog;
    struct fl_table table;
};

/* One reference; NULL: *error* says why, and *ret_status* how. */
struct fl_lib_snapshot *fl_lib_snapshot_create(const struct fairlead_setup *setup,
                                               struct fl_registry *registry, int *ret_status,
                                               struct fl_lib_text *error);
void fl_lib_snapshot_unref(struct fl_lib_snapshot *s); /* NULL is fine */

/* --- Engine --- */

struct fairlead {
    struct fl_registry *registry;
    struct fl_knowledge *knowledge;
    uint64_t seed;
    _Atomic uint64_t decisions; /* made so far */
    struct fl_hash_key hash_key;
    struct fl_lock lock; /* of: */
    struct fl_lib_snapshot *current;
};

/* A reference; NULL: none is in force. */
struct fl_lib_snapshot *fl_lib_current(struct fairlead *f);

/* --- Request --- */

enum fl_lib_request_key {
    FL_LIB_MAX_TOKENS,
    FL_LIB_MAX_COST,
    FL_LIB_TOKENS_IN,
    FL_LIB_DEADLINE,
    FL_LIB_STREAM,
    FL_LIB_UNIX,
    FL_LIB_REQUEST_KEYS
};

struct fl_lib_name {
    char text[256];
    size_t len;
};

struct fairlead_request {
    struct fl_understanding u;
    bool whole; /* the text was read to its end */
    uint32_t given;
    double number[FL_LIB_REQUEST_KEYS];
    struct fl_lib_name client, session;
    enum fl_tier tier;
    bool strategy_given;
    struct fl_selection selection;
    uint32_t needs;
};

/* What the engine is asked; points into *r*. */
struct fl_route_request fl_lib_request_ask(struct fairlead_request *r, const struct fairlead *f,
                                           const struct fl_table *t, const struct fl_route *route,
                                           const struct fl_asker *asker);
/* Of the tokens that are learned from: none where the caller counted. */
void fl_lib_request_keep(const struct fairlead_request *r, struct fl_expected *ret);

#endif

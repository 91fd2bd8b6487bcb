/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routing engine: which targets, in which order, and why. Pure: no clock, no lock of the
 * system's, no I/O, no allocation while deciding; the same seed and inputs give the same plan.
 *
 *   struct fl_table          immutable: targets and routes of one configuration snapshot
 *   struct fl_target_state   what is measured of a target; shared by all workers and by successive
 *                            snapshots; atomics, and a spin flag held for nanoseconds; lives in a
 *                            registry
 *   struct fl_plan           the ordered targets of one request with the reason of the choice
 *
 *   fl_route_plan(table, route, request, rng, &plan)
 *   for each attempt:
 *       fl_route_begin(target)
 *       fl_route_first_byte(target)         when one comes
 *       fl_route_end(target, outcome)
 *
 * begin and end come exactly once each for an attempt, in this order.
 *
 * A policy is one row in policies.c and never sees a socket; every outcome comes back through
 * fl_route_end().
 */
#ifndef FL_ROUTE_ROUTE_H
#define FL_ROUTE_ROUTE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/slice.h"
#include "route/catalog/catalog.h"

enum {
    FL_PLAN_MAX = 16,          /* targets of one plan */
    FL_ROUTE_TARGETS_MAX = 256 /* targets of a route looked at for one plan; of a longer route a
                                  window that starts at random */
};

/* X(id, name) */
#define FL_STRATEGIES(X)                                                                           \
    X(FL_STRATEGY_HYBRID, "hybrid")                                                                \
    X(FL_STRATEGY_COST, "cost")                                                                    \
    X(FL_STRATEGY_PERFORMANCE, "performance")                                                      \
    X(FL_STRATEGY_LOAD_BALANCE, "load_balance")
#define FL_ALGORITHMS(X)                                                                           \
    X(FL_WEIGHTED_ROUND_ROBIN, "weighted_round_robin")                                             \
    X(FL_ROUND_ROBIN, "round_robin")                                                               \
    X(FL_LEAST_CONNECTIONS, "least_connections")                                                   \
    X(FL_LEAST_RESPONSE_TIME, "least_response_time")                                               \
    X(FL_IP_HASH, "ip_hash")

enum fl_strategy {
#define X(id, name) id,
    FL_STRATEGIES(X)
#undef X
        FL_STRATEGY_COUNT
};
enum fl_algorithm {
#define X(id, name) id,
    FL_ALGORITHMS(X)
#undef X
        FL_ALGORITHM_COUNT
};

const char *fl_strategy_name(enum fl_strategy s);
const char *fl_algorithm_name(enum fl_algorithm a);

struct fl_target_state; /* opaque, see state.h */
struct fl_registry;     /* all target states of the process, by target id */

struct fl_target {
    struct fl_slice id;       /* "provider/model", "provider/" followed by "*" for any model */
    struct fl_slice provider; /* name */
    struct fl_slice model;    /* as the provider knows it; empty: the model the client named */
    unsigned provider_index;  /* into the configuration's providers */
    double weight;            /* > 0 */
    double cost_multiplier;   /* > 0 */
    double performance_bonus;
    bool priced;
    uint64_t price_in, price_out; /* pico-USD per token, today's for a short input */
    const struct fl_model *model_facts; /* the catalogue's, with the file's prices and facts over
                                           it; NULL: nothing is known */
    struct fl_target_state *state;
};

struct fl_route_state; /* round-robin position and the like, shared like target states */

struct fl_route {
    struct fl_slice name; /* what a client may put into "model" */
    enum fl_strategy strategy;
    enum fl_algorithm algorithm;
    const unsigned *targets; /* indexes into the table's targets, primaries first */
    unsigned primary_count;  /* chosen among; the rest are fallbacks in order */
    unsigned target_count;
    bool listed; /* shown by GET /v1/models */
    struct fl_route_state *state;
};

struct fl_health_policy {
    unsigned failures_to_eject;    /* consecutive */
    unsigned successes_to_recover; /* consecutive */
    uint64_t ejection_ns;          /* of the first ejection; doubles, at most 300 s */
};

struct fl_table {
    struct fl_hash_key hash_key; /* for client affinity; from entropy, equal in all workers */
    struct fl_health_policy health;
    const struct fl_target *targets;
    unsigned target_count;
    const struct fl_route *routes; /* sorted by name */
    unsigned route_count;
};

/* --- Registry: created once, outlives every snapshot, touched by the main thread only. A state is
 * found or made by name, lives as long as the registry, and is NULL only without memory. --- */
struct fl_registry *fl_registry_create(void);
void fl_registry_destroy(struct fl_registry *r);
struct fl_target_state *fl_registry_target(struct fl_registry *r, struct fl_slice target_id);
struct fl_route_state *fl_registry_route(struct fl_registry *r, struct fl_slice route_name);

/* --- Names --- */

/* The route a client's model name means, or NULL: the one of this name, else for "provider/model"
 * the route "provider/" followed by "*"; the model is then what follows the first '/'. */
const struct fl_route *fl_route_find(const struct fl_table *t, struct fl_slice name);
/* The listed route name nearest to *name* for "did you mean", or empty. */
struct fl_slice fl_route_suggest(const struct fl_table *t, struct fl_slice name);

/* --- Deciding --- */

struct fl_route_request {
    uint64_t now_ns;
    struct fl_slice client; /* key of client affinity (ip_hash): fl_route_client_key() */
    unsigned tokens_in;     /* expected input tokens, 0 = unknown (counts as 1,000) */
    unsigned tokens_out;    /* expected output tokens, 0 = unknown (counts as 300) */
    bool strategy_given;    /* overrides the route's (x-fairlead-strategy) */
    enum fl_strategy strategy;
};

/* IPv4: the 4 bytes; IPv6: its /64 (8 bytes); mapped IPv4 counts as IPv4. Into *ret_key*, returns a
 * slice of it. */
struct fl_slice fl_route_client_key(unsigned family, const uint8_t bytes[16], char ret_key[16]);

enum fl_skip {
    FL_SKIP_NONE,
    FL_SKIP_EJECTED,   /* its breaker is open */
    FL_SKIP_TRIAL_BUSY /* recovering, and its one trial is in flight */
};

/* One line of the decision record: a target considered. */
struct fl_candidate {
    unsigned target; /* index into the table */
    enum fl_skip skip;
    double score; /* in the policy's own unit, see policies.c; 0 where no policy was asked
                     (fallbacks, cooling and skipped targets, a target without rival) */
};

struct fl_plan {
    const struct fl_route *route;
    enum fl_strategy strategy;
    const char *policy;  /* name of the policy that ordered */
    const char *why;     /* of the first target: "turn", "fewest-in-flight", "fastest",
                            "client-hash", "random", "cheapest", "best-score"; or
                            "only" (no rival), "fallback" (no primary is eligible),
                            "cooling" (all that is left was rate limited), "panic" */
    unsigned considered; /* targets looked at, skipped ones included */
    unsigned count;      /* targets to try, in order */
    unsigned targets[FL_PLAN_MAX];
    unsigned candidate_count; /* targets in plan order, then skipped ones */
    struct fl_candidate candidates[FL_PLAN_MAX];
    bool panic; /* no healthy target: least bad first */
};

/* Always gives at least one target for a route that has any. The order: eligible primaries as the
 * policy prefers them, eligible fallbacks as configured, then those that are cooling down after a
 * rate limit, by the end of it. Ejected targets are left out, unless there is nothing else (panic):
 * then all of them, those in trial first, then by the end of the ejection. */
void fl_route_plan(const struct fl_table *t, const struct fl_route *route,
                   const struct fl_route_request *request, struct fl_rng *rng,
                   struct fl_plan *ret_plan);
/* "strategy=hybrid; policy=weighted_round_robin; why=turn; considered=3;
 * skipped=openai/gpt-4:ejected" */
void fl_plan_put_reason(const struct fl_table *t, const struct fl_plan *plan, struct fl_buf *b);

/* --- Outcomes --- */

struct fl_outcome {
    enum fl_err err;        /* FL_OK, or why the attempt failed. Blame decides what counts: only
                               FL_BLAME_PROVIDER counts against health; FL_ERR_RATE_LIMITED and
                               FL_ERR_QUOTA do not (capacity, not health): they put the target last
                               for a while. FL_ERR_UPSTREAM_AUTH counts like any failure (a key that
                               is gone fails always, so it soon ejects; one odd 403 must not), and so
                               does FL_ERR_UPSTREAM_MODEL, but not for a target of any model, where
                               the name was the client's */
    uint64_t first_byte_ns; /* dispatch to first token or byte of body; 0 = none came */
    uint64_t total_ns; /* dispatch (the now_ns of begin) to end; also dates the attempt: what began
                          before the target's last change of health is no evidence about it */
    uint64_t tokens_out;     /* as the provider reported; 0 = unknown */
    uint64_t retry_after_ns; /* the provider's Retry-After; 0 = none: 1 s after a rate limit, 60 s
                                after a quota error. At most 1 h */
};

/* At dispatch: counts in flight, claims the trial of a recovering target. Any target of a plan may be
 * begun, however old the plan is. */
void fl_route_begin(const struct fl_target *target, uint64_t now_ns);
/* At the first byte of the answer's body, at most once between begin and end (whose outcome then
 * has a first_byte_ns): the attempt no longer counts as waiting. Without it a target with long
 * streams is taken for a slow one by least_response_time. */
void fl_route_first_byte(const struct fl_target *target);
/* Once for each begin, on any terminal event. */
void fl_route_end(const struct fl_table *t, const struct fl_target *target,
                  const struct fl_outcome *outcome, uint64_t now_ns);
/* Result of an active check of an ejected target: a good one opens it for a trial at once and
 * counts towards recovery, a bad one ends a recovery. Of a healthy target only a bad result counts,
 * as a failure: that a list of models can be read does not excuse failing requests. */
void fl_route_probe(const struct fl_table *t, const struct fl_target *target, bool ok,
                    uint64_t now_ns);

/* --- Reading (metrics, admin, demo) --- */
enum fl_health { FL_HEALTHY, FL_SUSPECT, FL_OPEN, FL_HALF_OPEN };
struct fl_target_view {
    enum fl_health health;
    unsigned in_flight;
    uint64_t begun, succeeded, failed; /* begun == succeeded + failed + uncounted + in_flight */
    uint64_t uncounted;                /* ended without blame to the provider */
    uint64_t ejected_until_ns;
    double first_byte_ms, total_ms; /* time-decayed means of successful attempts; 0 when unseen */
    double success;                 /* time-decayed share, from its prior of 0.99 when unseen */
};
void fl_target_read(const struct fl_target *target, uint64_t now_ns,
                    struct fl_target_view *ret_view);
const char *fl_health_name(enum fl_health h);

#endif

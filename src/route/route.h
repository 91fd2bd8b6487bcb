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
 *       fl_route_begin(target, &dispatch)
 *       fl_route_first_byte(target, &dispatch)      when one comes
 *       fl_route_end(target, &dispatch, outcome)
 *
 * begin and end come exactly once each for an attempt, in this order.
 *
 * A policy is one file in policy/ and one row in policies.c, and never sees a socket; every outcome
 * comes back through fl_route_end().
 */
#ifndef FL_ROUTE_ROUTE_H
#define FL_ROUTE_ROUTE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/slice.h"
#include "route/catalog/catalog.h"
#include "route/learn/classifier.h"

enum {
    FL_PLAN_MAX = 16,          /* targets of one plan */
    FL_ROUTE_TARGETS_MAX = 256 /* targets of a route looked at for one plan; of a longer route a
                                  window that starts at random */
};

/* What may be asked for by name, in a file and by a request: the strategies, and the algorithms of
 * load_balance. X(id, name) */
#define FL_STRATEGIES(X)                                                                           \
    X(FL_STRATEGY_HYBRID, "hybrid")                                                                \
    X(FL_STRATEGY_COST, "cost")                                                                    \
    X(FL_STRATEGY_PERFORMANCE, "performance")                                                      \
    X(FL_STRATEGY_LOAD_BALANCE, "load_balance")                                                    \
    X(FL_STRATEGY_ADAPTIVE, "adaptive")                                                            \
    X(FL_STRATEGY_PRIORITY, "priority")                                                            \
    X(FL_STRATEGY_CLASSIFICATION, "classification")                                                \
    X(FL_STRATEGY_QUALITY, "quality")
#define FL_ALGORITHMS(X)                                                                           \
    X(FL_WEIGHTED_ROUND_ROBIN, "weighted_round_robin")                                             \
    X(FL_ROUND_ROBIN, "round_robin")                                                               \
    X(FL_LEAST_CONNECTIONS, "least_connections")                                                   \
    X(FL_LEAST_RESPONSE_TIME, "least_response_time")                                               \
    X(FL_IP_HASH, "ip_hash")                                                                       \
    X(FL_RANDOM, "random")                                                                         \
    X(FL_P2C, "p2c")                                                                               \
    X(FL_PEAK_EWMA, "peak_ewma")                                                                   \
    X(FL_LEW, "lew")                                                                               \
    X(FL_SPD, "spd")                                                                               \
    X(FL_PRICE_WEIGHTED, "price_weighted")                                                         \
    X(FL_PREFIX_AFFINITY, "prefix_affinity")
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
enum fl_tier { FL_TIER_UNKNOWN, FL_TIER_LOW, FL_TIER_MEDIUM, FL_TIER_HIGH, FL_TIER_COUNT };
/* What a request may need of a target: bits. */
enum {
    FL_NEED_TOOLS = 1,
    FL_NEED_VISION = 2,
    FL_NEED_AUDIO = 4,
    FL_NEED_JSON_SCHEMA = 8,
    FL_NEED_REASONING = 16,
    FL_NEED_STREAMING = 32,
    /* Requests that are passed on as they are or not at all: */
    FL_NEED_COMPLETIONS = 64,
    FL_NEED_EMBEDDINGS = 128,
    FL_NEED_PASS = 256, /* OpenAI's other endpoints: images, audio, files ... */
    FL_NEED_RESPONSES = 512 /* refers to what only a provider of OpenAI's responses keeps */
};

const char *fl_strategy_name(enum fl_strategy s);
const char *fl_algorithm_name(enum fl_algorithm a);
const char *fl_tier_name(enum fl_tier t); /* "low", "medium", "high"; "unknown" */
bool fl_tier_parse(struct fl_slice word, enum fl_tier *ret_tier);

/* A strategy, or an algorithm under load_balance, as one word: "hybrid", "spd". */
struct fl_selection {
    enum fl_strategy strategy;
    bool algorithm_given; /* the word was an algorithm's; strategy is load_balance */
    enum fl_algorithm algorithm;
};
/* The index-th word: strategies, then algorithms; NULL past the end. */
const char *fl_selection_word(unsigned index);
struct fl_selection fl_selection_at(unsigned index);
/* ASCII case ignored. False: no such word. */
bool fl_selection_parse(struct fl_slice word, struct fl_selection *ret_selection);

struct fl_target_state; /* opaque, see state.h */
struct fl_registry;     /* all target states of the process, by target id */
struct fl_target_key;   /* see keys.h */
struct fl_key_state;
struct fl_meter;

/* Failure domains: what fails together. */
enum fl_fate {
    FL_FATE_PROVIDER, /* one address, asked with the same keys */
    FL_FATE_ACCOUNT,  /* who pays: one or several providers */
    FL_FATE_VENDOR,   /* whoever runs it */
    FL_FATE_REGION,   /* where it runs, whoever runs it */
    FL_FATE_QUOTA,    /* an upstream limit that several draw from */
    FL_FATE_COUNT
};

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
    uint64_t price_cached;        /* of input read from the provider's cache; price_in where that
                                     costs the same */
    bool plain_prices; /* the three are all there is to know: no day, hour, step or other class */
    const struct fl_model *model_facts; /* the catalogue's, with the file's prices and facts over
                                           it; NULL: nothing is known. Of these, for decisions: */
    /* What is not known (0) excludes nothing, but for a tier or a budget that is asked for. */
    uint32_t context_tokens, output_tokens; /* at most */
    uint32_t lacks;                         /* FL_NEED_ bits it is known not to have */
    enum fl_tier tier;
    unsigned tokenizer; /* index into fl_route_request.tokens_by_tokenizer */
    unsigned kind;      /* equal for targets of the same model, whoever serves it */
    uint64_t kind_name; /* hash of that model's name: the same after a reload */
    uint64_t id_hash;   /* of id, unkeyed; 0: not made */
    bool disabled;      /* taken out of service by its operator, or retired by its vendor */
    /* What it shares with others, as hashes of names; 0: with nobody. */
    uint64_t fate[FL_FATE_COUNT];
    /* The provider's keys with what each has left of this model's limits; none: nothing is known or
     * watched of them. Lives as long as the table. */
    const struct fl_target_key *keys;
    unsigned key_count;
    struct fl_target_state *state;
};

/* When a second attempt is started beside one that says nothing. */
enum fl_hedging {
    FL_HEDGE_OFF,
    FL_HEDGE_AUTO, /* by what is known of the target's first tokens */
    FL_HEDGE_AFTER /* a time */
};

struct fl_route_state; /* round-robin position and the like, shared like target states */

struct fl_route {
    struct fl_slice name; /* what a client may put into "model" */
    uint64_t name_hash;   /* of it, unkeyed; 0: not made */
    enum fl_strategy strategy;
    enum fl_algorithm algorithm;
    const unsigned *targets; /* indexes into the table's targets, primaries first */
    unsigned primary_count;  /* chosen among; the rest are fallbacks in order */
    unsigned target_count;
    bool listed;               /* shown by GET /v1/models */
    enum fl_tier tier;         /* at least, where a request does not say */
    uint64_t max_cost_picousd; /* of a request, at most, whatever it says; 0: no limit */
    /* Targets (indexes into the table's) preferred for a kind of task, best first. */
    const unsigned *preferred[FL_TASK_COUNT];
    unsigned preferred_count[FL_TASK_COUNT];
    /* Of what is learned of answers: the kind that others must not be worse than, and what the route
     * spends a day (0: nothing is paced). */
    bool guarded;
    unsigned default_kind;
    uint64_t daily_budget_picousd;
    enum fl_hedging hedging;
    uint64_t hedge_after_ns; /* FL_HEDGE_AFTER */
    bool hedge_tools;        /* requests with tools too */
    bool hedge_plain;        /* plain answers too */
    bool resume;             /* a stream that breaks is continued elsewhere */
    bool replay;             /* a client may come back for the rest of its stream */
    bool strict;             /* not to targets where a translation would lose anything */
    /* Targets for refusals that those above cannot mend, as routes of their own; NULL: none. */
    const struct fl_route *on_context, *on_policy;
    struct fl_route_state *state;
};

struct fl_health_policy {
    unsigned failures_to_eject; /* of attempts in a row, from a clean state; successes between them
                                   take a tenth of a failure off each */
    unsigned successes_to_recover; /* consecutive: of trials, or of checks */
    uint64_t ejection_ns;          /* of the first ejection; doubles, at most 300 s */
    unsigned check_failures_to_eject; /* of active checks in a row; 0: 2 */
};

/* How decisions weigh things; 0 or false is the default. */
struct fl_route_settings {
    double wait_usd_per_second; /* what a second of waiting is worth; 0: 0.01 */
    unsigned history_size;      /* observations' weight of a mean at most; 0: 100 */
    bool tier_down_allowed;     /* no target of the tier asked for: the nearest below, reported */
    bool over_budget_allowed;   /* no target within the cost limit: the cheapest, reported */
};

struct fl_table {
    struct fl_route_settings settings;
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
struct fl_key_state *fl_registry_key(struct fl_registry *r, struct fl_slice key_id);
struct fl_retry_budget *fl_registry_tenant(struct fl_registry *r, struct fl_slice name);
struct fl_meter *fl_registry_meter(struct fl_registry *r, struct fl_slice meter_id);

/* --- Names --- */

/* The route a client's model name means, or NULL: the one of this name, else for "provider/model"
 * the route "provider/" followed by "*"; the model is then what follows the first '/'. */
const struct fl_route *fl_route_find(const struct fl_table *t, struct fl_slice name);
/* The listed route name nearest to *name* for "did you mean", or empty. */
struct fl_slice fl_route_suggest(const struct fl_table *t, struct fl_slice name);

/* --- Deciding --- */

/* A target of any model as it is for the model that a request names: a copy of the table's with what is known
 * of that model. */
struct fl_named {
    unsigned index; /* in the table */
    struct fl_target target;
};
enum { FL_NAMED_MAX = 16 };

/* What is known of a request. All zero but now_ns is a request of which nothing is known. */
struct fl_route_request {
    uint64_t now_ns;
    int64_t when_s;          /* seconds since 1970-01-01 UTC, for prices by date; 0 = not known */
    uint64_t deadline_ns;    /* 0 = none */
    struct fl_slice client;  /* key of client affinity (ip_hash): fl_route_client_key() */
    struct fl_slice session; /* key of session affinity; empty: none */
    /* Hashes of the prompt's blocks, each over all before it; longest common prefix = most warm. */
    const uint64_t *prefix;
    unsigned prefix_count;
    unsigned tokens_in;                  /* expected input tokens, 0 = unknown (counts as 1,000) */
    const unsigned *tokens_by_tokenizer; /* where tokenizers differ; or NULL */
    unsigned tokenizer_count;
    /* Of these, what each target of the table is expected to hold in its prompt cache; NULL:
     * nothing. And the probability, in millionths, that it still does; 0: certain. */
    const unsigned *cached_tokens;
    uint32_t cached_ppm;
    unsigned tokens_out;     /* expected output tokens (mean), 0 = unknown (counts as 300) */
    unsigned tokens_out_p50; /* 0: as the mean */
    unsigned tokens_out_p90; /* 0: as the mean */
    unsigned tokens_out_max; /* what the client allows; 0 = says nothing */
    uint32_t needs;          /* FL_NEED_ bits */
    bool streaming;
    enum fl_tier tier; /* at least; FL_TIER_UNKNOWN: any */
    bool task_known;
    enum fl_task task;
    double task_probability[FL_TASK_COUNT]; /* used where task_known */
    /* What is learned of the quality of answers, by fl_target.kind: reward in [0, 1], NAN where it is
     * not known. And whether it is unproven (1) that the kind is not worse than the default one for
     * this sort of request. NULL: nothing is learned. */
    const double *quality;
    const uint8_t *quality_unproven;
    unsigned quality_count;
    double quality_price; /* lambda: what a pico-USD must add to the reward */
    /* What is learned of targets at this kind of task, by index in the table: expected reward in
     * [0, 1]. NULL: nothing is. */
    const float *liking;
    double explore; /* the share of requests that tries another target than the best by quality or
                       liking, so that what is believed of it stays checked; 0: none */
    bool max_cost_given;  /* no target whose p90 cost is more */
    uint64_t max_cost_picousd;
    const struct fl_named *named; /* instead of the table's; NULL: none */
    unsigned named_count;
    const uint8_t *denied; /* by index in the table: 1 = this client may not use it; NULL: none */
    bool strategy_given;   /* overrides the route's (x-fairlead-strategy) */
    enum fl_strategy strategy;
    bool algorithm_given; /* and its algorithm */
    enum fl_algorithm algorithm;
};

/* IPv4: the 4 bytes; IPv6: its /64 (8 bytes); mapped IPv4 counts as IPv4. Into *ret_key*, returns a
 * slice of it. */
struct fl_slice fl_route_client_key(unsigned family, const uint8_t bytes[16], char ret_key[16]);

/* Why a target is left out, in the order in which it is asked: the first reason counts. What lies
 * further down was nearer to being chosen. X(id, "name", code of the refusal when it leaves nobody) */
#define FL_SKIPS(X)                                                                                \
    X(FL_SKIP_NONE, "", FL_OK)                                                                     \
    X(FL_SKIP_DISABLED, "disabled", FL_ERR_NO_TARGET)                                              \
    X(FL_SKIP_DENIED, "not-allowed", FL_ERR_DENIED)                                                \
    X(FL_SKIP_CAPABILITY, "cannot", FL_ERR_CAPABILITY)                                             \
    X(FL_SKIP_CONTEXT, "context", FL_ERR_CONTEXT)                                                  \
    X(FL_SKIP_OUTPUT, "max-output", FL_ERR_OUTPUT)                                                 \
    X(FL_SKIP_TIER, "below-tier", FL_ERR_TIER)                                                     \
    X(FL_SKIP_UNPRICED, "unpriced", FL_ERR_MAX_COST)                                               \
    X(FL_SKIP_COST, "over-budget", FL_ERR_MAX_COST)                                                \
    X(FL_SKIP_DRAINED, "drained", FL_ERR_NO_TARGET)       /* by its operator, for now */           \
    X(FL_SKIP_NO_KEY, "no-key", FL_ERR_NO_TARGET)         /* each of its keys was refused */       \
    X(FL_SKIP_EJECTED, "ejected", FL_ERR_NO_TARGET)       /* its breaker is open */                \
    X(FL_SKIP_TRIAL_BUSY, "trial-busy", FL_ERR_NO_TARGET) /* its one trial is in flight */         \
    X(FL_SKIP_COOLING, "cooling", FL_ERR_NO_TARGET)       /* until after the deadline */           \
    X(FL_SKIP_LIMITED, "rate-limited", FL_ERR_RATE_LIMITED) /* its keys have no room in time */
enum fl_skip {
#define X(id, name, err) id,
    FL_SKIPS(X)
#undef X
        FL_SKIP_COUNT
};
const char *fl_skip_name(enum fl_skip skip);

/* What was given up to have a target at all, in this order. Bits. */
enum {
    FL_RELAXED_COOLING = 1, /* all that is left was rate limited; its pause ends in time */
    FL_RELAXED_PANIC = 2,   /* no healthy target: least bad first */
    FL_RELAXED_CONTEXT = 4, /* longer than the context by our count, within what a count may err */
    FL_RELAXED_TIER = 8,    /* the nearest tier below */
    FL_RELAXED_COST = 16    /* beyond the cost limit, the cheapest first */
};

enum { FL_TERMS_MAX = 8 };

/* One line of the decision record: a target considered. */
struct fl_candidate {
    unsigned target; /* index into the table */
    enum fl_skip skip;
    uint32_t missing;               /* FL_SKIP_CAPABILITY: the FL_NEED_ bits it lacks */
    bool priced, scored, predicted; /* has the numbers below */
    double score; /* in the policy's own unit, see policy/; 0 where no policy was asked (fallbacks,
                     cooling and skipped targets, a target without rival) */
    double terms[FL_TERMS_MAX];  /* what the score is made of: by fl_plan.terms */
    uint64_t cost_p50, cost_p90; /* pico-USD of one attempt */
    uint64_t ttft_ns, total_ns;
};

struct fl_plan {
    const struct fl_route *route;
    enum fl_strategy strategy;
    const char *policy;   /* name of the policy that ordered */
    const char *why;      /* of the first target: a word of the policy's, such as "turn", "fastest",
                            "cheapest"; or "only" (no rival), "fallback" (no primary is eligible),
                            "cooling" (all that is left was rate limited), "panic"; "none" */
    enum fl_err err;      /* not FL_OK: no target may be tried (count 0), this is why */
    enum fl_skip binding; /* the constraint that would have to give for one more target */
    unsigned relaxed;     /* FL_RELAXED_ bits */
    unsigned considered;  /* targets looked at, skipped ones included */
    unsigned skipped[FL_SKIP_COUNT]; /* of these, by reason */
    unsigned count;                  /* targets to try, in order */
    unsigned targets[FL_PLAN_MAX];
    unsigned spare_count; /* behind these, as far as there is room: ejected ones, for when all of
                             the plan has failed */
    uint64_t ready_ns[FL_PLAN_MAX];  /* of these: none before then is of use: it would be refused;
                                        0: at once */
    uint64_t retry_ns;        /* with an err: when a target will be ready again; 0: not known */
    unsigned candidate_count; /* targets in plan order, then skipped ones, nearest first */
    const char *const *terms; /* names of the candidates' terms */
    unsigned term_count;
    double propensity; /* probability of this first choice, given all that was known */
    bool panic;        /* relaxed & FL_RELAXED_PANIC */
    struct fl_candidate candidates[FL_PLAN_MAX]; /* last: a copy may end behind those that there are */
};

/* Gives at least one target, or says why not. Never one that fails a constraint of the request
 * (capability, context, output, what the client may use; tier and cost unless relaxed), whatever its
 * health. The order: eligible primaries as the policy prefers them, eligible fallbacks as
 * configured, then those that are cooling down after a rate limit, by the end of it. Ejected targets
 * are left out, unless there is nothing else (panic): then all of them, those in trial first, then
 * by the end of the ejection. */
void fl_route_plan(const struct fl_table *t, const struct fl_route *route,
                   const struct fl_route_request *request, struct fl_rng *rng,
                   struct fl_plan *ret_plan);
/* "strategy=load_balance; policy=lew; why=least-work; considered=3; skipped=openai/gpt-4:ejected";
 * without the policy where its name is the strategy's; "; relaxed=panic" where something was */
void fl_plan_put_reason(const struct fl_table *t, const struct fl_plan *plan, struct fl_buf *b);
/* The whole record as members of a JSON object, from "route" to "candidates", without its braces.
 * Numbers that are not known are left out, never 0. */
void fl_plan_put_json(const struct fl_table *t, const struct fl_plan *plan, struct fl_buf *b);
/* For a plan with an err: one or two sentences for the client, with the binding constraint, how far
 * off the nearest target is, and what to do about it. */
void fl_plan_put_refusal(const struct fl_table *t, const struct fl_plan *plan,
                         const struct fl_route_request *request, struct fl_buf *b);
/* "tools, vision" */
void fl_needs_put(uint32_t needs, struct fl_buf *b);
/* Name of one FL_RELAXED_ bit. */
const char *fl_relaxed_name(unsigned bit);

/* --- Outcomes --- */

struct fl_outcome {
    enum fl_err err;        /* FL_OK, or why the attempt failed: what follows is the table of
                               failure.h. Of a target of any model, an unknown model is the client's
                               fault. FL_ERR_UPSTREAM_AUTH disables the key (keys.h); where no keys
                               are watched it counts against the target */
    uint64_t first_byte_ns; /* dispatch to first token of a stream; 0 = none came, or no stream */
    uint64_t total_ns; /* dispatch (the now_ns of begin) to end; also dates the attempt: what began
                          before the target's last change of health is no evidence about it */
    uint64_t tokens_out; /* as the provider reported; 0 = unknown */
    uint64_t tokens_in;  /* the same; less those read from its cache: tokens_cached */
    uint64_t tokens_cached;
    uint64_t retry_after_ns; /* the provider's Retry-After; 0 = none: 1 s after a rate limit, 60 s
                                after a quota error. At most 1 h */
};

/* An attempt at dispatch: kept by the caller from begin to end. */
struct fl_dispatch {
    uint64_t begun_ns;
    bool streaming;     /* the answer comes token by token */
    unsigned tokens_in; /* expected input tokens that the target must read: cached ones left out */
    /* As the target stood then, this attempt not counted: */
    unsigned in_flight;
    uint64_t pending_tokens; /* of streams without a first token */
    bool first_byte;         /* one came */
};

/* At dispatch: counts in flight, claims the trial of a recovering target. Any target of a plan may
 * be begun, however old the plan is. */
void fl_route_begin(const struct fl_target *target, unsigned tokens_in, bool streaming,
                    uint64_t now_ns, struct fl_dispatch *ret_dispatch);
/* At the first token of a stream, at most once between begin and end (whose outcome then has a
 * first_byte_ns): its prompt is computed, it no longer counts as waiting. The first byte of a plain
 * answer says nothing of the kind: it is not told. */
void fl_route_first_byte(const struct fl_target *target, struct fl_dispatch *dispatch,
                         uint64_t now_ns);
/* Once for each begin, on any terminal event. */
void fl_route_end(const struct fl_table *t, const struct fl_target *target,
                  const struct fl_dispatch *dispatch, const struct fl_outcome *outcome,
                  uint64_t now_ns);
/* Result of an active check, of any target. Checks have counters of their own: so many bad ones in
 * a row eject a serving target, and a good one excuses none of its failing requests: that a list of
 * models can be read proves little. Of an ejected one, a good check opens it for trials at once and
 * counts towards recovery, a bad one ends a recovery. */
void fl_route_probe(const struct fl_table *t, const struct fl_target *target, bool ok,
                    uint64_t now_ns);

/* By its operator: out of the choice (attempts in flight go on), or in again, and well, whatever it
 * was. Outlives snapshots. */
void fl_route_drain(const struct fl_target *target, bool drained, uint64_t now_ns);

/* May a check that costs money (an answer of one token) be sent to this target? Only to one on its
 * way back; takes it from a budget of 12 an hour. It is begun and ended like any attempt. */
bool fl_route_canary(const struct fl_target *target, uint64_t now_ns);

/* --- Reading (metrics, admin, demo) --- */
enum fl_health { FL_HEALTHY, FL_SUSPECT, FL_OPEN, FL_HALF_OPEN };
struct fl_target_view {
    enum fl_health health;
    bool drained;
    double vigour;   /* the part of its weight that it has now: less in slow start */
    double concurrency; /* attempts it is thought to take at once */
    unsigned in_flight;
    uint64_t pending_tokens;           /* of streams without a first token */
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

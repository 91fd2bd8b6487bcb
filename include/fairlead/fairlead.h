/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfairlead: the routing engine of fairlead as a library. It decides which of several models, at
 * which provider, should answer a request, and learns from what came of it. It opens no socket,
 * reads no file and no clock, starts no thread and prints nothing: the caller sends the requests,
 * and says what time it is.
 *
 *     struct fairlead_setup *setup;                 what may be chosen
 *     fairlead_setup_create(&setup);
 *     fairlead_setup_target(setup, "openai/gpt-4o-mini");
 *     fairlead_setup_target(setup, "groq/llama-3.3-70b-versatile");
 *     fairlead_setup_route(setup, "chat", "hybrid");
 *     fairlead_setup_route_target(setup, "chat", "openai/gpt-4o-mini", 0);
 *     fairlead_setup_route_target(setup, "chat", "groq/llama-3.3-70b-versatile", 0);
 *     fairlead_create(seed, &f);
 *     fairlead_apply(f, setup, text, sizeof text);  in force from now on
 *
 *     fairlead_request_message(request, "user", prompt, length);
 *     fairlead_decide(f, "chat", request, now_ns, &decision);
 *     for each target of the decision, in order, until one answers:
 *         fairlead_begin(decision, index, now_ns);
 *         ... send the request, read the answer ...
 *         fairlead_first_token(decision, now_ns);   of a stream
 *         fairlead_end(decision, "ok", tokens_in, tokens_out, 0, now_ns);
 *     fairlead_decision_destroy(decision);
 *
 * RESULTS. Every int function gives FAIRLEAD_OK (0) or one of enum fairlead_status. A function that
 * fails has changed nothing. Where a text says more, the manual of the function names it.
 *
 * TEXTS. Text arguments are UTF-8 and NUL-terminated, unless a length is beside them; they are
 * copied. A const char * that is returned belongs to the object it was asked of, and is valid until
 * that object is changed or destroyed; those of functions without an object are constants. Every
 * pointer must be valid; NULL is refused with FAIRLEAD_INVALID or gives NULL or 0, and every
 * _destroy accepts it.
 *
 * UNITS. now_ns: nanoseconds of a clock that never goes back, such as CLOCK_MONOTONIC, the same one
 * in all calls of a fairlead; greater than 0. Money: USD. Prices: USD for a million tokens.
 *
 * KEYS. Numbers and texts are set by key, so that more can be added. An unknown key is refused with
 * FAIRLEAD_UNKNOWN, a value out of range with FAIRLEAD_INVALID. Yes and no are the numbers 1 and 0.
 *
 * THREADS. A setup, a request or a decision is used by one thread at a time. A fairlead may be used
 * by any number of threads at once, but fairlead_apply() by one of them at a time, and
 * fairlead_destroy() when nobody uses it. Nothing blocks but for nanoseconds.
 *
 * SAME SEED, SAME DECISIONS: the same calls in the same order with the same arguments decide alike,
 * on every build with the same C library. Calls that race with each other have no order.
 *
 * COMPATIBILITY. Symbols are versioned (FAIRLEAD_0). Within libfairlead.so.0 functions and keys are
 * added, never changed.
 */
#ifndef FAIRLEAD_FAIRLEAD_H
#define FAIRLEAD_FAIRLEAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fairlead;
struct fairlead_setup;
struct fairlead_request;
struct fairlead_decision;

enum fairlead_status {
    FAIRLEAD_OK = 0,
    FAIRLEAD_NO_MEMORY = 1,
    FAIRLEAD_INVALID = 2, /* a value that cannot be: NULL, an empty name, out of range */
    FAIRLEAD_UNKNOWN = 3, /* no such key, word, target or route */
    FAIRLEAD_EXISTS = 4,  /* there is one of this name */
    FAIRLEAD_REFUSED = 5, /* no target may answer the request: the decision says why */
    FAIRLEAD_STATE = 6    /* not now: an attempt is open, or none is */
};

/* "0.1.0" */
const char *fairlead_version(void);
/* A sentence about one of enum fairlead_status; never NULL. */
const char *fairlead_status_text(int status);

/* ------------------------------------------------------------------------------------------------
 * Setup: what may be chosen. Built by the caller, put in force by fairlead_apply(), which copies
 * it: the same setup may then be changed and applied again.
 * --------------------------------------------------------------------------------------------- */

/* Unpacks the built-in catalogue of models and prices, which takes milliseconds: keep the setup for
 * the next change. Statuses: NO_MEMORY, INVALID. */
int fairlead_setup_create(struct fairlead_setup **setup);
void fairlead_setup_destroy(struct fairlead_setup *setup);

/* Why the last call with this setup failed, in one sentence with the name nearest to an unknown
 * one; "" when it did not fail. */
const char *fairlead_setup_error(const struct fairlead_setup *setup);

/* Lays a catalogue of your own over the built-in one, for targets that were added and that will be: *len*
 * bytes in the format that `fairlead catalog update` writes. Your rows come over those of the same
 * name; a second catalogue takes the place of the first. The bytes are not needed afterwards.
 * Statuses: NO_MEMORY, INVALID (the error has the line; nothing was changed). */
int fairlead_setup_catalog(struct fairlead_setup *setup, const char *text, size_t len);

/* Adds a target, "provider/model": facts and prices from the catalogue where it knows the model at
 * this provider; only the facts where it knows the model of somebody else; neither for a model of
 * your own. A target whose id is known from an earlier apply keeps what was measured of it. */
int fairlead_setup_target(struct fairlead_setup *setup, const char *target);

/* KEY                 RANGE            DEFAULT    MEANING
 * weight              0.001 to 1000    1          share of the traffic under load_balance
 * cost_multiplier     0.001 to 1000    1          on the price of every request
 * performance_bonus   -1 to 1          0          on the score of the strategy performance
 * input_usd           0 to 1000000     catalogue  USD for a million input tokens
 * output_usd          0 to 1000000     catalogue  the same of output tokens
 * cached_usd          0 to 1000000     catalogue  the same of input read from the provider's cache
 * context_tokens      0 to 2^31        catalogue  longest request and answer together; 0: not known
 * output_tokens       0 to 2^31        catalogue  longest answer; 0: not known
 * disabled            0 or 1           0          1: out of service
 * A target has a price when both input_usd and output_usd are known. */
int fairlead_setup_target_number(struct fairlead_setup *setup, const char *target, const char *key,
                                 double value);

/* tier    "low", "medium", "high"; "" for what the catalogue says
 * lacks   what the model cannot do, by commas: tools, vision, audio, json_schema, reasoning,
 *         streaming; "" for nothing */
int fairlead_setup_target_text(struct fairlead_setup *setup, const char *target, const char *key,
                               const char *value);

/* Adds a route: a name under which to choose among targets. The strategy is one of hybrid, cost,
 * performance, load_balance, adaptive, priority, classification, quality, or an algorithm of
 * load_balance such as round_robin, least_connections or spd. */
int fairlead_setup_route(struct fairlead_setup *setup, const char *route, const char *strategy);

/* Adds a target of this setup to a route. is_fallback = 1: tried after all that are not, in the
 * order in which they were added. At most 4,096 targets. */
int fairlead_setup_route_target(struct fairlead_setup *setup, const char *route, const char *target,
                                int is_fallback);

/* max_cost_usd   0 to 9000   of one request, at most, whatever the request says; 0: no limit */
int fairlead_setup_route_number(struct fairlead_setup *setup, const char *route, const char *key,
                                double value);

/* tier          at least, where a request does not say; "" for any
 * prefer_TASK   targets preferred for a kind of task, best first, by commas; for the strategy
 *               classification. TASK: generation, summarization, classification, analysis,
 *               translation, other */
int fairlead_setup_route_text(struct fairlead_setup *setup, const char *route, const char *key,
                              const char *value);

/* KEY                    RANGE            DEFAULT   MEANING
 * failures_to_eject      1 to 1000        3         failures in a row that take a target out
 * successes_to_recover   1 to 1000        3         successes in a row that bring it back
 * ejection_seconds       1 to 300         30        of the first ejection; doubles with each
 * wait_usd_per_second    0.000001 to 1000 0.01      what a second of waiting is worth
 * history_size           5 to 1000000     100       observations that a mean weighs at most
 * tier_down_allowed      0 or 1           0         no target of the tier: the nearest below
 * over_budget_allowed    0 or 1           0         no target within the limit: the cheapest */
int fairlead_setup_number(struct fairlead_setup *setup, const char *key, double value);

/* ------------------------------------------------------------------------------------------------
 * The engine
 * --------------------------------------------------------------------------------------------- */

/* About 4 MB. Nothing can be decided before the first apply. Statuses: NO_MEMORY, INVALID. */
int fairlead_create(uint64_t seed, struct fairlead **f);

/* Puts a setup in force. What was measured stays, by target id, also of targets that are left out
 * now; decisions in flight stay valid, with the targets they were made of. On failure the former
 * setup stays in force. *error* (may be NULL) of *error_size* bytes gets a sentence, "" on success,
 * cut where it does not fit, always terminated. Fails with INVALID for a route without a target
 * that is no fallback, and for a target with only one of its two prices. */
int fairlead_apply(struct fairlead *f, const struct fairlead_setup *setup, char *error,
                   size_t error_size);

/* Destroy its decisions first. */
void fairlead_destroy(struct fairlead *f);

/* What is measured of a target in force: healthy (1; 0: ejected), in_flight, begun, succeeded,
 * failed, uncounted (ended without a fault of the provider), success_rate (of late),
 * first_token_ms, total_ms (means of late; 0: not known) Statuses: INVALID, UNKNOWN (no such key or
 * target). */
int fairlead_measured(struct fairlead *f, const char *target, const char *key, uint64_t now_ns,
                      double *value);

/* ------------------------------------------------------------------------------------------------
 * Request: what is to be answered. About 50 KB; reset it and use it again. Its text is read once,
 * in passing: tokens are counted, the kind of task is told, the beginning is fingerprinted. Of the
 * text at most 3 KB are kept, until the reset. Once it was decided about, the text is whole: a
 * further message is refused with FAIRLEAD_STATE; the same request may be decided about again.
 * --------------------------------------------------------------------------------------------- */

int fairlead_request_create(struct fairlead_request **request);
void fairlead_request_reset(struct fairlead_request *request);
void fairlead_request_destroy(struct fairlead_request *request);

/* One message, in the order of the conversation. role: system, user, assistant, tool, or
 * definitions (of tools and schemas, as their JSON). Bytes that are not UTF-8 harm nothing. */
int fairlead_request_message(struct fairlead_request *request, const char *role, const char *text,
                             size_t length);

/* KEY            RANGE         DEFAULT      MEANING
 * max_tokens     0 to 10^8     0            longest answer that is wanted; 0: says nothing
 * max_cost_usd   0 to 9000     none         no target that may cost more
 * tokens_in      0 to 10^8     as counted   input tokens, where the caller counted; 0: as counted
 * deadline_ms    0 to 10^9     0            from the decision on; 0: none
 * stream         0 or 1        0            the answer is wanted token by token
 * unix_seconds   0 to 10^11    0            now, for prices by date and hour; 0: not known */
int fairlead_request_number(struct fairlead_request *request, const char *key, double value);

/* client     whose request it is: for ip_hash, and for what is learned of its answers
 * session    requests of one session go to the target that has its prompt in cache
 * tier       at least: low, medium, high
 * strategy   instead of the route's
 * needs      what the model must be able to do, by commas: see "lacks" above
 * "" takes back what was set. client and session are at most 256 bytes. */
int fairlead_request_text(struct fairlead_request *request, const char *key, const char *value);

/* ------------------------------------------------------------------------------------------------
 * Decision
 * --------------------------------------------------------------------------------------------- */

/* Chooses. FAIRLEAD_OK: the decision has at least one target. FAIRLEAD_REFUSED: no target may
 * answer, FAIRLEAD_UNKNOWN: there is no such route; the decision has no target and says why.
 * Otherwise *decision is NULL. Takes microseconds, and allocates the decision alone. The request
 * may be changed or destroyed at once. */
int fairlead_decide(struct fairlead *f, const char *route, struct fairlead_request *request,
                    uint64_t now_ns, struct fairlead_decision **decision);
/* An attempt that is open counts as given up by the caller. */
void fairlead_decision_destroy(struct fairlead_decision *decision);

/* Targets to try, in this order: at most 16. */
unsigned fairlead_decision_count(const struct fairlead_decision *decision);
/* "provider/model"; NULL: no such index. */
const char *fairlead_decision_target(const struct fairlead_decision *decision, unsigned index);
/* What an attempt is expected to cost; negative: no price is known, or no such index. */
double fairlead_decision_cost_usd(const struct fairlead_decision *decision, unsigned index);
/* Expected input tokens, as the target's tokenizer counts; 0: no such index. */
uint64_t fairlead_decision_tokens_in(const struct fairlead_decision *decision, unsigned index);
/* "strategy=hybrid; why=cheapest; considered=3; skipped=openai/gpt-4:ejected"; "" for an unknown
 * route. Made when first asked for; NULL without memory. */
const char *fairlead_decision_reason(struct fairlead_decision *decision);
/* The whole record as a JSON object: every target with its scores, costs and what excluded it. Made
 * when first asked for; NULL without memory. */
const char *fairlead_decision_json(struct fairlead_decision *decision);
/* Why there is no target, in a sentence or two for the one who asked; "" when there is one. */
const char *fairlead_decision_error(const struct fairlead_decision *decision);
/* The same as a stable word, such as "policy_max_cost"; "ok" when there is a target. */
const char *fairlead_decision_error_name(const struct fairlead_decision *decision);

/* The attempt at the index-th target goes out. One attempt of a decision is open at a time; any
 * number may follow each other. Statuses: INVALID, STATE. */
int fairlead_begin(struct fairlead_decision *decision, unsigned index, uint64_t now_ns);
/* The first token of a stream has come: once in an attempt of a request with stream = 1. */
int fairlead_first_token(struct fairlead_decision *decision, uint64_t now_ns);
/* The open attempt is over. *outcome* is "ok" or one of fairlead_outcome(). Only outcomes that
 * begin with "provider_" count against a target's health, those of a rate limit and of billing only
 * put it last for a while: *retry_after_ms* as the provider says, 0 when it does not. Tokens are as
 * the provider counted them, 0 where it did not. Statuses: INVALID, UNKNOWN, STATE. */
int fairlead_end(struct fairlead_decision *decision, const char *outcome, uint64_t tokens_in,
                 uint64_t tokens_out, uint64_t retry_after_ms, uint64_t now_ns);
/* The index-th name of an outcome, "ok" first; NULL past the last. */
const char *fairlead_outcome(unsigned index);
/* What the outcome means, in a few words; NULL past the last. */
const char *fairlead_outcome_text(unsigned index);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a target's first tokens and whole answers take, as distributions: when a second attempt is
 * worth it, and when the first one is given up (ROUTING.md 2.6, 2.8).
 *
 *   spread    a histogram of durations on a logarithmic scale, 8 steps an octave (9 % wide), whose
 *             counts halve every 10 minutes
 *   spreads   one for each size of prompt, for its first tokens, one for gaps between tokens, and one
 *             for each length of a plain answer
 *
 * Written under the target state's lock; reading needs no lock and may be off by a few
 * observations.
 */
#ifndef FL_ROUTE_HEDGE_H
#define FL_ROUTE_HEDGE_H

#include "route/measure.h"

enum {
    FL_SPREAD_BINS = 160, /* from 1 ms to 2^20 ms, nearly 18 minutes */
    FL_PROMPT_SIZES = 4,  /* up to 512 tokens, 4,096, 32,768, more */
    FL_ANSWER_SIZES = 4   /* up to 32 tokens, 256, 2,048, more */
};

struct fl_spread {
    _Atomic float count[FL_SPREAD_BINS];
    _Atomic float total;
    uint64_t at_ns; /* when all were last halved */
};

struct fl_spreads {
    struct fl_spread first[FL_PROMPT_SIZES];
    struct fl_spread gap; /* mean gap between tokens of one answer */
    struct fl_spread whole[FL_ANSWER_SIZES]; /* of plain answers, from dispatch to end */
};

unsigned fl_prompt_size(unsigned tokens_in);
unsigned fl_answer_size(uint64_t tokens_out);
void fl_spread_add(struct fl_spread *s, uint64_t ns, uint64_t now_ns);
/* The q-quantile, 0 < q < 1: the upper end of the bin that holds it. 0: fewer than *least*
 * observations are left. */
uint64_t fl_spread_quantile(const struct fl_spread *s, double q, double least);

/* When to hedge: the first token's 95th percentile for this size of prompt. UINT64_MAX: too little
 * is known of it (fewer than 20 answers). */
uint64_t fl_hedge_delay_ns(const struct fl_spreads *s, unsigned tokens_in);

/* The same of a plain answer, by what those of this length take: *tokens_out* is how long it will hardly be
 * longer than (a 90th percentile; 0: not known, it is taken for a long one). */
uint64_t fl_hedge_plain_delay_ns(const struct fl_spreads *s, uint64_t tokens_out);

struct fl_hedge_ask {
    bool streaming, plain_allowed; /* the answer is a stream; plain ones may be hedged too */
    bool tools, tools_allowed; /* the request has tools; hedging such requests is allowed */
    bool forbidden;            /* by the tenant or the route */
    double pool_load;          /* attempts in flight / what the pool can take; 0: not known */
    bool pushback;             /* a provider asked to be left alone (Retry-After) */
    double budget_left;        /* share of the retry budget that is left, 0..1 */
};
bool fl_hedge_allowed(const struct fl_hedge_ask *ask);

/* How long an attempt may wait for its first token: clamp(4 * p99, 5 s, remaining / 2), at most
 * *configured_ns*, which also stands in for an unknown p99 (fewer than 100 answers).
 * *remaining_ns*: until the request's deadline; 0: none, or nobody else could be tried after this
 * attempt, so that there is nothing to keep time for. */
uint64_t fl_first_token_timeout_ns(const struct fl_spreads *s, unsigned tokens_in,
                                   uint64_t remaining_ns, uint64_t configured_ns);
/* Silence between two events of a stream: max(10 s, 20 * median gap), at most *configured_ns*. */
uint64_t fl_stall_timeout_ns(const struct fl_spreads *s, uint64_t configured_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a target computes, apart from how much it is asked to: what predicts a request's first
 * token and its end from the load at hand (ROUTING.md 1.6, "SPD").
 *
 *   TTFT = rtt + (prompt tokens before it + its own) / prompt rate
 *   TPOT = token time * (1 + batch growth * (attempts in flight + 1))
 *
 * One number is learned for each, as a ratio of sums that forget 3 % with each sample: fitting all
 * at once diverges near saturation. A target nobody has seen has the pool's numbers; so has, by
 * halves every minute, one that nobody has seen for a while: what was slow gets another chance.
 *
 * Written under the state's lock, read as atomics by any thread.
 */
#ifndef FL_ROUTE_PACE_H
#define FL_ROUTE_PACE_H

#include "route/measure.h"

/* What a step costs more for each answer computed beside, measured on servers of today. */
#define FL_BATCH_GROWTH 0.027

struct fl_pace {
    struct fl_mean prompt; /* sum: seconds waited for first tokens; weight: prompt tokens */
    struct fl_mean token;  /* sum: seconds a token; weight: 1 + growth * attempts in flight */
    struct fl_mean
        share_ns; /* latency divided by attempts in flight at dispatch, itself included */
    _Atomic double first_kept,
        ended_kept;         /* 1 - the part of the prior's weight that samples left */
    _Atomic uint64_t at_ns; /* of the last sample */
    _Atomic double rtt_ns;  /* least time to a first token, slowly forgotten; 0: none seen */
    struct fl_peak {
        _Atomic double cost_ns; /* peak-sensitive mean of TTFT */
        _Atomic uint64_t at_ns; /* when it was so */
    } peak;
};

/* What an attempt met when it was dispatched; kept with it until it ends. */
struct fl_pace_sample {
    double prompt_tokens; /* its own and those before it that had no first token yet */
    unsigned in_flight;   /* itself included */
    uint64_t first_ns;    /* dispatch to first token; 0: the answer came in one piece */
    uint64_t total_ns;    /* dispatch to end */
    uint64_t tokens_out;  /* 0: unknown */
};
/* At a stream's first token. */
void fl_pace_first(struct fl_pace *p, const struct fl_pace_sample *s, uint64_t now_ns);
/* A successful end. */
void fl_pace_ended(struct fl_pace *p, const struct fl_pace_sample *s, uint64_t now_ns);

/* Peak-sensitive mean of TTFT; 0: none seen. */
double fl_pace_peak_ns(const struct fl_pace *p, uint64_t now_ns);

/* What is taken for a pool's numbers before anybody was seen. */
#define FL_PACE_FIRST_PROMPT_S (1.0 / 5000)
#define FL_PACE_FIRST_TOKEN_S  0.02
#define FL_PACE_FIRST_SHARE_NS 1e9

/* Weights of the priors: so many seconds of prompt, tokens. */
#define FL_PACE_PROMPT_PRIOR_S 0.5
#define FL_PACE_TOKEN_PRIOR    50.0

#endif

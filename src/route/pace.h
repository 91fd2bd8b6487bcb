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

/* A plain copy. */
struct fl_pace_seen {
    struct fl_mean_seen prompt, token, share_ns;
    double first_prior, ended_prior; /* (0, 1]: of the prior's weight */
    double rtt_ns;
};
/* What its half-life left by *now_ns*; and with that, what is seen. */
double fl_pace_fade(const struct fl_pace *p, uint64_t now_ns);
void fl_pace_see(const struct fl_pace *p, double fade, struct fl_pace_seen *ret_seen);
/* Peak-sensitive mean of TTFT; 0: none seen. */
double fl_pace_peak_ns(const struct fl_pace *p, uint64_t now_ns);
/* Adds a target's numbers to its pool's. */
void fl_pace_pool(struct fl_pace_seen *pool, const struct fl_pace_seen *one);

/* A pool's numbers, which a target's are drawn to. */
struct fl_pace_priors {
    double prompt_s, token_s, share_ns;
};
struct fl_pace_priors fl_pace_priors_of(const struct fl_pace_seen *pool);

/* Weights of the priors: so many seconds of prompt, tokens, attempts. */
#define FL_PACE_PROMPT_PRIOR_S 0.5
#define FL_PACE_TOKEN_PRIOR    50.0

/* Seconds for a prompt token. */
static inline double fl_pace_prompt_s(const struct fl_pace_seen *one,
                                      const struct fl_pace_priors *pool)
{
    double prior_s = FL_PACE_PROMPT_PRIOR_S * one->first_prior;
    return (one->prompt.sum + prior_s) / (one->prompt.weight + prior_s / pool->prompt_s);
}

/* Seconds for a token of an answer computed alone. */
static inline double fl_pace_token_s(const struct fl_pace_seen *one,
                                     const struct fl_pace_priors *pool)
{
    return fl_mean_shrunk(one->token, pool->token_s, FL_PACE_TOKEN_PRIOR * one->ended_prior);
}

/* What one attempt's share of the target was, in ns: its duration divided by those in flight. */
static inline double fl_pace_share_ns(const struct fl_pace_seen *one,
                                      const struct fl_pace_priors *pool)
{
    return fl_mean_shrunk(one->share_ns, pool->share_ns, FL_PRIOR_SAMPLES);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be expected of several targets at once: from what was seen of each (measure.h, pace.h), and
 * from what was seen of all of them together, which a target is drawn to the less is known of it.
 *
 *   fl_outlook_begin(k, blocks, count, now_ns)
 *   fl_outlook_look(k, i, &sight)      for each target: what was seen, as it stands in its state
 *   fl_outlook_pool(k)                 fades it to now, and adds it up
 *   fl_outlook_predict(k)              what an attempt would take at each
 *   fl_outlook_at(k, i, FL_SEES_TTFT)  what came out
 *
 * Four targets are worked out side by side, in blocks that hold a column for each number: a decision
 * over 64 targets is sixteen turns of a short program without branches. It is compiled once for any
 * processor (outlook.c) and once for those with AVX2 (outlook_avx2.c); both give the same bits, since
 * nothing is fused and sums are taken target by target.
 */
#ifndef FL_ROUTE_OUTLOOK_H
#define FL_ROUTE_OUTLOOK_H

#include "route/estimate.h"
#include "route/state.h"

enum { FL_LANES = 4 };
typedef double fl_four __attribute__((vector_size(32)));

/* A mean has its sum, then its weight. */
enum fl_column {
    /* from the state; sums and weights are faded to now by fl_outlook_pool() */
    FL_SEES_AGE_NS, /* of the measures */
    FL_SEES_PACE_AGE_NS,
    FL_SEES_SUCCESS,
    FL_SEES_SUCCESS_WEIGHT,
    FL_SEES_FAILURE,
    FL_SEES_FAILURE_WEIGHT,
    FL_SEES_FIRST, /* dispatch to first byte, ns */
    FL_SEES_FIRST_WEIGHT,
    FL_SEES_WHOLE, /* dispatch to end, ns */
    FL_SEES_WHOLE_WEIGHT,
    FL_SEES_TOKEN, /* ns a token */
    FL_SEES_TOKEN_WEIGHT,
    FL_SEES_LOAD,
    FL_SEES_LOAD_WEIGHT,
    FL_SEES_PROMPT, /* pace: s of a prompt token */
    FL_SEES_PROMPT_WEIGHT,
    FL_SEES_ALONE, /* pace: s of a token computed alone */
    FL_SEES_ALONE_WEIGHT,
    FL_SEES_SHARE, /* pace: an attempt's share, ns */
    FL_SEES_SHARE_WEIGHT,
    FL_SEES_FIRST_S2, /* squares, with the weights of the three means */
    FL_SEES_WHOLE_S2,
    FL_SEES_TOKEN_S2,
    FL_SEES_FIRST_PRIOR, /* part of the prior's weight: what samples took of it, and once faded what
                            they left */
    FL_SEES_ENDED_PRIOR,
    FL_SEES_RTT_NS,
    FL_SEES_STREAM_WAITS_NS,
    FL_SEES_ANSWER_WAITS_NS,
    /* of the request at the target */
    FL_SEES_IN_FLIGHT,
    FL_SEES_PROMPT_TOKENS, /* before it and its own */
    FL_SEES_OUT_TOKENS,
    /* by fl_outlook_predict() */
    FL_SEES_TTFT_NS,
    FL_SEES_TOTAL_NS,
    FL_SEES_ERROR_NS, /* standard error of the total */
    FL_SEES_SUCCEEDS, /* probability */
    FL_SEES_BELIEVED, /* the same; in doubt, 1 */
    FL_SEES_FAILURE_NS,
    /* for and by fl_outlook_weigh() */
    FL_SEES_USD, /* pico-USD, NAN without a price; then USD, the mean of all without a price */
    FL_SEES_PREDICTED_MS,
    FL_SEES_ERROR_MS,
    FL_SEES_LATENCY_MS,
    FL_SEES_FAILURE_MS,
    FL_SEES_COST_MS,
    FL_SEES_SCORE,
    FL_COLUMNS
};

struct fl_outlook_block {
    union {
        fl_four column[FL_COLUMNS];
        double lane[FL_COLUMNS][FL_LANES];
    };
};

/* Of all targets together. */
struct fl_outlook_sums {
    struct fl_mean_seen first, whole, token, load, prompt, alone, share;
};

struct fl_outlook {
    struct fl_outlook_block *blocks;
    unsigned count, block_count;
    uint64_t now_ns;
    struct fl_outlook_sums sums;
    /* What a target is drawn to: */
    double first_ns, whole_ns, token_ns, load, prompt_s, alone_s, share_ns;
    bool by_token; /* first bytes and tokens were seen */
    bool told;     /* somebody reports tokens, or nothing was seen at all */
};

enum { FL_OUTLOOK_BLOCKS_MAX = FL_ROUTE_TARGETS_MAX / FL_LANES };

/* One-sided 95 %. */
#define FL_CONFIDENCE 1.645

static inline double fl_outlook_at(const struct fl_outlook *k, unsigned i, enum fl_column column)
{
    return k->blocks[i / FL_LANES].lane[column][i % FL_LANES];
}

/* *blocks* has room for *count* targets. */
void fl_outlook_begin(struct fl_outlook *k, struct fl_outlook_block *blocks, unsigned count,
                      uint64_t now_ns);
/* The i-th target, where a request with these tokens meets *in_flight* attempts and *pending_tokens*. */
struct fl_load {
    unsigned in_flight;
    uint64_t pending_tokens;
};
void fl_outlook_look(struct fl_outlook *k, unsigned i, const struct fl_target_state *s,
                     const struct fl_load *load, const struct fl_tokens *tokens);
void fl_outlook_pool(struct fl_outlook *k);
void fl_outlook_predict(struct fl_outlook *k);

/* Waiting, failing and paying in one number of ms, the score J of policy/hybrid.c: what a second after
 * the first token counts, and what a USD is worth. Of two targets or more; wants
 * FL_SEES_USD put for each. */
void fl_outlook_weigh(struct fl_outlook *k, double gamma, double ns_per_usd);
static inline void fl_outlook_put(struct fl_outlook *k, unsigned i, enum fl_column column,
                                  double value)
{
    k->blocks[i / FL_LANES].lane[column][i % FL_LANES] = value;
}

/* Of the i-th target (fl_option.place), after fl_outlook_pool(): what *tokens* take at the load at which it was measured,
 * and how far off that may be; */
struct fl_latency fl_outlook_latency(const struct fl_outlook *k, unsigned i, double tokens);
/* what an attempt of *tokens* takes for each attempt in flight when that was measured, in ns; */
double fl_outlook_work_ns(const struct fl_outlook *k, unsigned i, double tokens);
/* what one attempt's share of it was, in ns: its duration divided by those in flight. */
double fl_outlook_share_ns(const struct fl_outlook *k, unsigned i);

/* For processors with AVX2. */
void fl_outlook_pool_avx2(struct fl_outlook *k);
void fl_outlook_predict_avx2(struct fl_outlook *k);
void fl_outlook_weigh_avx2(struct fl_outlook *k, double gamma, double ns_per_usd);

#endif

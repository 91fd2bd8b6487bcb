/* SPDX-License-Identifier: Apache-2.0 */
#include "route/outlook.h"

#include "route/outlook_lanes.h"
#include "route/wide.h"

#include "base/assert.h"

void fl_outlook_begin(struct fl_outlook *k, struct fl_outlook_block *blocks, unsigned count,
                      uint64_t now_ns)
{
    k->blocks = blocks;
    k->count = count;
    k->block_count = (count + FL_LANES - 1) / FL_LANES;
    k->now_ns = now_ns;
    if (count % FL_LANES > 0) { /* nothing is known of those that are not there */
        struct fl_outlook_block *last = &blocks[k->block_count - 1];
        *last = (struct fl_outlook_block){0};
        last->column[FL_SEES_USD] += (double)NAN;
    }
}

/* *lane* is a target's first column. */
static inline void put(double *lane, enum fl_column column, double value)
{
    lane[column * FL_LANES] = value;
}

static inline void put_mean(double *lane, enum fl_column column, const struct fl_mean *m)
{
    put(lane, column, fl_get(m->sum));
    put(lane, column + 1, fl_get(m->weight));
}

static inline double since_ns(uint64_t at_ns, uint64_t now_ns)
{
    return now_ns > at_ns ? (double)(int64_t)(now_ns - at_ns) : 0;
}

void fl_outlook_look(struct fl_outlook *k, unsigned i, const struct fl_target_state *s,
                     const struct fl_load *load, const struct fl_tokens *tokens)
{
    double *lane = &k->blocks[i / FL_LANES].lane[0][i % FL_LANES];
    const struct fl_measures *m = &s->measures;
    const struct fl_pace *p = &s->pace;
    put(lane, FL_SEES_AGE_NS, since_ns(fl_get(m->at_ns), k->now_ns));
    put(lane, FL_SEES_PACE_AGE_NS, since_ns(fl_get(p->at_ns), k->now_ns));
    put_mean(lane, FL_SEES_SUCCESS, &m->success);
    put_mean(lane, FL_SEES_FAILURE, &m->failure_ns);
    put_mean(lane, FL_SEES_FIRST, &m->first_byte_ns);
    put_mean(lane, FL_SEES_WHOLE, &m->total_ns);
    put_mean(lane, FL_SEES_TOKEN, &m->token_ns);
    put_mean(lane, FL_SEES_LOAD, &m->load);
    put_mean(lane, FL_SEES_PROMPT, &p->prompt);
    put_mean(lane, FL_SEES_ALONE, &p->token);
    put_mean(lane, FL_SEES_SHARE, &p->share_ns);
    put(lane, FL_SEES_FIRST_S2, fl_get(m->first_byte_s2.sum));
    put(lane, FL_SEES_WHOLE_S2, fl_get(m->total_s2.sum));
    put(lane, FL_SEES_TOKEN_S2, fl_get(m->token_s2.sum));
    put(lane, FL_SEES_FIRST_PRIOR, fl_get(p->first_kept));
    put(lane, FL_SEES_ENDED_PRIOR, fl_get(p->ended_kept));
    put(lane, FL_SEES_RTT_NS, fl_get(p->rtt_ns));
    put(lane, FL_SEES_STREAM_WAITS_NS, since_ns(fl_get(s->streams.oldest_ns), k->now_ns));
    put(lane, FL_SEES_ANSWER_WAITS_NS, since_ns(fl_get(s->answers.oldest_ns), k->now_ns));
    double prompt = (double)(int64_t)load->pending_tokens + tokens->in - tokens->cached;
    put(lane, FL_SEES_IN_FLIGHT, load->in_flight);
    put(lane, FL_SEES_PROMPT_TOKENS, prompt);
    put(lane, FL_SEES_OUT_TOKENS, tokens->out);
}

void fl_outlook_pool(struct fl_outlook *k)
{
    const double second = 1e9;
    if (fl_wide()) {
        fl_outlook_pool_avx2(k);
    } else {
        pool_all(k);
    }
    const struct fl_outlook_sums *s = &k->sums;
    k->first_ns = fl_mean_or(s->first, second);
    k->whole_ns = fl_mean_or(s->whole, second);
    k->token_ns = fl_mean_or(s->token, 0);
    k->load = fl_mean_or(s->load, 1);
    k->prompt_s = fl_mean_or(s->prompt, FL_PACE_FIRST_PROMPT_S);
    k->alone_s = fl_mean_or(s->alone, FL_PACE_FIRST_TOKEN_S);
    k->share_ns = fl_mean_or(s->share, FL_PACE_FIRST_SHARE_NS);
    k->by_token = s->token.weight > 0 && s->first.weight > 0;
    k->told = s->alone.weight > 0 || s->share.weight <= 0;
}

void fl_outlook_predict(struct fl_outlook *k)
{
    if (fl_wide()) {
        fl_outlook_predict_avx2(k);
    } else {
        predict_all(k);
    }
}

void fl_outlook_weigh(struct fl_outlook *k, double gamma, double ns_per_usd)
{
    if (fl_wide()) {
        fl_outlook_weigh_avx2(k, gamma, ns_per_usd);
    } else {
        weigh_all(k, gamma, ns_per_usd);
    }
}

static struct fl_mean_seen mean_at(const struct fl_outlook *k, unsigned i, enum fl_column column)
{
    return (struct fl_mean_seen){fl_outlook_at(k, i, column), fl_outlook_at(k, i, column + 1)};
}

struct fl_latency fl_outlook_latency(const struct fl_outlook *k, unsigned i, double tokens)
{
    struct fl_mean_seen first = mean_at(k, i, FL_SEES_FIRST), whole = mean_at(k, i, FL_SEES_WHOLE);
    if (!k->by_token) {
        return fl_latency_of(whole, fl_outlook_at(k, i, FL_SEES_WHOLE_S2), k->whole_ns);
    }
    struct fl_latency l = fl_latency_of(first, fl_outlook_at(k, i, FL_SEES_FIRST_S2), k->first_ns);
    struct fl_latency token = fl_latency_of(mean_at(k, i, FL_SEES_TOKEN),
                                            fl_outlook_at(k, i, FL_SEES_TOKEN_S2), k->token_ns);
    return (struct fl_latency){l.ns + tokens * token.ns,
                               l.variance_ns2 + tokens * tokens * token.variance_ns2};
}

/* TTFT + tokens * TPOT, or the whole duration while nobody reports tokens. */
double fl_outlook_work_ns(const struct fl_outlook *k, unsigned i, double tokens)
{
    const double n = FL_PRIOR_SAMPLES;
    double ns = fl_mean_shrunk(mean_at(k, i, FL_SEES_WHOLE), k->whole_ns, n);
    if (k->sums.token.weight > 0) {
        ns = fl_mean_shrunk(mean_at(k, i, FL_SEES_FIRST), k->first_ns, n) +
             tokens * fl_mean_shrunk(mean_at(k, i, FL_SEES_TOKEN), k->token_ns, n);
    }
    return ns / fl_mean_shrunk(mean_at(k, i, FL_SEES_LOAD), k->load, n);
}

double fl_outlook_share_ns(const struct fl_outlook *k, unsigned i)
{
    return fl_mean_shrunk(mean_at(k, i, FL_SEES_SHARE), k->share_ns, FL_PRIOR_SAMPLES);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "route/pace.h"

#include <math.h>

#define KEEP               0.97 /* of a ratio's sums with each sample */
#define RTT_FORGETS        0.001
#define PEAK_LIFE_NS       10e9
#define PEAK_LATENCY_LIVES 5.0  /* the peak must not fade while its own request still runs */

static struct fl_mean_seen seen_of(const struct fl_mean *m)
{
    return (struct fl_mean_seen){fl_get(m->sum), fl_get(m->weight)};
}

static void ratio_add(struct fl_mean *m, double sum, double weight)
{
    fl_set(m->sum, fl_get(m->sum) * KEEP + sum);
    fl_set(m->weight, fl_get(m->weight) * KEEP + weight);
}

/* What is left of a peak after a while: its life is ten seconds, or five latencies where these are
 * long. */
static double peak_fade(double cost_ns, double for_ns)
{
    const double halves_a_life = 1.4426950408889634; /* 1 / ln 2 */
    return fl_fade(for_ns / fmax(PEAK_LIFE_NS, PEAK_LATENCY_LIVES * cost_ns) * halves_a_life);
}

static void peak_add(struct fl_peak *p, double ns, uint64_t now_ns)
{
    double cost_ns = fl_get(p->cost_ns);
    uint64_t at_ns = fl_get(p->at_ns);
    double keep = peak_fade(cost_ns, now_ns > at_ns ? (double)(now_ns - at_ns) : 0);
    fl_set(p->cost_ns, ns > cost_ns ? ns : cost_ns * keep + ns * (1 - keep));
    fl_set(p->at_ns, now_ns > at_ns ? now_ns : at_ns);
}

/* A prior is forgotten as the samples are. */
static void forget_prior(_Atomic double *kept)
{
    fl_set(*kept, 1 - (1 - fl_get(*kept)) * KEEP);
}

void fl_pace_first(struct fl_pace *p, const struct fl_pace_sample *s, uint64_t now_ns)
{
    double first_ns = (double)s->first_ns, rtt_ns = fl_get(p->rtt_ns);
    if (rtt_ns == 0 || first_ns < rtt_ns) {
        rtt_ns = first_ns;
    } else {
        rtt_ns += RTT_FORGETS * (first_ns - rtt_ns);
    }
    fl_set(p->rtt_ns, rtt_ns);
    fl_set(p->at_ns, now_ns);
    forget_prior(&p->first_kept);
    ratio_add(&p->prompt, fmax(first_ns - rtt_ns, 0) / 1e9, s->prompt_tokens);
    peak_add(&p->peak, first_ns, now_ns);
}

/* When the first token of an answer in one piece may have come, by what streams have shown. */
static double first_guess_ns(const struct fl_pace *p, const struct fl_pace_sample *s)
{
    double prompt_s = fl_mean_or(seen_of(&p->prompt), 0) * s->prompt_tokens;
    return fmin(fl_get(p->rtt_ns) + prompt_s * 1e9, (double)s->total_ns / 2);
}

void fl_pace_ended(struct fl_pace *p, const struct fl_pace_sample *s, uint64_t now_ns)
{
    double total_ns = (double)s->total_ns;
    double first_ns = s->first_ns > 0 ? (double)s->first_ns : first_guess_ns(p, s);
    fl_set(p->at_ns, now_ns);
    forget_prior(&p->ended_kept);
    ratio_add(&p->share_ns, total_ns / s->in_flight, 1);
    if (s->first_ns == 0) {
        peak_add(&p->peak, total_ns, now_ns);
    }
    if (s->tokens_out > 0 && total_ns > first_ns) {
        double tokens = (double)s->tokens_out, weight = fmin(1, tokens / 100);
        double token_s = (total_ns - first_ns) / 1e9 / tokens;
        ratio_add(&p->token, weight * token_s, weight * (1 + FL_BATCH_GROWTH * (s->in_flight - 1)));
    }
}

static double since_ns(uint64_t at_ns, uint64_t now_ns)
{
    return now_ns > at_ns ? (double)(now_ns - at_ns) : 0;
}

double fl_pace_peak_ns(const struct fl_pace *p, uint64_t now_ns)
{
    double cost_ns = fl_get(p->peak.cost_ns);
    return cost_ns * peak_fade(cost_ns, since_ns(fl_get(p->peak.at_ns), now_ns));
}

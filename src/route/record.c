/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as JSON: who was considered, who was left out and why, what the scores are made of. */
#include "route/route.h"

static void put_key(struct fl_buf *b, const char *key)
{
    fl_buf_put_cstr(b, ",\"");
    fl_buf_put_cstr(b, key);
    fl_buf_put_cstr(b, "\":");
}

static void put_number(struct fl_buf *b, double value)
{
    fl_buf_put_real(b, value, 6);
}

static void put_usd(struct fl_buf *b, const char *key, uint64_t picousd)
{
    put_key(b, key);
    fl_buf_put_scaled(b, picousd, 12, 12);
}

static void put_ms(struct fl_buf *b, const char *key, uint64_t ns)
{
    put_key(b, key);
    fl_buf_put_scaled(b, ns, 6, 1);
}

static void put_text(struct fl_buf *b, const char *key, const char *text)
{
    put_key(b, key);
    fl_buf_put_json(b, fl_slice_cstr(text));
}

static void put_count(struct fl_buf *b, const char *key, uint64_t count)
{
    put_key(b, key);
    fl_buf_put_u64(b, count);
}

static void put_needs(struct fl_buf *b, uint32_t needs)
{
    char text[80];
    struct fl_buf names;
    fl_buf_init_in(&names, text, sizeof(text));
    fl_needs_put(needs, &names);
    put_key(b, "lacks");
    fl_buf_put_json(b, fl_buf_slice(&names));
}

static void put_terms(struct fl_buf *b, const struct fl_plan *plan, const struct fl_candidate *c)
{
    if (!c->scored) {
        return;
    }
    put_key(b, "score");
    put_number(b, c->score);
    fl_buf_put_cstr(b, ",\"terms\":{");
    for (unsigned i = 0; i < plan->term_count; i++) {
        fl_buf_put_cstr(b, i > 0 ? ",\"" : "\"");
        fl_buf_put_cstr(b, plan->terms[i]);
        fl_buf_put_cstr(b, "\":");
        put_number(b, c->terms[i]);
    }
    fl_buf_putc(b, '}');
}

static void put_predicted(struct fl_buf *b, const struct fl_candidate *c)
{
    if (c->priced) {
        put_usd(b, "cost_usd", c->cost_p50);
        put_usd(b, "cost_p90_usd", c->cost_p90);
    }
    if (c->predicted) {
        put_ms(b, "ttft_ms", c->ttft_ns);
        put_ms(b, "total_ms", c->total_ns);
    }
}

static void put_candidate(struct fl_buf *b, const struct fl_table *t, const struct fl_plan *plan,
                          const struct fl_candidate *c)
{
    fl_buf_put_cstr(b, "{\"target\":");
    fl_buf_put_json(b, t->targets[c->target].id);
    if (c->skip != FL_SKIP_NONE) {
        put_text(b, "skipped", fl_skip_name(c->skip));
    }
    if (c->missing != 0) {
        put_needs(b, c->missing);
    }
    put_terms(b, plan, c);
    put_predicted(b, c);
    fl_buf_putc(b, '}');
}

static void put_skipped(struct fl_buf *b, const struct fl_plan *plan)
{
    const char *before = "\"";
    put_key(b, "skipped");
    fl_buf_putc(b, '{');
    for (unsigned i = 1; i < FL_SKIP_COUNT; i++) {
        if (plan->skipped[i] > 0) {
            fl_buf_put_cstr(b, before);
            fl_buf_put_cstr(b, fl_skip_name((enum fl_skip)i));
            fl_buf_put_cstr(b, "\":");
            fl_buf_put_u64(b, plan->skipped[i]);
            before = ",\"";
        }
    }
    fl_buf_putc(b, '}');
}

static void put_relaxed(struct fl_buf *b, unsigned relaxed)
{
    const char *before = "\"";
    put_key(b, "relaxed");
    fl_buf_putc(b, '[');
    for (unsigned bit = 1; bit <= relaxed; bit <<= 1) {
        if (relaxed & bit) {
            fl_buf_put_cstr(b, before);
            fl_buf_put_cstr(b, fl_relaxed_name(bit));
            fl_buf_putc(b, '"');
            before = ",\"";
        }
    }
    fl_buf_putc(b, ']');
}

/* The winner, the one that would have been next, and by how much. */
static void put_outcome(struct fl_buf *b, const struct fl_table *t, const struct fl_plan *plan)
{
    const struct fl_target *targets = t->targets;
    if (plan->count > 0) {
        put_key(b, "winner");
        fl_buf_put_json(b, targets[plan->targets[0]].id);
        put_key(b, "propensity");
        put_number(b, plan->propensity);
    }
    if (plan->count > 1) {
        put_key(b, "runner_up");
        fl_buf_put_json(b, targets[plan->targets[1]].id);
    }
    if (plan->count > 1 && plan->candidate_count > 1 && plan->candidates[1].scored) {
        put_key(b, "margin");
        put_number(b, plan->candidates[1].score - plan->candidates[0].score);
    }
    if (plan->err != FL_OK) {
        put_text(b, "refused", fl_err_name(plan->err));
    }
    if (plan->binding != FL_SKIP_NONE) {
        put_text(b, "binding", fl_skip_name(plan->binding));
    }
}

void fl_plan_put_json(const struct fl_table *t, const struct fl_plan *plan, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "\"route\":");
    fl_buf_put_json(b, plan->route->name);
    put_text(b, "strategy", fl_strategy_name(plan->strategy));
    put_text(b, "policy", plan->policy);
    put_text(b, "why", plan->why);
    put_outcome(b, t, plan);
    put_relaxed(b, plan->relaxed);
    put_count(b, "considered", plan->considered);
    put_skipped(b, plan);
    fl_buf_put_cstr(b, ",\"candidates\":[");
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        fl_buf_put_cstr(b, i > 0 ? "," : "");
        put_candidate(b, t, plan, &plan->candidates[i]);
    }
    fl_buf_putc(b, ']');
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/decisions.h"

#include "base/assert.h"
#include "route/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct ring {
    struct fl_lock lock;
    uint64_t count; /* ever put */
    struct fl_decision *items;
};

struct fl_decisions {
    unsigned workers, kept;
    struct ring rings[];
};

/* --- JSON --- */

static void put_key(struct fl_buf *b, const char *key)
{
    fl_buf_put_cstr(b, ",\"");
    fl_buf_put_cstr(b, key);
    fl_buf_put_cstr(b, "\":");
}

static void put_number(struct fl_buf *b, double value)
{
    char text[32];
    int len = isfinite(value) ? snprintf(text, sizeof(text), "%.6g", value) : 0;
    fl_buf_put(b, len > 0 ? fl_slice(text, (size_t)len) : FL_LIT("null"));
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

static void put_candidate(struct fl_buf *b, const struct fl_decision *d,
                          const struct fl_candidate *c)
{
    fl_buf_put_cstr(b, "{\"target\":");
    fl_buf_put_json(b, d->config->table.targets[c->target].id);
    if (c->skip != FL_SKIP_NONE) {
        put_text(b, "skipped", fl_skip_name(c->skip));
    }
    if (c->missing != 0) {
        put_needs(b, c->missing);
    }
    put_terms(b, &d->plan, c);
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
static void put_outcome(struct fl_buf *b, const struct fl_decision *d)
{
    const struct fl_plan *plan = &d->plan;
    const struct fl_target *targets = d->config->table.targets;
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

static void put_actual(struct fl_buf *b, const struct fl_decision *d)
{
    fl_buf_put_cstr(b, ",\"actual\":{\"outcome\":");
    fl_buf_put_json(b, fl_slice_cstr(fl_err_name(d->err)));
    if (d->served) {
        put_key(b, "target");
        fl_buf_put_json(b, d->served->id);
    }
    put_count(b, "status", (uint64_t)d->status);
    put_count(b, "attempts", d->attempts);
    put_key(b, "stream");
    fl_buf_put_cstr(b, d->streamed ? "true" : "false");
    if (d->first_byte_ns > 0) {
        put_ms(b, "ttft_ms", d->first_byte_ns);
    }
    put_ms(b, "total_ms", d->total_ns);
    if (d->usage_known) {
        put_count(b, "tokens_in", d->used_in);
        put_count(b, "tokens_cached", d->used_cached);
        put_count(b, "tokens_out", d->used_out);
    }
    if (d->priced) {
        put_usd(b, "cost_usd", d->cost_picousd);
    }
    fl_buf_putc(b, '}');
}

void fl_decision_note(struct fl_decision *d, const struct fl_route_request *request)
{
    d->task = request->task;
    d->task_probability = request->task_probability[request->task];
    d->tokens_in = request->tokens_in;
    d->tokens_out_p50 = request->tokens_out_p50;
    d->tokens_out_p90 = request->tokens_out_p90;
}

void fl_decision_put_json(const struct fl_decision *d, struct fl_buf *b)
{
    const struct fl_plan *plan = &d->plan;
    fl_buf_put_cstr(b, "{\"object\":\"fairlead.decision\",\"id\":\"");
    fl_buf_put_hex(b, d->id, 16);
    fl_buf_put_cstr(b, "\",\"time\":");
    fl_buf_put_scaled(b, d->wall_ns, 9, 3);
    if (d->request_id[0] != '\0') {
        put_text(b, "request_id", d->request_id);
    }
    put_text(b, "model", d->model);
    put_key(b, "route");
    fl_buf_put_json(b, plan->route->name);
    put_text(b, "strategy", fl_strategy_name(plan->strategy));
    put_text(b, "policy", plan->policy);
    put_text(b, "why", plan->why);
    put_text(b, "task", fl_task_name(d->task));
    put_key(b, "task_probability");
    put_number(b, d->task_probability);
    put_count(b, "tokens_in", d->tokens_in);
    put_count(b, "tokens_out_p50", d->tokens_out_p50);
    put_count(b, "tokens_out_p90", d->tokens_out_p90);
    put_outcome(b, d);
    put_relaxed(b, plan->relaxed);
    put_count(b, "considered", plan->considered);
    put_skipped(b, plan);
    fl_buf_put_cstr(b, ",\"candidates\":[");
    for (unsigned i = 0; i < plan->candidate_count; i++) {
        fl_buf_put_cstr(b, i > 0 ? "," : "");
        put_candidate(b, d, &plan->candidates[i]);
    }
    fl_buf_putc(b, ']');
    if (d->ended) {
        put_actual(b, d);
    }
    fl_buf_putc(b, '}');
}

/* --- Rings --- */

struct fl_decisions *fl_decisions_create(unsigned workers, unsigned kept)
{
    struct fl_decisions *d = calloc(1, sizeof(*d) + workers * sizeof(d->rings[0]));
    if (!d) {
        return NULL;
    }
    d->workers = workers;
    d->kept = kept;
    for (unsigned i = 0; i < workers; i++) {
        atomic_flag_clear(&d->rings[i].lock.held);
        d->rings[i].items = calloc(kept > 0 ? kept : 1, sizeof(struct fl_decision));
        if (!d->rings[i].items) {
            fl_decisions_destroy(d);
            return NULL;
        }
    }
    return d;
}

/* Counted references are not part of what a config is. */
static struct fl_config *counted(const struct fl_config *c)
{
    return (struct fl_config *)(uintptr_t)c;
}

void fl_decisions_destroy(struct fl_decisions *d)
{
    for (unsigned i = 0; d && i < d->workers; i++) {
        struct ring *r = &d->rings[i];
        for (unsigned j = 0; r->items && j < d->kept; j++) {
            fl_config_unref(counted(r->items[j].config));
        }
        free(r->items);
    }
    free(d);
}

/* Plans are mostly empty: only what is used is copied. */
static void copy(struct fl_decision *to, const struct fl_decision *from)
{
    size_t unused = (FL_PLAN_MAX - from->plan.candidate_count) * sizeof(struct fl_candidate);
    if (unused == 0) {
        *to = *from;
        return;
    }
    struct fl_candidate *first = &to->plan.candidates[0];
    size_t before = offsetof(struct fl_decision, plan.candidates);
    size_t behind = offsetof(struct fl_decision, plan.candidate_count);
    memcpy(to, from, before);
    memcpy(first, from->plan.candidates, FL_PLAN_MAX * sizeof(*first) - unused);
    memcpy((char *)to + behind, (const char *)from + behind, sizeof(*to) - behind);
}

void fl_decisions_put(struct fl_decisions *d, unsigned worker, const struct fl_decision *decision)
{
    if (!d || d->kept == 0) {
        return;
    }
    fl_assert(worker < d->workers);
    struct ring *r = &d->rings[worker];
    (void)fl_config_ref(counted(decision->config));
    fl_lock(&r->lock);
    struct fl_decision *at = &r->items[r->count++ % d->kept];
    const struct fl_config *old = at->config;
    copy(at, decision);
    fl_unlock(&r->lock);
    fl_config_unref(counted(old));
}

/* The record *back* puts ago (0: the newest), with a reference of its own. False: none. */
static bool take(struct fl_decisions *d, unsigned worker, unsigned back, struct fl_decision *ret)
{
    struct ring *r = &d->rings[worker];
    bool there;
    fl_lock(&r->lock);
    there = back < d->kept && back < r->count;
    if (there) {
        *ret = r->items[(r->count - 1 - back) % d->kept];
        (void)fl_config_ref(counted(ret->config));
    }
    fl_unlock(&r->lock);
    return there;
}

static void give(struct fl_decision *decision)
{
    fl_config_unref(counted(decision->config));
}

/* Merges the rings, each of which has its newest last. */
void fl_decisions_put_list(struct fl_decisions *d, unsigned limit, struct fl_buf *b)
{
    enum { workers_max = 256 };
    unsigned back[workers_max] = {0};
    const char *before = "";
    fl_buf_put_cstr(b, "{\"object\":\"list\",\"data\":[");
    for (unsigned n = 0; d && n < limit; n++) {
        struct fl_decision one, newest;
        unsigned from = workers_max;
        for (unsigned w = 0; w < d->workers && w < workers_max; w++) {
            if (!take(d, w, back[w], &one)) {
                continue;
            }
            if (from == workers_max || one.wall_ns > newest.wall_ns) {
                if (from < workers_max) {
                    give(&newest);
                }
                newest = one;
                from = w;
            } else {
                give(&one);
            }
        }
        if (from == workers_max) {
            break;
        }
        back[from]++;
        fl_buf_put_cstr(b, before);
        fl_decision_put_json(&newest, b);
        give(&newest);
        before = ",";
    }
    fl_buf_put_cstr(b, "]}");
}

bool fl_decisions_put_one(struct fl_decisions *d, uint64_t id, struct fl_buf *b)
{
    for (unsigned w = 0; d && w < d->workers; w++) {
        struct fl_decision one;
        for (unsigned back = 0; take(d, w, back, &one); back++) {
            bool found = one.id == id;
            if (found) {
                fl_decision_put_json(&one, b);
            }
            give(&one);
            if (found) {
                return true;
            }
        }
    }
    return false;
}

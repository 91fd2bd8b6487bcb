/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/internal.h"
#include "route/estimate.h"

#include <stdlib.h>

enum { text_bytes_max = 1024 * 1024 };

struct fairlead_decision {
    struct fairlead *f;
    struct fl_lib_snapshot *snapshot; /* NULL: nothing was in force */
    enum fl_err err;
    struct fl_plan plan; /* where route is not NULL */
    unsigned tokens_in[FL_PLAN_MAX], tokens_fresh[FL_PLAN_MAX];
    struct fl_expected expected;
    struct fl_asker asker;
    bool streaming;
    struct fl_buf reason, json, error; /* NUL-terminated, or empty */
    bool open;                         /* an attempt is; of it: */
    unsigned index;
    uint64_t first_ns; /* from its dispatch; 0: none came */
    struct fl_dispatch dispatch;
};

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static const struct fl_target *target_at(const struct fairlead_decision *d, unsigned index)
{
    return d && index < d->plan.count ? &d->snapshot->table.targets[d->plan.targets[index]] : NULL;
}

/* The finished text; NULL when it did not fit into memory. */
static const char *finished(struct fl_buf *b)
{
    fl_buf_putc(b, '\0');
    if (!fl_buf_ok(b)) {
        fl_buf_finish(b);
        return NULL;
    }
    return b->ptr;
}

/* --- Deciding --- */

static void refuse_route(struct fairlead_decision *d, struct fl_slice name)
{
    struct fl_slice near =
        d->snapshot ? fl_route_suggest(&d->snapshot->table, fl_slice_first(name, 200)) : FL_EMPTY;
    d->err = FL_ERR_MODEL_UNKNOWN;
    fl_buf_put_cstr(&d->error, "There is no route '");
    fl_buf_put(&d->error, fl_slice_first(name, 200));
    fl_buf_put_cstr(&d->error, near.len > 0 ? "'. Did you mean '" : "'");
    fl_buf_put(&d->error, near);
    fl_buf_put_cstr(&d->error, near.len > 0 ? "'?" : ".");
}

static void plan(struct fairlead_decision *d, const struct fl_route *route,
                 struct fairlead_request *request, uint64_t now_ns)
{
    const struct fl_table *t = &d->snapshot->table;
    struct fl_rng rng;
    struct fl_route_request q = fl_lib_request_ask(request, d->f, t, route, &d->asker);
    q.now_ns = now_ns;
    if (request->number[FL_LIB_DEADLINE] > 0) {
        q.deadline_ns = now_ns + (uint64_t)(request->number[FL_LIB_DEADLINE] * 1e6);
    }
    uint64_t turn = atomic_fetch_add_explicit(&d->f->decisions, 1, memory_order_relaxed);
    fl_rng_seed(&rng, fl_mix64(d->f->seed ^ turn));
    fl_route_plan(t, route, &q, &rng, &d->plan);
    d->err = d->plan.err;
    d->streaming = q.streaming;
    fl_lib_request_keep(request, &d->expected);
    for (unsigned i = 0; i < d->plan.count; i++) {
        struct fl_tokens tokens = fl_tokens_expected(t, d->plan.targets[i], &q);
        d->tokens_in[i] = tokens.in;
        d->tokens_fresh[i] = tokens.in - tokens.cached;
    }
    if (d->err) {
        fl_plan_put_refusal(t, &d->plan, &q, &d->error);
    }
}

static struct fairlead_decision *create(struct fairlead *f)
{
    struct fairlead_decision *d = malloc(sizeof(*d));
    if (!d) {
        return NULL;
    }
    d->f = f;
    d->snapshot = fl_lib_current(f);
    d->err = FL_OK;
    d->plan.route = NULL;
    d->plan.count = 0;
    d->streaming = d->open = false;
    fl_buf_init(&d->reason, text_bytes_max);
    fl_buf_init(&d->json, text_bytes_max);
    fl_buf_init(&d->error, text_bytes_max);
    return d;
}

int fairlead_decide(struct fairlead *f, const char *route, struct fairlead_request *request,
                    uint64_t now_ns, struct fairlead_decision **decision)
{
    if (decision) {
        *decision = NULL;
    }
    if (!f || !route || !request || !decision || now_ns == 0) {
        return FAIRLEAD_INVALID;
    }
    struct fairlead_decision *d = create(f);
    if (!d) {
        return FAIRLEAD_NO_MEMORY;
    }
    const struct fl_hash_key key = {0, 0};
    struct fl_slice name = fl_slice_cstr(route);
    const struct fl_route *found = d->snapshot ? fl_route_find(&d->snapshot->table, name) : NULL;
    d->asker = (struct fl_asker){
        .tenant = request->client.len > 0
                      ? fl_hash(key, fl_slice(request->client.text, request->client.len))
                      : 0,
        .model = fl_hash(key, name),
        .now_s = now_ns / NS_PER_S + 1,
    };
    if (found) {
        plan(d, found, request, now_ns);
    } else {
        refuse_route(d, name);
    }
    if (d->err && !finished(&d->error)) {
        fairlead_decision_destroy(d);
        return FAIRLEAD_NO_MEMORY;
    }
    *decision = d;
    return !found ? FAIRLEAD_UNKNOWN : d->err ? FAIRLEAD_REFUSED : FAIRLEAD_OK;
}

/* --- Reading --- */

unsigned fairlead_decision_count(const struct fairlead_decision *decision)
{
    return decision ? decision->plan.count : 0;
}

const char *fairlead_decision_target(const struct fairlead_decision *decision, unsigned index)
{
    const struct fl_target *target = target_at(decision, index);
    return target ? target->id.ptr : NULL;
}

/* Candidates stand in plan order. */
double fairlead_decision_cost_usd(const struct fairlead_decision *decision, unsigned index)
{
    if (!target_at(decision, index) || !decision->plan.candidates[index].priced) {
        return -1;
    }
    return (double)decision->plan.candidates[index].cost_p50 / 1e12;
}

uint64_t fairlead_decision_tokens_in(const struct fairlead_decision *decision, unsigned index)
{
    return target_at(decision, index) ? decision->tokens_in[index] : 0;
}

const char *fairlead_decision_reason(struct fairlead_decision *decision)
{
    if (!decision || !decision->plan.route) {
        return decision ? "" : NULL;
    }
    if (decision->reason.len > 0) {
        return decision->reason.ptr;
    }
    fl_plan_put_reason(&decision->snapshot->table, &decision->plan, &decision->reason);
    return finished(&decision->reason);
}

const char *fairlead_decision_json(struct fairlead_decision *decision)
{
    if (!decision || decision->json.len > 0) {
        return decision ? decision->json.ptr : NULL;
    }
    struct fl_buf *b = &decision->json;
    fl_buf_putc(b, '{');
    if (decision->plan.route) {
        fl_plan_put_json(&decision->snapshot->table, &decision->plan, b);
    } else {
        fl_buf_put_cstr(b, "\"refused\":");
        fl_buf_put_json(b, fl_slice_cstr(fl_err_name(decision->err)));
    }
    fl_buf_putc(b, '}');
    return finished(b);
}

const char *fairlead_decision_error(const struct fairlead_decision *decision)
{
    if (!decision) {
        return NULL;
    }
    return decision->err ? decision->error.ptr : "";
}

const char *fairlead_decision_error_name(const struct fairlead_decision *decision)
{
    return decision ? fl_err_name(decision->err) : NULL;
}

/* --- Attempts --- */

int fairlead_begin(struct fairlead_decision *decision, unsigned index, uint64_t now_ns)
{
    const struct fl_target *target = target_at(decision, index);
    if (!target || now_ns == 0) {
        return FAIRLEAD_INVALID;
    }
    if (decision->open) {
        return FAIRLEAD_STATE;
    }
    fl_route_begin(target, decision->tokens_fresh[index], decision->streaming, now_ns,
                   &decision->dispatch);
    decision->open = true;
    decision->index = index;
    decision->first_ns = 0;
    return FAIRLEAD_OK;
}

static uint64_t since_begin(const struct fairlead_decision *d, uint64_t now_ns)
{
    return now_ns > d->dispatch.begun_ns ? now_ns - d->dispatch.begun_ns : 0;
}

int fairlead_first_token(struct fairlead_decision *decision, uint64_t now_ns)
{
    if (!decision || now_ns == 0) {
        return FAIRLEAD_INVALID;
    }
    if (!decision->open || !decision->streaming || decision->dispatch.first_byte) {
        return FAIRLEAD_STATE;
    }
    fl_route_first_byte(target_at(decision, decision->index), &decision->dispatch, now_ns);
    decision->first_ns = since_begin(decision, now_ns);
    return FAIRLEAD_OK;
}

static void end(struct fairlead_decision *d, struct fl_outcome *outcome, uint64_t now_ns)
{
    outcome->first_byte_ns = d->first_ns;
    outcome->total_ns = since_begin(d, now_ns);
    fl_route_end(&d->snapshot->table, target_at(d, d->index), &d->dispatch, outcome, now_ns);
    d->open = false;
}

static bool outcome_parse(const char *name, enum fl_err *ret_err)
{
    for (unsigned i = 0; i < FL_ERR_COUNT; i++) {
        if (strcmp(fl_err_name((enum fl_err)i), name) == 0) {
            *ret_err = (enum fl_err)i;
            return true;
        }
    }
    return false;
}

int fairlead_end(struct fairlead_decision *decision, const char *outcome, uint64_t tokens_in,
                 uint64_t tokens_out, uint64_t retry_after_ms, uint64_t now_ns)
{
    enum { hour_ms = 3600000 };
    struct fl_outcome o = {.tokens_in = tokens_in, .tokens_out = tokens_out};
    if (!decision || !outcome || now_ns == 0) {
        return FAIRLEAD_INVALID;
    }
    if (!outcome_parse(outcome, &o.err)) {
        return FAIRLEAD_UNKNOWN;
    }
    if (!decision->open) {
        return FAIRLEAD_STATE;
    }
    o.retry_after_ns = (retry_after_ms < hour_ms ? retry_after_ms : hour_ms) * NS_PER_MS;
    end(decision, &o, now_ns);
    if (o.err == FL_OK) {
        struct fl_usage usage = {.known = tokens_in > 0 || tokens_out > 0,
                                 .tokens_in = tokens_in,
                                 .tokens_out = tokens_out};
        decision->asker.now_s = now_ns / NS_PER_S + 1;
        fl_knowledge_learn(decision->f->knowledge, &decision->expected, &decision->asker,
                           target_at(decision, decision->index), &usage);
    }
    return FAIRLEAD_OK;
}

void fairlead_decision_destroy(struct fairlead_decision *decision)
{
    if (!decision) {
        return;
    }
    if (decision->open) {
        struct fl_outcome cancelled = {.err = FL_ERR_CANCELLED};
        end(decision, &cancelled, decision->dispatch.begun_ns);
    }
    fl_buf_finish(&decision->reason);
    fl_buf_finish(&decision->json);
    fl_buf_finish(&decision->error);
    fl_lib_snapshot_unref(decision->snapshot);
    free(decision);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "route/state.h"

#include "base/assert.h"
#include "route/failure.h"

#define RATE_COOL_NS  UINT64_C(1000000000)
#define QUOTA_COOL_NS UINT64_C(60000000000)
#define BRIEF_MAX_NS  UINT64_C(30000000000)
#define COOL_MAX_NS   UINT64_C(3600000000000)

static void check_conservation(const struct fl_target_state *s)
{
    fl_assert(s->begun == s->succeeded + s->failed + s->uncounted + fl_get(s->in_flight));
}

static void publish_oldest(struct fl_waiting *w)
{
    unsigned back = w->count < FL_WAITING_KEPT ? w->count : FL_WAITING_KEPT;
    fl_set(w->oldest_ns,
           back > 0 ? w->dispatched_ns[(w->begun - back) % FL_WAITING_KEPT] : UINT64_MAX);
}

static struct fl_waiting *waiting_of(struct fl_target_state *s, const struct fl_dispatch *dispatch)
{
    return dispatch->streaming ? &s->streams : &s->answers;
}

static void join_waiting(struct fl_target_state *s, const struct fl_dispatch *dispatch)
{
    struct fl_waiting *w = waiting_of(s, dispatch);
    w->dispatched_ns[w->begun++ % FL_WAITING_KEPT] = dispatch->begun_ns;
    w->count++;
    publish_oldest(w);
    if (dispatch->streaming) {
        fl_set(s->pending_tokens, dispatch->pending_tokens + dispatch->tokens_in);
    }
}

static void leave_waiting(struct fl_target_state *s, const struct fl_dispatch *dispatch)
{
    struct fl_waiting *w = waiting_of(s, dispatch);
    uint64_t pending = fl_get(s->pending_tokens);
    fl_assert(w->count > 0);
    w->count--;
    publish_oldest(w);
    if (dispatch->streaming) {
        fl_assert(pending >= dispatch->tokens_in);
        fl_set(s->pending_tokens, pending - dispatch->tokens_in);
    }
}

void fl_route_begin(const struct fl_target *target, unsigned tokens_in, bool streaming,
                    uint64_t now_ns, struct fl_dispatch *ret_dispatch)
{
    struct fl_target_state *s = target->state;
    fl_lock(&s->lock);
    *ret_dispatch = (struct fl_dispatch){.begun_ns = now_ns,
                                         .streaming = streaming,
                                         .tokens_in = tokens_in,
                                         .in_flight = fl_get(s->in_flight),
                                         .pending_tokens = fl_get(s->pending_tokens)};
    s->begun++;
    fl_set(s->in_flight, ret_dispatch->in_flight + 1);
    join_waiting(s, ret_dispatch);
    fl_breaker_begin(&s->breaker, now_ns);
    fl_throttle_asked(&s->throttle, now_ns);
    check_conservation(s);
    fl_unlock(&s->lock);
}

static struct fl_pace_sample sample_of(const struct fl_dispatch *dispatch)
{
    return (struct fl_pace_sample){
        .prompt_tokens = (double)(dispatch->pending_tokens + dispatch->tokens_in),
        .in_flight = dispatch->in_flight + 1,
    };
}

void fl_route_first_byte(const struct fl_target *target, struct fl_dispatch *dispatch,
                         uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    struct fl_pace_sample sample = sample_of(dispatch);
    fl_assert(dispatch->streaming && !dispatch->first_byte);
    dispatch->first_byte = true;
    sample.first_ns = now_ns > dispatch->begun_ns ? now_ns - dispatch->begun_ns : 0;
    fl_lock(&s->lock);
    leave_waiting(s, dispatch);
    fl_pace_first(&s->pace, &sample, now_ns);
    fl_spread_add(&s->spreads.first[fl_prompt_size(dispatch->tokens_in)], sample.first_ns, now_ns);
    fl_concurrency_sample(&s->concurrency, sample.first_ns, dispatch->in_flight + 1);
    fl_unlock(&s->lock);
}

/* Whose failure it is also depends on the target: of one that serves any model, an unknown model is
 * the client's word; of one whose keys nobody watches, a refused key is the target's failure. */
static struct fl_consequence consequence_at(const struct fl_target *target, enum fl_err err)
{
    struct fl_consequence c = *fl_consequence_of(err);
    if (c.cool == FL_COOL_TARGET && target->model.len == 0) {
        return (struct fl_consequence){.scope = FL_SCOPE_NONE};
    }
    if (c.cool == FL_COOL_KEY && target->key_count == 0) {
        c.halves = 2;
        c.cool = FL_COOL_BREAKER;
    }
    return c;
}

static void cool_after(struct fl_target_state *s, const struct fl_consequence *c,
                       const struct fl_target *target, uint64_t after_ns, uint64_t now_ns)
{
    uint64_t ns = after_ns;
    switch (c->cool) {
    case FL_COOL_RESET:
        ns = ns > 0 ? ns : RATE_COOL_NS;
        break;
    case FL_COOL_BRIEF:
        ns = ns < BRIEF_MAX_NS ? ns : BRIEF_MAX_NS;
        ns = ns > 0 && ns < RATE_COOL_NS ? RATE_COOL_NS : ns;
        break;
    case FL_COOL_QUOTA:
        ns = ns > 0 ? ns : QUOTA_COOL_NS;
        break;
    case FL_COOL_TARGET:
        fl_breaker_disable(&s->breaker, now_ns, FL_COOL_TARGET_NS);
        return;
    case FL_COOL_NONE:
    case FL_COOL_KEY:
    case FL_COOL_STREAK:
        return;
    case FL_COOL_BREAKER:
        break;
    }
    /* Where keys are watched, what one of them used up is its own affair. */
    bool keys_own = (c->cool == FL_COOL_RESET || c->cool == FL_COOL_QUOTA) && target->key_count > 0;
    if (ns > 0 && !keys_own) {
        fl_breaker_cool(&s->breaker, now_ns, ns < COOL_MAX_NS ? ns : COOL_MAX_NS);
    }
}

/* Speed is learned from what succeeded: what fails fast must not look fast. */
static void learn_pace(struct fl_target_state *s, const struct fl_dispatch *dispatch,
                       const struct fl_outcome *outcome, uint64_t now_ns)
{
    struct fl_pace_sample sample = sample_of(dispatch);
    sample.first_ns = dispatch->first_byte ? outcome->first_byte_ns : 0;
    sample.total_ns = outcome->total_ns;
    sample.tokens_out = outcome->tokens_out;
    fl_pace_ended(&s->pace, &sample, now_ns);
}

/* What a failed attempt says to the doors in front of the target. */
static void guard(struct fl_target_state *s, const struct fl_consequence *c, enum fl_err err,
                  uint64_t now_ns)
{
    if (c->halves > 0) {
        fl_retry_gate_failed(&s->gate);
    }
    if (c->scope == FL_SCOPE_NONE) { /* it did what it could */
        fl_throttle_accepted(&s->throttle, now_ns);
    }
    if (err == FL_ERR_RATE_LIMITED || err == FL_ERR_UPSTREAM_OVERLOADED) {
        fl_concurrency_refused(&s->concurrency, now_ns);
    }
}

static bool is_ill(const struct fl_target_state *s)
{
    uint8_t health = fl_get(s->breaker.health);
    return health == FL_OPEN || health == FL_HALF_OPEN;
}

/* A target that came back is met by slow start, not by what is remembered of its bad time. */
static void forgive(struct fl_target_state *s, bool was_ill)
{
    if (was_ill && !is_ill(s)) {
        fl_retry_gate_fill(&s->gate);
        fl_throttle_forget(&s->throttle);
    }
}

static void settle_success(struct fl_target_state *s, const struct fl_health_policy *policy,
                           const struct fl_dispatch *dispatch, const struct fl_outcome *outcome,
                           uint64_t now_ns)
{
    s->succeeded++;
    fl_measures_succeeded(&s->measures, now_ns, outcome->first_byte_ns, outcome->total_ns,
                          outcome->tokens_out, fl_get(s->in_flight));
    learn_pace(s, dispatch, outcome, now_ns);
    fl_retry_gate_succeeded(&s->gate);
    fl_throttle_accepted(&s->throttle, now_ns);
    if (outcome->first_byte_ns > 0 && outcome->tokens_out > 1 &&
        outcome->total_ns > outcome->first_byte_ns) {
        fl_spread_add(&s->spreads.gap,
                      (outcome->total_ns - outcome->first_byte_ns) / (outcome->tokens_out - 1),
                      now_ns);
    }
    if (!dispatch->streaming && outcome->tokens_out > 0) {
        fl_spread_add(&s->spreads.whole[fl_answer_size(outcome->tokens_out)], outcome->total_ns, now_ns);
    }
    bool was_ill = is_ill(s);
    fl_breaker_succeeded(&s->breaker, policy, dispatch->begun_ns, now_ns);
    forgive(s, was_ill);
}

/* Returns whether it counted against the target. */
static void settle(struct fl_target_state *s, const struct fl_table *t,
                   const struct fl_target *target, const struct fl_dispatch *dispatch,
                   const struct fl_outcome *outcome, const struct fl_consequence *c,
                   uint64_t now_ns)
{
    fl_breaker_release(&s->breaker, dispatch->begun_ns);
    if (outcome->err == FL_OK) {
        settle_success(s, &t->health, dispatch, outcome, now_ns);
        return;
    }
    if (c->halves > 0) {
        s->failed++;
        fl_measures_failed(&s->measures, now_ns, outcome->total_ns);
        fl_breaker_failed(&s->breaker, &t->health, c->halves, dispatch->begun_ns, now_ns);
    } else {
        s->uncounted++;
    }
    if (c->cool == FL_COOL_STREAK) {
        fl_breaker_refused(&s->breaker, &t->health, dispatch->begun_ns, now_ns);
    }
    guard(s, c, outcome->err, now_ns);
    cool_after(s, c, target, outcome->retry_after_ns, now_ns);
}

/* What the failure of one says of another. Of the same provider: all, when it failed before any
 * model; else the more, the closer what they share. */
static double told_to(const struct fl_target *from, const struct fl_target *to,
                      const struct fl_consequence *c)
{
    static const double parts[FL_FATE_COUNT] = {[FL_FATE_PROVIDER] = 0.25,
                                                [FL_FATE_ACCOUNT] = 0.1,
                                                [FL_FATE_VENDOR] = 0.1,
                                                [FL_FATE_REGION] = 0.05,
                                                [FL_FATE_QUOTA] = 0};
    double part = 0;
    for (unsigned fate = 0; fate < FL_FATE_COUNT; fate++) {
        bool shared = from->fate[fate] != 0 && from->fate[fate] == to->fate[fate];
        part = shared && parts[fate] > part ? parts[fate] : part;
    }
    return part * c->halves / 2;
}

static bool shares_provider(const struct fl_target *a, const struct fl_target *b)
{
    return a->fate[FL_FATE_PROVIDER] != 0 && a->fate[FL_FATE_PROVIDER] == b->fate[FL_FATE_PROVIDER];
}

/* Siblings' locks are taken one after another, and no other is held meanwhile. */
static void tell_siblings(const struct fl_table *t, const struct fl_target *target,
                          const struct fl_consequence *c, uint64_t begun_ns, uint64_t now_ns)
{
    for (unsigned i = 0; i < t->target_count; i++) {
        const struct fl_target *to = &t->targets[i];
        double part = told_to(target, to, c);
        if (to->state == target->state || part == 0) {
            continue;
        }
        fl_lock(&to->state->lock);
        if (c->scope == FL_SCOPE_PROVIDER && shares_provider(target, to)) {
            fl_breaker_failed(&to->state->breaker, &t->health, c->halves, begun_ns, now_ns);
        } else {
            fl_breaker_heard(&to->state->breaker, &t->health, part, begun_ns);
        }
        fl_unlock(&to->state->lock);
    }
}

/* Others that draw from the same upstream limit rest with it. */
static void rest_siblings(const struct fl_table *t, const struct fl_target *target,
                          uint64_t until_ns, uint64_t now_ns)
{
    uint64_t quota = target->fate[FL_FATE_QUOTA];
    for (unsigned i = 0; i < t->target_count && quota != 0 && until_ns > now_ns; i++) {
        struct fl_target_state *to = t->targets[i].state;
        if (t->targets[i].fate[FL_FATE_QUOTA] == quota && to != target->state) {
            fl_lock(&to->lock);
            fl_breaker_cool(&to->breaker, now_ns, until_ns - now_ns);
            fl_unlock(&to->lock);
        }
    }
}

void fl_route_end(const struct fl_table *t, const struct fl_target *target,
                  const struct fl_dispatch *dispatch, const struct fl_outcome *outcome,
                  uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    struct fl_consequence c = consequence_at(target, outcome->err);
    fl_lock(&s->lock);
    unsigned in_flight = fl_get(s->in_flight);
    fl_assert(in_flight > 0);
    s->measures.history_size = t->settings.history_size;
    settle(s, t, target, dispatch, outcome, &c, now_ns);
    fl_set(s->in_flight, in_flight - 1);
    if (!dispatch->first_byte) {
        leave_waiting(s, dispatch);
    }
    check_conservation(s);
    uint64_t cool_until_ns = fl_get(s->breaker.cool_until_ns);
    fl_unlock(&s->lock);
    if (c.halves > 0) {
        tell_siblings(t, target, &c, dispatch->begun_ns, now_ns);
    }
    if (c.cool == FL_COOL_RESET) {
        rest_siblings(t, target, cool_until_ns, now_ns);
    }
}

void fl_route_probe(const struct fl_table *t, const struct fl_target *target, bool ok,
                    uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    fl_lock(&s->lock);
    bool was_ill = is_ill(s);
    fl_breaker_probed(&s->breaker, &t->health, ok, now_ns);
    forgive(s, was_ill);
    fl_unlock(&s->lock);
}

void fl_route_drain(const struct fl_target *target, bool drained, uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    fl_lock(&s->lock);
    bool was_ill = is_ill(s);
    fl_breaker_drain(&s->breaker, drained, now_ns);
    forgive(s, was_ill);
    fl_unlock(&s->lock);
}

bool fl_route_canary(const struct fl_target *target, uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    fl_lock(&s->lock);
    bool ok = fl_breaker_canary(&s->breaker, now_ns);
    fl_unlock(&s->lock);
    return ok;
}

void fl_target_read(const struct fl_target *target, uint64_t now_ns,
                    struct fl_target_view *ret_view)
{
    struct fl_target_state *s = target->state;
    struct fl_measures_seen seen;
    fl_lock(&s->lock);
    fl_measures_see(&s->measures, now_ns, &seen);
    *ret_view = (struct fl_target_view){
        .health = fl_breaker_health(&s->breaker, now_ns),
        .drained = fl_get(s->breaker.drained),
        .vigour = fl_breaker_vigour(&s->breaker, now_ns),
        .concurrency = fl_concurrency_limit(&s->concurrency),
        .in_flight = fl_get(s->in_flight),
        .pending_tokens = fl_get(s->pending_tokens),
        .begun = s->begun,
        .succeeded = s->succeeded,
        .failed = s->failed,
        .uncounted = s->uncounted,
        .ejected_until_ns = fl_get(s->breaker.health) == FL_OPEN ? fl_get(s->breaker.until_ns) : 0,
        .first_byte_ms = fl_mean_or(seen.first_byte_ns, 0) / 1e6,
        .total_ms = fl_mean_or(seen.total_ns, 0) / 1e6,
        .success = fl_success_of(&seen),
    };
    fl_unlock(&s->lock);
}

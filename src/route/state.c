/* SPDX-License-Identifier: Apache-2.0 */
#include "route/state.h"

#include "base/assert.h"

#include <stdlib.h>

enum { bucket_count = 256 };

#define RATE_COOL_NS  UINT64_C(1000000000)
#define QUOTA_COOL_NS UINT64_C(60000000000)
#define COOL_MAX_NS   UINT64_C(3600000000000)

struct fl_registry {
    struct fl_target_state *targets[bucket_count];
    struct fl_route_state *routes[bucket_count];
};

/* Names come from the configuration: no key is needed against them. */
static uint64_t hash_of(struct fl_slice name)
{
    return fl_hash((struct fl_hash_key){0, 0}, name);
}

struct fl_registry *fl_registry_create(void)
{
    return calloc(1, sizeof(struct fl_registry));
}

void fl_registry_destroy(struct fl_registry *r)
{
    for (unsigned i = 0; r && i < bucket_count; i++) {
        while (r->targets[i]) {
            struct fl_target_state *s = r->targets[i];
            r->targets[i] = s->next;
            free((void *)(uintptr_t)s->id.ptr);
            free(s);
        }
        while (r->routes[i]) {
            struct fl_route_state *s = r->routes[i];
            r->routes[i] = s->next;
            free((void *)(uintptr_t)s->name.ptr);
            free(s);
        }
    }
    free(r);
}

struct fl_target_state *fl_registry_target(struct fl_registry *r, struct fl_slice target_id)
{
    uint64_t hash = hash_of(target_id);
    struct fl_target_state **bucket = &r->targets[hash % bucket_count], *s;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->id, target_id)) {
            return s;
        }
    }
    s = calloc(1, sizeof(*s));
    char *id = fl_slice_dup(target_id);
    if (!s || !id) {
        free(s);
        free(id);
        return NULL;
    }
    s->id = fl_slice(id, target_id.len);
    atomic_flag_clear(&s->lock.held);
    fl_set(s->streams.oldest_ns, UINT64_MAX);
    fl_set(s->answers.oldest_ns, UINT64_MAX);
    fl_breaker_init(&s->breaker, hash);
    s->next = *bucket;
    return *bucket = s;
}

struct fl_route_state *fl_registry_route(struct fl_registry *r, struct fl_slice route_name)
{
    struct fl_route_state **bucket = &r->routes[hash_of(route_name) % bucket_count], *s;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->name, route_name)) {
            return s;
        }
    }
    s = calloc(1, sizeof(*s));
    char *name = fl_slice_dup(route_name);
    if (!s || !name) {
        free(s);
        free(name);
        return NULL;
    }
    s->name = fl_slice(name, route_name.len);
    atomic_flag_clear(&s->lock.held);
    s->next = *bucket;
    return *bucket = s;
}

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
    fl_unlock(&s->lock);
}

enum verdict { SUCCEEDED, FAILED, UNCOUNTED };

static enum verdict verdict_of(const struct fl_target *target, enum fl_err err)
{
    if (err == FL_OK) {
        return SUCCEEDED;
    }
    bool clients_name = err == FL_ERR_UPSTREAM_MODEL && target->model.len == 0;
    bool capacity = err == FL_ERR_RATE_LIMITED || err == FL_ERR_QUOTA;
    return fl_err_blame(err) == FL_BLAME_PROVIDER && !capacity && !clients_name ? FAILED
                                                                                : UNCOUNTED;
}

static void cool_after(struct fl_target_state *s, const struct fl_outcome *outcome, uint64_t now_ns)
{
    uint64_t ns = outcome->retry_after_ns;
    if (ns == 0 && outcome->err == FL_ERR_RATE_LIMITED) {
        ns = RATE_COOL_NS;
    } else if (ns == 0 && outcome->err == FL_ERR_QUOTA) {
        ns = QUOTA_COOL_NS;
    }
    if (ns > 0) {
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

static void settle(struct fl_target_state *s, const struct fl_health_policy *policy,
                   const struct fl_dispatch *dispatch, const struct fl_outcome *outcome,
                   enum verdict verdict, uint64_t now_ns)
{
    uint64_t begun_ns = dispatch->begun_ns;
    fl_breaker_release(&s->breaker, begun_ns);
    switch (verdict) {
    case SUCCEEDED:
        s->succeeded++;
        fl_measures_succeeded(&s->measures, now_ns, outcome->first_byte_ns, outcome->total_ns,
                              outcome->tokens_out, fl_get(s->in_flight));
        learn_pace(s, dispatch, outcome, now_ns);
        fl_breaker_succeeded(&s->breaker, policy, begun_ns, now_ns);
        break;
    case FAILED:
        s->failed++;
        fl_measures_failed(&s->measures, now_ns, outcome->total_ns);
        fl_breaker_failed(&s->breaker, policy, begun_ns, now_ns);
        break;
    case UNCOUNTED:
        s->uncounted++;
        break;
    }
}

void fl_route_end(const struct fl_table *t, const struct fl_target *target,
                  const struct fl_dispatch *dispatch, const struct fl_outcome *outcome,
                  uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    enum verdict verdict = verdict_of(target, outcome->err);
    fl_lock(&s->lock);
    unsigned in_flight = fl_get(s->in_flight);
    fl_assert(in_flight > 0);
    s->measures.history_size = t->settings.history_size;
    settle(s, &t->health, dispatch, outcome, verdict, now_ns);
    if (verdict != SUCCEEDED) {
        cool_after(s, outcome, now_ns);
    }
    fl_set(s->in_flight, in_flight - 1);
    if (!dispatch->first_byte) {
        leave_waiting(s, dispatch);
    }
    check_conservation(s);
    fl_unlock(&s->lock);
}

void fl_route_probe(const struct fl_table *t, const struct fl_target *target, bool ok,
                    uint64_t now_ns)
{
    struct fl_target_state *s = target->state;
    fl_lock(&s->lock);
    fl_breaker_probed(&s->breaker, &t->health, ok, now_ns);
    fl_unlock(&s->lock);
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

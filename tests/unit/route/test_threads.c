/* SPDX-License-Identifier: Apache-2.0 */
/* Four workers over the same states: nothing is lost, and the thread sanitizer has nothing to say.
 */
#include "unit/cm.h"

#include "route/failover.h"
#include "route/state.h"
#include "unit/route/pool.h"

#include <pthread.h>

enum { workers = 4, rounds = 20000, targets = 5, keys = 3 };

struct worker {
    struct pool *pool;
    struct fl_route route;
    struct fl_rng rng;
    const struct fl_target_key *keys;
    uint64_t attempts, wrong; /* asserted by the main thread */
    pthread_t thread;
};

static const enum fl_err outcomes[] = {FL_OK,          FL_OK,
                                       FL_OK,          FL_OK,
                                       FL_ERR_SERVER,  FL_ERR_CANCELLED,
                                       FL_ERR_CONNECT, FL_ERR_RATE_LIMITED,
                                       FL_OK,          FL_OK};

static void attempt(struct worker *w, const struct fl_target *target, uint64_t now_ns)
{
    struct fl_target_view view;
    uint64_t chance = fl_rng_next(&w->rng);
    struct fl_outcome outcome = {
        .err = outcomes[chance % (sizeof(outcomes) / sizeof(outcomes[0]))],
        .first_byte_ns = chance >> 60 & 1 ? 2 : 0,
        .total_ns = 3,
        .tokens_out = chance >> 61 & 1 ? 100 : 0,
    };
    struct fl_dispatch dispatch;
    fl_route_begin(target, 7, true, now_ns, &dispatch);
    fl_target_read(target, now_ns, &view);
    w->wrong += view.begun != view.succeeded + view.failed + view.uncounted + view.in_flight;
    w->wrong += view.in_flight < 1 || view.in_flight > workers;
    if (outcome.first_byte_ns > 0) {
        fl_route_first_byte(target, &dispatch, now_ns + 1);
    }
    fl_route_end(&w->pool->table, target, &dispatch, &outcome, now_ns + 3);
    w->attempts++;
}

/* A request's way through the budgets and the keys. */
static void spend(struct worker *w, const struct fl_plan *plan, uint64_t now_ns)
{
    struct fl_retry_budget *budget = &w->route.state->budget;
    struct fl_failover f;
    struct fl_lease lease;
    const struct fl_failover_scene scene = {
        .table = &w->pool->table, .plan = plan, .pool = budget, .rng = &w->rng, .now_ns = now_ns};
    const struct fl_key_need need = {100, 100};
    uint64_t chance = fl_rng_next(&w->rng), wait_ns;
    struct fl_rates rates = {.given = true};
    rates.of[FL_RATE_REQUESTS] = (struct fl_rate){true, true, true, 1000, chance % 1000, S};
    fl_retry_budget_request(budget, now_ns);
    fl_failover_start(&f);
    struct fl_step step = fl_failover_first(&f, &scene);
    if (step.kind == FL_STEP_NONE) {
        return;
    }
    (void)fl_keys_headroom(w->keys, keys, need, now_ns, &wait_ns);
    if (fl_keys_take(w->keys, keys, need, 0, chance, false, now_ns, &lease)) {
        const struct fl_lease_end end = {
            .err = outcomes[chance % (sizeof(outcomes) / sizeof(outcomes[0]))], .rates = &rates};
        fl_keys_heard(&lease, &rates, now_ns);
        fl_keys_return(&lease, &end, now_ns + 1);
    }
    const struct fl_failed failed = {.place = step.place, .err = FL_ERR_SERVER};
    (void)fl_failover_next(&f, &scene, &failed);
    (void)fl_hedge_delay_ns(&w->pool->targets[0].state->spreads, 7);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct fl_plan plan;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t now_ns = 1000 * S + (uint64_t)i * 10 * MS;
        struct fl_route_request request = {.now_ns = now_ns,
                                           .client = fl_slice((const char *)&i, sizeof(i)),
                                           .strategy_given = true,
                                           .strategy = i / 5 % FL_STRATEGY_COUNT};
        w->route.algorithm = i % FL_ALGORITHM_COUNT;
        fl_route_plan(&w->pool->table, &w->route, &request, &w->rng, &plan);
        w->wrong += plan.count < 1 || plan.count > targets;
        spend(w, &plan, now_ns);
        attempt(w, &w->pool->targets[plan.targets[0]], now_ns);
        if (i % 7 == 0) {
            fl_route_probe(&w->pool->table, &w->pool->targets[i % targets], i % 2 == 0, now_ns);
        }
    }
    return NULL;
}

static void workers_share_states(void **state)
{
    (void)state;
    struct pool p;
    struct worker all[workers];
    uint64_t attempts = 0, begun = 0;
    struct fl_target_key shared[keys];
    static const char *const names[keys] = {"k0", "k1", "k2"};
    pool_init(&p, targets, FL_STRATEGY_HYBRID, FL_WEIGHTED_ROUND_ROBIN);
    for (unsigned i = 0; i < targets; i++) { /* each tells its neighbours */
        p.targets[i].fate[FL_FATE_PROVIDER] = 1 + i / 2;
        p.targets[i].fate[FL_FATE_VENDOR] = p.targets[i].fate[FL_FATE_QUOTA] = 1;
    }
    for (unsigned i = 0; i < keys; i++) {
        shared[i] =
            (struct fl_target_key){.key = fl_registry_key(p.registry, fl_slice_cstr(names[i])),
                                   .meter = fl_registry_meter(p.registry, fl_slice_cstr(names[i])),
                                   .limits = {6000, 0},
                                   .index = i};
    }
    for (unsigned i = 0; i < workers; i++) {
        all[i] = (struct worker){.pool = &p, .route = p.route, .keys = shared};
        fl_rng_seed(&all[i].rng, i);
        assert_int_equal(pthread_create(&all[i].thread, NULL, work, &all[i]), 0);
    }
    for (unsigned i = 0; i < workers; i++) {
        assert_int_equal(pthread_join(all[i].thread, NULL), 0);
        attempts += all[i].attempts;
        assert_int_equal(all[i].wrong, 0);
    }
    for (unsigned i = 0; i < targets; i++) {
        struct fl_target_view view = pool_view(&p, i);
        assert_int_equal(view.in_flight, 0);
        assert_int_equal(view.begun, view.succeeded + view.failed + view.uncounted);
        begun += view.begun;
    }
    for (unsigned i = 0; i < keys; i++) {
        assert_int_equal(fl_get(shared[i].key->in_flight), 0);
    }
    assert_int_equal(attempts, (uint64_t)workers * rounds);
    assert_int_equal(begun, attempts);
    pool_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(workers_share_states)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

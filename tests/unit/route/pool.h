/* SPDX-License-Identifier: Apache-2.0 */
/* A table with one route over up to 300 targets "p0/m", "p1/m", ..., for the tests of routing. */
#ifndef FL_TESTS_ROUTE_POOL_H
#define FL_TESTS_ROUTE_POOL_H

#include "route/route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

enum { POOL_MAX = 300 };

struct pool {
    struct fl_registry *registry;
    struct fl_target targets[POOL_MAX];
    unsigned order[POOL_MAX];
    char ids[POOL_MAX][16];
    struct fl_route route;
    struct fl_table table;
    struct fl_rng rng;
    uint64_t now_ns;
    struct fl_plan plan; /* the last one */
};

static inline void pool_init(struct pool *p, unsigned count, enum fl_strategy strategy,
                             enum fl_algorithm algorithm)
{
    *p = (struct pool){.registry = fl_registry_create(), .now_ns = 1000 * S};
    fl_rng_seed(&p->rng, 1);
    for (unsigned i = 0; i < count; i++) {
        int len = snprintf(p->ids[i], sizeof(p->ids[i]), "p%u/m", i);
        struct fl_slice id = fl_slice(p->ids[i], (size_t)len);
        p->targets[i] = (struct fl_target){
            .id = id,
            .provider = fl_slice_first(id, fl_slice_find(id, '/')),
            .model = FL_LIT("m"),
            .provider_index = i,
            .weight = 1,
            .cost_multiplier = 1,
            .state = fl_registry_target(p->registry, id),
        };
        p->order[i] = i;
    }
    p->route = (struct fl_route){
        .name = FL_LIT("auto"),
        .strategy = strategy,
        .algorithm = algorithm,
        .targets = p->order,
        .primary_count = count,
        .target_count = count,
        .listed = true,
        .state = fl_registry_route(p->registry, FL_LIT("auto")),
    };
    p->table = (struct fl_table){
        .hash_key = {1, 2},
        .health = {.failures_to_eject = 2, .successes_to_recover = 3, .ejection_ns = 30 * S},
        .targets = p->targets,
        .target_count = count,
        .routes = &p->route,
        .route_count = 1,
    };
}

static inline void pool_finish(struct pool *p)
{
    fl_registry_destroy(p->registry);
}

/* Plans at now_ns; the first target. */
static inline unsigned pool_plan_for(struct pool *p, struct fl_slice client)
{
    struct fl_route_request request = {.now_ns = p->now_ns, .client = client};
    fl_route_plan(&p->table, &p->route, &request, &p->rng, &p->plan);
    return p->plan.targets[0];
}

static inline unsigned pool_plan(struct pool *p)
{
    return pool_plan_for(p, FL_EMPTY);
}

static inline void pool_begin(struct pool *p, unsigned target)
{
    struct fl_dispatch dispatch;
    fl_route_begin(&p->targets[target], 0, false, p->now_ns, &dispatch);
}

/* Ends an attempt that began ns ago. */
static inline void pool_end(struct pool *p, unsigned target, enum fl_err err, uint64_t ns)
{
    struct fl_outcome outcome = {.err = err, .total_ns = ns};
    struct fl_dispatch dispatch = {.begun_ns = p->now_ns - ns};
    fl_route_end(&p->table, &p->targets[target], &dispatch, &outcome, p->now_ns);
}

/* A whole attempt that takes ns. */
static inline void pool_try(struct pool *p, unsigned target, enum fl_err err, uint64_t ns)
{
    pool_begin(p, target);
    p->now_ns += ns;
    pool_end(p, target, err, ns);
}

static inline struct fl_target_view pool_view(const struct pool *p, unsigned target)
{
    struct fl_target_view view;
    fl_target_read(&p->targets[target], p->now_ns, &view);
    return view;
}

#endif

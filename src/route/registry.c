/* SPDX-License-Identifier: Apache-2.0 */
#include "route/state.h"

#include <stdlib.h>

enum { bucket_count = 256 };

struct tenant {
    struct tenant *next;
    struct fl_slice name; /* owned */
    struct fl_retry_budget budget;
};

struct fl_registry {
    struct fl_target_state *targets[bucket_count];
    struct fl_route_state *routes[bucket_count];
    struct fl_key_state *keys[bucket_count];
    struct fl_meter *meters[bucket_count];
    struct tenant *tenants[bucket_count];
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

/* Frees a list of states whose name is the member *name*. */
#define FREE_ALL(list, name)                                                                       \
    while (list) {                                                                                 \
        void *one = (list), *text = (void *)(uintptr_t)(list)->name.ptr;                           \
        (list) = (list)->next;                                                                     \
        free(text);                                                                                \
        free(one);                                                                                 \
    }

void fl_registry_destroy(struct fl_registry *r)
{
    for (unsigned i = 0; r && i < bucket_count; i++) {
        FREE_ALL(r->targets[i], id)
        FREE_ALL(r->routes[i], name)
        FREE_ALL(r->keys[i], id)
        FREE_ALL(r->meters[i], id)
        FREE_ALL(r->tenants[i], name)
    }
    free(r);
}

/* A zeroed block and an owned copy of its name, both or neither. */
static void *new_state(size_t bytes, struct fl_slice name, struct fl_slice *ret_name)
{
    void *s = calloc(1, bytes);
    char *copy = fl_slice_dup(name);
    if (!s || !copy) {
        free(s);
        free(copy);
        return NULL;
    }
    *ret_name = fl_slice(copy, name.len);
    return s;
}

struct fl_target_state *fl_registry_target(struct fl_registry *r, struct fl_slice target_id)
{
    uint64_t hash = hash_of(target_id);
    struct fl_target_state **bucket = &r->targets[hash % bucket_count], *s;
    struct fl_slice id;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->id, target_id)) {
            return s;
        }
    }
    s = new_state(sizeof(*s), target_id, &id);
    if (!s) {
        return NULL;
    }
    s->id = id;
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
    struct fl_slice name;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->name, route_name)) {
            return s;
        }
    }
    s = new_state(sizeof(*s), route_name, &name);
    if (!s) {
        return NULL;
    }
    s->name = name;
    atomic_flag_clear(&s->lock.held);
    s->next = *bucket;
    return *bucket = s;
}

struct fl_key_state *fl_registry_key(struct fl_registry *r, struct fl_slice key_id)
{
    struct fl_key_state **bucket = &r->keys[hash_of(key_id) % bucket_count], *s;
    struct fl_slice id;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->id, key_id)) {
            return s;
        }
    }
    s = new_state(sizeof(*s), key_id, &id);
    if (!s) {
        return NULL;
    }
    s->id = id;
    s->next = *bucket;
    return *bucket = s;
}

struct fl_meter *fl_registry_meter(struct fl_registry *r, struct fl_slice meter_id)
{
    struct fl_meter **bucket = &r->meters[hash_of(meter_id) % bucket_count], *s;
    struct fl_slice id;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->id, meter_id)) {
            return s;
        }
    }
    s = new_state(sizeof(*s), meter_id, &id);
    if (!s) {
        return NULL;
    }
    s->id = id;
    s->next = *bucket;
    return *bucket = s;
}

struct fl_retry_budget *fl_registry_tenant(struct fl_registry *r, struct fl_slice tenant_name)
{
    struct tenant **bucket = &r->tenants[hash_of(tenant_name) % bucket_count], *s;
    struct fl_slice name;
    for (s = *bucket; s; s = s->next) {
        if (fl_slice_eq(s->name, tenant_name)) {
            return &s->budget;
        }
    }
    s = new_state(sizeof(*s), tenant_name, &name);
    if (!s) {
        return NULL;
    }
    s->name = name;
    atomic_flag_clear(&s->budget.lock.held);
    s->next = *bucket;
    *bucket = s;
    return &s->budget;
}

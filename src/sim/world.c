/* SPDX-License-Identifier: Apache-2.0 */
/* The world's clock: what is due next, among the network's events and the timers of every node.
 * Where several are due at one time, chance (the world's own) picks. */
#include "sim/world_impl.h"

#include <stdlib.h>

struct name {
    struct fl_list link;
    char *text;
    struct fl_addr addr;
};

void *fl_world_zero(size_t size)
{
    return memset(fl_sim_grow(NULL, size), 0, size);
}

/* --- Life and nodes --- */

struct fl_world *fl_world_create(uint64_t seed)
{
    struct fl_world *w = fl_world_zero(sizeof(*w));
    fl_rng_seed(&w->rng, seed);
    fl_timers_init(&w->events);
    fl_list_init(&w->nodes);
    fl_list_init(&w->conns);
    fl_list_init(&w->dying);
    fl_list_init(&w->graves);
    fl_list_init(&w->names);
    fl_list_init(&w->plans);
    w->now_ns = FL_NS_S;
    w->wall_offset_ns = INT64_C(1767225600) * (int64_t)FL_NS_S; /* 2026-01-01 */
    w->port_next = 32768;
    w->mix = (struct fl_world_mix){.latency_min_ns = 20 * FL_NS_US,
                                   .latency_max_ns = 3 * FL_NS_MS,
                                   .dns_min_ns = 50 * FL_NS_US,
                                   .dns_max_ns = 20 * FL_NS_MS,
                                   .window_min = 16384,
                                   .window_max = 262144,
                                   .jitter_permille = 250,
                                   .partial_permille = 60,
                                   .late_permille = 300,
                                   .chop_weight = {2, 5, 1}};
    return w;
}

/* Frees what closed since the last time. */
static void sweep(struct fl_world *w)
{
    while (!fl_list_empty(&w->graves)) {
        struct handle *h = fl_container_of(w->graves.next, struct handle, link);
        fl_list_remove(&h->link);
        memset(h, 0xdd, sizeof(*h));
        free(h);
    }
    while (!fl_list_empty(&w->dying)) {
        struct conn *c = fl_container_of(w->dying.next, struct conn, link);
        fl_list_remove(&c->link);
        fl_conn_free(c);
    }
}

static void node_free(struct node *n)
{
    while (!fl_list_empty(&n->handles)) {
        struct handle *h = fl_container_of(n->handles.next, struct handle, link);
        fl_list_remove(&h->link);
        free(h);
    }
    while (!fl_list_empty(&n->listeners)) {
        struct fl_listener *l = fl_container_of(n->listeners.next, struct fl_listener, link);
        fl_list_remove(&l->link);
        free(l);
    }
    fl_timers_finish(&n->sys.timers);
    free(n);
}

void fl_world_destroy(struct fl_world *w)
{
    if (!w) {
        return;
    }
    sweep(w);
    while (!fl_list_empty(&w->conns)) {
        struct conn *c = fl_container_of(w->conns.next, struct conn, link);
        fl_list_remove(&c->link);
        fl_conn_free(c);
    }
    while (!fl_list_empty(&w->nodes)) {
        struct node *n = fl_container_of(w->nodes.next, struct node, link);
        fl_list_remove(&n->link);
        node_free(n);
    }
    while (!fl_list_empty(&w->names)) {
        struct name *name = fl_container_of(w->names.next, struct name, link);
        fl_list_remove(&name->link);
        free(name->text);
        free(name);
    }
    fl_world_plans_free(w);
    fl_timers_finish(&w->events);
    free(w);
}

static void wake_due(struct fl_timer *timer)
{
    struct fl_sys *sys = &fl_container_of(timer, struct node, wake)->sys;
    if (sys->woken) {
        sys->woken(sys->woken_owner);
    }
}

struct fl_sys *fl_world_sys(struct fl_world *w, const char *ip)
{
    struct node *n = fl_world_zero(sizeof(*n));
    bool ok = fl_addr_parse_ip(fl_slice_cstr(ip), &n->host);
    fl_assert(ok);
    n->world = w;
    n->id = ++w->node_count;
    n->sys.ops = &fl_world_sys_ops;
    n->sys.now_ns = w->now_ns;
    n->wake.fire = wake_due;
    fl_timers_init(&n->sys.timers);
    fl_list_init(&n->handles);
    fl_list_init(&n->listeners);
    fl_rng_seed(&n->entropy, fl_rng_next(&w->rng));
    fl_list_append(&w->nodes, &n->link);
    return &n->sys;
}

static struct name *find_name(struct fl_world *w, struct fl_slice text)
{
    for (struct fl_list *i = w->names.next; i != &w->names; i = i->next) {
        struct name *name = fl_container_of(i, struct name, link);
        if (fl_slice_eq_nocase(fl_slice_cstr(name->text), text)) {
            return name;
        }
    }
    return NULL;
}

void fl_world_name(struct fl_world *w, const char *text, const char *ip)
{
    struct name *name = find_name(w, fl_slice_cstr(text));
    if (!name && ip) {
        name = fl_world_zero(sizeof(*name));
        name->text = fl_slice_dup(fl_slice_cstr(text));
        fl_assert(name->text != NULL);
        fl_list_append(&w->names, &name->link);
    }
    if (ip) {
        bool ok = fl_addr_parse_ip(fl_slice_cstr(ip), &name->addr);
        fl_assert(ok);
    } else if (name) {
        fl_list_remove(&name->link);
        free(name->text);
        free(name);
    }
}

bool fl_world_lookup(struct fl_world *w, struct fl_slice text, struct fl_addr *ret_addr)
{
    uint16_t port = ret_addr->port;
    struct name *name = find_name(w, text);
    if (name) {
        *ret_addr = name->addr;
    } else if (!fl_slice_eq_nocase(text, FL_LIT("localhost")) ||
               !fl_addr_parse_ip(FL_LIT("127.0.0.1"), ret_addr)) {
        return false;
    }
    ret_addr->port = port;
    return true;
}

/* --- Time --- */

uint64_t fl_world_now(const struct fl_world *w)
{
    return w->now_ns;
}

static void set_now(struct fl_world *w, uint64_t now_ns)
{
    w->now_ns = now_ns;
    for (struct fl_list *i = w->nodes.next; i != &w->nodes; i = i->next) {
        fl_container_of(i, struct node, link)->sys.now_ns = now_ns;
    }
}

static void note(struct fl_world *w, const struct fl_world_note *n)
{
    static const struct fl_hash_key key = {0x776f726c64, 1};
    uint64_t where = ((uint64_t)n->conn << 32) | (n->node << 8) | ((uint64_t)n->kind << 1) | n->up;
    w->hash = fl_mix64(w->hash ^ n->at_ns);
    w->hash = fl_mix64(w->hash ^ where);
    w->hash = fl_mix64(w->hash ^ n->code ^ fl_hash(key, n->bytes));
    if (w->on_note) {
        w->on_note(w->on_note_owner, n);
    }
}

void fl_world_note(struct conn *c, unsigned side, enum fl_world_kind kind, unsigned code,
                   struct fl_slice bytes)
{
    struct fl_world_note n = {.at_ns = c->world->now_ns,
                              .kind = kind,
                              .node = c->side[side].node->id,
                              .conn = c->serial,
                              .up = side == 0,
                              .code = code,
                              .bytes = bytes};
    note(c->world, &n);
}

/* When the next thing is due. *ret_node gets the node whose timer it is,
 * NULL: the network's. */
static uint64_t next_due(struct fl_world *w, struct node **ret_node)
{
    uint64_t due_ns = fl_timers_next(&w->events), ties = 1;
    fl_assert(!w->stepping); /* a handler must not step the world it runs in */
    *ret_node = NULL;
    for (struct fl_list *i = w->nodes.next; i != &w->nodes; i = i->next) {
        struct node *n = fl_container_of(i, struct node, link);
        uint64_t at_ns = fl_timers_next(&n->sys.timers);
        at_ns = at_ns < w->now_ns ? w->now_ns : at_ns;
        if (at_ns < due_ns) {
            due_ns = at_ns;
            ties = 1;
            *ret_node = n;
        } else if (at_ns == due_ns && at_ns != FL_NEVER && fl_rng_below(&w->rng, ++ties) == 0) {
            *ret_node = n;
        }
    }
    return due_ns;
}

static void execute(struct fl_world *w, uint64_t due_ns, struct node *n)
{
    struct fl_timers *timers = n ? &n->sys.timers : &w->events;
    struct fl_timer *timer = timers->heap[0];
    fl_assert(due_ns >= w->now_ns);
    w->stepping = true;
    w->steps++;
    set_now(w, due_ns);
    fl_timers_stop(timers, timer);
    if (n) {
        struct fl_world_note fired = {.at_ns = due_ns, .kind = FL_WORLD_TIMER, .node = n->id};
        note(w, &fired);
    }
    timer->fire(timer);
    sweep(w);
    w->stepping = false;
    if (w->on_step) {
        w->on_step(w->on_step_owner);
    }
}

bool fl_world_step(struct fl_world *w)
{
    struct node *n;
    uint64_t due_ns = next_due(w, &n);
    if (due_ns == FL_NEVER) {
        return false;
    }
    execute(w, due_ns, n);
    return true;
}

/* Executes what is due next unless it is later than *until_ns*. */
static bool step_until(struct fl_world *w, uint64_t until_ns)
{
    struct node *n;
    uint64_t due_ns = next_due(w, &n);
    if (due_ns == FL_NEVER || due_ns > until_ns) {
        return false;
    }
    execute(w, due_ns, n);
    return true;
}

static uint64_t later(const struct fl_world *w, uint64_t ns)
{
    return ns < FL_NEVER - 1 - w->now_ns ? w->now_ns + ns : FL_NEVER - 1;
}

void fl_world_run_for(struct fl_world *w, uint64_t ns)
{
    uint64_t until_ns = later(w, ns);
    while (step_until(w, until_ns)) {
    }
    set_now(w, until_ns);
}

bool fl_world_run_until(struct fl_world *w, fl_world_until_fn *until, void *owner, uint64_t ns)
{
    uint64_t until_ns = later(w, ns);
    do {
        if (until(owner)) {
            return true;
        }
    } while (step_until(w, until_ns));
    return false;
}

void fl_world_on_step(struct fl_world *w, void (*check)(void *owner), void *owner)
{
    w->on_step = check;
    w->on_step_owner = owner;
}

void fl_world_wall_jump(struct fl_world *w, int64_t ns)
{
    w->wall_offset_ns += ns;
}

/* --- Looking in --- */

struct fl_world_stats fl_world_stats(const struct fl_sys *sys)
{
    const struct fl_world_stats *stats =
        (const struct fl_world_stats *)(const void *)((const char *)sys -
                                                      offsetof(struct node, sys) +
                                                      offsetof(struct node, stats));
    return *stats;
}

unsigned fl_world_connections(const struct fl_world *w)
{
    return w->conn_count;
}

uint64_t fl_world_steps(const struct fl_world *w)
{
    return w->steps;
}

void fl_world_on_note(struct fl_world *w, fl_world_trace_fn *trace, void *owner)
{
    w->on_note = trace;
    w->on_note_owner = owner;
}

const char *fl_world_kind_name(enum fl_world_kind kind)
{
    static const char *const names[FL_WORLD_KINDS] = {
        "timer", "accepted", "opened", "bytes", "ended", "drained", "wrote", "finished", "closed"};
    fl_assert(kind < FL_WORLD_KINDS);
    return names[kind];
}

static void put_bytes(struct fl_slice bytes, struct fl_buf *b)
{
    fl_buf_putc(b, ' ');
    fl_buf_put_u64(b, bytes.len);
    fl_buf_putc(b, ' ');
    fl_buf_put_json(b, fl_slice_first(bytes, 60));
    fl_buf_put_cstr(b, bytes.len > 60 ? "..." : "");
}

void fl_world_put_note(const struct fl_world_note *n, struct fl_buf *b)
{
    fl_buf_put_scaled(b, n->at_ns / FL_NS_US, 6, 6);
    fl_buf_put_cstr(b, " node ");
    fl_buf_put_u64(b, n->node);
    if (n->conn > 0) {
        fl_buf_put_cstr(b, n->up ? " conn >" : " conn <"); /* dialled, accepted */
        fl_buf_put_u64(b, n->conn);
    }
    fl_buf_putc(b, ' ');
    fl_buf_put_cstr(b, fl_world_kind_name(n->kind));
    if (n->kind == FL_WORLD_OPENED || n->kind == FL_WORLD_ENDED) {
        fl_buf_putc(b, ' ');
        fl_buf_put_cstr(b, fl_err_name((enum fl_err)n->code));
    } else if (n->kind == FL_WORLD_CLOSED) {
        fl_buf_put_cstr(b, n->code == FL_CLOSE_NOW     ? " now"
                           : n->code == FL_CLOSE_FLUSH ? " flush"
                                                       : " reset");
    } else if (n->kind == FL_WORLD_BYTES || n->kind == FL_WORLD_WROTE) {
        put_bytes(n->bytes, b);
    }
}

uint64_t fl_world_hash(const struct fl_world *w)
{
    return w->hash;
}

struct fl_rng *fl_world_rng(struct fl_world *w)
{
    return &w->rng;
}

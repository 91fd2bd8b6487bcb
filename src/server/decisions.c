/* SPDX-License-Identifier: Apache-2.0 */
#include "server/decisions.h"

#include "base/assert.h"
#include "route/state.h"

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

static void put_tries(struct fl_buf *b, const struct fl_decision *d)
{
    put_key(b, "tries");
    fl_buf_putc(b, '[');
    for (unsigned i = 0; i < d->attempts && i < FL_DECISION_TRIES; i++) {
        const struct fl_decision_try *t = &d->tries[i];
        fl_buf_put_cstr(b, i > 0 ? ",{\"target\":" : "{\"target\":");
        fl_buf_put_json(b, t->target->id);
        put_text(b, "outcome", fl_err_name(t->err));
        if (t->status > 0) {
            put_count(b, "status", (uint64_t)t->status);
        }
        put_ms(b, "ms", t->took_ns);
        if (t->priced) {
            put_usd(b, t->estimated ? "cost_usd_estimated" : "cost_usd", t->cost_picousd);
        }
        fl_buf_putc(b, '}');
    }
    fl_buf_putc(b, ']');
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
    if (d->attempts > 1) {
        put_tries(b, d);
    }
    put_key(b, "stream");
    fl_buf_put_cstr(b, d->streamed ? "true" : "false");
    if (d->first_byte_ns > 0) {
        put_ms(b, "ttft_ms", d->first_byte_ns);
    }
    put_ms(b, "total_ms", d->total_ns);
    if (d->used.known) {
        put_count(b, "tokens_in", d->used.in);
        put_count(b, "tokens_cached", d->used.cached);
        put_count(b, "tokens_out", d->used.out);
    }
    if (d->used.priced) {
        put_usd(b, "cost_usd", d->used.cost_picousd);
    }
    if (d->lost_picousd > 0) {
        put_usd(b, "lost_cost_usd", d->lost_picousd);
    }
    fl_buf_putc(b, '}');
}

static void put_understood(struct fl_buf *b, const struct fl_choice *c)
{
    put_text(b, "task", fl_task_name(c->task));
    put_key(b, "task_probability");
    fl_buf_put_real(b, c->task_probability, 3);
    put_count(b, "tokens_in", c->tokens_in);
    put_count(b, "tokens_out_p50", c->tokens_out_p50);
    put_count(b, "tokens_out_p90", c->tokens_out_p90);
}

static int hex_digit(char c)
{
    char lower = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool fl_decision_id_parse(struct fl_slice text, uint64_t *ret_id)
{
    uint64_t id = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (digit < 0) {
            return false;
        }
        id = id * 16 + (uint64_t)digit;
    }
    if (text.len == 16) {
        *ret_id = id;
    }
    return text.len == 16;
}

void fl_choice_note(struct fl_choice *c, const struct fl_route_request *request)
{
    c->understood = request->task_known;
    c->task = request->task;
    c->task_probability = request->task_probability[request->task];
    c->tokens_in = request->tokens_in;
    c->tokens_out_p50 = request->tokens_out_p50;
    c->tokens_out_p90 = request->tokens_out_p90;
}

void fl_decision_put_json(const struct fl_decision *d, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "{\"object\":\"fairlead.decision\",\"id\":\"");
    fl_buf_put_hex(b, d->choice.id, 16);
    fl_buf_put_cstr(b, "\",\"time\":");
    fl_buf_put_scaled(b, d->choice.wall_ns, 9, 3);
    if (d->request_id[0] != '\0') {
        put_text(b, "request_id", d->request_id);
    }
    put_text(b, "model", d->model);
    if (d->choice.understood) {
        put_understood(b, &d->choice);
    }
    fl_buf_putc(b, ',');
    fl_plan_put_json(&d->choice.config->table, &d->choice.plan, b);
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
            fl_config_unref(counted(r->items[j].choice.config));
        }
        free(r->items);
    }
    free(d);
}

void fl_decisions_put(struct fl_decisions *d, unsigned worker, const struct fl_decision *decision)
{
    if (!d || d->kept == 0) {
        return;
    }
    fl_assert(worker < d->workers);
    struct ring *r = &d->rings[worker];
    (void)fl_config_ref(counted(decision->choice.config));
    fl_lock(&r->lock);
    struct fl_decision *at = &r->items[r->count++ % d->kept];
    const struct fl_config *old = at->choice.config;
    memcpy(at, decision, fl_decision_bytes(decision));
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
        (void)fl_config_ref(counted(ret->choice.config));
    }
    fl_unlock(&r->lock);
    return there;
}

static void give(struct fl_decision *decision)
{
    fl_config_unref(counted(decision->choice.config));
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
            if (from == workers_max || one.choice.wall_ns > newest.choice.wall_ns) {
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
            bool found = one.choice.id == id;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* What an attempt is remembered by: what its provider counted, how it ended, what it cost. */
#include "server/internal.h"

#include "route/estimate.h"

const struct fl_usage *fl_attempt_usage(const struct fl_attempt *a)
{
    static const struct fl_usage none;
    return a->usage ? a->usage : &none;
}

struct fl_usage *fl_attempt_usage_room(struct fl_attempt *a)
{
    return a->usage ? a->usage : &a->exchange->worker->usage;
}

void fl_attempt_keep_usage(struct fl_attempt *a)
{
    struct fl_usage *read = &a->exchange->worker->usage;
    if (read->known) {
        a->usage = fl_arena_take(&a->exchange->arena, sizeof(*read));
        if (a->usage) {
            *a->usage = *read;
        }
        *read = (struct fl_usage){0};
    }
}

/* What it cost, as far as that can be known: a provider that is cancelled has read the prompt, and tells nothing. */
static void price_note(const struct fl_attempt *a, struct fl_attempt_note *n)
{
    struct fl_exchange *x = a->exchange;
    int64_t when_s = (int64_t)(x->choice->wall_ns / FL_NS_S);
    uint64_t said = x->resume && x->winner == a ? fl_resume_tokens(x->resume) : 0;
    struct fl_usage read = {.known = true, .tokens_in = x->tokens_in, .tokens_out = said};
    const struct fl_usage *counted = fl_attempt_usage(a);
    bool cancelled = n->err == FL_ERR_HEDGED || n->err == FL_ERR_CANCELLED || fl_err_blame(n->err) == FL_BLAME_PROVIDER;
    if (counted->known && cancelled && counted->tokens_out < said) { /* told at its beginning */
        read = *counted;
        read.tokens_out = said;
        n->priced = n->estimated = fl_cost_exact(a->target, &read, when_s, &n->cost_picousd);
    } else if (counted->known) {
        n->priced = fl_cost_exact(a->target, counted, when_s, &n->cost_picousd);
    } else if (cancelled && a->head_seen && a->status < 300 && x->tokens_in > 0) {
        n->priced = n->estimated = fl_cost_exact(a->target, &read, when_s, &n->cost_picousd);
    }
}

/* Room for one more note. Most exchanges end with one. */
static struct fl_attempt_note *new_note(struct fl_exchange *x)
{
    if (x->note_count == 0) {
        x->notes = &x->first_note;
    } else if (x->note_count == FL_ATTEMPTS_MAX) {
        return NULL;
    } else if (x->notes == &x->first_note) {
        struct fl_attempt_note *all = fl_arena_take(&x->arena, FL_ATTEMPTS_MAX * sizeof(*all));
        if (!all) {
            return NULL;
        }
        all[0] = x->first_note;
        x->notes = all;
    }
    return &x->notes[x->note_count++];
}

void fl_attempt_note(struct fl_attempt *a, enum fl_err err)
{
    struct fl_exchange *x = a->exchange;
    struct fl_attempt_note *n = new_note(x);
    if (n) {
        *n = (struct fl_attempt_note){.target = a->target,
                                      .err = err,
                                      .status = a->status >= 300 ? a->status : 0,
                                      .key = a->key,
                                      .took_ns = x->worker->sys->now_ns - a->begun_ns};
        price_note(a, n);
    }
    x->pushed_back = x->pushed_back || (err && a->rates && a->rates->retry_after_given);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/internal.h"

#include <stdlib.h>

int fairlead_create(uint64_t seed, struct fairlead **f)
{
    if (!f) {
        return FAIRLEAD_INVALID;
    }
    *f = NULL;
    struct fairlead *made = calloc(1, sizeof(*made));
    if (!made) {
        return FAIRLEAD_NO_MEMORY;
    }
    made->seed = fl_mix64(seed);
    made->hash_key = (struct fl_hash_key){fl_mix64(seed + 1), fl_mix64(seed + 2)};
    atomic_flag_clear(&made->lock.held);
    made->registry = fl_registry_create();
    made->knowledge = fl_knowledge_create();
    if (!made->registry || !made->knowledge) {
        fairlead_destroy(made);
        return FAIRLEAD_NO_MEMORY;
    }
    *f = made;
    return FAIRLEAD_OK;
}

void fairlead_destroy(struct fairlead *f)
{
    if (f) {
        fl_lib_snapshot_unref(f->current);
        fl_registry_destroy(f->registry);
        fl_knowledge_destroy(f->knowledge);
    }
    free(f);
}

static void tell(const struct fl_lib_text *text, char *error, size_t error_size)
{
    if (error && error_size > 0) {
        struct fl_slice cut = fl_slice_first(fl_slice_cstr(text->text), error_size - 1);
        memcpy(error, cut.ptr, cut.len);
        error[cut.len] = '\0';
    }
}

int fairlead_apply(struct fairlead *f, const struct fairlead_setup *setup, char *error,
                   size_t error_size)
{
    struct fl_lib_text text = {""};
    int status = FAIRLEAD_INVALID;
    if (!f || !setup) {
        fl_lib_sentence(&text, "An argument is NULL.");
        tell(&text, error, error_size);
        return status;
    }
    struct fl_lib_snapshot *next = fl_lib_snapshot_create(setup, f->registry, &status, &text);
    tell(&text, error, error_size);
    if (!next) {
        return status;
    }
    next->table.hash_key = f->hash_key;
    fl_lock(&f->lock);
    struct fl_lib_snapshot *former = f->current;
    f->current = next;
    fl_unlock(&f->lock);
    fl_lib_snapshot_unref(former);
    return FAIRLEAD_OK;
}

struct fl_lib_snapshot *fl_lib_current(struct fairlead *f)
{
    fl_lock(&f->lock);
    struct fl_lib_snapshot *s = f->current;
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    fl_unlock(&f->lock);
    return s;
}

/* --- Reading --- */

static bool pick(const struct fl_target_view *v, const char *key, double *ret_value)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"healthy", v->health == FL_HEALTHY || v->health == FL_SUSPECT},
        {"in_flight", v->in_flight},
        {"begun", (double)v->begun},
        {"succeeded", (double)v->succeeded},
        {"failed", (double)v->failed},
        {"uncounted", (double)v->uncounted},
        {"success_rate", v->success},
        {"first_token_ms", v->first_byte_ms},
        {"total_ms", v->total_ms},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].name, key) == 0) {
            *ret_value = rows[i].value;
            return true;
        }
    }
    return false;
}

int fairlead_measured(struct fairlead *f, const char *target, const char *key, uint64_t now_ns,
                      double *value)
{
    int status = FAIRLEAD_UNKNOWN;
    if (!f || !target || !key || !value) {
        return FAIRLEAD_INVALID;
    }
    struct fl_lib_snapshot *s = fl_lib_current(f);
    for (unsigned i = 0; s && i < s->table.target_count; i++) {
        struct fl_target_view view;
        if (fl_slice_eq(s->table.targets[i].id, fl_slice_cstr(target))) {
            fl_target_read(&s->table.targets[i], now_ns, &view);
            status = pick(&view, key, value) ? FAIRLEAD_OK : FAIRLEAD_UNKNOWN;
        }
    }
    fl_lib_snapshot_unref(s);
    return status;
}

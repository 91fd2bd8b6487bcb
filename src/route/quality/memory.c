/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/memory.h"

#include "base/assert.h"

struct fl_memory_slot {
    uint64_t id, tenant; /* id 0: nothing was kept here yet */
    double propensity;
    double taught; /* confidence used up */
    float scale;   /* 1 / length of the whole vector */
    uint16_t count;
    uint8_t head, task_class;
    bool ended, scored;
};

static size_t slots_bytes(unsigned slot_count)
{
    return slot_count * sizeof(struct fl_memory_slot);
}

size_t fl_memory_bytes(unsigned slot_count, unsigned items_max)
{
    return slots_bytes(slot_count) + (size_t)slot_count * items_max * sizeof(uint32_t);
}

void fl_memory_init(struct fl_memory *m, unsigned slot_count, unsigned items_max, void *memory)
{
    fl_assert(slot_count > 0 && items_max > 0);
    *m = (struct fl_memory){slot_count, items_max, 0, memory, NULL};
    m->items = (uint32_t *)(void *)((char *)memory + slots_bytes(slot_count));
    memset(memory, 0, slots_bytes(slot_count));
}

uint64_t fl_memory_keep(struct fl_memory *m, const struct fl_heads *h,
                        const struct fl_heads_case *x, unsigned head, double propensity)
{
    fl_assert(head < h->shape.head_count && propensity > 0 && propensity <= 1);
    unsigned slot = (unsigned)(m->kept++ % m->slot_count), all = x->features->count;
    unsigned count = all < m->items_max ? all : m->items_max;
    uint32_t *items = m->items + (size_t)slot * m->items_max;
    for (unsigned i = 0; i < count; i++) {
        size_t from = (size_t)i * all / count;
        items[i] = fl_feature_row(x->features->items[from].index, h->shape.row_bits);
    }
    m->slots[slot] = (struct fl_memory_slot){.id = m->kept,
                                          .tenant = x->tenant,
                                          .propensity = propensity,
                                          .scale = (float)fl_heads_scale(count),
                                          .count = (uint16_t)count,
                                          .head = (uint8_t)head,
                                          .task_class = (uint8_t)x->task_class};
    return m->kept;
}

static struct fl_memory_slot *find(const struct fl_memory *m, uint64_t id)
{
    if (id == 0 || id > m->kept) {
        return NULL;
    }
    struct fl_memory_slot *d = &m->slots[(id - 1) % m->slot_count];
    return d->id == id ? d : NULL;
}

void fl_memory_answered(struct fl_memory *m, uint64_t id, unsigned head)
{
    struct fl_memory_slot *d = find(m, id);
    if (d && !d->ended && !d->scored) {
        d->head = (uint8_t)head;
    }
}

static void teach(struct fl_memory *m, struct fl_heads *h, struct fl_memory_slot *d,
                  struct fl_reward reward)
{
    double left = 1 - d->taught, importance = 1 / d->propensity;
    double confidence = reward.confidence < left ? reward.confidence : left;
    struct fl_heads_case x = {NULL, d->task_class, d->tenant};
    importance = importance > FL_HEAD_IMPORTANCE_MAX ? FL_HEAD_IMPORTANCE_MAX : importance;
    d->taught += confidence;
    if (confidence > 0) {
        size_t slot = (size_t)(d - m->slots);
        fl_heads_learn_rows(h, m->items + slot * m->items_max, d->count, (double)d->scale, &x,
                            d->head, reward.value, importance * confidence);
    }
}

enum fl_feedback fl_memory_ended(struct fl_memory *m, struct fl_heads *h, uint64_t id,
                                 const struct fl_signals *signals)
{
    struct fl_memory_slot *d = find(m, id);
    if (!d || d->ended) {
        return d ? FL_FEEDBACK_AGAIN : FL_FEEDBACK_UNKNOWN;
    }
    d->ended = true;
    teach(m, h, d, fl_reward_of(signals));
    return FL_FEEDBACK_LEARNED;
}

enum fl_feedback fl_feedback_apply(struct fl_memory *m, struct fl_heads *h, uint64_t id,
                                   double score)
{
    struct fl_signals signals = {.scored = true, .score = score};
    struct fl_memory_slot *d = find(m, id);
    if (!d || d->scored) {
        return d ? FL_FEEDBACK_AGAIN : FL_FEEDBACK_UNKNOWN;
    }
    d->scored = true;
    teach(m, h, d, fl_reward_of(&signals));
    return FL_FEEDBACK_LEARNED;
}

bool fl_memory_find(const struct fl_memory *m, uint64_t id, unsigned *ret_head, unsigned *ret_class,
                    double *ret_propensity)
{
    const struct fl_memory_slot *d = find(m, id);
    if (d) {
        *ret_head = d->head;
        *ret_class = d->task_class;
        *ret_propensity = d->propensity;
    }
    return d != NULL;
}

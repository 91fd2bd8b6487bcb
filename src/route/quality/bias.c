/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/bias.h"

#include "base/assert.h"
#include "base/hash.h"

size_t fl_bias_bytes(unsigned head_count, unsigned slot_count)
{
    size_t nodes = (size_t)head_count * (1 + FL_BIAS_CLASSES + slot_count);
    return nodes * sizeof(struct fl_bias_node) + 2 * slot_count * sizeof(uint64_t);
}

void fl_bias_init(struct fl_bias *b, unsigned head_count, unsigned slot_count, double prior,
                  void *memory)
{
    fl_assert((slot_count & (slot_count - 1)) == 0 &&
              (slot_count == 0 || slot_count >= FL_BIAS_PROBES));
    fl_assert(prior > 0 && prior < 1);
    memset(memory, 0, fl_bias_bytes(head_count, slot_count));
    b->head_count = head_count;
    b->slot_count = slot_count;
    b->global = memory;
    b->classes = b->global + head_count;
    b->leaves = b->classes + (size_t)head_count * FL_BIAS_CLASSES;
    b->keys = (uint64_t *)(void *)(b->leaves + (size_t)head_count * slot_count);
    b->heard = b->keys + slot_count;
    b->clock = 0;
    for (unsigned h = 0; h < head_count; h++) {
        b->global[h] = (struct fl_bias_node){FL_BIAS_PRIOR, prior * FL_BIAS_PRIOR};
    }
}

static uint64_t key_of(unsigned task_class, uint64_t tenant)
{
    uint64_t key = fl_mix64(tenant * FL_BIAS_CLASSES + task_class);
    return key ? key : 1;
}

/* The tenant's slot, or -1. */
static long find(const struct fl_bias *b, uint64_t key)
{
    for (unsigned i = 0; i < FL_BIAS_PROBES; i++) {
        unsigned slot = (unsigned)(key + i) & (b->slot_count - 1);
        if (b->keys[slot] == key) {
            return slot;
        }
    }
    return -1;
}

/* The tenant's slot, made in the place of the one that was silent longest. */
static unsigned find_or_make(struct fl_bias *b, uint64_t key)
{
    long found = find(b, key);
    if (found >= 0) {
        return (unsigned)found;
    }
    unsigned oldest = (unsigned)key & (b->slot_count - 1);
    for (unsigned i = 1; i < FL_BIAS_PROBES; i++) {
        unsigned slot = (unsigned)(key + i) & (b->slot_count - 1);
        if (b->heard[slot] < b->heard[oldest]) {
            oldest = slot;
        }
    }
    b->keys[oldest] = key;
    memset(b->leaves + (size_t)oldest * b->head_count, 0, b->head_count * sizeof(*b->leaves));
    return oldest;
}

static double shrunk(const struct fl_bias_node *node, double parent)
{
    return (node->sum + FL_BIAS_SHRINK * parent) / (node->weight + FL_BIAS_SHRINK);
}

double fl_bias_mean(const struct fl_bias *b, unsigned head, unsigned task_class, uint64_t tenant)
{
    fl_assert(head < b->head_count && task_class < FL_BIAS_CLASSES);
    double mean = (b->global[head].sum + 0.5) / (b->global[head].weight + 1);
    mean = shrunk(&b->classes[(size_t)task_class * b->head_count + head], mean);
    long slot = tenant && b->slot_count ? find(b, key_of(task_class, tenant)) : -1;
    return slot < 0 ? mean : shrunk(&b->leaves[(size_t)slot * b->head_count + head], mean);
}

static void add(struct fl_bias_node *node, double reward, double weight)
{
    if (node->weight + weight > FL_BIAS_MEMORY) {
        double keep = (FL_BIAS_MEMORY - weight) / node->weight;
        node->weight *= keep;
        node->sum *= keep;
    }
    node->weight += weight;
    node->sum += weight * reward;
}

void fl_bias_observe(struct fl_bias *b, unsigned head, unsigned task_class, uint64_t tenant,
                     double reward, double weight)
{
    fl_assert(head < b->head_count && task_class < FL_BIAS_CLASSES);
    fl_assert(reward >= 0 && reward <= 1 && weight >= 0 && weight <= 100);
    b->clock++;
    add(&b->global[head], reward, weight);
    add(&b->classes[(size_t)task_class * b->head_count + head], reward, weight);
    if (tenant && b->slot_count) {
        unsigned slot = find_or_make(b, key_of(task_class, tenant));
        b->heard[slot] = b->clock;
        add(&b->leaves[(size_t)slot * b->head_count + head], reward, weight);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "route/text/learned.h"

#include "base/assert.h"
#include "base/hash.h"

enum { of_key, of_time, first_number };

static size_t sets_of(size_t entries)
{
    size_t sets = 1;
    while (sets * fl_learned_ways < entries) {
        sets *= 2;
    }
    return sets;
}

size_t fl_learned_bytes(size_t entries, unsigned numbers)
{
    return sets_of(entries) * fl_learned_ways * (first_number + numbers) * sizeof(fl_number);
}

void fl_learned_init(struct fl_learned *l, void *memory, size_t entries, unsigned numbers)
{
    fl_assert((uintptr_t)memory % sizeof(fl_number) == 0);
    memset(memory, 0, fl_learned_bytes(entries, numbers));
    *l = (struct fl_learned){.words = memory, .sets = sets_of(entries), .numbers = numbers};
}

static fl_number *entry_at(const struct fl_learned *l, uint64_t key, unsigned way)
{
    size_t set = (size_t)fl_mix64(key) & (l->sets - 1);
    return l->words + (set * fl_learned_ways + way) * (first_number + l->numbers);
}

static fl_number *find(const struct fl_learned *l, uint64_t key)
{
    for (unsigned way = 0; way < fl_learned_ways; way++) {
        fl_number *entry = entry_at(l, key, way);
        if (atomic_load_explicit(&entry[of_key], memory_order_acquire) == key) {
            return entry;
        }
    }
    return NULL;
}

const fl_number *fl_learned_find(const struct fl_learned *l, uint64_t key)
{
    const fl_number *entry = find(l, key != 0 ? key : 1);
    return entry != NULL ? entry + first_number : NULL;
}

static fl_number *replace(struct fl_learned *l, uint64_t key)
{
    fl_number *place = entry_at(l, key, 0);
    for (unsigned way = 1; way < fl_learned_ways; way++) {
        fl_number *entry = entry_at(l, key, way);
        if (atomic_load_explicit(&entry[of_time], memory_order_relaxed) <
            atomic_load_explicit(&place[of_time], memory_order_relaxed)) {
            place = entry;
        }
    }
    atomic_store_explicit(&place[of_key], 0, memory_order_relaxed);
    for (unsigned i = 0; i < l->numbers; i++) {
        atomic_store_explicit(&place[first_number + i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&place[of_key], key, memory_order_release);
    return place;
}

fl_number *fl_learned_take(struct fl_learned *l, uint64_t key, uint64_t now_s)
{
    key = key != 0 ? key : 1;
    fl_number *entry = find(l, key);
    entry = entry != NULL ? entry : replace(l, key);
    /* Plus one, so that an entry of second 0 is newer than a free one. */
    atomic_store_explicit(&entry[of_time], now_s + 1, memory_order_relaxed);
    return entry + first_number;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A warm word is a target's number plus one (12 bits) above the second when it goes cold (20 bits,
 * which come round in twelve days; no time to live is longer than two hours, so that what is older
 * reads as cold but for those two hours).
 */
#include "route/text/prefix.h"

#include "base/assert.h"
#include "base/hash.h"

enum { ways = 8, time_bits = 20 }; /* the hashes of a set are one cache line */

static const uint32_t time_mask = (UINT32_C(1) << time_bits) - 1;

static size_t sets_of(size_t blocks)
{
    size_t sets = 1;
    while (sets * ways < blocks) {
        sets *= 2;
    }
    return sets;
}

size_t fl_prefix_table_bytes(size_t blocks)
{
    return sets_of(blocks) * ways * (sizeof(uint64_t) + FL_PREFIX_WARM * sizeof(uint32_t));
}

void fl_prefix_table_init(struct fl_prefix_table *t, void *memory, size_t blocks)
{
    fl_assert((uintptr_t)memory % sizeof(uint64_t) == 0);
    t->sets = sets_of(blocks);
    t->hash = memory;
    t->warm = (void *)((char *)memory + t->sets * ways * sizeof(uint64_t));
}

static inline uint32_t load(const _Atomic uint32_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static inline void store(_Atomic uint32_t *p, uint32_t value)
{
    atomic_store_explicit(p, value, memory_order_relaxed);
}

/* Seconds until the word goes cold; 0 for a cold or an empty one. */
static uint32_t left(uint32_t word, uint32_t now)
{
    uint32_t seconds = (word - now) & time_mask;
    return word != 0 && seconds <= FL_PREFIX_TTL_MAX_S ? seconds : 0;
}

static uint64_t key_of(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

/* Where the block is or, when it is nowhere, SIZE_MAX. */
static size_t find(const struct fl_prefix_table *t, uint64_t hash)
{
    size_t first = (fl_mix64(hash) & (t->sets - 1)) * ways;
    for (size_t i = first; i < first + ways; i++) {
        if (atomic_load_explicit(&t->hash[i], memory_order_acquire) == key_of(hash)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Keeps those of *hits* that hold block *at* too; returns how many. */
static unsigned keep(struct fl_prefix_hit *hits, unsigned count, const _Atomic uint32_t *warm,
                     uint32_t now)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned w = 0; w < FL_PREFIX_WARM; w++) {
            uint32_t word = load(&warm[w]);
            if (word >> time_bits == hits[i].target + 1 && left(word, now) > 0) {
                struct fl_prefix_hit hit = hits[i];
                hits[i] = hits[kept];
                hits[kept] = hit;
                hits[kept++].blocks++;
                break;
            }
        }
    }
    return kept;
}

unsigned fl_prefix_hits(const struct fl_prefix_table *t, const uint64_t *hashes, unsigned count,
                        uint64_t now_s, struct fl_prefix_hit ret_hits[FL_PREFIX_WARM])
{
    uint32_t now = (uint32_t)now_s & time_mask;
    size_t at = count > 0 ? find(t, hashes[0]) : SIZE_MAX;
    unsigned found = 0;
    for (unsigned w = 0; at != SIZE_MAX && w < FL_PREFIX_WARM; w++) {
        uint32_t word = load(&t->warm[at * FL_PREFIX_WARM + w]);
        if (left(word, now) > 0) {
            ret_hits[found++] = (struct fl_prefix_hit){(word >> time_bits) - 1, 1};
        }
    }
    unsigned going_on = found; /* the first of ret_hits: those that held every block so far */
    for (unsigned k = 1; k < count && going_on > 0; k++) {
        at = find(t, hashes[k]);
        if (at == SIZE_MAX) {
            break;
        }
        going_on = keep(ret_hits, going_on, &t->warm[at * FL_PREFIX_WARM], now);
    }
    return found;
}

/* Seconds until nobody holds the block any more. */
static uint32_t longest(const _Atomic uint32_t *warm, uint32_t now)
{
    uint32_t most = 0;
    for (unsigned w = 0; w < FL_PREFIX_WARM; w++) {
        uint32_t seconds = left(load(&warm[w]), now);
        most = seconds > most ? seconds : most;
    }
    return most;
}

/* Takes the place of the block of the set that goes cold first. */
static size_t claim(struct fl_prefix_table *t, uint64_t hash, uint32_t now)
{
    size_t first = (fl_mix64(hash) & (t->sets - 1)) * ways, place = first;
    uint32_t least = UINT32_MAX;
    for (size_t i = first; i < first + ways; i++) {
        uint32_t seconds = longest(&t->warm[i * FL_PREFIX_WARM], now);
        if (seconds < least) {
            least = seconds;
            place = i;
        }
    }
    atomic_store_explicit(&t->hash[place], 0, memory_order_relaxed);
    for (unsigned w = 0; w < FL_PREFIX_WARM; w++) {
        store(&t->warm[place * FL_PREFIX_WARM + w], 0);
    }
    atomic_store_explicit(&t->hash[place], key_of(hash), memory_order_release);
    return place;
}

/* In the word the target has, else in the one that goes cold first. */
static void warm_up(_Atomic uint32_t *warm, uint32_t word, uint32_t now)
{
    unsigned place = 0;
    uint32_t least = UINT32_MAX;
    for (unsigned w = 0; w < FL_PREFIX_WARM; w++) {
        uint32_t other = load(&warm[w]);
        if (other >> time_bits == word >> time_bits) {
            place = w;
            break;
        }
        if (left(other, now) < least) {
            least = left(other, now);
            place = w;
        }
    }
    store(&warm[place], word);
}

void fl_prefix_note(struct fl_prefix_table *t, const uint64_t *hashes, unsigned count,
                    uint32_t target, uint32_t ttl_s, uint64_t now_s)
{
    fl_assert(target < FL_PREFIX_TARGETS_MAX && ttl_s > 0 && ttl_s <= FL_PREFIX_TTL_MAX_S);
    uint32_t now = (uint32_t)now_s & time_mask;
    uint32_t word = (target + 1) << time_bits | (((uint32_t)now_s + ttl_s) & time_mask);
    for (unsigned k = 0; k < count; k++) {
        size_t at = find(t, hashes[k]);
        at = at == SIZE_MAX ? claim(t, hashes[k], now) : at;
        warm_up(&t->warm[at * FL_PREFIX_WARM], word, now);
    }
}

void fl_prefix_forget(struct fl_prefix_table *t, uint32_t target)
{
    for (size_t i = 0; i < t->sets * ways * FL_PREFIX_WARM; i++) {
        if (load(&t->warm[i]) >> time_bits == target + 1) {
            store(&t->warm[i], 0);
        }
    }
}

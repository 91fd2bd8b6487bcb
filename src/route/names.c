/* SPDX-License-Identifier: Apache-2.0 */
#include "route/route.h"

#include "base/assert.h"

const char *fl_strategy_name(enum fl_strategy s)
{
    static const char *const names[FL_STRATEGY_COUNT] = {
#define X(id, name) [id] = (name),
        FL_STRATEGIES(X)
#undef X
    };
    fl_assert((unsigned)s < FL_STRATEGY_COUNT);
    return names[s];
}

const char *fl_algorithm_name(enum fl_algorithm a)
{
    static const char *const names[FL_ALGORITHM_COUNT] = {
#define X(id, name) [id] = (name),
        FL_ALGORITHMS(X)
#undef X
    };
    fl_assert((unsigned)a < FL_ALGORITHM_COUNT);
    return names[a];
}

static const char *const tiers[FL_TIER_COUNT] = {"unknown", "low", "medium", "high"};

const char *fl_tier_name(enum fl_tier t)
{
    fl_assert((unsigned)t < FL_TIER_COUNT);
    return tiers[t];
}

bool fl_tier_parse(struct fl_slice word, enum fl_tier *ret_tier)
{
    for (unsigned i = FL_TIER_LOW; i < FL_TIER_COUNT; i++) {
        if (fl_slice_eq_nocase(word, fl_slice_cstr(tiers[i]))) {
            *ret_tier = (enum fl_tier)i;
            return true;
        }
    }
    return false;
}

struct fl_selection fl_selection_at(unsigned index)
{
    fl_assert(index < FL_STRATEGY_COUNT + FL_ALGORITHM_COUNT);
    if (index < FL_STRATEGY_COUNT) {
        return (struct fl_selection){.strategy = (enum fl_strategy)index};
    }
    return (struct fl_selection){.strategy = FL_STRATEGY_LOAD_BALANCE,
                                 .algorithm_given = true,
                                 .algorithm = (enum fl_algorithm)(index - FL_STRATEGY_COUNT)};
}

const char *fl_selection_word(unsigned index)
{
    if (index >= FL_STRATEGY_COUNT + FL_ALGORITHM_COUNT) {
        return NULL;
    }
    struct fl_selection s = fl_selection_at(index);
    return s.algorithm_given ? fl_algorithm_name(s.algorithm) : fl_strategy_name(s.strategy);
}

bool fl_selection_parse(struct fl_slice word, struct fl_selection *ret_selection)
{
    for (unsigned i = 0; fl_selection_word(i); i++) {
        if (fl_slice_eq_nocase(word, fl_slice_cstr(fl_selection_word(i)))) {
            *ret_selection = fl_selection_at(i);
            return true;
        }
    }
    return false;
}

const char *fl_health_name(enum fl_health h)
{
    static const char *const names[] = {"healthy", "suspect", "open", "half_open"};
    fl_assert((unsigned)h < sizeof(names) / sizeof(names[0]));
    return names[h];
}

static const struct fl_route *find_exact(const struct fl_table *t, struct fl_slice name)
{
    unsigned low = 0, high = t->route_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = fl_slice_cmp(name, t->routes[middle].name);
        if (order == 0) {
            return &t->routes[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct fl_route *fl_route_find(const struct fl_table *t, struct fl_slice name)
{
    char any[130];
    const struct fl_route *exact = find_exact(t, name);
    size_t slash = fl_slice_find(name, '/');
    if (exact || slash + 1 >= name.len || slash + 2 > sizeof(any)) {
        return exact;
    }
    memcpy(any, name.ptr, slash + 1);
    any[slash + 1] = '*';
    return find_exact(t, fl_slice(any, slash + 2));
}

struct fl_slice fl_route_suggest(const struct fl_table *t, struct fl_slice name)
{
    unsigned best =
        name.len / 4 < 3 ? 2 + (unsigned)(name.len / 4) : 5; /* what is nearer than this */
    struct fl_slice nearest = FL_EMPTY;
    for (unsigned i = 0; i < t->route_count && best > 0; i++) {
        struct fl_slice other = t->routes[i].name;
        size_t apart = other.len > name.len ? other.len - name.len : name.len - other.len;
        if (!t->routes[i].listed || apart >= best) {
            continue;
        }
        unsigned distance = fl_slice_distance(name, other, best - 1);
        if (distance < best) {
            nearest = other;
            best = distance;
        }
    }
    return nearest;
}

struct fl_slice fl_route_client_key(unsigned family, const uint8_t bytes[16], char ret_key[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (family == 6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        memcpy(ret_key, bytes + sizeof(mapped), 4);
        return fl_slice(ret_key, 4);
    }
    size_t len = family == 4 ? 4 : family == 6 ? 8 : 0;
    memcpy(ret_key, bytes, len);
    return fl_slice(ret_key, len);
}

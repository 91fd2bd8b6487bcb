/* SPDX-License-Identifier: Apache-2.0 */
/* One catalogue over another, with a list of what that changes. */
#include "config/catalog_file.h"

#include "route/catalog/price.h"

#include <stdlib.h>

#define S_PER_DAY 86400
enum { RULES_MAX = 48 };

/* --- Comparing --- */

static bool same_rule(const struct fl_price_rule *a, const struct fl_price_rule *b)
{
    return a->from_day == b->from_day && a->from_minute == b->from_minute &&
           a->to_minute == b->to_minute && a->above_tokens == b->above_tokens &&
           a->classes == b->classes &&
           memcmp(a->prices, b->prices,
                  (size_t)__builtin_popcount(a->classes) * sizeof(*a->prices)) == 0;
}

static bool same_prices(const struct fl_model *a, const struct fl_model *b)
{
    bool same = a->rule_count == b->rule_count &&
                memcmp(a->service_permille, b->service_permille, sizeof(a->service_permille)) == 0;
    for (unsigned i = 0; same && i < a->rule_count; i++) {
        same = same_rule(&a->rules[i], &b->rules[i]);
    }
    return same;
}

bool fl_catalog_same_model(const struct fl_model *a, const struct fl_model *b)
{
    return fl_slice_eq(a->id, b->id) && fl_slice_eq(a->names, b->names) &&
           fl_slice_eq(a->successor, b->successor) && a->context_tokens == b->context_tokens &&
           a->output_tokens_max == b->output_tokens_max && a->capabilities == b->capabilities &&
           a->released_day == b->released_day && a->retired_day == b->retired_day &&
           a->status == b->status && a->tier_given == b->tier_given &&
           (!a->tier_given || a->tier == b->tier) && same_prices(a, b);
}

/* --- Merging one row --- */

static int64_t noon(const struct fl_catalog *c)
{
    int32_t day = fl_catalog_day(c);
    return day == FL_DAY_UNKNOWN ? 0 : (int64_t)day * S_PER_DAY + S_PER_DAY / 2;
}

/* Does the rule in force say the same of every class that *said* has? */
static bool in_force(const struct fl_model *m, const struct fl_price_rule *said, int64_t when_s)
{
    const struct fl_price_rule *rule = fl_price_rule(m, 1, when_s);
    for (unsigned c = 0; rule && c < FL_PRICE_CLASS_COUNT; c++) {
        uint64_t a = 0, b = 0;
        if (fl_price_get(said, (enum fl_price_class)c, &a) &&
            (!fl_price_get(rule, (enum fl_price_class)c, &b) || a != b)) {
            return false;
        }
    }
    return rule != NULL;
}

/* What a row becomes: the model, and its rules, which point at prices of the two rows or at *own*.
 */
struct row {
    struct fl_model model;
    struct fl_price_rule rules[RULES_MAX];
    uint64_t own[FL_PRICE_CLASS_COUNT];
    unsigned rule_count;
};

static void keep_rules(struct row *row, const struct fl_model *m)
{
    row->rule_count = m->rule_count < RULES_MAX ? m->rule_count : RULES_MAX;
    for (unsigned i = 0; i < row->rule_count; i++) {
        row->rules[i] = m->rules[i];
    }
}

/* The prices in force with those of *said* over them, as a rule from *day* on, before what is
 * announced for later. */
static void add_rule(struct row *row, const struct fl_price_rule *now,
                     const struct fl_price_rule *said, int32_t day)
{
    unsigned kept = 0, at = row->rule_count;
    while (at > 0 && row->rules[at - 1].from_day > day) {
        at--;
    }
    struct fl_price_rule *rule = &row->rules[at];
    memmove(rule + 1, rule, (row->rule_count - at) * sizeof(*rule));
    *rule = (struct fl_price_rule){.from_day = day, .prices = row->own};
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (fl_price_get(said, (enum fl_price_class)c, &row->own[kept]) ||
            (now && fl_price_get(now, (enum fl_price_class)c, &row->own[kept]))) {
            rule->classes |= 1u << c;
            kept++;
        }
    }
    row->rule_count++;
}

static void merge_prices(struct row *row, const struct fl_model *before,
                         const struct fl_model *newer, const struct fl_catalog *newer_catalog,
                         bool partial)
{
    int64_t when_s = noon(newer_catalog);
    keep_rules(row, before);
    if (newer->rule_count == 0 || newer->rules[0].classes == 0) {
        return;
    }
    if (!partial || before->rule_count == 0) {
        keep_rules(row, newer);
    } else if (!in_force(before, &newer->rules[0], when_s) && row->rule_count < RULES_MAX) {
        add_rule(row, fl_price_rule(before, 1, when_s), &newer->rules[0],
                 fl_catalog_day(newer_catalog));
    }
    for (unsigned i = 0; i < FL_SERVICE_COUNT; i++) {
        if (newer->service_permille[i] > 0) {
            row->model.service_permille[i] = newer->service_permille[i];
        }
    }
}

static void merge_facts(struct fl_model *m, const struct fl_model *newer, bool partial)
{
    m->context_tokens = newer->context_tokens && (!partial || !m->context_tokens)
                            ? newer->context_tokens
                            : m->context_tokens;
    m->output_tokens_max = newer->output_tokens_max && (!partial || !m->output_tokens_max)
                               ? newer->output_tokens_max
                               : m->output_tokens_max;
    m->capabilities = newer->capabilities && (!partial || !m->capabilities) ? newer->capabilities
                                                                            : m->capabilities;
    m->released_day =
        newer->released_day != FL_DAY_UNKNOWN && (!partial || m->released_day == FL_DAY_UNKNOWN)
            ? newer->released_day
            : m->released_day;
    m->retired_day = newer->retired_day != FL_DAY_UNKNOWN ? newer->retired_day : m->retired_day;
    m->status = newer->status > m->status ? newer->status : m->status;
    m->successor = newer->successor.len > 0 ? newer->successor : m->successor;
    if (newer->tier_given) {
        m->tier = newer->tier;
        m->tier_given = true;
    }
}

/* --- Names --- */

static bool next_name(struct fl_slice *io_names, struct fl_slice *ret_name)
{
    size_t comma = fl_slice_find(*io_names, ',');
    *ret_name = fl_slice_first(*io_names, comma);
    *io_names = fl_slice_from(*io_names, comma + 1);
    return ret_name->len > 0;
}

static bool lists(struct fl_slice names, struct fl_slice wanted)
{
    struct fl_slice one;
    while (next_name(&names, &one)) {
        if (fl_slice_eq_nocase(one, wanted)) {
            return true;
        }
    }
    return false;
}

/* Does the catalogue take this name, or one of its digits, for *m* already? */
static bool understood(const struct fl_catalog *c, const struct fl_model *m, struct fl_slice name)
{
    char memory[256];
    if (lists(m->names, name) || name.len > sizeof(memory)) {
        return true;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '*' || name.ptr[i] == '!') {
            return false;
        }
        memory[i] = name.ptr[i] == '#' ? '1' : name.ptr[i];
    }
    return fl_catalog_find_at(c, m->provider, fl_slice(memory, name.len), NULL) == m;
}

/* The names of both, without those that are understood anyway. Into *arena*. */
static struct fl_slice merge_names(const struct fl_catalog *base, const struct fl_model *before,
                                   const struct fl_model *newer, struct fl_arena *arena)
{
    struct fl_slice rest = newer->names, one, all;
    struct fl_buf b;
    fl_buf_init(&b, 64 * 1024);
    fl_buf_put(&b, before->names);
    while (next_name(&rest, &one)) {
        if (!understood(base, before, one)) {
            fl_buf_put_cstr(&b, b.len > 0 ? "," : "");
            fl_buf_put(&b, one);
        }
    }
    all = b.len > before->names.len && fl_buf_ok(&b) ? fl_arena_copy(arena, fl_buf_slice(&b))
                                                     : before->names;
    fl_buf_finish(&b);
    return all;
}

/* --- All rows --- */

struct merging {
    struct fl_catalog *base;
    const struct fl_catalog *newer;
    bool partial, current; /* current: the newer one's prices count */
    struct fl_catalog_draft *draft;
    const struct fl_model **changed; /* rows of *newer* that changed something */
    unsigned changed_count;
};

static enum fl_err copy_base(struct merging *m)
{
    const struct fl_catalog_provider *provider = NULL;
    enum fl_err err = FL_OK;
    for (unsigned p = 0; !err && p < fl_catalog_provider_count(m->base); p++) {
        err = fl_catalog_draft_provider(m->draft, fl_catalog_provider(m->base, p));
    }
    for (unsigned i = 0; !err && i < fl_catalog_model_count(m->base); i++) {
        const struct fl_model *one = fl_catalog_model(m->base, i);
        if (one->provider != provider) {
            provider = one->provider;
            (void)fl_catalog_draft_use(m->draft, provider->name);
        }
        err = fl_catalog_draft_model(m->draft, one, one->rules, one->rule_count);
    }
    return err;
}

static enum fl_err merge_row(struct merging *m, const struct fl_model *newer)
{
    enum fl_model_match match = FL_MATCH_NONE;
    const struct fl_model *before =
        fl_catalog_find(m->base, newer->provider->name, newer->id, &match);
    struct row row = {.model = *newer};
    bool known = match == FL_MATCH_EXACT && fl_slice_eq_nocase(before->id, newer->id);
    if (known) {
        row.model = *before;
        keep_rules(&row, before);
        if (m->current) {
            merge_prices(&row, before, newer, m->newer, m->partial);
            merge_facts(&row.model, newer, m->partial);
            row.model.names = merge_names(m->base, before, newer, fl_catalog_draft_arena(m->draft));
        }
        row.model.rules = row.rules;
        row.model.rule_count = row.rule_count;
        if (fl_catalog_same_model(before, &row.model)) {
            return FL_OK;
        }
    } else {
        bool free_of_news = before && match != FL_MATCH_FALLBACK && newer->rule_count > 0 &&
                            in_force(before, &newer->rules[0], noon(m->newer));
        if (free_of_news || newer->rule_count == 0) {
            return FL_OK; /* another spelling of what is there, or nothing to sell */
        }
        keep_rules(&row, newer);
    }
    m->changed[m->changed_count++] = newer;
    return fl_catalog_draft_model(m->draft, &row.model, row.rules, row.rule_count);
}

static enum fl_err merge_rows(struct merging *m)
{
    const struct fl_catalog_provider *provider = NULL;
    enum fl_err err = FL_OK;
    for (unsigned i = 0; !err && i < fl_catalog_model_count(m->newer); i++) {
        const struct fl_model *one = fl_catalog_model(m->newer, i);
        if (one->provider != provider) {
            provider = one->provider;
            if (!fl_catalog_draft_use(m->draft, provider->name)) {
                err = fl_catalog_draft_provider(m->draft, provider);
            }
        }
        err = err ? err : merge_row(m, one);
    }
    return err;
}

/* --- What changed --- */

static enum fl_catalog_change_kind kind_of(const struct fl_model *before,
                                           const struct fl_model *after, int64_t when_s)
{
    uint64_t old_price = 0, new_price = 0;
    if (!before) {
        return FL_CATALOG_ADDED;
    }
    if (after->status != before->status && after->status == FL_MODEL_RETIRED) {
        return FL_CATALOG_RETIRED;
    }
    bool both = fl_price_blended(fl_price_rule(before, 1, when_s), &old_price) &&
                fl_price_blended(fl_price_rule(after, 1, when_s), &new_price);
    if (both && new_price != old_price) {
        return new_price > old_price ? FL_CATALOG_DEARER : FL_CATALOG_CHEAPER;
    }
    if (!same_prices(before, after)) {
        return FL_CATALOG_PRICES;
    }
    return after->status != before->status ? FL_CATALOG_DEPRECATED : FL_CATALOG_FACTS;
}

static bool list_changes(const struct merging *m, struct fl_catalog_merge *merge)
{
    merge->changes = malloc((m->changed_count + 1) * sizeof(*merge->changes));
    for (unsigned i = 0; merge->changes && i < m->changed_count; i++) {
        const struct fl_model *newer = m->changed[i];
        enum fl_model_match match = FL_MATCH_NONE;
        const struct fl_model *before =
            fl_catalog_find(m->base, newer->provider->name, newer->id, &match);
        const struct fl_model *after =
            fl_catalog_find(merge->merged, newer->provider->name, newer->id, NULL);
        if (match != FL_MATCH_EXACT || !fl_slice_eq_nocase(before->id, newer->id)) {
            before = NULL;
        }
        merge->changes[merge->change_count++] =
            (struct fl_catalog_change){kind_of(before, after, noon(merge->merged)), before, after};
    }
    return merge->changes != NULL;
}

enum fl_err fl_catalog_merge(struct fl_catalog *base, const struct fl_catalog *newer, bool partial,
                             struct fl_catalog_merge *ret_merge)
{
    struct fl_catalog_merge merge = {0};
    struct merging m = {.base = base,
                        .newer = newer,
                        .partial = partial,
                        .current = fl_catalog_day(newer) >= fl_catalog_day(base)};
    m.draft = fl_catalog_draft_create(0, fl_catalog_model_count(base));
    m.changed = malloc((fl_catalog_model_count(newer) + 1) * sizeof(const struct fl_model *));
    enum fl_err err = m.draft && m.changed ? copy_base(&m) : FL_ERR_NOMEM;
    err = err ? err : merge_rows(&m);
    if (err) {
        fl_catalog_draft_destroy(m.draft);
        free(m.changed);
        return err;
    }
    fl_catalog_draft_day(m.draft, fl_catalog_day(base));
    fl_catalog_draft_day(m.draft, fl_catalog_day(newer));
    merge.merged = fl_catalog_draft_finish(m.draft);
    bool ok = merge.merged && list_changes(&m, &merge);
    free(m.changed);
    if (!ok) {
        fl_catalog_merge_finish(&merge);
        return FL_ERR_NOMEM;
    }
    *ret_merge = merge;
    return FL_OK;
}

void fl_catalog_merge_finish(struct fl_catalog_merge *m)
{
    fl_catalog_unref(m->merged);
    free(m->changes);
    *m = (struct fl_catalog_merge){0};
}

/* --- The difference as a file --- */

static void put_provider(struct fl_buf *b, const struct fl_catalog_provider *p,
                         const struct fl_catalog *base)
{
    fl_buf_putc(b, '\n');
    if (fl_catalog_find_provider(base, p->name)) {
        fl_buf_put_cstr(b, "provider ");
        fl_buf_put(b, p->name);
        fl_buf_putc(b, '\n');
    } else {
        fl_catalog_put_provider(b, p);
    }
}

void fl_catalog_put_difference(struct fl_buf *b, const struct fl_catalog *c,
                               const struct fl_catalog *base)
{
    const struct fl_catalog_provider *provider = NULL;
    fl_buf_put_cstr(b, "catalog 1 ");
    fl_day_put(b, fl_catalog_day(c));
    fl_buf_putc(b, '\n');
    for (unsigned i = 0; i < fl_catalog_model_count(c); i++) {
        const struct fl_model *m = fl_catalog_model(c, i);
        enum fl_model_match match = FL_MATCH_NONE;
        const struct fl_model *old = fl_catalog_find(base, m->provider->name, m->id, &match);
        if (old && match == FL_MATCH_EXACT && fl_catalog_same_model(old, m)) {
            continue;
        }
        if (m->provider != provider) {
            provider = m->provider;
            put_provider(b, provider, base);
        }
        fl_catalog_put_model(b, m);
    }
}

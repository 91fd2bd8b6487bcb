/* SPDX-License-Identifier: Apache-2.0 */
#include "config/targets.h"
#include "route/keys.h"

#include "base/assert.h"
#include "config/catalog_file.h"
#include "config/secret.h"

/* --- Picks --- */

bool fl_picks_have(const struct fl_picks *picks, unsigned target)
{
    for (unsigned i = 0; i < picks->count; i++) {
        if (picks->items[i] == target) {
            return true;
        }
    }
    return false;
}

bool fl_picks_add(struct fl_load *load, struct fl_picks *picks, unsigned target)
{
    if (fl_picks_have(picks, target)) {
        return false;
    }
    if (picks->count == picks->cap) {
        unsigned cap = picks->cap ? picks->cap * 2 : 8;
        unsigned *items = fl_arena_take(&load->scratch, cap * sizeof(*items));
        if (!items) {
            return false;
        }
        for (unsigned i = 0; i < picks->count; i++) {
            items[i] = picks->items[i];
        }
        picks->items = items;
        picks->cap = cap;
    }
    picks->items[picks->count++] = target;
    return true;
}

/* --- One target --- */

static bool is_model_name(struct fl_slice name)
{
    enum { model_bytes_max = 200 };
    return name.len > 0 && name.len <= model_bytes_max && fl_secret_is_token(name) &&
           !fl_slice_eq(name, FL_LIT("*"));
}

static struct fl_slice join_id(struct fl_load *load, struct fl_slice provider,
                               struct fl_slice model)
{
    char memory[300];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put(&b, provider);
    fl_buf_putc(&b, '/');
    fl_buf_put(&b, model.len > 0 ? model : FL_LIT("*"));
    fl_assert(fl_buf_ok(&b));
    return fl_arena_copy(&load->config->arena, fl_buf_slice(&b));
}

static bool find_target(const struct fl_targets *t, unsigned provider, struct fl_slice model,
                        unsigned *ret_index)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (t->items[i].provider_index == provider && fl_slice_eq(t->items[i].model, model)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static uint64_t fate_of(struct fl_slice name)
{
    return fl_hash((struct fl_hash_key){0, 0}, name) | 1; /* 0 is none */
}

/* Of a limit that is shared: model by model, by whatever name a provider has for one. */
static struct fl_slice quota_id(const struct fl_provider *p, struct fl_slice model, struct fl_buf *b)
{
    char memory[FL_BARE_MAX];
    fl_buf_put_cstr(b, "quota/");
    fl_buf_put(b, p->quota);
    fl_buf_putc(b, '/');
    fl_buf_put(b, model.len > 0 ? fl_model_bare_name(model, memory) : FL_LIT("*"));
    return fl_buf_slice(b);
}

/* What fails together: all of a provider; all of a vendor, and of servers of one's own those of an
 * address. "global" is everywhere. */
static void attach_fates(const struct fl_provider *p, struct fl_target *target)
{
    char memory[FL_BARE_MAX + 128];
    struct fl_buf b;
    const struct fl_vendor *vendor = fl_vendor_find(p->type);
    bool hosted = vendor && vendor->base_url && !vendor->key_optional;
    target->fate[FL_FATE_PROVIDER] = fate_of(p->name);
    target->fate[FL_FATE_ACCOUNT] = fate_of(p->account);
    target->fate[FL_FATE_VENDOR] = fate_of(hosted ? p->type : p->host_header);
    if (p->region.len > 0 && !fl_slice_eq(p->region, FL_LIT("global"))) {
        target->fate[FL_FATE_REGION] = fate_of(p->region);
    }
    fl_buf_init_in(&b, memory, sizeof(memory));
    if (p->quota.len > 0) {
        target->fate[FL_FATE_QUOTA] = fate_of(quota_id(p, target->model, &b));
    }
}

/* A key is known by a hash of itself: what was learned of it outlives a reload, and a new one starts anew. Where
 * a provider has none (its tokens are fetched) its limits are those of a key without a value. */
static struct fl_slice key_id(struct fl_load *load, const struct fl_provider *p, unsigned key,
                              struct fl_slice model)
{
    char memory[512];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put(&b, p->name);
    fl_buf_putc(&b, '#');
    struct fl_slice value = key < p->key_count ? p->keys[key].value : FL_EMPTY;
    fl_buf_put_hex(&b, fl_hash(load->env->hash_key, value), 16);
    if (model.len > 0) {
        fl_buf_putc(&b, '/');
        fl_buf_put(&b, model);
    }
    return fl_arena_copy(&load->scratch, fl_buf_slice(&b));
}

/* What a key has left of a model's limits: its own, or what it draws from together with others. */
static struct fl_slice meter_id(struct fl_load *load, const struct fl_provider *p, unsigned key,
                                struct fl_slice model)
{
    char memory[FL_BARE_MAX + 128];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    return p->quota.len > 0 ? fl_arena_copy(&load->scratch, quota_id(p, model, &b))
                            : key_id(load, p, key, model.len > 0 ? model : FL_LIT("*"));
}

static struct fl_key_limits limits_of(const struct fl_provider *p, unsigned key)
{
    bool own = key < p->key_count;
    return (struct fl_key_limits){.requests_per_minute = own ? p->keys[key].rpm : p->rpm,
                                  .tokens_per_minute = own ? p->keys[key].tpm : p->tpm};
}

/* The keys of its provider, as this model uses them. */
static void attach_keys(struct fl_load *load, const struct fl_provider *p, struct fl_target *target)
{
    struct fl_registry *registry = load->env->registry;
    bool metered = p->rpm > 0 || p->tpm > 0 || p->quota.len > 0;
    unsigned count = p->key_count > 0 ? p->key_count : metered;
    struct fl_target_key *keys = fl_arena_zero(&load->config->arena, (count + 1) * sizeof(*keys));
    for (unsigned i = 0; keys && i < count; i++) {
        keys[i].index = i;
        keys[i].limits = limits_of(p, i);
        keys[i].key = fl_registry_key(registry, key_id(load, p, i, FL_EMPTY));
        keys[i].meter = fl_registry_meter(registry, meter_id(load, p, i, target->model));
        load->scratch.failed = load->scratch.failed || !keys[i].key || !keys[i].meter;
    }
    target->keys = keys;
    target->key_count = keys ? count : 0;
}

/* What clients of OpenAI cannot ask of another dialect. */
static unsigned lacks_of(const struct fl_provider *p)
{
    const struct fl_slice dialect = p->dialect;
    static const char *const embeds[] = {"gemini", "vertex", "bedrock", "ollama_native"};
    unsigned lacks =
        FL_NEED_COMPLETIONS | FL_NEED_EMBEDDINGS | FL_NEED_PASS | FL_NEED_RESPONSES;
    if (fl_slice_eq(dialect, FL_LIT("openai")) || fl_slice_eq(dialect, FL_LIT("azure"))) {
        return p->responses || p->api == FL_API_RESPONSES ? 0 : FL_NEED_RESPONSES;
    }
    for (size_t i = 0; i < sizeof(embeds) / sizeof(*embeds); i++) {
        if (fl_slice_eq(dialect, fl_slice_cstr(embeds[i]))) {
            lacks &= ~(unsigned)FL_NEED_EMBEDDINGS;
        }
    }
    return lacks;
}

/* *model* empty: any model. False at the ceiling. */
static bool add_target(struct fl_load *load, struct fl_targets *t, unsigned provider,
                       struct fl_slice model)
{
    const struct fl_object *o = load->drafts[provider].entry->object;
    if (t->count == t->cap) {
        return false;
    }
    struct fl_target *target = &t->items[t->count];
    *target = (struct fl_target){
        .id = join_id(load, load->config->providers[provider].name, model),
        .provider = load->config->providers[provider].name,
        .model = fl_arena_copy(&load->config->arena, model),
        .provider_index = provider,
        .weight = fl_value_real(fl_object_value(o, FL_KEY_PROVIDER_weight)),
        .cost_multiplier = fl_value_real(fl_object_value(o, FL_KEY_PROVIDER_cost_multiplier)),
        .performance_bonus = fl_value_real(fl_object_value(o, FL_KEY_PROVIDER_performance_bonus))};
    attach_fates(&load->config->providers[provider], target);
    fl_models_attach(load, target);
    target->lacks |= lacks_of(&load->config->providers[provider]);
    t->places[t->count] = NULL;
    if (load->env->registry) {
        attach_keys(load, &load->config->providers[provider], target);
        target->state = fl_registry_target(load->env->registry, target->id);
        load->scratch.failed = load->scratch.failed || !target->state;
    }
    t->primary[t->count++] = model.len > 0;
    return true;
}

/* --- All of a provider --- */

static bool lists_model(const struct fl_draft *draft, struct fl_slice model)
{
    const struct fl_value *models = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_models);
    for (unsigned i = 0; i < models->count; i++) {
        if (fl_slice_eq(models->entries[i].text, model)) {
            return true;
        }
    }
    return false;
}

static void add_models(struct fl_load *load, struct fl_targets *t, unsigned provider)
{
    const struct fl_draft *draft = &load->drafts[provider];
    const struct fl_value *models = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_models);
    unsigned index = 0;
    for (unsigned i = 0; i < models->count; i++) {
        const struct fl_entry *entry = &models->entries[i];
        if (!is_model_name(entry->text)) {
            fl_load_error(load, entry->node,
                          "'%.*s' is not a model's name: up to 200 visible characters, no spaces",
                          FL_TEXT(entry->text));
        } else if (!draft->routed) {
            continue;
        } else if (find_target(t, provider, entry->text, &index)) {
            fl_load_warn(load, entry->node, "model '%.*s' is listed twice", FL_TEXT(entry->text));
        } else if (!add_target(load, t, provider, entry->text)) {
            fl_load_error(load, entry->node, "more than 4096 targets (provider x model)");
            return;
        } else {
            t->places[t->count - 1] = entry->node;
        }
    }
    if (models->node && !models->bad && models->count == 0) {
        fl_load_warn(load, models->node,
                     "no models: nothing is routed to this provider; leave 'models' out to pass "
                     "every name on");
    }
}

void fl_targets_build(struct fl_load *load, struct fl_targets *ret_targets)
{
    struct fl_targets t = {.cap = FL_TARGETS_MAX};
    t.items = fl_arena_take(&load->scratch, t.cap * sizeof(*t.items));
    t.primary = fl_arena_take(&load->scratch, t.cap * sizeof(*t.primary));
    t.places = fl_arena_take(&load->scratch, t.cap * sizeof(*t.places));
    if (!t.items || !t.primary || !t.places) {
        t.cap = 0;
    }
    for (unsigned i = 0; i < load->config->provider_count; i++) {
        const struct fl_draft *draft = &load->drafts[i];
        if (!draft->vendor) {
            continue;
        }
        fl_models_check(load, i);
        add_models(load, &t, i);
        if (draft->routed && load->config->providers[i].any_model) {
            (void)add_target(load, &t, i, FL_EMPTY);
        }
    }
    *ret_targets = t;
}

void fl_targets_add_auto(struct fl_load *load, struct fl_targets *t)
{
    for (unsigned i = 0; i < load->config->provider_count; i++) {
        const struct fl_draft *draft = &load->drafts[i];
        bool has_primary = false;
        for (unsigned j = 0; j < t->count; j++) {
            has_primary = has_primary || (t->items[j].provider_index == i && t->primary[j]);
        }
        if (draft->routed && load->config->providers[i].any_model && draft->vendor->auto_model &&
            !has_primary) {
            struct fl_slice model = fl_slice_cstr(draft->vendor->auto_model);
            if (load->findings->errors == 0) {
                fl_load_note(load, draft->entry->key,
                             "provider '%.*s' lists no models: 'auto' uses its '%.*s', and "
                             "'%.*s/MODEL' any other",
                             FL_TEXT(draft->entry->name), FL_TEXT(model),
                             FL_TEXT(draft->entry->name));
            }
            (void)add_target(load, t, i, model);
        }
    }
}

/* --- Names of targets --- */

/* PROVIDER/MODEL; false when the part before the slash is no provider. */
static bool resolve_id(struct fl_load *load, struct fl_targets *t, struct fl_slice text,
                       struct fl_picks *picks, enum fl_resolved *ret)
{
    size_t slash = fl_slice_find(text, '/');
    struct fl_slice model = fl_slice_from(text, slash + 1);
    unsigned provider = 0, index = 0;
    while (provider < load->config->provider_count &&
           !fl_slice_eq(load->config->providers[provider].name, fl_slice_first(text, slash))) {
        provider++;
    }
    if (model.len == 0 || provider == load->config->provider_count) {
        return false;
    }
    const struct fl_draft *draft = &load->drafts[provider];
    bool any = load->config->providers[provider].any_model;
    bool wild = any && fl_slice_eq(model, FL_LIT("*"));
    if (!draft->vendor || (!draft->routed && (any || lists_model(draft, model)))) {
        *ret = FL_RESOLVED_LEFT_OUT;
        return true;
    }
    bool found = find_target(t, provider, wild ? FL_EMPTY : model, &index);
    if (!found && any && is_model_name(model) && add_target(load, t, provider, model)) {
        index = t->count - 1;
        t->primary[index] = false; /* until a route says so */
        found = true;
    }
    if (found) {
        (void)fl_picks_add(load, picks, index);
    }
    *ret = found ? FL_RESOLVED : FL_RESOLVED_UNKNOWN;
    return found; /* else the whole text may be a model's name, such as groq's openai/gpt-oss-20b */
}

enum fl_resolved fl_targets_resolve(struct fl_load *load, struct fl_targets *t,
                                    struct fl_slice text, struct fl_picks *picks)
{
    enum fl_resolved resolved = FL_RESOLVED_UNKNOWN;
    if (resolve_id(load, t, text, picks, &resolved)) {
        return resolved;
    }
    resolved = FL_RESOLVED_UNKNOWN;
    for (unsigned i = 0; i < t->count; i++) {
        if (t->items[i].model.len > 0 && fl_slice_eq(t->items[i].model, text)) {
            (void)fl_picks_add(load, picks, i);
            resolved = FL_RESOLVED;
        }
    }
    for (unsigned i = 0; resolved == FL_RESOLVED_UNKNOWN && i < load->config->provider_count; i++) {
        const struct fl_draft *draft = &load->drafts[i];
        if (draft->vendor && !draft->routed && lists_model(draft, text)) {
            resolved = FL_RESOLVED_LEFT_OUT;
        }
    }
    return resolved;
}

void fl_targets_place(struct fl_targets *t, const struct fl_picks *picks, unsigned first,
                      const struct fl_yaml *node)
{
    for (unsigned i = first; i < picks->count; i++) {
        if (!t->places[picks->items[i]]) {
            t->places[picks->items[i]] = node;
        }
    }
}

void fl_targets_check(struct fl_load *load, const struct fl_targets *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct fl_model *m = t->items[i].model_facts;
        char day[16] = "";
        struct fl_buf b;
        if (!m || m->status != FL_MODEL_RETIRED || !t->places[i]) {
            continue;
        }
        if (m->retired_day != FL_DAY_UNKNOWN) {
            fl_buf_init_in(&b, day, sizeof(day) - 1);
            fl_buf_put_cstr(&b, " on ");
            fl_day_put(&b, m->retired_day);
            day[b.len] = '\0';
        }
        fl_load_warn(load, t->places[i],
                     "model '%.*s' was retired by %.*s%s: requests to it will fail%s%.*s%s",
                     FL_TEXT(t->items[i].model), FL_TEXT(t->items[i].provider), day,
                     m->successor.len > 0 ? "; its successor is '" : "", FL_TEXT(m->successor),
                     m->successor.len > 0 ? "'" : "");
    }
}

void fl_targets_offer(const struct fl_load *load, const struct fl_targets *t,
                      struct fl_nearest *nearest)
{
    for (unsigned i = 0; i < t->count; i++) {
        fl_nearest_offer(nearest, t->items[i].id);
        fl_nearest_offer(nearest, t->items[i].model);
    }
    /* A misspelt provider before the slash: the right one is worth showing. */
    size_t slash = fl_slice_find(nearest->wanted, '/');
    for (unsigned i = 0; slash < nearest->wanted.len && i < load->config->provider_count; i++) {
        struct fl_nearest provider = {.wanted = fl_slice_first(nearest->wanted, slash)};
        fl_nearest_offer(&provider, load->config->providers[i].name);
        if (nearest->best.len == 0 && provider.best.len > 0) {
            nearest->best = provider.best;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a target's model: the catalogue's row, with the prices and facts of the file
 * over it. A target whose file says nothing points at the catalogue itself; any other gets a copy
 * in the configuration's arena.
 *
 * Prices of the file replace those in force on the catalogue's day, class by class, and hold
 * always: days, hours and steps of the catalogue are no longer looked at. A server of one's own has
 * the facts of the model's name, but no price until the file gives one.
 */
#include "config/load.h"

#include "base/assert.h"
#include "route/catalog/price.h"
#include "route/facts.h"

#define S_PER_DAY 86400

/* --- The provider --- */

/* "api.x.ai" of "https://api.x.ai/v1" */
static struct fl_slice host_of(struct fl_slice url)
{
    size_t at = fl_slice_find_text(url, FL_LIT("://"));
    struct fl_slice rest = fl_slice_from(url, at + 3);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != ':') {
        end++;
    }
    return fl_slice_first(rest, end);
}

/* Several providers behind one host differ by path: the first one counts that starts alike. */
static const struct fl_catalog_provider *find_by_url(const struct fl_catalog *c,
                                                     const struct fl_provider *p)
{
    const struct fl_catalog_provider *found = NULL;
    for (unsigned i = 0; p->host.len > 0 && i < fl_catalog_provider_count(c); i++) {
        const struct fl_catalog_provider *one = fl_catalog_provider(c, i);
        bool same = one->base_url.len > 0 && fl_slice_eq_nocase(host_of(one->base_url), p->host);
        if (same && fl_slice_starts(p->base_url, one->base_url)) {
            return one;
        }
        found = same && !found ? one : found;
    }
    return found;
}

const struct fl_catalog_provider *fl_models_provider(const struct fl_load *load,
                                                     const struct fl_provider *provider)
{
    const struct fl_catalog *c = load->config->catalog;
    const struct fl_vendor *vendor = fl_vendor_find(provider->type);
    if (!c || !vendor) {
        return NULL;
    }
    if (vendor->listed_as) {
        return fl_catalog_find_provider(c, fl_slice_cstr(vendor->listed_as));
    }
    return vendor->key_optional ? find_by_url(c, provider)
                                : fl_catalog_find_provider(c, provider->type);
}

/* --- What the file says of a model --- */

static const struct fl_object *prices_of(const struct fl_load *load, unsigned provider,
                                         struct fl_slice model)
{
    const struct fl_value *value =
        fl_object_value(load->drafts[provider].entry->object, FL_KEY_PROVIDER_prices);
    for (unsigned i = 0; i < value->count; i++) {
        if (fl_slice_eq(value->entries[i].name, model)) {
            return value->entries[i].object;
        }
    }
    return value->object;
}

static const struct fl_object *info_of(const struct fl_load *load, unsigned provider,
                                       struct fl_slice model)
{
    const struct fl_value *value =
        fl_object_value(load->drafts[provider].entry->object, FL_KEY_PROVIDER_model_info);
    for (unsigned i = 0; i < value->count; i++) {
        if (fl_slice_eq(value->entries[i].name, model)) {
            return value->entries[i].object;
        }
    }
    return NULL;
}

/* Keys of the file and classes of the catalogue. */
static const struct {
    enum fl_key_id key;
    enum fl_price_class price;
} price_keys[] = {
    {FL_KEY_PRICES_input, FL_PRICE_IN},
    {FL_KEY_PRICES_output, FL_PRICE_OUT},
    {FL_KEY_PRICES_cached_input, FL_PRICE_CACHED},
    {FL_KEY_PRICES_cache_write, FL_PRICE_WRITE},
    {FL_KEY_PRICES_cache_write_1h, FL_PRICE_WRITE_1H},
    {FL_KEY_PRICES_reasoning, FL_PRICE_REASONING},
    {FL_KEY_PRICES_input_audio, FL_PRICE_IN_AUDIO},
    {FL_KEY_PRICES_input_image, FL_PRICE_IN_IMAGE},
    {FL_KEY_PRICES_output_audio, FL_PRICE_OUT_AUDIO},
    {FL_KEY_PRICES_output_image, FL_PRICE_OUT_IMAGE},
    {FL_KEY_PRICES_request, FL_PRICE_REQUEST},
    {FL_KEY_PRICES_web_search, FL_PRICE_SEARCH},
};
static const struct {
    enum fl_key_id key;
    enum fl_service service;
} service_keys[] = {
    {FL_KEY_PRICES_batch, FL_SERVICE_BATCH},
    {FL_KEY_PRICES_flex, FL_SERVICE_FLEX},
    {FL_KEY_PRICES_priority, FL_SERVICE_PRIORITY},
};

/* Billionths of a USD as the catalogue counts: a price's unit is 10^-decimals. */
static uint64_t price_of(const struct fl_value *value, enum fl_price_class c)
{
    uint64_t n = (uint64_t)value->number;
    fl_assert(fl_price_classes[c].decimals == 6 || fl_price_classes[c].decimals == 9);
    return fl_price_classes[c].decimals == 6 ? (n + 500) / 1000 : n;
}

/* --- One model --- */

static int64_t today_s(const struct fl_load *load)
{
    const struct fl_catalog *c = load->config->catalog;
    int32_t day = c ? fl_catalog_day(c) : FL_DAY_UNKNOWN;
    return day == FL_DAY_UNKNOWN ? 0 : (int64_t)day * S_PER_DAY + S_PER_DAY / 2;
}

/* The catalogue's model, and whether its prices are those of this provider. */
static const struct fl_model *find_model(const struct fl_load *load, const struct fl_target *target,
                                         bool *ret_own)
{
    const struct fl_provider *p = &load->config->providers[target->provider_index];
    const struct fl_model *m = NULL;
    if (!load->config->catalog || target->model.len == 0) {
        return NULL;
    }
    if (p->listed) {
        m = fl_catalog_find_at(load->config->catalog, p->listed, target->model, NULL);
    }
    *ret_own = m != NULL;
    return m ? m : fl_catalog_find_any(load->config->catalog, target->model);
}

/* One rule that always holds, of the prices in force and those of the file. NULL: no memory. */
static struct fl_price_rule *lay_prices(struct fl_load *load, const struct fl_model *known,
                                        const struct fl_object *prices)
{
    uint64_t all[FL_PRICE_CLASS_COUNT] = {0};
    struct fl_price_rule *rule = fl_arena_zero(&load->config->arena, sizeof(*rule) + sizeof(all));
    const struct fl_price_rule *now = known ? fl_price_rule(known, 1, today_s(load)) : NULL;
    if (!rule) {
        return NULL;
    }
    for (unsigned c = 0; now && c < FL_PRICE_CLASS_COUNT; c++) {
        rule->classes |= fl_price_get(now, (enum fl_price_class)c, &all[c]) ? 1u << c : 0;
    }
    for (size_t i = 0; i < sizeof(price_keys) / sizeof(*price_keys); i++) {
        const struct fl_value *value = fl_object_value(prices, price_keys[i].key);
        if (value->node && !value->bad) {
            all[price_keys[i].price] = price_of(value, price_keys[i].price);
            rule->classes |= 1u << price_keys[i].price;
        }
    }
    uint64_t *kept = (uint64_t *)(void *)(rule + 1);
    rule->prices = kept;
    rule->from_day = FL_DAY_ALWAYS;
    for (uint32_t left = rule->classes; left != 0; left &= left - 1) {
        *kept++ = all[__builtin_ctz(left)];
    }
    return rule;
}

static void lay_services(struct fl_model *m, const struct fl_object *prices)
{
    for (size_t i = 0; i < sizeof(service_keys) / sizeof(*service_keys); i++) {
        const struct fl_value *value = fl_object_value(prices, service_keys[i].key);
        if (value->node && !value->bad) {
            m->service_permille[service_keys[i].service] =
                (uint16_t)((value->number + 500000) / 1000000);
        }
    }
}

static const struct fl_family *family_with(struct fl_load *load, const struct fl_family *known,
                                           enum fl_tokenizer tokenizer)
{
    struct fl_family *own = fl_arena_zero(&load->config->arena, sizeof(*own));
    if (!own) {
        return known;
    }
    *own = *known;
    own->tokenizer = tokenizer;
    return own;
}

static uint32_t abilities(const struct fl_value *words)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < words->count; i++) {
        for (unsigned c = 0; c < FL_CAPABILITY_COUNT; c++) {
            bits |= fl_slice_eq(words->entries[i].text, fl_capability_names[c]) ? 1u << c : 0;
        }
    }
    return bits;
}

static void lay_info(struct fl_load *load, struct fl_model *m, const struct fl_object *info)
{
    const struct fl_value *context = fl_object_value(info, FL_KEY_MODEL_INFO_context);
    const struct fl_value *output = fl_object_value(info, FL_KEY_MODEL_INFO_max_output);
    const struct fl_value *tier = fl_object_value(info, FL_KEY_MODEL_INFO_tier);
    const struct fl_value *can = fl_object_value(info, FL_KEY_MODEL_INFO_capabilities);
    const struct fl_value *tokenizer = fl_object_value(info, FL_KEY_MODEL_INFO_tokenizer);
    m->context_tokens = context->node ? (uint32_t)context->number : m->context_tokens;
    m->output_tokens_max = output->node ? (uint32_t)output->number : m->output_tokens_max;
    m->capabilities = can->node ? abilities(can) : m->capabilities;
    if (tier->node && !tier->bad) {
        m->tier = (uint8_t)(FL_MODEL_LOW + tier->number);
        m->tier_given = true;
    }
    if (tokenizer->node && !tokenizer->bad) {
        m->family = family_with(load, m->family, (enum fl_tokenizer)tokenizer->number);
    }
}

static const struct fl_model *own_model(struct fl_load *load, const struct fl_target *target,
                                        const struct fl_model *known, bool own,
                                        const struct fl_object *prices)
{
    const struct fl_object *info = info_of(load, target->provider_index, target->model);
    struct fl_model *m = fl_arena_zero(&load->config->arena, sizeof(*m));
    if (!m) {
        return NULL;
    }
    if (known) {
        *m = *known;
    } else {
        m->released_day = m->retired_day = FL_DAY_UNKNOWN;
        m->family = fl_family_of(target->model);
    }
    m->id = target->model;
    if (!own) { /* somebody else's: a fact stays one, a price and a retirement do not */
        m->provider = NULL;
        m->names = m->successor = FL_EMPTY;
        m->status = FL_MODEL_ACTIVE;
        m->retired_day = FL_DAY_UNKNOWN;
        m->rules = NULL;
        m->rule_count = 0;
        memset(m->service_permille, 0, sizeof(m->service_permille));
    }
    if (prices) {
        m->rules = lay_prices(load, own ? known : NULL, prices);
        m->rule_count = m->rules ? 1 : 0;
        lay_services(m, prices);
    }
    if (m->tier == FL_MODEL_TIER_NONE) {
        m->tier = (uint8_t)fl_model_tier_by_price(
            fl_model_blended(m), m->released_day,
            load->config->catalog ? fl_catalog_day(load->config->catalog) : FL_DAY_UNKNOWN);
    }
    if (info) {
        lay_info(load, m, info);
    }
    return m;
}

void fl_models_attach(struct fl_load *load, struct fl_target *target)
{
    const struct fl_object *prices = prices_of(load, target->provider_index, target->model);
    const struct fl_object *info = info_of(load, target->provider_index, target->model);
    bool own = false;
    const struct fl_model *known = find_model(load, target, &own);
    if (prices && !prices->node) {
        prices = NULL;
    }
    target->model_facts = known;
    if (prices || info || (known && !own)) {
        target->model_facts = own_model(load, target, known, own, prices);
    }
    fl_target_put_facts(target, today_s(load));
}

/* --- Checking --- */

static bool lists_model(const struct fl_value *models, struct fl_slice model)
{
    for (unsigned i = 0; i < models->count; i++) {
        if (fl_slice_eq(models->entries[i].text, model)) {
            return true;
        }
    }
    return false;
}

static void check_listed(struct fl_load *load, const struct fl_object *provider,
                         const struct fl_value *value, const char *what)
{
    const struct fl_value *models = fl_object_value(provider, FL_KEY_PROVIDER_models);
    for (unsigned i = 0; models->node && i < value->count; i++) {
        const struct fl_entry *entry = &value->entries[i];
        struct fl_nearest nearest = {.wanted = entry->name};
        if (lists_model(models, entry->name)) {
            continue;
        }
        for (unsigned j = 0; j < models->count; j++) {
            fl_nearest_offer(&nearest, models->entries[j].text);
        }
        fl_load_error(load, entry->key, "%s of '%.*s', which is not among the models%s%.*s%s", what,
                      FL_TEXT(entry->name), nearest.best.len > 0 ? "; did you mean '" : "",
                      FL_TEXT(nearest.best), nearest.best.len > 0 ? "'?" : "");
    }
}

/* Has the catalogue both prices of the model (empty: of the provider's models)? */
static bool is_priced(const struct fl_load *load, const struct fl_provider *p,
                      struct fl_slice model)
{
    const uint32_t both = 1u << FL_PRICE_IN | 1u << FL_PRICE_OUT;
    const struct fl_model *m = NULL;
    if (p->listed && model.len > 0) {
        m = fl_catalog_find_at(load->config->catalog, p->listed, model, NULL);
    }
    return m && m->rule_count > 0 && (m->rules[0].classes & both) == both;
}

/* Prices that leave out input or output need them from the catalogue. */
static void check_complete(struct fl_load *load, const struct fl_provider *p,
                           const struct fl_object *prices, struct fl_slice model)
{
    if (prices && prices->node &&
        (!fl_object_value(prices, FL_KEY_PRICES_input)->node ||
         !fl_object_value(prices, FL_KEY_PRICES_output)->node) &&
        !is_priced(load, p, model)) {
        fl_load_error(load, prices->node, "prices need both 'input' and 'output'%s",
                      model.len > 0 && p->listed ? ": the catalogue does not know the model" : "");
    }
}

static void check_capabilities(struct fl_load *load, const struct fl_object *info)
{
    const struct fl_value *words = fl_object_value(info, FL_KEY_MODEL_INFO_capabilities);
    for (unsigned i = 0; i < words->count; i++) {
        struct fl_nearest nearest = {.wanted = words->entries[i].text};
        bool known = false;
        for (unsigned c = 0; c < FL_CAPABILITY_COUNT; c++) {
            known = known || fl_slice_eq(words->entries[i].text, fl_capability_names[c]);
            fl_nearest_offer(&nearest, fl_capability_names[c]);
        }
        if (!known) {
            fl_load_error(load, words->entries[i].node, "unknown capability '%.*s'%s%.*s%s",
                          FL_TEXT(words->entries[i].text),
                          nearest.best.len > 0 ? "; did you mean '" : "", FL_TEXT(nearest.best),
                          nearest.best.len > 0 ? "'?" : "");
        }
    }
}

void fl_models_check(struct fl_load *load, unsigned provider)
{
    const struct fl_object *o = load->drafts[provider].entry->object;
    const struct fl_provider *p = &load->config->providers[provider];
    const struct fl_value *prices = fl_object_value(o, FL_KEY_PROVIDER_prices);
    const struct fl_value *info = fl_object_value(o, FL_KEY_PROVIDER_model_info);
    check_listed(load, o, prices, "prices");
    check_listed(load, o, info, "facts");
    for (unsigned i = 0; i < prices->count; i++) {
        check_complete(load, p, prices->entries[i].object, prices->entries[i].name);
    }
    check_complete(load, p, prices->object, FL_EMPTY);
    for (unsigned i = 0; i < info->count; i++) {
        if (info->entries[i].object) {
            check_capabilities(load, info->entries[i].object);
        }
    }
}

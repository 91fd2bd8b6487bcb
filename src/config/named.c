/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a model that a client names at a provider of any model. */
#include "config/config.h"
#include "route/facts.h"

struct fl_slice fl_target_model(const struct fl_target *target, struct fl_slice asked)
{
    if (target->model.len > 0) {
        return target->model;
    }
    bool prefixed = fl_slice_starts(asked, target->provider) && asked.len > target->provider.len &&
                    asked.ptr[target->provider.len] == '/';
    return prefixed ? fl_slice_from(asked, target->provider.len + 1) : asked;
}

/* The provider's own model with its prices, else somebody's of that name without: a fact stays one, a price
 * does not. */
static void know(const struct fl_config *config, struct fl_target *t, int64_t now_s)
{
    const struct fl_catalog_provider *listed = config->providers[t->provider_index].listed;
    const struct fl_model *own =
        listed ? fl_catalog_find_at(config->catalog, listed, t->model, NULL) : NULL;
    t->model_facts = own ? own : fl_catalog_find_any(config->catalog, t->model);
    fl_target_put_facts(t, now_s);
    if (!own) {
        t->model_facts = NULL;
        t->priced = t->plain_prices = false;
        t->price_in = t->price_out = t->price_cached = 0;
    }
}

unsigned fl_config_named(const struct fl_config *config, const struct fl_route *route,
                         struct fl_slice asked, int64_t now_s, struct fl_named ret[FL_NAMED_MAX])
{
    unsigned count = 0;
    bool wild = route->name.len > 0 && route->name.ptr[route->name.len - 1] == '*';
    for (unsigned i = 0; wild && config->catalog && i < route->target_count; i++) {
        const struct fl_target *t = &config->table.targets[route->targets[i]];
        if (t->model.len == 0 && !t->model_facts && count < FL_NAMED_MAX) {
            struct fl_named *n = &ret[count++];
            *n = (struct fl_named){route->targets[i], *t};
            n->target.model = fl_target_model(t, asked);
            know(config, &n->target, now_s);
            n->target.model = t->model; /* the name may go before the facts do */
        }
    }
    return count;
}

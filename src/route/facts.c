/* SPDX-License-Identifier: Apache-2.0 */
#include "route/facts.h"

#include "route/catalog/price.h"
#include "route/text/estimate.h"

static uint32_t lacks_of(uint32_t capabilities)
{
    static const struct {
        enum fl_capability can;
        uint32_t need;
    } rows[] = {{FL_CAN_TOOLS, FL_NEED_TOOLS},      {FL_CAN_SEE, FL_NEED_VISION},
                {FL_CAN_HEAR, FL_NEED_AUDIO},       {FL_CAN_JSON, FL_NEED_JSON_SCHEMA},
                {FL_CAN_REASON, FL_NEED_REASONING}, {FL_CAN_STREAM, FL_NEED_STREAMING}};
    uint32_t lacks = 0;
    for (size_t i = 0; capabilities != 0 && i < sizeof(rows) / sizeof(*rows); i++) {
        lacks |= capabilities & (uint32_t)rows[i].can ? 0 : rows[i].need;
    }
    return lacks;
}

static void put_prices(struct fl_target *target, int64_t today_s)
{
    const struct fl_model *m = target->model_facts;
    const struct fl_price_rule *rule = fl_price_rule(m, 1, today_s);
    if (rule && fl_price_find(rule, FL_PRICE_IN, &target->price_in, NULL)) {
        target->priced = true;
        (void)fl_price_find(rule, FL_PRICE_OUT, &target->price_out, NULL);
    }
    target->price_cached = target->price_in;
    if (m->rule_count > 0) {
        (void)fl_price_find(&m->rules[0], FL_PRICE_CACHED, &target->price_cached, NULL);
        target->plain_prices =
            m->rule_count == 1 && !(m->rules[0].classes & 1u << FL_PRICE_REQUEST);
    }
}

void fl_target_put_facts(struct fl_target *target, int64_t today_s)
{
    const struct fl_model *m = target->model_facts;
    target->tokenizer = fl_text_tokenizer_of(target->model);
    if (!m) {
        return;
    }
    put_prices(target, today_s);
    target->context_tokens = m->context_tokens;
    target->output_tokens = m->output_tokens_max;
    target->lacks = lacks_of(m->capabilities);
    target->tier = (enum fl_tier)m->tier;
    if (m->family && m->family->tokenizer != FL_TOKENIZER_UNKNOWN) {
        const char *tokenizer = fl_tokenizer_name(m->family->tokenizer);
        target->tokenizer = fl_text_tokenizer_of(fl_slice_cstr(tokenizer));
    }
}

void fl_targets_number_kinds(struct fl_target *targets, unsigned count, uint64_t *scratch)
{
    unsigned kinds = 0;
    for (unsigned i = 0; i < count; i++) {
        char memory[FL_BARE_MAX];
        unsigned j = 0;
        scratch[i] =
            fl_hash((struct fl_hash_key){0, 0}, fl_model_bare_name(targets[i].model, memory));
        while (scratch[j] != scratch[i]) {
            j++;
        }
        targets[i].kind_name = scratch[i];
        targets[i].id_hash = fl_hash((struct fl_hash_key){0, 0}, targets[i].id);
        targets[i].kind = j < i ? targets[j].kind : kinds++;
    }
}

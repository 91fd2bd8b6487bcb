/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's own format, written: what catalog_text.c reads. */
#include "config/catalog_file.h"

static void put_text(struct fl_buf *b, const char *key, struct fl_slice value)
{
    if (value.len > 0) {
        fl_buf_put_cstr(b, key);
        fl_buf_put(b, value);
    }
}

static void put_count(struct fl_buf *b, const char *key, uint32_t value)
{
    if (value > 0) {
        fl_buf_put_cstr(b, key);
        fl_buf_put_u64(b, value);
    }
}

static void put_day(struct fl_buf *b, const char *key, int32_t day)
{
    if (day != FL_DAY_UNKNOWN) {
        fl_buf_put_cstr(b, key);
        fl_day_put(b, day);
    }
}

static void put_services(struct fl_buf *b, const uint16_t *permille)
{
    static const char *const names[FL_SERVICE_COUNT] = {
#define X(id, name) [id] = " " name "=",
        FL_SERVICES(X)
#undef X
    };
    for (unsigned i = FL_SERVICE_STANDARD + 1; i < FL_SERVICE_COUNT; i++) {
        if (permille[i] > 0) {
            fl_buf_put_cstr(b, names[i]);
            fl_price_put(b, permille[i], 3);
        }
    }
}

void fl_catalog_put_provider(struct fl_buf *b, const struct fl_catalog_provider *p)
{
    fl_buf_put_cstr(b, "provider ");
    fl_buf_put(b, p->name);
    put_text(b, " base=", p->base_url);
    put_text(b, " dialect=", p->dialect);
    put_text(b, " vendor=", fl_slice_eq(p->vendor, p->name) ? FL_EMPTY : p->vendor);
    put_text(b, " names=", p->aliases);
    put_text(b, " shares=", p->fallbacks);
    put_services(b, p->service_permille);
    fl_buf_putc(b, '\n');
}

static void put_prices(struct fl_buf *b, const struct fl_price_rule *r)
{
    uint64_t price = 0;
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (fl_price_get(r, (enum fl_price_class)c, &price)) {
            fl_buf_putc(b, ' ');
            fl_buf_put(b, fl_price_classes[c].name);
            fl_buf_putc(b, '=');
            fl_price_put(b, price, fl_price_classes[c].decimals);
        }
    }
}

static void put_minute(struct fl_buf *b, unsigned minute)
{
    fl_buf_putc(b, (char)('0' + minute / 600));
    fl_buf_putc(b, (char)('0' + minute / 60 % 10));
    fl_buf_putc(b, ':');
    fl_buf_putc(b, (char)('0' + minute % 60 / 10));
    fl_buf_putc(b, (char)('0' + minute % 10));
}

void fl_catalog_put_rule(struct fl_buf *b, const struct fl_price_rule *r)
{
    fl_buf_put_cstr(b, "rule");
    put_day(b, " from=", r->from_day);
    if (r->from_minute != r->to_minute) {
        fl_buf_put_cstr(b, " time=");
        put_minute(b, r->from_minute);
        fl_buf_putc(b, '-');
        put_minute(b, r->to_minute);
    }
    put_count(b, " above=", r->above_tokens);
    put_prices(b, r);
    fl_buf_putc(b, '\n');
}

static void put_capabilities(struct fl_buf *b, uint32_t capabilities)
{
    const char *before = " can=";
    for (unsigned i = 0; i < FL_CAPABILITY_COUNT; i++) {
        if (capabilities & 1u << i) {
            fl_buf_put_cstr(b, before);
            fl_buf_put(b, fl_capability_names[i]);
            before = ",";
        }
    }
}

void fl_catalog_put_model(struct fl_buf *b, const struct fl_model *m)
{
    fl_buf_put_cstr(b, "model ");
    fl_buf_put(b, m->id);
    put_text(b, " names=", m->names);
    put_count(b, " context=", m->context_tokens);
    put_count(b, " output=", m->output_tokens_max);
    put_capabilities(b, m->capabilities);
    put_day(b, " released=", m->released_day);
    if (m->status != FL_MODEL_ACTIVE) {
        put_text(b,
                 " status=", fl_slice_cstr(fl_model_status_name((enum fl_model_status)m->status)));
    }
    put_day(b, " retired=", m->retired_day);
    put_text(b, " successor=", m->successor);
    if (m->tier_given) {
        put_text(b, " tier=", fl_slice_cstr(fl_model_tier_name((enum fl_model_tier)m->tier)));
    }
    put_services(b, m->service_permille);
    for (unsigned i = 0; i < m->rule_count; i++) {
        if (i == 0) {
            put_prices(b, &m->rules[0]);
            fl_buf_putc(b, '\n');
        } else {
            fl_catalog_put_rule(b, &m->rules[i]);
        }
    }
    if (m->rule_count == 0) {
        fl_buf_putc(b, '\n');
    }
}

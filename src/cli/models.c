/* SPDX-License-Identifier: Apache-2.0 */
/* fairlead models: the catalogue as a table or as JSON. */
#include "cli/cli.h"

#include "base/assert.h"
#include "route/catalog/price.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct listing {
    const char *provider, *pattern; /* NULL: any */
    uint32_t capabilities;
    int tier, status;    /* -1: any */
    bool limited, json;
    uint64_t price_max;  /* blended, pico-USD per token */
    int64_t now_s;
    struct fl_catalog *catalog;
    const struct fl_model **models;
    unsigned count;
    size_t provider_width, model_width; /* of the table's columns */
};

/* --- What is wanted --- */

static bool contains(struct fl_slice text, const char *part)
{
    struct fl_slice wanted = fl_slice_cstr(part);
    for (size_t i = 0; i + wanted.len <= text.len; i++) {
        if (fl_slice_eq_nocase(fl_slice(text.ptr + i, wanted.len), wanted)) {
            return true;
        }
    }
    return false;
}

/* '*' and '#' make it a pattern for the whole name, else it may stand anywhere. */
static bool fits_pattern(const char *pattern, const struct fl_model *m)
{
    if (!strpbrk(pattern, "*#")) {
        return contains(m->id, pattern) || contains(m->names, pattern);
    }
    return fl_names_match(fl_slice_cstr(pattern), m->id);
}

static bool wanted(const struct listing *l, const struct fl_model *m)
{
    uint64_t price = 0;
    if (l->provider &&
        fl_catalog_find_provider(l->catalog, fl_slice_cstr(l->provider)) != m->provider) {
        return false;
    }
    if (l->status >= 0 ? m->status != l->status : m->status == FL_MODEL_RETIRED && !l->pattern) {
        return false;
    }
    return (l->tier < 0 || m->tier == l->tier) &&
           (m->capabilities & l->capabilities) == l->capabilities &&
           (!l->limited || (fl_price_blended(fl_price_rule(m, 1, l->now_s), &price) && price <= l->price_max)) &&
           (!l->pattern || fits_pattern(l->pattern, m));
}

static int by_name(const void *a, const void *b)
{
    const struct fl_model *x = *(const struct fl_model *const *)a;
    const struct fl_model *y = *(const struct fl_model *const *)b;
    int order = fl_slice_cmp(x->provider->name, y->provider->name);
    return order != 0 ? order : fl_slice_cmp(x->id, y->id);
}

static size_t larger(size_t width, size_t len)
{
    enum { WIDTH_MAX = 60 }; /* longer ones push their row to the right */
    return len <= width ? width : len < WIDTH_MAX ? len : WIDTH_MAX;
}

static bool collect(struct listing *l)
{
    l->provider_width = strlen("PROVIDER");
    l->model_width = strlen("MODEL");
    unsigned all = fl_catalog_model_count(l->catalog);
    l->models = malloc((all + 1) * sizeof(const struct fl_model *));
    for (unsigned i = 0; l->models && i < all; i++) {
        const struct fl_model *m = fl_catalog_model(l->catalog, i);
        if (wanted(l, m)) {
            l->models[l->count++] = m;
            l->provider_width = larger(l->provider_width, m->provider->name.len);
            l->model_width = larger(l->model_width, m->id.len);
        }
    }
    if (l->models) {
        qsort(l->models, l->count, sizeof(const struct fl_model *), by_name);
    }
    return l->models != NULL;
}

/* --- As a table --- */

static void put_padded(struct fl_buf *b, size_t start, size_t width)
{
    do {
        fl_buf_putc(b, ' ');
    } while (b->len - start <= width);
}

static void put_left(struct fl_buf *b, struct fl_slice text, size_t width)
{
    size_t start = b->len;
    fl_buf_put(b, text);
    put_padded(b, start, width);
}

static void put_right(struct fl_buf *b, struct fl_slice text, size_t width)
{
    for (size_t i = text.len; i < width; i++) {
        fl_buf_putc(b, ' ');
    }
    fl_buf_put(b, text);
    fl_buf_putc(b, ' ');
}

static void put_price(struct fl_buf *b, const struct fl_price_rule *rule, enum fl_price_class c)
{
    char memory[32];
    struct fl_buf text;
    uint64_t price = 0;
    fl_buf_init_in(&text, memory, sizeof(memory));
    if (rule && fl_price_get(rule, c, &price)) {
        fl_price_put(&text, price, fl_price_classes[c].decimals);
    } else {
        fl_buf_putc(&text, '-');
    }
    put_right(b, fl_buf_slice(&text), 8);
}

/* 128000 as "128K", 1048576 as "1.05M" */
static void put_tokens(struct fl_buf *b, uint32_t tokens)
{
    char memory[16];
    struct fl_buf text;
    fl_buf_init_in(&text, memory, sizeof(memory));
    if (tokens == 0) {
        fl_buf_putc(&text, '-');
    } else if (tokens < 1000000) {
        fl_buf_put_u64(&text, (tokens + 500) / 1000);
        fl_buf_putc(&text, 'K');
    } else {
        fl_price_put(&text, (tokens + 5000) / 10000, 2);
        fl_buf_putc(&text, 'M');
    }
    put_right(b, fl_buf_slice(&text), 7);
}

static void put_abilities(struct fl_buf *b, uint32_t capabilities)
{
    const char *before = "";
    for (unsigned i = 0; i < FL_CAPABILITY_COUNT; i++) {
        if ((capabilities & 1u << i) && i != FL_CAN_CHAT_BIT && i != FL_CAN_STREAM_BIT) {
            fl_buf_put_cstr(b, before);
            fl_buf_put(b, fl_capability_names[i]);
            before = ",";
        }
    }
}

static void put_row(struct fl_buf *b, const struct listing *l, const struct fl_model *m)
{
    const struct fl_price_rule *rule = fl_price_rule(m, 1, l->now_s);
    put_left(b, m->provider->name, l->provider_width);
    put_left(b, m->id, l->model_width);
    put_price(b, rule, FL_PRICE_IN);
    put_price(b, rule, FL_PRICE_CACHED);
    put_price(b, rule, FL_PRICE_OUT);
    put_tokens(b, m->context_tokens);
    put_left(b, m->tier ? fl_slice_cstr(fl_model_tier_name((enum fl_model_tier)m->tier)) : FL_LIT("-"), 6);
    if (m->status != FL_MODEL_ACTIVE) {
        fl_buf_put_cstr(b, fl_model_status_name((enum fl_model_status)m->status));
        if (m->successor.len > 0) {
            fl_buf_put_cstr(b, ", now ");
            fl_buf_put(b, m->successor);
        }
        fl_buf_putc(b, ' ');
    }
    put_abilities(b, m->capabilities);
    while (b->ptr[b->len - 1] == ' ') {
        b->len--;
    }
    fl_buf_putc(b, '\n');
}

static void put_table(struct fl_buf *b, const struct listing *l)
{
    if (l->count > 0) {
        put_left(b, FL_LIT("PROVIDER"), l->provider_width);
        put_left(b, FL_LIT("MODEL"), l->model_width);
        fl_buf_put_cstr(b, "   INPUT   CACHED   OUTPUT CONTEXT TIER   STATUS, ABILITIES\n");
    }
    for (unsigned i = 0; i < l->count; i++) {
        put_row(b, l, l->models[i]);
    }
    fl_buf_put_u64(b, l->count);
    fl_buf_put_cstr(b, l->count == 1 ? " model" : " models");
    fl_buf_put_cstr(b, "; USD per million tokens; catalogue of ");
    fl_day_put(b, fl_catalog_day(l->catalog));
    fl_buf_putc(b, '\n');
}

/* --- As JSON --- */

static void put_key(struct fl_buf *b, const char *key)
{
    fl_buf_putc(b, ',');
    fl_buf_put_json(b, fl_slice_cstr(key));
    fl_buf_putc(b, ':');
}

static void put_text(struct fl_buf *b, const char *key, struct fl_slice text)
{
    if (text.len > 0) {
        put_key(b, key);
        fl_buf_put_json(b, text);
    }
}

static void put_count(struct fl_buf *b, const char *key, uint64_t n)
{
    if (n > 0) {
        put_key(b, key);
        fl_buf_put_u64(b, n);
    }
}

static void put_day(struct fl_buf *b, const char *key, int32_t day)
{
    if (day != FL_DAY_UNKNOWN) {
        put_key(b, key);
        fl_buf_putc(b, '"');
        fl_day_put(b, day);
        fl_buf_putc(b, '"');
    }
}

static void put_prices(struct fl_buf *b, const struct fl_price_rule *rule)
{
    const char *before = "";
    uint64_t price = 0;
    put_key(b, "prices");
    fl_buf_putc(b, '{');
    for (unsigned c = 0; rule && c < FL_PRICE_CLASS_COUNT; c++) {
        if (fl_price_get(rule, (enum fl_price_class)c, &price)) {
            fl_buf_put_cstr(b, before);
            fl_buf_put_json(b, fl_price_classes[c].name);
            fl_buf_putc(b, ':');
            fl_price_put(b, price, fl_price_classes[c].decimals);
            before = ",";
        }
    }
    fl_buf_putc(b, '}');
}

static void put_capabilities(struct fl_buf *b, uint32_t capabilities)
{
    const char *before = "";
    put_key(b, "capabilities");
    fl_buf_putc(b, '[');
    for (unsigned i = 0; i < FL_CAPABILITY_COUNT; i++) {
        if (capabilities & 1u << i) {
            fl_buf_put_cstr(b, before);
            fl_buf_put_json(b, fl_capability_names[i]);
            before = ",";
        }
    }
    fl_buf_putc(b, ']');
}

static void put_object(struct fl_buf *b, const struct listing *l, const struct fl_model *m)
{
    fl_buf_put_cstr(b, "{\"provider\":");
    fl_buf_put_json(b, m->provider->name);
    put_text(b, "model", m->id);
    put_text(b, "vendor", m->provider->vendor);
    put_text(b, "maker", fl_slice_cstr(m->family->maker));
    put_text(b, "family", fl_slice_cstr(m->family->name));
    put_text(b, "tokenizer", fl_slice_cstr(fl_tokenizer_name(m->family->tokenizer)));
    put_text(b, "tier", m->tier ? fl_slice_cstr(fl_model_tier_name((enum fl_model_tier)m->tier)) : FL_EMPTY);
    put_text(b, "status", fl_slice_cstr(fl_model_status_name((enum fl_model_status)m->status)));
    put_text(b, "successor", m->successor);
    put_day(b, "released", m->released_day);
    put_day(b, "retired", m->retired_day);
    put_count(b, "context", m->context_tokens);
    put_count(b, "max_output", m->output_tokens_max);
    put_capabilities(b, m->capabilities);
    put_prices(b, fl_price_rule(m, 1, l->now_s));
    put_count(b, "price_rules", m->rule_count);
    fl_buf_putc(b, '}');
}

static void put_json(struct fl_buf *b, const struct listing *l)
{
    fl_buf_put_cstr(b, "{\"catalog\":\"");
    fl_day_put(b, fl_catalog_day(l->catalog));
    fl_buf_put_cstr(b, "\",\"unit\":\"USD per million tokens; calls and pages per thousand; "
                       "audio per hour\",\"models\":[");
    for (unsigned i = 0; i < l->count; i++) {
        fl_buf_put_cstr(b, i > 0 ? ",\n" : "\n");
        put_object(b, l, l->models[i]);
    }
    fl_buf_put_cstr(b, "\n]}\n");
}

/* --- The command --- */

static bool parse_tier(const char *text, int *ret_tier)
{
    for (int t = FL_MODEL_LOW; t <= FL_MODEL_HIGH; t++) {
        if (strcmp(text, fl_model_tier_name((enum fl_model_tier)t)) == 0) {
            *ret_tier = t;
            return true;
        }
    }
    return false;
}

static bool parse_status(const char *text, int *ret_status)
{
    for (int s = FL_MODEL_ACTIVE; s <= FL_MODEL_RETIRED; s++) {
        if (strcmp(text, fl_model_status_name((enum fl_model_status)s)) == 0) {
            *ret_status = s;
            return true;
        }
    }
    return false;
}

static bool parse_capability(const char *text, uint32_t *io_bits)
{
    for (unsigned i = 0; i < FL_CAPABILITY_COUNT; i++) {
        if (fl_slice_eq(fl_slice_cstr(text), fl_capability_names[i])) {
            *io_bits |= 1u << i;
            return true;
        }
    }
    return false;
}

/* An option with its value; FL_EXIT_OK: taken. */
static int take_option(struct listing *l, const char *option, const char *value)
{
    if (strcmp(option, "--provider") == 0) {
        l->provider = value;
    } else if (strcmp(option, "--tier") == 0) {
        if (!parse_tier(value, &l->tier)) {
            return fl_usage_error("models", "--tier takes low, medium or high, not '%s'", value);
        }
    } else if (strcmp(option, "--status") == 0) {
        if (!parse_status(value, &l->status)) {
            return fl_usage_error("models", "--status takes active, deprecated or retired, not '%s'", value);
        }
    } else if (strcmp(option, "--capability") == 0) {
        if (!parse_capability(value, &l->capabilities)) {
            return fl_usage_error("models", "unknown capability '%s'", value);
        }
    } else if (strcmp(option, "--max-price") == 0) {
        l->limited = true;
        if (!fl_price_parse(fl_slice_cstr(value), 6, &l->price_max)) {
            return fl_usage_error("models", "--max-price takes USD per million tokens, not '%s'", value);
        }
    } else {
        return fl_usage_error("models", "unknown option '%s'", option);
    }
    return FL_EXIT_OK;
}

static int parse(struct listing *l, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            l->json = true;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            if (i + 1 == argc) {
                return fl_usage_error("models", "option '%s' requires a value", argv[i]);
            }
            int code = take_option(l, argv[i], argv[i + 1]);
            if (code) {
                return code;
            }
            i++;
        } else if (l->pattern) {
            return fl_usage_error("models", "unexpected '%s'", argv[i]);
        } else {
            l->pattern = argv[i];
        }
    }
    return FL_EXIT_OK;
}

static int check_provider(const struct listing *l)
{
    struct fl_slice name = fl_slice_cstr(l->provider), best = FL_EMPTY;
    unsigned nearest = 3;
    if (!l->provider || fl_catalog_find_provider(l->catalog, name)) {
        return FL_EXIT_OK;
    }
    for (unsigned i = 0; i < fl_catalog_provider_count(l->catalog); i++) {
        struct fl_slice one = fl_catalog_provider(l->catalog, i)->name;
        unsigned distance = fl_slice_distance(name, one, 2);
        if (distance < nearest) {
            nearest = distance;
            best = one;
        }
    }
    return fl_usage_error("models", "the catalogue has no provider '%s'%s%.*s%s", l->provider,
                          best.len > 0 ? "; did you mean '" : "", (int)best.len,
                          best.len > 0 ? best.ptr : "", best.len > 0 ? "'?" : "");
}

int fl_cli_models(int argc, char **argv)
{
    struct listing l = {.tier = -1, .status = -1, .now_s = (int64_t)time(NULL)};
    struct fl_buf out;
    int code = parse(&l, argc, argv);
    if (code) {
        return code;
    }
    l.catalog = fl_load_catalog();
    if (!l.catalog) {
        return FL_EXIT_CONFIG;
    }
    code = check_provider(&l);
    if (!code && collect(&l)) {
        fl_buf_init(&out, 64 * 1024 * 1024);
        if (l.json) {
            put_json(&out, &l);
        } else {
            put_table(&out, &l);
        }
        fl_write_all(STDOUT_FILENO, fl_buf_slice(&out));
        code = fl_buf_ok(&out) ? FL_EXIT_OK : FL_EXIT_FAILURE;
        fl_buf_finish(&out);
    }
    free(l.models);
    fl_catalog_unref(l.catalog);
    return code;
}

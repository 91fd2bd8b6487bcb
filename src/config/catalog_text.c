/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the catalogue's own format: a loop over lines, each cut into words at blanks. A model's
 * line is held until the next line that is no rule of it, since its rules are handed over with it.
 */
#include "config/catalog_file.h"

enum { RULES_MAX = 48 };

struct reader {
    struct fl_catalog_draft *draft;
    struct fl_reterr *reterr;
    struct fl_slice line;
    unsigned number; /* of the line */
    bool in_provider, has_model;
    struct fl_model model;
    struct fl_price_rule rules[RULES_MAX];
    uint64_t prices[RULES_MAX][FL_PRICE_CLASS_COUNT];
    unsigned rule_count;
};

static enum fl_err refuse(struct reader *r, const char *at, const char *text, struct fl_slice word)
{
    unsigned column = at ? (unsigned)(at - r->line.ptr) + 1 : 1;
    return fl_catalog_refuse(r->reterr, r->number, column, text, word);
}

/* The next word of *io_rest*; false at the end of the line. */
static bool next_word(struct fl_slice *io_rest, struct fl_slice *ret_word)
{
    const char *at = io_rest->ptr, *end = io_rest->ptr + io_rest->len;
    while (at < end && *at == ' ') {
        at++;
    }
    const char *first = at;
    while (at < end && *at != ' ') {
        at++;
    }
    *ret_word = fl_slice(first, (size_t)(at - first));
    *io_rest = fl_slice(at, (size_t)(end - at));
    return ret_word->len > 0;
}

/* --- Values --- */

/* One of the words with a comma between them. */
static bool next_item(struct fl_slice *io_list, struct fl_slice *ret_item)
{
    if (io_list->len == 0) {
        return false;
    }
    size_t comma = fl_slice_find(*io_list, ',');
    *ret_item = fl_slice_first(*io_list, comma);
    *io_list = fl_slice_from(*io_list, comma + 1);
    return true;
}

static enum fl_err read_u32(struct reader *r, struct fl_slice value, uint32_t *ret_value)
{
    uint64_t n = 0;
    if (!fl_slice_u64(value, &n) || n > UINT32_MAX) {
        return refuse(r, value.ptr, "not a whole number:", value);
    }
    *ret_value = (uint32_t)n;
    return FL_OK;
}

static enum fl_err read_day(struct reader *r, struct fl_slice value, int32_t *ret_day)
{
    return fl_day_parse(value, ret_day)
               ? FL_OK
               : refuse(r, value.ptr, "not a day such as 2026-09-23:", value);
}

/* "0.5" as thousandths. */
static enum fl_err read_factor(struct reader *r, struct fl_slice value, uint16_t *ret_permille)
{
    uint64_t n = 0;
    if (!fl_price_parse(value, 3, &n) || n == 0 || n > UINT16_MAX) {
        return refuse(r, value.ptr, "not a factor from 0.001 to 65:", value);
    }
    *ret_permille = (uint16_t)n;
    return FL_OK;
}

static bool parse_minute(struct fl_slice s, uint16_t *ret_minute)
{
    uint64_t hour = 0, minute = 0;
    if (s.len != 5 || s.ptr[2] != ':' || !fl_slice_u64(fl_slice_first(s, 2), &hour) || hour > 23 ||
        !fl_slice_u64(fl_slice_from(s, 3), &minute) || minute > 59) {
        return false;
    }
    *ret_minute = (uint16_t)(hour * 60 + minute);
    return true;
}

static enum fl_err read_window(struct reader *r, struct fl_slice value, struct fl_price_rule *rule)
{
    bool ok = value.len == 11 && value.ptr[5] == '-' &&
              parse_minute(fl_slice_first(value, 5), &rule->from_minute) &&
              parse_minute(fl_slice_from(value, 6), &rule->to_minute) &&
              rule->from_minute != rule->to_minute;
    return ok ? FL_OK : refuse(r, value.ptr, "not a time of day (UTC) such as 16:30-00:30:", value);
}

static enum fl_err read_capabilities(struct reader *r, struct fl_slice value, uint32_t *ret_bits)
{
    struct fl_slice item;
    while (next_item(&value, &item)) {
        unsigned i = 0;
        while (i < FL_CAPABILITY_COUNT &&
               !fl_slice_eq(item, fl_slice_cstr(fl_capability_names[i]))) {
            i++;
        }
        if (i == FL_CAPABILITY_COUNT) {
            return refuse(r, item.ptr, "unknown ability", item);
        }
        *ret_bits |= 1u << i;
    }
    return FL_OK;
}

/* *ret_taken* stays when the key is no service. */
static enum fl_err read_service(struct reader *r, struct fl_slice key, struct fl_slice value,
                                uint16_t *permille, bool *ret_taken)
{
    static const struct fl_slice names[FL_SERVICE_COUNT] = {
#define X(id, name) [id] = {name, sizeof(name) - 1},
        FL_SERVICES(X)
#undef X
    };
    for (unsigned i = FL_SERVICE_STANDARD + 1; i < FL_SERVICE_COUNT; i++) {
        if (fl_slice_eq(key, names[i])) {
            *ret_taken = true;
            return read_factor(r, value, &permille[i]);
        }
    }
    return FL_OK;
}

/* Cuts "key=value"; false: reported. */
static enum fl_err cut(struct reader *r, struct fl_slice word, struct fl_slice *ret_key,
                       struct fl_slice *ret_value)
{
    size_t equals = fl_slice_find(word, '=');
    *ret_key = fl_slice_first(word, equals);
    *ret_value = fl_slice_from(word, equals + 1);
    if (equals == 0 || equals + 1 >= word.len) {
        return refuse(r, word.ptr, "expected key=value, not", word);
    }
    return FL_OK;
}

/* --- Prices --- */

static enum fl_err read_price(struct reader *r, struct fl_slice key, struct fl_slice value,
                              uint64_t *all, uint32_t *classes)
{
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (!fl_slice_eq(key, fl_price_classes[c].name)) {
            continue;
        }
        if (*classes & 1u << c) {
            return refuse(r, key.ptr, "given twice:", key);
        }
        if (!fl_price_parse(value, fl_price_classes[c].decimals, &all[c])) {
            return refuse(r, value.ptr, "not a price:", value);
        }
        *classes |= 1u << c;
        return FL_OK;
    }
    return refuse(r, key.ptr, "unknown key", key);
}

/* Keeps the prices read into *all* for the rule. */
static void keep_prices(struct reader *r, struct fl_price_rule *rule, const uint64_t *all)
{
    uint64_t *kept = r->prices[rule - r->rules];
    rule->prices = kept;
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (rule->classes & 1u << c) {
            *kept++ = all[c];
        }
    }
}

static enum fl_err read_rule(struct reader *r, struct fl_slice rest)
{
    uint64_t all[FL_PRICE_CLASS_COUNT];
    struct fl_slice word, key, value;
    enum fl_err err = FL_OK;
    if (!r->has_model || r->rule_count == 0) {
        return refuse(r, NULL, "a rule belongs to a model with prices", FL_EMPTY);
    }
    if (r->rule_count == RULES_MAX) {
        return refuse(r, NULL, "more than 48 rules of one model", FL_EMPTY);
    }
    struct fl_price_rule *rule = &r->rules[r->rule_count];
    *rule = (struct fl_price_rule){.from_day = FL_DAY_ALWAYS};
    while (!err && next_word(&rest, &word)) {
        err = cut(r, word, &key, &value);
        if (err) {
            return err;
        }
        if (fl_slice_eq(key, FL_LIT("from"))) {
            err = read_day(r, value, &rule->from_day);
        } else if (fl_slice_eq(key, FL_LIT("time"))) {
            err = read_window(r, value, rule);
        } else if (fl_slice_eq(key, FL_LIT("above"))) {
            err = read_u32(r, value, &rule->above_tokens);
        } else {
            err = read_price(r, key, value, all, &rule->classes);
        }
    }
    if (!err && rule->classes == 0) {
        err = refuse(r, NULL, "a rule without prices", FL_EMPTY);
    }
    if (!err) {
        keep_prices(r, rule, all);
        r->rule_count++;
    }
    return err;
}

/* --- Models --- */

static enum fl_err hand_over(struct reader *r)
{
    if (!r->has_model) {
        return FL_OK;
    }
    r->has_model = false;
    enum fl_err err = fl_catalog_draft_model(r->draft, &r->model, r->rules, r->rule_count);
    return err ? refuse(r, NULL, fl_err_text(err), FL_EMPTY) : FL_OK;
}

static enum fl_err read_status(struct reader *r, struct fl_slice value, uint8_t *ret_status)
{
    for (unsigned s = FL_MODEL_ACTIVE; s <= FL_MODEL_RETIRED; s++) {
        if (fl_slice_eq(value, fl_slice_cstr(fl_model_status_name((enum fl_model_status)s)))) {
            *ret_status = (uint8_t)s;
            return FL_OK;
        }
    }
    return refuse(r, value.ptr, "not active, deprecated or retired:", value);
}

static enum fl_err read_tier(struct reader *r, struct fl_slice value, struct fl_model *m)
{
    for (unsigned t = FL_MODEL_LOW; t <= FL_MODEL_HIGH; t++) {
        if (fl_slice_eq(value, fl_slice_cstr(fl_model_tier_name((enum fl_model_tier)t)))) {
            m->tier = (uint8_t)t;
            m->tier_given = true;
            return FL_OK;
        }
    }
    return refuse(r, value.ptr, "not low, medium or high:", value);
}

static enum fl_err read_member(struct reader *r, struct fl_slice key, struct fl_slice value,
                               uint64_t *all)
{
    struct fl_model *m = &r->model;
    bool taken = false;
    if (fl_slice_eq(key, FL_LIT("names"))) {
        m->names = value;
    } else if (fl_slice_eq(key, FL_LIT("successor"))) {
        m->successor = value;
    } else if (fl_slice_eq(key, FL_LIT("context"))) {
        return read_u32(r, value, &m->context_tokens);
    } else if (fl_slice_eq(key, FL_LIT("output"))) {
        return read_u32(r, value, &m->output_tokens_max);
    } else if (fl_slice_eq(key, FL_LIT("can"))) {
        return read_capabilities(r, value, &m->capabilities);
    } else if (fl_slice_eq(key, FL_LIT("released"))) {
        return read_day(r, value, &m->released_day);
    } else if (fl_slice_eq(key, FL_LIT("retired"))) {
        return read_day(r, value, &m->retired_day);
    } else if (fl_slice_eq(key, FL_LIT("status"))) {
        return read_status(r, value, &m->status);
    } else if (fl_slice_eq(key, FL_LIT("tier"))) {
        return read_tier(r, value, m);
    } else if (fl_slice_eq(key, FL_LIT("family"))) {
        m->family = fl_family_of(value);
    } else {
        enum fl_err err = read_service(r, key, value, m->service_permille, &taken);
        return taken || err ? err : read_price(r, key, value, all, &r->rules[0].classes);
    }
    return FL_OK;
}

static enum fl_err read_model(struct reader *r, struct fl_slice rest)
{
    uint64_t all[FL_PRICE_CLASS_COUNT];
    struct fl_slice word, key, value;
    enum fl_err err = FL_OK;
    if (!r->in_provider) {
        return refuse(r, NULL, "a model needs a provider before it", FL_EMPTY);
    }
    r->model = (struct fl_model){.released_day = FL_DAY_UNKNOWN, .retired_day = FL_DAY_UNKNOWN};
    r->rules[0] = (struct fl_price_rule){.from_day = FL_DAY_ALWAYS};
    r->rule_count = 0;
    if (!next_word(&rest, &r->model.id)) {
        return refuse(r, NULL, "a model needs an id", FL_EMPTY);
    }
    while (!err && next_word(&rest, &word)) {
        err = cut(r, word, &key, &value);
        err = err ? err : read_member(r, key, value, all);
    }
    if (!err && r->rules[0].classes != 0) {
        keep_prices(r, &r->rules[0], all);
        r->rule_count = 1;
    }
    r->has_model = !err;
    return err;
}

/* --- Providers --- */

static enum fl_err read_provider_member(struct reader *r, struct fl_slice key,
                                        struct fl_slice value, struct fl_catalog_provider *p)
{
    static const struct {
        struct fl_slice key;
        size_t offset;
    } texts[] = {
        {{"vendor", 6}, offsetof(struct fl_catalog_provider, vendor)},
        {{"base", 4}, offsetof(struct fl_catalog_provider, base_url)},
        {{"dialect", 7}, offsetof(struct fl_catalog_provider, dialect)},
        {{"names", 5}, offsetof(struct fl_catalog_provider, aliases)},
        {{"shares", 6}, offsetof(struct fl_catalog_provider, fallbacks)},
    };
    bool taken = false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (fl_slice_eq(key, texts[i].key)) {
            *(struct fl_slice *)(void *)((char *)p + texts[i].offset) = value;
            return FL_OK;
        }
    }
    enum fl_err err = read_service(r, key, value, p->service_permille, &taken);
    return err || taken ? err : refuse(r, key.ptr, "unknown key", key);
}

/* A line with nothing but a known name continues that provider. */
static enum fl_err read_provider(struct reader *r, struct fl_slice rest)
{
    struct fl_catalog_provider p = {.name = FL_EMPTY};
    struct fl_slice word, key, value;
    enum fl_err err = FL_OK;
    unsigned members = 0;
    if (!next_word(&rest, &p.name)) {
        return refuse(r, NULL, "a provider needs a name", FL_EMPTY);
    }
    for (; !err && next_word(&rest, &word); members++) {
        err = cut(r, word, &key, &value);
        err = err ? err : read_provider_member(r, key, value, &p);
    }
    if (err) {
        return err;
    }
    r->in_provider = true;
    if (members == 0 && fl_catalog_draft_use(r->draft, p.name)) {
        return FL_OK;
    }
    err = fl_catalog_draft_provider(r->draft, &p);
    return err ? refuse(r, NULL, fl_err_text(err), FL_EMPTY) : FL_OK;
}

/* --- Lines --- */

static enum fl_err read_head(struct reader *r, struct fl_slice rest)
{
    struct fl_slice version, day;
    int32_t date = 0;
    if (!next_word(&rest, &version) || !fl_slice_eq(version, FL_LIT("1"))) {
        return refuse(r, NULL, "a catalogue of a newer version: expected 'catalog 1 DATE'",
                      FL_EMPTY);
    }
    if (next_word(&rest, &day)) {
        enum fl_err err = read_day(r, day, &date);
        if (err) {
            return err;
        }
        fl_catalog_draft_day(r->draft, date);
    }
    return FL_OK;
}

static enum fl_err read_line(struct reader *r)
{
    struct fl_slice rest = r->line, word;
    if (!next_word(&rest, &word) || word.ptr[0] == '#') {
        return FL_OK;
    }
    if (fl_slice_eq(word, FL_LIT("rule"))) {
        return read_rule(r, rest);
    }
    enum fl_err err = hand_over(r);
    if (err) {
        return err;
    }
    if (fl_slice_eq(word, FL_LIT("model"))) {
        return read_model(r, rest);
    }
    if (fl_slice_eq(word, FL_LIT("provider"))) {
        return read_provider(r, rest);
    }
    if (fl_slice_eq(word, FL_LIT("catalog"))) {
        return read_head(r, rest);
    }
    return refuse(r, word.ptr, "expected catalog, provider, model or rule, not", word);
}

/* Printable ASCII only: what cannot be seen must not be in a name. */
static const char *stray_byte(struct fl_slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if ((unsigned char)line.ptr[i] < 0x20 || (unsigned char)line.ptr[i] > 0x7e) {
            return line.ptr + i;
        }
    }
    return NULL;
}

enum fl_err fl_catalog_read_text(struct fl_catalog_draft *d, struct fl_slice text,
                                 struct fl_reterr *reterr)
{
    struct reader r = {.draft = d, .reterr = reterr};
    enum fl_err err = FL_OK;
    while (!err && text.len > 0) {
        r.line = fl_slice_first(text, fl_slice_find(text, '\n'));
        text = fl_slice_from(text, r.line.len + 1);
        r.number++;
        if (r.line.len > 0 && r.line.ptr[r.line.len - 1] == '\r') {
            r.line.len--;
        }
        const char *stray = stray_byte(r.line);
        err = stray
                  ? refuse(&r, stray, "only printable ASCII and single blanks stand here", FL_EMPTY)
                  : read_line(&r);
    }
    return err ? err : hand_over(&r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the catalogue's own format: a loop over lines, each cut into words at blanks. A model's
 * line is held until the next line that is no rule of it, since its rules are handed over with it.
 */
#include "config/catalog_file.h"

enum { RULES_MAX = 48 };

/* What a key of a line means. */
enum kind { TEXT, COUNT, DAY, WINDOW, FACTOR, ABILITIES, STATUS, TIER, FAMILY, PRICE };
enum { OF_PROVIDER = 1, OF_MODEL = 2, OF_RULE = 4 }; /* where it may stand */

struct member {
    struct fl_slice key;
    enum kind kind;
    unsigned of;
    size_t at; /* offset of the field; a price's class */
};

#define KEY(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define IN_PROVIDER(field) OF_PROVIDER, offsetof(struct fl_catalog_provider, field)
#define IN_MODEL(field)    OF_MODEL, offsetof(struct fl_model, field)
#define IN_RULE(field)     OF_RULE, offsetof(struct fl_price_rule, field)

static const struct member members[] = {
#define X(id, name, decimals, fallback, unit) {KEY(name), PRICE, OF_MODEL | OF_RULE, id},
    FL_PRICE_CLASSES(X)
#undef X
        {KEY("names"), TEXT, IN_MODEL(names)},
    {KEY("successor"), TEXT, IN_MODEL(successor)},
    {KEY("context"), COUNT, IN_MODEL(context_tokens)},
    {KEY("output"), COUNT, IN_MODEL(output_tokens_max)},
    {KEY("can"), ABILITIES, IN_MODEL(capabilities)},
    {KEY("released"), DAY, IN_MODEL(released_day)},
    {KEY("retired"), DAY, IN_MODEL(retired_day)},
    {KEY("status"), STATUS, IN_MODEL(status)},
    {KEY("tier"), TIER, IN_MODEL(tier)},
    {KEY("family"), FAMILY, IN_MODEL(family)},
    {KEY("batch"), FACTOR, IN_MODEL(service_permille[FL_SERVICE_BATCH])},
    {KEY("flex"), FACTOR, IN_MODEL(service_permille[FL_SERVICE_FLEX])},
    {KEY("priority"), FACTOR, IN_MODEL(service_permille[FL_SERVICE_PRIORITY])},
    {KEY("from"), DAY, IN_RULE(from_day)},
    {KEY("time"), WINDOW, IN_RULE(from_minute)},
    {KEY("above"), COUNT, IN_RULE(above_tokens)},
    {KEY("vendor"), TEXT, IN_PROVIDER(vendor)},
    {KEY("base"), TEXT, IN_PROVIDER(base_url)},
    {KEY("dialect"), TEXT, IN_PROVIDER(dialect)},
    {KEY("names"), TEXT, IN_PROVIDER(aliases)},
    {KEY("shares"), TEXT, IN_PROVIDER(fallbacks)},
    {KEY("batch"), FACTOR, IN_PROVIDER(service_permille[FL_SERVICE_BATCH])},
    {KEY("flex"), FACTOR, IN_PROVIDER(service_permille[FL_SERVICE_FLEX])},
    {KEY("priority"), FACTOR, IN_PROVIDER(service_permille[FL_SERVICE_PRIORITY])},
};
enum { MEMBER_COUNT = sizeof(members) / sizeof(*members), BUCKETS = 64 };

/* A line's object: what its members are written into. */
struct object {
    unsigned of;
    void *fields;      /* the provider, model or rule */
    uint32_t *classes; /* of its prices */
    uint64_t *all;     /* prices by class, where their bit is set */
};

struct reader {
    unsigned char buckets[BUCKETS], next[MEMBER_COUNT]; /* members by hash; index + 1, 0: end */
    struct fl_catalog_draft *draft;
    struct fl_reterr *reterr;
    struct fl_slice line;
    unsigned number; /* of the line */
    bool in_provider, has_model;
    struct fl_model model;
    struct fl_price_rule rules[RULES_MAX];
    uint64_t prices[RULES_MAX][FL_PRICE_CLASS_COUNT];
    uint64_t all[FL_PRICE_CLASS_COUNT]; /* of the line at hand, by class */
    unsigned rule_count;
};

static enum fl_err refuse(struct reader *r, const char *at, const char *text, struct fl_slice word)
{
    unsigned column = at ? (unsigned)(at - r->line.ptr) + 1 : 1;
    return fl_catalog_refuse(r->reterr, r->number, column, text, word);
}

/* The first byte and the length rule out nearly all: most words are compared with many. */
static bool is(struct fl_slice word, struct fl_slice text)
{
    return word.len == text.len && word.ptr[0] == text.ptr[0] &&
           memcmp(word.ptr, text.ptr, text.len) == 0;
}

/* The next word of *io_rest*; false at the end of the line. */
static bool next_word(struct fl_slice *io_rest, struct fl_slice *ret_word)
{
    const char *at = io_rest->ptr, *end = io_rest->ptr + io_rest->len;
    while (at < end && *at == ' ') {
        at++;
    }
    const char *first = at;
    at = at < end ? memchr(at, ' ', (size_t)(end - at)) : end;
    at = at ? at : end;
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
        while (i < FL_CAPABILITY_COUNT && !is(item, fl_capability_names[i])) {
            i++;
        }
        if (i == FL_CAPABILITY_COUNT) {
            return refuse(r, item.ptr, "unknown ability", item);
        }
        *ret_bits |= 1u << i;
    }
    return FL_OK;
}

/* Cuts "key=value"; false: reported. */
static enum fl_err cut(struct reader *r, struct fl_slice word, struct fl_slice *ret_key,
                       struct fl_slice *ret_value)
{
    size_t equals = 0;
    while (equals < word.len && word.ptr[equals] != '=') {
        equals++;
    }
    *ret_key = fl_slice_first(word, equals);
    *ret_value = fl_slice_from(word, equals + 1);
    if (equals == 0 || equals + 1 >= word.len) {
        return refuse(r, word.ptr, "expected key=value, not", word);
    }
    return FL_OK;
}

/* --- Prices --- */

static enum fl_err read_price(struct reader *r, struct fl_slice key, struct fl_slice value,
                              struct object *o, size_t class)
{
    if (*o->classes & 1u << class) {
        return refuse(r, key.ptr, "given twice:", key);
    }
    if (!fl_price_parse(value, fl_price_classes[class].decimals, &o->all[class])) {
        return refuse(r, value.ptr, "not a price:", value);
    }
    *o->classes |= 1u << class;
    return FL_OK;
}

/* Gives the rule the prices of its line. */
static void keep_prices(struct reader *r, struct fl_price_rule *rule, const struct object *o)
{
    uint64_t *kept = r->prices[rule - r->rules];
    rule->prices = kept;
    for (uint32_t left = rule->classes; left != 0; left &= left - 1) {
        *kept++ = o->all[__builtin_ctz(left)];
    }
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

/* --- Members --- */

static unsigned bucket_of(struct fl_slice key)
{
    return ((unsigned)key.len * 7 + (unsigned char)key.ptr[0] * 3 +
            (unsigned char)key.ptr[key.len - 1]) %
           BUCKETS;
}

static void index_members(struct reader *r)
{
    for (unsigned i = MEMBER_COUNT; i > 0; i--) {
        unsigned char *head = &r->buckets[bucket_of(members[i - 1].key)];
        r->next[i - 1] = *head;
        *head = (unsigned char)i;
    }
}

static const struct member *find_member(const struct reader *r, struct fl_slice key, unsigned of)
{
    for (unsigned i = r->buckets[bucket_of(key)]; i > 0; i = r->next[i - 1]) {
        if ((members[i - 1].of & of) && is(key, members[i - 1].key)) {
            return &members[i - 1];
        }
    }
    return NULL;
}

static enum fl_err read_member(struct reader *r, struct fl_slice word, struct object *o)
{
    struct fl_slice key, value;
    enum fl_err err = cut(r, word, &key, &value);
    if (err) {
        return err;
    }
    const struct member *m = find_member(r, key, o->of);
    if (!m) {
        return refuse(r, key.ptr, "unknown key", key);
    }
    void *field = m->kind == PRICE ? NULL : (char *)o->fields + m->at;
    switch (m->kind) {
    case TEXT:
        *(struct fl_slice *)field = value;
        return FL_OK;
    case COUNT:
        return read_u32(r, value, field);
    case DAY:
        return read_day(r, value, field);
    case WINDOW:
        return read_window(r, value, o->fields);
    case FACTOR:
        return read_factor(r, value, field);
    case ABILITIES:
        return read_capabilities(r, value, field);
    case STATUS:
        return read_status(r, value, field);
    case TIER:
        return read_tier(r, value, o->fields);
    case FAMILY:
        *(const struct fl_family **)field = fl_family_of(value);
        return FL_OK;
    case PRICE:
        return read_price(r, key, value, o, m->at);
    }
    return FL_ERR_INTERNAL;
}

static enum fl_err read_members(struct reader *r, struct fl_slice rest, struct object *o)
{
    struct fl_slice word;
    enum fl_err err = FL_OK;
    while (!err && next_word(&rest, &word)) {
        err = read_member(r, word, o);
    }
    return err;
}

/* --- Lines of a model --- */

static enum fl_err read_rule(struct reader *r, struct fl_slice rest)
{
    if (!r->has_model || r->rule_count == 0) {
        return refuse(r, NULL, "a rule belongs to a model with prices", FL_EMPTY);
    }
    if (r->rule_count == RULES_MAX) {
        return refuse(r, NULL, "more than 48 rules of one model", FL_EMPTY);
    }
    struct fl_price_rule *rule = &r->rules[r->rule_count];
    struct object o = {.of = OF_RULE, .fields = rule, .classes = &rule->classes, .all = r->all};
    *rule = (struct fl_price_rule){.from_day = FL_DAY_ALWAYS};
    enum fl_err err = read_members(r, rest, &o);
    if (!err && rule->classes == 0) {
        err = refuse(r, NULL, "a rule without prices", FL_EMPTY);
    }
    if (!err) {
        keep_prices(r, rule, &o);
        r->rule_count++;
    }
    return err;
}

static enum fl_err hand_over(struct reader *r)
{
    if (!r->has_model) {
        return FL_OK;
    }
    r->has_model = false;
    enum fl_err err = fl_catalog_draft_model(r->draft, &r->model, r->rules, r->rule_count);
    return err ? refuse(r, NULL, fl_err_text(err), FL_EMPTY) : FL_OK;
}

static enum fl_err read_model(struct reader *r, struct fl_slice rest)
{
    struct object o = {
        .of = OF_MODEL, .fields = &r->model, .classes = &r->rules[0].classes, .all = r->all};
    if (!r->in_provider) {
        return refuse(r, NULL, "a model needs a provider before it", FL_EMPTY);
    }
    r->model = (struct fl_model){.released_day = FL_DAY_UNKNOWN, .retired_day = FL_DAY_UNKNOWN};
    r->rules[0] = (struct fl_price_rule){.from_day = FL_DAY_ALWAYS};
    r->rule_count = 0;
    if (!next_word(&rest, &r->model.id)) {
        return refuse(r, NULL, "a model needs an id", FL_EMPTY);
    }
    enum fl_err err = read_members(r, rest, &o);
    if (!err && r->rules[0].classes != 0) {
        keep_prices(r, &r->rules[0], &o);
        r->rule_count = 1;
    }
    r->has_model = !err;
    return err;
}

/* A line with nothing but a known name continues that provider. */
static enum fl_err read_provider(struct reader *r, struct fl_slice rest)
{
    struct fl_catalog_provider p = {.name = FL_EMPTY};
    struct object o = {.of = OF_PROVIDER, .fields = &p};
    if (!next_word(&rest, &p.name)) {
        return refuse(r, NULL, "a provider needs a name", FL_EMPTY);
    }
    bool alone = fl_slice_trim(rest).len == 0;
    enum fl_err err = read_members(r, rest, &o);
    if (err) {
        return err;
    }
    r->in_provider = true;
    if (alone && fl_catalog_draft_use(r->draft, p.name)) {
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
    if (is(word, FL_LIT("rule"))) {
        return read_rule(r, rest);
    }
    enum fl_err err = hand_over(r);
    if (err) {
        return err;
    }
    if (is(word, FL_LIT("model"))) {
        return read_model(r, rest);
    }
    if (is(word, FL_LIT("provider"))) {
        return read_provider(r, rest);
    }
    if (is(word, FL_LIT("catalog"))) {
        return read_head(r, rest);
    }
    return refuse(r, word.ptr, "expected catalog, provider, model or rule, not", word);
}

static bool is_stray(char c)
{
    return (unsigned char)c < 0x20 || (unsigned char)c > 0x7e;
}

/* Printable ASCII only: what cannot be seen must not be in a name. Eight bytes at a time: a byte is
 * stray when its top bit is set, or becomes so by adding 1 (0x7f) or taking 0x20. */
static const char *stray_byte(struct fl_slice line)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = 0;
    for (; i + 8 <= line.len; i += 8) {
        uint64_t word;
        memcpy(&word, line.ptr + i, 8);
        if ((word | (word + ones) | (word - ones * 0x20)) & ones * 0x80) {
            break;
        }
    }
    while (i < line.len && !is_stray(line.ptr[i])) {
        i++;
    }
    return i < line.len ? line.ptr + i : NULL;
}

enum fl_err fl_catalog_read_text(struct fl_catalog_draft *d, struct fl_slice text,
                                 struct fl_reterr *reterr)
{
    struct reader r;
    enum fl_err err = FL_OK;
    memset(&r, 0, offsetof(struct reader, rules)); /* the rest is written before it is read */
    r.draft = d;
    r.reterr = reterr;
    r.rule_count = 0;
    index_members(&r);
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

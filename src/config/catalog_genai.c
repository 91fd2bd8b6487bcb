/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The price file of genai-prices: an array of providers with models, each with a match clause and
 * prices per class, in steps by input tokens, from a day on, or in a window of the day. Of several
 * dated entries the last that applies counts, which is our rule, too.
 *
 * Match clauses become patterns: equals 'x', starts_with 'x*', ends_with '*x', contains '*x*'; of
 * regular expressions only those that spell a name with digits left open. Others are left out: the
 * model is still found by its id and by bare name.
 */
#include "config/catalog_file.h"

#include "codec/json.h"

enum { RULES_MAX = 48, STEPS_MAX = 4, NAMES_BYTES_MAX = 4096 };

struct reader {
    struct fl_catalog_draft *draft;
    struct fl_slice text;
    struct fl_reterr *reterr;
    struct fl_buf names, scratch;
    struct fl_price_rule rules[RULES_MAX];
    uint64_t prices[RULES_MAX][FL_PRICE_CLASS_COUNT];
    unsigned rule_count;
};

/* Keys of theirs, in no order. Their decimals are ours but for hours. */
static const struct {
    const char *key;
    enum fl_price_class price;
} keys[] = {
    {"input_mtok", FL_PRICE_IN},
    {"output_mtok", FL_PRICE_OUT},
    {"cache_read_mtok", FL_PRICE_CACHED},
    {"cache_write_mtok", FL_PRICE_WRITE},
    {"cache_write_1h_mtok", FL_PRICE_WRITE_1H},
    {"input_audio_mtok", FL_PRICE_IN_AUDIO},
    {"input_image_mtok", FL_PRICE_IN_IMAGE},
    {"input_video_mtok", FL_PRICE_IN_VIDEO},
    {"cache_audio_read_mtok", FL_PRICE_CACHED_AUDIO},
    {"cache_image_read_mtok", FL_PRICE_CACHED_IMAGE},
    {"cache_video_read_mtok", FL_PRICE_CACHED_VIDEO},
    {"output_reasoning_mtok", FL_PRICE_REASONING},
    {"output_audio_mtok", FL_PRICE_OUT_AUDIO},
    {"output_image_mtok", FL_PRICE_OUT_IMAGE},
    {"output_video_mtok", FL_PRICE_OUT_VIDEO},
    {"output_citation_mtok", FL_PRICE_CITATION},
    {"requests_kcount", FL_PRICE_REQUEST},
    {"web_searches_kcount", FL_PRICE_SEARCH},
    {"storage_searches_kcount", FL_PRICE_FILE_SEARCH},
    {"input_document_kpages", FL_PRICE_PAGE},
    {"input_annotated_document_kpages", FL_PRICE_ANNOTATED_PAGE},
    {"audio_hours", FL_PRICE_AUDIO_HOUR},
    {"input_audio_hours", FL_PRICE_AUDIO_HOUR},
    {"input_text_messages_kcount", FL_PRICE_TEXT_MESSAGE},
};

static enum fl_err refuse(struct reader *r, struct fl_slice at, const char *text,
                          struct fl_slice word)
{
    unsigned line = 1, column = 1;
    for (const char *c = r->text.ptr; at.ptr && c < at.ptr; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    return fl_catalog_refuse(r->reterr, line, column, text, word);
}

static struct fl_json get(struct fl_json object, const char *key)
{
    return fl_json_get(object, fl_slice_cstr(key));
}

/* Decoded and kept with the catalogue; empty when it is no string or too long. */
static struct fl_slice keep(struct reader *r, struct fl_json value)
{
    struct fl_slice text = FL_EMPTY;
    fl_buf_reset(&r->scratch);
    if (!fl_json_text(value, &r->scratch, &text)) {
        return FL_EMPTY;
    }
    return fl_arena_copy(fl_catalog_draft_arena(r->draft), text);
}

/* --- Names --- */

static bool plain(struct fl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] > '~' ||
            text.ptr[i] == ',' || text.ptr[i] == '*' || text.ptr[i] == '#' ||
            (i == 0 && text.ptr[i] == '!')) {
            return false;
        }
    }
    return text.len > 0;
}

static void put_name(struct reader *r, const char *before, struct fl_slice text, const char *after)
{
    if (r->names.len > 0) {
        fl_buf_putc(&r->names, ',');
    }
    fl_buf_put_cstr(&r->names, before);
    fl_buf_put(&r->names, text);
    fl_buf_put_cstr(&r->names, after);
}

/* "\d{8}" or "\d" behind the backslash: as many '#', and how many bytes it took; 0: neither. */
static size_t put_digits(struct fl_buf *b, struct fl_slice rest)
{
    unsigned count = 1;
    size_t used = 1;
    if (!fl_slice_starts(rest, FL_LIT("d"))) {
        return 0;
    }
    if (rest.len >= 4 && rest.ptr[1] == '{' && rest.ptr[2] >= '1' && rest.ptr[2] <= '9' &&
        rest.ptr[3] == '}') {
        count = (unsigned)(rest.ptr[2] - '0');
        used = 4;
    }
    for (; count > 0; count--) {
        fl_buf_putc(b, '#');
    }
    return used;
}

/* "^gpt-5\.6-\d{4}$" as "gpt-5.6-####"; without '$' any end. False, and nothing put: it says more
 * than that. */
static bool put_regex(struct reader *r, struct fl_slice regex)
{
    char memory[200];
    struct fl_buf b;
    size_t i = 1;
    fl_buf_init_in(&b, memory, sizeof(memory));
    if (fl_slice_eq(regex, FL_LIT("^(?!.*-[tT][tT][sS](?:$|-))"))) {
        put_name(r, "!", FL_LIT("*-tts"), "");
        put_name(r, "!", FL_LIT("*-tts-*"), "");
        return true;
    }
    if (!fl_slice_starts(regex, FL_LIT("^"))) {
        return false;
    }
    for (; i < regex.len && regex.ptr[i] != '$'; i++) {
        char c = regex.ptr[i];
        if (c == '\\' && i + 1 < regex.len) {
            size_t used = put_digits(&b, fl_slice_from(regex, i + 1));
            char escaped = regex.ptr[i + 1];
            if (used == 0 && strchr(".[]/-+", escaped)) {
                fl_buf_putc(&b, escaped);
                used = 1;
            }
            if (used == 0) {
                return false;
            }
            i += used;
        } else if (strchr("()[]{}|*+?.,#", c) || (unsigned char)c <= ' ' ||
                   (unsigned char)c > '~') {
            return false;
        } else {
            fl_buf_putc(&b, c);
        }
    }
    if (!fl_buf_ok(&b) || b.len == 0 || i + 1 < regex.len) {
        return false;
    }
    put_name(r, "", fl_buf_slice(&b), i == regex.len ? "*" : "");
    return true;
}

static void put_clause(struct reader *r, struct fl_slice id, struct fl_json clause, unsigned depth);

/* A name and exceptions: every part but one must be an exception, which our lists can say. */
static void put_and(struct reader *r, struct fl_slice id, struct fl_json parts, unsigned depth)
{
    struct fl_json_iter it = fl_json_iter(parts);
    struct fl_json part;
    unsigned positive = 0;
    while (fl_json_next(&it, NULL, &part)) {
        struct fl_json regex = get(part, "regex");
        positive += !(regex.type == FL_JSON_STRING &&
                      fl_slice_find_text(regex.span, FL_LIT("(?!")) < regex.span.len);
    }
    it = fl_json_iter(parts);
    while (positive == 1 && fl_json_next(&it, NULL, &part)) {
        put_clause(r, id, part, depth + 1);
    }
}

static void put_word(struct reader *r, struct fl_slice id, struct fl_slice key,
                     struct fl_slice text)
{
    if (fl_slice_eq(key, FL_LIT("\"regex\""))) {
        (void)put_regex(r, text);
    } else if (!plain(text)) {
        return;
    } else if (fl_slice_eq(key, FL_LIT("\"equals\""))) {
        if (!fl_slice_eq_nocase(id, text)) {
            put_name(r, "", text, "");
        }
    } else if (fl_slice_eq(key, FL_LIT("\"starts_with\""))) {
        put_name(r, "", text, "*");
    } else if (fl_slice_eq(key, FL_LIT("\"ends_with\""))) {
        put_name(r, "*", text, "");
    } else if (fl_slice_eq(key, FL_LIT("\"contains\""))) {
        put_name(r, "*", text, "*");
    }
}

static void put_clause(struct reader *r, struct fl_slice id, struct fl_json clause, unsigned depth)
{
    enum { DEPTH_MAX = 4 };
    struct fl_json_iter it = fl_json_iter(clause);
    struct fl_slice key, text;
    struct fl_json value, part;
    while (depth < DEPTH_MAX && clause.type == FL_JSON_OBJECT && fl_json_next(&it, &key, &value)) {
        struct fl_json_iter parts = fl_json_iter(value);
        fl_buf_reset(&r->scratch);
        if (value.type == FL_JSON_STRING && fl_json_text(value, &r->scratch, &text)) {
            put_word(r, id, key, text);
        } else if (fl_slice_eq(key, FL_LIT("\"and\""))) {
            put_and(r, id, value, depth);
        } else if (fl_slice_eq(key, FL_LIT("\"or\""))) {
            while (fl_json_next(&parts, NULL, &part)) {
                put_clause(r, id, part, depth + 1);
            }
        }
    }
}

/* --- Prices --- */

static bool class_of(struct fl_slice key, enum fl_price_class *ret_class)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (fl_json_spells(key, fl_slice_cstr(keys[i].key))) {
            *ret_class = keys[i].price;
            return true;
        }
    }
    return false;
}

/* The starts of all steps of an entry, in rising order. */
static enum fl_err collect_steps(struct reader *r, struct fl_json prices, uint32_t *steps,
                                 unsigned *ret_count)
{
    struct fl_json_iter it = fl_json_iter(prices), tiers;
    struct fl_json value, tier;
    unsigned count = 0;
    while (fl_json_next(&it, NULL, &value)) {
        tiers = fl_json_iter(get(value, "tiers"));
        while (value.type == FL_JSON_OBJECT && fl_json_next(&tiers, NULL, &tier)) {
            uint64_t start = 0;
            unsigned at = 0;
            if (!fl_json_u64(get(tier, "start"), &start) || start == 0 || start > UINT32_MAX) {
                return refuse(r, tier.span, "a step needs a 'start' in tokens", FL_EMPTY);
            }
            while (at < count && steps[at] < start) {
                at++;
            }
            if (at < count && steps[at] == start) {
                continue;
            }
            if (count == STEPS_MAX) {
                return refuse(r, tier.span, "more than 4 steps", FL_EMPTY);
            }
            memmove(steps + at + 1, steps + at, (count - at) * sizeof(*steps));
            steps[at] = (uint32_t)start;
            count++;
        }
    }
    *ret_count = count;
    return FL_OK;
}

/* The number that counts above *above* tokens. */
static struct fl_json price_at(struct fl_json value, uint32_t above)
{
    if (value.type != FL_JSON_OBJECT) {
        return value;
    }
    struct fl_json best = get(value, "base"), tier;
    struct fl_json_iter it = fl_json_iter(get(value, "tiers"));
    while (fl_json_next(&it, NULL, &tier)) {
        uint64_t start = 0;
        if (fl_json_u64(get(tier, "start"), &start) && start <= above) {
            best = get(tier, "price");
        }
    }
    return best;
}

static enum fl_err read_rule(struct reader *r, struct fl_json prices,
                             const struct fl_price_rule *when, uint32_t above)
{
    uint64_t all[FL_PRICE_CLASS_COUNT] = {0};
    struct fl_json_iter it = fl_json_iter(prices);
    struct fl_slice key;
    struct fl_json value;
    if (r->rule_count == RULES_MAX) {
        return refuse(r, prices.span, "too many prices of one model", FL_EMPTY);
    }
    struct fl_price_rule *rule = &r->rules[r->rule_count];
    *rule = *when;
    rule->above_tokens = above;
    while (fl_json_next(&it, &key, &value)) {
        enum fl_price_class c;
        if (value.type == FL_JSON_NULL || !class_of(key, &c)) {
            continue; /* a class that this version does not know cannot be billed */
        }
        value = price_at(value, above);
        if (value.type != FL_JSON_NUMBER ||
            !fl_price_parse(value.span, fl_price_classes[c].decimals, &all[c])) {
            return refuse(r, value.span.ptr ? value.span : key, "not a price:", value.span);
        }
        rule->classes |= 1u << c;
    }
    uint64_t *kept = r->prices[r->rule_count];
    rule->prices = kept;
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (rule->classes & 1u << c) {
            *kept++ = all[c];
        }
    }
    r->rule_count++;
    return FL_OK;
}

/* "16:30:00Z" */
static bool minute_of(struct fl_json value, uint16_t *ret_minute)
{
    struct fl_slice s = value.span;
    if (value.type != FL_JSON_STRING || s.len < 7 || s.ptr[3] != ':') {
        return false;
    }
    uint64_t hour = 0, minute = 0;
    if (!fl_slice_u64(fl_slice(s.ptr + 1, 2), &hour) || hour > 23 ||
        !fl_slice_u64(fl_slice(s.ptr + 4, 2), &minute) || minute > 59) {
        return false;
    }
    *ret_minute = (uint16_t)(hour * 60 + minute);
    return true;
}

static enum fl_err read_constraint(struct reader *r, struct fl_json constraint,
                                   struct fl_price_rule *when)
{
    struct fl_slice day = FL_EMPTY;
    *when = (struct fl_price_rule){.from_day = FL_DAY_ALWAYS};
    if (constraint.type != FL_JSON_OBJECT) {
        return FL_OK;
    }
    fl_buf_reset(&r->scratch);
    if (fl_json_text(get(constraint, "start_date"), &r->scratch, &day)) {
        return fl_day_parse(day, &when->from_day) ? FL_OK
                                                  : refuse(r, constraint.span, "not a day:", day);
    }
    if (!minute_of(get(constraint, "start_time"), &when->from_minute) ||
        !minute_of(get(constraint, "end_time"), &when->to_minute)) {
        return refuse(r, constraint.span,
                      "a constraint has a 'start_date', or a 'start_time' and an 'end_time'",
                      FL_EMPTY);
    }
    return FL_OK;
}

static enum fl_err read_entry(struct reader *r, struct fl_json prices, struct fl_json constraint)
{
    uint32_t steps[STEPS_MAX];
    unsigned count = 0;
    struct fl_price_rule when;
    if (prices.type != FL_JSON_OBJECT) {
        return refuse(r, prices.span, "prices must be an object", FL_EMPTY);
    }
    enum fl_err err = read_constraint(r, constraint, &when);
    if (!err) {
        err = collect_steps(r, prices, steps, &count);
    }
    if (!err) {
        err = read_rule(r, prices, &when, 0);
    }
    for (unsigned i = 0; !err && i < count; i++) {
        err = read_rule(r, prices, &when, steps[i]);
    }
    return err;
}

/* Rules without a class that we know say nothing, unless there is no other. What then comes first
 * holds for the time before, too. */
static void drop_empty(struct reader *r)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < r->rule_count; i++) {
        if (r->rules[i].classes != 0 || (i + 1 == r->rule_count && kept == 0)) {
            r->rules[kept++] = r->rules[i];
        }
    }
    r->rule_count = kept;
    if (kept > 0) {
        r->rules[0].from_day = FL_DAY_ALWAYS;
        r->rules[0].from_minute = r->rules[0].to_minute = 0;
        r->rules[0].above_tokens = 0;
    }
}

static enum fl_err read_prices(struct reader *r, struct fl_json prices)
{
    struct fl_json_iter it = fl_json_iter(prices);
    struct fl_json entry;
    enum fl_err err = FL_OK;
    r->rule_count = 0;
    if (prices.type != FL_JSON_ARRAY) {
        err = read_entry(r, prices, (struct fl_json){0});
    }
    while (!err && prices.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &entry)) {
        err = read_entry(r, get(entry, "prices"), get(entry, "constraint"));
    }
    if (!err) {
        drop_empty(r);
    }
    return err;
}

/* --- Models and providers --- */

static enum fl_err read_model(struct reader *r, struct fl_json object)
{
    uint64_t context = 0;
    bool deprecated = false;
    struct fl_model m = {.id = keep(r, get(object, "id")),
                         .released_day = FL_DAY_UNKNOWN,
                         .retired_day = FL_DAY_UNKNOWN};
    if (m.id.len == 0) {
        return refuse(r, object.span, "a model needs an 'id'", FL_EMPTY);
    }
    if (!plain(m.id)) {
        return FL_OK; /* nothing that our lines can hold */
    }
    fl_buf_reset(&r->names);
    put_clause(r, m.id, get(object, "match"), 0);
    m.names = fl_buf_ok(&r->names)
                  ? fl_arena_copy(fl_catalog_draft_arena(r->draft), fl_buf_slice(&r->names))
                  : FL_EMPTY;
    if (fl_json_u64(get(object, "context_window"), &context) && context <= UINT32_MAX) {
        m.context_tokens = (uint32_t)context;
    }
    if (fl_json_bool(get(object, "deprecated"), &deprecated) && deprecated) {
        m.status = FL_MODEL_DEPRECATED;
    }
    enum fl_err err = read_prices(r, get(object, "prices"));
    return err ? err : fl_catalog_draft_model(r->draft, &m, r->rules, r->rule_count);
}

static enum fl_err open_provider(struct reader *r, struct fl_json object)
{
    struct fl_catalog_provider p = {.name = keep(r, get(object, "id"))};
    struct fl_json_iter it = fl_json_iter(get(object, "fallback_model_providers"));
    struct fl_json one;
    if (!plain(p.name)) {
        return refuse(r, object.span, "a provider needs an 'id' without blanks", FL_EMPTY);
    }
    if (fl_catalog_draft_use(r->draft, p.name)) {
        return FL_OK;
    }
    fl_buf_reset(&r->names);
    while (fl_json_next(&it, NULL, &one)) {
        struct fl_slice name;
        fl_buf_reset(&r->scratch);
        if (fl_json_text(one, &r->scratch, &name) && plain(name)) {
            put_name(r, "", name, "");
        }
    }
    p.fallbacks = fl_arena_copy(fl_catalog_draft_arena(r->draft), fl_buf_slice(&r->names));
    return fl_catalog_draft_provider(r->draft, &p);
}

static enum fl_err read_provider(struct reader *r, struct fl_json object)
{
    struct fl_json models = get(object, "models");
    struct fl_json_iter it = fl_json_iter(models);
    struct fl_json model;
    if (object.type != FL_JSON_OBJECT || models.type != FL_JSON_ARRAY) {
        return refuse(r, object.span, "expected a provider with 'models'", FL_EMPTY);
    }
    enum fl_err err = open_provider(r, object);
    while (!err && fl_json_next(&it, NULL, &model)) {
        err = read_model(r, model);
    }
    return err;
}

enum fl_err fl_catalog_read_genai(struct fl_catalog_draft *d, struct fl_slice text, int32_t day,
                                  struct fl_reterr *reterr)
{
    struct reader r = {.draft = d, .text = text, .reterr = reterr};
    struct fl_json whole, provider;
    enum fl_err err = fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &whole, reterr);
    if (err) {
        return FL_ERR_CONFIG;
    }
    if (whole.type != FL_JSON_ARRAY) {
        return fl_catalog_refuse(reterr, 1, 1, "expected an array of providers", FL_EMPTY);
    }
    fl_buf_init(&r.names, NAMES_BYTES_MAX);
    fl_buf_init(&r.scratch, NAMES_BYTES_MAX);
    struct fl_json_iter it = fl_json_iter(whole);
    while (!err && fl_json_next(&it, NULL, &provider)) {
        err = read_provider(&r, provider);
    }
    fl_buf_finish(&r.names);
    fl_buf_finish(&r.scratch);
    fl_catalog_draft_day(d, day);
    if (err && err != FL_ERR_CONFIG) {
        (void)fl_catalog_refuse(reterr, 0, 0, fl_err_text(err), FL_EMPTY);
    }
    return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of models.dev: CSV (RFC 4180) with a header line that names the columns, one row for a
 * model of a provider. Columns are found by name, so that new ones do no harm.
 */
#include "config/catalog_file.h"

enum { FIELDS_MAX = 64 };

/* X(id, "name", must be there) */
#define COLUMNS(X)                                                                                 \
    X(PROVIDER, "provider", true)                                                                  \
    X(MODEL, "model", true)                                                                        \
    X(INPUT, "input_usd_per_m", true)                                                              \
    X(OUTPUT, "output_usd_per_m", true)                                                            \
    X(CACHE_READ, "cache_read_usd_per_m", false)                                                   \
    X(CACHE_WRITE, "cache_write_usd_per_m", false)                                                 \
    X(CONTEXT, "context", false)                                                                   \
    X(MAX_OUTPUT, "max_output", false)                                                             \
    X(RELEASED, "release_date", false)                                                             \
    X(STATUS, "status", false)                                                                     \
    X(REASONING, "reasoning", false)                                                               \
    X(TOOLS, "tool_call", false)                                                                   \
    X(STRUCTURED, "structured_output", false)                                                      \
    X(MODAL_IN, "modal_in", false)                                                                 \
    X(MODAL_OUT, "modal_out", false)                                                               \
    X(API_BASE, "api_base", false)

enum column {
#define X(id, name, must) id,
    COLUMNS(X)
#undef X
        COLUMN_COUNT
};

struct reader {
    struct fl_catalog_draft *draft;
    struct fl_reterr *reterr;
    struct fl_slice rest;
    const char *line_start;
    unsigned line, next_line;
    struct fl_slice fields[FIELDS_MAX];
    unsigned count;
    int columns[COLUMN_COUNT]; /* index of the field, or -1 */
};

static enum fl_err refuse(struct reader *r, struct fl_slice at, const char *text)
{
    unsigned column =
        at.ptr && at.ptr >= r->line_start ? (unsigned)(at.ptr - r->line_start) + 1 : 1;
    return fl_catalog_refuse(r->reterr, r->line, column, text, at);
}

/* A quoted field from behind its opening quote; quotes inside stay doubled, which no column that we
 * read has. False: the text ends first. */
static bool quoted(struct reader *r, size_t *io_at, struct fl_slice *ret_field)
{
    size_t from = *io_at, i = from;
    for (; i < r->rest.len; i++) {
        r->next_line += r->rest.ptr[i] == '\n';
        if (r->rest.ptr[i] != '"') {
            continue;
        }
        if (i + 1 < r->rest.len && r->rest.ptr[i + 1] == '"') {
            i++;
            continue;
        }
        *ret_field = fl_slice(r->rest.ptr + from, i - from);
        *io_at = i + 1;
        return true;
    }
    return false;
}

static size_t unquoted_end(struct fl_slice s, size_t at)
{
    while (at < s.len && s.ptr[at] != ',' && s.ptr[at] != '\n' && s.ptr[at] != '\r') {
        at++;
    }
    return at;
}

/* The fields of the next row; an empty line is a row with one empty field. */
static enum fl_err next_row(struct reader *r)
{
    size_t at = 0;
    r->count = 0;
    r->line = r->next_line;
    r->line_start = r->rest.ptr;
    for (;;) {
        struct fl_slice field;
        if (r->count == FIELDS_MAX) {
            return refuse(r, FL_EMPTY, "more than 64 columns");
        }
        if (at < r->rest.len && r->rest.ptr[at] == '"') {
            at++;
            if (!quoted(r, &at, &field)) {
                return refuse(r, FL_EMPTY, "a quote without its end");
            }
        } else {
            size_t end = unquoted_end(r->rest, at);
            field = fl_slice(r->rest.ptr + at, end - at);
            at = end;
        }
        r->fields[r->count++] = field;
        if (at < r->rest.len && r->rest.ptr[at] == ',') {
            at++;
            continue;
        }
        break;
    }
    at += at < r->rest.len && r->rest.ptr[at] == '\r';
    if (at < r->rest.len && r->rest.ptr[at] != '\n') {
        return refuse(r, fl_slice(r->rest.ptr + at, 1), "unexpected behind a field:");
    }
    r->rest = fl_slice_from(r->rest, at + 1);
    r->next_line++;
    return FL_OK;
}

static struct fl_slice get(const struct reader *r, enum column c)
{
    int i = r->columns[c];
    return i >= 0 && (unsigned)i < r->count ? r->fields[i] : FL_EMPTY;
}

static enum fl_err read_header(struct reader *r)
{
    static const struct {
        struct fl_slice name;
        bool must;
    } columns[COLUMN_COUNT] = {
#define X(id, name, must) [id] = {{name, sizeof(name) - 1}, must},
        COLUMNS(X)
#undef X
    };
    enum fl_err err = next_row(r);
    for (unsigned c = 0; !err && c < COLUMN_COUNT; c++) {
        r->columns[c] = -1;
        for (unsigned i = 0; i < r->count; i++) {
            if (fl_slice_eq(r->fields[i], columns[c].name)) {
                r->columns[c] = (int)i;
            }
        }
        if (columns[c].must && r->columns[c] < 0) {
            err = fl_catalog_refuse(r->reterr, 1, 1, "the header has no column", columns[c].name);
        }
    }
    return err;
}

/* --- One row --- */

static bool is_word(struct fl_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0;
}

static bool yes(const struct reader *r, enum column c)
{
    return fl_slice_eq_nocase(get(r, c), FL_LIT("true"));
}

/* Is *word* one of the words between '|'? */
static bool lists(struct fl_slice list, struct fl_slice word)
{
    while (list.len > 0) {
        size_t bar = fl_slice_find(list, '|');
        if (fl_slice_eq(fl_slice_first(list, bar), word)) {
            return true;
        }
        list = fl_slice_from(list, bar + 1);
    }
    return false;
}

static uint32_t abilities(const struct reader *r)
{
    struct fl_slice in = get(r, MODAL_IN), out = get(r, MODAL_OUT), id = get(r, MODEL);
    uint32_t can = 0;
    if (fl_slice_find_text(id, FL_LIT("embed")) < id.len) {
        return FL_CAN_EMBED;
    }
    can |= lists(out, FL_LIT("text")) ? FL_CAN_CHAT | FL_CAN_STREAM : 0;
    can |= yes(r, TOOLS) ? FL_CAN_TOOLS : 0;
    can |= yes(r, STRUCTURED) ? FL_CAN_JSON : 0;
    can |= yes(r, REASONING) ? FL_CAN_REASON : 0;
    can |= lists(in, FL_LIT("image")) ? FL_CAN_SEE : 0;
    can |= lists(in, FL_LIT("audio")) ? FL_CAN_HEAR : 0;
    can |= lists(in, FL_LIT("video")) ? FL_CAN_VIDEO : 0;
    can |= lists(in, FL_LIT("pdf")) ? FL_CAN_PDF : 0;
    can |= lists(out, FL_LIT("audio")) ? FL_CAN_SPEAK : 0;
    can |= lists(out, FL_LIT("image")) ? FL_CAN_DRAW : 0;
    return can;
}

static enum fl_err read_count(struct reader *r, enum column c, uint32_t *ret_value)
{
    uint64_t n = 0;
    struct fl_slice text = get(r, c);
    if (text.len > 0 && (!fl_slice_u64(text, &n) || n > UINT32_MAX)) {
        return refuse(r, text, "not a whole number:");
    }
    *ret_value = (uint32_t)n;
    return FL_OK;
}

static enum fl_err read_prices(struct reader *r, struct fl_price_rule *rule, uint64_t *prices)
{
    static const struct {
        enum column column;
        enum fl_price_class price;
    } map[] = {{INPUT, FL_PRICE_IN},
               {CACHE_READ, FL_PRICE_CACHED},
               {CACHE_WRITE, FL_PRICE_WRITE},
               {OUTPUT, FL_PRICE_OUT}}; /* in the order of the classes */
    unsigned count = 0;
    *rule = (struct fl_price_rule){.from_day = FL_DAY_ALWAYS, .prices = prices};
    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
        struct fl_slice text = get(r, map[i].column);
        if (text.len == 0) {
            continue;
        }
        if (!fl_price_parse(text, fl_price_classes[map[i].price].decimals, &prices[count])) {
            return refuse(r, text, "not a price:");
        }
        rule->classes |= 1u << map[i].price;
        count++;
    }
    return FL_OK;
}

static enum fl_err open_provider(struct reader *r)
{
    struct fl_arena *arena = fl_catalog_draft_arena(r->draft);
    struct fl_slice name = get(r, PROVIDER), base = get(r, API_BASE);
    if (!is_word(name)) {
        return refuse(r, name, "not a provider's name:");
    }
    if (fl_catalog_draft_use(r->draft, name)) {
        return FL_OK;
    }
    struct fl_catalog_provider p = {.name = fl_arena_copy(arena, name)};
    if (is_word(base) && fl_slice_find(base, '$') == base.len) {
        p.base_url = fl_arena_copy(arena, base);
    }
    return arena->failed ? FL_ERR_NOMEM : fl_catalog_draft_provider(r->draft, &p);
}

static enum fl_err read_row(struct reader *r)
{
    uint64_t prices[FL_PRICE_CLASS_COUNT];
    struct fl_price_rule rule;
    struct fl_arena *arena = fl_catalog_draft_arena(r->draft);
    struct fl_slice id = get(r, MODEL);
    struct fl_model m = {.released_day = FL_DAY_UNKNOWN, .retired_day = FL_DAY_UNKNOWN};
    if (r->count == 1 && r->fields[0].len == 0) {
        return FL_OK; /* an empty line */
    }
    enum fl_err err = open_provider(r);
    if (!err && !is_word(id)) {
        return FL_OK; /* names with blanks are nothing that a request can ask for */
    }
    err = err ? err : read_prices(r, &rule, prices);
    err = err ? err : read_count(r, CONTEXT, &m.context_tokens);
    err = err ? err : read_count(r, MAX_OUTPUT, &m.output_tokens_max);
    if (err) {
        return err;
    }
    m.id = fl_arena_copy(arena, id);
    m.capabilities = abilities(r);
    (void)fl_day_parse(get(r, RELEASED), &m.released_day);
    m.status =
        fl_slice_eq(get(r, STATUS), FL_LIT("deprecated")) ? FL_MODEL_DEPRECATED : FL_MODEL_ACTIVE;
    return arena->failed ? FL_ERR_NOMEM
                         : fl_catalog_draft_model(r->draft, &m, &rule, rule.classes ? 1 : 0);
}

enum fl_err fl_catalog_read_models_dev(struct fl_catalog_draft *d, struct fl_slice text,
                                       int32_t day, struct fl_reterr *reterr)
{
    struct reader r = {.draft = d, .reterr = reterr, .rest = text, .next_line = 1};
    enum fl_err err = read_header(&r);
    while (!err && r.rest.len > 0) {
        err = next_row(&r);
        err = err ? err : read_row(&r);
    }
    fl_catalog_draft_day(d, day);
    if (err && err != FL_ERR_CONFIG) {
        (void)fl_catalog_refuse(reterr, r.line, 1, fl_err_text(err), FL_EMPTY);
    }
    return err;
}

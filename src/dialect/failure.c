/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/failure.h"

#include "codec/json.h"

/* --- What a body says --- */

static struct fl_slice unquoted(struct fl_json string)
{
    return fl_slice(string.span.ptr + 1, string.span.len - 2);
}

static void add_code(struct fl_failure_said *said, struct fl_slice code)
{
    if (said->code_count < FL_FAILURE_CODES && code.len > 0) {
        said->codes[said->code_count++] = code;
    }
}

static void add_text(struct fl_failure_said *said, struct fl_slice text)
{
    if (said->text_count < FL_FAILURE_TEXTS && text.len > 0) {
        said->texts[said->text_count++] = text;
    }
}

enum meaning { NOTHING, CODE, STATUS, TEXT, INSIDE };

/* The members that vendors say their errors in. A number in a code is the status that would have
 * been. */
static enum meaning meaning_of(struct fl_slice raw_key, struct fl_json value)
{
    static const struct {
        const char *key;
        enum meaning string, number, object;
    } members[] = {
        {"code", CODE, STATUS, NOTHING},        {"type", CODE, NOTHING, NOTHING},
        {"status", CODE, STATUS, NOTHING},      {"status_code", NOTHING, STATUS, NOTHING},
        {"__type", CODE, NOTHING, NOTHING},     {"reason", CODE, NOTHING, NOTHING},
        {"message", TEXT, NOTHING, INSIDE},     {"Message", TEXT, NOTHING, NOTHING},
        {"detail", TEXT, NOTHING, INSIDE},      {"raw", TEXT, NOTHING, INSIDE},
        {"error", TEXT, NOTHING, INSIDE},       {"innererror", NOTHING, NOTHING, INSIDE},
        {"metadata", NOTHING, NOTHING, INSIDE}, {"details", NOTHING, NOTHING, INSIDE},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (fl_json_spells(raw_key, fl_slice_cstr(members[i].key))) {
            return value.type == FL_JSON_STRING                                  ? members[i].string
                   : value.type == FL_JSON_NUMBER                                ? members[i].number
                   : value.type == FL_JSON_OBJECT || value.type == FL_JSON_ARRAY ? members[i].object
                                                                                 : NOTHING;
        }
    }
    return NOTHING;
}

enum { DEPTH_MAX = 5, MEMBERS_MAX = 64 };

static void parse_in(struct fl_json at, unsigned depth, struct fl_failure_said *said)
{
    struct fl_json_iter it = fl_json_iter(at);
    struct fl_json value;
    struct fl_slice key;
    uint64_t status;
    for (unsigned n = 0; n < MEMBERS_MAX && fl_json_next(&it, &key, &value); n++) {
        bool element = at.type == FL_JSON_ARRAY && value.type == FL_JSON_OBJECT;
        switch (element ? INSIDE : at.type == FL_JSON_ARRAY ? NOTHING : meaning_of(key, value)) {
        case CODE:
            add_code(said, unquoted(value));
            break;
        case TEXT:
            add_text(said, unquoted(value));
            break;
        case STATUS:
            if (fl_json_u64(value, &status) && status >= 100 && status < 600) {
                said->status = (int)status;
            }
            break;
        case INSIDE:
            if (depth < DEPTH_MAX) {
                parse_in(value, depth + 1, said);
            }
            break;
        case NOTHING:
            break;
        }
    }
}

void fl_failure_parse(struct fl_slice body, struct fl_failure_said *ret_said)
{
    struct fl_json whole;
    *ret_said = (struct fl_failure_said){.status = 0};
    if (fl_json_scan(body, FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK) {
        parse_in(whole, 0, ret_said);
    }
}

/* --- Reading the table --- */

static struct fl_slice lower_first(struct fl_slice text, size_t from, size_t len)
{
    return fl_slice_first(fl_slice_from(text, from), len);
}

static bool contains(struct fl_slice text, struct fl_slice needle)
{
    for (size_t at = 0; at + needle.len <= text.len; at++) {
        if (fl_slice_eq_nocase(lower_first(text, at, needle.len), needle)) {
            return true;
        }
    }
    return false;
}

static bool says(const struct fl_failure_said *said, enum fl_failure_where where, const char *text)
{
    struct fl_slice needle = fl_slice_cstr(text);
    bool silent = said->code_count == 0 && said->text_count == 0;
    bool found = where == FL_FAILURE_ANY || (where == FL_FAILURE_SILENT && silent);
    for (unsigned i = 0; i < said->code_count && where == FL_FAILURE_CODE && !found; i++) {
        found = fl_slice_eq_nocase(said->codes[i], needle);
    }
    for (unsigned i = 0; i < said->text_count && where == FL_FAILURE_STARTS && !found; i++) {
        found = fl_slice_eq_nocase(fl_slice_first(said->texts[i], needle.len), needle);
    }
    for (unsigned i = 0; i < said->text_count && where == FL_FAILURE_TEXT && !found; i++) {
        found = contains(said->texts[i], needle);
    }
    return found;
}

static const struct fl_failure_row *row_in(const struct fl_failure_table *table, int status,
                                           const struct fl_failure_said *said)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct fl_failure_row *row = &table->rows[i];
        bool fits =
            row->status_min == 0 || (status >= row->status_min && status <= row->status_max);
        if (fits && says(said, row->where, row->text)) {
            return row;
        }
    }
    return NULL;
}

/* clang-format off */
#define BY_STATUS(from, to, err)      {(from), (to), FL_FAILURE_ANY, NULL, (err)}
#define BY_CODE(code, err)            {0, 0, FL_FAILURE_CODE, (code), (err)}
#define CODE_AT(from, to, code, err)  {(from), (to), FL_FAILURE_CODE, (code), (err)}
#define STARTS(from, to, text, err)   {(from), (to), FL_FAILURE_STARTS, (text), (err)}
#define CONTAINS(from, to, text, err) {(from), (to), FL_FAILURE_TEXT, (text), (err)}
/* clang-format on */

/* ROUTING.md 2.1, PROTOCOLS.md 0.10 and 8.5. */
static const struct fl_failure_row status_rows[] = {
    BY_STATUS(300, 399, FL_ERR_REDIRECT),
    BY_STATUS(401, 401, FL_ERR_UPSTREAM_AUTH),
    BY_STATUS(402, 402, FL_ERR_QUOTA),
    BY_STATUS(403, 403, FL_ERR_UPSTREAM_FORBIDDEN),
    /* What is not found may be the model, or the path when nobody says a word; else it may be a
     * file or an answer that the request names. */
    CODE_AT(404, 404, "model_not_found", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "model", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "the model", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "the requested model", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "publisher model", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "the API deployment", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "resource not found", FL_ERR_UPSTREAM_MODEL),
    STARTS(404, 404, "no endpoints found", FL_ERR_UPSTREAM_MODEL),
    {404, 404, FL_FAILURE_SILENT, NULL, FL_ERR_UPSTREAM_MODEL},
    BY_STATUS(404, 404, FL_ERR_UPSTREAM_NOT_FOUND),
    BY_STATUS(408, 408, FL_ERR_UPSTREAM_TIMEOUT),
    BY_STATUS(413, 413, FL_ERR_UPSTREAM_CONTEXT),
    BY_STATUS(424, 424, FL_ERR_SERVER), /* Bedrock: the model failed */
    BY_STATUS(425, 425, FL_ERR_UPSTREAM_OVERLOADED),
    BY_STATUS(429, 429, FL_ERR_RATE_LIMITED),
    BY_STATUS(498, 498, FL_ERR_UPSTREAM_OVERLOADED), /* Groq: no capacity for flex */
    BY_STATUS(499, 499, FL_ERR_SERVER),
    BY_STATUS(400, 499, FL_ERR_UPSTREAM_REQUEST),
    BY_STATUS(503, 503, FL_ERR_UPSTREAM_OVERLOADED),
    BY_STATUS(504, 504, FL_ERR_UPSTREAM_TIMEOUT),
    BY_STATUS(522, 522, FL_ERR_UPSTREAM_TIMEOUT),
    BY_STATUS(524, 524, FL_ERR_UPSTREAM_TIMEOUT),
    BY_STATUS(529, 529, FL_ERR_UPSTREAM_OVERLOADED),
    BY_STATUS(500, 599, FL_ERR_SERVER),
    /* an error that came without a status */
    BY_CODE("invalid_request_error", FL_ERR_UPSTREAM_REQUEST),
    BY_CODE("server_error", FL_ERR_SERVER),
    BY_CODE("internal_server_error", FL_ERR_SERVER),
    BY_CODE("api_error", FL_ERR_SERVER),
    BY_CODE("INTERNAL", FL_ERR_SERVER),
};
static const struct fl_failure_table by_status = {status_rows,
                                                  sizeof(status_rows) / sizeof(status_rows[0])};

enum fl_err fl_failure_read(const struct fl_failure_table *table, int status, struct fl_slice body,
                            struct fl_slice extra_code)
{
    struct fl_failure_said said;
    fl_failure_parse(body, &said);
    add_code(&said, fl_slice_first(extra_code, fl_slice_find(extra_code, ':')));
    if (status < 300) {
        status = said.status;
    }
    const struct fl_failure_row *row = row_in(table, status, &said);
    row = row ? row : row_in(&by_status, status, &said);
    return row ? row->err : FL_ERR_ERROR_IN_200;
}

/* --- OpenAI and those who speak like it --- */

static const struct fl_failure_row openai_rows[] = {
    /* Google calls its rates a quota too, in words that OpenAI has for money */
    CODE_AT(429, 429, "RESOURCE_EXHAUSTED", FL_ERR_RATE_LIMITED),
    /* what asks for money: no other request by this key will fare better */
    BY_CODE("insufficient_quota", FL_ERR_QUOTA),
    BY_CODE("billing_hard_limit_reached", FL_ERR_QUOTA),
    BY_CODE("billing_not_active", FL_ERR_QUOTA),
    BY_CODE("billing_error", FL_ERR_QUOTA),
    BY_CODE("credit_balance_exhausted", FL_ERR_QUOTA),
    BY_CODE("insufficient_balance", FL_ERR_QUOTA),
    BY_CODE("insufficient_credits", FL_ERR_QUOTA),
    CONTAINS(429, 429, "exceeded your current quota", FL_ERR_QUOTA),
    CONTAINS(429, 429, "credit balance", FL_ERR_QUOTA),
    CONTAINS(429, 429, "insufficient balance", FL_ERR_QUOTA),
    CONTAINS(429, 429, "spending limit", FL_ERR_QUOTA),
    CONTAINS(429, 429, "spend limit", FL_ERR_QUOTA),
    /* rate, whatever the status; "too many tokens" is also what Bedrock's proxies say for it */
    STARTS(0, 0, "Too many tokens, please wait", FL_ERR_RATE_LIMITED),
    BY_CODE("rate_limit_exceeded", FL_ERR_RATE_LIMITED),
    BY_CODE("rate_limit_error", FL_ERR_RATE_LIMITED),
    BY_CODE("RateLimitReached", FL_ERR_RATE_LIMITED),
    BY_CODE("too_many_requests", FL_ERR_RATE_LIMITED),
    /* too long */
    BY_CODE("context_length_exceeded", FL_ERR_UPSTREAM_CONTEXT),
    BY_CODE("request_too_large", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "maximum context length", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "prompt is too long", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "prompt too long", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "context window", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "context length", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "input tokens exceed", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "input token count", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "too many tokens: size", FL_ERR_UPSTREAM_CONTEXT),
    CONTAINS(400, 422, "too large for model with", FL_ERR_UPSTREAM_CONTEXT),
    /* what it will not talk about */
    BY_CODE("content_filter", FL_ERR_UPSTREAM_POLICY),
    BY_CODE("ResponsibleAIPolicyViolation", FL_ERR_UPSTREAM_POLICY),
    BY_CODE("content_policy_violation", FL_ERR_UPSTREAM_POLICY),
    BY_CODE("moderation_blocked", FL_ERR_UPSTREAM_POLICY),
    BY_CODE("invalid_prompt", FL_ERR_UPSTREAM_POLICY),
    BY_CODE("data_inspection_failed", FL_ERR_UPSTREAM_POLICY),
    CONTAINS(400, 403, "flagged", FL_ERR_UPSTREAM_POLICY),
    CONTAINS(400, 403, "content management policy", FL_ERR_UPSTREAM_POLICY),
    /* not here, not this model, not this key */
    BY_CODE("unsupported_country_region_territory", FL_ERR_UPSTREAM_REGION),
    STARTS(403, 403, "Country, region, or territory not supported", FL_ERR_UPSTREAM_REGION),
    BY_CODE("model_not_found", FL_ERR_UPSTREAM_MODEL),
    BY_CODE("DeploymentNotFound", FL_ERR_UPSTREAM_MODEL),
    BY_CODE("model_decommissioned", FL_ERR_UPSTREAM_MODEL),
    BY_CODE("model_not_available", FL_ERR_UPSTREAM_MODEL),
    BY_CODE("invalid_api_key", FL_ERR_UPSTREAM_AUTH),
    BY_CODE("API_KEY_INVALID", FL_ERR_UPSTREAM_AUTH),
    CODE_AT(400, 401, "authentication_error", FL_ERR_UPSTREAM_AUTH),
    CODE_AT(400, 401, "UNAUTHENTICATED", FL_ERR_UPSTREAM_AUTH),
    STARTS(400, 400, "API key not valid", FL_ERR_UPSTREAM_AUTH),
    STARTS(400, 400, "Incorrect API key provided", FL_ERR_UPSTREAM_AUTH),
    /* its own trouble, whatever the status */
    BY_CODE("overloaded_error", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("engine_overloaded", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("model_overloaded", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("server_overloaded", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("capacity_exceeded", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("UNAVAILABLE", FL_ERR_UPSTREAM_OVERLOADED),
    CONTAINS(500, 599, "overloaded", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("timeout_error", FL_ERR_UPSTREAM_TIMEOUT),
    BY_CODE("DEADLINE_EXCEEDED", FL_ERR_UPSTREAM_TIMEOUT),
};
const struct fl_failure_table fl_failures_openai = {openai_rows,
                                                    sizeof(openai_rows) / sizeof(openai_rows[0])};

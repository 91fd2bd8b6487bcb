/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals of the vendors and what they are; and the rate limits that answers tell of. */
#include "unit/cm.h"

#include "base/buf.h"
#include "dialect/failure.h"
#include "dialect/ratelimit.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

struct refusal {
    int status;
    const char *body;
    enum fl_err err;
};

static const struct refusal refusals[] = {
    /* OpenAI */
    {400,
     "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens.\",\"type\":"
     "\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}",
     FL_ERR_UPSTREAM_CONTEXT},
    {401, "{\"error\":{\"code\":\"invalid_api_key\"}}", FL_ERR_UPSTREAM_AUTH},
    {403, "{\"error\":{\"code\":\"unsupported_country_region_territory\"}}",
     FL_ERR_UPSTREAM_REGION},
    {404, "{\"error\":{\"code\":\"model_not_found\",\"type\":\"invalid_request_error\"}}",
     FL_ERR_UPSTREAM_MODEL},
    {400, "{\"error\":{\"code\":\"model_not_found\",\"type\":\"invalid_request_error\"}}",
     FL_ERR_UPSTREAM_MODEL},
    {429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}",
     FL_ERR_QUOTA},
    {429, "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}",
     FL_ERR_RATE_LIMITED},
    {429, "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan\"}}",
     FL_ERR_QUOTA},
    {400, "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"unsupported_parameter\"}}",
     FL_ERR_UPSTREAM_REQUEST},
    {400, "{\"error\":{\"code\":\"billing_hard_limit_reached\"}}", FL_ERR_QUOTA},
    {409, "{}", FL_ERR_UPSTREAM_REQUEST},
    {422, "{}", FL_ERR_UPSTREAM_REQUEST},
    {413, "", FL_ERR_UPSTREAM_CONTEXT},
    {500, "{\"error\":{\"type\":\"server_error\",\"code\":null}}", FL_ERR_SERVER},
    {503, "{\"error\":{\"message\":\"The engine is currently overloaded\"}}",
     FL_ERR_UPSTREAM_OVERLOADED},
    {503, "{\"error\":{\"type\":\"server_error\",\"code\":null}}", FL_ERR_UPSTREAM_OVERLOADED},
    {408, "{\"error\":{\"type\":\"server_error\",\"code\":null}}", FL_ERR_UPSTREAM_TIMEOUT},
    {0, "{\"error\":{\"type\":\"server_error\",\"code\":null}}", FL_ERR_SERVER},
    {404, "", FL_ERR_UPSTREAM_MODEL},
    {404, "<html>nginx</html>", FL_ERR_UPSTREAM_MODEL},
    {404, "{\"error\":{\"message\":\"The model `x` does not exist\"}}", FL_ERR_UPSTREAM_MODEL},
    {404, "{\"error\":\"model 'x' not found\"}", FL_ERR_UPSTREAM_MODEL},
    {404, "{\"error\":{\"message\":\"No such File object: model\",\"code\":null}}",
     FL_ERR_UPSTREAM_NOT_FOUND},
    {404, "{\"detail\":\"Not Found\"}", FL_ERR_UPSTREAM_NOT_FOUND},
    /* Azure */
    {400,
     "{\"error\":{\"code\":\"content_filter\",\"innererror\":{\"code\":"
     "\"ResponsibleAIPolicyViolation\"}}}",
     FL_ERR_UPSTREAM_POLICY},
    {400, "{\"error\":{\"code\":null,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
     FL_ERR_UPSTREAM_POLICY},
    {200, "{\"error\":{\"code\":\"content_filter\",\"message\":\"filtered\"}}",
     FL_ERR_UPSTREAM_POLICY},
    {401, "{\"error\":{\"code\":\"401\",\"message\":\"Access denied\"}}", FL_ERR_UPSTREAM_AUTH},
    {429, "{\"error\":{\"code\":\"RateLimitReached\"}}", FL_ERR_RATE_LIMITED},
    {404, "{\"error\":{\"code\":\"DeploymentNotFound\"}}", FL_ERR_UPSTREAM_MODEL},
    /* Groq, in a stream and with a prompt too large for the tier */
    {0, "{\"error\":{\"message\":\"bad\",\"status_code\":400}}", FL_ERR_UPSTREAM_REQUEST},
    {413, "{\"error\":{\"message\":\"Request too large\",\"code\":\"rate_limit_exceeded\"}}",
     FL_ERR_RATE_LIMITED},
    {498, "", FL_ERR_UPSTREAM_OVERLOADED},
    {400, "{\"error\":{\"code\":\"model_decommissioned\"}}", FL_ERR_UPSTREAM_MODEL},
    /* OpenRouter: the status as a number, the vendor's own words in metadata.raw */
    {402, "{\"error\":{\"message\":\"Insufficient credits\",\"code\":402}}", FL_ERR_QUOTA},
    {403, "{\"error\":{\"message\":\"Your input was flagged\",\"code\":403}}",
     FL_ERR_UPSTREAM_POLICY},
    {200, "{\"error\":{\"message\":\"Provider returned error\",\"code\":502}}", FL_ERR_SERVER},
    {0, "{\"error\":{\"message\":\"x\",\"code\":429},\"choices\":[]}", FL_ERR_RATE_LIMITED},
    {400,
     "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":"
     "\"prompt is too long: 250000 tokens\"}}}",
     FL_ERR_UPSTREAM_CONTEXT},
    /* DeepSeek, xAI, Mistral, vLLM, llama.cpp */
    {402, "{\"error\":{\"message\":\"Insufficient Balance\"}}", FL_ERR_QUOTA},
    {400,
     "{\"code\":\"Client specified an invalid argument\",\"error\":\"Incorrect API key provided: "
     "x***\"}",
     FL_ERR_UPSTREAM_AUTH},
    {429,
     "{\"object\":\"error\",\"message\":\"Requests rate limit "
     "exceeded\",\"type\":\"rate_limited\"}",
     FL_ERR_RATE_LIMITED},
    {400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096\"}",
     FL_ERR_UPSTREAM_CONTEXT},
    {503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
     FL_ERR_UPSTREAM_OVERLOADED},
    /* Gemini's compatible side, as an array too; Anthropic's words through a proxy; Bedrock's */
    {400,
     "[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\","
     "\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}]",
     FL_ERR_UPSTREAM_AUTH},
    {429,
     "[{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please check your "
     "plan\",\"status\":\"RESOURCE_EXHAUSTED\"}}]",
     FL_ERR_RATE_LIMITED},
    {529,
     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     FL_ERR_UPSTREAM_OVERLOADED},
    {500,
     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     FL_ERR_UPSTREAM_OVERLOADED},
    {0, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
     FL_ERR_UPSTREAM_OVERLOADED},
    {400, "{\"message\":\"Too many tokens, please wait before trying again.\"}",
     FL_ERR_RATE_LIMITED},
    {400, "{\"message\":\"too many tokens: size 9000 exceeds 8192\"}", FL_ERR_UPSTREAM_CONTEXT},
    /* No JSON at all */
    {502, "<html>Bad gateway</html>", FL_ERR_SERVER},
    {520, "<html>", FL_ERR_SERVER},
    {524, "<html>", FL_ERR_UPSTREAM_TIMEOUT},
    {504, "", FL_ERR_UPSTREAM_TIMEOUT},
    {408, "", FL_ERR_UPSTREAM_TIMEOUT},
    {403, "", FL_ERR_UPSTREAM_FORBIDDEN},
    {302, "", FL_ERR_REDIRECT},
    {418, "", FL_ERR_UPSTREAM_REQUEST},
    {200, "{\"error\":{\"message\":\"hm\"}}", FL_ERR_ERROR_IN_200},
    {0, "not json", FL_ERR_ERROR_IN_200},
};

static void refusals_are_what_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        enum fl_err err =
            fl_failure_read(&fl_failures_openai, r->status, fl_slice_cstr(r->body), FL_EMPTY);
        if (err != r->err) {
            fail_msg("%d %s: %s, not %s", r->status, r->body, fl_err_name(err),
                     fl_err_name(r->err));
        }
    }
    assert_int_equal(fl_failure_read(&fl_failures_openai, 400, FL_LIT("{}"),
                                     FL_LIT("overloaded_error:http://x")),
                     FL_ERR_UPSTREAM_OVERLOADED);
}

/* What a client wrote and the provider quotes must not look like the provider's own words. */
static void quotes_of_a_prompt_accuse_nobody(void **state)
{
    (void)state;
    static const char *const words[] = {
        "insufficient_quota",         "invalid_api_key",     "model_not_found",
        "API key not valid",          "overloaded_error",    "You exceeded your current quota",
        "Incorrect API key provided", "rate_limit_exceeded", "Too many tokens, please wait",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char body[400];
        struct fl_buf b;
        fl_buf_init_in(&b, body, sizeof(body));
        fl_buf_put_cstr(&b, "{\"error\":{\"message\":\"Invalid value: '");
        fl_buf_put_cstr(&b, words[i]);
        fl_buf_put_cstr(&b, "'\",\"type\":\"invalid_request_error\",\"param\":\"\\\"code\\\":\\\"");
        fl_buf_put_cstr(&b, words[i]);
        fl_buf_put_cstr(&b, "\\\"\",\"code\":\"invalid_value\"},\"request\":{\"code\":\"");
        fl_buf_put_cstr(&b, words[i]);
        fl_buf_put_cstr(&b, "\"}}");
        assert_true(fl_buf_ok(&b));
        assert_int_equal(fl_failure_read(&fl_failures_openai, 400, fl_buf_slice(&b), FL_EMPTY),
                         FL_ERR_UPSTREAM_REQUEST);
    }
}

static void bodies_of_any_shape_are_read(void **state)
{
    (void)state;
    char deep[4096];
    size_t n = 0;
    for (unsigned i = 0; i < 60; i++) {
        memcpy(deep + n, "{\"error\":", 9);
        n += 9;
    }
    memcpy(deep + n, "1", 1);
    n++;
    for (unsigned i = 0; i < 60; i++) {
        deep[n++] = '}';
    }
    assert_int_equal(fl_failure_read(&fl_failures_openai, 500, fl_slice(deep, n), FL_EMPTY),
                     FL_ERR_SERVER);
    const char many[] = "[{\"code\":\"a\"},{\"code\":\"b\"},{\"code\":\"c\"},{\"code\":\"d\"},"
                        "{\"code\":\"e\"},{\"code\":\"f\"},{\"code\":\"g\"},{\"code\":\"h\"},"
                        "{\"code\":\"i\"},{\"message\":\"1\"},{\"message\":\"2\"},"
                        "{\"message\":\"3\"},{\"message\":\"4\"},{\"code\":\"model_not_found\"}]";
    assert_int_equal(fl_failure_read(&fl_failures_openai, 400, FL_LIT(many), FL_EMPTY),
                     FL_ERR_UPSTREAM_REQUEST); /* beyond what is read of a body */
}

/* --- Rate limits --- */

#define NOW (UINT64_C(1785585600) * S) /* 2026-08-01T12:00:00Z */

static void field(struct fl_rates *r, const char *name, const char *value)
{
    fl_ratelimit_field(r, fl_slice_cstr(name), fl_slice_cstr(value), NOW);
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"6ms", 6 * MS},
                {"1s", S},
                {"6m0s", 360 * S},
                {"114h18m0s", 411480 * S},
                {"2m59.56s", 179560 * MS},
                {"1.5", 1500 * MS},
                {"0", 0},
                {"60", 60 * S},
                {"17.6s", 17600 * MS},
                {"1d2h", 93600 * S},
                {"500us", 500000},
                {"  3s ", 3 * S},
                {"0.0000000019s", 1},
                {"48s", 48 * S}};
    static const char *const bad[] = {
        "", "s", "1x", "-1s", "1s2", "1..5s", ".5s", "1 s", "ms5", "1234567890123456s", "abc"};
    uint64_t ns;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(fl_duration_parse(fl_slice_cstr(good[i].text), &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (fl_duration_parse(fl_slice_cstr(bad[i]), &ns)) {
            fail_msg("'%s' is no duration", bad[i]);
        }
    }
    assert_true(fl_duration_parse(FL_LIT("999999999999999h"), &ns)); /* a year at most */
    assert_int_equal(ns, UINT64_C(366) * 86400 * S);
}

static void dates_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t s;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-08-01T12:00:00Z", 1785585600},
                {"2026-08-01T14:00:00+02:00", 1785585600},
                {"2026-08-01T10:30:00-01:30", 1785585600},
                {"2024-02-29T23:59:59Z", 1709251199},
                {"2000-03-01T00:00:00Z", 951868800},
                {"Sat, 01 Aug 2026 12:00:00 GMT", 1785585600},
                {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777}};
    static const char *const bad[] = {"",
                                      "2026-08-01",
                                      "2026-13-01T00:00:00Z",
                                      "2026-08-01T25:00:00Z",
                                      "2026-08-01T12:00:00",
                                      "2026-08-01T12:00:00+",
                                      "2026-08-01T12:00:00Zx",
                                      "1970-01-01T00:00:00+02:00",
                                      "Sat, 01 Foo 2026 12:00:00 GMT",
                                      "Sat, 01 Aug 2026 12:00:00 PST",
                                      "Sat,"};
    uint64_t ns;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!fl_date_parse(fl_slice_cstr(good[i].text), &ns) || ns != good[i].s * S) {
            fail_msg("'%s': %llu", good[i].text, (unsigned long long)(ns / S));
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (fl_date_parse(fl_slice_cstr(bad[i]), &ns)) {
            fail_msg("'%s' is no date", bad[i]);
        }
    }
    assert_true(fl_date_parse(FL_LIT("2026-08-01T12:00:00.25Z"), &ns));
    assert_int_equal(ns, NOW + 250 * MS);
}

static void assert_rate(const struct fl_rates *r, enum fl_rate_kind kind, uint64_t limit,
                        uint64_t remaining, uint64_t reset_ns)
{
    assert_true(r->given);
    assert_true(r->of[kind].limit_given && r->of[kind].remaining_given && r->of[kind].reset_given);
    assert_int_equal(r->of[kind].limit, limit);
    assert_int_equal(r->of[kind].remaining, remaining);
    assert_int_equal(r->of[kind].reset_ns, reset_ns);
}

static void every_vendors_headers_are_read(void **state)
{
    (void)state;
    struct fl_rates r = {.given = false};
    field(&r, "content-type", "application/json");
    field(&r, "x-request-id", "1");
    assert_false(r.given);
    field(&r, "X-RateLimit-Limit-Requests", "60");
    field(&r, "x-ratelimit-remaining-requests", "59");
    field(&r, "x-ratelimit-reset-requests", "1s");
    field(&r, "x-ratelimit-limit-tokens", "150000");
    field(&r, "x-ratelimit-remaining-tokens", "149984");
    field(&r, "x-ratelimit-reset-tokens", "6m0s");
    field(&r, "x-ratelimit-limit-project-tokens", "1000");
    field(&r, "x-ratelimit-remaining-project-tokens", "10");
    field(&r, "x-ratelimit-reset-project-tokens", "2m59.56s");
    assert_rate(&r, FL_RATE_REQUESTS, 60, 59, S);
    assert_rate(&r, FL_RATE_TOKENS, 150000, 149984, 360 * S);
    assert_rate(&r, FL_RATE_TOKENS_PROJECT, 1000, 10, 179560 * MS);
    assert_false(r.retry_after_given || r.retry_said);

    struct fl_rates a = {.given = false};
    field(&a, "anthropic-ratelimit-requests-limit", "50");
    field(&a, "anthropic-ratelimit-requests-remaining", "49");
    field(&a, "anthropic-ratelimit-requests-reset", "2026-08-01T12:00:30Z");
    field(&a, "anthropic-ratelimit-input-tokens-limit", "50000");
    field(&a, "anthropic-ratelimit-input-tokens-remaining", "0");
    field(&a, "anthropic-ratelimit-input-tokens-reset", "2026-08-01T12:01:00Z");
    field(&a, "anthropic-ratelimit-output-tokens-limit", "10000");
    field(&a, "anthropic-ratelimit-output-tokens-remaining", "9000");
    field(&a, "anthropic-ratelimit-output-tokens-reset", "2026-08-01T11:00:00Z"); /* past */
    field(&a, "anthropic-ratelimit-unified-status", "allowed");
    field(&a, "retry-after", "30");
    assert_rate(&a, FL_RATE_REQUESTS, 50, 49, 30 * S);
    assert_rate(&a, FL_RATE_TOKENS_IN, 50000, 0, 60 * S);
    assert_rate(&a, FL_RATE_TOKENS_OUT, 10000, 9000, 0);
    assert_int_equal(a.retry_after_ns, 30 * S);

    struct fl_rates o = {.given = false}; /* OpenRouter: ms since 1970; Cerebras, Mistral, Azure */
    field(&o, "x-ratelimit-limit", "20");
    field(&o, "x-ratelimit-remaining", "0");
    field(&o, "x-ratelimit-reset", "1785585660000");
    field(&o, "x-ratelimit-limit-requests-day", "14400");
    field(&o, "x-ratelimit-remaining-requests-day", "14399");
    field(&o, "x-ratelimit-reset-requests-day", "33011.38");
    field(&o, "x-ratelimit-limit-tokens-minute", "60000");
    field(&o, "x-ratelimit-remaining-tokens-minute", "-1");
    field(&o, "x-ratelimit-reset-tokens-minute", "1785585630");
    field(&o, "x-ratelimit-limit-tokens-day", "9");
    field(&o, "x-ratelimit-remaining-tokens-day", "8");
    field(&o, "x-ratelimit-renewalperiod-tokens-day", "60");
    assert_rate(&o, FL_RATE_TOKENS_DAY, 9, 8, 60 * S);
    assert_rate(&o, FL_RATE_REQUESTS, 20, 0, 60 * S);
    assert_rate(&o, FL_RATE_REQUESTS_DAY, 14400, 14399, 33011380 * MS);
    assert_rate(&o, FL_RATE_TOKENS, 60000, 0, 30 * S);
}

static void pauses_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        uint64_t ns;
    } pauses[] = {{"Retry-After", "7", 7 * S},
                  {"retry-after", "0.5", 500 * MS},
                  {"retry-after", "Sat, 01 Aug 2026 12:00:05 GMT", 5 * S},
                  {"retry-after", "Sat, 01 Aug 2026 11:00:00 GMT", 0},
                  {"retry-after-ms", "1250", 1250 * MS},
                  {"retry-after-ms", "0.5", 500000},
                  {"retry-after", "99999999", UINT64_C(366) * 86400 * S}};
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        struct fl_rates r = {.given = false};
        field(&r, pauses[i].name, pauses[i].value);
        assert_true(r.retry_after_given);
        assert_int_equal(r.retry_after_ns, pauses[i].ns);
    }
    struct fl_rates r = {.given = false};
    field(&r, "retry-after", "soon");
    field(&r, "retry-after-ms", "");
    field(&r, "x-should-retry", "perhaps");
    assert_false(r.retry_after_given || r.retry_said);
    field(&r, "retry-after", "2");
    field(&r, "retry-after-ms", "1700"); /* the finer one, in either order */
    field(&r, "retry-after", "2");
    assert_int_equal(r.retry_after_ns, 1700 * MS);
    field(&r, "x-should-retry", "false");
    assert_true(r.retry_said && !r.retry);
    field(&r, "x-should-retry", " true");
    assert_true(r.retry_said && r.retry);
}

static void bodies_say_when(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool given;
        uint64_t ns;
    } bodies[] = {
        {"{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":"
         "\"48s\"}]}",
         true, 48 * S},
        {"{\"retryDelay\": \"3.5s\"}", true, 3500 * MS},
        {"Rate limit reached. Please try again in 2m59.56s. Visit ...", true, 179560 * MS},
        {"Please try again in 6ms.", true, 6 * MS},
        {"Please try again in a moment.", false, 0},
        {"{}", false, 0},
        {"Please try again in ", false, 0}};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct fl_rates r = {.given = false};
        fl_ratelimit_body(&r, fl_slice_cstr(bodies[i].body));
        assert_int_equal(r.retry_after_given, bodies[i].given);
        assert_int_equal(r.retry_after_ns, bodies[i].ns);
    }
    struct fl_rates r = {.given = false};
    field(&r, "retry-after", "1");
    fl_ratelimit_body(&r, FL_LIT("{\"retryDelay\":\"48s\"}")); /* a header came first */
    assert_int_equal(r.retry_after_ns, S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_what_they_are),
        cmocka_unit_test(quotes_of_a_prompt_accuse_nobody),
        cmocka_unit_test(bodies_of_any_shape_are_read),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(every_vendors_headers_are_read),
        cmocka_unit_test(pauses_are_read),
        cmocka_unit_test(bodies_say_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The same-dialect path: what is read of requests, answers, events and refusals, and that bytes
 * stay. */
#include "unit/cm.h"

#include "dialect/dialect.h"

#include <stdio.h>

static char decoded[256];
static struct fl_buf scratch;

static enum fl_err read(const char *body, struct fl_facts *facts, struct fl_reterr *reterr)
{
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    return fl_dialect_anthropic.read_request(FL_ENDPOINT_MESSAGES, fl_slice_cstr(body), &scratch,
                                             facts, reterr);
}

static void facts_are_read(void **state)
{
    (void)state;
    struct fl_facts f;
    struct fl_reterr e;
    assert_int_equal(
        read("{\"max_tokens\":12,\"stream\":true,\"model\":\"claude-x\",\"messages\":[]}", &f, &e),
        FL_OK);
    assert_slice(f.model, "claude-x");
    assert_true(f.stream && f.usage_asked);
    assert_int_equal(f.tokens_out_max, 12);
    assert_int_equal(fl_dialect_anthropic.read_request(
                         FL_ENDPOINT_COUNT_TOKENS,
                         FL_LIT("{\"stream\":true,\"model\":\"m\",\"messages\":[]}"), &scratch, &f,
                         &e),
                     FL_OK);
    assert_false(f.stream); /* there is nothing to stream */
}

static void bad_requests_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum fl_err err;
        const char *says;
    } cases[] = {
        {"{}", FL_ERR_REQUEST, "model: field required"},
        {"{\"model\":1}", FL_ERR_JSON_TYPE, "model: must be a string"},
        {"{\"model\":\"\"}", FL_ERR_REQUEST, "1 to 256 bytes"},
        {"{\"model\":\"m\",\"stream\":1}", FL_ERR_JSON_TYPE, "stream: must be true or false"},
        {"{\"model\":\"m\",\"system\":\"a\",\"s\\u0079stem\":\"b\"}", FL_ERR_JSON_DUPLICATE,
         "system"},
        {"[]", FL_ERR_JSON_TYPE, "must be a JSON object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_facts f;
        struct fl_reterr e = {0};
        assert_int_equal(read(cases[i].body, &f, &e), cases[i].err);
        assert_non_null(strstr(e.message, cases[i].says));
    }
}

static void only_the_model_is_replaced(void **state)
{
    (void)state;
    static const char before[] = "{ \"betas\" : [1.0,  18446744073709551616],\"model\":\"";
    static const char after[] =
        "\" "
        ",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
        "\"\\u00e9\","
        "\"signature\":\"Eq/+=\"},{\"type\":\"block_of_tomorrow\",\"x\":[]}]}] }";
    char body[512], text[512], names[64];
    struct fl_facts f;
    struct fl_reterr e;
    struct fl_buf storage;
    struct fl_request_body out;
    size_t len = 0;
    (void)snprintf(body, sizeof(body), "%sours%s", before, after);
    assert_int_equal(read(body, &f, &e), FL_OK);
    fl_buf_init_in(&storage, names, sizeof(names));
    fl_dialect_anthropic.write_request(&f, FL_LIT("th\"eirs"), (struct fl_request_wishes){0}, &storage, &out);
    for (unsigned i = 0; i < out.count; i++) {
        memcpy(text + len, out.pieces[i].ptr, out.pieces[i].len);
        len += out.pieces[i].len;
    }
    text[len] = '\0';
    (void)snprintf(body, sizeof(body), "%sth\\\"eirs%s", before, after);
    assert_string_equal(text, body);
    assert_int_equal(len, out.bytes);
}

/* --- Texts --- */

struct heard {
    char text[1024];
    size_t len;
};

static void on_message(void *owner, enum fl_role role)
{
    static const char letters[] = "SUATD";
    struct heard *h = owner;
    h->len += (size_t)snprintf(h->text + h->len, sizeof(h->text) - h->len, "|%c:", letters[role]);
}

static void on_text(void *owner, struct fl_slice piece)
{
    struct heard *h = owner;
    memcpy(h->text + h->len, piece.ptr, piece.len);
    h->len += piece.len;
    h->text[h->len] = '\0';
}

static void texts_are_told_by_who_says_them(void **state)
{
    (void)state;
    struct heard h = {{0}, 0};
    struct fl_text_sink sink = {&h, on_message, on_text};
    struct fl_facts f;
    struct fl_reterr e;
    struct fl_needs needs;
    assert_int_equal(
        read("{\"model\":\"m\",\"tools\":[{\"name\":\"t\"}],\"system\":[{\"type\":\"text\","
             "\"text\":\"be\"}],"
             "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}},"
             "\"messages\":[{\"role\":\"user\",\"content\":\"hi\\u0021\"},"
             "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},"
             "{\"type\":\"tool_use\",\"name\":\"t\",\"input\":{\"a\":1}}]},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":"
             "\"text\",\"text\":"
             "\"res\"},{\"type\":\"image\",\"source\":{}}]},{\"type\":\"text\",\"text\":\"go\"},"
             "{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"doc\"}},"
             "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"data\":\"xx\"}}]}]}",
             &f, &e),
        FL_OK);
    fl_dialect_anthropic.read_texts(&f, &sink, &needs);
    assert_string_equal(
        h.text, "|D:[{\"name\":\"t\"}]|D:{\"type\":\"json_schema\",\"schema\":{}}|S:be|U:hi!"
                "|A:t{\"a\":1}|U:|T:res|U:godoc");
    assert_true(needs.tools && needs.vision && needs.json_schema && !needs.audio);
    assert_int_equal(needs.images, 1);
    assert_int_equal(needs.files, 1);
}

/* --- Answers --- */

static void answers_are_told_from_errors(void **state)
{
    (void)state;
    struct fl_usage u = {0};
    assert_int_equal(
        fl_dialect_anthropic.read_answer(
            FL_LIT("{\"type\":\"message\",\"content\":[],\"usage\":{\"input_tokens\":3,"
                   "\"cache_read_input_tokens\":4,\"output_tokens\":5}}"),
            &u),
        FL_OK);
    assert_int_equal(u.tokens_in, 7);
    assert_int_equal(u.tokens_cached, 4);
    assert_int_equal(u.tokens_out, 5);
    assert_int_equal(fl_dialect_anthropic.read_answer(FL_LIT("{\"input_tokens\":9}"), &u), FL_OK);
    assert_int_equal(fl_dialect_anthropic.read_answer(
                         FL_LIT("{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}"), &u),
                     FL_ERR_ERROR_IN_200);
    assert_int_equal(fl_dialect_anthropic.read_answer(FL_LIT("{}"), &u), FL_ERR_BAD_RESPONSE);
    assert_int_equal(fl_dialect_anthropic.read_answer(FL_LIT("<html>"), &u), FL_ERR_BAD_RESPONSE);
}

static struct fl_event_facts event(const char *name, const char *data, bool check,
                                   struct fl_usage *u)
{
    struct fl_event_facts facts;
    struct fl_sse_event in = {
        .name = fl_slice_cstr(name), .data = fl_slice_cstr(data), .data_lines = 1};
    fl_dialect_anthropic.read_event(FL_ENDPOINT_MESSAGES, &in, check, &facts, u);
    return facts;
}

static void events_are_known(void **state)
{
    (void)state;
    struct fl_usage u = {0};
    struct fl_event_facts f =
        event("message_start",
              "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,"
              "\"output_tokens\":1}}}",
              true, &u);
    assert_true(f.valid && !f.content && f.kind == FL_EVENT_OTHER);
    assert_int_equal(u.tokens_in, 10);
    f = event("ping", "{\"type\":\"ping\"}", true, &u);
    assert_true(f.valid && !f.content);
    f = event("content_block_delta", "{\"type\":\"content_block_delta\"}", true, &u);
    assert_true(f.valid && f.content);
    f = event("content_block_delta", "not looked at", false, &u);
    assert_true(f.valid && f.kind == FL_EVENT_OTHER);
    f = event("content_block_delta", "not JSON", true, &u);
    assert_false(f.valid);
    /* cumulative: replaced, and only what is there */
    f = event("", "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":20}}", false, &u);
    assert_true(f.valid && !f.finish);
    assert_int_equal(u.tokens_in, 10);
    assert_int_equal(u.tokens_out, 20);
    f = event("message_delta",
              "{\"type\":\"message_delta\",\"usage\":{\"input_tokens\":400,\"output_tokens\":21}}",
              false, &u);
    assert_int_equal(u.tokens_in, 400);
    assert_int_equal(u.tokens_out, 21);
    assert_int_equal(event("message_stop", "{\"type\":\"message_stop\"}", false, &u).kind,
                     FL_EVENT_DONE);
    assert_int_equal(event("", "{\"type\":\"message_stop\"}", false, &u).kind, FL_EVENT_DONE);
    assert_int_equal(event("error", "{\"type\":\"error\",\"error\":{}}", true, &u).kind,
                     FL_EVENT_ERROR);
    assert_int_equal(event("", "{\"error\":{\"message\":\"x\"}}", true, &u).kind, FL_EVENT_ERROR);
    assert_int_equal(event("error", "boom", false, &u).kind, FL_EVENT_ERROR);
}

/* --- Errors --- */

static void refusals_are_classed(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type, *message;
        enum fl_err err;
    } cases[] = {
        {400, "invalid_request_error", "messages: required", FL_ERR_UPSTREAM_REQUEST},
        {400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum",
         FL_ERR_UPSTREAM_CONTEXT},
        {400, "invalid_request_error", "Your credit balance is too low to access", FL_ERR_QUOTA},
        {401, "authentication_error", "invalid x-api-key", FL_ERR_UPSTREAM_AUTH},
        {402, "billing_error", "pay", FL_ERR_QUOTA},
        {403, "permission_error", "no", FL_ERR_UPSTREAM_FORBIDDEN},
        {404, "not_found_error", "model: x", FL_ERR_UPSTREAM_MODEL},
        {413, "request_too_large", "big", FL_ERR_UPSTREAM_CONTEXT},
        {429, "rate_limit_error", "slow", FL_ERR_RATE_LIMITED},
        {500, "api_error", "oops", FL_ERR_SERVER},
        {504, "timeout_error", "late", FL_ERR_UPSTREAM_TIMEOUT},
        {529, "overloaded_error", "Overloaded", FL_ERR_UPSTREAM_OVERLOADED},
        {503, "overloaded_error", "Overloaded", FL_ERR_UPSTREAM_OVERLOADED},
        {200, "overloaded_error", "Overloaded", FL_ERR_UPSTREAM_OVERLOADED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[256];
        int len = snprintf(body, sizeof(body),
                           "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"}}",
                           cases[i].type, cases[i].message);
        assert_int_equal(
            fl_dialect_anthropic.read_error(cases[i].status, fl_slice(body, (size_t)len)),
            cases[i].err);
    }
    assert_int_equal(fl_dialect_anthropic.read_error(502, FL_LIT("<html>bad gateway</html>")),
                     FL_ERR_SERVER);
    assert_int_equal(fl_dialect_anthropic.read_error(529, FL_EMPTY), FL_ERR_UPSTREAM_OVERLOADED);
}

static void errors_have_the_dialects_words(void **state)
{
    (void)state;
    char text[512];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    struct fl_envelope envelope = {.message = FL_LIT("all \"busy\"")};
    fl_dialect_anthropic.put_error(&b, FL_ERR_UPSTREAM_OVERLOADED, &envelope);
    assert_slice(fl_buf_slice(&b), "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                                   "\"message\":\"all \\\"busy\\\"\","
                                   "\"fairlead\":{\"code\":\"provider_overloaded\"}}}");
    static const struct {
        enum fl_err err;
        const char *type;
    } cases[] = {
        {FL_ERR_AUTH, "authentication_error"},     {FL_ERR_REQUEST, "invalid_request_error"},
        {FL_ERR_MODEL_UNKNOWN, "not_found_error"}, {FL_ERR_RATE_LIMITED, "rate_limit_error"},
        {FL_ERR_BODY_LONG, "request_too_large"},   {FL_ERR_IDLE, "timeout_error"},
        {FL_ERR_DENIED, "permission_error"},       {FL_ERR_RESET, "api_error"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fl_buf_reset(&b);
        fl_dialect_anthropic.put_error(&b, cases[i].err, &envelope);
        assert_true(fl_slice_find_text(fl_buf_slice(&b), fl_slice_cstr(cases[i].type)) < b.len);
    }
    fl_buf_reset(&b);
    envelope = (struct fl_envelope){.message = FL_LIT("m"),
                                    .param = FL_LIT("p"),
                                    .attempts = FL_LIT("[]"),
                                    .request_id = FL_LIT("req-1")};
    fl_dialect_anthropic.put_error(&b, FL_ERR_REQUEST, &envelope);
    assert_slice(
        fl_buf_slice(&b),
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\","
        "\"fairlead\":{\"code\":\"caller_invalid_request\",\"param\":\"p\",\"attempts\":[]}},"
        "\"request_id\":\"req-1\"}");
}

static void bedrock_asks_by_path(void **state)
{
    (void)state;
    char text[256];
    struct fl_buf b;
    struct fl_ask ask = {.endpoint = FL_ENDPOINT_CHAT,
                         .model = FL_LIT("us.anthropic.claude-x-v1:0")};
    fl_buf_init_in(&b, text, sizeof(text));
    fl_dialect_bedrock.put_path(&ask, &b);
    assert_slice(fl_buf_slice(&b), "/model/us.anthropic.claude-x-v1%3A0/converse");
    ask.stream = true;
    ask.endpoint = FL_ENDPOINT_MESSAGES;
    ask.model = FL_LIT("arn:aws:bedrock:us-east-1:1:inference-profile/m");
    fl_buf_reset(&b);
    fl_dialect_bedrock.put_path(&ask, &b);
    assert_slice(fl_buf_slice(&b),
                 "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fm/"
                 "invoke-with-response-stream");
    assert_int_equal(fl_dialect_bedrock.read_error(
                         429, FL_LIT("{\"message\":\"Too many tokens, please wait\"}")),
                     FL_ERR_RATE_LIMITED);
    assert_int_equal(
        fl_dialect_bedrock.read_error(
            400, FL_LIT("{\"message\":\"The model returned: prompt is too long: 9 > 8\"}")),
        FL_ERR_UPSTREAM_CONTEXT);
    assert_int_equal(
        fl_dialect_bedrock.read_error(403, FL_LIT("{\"__type\":\"ExpiredTokenException\"}")),
        FL_ERR_UPSTREAM_AUTH);
    assert_int_equal(fl_dialect_bedrock.read_error(424, FL_LIT("{\"message\":\"model\"}")),
                     FL_ERR_SERVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_read),
        cmocka_unit_test(bad_requests_say_why),
        cmocka_unit_test(only_the_model_is_replaced),
        cmocka_unit_test(texts_are_told_by_who_says_them),
        cmocka_unit_test(answers_are_told_from_errors),
        cmocka_unit_test(events_are_known),
        cmocka_unit_test(refusals_are_classed),
        cmocka_unit_test(errors_have_the_dialects_words),
        cmocka_unit_test(bedrock_asks_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "dialect/dialect.h"

static char decoded[256];
static struct fl_buf scratch;

static enum fl_err read(const char *body, struct fl_facts *facts, struct fl_reterr *reterr)
{
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    return fl_dialect_openai.read_request(FL_ENDPOINT_CHAT, fl_slice_cstr(body), &scratch, facts, reterr);
}

/* The upstream body for *body* with the model replaced. */
static const char *written_by(const char *body, const char *model, struct fl_request_wishes wishes)
{
    static char text[2048];
    char names[256];
    struct fl_facts facts;
    struct fl_reterr reterr;
    struct fl_buf storage;
    struct fl_request_body out;
    size_t len = 0;
    fl_buf_init_in(&storage, names, sizeof(names));
    assert_int_equal(read(body, &facts, &reterr), FL_OK);
    fl_dialect_openai.write_request(&facts, fl_slice_cstr(model), wishes, &storage, &out);
    for (unsigned i = 0; i < out.count; i++) {
        memcpy(text + len, out.pieces[i].ptr, out.pieces[i].len);
        len += out.pieces[i].len;
    }
    assert_int_equal(len, out.bytes);
    text[len] = '\0';
    return text;
}

static const char *written(const char *body, const char *model, bool ask_usage)
{
    return written_by(body, model, (struct fl_request_wishes){.ask_usage = ask_usage});
}

static void what_is_asked_of_a_router_is_taken_out_for_others(void **state)
{
    static const char both[] = "{\"models\":[\"a\",\"b\"],\"model\":\"m\",\"provider\":{\"order\":[\"x\"]},\"n\":1}";
    const struct fl_request_wishes keep = {.keep_extensions = true}, usage = {.ask_usage = true};
    struct fl_facts f;
    struct fl_reterr e;
    (void)state;
    assert_string_equal(written(both, "n", false), "{\"model\":\"n\",\"n\":1}");
    assert_string_equal(written_by(both, "m", keep), both);
    assert_string_equal(written("{\"model\":\"m\",\"n\":1,\"provider\":{},\"models\":[]}", "m", false),
                        "{\"model\":\"m\",\"n\":1}");
    /* The first of the list is meant where no model is named. */
    assert_int_equal(read("{\"provider\":{},\"models\":[\"a\",\"b\"],\"stream\":true}", &f, &e), FL_OK);
    assert_slice(f.model, "a");
    assert_string_equal(written_by("{ \"models\":[\"a\",\"b\"],\"stream\":true,\"provider\":{}}", "n", usage),
                        "{\"stream_options\":{\"include_usage\":true}, \"model\":\"n\",\"stream\":true}");
    assert_int_equal(read("{\"models\":[]}", &f, &e), FL_ERR_REQUEST);
    assert_int_equal(read("{\"models\":[7]}", &f, &e), FL_ERR_JSON_TYPE);
    /* Something else under these names is the provider's to judge. */
    assert_string_equal(written("{\"model\":\"m\",\"models\":\"a\",\"provider\":\"x\"}", "m", false),
                        "{\"model\":\"m\",\"models\":\"a\",\"provider\":\"x\"}");
}

static void facts_are_read(void **state)
{
    (void)state;
    struct fl_facts f;
    struct fl_reterr e;
    assert_int_equal(read("{\"max_tokens\":12,\"stream\":true,\"model\":\"a\\u002fb\",\"stream_options\":"
                          "{\"include_usage\":true}}", &f, &e), FL_OK);
    assert_slice(f.model, "a/b");
    assert_true(f.stream);
    assert_true(f.usage_asked);
    assert_int_equal(f.tokens_out_max, 12);
    assert_int_equal(read("{\"model\":\"m\",\"stream\":null}", &f, &e), FL_OK);
    assert_false(f.stream);
}

static void bad_requests_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum fl_err err;
        const char *says;
    } cases[] = {
        {"{}", FL_ERR_REQUEST, "'model' is missing"},
        {"{\"model\":1}", FL_ERR_JSON_TYPE, "'model' must be a string"},
        {"{\"model\":\"\"}", FL_ERR_REQUEST, "1 to 256 bytes"},
        {"{\"model\":\"m\",\"stream\":\"yes\"}", FL_ERR_JSON_TYPE, "'stream' must be true or false"},
        {"{\"model\":\"m\",\"mod\\u0065l\":\"n\"}", FL_ERR_JSON_DUPLICATE, "model"},
        {"{\"model\":\"m\",\"stream\":true,\"stream\":false}", FL_ERR_JSON_DUPLICATE, "stream"},
        {"{\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"include_usage\":false}}",
         FL_ERR_JSON_DUPLICATE, "include_usage"},
        {"[]", FL_ERR_JSON_TYPE, "must be a JSON object"},
        {"{\"model\":\"m\"", FL_ERR_JSON_SYNTAX, ""},
        {"{\"model\":\"\xff\"}", FL_ERR_JSON_UTF8, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_facts f;
        struct fl_reterr e = {0};
        assert_int_equal(read(cases[i].body, &f, &e), cases[i].err);
        assert_non_null(strstr(e.message, cases[i].says));
    }
}

static void only_what_must_differ_is_replaced(void **state)
{
    (void)state;
    const char *body = "{ \"x\" : 1.0e0 ,\"model\" : \"auto\", \"seed\":12345678901234567890}";
    assert_string_equal(written(body, "auto", true), body);
    assert_string_equal(written(body, "g\"4", true),
                        "{ \"x\" : 1.0e0 ,\"model\" : \"g\\\"4\", \"seed\":12345678901234567890}");
}

static void usage_is_asked_for_streams(void **state)
{
    (void)state;
    assert_string_equal(written("{\"model\":\"m\",\"stream\":true}", "n", true),
                        "{\"stream_options\":{\"include_usage\":true},\"model\":\"n\",\"stream\":true}");
    assert_string_equal(written("{\"model\":\"m\",\"stream\":true}", "m", false), "{\"model\":\"m\",\"stream\":true}");
    assert_string_equal(written("{\"model\":\"m\",\"stream\":true,\"stream_options\":null}", "m", true),
                        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assert_string_equal(written("{\"model\":\"m\",\"stream\":true,\"stream_options\":{ }}", "m", true),
                        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true }}");
    assert_string_equal(written("{\"stream_options\":{\"a\":1},\"stream\":true,\"model\":\"m\"}", "n", true),
                        "{\"stream_options\":{\"include_usage\":true,\"a\":1},\"stream\":true,\"model\":\"n\"}");
    assert_string_equal(
        written("{\"stream_options\":{\"include_usage\":false},\"stream\":true,\"model\":\"m\"}", "m", true),
        "{\"stream_options\":{\"include_usage\":true},\"stream\":true,\"model\":\"m\"}");
    assert_string_equal(written("{\"model\":\"m\"}", "m", true), "{\"model\":\"m\"}");
}

static struct fl_event_facts event(enum fl_endpoint endpoint, const char *data, struct fl_usage *usage)
{
    struct fl_event_facts facts;
    struct fl_event_facts quick;
    struct fl_usage same = *usage;
    struct fl_sse_event in = {.data = fl_slice_cstr(data), .data_lines = 1};
    fl_dialect_openai.read_event(endpoint, &in, false, &quick, &same);
    fl_dialect_openai.read_event(endpoint, &in, true, &facts, usage);
    assert_int_equal(quick.kind, facts.kind); /* the quick look sees what the whole one sees */
    assert_int_equal(quick.finish, facts.finish);
    assert_memory_equal(&same, usage, sizeof(same));
    return facts;
}

static void content_commits_a_stream_and_what_comes_before_it_does_not(void **state)
{
    static const struct {
        enum fl_endpoint endpoint;
        bool content;
        const char *data;
    } rows[] = {
        {FL_ENDPOINT_CHAT, false, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"},
        {FL_ENDPOINT_CHAT, false, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}}]}"},
        {FL_ENDPOINT_CHAT, false, "{\"choices\":[{\"index\":0,\"delta\":{}}]}"},
        {FL_ENDPOINT_CHAT, false, "{\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}"},
        {FL_ENDPOINT_CHAT, false, "{\"type\":\"ping\"}"},
        {FL_ENDPOINT_CHAT, true, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"H\"}}]}"},
        {FL_ENDPOINT_CHAT, true, "{\"choices\":[{\"delta\":{}},{\"delta\":{\"content\":\" \"}}]}"},
        {FL_ENDPOINT_CHAT, true, "{\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning_content\":\"Hm\"}}]}"},
        {FL_ENDPOINT_CHAT, true, "{\"choices\":[{\"delta\":{\"refusal\":\"No.\"}}]}"},
        {FL_ENDPOINT_CHAT, true,
         "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}"},
        {FL_ENDPOINT_COMPLETIONS, false, "{\"choices\":[{\"text\":\"\"}]}"},
        {FL_ENDPOINT_COMPLETIONS, true, "{\"choices\":[{\"text\":\"a\"}]}"},
        {FL_ENDPOINT_RESPONSES, false, "{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}"},
        {FL_ENDPOINT_RESPONSES, false, "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\"}}"},
        {FL_ENDPOINT_RESPONSES, true, "{\"type\":\"response.output_text.delta\",\"delta\":\"H\"}"},
        {FL_ENDPOINT_RESPONSES, true, "{\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{\"}"},
        {FL_ENDPOINT_RESPONSES, false, "{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}"},
        {FL_ENDPOINT_RESPONSES, true, "{\"choices\":[{\"delta\":{\"content\":\"H\"}}]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fl_usage u = {0};
        struct fl_event_facts f = event(rows[i].endpoint, rows[i].data, &u);
        if (!f.valid || f.content != rows[i].content || f.finish) {
            fail_msg("%s", rows[i].data);
        }
    }
}

static void events_are_told_apart(void **state)
{
    (void)state;
    struct fl_usage u = {0};
    struct fl_event_facts f = event(FL_ENDPOINT_CHAT, "[DONE]", &u);
    assert_int_equal(f.kind, FL_EVENT_DONE);
    f = event(FL_ENDPOINT_CHAT, "{\"choices\":[{\"delta\":{\"content\":\"\\\"finish_reason\\\":\\\"x\\\"\"},"
                                "\"finish_reason\":null}],\"usage\":null}", &u);
    assert_int_equal(f.kind, FL_EVENT_OTHER);
    assert_true(f.valid);
    assert_false(f.finish);
    assert_false(u.known);
    f = event(FL_ENDPOINT_CHAT, "{\"choices\":[{\"delta\":{},\"finish_reason\" : \"stop\"}]}", &u);
    assert_true(f.finish);
    f = event(FL_ENDPOINT_CHAT, "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,"
                                "\"prompt_tokens_details\":{\"cached_tokens\":3}}}", &u);
    assert_int_equal(f.kind, FL_EVENT_USAGE);
    assert_true(u.known);
    assert_int_equal(u.tokens_in, 7);
    assert_int_equal(u.tokens_out, 9);
    assert_int_equal(u.tokens_cached, 3);
    f = event(FL_ENDPOINT_CHAT, "{\"choices\":[],\"prompt_filter_results\":[]}", &u);
    assert_int_equal(f.kind, FL_EVENT_OTHER);
    f = event(FL_ENDPOINT_CHAT, "{\"error\":{\"message\":\"no\"}}", &u);
    assert_int_equal(f.kind, FL_EVENT_ERROR);
    f = event(FL_ENDPOINT_CHAT, "{garbage", &u);
    assert_false(f.valid);
    f = event(FL_ENDPOINT_RESPONSES, "{\"type\":\"response.completed\",\"response\":{\"usage\":"
                                     "{\"input_tokens\":4,\"output_tokens\":5}}}", &u);
    assert_int_equal(f.kind, FL_EVENT_DONE);
    assert_int_equal(u.tokens_in, 4);
    assert_int_equal(u.tokens_out, 5);
}

/* The types of responses' events, whether the event is checked or only looked at. */
static void events_of_responses_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        enum fl_event_kind kind;
        uint64_t tokens_in;
    } rows[] = {
        {"{\"type\":\"response.created\",\"response\":{\"error\":null}}", FL_EVENT_OTHER, 0},
        {"{\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response.completed\\\"\"}",
         FL_EVENT_OTHER, 0},
        {"{\"type\":\"response.incomplete\",\"response\":{\"usage\":{\"input_tokens\":4,"
         "\"output_tokens\":5}}}",
         FL_EVENT_DONE, 4},
        {"{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"x\"},\"usage\":{"
         "\"input_tokens\":4,\"output_tokens\":5}}}",
         FL_EVENT_ERROR, 4},
        {"{\"type\":\"response.cancelled\",\"response\":{}}", FL_EVENT_ERROR, 0},
        {"{\"type\":\"error\",\"code\":\"x\",\"message\":\"y\"}", FL_EVENT_ERROR, 0},
        {"[DONE]", FL_EVENT_DONE, 0},
    };
    for (size_t i = 0; i < 2 * (sizeof(rows) / sizeof(*rows)); i++) {
        struct fl_usage u = {0};
        struct fl_event_facts facts;
        struct fl_sse_event in = {.data = fl_slice_cstr(rows[i / 2].data)};
        fl_dialect_openai.read_event(FL_ENDPOINT_RESPONSES, &in, i % 2 == 0, &facts, &u);
        assert_true(facts.valid);
        assert_int_equal(facts.kind, rows[i / 2].kind);
        assert_int_equal(u.tokens_in, rows[i / 2].tokens_in);
    }
}

static void answers_and_refusals_are_classified(void **state)
{
    (void)state;
    struct fl_usage u = {0};
    const struct fl_dialect *d = &fl_dialect_openai;
    assert_int_equal(d->read_answer(FL_LIT("{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"), &u), FL_OK);
    assert_int_equal(d->read_answer(FL_LIT("{\"error\":null,\"output\":[]}"), &u), FL_OK);
    assert_int_equal(d->read_answer(FL_LIT("{\"error\":{\"message\":\"x\"}}"), &u), FL_ERR_ERROR_IN_200);
    assert_int_equal(d->read_answer(FL_LIT("<html>"), &u), FL_ERR_BAD_RESPONSE);
    assert_int_equal(d->read_answer(FL_LIT("{}"), &u), FL_ERR_BAD_RESPONSE);
    assert_int_equal(d->read_answer(FL_EMPTY, &u), FL_ERR_BAD_RESPONSE);
    assert_int_equal(d->read_error(429, FL_LIT("{\"error\":{\"code\":\"insufficient_quota\"}}")), FL_ERR_QUOTA);
    assert_int_equal(d->read_error(429, FL_LIT("{}")), FL_ERR_RATE_LIMITED);
    assert_int_equal(d->read_error(529, FL_EMPTY), FL_ERR_UPSTREAM_OVERLOADED);
    assert_int_equal(d->read_error(502, FL_EMPTY), FL_ERR_SERVER);
    assert_int_equal(d->read_error(400, FL_EMPTY), FL_ERR_UPSTREAM_REQUEST);
    assert_int_equal(d->read_error(401, FL_EMPTY), FL_ERR_UPSTREAM_AUTH);
}

static void errors_have_the_envelope(void **state)
{
    (void)state;
    struct fl_buf b;
    fl_buf_init(&b, 4096);
    const struct fl_envelope envelope = {.message = FL_LIT("no \"x\""),
                                         .param = FL_LIT("model"),
                                         .attempts = FL_LIT("[]"),
                                         .request_id = FL_LIT("r")};
    fl_dialect_openai.put_error(&b, FL_ERR_MODEL_UNKNOWN, &envelope);
    assert_slice(fl_buf_slice(&b),
                 "{\"error\":{\"message\":\"no \\\"x\\\"\",\"type\":\"invalid_request_error\",\"param\":\"model\","
                 "\"code\":\"model_not_found\",\"fairlead\":{\"attempts\":[]}}}");
    fl_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_read),
        cmocka_unit_test(what_is_asked_of_a_router_is_taken_out_for_others),
        cmocka_unit_test(bad_requests_say_why),
        cmocka_unit_test(only_what_must_differ_is_replaced),
        cmocka_unit_test(usage_is_asked_for_streams),
        cmocka_unit_test(content_commits_a_stream_and_what_comes_before_it_does_not),
        cmocka_unit_test(events_are_told_apart),
        cmocka_unit_test(events_of_responses_are_told_apart),
        cmocka_unit_test(answers_and_refusals_are_classified),
        cmocka_unit_test(errors_have_the_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

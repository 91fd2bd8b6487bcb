/* SPDX-License-Identifier: Apache-2.0 */
/* What a model reads of a request, as "[role]text" one after another. */
#include "unit/cm.h"

#include "dialect/dialect.h"

static char told[4096];
static struct fl_buf out;

static void on_message(void *owner, enum fl_role role)
{
    static const char *const names[FL_ROLE_COUNT] = {"[system]", "[user]", "[assistant]", "[tool]", "[definition]"};
    fl_buf_put_cstr(owner, names[role]);
}

static void on_text(void *owner, struct fl_slice piece)
{
    fl_buf_put(owner, piece);
}

static const char *texts(enum fl_endpoint endpoint, const char *body, struct fl_needs *ret_needs)
{
    static char decoded[300];
    const struct fl_text_sink sink = {&out, on_message, on_text};
    struct fl_buf scratch;
    struct fl_facts facts;
    struct fl_reterr reterr = {0};
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    fl_buf_init_in(&out, told, sizeof(told) - 1);
    assert_int_equal(
        fl_dialect_openai.read_request(endpoint, fl_slice_cstr(body), &scratch, &facts, &reterr), FL_OK);
    fl_dialect_openai.read_texts(&facts, &sink, ret_needs);
    assert_true(fl_buf_ok(&out));
    told[out.len] = '\0';
    return told;
}

static void chat(void **state)
{
    struct fl_needs n;
    (void)state;
    assert_string_equal(texts(FL_ENDPOINT_CHAT,
                              "{\"messages\":[{\"role\":\"developer\",\"content\":\"Be \\u0062rief.\"},"
                              "{\"content\":[{\"type\":\"text\",\"text\":\"a\\nb\"},{\"type\":\"image_url\","
                              "\"image_url\":{\"url\":\"data:x\"}},\"c\"],\"role\":\"user\"},"
                              "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"function\":"
                              "{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
                              "{\"role\":\"tool\",\"content\":\"42\"}],\"model\":\"m\"}",
                              &n),
                        "[system]Be brief.[user]a\nbc[assistant]f{\"x\":1}[tool]42");
    assert_true(n.vision && !n.tools && !n.audio && !n.json_schema);
    assert_int_equal(n.images, 1);
}

static void tools_and_schemas(void **state)
{
    struct fl_needs n;
    (void)state;
    assert_string_equal(texts(FL_ENDPOINT_CHAT,
                              "{\"model\":\"m\",\"tools\":[{\"type\":\"function\"}],\"response_format\":"
                              "{\"type\":\"json_schema\",\"json_schema\":{}},\"messages\":[{\"role\":\"user\","
                              "\"content\":[{\"type\":\"input_audio\",\"input_audio\":{}}]}]}",
                              &n),
                        "[definition][{\"type\":\"function\"}][definition]{\"type\":\"json_schema\","
                        "\"json_schema\":{}}[user]");
    assert_true(n.tools && n.json_schema && n.audio && !n.vision);
    assert_string_equal(texts(FL_ENDPOINT_CHAT,
                              "{\"model\":\"m\",\"tools\":[],\"response_format\":{\"type\":\"json_object\"},"
                              "\"messages\":[]}",
                              &n),
                        "");
    assert_false(n.tools || n.json_schema);
}

static void other_endpoints(void **state)
{
    struct fl_needs n;
    (void)state;
    assert_string_equal(texts(FL_ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":[\"a\",\"b\"]}", &n),
                        "[user]a[user]b");
    assert_string_equal(texts(FL_ENDPOINT_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"a\"}", &n), "[user]a");
    assert_string_equal(
        texts(FL_ENDPOINT_RESPONSES,
              "{\"model\":\"m\",\"instructions\":\"i\",\"text\":{\"format\":{\"type\":\"json_schema\"}},\"input\":["
              "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"q\"},"
              "{\"type\":\"input_image\",\"image_url\":\"x\"}]},"
              "{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"},"
              "{\"type\":\"function_call_output\",\"output\":\"r\"}]}",
              &n),
        "[definition]{\"type\":\"json_schema\"}[system]i[user]q[assistant]f{}[tool]r");
    assert_true(n.json_schema && n.vision);
}

/* A shape nobody knows is no text and no crash. */
static void odd_shapes(void **state)
{
    static const char *const bodies[] = {
        "{\"model\":\"m\",\"messages\":{\"a\":1},\"tools\":3,\"response_format\":\"x\"}",
        "{\"model\":\"m\",\"messages\":[[],{},null,7,{\"role\":5,\"content\":{\"a\":1}}]}",
        "{\"model\":\"m\",\"messages\":[{\"tool_calls\":[null,{\"function\":[]}]}],\"input\":[[[]]]}"};
    struct fl_needs n;
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const char *text = texts(FL_ENDPOINT_CHAT, bodies[i], &n);
        assert_null(strstr(text, "a"));
        assert_false(n.tools || n.json_schema || n.vision || n.audio);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chat), cmocka_unit_test(tools_and_schemas),
                                       cmocka_unit_test(other_endpoints), cmocka_unit_test(odd_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

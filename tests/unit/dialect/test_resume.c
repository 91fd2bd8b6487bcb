/* SPDX-License-Identifier: Apache-2.0 */
/* What a chunk says, the request that continues, and chunks with another stream's stamp. */
#include "unit/cm.h"

#include "dialect/openai_resume.h"

static void a_chunk_is_read(void **state)
{
    struct fl_openai_delta d;
    (void)state;
    assert_true(fl_openai_read_delta(
        FL_LIT("{\"id\":\"x\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":"
               "{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}"),
        &d));
    assert_slice(d.id.span, "\"x\"");
    assert_slice(d.created.span, "7");
    assert_slice(d.content.span, "\"Hi\"");
    assert_int_equal(d.finish_reason.type, FL_JSON_NONE);
    assert_false(d.strange || d.reasoning);
    assert_true(fl_openai_read_delta(
        FL_LIT("{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"content\":\"\"}}]}"), &d));
    assert_true(d.reasoning);
    assert_int_equal(d.content.type, FL_JSON_NONE);
    assert_true(fl_openai_read_delta(
        FL_LIT("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}"), &d));
    assert_true(d.strange); /* a second choice */
    assert_true(fl_openai_read_delta(
        FL_LIT("{\"choices\":[{\"delta\":{\"refusal\":\"No\"},\"finish_reason\":\"stop\"}]}"), &d));
    assert_true(d.strange);
    assert_slice(d.finish_reason.span, "\"stop\"");
    assert_false(fl_openai_read_delta(FL_LIT("{\"choices\":["), &d));
    assert_false(fl_openai_read_delta(FL_LIT("[1]"), &d));
}

static void check_body(const char *body, const char *said, uint64_t tokens, const char *wanted)
{
    struct fl_buf b;
    fl_buf_init(&b, 65536);
    assert_int_equal(fl_resume_body(fl_slice_cstr(body),
                                    &(struct fl_resume_words){fl_slice_cstr(said), tokens, false},
                                    &b),
                     FL_OK);
    assert_slice(fl_buf_slice(&b), wanted);
    fl_buf_finish(&b);
}

static void a_request_goes_on_where_the_answer_stopped(void **state)
{
    struct fl_buf b;
    (void)state;
    check_body("{\"max_tokens\": 100,\"messages\":[{\"role\":\"user\",\"content\":\"]\"} ],\"n\":1}",
               "a \"b\"\n", 30,
               "{\"max_tokens\": 70,\"messages\":[{\"role\":\"user\",\"content\":\"]\"} "
               ",{\"role\":\"assistant\",\"content\":\"a \\\"b\\\"\\n\"}],\"n\":1}");
    check_body("{\"messages\":[],\"max_completion_tokens\":20}", "x", 30,
               "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}],"
               "\"max_completion_tokens\":1}");
    check_body("{\"messages\":[7]}", "x", 1,
               "{\"messages\":[7,{\"role\":\"assistant\",\"content\":\"x\"}]}");
    check_body("{\"input\":\"Say \\\"x\\\"\",\"max_output_tokens\":5}", "x", 2,
               "{\"input\":[{\"role\":\"user\",\"content\":\"Say \\\"x\\\"\"},"
               "{\"role\":\"assistant\",\"content\":\"x\"}],\"max_output_tokens\":3}");
    check_body("{\"input\":[7]}", "x", 1,
               "{\"input\":[7,{\"role\":\"assistant\",\"content\":\"x\"}]}");
    check_body("{\"messages\":[7],\"max_tokens\":9}", "", 1, "{\"messages\":[7],\"max_tokens\":8}");
    fl_buf_init(&b, 65536);
    assert_int_equal(fl_resume_body(FL_LIT("{\"messages\":[7]}"),
                                    &(struct fl_resume_words){FL_LIT("y"), 1, true}, &b),
                     FL_OK);
    assert_true(fl_slice_starts(
        fl_buf_slice(&b), FL_LIT("{\"messages\":[7,{\"role\":\"assistant\",\"content\":\"y\"},"
                                 "{\"role\":\"user\",\"content\":\"")));
    fl_buf_reset(&b);
    assert_int_equal(fl_resume_body(FL_LIT("{\"prompt\":\"x\"}"),
                                    &(struct fl_resume_words){FL_LIT("y"), 1, false}, &b),
                     FL_ERR_REQUEST);
    fl_buf_finish(&b);
    fl_buf_init(&b, 40); /* a ceiling is told, not overrun */
    assert_int_equal(
        fl_resume_body(
            FL_LIT("{\"messages\":[7]}"),
            &(struct fl_resume_words){FL_LIT("0123456789012345678901234567890"), 1, false}, &b),
        FL_ERR_NOMEM);
    fl_buf_finish(&b);
}

static void chunks_carry_the_first_stream_s_stamp(void **state)
{
    const struct fl_openai_stamp stamp = {FL_LIT("\"one\""), FL_LIT("7"), FL_LIT("\"m1\"")};
    struct fl_buf b;
    (void)state;
    fl_buf_init(&b, 65536);
    fl_openai_put_restamped(
        &b,
        FL_LIT("{\"model\":\"m2\",\"id\":\"two\",\"x\":[1],\"choices\":[{\"delta\":{\"content\":"
               "\"said again, new\"}}],\"created\":9}"),
        &stamp, FL_LIT("new"));
    assert_slice(fl_buf_slice(&b),
                 "data: {\"model\":\"m1\",\"id\":\"one\",\"x\":[1],\"choices\":[{\"delta\":"
                 "{\"content\":\"new\"}}],\"created\":7}\n\n");
    fl_buf_reset(&b);
    fl_openai_put_chunk(&b, &stamp, FL_EMPTY, "tool_calls");
    assert_slice(fl_buf_slice(&b),
                 "data: {\"id\":\"one\",\"object\":\"chat.completion.chunk\",\"created\":7,"
                 "\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{},"
                 "\"finish_reason\":\"tool_calls\"}]}\n\n");
    fl_buf_reset(&b);
    fl_openai_put_chunk(&b, &(struct fl_openai_stamp){{NULL, 0}, {NULL, 0}, {NULL, 0}}, FL_LIT("t"),
                        NULL);
    assert_slice(fl_buf_slice(&b),
                 "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
                 "{\"content\":\"t\"},\"finish_reason\":null}]}\n\n");
    fl_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_is_read),
        cmocka_unit_test(a_request_goes_on_where_the_answer_stopped),
        cmocka_unit_test(chunks_carry_the_first_stream_s_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

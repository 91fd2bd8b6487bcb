/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/rng.h"
#include "dialect/dialect.h"

#include <stdio.h>
#include <stdlib.h>

struct rig {
    struct fl_arena arena;
    struct fl_embed_request request;
    struct fl_losses losses;
    struct fl_reterr reterr;
    struct fl_buf out;
    char body[256 * 1024];
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    fl_arena_init(&r->arena, 4096, 4 << 20);
    fl_buf_init(&r->out, 4 << 20);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    fl_arena_finish(&r->arena);
    fl_buf_finish(&r->out);
    free(r);
    return 0;
}

static enum fl_err ask(struct rig *r, const char *body)
{
    return fl_embed_read(fl_slice_cstr(body), &r->arena, &r->request, &r->reterr);
}

static void writes(struct rig *r, const struct fl_embed_form *form, const char *model,
                   const char *wanted)
{
    r->losses = (struct fl_losses){0};
    fl_buf_reset(&r->out);
    assert_int_equal(
        form->write(&r->request, fl_slice_cstr(model), &r->out, &r->losses, &r->reterr), FL_OK);
    fl_buf_putc(&r->out, '\0');
    assert_string_equal(r->out.ptr, wanted);
}

static void refuses(struct rig *r, const struct fl_embed_form *form, const char *model,
                    const char *what, const char *message)
{
    r->losses = (struct fl_losses){0};
    fl_buf_reset(&r->out);
    assert_int_equal(
        form->write(&r->request, fl_slice_cstr(model), &r->out, &r->losses, &r->reterr),
        FL_ERR_UNTRANSLATABLE);
    assert_true(r->losses.fatal);
    assert_string_equal(r->losses.items[r->losses.count - 1].what, what);
    assert_non_null(strstr(r->reterr.message, message));
}

static void loses(const struct rig *r, const char *wanted)
{
    char text[200] = "";
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    fl_losses_put(&r->losses, &b);
    assert_string_equal(text, wanted);
}

/* --- requests --- */

static void test_requests(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask(r, "{\"model\":\"m\",\"input\":[\"a\\n\",\"\\u00e4\"],\"dimensions\":256,"
                            "\"encoding_format\":\"base64\"}"),
                     FL_OK);
    assert_true(r->request.base64);
    writes(r, &fl_embed_gemini, "gemini-embedding-001",
           "{\"requests\":[{\"model\":\"models/"
           "gemini-embedding-001\",\"content\":{\"parts\":[{\"text\":"
           "\"a\\n\"}]},\"outputDimensionality\":256},{\"model\":\"models/gemini-embedding-001\","
           "\"content\":{\"parts\":[{\"text\":\"\\u00e4\"}]},\"outputDimensionality\":256}]}");
    writes(r, &fl_embed_vertex, "text-embedding-005",
           "{\"instances\":[{\"content\":\"a\\n\"},{\"content\":\"\\u00e4\"}],\"parameters\":{"
           "\"outputDimensionality\":256}}");
    writes(r, &fl_embed_ollama, "nomic-embed-text",
           "{\"model\":\"nomic-embed-text\",\"input\":[\"a\\n\",\"\\u00e4\"],\"dimensions\":256}");
    writes(
        r, &fl_embed_bedrock, "us.cohere.embed-v4:0",
        "{\"texts\":[\"a\\n\",\"\\u00e4\"],\"input_type\":\"search_document\",\"embedding_types\":["
        "\"float\"],\"output_dimension\":256}");
    loses(r, "");
    refuses(r, &fl_embed_bedrock, "cohere.embed-english-v3", "dimensions", "one size");
    refuses(r, &fl_embed_bedrock, "amazon.titan-embed-text-v2:0", "input", "one by one");
    refuses(r, &fl_embed_bedrock, "amazon.nova-pro-v1:0", "model", "Titan and Cohere");
    refuses(r, &fl_embed_vertex, "gemini-embedding-001", "input", "one by one");
    refuses(r, &fl_embed_vertex, "gemini-embedding-2", "input", "one by one");
}

static void test_one_text_and_its_purpose(void **state)
{
    struct rig *r = *state;
    assert_int_equal(
        ask(r, "{\"input\":\"q\",\"model\":\"m\",\"dimensions\":512,\"input_type\":\"query\","
               "\"user\":\"u\",\"provider\":{},\"encoding_format\":null}"),
        FL_OK);
    assert_false(r->request.base64);
    writes(r, &fl_embed_bedrock, "amazon.titan-embed-text-v2:0",
           "{\"inputText\":\"q\",\"dimensions\":512}");
    loses(r, "user, input_type");
    refuses(r, &fl_embed_bedrock, "amazon.titan-embed-text-v1", "dimensions", "one size");
    writes(r, &fl_embed_vertex, "gemini-embedding-2",
           "{\"content\":{\"parts\":[{\"text\":\"q\"}]},\"embedContentConfig\":{\"taskType\":"
           "\"RETRIEVAL_QUERY\",\"outputDimensionality\":512}}");
    loses(r, "user");
    writes(r, &fl_embed_vertex, "gemini-embedding-001",
           "{\"instances\":[{\"content\":\"q\",\"task_type\":\"RETRIEVAL_QUERY\"}],\"parameters\":{"
           "\"outputDimensionality\":512}}");
    writes(r, &fl_embed_gemini, "models/x",
           "{\"requests\":[{\"model\":\"models/x\",\"content\":{\"parts\":[{\"text\":\"q\"}]},"
           "\"taskType\":\"RETRIEVAL_QUERY\",\"outputDimensionality\":512}]}");
    assert_int_equal(ask(r, "{\"input\":\"q\",\"input_type\":\"query\"}"), FL_OK);
    writes(r, &fl_embed_bedrock, "cohere.embed-multilingual-v3",
           "{\"texts\":[\"q\"],\"input_type\":\"search_query\",\"embedding_types\":[\"float\"]}");
    assert_int_equal(ask(r, "{\"input\":\"q\",\"input_type\":\"haiku\"}"), FL_OK);
    writes(r, &fl_embed_gemini, "x",
           "{\"requests\":[{\"model\":\"models/x\",\"content\":{\"parts\":[{\"text\":\"q\"}]}}]}");
    loses(r, "input_type");
}

static void test_tokens_go_to_nobody_else(void **state)
{
    static const char *const bodies[] = {"{\"input\":[1,2]}", "{\"input\":[[1],[2,3]]}"};
    const struct fl_embed_form *forms[] = {&fl_embed_gemini, &fl_embed_vertex, &fl_embed_ollama};
    struct rig *r = *state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ask(r, bodies[i]), FL_OK);
        for (unsigned j = 0; j < 3; j++) {
            refuses(r, forms[j], "gemini-embedding-2", "input", "tokens");
        }
        refuses(r, &fl_embed_bedrock, "cohere.embed-v4", "input", "tokens");
        refuses(r, &fl_embed_bedrock, "titan-embed-text-v2", "input", "tokens");
    }
}

static void test_clients_mistakes(void **state)
{
    static const struct {
        const char *body;
        enum fl_err err;
    } cases[] = {
        {"{}", FL_ERR_JSON_TYPE},
        {"{\"input\":null}", FL_ERR_JSON_TYPE},
        {"{\"input\":7}", FL_ERR_JSON_TYPE},
        {"{\"input\":[]}", FL_ERR_REQUEST},
        {"{\"input\":[\"a\",1]}", FL_ERR_JSON_TYPE},
        {"{\"input\":[\"a\",null]}", FL_ERR_JSON_TYPE},
        {"{\"input\":\"a\",\"encoding_format\":\"hex\"}", FL_ERR_REQUEST},
        {"{\"input\":\"a\",\"dimensions\":0}", FL_ERR_REQUEST},
        {"{\"input\":\"a\",\"dimensions\":\"8\"}", FL_ERR_REQUEST},
    };
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(ask(r, cases[i].body), cases[i].err);
        assert_true(r->reterr.message[0]);
    }
}

/* --- answers --- */

static enum fl_err answer(struct rig *r, const struct fl_embed_form *form, const char *body,
                          bool base64, struct fl_embed_answer *ret)
{
    fl_buf_reset(&r->out);
    enum fl_err err = form->take(fl_slice_cstr(body), &r->arena, ret);
    err = err ? err : fl_embed_put(ret, FL_LIT("m"), base64, &r->out);
    fl_buf_putc(&r->out, '\0');
    return err;
}

static void answers(struct rig *r, const struct fl_embed_form *form, const char *body,
                    const char *data, uint64_t tokens, bool known)
{
    struct fl_embed_answer a;
    char wanted[600];
    assert_int_equal(answer(r, form, body, false, &a), FL_OK);
    assert_true(a.tokens_known == known);
    (void)snprintf(
        wanted, sizeof(wanted),
        "{\"object\":\"list\",\"data\":[%s],\"model\":\"m\",\"usage\":{\"prompt_tokens\":%u,"
        "\"total_tokens\":%u}}",
        data, (unsigned)tokens, (unsigned)tokens);
    assert_string_equal(r->out.ptr, wanted);
}

#define ONE "{\"object\":\"embedding\",\"index\":0,\"embedding\":[1.50,-2e-3]}"
#define TWO ONE ",{\"object\":\"embedding\",\"index\":1,\"embedding\":[0]}"

static void test_answers(void **state)
{
    struct rig *r = *state;
    answers(r, &fl_embed_gemini, "{\"embeddings\":[{\"values\":[1.50,-2e-3]},{\"values\":[0]}]}",
            TWO, 0, false);
    answers(
        r, &fl_embed_gemini,
        "{\"embeddings\":[{\"values\":[1.50,-2e-3]}],\"usageMetadata\":{\"promptTokenCount\":4}}",
        ONE, 4, true);
    answers(
        r, &fl_embed_vertex,
        "{\"predictions\":[{\"embeddings\":{\"statistics\":{\"truncated\":false,\"token_count\":6},"
        "\"values\":[1.50,-2e-3]}},{\"embeddings\":{\"values\":[0],\"statistics\":{\"token_count\":"
        "3}}}]}",
        TWO, 9, true);
    answers(r, &fl_embed_vertex,
            "{\"embedding\":{\"values\":[1.50,-2e-3]},\"usageMetadata\":{\"promptTokenCount\":2}}",
            ONE, 2, true);
    answers(r, &fl_embed_bedrock,
            "{\"embedding\":[1.50,-2e-3],\"inputTextTokenCount\":5,\"embeddingsByType\":{}}", ONE,
            5, true);
    answers(r, &fl_embed_bedrock,
            "{\"id\":\"x\",\"embeddings\":{\"float\":[[1.50,-2e-3],[0]]},\"response_type\":"
            "\"embeddings_by_type\"}",
            TWO, 0, false);
    answers(r, &fl_embed_bedrock, "{\"embeddings\":[[1.50,-2e-3],[0]]}", TWO, 0, false);
    answers(r, &fl_embed_ollama,
            "{\"model\":\"x\",\"embeddings\":[[1.50,-2e-3],[0]],\"prompt_eval_count\":8}", TWO, 8,
            true);
}

static void test_no_answers(void **state)
{
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{}",
                                         "{\"embeddings\":7}",
                                         "{\"embeddings\":[7]}",
                                         "{\"embeddings\":[[\"a\"]]}",
                                         "{\"embeddings\":[[]]}",
                                         "{\"embeddings\":[{\"values\":{}}]}",
                                         "{\"predictions\":[{}]}",
                                         "{\"embeddings\":{\"float\":[[null]]}}",
                                         "{\"embedding\":[true]}",
                                         "{\"embedding\":{\"values\":[\"1\"]}}"};
    const struct fl_embed_form *forms[] = {&fl_embed_gemini, &fl_embed_vertex, &fl_embed_bedrock,
                                           &fl_embed_ollama};
    struct rig *r = *state;
    struct fl_embed_answer a;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        for (unsigned j = 0; j < 8; j++) {
            assert_int_equal(answer(r, forms[j / 2], bodies[i], j % 2 == 0, &a),
                             FL_ERR_BAD_RESPONSE);
        }
    }
}

/* --- base64 --- */

static unsigned sextet(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(alphabet, c);
    assert_non_null(at);
    return (unsigned)(at - alphabet);
}

static float float_at(const char *base64, unsigned index)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < 32; i++) {
        unsigned byte = index * 4 + i / 8, bit = byte * 8 + 7 - i % 8;
        bits |= (sextet(base64[bit / 6]) >> (5 - bit % 6) & 1) << i;
    }
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void test_base64_is_what_strtof_reads(void **state)
{
    static const char *const fixed[] = {"0",
                                        "-0.0",
                                        "1",
                                        "-1.5",
                                        "3.4028235e38",
                                        "1e-45",
                                        "1e-50",
                                        "1e400",
                                        "-1e99",
                                        "0.1",
                                        "16777217",
                                        "1.0E+2",
                                        "0.00000000000000000000000000001234",
                                        "123456789012345678901234567890",
                                        "0.123456789012345678901234567"};
    enum { count = 300 };
    struct rig *r = *state;
    struct fl_embed_answer a;
    struct fl_rng rng;
    char numbers[count][48];
    fl_rng_seed(&rng, 42);
    for (unsigned i = 0; i < count; i++) {
        double value = (double)(int64_t)fl_rng_next(&rng) / 9.3e18;
        bool plain = i % 3 > 0;
        (void)snprintf(numbers[i], sizeof(numbers[i]), plain ? "%.*f" : "%.*g", (int)(i % 19),
                       value);
    }
    for (unsigned i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
        (void)snprintf(numbers[i], sizeof(numbers[i]), "%s", fixed[i]);
    }
    for (unsigned n = 1; n <= count; n += n < 8 ? 1 : 73) {
        size_t len = (size_t)snprintf(r->body, sizeof(r->body), "{\"embeddings\":[[");
        for (unsigned i = 0; i < n; i++) {
            len += (size_t)snprintf(r->body + len, sizeof(r->body) - len, "%s%s", i ? ", " : "",
                                    numbers[i]);
        }
        (void)snprintf(r->body + len, sizeof(r->body) - len, "]]}");
        assert_int_equal(answer(r, &fl_embed_ollama, r->body, true, &a), FL_OK);
        const char *text = strstr(r->out.ptr, "\"embedding\":\"") + strlen("\"embedding\":\"");
        assert_int_equal(strcspn(text, "\""), (n * 4 + 2) / 3 * 4);
        assert_int_equal(strspn(text + (n * 32 + 5) / 6, "="), (3 - n * 4 % 3) % 3);
        for (unsigned i = 0; i < n; i++) {
            float wanted = strtof(numbers[i], NULL), got = float_at(text, i);
            float most = 3.4028234663852886e38F;
            wanted = wanted > most ? most : wanted < -most ? -most : wanted;
            if (memcmp(&wanted, &got, sizeof(got)) != 0) {
                fail_msg("%s is read as %.9g", numbers[i], (double)got);
            }
        }
    }
}

/* --- paths --- */

static void goes_to(const struct fl_dialect *dialect, const char *model, const char *wanted)
{
    char text[200] = "";
    struct fl_buf b;
    struct fl_ask ask = {.endpoint = FL_ENDPOINT_EMBEDDINGS,
                         .model = fl_slice_cstr(model),
                         .region = FL_LIT("r"),
                         .project = FL_LIT("p")};
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    dialect->put_path(&ask, &b);
    assert_string_equal(text, wanted);
    assert_non_null(dialect->embed_form);
}

static void test_paths(void **state)
{
    (void)state;
    goes_to(&fl_dialect_gemini, "gemini-embedding-001",
            "/models/gemini-embedding-001:batchEmbedContents");
    goes_to(&fl_dialect_vertex, "text-embedding-005",
            "/v1/projects/p/locations/r/publishers/google/models/text-embedding-005:predict");
    goes_to(&fl_dialect_vertex, "gemini-embedding-2",
            "/v1/projects/p/locations/r/publishers/google/models/gemini-embedding-2:embedContent");
    goes_to(&fl_dialect_bedrock, "amazon.titan-embed-text-v2:0",
            "/model/amazon.titan-embed-text-v2%3A0/invoke");
    goes_to(&fl_dialect_ollama_native, "nomic-embed-text", "/api/embed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_text_and_its_purpose, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_go_to_nobody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clients_mistakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64_is_what_strtof_reads, setup, teardown),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is understood of a request, and what answers teach about the next one. */
#include "unit/cm.h"

#include "server/understand.h"

#include <stdio.h>

static struct fl_understanding u, again;

static struct fl_facts read(const char *body)
{
    static char decoded[256];
    struct fl_buf scratch;
    struct fl_reterr reterr;
    struct fl_facts facts;
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    assert_int_equal(fl_dialect_openai.read_request(FL_ENDPOINT_CHAT, fl_slice_cstr(body), &scratch, &facts, &reterr),
                     FL_OK);
    return facts;
}

static struct fl_facts understand(const char *body)
{
    struct fl_facts facts = read(body);
    fl_understand(&fl_dialect_openai, &facts, &u);
    return facts;
}

static void the_text_is_what_counts(void **state)
{
    (void)state;
    (void)understand("{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
                     "{\"role\":\"user\",\"content\":\"Hello\\nworld\"}]}");
    unsigned plain = u.tokens[FL_TEXT_O200K];
    assert_int_equal(u.text.messages, 2);
    assert_int_equal(u.text.bytes, 9 + 11);
    /* The same in parts, with escapes, an image and fields that nobody knows. */
    (void)understand("{\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"Be \"},{\"type\":\"text\",\"text\":"
                     "\"brief.\"}],\"role\":\"developer\",\"x\":[1,{}]},{\"role\":\"user\",\"content\":[{\"type\":"
                     "\"text\",\"text\":\"He\\u006clo\\u000aworld\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
                     "\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA\"}}]}],\"model\":\"m\"}");
    assert_int_equal(u.tokens[FL_TEXT_O200K], plain + 1000); /* the image, whatever its bytes */
    assert_int_equal(u.text.bytes, 9 + 11);
    (void)understand("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\\ude00\\ud800x\\\"\\/\"}]}");
    assert_int_equal(u.text.bytes, 4 + 3 + 1 + 2); /* a pair, a lone half as U+FFFD, x, a quote and a slash */
    (void)understand("{\"model\":\"m\",\"messages\":[]}");
    assert_int_equal(u.text.bytes, 0);
    (void)understand("{\"model\":\"m\",\"input\":[\"one\",\"two\"]}");
    assert_int_equal(u.text.messages, 2);
    (void)understand("{\"model\":\"m\",\"prompt\":\"one\"}");
    assert_int_equal(u.text.bytes, 3);
    (void)understand("{\"model\":\"m\",\"instructions\":\"be\",\"input\":\"one\"}");
    assert_int_equal(u.text.messages, 2);
    (void)understand("{\"model\":\"m\",\"messages\":\"one\",\"tools\":{}}"); /* not ours to refuse */
}

static void needs_are_seen(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool tools, vision, audio, schema;
    } cases[] = {
        {"{\"model\":\"m\",\"messages\":[],\"tools\":[],\"response_format\":{\"type\":\"json_object\"}}", false, false,
         false, false},
        {"{\"model\":\"m\",\"messages\":[],\"tools\":[{}],\"response_format\":{\"type\":\"json_schema\"}}", true, false,
         false, true},
        {"{\"model\":\"m\",\"input\":[{\"content\":[{\"type\":\"input_image\"}]}],\"text\":{\"format\":{\"type\":"
         "\"json_schema\"}}}",
         false, true, false, true},
        {"{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"input_audio\"}]},{\"content\":null}]}", false, false,
         true, false},
        {"{\"model\":\"m\",\"messages\":[{\"content\":\"image_url\"}]}", false, false, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)understand(cases[i].body);
        assert_int_equal(!!(u.needs & FL_NEED_TOOLS), cases[i].tools);
        assert_int_equal(!!(u.needs & FL_NEED_VISION), cases[i].vision);
        assert_int_equal(!!(u.needs & FL_NEED_AUDIO), cases[i].audio);
        assert_int_equal(!!(u.needs & FL_NEED_JSON_SCHEMA), cases[i].schema);
    }
}

/* Long texts with and without escapes are the same however they are cut into pieces. */
static void long_texts_are_cut_anywhere(void **state)
{
    (void)state;
    static char plain[40000], escaped[200000];
    size_t p = 0, e = 0;
    p += (size_t)snprintf(plain, 100, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"");
    e += (size_t)snprintf(escaped, 100, "%s", plain);
    for (unsigned i = 0; i < 5000; i++) {
        char letter = (char)('a' + i * 7 % 26);
        plain[p++] = i % 9 == 8 ? ' ' : letter;
        e += (size_t)snprintf(escaped + e, 8, i % 3 == 0 ? "\\u%04x" : "%c", i % 9 == 8 ? ' ' : letter);
    }
    (void)snprintf(plain + p, 10, "\"}]}");
    (void)snprintf(escaped + e, 10, "\"}]}");
    struct fl_facts f = understand(plain);
    (void)f;
    memcpy(&again, &u, sizeof(u));
    (void)understand(escaped);
    assert_int_equal(u.text.bytes, 5000);
    assert_memory_equal(u.tokens, again.tokens, sizeof(u.tokens));
    assert_int_equal(u.text.prefix_count, 5000 / FL_PREFIX_BYTES);
    assert_memory_equal(u.text.prefix, again.text.prefix, u.text.prefix_count * 8);
    assert_memory_equal(u.probability, again.probability, sizeof(u.probability));
}

static void tasks_are_told(void **state)
{
    (void)state;
    (void)understand("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Translate 'good morning' into "
                     "French\"}]}");
    assert_int_equal(fl_task_best(u.probability), FL_TASK_TRANSLATION);
    (void)understand("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Summarize the benefits of AI "
                     "routing\"}]}");
    assert_int_equal(fl_task_best(u.probability), FL_TASK_SUMMARIZATION);
}

struct two {
    struct fl_target targets[2];
    unsigned order[2];
    struct fl_route route;
    struct fl_table table;
};

static void two_targets(struct two *t)
{
    *t = (struct two){.order = {0, 1}};
    t->targets[0] = (struct fl_target){.id = FL_LIT("a/m"), .cost_multiplier = 1};
    t->targets[1] = (struct fl_target){.id = FL_LIT("b/m"), .cost_multiplier = 1, .priced = true};
    t->targets[1].price_in = t->targets[1].price_cached = 5; /* its cache saves nothing */
    t->route = (struct fl_route){.targets = t->order, .primary_count = 2, .target_count = 2};
    t->table = (struct fl_table){.targets = t->targets, .target_count = 2};
}

static void answers_teach(void **state)
{
    (void)state;
    static char body[9000];
    struct two t;
    struct fl_expected expected = {.task = FL_TASK_OTHER};
    struct fl_knowledge *k = fl_knowledge_create();
    struct fl_asker asker = {.tenant = 7, .model = 8, .now_s = 1000};
    struct fl_usage usage = {.known = true, .tokens_in = 4000, .tokens_out = 1000};
    size_t len = (size_t)snprintf(body, 100, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (unsigned i = 0; i < 800; i++) {
        len += (size_t)snprintf(body + len, 12, "word%04u ", i);
    }
    (void)snprintf(body + len, 10, "\"}]}");
    two_targets(&t);
    (void)understand(body);
    struct fl_route_request r = {.now_ns = 1};
    fl_understood_put(&u, k, &asker, &t.table, &t.route, &r);
    assert_null(r.cached_tokens);
    assert_int_equal(r.tokens_in, u.tokens[FL_TEXT_O200K]);
    unsigned out = r.tokens_out, in = r.tokens_in;
    assert_true(r.tokens_out_p50 > 0 && r.tokens_out_p50 < r.tokens_out_p90);
    fl_understood_keep(&u, &expected);
    for (unsigned i = 0; i < 50; i++) {
        fl_knowledge_learn(k, &expected, &asker, &t.targets[i % 2], &usage);
    }
    r = (struct fl_route_request){.now_ns = 1};
    fl_understood_put(&u, k, &asker, &t.table, &t.route, &r);
    assert_true(r.tokens_out > out + 300);
    assert_true(in < 3000 ? r.tokens_in > in : r.tokens_in < in + 2000);
    assert_non_null(r.cached_tokens);
    assert_true(r.cached_tokens[0] > 1000);
    assert_int_equal(r.cached_tokens[1], 0);
    asker.now_s += 301; /* cold again */
    r = (struct fl_route_request){.now_ns = 1};
    fl_understood_put(&u, k, &asker, &t.table, &t.route, &r);
    assert_null(r.cached_tokens);
    fl_knowledge_learn(NULL, &expected, &asker, &t.targets[0], &usage);
    fl_knowledge_destroy(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_what_counts),   cmocka_unit_test(needs_are_seen),
        cmocka_unit_test(long_texts_are_cut_anywhere), cmocka_unit_test(tasks_are_told),
        cmocka_unit_test(answers_teach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

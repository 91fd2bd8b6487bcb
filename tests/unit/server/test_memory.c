/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of responses: what is found, by whom, for how long, and how much of it is kept. */
#include "unit/cm.h"

#include "server/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { second = 1000000000, mib = 1 << 20 };

static struct fl_memory_asker asker(uint64_t tenant, uint64_t now_s)
{
    return (struct fl_memory_asker){.tenant = tenant,
                                    .now_ns = now_s * second,
                                    .age_ns = UINT64_C(3600) * second,
                                    .bytes = 8 * mib};
}

#define RESPONSE(n, text)                                                                          \
    "{\"id\":\"resp_fl_" n "\",\"output\":[{\"id\":\"msg_fl_" n "\",\"type\":\"message\","         \
    "\"content\":\"" text "\"}]}"
#define SAID(text)                                                                                 \
    "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"      \
    "\"" text "\"}]}"
#define ANSWERED(n, text) "{\"id\":\"msg_fl_" n "\",\"type\":\"message\",\"content\":\"" text "\"}"

static void put(struct fl_memory *m, const struct fl_memory_asker *a, const char *response,
                const char *input, const char *previous)
{
    struct fl_memory_response r = {fl_slice_cstr(response), fl_slice_cstr(input),
                                   fl_slice_cstr(previous)};
    fl_memory_put(m, a, &r);
}

typedef enum fl_err put_fn(struct fl_memory *m, const struct fl_memory_asker *a, struct fl_slice id,
                           struct fl_buf *b, struct fl_memory_gone *ret_gone);

/* What a function tells of *about*, in an array; *wanted* NULL: it fails with *err* for *gone*. */
static void tells(struct fl_memory *m, const struct fl_memory_asker *a, put_fn *put_it,
                  const char *about, const char *wanted, enum fl_err err, const char *gone)
{
    struct fl_memory_gone where;
    struct fl_buf b;
    fl_buf_init(&b, 16 * mib);
    fl_buf_putc(&b, '[');
    assert_int_equal(put_it(m, a, fl_slice_cstr(about), &b, &where), err);
    fl_buf_putc(&b, ']');
    if (wanted) {
        fl_buf_putc(&b, '\0');
        assert_string_equal(b.ptr, wanted);
    } else {
        assert_true(fl_slice_eq(fl_buf_slice(&where.id), fl_slice_cstr(gone)));
    }
    fl_buf_finish(&b);
}

static void a_line_of_responses_is_told_from_its_first_on(void **state)
{
    (void)state;
    struct fl_memory *m = fl_memory_create();
    struct fl_memory_asker a = asker(1, 1);
    put(m, &a, RESPONSE("a", "A"), "\"one \\\"1\\\"\"", "");
    put(m, &a, RESPONSE("b", "B"), "[ {\"role\":\"user\",\"content\":\"two\"} ]", "resp_fl_a");
    put(m, &a, RESPONSE("c", "C"),
        "[{\"type\":\"item_reference\",\"id\":\"msg_fl_a\"},"
        "{\"type\":\"item_reference\",\"id\":\"msg_theirs\"},7]",
        "resp_fl_b");
#define TO_B SAID("one \\\"1\\\"") "," ANSWERED("a", "A") ",{\"role\":\"user\",\"content\":\"two\"}"
#define TO_C                                                                                       \
    TO_B "," ANSWERED("b", "B") "," ANSWERED("a", "A") ",{\"type\":\"item_reference\",\"id\":"     \
                                                       "\"msg_theirs\"},7"
    tells(m, &a, fl_memory_put_input, "resp_fl_b", "[" TO_B "]", FL_OK, NULL);
    tells(m, &a, fl_memory_put_context, "resp_fl_b", "[" TO_B "," ANSWERED("b", "B") "]", FL_OK,
          NULL);
    tells(m, &a, fl_memory_put_input, "resp_fl_c", "[" TO_C "]", FL_OK, NULL);
    tells(m, &a, fl_memory_put_context, "resp_fl_c", "[" TO_C "," ANSWERED("c", "C") "]", FL_OK,
          NULL);
    tells(m, &a, fl_memory_put_response, "resp_fl_a", "[" RESPONSE("a", "A") "]", FL_OK, NULL);
    tells(m, &a, fl_memory_put_items, "[{\"type\":\"item_reference\",\"id\":\"msg_fl_c\"}]",
          "[" ANSWERED("c", "C") "]", FL_OK, NULL);
    tells(m, &a, fl_memory_put_items, "[{\"type\":\"item_reference\",\"id\":\"fc_fl_c\"}]", NULL,
          FL_ERR_ITEM_GONE, "fc_fl_c");
    /* An item's id is no response's, nor the other way round. */
    tells(m, &a, fl_memory_put_response, "msg_fl_a", NULL, FL_ERR_RESPONSE_GONE, "msg_fl_a");
    tells(m, &a, fl_memory_put_items, "[{\"type\":\"item_reference\",\"id\":\"resp_fl_a\"}]", NULL,
          FL_ERR_ITEM_GONE, "resp_fl_a");
    assert_true(fl_memory_forget(m, &a, FL_LIT("resp_fl_a")));
    assert_false(fl_memory_forget(m, &a, FL_LIT("resp_fl_a")));
    tells(m, &a, fl_memory_put_context, "resp_fl_c", NULL, FL_ERR_RESPONSE_GONE, "resp_fl_a");
    fl_memory_destroy(m);
}

static void nobody_finds_what_is_anothers(void **state)
{
    (void)state;
    struct fl_memory *m = fl_memory_create();
    struct fl_memory_asker one = asker(1, 1), two = asker(2, 1), nobody = asker(0, 1);
    put(m, &one, RESPONSE("a", "secret"), "\"x\"", "");
    const struct fl_memory_asker *others[] = {&two, &nobody};
    for (int i = 0; i < 2; i++) {
        tells(m, others[i], fl_memory_put_response, "resp_fl_a", NULL, FL_ERR_RESPONSE_GONE,
              "resp_fl_a");
        tells(m, others[i], fl_memory_put_items,
              "[{\"type\":\"item_reference\",\"id\":\"msg_fl_a\"}]", NULL, FL_ERR_ITEM_GONE,
              "msg_fl_a");
        assert_false(fl_memory_forget(m, others[i], FL_LIT("resp_fl_a")));
    }
    put(m, &two, RESPONSE("a", "other"), "\"x\"", ""); /* the same id, by whatever chance */
    tells(m, &one, fl_memory_put_response, "resp_fl_a", "[" RESPONSE("a", "secret") "]", FL_OK,
          NULL);
    tells(m, &two, fl_memory_put_response, "resp_fl_a", "[" RESPONSE("a", "other") "]", FL_OK,
          NULL);
    fl_memory_destroy(m);
}

static void what_is_not_used_is_forgotten_and_a_line_from_its_end(void **state)
{
    (void)state;
    struct fl_memory *m = fl_memory_create();
    struct fl_memory_asker a = asker(1, 1), later = asker(1, 3000), end = asker(1, 6000);
    put(m, &a, RESPONSE("a", "A"), "\"x\"", "");
    put(m, &a, RESPONSE("b", "B"), "\"y\"", "resp_fl_a");
    put(m, &a, RESPONSE("z", "Z"), "\"z\"", "");
    tells(m, &later, fl_memory_put_context, "resp_fl_b",
          "[" SAID("x") "," ANSWERED("a", "A") "," SAID("y") "," ANSWERED("b", "B") "]", FL_OK,
          NULL);
    tells(m, &end, fl_memory_put_response, "resp_fl_z", NULL, FL_ERR_RESPONSE_GONE, "resp_fl_z");
    tells(m, &end, fl_memory_put_response, "resp_fl_b", "[" RESPONSE("b", "B") "]", FL_OK, NULL);
    put(m, &end, RESPONSE("c", "C"), "\"c\"", ""); /* lets go of what is too old */
    assert_int_equal(fl_memory_stats(m).entries, 3);
    fl_memory_destroy(m);
}

static void put_sized(struct fl_memory *m, const struct fl_memory_asker *a, unsigned n,
                      size_t bytes)
{
    char *text = malloc(bytes + 1), *response = malloc(bytes + 200);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    (void)snprintf(response, bytes + 200,
                   "{\"id\":\"resp_fl_%u\",\"output\":[{\"id\":\"msg_fl_%u\",\"t\":\"%s\"}]}", n, n,
                   text);
    put(m, a, response, "\"x\"", "");
    free(text);
    free(response);
}

static bool has(struct fl_memory *m, const struct fl_memory_asker *a, unsigned n)
{
    char id[32];
    struct fl_memory_gone gone;
    struct fl_buf b;
    (void)snprintf(id, sizeof(id), "resp_fl_%u", n);
    fl_buf_init(&b, 16 * mib);
    bool found = fl_memory_put_response(m, a, fl_slice_cstr(id), &b, &gone) == FL_OK;
    fl_buf_finish(&b);
    return found;
}

static void bytes_are_bounded_and_the_least_used_goes_first(void **state)
{
    (void)state;
    struct fl_memory *m = fl_memory_create();
    struct fl_memory_asker a = asker(1, 1);
    enum { each = 100 * 1000 };
    a.bytes = 10 * each + 10 * 1000;
    for (unsigned i = 0; i < 10; i++) {
        put_sized(m, &a, i, each);
    }
    assert_int_equal(fl_memory_stats(m).entries, 10);
    assert_true(has(m, &a, 0)); /* used again */
    for (unsigned i = 10; i < 13; i++) {
        put_sized(m, &a, i, each);
        assert_true(fl_memory_stats(m).bytes <= a.bytes);
    }
    assert_true(has(m, &a, 0) && has(m, &a, 4) && has(m, &a, 12));
    assert_false(has(m, &a, 1) || has(m, &a, 2) || has(m, &a, 3));
    put_sized(m, &a, 20, a.bytes / 4 + 1); /* too long for itself alone */
    assert_false(has(m, &a, 20));
    assert_int_equal(fl_memory_stats(m).entries, 10);
    put_sized(m, &a, 12, 10); /* the same again */
    assert_int_equal(fl_memory_stats(m).entries, 10);
    a.bytes = 3 * each; /* the configuration has changed */
    put_sized(m, &a, 21, 10);
    assert_true(fl_memory_stats(m).bytes <= a.bytes && has(m, &a, 21));
    a.bytes = 0;
    put_sized(m, &a, 22, 10);
    assert_false(has(m, &a, 21) || has(m, &a, 22));
    fl_memory_destroy(m);
}

static void a_long_input_is_not_kept_but_the_items_are(void **state)
{
    (void)state;
    struct fl_memory *m = fl_memory_create();
    struct fl_memory_asker a = asker(1, 1);
    char *input = malloc(2 * mib);
    memset(input, 'y', 2 * mib);
    input[0] = input[2 * mib - 2] = '"';
    input[2 * mib - 1] = '\0';
    put(m, &a, RESPONSE("a", "A"), input, "");
    put(m, &a, RESPONSE("b", "B"), "\"b\"", "resp_fl_a");
    tells(m, &a, fl_memory_put_response, "resp_fl_a", "[" RESPONSE("a", "A") "]", FL_OK, NULL);
    tells(m, &a, fl_memory_put_items, "[{\"type\":\"item_reference\",\"id\":\"msg_fl_a\"}]",
          "[" ANSWERED("a", "A") "]", FL_OK, NULL);
    tells(m, &a, fl_memory_put_context, "resp_fl_b", NULL, FL_ERR_TOO_BIG, "resp_fl_a");
    free(input);
    fl_memory_destroy(m);
}

static void makers_of_others_responses_are_known(void **state)
{
    (void)state;
    struct fl_memory *m = fl_memory_create();
    struct fl_memory_asker a = asker(1, 1), other = asker(2, 1);
    const struct {
        const struct fl_memory_asker *asker;
        const char *id, *maker;
    } cases[] = {{&a, "resp_9", "azure-1"},
                 {&a, "rs_9", "azure-1"},
                 {&a, "resp_8", ""},
                 {&other, "resp_9", ""}};
    fl_memory_put_maker(
        m, &a, FL_LIT("{\"id\":\"resp_9\",\"output\":[{\"id\":\"rs_9\"},{\"type\":\"x\"},3]}"),
        FL_LIT("azure-1"));
    fl_memory_put_maker(m, &a, FL_LIT("{\"output\":[]}"), FL_LIT("azure-1"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char memory[64];
        struct fl_buf name;
        fl_buf_init_in(&name, memory, sizeof(memory));
        fl_memory_maker(m, cases[i].asker, fl_slice_cstr(cases[i].id), &name);
        assert_true(fl_slice_eq(fl_buf_slice(&name), fl_slice_cstr(cases[i].maker)));
    }
    tells(m, &a, fl_memory_put_response, "resp_9", NULL, FL_ERR_RESPONSE_GONE, "resp_9");
    assert_int_equal(fl_memory_stats(m).entries, 1);
    fl_memory_destroy(m);
}

struct thread {
    pthread_t id;
    struct fl_memory *m;
    unsigned number;
};

static void *work(void *owner)
{
    struct thread *t = owner;
    struct fl_memory_asker a = asker(t->number % 2, 1);
    a.bytes = 200 * 1000;
    for (unsigned i = 0; i < 2000; i++) {
        put_sized(t->m, &a, i % 50, 4000);
        (void)has(t->m, &a, (i * 7) % 50);
        if (i % 9 == 0) {
            (void)fl_memory_forget(t->m, &a, FL_LIT("resp_fl_3"));
        }
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    (void)state;
    struct thread threads[4];
    struct fl_memory *m = fl_memory_create();
    for (unsigned i = 0; i < 4; i++) {
        threads[i] = (struct thread){.m = m, .number = i};
        assert_int_equal(pthread_create(&threads[i].id, NULL, work, &threads[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i].id, NULL), 0);
    }
    assert_true(fl_memory_stats(m).bytes <= 200 * 1000);
    fl_memory_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_responses_is_told_from_its_first_on),
        cmocka_unit_test(nobody_finds_what_is_anothers),
        cmocka_unit_test(what_is_not_used_is_forgotten_and_a_line_from_its_end),
        cmocka_unit_test(bytes_are_bounded_and_the_least_used_goes_first),
        cmocka_unit_test(a_long_input_is_not_kept_but_the_items_are),
        cmocka_unit_test(makers_of_others_responses_are_known),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

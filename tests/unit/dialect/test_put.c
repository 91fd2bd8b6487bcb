/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "dialect/put.h"

static struct fl_json parse(const char *text)
{
    struct fl_json value = {FL_JSON_NONE, FL_EMPTY};
    assert_int_equal(fl_json_scan(fl_slice_cstr(text), FL_JSON_LIMITS, NULL, 0, &value, NULL),
                     FL_OK);
    return value;
}

static void commas_come_where_they_belong(void **state)
{
    (void)state;
    char memory[512];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_putc(&b, '{');
    fl_put_text_if(&b, "nothing", FL_EMPTY);
    fl_put_text(&b, "a", FL_LIT("x\\n{"));
    fl_put_number(&b, "n", 7);
    fl_put_key(&b, "list");
    fl_buf_putc(&b, '[');
    fl_put_comma(&b);
    fl_put_quoted(&b, FL_LIT("["));
    fl_put_comma(&b);
    fl_buf_put(&b, FL_LIT("{}"));
    fl_buf_putc(&b, ']');
    fl_put_flag(&b, "f", false);
    fl_put_plain(&b, "p", FL_LIT("\"\n"));
    fl_put_raw_if(&b, "r", FL_LIT("[1]"));
    fl_buf_putc(&b, '}');
    assert_slice(fl_buf_slice(&b), "{\"a\":\"x\\n{\",\"n\":7,\"list\":[\"[\",{}],\"f\":false,"
                                   "\"p\":\"\\\"\\n\",\"r\":[1]}");
}

static void escaping_and_decoding_are_inverse(void **state)
{
    (void)state;
    struct fl_arena arena;
    fl_arena_init(&arena, 4096, 65536);
    const struct fl_slice raw = FL_LIT("{\"a\":\"\\ud83d\",\"b\":\"x\\\\\x01\t\xc3\xa4\"}");
    struct fl_slice escaped = fl_get_escaping(raw, &arena);
    assert_true(fl_slice_eq(fl_get_decoded(escaped, &arena), raw));
    assert_slice(fl_get_escaping(FL_LIT("a\"\x02"), &arena), "a\\\"\\u0002");
    struct fl_slice plain = FL_LIT("plain");
    assert_ptr_equal(fl_get_escaping(plain, &arena).ptr, plain.ptr);
    assert_ptr_equal(fl_get_decoded(plain, &arena).ptr, plain.ptr);
    fl_arena_finish(&arena);
}

static void arguments_are_an_object_whatever_comes(void **state)
{
    (void)state;
    struct fl_arena arena;
    struct fl_slice raw;
    fl_arena_init(&arena, 4096, 65536);
    assert_true(fl_get_arguments(FL_LIT(""), &arena, &raw));
    assert_slice(raw, "{}");
    assert_true(fl_get_arguments(FL_LIT(" {\\\"a\\\":\\\"\\\\ud83d\\\"} "), &arena, &raw));
    assert_slice(raw, "{\"a\":\"\\ud83d\"}");
    assert_false(fl_get_arguments(FL_LIT("{\\\"a\\\":"), &arena, &raw));
    assert_slice(raw, "{\"_unparsed\":\"{\\\"a\\\":\"}");
    assert_false(fl_get_arguments(FL_LIT("[1]"), &arena, &raw));
    assert_slice(raw, "{\"_unparsed\":\"[1]\"}");
    fl_arena_finish(&arena);
}

static void input_of_a_call_is_joined_first(void **state)
{
    (void)state;
    char memory[128];
    struct fl_arena arena;
    struct fl_buf b;
    struct fl_piece second = {.text = FL_LIT("n\\\":1}")};
    struct fl_piece first = {.next = &second, .text = FL_LIT("{\\\"")};
    struct fl_block call = {.pieces = &first}, bare = {.pieces = NULL};
    fl_arena_init(&arena, 4096, 65536);
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_put_input(&b, &call, &arena);
    fl_put_input(&b, &bare, &arena);
    fl_put_pieces(&b, &call);
    assert_slice(fl_buf_slice(&b), "{\"n\":1}{}\"{\\\"n\\\":1}\"");
    fl_arena_finish(&arena);
}

static void media_urls_are_told_apart(void **state)
{
    (void)state;
    struct fl_arena arena;
    fl_arena_init(&arena, 4096, 65536);
    struct fl_media m = {0};
    assert_true(fl_get_media_url(FL_LIT("data:image\\/png;base64,iVB\\/w=="), &arena, &m));
    assert_slice(m.media_type, "image/png");
    assert_slice(m.base64, "iVB/w==");
    assert_int_equal(m.url.len, 0);
    m = (struct fl_media){0};
    assert_true(fl_get_media_url(FL_LIT("data:text/plain;charset=utf-8;base64,QQ=="), &arena, &m));
    assert_slice(m.media_type, "text/plain");
    char memory[64];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_put_data_url(&b, &m);
    assert_slice(fl_buf_slice(&b), "data:text/plain;base64,QQ==");
    m = (struct fl_media){0};
    assert_true(fl_get_media_url(FL_LIT("https:\\/\\/a.example\\/b.png"), &arena, &m));
    assert_slice(m.url, "https://a.example/b.png");
    assert_false(fl_get_media_url(FL_LIT("data:text/plain,hello"), &arena, &m));
    assert_false(fl_get_media_url(FL_LIT("data:base64"), &arena, &m));
    assert_false(fl_get_media_url(FL_LIT("file:///etc/passwd"), &arena, &m));
    fl_arena_finish(&arena);
}

static void values_are_read(void **state)
{
    (void)state;
    static const char *const words[] = {"low", "high"}, *const keys[] = {"b", "a", "c"};
    struct fl_json object = parse("{\"a\":\"hi\\u0067h\",\"b\":1e2,\"d\":null}"), v[3];
    fl_get_members(object, keys, 3, v);
    assert_int_equal(fl_get_word(v[1], words, 2), 1);
    assert_int_equal(fl_get_word(v[0], words, 2), -1);
    assert_true(fl_get_is(v[1], "high"));
    assert_false(fl_get_is(v[1], "hig"));
    assert_true(fl_escaped_is(FL_LIT("hi\\u0067h"), "high"));
    assert_true(fl_escaped_is(FL_LIT("high"), "high"));
    assert_false(fl_escaped_is(FL_LIT("higher"), "high"));
    assert_false(fl_escaped_is(FL_LIT(""), "high"));
    assert_slice(fl_get_number(v[0]), "1e2");
    assert_float_equal(fl_number_value(fl_get_number(v[0])), 100.0, 1e-9);
    assert_float_equal(fl_number_value(FL_LIT("-1.75")), -1.75, 1e-9);
    assert_float_equal(fl_number_value(FL_LIT("2500E-3")), 2.5, 1e-9);
    assert_float_equal(fl_number_value(FL_LIT("0.0")), 0.0, 1e-9);
    assert_float_equal(fl_number_value(FL_EMPTY), 0.0, 1e-9);
    assert_int_equal(v[2].type, FL_JSON_NONE);
    assert_false(fl_get_given(fl_json_get(object, FL_LIT("d"))));
    assert_slice(fl_get_escaped(v[1]), "hi\\u0067h");
    assert_int_equal(fl_get_escaped(v[0]).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_where_they_belong),
        cmocka_unit_test(escaping_and_decoding_are_inverse),
        cmocka_unit_test(arguments_are_an_object_whatever_comes),
        cmocka_unit_test(input_of_a_call_is_joined_first),
        cmocka_unit_test(media_urls_are_told_apart),
        cmocka_unit_test(values_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Walking and splicing. Built twice: over the SSE2 searches and over the scalar ones. */
#include "unit/cm.h"

#include "codec/json.h"
#include "unit/codec/json_gen.h"
#include "unit/codec/json_parsed.h"

#include <stdlib.h>

/* --- Walking --- */

static void iterating(void **state)
{
    (void)state;
    struct fl_json value;
    struct fl_slice key;
    struct fl_json_iter it =
        fl_json_iter(parsed_cstr("[ 1 ,\"a,]\\\"\" , [2,[3]],{\"k\":\"}\"} , null ]"));
    static const char *const spans[] = {"1", "\"a,]\\\"\"", "[2,[3]]", "{\"k\":\"}\"}", "null"};
    for (int i = 0; i < 5; i++) {
        key = FL_LIT("stale");
        assert_true(fl_json_next(&it, &key, &value));
        assert_slice(value.span, spans[i]);
        assert_int_equal(key.len, 0);
    }
    assert_int_equal(value.type, FL_JSON_NULL);
    assert_false(fl_json_next(&it, &key, &value));
    assert_false(fl_json_next(&it, NULL, &value));

    it = fl_json_iter(parsed_cstr("{ \"a\\\"{\" :\n-1 , \"b\":{}}"));
    assert_true(fl_json_next(&it, &key, &value));
    assert_slice(key, "\"a\\\"{\"");
    assert_slice(value.span, "-1");
    assert_true(fl_json_next(&it, NULL, &value));
    assert_int_equal(value.type, FL_JSON_OBJECT);
    assert_false(fl_json_next(&it, &key, &value));

    static const char *const nothing[] = {"[]", "{}", "[ \n]", "{ }", "\"[1]\"", "12", "null"};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        it = fl_json_iter(parsed_cstr(nothing[i]));
        assert_false(fl_json_next(&it, &key, &value));
    }
    it = fl_json_iter((struct fl_json){FL_JSON_NONE, FL_EMPTY});
    assert_false(fl_json_next(&it, &key, &value));
}

/* Text that no scan has accepted: whatever comes out, it ends and stays inside. */
static void iterating_garbage_ends(void **state)
{
    (void)state;
    uint64_t seed = gen_seed(7);
    struct fl_rng rng;
    struct fl_buf b;
    print_message("FAIRLEAD_SEED=%llu\n", (unsigned long long)seed);
    fl_rng_seed(&rng, seed);
    fl_buf_init(&b, 1 << 16);
    for (int i = 0; i < 20000; i++) {
        struct fl_json value;
        struct fl_slice key;
        fl_buf_reset(&b);
        for (uint64_t n = fl_rng_below(&rng, 12) + 2; n > 0; n--) {
            gen_mutate(&rng, &b);
        }
        char *copy = fl_slice_dup(fl_buf_slice(&b));
        struct fl_json root = {i % 2 ? FL_JSON_OBJECT : FL_JSON_ARRAY, fl_slice(copy, b.len)};
        struct fl_json_iter it = fl_json_iter(root);
        size_t steps = 0;
        while (fl_json_next(&it, &key, &value)) {
            assert_true(value.span.len > 0 && value.span.ptr > copy &&
                        value.span.ptr + value.span.len <= copy + b.len);
            (void)fl_json_spells(key, FL_LIT("a"));
            steps++;
        }
        assert_true(steps <= b.len);
        free(copy);
    }
    fl_buf_finish(&b);
}

static void getting_members(void **state)
{
    (void)state;
    struct fl_json root = parsed_cstr(
        "{\"a\":1,\"usage\":{\"prompt_tokens\":12,\"d\":{\"c\\u0061ched\":3}},\"a\":[2],"
        "\"\":5}");
    struct fl_slice path[] = {FL_LIT("usage"), FL_LIT("d"), FL_LIT("cached")};
    struct fl_slice wrong[] = {FL_LIT("a"), FL_LIT("d")};
    assert_slice(fl_json_get(root, FL_LIT("a")).span, "[2]"); /* the last */
    assert_slice(fl_json_get(root, FL_LIT("")).span, "5");
    assert_int_equal(fl_json_get(root, FL_LIT("b")).type, FL_JSON_NONE);
    assert_int_equal(fl_json_get(parsed_cstr("[\"a\",1]"), FL_LIT("a")).type, FL_JSON_NONE);
    assert_slice(fl_json_at(root, path, 3).span, "3");
    assert_slice(fl_json_at(root, path, 1).span,
                 "{\"prompt_tokens\":12,\"d\":{\"c\\u0061ched\":3}}");
    assert_int_equal(fl_json_at(root, wrong, 2).type, FL_JSON_NONE);
    assert_true(fl_json_at(root, path, 0).span.ptr == root.span.ptr);
}

static void assert_pieces(struct fl_json value, size_t cap, struct fl_slice text)
{
    char joined[64], buf[16];
    struct fl_buf b;
    struct fl_slice piece;
    struct fl_json_pieces p = fl_json_pieces(value);
    fl_buf_init_in(&b, joined, sizeof(joined));
    while (fl_json_pieces_next(&p, buf, cap, &piece)) {
        assert_true(piece.len > 0);
        fl_buf_put(&b, piece);
    }
    assert_true(fl_buf_ok(&b) && fl_slice_eq(fl_buf_slice(&b), text));
}

static void texts_decode(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain \xc3\xa4\"", "plain \xc3\xa4"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\u0041\\u00e9\\u20AC\\uFFFFz\"", "aA\xc3\xa9\xe2\x82\xac\xef\xbf\xbfz"},
        {"\"\\ud83d\\ude00\\uDBFF\\uDFFF\\ud800\\udc00\"",
         "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xf0\x90\x80\x80"},
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\ude00\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\"\\ud83d\\ud83d\\ude00\\n\"", "\xef\xbf\xbd\xf0\x9f\x98\x80\n"},
        {"\"\\ud83dx\\ude00\"", "\xef\xbf\xbdx\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char memory[64];
        struct fl_buf scratch;
        struct fl_slice text = FL_EMPTY;
        struct fl_json value = parsed_cstr(cases[i].raw);
        bool escaped = strchr(cases[i].raw, '\\') != NULL;
        fl_buf_init_in(&scratch, memory, sizeof(memory));
        fl_buf_put(&scratch, FL_LIT("kept"));
        assert_true(fl_json_text(value, &scratch, &text));
        assert_slice(text, cases[i].text);
        assert_int_equal(scratch.len > 4, escaped);
        assert_slice(fl_slice_first(fl_buf_slice(&scratch), 4), "kept");
        assert_true(fl_json_spells(value.span, text));
        for (size_t cap = 4; cap < 12; cap++) {
            assert_pieces(value, cap, text);
        }
        /* A scratch of just the size is enough, one byte less is not. */
        size_t len = text.len;
        fl_buf_init_in(&scratch, memory, len);
        assert_true(fl_json_text(value, &scratch, &text));
        fl_buf_init_in(&scratch, memory, len > 0 ? len - 1 : 0);
        text = FL_LIT("untouched");
        assert_int_equal(fl_json_text(value, &scratch, &text), !escaped);
        assert_true(!escaped || text.len == 9);
    }
    struct fl_buf scratch;
    struct fl_slice text = FL_LIT("untouched");
    struct fl_json nul = parsed_cstr("\"a\\u0000b\"");
    char memory[8];
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    assert_false(fl_json_text(parsed_cstr("12"), &scratch, &text));
    assert_slice(text, "untouched");
    assert_true(fl_json_text(nul, &scratch, &text));
    assert_true(fl_slice_eq(text, FL_LIT("a\0b")));
    assert_true(fl_json_spells(nul.span, FL_LIT("a\0b")));
    assert_false(fl_json_spells(nul.span, FL_LIT("a")));
}

static void spelling(void **state)
{
    (void)state;
    assert_true(fl_json_spells(FL_LIT("\"model\""), FL_LIT("model")));
    assert_true(fl_json_spells(FL_LIT("\"\\u006d\\u006F\\u0064\\u0065\\u006c\""), FL_LIT("model")));
    assert_true(fl_json_spells(FL_LIT("\"\""), FL_EMPTY));
    assert_false(fl_json_spells(FL_LIT("\"model\""), FL_LIT("mode")));
    assert_false(fl_json_spells(FL_LIT("\"mode\""), FL_LIT("model")));
    assert_false(fl_json_spells(FL_LIT("\"mode\\u006d\""), FL_LIT("model")));
    assert_false(fl_json_spells(FL_LIT("\"mode\\u006c\""), FL_LIT("mode")));
    assert_false(fl_json_spells(FL_LIT("\"\\u006d\""), FL_EMPTY));
}

/* Two keys at every place of texts of every length, among quotes that begin alike. */
static void finding_quoted_keys(void **state)
{
    (void)state;
    static const struct fl_slice keys[] = {{"\"usage\"", 7}, {"\"error\"", 7}};
    for (size_t len = 0; len < 70; len++) {
        char *bytes = malloc(len + (len == 0)); /* exact, so that a sanitizer sees a read past its end */
        assert_non_null(bytes);
        for (size_t at = 0; at + 7 <= len; at++) {
            for (size_t i = 0; i < len; i++) {
                bytes[i] = "\"e\"u"[i % 4];
            }
            memcpy(bytes + at, keys[at % 2].ptr, 7);
            struct fl_slice rest = fl_slice(bytes, len);
            assert_int_equal(fl_json_find_quoted(&rest, keys, 2), at % 2);
            assert_int_equal(rest.len, len - at - 7);
            assert_true(rest.len == 0 || rest.ptr == bytes + at + 7);
            assert_int_equal(fl_json_find_quoted(&rest, keys, 2), 2);
            rest = fl_slice(bytes, at + 6);
            assert_int_equal(fl_json_find_quoted(&rest, keys, 2), 2);
            assert_int_equal(rest.len, at + 6);
        }
        free(bytes);
    }
    struct fl_slice none = FL_EMPTY;
    assert_int_equal(fl_json_find_quoted(&none, keys, 2), 2);
}

static void numbers_and_booleans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"42", true, 42},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"18446744073709551616", false, 0},
        {"-0", false, 0},
        {"-1", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
        {"[1]", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 99;
        assert_int_equal(fl_json_u64(parsed_cstr(cases[i].text), &value), cases[i].ok);
        assert_true(value == (cases[i].ok ? cases[i].value : 99));
    }
    bool b = false;
    assert_true(fl_json_bool(parsed_cstr("true"), &b) && b);
    assert_true(fl_json_bool(parsed_cstr("false"), &b) && !b);
    b = true;
    assert_false(fl_json_bool(parsed_cstr("null"), &b));
    assert_false(fl_json_bool(parsed_cstr("\"false\""), &b));
    assert_false(fl_json_bool((struct fl_json){FL_JSON_NONE, FL_EMPTY}, &b));
    assert_true(b);
}

/* --- Splicing --- */

static void put_pieces(struct fl_buf *b, struct fl_slice text, const struct fl_json_patch *patches,
                       unsigned count)
{
    struct fl_slice pieces[2 * 32 + 1];
    size_t len = 99, start = b->len;
    assert_true(count <= 32);
    unsigned n = fl_json_splice(text, patches, count, pieces, &len);
    assert_true(n <= 2 * count + 1);
    for (unsigned i = 0; i < n; i++) {
        assert_true(pieces[i].len > 0);
        fl_buf_put(b, pieces[i]);
    }
    assert_int_equal(b->len - start, len);
}

static void splicing_by_hand(void **state)
{
    (void)state;
    char memory[256];
    struct fl_buf b;
    struct fl_slice text = FL_LIT("{\"a\":1,\"b\":2}");
    struct fl_json_patch patches[] = {
        {fl_slice(text.ptr + 1, 0), FL_LIT("\"x\":0,")}, /* insert */
        {fl_slice(text.ptr + 1, 0), FL_LIT("\"y\":0,")}, /* and again at the same place */
        {fl_slice(text.ptr + 5, 1), FL_LIT("10")},
        {fl_slice(text.ptr + 6, 6), FL_EMPTY},
    };
    fl_buf_init_in(&b, memory, sizeof(memory));
    put_pieces(&b, text, patches, 4);
    assert_slice(fl_buf_slice(&b), "{\"x\":0,\"y\":0,\"a\":10}");
    fl_buf_reset(&b);
    put_pieces(&b, text, NULL, 0);
    assert_slice(fl_buf_slice(&b), "{\"a\":1,\"b\":2}");
    fl_buf_reset(&b);
    patches[0] = (struct fl_json_patch){text, FL_EMPTY};
    put_pieces(&b, text, patches, 1);
    assert_int_equal(b.len, 0);
    patches[0] = (struct fl_json_patch){fl_slice(text.ptr + text.len, 0), FL_LIT("\n")};
    put_pieces(&b, text, patches, 1);
    assert_slice(fl_buf_slice(&b), "{\"a\":1,\"b\":2}\n");
}

/* Law: the pieces in a row are the text built naively, byte by byte. */
static void splicing_equals_naive_building(void **state)
{
    (void)state;
    uint64_t seed = gen_seed(11);
    struct fl_rng rng;
    struct fl_buf text, naive, spliced;
    print_message("FAIRLEAD_SEED=%llu\n", (unsigned long long)seed);
    fl_rng_seed(&rng, seed);
    fl_buf_init(&text, 1 << 20);
    fl_buf_init(&naive, 1 << 21);
    fl_buf_init(&spliced, 1 << 21);
    for (int round = 0; round < 2000; round++) {
        struct fl_json_patch patches[32];
        unsigned count = 0;
        fl_buf_reset(&text);
        fl_buf_reset(&naive);
        fl_buf_reset(&spliced);
        gen_document(&rng, &text);
        for (size_t at = 0;;) {
            size_t keep = fl_rng_below(&rng, 20), drop = fl_rng_below(&rng, 6);
            struct fl_slice by = fl_slice_first(FL_LIT("replacement"), fl_rng_below(&rng, 12));
            if (at + keep + drop > text.len || count == 32) {
                fl_buf_put(&naive, fl_slice(text.ptr + at, text.len - at));
                break;
            }
            fl_buf_put(&naive, fl_slice(text.ptr + at, keep));
            fl_buf_put(&naive, by);
            patches[count++] = (struct fl_json_patch){fl_slice(text.ptr + at + keep, drop), by};
            at += keep + drop;
        }
        put_pieces(&spliced, fl_buf_slice(&text), patches, count);
        assert_true(fl_buf_ok(&naive) && fl_slice_eq(fl_buf_slice(&naive), fl_buf_slice(&spliced)));
    }
    fl_buf_finish(&text);
    fl_buf_finish(&naive);
    fl_buf_finish(&spliced);
}

static void removing_one_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *text, *without;
    } cases[] = {
        {"{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2,\"c\":3}"},
        {"{\"b\":2,\"a\":1,\"c\":3}", "{\"b\":2,\"c\":3}"},
        {"{\"b\":2,\"c\":3,\"a\":1}", "{\"b\":2,\"c\":3}"},
        {"{\"a\":1}", "{}"},
        {"{ \"a\" : [1,2] }", "{  }"},
        {"{\n  \"a\" : 1 ,\n  \"b\" : 2\n}", "{\n  \"b\" : 2\n}"},
        {"{\n  \"b\" : \",\" ,\n  \"a\" : 1\n}", "{\n  \"b\" : \",\" \n}"},
        {" {\"b\":{\"a\":3} , \"a\":1, \"c\":3} ", " {\"b\":{\"a\":3} , \"c\":3} "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char memory[128];
        struct fl_buf b;
        struct fl_json_watch w = {.key = FL_LIT("a")};
        struct fl_json root;
        struct fl_slice text = fl_slice_cstr(cases[i].text);
        assert_int_equal(fl_json_scan(text, FL_JSON_LIMITS, &w, 1, &root, NULL), FL_OK);
        struct fl_json_patch patch = {fl_json_member_range(root.span, w.member), FL_EMPTY};
        fl_buf_init_in(&b, memory, sizeof(memory));
        put_pieces(&b, text, &patch, 1);
        assert_slice(fl_buf_slice(&b), cases[i].without);
    }
}

enum { members_max = 5 };

/* An object of *count* members "0": 0 ... with white space all over. */
static void make_object(struct fl_rng *rng, struct fl_buf *b, unsigned count)
{
    fl_buf_putc(b, '{');
    gen_blank(rng, b);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) {
            fl_buf_putc(b, ',');
            gen_blank(rng, b);
        }
        fl_buf_putc(b, '"');
        fl_buf_put_u64(b, i);
        fl_buf_putc(b, '"');
        gen_blank(rng, b);
        fl_buf_putc(b, ':');
        gen_blank(rng, b);
        gen_value(rng, b, 2);
        gen_blank(rng, b);
    }
    fl_buf_putc(b, '}');
}

/* The members of *object* whose bit is set in *removed* go; checks what is left. */
static void check_removal(struct fl_json object, unsigned count, unsigned removed)
{
    struct fl_slice members[members_max], keys[members_max], key;
    struct fl_json values[members_max], value;
    struct fl_json_patch patches[members_max];
    struct fl_json_iter it = fl_json_iter(object);
    struct fl_buf b;
    unsigned gone = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_true(fl_json_next(&it, &keys[i], &values[i]));
        if (removed >> i & 1) {
            const char *end = values[i].span.ptr + values[i].span.len;
            members[gone++] = fl_slice(keys[i].ptr, (size_t)(end - keys[i].ptr));
        }
    }
    fl_buf_init(&b, 1 << 20);
    fl_json_remove(object.span, members, gone, patches);
    put_pieces(&b, object.span, patches, gone);
    it = fl_json_iter(parsed(fl_buf_slice(&b)));
    for (unsigned i = 0; i < count; i++) {
        if (removed >> i & 1) {
            continue;
        }
        assert_true(fl_json_next(&it, &key, &value));
        assert_true(fl_slice_eq(key, keys[i]) && fl_slice_eq(value.span, values[i].span));
    }
    assert_false(fl_json_next(&it, &key, &value));
    if (gone == 1) {
        struct fl_slice range = fl_json_member_range(object.span, members[0]);
        assert_true(range.ptr == patches[0].old.ptr && range.len == patches[0].old.len);
    }
    fl_buf_finish(&b);
}

/* Law: whichever members go, what is left is valid and has exactly the others. */
static void removing_any_set_of_members(void **state)
{
    (void)state;
    uint64_t seed = gen_seed(13);
    struct fl_rng rng;
    struct fl_buf b;
    print_message("FAIRLEAD_SEED=%llu\n", (unsigned long long)seed);
    fl_rng_seed(&rng, seed);
    fl_buf_init(&b, 1 << 20);
    for (int round = 0; round < 200; round++) {
        unsigned count = (unsigned)round % (members_max + 1);
        fl_buf_reset(&b);
        make_object(&rng, &b, count);
        struct fl_json object = parsed(fl_buf_slice(&b));
        for (unsigned removed = 0; removed < 1U << count; removed++) {
            check_removal(object, count, removed);
        }
    }
    fl_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iterating),
        cmocka_unit_test(iterating_garbage_ends),
        cmocka_unit_test(getting_members),
        cmocka_unit_test(texts_decode),
        cmocka_unit_test(spelling),
        cmocka_unit_test(finding_quoted_keys),
        cmocka_unit_test(numbers_and_booleans),
        cmocka_unit_test(splicing_by_hand),
        cmocka_unit_test(splicing_equals_naive_building),
        cmocka_unit_test(removing_one_by_hand),
        cmocka_unit_test(removing_any_set_of_members),
    };
    return cmocka_run_group_tests_name("json_walk", tests, NULL, NULL);
}

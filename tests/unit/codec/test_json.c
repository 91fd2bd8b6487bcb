/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning. Built twice: over the SSE2 searches and over the scalar ones. */
#include "unit/cm.h"

#include "base/utf8.h"
#include "codec/json.h"
#include "unit/codec/json_parsed.h"

#include <stdlib.h>

/* --- Helpers --- */

/* Scans a copy that ends where its block of memory ends. */
static enum fl_err verdict(struct fl_slice text, struct fl_json_limits limits,
                           struct fl_reterr *ret_reterr)
{
    struct fl_json value;
    char *copy = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(copy);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    enum fl_err err = fl_json_scan(fl_slice(copy, text.len), limits, NULL, 0, &value, ret_reterr);
    free(copy);
    return err;
}

static void put_repeated(struct fl_buf *b, const char *unit, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fl_buf_put_cstr(b, unit);
    }
}

/* --- Scanning --- */

static void top_level_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *span;
        enum fl_json_type type;
    } cases[] = {
        {"null", "null", FL_JSON_NULL},
        {" true\n", "true", FL_JSON_TRUE},
        {"\tfalse", "false", FL_JSON_FALSE},
        {" -0.5e+10 ", "-0.5e+10", FL_JSON_NUMBER},
        {"\"\"", "\"\"", FL_JSON_STRING},
        {" \"a\\\"b\" ", "\"a\\\"b\"", FL_JSON_STRING},
        {"\r\n[ 1 , [ ] ]", "[ 1 , [ ] ]", FL_JSON_ARRAY},
        {"{}", "{}", FL_JSON_OBJECT},
        {" {\"a\":{\"b\":[1]}} ", "{\"a\":{\"b\":[1]}}", FL_JSON_OBJECT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_json value = parsed_cstr(cases[i].text);
        assert_int_equal(value.type, cases[i].type);
        assert_slice(value.span, cases[i].span);
    }
}

static void failures_say_where_and_why(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum fl_err err;
        unsigned line, column;
        const char *message;
    } cases[] = {
        {"", FL_ERR_JSON_SYNTAX, 1, 1, "expected a value, found the end of the text"},
        {"{\"a\": 1\n  \"b\": 2}", FL_ERR_JSON_SYNTAX, 2, 3,
         "expected ',' or '}' after a value, found '\"'"},
        {"[1 2]", FL_ERR_JSON_SYNTAX, 1, 4, "expected ',' or ']' after a value, found '2'"},
        {"{\"a\": 1,\r\n}", FL_ERR_JSON_SYNTAX, 2, 1, "trailing comma before '}'"},
        {"[1, ]", FL_ERR_JSON_SYNTAX, 1, 5, "trailing comma before ']'"},
        {"{\"a\": ]", FL_ERR_JSON_SYNTAX, 1, 7, "expected a value, found ']'"},
        {"{a: 1}", FL_ERR_JSON_SYNTAX, 1, 2, "expected a key in double quotes, found 'a'"},
        {"{\"model\" 1}", FL_ERR_JSON_SYNTAX, 1, 10, "expected ':' after key 'model'"},
        {"{\"a\x7f\xc2\x85\xe2\x80\xae\xc3\xa4\"}", FL_ERR_JSON_SYNTAX, 1, 13,
         "expected ':' after key 'a\\x7f\\xc2\\x85\\xe2\\x80\\xae\xc3\xa4'"},
        {"[True]", FL_ERR_JSON_SYNTAX, 1, 2, "expected a value, found 'True'"},
        {"[nul]", FL_ERR_JSON_SYNTAX, 1, 2, "expected a value, found 'nul'"},
        {"[abcdefghijklmnopqrstuvwxyzabcdef]", FL_ERR_JSON_SYNTAX, 1, 2,
         "expected a value, found 'abcdefghijklmnopqrstuvw...'"},
        {"['a']", FL_ERR_JSON_SYNTAX, 1, 2, "expected a value; strings stand in double quotes"},
        {"\xef\xbb\xbf{}", FL_ERR_JSON_SYNTAX, 1, 1, "expected a value, found a byte order mark"},
        {"{} x", FL_ERR_JSON_SYNTAX, 1, 4, "expected nothing after the value, found 'x'"},
        {"[1]\x01", FL_ERR_JSON_SYNTAX, 1, 4, "expected nothing after the value, found byte 0x01"},
        {"[\xff]", FL_ERR_JSON_SYNTAX, 1, 2, "expected a value, found byte 0xff"},
        {"[01]", FL_ERR_JSON_SYNTAX, 1, 3, "a number may not begin with 0"},
        {"[-]", FL_ERR_JSON_SYNTAX, 1, 3, "expected a digit after '-', found ']'"},
        {"[1.]", FL_ERR_JSON_SYNTAX, 1, 4, "expected a digit after '.', found ']'"},
        {"[1e+]", FL_ERR_JSON_SYNTAX, 1, 5, "expected a digit in the exponent, found ']'"},
        {"[\n\"ab", FL_ERR_JSON_SYNTAX, 2, 1, "the string that begins here never ends"},
        {"[\"ab\\", FL_ERR_JSON_SYNTAX, 1, 2, "the string that begins here never ends"},
        {"\"a\nb\"", FL_ERR_JSON_SYNTAX, 1, 3,
         "control bytes in a string must be escaped, found byte 0x0a"},
        {"\"\\x\"", FL_ERR_JSON_SYNTAX, 1, 3,
         "expected one of \" \\ / b f n r t u after a backslash, found 'x'"},
        {"\"\\u12g4\"", FL_ERR_JSON_SYNTAX, 1, 6,
         "expected four hexadecimal digits after \\u, found 'g'"},
        {"\"\\u123 \"", FL_ERR_JSON_SYNTAX, 1, 7,
         "expected four hexadecimal digits after \\u, found ' '"},
        {"\"\\u12", FL_ERR_JSON_SYNTAX, 1, 6,
         "expected four hexadecimal digits after \\u, found the end of the text"},
        {"\"ab\xc0\xaf\"", FL_ERR_JSON_UTF8, 1, 4, "invalid UTF-8 in a string"},
        {"\"\xed\xa0\x80\"", FL_ERR_JSON_UTF8, 1, 2, "invalid UTF-8 in a string"},
        {"\"\xe2\x82", FL_ERR_JSON_UTF8, 1, 2, "invalid UTF-8 in a string"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_reterr reterr = {.err = FL_OK};
        enum fl_err err = verdict(fl_slice_cstr(cases[i].text), FL_JSON_LIMITS, &reterr);
        assert_string_equal(reterr.message, cases[i].message);
        assert_int_equal(err, cases[i].err);
        assert_int_equal(reterr.err, err);
        assert_int_equal(reterr.line, cases[i].line);
        assert_int_equal(reterr.column, cases[i].column);
        assert_int_equal(verdict(fl_slice_cstr(cases[i].text), FL_JSON_LIMITS, NULL), err);
    }
}

static void offset_counts_bytes(void **state)
{
    (void)state;
    struct fl_reterr reterr = {.err = FL_OK};
    assert_int_equal(verdict(FL_LIT("[\n\n \"\xc3\xa4\", ?]"), FL_JSON_LIMITS, &reterr),
                     FL_ERR_JSON_SYNTAX);
    assert_int_equal(reterr.offset, 10);
    assert_int_equal(reterr.line, 3);
    assert_int_equal(reterr.column, 8);
}

/* Messages hold at most sizeof(message) - 1 bytes, whatever a client writes. */
static void messages_are_bounded(void **state)
{
    (void)state;
    struct fl_buf b;
    struct fl_reterr reterr = {.err = FL_OK};
    fl_buf_init(&b, 100000);
    fl_buf_put(&b, FL_LIT("{\""));
    put_repeated(&b, "\x7f", 20000);
    fl_buf_put(&b, FL_LIT("\" 1}"));
    assert_int_equal(verdict(fl_buf_slice(&b), FL_JSON_LIMITS, &reterr), FL_ERR_JSON_SYNTAX);
    assert_string_equal(reterr.message,
                        "expected ':' after key '"
                        "\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f\\x7f...'");
    fl_buf_finish(&b);
}

/* Every kind of byte that stops a search, at every place of a string long enough for each of the
 * searches' steps, with every length of what follows. */
static void strings_at_every_alignment(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        enum fl_err err;
    } pieces[] = {{"", FL_OK},
                  {"\\n", FL_OK},
                  {"\\u00e4", FL_OK},
                  {"\xc3\xa4", FL_OK},
                  {"\xe2\x82\xac", FL_OK},
                  {"\xf0\x9f\x98\x80", FL_OK},
                  {"\x7f", FL_OK},
                  {"\x1f", FL_ERR_JSON_SYNTAX},
                  {"\x01", FL_ERR_JSON_SYNTAX},
                  {"\xc3", FL_ERR_JSON_UTF8},
                  {"\x80", FL_ERR_JSON_UTF8},
                  {"\xf4\x90\x80\x80", FL_ERR_JSON_UTF8},
                  {"\"", FL_ERR_JSON_SYNTAX},
                  {"\\", FL_ERR_JSON_SYNTAX}};
    enum { longest = 70 };
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        for (unsigned before = 0; before < longest; before++) {
            for (unsigned after = 0; after < longest; after += before % 7 + 1) {
                char memory[256];
                struct fl_buf b;
                fl_buf_init_in(&b, memory, sizeof(memory));
                fl_buf_putc(&b, '"');
                put_repeated(&b, "x", before);
                fl_buf_put_cstr(&b, pieces[i].piece);
                put_repeated(&b, "y", after);
                fl_buf_putc(&b, '"');
                enum fl_err err = verdict(fl_buf_slice(&b), FL_JSON_LIMITS, NULL);
                if (err != pieces[i].err) {
                    print_error("%.*s\n", (int)b.len, b.ptr);
                }
                assert_int_equal(err, pieces[i].err);
            }
        }
    }
}

/* A string with *piece* behind *before* bytes and a whole block after it: accepted, or refused where it breaks. */
static void check_in_block(const char *piece, size_t len, size_t before)
{
    char text[512];
    struct fl_reterr reterr = {.err = FL_OK};
    size_t at = 1 + before, all = at + len + 81;
    memset(text, 'x', sizeof(text));
    text[0] = text[all - 1] = '"';
    memcpy(text + at, piece, len);
    size_t valid = fl_utf8_check(fl_slice(text, all));
    enum fl_err err = verdict(fl_slice(text, all), FL_JSON_LIMITS, &reterr);
    if (err != (valid < all ? FL_ERR_JSON_UTF8 : FL_OK) || (err && reterr.offset != valid)) {
        print_error("%02x %02x %02x %02x behind %zu bytes: %s at %zu\n", piece[0] & 255, piece[1] & 255, piece[2] & 255,
                    piece[3] & 255, before, fl_err_name(err), reterr.offset);
        fail();
    }
}

/* Behind each place that a block of 16, 32 or 64 bytes can end at, and behind characters that cross it. */
static void utf8_at_every_place_of_a_block(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00 + 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                                          0xe0,       0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    enum { edge_count = sizeof(edges) };
    static const size_t befores[] = {16, 62, 75, 76, 77, 78, 79, 80, 100, 139, 140, 141, 142, 143, 144};
    for (size_t b = 0; b < sizeof(befores) / sizeof(befores[0]); b++) {
        for (unsigned first = 0x80; first < 0x100; first++) {
            for (unsigned second = 0x7f; second < 0x100; second++) {
                const char piece[4] = {(char)first, (char)second, (char)0xa1, (char)0x80};
                for (size_t len = 1; len <= 4; len++) {
                    check_in_block(piece, len, befores[b]);
                }
            }
        }
        for (unsigned i = 0; i < edge_count * edge_count * edge_count * edge_count; i++) {
            const char piece[4] = {(char)edges[i % edge_count], (char)edges[i / edge_count % edge_count],
                                   (char)edges[i / edge_count / edge_count % edge_count],
                                   (char)edges[i / edge_count / edge_count / edge_count]};
            if (i % 7 == b % 7) {
                check_in_block(piece, 4, befores[b]);
            }
        }
    }
}

/* Runs of characters of one length end blocks in each of their bytes; what breaks one of them is found. */
static void utf8_runs_are_checked(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa4", "\xe0\xa4\xa8", "\xe4\xb8\xad", "\xed\x95\x9c",
                                             "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t c = 0; c < sizeof(characters) / sizeof(characters[0]); c++) {
        size_t width = strlen(characters[c]);
        for (size_t shift = 0; shift < 5; shift++) {
            char text[400];
            size_t len = 1 + shift;
            memset(text, 'x', sizeof(text));
            text[0] = '"';
            for (; len + width < 330; len += width) {
                memcpy(text + len, characters[c], width);
            }
            text[len++] = '"';
            assert_int_equal(verdict(fl_slice(text, len), FL_JSON_LIMITS, NULL), FL_OK);
            for (size_t at = 1; at < len - 1; at++) {
                static const char breakers[] = "x\x80\xc3\xff\n";
                struct fl_reterr reterr;
                char kept = text[at];
                text[at] = breakers[at % 5];
                size_t broken = fl_utf8_check(fl_slice(text, len));
                bool control = text[at] == '\n' && at <= broken;
                enum fl_err err = verdict(fl_slice(text, len), FL_JSON_LIMITS, &reterr);
                assert_int_equal(err, control ? FL_ERR_JSON_SYNTAX : broken < len ? FL_ERR_JSON_UTF8 : FL_OK);
                if (err) {
                    assert_int_equal(reterr.offset, control ? at : broken);
                }
                text[at] = kept;
            }
        }
    }
}

/* Each byte behind a backslash, at each place of a block, also behind another escape. */
static void escapes_at_every_place_of_a_block(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 150; before++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[320];
            struct fl_reterr reterr;
            memset(text, 'x', sizeof(text));
            text[0] = '"';
            if (before % 3 == 2) {
                memcpy(text + before - 1, before % 2 ? "\\n" : "\\\\", 2);
            }
            text[1 + before] = '\\';
            text[2 + before] = (char)c;
            text[280] = '"';
            enum fl_err err = verdict(fl_slice(text, 281), FL_JSON_LIMITS, &reterr);
            bool pair = c != 0 && strchr("\"\\/bfnrt", (int)c) != NULL;
            assert_int_equal(err, pair ? FL_OK : FL_ERR_JSON_SYNTAX);
            if (!pair) {
                assert_int_equal(reterr.offset, before + (c == 'u' ? 3 : 2));
            }
        }
    }
}

static void blanks_at_every_alignment(void **state)
{
    (void)state;
    static const char kinds[] = " \n\r\t";
    for (unsigned count = 0; count < 60; count++) {
        char text[64];
        text[0] = '[';
        for (unsigned i = 0; i < count; i++) {
            text[1 + i] = kinds[(i + count) % 4];
        }
        text[1 + count] = ']';
        assert_int_equal(verdict(fl_slice(text, count + 2), FL_JSON_LIMITS, NULL), FL_OK);
        for (unsigned i = 0; i < count; i++) {
            static const char strangers[] = "\x0b\x0c\x01\x1f!\xa0";
            char kept = text[1 + i];
            text[1 + i] = strangers[i % 6];
            assert_int_equal(verdict(fl_slice(text, count + 2), FL_JSON_LIMITS, NULL),
                             FL_ERR_JSON_SYNTAX);
            text[1 + i] = kept;
        }
    }
}

/* Every text that is cut short is refused, and no cut reads past its end (the sanitizer sees). */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"model\": \"gpt\\u00e4\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\\n\", \"n\": [1, -2.5e+7, "
        "true, "
        "false, null, {}, []], \"a much longer key than sixteen\": \"and its value\"}";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        assert_int_not_equal(verdict(fl_slice(text, len), FL_JSON_LIMITS, NULL), FL_OK);
    }
    assert_int_equal(verdict(fl_slice(text, sizeof(text) - 1), FL_JSON_LIMITS, NULL), FL_OK);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    struct fl_buf b;
    struct fl_reterr reterr = {.err = FL_OK};
    fl_buf_init(&b, 4 << 20);
    for (unsigned depth = 127; depth <= 129; depth++) {
        fl_buf_reset(&b);
        put_repeated(&b, "[", depth);
        put_repeated(&b, "]", depth);
        assert_int_equal(verdict(fl_buf_slice(&b), FL_JSON_LIMITS, &reterr),
                         depth <= 128 ? FL_OK : FL_ERR_JSON_DEPTH);
    }
    assert_int_equal(reterr.offset, 128);
    assert_string_equal(reterr.message, "nested deeper than 128 levels");
    fl_buf_reset(&b);
    put_repeated(&b, "[", 1000000);
    assert_int_equal(verdict(fl_buf_slice(&b), FL_JSON_LIMITS, &reterr), FL_ERR_JSON_DEPTH);
    assert_int_equal(reterr.offset, 128);
    fl_buf_finish(&b);

    struct fl_json_limits shallow = {.depth_max = 2, .keys_max = 10};
    assert_int_equal(verdict(FL_LIT("[{\"a\":1},{}]"), shallow, NULL), FL_OK);
    assert_int_equal(verdict(FL_LIT("[{\"a\":[]}]"), shallow, NULL), FL_ERR_JSON_DEPTH);
    shallow.depth_max = 0;
    assert_int_equal(verdict(FL_LIT("\"a\""), shallow, NULL), FL_OK);
    assert_int_equal(verdict(FL_LIT("[]"), shallow, NULL), FL_ERR_JSON_DEPTH);
}

static void keys_have_a_limit(void **state)
{
    (void)state;
    struct fl_json_limits limits = {.depth_max = 8, .keys_max = 2};
    struct fl_reterr reterr = {.err = FL_OK};
    assert_int_equal(verdict(FL_LIT("{\"a\":1,\"b\":{\"a\":1,\"b\":2}}"), limits, NULL), FL_OK);
    assert_int_equal(verdict(FL_LIT("[{\"a\":1,\"b\":2},{\"a\":1,\"b\":2}]"), limits, NULL), FL_OK);
    assert_int_equal(verdict(FL_LIT("{\"a\":{\"x\":1},\"b\":2,\n\"c\":3}"), limits, &reterr),
                     FL_ERR_JSON_KEYS);
    assert_string_equal(reterr.message, "more than 2 keys in one object");
    assert_int_equal(reterr.line, 2);
    assert_int_equal(reterr.column, 1);

    struct fl_buf b;
    fl_buf_init(&b, 4 << 20);
    fl_buf_putc(&b, '{');
    put_repeated(&b, "\"k\":1,", 200000);
    fl_buf_put(&b, FL_LIT("\"k\":1}"));
    assert_int_equal(verdict(fl_buf_slice(&b), FL_JSON_LIMITS, &reterr), FL_ERR_JSON_KEYS);
    assert_int_equal(reterr.offset, 1 + 6 * 10000);
    limits.keys_max = 200001;
    assert_int_equal(verdict(fl_buf_slice(&b), limits, NULL), FL_OK);
    fl_buf_finish(&b);
}

/* --- Watching --- */

static void watches_find_members(void **state)
{
    (void)state;
    struct fl_slice text = FL_LIT(
        " {\"x\" : {\"model\":0}, \"model\" : \"m\" ,\"stream\":true,\"l\":[1, {\"stream\":2}] }");
    struct fl_json_watch w[] = {{.key = FL_LIT("stream")},
                                {.key = FL_LIT("model")},
                                {.key = FL_LIT("l")},
                                {.key = FL_LIT("none"), .value = {FL_JSON_TRUE, FL_LIT("stale")}},
                                {.key = FL_LIT("x")}};
    struct fl_json value;
    assert_int_equal(fl_json_scan(text, FL_JSON_LIMITS, w, 5, &value, NULL), FL_OK);
    assert_int_equal(w[0].value.type, FL_JSON_TRUE);
    assert_slice(w[0].member, "\"stream\":true");
    assert_int_equal(w[1].value.type, FL_JSON_STRING);
    assert_slice(w[1].value.span, "\"m\"");
    assert_slice(w[1].member, "\"model\" : \"m\"");
    assert_int_equal(w[2].value.type, FL_JSON_ARRAY);
    assert_slice(w[2].value.span, "[1, {\"stream\":2}]");
    assert_int_equal(w[3].value.type, FL_JSON_NONE);
    assert_int_equal(w[3].value.span.len + w[3].member.len, 0);
    assert_int_equal(w[4].value.type, FL_JSON_OBJECT);
    assert_slice(w[4].member, "\"x\" : {\"model\":0}");
    assert_true(w[1].member.ptr > text.ptr && w[1].member.ptr < text.ptr + text.len);
}

static void watches_want_the_top_level(void **state)
{
    (void)state;
    struct fl_json_watch w = {.key = FL_LIT("a")};
    struct fl_json value;
    assert_int_equal(
        fl_json_scan(FL_LIT("[{\"a\":1},{\"a\":2}]"), FL_JSON_LIMITS, &w, 1, &value, NULL), FL_OK);
    assert_int_equal(w.value.type, FL_JSON_NONE);
    assert_int_equal(fl_json_scan(FL_LIT("{\"b\":{\"a\":1,\"a\":2},\"b\":3}"), FL_JSON_LIMITS, &w,
                                  1, &value, NULL),
                     FL_OK);
    assert_int_equal(w.value.type, FL_JSON_NONE);
}

static void watched_keys_are_decoded(void **state)
{
    (void)state;
    struct fl_json_watch w[] = {{.key = FL_LIT("model")},
                                {.key = FL_LIT("\xc3\xa4\xf0\x9f\x98\x80/")}};
    struct fl_json value;
    assert_int_equal(fl_json_scan(FL_LIT("{\"\\u006Dodel\": 7, \"\\u00E4\\ud83d\\uDE00\\/\": 8}"),
                                  FL_JSON_LIMITS, w, 2, &value, NULL),
                     FL_OK);
    assert_slice(w[0].value.span, "7");
    assert_slice(w[0].member, "\"\\u006Dodel\": 7");
    assert_slice(w[1].value.span, "8");
    assert_int_equal(
        fl_json_scan(FL_LIT("{\"mode\\u006\": 7}"), FL_JSON_LIMITS, w, 2, &value, NULL),
        FL_ERR_JSON_SYNTAX);
    assert_int_equal(
        fl_json_scan(
            FL_LIT("{\"mode\": 1, \"models\": 2, \"Model\": 3, \"mode\\u006c\\u0000\": 4}"),
            FL_JSON_LIMITS, w, 2, &value, NULL),
        FL_OK);
    assert_int_equal(w[0].value.type, FL_JSON_NONE);
}

static void a_mark_is_found_where_a_value_begins_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool marked;
    } rows[] = {{"\"mark:\"", true},
                {"{\"a\":[{\"b\":\"mark:x\"}]}", true},
                {"[\"mark:\",\"mark\"]", true},
                {"[\"mark\",\"mar\",\"\"]", false},
                {"{\"mark:\":1}", false},
                {"{\"a\":\"a mark:\"}", false},
                {"{\"a\":\"\\\"mark:\"}", false},
                {"\"m", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fl_slice text = fl_slice_cstr(rows[i].text);
        char *copy = fl_slice_dup(text);
        struct fl_json value;
        bool marked = false;
        enum fl_err err = fl_json_scan_marked(fl_slice(copy, text.len), FL_JSON_LIMITS, NULL, 0, FL_LIT("mark:"),
                                              &marked, &value, NULL);
        assert_int_equal(err, i < 7 ? FL_OK : FL_ERR_JSON_SYNTAX);
        assert_int_equal(marked, rows[i].marked);
        free(copy);
    }
}

static void watched_keys_stand_once(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"model\":1,\"b\":2,\n \"model\":3}",
        "{\"model\":1,\"b\":{},\n \"m\\u006fdel\":3}",
        "{\"\\u006dode\\u006c\":1,\"b\":[],\n \"model\":3}",
        "{\"\\u006dode\\u006c\":null,\"b\":[],\n \"\\u006Dodel\":null}",
    };
    for (size_t i = 0; i < 4; i++) {
        struct fl_json_watch w[] = {{.key = FL_LIT("b")}, {.key = FL_LIT("model")}};
        struct fl_json value = {FL_JSON_NONE, FL_EMPTY};
        struct fl_reterr reterr = {.err = FL_OK};
        assert_int_equal(
            fl_json_scan(fl_slice_cstr(texts[i]), FL_JSON_LIMITS, w, 2, &value, &reterr),
            FL_ERR_JSON_DUPLICATE);
        assert_string_equal(reterr.message, "duplicate key 'model'");
        assert_int_equal(reterr.line, 2);
        assert_int_equal(reterr.column, 2);
        assert_int_equal(value.type, FL_JSON_NONE);
        assert_int_equal(w[0].value.type, FL_JSON_NONE); /* nothing half-found survives */
        assert_int_equal(w[1].value.type, FL_JSON_NONE);
        assert_int_equal(fl_json_scan(fl_slice_cstr(texts[i]), FL_JSON_LIMITS, w, 1, &value, NULL),
                         FL_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(top_level_values),           cmocka_unit_test(failures_say_where_and_why),
        cmocka_unit_test(offset_counts_bytes),        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(strings_at_every_alignment), cmocka_unit_test(blanks_at_every_alignment),
        cmocka_unit_test(utf8_at_every_place_of_a_block), cmocka_unit_test(utf8_runs_are_checked),
        cmocka_unit_test(escapes_at_every_place_of_a_block),
        cmocka_unit_test(every_prefix_is_refused),    cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(keys_have_a_limit),          cmocka_unit_test(watches_find_members),
        cmocka_unit_test(watches_want_the_top_level), cmocka_unit_test(watched_keys_are_decoded),
        cmocka_unit_test(a_mark_is_found_where_a_value_begins_with_it), cmocka_unit_test(watched_keys_stand_once),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

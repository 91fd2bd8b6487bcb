/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's published vectors (the examples of its documentation and of its test suite), and one made with
 * the AWS SDK for a path that needs the second encoding. */
#include "unit/cm.h"

#include "auth/encode.h"
#include "auth/sigv4.h"
#include "tls/digest.h"

#define SECRET FL_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

static struct fl_sigv4 ask(struct fl_slice body)
{
    struct fl_sigv4 s = {.access_key = FL_LIT("AKIDEXAMPLE"),
                         .secret_key = SECRET,
                         .region = FL_LIT("us-east-1"),
                         .service = FL_LIT("service"),
                         .method = FL_LIT("GET"),
                         .host = FL_LIT("example.amazonaws.com"),
                         .path = FL_LIT("/"),
                         .unix_s = 1440938160}; /* 20150830T123600Z */
    fl_sha256(body, s.body_sha256);
    return s;
}

static const char *hex(const uint8_t bytes[32])
{
    static char text[65];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    fl_put_hex_bytes(&b, bytes, 32);
    text[b.len] = '\0';
    return text;
}

static const char *fields(const struct fl_sigv4 *s)
{
    static char text[2048];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    fl_sigv4_put(s, &b);
    assert_true(fl_buf_ok(&b));
    text[b.len] = '\0';
    return text;
}

static void the_signing_key(void **state)
{
    (void)state;
    uint8_t key[32];
    struct fl_sigv4 s = ask(FL_EMPTY);
    s.service = FL_LIT("iam");
    fl_sigv4_signing_key(&s, key);
    assert_string_equal(hex(key),
                        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

static void a_plain_get(void **state)
{
    (void)state;
    struct fl_sigv4 s = ask(FL_EMPTY);
    assert_string_equal(
        fields(&s),
        "x-amz-date: 20150830T123600Z\r\n"
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
        "aws4_request, SignedHeaders=host;x-amz-date, Signature="
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n");
    s.query = FL_LIT("Param1=value1&Param2=value2");
    assert_non_null(strstr(
        fields(&s), "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
}

static void a_query_with_content_type(void **state)
{
    (void)state;
    uint8_t digest[32];
    struct fl_sigv4 s = ask(FL_EMPTY);
    s.service = FL_LIT("iam");
    s.host = FL_LIT("iam.amazonaws.com");
    s.query = FL_LIT("Action=ListUsers&Version=2010-05-08");
    s.content_type = FL_LIT("application/x-www-form-urlencoded; charset=utf-8");
    fl_sigv4_canonical_sha256(&s, digest);
    assert_string_equal(hex(digest),
                        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
    assert_non_null(strstr(fields(&s),
                           "SignedHeaders=content-type;host;x-amz-date, Signature="
                           "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"));
}

/* The model's name has a ':', which is encoded once on the wire and twice in what is signed. */
static void bedrock_encodes_twice(void **state)
{
    (void)state;
    uint8_t digest[32];
    struct fl_sigv4 s =
        ask(FL_LIT("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}"));
    s.service = FL_LIT("bedrock");
    s.method = FL_LIT("POST");
    s.host = FL_LIT("bedrock-runtime.us-east-1.amazonaws.com");
    s.path = FL_LIT("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
    s.content_type = FL_LIT("application/json");
    s.unix_s = 1785542400; /* 20260801T000000Z */
    assert_string_equal(hex(s.body_sha256),
                        "c3335e07d6e89650bf94cb98664be69f8774dbc3198df221f113db0a59ea14f0");
    fl_sigv4_canonical_sha256(&s, digest);
    assert_string_equal(hex(digest),
                        "d842a6ea53cf4baeeae3bf2bc89ac917cdde8125fae61b6097d0397df0bcb409");
    assert_non_null(strstr(
        fields(&s), "Signature=70961c07cbcc9c7bc1d5fe29a43b41eee3bc61d1e1ec8d3264a4153688c8a3af"));
}

static void a_session_token_is_signed(void **state)
{
    (void)state;
    uint8_t without[32], with[32];
    struct fl_sigv4 s = ask(FL_EMPTY);
    fl_sigv4_canonical_sha256(&s, without);
    s.session_token = FL_LIT("TOKEN==");
    fl_sigv4_canonical_sha256(&s, with);
    assert_memory_not_equal(without, with, 32);
    assert_non_null(strstr(fields(&s), "\r\nx-amz-security-token: TOKEN==\r\n"));
    assert_non_null(strstr(fields(&s), "SignedHeaders=host;x-amz-date;x-amz-security-token,"));
}

static void pieces_hash_as_one(void **state)
{
    (void)state;
    uint8_t whole[32], parts[32];
    const struct fl_slice pieces[] = {FL_LIT("ab"), FL_EMPTY, FL_LIT("c")};
    fl_sha256(FL_LIT("abc"), whole);
    fl_sha256_pieces(pieces, 3, parts);
    assert_memory_equal(whole, parts, 32);
    assert_string_equal(hex(whole),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    fl_hmac_sha256(FL_LIT("key"), FL_LIT("The quick brown fox jumps over the lazy dog"), whole);
    assert_string_equal(hex(whole),
                        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}

static void times(void **state)
{
    (void)state;
    static const struct {
        uint64_t unix_s;
        const char *text;
    } cases[] = {{0, "19700101T000000Z"},
                 {951782400, "20000229T000000Z"},
                 {1785542399, "20260731T235959Z"},
                 {4107542400, "21000301T000000Z"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char memory[20];
        struct fl_buf b;
        fl_buf_init_in(&b, memory, sizeof(memory));
        fl_put_basic_time(&b, cases[i].unix_s);
        assert_slice(fl_buf_slice(&b), cases[i].text);
    }
    uint64_t s = 0;
    assert_true(fl_parse_utc(FL_LIT("2026-08-01T00:00:00Z"), &s));
    assert_int_equal(s, 1785542400);
    assert_true(fl_parse_utc(FL_LIT("2000-02-29T23:59:59.123Z"), &s));
    assert_int_equal(s, 951782400 + 86399);
    assert_false(fl_parse_utc(FL_LIT("2026-13-01T00:00:00Z"), &s));
    assert_false(fl_parse_utc(FL_LIT("2026-08-01T00:00:00+02:00"), &s));
    assert_false(fl_parse_utc(FL_LIT("1785542400"), &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signing_key),
        cmocka_unit_test(a_plain_get),
        cmocka_unit_test(a_query_with_content_type),
        cmocka_unit_test(bedrock_encodes_twice),
        cmocka_unit_test(a_session_token_is_signed),
        cmocka_unit_test(pieces_hash_as_one),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

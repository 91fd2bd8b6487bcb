/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "auth/encode.h"
#include "auth/token.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>

static EVP_PKEY *key;
static char pem[4096];
static char file[8192];

/* A key of our own, and the file that a service account's owner downloads. */
static int make_account(void **state)
{
    (void)state;
    BIO *bio = BIO_new(BIO_s_mem());
    key = EVP_RSA_gen(2048);
    assert_non_null(key);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    int len = BIO_read(bio, pem, sizeof(pem) - 1);
    BIO_free(bio);
    struct fl_buf b;
    fl_buf_init_in(&b, file, sizeof(file) - 1);
    fl_buf_put_cstr(
        &b, "{\"type\":\"service_account\",\"project_id\":\"p-1\",\"private_key_id\":\"k1\","
            "\"private_key\":");
    fl_buf_put_json(&b, fl_slice(pem, (size_t)len));
    fl_buf_put_cstr(&b, ",\"client_email\":\"a@p-1.iam.gserviceaccount.com\",\"token_uri\":\"https:"
                        "//oauth2.test/token\"}");
    assert_true(fl_buf_ok(&b));
    file[b.len] = '\0';
    return 0;
}

static int free_account(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

/* --- Assertions --- */

static size_t decode(struct fl_slice text, unsigned char *out)
{
    char padded[4096];
    size_t len = text.len;
    for (size_t i = 0; i < len; i++) {
        padded[i] = text.ptr[i] == '-' ? '+' : text.ptr[i] == '_' ? '/' : text.ptr[i];
    }
    size_t padding = (4 - len % 4) % 4;
    memset(padded + len, '=', padding);
    int n = EVP_DecodeBlock(out, (unsigned char *)padded, (int)(len + padding));
    assert_true(n >= 0);
    return (size_t)n - padding;
}

static void an_assertion_is_signed(void **state)
{
    (void)state;
    struct fl_arena arena;
    struct fl_service_account account;
    struct fl_buf b;
    const char *lacking;
    unsigned char bytes[4096];
    fl_arena_init(&arena, 4096, 1 << 20);
    fl_buf_init(&b, 8192);
    assert_int_equal(fl_service_account_parse(fl_slice_cstr(file), &arena, &account, &lacking),
                     FL_OK);
    assert_slice(account.project, "p-1");
    assert_int_equal(fl_service_account_put_assertion(&account, FL_LIT("s"), 1000, &b), FL_OK);

    struct fl_slice jwt = fl_buf_slice(&b);
    size_t first = fl_slice_find(jwt, '.');
    size_t second = first + 1 + fl_slice_find(fl_slice_from(jwt, first + 1), '.');
    bytes[decode(fl_slice_first(jwt, first), bytes)] = '\0';
    assert_string_equal((char *)bytes, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
    bytes[decode(fl_slice(jwt.ptr + first + 1, second - first - 1), bytes)] = '\0';
    assert_string_equal((char *)bytes,
                        "{\"iss\":\"a@p-1.iam.gserviceaccount.com\",\"scope\":\"s\",\"aud\":"
                        "\"https://oauth2.test/token\",\"iat\":1000,\"exp\":4600}");
    size_t len = decode(fl_slice_from(jwt, second + 1), bytes);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(md, bytes, len, (const unsigned char *)jwt.ptr, second), 1);
    EVP_MD_CTX_free(md);
    account.private_key = FL_LIT("-----BEGIN NONSENSE-----");
    assert_int_equal(fl_service_account_put_assertion(&account, FL_LIT("s"), 1000, &b),
                     FL_ERR_CONFIG);
    fl_buf_finish(&b);
    fl_arena_finish(&arena);
}

static void a_file_says_what_it_lacks(void **state)
{
    (void)state;
    static const struct {
        const char *json, *lacking;
    } cases[] = {{"", "JSON"},
                 {"[]", "JSON"},
                 {"{}", "client_email"},
                 {"{\"client_email\":1}", "client_email"},
                 {"{\"client_email\":\"e\"}", "private_key"},
                 {"{\"client_email\":\"e\",\"private_key\":\"k\"}", "token_uri"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fl_arena arena;
        struct fl_service_account account;
        const char *lacking = NULL;
        fl_arena_init(&arena, 4096, 1 << 20);
        assert_int_equal(
            fl_service_account_parse(fl_slice_cstr(cases[i].json), &arena, &account, &lacking),
            FL_ERR_CONFIG);
        assert_string_equal(lacking, cases[i].lacking);
        fl_arena_finish(&arena);
    }
}

static void base64url_has_no_padding(void **state)
{
    (void)state;
    static const struct {
        const char *text, *encoded;
    } cases[] = {
        {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xff\xfe\xfd\xfb", "__79-w"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char memory[16];
        struct fl_buf b;
        fl_buf_init_in(&b, memory, sizeof(memory));
        fl_put_base64url(&b, fl_slice_cstr(cases[i].text));
        assert_slice(fl_buf_slice(&b), cases[i].encoded);
    }
}

/* --- Fetches --- */

static struct fl_token_source source_of(enum fl_token_kind kind, const char *url)
{
    struct fl_token_source s = {.kind = kind, .host_header = FL_LIT("h.test")};
    assert_int_equal(fl_url_parse(fl_slice_cstr(url), &s.endpoint, NULL), FL_OK);
    return s;
}

static char request[16384];

static const char *next_request(struct fl_token_fetch *f)
{
    struct fl_buf b;
    fl_buf_init_in(&b, request, sizeof(request) - 1);
    assert_int_equal(fl_token_fetch_put(f, 1000, &b), FL_OK);
    request[b.len] = '\0';
    return request;
}

static enum fl_err answer(struct fl_token_fetch *f, int status, const char *body,
                          struct fl_token *t, bool *done)
{
    return fl_token_fetch_take(f, status, fl_slice_cstr(body), 1000, t, done);
}

static void google_exchanges_an_assertion(void **state)
{
    (void)state;
    bool done = false;
    struct fl_arena arena;
    const char *lacking;
    struct fl_token token;
    struct fl_token_fetch f;
    struct fl_token_source s = source_of(FL_TOKEN_GOOGLE_ACCOUNT, "https://oauth2.test/token");
    s.scope = FL_LIT("https://scope");
    fl_arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(fl_service_account_parse(fl_slice_cstr(file), &arena, &s.account, &lacking),
                     FL_OK);
    fl_token_init(&token);
    fl_token_fetch_begin(&f, &s);
    const char *text = next_request(&f);
    assert_int_equal(strncmp(text, "POST /token HTTP/1.1\r\nhost: h.test\r\n", 36), 0);
    assert_non_null(strstr(
        text,
        "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"));
    char length[64];
    (void)snprintf(length, sizeof(length), "content-length: %zu\r\n",
                   strlen(strstr(text, "\r\n\r\n") + 4));
    assert_non_null(strstr(text, length));
    assert_int_equal(
        answer(&f, 200,
               "{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
               &token, &done),
        FL_OK);
    assert_true(done);
    assert_slice(token.bearer, "ya29.x");
    assert_int_equal(token.expires_s, 4599);
    assert_int_equal(fl_token_refresh_s(&token, 1000), 4299);
    fl_token_fetch_finish(&f);
    fl_token_finish(&token);
    fl_arena_finish(&arena);
}

static void imds_takes_three_steps(void **state)
{
    (void)state;
    bool done = true;
    struct fl_token token;
    struct fl_token_fetch f;
    struct fl_token_source s = source_of(FL_TOKEN_AWS_IMDS, "http://169.254.169.254");
    fl_token_init(&token);
    fl_token_fetch_begin(&f, &s);
    assert_non_null(strstr(next_request(&f), "PUT /latest/api/token HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
    assert_int_equal(answer(&f, 200, "SESSION==", &token, &done), FL_OK);
    assert_false(done);
    assert_non_null(
        strstr(next_request(&f), "GET /latest/meta-data/iam/security-credentials/ HTTP"));
    assert_non_null(strstr(request, "x-aws-ec2-metadata-token: SESSION==\r\n"));
    assert_int_equal(answer(&f, 200, "my-role\nother\n", &token, &done), FL_OK);
    assert_non_null(
        strstr(next_request(&f), "GET /latest/meta-data/iam/security-credentials/my-role HTTP"));
    assert_int_equal(
        answer(&f, 200,
               "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"s\\/k\","
               "\"Token\":\"t\",\"Expiration\":\"1970-01-01T06:00:00Z\"}",
               &token, &done),
        FL_OK);
    assert_true(done);
    assert_slice(token.access_key, "ASIA");
    assert_slice(token.secret_key, "s/k");
    assert_slice(token.session_token, "t");
    assert_int_equal(token.expires_s, 21600);
    fl_token_fetch_finish(&f);
    fl_token_finish(&token);
}

static void other_sources(void **state)
{
    (void)state;
    bool done = false;
    struct fl_token token;
    struct fl_token_fetch f;
    struct fl_token_source s = source_of(FL_TOKEN_AWS_WEB_IDENTITY, "https://sts.test/");
    s.role = FL_LIT("arn:aws:iam::1:role/x");
    s.proof = FL_LIT("ey.J+");
    fl_token_init(&token);
    fl_token_fetch_begin(&f, &s);
    assert_non_null(strstr(next_request(&f), "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                                             "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx&"
                                             "RoleSessionName=fairlead&WebIdentityToken=ey.J%2B"));
    assert_int_equal(
        answer(&f, 200,
               "<R><Credentials><SessionToken>T</SessionToken><SecretAccessKey>S</SecretAccessKey>"
               "<Expiration>1970-01-01T01:00:00Z</Expiration><AccessKeyId>A</AccessKeyId></"
               "Credentials></R>",
               &token, &done),
        FL_OK);
    assert_slice(token.access_key, "A");
    assert_slice(token.session_token, "T");
    assert_int_equal(token.expires_s, 3600);
    fl_token_finish(&token);

    s = source_of(FL_TOKEN_AWS_CONTAINER, "http://127.0.0.1:80/v2/credentials/abc");
    fl_token_fetch_begin(&f, &s);
    assert_non_null(strstr(next_request(&f), "GET /v2/credentials/abc HTTP/1.1\r\n"));
    assert_null(strstr(request, "authorization"));

    s = source_of(FL_TOKEN_GOOGLE_METADATA, "http://metadata.test");
    fl_token_fetch_begin(&f, &s);
    assert_non_null(
        strstr(next_request(&f),
               "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "metadata-flavor: Google\r\n"));

    s = source_of(FL_TOKEN_ENTRA, "https://login.test/t/oauth2/v2.0/token");
    s.client_id = FL_LIT("id");
    s.client_secret = FL_LIT("a&b");
    s.scope = FL_LIT("x/.default");
    fl_token_fetch_begin(&f, &s);
    assert_non_null(strstr(
        next_request(&f),
        "grant_type=client_credentials&client_id=id&client_secret=a%26b&scope=x%2F.default"));
    assert_int_equal(
        answer(&f, 200, "{\"access_token\":\"e\",\"expires_in\":\"60\"}", &token, &done), FL_OK);
    assert_int_equal(token.expires_s, 1060);
    assert_int_equal(fl_token_refresh_s(&token, 1000), 1048);
    fl_token_finish(&token);
}

static void answers_that_are_none(void **state)
{
    (void)state;
    static const struct {
        enum fl_token_kind kind;
        int status;
        const char *body;
        enum fl_err err;
    } cases[] = {
        {FL_TOKEN_ENTRA, 200, "", FL_ERR_BAD_RESPONSE},
        {FL_TOKEN_ENTRA, 200, "{\"access_token\":\"\"}", FL_ERR_BAD_RESPONSE},
        {FL_TOKEN_ENTRA, 200, "{\"access_token\":\"a\\r\\nx: y\"}", FL_ERR_BAD_RESPONSE},
        {FL_TOKEN_ENTRA, 401, "{}", FL_ERR_UPSTREAM_AUTH},
        {FL_TOKEN_ENTRA, 400, "{\"error\":\"invalid_grant\"}", FL_ERR_UPSTREAM_AUTH},
        {FL_TOKEN_ENTRA, 503, "", FL_ERR_SERVER},
        {FL_TOKEN_AWS_CONTAINER, 200, "{\"AccessKeyId\":\"a\"}", FL_ERR_BAD_RESPONSE},
        {FL_TOKEN_AWS_WEB_IDENTITY, 200, "<AccessKeyId>a</AccessKeyId><SecretAccessKey>b",
         FL_ERR_BAD_RESPONSE},
        {FL_TOKEN_AWS_IMDS, 200, "two words", FL_ERR_BAD_RESPONSE},
        {FL_TOKEN_AWS_IMDS, 200, "", FL_ERR_BAD_RESPONSE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool done = false;
        struct fl_token token;
        struct fl_token_fetch f;
        struct fl_token_source s = source_of(cases[i].kind, "https://x.test");
        fl_token_init(&token);
        fl_token_fetch_begin(&f, &s);
        assert_int_equal(answer(&f, cases[i].status, cases[i].body, &token, &done), cases[i].err);
        fl_token_fetch_finish(&f);
        fl_token_finish(&token);
    }
}

static void a_token_of_unknown_life_is_fetched_again(void **state)
{
    (void)state;
    struct fl_token token;
    fl_token_init(&token);
    assert_int_equal(fl_token_refresh_s(&token, 1000), 2800);
    token.expires_s = 900; /* over */
    assert_int_equal(fl_token_refresh_s(&token, 1000), 1000);
    fl_token_finish(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assertion_is_signed),
        cmocka_unit_test(a_file_says_what_it_lacks),
        cmocka_unit_test(base64url_has_no_padding),
        cmocka_unit_test(google_exchanges_an_assertion),
        cmocka_unit_test(imds_takes_three_steps),
        cmocka_unit_test(other_sources),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(a_token_of_unknown_life_is_fetched_again),
    };
    return cmocka_run_group_tests(tests, make_account, free_account);
}

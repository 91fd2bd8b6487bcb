/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that are fetched and requests that are signed, by the real server: fetched once for all who
 * wait, in time before they expire, and not in vain again and again.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include "auth/sigv4.h"
#include "tls/digest.h"

#define MS(n) ((n)*FL_NS_MS)

#define HEAD(type)                                                                                 \
    "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\nproviders:\n  p0: {type: " type      \
    ", models: [m], "
#define TAIL "}\nmodels: {chat: {targets: [p0/m]}}\n"
#define ENTRA                                                                                      \
    HEAD("azure")                                                                                  \
    "base_url: \"http://10.0.1.1:80/openai/v1\", auth: {tenant: t, client_id: id, client_secret: " \
    "hush, endpoint: \"http://10.0.1.2:80/token\"}" TAIL
#define CONTAINER                                                                                  \
    HEAD("bedrock")                                                                                \
    "region: eu-west-3, base_url: \"http://10.0.1.1:80\", auth: {source: container, endpoint: "    \
    "\"http://10.0.1.2:80/keys\"}" TAIL

struct scene {
    struct rig rig;
    struct upstream provider, issuer;
    struct fl_buf answer, token;
};

static void say(struct upstream *u, struct fl_buf *b, const char *status, const char *json)
{
    fl_buf_reset(b);
    fl_buf_put_cstr(b, "HTTP/1.1 ");
    fl_buf_put_cstr(b, status);
    fl_buf_put_cstr(b, "\r\ncontent-type: application/json\r\ncontent-length: ");
    fl_buf_put_u64(b, strlen(json));
    fl_buf_put_cstr(b, "\r\n\r\n");
    fl_buf_put_cstr(b, json);
    upstream_say(u, fl_buf_slice(b), UPSTREAM_KEEP);
}

static void open_scene(struct scene *s, const char *yaml, unsigned workers)
{
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->provider, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->issuer, fl_world_sys(s->rig.world, "10.0.1.2"));
    s->provider.keep_body = s->issuer.keep_body = true;
    fl_buf_init(&s->answer, 65536);
    fl_buf_init(&s->token, 65536);
    put_plain(&s->answer, BY_LENGTH, "quick");
    upstream_say(&s->provider, fl_buf_slice(&s->answer), UPSTREAM_KEEP);
    say(&s->issuer, &s->token, "200 OK", "{\"access_token\":\"one\",\"expires_in\":1000}");
    rig_serve_file(&s->rig, fl_slice_cstr(yaml), workers);
}

static void close_scene(struct scene *s)
{
    rig_stop(&s->rig);
    upstream_close(&s->provider);
    upstream_close(&s->issuer);
    fl_buf_finish(&s->answer);
    fl_buf_finish(&s->token);
    rig_close(&s->rig);
}

static bool was_sent(const struct upstream *u, const char *text)
{
    return rig_has(fl_buf_slice(&u->head), text);
}

static void one_fetch_serves_all_who_wait(void **state)
{
    struct scene s;
    struct fl_simclient *c[8];
    (void)state;
    open_scene(&s, ENTRA, 2);
    for (unsigned i = 0; i < 8; i++) {
        c[i] = rig_client(&s.rig, i, NULL);
        rig_post(c[i], 1, false, "");
    }
    for (unsigned i = 0; i < 8; i++) {
        rig_settle(&s.rig, c[i], FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(c[i], 0), "quick");
        rig_leave(&s.rig, c[i]);
    }
    rig_equal(&s.rig, s.issuer.requests, 1);
    rig_check(&s.rig, was_sent(&s.issuer, "POST /token HTTP/1.1"));
    rig_check(&s.rig, rig_has(fl_buf_slice(&s.issuer.body),
                              "grant_type=client_credentials&client_id=id&client_secret=hush"));
    rig_check(&s.rig, was_sent(&s.provider, "POST /openai/v1/chat/completions HTTP/1.1"));
    rig_check(&s.rig, was_sent(&s.provider, "authorization: Bearer one\r\n"));
    close_scene(&s);
}

/* A token in a file is shown as it is when keys are fetched; one that is gone for a moment, as it was. */
static void a_token_s_file_is_read_again(void **state)
{
    static const char yaml[] =
        HEAD("bedrock") "region: eu-west-3, base_url: \"http://10.0.1.1:80\", auth: {source: web_identity, role_arn: "
                        "\"arn:aws:iam::1:role/r\", token_file: /token, endpoint: \"http://10.0.1.2:80/\"}" TAIL;
    static const char *const contents[] = {"first\n", "second\n", NULL, "third\n"};
    static const char *const shown[] = {"&WebIdentityToken=first", "&WebIdentityToken=second",
                                        "&WebIdentityToken=first", "&WebIdentityToken=third"};
    struct scene s;
    (void)state;
    rig_file_text = contents[0];
    open_scene(&s, yaml, 1);
    for (unsigned i = 0; i < 4; i++) {
        rig_file_text = contents[i];
        rig_say(&s.rig, "file says %s", contents[i] ? contents[i] : "nothing");
        /* keys for 1,000 s: the next ones are fetched when these are about to expire */
        say(&s.issuer, &s.token, "200 OK",
            i == 0   ? "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                       "</SessionToken><Expiration>2026-01-01T00:16:40Z</Expiration></Credentials></R>"
            : i == 1 ? "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                       "</SessionToken><Expiration>2026-01-01T00:33:20Z</Expiration></Credentials></R>"
            : i == 2 ? "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                       "</SessionToken><Expiration>2026-01-01T00:50:00Z</Expiration></Credentials></R>"
                     : "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                       "</SessionToken><Expiration>2026-01-01T01:06:40Z</Expiration></Credentials></R>");
        if (i == 0) {
            struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
            rig_post(c, 1, false, "");
            rig_settle(&s.rig, c, 20 * FL_NS_S);
            rig_leave(&s.rig, c);
        } else {
            fl_world_run_for(s.rig.world, 1000 * FL_NS_S);
        }
        rig_equal(&s.rig, s.issuer.requests, i + 1);
        rig_check(&s.rig, rig_has(fl_buf_slice(&s.issuer.body), shown[i]));
    }
    rig_file_text = NULL;
    close_scene(&s);
}

static void ask(struct scene *s, unsigned index, const char *says)
{
    struct fl_simclient *c = rig_client(&s->rig, index, NULL);
    rig_post(c, 1, false, "");
    rig_settle(&s->rig, c, 20 * FL_NS_S);
    if (says) {
        rig_check_text(&s->rig, fl_simclient_answer(c, 0), says);
    } else {
        rig_check(&s->rig, fl_simclient_answer(c, 0)->status >= 400);
    }
    rig_leave(&s->rig, c);
}

/* 1000 s of life: fetched again at 700 s, without a request that waits. */
static void a_token_is_fetched_again_in_time(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, ENTRA, 1);
    ask(&s, 0, "quick");
    fl_world_run_for(s.rig.world, 600 * FL_NS_S);
    rig_equal(&s.rig, s.issuer.requests, 1);
    say(&s.issuer, &s.token, "200 OK", "{\"access_token\":\"two\",\"expires_in\":1000}");
    fl_world_run_for(s.rig.world, 250 * FL_NS_S);
    rig_equal(&s.rig, s.issuer.requests, 2);
    ask(&s, 1, "quick");
    rig_check(&s.rig, was_sent(&s.provider, "authorization: Bearer two\r\n"));
    /* while the issuer is away, the old one serves until it expires */
    say(&s.issuer, &s.token, "503 Busy", "{}");
    fl_world_run_for(s.rig.world, 800 * FL_NS_S);
    ask(&s, 2, "quick");
    rig_check(&s.rig, was_sent(&s.provider, "authorization: Bearer two\r\n"));
    fl_world_run_for(s.rig.world, 300 * FL_NS_S);
    ask(&s, 3, NULL);
    rig_check(&s.rig, s.issuer.requests < 40); /* once a minute, at last */
    say(&s.issuer, &s.token, "200 OK", "{\"access_token\":\"three\",\"expires_in\":1000}");
    fl_world_run_for(s.rig.world, 120 * FL_NS_S);
    ask(&s, 4, "quick");
    rig_check(&s.rig, was_sent(&s.provider, "authorization: Bearer three\r\n"));
    close_scene(&s);
}

static void a_refusal_is_told_and_not_repeated_at_once(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, ENTRA, 1);
    say(&s.issuer, &s.token, "401 No", "{\"error\":\"invalid_client\"}");
    ask(&s, 0, NULL);
    ask(&s, 1, NULL);
    rig_equal(&s.rig, s.issuer.requests, 1);
    rig_equal(&s.rig, s.provider.requests, 0);
    close_scene(&s);
}

static void an_issuer_that_says_nothing_is_not_waited_for_long(void **state)
{
    static const struct upstream_answer nothing = {NULL, 0, UPSTREAM_KEEP};
    struct scene s;
    (void)state;
    open_scene(&s, ENTRA, 1);
    upstream_plan(&s.issuer, &nothing, 1);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    rig_post(c, 1, false, "");
    rig_settle(&s.rig, c, 6 * FL_NS_S); /* timeouts.connect is 5 s */
    rig_check(&s.rig, fl_simclient_answer(c, 0)->status >= 500);
    rig_leave(&s.rig, c);
    fl_world_run_for(s.rig.world, 10 * FL_NS_S);
    close_scene(&s);
}

/* Stopped, and given another configuration, in every millisecond of a fetch. */
static void a_fetch_can_be_left(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 10; ms++) {
        struct scene s;
        open_scene(&s, ENTRA, 1);
        rig_say(&s.rig, "left after %u ms", ms);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        rig_post(c, 1, false, "");
        fl_world_run_for(s.rig.world, MS(ms));
        rig_reload_file(&s.rig, fl_slice_cstr(ENTRA));
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
        rig_leave(&s.rig, c);
        c = rig_client(&s.rig, 1, NULL);
        rig_post(c, 1, false, "");
        fl_world_run_for(s.rig.world, MS(ms));
        rig_stop(&s.rig);
        fl_simclient_destroy(c);
        upstream_close(&s.provider);
        upstream_close(&s.issuer);
        fl_buf_finish(&s.answer);
        fl_buf_finish(&s.token);
        rig_close(&s.rig);
    }
}

static struct fl_slice field(const struct upstream *u, const char *name)
{
    struct fl_slice head = fl_buf_slice(&u->head), key = fl_slice_cstr(name);
    struct fl_slice rest = fl_slice_from(head, fl_slice_find_text(head, key) + key.len);
    return fl_slice_first(rest, fl_slice_find(rest, '\r'));
}

static void check_signature(struct scene *s, struct fl_sigv4 sign)
{
    char memory[2048];
    struct fl_buf b;
    sign.region = FL_LIT("eu-west-3");
    sign.service = FL_LIT("bedrock");
    sign.method = FL_LIT("POST");
    sign.host = FL_LIT("10.0.1.1");
    sign.path = FL_LIT("/model/m/converse");
    sign.content_type = FL_LIT("application/json");
    sign.unix_s = fl_world_sys(s->rig.world, "10.0.1.1")
                      ->ops->wall_ns(fl_world_sys(s->rig.world, "10.0.1.1")) /
                  FL_NS_S;
    fl_sha256(fl_buf_slice(&s->provider.body), sign.body_sha256);
    fl_buf_init_in(&b, memory, sizeof(memory) - 1);
    fl_sigv4_put(&sign, &b);
    memory[b.len] = '\0';
    const char *signature = strstr(memory, "authorization: ");
    rig_check(&s->rig, fl_slice_starts(fl_slice_cstr(signature + 15),
                                       field(&s->provider, "authorization: ")));
}

static void requests_to_bedrock_are_signed(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, CONTAINER, 1);
    say(&s.issuer, &s.token, "200 OK",
        "{\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"s/"
        "k\",\"Token\":\"t==\",\"Expiration\":\"2100-01-01T00:00:00Z\"}");
    say(&s.provider, &s.answer, "200 OK",
        "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"quick\"}]}},"
        "\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":1,\"outputTokens\":1,"
        "\"totalTokens\":2}}");
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    rig_post(c, 1, false, "");
    while (s.provider.requests == 0) {
        fl_world_run_for(s.rig.world, MS(1));
    }
    rig_check(&s.rig, was_sent(&s.provider, "POST /model/m/converse HTTP/1.1"));
    rig_check(&s.rig, was_sent(&s.issuer, "GET /keys HTTP/1.1"));
    rig_check(&s.rig, fl_slice_eq(field(&s.provider, "x-amz-security-token: "), FL_LIT("t==")));
    check_signature(&s, (struct fl_sigv4){.access_key = FL_LIT("ASIA"),
                                          .secret_key = FL_LIT("s/k"),
                                          .session_token = FL_LIT("t==")});
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(c, 0), "quick");
    rig_leave(&s.rig, c);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_s_file_is_read_again),
        cmocka_unit_test(one_fetch_serves_all_who_wait),
        cmocka_unit_test(a_token_is_fetched_again_in_time),
        cmocka_unit_test(a_refusal_is_told_and_not_repeated_at_once),
        cmocka_unit_test(an_issuer_that_says_nothing_is_not_waited_for_long),
        cmocka_unit_test(a_fetch_can_be_left),
        cmocka_unit_test(requests_to_bedrock_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

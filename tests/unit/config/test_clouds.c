/* SPDX-License-Identifier: Apache-2.0 */
/* Providers of other dialects, and of clouds, which need a place and credentials. */
#include "unit/cm.h"

#include <stdio.h>

#include "unit/config/fixture.h"

#define ACCOUNT                                                                                    \
    "{\"client_email\":\"a@b\",\"private_key\":\"-----BEGIN "                                      \
    "do-not-show\",\"token_uri\":\"https://t.test/x\","                                            \
    "\"project_id\":\"from-file\"}"

static const char *const files[] = {"/sa.json", ACCOUNT,       "/bad.json", "{\"client_email\":1}",
                                    "/token",   "web-token\n", NULL};

static struct loaded load(const char *const *variables, const char *yaml)
{
    struct outside outside = {.variables = variables, .files = files};
    return outside_load(&outside, fl_slice_cstr(yaml), NULL);
}

static bool says(const struct loaded *l, const char *text)
{
    return fl_slice_find_text(fl_buf_slice(&l->text), fl_slice_cstr(text)) < l->text.len;
}

static void places_and_keys(void **state)
{
    (void)state;
    static const char *const variables[] = {"ANTHROPIC_API_KEY",
                                            "ak",
                                            "GOOGLE_API_KEY",
                                            "gk",
                                            "AZURE_OPENAI_API_KEY",
                                            "zk",
                                            "AWS_BEARER_TOKEN_BEDROCK",
                                            "bk",
                                            NULL};
    static const struct {
        const char *yaml, *url, *dialect;
        enum fl_auth kind;
        const char *key;
    } cases[] = {
        {"anthropic: {}", "https://api.anthropic.com/v1", "anthropic", FL_AUTH_X_API_KEY, "ak"},
        {"gemini: {}", "https://generativelanguage.googleapis.com/v1beta", "gemini",
         FL_AUTH_X_GOOG_API_KEY, "gk"},
        {"azure: {resource: r1}", "https://r1.openai.azure.com/openai/v1", "azure", FL_AUTH_API_KEY,
         "zk"},
        {"azure: {resource: r1, api_version: 2024-10-21}", "https://r1.openai.azure.com/openai",
         "azure", FL_AUTH_API_KEY, "zk"},
        {"azure: {base_url: \"https://x.test/openai\"}", "https://x.test/openai", "azure",
         FL_AUTH_API_KEY, "zk"},
        {"bedrock: {region: eu-west-1}", "https://bedrock-runtime.eu-west-1.amazonaws.com",
         "bedrock", FL_AUTH_BEARER, "bk"},
        {"ollama_native: {}", "http://127.0.0.1:11434", "ollama_native", FL_AUTH_BEARER, ""},
        {"x: {base_url: \"http://127.0.0.1:1/v1\", dialect: anthropic, api_key: k}",
         "http://127.0.0.1:1/v1", "anthropic", FL_AUTH_X_API_KEY, "k"},
        {"x: {base_url: \"http://127.0.0.1:1\", dialect: gemini, api_key: k}", "http://127.0.0.1:1",
         "gemini", FL_AUTH_X_GOOG_API_KEY, "k"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char yaml[300];
        (void)snprintf(yaml, sizeof(yaml), "providers:\n  %s\n", cases[i].yaml);
        struct loaded l = load(variables, yaml);
        if (l.err) {
            print_error("%s%.*s\n", yaml, (int)l.text.len, l.text.ptr);
        }
        assert_int_equal(l.err, FL_OK);
        const struct fl_provider *p = &l.config->providers[0];
        assert_slice(p->base_url, cases[i].url);
        assert_slice(p->dialect, cases[i].dialect);
        assert_int_equal(p->auth.kind, cases[i].kind);
        assert_slice(p->api_key, cases[i].key);
        assert_false(says(&l, "not routed"));
        loaded_finish(&l);
    }
}

static void vertex_takes_a_service_account(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct loaded l =
        load(none,
             "providers: {vertex: {location: us-east5, auth: {service_account_file: /sa.json}}}\n");
    assert_int_equal(l.err, FL_OK);
    const struct fl_provider *p = &l.config->providers[0];
    assert_slice(p->base_url, "https://us-east5-aiplatform.googleapis.com");
    assert_slice(p->project, "from-file");
    assert_slice(p->region, "us-east5");
    assert_int_equal(p->auth.kind, FL_AUTH_TOKEN);
    assert_int_equal(p->auth.source, FL_SOURCE_SERVICE_ACCOUNT);
    assert_slice(p->auth.endpoint, "https://t.test/x");
    assert_false(says(&l, "not routed"));
    loaded_finish(&l);

    static const char *const usual[] = {"GOOGLE_APPLICATION_CREDENTIALS", "/sa.json",
                                        "GOOGLE_CLOUD_PROJECT", "mine", NULL};
    l = load(usual, "providers: {claude: {type: vertex_anthropic, auth: {endpoint: "
                    "\"http://127.0.0.1:9/t\"}}}\n");
    assert_int_equal(l.err, FL_OK);
    p = &l.config->providers[0];
    assert_slice(p->base_url, "https://aiplatform.googleapis.com");
    assert_slice(p->project, "mine");
    assert_slice(p->auth.endpoint, "http://127.0.0.1:9/t");
    loaded_finish(&l);

    l = load(none, "providers: {vertex: {project: p, auth: {source: metadata}}}\n");
    assert_int_equal(l.config->providers[0].auth.source, FL_SOURCE_METADATA);
    assert_slice(l.config->providers[0].auth.endpoint, "http://metadata.google.internal");
    assert_false(says(&l, "not routed"));
    loaded_finish(&l);
}

static void bedrock_takes_what_awss_tools_take(void **state)
{
    (void)state;
    static const char *const keys[] = {"AWS_ACCESS_KEY_ID",
                                       "AKIA",
                                       "AWS_SECRET_ACCESS_KEY",
                                       "s/k+",
                                       "AWS_SESSION_TOKEN",
                                       "t==",
                                       "AWS_REGION",
                                       "us-west-2",
                                       NULL};
    struct loaded l = load(keys, "providers: {bedrock: {}}\n");
    assert_int_equal(l.err, FL_OK);
    const struct fl_provider_auth *a = &l.config->providers[0].auth;
    assert_slice(l.config->providers[0].host, "bedrock-runtime.us-west-2.amazonaws.com");
    assert_int_equal(a->kind, FL_AUTH_SIGV4);
    assert_int_equal(a->source, FL_SOURCE_KEYS);
    assert_slice(a->access_key, "AKIA");
    assert_slice(a->secret_key, "s/k+");
    assert_slice(a->session_token, "t==");
    assert_false(says(&l, "not routed"));
    loaded_finish(&l);

    /* a key in the file does not mix with a variable's session */
    l = load(keys, "providers: {bedrock: {auth: {access_key_id: A, secret_access_key: S}}}\n");
    assert_slice(l.config->providers[0].auth.access_key, "A");
    assert_slice(l.config->providers[0].auth.session_token, "");
    loaded_finish(&l);

    static const char *const cluster[] = {"AWS_WEB_IDENTITY_TOKEN_FILE",
                                          "/token",
                                          "AWS_ROLE_ARN",
                                          "arn:aws:iam::1:role/x",
                                          "AWS_REGION",
                                          "us-west-2",
                                          NULL};
    l = load(cluster, "providers: {bedrock: {}}\n");
    a = &l.config->providers[0].auth;
    assert_int_equal(a->source, FL_SOURCE_WEB_IDENTITY);
    assert_slice(a->proof, "web-token");
    assert_slice(a->role, "arn:aws:iam::1:role/x");
    assert_slice(a->endpoint, "https://sts.us-west-2.amazonaws.com");
    loaded_finish(&l);

    static const char *const task[] = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/c/1",
                                       "AWS_REGION", "us-west-2", NULL};
    l = load(task, "providers: {bedrock: {}}\n");
    assert_int_equal(l.config->providers[0].auth.source, FL_SOURCE_CONTAINER);
    assert_slice(l.config->providers[0].auth.endpoint, "http://169.254.170.2/v2/c/1");
    loaded_finish(&l);

    l = load(task, "providers: {bedrock: {region: r, auth: {source: imds, endpoint: "
                   "\"http://127.0.0.1:1338\"}}}\n");
    assert_int_equal(l.config->providers[0].auth.source, FL_SOURCE_IMDS);
    assert_slice(l.config->providers[0].auth.endpoint, "http://127.0.0.1:1338");
    loaded_finish(&l);
}

static void azure_takes_entra(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct loaded l = load(
        none,
        "providers: {azure: {resource: r, auth: {tenant: t-1, client_id: c, client_secret: s}}}\n");
    assert_int_equal(l.err, FL_OK);
    const struct fl_provider_auth *a = &l.config->providers[0].auth;
    assert_int_equal(a->kind, FL_AUTH_TOKEN);
    assert_int_equal(a->source, FL_SOURCE_ENTRA);
    assert_slice(a->endpoint, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token");
    loaded_finish(&l);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"bedrock: {}", "error: provider 'bedrock' needs a 'region', such as us-east-1"},
        {"bedrock: {region: r}",
         "lacks credentials or a place: its models are not routed; set 'access_key_id' and"},
        {"bedrock: {region: \"a/b\"}",
         "error: the region of 'bedrock' has a character that no region has"},
        {"bedrock: {region: r, auth: {source: metadata}}",
         "error: 'metadata' gives no credentials for 'bedrock'"},
        {"bedrock: {region: r, auth: {source: imd}}", "did you mean 'imds'?"},
        {"bedrock: {region: r, auth: {access_key_id: \"a b\", secret_access_key: s}}", "error: "},
        {"bedrock: {region: r, auth: {role_arn: x}}",
         "set 'role_arn' and 'token_file' under 'auth'"},
        {"bedrock: {region: r, auth: {source: imds, endpoint: \"ftp://x\"}}",
         "error: the endpoint of 'bedrock' is not valid"},
        {"azure: {}", "error: provider 'azure' needs a 'resource' or a 'base_url'"},
        {"azure: {resource: r}",
         "provider 'azure' has no key: its models are not routed; set AZURE_OPENAI_API_KEY"},
        {"azure: {resource: r, auth: {tenant: t}}",
         "set 'tenant', 'client_id' and 'client_secret' under 'auth'"},
        {"vertex: {auth: {source: metadata}}", "set 'project', or GOOGLE_CLOUD_PROJECT"},
        {"vertex: {project: p}",
         "set 'service_account_file' under 'auth', or GOOGLE_APPLICATION_CREDENTIALS"},
        {"vertex: {project: p, auth: {service_account_file: /bad.json}}",
         "error: the file is not a service account's key"},
        {"vertex: {project: p, auth: {service_account_file: /none.json}}", "error: "},
        {"openai: {auth: {role_arn: x}}",
         "error: 'auth' is for vertex, bedrock and azure; 'openai' takes an 'api_key'"},
        {"x: {base_url: \"http://a/v1\", dialect: antropic}", "did you mean 'anthropic'?"},
        {"x: {base_url: \"http://a\", dialect: bedrock, auth: {access_key_id: a, "
         "secret_access_key: s}}",
         "set 'region', or AWS_REGION"},
        {"openai: {regon: x}", "did you mean 'region'?"},
    };
    static const char *const none[] = {NULL};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char yaml[300];
        (void)snprintf(yaml, sizeof(yaml), "providers:\n  %s\n", cases[i].yaml);
        struct loaded l = load(none, yaml);
        if (!says(&l, cases[i].says)) {
            print_error("%s%.*s\n", yaml, (int)l.text.len, l.text.ptr);
            fail();
        }
        assert_int_equal(l.err, strstr(cases[i].says, "error: ") || strstr(cases[i].says, "did you")
                                    ? FL_ERR_CONFIG
                                    : FL_OK);
        assert_false(says(&l, "do-not-show"));
        loaded_finish(&l);
    }
}

static void a_cloud_is_not_found_by_a_key_alone(void **state)
{
    (void)state;
    static const char *const variables[] = {
        "GEMINI_API_KEY", "g", "AZURE_OPENAI_API_KEY", "z", "AWS_BEARER_TOKEN_BEDROCK", "b", NULL};
    struct outside outside = {.variables = variables, .files = files};
    struct loaded l = outside_load(&outside, FL_EMPTY, NULL);
    assert_int_equal(l.err, FL_OK);
    assert_int_equal(l.config->provider_count, 1);
    assert_slice(l.config->providers[0].name, "gemini");
    assert_true(says(
        &l,
        "AZURE_OPENAI_API_KEY is set, but 'azure' needs more than a key: write it into a file"));
    loaded_finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_and_keys),
        cmocka_unit_test(vertex_takes_a_service_account),
        cmocka_unit_test(bedrock_takes_what_awss_tools_take),
        cmocka_unit_test(azure_takes_entra),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_cloud_is_not_found_by_a_key_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

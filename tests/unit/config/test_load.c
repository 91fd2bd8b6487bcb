/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, providers, variables and secrets of files that load. */
#include "unit/cm.h"

#include <stdio.h>

#include "base/clock.h"
#include "config/keys.h"
#include "config/load.h"
#include "route/concurrency.h"
#include "unit/config/fixture.h"

#define SECOND UINT64_C(1000000000)

static const char *const variables[] = {"OPENAI_API_KEY",
                                        "openai-key",
                                        "TOGETHER_API_KEY",
                                        " together-key ",
                                        "EMPTY",
                                        "",
                                        "PORT",
                                        "4000",
                                        "CREDENTIALS_DIRECTORY",
                                        "/run/credentials",
                                        "YAML",
                                        "{a: [1, 2",
                                        "BROKEN_KEY",
                                        "two words",
                                        NULL};
static const char *const files[] = {"/run/secrets/groq",
                                    "groq-key\n",
                                    "/run/credentials/xai",
                                    "xai-key",
                                    "/etc/ca.pem",
                                    "CERTIFICATE",
                                    "/etc/cert.pem",
                                    "CERT",
                                    "/etc/key.pem",
                                    "KEY",
                                    NULL};
static struct outside outside = {.variables = variables, .files = files};

static struct loaded load(const char *yaml)
{
    return outside_load(&outside, fl_slice_cstr(yaml), NULL);
}

static struct loaded load_ok(const char *yaml)
{
    struct loaded l = load(yaml);
    if (l.err != FL_OK) {
        print_error("%.*s\n", (int)l.text.len, l.text.ptr);
    }
    assert_int_equal(l.err, FL_OK);
    return l;
}

static bool says(const struct loaded *l, const char *text)
{
    return fl_slice_find_text(fl_buf_slice(&l->text), fl_slice_cstr(text)) < l->text.len;
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers: {openai: {}}\n");
    const struct fl_config *c = l.config;
    assert_int_equal(c->listen_count, 1);
    assert_slice(c->listens[0].text, "127.0.0.1:3247");
    assert_int_equal(c->listens[0].addr.port, 3247);
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->timeouts.connect_ns, 5 * SECOND);
    assert_int_equal(c->timeouts.first_token_ns, 60 * SECOND);
    assert_int_equal(c->timeouts.idle_ns, 60 * SECOND);
    assert_int_equal(c->timeouts.total_ns, 600 * SECOND);
    assert_int_equal(c->limits.head_bytes, 64 << 10);
    assert_int_equal(c->limits.body_bytes, 32 << 20);
    assert_int_equal(c->limits.response_hold_bytes, 256 << 10);
    assert_int_equal(c->limits.event_bytes, 1 << 20);
    assert_int_equal(c->limits.client_connections, 10000);
    assert_int_equal(c->limits.attempts, 3);
    assert_int_equal(c->limits.head_ns, 10 * SECOND);
    assert_int_equal(c->limits.body_ns, 60 * SECOND);
    assert_int_equal(c->limits.body_bytes_per_s, 500);
    assert_int_equal(c->limits.idle_ns, 75 * SECOND);
    assert_int_equal(c->limits.upstream_idle_ns, 55 * SECOND);
    assert_int_equal(c->limits.heartbeat_ns, 15 * SECOND);
    assert_int_equal(c->limits.drain_ns, 300 * SECOND);
    assert_int_equal(c->health_interval_ns, 30 * SECOND);
    assert_int_equal(c->health_timeout_ns, 5 * SECOND);
    assert_int_equal(c->table.health.failures_to_eject, 3);
    assert_int_equal(c->table.health.successes_to_recover, 3);
    assert_int_equal(c->table.health.ejection_ns, 30 * SECOND);
    assert_int_equal(c->table.hash_key.k1, 2);
    assert_true(c->access_log && c->expose_decisions);
    assert_false(c->insecure_no_auth);
    assert_int_equal(c->key_count, 0);
    assert_int_equal(c->tls_cert.len, 0);
    loaded_finish(&l);
}

/* What the page and the schema call the default is what an absent key means. */
static void writing_every_default_changes_nothing(void **state)
{
    (void)state;
    char memory[8192];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_cstr(&b, "providers: {openai: {}}\n");
    for (unsigned s = 0; s < FL_SECTION_COUNT; s++) {
        static const enum fl_section plain[] = {FL_SECTION_LIMITS, FL_SECTION_TELEMETRY,
                                                FL_SECTION_AUTH, FL_SECTION_ROUTING};
        for (size_t p = 0; p < sizeof(plain) / sizeof(*plain); p++) {
            bool first = true;
            if (plain[p] != s) {
                continue;
            }
            fl_buf_put_cstr(&b, fl_section_path(s));
            fl_buf_put_cstr(&b, ":\n");
            for (unsigned i = 0; i < fl_section_count(s); i++) {
                const struct fl_key *key = &fl_keys[fl_section_first(s) + i];
                if (key->text_default[0]) {
                    fl_buf_put_cstr(&b, "  ");
                    fl_buf_put_cstr(&b, key->name);
                    fl_buf_put_cstr(&b, ": ");
                    fl_buf_put_cstr(&b, key->text_default);
                    fl_buf_put_cstr(&b, "\n");
                    first = false;
                }
            }
            assert_false(first);
        }
    }
    assert_true(fl_buf_ok(&b));
    struct loaded all = outside_load(&outside, fl_buf_slice(&b), NULL);
    struct loaded none = load_ok("providers: {openai: {}}\n");
    assert_int_equal(all.err, FL_OK);
    assert_memory_equal(&all.config->limits, &none.config->limits, sizeof(struct fl_limits));
    assert_memory_equal(&all.config->timeouts, &none.config->timeouts, sizeof(struct fl_timeouts));
    assert_memory_equal(&all.config->table.health, &none.config->table.health,
                        sizeof(struct fl_health_policy));
    assert_int_equal(all.config->health_interval_ns, none.config->health_interval_ns);
    assert_int_equal(all.config->access_log, none.config->access_log);
    loaded_finish(&all);
    loaded_finish(&none);
}

static void settings_are_read(void **state)
{
    (void)state;
    struct loaded l = load_ok("listen: ['[::1]:${PORT}', 'localhost:80']\n"
                              "workers: ${WORKERS:-4}\n"
                              "tls: {cert: /etc/cert.pem, key: /etc/key.pem}\n"
                              "routing:\n"
                              "  health_check_interval: 90\n"
                              "  health_check_timeout: 250ms\n"
                              "  failover_threshold: 2\n"
                              "  attempts: 5\n"
                              "  timeouts: {connect: 1.5s, total: 2m}\n"
                              "limits: {body: 1.5MiB, drain: 1h, min_rate: 2KB}\n"
                              "auth: {insecure_no_auth: yes}\n"
                              "telemetry: {access_log: off}\n"
                              "providers: {openai: {timeouts: {idle: 7}}}\n");
    const struct fl_config *c = l.config;
    assert_int_equal(c->listen_count, 2);
    assert_int_equal(c->listens[0].addr.family, 6);
    assert_int_equal(c->listens[0].addr.port, 4000);
    assert_int_equal(c->listens[1].addr.bytes[0], 127);
    assert_int_equal(c->workers, 4);
    assert_slice(c->tls_cert, "CERT");
    assert_slice(c->tls_key, "KEY");
    assert_int_equal(c->health_interval_ns, 90 * SECOND);
    assert_int_equal(c->health_timeout_ns, SECOND / 4);
    assert_int_equal(c->table.health.failures_to_eject, 2);
    assert_int_equal(c->limits.attempts, 5);
    assert_int_equal(c->timeouts.connect_ns, SECOND * 3 / 2);
    assert_int_equal(c->timeouts.first_token_ns, 60 * SECOND);
    assert_int_equal(c->timeouts.total_ns, 120 * SECOND);
    assert_int_equal(c->limits.body_bytes, 3 << 19);
    assert_int_equal(c->limits.drain_ns, 3600 * SECOND);
    assert_int_equal(c->limits.body_bytes_per_s, 2000);
    assert_true(c->insecure_no_auth);
    assert_false(c->access_log);
    assert_int_equal(c->providers[0].timeouts.idle_ns, 7 * SECOND);
    assert_int_equal(c->providers[0].timeouts.connect_ns, SECOND * 3 / 2);
    loaded_finish(&l);
}

static void names_imply_what_a_provider_needs(void **state)
{
    (void)state;
    static const struct {
        const char *name, *host, *path;
        uint16_t port;
        bool tls;
    } rows[] = {{"openai", "api.openai.com", "/v1", 443, true},
                {"together", "api.together.xyz", "/v1", 443, true},
                {"groq", "api.groq.com", "/openai/v1", 443, true},
                {"mistral", "api.mistral.ai", "/v1", 443, true},
                {"deepseek", "api.deepseek.com", "", 443, true},
                {"fireworks", "api.fireworks.ai", "/inference/v1", 443, true},
                {"openrouter", "openrouter.ai", "/api/v1", 443, true},
                {"xai", "api.x.ai", "/v1", 443, true},
                {"cerebras", "api.cerebras.ai", "/v1", 443, true},
                {"ollama", "127.0.0.1", "/v1", 11434, false},
                {"vllm", "127.0.0.1", "/v1", 8000, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char yaml[100];
        (void)snprintf(yaml, sizeof(yaml), "providers: {%s: {}}\n", rows[i].name);
        struct loaded l = load_ok(yaml);
        const struct fl_provider *p = &l.config->providers[0];
        assert_slice(p->name, rows[i].name);
        assert_slice(p->type, rows[i].name);
        assert_slice(p->dialect, "openai");
        assert_slice(p->host, rows[i].host);
        assert_slice(p->base_path, rows[i].path);
        assert_int_equal(p->port, rows[i].port);
        assert_true(p->tls == rows[i].tls);
        assert_true(p->any_model);
        assert_int_equal(p->connections_max, 10000);
        loaded_finish(&l);
    }
    assert_int_equal(fl_vendor_count, 19);
}

static void providers_are_read(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers:\n"
                              "  openai: {stream_options: false}\n"
                              "  together: {}\n"
                              "  groq: {api_key: {file: /run/secrets/groq}, connections: 7, concurrency: 12}\n"
                              "  xai: {api_key: {credential: xai}, concurrency: auto}\n"
                              "  spare: {type: openai, api_key: '${NONE:-spare-key}'}\n"
                              "  local:\n"
                              "    base_url: http://[::1]:8000/api/v1/\n"
                              "    ca_file: /etc/ca.pem\n"
                              "    simulated: true\n"
                              "    headers: {X-Team: 'search ${PORT}', x-cost: $$5}\n");
    const struct fl_provider *p = l.config->providers;
    assert_int_equal(l.config->provider_count, 6);
    assert_slice(p[0].api_key, "openai-key");
    assert_slice(p[0].key_source, "OPENAI_API_KEY");
    assert_false(p[0].stream_options);
    assert_slice(p[1].api_key, "together-key");
    assert_true(p[1].stream_options);
    assert_slice(p[2].api_key, "groq-key");
    assert_slice(p[2].key_source, "file /run/secrets/groq");
    assert_int_equal(p[2].connections_max, 7);
    assert_int_equal(p[2].concurrency, 12);
    assert_int_equal(p[3].concurrency, FL_CONCURRENCY_AUTO);
    assert_int_equal(p[4].concurrency, 0);
    assert_slice(p[3].api_key, "xai-key");
    assert_slice(p[3].key_source, "credential xai");
    assert_slice(p[4].api_key, "spare-key");
    assert_slice(p[4].key_source, "NONE");
    assert_slice(p[4].host_header, "api.openai.com");
    assert_slice(p[5].type, "openai_compatible");
    assert_slice(p[5].api_key, "");
    assert_slice(p[5].host, "::1");
    assert_slice(p[5].host_header, "[::1]:8000");
    assert_slice(p[5].base_path, "/api/v1");
    assert_slice(p[5].ca_file, "CERTIFICATE");
    assert_true(p[5].simulated);
    assert_int_equal(p[5].header_count, 2);
    assert_slice(p[5].headers[0].name, "X-Team");
    assert_slice(p[5].headers[0].value, "search 4000");
    assert_slice(p[5].headers[1].value, "$5");
    loaded_finish(&l);
}

static void a_provider_may_have_several_keys(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers:\n"
                              "  openai: {api_key: '${OPENAI_API_KEY}', keys: [{file: /run/secrets/groq}, "
                              "'${OPENAI_API_KEY}']}\n"
                              "  together: {keys: ['${NONE:-one}', '${NONE:-two}']}\n"
                              "  groq: {api_key: {file: /run/secrets/groq}}\n"
                              "  local: {base_url: 'http://gpu1/v1'}\n");
    const struct fl_provider *p = l.config->providers;
    assert_int_equal(p[0].key_count, 2); /* the same key twice is one */
    assert_slice(p[0].keys[0].value, "openai-key");
    assert_slice(p[0].keys[1].value, "groq-key");
    assert_slice(p[0].keys[1].source, "file /run/secrets/groq");
    assert_int_equal(p[1].key_count, 2); /* a list replaces the vendor's usual variable */
    assert_slice(p[1].api_key, "one");
    assert_slice(p[1].keys[1].value, "two");
    assert_int_equal(p[2].key_count, 1);
    assert_int_equal(p[3].key_count, 0);
    loaded_finish(&l);
    l = load("providers: {openai: {keys: sk-very-secret}}\n");
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_true(says(&l, "'keys' expects a list of secrets"));
    assert_false(says(&l, "sk-very-secret"));
    loaded_finish(&l);
    l = load("providers: {openai: {keys: ['${BROKEN_KEY}']}}\n");
    assert_int_equal(l.err, FL_ERR_CONFIG);
    loaded_finish(&l);
}

static void a_variable_is_never_yaml(void **state)
{
    (void)state;
    struct loaded l =
        load_ok("providers: {local: {base_url: 'http://gpu1/v1', "
                "headers: {x-a: \"${YAML}\", x-b: '${EMPTY:-d}', x-c: '${EMPTY}'}}}\n");
    const struct fl_provider *p = &l.config->providers[0];
    assert_slice(p->headers[0].value, "{a: [1, 2");
    assert_slice(p->headers[1].value, "d");
    assert_slice(p->headers[2].value, "");
    loaded_finish(&l);
}

static void a_key_that_no_header_can_hold_is_refused(void **state)
{
    (void)state;
    struct loaded l = load("providers: {openai: {api_key: \"${BROKEN_KEY}\"}}\n");
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_true(says(&l, "the key from BROKEN_KEY has a space"));
    assert_false(says(&l, "two words"));
    loaded_finish(&l);
}

static void client_keys_are_hashed(void **state)
{
    (void)state;
    struct loaded l = load_ok(
        "providers: {openai: {}}\n"
        "keys:\n"
        "  - {name: text, key: '${CLIENT:-0123456789abcdef}'}\n"
        "  - name: hash\n"
        "    key_sha256: 9F9F5111F7B27A781F1F1DDDE5EBC2DD2B796BFC7365C9C28B548E564176929F\n");
    assert_int_equal(l.config->key_count, 2);
    assert_slice(l.config->keys[0].name, "text");
    assert_slice(l.config->keys[1].name, "hash");
    assert_memory_equal(l.config->keys[0].sha256, l.config->keys[1].sha256, 32);
    assert_int_equal(l.config->keys[0].sha256[0], 0x9f);
    loaded_finish(&l);
}

static void without_a_file_the_environment_decides(void **state)
{
    (void)state;
    static const char *const some[] = {"OPENAI_API_KEY",
                                       "a",
                                       "OPENAI_BASE_URL",
                                       "http://localhost:3247/v1",
                                       "GROQ_API_KEY",
                                       "b",
                                       "OLLAMA_HOST",
                                       "0.0.0.0",
                                       "VLLM_BASE_URL",
                                       "http://gpu1:8000/v1",
                                       "ANTHROPIC_API_KEY",
                                       "c",
                                       NULL};
    struct outside here = {.variables = some, .files = NULL};
    struct loaded l = outside_load(&here, FL_EMPTY, NULL);
    assert_int_equal(l.err, FL_OK);
    assert_slice(l.config->file, "(environment)");
    assert_int_equal(l.config->provider_count, 5);
    assert_slice(l.config->providers[0].base_url, "https://api.openai.com/v1");
    assert_slice(l.config->providers[4].name, "anthropic");
    assert_slice(l.config->providers[1].name, "groq");
    assert_slice(l.config->providers[2].base_url, "http://127.0.0.1:11434/v1");
    assert_slice(l.config->providers[3].host_header, "gpu1:8000");
    assert_true(says(&l, "OPENAI_BASE_URL points at fairlead itself and is ignored"));
    assert_slice(l.config->providers[4].dialect, "anthropic");
    assert_true(says(&l, "not set, so not used: TOGETHER_API_KEY, MISTRAL_API_KEY, "));
    loaded_finish(&l);

    static const char *const none[] = {NULL};
    struct outside nothing = {.variables = none, .files = NULL};
    l = outside_load(&nothing, FL_EMPTY, NULL);
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_true(says(&l, "set a provider's key in the environment"));
    loaded_finish(&l);
}

static void a_file_without_providers_uses_the_environment(void **state)
{
    (void)state;
    struct loaded l = load_ok("workers: 2\n");
    assert_int_equal(l.config->provider_count, 2);
    assert_slice(l.config->providers[1].name, "together");
    assert_true(says(&l, "no 'providers' in the file"));
    loaded_finish(&l);
}

static void waiting_is_configured(void **state)
{
    (void)state;
    struct loaded l = load_ok("limits: {queue: 7, queue_wait: 2s}\n"
                              "providers: {openai: {models: [m]}}\n"
                              "keys:\n"
                              "  - {name: a, key: 0123456789abcdef, priority: low}\n"
                              "  - {name: b, key: 0123456789abcdeg}\n");
    assert_int_equal(l.config->limits.queue, 7);
    assert_int_equal(l.config->limits.queue_wait_ns, 2 * FL_NS_S);
    assert_true(l.config->keys[0].class_given);
    assert_int_equal(l.config->keys[0].class, FL_CLASS_SHEDDABLE);
    assert_false(l.config->keys[1].class_given);
    loaded_finish(&l);
    l = load_ok("providers: {openai: {models: [m]}}\n");
    assert_int_equal(l.config->limits.queue, 256);
    assert_int_equal(l.config->limits.queue_wait_ns, 0);
    loaded_finish(&l);
}

static void yaml_anchors_and_merge_keys_work(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers:\n"
                              "  openai: &common {weight: 3, models: [m], connections: 9}\n"
                              "  together: {<<: *common, weight: 5}\n"
                              "  ollama: *common\n");
    assert_int_equal(l.config->table.target_count, 3);
    assert_true(l.config->table.targets[0].weight == 3);
    assert_true(l.config->table.targets[1].weight == 5);
    assert_int_equal(l.config->providers[1].connections_max, 9);
    assert_true(l.config->table.targets[2].weight == 3);
    loaded_finish(&l);
}

/* What is shown of a line hides the key and no more; one in a block of several lines hides those. */
static void excerpts_hide_keys_only(void **state)
{
    (void)state;
    struct loaded l = load("providers:\n"
                           "  openai: {api_key: x, rgion: eu}\n"
                           "limits: {event: lots}\n");
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_true(says(&l, "  openai: {api_key: *, rgion: eu}\n"));
    assert_true(says(&l, "limits: {event: lots}\n"));
    loaded_finish(&l);
    l = load("providers:\n"
             "  openai:\n"
             "    api_key: |\n"
             "      very-secret\n"
             "    rgion: eu\n");
    assert_int_equal(l.err, FL_ERR_CONFIG);
    assert_false(says(&l, "very-secret"));
    loaded_finish(&l);
}

static void secrets_are_wiped(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers: {openai: {headers: {x-token: 'abc ${PORT}'}}}\n"
                              "tls: {cert: /etc/cert.pem, key: /etc/key.pem}\n");
    const struct fl_provider *p = &l.config->providers[0];
    assert_slice(p->api_key, "openai-key");
    assert_slice(p->headers[0].value, "abc 4000");
    fl_secrets_wipe(l.config);
    assert_memory_equal(p->api_key.ptr, "\0\0\0\0\0\0\0\0\0\0", 10);
    assert_memory_equal(p->headers[0].value.ptr, "\0\0\0\0\0\0\0\0", 8);
    assert_memory_equal(l.config->tls_key.ptr, "\0\0\0", 3);
    loaded_finish(&l);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct loaded l = load_ok("providers: {openai: {}}\n");
    struct fl_config *second = fl_config_ref(l.config);
    fl_config_unref(second);
    assert_slice(l.config->providers[0].api_key, "openai-key");
    fl_config_unref(NULL);
    loaded_finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(writing_every_default_changes_nothing),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(names_imply_what_a_provider_needs),
        cmocka_unit_test(providers_are_read),
        cmocka_unit_test(a_provider_may_have_several_keys),
        cmocka_unit_test(a_variable_is_never_yaml),
        cmocka_unit_test(a_key_that_no_header_can_hold_is_refused),
        cmocka_unit_test(client_keys_are_hashed),
        cmocka_unit_test(without_a_file_the_environment_decides),
        cmocka_unit_test(a_file_without_providers_uses_the_environment),
        cmocka_unit_test(waiting_is_configured),
        cmocka_unit_test(yaml_anchors_and_merge_keys_work),
        cmocka_unit_test(excerpts_hide_keys_only),
        cmocka_unit_test(secrets_are_wiped),
        cmocka_unit_test(references_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

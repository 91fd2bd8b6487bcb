/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "config/load.h"
#include "config/secret.h"

#include <openssl/sha.h>

/* --- Keys that may stand at the top level and under 'routing' --- */

static void report_twice(struct fl_load *load, struct fl_slice what, const struct fl_yaml *top,
                         const struct fl_yaml *under)
{
    bool top_last = top->line > under->line;
    fl_load_error(load, top_last ? top : under,
                  "'%.*s' stands both at the top level (line %u) and under 'routing' (line %u); "
                  "keep one",
                  FL_TEXT(what), top->line, under->line);
}

static void merge_values(struct fl_load *load, const struct fl_object *top, struct fl_object *under)
{
    unsigned first = fl_section_first(top->section);
    for (unsigned i = 0; i < fl_section_count(top->section); i++) {
        if (top->values[i].node && under->values[i].node) {
            report_twice(load, fl_slice_cstr(fl_keys[first + i].name), top->values[i].key,
                         under->values[i].key);
        } else if (top->values[i].node) {
            under->values[i] = top->values[i];
        }
    }
}

static void merge_object(struct fl_load *load, enum fl_key_id top_key, enum fl_key_id under_key)
{
    const struct fl_value *top = fl_object_value(load->root, top_key);
    struct fl_value *under = fl_object_value(load->routing, under_key);
    if (top->object && under->object) {
        merge_values(load, top->object, under->object);
    } else if (top->object) {
        *under = *top;
    }
}

static bool has_entry(const struct fl_value *value, struct fl_slice name,
                      const struct fl_yaml **ret)
{
    for (unsigned i = 0; i < value->count; i++) {
        if (fl_slice_eq(value->entries[i].name, name)) {
            *ret = value->entries[i].key;
            return true;
        }
    }
    return false;
}

static void merge_providers(struct fl_load *load)
{
    const struct fl_value *top = fl_object_value(load->root, FL_KEY_ROOT_providers);
    struct fl_value *under = fl_object_value(load->routing, FL_KEY_ROUTING_providers);
    struct fl_value both = *under;
    const struct fl_yaml *other = NULL;
    if (!top->node) {
        return;
    }
    both.entries =
        fl_arena_zero(&load->scratch, (top->count + under->count + 1) * sizeof(*both.entries));
    if (!both.entries) {
        return;
    }
    for (both.count = 0; both.count < under->count; both.count++) {
        both.entries[both.count] = under->entries[both.count];
    }
    for (unsigned i = 0; i < top->count; i++) {
        if (has_entry(under, top->entries[i].name, &other)) {
            report_twice(load, top->entries[i].name, top->entries[i].key, other);
        } else {
            both.entries[both.count++] = top->entries[i];
        }
    }
    both.key = under->key ? under->key : top->key;
    both.node = under->node ? under->node : top->node;
    *under = both;
}

void fl_settings_merge(struct fl_load *load)
{
    merge_providers(load);
    merge_object(load, FL_KEY_ROOT_load_balancing, FL_KEY_ROUTING_load_balancing);
    merge_object(load, FL_KEY_ROOT_monitoring, FL_KEY_ROUTING_monitoring);
}

/* --- Parts --- */

static uint64_t unsigned_value(const struct fl_object *object, enum fl_key_id key)
{
    int64_t number = fl_object_value(object, key)->number;
    fl_assert(number >= 0);
    return (uint64_t)number;
}

void fl_settings_timeouts(const struct fl_object *object, struct fl_timeouts *io_timeouts)
{
    const struct {
        enum fl_key_id key;
        uint64_t *ns;
    } rows[] = {{FL_KEY_TIMEOUTS_connect, &io_timeouts->connect_ns},
                {FL_KEY_TIMEOUTS_first_token, &io_timeouts->first_token_ns},
                {FL_KEY_TIMEOUTS_idle, &io_timeouts->idle_ns},
                {FL_KEY_TIMEOUTS_total, &io_timeouts->total_ns}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct fl_value *value = fl_object_value(object, rows[i].key);
        if (value->node || *rows[i].ns == 0) {
            *rows[i].ns = (uint64_t)value->number;
        }
    }
}

static bool is_listened(const struct fl_config *config, const struct fl_addr *addr)
{
    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct fl_addr *other = &config->listens[i].addr;
        if (addr->port != 0 && other->port == addr->port && other->family == addr->family &&
            memcmp(other->bytes, addr->bytes, sizeof(addr->bytes)) == 0) {
            return true;
        }
    }
    return false;
}

static void build_listens(struct fl_load *load)
{
    enum { listens_max = 16 };
    struct fl_config *config = load->config;
    const struct fl_value *value = fl_object_value(load->root, FL_KEY_ROOT_listen);
    struct fl_listen *listens =
        fl_arena_zero(&config->arena, (value->count + 1) * sizeof(*listens));
    if (value->node && !value->bad && (value->count == 0 || value->count > listens_max)) {
        fl_load_error(load, value->node, "'listen' takes between 1 and 16 addresses, not %u",
                      value->count);
        return;
    }
    config->listens = listens;
    for (unsigned i = 0; listens && i < value->count; i++) {
        const struct fl_entry *entry = &value->entries[i];
        struct fl_listen *listen = &listens[config->listen_count];
        if (!fl_addr_parse(entry->text, &listen->addr)) {
            fl_load_error(load, entry->node,
                          "'%.*s' is not an address to listen on; write HOST:PORT, such as "
                          "127.0.0.1:3247, [::1]:3247 or :3247",
                          FL_TEXT(entry->text));
            continue;
        }
        if (is_listened(config, &listen->addr)) {
            fl_load_error(load, entry->node, "'%.*s' is listed twice", FL_TEXT(entry->text));
            continue;
        }
        listen->text = fl_arena_copy(&config->arena, entry->text);
        config->listen_count++;
    }
}

static void build_tls(struct fl_load *load)
{
    const struct fl_value *value = fl_object_value(load->root, FL_KEY_ROOT_tls);
    if (!value->object) {
        return;
    }
    const struct fl_value *cert = fl_object_value(value->object, FL_KEY_TLS_cert);
    const struct fl_value *key = fl_object_value(value->object, FL_KEY_TLS_key);
    if (!cert->node || !key->node) {
        fl_load_error(load, value->key, "'tls' needs both 'cert' and 'key'");
        return;
    }
    struct fl_slice bytes;
    if (!cert->bad && fl_load_file(load, cert->node, cert->text, false, &bytes)) {
        load->config->tls_cert = bytes;
    }
    if (!key->bad && fl_load_file(load, key->node, key->text, true, &bytes)) {
        load->config->tls_key = bytes;
    }
}

static void build_limits(struct fl_load *load)
{
    const struct fl_object *o = fl_load_object(load, load->root, FL_KEY_ROOT_limits);
    if (!o) {
        return;
    }
    const struct fl_value *here = fl_object_value(o, FL_KEY_LIMITS_attempts);
    const struct fl_value *there = fl_object_value(load->routing, FL_KEY_ROUTING_attempts);
    if (here->node && there->node) {
        fl_load_error(load, here->node,
                      "'attempts' stands both under 'limits' (line %u) and under 'routing' "
                      "(line %u); keep one",
                      here->node->line, there->node->line);
    }
    load->config->limits = (struct fl_limits){
        .head_bytes = unsigned_value(o, FL_KEY_LIMITS_head),
        .body_bytes = unsigned_value(o, FL_KEY_LIMITS_body),
        .response_hold_bytes = unsigned_value(o, FL_KEY_LIMITS_response_hold),
        .event_bytes = unsigned_value(o, FL_KEY_LIMITS_event),
        .resume_bytes = unsigned_value(o, FL_KEY_LIMITS_resume),
        .responses_bytes = unsigned_value(o, FL_KEY_LIMITS_responses),
        .responses_age_ns = unsigned_value(o, FL_KEY_LIMITS_responses_age),
        .replay_bytes = unsigned_value(o, FL_KEY_LIMITS_replay),
        .replay_total_bytes = unsigned_value(o, FL_KEY_LIMITS_replay_total),
        .replay_grace_ns = unsigned_value(o, FL_KEY_LIMITS_replay_grace),
        .client_connections = (unsigned)unsigned_value(o, FL_KEY_LIMITS_client_connections),
        .queue = (unsigned)unsigned_value(o, FL_KEY_LIMITS_queue),
        .queue_wait_ns = unsigned_value(o, FL_KEY_LIMITS_queue_wait),
        .attempts = (unsigned)(here->node && !here->bad ? here->number : there->number),
        .head_ns = unsigned_value(o, FL_KEY_LIMITS_head_timeout),
        .body_ns = unsigned_value(o, FL_KEY_LIMITS_body_timeout),
        .body_bytes_per_s = unsigned_value(o, FL_KEY_LIMITS_min_rate),
        .idle_ns = unsigned_value(o, FL_KEY_LIMITS_idle),
        .upstream_idle_ns = unsigned_value(o, FL_KEY_LIMITS_upstream_idle),
        .heartbeat_ns = unsigned_value(o, FL_KEY_LIMITS_heartbeat),
        .drain_ns = unsigned_value(o, FL_KEY_LIMITS_drain),
    };
}

/* --- Client keys --- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool parse_sha256(struct fl_slice text, uint8_t ret_hash[32])
{
    for (size_t i = 0; i < 64 && text.len == 64; i += 2) {
        int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_hash[i / 2] = (uint8_t)(high * 16 + low);
    }
    return text.len == 64;
}

static bool client_hash(struct fl_load *load, const struct fl_entry *entry, uint8_t ret_hash[32])
{
    enum { key_bytes_min = 16 };
    const struct fl_value *key = fl_object_value(entry->object, FL_KEY_CLIENT_key);
    const struct fl_value *hash = fl_object_value(entry->object, FL_KEY_CLIENT_key_sha256);
    if (!key->node == !hash->node) {
        fl_load_error(load, entry->node, "a client key needs either 'key' or 'key_sha256'");
        return false;
    }
    if (key->bad || hash->bad) {
        return false;
    }
    if (hash->node && !parse_sha256(hash->text, ret_hash)) {
        fl_load_error(load, hash->node,
                      "'key_sha256' takes the 64 hexadecimal digits of a SHA-256, as printed by: "
                      "printf %%s KEY | sha256sum");
        return false;
    }
    if (key->node && key->text.len < key_bytes_min) {
        fl_load_error(load, key->node, "a client key has at least 16 characters");
        return false;
    }
    if (key->node) {
        SHA256((const unsigned char *)key->text.ptr, key->text.len, ret_hash);
    }
    return true;
}

static void build_clients(struct fl_load *load)
{
    struct fl_config *config = load->config;
    const struct fl_value *value = fl_object_value(load->root, FL_KEY_ROOT_keys);
    struct fl_client_key *keys = fl_arena_zero(&config->arena, (value->count + 1) * sizeof(*keys));
    for (unsigned i = 0; keys && i < value->count; i++) {
        const struct fl_entry *entry = &value->entries[i];
        struct fl_client_key *key = &keys[config->key_count];
        if (!entry->object || !entry->object->node || entry->node->kind != FL_YAML_MAPPING) {
            continue;
        }
        const struct fl_value *name = fl_object_value(entry->object, FL_KEY_CLIENT_name);
        if (!name->node) {
            fl_load_error(load, entry->node,
                          "a client key needs a 'name', to be told apart in logs");
        } else if (client_hash(load, entry, key->sha256)) {
            const struct fl_value *class = fl_object_value(entry->object, FL_KEY_CLIENT_priority);
            key->name = name->text;
            key->class_given = class->node && !class->bad;
            key->class = key->class_given ? (enum fl_class)class->number : FL_CLASS_SHEDDABLE_PLUS;
            if (load->env->registry) {
                key->budget = fl_registry_tenant(load->env->registry, key->name);
            }
            config->key_count++;
        }
    }
    config->keys = keys;
}

static void check_exposure(struct fl_load *load)
{
    const struct fl_config *config = load->config;
    const struct fl_value *value = fl_object_value(load->root, FL_KEY_ROOT_listen);
    const struct fl_value *keys = fl_object_value(load->root, FL_KEY_ROOT_keys);
    if (keys->key && keys->count == 0 && !keys->bad) {
        fl_load_warn(load, keys->key, "'keys' is empty: every client is let in");
    }
    for (unsigned i = 0; i < config->listen_count; i++) {
        if (!fl_addr_is_loopback(&config->listens[i].addr) && keys->count == 0 &&
            !config->insecure_no_auth) {
            fl_load_warn(load, value->node,
                         "other machines can reach '%.*s' and no client keys are configured: the "
                         "server will not start; add 'keys', or 'auth: {insecure_no_auth: true}'",
                         FL_TEXT(config->listens[i].text));
            return;
        }
    }
}

void fl_settings_build(struct fl_load *load)
{
    struct fl_config *config = load->config;
    const struct fl_object *auth = fl_load_object(load, load->root, FL_KEY_ROOT_auth);
    const struct fl_object *telemetry = fl_load_object(load, load->root, FL_KEY_ROOT_telemetry);
    const struct fl_object *timeouts = fl_load_object(load, load->routing, FL_KEY_ROUTING_timeouts);
    if (!auth || !telemetry || !timeouts) {
        return;
    }
    config->workers = (unsigned)unsigned_value(load->root, FL_KEY_ROOT_workers);
    config->insecure_no_auth = fl_object_value(auth, FL_KEY_AUTH_insecure_no_auth)->number;
    config->access_log = fl_object_value(telemetry, FL_KEY_TELEMETRY_access_log)->number;
    config->expose_decisions =
        fl_object_value(telemetry, FL_KEY_TELEMETRY_expose_decisions)->number;
    config->decisions_kept = (unsigned)unsigned_value(telemetry, FL_KEY_TELEMETRY_decisions);
    config->health_interval_ns =
        unsigned_value(load->routing, FL_KEY_ROUTING_health_check_interval);
    config->health_timeout_ns = unsigned_value(load->routing, FL_KEY_ROUTING_health_check_timeout);
    config->table.settings = (struct fl_route_settings){
        .wait_usd_per_second =
            fl_value_real(fl_object_value(load->routing, FL_KEY_ROUTING_wait_usd_per_second)),
        .tier_down_allowed =
            fl_object_value(load->routing, FL_KEY_ROUTING_tier_down_allowed)->number != 0,
        .over_budget_allowed =
            fl_object_value(load->routing, FL_KEY_ROUTING_over_budget_allowed)->number != 0};
    config->table.hash_key = load->env->hash_key;
    config->table.health = (struct fl_health_policy){
        .failures_to_eject =
            (unsigned)unsigned_value(load->routing, FL_KEY_ROUTING_failover_threshold),
        .successes_to_recover =
            (unsigned)unsigned_value(load->routing, FL_KEY_ROUTING_recovery_threshold),
        .ejection_ns = unsigned_value(load->routing, FL_KEY_ROUTING_ejection_time),
        .check_failures_to_eject =
            (unsigned)unsigned_value(load->routing, FL_KEY_ROUTING_health_check_failures)};
    fl_settings_timeouts(timeouts, &config->timeouts);
    build_listens(load);
    build_tls(load);
    build_limits(load);
    build_clients(load);
    check_exposure(load);
}

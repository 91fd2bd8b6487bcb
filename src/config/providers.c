/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/url.h"
#include "config/load.h"
#include "config/secret.h"
#include "route/concurrency.h"

/* --- Names and types --- */

static bool is_provider_name(struct fl_slice name)
{
    enum { name_bytes_max = 64 };
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
        if (!ok) {
            return false;
        }
    }
    return name.len > 0 && name.len <= name_bytes_max;
}

static const struct fl_vendor *report_no_type(struct fl_load *load, const struct fl_entry *entry)
{
    struct fl_nearest nearest = {.wanted = entry->name};
    for (unsigned i = 0; i < fl_vendor_count; i++) {
        fl_nearest_offer(&nearest, fl_slice_cstr(fl_vendors[i].name));
    }
    if (nearest.best.len > 0) {
        fl_load_error(load, entry->key,
                      "'%.*s' is not a known provider; did you mean '%.*s'? Any other name needs a "
                      "'type', or a 'base_url'",
                      FL_TEXT(entry->name), FL_TEXT(nearest.best));
    } else {
        fl_load_error(
            load, entry->key,
            "'%.*s' is not a known provider; give it a 'type', such as 'type: openai', or "
            "a 'base_url' when it speaks the OpenAI dialect",
            FL_TEXT(entry->name));
    }
    return NULL;
}

static const struct fl_vendor *find_vendor(struct fl_load *load, const struct fl_entry *entry)
{
    const struct fl_value *type = fl_object_value(entry->object, FL_KEY_PROVIDER_type);
    const struct fl_vendor *vendor = fl_vendor_find(entry->name);
    if (type->bad) {
        return NULL;
    }
    if (type->node) {
        return &fl_vendors[type->number];
    }
    if (!vendor && fl_object_value(entry->object, FL_KEY_PROVIDER_base_url)->node) {
        vendor = fl_vendor_find(FL_LIT("openai_compatible"));
    }
    return vendor ? vendor : report_no_type(load, entry);
}

/* --- Base URL --- */

static void put_host_header(const struct fl_url *url, struct fl_buf *b)
{
    fl_buf_put_cstr(b, url->host_is_ipv6 ? "[" : "");
    fl_buf_put(b, url->host);
    fl_buf_put_cstr(b, url->host_is_ipv6 ? "]" : "");
    if (url->port != (url->tls ? 443 : 80)) {
        fl_buf_putc(b, ':');
        fl_buf_put_u64(b, url->port);
    }
}

static bool is_local(struct fl_slice host)
{
    struct fl_addr addr;
    return fl_slice_eq_nocase(host, FL_LIT("localhost")) ||
           (fl_addr_parse_ip(host, &addr) && fl_addr_is_loopback(&addr));
}

static bool ends_in_endpoint(struct fl_slice path)
{
    static const char *const endpoints[] = {"/chat/completions", "/completions", "/embeddings",
                                            "/models"};
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(*endpoints); i++) {
        size_t len = strlen(endpoints[i]);
        if (path.len >= len && memcmp(path.ptr + path.len - len, endpoints[i], len) == 0) {
            return true;
        }
    }
    return false;
}

static bool build_url(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    char memory[300];
    struct fl_buf host;
    struct fl_url url;
    struct fl_reterr reterr = {.err = FL_OK};
    const struct fl_value *value = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_base_url);
    const struct fl_yaml *at = value->node ? value->node : draft->entry->key;
    struct fl_arena *arena = &load->config->arena;
    if (value->bad) {
        return false;
    }
    p->base_url = value->text.len > 0 ? value->text : fl_provider_default_url(load, draft, p);
    if (p->base_url.len == 0 && draft->vendor->base_url) {
        return false; /* reported */
    }
    if (p->base_url.len == 0) {
        fl_load_error(load, at, "provider '%.*s' needs a 'base_url', such as http://gpu1:8000/v1",
                      FL_TEXT(p->name));
        return false;
    }
    if (fl_url_parse(p->base_url, &url, &reterr) != FL_OK) {
        fl_load_error(load, at, "'base_url' is not valid: %s", reterr.message);
        return false;
    }
    if (ends_in_endpoint(url.path)) {
        fl_load_error(load, at,
                      "'base_url' ends before the endpoint: leave out '/chat/completions' "
                      "and the like");
        return false;
    }
    fl_buf_init_in(&host, memory, sizeof(memory));
    put_host_header(&url, &host);
    p->tls = url.tls;
    p->host = fl_arena_copy(arena, url.host);
    p->port = url.port;
    p->host_header = fl_arena_copy(arena, fl_buf_slice(&host));
    p->base_path = fl_arena_copy(arena, url.path);
    return true;
}

/* --- Key --- */

static void take_variable(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    const char *name = draft->vendor->key_variable;
    struct fl_slice value;
    if (name && !fl_load_variable(load, name, &value)) {
        name = draft->vendor->key_variable_2;
    }
    if (!name || !fl_load_variable(load, name, &value)) {
        return;
    }
    value = fl_slice_trim(value);
    if (!fl_secret_is_token(value)) {
        fl_load_error(
            load, draft->entry->key,
            "the key in %s has a space, a line break or another character that no key has", name);
        return;
    }
    p->api_key = fl_load_secret(load, value);
    p->key_source = fl_slice_cstr(name);
}

/* *object*: of the key itself, or NULL. */
static uint64_t limit_of(const struct fl_object *object, enum fl_key_id id, uint64_t otherwise)
{
    const struct fl_value *value = object ? fl_object_value(object, id) : NULL;
    return value && value->node && !value->bad ? (uint64_t)value->number : otherwise;
}

static void add_key(struct fl_provider_key *keys, struct fl_provider *p, struct fl_slice value,
                    struct fl_slice source, const struct fl_object *object)
{
    struct fl_provider_key key = {.value = value,
                                  .source = source,
                                  .rpm = limit_of(object, FL_KEY_PROVIDER_KEY_rpm, p->rpm),
                                  .tpm = limit_of(object, FL_KEY_PROVIDER_KEY_tpm, p->tpm)};
    for (unsigned i = 0; i < p->key_count; i++) {
        if (fl_slice_eq(keys[i].value, value)) { /* twice the same is one account */
            keys[i] = object ? key : keys[i];
            return;
        }
    }
    if (value.len > 0) {
        keys[p->key_count++] = key;
    }
}

/* api_key first, then those of the list; one of them is enough. */
static void list_keys(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    enum { keys_max = FL_PROVIDER_KEYS_MAX };
    const struct fl_value *value = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_keys);
    struct fl_provider_key *keys =
        fl_arena_zero(&load->config->arena, (value->count + 1) * sizeof(*keys));
    if (value->bad || !keys) {
        return;
    }
    add_key(keys, p, p->api_key, p->key_source, NULL);
    for (unsigned i = 0; i < value->count; i++) {
        const struct fl_entry *entry = &value->entries[i];
        add_key(keys, p, entry->text, entry->name, entry->object);
    }
    if (p->key_count > keys_max) {
        fl_load_error(load, value->node, "more than 16 keys");
        p->key_count = keys_max;
    }
    p->keys = keys;
    if (p->key_count > 0) {
        p->api_key = keys[0].value;
        p->key_source = keys[0].source;
    }
}

static void build_limits(const struct fl_draft *draft, struct fl_provider *p)
{
    p->rpm = limit_of(draft->entry->object, FL_KEY_PROVIDER_rpm, 0);
    p->tpm = limit_of(draft->entry->object, FL_KEY_PROVIDER_tpm, 0);
}

static void build_key(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    const struct fl_value *value = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_api_key);
    if (value->bad) {
        return;
    }
    if (value->node) {
        p->api_key = value->text;
        p->key_source = value->text.len > 0 ? value->source : FL_EMPTY;
    } else if (!fl_object_value(draft->entry->object, FL_KEY_PROVIDER_keys)->node) {
        take_variable(load, draft, p);
    }
    list_keys(load, draft, p);
    if (p->api_key.len > 0 && !p->tls && p->host.len > 0 && !is_local(p->host)) {
        fl_load_warn(load, value->node ? value->node : draft->entry->key,
                     "the key of '%.*s' travels in the clear to %.*s; use https", FL_TEXT(p->name),
                     FL_TEXT(p->host_header));
    }
}

/* --- Headers --- */

static bool is_header_name(struct fl_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_header_value(struct fl_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_ours(struct fl_slice name)
{
    static const char *const ours[] = {
        "host",       "content-length", "content-type",   "transfer-encoding",
        "connection", "keep-alive",     "upgrade",        "te",
        "trailer",    "expect",         "accept-encoding"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        if (fl_slice_eq_nocase(name, fl_slice_cstr(ours[i]))) {
            return true;
        }
    }
    return false;
}

static void build_headers(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    enum { headers_max = 32 };
    const struct fl_value *value = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_headers);
    struct fl_header_pair *headers =
        fl_arena_zero(&load->config->arena, (value->count + 1) * sizeof(*headers));
    if (value->count > headers_max) {
        fl_load_error(load, value->node, "more than 32 headers");
        return;
    }
    for (unsigned i = 0; headers && i < value->count; i++) {
        const struct fl_entry *entry = &value->entries[i];
        if (!is_header_name(entry->name)) {
            fl_load_error(load, entry->key, "'%.*s' is not a header's name", FL_TEXT(entry->name));
        } else if (is_ours(entry->name)) {
            fl_load_error(load, entry->key, "the header '%.*s' is set by fairlead itself",
                          FL_TEXT(entry->name));
        } else if (fl_slice_eq_nocase(entry->name, FL_LIT("authorization")) && p->api_key.len > 0) {
            fl_load_error(load, entry->key,
                          "'authorization' is made from the provider's key (%.*s); keep one",
                          FL_TEXT(p->key_source));
        } else if (!is_header_value(entry->text)) {
            fl_load_error(load, entry->node,
                          "the value of '%.*s' has a line break or another "
                          "control character",
                          FL_TEXT(entry->name));
        } else {
            headers[p->header_count++] = (struct fl_header_pair){entry->name, entry->text};
        }
    }
    p->headers = headers;
}

/* --- One provider --- */

/* An API that the provider's dialect does not have. */
static void check_api(struct fl_load *load, const struct fl_value *api, const struct fl_provider *p)
{
    bool openai = fl_slice_eq(p->dialect, FL_LIT("openai")) || fl_slice_eq(p->dialect, FL_LIT("azure"));
    bool bedrock = fl_slice_eq(p->dialect, FL_LIT("bedrock"));
    bool of_bedrock = p->api == FL_API_CONVERSE || p->api == FL_API_INVOKE;
    if (p->api_given && !(of_bedrock ? bedrock : openai)) {
        fl_load_error(load, api->node, "a provider of the dialect %.*s has no API '%s'",
                      FL_TEXT(p->dialect), fl_api_word(p->api));
    }
}

static unsigned read_concurrency(struct fl_load *load, const struct fl_value *value)
{
    uint64_t n = 0;
    if (!value->node || value->bad) {
        return 0;
    }
    if (fl_slice_eq(value->text, FL_LIT("auto"))) {
        return FL_CONCURRENCY_AUTO;
    }
    if (!fl_slice_u64(value->text, &n) || n == 0 || n >= FL_CONCURRENCY_AUTO) {
        fl_load_error(load, value->node,
                      "'concurrency' takes a number of requests from 1, or 'auto', not '%.*s'",
                      FL_TEXT(value->text));
    }
    return (unsigned)n;
}

static void build_rest(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    const struct fl_object *o = draft->entry->object;
    const struct fl_value *timeouts = fl_object_value(o, FL_KEY_PROVIDER_timeouts);
    const struct fl_value *options = fl_object_value(o, FL_KEY_PROVIDER_stream_options);
    const struct fl_value *ca = fl_object_value(o, FL_KEY_PROVIDER_ca_file);
    struct fl_slice bytes;
    p->timeouts = load->config->timeouts;
    if (timeouts->object) {
        fl_settings_timeouts(timeouts->object, &p->timeouts);
    }
    if (ca->node && !ca->bad && fl_load_file(load, ca->node, ca->text, false, &bytes)) {
        p->ca_file = bytes;
    }
    p->connections_max = (unsigned)fl_object_value(o, FL_KEY_PROVIDER_connections)->number;
    p->concurrency = read_concurrency(load, fl_object_value(o, FL_KEY_PROVIDER_concurrency));
    p->stream_options = options->node ? options->number != 0 : draft->vendor->stream_options;
    const struct fl_value *responses = fl_object_value(o, FL_KEY_PROVIDER_responses);
    const struct fl_value *api = fl_object_value(o, FL_KEY_PROVIDER_api);
    p->responses = responses->node ? responses->number != 0 : draft->vendor->responses;
    p->api_given = api->node && !api->bad;
    p->api = p->api_given ? (enum fl_api)api->number : FL_API_CHAT;
    check_api(load, api, p);
    p->simulated = fl_object_value(o, FL_KEY_PROVIDER_simulated)->number != 0;
    p->any_model = fl_object_value(o, FL_KEY_PROVIDER_models)->node == NULL;
    p->listed = fl_models_provider(load, p);
}

static void build_health(struct fl_load *load, const struct fl_draft *draft, struct fl_provider *p)
{
    const struct fl_object *health =
        fl_object_value(draft->entry->object, FL_KEY_PROVIDER_health)->object;
    p->checked = true;
    p->health_interval_ns = load->config->health_interval_ns;
    p->health_timeout_ns = load->config->health_timeout_ns;
    if (!health) {
        return;
    }
    const struct fl_value *path = fl_object_value(health, FL_KEY_HEALTH_path);
    const struct fl_value *interval = fl_object_value(health, FL_KEY_HEALTH_interval);
    const struct fl_value *timeout = fl_object_value(health, FL_KEY_HEALTH_timeout);
    p->checked = fl_object_value(health, FL_KEY_HEALTH_enabled)->number != 0;
    p->health_interval_ns = interval->node ? (uint64_t)interval->number : p->health_interval_ns;
    p->health_timeout_ns = timeout->node ? (uint64_t)timeout->number : p->health_timeout_ns;
    p->health_path = path->text;
    bool fits = path->text.len == 0 ||
                (path->text.ptr[0] == '/' && fl_secret_is_token(path->text) &&
                 fl_slice_find(path->text, '#') == path->text.len);
    if (!fits && !path->bad) {
        fl_load_error(load, path->node,
                      "a health check's 'path' begins with '/' and has no spaces, such as /health");
    }
}

/* Says why a provider's targets are left out; true when they are not. */
static bool takes_part(struct fl_load *load, const struct fl_draft *draft,
                       const struct fl_provider *p)
{
    const struct fl_vendor *vendor = draft->vendor;
    const struct fl_yaml *at = draft->entry->key;
    const struct fl_value *key = fl_object_value(draft->entry->object, FL_KEY_PROVIDER_api_key);
    if (!fl_object_value(draft->entry->object, FL_KEY_PROVIDER_enabled)->number) {
        fl_load_note(load, at, "provider '%.*s' is not enabled: its models are not routed",
                     FL_TEXT(p->name));
        return false;
    }
    if (!fl_provider_auth_given(load, draft, p)) {
        return false;
    }
    if (p->auth.kind == FL_AUTH_TOKEN || p->auth.kind == FL_AUTH_SIGV4) {
        return true;
    }
    if (p->api_key.len == 0 && !vendor->key_optional && !key->bad) {
        fl_load_warn(load, at, "provider '%.*s' has no key: its models are not routed; %s%s",
                     FL_TEXT(p->name), key->node ? "'api_key' is empty" : "set ",
                     key->node ? "" : vendor->key_variable);
        return false;
    }
    return true;
}

static void build_one(struct fl_load *load, struct fl_draft *draft, struct fl_provider *p)
{
    const struct fl_entry *entry = draft->entry;
    p->name = entry->name;
    if (!is_provider_name(entry->name)) {
        fl_load_error(load, entry->key,
                      "a provider's name has 1 to 64 letters, digits, '-', '_' and '.'");
        return;
    }
    bool is_mapping = !entry->node || entry->node->kind == FL_YAML_MAPPING || entry->node->null;
    draft->vendor = entry->object && is_mapping ? find_vendor(load, entry) : NULL;
    if (!draft->vendor) {
        return;
    }
    p->type = fl_slice_cstr(draft->vendor->name);
    fl_provider_place_build(load, draft, p);
    build_url(load, draft, p);
    build_limits(draft, p);
    build_key(load, draft, p);
    fl_provider_auth_build(load, draft, p);
    build_headers(load, draft, p);
    build_rest(load, draft, p);
    build_health(load, draft, p);
    draft->routed = takes_part(load, draft, p);
}

/* Of one quota there is one limit, whoever draws from it. */
static bool same_limits(const struct fl_provider *a, const struct fl_provider *b)
{
    bool same = a->rpm == b->rpm && a->tpm == b->tpm;
    for (unsigned i = 0; i < b->key_count; i++) {
        same = same && b->keys[i].rpm == a->rpm && b->keys[i].tpm == a->tpm;
    }
    return same;
}

static void check_quotas(struct fl_load *load)
{
    const struct fl_config *c = load->config;
    for (unsigned i = 0; i < c->provider_count; i++) {
        const struct fl_provider *p = &c->providers[i], *first = p;
        for (unsigned j = i; j-- > 0 && p->quota.len > 0;) {
            first = fl_slice_eq(c->providers[j].quota, p->quota) ? &c->providers[j] : first;
        }
        if (p->quota.len > 0 && !same_limits(first, p)) {
            fl_load_error(load, load->drafts[i].entry->key,
                          "providers and keys of the quota '%.*s' share one limit: give 'rpm' and 'tpm' to each of "
                          "its providers, the same, and to none of their keys",
                          FL_TEXT(p->quota));
        }
    }
}

void fl_providers_build(struct fl_load *load)
{
    enum { providers_max = 1000 };
    struct fl_value *value = fl_object_value(load->routing, FL_KEY_ROUTING_providers);
    if (!value->node && load->findings->errors == 0) {
        fl_environment_entries(load, value);
    }
    if (value->count == 0 && !value->bad && value->node) {
        fl_load_error(load, value->key,
                      "'providers' is empty; name at least one, such as 'openai: {}'");
    }
    if (value->count > providers_max) {
        fl_load_error(load, value->key, "more than 1000 providers");
        return;
    }
    struct fl_provider *providers =
        fl_arena_zero(&load->config->arena, (value->count + 1) * sizeof(*providers));
    load->drafts = fl_arena_zero(&load->scratch, (value->count + 1) * sizeof(*load->drafts));
    if (!providers || !load->drafts) {
        return;
    }
    for (unsigned i = 0; i < value->count; i++) {
        load->drafts[i].entry = &value->entries[i];
        build_one(load, &load->drafts[i], &providers[i]);
    }
    load->config->providers = providers;
    load->config->provider_count = value->count;
    check_quotas(load);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provider in a cloud needs beside a key: the place it is at, which its URL names, and
 * credentials. What the file does not say is looked for where the cloud's own tools look, in
 * variables of the environment; nothing is fetched here.
 */
#include "codec/json.h"
#include "codec/url.h"
#include "config/load.h"
#include "config/secret.h"

struct step {
    struct fl_load *load;
    const struct fl_draft *draft;
    struct fl_provider *p;
    const struct fl_object *auth; /* never NULL */
};

const char *fl_auth_source_word(enum fl_auth_source source)
{
    static const char *const words[FL_SOURCE_COUNT] = {
#define X(id, word) [id] = word,
        FL_AUTH_SOURCES(X)
#undef X
    };
    return words[source];
}

/* --- Where it is --- */

static bool speaks(const struct fl_provider *p, const char *family)
{
    return fl_slice_starts(p->dialect, fl_slice_cstr(family));
}

static const struct fl_value *key_of(const struct fl_draft *draft, enum fl_key_id key)
{
    return fl_object_value(draft->entry->object, key);
}

/* The file's word, else the first variable that is set (a list that ends with NULL). */
static struct fl_slice word_or_variable(struct fl_load *load, const struct fl_value *value,
                                        const char *const *variables)
{
    struct fl_slice text;
    if (value->node) {
        return value->text;
    }
    for (; *variables; variables++) {
        if (fl_load_variable(load, *variables, &text)) {
            return fl_arena_copy(&load->config->arena, fl_slice_trim(text));
        }
    }
    return FL_EMPTY;
}

/* A place stands in a host's name or in a path. */
static void check_place(struct fl_load *load, const struct fl_draft *draft, const char *what,
                        struct fl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == ':';
        if (!ok || text.len > 100) {
            fl_load_error(load, draft->entry->key,
                          "the %s of '%.*s' has a character that no %s has, or is longer than 100",
                          what, FL_TEXT(draft->entry->name), what);
            return;
        }
    }
}

void fl_provider_place_build(struct fl_load *load, const struct fl_draft *draft,
                             struct fl_provider *p)
{
    static const char *const aws[] = {"AWS_REGION", "AWS_DEFAULT_REGION", NULL};
    static const char *const google[] = {"GOOGLE_CLOUD_LOCATION", NULL};
    static const char *const projects[] = {"GOOGLE_CLOUD_PROJECT", NULL};
    const struct fl_value *dialect = key_of(draft, FL_KEY_PROVIDER_dialect);
    const struct fl_value *region = key_of(draft, FL_KEY_PROVIDER_region);
    p->dialect =
        fl_slice_cstr(dialect->node && !dialect->bad ? fl_dialect_word((unsigned)dialect->number)
                                                     : draft->vendor->dialect);
    region = region->node ? region : key_of(draft, FL_KEY_PROVIDER_location);
    p->api_version = key_of(draft, FL_KEY_PROVIDER_api_version)->text;
    if (speaks(p, "vertex")) {
        p->region = word_or_variable(load, region, google);
        p->region = p->region.len > 0 ? p->region : FL_LIT("global");
        p->project = word_or_variable(load, key_of(draft, FL_KEY_PROVIDER_project), projects);
    } else {
        p->region = speaks(p, "bedrock") ? word_or_variable(load, region, aws) : region->text;
    }
    p->account = key_of(draft, FL_KEY_PROVIDER_account)->text;
    p->account = p->account.len > 0 ? p->account : p->name;
    p->quota = key_of(draft, FL_KEY_PROVIDER_quota)->text;
    check_place(load, draft, "account", p->account);
    check_place(load, draft, "quota", p->quota);
    check_place(load, draft, "region", p->region);
    check_place(load, draft, "project", p->project);
    check_place(load, draft, "api_version", p->api_version);
}

static struct fl_slice fill(struct fl_load *load, const char *pattern, const char *name,
                            struct fl_slice value)
{
    char memory[FL_URL_BYTES_MAX];
    struct fl_buf b;
    struct fl_slice text = fl_slice_cstr(pattern);
    size_t at = fl_slice_find_text(text, fl_slice_cstr(name));
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put(&b, fl_slice_first(text, at));
    fl_buf_put(&b, value);
    fl_buf_put(&b, fl_slice_from(text, at + strlen(name)));
    return fl_arena_copy(&load->config->arena, fl_buf_slice(&b));
}

struct fl_slice fl_provider_default_url(struct fl_load *load, const struct fl_draft *draft,
                                        const struct fl_provider *p)
{
    const char *pattern = draft->vendor->base_url;
    struct fl_slice resource = key_of(draft, FL_KEY_PROVIDER_resource)->text;
    if (!pattern) {
        return FL_EMPTY;
    }
    if (strstr(pattern, "{resource}")) {
        check_place(load, draft, "resource", resource);
        if (resource.len == 0) {
            fl_load_error(load, draft->entry->key,
                          "provider '%.*s' needs a 'resource' or a 'base_url'", FL_TEXT(p->name));
            return FL_EMPTY;
        }
        const char *v1 = "https://{resource}.openai.azure.com/openai/v1";
        return fill(load, p->api_version.len > 0 ? pattern : v1, "{resource}", resource);
    }
    if (!strstr(pattern, "{region}")) {
        return fl_slice_cstr(pattern);
    }
    if (p->region.len == 0) {
        fl_load_error(load, draft->entry->key,
                      "provider '%.*s' needs a 'region', such as us-east-1", FL_TEXT(p->name));
        return FL_EMPTY;
    }
    if (speaks(p, "vertex") && fl_slice_eq(p->region, FL_LIT("global"))) {
        return FL_LIT("https://aiplatform.googleapis.com");
    }
    return fill(load, pattern, "{region}", p->region);
}

/* --- Who asks --- */

static struct fl_slice secret_or_variable(struct step *s, enum fl_key_id key, const char *variable)
{
    const struct fl_value *value = fl_object_value(s->auth, key);
    struct fl_slice text;
    if (value->node) {
        return value->text;
    }
    return fl_load_variable(s->load, variable, &text) ? fl_load_secret(s->load, fl_slice_trim(text))
                                                      : FL_EMPTY;
}

static struct fl_slice text_or_variable(struct step *s, enum fl_key_id key, const char *variable)
{
    const char *const variables[] = {variable, NULL};
    return word_or_variable(s->load, fl_object_value(s->auth, key), variables);
}

static const struct fl_yaml *at_auth(const struct step *s)
{
    return s->auth->node ? s->auth->node : s->draft->entry->key;
}

/* A file's bytes without the line break at its end. */
static struct fl_slice read_secret_file(struct step *s, struct fl_slice path)
{
    struct fl_slice bytes = FL_EMPTY;
    if (path.len > 0 && !fl_load_file(s->load, at_auth(s), path, true, &bytes)) {
        return FL_EMPTY;
    }
    while (bytes.len > 0 &&
           (bytes.ptr[bytes.len - 1] == '\n' || bytes.ptr[bytes.len - 1] == '\r')) {
        bytes.len--;
    }
    return bytes;
}

/* A token that whoever runs the container replaces in its file. */
static void take_proof(struct step *s, const char *variable)
{
    struct fl_provider_auth *a = &s->p->auth;
    struct fl_slice path = text_or_variable(s, FL_KEY_PROVIDER_AUTH_token_file, variable);
    a->proof = read_secret_file(s, path);
    a->proof_file = a->proof.len > 0 ? fl_arena_copy(&s->load->config->arena, path) : FL_EMPTY;
}

static void set_endpoint(struct step *s, struct fl_slice standard)
{
    struct fl_url url;
    struct fl_reterr reterr = {.err = FL_OK};
    const struct fl_value *value = fl_object_value(s->auth, FL_KEY_PROVIDER_AUTH_endpoint);
    struct fl_slice text = value->node ? value->text : standard;
    if (text.len > 0 && fl_url_parse(text, &url, &reterr)) {
        fl_load_error(s->load, value->node ? value->node : s->draft->entry->key,
                      "the endpoint of '%.*s' is not valid: %s", FL_TEXT(s->p->name),
                      reterr.message);
        return;
    }
    s->p->auth.endpoint = text;
}

/* AWS. */

static void take_static_keys(struct step *s)
{
    struct fl_provider_auth *a = &s->p->auth;
    a->source = FL_SOURCE_KEYS;
    a->access_key = secret_or_variable(s, FL_KEY_PROVIDER_AUTH_access_key_id, "AWS_ACCESS_KEY_ID");
    a->secret_key =
        secret_or_variable(s, FL_KEY_PROVIDER_AUTH_secret_access_key, "AWS_SECRET_ACCESS_KEY");
    /* a variable's session token belongs to a variable's key */
    bool own = fl_object_value(s->auth, FL_KEY_PROVIDER_AUTH_access_key_id)->node != NULL;
    a->session_token =
        own ? fl_object_value(s->auth, FL_KEY_PROVIDER_AUTH_session_token)->text
            : secret_or_variable(s, FL_KEY_PROVIDER_AUTH_session_token, "AWS_SESSION_TOKEN");
    const struct fl_slice parts[] = {a->access_key, a->secret_key, a->session_token};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (!fl_secret_is_token(parts[i]) || (i < 2 && parts[i].len > 256)) {
            fl_load_error(
                s->load, at_auth(s),
                "a key of AWS has a space, a line break or another character that none has");
            return;
        }
    }
}

static void take_web_identity(struct step *s)
{
    struct fl_provider_auth *a = &s->p->auth;
    a->source = FL_SOURCE_WEB_IDENTITY;
    a->role = text_or_variable(s, FL_KEY_PROVIDER_AUTH_role_arn, "AWS_ROLE_ARN");
    take_proof(s, "AWS_WEB_IDENTITY_TOKEN_FILE");
    set_endpoint(s, s->p->region.len > 0 ? fill(s->load, "https://sts.{region}.amazonaws.com",
                                                "{region}", s->p->region)
                                         : FL_LIT("https://sts.amazonaws.com"));
}

static void take_container(struct step *s)
{
    struct fl_provider_auth *a = &s->p->auth;
    struct fl_slice uri = FL_EMPTY, token = FL_EMPTY, path;
    a->source = FL_SOURCE_CONTAINER;
    if (fl_load_variable(s->load, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", &path)) {
        uri = fill(s->load, "http://169.254.170.2{path}", "{path}", path);
    } else if (fl_load_variable(s->load, "AWS_CONTAINER_CREDENTIALS_FULL_URI", &path)) {
        uri = fl_arena_copy(&s->load->config->arena, path);
    }
    take_proof(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (a->proof.len == 0 &&
        fl_load_variable(s->load, "AWS_CONTAINER_AUTHORIZATION_TOKEN", &token)) {
        a->proof = fl_load_secret(s->load, fl_slice_trim(token));
    }
    set_endpoint(s, uri);
}

static bool is_set(struct step *s, const char *variable)
{
    struct fl_slice text;
    return fl_load_variable(s->load, variable, &text);
}

/* As AWS's own tools look: keys, web identity, container. IMDS is asked only when the file says so: where
 * there is none, asking takes long. */
static enum fl_auth_source guess_aws(struct step *s)
{
    bool keys = fl_object_value(s->auth, FL_KEY_PROVIDER_AUTH_access_key_id)->node != NULL;
    bool role = fl_object_value(s->auth, FL_KEY_PROVIDER_AUTH_role_arn)->node != NULL;
    if (keys || (!role && is_set(s, "AWS_ACCESS_KEY_ID"))) {
        return FL_SOURCE_KEYS;
    }
    if (role || is_set(s, "AWS_WEB_IDENTITY_TOKEN_FILE")) {
        return FL_SOURCE_WEB_IDENTITY;
    }
    bool container = is_set(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
                     is_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    return container ? FL_SOURCE_CONTAINER : FL_SOURCE_KEYS;
}

/* Google. */

static struct fl_slice member(struct step *s, struct fl_json object, const char *key)
{
    struct fl_buf b;
    struct fl_slice text = FL_EMPTY;
    struct fl_json value = fl_json_get(object, fl_slice_cstr(key));
    char *memory =
        value.type == FL_JSON_STRING ? fl_arena_take(&s->load->scratch, value.span.len) : NULL;
    if (!memory) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, memory, value.span.len);
    return fl_json_text(value, &b, &text) ? fl_arena_copy(&s->load->config->arena, text) : FL_EMPTY;
}

static void take_service_account(struct step *s)
{
    struct fl_json whole;
    struct fl_provider_auth *a = &s->p->auth;
    a->source = FL_SOURCE_SERVICE_ACCOUNT;
    struct fl_slice bytes =
        read_secret_file(s, text_or_variable(s, FL_KEY_PROVIDER_AUTH_service_account_file,
                                             "GOOGLE_APPLICATION_CREDENTIALS"));
    if (bytes.len == 0) {
        return;
    }
    bool fits = fl_json_scan(bytes, FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK &&
                member(s, whole, "client_email").len > 0 &&
                fl_json_get(whole, FL_LIT("private_key")).type == FL_JSON_STRING;
    struct fl_slice uri = fits ? member(s, whole, "token_uri") : FL_EMPTY;
    if (uri.len == 0) {
        fl_load_error(s->load, at_auth(s),
                      "the file is not a service account's key: it must be JSON with "
                      "'client_email', 'private_key' and 'token_uri'");
        return;
    }
    a->service_account = bytes;
    if (s->p->project.len == 0) {
        s->p->project = member(s, whole, "project_id");
    }
    set_endpoint(s, uri);
}

/* Azure. */

static void take_entra(struct step *s)
{
    struct fl_provider_auth *a = &s->p->auth;
    struct fl_slice tenant = text_or_variable(s, FL_KEY_PROVIDER_AUTH_tenant, "AZURE_TENANT_ID");
    a->source = FL_SOURCE_ENTRA;
    a->client_id = text_or_variable(s, FL_KEY_PROVIDER_AUTH_client_id, "AZURE_CLIENT_ID");
    a->client_secret =
        secret_or_variable(s, FL_KEY_PROVIDER_AUTH_client_secret, "AZURE_CLIENT_SECRET");
    check_place(s->load, s->draft, "tenant", tenant);
    set_endpoint(s,
                 tenant.len > 0
                     ? fill(s->load, "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
                            "{tenant}", tenant)
                     : FL_EMPTY);
}

/* --- All of them --- */

static void take_source(struct step *s, enum fl_auth_source source)
{
    switch (source) {
    case FL_SOURCE_KEYS:
        take_static_keys(s);
        break;
    case FL_SOURCE_SERVICE_ACCOUNT:
        take_service_account(s);
        break;
    case FL_SOURCE_METADATA:
        s->p->auth.source = FL_SOURCE_METADATA;
        set_endpoint(s, FL_LIT("http://metadata.google.internal"));
        break;
    case FL_SOURCE_ENTRA:
        take_entra(s);
        break;
    case FL_SOURCE_WEB_IDENTITY:
        take_web_identity(s);
        break;
    case FL_SOURCE_CONTAINER:
        take_container(s);
        break;
    case FL_SOURCE_IMDS:
        s->p->auth.source = FL_SOURCE_IMDS;
        set_endpoint(s, FL_LIT("http://169.254.169.254"));
        break;
    case FL_SOURCE_COUNT:
        break;
    }
}

static bool source_fits(const struct fl_provider *p, enum fl_auth_source source)
{
    bool google = source == FL_SOURCE_SERVICE_ACCOUNT || source == FL_SOURCE_METADATA;
    return speaks(p, "vertex")  ? google
           : speaks(p, "azure") ? source == FL_SOURCE_ENTRA
                                : !google && source != FL_SOURCE_ENTRA;
}

static bool is_cloud(const struct fl_provider *p)
{
    return speaks(p, "vertex") || speaks(p, "bedrock") || speaks(p, "azure");
}

static enum fl_auth kind_of(const struct fl_provider *p)
{
    return speaks(p, "anthropic") ? FL_AUTH_X_API_KEY
           : speaks(p, "gemini")  ? FL_AUTH_X_GOOG_API_KEY
           : speaks(p, "azure")   ? FL_AUTH_API_KEY
                                  : FL_AUTH_BEARER;
}

void fl_provider_auth_build(struct fl_load *load, const struct fl_draft *draft,
                            struct fl_provider *p)
{
    struct step s = {load, draft, p,
                     fl_load_object(load, draft->entry->object, FL_KEY_PROVIDER_auth)};
    p->auth.kind = kind_of(p);
    if (!s.auth) {
        return;
    }
    const struct fl_value *source = fl_object_value(s.auth, FL_KEY_PROVIDER_AUTH_source);
    bool given = source->node && !source->bad;
    if (!is_cloud(p)) {
        if (s.auth->node) {
            fl_load_error(load, s.auth->node,
                          "'auth' is for vertex, bedrock and azure; '%.*s' takes an 'api_key'",
                          FL_TEXT(p->name));
        }
        return;
    }
    if (given && !source_fits(p, (enum fl_auth_source)source->number)) {
        fl_load_error(load, source->node, "'%s' gives no credentials for '%.*s'",
                      fl_auth_source_word((enum fl_auth_source)source->number), FL_TEXT(p->type));
        return;
    }
    if (p->api_key.len > 0 || (speaks(p, "azure") && !s.auth->node)) {
        return; /* a key is enough; Bedrock and Vertex take theirs as Bearer */
    }
    p->auth.kind = speaks(p, "bedrock") ? FL_AUTH_SIGV4 : FL_AUTH_TOKEN;
    take_source(&s, given                  ? (enum fl_auth_source)source->number
                    : speaks(p, "bedrock") ? guess_aws(&s)
                    : speaks(p, "azure")   ? FL_SOURCE_ENTRA
                                           : FL_SOURCE_SERVICE_ACCOUNT);
}

/* What a source has not got, in the words of the file; NULL: it has all. */
static const char *lacking(const struct fl_provider *p)
{
    const struct fl_provider_auth *a = &p->auth;
    switch (a->source) {
    case FL_SOURCE_KEYS:
        return a->access_key.len == 0 || a->secret_key.len == 0
                   ? "'access_key_id' and 'secret_access_key' under 'auth', or AWS_ACCESS_KEY_ID "
                     "and "
                     "AWS_SECRET_ACCESS_KEY"
                   : NULL;
    case FL_SOURCE_SERVICE_ACCOUNT:
        return a->service_account.len == 0
                   ? "'service_account_file' under 'auth', or GOOGLE_APPLICATION_CREDENTIALS"
                   : NULL;
    case FL_SOURCE_ENTRA:
        return a->client_id.len == 0 || a->client_secret.len == 0 || a->endpoint.len == 0
                   ? "'tenant', 'client_id' and 'client_secret' under 'auth'"
                   : NULL;
    case FL_SOURCE_WEB_IDENTITY:
        return a->role.len == 0 || a->proof.len == 0 ? "'role_arn' and 'token_file' under 'auth'"
                                                     : NULL;
    case FL_SOURCE_CONTAINER:
        return a->endpoint.len == 0 ? "'endpoint' under 'auth'" : NULL;
    case FL_SOURCE_METADATA:
    case FL_SOURCE_IMDS:
    case FL_SOURCE_COUNT:
        break;
    }
    return NULL;
}

bool fl_provider_auth_given(struct fl_load *load, const struct fl_draft *draft,
                            const struct fl_provider *p)
{
    bool keyless = p->auth.kind == FL_AUTH_TOKEN || p->auth.kind == FL_AUTH_SIGV4;
    const char *what = keyless ? lacking(p) : NULL;
    if (!what && speaks(p, "vertex") && p->project.len == 0) {
        what = "'project', or GOOGLE_CLOUD_PROJECT";
    }
    if (!what && p->auth.kind == FL_AUTH_SIGV4 && p->region.len == 0) {
        what = "'region', or AWS_REGION";
    }
    if (what) {
        fl_load_warn(
            load, draft->entry->key,
            "provider '%.*s' lacks credentials or a place: its models are not routed; set %s",
            FL_TEXT(p->name), what);
    }
    return !what;
}

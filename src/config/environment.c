/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Providers without a file: a vendor takes part when its key variable is set; a local server when
 * the variable of its address is. Each becomes the entry that a user would have written.
 */
#include "base/assert.h"
#include "codec/url.h"
#include "config/load.h"

/* "0.0.0.0:11434", "gpu1", "http://gpu1:11434/": what Ollama's own tools accept; as a base URL. */
static struct fl_slice ollama_url(struct fl_load *load, struct fl_slice host)
{
    struct fl_buf b;
    char memory[300];
    bool has_scheme = fl_slice_find_text(host, FL_LIT("://")) < host.len;
    struct fl_slice rest =
        has_scheme ? fl_slice_from(host, fl_slice_find_text(host, FL_LIT("://")) + 3) : host;
    while (host.len > 0 && rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        host.len--;
        rest.len--;
    }
    bool has_path = fl_slice_find(rest, '/') < rest.len;
    bool has_port = fl_slice_find(rest, ':') < rest.len;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_cstr(&b, has_scheme ? "" : "http://");
    if (fl_slice_starts(rest, FL_LIT("0.0.0.0"))) { /* the address it binds, not one to dial */
        fl_buf_put(&b, fl_slice_first(host, (size_t)(rest.ptr - host.ptr)));
        fl_buf_put_cstr(&b, "127.0.0.1");
        fl_buf_put(&b, fl_slice_from(rest, 7));
    } else {
        fl_buf_put(&b, host);
    }
    fl_buf_put_cstr(&b, has_port || has_path || has_scheme ? "" : ":11434");
    fl_buf_put_cstr(&b, has_path ? "" : "/v1");
    return fl_arena_copy(&load->config->arena, fl_buf_slice(&b));
}

/* Does the URL lead back to where we listen? */
static bool is_ourselves(const struct fl_load *load, struct fl_slice text)
{
    struct fl_url url;
    struct fl_addr addr;
    struct fl_reterr reterr;
    if (fl_url_parse(text, &url, &reterr) != FL_OK) {
        return false;
    }
    bool local = fl_slice_eq_nocase(url.host, FL_LIT("localhost")) ||
                 (fl_addr_parse_ip(url.host, &addr) &&
                  (fl_addr_is_loopback(&addr) || fl_slice_eq(url.host, FL_LIT("0.0.0.0"))));
    for (unsigned i = 0; i < load->config->listen_count; i++) {
        if (local && load->config->listens[i].addr.port == url.port) {
            return true;
        }
    }
    return false;
}

static struct fl_slice url_of(struct fl_load *load, const struct fl_vendor *vendor)
{
    struct fl_slice value;
    if (!vendor->url_variable || !fl_load_variable(load, vendor->url_variable, &value)) {
        return FL_EMPTY;
    }
    struct fl_slice url = strcmp(vendor->name, "ollama") == 0
                              ? ollama_url(load, value)
                              : fl_arena_copy(&load->config->arena, value);
    if (is_ourselves(load, url)) {
        fl_load_note(load, NULL, "%s points at fairlead itself and is ignored",
                     vendor->url_variable);
        return FL_EMPTY;
    }
    return url;
}

static void add_entry(struct fl_load *load, const struct fl_vendor *vendor, struct fl_slice url,
                      struct fl_value *providers)
{
    struct fl_entry *entry = &providers->entries[providers->count];
    *entry = (struct fl_entry){.name = fl_slice_cstr(vendor->name),
                               .object = fl_object_check(load, FL_SECTION_PROVIDER, NULL)};
    if (entry->object) {
        fl_object_value(entry->object, FL_KEY_PROVIDER_base_url)->text = url;
        providers->count++;
    }
}

static void put_name(struct fl_buf *b, const char *name)
{
    fl_buf_put_cstr(b, b->len > 0 ? ", " : "");
    fl_buf_put_cstr(b, name);
}

/* A key says it all: no region or resource stands in its URL. */
static bool stands_alone(const struct fl_vendor *vendor)
{
    return vendor->base_url && !strchr(vendor->base_url, '{');
}

void fl_environment_entries(struct fl_load *load, struct fl_value *ret_providers)
{
    char memory[400];
    struct fl_buf unset;
    struct fl_slice key;
    fl_buf_init_in(&unset, memory, sizeof(memory));
    ret_providers->entries =
        fl_arena_zero(&load->scratch, (fl_vendor_count + 1) * sizeof(*ret_providers->entries));
    for (unsigned i = 0; ret_providers->entries && i < fl_vendor_count; i++) {
        const struct fl_vendor *vendor = &fl_vendors[i];
        const char *variable = vendor->key_optional ? vendor->url_variable : vendor->key_variable;
        struct fl_slice url = url_of(load, vendor);
        bool is_set =
            vendor->key_optional ? url.len > 0 : variable && fl_load_variable(load, variable, &key);
        if (!is_set && !vendor->key_optional && vendor->key_variable_2) {
            is_set = fl_load_variable(load, vendor->key_variable_2, &key);
        }
        if (is_set && stands_alone(vendor)) {
            add_entry(load, vendor, url, ret_providers);
        } else if (is_set) {
            fl_load_note(load, NULL, "%s is set, but '%s' needs more than a key: write it into a file",
                         variable, vendor->name);
        } else if (variable && stands_alone(vendor)) {
            put_name(&unset, variable);
        }
    }
    fl_assert(fl_buf_ok(&unset));
    if (load->source.len > 0 && ret_providers->count > 0) {
        fl_load_note(load, NULL,
                     "no 'providers' in the file: using the keys found in the environment");
    } else if (unset.len > 0) {
        fl_load_note(load, NULL, "not set, so not used: %.*s", (int)unset.len, unset.ptr);
    }
    if (ret_providers->count == 0) {
        fl_load_error(load, NULL,
                      "no provider is configured: set a provider's key in the environment (such as "
                      "OPENAI_API_KEY), or write a file with 'providers', or run 'fairlead demo'");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/secret.h"

#include "config/value.h"

enum { SECRET_BYTES_MAX = 16 * 1024, FILE_BYTES_MAX = 1 << 20, MODEL_BYTES_MAX = 16 << 20 };

struct fl_secret {
    char *bytes;
    size_t len;
    struct fl_secret *next;
};

struct fl_slice fl_load_secret(struct fl_load *load, struct fl_slice text)
{
    struct fl_config *config = load->config;
    struct fl_secret *secret = fl_arena_zero(&config->arena, sizeof(*secret));
    char *bytes = fl_arena_take(&config->arena, text.len + 1);
    if (!secret || !bytes) {
        return FL_EMPTY;
    }
    if (text.len > 0) {
        memcpy(bytes, text.ptr, text.len);
    }
    bytes[text.len] = '\0';
    *secret = (struct fl_secret){.bytes = bytes, .len = text.len, .next = config->secrets};
    config->secrets = secret;
    return fl_slice(bytes, text.len);
}

void fl_secrets_wipe(struct fl_config *config)
{
    for (struct fl_secret *s = config->secrets; s; s = s->next) {
        explicit_bzero(s->bytes, s->len);
    }
    config->secrets = NULL;
}

void fl_secret_wipe_buf(struct fl_buf *b)
{
    if (b->ptr) {
        explicit_bzero(b->ptr, b->cap);
    }
    fl_buf_finish(b);
}

void fl_secret_mask(struct fl_load *load, const struct fl_yaml *node)
{
    struct fl_place place = fl_place_of(node);
    if (node->kind != FL_YAML_SCALAR) {
        return;
    }
    bool block = node->width <= 1 && node->text.len > 1; /* begins with a mark of one character */
    bool spans_lines = block || fl_slice_find(node->text, '\n') < node->text.len;
    if (!fl_slice_starts(node->text, FL_LIT("${"))) {
        place.width = spans_lines ? UINT32_MAX : place.width;
        fl_findings_mask(load->findings, place);
        for (unsigned i = 1; spans_lines && i <= 4; i++) {
            fl_findings_mask(load->findings, (struct fl_place){place.line + i, 1, UINT32_MAX});
        }
    }
}

bool fl_secret_is_token(struct fl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static struct fl_slice trim_lines(struct fl_slice s)
{
    while (s.len > 0 && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r' ||
                         s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

static bool load_file(struct fl_load *load, const struct fl_yaml *node, struct fl_slice path,
                      size_t most, bool secret, struct fl_slice *ret_bytes)
{
    struct fl_buf b;
    fl_buf_init(&b, most);
    enum fl_err err = load->env->file(load->env->owner, path, &b);
    if (err == FL_OK && fl_buf_ok(&b)) {
        *ret_bytes = secret ? fl_load_secret(load, fl_buf_slice(&b))
                            : fl_arena_copy(&load->config->arena, fl_buf_slice(&b));
    } else {
        const char *too_big =
            most == FILE_BYTES_MAX ? ": it is larger than 1 MiB" : ": it is larger than 16 MiB";
        fl_load_error(load, node, "cannot read the file '%.*s'%s", FL_TEXT(path),
                      err == FL_ERR_TOO_BIG || !fl_buf_ok(&b)
                          ? too_big
                          : "; does it exist, and may it be read?");
    }
    fl_secret_wipe_buf(&b);
    return err == FL_OK;
}

bool fl_load_file(struct fl_load *load, const struct fl_yaml *node, struct fl_slice path,
                  bool secret, struct fl_slice *ret_bytes)
{
    return load_file(load, node, path, FILE_BYTES_MAX, secret, ret_bytes);
}

bool fl_load_model(struct fl_load *load, const struct fl_yaml *node, struct fl_slice path,
                   struct fl_slice *ret_bytes)
{
    return load_file(load, node, path, MODEL_BYTES_MAX, false, ret_bytes);
}

static bool credential_path(struct fl_load *load, const struct fl_yaml *node, struct fl_slice name,
                            struct fl_buf *b)
{
    struct fl_slice directory;
    if (!fl_load_variable(load, "CREDENTIALS_DIRECTORY", &directory)) {
        fl_load_error(load, node,
                      "{credential: ...} needs systemd's LoadCredential= "
                      "(CREDENTIALS_DIRECTORY is not set)");
        return false;
    }
    if (fl_slice_find(name, '/') < name.len || name.len == 0) {
        fl_load_error(load, node, "a credential's name is a file name without '/'");
        return false;
    }
    fl_buf_put(b, directory);
    fl_buf_putc(b, '/');
    fl_buf_put(b, name);
    return fl_buf_ok(b);
}

/* {file: PATH} or {credential: NAME} */
static bool read_reference(struct fl_load *load, const struct fl_key *key,
                           const struct fl_yaml *node, struct fl_value *value)
{
    char memory[1024], named[1024 + 16];
    struct fl_buf path, text, label;
    struct fl_slice bytes = FL_EMPTY;
    const struct fl_yaml_item *item = node->first;
    bool is_file = item && fl_slice_eq(item->key->text, FL_LIT("file"));
    if (node->count != 1 || !item || item->value->kind != FL_YAML_SCALAR ||
        (!is_file && !fl_slice_eq(item->key->text, FL_LIT("credential")))) {
        fl_load_error(load, node, "'%s' expects %s", key->name, fl_value_expected(FL_TYPE_SECRET));
        return false;
    }
    fl_buf_init_in(&path, memory, sizeof(memory));
    fl_buf_init_in(&label, named, sizeof(named));
    fl_buf_init(&text, sizeof(memory));
    bool ok = fl_value_expand(load, item->value, &text, NULL);
    if (ok && is_file) {
        fl_buf_put(&path, fl_buf_slice(&text));
    } else if (ok) {
        ok = credential_path(load, item->value, fl_buf_slice(&text), &path);
    }
    fl_buf_finish(&text);
    if (!ok || !fl_load_file(load, item->value, fl_buf_slice(&path), true, &bytes)) {
        return false;
    }
    fl_buf_put_cstr(&label, is_file ? "file " : "credential ");
    fl_buf_put(&label, is_file ? fl_buf_slice(&path) : item->value->text);
    value->source = fl_arena_copy(&load->config->arena, fl_buf_slice(&label));
    value->text = trim_lines(bytes);
    return true;
}

static bool read_text(struct fl_load *load, const struct fl_yaml *node, struct fl_value *value)
{
    struct fl_buf b;
    struct fl_slice source = FL_EMPTY;
    fl_buf_init(&b, SECRET_BYTES_MAX);
    fl_secret_mask(load, node);
    bool ok = fl_value_expand(load, node, &b, &source);
    if (ok) {
        value->text = fl_load_secret(load, fl_slice_trim(fl_buf_slice(&b)));
        value->source = fl_arena_copy(&load->config->arena, source);
    }
    if (ok && source.len == 0) {
        value->source = FL_LIT("literal");
        fl_load_warn(load, node,
                     "a key in the file leaks with the file; use ${VARIABLE}, {file: PATH} or "
                     "{credential: NAME}");
    }
    fl_secret_wipe_buf(&b);
    return ok;
}

void fl_secret_check(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                     struct fl_value *value)
{
    value->bad = true;
    if (node->kind == FL_YAML_SEQUENCE || node->null) {
        fl_load_error(load, node, "'%s' expects %s", key->name, fl_value_expected(FL_TYPE_SECRET));
        return;
    }
    bool ok = node->kind == FL_YAML_MAPPING ? read_reference(load, key, node, value)
                                            : read_text(load, node, value);
    if (ok && !fl_secret_is_token(value->text)) {
        fl_load_error(load, node,
                      "the key from %.*s has a space, a line break or another "
                      "character that no key has",
                      FL_TEXT(value->source));
        return;
    }
    value->bad = !ok;
}

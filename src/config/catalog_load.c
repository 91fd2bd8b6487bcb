/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in catalogue unpacked, with the user's rows over it. */
#include "config/catalog_file.h"

#include "codec/gzip.h"
#include "config/catalog_blob.h"

/* Hints for a catalogue of the built-in one's size. */
enum { PROVIDER_HINT = 96, MODEL_HINT = 3072 };

size_t fl_catalog_builtin_bytes(void)
{
    return (size_t)(fl_catalog_blob_end - fl_catalog_blob);
}

/* The length that gzip keeps in its last four bytes. */
static size_t unpacked_bytes(void)
{
    const unsigned char *blob = (const unsigned char *)fl_catalog_blob;
    const unsigned char *at = blob + fl_catalog_builtin_bytes() - 4;
    return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

static enum fl_err unpack(char *text, size_t cap)
{
    struct fl_slice in = fl_slice(fl_catalog_blob, fl_catalog_builtin_bytes());
    struct fl_gzip *g = fl_gzip_create();
    size_t len = 0, got = 1;
    enum fl_err err = g ? FL_OK : FL_ERR_NOMEM;
    while (!err && (in.len > 0 || got > 0) && len < cap) {
        err = fl_gzip_next(g, &in, text + len, cap - len, &got);
        len += err ? 0 : got;
    }
    if (!err && len != cap) {
        err = FL_ERR_INTERNAL;
    }
    fl_gzip_destroy(g);
    return err;
}

enum fl_err fl_catalog_read_builtin(struct fl_catalog_draft *d, struct fl_reterr *reterr)
{
    size_t bytes = unpacked_bytes();
    char *text = fl_arena_take(fl_catalog_draft_arena(d), bytes);
    if (!text) {
        return FL_ERR_NOMEM;
    }
    enum fl_err err = unpack(text, bytes);
    return err ? err : fl_catalog_read_text(d, fl_slice(text, bytes), reterr);
}

enum fl_catalog_format fl_catalog_format_of(struct fl_slice text)
{
    size_t i = 0;
    while (i < text.len && (text.ptr[i] == ' ' || text.ptr[i] == '\n' || text.ptr[i] == '\r')) {
        i++;
    }
    if (i < text.len && (text.ptr[i] == '[' || text.ptr[i] == '{')) {
        return FL_CATALOG_GENAI;
    }
    return fl_slice_starts(text, FL_LIT("provider,model,")) ? FL_CATALOG_MODELS_DEV
                                                            : FL_CATALOG_TEXT;
}

const char *fl_catalog_format_name(enum fl_catalog_format f)
{
    switch (f) {
    case FL_CATALOG_TEXT:
        return "fairlead catalogue";
    case FL_CATALOG_GENAI:
        return "genai-prices JSON";
    case FL_CATALOG_MODELS_DEV:
        return "models.dev CSV";
    }
    return "unknown";
}

enum fl_err fl_catalog_read(struct fl_catalog_draft *d, enum fl_catalog_format format,
                            struct fl_slice text, int32_t day, struct fl_reterr *reterr)
{
    struct fl_slice own = FL_EMPTY;
    switch (format) {
    case FL_CATALOG_TEXT:
        own = fl_arena_copy(fl_catalog_draft_arena(d), text);
        return own.len == text.len ? fl_catalog_read_text(d, own, reterr) : FL_ERR_NOMEM;
    case FL_CATALOG_GENAI:
        return fl_catalog_read_genai(d, text, day, reterr);
    case FL_CATALOG_MODELS_DEV:
        return fl_catalog_read_models_dev(d, text, day, reterr);
    }
    return FL_ERR_INVALID;
}

struct fl_catalog *fl_catalog_load(struct fl_slice own, struct fl_reterr *reterr)
{
    struct fl_catalog_draft *d = fl_catalog_draft_create(PROVIDER_HINT, MODEL_HINT);
    if (!d) {
        return NULL;
    }
    enum fl_err err = fl_catalog_read_builtin(d, reterr);
    if (!err && own.len > 0) {
        err = fl_catalog_read(d, FL_CATALOG_TEXT, own, 0, reterr);
    }
    if (err) {
        fl_catalog_draft_destroy(d);
        return NULL;
    }
    return fl_catalog_draft_finish(d);
}

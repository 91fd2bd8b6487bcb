/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a catalogue in each of the three formats: no crash, leak or hang. What is accepted
 * can be looked up, priced, written, and read again with the same result.
 */
#include "base/assert.h"
#include "config/catalog_file.h"
#include "route/catalog/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct fl_catalog *read_as(enum fl_catalog_format format, struct fl_slice text)
{
    struct fl_reterr reterr = {0};
    struct fl_catalog_draft *d = fl_catalog_draft_create(0, 0);
    enum fl_err err = fl_catalog_read(d, format, text, 20000, &reterr);
    if (err) {
        fl_assert(err != FL_ERR_CONFIG || reterr.message[0] != '\0');
        fl_catalog_draft_destroy(d);
        return NULL;
    }
    return fl_catalog_draft_finish(d);
}

static void use(const struct fl_catalog *c)
{
    const struct fl_usage usage = {.tokens_in = 1000, .tokens_cached = 10, .tokens_out = 5};
    for (unsigned i = 0; i < fl_catalog_model_count(c); i++) {
        const struct fl_model *m = fl_catalog_model(c, i);
        struct fl_bill bill;
        enum fl_model_match match;
        const struct fl_model *found = fl_catalog_find(c, m->provider->name, m->id, &match);
        fl_assert(found == m && match == FL_MATCH_EXACT);
        enum fl_err err = fl_price_usage(m, &usage, 1, &bill);
        fl_assert(err == FL_OK || err == FL_ERR_TOO_BIG || m->rule_count == 0);
    }
}

static void put(struct fl_buf *b, const struct fl_catalog *c)
{
    const struct fl_catalog_provider *provider = NULL;
    for (unsigned i = 0; i < fl_catalog_model_count(c); i++) {
        const struct fl_model *m = fl_catalog_model(c, i);
        if (m->provider != provider) {
            provider = m->provider;
            fl_catalog_put_provider(b, provider);
        }
        fl_catalog_put_model(b, m);
    }
}

static void again(const struct fl_catalog *c)
{
    struct fl_buf once, twice;
    fl_buf_init(&once, FL_CATALOG_BYTES_MAX);
    fl_buf_init(&twice, FL_CATALOG_BYTES_MAX);
    put(&once, c);
    struct fl_catalog *back = read_as(FL_CATALOG_TEXT, fl_buf_slice(&once));
    fl_assert(back != NULL);
    put(&twice, back);
    fl_assert(fl_slice_eq(fl_buf_slice(&once), fl_buf_slice(&twice)));
    fl_catalog_unref(back);
    fl_buf_finish(&once);
    fl_buf_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const enum fl_catalog_format formats[] = {FL_CATALOG_TEXT, FL_CATALOG_GENAI,
                                                     FL_CATALOG_MODELS_DEV};
    struct fl_slice text = fl_slice((const char *)bytes, len);
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct fl_catalog *c = read_as(formats[i], text);
        if (c) {
            use(c);
            again(c);
        }
        fl_catalog_unref(c);
    }
    return 0;
}

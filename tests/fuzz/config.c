/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: no crash, leak or hang; an error is said, a success is whole.
 */
#include "base/assert.h"
#include "config/config.h"

/* libfyaml 0.7.12 itself loses a buffer when it gives up inside of a long quoted scalar. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

static bool variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    (void)owner;
    *ret_value = FL_LIT("value");
    return name.len % 2 == 0;
}

static enum fl_err file(void *owner, struct fl_slice path, struct fl_buf *ret)
{
    (void)owner;
    fl_buf_put(ret, path);
    return path.len % 2 == 0 ? FL_OK : FL_ERR_FILE;
}

static void check_table(const struct fl_config *c)
{
    const struct fl_table *t = &c->table;
    for (unsigned i = 0; i < t->target_count; i++) {
        fl_assert(t->targets[i].provider_index < c->provider_count);
        fl_assert(t->targets[i].weight > 0 && t->targets[i].cost_multiplier > 0);
    }
    for (unsigned i = 0; i < t->route_count; i++) {
        const struct fl_route *r = &t->routes[i];
        fl_assert(i == 0 || fl_slice_cmp(t->routes[i - 1].name, r->name) < 0);
        fl_assert(r->primary_count > 0 && r->primary_count <= r->target_count);
        fl_assert((unsigned)r->strategy < FL_STRATEGY_COUNT);
        fl_assert((unsigned)r->algorithm < FL_ALGORITHM_COUNT);
        for (unsigned j = 0; j < r->target_count; j++) {
            fl_assert(r->targets[j] < t->target_count);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fl_slice yaml = fl_slice((const char *)bytes, len);
    struct fl_config_env env = {.variable = variable, .file = file};
    struct fl_config *config = NULL;
    struct fl_findings findings;
    struct fl_buf text;
    fl_findings_init(&findings);
    fl_buf_init(&text, 4u << 20);
    enum fl_err err = fl_config_load(yaml, FL_LIT("f"), &env, &config, &findings);
    fl_assert((err == FL_OK) == (config != NULL));
    fl_assert(err != FL_ERR_CONFIG || findings.errors > 0);
    fl_assert(err != FL_OK || findings.errors == 0);
    if (config) {
        check_table(config);
    }
    fl_findings_put(&findings, FL_LIT("f"), yaml, &text);
    fl_buf_finish(&text);
    fl_findings_finish(&findings);
    fl_config_unref(config);
    return 0;
}

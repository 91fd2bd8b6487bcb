/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a usage object: no crash; what is read is a pure function of the text, in every
 * shape. */
#include "base/assert.h"
#include "dialect/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fl_slice text = fl_slice((const char *)bytes, len);
    struct fl_json value;
    struct fl_usage u = {.tokens_in = 7}, again = {.tokens_in = 7};
    if (fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &value, NULL)) {
        return 0;
    }
    for (unsigned s = 0; s < FL_USAGE_SHAPE_COUNT; s++) {
        bool known = fl_usage_read((enum fl_usage_shape)s, value, &u);
        fl_assert(known == fl_usage_read((enum fl_usage_shape)s, value, &again));
        fl_assert(u.tokens_in == again.tokens_in && u.tokens_out == again.tokens_out);
        fl_assert(!known || (u.known && u.requests == 1 && (unsigned)u.service < FL_SERVICE_COUNT));
    }
    (void)fl_usage_read_any(value, &u);
    (void)fl_usage_update_anthropic(value, &u);
    return 0;
}

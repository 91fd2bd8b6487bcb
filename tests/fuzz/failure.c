/* SPDX-License-Identifier: Apache-2.0 */
/* Any refusal: two bytes of status, a header's name and value as lines, then the body. No crash; what
 * is read is a pure function of the bytes; times are bounded; what says nothing is judged by its
 * status. */
#include "base/assert.h"
#include "dialect/failure.h"
#include "dialect/ratelimit.h"

#define YEAR_NS (UINT64_C(366) * 86400 * UINT64_C(1000000000))

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct fl_slice take_line(struct fl_slice *text)
{
    size_t end = fl_slice_find(*text, '\n');
    struct fl_slice line = fl_slice_first(*text, end);
    *text = fl_slice_from(*text, end + 1);
    return line;
}

static void check_rates(const struct fl_rates *r)
{
    fl_assert(r->retry_after_given || r->retry_after_ns == 0);
    fl_assert(r->retry_after_ns <= YEAR_NS);
    for (unsigned i = 0; i < FL_RATE_KINDS; i++) {
        const struct fl_rate *one = &r->of[i];
        fl_assert(!one->reset_given || one->reset_ns <= YEAR_NS);
        fl_assert(r->given || !(one->limit_given || one->remaining_given || one->reset_given));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fl_slice rest = fl_slice((const char *)bytes + 2, len - 2);
    struct fl_rates rates = {.given = false};
    struct fl_failure_said said;
    if (len < 2) {
        return 0;
    }
    int status = (bytes[0] << 8 | bytes[1]) % 600;
    struct fl_slice name = take_line(&rest), value = take_line(&rest);
    fl_ratelimit_field(&rates, name, value, UINT64_C(1785585600000000000));
    fl_ratelimit_body(&rates, rest);
    check_rates(&rates);
    enum fl_err err = fl_failure_read(&fl_failures_openai, status, rest, value);
    fl_assert(err != FL_OK && (unsigned)err < FL_ERR_COUNT);
    fl_assert(err == fl_failure_read(&fl_failures_openai, status, rest, value));
    fl_failure_parse(rest, &said);
    if (said.code_count == 0 && said.text_count == 0 && status >= 300 && value.len == 0) {
        fl_assert(err == fl_failure_read(&fl_failures_openai, status, FL_EMPTY, FL_EMPTY));
    }
    return 0;
}

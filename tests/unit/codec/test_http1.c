/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"
#include "codec/http1.h"
#include "codec/sse.h"
static void smoke(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    size_t scanned = 0, len = 0;
    struct fl_slice in = FL_LIT("\r\nPOST /v1/x?y HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3 \r\n\r\nabc");
    assert_int_equal(fl_h1_head_find(in, 1000, true, &scanned, &len), FL_OK);
    assert_int_equal(len, in.len - 3);
    assert_int_equal(fl_h1_parse_request(fl_slice_first(in, len), &head), FL_OK);
    assert_slice(head.path, "/v1/x");
    assert_int_equal(head.content_length, 3);
    struct fl_sse sse = {0};
    struct fl_sse_event e;
    in = FL_LIT("\xef\xbb\xbf" "event: a\r\ndata:b\r\n\r\n");
    assert_int_equal(fl_sse_next(&sse, in, false, 100, NULL, &e), FL_OK);
    assert_slice(e.data, "b");
    assert_slice(e.name, "a");
    assert_int_equal(e.raw.len, in.len);
}
int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(smoke)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

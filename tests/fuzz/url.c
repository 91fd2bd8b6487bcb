/* SPDX-License-Identifier: Apache-2.0 */
/* Parses any bytes as a base URL; what is accepted is put together again and must mean the same. */
#include "base/assert.h"
#include "base/buf.h"
#include "codec/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fl_url url, again;
    struct fl_reterr reterr;
    char memory[FL_URL_BYTES_MAX + 16];
    struct fl_buf b;
    if (fl_url_parse(fl_slice((const char *)bytes, size), &url, &reterr) != FL_OK) {
        fl_assert(reterr.err == FL_ERR_CONFIG && reterr.offset <= size &&
                  reterr.message[0] != '\0');
        return 0;
    }
    fl_assert(url.host.len > 0 && url.port > 0);
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_cstr(&b, url.tls ? "https://" : "http://");
    fl_buf_put_cstr(&b, url.host_is_ipv6 ? "[" : "");
    fl_buf_put(&b, url.host);
    fl_buf_put_cstr(&b, url.host_is_ipv6 ? "]:" : ":");
    fl_buf_put_u64(&b, url.port);
    fl_buf_put(&b, url.path);
    fl_assert(fl_buf_ok(&b));
    if (b.len <= FL_URL_BYTES_MAX) {
        fl_assert(fl_url_parse(fl_buf_slice(&b), &again, NULL) == FL_OK);
        fl_assert(again.tls == url.tls && again.port == url.port &&
                  fl_slice_eq(again.host, url.host));
        fl_assert(fl_slice_eq(again.path, url.path) && again.host_is_ipv6 == url.host_is_ipv6);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A client's connection: any bytes. Whatever comes out must not depend on how they were cut. */
#include "../unit/codec/h1_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct h1_options options = {false, 1024, {512, 128}};
    static struct fl_h1_head head;
    struct fl_slice bytes = fl_slice((const char *)data, size);
    if (size > 2048) {
        return 0;
    }
    /* The parser by itself, on bytes that nothing has delimited. */
    enum fl_err err = fl_h1_parse_request(bytes, &head);
    if (!err) {
        size_t scanned = 0, len = 0;
        fl_assert(fl_h1_head_find(bytes, size, true, &scanned, &len) == FL_OK && len == size);
        fl_assert(head.minor == 0 || head.host.len > 0);
        fl_assert(head.target.len > 0 && fl_h1_value_ok(head.target));
    }
    fl_assert(h1_split_invariant(options, bytes, 1 + size / 64));
    return 0;
}

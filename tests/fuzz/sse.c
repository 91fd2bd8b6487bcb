/* SPDX-License-Identifier: Apache-2.0 */
/* An event stream: any bytes. The events must not depend on how they were cut. */
#include "../unit/codec/sse_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_slice bytes = fl_slice((const char *)data, size);
    if (size > 0 && size <= 2048) { /* the first byte chooses the limit */
        fl_assert(sse_split_invariant(data[0] < 0x80 ? 4096 : data[0] & 0x7f,
                                      fl_slice_from(bytes, 1), 1 + size / 64));
    }
    return 0;
}

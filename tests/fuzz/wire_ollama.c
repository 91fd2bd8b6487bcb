/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    return fuzz_wire(&fl_wire_ollama, bytes, len);
}

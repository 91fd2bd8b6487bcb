/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a provider's answer in OpenAI's responses form: wire_clients.h says what must hold. */
#include "wire_clients.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    fuzz_provider(&fl_wire_openai_responses, bytes, len);
    return 0;
}

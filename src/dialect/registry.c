/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/dialect.h"

static const struct fl_dialect *const dialects[] = {
    &fl_dialect_openai,
    &fl_dialect_anthropic,
    &fl_dialect_gemini,
    &fl_dialect_vertex,
    &fl_dialect_vertex_anthropic,
    &fl_dialect_azure,
    &fl_dialect_ollama_native,
    &fl_dialect_bedrock,
};

const struct fl_dialect *fl_dialect_find(struct fl_slice name)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        if (fl_slice_eq(name, fl_slice_cstr(dialects[i]->name))) {
            return dialects[i];
        }
    }
    return NULL;
}

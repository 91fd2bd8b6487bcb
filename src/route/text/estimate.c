/* SPDX-License-Identifier: Apache-2.0 */
#include "route/text/estimate.h"

#include "base/assert.h"
#include "route/text/coefficients.h"

static uint32_t whole(int64_t sum)
{
    int64_t tokens = (sum + fl_token_coefficient_one / 2) / fl_token_coefficient_one;
    return tokens < 1 ? 1 : tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

void fl_tokens_estimate(const uint32_t count[FL_TEXT_COUNTS], uint32_t ret_tokens[FL_TEXT_TOKENIZERS])
{
    int64_t sum[FL_TEXT_TOKENIZERS] = {0};
    bool any = count[FL_TEXT_SPACE] != 0;
    for (unsigned i = 0; i < FL_TEXT_TOKEN_COUNTS; i++) {
        if (count[i] != 0) { /* most are 0 in most texts */
            any = true;
            for (unsigned t = 0; t < FL_TEXT_TOKENIZERS; t++) {
                sum[t] += (int64_t)fl_token_coefficients[i][t] * count[i];
            }
        }
    }
    for (unsigned t = 0; t < FL_TEXT_TOKENIZERS; t++) {
        ret_tokens[t] = any ? whole(sum[t]) : 0;
    }
}

/* In order: the first part found decides, so longer parts come before what they contain. */
static const struct {
    const char *part;
    enum fl_text_tokenizer tokenizer;
} parts[] = {
    {"o200k", FL_TEXT_O200K},     {"cl100k", FL_TEXT_CL100K},
    {"gpt-4o", FL_TEXT_O200K},    {"gpt-4.", FL_TEXT_O200K},
    {"gpt-4", FL_TEXT_CL100K},    {"gpt-3.5", FL_TEXT_CL100K},
    {"gpt-35", FL_TEXT_CL100K},   {"text-embedding", FL_TEXT_CL100K},
    {"claude", FL_TEXT_CLAUDE},   {"deepseek", FL_TEXT_DEEPSEEK3},
    {"qwen", FL_TEXT_QWEN3},      {"qwq", FL_TEXT_QWEN3},
    {"gemma", FL_TEXT_GEMMA3},    {"gemini", FL_TEXT_GEMMA3},
    {"llama", FL_TEXT_LLAMA3},    {"hermes", FL_TEXT_LLAMA3},
    {"nemotron", FL_TEXT_LLAMA3},
};

static bool has_part(struct fl_slice name, struct fl_slice part)
{
    for (size_t at = 0; at + part.len <= name.len; at++) {
        if (fl_slice_eq_nocase(fl_slice(name.ptr + at, part.len), part)) {
            return true;
        }
    }
    return false;
}

enum fl_text_tokenizer fl_text_tokenizer_of(struct fl_slice model)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (has_part(model, fl_slice_cstr(parts[i].part))) {
            return parts[i].tokenizer;
        }
    }
    return FL_TEXT_O200K;
}

const char *fl_text_tokenizer_name(enum fl_text_tokenizer tokenizer)
{
    static const char *const names[FL_TEXT_TOKENIZERS] = {
        [FL_TEXT_O200K] = "o200k_base",    [FL_TEXT_CL100K] = "cl100k_base",
        [FL_TEXT_CLAUDE] = "claude",       [FL_TEXT_LLAMA3] = "llama3",
        [FL_TEXT_GEMMA3] = "gemma3",       [FL_TEXT_QWEN3] = "qwen3",
        [FL_TEXT_DEEPSEEK3] = "deepseek3",
    };
    fl_assert(tokenizer < FL_TEXT_TOKENIZERS);
    return names[tokenizer];
}

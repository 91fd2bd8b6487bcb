/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/quirks.h"

#include "chat/chat.h"

#define EFFORT(word) (1u << FL_EFFORT_##word)

enum {
    three = EFFORT(LOW) | EFFORT(MEDIUM) | EFFORT(HIGH),
    all_efforts = three | EFFORT(NONE) | EFFORT(MINIMAL) | EFFORT(XHIGH) | EFFORT(MAX),

    common = FL_TAKES_SEED | FL_TAKES_CHOICE | FL_TAKES_SCHEMA,
    sampling = FL_TAKES_N | FL_TAKES_LOGPROBS | FL_TAKES_LOGIT_BIAS | FL_TAKES_PENALTIES,
    openai = common | sampling | FL_TAKES_DEVELOPER | FL_TAKES_MAX_COMPLETION | FL_TAKES_PARTS |
             FL_TAKES_NAMES | FL_TAKES_USER | FL_TAKES_METADATA | FL_TAKES_TIER |
             FL_TAKES_CACHE_KEY | FL_TAKES_PARALLEL | FL_TAKES_STRICT | FL_TAKES_EFFORT |
             FL_TAKES_OTHERS | FL_TAKES_FILES | FL_TAKES_AUDIO,
    compatible = common | sampling | FL_TAKES_NAMES | FL_TAKES_USER | FL_TAKES_PARALLEL |
                 FL_TAKES_STRICT | FL_TAKES_EFFORT | FL_TAKES_FILES | FL_TAKES_AUDIO
};

static const struct fl_quirks rows[] = {
    {.vendor = "openai_compatible",
     .takes = compatible | FL_TAKES_SIGNATURES,
     .thinking = FL_THINKING_CONTENT,
     .efforts = three | EFFORT(NONE) | EFFORT(MINIMAL)},
    {.vendor = "openai", .takes = openai, .openai_models = true, .efforts = all_efforts},
    {.vendor = "azure", .takes = openai, .openai_models = true, .efforts = all_efforts},
    {.vendor = "mistral",
     .takes = FL_TAKES_SEED | FL_TAKES_CHOICE | FL_TAKES_SCHEMA | FL_TAKES_N | FL_TAKES_PENALTIES |
              FL_TAKES_PARALLEL | FL_TAKES_STRICT | FL_TAKES_PARTS | FL_TAKES_AUDIO |
              FL_TAKES_DOCUMENTS,
     .thinking = FL_THINKING_PARTS,
     .choice_any = true,
     .short_ids = true,
     .seed = "random_seed"},
    {.vendor = "deepseek",
     .takes = FL_TAKES_CHOICE | FL_TAKES_LOGPROBS | FL_TAKES_PENALTIES | FL_TAKES_NAMES,
     .thinking = FL_THINKING_CONTENT,
     .thinking_object = true},
    {.vendor = "groq",
     .takes = common | FL_TAKES_MAX_COMPLETION | FL_TAKES_USER | FL_TAKES_PARALLEL |
              FL_TAKES_STRICT | FL_TAKES_TIER | FL_TAKES_EFFORT,
     .efforts = three},
    {.vendor = "xai",
     .takes = common | FL_TAKES_MAX_COMPLETION | FL_TAKES_PARTS | FL_TAKES_NAMES | FL_TAKES_N |
              FL_TAKES_LOGPROBS | FL_TAKES_USER | FL_TAKES_PARALLEL | FL_TAKES_EFFORT,
     .efforts = three},
    {.vendor = "together",
     .takes = common | sampling | FL_TAKES_TOP_K | FL_TAKES_EFFORT | FL_TAKES_NAMES,
     .thinking = FL_THINKING_CONTENT,
     .efforts = three},
    {.vendor = "fireworks",
     .takes =
         common | sampling | FL_TAKES_TOP_K | FL_TAKES_USER | FL_TAKES_EFFORT | FL_TAKES_PARALLEL,
     .thinking = FL_THINKING_CONTENT,
     .efforts = three | EFFORT(NONE)},
    {.vendor = "cerebras",
     .takes = common | FL_TAKES_MAX_COMPLETION | FL_TAKES_USER | FL_TAKES_LOGPROBS |
              FL_TAKES_PARALLEL | FL_TAKES_STRICT | FL_TAKES_EFFORT,
     .efforts = three},
    {.vendor = "openrouter",
     .takes = openai | FL_TAKES_TOP_K | FL_TAKES_CACHE_MARKS | FL_TAKES_SIGNATURES,
     .thinking = FL_THINKING_DETAILS,
     .reasoning_object = true,
     .efforts = all_efforts},
    {.vendor = "ollama",
     .takes = FL_TAKES_SEED | FL_TAKES_SCHEMA | FL_TAKES_PENALTIES | FL_TAKES_EFFORT,
     .efforts = three | EFFORT(NONE)},
    {.vendor = "vllm",
     .takes = compatible | FL_TAKES_DEVELOPER | FL_TAKES_PARTS | FL_TAKES_TOP_K,
     .thinking = FL_THINKING_CONTENT,
     .efforts = three},
};

const struct fl_quirks *fl_quirks_find(struct fl_slice vendor)
{
    for (size_t i = 1; i < sizeof(rows) / sizeof(*rows); i++) {
        if (fl_slice_eq(vendor, fl_slice_cstr(rows[i].vendor))) {
            return &rows[i];
        }
    }
    return &rows[0];
}

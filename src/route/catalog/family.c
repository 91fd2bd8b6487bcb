/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families by name. Rows are tried in order, on the bare name; the first whose text stands in it
 * (or at its start, where the text begins with '^') counts. Tokenizers: the makers' published
 * vocabularies; closed ones have a row of their own, since their counts differ.
 */
#include "route/catalog/catalog.h"

struct row {
    const char *text;
    struct fl_family family;
};

static const struct row rows[] = {
    {"deepseek-r1-distill-llama", {"llama", "deepseek", FL_TOKENIZER_LLAMA3}},
    {"deepseek-r1-distill-qwen", {"qwen", "deepseek", FL_TOKENIZER_QWEN}},
    {"claude", {"claude", "anthropic", FL_TOKENIZER_CLAUDE}},
    {"gpt-oss", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"gpt-4o", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"gpt-4-1", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"gpt-4-5", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"gpt-4", {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {"gpt-3", {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {"gpt-35", {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {"^gpt-", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"^chatgpt", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"^codex", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"^computer-use", {"gpt", "openai", FL_TOKENIZER_O200K}},
    {"^text-embedding-3", {"embedding", "openai", FL_TOKENIZER_CL100K}},
    {"^text-embedding-ada", {"embedding", "openai", FL_TOKENIZER_CL100K}},
    {"^davinci", {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {"^babbage", {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {"^o1", {"o", "openai", FL_TOKENIZER_O200K}},
    {"^o3", {"o", "openai", FL_TOKENIZER_O200K}},
    {"^o4", {"o", "openai", FL_TOKENIZER_O200K}},
    {"whisper", {"whisper", "openai", FL_TOKENIZER_UNKNOWN}},
    {"^tts-", {"tts", "openai", FL_TOKENIZER_UNKNOWN}},
    {"^dall-e", {"dall-e", "openai", FL_TOKENIZER_UNKNOWN}},
    {"^sora", {"sora", "openai", FL_TOKENIZER_UNKNOWN}},
    {"gemini", {"gemini", "google", FL_TOKENIZER_GEMINI}},
    {"gemma", {"gemma", "google", FL_TOKENIZER_GEMINI}},
    {"^imagen", {"imagen", "google", FL_TOKENIZER_UNKNOWN}},
    {"^veo", {"veo", "google", FL_TOKENIZER_UNKNOWN}},
    {"nemotron", {"nemotron", "nvidia", FL_TOKENIZER_LLAMA3}},
    {"hermes", {"hermes", "nousresearch", FL_TOKENIZER_LLAMA3}},
    {"llama-2", {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {"llama2", {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {"codellama", {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {"code-llama", {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {"llama", {"llama", "meta", FL_TOKENIZER_LLAMA3}},
    {"mixtral", {"mixtral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"mistral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"ministral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"magistral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"codestral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"devstral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"pixtral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"voxtral", {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {"^qwq", {"qwen", "alibaba", FL_TOKENIZER_QWEN}},
    {"^qvq", {"qwen", "alibaba", FL_TOKENIZER_QWEN}},
    {"qwen", {"qwen", "alibaba", FL_TOKENIZER_QWEN}},
    {"^wan", {"wan", "alibaba", FL_TOKENIZER_UNKNOWN}},
    {"deepseek", {"deepseek", "deepseek", FL_TOKENIZER_DEEPSEEK}},
    {"kimi", {"kimi", "moonshotai", FL_TOKENIZER_KIMI}},
    {"moonshot", {"kimi", "moonshotai", FL_TOKENIZER_KIMI}},
    {"chatglm", {"glm", "zhipuai", FL_TOKENIZER_GLM}},
    {"glm", {"glm", "zhipuai", FL_TOKENIZER_GLM}},
    {"minimax", {"minimax", "minimax", FL_TOKENIZER_MINIMAX}},
    {"grok", {"grok", "xai", FL_TOKENIZER_GROK}},
    {"^command", {"command", "cohere", FL_TOKENIZER_COHERE}},
    {"^c4ai", {"command", "cohere", FL_TOKENIZER_COHERE}},
    {"^embed-", {"embed", "cohere", FL_TOKENIZER_COHERE}},
    {"^rerank", {"rerank", "cohere", FL_TOKENIZER_COHERE}},
    {"^nova-", {"nova", "amazon", FL_TOKENIZER_NOVA}},
    {"^titan", {"titan", "amazon", FL_TOKENIZER_UNKNOWN}},
    {"^phi-", {"phi", "microsoft", FL_TOKENIZER_O200K}},
    {"^wizardlm", {"wizardlm", "microsoft", FL_TOKENIZER_MISTRAL}},
    {"^mai-", {"mai", "microsoft", FL_TOKENIZER_UNKNOWN}},
    {"^sonar", {"sonar", "perplexity", FL_TOKENIZER_LLAMA3}},
    {"^jamba", {"jamba", "ai21", FL_TOKENIZER_UNKNOWN}},
    {"^ernie", {"ernie", "baidu", FL_TOKENIZER_UNKNOWN}},
    {"^hunyuan", {"hunyuan", "tencent", FL_TOKENIZER_UNKNOWN}},
    {"^hy3", {"hunyuan", "tencent", FL_TOKENIZER_UNKNOWN}},
    {"^doubao", {"seed", "bytedance", FL_TOKENIZER_UNKNOWN}},
    {"^seed", {"seed", "bytedance", FL_TOKENIZER_UNKNOWN}},
    {"^step-", {"step", "stepfun", FL_TOKENIZER_UNKNOWN}},
    {"^mimo", {"mimo", "xiaomi", FL_TOKENIZER_QWEN}},
    {"granite", {"granite", "ibm", FL_TOKENIZER_UNKNOWN}},
    {"^olmo", {"olmo", "allenai", FL_TOKENIZER_UNKNOWN}},
    {"^voyage", {"voyage", "voyageai", FL_TOKENIZER_UNKNOWN}},
    {"^mercury", {"mercury", "inception", FL_TOKENIZER_UNKNOWN}},
    {"^solar", {"solar", "upstage", FL_TOKENIZER_UNKNOWN}},
    {"^reka", {"reka", "reka", FL_TOKENIZER_UNKNOWN}},
    {"^palmyra", {"palmyra", "writer", FL_TOKENIZER_UNKNOWN}},
    {"^lfm", {"lfm", "liquid", FL_TOKENIZER_UNKNOWN}},
    {"^trinity", {"trinity", "arcee", FL_TOKENIZER_UNKNOWN}},
    {"^composer", {"composer", "cursor", FL_TOKENIZER_UNKNOWN}},
    {"^morph", {"morph", "morph", FL_TOKENIZER_UNKNOWN}},
    {"^longcat", {"longcat", "meituan", FL_TOKENIZER_UNKNOWN}},
    {"^ling-", {"ling", "inclusionai", FL_TOKENIZER_UNKNOWN}},
    {"^ring-", {"ling", "inclusionai", FL_TOKENIZER_UNKNOWN}},
};
static const struct fl_family other = {"other", "", FL_TOKENIZER_UNKNOWN};

/* One of 64 bits for two neighbouring letters: most rows are ruled out without a search. */
static uint64_t pair_bit(const char *at)
{
    return UINT64_C(1) << (((unsigned char)at[0] * 31u + (unsigned char)at[1]) & 63);
}

static bool fits(const char *text, struct fl_slice bare, uint64_t pairs)
{
    if (text[0] == '^') {
        return fl_slice_starts(bare, fl_slice_cstr(text + 1));
    }
    return (pairs & pair_bit(text)) && fl_slice_find_text(bare, fl_slice_cstr(text)) < bare.len;
}

const struct fl_family *fl_family_of(struct fl_slice model_name)
{
    char memory[FL_BARE_MAX];
    struct fl_slice bare = fl_model_bare_name(model_name, memory);
    uint64_t pairs = 0;
    for (size_t i = 0; i + 1 < bare.len; i++) {
        pairs |= pair_bit(bare.ptr + i);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (fits(rows[i].text, bare, pairs)) {
            return &rows[i].family;
        }
    }
    return &other;
}

const char *fl_tokenizer_name(enum fl_tokenizer t)
{
    static const char *const names[FL_TOKENIZER_COUNT] = {
#define X(id, name) [id] = name,
        FL_TOKENIZERS(X)
#undef X
    };
    return (unsigned)t < FL_TOKENIZER_COUNT ? names[t] : "unknown";
}

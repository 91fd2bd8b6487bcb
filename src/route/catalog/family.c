/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families by name. Rows are tried in order, on the bare name; the first whose text stands in it
 * (or at its start, where the text begins with '^') counts. Tokenizers: the makers' published
 * vocabularies; closed ones have a row of their own, since their counts differ.
 */
#include "route/catalog/internal.h"

struct row {
    struct fl_slice text;
    struct fl_family family;
};

#define FL_ROW(text)                                                                               \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct row rows[] = {
    {FL_ROW("deepseek-r1-distill-llama"), {"llama", "deepseek", FL_TOKENIZER_LLAMA3}},
    {FL_ROW("deepseek-r1-distill-qwen"), {"qwen", "deepseek", FL_TOKENIZER_QWEN}},
    {FL_ROW("claude"), {"claude", "anthropic", FL_TOKENIZER_CLAUDE}},
    {FL_ROW("gpt-oss"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("gpt-4o"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("gpt-4-1"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("gpt-4-5"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("gpt-4"), {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("gpt-3"), {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("gpt-35"), {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("^gpt-"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("^chatgpt"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("^codex"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("^computer-use"), {"gpt", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("^text-embedding-3"), {"embedding", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("^text-embedding-ada"), {"embedding", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("^davinci"), {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("^babbage"), {"gpt", "openai", FL_TOKENIZER_CL100K}},
    {FL_ROW("^o1"), {"o", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("^o3"), {"o", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("^o4"), {"o", "openai", FL_TOKENIZER_O200K}},
    {FL_ROW("whisper"), {"whisper", "openai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^tts-"), {"tts", "openai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^dall-e"), {"dall-e", "openai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^sora"), {"sora", "openai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("gemini"), {"gemini", "google", FL_TOKENIZER_GEMINI}},
    {FL_ROW("gemma"), {"gemma", "google", FL_TOKENIZER_GEMINI}},
    {FL_ROW("^imagen"), {"imagen", "google", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^veo"), {"veo", "google", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("nemotron"), {"nemotron", "nvidia", FL_TOKENIZER_LLAMA3}},
    {FL_ROW("hermes"), {"hermes", "nousresearch", FL_TOKENIZER_LLAMA3}},
    {FL_ROW("llama-2"), {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {FL_ROW("llama2"), {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {FL_ROW("codellama"), {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {FL_ROW("code-llama"), {"llama", "meta", FL_TOKENIZER_LLAMA2}},
    {FL_ROW("llama"), {"llama", "meta", FL_TOKENIZER_LLAMA3}},
    {FL_ROW("mixtral"), {"mixtral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("mistral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("ministral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("magistral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("codestral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("devstral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("pixtral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("voxtral"), {"mistral", "mistral", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("^qwq"), {"qwen", "alibaba", FL_TOKENIZER_QWEN}},
    {FL_ROW("^qvq"), {"qwen", "alibaba", FL_TOKENIZER_QWEN}},
    {FL_ROW("qwen"), {"qwen", "alibaba", FL_TOKENIZER_QWEN}},
    {FL_ROW("^wan"), {"wan", "alibaba", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("deepseek"), {"deepseek", "deepseek", FL_TOKENIZER_DEEPSEEK}},
    {FL_ROW("kimi"), {"kimi", "moonshotai", FL_TOKENIZER_KIMI}},
    {FL_ROW("moonshot"), {"kimi", "moonshotai", FL_TOKENIZER_KIMI}},
    {FL_ROW("chatglm"), {"glm", "zhipuai", FL_TOKENIZER_GLM}},
    {FL_ROW("glm"), {"glm", "zhipuai", FL_TOKENIZER_GLM}},
    {FL_ROW("minimax"), {"minimax", "minimax", FL_TOKENIZER_MINIMAX}},
    {FL_ROW("grok"), {"grok", "xai", FL_TOKENIZER_GROK}},
    {FL_ROW("^command"), {"command", "cohere", FL_TOKENIZER_COHERE}},
    {FL_ROW("^c4ai"), {"command", "cohere", FL_TOKENIZER_COHERE}},
    {FL_ROW("^embed-"), {"embed", "cohere", FL_TOKENIZER_COHERE}},
    {FL_ROW("^rerank"), {"rerank", "cohere", FL_TOKENIZER_COHERE}},
    {FL_ROW("^nova-"), {"nova", "amazon", FL_TOKENIZER_NOVA}},
    {FL_ROW("^titan"), {"titan", "amazon", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^phi-"), {"phi", "microsoft", FL_TOKENIZER_O200K}},
    {FL_ROW("^wizardlm"), {"wizardlm", "microsoft", FL_TOKENIZER_MISTRAL}},
    {FL_ROW("^mai-"), {"mai", "microsoft", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^sonar"), {"sonar", "perplexity", FL_TOKENIZER_LLAMA3}},
    {FL_ROW("^jamba"), {"jamba", "ai21", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^ernie"), {"ernie", "baidu", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^hunyuan"), {"hunyuan", "tencent", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^hy3"), {"hunyuan", "tencent", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^doubao"), {"seed", "bytedance", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^seed"), {"seed", "bytedance", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^step-"), {"step", "stepfun", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^mimo"), {"mimo", "xiaomi", FL_TOKENIZER_QWEN}},
    {FL_ROW("granite"), {"granite", "ibm", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^olmo"), {"olmo", "allenai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^voyage"), {"voyage", "voyageai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^mercury"), {"mercury", "inception", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^solar"), {"solar", "upstage", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^reka"), {"reka", "reka", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^palmyra"), {"palmyra", "writer", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^lfm"), {"lfm", "liquid", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^trinity"), {"trinity", "arcee", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^composer"), {"composer", "cursor", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^morph"), {"morph", "morph", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^longcat"), {"longcat", "meituan", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^ling-"), {"ling", "inclusionai", FL_TOKENIZER_UNKNOWN}},
    {FL_ROW("^ring-"), {"ling", "inclusionai", FL_TOKENIZER_UNKNOWN}},
};
static const struct fl_family other = {"other", "", FL_TOKENIZER_UNKNOWN};

/* One of 64 bits for two neighbouring letters: most rows are ruled out without a search. */
static uint64_t pair_bit(const char *at)
{
    return UINT64_C(1) << (((unsigned char)at[0] * 31u + (unsigned char)at[1]) & 63);
}

static bool fits(struct fl_slice text, struct fl_slice bare, uint64_t pairs)
{
    if (text.ptr[0] == '^') {
        return text.len <= bare.len + 1 && text.ptr[1] == bare.ptr[0] &&
               fl_slice_starts(bare, fl_slice_from(text, 1));
    }
    uint64_t both = pair_bit(text.ptr) | pair_bit(text.ptr + text.len - 2);
    return (pairs & both) == both && fl_slice_find_text(bare, text) < bare.len;
}

const struct fl_family *fl_family_of_bare(struct fl_slice bare)
{
    uint64_t pairs = 0;
    for (size_t i = 0; i + 1 < bare.len; i++) {
        pairs |= pair_bit(bare.ptr + i);
    }
    for (size_t i = 0; bare.len > 0 && i < sizeof(rows) / sizeof(*rows); i++) {
        if (fits(rows[i].text, bare, pairs)) {
            return &rows[i].family;
        }
    }
    return &other;
}

const struct fl_family *fl_family_of(struct fl_slice model_name)
{
    char memory[FL_BARE_MAX];
    return fl_family_of_bare(fl_model_bare_name(model_name, memory));
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

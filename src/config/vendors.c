/* SPDX-License-Identifier: Apache-2.0 */
/* Vendors' public base URLs; models as listed by models.dev in 2026-07. A row is all that a vendor
 * with a key needs; what the clouds need beside is in credentials.c. Mistral refuses request fields it does not know and reports usage
 * unasked. */
#include "config/config.h"

const struct fl_vendor fl_vendors[] = {
    {.name = "openai",
     .base_url = "https://api.openai.com/v1",
     .key_variable = "OPENAI_API_KEY",
     .dialect = "openai",
     .responses = true,
     .stream_options = true,
     .auto_model = "gpt-5.4-mini",
     .url_variable = "OPENAI_BASE_URL"},
    {.name = "together",
     .base_url = "https://api.together.xyz/v1",
     .key_variable = "TOGETHER_API_KEY",
     .dialect = "openai",
     .stream_options = true,
     .auto_model = "MiniMaxAI/MiniMax-M3"},
    {.name = "groq",
     .base_url = "https://api.groq.com/openai/v1",
     .key_variable = "GROQ_API_KEY",
     .dialect = "openai",
     .responses = true,
     .stream_options = true,
     .auto_model = "llama-3.3-70b-versatile"},
    {.name = "mistral",
     .base_url = "https://api.mistral.ai/v1",
     .key_variable = "MISTRAL_API_KEY",
     .dialect = "openai",
     .auto_model = "mistral-small-latest"},
    {.name = "deepseek",
     .base_url = "https://api.deepseek.com",
     .key_variable = "DEEPSEEK_API_KEY",
     .dialect = "openai",
     .stream_options = true,
     .auto_model = "deepseek-chat"},
    {.name = "fireworks",
     .base_url = "https://api.fireworks.ai/inference/v1",
     .key_variable = "FIREWORKS_API_KEY",
     .dialect = "openai",
     .stream_options = true,
     .auto_model = "accounts/fireworks/models/minimax-m3"},
    {.name = "openrouter",
     .base_url = "https://openrouter.ai/api/v1",
     .key_variable = "OPENROUTER_API_KEY",
     .dialect = "openai",
     .responses = true,
     .stream_options = true,
     .auto_model = "openrouter/auto"},
    {.name = "xai",
     .base_url = "https://api.x.ai/v1",
     .key_variable = "XAI_API_KEY",
     .dialect = "openai",
     .responses = true,
     .stream_options = true,
     .auto_model = "grok-4.3"},
    {.name = "cerebras",
     .base_url = "https://api.cerebras.ai/v1",
     .key_variable = "CEREBRAS_API_KEY",
     .dialect = "openai",
     .stream_options = true,
     .auto_model = "gpt-oss-120b"},
    {.name = "ollama",
     .base_url = "http://127.0.0.1:11434/v1",
     .key_variable = "OLLAMA_API_KEY",
     .dialect = "openai",
     .responses = true,
     .stream_options = true,
     .key_optional = true,
     .url_variable = "OLLAMA_HOST"},
    {.name = "vllm",
     .base_url = "http://127.0.0.1:8000/v1",
     .key_variable = "VLLM_API_KEY",
     .dialect = "openai",
     .stream_options = true,
     .key_optional = true,
     .url_variable = "VLLM_BASE_URL"},
    {.name = "openai_compatible",
     .dialect = "openai",
     .stream_options = true,
     .key_optional = true},
    {.name = "anthropic",
     .base_url = "https://api.anthropic.com/v1",
     .key_variable = "ANTHROPIC_API_KEY",
     .dialect = "anthropic",
     .auto_model = "claude-haiku-4-5"},
    {.name = "gemini",
     .base_url = "https://generativelanguage.googleapis.com/v1beta",
     .key_variable = "GEMINI_API_KEY",
     .key_variable_2 = "GOOGLE_API_KEY",
     .dialect = "gemini",
     .auto_model = "gemini-3.8-flash"},
    {.name = "vertex",
     .base_url = "https://{region}-aiplatform.googleapis.com",
     .dialect = "vertex",
     .listed_as = "vertex",
     .key_optional = true},
    {.name = "vertex_anthropic",
     .base_url = "https://{region}-aiplatform.googleapis.com",
     .dialect = "vertex_anthropic",
     .listed_as = "vertex",
     .key_optional = true},
    {.name = "azure",
     .base_url = "https://{resource}.openai.azure.com/openai",
     .key_variable = "AZURE_OPENAI_API_KEY",
     .dialect = "azure",
     .responses = true,
     .stream_options = true},
    {.name = "bedrock",
     .base_url = "https://bedrock-runtime.{region}.amazonaws.com",
     .key_variable = "AWS_BEARER_TOKEN_BEDROCK",
     .dialect = "bedrock"},
    {.name = "ollama_native",
     .base_url = "http://127.0.0.1:11434",
     .key_variable = "OLLAMA_API_KEY",
     .dialect = "ollama_native",
     .key_optional = true},
};
const unsigned fl_vendor_count = sizeof(fl_vendors) / sizeof(*fl_vendors);

const struct fl_vendor *fl_vendor_find(struct fl_slice name)
{
    for (unsigned i = 0; i < fl_vendor_count; i++) {
        if (fl_slice_eq(name, fl_slice_cstr(fl_vendors[i].name))) {
            return &fl_vendors[i];
        }
    }
    return NULL;
}

const char *fl_api_word(enum fl_api api)
{
    static const char *const words[] = {"chat", "responses", "converse", "invoke"};
    return words[api];
}

const char *fl_dialect_word(unsigned index)
{
    static const char *const words[] = {"openai",  "azure",        "anthropic",
                                        "gemini",  "vertex",       "vertex_anthropic",
                                        "bedrock", "ollama_native"};
    return index < sizeof(words) / sizeof(*words) ? words[index] : NULL;
}

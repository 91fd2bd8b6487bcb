/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage objects of all vendors into struct fl_usage (base/usage.h): totals include their parts
 * afterwards, whatever the vendor's habit. The vendor's words are rows of a table in usage.c; a
 * path that no row names is left alone.
 */
#ifndef FL_DIALECT_USAGE_H
#define FL_DIALECT_USAGE_H

#include "base/usage.h"
#include "codec/json.h"

/* What stands where. The object is the member named in brackets. */
enum fl_usage_shape {
    FL_USAGE_CHAT, /* [usage] prompt_tokens, completion_tokens: OpenAI chat and completions, Azure,
                      Groq, Together, Fireworks, OpenRouter, vLLM, DeepSeek, Mistral, Moonshot */
    FL_USAGE_CHAT_APART, /* [usage] the same, but reasoning_tokens stand beside completion_tokens:
                            xAI */
    FL_USAGE_CHAT_FLAT,  /* [usage] reasoning_tokens and citation_tokens at the top, beside
                            completion_tokens: Perplexity, older xAI */
    FL_USAGE_RESPONSES,  /* [usage] input_tokens, input_tokens_details: OpenAI responses */
    FL_USAGE_IMAGES,     /* [usage] the same with kinds: OpenAI images */
    FL_USAGE_REALTIME,   /* [usage] input_token_details: OpenAI and xAI realtime */
    FL_USAGE_EMBEDDINGS, /* [usage] prompt_tokens */
    FL_USAGE_ANTHROPIC,  /* [usage] input_tokens beside cache_creation_input_tokens and
                            cache_read_input_tokens */
    FL_USAGE_GEMINI,     /* [usageMetadata] promptTokenCount beside toolUsePromptTokenCount,
                            candidatesTokenCount beside thoughtsTokenCount */
    FL_USAGE_BEDROCK,    /* [usage] of converse: inputTokens beside cacheReadInputTokens and
                            cacheWriteInputTokens */
    FL_USAGE_COHERE,     /* [usage] or [meta]: billed_units */
    FL_USAGE_COHERE_TOKENS, /* [usage]: tokens, as the model saw them */
    FL_USAGE_OCR,           /* [usage_info] pages_processed: Mistral */
    FL_USAGE_OLLAMA,        /* the answer itself: prompt_eval_count, eval_count */
    FL_USAGE_SHAPE_COUNT
};

/* Replaces *usage* by what *object* says. False, and *usage* stays, when it is no object or what
 * the shape must have is not in it. The object's text must have been accepted by fl_json_scan(). */
bool fl_usage_read(enum fl_usage_shape shape, struct fl_json object, struct fl_usage *usage);

/* The same where the vendor is not known: the shape is told by the keys. In CHAT, reasoning tokens
 * that total_tokens counts beside completion_tokens are added to the output. */
bool fl_usage_read_any(struct fl_json object, struct fl_usage *usage);

/* Anthropic streams usage in pieces: *from* with the fields that *object* has replaced, its totals
 * made anew (message_start gives the input, message_delta the output, and newer versions repeat the
 * input). */
bool fl_usage_update_anthropic(struct fl_json object, struct fl_usage *usage);

#endif

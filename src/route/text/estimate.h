/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a text, estimated from the counts of its classes: integers, the same everywhere. */
#ifndef FL_ROUTE_TEXT_ESTIMATE_H
#define FL_ROUTE_TEXT_ESTIMATE_H

#include "route/text/facts.h"

/* For every tokenizer: at least 1 for any text, 0 for none. */
void fl_tokens_estimate(const uint32_t count[FL_TEXT_COUNTS], uint32_t ret_tokens[FL_TEXT_TOKENIZERS]);

/* Tokens of the request as a provider counts it: the text, four for each message and three that
 * begin the answer. Images and sounds are not in it. */
static inline uint64_t fl_text_request_tokens(const struct fl_text_facts *facts,
                                              enum fl_text_tokenizer tokenizer)
{
    return (uint64_t)facts->tokens[tokenizer] + 4 * (uint64_t)facts->messages + 3;
}

/* The tokenizer of a model, by parts of its name in any case ("openai/gpt-4o-mini", "claude-3",
 * "o200k_base"); the nearest known one for other names. */
enum fl_text_tokenizer fl_text_tokenizer_of(struct fl_slice model);
const char *fl_text_tokenizer_name(enum fl_text_tokenizer tokenizer);

#endif

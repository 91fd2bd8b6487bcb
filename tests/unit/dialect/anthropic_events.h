/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a stream of Anthropic's messages, as text. */
#ifndef FL_TESTS_UNIT_DIALECT_ANTHROPIC_EVENTS_H
#define FL_TESTS_UNIT_DIALECT_ANTHROPIC_EVENTS_H

#define EVENT(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" data "}\n\n"
#define START                                                                                      \
    EVENT("message_start",                                                                         \
          ",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"usage\":{\"input_tokens\":10,"    \
          "\"cache_read_input_tokens\":5,\"output_tokens\":1}}")
#define BLOCK(i, block)                                                                            \
    EVENT("content_block_start", ",\"index\":" #i ",\"content_block\":{" block "}")
#define DELTA(i, delta) EVENT("content_block_delta", ",\"index\":" #i ",\"delta\":{" delta "}")
#define STOP(i)         EVENT("content_block_stop", ",\"index\":" #i)
#define TEXT(i, text)   DELTA(i, "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define JSON(i, text)   DELTA(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")
#define END(reason, usage)                                                                         \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason                                 \
                           "\",\"stop_sequence\":null},\"usage\":{" usage "}")                     \
    EVENT("message_stop", "")

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/speech.h"

#include <string.h>
#include <zlib.h>

const struct speech_kind speeches[] = {
    [OPENAI] = {"openai_compatible", "", "/v1", "text/event-stream"},
    [ANTHROPIC] = {"anthropic", "", "/v1", "text/event-stream"},
    [GEMINI] = {"gemini", "", "/v1beta", "text/event-stream"},
    [OLLAMA] = {"ollama_native", "", "", "application/x-ndjson"},
    [BEDROCK] = {"bedrock", ", region: us-east-1", "", "application/vnd.amazon.eventstream"},
    [ANSWERS] = {"openai_compatible", ", api: responses", "/v1", "text/event-stream"},
};

static void put_u32(struct fl_buf *b, size_t n)
{
    const char bytes[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    fl_buf_put(b, fl_slice(bytes, 4));
}

static void put_crc(struct fl_buf *b, size_t from)
{
    put_u32(b, crc32(0, (const unsigned char *)b->ptr + from, (unsigned)(b->len - from)));
}

static void put_amazon_field(struct fl_buf *b, const char *name, const char *value)
{
    fl_buf_putc(b, (char)strlen(name));
    fl_buf_put_cstr(b, name);
    fl_buf_put(b, fl_slice("\7", 2)); /* a text; its length's first byte */
    b->ptr[b->len - 1] = '\0';
    fl_buf_putc(b, (char)strlen(value));
    fl_buf_put_cstr(b, value);
}

void speech_put_frame(struct fl_buf *b, enum speech speech, const char *name, const char *json)
{
    char memory[256];
    struct fl_buf fields;
    size_t start = b->len;
    if (speech == BEDROCK) {
        fl_buf_init_in(&fields, memory, sizeof(memory));
        put_amazon_field(&fields, ":event-type", name);
        put_amazon_field(&fields, ":message-type", "event");
        put_u32(b, 16 + fields.len + strlen(json));
        put_u32(b, fields.len);
        put_crc(b, start);
        fl_buf_put(b, fl_buf_slice(&fields));
        fl_buf_put_cstr(b, json);
        put_crc(b, start);
        return;
    }
    if (speech == ANTHROPIC || speech == ANSWERS) {
        fl_buf_put_cstr(b, "event: ");
        fl_buf_put_cstr(b, name);
        fl_buf_put_cstr(b, "\n");
    }
    fl_buf_put_cstr(b, speech == OLLAMA ? "" : "data: ");
    fl_buf_put_cstr(b, json);
    fl_buf_put_cstr(b, speech == OLLAMA ? "\n" : "\n\n");
}

void speech_put_head(struct fl_buf *b, enum speech speech)
{
    fl_buf_put_cstr(b, "HTTP/1.1 200 OK\r\ncontent-type: ");
    fl_buf_put_cstr(b, speeches[speech].content_type);
    fl_buf_put_cstr(b, "\r\n\r\n");
    if (speech == ANTHROPIC) {
        speech_put_frame(
            b, speech, "message_start",
            "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
            "\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,"
            "\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}");
        speech_put_frame(
            b, speech, "content_block_start",
            "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
            "\"text\",\"text\":\"\"}}");
    } else if (speech == BEDROCK) {
        speech_put_frame(b, speech, "messageStart", "{\"role\":\"assistant\"}");
    } else if (speech == ANSWERS) {
        speech_put_frame(
            b, speech, "response.created",
            "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"object\":"
            "\"response\",\"model\":\"m\",\"status\":\"in_progress\",\"output\":[]}}");
        speech_put_frame(
            b, speech, "response.output_item.added",
            "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":"
            "\"message\",\"id\":\"i\",\"role\":\"assistant\",\"content\":[]}}");
    }
}

void speech_put_text(struct fl_buf *b, enum speech speech, struct fl_slice text)
{
    static const char *const around[][2] = {
        [OPENAI] = {"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,"
                    "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":",
                    "},\"finish_reason\":null}]}"},
        [ANTHROPIC] = {"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                       "\"text_delta\",\"text\":",
                       "}}"},
        [GEMINI] = {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":",
                    "}],\"role\":\"model\"},\"index\":0}]}"},
        [OLLAMA] = {"{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":",
                    "},\"done\":false}"},
        [BEDROCK] = {"{\"contentBlockIndex\":0,\"delta\":{\"text\":", "}}"},
        [ANSWERS] =
            {"{\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"output_index\":0,"
             "\"content_index\":0,\"delta\":",
             "}"},
    };
    char memory[1024];
    struct fl_buf json;
    fl_buf_init_in(&json, memory, sizeof(memory));
    fl_buf_put_cstr(&json, around[speech][0]);
    fl_buf_put_json(&json, text);
    fl_buf_put_cstr(&json, around[speech][1]);
    fl_buf_putc(&json, '\0');
    speech_put_frame(b, speech,
                     speech == BEDROCK   ? "contentBlockDelta"
                     : speech == ANSWERS ? "response.output_text.delta"
                                         : "content_block_delta",
                     memory);
}

size_t speech_put_end(struct fl_buf *b, enum speech speech)
{
    size_t finished = 0;
    switch (speech) {
    case OPENAI:
        speech_put_frame(
            b, speech, NULL,
            "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,"
            "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
            "\"stop\"}]}");
        finished = b->len;
        fl_buf_put_cstr(b, "data: [DONE]\n\n");
        break;
    case ANTHROPIC:
        speech_put_frame(b, speech, "content_block_stop",
                         "{\"type\":\"content_block_stop\",\"index\":0}");
        speech_put_frame(b, speech, "message_delta",
                         "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                         "\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}");
        finished = b->len;
        speech_put_frame(b, speech, "message_stop", "{\"type\":\"message_stop\"}");
        break;
    case GEMINI:
        speech_put_frame(
            b, speech, NULL,
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},"
            "\"finishReason\":\"STOP\",\"index\":0}]}");
        finished = b->len + 1; /* more may follow: it is the end of the body that tells */
        break;
    case OLLAMA:
        speech_put_frame(
            b, speech, NULL,
            "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":"
            "true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":5}");
        finished = b->len;
        break;
    case BEDROCK:
        speech_put_frame(b, speech, "contentBlockStop", "{\"contentBlockIndex\":0}");
        speech_put_frame(b, speech, "messageStop", "{\"stopReason\":\"end_turn\"}");
        finished = b->len;
        speech_put_frame(b, speech, "metadata",
                         "{\"usage\":{\"inputTokens\":3,\"outputTokens\":5,\"totalTokens\":8}}");
        break;
    case ANSWERS:
        speech_put_frame(
            b, speech, "response.completed",
            "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"object\":"
            "\"response\",\"model\":\"m\",\"status\":\"completed\",\"output\":[],\"usage\":{"
            "\"input_tokens\":3,\"output_tokens\":5,\"total_tokens\":8}}}");
        finished = b->len;
        break;
    }
    return finished;
}

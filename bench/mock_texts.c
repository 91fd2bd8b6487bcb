/* SPDX-License-Identifier: Apache-2.0 */
#include "mock_texts.h"

#include <stdio.h>
#include <string.h>

/* The fields a vendor's reply has behind its framing. */
#define VENDOR_FIELDS                                                                              \
    "openai-organization: bench\r\n"                                                               \
    "openai-processing-ms: 12\r\n"                                                                 \
    "openai-version: 2020-10-01\r\n"                                                               \
    "x-ratelimit-limit-requests: 10000\r\n"                                                        \
    "x-ratelimit-remaining-requests: 9999\r\n"                                                     \
    "x-request-id: req_bench0000000000000000000001\r\n\r\n"

#define CHUNK_START                                                                                \
    "data: {\"id\":\"chatcmpl-bench0000001\",\"object\":\"chat.completion.chunk\","                \
    "\"created\":1750000000,\"model\":\"bench-model\",\"choices\":["

/* About 1 KB, with the escapes and letters answers have. The load generator knows its end. */
static const char COMPLETION[] =
    "{\"id\":\"chatcmpl-bench0000001\",\"object\":\"chat.completion\",\"created\":1750000000,"
    "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content\":\"Here are the five points.\\n\\n1. The budget stays as agreed, and the team "
    "in Z\303\274rich owns it until the end of the quarter.\\n2. The migration starts on "
    "Monday; nobody needs to change anything before then.\\n3. Two questions are open: who "
    "signs the contract, and what happens to the \\\"old\\\" mirror.\\n4. The review of the "
    "loop found one off-by-one mistake, which is fixed: `for (i = 0; i < n; i++)`.\\n5. The "
    "next meeting is on the 14th at ten o'clock, in the small room.\\n\\nI am not sure about "
    "the amount in the third line of the notes; please check it against the signed offer "
    "before you send this on to people who were not there.\",\"refusal\":null,"
    "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{"
    "\"prompt_tokens\":212,\"completion_tokens\":164,\"total_tokens\":376,"
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0}},"
    "\"system_fingerprint\":\"fp_bench\"}";

static bool append(struct fl_mock_text *text, const char *bytes)
{
    size_t size = strlen(bytes);
    if (size > sizeof text->bytes - text->size) {
        return false;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return true;
}

static bool append_chunk(struct fl_mock_text *text, const char *bytes)
{
    char line[24];
    (void)snprintf(line, sizeof line, "%zx\r\n", strlen(bytes));
    return append(text, line) && append(text, bytes) && append(text, "\r\n");
}

bool fl_mock_text_reply(struct fl_mock_text *text, const char *body)
{
    char line[48];
    (void)snprintf(line, sizeof line, "Content-Length: %zu\r\n", strlen(body));
    text->size = 0;
    return append(text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n") &&
           append(text, line) && append(text, "Connection: keep-alive\r\n") &&
           append(text, VENDOR_FIELDS) && append(text, body);
}

/* A content event: *start*, the digits, *end*. */
static bool make_event(struct fl_mock_stream *stream, const char *start, const char *end)
{
    char event[512];
    int n = snprintf(event, sizeof event, "%s%0*d %0*d %s", start, FL_MOCK_NUMBER_DIGITS, 0,
                     FL_MOCK_TIME_DIGITS, 0, end);
    if (n < 0 || (size_t)n >= sizeof event || !append_chunk(&stream->event, event)) {
        return false;
    }
    size_t size_line = stream->event.size - (size_t)n - 2;
    stream->number_at = size_line + strlen(start);
    stream->time_at = stream->number_at + FL_MOCK_NUMBER_DIGITS + 1;
    return stream->event.size <= FL_MOCK_EVENT_MAX;
}

static bool start_head(struct fl_mock_stream *stream)
{
    return append(&stream->head, "HTTP/1.1 200 OK\r\n"
                                 "Content-Type: text/event-stream; charset=utf-8\r\n"
                                 "Transfer-Encoding: chunked\r\n"
                                 "Cache-Control: no-cache\r\n" VENDOR_FIELDS);
}

static bool make_chat(struct fl_mock_stream *stream)
{
    return start_head(stream) &&
           make_event(stream, CHUNK_START "{\"index\":0,\"delta\":{\"content\":\"e",
                      "\"},\"finish_reason\":null}]}\n\n") &&
           append_chunk(&stream->end, CHUNK_START "{\"index\":0,\"delta\":{},\"finish_reason\":"
                                                  "\"stop\"}]}\n\n") &&
           append_chunk(&stream->end,
                        CHUNK_START "],\"usage\":{\"prompt_tokens\":212,\"completion_tokens\":164,"
                                    "\"total_tokens\":376}}\n\n") &&
           append_chunk(&stream->end, "data: [DONE]\n\n") && append(&stream->end, "0\r\n\r\n");
}

static bool make_messages(struct fl_mock_stream *stream)
{
    return start_head(stream) &&
           append_chunk(&stream->head,
                        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"
                        "\"id\":\"msg_bench0000001\",\"type\":\"message\",\"role\":\"assistant\","
                        "\"model\":\"bench-claude\",\"content\":[],\"stop_reason\":null,"
                        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":212,"
                        "\"output_tokens\":1}}}\n\n") &&
           append_chunk(&stream->head,
                        "event: content_block_start\ndata: {\"type\":\"content_block_start\","
                        "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n") &&
           make_event(stream,
                      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                      "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"e",
                      "\"}}\n\n") &&
           append_chunk(&stream->end, "event: content_block_stop\ndata: {\"type\":"
                                      "\"content_block_stop\",\"index\":0}\n\n") &&
           append_chunk(&stream->end,
                        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"
                        "\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{"
                        "\"output_tokens\":164}}\n\n") &&
           append_chunk(&stream->end,
                        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") &&
           append(&stream->end, "0\r\n\r\n");
}

bool fl_mock_texts_make(struct fl_mock_texts *texts)
{
    *texts = (struct fl_mock_texts){0};
    return fl_mock_text_reply(&texts->completion, COMPLETION) &&
           fl_mock_text_reply(&texts->models, "{\"object\":\"list\",\"data\":[{\"id\":"
                                              "\"bench-model\",\"object\":\"model\","
                                              "\"owned_by\":\"bench\"}]}") &&
           make_chat(&texts->streams[FL_MOCK_CHAT]) &&
           make_messages(&texts->streams[FL_MOCK_MESSAGES]);
}

static void put_digits(char *to, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10) {
        to[i] = (char)('0' + value % 10);
    }
}

size_t fl_mock_texts_event(const struct fl_mock_stream *stream, char *to, uint32_t number,
                           uint64_t now_ns)
{
    memcpy(to, stream->event.bytes, stream->event.size);
    put_digits(to + stream->number_at, FL_MOCK_NUMBER_DIGITS, number);
    put_digits(to + stream->time_at, FL_MOCK_TIME_DIGITS, now_ns);
    return stream->event.size;
}

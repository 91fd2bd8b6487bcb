/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated providers that speak another dialect than OpenAI's: where a request says what, and what
 * answers, events, errors and rate limits look like. Written from the vendors' documents; it shares
 * no line with the dialects of the gateway, which it is to test.
 */
#include "sim/provider_impl.h"

#include "base/assert.h"
#include "base/hash.h"
#include "sim/text.h"

#include <zlib.h>

enum { model_bytes_max = 256, frame_bytes_max = 1 << 20 };

/* --- Requests --- */

/* The path of the request's first line. */
static struct fl_slice path_of(const struct sim_conn *c)
{
    struct fl_slice line = fl_buf_slice(&c->head);
    struct fl_slice path = fl_slice_from(line, fl_slice_find(line, ' ') + 1);
    return fl_slice_first(path, fl_slice_find(path, ' '));
}

static bool has(struct fl_slice text, const char *part)
{
    return fl_slice_find_text(text, fl_slice_cstr(part)) < text.len;
}

static bool ends(struct fl_slice text, const char *part)
{
    size_t len = strlen(part);
    return text.len >= len && memcmp(text.ptr + text.len - len, part, len) == 0;
}

enum sim_endpoint sim_dialect_endpoint(enum fl_sim_dialect dialect, struct fl_slice path)
{
    path = fl_slice_first(path, fl_slice_find(path, '?'));
    bool chat = false;
    switch (dialect) {
    case FL_SIM_OPENAI:
        return sim_endpoint(path);
    case FL_SIM_ANTHROPIC:
        chat = ends(path, "/messages");
        break;
    case FL_SIM_GEMINI:
        chat = ends(path, ":generateContent") || ends(path, ":streamGenerateContent");
        break;
    case FL_SIM_OLLAMA:
        chat = ends(path, "/api/chat");
        break;
    case FL_SIM_BEDROCK:
        chat = ends(path, "/converse") || ends(path, "/converse-stream");
        break;
    }
    return chat                                               ? SIM_CHAT
           : ends(path, "/models") || ends(path, "/api/tags") ? SIM_MODELS
                                                              : SIM_UNKNOWN;
}

struct fl_slice sim_dialect_key(enum fl_sim_dialect dialect, const struct fl_h1_head *head)
{
    struct fl_slice bearer = FL_LIT("Bearer ");
    const char *name = dialect == FL_SIM_ANTHROPIC ? "x-api-key"
                       : dialect == FL_SIM_GEMINI  ? "x-goog-api-key"
                                                   : "authorization";
    const struct fl_h1_header *h = fl_h1_find_text(head, fl_slice_cstr(name));
    if (!h) {
        return FL_EMPTY;
    }
    return fl_slice_starts(h->value, bearer) ? fl_slice_from(h->value, bearer.len) : h->value;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static void put_percent_decoded(struct fl_buf *b, struct fl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool code = text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 &&
                    hex_digit(text.ptr[i + 2]) >= 0;
        fl_buf_putc(b, code ? (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2]))
                            : text.ptr[i]);
        i += code ? 2 : 0;
    }
}

/* "m" of ".../models/m:generateContent" and ".../model/m/converse". */
static void put_path_model(const struct sim_conn *c, struct fl_buf *b)
{
    bool gemini = c->provider->options.dialect == FL_SIM_GEMINI;
    struct fl_slice path = path_of(c), before = gemini ? FL_LIT("/models/") : FL_LIT("/model/");
    struct fl_slice rest = fl_slice_from(path, fl_slice_find_text(path, before) + before.len);
    put_percent_decoded(b, fl_slice_first(rest, fl_slice_find(rest, gemini ? ':' : '/')));
}

static struct sim_problem find_model(struct sim_conn *c, struct fl_slice id)
{
    const struct fl_simprovider_options *o = &c->provider->options;
    for (unsigned i = 0; i < o->model_count; i++) {
        if (fl_slice_eq(id, o->models[i].id)) {
            c->ask.model = &o->models[i];
            return (struct sim_problem){.status = 0};
        }
    }
    return (struct sim_problem){404, "not_found", "model_not_found", "model",
                                "The simulated provider has no such model."};
}

static struct fl_json limit_of(enum fl_sim_dialect dialect, struct fl_json whole)
{
    switch (dialect) {
    case FL_SIM_OPENAI:
    case FL_SIM_ANTHROPIC:
        break;
    case FL_SIM_GEMINI:
        return fl_json_get(fl_json_get(whole, FL_LIT("generationConfig")),
                           FL_LIT("maxOutputTokens"));
    case FL_SIM_OLLAMA:
        return fl_json_get(fl_json_get(whole, FL_LIT("options")), FL_LIT("num_predict"));
    case FL_SIM_BEDROCK:
        return fl_json_get(fl_json_get(whole, FL_LIT("inferenceConfig")), FL_LIT("maxTokens"));
    }
    return fl_json_get(whole, FL_LIT("max_tokens"));
}

static bool wants_stream(const struct sim_conn *c, struct fl_json whole)
{
    enum fl_sim_dialect dialect = c->provider->options.dialect;
    bool stream = dialect == FL_SIM_OLLAMA; /* unless it says no */
    if (dialect == FL_SIM_GEMINI || dialect == FL_SIM_BEDROCK) {
        return has(path_of(c), ":streamGenerateContent") || has(path_of(c), "/converse-stream");
    }
    (void)fl_json_bool(fl_json_get(whole, FL_LIT("stream")), &stream);
    return stream;
}

static struct sim_problem read_model(struct sim_conn *c, struct fl_json whole)
{
    enum fl_sim_dialect dialect = c->provider->options.dialect;
    char memory[model_bytes_max], text[model_bytes_max];
    struct fl_buf b, scratch;
    struct fl_slice id = FL_EMPTY;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_init_in(&scratch, text, sizeof(text));
    if (dialect == FL_SIM_GEMINI || dialect == FL_SIM_BEDROCK) {
        put_path_model(c, &b);
        id = fl_buf_slice(&b);
    } else if (!fl_json_text(fl_json_get(whole, FL_LIT("model")), &scratch, &id)) {
        id = FL_EMPTY;
    }
    return find_model(c, id);
}

struct sim_problem sim_dialect_read(struct sim_conn *c)
{
    enum fl_sim_dialect dialect = c->provider->options.dialect;
    struct fl_json whole;
    if (fl_json_scan(fl_buf_slice(&c->content), FL_JSON_LIMITS, NULL, 0, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return (struct sim_problem){400, "invalid", NULL, NULL, "The body must be a JSON object."};
    }
    struct fl_json most = limit_of(dialect, whole);
    c->ask.tokens_max = FL_NEVER;
    if (most.type == FL_JSON_NONE && dialect == FL_SIM_ANTHROPIC) {
        return (struct sim_problem){400, "invalid", NULL, NULL, "max_tokens: Field required"};
    }
    if (most.type > FL_JSON_NULL &&
        (!fl_json_u64(most, &c->ask.tokens_max) || c->ask.tokens_max == 0)) {
        return (struct sim_problem){400, "invalid", NULL, NULL,
                                    "The token limit must be a positive integer."};
    }
    c->ask.stream = wants_stream(c, whole);
    struct sim_problem problem = read_model(c, whole);
    bool gemini = dialect == FL_SIM_GEMINI;
    if (!problem.status) {
        problem = sim_read_messages(c, fl_json_get(whole, gemini ? FL_LIT("contents") : FL_LIT("messages")),
                                    gemini ? "parts" : "content");
    }
    /* A text says the same whether it is a string or a part: parts have a space behind them. */
    while (c->prompt.len > 0 && c->prompt.ptr[c->prompt.len - 1] == ' ') {
        c->prompt.len--;
    }
    return problem;
}

/* --- Frames --- */

const char *sim_dialect_stream_type(enum fl_sim_dialect dialect)
{
    return dialect == FL_SIM_OLLAMA    ? "application/x-ndjson"
           : dialect == FL_SIM_BEDROCK ? "application/vnd.amazon.eventstream"
                                       : "text/event-stream; charset=utf-8";
}

static void put_u32(struct fl_buf *b, uint32_t n)
{
    const char bytes[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    fl_buf_put(b, fl_slice(bytes, 4));
}

static void put_amazon_header(struct fl_buf *b, const char *name, const char *value)
{
    size_t len = strlen(value);
    fl_buf_putc(b, (char)strlen(name));
    fl_buf_put_cstr(b, name);
    fl_buf_putc(b, 7);
    fl_buf_putc(b, (char)(len >> 8));
    fl_buf_putc(b, (char)len);
    fl_buf_put_cstr(b, value);
}

static uint32_t crc_of(const struct fl_buf *b, size_t from)
{
    return (uint32_t)crc32(0, (const unsigned char *)b->ptr + from, (unsigned)(b->len - from));
}

/* One message of Amazon's event stream. */
static void put_amazon(struct fl_buf *out, const char *event, struct fl_slice payload)
{
    char memory[256];
    struct fl_buf headers;
    size_t start = out->len;
    fl_buf_init_in(&headers, memory, sizeof(memory));
    put_amazon_header(&headers, ":event-type", event);
    put_amazon_header(&headers, ":content-type", "application/json");
    put_amazon_header(&headers, ":message-type", "event");
    put_u32(out, (uint32_t)(16 + headers.len + payload.len));
    put_u32(out, (uint32_t)headers.len);
    put_u32(out, crc_of(out, start));
    fl_buf_put(out, fl_buf_slice(&headers));
    fl_buf_put(out, payload);
    put_u32(out, crc_of(out, start));
}

/* A frame around JSON, as the dialect frames; *name* where it names its events. */
static void put_frame(const struct sim_conn *c, const char *name, struct fl_slice json)
{
    struct fl_buf *out = &c->provider->out;
    switch (c->provider->options.dialect) {
    case FL_SIM_OPENAI:
        break;
    case FL_SIM_ANTHROPIC:
        fl_buf_put_cstr(out, "event: ");
        fl_buf_put_cstr(out, name);
        fl_buf_put_cstr(out, "\ndata: ");
        fl_buf_put(out, json);
        fl_buf_put_cstr(out, "\n\n");
        break;
    case FL_SIM_GEMINI: /* with CRLF, as it does */
        fl_buf_put_cstr(out, "data: ");
        fl_buf_put(out, json);
        fl_buf_put_cstr(out, "\r\n\r\n");
        break;
    case FL_SIM_OLLAMA:
        fl_buf_put(out, json);
        fl_buf_putc(out, '\n');
        break;
    case FL_SIM_BEDROCK:
        put_amazon(out, name, json);
        break;
    }
}

/* --- Pieces of answers --- */

static void put_pair(struct fl_buf *b, const char *before, uint64_t value)
{
    fl_buf_put_cstr(b, before);
    fl_buf_put_u64(b, value);
}

static void put_id(const struct sim_conn *c, const char *prefix, struct fl_buf *b)
{
    fl_buf_putc(b, '"');
    fl_buf_put_cstr(b, prefix);
    fl_buf_put_hex(b, fl_mix64(fl_mix64(c->provider->options.seed) + c->serial), 16);
    fl_buf_putc(b, '"');
}

static bool cut(const struct sim_conn *c)
{
    return strcmp(c->finish_reason, "length") == 0;
}

/* What an Anthropic answer begins with; *whole*: with its text and its end. */
static void put_anthropic(const struct sim_conn *c, bool whole, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "{\"id\":");
    put_id(c, "msg_sim_", b);
    fl_buf_put_cstr(b, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    fl_buf_put_json(b, c->ask.model->id);
    fl_buf_put_cstr(b, ",\"content\":[");
    if (whole) {
        fl_buf_put_cstr(b, "{\"type\":\"text\",\"text\":");
        fl_buf_put_json(b, fl_buf_slice(&c->text));
        fl_buf_putc(b, '}');
    }
    fl_buf_put_cstr(b, "],\"stop_reason\":");
    sim_put_string(b, !whole ? NULL : cut(c) ? "max_tokens" : "end_turn");
    put_pair(b, ",\"stop_sequence\":null,\"usage\":{\"input_tokens\":", c->ask.prompt_tokens);
    put_pair(b, ",\"output_tokens\":", whole ? c->tokens_total : 1);
    fl_buf_put_cstr(b, "}}");
}

static void put_gemini(const struct sim_conn *c, struct fl_slice text, bool last, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":");
    fl_buf_put_json(b, text);
    fl_buf_put_cstr(b, "}],\"role\":\"model\"}");
    if (last) {
        fl_buf_put_cstr(b, ",\"finishReason\":");
        sim_put_string(b, cut(c) ? "MAX_TOKENS" : "STOP");
    }
    put_pair(b, ",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":", c->ask.prompt_tokens);
    put_pair(b, ",\"candidatesTokenCount\":", last ? c->tokens_total : c->tokens);
    put_pair(b,
             ",\"totalTokenCount\":", c->ask.prompt_tokens + (last ? c->tokens_total : c->tokens));
    fl_buf_put_cstr(b, "},\"modelVersion\":");
    fl_buf_put_json(b, c->ask.model->id);
    fl_buf_put_cstr(b, ",\"responseId\":");
    put_id(c, "sim-", b);
    fl_buf_putc(b, '}');
}

static void put_ollama(const struct sim_conn *c, struct fl_slice text, bool last, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "{\"model\":");
    fl_buf_put_json(b, c->ask.model->id);
    fl_buf_put_cstr(b, ",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":"
                       "\"assistant\",\"content\":");
    fl_buf_put_json(b, text);
    fl_buf_put_cstr(b, last ? "},\"done\":true" : "},\"done\":false");
    if (last) {
        fl_buf_put_cstr(b, ",\"done_reason\":");
        sim_put_string(b, c->finish_reason);
        put_pair(b, ",\"prompt_eval_count\":", c->ask.prompt_tokens);
        put_pair(b, ",\"eval_count\":", c->tokens_total);
    }
    fl_buf_putc(b, '}');
}

static void put_bedrock_usage(const struct sim_conn *c, struct fl_buf *b)
{
    put_pair(b, "\"usage\":{\"inputTokens\":", c->ask.prompt_tokens);
    put_pair(b, ",\"outputTokens\":", c->tokens_total);
    put_pair(b, ",\"totalTokens\":", c->ask.prompt_tokens + c->tokens_total);
    fl_buf_put_cstr(b, "},\"metrics\":{\"latencyMs\":1}}");
}

static const char *bedrock_stop(const struct sim_conn *c)
{
    return cut(c) ? "max_tokens" : "end_turn";
}

static void put_bedrock(const struct sim_conn *c, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":");
    fl_buf_put_json(b, fl_buf_slice(&c->text));
    fl_buf_put_cstr(b, "}]}},\"stopReason\":");
    sim_put_string(b, bedrock_stop(c));
    fl_buf_putc(b, ',');
    put_bedrock_usage(c, b);
}

void sim_dialect_put_answer(const struct sim_conn *c, struct fl_buf *b)
{
    switch (c->provider->options.dialect) {
    case FL_SIM_OPENAI:
        break;
    case FL_SIM_ANTHROPIC:
        put_anthropic(c, true, b);
        break;
    case FL_SIM_GEMINI:
        put_gemini(c, fl_buf_slice(&c->text), true, b);
        break;
    case FL_SIM_OLLAMA:
        put_ollama(c, fl_buf_slice(&c->text), true, b);
        break;
    case FL_SIM_BEDROCK:
        put_bedrock(c, b);
        break;
    }
}

/* --- Streams --- */

void sim_dialect_put_first(const struct sim_conn *c)
{
    struct fl_buf b;
    fl_buf_init(&b, frame_bytes_max);
    if (c->provider->options.dialect == FL_SIM_ANTHROPIC) {
        fl_buf_put_cstr(&b, "{\"type\":\"message_start\",\"message\":");
        put_anthropic(c, false, &b);
        fl_buf_putc(&b, '}');
        put_frame(c, "message_start", fl_buf_slice(&b));
        put_frame(c, "content_block_start",
                  FL_LIT("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
                         "\"type\":\"text\",\"text\":\"\"}}"));
        put_frame(c, "ping", FL_LIT("{\"type\":\"ping\"}"));
    } else if (c->provider->options.dialect == FL_SIM_BEDROCK) {
        put_frame(c, "messageStart", FL_LIT("{\"role\":\"assistant\"}"));
    }
    fl_buf_finish(&b);
}

void sim_dialect_put_token(const struct sim_conn *c, struct fl_slice token)
{
    struct fl_buf b;
    fl_buf_init(&b, frame_bytes_max);
    switch (c->provider->options.dialect) {
    case FL_SIM_OPENAI:
        break;
    case FL_SIM_ANTHROPIC:
        fl_buf_put_cstr(&b, "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                            "\"text_delta\",\"text\":");
        fl_buf_put_json(&b, token);
        fl_buf_put_cstr(&b, "}}");
        break;
    case FL_SIM_GEMINI:
        put_gemini(c, token, false, &b);
        break;
    case FL_SIM_OLLAMA:
        put_ollama(c, token, false, &b);
        break;
    case FL_SIM_BEDROCK:
        fl_buf_put_cstr(&b, "{\"contentBlockIndex\":0,\"delta\":{\"text\":");
        fl_buf_put_json(&b, token);
        fl_buf_put_cstr(&b, "}}");
        break;
    }
    bool anthropic = c->provider->options.dialect == FL_SIM_ANTHROPIC;
    put_frame(c, anthropic ? "content_block_delta" : "contentBlockDelta", fl_buf_slice(&b));
    fl_buf_finish(&b);
}

static void put_anthropic_end(const struct sim_conn *c, struct fl_buf *b)
{
    put_frame(c, "content_block_stop", FL_LIT("{\"type\":\"content_block_stop\",\"index\":0}"));
    fl_buf_put_cstr(b, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
    sim_put_string(b, cut(c) ? "max_tokens" : "end_turn");
    put_pair(b, ",\"stop_sequence\":null},\"usage\":{\"output_tokens\":", c->tokens_total);
    fl_buf_put_cstr(b, "}}");
    put_frame(c, "message_delta", fl_buf_slice(b));
    put_frame(c, "message_stop", FL_LIT("{\"type\":\"message_stop\"}"));
}

static void put_bedrock_end(const struct sim_conn *c, struct fl_buf *b)
{
    put_frame(c, "contentBlockStop", FL_LIT("{\"contentBlockIndex\":0}"));
    fl_buf_put_cstr(b, "{\"stopReason\":");
    sim_put_string(b, bedrock_stop(c));
    fl_buf_putc(b, '}');
    put_frame(c, "messageStop", fl_buf_slice(b));
    fl_buf_reset(b);
    fl_buf_putc(b, '{');
    put_bedrock_usage(c, b);
    put_frame(c, "metadata", fl_buf_slice(b));
}

void sim_dialect_put_last(const struct sim_conn *c)
{
    struct fl_buf b;
    fl_buf_init(&b, frame_bytes_max);
    switch (c->provider->options.dialect) {
    case FL_SIM_OPENAI:
        break;
    case FL_SIM_ANTHROPIC:
        put_anthropic_end(c, &b);
        break;
    case FL_SIM_GEMINI:
        put_gemini(c, FL_EMPTY, true, &b);
        put_frame(c, NULL, fl_buf_slice(&b));
        break;
    case FL_SIM_OLLAMA:
        put_ollama(c, FL_EMPTY, true, &b);
        put_frame(c, NULL, fl_buf_slice(&b));
        break;
    case FL_SIM_BEDROCK:
        put_bedrock_end(c, &b);
        break;
    }
    fl_buf_finish(&b);
}

/* --- Errors --- */

static const struct {
    int status;
    const char *anthropic, *gemini, *bedrock;
} words[] = {
    {400, "invalid_request_error", "INVALID_ARGUMENT", "ValidationException"},
    {401, "authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException"},
    {402, "billing_error", "FAILED_PRECONDITION", "AccessDeniedException"},
    {403, "permission_error", "PERMISSION_DENIED", "AccessDeniedException"},
    {404, "not_found_error", "NOT_FOUND", "ResourceNotFoundException"},
    {429, "rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException"},
    {503, "overloaded_error", "UNAVAILABLE", "ServiceUnavailableException"},
    {529, "overloaded_error", "UNAVAILABLE", "ServiceUnavailableException"},
    {500, "api_error", "INTERNAL", "InternalServerException"}, /* and all others */
};

static size_t words_of(int status)
{
    size_t i = 0;
    while (i + 1 < sizeof(words) / sizeof(*words) && words[i].status != status) {
        i++;
    }
    return status < 500 && words[i].status != status ? 0 : i;
}

static void put_gemini_problem(const struct sim_problem *p, uint64_t wait_ns, struct fl_buf *b)
{
    put_pair(b, "{\"error\":{\"code\":", (uint64_t)p->status);
    fl_buf_put_cstr(b, ",\"message\":");
    sim_put_string(b, p->message);
    fl_buf_put_cstr(b, ",\"status\":");
    sim_put_string(b, words[words_of(p->status)].gemini);
    if (wait_ns > 0) { /* there is no header for it */
        put_pair(b,
                 ",\"details\":[{\"@type\":\"type.googleapis.com/"
                 "google.rpc.RetryInfo\",\"retryDelay\":\"",
                 (wait_ns + FL_NS_S - 1) / FL_NS_S);
        fl_buf_put_cstr(b, "s\"}]");
    }
    fl_buf_put_cstr(b, "}}");
}

void sim_dialect_put_problem(enum fl_sim_dialect dialect, const struct sim_problem *p,
                             uint64_t wait_ns, struct fl_buf *b)
{
    switch (dialect) {
    case FL_SIM_OPENAI:
        break;
    case FL_SIM_ANTHROPIC:
        fl_buf_put_cstr(b, "{\"type\":\"error\",\"error\":{\"type\":");
        sim_put_string(b, words[words_of(p->status)].anthropic);
        fl_buf_put_cstr(b, ",\"message\":");
        sim_put_string(b, p->message);
        fl_buf_put_cstr(b, "},\"request_id\":\"req_sim\"}");
        break;
    case FL_SIM_GEMINI:
        put_gemini_problem(p, wait_ns, b);
        break;
    case FL_SIM_OLLAMA:
        fl_buf_put_cstr(b, "{\"error\":");
        sim_put_string(b, p->message);
        fl_buf_putc(b, '}');
        break;
    case FL_SIM_BEDROCK:
        fl_buf_put_cstr(b, "{\"message\":");
        sim_put_string(b, p->message);
        fl_buf_putc(b, '}');
        break;
    }
}

/* "x-amzn-errortype: ..." */
void sim_dialect_put_problem_fields(enum fl_sim_dialect dialect, const struct sim_problem *p,
                                    struct fl_buf *b)
{
    if (dialect == FL_SIM_BEDROCK) {
        fl_buf_put_cstr(b, "x-amzn-errortype: ");
        fl_buf_put_cstr(b, words[words_of(p->status)].bedrock);
        fl_buf_put_cstr(b, ":http://internal.amazon.com/coral/com.amazon.bedrock/\r\n");
    }
}

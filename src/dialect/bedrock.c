/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amazon Bedrock (PROTOCOLS.md section 6): the model stands in the path, percent-encoded; errors
 * have names. Clients do not speak it here, so only a provider's side is there. Claude can be
 * asked by its own form (chat_wire fl_wire_anthropic_bedrock, endpoint messages) instead of
 * converse, which all of Bedrock's models share.
 */
#include "dialect/bedrock.h"

#include "dialect/failure.h"
#include "dialect/path.h"
#include "dialect/put.h"
#include "dialect/usage.h"

/* --- Paths --- */

static const char *method_of(const struct fl_ask *ask)
{
    if (ask->endpoint == FL_ENDPOINT_MESSAGES) {
        return ask->stream ? "/invoke-with-response-stream" : "/invoke";
    }
    if (ask->endpoint == FL_ENDPOINT_EMBEDDINGS) {
        return "/invoke";
    }
    return ask->stream ? "/converse-stream" : "/converse";
}

static void put_path(const struct fl_ask *ask, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "/model/");
    fl_put_segment(b, ask->model);
    fl_buf_put_cstr(b, method_of(ask));
}

/* --- Errors --- */

#define CODE(code, err)                                                                            \
    {                                                                                              \
        0, 0, FL_FAILURE_CODE, (code), (err)                                                       \
    }

static const struct fl_failure_row rows[] = {
    /* what throttling says of tokens is not about the request's length */
    {0, 0, FL_FAILURE_STARTS, "Too many tokens, please wait", FL_ERR_RATE_LIMITED},
    {400, 422, FL_FAILURE_TEXT, "input is too long", FL_ERR_UPSTREAM_CONTEXT},
    {400, 422, FL_FAILURE_TEXT, "prompt is too long", FL_ERR_UPSTREAM_CONTEXT},
    {400, 422, FL_FAILURE_TEXT, "exceed context limit", FL_ERR_UPSTREAM_CONTEXT},
    {400, 422, FL_FAILURE_TEXT, "Input Tokens Exceeded", FL_ERR_UPSTREAM_CONTEXT},
    {400, 422, FL_FAILURE_TEXT, "maximum context length", FL_ERR_UPSTREAM_CONTEXT},
    {400, 400, FL_FAILURE_STARTS, "The provided model identifier is invalid",
     FL_ERR_UPSTREAM_MODEL},
    CODE("throttlingException", FL_ERR_RATE_LIMITED),
    CODE("serviceQuotaExceededException", FL_ERR_RATE_LIMITED),
    CODE("modelNotReadyException", FL_ERR_UPSTREAM_OVERLOADED),
    CODE("serviceUnavailableException", FL_ERR_UPSTREAM_OVERLOADED),
    CODE("modelTimeoutException", FL_ERR_UPSTREAM_TIMEOUT),
    CODE("modelErrorException", FL_ERR_SERVER),
    CODE("modelStreamErrorException", FL_ERR_SERVER),
    CODE("internalServerException", FL_ERR_SERVER),
    CODE("resourceNotFoundException", FL_ERR_UPSTREAM_MODEL),
    CODE("accessDeniedException", FL_ERR_UPSTREAM_FORBIDDEN),
    CODE("unrecognizedClientException", FL_ERR_UPSTREAM_AUTH),
    CODE("expiredTokenException", FL_ERR_UPSTREAM_AUTH),
    CODE("invalidSignatureException", FL_ERR_UPSTREAM_AUTH),
    CODE("missingAuthenticationTokenException", FL_ERR_UPSTREAM_AUTH),
    CODE("validationException", FL_ERR_UPSTREAM_REQUEST),
};
static const struct fl_failure_table failures = {rows, sizeof(rows) / sizeof(rows[0])};

enum fl_err fl_bedrock_error_of(int status, struct fl_slice name, struct fl_slice body)
{
    return fl_failure_read(&failures, status, body, name);
}

static enum fl_err read_error(int status, struct fl_slice body)
{
    return fl_bedrock_error_of(status, FL_EMPTY, body);
}

void fl_bedrock_take_exception(struct fl_decoder *d, const struct fl_frame *frame,
                               const struct fl_chat_sink *sink)
{
    struct fl_json_watch w = {.key = FL_LIT("message")};
    struct fl_json whole;
    bool json = fl_json_scan(frame->data, FL_JSON_LIMITS, &w, 1, &whole, NULL) == FL_OK;
    if (d->done || d->failed) {
        return;
    }
    d->failed = true;
    fl_emit_error(sink, fl_bedrock_error_of(0, frame->name, frame->data),
                  json ? fl_get_escaped(w.value) : FL_EMPTY,
                  fl_get_escaping(frame->name, d->arena));
}

/* --- Answers --- */

static enum fl_err read_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    enum { A_OUTPUT, A_CONTENT, A_USAGE, A_COUNT };
    struct fl_json_watch w[A_COUNT] = {
        [A_OUTPUT] = {.key = FL_LIT("output")},
        [A_CONTENT] = {.key = FL_LIT("content")},
        [A_USAGE] = {.key = FL_LIT("usage")},
    };
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    struct fl_json whole;
    if (fl_json_scan(body, limits, w, A_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    (void)fl_usage_read_any(w[A_USAGE].value, ret_usage);
    bool answered =
        w[A_OUTPUT].value.type == FL_JSON_OBJECT || w[A_CONTENT].value.type == FL_JSON_ARRAY;
    return answered ? FL_OK : FL_ERR_ERROR_IN_200; /* what has no answer tells an error */
}

size_t fl_bedrock_decode(struct fl_slice base64, char *bytes)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    for (size_t i = 0; i < base64.len; i++) {
        char c = base64.ptr[i];
        unsigned value = c >= 'A' && c <= 'Z'   ? (unsigned)(c - 'A')
                         : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 26
                         : c >= '0' && c <= '9' ? (unsigned)(c - '0') + 52
                         : c == '+'             ? 62
                         : c == '/'             ? 63
                                                : 64;
        if (value == 64) {
            break;
        }
        bits = bits << 6 | value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[len++] = (char)(bits >> have);
        }
    }
    return len;
}

const struct fl_dialect fl_dialect_bedrock = {
    .name = "bedrock",
    .chat_wire = &fl_wire_converse,
    .chat_endpoint = FL_ENDPOINT_CHAT,
    .embed_form = &fl_embed_bedrock,
    .put_path = put_path,
    .read_answer = read_answer,
    .read_error = read_error,
    .error_field = "x-amzn-errortype",
    .read_named_error = fl_bedrock_error_of,
    .tokens_in_field = "x-amzn-bedrock-input-token-count",
    .tokens_out_field = "x-amzn-bedrock-output-token-count",
};

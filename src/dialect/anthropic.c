/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Anthropic dialect: messages and count_tokens (PROTOCOLS.md section 3). A body is validated
 * once; the model name is the only thing ever replaced, so that thinking signatures, cache marks
 * and blocks of tomorrow arrive as they were sent.
 */
#include "dialect/anthropic.h"

#include "base/assert.h"
#include "dialect/failure.h"
#include "dialect/put.h"
#include "dialect/seal.h"
#include "dialect/usage.h"

enum { W_MODEL, W_STREAM, W_MAX_TOKENS, W_TEXTS, W_COUNT = W_TEXTS + 5 };

static enum fl_err read_model(struct fl_json value, struct fl_buf *scratch, struct fl_facts *facts,
                              struct fl_reterr *reterr)
{
    if (value.type == FL_JSON_NONE) {
        return fl_refuse(
            reterr, FL_ERR_REQUEST,
            "model: field required. Name a model, or \"auto\" to let fairlead choose.");
    }
    if (value.type != FL_JSON_STRING || !fl_json_text(value, scratch, &facts->model)) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "model: must be a string.");
    }
    if (facts->model.len == 0 || facts->model.len > 256) {
        return fl_refuse(reterr, FL_ERR_REQUEST, "model: must have 1 to 256 bytes.");
    }
    facts->model_value = value;
    return FL_OK;
}

static enum fl_err read_request(enum fl_endpoint endpoint, struct fl_slice body,
                                struct fl_buf *scratch, struct fl_facts *ret_facts,
                                struct fl_reterr *reterr)
{
    struct fl_json_watch w[W_COUNT] = {
        [W_MODEL] = {.key = FL_LIT("model")},
        [W_STREAM] = {.key = FL_LIT("stream")},
        [W_MAX_TOKENS] = {.key = FL_LIT("max_tokens")},
        [W_TEXTS + FL_ANTHROPIC_SYSTEM] = {.key = FL_LIT("system")},
        [W_TEXTS + FL_ANTHROPIC_MESSAGES] = {.key = FL_LIT("messages")},
        [W_TEXTS + FL_ANTHROPIC_TOOLS] = {.key = FL_LIT("tools")},
        [W_TEXTS + FL_ANTHROPIC_OUTPUT_CONFIG] = {.key = FL_LIT("output_config")},
        [W_TEXTS + FL_ANTHROPIC_OUTPUT_FORMAT] = {.key = FL_LIT("output_format")},
    };
    struct fl_json whole, stream;
    struct fl_facts facts = {.endpoint = endpoint, .body = body, .usage_asked = true};
    enum fl_err err = fl_json_scan_marked(body, FL_JSON_LIMITS, w, W_COUNT, FL_LIT(FL_SEAL_MARK), &facts.sealed,
                                          &whole, reterr);
    if (err) {
        return err;
    }
    if (whole.type != FL_JSON_OBJECT) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "The request body must be a JSON object.");
    }
    err = read_model(w[W_MODEL].value, scratch, &facts, reterr);
    if (err) {
        return err;
    }
    stream = w[W_STREAM].value;
    if (stream.type != FL_JSON_NONE && stream.type != FL_JSON_NULL &&
        !fl_json_bool(stream, &facts.stream)) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "stream: must be true or false.");
    }
    facts.stream = facts.stream && endpoint == FL_ENDPOINT_MESSAGES;
    (void)fl_json_u64(w[W_MAX_TOKENS].value, &facts.tokens_out_max);
    for (unsigned i = 0; i < W_COUNT - W_TEXTS; i++) {
        facts.texts[i] = w[W_TEXTS + i].value;
    }
    *ret_facts = facts;
    return FL_OK;
}

static void write_request(const struct fl_facts *facts, struct fl_slice model,
                          struct fl_request_wishes wishes, struct fl_buf *storage,
                          struct fl_request_body *ret_body)
{
    struct fl_json_patch patch;
    unsigned count = 0;
    (void)wishes; /* it is always told */
    if (!fl_slice_eq(model, facts->model)) {
        size_t start = storage->len;
        fl_buf_put_json(storage, model);
        patch = (struct fl_json_patch){facts->model_value.span,
                                       fl_slice_from(fl_buf_slice(storage), start)};
        count = 1;
    }
    ret_body->count =
        fl_json_splice(facts->body, &patch, count, ret_body->pieces, &ret_body->bytes);
    fl_assert(ret_body->count <= FL_REQUEST_PIECES);
}

static enum fl_err read_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    enum { A_ERROR, A_USAGE, A_CONTENT, A_TOKENS, A_COUNT };
    struct fl_json_watch w[A_COUNT] = {
        [A_ERROR] = {.key = FL_LIT("error")},
        [A_USAGE] = {.key = FL_LIT("usage")},
        [A_CONTENT] = {.key = FL_LIT("content")},
        [A_TOKENS] = {.key = FL_LIT("input_tokens")},
    };
    struct fl_json whole;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    if (fl_json_scan(body, limits, w, A_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    (void)fl_usage_read(FL_USAGE_ANTHROPIC, w[A_USAGE].value, ret_usage);
    if (w[A_CONTENT].value.type == FL_JSON_ARRAY || w[A_TOKENS].value.type == FL_JSON_NUMBER) {
        return FL_OK;
    }
    return w[A_ERROR].value.type == FL_JSON_OBJECT ? FL_ERR_ERROR_IN_200 : FL_ERR_BAD_RESPONSE;
}

/* --- Errors --- */

#define CODE(code, err)                                                                            \
    {                                                                                              \
        0, 0, FL_FAILURE_CODE, (code), (err)                                                       \
    }
#define TEXT(text, err)                                                                            \
    {                                                                                              \
        400, 422, FL_FAILURE_TEXT, (text), (err)                                                   \
    }

/* The types say more than the status, where a proxy or a stream gave another or none. */
static const struct fl_failure_row rows[] = {
    TEXT("prompt is too long", FL_ERR_UPSTREAM_CONTEXT),
    TEXT("exceed context limit", FL_ERR_UPSTREAM_CONTEXT), /* input and max_tokens together */
    TEXT("input is too long", FL_ERR_UPSTREAM_CONTEXT),    /* Bedrock's words */
    {400, 400, FL_FAILURE_STARTS, "Your credit balance is too low", FL_ERR_QUOTA},
    {400, 403, FL_FAILURE_TEXT, "content filtering policy", FL_ERR_UPSTREAM_POLICY},
    CODE("overloaded_error", FL_ERR_UPSTREAM_OVERLOADED),
    CODE("rate_limit_error", FL_ERR_RATE_LIMITED),
    CODE("billing_error", FL_ERR_QUOTA),
    CODE("timeout_error", FL_ERR_UPSTREAM_TIMEOUT),
    CODE("authentication_error", FL_ERR_UPSTREAM_AUTH),
    CODE("permission_error", FL_ERR_UPSTREAM_FORBIDDEN),
    CODE("request_too_large", FL_ERR_UPSTREAM_CONTEXT),
    CODE("not_found_error", FL_ERR_UPSTREAM_MODEL),
    CODE("api_error", FL_ERR_SERVER),
};
static const struct fl_failure_table failures = {rows, sizeof(rows) / sizeof(rows[0])};

enum fl_err fl_anthropic_error_of(int status, struct fl_slice body)
{
    return fl_failure_read(&failures, status, body, FL_EMPTY);
}

static enum fl_err read_error(int status, struct fl_slice body)
{
    return fl_anthropic_error_of(status, body);
}

const char *fl_anthropic_error_type(enum fl_err err)
{
    if (err == FL_ERR_UPSTREAM_OVERLOADED || err == FL_ERR_OVERLOADED) {
        return "overloaded_error";
    }
    switch (fl_err_status(err)) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    default:
        return fl_err_status(err) >= 500 ? "api_error" : "invalid_request_error";
    }
}

static void put_error(struct fl_buf *b, enum fl_err err, const struct fl_envelope *envelope)
{
    fl_buf_put_cstr(b, "{\"type\":\"error\",\"error\":{\"type\":\"");
    fl_buf_put_cstr(b, fl_anthropic_error_type(err));
    fl_buf_put_cstr(b, "\",\"message\":");
    fl_buf_put_json(b, envelope->message);
    fl_buf_put_cstr(b, ",\"fairlead\":{\"code\":\"");
    fl_buf_put_cstr(b, fl_err_name(err));
    fl_buf_putc(b, '"');
    if (envelope->param.len > 0) {
        fl_buf_put_cstr(b, ",\"param\":");
        fl_buf_put_json(b, envelope->param);
    }
    if (envelope->attempts.len > 0) {
        fl_buf_put_cstr(b, ",\"attempts\":");
        fl_buf_put(b, envelope->attempts);
    }
    fl_buf_put_cstr(b, "}}");
    if (envelope->request_id.len > 0) {
        fl_buf_put_cstr(b, ",\"request_id\":");
        fl_buf_put_json(b, envelope->request_id);
    }
    fl_buf_putc(b, '}');
}

const struct fl_dialect fl_dialect_anthropic = {
    .name = "anthropic",
    .paths = {[FL_ENDPOINT_MESSAGES] = "/messages",
              [FL_ENDPOINT_COUNT_TOKENS] = "/messages/count_tokens"},
    .wires = {[FL_ENDPOINT_MESSAGES] = &fl_wire_anthropic},
    .chat_wire = &fl_wire_anthropic,
    .chat_endpoint = FL_ENDPOINT_MESSAGES,
    .fields = "anthropic-version: 2023-06-01\r\n",
    .models_path = "/models",
    .read_request = read_request,
    .read_texts = fl_anthropic_read_texts,
    .write_request = write_request,
    .read_answer = read_answer,
    .read_event = fl_anthropic_read_event,
    .read_error = read_error,
    .put_error = put_error,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Gemini dialect: a provider's side only. What the relay must know of an answer whose bytes it
 * has not translated, what a refusal means, and where requests go.
 */
#include "dialect/gemini.h"

#include "dialect/failure.h"
#include "dialect/path.h"
#include "dialect/put.h"
#include "dialect/usage.h"

/* An object, or the first of an array of them. */
static struct fl_json first_object(struct fl_json value)
{
    struct fl_json element = {FL_JSON_NONE, FL_EMPTY};
    if (value.type == FL_JSON_ARRAY) {
        struct fl_json_iter it = fl_json_iter(value);
        (void)fl_json_next(&it, NULL, &element);
        return element;
    }
    return value;
}

/* --- Raw facts --- */

enum fl_err fl_gemini_read_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    enum { A_CANDIDATES, A_USAGE, A_FEEDBACK, A_ERROR, A_EMBEDDINGS, A_COUNT };
    static const char *const keys[A_COUNT] = {"candidates", "usageMetadata", "promptFeedback",
                                              "error", "embeddings"};
    struct fl_json m[A_COUNT], value;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    if (fl_json_scan(body, limits, NULL, 0, &value, NULL)) {
        return FL_ERR_BAD_RESPONSE;
    }
    value = first_object(value);
    if (value.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    fl_get_members(value, keys, A_COUNT, m);
    (void)fl_usage_read(FL_USAGE_GEMINI, m[A_USAGE], ret_usage);
    if (m[A_CANDIDATES].type == FL_JSON_ARRAY || m[A_FEEDBACK].type == FL_JSON_OBJECT ||
        m[A_EMBEDDINGS].type == FL_JSON_ARRAY) {
        return FL_OK;
    }
    return m[A_ERROR].type == FL_JSON_OBJECT ? FL_ERR_ERROR_IN_200 : FL_ERR_BAD_RESPONSE;
}

void fl_gemini_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage)
{
    enum { E_ERROR, E_USAGE, E_COUNT };
    static const struct fl_slice finish = {"\"finishReason\"", 14};
    static const char *const keys[E_COUNT] = {"error", "usageMetadata"};
    struct fl_json m[E_COUNT], value;
    struct fl_slice rest = in->data;
    (void)endpoint;
    (void)check;
    *ret_event = (struct fl_event_facts){0};
    if (fl_json_scan(in->data, FL_JSON_LIMITS, NULL, 0, &value, NULL)) {
        return;
    }
    value = first_object(value);
    fl_get_members(value, keys, E_COUNT, m);
    ret_event->valid = value.type == FL_JSON_OBJECT;
    ret_event->finish = fl_json_find_quoted(&rest, &finish, 1) == 0;
    (void)fl_usage_read(FL_USAGE_GEMINI, m[E_USAGE], usage);
    if (m[E_ERROR].type == FL_JSON_OBJECT) {
        ret_event->kind = FL_EVENT_ERROR;
    }
}

/* --- Refusals --- */

#define BY_CODE(code, err)                                                                         \
    {                                                                                              \
        0, 0, FL_FAILURE_CODE, (code), (err)                                                       \
    }

/* A key that is not valid is an INVALID_ARGUMENT (recorded): our mistake, not the client's. A quota of
 * a minute and one of a day are told in the same words. */
static const struct fl_failure_row rows[] = {
    BY_CODE("API_KEY_INVALID", FL_ERR_UPSTREAM_AUTH),
    {400, 400, FL_FAILURE_STARTS, "API key not valid", FL_ERR_UPSTREAM_AUTH},
    {400, 400, FL_FAILURE_STARTS, "API key expired", FL_ERR_UPSTREAM_AUTH},
    {400, 400, FL_FAILURE_STARTS, "User location is not supported", FL_ERR_UPSTREAM_REGION},
    {400, 400, FL_FAILURE_STARTS, "The input token count", FL_ERR_UPSTREAM_CONTEXT},
    BY_CODE("RESOURCE_EXHAUSTED", FL_ERR_RATE_LIMITED),
    BY_CODE("UNAVAILABLE", FL_ERR_UPSTREAM_OVERLOADED),
    BY_CODE("DEADLINE_EXCEEDED", FL_ERR_UPSTREAM_TIMEOUT),
    BY_CODE("UNAUTHENTICATED", FL_ERR_UPSTREAM_AUTH),
    BY_CODE("PERMISSION_DENIED", FL_ERR_UPSTREAM_FORBIDDEN),
    BY_CODE("NOT_FOUND", FL_ERR_UPSTREAM_MODEL),
    BY_CODE("INTERNAL", FL_ERR_SERVER),
    BY_CODE("INVALID_ARGUMENT", FL_ERR_UPSTREAM_REQUEST),
    BY_CODE("FAILED_PRECONDITION", FL_ERR_UPSTREAM_REQUEST),
};
static const struct fl_failure_table failures = {rows, sizeof(rows) / sizeof(*rows)};

enum fl_err fl_gemini_read_error(int status, struct fl_slice body)
{
    return fl_failure_read(&failures, status, body, FL_EMPTY);
}

/* --- Where requests go --- */

static const char *method_of(const struct fl_ask *ask)
{
    if (ask->endpoint == FL_ENDPOINT_EMBEDDINGS) {
        return ":batchEmbedContents";
    }
    return ask->stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
}

/* A model's name may say which collection it is of. */
static void put_path(const struct fl_ask *ask, struct fl_buf *b)
{
    static const struct fl_slice collections[] = {{"models/", 7}, {"tunedModels/", 12}};
    struct fl_slice model = ask->model, collection = collections[0];
    for (size_t i = 0; i < sizeof(collections) / sizeof(*collections); i++) {
        if (fl_slice_starts(model, collections[i])) {
            collection = collections[i];
            model = fl_slice_from(model, collection.len);
            break;
        }
    }
    fl_buf_putc(b, '/');
    fl_buf_put(b, collection);
    fl_put_segment(b, model);
    fl_buf_put_cstr(b, method_of(ask));
}

const struct fl_wire fl_wire_gemini = {
    .name = "gemini/generate",
    .framing = FL_FRAMING_SSE,
    .write = fl_gemini_write,
    .take_answer = fl_gemini_take_answer,
    .take_frame = fl_gemini_take_frame,
    .take_end = fl_gemini_take_end,
};

const struct fl_dialect fl_dialect_gemini = {
    .name = "gemini",
    .chat_wire = &fl_wire_gemini,
    .chat_endpoint = FL_ENDPOINT_CHAT,
    .embed_form = &fl_embed_gemini,
    .put_path = put_path,
    .models_path = "/models",
    .read_answer = fl_gemini_read_answer,
    .read_event = fl_gemini_read_event,
    .read_error = fl_gemini_read_error,
};

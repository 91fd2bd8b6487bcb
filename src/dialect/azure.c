/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure OpenAI: what OpenAI says, elsewhere (PROTOCOLS.md section 5). With an API version the model is a
 * deployment in the path; without one it is the v1 API, whose paths are OpenAI's.
 */
#include "dialect/dialect.h"
#include "dialect/path.h"

static const char *path_of(enum fl_endpoint endpoint)
{
    const char *path = fl_dialect_openai.paths[endpoint];
    return path ? path : "/chat/completions";
}

/* Responses have no deployment in their path. */
static void put_path(const struct fl_ask *ask, struct fl_buf *b)
{
    bool deployment = ask->api_version.len > 0 && ask->endpoint != FL_ENDPOINT_RESPONSES;
    if (deployment) {
        fl_buf_put_cstr(b, "/deployments/");
        fl_put_segment(b, ask->model);
    }
    fl_buf_put_cstr(b, path_of(ask->endpoint));
    if (ask->api_version.len > 0) {
        fl_buf_put_cstr(b, "?api-version=");
        fl_put_segment(b, ask->api_version);
    }
}

static void write_request(const struct fl_facts *facts, struct fl_slice model,
                          struct fl_request_wishes wishes, struct fl_buf *storage,
                          struct fl_request_body *ret_body)
{
    fl_dialect_openai.write_request(facts, model, wishes, storage, ret_body);
}

static enum fl_err read_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    return fl_dialect_openai.read_answer(body, ret_usage);
}

static void read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                       struct fl_event_facts *ret_event, struct fl_usage *usage)
{
    fl_dialect_openai.read_event(endpoint, in, check, ret_event, usage);
}

static enum fl_err read_error(int status, struct fl_slice body)
{
    return fl_dialect_openai.read_error(status, body);
}

const struct fl_dialect fl_dialect_azure = {
    .name = "azure",
    .like = &fl_dialect_openai,
    .paths = {[FL_ENDPOINT_CHAT] = "/chat/completions",
              [FL_ENDPOINT_COMPLETIONS] = "/completions",
              [FL_ENDPOINT_EMBEDDINGS] = "/embeddings",
              [FL_ENDPOINT_RESPONSES] = "/responses"},
    .chat_wire = &fl_wire_openai_chat,
    .chat_endpoint = FL_ENDPOINT_CHAT,
    .put_path = put_path,
    .models_path = "/models",
    .write_request = write_request,
    .read_answer = read_answer,
    .read_event = read_event,
    .read_error = read_error,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vertex AI: Google's own models and Anthropic's behind one host a region, with a path that names
 * project, region and publisher. What is said is Gemini's dialect there, and Anthropic's messages
 * without the model here.
 */
#include "dialect/gemini.h"
#include "dialect/path.h"

static void put_publisher(const struct fl_ask *ask, const char *publisher, struct fl_buf *b)
{
    fl_buf_putc(b, '/');
    fl_buf_put(b, ask->api_version.len > 0 ? ask->api_version : FL_LIT("v1"));
    fl_buf_put_cstr(b, "/projects/");
    fl_put_segment(b, ask->project);
    fl_buf_put_cstr(b, "/locations/");
    fl_put_segment(b, ask->region);
    fl_buf_put_cstr(b, "/publishers/");
    fl_buf_put_cstr(b, publisher);
    fl_buf_put_cstr(b, "/models/");
    fl_put_segment(b, ask->model);
}

static void put_gemini_path(const struct fl_ask *ask, struct fl_buf *b)
{
    put_publisher(ask, "google", b);
    if (ask->endpoint == FL_ENDPOINT_EMBEDDINGS) {
        fl_buf_put_cstr(b, fl_embed_vertex_by_content(ask->model) ? ":embedContent" : ":predict");
    } else {
        fl_buf_put_cstr(b, ask->stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
    }
}

const struct fl_dialect fl_dialect_vertex = {
    .name = "vertex",
    .chat_wire = &fl_wire_gemini,
    .chat_endpoint = FL_ENDPOINT_CHAT,
    .embed_form = &fl_embed_vertex,
    .put_path = put_gemini_path,
    .read_answer = fl_gemini_read_answer,
    .read_event = fl_gemini_read_event,
    .read_error = fl_gemini_read_error,
};

/* --- Claude. Streams are Anthropic's own, so what they say is read there. --- */

static void put_anthropic_path(const struct fl_ask *ask, struct fl_buf *b)
{
    put_publisher(ask, "anthropic", b);
    fl_buf_put_cstr(b, ask->stream ? ":streamRawPredict" : ":rawPredict");
}

static enum fl_err read_anthropic_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    return fl_dialect_anthropic.read_answer(body, ret_usage);
}

static void read_anthropic_event(enum fl_endpoint endpoint, const struct fl_sse_event *in,
                                 bool check, struct fl_event_facts *ret_event,
                                 struct fl_usage *usage)
{
    fl_dialect_anthropic.read_event(endpoint, in, check, ret_event, usage);
}

/* Google refuses in its own words, Anthropic in its own: the first has a status word. */
static enum fl_err read_anthropic_error(int status, struct fl_slice body)
{
    static const struct fl_slice google = {"\"status\"", 8};
    struct fl_slice rest = body;
    return fl_json_find_quoted(&rest, &google, 1) == 0
               ? fl_gemini_read_error(status, body)
               : fl_dialect_anthropic.read_error(status, body);
}

const struct fl_dialect fl_dialect_vertex_anthropic = {
    .name = "vertex_anthropic",
    .chat_wire = &fl_wire_anthropic_vertex,
    .chat_endpoint = FL_ENDPOINT_MESSAGES,
    .put_path = put_anthropic_path,
    .read_answer = read_anthropic_answer,
    .read_event = read_anthropic_event,
    .read_error = read_anthropic_error,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The three forms in which Claude is asked: its maker's, Bedrock's invoke, Vertex' rawPredict. */
#include "dialect/anthropic_wire.h"

#include "dialect/bedrock.h"

static enum fl_err write_direct(const struct fl_chat_request *request,
                                const struct fl_write_options *options, struct fl_buf *out,
                                struct fl_losses *losses, struct fl_reterr *reterr)
{
    return fl_anthropic_write(FL_ANTHROPIC_DIRECT, request, options, out, losses, reterr);
}

static enum fl_err write_bedrock(const struct fl_chat_request *request,
                                 const struct fl_write_options *options, struct fl_buf *out,
                                 struct fl_losses *losses, struct fl_reterr *reterr)
{
    return fl_anthropic_write(FL_ANTHROPIC_BEDROCK, request, options, out, losses, reterr);
}

static enum fl_err write_vertex(const struct fl_chat_request *request,
                                const struct fl_write_options *options, struct fl_buf *out,
                                struct fl_losses *losses, struct fl_reterr *reterr)
{
    return fl_anthropic_write(FL_ANTHROPIC_VERTEX, request, options, out, losses, reterr);
}

static enum fl_err take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                              const struct fl_chat_sink *sink)
{
    return fl_anthropic_take_event(d, frame->name, frame->data, sink);
}

/* {"bytes": base64 of an event, "p": padding} */
static enum fl_err take_chunk(struct fl_decoder *d, const struct fl_frame *frame,
                              const struct fl_chat_sink *sink)
{
    struct fl_json_watch w = {.key = FL_LIT("bytes")};
    struct fl_json whole;
    if (frame->exception) {
        fl_bedrock_take_exception(d, frame, sink);
        return FL_OK;
    }
    if (fl_json_scan(frame->data, FL_JSON_LIMITS, &w, 1, &whole, NULL)) {
        return d->started ? FL_OK : FL_ERR_BAD_RESPONSE;
    }
    struct fl_slice base64 = fl_get_decoded(fl_get_escaped(w.value), d->arena);
    char *bytes = fl_arena_take(d->arena, base64.len / 4 * 3 + 3);
    if (!bytes) {
        return FL_ERR_NOMEM;
    }
    size_t len = fl_bedrock_decode(base64, bytes);
    return fl_anthropic_take_event(d, FL_EMPTY, fl_slice(bytes, len), sink);
}

const struct fl_wire fl_wire_anthropic = {
    .name = "anthropic/messages",
    .framing = FL_FRAMING_SSE,
    .read = fl_anthropic_read,
    .put_event = fl_anthropic_put_event,
    .put_answer = fl_anthropic_put_answer,
    .write = write_direct,
    .take_answer = fl_anthropic_take_answer,
    .take_frame = take_frame,
    .take_end = fl_anthropic_take_end,
};

const struct fl_wire fl_wire_anthropic_bedrock = {
    .name = "bedrock/invoke",
    .framing = FL_FRAMING_AMAZON,
    .write = write_bedrock,
    .take_answer = fl_anthropic_take_answer,
    .take_frame = take_chunk,
    .take_end = fl_anthropic_take_end,
};

const struct fl_wire fl_wire_anthropic_vertex = {
    .name = "vertex/anthropic",
    .framing = FL_FRAMING_SSE,
    .write = write_vertex,
    .take_answer = fl_anthropic_take_answer,
    .take_frame = take_frame,
    .take_end = fl_anthropic_take_end,
};

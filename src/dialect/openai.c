/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAI dialect: chat completions, completions, embeddings, responses (PROTOCOLS.md sections 1, 2, 9).
 * A body is validated once; the model name and stream_options are the only bytes ever replaced.
 */
#include "dialect/openai.h"

#include "base/assert.h"
#include "dialect/failure.h"
#include "dialect/openai_wire.h"
#include "dialect/seal.h"
#include "dialect/usage.h"

enum {
    W_MODEL,
    W_STREAM,
    W_STREAM_OPTIONS,
    W_MAX_COMPLETION,
    W_MAX_TOKENS,
    W_MAX_OUTPUT,
    W_MODELS,
    W_PROVIDER,
    W_TEXTS,
    W_COUNT = W_TEXTS + FL_TEXTS_COUNT
};

static enum fl_err refuse(struct fl_reterr *reterr, enum fl_err err, const char *message)
{
    struct fl_buf b;
    fl_buf_init_in(&b, reterr->message, sizeof(reterr->message) - 1);
    fl_buf_put_cstr(&b, message);
    reterr->message[b.len] = '\0';
    reterr->err = err;
    reterr->line = reterr->column = 0;
    return err;
}

static void read_extensions(const struct fl_json_watch *w, struct fl_facts *facts)
{
    if (w[W_MODELS].value.type == FL_JSON_ARRAY) {
        facts->models = w[W_MODELS].value;
        facts->models_member = w[W_MODELS].member;
    }
    if (w[W_PROVIDER].value.type == FL_JSON_OBJECT) {
        facts->provider = w[W_PROVIDER].value;
        facts->provider_member = w[W_PROVIDER].member;
    }
}

static enum fl_err read_model(struct fl_json value, struct fl_buf *scratch, struct fl_facts *facts,
                              struct fl_reterr *reterr)
{
    struct fl_json stands = value;
    if (value.type == FL_JSON_NONE && facts->models.type == FL_JSON_ARRAY) {
        struct fl_json_iter it = fl_json_iter(facts->models);
        (void)fl_json_next(&it, NULL, &value);
    }
    if (value.type == FL_JSON_NONE) {
        return refuse(reterr, FL_ERR_REQUEST,
                      "The field 'model' is missing. Name a model, or \"auto\" to let fairlead choose.");
    }
    if (value.type != FL_JSON_STRING || !fl_json_text(value, scratch, &facts->model)) {
        return refuse(reterr, FL_ERR_JSON_TYPE, "The field 'model' must be a string.");
    }
    if (facts->model.len == 0 || facts->model.len > 256) {
        return refuse(reterr, FL_ERR_REQUEST, "The field 'model' must have 1 to 256 bytes.");
    }
    facts->model_value = stands;
    return FL_OK;
}

static enum fl_err read_stream(const struct fl_json_watch *w, struct fl_facts *facts,
                               struct fl_reterr *reterr)
{
    struct fl_json stream = w[W_STREAM].value, options = w[W_STREAM_OPTIONS].value;
    if (stream.type != FL_JSON_NONE && stream.type != FL_JSON_NULL &&
        !fl_json_bool(stream, &facts->stream)) {
        return refuse(reterr, FL_ERR_JSON_TYPE, "The field 'stream' must be true or false.");
    }
    facts->stream = facts->stream && facts->endpoint != FL_ENDPOINT_EMBEDDINGS; /* there is none */
    facts->stream_options = options;
    if (options.type == FL_JSON_OBJECT) {
        struct fl_json_watch asked = {.key = FL_LIT("include_usage")};
        struct fl_json whole;
        enum fl_err err = fl_json_scan(options.span, FL_JSON_LIMITS, &asked, 1, &whole, NULL);
        if (err) {
            return refuse(reterr, err, "The key 'include_usage' stands twice in 'stream_options'.");
        }
        (void)fl_json_bool(asked.value, &facts->usage_asked);
    }
    return FL_OK;
}

static enum fl_err read_request(enum fl_endpoint endpoint, struct fl_slice body, struct fl_buf *scratch,
                                struct fl_facts *ret_facts, struct fl_reterr *reterr)
{
    struct fl_json_watch w[W_COUNT] = {
        [W_MODEL] = {.key = FL_LIT("model")},
        [W_STREAM] = {.key = FL_LIT("stream")},
        [W_STREAM_OPTIONS] = {.key = FL_LIT("stream_options")},
        [W_MAX_COMPLETION] = {.key = FL_LIT("max_completion_tokens")},
        [W_MAX_TOKENS] = {.key = FL_LIT("max_tokens")},
        [W_MAX_OUTPUT] = {.key = FL_LIT("max_output_tokens")},
        [W_MODELS] = {.key = FL_LIT("models")},
        [W_PROVIDER] = {.key = FL_LIT("provider")},
        [W_TEXTS + FL_OPENAI_MESSAGES] = {.key = FL_LIT("messages")},
        [W_TEXTS + FL_OPENAI_PROMPT] = {.key = FL_LIT("prompt")},
        [W_TEXTS + FL_OPENAI_INPUT] = {.key = FL_LIT("input")},
        [W_TEXTS + FL_OPENAI_INSTRUCTIONS] = {.key = FL_LIT("instructions")},
        [W_TEXTS + FL_OPENAI_TOOLS] = {.key = FL_LIT("tools")},
        [W_TEXTS + FL_OPENAI_RESPONSE_FORMAT] = {.key = FL_LIT("response_format")},
        [W_TEXTS + FL_OPENAI_TEXT] = {.key = FL_LIT("text")},
        [W_TEXTS + FL_OPENAI_FUNCTIONS] = {.key = FL_LIT("functions")},
    };
    struct fl_json whole;
    struct fl_facts facts = {.endpoint = endpoint, .body = body};
    enum fl_err err = fl_json_scan_marked(body, FL_JSON_LIMITS, w, W_COUNT, FL_LIT(FL_SEAL_MARK), &facts.sealed,
                                          &whole, reterr);
    if (err) {
        return err;
    }
    if (whole.type != FL_JSON_OBJECT) {
        return refuse(reterr, FL_ERR_JSON_TYPE, "The request body must be a JSON object.");
    }
    facts.object = whole.span;
    read_extensions(w, &facts);
    err = read_model(w[W_MODEL].value, scratch, &facts, reterr);
    if (!err) {
        err = read_stream(w, &facts, reterr);
    }
    if (err) {
        return err;
    }
    for (unsigned i = W_MAX_COMPLETION; i <= W_MAX_OUTPUT && facts.tokens_out_max == 0; i++) {
        (void)fl_json_u64(w[i].value, &facts.tokens_out_max);
    }
    for (unsigned i = 0; i < FL_TEXTS_COUNT; i++) {
        facts.texts[i] = w[W_TEXTS + i].value;
    }
    *ret_facts = facts;
    return FL_OK;
}

/* How stream_options must change so that usage is reported: a patch, or none when it is asked already. */
static bool usage_patch(const struct fl_facts *facts, struct fl_json_patch *ret_patch)
{
    const struct fl_json options = facts->stream_options;
    if (options.type == FL_JSON_NONE) {
        size_t brace = fl_slice_find(facts->body, '{');
        *ret_patch = (struct fl_json_patch){fl_slice(facts->body.ptr + brace + 1, 0),
                                            FL_LIT("\"stream_options\":{\"include_usage\":true},")};
        return true;
    }
    if (options.type != FL_JSON_OBJECT) {
        *ret_patch = (struct fl_json_patch){options.span, FL_LIT("{\"include_usage\":true}")};
        return options.type == FL_JSON_NULL; /* anything else is the provider's to refuse */
    }
    struct fl_json asked = fl_json_get(options, FL_LIT("include_usage"));
    if (asked.type == FL_JSON_NONE) {
        struct fl_json_iter it = fl_json_iter(options);
        struct fl_json any;
        bool empty = !fl_json_next(&it, NULL, &any);
        *ret_patch = (struct fl_json_patch){
            fl_slice(options.span.ptr + 1, 0),
            empty ? FL_LIT("\"include_usage\":true") : FL_LIT("\"include_usage\":true,")};
        return true;
    }
    *ret_patch = (struct fl_json_patch){asked.span, FL_LIT("true")};
    return asked.type == FL_JSON_FALSE || asked.type == FL_JSON_NULL;
}

/* The model's name where it stands, or in the place of the list that named it. */
static bool model_patch(const struct fl_facts *facts, struct fl_slice model, struct fl_buf *storage,
                        struct fl_json_patch *ret_patch)
{
    size_t start = storage->len;
    bool listed = facts->model_value.type == FL_JSON_NONE;
    if (!listed && fl_slice_eq(model, facts->model)) {
        return false;
    }
    fl_buf_put_cstr(storage, listed ? "\"model\":" : "");
    fl_buf_put_json(storage, model);
    ret_patch->old = listed ? facts->models_member : facts->model_value.span;
    ret_patch->by = fl_slice_from(fl_buf_slice(storage), start);
    return true;
}

/* Takes out what only a router understands. */
static unsigned extension_patches(const struct fl_facts *facts, struct fl_json_patch ret_patches[2])
{
    struct fl_slice members[2];
    unsigned count = 0;
    if (facts->models.type != FL_JSON_NONE && facts->model_value.type != FL_JSON_NONE) {
        members[count++] = facts->models_member;
    }
    if (facts->provider.type != FL_JSON_NONE) {
        members[count++] = facts->provider_member;
    }
    if (count == 2 && members[0].ptr > members[1].ptr) {
        struct fl_slice first = members[1];
        members[1] = members[0];
        members[0] = first;
    }
    fl_json_remove(facts->object, members, count, ret_patches);
    return count;
}

static void sort_patches(struct fl_json_patch *patches, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct fl_json_patch p = patches[i];
        unsigned at = i;
        for (; at > 0 && patches[at - 1].old.ptr > p.old.ptr; at--) {
            patches[at] = patches[at - 1];
        }
        patches[at] = p;
    }
}

static void write_request(const struct fl_facts *facts, struct fl_slice model, struct fl_request_wishes wishes,
                          struct fl_buf *storage, struct fl_request_body *ret_body)
{
    struct fl_json_patch patches[4];
    unsigned count = 0;
    bool can_ask = facts->endpoint == FL_ENDPOINT_CHAT || facts->endpoint == FL_ENDPOINT_COMPLETIONS;
    if (wishes.ask_usage && can_ask && facts->stream && !facts->usage_asked) {
        count += usage_patch(facts, &patches[count]);
    }
    count += model_patch(facts, model, storage, &patches[count]);
    if (!wishes.keep_extensions) {
        count += extension_patches(facts, &patches[count]);
    }
    sort_patches(patches, count); /* an insertion behind the brace stays before what begins there */
    ret_body->count = fl_json_splice(facts->body, patches, count, ret_body->pieces, &ret_body->bytes);
    fl_assert(ret_body->count <= FL_REQUEST_PIECES);
}

static enum fl_err read_answer(struct fl_slice body, struct fl_usage *ret_usage)
{
    enum { A_ERROR, A_USAGE, A_CHOICES, A_DATA, A_OUTPUT, A_COUNT };
    struct fl_json_watch w[A_COUNT] = {
        [A_ERROR] = {.key = FL_LIT("error")}, [A_USAGE] = {.key = FL_LIT("usage")},
        [A_CHOICES] = {.key = FL_LIT("choices")}, [A_DATA] = {.key = FL_LIT("data")},
        [A_OUTPUT] = {.key = FL_LIT("output")},
    };
    struct fl_json whole;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    if (fl_json_scan(body, limits, w, A_COUNT, &whole, NULL) || whole.type != FL_JSON_OBJECT) {
        return FL_ERR_BAD_RESPONSE;
    }
    (void)fl_usage_read_any(w[A_USAGE].value, ret_usage);
    bool answered = w[A_CHOICES].value.type == FL_JSON_ARRAY || w[A_DATA].value.type == FL_JSON_ARRAY ||
                    w[A_OUTPUT].value.type == FL_JSON_ARRAY;
    bool has_error = w[A_ERROR].value.type == FL_JSON_OBJECT || w[A_ERROR].value.type == FL_JSON_STRING;
    if (answered) {
        return FL_OK;
    }
    return has_error ? FL_ERR_ERROR_IN_200 : FL_ERR_BAD_RESPONSE; /* JSON, but no answer */
}

static enum fl_err read_error(int status, struct fl_slice body)
{
    return fl_failure_read(&fl_failures_openai, status, body, FL_EMPTY);
}

static void put_error(struct fl_buf *b, enum fl_err err, const struct fl_envelope *envelope)
{
    fl_buf_put_cstr(b, "{\"error\":{\"message\":");
    fl_buf_put_json(b, envelope->message);
    fl_buf_put_cstr(b, ",\"type\":\"");
    fl_buf_put_cstr(b, fl_openai_error_type(fl_err_status(err)));
    fl_buf_put_cstr(b, "\",\"param\":");
    if (envelope->param.len > 0) {
        fl_buf_put_json(b, envelope->param);
    } else {
        fl_buf_put_cstr(b, "null");
    }
    fl_buf_put_cstr(b, ",\"code\":\"");
    fl_buf_put_cstr(b, fl_openai_error_code(err));
    fl_buf_putc(b, '"');
    if (envelope->attempts.len > 0) {
        fl_buf_put_cstr(b, ",\"fairlead\":{\"attempts\":");
        fl_buf_put(b, envelope->attempts);
        fl_buf_putc(b, '}');
    }
    fl_buf_put_cstr(b, "}}");
}

const struct fl_dialect fl_dialect_openai = {
    .name = "openai",
    .paths = {[FL_ENDPOINT_CHAT] = "/chat/completions",
              [FL_ENDPOINT_COMPLETIONS] = "/completions",
              [FL_ENDPOINT_EMBEDDINGS] = "/embeddings",
              [FL_ENDPOINT_RESPONSES] = "/responses"},
    .wires = {[FL_ENDPOINT_CHAT] = &fl_wire_openai_chat,
              [FL_ENDPOINT_RESPONSES] = &fl_wire_openai_responses},
    .chat_wire = &fl_wire_openai_chat,
    .chat_endpoint = FL_ENDPOINT_CHAT,
    .models_path = "/models",
    .read_request = read_request,
    .read_texts = fl_openai_read_texts,
    .write_request = write_request,
    .read_answer = read_answer,
    .read_event = fl_openai_read_event,
    .read_error = read_error,
    .put_error = put_error,
};
